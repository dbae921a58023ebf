"""The form of a transfer asks exactly what the rules need, and fills in nothing."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.core.errors import PlatformError
from rwd_platform.server import transfer_form
from rwd_platform.server.transfer_form import QUESTIONS, Answers
from tests.conftest import StandingClock
from tests.server.seed import case


def _filled(persons: int = 0) -> dict[str, str]:
    """A case as a person would fill it in."""
    words = {True: "yes", False: "no", None: ""}
    flat = transfer_form.flat(case(persons))
    return {
        key: words[value] if value is None or isinstance(value, bool) else str(value)
        for key, value in flat.items()
        if not key.endswith("first_key")
    }


def test_the_form_asks_every_fact_of_the_rules_once():
    """A fact that the rules need and the form forgets could never be decided on."""
    asked = [question.key for question in QUESTIONS]
    wanted = {key for key in transfer_form.flat(case(0)) if not key.endswith("first_key")}
    already = {"general", "sensitive_as_general", "sensitive"}
    assert set(asked) == wanted | {f"already_counted.{one}" for one in already}, "no person knows a key"
    assert len(asked) == len(set(asked))


def test_a_filled_form_is_the_case_that_the_command_takes():
    """Page and `rwd transfer decide` put the same question."""
    facts = transfer_form.facts(Answers(values=_filled(100_000)))
    assert facts == case(100_000)
    assert decide(facts, load_pack()).verdict == "HOLD"


def test_an_empty_form_decides_nothing(clock: StandingClock):
    """Only today's date is proposed; every other fact is missing until somebody answers."""
    answers = transfer_form.blank("", clock())
    assert {key for key, value in answers.values.items() if value} == {"on"}
    with pytest.raises(PlatformError) as error:
        decide(transfer_form.facts(answers), load_pack())
    assert error.value.code == "transfer.missing_key"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key)
def test_every_choice_of_the_form_is_one_that_the_rules_take(question: transfer_form.Question):
    """No choice leads into an error, and each reads as itself on the decision's page."""
    if question.kind not in ("flag", "choice"):
        return
    for value, words in question.choices:
        filled = {**_filled(), question.key: value}
        if question.key == "free_trade_zone_pack.listed" and value == "yes":
            filled |= {
                "free_trade_zone_pack.id": "FTZ",
                "free_trade_zone_pack.route_if_listed": "CONTRACT_OR_CERT",
            }
        facts = transfer_form.facts(Answers(values=filled))
        decide(facts, load_pack())
        assert transfer_form.answer_of(question, transfer_form.flat(facts)[question.key]) == words


@pytest.mark.parametrize("questions", [QUESTIONS, transfer_form.INBOUND_QUESTIONS], ids=["out", "in"])
def test_every_question_has_a_hint_in_both_languages(questions: tuple[transfer_form.Question, ...]):
    for question in questions:
        assert not question.hint.zh.isascii() and question.hint.zh.endswith("。"), question.key
        assert question.hint.en.isascii() and question.hint.en.endswith("."), question.key


def test_unknown_is_offered_where_the_rules_take_it_and_nowhere_else():
    """The page's first sentence names the two; a third would make it untrue."""
    offered = {one.key for one in QUESTIONS if "unknown" in dict(one.choices)}
    assert offered == {"exporter.ciio", "data.important"}


def test_the_same_persons_are_counted_once():
    """9,999 sensitive persons, all of whom the year has already, need no assessment; as others they would."""
    counts = {"persons.sensitive.count": "9999", "ledger_this_year.sensitive.count": "9999"}
    others = transfer_form.facts(Answers(values=_filled() | counts | {"data.anonymised_and_reviewed": "no"}))
    same = transfer_form.facts(
        Answers(
            values=_filled()
            | counts
            | {"data.anonymised_and_reviewed": "no", "already_counted.sensitive": "9999"}
        )
    )
    assert decide(others, load_pack()).personal_information_path == "SECURITY_ASSESSMENT"
    assert decide(same, load_pack()).personal_information_path == "CONTRACT_OR_CERT"


@pytest.mark.parametrize(("day", "far"), [("2027-11-03", False), ("2027-11-04", True), ("9999-12-31", True)])
def test_a_day_more_than_a_year_ahead_is_refused(clock: StandingClock, day: str, far: bool):
    """2026-11-02 in China is the clock's day: the rules of 2028 are not known yet."""
    answers = Answers(values={"on": day})
    with pytest.raises(PlatformError) if far else nullcontext() as error:
        transfer_form.check_day(answers, clock())
    assert error is None or error.value.code == "transfer.day_far"


@pytest.mark.parametrize("day", ["", "2026-02-30", "tomorrow", "２０２６-11-02"])
def test_what_is_no_day_is_left_to_the_rules(clock: StandingClock, day: str):
    transfer_form.check_day(Answers(values={"on": day}), clock())


@pytest.mark.parametrize("hostile", ["-1", "1e9", "９", "2000000000000000", "many", "true"])
def test_a_count_that_is_no_count_is_refused_by_name(hostile: str):
    """Nothing is read into a number that was not one."""
    facts = transfer_form.facts(Answers(values={**_filled(), "persons.sensitive.count": hostile}))
    with pytest.raises(PlatformError) as error:
        decide(facts, load_pack())
    assert "persons.sensitive.count" in error.value.en
