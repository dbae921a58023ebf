"""Interim looks: level and power, published bounds, coverage after stopping, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.stats import multivariate_normal, norm

from studies.reasons import CannotEstimate
from studies.statistics.counts.interim import (
    SPENDING,
    drift_for_power,
    final_inference,
    group_sequential,
    repeated_intervals,
    spent,
    stopping_probabilities,
)

GAMMA = {"hwang-shih-decani": -4.0, "kim-demets": 3.0}


@pytest.mark.parametrize("spending", SPENDING)
@pytest.mark.parametrize(
    "information", [[1.0], [0.5, 1.0], [0.11, 0.35, 0.36, 0.9, 1.0], np.arange(1, 11) / 10]
)
def test_the_boundaries_spend_what_they_may_at_each_look(spending, information):
    for sided in (1, 2):
        design = group_sequential(information, spending=spending, gamma=GAMMA.get(spending), sided=sided)
        at = stopping_probabilities(design, 0.0)
        assert np.cumsum(at.upper + at.lower) == pytest.approx(design.spent, rel=1e-8)
        assert design.spent[-1] == pytest.approx(0.025, rel=1e-12)


def test_the_recursion_agrees_with_the_multivariate_normal():
    """Three unequal looks: the probability to go on, by an independent integration."""
    t = np.array([0.3, 0.7, 1.0])
    covariance = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    design = group_sequential(t, spending="pocock")
    for drift in (0.0, 1.7, 3.0):
        mean = drift * np.sqrt(t)
        inside = multivariate_normal.cdf(design.critical, mean, covariance, maxpts=10**6, abseps=1e-7)
        assert 1 - stopping_probabilities(design, drift).upper.sum() == pytest.approx(inside, abs=5e-6)


def test_published_bounds_come_out():
    """Lan & DeMets: five equal looks, two-sided 5 %: O'Brien-Fleming type 4.8769, 3.3569, 2.6803, 2.2898, 2.0310;
    Pocock type 2.4380, 2.4268, 2.4101, 2.3966, 2.3859 (Jennison & Turnbull 2000, tables 7.4-7.5, LANDEM)."""
    t = np.arange(1, 6) / 5
    bounds = group_sequential(t, alpha=0.05, sided=2).critical
    assert bounds == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=1.2e-4)
    bounds = group_sequential(t, alpha=0.05, sided=2, spending="pocock").critical
    assert bounds == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=1.1e-4)


def test_one_look_is_the_ordinary_test():
    design = group_sequential([1.0])
    assert design.critical[0] == pytest.approx(norm.isf(0.025))
    drift, inflation = drift_for_power(design, 0.9)
    assert drift == pytest.approx(norm.isf(0.025) + norm.isf(0.1)) and inflation == pytest.approx(1.0)
    after = final_inference(2.3, 1, [25.0], [])
    assert after.p == pytest.approx(norm.sf(2.3))
    assert (after.lower, after.estimate, after.upper) == pytest.approx(
        tuple((2.3 + k * 1.959963985) / 5 for k in (-1, 0, 1))
    )


def test_the_futility_bound_is_not_binding_and_spends_beta():
    plain, with_futility = group_sequential([0.4, 0.7, 1.0]), group_sequential([0.4, 0.7, 1.0], beta=0.1)
    assert with_futility.critical == pytest.approx(plain.critical)
    at = stopping_probabilities(with_futility, with_futility.drift)
    assert np.cumsum(at.lower) == pytest.approx(with_futility.beta_spent, rel=1e-7)
    assert at.power == pytest.approx(0.9, rel=1e-8)
    assert with_futility.futility[-1] == with_futility.critical[-1]
    assert stopping_probabilities(with_futility, 0.0).power < 0.025  # obeyed, the level is lower still


def test_a_look_before_the_plan_and_information_beyond_it_are_spent_as_reached():
    early = group_sequential([0.2, 0.45])
    planned = group_sequential([0.2, 0.45, 1.0])
    assert early.critical == pytest.approx(planned.critical[:2]) and early.spent[-1] < 0.025
    assert spent([0.5, 1.0, 1.4], alpha=0.025)[1:] == pytest.approx([0.025, 0.025])


def test_the_inference_after_stopping_has_its_level_and_is_median_unbiased():
    """Simulated: 20000 studies, three looks, true effect 0.3. The interval holds it in 95 %, half of the estimates
    lie above it, and under no effect the p is uniform."""
    rng, studies = np.random.default_rng(8), 20000
    information, theta = np.array([20.0, 45.0, 80.0]), 0.3
    gained = np.diff(information, prepend=0.0)
    design = group_sequential(information / 80)
    points = np.linspace(-4.0, 9.0, 20)
    # Between these points the results are read off a cubic spline, p on the scale of its normal deviate.
    curves = [
        [final_inference(z, stage, information, design.critical) for z in points] for stage in (1, 2, 3)
    ]

    def study(effect: float) -> tuple[np.ndarray, np.ndarray]:
        scores = np.cumsum(rng.normal(effect * gained, np.sqrt(gained), (studies, 3)), axis=1)
        z = scores / np.sqrt(information)
        stage = np.where(z[:, 0] >= design.critical[0], 0, np.where(z[:, 1] >= design.critical[1], 1, 2))
        return stage, z[np.arange(studies), stage]

    def read(name: str, stage: np.ndarray, z: np.ndarray) -> np.ndarray:
        values = np.array([[getattr(one, name) for one in curve] for curve in curves])
        if name == "p":
            values = norm.isf(values)
        found = np.array([CubicSpline(points, curve)(z) for curve in values])
        return found[stage, np.arange(studies)]

    stage, z = study(theta)
    holds = (read("lower", stage, z) <= theta) & (theta <= read("upper", stage, z))
    assert np.mean(holds) == pytest.approx(0.95, abs=0.005)
    assert np.mean(read("estimate", stage, z) > theta) == pytest.approx(0.5, abs=0.011)
    stage, z = study(0.0)
    p = norm.sf(read("p", stage, z))
    for level in (0.025, 0.2, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=0.011)


def test_the_p_at_a_boundary_is_the_alpha_spent_there():
    design = group_sequential([0.3, 0.7, 1.0])
    for stage in (1, 2, 3):
        after = final_inference(float(design.critical[stage - 1]), stage, [30, 70, 100], design.critical)
        assert after.p == pytest.approx(design.spent[stage - 1], rel=1e-8)
    symmetric = group_sequential([0.5, 1.0], sided=2)
    one = final_inference(1.1, 2, [50, 100], symmetric.critical, lower_bounds=-symmetric.critical)
    other = final_inference(-1.1, 2, [50, 100], symmetric.critical, lower_bounds=-symmetric.critical)
    assert (one.estimate, one.lower, one.upper) == pytest.approx(
        (-other.estimate, -other.upper, -other.lower), rel=1e-8
    )


def test_repeated_intervals_exclude_zero_exactly_when_the_bound_is_crossed():
    design = group_sequential([0.3, 0.7, 1.0])
    result = repeated_intervals([0.5, 0.6], [0.2, 0.15], design.critical[:2])
    assert list(result.crossed) == [False, True]
    assert list(result.lower > 0) == [False, True]
    assert result.upper - result.lower == pytest.approx(2 * design.critical[:2] * [0.2, 0.15])


def test_twenty_looks_and_nothing_to_spend_are_no_problem():
    t = np.arange(1, 21) / 20
    design = group_sequential(t)
    assert stopping_probabilities(design, 0.0).upper.sum() == pytest.approx(0.025, rel=1e-8)
    tiny = group_sequential([0.001, 1.0])
    assert math.isinf(tiny.critical[0]) and tiny.critical[1] == pytest.approx(norm.isf(0.025), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: group_sequential([]), "no_subjects"),
        (lambda: group_sequential([0.5, 0.4, 1.0]), "bad_information"),
        (lambda: group_sequential([0.0, 1.0]), "bad_information"),
        (lambda: group_sequential([0.5, 1.2]), "out_of_range"),
        (lambda: group_sequential([0.5, float("nan")]), "not_a_number"),
        (lambda: group_sequential([0.5, 1.0], sided=3), "bad_argument"),
        (lambda: group_sequential([0.5, 1.0], spending="haybittle"), "bad_argument"),
        (lambda: group_sequential([0.5, 1.0], spending="hwang-shih-decani"), "no_gamma"),
        (lambda: group_sequential([0.5, 1.0], spending="kim-demets", gamma=-1.0), "no_gamma"),
        (lambda: group_sequential([0.5, 1.0], sided=2, beta=0.1), "futility_one_sided"),
        (lambda: group_sequential([0.5, 0.5000001, 1.0]), "looks_too_close"),
        (lambda: group_sequential([0.5, 1.0], alpha=0.0), "out_of_range"),
        (lambda: drift_for_power(group_sequential([1.0]), 1.0), "out_of_range"),
        (lambda: final_inference(2.0, 3, [1, 2], [3, 2]), "no_such_look"),
        (lambda: final_inference(2.0, 0, [1, 2], [3, 2]), "not_a_count"),
        (lambda: final_inference(float("nan"), 1, [1, 2], [3, 2]), "not_a_number"),
        (lambda: repeated_intervals([0.1], [0.0], [2.0]), "out_of_range"),
        (lambda: repeated_intervals([0.1], [0.1, 0.1], [2.0]), "lengths_differ"),
        (lambda: stopping_probabilities(group_sequential([1.0]), float("inf")), "not_a_number"),
    ],
)
def test_looks_that_make_no_sense_are_refused_by_name(call, code):
    with pytest.raises(CannotEstimate) as refused:
        call()
    assert refused.value.reason.code == code
