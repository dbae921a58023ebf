"""One row a person out of many tables: what an attacker may know of them, and their events."""

from __future__ import annotations

import pandas as pd

from deidentify.risk.persons import events, lake_persons, lock_persons

LAKE = {
    "patient": pd.DataFrame(
        {
            "patient_id": ["p1", "p2", "p3"],
            "organisation_id": ["A", "A", "B"],
            "gender": ["female", "male", None],
            "birth_date": ["1950-02-03", "1961", None],
        }
    ),
    "drug_exposure": pd.DataFrame(
        {
            "patient_id": ["p1", "p1", "p2"],
            "product_code": ["LC-2", "LC-1", None],
            "handed_over_date": ["2024-05-01", "2024-03-15", "2024-01-01"],
        }
    ),
    "condition": pd.DataFrame(
        {
            "patient_id": ["p1", "p2", "p2"],
            "code": ["C50", "C61", "I10"],
            "onset_date": ["2020", "2021", None],
        }
    ),
}


def test_a_patients_row_is_birth_year_gender_hospital_first_product_and_its_month() -> None:
    """The earliest dose counts; a dose without a product is none; whoever has none has neither."""
    rows = lake_persons(LAKE).astype(object).where(lambda frame: frame.notna(), None)
    assert rows.to_dict("records") == [
        {"person": "p1", "birth_year": "1950", "gender": "female", "hospital": "A", "first_product": "LC-1",
         "index_month": "2024-03", "main_diagnosis": "C50"},
        {"person": "p2", "birth_year": "1961", "gender": "male", "hospital": "A", "first_product": None,
         "index_month": None, "main_diagnosis": "C61"},
        {"person": "p3", "birth_year": None, "gender": None, "hospital": "B", "first_product": None,
         "index_month": None, "main_diagnosis": None},
    ]  # fmt: skip


def test_a_lake_of_patients_alone_has_no_product_and_no_diagnosis() -> None:
    rows = lake_persons({"patient": LAKE["patient"]})
    assert rows[["first_product", "index_month", "main_diagnosis"]].isna().all(axis=None)


def test_a_lock_gives_the_declared_columns_that_it_has() -> None:
    """What a protocol has left out of its lock is not known to anybody; the outcome is the sensitive column."""
    lock = {
        "subject": pd.DataFrame(
            {"subject_id": ["s1", "s2"], "gender": ["f", "m"], "line_digest": ["x", "y"]}
        ),
        "outcome_event": pd.DataFrame(
            {
                "subject_id": ["s1", "s1"],
                "code": ["vital", "relapse"],
                "value_code": ["dead", None],
                "effective_day": [9, 5],
            }
        ),
    }
    rows = lock_persons(lock, ["age_years", "gender"])
    assert list(rows.columns) == ["person", "gender", "outcome"]
    assert rows["outcome"].tolist()[0] == "relapse=;vital=dead"
    assert pd.isna(rows["outcome"].tolist()[1])


def test_without_outcomes_the_diagnosis_is_sensitive() -> None:
    lock = {
        "subject": pd.DataFrame({"subject_id": ["s1"], "gender": ["f"]}),
        "condition": pd.DataFrame({"subject_id": ["s1"], "code": ["C50"], "onset_day": [-3]}),
    }
    assert lock_persons(lock, ["gender"]).iloc[0].tolist() == ["s1", "f", "C50"]


def test_events_are_the_declared_columns_on_the_day_of_their_row() -> None:
    found = events(LAKE, ["drug_exposure.product_code", "procedure.code", "patient.gender"], "patient_id")
    assert found["item"].tolist()[:2] == [
        "drug_exposure.product_code=LC-2",
        "drug_exposure.product_code=LC-1",
    ]
    assert found["day"].tolist()[:2] == ["2024-05-01", "2024-03-15"]
    assert events({}, ["procedure.code"], "patient_id").empty
