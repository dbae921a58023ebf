"""Code lists: which codes stand for a thing, in a version that somebody has written and somebody else has signed.

A list is a CSV file that a clinician opens in a spreadsheet, `codelists/<name>@<version>.csv`. The rows that begin
with `#` say what it is; then come the column names and the codes:

    #name,mastectomy
    #version,1
    #zh,乳房切除术
    #en,Mastectomy
    #author,...
    #reviewer,            (empty until signed)
    #signed_date,
    #source,...
    system,code,zh,en

A version never changes: whoever corrects a list writes the next one. An unsigned list serves feasibility and no freeze.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Codes
from studies.yaml_reader import among

HERE = Path(__file__).parent / "codelists"
MOST_BYTES = 20_000_000
_HEADER = ("name", "version", "zh", "en", "author", "reviewer", "signed_date", "source")
_COLUMNS = ["system", "code", "zh", "en"]
_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]{0,79})@([A-Za-z0-9][A-Za-z0-9.-]{0,39})\Z")

UNKNOWN = Problem(
    code="code_list.unknown",
    zh="没有代码表 {reference}{known_zh}。",
    en="There is no code list {reference}{known_en}.",
    next_zh="请写成“名称@版本”；现有代码表见 `rwd cohort codes list`。",
    next_en="Write name@version; `rwd cohort codes list` shows those there are.",
    http=404,
)
REFERENCE_MALFORMED = Problem(
    code="code_list.reference_malformed",
    zh="代码表的写法不对：应为“名称@版本”，名称由小写字母、数字和连字符组成。",
    en="This is no reference to a code list: it has to be name@version, the name of lower-case letters, digits and "
    "hyphens.",
    next_zh="例如 mastectomy@1；现有代码表见 `rwd cohort codes list`。",
    next_en="For instance mastectomy@1; `rwd cohort codes list` shows those there are.",
    http=404,
)
MALFORMED = Problem(
    code="code_list.malformed",
    zh="代码表 {name} 第 {line} 行：{zh}。",
    en="Code list {name}, line {line}: {en}.",
    next_zh="请更正该行；格式见 docs/reference/code-lists.md。",
    next_en="Correct the line; docs/reference/code-lists.md shows the form.",
)


@dataclass(frozen=True)
class Code:
    system: str
    code: str
    display: Bilingual

    @property
    def pair(self) -> tuple[str, str]:
        return self.system, self.code


@dataclass(frozen=True)
class CodeList:
    """
    signed_date -- YYYY-MM-DD, "" while nobody has signed; the reviewer is not the author
    source      -- what the codes were checked against
    """

    name: str
    version: str
    title: Bilingual
    author: str
    reviewer: str
    signed_date: str
    source: str
    entries: tuple[Code, ...]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def signed(self) -> bool:
        return bool(self.reviewer and self.signed_date)

    @property
    def codes(self) -> Codes:
        """As a definition holds it."""
        return Codes(self.reference, frozenset(one.pair for one in self.entries))

    @property
    def sha256(self) -> str:
        """Over everything that the list says, in the order of its codes; a data lock names it."""
        rows = sorted((one.system, one.code, *one.display) for one in self.entries)
        said = [
            self.name,
            self.version,
            *self.title,
            self.author,
            self.reviewer,
            self.signed_date,
            self.source,
        ]
        return sha256_of([said, [list(row) for row in rows]])


@dataclass(frozen=True)
class Difference:
    """Two versions of a list: codes that only one has, and those whose display changed (new text)."""

    old: str
    new: str
    added: tuple[Code, ...]
    removed: tuple[Code, ...]
    renamed: tuple[Code, ...]


def load(reference: str, folder: Path = HERE) -> CodeList:
    """The list `name@version`. Raises `code_list.reference_malformed`, `code_list.unknown`, `code_list.malformed`."""
    if not _REFERENCE.match(reference):
        raise REFERENCE_MALFORMED.error()
    path = folder / f"{reference}.csv"
    if not path.is_file():
        raise unknown_list(reference, sorted(one.stem for one in folder.glob("*.csv")))
    read = read_code_list(path.read_bytes(), path.name)
    if read.reference != reference:
        raise _malformed(
            path.name, 1, "名称与版本须与文件名一致", "name and version must be those of the file's name"
        )
    return read


def unknown_list(reference: str, known: Collection[str]) -> PlatformError:
    """`code_list.unknown`, with the nearest of the lists that there are, and the lists."""
    zh, en = among(reference, known)
    return UNKNOWN.error(reference=reference, known_zh=zh, known_en=en)


def codes_of(reference: str) -> Codes:
    """What a definition's `list: name@version` stands for."""
    return load(reference).codes


def every_list(folder: Path = HERE) -> tuple[CodeList, ...]:
    """All lists in all versions, by name."""
    return tuple(load(path.stem, folder) for path in sorted(folder.glob("*.csv")))


def diff(old: CodeList, new: CodeList) -> Difference:
    """What became of a list from one version to another."""
    before, after = ({one.pair: one for one in one_list.entries} for one_list in (old, new))
    both = before.keys() & after.keys()
    return Difference(
        old.reference,
        new.reference,
        added=_in_order(after, after.keys() - before.keys()),
        removed=_in_order(before, before.keys() - after.keys()),
        renamed=_in_order(after, {pair for pair in both if before[pair].display != after[pair].display}),
    )


def read_code_list(raw: bytes, name: str) -> CodeList:
    """A list from the bytes of its file. Raises `code_list.malformed`, naming the line."""
    said, rows = _parts(raw, name)
    header = _header(said, name)
    entries: dict[tuple[str, str], Code] = {}
    for line, row in rows:
        if len(row) != len(_COLUMNS):
            raise _malformed(name, line, f"应有 {len(_COLUMNS)} 列", f"{len(_COLUMNS)} columns are expected")
        system, code, zh, en = (cell.strip() for cell in row)
        if not code or not (zh or en):
            raise _malformed(name, line, "缺少代码或名称", "the code or its display is missing")
        if (system, code) in entries:
            raise _malformed(name, line, "该代码已经出现过", "the code stands there twice")
        entries[system, code] = Code(system, code, Bilingual(zh, en))
    if not entries:
        raise _malformed(name, 1, "没有代码", "there are no codes")
    return CodeList(
        name=header["name"],
        version=header["version"],
        title=Bilingual(header["zh"], header["en"]),
        author=header["author"],
        reviewer=header["reviewer"],
        signed_date=header["signed_date"],
        source=header["source"],
        entries=tuple(entries.values()),
    )


def _parts(raw: bytes, name: str) -> tuple[dict[str, tuple[int, str]], list[tuple[int, list[str]]]]:
    """The `#` rows by their key, and the rows below the column names, each with its line."""
    if len(raw) > MOST_BYTES:
        raise _malformed(name, 1, "文件过大", "the file is too large")
    try:
        text = raw.decode("utf-8-sig")
        rows = list(_rows(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _malformed(name, 1, "不是 UTF-8 编码的 CSV 文件", "this is no CSV file in UTF-8") from error
    said: dict[str, tuple[int, str]] = {}
    while rows and rows[0][1][0].startswith("#"):
        line, row = rows.pop(0)
        key = row[0][1:].strip()
        if key not in _HEADER or key in said or len([cell for cell in row[1:] if cell.strip()]) > 1:
            raise _malformed(
                name, line, "说明行未知、重复或过长", "a heading is unknown, there twice or too long"
            )
        said[key] = (line, row[1].strip() if len(row) > 1 else "")
    if not rows or [cell.strip() for cell in rows[0][1]] != _COLUMNS:
        raise _malformed(
            name,
            rows[0][0] if rows else 1,
            f"列名应为 {','.join(_COLUMNS)}",
            f"columns are {','.join(_COLUMNS)}",
        )
    return said, rows[1:]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _header(said: Mapping[str, tuple[int, str]], name: str) -> dict[str, str]:
    header = {key: said.get(key, (1, ""))[1] for key in _HEADER}
    missing = [key for key in ("name", "version", "zh", "en", "author") if not header[key]]
    if missing:
        raise _malformed(
            name, 1, f"缺少说明行 {'、'.join(missing)}", f"the headings {', '.join(missing)} are missing"
        )
    if not _REFERENCE.match(f"{header['name']}@{header['version']}"):
        raise _malformed(
            name,
            said["name"][0],
            "名称或版本含有不允许的字符",
            "the name or the version has characters it may not have",
        )
    if bool(header["reviewer"]) != bool(header["signed_date"]):
        line = said.get("reviewer", said.get("signed_date", (1, "")))[0]
        raise _malformed(
            name,
            line,
            "审核人与签署日期须同时填写",
            "reviewer and date of signing are given together or not at all",
        )
    if header["reviewer"]:
        _check_signature(header, said, name)
    return header


def _check_signature(header: Mapping[str, str], said: Mapping[str, tuple[int, str]], name: str) -> None:
    if header["reviewer"].casefold() == header["author"].casefold():
        raise _malformed(
            name, said["reviewer"][0], "审核人不得为编写人本人", "nobody reviews a list of their own"
        )
    try:
        day = date.fromisoformat(header["signed_date"])
    except ValueError:
        day = None
    if day is None or day.isoformat() != header["signed_date"]:
        raise _malformed(
            name, said["signed_date"][0], "签署日期应为 YYYY-MM-DD", "the date of signing is YYYY-MM-DD"
        )


def _in_order(entries: Mapping[tuple[str, str], Code], pairs: set[tuple[str, str]]) -> tuple[Code, ...]:
    return tuple(entries[pair] for pair in sorted(pairs))


def _malformed(name: str, line: int, zh: str, en: str) -> PlatformError:
    return MALFORMED.error(name=name, line=line, zh=zh, en=en)
