"""Code maps: what a hospital writes, and the code that it means.

A file in ingestion/conceptmaps has the columns source, code, display. Several sources may mean one code.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingestion.mapping.problems import UNKNOWN_CODE, CellRefused
from ingestion.mapping.yaml_text import Node

_HEADER = ["source", "code", "display"]
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.csv")
PARTS = ("code", "display")


@dataclass(frozen=True)
class CodeMap:
    """`unmapped`: `fail` refuses the row, `keep` passes the hospital's own code on."""

    name: str
    version: str
    unmapped: str
    entries: Mapping[str, tuple[str, str]]  # source -> (code, display)

    def lookup(self, part: str) -> Callable[[str], str]:
        """A function from what the hospital wrote to the code, or to its display text."""
        position = PARTS.index(part)

        def look_up(source: str) -> str:
            entry = self.entries.get(source)
            if entry is not None:
                return entry[position]
            if self.unmapped == "keep":
                return source
            raise CellRefused(UNKNOWN_CODE, codemap=self.name)

        return look_up

    def as_dict(self) -> dict[str, object]:
        """For the mapping's hash: a changed code map is a changed mapping."""
        return {
            "version": self.version,
            "unmapped": self.unmapped,
            "entries": {k: list(v) for k, v in self.entries.items()},
        }


def read_codemap(name: str, node: Node, folder: Path) -> CodeMap:
    fields = node.fields(("version",), ("file", "entries", "unmapped"))
    if ("file" in fields) == ("entries" in fields):
        raise node.refuse("file 与 entries 应有且只有一个", "it has either file or entries")
    unmapped = fields["unmapped"].one_of("fail", "keep") if "unmapped" in fields else "fail"
    entries = _from_file(fields["file"], folder) if "file" in fields else _inline(fields["entries"])
    return CodeMap(name, fields["version"].text(), unmapped, entries)


def _inline(node: Node) -> dict[str, tuple[str, str]]:
    return {source: (code.text(), code.text()) for source, code in node.pairs()}


def _from_file(node: Node, folder: Path) -> dict[str, tuple[str, str]]:
    file_name = node.text()
    if not _FILE_NAME.fullmatch(file_name):
        raise node.refuse(
            "应为不含路径的 CSV 文件名", "it must be the plain name of a CSV file, without a path"
        )
    try:
        text = (folder / file_name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise node.refuse(f"无法读取对照表 {file_name}", f"the code map {file_name} cannot be read") from None
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if not rows or rows[0] != _HEADER:
        raise node.refuse(
            f"{file_name} 的表头应为 source,code,display",
            f"the header of {file_name} must be source,code,display",
        )
    entries: dict[str, tuple[str, str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(_HEADER) or not row[0] or not row[1]:
            raise node.refuse(
                f"{file_name} 第 {number} 行不完整", f"line {number} of {file_name} is not complete"
            )
        if row[0] in entries:
            raise node.refuse(
                f"{file_name} 第 {number} 行的来源值重复", f"line {number} of {file_name} repeats a source"
            )
        entries[row[0]] = (row[1], row[2] or row[1])
    return entries
