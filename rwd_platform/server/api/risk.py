"""Risk reports: the list, one report, and computing one for a lock."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from rwd_platform.server import risks
from rwd_platform.server.api.models import REFUSALS, JobOut, RowOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/risk", tags=["risk"], responses=REFUSALS)

ReadsRisk = Annotated[Visitor, Depends(Door("risk.read"))]
ComputesRisk = Annotated[Visitor, Depends(Door("risk.run"))]


class RiskRunOut(RowOut):
    """`level` is that of GB/T 42460; `verdict` the widest sharing form that passes, or `none`."""

    id: str
    project_id: str
    of_kind: str
    of_id: str
    level: int
    verdict: str
    made_at: str


class RiskReportOut(RiskRunOut):
    report: dict[str, Any]


@router.get("", response_model=list[RiskRunOut])
def get_risk(visitor: ReadsRisk, platform: PlatformDep) -> list[RiskRunOut]:
    """The newest first, without the reports themselves."""
    return [RiskRunOut.of(run) for run in risks.runs(platform, visitor)]


@router.get("/{risk_id}", response_model=RiskReportOut)
def get_risk_report(visitor: ReadsRisk, platform: PlatformDep, risk_id: str) -> RiskReportOut:
    return RiskReportOut.of(risks.report(platform, visitor, risk_id))


@router.post("/locks/{lock_id}", response_model=JobOut, status_code=202)
def post_lock_risk(visitor: ComputesRisk, platform: PlatformDep, lock_id: str) -> JobOut:
    """Queue the report of a lock."""
    lock = risks.lock_to_assess(platform, visitor, lock_id)
    return JobOut.of(risks.start(platform, visitor, lock))
