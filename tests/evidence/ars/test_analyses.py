"""Every analysis that the protocol plans is in the event: with its results, or with why there are none."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from studies.evidence.ars import ArsFacts, reporting_event
from studies.reasons import in_language
from studies.results import ResultSet
from tests.evidence.ars.events import (
    NAMES,
    event_of,
    event_with,
    every,
    results_of,
    row,
    valve_results,
    with_rows,
    written,
)
from tests.studies import valve

REASON = "没有结局事件 / No outcome event happened"


def analysis(event, id: str):
    return next(one for one in event["analyses"] if one["id"] == f"An.{id}")


def standing(results: ResultSet, planned: list[str]) -> list[str]:
    return list(dict.fromkeys(one.analysis for one in results.rows if one.analysis not in planned))


@pytest.mark.parametrize("name", NAMES)
def test_what_every_run_gives_comes_first_then_the_protocols_analyses_in_its_order(name):
    protocol, results = every()[name]
    planned = [one.id for one in protocol.analyses]
    expected = [f"An.{one}" for one in [*standing(results, planned), *planned]]
    assert [one["id"] for one in event_of(name)["analyses"]] == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_planned_analysis_has_results_or_its_reason_in_both_languages(name):
    protocol, results = every()[name]
    for planned in protocol.analyses:
        found = analysis(event_of(name), planned.id)
        has_rows = any(one.analysis == planned.id for one in results.rows)
        assert ("results" in found) == has_rows
        if planned.id in results.not_done:
            zh, en = (in_language(results.not_done[planned.id], language) for language in ("zh", "en"))
            assert found["description"] == f"未做：{zh} / Not done: {en}"
        elif not has_rows:
            assert planned.method == "forest" and "shows results of other analyses" in found["description"]


def test_of_an_empty_cohort_nothing_is_done_and_every_analysis_says_so():
    protocol, _ = every()["empty"]
    event = event_of("empty")
    for planned in protocol.analyses:
        assert "Not done:" in analysis(event, planned.id)["description"]
        assert "results" not in analysis(event, planned.id)
        assert "orderedGroupings" not in analysis(event, planned.id)


def test_a_part_that_is_not_done_is_named_where_it_belongs():
    """A hospital left out without an estimate, a cause-specific model: the rest of the analysis has results."""
    event = event_with(row(), not_done={"all.crude.without_2": REASON, "all.crude.hazards.x": REASON})
    text = analysis(event, "all.crude")["description"]
    assert text == (
        "其中 all.crude.without_2 未做：没有结局事件；其中 all.crude.hazards.x 未做：没有结局事件 / "
        "Not done of it, all.crude.without_2: No outcome event happened; "
        "Not done of it, all.crude.hazards.x: No outcome event happened"
    )
    assert "results" in analysis(event, "all.crude")
    assert "description" not in analysis(event, "all.adjusted")


def test_a_part_belongs_to_the_longest_id_that_it_starts_with():
    """`all.crude.late.x` is of `all.crude.late` where there is one; `all.crudest` is of neither."""
    protocol, results = with_rows(row(), not_done={"all.crude.late.x": REASON, "all.crudest": REASON})
    late = replace(protocol.analyses[0], id="all.crude.late")
    protocol = replace(protocol, analyses=(*protocol.analyses, late))
    event = written(reporting_event(results, protocol, ArsFacts()))
    assert "all.crude.late.x" in analysis(event, "all.crude.late")["description"]
    assert "description" not in analysis(event, "all.crude")


def test_reasons_beside_results_are_all_kept():
    """Every reason that ard.json gives can be read in the event."""
    for name in NAMES:
        _, results = every()[name]
        event = event_of(name)
        texts = " ".join(one.get("description", "") for one in event["analyses"])
        assert all(
            in_language(why, "en") in texts and in_language(why, "zh") in texts
            for why in results.not_done.values()
        )


def test_the_primary_analysis_is_the_primary_outcome_measure_and_a_sensitivity_analysis_is_none():
    protocol = valve.protocol()
    expected = {
        "primary": {"controlledTerm": "PRIMARY OUTCOME MEASURE"},
        "secondary": {"controlledTerm": "SECONDARY OUTCOME MEASURE"},
        "sensitivity": {"sponsorTermId": "Term.AnalysisPurposeEnum.sensitivity"},
        "descriptive": {"sponsorTermId": "Term.AnalysisPurposeEnum.descriptive"},
    }
    assert {one.role for one in protocol.analyses} == set(expected)
    for planned in protocol.analyses:
        assert analysis(event_of("valve"), planned.id)["purpose"] == expected[planned.role]
    assert analysis(event_of("valve"), "cohort")["purpose"] == expected["descriptive"]


def test_planned_analyses_are_specified_in_the_protocol_and_counts_of_every_run_are_not():
    """The overseas result is no analysis of these data: it stands in the protocol."""
    protocol, _ = every()["rotterdam"]
    reasons = {one["id"].removeprefix("An."): one["reason"] for one in event_of("rotterdam")["analyses"]}
    specified = {"controlledTerm": "SPECIFIED IN PROTOCOL"}
    assert all(reasons[one.id] == specified for one in protocol.analyses)
    assert reasons["overseas"] == specified
    for id in ("cohort", "attrition"):
        assert reasons[id] == {"sponsorTermId": "Term.AnalysisReasonEnum.every_run"}


def test_an_analysis_names_the_set_that_all_its_results_rest_on_else_its_population():
    """A criterion is about the exposed alone; a comparison about the population; counts have their own set."""
    event = event_of("valve")
    sets = {one["id"]: one.get("analysisSetId") for one in event["analyses"]}
    rests_on = {one.row_set for one in valve_results().rows if one.analysis == "all.criterion"}
    assert rests_on == {"all.exposed"} and sets["An.all.criterion"] == "Set.all.exposed"
    assert sets["An.all.kaplan_meier"] == "Set.all"
    assert sets["An.all.forest"] is None


def test_without_results_the_set_is_the_planned_population():
    event = event_with(not_done={"old.crude": REASON})
    assert analysis(event, "old.crude")["analysisSetId"] == "Set.old"


@pytest.mark.parametrize("name", NAMES)
def test_a_grouping_is_by_group_exactly_if_every_result_has_a_group_of_it(name):
    """The standard: a result has a group of each grouping that it is given separately for."""
    seen = 0
    for one in event_of(name)["analyses"]:
        listed = {each["groupingId"]: each["resultsByGroup"] for each in one.get("orderedGroupings", ())}
        assert [each["order"] for each in one.get("orderedGroupings", ())] == list(range(1, len(listed) + 1))
        having = [
            {each["groupingId"] for each in result["resultGroups"]} for result in one.get("results", ())
        ]
        assert set(listed) == set().union(*having)
        for id, by_group in listed.items():
            assert by_group == all(id in groups for groups in having)
            seen += 1
        assert listed.get("Grp.row", True)
    assert seen or name == "empty"


def test_each_row_has_one_value_and_its_parts_are_operations_beside_it():
    event = event_with(
        row(value=0.5, ci_low=0.25, ci_high=0.75, ci_level=0.95, n=100, events=7, warnings=("甲 / first",))
    )
    found = results_of(event, "all.crude")
    value = found[0]["operationId"]
    parts = [
        (one["operationId"].removeprefix(f"{value}."), one["rawValue"], one["formattedValue"])
        for one in found[1:]
    ]
    assert (found[0]["rawValue"], found[0]["formattedValue"]) == ("0.5", "0.50")
    assert parts == [
        ("n", "100", "100"),
        ("events", "7", "7"),
        ("ci_level", "0.95", "0.950"),
        ("ci_low", "0.25", "0.25"),
        ("ci_high", "0.75", "0.75"),
        ("note", "甲 / first", "first"),
    ]
    assert all(one["resultGroups"] == found[0]["resultGroups"] for one in found)


def test_a_missing_value_has_no_raw_value_and_says_how_it_is_missing():
    """The standard lets a raw value be left out; a word in its place would be read as a number that failed."""
    reached = row("a", None, statistic="median", warnings=("未达到 / not reached",))
    failed = row("b", None, warnings=("模型未收敛 / did not converge",))
    nothing = row("c", None)
    event = event_with(reached, failed, nothing)
    shown = {
        one["resultGroups"][0]["groupValue"]: (one.get("rawValue"), one["formattedValue"])
        for one in results_of(event, "all.crude")
        if not one["operationId"].endswith(".note")
    }
    assert shown == {"a": (None, "NR"), "b": (None, "NE"), "c": (None, "NA")}


def test_a_one_sided_limit_is_there_and_the_other_side_is_there_as_missing():
    event = event_with(row(ci_low=0.25, ci_level=0.975))
    limits = [one for one in results_of(event, "all.crude") if ".ci_" in one["operationId"]]
    shown = {one["operationId"].rpartition(".")[2]: one.get("rawValue") for one in limits}
    assert shown == {"ci_level": "0.975", "ci_low": "0.25", "ci_high": None}


def test_a_statistic_without_limits_has_no_operation_for_them():
    """Also a level alone, or a limit without its level, is kept as it is."""
    assert [one["operationId"].count(".") for one in results_of(event_with(row()), "all.crude")] == [3]
    unlevelled = results_of(event_with(row(ci_high=2.0)), "all.crude")
    assert [one["operationId"].rpartition(".")[2] for one in unlevelled[1:]] == ["ci_low", "ci_high"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_the_raw_value_rounded_to_the_operations_pattern(name):
    """X.XX is two decimals. Nothing is shown that the digits beside it do not say."""
    event = event_of(name)
    patterns = {
        one["id"]: one.get("resultPattern") for method in event["methods"] for one in method["operations"]
    }
    checked = 0
    for one in (result for each in event["analyses"] for result in each.get("results", ())):
        pattern, raw, shown = patterns[one["operationId"]], one.get("rawValue"), one["formattedValue"]
        if pattern is None or raw is None:
            continue
        places = len(pattern.partition(".")[2])
        if shown.startswith("<"):
            assert float(raw) < float(shown[1:])
            continue
        assert re.fullmatch(r"−?[0-9,]+" + (rf"\.[0-9]{{{places}}}" if places else ""), shown), (one, pattern)
        number = float(shown.replace(",", "").replace("−", "-"))
        assert abs(number - float(raw)) <= 0.5 * 10**-places * (1 + 1e-9), one
        checked += 1
    assert checked > (0 if name == "empty" else 300)


def test_words_are_shown_in_english_and_kept_whole():
    event = event_with(row(value="主要结果 / main result", statistic="claim"))
    found = results_of(event, "all.crude")[0]
    assert (found["rawValue"], found["formattedValue"]) == ("主要结果 / main result", "main result")


def test_every_analysis_has_its_methods_its_protocol_and_its_table():
    for name in NAMES:
        protocol, _ = every()[name]
        kinds = {one.id: one.method for one in protocol.analyses}
        for one in event_of(name)["analyses"]:
            id = one["id"].removeprefix("An.")
            assert one["methodId"] == f"Mth.{kinds.get(id, id)}"
            assert one["documentRefs"] == [{"referenceDocumentId": "Doc.protocol"}]
            assert one["dataset"] == "analysis"


def test_relationships_are_told_with_the_analysis_that_holds_the_result():
    """A limit rests on its estimate in the same analysis; where there is no limit there is nothing to tell."""
    event = event_with(row(ci_low=0.25, ci_high=0.75, ci_level=0.95), row("w", 2.0, analysis="all.weighted"))
    related = analysis(event, "all.crude")["referencedAnalysisOperations"]
    assert [one["analysisId"] for one in related] == ["An.all.crude"] * 2
    assert "referencedAnalysisOperations" not in analysis(event, "all.weighted")
