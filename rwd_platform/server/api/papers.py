"""Papers on file: record, file, revoke; and what each is worth today."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from rwd_platform.flows import instruments as flow
from rwd_platform.flows.instruments import NewPaper
from rwd_platform.server import papers
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/papers", tags=["papers"], responses=REFUSALS)

ReadsPapers = Annotated[Visitor, Depends(Door("instrument.read"))]
RecordsPapers = Annotated[Visitor, Depends(Door("instrument.record"))]

Short = Annotated[str, Field(max_length=200)]
Filter = Annotated[str, Query(max_length=80)]


class PaperIn(BaseModel):
    """A paper as it is recorded. Days are YYYY-MM-DD in Asia/Shanghai, "" where there is none.

    `scope`: lists by dimension as the kind asks for them, `persons` a number; ["*"] covers everything.
    `replaces`: the version that this one takes the place of.
    """

    model_config = ConfigDict(extra="forbid")

    exporter: Short
    kind: Short
    number: Annotated[str, Field(max_length=1000)]
    effective_from: Short
    valid_until: Short = ""
    filed_on: Short = ""
    answer: Short = ""
    scope: dict[str, Any] = Field(default_factory=dict)
    evidence_sha256: Short = ""
    note: Annotated[str, Field(max_length=5000)] = ""
    replaces: Short = ""


class FilingIn(BaseModel):
    filed_on: Short


class RevocationIn(BaseModel):
    reason: Annotated[str, Field(max_length=5000)]


class PaperOut(Out):
    """`organisation_id` is the exporter, whose paper it is; `version` counts up along `replaces`."""

    id: str
    organisation_id: str
    kind: str
    number: str
    version: int
    answer: str
    effective_from: str
    valid_until: str
    filed_on: str
    revoked_on: str
    scope: dict[str, Any]
    evidence_sha256: str
    note: str
    replaces: str
    recorded_by: str
    recorded_at: str


@router.get("", response_model=list[PaperOut])
def get_papers(
    visitor: ReadsPapers, platform: PlatformDep, exporter: Filter = "", kind: Filter = ""
) -> list[PaperOut]:
    return [PaperOut.model_validate(one.row) for one in papers.papers(platform, visitor, exporter, kind)]


@router.post("", response_model=PaperOut, status_code=201)
def post_paper(visitor: RecordsPapers, platform: PlatformDep, asked: PaperIn) -> PaperOut:
    """A hospital records its own papers, a privacy officer anybody's. Nothing is edited: a new version replaces."""
    paper = NewPaper(**asked.model_dump())
    return PaperOut.model_validate(flow.record_instrument(platform, visitor.actor, paper))


@router.get("/{paper_id}", response_model=PaperOut)
def get_paper(visitor: ReadsPapers, platform: PlatformDep, paper_id: str) -> PaperOut:
    return PaperOut.model_validate(papers.paper(platform, visitor, paper_id)[0].row)


@router.post("/{paper_id}/filing", response_model=PaperOut)
def post_filing(visitor: RecordsPapers, platform: PlatformDep, paper_id: str, asked: FilingIn) -> PaperOut:
    """The day on which the authority accepted the filing; once."""
    return PaperOut.model_validate(flow.file_instrument(platform, visitor.actor, paper_id, asked.filed_on))


@router.post("/{paper_id}/revocation", response_model=PaperOut)
def post_revocation(
    visitor: RecordsPapers, platform: PlatformDep, paper_id: str, asked: RevocationIn
) -> PaperOut:
    """From today on it serves nothing; what rested on it before keeps its decision."""
    return PaperOut.model_validate(flow.revoke_instrument(platform, visitor.actor, paper_id, asked.reason))
