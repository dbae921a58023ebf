"""Patients who no longer take part: withdrawals, legal holds, requests to erase with their votes, certificates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from rwd_platform.flows import erase_request, withdraw
from rwd_platform.flows.erase_certificate import readable_certificate
from rwd_platform.flows.erase_request import CaseSeen, RequestSeen
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1", tags=["withdrawals"], responses=REFUSALS)

ReadsCases = Annotated[Visitor, Depends(Door("withdrawal.read"))]
RecordsWithdrawal = Annotated[Visitor, Depends(Door("withdrawal.record"))]
AsksErasure = Annotated[Visitor, Depends(Door("erasure.request"))]
ApprovesErasure = Annotated[Visitor, Depends(Door("erasure.approve"))]
PlacesHold = Annotated[Visitor, Depends(Door("hold.place"))]
LiftsHold = Annotated[Visitor, Depends(Door("hold.lift"))]

Named = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=5000)]


class WithdrawalIn(BaseModel):
    """`patient` is the pseudonym or the id at the hospital (Patient.id); it is not kept as typed.

    `charts_seen`: of a person with several charts at the hospital, how many, once somebody has looked at them.
    """

    patient: Named
    reason: Named
    withdrawn_on: Named
    consent_version: Named
    organisation_id: Named = ""
    source_system: Named = ""
    charts_seen: int = 0


class HoldIn(BaseModel):
    patient: Named
    organisation_id: Named
    reason: Text
    source_system: Named = ""


class LiftIn(BaseModel):
    reason: Text


class ErasureIn(BaseModel):
    """`duties`: for every rule of retention.toml `no`, or the last day on which the duty holds."""

    patient: Named
    reason: Named
    duties: dict[str, Named]
    source_system: Named = ""
    charts_seen: int = 0


class VoteIn(BaseModel):
    approved: bool
    reason: Text


class WithdrawalOut(Out):
    id: str
    organisation_id: str
    patient_id: str
    reason: str
    withdrawn_on: str
    consent_version: str
    received_by: str
    recorded_at: str


class HoldOut(Out):
    id: str
    organisation_id: str
    patient_id: str
    reason: str
    placed_by: str
    placed_at: str
    lift_reason: str
    lifted_by: str
    lifted_at: str


class VoteOut(Out):
    approver_id: str
    approved: bool
    reason: str
    voted_at: str


class ErasureOut(Out):
    id: str
    organisation_id: str
    patient_id: str
    reason: str
    state: str
    requested_by: str
    requested_at: str
    duties: dict[str, Any]
    step: str
    counts: dict[str, int]
    decided_at: str
    erased_at: str
    certificate_sha256: str


class ErasureSeenOut(ErasureOut):
    votes: list[VoteOut]
    hold: HoldOut | None

    @classmethod
    def of(cls, seen: RequestSeen) -> ErasureSeenOut:
        votes = [VoteOut.model_validate(vote) for vote in seen.votes]
        hold = None if seen.hold is None else HoldOut.model_validate(seen.hold)
        return cls.model_validate({**seen.row.model_dump(), "votes": votes, "hold": hold})


class CaseOut(Out):
    """Everything on record about one patient; `frozen`: the data may not be used, of none of the hospital's charts.

    `other_hospitals`: how many others have records of the person; nothing is done there by itself.
    """

    organisation_id: str
    patient_id: str
    frozen: bool
    charts: int
    other_hospitals: int
    withdrawals: list[WithdrawalOut]
    holds: list[HoldOut]
    requests: list[ErasureOut]

    @classmethod
    def of(cls, case: CaseSeen) -> CaseOut:
        return cls(
            organisation_id=case.organisation_id,
            patient_id=case.patient_id,
            frozen=case.is_frozen,
            charts=case.charts,
            other_hospitals=case.other_hospitals,
            withdrawals=[WithdrawalOut.model_validate(row) for row in case.withdrawals],
            holds=[HoldOut.model_validate(row) for row in case.holds],
            requests=[ErasureOut.model_validate(row) for row in case.requests],
        )


@router.get("/withdrawals", response_model=list[CaseOut])
def get_cases(visitor: ReadsCases, platform: PlatformDep) -> list[CaseOut]:
    """By patient, the newest first; a hospital sees its own patients alone."""
    return [CaseOut.of(one) for one in erase_request.cases_seen(platform, visitor.actor)]


@router.post("/withdrawals", response_model=WithdrawalOut, status_code=201)
def post_withdrawal(visitor: RecordsWithdrawal, platform: PlatformDep, told: WithdrawalIn) -> WithdrawalOut:
    """Put on record that a patient withdrew consent. Recorded again it is the same record."""
    row = withdraw.withdraw(
        platform,
        visitor.actor,
        told.patient,
        reason=told.reason,
        withdrawn_on=told.withdrawn_on,
        consent_version=told.consent_version,
        organisation_id=told.organisation_id,
        source_system=told.source_system,
        charts_seen=told.charts_seen,
    )
    return WithdrawalOut.model_validate(row)


@router.post("/holds", response_model=HoldOut, status_code=201)
def post_hold(visitor: PlacesHold, platform: PlatformDep, asked: HoldIn) -> HoldOut:
    """Nothing of the patient is erased or used until it is lifted."""
    row = withdraw.place_hold(
        platform, visitor.actor, asked.organisation_id, asked.patient, asked.reason, asked.source_system
    )
    return HoldOut.model_validate(row)


@router.post("/holds/{hold_id}/lift", response_model=HoldOut)
def post_lift(visitor: LiftsHold, platform: PlatformDep, hold_id: str, asked: LiftIn) -> HoldOut:
    return HoldOut.model_validate(withdraw.lift_hold(platform, visitor.actor, hold_id, asked.reason))


@router.post("/erasures", response_model=ErasureSeenOut, status_code=201)
def post_erasure(visitor: AsksErasure, platform: PlatformDep, asked: ErasureIn) -> ErasureSeenOut:
    """Ask that a patient's data be destroyed. Refused where a hold or a duty stands against it."""
    row = erase_request.request_erasure(
        platform,
        visitor.actor,
        asked.patient,
        reason=asked.reason,
        duties=dict(asked.duties),
        source_system=asked.source_system,
        charts_seen=asked.charts_seen,
    )
    return ErasureSeenOut.of(erase_request.request_seen(platform, visitor.actor, row.id))


@router.get("/erasures/{request_id}", response_model=ErasureSeenOut)
def get_erasure(visitor: ReadsCases, platform: PlatformDep, request_id: str) -> ErasureSeenOut:
    return ErasureSeenOut.of(erase_request.request_seen(platform, visitor.actor, request_id))


@router.post("/erasures/{request_id}/votes", response_model=ErasureSeenOut, status_code=201)
def post_erasure_vote(
    visitor: ApprovesErasure, platform: PlatformDep, request_id: str, word: VoteIn
) -> ErasureSeenOut:
    """One approver's word; the second yes queues the erasure."""
    erase_request.vote(platform, visitor.actor, request_id, word.approved, word.reason)
    return ErasureSeenOut.of(erase_request.request_seen(platform, visitor.actor, request_id))


@router.get("/erasures/{request_id}/certificate")
def get_certificate(visitor: ReadsCases, platform: PlatformDep, request_id: str) -> dict[str, Any]:
    """As it was signed: Ed25519 over the SHA-256 (hex) of the canonical JSON without `signed`."""
    facts, _ = readable_certificate(platform, visitor.actor, request_id)
    return facts
