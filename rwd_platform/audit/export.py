"""The whole log as files, for somebody who will check it without the platform.

    log.jsonl           the entries' exact bytes, one a line, in order
    leaves.<hash>       for each tree the hash of every entry as it is stored, one a line in hex
    checkpoints.jsonl   every signed head (`kind` checkpoint) and every head that a witness cosigned (cosignature)
    verify_log.py       the verifier: one file, standard library only

No key is among them: whoever checks gets it from the operator. Nothing is verified on the way out - a log that
was tampered with is exported as it is, for the verifier to say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session

from rwd_platform.audit.sources import BATCH, CHECKPOINT_TABLE, COSIGNATURE_TABLE, RecordsSource, snapshot
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.hashes import TreeHash
from rwd_platform.records.journal import Driver
from rwd_platform.records.records import Records

VERIFIER = Path(__file__).parent / "templates" / "verify_log.py"

FOLDER_NOT_EMPTY = Problem(
    code="audit.export_not_empty",
    zh="导出目录 {name} 中已有文件。",
    en="There are files in the folder {name} already.",
    next_zh="请指定一个新目录或空目录，以免新旧文件混在一起。",
    next_en="Name a new or an empty folder, so that old and new files do not mix.",
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Exported:
    """What was written: how many entries, heads of the log, and cosigned heads."""

    entries: int
    checkpoints: int
    cosignatures: int


def export_log(records: Records, folder: Path) -> Exported:
    """Write the log into a folder, in one snapshot. Raises `audit.export_not_empty` for one that holds anything."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FOLDER_NOT_EMPTY.error(name=folder.name)
    with snapshot(records) as session:
        source = RecordsSource(session, records.log)
        entries = _write_entries(source, folder / "log.jsonl")
        for tree in records.book.trees:
            _write_leaves(source, tree, entries, folder / f"leaves.{tree.name}")
        notes = list(_notes(session, records.book.trees))
    lines = [canonical_json(note) + b"\n" for note in notes]
    (folder / "checkpoints.jsonl").write_bytes(b"".join(lines))
    (folder / VERIFIER.name).write_bytes(VERIFIER.read_bytes())
    cosigned = sum(note["kind"] == "cosignature" for note in notes)
    return Exported(entries, len(notes) - cosigned, cosigned)


def _write_entries(source: RecordsSource, path: Path) -> int:
    count = 0
    with path.open("xb") as lines:
        for batch in source.batches():
            lines.writelines(row.body + b"\n" for row in batch)
            count += len(batch)
    return count


def _write_leaves(source: RecordsSource, tree: TreeHash, count: int, path: Path) -> None:
    with path.open("x", encoding="ascii") as lines:
        for start in range(0, count, BATCH):
            end = min(start + BATCH, count)
            stored = source.nodes(0, start, end - 1, tree.name)
            lines.writelines(f"{stored.get(at, b'').hex() or '-'}\n" for at in range(start, end))


def _notes(session: Session, trees: tuple[TreeHash, ...]) -> Iterator[dict[str, Any]]:
    driver = Driver.of(session.connection())
    for tree in trees:
        query = f"SELECT size, note, at, why FROM {CHECKPOINT_TABLE[tree.name]} ORDER BY size"  # noqa: S608 - a table of ours by its name
        for size, note, at, why in driver.run(query):
            yield {"kind": "checkpoint", "size": size, "note": note, "at": at, "why": why}
    query = f"SELECT size, witness, note FROM {COSIGNATURE_TABLE} ORDER BY origin, size, witness"  # noqa: S608 - a table of ours by its name
    for size, witness, note in driver.run(query):
        yield {"kind": "cosignature", "size": size, "witness": witness, "note": note}
