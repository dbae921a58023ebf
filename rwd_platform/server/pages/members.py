"""The members of a study: for whoever registered it, and for a security administrator, who sees its id alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import members
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import ProjectGrant
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

ManagesMembers = Annotated[Visitor, Depends(Door("member.manage"))]
Short = Annotated[str, Form(max_length=200)]
Reason = Annotated[str, Form(max_length=5000)]


@router.get("/people/members")
def get_projects(visitor: ManagesMembers, request: Request, platform: PlatformDep) -> Response:
    return render(request, "projects.html", projects=members.projects(platform, visitor.actor))


@router.get("/studies/{study_id}/members")
def get_members(visitor: ManagesMembers, request: Request, platform: PlatformDep, study_id: str) -> Response:
    return _page(request, platform, visitor, study_id)


@router.post("/studies/{study_id}/members")
def post_member(
    visitor: ManagesMembers,
    request: Request,
    platform: PlatformDep,
    study_id: str,
    user_id: Short = "",
    since: Short = "",
    until: Short = "",
    reason: Reason = "",
) -> Response:
    try:
        members.name_member(platform, visitor.actor, study_id, user_id, since, until, reason)
    except PlatformError as error:
        return _page(request, platform, visitor, study_id, error)
    return RedirectResponse(f"/studies/{study_id}/members", status_code=303)


@router.post("/studies/{study_id}/members/{grant_id}/remove")
def post_remove(
    visitor: ManagesMembers,
    request: Request,
    platform: PlatformDep,
    study_id: str,
    grant_id: str,
    reason: Reason = "",
) -> Response:
    found = members.membership(platform, visitor.actor, study_id)
    try:
        members.remove_member(platform, visitor.actor, grant_id, reason)
    except PlatformError as error:
        if error.http == 404:
            raise
        return _page(request, platform, visitor, study_id, error)
    mine = platform.records.get(ProjectGrant, grant_id).user_id == visitor.user.id
    return RedirectResponse("/studies" if mine else f"/studies/{found.study.id}/members", status_code=303)


def _page(
    request: Request, platform: Platform, visitor: Visitor, study_id: str, error: PlatformError | None = None
) -> Response:
    return render(
        request,
        "members.html",
        status=error.http if error else 200,
        error=error,
        found=members.membership(platform, visitor.actor, study_id),
        titled=visitor.may("study.read"),
    )
