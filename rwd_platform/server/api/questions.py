"""Questions to hospitals: ask about a failing rule, answer, decide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from rwd_platform.flows import quality_question_list as listing
from rwd_platform.flows import quality_question_rows, quality_questions
from rwd_platform.flows.quality_question_list import QuestionFilter, QuestionSeen
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/questions", tags=["questions"], responses=REFUSALS)

ReadsQuestions = Annotated[Visitor, Depends(Door("question.read"))]
AsksHospitals = Annotated[Visitor, Depends(Door("question.ask"))]
AnswersQuestions = Annotated[Visitor, Depends(Door("question.answer"))]
DecidesQuestions = Annotated[Visitor, Depends(Door("question.close"))]
# Longer than any text that is kept, so that the flow says what is wrong with it.
Typed = Annotated[str, Field(max_length=200_000)]
Page = Annotated[int, Query(ge=1, le=100_000)]


class QuestionIn(BaseModel):
    organisation_id: str = Field(max_length=200)
    rule: str = Field(max_length=200)
    text: Typed = ""


class AnswerIn(BaseModel):
    """`answer`: corrected, confirmed or cannot_be_mended; `upload_id` names the upload that corrects."""

    answer: str = Field(max_length=40)
    text: Typed
    upload_id: str = Field(default="", max_length=200)


class DecisionIn(BaseModel):
    """`decision`: close or return. `seen`: the number of the last entry that was read."""

    decision: str = Field(max_length=40)
    text: Typed
    seen: int = Field(ge=0, le=1_000_000)


class EntryOut(Out):
    number: int
    kind: str
    organisation_id: str
    said_by: str
    said_at: str
    answer: str
    upload_id: str
    run_id: str
    outcome: str
    failing: int | None
    text: str


class NowOut(Out):
    """What the newest quality run says: the rule's status there, `not_run` or `gone` where it has none."""

    status: str
    applicable: int
    failing: int
    checked_at: str


class QuestionOut(Out):
    """A question as it stands. `entries_said` are left out of lists."""

    id: str
    organisation_id: str
    table_name: str
    rule: str
    zh: str
    en: str
    run_id: str
    outcome: str
    applicable: int
    failing: int
    state: str
    asked_by: str
    asked_at: str
    changed_at: str
    age_days: int
    entries: int
    accepted_failing: int | None
    rows_total: int | None
    now: NowOut | None
    entries_said: list[EntryOut]

    @classmethod
    def of(cls, seen: QuestionSeen) -> QuestionOut:
        now = None
        if seen.now is not None:
            now = NowOut(
                status=seen.now.status,
                applicable=seen.now.applicable,
                failing=seen.now.failing,
                checked_at=seen.now_at,
            )
        more = {
            "zh": seen.rule.zh,
            "en": seen.rule.en,
            "age_days": seen.age_days,
            "now": now,
            "entries_said": [EntryOut.model_validate(one) for one in seen.entries],
        }
        return cls.model_validate({**seen.row.model_dump(), **more})


class QuestionsOut(Out):
    """One page, the oldest question first, and how many there are in all."""

    total: int
    questions: list[QuestionOut]


class PlaceOut(Out):
    """Where a failing row stands in the hospital's own file."""

    file: str
    upload_id: str
    resource_type: str
    line: int
    member: str
    entry: int | None
    row: int | None


class PlacesOut(Out):
    """One page of places; `listed` of the `total` failing rows are listed. None: not looked for yet."""

    listed: int
    total: int | None
    places: list[PlaceOut]


@router.get("", response_model=QuestionsOut)
def get_questions(
    visitor: ReadsQuestions,
    platform: PlatformDep,
    hospital: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=40)] = listing.OPEN,
    older_than_days: Annotated[int, Query(ge=0, le=36_500)] = 0,
    page: Page = 1,
) -> QuestionsOut:
    """By hospital, state (`open`: all that are not closed; empty: all) and age. A hospital sees its own."""
    wanted = QuestionFilter(hospital, state, older_than_days)
    seen, total = listing.questions_seen(platform, visitor.actor, wanted, page)
    return QuestionsOut(total=total, questions=[QuestionOut.of(one) for one in seen])


@router.post("", response_model=QuestionOut, status_code=201)
def post_question(visitor: AsksHospitals, platform: PlatformDep, asked: QuestionIn) -> QuestionOut:
    """Put a failing rule of a hospital to it. One question a rule is open at a time."""
    row = quality_questions.ask(platform, visitor.actor, asked.organisation_id, asked.rule, asked.text)
    return QuestionOut.of(listing.question_seen(platform, visitor.actor, row.id))


@router.get("/{question_id}", response_model=QuestionOut)
def get_question(visitor: ReadsQuestions, platform: PlatformDep, question_id: str) -> QuestionOut:
    return QuestionOut.of(listing.question_seen(platform, visitor.actor, question_id))


@router.get("/{question_id}/rows", response_model=PlacesOut)
def get_rows(visitor: AnswersQuestions, platform: PlatformDep, question_id: str, page: Page = 1) -> PlacesOut:
    """For the hospital that is asked: file and line of each failing row."""
    found, listed = quality_question_rows.rows_of(platform, visitor.actor, question_id, page)
    total = listing.question_seen(platform, visitor.actor, question_id).row.rows_total
    places = [PlaceOut.model_validate({**row.model_dump(), "file": name}) for row, name in found]
    return PlacesOut(listed=listed, total=total, places=places)


@router.post("/{question_id}/answers", response_model=QuestionOut, status_code=201)
def post_answer(
    visitor: AnswersQuestions, platform: PlatformDep, question_id: str, given: AnswerIn
) -> QuestionOut:
    """The hospital's answer. A question that is answered takes no second answer until it is returned."""
    quality_questions.answer(platform, visitor.actor, question_id, given.answer, given.text, given.upload_id)
    return QuestionOut.of(listing.question_seen(platform, visitor.actor, question_id))


@router.post("/{question_id}/decisions", response_model=QuestionOut, status_code=201)
def post_decision(
    visitor: DecidesQuestions, platform: PlatformDep, question_id: str, decided: DecisionIn
) -> QuestionOut:
    """Close it or return it. Whoever asked or answered does not close it."""
    quality_questions.decide(
        platform, visitor.actor, question_id, decided.decision, decided.text, decided.seen
    )
    return QuestionOut.of(listing.question_seen(platform, visitor.actor, question_id))
