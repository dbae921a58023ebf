"""The catalogue: tables of the store with their counts and completeness, and a new count."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from rwd_platform.flows.catalogue import CatalogueSeen, TableSeen, catalogue_seen, newest_count
from rwd_platform.flows.jobs import enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import Job
from rwd_platform.server.api.models import REFUSALS, JobOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/catalogue", tags=["catalogue"], responses=REFUSALS)

ReadsCatalogue = Annotated[Visitor, Depends(Door("quality.read"))]
# Counting reads no more than a researcher's count of a cohort does.
CountsTables = Annotated[Visitor, Depends(Door("cohort.count"))]


@router.get("")
def get_catalogue(visitor: ReadsCatalogue, platform: PlatformDep) -> dict[str, Any]:
    """Every table, as this visitor may see it: null stands for a number from 1 to below `minimum`."""
    from studies.cohorts.as_json import as_json

    return dict(as_json(catalogue_seen(platform, visitor.actor)))


@router.get("/{table}")
def get_table(visitor: ReadsCatalogue, platform: PlatformDep, table: str) -> dict[str, Any]:
    """One table: counts by hospital and month, completeness of each column."""
    from studies.cohorts.as_json import as_json

    return dict(as_json(table_of(catalogue_seen(platform, visitor.actor), table)))


@router.post("/counts", response_model=JobOut, status_code=202)
def post_count(visitor: CountsTables, platform: PlatformDep) -> JobOut:
    """Queue a count of the store as it is now."""
    return JobOut.of(start_count(platform, visitor))


def start_count(platform: Platform, visitor: Visitor) -> Job:
    newest = newest_count(platform)
    key = f"catalogue/{visitor.actor.organisation}/{newest.id if newest else 'first'}"
    return enqueue(platform, visitor.actor, "catalogue", {}, key=key)


def table_of(seen: CatalogueSeen, name: str) -> TableSeen:
    found = next((one for one in seen.tables if one.name == name), None)
    if found is None:
        raise NOT_FOUND.error(kind="table", id=name if len(name) <= 80 and name.isprintable() else "?")
    return found
