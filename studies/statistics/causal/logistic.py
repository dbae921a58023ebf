"""Logistic regression by iteratively reweighted least squares, with the covariances a reviewer asks for.

Point estimates, model errors and deviances are those of R's `glm(family = binomial)`, the robust errors
those of `sandwich::vcovHC` and `vcovCL`; GEE with independence is HC0 by cluster without adjustment.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_WEIGHTS, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.causal.designs import (
    Design,
    check_covariance,
    check_level,
    design,
    sandwich,
)
from studies.statistics.inputs import case_weights, labels, matrix, numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile, two_sided_p

_LARGE_WEIGHT = 1e8  # mean weights beyond it (or below its inverse) are brought to 1 first
_STEPS = 30  # beyond, the linear predictor has grown past any number a finite maximum could need
GLM_EPSILON = 1e-8  # R's glm.control
_AT_REST = 1e-2  # a step of Newton's method, per standard deviation, that a finite maximum cannot leave
_PART_OF_SEPARATION = 1e-2  # of the largest coefficient of the direction in which the likelihood rises

OUTCOME_SEPARATED = Reason(
    "outcome_separated",
    "逻辑回归出现分离，似然没有最大值；相关变量：{variables}。",
    "Separation in the logistic model: the likelihood has no maximum; variables involved: {variables}.",
)
ONE_OUTCOME = Reason(
    "one_outcome",
    "“{variable}”在所有行中取值相同，无法拟合逻辑回归。",
    "'{variable}' is the same in all rows: no logistic model can be fitted.",
)


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic model; arrays of coefficients are (q,) in the order of `names`.

    `fitted` (n,) are probabilities, `linear_predictor` (n,) their logits with the offset.
    `bread` (q, q) is the inverse of the information, `scores` (n, q) the weighted score of each row:
    what stacked estimating equations need.
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    fitted: Floats
    linear_predictor: Floats
    loglik: float
    deviance: float
    null_deviance: float
    n: int
    df_residual: int
    iterations: int
    bread: Floats
    scores: Floats
    conf_level: float
    method: str

    def predict(self, x: npt.ArrayLike, offset: npt.ArrayLike | None = None) -> Floats:
        """Probabilities (m,) at covariates x (m, p)."""
        table = matrix(x)
        rows = np.column_stack([np.ones(len(table)), table]) if self._intercept else table
        eta = rows @ self.coef
        return expit(eta if offset is None else eta + numbers(offset, "offset", len(table)))

    @property
    def _intercept(self) -> bool:
        return self.names[0] == "(Intercept)"


def expit(eta: Floats) -> Floats:
    """1/(1 + exp(-eta)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * eta)))


@checked
def fit_logistic(
    y: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    offset: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    intercept: bool = True,
    covariance: str = "model",
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    cluster_adjust: bool = True,
    conf_level: float = CI_LEVEL,
    epsilon: float = GLM_EPSILON,
) -> LogisticFit:
    """Maximum likelihood for P(y = 1 | x) = expit(offset + b0 + x b), y (n,) 0/1, x (n, p).

    `covariance` is "model" or "HC0" to "HC3"; `cluster` (n,) sums scores within clusters, with HC0 or HC1
    ("model" then means HC0). Limits are Wald, by the normal distribution. survey::svyglm with weights
    alone is HC0 with every row its own cluster; geepack::geeglm (independence) is HC0 with clusters and
    `cluster_adjust=False`. `epsilon` is glm.control's. McCullagh & Nelder (1989, section 4.4); White (1982).

    Raises `CannotEstimate`: bad numbers, constant or dependent columns, as many terms as rows, y all
    equal, and separation, naming the variables along which the likelihood rises without end.
    """
    outcome = yes_no(y, "y")
    rows = len(outcome)
    weight = case_weights(weights, rows)
    shift = None if offset is None else numbers(offset, "offset", rows)
    check_level(conf_level)
    groups = None if cluster is None else labels(cluster, "cluster", rows)
    kind = "HC0" if groups is not None and covariance == "model" else covariance
    check_covariance(kind, cluster, None if groups is None else len(groups))
    if outcome.all() or not outcome.any():
        raise CannotEstimate(ONE_OUTCOME, variable="y")
    plan = design(x, rows, names=names, intercept=intercept)
    if plan.terms >= rows:
        raise CannotEstimate(TOO_MANY_TERMS)
    w = np.ones(rows) if weight is None else weight
    o = np.zeros(rows) if shift is None else shift
    at = irls(plan.matrix, outcome.astype(float), w, o, names=plan.names, epsilon=epsilon)
    return _finish(plan, outcome, w, o, at, kind, groups, cluster_adjust, conf_level)


@dataclass(frozen=True)
class Iterated:
    """Where `irls` stopped: coefficients (q,), the weights (n,) and inverse information (q, q) of its last

    step, and the number of steps.
    """

    beta: Floats
    curvature: Floats
    bread: Floats
    iterations: int


def irls(
    rows: Floats,
    y: Floats,
    weights: Floats,
    offset: Floats,
    *,
    names: tuple[str, ...] | None = None,
    epsilon: float = GLM_EPSILON,
) -> Iterated:
    """Iteratively reweighted least squares, started and stopped as R's glm does it.

    It starts at (w y + 1/2)/(w + 1) and stops when the deviance changes by less than `epsilon` of itself
    (plus 0.1). The information is that of the last step's weights: R's, 1e-6 from the one at the
    final coefficients. `rows` (n, q) should be centred and scaled; a weight of 0 leaves a row out.
    Raises `CannotEstimate` with OUTCOME_SEPARATED when the coefficients would move on for ever.
    """
    if not (np.isfinite(weights).all() and weights.sum() > 0):
        raise CannotEstimate(BAD_WEIGHTS)
    size = float(weights[weights > 0].mean())
    if not 1.0 / _LARGE_WEIGHT <= size <= _LARGE_WEIGHT:
        # Both the start and the rule to stop know absolute weights; the maximum does not.
        at = irls(rows, y, weights / size, offset, names=names, epsilon=epsilon)
        return Iterated(at.beta, at.curvature * size, at.bread / size, at.iterations)
    start = (weights * y + 0.5) / (weights + 1.0)
    eta, before = np.log(start / (1.0 - start)), np.inf
    beta = step = np.zeros(rows.shape[1])
    for iteration in range(_STEPS):
        curvature = _curvature(eta, weights)
        beta, bread, step = _reweighted(rows, y, weights, offset, eta, beta, names)
        eta = rows @ beta + offset
        deviance = -2.0 * _loglik(eta, y, weights)
        if abs(deviance - before) / (abs(deviance) + 0.1) < epsilon:
            # In separated data the deviance comes to rest while the coefficients still move.
            _, _, step = _reweighted(rows, y, weights, offset, eta, beta, names)
            if np.abs(step).max() > _AT_REST * max(1.0, float(np.abs(beta).max())):
                raise _separated(step, names)
            return Iterated(beta, curvature, bread, iteration + 1)
        before = deviance
    raise _separated(step, names)


def _reweighted(
    rows: Floats,
    y: Floats,
    weights: Floats,
    offset: Floats,
    eta: Floats,
    beta: Floats,
    names: tuple[str, ...] | None,
) -> tuple[Floats, Floats, Floats]:
    curvature = _curvature(eta, weights)
    try:
        bread = np.asarray(np.linalg.inv((rows * curvature[:, None]).T @ rows), dtype=np.float64)
    except np.linalg.LinAlgError as singular:
        raise _separated(beta, names) from singular
    new = bread @ (rows.T @ (curvature * (eta - offset) + weights * (y - expit(eta))))
    if not np.isfinite(new).all():
        raise _separated(beta, names)
    return new, bread, new - beta


def auc(score: npt.ArrayLike, y: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """The probability that a random y = 1 has a higher score than a random y = 0, ties counting half.

    The C-statistic; with `weights` (n,) the two are drawn with chances proportional to their weights.
    Hanley & McNeil (1982). Raises `CannotEstimate` for bad numbers and when y does not vary.
    """
    outcome = yes_no(y, "y")
    column = numbers(score, "score", len(outcome))
    weight = case_weights(weights, len(outcome))
    return weighted_auc(column, outcome, np.ones(len(outcome)) if weight is None else weight)


def weighted_auc(score: Floats, outcome: Bools, weight: Floats) -> float:
    """`auc` on checked columns, in which weights may be 0."""
    if weight[outcome].sum() <= 0 or weight[~outcome].sum() <= 0:
        raise CannotEstimate(ONE_OUTCOME, variable="y")
    _, place = np.unique(score, return_inverse=True)
    ones = np.bincount(place, weight * outcome)
    zeros = np.bincount(place, weight * ~outcome)
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + zeros / 2.0)).sum() / (ones.sum() * zeros.sum()))


def _finish(
    plan: Design,
    outcome: Bools,
    weight: Floats,
    offset: Floats,
    at: Iterated,
    kind: str,
    groups: object,
    cluster_adjust: bool,
    conf_level: float,
) -> LogisticFit:
    eta = plan.matrix @ at.beta + offset
    mu, bread = expit(eta), at.bread
    scores = plan.matrix * (weight * (outcome - mu))[:, None]
    codes = getattr(groups, "codes", None)
    if kind == "model":
        spread = bread
    else:
        # sandwich takes the residuals at the end and the weights of the last step, as glm leaves them.
        lagged = at.curvature / np.maximum(weight * mu * (1.0 - mu), np.finfo(float).tiny)
        spread = sandwich(
            bread,
            scores * lagged[:, None],
            kind=kind,
            leverage=((plan.matrix @ bread) * plan.matrix).sum(axis=1) * at.curvature,
            cluster=codes,
            cluster_adjust=cluster_adjust,
        )
    covariance = plan.back @ spread @ plan.back.T
    coef = plan.back @ at.beta
    se = np.sqrt(np.diag(covariance))
    z = coef / se
    half = normal_quantile(conf_level) * se
    loglik = _loglik(eta, outcome.astype(float), weight)
    return LogisticFit(
        names=plan.names,
        coef=coef,
        se=se,
        z=z,
        p=np.array([two_sided_p(float(one)) for one in z]),
        lower=coef - half,
        upper=coef + half,
        covariance=covariance,
        fitted=mu,
        linear_predictor=eta,
        loglik=loglik,
        deviance=-2.0 * loglik,
        null_deviance=_null_deviance(plan, outcome, weight, offset),
        n=len(outcome),
        df_residual=len(outcome) - plan.terms,
        iterations=at.iterations,
        bread=plan.back @ bread @ plan.back.T,
        scores=np.asarray(np.linalg.solve(plan.back.T, scores.T).T, dtype=np.float64),
        conf_level=conf_level,
        method=f"logistic regression, maximum likelihood; {_described(kind, codes is not None)}",
    )


def _null_deviance(plan: Design, outcome: Bools, weight: Floats, offset: Floats) -> float:
    y = outcome.astype(float)
    if plan.names[0] != "(Intercept)":
        return -2.0 * _loglik(offset, y, weight)
    ones = np.ones((len(y), 1))
    at = irls(ones, y, weight, offset, names=("(Intercept)",))
    return -2.0 * _loglik(ones @ at.beta + offset, y, weight)


def _loglik(eta: Floats, y: Floats, weights: Floats) -> float:
    # log P(y) = y eta - log(1 + exp(eta)), without overflow.
    return float((weights * (y * eta - np.logaddexp(0.0, eta))).sum())


def _curvature(eta: Floats, weights: Floats) -> Floats:
    mu = expit(eta)
    return weights * mu * (1.0 - mu)


def _separated(direction: Floats, names: tuple[str, ...] | None) -> CannotEstimate:
    size = np.abs(direction)
    called = names or tuple(f"x{number}" for number in range(len(direction)))
    largest = np.nanmax(size) if np.isfinite(size).any() else 0.0
    part = [
        name
        for name, one in zip(called, size, strict=True)
        if name != "(Intercept)" and one >= _PART_OF_SEPARATION * largest
    ]
    return CannotEstimate(OUTCOME_SEPARATED, variables=", ".join(part) or "(Intercept)")


def _described(kind: str, clustered: bool) -> str:
    if kind == "model":
        return "model-based standard errors"
    return f"{kind} {'cluster-' if clustered else ''}robust standard errors"
