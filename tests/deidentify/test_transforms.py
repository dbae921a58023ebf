"""Ages in bands, codes along hierarchies, years that would tell a great age; and what cannot be done goes."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.policy import Policy, load_policy, parse_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, scrub
from rwd_platform.core.units import Resource

PSEUDONYMS = Pseudonymiser(b"s" * 32, "org-1")
UCUM = "http://unitsofmeasure.org"
ICD, ICD_OID, LOINC = "http://hl7.org/fhir/sid/icd-10", "urn:oid:2.16.840.1.113883.6.3", "http://loinc.org"
MASKED = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
    ]
}
CODED = f'[systems]\n"{ICD}" = "keep"\n"{LOINC}" = "keep"\n[Condition]\n'
BY_CODE = '"code.coding.system" = "keep"\n"code.coding.code" = "generalise:icd10:category"'


house = cache(load_policy)


@cache
def policy_of(rules: str) -> Policy:
    head = 'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nas_of = "2026-01-01"\n'
    return parse_policy((head + rules).encode(), "t.toml")


def kept(resource_type: str, rules: str, **elements: Any) -> Resource:
    return scrub({"resourceType": resource_type, **elements}, policy_of(rules), PSEUDONYMS).resource


def labels(resource: Resource) -> list[str]:
    return [one["code"] for one in resource["meta"]["security"]]


BIRTHS = [
    # birth date, band, year written: the first of those whose age at 2026-01-01 lies in the band
    ("2026-01-01", 5, "2022"),
    ("2022", 5, "2022"),
    ("2021-12-31", 5, "2017"),
    ("1985-03-07", 5, "1982"),
    ("1985-03-07", 1, "1985"),
    ("1941-01", 5, "1937"),
    ("1937-12", 5, "1937"),
    ("1937-12", 20, "1937"),
    ("1946-12", 20, "1937"),
    ("1947-01", 20, "1947"),
    ("1936-12-31", 5, "1936"),
    ("1936-12-31", 1, "1936"),
    ("1901-01-01", 1, "1936"),
    ("1850", 20, "1936"),
]


@pytest.mark.parametrize(("born", "width", "year"), BIRTHS)
def test_a_birth_date_becomes_the_first_year_of_its_age_band(born: str, width: int, year: str):
    """FHIR's Patient has no age, so the band stands in the birth date; 90 and above are one year.

    The first year, so that no event comes to lie before the birth that is written.
    """
    patient = kept("Patient", f'[Patient]\nbirthDate = "age-band:{width}"', birthDate=born)
    assert patient["birthDate"] == year
    assert labels(patient) == ["ABSTRED"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1900, 2026), st.integers(1, 30))
def test_everyone_of_one_band_and_nobody_else_has_its_year(born: int, width: int):
    """Two people share a written year exactly if they share a band of ages, or are both 90 or more."""

    def band(year: int) -> int:
        return 90 if 2026 - year >= 90 else (2026 - year) // width

    def written(year: int) -> str:
        rules = f'[Patient]\nbirthDate = "age-band:{width}"'
        return str(kept("Patient", rules, birthDate=str(year))["birthDate"])

    assert int(written(born)) <= born or band(born) == 90
    for other in (born - 1, min(born + 1, 2026), min(born + width, 2026)):
        assert (written(other) == written(born)) == (band(other) == band(born))


@pytest.mark.parametrize("born", ["2026-13-01", "unknown", "2027", "2026-02-30T", 1950, ["x"]])
def test_a_birth_date_that_tells_no_age_leaves_a_mark(born: Any):
    """Someone born after `as_of`, or a text that is no date, has no band."""
    patient = kept("Patient", '[Patient]\nbirthDate = "age-band:5"', birthDate=born)
    assert "birthDate" not in patient and "REDACTED" in labels(patient)


AGES = [
    # value, unit, comparator -> value, comparator
    (41, "a", None, 40, None),
    (Decimal("41.99"), "a", None, 40, None),
    (89, "a", None, 85, None),
    (90, "a", None, 90, ">="),
    (103, "a", None, 90, ">="),
    (95, "a", ">", 90, ">="),
    (52, "a", ">=", 50, ">="),
    (1080, "mo", None, 90, ">="),
    (30, "mo", None, 5, "<"),
    (3, "wk", None, 5, "<"),
    (3653, "d", None, 10, None),
    (0, "a", None, 5, "<"),
]
NO_AGES = [
    {"value": 41},
    {"value": 41, "unit": "公斤"},
    {"value": "41", "system": UCUM, "code": "a"},
    {"value": -1, "system": UCUM, "code": "a"},
    {"value": 41, "system": UCUM, "code": "kg"},
    {"value": 41, "system": "http://x/units", "code": "a"},
    {"value": 41, "system": UCUM, "code": "a", "comparator": "<"},
    {"value": 1, "system": UCUM, "code": "a", "comparator": ">"},
    {"value": 41, "system": UCUM, "code": ["a"]},
    {"value": Decimal("NaN"), "system": UCUM, "code": "a"},
    {"value": True, "system": UCUM, "code": "a"},
    {},
]


@pytest.mark.parametrize(("value", "unit", "comparator", "low", "sign"), AGES)
def test_an_age_becomes_its_bands_lower_bound(value: Any, unit: str, comparator: Any, low: int, sign: Any):
    """In years, whatever the unit; the first band is `< 5`, since FHIR wants ages above zero; 90 is `>= 90`."""
    age = {
        "value": value,
        "system": UCUM,
        "code": unit,
        "unit": "岁",
        **({"comparator": comparator} if comparator else {}),
    }
    onset = kept("Condition", '[Condition]\nonsetAge = "age-band:5"', onsetAge=age)["onsetAge"]
    assert onset == {"value": low, **({"comparator": sign} if sign else {}), "system": UCUM, "code": "a"}


@pytest.mark.parametrize("unit", ["岁", "周岁", "years", " Y "])
def test_an_age_in_words_is_an_age(unit: str):
    """Chinese systems write the unit in words and leave UCUM's code out; 97 岁 are 90 and above."""

    def onset(value: int) -> Any:
        age = {"value": value, "unit": unit}
        return kept("Condition", '[Condition]\nonsetAge = "age-band:5"', onsetAge=age)["onsetAge"]

    assert onset(41) == {"value": 40, "system": UCUM, "code": "a"}
    assert onset(97) == {"value": 90, "comparator": ">=", "system": UCUM, "code": "a"}


@pytest.mark.parametrize("age", NO_AGES, ids=str)
def test_what_is_no_age_leaves_a_mark(age: dict[str, Any]):
    """An age without a unit, of another unit or of which only the upper end is known has no band."""
    condition = kept("Condition", '[Condition]\nonsetAge = "age-band:5"', onsetAge=age)
    assert condition["onsetAge"] == MASKED
    assert labels(condition) == ["MASKED", "REDACTED"]


def test_an_older_year_than_the_oldest_age_is_not_told_by_any_date():
    """A policy with `as_of` pools 90 and above, so an event of 1921 may not say that someone was alive then."""
    rules = '[Condition]\nrecordedDate = "date:year"\nonsetDateTime = "date:month"'
    condition = kept("Condition", rules, recordedDate="1921-05-06", onsetDateTime="1935-12-31")
    assert (condition["recordedDate"], condition["onsetDateTime"]) == ("1936", "1936")
    condition = kept("Condition", rules, recordedDate="1936-05-06", onsetDateTime="1936-12-31")
    assert (condition["recordedDate"], condition["onsetDateTime"]) == ("1936", "1936-12")


# -- codes -------------------------------------------------------------------------------------------


def coding(system: str | None, code: Any) -> dict[str, Any]:
    return {"code": code} if system is None else {"system": system, "code": code}


CODINGS = [
    # codings as sent, codings that stay
    ([coding(ICD, "C50.9")], [coding(ICD, "C50")]),
    ([coding(ICD, "C50.9"), coding(LOINC, "718-7")], [coding(ICD, "C50")]),
    ([coding(ICD, "13812345678"), coding(ICD, "I10")], [coding(ICD, "I10")]),
]
GONE = [
    [coding(LOINC, "718-7")],
    [coding(None, "C50.9")],
    [coding("http://x/王璟琰", "C50.9")],
    [coding(ICD, "王璟琰")],
    [coding(ICD, None)],
    [coding(ICD, {"x": "C50.9"})],
    [{"system": ICD}],
    [{"system": [ICD], "code": "C50.9"}],
    ["C50.9", None],
    [],
]


@pytest.mark.parametrize(("sent", "stays"), CODINGS)
def test_a_code_is_made_coarser_only_beside_a_system_that_the_hierarchy_knows(
    sent: list[Any], stays: list[Any]
):
    """A coding of another system, or with a code that is none, is dropped whole and counted."""
    resource = {"resourceType": "Condition", "code": {"coding": sent}}
    scrubbed = scrub(resource, policy_of(CODED + BY_CODE), PSEUDONYMS)
    assert scrubbed.resource["code"] == {"coding": stays}
    assert scrubbed.dropped == (("Condition.code.coding",) if len(sent) > len(stays) else ())
    assert "ABSTRED" in labels(scrubbed.resource)


@pytest.mark.parametrize("sent", GONE, ids=str)
def test_a_concept_of_which_no_code_can_stay_is_marked(sent: list[Any]):
    """The element is there and empty, so a required one stays valid; nothing of the code is left."""
    scrubbed = scrub(
        {"resourceType": "Condition", "code": {"coding": sent}}, policy_of(CODED + BY_CODE), PSEUDONYMS
    )
    assert scrubbed.resource["code"] == MASKED


def test_a_single_coding_is_marked_too():
    """`Encounter.class` is one Coding and required."""
    rules = '[Encounter]\n"class.system" = "keep"\n"class.code" = "generalise:icd10:chapter"\n'
    encounter = kept(
        "Encounter", f'[systems]\n"{ICD}" = "keep"\n{rules}', **{"class": coding(LOINC, "718-7")}
    )
    assert encounter["class"] == MASKED
    encounter = kept("Encounter", f'[systems]\n"{ICD}" = "keep"\n{rules}', **{"class": coding(ICD, "Z51.1")})
    assert encounter["class"] == coding(ICD, "XXI")


def test_a_systems_codes_are_made_coarser_wherever_they_stand():
    """Written once in [systems]: also where a hospital puts a diagnosis that the policy's author did not expect."""
    policy = house("cross_border")
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [coding(LOINC, "29308-4")]},
        "valueCodeableConcept": {
            "coding": [coding(ICD, "C50.911"), coding(ICD_OID, "E11.9"), coding(ICD, "never")]
        },
    }
    scrubbed = scrub(observation, policy, PSEUDONYMS)
    assert scrubbed.resource["code"] == {"coding": [coding(LOINC, "29308-4")]}
    assert scrubbed.resource["valueCodeableConcept"]["coding"] == [coding(ICD, "C50"), coding(ICD_OID, "E11")]
    assert scrubbed.dropped == ("Observation.valueCodeableConcept.coding",)
    with pytest.raises(Quarantine):
        scrub({**observation, "code": {"coding": [coding("http://x/y", "C50.9")]}}, policy, PSEUDONYMS)


PLACES = [
    ({"state": "海南省", "city": "三亚市"}, {"state": "460000", "city": "460200"}),
    ({"state": "460000", "city": "460107"}, {"state": "460000", "city": "460100"}),
    ({"state": "海南", "city": "王璟琰"}, {"state": "460000", "_city": MASKED}),
    (
        {"city": "三亚市", "district": "天涯区", "line": ["虚构路 1 号"], "postalCode": "572000"},
        {"city": "460200"},
    ),
    ({"text": "海南省三亚市"}, MASKED),
]


@pytest.mark.parametrize(("sent", "stays"), PLACES)
def test_an_address_keeps_its_city_as_a_code_in_a_limited_data_set(
    sent: dict[str, Any], stays: dict[str, Any]
):
    """Names are written out as GB/T 2260's codes; what is no city of the list leaves only a mark."""
    patient = {"resourceType": "Patient", "address": [sent]}
    scrubbed = scrub(patient, house("limited_dataset"), PSEUDONYMS).resource
    assert scrubbed["address"] == [stays]
    assert "王" not in json.dumps(scrubbed, ensure_ascii=False)
    stricter = scrub(patient, house("hipaa_safe_harbor"), PSEUDONYMS).resource
    assert "city" not in stricter["address"][0] and stricter["address"][0].get("state") == stays.get("state")
    assert "address" not in scrub(patient, house("cross_border"), PSEUDONYMS).resource


def test_udi_leaves_with_no_stricter_policy():
    """UDI-DI names a product and stays in the lake; whoever sends data abroad does not tell even that."""
    device = {
        "resourceType": "Device",
        "udiCarrier": [{"deviceIdentifier": "06901234567892", "carrierHRF": "(21)S1"}],
    }
    assert scrub(device, house("lake"), PSEUDONYMS).resource["udiCarrier"] == [
        {"deviceIdentifier": "06901234567892"}
    ]
    for name in ("hipaa_safe_harbor", "cross_border"):
        assert "udiCarrier" not in scrub(device, house(name), PSEUDONYMS).resource
