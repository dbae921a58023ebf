"""Linear mixed models: closed forms, invariances, the boundary, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.repeated.likelihood import cholesky_point, symmetric
from studies.statistics.repeated.mixed import RandomEffects, fit_mixed

GROUP = np.repeat(np.arange(20), 5)
_rng = np.random.default_rng(8)
X = _rng.normal(size=(100, 2))
Y = X[:, 0] + _rng.normal(size=20)[GROUP] + _rng.normal(size=100)
TIME = np.tile(np.arange(5.0), 20)


def test_a_balanced_random_intercept_has_the_variances_of_the_analysis_of_variance() -> None:
    """REML equals the ANOVA estimates: within = MSW, between = (MSB - MSW)/n; df of the mean = groups - 1."""
    table = Y.reshape(20, 5)
    within = ((table - table.mean(axis=1, keepdims=True)) ** 2).sum() / 80
    between = 5 * table.mean(axis=1).var(ddof=1)
    fit = fit_mixed(Y, None, GROUP)
    assert fit.residual_variance == pytest.approx(within, rel=1e-10)
    assert fit.random_covariance[0, 0] == pytest.approx((between - within) / 5, rel=1e-9)
    assert fit.coef[0] == pytest.approx(Y.mean()) and fit.se[0] == pytest.approx(
        np.sqrt(between / 100), rel=1e-10
    )
    assert fit.df[0] == pytest.approx(19, rel=1e-8)
    assert fit.icc == pytest.approx(fit.random_covariance[0, 0] / (fit.random_covariance[0, 0] + within))


def test_the_modes_are_shrunken_means() -> None:
    fit = fit_mixed(Y, None, GROUP)
    g, s = fit.random_covariance[0, 0], fit.residual_variance
    shrunken = (Y.reshape(20, 5).mean(axis=1) - Y.mean()) * g / (g + s / 5)
    assert fit.modes[:, 0] == pytest.approx(shrunken, abs=1e-9)


def test_without_variation_between_subjects_the_fit_is_least_squares() -> None:
    """The variance is found at zero, said to be singular, and inference is that of independent rows."""
    y = _rng.normal(size=100)
    y = y - y.reshape(20, 5).mean(axis=1)[GROUP]
    fit = fit_mixed(y, X, GROUP)
    design = np.column_stack([np.ones(100), X])
    coef = np.linalg.lstsq(design, y, rcond=None)[0]
    variance = ((y - design @ coef) ** 2).sum() / 97
    assert fit.singular and fit.icc == pytest.approx(0, abs=1e-12)
    assert fit.coef == pytest.approx(coef, abs=1e-9)
    assert fit.se == pytest.approx(np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * variance), rel=1e-8)
    assert list(fit.df) == pytest.approx([97] * 3, rel=1e-6)


@pytest.mark.parametrize("estimation", ["reml", "ml"])
def test_the_analytic_gradient_and_hessian_are_those_of_the_likelihood(estimation: Any) -> None:
    from studies.statistics.repeated import likelihood

    z = np.column_stack([np.ones(100), TIME])
    turned = likelihood.basis(np.column_stack([np.ones(100), X]), Y)
    model = RandomEffects(turned.rest, turned.q, z, GROUP)
    phi = np.array([0.9, 0.3, 0.2, -0.1])
    state = likelihood._state(model, model.point(phi), estimation)
    for k, step in enumerate(np.eye(4) * 1e-5):
        up, down = (likelihood._value(model, model.point(phi + s).theta, estimation) for s in (step, -step))
        assert up is not None and down is not None
        assert (up - down) / 2e-5 == pytest.approx(state.gradient[k], rel=1e-5, abs=1e-5)
        up_state, down_state = (
            likelihood._state(model, model.point(phi + s), estimation) for s in (step, -step)
        )
        assert (up_state.gradient - down_state.gradient) / 2e-5 == pytest.approx(
            state.hessian[k], rel=1e-5, abs=1e-4
        )


def test_the_value_is_the_density_of_the_normal_distribution() -> None:
    """ML: the sum of multivariate normal log densities at the estimate."""
    from scipy.stats import multivariate_normal

    fit = fit_mixed(Y, X, GROUP, z=TIME, estimation="ml")
    z = np.column_stack([np.ones(5), np.arange(5.0)])
    v = z @ fit.random_covariance @ z.T + fit.residual_variance * np.eye(5)
    mean = np.column_stack([np.ones(100), X]) @ fit.coef
    density = sum(
        multivariate_normal.logpdf(Y[5 * k : 5 * k + 5], mean[5 * k : 5 * k + 5], v) for k in range(20)
    )
    assert fit.loglik == pytest.approx(density, rel=1e-10)


@pytest.mark.parametrize("df_method", ["satterthwaite", "kenward_roger", "normal"])
def test_order_units_and_labels_do_not_matter(df_method: Any) -> None:
    a = fit_mixed(Y, X, GROUP, z=TIME, df_method=df_method)
    order = np.random.default_rng(1).permutation(100)
    names = np.array([f"p{one}" for one in GROUP])
    b = fit_mixed(Y[order] * 1000, X[order] / 7, names[order], z=TIME[order] * 3, df_method=df_method)
    assert b.coef * [1, 1 / 7, 1 / 7] / 1000 == pytest.approx(a.coef, rel=1e-6)
    assert b.p == pytest.approx(a.p, rel=1e-5)
    if df_method != "normal":
        assert list(b.df) == pytest.approx(list(a.df), rel=1e-5)  # type: ignore[arg-type] # numbers here


def test_a_large_mean_costs_no_digits() -> None:
    a, b = fit_mixed(Y, X, GROUP, z=TIME), fit_mixed(Y + 1e6, X, GROUP, z=TIME)
    assert b.se == pytest.approx(a.se, rel=1e-6)
    assert b.coef[1:] == pytest.approx(a.coef[1:], rel=1e-6)


def test_an_f_test_of_one_row_is_the_square_of_t() -> None:
    for kind in ("satterthwaite", "kenward_roger"):
        fit = fit_mixed(Y, X, GROUP, z=TIME, df_method=kind)  # type: ignore[arg-type] # checked names
        f = fit.f_test([0, 1, 0])
        assert f.statistic == pytest.approx(fit.statistic[1] ** 2, rel=1e-9)
        assert f.p == pytest.approx(fit.p[1], rel=1e-7)


def test_the_cholesky_factor_reaches_every_covariance() -> None:
    point = cholesky_point(np.array([2.0, -1.0, 0.5]), 2)
    assert symmetric(point.theta, 2) == pytest.approx(np.array([[4, -2], [-2, 1.25]]))


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nobody", {"y": [], "x": None, "group": []}, "no_subjects"),
    ("one subject", {"group": np.zeros(100)}, "no_repeats"),
    ("one row each", {"group": np.arange(100)}, "no_repeats"),
    ("few rows for a slope", {"y": Y[:10], "x": None, "group": GROUP[:50:5] // 2, "z": TIME[:10] % 2}, "no_repeats"),
    ("NaN", {"y": np.where(np.arange(100) == 1, np.nan, Y)}, "not_a_number"),
    ("lengths", {"x": X[:50]}, "lengths_differ"),
    ("constant", {"x": np.column_stack([X, np.full(100, 3.0)])}, "constant"),
    ("collinear", {"x": np.column_stack([X, X.sum(axis=1)])}, "dependent"),
    ("constant slope", {"z": np.ones(100)}, "dependent"),
    ("no random effect", {"random_intercept": False}, "bad_argument"),
    ("perfect", {"y": X[:, 0] * 2 + 1}, "perfect_fit"),
    ("all alike", {"y": np.ones(100)}, "perfect_fit"),
    ("estimation", {"estimation": "bayes"}, "bad_argument"),
    ("df", {"df_method": "kr"}, "bad_argument"),
    ("kenward roger with ML", {"df_method": "kenward_roger", "estimation": "ml"}, "bad_argument"),
    ("level", {"conf_level": 0.0}, "bad_argument"),
    ("label missing", {"group": np.where(GROUP == 0, np.nan, GROUP)}, "bad_labels"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changed", "code"), BAD, ids=[one[0] for one in BAD])
def test_what_cannot_be_estimated_is_refused_by_name(what: str, changed: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"y": Y, "x": X, "group": GROUP, **changed}
    with pytest.raises(CannotEstimate) as refused:
        fit_mixed(given.pop("y"), given.pop("x"), given.pop("group"), **given)
    assert refused.value.reason.code == code


def test_bad_contrasts_are_refused() -> None:
    fit = fit_mixed(Y, X, GROUP)
    for weights, code in (
        ([0, 0, 0], "constant"),
        ([1, 0], "lengths_differ"),
        ([np.nan, 0, 1], "not_a_number"),
    ):
        with pytest.raises(CannotEstimate, match=code):
            fit.contrast(weights)
    with pytest.raises(CannotEstimate, match="dependent"):
        fit.f_test([[0, 1, 0], [0, 2, 0]])
    with pytest.raises(CannotEstimate, match="bad_argument"):
        fit_mixed(Y, X, GROUP, df_method="normal").f_test([0, 1, 0])


def test_a_hundred_thousand_rows_take_seconds() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(20_000), 5)
    x = rng.normal(size=(100_000, 3))
    y = x[:, 0] + rng.normal(size=20_000)[group] + rng.normal(size=100_000)
    fit = fit_mixed(y, x, group, z=x[:, 1])
    assert fit.random_covariance[0, 0] == pytest.approx(1.0, abs=0.05)
    assert fit.residual_variance == pytest.approx(1.0, abs=0.05)
