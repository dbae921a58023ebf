"""A data lock: the rows of one study at one moment, as files that never change.

    locks/<id>/manifest.json     id; content: format_version, facts, tables; files: name -> sha256; seal
    locks/<id>/<table>.parquet   rows in canonical order

The id is the hash of `content`: the facts and each table's columns, row count and rows_sha256. It holds no
time and no file bytes, so the same rows have the same id on any machine and with any Parquet writer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rwd_platform.core.canonical import canonical_json, rows_sha256, sha256_file, sha256_of
from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.layout import (
    Layout,
    durable_folder,
    is_left,
    open_part,
    remove_if_left,
    safe_name,
    sync_folder,
)

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_KINDS = {"string": "string", "int64": "integer", "double": "decimal", "bool": "boolean"}

DAMAGED = Problem(
    code="lock.damaged",
    zh="数据锁定 {lock} 已损坏：文件 {file} {why_zh}。",
    en="Data lock {lock} is damaged: file {file} {why}.",
    next_zh="请从备份恢复该数据锁定；不得用损坏的锁定得出结果。",
    next_en="Restore the lock from a backup; no result may be made from a damaged lock.",
    http=500,
    exit=Exit.NO,
)
COLUMN_REFUSED = Problem(
    code="lock.column_refused",
    zh="表 {table} 的列 {column} 不能锁定：只允许文本、整数（不超过 2**53）、有限小数与布尔值。",
    en="Column {column} of table {table} cannot be locked: it holds more than text, integers (to 2**53), "
    "finite decimals or booleans.",
    next_zh="请在锁定之前把日期等值转换为文本或整数。",
    next_en="Turn dates and the like into text or integers before the lock.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class DataLock:
    id: str
    path: Path
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class OpenedLock:
    """A lock whose every hash was checked. Integers are Int64, booleans boolean, absent text None."""

    id: str
    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self.manifest["content"]["facts"]
        return facts


def write_lock(layout: Layout, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> DataLock:
    """Write a lock, or find that it is there. `facts` are JSON values that are part of what is locked."""
    arrow = {safe_name(name, "table"): _arrow(name, tables[name]) for name in sorted(tables)}
    content = {
        "format_version": FORMAT_VERSION,
        "facts": dict(facts),
        "tables": {name: _account(table) for name, table in arrow.items()},
    }
    lock_id = f"L-{sha256_of(content)}"
    target = layout.lock(lock_id)
    if not target.is_dir():
        _build(layout, target, lock_id, content, arrow)
    return DataLock(lock_id, target, _read_manifest(target))


def open_lock(path: Path) -> OpenedLock:
    """Read a lock and check every hash in it; `lock.damaged` names the file that is not as it was."""
    manifest = _read_manifest(path)
    listed = {MANIFEST, *manifest["files"]}
    there = {file.name for file in path.iterdir()}
    for name in sorted(listed ^ there):
        stray = name in there
        why = ("is not listed", "不在清单中") if stray else ("is missing", "缺失")
        raise _damaged(path, name, *why)
    tables = {}
    for name, account in manifest["content"]["tables"].items():
        file = path / f"{name}.parquet"
        if sha256_file(file) != manifest["files"].get(file.name):
            raise _damaged(path, file.name, "has changed", "已被更改")
        table = _read_parquet(file)
        if _account(table) != account:
            raise _damaged(path, file.name, "holds other rows than the manifest says", "的内容与清单不符")
        tables[name] = _frame(table)
    return OpenedLock(manifest["id"], tables, manifest)


def sweep(layout: Layout) -> int:
    """Remove locks that were half written when their writer died; returns how many."""
    removed = 0
    for part in sorted(layout.tmp.glob("lock-*.part")):
        # The guard goes last, so that a sweep that dies itself can be run again.
        folder = part.with_suffix("")
        if is_left(part):
            shutil.rmtree(folder, ignore_errors=True)
            removed += remove_if_left(part)
    return removed


def _build(
    layout: Layout, target: Path, lock_id: str, content: Mapping[str, Any], arrow: Mapping[str, Any]
) -> None:
    """Write into tmp, make durable and read-only, then rename: a lock is there whole or not at all."""
    durable_folder(layout.tmp)
    durable_folder(target.parent)
    folder = layout.tmp / f"lock-{uuid.uuid4().hex}"
    guard = folder.with_suffix(".part")
    with open_part(guard):
        try:
            folder.mkdir(mode=0o700)
            files = {}
            for name, table in arrow.items():
                file = folder / f"{name}.parquet"
                _write_parquet(table, file)
                files[file.name] = sha256_file(file)
            manifest = {"id": lock_id, "content": content, "files": files}
            sealed = {**manifest, "seal": sha256_of(manifest)}
            (folder / MANIFEST).write_bytes(canonical_json(sealed))
            for file in sorted(folder.iterdir()):
                _make_final(file)
            sync_folder(folder)
            _rename(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            guard.unlink()


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        # Another writer of the same content was first: a folder that holds files is not replaced.
        if not target.is_dir():
            raise
    sync_folder(target.parent)


def _make_final(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    file.chmod(0o444)


def _arrow(name: str, frame: pd.DataFrame) -> Any:
    """The frame as Arrow, without index, in an order that depends on nothing but its rows."""
    import pyarrow as pa

    columns = [str(column) for column in frame.columns]
    arrays = []
    for column in columns:
        array = _array(frame[column])
        if array is None:
            raise COLUMN_REFUSED.error(table=name, column=column)
        arrays.append(array)
    table = pa.table(arrays, names=columns) if columns else pa.table({})
    order = sorted(columns, key=lambda column: column != SUBJECT_ID)  # the others keep their places
    return table.sort_by([(column, "ascending") for column in order]) if order else table


def _array(column: pd.Series[Any]) -> Any:
    """One of the four kinds of value that a lock can hold, or None when the column is none of them."""
    import pyarrow as pa

    try:
        array = pa.array(column, from_pandas=True)
        if pa.types.is_null(array.type) or pa.types.is_large_string(array.type):
            array = array.cast(pa.string())
        elif pa.types.is_integer(array.type):
            array = array.cast(pa.int64())
        elif pa.types.is_floating(array.type):
            array = array.cast(pa.float64())
    except (pa.ArrowException, TypeError, ValueError):
        return None
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array if str(array.type) in _KINDS and _is_exact(array) else None


def _is_exact(array: Any) -> bool:
    """Whether canonical JSON can hold every value: no infinity, no integer beyond 2**53."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        return True
    bound = 2**53 - 1 if pa.types.is_integer(array.type) else sys.float_info.max
    ends = pc.min_max(array).as_py()
    return ends["min"] is None or (-bound <= ends["min"] and ends["max"] <= bound)


def _account(table: Any) -> dict[str, Any]:
    return {
        "rows": table.num_rows,
        "columns": [{"name": field.name, "type": _KINDS.get(str(field.type), "")} for field in table.schema],
        "rows_sha256": rows_sha256(table.to_pylist()),
    }


def _write_parquet(table: Any, file: Path) -> None:
    """Every option that decides about bytes is named here, so that no new default changes them."""
    import pyarrow.parquet as pq

    pq.write_table(
        table,
        file,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        row_group_size=1 << 17,
        store_schema=False,
    )


def _read_parquet(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(file, memory_map=False)
    except (pa.ArrowException, OSError):
        raise _damaged(file.parent, file.name, "cannot be read", "无法读取") from None


def _frame(table: Any) -> pd.DataFrame:
    import pyarrow as pa

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


def _read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, if it is whole: its id is its content's, and its seal tells damage here from a file's."""
    try:
        text = (path / MANIFEST).read_bytes()
        manifest: dict[str, Any] = json.loads(text)
        content = manifest["content"]
        names = {f"{table}.parquet" for table in content["tables"]}
        seal = sha256_of({name: value for name, value in manifest.items() if name != "seal"})
        whole = canonical_json(manifest) == text and manifest["seal"] == seal
        whole = whole and manifest["id"] == f"L-{sha256_of(content)}"
        if not whole or set(manifest["files"]) != names or not all(map(_is_file_name, names)):
            raise ValueError
    except FileNotFoundError:
        raise _damaged(path, MANIFEST, "is missing", "缺失") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path, MANIFEST, "has changed", "已被更改") from None
    return manifest


def _is_file_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is not None


def _damaged(path: Path, file: str, why: str, why_zh: str) -> Exception:
    return DAMAGED.error(lock=path.name, file=file, why=why, why_zh=why_zh)
