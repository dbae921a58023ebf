"""Suites: what must hold in each table of the lake, declared once, as data, for a reader who knows the ward.

A rule says which rows it speaks about (`where`, and a value to speak of), what would be wrong in the world
if it broke, which share of rows must keep it (`mostly`), how much that matters (`severity`), where the rule
comes from (`reference`), and whether a row that breaks it is held back from data locks (`row_action:
quarantine`).
"""

from __future__ import annotations

import csv
import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from quality.rules import (
    CATEGORIES,
    CONTEXTS,
    DRIFT,
    KAHN,
    KINDS,
    REFERENCE_TABLES,
    SAME_PATIENT,
    SEVERITIES,
    Other,
    Reference,
    Rule,
    Suite,
)
from rwd_platform.core import columns as core
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual

__all__ = ["KAHN", "KINDS", "SUITES", "Other", "Reference", "Rule", "Suite", "load_references", "load_suites"]

FORMAT_VERSION = 2
SUITES = Path(__file__).parent / "suites"
REFERENCES = Path(__file__).parent / "references.csv"

_ALWAYS = frozenset({"id", "category", "context", "severity", "reference", "kind", "zh", "en"})
_MAY = frozenset({"where", "mostly", "row_action"})
_MAY_OF_KIND = {
    "reference": frozenset({"given"}),
    **dict.fromkeys(DRIFT, frozenset({"values", "cuts"})),
}
_OTHER = frozenset({"table", "column", "where", "pick", "key"})
_TYPES = frozenset({"string", "code", "uri", "date", "dateTime", "integer", "decimal", "boolean"})

MALFORMED = Problem(
    code="quality.suite_malformed",
    zh="质量规则集 {suite} 有误（{place}）：{why_zh}。",
    en="The quality suite {suite} is wrong at {place}: {why}.",
    next_zh="请按 quality/suites 中的例子更正该文件。",
    next_en="Correct the file; the suites in quality/suites show how.",
    exit=Exit.MALFORMED,
)


def load_references(path: Path = REFERENCES) -> dict[str, Reference]:
    """Where rules may come from, by key."""
    with path.open(encoding="utf-8", newline="") as lines:
        return {
            row["key"]: Reference(row["key"], Bilingual(row["zh"], row["en"]), row["source"])
            for row in csv.DictReader(lines)
        }


def load_suites(folder: Path = SUITES) -> dict[str, Suite]:
    """Every suite of a folder by table, checked against each other; in the order of their file names."""
    return dict(_load(folder))


@functools.cache
def _load(folder: Path) -> dict[str, Suite]:
    suites = [
        parse_suite(path.read_text(encoding="utf-8"), path.name) for path in sorted(folder.glob("*.yaml"))
    ]
    found = {suite.table: suite for suite in suites}
    references = load_references()
    for suite in suites:
        for rule in suite.rules:
            _check_others(rule, suite, found)
            if rule.reference not in references:
                why = "its reference is not in quality/references.csv", "出处不在 quality/references.csv 中"
                raise _wrong(suite.table, rule.id, *why)
    return found


def parse_suite(text: str, name: str = "suite") -> Suite:
    """One suite from its YAML text; `quality.suite_malformed` names the rule that is wrong."""
    try:
        facts = yaml.safe_load(text)
    except yaml.YAMLError:
        raise _wrong(name, "YAML", "it is not YAML", "不是 YAML") from None
    expected = {"format_version", "table", "version", "required", "title", "columns", "rules"}
    if not isinstance(facts, dict) or not expected - {"required"} <= set(facts) <= expected:
        raise _wrong(name, "top", "its keys are not those of a suite", "顶层的键不对")
    if facts["format_version"] != FORMAT_VERSION:
        raise _wrong(name, "format_version", "this version is not known", "版本未知")
    columns = dict(facts["columns"])
    if not _TYPES.issuperset(columns.values()):
        raise _wrong(name, "columns", "a type is not known", "类型未知")
    rules = tuple(_rule(name, facts["table"], columns, rule) for rule in facts["rules"])
    if len({rule.id for rule in rules}) != len(rules):
        raise _wrong(name, "rules", "two rules share an id", "两条规则的 id 相同")
    return Suite(
        table=facts["table"],
        version=facts["version"],
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        title=Bilingual(**facts["title"]),
        required=facts.get("required", False),
        columns=columns,
        rules=rules,
    )


def _rule(suite: str, table: str, columns: Mapping[str, str], facts: Mapping[str, Any]) -> Rule:
    place = str(facts.get("id", "rules"))
    _check(suite, place, columns, facts)
    return Rule(
        id=place,
        table=table,
        kind=facts["kind"],
        category=facts["category"],
        context=facts["context"],
        text=Bilingual(facts["zh"], facts["en"]),
        mostly=float(facts.get("mostly", 1.0)),
        holds_rows_back=facts.get("row_action") == "quarantine",
        severity=facts["severity"],
        reference=facts["reference"],
        column=facts.get("column", ""),
        columns=tuple(facts.get("columns", ())),
        values=tuple(map(str, facts.get("values", ()))),
        pattern=facts.get("pattern", ""),
        min=float(facts.get("min", 0)),
        max=float(facts.get("max", 0)),
        where=_pairs(facts.get("where")),
        other=_other(facts.get("other")),
        given=_other(facts.get("given")),
        start=facts.get("start", ""),
        cuts=tuple(map(float, facts.get("cuts", ()))),
        limit=float(facts.get("limit", 0)),
        min_rows=int(facts.get("min_rows", 0)),
    )


def _check(suite: str, place: str, columns: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    kind = facts.get("kind")
    wanted = _ALWAYS | KINDS.get(str(kind), frozenset())
    allowed = wanted | _MAY | _MAY_OF_KIND.get(str(kind), frozenset())
    if kind not in KINDS or not wanted <= set(facts) <= allowed:
        why = "its kind is not known or its keys are not that kind's"
        raise _wrong(suite, place, why, "种类未知或键不对")
    tags = (facts["category"] in CATEGORIES, facts["context"] in CONTEXTS, facts["severity"] in SEVERITIES)
    if not all(tags):
        raise _wrong(suite, place, "category, context or severity is wrong", "类别、情境或严重程度不对")
    if not 0 < facts.get("mostly", 1.0) <= 1 or facts.get("row_action", "keep") not in ("keep", "quarantine"):
        raise _wrong(suite, place, "mostly or row_action is wrong", "比例或动作不对")
    if kind in DRIFT and ("values" in facts) == ("cuts" in facts):
        raise _wrong(suite, place, "a drift has values or cuts, and not both", "漂移须有 values 或 cuts 之一")
    compared = [facts[name] for name in ("other", "given") if name in facts]
    if not all(isinstance(one, dict) and "column" in one and set(one) <= _OTHER for one in compared):
        raise _wrong(suite, place, "the keys of what it compares with are wrong", "所比较的对象的键不对")
    if not _named(facts) <= {*columns, *core.MERGE_KEY, core.PATIENT_ID}:
        raise _wrong(suite, place, "it names a column that the suite does not declare", "用到了未声明的列")
    if not _is_pattern(facts.get("pattern", "")):
        raise _wrong(suite, place, "its pattern is not a regular expression", "正则表达式不对")


def _named(facts: Mapping[str, Any]) -> set[str]:
    """The columns of its own table that a rule names."""
    single = {facts[key] for key in ("column", "start") if key in facts}
    return {*single, *facts.get("columns", ()), *(facts.get("where") or {})}


def _other(facts: Mapping[str, Any] | None) -> Other | None:
    if facts is None:
        return None
    return Other(
        table=facts.get("table"),
        column=facts["column"],
        where=_pairs(facts.get("where")),
        pick=facts.get("pick", "min"),
        key=tuple(facts.get("key", SAME_PATIENT)),
    )


def _pairs(facts: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple(
        (column, str(value).lower() if isinstance(value, bool) else str(value))
        for column, value in sorted((facts or {}).items())
    )


def _is_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _check_others(rule: Rule, suite: Suite, suites: Mapping[str, Suite]) -> None:
    for other in (rule.other, rule.given):
        if other is None:
            continue
        table = other.table or suite.table
        there = suites[table].columns if table in suites else REFERENCE_TABLES.get(table)
        named = {other.column, *(column for column, _ in other.where)}
        keyed = {*suite.columns, *core.MERGE_KEY, core.PATIENT_ID, "upload_id"}
        if there is None or not named <= {*there, *SAME_PATIENT} or not set(other.key) <= keyed:
            raise _wrong(
                suite.table, rule.id, "what it compares with is not declared", "所比较的表或列未声明"
            )
        if other.pick not in ("min", "max"):
            raise _wrong(suite.table, rule.id, "pick is min or max", "pick 只能是 min 或 max")


def _wrong(suite: str, place: str, why: str, why_zh: str) -> Exception:
    return MALFORMED.error(suite=suite, place=place, why=why, why_zh=why_zh)
