"""Rule packs: dated files of rules with their sources, thresholds and sentences.

A pack says what a rule means and from when; which facts it looks at is code, keyed by the rule's id
(`decide`). A pack whose rules are not exactly those the code knows, in their order, is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

FORMAT_VERSION = 1
DEFAULT_PACK = "national-2026"
BLOCKS = ("prohibitions", "genetic_resources", "personal_information")
SENTENCE_WORDS = frozenset({"general", "sensitive", "transfer_sensitive", "basis"})

PACK_NOT_FOUND = Problem(
    code="transfer.pack_not_found",
    zh="找不到规则包 {name}。",
    en="There is no rule pack {name}.",
    next_zh="可用的规则包：{known}；也可以给出 .toml 文件的路径。",
    next_en="The packs at hand: {known}; a path of a .toml file works too.",
)
PACK_MALFORMED = Problem(
    code="transfer.pack_malformed",
    zh="规则包 {name} 不能使用：{where} 处有误。",
    en="The rule pack {name} cannot be used: {where} is wrong.",
    next_zh="请与随附的 national-2026.toml 对照改正；规则及其顺序须与程序一致。",
    next_en="Compare it with national-2026.toml; its rules and their order must be those the program knows.",
)

_HERE = Path(__file__).parent / "rulepacks"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Rule:
    """One row of the table. `result` is a path; `bases` dates the grounds of an exemption."""

    id: str
    block: str
    result: str
    effective_from: date
    source: Bilingual
    sentence: Bilingual
    thresholds: Mapping[str, int]
    bases: Mapping[str, date]
    confirm: Bilingual | None = None


@dataclass(frozen=True)
class Duty:
    """What must be on file, and who supplies it."""

    id: str
    source: Bilingual
    sentence: Bilingual
    supplied_by: Bilingual


@dataclass(frozen=True)
class Advisory:
    """Said beside a decision; never changes it."""

    id: str
    text: Bilingual
    thresholds: Mapping[str, int]


@dataclass(frozen=True)
class RulePack:
    """A pack as read; `sha256` is of the file's bytes, so that a decision names exactly what decided it."""

    id: str
    version: str
    sha256: str
    effective_from: date
    title: Bilingual
    disclaimer: Bilingual
    rules: tuple[Rule, ...]
    duties: Mapping[str, Duty]
    advisories: Mapping[str, Advisory]
    verdicts: Mapping[str, Bilingual]
    exemption_bases: Mapping[str, Bilingual]
    personal_information_paths: Mapping[str, Bilingual]
    genetic_resources_paths: Mapping[str, Bilingual]

    def rule(self, id: str) -> Rule:
        return next(rule for rule in self.rules if rule.id == id)

    def block(self, name: str) -> Iterable[Rule]:
        return (rule for rule in self.rules if rule.block == name)


def pack_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _HERE.glob("*.toml")))


def load_pack(name_or_path: str | Path = DEFAULT_PACK) -> RulePack:
    """A pack by its name or its file. Raises PlatformError (exit 2) when it is absent or malformed."""
    path = _path_of(name_or_path)
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise PACK_NOT_FOUND.error(name=name_or_path, known=", ".join(pack_names())) from error
    try:
        content = tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:  # not UTF-8, or not TOML
        raise PACK_MALFORMED.error(name=path.name, where="TOML") from error
    return _read(content, path.name, sha256_hex(raw))


def _path_of(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path) and not name_or_path.endswith(".toml"):
        return _HERE / f"{name_or_path}.toml"
    return Path(name_or_path)


def _read(content: Mapping[str, Any], name: str, sha256: str) -> RulePack:
    try:
        if content["format_version"] != FORMAT_VERSION:
            raise PACK_MALFORMED.error(name=name, where="format_version")
        return RulePack(
            id=_text(content["id"]),
            version=_text(content["version"]),
            sha256=sha256,
            effective_from=_day(content["effective_from"]),
            title=_bilingual(content["title"]),
            disclaimer=_bilingual(content["disclaimer"]),
            rules=tuple(_rule(one) for one in content["rules"]),
            duties={duty.id: duty for duty in map(_duty, content["duties"])},
            advisories={one.id: one for one in map(_advisory, content["advisories"])},
            verdicts=_words(content["verdicts"]),
            exemption_bases=_words(content["exemption_bases"]),
            personal_information_paths=_words(content["personal_information_paths"]),
            genetic_resources_paths=_words(content["genetic_resources_paths"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PACK_MALFORMED.error(name=name, where=str(error.args[0]) if error.args else "?") from error


def _rule(one: Mapping[str, Any]) -> Rule:
    if one["block"] not in BLOCKS:
        raise ValueError(f"{one['id']}.block")
    thresholds = _thresholds(one)
    words = {*SENTENCE_WORDS, *(f"{name}_threshold" for name in thresholds)}
    for text in _bilingual(one):
        if any(word is not None and word not in words for _, word, _, _ in Formatter().parse(text)):
            raise ValueError(f"{one['id']}: a word in braces")
    return Rule(
        id=_text(one["id"]),
        block=_text(one["block"]),
        result=_text(one["result"]),
        effective_from=_day(one["effective_from"]),
        source=_bilingual(one["source"]),
        sentence=_bilingual(one),
        thresholds=thresholds,
        bases={str(kind): _day(since) for kind, since in one.get("bases", {}).items()},
        confirm=_bilingual(one["confirm"]) if "confirm" in one else None,
    )


def _duty(one: Mapping[str, Any]) -> Duty:
    return Duty(_text(one["id"]), _bilingual(one["source"]), _bilingual(one), _bilingual(one["from"]))


def _advisory(one: Mapping[str, Any]) -> Advisory:
    return Advisory(_text(one["id"]), _bilingual(one), _thresholds(one))


def _thresholds(one: Mapping[str, Any]) -> Mapping[str, int]:
    thresholds = dict(one.get("thresholds", {}))
    for key, value in thresholds.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{one['id']}.thresholds.{key}")
    return thresholds


def _words(table: Mapping[str, Any]) -> Mapping[str, Bilingual]:
    return {str(word): _bilingual(texts) for word, texts in table.items()}


def _bilingual(texts: Mapping[str, Any]) -> Bilingual:
    return Bilingual(_text(texts["zh"]), _text(texts["en"]))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def _day(value: Any) -> date:
    if type(value) is not date:
        raise ValueError("a date")
    return value
