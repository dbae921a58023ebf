"""One page: what is known of the same people in care, payment and product, who is lost by it, how often it errs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.text import Bilingual
from rwd_platform.flows import linkage_words
from rwd_platform.flows.linkage import LinkageSeen, linkage_runs
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import Job, Organisation
from rwd_platform.server import queries
from rwd_platform.server.api.linkage import ReadsLinkage, RunsLinkage, start_run
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()
IMBALANCE = 0.1  # a standardised difference that is commonly called imbalance (Austin 2009)
RUNS_LISTED = 10


@router.get("/linkage")
def get_linkage(
    visitor: ReadsLinkage,
    request: Request,
    platform: PlatformDep,
    run: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """The newest run, or the one that `run` names."""
    runs = linkage_runs(platform, visitor.actor)
    seen = _chosen(runs, run)
    report: Mapping[str, Any] = seen.report if seen else {}
    return render(
        request,
        "linkage.html",
        runs=runs[:RUNS_LISTED],
        seen=seen,
        report=report,
        names=_names(platform, report.get("roles", {})),
        words=linkage_words,
        by_characteristic=_by_characteristic,
        imbalance=IMBALANCE,
        job=_job(platform),
    )


@router.post("/linkage/runs")
def post_run(visitor: RunsLinkage, platform: PlatformDep) -> Response:
    start_run(platform, visitor, {})
    return RedirectResponse("/linkage", status_code=303)


def _chosen(runs: Sequence[LinkageSeen], id: str) -> LinkageSeen | None:
    if not id:
        return runs[0] if runs else None
    found = next((one for one in runs if one.id == id), None)
    if found is None:
        raise NOT_FOUND.error(kind="linkage", id=id if id.isprintable() else "?")
    return found


def _job(platform: Platform) -> Job | None:
    """The run under way, or the one that failed last."""
    newest = queries.jobs_with_key(platform.records, "linkage/")[:1]
    return next((one for one in newest if one.state != "done"), None)


def _names(platform: Platform, ids: Mapping[str, str]) -> dict[str, Bilingual]:
    """What organisations are called; the id where no such organisation is on record."""
    known = {one: platform.records.find(Organisation, one) for one in ids}
    return {
        id: Bilingual(one.name_zh, one.name_en) if one else Bilingual(id, id) for id, one in known.items()
    }


def _by_characteristic(levels: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    return [(name, list(some)) for name, some in groupby(levels, key=lambda one: str(one["characteristic"]))]
