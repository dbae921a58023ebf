"""Where a verification reads a log from: a database, in one snapshot, or rows somebody handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import func
from sqlmodel import Session, col, select

from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry, AuditNode

BATCH = 1024  # entries in memory at a time


class LogSource(Protocol):
    """What a verification asks for."""

    @property
    def origin(self) -> str: ...

    def batches(self) -> Iterator[Sequence[AuditEntry]]: ...

    def nodes(self, level: int, first: int, last: int) -> Mapping[int, bytes]: ...

    def node_count(self) -> int: ...

    def checkpoints(self) -> Sequence[AuditCheckpoint]: ...


@dataclass(frozen=True)
class LogRows:
    """A log as rows, in the order given. `stored_nodes` maps (level, position) to the hash."""

    origin: str
    entries: Sequence[AuditEntry]
    stored_nodes: Mapping[tuple[int, int], bytes]
    stored_checkpoints: Sequence[AuditCheckpoint] = field(default=())

    def batches(self) -> Iterator[Sequence[AuditEntry]]:
        for start in range(0, len(self.entries), BATCH):
            yield self.entries[start : start + BATCH]

    def nodes(self, level: int, first: int, last: int) -> Mapping[int, bytes]:
        wanted = ((position, self.stored_nodes.get((level, position))) for position in range(first, last + 1))
        return {position: hashed for position, hashed in wanted if hashed is not None}

    def node_count(self) -> int:
        return len(self.stored_nodes)

    def checkpoints(self) -> Sequence[AuditCheckpoint]:
        return self.stored_checkpoints


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
        self._session = session
        self.origin = origin

    @staticmethod
    @contextmanager
    def open(records: Records) -> Iterator[RecordsSource]:
        with snapshot(records) as session:
            yield RecordsSource(session, records.log)

    def batches(self) -> Iterator[Sequence[AuditEntry]]:
        query = select(AuditEntry).order_by(col(AuditEntry.sequence)).limit(BATCH)
        batch = self._session.exec(query).all()
        while batch:
            yield batch
            self._session.expunge_all()
            batch = self._session.exec(query.where(AuditEntry.sequence > batch[-1].sequence)).all()

    def nodes(self, level: int, first: int, last: int) -> Mapping[int, bytes]:
        rows = self._session.exec(
            select(AuditNode.position, AuditNode.hash).where(
                AuditNode.level == level, col(AuditNode.position).between(first, last)
            )
        )
        return dict(rows.all())

    def node_count(self) -> int:
        return self._session.exec(select(func.count()).select_from(AuditNode)).one()

    def checkpoints(self) -> Sequence[AuditCheckpoint]:
        return self._session.exec(select(AuditCheckpoint).order_by(col(AuditCheckpoint.size))).all()
