"""The demonstration's numbers, from a lock of the published data to result rows, against R.

The data come with a Python package, so these tests run on any clone. The expected numbers were
computed in R (`rotterdam.json` says which version) and never by this project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.dataset import StudyDataset, build
from studies.results import ResultSet
from studies.run import run_analyses
from studies.statistics.survival.cox import fit_cox
from tests.studies.rotterdam_lock import rotterdam, rotterdam_lock, rotterdam_protocol

ESTIMATE = 1e-6  # relative
EXPECTED: dict[str, Any] = json.loads((Path(__file__).parent / "rotterdam.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def dataset() -> StudyDataset:
    return build(rotterdam_lock(), rotterdam_protocol())


@pytest.fixture(scope="module")
def results(dataset: StudyDataset) -> ResultSet:
    return run_analyses(dataset, rotterdam_protocol(), "lock-test")


def test_everybody_is_analysed_and_nothing_is_left_out(dataset, results):
    """All 2,982 patients have an arm, an outcome and all covariates; every planned analysis is done."""
    assert len(dataset.frame) == EXPECTED["subjects"]
    assert dataset.by_arm == {"exposed": 339, "comparator": 2982 - 339}
    assert results.not_done == {}
    assert {row.analysis for row in results.rows} >= {
        one.id for one in rotterdam_protocol().analyses if one.method != "forest"
    }


def test_recurrence_free_survival_is_coded_patient_by_patient(dataset):
    """A recurrence is an event at its day. Who died without recurrence, but after the last check for one,

    is censored at that check: nobody knows what happened in between (43 patients). All others are
    followed to death or last contact. The rule stands in the protocol; here it is compared, patient by
    patient, with the same rule written directly on the published table.
    """
    source = rotterdam()
    late_death = (source.recur == 0) & (source.death == 1) & (source.rtime < source.dtime)
    days = np.where((source.recur == 1) | late_death, source.rtime, source.dtime)
    event = np.where(source.recur == 1, 1, np.where(late_death, 0, source.death))
    assert late_death.sum() == EXPECTED["censored_at_last_check"]
    assert event.sum() == EXPECTED["events"] == dataset.frame["event"].sum()
    assert (dataset.frame["time_days"].to_numpy() == days).all()
    assert (dataset.frame["event"].to_numpy() == event).all()


def test_covariates_arrive_as_published(dataset):
    """What the hospitals' records say about each patient is what the published table says."""
    source, frame = rotterdam(), dataset.frame
    for ours, theirs in {"age": "age", "grade": "grade", "nodes": "nodes", "pgr": "pgr", "er": "er"}.items():
        assert (frame[ours].to_numpy() == source[theirs].to_numpy()).all()
    assert (frame["hormon"].to_numpy() == source["hormon"].to_numpy()).all()
    assert (frame["chemo"].to_numpy() == source["chemo"].to_numpy()).all()
    assert ((frame["meno"] == "postmenopausal").to_numpy() == (source["meno"] == 1).to_numpy()).all()
    sizes = {"upto20": "<=20", "from20to50": "20-50", "over50": ">50"}
    assert (frame["size"].map(sizes).to_numpy() == source["size"].to_numpy()).all()


@pytest.mark.parametrize("analysis", EXPECTED["hazard_ratio"])
def test_hazard_ratios_agree_with_r(results, analysis):
    """Crude it looks harmful (1.30); in the trial's kind of patients, adjusted or weighted, 0.67 and 0.66."""
    row = results.row(f"{analysis}.hormon.hazard_ratio")
    assert [row.value, row.ci_low, row.ci_high] == pytest.approx(
        EXPECTED["hazard_ratio"][analysis], rel=ESTIMATE
    )
    everybody = analysis.startswith("all")
    assert row.n == (EXPECTED["subjects"] if everybody else EXPECTED["restricted"]["subjects"])
    assert row.events == (EXPECTED["events"] if everybody else EXPECTED["restricted"]["events"])


def test_the_robust_standard_error_agrees_with_r(results):
    """To 1e-6, where lifelines' own is off by 1e-3: it treats ties only approximately."""
    row = results.row("restricted.weighted.hormon.standard_error")
    assert row.value == pytest.approx(EXPECTED["robust_standard_error"], rel=ESTIMATE)


def test_the_log_rank_test_and_medians_agree_with_r(results):
    """Half of the treated are free of recurrence for 1,779 days, of the untreated for 1,344."""
    assert results.row("restricted.log_rank.chi_square").value == pytest.approx(
        EXPECTED["log_rank_chi_square"], rel=ESTIMATE
    )
    for arm, expected in EXPECTED["median"].items():
        row = results.row(f"restricted.kaplan_meier.{arm}.median")
        assert [row.value, row.ci_low, row.ci_high] == expected
        assert row.unit == "days" and "log-log" in row.method
    assert results.row("restricted.follow_up.exposed.subjects").value == EXPECTED["restricted"]["exposed"]


def test_proportional_hazards_fail_and_it_shows(results):
    """The exact score test rejects proportional hazards for the model as a whole, not for the treatment.

    A failed diagnostic is a result: it stands in its own rows, and the hazard ratio carries a warning.
    """
    for term, (chi_square, degrees) in EXPECTED["ph_test"].items():
        row = results.row(f"restricted.adjusted.ph.{term}.chi_square")
        assert row.value == pytest.approx(chi_square, rel=ESTIMATE)
        assert results.row(f"restricted.adjusted.ph.{term}.degrees").value == degrees
    assert results.row("restricted.adjusted.ph.size.degrees").value == 2
    warned = results.row("restricted.adjusted.hormon.hazard_ratio").warnings
    assert any("rejected for the model as a whole (p<0.001), not for the exposure" in one for one in warned)
    assert results.row("restricted.adjusted.ph.hormon.chi_square").warnings == ()


def test_weighting_balances_every_covariate_and_says_what_it_cost(results):
    """Overlap weights make the weighted means equal; the price is a smaller effective sample."""
    love = next(one for one in results.series if one.id == "restricted.balance.love")
    assert len(love.points) == 11  # six numbers and records, two and three levels
    assert max(abs(point[2]) for point in love.points) > 0.9  # chemotherapy, before weighting
    assert all(abs(point[3]) < 1e-9 for point in love.points)
    for arm, expected in EXPECTED["effective_sample_size"].items():
        row = results.row(f"restricted.weighted.{arm}.effective_sample_size")
        assert row.value == pytest.approx(expected, abs=0.005)


def test_the_trial_enters_as_an_aggregate_and_is_the_published_one(results):
    """The overseas result is the crude Cox model for recurrence-free survival of the trial's 686 patients.

    No patient of the trial is in the product: the protocol states the estimate, and this test
    recomputes it from the data that lifelines carries.
    """
    from lifelines.datasets import load_lymph_node

    trial = load_lymph_node()
    fit = fit_cox(
        (trial["hormone"] == 2).to_numpy(dtype=float)[:, None],
        trial["rectime"].to_numpy(dtype=float),
        (trial["censrec"] == 1).to_numpy(),
        names=("hormone",),
    )
    row = results.row("overseas.hazard_ratio")
    assert [row.value, row.ci_low, row.ci_high] == EXPECTED["overseas"]
    ratio = fit.hazard_ratio("hormone")
    assert [ratio.value, ratio.lower, ratio.upper] == pytest.approx(EXPECTED["overseas"], rel=ESTIMATE)
    assert (row.n, row.events) == (len(trial), fit.events) == (686, 299)
    assert row.row_set == "" and row.engine == "protocol"


def test_the_forest_shows_four_analyses_and_the_trial(results):
    """Each line of the forest plot names the result row that it draws."""
    forest = next(one for one in results.series if one.id == "comparison.forest.lines")
    assert [point[0] for point in forest.points] == [
        "all.crude.hormon.hazard_ratio",
        "restricted.crude.hormon.hazard_ratio",
        "restricted.adjusted.hormon.hazard_ratio",
        "restricted.weighted.hormon.hazard_ratio",
        "overseas.hazard_ratio",
    ]
    for point in forest.points:
        row = results.row(point[0])
        assert list(point[3:]) == [row.n, row.events, row.value, row.ci_low, row.ci_high]


def test_every_number_can_be_traced(dataset, results):
    """Each row names its subjects, its variables and the hash of what went in; each value has its line."""
    assert len({row.id for row in results.rows}) == len(results.rows)
    variables = set(dataset.lineage["variable"])
    for row in results.rows:
        assert row.engine and row.engine_version
        if row.analysis == "overseas":
            continue
        assert row.row_set in results.row_sets and len(row.data_hash) == 64
        assert set(row.variables) <= variables
    measured = dataset.lineage.groupby("variable")["subject_id"].nunique()
    for name in ("index", "age", "meno", "size", "grade", "nodes", "pgr", "er", "time_days", "event"):
        assert measured[name] == EXPECTED["subjects"]
    # A record that is not there has no line: only those who had it can be traced to one.
    assert (measured["hormon"], measured["chemo"]) == (339, rotterdam()["chemo"].sum())


def test_the_same_lock_gives_the_same_bytes(dataset, results):
    """Rows of a lock may come in any order, and a second run changes nothing."""
    shuffled = {name: frame.sample(frac=1.0, random_state=7) for name, frame in rotterdam_lock().items()}
    again = build(shuffled, rotterdam_protocol())
    assert again.frame.equals(dataset.frame) and again.lineage.equals(dataset.lineage)
    assert run_analyses(again, rotterdam_protocol(), "lock-test").as_dict() == results.as_dict()
