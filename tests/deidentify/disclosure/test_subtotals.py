"""A subtotal in a word that nobody foresaw, beside a margin that is known: read as one, it may tell a small count."""

from __future__ import annotations

import time

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.read import table_mapping
from deidentify.disclosure.rules import subtotals
from tests.deidentify.disclosure.results import PURPOSE


def rules(text: str) -> set[tuple[str, str]]:
    found = check(table_mapping(text.encode()), "sponsor", PURPOSE, propose=False).findings
    return {(one.rule, one.outcome) for one in found if one.rule == "maybe_subtotal"}


REVIEW, FAIL = {("maybe_subtotal", "review")}, {("maybe_subtotal", "fail")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # early is I and II: 54 - 50 = 4
        ("stage,count\nI,50\nII,*\nearly,54\nIII,*\ntotal,200\n", REVIEW),
        # written before its parts
        ("stage,count\nearly,54\nI,50\nII,*\nIII,*\ntotal,200\n", REVIEW),
        # without any margin
        ("stage,count\nI,50\nII,*\nearly,54\nIII,70\nIV,80\n", REVIEW),
        # more rows than the margin has room for: one of them must be a subtotal
        ("stage,count\nI,50\nII,*\nearly,54\nIII,46\nIV,*\ntotal,120\n", FAIL),
        # read as a subtotal it still leaves room
        ("stage,count\nI,50\nII,*\nIII,*\nearly,90\nIV,*\ntotal,300\n", set()),
        # the other column shows that early is no sum of I and II
        ("stage,arm,count\nI,A,50\nII,A,*\nearly,A,54\nIII,A,*\ntotal,A,200\n"
         "I,B,60\nII,B,70\nearly,B,90\nIII,B,80\ntotal,B,300\n", set()),
        # and here that it is one: the column has no room for it
        ("stage,arm,count\nI,A,50\nII,A,*\nearly,A,54\nIII,A,*\ntotal,A,200\n"
         "I,B,60\nII,B,70\nearly,B,130\nIII,B,80\ntotal,B,210\n", FAIL),
        # nothing withheld, nothing asked
        ("stage,count\nI,60\nII,40\ntotal,100\n", set()),
        # levels that are written with a slash are known
        ("stage,count\nearly,154\nearly/I,50\nearly/II,*\nearly/III,*\nlate,90\ntotal,244\n", set()),
    ],
)  # fmt: skip
def test_a_row_is_tried_as_the_sum_of_its_neighbours(text: str, expected: set[tuple[str, str]]):
    assert rules(text) == expected


def test_the_sum_is_solved_with_the_printed_margins():
    """A two-way table: II is open in its own row, and settled by early's and the columns' margins together."""
    text = (
        "stage,sex,count\n"
        "I,m,50\nI,f,40\nI,total,90\n"
        "II,m,*\nII,f,*\nII,total,44\n"
        "early,m,54\nearly,f,80\nearly,total,134\n"
        "III,m,*\nIII,f,*\nIII,total,120\n"
        "total,m,160\ntotal,f,94\ntotal,total,254\n"
    )
    assert rules(text) == FAIL


def test_a_huge_table_ends_and_says_that_it_is_not_proven(monkeypatch: pytest.MonkeyPatch):
    """Beyond the limit of what is looked at: review, in bounded time."""
    monkeypatch.setattr(subtotals, "MOST_CHECKS", 20_000)
    lines = "".join(f"s{n},{'*' if n % 7 == 0 else 1000 + 37 * (n % 11)}\n" for n in range(3000))
    started = time.monotonic()
    found = check(table_mapping(f"stage,count\n{lines}".encode()), "sponsor", PURPOSE, propose=False)
    assert time.monotonic() - started < 60
    assert ("secondary_not_proven", "review") in {(one.rule, one.outcome) for one in found.findings}


def test_too_many_readings_are_not_all_solved_and_that_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subtotals, "MOST_READINGS", 1)
    text = "stage,count\nI,50\nII,*\nearly,54\nIII,*\nIV,60\nV,*\nlate,64\ntotal,500\n"
    found = check(table_mapping(text.encode()), "sponsor", PURPOSE, propose=False).findings
    assert "secondary_not_proven" in {one.rule for one in found}
