"""The cohort editor: a definition as text, the same in sentences with counts, and why one patient is in or out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import saved_cohorts
from rwd_platform.flows import study as study_flow
from rwd_platform.flows.cohorts import explain_patient
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Organisation, SavedCohort
from rwd_platform.server import cohort_charts, cohort_view, protocols, queries
from rwd_platform.server.api.cohorts import CountsCohorts, ExplainsPatients
from rwd_platform.server.api.studies import RegistersStudies
from rwd_platform.server.cohort_view import Answer
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()

# Longer than any text that is kept, so that the flow says what is wrong with it.
Typed = Annotated[str, Form(max_length=1_000_000)]
Short = Annotated[str, Form(max_length=1_000)]
Revision = Annotated[int, Form(ge=0, le=1_000_000_000)]
EXAMPLE = "example"
LINES_NUMBERED = 5_000


@router.get("/cohorts")
def get_cohorts(
    visitor: CountsCohorts,
    request: Request,
    platform: PlatformDep,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    rows = saved_cohorts.cohorts_of(platform, visitor.actor, (page - 1) * saved_cohorts.LIST_PAGE)
    return render(
        request,
        "cohorts.html",
        cohorts=rows,
        people={one.saved_by: queries.person_of(platform.records, one.saved_by) for one in rows},
        examples=protocols.example_names(),
        page=page,
        more=len(rows) == saved_cohorts.LIST_PAGE,
        error=None,
    )


@router.post("/cohorts")
def post_cohort(
    visitor: CountsCohorts,
    platform: PlatformDep,
    name: Short = "",
    definition: Typed = "",
    begin_with: Short = "",
) -> Response:
    """A new definition: from an example, empty, or as a copy of what is being written."""
    text = definition or (cohort_view.example() if begin_with == EXAMPLE else protocols.example(begin_with))
    row = saved_cohorts.create_cohort(platform, visitor.actor, name, text)
    return RedirectResponse(f"/cohorts/{row.id}", status_code=303)


@router.get("/cohorts/{cohort_id}")
def get_cohort(visitor: CountsCohorts, request: Request, platform: PlatformDep, cohort_id: str) -> Response:
    row = saved_cohorts.find_cohort(platform, visitor.actor, cohort_id)
    answer = cohort_view.checked(platform, visitor, row.definition) if row.definition.strip() else None
    return _editor(request, platform, row, answer)


@router.get("/cohorts/{cohort_id}/cohort.yaml")
def get_text(visitor: CountsCohorts, platform: PlatformDep, cohort_id: str) -> Response:
    row = saved_cohorts.find_cohort(platform, visitor.actor, cohort_id)
    return Response(
        row.definition,
        media_type="application/yaml; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{row.id}.yaml"'},
    )


@router.post("/cohorts/{cohort_id}/draft")
def post_draft(
    visitor: CountsCohorts,
    request: Request,
    platform: PlatformDep,
    cohort_id: str,
    name: Short = "",
    definition: Typed = "",
    revision: Revision = 0,
) -> Response:
    """Keep what was typed, and answer it: sentences and findings at once, counts by a request of their own."""
    try:
        row = saved_cohorts.save_cohort(platform, visitor.actor, cohort_id, name, definition, revision)
    except PlatformError as error:
        # What was typed stays in the editor: only the answer beside it is replaced.
        return render(request, "fragments/cohort_unsaved.html", status=error.http, error=error)
    if "hx-request" not in request.headers:  # without the pages' script
        return RedirectResponse(f"/cohorts/{row.id}", status_code=303)
    answer = cohort_view.checked(platform, visitor, row.definition) if row.definition.strip() else None
    return _fragment(request, row, answer, saved=True)


@router.post("/cohorts/{cohort_id}/count")
def post_count(
    visitor: CountsCohorts,
    request: Request,
    platform: PlatformDep,
    cohort_id: str,
    who: Short = "",
) -> Response:
    """The counts of the text as it was kept last. `who`: also who is lost at each step."""
    row = saved_cohorts.find_cohort(platform, visitor.actor, cohort_id)
    answer = cohort_view.counted(platform, visitor, row.definition, characteristics=bool(who))
    return _fragment(request, row, answer, platform=platform)


@router.post("/cohorts/{cohort_id}/explain")
def post_explain(
    visitor: ExplainsPatients,
    request: Request,
    platform: PlatformDep,
    cohort_id: str,
    patient_id: Short = "",
) -> Response:
    """The path of one patient of one's own hospital, by the text as it was kept last."""
    row = saved_cohorts.find_cohort(platform, visitor.actor, cohort_id)
    try:
        found = explain_patient(platform, visitor.actor, row.definition, patient_id.strip())
    except PlatformError as error:
        return render(request, "fragments/error.html", status=error.http, error=error)
    return render(request, "fragments/cohort_explanation.html", found=found, view=cohort_view)


@router.post("/cohorts/{cohort_id}/study")
def post_study(
    visitor: RegistersStudies, request: Request, platform: PlatformDep, cohort_id: str
) -> Response:
    """Register the text as a study's protocol; what is missing for that is named, and the text kept."""
    row = saved_cohorts.find_cohort(platform, visitor.actor, cohort_id)
    try:
        study = study_flow.register_study(platform, visitor.actor, row.definition)
    except PlatformError as error:
        answer = cohort_view.checked(platform, visitor, row.definition) if row.definition.strip() else None
        return _editor(request, platform, row, answer, error=error)
    return RedirectResponse(f"/studies/{study.id}", status_code=303)


def _editor(
    request: Request,
    platform: Platform,
    row: SavedCohort,
    answer: Answer | None,
    error: PlatformError | None = None,
) -> Response:
    return render(
        request,
        "cohort.html",
        status=error.http if error else 200,
        cohort=row,
        error=error,
        saved=False,
        lines=min(row.definition.count("\n") + 1, LINES_NUMBERED),
        most=saved_cohorts.MOST_CHARACTERS,
        too_long=saved_cohorts.too_long(),
        **_answer_values(answer),
    )


def _fragment(
    request: Request,
    row: SavedCohort,
    answer: Answer | None,
    *,
    platform: Platform | None = None,
    saved: bool = False,
) -> Response:
    """`saved`: the editor is told the new revision. A count may come after a later save and must not."""
    values = _answer_values(answer, platform)
    return render(request, "fragments/cohort_answer.html", cohort=row, saved=saved, **values)


def _answer_values(answer: Answer | None, platform: Platform | None = None) -> dict[str, Any]:
    hospitals = {}
    if platform is not None and answer is not None and answer.count is not None and answer.count.kept:
        ids = answer.count.kept.counts.get("hospital", {})
        known = {id: platform.records.find(Organisation, id) for id in ids}
        hospitals = {id: {"zh": one.name_zh, "en": one.name_en} for id, one in known.items() if one}
    return {"answer": answer, "drawings": cohort_charts, "view": cohort_view, "hospitals": hospitals}
