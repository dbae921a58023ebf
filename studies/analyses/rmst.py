"""Mean time without the event up to tau, and its difference: a comparison that needs no proportional hazards."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.small_samples import LeftOut, by_leaving_out, few, of_two
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, COMPARATOR, EXPOSED
from studies.reasons import Reason, joined
from studies.statistics import Bools, Floats
from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.rmst import RmstComparison, rmst_difference

NO_EVENTS_BEFORE_TAU = Reason(
    "no_events_before_tau",
    "“{arm}”组在限制时间之前没有事件：平均值没有可用的误差，不能据以比较",
    "the arm '{arm}' had no event before tau: the error of its mean is not known, and nothing can be compared by it",
)
FEW_EVENTS_IN_ARM = 10
FEW_IN_AN_ARM = Reason(
    "few_in_an_arm",
    "有一组的事件不足 10 例：置信区间可能过窄（模拟覆盖率 87%–92%）",
    "an arm had fewer than 10 events: the limits may be too narrow (87 to 92 % coverage in simulation)",
)


@dataclass(frozen=True)
class _Limits:
    """The means by arm, what they differ by, and their ratio, each with its limits and how these were made."""

    arms: dict[str, LeftOut]
    difference: LeftOut
    ratio: LeftOut


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Raises `CannotEstimate` where tau lies beyond the follow-up of an arm: the area is not known there."""
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    found = rmst_difference(subset.days, subset.event, subset.exposed, tau=float(analysis.tau))
    events = {arm: _events(subset, arm, found.tau) for arm in ARMS}
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
        if events[arm] == 0:
            # The curve is level at 1: its error is not 0, it is unknown.
            reason = [joined(NO_EVENTS_BEFORE_TAU.about(arm=context.protocol.exposure.arm_title(arm)))]
            pen.write("mean", one.value, group=arm, unit="days", warnings=reason, **own)
            continue
        pen.write("mean", one.value, group=arm, unit="days", limits=(one.lower, one.upper), **own)
        pen.write("standard_error", one.se, group=arm, unit="days", **own)
    without = [arm for arm in ARMS if events[arm] == 0]
    if without:
        title = context.protocol.exposure.arm_title(without[0])
        return Done(
            tuple(pen.rows),
            not_done=((f"{analysis.id}.difference", joined(NO_EVENTS_BEFORE_TAU.about(arm=title))),),
        )
    warnings = [joined(FEW_IN_AN_ARM.about())] if min(events.values()) < FEW_EVENTS_IN_ARM else []
    difference, ratio = made.difference.estimate, made.ratio.estimate
    limits = (difference.lower, difference.upper)
    pen.write("difference", difference.value, unit="days", limits=limits, warnings=warnings, **counts)
    pen.write("standard_error", difference.se, unit="days", **counts)
    pen.write("p_value", difference.p, **counts)
    pen.write("ratio", ratio.value, limits=(ratio.lower, ratio.upper), **counts)
    return Done(tuple(pen.rows))


def _events(subset: Subset, arm: str, tau: float) -> int:
    return int((subset.event & subset.arm(arm) & (subset.days <= tau)).sum())


def _of_many(found: RmstComparison) -> _Limits:
    """Greenwood's errors, as survRM2 has them."""
    first, second = (LeftOut(one.rmst, "") for one in found.arms)
    arms = {COMPARATOR: first, EXPOSED: second}
    return _Limits(arms, LeftOut(found.difference, ""), LeftOut(found.ratio, ""))


def _of_few(subset: Subset, tau: float) -> _Limits:
    """Each arm's error by leaving out its own; of what they differ by, with Welch's degrees of freedom."""
    made = {}
    for arm in ARMS:
        rows = np.flatnonzero(subset.arm(arm))
        made[arm] = _left_out(subset.days[rows], subset.event[rows], tau)
    ours, theirs = made[EXPOSED].estimate, made[COMPARATOR].estimate
    sizes = subset.sizes
    errors = float(ours.se or 0.0), float(theirs.se or 0.0)
    difference = of_two(ours.value - theirs.value, errors, sizes)
    relative = errors[0] / ours.value, errors[1] / theirs.value
    ratio = of_two(math.log(ours.value / theirs.value), relative, sizes, scale="log")
    return _Limits(made, difference, ratio)


def _left_out(days: Floats, event: Bools, tau: float) -> LeftOut:
    return by_leaving_out(lambda kept: _area(days[kept], event[kept], tau), len(days))


def _area(days: Floats, event: Bools, tau: float) -> float:
    """Under the curve up to tau. Where the one who was followed longest is left out, the curve goes on as it ended."""
    curve = kaplan_meier(days, event, conf_type="none")
    edges = np.minimum(np.concatenate([[0.0], curve.time, [max(tau, float(curve.time[-1]))]]), tau)
    return float(np.diff(edges) @ np.concatenate([[1.0], curve.surv]))
