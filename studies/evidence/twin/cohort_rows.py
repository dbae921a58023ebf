"""Rows that let a subject into the cohort. The twin's subjects are in the lock, so each has met the criteria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from studies.cohorts.definition import CodeTest, Events, Related, Test
from studies.cohorts.tables import EventTable, load_model
from studies.evidence.twin.draw import Draw
from studies.protocol import Cohort, DefinedCohort, Protocol, Records
from studies.protocol_rows import MODEL
from studies.tables import EVENT_TABLES

Row = tuple[str, dict[str, Any]]  # table, values by column
Code = tuple[str, str, str]  # table, system, code
_OTHER_CODE = ("urn:synthetic", "SYNTHETIC")  # a row without any code passes no test of codes
_FAR = 30  # days, where a window is open
_KINDS = {str: "text", int: "number", float: "number"}


def record_row(records: Records, day: int, draw: Draw, status: str = "") -> Row:
    """A row that `records` selects, or one with another status."""
    spec = EVENT_TABLES[records.table]
    values = {
        spec.system: records.code_system,
        spec.code: draw.one_of(records.codes),
        spec.day: day,
        spec.status: status or draw.one_of(records.statuses),
    }
    return records.table, values


def tables_of(protocol: Protocol) -> Iterator[tuple[str, dict[str, str]]]:
    """Every table that the cohort speaks of, with the columns that its conditions read."""
    if isinstance(protocol.cohort, Cohort):
        yield protocol.cohort.index.table, {}
        yield from ((one.records.table, {}) for one in protocol.cohort.criteria if one.records)
        return
    for events in _all_events(protocol.cohort):
        table, values = event_row(events, 0, Draw(0), frozenset())
        yield table, {name: _kind(name, value) for name, value in values.items()}


def _kind(name: str, value: Any) -> str:
    return "whole" if name.endswith("_day") else _KINDS.get(type(value), "text")


def _all_events(cohort: DefinedCohort) -> Iterator[Events]:
    yield from cohort.definition.entry.events
    yield from (one.events for one in _required(cohort))


def entry_codes(protocol: Protocol) -> frozenset[Code]:
    """What the index event may be: an exposure among these, on day 0, is one."""
    if isinstance(protocol.cohort, Cohort):
        return codes_of(protocol.cohort.index)
    found: set[Code] = set()
    for events in protocol.cohort.definition.entry.events:
        source = load_model(MODEL).table(events.table).source
        found |= {(source, *pair) for one in events.codes if not one.excluded for pair in one.codes.pairs}
    return frozenset(found)


def entry_day(protocol: Protocol) -> int:
    """On which day of the lock the index event lies: before day 0 where the definition moves the index."""
    if isinstance(protocol.cohort, Cohort):
        return 0
    return -_moved(protocol.cohort.definition.entry.events[0])


def _moved(events: Events) -> int:
    return events.shift.start_days if events.shift else 0


def codes_of(records: Records) -> frozenset[Code]:
    return frozenset((records.table, records.code_system, code) for code in records.codes)


def rows_of(protocol: Protocol, avoid: frozenset[Code], has_entry: bool, draw: Draw) -> Iterator[Row]:
    """The index event and what the criteria require.

    avoid     -- what makes an arm: nobody gets it by chance
    has_entry -- the subject's exposure was the index event
    """
    if not has_entry:
        yield from _entry(protocol, avoid, draw)
    if isinstance(protocol.cohort, Cohort):
        for one in protocol.cohort.criteria:
            if one.kind == "record" and one.records is not None and one.present:
                yield record_row(one.records, draw.between(*one.days), draw)
        return
    for related in _required(protocol.cohort):
        yield event_row(related.events, _day_in(related, draw), draw, avoid)


def _entry(protocol: Protocol, avoid: frozenset[Code], draw: Draw) -> Iterator[Row]:
    if isinstance(protocol.cohort, Cohort):
        index = protocol.cohort.index
        free = tuple(code for table, system, code in sorted(codes_of(index) - avoid))
        if free:
            yield record_row(replace(index, codes=free), 0, draw)
        return
    entry = draw.one_of(protocol.cohort.definition.entry.events)
    table, values = event_row(entry, -_moved(entry), draw, avoid)
    spec = load_model(MODEL).table(entry.table)
    pairs = [spec.codes[one.column] for one in entry.codes if not one.excluded]
    if not any((table, values.get(system, ""), values[code]) in avoid for system, code in pairs):
        yield table, values


def _required(cohort: DefinedCohort) -> Iterator[Related]:
    """The events that every rule asks to be there. A rule that counts otherwise is left to the cohort's own tests."""
    for rule in cohort.definition.rules:
        if rule.group.operator == "all":
            yield from (
                one
                for one in rule.group.related
                if one.count.operator == "at_least" and one.count.number == 1
            )


def _day_in(related: Related, draw: Draw) -> int:
    window = related.windows[0] if related.windows else None
    if window is None:
        return 0
    low, high = (
        bound.days if bound.days is not None else bound.side * _FAR for bound in (window.start, window.end)
    )
    return draw.between(min(low, high), max(low, high))


def event_row(events: Events, day: int, draw: Draw, avoid: frozenset[Code]) -> Row:
    """A row of the study's tables that a query of the cohort language would find."""
    spec = load_model(MODEL).table(events.table)
    values: dict[str, Any] = {f"{spec.start.removesuffix('_date')}_day": day}
    for one in events.codes:
        values |= _coded(one, spec, avoid, draw)
    for test in events.tests:
        if test.column in spec.columns:
            values[spec.columns[test.column]] = _passing(test, draw)
    return spec.source, values


def _coded(test: CodeTest, spec: EventTable, avoid: frozenset[Code], draw: Draw) -> dict[str, Any]:
    system, code = spec.codes[test.column]
    pairs = sorted(pair for pair in test.codes.pairs if (spec.source, *pair) not in avoid)
    chosen = _OTHER_CODE if test.excluded else draw.one_of(pairs or sorted(test.codes.pairs))
    return {code: chosen[1]} | ({system: chosen[0]} if system else {})


def _passing(test: Test, draw: Draw) -> str | int | float | None:
    """A value that passes the test, where one can be made from its own values."""
    numbers = [one for one in test.values if isinstance(one, int | float)]
    if test.operator in ("eq", "in"):
        return draw.one_of(test.values)
    if test.operator in ("ge", "le", "between") and numbers:
        return numbers[0]
    if test.operator in ("gt", "lt") and numbers:
        return numbers[0] + (1 if test.operator == "gt" else -1)
    if test.operator in ("starts", "ends", "contains"):
        return test.values[0]
    return None
