"""After unsealing a study's page says what was found, whether the criterion is met, and how far it may be claimed."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import seal_results
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.flows.unseal_results import Knowledge, decide_unsealing, request_unsealing
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AnalysisRun, Study
from rwd_platform.server.conclusions import conclusions
from rwd_platform.server.protocols import outline
from studies.results import ResultSet
from studies.run import run_analyses
from studies.sealing import open_part, planned_methods, sealed_analyses
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.sealing import analysed
from tests.studies.valve import TEXT, protocol, valve_dataset

WHY = "已核对基线平衡与重叠，加权后差异都在界限以内"
OFFICER = Actor("user-privacy", "privacy", "org-operator")
SEEN = Knowledge("seen", "去年学术会议的摘要中看到过部分结局")
LOCK = f"L-{sha256_hex(b'valve')}"


@cache
def results() -> ResultSet:
    """Every judged result is called confirmatory, so that a level that was lowered shows."""
    found = run_analyses(valve_dataset(), protocol(), LOCK)
    rows = tuple(
        replace(row, value="confirmatory") if row.statistic == "claim_level" else row for row in found.rows
    )
    return replace(found, rows=rows)


def concluded(seen: bool = False, **changes: float) -> dict[str, Any]:
    made = results().as_dict()
    for row in made["rows"]:
        row["value"] = changes.get(row["id"].replace(".", "_"), row["value"])
    return {one.analysis: one for one in conclusions(made, seen=seen, criteria=outline(TEXT).criteria)}


def test_each_judged_result_has_its_number_in_the_unit_it_is_read_in():
    found = concluded()
    rows = {row.id: row for row in results().rows}
    share = rows["all.criterion.proportion"]
    number = found["all.criterion"].number
    assert (number.kind, number.value, number.low) == ("percent", 100 * share.value, 100 * share.ci_low)
    assert found["all.adjusted"].number.value == rows["all.adjusted.valve_v.hazard_ratio"].value
    assert found["all.rmst"].number.kind == "days" and found["all.bridging"].number.kind == "points"


def test_the_criterion_has_its_bound_verdict_and_enough_decimals_not_to_contradict_it():
    against = concluded()["all.criterion"].against
    assert against.verdict.en == "not shown to be met" and not against.upper and against.decimals == 1
    assert against.criterion == pytest.approx(80.0)
    near = concluded(all_criterion_bound=0.79996, all_criterion_p_value=0.02501)["all.criterion"].against
    assert (near.decimals, near.p_decimals) == (3, 5)


def test_outcomes_that_were_seen_lower_the_level_and_are_named():
    assert {one.level.en for one in concluded().values()} == {"confirmatory"}
    seen = concluded(seen=True)
    assert {one.level.en for one in seen.values()} == {"supportive"}
    assert seen["all.criterion"].failed[-1].zh == "揭盲前未见结局"
    assert "方案中的地位" not in {gate.zh for one in seen.values() for gate in one.failed}


def test_results_without_levels_have_no_conclusions():
    assert conclusions({"rows": []}, seen=True, criteria={}) == ()


@pytest.fixture
def study(platform: Platform) -> Study:
    made = register_study(platform, seed.SEED, TEXT)
    freeze_protocol(platform, seed.SEED, made.id, "方案经审定")
    seed.seed_lock(platform, made.organisation_id, made.id, LOCK)
    planned = planned_methods(protocol())
    kept = seal_results(platform, "run-valve", results().as_dict(), open_part(results(), planned).as_dict())
    run = AnalysisRun(
        id="run-valve", organisation_id=made.organisation_id, project_id=made.project_id, study_id=made.id,
        lock_id=LOCK, made_at=as_text(platform.clock()), results_sha256=kept.results_sha256, results=kept.results,
        sealed_part=kept.sealed_part, sealed_analyses=list(sealed_analyses(planned)),
    )  # fmt: skip
    moved = platform.records.get(Study, made.id)
    moved.state = "analysed"
    platform.records.write(run, moved, audit=analysed(run))
    return moved


def page(as_user: LogIn, study: Study, language: str) -> str:
    client = as_user("researcher")
    client.cookies.set("rwd_language", language)
    answer = client.get(f"/studies/{study.id}")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def test_before_the_freeze_the_page_names_diagnostics_without_which_nothing_is_unsealed(
    platform: Platform, as_user: LogIn
):
    """The second demonstration plans them all; without its overlap the two controlled comparisons lack one."""
    assert "将不能揭盲" not in page(as_user, register_study(platform, seed.SEED, TEXT), "zh")
    first, last = TEXT.index("  - id: all.overlap"), TEXT.index("  - id: all.follow_up")
    text = (TEXT[:first] + TEXT[last:]).replace("\nid: valve-v\n", "\nid: valve-w\n")
    said = page(as_user, register_study(platform, seed.SEED, text), "zh")
    assert "结果将不能揭盲" in said and "all：倾向评分重叠 overlap" in said


def unseal(platform: Platform, study: Study, knowledge: Knowledge) -> None:
    asked = request_unsealing(platform, seed.SEED, study.id, WHY, knowledge)
    decide_unsealing(platform, OFFICER, asked.id, True, WHY)


def test_sealed_the_page_concludes_nothing(platform: Platform, study: Study, as_user: LogIn):
    assert "尚不能证明达到目标值" not in page(as_user, study, "zh")


@pytest.mark.parametrize(
    ("language", "parts"),
    [
        (
            "zh",
            (
                "78.3 % (65.8–87.9 %)",
                "尚不能证明达到目标值",
                "单侧置信下限 65.8 %",
                "目标值 ≥ 80.0 %",
                "支持性",
            ),
        ),
        ("en", ("78.3 % (65.8–87.9 %)", "not shown to be met", "One-sided lower bound 65.8 %", "supportive")),
    ],
)
def test_unsealed_the_page_says_what_was_found_and_how_far_it_may_be_claimed(
    platform: Platform, study: Study, as_user: LogIn, language: str, parts: tuple[str, ...]
):
    unseal(platform, study, SEEN)
    said = page(as_user, study, language)
    assert [part for part in parts if part not in said] == []
