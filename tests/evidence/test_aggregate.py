"""A package for a reader abroad: groups only."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.text import Bilingual
from studies.attrition import AttritionStep
from studies.evidence.aggregate import GRID_DAYS, coarsened, merged_steps
from studies.evidence.aggregate_curves import coarse_curve, kept_days
from studies.evidence.package import BuiltPackage, build
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from studies.results import Series
from studies.run import run_analyses
from tests.evidence.fixtures import package_signer, small_inputs, with_changes, with_results
from tests.studies.valve import protocol, valve_dataset

COUNTS = ("subjects", "at_risk", "events", "observed", "left", "remaining")


@pytest.fixture(scope="module")
def aggregate(tmp_path_factory: pytest.TempPathFactory) -> BuiltPackage:
    """The small study, with two who left before the lock, for a sponsor abroad."""
    start = AttritionStep(Bilingual("患者", "Patients"), 0, 599)
    early = AttritionStep(Bilingual("非女性", "Not female"), 2, 597)
    inputs = small_inputs()
    changed = with_changes(
        inputs, audience="aggregate", purpose="SPONSOR", attrition=(start, early, *inputs.attrition[1:])
    )
    return build(changed, tmp_path_factory.mktemp("aggregate"))


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, name)
    else:
        yield name, value


def documents(folder: Path) -> Iterator[tuple[str, Any]]:
    """Every JSON and CSV file, and the page's own trace."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".json":
            yield name, json.loads(path.read_text("utf-8"))
        elif path.suffix == ".csv":
            yield name, list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    page = (folder / standalone.INDEX_HTML).read_text("utf-8")
    yield standalone.INDEX_HTML, json.loads(page.split('id="trace">')[1].split("</script>")[0])


def test_no_file_of_an_aggregate_package_holds_event_times_or_small_counts(aggregate):
    """Every JSON and CSV is walked: no series of days that patients had events, no count of 1 to 9 people."""
    inputs = small_inputs()
    event_days = {
        point[0] for one in inputs.results.series if ".steps." in one.id for point in one.points if point[2]
    }
    planned = set(
        vars(inputs.protocol.diagnostics).values()
    )  # a gate tells its limit, which may be such a number
    off_grid = {day for day in event_days if day % GRID_DAYS} - planned
    assert len(off_grid) > 100
    seen = 0
    for name, document in documents(aggregate.folder):
        seen += 1
        days = {value for _, value in leaves(document) if isinstance(value, float) and value in off_grid}
        assert not days or name.startswith("data/01_protocol/"), name  # the plan has days of its own
        for key, value in leaves(document):
            small = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10
            assert not (small and key in COUNTS), (name, key)
        for row in document.get("rows", ()) if name == standalone.ARD_JSON else ():
            for value in (row["n"], row["events"], row["value"] if row["statistic"] in COUNTS else None):
                assert not (value is not None and 0 < value < 10), row["id"]
        for one in document.get("series", ()) if isinstance(document, dict) else ():
            assert ".steps." not in one["id"]
            if one["columns"][0] == "time_days" and ".curve." in one["id"]:
                days_told = {0.0, *map(float, inputs.protocol.analysis(one["analysis"]).days)}
                assert all(point[0] % GRID_DAYS == 0 or point[0] in days_told for point in one["points"])
            names = ("exposed", "comparator", "n", "events")
            counts = [place for place, column in enumerate(one["columns"]) if column in names]
            assert not any(0 < (point[place] or 0) < 10 for point in one["points"] for place in counts)
    assert seen > 20


def test_what_was_small_is_withheld_with_what_gives_it_away(aggregate):
    """The small level, its other level, its percents, its difference; the step that lost two; late survival."""
    results = json.loads((aggregate.folder / standalone.ARD_JSON).read_text("utf-8"))
    ids = {row["id"] for row in results["rows"]}
    for gone in (
        "restricted.balance.chemo.exposed.subjects",
        "restricted.balance.chemo.exposed.percent",
        "restricted.balance.chemo.comparator.percent",
        "restricted.balance.chemo.smd_unweighted",
        "restricted.balance.meno.postmenopausal.exposed.subjects",
        "restricted.kaplan_meier.exposed.at_risk.day_3652",
        "restricted.kaplan_meier.exposed.survival.day_3652",
        "restricted.overlap.exposed.propensity_maximum",
    ):
        assert small_inputs().results.row(gone)
        assert gone not in ids
    assert "restricted.balance.size.upto20.exposed.subjects" in ids
    steps = json.loads((aggregate.folder / "data/08_trace/attrition.json").read_text("utf-8"))["steps"]
    # The results are of 597: a start of 599 would tell of the two who left first.
    assert [(step["left"], step["remaining"]) for step in steps] == [(0, 311)]


def test_an_aggregate_package_verifies_and_says_what_it_withholds(aggregate):
    """It is coarser, not weaker: signed, provable, and its account of the coarsening is in package.json."""
    assert verify_package(aggregate.path, package_signer().public_key).failures == ()
    described = json.loads((aggregate.folder / standalone.PACKAGE_JSON).read_text("utf-8"))
    told = described["coarsening"]
    assert told["smallest_cell"] == 10 and told["curve_grid_days"] == 90
    assert "restricted.balance.chemo.exposed.subjects" in told["withheld_results"]
    same = verify_package(aggregate.path, rerun=lambda stored: [])
    assert same.rerun == "reproduced"
    # What the package says that it withholds excuses nothing: whoever recomputes decides it anew.
    withheld = verify_package(aggregate.path, rerun=lambda stored: told["withheld_results"][:1])
    assert withheld.rerun == "differs"
    other = verify_package(aggregate.path, rerun=lambda stored: [stored["rows"][0]["id"]])
    assert other.rerun == "differs"


def test_an_aggregate_package_accounts_by_hospital_and_judges_by_share(aggregate):
    """No file of a hospital is listed, no row that failed is counted."""
    with_files = json.loads((aggregate.folder / "data/02_governance/sources.json").read_text("utf-8"))
    assert all(source["files"] == [] for source in with_files["sources"])
    quality = json.loads((aggregate.folder / "data/04_quality/quality.json").read_text("utf-8"))
    assert quality["facts"] == {}
    assert {tuple(line) for line in quality["lines"]} == {("organisation", "dimension", "passed_share")}
    report = json.loads((aggregate.folder / "data/06_report/report.json").read_text("utf-8"))
    (table,) = [block for block in report["body"] if block.get("key") == "quality"]
    hospitals = list(dict.fromkeys(line["organisation"]["zh"] for line in quality["lines"]))
    assert [row[0]["zh"][0]["t"] for row in table["rows"]] == hospitals
    assert len(table["head"]) == 1 + len({line["dimension"]["zh"] for line in quality["lines"]})
    lines = (aggregate.folder / "data/04_quality/reconciliation.csv").read_text("utf-8-sig").splitlines()
    assert len(lines) == 4 and "sha256" not in lines[0]


CURVE = Series("a.curve.x", "a", ("time_days", "survival", "ci_low", "ci_high"), (
    (0.0, 1.0, 1.0, 1.0), (30.0, 0.9, 0.8, 0.95), (100.0, 0.8, 0.7, 0.9),
    (200.0, 0.7, 0.6, 0.8), (900.0, 0.0, None, None),
))  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "days"),
    [
        ([(30, 100, 10), (100, 90, 10), (200, 80, 10), (900, 5, 5)], [0, 90, 180]),
        ([(30, 100, 9), (100, 91, 1), (200, 90, 10), (900, 50, 15)],
         [0, 180, 270, 360, 450, 540, 630, 720, 810]),
        ([(30, 100, 9), (100, 91, 1), (200, 90, 10), (900, 50, 5)], [0, 180]),
        ([(30, 9, 9), (100, 8, 8), (200, 7, 7), (900, 5, 5)], [0]),
        ([(30, 100, 9), (100, 91, 9), (200, 82, 9), (900, 9, 9)], [0, 180]),
    ],
)  # fmt: skip
def test_a_curve_steps_on_the_grid_and_only_over_enough_events(steps, days):
    """Too few events are told with the next ones; too few at risk end the curve."""
    behind = Series("a.steps.x", "a", ("time_days", "at_risk", "events"), tuple(steps))
    assert [point[0] for point in coarse_curve(CURVE, behind, 10).points] == days


BESIDE_365 = [(85, 100, 10), (88, 90, 10), (350, 80, 20), (362, 60, 3), (500, 50, 10)]


@pytest.mark.parametrize(
    ("steps", "planned", "days"),
    [
        ([(85, 100, 10), (88, 90, 10), (350, 80, 20), (500, 60, 10)], [], [90, 180, 270, 360, 450]),
        (BESIDE_365, [365], [90, 180, 270, 365, 450]),
        (BESIDE_365, [365, 366], [90, 180, 270, 365, 366, 450]),
        ([(30, 100, 9), (500, 90, 10)], [30, 60], []),
        ([(30, 100, 20), (40, 80, 2), (500, 70, 10)], [35, 45], [35]),
        ([(30, 100, 20), (380, 80, 3)], [365], []),
        ([(30, 100, 20), (200, 80, 10), (380, 70, 3)], [100, 365], [90, 100, 180]),
    ],
)  # fmt: skip
def test_two_days_that_are_told_have_enough_events_between_them_or_none(steps, planned, days):
    """The survival at a planned day stands beside the curve's grid, so the two are looked at as one row of days.

    The grid gives way (360 beside 365, with three events between); of two planned days the later one does.
    """
    behind = Series("a.steps.x", "a", ("time_days", "at_risk", "events"), tuple(steps))
    assert kept_days(behind, 10, planned) == days


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ([], [0]),
        ([0, 0], [0, 0, 0]),
        ([2], [0]),
        ([2, 0], [0]),
        ([2, 50, 0], [0, 52, 0]),
        ([50, 3], [0, 53]),
        ([4, 4, 4, 30], [0, 12, 30]),
    ],
)
def test_a_step_that_lost_a_few_is_told_with_its_neighbour(left, expected):
    """No count and no difference between two counts is small; nobody is lost from the account."""
    remaining, steps = 1000, [AttritionStep(Bilingual("始", "start"), 0, 1000)]
    for count in left:
        remaining -= count
        steps.append(AttritionStep(Bilingual("因", "why"), count, remaining))
    merged = merged_steps(steps, 10)
    assert [step.left for step in merged] == expected
    assert merged[-1].remaining == remaining
    stayed = [step.remaining for step in merged]
    assert not any(0 < one - other < 10 for one, other in pairwise(stayed))


@pytest.mark.parametrize(
    ("stayed", "people", "told"),
    [
        ((600, 597, 311), 597, (311,)),
        ((600, 590, 311), 597, (311,)),
        ((600, 400, 311), 403, (600, 311)),
        ((600, 400, 311), 400, (600, 400, 311)),
        ((600, 400, 311), 500, (600, 400, 311)),
    ],
    ids=["a merged step", "a step beside it", "a step in between", "the same people", "far from all"],
)
def test_who_remained_is_not_told_where_people_of_the_results_are_a_few_less(stayed, people, told):
    """600 patients at the start and results of 597: three were left out, though their step is merged."""
    inputs = with_changes(small_inputs(), audience="aggregate")
    steps = [AttritionStep(Bilingual("始", "start"), 0, stayed[0])]
    steps += [AttritionStep(Bilingual("因", "why"), one - other, other) for one, other in pairwise(stayed)]
    row_sets = {"all": [f"p{number}" for number in range(people)]}
    results = dataclasses.replace(inputs.results, row_sets=row_sets)
    released = coarsened(with_changes(inputs, results=results, attrition=tuple(steps))).inputs
    assert tuple(step.remaining for step in released.attrition) == told


def test_an_analysis_of_a_few_people_is_not_in_the_package_at_all():
    """A population of 9, or one that is everybody but 9, would give away who they are."""
    inputs = with_changes(small_inputs(), audience="aggregate")
    people = dict(inputs.results.row_sets)
    everybody = list(people["all"])
    for few in (everybody[:9], everybody[:-9]):
        row_sets = {**people, "restricted": few}
        changed = with_changes(inputs, results=dataclasses.replace(inputs.results, row_sets=row_sets))
        released = coarsened(changed).inputs.results
        assert not any(row.id.startswith("restricted.") for row in released.rows)
        assert "restricted.adjusted" in released.not_done and "restricted" not in released.row_sets
        assert any(row.id == "all.crude.hormon.hazard_ratio" for row in released.rows)


def test_an_authority_sees_everything():
    """Coarsening is for readers abroad only."""
    inputs = small_inputs()
    assert coarsened(inputs).inputs is inputs


def test_how_many_found_no_match_is_not_told_where_they_are_few():
    """58 of 60 matched: number matched, effective size, people of the model would each say that two were not."""
    of = protocol()
    matched = dataclasses.replace(
        of.analysis("all.weighted"), id="all.m", weights="matched", covariates=("age", "diabetes")
    )
    of = dataclasses.replace(of, analyses=(matched,))
    results = run_analyses(valve_dataset(), of, "lock-1")
    assert results.row("all.m.exposed.matched").value == 58 and results.row("all.m.exposed.matched").n == 60
    written = coarsened(dataclasses.replace(with_results(results, protocol=of), audience="aggregate")).inputs
    assert not [row.id for row in written.results.rows if row.analysis == "all.m"]
    assert "all.m" in written.results.not_done
