"""Life cycles are tables: every state has a row, every step is to a state of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.records.lifecycles import (
    ERASURE,
    JOB,
    PACKAGE,
    QUESTION,
    ROUND,
    SHEET,
    STUDY,
    UNSEALING,
    UPLOAD,
    ErasureState,
    JobState,
    PackageState,
    QuestionState,
    RoundState,
    SheetState,
    StudyState,
    UnsealingState,
    UploadState,
    check_transition,
)
from rwd_platform.records.state_words import STATES

TABLES = [
    (UPLOAD, UploadState),
    (STUDY, StudyState),
    (PACKAGE, PackageState),
    (JOB, JobState),
    (QUESTION, QuestionState),
    (ERASURE, ErasureState),
    (UNSEALING, UnsealingState),
    (ROUND, RoundState),
    (SHEET, SheetState),
]


@pytest.mark.parametrize(("table", "states"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_every_state_has_a_row_and_can_be_reached(
    table: Mapping[StrEnum, frozenset[StrEnum]], states: type[StrEnum]
) -> None:
    """No state is forgotten, and from the first state every other can be reached."""
    assert set(table) == set(states)
    reached, ahead = set(), [next(iter(states))]
    while ahead:
        state = ahead.pop()
        reached.add(state)
        ahead.extend(table[state] - reached)
    assert reached == set(states)


def test_an_allowed_step_is_answered_and_any_other_refused() -> None:
    """A frozen study can be locked; it can never be registered again. The refusal names both states in words."""
    assert check_transition(STUDY, "study", "s-1", StudyState.FROZEN, StudyState.LOCKED) is StudyState.LOCKED
    with pytest.raises(PlatformError) as caught:
        check_transition(STUDY, "study", "s-1", StudyState.FROZEN, StudyState.REGISTERED)
    assert caught.value.http == 409
    assert caught.value.zh == "研究 s-1 现为“方案已冻结”，不能变为“已登记”。"
    assert caught.value.en == "The study s-1 is “Protocol frozen” and cannot become “Registered”."
    assert "页面" not in caught.value.next_zh, "the command line has no page to load again"


def test_each_state_of_a_life_cycle_has_a_word() -> None:
    named = {state.value for _, states in TABLES for state in states}
    assert named <= set(STATES) and all(all(words) for words, _ in STATES.values())


def test_a_withdrawn_package_stays_withdrawn() -> None:
    """What was withdrawn is never published again; a new version takes its place."""
    assert PACKAGE[PackageState.WITHDRAWN] == frozenset()
