"""Accelerated failure time models: log t = x beta + scale * error, by maximum likelihood, as R's `survreg`.

The error is of the smallest-extreme-value kind (Weibull; exponential with scale 1), normal (log-normal) or logistic
(log-logistic). A coefficient is a log time ratio: exp(0.41) = 1.5 times as long. Newton's method with exact second
derivatives; lifelines stops at differences of 1e-6 to 1e-2 from R here, so it serves as cross-check only.

Sources: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data (2002), 3.6; the manual pages `survreg`,
`survreg.distributions`, `predict.survreg` of R's survival 3.5; delayed entry: the same, 3.2 (conditional likelihood).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    CONSTANT,
    DEPENDENT,
    NO_EVENTS,
    TOO_MANY_TERMS,
    CannotEstimate,
    Reason,
)
from studies.statistics import Floats, Ints
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import FollowUp, cluster_labels, follow_up, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.survival.chi_squares import ChiSquare, chi_square
from studies.statistics.survival.curve_limits import check_conf
from studies.statistics.survival.risk_sets import sums_by

NO_TIME = Reason(
    "no_time",
    "参数模型要求随访时间大于 0；有的行时间为 0。",
    "A parametric model needs follow-up times above 0; some rows have 0.",
)
AFT_NOT_CONVERGED = Reason(
    "aft_not_converged",
    "{distribution} 模型未收敛。",
    "The {distribution} model did not converge.",
)
INTERCEPT, LOG_SCALE = "(Intercept)", "Log(scale)"
_STEPS = 100
_SETTLED = 1e-12


@dataclass(frozen=True)
class AftFit:
    """A fitted model. names, coef (q,) start with the intercept. covariance (r, r) also has, last, the log of the
    scale where that was estimated (not for the exponential). loglik is that of the times, not of their logarithms;
    loglik0 is of the model with the intercept (and scale) only; lrt compares the two. df is r.
    """

    distribution: str
    names: tuple[str, ...]
    coef: Floats
    scale: float
    covariance: Floats
    naive_covariance: Floats
    robust: bool
    loglik: float
    loglik0: float
    lrt: ChiSquare | None
    df: int
    aic: float
    bic: float
    n: int
    events: int
    iterations: int
    method: str

    @property
    def se(self) -> Floats:
        """(r,) standard errors: of coef, and last of log scale."""
        return np.sqrt(np.diag(self.covariance))

    @checked
    def time_ratio(self, column: int, conf_level: float = CI_LEVEL) -> Estimate:
        """exp(coef) of a column (0 is the intercept) with Wald limits and p."""
        check_conf("log", conf_level)
        return wald(float(self.coef[column]), float(self.se[column]), conf_level, scale="log")

    @checked
    def quantile(
        self, x: npt.ArrayLike, p: float = 0.5, conf_level: float = CI_LEVEL
    ) -> tuple[Estimate, ...]:
        """The time by which a share p has had the event, for each of m people x (m, q - 1). `se` and the interval are
        of its logarithm (R's predict type "uquantile"). Raises `CannotEstimate(BAD_ARGUMENT)` for p outside (0, 1)."""
        check_conf("log", conf_level)
        if not 0 < p < 1:
            raise CannotEstimate(BAD_ARGUMENT, argument="p", allowed="(0, 1)")
        design = self._design(x)
        at = ERRORS[self.distribution].quantile(p)
        slopes = (
            design
            if self.df == len(self.coef)
            else np.column_stack([design, np.full(len(design), at * self.scale)])
        )
        se = np.sqrt(np.einsum("ij,jk,ik->i", slopes, self.covariance, slopes))
        middle = design @ self.coef + at * self.scale
        return tuple(
            wald(float(m), float(s), conf_level, scale="log") for m, s in zip(middle, se, strict=True)
        )

    @checked
    def survival(
        self, x: npt.ArrayLike, times: npt.ArrayLike, conf_level: float = CI_LEVEL
    ) -> tuple[Floats, Floats, Floats]:
        """S(t) with limits, each (t, m), for m people at times (t,) above 0. Delta method on log(-log S)."""
        check_conf("log", conf_level)
        design = self._design(x)
        at = numbers(np.atleast_1d(np.asarray(times, dtype=float)), "times")
        if (at <= 0).any():
            raise CannotEstimate(NO_TIME)
        z = (np.log(at)[:, None] - design @ self.coef) / self.scale
        value, first, _ = ERRORS[self.distribution].log_survival(z)
        # d log(-log S) = (d log S / dz) / log S * dz
        factor = first / value
        slopes = -design[None, :, :] / self.scale
        if self.df > len(self.coef):
            slopes = np.concatenate(
                [np.broadcast_to(slopes, (*z.shape, design.shape[1])), -z[:, :, None]], axis=2
            )
        slopes = slopes * factor[:, :, None]
        se = np.sqrt(np.einsum("tmi,ij,tmj->tm", slopes, self.covariance, slopes))
        width = normal_quantile(conf_level) * se
        return np.exp(value), np.exp(value * np.exp(width)), np.exp(value * np.exp(-width))

    def _design(self, x: npt.ArrayLike) -> Floats:
        rows = matrix(x)
        if rows.shape[1] != len(self.coef) - 1:
            raise CannotEstimate(BAD_ARGUMENT, argument="x", allowed=f"(m, {len(self.coef) - 1})")
        return np.column_stack([np.ones(len(rows)), rows])


Derivatives = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class _Error:
    """log f and log S of the standardised error, each with two derivatives, and the quantile."""

    log_density: Callable[[Floats], Derivatives]
    log_survival: Callable[[Floats], Derivatives]
    quantile: Callable[[float], float]


@checked
def fit_aft(
    x: npt.ArrayLike | None,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    distribution: str = "weibull",
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    robust: bool | None = None,
    names: Sequence[str] | None = None,
) -> AftFit:
    """Fit to n rows: x (n, p) without the intercept, or None; time (n,) above 0; the rest as `cox.fit_cox`.

    distribution -- "weibull", "exponential", "lognormal", "loglogistic". robust -- None: where there is a cluster
    (survreg's rule). Raises `CannotEstimate` for bad columns, a time of 0, no events, a constant or dependent column,
    as many terms as events, and no convergence.
    """
    if distribution not in ERRORS:
        raise CannotEstimate(BAD_ARGUMENT, argument="distribution", allowed=", ".join(ERRORS))
    rows = follow_up(time, event, entry=entry, weights=weights)
    if (rows.time <= 0).any():
        raise CannotEstimate(NO_TIME)
    if not rows.event.any():
        raise CannotEstimate(NO_EVENTS)
    table = np.empty((len(rows), 0)) if x is None else matrix(x, len(rows))
    given = tuple(f"x{at + 1}" for at in range(table.shape[1])) if names is None else tuple(names)
    if len(given) != table.shape[1] or len(set(given)) != len(given):
        raise CannotEstimate(BAD_ARGUMENT, argument="names", allowed=f"{table.shape[1]}")
    if table.shape[1] + 2 > int(rows.event.sum()) and table.shape[1]:
        raise CannotEstimate(TOO_MANY_TERMS)
    design, back = _standardised(table, given)
    groups = None if cluster is None else cluster_labels(cluster, len(rows))
    likelihood = _AftLikelihood(design, rows, distribution)
    theta, iterations = likelihood.maximum()
    null = _AftLikelihood(design[:, :1], rows, distribution)
    loglik, by_row, information = likelihood.at(theta)
    loglik0 = null.at(null.maximum()[0])[0] if table.shape[1] else loglik
    transform = np.eye(len(theta))
    transform[: len(back), : len(back)] = back
    naive = transform @ np.linalg.inv(information) @ transform.T
    sandwiched = groups is not None if robust is None else robust
    covariance = naive
    if sandwiched:
        sums = by_row if groups is None else sums_by(groups.codes, by_row.T, len(groups)).T
        influence = sums @ np.linalg.inv(information) @ transform.T
        covariance = influence.T @ influence
    events, q, r = int(rows.event.sum()), design.shape[1], len(theta)
    return AftFit(
        distribution=distribution,
        names=(INTERCEPT, *given),
        coef=back @ theta[:q],
        scale=float(np.exp(theta[q])) if r > q else 1.0,
        covariance=covariance,
        naive_covariance=naive,
        robust=sandwiched,
        loglik=loglik,
        loglik0=loglik0,
        lrt=chi_square(2.0 * (loglik - loglik0), table.shape[1]) if table.shape[1] else None,
        df=r,
        aic=2.0 * r - 2.0 * loglik,
        bic=float(r * np.log(len(rows)) - 2.0 * loglik),
        n=len(rows),
        events=events,
        iterations=iterations,
        method=f"accelerated failure time model, {distribution}"
        + ("; robust variance" if sandwiched else ""),
    )


class _AftLikelihood:
    """theta (r,) is beta, then log scale unless the distribution is exponential."""

    def __init__(self, design: Floats, rows: FollowUp, distribution: str) -> None:
        self._design, self._rows, self._distribution = design, rows, distribution
        self._error = ERRORS[distribution]
        self._log_time = np.log(rows.time)
        self._weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        self._late = None if rows.entry is None else np.flatnonzero(rows.entry > 0)
        self._fixed = distribution == "exponential"

    def at(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """The log-likelihood, each row's weighted score (n, r), and the information (r, r)."""
        q = self._design.shape[1]
        log_scale = 0.0 if self._fixed else float(theta[q])
        event, w = self._rows.event, self._weights
        with np.errstate(all="ignore"):
            scale = np.exp(log_scale)
            z = (self._log_time - self._design @ theta[:q]) / scale
            died, lived = self._error.log_density(z), self._error.log_survival(z)
            value, first, second = (
                np.where(event, one, other) for one, other in zip(died, lived, strict=True)
            )
            # The density of the time: that of its logarithm over the time.
            value = value - np.where(event, log_scale + self._log_time, 0.0)
            total = float(w @ value)
            score, information = self._derivatives(
                z, first, second, scale, w, -event.astype(float), slice(None)
            )
            if self._late is not None and len(self._late):
                late = self._late
                came = np.asarray(self._rows.entry)[late]
                z0 = (np.log(came) - self._design[late] @ theta[:q]) / scale
                alive, slope, curve = self._error.log_survival(z0)
                total -= float(w[late] @ alive)
                part, less = self._derivatives(z0, slope, curve, scale, w[late], np.zeros(len(late)), late)
                score[late] -= part
                information = information - less
        return total, score, information

    def maximum(self) -> tuple[Floats, int]:
        """Newton's method, halved where the likelihood falls; where the information is not positive, its diagonal is
        raised until it is."""
        theta = self._start()
        best = self.at(theta)
        for iteration in range(1, _STEPS + 1):
            gradient, information = best[1].sum(axis=0), best[2]
            step = self._step(information, gradient)
            for _ in range(40):
                tried = self.at(theta + step)
                if np.isfinite(tried[0]) and tried[0] >= best[0] - 1e-12 * abs(best[0]):
                    break
                step = step / 2.0
            else:
                break
            theta, best = theta + step, tried
            if np.abs(step).max() < _SETTLED or abs(float(step @ gradient)) < 1e-22 * abs(best[0]):
                if np.isfinite(theta).all() and np.linalg.cond(best[2]) < 1e14:
                    return theta, iteration
                break
        raise CannotEstimate(AFT_NOT_CONVERGED, distribution=self._distribution)

    def _derivatives(
        self,
        z: Floats,
        first: Floats,
        second: Floats,
        scale: float,
        w: Floats,
        own: Floats,
        rows: Ints | slice,
    ) -> tuple[Floats, Floats]:
        x = self._design[rows]
        score = -(w * first / scale)[:, None] * x
        information = -(x * (w * second / scale**2)[:, None]).T @ x
        if self._fixed:
            return score, information
        by_scale = w * (own - z * first)
        crossed = -x.T @ (w * (second * z + first) / scale)
        last = -float(w @ (z * first + z**2 * second))
        information = np.block([[information, crossed[:, None]], [crossed[None, :], np.array([[last]])]])
        return np.column_stack([score, by_scale]), information

    def _start(self) -> Floats:
        """Least squares of log time, censored times as they are."""
        root = np.sqrt(self._weights)
        beta = np.linalg.lstsq(self._design * root[:, None], self._log_time * root, rcond=None)[0]
        if self._fixed:
            return np.asarray(beta)
        left = self._log_time - self._design @ beta
        return np.append(beta, np.log(max(float(left.std()), 1e-3)))

    def _step(self, information: Floats, gradient: Floats) -> Floats:
        size = np.abs(np.diag(information)).max()
        for raised in (0.0, *np.logspace(-6, 3, 10)):
            try:
                np.linalg.cholesky(information + raised * size * np.eye(len(gradient)))
            except np.linalg.LinAlgError:
                continue
            return np.asarray(np.linalg.solve(information + raised * size * np.eye(len(gradient)), gradient))
        raise CannotEstimate(AFT_NOT_CONVERGED, distribution=self._distribution)


def _standardised(table: Floats, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """The design with intercept and standardised columns, and the matrix that takes its coefficients back."""
    p = table.shape[1]
    center, spread = table.mean(axis=0), table.std(axis=0)
    for name, size, largest in zip(names, spread, np.abs(table).max(axis=0, initial=0.0), strict=True):
        if size <= 1e-12 * max(largest, 1e-300):
            raise CannotEstimate(CONSTANT, variable=name)
    scaled = (table - center) / spread
    pivots = np.abs(np.diag(np.linalg.qr(scaled, mode="r"))) if p else np.empty(0)
    for at, name in enumerate(names):
        if at >= len(pivots) or pivots[at] < 1e-9 * np.sqrt(len(table)):
            raise CannotEstimate(DEPENDENT, variable=name)
    back = np.zeros((p + 1, p + 1))
    back[0, 0] = 1.0
    back[0, 1:] = -center / spread
    back[1:, 1:] = np.diag(1.0 / spread)
    return np.column_stack([np.ones(len(table)), scaled]), back


def _extreme_density(z: Floats) -> Derivatives:
    e = np.exp(z)
    return z - e, 1.0 - e, -e


def _extreme_survival(z: Floats) -> Derivatives:
    e = np.exp(z)
    return -e, -e, -e


def _normal_density(z: Floats) -> Derivatives:
    return -0.5 * z**2 - 0.5 * np.log(2.0 * np.pi), -z, -np.ones_like(z)


def _normal_survival(z: Floats) -> Derivatives:
    from scipy.special import log_ndtr

    value = np.asarray(log_ndtr(-z))
    hazard = np.exp(-0.5 * z**2 - 0.5 * np.log(2.0 * np.pi) - value)
    return value, -hazard, -hazard * (hazard - z)


def _logistic_density(z: Floats) -> Derivatives:
    p = 1.0 / (1.0 + np.exp(-z))
    return z - 2.0 * np.logaddexp(0.0, z), 1.0 - 2.0 * p, -2.0 * p * (1.0 - p)


def _logistic_survival(z: Floats) -> Derivatives:
    p = 1.0 / (1.0 + np.exp(-z))
    return -np.logaddexp(0.0, z), -p, -p * (1.0 - p)


def _normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


def _extreme_quantile(p: float) -> float:
    return float(np.log(-np.log1p(-p)))


ERRORS = {
    "weibull": _Error(_extreme_density, _extreme_survival, _extreme_quantile),
    "exponential": _Error(_extreme_density, _extreme_survival, _extreme_quantile),
    "lognormal": _Error(_normal_density, _normal_survival, _normal_quantile),
    "loglogistic": _Error(_logistic_density, _logistic_survival, lambda p: float(np.log(p / (1.0 - p)))),
}
