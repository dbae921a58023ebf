"""Suites: rules are data, and a mistake in one is found when it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from quality.suite import KAHN, KINDS, SUITES, load_suites, parse_suite
from rwd_platform.core.errors import PlatformError
from tests.quality.tables import COLUMNS

GOOD = """
format_version: 1
table: visit
version: 1
title: {zh: 就诊, en: Visits}
columns: {patient_id: string, status: code}
rules:
  - id: visit.status
    kahn: conformance
    context: verification
    kind: in_set
    column: status
    values: [finished]
    zh: 状态不对。
    en: The status is wrong.
"""


def test_every_table_of_the_lake_has_a_suite():
    """Seven tables, and each suite speaks of exactly the columns that the table has."""
    suites = load_suites()
    assert set(suites) == set(COLUMNS)
    for name, suite in suites.items():
        assert set(suite.columns) == {"patient_id", *COLUMNS[name]}


def test_every_rule_says_what_would_be_wrong_in_both_languages():
    """Rules are read by doctors: a Chinese and an English sentence, a Kahn tag, an id that names the table."""
    rules = [rule for suite in load_suites().values() for rule in suite.rules]
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.id.startswith(f"{rule.table}."), rule.id
        assert rule.kahn in KAHN
        assert re.search(r"[\u4e00-\u9fff]", rule.text.zh), rule.id
        assert rule.text.zh.endswith("。"), rule.id
        assert rule.text.en.endswith("."), rule.id
        assert not re.search(r"[\u4e00-\u9fff]", rule.text.en), rule.id


def test_every_kind_and_every_category_is_used():
    """A kind that no suite uses would be code that nobody needs; each Kahn category has rules."""
    rules = [rule for suite in load_suites().values() for rule in suite.rules]
    assert {rule.kind for rule in rules} == set(KINDS)
    assert {rule.kahn for rule in rules} == set(KAHN)


def test_a_suite_is_named_by_the_hash_of_its_text():
    """A report says exactly which rules were asked."""
    assert parse_suite(GOOD).sha256 != parse_suite(GOOD + "# a comment\n").sha256
    path = SUITES / "patient.yaml"
    text = Path(path).read_text(encoding="utf-8")
    assert load_suites()["patient"].sha256 == parse_suite(text).sha256


def test_what_is_not_said_has_the_strict_default():
    """Every row must keep a rule, and a row that breaks it stays in the table, unless the rule says otherwise."""
    (rule,) = parse_suite(GOOD).rules
    assert (rule.mostly, rule.holds_rows_back, rule.where, rule.other) == (1.0, False, (), None)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (GOOD, "a: [", "YAML"),
        (GOOD, "- a list", "top"),
        (GOOD, "", "top"),
        ("version: 1\ntitle", "title", "top"),
        ("title:", "colour: red\ntitle:", "top"),
        ("format_version: 1", "format_version: 2", "format_version"),
        ("status: code}", "status: colour}", "columns"),
        ("kind: in_set", "kind: in_se", "visit.status"),
        ("    values: [finished]\n", "", "visit.status"),
        ("    values: [finished]\n", "    values: [finished]\n    min: 1\n", "visit.status"),
        ("kahn: conformance", "kahn: beauty", "visit.status"),
        ("context: verification", "context: dream", "visit.status"),
        ("column: status", "column: state", "visit.status"),
        ("    zh: 状态不对。\n", "", "visit.status"),
        ("column: status", "column: status\n    mostly: 1.01", "visit.status"),
        ("column: status", "column: status\n    mostly: 0", "visit.status"),
        ("column: status", "column: status\n    row_action: delete", "visit.status"),
        ("column: status", "column: status\n    where: {state: x}", "visit.status"),
        ("kind: in_set", "kind: regex", "visit.status"),
    ],
)
def test_a_mistake_in_a_suite_is_found_and_named(old: str, new: str, place: str):
    """A rule with a misspelt key or column would otherwise pass for ever, having asked nothing."""
    assert old in GOOD
    with pytest.raises(PlatformError, match=r"quality\.suite_malformed") as caught:
        parse_suite(GOOD.replace(old, new), "visit.yaml")
    assert caught.value.details["place"] == place
    assert "visit.yaml" in caught.value.zh


def test_a_pattern_that_is_none_is_found():
    """Before the first row is looked at."""
    text = GOOD.replace("kind: in_set", "kind: regex").replace("values: [finished]", "pattern: '('")
    with pytest.raises(PlatformError, match=r"quality\.suite_malformed.*visit\.status"):
        parse_suite(text)


def test_two_rules_cannot_share_an_id():
    """Results are filed under it."""
    facts = yaml.safe_load(GOOD)
    facts["rules"] *= 2
    with pytest.raises(PlatformError, match="share an id"):
        parse_suite(yaml.safe_dump(facts))


@pytest.mark.parametrize(
    "other",
    ["{table: nowhere, column: x}", "{table: visit, column: nothing}", "{column: status, pick: middle}"],
)
def test_a_rule_cannot_compare_with_what_no_suite_declares(tmp_path: Path, other: str):
    """Suites are checked against each other when a folder of them is loaded."""
    rule = f"kind: not_before\n    other: {other}"
    text = GOOD.replace("kind: in_set", rule).replace("    values: [finished]\n", "")
    (tmp_path / "visit.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PlatformError, match=r"quality\.suite_malformed.*visit\.status"):
        load_suites(tmp_path)
