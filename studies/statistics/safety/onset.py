"""Time from the start of exposure to an adverse event, among those who had it.

The shape of a Weibull distribution says when the hazard is highest (Sauzet et al. 2013, Drug Saf 36:995;
Cornelius et al. 2012, Drug Saf 35:599): below 1 it falls (early), around 1 it is constant, above 1 it
rises (late). Reports that are collected up to a date show only onsets before it: each time is truncated
on the right, and a fit that ignores this takes long times for rare. With `truncation` the likelihood is
f(t)/F(truncation) (Leroy et al. 2014, BMC Med Res Methodol 14:17). Among cases only, nothing is said about
how many exposed people will have the event: that is the cumulative incidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CONSTANT, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.economics.quantiles import Quantile, quantiles
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import amounts, between, one_of

NO_WEIBULL = Reason(
    "no_weibull",
    "韦布尔分布的似然函数没有有限的最大值（各时间几乎相等，或右截断下数据不足以确定尺度）。",
    "The Weibull likelihood has no finite maximum: the times are almost equal, or, being truncated, they do not "
    "fix its scale.",
)
Pattern = Literal["early", "constant", "late"]
_STEPS = 200
_CONVERGED = 1e-8


@dataclass(frozen=True)
class Onset:
    """`quantiles` are the quartiles; `lowest`, `highest` the extremes; in the units of the times given."""

    n: int
    lowest: float
    quantiles: tuple[Quantile, ...]
    highest: float
    method: str


@dataclass(frozen=True)
class WeibullShape:
    """`shape` and `scale` with Wald limits on the log scale; shape's p tests a constant hazard (shape = 1).

    `pattern`: "early" where the whole interval of the shape is below 1, "late" where it is above.
    """

    n: int
    shape: Estimate
    scale: Estimate
    loglik: float
    pattern: Pattern
    truncated: bool
    method: str


@checked
def time_to_onset(days: npt.ArrayLike, *, conf_level: float = CI_LEVEL) -> Onset:
    """Quartiles (type 7) with exact limits of the times to onset days (n,), each >= 0.

    Raises `CannotEstimate` for empty, negative or not finite times.
    """
    column = amounts(days, "days")
    return Onset(
        n=len(column),
        lowest=float(column.min()),
        quantiles=quantiles(column, conf_level=conf_level),
        highest=float(column.max()),
        method="quartiles of the time to onset among cases; limits by order statistics",
    )


@checked
def weibull_shape(
    days: npt.ArrayLike,
    *,
    truncation: npt.ArrayLike | None = None,
    zero: str = "refuse",
    conf_level: float = CI_LEVEL,
) -> WeibullShape:
    """The Weibull shape of the times to onset, by maximum likelihood with the observed information.

    days (n,) > 0; truncation (n,) the time from each case's start of exposure to the end of collection, or
    None where collection did not cut times off. zero: what becomes of onset on day 0, for which a Weibull
    has no density: "refuse" or "half" (half a day). Without truncation it equals
    `survreg(Surv(days) ~ 1, dist = "weibull")`, shape = 1/scale.
    Raises `CannotEstimate` for fewer than three or constant times, a time after its truncation, and a
    likelihood without a maximum.
    """
    one_of(zero, "zero", ("refuse", "half"))
    between(conf_level, "conf_level", 0, 1)
    column = amounts(days, "days", above_zero=zero == "refuse")
    column = np.where(column == 0, 0.5, column)
    until = None if truncation is None else _truncation(truncation, column)
    if len(column) < 3:
        raise CannotEstimate(TOO_MANY_TERMS)
    if np.ptp(column) == 0:
        raise CannotEstimate(CONSTANT, variable="days")
    place, covariance, loglik = _maximum(np.log(column), None if until is None else np.log(until))
    scale = wald(float(place[0]), float(np.sqrt(covariance[0, 0])), conf_level, "log")
    shape = wald(float(place[1]), float(np.sqrt(covariance[1, 1])), conf_level, "log")
    assert shape.lower is not None and shape.upper is not None  # noqa: S101 - Wald limits are always given
    pattern: Pattern = "early" if shape.upper < 1 else "late" if shape.lower > 1 else "constant"
    how = "right truncation accounted for" if until is not None else "no truncation assumed"
    return WeibullShape(
        n=len(column),
        shape=shape,
        scale=scale,
        loglik=loglik,
        pattern=pattern,
        truncated=until is not None,
        method=f"Weibull by maximum likelihood, {how}; Wald limits on the log scale",
    )


def _truncation(truncation: npt.ArrayLike, days: Floats) -> Floats:
    until = numbers(truncation, "truncation", len(days))
    if (until < days).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="truncation", allowed=">= days")
    return until


def _maximum(log_time: Floats, log_until: Floats | None) -> tuple[Floats, Floats, float]:
    """Newton's method in (log scale, log shape), damped where the surface is not concave."""
    shape = 1.2 / float(log_time.std())
    place = np.array([float(log_time.mean()) + 0.5772 / shape, np.log(shape)])
    value, slope, curve = _likelihood(place, log_time, log_until)
    damping = 0.0
    for _ in range(_STEPS):
        try:
            step = np.linalg.solve(-curve + damping * np.eye(2), slope)
            rises = float(step @ slope) >= 0 and np.abs(step).max() < 5
        except np.linalg.LinAlgError:
            rises = False
        if rises and damping == 0.0 and np.abs(step).max() < _CONVERGED:
            # The next error is the square of this step: below what the likelihood itself can resolve.
            eigen = np.linalg.eigvalsh(-curve)
            if eigen[0] <= 1e-9 * eigen[1]:
                break
            value, _, curve = _likelihood(place + step, log_time, log_until)
            return place + step, np.asarray(np.linalg.inv(-curve), dtype=np.float64), value
        trial = _likelihood(place + step, log_time, log_until) if rises else None
        if trial is None or not trial[0] >= value - 1e-12 * abs(value):
            damping = max(2.0 * damping, 1e-3 * float(np.abs(curve).max()))
            if damping > 1e12:
                break
            continue
        place, (value, slope, curve) = place + step, trial
        damping = damping / 10.0 if damping > 1e-8 * float(np.abs(curve).max()) else 0.0
        if abs(place[0] - log_time.max()) > 30:
            break
    raise CannotEstimate(NO_WEIBULL)


def _likelihood(place: Floats, log_time: Floats, log_until: Floats | None) -> tuple[float, Floats, Floats]:
    """Log-likelihood, its gradient and Hessian in (log scale, log shape).

    All terms depend on u = exp(L), L = shape (log t - log scale), with dL = (-shape, L), d2L = (0, -shape; L).
    """
    k = float(np.exp(place[1]))
    level = k * (log_time - place[0])
    with np.errstate(over="ignore"):
        u = np.exp(level)
    value = float((place[1] - log_time + level - u).sum())
    slope, curve = _chain(level, 1.0 - u, -u, k)
    slope[1] += len(log_time)
    if log_until is not None:
        top = k * (log_until - place[0])
        w = np.exp(np.minimum(top, 700.0))
        inner = np.where(w > 1e-12, w / np.expm1(np.minimum(w, 700.0)), 1.0 - w / 2)
        # d/dL of w/(e^w - 1); for small w it is -w/2.
        bend = np.where(w > 1e-4, inner * (1.0 - inner - w), -w / 2.0 + w * w / 6.0)
        value -= float(np.log(-np.expm1(-w)).sum())
        extra = _chain(top, inner, bend, k)
        slope, curve = slope - extra[0], curve - extra[1]
    return value, slope, curve


def _chain(level: Floats, first: Floats, second: Floats, k: float) -> tuple[Floats, Floats]:
    """Sums of g'(L) dL and of g''(L) dL dL' + g'(L) d2L."""
    slope = np.array([-k * first.sum(), (first * level).sum()])
    cross = float((-k * (second * level + first)).sum())
    curve = np.array(
        [[k * k * second.sum(), cross], [cross, float((second * level**2 + first * level).sum())]]
    )
    return slope, curve
