"""Legal entities: who has been checked, and the form in which a privacy officer records it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.parties import Profile, record_party
from rwd_platform.flows.platform import Platform
from rwd_platform.server import parties, queries
from rwd_platform.server.api.parties import RecordsParties
from rwd_platform.server.countries import country_name, country_names
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.parties import Entity
from rwd_platform.server.templating import render

router = APIRouter()

Line = Annotated[str, Form(max_length=1000)]
Word = Annotated[str, Form(max_length=40)]


@router.get("/parties")
def get_parties(_: RecordsParties, request: Request, platform: PlatformDep) -> Response:
    found = parties.entities(platform)
    return render(
        request,
        "parties.html",
        entities=found,
        unchecked=sum(not one.is_checked for one in found),
        questions=parties.QUESTIONS,
        answers=parties.ANSWERS,
        country_name=country_name,
    )


@router.get("/parties/{party_id}")
def get_party(_: RecordsParties, request: Request, platform: PlatformDep, party_id: str) -> Response:
    one = parties.entity(platform, party_id)
    return _form(request, platform, one, _profile(platform, one))


@router.post("/parties/{party_id}")
def post_party(
    visitor: RecordsParties,
    request: Request,
    platform: PlatformDep,
    party_id: str,
    country: Word = "",
    foreign_controlled: Word = "",
    state_organ: Word = "",
    restricted: Word = "",
    checked_on: Word = "",
    contact: Line = "",
    group_name: Line = "",
) -> Response:
    """What was filled in stays filled in when something is wrong."""
    one = parties.entity(platform, party_id)
    said = Profile(country, foreign_controlled, state_organ, restricted, checked_on, contact, group_name)
    try:
        record_party(platform, visitor.actor, party_id, said)
    except PlatformError as error:
        return _form(request, platform, one, said, error)
    return RedirectResponse("/parties", status_code=303)


def _profile(platform: Platform, one: Entity) -> Profile:
    """What is on record. What is not is asked for, with nothing proposed but today as the day of the check."""
    row = one.party
    if row is None:
        return Profile("", "unknown", "unknown", "unknown", shanghai_date(platform.clock()).isoformat(), "")
    return Profile(
        row.country, row.foreign_controlled, row.state_organ, row.restricted, row.checked_on, row.contact,
        row.group_name,
    )  # fmt: skip


def _form(
    request: Request,
    platform: Platform,
    one: Entity,
    said: Profile,
    error: PlatformError | None = None,
) -> Response:
    return render(
        request,
        "party.html",
        status=error.http if error else 200,
        one=one,
        said=said,
        recorded_by=queries.person_of(platform.records, one.party.recorded_by) if one.party else None,
        countries=country_names(),
        questions=parties.QUESTIONS,
        answers=parties.ANSWERS,
        today=shanghai_date(platform.clock()).isoformat(),
        error=error,
    )
