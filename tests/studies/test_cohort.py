"""The cohort is defined before outcomes are seen, and everybody who does not enter has a reason."""

from __future__ import annotations

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from studies.attrition import adds_up
from studies.cohort import IndexDates, index_dates
from tests.studies.small import small_protocol, table


def lake(patients: str, events: str) -> dict[str, pd.DataFrame]:
    """patients: patient | born;  events: table | patient | code | date [| status]."""
    people, rows = table(patients), table(events)

    def part(name: str, date: str, status: str, usual: str, system: str) -> pd.DataFrame:
        chosen = [one for one in rows if one["table"] == name]
        cells = [
            [one["patient"], system, one["code"], one.get("date"), one.get("status", usual)] for one in chosen
        ]
        return pd.DataFrame(
            cells, columns=["patient_id", "code_system", "code", date, status], dtype="object"
        )

    return {
        "patient": pd.DataFrame(
            [[one["patient"], "female", one.get("born")] for one in people],
            columns=["patient_id", "gender", "birth_date"],
        ),
        "procedure": part("procedure", "performed_date", "status", "completed", "urn:proc"),
        "condition": part("condition", "onset_date", "verification_status", "confirmed", "urn:dx"),
    }


def cohort(patients: str, events: str) -> IndexDates:
    return index_dates(lake(patients, events), small_protocol())


def dates(result: IndexDates) -> dict[str, str]:
    return dict(zip(result.frame["patient_id"], result.frame["index_date"], strict=True))


def left(result: IndexDates) -> dict[str, int]:
    return {step.reason.en: step.left for step in result.attrition if step.left}


def test_the_index_date_is_the_first_index_event():
    """Later operations, other codes and operations that were not completed do not count."""
    result = cohort(
        """patient | born
        A | 1950-01-01
        B | 1950-01-01""",
        """table | patient | code | date | status
        procedure | A | P2 | 2020-05-01 | -
        procedure | A | P1 | 2020-03-01 | -
        procedure | A | P1 | 2019-03-01 | not-done
        procedure | A | P9 | 2018-03-01 | -
        condition | A | I25 | 2020-02-20 | -
        procedure | B | P9 | 2018-03-01 | -""",
    )
    assert dates(result) == {"A": "2020-03-01"}
    assert left(result) == {"No index event: First implant": 1}


def test_everybody_who_does_not_enter_has_a_reason():
    """The steps add up from the lake to the cohort, in the protocol's order; each person leaves once."""
    result = cohort(
        """patient | born
        ok | 1950-01-01
        child | 2010-01-01
        nodate | -
        undiagnosed | 1950-01-01
        late | 1950-01-01
        tumour | 1950-01-01
        absent | 1950-01-01""",
        """table | patient | code | date
        procedure | ok | P1 | 2020-03-01
        procedure | child | P1 | 2020-03-01
        procedure | nodate | P1 | 2020-03-01
        procedure | undiagnosed | P1 | 2020-03-01
        procedure | late | P1 | 2020-03-01
        procedure | tumour | P1 | 2020-03-01
        condition | ok | I25 | 2020-03-01
        condition | child | I25 | 2020-03-01
        condition | nodate | I25 | 2020-03-01
        condition | late | I25 | 2020-03-02
        condition | tumour | I25 | 2020-01-31
        condition | tumour | C80 | 2015-01-31""",
    )
    assert list(dates(result)) == ["ok"]
    assert left(result) == {
        "No index event: First implant": 1,
        "Age": 2,
        "No diagnosis": 2,
        "Earlier tumour": 1,
    }
    assert result.attrition[0].remaining == 7 and adds_up(result.attrition)


@pytest.mark.parametrize(
    ("born", "enters"),
    [
        ("2002-03-01", True),
        ("2002-03-02", False),
        ("1929-03-02", True),
        ("1929-03-01", False),
        ("1950", False),
    ],
)
def test_age_is_in_completed_years_on_the_index_date(born, enters):
    """18 on the very day is 18. A birth date without its day cannot be decided and is not met."""
    events = """table | patient | code | date
        procedure | A | P1 | 2020-03-01
        condition | A | I25 | 2020-03-01"""
    assert bool(dates(cohort(f"patient | born\nA | {born}", events))) is enters


@pytest.mark.parametrize(
    ("other", "enters"),
    [("2020-04", True), ("2020-03", False), ("2019", False), ("2019-13-45", False), ("2021", True)],
)
def test_a_partial_date_that_may_be_earlier_hides_the_index_date(other, enters):
    """If a second operation is dated "2020-03", nobody knows which was first: the person leaves, with a reason."""
    result = cohort(
        "patient | born\nA | 1950-01-01",
        f"""table | patient | code | date
        procedure | A | P1 | 2020-03-15
        procedure | A | P1 | {other}
        condition | A | I25 | 2020-03-01""",
    )
    assert bool(dates(result)) is enters
    assert enters or left(result) == {"The index date is not known to the day": 1}


def test_a_diagnosis_with_a_partial_date_is_not_counted():
    """Whether "2020-03" lies in the window cannot be decided."""
    result = cohort(
        "patient | born\nA | 1950-01-01",
        """table | patient | code | date
        procedure | A | P1 | 2020-03-15
        condition | A | I25 | 2020-03""",
    )
    assert left(result) == {"No diagnosis": 1}


def test_an_empty_lake_gives_an_empty_cohort():
    """Columns and steps are there, nobody is."""
    result = cohort("patient | born", "table | patient | code | date")
    assert list(result.frame.columns) == ["patient_id", "index_date"] and len(result.frame) == 0
    assert [step.remaining for step in result.attrition] == [0] * 6


def test_the_outcome_table_is_not_even_accepted():
    """A cohort chosen with outcomes in sight is biased; so it is an error to offer them."""
    with pytest.raises(PlatformError) as refused:
        index_dates({"outcome_event": pd.DataFrame()}, small_protocol())
    assert refused.value.code == "cohort.outcomes_offered"


@pytest.mark.parametrize(
    ("table_name", "column", "code"),
    [("procedure", None, "study.table_missing"), ("condition", "onset_date", "study.column_missing")],
)
def test_a_table_or_column_that_is_missing_is_named(table_name, column, code):
    """A lake of another version is an error, never an empty cohort."""
    tables = lake(
        "patient | born\nA | 1950-01-01", "table | patient | code | date\nprocedure | A | P1 | 2020-03-15"
    )
    if column is None:
        del tables[table_name]
    else:
        tables[table_name] = tables[table_name].drop(columns=column)
    with pytest.raises(PlatformError) as refused:
        index_dates(tables, small_protocol())
    assert refused.value.code == code and table_name in refused.value.zh


def test_a_patient_listed_twice_counts_once():
    """Two files may carry the same patient."""
    result = cohort(
        "patient | born\nA | 1950-01-01\nA | 1950-01-01",
        """table | patient | code | date
        procedure | A | P1 | 2020-03-15
        procedure | A | P1 | 2020-03-15
        condition | A | I25 | 2020-03-01""",
    )
    assert result.attrition[0].remaining == 1 and dates(result) == {"A": "2020-03-15"}
