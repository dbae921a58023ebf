"""A hospital's table into units: one for each resource of a row, or one that says why the row gives none.

The file is read as a stream. Its encoding is settled by its first mebibyte; its header must name every
column that the mapping expects, in any order. A row is mapped whole or not at all.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from ingestion.mapping import problems
from ingestion.mapping.functions import Value, trim
from ingestion.mapping.model import Coverage, Table, TableMapping
from ingestion.mapping.problems import BAD_ENCODING, BAD_HEADERS, NO_TABLE, CellRefused
from ingestion.mapping.rows import ROW_BYTES, Row, rows_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.units import Issue, Place, Unit

_PROBE_BYTES = 1 << 20
_BOM = codecs.BOM_UTF8
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UTF_8, _GB18030 = "utf-8", "gb18030"


def read_table(name: str, stream: BinaryIO, mapping: TableMapping, label: str = "") -> Iterator[Unit]:
    """The units of one table file; `name` is the hospital's, by which the mapping finds its table.

    `label` is how messages and places call the file where its name may not be shown: a member of an archive.

    Raises PlatformError at once, before any unit, when no table of the mapping has such a name, when the
    header does not fit (`mapping.headers`), or when the file is not text (`mapping.encoding`).
    """
    label = label or name
    table = _table_for(name, mapping, label)
    opened = _open(label, stream, table)
    return _units(label, table, opened)


def read_coverage(name: str, stream: BinaryIO, mapping: TableMapping) -> Coverage:
    """Which of the file's columns are used by no template. Reads the header only."""
    table = _table_for(name, mapping, name)
    return table.coverage(_open(name, stream, table).headers)


@dataclass(frozen=True)
class _Opened:
    """A table whose header has been read. `encoding` is None while every byte so far was ASCII."""

    headers: tuple[str, ...]
    encoding: str | None
    rows: Iterator[Row]


def _table_for(name: str, mapping: TableMapping, label: str) -> Table:
    table = mapping.table_for(name)
    if table is None:
        patterns = ", ".join(pattern for one in mapping.tables for pattern in one.patterns)
        raise NO_TABLE.error(mapping=mapping.name, file=_short(label), patterns=patterns)
    return table


def _short(name: str) -> str:
    return PurePosixPath(name).name


def _open(name: str, stream: BinaryIO, table: Table) -> _Opened:
    beginning = _probe(stream)
    if beginning.startswith(_UTF_16) or b"\x00" in beginning[:4096]:
        raise _not_text(name, "是 UTF-16 或二进制文件", "it is UTF-16 or not text at all")
    encoding = _encoding_of(beginning, table.encoding)
    rows = rows_of(stream, table.delimiter, beginning.removeprefix(_BOM))
    first = next(rows, None)
    if first is None:
        raise _wrong_header(name, table, "没有表头", "it has none")
    if first.cells is None:
        raise _wrong_header(
            name, table, "表头行的引号不成对或过长", "its quotes are wrong, or it is too long"
        )
    try:
        headers = tuple(trim(cell.decode(encoding or _GB18030)) for cell in first.cells)
    except UnicodeDecodeError:
        raise _not_text(
            name, "表头既不是 UTF-8 也不是 GB18030", "its header is neither UTF-8 nor GB18030"
        ) from None
    _check_headers(name, table, headers)
    return _Opened(headers, encoding, rows)


def _probe(stream: BinaryIO) -> bytes:
    """A stream may give fewer bytes than asked for before its end."""
    parts: list[bytes] = []
    missing = _PROBE_BYTES
    while missing > 0 and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _encoding_of(beginning: bytes, declared: str) -> str | None:
    """UTF-8 when the beginning is, else GB18030; None when it is ASCII, which both can read."""
    if declared != "auto":
        return declared
    if beginning.startswith(_BOM):
        return _UTF_8
    if beginning.isascii():
        return None
    if _is_utf_8(beginning):
        return _UTF_8
    # A few broken bytes far down do not make a file another one: a Chinese header tells.
    header = beginning.split(b"\n", 1)[0]
    return _UTF_8 if not header.isascii() and _is_utf_8(header) else _GB18030


def _is_utf_8(beginning: bytes) -> bool:
    """A character cut by the end of the probe is no fault."""
    try:
        codecs.getincrementaldecoder(_UTF_8)().decode(beginning, final=len(beginning) < _PROBE_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def _check_headers(name: str, table: Table, headers: tuple[str, ...]) -> None:
    missing = [column for column in table.columns if column not in headers]
    if len(missing) * 2 > len(table.columns):
        # A file without a header starts with a patient: nothing of such a line may be repeated.
        known = len(table.columns) - len(missing)
        why = (
            f"第一行只含有 {known} 个要求的列名，可能不是表头",
            f"its first row names {known} of the expected columns and may be no header",
        )
        raise _wrong_header(name, table, *why)
    if missing:
        why = (
            f"缺少{'、'.join(missing)}；文件中的列是：{'、'.join(headers)}",
            f"missing are {', '.join(missing)}; the file has: {', '.join(headers)}",
        )
        raise _wrong_header(name, table, *why)
    if "" in headers:
        raise _wrong_header(name, table, "有一列没有列名", "a column has no name")
    twice = sorted({header for header in headers if headers.count(header) > 1})
    if twice:
        why = f"列名重复：{'、'.join(twice)}", f"names stand twice: {', '.join(twice)}"
        raise _wrong_header(name, table, *why)


def _wrong_header(name: str, table: Table, zh: str, en: str) -> PlatformError:
    return BAD_HEADERS.error(file=_short(name), why_zh=zh, why_en=en, expected=", ".join(table.columns))


def _not_text(name: str, zh: str, en: str) -> PlatformError:
    return BAD_ENCODING.error(file=_short(name), why_zh=zh, why_en=en)


def _units(name: str, table: Table, opened: _Opened) -> Iterator[Unit]:
    encoding = opened.encoding
    for number, row in enumerate(opened.rows, start=1):
        if encoding is None and not row.raw.isascii():
            encoding = _UTF_8 if _is_utf_8(row.raw) else _GB18030
        place = Place(file=name, line=row.line, row=number)
        values, issues = _read_row(table, opened.headers, row, encoding or _UTF_8)
        if issues:
            yield _rejected(place, row, issues)
            continue
        for emit in table.emits:
            if emit.applies(values):
                yield Unit(place, row.raw, emit.build(values))


def _rejected(place: Place, row: Row, issues: tuple[Issue, ...]) -> Unit:
    columns = {issue.expression for issue in issues}
    column = issues[0].expression if len(columns) == 1 else ""
    return Unit(Place(place.file, place.line, place.row, column=column or None), row.raw, None, issues)


def _read_row(
    table: Table, headers: tuple[str, ...], row: Row, encoding: str
) -> tuple[Mapping[str, Value], tuple[Issue, ...]]:
    """The values that templates use, or every reason why the row cannot be mapped."""
    if row.too_long:
        return {}, (problems.TOO_LONG.issue(limit=str(ROW_BYTES)),)
    if row.cells is None:
        return {}, (problems.BAD_QUOTES.issue(),)
    if len(row.cells) != len(headers):
        return {}, (problems.CELL_COUNT.issue(found=str(len(row.cells)), expected=str(len(headers))),)
    if _CONTROL.search(row.raw):
        return {}, (problems.CONTROL_CHARACTER.issue(),)
    texts: dict[str, str] = {}
    issues: list[Issue] = []
    for header, cell in zip(headers, row.cells, strict=True):
        try:
            texts[header] = cell.decode(encoding)
        except UnicodeDecodeError:
            issues.append(problems.BAD_BYTES.issue(header, encoding=encoding.upper()))
    if issues:
        return {}, tuple(issues)
    return _read_cells(table, texts)


def _read_cells(table: Table, texts: Mapping[str, str]) -> tuple[Mapping[str, Value], tuple[Issue, ...]]:
    values: dict[str, Value] = {}
    issues: dict[tuple[str, str], Issue] = {}
    for name, reader in table.readers.items():
        try:
            values[name] = reader.read(texts[reader.column])
        except CellRefused as refused:
            # Two readers of one column may fail by the same rule: that is said once.
            issue = refused.rule.issue(reader.column, **refused.details)
            issues.setdefault((reader.column, issue.rule), issue)
    return values, tuple(issues.values())
