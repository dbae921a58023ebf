"""Entropy balancing and matched pairs as a protocol plans them, against R (tests/golden/r/planned_weights.R)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.planned import PlannedAnalysis, Weights
from studies.protocol import load_protocol
from studies.reasons import in_language
from studies.results import ResultSet
from studies.run import run_analyses
from tests.studies.small import dataset, small_protocol, small_text

R = json.loads((Path(__file__).parents[1] / "golden/r/planned_weights.json").read_text("utf-8"))
ESTIMATE, ERROR = 1e-7, 1e-6  # relative tolerances
COVARIATES = ("age", "weight_kg", "frailty")
PEOPLE = dataset(300, seed=7)


def plan(weights: Weights, method: str = "cox", **more: Any) -> PlannedAnalysis:
    return PlannedAnalysis(
        "all.it",
        method,  # type: ignore[arg-type]  # a name of the test
        Bilingual("题", "Title"),
        population="all",
        covariates=COVARIATES,
        weights=weights,
        **more,
    )


def run(*plans: PlannedAnalysis, people=PEOPLE) -> ResultSet:
    return run_analyses(people, dataclasses.replace(small_protocol(), analyses=plans), "lock-1")


@pytest.mark.parametrize("weights", ["entropy", "matched"])
def test_the_hazard_ratio_and_its_robust_error_are_those_of_r(weights: Weights):
    results, wanted = run(plan(weights)), R[weights]
    row = results.row("all.it.stent.coefficient")
    assert row.value == pytest.approx(wanted["coef"], rel=ESTIMATE)
    assert results.row("all.it.stent.standard_error").value == pytest.approx(wanted["se"], rel=ERROR)
    assert (row.n, row.events) == (wanted["n"], wanted["events"])


def test_the_method_says_what_was_done():
    assert (
        "robust (sandwich) SE by matched pair" in run(plan("matched")).row("all.it.stent.coefficient").method
    )
    assert "entropy balancing of the means" in run(plan("entropy")).row("all.it.stent.coefficient").method


def test_the_matched_are_counted_and_those_left_out_change_whom_the_effect_is_of():
    results = run(plan("matched"))
    exposed, comparator = (results.row(f"all.it.{arm}.matched") for arm in ("exposed", "comparator"))
    assert [exposed.value, comparator.value] == R["matched"]["matched"]
    assert exposed.value < exposed.n
    assert "in those who were matched" in in_language(exposed.warnings[0], "en")
    assert comparator.warnings == ()


def test_entropy_balancing_makes_the_means_equal_and_says_what_it_cost():
    results = run(plan("entropy", "balance"))
    for column in ("age", "weight_kg", "frailty.frail"):
        assert results.row(f"all.it.{column}.smd_weighted").value == pytest.approx(0, abs=1e-9)
    size = results.row("all.it.comparator.effective_sample_size")
    assert size.value == pytest.approx(R["entropy"]["ess"], rel=ESTIMATE)
    exposed = results.row("all.it.exposed.effective_sample_size")
    assert exposed.value == exposed.n


def test_subgroups_of_matched_people_count_the_matched_as_the_model_does():
    of = plan("matched")
    looked = PlannedAnalysis(
        "all.by", "subgroups", Bilingual("题", "Title"), population="all", of="all.it", by=("frailty",)
    )
    results = run(of, looked)
    whole = [results.row(f"all.by.{arm}.subjects") for arm in ("exposed", "comparator")]
    assert [row.value for row in whole] == R["matched"]["matched"]
    assert {row.method for row in whole} == {"count of those matched"}
    ratios = [row for row in results.rows if row.analysis == "all.by" and row.statistic == "hazard_ratio"]
    assert ratios
    for ratio in ratios:
        level = ratio.id.removesuffix(".hazard_ratio")
        assert (
            sum(results.row(f"{level}.{arm}.subjects").value for arm in ("exposed", "comparator")) == ratio.n
        )
        assert (
            sum(results.row(f"{level}.{arm}.events").value for arm in ("exposed", "comparator"))
            == ratio.events
        )
        frame = PEOPLE.frame
        assert ratio.n < (frame.frailty == level.rpartition(".")[2]).sum()


def test_a_hospital_left_out_of_matched_people_counts_the_pairs_that_are_left():
    looked = PlannedAnalysis(
        "all.left", "leave_one_out", Bilingual("题", "Title"), population="all", of="all.it"
    )
    frame = PEOPLE.frame.assign(site_id=[f"site-{place % 3}" for place in range(len(PEOPLE.frame))])
    results = run(plan("matched"), looked, people=dataclasses.replace(PEOPLE, frame=frame))
    for number in (1, 2, 3):
        told = results.row(f"all.left.without_{number}.site")
        ratio = results.row(f"all.left.without_{number}.stent.hazard_ratio")
        assert told.n == ratio.n and told.events == ratio.events
        assert told.n % 2 == 0 and told.n < 200


def test_a_curve_of_matched_people_follows_only_them():
    results = run(plan("matched", "kaplan_meier", days=(100,)))
    for arm, wanted in zip(("exposed", "comparator"), R["matched"]["matched"], strict=True):
        assert results.row(f"all.it.{arm}.median").n == wanted


@pytest.mark.parametrize("weights", ["entropy", "matched"])
def test_overlap_is_told_of_the_score_whatever_the_weights(weights: Weights):
    results = run(plan(weights, "overlap"))
    assert 0.5 < results.row("all.it.area_under_curve").value < 1
    assert results.row("all.it.exposed.weight_mean").value > 0


def test_arms_that_do_not_overlap_get_a_reason_and_no_number():
    """Everybody exposed is older than everybody else: no weights reach the mean, no score, no pair."""
    frame = PEOPLE.frame
    apart = dataset(300, seed=7, stent=(frame["age"] > 65).astype(int).to_numpy())
    for weights in ("entropy", "matched"):
        results = run(plan(weights), people=apart)
        assert "all.it" in results.not_done, weights
        assert not [row for row in results.rows if row.statistic == "hazard_ratio"]


def test_the_order_of_rows_does_not_choose_the_pairs():
    """The dataset is in the order of subject_id: whoever shuffles the table gets the same numbers."""
    frame = PEOPLE.frame
    shuffled = frame.sample(frac=1, random_state=np.random.RandomState(1)).sort_values("subject_id")
    again = run(plan("matched"), people=dataclasses.replace(PEOPLE, frame=shuffled.reset_index(drop=True)))
    assert (
        again.row("all.it.stent.coefficient").value
        == run(plan("matched")).row("all.it.stent.coefficient").value
    )


def test_pairs_are_not_split_by_strata():
    text = small_text().replace(
        "covariates: [age, frailty], weights: overlap}",
        "covariates: [age], weights: matched, strata: [frailty]}",
        1,
    )
    with pytest.raises(PlatformError, match="not matched within strata"):
        load_protocol(text)


def test_a_subgroup_by_all_that_the_weights_are_made_of_has_no_effect_of_its_own():
    """Within a level nothing is left to match or weight by: a crude ratio would bear the model's name."""
    of = dataclasses.replace(plan("matched"), covariates=("frailty",))
    looked = PlannedAnalysis(
        "all.by", "subgroups", Bilingual("题", "Title"), population="all", of="all.it", by=("frailty",)
    )
    results = run(of, looked)
    assert not [row for row in results.rows if row.analysis == "all.by" and row.statistic == "hazard_ratio"]
    reasons = [why for id, why in results.not_done.items() if id.startswith("all.by.frailty.")]
    assert len(reasons) >= 2 and all("nothing to weight by" in why for why in reasons)
