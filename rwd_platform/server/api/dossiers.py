"""What a package for a purpose needs: people's statements, what is missing, and who must act."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from rwd_platform.core.text import Bilingual
from rwd_platform.flows import dossier
from rwd_platform.flows.dossier_inputs import Chosen, Wanted, chosen_for
from rwd_platform.flows.statements import put_statements, statements_of
from rwd_platform.records.tables import Study
from rwd_platform.server import protocols, queries, steps
from rwd_platform.server.api.models import REFUSALS, JobOut, Out, PackageIn
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/studies", tags=["dossiers"], responses=REFUSALS)

PreparesDossiers = Annotated[Visitor, Depends(Door("package.assemble"))]
_Choice = Annotated[str, Query(max_length=80)]
MOST_STATEMENTS = 500


class StatementIn(BaseModel):
    """`zh` of a choice is its id; an empty one takes the statement back. `en` may be left out."""

    zh: str = Field(max_length=20_000)
    en: str = Field(default="", max_length=20_000)


class StatementsIn(BaseModel):
    statements: dict[str, StatementIn] = Field(max_length=MOST_STATEMENTS)


class StatementsOut(Out):
    study_id: str
    statements: dict[str, dict[str, str]]


class DossierOut(Out):
    """`waiting`: what the purpose may ask people for, and what was said; `lacking`: as last checked, None: never."""

    study_id: str
    profile: str
    title: dict[str, str]
    tiers: list[str]
    waiting: list[dict[str, Any]]
    checked_at: str
    lacking: list[dict[str, Any]] | None


@router.get("/{study_id}/statements", response_model=StatementsOut)
def get_statements(visitor: PreparesDossiers, platform: PlatformDep, study_id: str) -> StatementsOut:
    """The newest words of each statement."""
    queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    said = statements_of(platform, study_id)
    return StatementsOut(study_id=study_id, statements={id: one._asdict() for id, one in said.items()})


@router.put("/{study_id}/statements", response_model=StatementsOut)
def put_all(
    visitor: PreparesDossiers, platform: PlatformDep, study_id: str, given: StatementsIn
) -> StatementsOut:
    """Write statements: all of them or, where one cannot be used, none. Those not named stay as they are."""
    said = {id: Bilingual(one.zh, one.en) for id, one in given.statements.items()}
    put(platform, visitor, study_id, said)
    return get_statements(visitor, platform, study_id)


def put(platform: PlatformDep, visitor: Visitor, study_id: str, said: dict[str, Bilingual]) -> int:
    """How many were written. Blank ones are taken back; English alone is no statement, and is refused as such."""
    blank = tuple(id for id, one in said.items() if not (one.zh.strip() or one.en.strip()))
    kept = {id: _both(one) for id, one in said.items() if id not in blank}
    return len(put_statements(platform, visitor.actor, study_id, kept, blank))


@router.get("/{study_id}/dossier", response_model=DossierOut)
def get_dossier(
    visitor: PreparesDossiers,
    platform: PlatformDep,
    study_id: str,
    purpose: _Choice = "registration",
    audience: _Choice = "authority",
) -> DossierOut:
    """What a purpose's reader expects of people, and what the last check found missing."""
    from studies.evidence.profiles.choice import tiers_of

    chosen = chosen_by(platform, visitor, study_id, Wanted(purpose, audience))
    checked = dossier.newest_check(platform, study_id, purpose, audience)
    return DossierOut(
        study_id=study_id,
        profile=chosen.profile.id,
        title=chosen.profile.title._asdict(),
        tiers=list(tiers_of(chosen.profile, audience)),
        waiting=[
            {
                "id": one.asked.id,
                "asks": one.asked.asks._asdict(),
                "who": one.asked.who._asdict(),
                "next": one.asked.next._asdict(),
                "least": one.asked.least,
                "most": one.asked.most,
                "choices": list(one.asked.choices) if one.asked.choices else None,
                "said": one.said._asdict() if one.said else None,
            }
            for one in dossier.statements_waiting(platform, study_id, chosen.profile)
        ],
        checked_at=checked.made_at if checked else "",
        lacking=checked.lacking if checked else None,
    )


@router.post("/{study_id}/dossier-checks", response_model=JobOut, status_code=202)
def post_check(visitor: PreparesDossiers, platform: PlatformDep, study_id: str, wanted: PackageIn) -> JobOut:
    """Look at everything that the package would hold, and keep what is missing."""
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    return JobOut.of(steps.start_dossier_check(platform, visitor, study, wanted.wanted()))


def chosen_by(platform: PlatformDep, visitor: Visitor, study_id: str, wanted: Wanted) -> Chosen:
    """What is asked of a study that the visitor may prepare packages of. Raises as `chosen_for` does."""
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    return chosen_for(protocols.product(study.protocol), wanted)


def _both(said: Bilingual) -> Bilingual:
    return said if said.en.strip() else Bilingual(said.zh, said.zh)
