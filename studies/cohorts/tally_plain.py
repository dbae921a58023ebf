"""The counts behind every step, from plain rows: slow, short, and what the engine's must be equal to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from studies.cohorts.characteristics import AGE, FOLLOW_UP, OF_PATIENT
from studies.cohorts.definition import Cohort
from studies.cohorts.patient_keys import PatientWeights
from studies.cohorts.plain import PlainEngine, cut, eras, pick
from studies.cohorts.plain_values import Row, completed_years, day_or_none
from studies.cohorts.tables import PATIENT
from studies.cohorts.tally import Reached, Stage, Tally, count_who, stages

Found = tuple[tuple[Any, date | None], ...]  # patient and day of what is left past a stage


def patients_of(engine: PlainEngine) -> set[Any]:
    """The patients in the store: those of the patient table and those with an observation period."""
    patient = engine.model.lookups[PATIENT]
    source, column, *_ = engine.model.observation
    return {
        *(row[patient.key] for row in engine.tables.get(patient.source, ())),
        *(row[column] for row in engine.tables.get(source, ())),
    } - {None}


def tally(
    engine: PlainEngine, cohort: Cohort, weights: PatientWeights | None = None, *, counts_only: bool = False
) -> Tally:
    """How far each patient gets. See `tally.Tally`."""
    there = patients_of(engine)
    reached = {patient: Reached(0, None) for patient in there}
    left = {}
    for number, found in enumerate(_left_past(engine, cohort), 1):
        left[number] = len(found)
        first = _first_days(found)
        reached |= {patient: Reached(number, day) for patient, day in first.items() if patient in there}
    stopped = Counter(one.stage for one in reached.values())
    keys: Counter[int] = Counter()
    for patient, one in reached.items():
        keys[one.stage] += weights.of(patient) if weights and one.stage else 0
    if counts_only:
        return Tally(dict(stopped), {}, {}, None, dict(keys))
    rows = tuple((one.patient, one.start.isoformat(), one.end.isoformat()) for one in engine.cohort(cohort))
    number_of = weights.of if weights else lambda patient: 0
    who, cells = count_who(engine.model, reached, _said(engine, reached), number_of)
    return Tally(dict(stopped), left, who, rows, dict(keys), cells)


def _first_days(found: Found) -> dict[Any, date | None]:
    """The first known day of each patient; None where none is known."""
    first: dict[Any, date | None] = {}
    for patient, day in found:
        earlier = first.get(patient)
        first[patient] = min(earlier, day) if earlier and day else (earlier or day)
    return first


def _left_past(engine: PlainEngine, cohort: Cohort) -> Iterator[Found]:
    """What is left past each stage after the first, in order."""
    tables = [engine.model.table(wanted.table) for wanted in cohort.entry.events]
    days = tuple(
        (row[table.patient], day_or_none(row.get(table.start)))
        for table, wanted in zip(tables, cohort.entry.events, strict=True)
        for row in engine.coded_rows(wanted)
    )
    items: list[Any] = [
        event for number, wanted in enumerate(cohort.entry.events) for event in engine.events(wanted, number)
    ]
    for stage in stages(cohort)[1:]:
        if stage.kind == "recorded":
            yield days
        elif stage.kind == "dated":
            yield tuple((patient, day) for patient, day in days if day)
        else:
            items = past_stage(engine, cohort, stage, items)
            yield tuple((item.patient, item.start) for item in items)


def past_stage(engine: PlainEngine, cohort: Cohort, stage: Stage, items: list[Any]) -> list[Any]:
    """What of the events or intervals is left past one more stage."""
    if stage.kind == "entry":
        return items
    if stage.kind == "observed":
        return list(engine.watched(cohort.entry))
    if stage.kind == "qualify":
        return [event for event in items if engine.holds(cohort.qualify, event)]
    if stage.kind == "rule":
        group = cohort.rules[stage.number].group
        return [event for event in items if engine.holds(group, event)]
    if stage.kind == "exit":
        return list(engine.exits(cohort, items))
    if stage.kind == "era":
        return list(eras(items, cohort.era_gap_days))
    if stage.kind == "window":
        return list(cut(items, cohort.window))
    limit = {
        "entry_limit": cohort.entry.limit,
        "qualify_limit": cohort.qualify_limit,
        "limit": cohort.limit,
    }[stage.kind]
    return list(pick(items, limit))


def _said(engine: PlainEngine, reached: Mapping[Any, Reached]) -> dict[Any, dict[str, Any]]:
    """Of each patient sex, hospital, age at index and the last day observed; of several rows the smallest value."""
    patient = engine.model.lookups[PATIENT]
    rows: dict[Any, list[Row]] = defaultdict(list)
    for row in engine.tables.get(patient.source, ()):
        rows[row[patient.key]].append(row)
    said = {}
    for one, at in reached.items():
        of_patient = {
            name: _least(row.get(patient.columns[column]) for row in rows[one])
            for name, column in OF_PATIENT.items()
            if column in patient.columns
        }
        born = [_least(row.get(column) for row in rows[one]) for column in engine.model.birth]
        of_patient[AGE] = completed_years(_birth(born), at.index) if at.index else None
        of_patient[FOLLOW_UP] = max((last for _, last in engine.observed.get(one, ())), default=None)
        said[one] = of_patient
    return said


def _least(values: Iterable[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)


def _birth(born: list[Any]) -> tuple[int, int, int] | None:
    """Year, month and day; what is not recorded of month and day counts as 1."""
    if len(born) == 1:
        day = day_or_none(born[0])
        return None if day is None else (day.year, day.month, day.day)
    if born[0] is None:
        return None
    year, month, day_of_month = (1 if one is None else int(one) for one in born)
    return year, month, day_of_month
