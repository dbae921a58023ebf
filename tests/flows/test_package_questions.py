"""Questions about a package: who may ask, by when an answer is owed, and what nobody is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.package_questions import (
    answer,
    ask,
    ask_again,
    close,
    limits,
    question_of,
    questions_of,
)
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import release_to_authority
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, PackageQuestion
from tests.conftest import StandingClock
from tests.flows.releasing import (
    ASSEMBLER,
    CONDITIONS,
    OFFICER,
    OFFICER_2,
    REGULATOR,
    account,
    people,
    put_package,
)

WHY = "为什么这个区间比方案预期的宽"
SAID = "失访多于预期，见报告第六节"
OTHER = Actor("regulator-2", "regulator", "org-other-authority")
STRANGER = Actor("researcher-x", "researcher", "org-hospital-a")
NUMBERS = [
    {"id": "n0001", "ard_id": "all.subjects", "zh": "40", "en": "40", "place": "table:1"},
    {
        "id": "n0002",
        "file": "data/04_quality/quality.json",
        "pointer": "/x",
        "zh": "1",
        "en": "1",
        "place": "t",
    },
]


def refused(doing: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as told:
        doing()
    return told.value


def put(platform: Platform, id: str = "EP-1") -> str:
    """A package whose report prints two numbers."""
    return put_package(platform, {"all": people(1, 40)}, id=id, audience="authority", numbers=NUMBERS)


@pytest.fixture
def released(platform: Platform) -> Platform:
    put(platform)
    for actor in (REGULATOR, STRANGER):
        platform.records.write(account(actor), audit=Act(OFFICER, "seed.written", Object("user", actor.id)))
    release_to_authority(
        platform, "EP-1", requester=ASSEMBLER, officers=(OFFICER, OFFICER_2), authority="org-authority",
        conditions=CONDITIONS, reasons=("依据充分，同意提供给主管部门", "加密方式与授权依据均已核对"),
    )  # fmt: skip
    return platform


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return [json.loads(one.body) for one in found]


def test_a_regulator_asks_the_team_answers_and_the_regulator_closes(released: Platform) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY, "n0001")
    assert (asked.state, asked.number_id, asked.ard_id) == ("review_asked", "n0001", "all.subjects")
    answer(released, ASSEMBLER, asked.id, SAID)
    close(released, REGULATOR, asked.id, "已说明清楚，没有其他问题")
    for actor in (REGULATOR, ASSEMBLER):
        seen = question_of(released, actor, asked.id)
        assert seen.question.state == "review_closed"
        assert [(one.number, one.kind, one.said_by) for one in seen.entries] == [
            (1, "asked", REGULATOR.id), (2, "answered", ASSEMBLER.id), (3, "closed", REGULATOR.id),
        ]  # fmt: skip
        assert [one.text for one in seen.entries][:2] == [WHY, SAID]


def test_the_clock_counts_working_days_and_starts_once_more_when_it_is_asked_again(
    released: Platform, clock: StandingClock
) -> None:
    """The tests' day is Monday 2 November 2026: ten working days on is Monday the 16th."""
    asked = ask(released, REGULATOR, "EP-1", WHY)
    assert asked.due_on == "2026-11-16" and limits().answer_working_days == 10
    clock.advance(days=14)
    assert not question_of(released, REGULATOR, asked.id).overdue, "on the day itself it is in time"
    clock.advance(days=1)
    assert question_of(released, ASSEMBLER, asked.id).overdue
    answer(released, ASSEMBLER, asked.id, SAID)
    assert not question_of(released, REGULATOR, asked.id).overdue
    again = ask_again(released, REGULATOR, asked.id, "这没有回答为什么更宽")
    assert (again.state, again.due_on) == ("review_asked", "2026-12-01")


def test_what_is_owed_first_comes_first_and_what_is_closed_last(
    released: Platform, clock: StandingClock
) -> None:
    first = ask(released, REGULATOR, "EP-1", WHY)
    clock.advance(days=2)
    second, third = (ask(released, REGULATOR, "EP-1", WHY) for _ in range(2))
    answer(released, ASSEMBLER, second.id, SAID)
    close(released, REGULATOR, first.id, "已经在会上说明清楚")
    assert [one.question.id for one in questions_of(released, REGULATOR)] == [third.id, second.id, first.id]
    assert questions_of(released, REGULATOR, "EP-none") == []


@pytest.mark.parametrize("actor", [OTHER, STRANGER])
def test_whoever_neither_asked_nor_answers_finds_nothing(released: Platform, actor: Actor) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY)
    assert questions_of(released, actor) == []
    assert refused(lambda: question_of(released, actor, asked.id)).http == 404


def test_a_package_that_was_not_released_to_them_cannot_be_asked_about(platform: Platform) -> None:
    put(platform)
    assert refused(lambda: ask(platform, REGULATOR, "EP-1", WHY)).http == 404
    assert not platform.records.all(select(PackageQuestion))


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (ASSEMBLER, "access.not_allowed"),
        (OFFICER, "access.not_allowed"),
        (Actor("o", "operator", "org-operator"), "access.not_allowed"),
        (OTHER, "records.not_found"),
    ],
)
def test_who_may_not_ask_is_refused_and_that_is_on_record(
    released: Platform, actor: Actor, code: str
) -> None:
    assert refused(lambda: ask(released, actor, "EP-1", WHY)).code == code
    last = entries(released, "access.refused")[-1]
    assert (last["actor"]["id"], last["outcome"]) == (actor.id, "refused") and "package.ask" in json.dumps(
        last
    )


def test_the_team_of_another_organisation_cannot_answer_and_nobody_answers_for_the_asker(
    released: Platform,
) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY)
    assert refused(lambda: answer(released, STRANGER, asked.id, SAID)).http == 404
    assert refused(lambda: answer(released, REGULATOR, asked.id, SAID)).code == "access.not_allowed"
    assert refused(lambda: close(released, ASSEMBLER, asked.id, SAID)).code == "access.not_allowed"
    assert refused(lambda: close(released, OTHER, asked.id, SAID)).http == 404


def test_each_step_has_its_turn(released: Platform) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY)
    assert refused(lambda: ask_again(released, REGULATOR, asked.id, WHY)).code == "lifecycle.not_allowed"
    answer(released, ASSEMBLER, asked.id, SAID)
    assert refused(lambda: answer(released, ASSEMBLER, asked.id, SAID)).code == "lifecycle.not_allowed"
    close(released, REGULATOR, asked.id, "已经清楚，没有问题")
    for doing in (
        lambda: answer(released, ASSEMBLER, asked.id, SAID),
        lambda: close(released, REGULATOR, asked.id, SAID),
    ):
        assert refused(doing).code == "lifecycle.not_allowed"
    assert len(question_of(released, REGULATOR, asked.id).entries) == 3


def test_a_question_may_be_closed_unanswered(released: Platform) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY)
    assert close(released, REGULATOR, asked.id, "问错了证据包，撤回").state == "review_closed"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "？？？", "123456789", "短", "x" * 4001, "为什么\x00更宽一些呢", "为什么\u202e更宽一些呢"],
)
def test_words_that_say_nothing_or_cannot_be_printed_are_refused(released: Platform, text: str) -> None:
    assert refused(lambda: ask(released, REGULATOR, "EP-1", text)).code == "review.text_unfit"
    assert not platform_questions(released)


def platform_questions(platform: Platform) -> list[PackageQuestion]:
    return list(platform.records.all(select(PackageQuestion)))


@pytest.mark.parametrize(
    "text", ["患者身份证 11010519491231002X 的结局为何是删失", "请核对电话 13800138000 的患者"]
)
def test_words_that_name_a_person_are_refused_and_kept_nowhere(released: Platform, text: str) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY)
    for doing in (
        lambda: ask(released, REGULATOR, "EP-1", text),
        lambda: answer(released, ASSEMBLER, asked.id, text),
        lambda: close(released, REGULATOR, asked.id, text),
    ):
        error = refused(doing)
        assert (
            error.code == "review.text_identifies"
            and text[-12:] not in f"{error.zh}{error.en}{error.next_zh}"
        )
    everything = b"".join(one.body for one in released.records.all(select(AuditEntry)))
    assert b"11010519491231002X" not in everything and b"13800138000" not in everything


def test_the_log_names_the_question_and_never_its_words(released: Platform) -> None:
    asked = ask(released, REGULATOR, "EP-1", WHY, "n0001")
    answer(released, ASSEMBLER, asked.id, SAID)
    (one,), (other,) = entries(released, "review.asked"), entries(released, "review.answered")
    assert one["decision"] == {"package": "EP-1", "number": "n0001"} and other["object"]["id"] == asked.id
    assert WHY not in json.dumps([one, other], ensure_ascii=False) and SAID not in json.dumps(
        other, ensure_ascii=False
    )


@pytest.mark.parametrize("number", ["n9999", "../x", "n0001' OR 1=1"])
def test_a_number_that_the_report_does_not_print_is_refused(released: Platform, number: str) -> None:
    assert refused(lambda: ask(released, REGULATOR, "EP-1", WHY, number)).code == "review.number_unknown"


def test_a_number_that_counts_the_package_has_no_result_row(released: Platform) -> None:
    assert ask(released, REGULATOR, "EP-1", WHY, "n0002").ard_id == ""


def test_an_answer_may_point_to_a_later_package_of_the_study_and_to_no_other(
    released: Platform, clock: StandingClock
) -> None:
    put(released, "EP-older")
    asked = ask(released, REGULATOR, "EP-1", WHY)
    clock.advance(days=1)
    put(released, "EP-2")
    for wrong in ("EP-none", "EP-older", "EP-1"):
        assert (
            refused(lambda wrong=wrong: answer(released, ASSEMBLER, asked.id, SAID, wrong)).code
            == "review.later_unfit"
        )
    answer(released, ASSEMBLER, asked.id, SAID, "EP-2")
    assert question_of(released, REGULATOR, asked.id).entries[-1].package_id == "EP-2"


def test_an_organisation_has_so_many_open_questions_at_most(
    released: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from rwd_platform.flows import package_questions as module

    few = dataclasses.replace(limits(), most_open=2)
    monkeypatch.setattr(module, "limits", lambda: few)
    first, _ = (ask(released, REGULATOR, "EP-1", WHY) for _ in range(2))
    assert refused(lambda: ask(released, REGULATOR, "EP-1", WHY)).code == "review.too_many"
    close(released, REGULATOR, first.id, "已经清楚，没有问题")
    ask(released, REGULATOR, "EP-1", WHY)


@pytest.mark.parametrize("id", ["", "question-none", "x" * 5000, "a\x00b"])
def test_a_question_that_is_none_is_not_there(released: Platform, id: str) -> None:
    assert refused(lambda: question_of(released, REGULATOR, id)).http == 404
