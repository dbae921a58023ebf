"""Every table of the lake, from a resource as sent to its rows: valid, scrubbed by the lake's policy, flattened."""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deidentify.classification import classify
from deidentify.policy import load_policy
from ingestion.views import columns_of_version, load_views, of_version, tables_of
from rwd_platform.core import json_text
from rwd_platform.core.errors import PlatformError

from .tables import expected, lake_rows

EXAMPLES = Path(__file__).parent / "table_examples"
DEFINITIONS = Path(__file__).parents[2] / "ingestion" / "definitions"
OURS = "https://rwd-platform.example/CodeSystem/"
NAMES = sorted(file.stem for file in EXAMPLES.glob("*.json"))
# A result that is a code or a number: the other one of the two is empty in every example of a survey or a measure.
SECRETS = ("SECRET", "HNTX-2024-0012", "lot-7", "doc1", "dev1", "1.2.840.99999999")
NEW_TABLES = {
    "adverse_event", "consent", "cost_line", "device", "device_exposure", "imaging", "medication",
    "patient_reported", "product_use", "provenance", "special_food_exposure",
}  # fmt: skip


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json_text.loads((EXAMPLES / f"{name}.json").read_bytes())
    return found


@cache
def rows_of(name: str) -> dict[str, list[dict[str, Any]]]:
    return lake_rows(example(name))


@cache
def expectations() -> dict[str, list[tuple[str, str]]]:
    """Of each example: (table, cells), one for each row, in the order of the file."""
    found: dict[str, list[tuple[str, str]]] = {}
    text = (EXAMPLES / "expected.txt").read_text(encoding="utf-8")
    for part in text.split("\n== ")[1:]:
        name, _, body = part.partition("\n")
        joined = re.sub(r"\n {4}", " ", body)
        rows = [line.partition(": ") for line in joined.splitlines() if ": " in line]
        found[name] = [(table, cells) for table, _, cells in rows]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_resource_leaves_these_rows_in_the_lake(name: str) -> None:
    """The whole way: what a hospital sends, what the lake's policy leaves of it, what the tables make of that."""
    found = rows_of(name)
    listed = expectations()[name]
    assert set(found) == {table for table, _ in listed}
    for table, rows in found.items():
        cells = "\n".join(cells for other, cells in listed if other == table)
        assert rows == expected(cells, rows), table


def test_every_column_of_every_table_is_filled_by_an_example() -> None:
    """A column that the policy starves would be empty in every study, and nobody would see why."""
    filled: dict[str, set[str]] = {name: set() for name in tables_of(load_views())}
    for name in NAMES:
        for table, rows in rows_of(name).items():
            filled[table] |= {column for row in rows for column, value in row.items() if value is not None}
    assert {
        (table, column.name)
        for table, view in tables_of(load_views()).items()
        for column in view.columns
        if column.name not in filled[table]
    } == {("measurement", "value_code")}  # filled in tests/ingestion/test_views.py


@pytest.mark.parametrize("name", NAMES)
def test_no_serial_number_lot_permit_or_name_of_a_doctor_reaches_a_table(name: str) -> None:
    """They are in the examples as sent; in the rows stand tokens, or nothing."""
    sent = json_text.dumps(example(name))
    kept = json.dumps(rows_of(name), default=str)
    assert not [secret for secret in SECRETS if secret in kept]
    assert name not in ("dispense", "device", "procedure") or any(secret in sent for secret in SECRETS)


def test_the_first_version_has_seven_tables_and_the_new_ones_are_known_as_new() -> None:
    assert set(tables_of(load_views())) == set(columns_of_version(load_views())) | NEW_TABLES
    everything = columns_of_version(load_views(), "1.1.0")
    assert everything == {
        name: tuple(column.name for column in view.columns) for name, view in tables_of(load_views()).items()
    }


def test_tables_as_of_their_first_version_are_what_they_were() -> None:
    """A protocol written for them, and its lock, meet no new table, column or kind of record after the growth."""
    import pandas as pd

    rows = [
        {**row, "resource_type": example(name)["resourceType"], "resource_id": name}
        for name in ("dispense", "admin", "request")
        for row in rows_of(name)["drug_exposure"]
    ]
    lake = {
        "drug_exposure": pd.DataFrame(rows),
        "imaging": pd.DataFrame(rows_of("imaging")["imaging"]),
        "patient": pd.DataFrame(rows_of("patient_alive")["patient"]).assign(resource_type="Patient"),
        "resource": pd.DataFrame({"resource_type": ["Device"], "resource_id": ["x"]}),
    }
    then = of_version(lake, load_views())
    first = columns_of_version(load_views())
    assert set(then) == {"drug_exposure", "patient", "resource"}
    assert list(then["drug_exposure"].columns) == [*first["drug_exposure"], "resource_type", "resource_id"]
    assert list(then["drug_exposure"]["resource_id"]) == ["dispense"]
    assert list(then["patient"].columns) == [*first["patient"], "resource_type"]
    assert then["resource"].equals(lake["resource"])
    now = of_version(lake, load_views(), "1.1.0")
    assert {name: list(frame.columns) for name, frame in now.items()} == {
        name: list(frame.columns) for name, frame in lake.items()
    }
    assert len(now["drug_exposure"]) == 3


def test_every_token_stays_out_of_a_lock_and_no_column_is_a_direct_identifier() -> None:
    """A lake id ends in `_id`, so that the projection leaves it behind; nothing else is a pseudonym."""
    for table, view in tables_of(load_views()).items():
        for column in view.columns:
            label = classify(table, column.name, "lake")
            assert label.identifier != "direct"
            assert (label.reason == "pseudonym") == column.name.endswith("_id"), (table, column.name)


TABLES = """
    condition     | patient_id code_system code onset_date clinical_status verification_status
    drug_exposure | patient_id product_system product_code handed_over_date status
    measurement   | patient_id code_system code value_text value unit_code value_code effective_date status
    outcome_event | patient_id code_system code value_code effective_date status
    patient       | patient_id gender birth_date
    procedure     | patient_id code_system code performed_date status
    visit         | patient_id class_code start_date end_date status
"""


def test_the_tables_of_the_first_version_keep_their_columns_in_their_order() -> None:
    """Everything downstream, quality rules, protocols and old locks alike, names these columns.

    What came later stands behind them (tests/ingestion/test_tables.py), and is known by its tag `rwd/since`.
    """
    expected = {
        name.strip(): tuple(columns.split())
        for name, columns in (line.split("|") for line in TABLES.strip().splitlines())
    }
    assert columns_of_version(load_views()) == expected
    for name, columns in expected.items():
        there = tuple(column.name for column in tables_of(load_views())[name].columns)
        assert there[: len(columns)] == columns


def test_views_of_one_table_have_the_same_columns(tmp_path: Path) -> None:
    """A table has one shape, whatever kinds of record feed it; one more column in one of them is refused."""

    def view(resource: str) -> dict[str, Any]:
        column = {"name": "id", "path": "id", "type": "id"}
        return {"name": "v", "resource": resource, "select": [{"column": [column]}]}

    more = view("Group")
    (tmp_path / "a.json").write_text(json.dumps(view("Patient")), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(more), encoding="utf-8")
    assert [one.resource for one in load_views(tmp_path)] == ["Patient", "Group"]
    other = tmp_path / "other"
    other.mkdir()
    more["select"][0]["column"].append({"name": "name", "path": "name", "type": "string"})
    (other / "a.json").write_text(json.dumps(view("Patient")), encoding="utf-8")
    (other / "b.json").write_text(json.dumps(more), encoding="utf-8")
    with pytest.raises(PlatformError, match="same columns"):
        load_views(other)


# --- the addresses of Lecheng's own facts ---


def facts() -> dict[str, dict[str, Any]]:
    return tomllib.loads((DEFINITIONS / "lecheng.toml").read_text(encoding="utf-8"))


def test_every_address_of_ours_in_a_view_is_explained_and_let_through() -> None:
    """One file says what stands where; views read these addresses only, and the policy lets these through."""
    explained = {fact["url"] for fact in facts().values() if "url" in fact}
    used = {
        url
        for file in DEFINITIONS.glob("*.json")
        for url in re.findall(rf'"valueUri": "({OURS}[^"]+)"', file.read_text(encoding="utf-8"))
    }
    assert used <= explained
    kept = {url for url in load_policy("lake").systems if url.startswith(OURS)}
    never_sent = {fact["url"] for fact in facts().values() if fact.get("platform_only")}
    assert explained - never_sent <= kept and not never_sent & kept
    assert kept - explained == {f"{OURS}demo-measure", f"{OURS}demo-value"}


def test_every_fact_is_told_in_both_languages_and_the_codes_that_views_look_for_are_listed() -> None:
    for name, fact in facts().items():
        assert re.search(r"[\u4e00-\u9fff]", fact["zh"]) and fact["en"] and fact["written"], name
        assert not re.search(r"[\u4e00-\u9fff]", fact["en"]), name
    known = {code for fact in facts().values() for code in fact["codes"]} | {"survey"}
    known |= {"medical-device-use-error", "product-problem", "product-quality"}  # HL7's
    asked = {
        code
        for file in DEFINITIONS.glob("*.json")
        for code in re.findall(r" code = '([^']+)'", file.read_text(encoding="utf-8"))
    }
    assert asked and asked <= known


# --- what people send that is not as hoped ---


def test_an_order_not_to_give_a_medicine_is_no_row_of_use() -> None:
    assert lake_rows(example("forbidden_order")) == {}


def test_a_permit_number_in_a_code_s_place_does_not_stay() -> None:
    """The permit is a reference and becomes a token; sent as a code beside the product's, it is left behind."""
    dispense = example("dispense")
    coding = {"system": "https://rwd-platform.example/NamingSystem/permit", "code": "HNTX-2024-0012"}
    dispense["medicationCodeableConcept"]["coding"].append(coding)
    (row,) = lake_rows(dispense)["drug_exposure"]
    assert row["product_code"] == "LC-0173"


DEFICIENCIES = [
    ([("adverse-event-kind", "device-deficiency")], "Medication/lot-7", True),
    ([("http://terminology.hl7.org/CodeSystem/adverse-event-category", "product-problem")], "Device/dev1", True),
    ([("http://terminology.hl7.org/CodeSystem/adverse-event-category", "product-problem")], "Medication/lot-7", False),
    ([("http://terminology.hl7.org/CodeSystem/adverse-event-category", "wrong-dose")], "Device/dev1", False),
    ([], "Device/dev1", False),
]  # fmt: skip


@pytest.mark.parametrize(("categories", "suspect", "deficiency"), DEFICIENCIES, ids=str)
def test_a_device_deficiency_is_said_by_its_code_or_is_a_product_problem_of_a_device(
    categories: list[tuple[str, str]], suspect: str, deficiency: bool
) -> None:
    event = example("ae")
    event["category"] = [
        {"coding": [{"system": system if ":" in system else OURS + system, "code": code}]}
        for system, code in categories
    ] or [{"text": "其他"}]
    event["suspectEntity"] = [{"instance": {"reference": suspect}}]
    assert [row["device_deficiency"] for row in lake_rows(event)["adverse_event"]] == [deficiency]


def test_a_record_about_two_patients_is_nobody_s_row() -> None:
    provenance = example("provenance")
    provenance["target"].append({"reference": "Patient/p2"})
    assert lake_rows(provenance) == {}


UNITS = [
    (Decimal("11.20"), "g/dL", "112.00", "g/L"),
    (Decimal("0"), "mg", "0.000000", "kg"),
    (Decimal("5.6"), "mmol/L", "5.6", "mmol/L"),
    (Decimal("1E-30"), "pg/mL", "1E-39", "g/L"),
    (Decimal("150"), "[lb_av]", "68.03885550", "kg"),
    (Decimal("37.0"), "[degF]", None, None),
    (Decimal("5"), "mg/mmol", None, None),
    (Decimal("1." + "1" * 70), "mg", None, None),  # more digits than can be multiplied without rounding
]


@pytest.mark.parametrize(("value", "unit", "text", "common"), UNITS, ids=str)
def test_a_number_is_converted_only_where_the_factor_is_exact(
    value: Decimal, unit: str, text: str | None, common: str | None
) -> None:
    """The number as sent always stays; beside it stands the number in the common unit, digits and all."""
    measure = example("measure")
    measure["valueQuantity"] = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
    (row,) = lake_rows(measure)["measurement"]
    assert (row["ucum_value_text"], row["ucum_unit_code"]) == (text, common)
    assert row["value_text"] == str(value)


def test_a_unit_without_a_system_is_not_taken_for_ucum() -> None:
    measure = example("measure")
    measure["valueQuantity"] = {"value": 3, "code": "g/L"}
    (row,) = lake_rows(measure)["measurement"]
    assert row["ucum_value"] is None


def test_every_conversion_leads_to_a_unit_that_stays_as_it_is() -> None:
    """Two hops would be two chances of a mistake: a common unit converts to itself, by 1."""
    from ingestion.views.units import conversions

    for unit, (common, factor) in conversions().items():
        assert conversions()[common] == (common, 1), unit
        assert factor > 0 and factor.is_finite()
