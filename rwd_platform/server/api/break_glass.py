"""Break-glass: ask who one patient is, vote, look once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from rwd_platform.flows import break_glass
from rwd_platform.flows.break_glass import RequestSeen
from rwd_platform.flows.vault import Identity
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/break-glass", tags=["break-glass"], responses=REFUSALS)

ReadsRequests = Annotated[Visitor, Depends(Door("break_glass.read"))]
AsksWho = Annotated[Visitor, Depends(Door("break_glass.request"))]
Approves = Annotated[Visitor, Depends(Door("break_glass.approve"))]
OpensIdentity = Annotated[Visitor, Depends(Door("break_glass.open"))]


class RequestIn(BaseModel):
    """`patient_id` is the pseudonym of one patient; `minutes` count from the second approval."""

    patient_id: str = Field(max_length=200)
    reason: str = Field(max_length=5000)
    minutes: int = Field(ge=1, le=100_000)


class VoteIn(BaseModel):
    approved: bool
    reason: str = Field(max_length=5000)


class VoteOut(Out):
    approver_id: str
    approved: bool
    reason: str
    voted_at: str


class RequestOut(Out):
    """A request as it is now; one whose time has passed is `expired`."""

    id: str
    patient_id: str
    organisation_id: str
    requested_by: str
    requester_organisation_id: str
    reason: str
    minutes: int
    state: str
    requested_at: str
    open_until: str
    opened_at: str
    seconds_left: int
    votes: list[VoteOut]

    @classmethod
    def of(cls, seen: RequestSeen) -> RequestOut:
        votes = [VoteOut.model_validate(vote) for vote in seen.votes]
        now = {"state": seen.state.value, "seconds_left": seen.seconds_left, "votes": votes}
        return cls.model_validate({**seen.row.model_dump(), **now})


class SystemValueOut(Out):
    """What was written, and under which system: of an identifier or a contact."""

    system: str
    value: str


class IdentityOut(Out):
    """Given once. Whoever keeps it keeps personal information outside the platform."""

    patient_id: str
    organisation_id: str
    source_system: str
    resource_id: str
    identifiers: list[SystemValueOut]
    names: list[str]
    telecom: list[SystemValueOut]
    addresses: list[str]
    birth_date: str

    @classmethod
    def of(cls, identity: Identity) -> IdentityOut:
        return cls(
            patient_id=identity.patient_id,
            organisation_id=identity.organisation_id,
            source_system=identity.source_system,
            resource_id=identity.resource_id,
            identifiers=[
                SystemValueOut(system=system, value=value) for system, value in identity.identifiers
            ],
            names=list(identity.names),
            telecom=[SystemValueOut(system=system, value=value) for system, value in identity.telecom],
            addresses=list(identity.addresses),
            birth_date=identity.birth_date,
        )


@router.get("", response_model=list[RequestOut])
def get_requests(visitor: ReadsRequests, platform: PlatformDep) -> list[RequestOut]:
    """The newest first; people outside the privacy office see their own organisation's alone."""
    return [RequestOut.of(one) for one in break_glass.requests_seen(platform, visitor.actor)]


@router.post("", response_model=RequestOut, status_code=201)
def post_request(visitor: AsksWho, platform: PlatformDep, asked: RequestIn) -> RequestOut:
    """Ask who one patient is."""
    row = break_glass.request(platform, visitor.actor, asked.patient_id, asked.reason, asked.minutes)
    return RequestOut.of(break_glass.request_seen(platform, visitor.actor, row.id))


@router.get("/{request_id}", response_model=RequestOut)
def get_request(visitor: ReadsRequests, platform: PlatformDep, request_id: str) -> RequestOut:
    return RequestOut.of(break_glass.request_seen(platform, visitor.actor, request_id))


@router.post("/{request_id}/votes", response_model=RequestOut, status_code=201)
def post_vote(visitor: Approves, platform: PlatformDep, request_id: str, word: VoteIn) -> RequestOut:
    """One approver's word. Nobody votes twice, nor on a request of their own."""
    break_glass.vote(platform, visitor.actor, request_id, word.approved, word.reason)
    return RequestOut.of(break_glass.request_seen(platform, visitor.actor, request_id))


@router.post("/{request_id}/open", response_model=IdentityOut)
def post_open(visitor: OpensIdentity, platform: PlatformDep, request_id: str) -> IdentityOut:
    """Who it is: once, for the requester alone, in time."""
    return IdentityOut.of(break_glass.open_identity(platform, visitor.actor, request_id))
