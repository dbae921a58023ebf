"""Gates and claim levels: what a result is called, never whether it is shown."""

from __future__ import annotations

import dataclasses

import pytest

from rwd_platform.core.text import Bilingual
from studies.claim_gates import GATES, Judged
from studies.claims import LEVELS, after_unsealing, claim_rows, claim_rules
from studies.planned import PlannedAnalysis
from studies.planned_reader import FIELDS
from studies.protocol import Protocol
from studies.results import ArdRow
from tests.studies.valve import protocol

TITLE = Bilingual("题", "Title")
PROTOCOL = protocol()
COVARIATES = ("age", "ejection", "diabetes")


def row(id: str, value: object, statistic: str = "", **more: object) -> ArdRow:
    analysis = ".".join(id.split(".")[:2])
    return ArdRow(
        id=id,
        analysis=analysis,
        method="m",
        group="",
        variable="",
        statistic=statistic or id.rpartition(".")[2],
        value=value,
        **more,  # type: ignore[arg-type]  # a test's shorthand
    )


def planned(method: str, **more: object) -> PlannedAnalysis:
    return PlannedAnalysis("all.one", method, TITLE, population="all", **more)  # type: ignore[arg-type]  # shorthand


def with_analyses(*analyses: PlannedAnalysis, **changes: object) -> Protocol:
    return dataclasses.replace(PROTOCOL, analyses=analyses, **changes)


def found(name: str, analysis: PlannedAnalysis, *rows: ArdRow, protocol: Protocol | None = None):
    of = protocol or with_analyses(analysis)
    return GATES[name](Judged(of, analysis, {one.id: one for one in rows}, {}))


WEIGHTED = planned("cox", covariates=COVARIATES, weights="att")
ADJUSTED = planned("cox", covariates=COVARIATES)
CRUDE = planned("cox")


def test_every_gate_and_method_of_the_rules_exists():
    rules = claim_rules()
    assert set(rules.gates) == set(GATES)
    assert set(rules.by_method) <= set(FIELDS)
    for gates in rules.by_method.values():
        assert set(gates) <= set(rules.gates)
    for gate in rules.gates.values():
        assert {gate.failed, gate.not_evaluated} <= set(LEVELS) - {"confirmatory"}
        assert gate.title.zh and gate.about.zh and gate.about.en


@pytest.mark.parametrize(
    ("known", "status"),
    [("no", "passed"), ("yes", "failed"), ("aggregate", "failed"), (None, "not_evaluated")],
)
def test_what_the_authors_knew_decides_the_gate_of_knowledge(known, status):
    of = with_analyses(CRUDE, outcomes_known=known)
    assert found("knowledge", CRUDE, protocol=of).status == status


def test_only_the_primary_analysis_passes_the_gate_of_roles():
    assert found("role", dataclasses.replace(CRUDE, role="primary")).status == "passed"
    assert found("role", CRUDE).status == "failed"


def test_a_crude_comparison_does_not_control():
    assert found("control", CRUDE).status == "failed"
    assert found("control", ADJUSTED).status == "passed"
    assert found("control", planned("rmst")).status == "failed"


def test_balance_is_read_from_the_balance_with_the_same_weights():
    plan = PlannedAnalysis("all.balance", "balance", TITLE, "all", COVARIATES, "att")
    of = with_analyses(plan, WEIGHTED)
    rows = [
        row("all.balance.age.smd_weighted", -0.12),
        row("all.balance.x.smd_weighted", 0.05),
        row("all.balance.smd_limit", 0.1),
    ]
    seen = found("balance", WEIGHTED, *rows, protocol=of)
    assert (seen.status, seen.measured, seen.limit) == ("failed", 0.12, 0.1)
    wide = [*rows[:2], row("all.balance.smd_limit", 0.2)]
    assert found("balance", WEIGHTED, *wide, protocol=of).status == "passed"


def test_a_balance_with_other_weights_or_fewer_covariates_is_not_looked_at():
    for other in (
        PlannedAnalysis("all.balance", "balance", TITLE, "all", COVARIATES, "overlap"),
        PlannedAnalysis("all.balance", "balance", TITLE, "all", COVARIATES[:1], "att"),
        # More covariates make another score, and so other weights.
        PlannedAnalysis("all.balance", "balance", TITLE, "all", (*COVARIATES, "sex"), "att"),
        PlannedAnalysis("all.balance", "balance", TITLE, "some", COVARIATES, "att"),
    ):
        rows = [row("all.balance.age.smd_weighted", 0.0), row("all.balance.smd_limit", 0.1)]
        seen = found("balance", WEIGHTED, *rows, protocol=with_analyses(other, WEIGHTED))
        assert seen.status == "not_evaluated"
    assert found("balance", ADJUSTED) is None  # nothing is weighted: the gate has no meaning


def test_overlap_is_asked_of_whatever_controls():
    plan = PlannedAnalysis("all.overlap", "overlap", TITLE, "all", COVARIATES)
    of = with_analyses(plan, ADJUSTED)
    for share, status in ((0.49, "failed"), (0.5, "passed")):
        assert (
            found("overlap", ADJUSTED, row("all.overlap.equipoise_share", share), protocol=of).status
            == status
        )
    assert found("overlap", ADJUSTED).status == "not_evaluated"
    silent = dataclasses.replace(PROTOCOL.diagnostics, smallest_equipoise=None)
    quiet = with_analyses(plan, ADJUSTED, diagnostics=silent)
    assert (
        found("overlap", ADJUSTED, row("all.overlap.equipoise_share", 1.0), protocol=quiet).status
        == "not_evaluated"
    )
    assert found("overlap", CRUDE) is None


@pytest.mark.parametrize(
    "other",
    [
        PlannedAnalysis("all.overlap", "overlap", TITLE, "some", COVARIATES),
        PlannedAnalysis("all.overlap", "overlap", TITLE, "all", COVARIATES[:2]),
        PlannedAnalysis("all.overlap", "overlap", TITLE, "all", (*COVARIATES, "sex")),
    ],
    ids=["another population", "fewer covariates", "more covariates"],
)
def test_an_overlap_of_others_says_nothing_of_this_result(other):
    of = with_analyses(other, ADJUSTED)
    seen = found("overlap", ADJUSTED, row("all.overlap.equipoise_share", 1.0), protocol=of)
    assert seen.status == "not_evaluated"


def test_the_smaller_effective_sample_and_the_heavier_arm_count():
    sizes = [
        row("all.one.exposed.effective_sample_size", 60.0),
        row("all.one.comparator.effective_sample_size", 29.0),
    ]
    seen = found("effective_sample", WEIGHTED, *sizes)
    assert (seen.status, seen.measured, seen.limit) == ("failed", 29.0, 30)
    assert found("effective_sample", WEIGHTED, sizes[0]).status == "not_evaluated"
    heavy = [
        row("all.one.exposed.largest_weight_share", 0.02),
        row("all.one.comparator.largest_weight_share", 0.11),
    ]
    assert found("weights", WEIGHTED, *heavy).status == "failed"
    assert found("weights", CRUDE) is None


def test_hazards_pass_by_the_test_of_the_exposure_alone_or_by_an_rmst_of_the_same_comparison():
    """The global test may reject for a covariate; the claim is about the exposure."""
    rows = [row("all.one.ph.valve_v.p_value", 0.06), row("all.one.ph.global.p_value", 0.001)]
    assert found("hazards", ADJUSTED, *rows).status == "passed"
    assert found("hazards", ADJUSTED, row("all.one.ph.valve_v.p_value", 0.04)).status == "failed"
    assert found("hazards", WEIGHTED).status == "not_evaluated"
    rmst = PlannedAnalysis("all.rmst", "rmst", TITLE, "all")
    of = with_analyses(CRUDE, rmst)
    assert found("hazards", CRUDE, row("all.rmst.difference", 3.0), protocol=of).status == "passed"
    assert found("hazards", CRUDE, protocol=of).status == "not_evaluated"  # planned, and not done


@pytest.mark.parametrize(
    "changes",
    [{}, {"population": "some", "covariates": COVARIATES}, {"covariates": COVARIATES, "role": "sensitivity"}],
    ids=["crude", "another population", "an aside"],
)
def test_another_rmst_does_not_excuse_a_model_whose_hazards_are_not_proportional(changes):
    """A hazard ratio that was adjusted is not stood for by a crude difference of means."""
    rmst = dataclasses.replace(PlannedAnalysis("all.rmst", "rmst", TITLE, "all"), **changes)
    rows = [row("all.rmst.difference", 3.0), row("all.one.ph.valve_v.p_value", 1e-12)]
    of = with_analyses(ADJUSTED, rmst)
    assert found("hazards", ADJUSTED, *rows, protocol=of).status == "failed"
    same = dataclasses.replace(PlannedAnalysis("all.rmst", "rmst", TITLE, "all"), covariates=COVARIATES)
    of = with_analyses(ADJUSTED, same)
    assert found("hazards", ADJUSTED, *rows, protocol=of).status == "passed"


def test_the_detectable_ratio_is_schoenfelds():
    """88 events, half exposed: 80 % power for a hazard ratio of 0.55 (Schoenfeld 1983): (z + z)^2 / (p q log^2)."""
    rows = [
        row("all.one.valve_v.hazard_ratio", 0.7, n=200, events=88),
        row("all.one.exposed.subjects", 100),
        row("all.one.comparator.subjects", 100),
    ]
    seen = found("detectable", CRUDE, *rows)
    assert seen.measured == pytest.approx(0.5503, abs=5e-4)
    assert seen.status == "passed"
    assert found("detectable", CRUDE, rows[0]).status == "not_evaluated"


def test_agreement_needs_two_that_control_and_say_the_same():
    second = PlannedAnalysis("all.two", "cox", TITLE, "all", COVARIATES, "att")
    of = with_analyses(ADJUSTED, second)
    below = {"ci_low": 0.4, "ci_high": 0.9}
    one, two = (
        row("all.one.valve_v.hazard_ratio", 0.6, **below),
        row("all.two.valve_v.hazard_ratio", 0.5, **below),
    )
    assert found("agreement", ADJUSTED, one, two, protocol=of).status == "passed"
    wide = dataclasses.replace(two, ci_high=1.1)
    assert found("agreement", ADJUSTED, one, wide, protocol=of).status == "failed"
    assert found("agreement", ADJUSTED, one, protocol=of).status == "not_evaluated"
    unclear = [dataclasses.replace(row, ci_low=0.3, ci_high=1.2) for row in (one, two)]
    assert found("agreement", ADJUSTED, *unclear, protocol=of).status == "failed"  # agreeing on nothing


SINGLE = planned(
    "performance_criterion",
    role="primary",
    criterion=PROTOCOL.analysis("all.criterion").criterion,
    lost="complete_cases",
)
FINE = [
    row("all.one.lost_share", 0.02),
    row("all.one.met", 1),
    row("all.one.worst_case.met", 1),
    row("all.one.power", 0.85),
]


def level(*rows: ArdRow, analysis: PlannedAnalysis = SINGLE, **changes: object) -> str:
    judged = claim_rows(with_analyses(analysis, **changes), rows, {})
    return str(next(one.value for one in judged if one.statistic == "claim_level"))


def test_a_primary_single_arm_with_every_gate_passed_is_confirmatory():
    assert level(*FINE) == "confirmatory"


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [(0, 0.2, "descriptive"), (2, 0, "supportive"), (3, 0.5, "supportive")],
    ids=["too many lost", "the worst case says otherwise", "too small"],
)
def test_each_gate_that_fails_lowers_the_level_as_the_rules_say(place, value, expected):
    rows = [dataclasses.replace(one, value=value) if at == place else one for at, one in enumerate(FINE)]
    assert level(*rows) == expected


@pytest.mark.parametrize("gone", range(4))
def test_not_evaluated_is_never_passed(gone):
    rows = [one for at, one in enumerate(FINE) if at != gone]
    assert level(*rows) != "confirmatory"


def test_a_main_analysis_that_is_the_worst_case_already_does_not_agree_with_itself():
    """Nothing is passed that could not fail; the gate says that it has no meaning here, and why."""
    plan = dataclasses.replace(SINGLE, lost="as_failure")
    assert found("worst_case", plan, *FINE).status == "not_applicable"
    judged = {one.id: one for one in claim_rows(with_analyses(plan), FINE, {})}
    said = judged["all.one.gate.worst_case.status"]
    assert said.value == "not_applicable" and "主要分析已将全部失访者计为失败" in said.warnings[0]
    assert judged["all.one.claim_level"].value == "confirmatory"


@pytest.mark.parametrize("level", LEVELS)
def test_outcomes_that_were_seen_before_unsealing_leave_nothing_confirmatory(level):
    assert after_unsealing(level, outcomes_seen=False) == level
    left = after_unsealing(level, outcomes_seen=True)
    assert left == ("supportive" if level == "confirmatory" else level)


def test_a_result_that_was_not_made_is_not_judged():
    assert claim_rows(with_analyses(SINGLE), [row("all.other.x", 1)], {}) == []


def test_a_judgement_stands_on_the_rows_of_its_analysis():
    rows = [dataclasses.replace(one, row_set="all", data_hash="a" * 64, variables=("age",)) for one in FINE]
    for one in claim_rows(with_analyses(SINGLE), rows, {}):
        assert (one.row_set, one.data_hash, one.variables) == ("all", "a" * 64, ("age",))


def test_a_gate_that_failed_says_why_in_both_languages():
    judged = claim_rows(with_analyses(SINGLE), [dataclasses.replace(FINE[0], value=0.5), *FINE[1:]], {})
    loss = next(one for one in judged if one.id == "all.one.gate.loss.status")
    assert loss.value == "failed" and "失访" not in loss.value
    assert any("未随访" in warning and "not followed" in warning for warning in loss.warnings)
    limits = {one.id: one.value for one in judged if one.statistic in ("measured", "limit")}
    assert limits["all.one.gate.loss.measured"] == 0.5 and limits["all.one.gate.loss.limit"] == 0.05


def test_an_unanchored_comparison_is_never_more_than_supportive():
    """However well it matches: with every factor recorded it is supportive, with one missing descriptive."""
    plan = planned("bridging", role="primary")
    rows = [row("all.one.effective_sample_size", 50.0), row("all.one.lost_share", 0.0)]
    assert level(*rows, analysis=plan) == "supportive"
    lacking = dataclasses.replace(plan, missing_factors=(TITLE,))
    assert level(*rows, analysis=lacking) == "descriptive"


def test_borrowing_is_judged_by_conflict_and_type_one_error():
    plan = planned("borrowing", role="primary", criterion=SINGLE.criterion)
    fine = [
        row("all.one.lost_share", 0.0),
        row("all.one.prior_predictive_p", 0.4),
        row("all.one.type_one_error", 0.02),
    ]
    assert level(*fine, analysis=plan) == "confirmatory"
    assert level(*fine[:2], dataclasses.replace(fine[2], value=0.12), analysis=plan) == "supportive"
    assert level(fine[0], dataclasses.replace(fine[1], value=0.01), fine[2], analysis=plan) == "descriptive"
