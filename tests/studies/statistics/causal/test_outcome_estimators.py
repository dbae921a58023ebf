"""AIPW, g-computation, g-estimation: where the answer is known without them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.causal.aipw import aipw, aipw_from
from studies.statistics.causal.bootstrap import bootstrap, jackknife
from studies.statistics.causal.g_computation import (
    bootstrap_g_computation,
    g_computation,
    g_computation_model,
    jackknife_g_computation,
)
from studies.statistics.causal.g_estimation import g_estimation, g_estimation_by_test
from studies.statistics.causal.g_estimation_aft import g_estimation_aft
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.causal.logistic import fit_logistic
from studies.statistics.causal.weighted_means import bootstrap_ipw_means, ipw_means, jackknife_ipw_means
from tests.studies.statistics.causal.people import people

SEEDS = st.integers(0, 10_000)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_without_products_the_linear_g_formula_is_the_coefficient_with_its_robust_error(seed):
    p = people(seed)
    found = g_computation(p.y, p.treated, p.x).difference
    fit = fit_least_squares(p.y, np.column_stack([p.treated, p.x]), covariance="HC0")
    assert (found.value, found.se) == pytest.approx((fit.coef[1], fit.se[1]))


def test_the_logistic_model_is_the_one_of_fit_logistic():
    p = people(1)
    found = g_computation_model(p.died, p.treated, p.x, family="logistic")
    assert found.coef == pytest.approx(fit_logistic(p.died, np.column_stack([p.treated, p.x])).coef)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_saturated_g_formula_is_standardisation_by_hand(seed):
    """One binary covariate with its product: the strata's differences, weighted by their size."""
    p = people(seed)
    sex = p.x[:, 0] > 0
    share = {"ATE": np.ones(len(p)), "ATT": p.treated, "ATC": ~p.treated}
    gap = [p.y[p.treated & s].mean() - p.y[~p.treated & s].mean() for s in (sex, ~sex)]
    for estimand, who in share.items():
        found = g_computation(p.y, p.treated, sex, modifiers=sex, estimand=estimand).difference.value
        part = (who * sex).sum() / who.sum()
        assert found == pytest.approx(part * gap[0] + (1 - part) * gap[1])


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_saturated_models_make_all_estimators_agree(seed):
    """With one binary covariate, weighting, standardisation and AIPW are the same number."""
    p = people(seed)
    sex = (p.x[:, 0] > 0).astype(float)
    weighted = ipw_means(p.y, p.treated, sex).difference
    standard = g_computation(p.y, p.treated, sex, modifiers=sex).difference
    both = aipw(p.y, p.treated, sex, modifiers=sex).difference
    # The score stops where glm stops, so it is saturated to 1e-5 only.
    assert weighted.value == pytest.approx(standard.value, rel=1e-4) == pytest.approx(both.value, rel=1e-4)
    assert weighted.se == pytest.approx(standard.se, rel=1e-4)
    assert both.se * np.sqrt(1 - 1 / len(p)) == pytest.approx(standard.se, rel=1e-4)


def test_aipw_with_a_perfect_outcome_model_ignores_the_score():
    p = people(2)
    truth = np.column_stack([p.x[:, 0] + 2, p.x[:, 0]])
    y = np.where(p.treated, truth[:, 0], truth[:, 1])
    for estimand in ("ATE", "ATT"):
        found = aipw_from(y, p.treated, np.full(len(p), 0.3), truth, estimand=estimand).difference
        assert found.value == pytest.approx(2)


def test_cross_fitting_repeats_with_its_seed_and_stays_near():
    p = people(3, 400)
    one, again, other = (aipw(p.y, p.treated, p.x, folds=5, seed=seed).difference.value for seed in (1, 1, 2))
    assert one == again != other
    assert one == pytest.approx(aipw(p.y, p.treated, p.x).difference.value, abs=0.05)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_swapping_the_arms_changes_the_sign(seed):
    p = people(seed)
    for estimator in (aipw, g_computation):
        here, there = estimator(p.y, p.treated, p.x).difference, estimator(p.y, ~p.treated, p.x).difference
        assert (here.value, here.se) == pytest.approx((-there.value, there.se), rel=1e-6)


def test_rows_without_an_outcome_are_averaged_over_but_not_fitted():
    p = people(4)
    known = np.arange(len(p)) % 4 > 0
    found = g_computation(np.where(known, p.y, 1e6), p.treated, p.x, modifiers=p.x[:, 0], observed=known)
    model = g_computation_model(p.y[known], p.treated[known], p.x[known], modifiers=p.x[known, 0])
    wanted = model.coef[1] + model.coef[-1] * p.x[:, 0].mean()
    assert found.difference.value == pytest.approx(wanted)


def test_bootstrap_and_jackknife_errors_are_near_the_analytic_ones():
    p = people(5, 300)
    for analytic, resampled, left_out in (
        (ipw_means(p.y, p.treated, p.x), bootstrap_ipw_means, jackknife_ipw_means),
        (g_computation(p.y, p.treated, p.x), bootstrap_g_computation, jackknife_g_computation),
    ):
        again = resampled(p.y, p.treated, p.x, replications=400, seed=1)
        jack = left_out(p.y, p.treated, p.x)
        assert again.value[2] == jack.value[2] == pytest.approx(analytic.difference.value, rel=1e-6)
        assert again.se[2] == pytest.approx(analytic.difference.se, rel=0.12)
        assert jack.se[2] == pytest.approx(analytic.difference.se, rel=0.08)
        assert (resampled(p.y, p.treated, p.x, replications=400, seed=1).draws == again.draws).all()


def test_the_jackknife_of_a_mean_is_its_textbook_error():
    y = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    found = jackknife(lambda counts: np.array([counts @ y / counts.sum()]), 5)
    assert found.se[0] == pytest.approx(y.std(ddof=1) / np.sqrt(5))
    assert (found.upper - found.value)[0] == pytest.approx(2.7764451051977987 * found.se[0])


def test_the_bootstrap_of_clusters_draws_whole_clusters():
    y, who = np.array([1.0, 1.0, 5.0, 5.0]), [1, 1, 2, 2]
    found = bootstrap(
        lambda counts: np.array([counts @ y / counts.sum()]), 4, replications=200, seed=1, cluster=who
    )
    assert set(np.unique(found.draws)) == {1.0, 3.0, 5.0}


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_g_estimation_and_its_search_agree(seed):
    """The closed form solves exactly what the search looks for: no trace of H in the model of treatment."""
    p = people(seed)
    closed = g_estimation(p.y, p.treated, p.x).effects[0]
    grid = closed.value + np.linspace(-1.5, 1.5, 61)
    found = g_estimation_by_test(p.y, p.treated, p.x, grid=grid)
    assert found.value == pytest.approx(closed.value, abs=0.026)
    assert found.closed
    assert found.lower == pytest.approx(closed.lower, abs=0.15) and found.upper == pytest.approx(
        closed.upper, abs=0.15
    )


def test_g_estimation_finds_effects_that_differ_between_people():
    p = people(6, 4000)
    found = g_estimation(p.y + 2 * p.treated * p.x[:, 0], p.treated, p.x, modifiers=p.x[:, 0]).effects
    assert [one.value for one in found] == pytest.approx([1, 2], abs=0.12)


def test_g_estimation_of_a_linear_model_with_the_same_covariates_is_least_squares_in_expectation():
    p = people(7, 4000)
    fit = fit_least_squares(p.y, np.column_stack([p.treated, p.x]))
    assert g_estimation(p.y, p.treated, p.x).effects[0].value == pytest.approx(fit.coef[1], abs=0.02)


def test_the_structural_aft_model_recovers_the_stretch_of_life():
    """T = T0 exp(-psi A), psi = -0.4: the treated live 1.49 times as long. The end censors a tenth."""
    random = np.random.default_rng(8)
    x = random.normal(size=4000)
    treated = random.uniform(size=4000) < 1 / (1 + np.exp(-0.5 * x))
    life = random.exponential(10 * np.exp(0.3 * x)) * np.exp(0.4 * treated)
    time = np.minimum(life, 40.0)
    found = g_estimation_aft(time, life <= 40, treated, x, end=40.0)
    assert found.lower < -0.4 < found.upper and found.closed
    assert found.psi == pytest.approx(-0.4, abs=0.15)
