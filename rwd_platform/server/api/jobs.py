"""Jobs: how far long work has come."""

from __future__ import annotations

from fastapi import APIRouter

from rwd_platform.server import queries
from rwd_platform.server.api.models import REFUSALS, JobOut
from rwd_platform.server.deps import LoggedIn, PlatformDep

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=REFUSALS)


@router.get("/{job_id}", response_model=JobOut)
def get_job(visitor: LoggedIn, platform: PlatformDep, job_id: str) -> JobOut:
    """State, stage, counts, and the cause if it failed."""
    return JobOut.of(queries.job(platform.records, visitor, job_id))
