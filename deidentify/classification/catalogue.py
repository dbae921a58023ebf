"""The catalogue: one line a column, each with its class, level, flags and the reason for them.

    catalogue.csv   zone, table, column, class, level, importance, sensitive, identifier, zh, en, reason
    reasons.toml    the reasons, in both languages
    levels.toml     what classes, levels and flags mean, and what raises them
    zones.toml      the zones, and the tables that may exist in each

`*` as table stands for a column that every table of the zone has. In the zone `package` the table is a path
pattern and the column the audience: `authority`, `aggregate`, or `*` for both.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.text import Bilingual

FOLDER = Path(__file__).parent
ZONES = ("lake", "derived", "lock", "records", "package")
PACKAGE = "package"
EVERY = "*"
_FILES = ("catalogue.csv", "levels.toml", "reasons.toml", "zones.toml")
_FIELDS = ("zone", "table", "column", "class", "level", "importance", "sensitive", "identifier")
_TEXTS = ("zh", "en", "reason")
_FLAGS = {"yes": True, "no": False}

UNLISTED = Problem(
    code="classification.unlisted",
    zh="{zone_zh}：{table} 的列 {column} 没有分类分级标签，已拒绝。",
    en="{zone}: {column} of {table} has no classification; it was refused.",
    next_zh="请由数据管理与隐私负责人在 deidentify/classification/catalogue.csv 中为其定类定级后重试。",
    next_en="Let an officer decide its class and level, write them into deidentify/classification/catalogue.csv, "
    "and try again.",
    http=409,
    exit=Exit.REFUSED,
)
MALFORMED = Problem(
    code="classification.malformed",
    zh="分类分级目录 {file} 不能使用：{where}：{why_zh}。",
    en="The classification catalogue {file} cannot be used: {where}: {why}.",
    next_zh="请改正该行；目录有误时不贴任何标签。",
    next_en="Mend that line; a faulty catalogue labels nothing.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Label:
    """How one column, or one kind of file, is to be handled. `level` is 1 (public) to 5 (very small circle)."""

    zone: str
    table: str
    column: str
    category: str  # one of the six classes
    level: int
    importance: str  # general | important | core
    sensitive: bool
    identifier: str  # direct | quasi | other
    name: Bilingual
    reason: str  # key in reasons.toml

    def as_dict(self) -> dict[str, Any]:
        return {
            "class": self.category,
            "level": self.level,
            "importance": self.importance,
            "sensitive": self.sensitive,
            "identifier": self.identifier,
        }


@dataclass(frozen=True)
class Zone:
    """A place where columns are: its name, its tables, and tables that hold nothing personal."""

    name: Bilingual
    about: Bilingual
    tables: Mapping[str, Bilingual]
    common_only: frozenset[str]
    nothing_personal: Mapping[str, Bilingual]


@dataclass(frozen=True)
class Catalogue:
    """All labels, and what they mean. `sha256` is over the four files."""

    version: str
    sha256: str
    about: Bilingual
    labels: tuple[Label, ...]
    zones: Mapping[str, Zone]
    reasons: Mapping[str, Bilingual]
    meanings: Mapping[str, Any]  # levels.toml as written
    _by_place: Mapping[tuple[str, str, str], Label] = field(repr=False)

    def find(self, zone: str, table: str, column: str) -> Label | None:
        """The label of a column; None for a table or a column that is not listed."""
        known = self.zones.get(zone)
        if known is None or table not in known.tables:
            return None
        return self._by_place.get((zone, table, column)) or self._by_place.get((zone, EVERY, column))

    def find_file(self, path: str, audience: str) -> Label | None:
        """The label of a package's file: a full path before a pattern, this audience before both."""
        fitting = [
            label
            for label in self.labels
            if label.zone == PACKAGE
            and label.column in (audience, EVERY)
            and (path == label.table or fnmatchcase(path, label.table))
        ]
        return min(fitting, key=lambda label: (label.table != path, -len(label.table)), default=None)

    def identity(self) -> dict[str, str]:
        return {"name": "catalogue", "version": self.version, "sha256": self.sha256}

    def words(self, kind: str) -> dict[str, Bilingual]:
        """`classes`, `levels`, `importance` or `identifiers`: each key with its two words, in order."""
        return {key: _pair(texts) for key, texts in self.meanings[kind].items()}


def classify(table: str, column: str, zone: str = "lock") -> Label:
    """The label of a column. Raises `classification.unlisted` by name for what nobody has decided about."""
    catalogue = load_catalogue()
    label = catalogue.find(zone, table, column)
    if label is None:
        raise _unlisted(catalogue, zone, table, column)
    return label


def classify_file(path: str, audience: str) -> Label:
    """The label of a file of an evidence package; `path` as in the package, `audience` authority | aggregate."""
    catalogue = load_catalogue()
    label = catalogue.find_file(path, audience)
    if label is None:
        raise _unlisted(catalogue, PACKAGE, path, audience)
    return label


def _unlisted(catalogue: Catalogue, zone: str, table: str, column: str) -> PlatformError:
    known = catalogue.zones.get(zone)
    words = known.name if known else Bilingual(zone, zone)
    return UNLISTED.error(zone=words.en, zone_zh=words.zh, table=table[:80], column=column[:80])


@lru_cache(maxsize=4)
def load_catalogue(folder: Path = FOLDER) -> Catalogue:
    """The catalogue of a folder, checked whole; `classification.malformed` names file and line."""
    contents = {name: _read(folder / name) for name in _FILES}
    meanings = _toml("levels.toml", contents)
    reasons = {key: _pair(texts) for key, texts in _toml("reasons.toml", contents).items()}
    zones = {name: _zone(texts) for name, texts in _toml("zones.toml", contents).items()}
    labels = tuple(_labels(contents["catalogue.csv"], meanings, reasons, zones))
    by_place: dict[tuple[str, str, str], Label] = {}
    for label in labels:
        place = (label.zone, label.table, label.column)
        if place in by_place:
            raise _malformed("catalogue.csv", "/".join(place), "it stands twice", "重复出现")
        by_place[place] = label
    return Catalogue(
        version=str(meanings["version"]),
        sha256=sha256_of({name: sha256_hex(content) for name, content in contents.items()}),
        about=_pair(meanings),
        labels=labels,
        zones=zones,
        reasons=reasons,
        meanings=meanings,
        _by_place=by_place,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _malformed(path.name, "-", "the file is missing", "文件缺失") from None


def _toml(name: str, contents: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        return tomllib.loads(contents[name].decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise _malformed(name, "-", "it is not TOML in UTF-8", "不是 UTF-8 的 TOML 文件") from None


def _pair(texts: Mapping[str, Any], prefix: str = "") -> Bilingual:
    return Bilingual(str(texts[f"{prefix}zh"]), str(texts[f"{prefix}en"]))


def _zone(texts: Mapping[str, Any]) -> Zone:
    return Zone(
        name=_pair(texts),
        about=_pair(texts, "about_"),
        tables={name: _pair(words) for name, words in texts.get("tables", {}).items()},
        common_only=frozenset(texts.get("common_only", ())),
        nothing_personal={name: _pair(words) for name, words in texts.get("nothing_personal", {}).items()},
    )


def _labels(
    content: bytes, meanings: Mapping[str, Any], reasons: Mapping[str, Any], zones: Mapping[str, Zone]
) -> Iterator[Label]:
    """Each line of the CSV as a label; an empty field and an unknown word are refused with the line's number."""
    try:
        lines = csv.DictReader(io.StringIO(content.decode("utf-8")))
    except UnicodeDecodeError:
        raise _malformed("catalogue.csv", "-", "it is not UTF-8", "不是 UTF-8 文本") from None
    if tuple(lines.fieldnames or ()) != (*_FIELDS, *_TEXTS):
        raise _malformed("catalogue.csv", "1", "the heads are not the expected ones", "列名与要求不符")
    allowed: dict[str, Any] = {
        "zone": zones,
        "class": meanings["classes"],
        "level": meanings["levels"],
        "importance": meanings["importance"],
        "sensitive": _FLAGS,
        "identifier": meanings["identifiers"],
        "reason": reasons,
    }
    for number, line in enumerate(lines, start=2):
        wrong = [name for name in (*_FIELDS, *_TEXTS) if not line[name]]
        wrong += [name for name, words in allowed.items() if line[name] not in words]
        if not wrong and line["zone"] != PACKAGE and line["table"] != EVERY:
            wrong += ["table"] if line["table"] not in zones[line["zone"]].tables else []
        if wrong or None in line:
            where = f"{number} ({wrong[0] if wrong else '-'})"
            raise _malformed("catalogue.csv", where, "a field is empty or unknown", "字段为空或取值未知")
        yield Label(
            zone=line["zone"],
            table=line["table"],
            column=line["column"],
            category=line["class"],
            level=int(line["level"]),
            importance=line["importance"],
            sensitive=_FLAGS[line["sensitive"]],
            identifier=line["identifier"],
            name=Bilingual(line["zh"], line["en"]),
            reason=line["reason"],
        )


def _malformed(file: str, where: str, why: str, why_zh: str) -> PlatformError:
    return MALFORMED.error(file=file, where=where, why=why, why_zh=why_zh)
