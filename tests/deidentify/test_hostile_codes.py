"""What a reviewer hid in codes, numbers, types and addresses: none of it stays."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from deidentify.code_grammars import grammar_of, is_unit, luhn
from deidentify.device_identifiers import device_identifier
from deidentify.kept_texts import holds_persons_number
from deidentify.policy import load_policy, shipped_policies
from deidentify.pseudonym import Pseudonymiser
from deidentify.references import rewrite
from deidentify.run import deidentify_lines
from deidentify.scrub import Quarantine, Scrubbed, scrub
from rwd_platform.core.units import Place, Unit

PSEUDONYMS = Pseudonymiser(b"k" * 32, "org-1")
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
UUID = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
GTIN = "06901234567892"


def scrubbed(resource: dict[str, Any], policy: str = "lake") -> Scrubbed:
    return scrub(resource, load_policy(policy), PSEUDONYMS)


def rule_of(resource: dict[str, Any], policy: str = "lake") -> str:
    try:
        scrubbed(resource, policy)
    except Quarantine as quarantine:
        issue = quarantine.issue
        assert issue.zh and issue.en and issue.next_zh and issue.next_en
        return issue.rule
    return ""


def observation(**elements: Any) -> dict[str, Any]:
    coded = {"coding": [{"system": LOINC, "code": "718-7"}]}
    return {"resourceType": "Observation", "status": "final", "code": coded, **elements}


def coded(system: str, code: str) -> dict[str, Any]:
    return observation(code={"coding": [{"system": system, "code": code}]})


# -- device identifiers ------------------------------------------------------------------------------

DEVICES = [
    (GTIN, GTIN),
    (f"(01){GTIN}", GTIN),
    (f"01{GTIN}", GTIN),
    (f"(01){GTIN}(21)SN12345(10)LOT9", GTIN),
    (f"01{GTIN}21SN1234510LOT9", GTIN),
    ("00844588003288", "00844588003288"),
    ("(01)06912345678901(21)SN12345(10)LOT9", None),  # the reviewer's: its check digit is wrong
    ("0691234567890121SN1234510LOT9", None),
    (f"{GTIN}21SN1234510LOT9", None),
    ("SN-0012345", None),
    ("06901234567893", None),
    ("13812345678", None),
    ("00013812345671", None),
    ("王小明", None),
    ("", None),
    ("0" * 10_000, None),
    # What a reader of bar codes puts before: symbology identifier, FNC1.
    (f"]d201{GTIN}17250101\x1d21SN12345", GTIN),
    (f"]C101{GTIN}10LOT9", GTIN),
    (f"\x1d01{GTIN}\x1d21SN12345", GTIN),
    (f"(01){GTIN}(17)250101(10)LOT9(21)SN12345", GTIN),
    (f"(21)SN12345(01){GTIN}", None),
    # HIBCC's own examples (ANSI/HIBC 2.6): primary data with the mod 43 character (appendix B, C.3) ...
    ("+A123BJC5D6E71G", "+A123BJC5D6E71G"),
    ("*+A123BJC5D6E71G*", "+A123BJC5D6E71G"),
    ("+H123ABC01234567890D", "+H123ABC01234567890D"),
    ("+A123BJC5D6E71H", None),
    # ... with secondary data (4.3.3, 2.2.1.1), and with supplemental data (2.3.2 to 2.3.2.4)
    ("+A123BJC5D6E71/$$52001510X3C", "+A123BJC5D6E71G"),
    ("+A99912345/$$52001510X33", "+A999123457"),
    ("+A99912345/$$52001510X3/16D20111212/S77DEFG457", "+A999123457"),
    ("+A99912345/$10X3/16D20111231/14D202001313", "+A999123457"),
    ("+A99912349/$10X3/16D20111231/14D20200131/Q500Z", "+A99912349B"),
    ("+A123BJC5D6E71/$$52001510X3D", None),
    # ... secondary data alone (4.3.2), and a provider's structures with a patient's number (HIBC 1.3)
    ("+$$52001510X3GD", None),
    ("+/EO5232013", None),
    ("+/ACMRN123456/V2009121908334", None),
    # ICCBBA's example in FHIR R4, Device.
    ("=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032", "=/A9999XYZ100T0944"),
    ("=+06000=/A9999XYZ100T0476=,000025=A99972312345600=>025032", "=/A9999XYZ100T0476"),
    ("=/SN001234567890123", None),
]


@pytest.mark.parametrize(("written", "kept"), DEVICES, ids=lambda value: str(value)[:40])
def test_of_a_device_only_the_products_identifier_stays(written: str, kept: str | None):
    """GTIN with its check digit, HIBCC with its mod 43 character, ICCBBA's DI; serial and lot are cut off."""
    assert device_identifier(written) == kept
    assert kept is None or device_identifier(kept) == kept, "what stays is the same once more"


@pytest.mark.parametrize("policy", ["default", "lake", "limited_dataset"])
def test_a_whole_udi_loses_its_serial_and_the_loss_is_counted(policy: str):
    """What is cut, and what is no product's identifier, stands in the account; a bare one does not."""
    for written, kept in DEVICES[:10]:
        result = scrubbed(
            {"resourceType": "Device", "udiCarrier": [{"deviceIdentifier": written}], "status": "active"},
            policy,
        )
        shown = json.dumps(result.resource)
        assert ("SN" not in shown) and (kept is None or kept in shown)
        assert ("Device.udiCarrier.deviceIdentifier" in result.dropped) is (written != kept)


# -- numbers -----------------------------------------------------------------------------------------

NUMBERS = [
    110101199003077571, 13812345678, 8613812345678, -13812345678, 6222021234567890128,
    Decimal("13812345678.0"), Decimal("1.3812345678E+10"), 13812345678.0,
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=str)
@pytest.mark.parametrize("policy", shipped_policies())
def test_a_persons_number_as_a_json_number_keeps_the_resource_out(number: Any, policy: str):
    """A resident id, a mobile and a card are what they are without quotation marks too."""
    resource = observation(valueQuantity={"value": number, "system": UCUM, "code": "g"})
    assert rule_of(resource, policy) == "deid.identifier_in_code"
    assert (
        rule_of(observation(valueRatio={"numerator": {"value": number}}), policy) == "deid.identifier_in_code"
    )


@pytest.mark.parametrize(
    "number", [10**9, 4_500_000_000, Decimal("0.00013812345678"), 138.12345678, Decimal("1E+99")]
)
def test_large_and_fine_measurements_stay(number: Any):
    """4.5 × 10⁹ copies are no phone, and digits after the point are no number of a person."""
    assert rule_of(observation(valueQuantity={"value": number, "system": UCUM, "code": "{copies}/mL"})) == ""


# -- codes of systems with a grammar -----------------------------------------------------------------

HIDDEN = [
    "WangXiaoming",
    "E12345678",
    "H1234567890",
    "ZY20240012345",
    "QQ123456789",
    "wxid_abc123456",
    "192.168.1.77",
]
WITH_GRAMMAR = [
    LOINC, "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-9-cm", "http://www.whocc.no/atc",
    "http://hl7.org/fhir/sid/cvx", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc",
    "http://snomed.info/sct", UCUM, "http://dicom.nema.org/resources/ontology/DCM", "urn:iso:std:iso:11073:10101",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode", "http://id.who.int/icd/release/11/mms",
]  # fmt: skip


@pytest.mark.parametrize("code", [*HIDDEN, "8613812345678", "013812345678", "13-812345678"])
@pytest.mark.parametrize("system", WITH_GRAMMAR)
def test_a_name_or_a_number_is_no_code_of_a_published_system(system: str, code: str):
    """LOINC has digits and a check digit, ATC letters in their places: nothing else passes under their names."""
    rule = rule_of(coded(system, code))
    assert rule in ("deid.unfit_code", "deid.identifier_in_code")
    if code.isdigit() or code.startswith("13-"):
        assert rule == "deid.identifier_in_code"


@pytest.mark.parametrize(
    "code", ["8613812345678", "013812345678", "13-812345678", "QQ123456789", "wxid_abc123456"]
)
def test_in_a_local_system_a_phone_or_an_account_is_told_by_its_form(code: str):
    """Local codes have no grammar; numbers of persons are looked for in more spellings."""
    assert (
        rule_of(coded("https://rwd-platform.example/CodeSystem/demo-measure", code))
        == "deid.identifier_in_code"
    )


def test_check_digits_agree_with_published_codes():
    """LOINC 2093-3 and 85354-9 are LOINC's own; a changed digit is found."""
    assert all(luhn(code.replace("-", "")) for code in ("2093-3", "718-7", "85354-9", "30525-0"))
    assert not luhn("7188")


UNITS = "fmol/L|{nodes}|10*9/L|mm[Hg]|[in_i'Hg]|/min|%|kg/m2|mL/min/{1.73_m2}|m[IU]/L|{score}|{T-score}|U/L|ug/(24.h)"
NO_UNITS = (
    "{WangXiaoming}|{ZY00123456}|WangXiaoming|g{WangXiaoming}|{{a}|mg/WangXiaoming|ZY00123456|(mg|{a{b}}"
)


@pytest.mark.parametrize("unit", UNITS.split("|"))
def test_units_of_ucum_stay(unit: str):
    """Atoms with prefixes, exponents, products; annotations of HL7's list of common units."""
    assert is_unit(unit)


@pytest.mark.parametrize("unit", NO_UNITS.split("|"))
def test_an_annotation_is_no_place_for_a_name(unit: str):
    """UCUM lets anything stand in braces; here only what is listed."""
    assert not is_unit(unit)
    assert rule_of(observation(valueQuantity={"value": 1, "system": UCUM, "code": unit})) in (
        "deid.unfit_code", "deid.unlikely_code", "deid.identifier_in_code",
    )  # fmt: skip


def test_a_system_that_no_file_describes_has_no_grammar():
    """Then today's check of form and numbers is all there is."""
    assert grammar_of("https://h.example/CodeSystem/x") is None


# -- names in the place of types and addresses -------------------------------------------------------


def test_a_name_is_no_resource_type():
    """References and their types are held against FHIR's closed list."""
    assert rewrite("WangXiaoming/13812345678", PSEUDONYMS, "Patient") is None
    assert (
        rule_of(observation(subject={"reference": "Patient/1", "type": "WangXiaoming"}))
        == "deid.unknown_type"
    )
    kept = scrubbed(observation(subject={"reference": "Patient/1", "type": "Patient"})).resource
    assert kept is not None and kept["subject"]["type"] == "Patient"


@pytest.mark.parametrize(
    "prefix",
    ["http://terminology.hl7.org/CodeSystem/", "http://hl7.org/fhir/", "http://hl7.org/fhir/NamingSystem/"],
)
def test_below_hl7s_addresses_only_hl7s_names_are_systems(prefix: str):
    """A name below a listed address is as much a name as anywhere."""
    assert rule_of(coded(prefix + "WangXiaoming", "a")) == "deid.unlisted_system"
    assert rule_of(coded(prefix + "v3-WangXiaoming", "a")) == "deid.unlisted_system"
    assert rule_of(coded("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")) == ""


def test_an_extension_of_hl7s_that_hl7_does_not_know_is_not_shown():
    """The account is read by many people: an address is printed only if HL7 or the policy wrote it."""
    url = "http://hl7.org/fhir/StructureDefinition/WangXiaoming"
    assert scrubbed(observation(extension=[{"url": url}])).dropped == (
        "Observation.extension(unlisted extension)",
    )
    absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    for value in (
        {"valueCode": "WangXiaoming"},
        {"valueInteger": 13812345678},
        {"valueDecimal": Decimal(13812345678)},
    ):
        result = scrubbed(observation(extension=[{"url": absent, **value}]))
        assert "extension" not in (result.resource or {})


# -- genes, ages, UUIDs ------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", shipped_policies())
def test_a_genetic_resource_is_not_written(policy: str):
    """`rwd deidentify` holds it back as admission does: human genetic resources take another way."""
    resource = observation(valueString="NM_007294.4:c.5266dupC")
    heard: list[str] = []
    lines: list[str] = []
    account = deidentify_lines(
        [Unit(Place("x", 1), b"", resource)], load_policy(policy), PSEUDONYMS, lines.append,
        lambda _place, issue: heard.append(issue.rule),
    )  # fmt: skip
    assert (account.quarantined, account.written, lines, heard) == (1, 0, [], ["deidentify.genetic"])


def years(value: Any, code: str = "a", **more: Any) -> dict[str, Any]:
    return {"value": value, "system": UCUM, "code": code, **more}


AGES = [  # policy, written, kept
    ("hipaa_safe_harbor", years(97), years(90, comparator=">=")),
    ("hipaa_safe_harbor", years(Decimal("90.0")), years(90, comparator=">=")),
    ("hipaa_safe_harbor", years(89), years(89)),
    ("hipaa_safe_harbor", years(1164, "mo"), years(90, comparator=">=")),
    ("hipaa_safe_harbor", years(30, "mo"), years(30, "mo")),
    ("hipaa_safe_harbor", years(97, "kg"), years(97, "kg")),
    ("cross_border", years(97), years(90, comparator=">=")),
    ("cross_border", years(68), years(65)),
    ("default", years(97), years(97)),
]


@pytest.mark.parametrize(("policy", "written", "kept"), AGES)
def test_an_age_recorded_as_an_observation_is_pooled_where_ages_are(policy: str, written: Any, kept: Any):
    """LOINC 30525-0 in UCUM's years: 90 and above are one, under the policies that say so of a birth date."""
    age = {"coding": [{"system": LOINC, "code": "30525-0"}]}
    result = scrubbed(
        observation(code=age, valueQuantity=written, component=[{"code": age, "valueQuantity": written}]),
        policy,
    )
    assert result.resource is not None
    assert result.resource["valueQuantity"] == result.resource["component"][0]["valueQuantity"] == kept


def test_a_range_of_ages_above_89_has_no_upper_end():
    """FHIR allows no comparator in a range: 90 without an end says 90 and above; `< 97` says too much."""
    both = scrubbed(
        observation(valueRange={"low": years(95), "high": years(99)}), "hipaa_safe_harbor"
    ).resource
    assert both is not None and both["valueRange"] == {"low": years(90)}
    upper = scrubbed(observation(valueQuantity=years(97, comparator="<")), "hipaa_safe_harbor")
    assert "97" not in json.dumps(upper.resource)
    assert "Observation.valueQuantity" in upper.dropped


def test_a_uuid_is_one_id_in_either_case():
    """`Patient/0C31…` and `urn:uuid:0C31…` are one patient, whose dates then move alike; other ids keep their case."""
    written = {f"Patient/{UUID.upper()}", f"Patient/{UUID}", f"urn:uuid:{UUID.upper()}", f"urn:uuid:{UUID}"}
    assert len({rewrite(one, PSEUDONYMS, "Patient") for one in written}) == 1
    assert PSEUDONYMS.token("Patient", "ABC") != PSEUDONYMS.token("Patient", "abc")


@pytest.mark.parametrize("name", ["8613812345678", "013812345678", "110101199003077571", "13-812345678"])
def test_numbers_of_file_names_are_told_in_the_same_spellings(name: str):
    """The output is named after its input, so `rwd deidentify` refuses such a name."""
    assert holds_persons_number(name)
    assert not holds_persons_number("export-2024-03-01")
