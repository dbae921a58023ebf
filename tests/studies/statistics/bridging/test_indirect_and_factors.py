"""Bucher's comparison, declared factors and the bound on bias."""

from __future__ import annotations

import math
from typing import Any

import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.factors import (
    bias_bound,
    declared_factors,
    out_of_sample_error,
    with_residual_bias,
)
from studies.statistics.bridging.indirect import Contrast, bucher, contrast_from_limits, inconsistency
from studies.statistics.estimate import wald

A = Contrast("A", "C", math.log(0.6), 0.15)
B = Contrast("B", "C", math.log(0.8), 0.2)


def test_the_indirect_comparison_is_the_difference_of_contrasts():
    made = bucher(A, B, anchored="anchored")
    assert made.effect.value == pytest.approx(0.75)
    assert made.effect.se == pytest.approx(0.25)
    assert (made.treatment, made.against, made.through) == ("A", "B", "C")


def test_turning_it_round_turns_the_ratio_round():
    there, back = bucher(A, B, anchored="anchored").effect, bucher(B, A, anchored="anchored").effect
    assert there.value * back.value == pytest.approx(1.0)
    assert there.lower is not None and there.lower * (back.upper or 0) == pytest.approx(1.0)


def test_an_unanchored_question_is_refused_by_name_and_by_type():
    with pytest.raises(CannotEstimate, match="unanchored_refused"):
        bucher(A, B, anchored="unanchored")
    with pytest.raises(CannotEstimate, match="unanchored_refused"):
        bucher(A, 0.8, anchored="anchored")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError):
        bucher(A, B)  # type: ignore[call-arg]  # there is no default


@pytest.mark.parametrize(
    "other",
    [
        Contrast("B", "D", 0.1, 0.2),
        Contrast("B", "C", 0.1, 0.2, "identity"),
        Contrast("B", "C", math.nan, 0.2),
        Contrast("B", "C", 0.1, 0.0),
        Contrast("B", "C", 0.1, math.inf),
        Contrast("B", "C", 0.1, 0.2, "cubic"),  # type: ignore[arg-type]
    ],
)
def test_contrasts_that_do_not_fit_are_refused(other: Contrast):
    with pytest.raises(CannotEstimate):
        bucher(A, other, anchored="anchored")


def test_limits_give_the_contrast_they_came_from():
    printed = wald(A.value, A.se, scale="log")
    assert printed.lower is not None and printed.upper is not None
    back = contrast_from_limits("A", "C", printed.value, printed.lower, printed.upper)
    assert (back.value, back.se) == pytest.approx((A.value, A.se))
    for limits in ((0.6, 0.7, 0.9), (0.6, 0.5, 5.0), (0.6, 0.0, 0.9), (0.6, 0.6, 0.6)):
        with pytest.raises(CannotEstimate):
            contrast_from_limits("A", "C", *limits)


def test_equal_direct_and_indirect_results_do_not_disagree():
    made = inconsistency(A, A)
    assert made.value == 1.0 and made.p == pytest.approx(1.0)
    with pytest.raises(CannotEstimate):
        inconsistency(A, B)


def test_unanchored_needs_prognostic_factors_and_anchored_only_modifiers():
    made = declared_factors(["age", "stage"], ["sex"], ["age"], anchored="unanchored")
    assert made.declared == ("age", "stage", "sex")
    assert made.missing == ("stage", "sex")
    assert declared_factors(["age"], [], ["x"], anchored="anchored").declared == ()
    for given in ((None, []), ([], []), (["age"], None)):
        with pytest.raises(CannotEstimate, match="factors_not_declared"):
            declared_factors(*given, ["age"], anchored="unanchored")
    with pytest.raises(CannotEstimate, match="factors_not_declared"):
        declared_factors(["age"], None, ["age"], anchored="anchored")
    with pytest.raises(CannotEstimate):
        declared_factors(["age"], [], ["age"], anchored="perhaps")  # type: ignore[arg-type]


def test_the_bias_to_the_null_is_the_distance_of_estimate_and_limit():
    effect = wald(math.log(0.5), 0.2, scale="log")
    made = bias_bound(effect, measure="rr")
    assert made.to_null == pytest.approx(math.log(2))
    assert made.limit_to_null == pytest.approx(math.log(2) - 1.959963984540054 * 0.2)
    assert made.e_value is not None and made.e_value.e_value == pytest.approx(2 + math.sqrt(2))
    assert bias_bound(wald(0.1, 0.2)).limit_to_null is None


def test_residual_bias_widens_the_interval_and_moves_the_middle():
    effect = wald(math.log(0.5), 0.2, scale="log")
    assert with_residual_bias(effect, sd=0.0).lower == pytest.approx(effect.lower)
    made = with_residual_bias(effect, sd=0.15, mean=-0.1)
    assert math.log(made.value) == pytest.approx(math.log(0.5) + 0.1)
    assert made.se == pytest.approx(0.25)
    fitted = out_of_sample_error([0.1, 0.2, 0.3, 0.1, 0.5], [0.0, 0.3, 0.0, 0.2, 0.1], [0.1] * 5)
    assert fitted.mean == pytest.approx(0.12) and fitted.sd > 0
    bad: Any = [0.1] * 4
    with pytest.raises(CannotEstimate):
        out_of_sample_error(bad, bad, bad)
