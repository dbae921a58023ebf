"""A queue in the control plane's own database: the same code on SQLite and PostgreSQL.

A worker claims a job under a lease and renews it with every progress report, or by `renew` while a
step has nothing to report. A worker that dies stops renewing; when the lease has run out the job is
claimed again, so a job's work must be idempotent. A job that MOST_ATTEMPTS workers did not survive
is given up. Queueing is in the log; leases and progress are bookkeeping and exempt (Records.touch).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import or_
from sqlmodel import Session, col, select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, PlatformError, Problem
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
GAVE_UP = Problem(
    code="jobs.gave_up",
    zh="任务 {job} 已开始 {attempts} 次，每次都没有做完工作进程就停止了；不再自动重试。",
    en="Job {job} was started {attempts} times and its worker stopped each time; it is not tried again by itself.",
    next_zh="请平台运维人员查看工作进程的日志与内存、磁盘；排除原因后可点击“继续”。",
    next_en="Let the operator look at the worker's log, memory and disk; when the cause is mended, press resume.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
MOST_ATTEMPTS = 5


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
    job.attempts = 0  # whoever resumes it has mended the cause
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
        while (job := session.exec(waiting).first()) is not None and job.attempts >= MOST_ATTEMPTS:
            _give_up(job, as_text(now))
            session.flush()
        if job is None:
            return None
        job.state = check_transition(JOB, "job", job.id, JobState(job.state), JobState.RUNNING)
        job.worker, job.attempts = worker, job.attempts + 1
        job.started_at = job.started_at or as_text(now)
        job.lease_until = as_text(now + timedelta(seconds=lease_seconds))
        session.add(job)
    return job


def _give_up(job: Job, at: str) -> None:
    job.state = check_transition(JOB, "job", job.id, JobState(job.state), JobState.FAILED)
    job.problem = GAVE_UP.error(job=job.id, attempts=job.attempts).as_dict()
    job.finished_at, job.lease_until = at, ""


def renew(records: Records, job: Job, worker: str, lease_seconds: int) -> None:
    """A longer lease, for a heartbeat. Raises LEASE_LOST when another worker has the job, or it has ended."""
    with records.touching() as session:
        _lease(session, records, job, worker, lease_seconds)


def _lease(session: Session, records: Records, job: Job, worker: str, lease_seconds: int) -> Job:
    """The job as it is now, with a longer lease."""
    current = session.get_one(Job, job.id)
    if current.worker != worker or current.state != JobState.RUNNING:
        raise LEASE_LOST.error(job=job.id)
    current.lease_until = as_text(records.clock() + timedelta(seconds=lease_seconds))
    return current


def report(
    records: Records, job: Job, worker: str, lease_seconds: int, *, stage: str, done: int, total: int
) -> None:
    """Progress, and with it a longer lease. Raises LEASE_LOST when another worker has the job."""
    with records.touching() as session:
        current = _lease(session, records, job, worker, lease_seconds)
        current.stage, current.done, current.total = stage, done, total


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
