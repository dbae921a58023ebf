"""What is missing whatever an open question turns out to be: no answer is guessed, and none is waited for in vain."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from typing import Any

import pytest

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.once_known import missing_once_known
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.questions import facts_of_transfer

PACK = load_pack()


def case(persons: int = 10, *, ciio: str = "no", important: str = "no", **duties: bool) -> dict[str, Any]:
    facts = facts_of_transfer(on="2026-11-02", sensitive_persons=persons, anonymised_and_reviewed=False)
    facts["exporter"]["ciio"], facts["data"]["important"] = ciio, important
    facts["duties"].update(duties)
    return facts


def test_an_unknown_operator_still_lacks_the_assessment_of_impact() -> None:
    """Contract or security assessment depends on the answer; the impact assessment and the consent do not."""
    asked = case(ciio="unknown", impact_assessment=False, notice_and_separate_consent=False)
    assert decide(asked, PACK).missing == ()
    assert missing_once_known(asked, PACK) == ("NOTICE_SEPARATE_CONSENT", "PIPIA")


@pytest.mark.parametrize("word", ["unknown", "pending"])
def test_important_data_that_nobody_determined(word: str) -> None:
    asked = case(important=word, ethics_approval=False, impact_assessment=False)
    asked["data"]["human_genetic_information"] = True
    assert missing_once_known(asked, PACK) == ("ETHICS", "HGR", "PIPIA")


def test_a_mechanism_that_is_missing_under_every_answer_is_named() -> None:
    """20,000 sensitive persons need an assessment whether or not the exporter is an operator."""
    assert missing_once_known(case(20_000, ciio="unknown"), PACK) == ("SA_NOT_IN_FORCE",)
    assert missing_once_known(case(10, ciio="unknown"), PACK) == (), (
        "a contract, or an assessment: it depends"
    )


def test_two_open_questions_are_answered_together() -> None:
    """The same as asking the rules about every combination by hand."""
    asked = case(20_000, ciio="unknown", important="unknown", guardian_consent_if_minors=False)
    by_hand = []
    for important, ciio in product(("yes", "no"), repeat=2):
        one = deepcopy(asked)
        one["data"]["important"], one["exporter"]["ciio"] = important, ciio
        by_hand.append(set(decide(one, PACK).missing))
    found = missing_once_known(asked, PACK)
    assert found == tuple(sorted(set.intersection(*by_hand))) == ("GUARDIAN_CONSENT", "SA_NOT_IN_FORCE")


def test_a_case_without_an_open_question_has_nothing_to_add_and_is_not_changed() -> None:
    asked = case(20_000)
    assert decide(asked, PACK).missing and missing_once_known(asked, PACK) == ()
    asked = case(20_000, ciio="unknown")
    before = deepcopy(asked)
    missing_once_known(asked, PACK)
    assert asked == before


def test_a_case_that_is_none_is_refused_as_by_the_rules() -> None:
    asked = case(ciio="unknown")
    asked["surprise"] = 1
    with pytest.raises(PlatformError) as raised:
        missing_once_known(asked, PACK)
    assert raised.value.code == "transfer.unknown_key"
