"""The cohorts' API: what each role gets, and that errors come in both languages."""

from __future__ import annotations

from tests.cli.test_cohort_lake import DEFINITION
from tests.server.conftest import LogIn

BODY = {"definition": DEFINITION}


def test_a_researcher_checks_and_counts_and_may_not_see_a_patient(as_user: LogIn) -> None:
    browser = as_user("researcher")
    token = browser.get("/api/v1/session").json()["csrf_token"]
    checked = browser.post("/api/v1/cohorts/check", json=BODY, headers={"X-CSRF-Token": token})
    assert checked.status_code == 200
    assert "adult" in {one["id"] for one in checked.json()["sentences"]}
    counted = browser.post("/api/v1/cohorts/count", json=BODY, headers={"X-CSRF-Token": token})
    assert counted.status_code == 200
    assert {one["remaining"] for one in counted.json()["steps"]} == {None}
    asked = {**BODY, "patient_id": "p"}
    refused = browser.post("/api/v1/cohorts/explain", json=asked, headers={"X-CSRF-Token": token})
    assert refused.status_code == 403


def test_a_hospital_asks_for_a_patient_who_is_not_there(as_user: LogIn) -> None:
    browser = as_user("hospital-a")
    token = browser.get("/api/v1/session").json()["csrf_token"]
    asked = {**BODY, "patient_id": "<script>alert(1)</script>"}
    found = browser.post("/api/v1/cohorts/explain", json=asked, headers={"X-CSRF-Token": token})
    assert found.status_code == 200
    assert found.json()["in_store"] is False


def test_a_definition_that_is_none_is_an_error_in_both_languages(as_user: LogIn) -> None:
    browser = as_user("researcher")
    token = browser.get("/api/v1/session").json()["csrf_token"]
    for body in ({"definition": "cohort: ["}, {"definition": ""}):
        answer = browser.post("/api/v1/cohorts/count", json=body, headers={"X-CSRF-Token": token})
        assert answer.status_code == 400
        assert answer.json()["zh"] and answer.json()["en"]
    huge = browser.post(
        "/api/v1/cohorts/count", json={"definition": "x" * 300_000}, headers={"X-CSRF-Token": token}
    )
    assert huge.status_code in (400, 413, 422)
