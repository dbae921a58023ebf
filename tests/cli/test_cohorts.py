"""`rwd cohort`: definitions of Circe on OMOP tables, as somebody brings them from ATLAS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Rwd, is_chinese

OMOP = {
    "cdm.person": [
        {"person_id": 1, "gender_concept_id": 8532, "year_of_birth": 1960},
        {"person_id": 2, "gender_concept_id": 8507, "year_of_birth": 2010},
    ],
    "cdm.observation_period": [
        {
            "observation_period_id": person,
            "person_id": person,
            "observation_period_start_date": "2023-01-01",
            "observation_period_end_date": "2024-12-31",
        }
        for person in (1, 2)
    ],
    "cdm.condition_occurrence": [
        {
            "condition_occurrence_id": number,
            "person_id": person,
            "condition_concept_id": 7,
            "condition_start_date": day,
        }
        for number, (person, day) in enumerate([(1, "2024-03-01"), (1, "2024-01-15"), (2, "2024-02-01")])
    ],
}


def definition(**changes: Any) -> dict[str, Any]:
    """Adults from their first diagnosis on, for 30 days."""
    adults = {
        "Type": "ALL",
        "CriteriaList": [],
        "DemographicCriteriaList": [{"Age": {"Value": 18, "Op": "gte"}}],
        "Groups": [],
    }
    return {
        "ConceptSets": [
            {"id": 0, "name": "disease", "expression": {"items": [{"concept": {"CONCEPT_ID": 7}}]}}
        ],
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0}}],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "First"},
        },
        "QualifiedLimit": {"Type": "First"},
        "ExpressionLimit": {"Type": "First"},
        "InclusionRules": [{"name": "adult", "expression": adults}],
        "EndStrategy": {"DateOffset": {"DateField": "StartDate", "Offset": 30}},
        "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
        "CensorWindow": {},
        **changes,
    }


@pytest.fixture
def omop(tmp_path: Path) -> Path:
    path = tmp_path / "omop.json"
    path.write_text(json.dumps(OMOP), encoding="utf-8")
    return path


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "definition.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_a_cohort_begins_with_the_first_diagnosis_of_an_adult(
    rwd: Rwd, tmp_path: Path, omop: Path, engine: str
) -> None:
    """Both engines give the same rows; the child is out, and the second diagnosis starts nothing."""
    answer = rwd(
        "cohort", "run", written(tmp_path, definition()), "--omop", omop, "--engine", engine, "--json"
    )
    assert answer.code == 0
    assert answer.document["rows"] == [
        {"subject_id": 1, "cohort_start_date": "2024-01-15", "cohort_end_date": "2024-02-14"}
    ]


def test_an_empty_cohort_is_a_result(rwd: Rwd, tmp_path: Path, omop: Path) -> None:
    """Nobody meets the rules: no rows, exit 0, and the line says zero."""
    nobody = definition(CensorWindow={"StartDate": "2030-01-01"})
    answer = rwd("cohort", "run", written(tmp_path, nobody), "--omop", omop, "--engine", "plain", "--json")
    assert (answer.code, answer.document["rows"]) == (0, [])
    assert "0 subjects" in answer.stderr


def test_what_cannot_be_said_exactly_is_refused_by_name(rwd: Rwd, tmp_path: Path, omop: Path) -> None:
    """Every unknown part at once, with its place, in both languages."""
    strange = definition(Shape=1, EndStrategy={"Never": {}})
    answer = rwd("cohort", "run", written(tmp_path, strange), "--omop", omop, "--json")
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "circe.refused")
    assert "$.Shape" in error["en"] and "Never" in error["en"] and is_chinese(error["zh"])


def test_a_table_that_the_definition_needs_is_asked_for(rwd: Rwd, tmp_path: Path) -> None:
    """A folder without the table might be the wrong folder; that it has no rows is said by a flag."""
    empty = tmp_path / "omop.json"
    empty.write_text(json.dumps({"cdm.person": OMOP["cdm.person"]}), encoding="utf-8")
    asked = ("cohort", "run", written(tmp_path, definition()), "--omop", empty, "--engine", "plain")
    answer = rwd(*asked, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "omop.table_absent")
    assert rwd(*asked, "--absent-is-empty", "--json").document["rows"] == []


def test_a_column_that_the_definition_reads_is_asked_for(rwd: Rwd, tmp_path: Path) -> None:
    """A column under another name would make an empty cohort that looks like an answer."""
    folder = tmp_path / "omop"
    folder.mkdir()
    for name, rows in OMOP.items():
        head = ",".join(rows[0]).replace("condition_concept_id", "foo")
        lines = [head, *(",".join(map(str, row.values())) for row in rows)]
        (folder / f"{name.removeprefix('cdm.')}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked = ("cohort", "run", written(tmp_path, definition()), "--omop", folder, "--engine", "plain")
    answer = rwd(*asked, "--json")
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "omop.column_absent")
    assert "condition_occurrence.condition_concept_id" in error["en"] and is_chinese(error["zh"])
    assert rwd(*asked, "--absent-is-empty", "--json").document["rows"] == []


def test_one_subject_is_spoken_of_as_one(rwd: Rwd, tmp_path: Path, omop: Path) -> None:
    told = rwd("cohort", "run", written(tmp_path, definition()), "--omop", omop, "--engine", "plain")
    assert "1 subject, 1 interval" in told.stdout.decode() and "1 subjects" not in told.stdout.decode()


@pytest.mark.parametrize("content", ["", "{", "not json", "\x00"])
def test_what_is_not_json_is_called_so(rwd: Rwd, tmp_path: Path, omop: Path, content: str) -> None:
    """And not "one part that cannot be said exactly"."""
    path = tmp_path / "definition.json"
    path.write_text(content, encoding="utf-8")
    answer = rwd("cohort", "run", path, "--omop", omop, "--json")
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "circe.not_json")
    assert "not a JSON file" in error["en"] and "不是 JSON 文件" in error["zh"]


@pytest.mark.parametrize("content", ["[]", "[1, 2]", '"text"', '{"a": 1, "a": 2}'])
def test_what_is_no_definition_is_named(rwd: Rwd, tmp_path: Path, omop: Path, content: str) -> None:
    path = tmp_path / "definition.json"
    path.write_text(content, encoding="utf-8")
    answer = rwd("cohort", "run", path, "--omop", omop, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "circe.refused")


def test_a_survey_counts_what_is_read_and_says_why_the_rest_is_not(rwd: Rwd, tmp_path: Path) -> None:
    """The counts add up to the files; each reason names its first example."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    for name, content in (("a", definition()), ("b", definition(Shape=1)), ("c", definition(Shape=2))):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    answer = rwd("cohort", "survey", folder, "--json")
    assert answer.code == 1
    assert (answer.document["imported"], answer.document["refused"]) == (1, 2)
    (reason,) = answer.document["reasons"]
    assert (reason["element"], reason["definitions"], reason["example"]) == ("Shape", 2, "b.json")
    told = rwd("cohort", "survey", folder).stdout.decode()
    assert "定义总数" in told and "definitions" in told


def test_a_folder_without_a_definition_is_not_one_of_which_none_was_read(rwd: Rwd, tmp_path: Path) -> None:
    """The definitions may lie in another folder: 0 of 0 would be no answer."""
    (tmp_path / "read me.txt").write_text("{}", encoding="utf-8")
    answer = rwd("cohort", "survey", tmp_path, "--json")
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "circe.no_definition")
    assert "no definition here" in error["en"] and is_chinese(error["zh"])


def test_a_survey_counts_what_is_not_json_among_the_refused(rwd: Rwd, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    answer = rwd("cohort", "survey", tmp_path, "--json")
    assert (answer.code, answer.document["refused"]) == (1, 1)
    assert [one["reason"] for one in answer.document["reasons"]] == ["malformed"]


def test_an_engine_that_is_none_is_answered_by_those_there_are(rwd: Rwd, tmp_path: Path, omop: Path) -> None:
    answer = rwd(
        "cohort", "run", written(tmp_path, definition()), "--omop", omop, "--engine", "foo", "--json"
    )
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "cli.usage")
    assert "one of duckdb, plain" in error["en"] and "下列之一：duckdb、plain" in error["zh"]
    assert "foo" not in error["en"]
