"""Log-link regressions: closed forms, invariances, borders named, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.counts.modified_poisson import (
    log_binomial,
    modified_poisson,
    negative_binomial,
    poisson_regression,
)
from studies.statistics.counts.rate_comparison import rate_ratio
from studies.statistics.counts.two_by_two import risk_ratio

RNG = np.random.default_rng(11)
N = 300
X = np.column_stack([RNG.integers(0, 2, N), RNG.normal(size=N)]).astype(float)
Y = (RNG.random(N) < np.clip(np.exp(-1.2 + 0.5 * X[:, 0] + 0.1 * X[:, 1]), 0, 1)).astype(int)
COUNTS = RNG.negative_binomial(1.5, 1.5 / (1.5 + np.exp(0.3 + 0.4 * X[:, 0])))
TIME = RNG.uniform(0.2, 3.0, N)


def test_one_binary_covariate_is_the_two_by_two_table():
    """The ratio of risks, and HC0 is the log Wald variance of a risk ratio; so is the log-binomial's."""
    y, x = [1] * 12 + [0] * 38 + [1] * 5 + [0] * 45, [1] * 50 + [0] * 50
    plain = risk_ratio((12, 5), (50, 50), method="wald")
    for fit in (modified_poisson(y, x), log_binomial(y, x)):
        assert fit.ratio[1] == pytest.approx(plain.estimate, rel=1e-9)
        assert fit.se[1] == pytest.approx(plain.se, rel=1e-9)
        assert (fit.lower[1], fit.upper[1]) == pytest.approx((plain.lower, plain.upper), rel=1e-9)
        assert fit.p[1] == pytest.approx(plain.p, rel=1e-8)


def test_two_rates_are_the_poisson_regression_of_two_groups():
    fit = poisson_regression([15, 0, 25, 3], [1, 1, 0, 0], person_time=[1000, 200, 800, 200])
    plain = rate_ratio((15, 28), (1200, 1000), method="wald")
    assert (fit.ratio[1], fit.se[1], fit.p[1]) == pytest.approx((plain.estimate, plain.se, plain.p), rel=1e-9)


def test_a_weight_of_two_is_a_row_twice():
    twice = np.concatenate([np.arange(N), np.arange(50)])
    weights = np.where(np.arange(N) < 50, 2.0, 1.0)
    for function, y in (
        (modified_poisson, Y),
        (poisson_regression, COUNTS),
        (negative_binomial, COUNTS),
        (log_binomial, Y),
    ):
        weighted, repeated = function(y, X, weights=weights), function(y[twice], X[twice])
        assert weighted.coef == pytest.approx(repeated.coef, rel=1e-7)
        if function is not modified_poisson:  # a robust error takes a weighted row for one subject
            assert weighted.se == pytest.approx(repeated.se, rel=1e-7)
    cluster = np.concatenate([np.arange(N), np.arange(50)])
    assert modified_poisson(Y, X, weights=weights).se == pytest.approx(
        modified_poisson(Y[twice], X[twice], cluster=cluster).se, rel=1e-7
    )


def test_order_units_and_clusters_of_one_change_nothing():
    order = RNG.permutation(N)
    fit = modified_poisson(Y, X)
    assert modified_poisson(Y[order], X[order]).coef == pytest.approx(fit.coef, rel=1e-9)
    assert modified_poisson(Y, X, cluster=np.arange(N)).se == pytest.approx(fit.se, rel=1e-12)
    scaled = modified_poisson(Y, X * [1.0, 1e6])
    assert scaled.coef[2] == pytest.approx(fit.coef[2] / 1e6, rel=1e-7)
    years, days = (poisson_regression(COUNTS, X, person_time=TIME * unit) for unit in (1.0, 365.25))
    assert years.coef[1:] == pytest.approx(days.coef[1:], rel=1e-9)
    assert years.coef[0] - math.log(365.25) == pytest.approx(days.coef[0], rel=1e-9)


def test_the_score_is_zero_at_the_estimate_and_theta_too():
    design = np.column_stack([np.ones(N), X])
    fit = negative_binomial(COUNTS, X, person_time=TIME)
    mean = np.exp(design @ fit.coef) * TIME
    score = design.T @ ((COUNTS - mean) / (1 + mean / fit.theta))
    assert np.abs(score).max() < 1e-7
    import statsmodels.api as sm

    theirs = sm.NegativeBinomial(COUNTS, design, exposure=TIME).fit(
        disp=0, method="bfgs", maxiter=2000, gtol=1e-9
    )
    assert fit.coef == pytest.approx(theirs.params[:3], abs=2e-5)
    assert fit.theta == pytest.approx(1 / theirs.params[3], rel=1e-4)
    assert fit.loglik == pytest.approx(theirs.llf, rel=1e-9)


def test_a_maximum_on_the_border_is_refused_by_name_where_modified_poisson_goes_on():
    """Everybody above x = 1 has the event: the log-binomial likelihood pushes their risk to 1."""
    x = np.linspace(0, 2, 60)
    y = (x > 1.0).astype(int)
    y[[3, 20, 41]] = [1, 1, 0]
    with pytest.raises(CannotEstimate) as refused:
        log_binomial(y, x)
    assert refused.value.reason.code == "log_binomial_border"
    assert modified_poisson(y, x).ratio[1] > 1
    with pytest.raises(CannotEstimate) as refused:
        log_binomial(np.ones(10), np.arange(10))
    assert refused.value.reason.code == "log_binomial_border"


def test_a_group_without_events_has_no_finite_ratio():
    y, x = [1, 0, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]
    for function in (modified_poisson, poisson_regression):
        with pytest.raises(CannotEstimate) as refused:
            function(y, x)
        assert refused.value.reason.code == "no_finite_fit"


def test_counts_that_are_not_overdispersed_have_no_theta():
    with pytest.raises(CannotEstimate) as refused:
        negative_binomial(np.tile([1, 2, 2, 3], 20), np.tile([0.0, 1.0, 0.5, 2.0], 20))
    assert refused.value.reason.code == "not_overdispersed"


def test_a_million_rows_are_fitted():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (1_000_000, 2)).astype(float)
    y = rng.random(1_000_000) < 0.2 * np.exp(0.3 * x[:, 0])
    fit = modified_poisson(y, x, cluster=np.arange(1_000_000) % 5000)
    assert fit.coef[1] == pytest.approx(0.3, abs=5 * fit.se[1]) and fit.clusters == 5000


@pytest.mark.parametrize("function", [modified_poisson, poisson_regression, log_binomial, negative_binomial])
@pytest.mark.parametrize(
    ("y", "x", "options", "code"),
    [
        ([], [], {}, "no_subjects"),
        ([0, 0, 0, 0], [1, 2, 3, 4], {}, "no_events_to_model"),
        ([1, 0, 1, 0], [1, 1, 1, 1], {}, "constant"),
        ([1, 0, 1, 0, 1], [[1, 2], [2, 4], [3, 6], [4, 8], [0, 0]], {}, "dependent"),
        ([1, 0], [1, 2], {}, "too_many_terms"),
        ([1], [1], {}, "too_many_terms"),
        ([1, 0, 1], [1, 2], {}, "lengths_differ"),
        ([1, 0, 1, 0], [1, 2, float("nan"), 4], {}, "not_a_number"),
        ([1, 0, 1, 0], [1, 2, 3, 5], {"weights": [1, 0, 1, 1]}, "bad_weights"),
        ([1, 0, 1, 0], [1, 2, 3, 5], {"weights": [1, float("inf"), 1, 1]}, "not_a_number"),
        ([1, 0, 1, 0], [1, 2, 3, 5], {"names": ["a", "b"]}, "lengths_differ"),
    ],
)
def test_bad_columns_are_refused_by_name(function, y, x, options, code):
    with pytest.raises(CannotEstimate) as refused:
        function(y, x, **options)
    assert refused.value.reason.code == code


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: modified_poisson([1, 2, 0, 1], [1, 2, 3, 5]), "bad_codes"),
        (lambda: poisson_regression([1, 2.5, 0, 1], [1, 2, 3, 5]), "not_a_count"),
        (lambda: poisson_regression([1, 2, 0, 1], [1, 2, 3, 5], person_time=[1, 0, 1, 1]), "out_of_range"),
        (lambda: modified_poisson(Y, X, covariance="HC3"), "bad_argument"),
        (lambda: modified_poisson(Y, X, cluster=["a"] * N), "too_many_terms"),
        (lambda: modified_poisson(Y, X, conf_level=0), "out_of_range"),
    ],
)
def test_bad_options_are_refused_by_name(call, code):
    with pytest.raises(CannotEstimate) as refused:
        call()
    assert refused.value.reason.code == code
