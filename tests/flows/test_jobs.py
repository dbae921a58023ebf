"""What a worker does with a job: the work, the reason when it fails, and nothing of a record in a reason."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from rwd_platform import worker
from rwd_platform.flows import jobs
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.jobs import KINDS, Progress, drain, enqueue, work_once
from rwd_platform.flows.leases import LeaseLostError
from rwd_platform.flows.platform import Platform
from rwd_platform.jobs import queue
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, Job, Upload
from rwd_platform.server.texts import JOB_KINDS, JOB_STAGES
from tests.conftest import StandingClock
from tests.flows.sending import CLERK, RESEARCHER, actions, ndjson, patient, received

SECRET = "甲乙丙 13800138000"


def doing(monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    monkeypatch.setattr(jobs, "KINDS", {"quality": work})


def test_a_worker_admits_seals_by_patient_checks_quality_and_measures_risk(platform: Platform) -> None:
    upload_id = received(platform, {"a.ndjson": ndjson(patient())})
    (job,) = drain(platform, "w1")
    assert (job.state, job.stage, job.problem) == ("done", "counting", None)
    assert platform.records.get(Upload, upload_id).state == "admitted"
    told = actions(platform)
    steps = ["upload.admitted", "upload.file_segmented", "quality.checked", "risk.computed"]
    assert [one for one in told if one in steps] == steps
    assert work_once(platform, "w1") is None


def test_a_refusal_becomes_the_jobs_reason(platform: Platform) -> None:
    """Locking an unfrozen study is refused: the job fails with that error, not with a stack."""
    enqueue(platform, RESEARCHER, "lock", {"study_id": "study-none"}, key="lock/1")
    (job,) = drain(platform, "w1")
    assert job.state == "failed"
    assert job.problem is not None and job.problem["code"] in ("records.not_found", "access.not_allowed")


def test_an_error_of_the_program_names_its_kind_and_no_value(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception's message may hold a patient's name: neither the record nor the log repeats it."""

    def breaks(_platform: Platform, _actor: Actor, _payload: Mapping[str, Any], _progress: Progress) -> None:
        raise ValueError(f"cannot read {SECRET}")

    doing(monkeypatch, breaks)
    enqueue(platform, CLERK, "quality", {}, key="q")
    with caplog.at_level(logging.DEBUG):
        (job,) = drain(platform, "w1")
    assert job.problem is not None and job.problem["code"] == "jobs.broke"
    assert "ValueError" in job.problem["en"] and job.id in job.problem["zh"]
    assert "breaks" in caplog.text, "where it broke is logged"
    assert not any(part in caplog.text + str(job.problem) for part in SECRET.split())


def test_a_worker_that_was_taken_over_stops_and_leaves_the_job_to_the_other(
    platform: Platform, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_platform: Platform, _actor: Actor, _payload: Mapping[str, Any], progress: Progress) -> None:
        clock.advance(seconds=platform.settings.job_lease_seconds + 1)
        assert queue.claim(platform.records, "other", 60) is not None
        progress("late", 1, 1)
        raise AssertionError("the work went on without a lease")

    doing(monkeypatch, slow)
    enqueue(platform, CLERK, "quality", {}, key="q")
    job = work_once(platform, "slow")
    assert job is not None
    assert (job.state, job.worker, job.problem) == ("running", "other", None)


def test_a_worker_that_lost_its_job_at_the_very_end_does_not_die(
    platform: Platform, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No progress was due any more: the loss shows only when the job is to be finished."""

    def slow(_platform: Platform, _actor: Actor, _payload: Mapping[str, Any], _progress: Progress) -> None:
        clock.advance(seconds=platform.settings.job_lease_seconds + 1)
        assert queue.claim(platform.records, "other", 60) is not None

    doing(monkeypatch, slow)
    enqueue(platform, CLERK, "quality", {}, key="q")
    job = work_once(platform, "slow")
    assert job is not None
    assert (job.state, job.worker) == ("running", "other")


def test_a_busy_database_does_not_end_the_worker(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process may hold the database longer than the worker waits; the next second it is asked again."""
    enqueue(platform, RESEARCHER, "lock", {"study_id": "study-none"}, key="lock/1")
    claim, times = queue.claim, iter((True,))

    def busy_once(*given: Any) -> Job | None:
        if next(times, False):
            raise OperationalError("UPDATE job", {"payload": SECRET}, sqlite3.OperationalError("locked"))
        return claim(*given)

    monkeypatch.setattr(queue, "claim", busy_once)
    assert not worker._worked(platform, "w1")
    assert worker._worked(platform, "w1")
    assert "asking again" in caplog.text and SECRET not in caplog.text


def test_a_job_of_an_unknown_kind_is_refused_at_the_door(platform: Platform) -> None:
    with pytest.raises(ValueError, match="no job of kind"):
        enqueue(platform, CLERK, "nonsense", {}, key="x")


def test_every_kind_of_the_web_pages_exists() -> None:
    assert set(KINDS) == set(JOB_KINDS) == set(JOB_STAGES)


def test_the_log_names_who_queued_the_job_and_not_the_worker(platform: Platform) -> None:
    received(platform, {"a.ndjson": ndjson(patient())})
    (job,) = drain(platform, "w1")
    assert platform.records.get(Job, job.id).queued_by == CLERK.id
    entries = platform.records.log_entries(first=len(actions(platform)) - 1)
    assert entries[-1].actor_id == CLERK.id


def test_an_upload_whose_job_was_given_up_shows_failed_with_its_reason(
    platform: Platform, clock: StandingClock
) -> None:
    """Worker after worker died over it: nobody lived to say so, and "admitting" for ever would be a lie."""
    upload_id = received(platform, {"a.ndjson": ndjson(patient())})

    def gone(_stage: str, _done: int, _total: int) -> None:
        raise LeaseLostError  # the admission has begun, and this worker ends with nothing said

    with pytest.raises(LeaseLostError):
        admit_upload(platform, CLERK, upload_id, gone)
    for attempt in range(queue.MOST_ATTEMPTS):
        assert queue.claim(platform.records, f"w{attempt}", 60) is not None
        clock.advance(seconds=61)
    assert platform.records.get(Upload, upload_id).state == "admitting"
    assert work_once(platform, "w") is None
    assert platform.records.get(Upload, upload_id).state == "failed"
    (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "upload.admission_failed"))
    assert json.loads(entry.body)["reason"] == "jobs.gave_up"
    assert work_once(platform, "w") is None, "and it is said once"
    assert actions(platform).count("upload.admission_failed") == 1
    admit_upload(platform, CLERK, upload_id)
    assert platform.records.get(Upload, upload_id).state == "admitted", "and it can be tried again"
