"""Mean time without the event up to tau, and its difference: a comparison that needs no proportional hazards."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.small_samples import LeftOut, by_leaving_out, few
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, COMPARATOR, EXPOSED
from studies.statistics import Bools, Floats
from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.rmst import RmstComparison, rmst_difference


@dataclass(frozen=True)
class _Limits:
    """The means by arm, what they differ by and their ratio, each with its limits; how these were made where it is not

    the comparison's own way.
    """

    arms: dict[str, LeftOut]
    difference: LeftOut
    ratio: LeftOut


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Raises `CannotEstimate` where tau lies beyond the follow-up of an arm: the area is not known there."""
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    found = rmst_difference(subset.days, subset.event, subset.exposed, tau=float(analysis.tau))
    made = _of_few(subset, found.tau) if few(*subset.sizes) else _of_many(found)
    error = made.difference.method
    method = f"area under the Kaplan-Meier curve up to {found.tau:g}; {error}" if error else found.method
    pen = Pen(context, analysis.id, subset.population, context.variables(analysis, TIME, EVENT), method)
    counts: Counts = {"n": len(subset.days), "events": int(subset.event.sum())}
    pen.write("tau", found.tau, unit="days", **counts)
    for arm in (COMPARATOR, EXPOSED):
        chosen, one = subset.arm(arm), made.arms[arm].estimate
        own: Counts = {"n": int(chosen.sum()), "events": int(subset.event[chosen].sum())}
        pen.write("subjects", own["n"], group=arm, n=own["n"])
        pen.write("mean", one.value, group=arm, unit="days", limits=(one.lower, one.upper), **own)
        pen.write("standard_error", one.se, group=arm, unit="days", **own)
    difference, ratio = made.difference.estimate, made.ratio.estimate
    limits = (difference.lower, difference.upper)
    pen.write("difference", difference.value, unit="days", limits=limits, **counts)
    pen.write("standard_error", difference.se, unit="days", **counts)
    pen.write("p_value", difference.p, **counts)
    pen.write("ratio", ratio.value, limits=(ratio.lower, ratio.upper), **counts)
    return Done(tuple(pen.rows))


def _of_many(found: RmstComparison) -> _Limits:
    """Greenwood's errors, as survRM2 has them."""
    first, second = (LeftOut(one.rmst, "") for one in found.arms)
    arms = {COMPARATOR: first, EXPOSED: second}
    return _Limits(arms, LeftOut(found.difference, ""), LeftOut(found.ratio, ""))


def _of_few(subset: Subset, tau: float) -> _Limits:
    def area(chosen: Bools) -> float:
        return _area(subset.days[chosen], subset.event[chosen], tau)

    def areas(kept: Bools) -> tuple[float, float]:
        return area(kept & subset.exposed), area(kept & ~subset.exposed)

    def difference(kept: Bools) -> float:
        ours, theirs = areas(kept)
        return ours - theirs

    def log_ratio(kept: Bools) -> float:
        ours, theirs = areas(kept)
        return math.log(ours / theirs)

    def mean_of(arm: str) -> LeftOut:
        rows = np.flatnonzero(subset.arm(arm))
        return by_leaving_out(
            lambda kept: _area(subset.days[rows[kept]], subset.event[rows[kept]], tau), len(rows)
        )

    n = len(subset.days)
    arms = {arm: mean_of(arm) for arm in ARMS}
    return _Limits(arms, by_leaving_out(difference, n), by_leaving_out(log_ratio, n, scale="log"))


def _area(days: Floats, event: Bools, tau: float) -> float:
    """Under the curve up to tau. Where the one who was followed longest is left out, the curve goes on as it ended."""
    curve = kaplan_meier(days, event, conf_type="none")
    edges = np.minimum(np.concatenate([[0.0], curve.time, [max(tau, float(curve.time[-1]))]]), tau)
    return float(np.diff(edges) @ np.concatenate([[1.0], curve.surv]))
