"""Single criteria and conditions of OHDSI/circe-be's database tests, with its expected rows, on both engines.

Inputs that its tests build in Java are written here as the JSON that they stand for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from studies.cohorts.circe.omop_rows import Tables, ibis_tables, typed, with_empty
from studies.cohorts.engine import Engine
from studies.cohorts.plain import PlainEngine
from tests.studies.cohorts.circe_cases import (
    AT_LEAST_ONE,
    MODEL,
    Json,
    concept_set,
    duckdb,
    expression,
    group,
    read,
    related,
    window,
)
from tests.studies.cohorts.circe_suite import from_case, needs_suite, raw

pytestmark = needs_suite

ADJUSTED = {"StartWith": "START_DATE", "StartOffset": 15, "EndWith": "END_DATE", "EndOffset": -10}
PERIOD = {"UserDefinedPeriod": {"StartDate": "2000-09-01", "EndDate": "2000-09-30"}}


def in_set(**elements: int) -> Json:
    return {f"{name}CS": {"CodesetId": number, "IsExclusion": False} for name, number in elements.items()}


USUAL = in_set(Gender=1, VisitType=2, ProviderSpecialty=3)
CONCEPT_SETS: dict[str, Json] = {
    "ConditionEra": {"CodesetId": 1, **in_set(Gender=1)},
    "ConditionOccurrence": {"CodesetId": 1, **in_set(ConditionType=1), **USUAL},
    "Death": {"CodesetId": 1, **in_set(Gender=1, DeathType=1)},
    "DeviceExposure": {"CodesetId": 1, **in_set(DeviceType=1), **USUAL},
    "DoseEra": {"CodesetId": 1, **in_set(Gender=1, Unit=3)},
    "DrugEra": {"CodesetId": 1, **in_set(Gender=1)},
    "DrugExposure": {"CodesetId": 1, **in_set(DrugType=2, RouteConcept=3, DoseUnit=2), **USUAL},
    "Measurement": {"CodesetId": 1, **in_set(Operator=3, ValueAsConcept=2, Unit=1), **USUAL},
    "Observation": {
        "CodesetId": 1,
        **in_set(ObservationType=1, Qualifier=3, ValueAsConcept=2, Unit=1),
        **USUAL,
    },
    "ObservationPeriod": in_set(PeriodType=1),
    "ProcedureOccurrence": {"CodesetId": 1, **in_set(Modifier=3, ProcedureType=2), **USUAL},
    "Specimen": {
        "CodesetId": 1,
        **in_set(Gender=1, SpecimenType=2, Unit=3, AnatomicSite=2, DiseaseStatus=3),
    },
    "VisitOccurrence": {"CodesetId": 1, **USUAL, **in_set(PlaceOfService=2)},
}
DATE_OFFSETS = (
    "ConditionEra", "ConditionOccurrence", "Death", "DeviceExposure", "DoseEra", "DrugEra", "DrugExposure",
    "Measurement", "Observation", "ObservationPeriod", "PayerPlanPeriod", "ProcedureOccurrence", "VisitDetail",
    "VisitOccurrence",
)  # fmt: skip
PLAIN_PERIODS = ("ObservationPeriod", "PayerPlanPeriod")


def events(kind: str, body: Json, tables: Tables) -> Counter[tuple[Any, ...]]:
    """person, id, start, end and visit of what a criterion selects, from both engines."""
    [wanted] = read(expression({kind: body})).entry.events
    found = [
        (one.patient, one.row[one.table.id[0]], one.start, one.end, one.visit)
        for one in PlainEngine(MODEL, tables).events(wanted)
    ]
    frame = duckdb().to_pyarrow(with_dates(Engine(MODEL, ibis_tables(tables)).events(wanted))).to_pylist()
    same = [(row["person"], row["id"], row["start"], row["end"], row["visit"]) for row in frame]
    assert Counter((*row[:4], None if row[4] is None else int(row[4])) for row in same) == Counter(found)
    return Counter(
        (person, id, start.isoformat(), end.isoformat(), visit) for person, id, start, end, visit in found
    )


def with_dates(rows: Any) -> Any:
    from studies.cohorts.expressions import date_of

    return rows.select(
        person=rows["_patient"], id=rows["_id"], start=date_of(rows["_start"]), end=date_of(rows["_end"]),
        visit=rows["_visit"],
    )  # fmt: skip


def expected_events(path: str, name: str) -> Counter[tuple[Any, ...]]:
    found = {said.lower(): rows for said, rows in raw(f"criteria/{path}_VERIFY.json").items()}
    columns = ("person_id", "event_id", "start_date", "end_date", "visit_occurrence_id")
    return Counter(tuple(row.get(column) for column in columns) for row in found[name.lower()])


def file_name(kind: str) -> str:
    return kind[0].lower() + kind[1:]


@pytest.mark.parametrize("kind", CONCEPT_SETS)
def test_concept_sets_select_the_events_that_circe_expects(kind: str):
    path = f"{file_name(kind)}ConceptSet"
    tables = with_empty(from_case(f"criteria/{path}_PREP.json"))
    assert events(kind, CONCEPT_SETS[kind], tables) == expected_events(path, f"{kind}.conceptset")


@pytest.mark.parametrize("kind", DATE_OFFSETS)
def test_adjusted_dates_are_those_that_circe_expects(kind: str):
    path = f"{file_name(kind)}DateOffset"
    tables = with_empty(from_case(f"criteria/{path}_PREP.json"))
    simple: Json = {} if kind in PLAIN_PERIODS else {"CodesetId": 1}
    adjusted = {**simple, "DateAdjustment": ADJUSTED}
    assert events(kind, simple, tables) == expected_events(path, f"{kind}.simple")
    assert events(kind, adjusted, tables) == expected_events(path, f"{kind}.date_adjust")
    if kind in PLAIN_PERIODS:
        assert events(kind, {**adjusted, **PERIOD}, tables) == expected_events(path, f"{kind}.user_defined")


# -- conditions around index events --------------------------------------------------------------------

YEAR_BEFORE = window(-365, -0)
YEAR_BEFORE["End"]["Coeff"] = -1
WINDOWS: dict[str, tuple[str, Json, Json, tuple[str, ...]]] = {
    "windowConditionEra": ("ConditionEra", {}, YEAR_BEFORE, ("ERA_OCCURRENCES",)),
    "windowConditionOccurrence": ("ConditionOccurrence", {}, YEAR_BEFORE, ()),
    "windowDeath": ("Death", {}, YEAR_BEFORE, ()),
    "windowDeviceExposure": ("DeviceExposure", {}, YEAR_BEFORE, ("QUANTITY",)),
    "windowDoseEra": ("DoseEra", {}, YEAR_BEFORE, ("VALUE_AS_NUMBER", "UNIT")),
    "windowDrugEra": ("DrugEra", {}, YEAR_BEFORE, ("GAP_DAYS", "ERA_OCCURRENCES")),
    "windowDrugExposure": ("DrugExposure", {}, YEAR_BEFORE, ("REFILLS", "QUANTITY", "DAYS_SUPPLY")),
    "windowMeasurement": ("Measurement", {}, YEAR_BEFORE, ("VALUE_AS_NUMBER", "RANGE_HIGH", "RANGE_LOW")),
    "windowObservation": ("Observation", {}, YEAR_BEFORE, ("VALUE_AS_NUMBER",)),
    "windowObservationPeriod": ("ObservationPeriod", {}, YEAR_BEFORE, ()),
    "windowObservationPeriodUserDefined": (
        "ObservationPeriod",
        {"UserDefinedPeriod": {"StartDate": "2008-01-01", "EndDate": "2009-01-01"}},
        window(None, None),
        (),
    ),
    "windowProcedureOccurrence": ("ProcedureOccurrence", {}, YEAR_BEFORE, ("QUANTITY",)),
    "windowSpecimen": ("Specimen", {}, YEAR_BEFORE, ()),
    "windowVisitDetail": ("VisitDetail", {}, YEAR_BEFORE, ()),
    "windowVisitOccurrence": ("VisitOccurrence", {}, YEAR_BEFORE, ()),
}
COUNTED = {
    "START_DATE": "start_date", "END_DATE": "end_date", "DOMAIN_CONCEPT": "domain_concept_id", "DURATION": "duration",
    "ERA_OCCURRENCES": "occurrence_count", "GAP_DAYS": "gap_days", "QUANTITY": "quantity", "REFILLS": "refills",
    "DAYS_SUPPLY": "days_supply", "VALUE_AS_NUMBER": "value_as_number", "UNIT": "unit_concept_id",
    "RANGE_HIGH": "range_high", "RANGE_LOW": "range_low",
}  # fmt: skip
USUAL_COUNTED = ("START_DATE", "END_DATE", "DOMAIN_CONCEPT", "DURATION")


def with_index(path: str) -> Tables:
    """A case whose index events, rows of a cohort table, stand as payer plan periods; no case uses those itself."""
    [cohort] = [rows for name, rows in raw(path).items() if name.endswith(".cohort")]
    periods = [
        {
            "payer_plan_period_id": number,
            "person_id": row["subject_id"],
            "payer_plan_period_start_date": row["cohort_start_date"],
            "payer_plan_period_end_date": row["cohort_end_date"],
        }
        for number, row in enumerate(cohort, 1)
        if row["cohort_definition_id"] == 1
    ]
    return with_empty({**from_case(path), **typed([("payer_plan_period", periods)])})


def concept_sets(path: str) -> list[Json]:
    """The concept sets of a case, which circe-be's tests put into a table."""
    listed: dict[int, list[int]] = {}
    for row in (row for name, rows in raw(path).items() if name.endswith(".codesets") for row in rows):
        listed.setdefault(row["codeset_id"], []).append(row["concept_id"])
    return [concept_set(number, *concepts) for number, concepts in listed.items()]


def holding(tables: Tables, *criteria: Json, sets: Sequence[Json] = ()) -> set[tuple[int, date]]:
    """Person and start of the index events for which all criteria hold, from both engines."""
    definition = expression({"PayerPlanPeriod": {}}, AdditionalCriteria=group("ALL", *criteria))
    cohort = read({**definition, "ConceptSets": list(sets)})
    found = {(one.patient, one.start) for one in PlainEngine(MODEL, tables).included(cohort)}
    rows = Engine(MODEL, ibis_tables(tables)).included(cohort)
    frame = duckdb().to_pyarrow(with_dates(rows.mutate(_id=rows["_number"]))).to_pylist()
    assert {(row["person"], row["start"]) for row in frame} == found
    return found


def index_events(tables: Tables) -> dict[tuple[int, int], tuple[int, date]]:
    """(person, number of the event, by start) -> person and start, of the index events that are observed."""
    every = sorted(holding(tables))
    return {(person, 1 + sum(each < (person, start) for each in every if each[0] == person)): (person, start)
            for person, start in every}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS)
def test_as_many_events_lie_in_a_window_as_circe_expects(case: str):
    kind, body, start, more = WINDOWS[case]
    tables = with_index(f"windowcriteria/{case}_PREP.json")
    expected = raw(f"windowcriteria/{case}_VERIFY.json")
    [plain] = [rows for name, rows in expected.items() if name.endswith(".no_columns")]
    [columns] = [rows for name, rows in expected.items() if name.endswith(".add_columns")]
    for key, event in index_events(tables).items():
        number = sum((row["person_id"], row["event_id"]) == key for row in plain)
        exactly = {"Type": 0, "Count": number}
        assert event in holding(tables, related({kind: body}, start, exactly))
        for column in (*USUAL_COUNTED, *more):
            own = [row[COUNTED[column]] for row in columns if (row["person_id"], row["event_id"]) == key]
            distinct = {"Type": 0, "Count": len(set(own)), "IsDistinct": True, "CountColumn": column}
            assert event in holding(tables, related({kind: body}, start, distinct)), column


DISTINCT = {"Type": 2, "Count": 2, "IsDistinct": True}
CONDITION: Json = {"ConditionOccurrence": {}}
EXACTLY_ONE = {"Type": 0, "Count": 1}


def detail(element: str, *, excluded: bool) -> Json:
    return {"VisitDetail": {element: {"CodesetId": 1, "IsExclusion": excluded}}}


CORRELATED: list[tuple[str, str, Json, Json]] = [
    ("simpleInclusion", "inclusion", CONDITION, AT_LEAST_ONE),
    ("simpleInclusion", "exclusion", CONDITION, {"Type": 0, "Count": 0}),
    ("distinctStart", "output", CONDITION, {**DISTINCT, "CountColumn": "START_DATE"}),
    ("distinctVisit", "output", CONDITION, {**DISTINCT, "CountColumn": "VISIT_ID"}),
    ("distinctDefault", "output", CONDITION, DISTINCT),
    ("visitDetailCodesetCriteria", "gender_in_codeset", detail("GenderCS", excluded=False), EXACTLY_ONE),
    ("visitDetailCodesetCriteria", "gender_not_in_codeset", detail("GenderCS", excluded=True), EXACTLY_ONE),
    (
        "visitDetailCodesetCriteria",
        "provider_in_codeset",
        detail("ProviderSpecialtyCS", excluded=False),
        EXACTLY_ONE,
    ),
    (
        "visitDetailCodesetCriteria",
        "provider_not_in_codeset",
        detail("ProviderSpecialtyCS", excluded=True),
        EXACTLY_ONE,
    ),
    (
        "visitDetailCodesetCriteria",
        "provider_in_codeset",
        detail("PlaceOfServiceCS", excluded=False),
        EXACTLY_ONE,
    ),
    (
        "visitDetailCodesetCriteria",
        "provider_not_in_codeset",
        detail("PlaceOfServiceCS", excluded=True),
        EXACTLY_ONE,
    ),
]


@pytest.mark.parametrize(("case", "output", "criteria", "count"), CORRELATED)
def test_a_condition_holds_for_the_events_that_circe_expects(
    case: str, output: str, criteria: Json, count: Json
):
    tables = with_index(f"corelatedcriteria/{case}_PREP.json")
    expected = raw(f"corelatedcriteria/{case}_VERIFY.json")
    [rows] = [rows for name, rows in expected.items() if name.endswith(f".{output}")]
    numbered = index_events(tables)
    keys = {(row["person_id"], row["event_id"]) for row in rows}
    sets = concept_sets(f"corelatedcriteria/{case}_PREP.json")
    found = holding(tables, related(criteria, YEAR_BEFORE, count), sets=sets)
    assert found == {numbered[key] for key in keys}
