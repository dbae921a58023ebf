"""Many small files of one table made few, and what older versions still hold forgotten.

Every upload adds files to a table and leaves behind those that it replaced. Compaction writes the present rows
into files of the size that is asked for, in one commit; it sees that the rows are the same as before, and only
then removes what the present version does not name. Killed at any moment, the table has its rows; what is left
to do is done by the next compaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.delta_files import (
    forget_older_versions,
    one_writer,
    present_files,
    present_rows,
    rows_version,
    same_rows_note,
)
from rwd_platform.store.lake import TABLE_UNKNOWN, Lake
from rwd_platform.store.layout import Layout

ROWS_DIFFER = Problem(
    code="lake.rows_differ",
    zh="表 {table} 整理后的行与整理前不一致，已恢复原状，未删除任何文件。",
    en="After compaction table {table} held other rows than before; it was put back, and no file was removed.",
    next_zh="请检查磁盘与内存（`rwd doctor`），保留该表文件夹并联系技术支持。",
    next_en="Check disk and memory (`rwd doctor`), keep the table's folder as it is, and tell support.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Compacted:
    """One table before and after. `forgotten`: files that only older versions named, removed."""

    table: str
    rows: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    forgotten: int

    @property
    def changed(self) -> bool:
        return self.files_before != self.files_after or self.forgotten > 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class TableFiles:
    """What a table's folder holds now. Bytes are those on the disk."""

    table: str
    rows: int
    files: int
    bytes: int
    small_files: int  # below half of the size that is asked for
    older_files: int  # named by older versions alone: rows that were replaced since
    older_bytes: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def files_of_table(lake: Lake, table: str, file_bytes: int) -> TableFiles:
    """Count a table's files against the size that a file should have. Changes nothing."""
    from deltalake import DeltaTable

    path = _folder(lake, table)
    delta = DeltaTable(path)
    present = present_files(delta, path)
    sizes = [file.stat().st_size for file in present]
    older = _older_files(path, present)
    return TableFiles(
        table=table,
        rows=int(present_rows(delta, path).count_rows()),
        files=len(present),
        bytes=sum(sizes),
        small_files=sum(2 * size < file_bytes for size in sizes),
        older_files=len(older),
        older_bytes=sum(file.stat().st_size for file in older),
    )


def compact(layout: Layout, lake: Lake, table: str, file_bytes: int) -> Compacted:
    """Rewrite a table's small files into files of about `file_bytes`, and forget its older versions.

    The caller sees to it that nobody admits (`quiet_lake`). Raises `lake.rows_differ` with the table as it was.
    """
    from deltalake import DeltaTable

    path = _folder(lake, table)
    with one_writer(path), layout.scratch("spill") as scratch:
        delta = DeltaTable(path)
        before = present_files(delta, path)
        bytes_before = sum(file.stat().st_size for file in before)
        rows = _sum_of_rows(delta, path, scratch)
        version, delta_version = rows_version(delta), delta.version()
        delta.optimize.compact(target_size=file_bytes, commit_properties=same_rows_note(version))
        now = DeltaTable(path)
        if now.version() != delta_version and _sum_of_rows(now, path, scratch) != rows:
            now.restore(delta_version, commit_properties=same_rows_note(version))
            raise ROWS_DIFFER.error(table=table)
        after = present_files(now, path)
        older = _older_files(path, after)
        forgotten = 0
        if older:
            forget_older_versions(path)
            forgotten = len(older - set(before))
    return Compacted(
        table=table,
        rows=rows[0],
        files_before=len(before),
        files_after=len(after),
        bytes_before=bytes_before,
        bytes_after=sum(file.stat().st_size for file in after),
        forgotten=forgotten,
    )


def _folder(lake: Lake, table: str) -> Path:
    if table not in lake.tables():
        raise TABLE_UNKNOWN.error(table=table)
    return lake.folder_of(table)


def _older_files(path: Path, present: list[Path]) -> set[Path]:
    """Files with rows that the present version does not name."""
    log = path / "_delta_log"
    return {file for file in path.rglob("*.parquet*") if log not in file.parents} - set(present)


def _sum_of_rows(delta: Any, path: Path, scratch: Path) -> tuple[int, int]:
    """(rows, sum of the rows' hashes): the same for the same rows in any order and any number of files."""
    import duckdb

    stored = present_rows(delta, path)
    columns = ", ".join(f'"{name}"' for name in stored.schema.names)
    settings: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": str(scratch),
    }
    with duckdb.connect(config=settings) as engine:
        engine.register("stored", stored)
        query = f"SELECT count(*), coalesce(sum(hash({columns})), 0) FROM stored"  # noqa: S608 - our own columns
        found = engine.execute(query).fetchone()
    if found is None:
        raise ROWS_DIFFER.error(table=path.parent.name)
    return int(found[0]), int(found[1])
