"""Codes of published systems pass as they are written; names and persons' numbers that look alike do not."""

from __future__ import annotations

import csv
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from deidentify import code_grammars, hl7_names
from deidentify.code_grammars import grammar_by_form, grammar_of, grammars, is_told_by_form, is_unit
from deidentify.hl7_names import FAMILIES, codes_of, is_code_system
from deidentify.kept_texts import KeptTexts
from deidentify.policy import load_policy

ICD10, ICD9, LOINC = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-9-cm", "http://loinc.org"
THO, FHIR = "http://terminology.hl7.org/CodeSystem/", "http://hl7.org/fhir/"
ICD11, NDC = "http://id.who.int/icd/release/11/mms", "http://hl7.org/fhir/sid/ndc"
DCM, UCUM = "http://dicom.nema.org/resources/ontology/DCM", "http://unitsofmeasure.org"
ICDO3 = THO + "icd-o-3"
MEDDRA, ORPHANET = "https://www.meddra.org", "http://www.orpha.net"
LOCAL = "https://h.example/CodeSystem/local"


@cache
def texts() -> KeptTexts:
    added = dict.fromkeys([LOCAL, MEDDRA, ORPHANET], "keep")
    return KeptTexts({**load_policy("lake").systems, **added})


# system, codes: from the systems' own tables and guides, and from Chinese discharge records (国家临床版)
REAL = [
    (ICD10, "I25.103 C34.900x001 I10.x00 I10.x00x002 N19.x03 G20.x03 C50.9 A17.0† M80.0 E10.2†N08.3* C50-C58"),
    (ICD10, "M8500/3 M81400/3 S52.521A T36.0X1A T88.8XXA M80.0AXA C7A.010 Z3A.01 I82.4Z1 O36.80X0 U07.1"),
    (ICD9, "36.0601 00.6600x004 36.2x00 00.0200X001 85.4 85.4300x001 250.01 V17.3 E849.0"),
    (LOINC, "718-7 2093-3 85354-9 LA6576-8 LP14449-0"),
    ("http://www.whocc.no/atc", "L L02 L02B L02BA L02BA01"),
    ("http://snomed.info/sct", "254837009 22298006 900000000000207008"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "1049221 161"),
    ("http://hl7.org/fhir/sid/cvx", "08 208"),
    ("http://hl7.org/fhir/sid/ndc", "0409-6531-02 50242-040-62 00409653102"),
    (NDC, "0777-3105 50242-040 0006-0749-54"),
    (ICD10, "M10.0- M10.- F32.-"),
    (ICD11, "2C61.0 2C61.0&XS9R 1A00 ED1E.EE XM9BK3 2C6Z/1B10.0&XN4ZQ 2C6Y MG30.01"),
    (ICDO3, "C50.9 C50 8500/3 8500/32 M8500/3"),
    (MEDDRA, "10019211 10028813"),
    (THO + "MDRAE", "10019211"),
    (ORPHANET, "ORPHA:558 558 ORPHA:98896"),
    (DCM, "CT MR US PT OCT ECG RTDOSE SR 121071 113014 109001"),
    (UCUM, "{letters} {logMAR} {breaths}/min %{predicted} {copies}/mL {RBC} /100{WBC} {INR} mg/(24.h) 10*-6 cm-1"),
    (THO + "v3-ActCode", "IMP AMB EMER"),
    (THO + "condition-clinical", "active recurrence"),
    (THO + "v2-0203", "MR L&I"),
    (THO + "v2-0078", "H L N A POS"),
    (FHIR + "administrative-gender", "male female other unknown"),
    (FHIR + "assert-operator-codes", "greaterThan"),
    (FHIR + "questionnaire-enable-operator", "!= <="),
    (LOCAL, "XA01ABD075A002010100483 C1402031340000305263 C140203134000030526300000001 国药准字H20067255"),
    (LOCAL, "国药准字HJ20140344 国药准字SC20171003 国械注准20203130001 国械注进20143462058"),
    (LOCAL, "国械注许20162210015 琼械注准20212140001"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("system", "code"), [(system, code) for system, codes in REAL for code in codes.split()]
)
def test_a_real_code_passes(system: str, code: str):
    """As its system writes it, the national extensions of ICD among them, and Chinese products' numbers."""
    assert texts().fault_of_code(code, system) == ""
    assert system == LOCAL or texts().fault_of_system(system) == ""


ALIKE = [
    (THO + "condition-clinical", "zhangsan"),
    (THO + "v3-ActCode", "WANG"),
    (FHIR + "administrative-gender", "xiaoming"),
    (FHIR + "NamingSystem/gs1-di", "zhangsan"),
    (ICD10, "H12LIHUA"),
    (ICD10, "E12345678"),
    (ICD10, "I10.WANG"),
    (ICD9, "20240012345"),
    (LOINC, "718-8"),
    ("http://www.whocc.no/atc", "LIMING1"),
    ("http://snomed.info/sct", "254837008"),
    ("http://hl7.org/fhir/sid/cvx", "zhang"),
    (ICD11, "ZHANG"),
    (ICD11, "WANG.LEE"),
    (ICD11, "138001/380012"),
    (ICD11, "2C61.0&WANG"),
    (ICD11, "2C612C61"),
    (DCM, "ZHANGWEI"),
    (DCM, "WANG"),
    (DCM, "LI"),
    (DCM, "990307"),
    (NDC, "01062345678"),
    (NDC, "02162345678"),
    (NDC, "07773105678"),
    (NDC, "0106234567"),
    (NDC, "13812345678"),
    (UCUM, "1990.m.0307"),
    (UCUM, "1990.m"),
    (UCUM, "m19.g90"),
    (UCUM, "{Li}{Na}{Wu}"),
    (UCUM, "{Li}"),
    (UCUM, "mg//L"),
    (UCUM, "mmHg"),
    (ICDO3, "WANG/3"),
    (MEDDRA, "19900307"),
    (ORPHANET, "ORPHA:WANG"),
    ("http://www.whocc.no/atc", "W01"),
    (LOCAL, "国药准字王小明"),
    (LOCAL, "国械注准王小明"),
    (LOCAL, "王小明国药准字H20067255"),
    (LOCAL, "C1101011990030775710"),  # a resident id in a consumable's place
    (LOCAL, "XA01ABD13812345678"),
]


@pytest.mark.parametrize(("system", "code"), ALIKE)
def test_what_only_looks_like_a_code_does_not_pass(system: str, code: str):
    """A name in lower case below HL7's address, a wrong check digit, a resident id where a product's number stands."""
    assert texts().fault_of_code(code, system).startswith("deid.")


def test_a_v2_table_whose_codes_a_site_makes_up_is_no_listed_system():
    """Table 0010 holds physicians' ids: HL7 gives it no codes, so any text could stand there."""
    assert not is_code_system(THO + "v2-0010")
    assert not is_code_system(THO + "v2-9999")
    assert texts().fault_of_system(THO + "v2-0010") == "deid.unlisted_system"


@pytest.mark.parametrize(
    ("code", "name"),
    [("C50.911", "icd10"), ("L02", "icd10"), ("L02BA01", "atc"), ("718-7", "loinc"), ("254837009", "snomed"),
     ("36.0601", "icd9"), ("M8500/3", "icd10")],
)  # fmt: skip
def test_a_code_tells_its_system_by_its_form(code: str, name: str):
    """ICD-10 goes before ATC where both have the form: it is the one that is made coarser."""
    grammar = grammar_by_form(code)
    assert grammar is not None and grammar.name == name


@pytest.mark.parametrize(
    "code",
    ["A12345", "C50911", "19900307", "199003", "20241001", "1049221", "85", "4.5", "250.01", "H", "L", "X", "L0",
     "718-8", ""],
)  # fmt: skip
def test_what_could_be_anything_tells_none(code: str):
    """A bed's number, a month, a plain number, a single letter, a wrong check digit."""
    assert grammar_by_form(code) is None


def test_what_stands_alone_is_a_code_of_its_system_too():
    """The stricter pattern lets nothing through that the system's own does not."""
    for _, codes in REAL:
        for code in codes.split():
            grammar = grammar_by_form(code)
            assert grammar is None or grammar.fits(code)


# -- the table of HL7's codes ---------------------------------------------------------------------


def _table() -> list[dict[str, str]]:
    path = Path(hl7_names.__file__).with_name("hl7_codes.csv")
    return list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if line[0] != "#"))


def test_the_table_of_hl7s_codes_is_sorted_and_says_each_system_once():
    """One row a system, below an address of HL7's own, with its codes once each."""
    systems = [row["system"] for row in _table()]
    assert systems == sorted(set(systems)) and len(systems) > 1000
    for row in _table():
        codes = row["codes"].split("|")
        assert row["system"][: row["system"].rfind("/") + 1] in FAMILIES
        assert len(codes) == len(set(codes)) and all(code.strip() == code and code for code in codes)
        assert codes_of(row["system"]) == set(codes)


def test_no_code_of_the_table_is_a_number_of_a_person_or_in_chinese():
    """What is in the list stays without another look, so the list itself is looked at."""
    for row in _table():
        for code in row["codes"].split("|"):
            assert re.fullmatch(r"[ -~]{1,120}", code) and not re.search(r"[0-9]{10}", code), row["system"]


def test_every_required_code_of_fhirs_models_is_in_one_system_of_the_table():
    """An independent copy of HL7's definitions, the models', agrees: no code of a required element is missing.

    Looked at are the types a hospital sends; Task.intent, which draws on two systems, is not among them.
    """
    import importlib
    import pkgutil

    from fhir.resources import R4B

    lists = [set(row["codes"].split("|")) for row in _table()]
    asked, missing = 0, set()
    models = {
        "allergyintolerance", "condition", "contactpoint", "device", "diagnosticreport", "encounter", "humanname",
        "immunization", "list", "medicationrequest", "observation", "patient", "procedure",
    }  # fmt: skip
    for module in pkgutil.iter_modules(R4B.__path__):
        if module.name in models:
            for model in vars(importlib.import_module(f"fhir.resources.R4B.{module.name}")).values():
                for field in getattr(model, "model_fields", {}).values():
                    values = (field.json_schema_extra or {}).get("enum_values") or []
                    wanted = {value for value in values if value != "+"}  # the models' mark for "and more"
                    asked += bool(wanted)
                    if wanted and not any(wanted <= codes for codes in lists):
                        missing |= wanted
    assert asked > 20
    assert not missing


def test_an_address_made_up_below_hl7s_fills_no_memory():
    """All such systems share one answer: nothing is a code of theirs."""
    names = {grammar.name for n in range(100) if (grammar := grammar_of(f"{FHIR}invented-{n}")) is not None}
    assert names == {"hl7 without codes"}


# -- units ----------------------------------------------------------------------------------------


def test_the_units_are_those_of_ucum_2_2():
    """UCUM's own table of version 2.2 has 24 prefixes, 7 base and 89 metric units, and 216 that take no prefix."""
    path = Path(code_grammars.__file__).with_name("ucum.toml")
    table = tomllib.loads(path.read_text("utf-8"))
    metric, atoms = table["metric"].split(), table["atoms"].split()
    assert (len(table["prefixes"].split()), len(metric), len(atoms)) == (24, 96, 216)
    assert not set(metric) & set(atoms) and len({*metric, *atoms}) == 312


@pytest.mark.parametrize(
    "unit",
    [
        "[FEU]",
        "[IR]",
        "[anti'Xa'U]",
        "ug{FEU}/mL",
        "k[IU]/L",
        "[den]",
        "{breaths}/min",
        "[Btu_th]",
        "[pouce]",
        "B[10.nV]",
    ],
)
def test_atoms_that_memory_forgot_are_units(unit: str):
    """Fibrinogen equivalent units of D-dimer and anti factor Xa units among them."""
    assert is_unit(unit)


@pytest.mark.parametrize("unit", ["k[degF]", "m[pH]", "Zhang", "kWang", "[wang]", "m[arb'U]"])
def test_only_a_metric_unit_takes_a_prefix(unit: str):
    """UCUM marks which do; a name in brackets is no unit of its own."""
    assert not is_unit(unit)


def test_each_system_has_one_grammar():
    """No address stands twice in the file, and a code told by its form stands in no system."""
    path = Path(code_grammars.__file__).with_name("code_grammars.toml")
    tables = tomllib.loads(path.read_text("utf-8"))
    systems = [system for table in tables.values() for system in table["systems"]]
    assert len(systems) == len(set(systems)) == len(grammars())
    assert all(bool(table.get("anywhere")) != bool(table["systems"]) for table in tables.values())
    assert not is_told_by_form("") and not is_told_by_form("C" * 10_000)


RXNORM, MDC = "http://www.nlm.nih.gov/research/umls/rxnorm", "urn:iso:std:iso:11073:10101"


@pytest.mark.parametrize("system", [RXNORM, MDC])
def test_a_number_of_eight_digits_that_is_a_day_is_no_code_of_plain_numbers(system: str) -> None:
    """RxNorm's have mostly seven digits, MDC's a partition that nobody uses at 19 or 20 million."""
    grammar = grammar_of(system)
    assert grammar is not None
    assert not any(map(grammar.fits, ["19780312", "20261231", "19000101"]))
    assert all(map(grammar.fits, ["1049502", "150456", "19781312", "19780332", "20270101", "10123456"]))


@pytest.mark.parametrize("code", ["19.7803", "20.0512", "Z12.3001", "M1980/3", "19.7803x001"])
def test_what_may_be_a_day_or_a_month_is_no_code_without_a_system(code: str) -> None:
    assert grammar_by_form(code) is None


@pytest.mark.parametrize("code", [
    "36.0601", "36.0600x004", "36.2x00", "85.4", "S52.521A", "T36.0X1A", "I25.103", "I10.x00x002", "C34.900x001",
    "M8500/3",
])  # fmt: skip
def test_other_codes_of_that_form_still_tell_by_it(code: str) -> None:
    assert grammar_by_form(code) is not None
