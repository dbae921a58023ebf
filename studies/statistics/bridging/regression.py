"""Generalised linear models with the canonical link, as the bridging methods need them.

Newton's method, which is iteratively reweighted least squares here (McCullagh & Nelder 1989, 2.5).
Gaussian with identity, binomial with logit, Poisson with log link; offset; non-negative prior weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    CONSTANT,
    DEPENDENT,
    LENGTHS_DIFFER,
    TOO_MANY_TERMS,
    CannotEstimate,
    Reason,
)
from studies.statistics import Floats
from studies.statistics.bridging.arguments import choice
from studies.statistics.inputs import case_weights, matrix, numbers
from studies.statistics.options import checked

Family = Literal["gaussian", "binomial", "poisson"]
_STEPS = 50
_DEPENDENT = 1e-9
_SETTLED = 1e-9  # the largest change of a linear predictor in the last step
_FARTHEST = 30.0  # a linear predictor beyond this is a fitted probability of 0 or 1

NO_FINITE_MAXIMUM = Reason(
    "no_finite_maximum",
    "回归模型没有有限的最大似然估计（完全或准完全分离）。",
    "The regression has no finite maximum of the likelihood (complete or quasi-complete separation).",
)
ONE_OUTCOME = Reason(
    "one_outcome", "结局在全部受试者中取值相同，无法拟合模型。", "The outcome is the same in every subject."
)


@dataclass(frozen=True)
class Regression:
    """coef (p + 1,) with the intercept first; covariance and robust (p + 1, p + 1).

    `covariance` is model-based, `robust` the sandwich HC0 without small-sample factor; dispersion is 1
    except for the gaussian family, where it is the residual mean square on n - p - 1.
    """

    family: Family
    names: tuple[str, ...]
    coef: Floats
    covariance: Floats
    robust: Floats
    dispersion: float
    loglik: float | None
    n: int

    @property
    def se(self) -> Floats:
        """Model-based standard errors (p + 1,)."""
        return np.sqrt(np.diag(self.covariance))


@checked
def fit_regression(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    family: Family,
    names: tuple[str, ...],
    offset: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> Regression:
    """Fit E[y] = link^-1(offset + intercept + x beta).

    x (n, p) without intercept; y (n,): any number, 0/1, or a count; `weights` (n,) above 0.
    Raises `CannotEstimate` for constant or dependent columns, too many terms, an outcome that never varies,
    codes out of the family's range, and separation. R: glm(y ~ x, family, offset=, weights=).
    """
    choice(family, "family", get_args(Family))
    outcome = numbers(y, "y")
    table = matrix(x, len(outcome))
    prior = case_weights(weights, len(outcome))
    w = np.ones(len(outcome)) if prior is None else prior
    shift = np.zeros(len(outcome)) if offset is None else numbers(offset, "offset", len(outcome))
    _check_outcome(outcome, family)
    if table.shape[1]:
        check_design(table, names)
    if table.shape[1] + 1 >= len(outcome):
        raise CannotEstimate(TOO_MANY_TERMS)
    centre, scale = table.mean(axis=0), table.std(axis=0)
    design = np.column_stack([np.ones(len(outcome)), (table - centre) / scale])
    beta = _newton(design, outcome, shift, w, family)
    mean, curve = mean_and_slope(shift + design @ beta, family)
    bread = np.linalg.inv((design * (w * curve)[:, None]).T @ design)
    dispersion = 1.0
    if family == "gaussian":
        dispersion = float((w * (outcome - mean) ** 2).sum() / (len(outcome) - design.shape[1]))
    score = design * (w * (outcome - mean))[:, None]
    # Back from standardised columns: coefficient / scale, and the intercept takes the centring.
    back = np.diag(np.concatenate([[1.0], 1.0 / scale]))
    back[0, 1:] = -centre / scale
    return Regression(
        family=family,
        names=("intercept", *names),
        coef=back @ beta,
        covariance=back @ bread @ back.T * dispersion,
        robust=back @ bread @ (score.T @ score) @ bread @ back.T,
        dispersion=dispersion,
        loglik=_log_likelihood(outcome, mean, w, family),
        n=len(outcome),
    )


def check_design(x: Floats, names: tuple[str, ...]) -> None:
    """Raise `CannotEstimate`, naming the column of `x` (n, p), where one is constant or follows from others."""
    if len(names) != x.shape[1]:
        raise CannotEstimate(LENGTHS_DIFFER, variable="names")
    spread = x.std(axis=0)
    for column, name in enumerate(names):
        if spread[column] <= 1e-12 * max(1.0, float(np.abs(x[:, column]).max())):
            raise CannotEstimate(CONSTANT, variable=name)
    # In a QR factor the diagonal is what each column adds beyond the ones before it.
    added = np.zeros(len(names))
    diagonal = np.abs(np.diag(np.linalg.qr((x - x.mean(axis=0)) / spread, mode="r")))
    added[: len(diagonal)] = diagonal
    for column, name in enumerate(names):
        if added[column] < _DEPENDENT * np.sqrt(len(x)):
            raise CannotEstimate(DEPENDENT, variable=name)


def mean_and_slope(eta: Floats, family: Family) -> tuple[Floats, Floats]:
    """The mean at a linear predictor and its derivative, elementwise."""
    if family == "gaussian":
        return eta, np.ones_like(eta)
    if family == "binomial":
        mean = 1.0 / (1.0 + np.exp(-np.clip(eta, -500.0, 500.0)))
        return mean, mean * (1.0 - mean)
    mean = np.exp(np.clip(eta, -500.0, 500.0))
    return mean, mean


def _newton(design: Floats, y: Floats, offset: Floats, w: Floats, family: Family) -> Floats:
    beta = np.zeros(design.shape[1])
    average = float(w @ y / w.sum())
    if family == "binomial":
        beta[0] = np.log(average / (1 - average))
    elif family == "poisson":
        beta[0] = np.log(average / float(w @ np.exp(np.clip(offset, -500, 500)) / w.sum()))
    for _ in range(_STEPS):
        mean, curve = mean_and_slope(offset + design @ beta, family)
        information = (design * (w * curve)[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (w * (y - mean)))
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(NO_FINITE_MAXIMUM) from singular
        if family == "poisson":
            # A first step may overshoot on the log scale: never move a predictor by more than 5 at once.
            step = step / max(1.0, float(np.abs(design @ step).max()) / 5.0)
        beta = beta + step
        if not np.isfinite(beta).all():
            raise CannotEstimate(NO_FINITE_MAXIMUM)
        if family == "gaussian" or float(np.abs(design @ step).max()) < _SETTLED:
            if family != "gaussian" and float(np.abs(design @ beta).max()) > _FARTHEST:
                raise CannotEstimate(NO_FINITE_MAXIMUM)
            return beta
    raise CannotEstimate(NO_FINITE_MAXIMUM)


def _check_outcome(y: Floats, family: str) -> None:
    if family == "binomial" and not np.isin(y, (0.0, 1.0)).all():
        raise CannotEstimate(BAD_ARGUMENT, argument="y", allowed="0, 1")
    if family == "poisson" and ((y < 0) | (y != np.floor(y))).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="y", allowed="0, 1, 2, ...")
    if len(y) == 1 or np.ptp(y) == 0.0:
        raise CannotEstimate(ONE_OUTCOME)


def _log_likelihood(y: Floats, mean: Floats, w: Floats, family: str) -> float | None:
    if family == "gaussian":
        return None  # depends on how the variance is estimated; no method here uses it
    if family == "binomial":
        return float(w @ np.where(y == 1.0, np.log(mean), np.log1p(-mean)))
    from scipy.special import gammaln

    return float(w @ (y * np.log(mean) - mean - gammaln(y + 1)))
