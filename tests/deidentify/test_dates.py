"""Coarser and shifted dates: never rounded, never invented, and intervals kept."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.dates import coarsen, shift, shift_days

CASES = [
    ("1984-03-07", "year", "1984"),
    ("1984-03-07", "month", "1984-03"),
    ("1984-03", "month", "1984-03"),
    ("1984-03", "year", "1984"),
    ("1984", "month", "1984"),
    ("1984-12-31T23:30:00+08:00", "month", "1984-12"),
    ("1985-01-01T00:10:00.123Z", "year", "1985"),
    ("1984-02-29", "month", "1984-02"),
    ("0001-01-01", "year", "0001"),
]
NO_DATES = [
    "", "84-03-07", "1984-3-7", "1984/03/07", "1984-13-01", "1984-00-01", "1984-03-32", "1984年3月7日",
    "1984-03-07 张三", "1984-03-07T", "１９８４-03-07", "1984-03-07\n", "19840307", "王1984-03",
]  # fmt: skip


@pytest.mark.parametrize(("text", "precision", "expected"), CASES)
def test_a_date_is_cut_and_what_is_coarser_stays(text: str, precision: str, expected: str):
    """The end of 1984 in China stays in 1984, whatever its instant is called in UTC."""
    assert coarsen(text, precision) == expected


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_fhir_date_is_not_let_through(text: str):
    """A date element can hold a name, if someone typed one there; only a date's own form passes."""
    assert coarsen(text, "year") in (None,)
    assert coarsen(text, "month") is None


# -- shifting ----------------------------------------------------------------------------------------

DATE_KEY = b"d" * 32


@pytest.mark.parametrize(
    ("text", "days", "expected"),
    [
        ("2024-03-01", -1, "2024-02-29"),  # a leap day comes in
        ("2023-03-01", -1, "2023-02-28"),
        ("2024-02-29", -366, "2023-02-28"),
        ("2024-02-29", -365, "2023-03-01"),
        ("2100-03-01", -1, "2100-02-28"),  # 2100 is no leap year
        ("2024-01-01", -365, "2023-01-01"),
        ("9999-12-31", -1, "9999-12-30"),
        ("0001-12-31", -364, "0001-01-01"),
        ("2024-03-01T08:30:00+08:00", -1, "2024-02-29T08:30:00+08:00"),
        ("2024-03-01T23:59:60.123456789Z", -2, "2024-02-28T23:59:60.123456789Z"),
        ("2024-03-01T00:10-11:00", -1, "2024-02-29T00:10-11:00"),
        ("2024-03", -14, "2024-03"),  # the 15th becomes the 1st
        ("2024-03", -15, "2024-02"),
        ("2024-01", -365, "2023-01"),
        ("2024", -182, "2024"),  # 1 July becomes 1 January
        ("2024", -183, "2023"),
        ("0001", -181, "0001"),
    ],
)
def test_a_shifted_date_keeps_its_precision_its_time_and_its_offset(text: str, days: int, expected: str):
    """Only the day moves; a month moves as its 15th does, a year as its 1 July."""
    assert shift(text, days) == expected


@pytest.mark.parametrize(
    "text",
    [
        *NO_DATES, "2023-02-29", "2024-02-30", "2024-04-31", "0000-01-01", "0000", "2024-03-01T24:00:00Z",
        "2024-03-01T12:60:00Z", "2024-03-01T12:00:00+15:00", "2024-03-01T12", "2024-03-01T12:00:00 张三",
        "2024-03T12:00:00", "12024-03-01", "-2024-03-01", "2024-03-01\x00", "9" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_date_is_not_shifted(text: str):
    """Days that the calendar does not have, times that no clock shows, and whatever else stands in the field."""
    assert shift(text, -10) is None


@pytest.mark.parametrize(
    ("text", "days"), [("0001-01-01", -1), ("0001-01", -15), ("0001", -365), ("9999-12-31", 1)]
)
def test_a_date_never_leaves_the_calendar(text: str, days: int):
    """FHIR knows years 1 to 9999. Nothing is capped: a capped date would break the interval to the next."""
    assert shift(text, days) is None


@settings(deadline=None)
@given(
    st.dates(date(2, 1, 2)), st.dates(date(2, 1, 2)), st.binary(min_size=32, max_size=32), st.text(max_size=8)
)
def test_intervals_within_a_patient_are_kept_to_the_day(one: date, two: date, key: bytes, person: str):
    """All dates of a person move alike, so the days between any two are what they were; order too."""
    days = shift_days(key, "project-1", person)
    moved = [date.fromisoformat(str(shift(day.isoformat(), days))) for day in (one, two)]
    assert moved[1] - moved[0] == two - one
    assert -365 <= (moved[0] - one).days <= -1, "backward only, by at most a year"


@settings(deadline=None)
@given(st.dates(date(2, 1, 1)), st.dates(date(2, 1, 1)), st.integers(-365, -1), st.sampled_from([4, 7]))
def test_the_order_of_coarse_dates_is_never_turned_round(one: date, two: date, days: int, length: int):
    """Two months, or two years, may fall together; the earlier one never comes to lie after the later."""
    earlier, later = sorted((one.isoformat()[:length], two.isoformat()[:length]))
    moved = shift(earlier, days), shift(later, days)
    assert None not in moved
    assert [len(str(text)) for text in moved] == [length, length], "no digit is added, none is lost"
    assert str(moved[0]) <= str(moved[1])


def test_an_offset_is_an_hmac_over_project_and_person():
    """-(1 + the first 128 bits of HMAC-SHA256 modulo the reach): computed here from the standard library."""
    message = b"\x00\x00\x00\x02p1" + b"\x00\x00\x00\x06person"
    drawn = int.from_bytes(hmac.digest(DATE_KEY, message, "sha256")[:16], "big")
    assert shift_days(DATE_KEY, "p1", "person") == -(1 + drawn % 365)
    assert shift_days(DATE_KEY, "p1", "person", reach=30) == -(1 + drawn % 30)


def test_every_offset_of_the_reach_is_drawn_about_equally_often():
    """36,500 people, 365 offsets: chi-square with 364 degrees of freedom stays below its 99.9 % point, 453."""
    drawn = Counter(shift_days(DATE_KEY, "p1", str(number)) for number in range(36_500))
    assert set(drawn) == set(range(-365, 0))
    assert sum((count - 100) ** 2 / 100 for count in drawn.values()) < 453


def test_another_project_person_key_or_suite_gives_another_offset():
    """Whoever knows a patient's offset in one project does not know it in the next."""
    people = [str(number) for number in range(200)]
    base = [shift_days(DATE_KEY, "p1", one) for one in people]
    others = [
        [shift_days(DATE_KEY, "p2", one) for one in people],
        [shift_days(b"e" * 32, "p1", one) for one in people],
        [shift_days(DATE_KEY, "p1", one, suite="gm") for one in people],
        [shift_days(DATE_KEY, "p", f"1{one}") for one in people],  # the same letters, cut elsewhere
    ]
    for other in others:
        # Two independent draws agree once in 365: of 200 hardly ever ten times.
        assert sum(a == b for a, b in zip(base, other, strict=True)) < 10


def _linear_offset(key: str, person: str) -> int:
    """A published tool's hash: a polynomial in 131, modulo 101. Linear in the person's id."""
    value = 0
    for letter in key + person:
        value = (value * 131 + ord(letter)) % 101
    return value - 50


def test_known_offsets_do_not_give_away_others():
    """The weakness this design avoids, shown on both.

    Of a linear hash two known pairs give everybody's offset: o = h(id) * a + c, solved for a and c. The same
    attack on ours does no better than guessing.
    """
    people = [f"patient-{number:04d}" for number in range(1000)]

    def found_by(offset: Callable[[str], int]) -> int:
        first, second = people[0], people[11]
        gap = (_linear_offset("", second) - _linear_offset("", first)) % 101
        slope = (offset(second) - offset(first)) * pow(gap, -1, 101) % 101
        return sum(
            (offset(first) + slope * (_linear_offset("", one) - _linear_offset("", first)) - offset(one))
            % 101
            == 0
            for one in people
        )

    assert found_by(lambda one: _linear_offset("a secret key", one)) == 1000
    assert found_by(lambda one: shift_days(DATE_KEY, "p1", one)) < 40, "one in 101 by chance"


def test_a_reach_of_no_day_is_the_programs_mistake():
    with pytest.raises(ValueError, match="at least a day"):
        shift_days(DATE_KEY, "p1", "x", reach=0)
