"""The job card: stages, counts, the cause if it failed. It asks for itself again until the work ends."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.flows.jobs import enqueue
from rwd_platform.server import queries
from rwd_platform.server.deps import LoggedIn, PlatformDep
from rwd_platform.server.pages.login import inside
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/jobs/{job_id}/card")
def get_job_card(
    visitor: LoggedIn,
    request: Request,
    platform: PlatformDep,
    job_id: str,
    seen: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """A fragment for htmx. Nothing new is 204, so that screen readers are not told the same thing every second.

    When the work has ended, the page around the card is read again.
    """
    job = queries.job(platform.records, visitor, job_id)
    if seen == f"{job.state}-{job.stage}-{job.done}":
        return Response(status_code=204)
    response = render(request, "fragments/job.html", job=job)
    if job.state in ("done", "failed"):
        response.headers["hx-refresh"] = "true"
    return response


@router.post("/jobs/{job_id}/resume")
def post_resume(
    visitor: LoggedIn,
    platform: PlatformDep,
    job_id: str,
    back: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Queue a failed job again. The work itself checks who may do it."""
    job = queries.job(platform.records, visitor, job_id)
    enqueue(platform, visitor.actor, job.kind, job.payload, key=job.key)
    return RedirectResponse(inside(back), status_code=303)
