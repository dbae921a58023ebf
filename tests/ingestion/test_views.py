"""From resources to the flat tables of the lake, by ViewDefinitions."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.views import columns_of_version, compile_view, flatten, load_views
from ingestion.views.conform import counts, run_suite
from rwd_platform.core.errors import PlatformError

from .sending import suite

BASE = "https://rwd-platform.example/"
MEASURE, OUTCOME = f"{BASE}CodeSystem/demo-measure", f"{BASE}CodeSystem/demo-outcome"
SUBJECT = {"reference": "Patient/p1"}


def rows(resource: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {flat.table: [dict(row) for row in flat.rows] for flat in flatten(resource, load_views())}


def first_columns(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row that the first version of the tables has."""
    return {name: row[name] for name in columns_of_version(load_views())[table]}


def observation(system: str, code: str, **value: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": SUBJECT,
        "effectiveDateTime": "1984-03-01",
        **value,
    }


def test_every_table_and_column_is_described_in_both_languages() -> None:
    """A column that nobody can explain in Chinese and in English has no place in an evidence package."""
    for view in load_views():
        for thing in (view, *view.columns):
            assert any("\u4e00" <= character <= "\u9fff" for character in thing.zh), (view.name, thing.name)
            assert thing.en and not any("\u4e00" <= character <= "\u9fff" for character in thing.en), (
                thing.name
            )
        assert view.version == max(column.since for column in view.columns)
        assert len(view.sha256) == 64


def test_a_patient_gives_one_row_without_anything_that_names_her() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"text": "演示"}],
        "gender": "female",
        "birthDate": "1930-07",
    }
    assert rows(patient) == {"patient": [{"patient_id": "p1", "gender": "female", "birth_date": "1930-07"}]}


def test_a_number_keeps_its_digits_as_text_and_is_a_double_beside_it() -> None:
    """0.40 and 0.4 are one value but two statements about precision: the text keeps the statement."""
    quantity = {"value": Decimal("0.40"), "code": "fmol/L", "system": "http://unitsofmeasure.org"}
    (row,) = rows(observation(MEASURE, "progesterone-receptor", valueQuantity=quantity))["measurement"]
    assert first_columns("measurement", row) == {
        "patient_id": "p1",
        "code_system": MEASURE,
        "code": "progesterone-receptor",
        "value_text": "0.40",
        "value": 0.4,
        "unit_code": "fmol/L",
        "value_code": None,
        "effective_date": "1984-03-01",
        "status": "final",
    }
    assert isinstance(row["value"], float)


VALUES = [
    ({"valueInteger": 3}, "3", 3.0, None),
    ({"valueQuantity": {"value": 0, "code": "{nodes}"}}, "0", 0.0, None),
    ({"valueQuantity": {"value": Decimal("1E+3")}}, "1E+3", 1000.0, None),
    ({"valueQuantity": {"code": "mm"}}, None, None, None),
    ({"valueCodeableConcept": {"coding": [{"code": "<=20"}]}}, None, None, "<=20"),
    ({"valueString": "about 5"}, None, None, None),
    ({}, None, None, None),
]


@pytest.mark.parametrize(("value", "text", "number", "code"), VALUES, ids=str)
def test_each_kind_of_result_fills_its_own_columns(
    value: dict[str, Any], text: str | None, number: float | None, code: str | None
) -> None:
    """Integers and quantities fill the number columns, codes the code column; texts fill none."""
    (row,) = rows(observation(MEASURE, "x", **value))["measurement"]
    assert (row["value_text"], row["value"], row["value_code"]) == (text, number, code)


def test_outcomes_stand_in_a_table_of_their_own() -> None:
    """Outcome columns are not readable before the protocol is frozen, so no other table may hold them.

    That holds too for an observation that carries an outcome's code beside another one.
    """
    dead = {"valueCodeableConcept": {"coding": [{"code": "dead"}]}}
    assert list(rows(observation(OUTCOME, "vital-status", **dead))) == ["outcome_event"]
    both = observation(MEASURE, "x", **dead)
    both["code"]["coding"].append({"system": OUTCOME, "code": "vital-status"})
    found = rows(both)
    assert list(found) == ["outcome_event"]
    assert [row["code"] for row in found["outcome_event"]] == ["vital-status"]
    assert list(rows(observation(MEASURE, "x", **dead))) == ["measurement"]


def test_a_resource_with_two_codes_has_a_row_for_each_and_one_without_has_a_row_too() -> None:
    """Nobody disappears because a hospital codes twice, or not at all."""
    condition = {"resourceType": "Condition", "id": "c", "subject": SUBJECT, "onsetDateTime": "1984-02"}
    two = {**condition, "code": {"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]}}
    assert [(row["code_system"], row["code"]) for row in rows(two)["condition"]] == [("a", "1"), ("b", "2")]
    none = rows({**condition, "code": {"text": "乳腺癌"}})["condition"]
    assert [(row["code"], row["onset_date"]) for row in none] == [(None, "1984-02")]


DATES = [
    ({"performedDateTime": "1984"}, "1984"),
    ({"performedDateTime": "1984-03-01"}, "1984-03-01"),
    ({"performedDateTime": "1984-03-01T23:30:00+08:00"}, "1984-03-01"),
    ({"performedPeriod": {"start": "1984-03-01", "end": "1984-03-09"}}, "1984-03-01"),
    ({"performedString": "spring"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("performed", "expected"), DATES, ids=str)
def test_a_date_is_the_day_as_written_with_the_precision_as_written(
    performed: dict[str, Any], expected: str | None
) -> None:
    """The day is that of the text's own time zone: a surgery at half past eleven at night was on that day."""
    procedure = {"resourceType": "Procedure", "status": "completed", "subject": SUBJECT, **performed}
    assert [row["performed_date"] for row in rows(procedure)["procedure"]] == [expected]


def test_a_stay_and_a_dispensing_give_their_rows() -> None:
    visit = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": SUBJECT,
        "period": {"start": "1984-03-01", "end": "1984-03-08"},
    }
    assert [first_columns("visit", row) for row in rows(visit)["visit"]] == [
        {
            "patient_id": "p1",
            "class_code": "IMP",
            "start_date": "1984-03-01",
            "end_date": "1984-03-08",
            "status": "finished",
        }
    ]
    dispense = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "subject": SUBJECT,
        "medicationCodeableConcept": {"coding": [{"system": f"{BASE}p", "code": "DEMO-A"}]},
        "whenHandedOver": "1984-03-01",
    }
    assert [first_columns("drug_exposure", row) for row in rows(dispense)["drug_exposure"]] == [
        {
            "patient_id": "p1",
            "product_system": f"{BASE}p",
            "product_code": "DEMO-A",
            "handed_over_date": "1984-03-01",
            "status": "completed",
        }
    ]


def test_a_type_without_a_table_gives_no_rows() -> None:
    assert rows({"resourceType": "Practitioner", "id": "x"}) == {}
    assert rows({}) == {}


def test_a_value_of_the_wrong_kind_is_an_error_that_names_the_column_and_not_the_value() -> None:
    """Such a resource goes to quarantine: neither a wrong number nor a missing one enters the lake."""
    with pytest.raises(PlatformError) as raised:
        rows({"resourceType": "Patient", "id": "p", "gender": ["female", "SECRET"]})
    assert raised.value.code == "views.value"
    assert "gender of view patient" in raised.value.en
    assert "SECRET" not in raised.value.en + raised.value.zh


def test_foreign_observations_flatten_to_what_a_plain_reading_gives() -> None:
    """Synthea's observations, read once by the view and once by hand with the standard library."""
    file = suite("fhir", "synthea-r4-10p", "Observation.000.ndjson.gz")
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        resources = [
            json.loads(line, parse_float=Decimal) for line, _ in zip(stream, range(2_000), strict=False)
        ]
    for resource in resources:
        quantity = resource.get("valueQuantity", {})
        value = quantity.get("value")
        codings = resource.get("valueCodeableConcept", {}).get("coding", [{}])
        expected = {
            "patient_id": resource["subject"]["reference"].rsplit("/", 1)[-1],
            "value_text": None if value is None else str(value),
            "value": None if value is None else float(value),
            "unit_code": quantity.get("code"),
            "value_code": codings[0].get("code"),
            "effective_date": resource["effectiveDateTime"][:10],
            "status": resource["status"],
        }
        found = rows(resource)["measurement"]
        assert [(row["code_system"], row["code"]) for row in found] == [
            (coding["system"], coding["code"]) for coding in resource["code"]["coding"]
        ]
        for row in found:
            assert {name: row[name] for name in expected} == expected


# --- ViewDefinitions that are wrong ---


def view(**changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "name": "v",
        "resource": "Patient",
        "select": [{"column": [{"name": "id", "path": "id", "type": "id"}]}],
    }
    return {**good, **changes}


def select(**parts: Any) -> dict[str, Any]:
    return view(select=[{"column": [{"name": "id", "path": "id"}], **parts}])


NO_VERSION = [{"name": "rwd/since", "value": "new"}]
WRONG = [
    (view(resource=None), "resource"),
    (view(resource="patient"), "resource"),
    (view(select=[]), "select"),
    (view(select="id"), "select"),
    (view(select=[{}]), "select[0]"),
    (view(wehre=[{"path": "active"}]), "wehre"),
    (view(where=[{"path": "active ="}]), "where[0].path"),
    (view(where=[{"path": 1}]), "where[0].path"),
    (view(name="1v"), "name"),
    (select(forEach="name", forEachOrNull="name"), "select[0]"),
    (select(forEach=1), "select[0].forEach"),
    (select(repeat="item"), "select[0].repeat"),
    (select(repeat=[]), "select[0].repeat"),
    (select(columns=[]), "select[0].columns"),
    (select(select=[{"column": [{"name": "id", "path": "id"}]}]), "select"),
    (view(select=[{"column": [{"name": "a b", "path": "id"}]}]), "select[0].column[0].name"),
    (view(select=[{"column": [{"name": "a"}]}]), "select[0].column[0].path"),
    (view(select=[{"column": [{"name": "a", "path": "id", "collection": "no"}]}]), "select[0].column[0].collection"),
    (view(select=[{"column": [{"name": "a", "path": "id", "tag": NO_VERSION}]}]), "select[0].column[0].tag"),
    (view(constant=[{"name": "c"}]), "constant[0]"),
    (view(constant=[{"name": "c", "valueString": 1}]), "constant[0].valueString"),
    (view(constant=[{"name": "c", "valueInteger": True}]), "constant[0].valueInteger"),
    (view(constant=[{"name": "c", "valueDate": "2021-02-30"}]), "constant[0].valueDate"),
    (view(constant=[{"name": "c", "valueQuantity": {}}]), "constant[0].valueQuantity"),
    (view(constant=[{"name": "c", "valueCode": "a"}] * 2), "constant[1].name"),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "place"), WRONG, ids=[place for _, place in WRONG])
def test_a_wrong_definition_is_refused_and_the_place_is_named(definition: dict[str, Any], place: str) -> None:
    """A misspelt `where` would let every resource in, so an element that does not exist is refused."""
    with pytest.raises(PlatformError) as raised:
        compile_view(definition)
    assert raised.value.code == "views.definition"
    assert f"at {place}:" in raised.value.en
    assert f"位置 {place}：" in raised.value.zh


def test_a_definition_nested_without_end_is_refused() -> None:
    inner: dict[str, Any] = {"column": [{"name": "id", "path": "id"}]}
    for _ in range(40):
        inner = {"select": [inner]}
    with pytest.raises(PlatformError, match="nested"):
        compile_view(view(select=[inner]))


@pytest.mark.parametrize("path", ["%resource", "$this", "item | %resource", "'a' & 'b'", "id & 'x'"])
def test_a_repeat_that_leads_back_to_where_it_was_comes_to_an_end(path: str) -> None:
    """`repeat` goes down a tree; a definition that goes in a circle must not hang an admission."""
    definition = view(
        resource="QuestionnaireResponse",
        select=[
            {
                "repeat": ["item", path],
                "column": [{"name": "n", "path": "linkId.exists()", "type": "boolean"}],
            }
        ],
    )
    items = [{"linkId": "1", "item": [{"linkId": "1.1"}, {"linkId": "1.2"}]}]
    found = compile_view(definition).rows({"resourceType": "QuestionnaireResponse", "id": "q", "item": items})
    assert sum(row["n"] for row in found) == 3


def test_a_file_that_is_not_json_or_says_a_name_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "v", "name": "w"}', encoding="utf-8")
    with pytest.raises(PlatformError, match=r"a\.json"):
        load_views(tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    for name in ("a.json", "b.json"):
        (again / name).write_text(json.dumps(view()), encoding="utf-8")
    with pytest.raises(PlatformError, match="same name and the same resource type"):
        load_views(again)


def test_the_identity_of_a_view_follows_its_content_and_not_its_layout() -> None:
    """A package cites a view by name, version and hash; white space and key order are not content."""
    again = json.loads(json.dumps(view(), indent=4, sort_keys=True))
    assert compile_view(view()).sha256 == compile_view(again).sha256
    assert compile_view(view()).sha256 != compile_view(view(version="2")).sha256


# --- the public suite ---


def test_the_whole_public_suite_of_sql_on_fhir_passes() -> None:
    """134 tests in 22 files, the experimental ones included; nothing here was written by us."""
    report = run_suite(suite("fhir", "sql-on-fhir-tests"))
    failed = [
        (name, test["name"], test["result"]["reason"])
        for name, file in report.items()
        for test in file["tests"]
        if not test["result"]["passed"]
    ]
    assert failed == []
    assert counts(report) == (134, 134)


SMALL_SUITE: dict[str, Any] = {
    "title": "small",
    "resources": [{"resourceType": "Patient", "id": "p1"}, {"resourceType": "Patient", "id": "p2"}],
    "tests": [],
}
VERDICTS = [
    ({"expect": [{"id": "p2"}, {"id": "p1"}]}, True),
    ({"expect": [{"id": "p1"}]}, False),
    ({"expect": [{"id": "p1"}, {"id": "p1"}]}, False),
    ({"expectCount": 2}, True),
    ({"expectCount": 3}, False),
    ({"expectColumns": ["id"]}, True),
    ({"expectColumns": ["id", "b"]}, False),
    ({"expectError": True}, False),
    ({"expectError": True, "view": {}}, True),
    ({"expect": [], "view": {}}, False),
]


@pytest.mark.parametrize(("expectation", "passes"), VERDICTS, ids=str)
def test_the_report_has_the_official_shape_and_can_say_no(
    tmp_path: Path, expectation: dict[str, Any], passes: bool
) -> None:
    """A runner that cannot fail proves nothing: each kind of expectation is broken once on purpose."""
    test = {"title": "t", "view": view(), **expectation}
    (tmp_path / "small.json").write_text(json.dumps({**SMALL_SUITE, "tests": [test]}), encoding="utf-8")
    (result,) = run_suite(tmp_path)["small.json"]["tests"]
    assert result["name"] == "t"
    assert result["result"]["passed"] is passes
    assert ("reason" in result["result"]) is not passes


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"tests": [], "resources": 1', "null"])
def test_a_folder_that_is_no_suite_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(PlatformError, match="holds no JSON"):
        run_suite(tmp_path)
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(PlatformError) as raised:
        run_suite(tmp_path)
    assert raised.value.code == "views.not_a_suite"
