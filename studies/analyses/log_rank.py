"""The log-rank test between the arms, stratified where the protocol says so."""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.strata import strata_of
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import COMPARATOR, EXPOSED
from studies.statistics.survival.log_rank import log_rank


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    test = log_rank(subset.days, subset.event, subset.exposed, strata=strata_of(analysis, subset))
    variables = context.variables(analysis, TIME, EVENT, *analysis.strata)
    pen = Pen(context, analysis.id, subset.population, variables, test.method)
    counts: Counts = {"n": len(subset.days), "events": int(subset.event.sum())}
    pen.write("chi_square", test.chisq, **counts)
    pen.write("degrees", test.df, **counts)
    pen.write("p_value", test.p, **counts)
    for place, arm in enumerate((COMPARATOR, EXPOSED)):
        _write_arm(pen, subset, arm, float(test.expected[place]))
    return Done(tuple(pen.rows))


def _write_arm(pen: Pen, subset: Subset, arm: str, expected: float) -> None:
    chosen = subset.arm(arm)
    n, events = int(chosen.sum()), int(np.sum(subset.event[chosen]))
    pen.write("observed", events, group=arm, n=n, events=events)
    pen.write("expected", expected, group=arm, n=n, events=events)
