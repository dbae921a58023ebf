"""What people type about a transfer or into a search does not end up in the log, from which nothing is erased."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry, TransferRecord
from rwd_platform.server import transfer_form
from tests.flows.log_reading import newest_detail, whole_log
from tests.server import seed
from tests.server.conftest import LogIn

RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
NAMED = f"患者王小明 {RESIDENT_ID}"
OUT = {"title_zh": "一次提供", "title_en": "One provision", "recipient": "Demo Ltd", "facts": seed.case(0)}
COMES = {
    "on": "2026-11-02", "origin": "OTHER", "persons": 5, "genomic_persons": 0, "health": True,
    "key_coded_or_identified": True, "exemption": None, "exemption_evidence": False,
    "sender_mechanism_on_file": True,
}  # fmt: skip
IN = {"title_zh": "一次带入", "title_en": "One import", "sender": "Sender Inc", "facts": COMES}


def form(case: dict[str, Any]) -> dict[str, str]:
    flat = transfer_form.flat(case)
    said = {None: "", True: "yes", False: "no"}
    values = {
        question.key: flat.get(question.key, 0) for question in transfer_form.QUESTIONS
    }  # nobody counted yet
    return {
        key: said[value] if value is None or isinstance(value, bool) else str(value)
        for key, value in values.items()
    }


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        *(("/api/v1/transfers", OUT, name) for name in ("title_zh", "title_en", "recipient")),
        *(("/api/v1/transfers/inbound", IN, name) for name in ("title_zh", "title_en", "sender")),
    ],
)
def test_a_number_that_identifies_somebody_is_in_no_title_and_no_name(
    platform: Platform, as_user: LogIn, path: str, asked: dict[str, Any], field: str
) -> None:
    answer = as_user("researcher").post(path, json={**asked, field: NAMED})
    assert (answer.status_code, answer.json()["code"]) == (422, "transfer.text_identifies")
    assert RESIDENT_ID not in answer.text and "号码" in answer.json()["zh"]
    assert platform.records.all(select(TransferRecord)) == [] and RESIDENT_ID not in whole_log(platform)


@pytest.mark.parametrize(("path", "asked"), [("/api/v1/transfers", OUT), ("/api/v1/transfers/inbound", IN)])
def test_a_title_is_in_the_record_and_not_in_the_log(
    platform: Platform, as_user: LogIn, path: str, asked: dict[str, Any]
) -> None:
    """A name alone is found by nobody: so no title at all is hashed into an entry."""
    titles = {"title_zh": "患者王小明的资料", "title_en": "Data of WANG Xiaoming"}
    answer = as_user("researcher").post(path, json={**asked, **titles})
    assert answer.status_code == 201 and answer.json()["title_zh"] == titles["title_zh"]
    assert "王小明" not in whole_log(platform) and "WANG Xiaoming" not in whole_log(platform)


@pytest.mark.parametrize(
    ("text", "code"), [(NAMED, "transfer.text_identifies"), ("a\x00b", "transfer.text_unfit")]
)
def test_the_form_says_what_is_wrong_with_a_title_and_keeps_the_rest(
    platform: Platform, as_user: LogIn, text: str, code: str
) -> None:
    typed = {"title_zh": text, "title_en": "One", "recipient": "Sponsor Ltd", **form(seed.case(0))}
    answer = as_user("researcher").post("/transfers", data=typed)
    assert answer.status_code == 422 and code in answer.text and 'value="Sponsor Ltd"' in answer.text
    assert platform.records.all(select(TransferRecord)) == []


@pytest.mark.parametrize("count", [10**10 + 1, 2**53, 2**63, 10**90])
@pytest.mark.parametrize("place", ["count", "first_key"])
def test_more_persons_than_there_are_is_an_answer_and_no_accident(
    platform: Platform, as_user: LogIn, count: int, place: str
) -> None:
    facts = json.loads(json.dumps(seed.case(0)))
    facts["persons"]["sensitive"][place] = count
    answer = as_user("researcher").post("/api/v1/transfers", json={**OUT, "facts": facts})
    assert (answer.status_code, answer.json()["code"]) == (400, "transfer.bad_value")
    assert "10,000,000,000" in answer.json()["en"] and platform.records.all(select(TransferRecord)) == []


def test_an_export_keeps_of_its_filter_what_is_in_the_log_anyway(platform: Platform, as_user: LogIn) -> None:
    """Whose name or number was searched for is sealed beside the entry; an account that exists is named by its id."""
    auditor = as_user("auditor")
    typed = {"actor": "张 researcher", "object": f"患者王小明 {RESIDENT_ID}", "since": "2026-11-01"}
    assert auditor.get("/log.csv", params=typed).status_code == 200
    (body,) = [
        json.loads(row.body)
        for row in platform.records.all(select(AuditEntry))
        if row.action == "log.exported"
    ]
    kept = body["decision"]["filter"]
    assert (
        kept["since"] == "2026-11-01"
        and "object" not in kept
        and kept.get("actor", "user-researcher") == "user-researcher"
    )
    assert "王小明" not in whole_log(platform) and RESIDENT_ID not in whole_log(platform)
    assert newest_detail(platform, "log.exported")["typed"] == typed


@pytest.mark.parametrize(
    "typed", [{"action": "a" + RESIDENT_ID}, {"outcome": RESIDENT_ID}, {"actor": RESIDENT_ID}]
)
def test_no_field_of_the_filter_carries_a_number_into_the_log(
    platform: Platform, as_user: LogIn, typed: dict[str, str]
) -> None:
    assert as_user("auditor").get("/log.csv", params=typed).status_code == 200
    assert RESIDENT_ID not in whole_log(platform)
    assert newest_detail(platform, "log.exported")["typed"] == typed
