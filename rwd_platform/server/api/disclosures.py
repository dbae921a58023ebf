"""Where one patient's data went. The patient's number comes in the body: an address is kept in too many places."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from rwd_platform.flows.disclosure_events import FILE_NAME, MEDIA_TYPE, fhir_file
from rwd_platform.flows.disclosures import as_facts, disclosures_of
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/disclosures", tags=["disclosures"], responses=REFUSALS)

ReadsDisclosures = Annotated[Visitor, Depends(Door("disclosure.read"))]
Named = Annotated[str, Field(max_length=200)]


class DisclosureIn(BaseModel):
    """`patient` is the id at the hospital or the pseudonym; it is not kept. `hospital`: for a privacy officer."""

    patient: Named
    hospital: Named = ""
    source_system: Named = ""


class PaperOut(Out):
    id: str
    kind: str
    number: str


class LoggedOut(Out):
    """The log's entry that recorded the release; `leaf_hash` in hex."""

    sequence: int
    leaf_hash: str
    at: str


class DisclosureOut(Out):
    """`certainty`: included, or why it cannot be told (no_map, unresolved, erased, damaged)."""

    certainty: str
    release_id: str
    package_id: str
    package_sha256: str
    audience: str
    recipient: str
    purpose: str
    left_at: str
    exporters: list[str]
    papers: list[PaperOut]
    logged: LoggedOut | None
    downloads: list[str]
    recalled_at: str
    deleted_on: str


class DisclosuresOut(Out):
    """`patient` is a keyed reference. `releases` holds those about the patient and those of which it cannot be told."""

    hospital: str
    patient: str
    charts: int
    other_hospitals: int
    disclosures: int
    cannot_be_told: int
    releases: list[DisclosureOut]


def as_download(content: bytes) -> Response:
    """The file's name names nobody."""
    headers = {"content-disposition": f'attachment; filename="{FILE_NAME}"'}
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


@router.post("", response_model=DisclosuresOut)
def post_disclosures(visitor: ReadsDisclosures, platform: PlatformDep, asked: DisclosureIn) -> DisclosuresOut:
    """Every release that has left and was about the patient, the newest first. Each look stands in the log."""
    found = disclosures_of(platform, visitor.actor, asked.hospital, asked.patient, asked.source_system)
    return DisclosuresOut.model_validate(as_facts(found))


@router.post("/fhir")
def post_disclosures_file(visitor: ReadsDisclosures, platform: PlatformDep, asked: DisclosureIn) -> Response:
    """The same as a FHIR Bundle of AuditEvents after IHE BALP. A hospital's own number is in its own file alone."""
    found = disclosures_of(
        platform, visitor.actor, asked.hospital, asked.patient, asked.source_system, form="fhir"
    )
    return as_download(fhir_file(platform, found, asked.patient))
