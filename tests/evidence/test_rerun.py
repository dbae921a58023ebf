"""The code that travels in a package recomputes its results, away from this repository."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from studies.dataset import build as build_dataset
from studies.evidence import aggregate
from studies.evidence.aggregate import coarsened
from studies.evidence.aggregate_curves import CURVES
from studies.evidence.code import result_code
from studies.evidence.documents import json_bytes
from studies.evidence.templates import rerun
from studies.evidence.templates import verify as standalone
from studies.run import run_analyses
from tests.evidence.fixtures import BEFORE, PROTOCOL, small_inputs, small_lock, with_changes
from tests.studies.rotterdam_lock import rotterdam_protocol


def unpacked(folder: Path) -> Path:
    """What `rerun.py` reads of a package, and the lock beside it."""
    for name, text in result_code().items():
        target = folder / "07_code/src" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    script = Path(standalone.__file__).parent / "rerun.py"
    (folder / "07_code/rerun.py").write_bytes(script.read_bytes())
    (folder / "01_protocol").mkdir()
    (folder / "01_protocol/protocol.yaml").write_bytes(PROTOCOL.read_bytes())
    (folder / "05_results").mkdir()
    (folder / "05_results/ard.json").write_bytes(json_bytes(small_inputs().results.as_dict()))
    (folder / "00_index").mkdir()
    (folder / "00_index/package.json").write_bytes(json_bytes({"lock_id": small_inputs().results.lock_id}))
    (folder / "lock").mkdir()
    (folder / "lock/manifest.json").write_bytes(json_bytes({"id": small_inputs().results.lock_id}))
    for name, frame in small_lock().items():
        frame.to_parquet(folder / "lock" / f"{name}.parquet")
    return folder


def test_the_travelling_code_recomputes_every_result_from_the_lock(tmp_path):
    """Exit 0 when all rows agree; exit 1 naming the row that does not; the folder is left as it was."""
    folder = unpacked(tmp_path)

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(folder / "07_code/rerun.py"), "--lock", str(folder / "lock")]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)

    good = run()
    assert good.returncode == 0, good.stdout + good.stderr
    assert not list(folder.rglob("__pycache__"))
    stored = folder / "05_results/ard.json"
    results = json.loads(stored.read_text("utf-8"))
    row = next(one for one in results["rows"] if one["id"] == "restricted.crude.hormon.hazard_ratio")
    row["value"] *= 1.000001
    stored.write_bytes(json_bytes(results))
    bad = run()
    assert bad.returncode == 1
    assert "restricted.crude.hormon.hazard_ratio" in bad.stdout and "1 differ" in bad.stdout


def test_the_travelling_code_holds_nothing_that_makes_packages_or_reads_identities():
    """What a reviewer runs is the room of studies and the shared words it stands on."""
    names = result_code()
    assert "studies/run.py" in names and "studies/protocols/rotterdam.yaml" in names
    assert all(name.startswith(("studies/", "rwd_platform/core/", "rwd_platform/__init__")) for name in names)
    assert not any("evidence" in name for name in names)


def test_terms_that_are_withheld_together_are_missed_by_nobody_and_still_may_not_differ():
    """An aggregate edition says `all.safety.term`, since the code of a rare event would tell that it happened."""
    account = {"withheld_results": ["all.safety.term", "all.crude.median", 3]}
    for name in ("all.safety.term.I46.exposed.affected", "all.crude.median"):
        assert rerun.is_withheld(name, account) and not rerun.is_withheld(name, {}), name
    for name in ("all.safety.terminated", "all.crude.hazard_ratio"):
        assert not rerun.is_withheld(name, account), name


# -- what is compared --------------------------------------------------------------------------------------


@cache
def editions() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """All results of the small study, what an aggregate edition tells of them, and its account of the rest."""
    inputs = with_changes(small_inputs(), audience="aggregate")
    coarse = coarsened(inputs)
    documents = (inputs.results.as_dict(), coarse.inputs.results.as_dict(), coarse.account)
    whole, told, account = (json.loads(json.dumps(one)) for one in documents)
    return whole, told, account


def differing(change: Callable[[dict[str, Any]], None], *, aggregate: bool = False) -> list[str]:
    whole, told, account = editions()
    stored = deepcopy(told if aggregate else whole)
    change(stored)
    found = rerun.compare(stored, whole, account if aggregate else None)
    return [*found.rows, *found.others]


def unchanged(_: dict[str, Any]) -> None:
    pass


def row_of(stored: dict[str, Any], id: str) -> dict[str, Any]:
    return next(one for one in stored["rows"] if one["id"] == id)


def series_of(stored: dict[str, Any], id: str) -> dict[str, Any]:
    return next(one for one in stored["series"] if one["id"] == id)


CURVE = "restricted.kaplan_meier.curve.exposed"
MEDIAN = "restricted.kaplan_meier.exposed.median"
RATIO = "restricted.crude.hormon.hazard_ratio"


def lift_curve(stored: dict[str, Any]) -> None:
    points = series_of(stored, CURVE)["points"]
    points[-1] = [points[-1][0], points[-1][1] ** 0.5, *points[-1][2:]]


def lengthen_median(stored: dict[str, Any]) -> None:
    row_of(stored, MEDIAN)["value"] += 1095


def swap_arms(stored: dict[str, Any]) -> None:
    row_of(stored, MEDIAN)["group"] = "comparator"


def repeat_row(stored: dict[str, Any]) -> None:
    stored["rows"].insert(0, {**row_of(stored, RATIO), "value": 0.2})


def more_at_risk(stored: dict[str, Any]) -> None:
    point = next(
        one for one in series_of(stored, "restricted.kaplan_meier.at_risk")["points"] if None not in one
    )
    point[1] += 1


FALSE = {
    lift_curve: f"series: {CURVE}",
    lengthen_median: MEDIAN,
    swap_arms: MEDIAN,
    repeat_row: RATIO,
    more_at_risk: "series: restricted.kaplan_meier.at_risk",
}


def test_both_editions_agree_with_the_lock_as_they_were_made():
    whole, told, account = editions()
    assert differing(unchanged) == differing(unchanged, aggregate=True) == []
    found = rerun.compare(told, whole, account)
    assert found.counts["rows"] + found.left_out["rows"] == len(whole["rows"])
    assert found.counts["series"] + found.left_out["series"] == len(whole["series"])
    assert found.left_out["rows"] > 100 and found.left_out["series"] > 5
    assert set(rerun.compare(whole, whole).left_out.values()) == {0}


@pytest.mark.parametrize("aggregate", [False, True])
@pytest.mark.parametrize("change", FALSE, ids=lambda one: one.__name__)
def test_a_false_number_is_named_in_rows_and_series_of_either_edition(change, aggregate):
    """A median is in the aggregate edition's list of withheld results, for it is told rounded: it is compared."""
    _, told, account = editions()
    assert MEDIAN in account["withheld_results"] and row_of(told, MEDIAN)
    assert differing(change, aggregate=aggregate) == [FALSE[change]]


def test_a_point_on_a_day_that_a_curve_does_not_have_tells_the_curves_value_of_that_day():
    """Days of the grid are nobody's days; before day 0 there is no curve."""

    def earlier(stored: dict[str, Any]) -> None:
        series_of(stored, CURVE)["points"][0][0] = -1.0

    def text(stored: dict[str, Any]) -> None:
        series_of(stored, CURVE)["points"][0] = "0"

    for change in (earlier, text):
        assert differing(change, aggregate=True) == [f"series: {CURVE}"]


def test_what_an_edition_that_withholds_nothing_lacks_or_adds_is_named():
    def lack(stored: dict[str, Any]) -> None:
        stored["rows"].remove(row_of(stored, RATIO))
        stored["series"].remove(series_of(stored, CURVE))
        stored["row_sets"].pop("restricted")

    def add(stored: dict[str, Any]) -> None:
        stored["rows"].append({**row_of(stored, RATIO), "id": "more"})
        stored["not_done"]["more"] = "why"

    assert differing(lack) == [RATIO, f"series: {CURVE}", "row_sets: restricted"]
    assert differing(add) == ["more", "not_done: more"]


def test_an_aggregate_edition_may_leave_out_by_its_own_list_only_and_add_nothing():
    def lack(stored: dict[str, Any]) -> None:
        stored["rows"].remove(row_of(stored, RATIO))

    def add(stored: dict[str, Any]) -> None:
        stored["not_done"]["restricted.crude"] = "涉及人数少 / few"

    assert differing(lack, aggregate=True) == [RATIO]
    assert differing(add, aggregate=True) == ["not_done: restricted.crude"]


def test_the_rules_of_an_aggregate_edition_are_those_it_was_made_by():
    """rerun.py travels without them, and so says them again."""
    assert rerun.ROUNDED_DAYS == aggregate.ROUNDED_DAYS
    assert set(rerun.PATIENTS_DAYS) == aggregate._PATIENTS_DAYS
    assert set(rerun.CURVES) == set(CURVES)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"series": None},
        {"series": [3]},
        {"rows": [{"id": 3}]},
        {"rows": "rows"},
        {"not_done": []},
        {"row_sets": 1},
        {"lock_id": None},
    ],
)
def test_results_without_their_shape_are_not_compared(spoilt):
    whole, _, _ = editions()
    assert rerun.has_shape(whole) and not rerun.has_shape({**whole, **spoilt}) and not rerun.has_shape([])


def ran(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "07_code/rerun.py"), "--lock", str(folder / "lock")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_the_steps_before_the_lock_are_taken_from_it_and_compared(tmp_path):
    """Those who never came into the lock are in its manifest; a package with other steps is named, row by row."""
    folder = unpacked(tmp_path)
    results = run_analyses(
        build_dataset(small_lock(), rotterdam_protocol(), BEFORE), rotterdam_protocol(), "lock-small"
    )
    (folder / "05_results/ard.json").write_bytes(json_bytes(results.as_dict()))
    told = [{**one.reason._asdict(), "left": one.left, "remaining": one.remaining} for one in BEFORE]
    manifest = {"id": "lock-small", "content": {"facts": {"attrition": told}}}
    (folder / "lock/manifest.json").write_bytes(json_bytes(manifest))
    good = ran(folder)
    assert good.returncode == 0 and f"{len(results.rows)} result rows, 0 differ" in good.stdout, good.stdout
    told[1]["left"] = 3
    (folder / "lock/manifest.json").write_bytes(json_bytes(manifest))
    bad = ran(folder)
    assert bad.returncode == 1 and "✗ attrition.step_2.left" in bad.stdout
    manifest["content"] = {"facts": {"attrition": [{"zh": "人"}]}}
    (folder / "lock/manifest.json").write_bytes(json_bytes(manifest))
    assert ran(folder).returncode == 1 and "✗ manifest.json" in ran(folder).stdout


def test_what_an_aggregate_edition_does_not_hold_is_said_and_never_called_the_same(tmp_path):
    folder = unpacked(tmp_path)
    whole, told, account = editions()
    (folder / "05_results/ard.json").write_bytes(json_bytes(told))
    described = {"lock_id": whole["lock_id"], "audience": "aggregate", "coarsening": account}
    (folder / "00_index/package.json").write_bytes(json_bytes(described))
    said = ran(folder)
    left = len(whole["rows"]) - len(told["rows"])
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(told['rows'])} result rows, 0 differ" in said.stdout
    assert f"does not hold them: {left} result rows" in said.stdout and f"不含的结果 {left} 行" in said.stdout
    described["audience"] = "authority"
    (folder / "00_index/package.json").write_bytes(json_bytes(described))
    assert ran(folder).returncode == 1, "the account of an edition that has everything excuses nothing"
