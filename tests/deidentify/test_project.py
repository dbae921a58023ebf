"""From lake to lock: no dates, no hospital ids, no lake pseudonyms; ages and days from the true dates."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from deidentify.account import DropCounter
from deidentify.project import to_project
from deidentify.pseudonym import Pseudonymiser
from rwd_platform.core.errors import PlatformError

KEY = b"p" * 32
PROJECT = Pseudonymiser(KEY, "project-1")
SITES = {"org-a": "S1", "org-b": "S2"}
SOURCE = ("row_order", "source_row")  # in place of file, line and digest


def locked_tables(*given: Any, **choices: Any) -> dict[str, pd.DataFrame]:
    return to_project(*given, **choices).tables


def lake(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as the lake holds them: every table has the columns of provenance."""
    filled = [
        {
            "organisation_id": "org-a",
            "source_system": "his",
            "resource_type": name.title(),
            "resource_id": f"{name}-{number}",
            "row_index": 0,
            "upload_id": "upload-1",
            "format_version": 1,
            "source_file_sha256": "f" * 64,
            "source_line": number,
            "line_digest": f"d{number}",
            **row,
        }
        for number, row in enumerate(rows, start=1)
    ]
    return pd.DataFrame(filled)


def patients(*rows: tuple[str, str | None, str]) -> pd.DataFrame:
    return lake(
        "patient",
        [
            {"patient_id": who, "birth_date": born, "gender": "female", "organisation_id": org}
            for who, born, org in rows
        ],
    )


def index(**dates: Any) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": list(dates), "index_date": list(dates.values())}, dtype=object)


PATIENTS = patients(
    ("p1", "1937-05-06", "org-a"), ("p2", "1950-01-01", "org-b"), ("p3", "1960-01-01", "org-a")
)
INDEX = index(p2="1984-09-30", p1="1984-05-05")
CONDITIONS = lake(
    "condition",
    [
        {"patient_id": "p1", "code": "C50.9", "onset_date": "1984-04-25"},
        {"patient_id": "p3", "code": "C50.9", "onset_date": "1984-04-25"},
        {"patient_id": "p2", "code": "C50.9", "onset_date": "1984-10-01", "organisation_id": "org-b"},
        {"patient_id": "p2", "code": "I10", "onset_date": "1984", "organisation_id": "org-b"},
        {"patient_id": "p2", "code": "E11", "onset_date": None, "organisation_id": "org-b"},
    ],
)


def subject(patient: str) -> str:
    return PROJECT.token("subject", patient)


def test_a_subject_has_a_quarter_an_age_and_no_dates():
    """The patient table becomes `subject`: age completed at index, the index date only by its quarter."""
    frame = locked_tables({"patient": PATIENTS}, INDEX, PROJECT, SITES)["subject"]
    assert list(frame.columns) == [
        "subject_id",
        "site_id",
        "index_quarter",
        "age_years",
        "gender",
        *SOURCE,
    ]
    rows = frame.set_index("subject_id")[["site_id", "index_quarter", "age_years", "gender"]]
    assert rows.loc[subject("p1")].tolist() == ["S1", "1984-Q2", 46, "female"]  # a day before her birthday
    assert rows.loc[subject("p2")].tolist() == ["S2", "1984-Q3", 34, "female"]
    assert len(rows) == 2


def test_only_the_cohorts_patients_are_locked():
    """Who is not in the index has no row in any table of the lock."""
    locked = locked_tables({"patient": PATIENTS, "condition": CONDITIONS}, INDEX, PROJECT, SITES)
    known = {subject("p1"), subject("p2")}
    assert set(locked["subject"]["subject_id"]) == known
    assert set(locked["condition"]["subject_id"]) == known


def test_dates_become_days_since_index():
    """Before the index date days are negative; a date without a day gives no day, and is counted."""
    account = DropCounter()
    locked = locked_tables({"patient": PATIENTS, "condition": CONDITIONS}, INDEX, PROJECT, SITES, account)
    frame = locked["condition"].set_index(["subject_id", "code"])["onset_day"]
    assert frame.dtype == "Int64"
    assert frame[subject("p1"), "C50.9"] == -10
    assert frame[subject("p2"), "C50.9"] == 1
    assert frame[subject("p2"), "I10"] is pd.NA
    assert frame[subject("p2"), "E11"] is pd.NA
    assert account.as_dict()["condition.onset_date: no day"] == 1


def test_a_lock_holds_no_id_of_the_lake_and_no_date():
    """Resource ids, uploads and hospitals' systems stay behind; where a row came from stays with it."""
    account = DropCounter()
    locked = locked_tables({"patient": PATIENTS, "condition": CONDITIONS}, INDEX, PROJECT, SITES, account)
    assert list(locked["condition"].columns) == ["subject_id", "site_id", *SOURCE, "code", "onset_day"]
    assert account.as_dict()["condition.resource_id"] == 4
    cells = {str(cell) for frame in locked.values() for cell in frame.to_numpy().ravel()}
    assert not cells & {"p1", "p2", "org-a", "org-b", "condition-1", "patient-1", "upload-1", "his"}
    assert not [cell for cell in cells if re.match(r"[0-9]{4}-[0-9]", cell)]


def test_two_projects_cannot_be_joined():
    """Of the names in two projects' locks - of subjects, and of the lines their rows came from - none is shared."""
    tables = {"patient": PATIENTS, "condition": CONDITIONS}
    one = to_project(tables, INDEX, PROJECT, SITES)
    other = to_project(tables, INDEX, Pseudonymiser(KEY, "project-2"), SITES)
    said = {"S1", "S2", "female", "C50.9", "I10", "E11", "1984-Q2", "1984-Q3"}  # what the rows are about
    assert texts(one.tables) & texts(other.tables) == said
    assert not set(one.sources) & set(other.sources)
    assert sorted(one.sources.values()) == sorted(other.sources.values())


def texts(tables: dict[str, pd.DataFrame]) -> set[str]:
    cells = (cell for frame in tables.values() for cell in frame.to_numpy().ravel())
    return {cell for cell in cells if isinstance(cell, str)}


def test_what_a_source_row_stands_for_is_handed_back_beside_the_tables():
    """A number's way home leads through it; the lock itself names no file, no line and no digest."""
    projected = to_project({"patient": PATIENTS, "condition": CONDITIONS}, INDEX, PROJECT, SITES)
    rows = projected.tables["condition"].set_index(["subject_id", "code"])["source_row"]
    assert projected.sources[rows[subject("p1"), "C50.9"]] == ("f" * 64, 1, "d1")
    assert projected.sources[rows[subject("p2"), "I10"]] == ("f" * 64, 4, "d4")


def test_a_subjects_lines_keep_their_order_and_nothing_else():
    """On one day the smallest file and line decides, so their order is kept: 0, 1, 2 within each subject."""
    lines = (90, 7, 7, 1000)
    rows = lake("visit", [{"patient_id": "p1", "source_line": n, "line_digest": f"d{n}"} for n in lines])
    visits = locked_tables({"patient": PATIENTS, "visit": rows}, INDEX, PROJECT, SITES)["visit"]
    assert visits["row_order"].tolist() == [0, 0, 1, 2]


def test_the_order_of_the_lakes_rows_does_not_matter():
    """Locks are named by their content: the same facts give the same table."""
    tables = {"patient": PATIENTS, "condition": CONDITIONS}
    shuffled = {name: table.sample(frac=1, random_state=7) for name, table in reversed(tables.items())}
    first = locked_tables(tables, INDEX, PROJECT, SITES)
    second = locked_tables(shuffled, INDEX.iloc[::-1], PROJECT, SITES)
    assert list(first) == list(second) == ["subject", "condition"]
    for name in first:
        assert_frame_equal(first[name], second[name])


@settings(deadline=None, max_examples=40)
@given(
    st.dates(date(1900, 1, 1), date(1999, 12, 31)),
    st.integers(0, 36_000),
    st.integers(-20_000, 20_000),
)
def test_ages_and_days_agree_with_the_calendar(born: date, lived: int, after: int):
    """Counted by walking from birthday to birthday and day to day, leap years included."""
    at = born + timedelta(days=lived)
    seen = at + timedelta(days=after)
    conditions = lake("condition", [{"patient_id": "p1", "onset_date": seen.isoformat()}])
    locked = locked_tables(
        {"patient": patients(("p1", born.isoformat(), "org-a")), "condition": conditions},
        index(p1=at.isoformat()),
        PROJECT,
        SITES,
    )
    if (born.month, born.day) != (2, 29):  # the next test
        birthdays = [born.replace(year=year) for year in range(born.year + 1, at.year + 1)]
        assert locked["subject"]["age_years"][0] == sum(birthday <= at for birthday in birthdays)
    assert locked["condition"]["onset_day"][0] == after


@pytest.mark.parametrize(
    ("at", "age"),
    [("1983-02-28", 22), ("1983-03-01", 23), ("1984-02-28", 23), ("1984-02-29", 24), ("1984-03-01", 24)],
)
def test_who_was_born_on_29_february_has_her_birthday_on_1_march_in_other_years(at: str, age: int):
    """The completed age of somebody born on 29 February 1960."""
    locked = locked_tables({"patient": patients(("p1", "1960-02-29", "org-a"))}, index(p1=at), PROJECT, SITES)
    assert locked["subject"]["age_years"][0] == age


@pytest.mark.parametrize("born", ["1937", "1937-05", None, "not a date", "1937-02-30"])
def test_a_birth_date_without_a_day_gives_no_age_and_is_counted(born: str | None):
    """An age is never guessed from a year."""
    account = DropCounter()
    locked = locked_tables(
        {"patient": patients(("p1", born, "org-a"))}, index(p1="1984-01-01"), PROJECT, SITES, account
    )
    assert locked["subject"]["age_years"][0] is pd.NA
    assert account.as_dict() == {"patient.birth_date: no day": 1}


def test_a_date_with_a_time_counts_by_its_own_day():
    """`1984-05-06T00:30:00+08:00` is 6 May where the patient was, whatever the time was in UTC."""
    visits = lake("visit", [{"patient_id": "p1", "start_date": "1984-05-06T00:30:00+08:00"}])
    locked = locked_tables({"patient": PATIENTS, "visit": visits}, INDEX, PROJECT, SITES)
    assert locked["visit"]["start_day"].tolist() == [1]


def test_dates_far_outside_the_usual_years_are_counted_in_days_too():
    """FHIR allows years 1 to 9999; quality judges them, the projection only counts."""
    visits = lake("visit", [{"patient_id": "p1", "start_date": day} for day in ("0001-01-01", "9999-12-31")])
    locked = locked_tables({"patient": PATIENTS, "visit": visits}, INDEX, PROJECT, SITES)
    origin = date(1984, 5, 5)
    assert locked["visit"]["start_day"].tolist() == [
        (date(1, 1, 1) - origin).days,
        (date(9999, 12, 31) - origin).days,
    ]


def test_an_empty_cohort_gives_empty_tables_with_their_columns():
    """A study that nobody qualifies for can be locked and shown."""
    locked = locked_tables({"patient": PATIENTS, "condition": CONDITIONS}, index(), PROJECT, SITES)
    assert {name: len(frame) for name, frame in locked.items()} == {"subject": 0, "condition": 0}
    assert "onset_day" in locked["condition"].columns
    assert "age_years" in locked["subject"].columns


REFUSED = [
    ("no patient table", {}, INDEX, SITES, "project.column_missing"),
    (
        "no birth date",
        {"patient": PATIENTS.drop(columns="birth_date")},
        INDEX,
        SITES,
        "project.column_missing",
    ),
    ("a patient twice", {"patient": pd.concat([PATIENTS, PATIENTS])}, INDEX, SITES, "project.patients_unfit"),
    ("a patient unknown", {"patient": PATIENTS}, index(p9="1984-01-01"), SITES, "project.patients_unfit"),
    ("an index date missing", {"patient": PATIENTS}, index(p1=None), SITES, "project.index_unfit"),
    ("an index date coarse", {"patient": PATIENTS}, index(p1="1984"), SITES, "project.index_unfit"),
    ("an index date twice", {"patient": PATIENTS}, pd.concat([INDEX, INDEX]), SITES, "project.index_unfit"),
    ("a site unknown", {"patient": PATIENTS}, INDEX, {"org-a": "S1"}, "project.site_unknown"),
]


@pytest.mark.parametrize(
    ("what", "tables", "at", "sites", "code"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_what_would_make_a_wrong_lock_is_refused(
    what: str, tables: Any, at: pd.DataFrame, sites: Any, code: str
):
    """A lock is made whole or not at all; the error names columns and counts, no patient."""
    with pytest.raises(PlatformError) as refusal:
        locked_tables(tables, at, PROJECT, sites)
    assert refusal.value.code == code
    assert "p9" not in refusal.value.en + refusal.value.zh


# -- shifted dates and months --------------------------------------------------------------------------

OFFSETS = {"p1": -10, "p2": -200, "p3": -1}
MIXED = lake(
    "visit",
    [
        {"patient_id": "p1", "start_date": "1984-05-06T00:30:00+08:00", "end_date": "1984-05-08"},
        {"patient_id": "p2", "start_date": "1984-10", "end_date": None, "organisation_id": "org-b"},
        {"patient_id": "p2", "start_date": "1984", "end_date": "soon", "organisation_id": "org-b"},
    ],
)
TABLES = {"patient": PATIENTS, "condition": CONDITIONS, "visit": MIXED}


def test_shifted_dates_move_by_the_subjects_own_offset():
    """All of a subject's dates alike; precision, time of day and offset stay; what is no date is counted."""
    account = DropCounter()
    locked = locked_tables(
        TABLES, INDEX, PROJECT, SITES, account, dates="shift", offset_of=OFFSETS.__getitem__
    )
    index_dates = locked["subject"].set_index("subject_id")["index_date"]
    assert index_dates[subject("p1")] == "1984-04-25"  # ten days before 5 May
    assert index_dates[subject("p2")] == "1984-03-14"
    visits = locked["visit"].set_index("subject_id")
    assert visits.loc[subject("p1"), ["start_date", "end_date"]].tolist() == [
        "1984-04-26T00:30:00+08:00", "1984-04-28"
    ]  # fmt: skip
    assert set(visits.loc[subject("p2"), "start_date"]) == {"1984-03", "1983"}
    assert visits.loc[subject("p2"), "end_date"].isna().all()
    assert account.as_dict()["visit.end_date: no date"] == 1


def test_beside_shifted_dates_stand_no_true_one_and_no_true_quarter():
    """A true quarter beside a shifted index date would bound the offset to three months."""
    locked = locked_tables(TABLES, INDEX, PROJECT, SITES, dates="shift", offset_of=OFFSETS.__getitem__)
    assert "index_quarter" not in locked["subject"].columns
    cells = {str(cell) for frame in locked.values() for cell in frame.to_numpy().ravel()}
    assert not cells & {"1984-05-05", "1984-09-30", "1984-04-25T", "1984-10-01", "1984-Q2", "1984-Q3"}


def test_ages_come_from_the_true_dates_whatever_the_lock_holds():
    """A shift of up to a year must not make somebody younger."""
    days = locked_tables(TABLES, INDEX, PROJECT, SITES)["subject"]
    for choice in ("shift", "month"):
        other = locked_tables(TABLES, INDEX, PROJECT, SITES, dates=choice, offset_of=OFFSETS.__getitem__)[
            "subject"
        ]
        assert other["age_years"].tolist() == days["age_years"].tolist()


def test_months_replace_dates_and_what_is_coarser_stays():
    locked = locked_tables(TABLES, INDEX, PROJECT, SITES, dates="month")
    assert sorted(locked["subject"]["index_month"]) == ["1984-05", "1984-09"]
    visits = locked["visit"].set_index("subject_id")
    assert visits.loc[subject("p1"), ["start_month", "end_month"]].tolist() == ["1984-05", "1984-05"]
    assert set(visits.loc[subject("p2"), "start_month"]) == {"1984-10", "1984"}
    cells = {str(cell) for frame in locked.values() for cell in frame.to_numpy().ravel()}
    assert not [cell for cell in cells if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell)]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.dates(date(1900, 1, 1)), min_size=1, max_size=6),
    st.integers(-365, -1),
    st.dates(date(1950, 1, 1), date(2020, 1, 1)),
)
def test_days_from_shifted_dates_are_the_days_of_the_true_ones(dates: list[date], offset: int, at: date):
    """Both kinds of lock give every interval, to the day."""
    conditions = lake("condition", [{"patient_id": "p1", "onset_date": day.isoformat()} for day in dates])
    tables = {"patient": patients(("p1", "1930-01-01", "org-a")), "condition": conditions}
    days = locked_tables(tables, index(p1=at.isoformat()), PROJECT, SITES)
    moved = locked_tables(
        tables, index(p1=at.isoformat()), PROJECT, SITES, dates="shift", offset_of=lambda _patient: offset
    )
    zero = date.fromisoformat(moved["subject"]["index_date"][0])
    found = sorted((date.fromisoformat(text) - zero).days for text in moved["condition"]["onset_date"])
    assert found == sorted(days["condition"]["onset_day"])


def test_an_index_date_that_would_leave_the_calendar_is_refused():
    """Year 1 is a typing error; no lock is made around it."""
    with pytest.raises(PlatformError, match=r"project\.index_unfit"):
        locked_tables(
            {"patient": patients(("p1", "0001-01-01", "org-a"))},
            index(p1="0001-01-05"),
            PROJECT,
            SITES,
            dates="shift",
            offset_of=lambda _patient: -10,
        )


def test_shifting_without_offsets_is_the_programs_mistake():
    """It can never fall back to true dates."""
    with pytest.raises(ValueError, match="offset"):
        locked_tables(TABLES, INDEX, PROJECT, SITES, dates="shift")


@pytest.mark.parametrize(("choice", "column"), [("shift", "onset_date"), ("month", "onset_month")])
def test_an_empty_cohort_has_the_columns_of_its_choice(choice: Any, column: str):
    locked = locked_tables(TABLES, index(), PROJECT, SITES, dates=choice, offset_of=OFFSETS.__getitem__)
    assert column in locked["condition"].columns and len(locked["condition"]) == 0
