"""Reading the log: who did what, when. What is shown comes out of the hashed body; columns only find it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from rwd_platform.audit.changes import ActChanges, Change, changes_of
from rwd_platform.log.entry import Entry
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
    """One entry, decoded."""

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


@dataclass(frozen=True)
class LogPage:
    """A page of the log. `pages` is at least 1, so that an empty log has a first page."""

    lines: tuple[LogLine, ...]
    total: int
    page: int
    pages: int


def read_log(records: Records, wanted: LogFilter) -> LogPage:
    """The entries that match, newest first. A page beyond the last is the last."""
    size = min(max(wanted.page_size, 1), LARGEST_PAGE)
    with records.reading() as session:
        total = session.exec(_where(select(func.count()).select_from(AuditEntry), wanted)).one()
        pages = max(1, -(-total // size))
        page = min(max(wanted.page, 1), pages)
        query = _where(select(AuditEntry), wanted).order_by(col(AuditEntry.sequence).desc())
        rows = session.exec(query.offset((page - 1) * size).limit(size)).all()
    return LogPage(tuple(decode(row) for row in rows), total, page, pages)


def matching(session: Session, wanted: LogFilter) -> Iterator[Entry]:
    """Every entry that matches, oldest first, a batch at a time; the filter's page does not matter."""
    query = _where(select(AuditEntry.sequence, AuditEntry.body), wanted).order_by(col(AuditEntry.sequence))
    for sequence, body in session.exec(query.execution_options(yield_per=1000)):
        yield Entry(sequence, body)


def is_matching(session: Session, wanted: LogFilter, sequence: int) -> bool:
    """Is this one of the entries that `matching` gives?"""
    query = _where(select(AuditEntry.sequence), wanted).where(AuditEntry.sequence == sequence)
    return session.exec(query).first() is not None


def actions_in_log(records: Records) -> tuple[str, ...]:
    """The actions that occur, sorted, for the filter's list."""
    with records.reading() as session:
        return tuple(sorted(session.exec(select(AuditEntry.action).distinct()).all()))


def decode(row: AuditEntry) -> LogLine:
    """The entry as hashed; a column that somebody edited is not believed."""
    body = json.loads(row.body)
    return LogLine(
        sequence=body["seq"],
        at=body["ts"],
        actor_id=body["actor"]["id"],
        actor_role=body["actor"]["role"],
        organisation_id=body["tenant"],
        action=body["action"],
        object_type=body["object"]["type"],
        object_id=body["object"]["id"],
        object_version=body["object"]["version"],
        outcome=body["outcome"],
        reason=body["reason"],
        purpose=body["purpose"],
        request_id=body["request_id"],
        old_hash=body["old_hash"],
        new_hash=body["new_hash"],
        has_detail=bool(body["detail_digest"]),
        decision=body.get("decision"),
        leaf_hash=Entry(row.sequence, row.body).leaf_hash.hex(),
    )


def _where(query: Any, wanted: LogFilter) -> Any:
    """The same conditions for counting and for reading."""
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
