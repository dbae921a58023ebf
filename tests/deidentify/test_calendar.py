"""Nothing can have been used before it was licensed: such rows are found on true dates, and never moved."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.calendar import check_order, find_order
from rwd_platform.core.errors import Exit, PlatformError

LICENCE = "2024-03-15"


def rows(*dates: Any, organisation: str = "org-a", source: str = "his") -> pd.DataFrame:
    return pd.DataFrame(
        {"organisation_id": organisation, "source_system": source, "date": pd.Series(dates, dtype=object)}
    )


@pytest.mark.parametrize(
    ("text", "not_before", "not_after"),
    [
        ("2024-03-14", "broken", "kept"),
        ("2024-03-15", "kept", "kept"),
        ("2024-03-16", "kept", "broken"),
        ("2024-03-14T23:59:59+08:00", "broken", "kept"),
        ("2024-03-15T00:00:00+08:00", "kept", "kept"),
        ("2024-03-15T23:59:59-11:00", "kept", "kept"),
        ("2024-02", "broken", "kept"),
        ("2024-03", "undecided", "undecided"),
        ("2024-04", "kept", "broken"),
        ("2023", "broken", "kept"),
        ("2024", "undecided", "undecided"),
        ("2025", "kept", "broken"),
        (None, "undated", "undated"),
        ("", "undated", "undated"),
        ("yesterday", "undated", "undated"),
        (float("nan"), "undated", "undated"),
    ],
)
def test_each_row_is_on_one_side_of_the_day_or_cannot_be_told(text: Any, not_before: str, not_after: str):
    """On the day itself the order holds; a month or a year is decided only where all of it lies on one side."""
    for order, expected in (("not_before", not_before), ("not_after", not_after)):
        found = find_order(rows(text), "licence", LICENCE, order)  # type: ignore[arg-type]
        counted = {
            "broken": sum(found.broken.values()),
            "undecided": found.undecided,
            "undated": found.undated,
        }
        assert found.checked == 1
        assert [name for name, count in counted.items() if count] == (
            [] if expected == "kept" else [expected]
        )


def test_broken_rows_are_counted_by_source_and_named_by_their_place():
    """Whoever has to mend them is the hospital; the index labels say which rows a rule may leave out."""
    frame = pd.concat(
        [
            rows("2024-01-01", "2024-06-01", "2023"),
            rows("2024-01-01", organisation="org-b"),
            rows("2024-01-01", organisation="org-b", source="lis"),
        ],
        ignore_index=True,
    ).set_axis([10, 11, 12, 13, 14])
    found = find_order(frame, "licence", LICENCE, "not_before")
    assert dict(found.broken) == {"org-a / his": 2, "org-b / his": 1, "org-b / lis": 1}
    assert found.rows == (10, 12, 13, 14)
    assert found.as_dict() == {
        "rule": "licence",
        "date": LICENCE,
        "order": "not_before",
        "checked": 5,
        "broken": {"org-a / his": 2, "org-b / his": 1, "org-b / lis": 1},
        "undecided": 0,
        "undated": 0,
    }


def test_a_broken_rule_refuses_with_its_name_and_the_count_of_each_source():
    """Both languages name rule, source and count, and no date of a patient's."""
    found = find_order(rows("2024-01-17", "2024-01-18"), "licence", LICENCE, "not_before")
    with pytest.raises(PlatformError) as refused:
        check_order([find_order(rows("2024-06-01"), "recall", "2025-01-01", "not_after"), found])
    error = refused.value
    assert (error.code, error.http, error.exit) == ("lock.calendar_broken", 409, Exit.REFUSED)
    for text in (error.en, error.zh):
        assert "licence org-a / his: 2" in text and "recall" not in text
        assert "2024-01-17" not in text


def test_no_rule_and_no_row_break_nothing():
    check_order([])
    check_order([find_order(rows(), "licence", LICENCE, "not_before")])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dates(), max_size=30), st.dates())
def test_full_dates_agree_with_the_calendars_own_order(dates: list[Any], day: Any):
    """Compared as texts here, as dates there; years below 1000 included."""
    frame = rows(*(one.isoformat() for one in dates))
    before = find_order(frame, "r", day.isoformat(), "not_before")
    after = find_order(frame, "r", day.isoformat(), "not_after")
    assert len(before.rows) == sum(one < day for one in dates)
    assert len(after.rows) == sum(one > day for one in dates)
    assert before.undecided == before.undated == 0
