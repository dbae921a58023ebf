"""What each attribute of a Circe criterion selects, drawn as tables; both engines are asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.studies.cohorts.circe_cases import Json, expression, omop, patients, read, run

CONDITIONS = """
    id | patient | code | source_code | start      | end        | kind | status | stop_reason | visit | provider
    11 | 1       | 1    | 7           | 2000-02-01 | 2000-02-11 | 4    | 6      | cured       | 91    | 1
    12 | 1       | 1    | 8           | 2000-03-01 | -          | 5    | 6      | moved       | 92    | 2
    21 | 2       | 1    | 8           | 2000-02-01 | 2000-02-03 | 5    | -      | -           | -     | -
    31 | 3       | 2    | 7           | 2000-06-01 | 2000-06-02 | 4    | 6      | cured       | 91    | 9
"""
PERSONS = """
    patient | gender | race | year_of_birth | month_of_birth | day_of_birth
    1       | 1      | 2    | 1980          | 12             | 31
    2       | 2      | 2    | 1985          | 1              | 1
    3       | 2      | 3    | 1990          | -              | -
"""
VISITS = """
    visit | patient | code | kind | start      | end        | site
    91    | 1       | 1    | 5    | 2000-02-01 | 2000-02-20 | 1
    92    | 1       | 2    | 5    | 2000-03-01 | 2000-03-02 | -
"""
PROVIDERS = """
    provider | specialty
    1        | 1
    2        | -
"""
SITES = """
    site | place_of_service
    1    | 3
"""
WARD = {
    "condition_occurrence": CONDITIONS, "person": PERSONS, "visit_occurrence": VISITS, "provider": PROVIDERS,
    "care_site": SITES,
}  # fmt: skip


def in_set(number: int | None, *, excluded: bool = False) -> Json:
    return {"IsExclusion": excluded, **({} if number is None else {"CodesetId": number})}


def starts(kind: str, body: Json, **tables: str) -> list[tuple[int, str]]:
    """Patient and first day of every event that a criterion selects."""
    cohort = read(
        expression({kind: body}, EndStrategy={"DateOffset": {"DateField": "StartDate", "Offset": 0}})
    )
    return [(patient, start[5:]) for patient, start, _ in run(cohort, omop(**tables))]


FIRST, SECOND, OTHER, THIRD = (1, "02-01"), (1, "03-01"), (2, "02-01"), (3, "06-01")
CASES: list[tuple[str, Json, list[tuple[int, str]]]] = [
    ("no attribute", {}, [FIRST, SECOND, OTHER, THIRD]),
    ("a concept set", {"CodesetId": 1}, [FIRST, SECOND, OTHER]),
    ("a set of source concepts", {"ConditionSourceConcept": 8}, [SECOND, OTHER]),
    ("both sets", {"CodesetId": 1, "ConditionSourceConcept": 7}, [FIRST]),
    ("the first of each patient", {"CodesetId": 1, "First": True}, [FIRST, OTHER]),
    ("the first is chosen after the sets", {"ConditionSourceConcept": 8, "First": True}, [SECOND, OTHER]),
    ("and before the other tests", {"First": True, "ConditionType": [{"CONCEPT_ID": 5}]}, [OTHER]),
    ("a start after", {"OccurrenceStartDate": {"Op": "gt", "Value": "2000-2-1"}}, [SECOND, THIRD]),
    (
        "an end between",
        {"OccurrenceEndDate": {"Op": "bt", "Value": "2000-02-03", "Extent": "2000-02-11"}},
        [FIRST, OTHER],
    ),
    (
        "an end not between",
        {"OccurrenceEndDate": {"Op": "!bt", "Value": "2000-02-03", "Extent": "2000-02-11"}},
        [SECOND, THIRD],
    ),
    ("without an end it lasts a day", {"OccurrenceEndDate": {"Op": "eq", "Value": "2000-03-02"}}, [SECOND]),
    ("types left out", {"ConditionType": [{"CONCEPT_ID": 5}], "ConditionTypeExclude": True}, [FIRST, THIRD]),
    ("no types at all", {"ConditionType": [], "ConditionTypeExclude": True}, [FIRST, SECOND, OTHER, THIRD]),
    ("a text that begins", {"StopReason": {"Op": "startsWith", "Text": "cu"}}, [FIRST, THIRD]),
    ("a text that does not contain", {"StopReason": {"Op": "!contains", "Text": "ure"}}, [SECOND]),
    ("a status in a set", {"ConditionStatusCS": in_set(6)}, [FIRST, SECOND, THIRD]),
    (
        "a missing status is in no set, not even outside",
        {"ConditionStatusCS": in_set(1, excluded=True)},
        [FIRST, SECOND, THIRD],
    ),
    (
        "but it is outside the empty set",
        {"ConditionStatusCS": in_set(0, excluded=True)},
        [FIRST, SECOND, OTHER, THIRD],
    ),
    ("any status", {"ConditionStatusCS": in_set(None)}, [FIRST, SECOND, THIRD]),
    ("no status", {"ConditionStatusCS": in_set(None, excluded=True)}, [OTHER]),
    ("age is the difference of the years", {"Age": {"Op": "eq", "Value": 20}}, [FIRST, SECOND]),
    ("decimals of a whole number are cut off", {"Age": {"Op": "lte", "Value": 15.9}}, [OTHER, THIRD]),
    ("a gender", {"Gender": [{"CONCEPT_ID": 2}]}, [OTHER, THIRD]),
    ("a gender not in a set", {"GenderCS": in_set(2, excluded=True)}, [FIRST, SECOND]),
    ("a kind of visit", {"VisitType": [{"CONCEPT_ID": 1}, {"CONCEPT_ID": 2}]}, [FIRST, SECOND]),
    ("a visit of another patient is none", {"VisitTypeCS": in_set(9, excluded=True)}, [FIRST, SECOND]),
    ("no kind needs a visit all the same", {"VisitTypeCS": in_set(None, excluded=True)}, []),
    ("a specialty", {"ProviderSpecialtyCS": in_set(1)}, [FIRST]),
    (
        "no specialty needs no provider",
        {"ProviderSpecialtyCS": in_set(None, excluded=True)},
        [SECOND, OTHER, THIRD],
    ),
]


@pytest.mark.parametrize(("says", "body", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_condition_is_selected_by(says: str, body: Json, expected: list[tuple[int, str]]):
    empty = {"id": 0, "name": "empty", "expression": {"items": []}}
    definition = expression(
        {"ConditionOccurrence": body}, EndStrategy={"DateOffset": {"DateField": "StartDate", "Offset": 0}}
    )
    cohort = read({**definition, "ConceptSets": [empty, *definition["ConceptSets"]]})
    found = [(patient, start[5:]) for patient, start, _ in run(cohort, omop(**WARD))]
    assert found == expected


MEASUREMENTS = """
    id | patient | code | start      | value | range_low | range_high | value_code | unit
    1  | 1       | 1    | 2000-02-01 | 5.25  | 1         | 5          | -          | 3
    2  | 2       | 1    | 2000-02-01 | 3     | 2         | 0          | 4155142    | -
    3  | 3       | 1    | 2000-02-01 | -     | 2         | 5          | 6          | 3
    4  | 4       | 1    | 2000-02-01 | 3     | 2         | 5          | -          | 4
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ValueAsNumber": {"Op": "bt", "Value": 3, "Extent": 5.25}}, [1, 2, 4]),
        ({"ValueAsNumber": {"Op": "eq", "Value": 5.24996}}, [1]),  # Circe rounds to four decimals
        ({"ValueAsNumber": {"Op": "!eq", "Value": 3}}, [1]),  # a missing value is not different
        ({"ValueAsConcept": [{"CONCEPT_ID": 6}]}, [3]),
        ({"UnitCS": in_set(3)}, [1, 3]),
        ({"RangeLow": {"Op": "lt", "Value": 2}}, [1]),
        ({"RangeLowRatio": {"Op": "gte", "Value": 1.5}}, [1, 2, 4]),
        ({"RangeHighRatio": {"Op": "gt", "Value": 0}}, [1, 4]),  # nothing is divided by 0
        ({"Abnormal": True}, [1, 2]),
        ({"Abnormal": False}, [1, 2, 3, 4]),
    ],
)
def test_a_measurement_is_selected_by_its_value(body: Json, expected: list[int]):
    cohort = read(expression({"Measurement": body}))
    assert patients(cohort, omop(measurement=MEASUREMENTS)) == expected


def test_a_visit_is_selected_by_its_type_its_length_and_its_place():
    assert starts("VisitOccurrence", {"VisitTypeCS": in_set(5)}, **WARD) == [FIRST, SECOND]
    assert starts("VisitOccurrence", {"VisitLength": {"Op": "gt", "Value": 1}}, **WARD) == [FIRST]
    assert starts("VisitOccurrence", {"PlaceOfService": [{"CONCEPT_ID": 3}]}, **WARD) == [FIRST]
    assert starts("VisitOccurrence", {"PlaceOfServiceCS": in_set(None, excluded=True)}, **WARD) == []


EXPOSURES = """
    id | patient | code | start      | end        | days_supply | quantity | refills
    1  | 1       | 1    | 2000-02-01 | 2000-02-11 | 30          | 1.5      | 2
    2  | 1       | 1    | 2000-04-01 | -          | 30          | -        | 0
    3  | 2       | 1    | 2000-02-01 | -          | -           | 3        | -
"""


def test_an_exposure_ends_by_its_end_else_its_supply_else_the_next_day():
    cohort = read(
        expression({"DrugExposure": {}}, EndStrategy={"DateOffset": {"DateField": "EndDate", "Offset": 0}})
    )
    assert run(cohort, omop(drug_exposure=EXPOSURES)) == [
        (1, "2000-02-01", "2000-02-11"),
        (1, "2000-04-01", "2000-05-01"),
        (2, "2000-02-01", "2000-02-02"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"Quantity": {"Op": "gt", "Value": 1.49}}, [(1, "02-01"), (2, "02-01")]),
        ({"Refills": {"Op": "lt", "Value": 1}}, [(1, "04-01")]),
        ({"DaysSupply": {"Op": "eq", "Value": "30"}}, [(1, "02-01"), (1, "04-01")]),
        # Circe compares the start also where the element speaks of the end
        ({"OccurrenceEndDate": {"Op": "gt", "Value": "2000-02-05"}}, [(1, "04-01")]),
    ],
)
def test_an_exposure_is_selected_by(body: Json, expected: list[tuple[int, str]]):
    assert starts("DrugExposure", body, drug_exposure=EXPOSURES) == expected


ERAS = """
    id | patient | code | start      | end        | occurrences | gap_days
    1  | 1       | 1    | 2000-02-01 | 2000-04-01 | 2           | 5
    2  | 2       | 1    | 2000-02-01 | 2000-02-11 | 1           | 0
"""
DEATHS = """
    patient | start      | code | kind
    1       | 2000-05-01 | 3    | 8
    2       | 2000-05-01 | -    | -
"""


def test_eras_and_deaths_have_attributes_of_their_own():
    assert starts("DrugEra", {"EraLength": {"Op": "gte", "Value": 30}}, drug_era=ERAS) == [(1, "02-01")]
    assert starts("DrugEra", {"OccurrenceCount": {"Op": "eq", "Value": 1}}, drug_era=ERAS) == [(2, "02-01")]
    assert starts("DrugEra", {"AgeAtEnd": {"Op": "gt", "Value": 50}}, drug_era=ERAS) == []
    assert starts("Death", {"CodesetId": 3}, death=DEATHS) == [(1, "05-01")]
    assert starts("Death", {"DeathType": [{"CONCEPT_ID": 8}], "DeathTypeExclude": True}, death=DEATHS) == []


PERIODS = """
    id | patient | start      | end        | kind
    1  | 1       | 2000-01-01 | 2000-03-31 | 1
    2  | 1       | 2000-06-01 | 2000-12-31 | 1
    3  | 2       | 2000-05-01 | 2000-08-31 | 2
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"First": True}, [(1, "2000-01-01", "2000-03-31"), (2, "2000-05-01", "2000-08-31")]),
        ({"PeriodLength": {"Op": "gt", "Value": 200}}, [(1, "2000-06-01", "2000-12-31")]),
        # only a period that holds the given days, which then stand for its own
        (
            {"UserDefinedPeriod": {"StartDate": "2000-06-15"}},
            [(1, "2000-06-15", "2000-12-31"), (2, "2000-06-15", "2000-08-31")],
        ),
        (
            {"UserDefinedPeriod": {"StartDate": "2000-07-01", "EndDate": "2000-10-01"}},
            [(1, "2000-07-01", "2000-10-01")],
        ),
    ],
)
def test_a_period_of_observation_is_an_event_too(body: Json, expected: list[Any]):
    exit = {"DateOffset": {"DateField": "EndDate", "Offset": 0}}
    cohort = read(expression({"ObservationPeriod": body}, EndStrategy=exit))
    assert run(cohort, omop(observation_period=PERIODS)) == expected


@pytest.mark.parametrize(
    ("adjustment", "expected"),
    [
        (
            {"StartOffset": 5, "EndOffset": 2},
            [(1, "2000-02-06", "2000-02-13"), (1, "2000-04-06", "2000-05-03")],
        ),
        (
            {"StartWith": "END_DATE", "EndOffset": 1},
            [
                (1, "2000-02-11", "2000-02-12"),
                (1, "2000-05-01", "2000-05-02"),
                (2, "2000-02-02", "2000-02-03"),
            ],
        ),
        ({"EndWith": "START_DATE", "EndOffset": -1}, []),  # an end before the start is no event
    ],
)
def test_adjusted_dates_replace_the_recorded_ones(adjustment: Json, expected: list[Any]):
    exit = {"DateOffset": {"DateField": "EndDate", "Offset": 0}}
    cohort = read(expression({"DrugExposure": {"DateAdjustment": adjustment}}, EndStrategy=exit))
    assert run(cohort, omop(drug_exposure=EXPOSURES)) == expected


def test_the_first_event_is_chosen_before_its_dates_are_adjusted():
    body = {"First": True, "DateAdjustment": {"StartOffset": 5, "EndOffset": 5}}
    assert starts("DrugExposure", body, drug_exposure=EXPOSURES) == [(1, "02-06"), (2, "02-06")]


def test_of_two_events_of_one_day_the_one_with_the_smaller_id_is_first_whatever_its_table():
    """The entry is the procedure: its id is smaller than that of the condition, which is asked for first."""
    condition = """
        id | patient | code | start      | end
        7  | 1       | 1    | 2000-02-01 | 2000-05-01
    """
    procedure = """
        id | patient | code | start
        6  | 1       | 1    | 2000-02-01
    """
    exit = {"DateOffset": {"DateField": "EndDate", "Offset": 0}}
    cohort = read(
        expression({"ConditionOccurrence": {}}, {"ProcedureOccurrence": {}}, limit="First", EndStrategy=exit)
    )
    tables = omop(condition_occurrence=condition, procedure_occurrence=procedure)
    assert run(cohort, tables) == [(1, "2000-02-01", "2000-02-02")]
