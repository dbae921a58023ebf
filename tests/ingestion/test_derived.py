"""Tables computed from the lake: when a patient was observed, and which device is in whom."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from deidentify.classification import classify
from ingestion.derived import DERIVED, columns_of, derive
from ingestion.derived.compute import contacts
from ingestion.views import load_views, tables_of
from rwd_platform.core.errors import PlatformError

OUTCOME = "https://rwd-platform.example/CodeSystem/outcome"
DEMO = "https://rwd-platform.example/CodeSystem/demo-outcome"


def table(text: str, **fixed: Any) -> pd.DataFrame:
    """A lake table of texts; `-` is absent. Every row is of hospital `h` and its system `s` unless it says so."""
    head, *lines = (line for line in text.strip().splitlines() if line.strip())
    names = [name.strip() for name in head.split("|")]
    rows = [[None if cell.strip() == "-" else cell.strip() for cell in line.split("|")] for line in lines]
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    defaults = {"organisation_id": "h", "source_system": "s", **fixed}
    missing = {name: value for name, value in defaults.items() if name not in frame}
    numbered = {"resource_id": [f"r{number}" for number in range(len(frame))], "row_index": 0}
    return frame.assign(**missing, **{name: value for name, value in numbered.items() if name not in frame})


def visits(*dates: str, patient: str = "A") -> pd.DataFrame:
    lines = "\n".join(f"{patient} | {start} | finished" for start in dates)
    return table(f"patient_id | start_date | status\n{lines}")


def periods(**tables: Any) -> list[tuple[Any, ...]]:
    """(patient, first, last, last contact, its source) of each row."""
    found = derive("observation_period", tables)
    names = ["patient_id", "first_date", "last_date", "last_contact_date", "last_contact_source"]
    return [tuple(row) for row in found[names].itertuples(index=False)]


def test_a_patient_is_observed_from_the_first_contact_to_the_last_over_every_table() -> None:
    """Loss to follow-up is told by the last contact, and by where that contact is on record."""
    assert periods(
        visit=visits("2024-03-01"),
        measurement=table(
            "patient_id | effective_date | status\nA | 2024-01-15 | final\nB | 2024-05-01 | final"
        ),
        cost_line=table("patient_id | service_date | status\nA | 2024-06-30 | active"),
    ) == [
        ("A", "2024-01-15", "2024-06-30", "2024-06-30", "cost_line.service_date"),
        ("B", "2024-05-01", "2024-05-01", "2024-05-01", "measurement.effective_date"),
    ]


# dates of contact | first | last: a date without a day counts for what it proves, and no more
PARTIAL = """
    2024-03-10                      | 2024-03-10 | 2024-03-10
    2024-03                         | 2024-03-01 | 2024-03-01
    2024                            | 2024-01-01 | 2024-01-01
    2024-01-05 2024-03              | 2024-01-05 | 2024-03-01
    2024-01 2024-03-10              | 2024-01-31 | 2024-03-10
    2024-01 2024-03                 | 2024-01-31 | 2024-03-01
    2023 2024-03-10                 | 2023-12-31 | 2024-03-10
    2024-03-10 2024-03              | 2024-03-10 | 2024-03-10
    2024-02-30 2024-03-10           | 2024-03-10 | 2024-03-10
    2024-13 x 0000 2024-03-10 9999-12-31 | 2024-03-10 | 2024-03-10
    2024-03-10T23:30:00+08:00       | 2024-03-10 | 2024-03-10
"""


@pytest.mark.parametrize("line", PARTIAL.strip().splitlines(), ids=str.strip)
def test_a_date_without_a_day_opens_a_period_late_and_closes_it_early(line: str) -> None:
    """It opens on its latest day and is a last contact on its earliest: no day is claimed that nobody recorded."""
    dates, first, last = (cell.strip() for cell in line.split("|"))
    assert [row[1:3] for row in periods(visit=visits(*dates.split()))] == [(first, last)]


# death | contacts | first | last | last contact
DEATHS = """
    2024-05-01 | 2024-01-01 2024-03-01            | 2024-01-01 | 2024-05-01 | 2024-03-01
    2024-05-01 | 2024-01-01 2024-05-01            | 2024-01-01 | 2024-05-01 | 2024-05-01
    2024-05-01 | 2024-01-01 2024-06-01            | 2024-01-01 | 2024-05-01 | 2024-01-01
    2024-05-01 | 2024-06-01                       | 2024-05-01 | 2024-05-01 | -
    2024-05    | 2024-01-01 2024-05-20            | 2024-01-01 | 2024-05-20 | 2024-05-20
    2024-05    | 2024-01-01 2024-03-01            | 2024-01-01 | 2024-05-01 | 2024-03-01
    2024-05    | 2024-01-01 2024-06-01            | 2024-01-01 | 2024-05-01 | 2024-01-01
    2024-05-01 |                                  | 2024-05-01 | 2024-05-01 | -
"""


@pytest.mark.parametrize("line", DEATHS.strip().splitlines(), ids=str.strip)
@pytest.mark.parametrize(("system", "code"), [(OUTCOME, "death"), (DEMO, "vital-status")])
def test_death_ends_the_period_and_nothing_after_it_is_a_contact(line: str, system: str, code: str) -> None:
    """A bill of June for a patient who died in May is paperwork. Up to death the patient is observed."""
    death, dates, first, last, contact = (cell.strip() for cell in line.split("|"))
    outcome = table(f"""
        patient_id | code_system | code | value_code | effective_date | status
        A | {system} | {code} | dead | {death} | final
    """)
    contacts_of = {"visit": visits(*dates.split())} if dates else {}
    expected = None if contact == "-" else contact
    assert [row[1:4] for row in periods(outcome_event=outcome, **contacts_of)] == [(first, last, expected)]


def test_a_follow_up_that_finds_the_patient_alive_is_a_contact() -> None:
    outcome = table(f"""
        patient_id | code_system | code | value_code | effective_date | status | adjudication_code
        A | {DEMO} | vital-status | alive | 2024-09-01 | final | -
        A | {OUTCOME} | death | dead | 2024-10-01 | entered-in-error | -
        A | {OUTCOME} | death | dead | 2024-11-01 | final | refuted
    """)
    assert periods(visit=visits("2024-01-01"), outcome_event=outcome) == [
        ("A", "2024-01-01", "2024-09-01", "2024-09-01", "outcome_event.effective_date")
    ]


def test_without_outcomes_a_period_ends_with_the_last_contact() -> None:
    """Before the protocol is frozen outcomes are not read: nobody can tell a death from the period."""
    assert periods(visit=visits("2024-01-01")) == [
        ("A", "2024-01-01", "2024-01-01", "2024-01-01", "visit.start_date")
    ]


def test_two_dates_of_death_give_the_earlier_one() -> None:
    outcome = table(f"""
        patient_id | code_system | code | value_code | effective_date | status
        A | {OUTCOME} | death | dead | 2024-05-01 | final
        A | {OUTCOME} | death | dead | 2024-05    | final
        A | {OUTCOME} | death | dead | 2024-08-01 | final
    """)
    assert [row[2] for row in periods(visit=visits("2024-01-01"), outcome_event=outcome)] == ["2024-05-01"]


def test_what_did_not_happen_and_what_is_history_is_no_contact() -> None:
    drugs = """
        patient_id | event_date | status           | source
        A          | 2024-02-01 | completed        | administration
        A          | 2024-03-01 | not-done         | administration
        A          | 2024-04-01 | entered-in-error | dispense
        A          | 2020-01-01 | active           | statement
        A          | 2024-02-15 | active           | request
    """
    conditions = (
        "patient_id | onset_date | recorded_date | verification_status\nA | 1999 | 2024-02-02 | confirmed"
    )
    assert [row[1:3] for row in periods(drug_exposure=table(drugs), condition=table(conditions))] == [
        ("2024-02-01", "2024-02-15")
    ]


def test_a_table_made_before_a_column_was_known_is_read_all_the_same() -> None:
    """A stored table gains columns; of older rows they are unknown."""
    old = table("patient_id | handed_over_date | status\nA | 2024-02-01 | completed")
    assert [row[1] for row in periods(drug_exposure=old)] == ["2024-02-01"]


def test_each_hospital_has_its_own_period() -> None:
    rows = pd.concat([visits("2024-01-01"), visits("2024-09-01").assign(organisation_id="k")])
    found = derive("observation_period", {"visit": rows})
    assert list(found["organisation_id"]) == ["h", "k"] and list(found["first_date"]) == [
        "2024-01-01",
        "2024-09-01",
    ]


def test_rows_of_nobody_make_no_period() -> None:
    """Supplies without a patient have an empty pseudonym in the lake."""
    assert periods(visit=visits("2024-01-01", patient="")) == []


def test_every_date_of_the_lake_is_a_contact_or_has_a_reason_why_not() -> None:
    """A date column that a view gains fails here until somebody has decided about it."""
    listed = [(one.table, one.column) for one in contacts()]
    there = {
        (name, column.name)
        for name, view in tables_of(load_views()).items()
        for column in view.columns
        if column.name.endswith("_date")
    }
    assert len(listed) == len(set(listed)) and set(listed) == there
    for one in contacts():
        assert one.reason.zh and one.reason.en
        columns = {column.name for column in tables_of(load_views())[one.table].columns}
        assert {column for column, _ in one.left_out} <= columns


# --- devices ---

DEVICES = table(
    """
    device_id | udi_di         | product_system | product_code | model_code
    d1        | 00844588003288 | s              | LC-0200      | GDT-2
    d2        | 00844588003288 | s              | LC-0200      | GDT-2
    d3        | -              | s              | LC-0300      | -
""",
    patient_id="",
)
USES = table("""
    patient_id | device_id | action     | start_date | status    | operator_id | body_site_code
    A          | d1        | implanted  | 2024-03-02 | completed | doc1        | eye
    A          | d1        | used       | 2024-03-02 | active    | -           | -
    A          | d1        | explanted  | 2024-09    | completed | doc2        | eye
    B          | d2        | implanted  | 2024-04-01 | completed | doc1        | eye
    C          | d3        | used       | 2024-01-01 | completed | doc2        | -
    D          | d9        | implanted  | 2024-05-01 | not-done  | doc3        | -
""")


def test_a_device_is_followed_from_implant_to_explant_and_its_operator_is_an_ordinal() -> None:
    """Ordinals are by first case: doc2 used a device in January, before doc1's first implant in March."""
    supply = table("device_id | permit_id | patient_id\nd1 | permit1 | -")
    found = derive("device_use", {"device": DEVICES, "device_exposure": USES, "product_use": supply})
    names = ["patient_id", "device_id", "udi_di", "start_action", "start_date", "explant_date", "permit_id"]
    assert [tuple(row) for row in found[names].itertuples(index=False)] == [
        ("A", "d1", "00844588003288", "implanted", "2024-03-02", "2024-09", "permit1"),
        ("B", "d2", "00844588003288", "implanted", "2024-04-01", None, None),
        ("C", "d3", None, "used", "2024-01-01", None, None),
    ]
    assert list(found["operator_ordinal"]) == [2, 2, 1]
    assert list(found["operator_case_number"]) == [1, 2, 1]
    assert "doc" not in found.to_csv()


def test_an_explant_before_the_implant_is_of_an_earlier_device() -> None:
    uses = table("""
        patient_id | device_id | action    | start_date | status
        A          | d1        | explanted | 2024-01-01 | completed
        A          | d1        | implanted | 2024-03-02 | completed
    """)
    assert list(derive("device_use", {"device_exposure": uses})["explant_date"]) == [None]


# --- the form of it ---


@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_table_has_the_columns_that_are_documented_and_classified(name: str) -> None:
    empty = derive(name, {})
    assert list(empty.columns) == [column.name for column in columns_of(name)] and empty.empty
    for column in columns_of(name):
        assert any("\u4e00" <= one <= "\u9fff" for one in column.zh)
        assert not any("\u4e00" <= one <= "\u9fff" for one in column.en)
        assert classify(name, column.name, "derived").identifier != "direct"


def test_arrow_tables_and_frames_give_the_same_rows_in_the_same_order() -> None:
    rows = pd.concat([visits("2024-01-01", "2024-02-01", patient=name) for name in "BAC"], ignore_index=True)
    frame = derive("observation_period", {"visit": rows})
    arrow = derive("observation_period", {"visit": pa.Table.from_pandas(rows, preserve_index=False)})
    backwards = derive("observation_period", {"visit": rows.iloc[::-1]})
    pd.testing.assert_frame_equal(frame, arrow)
    pd.testing.assert_frame_equal(frame, backwards)
    assert list(frame["patient_id"]) == ["A", "B", "C"]


def test_a_hundred_thousand_rows_are_derived() -> None:
    patients = [f"p{number % 20_000}" for number in range(100_000)]
    rows = pd.DataFrame({"patient_id": patients, "start_date": "2024-01-01", "status": "finished"})
    rows = rows.assign(organisation_id="h", source_system="s", resource_id="r", row_index=0)
    assert len(derive("observation_period", {"visit": rows})) == 20_000


@pytest.mark.parametrize("name", ["patients", "", "../x", "x" * 1000])
def test_an_unknown_table_is_refused_by_name(name: str) -> None:
    with pytest.raises(PlatformError) as refused:
        derive(name, {})
    assert refused.value.code == "derived.unknown" and len(refused.value.en) < 200


def test_a_table_without_its_keys_and_one_of_other_types_are_refused() -> None:
    with pytest.raises(PlatformError) as refused:
        derive("observation_period", {"visit": visits("2024-01-01").drop(columns="patient_id")})
    assert refused.value.code == "derived.column_missing"
    with pytest.raises(PlatformError) as refused:
        derive("observation_period", {"visit": visits("2024-01-01").assign(start_date=[{"SECRET": 1}])})
    assert refused.value.code == "derived.column_unfit" and "SECRET" not in refused.value.en


def test_a_text_that_looks_like_sql_is_a_text() -> None:
    hostile = visits("2024-01-01", patient="'; drop table visit; --")
    assert [row[0] for row in periods(visit=hostile)] == ["'; drop table visit; --"]
