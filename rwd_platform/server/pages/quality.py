"""The quality scorecard."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.server import queries, scorecards, steps
from rwd_platform.server.api.quality import ChecksQuality, ReadsQuality
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/quality")
def get_quality(visitor: ReadsQuality, request: Request, platform: PlatformDep) -> Response:
    runs = queries.quality_runs(platform.records, limit=1)
    jobs = [job for job in queries.jobs_with_key(platform.records, "quality/") if job.state not in ("done",)]
    return render(
        request,
        "quality.html",
        run=runs[0] if runs else None,
        scorecard=scorecards.read(platform.records, runs[0], visitor) if runs else None,
        job=jobs[0] if jobs and visitor.may("job.read") else None,
    )


@router.post("/quality/check")
def post_quality(visitor: ChecksQuality, platform: PlatformDep) -> Response:
    steps.start_quality(platform, visitor)
    return RedirectResponse("/quality", status_code=303)
