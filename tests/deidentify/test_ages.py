"""An age over 89 is pooled however a hospital writes it down: without a unit, in 岁, as a number, as a range."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deidentify import ages
from deidentify.ages import is_age, pooled_age
from deidentify.code_grammars import is_sctid, luhn
from deidentify.policy import load_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Scrubbed, scrub

house = cache(load_policy)
PSEUDONYMS = Pseudonymiser(b"a" * 32, "org-1")
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
AGE = {"coding": [{"system": LOINC, "code": "30525-0"}]}
WEIGHT = {"coding": [{"system": LOINC, "code": "29463-7"}]}
NINETY = {"value": 90, "comparator": ">=", "system": UCUM, "code": "a"}


def scrubbed(policy: str = "hipaa_safe_harbor", **elements: Any) -> Scrubbed:
    observation = {"resourceType": "Observation", "status": "final", "code": AGE, **elements}
    return scrub(observation, house(policy), PSEUDONYMS)


def kept(policy: str = "hipaa_safe_harbor", **elements: Any) -> Any:
    resource = scrubbed(policy, **elements).resource
    assert resource is not None
    return resource


CODES = [
    *((LOINC, code) for code in ("30525-0", "21612-7", "63900-5", "29553-5", "39016-1", "35659-2")),
    *((SNOMED, code) for code in ("397669002", "424144002", "445518008")),
    ("urn:oid:2.16.840.1.113883.6.1", "30525-0"),
    ("urn:oid:2.16.840.1.113883.6.96", "424144002"),
]
WRITTEN = [
    {"value": 97},
    {"value": Decimal("97.0")},
    {"value": 97, "unit": "岁"},
    {"value": 97, "unit": "周岁"},
    {"value": 97, "unit": "years"},
    {"value": 97, "unit": "不详"},
    {"value": 97, "system": UCUM, "code": "a"},
    {"value": 97, "system": UCUM, "code": "a_j"},
    {"value": 97, "system": "urn:oid:2.16.840.1.113883.6.8", "code": "a"},
    {"value": 97, "system": UCUM, "code": "1"},
    {"value": 97, "system": UCUM, "code": "{years}"},
    {"value": 1164, "unit": "个月"},
    {"value": 35_429, "unit": "天"},
    {"value": 95, "comparator": ">"},
]


@pytest.mark.parametrize(("system", "code"), CODES)
@pytest.mark.parametrize("quantity", WRITTEN, ids=str)
@pytest.mark.parametrize("policy", ["hipaa_safe_harbor", "cross_border"])
def test_an_age_over_89_is_pooled_in_whatever_unit(system: str, code: str, quantity: Any, policy: str):
    """The code says that it is an age, so a number without a unit means years; in a component too."""
    coded = {"coding": [{"system": system, "code": code}]}
    part = {"code": coded, "valueQuantity": quantity}
    resource = kept(policy, code=coded, valueQuantity=quantity, component=[part])
    assert resource["valueQuantity"] == resource["component"][0]["valueQuantity"] == NINETY
    assert "ABSTRED" in [label["code"] for label in resource["meta"]["security"]]


@pytest.mark.parametrize("unit", ["岁", "周岁", "歲"])
def test_a_quantity_in_sui_is_an_age_whatever_its_code(unit: str):
    """岁 counts nothing but years of life, so a local code that nobody knows for an age changes nothing."""
    assert kept(code=WEIGHT, valueQuantity={"value": 93, "unit": unit})["valueQuantity"] == NINETY


@pytest.mark.parametrize("name", ["年龄", "入院年龄", "年龄（岁）", "Age", "patient age", "Age at death"])
def test_an_observation_named_age_is_one_whose_code_nobody_knows(name: str):
    """A hospital's own code system says it in words only; the words go, the number is pooled all the same."""
    assert kept(code={**WEIGHT, "text": name}, valueQuantity={"value": 93})["valueQuantity"] == NINETY
    assert "93" not in json.dumps(kept(code={**WEIGHT, "text": name}, valueInteger=93))


@pytest.mark.parametrize(
    "name", ["孕龄", "骨龄", "gestational age", "页码", "Stage", "年龄别死亡率与其他很长的名称", ""]
)
def test_other_names_are_no_ages(name: str):
    """A gestational age of 280 days is nobody's age; the number stays as it was."""
    assert not is_age({"text": name})
    assert kept(code={**WEIGHT, "text": name}, valueQuantity={"value": 93})["valueQuantity"] == {"value": 93}


@pytest.mark.parametrize(("policy", "integer", "stays"), [
    ("hipaa_safe_harbor", 97, 90), ("hipaa_safe_harbor", 90, 90), ("hipaa_safe_harbor", 89, 89),
    ("cross_border", 97, 90), ("cross_border", 68, 65), ("default", 97, 97), ("lake", 97, 97),
])  # fmt: skip
def test_an_age_as_a_whole_number_is_pooled(policy: str, integer: int, stays: int):
    """FHIR has no comparator beside a whole number: 90 says 90 and above. The lake keeps true ages, on purpose."""
    resource = kept(policy, valueInteger=integer, component=[{"code": AGE, "valueInteger": integer}])
    assert resource["valueInteger"] == resource["component"][0]["valueInteger"] == stays


@pytest.mark.parametrize(("written", "stays"), [
    ({"low": {"value": 95}, "high": {"value": 99}}, {"low": {"value": 90, "system": UCUM, "code": "a"}}),
    ({"low": {"value": 85, "unit": "岁"}, "high": {"value": 97, "unit": "岁"}},
     {"low": {"value": 85, "unit": "岁"}}),
    ({"low": {"value": 60}, "high": {"value": 69}}, {"low": {"value": 60}, "high": {"value": 69}}),
])  # fmt: skip
def test_a_range_of_ages_without_units_has_no_upper_end_over_89(written: Any, stays: Any):
    """`85 to 97` would tell of someone of 97: the upper end goes, the lower says from where on."""
    assert kept(valueRange=written)["valueRange"] == stays


def test_a_range_of_which_only_the_upper_end_is_known_goes():
    """`up to 97` says that nobody is older, and nothing else."""
    result = scrubbed(valueRange={"high": {"value": 97}})
    assert "97" not in json.dumps(result.resource)
    assert "Observation.valueRange" in result.dropped


@pytest.mark.parametrize("elements", [
    {"valueString": "97岁"},
    {"valueQuantity": {"value": 97, "comparator": "<"}},
    {"valueQuantity": {"value": "97", "unit": "岁"}},
    {"valueQuantity": {"value": Decimal("Infinity")}},
], ids=str)  # fmt: skip
def test_what_no_band_can_be_told_of_goes(elements: Any):
    """Words are never kept; an upper limit above 89, a text for a number and no finite number tell no band."""
    result = scrubbed(**elements)
    assert "97" not in json.dumps(result.resource) and "Inf" not in json.dumps(result.resource)
    assert f"Observation.{next(iter(elements))}" in result.dropped


@pytest.mark.parametrize("quantity", [
    {"value": 97, "system": UCUM, "code": "kg"}, {"value": 30, "unit": "个月"}, {"value": 89}, {"value": 0},
], ids=str)  # fmt: skip
def test_other_quantities_of_an_age_stay_as_they_are(quantity: Any):
    """Below 90 Safe Harbor asks for nothing; another unit of UCUM is no age, whatever the code says."""
    assert kept(valueQuantity=quantity)["valueQuantity"] == quantity


@pytest.mark.parametrize("concept", [
    None, "Age", 1, [], {"coding": "x"}, {"coding": [None, 1, {"code": ["30525-0"], "system": LOINC}]},
    {"coding": [{"system": {"a": 1}, "code": "30525-0"}]}, {"text": ["年龄"]}, {"text": "年龄" * 10_000},
], ids=lambda value: str(value)[:30])  # fmt: skip
def test_a_malformed_concept_is_no_age_and_stops_nothing(concept: Any):
    """Structures where texts should stand, and very long names."""
    assert not is_age(concept)


def test_the_resource_that_came_in_is_not_changed():
    """The hospital's record is the evidence; only what leaves is made coarser."""
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": AGE,
        "valueQuantity": {"value": 97},
    }
    before = json.dumps(observation)
    scrub(observation, house("hipaa_safe_harbor"), PSEUDONYMS)
    assert json.dumps(observation) == before


def test_a_quantity_without_a_number_is_left_to_the_policy():
    """`dataAbsentReason` says why there is none."""
    assert pooled_age({"unit": "岁"}, 1) == {"unit": "岁"}


def test_the_codes_of_ages_are_codes():
    """Each of the table has the check digit of its system: a mistyped code would match nothing."""
    path = Path(ages.__file__).with_name("age_codes.csv")
    rows = list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if line[0] != "#"))
    assert len(rows) >= 10
    for row in rows:
        assert luhn(row["code"].replace("-", "")) if row["system"] == LOINC else is_sctid(row["code"])


@pytest.mark.parametrize("name", [
    "Age (years)", "Age, years", "AGE_YEARS", "Age in years", "岁数",
    "患者入院时的实际年龄", "年龄, 岁", "Ａｇｅ", "年齡",
])  # fmt: skip
def test_a_longer_name_of_an_age_is_one(name: str):
    """With its unit, in brackets or behind a comma, in any width, and with whose age it is and when."""
    resource = kept(code={**WEIGHT, "text": name}, valueInteger=95, valueQuantity={"value": 95})
    assert (resource["valueInteger"], resource["valueQuantity"]) == (90, NINETY)


@pytest.mark.parametrize("name", ["Age (months)", "年龄（月）", "Age in months"])
def test_a_name_that_tells_months_counts_in_months(name: str):
    """95 months are a child's; 1,140 are 95 years, of which a whole number cannot tell 90 and above."""
    code = {**WEIGHT, "text": name}
    assert kept(code=code, valueInteger=95)["valueInteger"] == 95
    assert kept(code=code, valueQuantity={"value": 1140})["valueQuantity"] == NINETY
    assert "valueInteger" not in kept(code=code, valueInteger=1140)


@pytest.mark.parametrize("name", ["妊娠年龄", "血管年龄", "bone age", "Age group 2", "average", "age" * 50])
def test_a_longer_name_of_something_else_is_no_age(name: str):
    assert not is_age({"text": name})


@pytest.mark.parametrize("quantity", [
    {"value": 95, "unit": "ａ"}, {"value": 95, "system": UCUM, "code": "ａ"}, {"value": 95, "unit": "ＹＥＡＲＳ"},
    {"value": 95, "system": SNOMED, "code": "258707000"}, {"value": 1140, "system": SNOMED, "code": "258706009"},
    {"value": 832_770, "system": UCUM, "code": "h"}, {"value": 49_966_200, "system": UCUM, "code": "min"},
    {"value": 95, "system": "urn:oid:2.16.840.1.113883.6.96", "code": "258707000"},
    {"value": 95, "system": "http://example.org/units", "code": "Y", "unit": "岁"},
], ids=str)  # fmt: skip
def test_units_of_ages_are_known_in_any_width_and_system(quantity: Any):
    """UCUM, SNOMED CT and words, down to the minute, of whatever the observation is called."""
    assert pooled_age(quantity, 1) == NINETY


@pytest.mark.parametrize("quantity", [
    {"value": 95, "system": UCUM, "code": "A"}, {"value": 95, "system": SNOMED, "code": "258702006"},
    {"value": 95, "system": UCUM, "code": "min"}, {"value": 95, "system": SNOMED, "code": "258683005"},
], ids=str)  # fmt: skip
def test_amperes_hours_and_kilograms_are_no_years(quantity: Any):
    assert pooled_age(quantity, 1) == quantity
