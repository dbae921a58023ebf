"""Whether a study's data are fit for its protocol: item by item, and the judgements that people gave."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import fitness
from rwd_platform.server import queries
from rwd_platform.server.api import fitness as api
from rwd_platform.server.api.fitness import AssessesFitness, ReadsFitness
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/studies/{study_id}/fitness")
def get_fitness(visitor: ReadsFitness, request: Request, platform: PlatformDep, study_id: str) -> Response:
    return _page(request, platform, visitor, study_id)


@router.post("/studies/{study_id}/fitness")
def post_fitness(visitor: AssessesFitness, platform: PlatformDep, study_id: str) -> Response:
    api.start(platform, visitor, study_id)
    return RedirectResponse(f"/studies/{study_id}/fitness", status_code=303)


@router.post("/studies/{study_id}/fitness/answers")
def post_judgement(
    visitor: AssessesFitness,
    request: Request,
    platform: PlatformDep,
    study_id: str,
    item: Annotated[str, Form(max_length=200)] = "",
    status: Annotated[str, Form(max_length=40)] = "",
    text: Annotated[str, Form(max_length=200_000)] = "",
) -> Response:
    """What was typed comes back with the mistake named, unless it names a person."""
    try:
        fitness.answer_item(platform, visitor.actor, study_id, item, status, text)
    except PlatformError as error:
        fitness.fitness_of(platform, visitor.actor, study_id)  # what is not there has no page
        typed = "" if error.code == "fitness.text_identifies" else text[: fitness.LONGEST_TEXT]
        return _page(request, platform, visitor, study_id, error=error, item=item, typed=typed)
    return RedirectResponse(f"/studies/{study_id}/fitness#{item}", status_code=303)


def _page(
    request: Request,
    platform: PlatformDep,
    visitor: Visitor,
    study_id: str,
    *,
    error: PlatformError | None = None,
    item: str = "",
    typed: str = "",
) -> Response:
    from quality.fitness import JUDGEMENTS, STATUSES
    from quality.fitness_items import DIMENSIONS

    seen = fitness.fitness_of(platform, visitor.actor, study_id)
    jobs = queries.jobs_with_key(platform.records, f"study/{study_id}/fitness/")
    job = next((one for one in jobs[:1] if one.state != "done"), None)
    owns = seen.study.organisation_id == visitor.actor.organisation
    return render(
        request,
        "fitness.html",
        status=error.http if error else 200,
        seen=seen,
        study=seen.study,
        document=seen.document,
        dimensions=DIMENSIONS,
        statuses=STATUSES,
        judgements=JUDGEMENTS,
        job=job if job and visitor.may("job.read") else None,
        may_assess=visitor.may("fitness.assess") and owns,
        people={
            one.answered_by: queries.person_of(platform.records, one.answered_by) for one in seen.answers
        },
        error=error,
        item=item,
        typed=typed,
    )
