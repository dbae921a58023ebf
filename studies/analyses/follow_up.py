"""How long and how many: subjects, events, person-time, rate and median follow-up of each arm."""

from __future__ import annotations

from studies.analyses.context import Context, Done, Pen
from studies.outcome import DAYS_A_YEAR, EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS
from studies.reasons import NO_SUBJECTS, NOT_ESTIMABLE, NOT_REACHED, joined
from studies.statistics.probability import poisson_interval
from studies.statistics.survival.quantiles import median_follow_up

METHOD = "counts; rate with exact Poisson limits (Garwood); follow-up by reverse Kaplan-Meier, log-log limits"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD)
    absent = []
    for arm in ARMS:
        chosen = subset.arm(arm)
        if not chosen.any():
            absent.append((f"{analysis.id}.{arm}", joined(NO_SUBJECTS.about())))
            continue
        n, events = int(chosen.sum()), int(subset.event[chosen].sum())
        years = float(subset.days[chosen].sum()) / DAYS_A_YEAR
        pen.write("subjects", n, group=arm, n=n, events=events)
        pen.write("events", events, group=arm, n=n, events=events)
        pen.write("person_years", years, group=arm, unit="years", n=n, events=events)
        _write_rate(pen, arm, n, events, years)
        # Follow-up ends at a censoring; an event hides how long the subject would have been followed.
        median = median_follow_up(subset.days[chosen], subset.event[chosen])
        pen.write(
            "median_follow_up",
            median.value,
            group=arm,
            unit="days",
            limits=(median.lower, median.upper),
            n=n,
            events=events,
            warnings=[joined(NOT_REACHED.about())] if median.value is None else [],
        )
    return Done(tuple(pen.rows), not_done=tuple(absent))


def _write_rate(pen: Pen, arm: str, n: int, events: int, years: float) -> None:
    name, unit = "rate_per_100_person_years", "per 100 person-years"
    if years <= 0:
        warnings = [joined(NOT_ESTIMABLE.about(statistic=name))]
        pen.write(name, None, group=arm, unit=unit, n=n, events=events, warnings=warnings)
        return
    low, high = (100.0 * limit / years for limit in poisson_interval(events))
    pen.write(name, 100.0 * events / years, group=arm, unit=unit, limits=(low, high), n=n, events=events)
