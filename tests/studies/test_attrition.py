"""Nobody leaves without a reason, and a step at which nobody leaves is on record, too."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition, AttritionStep, adds_up

START, FIRST, SECOND = Bilingual("起", "Start"), Bilingual("一", "First"), Bilingual("二", "Second")


def test_steps_add_up_and_ids_keep_their_order():
    """Each step starts with those whom the one before left over; a person is counted once."""
    attrition = Attrition.of(["c", "a", "b", "a"], START)
    attrition.keep({"a", "c", "stranger"}, FIRST)
    attrition.drop([], SECOND)
    assert attrition.ids == ["c", "a"]
    assert attrition.done == (
        AttritionStep(START, 0, 3),
        AttritionStep(FIRST, 1, 2),
        AttritionStep(SECOND, 0, 2),
    )
    assert adds_up(attrition.done)


def test_steps_that_do_not_add_up_are_seen():
    """Somebody vanished between two steps."""
    assert not adds_up([AttritionStep(START, 0, 3), AttritionStep(FIRST, 1, 1)])
    assert adds_up([])
