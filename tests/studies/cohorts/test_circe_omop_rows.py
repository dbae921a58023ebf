"""OMOP tables from files and from JSON: typed, complete, and never silently empty."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rwd_platform.core.errors import PlatformError
from studies.cohorts.circe.omop_rows import arrow, needed, omop_from_json, read_omop
from tests.studies.cohorts.circe_cases import MODEL, expression, group, read, related

PERSON = {"person_id": 1, "year_of_birth": 1980}
DEATH = {"person_id": 1, "death_date": "2000-05-01"}


def code(text: str) -> str:
    with pytest.raises(PlatformError) as caught:
        omop_from_json(text)
    return caught.value.code


def test_the_schema_and_the_case_of_names_do_not_matter():
    tables = omop_from_json(json.dumps({"cdm.PERSON": [{"Person_ID": 1}], "Death": [DEATH]}))
    assert tables["person"][0]["person_id"] == 1
    assert tables["death"][0]["death_date"] == date(2000, 5, 1)


def test_a_column_that_is_absent_is_null_and_one_that_is_not_known_is_gone():
    [row] = omop_from_json(json.dumps({"person": [{**PERSON, "shoe_size": 40}]}))["person"]
    assert row["gender_concept_id"] is None
    assert "shoe_size" not in row


def test_tables_that_no_definition_can_ask_for_are_left_out():
    assert omop_from_json(json.dumps({"results.cohort": [{"subject_id": 1}]})) == {}


def test_folders_of_csv_parquet_and_json_give_the_same_rows(tmp_path: Path):
    csv, parquet, plain = (tmp_path / name for name in ("csv", "parquet", "json"))
    for folder in (csv, parquet, plain):
        folder.mkdir()
    (csv / "death.csv").write_text("person_id,death_date,cause_concept_id\n1,2000-05-01,\n", encoding="utf-8")
    days = pa.table({"person_id": [1], "death_date": [date(2000, 5, 1)]})
    pq.write_table(days, parquet / "death.parquet")
    (plain / "death.json").write_text(json.dumps([DEATH]), encoding="utf-8")
    assert read_omop(csv) == read_omop(parquet) == read_omop(plain)
    assert read_omop(csv)["death"][0]["death_date"] == date(2000, 5, 1)


def test_one_json_file_holds_a_database(tmp_path: Path):
    path = tmp_path / "cdm.json"
    path.write_text(json.dumps({"cdm.death": [DEATH]}), encoding="utf-8")
    assert list(read_omop(path)) == ["death"]


def test_a_header_alone_declares_an_empty_table(tmp_path: Path):
    (tmp_path / "death.csv").write_text("person_id\tdeath_date\n", encoding="utf-8")
    assert read_omop(tmp_path) == {"death": []}


@pytest.mark.parametrize("text", ["", "[]", '{"person": {}}', '{"person": [1]}', "[" * 100_000])
def test_what_is_no_table_is_unreadable(text: str):
    assert code(text) == "omop.unreadable"


def test_a_folder_without_tables_or_with_a_broken_file_is_unreadable(tmp_path: Path):
    with pytest.raises(PlatformError, match=r"omop\.unreadable"):
        read_omop(tmp_path)
    (tmp_path / "death.parquet").write_bytes(b"not parquet")
    with pytest.raises(PlatformError, match=r"omop\.unreadable"):
        read_omop(tmp_path)


def test_a_table_that_comes_twice_is_refused():
    assert code(json.dumps({"a.person": [], "b.person": []})) == "omop.table_twice"


@pytest.mark.parametrize(
    ("column", "value"),
    [("person_id", "one"), ("person_id", 1.5), ("year_of_birth", [1]), ("person_id", "1;2")],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_place_and_not_by_itself(column: str, value: object):
    with pytest.raises(PlatformError) as caught:
        omop_from_json(json.dumps({"person": [PERSON, {**PERSON, column: value}]}))
    assert caught.value.code == "omop.bad_value"
    assert f"Row 2 of the table person: the column {column}" in caught.value.en
    assert str(value) not in caught.value.en.replace(column, "")


def test_a_day_that_is_no_day_is_a_bad_value():
    assert code(json.dumps({"death": [{**DEATH, "death_date": "2000-13-01"}]})) == "omop.bad_value"


def test_a_table_that_is_asked_for_and_absent_is_an_error_and_a_declared_one_is_empty():
    criterion = related({"VisitOccurrence": {"PlaceOfService": [{"CONCEPT_ID": 1}]}})
    cohort = read(
        expression(
            {"Death": {}},
            AdditionalCriteria=group("ALL", criterion, about=({"Age": {"Op": "gt", "Value": 1}},)),
        )
    )
    given = omop_from_json(json.dumps({"death": [DEATH], "observation_period": []}))
    with pytest.raises(PlatformError) as caught:
        needed(cohort, given, MODEL)
    assert caught.value.details["tables"] == "care_site, person, visit_occurrence"
    declared = {**given, "care_site": [], "person": [], "visit_occurrence": []}
    assert needed(cohort, declared, MODEL)["visit_occurrence"] == []


def test_an_empty_table_has_the_types_of_its_columns():
    schema = arrow({"measurement": []})["measurement"].schema
    assert schema.field("measurement_date").type == pa.date32()
    assert schema.field("value_as_number").type == pa.float64()
    assert schema.field("measurement_concept_id").type == pa.int64()
