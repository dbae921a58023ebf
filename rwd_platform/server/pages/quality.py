"""The quality of the data: each hospital's tables and rules, over time, and what may be asked about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.flows.quality_question_list import open_questions, waiting
from rwd_platform.server import quality_charts, quality_view, quality_words, queries, scorecards, steps
from rwd_platform.server.api.quality import ChecksQuality, ReadsQuality
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.quality_view import RuleFilter
from rwd_platform.server.templating import render

router = APIRouter()
Word = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=1, le=100_000)]


@router.get("/quality")
def get_quality(
    visitor: ReadsQuality,
    request: Request,
    platform: PlatformDep,
    hospital: Word = "",
    table: Word = "",
    status: Word = quality_view.ONLY_PROBLEMS,
    category: Word = "",
    page: Number = 1,
    hospital_page: Number = 1,
) -> Response:
    """A filter that fits nothing shows that nothing is found; it is no error."""
    records = platform.records
    runs = queries.quality_runs(records, limit=quality_view.RUNS_SHOWN)
    wanted = RuleFilter(hospital, table, status, category)
    jobs = [job for job in queries.jobs_with_key(records, "quality/") if job.state not in ("done",)]
    reads_questions = visitor.may("question.read")
    questions = open_questions(platform) if reads_questions else ()
    return render(
        request,
        "quality.html",
        run=runs[0] if runs else None,
        scorecard=scorecards.read(records, runs[0], visitor) if runs else None,
        board=quality_view.read(records, runs, visitor, wanted, questions, page, hospital_page)
        if runs
        else None,
        wanted=wanted,
        link=f"/quality?{urlencode(asdict(wanted))}&",
        page=page,
        hospital_page=hospital_page,
        view=quality_view,
        words=quality_words,
        table_titles=quality_words.table_titles(),
        drawings=quality_charts,
        waiting=waiting(platform, visitor.actor) if reads_questions else None,
        job=jobs[0] if jobs and visitor.may("job.read") else None,
    )


@router.post("/quality/check")
def post_quality(visitor: ChecksQuality, platform: PlatformDep) -> Response:
    steps.start_quality(platform, visitor)
    return RedirectResponse("/quality", status_code=303)
