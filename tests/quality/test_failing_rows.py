"""The rows that break a rule are named by their keys, one hospital's at a time."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from quality.checks import KEYS
from quality.failing_rows import failing_rows
from quality.suite import load_suites
from tests.quality.tables import frames, row

RULE = "visit.end_not_before_start"


def visit(hospital: str, resource: str, start: str | None, end: str | None) -> dict[str, Any]:
    return row("visit", hospital, "p1", resource, start_date=start, end_date=end, status="finished")


TABLES = frames(
    {
        "patient": [row("patient", "a", "p1", "p1", birth_date="1950-01-01", gender="female")],
        "visit": [
            visit("a", "v2", "2024-01-05", "2024-01-01"),
            visit("a", "v1", "2024-02-05", "2024-01-01"),
            visit("a", "v3", "2024-01-01", "2024-01-05"),
            visit("a", "v4", "2024-01-01", None),
            visit("b", "v9", "2024-01-05", "2024-01-01"),
        ],
    }
)


@pytest.mark.parametrize(
    ("rule", "hospital", "expected"),
    [
        (RULE, "a", ["v1", "v2"]),
        (RULE, "b", ["v9"]),
        (RULE, "c", []),
        (RULE, "a' OR '1'='1", []),
        ("no.such.rule", "a", []),
        ("measurement.code_present", "a", []),  # nobody sent a measurement
    ],
)
def test_the_rows_of_one_hospital_in_a_fixed_order(rule: str, hospital: str, expected: list[str]):
    """A missing end breaks nothing here; another hospital's row is not this one's."""
    found = failing_rows(TABLES, load_suites(), rule, hospital)
    assert list(found["resource_id"]) == expected and list(found.columns) == list(KEYS)


def test_a_table_of_an_older_day_lacks_columns_and_is_still_asked():
    """What the table has gained since counts as not said."""
    older = {**TABLES, "visit": TABLES["visit"].drop(columns="class_code")}
    assert len(failing_rows(older, load_suites(), RULE, "a")) == 2


def test_of_a_derived_table_the_patient_is_named_and_no_resource():
    """An observation period is of no resource: its row has no merge key, and that breaks nothing."""
    periods = pd.DataFrame(
        {
            "organisation_id": ["a", "a", "b"],
            "patient_id": ["p2", "p1", "p3"],
            "first_date": ["2024-05-01", "2024-01-01", "2024-05-01"],
            "last_date": ["2024-01-01", "2024-02-01", "2024-01-01"],
            "last_contact_date": ["2024-05-01", "2024-02-01", "2024-05-01"],
        }
    )
    rule = "observation_period.last_not_before_first"
    found = failing_rows({**TABLES, "observation_period": periods}, load_suites(), rule, "a")
    assert list(found.columns) == list(KEYS)
    assert list(found["patient_id"]) == ["p2"] and found["resource_id"].isna().all()
