"""Reviews of the audit trail: what waits, opening one, going through its entries, and signing it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows import log_review
from rwd_platform.flows.platform import Platform
from rwd_platform.server import log_reviews, log_view, log_words
from rwd_platform.server.api.log import Page, ReviewsLog
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

Typed = Annotated[str, Form(max_length=200)]
Said = Annotated[str, Form(max_length=4 * log_review.LONGEST_TEXT)]

NOT_CONFIRMED = Problem(
    code="log_review.not_confirmed",
    zh="尚未确认：签署后不能撤回，也不能再添加发现。",
    en="It was not confirmed: a signature cannot be taken back, and no finding can be added after it.",
    next_zh="请核对内容，勾选确认后再签署。",
    next_en="Check what you sign, tick the box, and sign then.",
    http=422,
    exit=Exit.MALFORMED,
)


@router.get("/log/reviews")
def get_reviews(visitor: ReviewsLog, request: Request, platform: PlatformDep, page: Page = 1) -> Response:
    first = (page - 1) * log_reviews.LIST_PAGE
    found, total = log_reviews.lines(platform, visitor, first=first)
    return render(
        request,
        "log_reviews.html",
        lines=found,
        total=total,
        page=page,
        page_size=log_reviews.LIST_PAGE,
        waiting=log_review.waiting(platform, visitor.actor),
        filters=log_reviews.FILTERS,
        log=log_words,
    )


@router.get("/log/reviews/new")
def get_new_review(visitor: ReviewsLog, request: Request, platform: PlatformDep) -> Response:
    return _form(request, platform, visitor, {"span": "waiting"})


@router.post("/log/reviews")
def post_review(
    visitor: ReviewsLog,
    request: Request,
    platform: PlatformDep,
    span: Annotated[Literal["waiting", "days"], Form()] = "waiting",
    since: Typed = "",
    until: Typed = "",
    action: Typed = "",
    object_id: Typed = "",
    actor_id: Typed = "",
    outcome: Typed = "",
) -> Response:
    typed = {"action": action, "object_id": object_id, "actor_id": actor_id, "outcome": outcome}
    chosen = {name: value.strip() for name, value in typed.items() if value.strip()}
    if "actor_id" in chosen:
        chosen["actor_id"] = log_view.person_id(platform.records, chosen["actor_id"])
    try:
        if span == "days" or since or until:  # whoever filled in days means them
            begins, ends = log_reviews.period(platform, since, until)
        else:
            begins, ends = log_review.period_waiting(platform, visitor.actor)
        row = log_review.open_review(platform, visitor.actor, begins, ends, **chosen)
    except PlatformError as error:
        kept = {"span": span, "since": since, "until": until, **typed}
        return _form(request, platform, visitor, kept, error)
    return RedirectResponse(f"/log/reviews/{row.id}", status_code=303)


@router.get("/log/reviews/{review_id}")
def get_review(
    visitor: ReviewsLog, request: Request, platform: PlatformDep, review_id: str, page: Page = 1
) -> Response:
    return _sheet(request, platform, visitor, review_id, page)


@router.post("/log/reviews/{review_id}/findings")
def post_finding(
    visitor: ReviewsLog,
    request: Request,
    platform: PlatformDep,
    review_id: str,
    sequence: Annotated[int, Form(ge=0, lt=10**15)],
    text: Said = "",
    reason: Said = "",
    page: Annotated[int, Form(ge=1, le=1_000_000)] = 1,
) -> Response:
    """What was written stays in the form when it cannot be taken."""
    try:
        log_review.add_finding(platform, visitor.actor, review_id, sequence, text.strip(), reason.strip())
    except PlatformError as error:
        if error.http == 404:
            raise
        kept = {"sequence": sequence, "text": text, "reason": reason}
        return _sheet(request, platform, visitor, review_id, page, error, kept)
    return RedirectResponse(f"/log/reviews/{review_id}?page={page}#entry-{sequence}", status_code=303)


@router.get("/log/reviews/{review_id}/sign")
def get_sign(visitor: ReviewsLog, request: Request, platform: PlatformDep, review_id: str) -> Response:
    return _sign(request, platform, visitor, review_id)


@router.post("/log/reviews/{review_id}/sign")
def post_sign(
    visitor: ReviewsLog,
    request: Request,
    platform: PlatformDep,
    review_id: str,
    confirmed: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    log_review.review_of(platform, visitor.actor, review_id)
    try:
        if confirmed != "yes":
            raise NOT_CONFIRMED.error()
        log_review.sign_review(platform, visitor.actor, review_id)
    except PlatformError as error:
        return _sign(request, platform, visitor, review_id, error)
    return RedirectResponse(f"/log/reviews/{review_id}", status_code=303)


def _form(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    kept: dict[str, str],
    error: PlatformError | None = None,
) -> Response:
    return render(
        request,
        "log_review_new.html",
        status=error.http if error else 200,
        error=error,
        kept=kept,
        waiting=log_review.waiting(platform, visitor.actor),
        actions=log_view.actions(platform.records, visitor),
        today=shanghai_date(platform.clock()).isoformat(),
        log=log_words,
    )


def _sheet(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    review_id: str,
    page: int,
    error: PlatformError | None = None,
    kept: dict[str, object] | None = None,
) -> Response:
    return render(
        request,
        "log_review.html",
        status=error.http if error else 200,
        error=error,
        kept=kept or {},
        one=log_reviews.sheet(platform, visitor, review_id, page),
        page_size=log_reviews.ENTRIES_PAGE,
        longest=log_review.LONGEST_TEXT,
        filters=log_reviews.FILTERS,
        value_text=log_view.value_text,
        log=log_words,
    )


def _sign(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    review_id: str,
    error: PlatformError | None = None,
) -> Response:
    return render(
        request,
        "log_review_sign.html",
        status=error.http if error else 200,
        error=error,
        one=log_reviews.sheet(platform, visitor, review_id),
        filters=log_reviews.FILTERS,
        log=log_words,
    )
