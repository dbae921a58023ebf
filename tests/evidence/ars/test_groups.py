"""Analysis sets say who was analysed, in conditions that a program can apply; groupings say how results are divided."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from studies.dataset import build
from studies.evidence.ars import ArsFacts, reporting_event
from studies.evidence.twin import make_twin
from studies.protocol import ARMS, Restriction
from tests.evidence.ars import model
from tests.evidence.ars.events import (
    NAMES,
    event_of,
    event_with,
    every,
    results_of,
    row,
    stent,
    with_rows,
    written,
)
from tests.evidence.fixtures import small_inputs, small_lock
from tests.studies.rotterdam_lock import rotterdam_protocol

COMPARE = {
    "EQ": lambda column, value: column == _like(column, value[0]),
    "GT": lambda column, value: column > float(value[0]),
    "GE": lambda column, value: column >= float(value[0]),
    "LT": lambda column, value: column < float(value[0]),
    "LE": lambda column, value: column <= float(value[0]),
    "IN": lambda column, value: column.isin(value),
}


def _like(column: pd.Series, value: str):
    return value if column.dtype == object else float(value)


def chosen(clause, sets, frame: pd.DataFrame) -> pd.Series:
    """Which rows of the analysis table a where clause takes: a reader of the standard, written for these tests."""
    if "subClauseId" in clause:
        return chosen(sets[clause["subClauseId"]], sets, frame)
    if "condition" in clause:
        condition = clause["condition"]
        assert condition["dataset"] == "analysis"
        return COMPARE[condition["comparator"]](frame[condition["variable"]], condition["value"])
    kept = pd.Series(True, index=frame.index)
    if "compoundExpression" in clause:
        assert clause["compoundExpression"]["logicalOperator"] == "AND"
        for one in clause["compoundExpression"]["whereClauses"]:
            kept &= chosen(one, sets, frame)
    return kept


def sets_of(event) -> dict:
    return {one["id"]: one for one in event["analysisSets"]}


@pytest.mark.parametrize("which", ["rotterdam", "stent"])
def test_applying_the_conditions_of_a_set_gives_exactly_the_subjects_that_were_analysed(which):
    """Populations by their limits and levels, each arm of each population, and everybody."""
    if which == "rotterdam":
        frame, results = build(small_lock(), rotterdam_protocol()).frame, small_inputs().results
    else:
        protocol, results = stent()
        frame = build(make_twin(protocol), protocol).frame
    sets = sets_of(event_of(which))
    assert len(results.row_sets) >= 9
    for name, ids in results.row_sets.items():
        assert sorted(frame[chosen(sets[f"Set.{name}"], sets, frame)]["subject_id"]) == sorted(ids), name


@pytest.mark.parametrize("name", NAMES)
def test_every_set_of_results_and_every_population_is_listed_once_in_order(name):
    protocol, results = every()[name]
    sets = event_of(name)["analysisSets"]
    names = [one.id for one in protocol.populations]
    others = {*results.row_sets, *(one.row_set for one in results.rows if one.row_set)} - set(names)
    assert [one["id"] for one in sets] == [f"Set.{one}" for one in [*names, *sorted(others)]]
    assert [one["order"] for one in sets] == list(range(1, len(sets) + 1))
    assert all(one["level"] == 1 and one["name"] and one["label"] for one in sets)


@pytest.mark.parametrize("name", NAMES)
def test_a_clause_has_a_condition_or_a_compound_of_at_least_two_and_never_both(name):
    """The standard says so in words; its JSON schema does not hold it."""
    event = event_of(name)
    for one in model.of_class(event, "AnalysisSet", "Group", "WhereClause"):
        assert not ("condition" in one and "compoundExpression" in one)
    for one in model.of_class(event, "CompoundSetExpression"):
        assert len(one["whereClauses"]) >= 2
        assert [each["order"] for each in one["whereClauses"]] == list(range(1, len(one["whereClauses"]) + 1))
    for one in model.of_class(event, "WhereClauseCondition"):
        assert one["value"] and (len(one["value"]) == 1 or one["comparator"] == "IN")


def test_a_population_of_everybody_has_no_condition_and_says_so():
    everybody = sets_of(event_of("rotterdam"))["Set.all"]
    assert not {"condition", "compoundExpression"} & everybody.keys()
    assert everybody["description"] == "全部进入分析的受试者 / Everybody who was analysed"


def test_all_four_limits_and_a_list_of_levels_are_conditions():
    protocol, results = with_rows(row())
    restrictions = (
        Restriction("age", more_than=18.5, at_least=19, less_than=90, at_most=89.25),
        Restriction("frailty", one_of=("fit", "frail")),
    )
    population = replace(protocol.populations[0], restrictions=restrictions)
    changed = replace(protocol, populations=(population, *protocol.populations[1:]))
    event = written(reporting_event(results, changed, ArsFacts()))
    clauses = sets_of(event)["Set.all"]["compoundExpression"]["whereClauses"]
    said = [(one["condition"]["comparator"], one["condition"]["value"]) for one in clauses]
    numbers = {comparator: [float(one) for one in value] for comparator, value in said[:4]}
    assert numbers == {"GT": [18.5], "GE": [19.0], "LT": [90.0], "LE": [89.25]}
    assert said[4] == ("IN", ["fit", "frail"])


def test_a_limit_of_zero_is_a_limit():
    sets = sets_of(event_of("rotterdam"))
    condition = sets["Set.restricted"]["condition"]
    assert (condition["variable"], condition["comparator"]) == ("nodes", "GT")
    assert [float(one) for one in condition["value"]] == [0.0]


@pytest.mark.parametrize("name", ["other.exposed", "exposed", "all.late.comparator", "all/without_1", "某"])
def test_a_set_that_is_no_arm_of_a_known_population_claims_no_condition(name):
    """A condition that is too wide would name people as analysed who were not."""
    event = event_with(row(row_set=name))
    made = sets_of(event)[f"Set.{name}"]
    assert not {"condition", "compoundExpression"} & made.keys()
    assert name in made["name"] and name in made["label"]
    assert model.dangling(event) == []


def test_arms_are_two_fixed_groups_with_the_protocols_titles():
    protocol, _ = every()["rotterdam"]
    arms = next(one for one in event_of("rotterdam")["analysisGroupings"] if one["id"] == "Grp.arm")
    assert arms["dataDriven"] is False and arms["groupingVariable"] == protocol.exposure.name
    titles = [(one["name"], one["label"]) for one in arms["groups"]]
    assert titles == [
        (protocol.exposure.arm_title(arm).en, protocol.exposure.arm_title(arm).zh) for arm in ARMS
    ]
    assert [one["condition"]["value"] for one in arms["groups"]] == [["1"], ["0"]]


def test_each_covariate_with_levels_is_a_grouping_of_its_levels():
    protocol, _ = every()["rotterdam"]
    groupings = {one["id"]: one for one in event_of("rotterdam")["analysisGroupings"]}
    levelled = [one for one in protocol.covariates if one.levels]
    assert len(levelled) >= 2
    for covariate in levelled:
        groups = groupings[f"Grp.levels.{covariate.name}"]["groups"]
        assert [one["label"] for one in groups] == [level.title.zh for level in covariate.levels]
        assert [one["condition"]["value"] for one in groups] == [[level.id] for level in covariate.levels]


def test_a_data_driven_grouping_has_values_and_a_fixed_one_has_groups():
    """The standard: `groupId` is of a group that was defined, `groupValue` a value found in the data."""
    for name in NAMES:
        event = event_of(name)
        driven = {one["id"]: one["dataDriven"] for one in event["analysisGroupings"]}
        fixed = {
            each["id"]: one["id"] for one in event["analysisGroupings"] for each in one.get("groups", ())
        }
        for one in model.of_class(event, "ResultGroup"):
            if driven[one["groupingId"]]:
                assert one.keys() == {"groupingId", "groupValue"}
            else:
                assert fixed[one["groupId"]] == one["groupingId"]


def test_a_result_tells_arm_level_unit_and_set():
    event = event_with(row(group="exposed", variable="frailty.frail", unit="%", row_set="all.exposed"))
    groups = {
        one["groupingId"]: one.get("groupId", one.get("groupValue"))
        for one in results_of(event, "all.crude")[0]["resultGroups"]
    }
    assert groups == {
        "Grp.row": "all.crude.stent.hazard_ratio",
        "Grp.arm": "Grp.arm.exposed",
        "Grp.variable": "frailty.frail",
        "Grp.levels.frailty": "Grp.levels.frailty.frail",
        "Grp.unit": "%",
        "Grp.row_set": "Grp.row_set.all.exposed",
    }


def test_a_group_that_is_no_arm_is_kept_as_a_value():
    """A hospital, a level of a subgroup: whatever the analysis called it."""
    event = event_with(row(group="site-1 / 甲"))
    groups = results_of(event, "all.crude")[0]["resultGroups"]
    assert {"groupingId": "Grp.group", "groupValue": "site-1 / 甲"} in groups
    assert not any(one["groupingId"] == "Grp.arm" for one in groups)


def test_a_variable_that_only_looks_like_a_level_is_none():
    event = event_with(row(variable="frailty.unknown"), row("b", variable="frailty"))
    text = str(results_of(event, "all.crude"))
    assert "Grp.levels" not in text and re.search("'groupValue': 'frailty.unknown'", text)
