"""Thresholds in force: previewed, adopted, kept by later checks; scores over time; and what a package keeps of it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from quality.gate import decide
from quality.report import QualityReport, RuleResult, UploadCount, status_of
from quality.rules import DRIFT
from quality.suite import load_suites
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.check_quality import newest_run, run_content, save_run, thresholds_in_force
from rwd_platform.flows.evidence_inputs import _of_sources, _without_record_ids
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.protocol_tables import tables_read
from rwd_platform.flows.quality_thresholds import adopt_thresholds, preview_thresholds, quality_series
from rwd_platform.records.tables import QualityRun
from studies.protocol_reader import read_protocol
from tests.conftest import StandingClock
from tests.flows.questioning import ASKER, CLERK, HOSPITAL, OPERATOR
from tests.flows.sending import actions
from tests.flows.test_study import PROTOCOL

RULE = "patient.birth_date_present"
TEXT = """
format_version: 1
version: 2
who: Zhao Min, data group
why: Children need whole birth dates.
rules: {{patient.birth_date_present: {{mostly: {mostly}}}}}
"""


def report(failing: int = 3) -> QualityReport:
    """A hundred rows a table at one hospital, of which `failing` patients have no birth date."""
    suites = tuple(load_suites().values())
    results = []
    for suite in suites:
        for rule in suite.rules:
            counts = (0, 0) if rule.kind in DRIFT else (100, failing if rule.id == RULE else 0)
            status = status_of(rule, *counts)
            results += [
                RuleResult(suite.table, rule.id, who, 100, *counts, status) for who in (None, HOSPITAL)
            ]
    upload = UploadCount("patient", HOSPITAL, "upload-secret", 100, {RULE: (100, failing)})
    return QualityReport(suites, tuple(results), (upload,))


def checked(platform: Platform, failing: int = 3) -> QualityRun:
    content = {"lake_versions": {"patient": 1}, **run_content(report(failing)), "held_back": {}}
    return save_run(platform, OPERATOR, content, "quality.checked")


def refusal(act: Any) -> str:
    with pytest.raises(PlatformError) as caught:
        act()
    return caught.value.code


def test_a_preview_names_the_verdicts_that_would_change_and_keeps_nothing(platform: Platform) -> None:
    checked(platform)
    found = preview_thresholds(platform, ASKER, TEXT.format(mostly=0.99))
    assert (RULE, HOSPITAL, "pass_with_rows", "fail") in {
        (one.rule, one.organisation_id, one.before, one.after) for one in found
    }
    assert len(platform.records.all(select(QualityRun))) == 1
    assert thresholds_in_force(platform) is None
    assert not preview_thresholds(platform, ASKER, TEXT.format(mostly=0.95))


def test_adopted_thresholds_judge_the_same_counts_and_stay_in_force(
    platform: Platform, clock: StandingClock
) -> None:
    """The new run names the one whose counts it judges; the log names the thresholds by hash."""
    before = checked(platform)
    clock.advance(hours=1)
    after = adopt_thresholds(platform, OPERATOR, TEXT.format(mostly=0.99))
    assert (before.verdict, after.verdict) == ("admit", "quarantine")
    assert after.report["rejudged_from"] == before.id
    assert after.report["lake_versions"] == before.report["lake_versions"]
    newest, thresholds = newest_run(platform), thresholds_in_force(platform)
    assert newest is not None and newest.id == after.id
    assert thresholds is not None and thresholds.rules == {RULE: {"mostly": 0.99}}
    assert actions(platform)[-1] == "quality.rejudged"


def test_without_a_check_there_is_nothing_to_judge_and_not_everybody_judges(platform: Platform) -> None:
    assert refusal(lambda: preview_thresholds(platform, ASKER, TEXT.format(mostly=0.9))) == "quality.no_run"
    checked(platform)
    with pytest.raises(PlatformError):
        adopt_thresholds(platform, CLERK, TEXT.format(mostly=0.5))
    malformed = "format_version: 1\nrules: {}\n"
    assert refusal(lambda: adopt_thresholds(platform, OPERATOR, malformed)) == "quality.thresholds_malformed"
    assert len(platform.records.all(select(QualityRun))) == 1


def test_a_series_runs_from_the_oldest_check_to_the_newest(platform: Platform, clock: StandingClock) -> None:
    """Who may see every hospital sees also all together."""
    checked(platform, 3)
    clock.advance(hours=1)
    checked(platform, 9)
    found = {one.organisation_id: one for one in quality_series(platform, OPERATOR, {RULE})}
    assert set(found) == {None, HOSPITAL}
    assert [point.failing for point in found[HOSPITAL].points] == [3, 9]
    assert [point.status for point in found[HOSPITAL].points] == ["pass_with_rows", "fail"]


def test_a_hospital_sees_its_own_series_alone(platform: Platform) -> None:
    checked(platform)
    assert {one.organisation_id for one in quality_series(platform, CLERK, {RULE})} == {HOSPITAL}
    other = replace(CLERK, organisation="org-hospital-b")
    assert not quality_series(platform, other, {RULE})


def test_no_upload_and_no_run_is_named_in_what_a_package_keeps(platform: Platform) -> None:
    """They are ids of this deployment's records; verdicts and counts stay."""
    first = checked(platform)
    run = adopt_thresholds(platform, OPERATOR, TEXT.format(mostly=0.99))
    assert "upload-secret" in str(run.report) and first.id in str(run.report)
    kept = _without_record_ids(run.report)
    assert "upload-secret" not in str(kept) and first.id not in str(kept)
    assert kept["gate"] == run.report["gate"] and kept["checks"]["results"]


def test_how_another_hospitals_records_are_stays_out_of_a_package(platform: Platform) -> None:
    """The run looked at the whole store; the reader sees this study's hospitals, and all rows together."""
    report = _without_record_ids(checked(platform).report)
    other = json.loads(json.dumps(report).replace(HOSPITAL, "org-other"))
    both = deepcopy(report)
    both["gate"]["hospitals"] += other["gate"]["hospitals"]
    both["scorecard"]["hospitals"] += [
        one for one in other["scorecard"]["hospitals"] if one["organisation_id"]
    ]
    both["checks"]["results"] += [one for one in other["checks"]["results"] if one["organisation_id"]]
    assert "org-other" in str(both) and _of_sources(both, {HOSPITAL}) == report
    assert HOSPITAL not in str(_of_sources(both, {"org-other"}))


def test_a_protocol_reads_the_tables_that_it_names_and_no_other() -> None:
    """The gate of a study is on these alone: the demo's protocol has no use for imaging or costs."""
    assert tables_read(read_protocol(PROTOCOL)) == {
        *("patient", "procedure", "drug_exposure", "outcome_event", "condition", "measurement")
    }
    assert {"imaging", "cost_line"} <= {one.table for one in decide(report()).tables}
