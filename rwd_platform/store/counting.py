"""Tables prepared for counting, one folder a state of the lake: counting/<state>/<table>.parquet

They are made of the lake's rows and can be made again at any time, so nothing else relies on them: they are in no
backup, and whoever removes rows from the lake removes all of them (`admission_guard.quiet_lake`). A folder appears
whole or not at all. Read and write under `steady_lake`: its state is then the only one that anybody asks for.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from rwd_platform.core.canonical import sha256_of
from rwd_platform.store.layout import Layout, durable_folder


def state_of(versions: Mapping[str, int], form: str) -> str:
    """The name of the folder for one state of the lake. `form` says what the tables were made like."""
    return sha256_of({"versions": dict(versions), "form": form})[:32]


def prepared_tables(layout: Layout, state: str) -> dict[str, Path] | None:
    """Table -> its file, or None where this state is not prepared."""
    folder = layout.counting / state
    return {file.stem: file for file in sorted(folder.glob("*.parquet"))} if folder.is_dir() else None


def prepare_tables(layout: Layout, state: str, write: Callable[[Path, Path], None]) -> dict[str, Path]:
    """Let `write(folder, temporary)` make the files, put them in place, and remove those of other states."""
    durable_folder(layout.counting)
    with layout.scratch("counting") as scratch:
        folder, temporary = scratch / "tables", scratch / "spilled"
        folder.mkdir(mode=0o700)
        temporary.mkdir(mode=0o700)
        write(folder, temporary)
        try:
            folder.rename(layout.counting / state)
        except OSError:
            if not (layout.counting / state).is_dir():  # else another process was sooner
                raise
    forget_prepared(layout, keep=state)
    found = prepared_tables(layout, state)
    assert found is not None  # noqa: S101 - it was put in place above, and steady_lake holds it there
    return found


def forget_prepared(layout: Layout, keep: str = "") -> int:
    """Remove the tables of every state but one; returns how many states went. Each goes whole, as it came:
    where this is cut off, nobody counts with the tables that are left of a state.
    """
    others = [folder for folder in sorted(layout.counting.glob("*")) if folder.name != keep]
    for folder in others:
        with layout.scratch("counting") as scratch:
            gone = scratch / "tables"
            with contextlib.suppress(FileNotFoundError):  # another process was sooner
                folder.rename(gone)
                shutil.rmtree(gone)
    return len(others)
