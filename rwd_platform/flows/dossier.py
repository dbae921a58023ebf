"""Before a package is made: what its reader expects, what is missing, and who must act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import col, select

from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.dossier_inputs import Wanted, basis_of, choose, chosen_for, words_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.flows.statements import statements_of
from rwd_platform.flows.study import frozen_protocol, newest_run
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import DossierCheck, Study

if TYPE_CHECKING:
    from studies.evidence.profiles.profile import Profile
    from studies.evidence.statements import Asked


@dataclass(frozen=True)
class Wait:
    """A statement that a purpose asks for, and what stands there now. `said` None: nobody wrote it yet."""

    asked: Asked
    said: Bilingual | None


def check_dossier(platform: Platform, actor: Actor, study_id: str, wanted: Wanted) -> DossierCheck:
    """Look at everything that the package would hold, render nothing, and keep what is missing."""
    from rwd_platform.flows.evidence_inputs import package_inputs
    from studies.evidence.package import lacking

    study = get_visible(platform.records, actor, Action.PACKAGE_ASSEMBLE, Study, study_id)
    run = newest_run(platform, study)
    with refusals_recorded(platform.records, actor, Action.PACKAGE_ASSEMBLE, "lock", run.lock_id):
        check_lock_usable(platform, run.lock_id)
        check_unsealed(run)
        chosen = choose(frozen_protocol(platform, study), wanted, platform.clock())
    words = words_of(platform, study, run)
    basis = basis_of(run, chosen, words)
    found = lacking(package_inputs(platform, study, run, chosen, words, version=1))
    now = platform.clock()
    row = DossierCheck(
        id=new_id("check", now),
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        study_id=study_id,
        run_id=run.id,
        purpose=wanted.purpose,
        audience=wanted.audience,
        basis=basis,
        lacking=[
            {
                "id": one.id,
                "title": one.title._asdict(),
                "who": one.who._asdict(),
                "next": one.next._asdict(),
                "statement": one.statement,
            }
            for one in found
        ],
        made_by=actor.id,
        made_at=as_text(now),
    )
    act = Act(
        actor,
        "dossier.checked",
        Object("study", study_id, basis),
        purpose=f"{wanted.purpose}, {wanted.audience}",
        decision={"lacking": len(found)},
    )
    platform.records.write(row, audit=act)
    return row


def newest_check(platform: Platform, study_id: str, purpose: str, audience: str) -> DossierCheck | None:
    """The last look for this purpose and audience, whatever was written since."""
    found = platform.records.all(
        select(DossierCheck)
        .where(
            DossierCheck.study_id == study_id,
            DossierCheck.purpose == purpose,
            DossierCheck.audience == audience,
        )
        .order_by(col(DossierCheck.made_at).desc(), col(DossierCheck.id).desc())
        .limit(1)
    )
    return found[0] if found else None


def profile_of(study: Study, purpose: str) -> Profile:
    """The profile that a study's purpose comes to. Raises `evidence.choice_unknown`, `evidence.product_unknown`."""
    return chosen_for(_product(study), Wanted(purpose, audience_for(study, purpose))).profile


def audience_for(study: Study, purpose: str) -> str:
    """The first reader that a purpose has; of a purpose that is none the first there is. Raises as `profile_of`."""
    from studies.evidence.profiles.choice import audiences_of, profile_for, purposes
    from studies.evidence.profiles.profile import AUDIENCES

    return audiences_of(profile_for(purpose, _product(study)))[0] if purpose in purposes() else AUDIENCES[0]


def _product(study: Study) -> str:
    from studies.evidence.profiles.choice import product_of
    from studies.protocol import load_protocol

    return product_of(load_protocol(study.protocol).exposure.records.table)


def statements_waiting(platform: Platform, study_id: str, profile: Profile) -> tuple[Wait, ...]:
    """Each statement that a profile and its checklists may ask for, with what was written."""
    from studies.evidence.statements import asked_by, asked_for

    said, asks = statements_of(platform, study_id), asked_by(profile)
    return tuple(Wait(asks[id], said.get(id)) for id in asked_for(profile))
