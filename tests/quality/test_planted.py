"""Every planted defect is found by its rule and by no other; stock Great Expectations counts the same."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from quality.engine import check_tables
from quality.expectations import gx_suite
from quality.judgement import has_raised, validate
from quality.report import QualityReport
from quality.rules import MEASURES
from quality.suite import load_suites
from tests.quality.oracle import Oracle
from tests.quality.planted import IMPLIED, Hospital, frames_of, plant, plantable, surroundings_of

SUITES = load_suites()
RULES = {rule.id: rule for rule in plantable(SUITES)}
CLEAN = "clean"


@dataclass(frozen=True)
class Planted:
    oracle: Oracle
    report: QualityReport
    broken: dict[str | None, dict[str, str]]
    """By hospital, the rules that any of its rows breaks, with their status."""


@pytest.fixture(scope="module")
def planted() -> Planted:
    """A clean hospital, and one for each rule with that rule's defect; checked once."""
    hospitals = [Hospital(CLEAN)]
    for rule in RULES.values():
        hospital = Hospital(rule.id)
        plant(rule, hospital)
        hospitals.append(hospital)
    tables, around = frames_of(hospitals, SUITES), surroundings_of(hospitals)
    report = check_tables(tables, SUITES, around)
    broken: dict[str | None, dict[str, str]] = {}
    for one in report.results:
        if one.failing or one.status in ("fail", "error"):
            broken.setdefault(one.organisation_id, {})[one.rule] = one.status
    return Planted(Oracle(tables, around), report, broken)


def test_clean_rows_keep_every_rule_and_each_rule_is_asked(planted: Planted):
    """No rule is silent on clean rows: otherwise its defect, not its clean state, would have made it speak."""
    assert CLEAN not in planted.broken
    mine = [one for one in planted.report.results if one.organisation_id == CLEAN]
    silent = {one.rule for one in mine if one.status == "not_applicable"}
    # These speak only of what a defect brings: a second date that clean rows do not have.
    assert silent & set(RULES) <= {"condition.abatement_valid", "condition.abatement_not_before_onset"}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_planted_defect_is_found_by_its_rule_and_by_no_other(planted: Planted, rule: str):
    """What is unavoidable besides is written down with its reason (IMPLIED)."""
    implied, _ = IMPLIED.get(rule, (set(), ""))
    found = planted.broken.get(rule, {})
    assert set(found) == {rule, *implied}
    assert found[rule] == "fail"


@pytest.mark.parametrize("table", sorted(SUITES))
def test_stock_great_expectations_agrees_on_every_expectation(planted: Planted, table: str):
    """Verdict and unexpected count of every expectation of every suite, over all the planted rows at once.

    The columns that a rule needs from elsewhere are prepared in pandas here, row by row, without the engine.
    """
    suite = SUITES[table]
    rows = planted.oracle.prepare(suite)
    answers = {
        answer.expectation_config.meta["rule"]: answer
        for answer in validate(rows, gx_suite(suite), "SUMMARY").results
    }
    ours = {one.rule: one for one in planted.report.of(table)}
    assert set(answers) == {rule.id for rule in suite.rules if rule.kind not in MEASURES}
    for rule, answer in answers.items():
        assert not has_raised(answer), rule
        assert ours[rule].applicable > 0, rule
        assert ours[rule].failing == answer.result["unexpected_count"], rule
        assert (ours[rule].status != "fail") == answer.success, rule
