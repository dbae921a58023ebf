"""Papers on file: the list, the form of each kind, and one paper with its versions and what rested on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.roles import Role
from rwd_platform.compliance.instruments import kinds
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import instruments as flow
from rwd_platform.flows import provision_view
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.server import papers, provisions
from rwd_platform.server.api.papers import Filter, ReadsPapers, RecordsPapers
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.papers import PaperForm
from rwd_platform.server.templating import render

router = APIRouter()

Id = Annotated[str, Query(max_length=120)]
Day = Annotated[str, Form(max_length=40)]
Reason = Annotated[str, Form(max_length=5000)]


@router.get("/papers")
def get_papers(
    visitor: ReadsPapers, request: Request, platform: PlatformDep, exporter: Filter = "", kind: Filter = ""
) -> Response:
    every = papers.papers(platform, visitor)
    return render(
        request,
        "papers.html",
        papers=[
            one for one in every if exporter in ("", one.row.organisation_id) and kind in ("", one.row.kind)
        ],
        exporters={one.row.organisation_id: one.exporter for one in every},
        kinds={one.row.kind: one.kind.name for one in every},
        exporter=exporter,
        kind=kind,
    )


@router.get("/papers/new")
def get_new_paper(
    visitor: RecordsPapers, request: Request, platform: PlatformDep, kind: Filter = "", replaces: Id = ""
) -> Response:
    """The form of a kind; without one, the kinds to choose from. `replaces`: the next version of that paper."""
    if replaces:
        before, _ = papers.paper(platform, visitor, replaces)
        return _form(request, platform, visitor, PaperForm.after(before.row))
    today = shanghai_date(platform.clock()).isoformat()
    return _form(request, platform, visitor, PaperForm(kind=kind, effective_from=today))


@router.post("/papers")
async def post_paper(visitor: RecordsPapers, request: Request, platform: PlatformDep) -> Response:
    """What was filled in stays filled in when something is wrong."""
    form = PaperForm.of(await request.form())
    try:
        made = await run_in_threadpool(flow.record_instrument, platform, visitor.actor, form.as_new())
    except PlatformError as error:
        if error.problem is NOT_FOUND:
            raise
        return await run_in_threadpool(_form, request, platform, visitor, form, error)
    return RedirectResponse(f"/papers/{made.id}", status_code=303)


@router.get("/papers/{paper_id}")
def get_paper(visitor: ReadsPapers, request: Request, platform: PlatformDep, paper_id: str) -> Response:
    return _one(request, platform, visitor, paper_id)


@router.post("/papers/{paper_id}/file")
def post_filed(
    visitor: RecordsPapers, request: Request, platform: PlatformDep, paper_id: str, filed_on: Day = ""
) -> Response:
    def file() -> object:
        return flow.file_instrument(platform, visitor.actor, paper_id, filed_on)

    return _do(request, platform, visitor, paper_id, file, filed_on=filed_on)


@router.post("/papers/{paper_id}/revoke")
def post_revoked(
    visitor: RecordsPapers, request: Request, platform: PlatformDep, paper_id: str, reason: Reason = ""
) -> Response:
    def revoke() -> object:
        return flow.revoke_instrument(platform, visitor.actor, paper_id, reason)

    return _do(request, platform, visitor, paper_id, revoke, reason=reason)


def _do(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    paper_id: str,
    change: Callable[[], object],
    **typed: str,
) -> Response:
    """Back to the paper; with the error and what was typed where it could not be done."""
    try:
        change()
    except PlatformError as error:
        if error.problem is NOT_FOUND:
            raise
        return _one(request, platform, visitor, paper_id, error, **typed)
    return RedirectResponse(f"/papers/{paper_id}", status_code=303)


def _one(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    paper_id: str,
    error: PlatformError | None = None,
    *,
    filed_on: str = "",
    reason: str = "",
) -> Response:
    one, versions = papers.paper(platform, visitor, paper_id)
    rested = provision_view.rested_on(platform, visitor.actor, one.row)
    return render(
        request,
        "paper.html",
        status=error.http if error else 200,
        one=one,
        versions=versions,
        rested=provisions.lines(platform, visitor, rested),
        error=error,
        filed_on=filed_on,
        reason=reason,
    )


def _form(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    form: PaperForm,
    error: PlatformError | None = None,
) -> Response:
    return render(
        request,
        "paper_new.html",
        status=error.http if error else 200,
        form=form,
        kind=kinds().get(form.kind),
        kinds={
            id: one
            for id, one in kinds().items()
            if visitor.actor.role == Role.PRIVACY or not one.officers_only
        },
        choices=papers.choices(platform, visitor),
        dimensions=papers.DIMENSIONS,
        everything=papers.EVERYTHING,
        error=error,
    )
