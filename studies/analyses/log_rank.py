"""The log-rank test between the arms, stratified where the protocol says so."""

from __future__ import annotations

import numpy as np

from rwd_platform.core.text import Bilingual
from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.strata import strata_of
from studies.dataset import SITE
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import COMPARATOR, EXPOSED
from studies.reasons import NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics.survival.log_rank import log_rank

STRATA_ARE_ARMS = Reason(
    "strata_are_arms",
    "按“{strata}”分层后，每一层中都只有一个组，分层对数秩检验无从比较。",
    "Within each stratum of '{strata}' there is one arm only: the stratified log-rank test has nothing to compare.",
)
NEVER_TOGETHER = Reason(
    "never_together",
    "在任何一个事件时间，同一层内都没有两个组的受试者同时处于风险中，对数秩检验无从比较。",
    "At no event time are both arms at risk within one stratum: the log-rank test has nothing to compare.",
)
_HOSPITAL = Bilingual("医院", "hospital")


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    strata = strata_of(analysis, subset)
    _require_both_arms_somewhere(analysis, subset, strata, context)
    try:
        test = log_rank(subset.days, subset.event, subset.exposed, strata=strata)
    except CannotEstimate as reason:
        raise CannotEstimate(NEVER_TOGETHER) if reason.reason is NOT_ESTIMABLE else reason from reason
    variables = context.variables(analysis, TIME, EVENT, *analysis.strata)
    pen = Pen(context, analysis.id, subset.population, variables, test.method)
    counts: Counts = {"n": len(subset.days), "events": int(subset.event.sum())}
    pen.write("chi_square", test.chisq, **counts)
    pen.write("degrees", test.df, **counts)
    pen.write("p_value", test.p, **counts)
    for place, arm in enumerate((COMPARATOR, EXPOSED)):
        _write_arm(pen, subset, arm, float(test.expected[place]))
    return Done(tuple(pen.rows))


def _require_both_arms_somewhere(
    analysis: PlannedAnalysis, subset: Subset, strata: list[str] | None, context: Context
) -> None:
    """Raises `CannotEstimate` where the strata tell the arms apart, as hospitals do that have one treatment each."""
    if strata is None:
        return
    together = {label for label, exposed in zip(strata, subset.exposed, strict=True) if exposed}
    if together.isdisjoint(
        label for label, exposed in zip(strata, subset.exposed, strict=True) if not exposed
    ):
        titles = [
            _HOSPITAL if name == SITE else context.protocol.covariate(name).title for name in analysis.strata
        ]
        named = Bilingual("、".join(one.zh for one in titles), ", ".join(one.en for one in titles))
        raise CannotEstimate(STRATA_ARE_ARMS, strata=named)


def _write_arm(pen: Pen, subset: Subset, arm: str, expected: float) -> None:
    chosen = subset.arm(arm)
    n, events = int(chosen.sum()), int(np.sum(subset.event[chosen]))
    pen.write("observed", events, group=arm, n=n, events=events)
    pen.write("expected", expected, group=arm, n=n, events=events)
