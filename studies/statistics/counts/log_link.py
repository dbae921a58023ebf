"""Maximum likelihood for means that are exp(x beta + offset), and the sandwich covariance around it.

One Newton (Fisher scoring) loop serves the Poisson, negative binomial and log-binomial models; they differ in
the variance of the outcome given its mean. The robust covariance is the sandwich of each row's, or each
cluster's, score.

Sources: McCullagh & Nelder (1989, 2.5); White (1980); Liang & Zeger (1986); Zeileis (2006, 2020: the types and
corrections of R's sandwich and vcovCL).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import CONSTANT, DEPENDENT, LENGTHS_DIFFER, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.counts.measure import chosen, normal_p, share, z_of
from studies.statistics.inputs import case_weights, labels, matrix, numbers

Covariance = Literal["model", "HC0", "HC1"]
COVARIANCES = ("model", "HC0", "HC1")

NO_FINITE_FIT = Reason(
    "no_finite_fit",
    "模型的似然没有有限的极大值（某个协变量取值下没有任何事件），系数不可估计。",
    "The likelihood has no finite maximum (no event at all at some values of a covariate).",
)
NO_EVENTS_TO_MODEL = Reason(
    "no_events_to_model", "没有任何事件，无法拟合模型。", "There is no event: no model can be fitted."
)
NO_ROBUST_ERROR = Reason(
    "no_robust_error",
    "“{variable}”所涉及的受试者结局与模型完全一致（例如全部发生事件），稳健标准误为 0，无法给出区间或检验。",
    "The outcomes that decide '{variable}' agree with the model exactly (everybody has the event, say): the robust "
    "error is 0, and there is no interval and no test.",
)
_STEPS = 60
_CONVERGED = 1e-11  # the largest change of a coefficient, in units of 1/sd of its covariate
_DEPENDENT = 1e-9
_SHORTEST = 2.0**-30
_ROUNDING = 1e-10  # of a robust error, relative to the model-based one, below which it is 0


@dataclass(frozen=True)
class LogLinkFit:
    """A fitted model with `p` terms; arrays follow `names`, the intercept first.

    coef, se (p,) on the log scale; ratio, lower, upper (p,) are exp of it and its Wald limits (rate or risk
    ratios; for the intercept the mean where all covariates are 0). theta is the negative binomial's, with its
    standard error; None elsewhere.
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    covariance: Floats
    ratio: Floats
    lower: Floats
    upper: Floats
    z: Floats
    p: Floats
    loglik: float
    deviance: float
    n: int
    events: float
    clusters: int | None
    conf_level: float
    method: str
    theta: float | None = None
    theta_se: float | None = None


@dataclass(frozen=True)
class Design:
    """Checked columns of a model: x (n, p) with the intercept, y (n,), offset (n,), weights (n,)."""

    names: tuple[str, ...]
    x: Floats
    y: Floats
    offset: Floats
    weights: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Found:
    """Where the Newton loop ended: beta (p,), the means (n,), and the inverse information (p, p)."""

    beta: Floats
    mean: Floats
    bread: Floats


def design(
    y: Floats,
    x: npt.ArrayLike,
    names: Sequence[str] | None,
    offset: npt.ArrayLike | None,
    weights: npt.ArrayLike | None,
) -> Design:
    """The columns, checked, with an intercept in front.

    Raises `CannotEstimate`: NO_EVENTS_TO_MODEL, CONSTANT, DEPENDENT, TOO_MANY_TERMS, LENGTHS_DIFFER,
    NOT_A_NUMBER, BAD_WEIGHTS.
    """
    covariates = matrix(x, len(y))
    called = tuple(names) if names is not None else tuple(f"x{k + 1}" for k in range(covariates.shape[1]))
    if len(called) != covariates.shape[1]:
        raise CannotEstimate(LENGTHS_DIFFER, variable="names")
    if not y.any():
        raise CannotEstimate(NO_EVENTS_TO_MODEL)
    if covariates.shape[1] + 1 >= len(y):
        raise CannotEstimate(TOO_MANY_TERMS)
    scale = _spread_of(covariates, called)
    counted = case_weights(weights, len(y))
    return Design(
        names=("(Intercept)", *called),
        x=np.column_stack([np.ones(len(y)), covariates]),
        y=y,
        offset=np.zeros(len(y)) if offset is None else numbers(offset, "offset", len(y)),
        weights=np.ones(len(y)) if counted is None else counted,
        scale=np.concatenate([[1.0], scale]),
    )


def _spread_of(x: Floats, names: tuple[str, ...]) -> Floats:
    """The standard deviations; refuses, by name, a column that is constant or follows from those before it."""
    spread = x.std(axis=0)
    for column, name in enumerate(names):
        if spread[column] <= 1e-12 * max(1.0, float(np.abs(x[:, column]).max())):
            raise CannotEstimate(CONSTANT, variable=name)
    if names:
        # In a QR factor the diagonal is what each column adds beyond the ones before it.
        added = np.abs(np.diag(np.linalg.qr((x - x.mean(axis=0)) / spread, mode="r")))
        for column, name in enumerate(names):
            if added[column] < _DEPENDENT * np.sqrt(len(x)):
                raise CannotEstimate(DEPENDENT, variable=name)
    return np.asarray(spread)


def newton(
    rows: Design,
    start: Floats,
    variance: Callable[[Floats], Floats],
    loglik: Callable[[Floats], float],
    failure: Reason = NO_FINITE_FIT,
) -> Found:
    """Fisher scoring from `start` (p,): the variance of y given its mean, and the log-likelihood of the means.

    A step that lowers the likelihood, or leaves its domain (-inf), is halved. Raises `failure` where it does
    not settle.
    """
    beta = start
    mean = _means(rows, beta)
    reached = loglik(mean)
    for _ in range(_STEPS):
        slope = rows.weights * mean / variance(mean)
        score = rows.x.T @ (slope * (rows.y - mean))
        bread = _inverse((rows.x * (slope * mean)[:, None]).T @ rows.x, failure)
        step = bread @ score
        length = float(np.abs(step * rows.scale).max())
        if not np.isfinite(length):
            raise CannotEstimate(failure)
        if length < _CONVERGED:
            return Found(beta, mean, bread)
        shrink = 1.0
        while True:
            candidate = _means(rows, beta + shrink * step)
            value = loglik(candidate)
            if value >= reached - 1e-10 * (1.0 + abs(reached)):
                break
            shrink /= 2.0
            if shrink < _SHORTEST:
                raise CannotEstimate(failure)
        beta, mean, reached = beta + shrink * step, candidate, value
        if length < 1e-7 and shrink == 1.0:
            # Quadratic convergence: after such a step what is left is below what can be represented.
            slope = rows.weights * mean / variance(mean)
            return Found(beta, mean, _inverse((rows.x * (slope * mean)[:, None]).T @ rows.x, failure))
    raise CannotEstimate(failure)


def first_guess(rows: Design) -> Floats:
    """All effects zero, the intercept at the overall mean."""
    beta = np.zeros(rows.x.shape[1])
    top = rows.offset.max()
    at_zero = (rows.weights * np.exp(rows.offset - top)).sum()
    beta[0] = np.log((rows.weights * rows.y).sum() / at_zero) - top
    return beta


def summary(
    rows: Design,
    found: Found,
    scores: Floats,
    *,
    covariance: Covariance,
    cluster: Sequence[Hashable] | npt.ArrayLike | None,
    cadjust: bool,
    loglik: float,
    deviance: float,
    conf_level: float,
    method: str,
    theta: tuple[float, float] | None = None,
) -> LogLinkFit:
    """The fit with its covariance. scores (n,): each row's score is scores times its covariates.

    "HC0": the sandwich; "HC1": times n/(n - p), for clusters (n - 1)/(n - p). `cadjust` multiplies by g/(g - 1)
    for g clusters, as vcovCL(cadjust = TRUE). Raises NO_ROBUST_ERROR where a robust error is 0.
    """
    kind = chosen(covariance, COVARIANCES, "covariance")
    n, terms = rows.x.shape
    matrix_of, clusters, how = found.bread, None, "model-based errors"
    if kind != "model" or cluster is not None:
        influence = (rows.x * scores[:, None]) @ found.bread
        factor, how = (n / (n - terms) if kind == "HC1" else 1.0), f"robust errors ({kind})"
        if cluster is not None:
            groups = labels(cluster, "cluster", n)
            clusters = len(groups)
            if clusters <= terms:
                raise CannotEstimate(TOO_MANY_TERMS)
            influence = _summed(influence, groups.codes, clusters)
            factor = (n - 1) / (n - terms) if kind == "HC1" else 1.0
            factor *= clusters / (clusters - 1) if cadjust else 1.0
            how = f"cluster-robust errors ({'HC0' if kind == 'model' else kind}{', cadjust' if cadjust else ''})"
        matrix_of = factor * influence.T @ influence
    se = _errors(rows, found, matrix_of)
    z = np.divide(found.beta, se, out=np.zeros(terms), where=se > 0)
    half = z_of((1.0 - share(conf_level, "conf_level")) / 2.0) * se
    with np.errstate(over="ignore"):
        ratio, lower, upper = (np.exp(end) for end in (found.beta, found.beta - half, found.beta + half))
    return LogLinkFit(
        names=rows.names, coef=found.beta, se=se, covariance=matrix_of, ratio=ratio, lower=lower, upper=upper,
        z=z, p=np.array([normal_p(float(one), "two-sided") for one in z]), loglik=loglik, deviance=deviance,
        n=n, events=float(rows.y.sum()), clusters=clusters, conf_level=conf_level, method=f"{method}, {how}",
        theta=theta[0] if theta else None, theta_se=theta[1] if theta else None,
    )  # fmt: skip


def _errors(rows: Design, found: Found, covariance: Floats) -> Floats:
    """Roots of the variances (p,). One of rounding is refused by name, for there is no z and no p.

    Not so that of an intercept of 0 beside terms that have errors: all of the reference group had the event, its
    risk is 1, and 0 is what R's sandwich gives up to rounding.
    """
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if covariance is found.bread:  # model-based: those of a perfect fit are not 0
        return np.asarray(se)
    # Robust errors do not know the size of the weights, model-based ones do.
    flat = se <= _ROUNDING * np.sqrt(np.diag(found.bread) * rows.weights.mean())
    if flat[1:].any() or (flat[0] and (len(flat) == 1 or abs(found.beta[0]) > _ROUNDING)):
        raise CannotEstimate(
            NO_ROBUST_ERROR,
            variable=", ".join(name for name, is_flat in zip(rows.names, flat, strict=True) if is_flat),
        )
    return np.where(flat, 0.0, se)


def _means(rows: Design, beta: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(rows.x @ beta + rows.offset))


def _inverse(information: Floats, failure: Reason) -> Floats:
    # Scaled to a unit diagonal, so that a covariate in days and one in years are equally far from singular.
    diagonal = np.sqrt(np.diag(information))
    if not np.isfinite(diagonal).all() or (diagonal <= 0).any():
        raise CannotEstimate(failure)
    try:
        inverse = np.linalg.inv(information / np.outer(diagonal, diagonal))
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(failure) from singular
    return np.asarray(inverse / np.outer(diagonal, diagonal))


def _summed(rows: Floats, codes: Ints, groups: int) -> Floats:
    return np.column_stack([np.bincount(codes, weights=column, minlength=groups) for column in rows.T])
