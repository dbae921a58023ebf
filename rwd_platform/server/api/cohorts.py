"""Cohorts: a definition checked, counted on the lake, and why one patient is in or out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from rwd_platform.flows.cohorts import check_cohort, count_cohort, explain_patient
from rwd_platform.server.api.models import REFUSALS
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/cohorts", tags=["cohorts"], responses=REFUSALS)

CountsCohorts = Annotated[Visitor, Depends(Door("cohort.count"))]
ExplainsPatients = Annotated[Visitor, Depends(Door("cohort.explain"))]

MOST_CHARACTERS = 200_000


class DefinitionIn(BaseModel):
    """`definition`: the YAML of a cohort, alone or in a protocol."""

    definition: str = Field(max_length=MOST_CHARACTERS)


class PatientIn(DefinitionIn):
    """`patient_id`: the lake's pseudonym. It travels in the body: addresses end up in logs of proxies."""

    patient_id: str = Field(max_length=200)


@router.post("/check")
def post_check(visitor: CountsCohorts, platform: PlatformDep, asked: DefinitionIn) -> dict[str, Any]:
    """The definition in sentences, and what the linter finds. Reads nothing of the lake."""
    from studies.cohorts.as_json import as_json

    written = check_cohort(platform, visitor.actor, asked.definition)
    found = {"sentences": written.sentences, "findings": written.findings, "sha256": written.sha256}
    return dict(as_json(found))


@router.post("/count")
def post_count(visitor: CountsCohorts, platform: PlatformDep, asked: DefinitionIn) -> dict[str, Any]:
    """Patients at each step, protected: null stands for fewer than `minimum`, none included."""
    from studies.cohorts.as_json import as_json

    return dict(as_json(count_cohort(platform, visitor.actor, asked.definition)))


@router.post("/steps")
def post_steps(visitor: CountsCohorts, platform: PlatformDep, asked: DefinitionIn) -> dict[str, Any]:
    """As `count`, with who is lost at each step and who remains, protected alike."""
    from studies.cohorts.as_json import as_json

    return dict(as_json(count_cohort(platform, visitor.actor, asked.definition, characteristics=True)))


@router.post("/explain")
def post_explain(visitor: ExplainsPatients, platform: PlatformDep, asked: PatientIn) -> dict[str, Any]:
    """Why one patient of one's own hospital is in or out, with the rows that decided. Stands in the log."""
    from studies.cohorts.as_json import as_json

    return dict(as_json(explain_patient(platform, visitor.actor, asked.definition, asked.patient_id)))
