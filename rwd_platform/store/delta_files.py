"""The files of one Delta table: which belong to its present state, which to nobody, and who may write.

A commit that changes no row (compaction, forgetting, putting back) notes of which version its rows are.

Delta's own list of files escapes blanks and Chinese names, and its vacuum leaves what a killed writer left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from rwd_platform.store.layout import durable_folder

_SAME_ROWS = "rows_of_version"
_READS = 5

Read = TypeVar("Read")


def present_files(delta: Any, path: Path) -> list[Path]:
    """The files of a table's present state. `file_uris` would not do: it escapes blanks and Chinese names."""
    import pyarrow as pa

    return [path / unquote(name) for name in pa.table(delta.get_add_actions()).column("path").to_pylist()]


def present_rows(delta: Any, path: Path, schema: Any = None) -> Any:
    """The present state as a dataset for the engine. A column of `schema` that a file has not is null there."""
    import pyarrow as pa
    import pyarrow.dataset

    files = [str(file) for file in present_files(delta, path)]
    known = pa.schema(delta.schema().to_arrow()) if schema is None else schema
    return pyarrow.dataset.dataset(files, schema=known, format="parquet")


def while_files_last(path: Path, read: Callable[[Any], Read]) -> Read:
    """`read` of the table as it is now; read anew when its files were compacted away meanwhile.

    Nobody waits, unless that happens again and again: then the writer does.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    for _ in range(_READS):
        with contextlib.suppress(FileNotFoundError, DeltaError):
            return read(DeltaTable(path))
    with one_writer(path):
        return read(DeltaTable(path))


def delta_version(delta: Any) -> int:
    return int(delta.version())


def rows_version(delta: Any) -> int:
    """The version that brought the rows of the present state: files may have changed since."""
    newest = delta.history(1)
    return int(newest[0].get(_SAME_ROWS, delta.version()) if newest else delta.version())


def same_rows_note(version: int) -> Any:
    """What a commit says that changes no row: its rows are those of `version`."""
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={_SAME_ROWS: str(version)})


def forget_older_versions(path: Path) -> int:
    """Remove the files and the log of every version but the present one; how many files went.

    Safe to do again wherever it stopped. The caller holds the table for writing.
    """
    from deltalake import DeltaTable

    delta = DeltaTable(path)
    gone = delta.vacuum(
        retention_hours=0,
        dry_run=False,
        enforce_retention_duration=False,
        commit_properties=same_rows_note(rows_version(delta)),
    )
    now = DeltaTable(path)
    now.create_checkpoint()
    for entry in sorted((path / "_delta_log").iterdir()):
        if entry.name[:20].isdigit() and int(entry.name[:20]) < now.version():
            entry.unlink()
    left = sorted(orphans(path))
    for orphan in left:
        orphan.unlink()
    return len(gone) + len(left)


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
