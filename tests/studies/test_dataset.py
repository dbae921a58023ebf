"""From a lock to the analysed table: exposure, covariates and outcome of each subject, and where they come from."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.attrition import AttritionStep, adds_up
from studies.dataset import StudyDataset, build
from tests.studies.small import line_of, lock, small_protocol

HEAD = "table | subject | code | day | value | unit | status | line"
WHOLE = """
        procedure | A | P1 | 0 | - | - | - | 10
        drug_exposure | A | NEW | 0 | - | - | - | 11
        measurement | A | WEIGHT | 0 | 71.5 | kg | - | 12
        measurement | A | FRAIL | 0 | F1 | - | - | 13
        outcome_event | A | VITAL | 400 | alive | - | - | 14"""


def one(*more: str, without: int | None = None) -> StudyDataset:
    """Subject A with a whole record, `more` lines added and the line `without` left out."""
    lines = [line for line in WHOLE.splitlines() if without is None or f"| {without}" not in line[-5:]]
    return build(lock("subject | age\nA | 70", "\n".join([HEAD, *lines[1:], *more])), small_protocol())


def left(dataset: StudyDataset) -> list[str]:
    return [step.reason.en for step in dataset.attrition if step.left]


def value(dataset: StudyDataset, column: str) -> object:
    return dataset.frame[column].item()


def lines(dataset: StudyDataset, variable: str) -> list[int]:
    return [
        line_of(name) for name in dataset.lineage.loc[dataset.lineage["variable"] == variable, "source_row"]
    ]


def test_a_whole_record_becomes_one_row_with_the_line_of_every_value():
    """The chain from a number back to a hospital's file starts here."""
    dataset = one()
    assert dataset.frame.to_dict("records") == [
        {
            "subject_id": "A",
            "site_id": "site-1",
            "stent": 1,
            "time_days": 400,
            "event": 0,
            "age": 70.0,
            "weight_kg": 71.5,
            "frailty": "frail",
            "surgery": 0,
        }
    ]
    found = {name: lines(dataset, name) for name in dataset.lineage["variable"].unique()}
    assert found == {
        "index": [10],
        "stent": [11],
        "age": [1],
        "weight_kg": [12],
        "frailty": [13],
        "time_days": [14],
        "event": [14],
    }
    assert left(dataset) == ["Not in the population of the main analysis: Old"] and dataset.by_arm == {
        "exposed": 1,
        "comparator": 0,
    }


@pytest.mark.parametrize(
    ("without", "more", "reason"),
    [
        (11, "", "Had neither the product nor the comparator"),
        (None, "drug_exposure | A | OLD | 1 | - | - | - | 20", "Had both the product and the comparator"),
        (
            None,
            "drug_exposure | A | NEW | 2 | - | - | declined | 20",
            "The records of the exposure contradict",
        ),
        (None, "drug_exposure | A | NEW | -100 | - | - | - | 20", "Used the product before the index date"),
        (12, "", "Covariate missing: Weight"),
        (13, "", "Covariate missing: Frailty"),
        (14, "", "No usable record of the outcome or of follow-up"),
        (
            None,
            "outcome_event | A | VITAL | 300 | dead | - | - | 20",
            "The records of the outcome contradict",
        ),
        (
            14,
            "outcome_event | A | VITAL | -1 | alive | - | - | 20",
            "The outcome or the end of follow-up is before",
        ),
    ],
)
def test_who_cannot_be_analysed_leaves_with_one_reason(without, more, reason):
    """Complete cases only, and no guessing between records that contradict each other."""
    dataset = one(*([more] if more else []), without=without)
    (why,) = left(dataset)
    assert why.startswith(reason) and dataset.frame.empty and dataset.lineage.empty
    assert adds_up(dataset.attrition)


@pytest.mark.parametrize(
    "more",
    [
        "drug_exposure | A | NEW | 3 | - | - | declined | 20",
        "drug_exposure | A | OLD | 3 | - | - | - | 20",
        "drug_exposure | A | NEW | -101 | - | - | - | 20",
        "drug_exposure | A | OTHER | 0 | - | - | - | 20",
        "outcome_event | A | VITAL | 300 | dead | - | entered-in-error | 20",
        "outcome_event | A | VITAL | 399 | alive | - | - | 20",
        "outcome_event | A | VITAL | - | dead | - | - | 20",
        "measurement | A | WEIGHT | 1 | 99 | kg | - | 20",
        "measurement | A | WEIGHT | 0 | 157 | [lb_av] | - | 20",
        "measurement | A | WEIGHT | -31 | 99 | kg | - | 20",
        "measurement | A | WEIGHT | 0 | 99 | kg | preliminary | 20",
        "measurement | A | FRAIL | 0 | F7 | - | - | 20",
        "procedure | A | S1 | 0 | - | - | - | 20",
    ],
)
def test_records_outside_their_window_status_or_unit_change_nothing(more):
    """A later change of treatment stays in the arm of the start; a value in another unit is not converted."""
    assert one(more).frame.equals(one().frame)


def test_the_arm_is_decided_inside_the_grace_days():
    """The old stent on day 2, no new one before: a comparator."""
    dataset = one("drug_exposure | A | OLD | 2 | - | - | - | 20", without=11)
    assert value(dataset, "stent") == 0 and lines(dataset, "stent") == [20]


def test_the_latest_value_up_to_the_index_date_counts():
    """Of several values the latest; on one day the one from the smallest source file and line."""
    dataset = one(
        "measurement | A | WEIGHT | -5 | 50 | kg | - | 1",
        "measurement | A | WEIGHT | 0 | 60 | kg | - | 9",
        "measurement | A | WEIGHT | 0 | 80 | kg | - | 90",
    )
    assert value(dataset, "weight_kg") == 60.0 and lines(dataset, "weight_kg") == [9]


def test_an_earlier_operation_is_a_record_that_is_there_or_not():
    """Absence is a value, 0, but it has no source line."""
    dataset = one("procedure | A | S1 | -20 | - | - | - | 20")
    assert value(dataset, "surgery") == 1 and lines(dataset, "surgery") == [20]
    assert value(one(), "surgery") == 0 and lines(one(), "surgery") == []


def test_the_first_death_and_the_last_sign_of_life_count():
    """Two records of one death: the earlier. Several contacts: the last one ends follow-up."""
    dead = one(
        "outcome_event | A | VITAL | 500 | dead | - | - | 21",
        "outcome_event | A | VITAL | 450 | dead | - | - | 20",
    )
    assert (value(dead, "time_days"), value(dead, "event")) == (450, 1)
    assert lines(dead, "time_days") == [20]
    alive = one("outcome_event | A | VITAL | 600 | alive | - | - | 20")
    assert (value(alive, "time_days"), value(alive, "event")) == (600, 0)
    same_day = one("outcome_event | A | VITAL | 400 | dead | - | - | 20")
    assert (value(same_day, "time_days"), value(same_day, "event")) == (400, 1)


def test_the_cohort_s_steps_stand_in_front():
    """Attrition runs from the lake to the analysed table without a gap."""
    before = (AttritionStep(Bilingual("湖", "Lake"), 0, 5), AttritionStep(Bilingual("无", "None"), 4, 1))
    tables = lock("subject | age\nA | 70", HEAD + WHOLE)
    dataset = build(tables, small_protocol(), before)
    assert dataset.attrition[:2] == before and adds_up(dataset.attrition)


def test_an_empty_lock_gives_an_empty_table():
    """All columns, no rows, and every step says 0."""
    dataset = build(lock("subject | age", HEAD), small_protocol())
    assert dataset.frame.empty and "frailty" in dataset.frame.columns
    assert {step.remaining for step in dataset.attrition} == {0}


def test_missing_age_is_a_missing_covariate():
    """A birth date that could not be read leaves no age."""
    dataset = build(lock("subject | age\nA | -", HEAD + WHOLE), small_protocol())
    assert left(dataset) == ["Covariate missing: Age"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_missing(bad):
    """NaN from a file is no weight."""
    tables = lock("subject | age\nA | 70", HEAD + WHOLE)
    tables["measurement"]["value"] = bad
    assert left(build(tables, small_protocol())) == ["Covariate missing: Weight"]


@pytest.mark.parametrize("name", ["subject", "drug_exposure", "measurement", "outcome_event", "procedure"])
def test_a_lock_without_a_table_is_refused(name):
    """ "No dispensing table" must never be read as "nobody was treated"."""
    tables = lock("subject | age\nA | 70", HEAD + WHOLE)
    del tables[name]
    with pytest.raises(PlatformError) as refused:
        build(tables, small_protocol())
    assert refused.value.code == "study.table_missing" and name in refused.value.en


def test_text_columns_may_come_as_arrow_or_pandas_strings():
    """Parquet readers give different text types for the same facts; the table is the same."""
    plain = lock("subject | age\nA | 70", HEAD + WHOLE)
    typed = {name: frame.convert_dtypes() for name, frame in plain.items()}
    arrow = {name: frame.convert_dtypes(dtype_backend="pyarrow") for name, frame in plain.items()}
    expected = build(plain, small_protocol())
    for tables in (typed, arrow):
        assert build(tables, small_protocol()).frame.equals(expected.frame)


def test_a_subject_with_rows_in_no_subject_table_is_not_invented():
    """Rows of somebody whom the lock does not list are not used."""
    tables = lock("subject | age\nB | 70", HEAD + WHOLE)
    dataset = build(tables, small_protocol())
    assert dataset.frame.empty and pd.Index(dataset.lineage["subject_id"]).empty


# -- locks of shifted dates and of months --------------------------------------------------------------


def shifted(
    days: dict[str, pd.DataFrame], index_dates: dict[str, date], mess: bool = False
) -> dict[str, pd.DataFrame]:
    """The same lock as a lock of shifted dates would hold it: an index date each, and dates in place of days."""
    made = {}
    for name, frame in days.items():
        if name == "subject":
            made[name] = frame.assign(
                index_date=[index_dates[one].isoformat() for one in frame["subject_id"]]
            )
            continue
        column = next(one for one in frame.columns if one.endswith("_day"))
        texts = [
            None if pd.isna(day) else (index_dates[who] + timedelta(days=int(day))).isoformat()
            for who, day in zip(frame["subject_id"], frame[column], strict=True)
        ]
        if mess:  # a time of day changes nothing; a month gives no day
            texts = [f"{text}T23:30:00-08:00" if text else "1990-05" for text in texts]
        renamed = frame.rename(columns={column: column.removesuffix("_day") + "_date"})
        made[name] = renamed.assign(**{column.removesuffix("_day") + "_date": pd.Series(texts, dtype=object)})
    return made


@pytest.mark.parametrize("mess", [False, True])
def test_a_lock_of_shifted_dates_gives_the_same_analysis_as_one_of_days(mess: bool):
    """Every value, every reason to leave and every source line: which dates a lock holds decides no result."""
    more = """
        procedure | B | P1 | 0 | - | - | - | 20
        drug_exposure | B | OLD | 2 | - | - | - | 21
        drug_exposure | B | NEW | -50 | - | - | - | 22
        measurement | A | WEIGHT | - | 80 | kg | - | 23
        measurement | B | WEIGHT | -30 | 64 | kg | - | 24
        measurement | B | FRAIL | -3 | F0 | - | - | 25
        outcome_event | B | VITAL | 9000 | dead | - | - | 26"""
    days = lock("subject | age\nA | 70\nB | 44", HEAD + WHOLE + more)
    dates = shifted(days, {"A": date(1984, 2, 29), "B": date(2001, 12, 31)}, mess)
    one, two = build(days, small_protocol()), build(dates, small_protocol())
    pd.testing.assert_frame_equal(one.frame, two.frame)
    pd.testing.assert_frame_equal(one.lineage, two.lineage)
    assert one.attrition == two.attrition and one.exposure == two.exposure


def test_the_demonstrations_analysis_is_the_same_from_shifted_dates():
    """All 2,982 subjects of the published table, each with an index date of its own."""
    from tests.studies.rotterdam_lock import rotterdam_lock, rotterdam_protocol

    days = rotterdam_lock()
    index_dates = {
        one: date(1978, 1, 1) + timedelta(days=37 * number % 5000)
        for number, one in enumerate(days["subject"]["subject_id"])
    }
    one, two = build(days, rotterdam_protocol()), build(shifted(days, index_dates), rotterdam_protocol())
    pd.testing.assert_frame_equal(one.frame, two.frame)
    assert one.attrition == two.attrition


def test_a_lock_of_months_is_refused_before_anything_is_derived():
    """The protocol would have been refused already; a lock from elsewhere is too."""
    days = lock("subject | age\nA | 70", HEAD + WHOLE)
    months = {**days, "subject": days["subject"].assign(index_month="1984-05")}
    with pytest.raises(PlatformError, match=r"study\.months_only"):
        build(months, small_protocol())
