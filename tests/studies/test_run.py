"""Every planned analysis ends as numbers or as a reason, never as a crash and never as a silent number."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from studies.planned_reader import FIELDS
from studies.protocol import load_protocol
from studies.reasons import in_language
from studies.results import ResultSet
from studies.run import METHODS, run_analyses
from studies.statistics import ENGINE, ENGINE_VERSION
from tests.studies.small import dataset, small_protocol, small_text

PROTOCOL = small_protocol()


def run(subjects: int = 200, **columns: Any) -> ResultSet:
    return run_analyses(dataset(subjects, **columns), PROTOCOL, "lock-1")


def reason(results: ResultSet, analysis: str) -> str:
    return in_language(results.not_done[analysis], "en")


def no_number_is_missing_or_infinite(results: ResultSet) -> bool:
    """Canonical JSON refuses NaN and infinity, so that what can be written is finite."""
    return bool(canonical_json(results.as_dict()))


def test_another_protocol_runs_without_a_change_to_the_program():
    """Codes, covariates, populations and analyses all come from the protocol."""
    results = run()
    assert results.not_done == {}
    assert results.study == "stent-study" and results.lock_id == "lock-1"
    assert results.protocol_sha256 == PROTOCOL.sha256
    done = {row.analysis for row in results.rows}
    assert done >= {one.id for one in PROTOCOL.analyses if one.method != "forest"}
    assert results.row("all.adjusted.frailty.frail.hazard_ratio").value > 0
    assert not [row for row in results.rows if row.analysis == "overseas"]  # this protocol has none
    assert no_number_is_missing_or_infinite(results)


def test_every_method_that_a_protocol_can_plan_exists():
    """The reader accepts exactly the methods that the program has."""
    assert set(METHODS) == set(FIELDS)
    with pytest.raises(PlatformError, match=r"analyses\[all.crude\].method"):
        load_protocol(small_text().replace("method: cox", "method: magic", 1))


def test_result_ids_are_unique_and_stable():
    """A report cites a number by its id, so the same protocol gives the same ids whatever the data."""
    first, second = run(seed=1), run(seed=2)
    ids = [row.id for row in first.rows]
    assert len(set(ids)) == len(ids)
    assert ids == [row.id for row in second.rows]
    assert all(row.id.startswith(row.analysis) for row in first.rows)


def test_an_empty_cohort_gives_reasons_only():
    """Nobody reached the analysis: the counts say 0 and every planned analysis says why it is absent."""
    results = run(0)
    assert set(results.not_done) == {one.id for one in PROTOCOL.analyses}
    assert results.row("cohort.subjects.analysed").value == 0
    assert reason(results, "all.crude") == "Nobody reached the analysis."
    assert no_number_is_missing_or_infinite(results)


@pytest.mark.parametrize(("arm", "other"), [(1, "comparator"), (0, "exposed")])
def test_with_one_arm_only_nothing_is_compared(arm, other):
    """The arm that exists is described; comparisons and the arm that does not exist are not done."""
    results = run(stent=arm)
    for analysis in (
        "all.crude",
        "all.adjusted",
        "all.weighted",
        "all.overlap",
        "all.balance",
        "all.log_rank",
    ):
        assert "Only one arm" in reason(results, analysis)
    for analysis in ("all.curve", "all.follow_up"):
        assert "nobody" in reason(results, f"{analysis}.{other}")
    present = "exposed" if arm else "comparator"
    assert results.row(f"all.follow_up.{present}.subjects").value == 200
    assert "all.forest" in results.not_done


def test_when_nobody_has_the_outcome_there_is_no_hazard_ratio():
    """All censored: follow-up is described, the median is "not reached", tests and ratios are not done."""
    results = run(event=0)
    for analysis in ("all.crude", "all.adjusted", "all.weighted", "all.log_rank", "old.crude"):
        assert "No outcome event" in reason(results, analysis)
    median = results.row("all.curve.exposed.median")
    assert median.value is None and "not reached" in in_language(median.warnings[0], "en")
    assert results.row("all.follow_up.exposed.rate_per_100_person_years").value == 0
    assert results.row("all.follow_up.exposed.rate_per_100_person_years").ci_high > 0


def test_a_single_event_leaves_one_arm_without_events():
    """One event decides nothing: the other arm's hazard would be 0 and the ratio infinite."""
    results = run(event=[1] + [0] * 199)
    arm = "New stent" if dataset().frame["stent"][0] == 0 else "Old stent"
    assert f"'{arm}' has no outcome event" in reason(results, "all.crude")
    assert results.row("all.log_rank.chi_square").value >= 0  # the test exists, with one event, too


def test_no_events_in_one_arm_is_said_with_the_arm():
    """The partial likelihood then has no maximum, and software that prints a number prints noise."""
    exposed = dataset().frame["stent"].to_numpy()
    results = run(event=1 - exposed)
    for analysis in ("all.crude", "all.adjusted", "all.weighted"):
        assert "'New stent' has no outcome event" in reason(results, analysis)


def test_ties_everywhere_are_no_obstacle():
    """Everybody has the same follow-up. Efron's method handles it; hazards over time cannot be tested."""
    results = run(time_days=30)
    assert 0.2 < results.row("all.crude.stent.hazard_ratio").value < 5
    assert "all.adjusted.ph" in results.not_done
    warned = results.row("all.adjusted.stent.hazard_ratio").warnings
    assert any("could not be tested" in warning for warning in warned)
    assert no_number_is_missing_or_infinite(results)


def test_everybody_dies_on_the_same_day():
    """Nothing distinguishes the arms: the ratio is 1 and the curve falls to 0 without limits."""
    results = run(time_days=30, event=1)
    assert results.row("all.crude.stent.hazard_ratio").value == pytest.approx(1.0)
    curve = next(one for one in results.series if one.id == "all.curve.curve.exposed")
    assert curve.points == ((0.0, 1.0, 1.0, 1.0), (30.0, 0.0, None, None))
    assert "all.log_rank" in results.not_done  # without variance


def test_follow_up_of_no_days_gives_no_rate():
    """Person-time of 0 is no denominator: the rate is absent with its reason, not infinite."""
    results = run(time_days=0)
    row = results.row("all.follow_up.exposed.rate_per_100_person_years")
    assert row.value is None and row.warnings
    assert no_number_is_missing_or_infinite(results)


@pytest.mark.parametrize("column", ["age", "surgery"])
def test_a_constant_covariate_is_named(column):
    """A covariate that does not vary tells nothing; the model that plans it is not done, others are."""
    results = run(**{column: 50})
    if column == "surgery":
        results = run(surgery=0)
    assert f"'{column}' is constant" in reason(results, "all.adjusted")
    assert "all.crude" not in results.not_done
    if column == "age":
        assert "constant" in reason(results, "all.weighted")
    else:
        assert results.row("all.balance.surgery.smd_unweighted").value is None
        assert results.row("all.balance.surgery.smd_unweighted").warnings


def test_a_covariate_that_repeats_another_is_named():
    """Two names for one number: which of them works cannot be known."""
    age = dataset().frame["age"]
    assert "'weight_kg' is a linear combination" in reason(run(weight_kg=2 * age + 3), "all.adjusted")


def test_separation_in_the_propensity_model_is_found():
    """If frailty decides the treatment, nobody in one arm can stand for the other."""
    frail = np.where(dataset().frame["stent"] == 1, "frail", "fit")
    results = run(frailty=frail)
    assert "Separation" in reason(results, "all.weighted")
    assert "Separation" in reason(results, "all.overlap")
    # Table 1 stands without weights, and says why it has none.
    assert "Separation" in reason(results, "all.balance.weights")
    assert results.row("all.balance.frailty.frail.smd_unweighted").value is None  # no spread within arms
    assert "all.crude" not in results.not_done


def test_arms_without_overlap_are_found():
    """All exposed are old, all comparators young: no comparison at the same age exists."""
    exposed = dataset().frame["stent"].to_numpy()
    assert "Separation" in reason(
        run(age=np.where(exposed == 1, 80.0, 50.0) + np.arange(200) % 7), "all.weighted"
    )


def test_a_population_of_nobody_is_not_done():
    """No one is old: that analysis says so, and the forest plot goes on without it."""
    results = run(age=np.linspace(40, 60, 200))
    assert "nobody in this population" in reason(results, "old.crude")
    forest = next(one for one in results.series if one.id == "all.forest.lines")
    assert [point[0] for point in forest.points] == [
        "all.crude.stent.hazard_ratio",
        "all.weighted.stent.hazard_ratio",
    ]


def test_more_terms_than_events_are_refused():
    """Five terms from four events would fit anything."""
    event = np.zeros(200, dtype=int)
    exposed = dataset().frame["stent"].to_numpy()
    event[np.flatnonzero(exposed == 1)[:2]] = 1
    event[np.flatnonzero(exposed == 0)[:2]] = 1
    results = run(event=event)
    assert "as many terms" in reason(results, "all.adjusted")
    warned = results.row("all.crude.stent.hazard_ratio").warnings
    assert any("fewer than 10 events" in warning for warning in warned)


def test_a_covariate_without_events_on_one_side_is_named():
    """Nobody with earlier surgery has the outcome: its hazard ratio runs away and is not printed."""
    surgery = dataset().frame["surgery"].to_numpy()
    assert "The coefficient of 'surgery' runs to infinity" in reason(run(event=1 - surgery), "all.adjusted")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", float("nan")),
        ("weight_kg", float("inf")),
        ("time_days", -1),
        ("event", 2),
        ("stent", 3),
        ("frailty", "unknown"),
        ("frailty", None),
        ("subject_id", "P0001"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(column, value):
    """NaN, infinity, negative time, unknown levels or a subject twice: the column is named, nothing is run."""
    made = dataset()
    frame = made.frame.astype({column: "object"}) if isinstance(value, str | None) else made.frame.copy()
    frame[column] = [value, *frame[column][1:]]
    with pytest.raises(PlatformError) as refused:
        run_analyses(replace(made, frame=frame), PROTOCOL, "lock-1")
    assert refused.value.code == "study.frame_refused" and column in refused.value.zh


def test_a_missing_column_is_named():
    """A table from elsewhere that lacks a planned covariate is refused before anything is computed."""
    made = dataset()
    with pytest.raises(PlatformError, match="weight_kg"):
        run_analyses(replace(made, frame=made.frame.drop(columns="weight_kg")), PROTOCOL, "lock-1")


def test_numbers_come_with_what_stands_behind_them():
    """Denominators, events, variables, subjects, hash, engine: a reviewer can recompute each number."""
    results = run()
    row = results.row("old.crude.stent.hazard_ratio")
    frame = dataset().frame
    old = frame[(frame["age"] >= 65) & (frame["frailty"] == "fit")]
    assert (row.n, row.events) == (len(old), old["event"].sum())
    assert row.variables == ("stent", "time_days", "event", "age", "frailty")
    assert results.row_sets["old"] == sorted(old["subject_id"])
    assert (row.engine, row.engine_version) == (ENGINE, ENGINE_VERSION)
    assert row.ci_level == 0.95 and row.ci_low < row.value < row.ci_high
    arm = results.row("all.follow_up.exposed.events")
    assert arm.row_set == "all.exposed" and arm.n == len(results.row_sets["all.exposed"])


def test_the_data_hash_follows_the_values_that_went_in():
    """One changed value changes the hash of the rows that used it, and of no other."""
    weight = dataset().frame["weight_kg"].to_numpy().copy()
    weight[0] += 0.1
    before, after = run(), run(weight_kg=weight)
    changed = {row.id for row in before.rows if row.data_hash != after.row(row.id).data_hash}
    assert changed and all("weight_kg" in before.row(id).variables for id in changed)
    assert before.row("all.crude.stent.hazard_ratio") == after.row("all.crude.stent.hazard_ratio")


def test_a_low_effective_sample_is_a_warning_on_the_estimate():
    """The protocol's limit is 20; with 60 people of whom few overlap, the weighted result says so."""
    strict = replace(PROTOCOL, diagnostics=replace(PROTOCOL.diagnostics, smallest_effective_sample=1e6))
    results = run_analyses(dataset(), strict, "lock-1")
    assert any("New stent" in one for one in results.row("all.weighted.stent.hazard_ratio").warnings)
    assert any("新支架" in one for one in results.row("all.weighted.exposed.effective_sample_size").warnings)


def test_survival_beyond_follow_up_is_not_invented():
    """Day 9,000 is planned and nobody was followed so long: no number, and 0 at risk."""
    results = run(event=0, time_days=[500] * 200)
    row = results.row("all.curve.exposed.survival.day_9000")
    assert row.value is None and row.warnings
    assert results.row("all.curve.exposed.at_risk.day_9000").value == 0
    assert results.row("all.curve.exposed.survival.day_100").value == 1.0


def test_results_are_json_and_the_same_each_time():
    """Results leave as canonical JSON; ids of subjects do not leave, only their count and hash."""
    first, second = (json.dumps(run().as_dict(), sort_keys=True) for _ in range(2))
    assert first == second and "P0001" not in first


def test_a_thousand_and_more_people_with_ties_give_no_surprise():
    """Exponential times rounded to days tie often; all planned analyses are done."""
    results = run(1_500)
    assert results.not_done == {}
    assert results.row("all.adjusted.stent.hazard_ratio").n == 1_500
