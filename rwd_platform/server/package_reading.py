"""What a package says of itself, for a page: its contents in the reader's order, and its answered checklists.

Both are files of the package. An older package has none, and one that is broken must not take the page with it: each
is read within bounds, and what is not as it should be is said to be so.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.package_file import listed_files
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import EvidencePackage
from rwd_platform.server.package_members import BROKEN, opened, read_object

CONTENTS = "data/00_index/contents.json"
CHECKLISTS = "data/00_index/checklists/"
MOST_BYTES = 4 << 20  # of one of these files; the largest of the demo has forty thousand
MOST_CHECKLISTS = 40
MOST_ENTRIES = 2_000  # parts, items, files or places in one of them

Is = Literal["read", "older", "broken"]

# How a part or an item stands: tone, words.
PART_STATES: Mapping[str, tuple[str, Bilingual]] = {
    "found": ("good", Bilingual("有", "there")),
    "explained": ("held", Bilingual("没有，已说明原因", "not there, with the reason")),
    "not_asked": ("quiet", Bilingual("不要求", "not asked for")),
    "left_out": ("quiet", Bilingual("选填，未放入", "optional, left out")),
    "missing": ("bad", Bilingual("缺失", "missing")),
}
# A part that is people's own words: they answered, which may be that there is none.
STATED: Mapping[str, tuple[str, Bilingual]] = {
    **PART_STATES,
    "found": ("good", Bilingual("已答", "answered")),
}
ITEM_STATES: Mapping[str, tuple[str, Bilingual]] = {
    "answered": ("good", Bilingual("已回答", "answered")),
    "not_applicable": ("quiet", Bilingual("不适用", "not applicable")),
    "explained": ("held", Bilingual("未提供，已说明原因", "not provided, with the reason")),
    "needs_statement": ("held", Bilingual("待声明", "needs a statement")),
    "missing": ("bad", Bilingual("缺失", "missing")),
}


@dataclass(frozen=True)
class Part:
    """One part that the reader expects. `asks` and `said`: of a part that is words, not files."""

    title: Bilingual
    status: str
    place: Bilingual | None
    confirm_place: bool
    reason: Bilingual | None
    said: Bilingual | None
    files: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    title: Bilingual
    reader: Bilingual
    says: tuple[Bilingual, ...]
    expected: int
    found: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Place:
    """Where an item is answered. `file` is "" for people's own words, which `says` gives."""

    label: Bilingual
    says: Bilingual
    file: str
    within: str


@dataclass(frozen=True)
class Item:
    id: str
    section: Bilingual
    asks: Bilingual
    mandatory: bool
    status: str
    reason: Bilingual | None
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Checklist:
    id: str
    name: Bilingual
    source: Bilingual
    applies: bool
    counts: Mapping[str, int]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Reading:
    """What could be read. `files`: the paths that the manifest lists, which alone can be opened."""

    state: Is
    contents: Contents | None = None
    checklists: tuple[Checklist, ...] = ()
    broken: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()


def read(platform: Platform, package: EvidencePackage) -> Reading:
    """From the archive's own directory; nothing is unpacked, and nothing raised."""
    try:
        with opened(platform, package) as (archive, folder):
            return _read(archive, folder)
    except BROKEN:
        return Reading("broken")


def _read(archive: zipfile.ZipFile, folder: str) -> Reading:
    files = frozenset(listed_files(archive))
    if CONTENTS not in files:
        return Reading("older", files=files)
    broken: list[str] = []
    contents: Contents | None = None
    try:
        contents = _contents(read_object(archive, f"{folder}{CONTENTS}", MOST_BYTES))
    except BROKEN:
        broken.append(CONTENTS)
    named = sorted(one for one in files if one.startswith(CHECKLISTS) and one.endswith(".json"))
    found: list[Checklist] = []
    for name in named[:MOST_CHECKLISTS]:
        try:
            found.append(_checklist(read_object(archive, f"{folder}{name}", MOST_BYTES)))
        except BROKEN:
            broken.append(name)
    return Reading("read" if contents else "broken", contents, tuple(found), tuple(broken), files)


def _contents(found: Mapping[str, Any]) -> Contents:
    return Contents(
        title=_pair(found["title"]),
        reader=_pair(found["reader"]),
        says=tuple(map(_pair, _listed(found["says"]))),
        expected=_count(found["expected"]),
        found=_count(found["found"]),
        parts=tuple(map(_part, _listed(found["parts"]))),
    )


def _part(one: Mapping[str, Any]) -> Part:
    written = one["statement"]
    return Part(
        title=_pair(one["title"]),
        status=_known(one["status"], PART_STATES),
        place=_pair_or_none(one["place"]),
        confirm_place=one["confirm_place"] is True,
        reason=_pair_or_none(one["reason"]),
        said=_pair_or_none(written["said"]) if written is not None else None,
        files=tuple(map(_text, _listed(one["files"]))),
    )


def _checklist(found: Mapping[str, Any]) -> Checklist:
    items = tuple(map(_item, _listed(found["items"])))
    counts = {name: _count(found["counts"].get(name, 0)) for name in ITEM_STATES}
    return Checklist(
        _text(found["checklist"]), _pair(found["name"]), _pair(found["source"]), found["applies"] is True, counts, items
    )  # fmt: skip


def _item(one: Mapping[str, Any]) -> Item:
    return Item(
        id=_text(one["id"]),
        section=_pair(one["section"]),
        asks=_pair(one["asks"]),
        mandatory=one["mandatory"] is True,
        status=_known(one["status"], ITEM_STATES),
        reason=_pair_or_none(one["reason"]),
        places=tuple(map(_place, _listed(one["places"]))),
    )


def _place(one: Mapping[str, Any]) -> Place:
    file = "" if one["statement"] else _text(one["file"])
    return Place(_pair(one["label"]), _pair(one["says"]), file, _text(one["anchor"] or one["pointer"]))


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise TypeError("no list, or a very long one")
    return value


def _pair(value: Any) -> Bilingual:
    return Bilingual(_text(value["zh"]), _text(value["en"]))


def _pair_or_none(value: Any) -> Bilingual | None:
    return None if value is None else _pair(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("no count")
    return value


def _known(value: Any, states: Mapping[str, Any]) -> str:
    if value not in states:
        raise ValueError("no such state")
    return str(value)
