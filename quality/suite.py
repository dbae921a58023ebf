"""Suites: what must hold in each table of the lake, declared once, as data, for a reader who knows the ward.

A rule says which rows it speaks about (`where`, and a value to speak of), what would be wrong in the world
if it broke, which share of rows must keep it (`mostly`), and whether a row that breaks it is held back
from data locks (`row_action: quarantine`). Its Kahn category and context follow Kahn et al., eGEMs 2016.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual

FORMAT_VERSION = 1
SUITES = Path(__file__).parent / "suites"

KAHN = {
    "conformance": Bilingual("符合性", "Conformance"),
    "completeness": Bilingual("完整性", "Completeness"),
    "plausibility": Bilingual("合理性", "Plausibility"),
}
CONTEXTS = ("verification", "validation")

# What each kind of rule must say besides id, texts and tags. `where` may always be said.
KINDS: Mapping[str, frozenset[str]] = {
    "not_null": frozenset({"column"}),
    "unique": frozenset({"columns"}),
    "in_set": frozenset({"column", "values"}),
    "regex": frozenset({"column", "pattern"}),
    "date": frozenset({"column"}),
    "range": frozenset({"column", "min", "max"}),
    "age": frozenset({"column", "min", "max", "other"}),
    "reference": frozenset({"column", "other"}),
    "has_row": frozenset({"other"}),
    "not_before": frozenset({"column", "other"}),
    "not_after": frozenset({"column", "other"}),
    "other_in_set": frozenset({"column", "other", "values"}),
}
_ALWAYS = frozenset({"id", "kahn", "context", "kind", "zh", "en"})
_MAY = frozenset({"where", "mostly", "row_action"})
_TYPES = frozenset({"string", "code", "uri", "date", "dateTime", "integer", "decimal", "boolean"})

MALFORMED = Problem(
    code="quality.suite_malformed",
    zh="质量规则集 {suite} 有误（{place}）：{why_zh}。",
    en="The quality suite {suite} is wrong at {place}: {why}.",
    next_zh="请按 quality/suites 中的例子更正该文件。",
    next_en="Correct the file; the suites in quality/suites show how.",
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class Other:
    """A value elsewhere that a rule compares with: in the same row, or in the same patient's rows of a table.

    Of several rows of the patient, `pick` takes the smallest or the largest value.
    """

    table: str | None
    column: str
    where: tuple[tuple[str, str], ...] = ()
    pick: str = "min"


@dataclass(frozen=True)
class Rule:
    id: str
    table: str
    kind: str
    kahn: str
    context: str
    text: Bilingual
    mostly: float = 1.0
    holds_rows_back: bool = False
    column: str = ""
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pattern: str = ""
    min: float = 0.0
    max: float = 0.0
    where: tuple[tuple[str, str], ...] = ()
    other: Other | None = None


@dataclass(frozen=True)
class Suite:
    """The rules of one table. `columns` maps the columns that rules speak of to FHIR types."""

    table: str
    version: int
    sha256: str
    title: Bilingual
    required: bool
    columns: Mapping[str, str]
    rules: tuple[Rule, ...] = field(repr=False)


def load_suites(folder: Path = SUITES) -> dict[str, Suite]:
    """Every suite of a folder by table, checked against each other; in the order of their file names."""
    suites = [
        parse_suite(path.read_text(encoding="utf-8"), path.name) for path in sorted(folder.glob("*.yaml"))
    ]
    found = {suite.table: suite for suite in suites}
    for suite in suites:
        for rule in suite.rules:
            _check_other(rule, suite, found)
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
    wanted = _ALWAYS | KINDS.get(str(facts.get("kind")), frozenset())
    if facts.get("kind") not in KINDS or not wanted <= set(facts) <= wanted | _MAY:
        raise _wrong(
            suite, place, "its kind is not known or its keys are not that kind's", "种类未知或键不对"
        )
    tags_known = facts["kahn"] in KAHN and facts["context"] in CONTEXTS
    mostly, action = facts.get("mostly", 1.0), facts.get("row_action", "keep")
    if not tags_known or not 0 < mostly <= 1 or action not in ("keep", "quarantine"):
        raise _wrong(suite, place, "kahn, context, mostly or row_action is wrong", "标签、比例或动作不对")
    where = _pairs(facts.get("where"))
    named = {*([facts["column"]] if "column" in facts else []), *(column for column, _ in where)}
    if not named <= set(columns):
        raise _wrong(suite, place, "it names a column that the suite does not declare", "用到了未声明的列")
    if not _is_pattern(facts.get("pattern", "")):
        raise _wrong(suite, place, "its pattern is not a regular expression", "正则表达式不对")
    return Rule(
        id=place,
        table=table,
        kind=facts["kind"],
        kahn=facts["kahn"],
        context=facts["context"],
        text=Bilingual(facts["zh"], facts["en"]),
        mostly=float(mostly),
        holds_rows_back=action == "quarantine",
        column=facts.get("column", ""),
        columns=tuple(facts.get("columns", ())),
        values=tuple(map(str, facts.get("values", ()))),
        pattern=facts.get("pattern", ""),
        min=float(facts.get("min", 0)),
        max=float(facts.get("max", 0)),
        where=where,
        other=_other(facts.get("other")),
    )


def _other(facts: Mapping[str, Any] | None) -> Other | None:
    if facts is None:
        return None
    return Other(facts.get("table"), facts["column"], _pairs(facts.get("where")), facts.get("pick", "min"))


def _pairs(facts: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple((column, str(value)) for column, value in sorted((facts or {}).items()))


def _is_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _check_other(rule: Rule, suite: Suite, suites: Mapping[str, Suite]) -> None:
    if rule.other is None:
        return
    there = suites.get(rule.other.table or suite.table)
    named = {rule.other.column, *(column for column, _ in rule.other.where)}
    if there is None or not named <= set(there.columns) or rule.other.pick not in ("min", "max"):
        raise _wrong(suite.table, rule.id, "what it compares with is not declared", "所比较的表或列未声明")


def _wrong(suite: str, place: str, why: str, why_zh: str) -> Exception:
    return MALFORMED.error(suite=suite, place=place, why=why, why_zh=why_zh)
