"""fit_logistic and fit_least_squares: identities, and what separation is called."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.causal.logistic import auc, fit_logistic
from tests.studies.statistics.causal.people import people

SEEDS = st.integers(0, 10_000)


def test_a_saturated_model_gives_the_shares():
    """1 of 4 and 3 of 5: the odds ratio is 1.5/(1/3)."""
    fit = fit_logistic([1, 0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1])
    assert fit.coef == pytest.approx([np.log(1 / 3), np.log(1.5 * 3)])
    assert fit.se[1] == pytest.approx(np.sqrt(1 + 1 / 3 + 1 / 3 + 1 / 2), rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_weight_of_2_is_the_row_twice(seed):
    p = people(seed, 60)
    twice_x, who = np.tile(p.x, (2, 1)), np.tile(np.arange(60), 2)
    exact = {"epsilon": 1e-14}
    for fit, y, options in ((fit_logistic, p.died, exact), (fit_least_squares, p.y, {})):
        weighted = fit(y, p.x, weights=np.full(60, 2.0), covariance="HC0", **options)
        doubled = fit(np.tile(y, 2), twice_x, cluster=who, cluster_adjust=False, **options)
        assert weighted.coef == pytest.approx(doubled.coef, rel=1e-6, abs=1e-8)
        assert weighted.se == pytest.approx(doubled.se, rel=1e-6)
    weighted = fit_logistic(p.died, p.x, weights=np.full(60, 2.0), **exact)
    assert weighted.se == pytest.approx(fit_logistic(np.tile(p.died, 2), twice_x, **exact).se, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_rows_and_the_unit_of_a_covariate_do_not_matter(seed):
    p = people(seed, 60)
    order = np.random.default_rng(seed).permutation(60)
    for fit, y in ((fit_logistic, p.died), (fit_least_squares, p.y)):
        first = fit(y, p.x, covariance="HC3")
        again = fit(y[order], p.x[order] * [1000.0, 1.0], covariance="HC3")
        assert again.coef * [1, 1000, 1] == pytest.approx(first.coef, rel=1e-7)
        assert again.se * [1, 1000, 1] == pytest.approx(first.se, rel=1e-6)


def test_swapping_the_outcome_changes_the_sign():
    p = people(3)
    assert fit_logistic(~p.died, p.x).coef == pytest.approx(-fit_logistic(p.died, p.x).coef, rel=1e-7)


def test_age_and_its_square_are_not_taken_for_collinear():
    random = np.random.default_rng(4)
    age = random.uniform(60, 64, 300)
    y = random.uniform(size=300) < 0.5
    fit = fit_logistic(y, np.column_stack([age, age**2]), epsilon=1e-14)
    assert np.abs(fit.scores.sum(axis=0) / np.abs(fit.scores).sum(axis=0)).max() < 1e-7


def test_the_limits_are_wald_limits_of_the_level_asked():
    p = people(5)
    fit = fit_logistic(p.died, p.x, conf_level=0.9)
    assert fit.upper - fit.coef == pytest.approx(1.6448536269514722 * fit.se)


@pytest.mark.parametrize("kind", ["complete", "quasi-complete", "in one cell"])
def test_separation_is_named_with_its_variables(kind):
    """x2 decides the outcome; x1 is noise in the first two, and the cell x2 = 1 has no y = 0 in the third."""
    random = np.random.default_rng(6)
    noise = random.normal(size=80)
    if kind == "complete":
        decides = np.repeat([0.0, 1.0], 40) + random.uniform(0, 0.4, 80)
        y = np.repeat([0, 1], 40)
    elif kind == "quasi-complete":
        decides = np.concatenate([random.uniform(0, 1, 39), [1.0, 1.0], random.uniform(1, 2, 39)])
        y = np.repeat([0, 1], 40)
    else:
        decides = (np.arange(80) >= 70).astype(float)
        y = np.where(decides == 1, 1, random.integers(0, 2, 80))
    with pytest.raises(CannotEstimate) as refusal:
        fit_logistic(y, np.column_stack([noise, decides]), names=("noise", "decides"))
    assert refusal.value.reason.code == "outcome_separated"
    assert "decides" in refusal.value.text.en


def test_a_strong_but_finite_effect_is_not_called_separation():
    """One person of 1000 on the wrong side keeps the maximum finite."""
    x = np.repeat([0.0, 1.0], 500)
    y = x.copy()
    y[0], y[999] = 1, 0
    assert fit_logistic(y, x).coef[1] == pytest.approx(2 * np.log(499), rel=1e-6)


def test_auc_counts_ties_half_and_weights_by_their_size():
    """Pairs: 2 beats 1, 2 ties with 2, 3 beats both."""
    assert auc([1, 2, 2, 3], [0, 0, 1, 1]) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert auc([1, 2, 2, 3], [0, 0, 1, 1], weights=[1, 3, 1, 1]) == pytest.approx((1 + 1.5 + 1 + 3) / 8)


def test_a_million_rows_are_fitted_in_seconds():
    random = np.random.default_rng(7)
    x = random.normal(size=(1_000_000, 3))
    y = random.uniform(size=1_000_000) < 1 / (1 + np.exp(1 - x[:, 0]))
    fit = fit_logistic(y, x)
    assert fit.coef == pytest.approx([-1, 1, 0, 0], abs=0.02)


def test_predictions_are_the_fitted_values():
    p = people(8)
    for fit, y in ((fit_logistic, p.died), (fit_least_squares, p.y)):
        assert fit(y, p.x).predict(p.x) == pytest.approx(fit(y, p.x).fitted)
        assert fit(y, p.x, intercept=False).predict(p.x) == pytest.approx(fit(y, p.x, intercept=False).fitted)
