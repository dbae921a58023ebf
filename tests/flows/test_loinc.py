"""What hospitals send is coded in LOINC: from the upload to the table, a rule that speaks, and a cohort's count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deidentify.code_grammars import grammar_of
from deidentify.policy import load_policy
from ingestion.terminology import open_systems
from quality.failing_rows import failing_rows
from quality.suite import load_suites
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.cohorts import count_cohort
from rwd_platform.flows.judging import LAKE_POLICY
from rwd_platform.flows.platform import Platform
from rwd_platform.store.lake import Lake
from tests.flows.sending import CLERK, MEASURE, RESEARCHER, accounts, issues, ndjson, patient, received, rows

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
PATIENTS = 24
# Body weight, haemoglobin, creatinine, eGFR, systolic pressure, HbA1c, left ventricular ejection fraction.
SENT = {
    "29463-7": (62, "kg"),
    "718-7": (131, "g/L"),
    "2160-0": (0.9, "mg/dL"),
    "33914-3": (72, "mL/min/{1.73_m2}"),
    "8480-6": (128, "mm[Hg]"),
    "4548-4": (5.6, "%"),
    "10230-1": (58, "%"),
}
PAIN = "72514-3"
COHORT = """
cohort:
  language: 2
  source: {zh: 乐城, en: Lecheng}
  entry:
    title: {zh: 肾功能, en: Kidney function}
    pick: first
    events:
      - {table: measurement, codes: {system: "http://loinc.org", any_of: [33914-3]}}
  require:
    - id: kidney
      reason: {zh: 肾功能不足, en: Kidney function too low}
      events: {table: measurement, codes: {system: "http://loinc.org", any_of: [33914-3]}}
      days: [-90, 0]
      of: last
      then: {value: {at_least: 30, unit: "mL/min/{1.73_m2}"}}
    - id: heart
      reason: {zh: 射血分数过低或未测, en: Ejection fraction too low or not measured}
      events: {table: measurement, codes: {system: "http://loinc.org", any_of: [10230-1]}}
      days: [-90, 0]
      of: last
      then: {value: {at_least: 50, unit: "%"}}
"""


def observed(
    code: str, of: str, value: float, unit: str, system: str = LOINC, **elements: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{of}-{code.replace(' ', '-')}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2021-05-06",
        "valueQuantity": {"value": value, "system": UCUM, "code": unit},
        **elements,
    }


def sent_by(of: str) -> list[dict[str, Any]]:
    survey = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}
    pain = observed(PAIN, of, 3, "{score}", category=[{"coding": [survey]}])
    return [patient(of), *(observed(code, of, *value) for code, value in SENT.items()), pain]


def test_observations_in_loinc_reach_their_tables_the_rules_and_a_cohort(platform: Platform) -> None:
    """Nothing but LOINC: no code of the platform's own stands beside it.

    Two patients are planted: one with a haemoglobin of 1,310 g/L, a slip of the decimal point, whom the rule on
    credible limits finds and nobody else; four with a failing kidney, who leave the cohort.
    """
    people = [sent_by(f"p{number}") for number in range(PATIENTS)]
    people[0][2]["valueQuantity"]["value"] = 1310
    for one in people[1:5]:
        one[4]["valueQuantity"]["value"] = 14
    upload = received(platform, {"all.ndjson": ndjson(*(resource for one in people for resource in one))})
    admit_upload(platform, CLERK, upload)
    assert accounts(platform, upload) == {"all.ndjson": (PATIENTS * (2 + len(SENT)), 0, 0, 0)}
    lake = Lake(platform.layout)
    measured = rows(platform, "measurement", "code_system", "code")
    assert set(measured) == {(LOINC, code) for code in (*SENT, PAIN)}
    assert set(rows(platform, "patient_reported", "item_system", "item_code", "score")) == {
        (LOINC, PAIN, 3.0)
    }

    tables, rule = {"measurement": lake.read("measurement")}, "measurement.loinc_high"
    whole = load_suites()["measurement"]
    suite = replace(whole, rules=tuple(one for one in whole.rules if one.id == rule))
    broken = failing_rows(tables, {"measurement": suite}, rule, CLERK.organisation)
    slip = tables["measurement"].query("value == 1310")
    assert list(broken["resource_id"]) == list(slip["resource_id"]) and len(slip) == 1

    found = {one.id: one.remaining for one in count_cohort(platform, RESEARCHER, COHORT).steps}
    assert (found["kidney"], found["heart"]) == (20, 20)  # of 24, rounded to fives


KEPT_APART = [
    (LOINC, "718-8", "deid.unfit_code"),  # its check digit is 7
    (LOINC, "haemoglobin", "deid.unfit_code"),  # what a code is called, in place of the code
    (SNOMED, "254837008", "deid.unfit_code"),  # its check digit is 9
    ("http://hl7.org/fhir/sid/icd-10", "C5", "deid.unfit_code"),
    ("http://hospital.example/codes", "HB", "terminology.unknown_measure"),
    ("urn:oid:2.16.840.1.113883.6.1", "718-7", "terminology.unknown_measure"),
    (MEASURE, "718-7", "terminology.unknown_measure"),
]


def test_a_code_that_is_none_of_its_system_is_kept_apart(platform: Platform) -> None:
    """Accepting LOINC whole is not accepting whatever calls itself LOINC: form and check digits are looked at."""
    sent = [observed(code, "p1", 1, "1", system) for system, code, _ in KEPT_APART]
    upload = received(
        platform,
        {f"{number}.ndjson": ndjson(one) for number, one in enumerate(sent)}
        | {"p.ndjson": ndjson(patient())},
    )
    admit_upload(platform, CLERK, upload)
    found = accounts(platform, upload)
    assert {found.pop("p.ndjson"), *found.values()} == {(1, 0, 0, 0), (0, 0, 1, 0)}
    assert sorted(one.rule for one in issues(platform, upload)) == sorted(rule for *_, rule in KEPT_APART)
    assert "measurement" not in Lake(platform.layout).tables()


@pytest.mark.parametrize("system", sorted(open_systems()))
def test_every_open_system_is_in_the_policy_and_its_codes_have_a_grammar(system: str) -> None:
    """Ingestion reads any code of it because de-identification looks at how it is written: nothing is unlooked at."""
    listed = load_policy(LAKE_POLICY).systems
    assert any(system == one or (one.endswith("/") and system.startswith(one)) for one in listed)
    grammar = grammar_of(system)
    assert grammar is not None and not grammar.fits("haemoglobin")
