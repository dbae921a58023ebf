"""What a plain row says: its code, its day, the value of a column, and whether a test passes."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from studies.cohorts.definition import CodeTest, Test
from studies.cohorts.tables import End, EventTable, Ratio

Row = Mapping[str, Any]

_TO_THE_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]|\Z)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "le": operator.le, "eq": operator.eq,
    "ne": operator.ne, "ge": operator.ge, "gt": operator.gt,
}  # fmt: skip
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "starts": str.startswith, "ends": str.endswith, "contains": lambda text, part: part in text,
}  # fmt: skip


def compare(test: Test, value: Any) -> bool:
    """A test on a value; a missing one passes only the test for being missing."""
    if test.operator in ("is_null", "not_null"):
        return (value is None) == (test.operator == "is_null")
    if value is None:
        return False
    negated = test.operator.startswith("not_")
    plain = test.operator.removeprefix("not_")
    if plain == "in":
        answer = value in test.values
    elif plain == "between":
        answer = test.values[0] <= value <= test.values[1]
    elif plain in _TEXT:
        answer = _TEXT[plain](str(value), str(test.values[0]))
    else:
        answer = _COMPARE[plain](value, test.values[0])
    return answer != negated


def has_code(row: Row, table: EventTable, test: CodeTest) -> bool:
    """Whether a row's code is in a list (or, excluded, is there and is not)."""
    system, code = table.codes[test.column]
    value = row.get(code)
    if value is None:
        return False
    pair = (str(row.get(system) or "") if system else "", str(value))
    return (pair in test.codes.pairs) != test.excluded


def recorded(row: Row, table: EventTable, name: str) -> Any:
    """What a row says in a column, or what is computed from several."""
    rule = table.derived.get(name)
    if rule is None:
        value = row.get(table.columns[name])
        return table.fills.get(name) if value is None else value
    if isinstance(rule, Ratio):
        number, by = row.get(rule.number), row.get(rule.by)
        return None if number is None or not by else number / by
    value, low, high = (row.get(column) for column in (rule.value, rule.low, rule.high))
    below = value is not None and low is not None and value < low
    above = value is not None and high is not None and value > high
    return int(below or above or str(row.get(rule.code)) in rule.codes)


def completed_years(born: tuple[int, int, int] | None, day: date | None) -> int | None:
    """Birthdays had by a day."""
    return None if born is None or day is None else day.year - born[0] - ((day.month, day.day) < born[1:])


def years_apart(born: tuple[int, int, int] | None, day: date | None) -> int | None:
    """The difference of the calendar years."""
    return None if born is None or day is None else day.year - born[0]


def end_of(rule: End, row: Row, start: date) -> date | None:
    """The day an event ends by one of its table's ways, if that way gives one."""
    if rule.column:
        return day_or_none(row.get(rule.column))
    days = rule.days if rule.days is not None else row.get(rule.days_column)
    return None if days is None else start + timedelta(int(days))


def day_or_none(value: Any) -> date | None:
    """A day, if the value is known to the day: a date, or ISO text that begins with one."""
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    if not isinstance(value, str) or not _TO_THE_DAY.match(value):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None


def known_day(value: Any) -> date:
    """A day that must be known."""
    day = day_or_none(value)
    if day is None:
        raise ValueError("an observation period is known to the day")
    return day
