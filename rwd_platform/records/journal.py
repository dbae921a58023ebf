"""Appending to the log inside the transaction of the change it records: no entry, no act."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NoReturn

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.entry import Act, Entry, make_entry, read_entry, sealed_digest
from rwd_platform.log.hashes import PROFILES, TreeHash
from rwd_platform.records.database import hold_log_lock, writing
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
CANNOT_APPEND = Problem(
    code="audit.cannot_append",
    zh="日志现在无法续写：它存储的条目与哈希树不相接，可能被删去了条目。没有记录的操作不能进行。",
    en="The log cannot be appended to: its stored entries and its tree do not meet, so entries may have been deleted."
    " What cannot be put on record is not done.",
    next_zh="请停止写入并保全数据库，由平台运维人员在服务器上运行 `rwd audit verify`（只读，不写日志）。",
    next_en="Stop writing, keep the database as it is, and let the operator run `rwd audit verify` on the server: it"
    " reads and writes nothing.",
    http=503,
    exit=Exit.REFUSED,
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

    def check(self, driver: Driver) -> None:
        """Raises `log.hash_fixed` for a log that was begun with other trees. Asked once, then known."""
        if self._is_known:
            return
        first = driver.run("SELECT body FROM audit_entry WHERE sequence = ?", (0,)).fetchone()
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
    rows: Mapping[str, str] = field(default_factory=dict)


def append(driver: Driver, doings: Sequence[Doing], book: Book, at: datetime) -> list[Entry]:
    """Write the entries, their tree nodes and their sealed details. The caller commits, or nothing happened.

    The caller holds the log's lock, from before it took the instant. Raises CANNOT_APPEND for a log that was damaged.
    """
    book.check(driver)
    last = driver.run("SELECT max(sequence) FROM audit_entry").fetchone()
    first = 0 if last is None or last[0] is None else int(last[0]) + 1
    instant = as_text(at)
    entries: list[Entry] = []
    details: list[tuple[Any, ...]] = []
    for sequence, doing in enumerate(doings, start=first):
        digest = ""
        if doing.act.detail or doing.changes:
            *row, digest = _sealed(sequence, _detail_of(doing), book)
            details.append(tuple(row))
        entries.append(
            make_entry(
                doing.act,
                log=book.log,
                sequence=sequence,
                at=instant,
                old_hash=doing.old_hash,
                new_hash=doing.new_hash,
                detail_hash=digest,
                profile=book.profile,
                rows=doing.rows,
            )
        )
    try:
        _insert_entries(driver, entries, doings, instant)
        for tree in book.trees:
            _insert_nodes(driver, entries, tree)
    except (IntegrityError, LookupError, TypeError) as error:
        # The entry's place is taken, or a node that it needs is gone or is no hash any more.
        raise CANNOT_APPEND.error() from error
    driver.run_many("INSERT INTO audit_detail (sequence, salt, sealed) VALUES (?, ?, ?)", details)
    return entries


def _insert_entries(driver: Driver, entries: Sequence[Entry], doings: Sequence[Doing], at: str) -> None:
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
    driver.run_many(statement, rows)


def _insert_nodes(driver: Driver, entries: Sequence[Entry], tree: TreeHash) -> None:
    """Every node that the entries complete. Of the nodes made before, those at the right edge are read once."""
    table, digest = NODE_TABLE[tree.name], tree.digest
    read_stored = _node_reader(driver, tree)
    made: dict[tuple[int, int], bytes] = {}
    for entry in entries:
        level, position, hashed = 0, entry.sequence, digest(b"\x00" + entry.body)
        made[0, position] = hashed
        while position & 1:
            left = made.get((level, position - 1)) or read_stored(level, position - 1)
            level, position, hashed = level + 1, position >> 1, digest(b"\x01" + left + hashed)
            made[level, position] = hashed
    rows = [(level, position, hashed) for (level, position), hashed in made.items()]
    driver.run_many(f"INSERT INTO {table} (level, position, hash) VALUES (?, ?, ?)", rows)  # noqa: S608 - a table of ours by its name


def node_reader(connection: Connection, tree: TreeHash) -> Callable[[int, int], bytes]:
    """The stored nodes of one tree. Raises LookupError for a node that is not there."""
    return _node_reader(Driver.of(connection), tree)


def _node_reader(driver: Driver, tree: TreeHash) -> Callable[[int, int], bytes]:
    statement = f"SELECT hash FROM {NODE_TABLE[tree.name]} WHERE level = ? AND position = ?"  # noqa: S608 - a table of ours by its name

    def read(level: int, position: int) -> bytes:
        row = driver.run(statement, (level, position)).fetchone()
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


@cache
def _of_dialect(statement: str, dialect: str) -> str:
    return statement if dialect == "sqlite" else statement.replace("?", "%s")


class Driver:
    """A driver's own connection, in a transaction: the log is written at every act, so its statements are plain.

    Statements have `?` for their values, on either database. A driver's error comes as SQLAlchemy names it, without
    the values: they are not for a traceback.
    """

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self._connection, self._dialect = connection, dialect

    @staticmethod
    def of(connection: Connection) -> Driver:
        """In the transaction that the connection is in."""
        return Driver(connection.connection, connection.dialect)

    def run(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """A cursor on the rows."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(_of_dialect(statement, self._dialect.name), values)
        except Exception as error:
            self._raise_named(error)
        return cursor

    def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            try:
                self._connection.cursor().executemany(_of_dialect(statement, self._dialect.name), rows)
            except Exception as error:
                self._raise_named(error)

    def _raise_named(self, error: Exception) -> NoReturn:
        errors: Any = self._dialect.dbapi
        if isinstance(error, errors.Error):
            raise DBAPIError.instance("the log", None, error, errors.Error, dialect=self._dialect) from error
        raise error


@contextmanager
def appending(engine: Engine) -> Iterator[Driver]:
    """A transaction that appends and does nothing else, with the log's lock; on disk when it is left.

    On SQLite without SQLAlchemy in between, which costs as much as the commit does.
    """
    if engine.dialect.name != "sqlite":
        with writing(engine).begin() as connection:
            hold_log_lock(connection)
            yield Driver.of(connection)
        return
    pooled = engine.raw_connection()
    driver = Driver(pooled, engine.dialect)
    try:
        driver.run("BEGIN IMMEDIATE")
        yield driver
        driver.run("COMMIT")
    except BaseException:
        pooled.rollback()
        raise
    finally:
        pooled.close()
