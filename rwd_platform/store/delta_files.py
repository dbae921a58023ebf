"""The files of one Delta table: which belong to its present state, which to nobody, and who may write.

Delta's own list of files escapes blanks and Chinese names, and its vacuum leaves what a killed writer left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rwd_platform.store.layout import durable_folder


def present_files(delta: Any, path: Path) -> list[Path]:
    """The files of a table's present state. `file_uris` would not do: it escapes blanks and Chinese names."""
    import pyarrow as pa

    return [path / unquote(name) for name in pa.table(delta.get_add_actions()).column("path").to_pylist()]


def present_rows(delta: Any, path: Path) -> Any:
    """The present state as a dataset for the engine."""
    import pyarrow as pa
    import pyarrow.dataset

    files = [str(file) for file in present_files(delta, path)]
    return pyarrow.dataset.dataset(files, schema=pa.schema(delta.schema().to_arrow()), format="parquet")


@contextlib.contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Hold a table for writing; the kernel lets go when the writer dies."""
    durable_folder(path.parent)
    with (path.parent / "writer.guard").open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def orphans(path: Path) -> Iterator[Path]:
    """Files below a table's folder that neither a log entry nor the present state names."""
    from deltalake import DeltaTable

    named: set[Path] = set()
    log = path / "_delta_log"
    for entry in log.glob("*.json"):
        for line in entry.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            file = action.get("add") or action.get("remove")
            if file:
                named.add(path / unquote(file["path"]))
    if DeltaTable.is_deltatable(str(path)):
        named.update(present_files(DeltaTable(path), path))
    for file in path.rglob("*"):
        if file.is_file() and file not in named and not _is_log_entry(file, log):
            yield file


def _is_log_entry(file: Path, log: Path) -> bool:
    return file.parent == log and (
        file.name == "_last_checkpoint" or (file.suffix in (".json", ".parquet") and file.name[:20].isdigit())
    )
