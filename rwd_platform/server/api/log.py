"""The log: who did what, to what, why; and its signed head."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from rwd_platform.server import queries
from rwd_platform.server.api.models import REFUSALS, CheckpointOut, EntryOut, LogOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/log", tags=["log"], responses=REFUSALS)

ReadsLog = Annotated[Visitor, Depends(Door("log.read"))]
Asked = Annotated[str, Query(max_length=200)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]


@router.get("", response_model=LogOut)
def get_log(
    visitor: ReadsLog,
    platform: PlatformDep,
    action: Asked = "",
    object: Asked = "",
    actor: Asked = "",
    outcome: Asked = "",
    page: Page = 1,
) -> LogOut:
    """Entries, the newest first, 50 a page."""
    wanted = queries.LogFilter(action, object, actor, outcome)
    lines, total = queries.log_lines(platform.records, visitor, wanted, page=page)
    return LogOut(total=total, page=page, entries=[EntryOut.of(line) for line in lines])


@router.get("/checkpoint", response_model=CheckpointOut | None)
def get_checkpoint(_: ReadsLog, platform: PlatformDep) -> CheckpointOut | None:
    """The newest signed head, to hold the log to; null before the first."""
    newest = queries.newest_checkpoint(platform.records)
    return CheckpointOut.model_validate(newest) if newest else None
