"""A log in a SQLite file, ways of tampering with it behind its back, and both verifiers asked about it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rwd_platform.audit.export import export_log
from rwd_platform.audit.templates import verify_log as offline
from rwd_platform.audit.verify import verify_log
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import system_clock
from rwd_platform.flows.verify_log import existing_database
from rwd_platform.log.hashes import PROFILES
from rwd_platform.log.merkle import nodes_completed_by
from rwd_platform.records.records import Records
from rwd_platform.signing.keys import KeyRing
from tests.conftest import LOG

COLUMNS = "sequence, body, at, organisation_id, actor_id, action, object_type, object_id, outcome"
NODES = {"sha256": "audit_node", "sm3": "audit_node_sm3"}
Found = list[tuple[str, int | None]]


@dataclass(frozen=True)
class Said:
    """What both verifiers said alike: rules with the entries they name, and how far the log is vouched for."""

    found: Found
    size: int
    signed_size: int
    witnessed_size: int

    @property
    def rules(self) -> set[str]:
        return {rule for rule, _ in self.found}


def copied(records: Records, folder: Path) -> Path:
    """The database as a file that nobody has open: what a backup holds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "copy.db"
    with closing(sqlite3.connect(str(records.engine.url.database))) as live:
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(str(records.engine.url.database), path)
    return path


def change(path: Path, *statements: str, values: Sequence[object] = ()) -> None:
    """Behind the log: no platform, no audit, plain SQL."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement, values)


def body_of(path: Path, sequence: int) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        (body,) = connection.execute(
            "SELECT body FROM audit_entry WHERE sequence = ?", (sequence,)
        ).fetchone()
    return bytes(body)


def edited(body: bytes, **changes: object) -> bytes:
    return canonical_json(json.loads(body) | changes)


def rebuild_trees(path: Path, profile: str = "sha256") -> None:
    """What a careful forger does last: make the stored trees fit the entries."""
    with closing(sqlite3.connect(path)) as connection, connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM audit_entry ORDER BY sequence")]
        for tree in PROFILES[profile]:
            nodes: dict[tuple[int, int], bytes] = {}
            for index, body in enumerate(bodies):
                for level, position, hashed in nodes_completed_by(
                    index, tree.leaf(body), lambda *node, known=nodes: known[node], tree.digest
                ):
                    nodes[level, position] = hashed
            connection.execute(f"DELETE FROM {NODES[tree.name]}")
            rows = [(level, position, hashed) for (level, position), hashed in nodes.items()]
            connection.executemany(
                f"INSERT INTO {NODES[tree.name]} (level, position, hash) VALUES (?, ?, ?)", rows
            )


def by_platform(
    path: Path, key: bytes, notes: Sequence[str] = (), witnesses: Sequence[bytes] = ()
) -> tuple[Found, tuple[int, int, int]]:
    engine, _ = existing_database(f"sqlite:///{path}", ours=False)
    records = Records(engine, log=LOG, keys=KeyRing(b"k" * 32), clock=system_clock)
    answer = verify_log(records, public_key=key, notes=notes, witnesses=witnesses)
    engine.dispose()
    assert answer.ok is (not answer.findings)
    for one in answer.findings:
        assert one.zh and one.en and "{" not in one.zh + one.en
    return sorted_findings(answer.findings), (answer.size, answer.signed_size, answer.witnessed_size)


def by_file(
    path: Path, key: bytes, notes: Sequence[str] = (), witnesses: Sequence[bytes] = (), origin: str = LOG
) -> tuple[Found, tuple[int, int, int]]:
    answer = offline.check_log(path, offline.Keys(key, tuple(witnesses)), notes, origin)
    assert answer.ok is (not answer.findings)
    for one in answer.findings:
        assert one.zh and one.en and "{" not in one.zh + one.en
    return sorted_findings(answer.findings), (answer.size, answer.signed_size, answer.witnessed_size)


def sorted_findings(findings: Sequence[object]) -> Found:
    pairs = [(one.rule, one.sequence) for one in findings]  # type: ignore[attr-defined]  # findings of either verifier
    return sorted(pairs, key=lambda pair: (pair[0], -1 if pair[1] is None else pair[1]))


def ask_both(path: Path, key: bytes, notes: Sequence[str] = (), witnesses: Sequence[bytes] = ()) -> Said:
    """The platform and the file that stands alone say the same, word for rule and entry for entry."""
    ours, sizes = by_platform(path, key, notes, witnesses)
    theirs, their_sizes = by_file(path, key, notes, witnesses)
    assert theirs == ours
    assert their_sizes == sizes
    return Said(ours, *sizes)


def exported(path: Path, folder: Path, profile: str = "sha256") -> Path:
    """The export of a database, tampered with or not."""
    engine, _ = existing_database(f"sqlite:///{path}", ours=False)
    records = Records(engine, log=LOG, keys=KeyRing(b"k" * 32), clock=system_clock, profile=profile)
    export_log(records, folder)
    engine.dispose()
    return folder


Tamper = Callable[[Path], None]
