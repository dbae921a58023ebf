"""Unsealing a study's results: one person asks, another decides."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.unseal_results import Knowledge, decide_unsealing, request_unsealing, votes_of
from rwd_platform.records.tables import Study, UnsealingRequest
from rwd_platform.server import queries, unsealings
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1", tags=["unsealing"], responses=REFUSALS)

ReadsResults = Annotated[Visitor, Depends(Door("results.read"))]
AsksForUnsealing = Annotated[Visitor, Depends(Door("results.unseal_request"))]
DecidesOnUnsealing = Annotated[Visitor, Depends(Door("results.unseal_approve"))]


class UnsealingIn(BaseModel):
    """`knowledge`: none | registered | seen; with `seen` goes what was seen, when and where."""

    reason: str = Field(min_length=1, max_length=2000)
    knowledge: str = Field(max_length=40)
    seen: str = Field(default="", max_length=2000)


class DecisionIn(BaseModel):
    agree: bool
    reason: str = Field(min_length=1, max_length=2000)


class DecisionOut(Out):
    voter_id: str
    agreed: bool
    reason: str
    voted_at: str


class UnsealingOut(Out):
    """`seen_before`: the day on which outcomes of this study were first open to its team; "" if they never were."""

    id: str
    study_id: str
    run_id: str
    knowledge: str
    seen: str
    seen_before: str
    reason: str
    diagnostics: list[dict[str, Any]]
    state: str
    requested_by: str
    requested_at: str
    decided_at: str
    votes: list[DecisionOut] = Field(default_factory=list)

    @classmethod
    def of(cls, asked: UnsealingRequest, platform: Platform) -> UnsealingOut:
        votes = [DecisionOut.model_validate(cast) for cast in votes_of(platform, asked.id)]
        return cls.model_validate(asked).model_copy(update={"votes": votes})


@router.get("/studies/{study_id}/unsealings", response_model=list[UnsealingOut])
def get_unsealings(visitor: ReadsResults, platform: PlatformDep, study_id: str) -> list[UnsealingOut]:
    """Who asked to see results, what they knew, and who agreed; the newest first."""
    study = queries.owned(platform.records, visitor, "results.read", Study, study_id)
    return [UnsealingOut.of(one.request, platform) for one in unsealings.visible(platform, visitor, study)]


@router.post("/studies/{study_id}/unsealings", response_model=UnsealingOut, status_code=201)
def post_unsealing(
    visitor: AsksForUnsealing, platform: PlatformDep, study_id: str, asked: UnsealingIn
) -> UnsealingOut:
    """Ask for the newest run's results. The planned diagnostics of that run come back with the request."""
    known = Knowledge(asked.knowledge, asked.seen)
    return UnsealingOut.of(
        request_unsealing(platform, visitor.actor, study_id, asked.reason, known), platform
    )


@router.get("/unsealings/{request_id}", response_model=UnsealingOut)
def get_unsealing(visitor: DecidesOnUnsealing, platform: PlatformDep, request_id: str) -> UnsealingOut:
    return UnsealingOut.of(unsealings.one(platform, visitor, request_id), platform)


@router.post("/unsealings/{request_id}/votes", response_model=UnsealingOut)
def post_vote(
    visitor: DecidesOnUnsealing, platform: PlatformDep, request_id: str, cast: DecisionIn
) -> UnsealingOut:
    """The second person's word. Agreed, the results are open from now on; refused, they stay sealed."""
    decided = decide_unsealing(platform, visitor.actor, request_id, cast.agree, cast.reason)
    return UnsealingOut.of(decided, platform)
