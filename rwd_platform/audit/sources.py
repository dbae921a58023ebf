"""Where a verification reads a log from: a database, in one snapshot, or rows somebody handed over.

Entries, nodes and notes are read as they stand, by plain statements: what somebody wrote behind the log may
be of another type than ours, and is for the verification to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.entry import read_entry
from rwd_platform.log.hashes import PROFILES, SM3_SUFFIX
from rwd_platform.records.journal import NODE_TABLE
from rwd_platform.records.records import Records

BATCH = 1024  # entries in memory at a time
CHECKPOINT_TABLE: Mapping[str, str] = {"sha256": "audit_checkpoint", "sm3": "audit_checkpoint_sm3"}
COSIGNATURE_TABLE = "audit_cosignature"

# The searchable columns, and where the entry itself says the same.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sequence": ("seq",),
    "at": ("ts",),
    "organisation_id": ("tenant",),
    "actor_id": ("actor", "id"),
    "action": ("action",),
    "object_type": ("object", "type"),
    "object_id": ("object", "id"),
    "outcome": ("outcome",),
}


class Unreadable(Exception):
    """The database cannot be read any further: its file is damaged."""


class EntryRow(Protocol):
    """An entry as it is filed: its columns, and the body that was hashed."""

    sequence: int
    body: bytes


class Filed(NamedTuple):
    """A note, and the size that it is filed under."""

    size: int
    note: str


class LogSource(Protocol):
    """What a verification asks for."""

    @property
    def origin(self) -> str: ...

    def batches(self) -> Iterator[Sequence[Any]]: ...

    def nodes(self, level: int, first: int, last: int, tree: str = "sha256") -> Mapping[int, bytes]: ...

    def node_count(self, tree: str = "sha256") -> int: ...

    def checkpoints(self, tree: str = "sha256") -> Sequence[Any]: ...

    def cosigned_notes(self) -> Sequence[str]: ...


def profile_of(source: LogSource) -> str:
    """Which trees the log has: its first entry says so; one that cannot be read has the default."""
    try:
        first = next(iter(source.batches()), [])[0]
        found = read_entry(first.body).get("hash", "sha256")
    except (IndexError, ValueError, RecursionError, TypeError, AttributeError, Unreadable):
        return "sha256"
    return found if isinstance(found, str) and found in PROFILES else "sha256"


@dataclass(frozen=True)
class LogRows:
    """A log as rows, in the order given. `stored_nodes` maps (level, position) to the hash."""

    origin: str
    entries: Sequence[Any]
    stored_nodes: Mapping[tuple[int, int], bytes]
    stored_checkpoints: Sequence[Any] = field(default=())

    def batches(self) -> Iterator[Sequence[Any]]:
        for start in range(0, len(self.entries), BATCH):
            yield self.entries[start : start + BATCH]

    def nodes(self, level: int, first: int, last: int, tree: str = "sha256") -> Mapping[int, bytes]:
        wanted = ((position, self.stored_nodes.get((level, position))) for position in range(first, last + 1))
        return {position: hashed for position, hashed in wanted if hashed is not None}

    def node_count(self, tree: str = "sha256") -> int:
        return len(self.stored_nodes)

    def checkpoints(self, tree: str = "sha256") -> Sequence[Any]:
        return self.stored_checkpoints

    def cosigned_notes(self) -> Sequence[str]:
        return ()


@contextmanager
def snapshot(records: Records) -> Iterator[Session]:
    """A session that sees everything as it is at one moment."""
    with records.reading() as session:
        if records.engine.dialect.name == "postgresql":
            # SQLite's transactions are snapshots by themselves.
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


class RecordsSource:
    """A deployment's log, read in one snapshot so that appending goes on meanwhile."""

    def __init__(self, session: Session, origin: str) -> None:
        self._connection = session.connection()
        self.origin = origin
        self._tables = set(sa.inspect(self._connection).get_table_names())

    @staticmethod
    @contextmanager
    def open(records: Records) -> Iterator[RecordsSource]:
        with snapshot(records) as session:
            yield RecordsSource(session, records.log)

    def batches(self) -> Iterator[Sequence[Any]]:
        names = [_column(name) for name in ("body", *COLUMNS)]
        query = sa.select(*names).select_from(sa.table("audit_entry")).order_by(_column("sequence"))
        query = query.limit(BATCH)
        batch = self._all(query)
        while batch:
            yield batch
            last = batch[-1].sequence
            if not isinstance(last, int):
                return  # only numbers have a next; whatever stands here was told already
            batch = self._all(query.where(_column("sequence") > last))

    def nodes(self, level: int, first: int, last: int, tree: str = "sha256") -> Mapping[int, bytes]:
        if NODE_TABLE[tree] not in self._tables:
            return {}
        position = _column("position")
        query = sa.select(position, _column("hash")).select_from(sa.table(NODE_TABLE[tree]))
        rows = self._all(query.where(_column("level") == level, position.between(first, last)))
        return {row[0]: row[1] for row in rows}

    def node_count(self, tree: str = "sha256") -> int:
        if NODE_TABLE[tree] not in self._tables:
            return 0
        return int(self._all(sa.select(sa.func.count()).select_from(sa.table(NODE_TABLE[tree])))[0][0])

    def checkpoints(self, tree: str = "sha256") -> Sequence[Filed]:
        if CHECKPOINT_TABLE[tree] not in self._tables:
            return ()
        size = _column("size")
        query = sa.select(size, _column("note")).select_from(sa.table(CHECKPOINT_TABLE[tree])).order_by(size)
        return [Filed(row[0], row[1] if isinstance(row[1], str) else "") for row in self._all(query)]

    def cosigned_notes(self) -> Sequence[str]:
        if COSIGNATURE_TABLE not in self._tables:
            return ()
        order = [_column(name) for name in ("origin", "size", "witness")]
        query: sa.Select[Any] = (
            sa.select(_column("note")).select_from(sa.table(COSIGNATURE_TABLE)).order_by(*order)
        )
        return [row[0] if isinstance(row[0], str) else "" for row in self._all(query)]

    def _all(self, query: sa.Select[Any]) -> Sequence[Any]:
        try:
            return self._connection.execute(query).all()
        except DBAPIError as error:
            raise Unreadable from error


def _column(name: str) -> sa.ColumnClause[Any]:
    """By its name alone: what stands there is read as it is, of whatever type."""
    return sa.column(name)


def name_in_notes(source: LogSource) -> str:
    """What the stored notes call the log, where no entry can say it."""
    for filed in (*source.checkpoints("sha256"), *source.checkpoints("sm3")):
        try:
            return parse_checkpoint(filed.note).origin.removesuffix(SM3_SUFFIX)
        except ValueError:
            continue
    return ""
