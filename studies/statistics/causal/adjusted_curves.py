"""Weighted Kaplan-Meier curves of two arms, their difference, and bands that hold over a whole range.

Cole & Hernán (2004), Xie & Liu (2005). A pointwise interval says nothing about the curve as a whole:
the simultaneous bands here come from the distribution of the largest deviation, drawn by multiplying each
person's influence by a standard normal (Lin, Fleming & Wei 1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS_IN_ARM, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.designs import check_option
from studies.statistics.causal.propensity import both_arms, propensity_score
from studies.statistics.causal.weighted_means import ESTIMATED, KNOWN, checked_weights, score_correction
from studies.statistics.causal.weights import Estimand
from studies.statistics.causal.weights import weights as score_weights
from studies.statistics.inputs import FollowUp, follow_up, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.survival.curve_limits import ConfType, check_conf, limits

_MOST_CELLS = 100_000_000  # subjects times points of the curve that are held in memory at once


@dataclass(frozen=True)
class AdjustedCurve:
    """One arm at the common times (k,): survival, its error, pointwise limits."""

    surv: Floats
    std_err: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class AdjustedCurves:
    """Both arms and treated minus comparator, at the `times` asked for or every event time of either arm

    up to the shorter follow-up.

    `time` (k,); `difference`, `se_difference` and its plain limits (k,). `influence` (n, k, 2) holds each
    subject's share in the two curves; its squares sum to the variances.
    """

    time: Floats
    treated: AdjustedCurve
    comparator: AdjustedCurve
    difference: Floats
    se_difference: Floats
    lower_difference: Floats
    upper_difference: Floats
    influence: Floats
    first_event: tuple[float, float]
    last_event: tuple[float, float]
    conf_type: ConfType
    conf_level: float
    method: str


@dataclass(frozen=True)
class Band:
    """Limits that contain the whole curve between `start` and `end` with chance `conf_level`.

    `time` (k,) are the event times of the range, `critical` replaces the normal quantile.
    """

    time: Floats
    lower: Floats
    upper: Floats
    start: float
    end: float
    critical: float
    kind: str
    draws: int
    seed: int
    conf_level: float
    method: str


@checked
def weighted_curves(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    times: npt.ArrayLike | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = CI_LEVEL,
) -> AdjustedCurves:
    """Curves under weights (n,) >= 0 taken as known; time, event, treated (n,).

    The errors are R's survfit(weights=, robust=TRUE): the infinitesimal jackknife. Raises `CannotEstimate`:
    bad numbers, an arm that is empty, has no weight, or no events.
    """
    rows = follow_up(time, event)
    arms = both_arms(treated, len(rows))
    w = checked_weights(weights, arms)
    at = _common_times(rows, arms, w, times)
    surv, unit = _both(rows, arms, w, at)
    return _made(rows, arms, at, surv, unit * w[:, None, None], conf_type, conf_level, KNOWN)


@checked
def iptw_curves(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    truncate: tuple[float, float] | None = None,
    times: npt.ArrayLike | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = CI_LEVEL,
) -> AdjustedCurves:
    """Curves weighted by a logistic score fitted here on x (n, p), with errors that know it was estimated.

    Stacked estimating equations as in `weighted_means.ipw_means`. Raises as `weighted_curves` and
    `propensity_score`.
    """
    rows = follow_up(time, event)
    ps = propensity_score(treated, x)
    made = score_weights(ps.score, treated, estimand=estimand, truncate=truncate)
    at = _common_times(rows, ps.treated, made.weights, times)
    surv, unit = _both(rows, ps.treated, made.weights, at)
    flat = unit.reshape(len(rows), -1)
    moved = score_correction(flat, made.derivative, ps.treated, x).reshape(unit.shape)
    influence = unit * made.weights[:, None, None] + moved
    method = f"{made.method}; {ESTIMATED}"
    return _made(rows, ps.treated, at, surv, influence, conf_type, conf_level, method)


@checked
def simultaneous_band(
    curves: AdjustedCurves,
    of: Literal["treated", "comparator", "difference"],
    *,
    kind: Literal["equal-precision", "hall-wellner"] = "equal-precision",
    start: float | None = None,
    end: float | None = None,
    draws: int = 2000,
    seed: int,
) -> Band:
    """A band over [start, end] (default: the 10th to the 90th percentile of the event times shown).

    "equal-precision" is proportional to the pointwise error (Nair 1984); "hall-wellner" to
    S (1 + n v)/sqrt(n) with v the variance of log S (Hall & Wellner 1980), for an arm only. The critical
    value is the quantile of the largest multiplied deviation over `draws`. The transformation is that of
    `curves.conf_type` for an arm, plain for the difference. Raises `CannotEstimate` for a range without
    variance and unknown options.
    """
    check_option(of, ("treated", "comparator", "difference"), "of")
    check_option(
        kind, ("equal-precision", "hall-wellner") if of != "difference" else ("equal-precision",), "kind"
    )
    low = float(np.quantile(curves.time, 0.1)) if start is None else start
    high = float(np.quantile(curves.time, 0.9)) if end is None else end
    inside = (curves.time >= low) & (curves.time <= high)
    sides = {"treated": (1.0, 0.0), "comparator": (0.0, 1.0), "difference": (1.0, -1.0)}[of]
    influence = curves.influence[:, inside, 0] * sides[0] + curves.influence[:, inside, 1] * sides[1]
    arm = curves.treated if of == "treated" else curves.comparator
    value = curves.difference[inside] if of == "difference" else arm.surv[inside]
    error = np.sqrt((influence**2).sum(axis=0))
    if draws < 2 or not inside.any() or (error <= 0).any():
        raise CannotEstimate(
            BAD_ARGUMENT, argument="start, end, draws", allowed="a range in which the curve moves"
        )
    width = error
    if kind == "hall-wellner":
        n = float((influence != 0).any(axis=1).sum())
        width = value * (1.0 + n * (error / value) ** 2) / np.sqrt(n)
    critical = float(np.quantile(_largest(influence / width, draws, seed), curves.conf_level))
    stretched = width * critical / normal_quantile(curves.conf_level)
    conf_type: ConfType = "plain" if of == "difference" else curves.conf_type
    if of == "difference":
        lower, upper = value - critical * width, value + critical * width
    else:
        lower, upper = limits(value, stretched, conf_type, curves.conf_level)
    return Band(
        time=curves.time[inside],
        lower=lower,
        upper=upper,
        start=low,
        end=high,
        critical=critical,
        kind=kind,
        draws=draws,
        seed=seed,
        conf_level=curves.conf_level,
        method=f"{kind} band, {conf_type}, {draws} multiplier draws, seed {seed}; {curves.method}",
    )


def _largest(standardised: Floats, draws: int, seed: int) -> Floats:
    """The largest deviation of each of `draws` multiplied paths; 200 at a time, to bound the memory."""
    random = np.random.default_rng(seed)
    largest = np.empty(draws)
    for block in range(0, draws, 200):
        size = min(200, draws - block)
        paths = random.standard_normal((size, len(standardised))) @ standardised
        largest[block : block + size] = np.abs(paths).max(axis=1)
    return largest


def _common_times(rows: FollowUp, arms: Bools, w: Floats, asked: npt.ArrayLike | None) -> Floats:
    used = w > 0
    last = min(float(rows.time[used & arms].max()), float(rows.time[used & ~arms].max()))
    for arm, name in ((arms, "treated"), (~arms, "comparator")):
        if not (rows.event & arm & used).any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=name)
    if asked is None:
        times = np.unique(rows.time[rows.event & used])
        times = times[times <= last]
        if len(times) == 0:
            raise CannotEstimate(NOT_ESTIMABLE, statistic="adjusted curve")
    else:
        times = np.unique(numbers(asked, "times"))
        if times[0] < 0 or times[-1] > last:
            raise CannotEstimate(BAD_ARGUMENT, argument="times", allowed="0 to the shorter follow-up")
    if len(times) * len(rows) > _MOST_CELLS:
        raise CannotEstimate(
            BAD_ARGUMENT, argument="times", allowed=f"{_MOST_CELLS // len(rows)} times or fewer"
        )
    return times


def _both(rows: FollowUp, arms: Bools, w: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Survival (k, 2) and the derivative of each curve with respect to each weight (n, k, 2)."""
    surv = np.empty((len(times), 2))
    unit = np.zeros((len(rows), len(times), 2))
    for side, arm in enumerate((arms, ~arms)):
        surv[:, side], unit[arm, :, side] = _curve(rows.time[arm], rows.event[arm], w[arm], times)
    return surv, unit


def _curve(time: Floats, event: Bools, w: Floats, times: Floats) -> tuple[Floats, Floats]:
    own, place = np.unique(time, return_inverse=True)
    deaths = np.bincount(place, w * event)
    at_risk = np.cumsum(np.bincount(place, w)[::-1])[::-1]
    staying = at_risk - deaths
    some = staying > 1e-12 * at_risk[0]
    factor = np.where(some, 1.0 - deaths / np.maximum(at_risk, 1e-300), np.where(deaths > 0, 0.0, 1.0))
    product = np.concatenate([[1.0], np.cumprod(factor)])
    per = np.where(some, 1.0 / np.where(some, staying, 1.0), 0.0)
    cumulated = np.concatenate([[0.0], np.cumsum(deaths * per / np.maximum(at_risk, 1e-300))])
    upto = np.searchsorted(own, times, side="right")
    surv = product[upto]
    died = (event[:, None]) & (time[:, None] <= times)
    moved = died * per[place][:, None] - cumulated[np.minimum(place[:, None] + 1, upto)]
    return surv, -surv * moved


def _made(
    rows: FollowUp,
    arms: Bools,
    times: Floats,
    surv: Floats,
    influence: Floats,
    conf_type: ConfType,
    conf_level: float,
    how: str,
) -> AdjustedCurves:
    check_conf(conf_type, conf_level)
    drawn = []
    for side in (0, 1):
        error = np.sqrt((influence[:, :, side] ** 2).sum(axis=0))
        drawn.append(
            AdjustedCurve(surv[:, side], error, *limits(surv[:, side], error, conf_type, conf_level))
        )
    gap = surv[:, 0] - surv[:, 1]
    se = np.sqrt(((influence[:, :, 0] - influence[:, :, 1]) ** 2).sum(axis=0))
    z = normal_quantile(conf_level)
    spans = [rows.time[rows.event & arm] for arm in (arms, ~arms)]
    return AdjustedCurves(
        time=times,
        treated=drawn[0],
        comparator=drawn[1],
        difference=gap,
        se_difference=se,
        lower_difference=gap - z * se,
        upper_difference=gap + z * se,
        influence=influence,
        first_event=(float(spans[0].min()), float(spans[1].min())),
        last_event=(float(spans[0].max()), float(spans[1].max())),
        conf_type=conf_type,
        conf_level=conf_level,
        method=f"weighted Kaplan-Meier; {how}; {conf_type} limits",
    )
