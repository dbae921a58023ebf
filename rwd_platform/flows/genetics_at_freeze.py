"""May a protocol be frozen: what it says about human genetic resources, and the papers on file about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.compliance.participation import NO, UNKNOWN, YES, Participation, participation
from rwd_platform.compliance.rulepack import GENETIC_RESOURCES
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.instruments import as_instrument
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import InstrumentRecord, Study

if TYPE_CHECKING:
    from studies.protocol import Protocol

_KINDS = ("hgr_cooperation", "hgr_exit_certificate")

GENETICS_HELD = Problem(
    code="study.genetic_resources_held",
    zh="研究 {study} 的方案未冻结：{why_zh}",
    en="The protocol of study {study} was not frozen: {why}",
    next_zh="请在方案的 human_genetic_resources 中写明（以新的项目编号重新登记），或由隐私专员登记所缺的批准或备案，"
    "再行冻结。",
    next_en="Answer it in the protocol's human_genetic_resources (registered under a new project id), or let a privacy"
    " officer record the approval or filing that is missing, and freeze it then.",
    http=409,
    exit=Exit.REFUSED,
)


def genetics_at_freeze(platform: Platform, study: Study, protocol: Protocol) -> dict[str, Any]:
    """The rules' answer, for the log. Raises `study.genetic_resources_held` where it is not ALLOW."""
    facts = participation_facts(platform, study.project_id, protocol)
    said = participation(facts, pack_in_force(GENETIC_RESOURCES, facts.on))
    if said.verdict != "ALLOW":
        raise GENETICS_HELD.error(study=study.id, why=said.en, why_zh=said.zh)
    return {"verdict": said.verdict, "rules": list(said.rules), "rule_pack": dict(said.rule_pack)}


def participation_facts(platform: Platform, project: str, protocol: Protocol) -> Participation:
    """A protocol that is silent has not answered: everything is unknown. Papers of any exporter are looked at."""
    said = protocol.genetic_resources
    rows = platform.records.all(select(InstrumentRecord).where(col(InstrumentRecord.kind).in_(_KINDS)))
    return Participation(
        on=shanghai_date(platform.clock()),
        project=project,
        collects_material=said.material if said else UNKNOWN,
        produces_information=_worst(said.information, said.sequencing, said.special) if said else UNKNOWN,
        foreign_parties=said.foreign_parties if said else (),
        instruments=tuple(as_instrument(row) for row in rows),
        samples_leave=said.samples_leave if said else UNKNOWN,
    )


def _worst(*answers: str) -> str:
    """Sequencing and special pedigrees are information too; `unknown` stays so unless another answer is yes."""
    return YES if YES in answers else UNKNOWN if UNKNOWN in answers else NO
