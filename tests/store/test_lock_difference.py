"""Two locks compared: what came, went and changed, by table, subject and fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rwd_platform.store.layout import Layout
from rwd_platform.store.lock import OpenedLock, open_lock, write_lock
from rwd_platform.store.lock_difference import (
    LockDifference,
    TableDifference,
    difference,
    without_small_counts,
)

STEP = {"zh": "接受过手术", "en": "Had surgery", "left": 1, "remaining": 3}
FACTS: dict[str, Any] = {
    "project": "R-1",
    "key_versions": {"project": 1},
    "quality_verdict": "admit",
    "code_lists": {"mastectomy@1": "a" * 64},
    "attrition": [STEP],
}


def measurement(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """(subject, source line, value); the order of a subject's lines as they come."""
    frame = pd.DataFrame(rows, columns=["subject_id", "source_row", "value"])
    frame["row_order"] = frame.groupby("subject_id").cumcount().astype("Int64")
    return frame


BEFORE = measurement(("s1", "x1", 1.0), ("s1", "x2", 2.0), ("s2", "x3", 3.0), ("s3", "x4", 4.0))


def locked(tmp_path: Path, measured: pd.DataFrame, **facts: Any) -> OpenedLock:
    subjects = pd.DataFrame({"subject_id": sorted(set(measured["subject_id"]))})
    tables = {"subject": subjects, "measurement": measured}
    return open_lock(write_lock(Layout(tmp_path), tables, {**FACTS, **facts}).path)


def compared(tmp_path: Path, before: pd.DataFrame, after: pd.DataFrame, **facts: Any) -> LockDifference:
    return difference(locked(tmp_path, before), locked(tmp_path, after, **facts))


def of(found: LockDifference, table: str = "measurement") -> TableDifference:
    return next(one for one in found.tables if one.table == table)


def rows(one: TableDifference) -> tuple[Any, ...]:
    return (one.added, one.removed, one.changed)


def subjects(one: TableDifference) -> tuple[Any, ...]:
    return (one.subjects_added, one.subjects_removed, one.subjects_changed)


def test_a_lock_against_itself_differs_in_nothing(tmp_path: Path):
    """No table, no fact; the steps are told with equal counts."""
    found = compared(tmp_path, BEFORE, BEFORE)
    assert found.same and found.facts == () and all(one.same for one in found.tables)
    assert [(one.remaining_before, one.remaining_after) for one in found.steps] == [(3, 3)]


CASES = [
    ("a row came", (*BEFORE.values.tolist(), ["s1", "x9", 9.0, 0]), (1, 0, 0), (0, 0, 1)),
    ("a row went", BEFORE.values.tolist()[1:], (0, 1, 0), (0, 0, 1)),
    ("a value of the same line", [["s1", "x1", 1.5, 0], *BEFORE.values.tolist()[1:]], (0, 0, 1), (0, 0, 1)),
    ("corrected by another line", [["s1", "y1", 1.5, 0], *BEFORE.values.tolist()[1:]], (1, 1, 0), (0, 0, 1)),
    ("the same from another line", [["s1", "y1", 1.0, 0], *BEFORE.values.tolist()[1:]], (0, 0, 0), (0, 0, 0)),
    ("a subject came", (*BEFORE.values.tolist(), ["s4", "x9", 9.0, 0]), (1, 0, 0), (1, 0, 0)),
    ("a subject went", BEFORE.values.tolist()[:3], (0, 1, 0), (0, 1, 0)),
    ("twice the same row", (*BEFORE.values.tolist(), ["s3", "x4", 4.0, 1]), (1, 0, 0), (0, 0, 1)),
    ("a value that is gone", [["s1", "x1", None, 0], *BEFORE.values.tolist()[1:]], (0, 0, 1), (0, 0, 1)),
    ("all rows went", [], (0, 4, 0), (0, 3, 0)),
]


@pytest.mark.parametrize(
    ("after", "expected_rows", "expected_subjects"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_rows_that_came_went_and_changed(
    tmp_path: Path, after: Any, expected_rows: Any, expected_subjects: Any
):
    """By subject and source line; where a row stands, and which line brought the same content, is no change."""
    frame = measurement(*((subject, line, value) for subject, line, value, _ in after))
    frame["value"] = frame["value"].astype(float)
    found = of(compared(tmp_path, BEFORE, frame))
    assert rows(found) == expected_rows
    assert subjects(found) == expected_subjects
    assert (found.rows_before, found.rows_after) == (4, len(frame))


def test_columns_that_came_went_and_changed_their_type(tmp_path: Path):
    """Rows are compared over the columns that both have."""
    after = BEFORE.assign(lot="L-1", value=["1", "2", "3", "4"]).rename(columns={"row_order": "place"})
    found = of(compared(tmp_path, BEFORE, after))
    assert found.columns_added == ("place", "lot")
    assert found.columns_removed == ("row_order",)
    assert found.columns_retyped == ("value",)
    assert rows(found) == (0, 0, 4), "the same lines, another value"
    assert not found.same


def test_a_table_that_only_one_lock_has(tmp_path: Path):
    """All its rows came, or went."""
    one = locked(tmp_path, BEFORE)
    bare = open_lock(
        write_lock(Layout(tmp_path), {"subject": pd.DataFrame({"subject_id": ["s1"]})}, FACTS).path
    )
    assert rows(of(difference(bare, one))) == (4, 0, 0)
    assert rows(of(difference(one, bare))) == (0, 4, 0)
    assert subjects(of(difference(one, bare), "subject")) == (0, 2, 0)


def test_facts_that_changed_are_told_with_both_values(tmp_path: Path):
    """A verdict, a code list, a fact that an older lock did not state, and the steps of the cohort."""
    step = {**STEP, "remaining": 2}
    new = {"zh": "年满十八岁", "en": "Eighteen or older", "left": 0, "remaining": 2}
    found = compared(
        tmp_path,
        BEFORE,
        BEFORE,
        quality_verdict="quarantine",
        code_lists={"mastectomy@2": "b" * 64},
        policy={"name": "lake", "version": "2"},
        attrition=[step, new],
    )
    assert {one.fact: (one.before, one.after) for one in found.facts} == {
        "quality_verdict": ("admit", "quarantine"),
        "code_lists": ({"mastectomy@1": "a" * 64}, {"mastectomy@2": "b" * 64}),
        "policy": (None, {"name": "lake", "version": "2"}),
    }
    assert [(one.en, one.remaining_before, one.remaining_after) for one in found.steps] == [
        ("Had surgery", 3, 2),
        ("Eighteen or older", None, 2),
    ]
    assert not found.same


def test_under_another_key_no_row_is_called_new(tmp_path: Path):
    """A project's key was raised: every subject has another name, and to count them as new would be false."""
    found = compared(tmp_path, BEFORE, BEFORE, key_versions={"project": 2})
    assert found.not_comparable == ("key_versions",)
    assert rows(of(found)) == (None, None, None)
    assert (of(found).rows_before, of(found).rows_after) == (4, 4)
    assert not of(found).same


def test_small_counts_are_withheld_from_whoever_may_not_see_rows(tmp_path: Path):
    """Counts from 1 to 9 are None and the others multiples of 5; zero is a result; counts in facts go."""
    many = measurement(*((f"s{n:03}", f"x{n}", 1.0) for n in range(43)))
    more = measurement(*((f"s{n:03}", f"x{n}", 1.0 if n > 2 else 2.0) for n in range(63)))
    found = compared(
        tmp_path,
        many,
        more,
        quality_verdict="quarantine",
        left_behind={"rows": 3},
        attrition=[{**STEP, "remaining": 43}],
    )
    assert rows(of(found)) == (20, 0, 3)
    shown = without_small_counts(found, 10, 5)
    assert rows(of(shown)) == (20, 0, None)
    assert (of(shown).rows_before, of(shown).rows_after) == (45, 65)
    assert [(one.remaining_before, one.remaining_after) for one in shown.steps] == [(None, 45)]
    facts = {one.fact: (one.before, one.after) for one in shown.facts}
    assert facts == {"quality_verdict": ("admit", "quarantine"), "left_behind": (None, None)}
    assert (shown.withheld_below, shown.rounded_to) == (10, 5)
    assert shown.as_dict()["tables"][0]["changed"] is None
