"""Work on a study's packages as its pages tell of it: what goes on, and what failed last, each of its own purpose.

What failed for one purpose says nothing of another, nor of another order of the same: nothing is closed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rwd_platform.flows.dossier_inputs import Wanted
from rwd_platform.records.lifecycles import JobState
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Job
from rwd_platform.server import queries

KINDS = ("assemble", "check_dossier")
_ACTIVE = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Standing:
    """Jobs that go on, or that failed and nothing came after. `here`: of the purpose and the audience of the page."""

    here: tuple[Job, ...]
    elsewhere: tuple[Job, ...]


def standing(records: Records, study_id: str, wanted: Wanted) -> Standing:
    """Of the newest run alone: what failed on an earlier one is past."""
    runs = queries.runs(records, study_id)
    if not runs:
        return Standing((), ())
    found = [
        job
        for kind in KINDS
        for job in queries.jobs_with_key(records, f"study/{study_id}/{kind}/{runs[0].id}/")
    ]
    failed = _failed_last(found)
    told = [job for job in found if job.state in _ACTIVE or job.id in failed]
    shown = (wanted.purpose, wanted.audience)
    return Standing(
        tuple(job for job in told if _of(job) == shown), tuple(job for job in told if _of(job) != shown)
    )


def _failed_last(jobs: Sequence[Job]) -> set[str]:
    """Of each kind, purpose and audience the job that ended last, where it failed."""
    last: dict[tuple[str, ...], Job] = {}
    for job in sorted(jobs, key=lambda one: one.finished_at):
        if job.state not in _ACTIVE:
            last[(job.kind, *_of(job))] = job
    return {job.id for job in last.values() if job.state == JobState.FAILED}


def _of(job: Job) -> tuple[str, str]:
    return str(job.payload.get("purpose", "")), str(job.payload.get("audience", ""))
