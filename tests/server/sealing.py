"""A frozen study with a sealed run of real diagnostics, and an estimate in it that is easy to find."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import seal_results
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AnalysisRun, Study
from studies.results import ResultSet
from studies.sealing import open_part, planned_methods, sealed_analyses
from tests.evidence.fixtures import small_inputs
from tests.server import seed

PROTOCOL = (Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml").read_text("utf-8")
MARKER = 0.123454321987  # a hazard ratio that nothing else in these results is
MARKER_ROW = "restricted.crude.hormon.hazard_ratio"
MARKER_REASON = "没有结局事件的组：封存标记 / an arm without events: sealed marker"
MARKERS = (str(MARKER), "0.123", MARKER_ROW, "封存标记", "sealed marker")


@cache
def whole_results() -> ResultSet:
    """Real results, one estimate changed for the marker and one reason added."""
    found = small_inputs().results
    planted = ("hazard_ratio", "restricted.crude")
    rows = tuple(
        replace(one, id=MARKER_ROW, value=MARKER, ci_low=MARKER - 0.01, ci_high=MARKER + 0.01)
        if (one.statistic, one.analysis) == planted
        else one
        for one in found.rows
    )
    assert any(one.id == MARKER_ROW for one in rows)
    return replace(found, rows=rows, not_done={**found.not_done, "all.crude": MARKER_REASON})


def seed_sealed(platform: Platform, project: str = "rotterdam-hormon", run_id: str = "run-sealed") -> Study:
    """Registered and frozen by the flows; its lock and run as the flows leave them."""
    text = PROTOCOL.replace("\nid: rotterdam-hormon\n", f"\nid: {project}\n")
    study = register_study(platform, seed.SEED, text)
    freeze_protocol(platform, seed.SEED, study.id, "方案经审定")
    lock_id = f"L-{sha256_hex(project.encode())}"
    seed.seed_lock(platform, study.organisation_id, study.id, lock_id)
    run = sealed_run(platform, study, run_id, lock_id)
    moved = platform.records.get(Study, study.id)
    moved.state = "analysed"
    platform.records.write(run, moved, audit=analysed(run))
    return moved


def sealed_run(platform: Platform, study: Study, run_id: str, lock_id: str) -> AnalysisRun:
    results, planned = whole_results(), planned_methods(small_inputs().protocol)
    kept = seal_results(platform, run_id, results.as_dict(), open_part(results, planned).as_dict())
    return AnalysisRun(
        id=run_id, organisation_id=study.organisation_id, project_id=study.project_id, study_id=study.id,
        lock_id=lock_id, made_at=as_text(platform.clock()), results_sha256=kept.results_sha256,
        results=kept.results, sealed_part=kept.sealed_part, sealed_analyses=list(sealed_analyses(planned)),
    )  # fmt: skip


def analysed(run: AnalysisRun) -> Act:
    return Act(seed.SEED, "study.analysed", Object("run", run.id, run.results_sha256))
