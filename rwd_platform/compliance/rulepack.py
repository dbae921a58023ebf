"""Rule packs: dated files of rules with their sources, thresholds and sentences.

A pack says what a rule means and from when; which facts it looks at is code, keyed by the rule's id
(`decide`, `participation`, `inbound`). A pack whose rules are not exactly those the code knows, in their order, is
refused. Packs of one family follow each other in time (`series`). A shipped pack is read through its pin (`pins`); a
pack given by its path is not pinned, and its hash names it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any, Final

from rwd_platform.compliance.pins import shipped_bytes, shipped_names
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

FORMAT_VERSION = 1
DEFAULT_PACK = "national-2026"
BLOCKS = ("prohibitions", "genetic_resources", "personal_information")
SENTENCE_WORDS = frozenset({"general", "sensitive", "transfer_sensitive", "basis"})

NATIONAL: Final = "national"
GENETIC_RESOURCES: Final = "genetic_resources"
INBOUND: Final = "inbound"
# By family: the blocks of its rules, and the words that their sentences may use in braces.
_BLOCKS = {NATIONAL: BLOCKS, GENETIC_RESOURCES: ("participation",), INBOUND: ("inbound",)}
_WORDS = {
    NATIONAL: SENTENCE_WORDS,
    GENETIC_RESOURCES: frozenset({"parties"}),
    INBOUND: frozenset({"persons", "genomic_persons"}),
}
# What a pack of another family has instead of the national one's tables.
_NOTHING_NATIONAL: Mapping[str, Any] = {
    "advisories": (),
    "exemption_bases": {},
    "personal_information_paths": {},
    "genetic_resources_paths": {},
}

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
    """A pack as read; `sha256` is of the file's bytes, so that a decision names exactly what decided it.

    effective_from, effective_until -- days in Asia/Shanghai, both inclusive; None: it has no end yet
    advisories, exemption_bases, personal_information_paths, genetic_resources_paths -- of the family `national` only
    """

    id: str
    version: str
    family: str
    sha256: str
    effective_from: date
    effective_until: date | None
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
    return shipped_names()


def load_pack(name_or_path: str | Path = DEFAULT_PACK) -> RulePack:
    """A shipped pack by its name, or any by its file.

    Raises PlatformError: exit 2 when it is absent or malformed, exit 3 when a shipped one is not what its pin says.
    """
    name = _shipped_name(name_or_path)
    if name is not None:
        if name not in pack_names():
            raise PACK_NOT_FOUND.error(name=name, known=", ".join(pack_names()))
        return read_pack(shipped_bytes(name), f"{name}.toml")
    path = Path(name_or_path)
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise PACK_NOT_FOUND.error(name=name_or_path, known=", ".join(pack_names())) from error
    return read_pack(raw, path.name)


def _shipped_name(name_or_path: str | Path) -> str | None:
    """None for what is a path. A name has no folder in it, so it never reaches outside the shipped packs."""
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path) and not name_or_path.endswith(".toml"):
        return name_or_path
    return None


def read_pack(raw: bytes, name: str) -> RulePack:
    """A pack from its bytes; `name` is what an error calls it. Raises PlatformError (exit 2) when it is malformed."""
    content = read_toml(raw, name)
    with malformed(name):
        family = content["family"]
        if family not in _BLOCKS:
            raise ValueError("family")
        national: Mapping[str, Any] = content if family == NATIONAL else _NOTHING_NATIONAL
        since, until = read_period(content)
        return RulePack(
            id=read_text(content["id"]),
            version=read_text(content["version"]),
            family=family,
            sha256=sha256_hex(raw),
            effective_from=since,
            effective_until=until,
            title=read_bilingual(content["title"]),
            disclaimer=read_bilingual(content["disclaimer"]),
            rules=tuple(_rule(one, family) for one in content["rules"]),
            duties={duty.id: duty for duty in map(_duty, content["duties"])},
            advisories={one.id: one for one in map(_advisory, national["advisories"])},
            verdicts=_words(content["verdicts"]),
            exemption_bases=_words(national["exemption_bases"]),
            personal_information_paths=_words(national["personal_information_paths"]),
            genetic_resources_paths=_words(national["genetic_resources_paths"]),
        )


# -- readers, for every kind of pack: what they cannot read is a ValueError, said by `malformed` -------------------


@contextmanager
def malformed(name: str) -> Iterator[None]:
    """What goes wrong inside is said as a malformed pack of this name (PlatformError, exit 2)."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PACK_MALFORMED.error(name=name, where=str(error.args[0]) if error.args else "?") from error


def read_toml(raw: bytes, name: str) -> Mapping[str, Any]:
    """A pack's tables. Raises PlatformError (exit 2) for what is no TOML, or of another format version."""
    try:
        content = tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:  # not UTF-8, or not TOML
        raise PACK_MALFORMED.error(name=name, where="TOML") from error
    if content.get("format_version") != FORMAT_VERSION:
        raise PACK_MALFORMED.error(name=name, where="format_version")
    return content


def read_period(content: Mapping[str, Any]) -> tuple[date, date | None]:
    """The first and the last day of a pack; the last is None where it has no end yet."""
    since = read_day(content["effective_from"])
    until = read_day(content["effective_until"]) if "effective_until" in content else None
    if until is not None and until < since:
        raise ValueError("effective_until")
    return since, until


def _rule(one: Mapping[str, Any], family: str) -> Rule:
    if one["block"] not in _BLOCKS[family]:
        raise ValueError(f"{one['id']}.block")
    thresholds = _thresholds(one)
    words = {*_WORDS[family], *(f"{name}_threshold" for name in thresholds)}
    for text in read_bilingual(one):
        if any(word is not None and word not in words for _, word, _, _ in Formatter().parse(text)):
            raise ValueError(f"{one['id']}: a word in braces")
    return Rule(
        id=read_text(one["id"]),
        block=read_text(one["block"]),
        result=read_text(one["result"]),
        effective_from=read_day(one["effective_from"]),
        source=read_bilingual(one["source"]),
        sentence=read_bilingual(one),
        thresholds=thresholds,
        bases={str(kind): read_day(since) for kind, since in one.get("bases", {}).items()},
        confirm=read_bilingual(one["confirm"]) if "confirm" in one else None,
    )


def _duty(one: Mapping[str, Any]) -> Duty:
    return Duty(
        read_text(one["id"]), read_bilingual(one["source"]), read_bilingual(one), read_bilingual(one["from"])
    )


def _advisory(one: Mapping[str, Any]) -> Advisory:
    return Advisory(read_text(one["id"]), read_bilingual(one), _thresholds(one))


def _thresholds(one: Mapping[str, Any]) -> Mapping[str, int]:
    thresholds = dict(one.get("thresholds", {}))
    for key, value in thresholds.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{one['id']}.thresholds.{key}")
    return thresholds


def _words(table: Mapping[str, Any]) -> Mapping[str, Bilingual]:
    return {str(word): read_bilingual(texts) for word, texts in table.items()}


def read_bilingual(texts: Mapping[str, Any]) -> Bilingual:
    return Bilingual(read_text(texts["zh"]), read_text(texts["en"]))


def read_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def read_day(value: Any) -> date:
    if type(value) is not date:
        raise ValueError("a date")
    return value
