"""Appending to the log inside the transaction of the change it records: no entry, no act."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, func
from sqlmodel import Session, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.entry import Act, Entry, make_entry, read_entry, sealed_digest
from rwd_platform.log.hashes import PROFILES, TreeHash
from rwd_platform.log.merkle import nodes_completed_by
from rwd_platform.records.database import hold_log_lock
from rwd_platform.records.tables import AuditEntry
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import NONCE_BYTES

CHANGES = "changes"  # what an act's sealed detail holds beside what the doer said: old -> new
NODE_TABLE: Mapping[str, str] = {"sha256": "audit_node", "sm3": "audit_node_sm3"}
_SALT_BYTES = 32

HASH_FIXED = Problem(
    code="log.hash_fixed",
    zh="日志使用的哈希算法（{found}）在第一条写入时已经确定，与设置 RWD_LOG_HASH={wanted} 不一致。",
    en="The log's hash was fixed by its first entry ({found}) and is not what RWD_LOG_HASH says ({wanted}).",
    next_zh="请将 RWD_LOG_HASH 改回 {found}；需要其他算法的，请新建部署并启用新日志。",
    next_en="Set RWD_LOG_HASH back to {found}; another hash takes a new deployment with a log of its own.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


class Book:
    """What a deployment's log is written with: its name, its trees, and the key that seals detail."""

    def __init__(self, log: str, keys: KeyRing, profile: str = "sha256") -> None:
        self.log = log
        self.keys = keys
        self.profile = profile
        self.trees: tuple[TreeHash, ...] = PROFILES[profile]
        self._is_known = False
        self._detail_key: bytes | None = None

    def check(self, connection: Connection) -> None:
        """Raises `log.hash_fixed` for a log that was begun with other trees. Asked once, then known."""
        if self._is_known:
            return
        first = _run(connection, "SELECT body FROM audit_entry WHERE sequence = ?", (0,)).fetchone()
        if first is None:
            return
        try:
            found = str(read_entry(bytes(first[0])).get("hash", "sha256"))
        except (ValueError, RecursionError):
            return  # what is no entry any more is a verification's to find
        if found != self.profile:
            raise HASH_FIXED.error(found=found, wanted=self.profile)
        self._is_known = True

    @property
    def detail_key(self) -> bytes:
        if self._detail_key is None:
            self._detail_key = self.keys.derive("audit-detail")
        return self._detail_key


@dataclass(frozen=True)
class Doing:
    """An act about to be written, with what is known of the rows: their hashes, and what changed in them."""

    act: Act
    old_hash: str = ""
    new_hash: str = ""
    changes: Sequence[Mapping[str, Any]] = ()


def log_size(session: Session) -> int:
    last = session.exec(select(func.max(AuditEntry.sequence))).one()
    return 0 if last is None else last + 1


def append(connection: Connection, doings: Sequence[Doing], book: Book, at: datetime) -> list[Entry]:
    """Write the entries, their tree nodes and their sealed details. The caller commits, or nothing happened."""
    hold_log_lock(connection)
    book.check(connection)
    last = _run(connection, "SELECT max(sequence) FROM audit_entry").fetchone()
    first = 0 if last is None or last[0] is None else int(last[0]) + 1
    entries: list[Entry] = []
    details: list[tuple[Any, ...]] = []
    for sequence, doing in enumerate(doings, start=first):
        detail, digest = _detail_of(doing), ""
        if detail:
            sealed = _sealed(sequence, detail, book)
            details.append(sealed[:-1])
            digest = sealed[-1]
        entries.append(
            make_entry(
                doing.act,
                log=book.log,
                sequence=sequence,
                at=at,
                old_hash=doing.old_hash,
                new_hash=doing.new_hash,
                detail_hash=digest,
                profile=book.profile,
            )
        )
    _insert_entries(connection, entries, doings, as_text(at))
    for tree in book.trees:
        _insert_nodes(connection, entries, tree)
    if details:
        _run_many(connection, "INSERT INTO audit_detail (sequence, salt, sealed) VALUES (?, ?, ?)", details)
    return entries


def _insert_entries(
    connection: Connection, entries: Sequence[Entry], doings: Sequence[Doing], at: str
) -> None:
    rows = [
        (
            entry.sequence,
            entry.body,
            at,
            doing.act.actor.organisation,
            doing.act.actor.id,
            doing.act.action,
            doing.act.object.type,
            doing.act.object.id,
            doing.act.outcome,
        )
        for entry, doing in zip(entries, doings, strict=True)
    ]
    statement = (
        "INSERT INTO audit_entry (sequence, body, at, organisation_id, actor_id, action, object_type, object_id,"
        " outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    _run_many(connection, statement, rows)


def _insert_nodes(connection: Connection, entries: Sequence[Entry], tree: TreeHash) -> None:
    table = NODE_TABLE[tree.name]
    made: dict[tuple[int, int], bytes] = {}
    read_stored = node_reader(connection, tree)

    def read(level: int, position: int) -> bytes:
        return made.get((level, position)) or read_stored(level, position)

    for entry in entries:
        for level, position, hashed in nodes_completed_by(
            entry.sequence, entry.leaf_of(tree), read, tree.digest
        ):
            made[level, position] = hashed
    rows = [(level, position, hashed) for (level, position), hashed in made.items()]
    _run_many(connection, f"INSERT INTO {table} (level, position, hash) VALUES (?, ?, ?)", rows)  # noqa: S608


def node_reader(connection: Connection, tree: TreeHash) -> Callable[[int, int], bytes]:
    """The stored nodes of one tree. Raises LookupError for a node that is not there."""
    statement = f"SELECT hash FROM {NODE_TABLE[tree.name]} WHERE level = ? AND position = ?"  # noqa: S608

    def read(level: int, position: int) -> bytes:
        row = _run(connection, statement, (level, position)).fetchone()
        if row is None:
            raise LookupError(f"node {level}/{position} of the {tree.name} tree is missing")
        return bytes(row[0])

    return read


def _detail_of(doing: Doing) -> dict[str, Any]:
    detail = dict(doing.act.detail or {})
    if doing.changes:
        if CHANGES in detail:
            raise ValueError(f"an act's detail has no field {CHANGES}: the rows' changes stand there")
        detail[CHANGES] = list(doing.changes)
    return detail


def _sealed(sequence: int, detail: Mapping[str, Any], book: Book) -> tuple[int, bytes, bytes, str]:
    """The row of the detail, and the digest that the entry carries."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(NONCE_BYTES)
    plain = canonical_json(dict(detail))
    sealed = nonce + book.keys.ciphers.seal(book.detail_key, nonce, plain, str(sequence).encode())
    return sequence, salt, sealed, sealed_digest(salt, plain)


def open_detail(book: Book, sequence: int, salt: bytes, sealed: bytes) -> tuple[bytes, str]:
    """What was sealed (canonical JSON), and its digest as the entry carries it. Raises InvalidTag for another's."""
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    plain = book.keys.ciphers.open(book.detail_key, nonce, ciphertext, str(sequence).encode())
    return plain, sealed_digest(salt, plain)


# -- statements -------------------------------------------------------------------------------------
# Plain statements: the log is written at every act, and an object per row costs more than the row.


@cache
def _of_dialect(statement: str, dialect: str) -> str:
    return statement if dialect == "sqlite" else statement.replace("?", "%s")


def _run(connection: Connection, statement: str, values: tuple[Any, ...] = ()) -> Any:
    return connection.exec_driver_sql(_of_dialect(statement, connection.dialect.name), values)


def _run_many(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(_of_dialect(statement, connection.dialect.name), rows)


def all_of(connection: Connection, statement: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
    """The rows of a plain statement with `?` for its values, on either database."""
    yield from _run(connection, statement, values)
