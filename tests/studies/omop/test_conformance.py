"""An export is OMOP CDM 5.4: fields, types, required values; the same each time; and refused where it cannot be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from rwd_platform.core.errors import PlatformError
from studies.omop import NoVocabulary, export
from studies.omop.rules import load_fields
from tests.studies.omop.locks import ABOUT, ROWS, drawn, exported, lock, row, rows_of, subjects

# -- conformance -----------------------------------------------------------------------------------

TYPES = {"integer": pa.int32(), "float": pa.float64(), "date": pa.date32(), "datetime": pa.timestamp("s")}
# Required by OMOP CDM 5.4; kept here beside fields.csv so that neither can lose one alone.
REQUIRED = {
    "person": "person_id gender_concept_id year_of_birth race_concept_id ethnicity_concept_id",
    "observation_period": "observation_period_id person_id observation_period_start_date"
    " observation_period_end_date period_type_concept_id",
    "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_end_date"
    " visit_type_concept_id",
    "condition_occurrence": "condition_occurrence_id person_id condition_concept_id condition_start_date"
    " condition_type_concept_id",
    "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date drug_exposure_end_date"
    " drug_type_concept_id",
    "device_exposure": "device_exposure_id person_id device_concept_id device_exposure_start_date"
    " device_type_concept_id",
    "procedure_occurrence": "procedure_occurrence_id person_id procedure_concept_id procedure_date"
    " procedure_type_concept_id",
    "measurement": "measurement_id person_id measurement_concept_id measurement_date measurement_type_concept_id",
    "observation": "observation_id person_id observation_concept_id observation_date observation_type_concept_id",
    "death": "person_id death_date",
    "cost": "cost_id cost_event_id cost_domain_id cost_type_concept_id",
    "cdm_source": "cdm_source_name cdm_source_abbreviation cdm_holder source_release_date cdm_release_date"
    " cdm_version_concept_id vocabulary_version",
}


def test_every_table_has_the_model_s_fields_types_and_required_values() -> None:
    tables = lock({name: [row(name), row(name, "s2")] for name in ROWS})
    tables["observation_period"] = pd.DataFrame(
        [{"subject_id": "s1", "first_date": "2020-01-01", "last_date": "2024-08-01"}]
    )
    made = exported(tables).tables
    assert list(made) == list(REQUIRED)
    for table, found in made.items():
        assert found.num_rows > 0, table
        for field, column in zip(load_fields()[table], found.schema, strict=True):
            assert (column.name, column.type) == (field.name, TYPES.get(field.type, pa.string()))
        assert {one.name for one in load_fields()[table] if one.required} == set(REQUIRED[table].split())
        for name in REQUIRED[table].split():
            assert found.column(name).null_count == 0, name
        if table not in ("death", "cdm_source"):
            assert found.column(f"{table}_id").to_pylist() == list(range(1, found.num_rows + 1))
        if "person_id" in found.column_names:
            assert set(found.column("person_id").to_pylist()) <= {1, 2}


def test_an_empty_lock_gives_every_table_empty() -> None:
    found = exported({"subject": subjects()})
    assert set(found.tables) == set(REQUIRED)
    assert {name: table.num_rows for name, table in found.tables.items() if table.num_rows} == {
        "cdm_source": 1
    }
    assert found.report.adds_up
    of_empty = {name: pd.DataFrame(columns=["subject_id", *ROWS[name]]) for name in ROWS}
    assert exported({"subject": subjects("s1"), **of_empty}).report.adds_up


def test_a_value_that_a_field_cannot_hold_is_left_empty_and_counted() -> None:
    long = "8" * 51
    found = exported(
        lock(
            {
                "condition": [row("condition", code=long)],
                "cost_line": [row("cost_line", drg_code="RC19")],
                "drug_exposure": [row("drug_exposure", days_supply=1.5)],
            }
        )
    )
    assert rows_of(found, "condition_occurrence")[0]["condition_source_value"] is None
    assert found.report.unfit == {
        "condition_occurrence.condition_source_value": 1,
        "cost.drg_source_value": 1,
        "drug_exposure.days_supply": 1,
    }


@pytest.mark.parametrize("text", ["'; drop table person; --", "a\x00b", "\u202e甲", "=1+1", "𠮷" * 20])
def test_a_code_is_kept_as_it_came_whatever_it_holds(text: str) -> None:
    (one,) = rows_of(exported(lock({"condition": [row("condition", code=text)]})), "condition_occurrence")
    assert one["condition_source_value"] == text


# -- numbers ---------------------------------------------------------------------------------------


def test_the_same_lock_gives_the_same_tables_in_whatever_order_its_rows_lie() -> None:
    tables = drawn(3, 40)
    for name in ROWS:
        tables[name]["source_row"] = [f"{name}-{number}" for number in range(len(tables[name]))]
    shuffled = {name: table.sample(frac=1, random_state=7) for name, table in tables.items()}
    first, second = exported(tables), exported(shuffled)
    assert {name: table.to_pylist() for name, table in first.tables.items()} == {
        name: table.to_pylist() for name, table in second.tables.items()
    }


def test_a_person_s_number_is_their_place_among_the_project_s_pseudonyms() -> None:
    """Nothing else decides, so the numbers of two projects say nothing of each other."""
    assert exported({"subject": subjects("p-z", "p-a", "p-m")}).people == {"p-a": 1, "p-m": 2, "p-z": 3}


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "facts", "code"),
    [
        (
            {"subject": subjects("s1").rename(columns={"index_date": "index_quarter"})},
            {},
            "omop.dates_not_days",
        ),
        (
            {"subject": subjects("s1").rename(columns={"index_date": "index_month"})},
            {},
            "omop.dates_not_days",
        ),
        ({"subject": subjects("s1")}, {"generalised": {"subject.age_years": "band"}}, "omop.age_coarse"),
        ({"subject": subjects("s1").drop(columns="gender")}, {}, "omop.lock_unfit"),
        ({}, {}, "omop.lock_unfit"),
        ({"subject": subjects("s1"), "visit": pd.DataFrame([{"status": "finished"}])}, {}, "omop.lock_unfit"),
    ],
)
def test_a_lock_that_has_no_form_in_omop_is_refused_by_name(
    tables: dict[str, pd.DataFrame], facts: dict[str, Any], code: str
) -> None:
    with pytest.raises(PlatformError) as raised:
        export(tables, ABOUT, NoVocabulary(), facts)
    assert raised.value.code == code


def test_no_concept_is_0_without_a_reason_and_its_rows() -> None:
    """What the tables hold as 0 is what the report counts, field by field (f2o-063)."""
    tables = lock({name: [row(name), row(name, "s2")] for name in ROWS}, "s1", "s2")
    tables["measurement"] = pd.DataFrame(
        [row("measurement", comparator="<", value_code="x"), row("measurement", code=None, comparator="~")]
    )
    found = exported(tables)
    counted: Counter[tuple[str, str]] = Counter()
    for zero in found.report.unmapped:
        counted[zero.table, zero.field] += zero.rows
    held = {
        (name, column): sum(value == 0 for value in table.column(column).to_pylist())
        for name, table in found.tables.items()
        for column in table.column_names
        if column.endswith("_concept_id") and "_source_" not in column
    }
    assert counted == {place: rows for place, rows in held.items() if rows}
    assert all(zero.why and isinstance(zero.system, str) for zero in found.report.unmapped)
    whys = {(zero.field, zero.why) for zero in found.report.unmapped}
    assert {
        ("measurement_concept_id", "no_code"),
        ("measurement_concept_id", "no_vocabulary"),
        ("operator_concept_id", "word_unknown"),
        ("device_concept_id", "no_code"),
        ("drug_concept_id", "system_unknown"),
    } <= whys


def test_a_large_table_is_accounted_for_to_the_row() -> None:
    people = [f"s{number:04}" for number in range(500)]
    table = pd.DataFrame(
        [row("measurement", people[number % 500], value=float(number)) for number in range(10_000)]
    )
    table.loc[::4, "status"] = "cancelled"
    found = exported({**lock({}, *people), "measurement": table})
    assert found.report.tables["measurement"] == 7500 and found.report.adds_up
    assert found.report.accounts[-1].left_out == {"f2o-060.measurement": 2500}


# -- what the lock holds coarser than it was --------------------------------------------------------

COARSE = {
    "condition.code": "generalise:icd10:1",
    "measurement.value": "generalise:value:1",
    "cost_line.amount": "age-band:10",
    "subject.gender": "generalise:icd10:1",
    "procedure.body_site_code": "drop",
    "imaging.modality_code": "generalise:icd10:1",
}


def coarse_lock() -> dict[str, pd.DataFrame]:
    """A category in place of a diagnosis, a band in place of a value, the beginning of a band in place of a sum."""
    tables = lock({name: [row(name), row(name, "s2")] for name in ("condition", "measurement", "cost_line")})
    tables["condition"]["code"] = "C50"
    tables["measurement"]["value"] = ["[10,20)", None]
    tables["cost_line"]["amount"] = pd.array([100, 100], dtype="Int64")
    return tables


def test_what_a_lock_holds_coarser_is_never_handed_on_as_exact() -> None:
    """The rows go out without it, and the report says of each column how many values stayed behind."""
    made = export(coarse_lock(), ABOUT, NoVocabulary(), {"generalised": COARSE})
    (conditions, values, costs, people) = (
        rows_of(made, name) for name in ("condition_occurrence", "measurement", "cost", "person")
    )
    assert [(one["condition_source_value"], one["condition_concept_id"]) for one in conditions] == [
        (None, 0)
    ] * 2
    assert [one["value_as_number"] for one in values] == [None, None]
    assert [(one["total_charge"], one["paid_by_payer"]) for one in costs] == [(None, 60.0)] * 2
    assert [one["gender_concept_id"] for one in people] == [0, 0]
    report = made.report
    assert report.adds_up and report.generalised == {
        "condition.code": 2,
        "cost_line.amount": 2,
        "measurement.value": 1,
        "subject.gender": 2,
    }
    assert report.as_dict()["generalised"] == report.generalised
    assert "measurement.value: 1" in report.text("en") and "已泛化" in report.text("zh")


def test_the_same_values_go_out_of_a_lock_that_says_nothing_was_made_coarser() -> None:
    """So it is the lock's own word that decides, and not what a value looks like."""
    made = export(coarse_lock(), ABOUT, NoVocabulary(), {"generalised": {}})
    assert [one["condition_source_value"] for one in rows_of(made, "condition_occurrence")] == ["C50", "C50"]
    assert [one["total_charge"] for one in rows_of(made, "cost")] == [100.0, 100.0]
    assert made.report.generalised == {}
