"""The log, for reading: who did what, when, to what, why, before and after."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from rwd_platform.server import queries
from rwd_platform.server.api.log import Asked, Page, ReadsLog
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/log")
def get_log(
    visitor: ReadsLog,
    request: Request,
    platform: PlatformDep,
    action: Asked = "",
    object: Asked = "",
    actor: Asked = "",
    outcome: Asked = "",
    page: Page = 1,
) -> Response:
    wanted = queries.LogFilter(action.strip(), object.strip(), actor.strip(), outcome.strip())
    lines, total = queries.log_lines(platform.records, visitor, wanted, page=page)
    return render(
        request,
        "log.html",
        lines=lines,
        total=total,
        size=queries.log_size(platform.records),
        wanted=wanted,
        actions=queries.log_actions(platform.records, visitor),
        checkpoint=queries.newest_checkpoint(platform.records),
        page=page,
        page_size=queries.LOG_PAGE,
        origin=platform.settings.log_origin,
    )
