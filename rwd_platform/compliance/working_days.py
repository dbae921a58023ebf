"""Working days in China, and deadlines counted in them.

The table working_days.toml has the State Council's arrangement year by year. A year that it does not have (the notice
for the next year appears in about November) is counted by weekends alone, and every answer that looked at a day of
such a year says that it is provisional. Days are Asia/Shanghai.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

MOST_DAYS = 10_000  # about forty years; no rule counts further, so more is a slip of the keyboard

DAY_OUT_OF_RANGE = Problem(
    code="transfer.day_out_of_range",
    zh="从 {start} 起算不出期限：超出了日历或者可计算的范围。",
    en="No deadline can be counted from {start}: it leaves the calendar, or the range that is counted.",
    next_zh="请核对起算日期和期限天数（最多 {most} 个工作日）。",
    next_en="Check the day it is counted from and the length (at most {most} working days).",
)
CALENDAR_MALFORMED = Problem(
    code="transfer.calendar_malformed",
    zh="工作日表不能使用：{year} 年的 {where} 有误。",
    en="The table of working days cannot be used: {where} of the year {year} is wrong.",
    next_zh="请对照国务院办公厅当年的放假通知改正 working_days.toml。",
    next_en="Correct working_days.toml by the State Council's notice for that year.",
)

_TABLE = Path(__file__).with_name("working_days.toml")
_SATURDAY = 5


@dataclass(frozen=True)
class Answer:
    """Whether one works on a day. `provisional`: the arrangement of its year is not in the table."""

    working: bool
    provisional: bool


@dataclass(frozen=True)
class Due:
    """A day counted in working days. `provisional`: a day that was looked at lies in a year without arrangement."""

    day: date
    provisional: bool


@dataclass(frozen=True)
class Year:
    """One year's arrangement: the days off that were ordered, and the weekend days on which one works."""

    source: Bilingual
    off: frozenset[date]
    worked: frozenset[date]


def is_working_day(day: date) -> Answer:
    """By the arrangement of the day's year; without one, Monday to Friday, provisionally."""
    year = years().get(day.year)
    weekday = day.weekday() < _SATURDAY
    if year is None:
        return Answer(weekday, provisional=True)
    return Answer(day in year.worked or (weekday and day not in year.off), provisional=False)


def add_working_days(start: date, n: int) -> Due:
    """The n-th working day after `start`, which is not itself counted; before it where n is negative; 0 is `start`.

    Raises PlatformError when the count leaves the calendar (years 1 to 9999) or is beyond MOST_DAYS either way.
    """
    if abs(n) > MOST_DAYS:
        raise DAY_OUT_OF_RANGE.error(start=start, most=MOST_DAYS)
    step = timedelta(days=1 if n > 0 else -1)
    day, left, provisional = start, abs(n), False
    while left:
        try:
            day += step
        except OverflowError as error:
            raise DAY_OUT_OF_RANGE.error(start=start, most=MOST_DAYS) from error
        answer = is_working_day(day)
        provisional = provisional or answer.provisional
        left -= answer.working
    return Due(day, provisional)


@lru_cache(maxsize=1)
def years() -> Mapping[int, Year]:
    """The arrangements of the shipped table, by year."""
    return read_years(tomllib.loads(_TABLE.read_text("utf-8")))


def read_years(content: Mapping[str, Any]) -> Mapping[int, Year]:
    """A table as read from TOML. Raises PlatformError for a year that contradicts itself.

    Each day must lie in its year; a day cannot be both off and worked; only a Saturday or Sunday is worked in exchange.
    """
    found: dict[int, Year] = {}
    for one in content["years"]:
        number = one["year"]
        off = frozenset(day for first, last in one["off"] for day in _stretch(number, first, last))
        worked = frozenset(one["worked"])
        if number in found:
            raise CALENDAR_MALFORMED.error(year=number, where="year")
        if not all(day.year == number and day.weekday() >= _SATURDAY for day in worked) or worked & off:
            raise CALENDAR_MALFORMED.error(year=number, where="worked")
        found[number] = Year(Bilingual(**one["source"]), off, worked)
    return found


def _stretch(year: int, first: date, last: date) -> list[date]:
    if not first.year == last.year == year or last < first:
        raise CALENDAR_MALFORMED.error(year=year, where="off")
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]
