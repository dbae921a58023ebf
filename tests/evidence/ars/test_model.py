"""The tests' own table of the standard finds what is wrong, and says what the official schema says."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest

from tests.evidence.ars import model
from tests.evidence.ars.events import event_of

SCHEMA = "RWD_ARS_SCHEMA"


def broken(change) -> list[str]:
    event = copy.deepcopy(event_of("rotterdam"))
    change(event)
    return [*model.faults(event)] or model.dangling(event)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda event: event.pop("name"), "/name: missing"),
        (lambda event: event.update(title="x"), "/title: ReportingEvent has no such slot"),
        (lambda event: event.update(version="1"), "/version: no integer"),
        (lambda event: event.update(version=True), "/version: no integer"),
        (lambda event: event.update(analyses={}), "/analyses: one in place of many"),
        (lambda event: event.update(methods=[]), "/methods: an empty list"),
        (lambda event: event["analyses"][0].update(reason={"controlledTerm": "WHIM"}), "/analyses/0/reason"),
        (
            lambda event: event["analyses"][0].update(
                reason={"controlledTerm": "DATA DRIVEN", "sponsorTermId": "Term.AnalysisReasonEnum.every_run"}
            ),
            "/analyses/0/reason",
        ),
        (lambda event: event["analyses"][0]["results"][0].update(rawValue=1.5), "/rawValue: no string"),
        (lambda event: event["analyses"][0].update(methodId="Mth.none"), "Analysis.methodId = Mth.none"),
        (lambda event: event["analyses"][0].update(methodId="An.cohort"), "Analysis.methodId = An.cohort"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found_and_its_place_named(change, place):
    assert any(place in one for one in broken(change)), broken(change)


def test_the_table_says_of_each_slot_what_the_official_schema_says():
    """Type, whether it is required and whether it is a list; slots and classes that we use none of are left out."""
    if SCHEMA not in os.environ:
        pytest.skip(f"{SCHEMA} does not name the standard's ars_ldm.schema.json")
    official = json.loads(Path(os.environ[SCHEMA]).read_text("utf-8"))["$defs"]
    for name, slots in model.classes().items():
        required = set(official[name].get("required", ()))
        for slot, of in slots.items():
            said = official[name]["properties"][slot]
            many = said.get("type") == "array"
            said = said["items"] if many else said
            types = {
                one.get("type", one.get("$ref", "").rpartition("/")[2]) for one in said.get("anyOf", [said])
            }
            assert (of.many, of.required) == (many, slot in required), (name, slot)
            assert set(of.types) <= types, (name, slot)
        assert required <= slots.keys(), name
    for name, values in model.enumerations().items():
        assert set(values) == set(official[name]["enum"]), name
