"""Source verification: the team's page of a study, and the sheets of a hospital."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import chart_sheets
from rwd_platform.flows import source_verification as flow
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.verification_rounds import rounds_of, sheets_of
from rwd_platform.records.tables import Organisation, Study
from rwd_platform.server import queries, steps, verification_view
from rwd_platform.server.api.verification import (
    MOST_BYTES,
    DrawsRows,
    FillsSheets,
    ReadsRounds,
    csv_answer,
)
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render
from studies.evidence.sample.guide import GUIDE

router = APIRouter()

_Short = Annotated[str, Form(max_length=40)]
_Text = Annotated[str, Form(max_length=200_000)]


@router.get("/studies/{study_id}/source-verification")
def get_rounds(visitor: ReadsRounds, request: Request, platform: PlatformDep, study_id: str) -> Response:
    return _rounds_page(request, platform, visitor, study_id)


@router.post("/studies/{study_id}/source-verification")
def post_draw(
    visitor: DrawsRows, request: Request, platform: PlatformDep, study_id: str, known_until: _Short = ""
) -> Response:
    try:
        study = queries.owned(platform.records, visitor, "verification.draw", Study, study_id)
        steps.start_draw(platform, visitor, study, known_until)
    except PlatformError as error:
        return _again(request, platform, visitor, study_id, error, day=known_until)
    return _to(study_id)


@router.post("/studies/{study_id}/source-verification/close")
def post_close(
    visitor: DrawsRows, request: Request, platform: PlatformDep, study_id: str, reason: _Text = ""
) -> Response:
    """What was written stays written when something is missing; what names a person does not."""
    try:
        flow.close_round(platform, visitor.actor, study_id, reason)
    except PlatformError as error:
        kept = "" if error.code == "verification.reason_identifies" else reason[: flow.limits().longest_text]
        return _again(request, platform, visitor, study_id, error, reason=kept)
    return _to(study_id)


@router.get("/verification-sheets")
def get_sheets(visitor: FillsSheets, request: Request, platform: PlatformDep) -> Response:
    found = sheets_of(platform, visitor.actor)
    titles = {one.sheet.id: verification_view.title_of(platform, one) for one in found}
    return render(request, "verification_sheets.html", sheets=found, titles=titles)


@router.get("/verification-sheets/{sheet_id}")
def get_sheet(visitor: FillsSheets, request: Request, platform: PlatformDep, sheet_id: str) -> Response:
    return _sheet_page(request, platform, visitor, sheet_id)


@router.get("/verification-sheets/{sheet_id}/sheet.csv")
def get_sheet_file(visitor: FillsSheets, platform: PlatformDep, sheet_id: str) -> Response:
    return csv_answer(chart_sheets.sheet_for(platform, visitor.actor, sheet_id), sheet_id)


@router.post("/verification-sheets/{sheet_id}/returns", max_body_size=MOST_BYTES)
async def post_return(
    visitor: FillsSheets, request: Request, platform: PlatformDep, sheet_id: str
) -> Response:
    """The file is the request's body: as a form's part it could be written to disk in clear on its way."""
    content = await request.body()
    return await run_in_threadpool(_returned, request, platform, visitor, sheet_id, content)


def _returned(
    request: Request, platform: Platform, visitor: Visitor, sheet_id: str, content: bytes
) -> Response:
    try:
        outcome = chart_sheets.return_sheet(platform, visitor.actor, sheet_id, content)
    except PlatformError as error:
        if error.http in (403, 404):
            raise
        return _sheet_page(request, platform, visitor, sheet_id, error=error)
    return _sheet_page(request, platform, visitor, sheet_id, outcome=outcome)


def _sheet_page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    sheet_id: str,
    *,
    outcome: chart_sheets.Outcome | None = None,
    error: PlatformError | None = None,
) -> Response:
    one = chart_sheets.sheet_seen(platform, visitor.actor, sheet_id)
    wrong = outcome.problems if outcome else ()
    return render(
        request,
        "verification_sheet.html",
        status=error.http if error else 422 if wrong else 200,
        one=one,
        sheet=one.sheet,
        title=verification_view.title_of(platform, one),
        guide=GUIDE,
        outcome=outcome,
        problems=wrong[: flow.limits().problems_told],
        hints=outcome.hints[: flow.limits().problems_told] if outcome else (),
        error=error,
        returned_by=queries.person_of(platform.records, one.sheet.returned_by),
    )


def _again(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    study_id: str,
    error: PlatformError,
    *,
    day: str = "",
    reason: str = "",
) -> Response:
    if error.http in (403, 404):
        raise error
    return _rounds_page(request, platform, visitor, study_id, error=error, day=day, reason=reason)


def _to(study_id: str) -> Response:
    return RedirectResponse(f"/studies/{study_id}/source-verification", status_code=303)


def _rounds_page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    study_id: str,
    *,
    error: PlatformError | None = None,
    day: str = "",
    reason: str = "",
) -> Response:
    study = queries.owned(platform.records, visitor, "study.read", Study, study_id)
    found = rounds_of(platform, study_id)
    hospitals = {sheet.organisation_id for one in found for sheet in one.sheets}
    jobs = queries.jobs_with_key(platform.records, f"study/{study_id}/draw_rows/")
    return render(
        request,
        "study_verification.html",
        status=error.http if error else 200,
        study=study,
        rounds=found,
        open_round=next((one for one in found if one.is_open), None),
        hospitals={id: platform.records.find(Organisation, id) for id in hospitals},
        agreement=verification_view.agreement_or_problem(platform, visitor, study),
        can_draw=bool(queries.runs(platform.records, study_id)),
        today=shanghai_date(platform.clock()).isoformat(),
        job=next((job for job in jobs[:1] if job.state != "done"), None),
        error=error,
        day=day,
        reason=reason,
        limits=flow.limits(),
    )
