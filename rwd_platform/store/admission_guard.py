"""An upload enters the lake whole or not at all, although it touches many tables.

Delta commits one table at a time. Before the first commit the versions of all tables are written
down; after the upload is on record the note is removed. If the writer fails, or whoever comes next
finds the note of a writer that died, every table is put back to its noted version - unless the
upload did get on record, which `finished` tells. What was put back is forgotten: no file with a row of
the failed upload stays. Every step of that may be cut off and is done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.store.counting import forget_prepared
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout, durable_folder, sync_folder

_NOTE = "unfinished.json"

Finished = Callable[[str], bool]
"""Whether an upload is on record as admitted."""


@contextlib.contextmanager
def one_admission(layout: Layout, organisation_id: str, source_system: str) -> Iterator[None]:
    """Hold a source: of two uploads of one system the second waits, so that the newer content stays."""
    durable_folder(layout.tmp)
    name = sha256_hex(f"{organisation_id}\n{source_system}".encode())
    with (layout.tmp / f"admission-{name}.guard").open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def all_tables_or_none(layout: Layout, upload_id: str, finished: Finished) -> Iterator[None]:
    """Write an upload's tables, and put it on record, as one: on any failure the lake is as it was before."""
    with _lake_guard(layout, fcntl.LOCK_EX):
        _settle(layout, finished)
        lake = Lake(layout)
        noted = {"upload_id": upload_id, "versions": lake.delta_versions(), "rows": lake.versions()}
        _write(layout.lake / _NOTE, noted)
        try:
            yield
        finally:
            _settle(layout, finished)


@contextlib.contextmanager
def quiet_lake(layout: Layout, finished: Finished) -> Iterator[Lake]:
    """The lake with nobody reading several tables of it and nobody admitting: to remove what is old.

    What was prepared for counting holds the same rows, and goes first.
    """
    with _lake_guard(layout, fcntl.LOCK_EX):
        _settle(layout, finished)
        forget_prepared(layout)
        yield Lake(layout)


@contextlib.contextmanager
def steady_lake(layout: Layout, finished: Finished) -> Iterator[Lake]:
    """Read several tables as of one moment: no admission writes meanwhile, none is half done."""
    if (layout.lake / _NOTE).exists():
        with _lake_guard(layout, fcntl.LOCK_EX):
            _settle(layout, finished)
    with _lake_guard(layout, fcntl.LOCK_SH):
        yield Lake(layout)


@contextlib.contextmanager
def _lake_guard(layout: Layout, kind: int) -> Iterator[None]:
    durable_folder(layout.lake)
    with (layout.lake / "lake.guard").open("ab") as guard:
        fcntl.flock(guard, kind)  # the kernel lets go when the holder dies
        yield


def _settle(layout: Layout, finished: Finished) -> None:
    """Remove the note; put the tables back if its upload is not on record. Only under the exclusive guard."""
    note = layout.lake / _NOTE
    if not note.exists():
        return
    noted = json.loads(note.read_text(encoding="utf-8"))
    if not finished(noted["upload_id"]):
        _put_back(layout, noted["versions"], noted.get("rows", noted["versions"]))
    note.unlink()
    sync_folder(layout.lake)


def _put_back(layout: Layout, versions: Mapping[str, int], rows: Mapping[str, int]) -> None:
    lake = Lake(layout)
    now = lake.versions()
    for table, version in lake.delta_versions().items():
        if table not in versions:
            _drop(layout, lake.folder_of(table))
        elif version != versions[table]:
            if now[table] != rows[table]:  # else it was put back already, and only forgetting was cut off
                lake.restore(table, versions[table], rows[table])
            lake.forget_history(table)


def _drop(layout: Layout, folder: Path) -> None:
    """Remove a table that the upload made. In one step it is no table any more: half a log could not be opened."""
    with layout.scratch("dropped") as scratch:
        folder.rename(scratch / folder.name)
        sync_folder(folder.parent)


def _write(note: Path, content: Mapping[str, object]) -> None:
    part = note.with_name(f"{note.name}.part")
    with part.open("w", encoding="utf-8") as sink:
        json.dump(content, sink)
        sink.flush()
        os.fsync(sink.fileno())
    part.replace(note)
    sync_folder(note.parent)
