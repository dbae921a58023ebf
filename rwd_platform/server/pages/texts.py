"""Free texts: a study has them prepared, and a privacy officer reads them one at a time and decides."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import free_text
from rwd_platform.records.lifecycles import TEXT, TextState
from rwd_platform.records.tables import Study
from rwd_platform.server import free_texts, protocols, queries, steps
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

PreparesTexts = Annotated[Visitor, Depends(Door("text.prepare"))]
ReviewsTexts = Annotated[Visitor, Depends(Door("text.review"))]


@router.post("/studies/{study_id}/texts")
def post_study_texts(visitor: PreparesTexts, platform: PlatformDep, study_id: str) -> Response:
    """Queue the preparation."""
    study = queries.owned(platform.records, visitor, "text.prepare", Study, study_id)
    steps.start_texts(platform, visitor, study)
    return RedirectResponse(f"/studies/{study_id}", status_code=303)


@router.get("/texts")
def get_texts(visitor: ReviewsTexts, request: Request, platform: PlatformDep) -> Response:
    studies = queries.studies(platform.records, visitor)
    return render(
        request,
        "free_texts.html",
        rows=free_text.texts_to_review(platform, visitor.actor),
        titles=queries.project_titles(platform.records, visitor),
        plans_texts=[study for study in studies if protocols.plans_texts(study.protocol)],
    )


@router.get("/texts/{text_id}")
def get_text(visitor: ReviewsTexts, request: Request, platform: PlatformDep, text_id: str) -> Response:
    return _page(request, platform, visitor, text_id, None, "")


@router.post("/texts/{text_id}/review")
def post_review(
    visitor: ReviewsTexts,
    request: Request,
    platform: PlatformDep,
    text_id: str,
    released: Annotated[bool, Form()],
    statement: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """Then the next one that waits, or the list when none does."""
    try:
        free_text.review_text(platform, visitor.actor, text_id, released, statement)
    except PlatformError as error:
        if error.problem is not free_text.STATEMENT_UNFIT:
            raise
        return _page(request, platform, visitor, text_id, error, statement)
    waiting = free_text.texts_to_review(platform, visitor.actor)
    return RedirectResponse(f"/texts/{waiting[0].id}" if waiting else "/texts", status_code=303)


def _page(
    request: Request,
    platform: PlatformDep,
    visitor: Visitor,
    text_id: str,
    error: PlatformError | None,
    statement: str,
) -> Response:
    shown = free_text.read_text(platform, visitor.actor, text_id)
    pieces = list(free_texts.pieces(shown))
    next_states = TEXT[TextState(shown.state)]
    return render(
        request,
        "free_text.html",
        status=error.http if error else 200,
        shown=shown,
        pieces=pieces,
        kinds=sorted({(one.kind.zh, one.kind.en, one.colour) for one in pieces if one.kind}),
        may_release=TextState.RELEASED in next_states,
        may_withhold=TextState.WITHHELD in next_states,
        waiting=len(free_text.texts_to_review(platform, visitor.actor)),
        error=error,
        statement=statement,
        least=free_text.STATEMENT_CHARACTERS,
        longest=free_text.LONGEST_STATEMENT,
    )
