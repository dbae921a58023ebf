"""Releases of results: ask, read the check, vote, carry out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import provisions_of
from rwd_platform.flows.provision_facts import JUDICIAL_REQUEST
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_circles import NewCircle, register_circle, registered_circles
from rwd_platform.flows.release_ends import confirm_deletion, recall_release, withdraw_release
from rwd_platform.flows.release_links import end_link, links_of, make_link
from rwd_platform.flows.release_votes import shown_to, vote, votes_of, word_of
from rwd_platform.records.tables import OutputRelease
from rwd_platform.server import releases
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/releases", tags=["releases"], responses=REFUSALS)

ReadsReleases = Annotated[Visitor, Depends(Door("release.read"))]
AsksForReleases = Annotated[Visitor, Depends(Door("release.request"))]
Recalls = Annotated[Visitor, Depends(Door("provision.recall"))]
VotesOnReleases = Annotated[Visitor, Depends(Door("release.approve"))]


# Of a provision's decision what every reader of the release is told; its sentences hold the exporter's counts.
_TOLD = (
    "verdict",
    "personal_information_path",
    "genetic_resources_path",
    "missing",
    "unknown",
    "rules",
    "rule_pack",
)


class ReleaseIn(BaseModel):
    """`recipient`: public | insurer | sponsor | researcher | competent_authority.

    `circle` is the registered circle that will hold the results; `conditions` what the kind of recipient asks
    for: purpose, authorisation, encryption (a key's fingerprint or a transport, as declared).
    `foreign_judicial_request`: yes | no, whether it answers a foreign judicial or law-enforcement body; without an
    answer nothing goes abroad.
    """

    model_config = ConfigDict(extra="forbid")

    package_id: str = Field(max_length=120)
    recipient: str = Field(max_length=40)
    circle: str = Field(default="", max_length=200)
    purpose: str = Field(default="", max_length=2000)
    authorisation: str = Field(default="", max_length=2000)
    encryption: str = Field(default="", max_length=200)
    foreign_judicial_request: str = Field(default="", max_length=10)

    def conditions(self) -> dict[str, str]:
        given = {
            "purpose": self.purpose,
            "authorisation": self.authorisation,
            "encryption": self.encryption,
            JUDICIAL_REQUEST: self.foreign_judicial_request,
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
    """`word` is approve, return or refuse; `objections` says by file of the package what is wrong with it."""

    word: str = Field(max_length=20)
    reason: str = Field(min_length=1, max_length=2000)
    objections: dict[str, str] = Field(default_factory=dict, max_length=1000)


class VoteOut(Out):
    approver_id: str
    word: str
    reason: str
    objections: dict[str, str]
    voted_at: str


class ReasonIn(BaseModel):
    reason: str = Field(min_length=1, max_length=2000)


class LinkIn(BaseModel):
    made_for: str = Field(max_length=400)
    days: int
    downloads: int


class LinkOut(Out):
    id: str
    release_id: str
    made_for: str
    made_at: str
    expires_at: str
    most_downloads: int
    downloads: int
    ended_at: str


class NewLinkOut(LinkOut):
    token: str  # shown this once


class DeletionIn(BaseModel):
    letter_sha256: str = Field(max_length=64)
    confirmed_on: str = Field(max_length=10)


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

    provisions: list[dict[str, Any]] = Field(default_factory=list)

    @classmethod
    def of(cls, asked: OutputRelease, platform: Platform, reader: str) -> ReleaseOut:
        """The words of others are left out until two are in."""
        shown = shown_to(asked, votes_of(platform, asked.id), reader)
        votes = [
            VoteOut.model_validate(cast).model_copy(update={"word": str(word_of(cast))}) for cast in shown
        ]
        provisions = [
            {
                "id": one.id,
                "exporter": one.organisation_id,
                "state": one.state,
                **{key: one.decision.get(key) for key in _TOLD},
            }
            for one in provisions_of(platform, asked.id)
        ]
        return cls.model_validate(asked).model_copy(update={"votes": votes, "provisions": provisions})


@router.get("", response_model=list[ReleaseOut])
def get_releases(visitor: ReadsReleases, platform: PlatformDep) -> list[ReleaseOut]:
    return [ReleaseOut.of(one, platform, visitor.actor.id) for one in releases.visible(platform, visitor)]


@router.post("", response_model=ReleaseOut, status_code=201)
def post_release(visitor: AsksForReleases, platform: PlatformDep, asked: ReleaseIn) -> ReleaseOut:
    """Ask for a release. What fails the check is `refused` at once, with its findings."""
    made = request_release(
        platform, visitor.actor, asked.package_id, asked.recipient, asked.circle, asked.conditions()
    )
    return ReleaseOut.of(made, platform, visitor.actor.id)


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
    return ReleaseOut.of(releases.one(platform, visitor, release_id), platform, visitor.actor.id)


@router.post("/{release_id}/votes", response_model=ReleaseOut)
def post_vote(visitor: VotesOnReleases, platform: PlatformDep, release_id: str, cast: VoteIn) -> ReleaseOut:
    """One officer's word, shown to nobody else before two are in. The stricter of the two decides."""
    done = vote(platform, visitor.actor, release_id, cast.word, cast.reason, cast.objections)
    return ReleaseOut.of(done, platform, visitor.actor.id)


@router.post("/{release_id}/completion", response_model=ReleaseOut)
def post_completion(visitor: AsksForReleases, platform: PlatformDep, release_id: str) -> ReleaseOut:
    """Carry out an approved release: checked and decided once more, then on the ledgers."""
    return ReleaseOut.of(release(platform, visitor.actor, release_id), platform, visitor.actor.id)


@router.post("/{release_id}/withdrawal", response_model=ReleaseOut)
def post_withdrawal(
    visitor: AsksForReleases, platform: PlatformDep, release_id: str, why: ReasonIn
) -> ReleaseOut:
    """Take a request back before it leaves."""
    done = withdraw_release(platform, visitor.actor, release_id, why.reason)
    return ReleaseOut.of(done, platform, visitor.actor.id)


@router.post("/{release_id}/recall", response_model=ReleaseOut)
def post_recall(visitor: Recalls, platform: PlatformDep, release_id: str, why: ReasonIn) -> ReleaseOut:
    """Ask for it back: no door hands it out any more."""
    done = recall_release(platform, visitor.actor, release_id, why.reason)
    return ReleaseOut.of(done, platform, visitor.actor.id)


@router.post("/{release_id}/provisions/{provision_id}/deletion", status_code=204)
def post_deletion(
    visitor: Recalls, platform: PlatformDep, release_id: str, provision_id: str, said: DeletionIn
) -> None:
    """The recipient's letter that its copies are gone, by its SHA-256 and day."""
    releases.provision_of(platform, visitor, release_id, provision_id)
    confirm_deletion(platform, visitor.actor, provision_id, said.letter_sha256, said.confirmed_on)


@router.get("/{release_id}/links", response_model=list[LinkOut])
def get_links(visitor: AsksForReleases, platform: PlatformDep, release_id: str) -> list[LinkOut]:
    releases.own(platform, visitor, release_id)
    return [LinkOut.model_validate(one) for one in links_of(platform, release_id)]


@router.post("/{release_id}/links", response_model=NewLinkOut, status_code=201)
def post_link(visitor: AsksForReleases, platform: PlatformDep, release_id: str, asked: LinkIn) -> NewLinkOut:
    """A link for a recipient without an account. The token is in this answer and nowhere else."""
    made = make_link(platform, visitor.actor, release_id, asked.made_for, asked.days, asked.downloads)
    return NewLinkOut(**LinkOut.model_validate(made.row).model_dump(), token=made.token)


@router.post("/{release_id}/links/{link_id}/end", response_model=LinkOut)
def post_link_end(visitor: AsksForReleases, platform: PlatformDep, release_id: str, link_id: str) -> LinkOut:
    releases.link_of(platform, visitor, release_id, link_id)
    return LinkOut.model_validate(end_link(platform, visitor.actor, link_id))
