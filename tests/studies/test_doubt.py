"""Tipping points and specifications of a protocol, run on the second demonstration and on invented variants of it."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest
from scipy import stats

from deidentify.disclosure.fields import load_fields
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.text import Bilingual
from studies.analyses.horizon import by_horizon
from studies.planned import Horizon, PlannedAnalysis
from studies.protocol import Protocol, load_protocol
from studies.results import ResultSet, Series
from studies.run import run_analyses
from studies.sealing import open_part, planned_methods, sealed_analyses
from studies.statistics.counts.two_by_two import risk_difference
from tests.studies.test_planned import refused
from tests.studies.valve import TEXT, protocol, valve_dataset

TITLE = Bilingual("题", "Title")
DATASET = valve_dataset()
FRAME = DATASET.frame


def run_one(*plans: PlannedAnalysis, frame: pd.DataFrame = FRAME, of: Protocol | None = None) -> ResultSet:
    dataset = dataclasses.replace(DATASET, frame=frame.reset_index(drop=True))
    return run_analyses(dataset, dataclasses.replace(of or protocol(), analyses=plans), "lock-1")


def plans(*names: str) -> tuple[PlannedAnalysis, ...]:
    return tuple(protocol().analysis(name) for name in names)


def with_criterion(**changes) -> PlannedAnalysis:
    plan = protocol().analysis("all.criterion")
    return dataclasses.replace(plan, criterion=dataclasses.replace(plan.criterion, assumed=None, **changes))


def series(results: ResultSet, id: str) -> Series:
    return next(one for one in results.series if one.id == id)


def value(results: ResultSet, id: str):
    return results.row(id).value


@pytest.fixture(scope="module")
def demo() -> ResultSet:
    names = ("all.criterion", "all.weighted", "all.crude", "all.adjusted", "all.rmst")
    return run_one(*plans(*names, "all.tipping", "all.tipping_arms", "all.specification"))


# -- the single arm ----------------------------------------------------------------------------------


def test_each_number_of_failures_has_its_exact_bound(demo):
    """47 of 54 succeeded and 6 were lost: 53 - k of 60, by scipy's binomial test."""
    points = series(demo, "all.tipping.bounds").points
    assert [point[0] for point in points] == list(range(7))
    for failures, bound, verdict in points:
        test = stats.binomtest(53 - failures, 60, 0.8, alternative="greater")
        assert bound == pytest.approx(test.proportion_ci(0.975).low, rel=1e-9)
        assert verdict == ("met" if test.pvalue <= 0.025 else "not shown")
    assert value(demo, "all.tipping.none_failed.bound") == points[0][1]
    assert value(demo, "all.tipping.all_failed.bound") == points[-1][1]
    assert value(demo, "all.tipping.exposed.failures_to_overturn") == 0


def test_the_number_at_which_the_verdict_turns_is_the_smallest_with_which_it_does():
    """Criterion 0.75: met with 53 of 60, and the rest by counting down."""
    p = {k: stats.binomtest(53 - k, 60, 0.75, alternative="greater").pvalue for k in range(7)}
    turn = next(k for k in range(7) if p[k] > 0.025)
    found = run_one(with_criterion(value=0.75), *plans("all.tipping"))
    assert 0 < turn == value(found, "all.tipping.exposed.failures_to_overturn")
    assert value(found, "all.tipping.exposed.failures_to_miss") is None
    verdicts = [point[2] for point in series(found, "all.tipping.bounds").points]
    assert verdicts == ["met"] * turn + ["not shown"] * (7 - turn)


def test_of_a_criterion_of_failures_the_bound_rises():
    found = run_one(with_criterion(value=0.3, direction="at_most"), *plans("all.tipping"))
    points = series(found, "all.tipping.bounds").points
    assert [point[1] for point in points] == sorted(point[1] for point in points)
    upper = stats.binomtest(7 + 6, 60, alternative="less").proportion_ci(0.975).high
    assert points[-1][1] == pytest.approx(upper, rel=1e-9)
    assert value(found, "all.tipping.exposed.lost") == 6


def lost_at(day: float) -> pd.DataFrame:
    """Everybody without a failure leaves on that day."""
    return FRAME.assign(time_days=FRAME["time_days"].where(FRAME["event"] == 1, day))


def test_nobody_lost_is_a_reason_and_no_empty_map():
    found = run_one(*plans("all.criterion", "all.tipping", "all.tipping_arms"), frame=lost_at(400))
    assert set(found.not_done) == {"all.tipping", "all.tipping_arms"}
    assert all("Nobody was lost" in why and "失访" in why for why in found.not_done.values())
    assert not any(one.analysis.startswith("all.tipping") for one in (*found.series, *found.rows))


def test_before_anybody_was_followed_there_is_no_loss_to_speak_of():
    found = run_one(*plans("all.tipping_arms"), frame=lost_at(100))
    assert "Nobody had been followed" in found.not_done["all.tipping_arms"]
    both = run_one(*plans("all.criterion", "all.tipping"), frame=lost_at(100))
    assert "Nobody had been followed" in both.not_done["all.tipping"]


def test_an_empty_cohort_or_a_missing_arm_is_a_reason():
    nobody = run_one(*plans("all.criterion", "all.tipping", "all.tipping_arms"), frame=FRAME.iloc[:0])
    assert set(nobody.not_done) == {"all.criterion", "all.tipping", "all.tipping_arms"}
    only = run_one(
        *plans("all.criterion", "all.tipping", "all.tipping_arms"), frame=FRAME[FRAME["valve_v"] == 0]
    )
    assert "nobody" in only.not_done["all.tipping"] and "one arm" in only.not_done["all.tipping_arms"]


def many(times: int, lost: float) -> pd.DataFrame:
    frame = pd.concat([FRAME] * times, ignore_index=True)
    frame["subject_id"] = [f"s{place:06d}" for place in range(len(frame))]
    gone = (frame.index % 100 < 100 * lost) & (frame["event"] == 0)
    return frame.assign(time_days=frame["time_days"].where(~gone, 30))


def test_thousands_lost_are_thinned_and_the_turn_is_exact():
    frame = many(60, 0.3)
    found = run_one(with_criterion(value=0.7), *plans("all.tipping", "all.tipping_arms"), frame=frame)
    arm = frame[frame["valve_v"] == 1]
    seen = by_horizon(arm["time_days"].to_numpy(float), arm["event"].to_numpy(bool), Horizon(365, 14))
    lost, successes = int(seen.lost.sum()), int(seen.followed.sum())
    assert value(found, "all.tipping.exposed.lost") == lost > 1000
    step = value(found, "all.tipping.exposed.grid_step")
    points = series(found, "all.tipping.bounds").points
    assert step > 1 and len(points) < 110 and points[-1][0] == lost
    turn = value(found, "all.tipping.exposed.failures_to_overturn")
    p = [
        stats.binomtest(successes + lost - k, len(arm), 0.7, alternative="greater").pvalue
        for k in (turn - 1, turn)
    ]
    assert p[0] <= 0.025 < p[1]
    assert {turn - 1, turn} <= {point[0] for point in points}
    cells = series(found, "all.tipping_arms.map").points
    assert len(cells) <= 41 * 41 and cells[-1][0] == lost
    comparator = value(found, "all.tipping_arms.comparator.lost")
    assert value(found, "all.tipping_arms.combinations") == (lost + 1) * (comparator + 1)


# -- two arms ----------------------------------------------------------------------------------------


def test_the_map_of_the_demonstration_turns_in_one_corner(demo):
    """7 of 54 and 27 of 133 failed; 6 and 7 were lost. Only the best case for the device shows a difference."""
    points = series(demo, "all.tipping_arms.map").points
    assert len(points) == 7 * 8 == value(demo, "all.tipping_arms.combinations")
    for first, second, difference, low, high, verdict in points:
        found = risk_difference((7 + first, 27 + second), (60, 140), method="newcombe")
        assert [difference, low, high] == pytest.approx([found.estimate, found.lower, found.upper], abs=1e-11)
        assert verdict == ("better" if found.upper < 0 else "worse" if found.lower > 0 else "not shown")
    assert [point[:2] for point in points if point[5] == "better"] == [(0, 7)]
    assert value(demo, "all.tipping_arms.combinations_changed") == 1
    assert value(demo, "all.tipping_arms.comparator.turns_at.better") == 7
    assert value(demo, "all.tipping_arms.exposed.turns_at.worse") is None
    seen = demo.row("all.tipping_arms.observed.difference")
    assert (seen.n, seen.events) == (187, 34) and seen.value == pytest.approx(7 / 54 - 27 / 133)


def test_everybody_of_an_arm_failed_was_followed_or_was_lost(demo):
    for arm, n in (("exposed", 60), ("comparator", 140)):
        parts = [value(demo, f"all.tipping_arms.{arm}.{name}") for name in ("failed", "followed", "lost")]
        assert sum(parts) == n == value(demo, f"all.tipping_arms.{arm}.subjects")


# -- specifications ----------------------------------------------------------------------------------


def test_the_ways_stand_as_planned_with_the_numbers_of_their_own_rows(demo):
    points = series(demo, "all.specification.specifications").points
    assert [point[1] for point in points] == ["all.weighted", "all.crude", "all.adjusted", "all.rmst"]
    for point in points:
        row = demo.row(point[0])
        assert point[5:10] == (row.n, row.events, row.value, row.ci_low, row.ci_high)
    ratios = sorted(point[7] for point in points[:3])
    stem = "all.specification.hazard_ratio"
    assert [value(demo, f"{stem}.{one}") for one in ("smallest", "median_result", "largest")] == ratios
    assert "all.specification.difference.smallest" not in {row.id for row in demo.rows}  # one has no range


def test_agreement_counts_the_side_of_each_scale(demo):
    """Ratios below 1 and more days free of failure both speak for the device; no interval excludes anything."""
    counts = {
        name: value(demo, f"all.specification.{name}")
        for name in ("specifications", "specifications_done", "pointing_better", "pointing_worse")
    }
    assert counts == {
        "specifications": 4,
        "specifications_done": 4,
        "pointing_better": 4,
        "pointing_worse": 0,
    }
    assert value(demo, "all.specification.shown_better") == value(demo, "all.specification.shown_worse") == 0


def test_a_large_harm_is_counted_against_and_shown():
    """Everybody with the device fails at once: ratios above 1, days lost."""
    frame = many(4, 0).assign(event=lambda one: one["event"].where(one["valve_v"] == 0, 1))
    frame["time_days"] = frame["time_days"].where(frame["valve_v"] == 0, 20 + frame.index % 100)
    specification = PlannedAnalysis(
        "all.ways", "specification", TITLE, of="all.crude", compares=("all.rmst",)
    )
    found = run_one(*plans("all.crude", "all.rmst"), specification, frame=frame)
    assert value(found, "all.ways.pointing_worse") == value(found, "all.ways.shown_worse") == 2


def test_a_way_that_could_not_be_done_stays_in_its_place_with_its_reason():
    """No comparator has an event: no hazard ratio, and yet a restricted mean; a tau beyond follow-up has none."""
    late = dataclasses.replace(protocol().analysis("all.rmst"), id="all.late", tau=5000)
    specification = PlannedAnalysis(
        "all.ways", "specification", TITLE, of="all.crude", compares=("all.late", "all.rmst")
    )
    found = run_one(*plans("all.crude"), late, *plans("all.rmst"), specification)
    lines = series(found, "all.ways.specifications").points
    assert [point[1] for point in lines] == ["all.crude", "all.late", "all.rmst"]
    assert lines[1][0] == "" and lines[1][7] is None
    assert "beyond follow-up" in lines[1][11] and "随访" in lines[1][10]
    assert found.not_done["all.late"] == f"{lines[1][10]} / {lines[1][11]}"
    assert value(found, "all.ways.specifications") == 3
    assert value(found, "all.ways.specifications_done") == 2


def test_nothing_done_at_all_is_a_reason():
    specification = PlannedAnalysis(
        "all.ways", "specification", TITLE, of="all.crude", compares=("all.adjusted",)
    )
    found = run_one(*plans("all.crude", "all.adjusted"), specification, frame=FRAME.assign(event=0))
    assert "None of the analyses listed" in found.not_done["all.ways"]


def test_a_criterion_gives_a_way_for_each_handling_of_those_lost():
    specification = PlannedAnalysis("all.ways", "specification", TITLE, of="all.criterion", compares=())
    found = run_one(*plans("all.criterion"), specification)
    lines = series(found, "all.ways.specifications").points
    assert [point[2] for point in lines] == ["worst_case", "complete_cases", "best_case"]
    assert {point[4] for point in lines} == {0.8}
    assert value(found, "all.ways.pointing_worse") == 1 and value(found, "all.ways.pointing_better") == 2


# -- the plan ----------------------------------------------------------------------------------------

REFUSALS = [
    ("    of: all.criterion\n", "    of: all.crude\n", "not a performance criterion"),
    ("    of: all.criterion\n", "    population: all\n", "either 'of'"),
    ("    of: all.criterion\n", "    of: all.criterion\n    population: all\n    horizon: {day: 9}\n", "either 'of'"),
    ("    of: all.criterion\n", "    horizon: {day: 365}\n", "either 'of'"),
    ("compares: [all.crude, all.adjusted, all.rmst]", "compares: [all.crude, all.crude]", "used twice"),
    ("compares: [all.crude, all.adjusted, all.rmst]", "compares: [all.weighted]", "used twice"),
    ("compares: [all.crude, all.adjusted, all.rmst]", "compares: [all.balance]", "not a Cox, restricted mean"),
    ("compares: [all.crude, all.adjusted, all.rmst]", "compares: [all.nothing]", "not a Cox, restricted mean"),
    ("compares: [all.crude, all.adjusted, all.rmst]", "compares: [all.criterion]", "do not answer one question"),
    ("compares: [all.crude, all.adjusted, all.rmst]", "compares: []", "at least 1"),
    ("    compares: [all.crude, all.adjusted, all.rmst]\n", "", "nothing is compared"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), REFUSALS, ids=[f"{one[1].strip()}" for one in REFUSALS])
def test_a_plan_of_doubt_that_cannot_be_carried_out_is_refused(old, new, says):
    assert TEXT.count(old) == 1
    assert says in refused(TEXT.replace(old, new)).en


def test_a_criterion_alone_is_compared_in_its_ways_of_handling_loss():
    """And needs no other analysis beside it."""
    text = TEXT.replace(
        "    of: all.weighted\n    compares: [all.crude, all.adjusted, all.rmst]\n", "    of: all.criterion\n"
    )
    assert load_protocol(text).analysis("all.specification").compares == ()


def test_a_specification_stands_after_what_it_compares():
    first, last = TEXT.index("  - id: all.specification"), TEXT.index("  - id: all.forest")
    moved = TEXT.replace(TEXT[first:last], "").replace("analyses:\n", "analyses:\n" + TEXT[first:last])
    assert "has to stand before" in refused(moved).en


def test_the_demonstration_plans_them_and_reads():
    methods = [one.method for one in load_protocol(TEXT).analyses]
    assert methods.count("tipping_point") == 2 and methods.count("specification") == 1


# -- sealing -----------------------------------------------------------------------------------------


def test_before_unsealing_only_the_number_of_subjects_is_open(demo):
    """Neither a bound nor a cell nor who was lost: each of them leads back to who failed."""
    planned = {
        one.id: one.method for one in protocol().analyses if one.method in ("tipping_point", "specification")
    }
    assert set(planned) <= set(sealed_analyses(planned_methods(protocol())))
    found = open_part(demo, planned)
    assert {row.id for row in found.rows if row.analysis in planned} == {
        "all.tipping.exposed.subjects",
        "all.tipping_arms.exposed.subjects",
        "all.tipping_arms.comparator.subjects",
    }
    assert not any(one.analysis in planned for one in found.series)
    shown = canonical_json(found.as_dict()).decode()
    for row in demo.rows:
        if row.analysis in planned and isinstance(row.value, float) and len(repr(row.value)) > 6:
            assert json.dumps(row.value) not in shown, row.id


def test_a_window_is_that_of_the_plan(demo):
    """Without the window of 14 days, one more subject may count as lost."""
    plan = dataclasses.replace(protocol().analysis("all.tipping_arms"), horizon=Horizon(365))
    narrow = run_one(plan)
    for arm in ("exposed", "comparator"):
        assert value(narrow, f"all.tipping_arms.{arm}.lost") >= value(demo, f"all.tipping_arms.{arm}.lost")


def test_what_leaves_is_declared_statistic_by_statistic_and_column_by_column(demo):
    """Undeclared, it would be looked at by a person each time; a map of single counts never leaves."""
    declared = load_fields()
    assert {row.statistic for row in demo.rows} <= set(declared.statistics)
    for kind in ("bounds", "map", "specifications"):
        found = next(one for one in demo.series if one.id.endswith(f".{kind}"))
        columns = declared.series[kind].columns
        assert columns is not None and set(columns) == set(found.columns)
    assert {declared.series[kind].minimum for kind in ("bounds", "map")} == {"never"}
