"""The study's page shows adverse events while everything else waits for two people."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import seal_results
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.records.tables import AnalysisRun, Study
from rwd_platform.server.safety_results import MOST_TERMS, safety_of
from studies.protocol import Protocol
from studies.results import ResultSet
from studies.run import run_analyses
from studies.sealing import open_part, planned_methods, sealed_analyses
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.sealing import analysed as said
from tests.studies.adverse_lock import analysed
from tests.studies.valve import TEXT, protocol, valve_dataset

SHOWN = ("all.criterion", "all.crude", "all.safety")
PEOPLE = "subject | arm | days | site\nA | new | 100 | s1\nB | new | 0 | s2\nD | old | 300 | s2"


@cache
def demonstration() -> tuple[Protocol, ResultSet]:
    plan = protocol()
    plan = replace(plan, analyses=tuple(one for one in plan.analyses if one.id in SHOWN))
    return plan, run_analyses(valve_dataset(), plan, seed.LOCK)


def seed_implants(platform: Platform) -> Study:
    """The second study, frozen, with a sealed run of real results."""
    plan, results = demonstration()
    study = register_study(platform, seed.SEED, TEXT)
    freeze_protocol(platform, seed.SEED, study.id, "方案经审定")
    seed.seed_lock(platform, study.organisation_id, study.id, "L-implants")
    planned = planned_methods(plan)
    kept = seal_results(platform, "run-v", results.as_dict(), open_part(results, planned).as_dict())
    run = AnalysisRun(
        id="run-v", organisation_id=study.organisation_id, project_id=study.project_id, study_id=study.id,
        lock_id="L-implants", made_at=as_text(platform.clock()), results_sha256=kept.results_sha256,
        results=kept.results, sealed_part=kept.sealed_part, sealed_analyses=list(sealed_analyses(planned)),
    )  # fmt: skip
    moved = platform.records.get(Study, study.id)
    moved.state = "analysed"
    platform.records.write(run, moved, audit=said(run))
    return moved


def test_the_page_shows_safety_before_unsealing_and_the_effect_nowhere(platform: Platform, as_user: LogIn):
    """The same page, the same sealed run: the table of adverse events is there, success and ratio are not."""
    study, (_, results) = seed_implants(platform), demonstration()
    for language, spoken in (
        ("zh", ("任何不良事件", "器械缺陷", "完全性房室传导阻滞（I44.2）", "没有报来任何不良事件")),
        ("en", ("Any adverse event", "Device deficiency", "Complete atrioventricular block (I44.2)", "sent no")),
    ):  # fmt: skip
        page = as_user("researcher", language=language).get(f"/studies/{study.id}").text
        for text in spoken:
            assert text in page, text
        share = results.row("all.safety.any.exposed.affected_percent")
        assert f"{share.value:.1f} ({share.ci_low:.1f}–{share.ci_high:.1f})" in page
        for id in ("all.crude.valve_v.hazard_ratio", "all.criterion.proportion"):
            value = results.row(id).value
            assert isinstance(value, float) and id not in page and f"{value:.3f}" not in page
    api = as_user("researcher").get(f"/api/v1/studies/{study.id}/runs").text
    assert "all.safety.any.exposed.affected_percent" in api and "all.crude.valve_v.hazard_ratio" not in api


def test_lines_arms_and_silent_sites_are_read_from_the_rows():
    results = analysed(PEOPLE, "subject | code | day\nA | X | 4\nA | - | 5\nA | X | 9").as_dict()
    (shown,) = safety_of(results)
    assert shown.arms == (("exposed", 2), ("comparator", 1)) and shown.silent == (
        ("exposed", 1),
        ("comparator", 1),
    )
    title, cells = shown.lines[0]
    assert title.en == "Any adverse event" and (cells[0].subjects, cells[0].events) == (1, 3)
    assert cells[0].percent[0] == 50 and cells[1].rate is not None
    assert [title.en for title, _ in shown.lines[5:]] == ["X", "Not coded"]
    assert (shown.terms, shown.codes) == (2, 2)


def test_a_line_without_time_at_risk_has_no_rate():
    people = "subject | arm | days\nA | new | 0"
    (shown,) = safety_of(analysed(people, "subject | code | day\nA | X | 0").as_dict())
    assert shown.lines[0][1][0].rate is None and shown.arms == (("exposed", 1),)


def test_of_many_codes_the_most_frequent_are_shown_and_all_are_counted():
    codes = "\n".join(f"A | C{number} | 4" for number in range(MOST_TERMS + 5))
    (shown,) = safety_of(analysed(PEOPLE, f"subject | code | day\n{codes}").as_dict())
    assert (shown.terms, shown.codes, len(shown.lines)) == (MOST_TERMS, MOST_TERMS + 5, MOST_TERMS + 5)


@pytest.mark.parametrize("results", [{"rows": [], "series": []}, {"rows": []}])
def test_a_run_without_safety_shows_none(results: dict[str, list[object]]):
    assert safety_of(results) == ()
