"""Questions to hospitals: the list, one question with all that was said, and the forms to ask, answer and decide."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import quality_question_list as listing
from rwd_platform.flows import quality_questions
from rwd_platform.flows.quality_question_problems import ALREADY_ASKED
from rwd_platform.flows.quality_question_rows import rows_of
from rwd_platform.flows.quality_questions import CLOSE, CORRECTED
from rwd_platform.records.lifecycles import QuestionState
from rwd_platform.records.tables import Organisation
from rwd_platform.server import queries
from rwd_platform.server.api.questions import (
    AnswersQuestions,
    AsksHospitals,
    DecidesQuestions,
    Page,
    ReadsQuestions,
)
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.quality_words import ANSWERS, ENTRIES
from rwd_platform.server.templating import render

router = APIRouter()

Short = Annotated[str, Form(max_length=200)]
# Longer than what is kept: the flow says how long it may be, and the page gives the text back.
Typed = Annotated[str, Form(max_length=200_000)]


@router.get("/questions")
def get_questions(
    visitor: ReadsQuestions,
    request: Request,
    platform: PlatformDep,
    hospital: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=40)] = listing.OPEN,
    older_than_days: Annotated[int, Query(ge=0, le=36_500)] = 0,
    page: Page = 1,
) -> Response:
    wanted = listing.QuestionFilter(hospital, state, older_than_days)
    questions, total = listing.questions_seen(platform, visitor.actor, wanted, page)
    waiting, answered = listing.waiting(platform, visitor.actor)
    return render(
        request,
        "questions.html",
        questions=questions,
        total=total,
        page=page,
        page_size=quality_questions.limits().page_questions,
        wanted=wanted,
        link=f"/questions?{urlencode(asdict(wanted))}&",
        waiting=waiting,
        answered=answered,
        hospitals=queries.visible_organisations(platform.records, visitor, "question.read"),
        states=[state.value for state in QuestionState],
    )


@router.post("/questions")
def post_question(
    visitor: AsksHospitals,
    platform: PlatformDep,
    organisation_id: Short = "",
    rule: Short = "",
    text: Typed = "",
) -> Response:
    """From the quality page. A second click leads to the question that the first one made."""
    try:
        id = quality_questions.ask(platform, visitor.actor, organisation_id, rule, text).id
    except PlatformError as error:
        if error.problem is not ALREADY_ASKED:
            raise
        id = str(error.details["question"])
    return RedirectResponse(f"/questions/{id}", status_code=303)


@router.get("/questions/{question_id}")
def get_question(
    visitor: ReadsQuestions, request: Request, platform: PlatformDep, question_id: str, page: Page = 1
) -> Response:
    return _one(request, platform, visitor, question_id, page=page)


@router.post("/questions/{question_id}/answers")
def post_answer(
    visitor: AnswersQuestions,
    request: Request,
    platform: PlatformDep,
    question_id: str,
    answer: Short = "",
    text: Typed = "",
    upload_id: Short = "",
) -> Response:
    """What was filled in stays filled in when something is missing; what names a person does not."""
    try:
        quality_questions.answer(platform, visitor.actor, question_id, answer, text, upload_id)
    except PlatformError as error:
        listing.question_seen(platform, visitor.actor, question_id)  # what is not there has no page
        return _one(request, platform, visitor, question_id, error=error, typed=text, chosen=answer)
    return RedirectResponse(f"/questions/{question_id}", status_code=303)


@router.post("/questions/{question_id}/decisions")
def post_decision(
    visitor: DecidesQuestions,
    request: Request,
    platform: PlatformDep,
    question_id: str,
    decision: Short = "",
    text: Typed = "",
    seen: Annotated[int, Form(ge=0, le=1_000_000)] = 0,
) -> Response:
    try:
        quality_questions.decide(platform, visitor.actor, question_id, decision, text, seen)
    except PlatformError as error:
        listing.question_seen(platform, visitor.actor, question_id)
        return _one(request, platform, visitor, question_id, error=error, typed=text)
    return RedirectResponse(f"/questions/{question_id}", status_code=303)


def _one(
    request: Request,
    platform: PlatformDep,
    visitor: Visitor,
    question_id: str,
    *,
    error: PlatformError | None = None,
    typed: str = "",
    chosen: str = "",
    page: int = 1,
) -> Response:
    found = listing.question_seen(platform, visitor.actor, question_id)
    row = found.row
    is_asked = visitor.may("question.answer") and visitor.actor.organisation == row.organisation_id
    places, listed = rows_of(platform, visitor.actor, question_id, page) if is_asked else ([], 0)
    limits = quality_questions.limits()
    people = {one.said_by for one in found.entries}
    answerers = {one.said_by for one in found.entries if one.kind == "answered"}
    is_open = row.state != QuestionState.CLOSED
    identifies = error is not None and error.code == "question.text_identifies"
    return render(
        request,
        "question.html",
        status=error.http if error else 200,
        seen=found,
        one=row,
        error=error,
        typed="" if identifies else typed[: limits.longest_text],
        chosen=chosen,
        hospital=platform.records.find(Organisation, row.organisation_id),
        people={id: queries.person_of(platform.records, id) for id in people},
        is_asked=is_asked,
        places=places,
        listed=listed,
        page=page,
        may_answer=is_asked and row.state in listing.WITH_THE_HOSPITAL,
        may_decide=visitor.may("question.close") and is_open,
        may_close=visitor.user.id not in {row.asked_by, *answerers},
        may_return=row.state == QuestionState.ANSWERED,
        limits=limits,
        answers=ANSWERS,
        entry_words=ENTRIES,
        corrected=CORRECTED,
        close=CLOSE,
        uploads=queries.uploads(platform.records, visitor) if is_asked and is_open else [],
    )
