"""Data of persons abroad that are to come in: the form, the answer card, the list beside transfers abroad, the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.compliance.inbound import inbound, read_import
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry, TransferRecord
from rwd_platform.server import transfer_form
from rwd_platform.server.transfer_form import INBOUND_QUESTIONS, Answers
from tests.server.conftest import LogIn
from tests.server.seed import seed_everything
from tests.server.test_pages import _CJK, visible_text
from tests.server.test_provisions import main_of

# Key-coded health data of 10,001 US persons; nothing is claimed and nothing is on file.
FACTS: dict[str, Any] = {
    "on": "2026-11-02",
    "origin": "US",
    "persons": 10_001,
    "genomic_persons": 0,
    "health": True,
    "key_coded_or_identified": True,
    "exemption": None,
    "exemption_evidence": False,
    "sender_mechanism_on_file": False,
}
WORDS = {True: "yes", False: "no", None: "none"}
FILLED = {
    key: WORDS[value] if value is None or isinstance(value, bool) else str(value)
    for key, value in FACTS.items()
}
NAMED = {"title_zh": "多区域试验的美国受试者", "title_en": "US persons of a trial", "recipient": "Sender Inc"}


def form(**differs: str) -> dict[str, str]:
    return {**NAMED, **FILLED, **differs}


# -- the form --------------------------------------------------------------------------------------------------------


def test_the_form_asks_every_fact_of_the_gate_once() -> None:
    """A fact that the gate needs and the form forgets could never be answered."""
    asked = [question.key for question in INBOUND_QUESTIONS]
    assert sorted(asked) == sorted(FACTS) and len(asked) == len(set(asked))
    read_import(FACTS)


def test_a_filled_form_is_the_case_that_the_command_takes() -> None:
    facts = transfer_form.facts(Answers(values=FILLED), INBOUND_QUESTIONS)
    assert facts == FACTS
    assert inbound(facts, load_pack("inbound-2025")).missing == ("US_EXEMPTION",)


@pytest.mark.parametrize("question", INBOUND_QUESTIONS, ids=lambda question: question.key)
def test_what_nobody_answered_is_missing_by_its_name(question: transfer_form.Question) -> None:
    """Also the exemption: that none is claimed is said by a person, and not by leaving it empty."""
    assert not question.may_be_empty
    with pytest.raises(PlatformError, match=r"inbound\.missing_key") as caught:
        inbound(
            transfer_form.facts(Answers(values=FILLED | {question.key: ""}), INBOUND_QUESTIONS),
            load_pack("inbound-2025"),
        )
    assert question.key in caught.value.en


@pytest.mark.parametrize("question", INBOUND_QUESTIONS, ids=lambda question: question.key)
def test_every_choice_of_the_form_is_one_that_the_gate_takes(question: transfer_form.Question) -> None:
    for value, words in question.choices if question.kind in ("flag", "choice") else ():
        facts = transfer_form.facts(Answers(values=FILLED | {question.key: value}), INBOUND_QUESTIONS)
        inbound(facts, load_pack("inbound-2025"))
        assert transfer_form.answer_of(question, facts[question.key]) == words


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_filled_in_for_the_asker(as_user: LogIn, language: str) -> None:
    """Not the day, not a choice: every field waits for an answer."""
    page = main_of(as_user("researcher", language=language).get("/transfers/inbound").text)
    assert re.findall(r"<option[^>]*selected", page) == []
    assert set(re.findall(r'<input class="form-control"[^>]*value="([^"]*)"', page)) == {""}
    assert page.count(" required") == len(FACTS) + len(NAMED)
    if language == "en":
        assert not _CJK.search(visible_text(page))


# -- the answer ------------------------------------------------------------------------------------------------------


def test_the_answer_is_a_card_with_the_rule_what_is_missing_and_the_disclaimer(
    platform: Platform, as_user: LogIn
) -> None:
    client = as_user("researcher")
    answer = client.post("/transfers/inbound", data=form(), follow_redirects=True)
    text = visible_text(main_of(answer.text))
    for wanted in (
        "暂缓",
        "入境，来自 Sender Inc",
        "10,001",
        "适用的美国规则豁免",
        "须由法务核对",
        "非法律意见",
    ):
        assert wanted in text
    assert 'href="/rules/inbound/2025.1#I2"' in answer.text and "个人信息路径" not in text
    assert "没有主张" in answer.text and "美国" in answer.text
    (record,) = platform.records.all(select(TransferRecord))
    assert (record.direction, record.verdict, record.facts) == ("inbound", "HOLD", FACTS)
    english = as_user("researcher", language="en").get(f"/transfers/{record.id}").text
    assert not _CJK.search(visible_text(main_of(english)).replace("张 researcher", ""))


def test_what_was_filled_in_stays_when_something_is_missing(platform: Platform, as_user: LogIn) -> None:
    client = as_user("researcher")
    answer = client.post("/transfers/inbound", data=form(origin=""))
    assert answer.status_code == 400 and "inbound.missing_key" in answer.text
    assert 'value="10001"' in answer.text and "Sender Inc" in answer.text
    assert platform.records.all(select(TransferRecord)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("persons", "-1"), ("persons", "1e9"), ("persons", "９"), ("persons", "9" * 40), ("origin", "<script>"),
        ("on", "2026-02-30"), ("health", "true"), ("exemption", "null"), ("genomic_persons", "10002"),
    ],
)  # fmt: skip
def test_hostile_answers_are_refused_by_name(
    platform: Platform, as_user: LogIn, key: str, value: str
) -> None:
    client = as_user("researcher")
    answer = client.post("/transfers/inbound", data=form(**{key: value}))
    assert (
        answer.status_code == 400
        and "inbound.bad_value" in answer.text
        and "<script>" not in main_of(answer.text)
    )
    assert platform.records.all(select(TransferRecord)) == []


# -- beside the transfers abroad -------------------------------------------------------------------------------------


def test_an_import_is_marked_in_the_list_and_in_no_list_of_what_leaves(
    platform: Platform, as_user: LogIn
) -> None:
    """Both in one list, each with its direction; what counts or lists transfers abroad does not see it."""
    held = seed_everything(platform)
    client = as_user("researcher")
    before = client.get("/api/v1/transfers").json()
    made = client.post(
        "/api/v1/transfers/inbound",
        json={"title_zh": "甲", "title_en": "Import A", "sender": "Sender Inc", "facts": FACTS},
    )
    assert made.status_code == 201 and made.json()["direction"] == "inbound"
    listed = main_of(client.get("/transfers").text)
    assert listed.count("入境</span>") == 1 and listed.count("出境</span>") == len(before)
    assert f'href="/transfers/{made.json()["id"]}"' in listed and f'href="/transfers/{held}"' in listed
    assert client.get("/api/v1/transfers").json() == before
    (only,) = client.get("/api/v1/transfers", params={"direction": "inbound"}).json()
    assert only == made.json()
    assert made.json()["id"] not in as_user("regulator").get("/").text
    assert client.get("/api/v1/transfers", params={"direction": "sideways"}).status_code == 422


def test_the_log_says_that_data_were_to_come_in(platform: Platform, as_user: LogIn) -> None:
    """Under an act of its own, so that reading the log for transfers abroad finds those alone."""
    client = as_user("researcher")
    client.post("/transfers/inbound", data=form())
    actions = [one.action for one in platform.records.all(select(AuditEntry))]
    assert actions.count("transfer.inbound_decided") == 1 and "transfer.decided" not in actions
    page = as_user("regulator").get("/log?action=transfer.inbound_decided").text
    assert "按规则判定了一次境外数据入境" in page


@pytest.mark.parametrize("login", ["regulator", "operator", "auditor"])
def test_who_may_not_ask_may_not_ask_about_imports_either(
    platform: Platform, as_user: LogIn, login: str
) -> None:
    client = as_user(login)
    assert client.get("/transfers/inbound").status_code == 403
    assert client.post("/transfers/inbound", data=form()).status_code == 403
    assert platform.records.all(select(TransferRecord)) == []
