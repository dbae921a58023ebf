"""Working days: the State Council's arrangements day by day, and deadlines counted in them."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance import working_days
from rwd_platform.compliance.working_days import (
    MOST_DAYS,
    add_working_days,
    is_working_day,
    read_years,
    years,
)
from rwd_platform.core.errors import PlatformError

TABLE = tomllib.loads(Path(working_days.__file__).with_suffix(".toml").read_text("utf-8"))
DAY = timedelta(days=1)


def every_day(first: date, last: date) -> Iterator[date]:
    for count in range((last - first).days + 1):
        yield first + count * DAY


def by_the_oracle(start: date, n: int) -> date:
    """The slow way: look at one day after the other, as another library answers for each."""
    step = DAY if n > 0 else -DAY
    day, left = start, abs(n)
    while left:
        day += step
        left -= chinese_calendar.is_workday(day)
    return day


# -- the table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_every_day_of_the_year_is_as_another_library_has_it(year: int) -> None:
    """366 or 365 days, each asked of the table and of an independent one made from the same notices."""
    differ = [
        day
        for day in every_day(date(year, 1, 1), date(year, 12, 31))
        if is_working_day(day).working != chinese_calendar.is_workday(day) or is_working_day(day).provisional
    ]
    assert differ == []


WELL_KNOWN = [
    ("2024-02-09", True),  # the eve of the Spring Festival: leave was encouraged, no day off was ordered
    ("2024-02-10", False),
    ("2024-02-18", True),  # a Sunday worked in exchange
    ("2024-09-16", False),
    ("2025-01-28", False),  # from 2025 on the eve is a holiday
    ("2025-04-27", True),
    ("2025-10-06", False),
    ("2025-10-11", True),
    ("2026-01-04", True),
    ("2026-02-16", False),
    ("2026-09-20", True),
    ("2026-09-25", False),
    ("2026-10-08", True),
    ("2026-11-21", False),  # a plain Saturday
    ("2026-11-23", True),  # a plain Monday
]


@pytest.mark.parametrize(("day", "working"), WELL_KNOWN)
def test_a_well_known_day_is_as_the_notice_says(day: str, working: bool) -> None:
    """Holidays, their eves, and the weekend days worked in exchange."""
    assert is_working_day(date.fromisoformat(day)).working is working


def test_each_year_names_the_notice_it_was_taken_from() -> None:
    """A table without its source could not be checked by anybody."""
    assert list(years()) == [2024, 2025, 2026]
    for number, year in years().items():
        assert f"国务院办公厅关于{number}年部分节假日安排的通知" in year.source.zh
        assert "国办发明电" in year.source.zh and str(number) in year.source.en
        assert year.source.en.isascii()


@pytest.mark.parametrize(
    ("day", "working"), [("2023-10-02", True), ("2027-01-01", True), ("2027-01-02", False)]
)
def test_a_year_without_a_notice_goes_by_weekends_and_says_so(day: str, working: bool) -> None:
    """2 October 2023 was a holiday and New Year 2027 will be one: the table does not know, and does not pretend to."""
    answer = is_working_day(date.fromisoformat(day))
    assert (answer.working, answer.provisional) == (working, True)


# -- counting -----------------------------------------------------------------------------------------------------


COUNTED = [
    # Mid-Autumn (25-27 Sept.) and National Day (1-7 Oct.) are off, Saturday 10 Oct. is worked.
    ("2026-09-24", 10, "2026-10-15"),
    # A contract that takes effect on a holiday: the holiday is not counted, nor is any day off after it.
    ("2026-10-01", 1, "2026-10-08"),
    ("2026-10-09", 1, "2026-10-10"),
    ("2026-10-10", 1, "2026-10-12"),
    ("2026-02-13", 1, "2026-02-14"),
    ("2026-02-14", 1, "2026-02-24"),
    ("2026-02-24", -1, "2026-02-14"),
    ("2024-02-09", 1, "2024-02-18"),
    ("2026-11-23", 0, "2026-11-23"),
    ("2026-11-22", 0, "2026-11-22"),  # nothing is counted, so a Sunday stays a Sunday
]


@pytest.mark.parametrize(("start", "n", "due"), COUNTED)
def test_the_start_is_not_counted_and_days_off_are_passed_over(start: str, n: int, due: str) -> None:
    """The n-th working day after the start; before it where n is negative."""
    found = add_working_days(date.fromisoformat(start), n)
    assert (found.day.isoformat(), found.provisional) == (due, False)


@settings(max_examples=80, deadline=None)
@given(st.dates(date(2024, 7, 1), date(2026, 6, 30)), st.integers(-120, 120))
def test_counting_agrees_with_another_library(start: date, n: int) -> None:
    """Any start and any number of days, as long as every day that is looked at lies in 2024 to 2026."""
    found = add_working_days(start, n)
    assert (found.day, found.provisional) == (by_the_oracle(start, n), False)


@settings(max_examples=60, deadline=None)
@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)), st.integers(0, 300), st.integers(0, 300))
def test_counting_on_is_counting_in_one_go(start: date, n: int, more: int) -> None:
    """Two deadlines one after the other are one of their sum, forwards and backwards, in known years and unknown."""
    assert add_working_days(add_working_days(start, n).day, more).day == add_working_days(start, n + more).day
    assert (
        add_working_days(add_working_days(start, -n).day, -more).day == add_working_days(start, -n - more).day
    )


@settings(max_examples=60, deadline=None)
@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)), st.integers(1, 300))
def test_a_deadline_is_a_working_day_and_counts_back_to_a_working_start(start: date, n: int) -> None:
    """From a working day, n forwards and n back is where one began."""
    due = add_working_days(start, n).day
    assert is_working_day(due).working
    if is_working_day(start).working:
        assert add_working_days(due, -n).day == start


@pytest.mark.parametrize(
    ("start", "n", "provisional"),
    [
        ("2026-12-30", 1, False),  # 31 December 2026: every day that was looked at is known
        ("2026-12-31", 1, True),
        ("2026-12-30", 2, True),
        ("2023-12-31", 1, False),  # the start is not looked at
        ("2024-01-02", -1, True),
        ("2030-06-03", 1, True),
        ("2030-06-03", 0, False),
    ],
)
def test_a_deadline_that_touches_an_unknown_year_is_provisional(
    start: str, n: int, provisional: bool
) -> None:
    """One day looked at in a year without a notice is enough; the start itself is not looked at."""
    assert add_working_days(date.fromisoformat(start), n).provisional is provisional


@pytest.mark.parametrize(
    ("start", "n"),
    [
        (date.max, 1),
        (date(9999, 12, 30), 2),
        (date.min, -1),
        (date(1, 1, 3), -5),
        (date(2026, 1, 1), MOST_DAYS + 1),
        (date(2026, 1, 1), -MOST_DAYS - 1),
        (date(2026, 1, 1), 10**18),
    ],
)
def test_what_leaves_the_calendar_is_an_error_with_a_next_step(start: date, n: int) -> None:
    """The end of the year 9999, the beginning of the year 1, and a number of days that nobody can mean."""
    with pytest.raises(PlatformError) as caught:
        add_working_days(start, n)
    assert (caught.value.code, caught.value.exit) == ("transfer.day_out_of_range", 2)
    assert start.isoformat() in caught.value.en and start.isoformat() in caught.value.zh


def test_the_longest_count_still_ends() -> None:
    """Forty years of working days, both ways, at the edge of what is counted."""
    assert add_working_days(date(2026, 1, 1), MOST_DAYS).day.year == 2064
    assert add_working_days(date(2026, 1, 1), -MOST_DAYS).day.year == 1987


# -- a spoilt table -----------------------------------------------------------------------------------------------


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "a stretch that ends before it begins": ({"off": [[date(2024, 5, 5), date(2024, 5, 1)]]}, "off"),
    "a stretch of another year": ({"off": [[date(2025, 5, 1), date(2025, 5, 5)]]}, "off"),
    "a stretch over the year's end": ({"off": [[date(2024, 12, 30), date(2025, 1, 1)]]}, "off"),
    "a worked day of another year": ({"worked": [date(2025, 2, 8)]}, "worked"),
    "a worked day that is a Monday": ({"worked": [date(2024, 6, 3)]}, "worked"),
    "a day both off and worked": ({"worked": [date(2024, 2, 11)]}, "worked"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_table_that_contradicts_itself_is_refused(spoilt: str) -> None:
    """A slip in a date would move deadlines silently."""
    change, where = SPOILT[spoilt]
    content = copy.deepcopy(TABLE)
    content["years"][0] |= change
    with pytest.raises(PlatformError) as caught:
        read_years(content)
    assert caught.value.code == "transfer.calendar_malformed"
    assert where in caught.value.en and "2024" in caught.value.en


def test_a_year_stands_in_the_table_once() -> None:
    """Two arrangements of one year would leave it to chance which one counts."""
    content = copy.deepcopy(TABLE)
    content["years"].append(content["years"][0])
    with pytest.raises(PlatformError, match=r"transfer\.calendar_malformed"):
        read_years(content)


def test_an_empty_table_knows_no_year() -> None:
    """Then everything is provisional, and nothing breaks."""
    assert read_years({"years": []}) == {}
