"""What any policy writes is valid FHIR: seeded resources that fill every element, and the demo's own."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache, partial
from itertools import islice
from typing import Any

import pytest

from deidentify.fhir_paths import Element, elements_of, model_of
from deidentify.policy import Policy, load_policy, parse_policy, shipped_policies
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, scrub
from deidentify.shifting import Shifts
from ingestion.intake import read_units
from ingestion.mapping import load_mapping
from ingestion.validate import check
from ingestion.validate.second import with_stand_ins
from ingestion.validate.shapes import Shape, resource_shape
from rwd_platform.core.units import Place, Resource, Unit
from rwd_platform.demo.exporter import export
from tests.docs.test_policies_page import EXAMPLES

PSEUDONYMS = Pseudonymiser(b"h" * 32, "file")
SHIFTS = Shifts(b"d" * 32, "file")
POLICIES = [*shipped_policies(), "the example of the docs"]
OF_EACH_TYPE = 25
LEFT_ALONE = frozenset(
    {"Extension", "Narrative", "Meta", "Resource", "Signature", "Timing", "Identifier", "Attachment"}
)
HAS_RULES_OF_ITS_OWN = frozenset(
    {"contained", "implicitRules", "extension", "modifierExtension", "language", "fhir_comments"}
)
CODINGS = [
    {"system": "http://loinc.org", "code": "718-7", "display": "血红蛋白"},
    {"system": "http://hl7.org/fhir/sid/icd-10", "code": "C50.9"},
    {"system": "http://hl7.org/fhir/sid/icd-10", "code": "Z99.9", "userSelected": True},
    {"display": "只有文字"},
]
QUANTITIES = [
    {"value": 93, "system": "http://unitsofmeasure.org", "code": "a", "unit": "岁"},
    {"value": 3, "system": "http://unitsofmeasure.org", "code": "mo"},
    {"value": 112, "unit": "克/升", "system": "http://unitsofmeasure.org", "code": "g/L"},
]
ABOUT = [
    {"reference": "Patient/ZY1", "display": "司徒虚怀"}, {"reference": "Group/1"}, {"display": "只有姓名"},
    {"identifier": {"value": "ZY1"}}, {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
]  # fmt: skip
PRIMITIVES: dict[str, list[Any]] = {
    "date": ["1932-02-03", "2030", "2024-02"], "dateTime": ["2024-02-29T08:00:00+08:00", "1921", "2024-03"],
    "instant": ["2024-02-29T08:00:00.5+08:00"], "time": ["08:00:00"], "boolean": [True, False], "decimal": [1, 0.5],
    "integer": [3], "positiveInt": [1, 2], "unsignedInt": [0, 7], "string": ["去年", "司徒虚怀"], "markdown": ["文字"],
    "code": ["active"], "uri": ["http://example.org/x"], "url": ["http://example.org/x"], "id": ["ZY1"],
    "canonical": ["http://example.org/x"], "base64Binary": ["AAAA"], "oid": ["urn:oid:1.2"],
    "uuid": ["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"],
}  # fmt: skip


@cache
def policy(name: str) -> Policy:
    if name in shipped_policies():
        return load_policy(name)
    (text,) = (text for _, text in EXAMPLES if "name = " in text)
    return parse_policy(text.encode(), "example.toml")


def _value(element: Element, shape: Shape, seeded: random.Random, depth: int) -> Any:
    known = shape.elements.get(element.name)
    if element.is_primitive:
        codes = sorted(known.codes) if known is not None and known.codes else PRIMITIVES[element.type]
        return seeded.choice(codes)
    if element.type == "Coding":
        return dict(seeded.choice(CODINGS))
    if element.type in ("Quantity", "Age", "Duration", "Count", "Distance"):
        return dict(seeded.choice(QUANTITIES))
    if element.type == "Reference":
        return dict(seeded.choice(ABOUT))
    assert known is not None
    return _object(element.model, known.shape, seeded, depth + 1)


def _object(model: Any, shape: Shape, seeded: random.Random, depth: int) -> dict[str, Any]:
    elements = [one for one in elements_of(model).values() if one.name not in HAS_RULES_OF_ITS_OWN]
    chosen = {}
    for group in sorted({one.group for one in elements if one.group}):
        options = [one for one in elements if one.group == group and one.type not in LEFT_ALONE]
        chosen[group] = seeded.choice(options).name if options else ""
    made: dict[str, Any] = {}
    for one in elements:
        wanted = one.required or (one.type not in LEFT_ALONE and seeded.random() < 0.6 / (1 + depth))
        if not wanted or (one.group and chosen[one.group] != one.name):
            continue
        several = range(seeded.choice((1, 2))) if one.repeats else range(1)
        values = [_value(one, shape, seeded, depth) for _ in several]
        made[one.name] = values if one.repeats else values[0]
    return made or {"id": "x1"}


def _is_valid(resource: Resource) -> bool:
    return not check(Unit(Place("x", 1), b"", resource))


@cache
def rich(resource_type: str) -> tuple[Resource, ...]:
    """Valid resources of a type, each with other elements; a seed that gives an invalid one is passed over."""
    shape = resource_shape(resource_type, "R4")
    assert shape is not None
    made: list[Resource] = []
    for seed in range(OF_EACH_TYPE * 8):
        seeded = random.Random(f"{resource_type}/{seed}")
        resource = {"resourceType": resource_type, **_object(model_of(resource_type), shape, seeded, 0)}
        if _is_valid(resource):
            made.append(resource)
        if len(made) == OF_EACH_TYPE:
            break
    return tuple(made)


@pytest.mark.parametrize("name", POLICIES)
def test_whatever_a_policy_leaves_of_a_resource_is_valid(name: str) -> None:
    """Asked are the platform's own gate, its second validator, and the models of fhir.resources themselves, which see
    a stand-in for a required choice that is masked (the published over-strictness).
    """
    outcomes: Counter[str] = Counter()
    for resource_type in sorted(policy(name).rules):
        for resource in rich(resource_type):
            try:
                kept = scrub(resource, policy(name), PSEUDONYMS, SHIFTS).resource
            except Quarantine:
                outcomes["quarantined"] += 1
                continue
            assert kept is not None
            issues = check(Unit(Place("x", 1), b"", kept))
            assert issues == (), (resource_type, [(one.rule, one.expression) for one in issues], kept)
            shape = resource_shape(resource_type, "R4")
            assert shape is not None
            model_of(resource_type).model_validate(with_stand_ins(kept, shape))
            outcomes[resource_type] += 1
    assert outcomes.keys() >= set(policy(name).rules), outcomes
    assert outcomes["quarantined"] * 3 < outcomes.total(), outcomes


def test_the_rich_resources_use_the_elements_that_policies_name() -> None:
    """Else the test above would say little: three in four of the first elements that `default` names occur."""
    named = {
        (kind, path.split(".")[0]) for kind, paths in load_policy("default").rules.items() for path in paths
    }
    used = {(kind, key) for kind, _ in named for one in rich(kind) for key in one}
    assert len(named & used) > 0.75 * len(named)


WORDS_IN_A_REQUIRED_CHOICE: list[Resource] = [
    {
        "resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "乙肝疫苗"},
        "patient": {"reference": "Patient/1"}, "occurrenceString": "去年",
        "protocolApplied": [{"doseNumberString": "第二针", "seriesDosesString": "三针"}],
    },
    {
        "resourceType": "MedicationAdministration", "status": "completed", "subject": {"reference": "Group/1"},
        "medicationCodeableConcept": {"text": "药"}, "effectiveDateTime": "2024-02-29",
    },
]  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize(
    "resource", WORDS_IN_A_REQUIRED_CHOICE, ids=["Immunization", "MedicationAdministration"]
)
def test_a_required_choice_that_cannot_be_kept_is_masked_and_both_validators_accept_it(
    resource: Resource, name: str
) -> None:
    if resource["resourceType"] not in policy(name).rules:
        pytest.skip("the policy drops this type")
    kept = scrub(resource, policy(name), PSEUDONYMS, SHIFTS).resource
    assert kept is not None and _is_valid(resource) and _is_valid(kept)
    assert "去年" not in str(kept) and "针" not in str(kept)


@pytest.fixture(scope="module")
def of_the_demo(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """The first valid resources of each file of the demo's hospitals, those of tables and Bundles too."""
    found: list[Resource] = []
    for hospital in export(tmp_path_factory.mktemp("demo-files")).hospitals:
        mapping = load_mapping(hospital.mapping) if hospital.mapping else None
        for file in hospital.files:
            units = read_units(file.name, partial(file.open, "rb"), mapping=mapping)
            valid = (unit.resource for unit in units if unit.resource is not None and not check(unit))
            found.extend(islice(valid, 300))
    return found


@pytest.mark.parametrize("name", shipped_policies())
def test_what_is_left_of_the_demos_resources_is_valid(name: str, of_the_demo: list[Resource]) -> None:
    kept = []
    for resource in of_the_demo:
        try:
            kept.append(scrub(resource, policy(name), PSEUDONYMS, SHIFTS).resource)
        except Quarantine:
            continue
    left = [one for one in kept if one is not None]
    assert len(left) > 0.9 * len(of_the_demo) > 300
    assert all(map(_is_valid, left))
    for one in left:
        model_of(one["resourceType"]).model_validate(one)


def test_a_type_without_rules_is_quarantined_whole() -> None:
    """No policy of the house has rules for these, so nothing of them can be left half valid."""
    for kind in ("QuestionnaireResponse", "Bundle", "Composition", "Questionnaire"):
        for name in shipped_policies():
            with pytest.raises(Quarantine):
                scrub({"resourceType": kind, "status": "completed"}, policy(name), PSEUDONYMS, SHIFTS)
