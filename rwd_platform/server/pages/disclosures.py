"""Where one patient's data went: a form, the answer, and the answer as a file. No number in any address."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlmodel import select
from starlette.responses import Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.disclosure_events import fhir_file
from rwd_platform.flows.disclosures import disclosures_of
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Organisation, Upload
from rwd_platform.server import disclosures
from rwd_platform.server.api.disclosures import ReadsDisclosures, as_download
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.disclosures import Question
from rwd_platform.server.templating import render

router = APIRouter()

Typed = Annotated[str, Form(max_length=5000)]
MOST_SHOWN = 200


@router.get("/disclosures")
def get_form(visitor: ReadsDisclosures, request: Request, platform: PlatformDep) -> Response:
    return _page(request, platform, visitor)


@router.post("/disclosures")
def post_question(
    visitor: ReadsDisclosures,
    request: Request,
    platform: PlatformDep,
    patient: Typed = "",
    organisation_id: Typed = "",
    source_system: Typed = "",
) -> Response:
    """What names the patient is not shown again, neither with the answer nor with an error."""
    asked = Question(organisation_id, patient, source_system)
    try:
        found = disclosures_of(platform, visitor.actor, organisation_id, patient, source_system)
    except PlatformError as error:
        return _page(request, platform, visitor, error=error)
    return _page(
        request,
        platform,
        visitor,
        found=found,
        told=disclosures.lines(platform, found.told[:MOST_SHOWN]),
        untold=disclosures.lines(platform, found.untold[:MOST_SHOWN]),
        question=disclosures.sealed(platform, visitor, asked),
    )


@router.post("/disclosures/file")
def post_file(
    visitor: ReadsDisclosures,
    request: Request,
    platform: PlatformDep,
    question: Annotated[str, Form(max_length=20_000)] = "",
) -> Response:
    """The answer as FHIR. Asked anew, and so in the log anew."""
    try:
        asked = disclosures.opened(platform, visitor, question)
        found = disclosures_of(
            platform, visitor.actor, asked.hospital, asked.patient, asked.source_system, form="fhir"
        )
    except PlatformError as error:
        return _page(request, platform, visitor, error=error)
    return as_download(fhir_file(platform, found, asked.patient))


def _page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    *,
    error: PlatformError | None = None,
    **answer: Any,
) -> Response:
    own = visitor.actor.organisation if visitor.actor.role == "hospital" else ""
    hospitals = platform.records.all(select(Organisation).where(Organisation.kind == "hospital"))
    shown = {"found": None, "told": [], "untold": [], "question": "", **answer}
    return render(
        request,
        "disclosures.html",
        status=error.http if error else 200,
        error=error,
        own=own,
        hospitals=hospitals,
        systems=_systems(platform, own),
        most=MOST_SHOWN,
        **shown,
    )


def _systems(platform: Platform, hospital: str) -> list[str]:
    """The source systems of the visitor's own hospital; an officer types the name."""
    if not hospital:
        return []
    with platform.records.reading() as session:
        query = select(Upload.source_system).where(Upload.organisation_id == hospital).distinct()
        return sorted(session.exec(query).all())
