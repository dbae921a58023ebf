"""Which files a table is made of, and with which columns: all that an engine needs to know of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.delta_files import present_files
from rwd_platform.store.lake import Lake

Files = Mapping[str, Sequence[str]]
"""Table -> the Parquet files of its present state."""
Schemas = Mapping[str, Any]
"""Table -> its pyarrow schema. A column that an older file does not have is null in that file's rows."""

NO_FILES = Problem(
    code="engine.no_files",
    zh="表 {table} 没有数据文件，也未说明有哪些列，计算引擎无法打开。",
    en="Table {table} has no file, and nobody said which columns it has, so no engine can open it.",
    next_zh="请核对表名；确为空表时，请同时给出其列定义。",
    next_en="Check the table's name; if it is empty, give its columns as well.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
FILE_MISSING = Problem(
    code="engine.file_missing",
    zh="表 {table} 的数据文件 {file} 不在原处：打开之后可能已被压缩整理或删除。",
    en="File {file} of table {table} is not where it was: it may have been compacted or erased since.",
    next_zh="请重新运行；若仍然如此，请核对 RWD_HOME，并从备份恢复研究数据库。",
    next_en="Run it again; if it is still missing, check RWD_HOME and restore the study store from a backup.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class LakeFiles:
    """One state of the lake as files. It stands as long as nobody compacts or erases: see `steady_lake`."""

    files: Files
    schemas: Schemas


def lake_files(lake: Lake, tables: Iterable[str] | None = None) -> LakeFiles:
    """The files and columns of some tables, or of every table that holds anything."""
    import pyarrow as pa
    from deltalake import DeltaTable

    files: dict[str, Sequence[str]] = {}
    schemas: dict[str, Any] = {}
    for table in sorted(lake.tables() if tables is None else tables):
        folder = lake.folder_of(table)
        if not DeltaTable.is_deltatable(str(folder)):
            raise NO_FILES.error(table=table)
        delta = DeltaTable(folder)
        files[table] = [str(path) for path in present_files(delta, folder)]
        schemas[table] = pa.schema([_plain(field) for field in lake.schema(table)])
    return LakeFiles(files, schemas)


def _plain(field: Any) -> Any:
    """A text column is `string`, whichever of Arrow's kinds of text the store speaks of."""
    import pyarrow as pa

    text = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
    return pa.field(field.name, pa.string()) if text else field


def check_files(files: Files, schemas: Schemas) -> None:
    """Raises `engine.no_files` or `engine.file_missing`, before an engine says it in its own words."""
    for table, paths in files.items():
        if not paths and table not in schemas:
            raise NO_FILES.error(table=table)
        for path in paths:
            if not Path(path).is_file():
                raise FILE_MISSING.error(table=table, file=Path(path).name)
