"""Before which day charts cannot bear a study out: the quarter in which the last of the analysed subjects began."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from rwd_platform.core.columns import SUBJECT_ID
from studies.evidence.sample.days import first_day
from studies.tables import SUBJECT_TABLE
from tests.evidence.sample.made import stent_table

WHOLE = stent_table()
IDS = list(WHOLE.frame[SUBJECT_ID])
TWO = replace(WHOLE, frame=WHOLE.frame.head(2))


def lock(**columns: list[str | None]) -> dict[str, pd.DataFrame]:
    return {SUBJECT_TABLE: pd.DataFrame({SUBJECT_ID: IDS[: len(next(iter(columns.values())))], **columns})}


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ({"index_quarter": ["2022-Q4", "2023-Q1"]}, "2023-01-01"),
        ({"index_quarter": ["2023-Q2", "2022-Q4"]}, "2023-04-01"),
        ({"index_quarter": ["2023-Q3", None]}, "2023-07-01"),
        ({"index_quarter": ["2023-Q4", "x"]}, "2023-10-01"),
        ({"index_date": ["2021-03-31", "2021-01-05"]}, "2021-01-01"),
        ({"index_date": ["1999-12-31", "2021-12-31"]}, "2021-10-01"),
        ({"index_quarter": ["", "2023"]}, ""),
        ({"other": ["2023-Q1", "2023-Q1"]}, ""),
    ],
)
def test_the_quarter_of_the_last_to_begin_decides(columns: dict[str, list[str | None]], first: str) -> None:
    """Never a single person's day: of a lock of shifted dates the quarter is told too."""
    assert first_day(lock(**columns), TWO) == first


def test_whoever_is_not_analysed_is_not_asked_about() -> None:
    assert first_day(lock(index_quarter=["2020-Q1", "2020-Q2", "2024-Q4"]), TWO) == "2020-04-01"


def test_a_lock_that_does_not_say_bounds_nothing() -> None:
    assert first_day({}, TWO) == ""
