"""Entry, conditions, limits, exits and eras of a Circe expression, drawn as tables; both engines are asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.studies.cohorts.circe_cases import (
    ANY_TIME,
    Json,
    concept_set,
    expression,
    group,
    omop,
    patients,
    read,
    related,
    run,
    window,
)

# Three diagnoses of patient 1, in two visits; a drug before the second, and a drug of patient 2 long before.
CONDITIONS = """
    id | patient | code | start      | end        | visit
    1  | 1       | 1    | 2000-03-01 | 2000-03-11 | 91
    2  | 1       | 1    | 2000-06-01 | 2000-06-11 | 92
    3  | 1       | 1    | 2000-09-01 | 2000-09-11 | -
    4  | 2       | 1    | 2000-06-01 | 2000-06-11 | -
"""
DRUGS = """
    id | patient | code | start      | end        | visit
    1  | 1       | 2    | 2000-05-25 | 2000-06-05 | 92
    2  | 1       | 3    | 2000-06-01 | 2000-06-05 | 91
    3  | 2       | 2    | 2000-01-10 | 2000-01-12 | -
"""
DRUG: Json = {"DrugExposure": {"CodesetId": 2}}
OTHER_DRUG: Json = {"DrugExposure": {"CodesetId": 3}}
ENTRY: Json = {"ConditionOccurrence": {"CodesetId": 1}}
ONE_DAY = {"DateOffset": {"DateField": "StartDate", "Offset": 0}}
NONE = {"Type": 0, "Count": 0}


def starts(definition: Json, **more: str) -> list[tuple[int, str]]:
    tables = omop(condition_occurrence=CONDITIONS, drug_exposure=DRUGS, **more)
    found = run(read({**definition, "EndStrategy": ONE_DAY}), tables)
    return [(patient, start[5:]) for patient, start, _ in found]


def asking(additional: Json, **parts: Any) -> Json:
    return expression(ENTRY, AdditionalCriteria=additional, **parts)


MARCH, JUNE, SEPTEMBER, SECOND = (1, "03-01"), (1, "06-01"), (1, "09-01"), (2, "06-01")
ALL = [MARCH, JUNE, SEPTEMBER, SECOND]
WINDOWS: list[tuple[str, Json, list[tuple[int, str]]]] = [
    ("at least one in thirty days before", related(DRUG, window(-30, 0)), [JUNE]),
    ("none in thirty days before", related(DRUG, window(-30, 0), NONE), [MARCH, SEPTEMBER, SECOND]),
    (
        "at most none is the same",
        related(DRUG, window(-30, 0), {"Type": 1, "Count": 0}),
        [MARCH, SEPTEMBER, SECOND],
    ),
    (
        "at any time before",
        related(DRUG, {"Start": {"Coeff": -1}, "End": {"Days": 0, "Coeff": -1}}),
        [JUNE, SEPTEMBER, SECOND],
    ),
    ("at any time after", related(DRUG, {"Start": {"Days": 0, "Coeff": 1}, "End": {"Coeff": 1}}), [MARCH]),
    ("counted from the end of the index", related(DRUG, window(-17, -17, UseIndexEnd=True)), [JUNE]),
    ("the end of the event in the start window", related(DRUG, window(4, 4, UseEventEnd=True)), [JUNE]),
    ("the end of the event in an end window", related(DRUG, EndWindow=window(4, 4)), [JUNE]),
    (
        "the start of the event in an end window",
        related(DRUG, EndWindow=window(-7, -7, UseEventEnd=False)),
        [JUNE],
    ),
    ("in the same visit", related(DRUG, RestrictVisit=True), [JUNE]),
    ("no visit is not the same visit", related({"DrugExposure": {}}, RestrictVisit=True), [MARCH, JUNE]),
    ("exactly one", related({"DrugExposure": {}}, window(-30, 0), {"Type": 0, "Count": 1}), []),
    ("exactly two", related({"DrugExposure": {}}, window(-30, 0), {"Type": 0, "Count": 2}), [JUNE]),
    (
        "two different starts",
        related(
            {"DrugExposure": {}},
            None,
            {"Type": 2, "Count": 2, "IsDistinct": True, "CountColumn": "START_DATE"},
        ),
        [MARCH, JUNE, SEPTEMBER],
    ),
    (
        "two different ends",
        related(
            {"DrugExposure": {}}, None, {"Type": 2, "Count": 2, "IsDistinct": True, "CountColumn": "END_DATE"}
        ),
        [],
    ),
    (
        "different means the concept",
        related({"DrugExposure": {}}, None, {"Type": 2, "Count": 2, "IsDistinct": True}),
        [MARCH, JUNE, SEPTEMBER],
    ),
    (
        "a column without distinct counts events",
        related({"DrugExposure": {}}, None, {"Type": 2, "Count": 2, "CountColumn": "END_DATE"}),
        [MARCH, JUNE, SEPTEMBER],
    ),
]


@pytest.mark.parametrize(("says", "criterion", "expected"), WINDOWS, ids=[case[0] for case in WINDOWS])
def test_an_entry_event_stays_with_related_events(
    says: str, criterion: Json, expected: list[tuple[int, str]]
):
    assert starts(asking(group("ALL", criterion))) == expected


BEFORE = related(DRUG, window(-30, 0))
SAME_DAY = related(OTHER_DRUG, window(0, 0))
LONG_BEFORE = related(DRUG, window(-200, -100))
WOMAN = {"Gender": [{"CONCEPT_ID": 8532}]}
EMPTY = group("ANY")
GROUPS: list[tuple[str, Json, list[tuple[int, str]]]] = [
    ("all of two", group("ALL", BEFORE, SAME_DAY), [JUNE]),
    ("any of two", group("ANY", LONG_BEFORE, SAME_DAY), [JUNE, SECOND]),
    ("at least one", group("AT_LEAST", LONG_BEFORE, SAME_DAY, Count=1), [JUNE, SECOND]),
    ("at least none", group("AT_LEAST", LONG_BEFORE, SAME_DAY, Count=0), ALL),
    ("at most one", group("AT_MOST", BEFORE, SAME_DAY, Count=1), [MARCH, SEPTEMBER, SECOND]),
    ("at most none", group("AT_MOST", BEFORE, LONG_BEFORE, Count=0), [MARCH, SEPTEMBER]),
    ("however it is cased", group("any", LONG_BEFORE, SAME_DAY), [JUNE, SECOND]),
    ("a group in a group", group("ALL", SAME_DAY, groups=(group("ANY", BEFORE, LONG_BEFORE),)), [JUNE]),
    ("an empty group holds", group("ALL", SAME_DAY, groups=(EMPTY,)), [JUNE]),
    ("also as one of any", group("ANY", SAME_DAY, groups=(EMPTY,)), ALL),
    (
        "and counts among at most",
        group("AT_MOST", SAME_DAY, groups=(EMPTY,), Count=1),
        [MARCH, SEPTEMBER, SECOND],
    ),
    ("nothing but empty groups", group("ALL", groups=(EMPTY, EMPTY)), ALL),
    ("a group without a type that is empty", {"CriteriaList": []}, ALL),
    ("who the patient is", group("ALL", about=({"Age": {"Op": "eq", "Value": 50}},)), ALL),
    ("who the patient is not", group("ALL", about=(WOMAN,)), []),
    ("either", group("ANY", SAME_DAY, about=(WOMAN,)), [JUNE]),
    (
        "when the index event was",
        group("ALL", about=({"OccurrenceStartDate": {"Op": "lt", "Value": "2000-06-01"}},)),
        [MARCH],
    ),
    (
        "when it ended",
        group("ALL", about=({"OccurrenceEndDate": {"Op": "gte", "Value": "2000-09-11"}},)),
        [SEPTEMBER],
    ),
    ("nothing asked of the patient", group("ALL", about=({},)), ALL),
]


@pytest.mark.parametrize(("says", "additional", "expected"), GROUPS, ids=[case[0] for case in GROUPS])
def test_conditions_are_joined(says: str, additional: Json, expected: list[tuple[int, str]]):
    assert starts(asking(additional)) == expected


def test_a_related_event_may_have_conditions_of_its_own():
    """A drug whose own visit has the other drug; each inner index is the event of the outer condition."""
    with_other = {
        "DrugExposure": {
            "CodesetId": 2,
            "CorrelatedCriteria": group("ALL", related(OTHER_DRUG, window(0, 10))),
        }
    }
    alone = {
        "DrugExposure": {"CodesetId": 2, "CorrelatedCriteria": group("ALL", related(OTHER_DRUG, count=NONE))}
    }
    assert starts(asking(group("ALL", related(with_other)))) == [MARCH, JUNE, SEPTEMBER]
    assert starts(asking(group("ALL", related(alone)))) == [SECOND]
    counted = {"Type": 2, "Count": 1, "IsDistinct": True, "CountColumn": "START_DATE"}
    assert starts(asking(group("ALL", related(with_other, count=counted)))) == [MARCH, JUNE, SEPTEMBER]


def test_an_entry_event_may_have_conditions_of_its_own():
    entry = {"ConditionOccurrence": {"CorrelatedCriteria": group("ALL", SAME_DAY)}}
    assert starts(expression(entry)) == [JUNE]


PERIODS = """
    id | patient | start      | end
    1  | 1       | 2000-02-20 | 2000-05-31
    2  | 1       | 2000-06-01 | 2000-12-31
    3  | 2       | 2000-05-31 | 2000-12-31
"""


def test_only_what_is_observed_with_the_index_counts_unless_the_period_is_ignored():
    early = related(DRUG, ANY_TIME)
    assert starts(asking(group("ALL", early)), observation_period=PERIODS) == [MARCH]
    ignoring = related(DRUG, ANY_TIME, IgnoreObservationPeriod=True)
    assert starts(asking(group("ALL", ignoring)), observation_period=PERIODS) == ALL


def test_an_entry_event_needs_days_of_observation_before_and_after():
    assert starts(expression(ENTRY, before=10), observation_period=PERIODS) == [MARCH, SEPTEMBER]
    assert starts(expression(ENTRY, before=1), observation_period=PERIODS) == [MARCH, SEPTEMBER, SECOND]
    assert starts(expression(ENTRY, after=200), observation_period=PERIODS) == [JUNE, SECOND]


LIMITS: list[tuple[str, Json, list[tuple[int, str]]]] = [
    ("no limit", {}, ALL),
    ("entry", {"limit": "First"}, [MARCH, SECOND]),
    ("entry, last", {"limit": "last"}, [SEPTEMBER, SECOND]),
    ("a qualifying limit alone is none", {"QualifiedLimit": {"Type": "First"}}, ALL),
    (
        "beside no additional criteria too",
        {"QualifiedLimit": {"Type": "First"}, "AdditionalCriteria": None},
        ALL,
    ),
    (
        "beside an empty group it is one",
        {"QualifiedLimit": {"Type": "First"}, "AdditionalCriteria": EMPTY},
        [MARCH, SECOND],
    ),
    ("expression", {"ExpressionLimit": {"Type": "Last"}}, [SEPTEMBER, SECOND]),
    ("left out it is the first", {"ExpressionLimit": {}}, [MARCH, SECOND]),
]


@pytest.mark.parametrize(("says", "parts", "expected"), LIMITS, ids=[case[0] for case in LIMITS])
def test_a_limit_chooses_an_event_of_each_patient(says: str, parts: Json, expected: list[tuple[int, str]]):
    assert starts(expression(ENTRY, **parts)) == expected


def test_a_limit_that_is_left_out_altogether_is_the_first():
    whole = expression(ENTRY)
    without = {name: part for name, part in whole.items() if name != "ExpressionLimit"}
    assert starts(without) == [MARCH, SECOND]
    entry = {name: part for name, part in whole["PrimaryCriteria"].items() if name != "PrimaryCriteriaLimit"}
    assert starts({**whole, "PrimaryCriteria": entry}) == [MARCH, SECOND]


def test_limits_come_one_after_another():
    """The first diagnosis does not qualify, so a limit before and after the condition differ."""
    condition = group("ALL", BEFORE)
    assert starts(asking(condition, limit="First")) == []
    assert starts(asking(condition, QualifiedLimit={"Type": "First"})) == [JUNE]
    rule = {"name": "drug before", "expression": condition}
    assert starts(expression(ENTRY, InclusionRules=[rule], ExpressionLimit={"Type": "First"})) == [JUNE]


def test_every_inclusion_rule_must_hold_and_has_its_reason():
    rules = [{"name": "a drug before", "expression": group("ALL", BEFORE)}, {"name": "", "expression": EMPTY}]
    cohort = read(expression(ENTRY, InclusionRules=rules))
    assert [(rule.id, rule.reason.en) for rule in cohort.rules] == [
        ("1", "does not meet: a drug before"),
        ("2", "does not meet: 2"),
    ]
    assert starts(expression(ENTRY, InclusionRules=rules)) == [JUNE]


# -- exits ---------------------------------------------------------------------------------------------

CARE = """
    id | patient | code | source_code | start      | end
    1  | 1       | 1    | -           | 2000-02-01 | 2000-02-29
    2  | 1       | 9    | 1           | 2000-03-10 | 2000-03-31
    3  | 1       | 1    | -           | 2000-06-01 | 2000-06-30
    4  | 1       | 5    | -           | 2000-06-15 | 2000-06-20
"""
COURSE: Json = {"DrugExposure": {"CodesetId": 1}}
EXITS: list[tuple[str, Json, list[tuple[str, str]]]] = [
    ("the end of observation", {}, [("02-01", "12-31")]),
    (
        "days from the start",
        {"EndStrategy": {"DateOffset": {"DateField": "StartDate", "Offset": 10}}},
        [("02-01", "02-11"), ("06-01", "06-11")],
    ),
    (
        "days from the end",
        {"EndStrategy": {"DateOffset": {"DateField": "EndDate", "Offset": 10}}},
        [("02-01", "03-10"), ("06-01", "07-10")],
    ),
    (
        "not beyond observation",
        {"EndStrategy": {"DateOffset": {"DateField": "EndDate", "Offset": 999}}},
        [("02-01", "12-31")],
    ),
    (
        "an exit before the start is no stay",
        {"EndStrategy": {"DateOffset": {"DateField": "StartDate", "Offset": -1}}},
        [],
    ),
    (
        "continuous exposure",
        {"EndStrategy": {"CustomEra": {"DrugCodesetId": 1, "GapDays": 10, "Offset": 0}}},
        [("02-01", "03-31"), ("06-01", "06-30")],
    ),
    (
        "with a gap too long",
        {"EndStrategy": {"CustomEra": {"DrugCodesetId": 1, "GapDays": 9}}},
        [("02-01", "02-29"), ("06-01", "06-30")],
    ),
    (
        "and days after",
        {"EndStrategy": {"CustomEra": {"DrugCodesetId": 1, "GapDays": 9, "Offset": 1}}},
        [("02-01", "04-01"), ("06-01", "07-01")],
    ),
    (
        "each of so many days",
        {"EndStrategy": {"CustomEra": {"DrugCodesetId": 1, "DaysSupplyOverride": 5}}},
        [("02-01", "02-06"), ("06-01", "06-06")],
    ),
    (
        "exposure to something else",
        {"EndStrategy": {"CustomEra": {"DrugCodesetId": 5}}},
        [("02-01", "12-31")],
    ),
    ("a censoring event", {"CensoringCriteria": [{"DrugExposure": {"CodesetId": 5}}]}, [("02-01", "06-15")]),
    (
        "a censoring event of its own day",
        {"CensoringCriteria": [COURSE]},
        [("02-01", "02-01"), ("06-01", "06-01")],
    ),
    (
        "stays near each other are one",
        {
            "EndStrategy": {"DateOffset": {"Offset": 10}},
            "CollapseSettings": {"CollapseType": "ERA", "EraPad": 111},
        },
        [("02-01", "06-11")],
    ),
    (
        "one day too far",
        {
            "EndStrategy": {"DateOffset": {"Offset": 10}},
            "CollapseSettings": {"CollapseType": "ERA", "EraPad": 110},
        },
        [("02-01", "02-11"), ("06-01", "06-11")],
    ),
    (
        "cut to a calendar window",
        {"CensorWindow": {"StartDate": "2000-03-01", "EndDate": "2000-08-01"}},
        [("03-01", "08-01")],
    ),
    (
        "nothing left of a stay",
        {"EndStrategy": {"DateOffset": {"Offset": 10}}, "CensorWindow": {"StartDate": "2000-03-01"}},
        [("06-01", "06-11")],
    ),
]


@pytest.mark.parametrize(("says", "parts", "expected"), EXITS, ids=[case[0] for case in EXITS])
def test_a_stay_ends_with(says: str, parts: Json, expected: list[tuple[str, str]]):
    found = run(read(expression(COURSE, **parts)), omop(drug_exposure=CARE))
    assert [(start[5:], end[5:]) for _, start, end in found] == expected


def test_a_set_without_a_vocabulary_is_taken_as_it_stands():
    sets = [concept_set(1, 1, 9), concept_set(2, 9, isExcluded=True)]
    tables = omop(drug_exposure=CARE)
    assert patients(read({**expression(COURSE), "ConceptSets": sets}), tables) == [1]
    nothing = {"DrugExposure": {"CodesetId": 2}}
    assert patients(read({**expression(nothing), "ConceptSets": sets}), tables) == []
