"""Whole definitions and concept sets of OHDSI/circe-be's database tests, with its expected rows, on both engines.

Inputs that its tests build in Java are written here as the JSON that they stand for.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from studies.cohorts.circe import OmopVocabulary, read_circe
from studies.cohorts.circe.omop_rows import omop_from_json
from tests.studies.cohorts.circe_cases import Json, expression, read, run
from tests.studies.cohorts.circe_suite import SUITE, database, needs_suite, raw

pytestmark = needs_suite


def limit(definition: Json, name: str, kind: str) -> Json:
    return {**definition, name: {"Type": kind}}


def primary(definition: Json, **parts: Any) -> Json:
    return {**definition, "PrimaryCriteria": {**definition["PrimaryCriteria"], **parts}}


def occurrence(definition: Json, kind: int, count: int) -> Json:
    additional = definition["AdditionalCriteria"]
    [criterion] = additional["CriteriaList"]
    changed = {**criterion, "Occurrence": {"Type": kind, "Count": count}}
    return {**definition, "AdditionalCriteria": {**additional, "CriteriaList": [changed]}}


def outer(definition: Json, **parts: Any) -> Json:
    return {**definition, "AdditionalCriteria": {**definition["AdditionalCriteria"], **parts}}


def first_occurrences() -> list[Json]:
    base = raw("cohortgeneration/firstOccurrence/firstOccurrenceTestExpression.json")
    kinds = (
        "ConditionEra", "ConditionOccurrence", "DeviceExposure", "DrugEra", "DrugExposure", "Measurement",
        "Observation", "ProcedureOccurrence", "Specimen", "VisitOccurrence", "PayerPlanPeriod",
    )  # fmt: skip
    return [primary(base, CriteriaList=[{kind: {"First": True}}]) for kind in kinds]


def counts() -> list[Json]:
    base = raw("cohortgeneration/correlatedCriteria/countsExpression.json")
    visit = raw("cohortgeneration/correlatedCriteria/visitExpression.json")
    return [base, occurrence(base, 2, 1), occurrence(base, 1, 0), visit]


def groups() -> list[Json]:
    base = raw("cohortgeneration/correlatedCriteria/groupExpression.json")
    [inner] = base["AdditionalCriteria"]["Groups"]
    return [
        base,
        outer(base, Type="AT_LEAST", Count=2),
        outer(base, Type="AT_MOST", Count=2),
        outer(base, Type="ALL", Count=2, Groups=[{**inner, "Type": "AT_MOST", "Count": 0}]),
        outer(base, Type="ALL", Count=2, Groups=[]),
    ]


def limits() -> list[Json]:
    base = raw("cohortgeneration/limits/limitExpression.json")
    second = limit(base, "ExpressionLimit", "first")
    third = limit(second, "QualifiedLimit", "first")
    last = primary(third, PrimaryCriteriaLimit={"Type": "last"})
    return [base, second, third, primary(third, PrimaryCriteriaLimit={"Type": "first"}), last]


def continuous_exposure() -> list[Json]:
    base = raw("cohortgeneration/exits/continuousExposureExpression.json")
    return [base, primary(base, PrimaryCriteriaLimit={"Type": "First"})]


def condition_status() -> list[Json]:
    bodies: list[Json] = [{}, {"ConditionStatus": []}, {"ConditionStatus": [{"CONCEPT_ID": 1}]}]
    entries = [[{"ConditionOccurrence": body}] for body in bodies]
    return [
        {"PrimaryCriteria": {"CriteriaList": entry, "ObservationWindow": {}}, "ConceptSets": []}
        for entry in entries
    ]


def one(path: str) -> list[Json]:
    return [raw(f"cohortgeneration/{path}")]


COHORTS = {
    "firstOccurrence/firstOccurrenceTest": first_occurrences,
    "correlatedCriteria/countsTest": counts,
    "correlatedCriteria/groupTest": groups,
    "limits/limitTest": limits,
    "inclusionRules/simpleInclusionRule": lambda: one("inclusionRules/simpleInclusionRule.json"),
    "exits/continuousExposure": continuous_exposure,
    "exits/continuousExposureCensor": lambda: one("exits/continuousExposureCensorExpression.json"),
    "exits/fixedOffset": lambda: one("exits/fixedOffsetExpression.json"),
    "exits/fixedOffsetCensor": lambda: one("exits/fixedOffsetCensorExpression.json"),
    "exits/censorEvent": lambda: one("exits/censorEventExpression.json"),
    "censorWindow/censorWindow": lambda: one("censorWindow/censorWindowExpression.json"),
    "mixedConceptsets/mixedConceptsets": lambda: one("mixedConceptsets/mixedConceptsetsExpression.json"),
    "eraDupes/eraDupes": lambda: one("eraDupes/eraDupesExpression.json"),
    "conditionOccurrence/conditionStatusTest": condition_status,
}


@pytest.mark.parametrize("case", COHORTS)
def test_a_cohort_has_the_rows_that_circe_expects(case: str):
    tables = database(f"cohortgeneration/{case}_PREP.json")
    found = [
        (number, *row)
        for number, definition in enumerate(COHORTS[case](), 1)
        for row in run(read_circe(json.dumps(definition), OmopVocabulary(tables), case), tables)
    ]
    expected = raw(f"cohortgeneration/{case}_VERIFY.json")
    [cohort] = [rows for name, rows in expected.items() if name.endswith(".cohort")]
    columns = ("cohort_definition_id", "subject_id", "cohort_start_date", "cohort_end_date")
    assert sorted(found) == sorted(tuple(row[column] for column in columns) for row in cohort)


@pytest.mark.long
def test_every_criterion_with_every_attribute_is_read_and_run():
    """One text filter of circe-be's example has no text: Circe then looks for the word "null", we refuse."""
    definition = raw("cohortgeneration/allCriteria/allCriteriaExpression.json")
    tables = database("cohortgeneration/limits/limitTest_PREP.json")
    with pytest.raises(PlatformError) as refused:
        read_circe(json.dumps(definition), OmopVocabulary(tables), "all")
    [refusal] = refused.value.details["refusals"]
    assert (refusal.element, refusal.reason) == ("UniqueDeviceId", "missing")
    filled = json.dumps(definition).replace('"UniqueDeviceId": {', '"UniqueDeviceId": {"Text": "01",')
    assert run(read_circe(filled, OmopVocabulary(tables), "all"), tables) == []


def test_what_circe_cannot_generate_is_refused():
    for definition in (
        occurrence(raw("cohortgeneration/correlatedCriteria/countsExpression.json"), -99, 0),
        {**continuous_exposure()[0], "EndStrategy": {"CustomEra": {"GapDays": 60}}},
    ):
        with pytest.raises(PlatformError, match=r"circe\.refused"):
            read_circe(json.dumps(definition), OmopVocabulary({}), "refused")


def test_a_concept_set_of_thousands_is_expanded_as_circe_expects():
    """Every odd concept is in and every even one out, each with its descendants."""
    items = [
        {"concept": {"CONCEPT_ID": number}, "includeDescendants": True, "isExcluded": number % 2 == 0}
        for number in range(1, 4000)
    ]
    vocabulary = OmopVocabulary(omop_from_json(json.dumps(raw("datasets/vocabulary.json"))))
    definition = {
        **expression({"ConditionOccurrence": {"CodesetId": 0}}),
        "ConceptSets": [{"id": 0, "name": "odd", "expression": {"items": items}}],
    }
    [wanted] = read(definition, vocabulary).entry.events
    expected = {
        ("", str(row["concept_id"])) for row in raw("conceptset/inClause_VERIFY.json")["inclause.result"]
    }
    assert wanted.codes[0].codes.pairs == expected


@pytest.mark.parametrize("folder", ["printfriendly", "checkers", "versioning", "cohortgeneration"])
def test_every_expression_of_circes_other_tests_is_read_or_refused_by_name(folder: str):
    assert SUITE is not None
    for path in sorted((SUITE / folder).rglob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if "PrimaryCriteria" not in found:
            continue
        try:
            read_circe(path.read_text(encoding="utf-8"), OmopVocabulary({}), path.name)
        except PlatformError as error:
            assert error.details["refusals"], path.name
