"""The set of specifications, in order, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from studies.reasons import CannotEstimate
from studies.statistics.doubt.specification import Specification, specification_set

FIRST = {"time zero": "first dose", "estimator": "weights"}
LATER = {"time zero": "diagnosis", "estimator": "weights"}


def example() -> list[Specification]:
    return [
        Specification(FIRST, 0.7, 0.5, 0.98),
        Specification(LATER, 0.9, 0.6, 1.35),
        Specification({"time zero": "first dose", "estimator": "matching"}, 0.6, 0.4, 0.9),
        Specification({"time zero": "diagnosis", "estimator": "matching"}, reason="no overlap"),
    ]


def test_the_table_is_in_the_order_of_the_estimates():
    made = specification_set(example(), primary=FIRST, null=1.0)
    assert [one.value for one in made.ordered] == [0.6, 0.7, 0.9]
    assert (made.median, made.smallest, made.largest) == (0.7, 0.6, 0.9)
    assert made.rank_of_primary == 2
    assert made.same_direction == 1.0
    assert made.significant == made.significant_same_direction == pytest.approx(2 / 3)


def test_what_could_not_be_done_is_shown():
    made = specification_set(example(), primary=FIRST, null=1.0)
    assert [one.reason for one in made.not_done] == ["no overlap"]
    primary = {"time zero": "diagnosis", "estimator": "matching"}
    assert specification_set(example(), primary=primary, null=1.0).rank_of_primary is None


def test_the_choice_of_time_zero_is_one_of_the_decisions():
    by = {
        (one.decision, one.option): one
        for one in specification_set(example(), primary=FIRST, null=1.0).by_choice
    }
    assert by["time zero", "first dose"].n == 2
    assert by["time zero", "first dose"].median == pytest.approx(0.65)
    assert by["time zero", "diagnosis"].median == 0.9


def test_the_order_of_the_list_does_not_matter():
    forward, backward = (
        specification_set(one, primary=FIRST, null=1.0) for one in (example(), example()[::-1])
    )
    assert forward.ordered == backward.ordered
    assert forward.median == backward.median


def test_mirrored_estimates_share_the_same_direction():
    mirrored = [
        Specification(one.choices, -one.value, -(one.upper or 0), -(one.lower or 0)) if one.value else one
        for one in example()
    ]
    made = specification_set(mirrored, primary=FIRST, null=-1.0)
    assert made.same_direction == 1.0
    assert made.significant == pytest.approx(2 / 3)


def test_a_median_at_the_null_has_no_direction():
    made = specification_set([Specification({"a": "1"}, 1.0)], primary={"a": "1"}, null=1.0)
    assert made.same_direction == 0.0
    assert made.significant == 0.0


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Specification(FIRST, reason="none")],
        [Specification(FIRST, 0.7), Specification(FIRST, 0.8)],
        [Specification(FIRST, 0.7), Specification({"time zero": "x"}, 0.8)],
        [Specification(FIRST)],
        [Specification(FIRST, math.nan)],
        [Specification(FIRST, 0.7, 0.8, 0.9)],
        [Specification(FIRST, 0.7, 0.5, 0.6)],
        [Specification(FIRST, lower=0.5, reason="x")],
        [Specification(LATER, 0.7)],
    ],
)
def test_what_makes_no_sense_is_refused(rows: list[Any]):
    with pytest.raises(CannotEstimate):
        specification_set(rows, primary=FIRST, null=1.0)
