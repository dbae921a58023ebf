"""Quality: the newest scorecard, and a new check."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from rwd_platform.server import queries, scorecards, steps
from rwd_platform.server.api.models import REFUSALS, JobOut, QualityRunOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/quality", tags=["quality"], responses=REFUSALS)

ReadsQuality = Annotated[Visitor, Depends(Door("quality.read"))]
# Whoever locks data needs a fresh check; after each upload the check runs by itself.
ChecksQuality = Annotated[Visitor, Depends(Door("study.lock"))]


@router.get("", response_model=list[QualityRunOut])
def get_quality(visitor: ReadsQuality, platform: PlatformDep) -> list[QualityRunOut]:
    """The newest runs; a hospital sees its own scorecard alone."""
    seen = [scorecards.for_visitor(run, visitor) for run in queries.quality_runs(platform.records)]
    return [QualityRunOut.of(run) for run in seen]


@router.post("/runs", response_model=JobOut, status_code=202)
def post_quality(visitor: ChecksQuality, platform: PlatformDep) -> JobOut:
    """Queue a check of the whole lake."""
    return JobOut.of(steps.start_quality(platform, visitor))
