"""The jobs of the platform: what each kind does, and the loop that does them."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import OperationalError

from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.given_up import fail_given_up
from rwd_platform.flows.leases import LeaseLostError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.jobs import queue
from rwd_platform.log.entry import Actor
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Job, User

Progress = Callable[[str, int, int], None]
Work = Callable[[Platform, Actor, Mapping[str, Any], Progress], None]

JOB_BROKE = Problem(
    code="jobs.broke",
    zh="任务 {job} 因程序错误（{kind}）停止，已完成的步骤不受影响。",
    en="Job {job} stopped on an error of the program ({kind}); what it had finished is kept.",
    next_zh="请把任务编号告诉平台技术支持；修复后可点击“继续”。",
    next_en="Give the job's id to support; when it is mended, press resume.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
_LOGGER = logging.getLogger("rwd.jobs")


def _admit(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.admit_upload import admit_upload
    from rwd_platform.flows.risk import refresh_lake_risk
    from rwd_platform.flows.segment_upload import segment_upload

    # A worker that died after the admission left the steps behind it to the next one.
    if not is_admitted(platform, payload["upload_id"]):
        admit_upload(platform, actor, payload["upload_id"], progress)
    segment_upload(platform, actor, payload["upload_id"], progress)
    progress("quality", 0, 0)
    _check(platform, actor)
    progress("risk", 0, 0)
    refresh_lake_risk(platform, actor, payload["upload_id"])
    _count_ahead(platform, progress)


def _count_ahead(platform: Platform, progress: Progress) -> None:
    """So that nobody who edits a cohort waits for it."""
    from rwd_platform.flows.cohort_tables import prepare_counting

    progress("counting", 0, 0)
    prepare_counting(platform)


def _check(platform: Platform, actor: Actor) -> None:
    """Check the lake, and open again the questions whose findings are still there."""
    from rwd_platform.flows.check_quality import check_quality
    from rwd_platform.flows.quality_questions import follow_up

    follow_up(platform, check_quality(platform, actor))


def _quality(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    progress("quality", 0, 0)
    _check(platform, actor)


def _lock(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.study import lock_data

    progress("lock", 0, 0)
    lock_data(platform, actor, payload["study_id"])


def _run(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.study import run_study

    progress("analyse", 0, 0)
    run_study(platform, actor, payload["study_id"])


def _assemble(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.evidence import assemble_evidence

    progress("assemble", 0, 0)
    assemble_evidence(
        platform,
        actor,
        payload["study_id"],
        payload["purpose"],
        payload["audience"],
        tier=payload.get("tier", ""),  # a job of before there were tiers has none
        certificate=payload.get("certificate", ""),
    )


def _check_dossier(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.dossier import check_dossier
    from rwd_platform.flows.dossier_inputs import Wanted

    progress("look", 0, 0)
    wanted = Wanted(*(payload[name] for name in ("purpose", "audience", "tier", "certificate")))
    check_dossier(platform, actor, payload["study_id"], wanted)


def _draw_rows(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.source_verification import draw_round

    progress("draw", 0, 0)
    draw_round(platform, actor, payload["study_id"], payload["known_until"])


def _risk(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.risk import report_on_lock

    progress("risk", 0, 0)
    report_on_lock(platform, actor, payload["lock_id"])


def _texts(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.free_text import prepare_texts

    progress("texts", 0, 0)
    prepare_texts(platform, actor, payload["study_id"], progress)


def _question(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.quality_question_rows import find_rows

    progress("rows", 0, 0)
    find_rows(platform, actor, payload["question_id"])


def _fitness(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.fitness import assess_study

    progress("fitness", 0, 0)
    assess_study(platform, actor, payload["study_id"])


def _catalogue(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.catalogue import count_tables

    count_tables(platform, actor, progress)


def _linkage(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.linkage import run_linkage

    run_linkage(platform, actor, payload["roles"], progress)


def _compact(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.compact import compact_store

    compact_store(platform, actor, payload["tables"], progress)
    _count_ahead(platform, progress)


def _verify_log(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.verify_whole_log import verify_as_job

    verify_as_job(platform, actor, progress)


def _erase(platform: Platform, actor: Actor, payload: Mapping[str, Any], progress: Progress) -> None:
    from rwd_platform.flows.erase_patient import erase

    erase(platform, actor, payload["request_id"], progress)
    progress("quality", 0, 0)  # the lake is another one now, and no lock is made of what nobody checked
    _check(platform, actor)
    _count_ahead(platform, progress)


# Each kind's work is imported when it is done: the web process queues jobs and must stay light.
KINDS: Mapping[str, Work] = {
    "admit": _admit,
    "quality": _quality,
    "lock": _lock,
    "run": _run,
    "assemble": _assemble,
    "check_dossier": _check_dossier,
    "draw_rows": _draw_rows,
    "risk": _risk,
    "compact": _compact,
    "texts": _texts,
    "erase": _erase,
    "question": _question,
    "fitness": _fitness,
    "catalogue": _catalogue,
    "linkage": _linkage,
    "verify_log": _verify_log,
}


def enqueue(platform: Platform, actor: Actor, kind: str, payload: Mapping[str, Any], key: str) -> Job:
    if kind not in KINDS:
        raise ValueError(f"no job of kind {kind}")
    return queue.enqueue(platform.records, actor, kind, payload, key)


def work_once(platform: Platform, worker: str) -> Job | None:
    """Claim and do one job. Returns it as it ended, or None when nothing waits."""
    lease = platform.settings.job_lease_seconds
    job = queue.claim(platform.records, worker, lease)
    fail_given_up(platform)
    if job is None:
        return None
    with _heartbeat(platform.records, job, worker, lease) as lost:

        def progress(stage: str, done: int, total: int) -> None:
            if lost.is_set():
                raise LeaseLostError(job.id)
            with _losing_the_lease_is_no_failure(job):
                queue.report(platform.records, job, worker, lease, stage=stage, done=done, total=total)

        try:
            problem = _outcome(platform, job, progress)
            with _losing_the_lease_is_no_failure(job):
                queue.finish(platform.records, job, worker, problem)
        except LeaseLostError:
            _LOGGER.info("job %s went to another worker", job.id)
    return platform.records.get(Job, job.id)


def _outcome(platform: Platform, job: Job, progress: Progress) -> PlatformError | None:
    try:
        KINDS[job.kind](platform, _actor_of(platform.records, job), job.payload, progress)
    except PlatformError as error:
        return error
    except LeaseLostError:
        raise
    except Exception as error:
        # An error's message may repeat a patient's value; its type and the lines it passed never do.
        passed = "".join(traceback.format_tb(error.__traceback__))
        _LOGGER.error("job %s broke: %s\n%s", job.id, type(error).__name__, passed)
        return JOB_BROKE.error(job=job.id, kind=type(error).__name__)
    return None


@contextmanager
def _losing_the_lease_is_no_failure(job: Job) -> Iterator[None]:
    try:
        yield
    except PlatformError as error:
        if error.problem is queue.LEASE_LOST:
            raise LeaseLostError(job.id) from error
        raise


@contextmanager
def _heartbeat(records: Records, job: Job, worker: str, lease: int) -> Iterator[threading.Event]:
    """Renew the lease while the work goes on, also through steps that report nothing. Yields `lost`."""
    done, lost = threading.Event(), threading.Event()

    def beat() -> None:
        while not done.wait(lease / 3):
            try:
                queue.renew(records, job, worker, lease)
            except PlatformError:
                lost.set()
                return
            except OperationalError:  # a busy database: the next beat comes before the lease ends
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()


def drain(platform: Platform, worker: str) -> list[Job]:
    """Do every job that waits."""
    jobs = []
    while (job := work_once(platform, worker)) is not None:
        jobs.append(job)
    return jobs


def _actor_of(records: Records, job: Job) -> Actor:
    """Who queued the job: their name stands in the log for what it does."""
    user = records.find(User, job.queued_by)
    return Actor(job.queued_by, user.role if user else "operator", job.organisation_id)
