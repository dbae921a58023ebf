"""Remote inspections: who reads what until when, a new one, and ending one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.policy import access_policy
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import inspections
from rwd_platform.flows.people_problems import today
from rwd_platform.flows.platform import Platform
from rwd_platform.server import queries
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

GrantsInspections = Annotated[Visitor, Depends(Door("inspection.grant"))]
Short = Annotated[str, Form(max_length=200)]
Reason = Annotated[str, Form(max_length=5000)]


@router.get("/inspections")
def get_inspections(visitor: GrantsInspections, request: Request, platform: PlatformDep) -> Response:
    return _page(request, platform, visitor)


@router.post("/inspections")
def post_inspection(
    visitor: GrantsInspections,
    request: Request,
    platform: PlatformDep,
    user_id: Short = "",
    project_id: Short = "",
    since: Short = "",
    until: Short = "",
    document: Short = "",
    reason: Reason = "",
) -> Response:
    asked = inspections.Asked(user_id, project_id, since, until, document, reason)
    try:
        inspections.grant_inspection(platform, visitor.actor, asked)
    except PlatformError as error:
        return _page(request, platform, visitor, error, asked)
    return RedirectResponse("/inspections", status_code=303)


@router.post("/inspections/{inspection_id}/end")
def post_end(
    visitor: GrantsInspections,
    request: Request,
    platform: PlatformDep,
    inspection_id: str,
    reason: Reason = "",
) -> Response:
    try:
        inspections.end_inspection(platform, visitor.actor, inspection_id, reason)
    except PlatformError as error:
        if error.http == 404:
            raise
        return _page(request, platform, visitor, error)
    return RedirectResponse("/inspections", status_code=303)


def _page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    error: PlatformError | None = None,
    asked: inspections.Asked | None = None,
) -> Response:
    day = today(platform.clock)
    return render(
        request,
        "inspections.html",
        status=error.http if error else 200,
        error=error,
        asked=asked or inspections.Asked("", "", day, "", "", ""),
        found=inspections.inspections(platform, visitor.actor),
        inspectors=inspections.inspectors(platform, visitor.actor),
        studies=queries.studies(platform.records, visitor),
        names={id: queries.name_of(platform.records, id) for id in _who(platform, visitor)},
        most=access_policy().inspection_days,
    )


def _who(platform: Platform, visitor: Visitor) -> set[str]:
    found = inspections.inspections(platform, visitor.actor)
    return {id for one in found for id in (one.row.granted_by, one.row.ended_by) if id}
