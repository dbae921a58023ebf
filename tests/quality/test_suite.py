"""Suites: rules are data, and a mistake in one is found when it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ingestion.derived import columns_of
from ingestion.views import load_views, tables_of
from quality.lookups import load_ranges
from quality.rules import CATEGORIES, KINDS, SEVERITIES
from quality.suite import SUITES, load_references, load_suites, parse_suite
from rwd_platform.core.errors import PlatformError

GOOD = """
format_version: 2
table: visit
version: 1
title: {zh: 就诊, en: Visits}
columns: {patient_id: string, status: code}
rules:
  - id: visit.status
    category: conformance
    context: verification
    severity: critical
    reference: fhir.required-binding
    kind: in_set
    column: status
    values: [finished]
    zh: 状态不对。
    en: The status is wrong.
"""


def test_every_table_of_the_lake_has_a_suite():
    """Stored or derived; and a suite speaks only of columns that its table has, with their types."""
    suites = load_suites()
    stored = {
        name: {column.name: column.storage for column in view.columns}
        for name, view in tables_of(load_views()).items()
    }
    derived = {"observation_period": {column.name: "text" for column in columns_of("observation_period")}}
    assert set(suites) == {*stored, *derived}
    for name, suite in suites.items():
        there = (stored | derived)[name]
        assert set(suite.columns) <= set(there), name
        for column, kind in suite.columns.items():
            storage = {"integer": {"integer"}, "decimal": {"decimal", "double"}, "boolean": {"boolean"}}
            assert there[column] in storage.get(kind, {"text"}), f"{name}.{column}"


def test_every_reference_says_where_it_comes_from_and_is_used():
    """A rule can be looked up: key, both languages and a source; and no reference is left that no rule names."""
    references = load_references()
    used = {rule.reference for suite in load_suites().values() for rule in suite.rules}
    assert used == set(references)
    for reference in references.values():
        assert reference.text.zh and reference.text.en and reference.source


def test_a_credible_limit_lies_outside_of_what_is_usual():
    """A limit finds what cannot be; it must not call a sick patient's value wrong, let alone a healthy one's."""
    ranges = load_ranges()
    assert len({(one.loinc, one.unit) for one in ranges}) == len(ranges)
    for one in ranges:
        assert one.low < one.high and one.source
        if one.usual_low is not None and one.usual_high is not None:
            assert one.low <= one.usual_low < one.usual_high <= one.high, one.loinc


def test_every_rule_says_what_would_be_wrong_in_both_languages():
    """Rules are read by doctors: a Chinese and an English sentence, a Kahn tag, an id that names the table."""
    rules = [rule for suite in load_suites().values() for rule in suite.rules]
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.id.startswith(f"{rule.table}."), rule.id
        assert rule.category in CATEGORIES
        assert rule.severity in SEVERITIES
        assert re.search(r"[\u4e00-\u9fff]", rule.text.zh), rule.id
        assert rule.text.zh.endswith("。"), rule.id
        assert rule.text.en.endswith("."), rule.id
        assert not re.search(r"[\u4e00-\u9fff]", rule.text.en), rule.id


def test_every_kind_and_every_category_is_used():
    """A kind that no suite uses would be code that nobody needs; each Kahn category has rules."""
    rules = [rule for suite in load_suites().values() for rule in suite.rules]
    assert {rule.kind for rule in rules} == set(KINDS)
    assert {rule.category for rule in rules} == set(CATEGORIES)


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
        ("format_version: 2", "format_version: 1", "format_version"),
        ("status: code}", "status: colour}", "columns"),
        ("kind: in_set", "kind: in_se", "visit.status"),
        ("    values: [finished]\n", "", "visit.status"),
        ("    values: [finished]\n", "    values: [finished]\n    min: 1\n", "visit.status"),
        ("category: conformance", "category: beauty", "visit.status"),
        ("severity: critical", "severity: dreadful", "visit.status"),
        ("    severity: critical\n", "", "visit.status"),
        ("    reference: fhir.required-binding\n", "", "visit.status"),
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
