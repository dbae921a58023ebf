"""Break-glass requests: the list, the form to ask, one request with its votes, and the identity shown once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import break_glass
from rwd_platform.flows.vault import Identity
from rwd_platform.records.lifecycles import BreakGlassState
from rwd_platform.records.tables import Organisation
from rwd_platform.server import queries
from rwd_platform.server.api.break_glass import Approves, AsksWho, OpensIdentity, ReadsRequests
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

Typed = Annotated[str, Form(max_length=5000)]
_MINUTES_OFFERED = 60


@router.get("/break-glass")
def get_requests(visitor: ReadsRequests, request: Request, platform: PlatformDep) -> Response:
    requests = break_glass.requests_seen(platform, visitor.actor)
    return render(
        request,
        "break_glass.html",
        requests=requests,
        names={
            id: queries.person_of(platform.records, id) for id in {one.row.requested_by for one in requests}
        },
        limits=break_glass.limits(),
    )


@router.get("/break-glass/new")
def get_new_request(visitor: AsksWho, request: Request) -> Response:
    return _form(request, None, "", "", _MINUTES_OFFERED)


@router.post("/break-glass")
def post_request(
    visitor: AsksWho,
    request: Request,
    platform: PlatformDep,
    patient_id: Typed = "",
    reason: Typed = "",
    minutes: Annotated[int, Form()] = 0,
) -> Response:
    """What was filled in stays filled in when something is missing; what is no pseudonym is not shown again."""
    try:
        row = break_glass.request(platform, visitor.actor, patient_id, reason, minutes)
    except PlatformError as error:
        keep = "" if error.code == "break_glass.no_pseudonym" else patient_id
        return _form(request, error, keep, reason, minutes)
    return RedirectResponse(f"/break-glass/{row.id}", status_code=303)


@router.get("/break-glass/{request_id}")
def get_request(visitor: ReadsRequests, request: Request, platform: PlatformDep, request_id: str) -> Response:
    return _one(request, platform, visitor, request_id)


@router.post("/break-glass/{request_id}/votes")
def post_vote(
    visitor: Approves,
    request: Request,
    platform: PlatformDep,
    request_id: str,
    approved: Annotated[bool, Form()],
    reason: Typed = "",
) -> Response:
    try:
        break_glass.vote(platform, visitor.actor, request_id, approved, reason)
    except PlatformError as error:
        break_glass.visible_request(platform, visitor.actor, request_id)  # what is not there has no page
        return _one(request, platform, visitor, request_id, error=error, typed=reason)
    return RedirectResponse(f"/break-glass/{request_id}", status_code=303)


@router.post("/break-glass/{request_id}/open")
def post_open(visitor: OpensIdentity, request: Request, platform: PlatformDep, request_id: str) -> Response:
    """The identity is in this answer and nowhere else: no address leads to it, no cache keeps it."""
    try:
        identity = break_glass.open_identity(platform, visitor.actor, request_id)
    except PlatformError as error:
        break_glass.visible_request(platform, visitor.actor, request_id)
        return _one(request, platform, visitor, request_id, error=error)
    return _one(request, platform, visitor, request_id, identity=identity)


def _form(request: Request, error: PlatformError | None, patient: str, reason: str, minutes: int) -> Response:
    return render(
        request,
        "break_glass_new.html",
        status=error.http if error else 200,
        error=error,
        patient=patient,
        reason=reason,
        minutes=minutes,
        limits=break_glass.limits(),
    )


def _one(
    request: Request,
    platform: PlatformDep,
    visitor: Visitor,
    request_id: str,
    *,
    error: PlatformError | None = None,
    identity: Identity | None = None,
    typed: str = "",
) -> Response:
    seen = break_glass.request_seen(platform, visitor.actor, request_id)
    row = seen.row
    own_vote = any(vote.approver_id == visitor.user.id for vote in seen.votes)
    waiting = seen.state is BreakGlassState.REQUESTED
    return render(
        request,
        "break_glass_one.html",
        status=error.http if error else 200,
        seen=seen,
        one=row,
        error=error,
        identity=identity,
        typed=typed,
        requester=queries.person_of(platform.records, row.requested_by),
        hospital=platform.records.find(Organisation, row.organisation_id),
        approvers={
            vote.approver_id: queries.person_of(platform.records, vote.approver_id) for vote in seen.votes
        },
        may_vote=waiting and visitor.may("break_glass.approve") and not own_vote,
        may_open=seen.state is BreakGlassState.APPROVED
        and row.requested_by == visitor.user.id
        and visitor.may("break_glass.open"),
        limits=break_glass.limits(),
    )
