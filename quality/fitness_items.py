"""The catalogue of fitness for use: what is asked of a study's data, and which guideline asks it. Read from TOML."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual

FORMAT_VERSION = 1
CATALOGUE = Path(__file__).with_name("fitness.toml")

DIMENSIONS: Mapping[str, Bilingual] = {
    "relevance": Bilingual("相关性", "Relevance"),
    "reliability": Bilingual("可靠性", "Reliability"),
}
DATASAT: Mapping[str, Bilingual] = {
    "provenance": Bilingual("数据来源", "data provenance"),
    "quality": Bilingual("数据质量", "data quality"),
    "relevance": Bilingual("数据相关性", "data relevance"),
}
# What each measure must say beside the keys of every item, and what it may say.
_MEASURES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "coverage": (frozenset({"roles"}), frozenset()),
    "rules": (frozenset({"categories"}), frozenset()),
    "follow_up": (frozenset({"share_met", "share_partly"}), frozenset()),
    "accounting": (frozenset({"share_met", "share_partly"}), frozenset()),
    "person": (frozenset({"by"}), frozenset({"figures"})),
    **dict.fromkeys(("gate", "terms", "trace", "questions", "privacy", "frozen"), (frozenset(), frozenset())),
}
ROLES = ("population", "exposure", "outcome", "covariate")
FIGURES = ("population", "hospitals", "uploads", "follow_up")
_ALWAYS = frozenset({"id", "dimension", "datasat", "sources", "zh", "en", "measure"})

MALFORMED = Problem(
    code="quality.fitness_malformed",
    zh="适用性条目文件有误（{place}）：{why_zh}。",
    en="The catalogue of fitness for use is wrong at {place}: {why}.",
    next_zh="请按 quality/fitness.toml 开头的说明更正。",
    next_en="Correct it as the head of quality/fitness.toml says.",
    http=500,
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class Item:
    """One thing that is asked. `by` says who judges it where no figure can; None where one does."""

    id: str
    dimension: str
    datasat: str
    sources: tuple[Bilingual, ...]
    text: Bilingual
    measure: str
    roles: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    share_met: float = 1.0
    share_partly: float = 1.0
    by: Bilingual | None = None


@dataclass(frozen=True)
class Catalogue:
    """The items in order, and the SHA-256 of the exact text they were read from."""

    sha256: str
    items: tuple[Item, ...]

    def find(self, id: str) -> Item | None:
        return next((item for item in self.items if item.id == id), None)


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    return parse_catalogue(CATALOGUE.read_text(encoding="utf-8"))


def parse_catalogue(text: str) -> Catalogue:
    """Raises `quality.fitness_malformed`, naming the item that is wrong."""
    try:
        facts = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise _wrong("TOML", "it is not TOML", "不是 TOML") from None
    if facts.get("format_version") != FORMAT_VERSION or set(facts) != {"format_version", "sources", "items"}:
        raise _wrong("top", "its keys or its version are not known", "顶层的键或版本不对")
    sources = {name: Bilingual(one["zh"], one["en"]) for name, one in facts["sources"].items()}
    items = tuple(_item(one, sources) for one in facts["items"])
    if len({item.id for item in items}) != len(items):
        raise _wrong("items", "two items share an id", "两个条目的 id 相同")
    return Catalogue(hashlib.sha256(text.encode()).hexdigest(), items)


def _item(facts: Mapping[str, Any], sources: Mapping[str, Bilingual]) -> Item:
    id = str(facts.get("id", "?"))
    must, may = _MEASURES.get(str(facts.get("measure")), (None, frozenset()))
    if must is None or not _ALWAYS | must <= set(facts) <= _ALWAYS | must | may:
        raise _wrong(id, "its measure is not known or its keys are not that measure's", "方法未知或键不对")
    if facts["dimension"] not in DIMENSIONS or facts["datasat"] not in DATASAT:
        raise _wrong(id, "its dimension is not known", "维度未知")
    if not facts["sources"] or not {name for name, _ in facts["sources"]} <= set(sources):
        raise _wrong(id, "its source is not declared", "出处未声明")
    if not set(facts.get("roles", ())) <= set(ROLES) or not set(facts.get("figures", ())) <= set(FIGURES):
        raise _wrong(id, "a role or figure is not known", "角色或数字未知")
    met, partly = float(facts.get("share_met", 1)), float(facts.get("share_partly", 1))
    if not 0 < partly <= met <= 1:
        raise _wrong(id, "its shares are not in order", "比例的大小不对")
    return Item(
        id=id,
        dimension=facts["dimension"],
        datasat=facts["datasat"],
        sources=tuple(_source(sources[name], section) for name, section in facts["sources"]),
        text=Bilingual(facts["zh"], facts["en"]),
        measure=facts["measure"],
        roles=tuple(facts.get("roles", ())),
        categories=tuple(facts.get("categories", ())),
        figures=tuple(facts.get("figures", ())),
        share_met=met,
        share_partly=partly,
        by=Bilingual(**facts["by"]) if "by" in facts else None,
    )


def _source(name: Bilingual, section: str) -> Bilingual:
    return Bilingual(f"{name.zh}第 {section} 节", f"{name.en}, section {section}") if section else name


def _wrong(place: str, why: str, why_zh: str) -> Exception:
    return MALFORMED.error(place=place, why=why, why_zh=why_zh)
