"""What of a run is open before unsealing: told by the policy, and by nothing that came out."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import get_args

import pytest

from rwd_platform.core.canonical import canonical_json
from studies.before_unsealing import diagnostics_of
from studies.planned import Method
from studies.protocol import load_protocol
from studies.results import ArdRow, ResultSet, Series
from studies.sealing import (
    _LEFT_OUT,
    load_policy,
    open_part,
    planned_methods,
    sealed_analyses,
)
from tests.evidence.fixtures import small_inputs

PLANNED = {
    "all.balance": "balance",
    "all.crude": "cox",
    "main.weighted": "cox",
    "main.overlap": "overlap",
    "main.follow_up": "follow_up",
    "main.curves": "kaplan_meier",
    "main.rank": "log_rank",
    "figure": "forest",
    "harm": "safety_counts",
    "tomorrow": "a_method_nobody_decided_about",
}
ESTIMATE = 0.6912345


def row(analysis: str, statistic: str, row_set: str = "all", **more: object) -> ArdRow:
    id = f"{analysis}.{statistic}"
    known = {"id": id, "analysis": analysis, "method": "m", "group": "exposed", "variable": "x"}
    return ArdRow(**{**known, "statistic": statistic, "value": ESTIMATE, "row_set": row_set, **more})  # type: ignore[arg-type]  # keywords of a table


def results(
    *rows: ArdRow, not_done: dict[str, str] | None = None, series: tuple[Series, ...] = ()
) -> ResultSet:
    sets = {one.row_set: ["s1", "s2"] for one in rows} | {one.row_set: ["s1"] for one in series}
    return ResultSet("demo", "0" * 64, "L-1", rows, series, sets, not_done or {})


def ids_of(found: ResultSet) -> list[str]:
    return [one.id for one in found.rows]


# -- the policy ------------------------------------------------------------------------------------------------------


def test_every_method_that_a_protocol_can_plan_has_its_line() -> None:
    """A new method is sealed until somebody says in the policy what of it is open, and why."""
    assert set(load_policy().methods) == set(get_args(Method))


def test_every_line_gives_its_reason_in_both_languages() -> None:
    policy = load_policy()
    for name, rule in [*policy.methods.items(), *policy.families.items(), *policy.always.items()]:
        assert rule.why.zh.endswith("。") and rule.why.en.endswith("."), name


def test_diagnostics_are_open_as_a_whole() -> None:
    """What has to be looked at before unsealing cannot itself be sealed."""
    found = {name: rule for name, rule in load_policy().methods.items() if rule.diagnostic}
    assert set(found) == {"balance", "overlap"}
    assert all(rule.opens_all for rule in found.values())


@pytest.mark.parametrize("method", ["safety", "safety_incidence", "adjudication_agreement", "completeness"])
def test_safety_adjudication_and_completeness_are_never_sealed(method: str) -> None:
    assert sealed_analyses({"x": method}) == ()
    events = row("x", "incidence", events=3)
    assert open_part(results(events), {"x": method}).rows == (events,)


def test_a_method_that_only_begins_like_safety_is_no_safety_method() -> None:
    assert sealed_analyses({"x": "safetynet"}) == ("x",)


# -- what is open ----------------------------------------------------------------------------------------------------


def test_estimates_tests_and_curves_are_sealed_and_diagnostics_are_not() -> None:
    whole = results(
        row("cohort", "subjects"), row("overseas", "hazard_ratio"), row("all.balance", "smd_weighted"),
        row("main.overlap", "area_under_curve"), row("all.crude", "hazard_ratio"), row("all.crude", "p_value"),
        row("main.curves", "median"), row("main.curves", "at_risk"), row("main.rank", "observed"),
        row("tomorrow", "estimate"), row("harm", "events"), row("nobody_planned_it", "hazard_ratio"),
        series=(
            Series("all.balance.love", "all.balance", ("a",), ((1,),), "all"),
            Series("figure.lines", "figure", ("a",), ((ESTIMATE,),), "all"),
            Series("main.curves.curve.exposed", "main.curves", ("a",), ((ESTIMATE,),), "all"),
        ),
    )  # fmt: skip
    found = open_part(whole, PLANNED)
    assert ids_of(found) == [
        "cohort.subjects",
        "overseas.hazard_ratio",
        "all.balance.smd_weighted",
        "main.overlap.area_under_curve",
        "harm.events",
    ]
    assert [one.id for one in found.series] == ["all.balance.love"]


def test_of_follow_up_people_and_time_are_open_without_their_events() -> None:
    """How many events an arm had stands beside its number of subjects too: that field waits with the rest."""
    names = ("subjects", "events", "person_years", "rate_per_100_person_years", "median_follow_up")
    whole = results(*(row("main.follow_up", name, n=40, events=17) for name in names))
    found = open_part(whole, PLANNED)
    assert ids_of(found) == ["main.follow_up.subjects", "main.follow_up.median_follow_up"]
    assert [(one.n, one.events) for one in found.rows] == [(40, None), (40, None)]


def test_of_a_cox_model_only_what_its_weights_are_worth_is_open() -> None:
    names = (
        "effective_sample_size",
        "largest_weight_share",
        "standard_error",
        "hazard_ratio",
        "log_likelihood",
    )
    whole = results(*(row("main.weighted", name) for name in names))
    assert ids_of(open_part(whole, PLANNED)) == [f"main.weighted.{name}" for name in names[:2]]


def test_of_a_single_arm_the_plan_is_open_and_neither_successes_nor_losses_are() -> None:
    """Before anybody has been followed to the horizon, whoever is not lost has failed."""
    names = (
        "subjects",
        "criterion",
        "power",
        "lost",
        "lost_share",
        "proportion",
        "bound",
        "verdict",
        "survival",
    )
    found = open_part(results(*(row("opc", name) for name in names)), {"opc": "performance_criterion"})
    assert [one.statistic for one in found.rows] == list(names[:3])


def test_why_a_sealed_analysis_could_not_be_done_is_sealed() -> None:
    """`no outcome event in this arm` is a result. What a diagnostic could not do is open."""
    why = {
        "all.crude": "no event",
        "all.crude.ph": "no test",
        "main.follow_up.exposed": "nobody",
        "all.balance.weights": "separation",
        "main.overlap": "separation",
        "nobody": "x",
    }
    assert open_part(results(not_done=why), PLANNED).not_done == {
        "all.balance.weights": "separation",
        "main.overlap": "separation",
    }


def test_a_reason_that_could_be_of_two_analyses_is_open_only_if_both_are() -> None:
    planned = {"a": "cox", "a.ph": "balance"}
    assert open_part(results(not_done={"a.ph": "no event"}), planned).not_done == {}


def test_a_plan_cannot_take_the_name_of_what_is_open() -> None:
    planned = {"attrition": "cox", "overseas": "cox"}
    whole = results(row("attrition", "hazard_ratio"), row("overseas", "hazard_ratio"))
    assert open_part(whole, planned).rows == ()


def test_what_waits_is_told_by_the_plan_and_not_by_what_came_out() -> None:
    """Whether an analysis gave a number is not seen either: the list is the same for a run that found nothing."""
    assert sealed_analyses(PLANNED) == (
        "all.crude", "main.weighted", "main.follow_up", "main.curves", "main.rank", "figure", "tomorrow",
    )  # fmt: skip


def test_a_set_of_people_that_only_sealed_results_name_is_not_counted_in_the_open() -> None:
    """Those who were event-free at a landmark would be such a set."""
    whole = results(row("all.balance", "subjects", "all"), row("main.curves", "survival", "free.at_365"))
    found = open_part(whole, PLANNED)
    assert set(found.row_sets) == {"all"} and "free.at_365" not in canonical_json(found.as_dict()).decode()


def test_a_field_that_rows_gain_later_is_left_out_of_half_open_rows() -> None:
    """Whoever adds one decides; and what is left out has a default to take its place."""
    kept = {one.name for one in fields(ArdRow)} - set(_LEFT_OUT)
    assert "events" in _LEFT_OUT and "value" in kept
    assert MISSING not in _LEFT_OUT.values()


def test_nothing_in_nothing_out() -> None:
    empty = ResultSet("demo", "0" * 64, "L-1", ())
    assert open_part(empty, {}) == empty and sealed_analyses({}) == ()


# -- a real run ------------------------------------------------------------------------------------------------------


def test_no_estimate_of_a_real_run_is_in_its_open_part() -> None:
    """Every value and limit of a sealed row is looked for in the text that is open.

    But for those that repeat a diagnostic: what a result's claim rests on.
    """
    inputs = small_inputs()
    planned = planned_methods(inputs.protocol)
    shown = canonical_json(open_part(inputs.results, planned).as_dict()).decode()
    open_ids = set(ids_of(open_part(inputs.results, planned)))
    sealed = [one for one in inputs.results.rows if one.id not in open_ids]
    diagnostics = {
        one.value for one in inputs.results.rows if planned.get(one.analysis) in ("balance", "overlap")
    }
    assert len(sealed) > 20
    for one in sealed:
        assert f'"{one.id}"' not in shown
        for number in (one.value, one.ci_low, one.ci_high):
            if isinstance(number, float) and len(repr(number)) > 6 and number not in diagnostics:
                assert json.dumps(number) not in shown, one.id
    for one in open_part(inputs.results, planned).rows:
        assert one.events is None or one.analysis == "overseas"


def test_rows_keep_their_order_and_the_open_part_is_read_again_as_it_was() -> None:
    inputs = small_inputs()
    found = open_part(inputs.results, planned_methods(inputs.protocol))
    order = ids_of(inputs.results)
    assert ids_of(found) == sorted(ids_of(found), key=order.index)
    stored = json.loads(canonical_json(found.as_dict()))
    assert canonical_json(ResultSet.from_dict(stored, found.row_sets).as_dict()) == canonical_json(stored)


# -- what the second person looks at ---------------------------------------------------------------------------------


def test_a_diagnostic_is_told_in_its_largest_differences_sizes_and_warnings() -> None:
    whole = results(
        replace(row("all.balance", "smd_unweighted"), value=-0.4, warnings=("不平衡 / imbalance",)),
        replace(row("all.balance", "smd_unweighted"), value=0.3, warnings=("不平衡 / imbalance",)),
        replace(row("all.balance", "smd_weighted"), value=None),
        replace(row("all.balance", "effective_sample_size"), value=31.5),
    )
    found, overlap = diagnostics_of(whole, PLANNED)
    assert (found.largest_before, found.largest_after, found.effective) == (0.4, None, {"exposed": 31.5})
    assert found.warnings == ("不平衡 / imbalance",) and found.rows == 4 and found.is_there
    assert (found.separation, found.equipoise) == (None, None)
    assert not overlap.is_there and overlap.as_dict()["warnings"] == []


def test_a_diagnostic_with_a_reason_is_there() -> None:
    balance, overlap = diagnostics_of(
        results(not_done={"all.balance": "x / y", "main.overlap": "x / y"}), PLANNED
    )
    assert balance.is_there and overlap.reason == "x / y"


def test_the_demo_protocol_plans_diagnostics_and_seals_its_estimates() -> None:
    path = Path(__file__).parents[2] / "studies/protocols/rotterdam.yaml"
    planned = planned_methods(load_protocol(path.read_text("utf-8")))
    sealed = sealed_analyses(planned)
    assert set(sealed) == {id for id, method in planned.items() if method not in ("balance", "overlap")}
