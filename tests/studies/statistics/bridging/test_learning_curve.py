"""Learning curve, random intercept, CUSUM and funnel: identities, known truth, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.cusum import average_run_length, cusum_limit, risk_adjusted_cusum
from studies.statistics.bridging.funnel import funnel, funnel_limit
from studies.statistics.bridging.learning_curve import case_numbers, learning_curve, natural_spline
from studies.statistics.bridging.random_intercept import fit_random_intercept
from studies.statistics.bridging.regression import fit_regression

RNG = np.random.default_rng(1)
CASE = np.tile(np.arange(1.0, 61.0), 5)
WHO = np.repeat(np.arange(5), 60)
RISK = 1 / (1 + np.exp(-(-0.2 - 0.06 * np.minimum(CASE, 25))))
BAD = (RNG.random(300) < RISK).astype(int)


def test_each_operator_counts_his_own_cases_in_order_of_date():
    numbers = case_numbers(["b", "a", "b", "a", "b"], [3, 9, 1, 2, 3], earlier_cases={"b": 10})
    assert numbers.tolist() == [12, 2, 11, 1, 13]
    with pytest.raises(CannotEstimate):
        case_numbers(["a", None], [1, 2])
    with pytest.raises(CannotEstimate):
        case_numbers(["a", "b"], [1, math.nan])
    with pytest.raises(CannotEstimate):
        case_numbers(["a", "b"], [1, 2], earlier_cases={"a": -1})


def test_a_natural_spline_is_straight_outside_its_knots():
    basis = natural_spline(np.array([60.0, 70, 80, -5, -10, -15]), [1, 20, 40, 50])
    assert np.diff(basis[:3], 2, axis=0) == pytest.approx(0.0, abs=1e-10)
    assert np.diff(basis[3:], 2, axis=0) == pytest.approx(0.0, abs=1e-10)


def test_the_curve_falls_and_its_threshold_is_near_the_truth():
    made = learning_curve(BAD, CASE, form="threshold")
    assert (
        made.threshold is not None and made.threshold_lower is not None and made.threshold_upper is not None
    )
    assert made.threshold_lower <= 25 <= made.threshold_upper
    assert made.p < 0.01 and made.df == 2
    assert made.probability[0] > made.probability[-1]
    assert (made.lower < made.probability).all() and (made.probability < made.upper).all()


def test_the_linear_curve_is_the_plain_regression():
    fit = fit_regression(CASE[:, None], BAD, family="binomial", names=("case",))
    made = learning_curve(BAD, CASE, form="linear")
    assert made.coef == pytest.approx(fit.coef) and made.loglik == fit.loglik


def test_operators_may_be_random():
    made = learning_curve(BAD, CASE, form="log", operator=WHO, nodes=5)
    assert made.sigma is not None and made.sigma >= 0
    assert "random intercept" in made.method


def test_groups_that_differ_by_chance_only_end_at_the_boundary():
    y = np.tile([0, 1, 0, 1], 20)
    fit = fit_random_intercept(np.arange(80.0) % 7, y, np.repeat(np.arange(20), 4), names=("x",))
    plain = fit_regression(np.arange(80.0) % 7, y, family="binomial", names=("x",))
    assert fit.at_boundary and fit.sigma == 0.0 and fit.sigma_p == 1.0
    assert fit.coef == pytest.approx(plain.coef)


def test_the_quadrature_agrees_with_a_fine_integral():
    """One intercept, few groups: the likelihood at the maximum by 4001 points each."""
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    y = (rng.random(120) < 1 / (1 + np.exp(-(0.5 * x + rng.normal(0, 1.2, 12)[who])))).astype(int)
    fit = fit_random_intercept(x, y, who, names=("x",), nodes=25)
    u = np.linspace(-9, 9, 4001)
    at = (fit.coef[0] + fit.coef[1] * x)[:, None] + fit.sigma * u
    each = y[:, None] * at - np.logaddexp(0, at)
    total = sum(
        math.log(np.exp(each[who == g].sum(axis=0) - u**2 / 2).sum() * (u[1] - u[0]) / math.sqrt(2 * math.pi))
        for g in range(12)
    )
    assert fit.loglik == pytest.approx(total, rel=1e-7)
    assert fit.loglik > fit.loglik_fixed and 0 < fit.sigma_p < 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda: learning_curve(BAD, CASE - 1, form="linear"),
        lambda: learning_curve(BAD, CASE[:-1], form="linear"),
        lambda: learning_curve(np.zeros(300), CASE, form="linear"),
        lambda: learning_curve(BAD, np.ones(300), form="linear"),
        lambda: learning_curve(BAD, np.tile([1.0, 2, 3], 100), form="threshold"),
        lambda: learning_curve(BAD, CASE, form="cubic"),  # type: ignore[arg-type]
        lambda: learning_curve(BAD, CASE, form="spline", knots=[1, 2]),
        lambda: learning_curve(BAD, CASE, form="linear", covariates=CASE[:, None], names=["again"]),
        lambda: learning_curve([], [], form="linear"),
        lambda: learning_curve([1], [1], form="linear"),
        lambda: learning_curve((CASE > 30).astype(int), CASE, form="linear"),
        lambda: fit_random_intercept(CASE, BAD, np.zeros(300), names=("case",)),
        lambda: fit_random_intercept(CASE, BAD, np.arange(300), names=("case",)),
        lambda: fit_random_intercept(CASE, BAD, WHO, names=("case",), nodes=4),
    ],
)
def test_curves_that_cannot_be_fitted_are_refused(call: Any):
    with pytest.raises(CannotEstimate):
        call()


def test_the_sum_is_the_recursion_and_starts_anew_after_a_signal():
    made = risk_adjusted_cusum([1, 1, 1, 0, 1], [0.1] * 5, odds_ratio=2.0, limit=1.5)
    up = math.log(2) - math.log(1.1)
    assert made.path == pytest.approx([up, 2 * up, 3 * up, 0.0, up])
    assert made.signals == (2,)
    assert made.expected_minus_observed[-1] == pytest.approx(0.5 - 4)
    improving = risk_adjusted_cusum([0] * 30, [0.3] * 30, odds_ratio=0.5, limit=2.0)
    assert len(improving.signals) > 0


def exact_run_length(p: float, ratio: float, limit: float, cells: int = 1500) -> float:
    """Brook & Evans (1972): the average run length by a Markov chain on a fine grid."""
    none, event = -math.log1p(p * (ratio - 1)), math.log(ratio) - math.log1p(p * (ratio - 1))
    width = limit / cells
    middle = (np.arange(cells) + 0.5) * width
    middle[0] = 0.0
    moves = np.zeros((cells, cells))
    for step, chance in ((none, 1 - p), (event, p)):
        to = np.maximum(0, np.floor((middle + step) / width)).astype(int)
        inside = to < cells
        moves[np.flatnonzero(inside), to[inside]] += chance
    return float(np.linalg.solve(np.eye(cells) - moves, np.ones(cells))[0])


def test_simulated_run_lengths_are_those_of_the_markov_chain():
    found, error = average_run_length([0.2], odds_ratio=2.0, limit=2.0, runs=4000, seed=1)
    assert found == pytest.approx(exact_run_length(0.2, 2.0, 2.0), abs=4 * error + 1)


def test_the_limit_has_the_run_length_asked_for():
    made = cusum_limit([0.1, 0.3], odds_ratio=2.0, arl=60, runs=500, seed=1)
    assert made.arl == pytest.approx(60, rel=0.03)
    assert made == cusum_limit([0.1, 0.3], odds_ratio=2.0, arl=60, runs=500, seed=1)
    fast, _ = average_run_length(
        [0.1, 0.3], odds_ratio=2.0, limit=made.limit, true_odds_ratio=3.0, runs=500, seed=2
    )
    assert fast < 30


def test_funnel_limits_hold_what_they_say_and_the_p_is_exact():
    n = np.array([10.0, 50, 400])
    low, high = funnel_limit(n, 0.1, 0.025), funnel_limit(n, 0.1, 0.975)
    assert (low < 0.1).all() and (high > 0.1).all()
    assert (np.diff(high) < 0).all()
    made = funnel([1, 12, 30], [10, 50, 300], target=0.1)
    from scipy.stats import binom

    assert made.p[1] == pytest.approx(2 * binom.sf(11, 50, 0.1))
    assert made.proportion.tolist() == [0.1, 0.24, 0.1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: risk_adjusted_cusum([1, 0], [0.1], odds_ratio=2, limit=1),
        lambda: risk_adjusted_cusum([1, 0], [0.1, 1.0], odds_ratio=2, limit=1),
        lambda: risk_adjusted_cusum([1, 0], [0.1, 0.2], odds_ratio=1, limit=1),
        lambda: risk_adjusted_cusum([1, 0], [0.1, 0.2], odds_ratio=2, limit=0),
        lambda: risk_adjusted_cusum([], [], odds_ratio=2, limit=1),
        lambda: cusum_limit([0.1], odds_ratio=2, arl=1, seed=1),
        lambda: funnel([0, 0], [10, 10]),
        lambda: funnel([11], [10]),
        lambda: funnel([], []),
        lambda: funnel([1, 2], [10]),
        lambda: funnel([1], [10], target=1.0),
    ],
)
def test_charts_that_make_no_sense_are_refused(call: Any):
    with pytest.raises(CannotEstimate):
        call()
