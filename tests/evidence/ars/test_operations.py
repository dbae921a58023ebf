"""Methods and operations: one operation a statistic, its limits and counts beside it, each related to its value."""

from __future__ import annotations

import pytest

from studies.evidence.ars.operations import LIMITS, NUMERATORS, Method
from tests.evidence.ars import model
from tests.evidence.ars.events import NAMES, event_of, event_with, every, row


def operations(event) -> dict:
    return {one["id"]: one for method in event["methods"] for one in method["operations"]}


def relations(event) -> list[tuple[str, str, dict]]:
    return [
        (id, relation["operationId"], relation["referencedOperationRole"])
        for id, one in operations(event).items()
        for relation in one.get("referencedOperationRelationships", ())
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_of_analysis_is_one_method_with_operations_in_order(name):
    """The standard asks for at least one operation, also of a method that gave no result."""
    protocol, results = every()[name]
    planned = {one.id: one.method for one in protocol.analyses}
    kinds = {f"Mth.{one}" for one in planned.values()}
    kinds |= {f"Mth.{one.analysis}" for one in results.rows if one.analysis not in planned}
    methods = event_of(name)["methods"]
    assert {one["id"] for one in methods} == kinds and len(methods) == len(kinds)
    for one in methods:
        assert [each["order"] for each in one["operations"]] == list(range(1, len(one["operations"]) + 1))
        assert one["operations"]


@pytest.mark.parametrize("name", NAMES)
def test_an_analysis_uses_operations_of_its_own_method(name):
    owner = {one["id"]: method["id"] for method in event_of(name)["methods"] for one in method["operations"]}
    for one in event_of(name)["analyses"]:
        assert {owner[result["operationId"]] for result in one.get("results", ())} <= {one["methodId"]}


def test_one_statistic_made_in_two_ways_is_two_operations():
    """The words of the method tell them apart: a reader never sees two kinds of number under one operation."""
    event = event_with(row("a"), row("b", method="Cox, robust errors"), row("c"))
    found = [one for one in operations(event).values() if one["id"].startswith("Op.cox.hazard_ratio.")]
    assert sorted(one["description"] for one in found) == ["Cox, Efron ties", "Cox, robust errors"]


def test_a_statistic_that_is_a_word_in_one_row_and_a_number_in_another_is_two_operations():
    event = event_with(row("a", 12, statistic="turns_at"), row("b", "never", statistic="turns_at"))
    number, word = (one for one in operations(event).values() if ".turns_at." in one["id"])
    assert number["resultPattern"] == "X" and "resultPattern" not in word
    assert word["id"] == f"{number['id']}.text"


@pytest.mark.parametrize("name", ["rotterdam", "valve", "stent"])
def test_both_limits_are_related_to_their_estimate(name):
    role = {"sponsorTermId": "Term.OperationRoleEnum.estimate"}
    related = relations(event_of(name))
    limits = [id for id in operations(event_of(name)) if id.rpartition(".")[2] in LIMITS]
    assert len(limits) > 3
    assert all((id, id.rpartition(".")[0], role) in related for id in limits)


def test_a_percentage_is_related_to_its_numerator_and_its_denominator():
    """As the standard has it: the dividend and the divisor are results of operations of the same method."""
    assert set(NUMERATORS) == {"percent", "affected_percent"}
    counted = row("a", 5, statistic="subjects", n=10, method="counts")
    share = row("b", 50.0, statistic="percent", n=10, method="counts", unit="%")
    event = event_with(counted, share)
    percent = next(id for id in operations(event) if ".percent." in id and id.count(".") == 3)
    found = {to: role for of, to, role in relations(event) if of == percent}
    assert found == {
        percent.replace(".percent.", ".subjects."): {"controlledTerm": "NUMERATOR"},
        f"{percent}.n": {"controlledTerm": "DENOMINATOR"},
    }


def test_the_numerator_over_the_denominator_is_the_percentage_in_real_results():
    """What the relationship claims is so: of the same arm and level, 100 x numerator / denominator."""
    checked = 0
    for name, statistic, counted in (
        ("rotterdam", "percent", "subjects"),
        ("valve", "affected_percent", "affected"),
    ):
        _, results = every()[name]
        numerators = {
            (one.analysis, one.group, one.variable, one.id.rpartition(".")[0]): one
            for one in results.rows
            if one.statistic == counted
        }
        for one in results.rows:
            key = (one.analysis, one.group, one.variable, one.id.rpartition(".")[0])
            if one.statistic == statistic and key in numerators and one.n:
                assert one.value == pytest.approx(100 * numerators[key].value / one.n)
                checked += 1
    assert checked > 20


def test_a_relationship_whose_other_side_is_not_there_is_left_out():
    """A share without its count has no numerator to point to, and without n no denominator."""
    event = event_with(row("b", 50.0, statistic="percent", method="counts"))
    assert relations(event) == [] and model.dangling(event) == []


def test_a_method_that_gave_nothing_has_one_operation_that_says_so():
    made = Method("forest")
    made.nothing()
    made.nothing()
    (only,) = made.as_dict()["operations"]
    assert only["id"] == "Op.forest.none" and "resultPattern" not in only
    assert only["name"] and only["label"]


def test_the_pattern_of_a_limit_is_that_of_its_value():
    event = event_with(row(ci_low=0.25, ci_high=0.75, ci_level=0.95, n=3))
    patterns = {
        id.rpartition(".")[2]: one["resultPattern"]
        for id, one in operations(event).items()
        if id.count(".") > 3
    }
    assert patterns == {"n": "X", "ci_level": "X.XXX", "ci_low": "X.XX", "ci_high": "X.XX"}


@pytest.mark.parametrize("name", NAMES)
def test_operations_are_named_in_both_languages(name):
    for one in operations(event_of(name)).values():
        assert one["name"].isascii() and one["label"], one
    parts = [one for id, one in operations(event_of(name)).items() if id.endswith(".ci_low")]
    assert all(one["name"].endswith(": lower confidence limit") for one in parts)
