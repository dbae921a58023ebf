"""Cox regression where the answer is known without a computer, and against a second, independent fit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.cox import check_columns, fit_cox
from studies.statistics.efron import EfronLikelihood
from studies.statistics.ph_test import ph_test


def small_trial(seed: int, subjects: int = 60, days: int = 12):
    """Random people with many ties, two covariates and uneven weights."""
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(size=subjects), random.integers(0, 2, subjects)]).astype(float)
    time = random.integers(1, days, subjects).astype(float)
    event = random.uniform(size=subjects) < 0.7
    return x, time, event, random.uniform(0.3, 3.0, subjects)


def efron_by_definition(x, days, event, weights, beta):
    """Efron's log partial likelihood, written with loops straight from its definition."""
    eta = (x - x.mean(axis=0)) @ beta
    risk = weights * np.exp(eta)
    total = 0.0
    for day in sorted(set(days[event])):
        dead = (days == day) & event
        at_risk = days >= day
        mean_weight = weights[dead].mean()
        total += float((weights[dead] * eta[dead]).sum())
        for number in range(int(dead.sum())):
            left = risk[at_risk].sum() - number / dead.sum() * risk[dead].sum()
            total -= mean_weight * math.log(left)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_likelihood_score_and_information_follow_from_the_definition(seed):
    """The score is the slope of the likelihood and the information its curvature, by finite differences."""
    x, days, event, weights = small_trial(seed)
    likelihood = EfronLikelihood(x, days, event, weights)
    beta, step = np.array([0.3, -0.4]), 1e-5
    state = likelihood.at(beta)
    assert state.log_likelihood == pytest.approx(
        efron_by_definition(x, days, event, weights, beta), rel=1e-12
    )
    for column in range(2):
        move = step * np.eye(2)[column]
        slope = (
            efron_by_definition(x, days, event, weights, beta + move)
            - efron_by_definition(x, days, event, weights, beta - move)
        ) / (2 * step)
        assert state.score[column] == pytest.approx(slope, abs=1e-6)
        bend = (likelihood.at(beta - move).score - likelihood.at(beta + move).score) / (2 * step)
        assert state.information[column] == pytest.approx(bend, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_score_residuals_sum_to_the_score(seed):
    """Each person's part of the score; lifelines' own do not sum to it, which is why we compute ours."""
    x, days, event, weights = small_trial(seed)
    likelihood = EfronLikelihood(x, days, event, weights)
    for beta in (np.zeros(2), np.array([0.5, -1.0])):
        state = likelihood.at(beta)
        assert weights @ likelihood.score_residuals(state) == pytest.approx(state.score, abs=1e-10)


def test_two_by_two_without_ties_has_a_closed_form():
    """Exposed dies first of one exposed and two comparators, then one comparator: the score is a quadratic.

    L = r/(r+2) * 1/2 with r = exp(beta) has no maximum; with the exposed second, L = 1/(r+2) * r/(r+1),
    whose maximum is at r = sqrt(2).
    """
    x = np.array([[0.0], [1.0], [0.0]])
    days = np.array([1.0, 2.0, 3.0])
    fit = fit_cox(x, days, np.array([True, True, False]), ("exposed",))
    assert math.exp(fit.coefficients[0]) == pytest.approx(math.sqrt(2), rel=1e-9)
    with pytest.raises(CannotEstimate) as infinite:
        fit_cox(x[[1, 0, 2]], days, np.array([True, True, False]), ("exposed",))
    assert infinite.value.reason.code == "not_converged"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_units_of_a_covariate_do_not_matter(seed, scale, shift):
    """Years or days, from birth or from 1900: the coefficient scales, the test does not change."""
    x, days, event, _ = small_trial(seed % 7)
    changed = x * np.array([scale, 1.0]) + np.array([shift, 0.0])
    first, second = (fit_cox(one, days, event, ("a", "b")) for one in (x, changed))
    assert second.coefficients * np.array([scale, 1.0]) == pytest.approx(first.coefficients, rel=1e-6)
    assert second.p_value(0) == pytest.approx(first.p_value(0), rel=1e-6)
    assert second.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-9)


def test_the_order_of_subjects_does_not_matter():
    """Shuffled rows give the same model."""
    x, days, event, weights = small_trial(5)
    order = np.random.default_rng(1).permutation(len(x))
    first = fit_cox(x, days, event, ("a", "b"), weights)
    second = fit_cox(x[order], days[order], event[order], ("a", "b"), weights[order])
    assert second.coefficients == pytest.approx(first.coefficients, rel=1e-10)
    assert second.standard_errors == pytest.approx(first.standard_errors, rel=1e-10)


def test_the_robust_error_of_doubled_people_is_not_halved():
    """Weights of 2 double the evidence only in the naive variance; the sandwich knows that nobody was added."""
    x, days, event, _ = small_trial(2)
    single = fit_cox(x, days, event, ("a", "b"), np.ones(len(x)))
    double = fit_cox(x, days, event, ("a", "b"), np.full(len(x), 2.0))
    assert double.robust and double.coefficients == pytest.approx(single.coefficients, rel=1e-8)
    assert double.standard_errors == pytest.approx(single.standard_errors, rel=1e-8)


def test_model_based_errors_agree_with_lifelines():
    """Where lifelines' own errors are right (no weights), they are a second opinion on ours."""
    from lifelines import CoxPHFitter
    from pandas import DataFrame

    x, days, event, _ = small_trial(9, subjects=200, days=40)
    fit = fit_cox(x, days, event, ("a", "b"))
    other = CoxPHFitter().fit(DataFrame(x, columns=["a", "b"]).assign(t=days, e=event), "t", "e")
    assert fit.coefficients == pytest.approx(other.params_.to_numpy(), rel=1e-4)
    assert fit.standard_errors == pytest.approx(other.standard_errors_.to_numpy(), rel=1e-4)


@pytest.mark.parametrize(
    ("x", "code", "name"),
    [
        ([[1, 5], [2, 5], [3, 5], [4, 5]], "constant", "b"),
        ([[1, 2], [2, 4], [3, 6], [4, 8]], "dependent", "b"),
        ([[0, 0], [0, 1], [0, 0], [0, 1]], "constant", "a"),
        ([[1e9, 1], [1e9, 2], [1e9, 3], [1e9, 5]], "constant", "a"),
    ],
)
def test_columns_that_tell_nothing_are_named(x, code, name):
    """Constant, or a combination of those before it: refused with the column's name."""
    with pytest.raises(CannotEstimate) as refused:
        check_columns(np.array(x, dtype=float), ("a", "b"))
    assert refused.value.reason.code == code and f"'{name}'" in refused.value.text.en


def test_proportional_hazards_hold_where_they_were_made_to():
    """Data drawn from a Cox model are rejected at 5 % about one time in twenty; crossing hazards always."""
    rejected = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        x = random.integers(0, 2, 150).astype(float)[:, None]
        days = random.exponential(100 / np.exp(0.5 * x[:, 0]))
        event = np.ones(150, dtype=bool)
        fit = fit_cox(x, days, event, ("x",))
        rejected += ph_test(x, days, event, fit.coefficients, {"x": (0,)})[0].p_value < 0.05
    assert rejected <= 5
    shape = np.where(x[:, 0] == 1, 4.0, 0.7)
    crossing = np.random.default_rng(1).weibull(shape) * 100
    fit = fit_cox(x, crossing, event, ("x",))
    assert ph_test(x, crossing, event, fit.coefficients, {"x": (0,)})[0].p_value < 1e-4


def test_the_global_test_of_one_term_is_that_term_s():
    """With a single column, term and global are the same question."""
    x, days, event, _ = small_trial(4)
    fit = fit_cox(x[:, :1], days, event, ("a",))
    term, whole = ph_test(x[:, :1], days, event, fit.coefficients, {"a": (0,)})
    assert term.chi_square == pytest.approx(whole.chi_square) and whole.term == "global"


def test_every_small_data_set_gives_a_number_or_a_reason():
    """All 64 patterns of events and arms of three people over two days: no crash, no infinite ratio."""
    outcomes = set()
    for arms in itertools.product([0.0, 1.0], repeat=3):
        for events in itertools.product([False, True], repeat=3):
            try:
                fit = fit_cox(np.array(arms)[:, None], np.array([1.0, 2.0, 2.0]), np.array(events), ("x",))
            except CannotEstimate as reason:
                outcomes.add(reason.reason.code)
            else:
                assert np.isfinite(fit.standard_errors).all() and abs(fit.coefficients[0]) < 5
                outcomes.add("number")
    assert {"number", "constant", "no_events", "not_converged"} <= outcomes
