"""Why is this patient in, or out? The path through a definition, step by step, with the rows that decided.

Read with the plain engine on this patient's rows alone, whichever engine they come from: the same meaning as the
attrition's, shown instead of counted. What it gives is patient-level: for those who may see it, and logged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Cohort, Count, Events, Group, Related, Test
from studies.cohorts.one_patient import of_one_patient
from studies.cohorts.plain import Event, Interval, PlainEngine
from studies.cohorts.plain_values import Row, compare, day_or_none
from studies.cohorts.steps import REASONS, STORE, WITHDRAWN, WITHDRAWN_REASON, AnyEngine
from studies.cohorts.tables import EventTable
from studies.cohorts.tally import Stage, stages
from studies.cohorts.tally_plain import past_stage, patients_of

MOST_ROWS = 50  # of the rows that counted for one condition; `counted` says how many there were


@dataclass(frozen=True)
class RowSeen:
    """A row of the store: its table, its key, its day (as written where it is no day) and its code.

    `end_date` and `days` are the event's; an interval of the cohort has neither table nor key.
    """

    table: str
    key: tuple[str, ...]
    date: str
    end_date: str = ""
    code: str = ""


@dataclass(frozen=True)
class TestSeen:
    """A test and what the row, or the patient, says in that column; None: nothing is recorded."""

    column: str
    operator: str
    values: tuple[Any, ...]
    found: Any
    passed: bool


@dataclass(frozen=True)
class Looked:
    """A condition and what decided it.

    kind    -- "events": how many related events there were; "patient": tests; "row": tests on the event's own row;
               "observed": days that must be observed; or how `parts` are joined: all, any, at_least, at_most
    windows -- (first day, last day) looked at, "" where open
    counted -- of "events" how many; of a group how many of its parts hold. `operator` and `needed`: against what
    line    -- in the definition's text; 0 where there is none
    """

    kind: str
    held: bool
    windows: tuple[tuple[str, str], ...] = ()
    counted: int | None = None
    operator: str = ""
    needed: int | None = None
    rows: tuple[RowSeen, ...] = ()
    tests: tuple[TestSeen, ...] = ()
    parts: tuple[Looked, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Judged:
    """One event, or interval, that came to a step: whether it is left past it, and why."""

    row: RowSeen
    held: bool
    why: Looked | None = None


@dataclass(frozen=True)
class PathStep:
    """A step as the attrition names it; `passed` None: the patient had left before."""

    id: str
    kind: str
    reason: Bilingual
    passed: bool | None
    judged: tuple[Judged, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Explanation:
    """
    in_store  -- False: no patient of that name; nothing else is said then
    left_at   -- the step at which the patient left; "" for one who is in the cohort
    intervals -- first and last day of each interval in the cohort
    """

    patient_id: str
    in_store: bool
    included: bool
    left_at: str
    steps: tuple[PathStep, ...]
    intervals: tuple[tuple[str, str], ...]


def explain(
    engine: AnyEngine, cohort: Cohort, patient_id: str, excluding: Collection[Any] | None = None
) -> Explanation:
    """The path of one patient. Of one whose consent was withdrawn (`excluding`) only that they are there is read."""
    withdrawn = str(patient_id) in {str(one) for one in excluding or ()}
    own = of_one_patient(engine, cohort, str(patient_id), known_only=withdrawn)
    if not patients_of(own):
        return Explanation(str(patient_id), False, False, "", (), ())
    if withdrawn:
        step = PathStep(WITHDRAWN, WITHDRAWN, WITHDRAWN_REASON, False)
        return Explanation(str(patient_id), True, False, WITHDRAWN, (step,), ())
    return _Path(own, cohort).walk(str(patient_id))


class _Path:
    def __init__(self, engine: PlainEngine, cohort: Cohort) -> None:
        self.engine = engine
        self.cohort = cohort

    def walk(self, patient_id: str) -> Explanation:
        steps = [PathStep(STORE, STORE, REASONS["store"], True)]
        items: list[Any] = []
        left_at = ""
        for stage in stages(self.cohort)[1:]:
            if left_at:
                steps.append(self._step(stage, None, ()))
                continue
            judged, items = self._judged(stage, items)
            steps.append(self._step(stage, bool(items), judged))
            left_at = "" if items else steps[-1].id
        intervals = () if left_at else tuple((one.start.isoformat(), one.end.isoformat()) for one in items)
        return Explanation(patient_id, True, not left_at, left_at, tuple(steps), intervals)

    def _step(self, stage: Stage, passed: bool | None, judged: tuple[Judged, ...]) -> PathStep:
        if stage.kind == "rule":
            rule = self.cohort.rules[stage.number]
            return PathStep(rule.id, "rule", rule.reason, passed, judged, rule.line)
        return PathStep(stage.kind, stage.kind, REASONS[stage.kind], passed, judged)

    def _judged(self, stage: Stage, items: list[Any]) -> tuple[tuple[Judged, ...], list[Any]]:
        """What came to a stage, and what is left past it."""
        if stage.kind in ("recorded", "dated", "entry"):
            return self._of_rows(stage.kind)
        left = past_stage(self.engine, self.cohort, stage, items)
        if stage.kind in ("era", "window"):
            return tuple(Judged(_interval(one), True) for one in left), left
        if stage.kind == "exit":
            stayed = {(one.patient, one.start) for one in left}
            return tuple(Judged(_seen(one), (one.patient, one.start) in stayed) for one in items), left
        if stage.kind == "observed":
            return tuple(self._observed(one, left) for one in items), left
        group = self.cohort.qualify if stage.kind == "qualify" else None
        group = self.cohort.rules[stage.number].group if stage.kind == "rule" else group
        kept = {id(one) for one in left}
        return tuple(
            Judged(_seen(one), id(one) in kept, None if group is None else self._looked(group, one))
            for one in items
        ), left

    # -- the rows of the entry ---------------------------------------------------------------------

    def _of_rows(self, kind: str) -> tuple[tuple[Judged, ...], list[Any]]:
        judged: list[Judged] = []
        left: list[Any] = []
        for number, wanted in enumerate(self.cohort.entry.events):
            table = self.engine.model.table(wanted.table)
            coded = self.engine.coded_rows(wanted)
            days = [row for row in coded if day_or_none(row.get(table.start))]
            if kind == "recorded":
                judged += [Judged(_row(row, table), True) for row in coded]
                left += coded
            elif kind == "dated":
                judged += [Judged(_row(row, table), any(row is one for one in days)) for row in coded]
                left += days
            else:
                events = self.engine.events(wanted, number)
                judged += [self._entry(wanted, row, events) for row in days]
                left += events
        return tuple(judged), left

    def _entry(self, wanted: Events, row: Row, events: Sequence[Event]) -> Judged:
        table = self.engine.model.table(wanted.table)
        event = next((one for one in events if one.row is row), None)
        as_read = self.engine.as_event(wanted, row)
        if as_read is None:
            return Judged(_row(row, table), False, Looked("row", False, line=wanted.line))
        tests = tuple(self._test(test, as_read) for test in wanted.tests)
        parts: tuple[Looked, ...] = ()
        if wanted.within and not wanted.within.empty:
            watched = list(self.engine.with_observation([self.engine.with_dates(wanted, as_read)]))
            parts = tuple(self._looked(wanted.within, one) for one in watched)
        why = Looked("row", event is not None, tests=tests, parts=parts, line=wanted.line)
        return Judged(_seen(event) if event else _row(row, table), event is not None, why)

    def _observed(self, event: Event, left: Sequence[Event]) -> Judged:
        entry = self.cohort.entry
        held = any(one.row is event.row and one.start == event.start for one in left)
        needed = (event.start - timedelta(entry.days_before), event.start + timedelta(entry.days_after))
        periods = tuple(
            RowSeen(self.engine.model.observation[0], (), first.isoformat(), last.isoformat())
            for first, last in self.engine.observed.get(event.patient, ())
        )
        why = Looked(
            "observed", held, windows=((needed[0].isoformat(), needed[1].isoformat()),), rows=periods
        )
        return Judged(_seen(event), held, why)

    # -- conditions --------------------------------------------------------------------------------

    def _looked(self, group: Group, index: Event) -> Looked:
        parts = (
            *(self._related(one, index) for one in group.related),
            *(self._about(tests, index) for tests in group.about_patient),
            *(self._looked(one, index) for one in group.groups),
        )
        needed = {"all": len(parts), "any": 1}.get(group.operator, group.number)
        counted = sum(part.held for part in parts)
        held = self.engine.holds(group, index)
        return Looked(
            group.operator, held, counted=counted, operator=group.operator, needed=needed, parts=parts
        )

    def _about(self, tests: Sequence[Test], index: Event) -> Looked:
        seen = tuple(self._test(test, index) for test in tests)
        return Looked("patient", all(one.passed for one in seen), tests=seen)

    def _related(self, related: Related, index: Event) -> Looked:
        found = self.engine.related(related, index)
        windows = tuple(self.engine.days_of(window, index, related.observed) for window in related.windows)
        count: Count = related.count
        return Looked(
            "events",
            self.engine.enough(count, found),
            windows=tuple((_text(first), _text(last)) for first, last in windows),
            counted=self.engine.number(count, found),
            operator=count.operator,
            needed=count.number,
            rows=tuple(_seen(one) for one in found[:MOST_ROWS]),
            line=related.line,
        )

    def _test(self, test: Test, event: Event) -> TestSeen:
        value = self.engine.value(test.column, event)
        said = value.isoformat() if isinstance(value, date) else value
        return TestSeen(test.column, test.operator, test.values, said, compare(test, value))


def _row(row: Row, table: EventTable) -> RowSeen:
    """A row as stored. Its date stands as it is written: that it is a month is what one wants to see."""
    written = row.get(table.start)
    return RowSeen(
        table.name, _key(row, table), "" if written is None else str(written), "", _code(row, table)
    )


def _seen(event: Event | Interval) -> RowSeen:
    if isinstance(event, Interval):
        return _interval(event)
    row = _row(event.row, event.table)
    return replace(row, date=event.start.isoformat(), end_date=_text(event.end))


def _interval(one: Interval) -> RowSeen:
    return RowSeen("", (), one.start.isoformat(), one.end.isoformat())


def _key(row: Row, table: EventTable) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in table.id)


def _code(row: Row, table: EventTable) -> str:
    if "code" not in table.codes:
        return ""
    value = row.get(table.codes["code"][1])
    return "" if value is None else str(value)


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()
