"""A planned cumulative incidence, from the lock to result rows, against R (`competing_analysis.json`).

The function: studies.analyses.cumulative_incidence.run, on the published Rotterdam data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studies.dataset import StudyDataset, build
from studies.protocol import Protocol, load_protocol
from studies.results import ResultSet
from studies.run import run_analyses
from tests.studies.rotterdam_lock import protocol_text, rotterdam_lock

R: dict[str, Any] = json.loads((Path(__file__).parent / "competing_analysis.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative; rows are rounded to 12 digits
KINDS = ("event", "competing")
SHARES = {"event": "cumulative_incidence", "competing": "competing_incidence"}


def planned() -> Protocol:
    """The demonstration with three plans more: adjusted, stratified, and of everybody."""
    text = protocol_text()
    start = text.index("  - id: restricted.incidence")
    plan = text[start : text.index("  - id: restricted.crude")]
    more = (
        plan.replace("restricted.incidence", "restricted.adjusted_incidence")
        + "    covariates: [age, nodes]\n",
        plan.replace("restricted.incidence", "restricted.stratified_incidence") + "    strata: [size]\n",
        plan.replace("restricted.incidence", "all.incidence").replace(
            "population: restricted", "population: all"
        ),
    )
    return load_protocol(text[:start] + plan + "".join(more) + text[start + len(plan) :])


IDS = {
    "crude": "restricted.incidence",
    "adjusted": "restricted.adjusted_incidence",
    "stratified": "restricted.stratified_incidence",
    "all": "all.incidence",
}


@pytest.fixture(scope="module")
def dataset() -> StudyDataset:
    return build(rotterdam_lock(), planned())


@pytest.fixture(scope="module")
def results(dataset: StudyDataset) -> ResultSet:
    return run_analyses(dataset, planned(), "lock-test")


def test_the_kinds_of_event_are_counted_as_in_r(dataset, results):
    counts = dataset.frame["status"].value_counts()
    assert (counts[1], counts[2]) == (R["everybody"]["event"], R["everybody"]["competing"]) == (1518, 152)
    for arm, expected in R["arms"].items():
        for kind in KINDS:
            row = results.row(f"restricted.incidence.{kind}.{arm}.observed")
            assert (row.value, row.n) == (expected[kind]["observed"], expected["n"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arm", ["exposed", "comparator"])
def test_incidences_and_limits_at_the_planned_days(results, arm, kind):
    """cuminc, timepoints, and log-log limits from cuminc's variance."""
    expected = R["arms"][arm][kind]
    for place, day in enumerate(R["days"]):
        row = results.row(f"restricted.incidence.{arm}.{SHARES[kind]}.day_{day}")
        assert row.value == pytest.approx(expected["incidence"][place], rel=ESTIMATE)
        limits = [expected["low"][place], expected["high"][place]]
        assert [row.ci_low, row.ci_high] == pytest.approx(limits, rel=ERROR)
        at_risk = results.row(f"restricted.incidence.{arm}.at_risk.day_{day}").value
        assert at_risk == R["arms"][arm]["at_risk"][place]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plan", IDS)
def test_grays_test(results, plan, kind):
    chi_square, degrees, p = R["plans"][plan]["gray"][kind]
    stem = f"{IDS[plan]}.gray.{kind}"
    assert results.row(f"{stem}.chi_square").value == pytest.approx(chi_square, rel=ESTIMATE)
    assert results.row(f"{stem}.degrees").value == degrees
    assert results.row(f"{stem}.p_value").value == pytest.approx(p, rel=P)
    assert ("stratified" in results.row(f"{stem}.p_value").method) == (plan == "stratified")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plan", IDS)
@pytest.mark.parametrize(
    ("section", "statistic"),
    [("cause_specific", "hazard_ratio"), ("fine_gray", "subdistribution_hazard_ratio")],
)
def test_both_ratios_of_both_kinds(results, plan, kind, section, statistic):
    """coxph with Efron ties, and crr."""
    value, low, high, error, p = R["plans"][plan][section][kind]
    stem = f"{IDS[plan]}.{section}.{kind}.hormon"
    row = results.row(f"{stem}.{statistic}")
    assert row.value == pytest.approx(value, rel=ESTIMATE)
    assert [row.ci_low, row.ci_high] == pytest.approx([low, high], rel=ERROR)
    assert results.row(f"{stem}.standard_error").value == pytest.approx(error, rel=ERROR)
    assert results.row(f"{stem}.p_value").value == pytest.approx(p, rel=P)
    assert row.events == sum(R["arms"][arm][kind]["observed"] for arm in R["arms"]) or plan == "all"


def test_the_two_incidences_and_the_composite_curve_add_up_to_one(results):
    """Free of recurrence and death, and the two ways to leave: nobody is lost in between."""
    for arm in R["arms"]:
        for day in R["days"]:
            shares = sum(
                results.row(f"restricted.incidence.{arm}.{SHARES[kind]}.day_{day}").value for kind in KINDS
            )
            free = results.row(f"restricted.kaplan_meier.{arm}.survival.day_{day}").value
            assert shares + free == pytest.approx(1.0, abs=1e-10)
