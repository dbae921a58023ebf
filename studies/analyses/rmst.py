"""Mean time without the event up to tau, and its difference: a comparison that needs no proportional hazards."""

from __future__ import annotations

from studies.analyses.context import Context, Counts, Done, Pen
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import COMPARATOR, EXPOSED
from studies.statistics.survival.rmst import rmst_difference


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Raises `CannotEstimate` where tau lies beyond the follow-up of an arm: the area is not known there."""
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    found = rmst_difference(subset.days, subset.event, subset.exposed, tau=float(analysis.tau))
    pen = Pen(context, analysis.id, subset.population, context.variables(analysis, TIME, EVENT), found.method)
    counts: Counts = {"n": len(subset.days), "events": int(subset.event.sum())}
    pen.write("tau", found.tau, unit="days", **counts)
    for arm, one in zip((COMPARATOR, EXPOSED), found.arms, strict=True):
        limits = (one.rmst.lower, one.rmst.upper)
        pen.write("subjects", one.n, group=arm, n=one.n)
        pen.write("mean", one.rmst.value, group=arm, unit="days", limits=limits, n=one.n, events=one.events)
        pen.write("standard_error", one.se, group=arm, unit="days", n=one.n, events=one.events)
    difference = found.difference
    pen.write(
        "difference", difference.value, unit="days", limits=(difference.lower, difference.upper), **counts
    )
    pen.write("standard_error", difference.se, unit="days", **counts)
    pen.write("p_value", difference.p, **counts)
    pen.write("ratio", found.ratio.value, limits=(found.ratio.lower, found.ratio.upper), **counts)
    return Done(tuple(pen.rows))
