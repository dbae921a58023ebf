"""Reading and writing the control plane. Every write that means something names its `audit`.

    records.write(study, audit=Act(actor, "study.frozen", Object("study", study.id)))

The rows and the log's entry land in one transaction. `touch` is for what is exempt: heartbeats,
progress, last-seen, session bookkeeping (EXEMPT lists the tables).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session, SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar

from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import Clock
from rwd_platform.core.errors import Problem
from rwd_platform.log.entry import Act, Entry
from rwd_platform.records import journal
from rwd_platform.records.database import hold_log_lock, writing
from rwd_platform.records.tables import AuditEntry, HalfLogin, Job, LoginAttempt, WebSession
from rwd_platform.signing.keys import KeyRing

Row = TypeVar("Row", bound=SQLModel)

_ENTRY = "rwd_entry"

EXEMPT: frozenset[type[SQLModel]] = frozenset({Job, WebSession, HalfLogin, LoginAttempt})

NOT_FOUND = Problem(
    code="records.not_found",
    zh="找不到 {kind} {id}，或您无权查看。",
    en="There is no {kind} {id}, or it is not yours to see.",
    next_zh="请核对编号，或从列表页进入。",
    next_en="Check the id, or come from the list page.",
    http=404,
)


class Records:
    """The control plane of one deployment."""

    def __init__(
        self, engine: Engine, *, log: str, keys: KeyRing, clock: Clock, profile: str = "sha256"
    ) -> None:
        self.engine = engine
        self.log = log
        self.book = journal.Book(log, keys, profile)  # profile: which trees the log has (log/hashes.py)
        self.keys = keys
        self.clock = clock
        self._writing = writing(engine)

    def check_log(self) -> None:
        """Raises `log.hash_fixed` when the log was begun with other trees than the setting says."""
        with self.engine.connect() as connection:
            self.book.check(connection)

    # -- reading -------------------------------------------------------------------------------

    def get(self, table: type[Row], id: Any) -> Row:
        """One row, or NOT_FOUND."""
        row = self.find(table, id)
        if row is None:
            raise NOT_FOUND.error(kind=table.__tablename__, id=id)
        return row

    def find(self, table: type[Row], id: Any) -> Row | None:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get(table, id)

    def all(self, query: SelectOfScalar[Row]) -> Sequence[Row]:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.exec(query).all()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only session for queries that `all` cannot say."""
        with Session(self.engine, expire_on_commit=False) as session:
            _refuse_rows(session, except_for=frozenset())
            yield session

    # -- writing -------------------------------------------------------------------------------

    def write(self, *rows: SQLModel, audit: Act) -> Entry:
        """Insert or update rows and append the entry, in one transaction.

        `old_hash` and `new_hash` of the entry are over all rows as they were and as they become.
        """
        with self.transaction(audit=audit) as session:
            for row in rows:
                session.merge(row)
        return entry_of(session)

    def record(self, audit: Act) -> Entry:
        """An act that changes no row but must be in the log: a read, a refusal, a download."""
        return self.append_many([audit])[0]

    def append_many(self, audits: Sequence[Act]) -> list[Entry]:
        """Group commit: acts that change no row, in one transaction. All of them are durable on return, or none is in
        the log."""
        with self._writing.begin() as connection:
            return journal.append(connection, [journal.Doing(act) for act in audits], self.book, self.clock())

    @contextmanager
    def transaction(self, *, audit: Act | Callable[[], Act]) -> Iterator[Session]:
        """A session whose commit carries the entry. Give a callable when the act names what is inside."""
        with Session(self._writing, expire_on_commit=False, autoflush=False) as session:
            hold_log_lock(session.connection())
            changes = _Changes(session)
            _refuse_statements(session)
            yield session
            session.flush()
            old, new = changes.hashes()
            act = audit() if callable(audit) else audit
            doing = journal.Doing(act, old, new)
            session.info[_ENTRY] = journal.append(session.connection(), [doing], self.book, self.clock())[0]
            session.commit()

    @contextmanager
    def touching(self) -> Iterator[Session]:
        """A write transaction without an entry, for the tables in EXEMPT only."""
        with Session(self._writing, expire_on_commit=False, autoflush=False) as session:
            _refuse_rows(session, except_for=EXEMPT)
            yield session
            session.commit()

    def touch(self, *rows: SQLModel) -> None:
        with self.touching() as session:
            for row in rows:
                session.merge(row)

    def log_entries(self, *, first: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        return self.all(
            select(AuditEntry)
            .where(AuditEntry.sequence >= first)
            .order_by(AuditEntry.sequence)  # type: ignore[arg-type]  # SQLModel types columns as values
            .limit(limit)
        )


def entry_of(session: Session) -> Entry:
    """The entry that the session's transaction left in the log; after the `with` block."""
    entry = session.info[_ENTRY]
    assert isinstance(entry, Entry)  # noqa: S101 - only `transaction` writes it
    return entry


class _Changes:
    """The rows of a transaction as they were and as they become, noted at every flush.

    A flush in between (a query that needs ids) must not hide what it wrote from the entry.
    """

    def __init__(self, session: Session) -> None:
        self._rows: dict[int, SQLModel] = {}
        self._before: dict[int, dict[str, Any]] = {}
        self._deleted: set[int] = set()
        event.listen(session, "before_flush", self._note)

    def _note(self, session: Session, _context: Any, _instances: Any) -> None:
        for row in [*session.new, *session.dirty, *session.deleted]:
            key = id(row)
            if key not in self._rows:
                self._rows[key] = row
                if row not in session.new:
                    was = dict(sa_inspect(row).committed_state)  # only the attributes that changed
                    self._before[key] = {**_plain(row), **_bytes_as_hex(was)}
            if row in session.deleted:
                self._deleted.add(key)

    def hashes(self) -> tuple[str, str]:
        """Over all rows before and after; empty text where there was nothing."""
        before = [[str(self._rows[key].__tablename__), was] for key, was in self._before.items()]
        after = [
            [str(row.__tablename__), _plain(row)]
            for key, row in self._rows.items()
            if key not in self._deleted
        ]
        return (_hash_of(before), _hash_of(after))


def _refuse_rows(session: Session, *, except_for: frozenset[type[SQLModel]]) -> None:
    """No row of another table leaves this session, whether flushed early or at the end."""

    def check(session: Session, _context: Any, _instances: Any) -> None:
        for row in [*session.new, *session.dirty, *session.deleted]:
            if type(row) not in except_for:
                raise TypeError(f"{type(row).__name__} is not exempt from the log")

    event.listen(session, "before_flush", check)
    _refuse_statements(session)


def _refuse_statements(session: Session) -> None:
    """INSERT, UPDATE and DELETE as statements leave no row to hash, so nobody gets to run one."""

    def check(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            raise TypeError("change rows, not tables: a statement would pass by the log")

    event.listen(session, "do_orm_execute", check)


def _plain(row: SQLModel) -> dict[str, Any]:
    """A row as JSON. Sealed columns stand as hex: they are no text in any encoding."""
    blobs = {name: value for name in type(row).model_fields if type(value := getattr(row, name)) is bytes}
    return {**row.model_dump(mode="json", exclude=set(blobs)), **_bytes_as_hex(blobs)}


def _bytes_as_hex(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if type(value) is bytes else value for name, value in values.items()}


def _hash_of(rows: list[list[Any]]) -> str:
    return sha256_of(sorted(rows, key=lambda row: (row[0], sha256_of(row[1])))) if rows else ""
