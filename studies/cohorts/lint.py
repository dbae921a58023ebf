"""What is wrong with a cohort definition that can be read: contradictions, empty parts, looks into the future.

`error` refuses a protocol; `warning` is for a person to decide about. What each finding says is in `FINDINGS`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Cohort, Events, FixedExit, Group, Related, Test, Window
from studies.cohorts.lint_findings import FINDINGS
from studies.cohorts.lint_logic import (
    among,
    events_among,
    groups_of,
    impossible,
    impossible_in,
    must_hold,
    must_of,
    negated,
    of_index,
)
from studies.cohorts.lint_time import known_later, look_ahead
from studies.cohorts.tables import EventTable, Model, known_columns
from studies.yaml_reader import Node


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `line` is that of the definition's text, 0 where it has none."""

    code: str
    level: Literal["error", "warning"]
    line: int
    text: Bilingual
    todo: Bilingual

    def __str__(self) -> str:
        return f"{self.level} {self.code} (line {self.line}): {self.text.en}"


Raw = tuple[str, int, dict[str, object]]  # code, line, details


def lint(
    cohort: Cohort,
    model: Model,
    *,
    outcomes: Collection[str] = (),
    unsigned: Collection[str] = (),
    protocol: bool = False,
    node: Node | None = None,
) -> tuple[Finding, ...]:
    """Everything that is wrong with a definition, by line; errors and warnings.

    outcomes -- further tables that the protocol names as its outcome; those of the model are refused anyway
    unsigned -- code lists (`name@version`) that nobody has signed off
    protocol -- whether the definition gives a protocol's index dates, one a person
    node     -- the text it was read from, for the lines of parts that know none
    """
    unreadable = tuple(_unknown(cohort, model))
    found = list(unreadable)
    if not unreadable:
        found += _empty(cohort, model)
        found += _contradictions(cohort, model)
        found += _time(cohort, model)
        found += _values(cohort, model)
        found += _outcomes(cohort, frozenset(outcomes) | model.outcomes)
        found += _unsigned(cohort, frozenset(unsigned))
        found += _for_protocol(cohort) if protocol else ()
    made = {finding(code, line or _line_of(node, code), details) for code, line, details in found}
    return tuple(sorted(made, key=lambda one: (one.line, one.code, one.text)))


def errors(findings: Collection[Finding]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.level == "error")


_PART = {
    "entry_empty": "entry", "follow_up_required": "entry", "several_index_dates": "entry",
    "last_entry": "entry", "calendar_empty": "window", "window_beside_entry": "window", "exit_before_entry": "exit",
    "follow_up_in_protocol": "exit",
}  # fmt: skip


def _line_of(node: Node | None, code: str) -> int:
    """The line of the part that a finding without a line speaks of, else that of the whole definition."""
    if node is None:
        return 0
    part = _PART.get(code, "qualify")
    if code == "follow_up_in_protocol":
        part = next((key for key in ("exit", "censor", "era_gap_days", "window") if node.has(key)), part)
    return node.at(part).line if node.has(part) else node.line


def finding(code: str, line: int, details: dict[str, object]) -> Finding:
    """A finding of `FINDINGS` with its details filled in."""
    level, zh, en, todo_zh, todo_en = FINDINGS[code]
    return Finding(
        code,
        level,
        line,
        Bilingual(zh.format(**details), en.format(**details)),
        Bilingual(todo_zh.format(**details), todo_en.format(**details)),
    )


# -- names and empty parts -------------------------------------------------------------------------


def _unknown(cohort: Cohort, model: Model) -> Iterator[Raw]:
    for events in cohort.all_events():
        if events.table not in model.events:
            yield "table_unknown", events.line, {"table": events.table, "model": model.name}
            continue
        table = model.events[events.table]
        known = {*known_columns(model, table), "visit", *table.codes}
        for test in events.tests:
            if test.column not in known:
                yield "column_unknown", events.line, {"column": test.column, "table": events.table}


def _empty(cohort: Cohort, model: Model) -> Iterator[Raw]:
    if not cohort.entry.events:
        yield "entry_empty", 0, {}
    for events in cohort.entry.events:
        if model.events[events.table].codes and not any(not one.excluded for one in events.codes):
            yield "entry_without_codes", events.line, {"table": events.table}
    for events in cohort.all_events():
        for one in events.codes:
            if not one.codes.pairs:
                yield "code_list_empty", events.line, {"name": one.codes.name or "any_of"}
    for rule in cohort.rules:
        if rule.group.empty:
            yield "rule_empty", rule.line, {"id": rule.id}


# -- contradictions --------------------------------------------------------------------------------


def _contradictions(cohort: Cohort, model: Model) -> Iterator[Raw]:
    first, last = cohort.window
    if first and last and first > last:
        yield "calendar_empty", 0, {"first": first, "last": last}
    if isinstance(cohort.exit, FixedExit) and cohort.exit.days < 0:
        yield "exit_before_entry", 0, {"days": cohort.exit.days}
    for events in cohort.all_events():
        if column := impossible_in(events, model):
            yield "contradiction", events.line, {"column": column}
    for group, line in groups_of(cohort):
        yield from _of_group(group, line)
    yield from _between_rules(cohort, model)
    yield from _about_entry(cohort)


def _of_group(group: Group, line: int) -> Iterator[Raw]:
    parts = len(group.related) + len(group.about_patient) + len(group.groups)
    if group.operator == "at_least" and group.number > parts:
        yield "group_impossible", line, {"number": group.number, "parts": parts}
    always = group.operator == "at_least" and group.number == 0
    if (always or (group.operator == "at_most" and group.number >= parts)) and parts:
        yield "always_true", line, {}
    for tests in group.about_patient:
        if column := impossible(tests):
            yield "contradiction", line, {"column": column}
    for related in group.related:
        yield from _of_related(related, related.line or line)


def _of_related(related: Related, line: int) -> Iterator[Raw]:
    count = related.count
    if related.of != "all" and count.operator != "at_most" and count.number > 1:
        yield "count_of_one", line, {"number": count.number, "of": related.of}
    if count.operator == "at_least" and count.number == 0:
        yield "always_true", line, {}
    column = impossible((*related.events.tests, *related.then))
    if column and not impossible(related.events.tests):
        yield "contradiction", line, {"column": column}
    if _reversed(related.windows):
        yield "window_reversed", line, {}


def _reversed(windows: tuple[Window, ...]) -> bool:
    """Whether no day lies in the windows on one date of the event, counted from one date of the index."""
    kinds = {(one.event, one.index) for one in windows}
    for kind in kinds:
        alike = [one for one in windows if (one.event, one.index) == kind]
        firsts = [one.start.days for one in alike if one.start.days is not None]
        lasts = [one.end.days for one in alike if one.end.days is not None]
        if firsts and lasts and max(firsts) > min(lasts):
            return True
    return False


def _between_rules(cohort: Cohort, model: Model) -> Iterator[Raw]:
    """What one rule demands and another, or the entry, forbids."""
    must = must_hold(cohort)
    entries = [of_index(events, model) for events in cohort.entry.events]
    asked = [tests for tests in entries if not impossible(tests)] or [()]
    for test, line in must.tests:
        left = [(*tests, test) for tests in asked if not impossible((*tests, test))]
        if asked and not left:
            yield "contradiction", line, {"column": test.column}
        asked = left
    for test, line in must.unless:
        opposite = negated(test)
        if opposite and asked and all(_must_be(tests, test.column, opposite) for tests in asked):
            yield "contradiction", line, {"column": test.column}
    yield from _beside_window(cohort, asked)
    for some, at in must.present:
        for every, at_most, line in must.absent:
            same = every.count.distinct in ("", some.count.distinct)
            if same and some.count.number > at_most and among(some, every):
                yield "required_and_excluded", max(at, line), {"other": min(at, line)}


def _must_be(tests: tuple[Test, ...], column: str, opposite: Test) -> bool:
    """Whether tests say that a column is recorded, and leave nothing that passes the opposite of another."""
    recorded = any(test.column == column and test.operator != "is_null" for test in tests)
    return recorded and bool(impossible((*tests, opposite)))


def _beside_window(cohort: Cohort, asked: list[tuple[Test, ...]]) -> Iterator[Raw]:
    """`asked`: what holds of the index date and the patient, for each kind of entry event."""
    first, last = cohort.window
    limits = [Test("start_date", "ge", (first,))] if first else []
    limits += [Test("start_date", "le", (last,))] if last else []
    if asked and not impossible(limits) and all(impossible((*tests, *limits)) for tests in asked):
        yield "window_beside_entry", 0, {"window": f"{first} – {last}".strip()}


def _about_entry(cohort: Cohort) -> Iterator[Raw]:
    """Conditions and censoring events that the entry event itself meets."""
    entry = cohort.entry.events
    for every, at_most, line in must_hold(cohort).absent:
        on_the_day = bool(every.windows) and all(_has_day_zero(one) for one in every.windows)
        plain = every.of == "all" and not every.then and at_most == 0
        if entry and plain and on_the_day and all(events_among(one, every.events) for one in entry):
            yield "excludes_entry", line, {}
    for censor in cohort.censors:
        if entry and all(events_among(one, censor) for one in entry):
            yield "censored_at_entry", censor.line, {}


def _has_day_zero(window: Window) -> bool:
    if window.event != "start" or window.index != "start":
        return False
    first, last = window.start.days, window.end.days
    return (first is None or first <= 0) and (last is None or last >= 0)


# -- time ------------------------------------------------------------------------------------------


def _time(cohort: Cohort, model: Model) -> Iterator[Raw]:
    for line, days in look_ahead(cohort, model):
        far = ("任意多", "any number of") if days == inf else (f"{days:g}", f"{days:g}")
        yield "look_ahead", line, {"days_zh": far[0], "days": far[1]}
    entry = cohort.entry
    if entry.days_after:
        yield "follow_up_required", 0, {"days": entry.days_after}
    if "last" in (entry.limit, cohort.qualify_limit, cohort.limit):
        yield "last_entry", 0, {}
    for events in entry.events:
        for column in known_later(events, model)[:1]:
            yield "known_later", events.line, {"column": column}
    for group, line in groups_of(cohort):
        for related in group.related:
            if related.events.pick != "all":
                yield "pick_in_related", related.line or line, {"pick": related.events.pick}
    yield from _absences(cohort)


def _absences(cohort: Cohort) -> Iterator[Raw]:
    """Events that must not be there on days that nobody need have watched."""
    watched = cohort.entry.days_before
    absent = list(must_hold(cohort).absent)
    for events in cohort.entry.events:
        absent += must_of(events.within, events.line).absent if events.within else ()
    for related, at_most, line in absent:
        first = min((one.start.days for one in related.windows if one.start.days is not None), default=0)
        if at_most == 0 and -first > watched:
            yield "absence_not_observed", line, {"days": -first, "observed": watched}


# -- values, outcomes, code lists ------------------------------------------------------------------


def _values(cohort: Cohort, model: Model) -> Iterator[Raw]:
    for events in cohort.all_events():
        yield from _units(events.tests, events.tests, model.events[events.table], events.line)
    for group, line in groups_of(cohort):
        for related in group.related:
            table = model.events[related.events.table]
            at = related.line or line
            yield from _units(related.then, (*related.events.tests, *related.then), table, at)
            chosen = [test.column for test in related.events.tests if test.column in table.quantities]
            if related.of != "all" and chosen:
                yield "value_before_choice", at, {"of": related.of, "column": chosen[0]}


def _units(tests: tuple[Test, ...], beside: tuple[Test, ...], table: EventTable, line: int) -> Iterator[Raw]:
    """A number is compared only together with the one unit that it is in."""
    for test in tests:
        unit = table.quantities.get(test.column, "")
        named = [one for one in beside if one.column == unit and one.operator in ("eq", "in")]
        if unit and test.values and not any(len(one.values) == 1 for one in named):
            yield "unit_missing", line, {"column": test.column}


def _outcomes(cohort: Cohort, outcomes: frozenset[str]) -> Iterator[Raw]:
    for events in cohort.all_events():
        named = [events.table, *(test.column for test in events.tests)]
        for one in dict.fromkeys(name for name in named if name in outcomes):
            yield "outcome_before_freeze", events.line, {"name": one}
    for group, line in groups_of(cohort):
        tests = [test for tests in group.about_patient for test in tests]
        tests += [test for related in group.related for test in related.then]
        for test in tests:
            if test.column in outcomes:
                yield "outcome_before_freeze", line, {"name": test.column}


def _unsigned(cohort: Cohort, unsigned: frozenset[str]) -> Iterator[Raw]:
    for events in cohort.all_events():
        for one in events.codes:
            if one.codes.name in unsigned:
                yield "code_list_unsigned", events.line, {"name": one.codes.name}


def _for_protocol(cohort: Cohort) -> Iterator[Raw]:
    if (cohort.entry.limit, cohort.qualify_limit, cohort.limit) == ("all", "all", "all"):
        yield "several_index_dates", 0, {}
    if cohort.exit is not None or cohort.censors or cohort.era_gap_days or any(cohort.window):
        yield "follow_up_in_protocol", 0, {}


def code_lists_of(events: Collection[Events]) -> frozenset[str]:
    """The code lists (`name@version`) that queries draw on."""
    return frozenset(one.codes.name for query in events for one in query.codes if "@" in one.codes.name)
