"""Reading the log: who did what, when. What is shown comes out of the hashed body; columns only find it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import Session, col, select

from rwd_platform.audit.changes import ActChanges, Change, changes_of
from rwd_platform.log.entry import Entry, read_entry
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditEntry

__all__ = [
    "ActChanges",
    "Change",
    "LogFilter",
    "LogLine",
    "LogPage",
    "actions_in_log",
    "changes_of",
    "read_log",
]

PAGE_SIZE = 50
_AT_ONCE = 1000
EVERYTHING: sa.Select[Any] = sa.select(col(AuditEntry.sequence))  # for a reader who may see every entry
LARGEST_PAGE = 500


@dataclass(frozen=True)
class LogFilter:
    """What to show; an empty text means "any". Instants are UTC text as in the log, `until` exclusive.

    action          -- `study.frozen`, or `study.` for all that was done to studies
    organisation_id -- the organisation of the actor; a reader who may see only their own sets it
    below           -- only entries before this one, where it is not 0: the log as it was at that size
    page            -- from 1, the newest entries first
    """

    actor_id: str = ""
    action: str = ""
    object_type: str = ""
    object_id: str = ""
    outcome: str = ""
    organisation_id: str = ""
    since: str = ""
    until: str = ""
    below: int = 0
    page: int = 1
    page_size: int = PAGE_SIZE


@dataclass(frozen=True)
class LogLine:
    """One entry, decoded.

    body    -- the bytes as they are stored: what was hashed, if nobody changed them
    broken  -- the body is no entry, or another's; what is shown is what the columns beside it claim
    """

    sequence: int
    at: str
    actor_id: str
    actor_role: str
    organisation_id: str
    action: str
    object_type: str
    object_id: str
    object_version: str
    outcome: str
    reason: str
    purpose: str
    request_id: str
    old_hash: str
    new_hash: str
    has_detail: bool  # sealed beside the entry: what the doer said, or old and new values of what was changed
    decision: Mapping[str, Any] | None
    leaf_hash: str
    body: bytes = b""
    abroad: str = ""  # why whoever did it counted as being outside the country; "" where they did not
    broken: bool = False


@dataclass(frozen=True)
class LogPage:
    """A page of the log. `pages` is at least 1, so that an empty log has a first page."""

    lines: tuple[LogLine, ...]
    total: int
    page: int
    pages: int


def read_log(records: Records, wanted: LogFilter) -> LogPage:
    """The entries that match, newest first. A page beyond the last is the last."""
    return page_of(records, EVERYTHING, wanted)


def page_of(records: Records, visible: sa.Select[Any], wanted: LogFilter) -> LogPage:
    """A page of those that `visible`, a selection of sequences, lets a reader see."""
    size = min(max(wanted.page_size, 1), LARGEST_PAGE)
    chosen = narrowed(visible, wanted)
    with records.reading() as session:
        total = (
            session.connection().execute(sa.select(func.count()).select_from(chosen.subquery())).scalar_one()
        )
        pages = max(1, -(-total // size))
        page = min(max(wanted.page, 1), pages)
        newest = chosen.order_by(col(AuditEntry.sequence).desc()).offset((page - 1) * size).limit(size)
        rows = session.connection().execute(newest.with_only_columns(*_COLUMNS)).all()
    return LogPage(tuple(decode(row) for row in rows), total, page, pages)


def lines_of(
    records: Records, visible: sa.Select[Any], wanted: LogFilter, most: int
) -> Iterator[Sequence[LogLine]]:
    """The newest `most` that match, newest first, in batches; the filter's page does not matter.

    Each batch is a transaction of its own: whoever takes long to read them holds nothing up.
    """
    left, below = most, wanted.below
    while left > 0:
        chosen = narrowed(visible, replace(wanted, below=below)).order_by(col(AuditEntry.sequence).desc())
        with records.reading() as session:
            batch = chosen.limit(min(left, _AT_ONCE)).with_only_columns(*_COLUMNS)
            rows = session.connection().execute(batch).all()
        if rows:
            yield [decode(row) for row in rows]
        if not rows or rows[-1].sequence == 0:
            return
        left, below = left - len(rows), rows[-1].sequence


def find_line(records: Records, visible: sa.Select[Any], sequence: int) -> LogLine | None:
    """One entry, if it is there and among the visible."""
    with records.reading() as session:
        query = visible.where(col(AuditEntry.sequence) == sequence).with_only_columns(*_COLUMNS)
        row = session.connection().execute(query).first()
    return decode(row) if row is not None else None


def matching(session: Session, wanted: LogFilter) -> Iterator[Entry]:
    """Every entry that matches, oldest first, a batch at a time; the filter's page does not matter."""
    query = narrowed(sa.select(*_COLUMNS), wanted).order_by(col(AuditEntry.sequence))
    for row in session.connection().execute(query.execution_options(yield_per=1000)):
        yield Entry(row.sequence, bytes_of(row.body))


def is_matching(session: Session, wanted: LogFilter, sequence: int) -> bool:
    """Is this one of the entries that `matching` gives?"""
    query = narrowed(select(AuditEntry.sequence), wanted).where(AuditEntry.sequence == sequence)
    return session.exec(query).first() is not None


def actions_in_log(records: Records) -> tuple[str, ...]:
    """The actions that occur, sorted, for the filter's list."""
    with records.reading() as session:
        return tuple(sorted(session.exec(select(AuditEntry.action).distinct()).all()))


# Without a type: what somebody wrote behind the log may be text where bytes belong, and is shown all the same.
_COLUMNS: tuple[Any, ...] = (
    AuditEntry.sequence,
    sa.type_coerce(col(AuditEntry.body), sa.types.NullType()).label("body"),
    AuditEntry.at,
    AuditEntry.organisation_id,
    AuditEntry.actor_id,
    AuditEntry.action,
    AuditEntry.object_type,
    AuditEntry.object_id,
    AuditEntry.outcome,
)


def decode(row: Any) -> LogLine:
    """The entry as hashed; a column that somebody edited is not believed."""
    raw = bytes_of(row.body)
    try:
        line = _decoded(read_entry(raw), raw, row.sequence)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _claimed(row, raw)
    return line if line.sequence == row.sequence else _claimed(row, raw)


def bytes_of(body: Any) -> bytes:
    """A body as stored. An edit behind the platform may have left text, a number or nothing in its place."""
    return (
        bytes(body) if isinstance(body, bytes | memoryview) else str(body).encode("utf-8", "surrogateescape")
    )


def _decoded(body: Mapping[str, Any], raw: bytes, sequence: int) -> LogLine:
    decision = body.get("decision")
    return LogLine(
        sequence=int(body["seq"]),
        at=str(body["ts"]),
        actor_id=str(body["actor"]["id"]),
        actor_role=str(body["actor"]["role"]),
        organisation_id=str(body["tenant"]),
        action=str(body["action"]),
        object_type=str(body["object"]["type"]),
        object_id=str(body["object"]["id"]),
        object_version=str(body["object"]["version"]),
        outcome=str(body["outcome"]),
        reason=str(body["reason"]),
        purpose=str(body["purpose"]),
        request_id=str(body["request_id"]),
        old_hash=str(body["old_hash"]),
        new_hash=str(body["new_hash"]),
        has_detail=bool(body["detail_digest"]),
        decision=None if decision is None else dict(decision),
        leaf_hash=Entry(sequence, raw).leaf_hash.hex(),
        body=raw,
        abroad=str(body.get("abroad", "")),
    )


def _claimed(row: Any, raw: bytes) -> LogLine:
    """What the columns say of an entry whose body is none."""
    said = {
        name: str(getattr(row, name)) for name in ("at", "organisation_id", "actor_id", "action", "outcome")
    }
    nothing = dict.fromkeys(
        ("actor_role", "object_version", "reason", "purpose", "request_id", "old_hash", "new_hash"), ""
    )
    return LogLine(
        sequence=row.sequence,
        object_type=str(row.object_type),
        object_id=str(row.object_id),
        has_detail=False,
        decision=None,
        leaf_hash=Entry(row.sequence, raw).leaf_hash.hex(),
        body=raw,
        broken=True,
        **said,
        **nothing,
    )


def narrowed(query: Any, wanted: LogFilter) -> Any:
    """A selection of entries, narrowed to those that match: the same for counting and for reading."""
    equal = {
        AuditEntry.actor_id: wanted.actor_id,
        AuditEntry.object_type: wanted.object_type,
        AuditEntry.object_id: wanted.object_id,
        AuditEntry.outcome: wanted.outcome,
        AuditEntry.organisation_id: wanted.organisation_id,
    }
    for column, value in equal.items():
        if value:
            query = query.where(col(column) == value)
    if wanted.action.endswith("."):
        query = query.where(col(AuditEntry.action).startswith(wanted.action, autoescape=True))
    elif wanted.action:
        query = query.where(col(AuditEntry.action) == wanted.action)
    if wanted.since:
        query = query.where(col(AuditEntry.at) >= wanted.since)
    if wanted.until:
        query = query.where(col(AuditEntry.at) < wanted.until)
    if wanted.below:
        query = query.where(col(AuditEntry.sequence) < wanted.below)
    return query
