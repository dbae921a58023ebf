"""Negative controls: the empirical null, calibrated numbers, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.doubt.negative_controls import (
    EmpiricalNull,
    SystematicErrorModel,
    calibrated_interval,
    calibrated_p,
    control_coverage,
    empirical_null,
    expected_absolute_error,
    interval_by_error_model,
    leave_one_out,
    systematic_error_model,
)

NO_ERROR = EmpiricalNull(0.0, 0.0, 0.1, 0.0, 0.0, 20, "")


def controls(n: int, mean: float, sd: float, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.05, 0.3, n)
    return rng.normal(mean, np.sqrt(sd**2 + se**2)), se


def test_without_systematic_error_calibration_changes_nothing():
    assert calibrated_p(0.3, 0.1, NO_ERROR) == pytest.approx(math.erfc(3 / math.sqrt(2)))
    made = calibrated_interval(0.3, 0.1, NO_ERROR)
    assert made.lower == pytest.approx(0.3 - 1.959963984540054 * 0.1)
    model = SystematicErrorModel(0.0, 1.0, 0.0, 0.0, None, 0, "")
    again = interval_by_error_model(0.3, 0.1, model)
    assert [again.value, again.lower, again.upper] == pytest.approx([made.value, made.lower, made.upper])
    assert again.p == pytest.approx(made.p)


def test_an_error_model_without_slopes_is_the_empirical_null():
    null = EmpiricalNull(0.1, 0.2, 0.1, 0.0, 0.2, 20, "")
    one = calibrated_interval(0.5, 0.15, null)
    other = interval_by_error_model(0.5, 0.15, SystematicErrorModel(0.1, 1.0, 0.2, 0.0, None, 20, ""))
    assert [other.value, other.se, other.lower, other.upper, other.p] == pytest.approx(
        [one.value, one.se, one.lower, one.upper, one.p]
    )


def test_the_limits_of_the_error_model_solve_their_equation():
    model = SystematicErrorModel(0.1, 0.9, 0.1, 0.2, None, 20, "")
    made = interval_by_error_model(0.8, 0.2, model, conf_level=0.9)
    for limit, z in ((made.lower, 1.6448536269514722), (made.upper, -1.6448536269514722)):
        assert limit is not None
        spread = math.hypot(0.1 + 0.2 * abs(limit), 0.2)
        assert (0.8 - 0.1 - 0.9 * limit) / spread == pytest.approx(z, rel=1e-9)


def test_scatter_that_the_errors_explain_gives_an_sd_of_0():
    se = np.full(12, 0.5)
    y = np.linspace(-0.1, 0.1, 12)
    null = empirical_null(y, se)
    assert null.sd == 0.0
    assert null.mean == pytest.approx(0.0, abs=1e-12)


def test_equal_errors_give_the_closed_form():
    """With one and the same error the sd is the root of the mean square minus the error's square."""
    y = np.random.default_rng(3).normal(0.2, 0.5, 30)
    null = empirical_null(y, np.full(30, 0.1))
    assert null.mean == pytest.approx(y.mean())
    assert null.sd == pytest.approx(math.sqrt(y.var() - 0.01))


def test_the_order_and_the_sign_of_the_controls():
    y, se = controls(25, 0.1, 0.2, 4)
    null, mirrored = empirical_null(y, se), empirical_null(-y[::-1], se[::-1])
    assert mirrored.mean == pytest.approx(-null.mean)
    assert mirrored.sd == pytest.approx(null.sd)
    assert mirrored.ease == pytest.approx(null.ease)


def test_the_expected_absolute_error_is_the_folded_normal_mean():
    draws = np.abs(np.random.default_rng(1).normal(0.1, 0.2, 2_000_000)).mean()
    assert expected_absolute_error(0.1, 0.2) == pytest.approx(draws, abs=4e-4)
    assert expected_absolute_error(-0.3, 0.0) == 0.3
    assert expected_absolute_error(0.0, 1.0) == pytest.approx(math.sqrt(2 / math.pi))


def test_each_control_is_judged_by_the_others():
    y, se = controls(15, 0.1, 0.2, 5)
    left = leave_one_out(y, se)
    without = empirical_null(np.delete(y, 3), np.delete(se, 3))
    assert left.calibrated_p[3] == pytest.approx(calibrated_p(y[3], se[3], without))
    assert left.lower[3] == pytest.approx(calibrated_interval(y[3], se[3], without).lower)
    assert left.p[3] == pytest.approx(math.erfc(abs(y[3] / se[3]) / math.sqrt(2)))


def test_coverage_grows_with_the_level_and_is_repaired_by_calibration():
    y, se = controls(400, 0.2, 0.3, 6)
    made = control_coverage(y, se, level=[0.5, 0.8, 0.95])
    assert (np.diff(made.calibrated) >= 0).all()
    assert made.uncalibrated[2] < 0.75
    assert made.calibrated == pytest.approx([0.5, 0.8, 0.95], abs=0.05)


def test_known_error_is_found_again_by_the_error_model():
    rng = np.random.default_rng(7)
    t = np.repeat(np.log([1.0, 1.5, 2.0, 4.0]), 300)
    se = rng.uniform(0.02, 0.1, len(t))
    y = rng.normal(0.05 + 0.9 * t, np.sqrt((0.1 + 0.1 * t) ** 2 + se**2))
    model = systematic_error_model(y, se, t)
    found = [model.mean_intercept, model.mean_slope, model.sd_intercept, model.sd_slope]
    assert found == pytest.approx([0.05, 0.9, 0.1, 0.1], abs=0.03)


@pytest.mark.parametrize("n", [0, 1, 4, 9])
def test_too_few_controls_are_refused(n: int):
    with pytest.raises(CannotEstimate):
        empirical_null(np.zeros(n), np.ones(n))


def test_the_number_of_controls_may_be_lowered_but_not_below_five():
    y, se = controls(6, 0, 0.1, 8)
    assert empirical_null(y, se, minimum_controls=5).n == 6
    with pytest.raises(CannotEstimate):
        empirical_null(y, se, minimum_controls=4)


@pytest.mark.parametrize(
    ("estimate", "se"),
    [
        ([0.1] * 12, [0.1] * 11),
        ([0.1] * 11 + [math.nan], [0.1] * 12),
        ([0.1] * 12, [0.1] * 11 + [0.0]),
        ([0.1] * 12, [0.1] * 11 + [-0.1]),
        ([0.1] * 12, [0.1] * 11 + [math.inf]),
        (["a"] * 12, [0.1] * 12),
    ],
)
def test_bad_columns_are_refused(estimate: list[Any], se: list[float]):
    for call in (empirical_null, leave_one_out, control_coverage):
        with pytest.raises(CannotEstimate):
            call(estimate, se)


def test_positive_controls_are_needed_for_an_error_model_and_it_must_be_invertible():
    with pytest.raises(CannotEstimate):
        systematic_error_model([0.1] * 12, [0.1] * 12, [0.0] * 12)
    with pytest.raises(CannotEstimate, match="error_model_too_wide"):
        interval_by_error_model(0.5, 0.1, SystematicErrorModel(0.0, 1.0, 0.1, 0.6, None, 20, ""))
    for call in (
        lambda: calibrated_p(0.1, 0.0, NO_ERROR),
        lambda: calibrated_interval(math.nan, 0.1, NO_ERROR),
        lambda: calibrated_interval(0.1, 0.1, NO_ERROR, conf_level=0),
        lambda: expected_absolute_error(0.0, -1.0),
        lambda: control_coverage(*controls(12, 0, 0.1, 1), level=[1.5]),
    ):
        with pytest.raises(CannotEstimate):
            call()
