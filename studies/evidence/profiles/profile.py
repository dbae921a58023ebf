"""A profile as data: one YAML a purpose. Nothing about a purpose stands in code but the names of its conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.profiles.conditions import CONDITIONS
from studies.yaml_reader import Node, read_yaml

FORMAT_VERSION = 1
HERE = Path(__file__).parent
CHECKLISTS = ("TARGET", "STROBE", "RECORD-PE", "DataSAT", "CN-2021-27", "CN-2023", "CN-2020-77", "CHEERS")
TIERS = ("T0", "T1", "T2", "T3")  # T4, identifiable, is in no package
AUDIENCES = ("authority", "aggregate")
ACTORS = ("researcher", "hospital", "sponsor", "institute", "operator", "ethics")
PRODUCTS = ("drug", "device", "special_food")

Need = Literal["always", "if", "optional"]

UNKNOWN_PROFILE = Problem(
    code="evidence.profile_unknown",
    zh="没有名为“{profile}”的证据包用途。",
    en="There is no purpose of an evidence package named {profile}.",
    next_zh="请选择其中之一：{known}。",
    next_en="Choose one of {known}.",
)


@dataclass(frozen=True)
class Who:
    """Who has to act for something that is not there, and what to do."""

    actor: str
    next: Bilingual


@dataclass(frozen=True)
class Part:
    """A thing that the recipient expects, in the order in which it is read.

    place     -- where the recipient's own dossier has it; None where it has no place of its own
    files     -- glob patterns of the package's paths below its root; each must find a file
    statement -- the id of what a person writes, instead of files
    need      -- `always`; `if` the condition named by `when` holds; `optional`
    otherwise -- why it is not there where `when` does not hold
    confirm   -- the place is from memory and is to be checked against the official text
    """

    id: str
    title: Bilingual
    need: Need
    who: Who
    files: tuple[str, ...] = ()
    statement: str = ""
    when: str = ""
    otherwise: Bilingual | None = None
    place: Bilingual | None = None
    confirm: bool = False


@dataclass(frozen=True)
class Statement:
    """Something that no computation knows: a person writes it, or chooses it from a list.

    choices -- id -> words; empty: free text of `least` to `most` characters
    """

    id: str
    asks: Bilingual
    least: int = 0
    most: int = 0
    choices: Mapping[str, Bilingual] | None = None


@dataclass(frozen=True)
class Profile:
    """One purpose.

    products -- which kinds of product it is for
    tiers    -- tiers of row data a recipient may get, the usual one first
    says     -- sentences that every package of the profile carries: what it is, and what it is not
    smallest_cell -- the fewest people behind a number that its reader may be given; 0: no more than is asked of all
    results  -- whether its packages hold results; else papers alone (studies.evidence.file_set)
    """

    id: str
    title: Bilingual
    reader: Bilingual
    products: tuple[str, ...]
    audience: str
    tiers: tuple[str, ...]
    checklists: tuple[str, ...]
    says: tuple[Bilingual, ...]
    statements: tuple[Statement, ...]
    parts: tuple[Part, ...]
    smallest_cell: int = 0
    results: bool = True

    def statement(self, id: str) -> Statement:
        return next(one for one in self.statements if one.id == id)


@cache
def profiles() -> Mapping[str, Profile]:
    """The shipped profiles by id, in the order of the files' names."""
    found = (
        load_profile(path.read_text(encoding="utf-8")) for path in sorted((HERE / "purposes").glob("*.yaml"))
    )
    return {one.id: one for one in found}


def profile(id: str) -> Profile:
    """Raises `evidence.profile_unknown`."""
    known = profiles()
    if id not in known:
        raise UNKNOWN_PROFILE.error(profile=id[:40], known=" · ".join(known))
    return known[id]


def load_profile(text: str) -> Profile:
    """Raises `protocol.refused`, naming the place, for whatever is not as it should be."""
    root = read_yaml(text).keys(_KEYS, ("smallest_cell", "results"))
    if root.at("format_version").integer() != FORMAT_VERSION:
        raise root.at("format_version").wrong(f"应为 {FORMAT_VERSION}", f"must be {FORMAT_VERSION}")
    statements = tuple(_statement(one) for one in root.at("statements").items())
    _unique(root.at("statements"), [one.id for one in statements])
    asked = {one.id for one in statements}
    parts = tuple(_part_or_shared(one, asked) for one in root.at("parts").items(least=1))
    _unique(root.at("parts"), [one.id for one in parts])
    unused = asked - {one.statement for one in parts}
    if unused:
        raise root.at("statements").wrong(f"没有章节使用 {min(unused)}", f"no part uses {min(unused)}")
    return Profile(
        id=root.at("id").word(),
        title=root.at("title").bilingual(),
        reader=root.at("reader").bilingual(),
        products=_several(root.at("products"), PRODUCTS),
        audience=root.at("audience").choice(*AUDIENCES),
        tiers=_several(root.at("tiers"), TIERS),
        checklists=_several(root.at("checklists"), CHECKLISTS, least=0),
        says=tuple(one.bilingual() for one in root.at("says").items(least=1)),
        statements=statements,
        parts=parts,
        smallest_cell=root.at("smallest_cell").integer() if root.has("smallest_cell") else 0,
        results=not (root.has("results") and root.at("results").choice("none")),
    )


_KEYS = (
    "format_version",
    "id",
    "title",
    "reader",
    "products",
    "audience",
    "tiers",
    "checklists",
    "says",
    "statements",
    "parts",
)


def _several(node: Node, known: tuple[str, ...], least: int = 1) -> tuple[str, ...]:
    found = [one.choice(*known) for one in node.items(least=least)]
    _unique(node, found)
    return tuple(found)


def _unique(node: Node, ids: list[str]) -> None:
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise node.wrong(f"{twice[0]} 出现了两次", f"{twice[0]} is there twice")


def _statement(node: Node) -> Statement:
    node.keys(("id", "asks"), ("characters", "choices"))
    id, asks = node.at("id").word(), node.at("asks").bilingual()
    if node.has("choices") == node.has("characters"):
        raise node.wrong(
            "choices 与 characters 必须且只能有一个", "exactly one of choices and characters is needed"
        )
    if node.has("choices"):
        return Statement(id, asks, choices={key: one.bilingual() for key, one in node.at("choices").pairs()})
    least, most = (one.integer() for one in node.at("characters").items(least=2))
    if not 0 < least < most <= 20_000:
        raise node.at("characters").wrong("应为 [最少, 最多]", "must be [least, most]")
    return Statement(id, asks, least, most)


@cache
def shared_parts() -> Mapping[str, Part]:
    """parts.yaml: what more than one purpose asks for, written once."""
    root = read_yaml((HERE / "parts.yaml").read_text(encoding="utf-8")).keys(("format_version", "parts"))
    found = [_part(one, set()) for one in root.at("parts").items(least=1)]
    _unique(root.at("parts"), [one.id for one in found])
    return {one.id: one for one in found}


def _part_or_shared(node: Node, statements: set[str]) -> Part:
    """A part of its own, or `use: <shared part>` with the recipient's place and how much it is needed."""
    if not node.has("use"):
        return _part(node, statements)
    node.keys(("use",), ("need", "place", "confirm"))
    part = shared_parts()[node.at("use").choice(*shared_parts())]
    if node.has("need"):
        part = replace(part, need=node.at("need").choice("always", "optional"), when="", otherwise=None)  # type: ignore[arg-type]  # choice has checked it
    return replace(
        part,
        place=node.at("place").bilingual() if node.has("place") else part.place,
        confirm=node.at("confirm").truth() if node.has("confirm") else part.confirm,
    )


def _part(node: Node, statements: set[str]) -> Part:
    node.keys(("id", "title", "need", "who"), ("files", "statement", "when", "otherwise", "place", "confirm"))
    need = node.at("need").choice("always", "if", "optional")
    when = node.at("when").choice(*CONDITIONS) if node.has("when") else ""
    if (need == "if") != bool(when) or bool(when) != node.has("otherwise"):
        raise node.wrong(
            "need: if 须同时写 when 与 otherwise", "`need: if` goes with `when` and `otherwise`, and only it"
        )
    statement = node.at("statement").choice(*sorted(statements)) if node.has("statement") else ""
    files = tuple(_pattern(one) for one in node.at("files").items(least=1)) if node.has("files") else ()
    if bool(files) == bool(statement):
        raise node.wrong(
            "files 与 statement 必须且只能有一个", "exactly one of files and statement is needed"
        )
    who = node.at("who").keys(("actor", "next"))
    return Part(
        id=node.at("id").word(),
        title=node.at("title").bilingual(),
        need=need,  # type: ignore[arg-type]  # choice has checked it
        who=Who(who.at("actor").choice(*ACTORS), who.at("next").bilingual()),
        files=files,
        statement=statement,
        when=when,
        otherwise=node.at("otherwise").bilingual() if node.has("otherwise") else None,
        place=node.at("place").bilingual() if node.has("place") else None,
        confirm=node.at("confirm").truth() if node.has("confirm") else False,
    )


def _pattern(node: Node) -> str:
    """Below the package's payload, with `*` in a name: nothing else, so that a pattern cannot reach out."""
    text = node.text()
    parts = text.split("/")
    if parts[0] != "data" or len(parts) < 3 or not all(_is_part(one) for one in parts):
        raise node.wrong("应为 data/ 下的路径", "must be a path below data/")
    return text


def _is_part(text: str) -> bool:
    return bool(text) and text.strip(".") != "" and all(one.isalnum() or one in "_-.*" for one in text)
