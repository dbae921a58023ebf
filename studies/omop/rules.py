"""What decides about an export, read from the data files of this folder: mappings, rules, fields, fixed concepts."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual

_FOLDER = Path(__file__).parent
_FILES = ("concepts.toml", "fields.csv", "mapping.toml", "rules.toml", "vocabularies.csv")


@dataclass(frozen=True)
class Rule:
    """One reason why a row is not handed on, or (`to`) is handed on to another table. See rules.toml."""

    id: str
    reason: Bilingual
    source: str = ""
    column: str = ""
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    empty: bool = False
    absent_kept: bool = True
    when: tuple[str, tuple[str, ...]] = ("", ())
    also_in: str = ""
    instead: str = ""
    to: str = ""


@dataclass(frozen=True)
class Source:
    """How a table of a lock becomes events. See mapping.toml."""

    name: str
    table: str
    official: str
    start: tuple[str, ...]
    end: tuple[str, ...]
    code: tuple[str, str]
    type_concept: int
    columns: Mapping[str, str]
    type_by: Mapping[str, Mapping[str, int]]
    days: str = ""
    concepts: str = ""
    codings: bool = False
    domains: bool = False
    also: str = ""


@dataclass(frozen=True)
class Field:
    """A field of the model. `source` is the column of an event that it is taken from, "" where there is none."""

    table: str
    name: str
    type: str
    required: bool
    source: str

    @property
    def length(self) -> int | None:
        """Characters that a text may have; None without a bound, and for what is no text."""
        size = self.type.removeprefix("varchar(").rstrip(")")
        return int(size) if self.type.startswith("varchar") and size.isdigit() else None


@dataclass(frozen=True)
class Rules:
    """rules.toml as a whole."""

    guide: str
    version: str
    effective: str
    cdm: str
    fhir: str
    rules: tuple[Rule, ...]
    deaths: frozenset[tuple[str, str, str]]

    def of(self, source: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.source == source)

    def reason(self, rule_id: str) -> Bilingual:
        return next(rule.reason for rule in self.rules if rule.id == rule_id)


@cache
def load_rules() -> Rules:
    found = _toml("rules.toml")
    deaths = frozenset((one["system"], one["code"], one["value"]) for one in found["death"])
    return Rules(
        **{name: found[name] for name in ("guide", "version", "effective", "cdm", "fhir")},
        rules=tuple(_rule(one) for one in found["rule"]),
        deaths=deaths,
    )


@cache
def load_sources() -> Mapping[str, Source]:
    """{table of a lock: how it is mapped}, in the order of mapping.toml."""
    return {
        name: Source(
            name=name,
            table=one["table"],
            official=one["official"],
            start=tuple(one["start"]),
            end=tuple(one.get("end", ())),
            code=(one["code"][0], one["code"][1]),
            type_concept=one["type"],
            columns=one.get("columns", {}),
            type_by=one.get("type_by", {}),
            **{key: one[key] for key in ("days", "concepts", "codings", "domains", "also") if key in one},
        )
        for name, one in _toml("mapping.toml").items()
    }


@cache
def load_fields() -> Mapping[str, tuple[Field, ...]]:
    """{table of OMOP: its fields in their order}."""
    tables: dict[str, list[Field]] = {}
    for row in _csv("fields.csv"):
        one = Field(row["table"], row["field"], row["type"], row["required"] == "yes", row["from"])
        tables.setdefault(one.table, []).append(one)
    return {name: tuple(fields) for name, fields in tables.items()}


@cache
def load_concepts() -> Mapping[str, Mapping[str, Any]]:
    return _toml("concepts.toml")


@cache
def load_vocabularies() -> Mapping[str, str]:
    """{code system: vocabulary_id}, the one to be preferred first."""
    return {row["system"]: row["vocabulary_id"] for row in _csv("vocabularies.csv")}


@cache
def rules_sha256() -> str:
    """Of all that decides about an export: two exports under one hash followed the same rules (f2o-061)."""
    whole = sha256()
    for name in _FILES:
        whole.update((_FOLDER / name).read_bytes())
    return whole.hexdigest()


def _rule(one: Mapping[str, Any]) -> Rule:
    column, values = next(iter(one.get("when", {}).items()), ("", ()))
    return Rule(
        id=one["id"],
        reason=Bilingual(one["zh"], one["en"]),
        only=tuple(one.get("only", ())),
        never=tuple(one.get("never", ())),
        absent_kept=one.get("absent", "kept") == "kept",
        when=(column, tuple(values)),
        **{key: one[key] for key in ("source", "column", "empty", "also_in", "instead", "to") if key in one},
    )


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))


def _csv(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader((line for line in stream if not line.startswith("#")), strict=True))
