"""The form of a transfer asks exactly what the rules need, and fills in nothing."""

from __future__ import annotations

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
    }


def test_the_form_asks_every_fact_of_the_rules_once():
    """A fact that the rules need and the form forgets could never be decided on."""
    asked = [question.key for question in QUESTIONS]
    assert sorted(asked) == sorted(transfer_form.flat(case(0)))
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


@pytest.mark.parametrize("hostile", ["-1", "1e9", "９", "2000000000000000", "many", "true"])
def test_a_count_that_is_no_count_is_refused_by_name(hostile: str):
    """Nothing is read into a number that was not one."""
    facts = transfer_form.facts(Answers(values={**_filled(), "persons.sensitive.count": hostile}))
    with pytest.raises(PlatformError) as error:
        decide(facts, load_pack())
    assert "persons.sensitive.count" in error.value.en
