"""The definition run on plain rows, one rule after another: slow, short, and the meaning of the language.

The engine (`engine.py`) must give the same rows; a property test draws definitions and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from studies.cohorts.definition import (
    Bound,
    Cohort,
    Count,
    Entry,
    Events,
    ExposureExit,
    FixedExit,
    Group,
    Pick,
    Related,
    Test,
    Window,
)
from studies.cohorts.open_ends import never_ended
from studies.cohorts.plain_values import (
    Row,
    compare,
    completed_years,
    day_or_none,
    end_of,
    has_code,
    known_day,
    recorded,
    years_apart,
)
from studies.cohorts.tables import PATIENT, VISIT, EventTable, Model

Tables = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Event:
    """Something that happened to a patient. `row` is the row it was read from.

    end     -- None where it is not known: no test of it passes
    open_to -- of an event that has not ended, the last day on which its patient is observed
    """

    patient: Any
    start: date
    end: date | None
    order: tuple[Any, ...]  # breaks ties of one day
    visit: Any
    row: Row
    table: EventTable
    first_observed: date = date.min
    last_observed: date = date.max
    open_to: date | None = None

    @property
    def until(self) -> date | None:
        """The last day on which it is known to go on: its end, or as far as its patient is observed."""
        if self.end is not None or self.open_to is None or self.open_to < self.start:
            return self.end
        return self.open_to


@dataclass(frozen=True)
class Interval:
    patient: Any
    start: date
    end: date


class PlainEngine:
    """One definition after another over tables that fit into memory: {table: [row as a dict, ...]}."""

    def __init__(self, model: Model, tables: Tables) -> None:
        self.model = model
        self.found: dict[Events, dict[Any, list[Event]]] = {}  # asked about every index event: kept
        self.tables = tables
        self.lookups = {
            name: {row[one.key]: row for row in tables.get(one.source, ())}
            for name, one in model.lookups.items()
        }
        self.observed: dict[Any, list[tuple[date, date]]] = {}
        source, patient, first, last = model.observation
        for row in tables.get(source, ()):
            self.observed.setdefault(row[patient], []).append((known_day(row[first]), known_day(row[last])))

    def cohort(self, cohort: Cohort) -> list[Interval]:
        """The patients' intervals, by patient and start."""
        rows = self.exits(cohort, self.included(cohort))
        return cut(eras(rows, cohort.era_gap_days), cohort.window)

    def exits(self, cohort: Cohort, included: Iterable[Event]) -> list[Interval]:
        """From each included event to the earliest exit that is not before it; without one there is no interval."""
        ends = [(event, self._exit(cohort, event)) for event in included]
        return [Interval(event.patient, event.start, end) for event, end in ends if end is not None]

    def included(self, cohort: Cohort) -> list[Event]:
        """The entry events that pass every rule."""
        events = self.qualified(cohort)
        events = [event for event in events if all(self.holds(rule.group, event) for rule in cohort.rules)]
        return pick(events, cohort.limit)

    def qualified(self, cohort: Cohort) -> list[Event]:
        """The entry events that the inclusion rules are asked about."""
        events = self.entries(cohort.entry)
        return pick([event for event in events if self.holds(cohort.qualify, event)], cohort.qualify_limit)

    def entries(self, entry: Entry) -> list[Event]:
        """The events that may let a patient in."""
        return pick(self.watched(entry), entry.limit)

    def watched(self, entry: Entry) -> list[Event]:
        """The entry events with enough observation around them, before the limit."""
        found = [
            event
            for number, events in enumerate(entry.events)
            for event in self.with_observation(self.events(events, number))
            if event.first_observed + timedelta(entry.days_before) <= event.start
            and event.start + timedelta(entry.days_after) <= event.last_observed
        ]
        return pick(found, "all")

    # -- events ------------------------------------------------------------------------------------

    def events(self, wanted: Events, number: int = 0) -> list[Event]:
        """The events that a query selects, by patient, day and id."""
        table = self.model.table(wanted.table)
        found = [self._event(table, row, number) for row in self.coded_rows(wanted)]
        coded = [event for event in found if event]
        if wanted.first:
            coded = pick(coded, "first")
        if wanted.shift:
            coded = [moved for event in coded if (moved := _shifted(event, wanted))]
        chosen = [event for event in coded if all(self.passes(test, event) for test in wanted.tests)]
        chosen = [_dated(event, wanted.dates) for event in chosen]
        if wanted.within and not wanted.within.empty:
            chosen = [event for event in chosen if self._holds_within(wanted.within, event)]
        return pick(chosen, wanted.pick)

    def coded_rows(self, wanted: Events) -> list[Row]:
        """The rows that a query's codes select, also those whose day is not known."""
        table = self.model.table(wanted.table)
        rows = self.tables.get(table.source, ())
        return [row for row in rows if all(has_code(row, table, one) for one in wanted.codes)]

    def _of_patient(self, wanted: Events, patient: Any) -> list[Event]:
        if wanted not in self.found:
            of_patients = groupby(self.events(wanted), key=lambda event: event.patient)
            self.found[wanted] = {patient: list(events) for patient, events in of_patients}
        return self.found[wanted].get(patient, [])

    def _holds_within(self, group: Group, event: Event) -> bool:
        return any(self.holds(group, watched) for watched in self.with_observation([event]))

    def as_event(self, wanted: Events, row: Row) -> Event | None:
        """A row whose day is known, as the tests of a query read it; None where it is moved to no known day."""
        event = self._event(self.model.table(wanted.table), row, 0)
        if event is None:
            raise ValueError("only a row whose day is known is an event")
        return _shifted(event, wanted) if wanted.shift else event

    def with_dates(self, wanted: Events, event: Event) -> Event:
        """The event with the dates that stand for its own once the tests are made."""
        return _dated(event, wanted.dates)

    def _event(self, table: EventTable, row: Row, number: int) -> Event | None:
        start = day_or_none(row.get(table.start))
        if start is None:
            return None
        end = next((day for one in table.ends if (day := end_of(one, row, start)) is not None), None)
        end = start if end is None and not table.open_end else end
        open_to = self._last_observed(row[table.patient]) if never_ended(row, table) else None
        ids = tuple(row[name] for name in table.id)
        order = (*ids, number) if self.model.ties == "id" else (number, *ids)
        visit = row.get(table.visit) if table.visit else None
        return Event(row[table.patient], start, end, order, visit, row, table, open_to=open_to)

    def _last_observed(self, patient: Any) -> date | None:
        return max((last for _, last in self.observed.get(patient, ())), default=None)

    def with_observation(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            for first, last in self.observed.get(event.patient, ()):
                if first <= event.start <= last:
                    yield replace(event, first_observed=first, last_observed=last)

    # -- conditions --------------------------------------------------------------------------------

    def holds(self, group: Group, index: Event) -> bool:
        """Whether a group of conditions holds for an index event."""
        if group.empty:
            return True
        answers = [
            *(self._counted(one, index) for one in group.related),
            *(all(self.passes(test, index) for test in tests) for tests in group.about_patient),
            *(self.holds(one, index) for one in group.groups),
        ]
        wanted = {"all": len(answers), "any": 1}.get(group.operator, group.number)
        return sum(answers) <= wanted if group.operator == "at_most" else sum(answers) >= wanted

    def _counted(self, related: Related, index: Event) -> bool:
        return self.enough(related.count, self.related(related, index))

    def related(self, related: Related, index: Event) -> list[Event]:
        """The events that count for a condition about an index event."""
        found = [
            event
            for event in self._of_patient(related.events, index.patient)
            if (not related.observed or index.first_observed <= event.start <= index.last_observed)
            and (not related.same_visit or (event.visit is not None and event.visit == index.visit))
            and all(self._inside(window, event, index, related.observed) for window in related.windows)
        ]
        return [
            one for one in pick(found, related.of) if all(self.passes(test, one) for test in related.then)
        ]

    def days_of(self, window: Window, index: Event, observed: bool) -> tuple[date | None, date | None]:
        """The first and the last day of a window around an index event; None where it is open."""
        origin = index.start if window.index == "start" else index.end
        return _edge(window.start, origin, index, observed), _edge(window.end, origin, index, observed)

    def _inside(self, window: Window, event: Event, index: Event, observed: bool) -> bool:
        day = event.start if window.event == "start" else event.end
        counted = window.start.days is not None or window.end.days is not None
        if day is None or (counted and window.index == "end" and index.end is None):
            return False
        first, last = self.days_of(window, index, observed)
        return (first is None or first <= day) and (last is None or day <= last)

    def number(self, count: Count, found: Sequence[Event]) -> int:
        """How many there are of what is counted: events, or different values of a column."""
        if not count.distinct:
            return len(found)
        return len({value for one in found if (value := self._distinct(count.distinct, one)) is not None})

    def enough(self, count: Count, found: Sequence[Event]) -> bool:
        number = self.number(count, found)
        return {
            "at_least": number >= count.number,
            "at_most": number <= count.number,
            "exactly": number == count.number,
        }[count.operator]

    def _distinct(self, column: str, event: Event) -> Any:
        if column in event.table.codes:
            return event.row.get(event.table.codes[column][1])
        return event.visit if column == "visit" else self.value(column, event)

    def passes(self, test: Test, event: Event) -> bool:
        return compare(test, self.value(test.column, event))

    def value(self, column: str, event: Event) -> Any:
        """What a test's column says of an event; None where nothing is recorded."""
        if column in _DERIVED:
            return _DERIVED[column](self, event)
        scope, _, name = column.rpartition(".")
        if not scope:
            return recorded(event.row, event.table, name)
        lookup = self.model.lookups[scope]
        row = self._named(scope, event)
        return None if row is None else row.get(lookup.columns[name])

    def _named(self, scope: str, event: Event) -> Row | None:
        """The patient, visit, provider or site that an event's row names."""
        lookup = self.model.lookups[scope]
        column = event.table.link(scope)
        key = {PATIENT: event.patient, VISIT: event.visit}.get(
            scope, event.row.get(column) if column else None
        )
        row = self.lookups[scope].get(key)
        own = row is None or not lookup.patient or row.get(lookup.patient) == event.patient
        return row if own else None

    def born(self, event: Event) -> tuple[int, int, int] | None:
        """Year, month and day of birth; what is not recorded of the month and day counts as 1."""
        row = self._named(PATIENT, event)
        if row is None:
            return None
        if len(self.model.birth) == 1:
            born = day_or_none(row.get(self.model.birth[0]))
            return None if born is None else (born.year, born.month, born.day)
        year, month, day = (row.get(name) for name in self.model.birth)
        return None if year is None else (year, month or 1, day or 1)

    # -- exit --------------------------------------------------------------------------------------

    def _exit(self, cohort: Cohort, event: Event) -> date | None:
        ends = [] if isinstance(cohort.exit, FixedExit) else [event.last_observed]
        if isinstance(cohort.exit, FixedExit):
            base = event.start if cohort.exit.side == "start" else event.until or event.start
            ends.append(min(base + timedelta(cohort.exit.days), event.last_observed))
        elif isinstance(cohort.exit, ExposureExit):
            ends += [
                era.end
                for era in self._exposures(cohort.exit, event.patient)
                if era.start <= event.start <= era.end
            ]
        for censor in cohort.censors:
            ends += [
                one.start
                for one in self._of_patient(censor, event.patient)
                if event.start <= one.start <= event.last_observed
            ]
        ends = [end for end in ends if end >= event.start]
        return min(ends) if ends else None

    def _exposures(self, exit: ExposureExit, patient: Any) -> list[Interval]:
        rows = []
        for one in (one for exposure in exit.exposure for one in self._of_patient(exposure, patient)):
            end = one.until or one.start
            end = end if exit.supply_days is None else one.start + timedelta(exit.supply_days)
            rows.append(Interval(patient, one.start, end + timedelta(exit.extra_days)))
        return eras(rows, exit.gap_days)


_DERIVED: Mapping[str, Callable[[PlainEngine, Event], Any]] = {
    "start_date": lambda engine, event: event.start.isoformat(),
    "end_date": lambda engine, event: event.end and event.end.isoformat(),
    "days": lambda engine, event: event.until and (event.until - event.start).days,
    "age": lambda engine, event: completed_years(engine.born(event), event.start),
    "age_at_end": lambda engine, event: completed_years(engine.born(event), event.end),
    "calendar_age": lambda engine, event: years_apart(engine.born(event), event.start),
    "calendar_age_at_end": lambda engine, event: years_apart(engine.born(event), event.end),
}


def pick(events: Iterable[Event], pick: Pick) -> list[Event]:
    """All, or each patient's first or last; of one day the one with the smallest id is the first and the last."""
    ordered = sorted(events, key=lambda event: (event.patient, event.start, event.order))
    if pick == "all":
        return ordered
    chosen = []
    for _, of_patient in groupby(ordered, key=lambda event: event.patient):
        rows = list(of_patient)
        day = rows[0].start if pick == "first" else rows[-1].start
        chosen.append(next(row for row in rows if row.start == day))
    return chosen


def _shifted(event: Event, wanted: Events) -> Event | None:
    """The event on its other days; None where it would begin with an end that is not known."""
    shift = wanted.shift
    assert shift is not None  # noqa: S101 - asked only where there is one
    dates = {"start": event.start, "end": event.end}
    start, end = dates[shift.start_from], dates[shift.end_from]
    if start is None:
        return None
    return replace(
        event,
        start=start + timedelta(shift.start_days),
        end=None if end is None else end + timedelta(shift.end_days),
    )


def _dated(event: Event, dates: tuple[str, str]) -> Event:
    start, end = (date.fromisoformat(day) if day else None for day in dates)
    return replace(event, start=start or event.start, end=end or event.end)


def _edge(bound: Bound, origin: date | None, index: Event, observed: bool) -> date | None:
    if bound.days is not None:
        return None if origin is None else origin + timedelta(bound.days)
    if not observed:
        return None
    return index.first_observed if bound.side == -1 else index.last_observed


def eras(rows: Iterable[Interval], gap_days: int) -> list[Interval]:
    """Intervals that overlap, or begin at most `gap_days` after the end of what was before, become one."""
    eras: list[Interval] = []
    for row in sorted(rows, key=lambda row: (row.patient, row.start, row.end)):
        last = eras[-1] if eras and eras[-1].patient == row.patient else None
        if last and row.start <= last.end + timedelta(gap_days):
            eras[-1] = replace(last, end=max(last.end, row.end))
        else:
            eras.append(row)
    return eras


def cut(eras: Iterable[Interval], window: tuple[str, str]) -> list[Interval]:
    first, last = window
    cut = [
        replace(
            era,
            start=max(era.start, date.fromisoformat(first)) if first else era.start,
            end=min(era.end, date.fromisoformat(last)) if last else era.end,
        )
        for era in eras
    ]
    return [era for era in cut if era.start <= era.end] if any(window) else cut
