"""Kaplan-Meier by arm: curves with limits, numbers at risk, medians and survival at the planned days."""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Done, Pen, Subset, points
from studies.outcome import EVENT, TIME
from studies.protocol import ARMS, PlannedAnalysis
from studies.reasons import NO_SUBJECTS, NOT_ESTIMABLE, NOT_REACHED, joined
from studies.results import Series, Value
from studies.statistics.cox import ENGINES, engine_version
from studies.statistics.kaplan_meier import METHOD, Curve, kaplan_meier


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """An arm without subjects is reported as not done; the other arm still has its curve."""
    subset = context.subset(analysis.population)
    present = [arm for arm in ARMS if subset.arm(arm).any()]
    curves = {
        arm: kaplan_meier(subset.days[subset.arm(arm)], subset.event[subset.arm(arm)]) for arm in present
    }
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD, ENGINES, engine_version())
    for arm, curve in curves.items():
        _write_median(pen, arm, curve)
        for day in analysis.days:
            _write_day(pen, arm, curve, day)
    drawn = tuple(
        series
        for arm, curve in curves.items()
        for series in (_drawn(analysis, subset, arm, curve), _steps(analysis, subset, arm, curve))
    )
    table = ((day, *(_at_risk(curves.get(arm), day) for arm in ARMS)) for day in _table_days(analysis))
    at_risk = Series(
        f"{analysis.id}.at_risk", analysis.id, ("time_days", *ARMS), points(table), subset.population
    )
    absent = tuple((f"{analysis.id}.{arm}", joined(NO_SUBJECTS.about())) for arm in ARMS if arm not in curves)
    return Done(tuple(pen.rows), (*drawn, at_risk), absent)


def _write_median(pen: Pen, arm: str, curve: Curve) -> None:
    median, low, high = curve.median()
    warnings = [joined(NOT_REACHED.about())] if median is None else []
    pen.write(
        "median",
        median,
        group=arm,
        unit="days",
        limits=(low, high),
        n=curve.subjects,
        events=int(curve.events.sum()),
        warnings=warnings,
    )


def _write_day(pen: Pen, arm: str, curve: Curve, day: int) -> None:
    at_risk = curve.at_risk_at(day)
    pen.write("at_risk", at_risk, group=arm, key=f"day_{day}", n=curve.subjects)
    if day > curve.days[-1] and curve.survival[-1] > 0:
        # Nobody was followed so far: the curve does not say anything there.
        warnings = [joined(NOT_ESTIMABLE.about(statistic="survival"))]
        pen.write("survival", None, group=arm, key=f"day_{day}", n=curve.subjects, warnings=warnings)
        return
    survival, low, high = curve.at(day)
    pen.write("survival", survival, group=arm, key=f"day_{day}", limits=(low, high), n=curve.subjects)


def _drawn(analysis: PlannedAnalysis, subset: Subset, arm: str, curve: Curve) -> Series:
    """The steps: day 0, each day with an event, and the last day of follow-up."""
    values: list[tuple[Value, ...]] = [(0.0, 1.0, 1.0, 1.0)]
    for step in _places(curve):
        values.append(
            (
                float(curve.days[step]),
                float(curve.survival[step]),
                float(curve.ci_low[step]),
                float(curve.ci_high[step]),
            )
        )
    columns = ("time_days", "survival", "ci_low", "ci_high")
    row_set = f"{subset.population}.{arm}"
    return Series(f"{analysis.id}.curve.{arm}", analysis.id, columns, points(values), row_set)


def _steps(analysis: PlannedAnalysis, subset: Subset, arm: str, curve: Curve) -> Series:
    """Who stands behind each point of the curve after day 0; an aggregate package is coarsened by it."""
    values: list[tuple[Value, ...]] = [
        (float(curve.days[step]), int(curve.at_risk[step]), int(curve.events[step]))
        for step in _places(curve)
    ]
    columns = ("time_days", "at_risk", "events")
    row_set = f"{subset.population}.{arm}"
    return Series(f"{analysis.id}.steps.{arm}", analysis.id, columns, points(values), row_set)


def _places(curve: Curve) -> list[int]:
    """The places of the days with an event, and of the last day of follow-up."""
    places = [int(place) for place in np.flatnonzero(curve.events > 0)]
    last = len(curve.days) - 1
    return places if places and places[-1] == last else [*places, last]


def _table_days(analysis: PlannedAnalysis) -> tuple[int, ...]:
    return tuple(sorted({0, *analysis.days}))


def _at_risk(curve: Curve | None, day: int) -> int:
    return 0 if curve is None else curve.at_risk_at(day)
