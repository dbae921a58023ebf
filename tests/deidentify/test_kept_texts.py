"""What may stand where a code is kept: codes of listed systems, and no person's number."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deidentify import kept_texts
from deidentify.code_grammars import is_sctid
from deidentify.kept_texts import KeptTexts
from deidentify.policy import Policy, load_policy, parse_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, scrub

LAKE = load_policy("lake")
PSEUDONYMS = Pseudonymiser(b"k" * 32, "org-1")
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RESIDENT_ID = "110101195001010017"  # invented, with a valid check digit
SCTID_OF_15_DIGITS = "416101000119101"  # reads as region 41, born 1900-01-19; Verhoeff digit 1
BANK_CARD = "6222021234567890128"


def observation(system: str | None, code: str) -> dict[str, Any]:
    coding = {"code": code} if system is None else {"system": system, "code": code}
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [coding]}}


def rule_of(resource: dict[str, Any], policy: Policy = LAKE) -> str:
    """The rule that keeps the resource out, or nothing."""
    try:
        scrub(resource, policy, PSEUDONYMS)
    except Quarantine as quarantine:
        issue = quarantine.issue
        assert issue.zh and issue.en and issue.next_zh and issue.next_en
        return issue.rule
    return ""


REAL_CODES = """
    http://hl7.org/fhir/sid/icd-10                              | C50.9
    http://hl7.org/fhir/sid/icd-10                              | C50.900x001
    http://hl7.org/fhir/sid/icd-10                              | A17.0†
    http://hl7.org/fhir/sid/icd-10                              | M8500/3
    http://hl7.org/fhir/sid/icd-9-cm                            | 85.4
    http://unitsofmeasure.org                                   | fmol/L
    http://unitsofmeasure.org                                   | {nodes}
    http://unitsofmeasure.org                                   | 10*9/L
    http://unitsofmeasure.org                                   | mm[Hg]
    http://unitsofmeasure.org                                   | [in_i'Hg]
    http://unitsofmeasure.org                                   | /min
    http://unitsofmeasure.org                                   | %
    http://loinc.org                                            | 21893-3
    http://loinc.org                                            | LA6576-8
    http://snomed.info/sct                                      | 254837009
    http://snomed.info/sct                                      | 900000000000207008
    http://snomed.info/sct                                      | 416101000119101
    http://www.nlm.nih.gov/research/umls/rxnorm                 | 1049221
    http://hl7.org/fhir/sid/ndc                                 | 0409-6531-02
    http://terminology.hl7.org/CodeSystem/v3-ActCode            | IMP
    http://terminology.hl7.org/CodeSystem/v2-0074               | LAB
    http://hl7.org/fhir/observation-status                      | final
    https://rwd-platform.example/CodeSystem/demo-measure        | <=20
    https://rwd-platform.example/CodeSystem/demo-measure        | >50
    https://rwd-platform.example/CodeSystem/demo-measure        | 20-50
    https://rwd-platform.example/CodeSystem/licensed-product    | DEMO-A
"""


@pytest.mark.parametrize("line", REAL_CODES.strip().splitlines(), ids=lambda line: line.split("|")[1].strip())
def test_real_codes_of_listed_systems_stay(line: str):
    """ICD, UCUM, LOINC, SNOMED CT, RxNorm, HL7's and the demo's codes go through as they were written."""
    system, code = (part.strip() for part in line.split(" | "))
    resource = observation(system, code)
    kept = scrub(resource, LAKE, PSEUDONYMS).resource
    assert kept is not None
    assert kept["code"] == resource["code"]


PERSONS = [
    (LOINC, f"王小明-{RESIDENT_ID}"),
    (LOINC, RESIDENT_ID),
    (LOINC, f"Z{RESIDENT_ID}"),
    (LOINC, "110101-19500101-0017"),
    (LOINC, "1101 0119 5001 0100 17"),
    (LOINC, f"9{RESIDENT_ID}"),
    (LOINC, "13812345678"),
    (LOINC, "138-1234-5678"),
    (LOINC, "138.1234.5678"),
    (LOINC, "Wang.13812345678"),
    (LOINC, "010-65123456"),
    (LOINC, BANK_CARD),
    (LOINC, SCTID_OF_15_DIGITS),  # an old resident id, where the system has no such numbers
    (None, "13812345678"),
    (SNOMED, "13812345678"),  # not built like a SNOMED number
    (SNOMED, RESIDENT_ID),
    (SNOMED, BANK_CARD),
]


@pytest.mark.parametrize(("system", "code"), PERSONS, ids=str)
def test_a_persons_number_posing_as_a_code_keeps_the_resource_out(system: str | None, code: str):
    """Resident ids in any spelling, mobiles, landlines and bank cards; the reason never repeats them."""
    with pytest.raises(Quarantine) as quarantine:
        scrub(observation(system, code), LAKE, PSEUDONYMS)
    issue = quarantine.value.issue
    assert (issue.rule, issue.expression) == ("deid.identifier_in_code", "Observation.code.coding.code")
    assert not any(code in text for text in (issue.zh, issue.en, issue.next_zh, issue.next_en))


@pytest.mark.parametrize(
    "code",
    ["王小明", "C50.9 乳腺癌", "a" * 65, "http://h/wang", "Wang\nXiaoming", " C50", "Ｃ５０", "a@b.cn", "é"],
)
def test_what_is_not_written_like_a_code_keeps_the_resource_out(code: str):
    """A name in characters, a sentence, an address or a line break is no code; `display` is for words."""
    assert rule_of(observation(LOINC, code)) in ("deid.unlikely_code", "deid.identifier_in_code")


UNLISTED = [
    "http://h/13812345678",
    "http://acme-rehab.org",
    "",
    "王小明",
    "http://loinc.org/13812345678",
    "http://loinc.org.example",
    "http://terminology.hl7.org/CodeSystem/",
    "http://terminology.hl7.org/CodeSystem/138-1234-5678",
    "http://terminology.hl7.org/CodeSystem/x13812345678",
    "http://terminology.hl7.org/CodeSystem/a/b",
    "http://terminology.hl7.org/CodeSystem/a?b=c",
    "http://terminology.hl7.org/CodeSystem/王",
    "http://terminology.hl7.org/CodeSystem/a\n",
    "http://hl7.org/fhir/sid/us-ssn",
    "urn:oid:1.2.156.110101195001010017",
    "urn:oid:2.16.840.1.113883.6.96.13812345678",
]


@pytest.mark.parametrize("system", UNLISTED, ids=repr)
def test_a_system_that_the_policy_does_not_list_keeps_the_resource_out(system: str):
    """An address, or an OID, can carry an id. Nothing is lost: it is sent again once somebody listed it."""
    with pytest.raises(Quarantine) as quarantine:
        scrub(observation(system, "1"), LAKE, PSEUDONYMS)
    issue = quarantine.value.issue
    assert (issue.rule, issue.expression) == ("deid.unlisted_system", "Observation.code.coding.system")
    assert "[systems]" in issue.next_en and "[systems]" in issue.next_zh
    assert not system or system not in issue.en + issue.zh


EVERYWHERE: list[tuple[str, dict[str, Any]]] = [
    ("a value", {"valueCodeableConcept": {"coding": [{"code": RESIDENT_ID}]}}),
    ("a unit", {"valueQuantity": {"value": 1, "code": RESIDENT_ID}}),
    ("a comparator", {"valueQuantity": {"value": 1, "comparator": RESIDENT_ID}}),
    ("a date", {"effectiveDateTime": RESIDENT_ID}),
    ("a period", {"effectivePeriod": {"start": RESIDENT_ID}}),
    ("a status", {"status": RESIDENT_ID}),
    ("a list of codes", {"status": [RESIDENT_ID]}),
    ("a reference's type", {"subject": {"type": RESIDENT_ID}}),
    ("a security label", {"meta": {"security": [{"code": RESIDENT_ID}]}}),
    ("a component", {"component": [{"code": {"coding": [{"code": RESIDENT_ID}]}}]}),
]


@pytest.mark.parametrize("elements", [case[1] for case in EVERYWHERE], ids=[case[0] for case in EVERYWHERE])
def test_every_kept_text_is_looked_at(elements: dict[str, Any]):
    """Not only `code.coding`: units, dates, states, labels and components could hold a number too."""
    assert rule_of({**observation(LOINC, "718-7"), **elements}) == "deid.identifier_in_code"


def test_the_issuer_of_a_device_identifier_is_a_system_too():
    """`udiCarrier.issuer` is an address as `system` is one; a GTIN of 14 digits is a product."""
    carrier = {"deviceIdentifier": "00844588003288", "issuer": "http://hl7.org/fhir/NamingSystem/gs1-di"}
    assert rule_of({"resourceType": "Device", "udiCarrier": [carrier]}) == ""
    carrier["issuer"] = "http://h/wang"
    assert rule_of({"resourceType": "Device", "udiCarrier": [carrier]}) == "deid.unlisted_system"


def test_a_number_in_an_element_that_is_left_behind_keeps_nothing_out():
    """Display texts and identifiers never stay, so what they hold is no reason to stop."""
    resource = observation(LOINC, "718-7")
    resource["code"]["coding"][0]["display"] = RESIDENT_ID
    resource["identifier"] = [{"system": "http://h/x", "value": RESIDENT_ID}]
    assert RESIDENT_ID not in json.dumps(scrub(resource, LAKE, PSEUDONYMS).resource)


def test_dates_times_and_numbers_are_no_codes():
    """An instant with its offset, a time and a number are values, whatever digits they have."""
    values = {"effectiveInstant": "2020-01-01T10:00:00.123+08:00", "valueTime": "10:00:00"}
    assert rule_of({**observation(LOINC, "718-7"), **values, "valueInteger": 138123456}) == ""


def test_a_policy_without_systems_keeps_no_code_of_any():
    """Default deny: a hospital's own policy file lists what it has read."""
    text = 'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\n[Observation]\n"code.coding.system" = "keep"\n'
    bare = parse_policy(text.encode(), "t.toml")
    assert rule_of(observation(LOINC, "718-7"), bare) == "deid.unlisted_system"
    listed = parse_policy((text + f'[systems]\n"{LOINC}" = "keep"\n').encode(), "t.toml")
    assert rule_of(observation(LOINC, "718-7"), listed) == ""


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("73211009", True), ("254837009", True), ("22298006", True), ("900000000000207008", True),
        ("73211008", False), ("13812345678", False), ("73211", False), ("", False), ("0000000", False),
        ("７３２１１００９", False),
    ],
)  # fmt: skip
def test_a_snomed_number_has_a_partition_and_a_check_digit(number: str, valid: bool):
    """SNOMED CT release file specification, section on SCTIDs: partition 00 or 10, then a Verhoeff digit."""
    assert is_sctid(number) is valid


@given(st.integers(min_value=10_000, max_value=10**14), st.integers(min_value=1, max_value=9))
def test_one_wrong_digit_makes_a_snomed_number_another_thing(item: int, change: int):
    """Verhoeff's digit catches every single wrong digit, so exactly one of ten is right."""
    valid = [digit for digit in range(10) if is_sctid(f"{item}00{digit}")]
    assert len(valid) == 1
    assert not is_sctid(f"{item}00{(valid[0] + change) % 10}")


def test_a_million_different_codes_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    """What was judged before is remembered up to a bound; forgetting changes no answer."""
    monkeypatch.setattr(kept_texts, "_REMEMBERED", 100)
    texts = KeptTexts({LOINC: "keep"})
    answers = [texts.fault_of_code(f"A{number}") for number in range(1000)]
    systems = [texts.fault_of_system(f"http://h/{number}") for number in range(1000)]
    assert set(answers) == {""} and set(systems) == {"deid.unlisted_system"}
    assert len(texts._codes[""]) <= 100 and len(texts._systems) <= 100
