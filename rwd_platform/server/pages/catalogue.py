"""The catalogue: what the store holds, from which hospital and when, and how complete it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.permissions import can
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.catalogue import NO_MONTH, HospitalCounts, catalogue_seen
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Job, Organisation
from rwd_platform.server import cohort_charts, queries
from rwd_platform.server.api.catalogue import CountsTables, ReadsCatalogue, start_count, table_of
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

if TYPE_CHECKING:
    from deidentify.classification import Label

router = APIRouter()
HOSPITALS_ON_A_PAGE = 8
YEARS_SHOWN = 120  # dates from before 1900 are mistakes; the newest years are shown
_MONTHS = tuple(f"{month:02}" for month in range(1, 13))


@router.get("/catalogue")
def get_catalogue(visitor: ReadsCatalogue, request: Request, platform: PlatformDep) -> Response:
    from ingestion.derived import DERIVED, columns_of

    seen = catalogue_seen(platform, visitor.actor)
    return render(
        request,
        "catalogue.html",
        seen=seen,
        derived={name: columns_of(name) for name in DERIVED},
        derived_titles=_derived_titles(),
        job=_job(platform, visitor),
    )


@router.post("/catalogue/counts")
def post_count(visitor: CountsTables, platform: PlatformDep) -> Response:
    start_count(platform, visitor)
    return RedirectResponse("/catalogue", status_code=303)


@router.get("/catalogue/{table}")
def get_table(
    visitor: ReadsCatalogue,
    request: Request,
    platform: PlatformDep,
    table: str,
    year: Annotated[str, Query(max_length=4)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """One table. `year`: the months of that year; one that the table does not have shows no months."""
    seen = catalogue_seen(platform, visitor.actor)
    found = table_of(seen, table)
    first = (page - 1) * HOSPITALS_ON_A_PAGE
    hospitals = found.hospitals[first : first + HOSPITALS_ON_A_PAGE]
    years = _years(found.hospitals)
    return render(
        request,
        "catalogue_table.html",
        seen=seen,
        table=found,
        hospitals=hospitals,
        hospitals_total=len(found.hospitals),
        page=page,
        page_size=HOSPITALS_ON_A_PAGE,
        names=_names(platform, [one.organisation_id for one in hospitals]),
        years=years,
        year=year if year in years else "",
        months=_MONTHS,
        no_month=NO_MONTH,
        labels=_labels(table),
        classes=_classes(),
        drawings=cohort_charts,
    )


def _job(platform: Platform, visitor: Visitor) -> Job | None:
    """The count under way, or the one that failed last, where this visitor may see it."""
    newest = queries.jobs_with_key(platform.records, f"catalogue/{visitor.actor.organisation}/")[:1]
    shown = [one for one in newest if one.state != "done"]
    return next((one for one in shown if can(visitor.actor, "job.read", one.organisation_id)), None)


def _years(hospitals: Sequence[HospitalCounts]) -> list[str]:
    found = {year for one in hospitals for year in one.years if year != NO_MONTH}
    return sorted(found)[-YEARS_SHOWN:]


def _names(platform: Platform, ids: Sequence[str]) -> dict[str, Bilingual]:
    """What hospitals are called; the id where no such organisation is on record."""
    known = {one: platform.records.find(Organisation, one) for one in ids}
    return {
        id: Bilingual(one.name_zh, one.name_en) if one else Bilingual(id, id) for id, one in known.items()
    }


def _labels(table: str) -> dict[str, Label]:
    from deidentify.classification import load_catalogue

    return {one.column: one for one in load_catalogue().labels if one.zone == "lake" and one.table == table}


def _classes() -> dict[str, Bilingual]:
    from deidentify.classification import load_catalogue

    return load_catalogue().words("classes")


def _derived_titles() -> dict[str, Bilingual]:
    from deidentify.classification import load_catalogue

    return dict(load_catalogue().zones["derived"].tables)
