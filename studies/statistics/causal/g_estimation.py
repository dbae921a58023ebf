"""G-estimation of a structural nested mean model: which effect, taken away, leaves no trace of treatment?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats
from studies.statistics.causal.designs import check_level, inverse
from studies.statistics.causal.logistic import fit_logistic
from studies.statistics.causal.propensity import both_arms
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import case_weights, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, two_sided_p


@dataclass(frozen=True)
class GEstimate:
    """`effects` (1 + k): of treatment where the modifiers are 0, and the change with each modifier.

    `covariance` (1 + k, 1 + k) is by stacked estimating equations with the score's model.
    """

    effects: tuple[Estimate, ...]
    covariance: Floats
    n: int
    method: str


@dataclass(frozen=True)
class TestInversion:
    """An effect and the limits of those effects that a test does not reject, on the grid tried.

    `p` (m,) belongs to `grid` (m,). A limit at the end of the grid is no limit: `closed` says so.
    """

    value: float
    lower: float
    upper: float
    closed: bool
    grid: Floats
    p: Floats
    conf_level: float
    method: str


@checked
def g_estimation(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    modifiers: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> GEstimate:
    """The effects psi of E(Y^a - Y^0 | A = a, x) = a (psi_0 + psi'v) in closed form (Robins 1989, 1994).

    y (n,), treated (n,), x (n, p) of the logistic score, modifiers v (n, k), weights (n,) such as censoring
    weights: sum w (A - e)(1, v)(y - A (psi_0 + psi'v)) = 0, with e fitted under the same weights (Hernán &
    Robins, What If, section 14.5). Raises `CannotEstimate`: bad numbers, one arm, separation, modifiers
    that cannot be told apart.
    """
    check_level(conf_level)
    arms = both_arms(treated)
    outcome = numbers(y, "y", len(arms))
    given = case_weights(weights, len(arms))
    w = np.ones(len(arms)) if given is None else given
    v = np.ones((len(arms), 1))
    if modifiers is not None:
        v = np.column_stack([v, matrix(modifiers, len(arms), "modifiers")])
    score = fit_logistic(arms.astype(float), x, weights=given)
    left = v * (w * (arms - score.fitted))[:, None]
    bread = inverse(left.T @ (v * arms[:, None]), "structural nested model")
    psi = bread @ (left.T @ outcome)
    residual = outcome - arms * (v @ psi)
    # d(equation)/d(logit e) = -w e(1 - e) v residual; the score's coefficients move by bread times score.
    slope = -(v * (w * score.fitted * (1.0 - score.fitted) * residual)[:, None]).T
    rows = np.column_stack([np.ones(len(arms)), matrix(x, len(arms))])
    equations = left * residual[:, None] + score.scores @ score.bread @ (slope @ rows).T
    influence = equations @ bread.T
    covariance = influence.T @ influence
    effects = tuple(
        wald(float(one), float(np.sqrt(spread)), conf_level)
        for one, spread in zip(psi, np.diag(covariance), strict=True)
    )
    return GEstimate(
        effects=effects,
        covariance=covariance,
        n=len(arms),
        method="g-estimation of an additive structural nested mean model; stacked estimating equations",
    )


@checked
def g_estimation_by_test(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    grid: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> TestInversion:
    """The same effect without modifiers by search, as in What If, section 14.5.

    For each psi of `grid` (m,), H = y - psi A joins the logistic model of treatment; the estimate is the psi
    with the coefficient of H nearest 0, the limits the smallest and largest psi whose robust Wald test
    (HC0, as geeglm) has p > 1 - conf_level. Raises as `g_estimation`, and when no psi is compatible.
    """
    check_level(conf_level)
    arms = both_arms(treated)
    outcome = numbers(y, "y", len(arms))
    table = matrix(x, len(arms))
    tried = np.sort(numbers(grid, "grid"))
    if len(tried) < 3:
        raise CannotEstimate(BAD_ARGUMENT, argument="grid", allowed="3 or more values")
    coefficients, p = np.empty(len(tried)), np.empty(len(tried))
    for place, psi in enumerate(tried.tolist()):
        joined = np.column_stack([table, outcome - psi * arms])
        fit = fit_logistic(arms.astype(float), joined, weights=weights, covariance="HC0")
        coefficients[place] = fit.coef[-1]
        p[place] = two_sided_p(float(fit.z[-1]))
    inside = tried[p > 1.0 - conf_level]
    if len(inside) == 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="g-estimation by test inversion")
    return TestInversion(
        value=float(tried[np.argmin(np.abs(coefficients))]),
        lower=float(inside[0]),
        upper=float(inside[-1]),
        closed=bool(inside[0] > tried[0] and inside[-1] < tried[-1]),
        grid=tried,
        p=p,
        conf_level=conf_level,
        method=f"g-estimation by test inversion on {len(tried)} values",
    )
