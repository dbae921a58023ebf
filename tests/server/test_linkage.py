"""The linkage page and its API: empty, one run, who may start one, and that names are only text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Job, LinkageRun
from studies.linkage.run import report_of
from tests.server.conftest import LogIn
from tests.studies.linkage.population import population

OFFICER = Actor("user-privacy", "privacy", "org-operator")
HOSTILE = "<script>alert(1)</script>"


def with_run(platform: Platform, id: str = "linkage-1") -> dict[str, Any]:
    """A run as the flow writes it, of 400 people in care and payment; 3 % of the numbers mixed up."""
    truth = population(2, 400, mixed_up=0.03, without_number=0.1)
    charts = truth.places.replace({"h1": HOSTILE, "pay": "hospital-a"})
    where = charts[["organisation_id", "patient_id"]]
    seen = where.assign(first_date="2024-03-01")
    report = {
        **report_of(charts, truth.linked, seen, where.iloc[:90].assign(product=HOSTILE), 0).as_dict(),
        "lake_versions": {},
        "roles": {HOSTILE: "care", "hospital-a": "payment"},
    }
    run = LinkageRun(
        id=id,
        organisation_id="org-operator",
        made_at="2026-11-02T08:00:00.000000Z",
        state="0" * 64,
        report=report,
    )
    platform.records.write(run, audit=Act(OFFICER, "linkage.ran", Object("linkage", id)))
    return report


@pytest.mark.parametrize(
    ("language", "said"), [("zh", "还没有运行过关联"), ("en", "No linkage has been run yet")]
)
def test_without_a_run_the_page_offers_one_to_whoever_may(as_user: LogIn, language: str, said: str) -> None:
    page = as_user("privacy", language=language).get("/linkage")
    assert page.status_code == 200 and said in page.text and 'action="/linkage/runs"' in page.text
    reader = as_user("researcher", language=language).get("/linkage")
    assert said in reader.text and 'action="/linkage/runs"' not in reader.text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_run_is_shown_without_small_counts_and_names_are_only_text(
    platform: Platform, as_user: LogIn, language: str
) -> None:
    report = with_run(platform)
    conflicts = report["errors"][0]["counts"]
    assert 0 < conflicts["both"] < 20
    page = as_user("researcher", language=language).get("/linkage?run=linkage-1")
    assert page.status_code == 200 and HOSTILE not in page.text and "&lt;script&gt;" in page.text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
    assert {"zh": "不显示", "en": "withheld"}[language] in text
    assert {"zh": "不高于", "en": "at most"}[language] in text
    assert {"zh": "演示医院甲", "en": "Demo Hospital A"}[language] in text
    api = as_user("researcher").get("/api/v1/linkage/linkage-1").json()
    assert api["errors"][0]["counts"]["both"] is None and api["account"]["charts"] == 800
    assert [one["id"] for one in as_user("regulator").get("/api/v1/linkage").json()] == ["linkage-1"]
    missing = as_user("researcher").get("/linkage?run=linkage-2")
    assert missing.status_code == 404


def test_a_run_is_queued_once_for_one_state_of_the_store(platform: Platform, as_user: LogIn) -> None:
    officer = as_user("operator")
    first = officer.post("/api/v1/linkage/runs", json={"roles": {}})
    again = officer.post("/api/v1/linkage/runs", json={"roles": {}})
    assert first.status_code == again.status_code == 202 and first.json()["id"] == again.json()["id"]
    other = officer.post("/api/v1/linkage/runs", json={"roles": {"hospital-a": "payment"}})
    assert other.json()["id"] != first.json()["id"]
    assert {one.kind for one in platform.records.all(select(Job))} == {"linkage"}
    for roles in ({"hospital-a": "insurer"}, {"org-nobody": "care"}):
        refused = officer.post("/api/v1/linkage/runs", json={"roles": roles})
        assert refused.status_code == 422 and "linkage.role_unfit" in refused.text
    assert as_user("researcher").post("/api/v1/linkage/runs", json={"roles": {}}).status_code == 403


@pytest.mark.parametrize("language", ["zh", "en"])
def test_before_any_run_whoever_cannot_start_one_reads_who_can(as_user: LogIn, language: str):
    words = "由隐私专员或平台运维人员" if language == "zh" else "A privacy officer or the operator runs it"
    page = as_user("researcher", language=language).get("/linkage").text
    assert words in page and "rwd linkage run" in page and 'action="/linkage/runs"' not in page
    assert words not in as_user("operator", language=language).get("/linkage").text
