"""A birth date recorded as an observation goes the way of Patient.birthDate, and is never shifted."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deidentify import births
from deidentify.births import is_birth
from deidentify.code_grammars import is_sctid, luhn
from deidentify.policy import Policy, load_policy, parse_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Scrubbed, scrub
from deidentify.shifting import Shifts

house = cache(load_policy)
PSEUDONYMS = Pseudonymiser(b"a" * 32, "org-1")
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
BIRTH = {"coding": [{"system": LOINC, "code": "21112-8"}]}
WEIGHT = {"coding": [{"system": LOINC, "code": "29463-7"}]}
TOLD = [
    BIRTH,
    {"coding": [{"system": LOINC, "code": "80904-6"}]},
    {"coding": [{"system": SNOMED, "code": "184099003"}]},
    {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.96", "code": "3950001"}]},
    {**WEIGHT, "text": "患者出生日期"},
    {**WEIGHT, "text": "Ｄate of birth (DOB)"},
    {"coding": [{"system": LOINC, "code": "29463-7", "display": "date_of_birth"}]},
]
SHIFTING = """
name = "moved"
version = "1"
zh = "前移"
en = "moved"
as_of = "2026-01-01"
[systems]
"http://loinc.org" = "keep"
"http://snomed.info/sct" = "sctid"
"urn:oid:2.16.840.1.113883.6.96" = "sctid"
[Patient]
id = "pseudonym"
BORN
[Observation]
status = "keep"
"code.coding.system" = "keep"
"code.coding.code" = "keep"
"subject.reference" = "reference:Patient"
effectiveDateTime = "date:shift"
valueDateTime = "date:shift"
valueInteger = "keep"
"component.code.coding.system" = "keep"
"component.code.coding.code" = "keep"
"component.valueDateTime" = "date:shift"
"""


def shifting(born: str) -> Policy:
    return parse_policy(SHIFTING.replace("BORN", born).encode(), "moved.toml")


def scrubbed(policy: Policy, **elements: Any) -> Scrubbed:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": BIRTH,
        "subject": {"reference": "Patient/1"},
        **elements,
    }
    return scrub(observation, policy, PSEUDONYMS, Shifts(b"s" * 32, "org-1"))


def kept(policy: Policy, **elements: Any) -> Any:
    resource = scrubbed(policy, **elements).resource
    assert resource is not None
    return resource


@pytest.mark.parametrize("code", TOLD, ids=str)
@pytest.mark.parametrize(("policy", "stays"), [
    ("lake", "1950-03-12"), ("limited_dataset", "1950-03-12"), ("default", "1950"), ("hipaa_safe_harbor", "1950"),
    ("cross_border", "1947"),
])  # fmt: skip
def test_a_birth_date_in_an_observation_follows_the_rule_of_the_patients(code: Any, policy: str, stays: str):
    """A year where the birth date keeps its year, a band where it keeps that; in a component too."""
    part = {"code": code, "valueDateTime": "1950-03-12"}
    resource = kept(house(policy), code=code, valueDateTime="1950-03-12", component=[part])
    assert resource["valueDateTime"] == resource["component"][0]["valueDateTime"] == stays


@pytest.mark.parametrize(("born", "stays"), [
    ('birthDate = "date:year"', "1950"), ('birthDate = "age-band:10"', "1947"),
    ('birthDate = "drop"', None), ("", None),
])  # fmt: skip
@pytest.mark.parametrize("code", TOLD, ids=str)
def test_a_policy_that_shifts_never_shifts_a_birth_date(code: Any, born: str, stays: str | None):
    """The year or the band, or nothing; what else is told of the patient moves as before."""
    part = {"code": code, "valueDateTime": "1950-03-12"}
    other = {"code": WEIGHT, "valueDateTime": "2024-03-12"}
    resource = kept(
        shifting(born),
        code=code,
        valueDateTime="1950-03-12",
        effectiveDateTime="2024-03-12",
        component=[part, other],
    )
    assert resource.get("valueDateTime") == resource["component"][0].get("valueDateTime") == stays
    assert resource["effectiveDateTime"] == resource["component"][1]["valueDateTime"] != "2024-03-12"


@pytest.mark.parametrize("elements", [
    {"valueInteger": 19500312}, {"valueString": "1950-03-12"}, {"valueString": "一九五〇年三月"},
    {"valuePeriod": {"start": "1950-03-12", "end": "1950-03-12"}}, {"valueQuantity": {"value": 19500312}},
    {"valueDateTime": "12.03.1950"}, {"valueDateTime": ["1950-03-12"]}, {"valueDateTime": {"a": "1950-03-12"}},
    {"_valueDateTime": {"extension": [{"url": "x", "valueDate": "1950-03-12"}]}},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("policy", ["default", "hipaa_safe_harbor", "cross_border"])
def test_a_birth_date_in_any_other_form_goes(policy: str, elements: Any):
    """A number, words, a period and what is no date: nothing of the value stays, and it is counted."""
    name = next(iter(elements))
    result = scrubbed(house(policy), **elements, component=[{"code": BIRTH, **elements}])
    assert "1950" not in json.dumps(result.resource) and "03-12" not in json.dumps(result.resource)
    assert {f"Observation.{name}", f"Observation.component.{name}"} <= set(result.dropped)


@pytest.mark.parametrize("concept", [
    None, 1, "Birth date", {"text": ["生日"]}, {"text": "生日" * 1000}, {"coding": [None, {"code": 1}]},
    {"text": "birth weight"}, {"text": "出生体重"}, {"text": "rebirthday"}, {"text": "exdob"}, {},
    {"coding": [{"code": "21112-8", "system": "http://example.org"}]},
], ids=lambda value: str(value)[:30])  # fmt: skip
def test_other_concepts_and_malformed_ones_are_no_births(concept: Any):
    assert not is_birth(concept)


def test_other_dates_are_cut_as_before():
    assert kept(house("default"), code=WEIGHT, valueDateTime="2024-03-12")["valueDateTime"] == "2024-03"


def test_the_codes_of_births_are_codes():
    """Each has the check digit of its system: a mistyped code would match nothing."""
    path = Path(births.__file__).with_name("birth_codes.csv")
    rows = list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if line[0] != "#"))
    codes = [row for row in rows if row["code"]]
    assert len(codes) >= 4 and len(rows) > len(codes)
    for row in codes:
        assert luhn(row["code"].replace("-", "")) if row["system"] == LOINC else is_sctid(row["code"])
