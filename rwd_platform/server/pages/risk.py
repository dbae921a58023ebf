"""Risk reports: which locks have one, the lake's newest, and one report with its drawings."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.server import queries, risks
from rwd_platform.server.api.risk import ComputesRisk, ReadsRisk
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/risk")
def get_risk(visitor: ReadsRisk, request: Request, platform: PlatformDep) -> Response:
    return render(
        request,
        "risk.html",
        locks=risks.locks(platform, visitor),
        titles=queries.project_titles(platform.records, visitor),
        reads_lake=risks.reads_lake(visitor),
        lake=risks.runs(platform, visitor, of_kind="lake"),
    )


@router.get("/risk/{risk_id}")
def get_risk_report(visitor: ReadsRisk, request: Request, platform: PlatformDep, risk_id: str) -> Response:
    run = risks.report(platform, visitor, risk_id)
    return render(
        request,
        "risk_report.html",
        run=run,
        report=run.report,
        titles=queries.project_titles(platform.records, visitor),
        drawings=_drawings(run.report),
        bars=risks.bars,
    )


@router.post("/risk/locks/{lock_id}")
def post_lock_risk(visitor: ComputesRisk, platform: PlatformDep, lock_id: str) -> Response:
    risks.start(platform, visitor, risks.lock_to_assess(platform, visitor, lock_id))
    return RedirectResponse("/risk", status_code=303)


def _drawings(report: dict[str, Any]) -> dict[str, list[tuple[str, float, str]]]:
    """What is drawn beside the tables of that name: (label, length, text)."""
    grids = {grid["name"]: grid for section in report["sections"] for grid in section["grids"]}
    sizes = [
        (row[0]["zh"], float(row[2]["zh"].replace(",", "")), row[2]["zh"])
        for row in grids.get("class_sizes", {}).get("rows", ())
    ]
    ranks = [
        (one["columns"][0], one["separation"], f"{one['separation']:.4f}")
        for one in report["figures"]["ranking"]
        if len(one["columns"]) == 1
    ]
    return {"class_sizes": sizes, "ranking": ranks}
