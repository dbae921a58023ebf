"""Which measures the platform knows, and what becomes of an observation that it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ingestion.terminology import check_terms, known_measures, measure_of, open_systems

BASE = "https://rwd-platform.example/CodeSystem/"
UCUM = "http://unitsofmeasure.org"


def observation(code: Any, **value: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "code": code, **value}


def coded(*codings: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


NODES = coded((f"{BASE}demo-measure", "positive-nodes"))


def test_the_list_holds_seven_measures_and_three_outcomes_with_names_in_both_languages() -> None:
    """A clinician reviews this list, so every entry says in Chinese and English what it is."""
    measures = list(known_measures().values())
    assert [measure.code for measure in measures if measure.kind == "outcome"] == [
        "recurrence-status",
        "valve-status",
        "vital-status",
    ]
    assert len([measure for measure in measures if measure.kind == "measure"]) == 7
    for measure in measures:
        assert any("\u4e00" <= character <= "\u9fff" for character in measure.name.zh)
        assert measure.name.en.isascii()
        assert (measure.value_type == "Quantity") is bool(measure.unit)


def test_the_list_cannot_be_changed_by_whoever_reads_it() -> None:
    with pytest.raises(TypeError):
        known_measures()["a", "b"] = None  # type: ignore[index]


UNKNOWN = [
    coded((f"{BASE}demo-measure", "shoe-size")),
    coded(("http://hospital.example/codes", "positive-nodes")),
    coded(("urn:oid:2.16.840.1.113883.6.1", "718-7")),
    {"text": "positive-nodes"},
    {"coding": []},
    {"coding": "positive-nodes"},
    {"coding": [None, {"code": "positive-nodes"}, {"system": 1, "code": 2}]},
    "positive-nodes",
    None,
]


@pytest.mark.parametrize("code", UNKNOWN, ids=str)
def test_an_observation_of_an_unknown_code_is_kept_apart(code: Any) -> None:
    """The same code in another system is another code, and LOINC has one address in FHIR, by which the rules of
    quality and cohorts find it. The reason never repeats the code.
    """
    (issue,) = check_terms(observation(code))
    assert issue.rule == "terminology.unknown_measure"
    assert issue.expression == "Observation.code"
    assert "shoe-size" not in issue.en + issue.zh


NODES_OF_THREE = {"value": 3, "system": UCUM, "code": "{nodes}"}


def test_a_known_code_may_stand_beside_codes_of_standard_systems() -> None:
    """Hospitals send LOINC or SNOMED CT along with their own code; that says the same thing twice."""
    code = coded(
        ("http://loinc.org", "21893-3"),
        (f"{BASE}demo-measure", "positive-nodes"),
        ("http://snomed.info/sct", "443527007"),
    )
    measure = measure_of(observation(code))
    assert measure is not None
    assert measure.code == "positive-nodes"
    assert check_terms(observation(code, valueQuantity=NODES_OF_THREE)) == ()


UNREAD = [
    {"system": "http://hospital.example/codes", "code": "positive-nodes"},
    {"system": f"{BASE}demo-measure", "code": "shoe-size"},
    {"system": "http://loinc.org.example", "code": "21893-3"},
    {"code": "21893-3"},
    {"system": "http://loinc.org"},
    {"system": "http://loinc.org", "code": ""},
    {"display": "positive nodes"},
    None,
]


@pytest.mark.parametrize("unread", UNREAD, ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_a_code_that_nobody_has_read_keeps_the_observation_apart(unread: Any, first: bool) -> None:
    """It becomes a row of its own in the lake, so one known code beside it does not vouch for it."""
    codings = [unread, *NODES["coding"]] if first else [*NODES["coding"], unread]
    (issue,) = check_terms(observation({"coding": codings}, valueQuantity=NODES_OF_THREE))
    assert issue.rule == "terminology.unknown_measure"


HAEMOGLOBIN = coded(("http://loinc.org", "718-7"))


@pytest.mark.parametrize("system", sorted(open_systems()))
def test_a_code_of_an_open_system_needs_no_known_measure_beside_it(system: str) -> None:
    """Hospitals send LOINC, ICD and SNOMED CT, of which nobody here holds all codes."""
    sent = observation(coded((system, "718-7")), valueQuantity={"value": 120, "system": UCUM, "code": "g/L"})
    assert check_terms(sent) == ()


def test_the_platforms_own_systems_are_closed() -> None:
    """An open system that were ours would let any code pass."""
    assert not open_systems() & {system for system, _ in known_measures()}


def test_what_has_no_value_is_named_without_a_code_that_nobody_here_can_name() -> None:
    (issue,) = check_terms(observation(HAEMOGLOBIN, status="final"))
    assert issue.rule == "terminology.no_value"
    assert issue.en.startswith("This observation has no value") and issue.zh.startswith("该观察没有可用的值")


STATUS = coded((f"{BASE}demo-outcome", "vital-status"))
NO_VALUES: list[dict[str, Any]] = [
    {},
    {"valueString": "三个"},
    {"valueCodeableConcept": {"text": "三个"}},
    {"valueCodeableConcept": {"coding": [{"display": "三个"}]}},
    {"valueCodeableConcept": {"coding": []}},
    {"valueQuantity": {"system": UCUM, "code": "{nodes}"}},
    {"valueQuantity": {"value": "3", "system": UCUM, "code": "{nodes}"}},
    {"valueQuantity": {"value": True, "system": UCUM, "code": "{nodes}"}},
    {"valueQuantity": []},
    {"valueInteger": None},
    {"valueBoolean": True},
    {"dataAbsentReason": {}},
]


@pytest.mark.parametrize("value", NO_VALUES, ids=str)
@pytest.mark.parametrize("code", [NODES, STATUS, HAEMOGLOBIN], ids=["measure", "outcome", "loinc"])
def test_an_observation_without_a_usable_value_is_kept_apart(code: Any, value: dict[str, Any]) -> None:
    """The lake would hold a row with an empty value, which reads as "measured, and nothing found"."""
    (issue,) = check_terms(observation(code, status="final", **value))
    assert (issue.rule, issue.expression) == ("terminology.no_value", "Observation.value")
    assert "dataAbsentReason" in issue.next_en and "dataAbsentReason" in issue.next_zh
    assert "三个" not in issue.en + issue.zh


VALUES: list[dict[str, Any]] = [
    {"valueQuantity": NODES_OF_THREE},
    {"valueQuantity": {**NODES_OF_THREE, "value": Decimal("0.0")}},
    {"valueInteger": 0},
    {"valueCodeableConcept": coded((f"{BASE}demo-value", "alive"))},
    {"dataAbsentReason": coded(("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown"))},
    {"status": "entered-in-error"},
    {"status": "cancelled"},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_a_value_a_reason_or_a_withdrawal_is_enough(value: dict[str, Any]) -> None:
    """Zero is a value; a hospital may say why there is none, and may take a record back without one."""
    assert check_terms(observation(NODES, **{"status": "final", **value})) == ()


UNITS = [
    ({"value": 3, "system": UCUM, "code": "{nodes}"}, True),
    ({"value": 3, "system": UCUM, "code": "mm"}, False),
    ({"value": 3, "system": "http://local", "code": "{nodes}"}, False),
    ({"value": 3, "unit": "nodes"}, False),
]


@pytest.mark.parametrize(("quantity", "accepted"), UNITS, ids=str)
def test_a_quantity_in_another_unit_is_kept_apart(quantity: dict[str, Any], accepted: bool) -> None:
    """A receptor in ng/mL read as fmol/L is a wrong number that looks right."""
    issues = check_terms(observation(NODES, valueQuantity=quantity))
    assert [issue.rule for issue in issues] == ([] if accepted else ["terminology.unexpected_unit"])
    for issue in issues:
        assert "{nodes}" in issue.en and "{nodes}" in issue.zh


def test_other_types_of_resource_have_no_measure_to_check() -> None:
    assert check_terms({"resourceType": "Patient"}) == ()


MEDICINES = ["MedicationDispense", "MedicationAdministration", "MedicationRequest"]
PRODUCT = (f"{BASE}licensed-product", "DEMO-A")
NO_PRODUCTS: list[dict[str, Any]] = [
    {},
    {"medicationReference": {"reference": "Medication/m1"}},
    {"medicationCodeableConcept": {"text": "演示药 A"}},
    {"medicationCodeableConcept": {"coding": []}},
    {"medicationCodeableConcept": {"coding": [{"display": "演示药 A"}]}},
    {"medicationCodeableConcept": {"coding": [{"code": "DEMO-A"}]}},
    {"medicationCodeableConcept": {"coding": [{"system": PRODUCT[0]}]}},
    {"medicationCodeableConcept": "DEMO-A"},
]


@pytest.mark.parametrize("medication", NO_PRODUCTS, ids=str)
@pytest.mark.parametrize("resource_type", MEDICINES)
def test_a_medicine_without_a_product_code_is_kept_apart(
    resource_type: str, medication: dict[str, Any]
) -> None:
    """Its row would have no product, and a study would count a treated patient as untreated."""
    (issue,) = check_terms({"resourceType": resource_type, **medication})
    assert (issue.rule, issue.expression) == ("terminology.no_product", f"{resource_type}.medication")
    assert "medicationCodeableConcept" in issue.next_en and "medicationCodeableConcept" in issue.next_zh
    assert "演示药" not in issue.zh


@pytest.mark.parametrize("resource_type", MEDICINES)
def test_a_medicine_with_a_product_code_is_accepted_whichever_it_is(resource_type: str) -> None:
    """Other medicines than the licensed product are facts too."""
    for product in (PRODUCT, ("http://www.nlm.nih.gov/research/umls/rxnorm", "1049221")):
        assert check_terms({"resourceType": resource_type, "medicationCodeableConcept": coded(product)}) == ()
