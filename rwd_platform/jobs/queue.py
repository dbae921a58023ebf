"""A queue in the control plane's own database: the same code on SQLite and PostgreSQL.

A worker claims a job under a lease and renews it with every progress report. A worker that dies
stops renewing; when the lease has run out the job is claimed again, so a job's work must be
idempotent. Queueing is in the log; leases and progress are bookkeeping and exempt (Records.touch).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import or_
from sqlmodel import col, select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import JOB, JobState, check_transition
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Job

LEASE_LOST = Problem(
    code="jobs.lease_lost",
    zh="任务 {job} 已由另一个工作进程接手。",
    en="Job {job} has been taken over by another worker.",
    next_zh="无需处理：接手的进程会完成它。",
    next_en="Nothing to do: the worker that took over will finish it.",
    http=409,
)


def enqueue(records: Records, actor: Actor, kind: str, payload: Mapping[str, Any], key: str) -> Job:
    """Queue work once: the same key gives the job that is already there. A failed one is queued again."""
    for existing in records.all(select(Job).where(Job.key == key)):
        if existing.state != JobState.FAILED:
            return existing
        return _requeue(records, actor, existing)
    now = records.clock()
    job = Job(
        id=new_id("job", now),
        organisation_id=actor.organisation,
        kind=kind,
        key=key,
        payload=dict(payload),
        state=JobState.QUEUED,
        queued_at=as_text(now),
        queued_by=actor.id,
    )
    records.write(job, audit=Act(actor, "job.queued", Object("job", job.id), purpose=kind))
    return job


def _requeue(records: Records, actor: Actor, job: Job) -> Job:
    job.state = check_transition(JOB, "job", job.id, JobState(job.state), JobState.QUEUED)
    job.problem, job.stage, job.done, job.total, job.finished_at = None, "", 0, 0, ""
    records.write(job, audit=Act(actor, "job.resumed", Object("job", job.id), purpose=job.kind))
    return job


def claim(records: Records, worker: str, lease_seconds: int) -> Job | None:
    """The oldest job that waits or whose worker is gone, now leased to `worker`; None when there is none."""
    now = records.clock()
    waiting = (
        select(Job)
        .where(
            or_(
                col(Job.state) == JobState.QUEUED,
                (col(Job.state) == JobState.RUNNING) & (col(Job.lease_until) < as_text(now)),
            )
        )
        .order_by(col(Job.queued_at))
        .limit(1)
        .with_for_update(skip_locked=True)  # ignored by SQLite, whose write lock is already ours
    )
    with records.touching() as session:
        job = session.exec(waiting).first()
        if job is None:
            return None
        job.state = check_transition(JOB, "job", job.id, JobState(job.state), JobState.RUNNING)
        job.worker, job.attempts = worker, job.attempts + 1
        job.started_at = job.started_at or as_text(now)
        job.lease_until = as_text(now + timedelta(seconds=lease_seconds))
        session.add(job)
    return job


def report(
    records: Records, job: Job, worker: str, lease_seconds: int, *, stage: str, done: int, total: int
) -> None:
    """Progress, and with it a longer lease. Raises LEASE_LOST when another worker has the job."""
    with records.touching() as session:
        current = session.get_one(Job, job.id)
        if current.worker != worker or current.state != JobState.RUNNING:
            raise LEASE_LOST.error(job=job.id)
        current.stage, current.done, current.total = stage, done, total
        current.lease_until = as_text(records.clock() + timedelta(seconds=lease_seconds))
        session.add(current)


def finish(records: Records, job: Job, worker: str, problem: PlatformError | None = None) -> None:
    """Done, or failed with its reason. Raises LEASE_LOST when another worker has the job."""
    with records.touching() as session:
        current = session.get_one(Job, job.id)
        if current.worker != worker:
            raise LEASE_LOST.error(job=job.id)
        wanted = JobState.FAILED if problem else JobState.DONE
        current.state = check_transition(JOB, "job", job.id, JobState(current.state), wanted)
        current.problem = problem.as_dict() if problem else None
        current.finished_at, current.lease_until = as_text(records.clock()), ""
        session.add(current)
