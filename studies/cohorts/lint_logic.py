"""What a definition's conditions imply: tests that no value passes, conditions that must hold or must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studies.cohorts.definition import CodeTest, Cohort, Events, Group, Operator, Related, Test, Window
from studies.cohorts.plain_values import compare
from studies.cohorts.tables import Model

_WHOLE = ("age", "age_at_end", "calendar_age", "calendar_age_at_end", "days")
_NEGATED: Mapping[Operator, Operator] = {
    "lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq", "in": "not_in", "not_in": "in",
    "between": "not_between", "not_between": "between", "starts": "not_starts", "not_starts": "starts",
    "ends": "not_ends", "not_ends": "ends", "contains": "not_contains", "not_contains": "contains",
}  # fmt: skip


# -- tests -----------------------------------------------------------------------------------------


def impossible(tests: Sequence[Test]) -> str:
    """The column of which no value passes all its tests; "" if there may be one for each."""
    of_column: dict[str, list[Test]] = {}
    for test in tests:
        of_column.setdefault(test.column, []).append(test)
    return next((column for column, of_one in of_column.items() if not _possible(column, of_one)), "")


def _possible(column: str, tests: Sequence[Test]) -> bool:
    if any(test.operator == "is_null" for test in tests):
        return all(test.operator == "is_null" for test in tests)
    if column in _WHOLE:  # nobody is younger than 0, and nothing ends before it begins
        tests = [*tests, Test(column, "ge", (0,))]
    finite = [test for test in tests if test.operator in ("eq", "in")]
    if finite:
        return any(all(_passes(test, value) for test in tests) for value in finite[0].values)
    return _some_between(column, tests)


def _passes(test: Test, value: object) -> bool:
    try:
        return compare(test, value)
    except TypeError:  # a number against a text: no value is both
        return False


def _some_between(column: str, tests: Sequence[Test]) -> bool:
    """Whether the limits leave a value; texts are compared as texts, so days as days."""
    step = 1 if column in _WHOLE else 0
    lows, highs = [], []  # (limit, whether the limit itself is out)
    for test in tests:
        if test.operator in ("ge", "gt", "between"):
            lows.append((test.values[0], test.operator == "gt"))
        if test.operator in ("le", "lt"):
            highs.append((test.values[0], test.operator == "lt"))
        if test.operator == "between":
            highs.append((test.values[1], False))
    try:
        return all(_fits(low, high, step) for low in lows for high in highs)
    except TypeError:
        return False


def _fits(low: tuple[Any, bool], high: tuple[Any, bool], step: int) -> bool:
    """Whether a value is not below one limit and not above the other. Raises TypeError for a text and a number."""
    (first, after), (last, before) = low, high
    if step:
        return bool(first + after <= last - before)
    return bool(first < last) if after or before else bool(first <= last)


def impossible_in(events: Events, model: Model) -> str:
    """The column for which no row of a query passes all its tests and codes; "" if there may be rows."""
    return impossible((*events.tests, *_length(events, model))) or _no_code_left(events.codes)


def _length(events: Events, model: Model) -> tuple[Test, ...]:
    """How long every event of a query lasts, where it is the same for all: a test that they all pass."""
    shift = events.shift
    if shift and (shift.start_from == shift.end_from or not model.events[events.table].ends):
        return (Test("days", "eq", (max(shift.end_days - shift.start_days, 0),)),)
    return () if shift or model.events[events.table].ends else (Test("days", "eq", (0,)),)


def _no_code_left(codes: Sequence[CodeTest]) -> str:
    """The column in which no code is in all the lists that it must be in, and in none of the others."""
    for column in dict.fromkeys(one.column for one in codes):
        wanted = [one.codes.pairs for one in codes if one.column == column and not one.excluded]
        unwanted = [one.codes.pairs for one in codes if one.column == column and one.excluded]
        if wanted and all(wanted) and not frozenset.intersection(*wanted).difference(*unwanted):
            return column
    return ""


def of_index(events: Events, model: Model) -> tuple[Test, ...]:
    """What an entry's own tests say of the index date and the patient, whom rules may ask about too."""
    of_dates = () if any(events.dates) else ("start_date", "end_date", *_WHOLE)
    said = (*events.tests, *_length(events, model))
    return tuple(test for test in said if test.column in of_dates or test.column.startswith("patient."))


def negated(test: Test) -> Test | None:
    """What a recorded value must be that fails the test."""
    operator = _NEGATED.get(test.operator)
    return replace(test, operator=operator) if operator else None


# -- what must hold --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Must:
    """What holds for everybody in the cohort, and the line that says so.

    tests   -- of the patient or the index event
    unless  -- tests that must fail where there is a value
    present -- events that are there, at least `count.number` of them
    absent  -- related events of which there are at most so many
    """

    tests: tuple[tuple[Test, int], ...] = ()
    unless: tuple[tuple[Test, int], ...] = ()
    present: tuple[tuple[Related, int], ...] = ()
    absent: tuple[tuple[Related, int, int], ...] = ()

    def __add__(self, other: Must) -> Must:
        return Must(
            self.tests + other.tests,
            self.unless + other.unless,
            self.present + other.present,
            self.absent + other.absent,
        )


def must_hold(cohort: Cohort) -> Must:
    """What the qualifying conditions and all rules together demand."""
    found = must_of(cohort.qualify, 0)
    for rule in cohort.rules:
        found += must_of(rule.group, rule.line)
    return found


def must_of(group: Group, line: int) -> Must:
    """What a group demands, alone."""
    parts = len(group.related) + len(group.about_patient) + len(group.groups)
    if group.operator == "at_most":
        return _of_none(group, line) if group.number == 0 else Must()
    needed = {"all": parts, "any": 1}.get(group.operator, group.number)
    if needed < parts:
        return Must()
    found = Must(tests=tuple((test, line) for tests in group.about_patient for test in tests))
    for related in group.related:
        found += _of_related(related, line)
    for inner in group.groups:
        found += must_of(inner, line)
    return found


def _of_related(related: Related, line: int) -> Must:
    at = related.line or line
    count = related.count
    found = Must()
    if count.operator in ("at_least", "exactly") and count.number >= 1:
        found += Must(present=((related, at),))
    if count.operator in ("at_most", "exactly"):
        found += Must(absent=((related, count.number, at),))
    return found


def _of_none(group: Group, line: int) -> Must:
    """None of the parts may hold."""
    found = Must()
    for tests in group.about_patient:
        if len(tests) == 1:
            found += Must(unless=((tests[0], line),))
    for related in group.related:
        found += _of_not_related(related, line)
    for inner in group.groups:
        parts = len(inner.related) + len(inner.about_patient) + len(inner.groups)
        if inner.operator == "any" or (inner.operator in ("all", "at_least") and parts == 1):
            found += _of_none(inner, line)
        elif inner.operator == "at_most" and inner.number == 0 and parts == 1:
            found += must_of(replace(inner, operator="all"), line)
    return found


def _of_not_related(related: Related, line: int) -> Must:
    at, count = related.line or line, related.count
    if count.operator == "at_least" and count.number >= 1:
        return Must(absent=((related, count.number - 1, at),))
    if count.operator == "at_most":
        more = replace(related, count=replace(count, operator="at_least", number=count.number + 1))
        return Must(present=((more, at),))
    return Must()


# -- which events are among which ------------------------------------------------------------------


def among(some: Related, every: Related) -> bool:
    """Whether each event that counts for `some` also counts for `every`."""
    return (
        events_among(some.events, every.events)
        and every.of == "all"
        and not every.then
        and (not every.same_visit or some.same_visit)
        and (not every.observed or some.observed)
        and all(any(_within(one, each) for one in some.windows) for each in every.windows)
    )


def events_among(some: Events, every: Events) -> bool:
    """Whether each event of `some` is one of `every`."""
    return (
        some.table == every.table
        and not every.first
        and every.pick == "all"
        and every.within is None
        and some.shift == every.shift
        and some.dates == every.dates
        and set(every.tests) <= set(some.tests)
        and all(any(_codes_among(one, each) for one in some.codes) for each in every.codes)
    )


def _codes_among(some: CodeTest, every: CodeTest) -> bool:
    if some.column != every.column or some.excluded != every.excluded:
        return False
    if some.excluded:
        return every.codes.pairs <= some.codes.pairs
    return some.codes.pairs <= every.codes.pairs


def _within(inner: Window, outer: Window) -> bool:
    if (inner.event, inner.index) != (outer.event, outer.index):
        return False
    first = outer.start.days is None or (
        inner.start.days is not None and outer.start.days <= inner.start.days
    )
    last = outer.end.days is None or (inner.end.days is not None and inner.end.days <= outer.end.days)
    return first and last


def groups_of(cohort: Cohort) -> Iterator[tuple[Group, int]]:
    """Every group of the definition, those inside events included, with the line nearest to it."""
    waiting = [(cohort.qualify, 0), *((rule.group, rule.line) for rule in cohort.rules)]
    waiting += [(one.within, one.line) for one in cohort.all_events() if one.within]
    while waiting:
        group, line = waiting.pop(0)
        yield group, line
        waiting += [(inner, line) for inner in group.groups]
