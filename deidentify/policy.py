"""De-identification policies: TOML files that say, per resource type, what may stay. All else is dropped.

    name = "lake"
    version = "1"
    zh = "..."                              what the policy is for, in both languages
    en = "..."

    [shape.coded]                           a structure that occurs often, described once
    "coding.system" = "keep"
    "coding.code" = "keep"

    [Patient]                               one section per resource type
    id = "pseudonym"                        a path of element names, and the action on its value
    "link.other.reference" = "reference:Patient"
    maritalStatus = "shape:coded"           the shape's paths, under this element

    [Practitioner]
    resource = "drop"                       the whole type is left behind; it is no mistake to send it

    [extensions]                            by URL; only a coded or numeric value is kept
    "http://hl7.org/fhir/StructureDefinition/data-absent-reason" = "keep"

    [systems]                               code systems, by the address in `coding.system`
    "http://loinc.org" = "keep"             this one
    "http://snomed.info/sct" = "sctid"      this one; its long numbers are codes, no phones or cards
    "http://terminology.hl7.org/CodeSystem/" = "keep"    with `/` at the end: each one directly below it

A code of a system that is not listed quarantines the resource; see deidentify/kept_texts.py for what else
is asked of a text that stays.

Actions: `keep`, `pseudonym`, `reference` or `reference:<Type>`, `date:month` or `date:year`, `mask`,
`drop`, `text` (free text: marks narrative for a reviewer of the policy; none of it is kept).
`[modifier_extensions]` has the form of `[extensions]`; a modifier extension not named there changes what a
resource means in a way nobody here has read, so the resource is quarantined.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deidentify.dates import PRECISIONS
from rwd_platform.core.errors import PlatformError, Problem

POLICIES = Path(__file__).parent / "policies"

POLICY_UNKNOWN = Problem(
    code="policy.unknown",
    zh="没有名为 {name} 的去标识化策略。",
    en="There is no de-identification policy called {name}.",
    next_zh="请使用 {known}，或给出策略 TOML 文件的路径。",
    next_en="Use one of {known}, or give the path of a policy's TOML file.",
)
POLICY_MALFORMED = Problem(
    code="policy.malformed",
    zh="去标识化策略 {name} 不能使用：{where}：{why_zh}。",
    en="The de-identification policy {name} cannot be used: {where}: {why}.",
    next_zh="请按 deidentify/policies/lake.toml 的写法修改后重试；策略有误时不处理任何数据。",
    next_en="Mend it after the model of deidentify/policies/lake.toml; a faulty policy touches nothing.",
)

WHOLE_RESOURCE = "resource"
_SHAPE = "shape:"
_PLAIN_ACTIONS = frozenset({"keep", "pseudonym", "reference", "mask", "drop", "text"})
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ELEMENT = re.compile(r"[a-z][A-Za-z0-9]{0,63}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_URL = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]{1,500}")
# Extensions go by URL; contained resources are never kept; what modifies a meaning is kept or quarantines.
_NEVER_NAMED = frozenset({"extension", "modifierExtension", "contained", "implicitRules"})
_TEXTS = ("name", "version", "zh", "en")
_NO_TYPES = ("shape", "extensions", "modifier_extensions", "systems")


@dataclass(frozen=True)
class Rule:
    """What is done with the value at one path. `argument`: a date's precision, a urn reference's type."""

    action: str
    argument: str = ""


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy as loaded: shapes are expanded, every action is known and no two paths contradict."""

    name: str
    version: str
    sha256: str
    zh: str
    en: str
    rules: Mapping[str, Mapping[str, Rule]]  # resource type -> path -> rule
    dropped_types: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    modifier_extensions: frozenset[str] = frozenset()
    systems: Mapping[str, str] = field(default_factory=dict)  # address, or its beginning -> keep or sctid
    known_types: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_types", frozenset(self.rules) | self.dropped_types)


def load_policy(name_or_path: str | Path) -> Policy:
    """The policy of that name in deidentify/policies, or at that path. Refuses what it cannot obey."""
    asked = str(name_or_path)
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and _NAME.fullmatch(asked):
        path = POLICIES / f"{asked}.toml"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in POLICIES.glob("*.toml")))
        raise POLICY_UNKNOWN.error(name=asked, known=known)
    return parse_policy(path.read_bytes(), path.name)


def parse_policy(content: bytes, file_name: str) -> Policy:
    """A policy from its file's bytes; `file_name` is what errors call it."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise _refusal(file_name, "TOML", why, "不是有效的 UTF-8 TOML 文件") from error
    return _Parser(file_name, document).policy(hashlib.sha256(content).hexdigest())


def _refusal(name: str, where: str, why: str, why_zh: str) -> PlatformError:
    return POLICY_MALFORMED.error(name=name, where=where, why=why, why_zh=why_zh)


class _Parser:
    """Reads one document. Every refusal names the section and the path."""

    def __init__(self, file_name: str, document: dict[str, Any]) -> None:
        self._file = file_name
        self._document = document
        self._shapes: dict[str, dict[str, Rule]] = {}

    def policy(self, sha256: str) -> Policy:
        texts = {key: self._text(key) for key in _TEXTS}
        self._read_shapes()
        extensions = self._urls("extensions")
        modifiers = self._urls("modifier_extensions")
        self._urls("systems", ("keep", "sctid"))
        rules: dict[str, dict[str, Rule]] = {}
        dropped: set[str] = set()
        for section, table in self._document.items():
            if section in (*_TEXTS, *_NO_TYPES):
                continue
            if not _TYPE.fullmatch(section) or not isinstance(table, dict):
                raise self._no(f"[{section}]", "this is no resource type", "这不是资源类型")
            if WHOLE_RESOURCE in table:
                self._check_whole(section, table)
                dropped.add(section)
            else:
                rules[section] = self._paths(section, table)
        if not rules:
            raise self._no("[...]", "no resource type has a rule", "没有任何资源类型的规则")
        return Policy(
            sha256=sha256,
            rules=rules,
            dropped_types=frozenset(dropped),
            extensions=extensions,
            modifier_extensions=modifiers,
            systems=self._table("systems"),
            **texts,
        )

    def _no(self, where: str, why: str, why_zh: str) -> PlatformError:
        return _refusal(self._file, where, why, why_zh)

    def _text(self, key: str) -> str:
        value = self._document.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self._no(key, "a text is needed here", "此处需要文字")
        return value

    def _table(self, key: str) -> dict[str, Any]:
        table = self._document.get(key, {})
        if not isinstance(table, dict):
            raise self._no(f"[{key}]", "this must be a section", "这里应为一节")
        return table

    def _urls(self, key: str, actions: tuple[str, ...] = ("keep",)) -> frozenset[str]:
        for url, action in self._table(key).items():
            if not _URL.fullmatch(url):
                raise self._no(f"[{key}] {url}", "this is no URL", "这不是 URL")
            if action not in actions:
                known = " or ".join(f"`{one}`" for one in actions)
                known_zh = "或 ".join(actions)
                raise self._no(f"[{key}] {url}", f"only {known} is known here", f"此处只能用 {known_zh}")
        return frozenset(self._table(key))

    def _read_shapes(self) -> None:
        for name, table in self._table("shape").items():
            if not _NAME.fullmatch(name) or not isinstance(table, dict):
                raise self._no(f"[shape.{name}]", "this is no shape", "这不是结构定义")
            # A shape may use those above it: no cycle can arise, and a reader reads downwards.
            self._shapes[name] = self._paths(f"shape.{name}", table)

    def _check_whole(self, section: str, table: dict[str, Any]) -> None:
        if table != {WHOLE_RESOURCE: "drop"}:
            raise self._no(
                f"[{section}] {WHOLE_RESOURCE}",
                "it can only be `drop`, and then stands alone",
                "只能为 drop，且该节不得有其他内容",
            )

    def _paths(self, section: str, table: dict[str, Any]) -> dict[str, Rule]:
        paths: dict[str, Rule] = {}
        for path, text in _flat(table):
            where = f"[{section}] {path}"
            names = path.split(".")
            if not all(_ELEMENT.fullmatch(name) for name in names):
                raise self._no(where, "this is no path of element names", "这不是由元素名组成的路径")
            if _NEVER_NAMED.intersection(names):
                raise self._no(where, "this element has its own rules", "该元素另有专门规则，不能写在这里")
            for full, rule in self._expanded(where, path, text):
                if full in paths:
                    raise self._no(where, "this path is named twice", "该路径重复出现")
                paths[full] = rule
        if not paths:
            raise self._no(f"[{section}]", "this section is empty", "该节为空")
        for path in paths:
            steps = path.split(".")
            if any(".".join(steps[:depth]) in paths for depth in range(1, len(steps))):
                raise self._no(f"[{section}] {path}", "a part of it has its own action", "其上级路径另有动作")
        return paths

    def _expanded(self, where: str, path: str, text: Any) -> list[tuple[str, Rule]]:
        if isinstance(text, str) and text.startswith(_SHAPE):
            shape = self._shapes.get(text.removeprefix(_SHAPE))
            if shape is None:
                raise self._no(where, f"no shape above is called {text}", f"前文没有名为 {text} 的结构")
            return [(f"{path}.{below}", rule) for below, rule in shape.items()]
        return [(path, self._rule(where, text))]

    def _rule(self, where: str, text: Any) -> Rule:
        action, colon, argument = text.partition(":") if isinstance(text, str) else ("", "", "")
        if action == "date" and argument in PRECISIONS:
            return Rule(action, argument)
        if action == "reference" and _TYPE.fullmatch(argument):
            return Rule(action, argument)
        if action in _PLAIN_ACTIONS and not colon:
            return Rule(action)
        raise self._no(where, f"{text!r} is no action", f"{text!r} 不是已知动作")


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Paths and actions: `code.text = ...` unquoted is a nested table in TOML and means the same path."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        path = f"{above}.{key}" if above else key
        found.extend(_flat(value, path) if isinstance(value, dict) else [(path, value)])
    return found
