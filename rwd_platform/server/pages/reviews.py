"""Questions about packages: one's own, and the form to ask, to answer, to ask again, to close."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import package_questions as flow
from rwd_platform.flows import trace
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import ReviewState
from rwd_platform.records.tables import EvidencePackage, Organisation
from rwd_platform.server import package_files, package_places, queries
from rwd_platform.server.api.reviews import AnswersAboutPackages, AsksAboutPackages, ReadsQuestions
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

_Text = Annotated[str, Form(max_length=200_000)]
KINDS = {
    "asked": Bilingual("提问", "asked"),
    "answered": Bilingual("答复", "answered"),
    "asked_again": Bilingual("再次提问", "asked again"),
    "closed": Bilingual("关闭", "closed"),
}


@router.get("/package-questions")
def get_questions(visitor: ReadsQuestions, request: Request, platform: PlatformDep) -> Response:
    found = flow.questions_of(platform, visitor.actor)
    return render(request, "reviews.html", questions=found, packages=_packages(platform, found))


@router.get("/packages/{package_id}/ask")
def get_ask(
    visitor: AsksAboutPackages,
    request: Request,
    platform: PlatformDep,
    package_id: str,
    number: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    return _ask_page(request, platform, visitor, package_id, number)


@router.post("/packages/{package_id}/ask")
def post_ask(
    visitor: AsksAboutPackages,
    request: Request,
    platform: PlatformDep,
    package_id: str,
    text: _Text = "",
    number: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """What was typed comes back with the mistake named, unless it names a person."""
    try:
        question = flow.ask(platform, visitor.actor, package_id, text, number)
    except PlatformError as error:
        if error.http in (403, 404):
            raise
        return _ask_page(request, platform, visitor, package_id, number, error, _kept(text, error))
    return _to(question.id)


@router.get("/package-questions/{question_id}")
def get_question(
    visitor: ReadsQuestions, request: Request, platform: PlatformDep, question_id: str
) -> Response:
    return _page(request, platform, visitor, question_id)


@router.post("/package-questions/{question_id}/answers")
def post_answer(
    visitor: AnswersAboutPackages,
    request: Request,
    platform: PlatformDep,
    question_id: str,
    text: _Text = "",
    later_package: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    try:
        flow.answer(platform, visitor.actor, question_id, text, later_package.strip())
    except PlatformError as error:
        return _again(request, platform, visitor, question_id, text, error)
    return _to(question_id)


@router.post("/package-questions/{question_id}/again")
def post_again(
    visitor: AsksAboutPackages, request: Request, platform: PlatformDep, question_id: str, text: _Text = ""
) -> Response:
    try:
        flow.ask_again(platform, visitor.actor, question_id, text)
    except PlatformError as error:
        return _again(request, platform, visitor, question_id, text, error)
    return _to(question_id)


@router.post("/package-questions/{question_id}/close")
def post_close(
    visitor: AsksAboutPackages, request: Request, platform: PlatformDep, question_id: str, text: _Text = ""
) -> Response:
    try:
        flow.close(platform, visitor.actor, question_id, text)
    except PlatformError as error:
        return _again(request, platform, visitor, question_id, text, error)
    return _to(question_id)


def _again(
    request: Request, platform: Platform, visitor: Visitor, question_id: str, text: str, error: PlatformError
) -> Response:
    if error.http in (403, 404):
        raise error
    return _page(request, platform, visitor, question_id, error, _kept(text, error))


def _kept(text: str, error: PlatformError) -> str:
    return "" if error.code == "review.text_identifies" else text[: flow.limits().longest_text]


def _to(question_id: str) -> Response:
    return RedirectResponse(f"/package-questions/{question_id}", status_code=303)


def _ask_page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    package_id: str,
    number: str,
    error: PlatformError | None = None,
    typed: str = "",
) -> Response:
    package = package_files.opened(platform, visitor, package_id)
    numbers = trace.numbers_of(platform, visitor.actor, package_id)
    asked = next((one for one in numbers if one["id"] == number), None)
    return render(
        request,
        "review_ask.html",
        status=error.http if error else 200,
        package=package,
        number=asked,
        where=package_places.where(platform, package, asked) if asked else None,
        error=error,
        typed=typed,
        limits=flow.limits(),
    )


def _page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    question_id: str,
    error: PlatformError | None = None,
    typed: str = "",
) -> Response:
    one = flow.question_of(platform, visitor.actor, question_id)
    question, own = one.question, visitor.actor.organisation
    asks = visitor.may("package.ask") and own == question.organisation_id
    answers = visitor.may("package.answer") and own == question.study_organisation_id
    return render(
        request,
        "review.html",
        status=error.http if error else 200,
        one=one,
        question=question,
        package=platform.records.find(EvidencePackage, question.package_id),
        people={entry.said_by: queries.person_of(platform.records, entry.said_by) for entry in one.entries},
        organisations={
            entry.organisation_id: platform.records.find(Organisation, entry.organisation_id)
            for entry in one.entries
        },
        kinds=KINDS,
        may_answer=answers and question.state == ReviewState.ASKED,
        may_ask_again=asks and question.state == ReviewState.ANSWERED,
        may_close=asks and question.state != ReviewState.CLOSED,
        error=error,
        typed=typed,
        limits=flow.limits(),
    )


def _packages(platform: Platform, found: list[flow.Asked]) -> dict[str, EvidencePackage | None]:
    ids = {one.question.package_id for one in found}
    return {id: platform.records.find(EvidencePackage, id) for id in sorted(ids)}
