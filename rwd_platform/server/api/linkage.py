"""Linkage of care, payment and product: the runs, one run, and a new one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import Field

from rwd_platform.flows.jobs import enqueue
from rwd_platform.flows.linkage import LinkageSeen, job_key, linkage_run, linkage_runs
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Job
from rwd_platform.server.api.models import REFUSALS, JobOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/linkage", tags=["linkage"], responses=REFUSALS)

ReadsLinkage = Annotated[Visitor, Depends(Door("linkage.read"))]
RunsLinkage = Annotated[Visitor, Depends(Door("linkage.count"))]

MOST_ROLES = 1000
Roles = Annotated[
    dict[Annotated[str, Field(max_length=80)], Annotated[str, Field(max_length=20)]],
    Body(embed=True, max_length=MOST_ROLES),
]


@router.get("")
def get_runs(visitor: ReadsLinkage, platform: PlatformDep) -> list[dict[str, Any]]:
    """The newest first. null stands for a number from 1 to below `minimum`."""
    return [_document(one) for one in linkage_runs(platform, visitor.actor)]


@router.get("/{run_id}")
def get_run(visitor: ReadsLinkage, platform: PlatformDep, run_id: str) -> dict[str, Any]:
    return _document(linkage_run(platform, visitor.actor, run_id))


@router.post("/runs", response_model=JobOut, status_code=202)
def post_run(visitor: RunsLinkage, platform: PlatformDep, roles: Roles) -> JobOut:
    """Queue a run of the store as it is now.

    `roles`: organisation id -> care, payment or product, where what it sent does not say it; {} for none.
    """
    return JobOut.of(start_run(platform, visitor, roles))


def start_run(platform: Platform, visitor: Visitor, roles: dict[str, str]) -> Job:
    """A second click on the same state of the store gives the same job."""
    key = job_key(platform, visitor.actor, roles)
    return enqueue(platform, visitor.actor, "linkage", {"roles": roles}, key=key)


def _document(seen: LinkageSeen) -> dict[str, Any]:
    return {"id": seen.id, "made_at": seen.made_at, "stale": seen.stale, **seen.report}
