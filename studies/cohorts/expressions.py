"""The small pieces of an Ibis expression: days, codes, comparisons, windows.

A day is a number, days since 1970-01-01: sums and comparisons are then whole numbers on every engine, and no
engine's own idea of an interval, a time zone or a calendar can differ.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import reduce
from typing import Any

from studies.cohorts.definition import Bound, CodeTest, Count, Test, Window
from studies.cohorts.tables import EventTable, Outside, Ratio

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any

PATIENT, START, END, VISIT, NUMBER = "_patient", "_start", "_end", "_visit", "_number"
OPEN = "_open"  # where the end is open: the last day on which the patient is observed (open_ends.py)
NOT_TO_THE_DAY = -(
    2**31
)  # stands, among days as numbers, for an end that is recorded and not known to the day
FIRST, LAST = "_first", "_last"  # of the observation period that the event lies in

_EPOCH = date(1970, 1, 1)
_COMPARE: Mapping[str, Callable[[Expr, Any], Expr]] = {
    "lt": operator.lt, "le": operator.le, "eq": operator.eq,
    "ne": operator.ne, "ge": operator.ge, "gt": operator.gt,
}  # fmt: skip


def all_of(conditions: Sequence[Expr]) -> Expr:
    """True where every condition is; an unknown answer is no."""
    import ibis

    known = [condition.fill_null(False) for condition in conditions]
    return reduce(operator.and_, known) if known else ibis.literal(True)


def day_of(column: Expr) -> Expr:
    """The number of a day, from a date or from ISO text that is known to the day; else null.

    A whole number is the number of a day already (`counting.py`).
    """
    import ibis

    if column.type().is_integer():
        return column.cast("int64")
    if column.type().is_date():
        when = column
    elif column.type().is_timestamp():
        when = column.date()
    else:
        text = column.cast("string")
        day = text.substr(0, 10)
        read = day.try_cast("date")
        # Engines read more than ISO days ("2024-3-1"): what a day would not be written as is none.
        exact = (read.cast("string") == day) & text.substr(10, 1).isin(["", "T", " "])
        when = ibis.ifelse(exact, read, ibis.null("date"))
    return when.delta(ibis.date(1970, 1, 1), unit="day").cast("int64")


def date_of(day: Expr) -> Expr:
    """The date of a number of a day."""
    import ibis

    return (ibis.date(1970, 1, 1) + day.as_interval("D")).cast("timestamp").date()


def number_of(text: str) -> int:
    """The number of a day that a definition writes as YYYY-MM-DD."""
    return (date.fromisoformat(text) - _EPOCH).days


def end_of(rows: Expr, table: EventTable, start: Expr) -> Expr:
    """The day an event ends: by the first of the table's ways that gives one, else its start (null: an open end)."""
    import ibis

    ways = []
    for end in table.ends:
        if end.column:
            day = day_of(rows[end.column])
            ways.append(day.nullif(NOT_TO_THE_DAY) if table.open_end else day)
        elif end.days is not None:
            ways.append(start + end.days)
        else:
            ways.append(start + rows[end.days_column].cast("int64"))
    return ibis.coalesce(*ways) if table.open_end else ibis.coalesce(*ways, start)


def coded(rows: Expr, table: EventTable, test: CodeTest) -> Expr:
    """Whether a row's code is in a list (or, excluded, is there and is not)."""
    system, code = table.codes[test.column]
    value = rows[code].cast("string")
    by_system: dict[str, list[str]] = {}
    for one, each in sorted(test.codes.pairs):
        if system or not one:  # a table without code systems holds no code of a system
            by_system.setdefault(one, []).append(each)
    if system:
        in_list = [
            (rows[system].fill_null("") == one) & value.isin(codes) for one, codes in by_system.items()
        ]
    else:
        in_list = [value.isin(codes) for codes in by_system.values()]
    found = reduce(operator.or_, in_list) if in_list else value != value  # false, and null stays null
    return value.notnull() & (~found if test.excluded else found)


def compared(value: Expr, test: Test) -> Expr:
    """A test on a value; null where the value is, except for the two that ask for null."""
    if test.operator in ("is_null", "not_null"):
        return value.isnull() if test.operator == "is_null" else value.notnull()
    plain = test.operator.removeprefix("not_")
    if plain == "in":
        answer = value.isin(list(test.values))
    elif plain == "between":
        answer = (value >= test.values[0]) & (value <= test.values[1])
    elif plain in ("starts", "ends", "contains"):
        method = {"starts": "startswith", "ends": "endswith", "contains": "contains"}[plain]
        answer = getattr(value.cast("string"), method)(str(test.values[0]))
    else:
        answer = _COMPARE[plain](value, test.values[0])
    return ~answer if test.operator.startswith("not_") else answer


def inside(window: Window, rows: Expr, event: Mapping[str, Expr], observed: bool) -> list[Expr]:
    """The conditions that put an event into a window around an index event; `event` has its start and end."""
    day = event[window.event]
    origin = rows[START] if window.index == "start" else rows[END]
    first, last = (_edge(bound, rows, origin, observed) for bound in (window.start, window.end))
    if first is None and last is None:
        return [day.notnull()]  # of an end that is not known nobody can say when it was
    return [*([] if first is None else [day >= first]), *([] if last is None else [day <= last])]


def _edge(bound: Bound, rows: Expr, origin: Expr, observed: bool) -> Expr | None:
    if bound.days is not None:
        return origin + bound.days
    if not observed:
        return None
    return rows[FIRST] if bound.side == -1 else rows[LAST]


def enough(count: Count, number: Expr) -> Expr:
    """Whether the number of events is what was asked for."""
    return {
        "at_least": number >= count.number,
        "at_most": number <= count.number,
        "exactly": number == count.number,
    }[count.operator]


def age(rows: Expr, day: Expr, *, completed: bool) -> Expr:
    """Completed years, or the difference of the calendar years, from `_birth0` (a date or a year) to a day."""
    when = date_of(day)
    if "_birth1" in rows.columns:
        year = rows["_birth0"].cast("int64")
        month, of_month = (rows[name].cast("int64").fill_null(1) for name in ("_birth1", "_birth2"))
    else:
        born = date_of(day_of(rows["_birth0"]))
        year, month, of_month = born.year(), born.month(), born.day()
    years = when.year() - year
    if not completed:
        return years
    before_birthday = (when.month() * 100 + when.day()) < (month * 100 + of_month)
    return years - before_birthday.cast("int64")


def derived(rows: Expr, rule: Ratio | Outside) -> Expr:
    """What is computed from several columns of a row."""
    if isinstance(rule, Ratio):
        return rows[rule.number] / rows[rule.by].nullif(0)
    value = rows[rule.value]
    marks = [
        value < rows[rule.low],
        value > rows[rule.high],
        rows[rule.code].cast("string").isin(rule.codes),
    ]
    return reduce(operator.or_, (mark.fill_null(False) for mark in marks)).cast("int64")
