"""What the risk pages and the API read: reports and locks that the visitor may see, and starting a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from markupsafe import Markup, escape
from sqlmodel import col, select

from rwd_platform.access.permissions import can_see, visible_rows
from rwd_platform.access.roles import Role
from rwd_platform.flows.jobs import enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import readable_locks
from rwd_platform.records.records import NOT_FOUND, Records
from rwd_platform.records.tables import DataLockRecord, Job, RiskRun
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor

Owned = TypeVar("Owned", RiskRun, DataLockRecord)
_LIMIT = 200


@dataclass(frozen=True)
class LockState:
    """A lock, its newest report, and the job that is computing one."""

    lock: DataLockRecord
    run: RiskRun | None
    job: Job | None


def report(platform: Platform, visitor: Visitor, id: str) -> RiskRun:
    """One report, or NOT_FOUND: what the visitor may not read looks like what is not there."""
    run = _owned(platform.records, visitor, "risk.read", RiskRun, id)
    if not _readable(platform, visitor, [run]):
        raise NOT_FOUND.error(kind=RiskRun.__tablename__, id=id)
    return run


def lock_to_assess(platform: Platform, visitor: Visitor, id: str) -> DataLockRecord:
    return _owned(platform.records, visitor, "risk.run", DataLockRecord, id)


def _owned(records: Records, visitor: Visitor, action: str, table: type[Owned], id: str) -> Owned:
    """One thing, or NOT_FOUND: what is another's looks like what is not there."""
    row = records.find(table, id)
    if row is None or not can_see(records, visitor.actor, action, row):
        raise NOT_FOUND.error(kind=table.__tablename__, id=id if len(id) <= 80 and id.isprintable() else "?")
    return row


def reads_lake(visitor: Visitor) -> bool:
    """The study store's reports are about everybody's patients: they are the privacy officers' alone."""
    return visitor.actor.role == Role.PRIVACY


def _readable(platform: Platform, visitor: Visitor, found: Sequence[RiskRun]) -> list[RiskRun]:
    """A lock's report counts its people: it is read by whoever may read the lock, and by privacy officers."""
    if visitor.actor.role == Role.PRIVACY:
        return list(found)
    locks = platform.records.all(
        select(DataLockRecord).where(
            col(DataLockRecord.id).in_([run.of_id for run in found if run.of_kind == "lock"])
        )
    )
    readable = readable_locks(platform, visitor.actor, locks)
    return [run for run in found if run.of_kind == "lock" and run.of_id in readable]


def runs(platform: Platform, visitor: Visitor, *, of_kind: str = "") -> list[RiskRun]:
    """Those that the visitor may read, the newest first."""
    query = select(RiskRun).order_by(col(RiskRun.made_at).desc(), col(RiskRun.id).desc()).limit(_LIMIT)
    if of_kind:
        query = query.where(RiskRun.of_kind == of_kind)
    found = visible_rows(platform.records, visitor.actor, "risk.read", platform.records.all(query))
    return _readable(platform, visitor, found)


def locks(platform: Platform, visitor: Visitor) -> list[LockState]:
    """The locks whose risk the visitor may read, the newest first."""
    records = platform.records
    newest: dict[str, RiskRun] = {}
    for run in runs(platform, visitor, of_kind="lock"):
        newest.setdefault(run.of_id, run)
    jobs: dict[str, Job] = {}
    for job in queries.jobs_with_key(records, "risk/"):
        if job.state != "done":
            jobs.setdefault(str(job.payload.get("lock_id", "")), job)
    rows: Sequence[DataLockRecord] = records.all(
        select(DataLockRecord).order_by(col(DataLockRecord.made_at).desc()).limit(_LIMIT)
    )
    mine = visible_rows(records, visitor.actor, "risk.read", rows)
    if visitor.actor.role != Role.PRIVACY:
        readable = readable_locks(platform, visitor.actor, mine)
        mine = [lock for lock in mine if lock.id in readable]
    return [LockState(lock, newest.get(lock.id), jobs.get(lock.id)) for lock in mine]


def start(platform: Platform, visitor: Visitor, lock: DataLockRecord) -> Job:
    """Queue a report of the lock; a second click while it waits gives the same job."""
    made = len([run for run in runs(platform, visitor, of_kind="lock") if run.of_id == lock.id])
    return enqueue(platform, visitor.actor, "risk", {"lock_id": lock.id}, key=f"risk/{lock.id}/{made}")


def bars(rows: Sequence[tuple[str, float, str]], title: str) -> Markup:
    """Horizontal bars: label, length (0 or more), the text at the end. The table beside it has the numbers."""
    if not rows:
        return Markup()
    most = max(length for _, length, _ in rows) or 1.0
    body = ""
    for place, (label, length, text) in enumerate(rows):
        y, width = 4 + place * 30, 430 * length / most
        body += (
            f'<text class="label" x="0" y="{y + 17}">{escape(label)}</text>'
            f'<rect class="part-accepted" x="300" y="{y}" width="{width:.1f}" height="22"/>'
            f'<text class="label" x="{308 + width:.1f}" y="{y + 17}">{escape(text)}</text>'
        )
    return Markup(  # noqa: S704 - labels are escaped; the rest is numbers
        f'<svg class="drawing drawing-forest" viewBox="0 0 900 {8 + 30 * len(rows)}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )
