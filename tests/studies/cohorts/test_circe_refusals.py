"""What cannot be said exactly is refused by name, with its place, and all of it at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from studies.cohorts.circe import REASONS, EveryConcept, Refusal, read_circe, survey
from tests.studies.cohorts.circe_cases import SETS, Json, concept_set, expression, group, related

ENTRY: Json = {"ConditionOccurrence": {"CodesetId": 1}}
WHERE = "$.PrimaryCriteria.CriteriaList[0]"


def refused(text: str) -> tuple[Refusal, ...]:
    with pytest.raises(PlatformError) as caught:
        read_circe(text, None, "case")
    assert caught.value.code in ("circe.refused", "circe.not_json")
    found: tuple[Refusal, ...] = caught.value.details["refusals"]
    return found


def entry(kind: str, **body: Any) -> Json:
    return expression({kind: body})


def additional(criterion: Json) -> Json:
    return expression(ENTRY, AdditionalCriteria=group("ALL", criterion))


def counted(**occurrence: Any) -> Json:
    return additional(related(ENTRY, count=occurrence))


def without(definition: Json, name: str) -> Json:
    return {key: value for key, value in definition.items() if key != name}


IN_GROUP = "$.AdditionalCriteria.CriteriaList[0]"
CASES: list[tuple[Json, str, str, str]] = [
    ({**expression(ENTRY), "Extra": 1}, "$.Extra", "Extra", "unknown"),
    (
        entry("ConditionOccurrence", Severity=1),
        f"{WHERE}.ConditionOccurrence.Severity",
        "Severity",
        "unknown",
    ),
    (entry("Death", First=True), f"{WHERE}.Death.First", "First", "unknown"),
    (entry("Visit"), f"{WHERE}.Visit", "Visit", "unknown"),
    (expression({}), WHERE, "CriteriaList", "one_of"),
    (expression({**ENTRY, "Death": {}}), WHERE, "CriteriaList", "one_of"),
    (expression(), "$.PrimaryCriteria", "CriteriaList", "no_entry"),
    (without(expression(ENTRY), "PrimaryCriteria"), "$", "PrimaryCriteria", "missing"),
    (
        entry("ConditionOccurrence", CodesetId=77),
        f"{WHERE}.ConditionOccurrence.CodesetId",
        "CodesetId",
        "no_set",
    ),
    (
        {**expression(ENTRY), "ConceptSets": [*SETS, concept_set(1, 5)]},
        "$.ConceptSets[9].id",
        "id",
        "two_sets",
    ),
    (
        {**expression(ENTRY), "ConceptSets": [concept_set(1, 1, includeDescendants=True)]},
        "$.ConceptSets[0]",
        "set 1",
        "needs_vocabulary",
    ),
    (
        {**expression(ENTRY), "ConceptSets": [concept_set(1, 1, includeMapped=True)]},
        "$.ConceptSets[0]",
        "set 1",
        "needs_vocabulary",
    ),
    (entry("ConditionOccurrence", Age={"Op": "gt"}), f"{WHERE}.ConditionOccurrence.Age", "Age", "missing"),
    (
        entry("ConditionOccurrence", Age={"Op": "bt", "Value": 1}),
        f"{WHERE}.ConditionOccurrence.Age",
        "Extent",
        "missing",
    ),
    (
        entry("ConditionOccurrence", Age={"Op": "about", "Value": 1}),
        f"{WHERE}.ConditionOccurrence.Age.Op",
        "Op",
        "unknown_value",
    ),
    (
        entry("ConditionOccurrence", Age={"Op": "gt", "Value": "many"}),
        f"{WHERE}.ConditionOccurrence.Age.Value",
        "Value",
        "wrong_type",
    ),
    (entry("ConditionOccurrence", First="yes"), f"{WHERE}.ConditionOccurrence.First", "First", "wrong_type"),
    (
        entry("ConditionOccurrence", Gender={"CONCEPT_ID": 1}),
        f"{WHERE}.ConditionOccurrence.Gender",
        "Gender",
        "wrong_type",
    ),
    (
        entry("ConditionOccurrence", Gender=[{}]),
        f"{WHERE}.ConditionOccurrence.Gender[0]",
        "CONCEPT_ID",
        "missing",
    ),
    (
        entry("ConditionOccurrence", OccurrenceStartDate={"Op": "gt", "Value": "2000-02-30"}),
        f"{WHERE}.ConditionOccurrence.OccurrenceStartDate.Value",
        "Value",
        "not_a_date",
    ),
    (
        entry("ConditionOccurrence", StopReason={"Op": "contains", "Text": "50%"}),
        f"{WHERE}.ConditionOccurrence.StopReason.Text",
        "Text",
        "wildcard",
    ),
    (
        entry("ConditionOccurrence", StopReason={"Op": "contains"}),
        f"{WHERE}.ConditionOccurrence.StopReason",
        "StopReason",
        "missing",
    ),
    (entry("LocationRegion", CodesetId=1), f"{WHERE}.LocationRegion", "LocationRegion", "location"),
    (
        entry("VisitOccurrence", PlaceOfServiceLocation=1),
        f"{WHERE}.VisitOccurrence.PlaceOfServiceLocation",
        "PlaceOfServiceLocation",
        "location",
    ),
    (entry("DrugEra", GapDays={"Op": "gt", "Value": 1}), f"{WHERE}.DrugEra.GapDays", "GapDays", "gap_days"),
    (
        entry("Specimen", SpecimenSourceConcept=1),
        f"{WHERE}.Specimen.SpecimenSourceConcept",
        "SpecimenSourceConcept",
        "ignored",
    ),
    (entry("Specimen", DateAdjustment={}), f"{WHERE}.Specimen.DateAdjustment", "DateAdjustment", "ignored"),
    (
        expression(ENTRY, AdditionalCriteria=group("ALL", about=({"RaceCS": {"CodesetId": 1}},))),
        "$.AdditionalCriteria.DemographicCriteriaList[0].RaceCS",
        "RaceCS",
        "gender_column",
    ),
    (
        expression(ENTRY, AdditionalCriteria=group("NONE", related(ENTRY))),
        "$.AdditionalCriteria.Type",
        "Type",
        "unknown_value",
    ),
    (
        expression(ENTRY, AdditionalCriteria=group("AT_LEAST", related(ENTRY))),
        "$.AdditionalCriteria",
        "Count",
        "missing",
    ),
    (counted(Type=3, Count=1), f"{IN_GROUP}.Occurrence.Type", "Type", "unknown_value"),
    (counted(Type=1, Count=-1), f"{IN_GROUP}.Occurrence.Count", "Count", "negative"),
    (counted(Type=2), f"{IN_GROUP}.Occurrence", "Count", "missing"),
    (
        counted(Type=2, Count=1, IsDistinct=True, CountColumn="QUANTITY"),
        f"{IN_GROUP}.Occurrence.CountColumn",
        "QUANTITY",
        "count_column",
    ),
    (
        counted(Type=2, Count=1, IsDistinct=True, CountColumn="COLOUR"),
        f"{IN_GROUP}.Occurrence.CountColumn",
        "CountColumn",
        "unknown_value",
    ),
    (additional(without(related(ENTRY), "StartWindow")), IN_GROUP, "StartWindow", "missing"),
    (additional(related(ENTRY, {"Start": {"Coeff": -1}})), f"{IN_GROUP}.StartWindow", "End", "missing"),
    (
        additional(related(ENTRY, {"Start": {"Coeff": -2}, "End": {"Coeff": 1}})),
        f"{IN_GROUP}.StartWindow.Start.Coeff",
        "Coeff",
        "unknown_value",
    ),
    (
        expression(ENTRY, before=10**7),
        "$.PrimaryCriteria.ObservationWindow.PriorDays",
        "PriorDays",
        "too_many_days",
    ),
    (counted(Type=2, Count=10**30), f"{IN_GROUP}.Occurrence.Count", "Count", "wrong_type"),
    (
        expression(ENTRY, limit="Second"),
        "$.PrimaryCriteria.PrimaryCriteriaLimit.Type",
        "Type",
        "unknown_value",
    ),
    (expression(ENTRY, EndStrategy={}), "$.EndStrategy", "EndStrategy", "one_of"),
    (expression(ENTRY, EndStrategy={"Never": {}}), "$.EndStrategy.Never", "Never", "unknown"),
    (
        expression(ENTRY, EndStrategy={"CustomEra": {"GapDays": 1}}),
        "$.EndStrategy.CustomEra",
        "DrugCodesetId",
        "missing",
    ),
    (
        expression(ENTRY, EndStrategy={"DateOffset": {"Offset": 1.5}}),
        "$.EndStrategy.DateOffset.Offset",
        "Offset",
        "wrong_type",
    ),
    (
        expression(ENTRY, CollapseSettings={"CollapseType": "DAY"}),
        "$.CollapseSettings.CollapseType",
        "CollapseType",
        "unknown_value",
    ),
    (
        expression(ENTRY, CensorWindow={"StartDate": ""}),
        "$.CensorWindow.StartDate",
        "StartDate",
        "not_a_date",
    ),
    (expression(ENTRY, InclusionRules=[{"name": "empty"}]), "$.InclusionRules[0]", "expression", "missing"),
    (expression(ENTRY, cdmVersionRange=">=6.0.0"), "$.cdmVersionRange", "cdmVersionRange", "cdm_version"),
    (
        expression(
            {"ObservationPeriod": {"UserDefinedPeriod": {"StartDate": "2000-01-01"}}}, ENTRY, limit="First"
        ),
        "$.PrimaryCriteria",
        "UserDefinedPeriod",
        "sort_date",
    ),
]


@pytest.mark.parametrize(
    ("definition", "path", "element", "reason"), CASES, ids=[f"{case[2]} {case[3]}" for case in CASES]
)
def test_a_part_is_refused_where_it_stands(definition: Json, path: str, element: str, reason: str):
    assert Refusal(path, element, reason) in refused(json.dumps(definition))


def test_every_reason_is_met_by_a_case_and_said_in_both_languages():
    met = {reason for _, _, _, reason in CASES} | {"malformed", "duplicate_key"}
    assert met == set(REASONS)
    assert all(text.zh and text.en and text.zh != text.en for text in REASONS.values())


def test_all_refusals_come_at_once_and_are_named_in_both_languages():
    definition = expression(
        {"ConditionOccurrence": {"CodesetId": 77, "Colour": 1}}, EndStrategy={"CustomEra": {}}, Extra=None
    )
    with pytest.raises(PlatformError) as caught:
        read_circe(json.dumps(definition), None, "asthma")
    assert {one.element for one in caught.value.details["refusals"]} == {
        "CodesetId",
        "Colour",
        "DrugCodesetId",
        "Extra",
    }
    assert (
        "$.PrimaryCriteria.CriteriaList[0].ConditionOccurrence.Colour (Colour): Circe has no"
        in caught.value.en
    )
    assert "共有 4 处无法原样表达" in caught.value.zh


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("not json", "malformed"),
        ('{"PrimaryCriteria": NaN}', "malformed"),
        ("[" * 100_000, "malformed"),
        ("[]", "wrong_type"),
        ("null", "wrong_type"),
        ('{"ConceptSets": [], "ConceptSets": []}', "duplicate_key"),
        ('{"expression": "{", "id": 1}', "malformed"),
    ],
)
def test_text_that_is_no_definition_is_refused(text: str, reason: str):
    assert [one.reason for one in refused(text) if one.element != "PrimaryCriteria"] == [reason]


def test_whatever_is_put_in_the_place_of_a_part_is_read_or_refused_and_never_breaks():
    """Each part of a definition in turn gives way to each kind of JSON value."""
    criterion = related(
        {"Measurement": {"ValueAsNumber": {"Op": "gt", "Value": 1}, "Gender": [{"CONCEPT_ID": 1}]}}
    )
    whole = expression(
        {
            "DrugExposure": {
                "CodesetId": 1,
                "StopReason": {"Op": "contains", "Text": "x"},
                "DateAdjustment": {},
            }
        },
        {
            "ObservationPeriod": {
                "UserDefinedPeriod": {"StartDate": "2000-01-01"},
                "PeriodTypeCS": {"CodesetId": 1},
            }
        },
        AdditionalCriteria=group("AT_LEAST", criterion, about=({"Age": {"Op": "gt", "Value": 1}},), Count=1),
        InclusionRules=[{"name": "rule", "expression": group("ALL")}],
        EndStrategy={"CustomEra": {"DrugCodesetId": 1, "GapDays": 1}},
        CensoringCriteria=[ENTRY],
        CollapseSettings={"CollapseType": "ERA", "EraPad": 1},
        CensorWindow={"StartDate": "2000-01-01"},
    )
    hostile = (
        None,
        True,
        0,
        -1,
        1.5,
        1e300,
        10**40,
        "",
        "x",
        "9" * 400,
        [],
        [None],
        [[]],
        {},
        {"": None},
        {"Type": []},
    )
    places = list(inner_places(whole))
    assert len(places) > 100
    for place in places:
        for value in hostile:
            try:
                read_circe(json.dumps(replaced(whole, place, value)), EveryConcept(), "case")
            except PlatformError as error:
                assert error.details["refusals"]


def inner_places(value: Any) -> Iterator[tuple[str | int, ...]]:
    """The ways to every part of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (key,)
        yield from ((key, *rest) for rest in inner_places(inner))


def replaced(value: Any, place: tuple[str | int, ...], by: Any) -> Any:
    if not place:
        return by
    key, *rest = place
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(value[key], tuple(rest), by)
    return copy


def test_what_atlas_wraps_around_an_expression_is_taken_off():
    inner = expression(ENTRY)
    plain = read_circe(json.dumps(inner), None, "case")
    for wrapped in ({"id": 1, "name": "x", "expression": inner}, {"expression": json.dumps(inner)}):
        assert read_circe(json.dumps(wrapped), None, "case") == plain


def test_a_survey_counts_definitions_and_reasons():
    definitions = [
        ("good", json.dumps(expression(ENTRY))),
        ("two reasons", json.dumps({**entry("LocationRegion"), "Extra": 1})),
        (
            "one reason twice",
            json.dumps({**expression(ENTRY, {"LocationRegion": {}}, {"LocationRegion": {}})}),
        ),
    ]
    found = survey(definitions)
    assert (found.imported, found.refused) == (1, 2)
    assert found.reasons == {("location", "LocationRegion"): 2, ("unknown", "Extra"): 1}
    assert found.examples[("location", "LocationRegion")] == "two reasons"
    assert found.table("en").splitlines()[1] == "imported\t1\t33.3 %"
    assert found.table("zh").splitlines()[0] == "定义总数\t3"


def test_a_survey_treats_every_concept_set_as_expandable():
    sets = [concept_set(1, 1, includeDescendants=True, includeMapped=True)]
    text = json.dumps({**expression(ENTRY), "ConceptSets": sets})
    assert survey([("one", text)]).imported == 1
    [wanted] = read_circe(text, EveryConcept(), "one").entry.events
    assert wanted.codes[0].codes.pairs == {("", "1")}
