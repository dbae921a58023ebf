"""Provisions of data: the list, one with its decision, each exporter's ledger of a year, and the yearly report."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from rwd_platform.flows import provision_report, provision_view
from rwd_platform.flows.provision_view import FIRST_YEAR, LAST_YEAR, ExporterYear, ProvisionFilter
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Provision
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/provisions", tags=["provisions"], responses=REFUSALS)

ReadsProvisions = Annotated[Visitor, Depends(Door("provision.read"))]
Filter = Annotated[str, Query(max_length=80)]
Year = Annotated[int, Path(ge=FIRST_YEAR, le=LAST_YEAR)]
_TEXTS = ("zh", "en")  # a decision's sentences, which hold counts


class ProvisionOut(Out):
    """One provision. `organisation_id` is the exporter; `facts` are those of `rwd transfer decide`.

    Without facts, and without the decision's sentences, for whoever is shown no counts.
    """

    id: str
    organisation_id: str
    project_id: str
    package_id: str
    source: str
    source_id: str
    recipient_id: str
    purpose: str
    mode: str
    state: str
    verdict: str
    year: int
    facts: dict[str, Any] | None
    decision: dict[str, Any]
    papers: dict[str, Any]
    decided_at: str
    ended_at: str

    @classmethod
    def of(cls, row: Provision, actor: Actor) -> ProvisionOut:
        made = cls.model_validate(row)
        if provision_view.sees_counts(actor):
            return made
        decision = {name: value for name, value in row.decision.items() if name not in _TEXTS}
        return made.model_copy(update={"facts": None, "decision": decision})


class CountOut(Out):
    """Distinct persons; what is reserved comes on top of what was posted."""

    posted_general: int
    posted_sensitive: int
    reserved_general: int
    reserved_sensitive: int


class OutlookOut(BaseModel):
    threshold: str
    at_least: int
    now: int
    with_plans: int
    reached_by_plans: str | None
    reached_at_pace: str | None
    zh: str
    en: str


class DeadlineOut(BaseModel):
    paper: str
    kind: str
    what: str
    due: str
    days_left: int
    provisional: bool
    zh: str
    en: str


class AlarmOut(BaseModel):
    kind: str
    threshold: str
    zh: str
    en: str


class LedgerOut(BaseModel):
    """An exporter's calendar year. `count` is null, and `problem` a code, where persons on record are damaged."""

    exporter: str
    year: int
    count: CountOut | None
    problem: str
    outlooks: list[OutlookOut]
    deadlines: list[DeadlineOut]
    alarms: list[AlarmOut]

    @classmethod
    def of(cls, one: ExporterYear, year: int) -> LedgerOut:
        return cls(
            exporter=one.exporter,
            year=year,
            count=CountOut.model_validate(one.count) if one.count else None,
            problem=one.problem.code if one.problem else "",
            outlooks=[
                OutlookOut(
                    threshold=each.threshold.id,
                    at_least=each.threshold.at_least,
                    now=each.now,
                    with_plans=each.with_plans,
                    reached_by_plans=str(each.reached_by_plans) if each.reached_by_plans else None,
                    reached_at_pace=str(each.reached_at_pace) if each.reached_at_pace else None,
                    **each.text._asdict(),
                )
                for each in one.outlooks
            ],
            deadlines=[
                DeadlineOut(
                    paper=each.instrument_id,
                    kind=each.kind,
                    what=each.what,
                    due=str(each.due),
                    days_left=each.days_left,
                    provisional=each.provisional,
                    **each.text._asdict(),
                )
                for each in one.deadlines
            ],
            alarms=[
                AlarmOut(kind=each.alarm.kind, threshold=each.alarm.threshold, **each.text._asdict())
                for each in one.alarms
            ],
        )


class ReportOut(BaseModel):
    """`sha256` is over the canonical JSON (RFC 8785) of `report`."""

    report: dict[str, Any]
    sha256: str


@router.get("", response_model=list[ProvisionOut])
def get_provisions(
    visitor: ReadsProvisions,
    platform: PlatformDep,
    exporter: Filter = "",
    state: Filter = "",
    lacks: Filter = "",
) -> list[ProvisionOut]:
    """Decided last first; a hospital sees its own alone. `lacks`: a missing duty, or what nobody checked."""
    rows = provision_view.provisions(platform, visitor.actor, ProvisionFilter(exporter, state, lacks))
    return [ProvisionOut.of(row, visitor.actor) for row in rows]


@router.get("/ledgers/{year}", response_model=list[LedgerOut])
def get_ledgers(
    visitor: ReadsProvisions, platform: PlatformDep, year: Year, exporter: Filter = ""
) -> list[LedgerOut]:
    """Each exporter's counts, forecast, filing calendar and alarms; empty for whoever is shown no counts."""
    found = provision_view.ledger_of_year(platform, visitor.actor, year, exporter)
    return [LedgerOut.of(one, year) for one in found]


@router.get("/reports/{year}", response_model=ReportOut)
def get_report(
    visitor: ReadsProvisions,
    platform: PlatformDep,
    year: Year,
    exporter: Annotated[str, Query(max_length=120)],
) -> ReportOut:
    """The yearly report of one exporter; producing it is one entry of the log."""
    made = provision_report.report(platform, visitor.actor, year, exporter)
    return ReportOut(report=dict(made.content), sha256=made.sha256)


@router.get("/{provision_id}", response_model=ProvisionOut)
def get_provision(visitor: ReadsProvisions, platform: PlatformDep, provision_id: str) -> ProvisionOut:
    row = provision_view.provision(platform, visitor.actor, provision_id)
    return ProvisionOut.of(row, visitor.actor)


@router.post("/{provision_id}/decision", response_model=ProvisionOut)
def post_decision(visitor: ReadsProvisions, platform: PlatformDep, provision_id: str) -> ProvisionOut:
    """Decide again, by what is on record now: for whoever asks for the release or approves it."""
    row = provision_view.provision(platform, visitor.actor, provision_id)
    provision_view.decide_again(platform, visitor.actor, row.source_id)
    return get_provision(visitor, platform, provision_id)
