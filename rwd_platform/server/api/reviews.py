"""Questions about packages: asked by whoever reads one, answered by the study's team by a day."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from rwd_platform.flows import package_questions as flow
from rwd_platform.server import package_files
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1", tags=["package questions"], responses=REFUSALS)

ReadsQuestions = Annotated[Visitor, Depends(Door("package.read"))]
AsksAboutPackages = Annotated[Visitor, Depends(Door("package.ask"))]
AnswersAboutPackages = Annotated[Visitor, Depends(Door("package.answer"))]
_LONGEST = 200_000


class QuestionIn(BaseModel):
    """`number_id`: of the report's numbers; "" asks about the package as a whole."""

    text: str = Field(max_length=_LONGEST)
    number_id: str = Field(default="", max_length=80)


class SaidIn(BaseModel):
    text: str = Field(max_length=_LONGEST)


class AnswerIn(SaidIn):
    """`later_package`: id of a later package of the study that the answer led to."""

    later_package: str = Field(default="", max_length=80)


class QuestionOut(Out):
    """`due_on` is the last day on which an answer is in time, Beijing time."""

    id: str
    package_id: str
    number_id: str
    ard_id: str
    state: str
    asked_at: str
    due_on: str
    overdue: bool
    entries: list[dict[str, Any]]


def shown(one: flow.Asked) -> QuestionOut:
    question = one.question
    return QuestionOut(
        id=question.id,
        package_id=question.package_id,
        number_id=question.number_id,
        ard_id=question.ard_id,
        state=question.state,
        asked_at=question.asked_at,
        due_on=question.due_on,
        overdue=one.overdue,
        entries=[
            {"number": entry.number, "kind": entry.kind, "text": entry.text, "package_id": entry.package_id,
             "organisation_id": entry.organisation_id, "said_at": entry.said_at}
            for entry in one.entries
        ],
    )  # fmt: skip


@router.get("/packages/{package_id}/questions", response_model=list[QuestionOut])
def get_of_package(visitor: ReadsQuestions, platform: PlatformDep, package_id: str) -> list[QuestionOut]:
    """Those of one's own organisation, asked or to be answered; what is owed first comes first."""
    package_files.opened(platform, visitor, package_id)
    return [shown(one) for one in flow.questions_of(platform, visitor.actor, package_id)]


@router.post("/packages/{package_id}/questions", response_model=QuestionOut, status_code=201)
def post_question(
    visitor: AsksAboutPackages, platform: PlatformDep, package_id: str, asked: QuestionIn
) -> QuestionOut:
    """Ask about a number or about the whole."""
    question = flow.ask(platform, visitor.actor, package_id, asked.text, asked.number_id)
    return shown(flow.question_of(platform, visitor.actor, question.id))


@router.get("/package-questions", response_model=list[QuestionOut])
def get_all(visitor: ReadsQuestions, platform: PlatformDep) -> list[QuestionOut]:
    """All that one's own organisation asked or has to answer."""
    return [shown(one) for one in flow.questions_of(platform, visitor.actor)]


@router.get("/package-questions/{question_id}", response_model=QuestionOut)
def get_one(visitor: ReadsQuestions, platform: PlatformDep, question_id: str) -> QuestionOut:
    return shown(flow.question_of(platform, visitor.actor, question_id))


@router.post("/package-questions/{question_id}/answers", response_model=QuestionOut, status_code=201)
def post_answer(
    visitor: AnswersAboutPackages, platform: PlatformDep, question_id: str, given: AnswerIn
) -> QuestionOut:
    """The team's answer."""
    flow.answer(platform, visitor.actor, question_id, given.text, given.later_package)
    return get_one(visitor, platform, question_id)


@router.post("/package-questions/{question_id}/again", response_model=QuestionOut, status_code=201)
def post_again(
    visitor: AsksAboutPackages, platform: PlatformDep, question_id: str, said: SaidIn
) -> QuestionOut:
    """The answer was none: the clock starts once more."""
    flow.ask_again(platform, visitor.actor, question_id, said.text)
    return get_one(visitor, platform, question_id)


@router.post("/package-questions/{question_id}/close", response_model=QuestionOut)
def post_close(
    visitor: AsksAboutPackages, platform: PlatformDep, question_id: str, said: SaidIn
) -> QuestionOut:
    """Close it, with a word why."""
    flow.close(platform, visitor.actor, question_id, said.text)
    return get_one(visitor, platform, question_id)
