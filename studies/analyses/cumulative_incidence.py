"""Competing events: the cumulative incidence of each kind by arm, Gray's test, and two ratios of hazards.

The cause-specific hazard ratio is about the rate among those still free of any event, the subdistribution hazard ratio
about the cumulative incidence itself. Both are given for both kinds: neither can be read without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from rwd_platform.core.text import Bilingual
from studies.analyses.competing import (
    NOTHING_COMPETES,
    Kind,
    kinds_of,
    require_kind,
    require_kind_in_arms,
    status_of,
)
from studies.analyses.context import Context, Counts, Done, Pen, Subset, points
from studies.analyses.models import EVENTS_FOR_EACH_TERM
from studies.analyses.strata import strata_of
from studies.design import Design, design
from studies.outcome import STATUS, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, COMPETING_EVENT, EVENT_OF_INTEREST
from studies.reasons import FEW_EVENTS, NO_SUBJECTS, NOT_ESTIMABLE, CannotEstimate, joined
from studies.results import Series, Value
from studies.statistics import Ints
from studies.statistics.estimate import Estimate
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.aalen_johansen import CumulativeIncidence, aalen_johansen
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.fine_gray import fit_fine_gray
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.kaplan_meier import Curve, kaplan_meier

METHOD = "Aalen-Johansen cumulative incidence, variance as cmprsk::cuminc, 95 % limits on the log-log scale"
COLUMNS = (
    "time_days",
    "cumulative_incidence", "ci_low", "ci_high",
    "competing_incidence", "competing_ci_low", "competing_ci_high",
)  # fmt: skip


@dataclass(frozen=True)
class _Arm:
    """`people`: how long each was followed, whatever ended it; `curve` is None where nobody had an event."""

    name: str
    people: Curve
    curve: CumulativeIncidence | None
    events: dict[int, int]

    @property
    def n(self) -> int:
        return self.people.n

    def column(self, kind: Kind) -> int | None:
        """The kind's place in the curve; None where the arm had none."""
        causes = self.curve.causes if self.curve is not None else ()
        return causes.index(kind.code) if kind.code in causes else None

    def is_known(self, day: float) -> bool:
        """Up to the last day of follow-up, and beyond it where everybody had an event."""
        return bool(day <= self.people.time[-1] or self.people.surv[-1] == 0)


@dataclass(frozen=True)
class _Models:
    """What the tests and models of one kind need."""

    analysis: PlannedAnalysis
    context: Context
    subset: Subset
    status: Ints
    made: Design
    strata: list[str] | None


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """An arm without subjects, and a test or model that cannot be made, is reported as not done; the rest stands."""
    subset, kinds = context.subset(analysis.population), kinds_of(context.protocol)
    status = status_of(subset)
    arms = [_arm(name, subset, status) for name in ARMS if subset.arm(name).any()]
    variables = context.variables(analysis, TIME, STATUS, *analysis.strata)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD)
    for arm in arms:
        _write_arm(pen, arm, kinds, analysis.days)
    absent = [name for name in ARMS if not subset.arm(name).any()]
    not_done = [(f"{analysis.id}.{name}", joined(NO_SUBJECTS.about())) for name in absent]
    not_done += _compare(pen, analysis, context, subset, status, kinds)
    people = {arm.name: arm.people for arm in arms}
    table = ((day, *(_at_risk(people.get(name), day) for name in ARMS)) for day in (0, *_days(analysis)))
    at_risk = Series(
        f"{analysis.id}.at_risk", analysis.id, ("time_days", *ARMS), points(table), subset.population
    )
    drawn = [make(analysis, subset, arm, kinds) for arm in arms for make in (_drawn, _steps)]
    return Done(tuple(pen.rows), (*drawn, at_risk), tuple(not_done))


def _days(analysis: PlannedAnalysis) -> tuple[int, ...]:
    return tuple(sorted(day for day in analysis.days if day > 0))


def _arm(name: str, subset: Subset, status: Ints) -> _Arm:
    days, mine = subset.days[subset.arm(name)], status[subset.arm(name)]
    return _Arm(
        name=name,
        people=kaplan_meier(days, (mine > 0).astype(float)),
        curve=aalen_johansen(days, mine, variance="aalen", conf_type="log-log") if (mine > 0).any() else None,
        events={code: int((mine == code).sum()) for code in (EVENT_OF_INTEREST, COMPETING_EVENT)},
    )


# -- curves ------------------------------------------------------------------------------------------------------


def _write_arm(pen: Pen, arm: _Arm, kinds: tuple[Kind, ...], days: tuple[int, ...]) -> None:
    for kind in kinds:
        count = arm.events[kind.code]
        pen.write("observed", count, section=kind.name, group=arm.name, n=arm.n, events=count, method="count")
    for day in days:
        pen.write("at_risk", _at_risk(arm.people, day), group=arm.name, key=f"day_{day}", n=arm.n)
        for kind in kinds:
            _write_incidence(pen, arm, kind, day)


def _write_incidence(pen: Pen, arm: _Arm, kind: Kind, day: int) -> None:
    key = f"day_{day}"
    if not arm.is_known(day):
        # Nobody was followed so far: the curve does not say anything there.
        warnings = [joined(NOT_ESTIMABLE.about(statistic=kind.statistic))]
        pen.write(kind.statistic, None, group=arm.name, key=key, n=arm.n, warnings=warnings)
        return
    alone = kind.code == EVENT_OF_INTEREST and arm.events[COMPETING_EVENT] == 0
    value, low, high = _read(arm, kind, day)
    pen.write(
        kind.statistic,
        value,
        group=arm.name,
        key=key,
        limits=None if low is None or high is None else (low, high),
        n=arm.n,
        warnings=[joined(NOTHING_COMPETES.about())] if alone else [],
    )


def _read(arm: _Arm, kind: Kind, day: int) -> tuple[float, float | None, float | None]:
    """Incidence and limits on a day; 0 without limits before the arm's first event of the kind."""
    column = arm.column(kind)
    if arm.curve is None or column is None:
        return 0.0, None, None
    there = arm.curve.at([day], extend=True)
    value, low, high = (float(one[0, column]) for one in (there.cif, there.lower, there.upper))
    return value, _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _at_risk(people: Curve | None, day: int) -> int:
    return 0 if people is None else int(people.n_risk_at([day])[0])


def _drawn(analysis: PlannedAnalysis, subset: Subset, arm: _Arm, kinds: tuple[Kind, ...]) -> Series:
    """The steps of both kinds: day 0, each day with an event, and the last day of follow-up."""
    rows: list[tuple[Value, ...]] = [(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)]
    for step in _places(arm.people):
        row: list[Value] = [float(arm.people.time[step])]
        for kind in kinds:
            column = arm.column(kind)
            if arm.curve is None or column is None:
                row += [0.0, None, None]
            else:
                row += [float(one[step, column]) for one in (arm.curve.cif, arm.curve.lower, arm.curve.upper)]
        rows.append(tuple(row))
    return _series(f"incidence.{arm.name}", analysis, subset, arm, COLUMNS, rows)


def _events_on(arm: _Arm, kind: Kind, step: int) -> int:
    column = arm.column(kind)
    return 0 if arm.curve is None or column is None else int(arm.curve.n_event[step, column])


def _steps(analysis: PlannedAnalysis, subset: Subset, arm: _Arm, kinds: tuple[Kind, ...]) -> Series:
    """Who stands behind each point of the curves after day 0; an aggregate package is coarsened by it."""
    rows: list[tuple[Value, ...]] = []
    for step in _places(arm.people):
        counts = (_events_on(arm, kind, step) for kind in kinds)
        rows.append((float(arm.people.time[step]), int(arm.people.n_risk[step]), *counts))
    return _series(
        f"causes.{arm.name}", analysis, subset, arm, ("time_days", "at_risk", "events", "competing"), rows
    )


def _series(
    name: str,
    analysis: PlannedAnalysis,
    subset: Subset,
    arm: _Arm,
    columns: tuple[str, ...],
    rows: Iterable[tuple[Value, ...]],
) -> Series:
    row_set = f"{subset.population}.{arm.name}"
    return Series(f"{analysis.id}.{name}", analysis.id, columns, points(rows), row_set)


def _places(people: Curve) -> list[int]:
    """The places of the days with an event of any kind, and of the last day of follow-up."""
    places = [int(place) for place in np.flatnonzero(people.n_event > 0)]
    last = len(people.time) - 1
    return places if places and places[-1] == last else [*places, last]


# -- tests and models --------------------------------------------------------------------------------------------


def _compare(
    pen: Pen,
    analysis: PlannedAnalysis,
    context: Context,
    subset: Subset,
    status: Ints,
    kinds: tuple[Kind, ...],
) -> list[tuple[str, str]]:
    """Writes what can be compared between the arms; gives what cannot, with why."""
    parts: tuple[tuple[str, Callable[[Pen, _Models, Kind], None]], ...] = (
        ("gray", _write_gray),
        ("cause_specific", _write_cause_specific),
        ("fine_gray", _write_fine_gray),
    )
    not_done: list[tuple[str, str]] = []
    why: Bilingual | None = None
    try:
        subset.require_both_arms()
        made = design(subset.frame, context.protocol, analysis.covariates, exposure=True)
        models = _Models(analysis, context, subset, status, made, strata_of(analysis, subset))
    except CannotEstimate as reason:
        why = reason.text
    for name, write in parts:
        for kind in kinds:
            id = f"{analysis.id}.{name}.{kind.name}"
            if why is not None:
                not_done.append((id, joined(why)))
                continue
            try:
                write(pen, models, kind)
            except CannotEstimate as reason:
                not_done.append((id, joined(reason.text)))
    return not_done


def _write_gray(pen: Pen, models: _Models, kind: Kind) -> None:
    require_kind(kind, models.status)
    test = gray_test(
        models.subset.days, models.status, models.subset.exposed, cause=kind.code, strata=models.strata
    )
    section, counts = f"gray.{kind.name}", _counts(models, kind)
    for statistic, value in (("chi_square", test.chisq), ("degrees", test.df), ("p_value", test.p)):
        pen.write(statistic, value, section=section, method=test.method, **counts)


def _write_cause_specific(pen: Pen, models: _Models, kind: Kind) -> None:
    """Cox's model of one kind, events of the other kind leaving the risk set as if censored."""
    require_kind_in_arms(kind, models.status, models.subset, models.context.protocol)
    fit = fit_cox(
        models.made.x,
        models.subset.days,
        (models.status == kind.code).astype(float),
        names=models.made.columns,
        strata=models.strata,
    )
    stratified = ", stratified" if models.strata is not None else ""
    method = (
        f"cause-specific Cox, {_adjusted(models)}, Efron ties{stratified}; the other kind of event censored; "
        f"model-based SE; Wald limits {CI_LEVEL:.0%}"
    )
    coefficients = [(name, float(fit.coef[at]), fit.hazard_ratio(name)) for at, name in enumerate(fit.names)]
    _write_ratios(pen, models, kind, "cause_specific", "hazard_ratio", method, coefficients)


def _write_fine_gray(pen: Pen, models: _Models, kind: Kind) -> None:
    require_kind_in_arms(kind, models.status, models.subset, models.context.protocol)
    fit = fit_fine_gray(
        models.made.x,
        models.subset.days,
        models.status,
        cause=kind.code,
        variant="crr",
        names=models.made.columns,
    )
    unstratified = ", not stratified: crr has no strata" if models.strata is not None else ""
    method = (
        f"Fine-Gray, {_adjusted(models)}, variant crr (cmprsk){unstratified}; sandwich SE with estimated censoring "
        f"weights, one censoring curve for both arms; Wald limits {CI_LEVEL:.0%}"
    )
    coefficients = [(name, float(fit.coef[at]), fit.hazard_ratio(at)) for at, name in enumerate(fit.names)]
    _write_ratios(pen, models, kind, "fine_gray", "subdistribution_hazard_ratio", method, coefficients)


def _write_ratios(
    pen: Pen,
    models: _Models,
    kind: Kind,
    section: str,
    statistic: str,
    method: str,
    coefficients: list[tuple[str, float, Estimate]],
) -> None:
    counts = _counts(models, kind)
    few = counts["events"] < EVENTS_FOR_EACH_TERM * len(coefficients)
    warnings = [joined(FEW_EVENTS.about())] if few else []
    for name, coef, ratio in coefficients:
        values: tuple[tuple[str, Value, tuple[float | None, float | None] | None], ...] = (
            (statistic, ratio.value, (ratio.lower, ratio.upper)),
            ("coefficient", coef, None),
            ("standard_error", ratio.se, None),
            ("p_value", ratio.p, None),
        )
        for what, value, limits in values:
            pen.write(
                what,
                value,
                section=f"{section}.{kind.name}",
                variable=name,
                limits=limits,
                method=method,
                warnings=warnings if what == statistic else (),
                **counts,
            )


def _adjusted(models: _Models) -> str:
    return "adjusted" if models.analysis.covariates else "crude"


def _counts(models: _Models, kind: Kind) -> Counts:
    return {"n": len(models.status), "events": int((models.status == kind.code).sum())}
