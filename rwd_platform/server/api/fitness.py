"""Fitness for use of a study's data: the newest assessment, a new one, and a person's judgement on an item."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from rwd_platform.flows import fitness
from rwd_platform.flows.jobs import enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Job, Study
from rwd_platform.server import queries
from rwd_platform.server.api.models import REFUSALS, JobOut, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/studies", tags=["fitness"], responses=REFUSALS)

ReadsFitness = Annotated[Visitor, Depends(Door("study.read"))]
AssessesFitness = Annotated[Visitor, Depends(Door("fitness.assess"))]


class FitnessOut(Out):
    """`assessment` is None before the first one; `stale`: quality was checked again since it was made."""

    study_id: str
    made_at: str
    stale: bool
    assessment: dict[str, Any] | None


class JudgementIn(BaseModel):
    """`status`: met, partly or not_met; `text` says what it rests on."""

    item: str = Field(max_length=200)
    status: str = Field(max_length=40)
    text: str = Field(max_length=200_000)


def start(platform: Platform, visitor: Visitor, study_id: str) -> Job:
    """Queue an assessment; two clicks queue one."""
    study = queries.owned(platform.records, visitor, "fitness.assess", Study, study_id)
    made = fitness.assessments_made(platform, study.id)
    key = f"study/{study.id}/fitness/{made}"
    return enqueue(platform, visitor.actor, "fitness", {"study_id": study.id}, key=key)


@router.get("/{study_id}/fitness", response_model=FitnessOut)
def get_fitness(visitor: ReadsFitness, platform: PlatformDep, study_id: str) -> FitnessOut:
    """Item by item: status, reason, figures, sources, and who judged it."""
    seen = fitness.fitness_of(platform, visitor.actor, study_id)
    return FitnessOut(study_id=study_id, made_at=seen.made_at, stale=seen.stale, assessment=seen.document)


@router.post("/{study_id}/fitness", response_model=JobOut, status_code=202)
def post_fitness(visitor: AssessesFitness, platform: PlatformDep, study_id: str) -> JobOut:
    """Assess the data as they are now."""
    return JobOut.of(start(platform, visitor, study_id))


@router.post("/{study_id}/fitness/answers", response_model=FitnessOut, status_code=201)
def post_judgement(
    visitor: AssessesFitness, platform: PlatformDep, study_id: str, given: JudgementIn
) -> FitnessOut:
    """A judgement under one's own name. An earlier one stays on record."""
    fitness.answer_item(platform, visitor.actor, study_id, given.item, given.status, given.text)
    return get_fitness(visitor, platform, study_id)
