"""Releases of results: ask, read the check, vote, carry out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_circles import NewCircle, register_circle, registered_circles
from rwd_platform.flows.release_votes import vote, votes_of
from rwd_platform.records.tables import OutputRelease
from rwd_platform.server import releases
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/releases", tags=["releases"], responses=REFUSALS)

ReadsReleases = Annotated[Visitor, Depends(Door("release.read"))]
AsksForReleases = Annotated[Visitor, Depends(Door("release.request"))]
VotesOnReleases = Annotated[Visitor, Depends(Door("release.approve"))]


class ReleaseIn(BaseModel):
    """`recipient`: public | insurer | sponsor | researcher | competent_authority.

    `circle` is the registered circle that will hold the results; `conditions` what the kind of recipient asks
    for: purpose, authorisation, encryption (a key's fingerprint or a transport, as declared).
    """

    model_config = ConfigDict(extra="forbid")

    package_id: str = Field(max_length=120)
    recipient: str = Field(max_length=40)
    circle: str = Field(default="", max_length=200)
    purpose: str = Field(default="", max_length=2000)
    authorisation: str = Field(default="", max_length=2000)
    encryption: str = Field(default="", max_length=200)

    def conditions(self) -> dict[str, str]:
        given = {
            "purpose": self.purpose,
            "authorisation": self.authorisation,
            "encryption": self.encryption,
        }
        return {name: text for name, text in given.items() if text}


class CircleIn(BaseModel):
    """A receiving organisation. `kind`: insurer | sponsor | researcher; `credit_code` "" where it has none."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=40)
    name_zh: str = Field(max_length=200)
    name_en: str = Field(max_length=200)
    legal_name: str = Field(max_length=200)
    credit_code: str = Field(default="", max_length=40)

    def as_new(self) -> NewCircle:
        return NewCircle(**self.model_dump())


class CircleOut(Out):
    id: str
    kind: str
    name_zh: str
    name_en: str


class VoteIn(BaseModel):
    approved: bool
    reason: str = Field(min_length=1, max_length=2000)


class VoteOut(Out):
    approver_id: str
    approved: bool
    reason: str
    voted_at: str


class ReleaseOut(Out):
    id: str
    package_id: str
    product: str
    recipient_kind: str
    circle: str
    content_sha256: str
    conditions: dict[str, Any]
    verdict: dict[str, Any]
    state: str
    requested_by: str
    requested_at: str
    decided_at: str
    votes: list[VoteOut] = Field(default_factory=list)

    @classmethod
    def of(cls, asked: OutputRelease, platform: Platform) -> ReleaseOut:
        votes = [VoteOut.model_validate(cast) for cast in votes_of(platform, asked.id)]
        return cls.model_validate(asked).model_copy(update={"votes": votes})


@router.get("", response_model=list[ReleaseOut])
def get_releases(visitor: ReadsReleases, platform: PlatformDep) -> list[ReleaseOut]:
    return [ReleaseOut.of(one, platform) for one in releases.visible(platform, visitor)]


@router.post("", response_model=ReleaseOut, status_code=201)
def post_release(visitor: AsksForReleases, platform: PlatformDep, asked: ReleaseIn) -> ReleaseOut:
    """Ask for a release. What fails the check is `refused` at once, with its findings."""
    made = request_release(
        platform, visitor.actor, asked.package_id, asked.recipient, asked.circle, asked.conditions()
    )
    return ReleaseOut.of(made, platform)


@router.get("/circles", response_model=list[CircleOut])
def get_circles(visitor: ReadsReleases, platform: PlatformDep) -> list[CircleOut]:
    """Everybody whom a release may name."""
    return [
        CircleOut(id=one.id, kind=one.kind, name_zh=one.title.zh, name_en=one.title.en)
        for one in registered_circles(platform)
    ]


@router.post("/circles", response_model=CircleOut, status_code=201)
def post_circle(visitor: VotesOnReleases, platform: PlatformDep, asked: CircleIn) -> CircleOut:
    """A privacy officer puts a receiving organisation on record, once."""
    return CircleOut.model_validate(register_circle(platform, visitor.actor, asked.as_new()))


@router.get("/{release_id}", response_model=ReleaseOut)
def get_release(visitor: ReadsReleases, platform: PlatformDep, release_id: str) -> ReleaseOut:
    return ReleaseOut.of(releases.one(platform, visitor, release_id), platform)


@router.post("/{release_id}/votes", response_model=ReleaseOut)
def post_vote(visitor: VotesOnReleases, platform: PlatformDep, release_id: str, cast: VoteIn) -> ReleaseOut:
    """One officer's word. Two different approvals approve; one refusal refuses."""
    return ReleaseOut.of(vote(platform, visitor.actor, release_id, cast.approved, cast.reason), platform)


@router.post("/{release_id}/completion", response_model=ReleaseOut)
def post_completion(visitor: AsksForReleases, platform: PlatformDep, release_id: str) -> ReleaseOut:
    """Carry out an approved release: checked once more, then on the ledger."""
    return ReleaseOut.of(release(platform, visitor.actor, release_id), platform)
