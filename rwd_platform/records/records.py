"""Reading and writing the control plane. Every write that means something names its `audit`.

    records.write(study, audit=Act(actor, "study.frozen", Object("study", study.id)))

The rows and the log's entry land in one transaction. `touch` is for what is exempt: heartbeats,
progress, last-seen, session bookkeeping (EXEMPT lists the tables).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session, SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar

from rwd_platform.core.clock import Clock
from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.things import thing
from rwd_platform.log.entry import Act, Entry
from rwd_platform.records import journal
from rwd_platform.records.changes import Changes, note_changes
from rwd_platform.records.database import hold_log_lock, writing
from rwd_platform.records.tables import (
    AuditEntry,
    HalfLogin,
    Job,
    LoginAttempt,
    OidcAttempt,
    WebSession,
)
from rwd_platform.signing.keys import KeyRing

Row = TypeVar("Row", bound=SQLModel)

_ENTRY = "rwd_entry"

EXEMPT: frozenset[type[SQLModel]] = frozenset({Job, WebSession, HalfLogin, LoginAttempt, OidcAttempt})


@dataclass(frozen=True)
class _Absent(Problem):
    """Of a thing by the name of its kind, which is said in words; an id that is not repeated comes as "" or "?"."""

    def error(self, **details: Any) -> PlatformError:
        words, id = thing(str(details["kind"])), str(details["id"])
        which = "" if id in ("", "?") else f" {id}"
        return super().error(**details, thing_zh=words.zh, thing_en=words.en, which=which)


NOT_FOUND = _Absent(
    code="records.not_found",
    zh="找不到{thing_zh}{which}，或您无权查看。",
    en="There is no {thing_en}{which}, or it is not yours to see.",
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
            self.book.check(journal.Driver.of(connection))

    # -- reading -------------------------------------------------------------------------------

    def get(self, table: type[Row], id: Any) -> Row:
        """One row, or NOT_FOUND."""
        row = self.find(table, id)
        if row is None:
            raise NOT_FOUND.error(kind=table.__tablename__, id=id)
        return row

    def find(self, table: type[Row], id: Any) -> Row | None:
        if isinstance(id, str) and not is_storable(id):
            return None  # no row has such an id, and a database would answer with an error
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
        with journal.appending(self.engine) as driver:
            return journal.append(driver, [journal.Doing(act) for act in audits], self.book, self.clock())

    @contextmanager
    def transaction(self, *, audit: Act | Callable[[], Act]) -> Iterator[Session]:
        """A session whose commit carries the entry. Give a callable when the act names what is inside."""
        with _Acting(self._writing, expire_on_commit=False, autoflush=False) as session:
            hold_log_lock(session.connection())
            changes = Changes(session)
            yield session
            session.flush()
            act = audit() if callable(audit) else audit
            driver = journal.Driver.of(session.connection())
            doing = journal.Doing(act, *changes.hashes_and_kept(), changes.pinned())
            session.info[_ENTRY] = journal.append(driver, [doing], self.book, self.clock())[0]
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


def is_storable(text: str) -> bool:
    """Whether a text can be in a database at all: PostgreSQL has no NUL, and no encoding has a lone surrogate.

    Asked before a session looks up an id as it was typed; `get` and `find` ask it themselves.
    """
    return "\x00" not in text and text.encode("utf-8", "replace").decode() == text


def entry_of(session: Session) -> Entry:
    """The entry that the session's transaction left in the log; after the `with` block."""
    entry = session.info[_ENTRY]
    assert isinstance(entry, Entry)  # noqa: S101 - only `transaction` writes it
    return entry


class _Acting(Session):
    """The session of a transaction with an entry. Listeners of a class cost nothing a session."""


event.listen(_Acting, "before_flush", note_changes)


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
    event.listen(session, "do_orm_execute", _check_statement)


def _check_statement(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise TypeError("change rows, not tables: a statement would pass by the log")


event.listen(_Acting, "do_orm_execute", _check_statement)
