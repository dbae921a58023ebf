"""A table as the risk measures read it: every value a text, an absent value a category of its own.

    with open_table(Path("extract.csv")) as table:
        table.columns                      # ("age", "sex", ...)
        measure(table, ["age", "sex"], "diagnosis")

A .csv has a header, one of the delimiters `,` `;` or tab (found in the header), quotes as in RFC 4180, and is
UTF-8 (with or without a byte order mark) or GB18030; it may be gzipped. DuckDB reads it once, from disk, within
a memory limit beyond which it spills to a temporary folder. What cannot be read as a table is refused by name:
a row of another length would otherwise move somebody's value into somebody else's column.

Problems name the file (where its name may be shown), columns that were asked for, and line numbers: never a
column's name as found in the file, because the header of a file without a header is a person's record.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from deidentify.risk.shown import shown_file
from rwd_platform.core.errors import Exit, PlatformError, Problem

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

FILE_KIND = Problem(
    code="risk.file_kind",
    zh="文件 {name} 不是 .csv、.csv.gz 或 .parquet。",
    en="The file {name} is not a .csv, .csv.gz or .parquet.",
    next_zh="请另存为带表头的 CSV（以逗号、分号、制表符或竖线分隔）或 Parquet 后重试。",
    next_en="Save it as CSV with a header (comma, semicolon, tab or vertical bar) or as Parquet, then try again.",
)
EMPTY = Problem(
    code="risk.empty",
    zh="文件 {name} 没有可评估的内容：{why_zh}。",
    en="There is nothing to assess in {name}: {why}.",
    next_zh="请提供有表头且至少有一行记录的文件。",
    next_en="Give a file with a header and at least one record.",
)
HEADER = Problem(
    code="risk.header",
    zh="文件 {name} 的表头不能使用：{why_zh}。",
    en="The header of {name} cannot be used: {why}.",
    next_zh="请给每一列一个不同的、非空的列名；没有表头的文件须先加上表头。",
    next_en="Give every column a name of its own; a file without a header needs one first.",
)
MALFORMED = Problem(
    code="risk.malformed",
    zh="文件 {name} 不能按表格读取：{why_zh}。",
    en="{name} cannot be read as a table: {why}.",
    next_zh="请检查该文件的导出方式（分隔符、引号、编码）并重新导出；未计算任何指标。",
    next_en="Check how it was exported (delimiter, quotes, encoding) and export it again; nothing was computed.",
)
COLUMN_UNKNOWN = Problem(
    code="risk.column_unknown",
    zh="表 {name} 中没有列“{column}”（共 {count} 列）。",
    en="The table {name} has no column “{column}” (it has {count}).",
    next_zh="请核对列名，大小写与空格须完全一致。",
    next_en="Check the name; case and spaces must be the same.",
)
COLUMN_TWICE = Problem(
    code="risk.column_twice",
    zh="准标识符中重复列出了“{column}”。",
    en="“{column}” is named twice among the quasi-identifiers.",
    next_zh="每一列只列一次。",
    next_en="Name each column once.",
)
QUASI_NEEDED = Problem(
    code="risk.quasi_needed",
    zh="没有给出准标识符。",
    en="No quasi-identifier is named.",
    next_zh="请至少列出一列：攻击者可能从别处知道的内容，例如出生年、性别、地区。",
    next_en="Name at least one column that an attacker may know from elsewhere: birth year, sex, district.",
)

MEMORY_LIMIT = Problem(
    code="risk.memory_limit",
    zh="内存上限的写法不对。",
    en="The memory limit is not written as it should be.",
    next_zh="请写成 512MB 或 2GB 的形式。",
    next_en="Write it like 512MB or 2GB.",
)
MEMORY_SPENT = Problem(
    code="risk.memory_spent",
    zh="表 {name} 在给定的内存上限内无法评估。",
    en="The table {name} cannot be assessed within the memory limit given.",
    next_zh="请提高内存上限（--memory），或确保临时目录有足够的磁盘空间。",
    next_en="Raise the limit (--memory), or give the temporary folder more disk space.",
    exit=Exit.BROKEN_ENVIRONMENT,
)

SOURCE = "source"
DEFAULT_MEMORY = "2GB"
_MEMORY = re.compile(r"[1-9][0-9]{0,5} ?(?:MB|GB|MiB|GiB)")
_DELIMITERS = (",", ";", "\t", "|")
_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 20
_LONGEST_LINE = 4 << 20
_BUFFER = 16 << 20  # read at once by each thread; the default grows with the longest line


@dataclass(frozen=True)
class Table:
    """A table that DuckDB can read. `select` names its columns c0, c1, ...: no column name enters the SQL."""

    name: str
    columns: tuple[str, ...]
    connection: duckdb.DuckDBPyConnection
    select: str
    scratch: Path

    def position(self, column: str) -> int:
        """The column's place, from 0; `risk.column_unknown` where there is none."""
        if column not in self.columns:
            raise COLUMN_UNKNOWN.error(name=self.name, column=column, count=len(self.columns))
        return self.columns.index(column)

    def positions(self, quasi: Sequence[str]) -> list[int]:
        """The places of the quasi-identifiers: at least one, none twice."""
        if not quasi:
            raise QUASI_NEEDED.error()
        for place, column in enumerate(quasi):
            if column in quasi[:place]:
                raise COLUMN_TWICE.error(column=column)
        return [self.position(column) for column in quasi]

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, for statements that read the file: what it finds wrong there becomes a Problem."""
        import duckdb

        try:
            yield self.connection
        except duckdb.OutOfMemoryException:
            raise MEMORY_SPENT.error(name=self.name) from None
        except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as error:
            raise _not_a_table(self.name, str(error)) from None


@contextmanager
def open_table(path: Path, *, memory: str = DEFAULT_MEMORY) -> Iterator[Table]:
    """The table in a file. `memory` is DuckDB's limit (`512MB`, `2GB`); more than that spills to disk."""
    kind = _kind(path)
    with _connection(memory) as (connection, scratch):
        if kind == "parquet":
            yield _parquet(path, connection, scratch)
        else:
            yield _csv(path, connection, scratch)


@contextmanager
def frame_table(frame: pd.DataFrame, name: str, *, memory: str = DEFAULT_MEMORY) -> Iterator[Table]:
    """The table in a pandas frame."""
    import pyarrow as pa

    columns = tuple(map(str, frame.columns))
    if not len(frame):
        raise EMPTY.error(name=name, why="it has no record", why_zh="没有任何记录")
    _check_header(columns, name)
    with _connection(memory) as (connection, scratch):
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        kinds = [str(field.type) for field in arrow.schema]
        connection.register(SOURCE, arrow.rename_columns([f"c{place}" for place in range(len(columns))]))
        yield Table(name, columns, connection, _texts(SOURCE, kinds), scratch)


@contextmanager
def _connection(memory: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """DuckDB that fetches no extension, keeps to its memory, and leaves nothing behind."""
    import duckdb

    if not _MEMORY.fullmatch(memory):
        raise MEMORY_LIMIT.error()
    scratch = Path(tempfile.mkdtemp(prefix="rwd-risk-"))
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory,
            "temp_directory": str(scratch / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        },
    )
    try:
        yield connection, scratch
    finally:
        connection.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _kind(path: Path) -> str:
    lower = path.name.lower()
    if lower.endswith((".csv", ".csv.gz")):
        return "csv"
    if lower.endswith(".parquet"):
        return "parquet"
    raise FILE_KIND.error(name=shown_file(path))


def _texts(source: str, kinds: Sequence[str]) -> str:
    """Every column as text; empty texts and NaN are absent values."""
    parts = []
    for place, kind in enumerate(kinds):
        column = f"c{place}"
        if kind.lower() in ("double", "float", "halffloat"):
            column = f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END"
        parts.append(f"nullif(CAST({column} AS VARCHAR), '') AS c{place}")
    return f"SELECT {', '.join(parts)} FROM {source}"  # noqa: S608 - names made here


# -- Parquet ---------------------------------------------------------------------------------------


def _parquet(path: Path, connection: duckdb.DuckDBPyConnection, scratch: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = ("it is no Parquet file, or a damaged one", "不是 Parquet 文件或已损坏")
        raise MALFORMED.error(name=shown_file(path), why=why[0], why_zh=why[1]) from None
    columns = tuple(schema.names)
    if not rows:
        raise EMPTY.error(name=shown_file(path), why="it has no record", why_zh="没有任何记录")
    _check_header(columns, shown_file(path))
    names = ", ".join(f"{_quoted(column)} AS c{place}" for place, column in enumerate(columns))
    source = f"(SELECT {names} FROM read_parquet({_literal(str(path))}))"  # noqa: S608 - quoted
    return Table(
        shown_file(path), columns, connection, _texts(source, [str(f.type) for f in schema]), scratch
    )


# -- CSV -------------------------------------------------------------------------------------------


def _csv(path: Path, connection: duckdb.DuckDBPyConnection, scratch: Path) -> Table:
    encoding = _survey(path)
    with _opened(path) as stream:
        first = stream.read(_LONGEST_HEADER)
    columns, delimiter = _header(first, encoding, shown_file(path))
    _check_header(columns, shown_file(path))
    source = path if encoding == "utf-8" else _as_utf8(path, encoding, scratch / "utf8.csv")
    spec = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(columns)))
    gzipped = source == path and path.name.lower().endswith(".gz")
    reader = (
        f"read_csv({_literal(str(source))}, auto_detect=false, header=true, delim={_literal(delimiter)}, "
        f"quote='\"', escape='\"', nullstr='', strict_mode=true, null_padding=false, encoding='utf-8', "
        f"compression='{'gzip' if gzipped else 'none'}', max_line_size={_LONGEST_LINE}, "
        f"buffer_size={_BUFFER}, columns={{{spec}}})"
    )
    return Table(shown_file(path), columns, connection, _texts(reader, ["VARCHAR"] * len(columns)), scratch)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path.name.lower().endswith(".gz"):
        try:
            with gzip.open(path) as stream:
                yield stream  # type: ignore[misc]  # GzipFile reads bytes as every stream does
        except (gzip.BadGzipFile, EOFError, zlib.error):
            why = ("its gzip is damaged or cut short", "gzip 压缩损坏或不完整")
            raise MALFORMED.error(name=shown_file(path), why=why[0], why_zh=why[1]) from None
    else:
        with path.open("rb") as stream:
            yield stream


def _survey(path: Path) -> str:
    """Which encoding the bytes are in: every byte is looked at before a single value is believed."""
    utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    total = 0
    with _opened(path) as stream:
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
            if b"\0" in chunk:
                why = (
                    "it holds NUL bytes: it is binary, UTF-16 or damaged",
                    "含有 NUL 字节：二进制、UTF-16 或已损坏",
                )
                raise MALFORMED.error(name=shown_file(path), why=why[0], why_zh=why[1])
            utf8 = _goes_on(utf8, chunk)
    if not total:
        raise EMPTY.error(name=shown_file(path), why="it is empty", why_zh="文件为空")
    return "utf-8" if _goes_on(utf8, b"", final=True) else "gb18030"


def _goes_on(
    decoder: codecs.IncrementalDecoder | None, chunk: bytes, *, final: bool = False
) -> codecs.IncrementalDecoder | None:
    if decoder is None:
        return None
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return None
    return decoder


def _as_utf8(path: Path, encoding: str, target: Path) -> Path:
    """A copy in UTF-8, in the scratch folder: DuckDB reads GB18030 only with an extension it would download."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with _opened(path) as stream, target.open("wb") as out:
            while chunk := stream.read(_CHUNK):
                out.write(decoder.decode(chunk).encode("utf-8"))
            out.write(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeDecodeError:
        why = ("it is neither UTF-8 nor GB18030", "既不是 UTF-8 也不是 GB18030 编码")
        raise MALFORMED.error(name=shown_file(path), why=why[0], why_zh=why[1]) from None
    return target


def _header(first: bytes, encoding: str, name: str) -> tuple[tuple[str, ...], str]:
    """Column names and delimiter: the one of `,` `;` tab `|` that the header has most of, outside quotes."""
    text = first.decode(encoding, errors="ignore").removeprefix("\ufeff")
    if not text.strip("\r\n"):
        raise EMPTY.error(name=name, why="it has no header", why_zh="没有表头")
    read = {delimiter: _first_row(text, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda one: len(read[one]))
    if not read[delimiter]:
        why = ("its first line is blank, or its quotes do not close", "首行为空，或引号没有闭合")
        raise HEADER.error(name=name, why=why[0], why_zh=why[1])
    return tuple(read[delimiter]), delimiter


def _first_row(text: str, delimiter: str) -> list[str]:
    """The first row as one delimiter reads it; nothing where it cannot be the delimiter."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _check_header(columns: Sequence[str], name: str) -> None:
    seen: dict[str, int] = {}
    for place, column in enumerate(columns, start=1):
        if not column.strip():
            why = (f"column {place} has no name", f"第 {place} 列没有列名")
            raise HEADER.error(name=name, why=why[0], why_zh=why[1])
        if column in seen:
            first = seen[column]
            why = (f"columns {first} and {place} have the same name", f"第 {first} 列与第 {place} 列同名")
            raise HEADER.error(name=name, why=why[0], why_zh=why[1])
        seen[column] = place


_LINE = re.compile(r"(?:CSV Error on Line|[Ll]ine):? ([0-9]+)")


def _not_a_table(name: str, message: str) -> PlatformError:
    """DuckDB's message repeats the row; of it only the line's number is kept."""
    found = _LINE.search(message)
    line = (f" at line {found[1]}", f"（第 {found[1]} 行附近）") if found else ("", "")
    if "Maximum line size" in message:
        why = ("a line is longer than 4 MiB" + line[0], "有一行超过 4 MiB" + line[1])
    elif "unterminated quote" in message or "quote should be followed" in message:
        why = ("a quote is out of place or does not close" + line[0], "引号位置不对或没有闭合" + line[1])
    elif "Expected Number of Columns" in message:
        why = (
            "a row does not have as many values as the header" + line[0],
            "有一行的列数与表头不同" + line[1],
        )
    else:
        why = (
            "its rows cannot be told apart; line ends may be mixed" + line[0],
            "无法分行，换行符可能混用" + line[1],
        )
    return MALFORMED.error(name=name, why=why[0], why_zh=why[1])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
