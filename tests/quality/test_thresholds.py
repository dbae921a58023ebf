"""Thresholds are a view: the same counts judged again, the difference shown, and nothing looked at twice."""

from __future__ import annotations

import json

import pytest

from quality.gate import decide, decide_for_study, decide_for_upload
from quality.report import Distribution, QualityReport, RuleResult, UploadCount, read_report, status_of
from quality.rules import DRIFT
from quality.scorecard import series
from quality.suite import load_suites
from quality.thresholds import changes, parse_thresholds, rejudge
from rwd_platform.core.errors import PlatformError

SUITES = load_suites()
TEXT = """
format_version: 1
version: 3
who: Zhao Min
why: Children need whole birth dates.
rules: {rules}
"""
BIRTH, DRIFT_RULE = "patient.birth_date_present", "patient.gender_drift_uploads"


def report(failing: int = 3) -> QualityReport:
    """One hospital, 100 rows a table; `failing` patients have no birth date, and the second upload drifts by 0.34."""
    results = []
    for suite in SUITES.values():
        for rule in suite.rules:
            broken = failing if rule.id == BIRTH else 0
            for scope in (None, "h"):
                counts = (0, 0) if rule.kind in DRIFT else (100, broken)
                results.append(
                    RuleResult(suite.table, rule.id, scope, 100, *counts, status_of(rule, *counts))
                )
    uploads = (
        UploadCount("patient", "h", "u1", 50, {BIRTH: (50, 0)}),
        UploadCount("patient", "h", "u2", 50, {BIRTH: (50, failing)}),
    )
    distributions = tuple(
        Distribution(DRIFT_RULE, "h", upload, {"male": male, "female": 1000 - male})
        for upload, male in (("u1", 400), ("u2", 680))
    )
    return QualityReport(tuple(SUITES.values()), tuple(results), uploads, distributions)


def thresholds(rules: str):
    return parse_thresholds(TEXT.format(rules=rules))


def test_a_stricter_threshold_changes_the_verdicts_that_it_should_and_no_other():
    """Three in a hundred lack a birth date. At 95 % that passes with rows; at 99 % it fails, and the gate closes."""
    before = rejudge(report(), thresholds("{}"))
    after = rejudge(before, thresholds(f"{{{BIRTH}: {{mostly: 0.99}}}}"))
    found = {(one.rule, one.organisation_id): (one.before, one.after) for one in changes(before, after)}
    assert found == {
        (BIRTH, None): ("pass_with_rows", "fail"),
        (BIRTH, "h"): ("pass_with_rows", "fail"),
        ("", None): ("admit", "quarantine"),
        ("", "h"): ("admit", "quarantine"),
    }
    assert after.thresholds is not None
    assert (after.thresholds["version"], after.thresholds["who"]) == (3, "Zhao Min")


def test_a_severity_changes_the_gate_and_not_the_verdict_on_the_rule():
    """The same failure as a warning stands beside the verdict and does not close the gate."""
    whole = report(50)
    soft = rejudge(whole, thresholds(f"{{{BIRTH}: {{severity: warning}}}}"))
    assert {one.rule for one in changes(whole, soft)} >= {""}
    verdict = next(one for one in decide(soft).tables if one.table == "patient")
    assert (verdict.verdict, next(one.rule for one in verdict.warnings)) == ("admit", BIRTH)


@pytest.mark.parametrize(("limit", "status"), [(0.3, "fail"), (0.4, "pass")])
def test_the_limit_of_a_drift_is_judged_again_on_the_kept_distribution(limit: float, status: str):
    """No row is needed: the bins of each upload were kept."""
    after = rejudge(report(), thresholds(f"{{{DRIFT_RULE}: {{limit: {limit}}}}}"))
    found = next(one for one in after.results if (one.rule, one.organisation_id) == (DRIFT_RULE, "h"))
    assert found.status == status


def test_a_denominator_of_0_stays_not_applicable_whatever_the_threshold():
    """Also at the smallest share that can be asked for."""
    rule = SUITES["patient"].rules[0]
    assert status_of(rule, 0, 0) == "not_applicable"
    empty = RuleResult("patient", BIRTH, None, 0, 0, 0, "not_applicable")
    again = rejudge(
        QualityReport(tuple(SUITES.values()), (empty,)), thresholds(f"{{{BIRTH}: {{mostly: 0.01}}}}")
    )
    assert again.results == (empty,)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [", "YAML"),
        ("- 1", "top"),
        (TEXT.format(rules="{}").replace("who: Zhao Min", "who: ' '"), "who"),
        (TEXT.format(rules="{}").replace("version: 3", "version: x"), "version"),
        (TEXT.format(rules="{x: {mostly: 2}}"), "x"),
        (TEXT.format(rules="{x: {mostly: true}}"), "x"),
        (TEXT.format(rules="{x: {min: 1}}"), "x"),
        (TEXT.format(rules="{x: {severity: awful}}"), "x"),
        (TEXT.format(rules="{x: {}}"), "x"),
    ],
)
def test_a_mistake_in_a_thresholds_file_is_named(text: str, place: str):
    """Thresholds without a person and a reason, or of a size that cannot be, are not thresholds."""
    with pytest.raises(PlatformError, match=r"quality\.thresholds_malformed") as caught:
        parse_thresholds(text)
    assert caught.value.details["place"] == place


def test_a_threshold_of_no_rule_is_refused():
    """A misspelt rule would otherwise change nothing, and nobody would know."""
    with pytest.raises(PlatformError, match=r"quality\.thresholds_malformed.*patient\.nothing"):
        rejudge(report(), thresholds("{patient.nothing: {mostly: 0.5}}"))


def stored(whole: QualityReport) -> dict:
    return json.loads(json.dumps({"checks": whole.as_dict(), "uploads": whole.uploads_as_dict()}))


def test_a_stored_report_is_read_back_and_judged_as_before():
    """What a record keeps is all that a second judgement needs."""
    whole = report()
    read = read_report(stored(whole))
    assert (read.results, read.uploads, read.distributions) == (
        whole.results,
        whole.uploads,
        whole.distributions,
    )
    assert decide(read).as_dict() == decide(whole).as_dict()


def test_a_report_of_the_first_version_is_still_read():
    """It had outcomes without statuses, and neither severities, nor units, nor counts by upload."""
    old = stored(report())["checks"]
    new_keys = {"severity", "unit", "limit", "min_rows", "kind", "reference"}
    rules = [{key: value for key, value in rule.items() if key not in new_keys} for rule in old["rules"]]
    results = [
        {key: value for key, value in one.items() if key not in ("status", "statistic", "error")}
        for one in old["results"]
    ]
    suites = [{key: value for key, value in one.items() if key != "required"} for one in old["suites"]]
    read = read_report({"checks": {"suites": suites, "rules": rules, "results": results}})
    assert {one.status for one in read.results} == {"pass", "pass_with_rows", "not_applicable"}
    assert decide(read).verdict == "admit"


def test_an_upload_has_verdicts_of_its_own():
    """Six of the second upload's fifty patients lack a birth date: it is that upload that must be mended."""
    (first,), (second,) = (decide_for_upload(report(6), upload) for upload in ("u1", "u2"))
    assert (first.verdict, second.verdict, second.upload_id) == ("admit", "quarantine", "u2")
    assert [reason.rule for reason in second.reasons] == [BIRTH]
    assert decide_for_upload(report(), "another") == ()


def test_a_study_is_judged_by_its_own_tables_and_rules():
    """What fails elsewhere does not stop it; a table that it needs and nobody sent does."""
    whole = report(50)
    assert decide_for_study(whole, ["visit"]).verdict == "quarantine"
    assert decide_for_study(whole, ["visit"], rules=["visit.start_present"]).verdict == "admit"
    unknown = decide_for_study(whole, ["nothing"], rules=[])
    assert [one.table for one in unknown.tables if one.verdict == "quarantine"] == ["nothing"]


def test_a_series_is_a_rule_in_a_hospital_from_run_to_run():
    """Oldest first, whatever order the records come in; an unreadable early run has no point."""
    runs = [
        ("q2", "2024-02-01", stored(report(9))),
        ("q1", "2024-01-01", stored(report(3))),
        ("q0", "2023", {"checks": {}}),
    ]
    (mine,) = [one for one in series(runs, {BIRTH}) if one.organisation_id == "h"]
    assert [(point.run_id, point.failing, point.share, point.status) for point in mine.points] == [
        ("q1", 3, 0.97, "pass_with_rows"),
        ("q2", 9, 0.91, "fail"),
    ]
