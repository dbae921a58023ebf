"""Provisions of data: each exporter's year on top, the list below, one as a decision card, and the yearly report."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.compliance.standing import purposes
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import provision_report, provision_view
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_departures import WHY_NOT_ADDED
from rwd_platform.flows.provision_table import as_csv
from rwd_platform.flows.provision_view import FIRST_YEAR, LAST_YEAR, PAGE_SIZE, ProvisionFilter
from rwd_platform.flows.remote_access import remote_access
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.server import ledgers, provisions, rules_view
from rwd_platform.server.api.provisions import Filter, ReadsProvisions, Year
from rwd_platform.server.countries import country_name
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

Exporter = Annotated[str, Query(max_length=120)]
_LATEST_LISTED = 6  # years that a list offers


@router.get("/provisions")
def get_provisions(
    visitor: ReadsProvisions,
    request: Request,
    platform: PlatformDep,
    exporter: Filter = "",
    state: Filter = "",
    lacks: Filter = "",
    year: Annotated[int, Query(ge=0, le=LAST_YEAR)] = 0,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    this_year = shanghai_date(platform.clock()).year
    year = year if year >= FIRST_YEAR else this_year
    rows = provision_view.provisions(platform, visitor.actor, ProvisionFilter(exporter, state, lacks))
    rows = sorted(
        rows, key=lambda row: row.state != ProvisionState.HELD
    )  # what waits for somebody stands first
    first = (page - 1) * PAGE_SIZE
    return render(
        request,
        "provisions.html",
        ledgers=ledgers.ledgers(platform, visitor, year, exporter),
        shows_counts=provision_view.sees_counts(visitor.actor),
        lines=provisions.lines(platform, visitor, rows[first : first + PAGE_SIZE]),
        total=len(rows),
        page=page,
        page_size=PAGE_SIZE,
        year=year,
        years=sorted({year, *range(this_year, this_year - _LATEST_LISTED, -1)}, reverse=True),
        exporters=_exporters(platform, visitor),
        states=[one.value for one in ProvisionState],
        wanted=ProvisionFilter(exporter, state, lacks),
        lack_word=provisions.lack_word,
        remote=remote_access(platform, visitor.actor, year) if visitor.may("log.read") else None,
        watches_addresses=bool(platform.settings.networks),
    )


@router.get("/provisions/report/{year}")
def get_report(
    visitor: ReadsProvisions, request: Request, platform: PlatformDep, year: Year, exporter: Exporter = ""
) -> Response:
    """For print. Without an exporter: a hospital's own, and for anybody else the exporters to choose from."""
    wanted = exporter or _only(platform, visitor)
    report = provision_report.report(platform, visitor.actor, year, wanted) if wanted else None
    names = provision_view.names_of(platform)
    return render(
        request,
        "provision_report.html",
        year=year,
        report=report,
        exporters=_exporters(platform, visitor),
        name_of=lambda id: names.get(id, Bilingual(id, id)),
        purposes=purposes(),
        country_name=country_name,
        reason_word=provisions.reason_words(platform, year),
        WHY_NOT_ADDED=WHY_NOT_ADDED,
    )


@router.get("/provisions/report/{year}/{form}")
def get_report_file(
    visitor: ReadsProvisions,
    platform: PlatformDep,
    year: Year,
    form: Literal["json", "csv"],
    exporter: Annotated[str, Query(min_length=1, max_length=120)],
) -> Response:
    made = provision_report.report(platform, visitor.actor, year, exporter)
    if form == "csv":
        content, kind = as_csv(made), "text/csv; charset=utf-8"
    else:
        content = canonical_json({"report": dict(made.content), "sha256": made.sha256})
        kind = "application/json"
    headers = {"content-disposition": f'attachment; filename="provisions-{year}.{form}"'}
    return Response(content, media_type=kind, headers=headers)


@router.get("/provisions/{provision_id}")
def get_provision(
    visitor: ReadsProvisions, request: Request, platform: PlatformDep, provision_id: str
) -> Response:
    one = provisions.card(platform, visitor, provision_id)
    return render(
        request,
        "provision.html",
        one=one,
        next=provisions.NEXT,
        country_name=country_name,
        rules_at=rules_view.address_of(platform, one.line.row.decision["rule_pack"]),
    )


@router.post("/provisions/{provision_id}/decide")
def post_decide(visitor: ReadsProvisions, platform: PlatformDep, provision_id: str) -> Response:
    """By what is on record now. Whoever may not ask for releases nor approve them is refused by the flow."""
    row = provision_view.provision(platform, visitor.actor, provision_id)
    provision_view.decide_again(platform, visitor.actor, row.source_id)
    return RedirectResponse(f"/provisions/{provision_id}", status_code=303)


def _exporters(platform: Platform, visitor: Visitor) -> dict[str, Bilingual]:
    """Who has provisions or papers, of those that the visitor may see."""
    names = provision_view.names_of(platform)
    ids = provision_view.exporters(platform, visitor.actor)
    return {id: names.get(id, Bilingual(id, id)) for id in ids}


def _only(platform: Platform, visitor: Visitor) -> str:
    """The one exporter that there is to choose; "" where there are none or several."""
    found = provision_view.exporters(platform, visitor.actor)
    return found[0] if len(found) == 1 else ""
