"""Kaplan-Meier by arm: curves with limits, numbers at risk, medians and survival at the planned days.

With weights the curve is the adjusted one, its errors are robust, and the numbers at risk still count people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.analyses.competing import kaplan_meier_note
from studies.analyses.context import Context, Done, Pen, Subset, points
from studies.analyses.cox import write_effective_sample
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS
from studies.reasons import NO_SUBJECTS, NOT_ESTIMABLE, NOT_REACHED, joined
from studies.results import Series, Value
from studies.statistics import Floats
from studies.statistics.survival.kaplan_meier import Curve, kaplan_meier
from studies.statistics.survival.quantiles import median


@dataclass(frozen=True)
class _Arm:
    """The curve that is shown, and the people behind it: the same unless weighted."""

    name: str
    curve: Curve
    people: Curve


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """An arm without subjects is reported as not done; the other arm still has its curve."""
    subset = context.subset(analysis.population)
    weights = _weights(analysis, subset, context)
    arms = [_arm(name, subset, weights) for name in ARMS if subset.arm(name).any()]
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, arms[0].curve.method)
    beside_competing = kaplan_meier_note(context.protocol)
    if weights is not None:
        write_effective_sample(pen, subset, weights, context)
    for arm in arms:
        _write_median(pen, arm)
        for day in analysis.days:
            _write_day(pen, arm, day, beside_competing)
    drawn = tuple(
        series for arm in arms for series in (_drawn(analysis, subset, arm), _steps(analysis, subset, arm))
    )
    people = {arm.name: arm.people for arm in arms}
    table = ((day, *(_at_risk(people.get(name), day) for name in ARMS)) for day in _table_days(analysis))
    at_risk = Series(
        f"{analysis.id}.at_risk", analysis.id, ("time_days", *ARMS), points(table), subset.population
    )
    absent = [name for name in ARMS if name not in people]
    not_done = tuple((f"{analysis.id}.{name}", joined(NO_SUBJECTS.about())) for name in absent)
    return Done(tuple(pen.rows), (*drawn, at_risk), not_done)


def _weights(analysis: PlannedAnalysis, subset: Subset, context: Context) -> Floats | None:
    if analysis.weights == "none":
        return None
    subset.require_both_arms()
    return context.weights(subset, analysis)


def _arm(name: str, subset: Subset, weights: Floats | None) -> _Arm:
    chosen = subset.arm(name)
    if weights is not None:
        chosen = chosen & (weights > 0)  # who found no match is not followed here
    days, event = subset.days[chosen], subset.event[chosen]
    people = kaplan_meier(days, event)
    if weights is None:
        return _Arm(name, people, people)
    return _Arm(name, kaplan_meier(days, event, weights=weights[chosen], robust=True), people)


def _write_median(pen: Pen, arm: _Arm) -> None:
    found = median(arm.curve)
    pen.write(
        "median",
        found.value,
        group=arm.name,
        unit="days",
        limits=(found.lower, found.upper),
        n=arm.curve.n,
        events=arm.curve.events,
        warnings=[joined(NOT_REACHED.about())] if found.value is None else [],
    )


def _write_day(pen: Pen, arm: _Arm, day: int, notes: list[str]) -> None:
    n = arm.curve.n
    pen.write("at_risk", _at_risk(arm.people, day), group=arm.name, key=f"day_{day}", n=n)
    if day > arm.curve.time[-1] and arm.curve.surv[-1] > 0:
        # Nobody was followed so far: the curve does not say anything there.
        warnings = [joined(NOT_ESTIMABLE.about(statistic="survival"))]
        pen.write("survival", None, group=arm.name, key=f"day_{day}", n=n, warnings=warnings)
        return
    there = arm.curve.at([day], extend=True)
    # Before the first event nothing is estimated; the curve is at 1 and so are its limits.
    flat = there.surv[0] == 1.0
    limits = (1.0, 1.0) if flat else (_number(there.lower[0]), _number(there.upper[0]))
    value = float(there.surv[0])
    pen.write("survival", value, group=arm.name, key=f"day_{day}", limits=limits, n=n, warnings=notes)


def _drawn(analysis: PlannedAnalysis, subset: Subset, arm: _Arm) -> Series:
    """The steps: day 0, each day with an event, and the last day of follow-up."""
    curve = arm.curve
    values: list[tuple[Value, ...]] = [(0.0, 1.0, 1.0, 1.0)]
    for step in _places(curve):
        column = (curve.time, curve.surv, curve.lower, curve.upper)
        values.append(tuple(float(one[step]) for one in column))
    columns = ("time_days", "survival", "ci_low", "ci_high")
    row_set = f"{subset.population}.{arm.name}"
    return Series(f"{analysis.id}.curve.{arm.name}", analysis.id, columns, points(values), row_set)


def _steps(analysis: PlannedAnalysis, subset: Subset, arm: _Arm) -> Series:
    """Who stands behind each point of the curve after day 0; an aggregate package is coarsened by it."""
    people = arm.people
    values: list[tuple[Value, ...]] = [
        (float(people.time[step]), int(people.n_risk[step]), int(people.n_event[step]))
        for step in _places(people)
    ]
    columns = ("time_days", "at_risk", "events")
    row_set = f"{subset.population}.{arm.name}"
    return Series(f"{analysis.id}.steps.{arm.name}", analysis.id, columns, points(values), row_set)


def _places(curve: Curve) -> list[int]:
    """The places of the days with an event, and of the last day of follow-up."""
    places = [int(place) for place in np.flatnonzero(curve.n_event > 0)]
    last = len(curve.time) - 1
    return places if places and places[-1] == last else [*places, last]


def _table_days(analysis: PlannedAnalysis) -> tuple[int, ...]:
    return tuple(sorted({0, *analysis.days}))


def _at_risk(people: Curve | None, day: int) -> int:
    return 0 if people is None else int(people.n_risk_at([day])[0])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
