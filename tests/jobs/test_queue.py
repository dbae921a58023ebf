"""The queue: one worker at a time has a job, a dead one's job is taken over, and a key queues work once."""

from __future__ import annotations

import json

import pytest
from sqlmodel import select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.jobs.queue import LEASE_LOST, MOST_ATTEMPTS, claim, enqueue, finish, renew, report
from rwd_platform.log.entry import Actor
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditEntry, Job
from tests.conftest import StandingClock

CLERK = Actor("clerk", "hospital", "org-a")
LEASE = 60


def queued(records: Records, key: str = "admit/1") -> Job:
    return enqueue(records, CLERK, "admit", {"upload_id": key}, key)


def claimed(records: Records, worker: str = "w1") -> Job:
    job = claim(records, worker, LEASE)
    assert job is not None
    return job


def now(records: Records, job: Job) -> Job:
    return records.get(Job, job.id)


def lost(act: object) -> None:
    with pytest.raises(PlatformError) as raised:
        act()  # type: ignore[operator]
    assert raised.value.problem is LEASE_LOST


# -- queueing --------------------------------------------------------------------------------------


def test_an_empty_queue_has_nothing_to_claim(records: Records) -> None:
    assert claim(records, "w1", LEASE) is None


def test_the_same_key_queues_work_once(records: Records) -> None:
    """A page that is sent twice, or a flow that is tried again, does not do the work twice."""
    first, second = queued(records), queued(records)
    assert first.id == second.id
    assert len(records.all(select(Job))) == 1
    claimed(records)
    assert queued(records).id == first.id
    assert now(records, first).state == "running", "asking again does not disturb it"


def test_done_work_is_not_queued_again(records: Records) -> None:
    queued(records)
    finish(records, claimed(records), "w1")
    assert queued(records).state == "done"
    assert claim(records, "w1", LEASE) is None


def test_the_oldest_job_is_claimed_first(records: Records, clock: StandingClock) -> None:
    for key in ("first", "second"):
        queued(records, key)
        clock.advance(seconds=1)
    assert [claimed(records).key, claimed(records).key] == ["first", "second"]


def test_queueing_is_in_the_log_and_leases_are_not(records: Records) -> None:
    job = queued(records)
    claimed(records)
    report(records, job, "w1", LEASE, stage="validate", done=1, total=2)
    finish(records, job, "w1")
    assert [entry.action for entry in records.all(select(AuditEntry))] == ["job.queued"]


# -- leases ----------------------------------------------------------------------------------------


def test_two_workers_never_have_one_job(records: Records) -> None:
    queued(records)
    job = claimed(records, "w1")
    assert claim(records, "w2", LEASE) is None
    assert (now(records, job).worker, now(records, job).attempts) == ("w1", 1)


def test_a_dead_workers_job_is_taken_over_when_its_lease_has_run_out(
    records: Records, clock: StandingClock
) -> None:
    """Whoever stops renewing is taken for dead; until the last second of the lease nobody else may start."""
    queued(records)
    started = claimed(records, "dead").started_at
    clock.advance(seconds=LEASE)
    assert claim(records, "w2", LEASE) is None, "the lease ends after this moment, not at it"
    clock.advance(seconds=1)
    job = claimed(records, "w2")
    assert (job.worker, job.attempts, job.started_at) == ("w2", 2, started)


def test_progress_renews_the_lease(records: Records, clock: StandingClock) -> None:
    queued(records)
    job = claimed(records)
    clock.advance(seconds=LEASE - 1)
    report(records, job, "w1", LEASE, stage="validate", done=500, total=0)
    clock.advance(seconds=LEASE - 1)
    assert claim(records, "w2", LEASE) is None
    seen = now(records, job)
    assert (seen.stage, seen.done, seen.total) == ("validate", 500, 0)
    assert seen.lease_until > as_text(clock())


def test_a_worker_that_lost_its_lease_is_told_at_its_next_step(
    records: Records, clock: StandingClock
) -> None:
    """It was slow, not dead: it must neither report nor finish what another one has taken over."""
    queued(records)
    job = claimed(records, "slow")
    clock.advance(seconds=LEASE + 1)
    claimed(records, "w2")
    lost(lambda: report(records, job, "slow", LEASE, stage="store", done=1, total=1))
    lost(lambda: finish(records, job, "slow"))
    assert (now(records, job).worker, now(records, job).state) == ("w2", "running")
    finish(records, job, "w2")
    assert now(records, job).state == "done"


def test_a_late_worker_whose_job_nobody_took_may_still_finish(records: Records, clock: StandingClock) -> None:
    queued(records)
    job = claimed(records)
    clock.advance(seconds=LEASE * 10)
    finish(records, job, "w1")
    assert now(records, job).state == "done"


def test_a_finished_job_takes_no_more_reports(records: Records) -> None:
    queued(records)
    job = claimed(records)
    finish(records, job, "w1")
    lost(lambda: report(records, job, "w1", LEASE, stage="again", done=0, total=0))
    with pytest.raises(PlatformError) as raised:
        finish(records, job, "w1")
    assert raised.value.code == "lifecycle.not_allowed"


# -- failing and resuming --------------------------------------------------------------------------


def test_a_failed_job_keeps_its_reason_and_is_not_claimed(records: Records) -> None:
    queued(records)
    job = claimed(records)
    finish(records, job, "w1", LEASE_LOST.error(job="x"))
    failed = now(records, job)
    assert failed.state == "failed" and failed.lease_until == "" and failed.finished_at
    assert failed.problem is not None and set(failed.problem) == {"code", "zh", "en", "next_zh", "next_en"}
    assert claim(records, "w1", LEASE) is None


def test_a_failed_job_is_resumed_by_queueing_it_again(records: Records) -> None:
    """The same job goes on: same id, a clean sheet, and the log says that somebody resumed it."""
    queued(records)
    job = claimed(records)
    report(records, job, "w1", LEASE, stage="store", done=3, total=9)
    finish(records, job, "w1", LEASE_LOST.error(job="x"))
    resumed = queued(records)
    assert (resumed.id, resumed.state, resumed.problem) == (job.id, "queued", None)
    assert (resumed.stage, resumed.done, resumed.total, resumed.finished_at) == ("", 0, 0, "")
    assert claimed(records, "w2").attempts == 1
    last = records.all(select(AuditEntry))[-1]
    assert (last.action, json.loads(last.body)["actor"]["id"]) == ("job.resumed", "clerk")


def test_a_heartbeat_keeps_the_lease_of_a_step_without_progress(
    records: Records, clock: StandingClock
) -> None:
    """A long step has nothing to report; it renews its lease and leaves stage and counts as they are."""
    queued(records)
    job = claimed(records)
    report(records, job, "w1", LEASE, stage="store", done=3, total=9)
    for _ in range(3):
        clock.advance(seconds=LEASE - 1)
        renew(records, job, "w1", LEASE)
    assert claim(records, "w2", LEASE) is None
    seen = now(records, job)
    assert (seen.stage, seen.done, seen.total, seen.attempts) == ("store", 3, 9, 1)


def test_a_heartbeat_for_a_job_that_is_lost_or_done_says_so(records: Records, clock: StandingClock) -> None:
    queued(records)
    job = claimed(records, "slow")
    clock.advance(seconds=LEASE + 1)
    claimed(records, "w2")
    lost(lambda: renew(records, job, "slow", LEASE))
    finish(records, job, "w2")
    lost(lambda: renew(records, job, "w2", LEASE))


def test_a_job_that_kills_its_worker_is_given_up(records: Records, clock: StandingClock) -> None:
    """Five workers die of it; the sixth gets the next job instead, and people see why this one stopped."""
    deadly = queued(records, "deadly")
    for turn in range(MOST_ATTEMPTS):
        assert claimed(records, f"w{turn}").id == deadly.id
        clock.advance(seconds=LEASE + 1)
    other = queued(records, "other")
    assert claimed(records, "w6").id == other.id
    failed = now(records, deadly)
    assert (failed.state, failed.lease_until) == ("failed", "") and failed.finished_at
    assert failed.problem is not None and failed.problem["code"] == "jobs.gave_up"
    assert "5" in failed.problem["zh"] and "5" in failed.problem["en"]


def test_a_job_given_up_is_resumed_with_all_its_attempts(records: Records, clock: StandingClock) -> None:
    """Somebody mended the cause: one more dead worker does not end it at once."""
    queued(records)
    for _ in range(MOST_ATTEMPTS):
        claimed(records)
        clock.advance(seconds=LEASE + 1)
    assert claim(records, "w", LEASE) is None
    queued(records)
    claimed(records)
    clock.advance(seconds=LEASE + 1)
    assert claimed(records, "w2").attempts == 2
