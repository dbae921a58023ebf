"""Whatever takes two people can be tried in the demo: there are enough of them, and no two share a name."""

from __future__ import annotations

import unicodedata

import pytest

from rwd_platform.access.permissions import Action, can
from rwd_platform.demo.people import PEOPLE
from rwd_platform.flows import break_glass, release_votes, withdraw
from rwd_platform.log.entry import Actor

HOSPITAL = "org-hospital-a"
OPERATOR = "org-operator"
# What is asked for, of whose thing, who then has to agree, and how many of them.
STEPS = {
    "a release": (Action.RELEASE_REQUEST, OPERATOR, Action.RELEASE_APPROVE, release_votes.VOTES_NEEDED),
    "an erasure": (
        Action.ERASURE_REQUEST,
        HOSPITAL,
        Action.ERASURE_APPROVE,
        withdraw.retention().approvals,
    ),
    "a look at who a patient is": (
        Action.BREAK_GLASS_REQUEST,
        HOSPITAL,
        Action.BREAK_GLASS_APPROVE,
        break_glass.limits().approvals,
    ),
    "a question to a hospital": (Action.QUESTION_ASK, HOSPITAL, Action.QUESTION_CLOSE, 1),
    "whether a package holds nothing about a single patient": (
        Action.PACKAGE_ASSEMBLE,
        OPERATOR,
        Action.PACKAGE_READ,
        1,
    ),
    "a cleaned text": (Action.TEXT_PREPARE, OPERATOR, Action.TEXT_REVIEW, 1),
}


def people_who_may(action: Action, organisation: str) -> set[str]:
    return {login for login, role, of, _ in PEOPLE if can(Actor(login, role, of), action, organisation)}


@pytest.mark.parametrize("step", STEPS)
def test_whoever_asks_there_are_others_to_agree(step: str) -> None:
    asks, organisation, agrees, needed = STEPS[step]
    askers = people_who_may(asks, organisation)
    assert askers, "somebody can begin it"
    for asker in askers:
        assert len(people_who_may(agrees, organisation) - {asker}) >= needed, asker


def test_a_question_is_answered_by_a_third() -> None:
    """Neither who asked nor who answered closes it; the hospital's own person answers."""
    answering = people_who_may(Action.QUESTION_ANSWER, HOSPITAL)
    assert answering and not answering & people_who_may(Action.QUESTION_CLOSE, HOSPITAL)


def test_no_two_people_of_the_demo_are_taken_for_one() -> None:
    """Two accounts of one name count as one person wherever two are needed."""
    names = [unicodedata.normalize("NFKC", name).casefold() for *_, name in PEOPLE]
    assert len(set(names)) == len(names) == len({login for login, *_ in PEOPLE})
