"""A finding becomes a question: asked, answered, closed by a second person, and opened again when it is still there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.jobs import drain, enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_question_list import (
    QuestionFilter,
    open_questions,
    question_seen,
    questions_seen,
    waiting,
)
from rwd_platform.flows.quality_question_rows import find_rows, rows_of
from rwd_platform.flows.quality_questions import answer, ask, decide, follow_up, limits
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.lifecycles import QUESTION, QuestionState
from rwd_platform.records.tables import (
    AuditDetail,
    AuditEntry,
    QualityQuestion,
    QualityQuestionEntry,
    QualityQuestionRow,
    Upload,
    User,
)
from tests.conftest import StandingClock
from tests.flows.questioning import (
    ASKER,
    CLERK,
    CLERK_B,
    HOSPITAL,
    INSPECTOR,
    OPERATOR,
    PRIVACY,
    RULE,
    SECOND,
    checked,
    result,
    settle,
)
from tests.flows.sending import actions, bundle, ndjson, patient, sent

WHY = "已与病案室逐行核对，原始记录如此。"
CHECKED = "已抽查原始病历，与医院的说明一致。"


@pytest.fixture
def platform(platform: Platform, clock: StandingClock) -> Platform:
    settle(platform)
    clock.advance(minutes=1)
    checked(platform, "run-1", result(RULE, HOSPITAL, "fail", 7), result(RULE, "org-hospital-b", "pass", 0))
    clock.advance(minutes=1)
    return platform


def refused(code: str, call: Callable[..., Any], *given: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call(*given)
    assert caught.value.code == code, caught.value
    return caught.value


def upload(platform: Platform, id: str = "up-1", hospital: str = HOSPITAL, state: str = "admitted") -> str:
    row = Upload(
        id=id, organisation_id=hospital, source_system="his", agreement="A", platform_role="joint",
        consent_version="1", ethics_id="E", fhir_version="R4", state=state, received_at=as_text(platform.clock()),
        received_by="clerk-a",
    )  # fmt: skip
    platform.records.write(row, audit=Act(CLERK, "upload.received", Object("upload", id)))
    return id


def asked(platform: Platform) -> str:
    return ask(platform, ASKER, HOSPITAL, RULE).id


def state_of(platform: Platform, id: str) -> str:
    return platform.records.get(QualityQuestion, id).state


# -- the way ------------------------------------------------------------------------------------------


def test_asked_answered_and_closed_by_a_second_person(platform: Platform, clock: StandingClock):
    """Each step is an entry that stays, and an act in the log."""
    id = ask(platform, ASKER, HOSPITAL, RULE, "请核对出院时间的导出。").id
    clock.advance(days=3)
    answer(platform, CLERK, id, "confirmed", WHY)
    decide(platform, SECOND, id, "close", CHECKED, 2)
    seen = question_seen(platform, INSPECTOR, id)
    assert [(one.kind, one.said_by) for one in seen.entries] == [
        ("asked", ASKER.id), ("answered", CLERK.id), ("closed", SECOND.id),
    ]  # fmt: skip
    assert (seen.row.state, seen.age_days, seen.rule.en) == ("closed", 3, "The visit ends before it begins.")
    assert (seen.row.applicable, seen.row.failing, seen.row.accepted_failing) == (40, 7, 7)
    written = [one for one in actions(platform) if one.startswith("question.")]
    assert written == ["question.asked", "question.answered", "question.closed"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((HOSPITAL, "visit.start_present"), "question.no_finding"),  # the run holds nothing about it
        (("org-hospital-b", RULE), "question.no_finding"),  # it passed
        (("org-nowhere", RULE), "question.no_finding"),
        ((HOSPITAL, "<b>no.such</b>"), "question.no_finding"),
        ((HOSPITAL, ""), "question.no_finding"),
    ],
)
def test_only_a_finding_is_asked_about(platform: Platform, given: tuple[str, str], expected: str):
    """A rule that passed, was not asked, or does not exist is no ground to trouble a hospital."""
    error = refused(expected, ask, platform, ASKER, *given)
    assert "<b>" not in str(error.as_dict())
    assert "access.refused" in actions(platform)


def test_before_the_first_check_there_is_nothing_to_ask(sqlite_template: Any, platform: Platform):
    fresh = platform.records
    with fresh.transaction(audit=Act(ASKER, "seed.written", Object("quality", "run-1"))) as session:
        from rwd_platform.records.tables import QualityRun

        session.delete(session.get_one(QualityRun, "run-1"))
    refused("question.not_checked", ask, platform, ASKER, HOSPITAL, RULE)


def test_two_clicks_make_one_question(platform: Platform):
    """The second is told which question is open; once it is closed a new one may be asked."""
    id = asked(platform)
    assert refused("question.already_asked", asked, platform).details == {"question": id}
    answer(platform, CLERK, id, "confirmed", WHY)
    refused("question.already_asked", asked, platform)
    decide(platform, SECOND, id, "close", CHECKED, 2)
    assert asked(platform) != id


def test_an_answer_is_given_once_and_may_be_returned(platform: Platform):
    """A form sent twice answers once; a returned question takes a new answer, and both stay."""
    id = asked(platform)
    answer(platform, CLERK, id, "confirmed", WHY)
    refused("lifecycle.not_allowed", answer, platform, CLERK, id, "confirmed", WHY)
    decide(platform, ASKER, id, "return", "请说明核对了哪些病历，依据是什么。", 2)
    assert waiting(platform, CLERK) == (1, 0)
    answer(platform, CLERK, id, "cannot_be_mended", "原系统已下线，无法追溯到原始时间。")
    assert waiting(platform, SECOND) == (0, 1)
    kinds = [one.kind for one in question_seen(platform, ASKER, id).entries]
    assert kinds == ["asked", "answered", "returned", "answered"]


# -- who ----------------------------------------------------------------------------------------------


def test_neither_asker_nor_answerer_closes(platform: Platform):
    """Nor somebody of the same name as one of them: two accounts of one person are one."""
    id = asked(platform)
    answer(platform, CLERK, id, "confirmed", WHY)
    refused("question.second_person", decide, platform, ASKER, id, "close", CHECKED, 2)
    twin = platform.records.get(User, SECOND.id)
    twin.name = "周 明远2"
    platform.records.write(twin, audit=Act(OPERATOR, "user.registered", Object("user", twin.id)))
    refused("question.second_person", decide, platform, SECOND, id, "close", CHECKED, 2)
    refused("access.not_allowed", decide, platform, CLERK, id, "close", CHECKED, 2)
    assert state_of(platform, id) == "answered"


def test_whoever_is_no_account_in_use_takes_no_part(platform: Platform):
    id = asked(platform)
    user = platform.records.get(User, CLERK.id)
    user.disabled_at = as_text(platform.clock())
    platform.records.write(user, audit=Act(OPERATOR, "user.registered", Object("user", user.id)))
    refused("access.no_account", answer, platform, CLERK, id, "confirmed", WHY)


def test_each_role_does_and_sees_what_it_may(platform: Platform):
    """The other hospital meets a question that looks like none; auditors read and change nothing."""
    id = asked(platform)
    hidden = refused("records.not_found", question_seen, platform, CLERK_B, id)
    absent = refused("records.not_found", question_seen, platform, CLERK_B, "none")
    assert hidden.zh.replace(id, "") == absent.zh.replace("none", "")
    refused("records.not_found", answer, platform, CLERK_B, id, "confirmed", WHY)
    refused("records.not_found", rows_of, platform, CLERK_B, id)
    assert questions_seen(platform, CLERK_B, QuestionFilter())[1] == 0
    for reader in (INSPECTOR, OPERATOR):
        assert question_seen(platform, reader, id).row.id == id
        refused("access.not_allowed", ask, platform, reader, HOSPITAL, RULE)
        refused("access.not_allowed", answer, platform, reader, id, "confirmed", WHY)
        refused("access.not_allowed", rows_of, platform, reader, id)
    refused("access.not_allowed", rows_of, platform, ASKER, id)
    refused("access.not_allowed", question_seen, platform, PRIVACY, id)


# -- hostile ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "question.text_unfit"),
        ("。。。。。。。。。。。。", "question.text_unfit"),
        ("好好好好好好好好好好好好", "question.text_unfit"),
        ("x" * 100_000, "question.text_unfit"),
        ("已与病案室逐行核对" * 12_000, "question.text_unfit"),
        ("患者身份证号 11010519491231002X，已与病案室核对。", "question.text_identifies"),
        ("请致电患者 13800138000 核实，已与病案室逐行核对。", "question.text_identifies"),
        ("已与病案室逐行核对，\x00原始记录如此。", "question.text_unfit"),
        ("已与病案室逐行核对，\ud800原始记录如此。", "question.text_unfit"),
    ],
)
def test_what_is_no_reason_or_names_a_person_is_refused_and_not_kept(
    platform: Platform, text: str, code: str
):
    """In an answer and in a decision; the words stand neither in the error nor in the log."""
    id = asked(platform)
    error = refused(code, answer, platform, CLERK, id, "confirmed", text)
    assert not text or text not in str(error.as_dict())
    assert state_of(platform, id) == "asked"
    answer(platform, CLERK, id, "confirmed", WHY)
    refused(code, decide, platform, SECOND, id, "close", text, 2)
    bodies = b"".join(one.body for one in platform.records.all(select(AuditEntry))).decode()
    assert "11010519491231002X" not in bodies and "13800138000" not in bodies


def test_html_is_kept_as_the_text_it_is_and_out_of_the_log(platform: Platform):
    """The page escapes it; the log holds a digest, the words lie sealed beside it."""
    id = asked(platform)
    text = "<script>alert(1)</script> 已与病案室逐行核对，原始记录如此。"
    answer(platform, CLERK, id, "confirmed", text)
    assert question_seen(platform, ASKER, id).entries[1].text == text
    bodies = b"".join(one.body for one in platform.records.all(select(AuditEntry))).decode()
    assert "script" not in bodies and "病案室" not in bodies
    assert all(b"script" not in one.sealed for one in platform.records.all(select(AuditDetail)))


def test_an_answer_that_names_no_known_kind_is_refused(platform: Platform):
    id = asked(platform)
    refused("question.answer_unknown", answer, platform, CLERK, id, "fine", WHY)
    refused("question.decision_unknown", decide, platform, SECOND, id, "delete", CHECKED, 1)


def test_the_correction_is_an_upload_of_the_hospital_that_came_after(
    platform: Platform, clock: StandingClock
):
    early = upload(platform, "up-early")
    clock.advance(minutes=1)
    id = asked(platform)
    clock.advance(minutes=1)
    others, unfinished = upload(platform, "up-b", "org-hospital-b"), upload(platform, "up-open", state="open")
    for given in ("", early, others, unfinished, "none", "'; DROP TABLE upload; --", "\x00"):
        refused("question.upload_unfit", answer, platform, CLERK, id, "corrected", WHY, given)
    good = upload(platform, "up-good")
    answer(platform, CLERK, id, "corrected", WHY, f" {good} ")
    assert question_seen(platform, ASKER, id).entries[-1].upload_id == good


# -- at the same time ---------------------------------------------------------------------------------


def test_of_two_who_close_at_once_one_does(platform: Platform):
    """The other is told; there is one decision in the end."""
    id = asked(platform)
    answer(platform, CLERK, id, "confirmed", WHY)
    third = User(
        id="researcher-3", organisation_id="org-operator", login="r3", role="researcher", name="骆闻笛",
        password_hash="", created_at="",
    )  # fmt: skip
    platform.records.write(third, audit=Act(OPERATOR, "user.registered", Object("user", third.id)))
    barrier, codes = threading.Barrier(2), []

    def close(who: Any) -> None:
        barrier.wait()
        try:
            decide(platform, who, id, "close", CHECKED, 2)
            codes.append("done")
        except PlatformError as error:
            codes.append(error.code)

    people = [SECOND, type(SECOND)("researcher-3", "researcher", "org-operator")]
    threads = [threading.Thread(target=close, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["done", "question.moved_on"]
    closed = [one for one in question_seen(platform, ASKER, id).entries if one.kind == "closed"]
    assert len(closed) == 1


def test_a_decision_is_about_the_entry_that_was_read(platform: Platform):
    """An answer that came while the page stood open is read before it is decided on."""
    id = asked(platform)
    answer(platform, CLERK, id, "confirmed", WHY)
    decide(platform, ASKER, id, "return", "请说明核对了哪些病历，依据是什么。", 2)
    answer(platform, CLERK, id, "confirmed", "再次核对了全部七份病历，记录无误。")
    refused("question.moved_on", decide, platform, SECOND, id, "close", CHECKED, 2)
    decide(platform, SECOND, id, "close", CHECKED, 4)


# -- the next quality run -----------------------------------------------------------------------------


def corrected_and_closed(platform: Platform, clock: StandingClock) -> str:
    id = asked(platform)
    clock.advance(minutes=5)
    answer(platform, CLERK, id, "corrected", WHY, upload(platform))
    clock.advance(minutes=5)
    decide(platform, SECOND, id, "close", CHECKED, 2)
    clock.advance(minutes=5)
    return id


def test_what_was_said_to_be_mended_and_is_still_shown_opens_again(platform: Platform, clock: StandingClock):
    """By the next run, once; the entry says what that run saw."""
    id = corrected_and_closed(platform, clock)
    run = checked(platform, "run-2", result(RULE, HOSPITAL, "fail", 3))
    clock.advance(seconds=1)
    assert follow_up(platform, run) == [id]
    assert follow_up(platform, run) == []
    last = question_seen(platform, CLERK, id).entries[-1]
    assert (last.kind, last.run_id, last.outcome, last.failing) == ("reopened", "run-2", "fail", 3)
    answer(platform, CLERK, id, "cannot_be_mended", "其余三行的原始记录已无法查证。")
    decide(platform, SECOND, id, "close", CHECKED, 5)
    clock.advance(minutes=1)
    again = checked(platform, "run-3", result(RULE, HOSPITAL, "fail", 3))
    assert follow_up(platform, again) == [], "what was accepted as it is does not open again"


@pytest.mark.parametrize(
    ("outcome", "failing", "opens"),
    [
        ("fail", 7, False),
        ("fail", 8, True),
        ("pass", 0, False),
        ("not_applicable", 0, False),
        ("error", 0, False),
    ],
)
def test_what_was_confirmed_opens_again_only_when_more_rows_fail(
    platform: Platform, clock: StandingClock, outcome: str, failing: int, opens: bool
):
    id = asked(platform)
    answer(platform, CLERK, id, "confirmed", WHY)
    decide(platform, SECOND, id, "close", CHECKED, 2)
    clock.advance(minutes=1)
    run = checked(platform, "run-2", result(RULE, HOSPITAL, outcome, failing))
    assert follow_up(platform, run) == ([id] if opens else [])


def test_a_correction_that_the_next_check_did_not_see_cannot_be_closed(
    platform: Platform, clock: StandingClock
):
    """A check from before the answer says nothing about it; one after it does."""
    id = asked(platform)
    clock.advance(minutes=5)
    answer(platform, CLERK, id, "corrected", WHY, upload(platform))
    clock.advance(minutes=5)
    checked(platform, "run-2", result(RULE, HOSPITAL, "fail", 2))
    clock.advance(minutes=5)
    error = refused("question.still_shown", decide, platform, SECOND, id, "close", CHECKED, 2)
    assert "2" in error.en
    checked(platform, "run-3", result(RULE, HOSPITAL, "pass", 0))
    decide(platform, SECOND, id, "close", CHECKED, 2)
    assert platform.records.get(QualityQuestion, id).accepted_failing is None


def test_a_question_about_rows_within_the_tolerance_is_shown_by_rows(
    platform: Platform, clock: StandingClock
):
    """Asked about a rule that passed with rows, it is mended when no row breaks it."""
    clock.advance(minutes=1)
    checked(platform, "run-2", result(RULE, HOSPITAL, "pass_with_rows", 1))
    id = corrected_and_closed(platform, clock)
    run = checked(platform, "run-3", result(RULE, HOSPITAL, "pass_with_rows", 1))
    assert follow_up(platform, run) == [id]


@pytest.mark.parametrize(
    ("results", "without", "status"),
    [
        ((result(RULE, HOSPITAL, "not_applicable", 0, 0),), (), "not_applicable"),
        ((result(RULE, HOSPITAL, "error", 0, 0),), (), "error"),
        ((), (), "not_run"),
        ((), (RULE,), "gone"),
    ],
)
def test_nothing_vanishes(
    platform: Platform, clock: StandingClock, results: tuple[Any, ...], without: tuple[str, ...], status: str
):
    """A rule that speaks about no row now, could not be run, or is not asked any more: the question says so."""
    id = asked(platform)
    clock.advance(days=40)
    checked(platform, "run-2", *results, without=without)
    [seen], total = questions_seen(platform, ASKER, QuestionFilter(older_than_days=30))
    assert total == 1 and seen.row.id == id and seen.now is not None
    assert (seen.now.status, seen.age_days) == (status, 40)
    assert seen.rule.zh == "就诊在开始之前就已结束。", "the words of the day it was asked"


def test_a_question_can_be_closed_without_an_answer_by_a_second_person(
    platform: Platform, clock: StandingClock
):
    """A mistake, or gone by itself: the reason stands there, and more rows open it again."""
    id = asked(platform)
    refused("question.second_person", decide, platform, ASKER, id, "close", "提错了医院，应向乙医院提出。", 1)
    decide(platform, SECOND, id, "close", "规则的容许比例设错，已另行更正。", 1)
    assert platform.records.get(QualityQuestion, id).accepted_failing == 7


# -- lists --------------------------------------------------------------------------------------------


def test_lists_by_hospital_state_and_age(platform: Platform, clock: StandingClock):
    checked(
        platform,
        "run-2",
        result(RULE, HOSPITAL, "fail", 7),
        result("patient.once", "org-hospital-b", "fail", 2),
    )
    first = asked(platform)
    clock.advance(days=10)
    second = ask(platform, ASKER, "org-hospital-b", "patient.once").id
    answer(platform, CLERK_B, second, "confirmed", WHY)

    def ids(**wanted: Any) -> list[str]:
        return [one.row.id for one in questions_seen(platform, ASKER, QuestionFilter(**wanted))[0]]

    assert ids() == [first, second]
    assert ids(hospital="org-hospital-b") == [second] and ids(hospital="nowhere") == []
    assert (
        ids(state="answered") == [second] and ids(state="closed") == [] and ids(state="") == [first, second]
    )
    assert ids(older_than_days=10) == [first] and ids(older_than_days=10**9) == []
    with pytest.raises(PlatformError, match=r"question\.filter_unknown"):
        ids(state="<b>")
    assert [one.row.id for one in questions_seen(platform, CLERK, QuestionFilter())[0]] == [first]
    assert len(open_questions(platform)) == 2 and len(open_questions(platform, HOSPITAL)) == 1


def test_a_long_list_comes_page_by_page(platform: Platform, clock: StandingClock):
    """Nothing is left out silently: the total is said."""
    row = platform.records.get(QualityQuestion, asked(platform))
    many = limits().page_questions + 3
    with platform.records.transaction(audit=Act(ASKER, "seed.written", Object("question", "x"))) as session:
        for number in range(many - 1):
            session.add(QualityQuestion(**{**row.model_dump(), "id": f"q-{number}", "rule": f"r-{number}"}))
    page_1, total = questions_seen(platform, ASKER, QuestionFilter())
    page_2, _ = questions_seen(platform, ASKER, QuestionFilter(), 2)
    assert (len(page_1), len(page_2), total) == (limits().page_questions, 3, many)


# -- rows ---------------------------------------------------------------------------------------------


def visit(id: str, of: str, start: str, end: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/{of}"}, "period": {"start": start, "end": end},
    }  # fmt: skip


def test_the_rows_are_places_in_the_hospitals_own_file(platform: Platform):
    """File and line for the hospital; others get their number. No value and no pseudonym is kept."""
    good, bad = ("2024-01-01", "2024-01-05"), ("2024-01-05", "2024-01-01")
    up = sent(platform, {
        "a.ndjson": ndjson(patient(), visit("v1", "p1", *good), visit("v2", "p1", *bad)),
        "b.json": bundle("collection", patient("p2"), visit("v3", "p2", *bad)),
    })  # fmt: skip
    sent(platform, {"c.ndjson": ndjson(patient("p9"), visit("v9", "p9", *bad))}, CLERK_B)
    id = asked(platform)
    assert [job.state for job in drain(platform, "test")][-1] == "done"
    found, listed = rows_of(platform, CLERK, id)
    assert listed == 2 and platform.records.get(QualityQuestion, id).rows_total == 2
    places = {(name, row.line, row.entry, row.resource_type, row.upload_id) for row, name in found}
    assert ("a.ndjson", 3, None, "Encounter", up) in places
    [in_bundle] = [row for row, name in found if name == "b.json"]
    assert in_bundle.entry is not None
    stored = json.dumps([row.model_dump() for row in platform.records.all(select(QualityQuestionRow))])
    assert "p1.intl" not in stored and "2024-01" not in stored
    assert find_rows(platform, ASKER, id) == 2 and rows_of(platform, CLERK, id)[1] == 2
    assert "question.rows_found" in actions(platform)


def test_of_very_many_rows_the_first_are_listed_and_all_are_counted(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    from rwd_platform.flows import quality_question_rows
    from rwd_platform.flows.quality_questions import Limits

    monkeypatch.setattr(quality_question_rows, "limits", lambda: Limits(10, 2000, 2, 1, 50))
    bad = ("2024-01-05", "2024-01-01")
    sent(platform, {"a.ndjson": ndjson(patient(), *(visit(f"v{n}", "p1", *bad) for n in range(5)))})
    id = asked(platform)
    assert find_rows(platform, ASKER, id) == 5
    first, listed = rows_of(platform, CLERK, id)
    assert (len(first), listed, platform.records.get(QualityQuestion, id).rows_total) == (1, 2, 5)


def test_an_empty_lake_gives_no_row_and_no_error(platform: Platform):
    """The run that was asked about may be of a day before an erasure: none is found, and that is said."""
    id = asked(platform)
    assert find_rows(platform, ASKER, id) == 0
    assert rows_of(platform, CLERK, id) == ([], 0)


def test_the_job_that_checks_quality_opens_questions_again(
    platform: Platform, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
):
    """Whoever queued the check, the program opens it again, and looks up the rows once more."""
    id = corrected_and_closed(platform, clock)
    drain(platform, "test")
    found = result(RULE, HOSPITAL, "fail", 3)
    monkeypatch.setattr(
        "rwd_platform.flows.check_quality.check_quality", lambda where, who: checked(where, "run-2", found)
    )
    enqueue(platform, ASKER, "quality", {}, key="quality/test")
    assert [(job.kind, job.state) for job in drain(platform, "test")] == [
        ("quality", "done"), ("question", "done"),
    ]  # fmt: skip
    assert question_seen(platform, CLERK, id).entries[-1].said_by == "platform"


@pytest.mark.long  # Great Expectations judges every table of the store: a minute on a busy machine
def test_after_a_real_check_the_rows_are_found_and_the_next_check_opens_what_was_not_mended(
    platform: Platform, clock: StandingClock
):
    """The real suites and engine: a visit that ends before it begins, said to be corrected and still there."""
    bad = ("2024-01-05", "2024-01-01")
    good = [visit(f"v{n}", "p1", "2024-01-01", "2024-01-05") for n in range(3)]
    sent(platform, {"a.ndjson": ndjson(patient(), *good, visit("late", "p1", *bad))})
    clock.advance(minutes=1)
    checked(platform, "run-2", result(RULE, HOSPITAL, "fail", 1, 4))
    clock.advance(minutes=1)
    id = asked(platform)
    assert find_rows(platform, ASKER, id) == 1
    [(row, name)], _ = rows_of(platform, CLERK, id)
    assert (name, row.line) == ("a.ndjson", 5)
    clock.advance(minutes=1)
    answer(platform, CLERK, id, "corrected", WHY, upload(platform))
    decide(platform, SECOND, id, "close", CHECKED, 2)
    clock.advance(minutes=1)
    enqueue(platform, ASKER, "quality", {}, key="quality/test")
    assert all(job.state == "done" for job in drain(platform, "test"))
    assert state_of(platform, id) == "reopened"
    now = question_seen(platform, CLERK, id).now
    assert now is not None and (now.status, now.failing, now.applicable) == ("fail", 1, 4)


# -- the tables ---------------------------------------------------------------------------------------


def test_every_state_of_a_question_can_be_reached_and_none_is_final():
    assert set(QUESTION) == set(QuestionState)
    reached, ahead = set(), [QuestionState.ASKED]
    while ahead:
        state = ahead.pop()
        reached.add(state)
        ahead.extend(QUESTION[state] - reached)
    assert reached == set(QuestionState) and all(QUESTION.values())


def test_every_write_names_what_it_changed(platform: Platform):
    """The entry's hashes are over the question and what was said: neither can be changed behind the log."""
    id = asked(platform)
    answer(platform, CLERK, id, "confirmed", WHY)
    [entry] = [one for one in platform.records.all(select(AuditEntry)) if one.action == "question.answered"]
    body = json.loads(entry.body)
    assert body["old_hash"] and body["new_hash"] and body["old_hash"] != body["new_hash"]
    assert body["decision"] == {"answer": "confirmed", "state": "answered", "upload": ""}
    assert len(platform.records.all(select(QualityQuestionEntry))) == 2
