"""Withdrawal, hold and erasure in the browser, over the API and at the command line: the same rules behind each."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlmodel import select

from rwd_platform.flows.erase_certificate import certificate_path
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.vault import Identity, Sighting, put_in_vault
from rwd_platform.flows.withdraw import retention
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    ErasureRequest,
    EvidencePackage,
    Job,
    LegalHold,
    PackageNotice,
    Upload,
    Withdrawal,
)
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.test_break_glass import NAME, NUMBER, PATIENT, PHONE, keep_somebody

WHY = "已核对患者的书面申请与伦理委员会意见"
DUTIES = {rule["id"]: "no" for rule in retention().rules}
FORM = {"patient": PATIENT, "reason": "consent-withdrawn", **{f"duty-{id}": "no" for id in DUTIES}}


@pytest.fixture
def platform(platform: Platform) -> Platform:
    keep_somebody(platform, "hospital-a")
    return platform


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def approve(as_user: LogIn, request_id: str) -> None:
    for login in ("privacy", "privacy-2"):
        answer = as_user(login).post(
            f"/erasures/{request_id}/votes", data={"approved": "true", "reason": WHY}
        )
        assert answer.status_code == 303, answer.text


def test_a_withdrawal_is_recorded_and_listed(as_user: LogIn, platform: Platform) -> None:
    """The list names the pseudonym; another hospital sees nothing."""
    hospital = as_user("hospital-a")
    fields = {
        "patient": PATIENT,
        "reason": "consent-withdrawn",
        "withdrawn_on": "2026-11-01",
        "consent_version": "v3",
    }
    assert hospital.post("/withdrawals", data=fields).status_code == 303
    assert hospital.post("/withdrawals", data=fields).status_code == 303, "again is the same record"
    assert len(platform.records.all(select(Withdrawal))) == 1
    page = text_of(hospital.get("/withdrawals").text)
    assert PATIENT in page and "使用已冻结" in page and "2026-11-01" in page
    assert PATIENT not in as_user("hospital-b").get("/withdrawals").text
    assert "Use frozen" in text_of(as_user("privacy", language="en").get("/withdrawals").text)


def second_chart(platform: Platform) -> str:
    """Another chart of the same person at that hospital, and one at another hospital; the second's pseudonym."""
    second = PATIENT[:-1] + ("b" if PATIENT[-1] != "b" else "c")
    of_a, of_b = (
        Upload(
            id=f"upload-of-{system}", organisation_id=organisation, source_system=system, agreement="A",
            platform_role="joint", consent_version="C", ethics_id="E", fhir_version="R4", state="admitted",
            received_at="", received_by="x",
        )
        for organisation, system in (("hospital-a", "lis"), ("hospital-b", "his"))
    )  # fmt: skip
    seen = Identity("hospital-a", "lis", second, "h-2", (), (NAME,), (), (), "1950-02-03")
    first = replace(seen, source_system="his", patient_id=PATIENT, resource_id="h-1")
    elsewhere = replace(seen, organisation_id="hospital-b", source_system="his", patient_id=PATIENT)
    clerk = Actor("x", "hospital", "hospital-a")
    for upload, who in ((of_a, (seen,)), (of_b, (elsewhere,))):
        act = Act(clerk, "upload.admitted", Object("upload", upload.id))
        with platform.records.transaction(audit=act) as session:
            session.add(upload)
            session.flush()
            put_in_vault(platform, session, upload, [Sighting(one, "l1.intl.1.one-person") for one in who])
    act = Act(clerk, "upload.admitted", Object("upload", "upload-1"))
    with platform.records.transaction(audit=act) as session:
        put_in_vault(
            platform, session, session.get_one(Upload, "upload-1"), [Sighting(first, "l1.intl.1.one-person")]
        )
    return second


def test_a_person_with_two_charts_is_shown_before_anything_is_asked(
    as_user: LogIn, platform: Platform
) -> None:
    """The page names both charts and their systems, asks how many, and then freezes and erases both."""
    second, hospital = second_chart(platform), as_user("hospital-a", language="en")
    fields = {
        "patient": PATIENT,
        "reason": "consent-withdrawn",
        "withdrawn_on": "2026-11-01",
        "consent_version": "v3",
    }
    for path, sent in (("/withdrawals", fields), ("/erasures", FORM)):
        answer = hospital.post(path, data=sent)
        assert answer.status_code == 409 and 'name="charts_seen"' in answer.text
        page = text_of(answer.text)
        assert f"his {PATIENT}" in page and f"lis {second}" in page and "the person: 1;" in page
    assert platform.records.all(select(Withdrawal)) == []
    assert 'name="charts_seen"' not in hospital.get("/withdrawals/new").text

    assert hospital.post("/withdrawals", data={**fields, "charts_seen": "2"}).status_code == 303
    page = text_of(hospital.get("/withdrawals").text)
    assert "2 charts at this hospital" in page and "of the person: 1;" in page
    done = hospital.post("/erasures", data={**FORM, "charts_seen": "2"})
    page = text_of(hospital.get(done.headers["location"]).text)
    assert PATIENT in page and second in page
    case = hospital.get("/api/v1/withdrawals").json()[0]
    assert (case["charts"], case["other_hospitals"], case["frozen"]) == (2, 1, True)


def test_what_was_typed_of_a_patient_is_not_shown_again(as_user: LogIn, platform: Platform) -> None:
    fields = {
        "patient": NUMBER,
        "reason": "consent-withdrawn",
        "withdrawn_on": "2026-11-01",
        "consent_version": "v3",
    }
    answer = as_user("hospital-a").post("/withdrawals", data=fields)
    assert answer.status_code == 404 and NUMBER not in answer.text and "v3" in answer.text
    answer = as_user("hospital-a").post(
        "/withdrawals", data={**fields, "patient": PATIENT, "withdrawn_on": "2027-01-01"}
    )
    assert answer.status_code == 422 and "YYYY-MM-DD" in answer.text


def test_a_request_goes_its_way_from_form_to_certificate(as_user: LogIn, platform: Platform) -> None:
    """Asked by the hospital, approved by two, done by a worker; the page is in both languages."""
    answer = as_user("hospital-a").post("/erasures", data=FORM)
    assert answer.status_code == 303, text_of(answer.text)
    place = answer.headers["location"]
    request_id = place.rsplit("/", 1)[1]
    assert "您的意见" in as_user("privacy").get(place).text
    assert "您的意见" not in as_user("hospital-a").get(place).text
    approve(as_user, request_id)
    [job] = platform.records.all(select(Job))
    assert (job.kind, job.payload) == ("erase", {"request_id": request_id})
    erase(platform, Actor("user-privacy-2", "privacy", "org-operator"), request_id)

    for language, words in (("zh", "仍保留及原因"), ("en", "What remains, and why")):
        page = as_user("hospital-a", language=language).get(place).text
        assert words in page and not any(one in page for one in (NAME, NUMBER, PHONE))
    text = as_user("hospital-a").get(f"{place}/certificate.txt")
    assert text.headers["content-type"].startswith("text/plain") and "Certificate of erasure" in text.text
    signed = as_user("regulator").get(f"/api/v1/erasures/{request_id}/certificate")
    assert signed.json()["signed"]["sha256"] and certificate_path(platform, request_id).is_file()
    assert as_user("hospital-b").get(place).status_code == 404
    [case] = as_user("privacy").get("/api/v1/withdrawals").json()
    assert case["frozen"] and case["requests"][0]["state"] == "erased"


def test_a_hold_is_placed_and_lifted_and_refuses_meanwhile(as_user: LogIn, platform: Platform) -> None:
    why = "琼药监函〔2026〕7号要求保全全部记录"
    inspector = as_user("regulator")
    fields = {"patient": PATIENT, "organisation_id": "hospital-a", "reason": why}
    assert inspector.post("/holds", data={**fields, "reason": "好"}).status_code == 422
    assert inspector.post("/holds", data=fields).status_code == 303
    answer = as_user("hospital-a").post("/erasures", data=FORM)
    assert answer.status_code == 409 and why in answer.text
    [row] = platform.records.all(select(ErasureRequest))
    assert (
        row.state == "refused"
        and "因依法保全未予删除" in as_user("hospital-a").get(f"/erasures/{row.id}").text
    )
    [hold] = platform.records.all(select(LegalHold))
    assert (
        inspector.post(f"/holds/{hold.id}/lift", data={"reason": "案件已结，不再需要保全"}).status_code == 303
    )
    assert as_user("hospital-a").post("/erasures", data=FORM).status_code == 303


def test_each_duty_has_to_be_answered(as_user: LogIn, platform: Platform) -> None:
    fields = {**FORM, "duty-medical-record": "until", "until-medical-record": "2041-03-01"}
    answer = as_user("hospital-a").post("/erasures", data=fields)
    assert answer.status_code == 409 and "medical-record (2041-03-01)" in answer.text
    fields = {**FORM, "duty-medical-record": "until"}
    answer = as_user("hospital-a").post("/erasures", data=fields)
    assert answer.status_code == 422 and "medical-record" in answer.text and PATIENT not in answer.text


def test_the_api_takes_the_same_words(as_user: LogIn, platform: Platform) -> None:
    hospital = as_user("hospital-a")
    told = {
        "patient": PATIENT,
        "reason": "consent-withdrawn",
        "withdrawn_on": "2026-11-01",
        "consent_version": "v3",
    }
    assert hospital.post("/api/v1/withdrawals", json=told).status_code == 201
    asked = {"patient": PATIENT, "reason": "consent-withdrawn", "duties": DUTIES}
    made = hospital.post("/api/v1/erasures", json=asked)
    assert made.status_code == 201 and made.json()["state"] == "requested"
    request_id = made.json()["id"]
    assert hospital.post("/api/v1/erasures", json=asked).json()["code"] == "erasure.open_already"
    vote = {"approved": False, "reason": WHY}
    voted = as_user("privacy").post(f"/api/v1/erasures/{request_id}/votes", json=vote)
    assert voted.status_code == 201 and voted.json()["state"] == "refused"
    assert hospital.post("/api/v1/erasures", json={**asked, "duties": {"a": "no"}}).status_code == 422


def test_the_home_leads_there_whoever_has_to_do_with_it(as_user: LogIn, platform: Platform) -> None:
    """The menu keeps to six entries a role; an officer who may vote is told at once."""
    as_user("hospital-a").post("/erasures", data=FORM)
    for login, leads in (("hospital-a", True), ("privacy", True), ("regulator", True), ("operator", False)):
        home = as_user(login).get("/").text
        assert ('href="/withdrawals"' in home) is leads, login
        assert ("删除申请待您表决" in home) is (login == "privacy")
        assert PATIENT not in home


def test_the_page_of_a_package_shows_its_notices(as_user: LogIn, platform: Platform) -> None:
    """Also to whom the package is not released: that something changed is no number of it."""
    seed.seed_everything(platform)
    [package] = platform.records.all(select(EvidencePackage))
    act = Act(seed.SEED, "withdrawal.recorded", Object("withdrawal", "withdrawal-1"))
    notice = PackageNotice(
        package_id=package.id, cause="withdrawal-1", organisation_id=package.organisation_id,
        project_id=package.project_id, kind="erased", noted_at="2026-11-20T08:00:00.000000Z",
    )  # fmt: skip
    assert "成包之后的变化" not in as_user("researcher").get(f"/packages/{package.id}").text
    platform.records.write(notice, audit=act)
    for login in ("researcher", "privacy"):
        assert "锁定已重新签发" in text_of(as_user(login).get(f"/packages/{package.id}").text)
    english = as_user("researcher", language="en").get(f"/packages/{package.id}").text
    assert "no longer lead to source lines" in text_of(english)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_form_offers_the_hospitals_own_systems_and_says_why_the_patient_is_asked_again(
    as_user: LogIn, platform: Platform, language: str
) -> None:
    """Another hospital's systems are not offered."""
    second_chart(platform)
    client = as_user("hospital-b", language=language)
    page = client.get("/withdrawals/new").text
    assert '<option value="his">' in page and '<option value="lis">' not in page
    assert "patient-emptied" not in page
    refused = client.post("/withdrawals", data={"patient": "nobody", "reason": "because"})
    told = "不会再次显示" if language == "zh" else "not shown again, to protect the patient"
    assert refused.status_code == 422 and told in refused.text and "nobody" not in refused.text
