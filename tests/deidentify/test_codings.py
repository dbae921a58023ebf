"""Codings without a system, second codings, numbers without a unit's code: what goes, stays and is counted."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from deidentify.kept_texts import CODING, UNIT, KeptTexts
from deidentify.policy import load_policy, parse_policy, shipped_policies
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, Scrubbed, scrub

PSEUDONYMS = Pseudonymiser(b"k" * 32, "org-1")
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
ICD10, HIS = "http://hl7.org/fhir/sid/icd-10", "http://his.hospital.example/diagnosis"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
MASKED = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
    ]
}


def scrubbed(resource: dict[str, Any], policy: str = "lake") -> Scrubbed:
    return scrub(resource, load_policy(policy), PSEUDONYMS)


def kept(resource: dict[str, Any], policy: str = "lake") -> dict[str, Any]:
    result = scrubbed(resource, policy).resource
    assert result is not None
    return result


def rule_of(resource: dict[str, Any], policy: str = "lake") -> str:
    try:
        scrubbed(resource, policy)
    except Quarantine as quarantine:
        return quarantine.issue.rule
    return ""


def observation(**elements: Any) -> dict[str, Any]:
    coded = {"coding": [{"system": LOINC, "code": "718-7"}]}
    return {"resourceType": "Observation", "status": "final", "code": coded, **elements}


def condition(*codings: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Condition", "code": {"coding": list(codings)}}


def labels(result: Scrubbed) -> set[str]:
    assert result.resource is not None
    return {one["code"] for one in result.resource.get("meta", {}).get("security", [])}


# -- a code that names no system -------------------------------------------------------------------

PERSONS = [
    "E12345678", "Wang Xiaoming", "WangXiaoming", "USA310119800304", "+85291234567", "192.168.1.77", "0106234567",
    "ZY2023000123", "wangxm(a)qq.com", "A12345", "199003", "20241001", "19900307", "W", "王小明", "IMP", "1049221",
    "12-5", "I10.LIU", "C50.Wang", "",
]  # fmt: skip
BY_FORM = [
    "C50.911", "I10", "M8500/3", "I10.x00x002", "A17.0†", "718-7", "LA6576-8", "254837009", "L02BA01", "85.4",
    "36.0601", "国药准字H20067255",
]  # fmt: skip


@pytest.mark.parametrize("code", PERSONS)
@pytest.mark.parametrize("policy", shipped_policies())
def test_a_code_without_a_system_that_tells_no_system_goes_and_is_counted(policy: str, code: str):
    """A passport, a name, a landline: no grammar knows them, so the code goes and the resource stays."""
    result = scrubbed(observation(valueCodeableConcept={"coding": [{"code": code}]}), policy)
    assert result.resource is not None and result.resource["valueCodeableConcept"] == MASKED
    assert result.dropped == ("Observation.valueCodeableConcept.coding.code",)
    assert {"MASKED", "REDACTED"} <= labels(result)


@pytest.mark.parametrize("code", BY_FORM)
def test_a_code_without_a_system_that_tells_its_own_stays(code: str):
    """ICD-10 with its point, LOINC and SNOMED CT by check digit, ATC, ICD-9-CM-3, a Chinese product's number."""
    resource = observation(valueCodeableConcept={"coding": [{"code": code}]})
    assert kept(resource)["valueCodeableConcept"] == resource["valueCodeableConcept"]


@pytest.mark.parametrize("system", [None, ["http://loinc.org"], 7, {"a": "b"}])
def test_a_system_that_is_no_text_is_none(system: Any):
    """Malformed: it cannot vouch for a code."""
    resource = observation(valueCodeableConcept={"coding": [{"system": system, "code": "WangXiaoming"}]})
    assert "WangXiaoming" not in json.dumps(kept(resource))


@pytest.mark.parametrize("policy", shipped_policies())
@pytest.mark.parametrize(
    "resource",
    [
        condition({"code": "WangXiaoming"}),
        observation(code={"coding": [{"code": "E12345678"}]}),
        observation(component=[{"code": {"coding": [{"code": "E12345678"}]}, "valueInteger": 3}]),
        {"resourceType": "Immunization", "vaccineCode": {"coding": [{"code": "WangXiaoming"}]}},
        {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"coding": [{"code": "ZY2023000123"}]}},
    ],
    ids=lambda resource: resource["resourceType"],
)  # fmt: skip
def test_without_what_it_is_about_a_resource_is_kept_out(resource: dict[str, Any], policy: str):
    """A diagnosis without a diagnosis says nothing: the hospital names the system and sends it again."""
    assert rule_of(resource, policy) == "deid.unfit_code"


def test_beside_a_coding_that_stays_one_without_a_system_is_only_dropped():
    """The concept keeps its meaning."""
    result = scrubbed(condition({"code": "GXY"}, {"system": ICD10, "code": "I10"}))
    assert result.resource is not None
    assert result.resource["code"] == {"coding": [{"system": ICD10, "code": "I10"}]}
    assert result.dropped == ("Condition.code.coding.code",)


def test_a_class_without_a_system_leaves_its_mark():
    """Encounter.class is required: it stays present, and says that it is empty."""
    result = scrubbed({"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}})
    assert result.resource is not None and result.resource["class"] == MASKED
    assert result.dropped == ("Encounter.class.code",)


@pytest.mark.parametrize(
    ("code", "left"),
    [("C50.911", "C50"), ("I10", "I10"), ("E11.900x001", "E11"), ("718-7", "718-7"), ("254837009", "254837009")],
)  # fmt: skip
def test_what_leaves_the_country_by_category_does_so_without_a_system_too(code: str, left: str):
    """The finest disease is as telling where nobody wrote that it is ICD-10."""
    resource = condition({"code": code})
    assert kept(resource, "cross_border")["code"] == {"coding": [{"code": left}]}
    assert kept(resource, "lake")["code"] == resource["code"]
    assert ("ABSTRED" in labels(scrubbed(resource, "cross_border"))) is code[0].isalpha()


def test_a_unit_of_a_quantity_is_no_disease_where_diseases_are_made_coarser():
    """`a`, `h` and `10*9/L` have no category."""
    quantity = {"value": Decimal("5.10"), "code": "10*9/L"}
    assert kept(observation(valueQuantity=quantity), "cross_border")["valueQuantity"] == quantity


@pytest.mark.parametrize("element", ["security", "tag"])
def test_a_label_is_one_of_hl7s_codes(element: str):
    """A name without a system goes; a code of a system that is not HL7's keeps the resource out."""
    text = (
        'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nextends = "lake"\n'
        '[shape.meta]\nsecurity = "shape:coding"\ntag = "shape:coding"\n'
    )
    policy = parse_policy(text.encode(), "t.toml")

    def labelled(*found: dict[str, str]) -> Scrubbed:
        return scrub({**observation(), "meta": {element: list(found)}}, policy, PSEUDONYMS)

    restricted = {"system": CONFIDENTIALITY, "code": "R"}
    result = labelled({"code": "WangXiaoming"}, {"code": "718-7"}, restricted)
    assert result.resource is not None and result.resource["meta"][element][0] == restricted
    assert not {"WangXiaoming", "718-7"} & {one["code"] for one in result.resource["meta"][element]}
    assert result.dropped == (f"Observation.meta.{element}.code",)
    for wrong in ({"system": LOINC, "code": "718-7"}, {"system": CONFIDENTIALITY, "code": "WANG"}):
        with pytest.raises(Quarantine) as quarantine:
            labelled(wrong, restricted)
        assert quarantine.value.issue.rule == "deid.unfit_code"


# -- several codings of one concept ----------------------------------------------------------------


@pytest.mark.parametrize(
    "second",
    [
        {"system": HIS, "code": "GXY"},
        {"system": ICD10, "code": "高血压"},
        {"system": LOINC, "code": "718-8"},
        {"system": HIS, "code": "13812345678"},
    ],
)
@pytest.mark.parametrize("policy", shipped_policies())
def test_a_second_coding_that_may_not_stay_does_not_cost_the_first(policy: str, second: dict[str, str]):
    """Codings of a concept say the same: a hospital's own beside ICD-10 is dropped whole, and counted."""
    good = {"system": ICD10, "code": "I10"}
    for codings in ((good, second), (second, good)):
        result = scrubbed(condition(*codings), policy)
        assert result.resource is not None
        assert result.resource["code"] == {"coding": [good]}
        assert result.dropped == ("Condition.code.coding",)


@pytest.mark.parametrize(
    ("codings", "rule"),
    [
        ([{"system": HIS, "code": "GXY"}], "deid.unlisted_system"),
        ([{"system": HIS, "code": "GXY"}, {"display": "高血压"}], "deid.unlisted_system"),
        ([{"system": HIS, "code": "GXY"}, {"system": ICD10}], "deid.unlisted_system"),
        ([{"system": HIS, "code": "GXY"}, {"code": "WangXiaoming"}], "deid.unlisted_system"),
        ([{"system": ICD10, "code": "I10"}, {"system": LOINC, "code": "13812345678"}], "deid.identifier_in_code"),
        ([{"system": ICD10, "code": "I10"}, {"code": "13812345678"}], "deid.identifier_in_code"),
    ],
)  # fmt: skip
def test_without_a_good_coding_the_resource_is_kept_out(codings: list[dict[str, str]], rule: str):
    """A coding is good if its code stays. A person's number in a listed system is told to the hospital, always."""
    assert rule_of(condition(*codings)) == rule


def test_a_fault_elsewhere_is_not_forgotten():
    """What is forgiven is the coding's own fault, not the one before it or after it."""
    number = {"valueQuantity": {"value": 13812345678}}
    codings = {"coding": [{"system": ICD10, "code": "I10"}, {"system": HIS, "code": "GXY"}]}
    for resource in ({**observation(**number), "bodySite": codings}, observation(bodySite=codings, **number)):
        assert rule_of(resource) == "deid.identifier_in_code"


# -- a number and its unit -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit", ["mmol/L", "次/分", "岁", "毫米汞柱", "IU/L", "mmHg", "g/L", "mg/24h", " U/L "]
)
@pytest.mark.parametrize("policy", shipped_policies())
def test_a_unit_in_words_stays_where_there_is_no_code(policy: str, unit: str):
    """5.1 without mmol/L is a number of nothing."""
    result = scrubbed(observation(valueQuantity={"value": Decimal("5.0"), "unit": unit}), policy)
    assert result.resource is not None
    assert result.resource["valueQuantity"] == {"value": Decimal("5.0"), "unit": unit.strip()}
    assert not result.dropped


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": 5, "unit": "王小明"},
        {"value": 5, "unit": "Wang Xiaoming"},
        {"value": 5, "unit": ["mmol/L"]},
        {"value": 5, "unit": ""},
        {"value": 5, "code": "WangXiaoming"},
        {"value": 5, "code": "E12345678", "unit": "12床"},
    ],
)
def test_of_a_unit_that_is_none_the_number_goes_too(quantity: dict[str, Any]):
    """It is masked, and each element that went is counted."""
    result = scrubbed(observation(valueQuantity=quantity, component=[{"valueRange": {"low": quantity}}]))
    assert result.resource is not None
    assert result.resource["valueQuantity"] == MASKED
    assert result.resource["component"][0]["valueRange"] == {"low": MASKED}
    gone = {f"Observation.valueQuantity.{name}" for name in quantity}
    assert gone | {path.replace("valueQuantity", "component.valueRange.low") for path in gone} == set(
        result.dropped
    )
    assert "MASKED" in labels(result)


def test_a_number_that_came_without_a_unit_and_one_with_its_code_are_as_before():
    """A score has no unit; beside a code the unit in words is left out."""
    assert kept(observation(valueQuantity={"value": 5}))["valueQuantity"] == {"value": 5}
    result = scrubbed(observation(valueQuantity={"value": 5, "unit": "克", "system": UCUM, "code": "g"}))
    assert result.resource is not None
    assert result.resource["valueQuantity"] == {"value": 5, "system": UCUM, "code": "g"}
    assert result.dropped == ("Observation.valueQuantity.unit",)


@pytest.mark.parametrize("code", ["mmHg", "mg/24h", "次/分"])
def test_what_is_a_unit_and_not_ucum_stays_as_words(code: str):
    """It said UCUM and is none: not a code to calculate with, and no reason to lose the resource."""
    quantity = {"value": 120, "unit": code, "system": UCUM, "code": code}
    result = scrubbed(observation(valueQuantity=quantity))
    assert result.resource is not None
    assert result.resource["valueQuantity"] == {"value": 120, "unit": code}
    assert result.dropped == ("Observation.valueQuantity.code",)
    assert rule_of(observation(valueQuantity={**quantity, "code": "WangXiaoming"})) == "deid.unfit_code"


def test_a_policy_that_names_the_unit_itself_is_obeyed():
    """`keep` keeps, `mask` marks: the room's own judgement is for a unit that the policy leaves out."""
    head = 'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nextends = "lake"\n[shape.quantity]\n'
    written = observation(valueQuantity={"value": 5, "unit": "kg"})
    keeping = scrub(written, parse_policy(f'{head}unit = "keep"\n'.encode(), "t.toml"), PSEUDONYMS).resource
    assert keeping is not None and keeping["valueQuantity"] == {"value": 5, "unit": "kg"}


def test_ages_in_words_are_pooled_and_keep_their_unit():
    """The band is computed before; 岁 says years in it."""
    age = {"coding": [{"system": LOINC, "code": "30525-0"}]}
    resource = observation(code=age, valueQuantity={"value": 68, "unit": "岁"})
    assert kept(resource, "cross_border")["valueQuantity"] == {"value": 65, "unit": "岁"}


def test_a_million_codes_without_a_system_fill_no_memory(monkeypatch: pytest.MonkeyPatch):
    """Answers are remembered up to a bound, for codings and for units."""
    monkeypatch.setattr("deidentify.kept_texts._REMEMBERED", 100)
    texts = KeptTexts({})
    for kind in (CODING, UNIT):
        assert {texts.fault_of_coded(f"Wang{number}", None, kind) for number in range(1000)} != {""}
        assert len(texts.answers_of_coded(kind)(None)) <= 100
    assert texts.fault_of_coded("C" * 100_000, None, CODING) != ""
