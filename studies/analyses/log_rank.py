"""The log-rank test between the arms."""

from __future__ import annotations

from studies.analyses.context import Context, Counts, Done, Pen
from studies.outcome import EVENT, TIME
from studies.protocol import COMPARATOR, EXPOSED, PlannedAnalysis
from studies.statistics.log_rank import log_rank

METHOD = "log-rank, hypergeometric variance"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    test = log_rank(subset.days, subset.event, subset.exposed)
    pen = Pen(context, analysis.id, subset.population, context.variables(analysis, TIME, EVENT), METHOD)
    counts: Counts = {"n": len(subset.days), "events": int(subset.event.sum())}
    pen.write("chi_square", test.chi_square, **counts)
    pen.write("degrees", 1, **counts)
    pen.write("p_value", test.p_value, **counts)
    for place, arm in enumerate((COMPARATOR, EXPOSED)):
        n = int(subset.arm(arm).sum())
        pen.write("observed", test.observed[place], group=arm, n=n, events=test.observed[place])
        pen.write("expected", test.expected[place], group=arm, n=n, events=test.observed[place])
    return Done(tuple(pen.rows))
