"""A page names nothing that only the program knows: acts, things and fields stand there in words."""

from __future__ import annotations

import pytest

from rwd_platform.access.permissions import FROM_ABROAD, NOT_ALLOWED, Action
from rwd_platform.compliance.case import CASE_MISSING_KEY
from rwd_platform.compliance.inbound import INBOUND_MISSING_KEY
from rwd_platform.compliance.series import NO_PACK_ON
from rwd_platform.core.errors import PROBLEMS
from rwd_platform.flows.instruments import INSTRUMENT_MALFORMED
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.server import acts, said, transfer_form
from tests.server.conftest import LogIn
from tests.server.test_pages import visible_text
from tests.server.test_provisions import main_of


@pytest.mark.parametrize("action", list(Action))
def test_a_permission_is_named_by_what_it_lets_somebody_do(action: Action) -> None:
    for error in (
        NOT_ALLOWED.error(role="Researcher", role_zh="研究者", action=action),
        FROM_ABROAD.error(action=action),
    ):
        shown = said.said(error)
        assert acts.ASKED[action].zh in shown.zh and acts.ASKED[action].en in shown.en
        assert action.value not in shown.zh + shown.en and shown.code == error.code
        assert (shown.next_zh, shown.next_en) == (error.next_zh, error.next_en)


def test_what_is_not_there_is_named_as_a_thing_without_a_question_mark() -> None:
    shown = said.said(NOT_FOUND.error(kind="audit_entry", id="?"))
    assert shown.zh == "找不到日志条目，或您无权查看。"
    assert shown.en == "There is no log entry, or it is not yours to see."
    shown = said.said(NOT_FOUND.error(kind="transfer", id="transfer-1"))
    assert shown.zh == "找不到出境判定 transfer-1，或您无权查看。"
    assert said.said(NOT_FOUND.error(kind="new_thing", id="x")).en.startswith("There is no new_thing x,")


@pytest.mark.parametrize(
    ("problem", "questions"),
    [
        (CASE_MISSING_KEY, transfer_form.QUESTIONS),
        (INBOUND_MISSING_KEY, transfer_form.INBOUND_QUESTIONS),
    ],
    ids=["out", "in"],
)
def test_a_fact_that_is_missing_is_named_by_its_label(problem, questions) -> None:  # type: ignore[no-untyped-def]
    for one in questions:
        shown = said.said(problem.error(key=one.key))
        assert f"“{one.ask.zh}”" in shown.zh and f"“{one.ask.en}”" in shown.en
        assert "unknown" not in shown.next_zh + shown.next_en


def test_no_page_names_an_option_of_the_command_line_or_a_field_of_a_file() -> None:
    shown = said.said(
        NO_PACK_ON.error(
            family="national", on="2020-01-01", since="2024-03-22", until_zh="今后", until_en="on"
        )
    )
    assert (
        "--rules" not in shown.next_zh + shown.next_en and "national" not in shown.zh + shown.en.lower()[:40]
    )
    shown = said.said(
        INSTRUMENT_MALFORMED.error(field="scope.purposes", allowed="a | b", allowed_zh="应为 a | b")
    )
    assert "scope.purposes" not in shown.zh + shown.en and "“目的”" in shown.zh and "a | b" not in shown.en


def test_a_problem_that_names_nothing_of_ours_is_left_as_it_is() -> None:
    error = PROBLEMS["server.not_found"].error()
    stored = error.as_dict()
    assert said.said(error) is error and said.said(stored) is stored


def test_the_pages_speak_so_and_the_api_keeps_the_names(as_user: LogIn) -> None:
    auditor = as_user("auditor")
    page = visible_text(main_of(auditor.get("/provisions").text))
    assert "查看数据提供" in page and "provision.read" not in page
    assert "provision.read" in auditor.get("/api/v1/provisions").json()["zh"]
    page = visible_text(main_of(auditor.get("/log/99999").text))
    assert "找不到日志条目 99999，" in page and "audit_entry" not in page
    form = {"title_zh": "甲", "title_en": "A", "recipient": "S", "on": "2026-11-02"}
    page = as_user("researcher").post("/transfers", data=form).text
    assert "transfer.missing_key" in page and "缺少键“" in page and "crosses_border。" not in page
