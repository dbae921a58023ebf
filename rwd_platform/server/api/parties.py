"""Legal entities that give or receive data: what the law asks about them, and when it was checked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from rwd_platform.flows.parties import Profile, record_party
from rwd_platform.server import parties
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.parties import Entity

router = APIRouter(prefix="/api/v1/parties", tags=["parties"], responses=REFUSALS)

RecordsParties = Annotated[Visitor, Depends(Door("party.record"))]
Short = Annotated[str, Field(max_length=1000)]


class PartyIn(BaseModel):
    """The answers are yes | no | unknown; `country` is ISO 3166-1 alpha-2; `checked_on` a day in Asia/Shanghai."""

    model_config = ConfigDict(extra="forbid")

    country: Short
    foreign_controlled: Short
    state_organ: Short
    restricted: Short
    checked_on: Short
    contact: Short
    group_name: Short = ""

    def as_profile(self) -> Profile:
        return Profile(**self.model_dump())


class StatusOut(Out):
    country: str
    foreign_controlled: str
    state_organ: str
    restricted: str
    checked_on: str
    contact: str
    group_name: str
    recorded_by: str
    recorded_at: str


class PartyOut(Out):
    """`status` is null where nothing is on record."""

    id: str
    kind: str
    name_zh: str
    name_en: str
    status: StatusOut | None

    @classmethod
    def of(cls, one: Entity) -> PartyOut:
        status = StatusOut.model_validate(one.party) if one.party else None
        return cls(id=one.id, kind=one.kind, name_zh=one.name.zh, name_en=one.name.en, status=status)


@router.get("", response_model=list[PartyOut])
def get_parties(_: RecordsParties, platform: PlatformDep) -> list[PartyOut]:
    """Every organisation and registered recipient; those that nobody has checked come first."""
    return [PartyOut.of(one) for one in parties.entities(platform)]


@router.get("/{party_id}", response_model=PartyOut)
def get_party(_: RecordsParties, platform: PlatformDep, party_id: str) -> PartyOut:
    return PartyOut.of(parties.entity(platform, party_id))


@router.put("/{party_id}", response_model=PartyOut)
def put_party(visitor: RecordsParties, platform: PlatformDep, party_id: str, asked: PartyIn) -> PartyOut:
    """Put it on record, replacing what was said before; the log keeps both."""
    parties.entity(platform, party_id)
    record_party(platform, visitor.actor, party_id, asked.as_profile())
    return PartyOut.of(parties.entity(platform, party_id))
