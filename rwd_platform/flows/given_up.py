"""An upload whose job was given up is no longer being admitted: it is on record as failed, with the reason.

The queue gives a job up when worker after worker died over it, and no flow of theirs lived to say so.
"""

from __future__ import annotations

from sqlmodel import col, select

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.lifecycles import UPLOAD, JobState, UploadState, check_transition
from rwd_platform.records.tables import Job, Upload


def fail_given_up(platform: Platform) -> int:
    """Put the uploads of given-up jobs on record as failed, so that they can be tried again; how many."""
    admitting = platform.records.all(select(Upload).where(Upload.state == UploadState.ADMITTING))
    if not admitting:
        return 0
    keys = [f"admit/{upload.id}" for upload in admitting]
    ended = select(Job).where(col(Job.key).in_(keys), Job.state == JobState.FAILED)
    jobs = {job.payload["upload_id"]: job for job in platform.records.all(ended)}
    return sum(_fail(platform, jobs[upload.id]) for upload in admitting if upload.id in jobs)


def _fail(platform: Platform, job: Job) -> bool:
    upload_id = job.payload["upload_id"]
    act = Act(
        platform.operator("worker"),
        "upload.admission_failed",
        Object("upload", upload_id),
        outcome="failed",
        reason=(job.problem or {}).get("code", ""),
    )
    with platform.records.transaction(audit=act) as session:
        # Asked again inside: somebody may have pressed resume meanwhile.
        upload, now = session.get_one(Upload, upload_id), session.get_one(Job, job.id)
        if upload.state != UploadState.ADMITTING or now.state != JobState.FAILED:
            return False
        upload.state = check_transition(
            UPLOAD, "upload", upload_id, UploadState(upload.state), UploadState.FAILED
        )
    return True
