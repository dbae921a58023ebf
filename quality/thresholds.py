"""Thresholds as a view: other thresholds judge the same counts again, and the difference is shown.

A thresholds file says who set them and why, because a verdict is theirs as much as the data's:

    format_version: 1
    version: 3
    who: Zhao Min, data management group
    why: Ethics board of 2026-03-02 asks for complete birth dates in children.
    rules:
      patient.birth_date_present: {mostly: 0.99}
      visit.class_drift_uploads: {limit: 0.2, severity: critical}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from quality.drift import NONE, Drift, drifts
from quality.gate import decide
from quality.report import QualityReport, RuleResult, status_of
from quality.rules import DRIFT, SEVERITIES, Rule, Suite
from rwd_platform.core.errors import Exit, Problem

FORMAT_VERSION = 1
_KEYS = {"format_version", "version", "who", "why", "rules"}

MALFORMED = Problem(
    code="quality.thresholds_malformed",
    zh="阈值文件有误（{place}）：{why_zh}。",
    en="The thresholds file is wrong at {place}: {why}.",
    next_zh="请按 quality/thresholds.py 开头的例子更正该文件。",
    next_en="Correct the file; the head of quality/thresholds.py shows one.",
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class Thresholds:
    """What differs from the suites, by rule id: the share to keep (`mostly`), the drift borne (`limit`), severity."""

    version: int
    who: str
    why: str
    rules: Mapping[str, Mapping[str, float | str]]
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        rules = {rule: dict(values) for rule, values in self.rules.items()}
        return {
            "version": self.version,
            "who": self.who,
            "why": self.why,
            "sha256": self.sha256,
            "rules": rules,
        }


@dataclass(frozen=True)
class Change:
    """A verdict that other thresholds would change: of a rule, or (`rule` empty) of the gate on a table."""

    table: str
    rule: str
    organisation_id: str | None
    before: str
    after: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "rule": self.rule,
            "organisation_id": self.organisation_id,
            "before": self.before,
            "after": self.after,
        }


def parse_thresholds(text: str) -> Thresholds:
    """A thresholds file; `quality.thresholds_malformed` names what is wrong."""
    try:
        facts = yaml.safe_load(text)
    except yaml.YAMLError:
        raise _wrong("YAML", "it is not YAML", "不是 YAML") from None
    if not isinstance(facts, dict) or set(facts) != _KEYS or facts["format_version"] != FORMAT_VERSION:
        raise _wrong("top", "its keys or its version are not those of such a file", "顶层的键或版本不对")
    for key in ("who", "why"):
        if not str(facts[key] or "").strip():
            raise _wrong(key, "thresholds need a person and a reason", "阈值必须写明由谁、因何设定")
    if not isinstance(facts["version"], int) or not isinstance(facts["rules"], dict):
        raise _wrong(
            "version", "version is a whole number and rules a mapping", "version 须为整数，rules 须为映射"
        )
    for rule, values in facts["rules"].items():
        if not isinstance(values, dict) or not values or not all(_fits(*one) for one in values.items()):
            why = "a rule has mostly (over 0, to 1), limit (over 0) or severity"
            raise _wrong(str(rule), why, "规则只能有 mostly（0 至 1）、limit（大于 0）或 severity")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Thresholds(facts["version"], str(facts["who"]), str(facts["why"]), facts["rules"], digest)


def read_thresholds(stored: Mapping[str, Any] | None) -> Thresholds | None:
    """The thresholds that a stored report was judged with; None if they were the suites' own."""
    return Thresholds(**stored) if stored else None


def _fits(key: Any, value: Any) -> bool:
    if key == "severity":
        return value in SEVERITIES
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and ((key == "mostly" and 0 < value <= 1) or (key == "limit" and value > 0))


def adjusted(suites: Mapping[str, Suite], thresholds: Thresholds | None) -> dict[str, Suite]:
    """The suites with these thresholds in place of their own."""
    if thresholds is None:
        return dict(suites)
    known = {rule.id for suite in suites.values() for rule in suite.rules}
    for rule in sorted(set(thresholds.rules) - known):
        raise _wrong(rule, "there is no such rule", "没有这条规则")
    return {
        name: replace(suite, rules=tuple(_adjusted(rule, thresholds) for rule in suite.rules))
        for name, suite in suites.items()
    }


def _adjusted(rule: Rule, thresholds: Thresholds) -> Rule:
    values: Mapping[str, Any] = thresholds.rules.get(rule.id, {})
    return replace(
        rule,
        mostly=float(values.get("mostly", rule.mostly)),
        limit=float(values.get("limit", rule.limit)),
        severity=values.get("severity", rule.severity),
    )


def rejudge(report: QualityReport, thresholds: Thresholds) -> QualityReport:
    """The report as these thresholds judge it, from its counts alone: no row is looked at again."""
    suites = adjusted({suite.table: suite for suite in report.suites}, thresholds)
    rules = {rule.id: rule for suite in suites.values() for rule in suite.rules}
    drift = {rule.id: drifts(rule, report.distributions) for rule in rules.values() if rule.kind in DRIFT}
    results = tuple(_rejudged(result, rules[result.rule], drift) for result in report.results)
    return replace(report, suites=tuple(suites.values()), results=results, thresholds=thresholds.as_dict())


def _rejudged(result: RuleResult, rule: Rule, drift: Mapping[str, Mapping[str | None, Drift]]) -> RuleResult:
    if result.status == "error":
        return result
    if rule.kind in DRIFT:
        found = drift[rule.id].get(result.organisation_id, NONE)
        status = status_of(rule, found.comparisons, found.drifted)
        return replace(result, applicable=found.comparisons, failing=found.drifted, status=status)
    return replace(result, status=status_of(rule, result.applicable, result.failing))


def changes(before: QualityReport, after: QualityReport) -> tuple[Change, ...]:
    """Which verdicts differ: every rule's, then the gate's on every table, of all hospitals and of each."""
    old, new = _verdicts(before), _verdicts(after)
    return tuple(Change(*key, old[key], new[key]) for key in old if key in new and old[key] != new[key])


def _verdicts(report: QualityReport) -> dict[tuple[str, str, str | None], str]:
    gate = decide(report)
    rules = {(one.table, one.rule, one.organisation_id): str(one.status) for one in report.results}
    tables = {
        (one.table, "", one.organisation_id): str(one.verdict) for one in (*gate.tables, *gate.hospitals)
    }
    return rules | tables


def _wrong(place: str, why: str, why_zh: str) -> Exception:
    return MALFORMED.error(place=place, why=why, why_zh=why_zh)
