"""Reads the checklists and refuses what is unclear: an unknown place, predicate or statement, an id that stands twice.

Raises `checklist.refused` with the file and what `studies.yaml_reader` says of the place in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.model import Action, Checklist, Item, Place, Statement
from studies.evidence.checklists.predicates import PREDICATES
from studies.evidence.templates.verify import REPORT_JSON
from studies.yaml_reader import Node, read_yaml

FOLDER = Path(__file__).parent
CHECKLISTS = (
    "TARGET", "STROBE", "RECORD-PE", "DataSAT", "CN-2021-27", "CN-2023", "CN-2020-77", "CHEERS",
)  # fmt: skip
ALWAYS = "always"
# A pointer's parts are names, indices or `*`; a path stays inside the package.
_POINTER = re.compile(r"(/(?:[A-Za-z_][A-Za-z0-9_.-]*|\d+|\*))*")
_FILE = re.compile(r"(?!.*\.\.)(?:data/[0-9]{2}_[a-z]+/)?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_KEY = re.compile(r"[a-z0-9_*]+")
_HEADING = re.compile(r"[a-z0-9_.]+")

REFUSED = Problem(
    code="checklist.refused",
    zh="核对清单文件 {file} 有误：{zh}",
    en="The checklist file {file} is not right: {en}",
    next_zh="请改正该文件；条目与位置的写法见 studies/evidence/checklists/model.py。",
    next_en="Correct this file; studies/evidence/checklists/model.py says how items and places are written.",
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Words:
    """What all checklists share."""

    places: Mapping[str, Place]
    statements: Mapping[str, Statement]
    reasons: Mapping[str, Bilingual]
    unless: Mapping[str, Bilingual]


@cache
def shared() -> Words:
    """The places of a package, the statements, and the reasons why something is not asked."""
    return read_words(_text("places.yaml"), _text("statements.yaml"))


def checklist(id: str) -> Checklist:
    """One of `CHECKLISTS`."""
    if id not in CHECKLISTS:
        raise _refused(f"{id}.yaml", "没有这份清单。", "there is no such checklist.")
    return _checklist(id)


@cache
def _checklist(id: str) -> Checklist:
    return read_checklist(_text(f"{id}.yaml"), f"{id}.yaml", shared())


def every_checklist() -> tuple[Checklist, ...]:
    return tuple(checklist(id) for id in CHECKLISTS)


def read_words(places: str, statements: str) -> Words:
    """From the texts of `places.yaml` and `statements.yaml`."""
    with _named("places.yaml"):
        first = read_yaml(places).keys(("roles", "places"))
        roles = {key: node.bilingual() for key, node in first.at("roles").pairs()}
        found = {key: _place(key, node, roles) for key, node in first.at("places").pairs()}
    with _named("statements.yaml"):
        second = read_yaml(statements).keys(("statements", "reasons", "unless"))
        words = Words(
            found,
            {key: _statement(key, node, roles) for key, node in second.at("statements").pairs()},
            {key: node.bilingual() for key, node in second.at("reasons").pairs()},
            {key: node.bilingual() for key, node in second.at("unless").pairs()},
        )
    _known({*words.reasons, *words.unless}, PREDICATES, "statements.yaml")
    return words


def read_checklist(text: str, file: str, words: Words) -> Checklist:
    """From a YAML's text. Ids are unique, and everything that an item names is known."""
    with _named(file):
        return _checklist_of(read_yaml(text), file, words)


def _checklist_of(root: Node, file: str, words: Words) -> Checklist:
    root.keys(("id", "name", "source", "applies", "sections", "items"))
    applies = root.at("applies").text()
    if applies != ALWAYS:
        _known([applies], words.unless, file)
    sections = {key: node.bilingual() for key, node in root.at("sections").pairs()}
    items = tuple(_item(node, sections, words, file) for node in root.at("items").items(least=1))
    _unique([item.id for item in items], file)
    return Checklist(
        id=root.at("id").text(),
        name=root.at("name").bilingual(),
        source=root.at("source").bilingual(),
        applies=applies,
        unless=words.unless.get(applies),
        items=items,
        reasons=words.reasons,
    )


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@contextmanager
def _named(file: str) -> Iterator[None]:
    """What the strict reader finds wrong, under the name of our file."""
    try:
        yield
    except PlatformError as error:
        if error.problem is REFUSED:
            raise
        raise _refused(file, error.zh, error.en) from error


def _refused(file: str, zh: str, en: str) -> PlatformError:
    return REFUSED.error(file=file, zh=zh, en=en)


def _known(names: Iterable[str], known: Iterable[str], file: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise _refused(file, f"未知的名称 {'、'.join(unknown)}。", f"unknown: {', '.join(unknown)}.")


def _unique(ids: list[str], file: str) -> None:
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise _refused(file, f"条目编号重复：{'、'.join(twice)}。", f"ids stand twice: {', '.join(twice)}.")


def _item(node: Node, sections: Mapping[str, Bilingual], words: Words, file: str) -> Item:
    optional = ("mandatory", "confirm", "answered_by", "also", "needs", "otherwise", "not_applicable_when")
    node.keys(("id", "section", "asks"), optional)
    listed = {key: node.at(key).texts() if node.has(key) else () for key in (*optional[2:5], optional[6])}
    otherwise = node.at("otherwise").text() if node.has("otherwise") else ""
    _known([node.at("section").text()], sections, file)
    _known([*listed["answered_by"], *listed["also"]], words.places, file)
    _known([*listed["needs"], *([otherwise] if otherwise else [])], words.statements, file)
    _known(listed["not_applicable_when"], words.reasons, file)
    if not (listed["answered_by"] or listed["needs"]):
        raise node.wrong("条目没有可以回答它的位置或声明", "nothing could answer this item")
    return Item(
        id=node.at("id").text(),
        section=sections[node.at("section").text()],
        asks=node.at("asks").bilingual(),
        mandatory=node.at("mandatory").truth() if node.has("mandatory") else True,
        confirm=node.at("confirm").truth() if node.has("confirm") else False,
        answered_by=tuple(words.places[one] for one in listed["answered_by"]),
        also=tuple(words.places[one] for one in listed["also"]),
        needs=tuple(words.statements[one] for one in listed["needs"]),
        otherwise=words.statements[otherwise] if otherwise else None,
        not_applicable=listed["not_applicable_when"],
    )


def _action(node: Node, roles: Mapping[str, Bilingual]) -> Action:
    return Action(roles[node.at("who").choice(*roles)], node.at("next").bilingual())


def _statement(id: str, node: Node, roles: Mapping[str, Bilingual]) -> Statement:
    node.keys(("label", "who", "next"))
    return Statement(id, node.at("label").bilingual(), _action(node, roles))


def _place(id: str, node: Node, roles: Mapping[str, Bilingual]) -> Place:
    node.keys(("label", "who", "next"), ("file", "pointer", "where", "holds", "blocks", "heading"))
    ways = [way for way in ("file", "blocks", "heading") if node.has(way)]
    if len(ways) != 1:
        raise node.wrong(
            "位置须且只能是 file、blocks、heading 之一", "a place is one of file, blocks, heading"
        )
    where = (
        tuple((key, one.texts(least=1)) for key, one in node.at("where").pairs()) if node.has("where") else ()
    )
    return Place(
        id=id,
        label=node.at("label").bilingual(),
        action=_action(node, roles),
        file=_matching(node.at("file"), _FILE) if ways == ["file"] else REPORT_JSON,
        pointer=_matching(node.at("pointer"), _POINTER) if node.has("pointer") else "",
        where=where,
        holds=node.at("holds").truth() if node.has("holds") else False,
        blocks=tuple(_matching(one, _KEY) for one in node.at("blocks").items(least=1))
        if ways == ["blocks"]
        else (),
        heading=_matching(node.at("heading"), _HEADING) if ways == ["heading"] else "",
    )


def _matching(node: Node, pattern: re.Pattern[str]) -> str:
    text = node.text()
    if not pattern.fullmatch(text):
        raise node.wrong("写法不正确", "not written as such a place is")
    return text
