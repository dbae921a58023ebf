"""Mean cost up to a horizon when some patients are lost before it: their costs are known only in part.

Leaving them out favours those who die early; counting what was seen takes too little. Each estimator here
weighs what is complete by the inverse chance of being still observed (Bang & Tsiatis 2000, Biometrika 87:329)
or joins the mean cost of each interval to survival (Lin et al. 1997, Biometrics 53:419). Costs must not
predict loss to follow-up given survival. Where a death and a loss share a day, the death came first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import follow_up, labels, matrix
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import amounts, between

HORIZON_TOO_FAR = Reason(
    "horizon_too_far",
    "没有受试者观察到该时间范围的终点，且尚有受试者存活：该范围内的平均费用不可估计。",
    "Nobody was observed up to the horizon while some were alive: the mean cost up to it is not identified.",
)


@dataclass(frozen=True)
class CensoredCost:
    """`mean` with Wald limits. `influence` (n,) sums to 0; its mean square over n is the (large-sample)
    variance. `complete` subjects died or were observed up to the horizon.
    """

    mean: Estimate
    influence: Floats
    n: int
    complete: int
    largest_weight: float
    horizon: float
    method: str


@dataclass(frozen=True)
class _Loss:
    """Kaplan-Meier of being still observed: distinct times of loss (k,), how many, at risk, and K before each."""

    times: Floats
    lost: Floats
    at_risk: Floats
    before: Floats
    last: float

    def observed_until(self, time: Floats) -> Floats:
        """K(t-): the chance of not being lost before t."""
        steps = np.append(self.before, self.last)
        return np.asarray(steps[np.searchsorted(self.times, time, side="left")])


@checked
def bang_tsiatis(
    cost: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    horizon: float,
    cluster: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> CensoredCost:
    """The simple weighted estimator: mean of complete costs / K(T-), over all n (Bang & Tsiatis 2000, 2.2).

    cost (n,) total up to min(time, horizon), time (n,), event (n,) 1 = died (costs ended), 0 = lost or still
    observed. Variance: (1/n)[mean of complete (cost - mean)^2 / K + (1/n) sum over losses of
    {G(cost^2, u) - G(cost, u)^2} / K^2] (their equation 5), G the weighted mean of those alive after u. With
    cluster (n,) (hospitals) it is the sum of squared sums of influences.
    Raises `CannotEstimate` for bad columns, fewer than two complete subjects, and a horizon nobody reached.
    """
    y, seen = amounts(cost, "cost"), follow_up(time, event)
    horizon = between(horizon, "horizon")
    if len(y) != len(seen):
        raise CannotEstimate(LENGTHS_DIFFER, variable="cost")
    until, complete = _complete(seen.time, seen.event, horizon)
    loss = _losses(seen.time, seen.event, horizon)
    weight = np.where(complete, 1.0 / loss.observed_until(until), 0.0)
    if complete.sum() < 2:
        raise CannotEstimate(TOO_MANY_TERMS)
    n, mean = len(y), float((weight * y).sum()) / len(y)
    influence = _influence(y, until, weight, loss, seen.time) - mean
    if cluster is None:
        first, second = (
            _mean_after(y, until, weight, loss.times),
            _mean_after(y**2, until, weight, loss.times),
        )
        spread = loss.lost * (second - first**2) / loss.before**2
        variance = (float((weight * (y - mean) ** 2).sum()) / n + float(spread.sum()) / n) / n
    else:
        variance = _clustered(influence, cluster)
    return CensoredCost(
        mean=wald(mean, math.sqrt(max(variance, 0.0)), conf_level),
        influence=influence,
        n=n,
        complete=int(complete.sum()),
        largest_weight=float(weight.max()),
        horizon=horizon,
        method="mean cost weighted by the inverse chance of being observed (Bang & Tsiatis, simple)"
        + (", variance over clusters" if cluster is not None else ""),
    )


@checked
def bang_tsiatis_partitioned(
    costs: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    edges: npt.ArrayLike,
    cluster: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> CensoredCost:
    """The partitioned estimator: the simple one in each interval, summed (Bang & Tsiatis 2000, 2.3).

    costs (n, k) in the intervals between edges (k + 1,), which begin at 0 and end at the horizon. A subject
    lost in the fourth interval still tells its first three, so it is more precise than the simple one. The
    variance is that of the summed influences. Raises `CannotEstimate` as `bang_tsiatis` does.
    """
    seen = follow_up(time, event)
    table, cuts = _costs_and_edges(costs, edges, len(seen))
    influence, mean, largest = np.zeros(len(seen)), 0.0, 0.0
    for k, end in enumerate(cuts[1:]):
        until, complete = _complete(seen.time, seen.event, float(end))
        loss = _losses(seen.time, seen.event, float(end))
        weight = np.where(complete, 1.0 / loss.observed_until(until), 0.0)
        mean += float((weight * table[:, k]).sum()) / len(seen)
        influence = influence + _influence(table[:, k], until, weight, loss, seen.time)
        largest = max(largest, float(weight.max()))
    influence = influence - mean
    if complete.sum() < 2:
        raise CannotEstimate(TOO_MANY_TERMS)
    variance = (
        float(influence @ influence) / len(seen) ** 2 if cluster is None else _clustered(influence, cluster)
    )
    return CensoredCost(
        mean=wald(mean, math.sqrt(variance), conf_level),
        influence=influence,
        n=len(seen),
        complete=int(complete.sum()),
        largest_weight=largest,
        horizon=float(cuts[-1]),
        method=f"mean cost weighted by the inverse chance of being observed, {len(cuts) - 1} intervals"
        " (Bang & Tsiatis, partitioned)" + (", variance over clusters" if cluster is not None else ""),
    )


@checked
def lin(
    costs: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    edges: npt.ArrayLike,
    cluster: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> CensoredCost:
    """Sum over intervals of S(start) x mean cost of those observed at the start (Lin et al. 1997, equation 1).

    costs (n, k), edges (k + 1,) from 0 to the horizon. It takes losses as happening at the edges: with losses
    inside, the mean is too low by about half an interval's loss (3 % with 7 % lost in each half-year). The
    variance is that of the influences of S (infinitesimal jackknife) and of the means. Raises `CannotEstimate`
    as `bang_tsiatis` does.
    """
    seen = follow_up(time, event)
    table, cuts = _costs_and_edges(costs, edges, len(seen))
    n = len(seen)
    times, deaths, at_risk = _deaths(seen.time, seen.event)
    survival = np.concatenate([[1.0], np.cumprod(1.0 - deaths / at_risk)])
    # The derivative of log S by a subject's weight; where everybody dies, S is 0 and the sum below has ended.
    left = np.maximum(at_risk - deaths, 1.0)
    compensator = np.concatenate([[0.0], np.cumsum(deaths * n / (at_risk * left))])
    own = np.where(seen.event, n / left[np.searchsorted(times, seen.time).clip(0, len(times) - 1)], 0.0)
    influence, mean = np.zeros(n), 0.0
    for k, start in enumerate(cuts[:-1]):
        there = seen.time > start if k else np.ones(n, bool)
        alive = float(survival[np.searchsorted(times, start, side="right")]) if k else 1.0
        if alive == 0.0:
            break
        if not there.any():
            raise CannotEstimate(HORIZON_TOO_FAR)
        each = float(table[there, k].mean())
        mean += alive * each
        died = np.where(seen.event & (seen.time <= start), own, 0.0)
        martingale = died - compensator[np.searchsorted(times, np.minimum(seen.time, start), side="right")]
        if k:
            influence -= alive * each * martingale
        influence += alive * there * (table[:, k] - each) / there.mean()
    variance = float(influence @ influence) / n**2 if cluster is None else _clustered(influence, cluster)
    complete = _complete(seen.time, seen.event, float(cuts[-1]))[1]
    return CensoredCost(
        mean=wald(mean, math.sqrt(variance), conf_level),
        influence=influence,
        n=n,
        complete=int(complete.sum()),
        largest_weight=1.0,
        horizon=float(cuts[-1]),
        method=f"survival times mean cost in {len(cuts) - 1} intervals (Lin et al.)"
        + (", variance over clusters" if cluster is not None else ""),
    )


@checked
def censored_cost_difference(
    one: CensoredCost, reference: CensoredCost, *, conf_level: float = CI_LEVEL
) -> Estimate:
    """one - reference for two groups of different people, up to the same horizon, with p.

    Raises `CannotEstimate` where the horizons differ or a standard error is missing.
    """
    if one.horizon != reference.horizon:
        raise CannotEstimate(BAD_ARGUMENT, argument="horizon", allowed=f"{one.horizon:g}")
    se = math.hypot(one.mean.se or 0.0, reference.mean.se or 0.0)
    return wald(one.mean.value - reference.mean.value, se, conf_level)


def _complete(time: Floats, event: Bools, horizon: float) -> tuple[Floats, Bools]:
    """Time up to the horizon, and who is complete: died before it or was observed up to it."""
    complete = (event & (time <= horizon)) | (time >= horizon)
    if not (complete & (time >= horizon)).any() and not event[time == time.max()].all():
        raise CannotEstimate(HORIZON_TOO_FAR)
    return np.minimum(time, horizon), complete


def _losses(time: Floats, event: Bools, horizon: float) -> _Loss:
    lost = ~event & (time < horizon)
    times, number = np.unique(time[lost], return_counts=True)
    ordered = np.sort(time)
    at_risk = len(time) - np.searchsorted(ordered, times, side="left")
    died = np.sort(time[event])
    at_risk = at_risk - (
        np.searchsorted(died, times, side="right") - np.searchsorted(died, times, side="left")
    )
    still = np.cumprod(1.0 - number / at_risk)
    before = np.concatenate([[1.0], still])
    return _Loss(times, number.astype(np.float64), at_risk.astype(np.float64), before[:-1], float(before[-1]))


def _mean_after(y: Floats, until: Floats, weight: Floats, at: Floats) -> Floats:
    """G(y, u): the weighted mean of y among those still alive after u, for each u in `at`."""
    order = np.argsort(until, kind="stable")
    top = np.concatenate([np.cumsum((weight * y)[order][::-1])[::-1], [0.0]])
    bottom = np.concatenate([np.cumsum(weight[order][::-1])[::-1], [0.0]])
    place = np.searchsorted(until[order], at, side="right")
    there = bottom[place] > 0
    return np.asarray(np.where(there, top[place] / np.where(there, bottom[place], 1.0), 0.0))


def _influence(y: Floats, until: Floats, weight: Floats, loss: _Loss, time: Floats) -> Floats:
    """weight x y + the integral of G/K against each subject's own censoring martingale.

    With K after each loss this is the infinitesimal jackknife, exactly: the derivative by a subject's weight.
    """
    if len(loss.times) == 0:
        return np.asarray(weight * y)
    after = np.append(loss.before[1:], loss.last)
    mean_left = _mean_after(y, until, weight, loss.times)
    per_loss = np.where(after > 0, mean_left / np.where(after > 0, after, 1.0), 0.0)
    summed = np.concatenate([[0.0], np.cumsum(per_loss * loss.lost / loss.at_risk)])
    # A subject is at risk of loss at u while alive and observed: a death on day u came before the loss.
    own = np.searchsorted(loss.times, until, side="left")
    was_lost = weight == 0.0
    own = np.where(was_lost, np.searchsorted(loss.times, time, side="right"), own)
    return np.asarray(weight * y - summed[own] + np.where(was_lost, per_loss[(own - 1).clip(0)], 0.0))


def _deaths(time: Floats, event: Bools) -> tuple[Floats, Floats, Floats]:
    times, number = np.unique(time[event], return_counts=True)
    if len(times) == 0:
        return np.array([math.inf]), np.zeros(1), np.ones(1)
    at_risk = len(time) - np.searchsorted(np.sort(time), times, side="left")
    return times, number.astype(np.float64), at_risk.astype(np.float64)


def _costs_and_edges(costs: npt.ArrayLike, edges: npt.ArrayLike, rows: int) -> tuple[Floats, Floats]:
    table, cuts = matrix(costs, rows, "costs"), amounts(edges, "edges")
    if len(cuts) != table.shape[1] + 1 or cuts[0] != 0 or (np.diff(cuts) <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="edges", allowed=f"0 < ... ({table.shape[1] + 1})")
    if (table < 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="costs", allowed=">= 0")
    return table, cuts


def _clustered(influence: Floats, cluster: npt.ArrayLike) -> float:
    groups = labels(cluster, "cluster", len(influence))
    codes: Ints = groups.codes
    sums = np.bincount(codes, influence, len(groups))
    return float(sums @ sums) / len(influence) ** 2
