"""The examples of the reference pages are run here, so that a page cannot teach what does not work."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from ingestion.mapping import load_mapping, read_table
from ingestion.mapping.functions import _PLAIN, _WITH_ARGUMENT
from ingestion.validate import check
from ingestion.views import compile_view
from ingestion.views.functions import FUNCTIONS
from studies.cohort import index_dates
from studies.planned_reader import FIELDS
from studies.protocol import load_protocol
from studies.protocol_reader import _KEYS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def example(name: str, language: str) -> str:
    """The page's last example in that language is a whole file; earlier ones show parts."""
    return str(re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)[-1])


def test_the_example_view_gives_the_row_that_the_page_promises() -> None:
    view = compile_view(json.loads(example("views.md", "json")))
    weight = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "effectiveDateTime": "2024-03-01T10:00:00+08:00",
        "valueQuantity": {"value": Decimal("61.50"), "code": "kg"},
    }
    assert view.rows(weight) == [
        {"patient_id": "p1", "weight_kg": Decimal("61.50"), "measured_date": "2024-03-01"}
    ]
    assert view.rows({**weight, "code": {"coding": [{"system": "urn:other", "code": "29463-7"}]}}) == []
    assert all(column.zh and column.en for column in view.columns)


def test_the_page_on_views_names_every_function() -> None:
    listed = re.search(r"these functions: `([^`]+)`", page("views.md"))
    assert listed is not None
    assert listed.group(1).split() == list(FUNCTIONS)


def test_the_example_mapping_reads_a_table_into_valid_resources() -> None:
    mapping = load_mapping(example("mappings.md", "yaml"))
    table = "病案号,性别,体重,日期\r\n７,女,61.50,2024/3/1\r\n8,男,-,2024-03-02\r\n9,未知,60,2024-03-02\r\n"
    units = list(read_table("体重2024.csv", io.BytesIO(table.encode("gb18030")), mapping))
    assert all(check(unit) == () for unit in units[:3])
    patient, weight, other = (unit.resource for unit in units[:3])
    assert patient is not None and weight is not None and other is not None
    assert (patient["id"], patient["gender"], other["gender"]) == ("w-7", "female", "male")
    assert weight["valueQuantity"]["value"] == Decimal("61.50")
    assert weight["subject"] == {"reference": "Patient/w-7"} and weight["effectiveDateTime"] == "2024-03-01"
    (refused,) = units[3:]
    assert refused.resource is None and refused.place.column == "性别"


@pytest.mark.parametrize("function", [*_PLAIN, *_WITH_ARGUMENT, "required", "$id", "$ref", "$const"])
def test_the_page_on_mappings_names_every_function(function: str) -> None:
    assert f"`{function}" in page("mappings.md") or f"`{{{function}" in page("mappings.md")


def test_the_example_protocol_is_read_and_finds_its_cohort() -> None:
    protocol = load_protocol(example("protocol.md", "yaml"))
    assert [analysis.method for analysis in protocol.analyses] == ["cox"]
    who = pd.DataFrame({"patient_id": ["a", "b", "c"], "gender": "female", "birth_date": "1950-01-01"})
    who.loc[2, "birth_date"] = "1985-01-01"
    surgery = pd.DataFrame(
        {
            "patient_id": ["a", "a", "c"],
            "code_system": "http://hl7.org/fhir/sid/icd-9-cm",
            "code": "85.4",
            "performed_date": ["1991-05-06", "1990-05-06", "1990-01-01"],
            "status": "completed",
        }
    )
    found = index_dates({"patient": who, "procedure": surgery}, protocol)
    assert found.frame[["patient_id", "index_date"]].astype(str).to_numpy().tolist() == [["a", "1990-05-06"]]


_FURTHER = sorted({name for required, optional in FIELDS.values() for name in (*required, *optional)})


@pytest.mark.parametrize(
    "word", [*_KEYS, "overseas_result", "overseas_series", "outcomes_known", *FIELDS, *_FURTHER]
)
def test_the_page_on_protocols_names_every_field_and_method(word: str) -> None:
    assert f"`{word}`" in page("protocol.md") or f"\n{word}:" in page("protocol.md")
