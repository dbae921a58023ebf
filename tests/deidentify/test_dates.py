"""Coarser dates: cut from the text as written, never rounded, never invented."""

from __future__ import annotations

import pytest

from deidentify.dates import coarsen

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
