"""Weighted least squares with model, robust and cluster-robust errors: R's lm, sandwich and GEE with independence."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import CONSTANT, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.causal.designs import (
    Design,
    check_covariance,
    check_level,
    check_option,
    design,
    inverse,
    sandwich,
)
from studies.statistics.inputs import case_weights, labels, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile, two_sided_p


@dataclass(frozen=True)
class LeastSquaresFit:
    """A fitted linear model; arrays of coefficients are (q,) in the order of `names`.

    `statistic` is t on `df_residual` degrees or z, as `reference` says. `sigma` is R's residual standard
    error, with weights that of an observation of weight 1. `bread` (q, q) is (X'WX)^-1 and `scores`
    (n, q) are w r x of each row.
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    statistic: Floats
    p: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    fitted: Floats
    residuals: Floats
    sigma: float
    r_squared: float
    n: int
    df_residual: int
    bread: Floats
    scores: Floats
    reference: str
    conf_level: float
    method: str

    def predict(self, x: npt.ArrayLike) -> Floats:
        """Expected values (m,) at covariates x (m, p)."""
        table = matrix(x)
        if self.names and self.names[0] == "(Intercept)":
            table = np.column_stack([np.ones(len(table)), table])
        return np.asarray(table @ self.coef)


@checked
def fit_least_squares(
    y: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    intercept: bool = True,
    covariance: str = "model",
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    cluster_adjust: bool = True,
    reference: Literal["t", "normal"] | None = None,
    conf_level: float = CI_LEVEL,
) -> LeastSquaresFit:
    """E(y | x) = b0 + x b by weighted least squares, y (n,), x (n, p), weights (n,) > 0.

    `covariance` is "model" (sigma^2 (X'WX)^-1, as lm) or "HC0" to "HC3" (White 1980; MacKinnon & White
    1985; as sandwich::vcovHC); with `cluster` HC0 or HC1 by cluster (as vcovCL; `cluster_adjust=False`
    is GEE with independence, as geepack::geeglm). Limits use t for "model" and the normal distribution
    for the others, unless `reference` says otherwise.

    Raises `CannotEstimate`: bad numbers, constant or dependent columns, at least as many terms as rows.
    """
    outcome = numbers(y, "y")
    rows = len(outcome)
    weight = case_weights(weights, rows)
    check_level(conf_level)
    groups = None if cluster is None else labels(cluster, "cluster", rows)
    kind = "HC0" if groups is not None and covariance == "model" else covariance
    check_covariance(kind, cluster, None if groups is None else len(groups))
    against = reference or ("t" if kind == "model" else "normal")
    check_option(against, ("t", "normal"), "reference")
    plan = design(x, rows, names=names, intercept=intercept)
    if plan.terms >= rows:
        raise CannotEstimate(TOO_MANY_TERMS)
    w = np.ones(rows) if weight is None else weight
    root = np.sqrt(w)[:, None]
    q, r = np.linalg.qr(plan.matrix * root)
    beta = np.linalg.solve(r, q.T @ (outcome * root[:, 0]))
    half = inverse(r, "information")
    at = _Solved(plan, half @ half.T, beta, outcome - plan.matrix @ beta, w, (q**2).sum(axis=1))
    spread = at.covariance(kind, None if groups is None else groups.codes, cluster_adjust)
    return _finish(at, outcome, spread, kind, groups is not None, against, intercept, conf_level)


@dataclass(frozen=True)
class _Solved:
    """The solution in the scaled coordinates of `plan`."""

    plan: Design
    bread: Floats
    beta: Floats
    residuals: Floats
    weights: Floats
    leverage: Floats

    @property
    def df(self) -> int:
        return len(self.residuals) - self.plan.terms

    @property
    def rss(self) -> float:
        return float((self.weights * self.residuals**2).sum())

    @property
    def scores(self) -> Floats:
        return np.asarray(self.plan.matrix * (self.weights * self.residuals)[:, None])

    def covariance(self, kind: str, cluster: Ints | None, cluster_adjust: bool) -> Floats:
        """Of the coefficients on the data's scale."""
        if kind == "model":
            spread = self.bread * self.rss / self.df
        else:
            spread = sandwich(
                self.bread,
                self.scores,
                kind=kind,
                leverage=self.leverage,
                cluster=cluster,
                cluster_adjust=cluster_adjust,
            )
        return np.asarray(self.plan.back @ spread @ self.plan.back.T)


def _finish(
    at: _Solved,
    outcome: Floats,
    spread: Floats,
    kind: str,
    clustered: bool,
    reference: str,
    intercept: bool,
    conf_level: float,
) -> LeastSquaresFit:
    if np.ptp(outcome) == 0:
        raise CannotEstimate(CONSTANT, variable="y")
    coef, se = at.plan.back @ at.beta, np.sqrt(np.diag(spread))
    statistic = np.divide(coef, se, out=np.full_like(coef, np.inf), where=se > 0)
    reach = _quantile(conf_level, at.df, reference) * se
    middle = float(np.average(outcome, weights=at.weights)) if intercept else 0.0
    total = float((at.weights * (outcome - middle) ** 2).sum())
    return LeastSquaresFit(
        names=at.plan.names,
        coef=coef,
        se=se,
        statistic=statistic,
        p=_p_values(statistic, at.df, reference),
        lower=coef - reach,
        upper=coef + reach,
        covariance=spread,
        fitted=outcome - at.residuals,
        residuals=at.residuals,
        sigma=float(np.sqrt(at.rss / at.df)),
        r_squared=1.0 - at.rss / total if total > 0 else 0.0,
        n=len(outcome),
        df_residual=at.df,
        bread=at.plan.back @ at.bread @ at.plan.back.T,
        scores=np.asarray(np.linalg.solve(at.plan.back.T, at.scores.T).T, dtype=np.float64),
        reference=reference,
        conf_level=conf_level,
        method=f"least squares; {_described(kind, clustered)}; {reference} distribution",
    )


def _quantile(conf_level: float, df: int, reference: str) -> float:
    if reference == "normal":
        return normal_quantile(conf_level)
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + conf_level / 2.0))


def _p_values(statistic: Floats, df: int, reference: str) -> Floats:
    if reference == "normal":
        return np.array([two_sided_p(float(one)) for one in statistic])
    from scipy.special import stdtr

    return np.asarray(2.0 * stdtr(df, -np.abs(statistic)))


def _described(kind: str, clustered: bool) -> str:
    if kind == "model":
        return "model-based standard errors"
    return f"{kind} {'cluster-' if clustered else ''}robust standard errors"
