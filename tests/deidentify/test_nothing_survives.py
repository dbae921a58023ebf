"""Planted identifiers of every kind, in every form and place: none of them survives a policy of the house.

What is looked for is the identifier's own letters and digits, after full-width forms are made half-width
and everything between them is taken out - in the result, in the account and in the reasons.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.identifiers_cn import check_digit
from deidentify.policy import Policy, load_policy, shipped_policies
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, scrub
from ingestion.validate import check
from rwd_platform.core.units import Place, Resource, Unit

PSEUDONYMS = Pseudonymiser(b"n" * 32, "file")
POLICIES = {name: load_policy(name) for name in shipped_policies()}
LOINC, SNOMED, ICD = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10"

# Numbers that a code cannot be mistaken for: they are found also where a code belongs.
FOUND_IN_CODES = {
    "resident id": "11010519491231002X",
    "old resident id": "110105491231001",
    "mobile": "15412345678",
    "bank card": "6222021234567890128",
    "licence plate": "琼A12345",
    "e-mail": "jingyan.wang@example.org",
    "name": "王璟琰",
    "minority name": "阿依古丽·买买提",
}
# These look like many codes; they are safe wherever words, ids and pointers stand, not as a code.
ELSEWHERE = {
    "passport": "E12345678",
    "record number": "ZY00998123",
    "wechat": "jingyan_1949",
    "permit": "H0123456789",
}
ALL = {**FOUND_IN_CODES, **ELSEWHERE}


def luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


FORMS = {
    "plain": lambda text: text,
    "full-width": full_width,
    "spaced": lambda text: " ".join(re.findall(r".{1,4}", text)),
    "hyphenated": lambda text: "-".join(re.findall(r".{1,4}", text)),
    "inside text": lambda text: f"患者家属{text}代为签字",
    "inside Latin text": lambda text: f"pat {text} ok",
}


def letters(text: str) -> str:
    """What remains of a text when only letters and digits count, in half width and upper case."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).upper()


def outcome(resource: Resource, policy: Policy, checked: bool) -> str:
    """Everything that is written or said of a resource. Escapes would hide what is looked for."""
    issues = check(Unit(Place("in.ndjson", 1), b"", resource)) if checked else ()
    if issues:  # `rwd deidentify` rejects it, and tells why
        return " ".join(
            text for one in issues for text in (one.zh, one.en, one.next_zh, one.next_en, one.expression)
        )
    try:
        scrubbed = scrub(resource, policy, PSEUDONYMS)
    except Quarantine as refused:
        issue = refused.issue
        return " ".join([issue.zh, issue.en, issue.next_zh, issue.next_en, issue.expression, str(refused)])
    return json.dumps(scrubbed.resource, ensure_ascii=False, default=str) + " ".join(scrubbed.dropped)


def survives(secret: str, resource: Resource, policy: Policy, *, checked: bool = False) -> bool:
    assert letters(secret) in letters(json.dumps(resource, ensure_ascii=False)), (
        "the test itself must plant it"
    )
    return letters(secret) in letters(outcome(resource, policy, checked))


def condition(**elements: Any) -> Resource:
    return {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/1"}, **elements}


# Where an identifier is planted: written text -> a resource that holds it.
PLACES = {
    "a note": lambda text: condition(note=[{"text": text, "authorString": text}]),
    "a concept's text": lambda text: condition(code={"text": text}),
    "a display": lambda text: condition(
        code={"coding": [{"system": LOINC, "code": "718-7", "display": text}]}
    ),
    "a coding's version": lambda text: condition(code={"coding": [{"system": LOINC, "version": text}]}),
    "a narrative": lambda text: condition(text={"status": "generated", "div": f"<div>{text}</div>"}),
    "a reference": lambda text: condition(subject={"reference": f"Patient/{text}"}),
    "a reference to anything": lambda text: condition(
        asserter={"reference": text}, subject={"reference": text}
    ),
    "a reference by query": lambda text: condition(subject={"reference": f"Patient?identifier={text}"}),
    "a reference's server": lambda text: condition(
        subject={"reference": f"https://{text}.example/Patient/1"}
    ),
    "a reference's display": lambda text: condition(subject={"display": text}),
    "a reference's identifier": lambda text: condition(subject={"identifier": {"value": text}}),
    "an id": lambda text: condition(id=text),
    "an identifier": lambda text: condition(identifier=[{"system": f"http://{text}", "value": text}]),
    "an extension's value": lambda text: condition(extension=[{"url": "http://x/y", "valueString": text}]),
    "an extension's address": lambda text: condition(
        extension=[{"url": f"http://x/{text}", "valueCode": "a"}]
    ),
    "a known extension's code": lambda text: condition(
        _recordedDate={
            "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": text}
            ]
        }
    ),
    "a value's extension": lambda text: condition(_recordedDate={"extension": [{"url": text}], "id": text}),
    "a modifier extension": lambda text: condition(modifierExtension=[{"url": text, "valueString": text}]),
    "implicit rules": lambda text: condition(implicitRules=text),
    "a code system's address": lambda text: condition(
        code={"coding": [{"system": f"http://his.example/{text}", "code": "C50"}]}
    ),
    "an address below a listed family": lambda text: condition(
        category=[{"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{text}", "code": "a"}]}]
    ),
    "an unknown element": lambda text: condition(wardRemark=text),
    "an element's own name": lambda text: condition(**{text: 1}),
    "a resource's type": lambda text: {"resourceType": text, "id": "1"},
    "a contained resource": lambda text: condition(contained=[{"resourceType": "Patient", "id": text}]),
    "a structure where a value belongs": lambda text: condition(recordedDate={"value": text}),
    "an age": lambda text: condition(onsetAge={"value": 1, "unit": text, "extension": [{"url": text}]}),
    "meta": lambda text: condition(meta={"source": text, "profile": [text], "tag": [{"display": text}]}),
    "a patient": lambda text: {
        "resourceType": "Patient",
        "id": text,
        "name": [{"text": text, "family": text, "given": [text]}],
        "telecom": [{"value": text}],
        "identifier": [{"value": text}],
        "contact": [{"name": {"text": text}}],
        "address": [{"text": text, "line": [text], "city": text, "state": text, "district": text}],
    },
    "a device": lambda text: {
        "resourceType": "Device",
        "id": "1",
        "serialNumber": text,
        "lotNumber": text,
        "udiCarrier": [{"carrierHRF": f"(01)06901234567892(21){text}"}],
        "distinctIdentifier": text,
        "deviceName": [{"name": text}],
    },
    "staff": lambda text: {"resourceType": "Practitioner", "id": text, "name": [{"text": text}]},
}
# What is no date is rejected by validation, before a policy that keeps true dates could keep it.
# An element's own name is left out here: validation may tell a name that could be FHIR's (`E12345678`).
CHECKED_PLACES = {
    **{place: plant for place, plant in PLACES.items() if place != "an element's own name"},
    "a date": lambda text: condition(recordedDate=text, onsetDateTime=text),
    "a birth date": lambda text: {"resourceType": "Patient", "id": "1", "birthDate": text},
    "an instant": lambda text: {"resourceType": "Observation", "status": "final", "code": {}, "issued": text},
    "a number": lambda text: condition(onsetAge={"value": text, "code": "a"}),
}
CODE_PLACES = {
    "a code": lambda text: condition(code={"coding": [{"system": LOINC, "code": text}]}),
    "a code of SNOMED CT": lambda text: condition(code={"coding": [{"system": SNOMED, "code": text}]}),
    "a code of ICD-10": lambda text: condition(code={"coding": [{"system": ICD, "code": text}]}),
    "a coded element": lambda text: {"resourceType": "Patient", "id": "1", "gender": text},
    "a unit's code": lambda text: condition(
        onsetAge={"value": 1, "system": "http://unitsofmeasure.org", "code": text}
    ),
    "a security label": lambda text: condition(
        meta={"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": text}]}
    ),
    "a type of reference": lambda text: condition(subject={"reference": "Patient/1", "type": text}),
}


def test_the_planted_numbers_are_well_formed():
    """A malformed number might be dropped for being malformed, which would prove nothing."""
    assert check_digit(ALL["resident id"][:17]) == ALL["resident id"][17]
    assert luhn(ALL["bank card"])


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("place", PLACES)
def test_no_identifier_survives_where_words_ids_and_pointers_stand(place: str, policy: Policy):
    """Every kind, in every form, in every place that is no code."""
    plant = PLACES[place]
    left = [
        (kind, form)
        for kind, secret in ALL.items()
        for form, written in FORMS.items()
        if survives(secret, plant(written(secret)), policy)
    ]
    assert not left


@pytest.mark.parametrize("place", CHECKED_PLACES)
def test_no_identifier_survives_validation_and_policy_together(place: str):
    """As `rwd deidentify` runs them, under the most generous policy; reasons for a rejection repeat no value."""
    plant, policy = CHECKED_PLACES[place], POLICIES["lake"]
    left = [
        (kind, form)
        for kind, secret in ALL.items()
        for form, written in FORMS.items()
        if survives(secret, plant(written(secret)), policy, checked=True)
    ]
    assert not left


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("place", CODE_PLACES)
def test_no_number_or_name_survives_where_a_code_belongs(place: str, policy: Policy):
    """What no code looks like, or only by a rare chance, puts the whole resource aside."""
    plant = CODE_PLACES[place]
    left = [
        (kind, form)
        for kind, secret in FOUND_IN_CODES.items()
        for form, written in FORMS.items()
        if survives(secret, plant(written(secret)), policy)
    ]
    assert not left


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_hospitals_own_number_is_no_code_of_a_system_with_a_grammar(kind: str):
    """A passport, a record number or an account under LOINC's or ICD-10's address puts the resource aside."""
    assert not survives(ELSEWHERE[kind], CODE_PLACES["a code"](ELSEWHERE[kind]), POLICIES["lake"])
    assert not survives(
        ELSEWHERE[kind], CODE_PLACES["a code of ICD-10"](ELSEWHERE[kind]), POLICIES["cross_border"]
    )


@st.composite
def residents(draw: st.DrawFn) -> str:
    """Resident ids of any province, birth date and sequence, with the right check digit."""
    born = draw(st.dates(date(1900, 1, 1), date(2025, 12, 31)))
    region = draw(st.sampled_from(["110105", "460107", "650102", "810000", "460000"]))
    first = f"{region}{born:%Y%m%d}{draw(st.integers(1, 999)):03d}"
    return first + check_digit(first)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    residents(),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(sorted({**PLACES, **CODE_PLACES})),
    st.sampled_from(sorted(POLICIES)),
)
def test_no_resident_id_survives_anywhere(number: str, form: str, place: str, name: str):
    """Any resident id, not only the planted one, in any form and any place, codes included."""
    plant = {**PLACES, **CODE_PLACES}[place]
    assert not survives(number, plant(FORMS[form](number)), POLICIES[name])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(sorted({*PLACES, *CODE_PLACES} - {"a code of SNOMED CT"})),
    st.sampled_from(sorted(POLICIES)),
)
def test_no_mobile_number_survives_anywhere(number: str, form: str, place: str, name: str):
    """SNOMED CT is left out: one mobile number in a hundred is built like a concept's id, and is held for one."""
    plant = {**PLACES, **CODE_PLACES}[place]
    assert not survives(number, plant(FORMS[form](number)), POLICIES[name])


def test_a_patient_without_any_identifier_is_written_and_says_nothing():
    """No id, no name, no number: the resource stays, without an id, and nothing is invented for it."""
    for policy in POLICIES.values():
        scrubbed = scrub({"resourceType": "Patient", "gender": "female"}, policy, PSEUDONYMS)
        assert scrubbed.resource == {"resourceType": "Patient", "gender": "female"}
        assert scrubbed.dropped == ()
