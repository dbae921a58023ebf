"""The E-value: its published numbers, its identities, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.doubt.e_value import (
    e_value,
    joint_bounding_factor,
    other_strength_needed,
    risk_difference_e_value,
)

RATIO = st.floats(0.05, 20.0)


def test_the_paper_s_example():
    """VanderWeele & Ding (2017): breast feeding, RR 3.9 (1.8 to 8.7)."""
    made = e_value(3.9, 1.8, 8.7, measure="rr")
    assert made.e_value == pytest.approx(7.263034, abs=1e-6)
    assert made.e_value_limit == pytest.approx(3.0, abs=1e-12)


@given(RATIO)
def test_a_confounder_of_exactly_this_strength_explains_the_ratio(ratio: float):
    """The bounding factor of two risk ratios equal to the E-value is the ratio itself."""
    needed = e_value(ratio, measure="rr").e_value
    assert joint_bounding_factor(needed, needed) == pytest.approx(max(ratio, 1 / ratio), rel=1e-9)


@given(RATIO, st.sampled_from(["rr", "or_rare", "or_common", "hr_rare", "hr_common"]))
def test_turning_the_exposure_round_changes_nothing(ratio: float, measure: Any):
    there = e_value(ratio, ratio * 0.8, ratio * 1.25, measure=measure)
    back = e_value(1 / ratio, 1 / (ratio * 1.25), 1 / (ratio * 0.8), measure=measure)
    assert there.e_value == pytest.approx(back.e_value, rel=1e-9)
    assert there.e_value_limit == pytest.approx(back.e_value_limit, rel=1e-9)


def test_each_measure_is_turned_into_its_risk_ratio():
    assert e_value(2.25, measure="or_common").rr == pytest.approx(1.5)
    assert e_value(2.25, measure="or_rare").rr == 2.25
    hazard = e_value(0.8, measure="hr_common").rr
    assert hazard == pytest.approx((1 - 0.5 ** math.sqrt(0.8)) / (1 - 0.5 ** math.sqrt(1 / 0.8)), rel=1e-12)
    difference = e_value(0.5, measure="mean_difference", se=0.2)
    assert difference.rr == pytest.approx(math.exp(0.455), rel=1e-12)
    assert difference.rr_limit == pytest.approx(math.exp(0.455 - 1.78 * 0.2), rel=1e-12)


def test_the_limit_is_1_where_the_interval_holds_the_true_value():
    assert e_value(1.2, 0.9, 1.6, measure="rr").e_value_limit == 1.0
    assert e_value(0.8, 0.6, 1.1, measure="rr").e_value_limit == 1.0
    assert e_value(1.2, measure="rr").e_value_limit is None
    assert e_value(1.0, 0.9, 1.1, measure="rr").e_value == 1.0


def test_another_true_value_moves_the_question():
    """From 2 to 1.5 takes as much as from 4/3 to 1."""
    moved, plain = e_value(2, 1.8, 2.2, measure="rr", true=1.5), e_value(4 / 3, 1.2, 22 / 15, measure="rr")
    assert moved.e_value == pytest.approx(plain.e_value, rel=1e-12)
    assert moved.e_value_limit == pytest.approx(plain.e_value_limit, rel=1e-12)
    assert e_value(0.5, measure="mean_difference", true=0.5).e_value == 1.0


def test_one_strength_given_the_other_lies_on_the_curve():
    needed = other_strength_needed(3.9, 10.0)
    assert needed is not None
    assert joint_bounding_factor(10.0, needed) == pytest.approx(3.9)
    assert other_strength_needed(3.9, 3.9) is None
    assert other_strength_needed(1.0, 1.0) == 1.0
    assert other_strength_needed(0.5, 3.0) == other_strength_needed(2.0, 3.0)


def test_a_risk_difference_needs_a_difference():
    assert risk_difference_e_value(20, 100, 15, 100).e_value_limit == 1.0
    for counts in ((10, 100, 10, 100), (5, 100, 10, 100), (10, 100, 0, 100)):
        with pytest.raises(CannotEstimate):
            risk_difference_e_value(*counts)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((0.0,), {"measure": "rr"}),
        ((-1.0,), {"measure": "rr"}),
        ((math.nan,), {"measure": "rr"}),
        ((math.inf,), {"measure": "rr"}),
        ((2.0,), {"measure": "relative"}),
        ((2.0, 2.5, 3.0), {"measure": "rr"}),
        ((2.0, 1.5, 1.9), {"measure": "rr"}),
        ((2.0,), {"measure": "rr", "true": 0.0}),
        ((2.0,), {"measure": "rr", "se": 0.1}),
        ((0.5, 0.1, 0.9), {"measure": "mean_difference", "se": 0.1}),
        (("two",), {"measure": "rr"}),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[Any, ...], options: dict[str, Any]):
    with pytest.raises(CannotEstimate):
        e_value(*arguments, **options)


def test_strengths_below_1_and_bad_counts_are_refused():
    for call in (
        lambda: joint_bounding_factor(0.5, 2.0),
        lambda: other_strength_needed(2.0, 0.9),
        lambda: risk_difference_e_value(5, 4, 1, 10),
        lambda: risk_difference_e_value(2.5, 10, 1, 10),  # type: ignore[arg-type]  # the point of the test
        lambda: risk_difference_e_value(5, 10, 1, 10, conf_level=1.0),
    ):
        with pytest.raises(CannotEstimate):
            call()
