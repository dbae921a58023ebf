"""Evidence packages: what is in one, and any of its numbers back to the line it came from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from rwd_platform.flows import trace
from rwd_platform.flows.package_changes import compared, versions_of
from rwd_platform.flows.package_file import package_file, timestamp_file
from rwd_platform.flows.package_questions import questions_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import may_read
from rwd_platform.flows.timestamps import REASONS, standing_of_package, standing_of_protocol
from rwd_platform.flows.withdraw_notices import notices_of
from rwd_platform.records.tables import EvidencePackage, Study
from rwd_platform.server import (
    package_changes,
    package_files,
    package_places,
    package_reading,
    queries,
    releases,
)
from rwd_platform.server.api.packages import DownloadsPackages, ReadsPackages, TracesNumbers, VerifiesPackages
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.package_rows import rows_told
from rwd_platform.server.templating import render

router = APIRouter()

NUMBERS_PAGE = 40


@router.get("/packages")
def get_packages(visitor: ReadsPackages, request: Request, platform: PlatformDep) -> Response:
    packages = package_files.open_to(platform, visitor)
    titles = {one.study_id: platform.records.find(Study, one.study_id) for one in packages}
    rows = rows_told(platform, packages, lambda one: may_read(platform, visitor.actor, one))
    return render(request, "packages.html", packages=packages, studies=titles, rows=rows)


@router.get("/packages/{package_id}")
def get_package(
    visitor: ReadsPackages,
    request: Request,
    platform: PlatformDep,
    package_id: str,
    find: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    package = package_files.opened(platform, visitor, package_id)
    package_files.check_present(platform, package)
    released = may_read(platform, visitor.actor, package)
    numbers = package_files.numbers(platform, visitor, package) if released else []
    wanted = [one for one in numbers if find.lower() in one.searchable] if find else numbers
    first = (page - 1) * NUMBERS_PAGE
    return render(
        request,
        "package.html",
        package=package,
        released=released,
        notices=notices_of(platform, package_id),
        questions=questions_of(platform, visitor.actor, package_id),
        releases=queries.releases_of(platform.records, visitor, package),
        circles=releases.circles(platform),
        study=platform.records.find(Study, package.study_id),
        rows=rows_told(platform, [package], lambda _: released).get(package.id),
        folders=package_files.contents(platform, package),
        numbers=wanted[first : first + NUMBERS_PAGE],
        all_numbers=len(numbers),
        found=len(wanted),
        find=find,
        page=page,
        page_size=NUMBERS_PAGE,
        **_of_reader(platform, visitor, package, released=released),
        transfers=queries.transfers(platform.records, visitor, package_id)
        if visitor.may("transfer.read")
        else [],
    )


def _of_reader(
    platform: Platform, visitor: Visitor, package: EvidencePackage, *, released: bool
) -> dict[str, Any]:
    """What a page shows to whoever may read the package; to others that there is nothing."""
    shown = {
        "may_open": released and visitor.may("package.download"),
        "PART_STATES": package_reading.PART_STATES,
        "STATED": package_reading.STATED,
        "ITEM_STATES": package_reading.ITEM_STATES,
        "reasons": REASONS,
    }
    if not released:
        return {**shown, "reading": package_reading.Reading("older"), "versions": [], "stamps": {}}
    study = platform.records.get(Study, package.study_id)
    return {
        **shown,
        "reading": package_reading.read(platform, package),
        "versions": versions_of(platform, visitor.actor, package),
        "stamps": {
            "protocol": standing_of_protocol(platform, study),
            "package": standing_of_package(platform, package),
        },
    }


@router.get("/packages/{package_id}/changes/{other_id}")
def get_changes(
    visitor: ReadsPackages, request: Request, platform: PlatformDep, package_id: str, other_id: str
) -> Response:
    """Two versions beside each other. The older comes first, whichever was named first."""
    package = package_files.opened(platform, visitor, package_id)
    found = compared(platform, visitor.actor, package_id, other_id)
    return render(
        request,
        "package_changes.html",
        package=package,
        study=platform.records.find(Study, package.study_id),
        view=package_changes.view(platform, found),
        may_open=visitor.may("package.download"),
    )


@router.get("/packages/{package_id}/files/{path:path}")
def get_one_file(visitor: DownloadsPackages, platform: PlatformDep, package_id: str, path: str) -> Response:
    """A file that the package's manifest lists. The download is in the log, with its name."""
    _package(visitor, platform, package_id)
    return package_files.as_download(package_file(platform, visitor.actor, package_id, path))


@router.get("/packages/{package_id}/timestamps/{what}")
def get_timestamp(
    visitor: DownloadsPackages, platform: PlatformDep, package_id: str, what: Literal["package", "protocol"]
) -> Response:
    _package(visitor, platform, package_id)
    return package_files.as_download(timestamp_file(platform, visitor.actor, package_id, what))


@router.get("/packages/{package_id}/file")
def get_package_file(visitor: DownloadsPackages, platform: PlatformDep, package_id: str) -> FileResponse:
    return package_files.download(platform, visitor, _package(visitor, platform, package_id))


@router.post("/packages/{package_id}/verify")
def post_verify(
    visitor: VerifiesPackages, request: Request, platform: PlatformDep, package_id: str
) -> Response:
    """Verify now, and show the counts: a fragment for htmx, a page without it."""
    package = _package(visitor, platform, package_id)
    outcome = package_files.verify(platform, visitor, package)
    is_fragment = request.headers.get("hx-request") == "true"
    template = "fragments/verification.html" if is_fragment else "verification.html"
    return render(request, template, package=package, outcome=outcome)


@router.get("/packages/{package_id}/numbers/{number_id}")
def get_number(
    visitor: TracesNumbers, request: Request, platform: PlatformDep, package_id: str, number_id: str
) -> Response:
    """One number's chain: in the drawer with htmx, as a page without."""
    package = _package(visitor, platform, package_id)
    chain = trace.trace_number(platform, visitor.actor, package_id, number_id)
    is_fragment = request.headers.get("hx-request") == "true"
    template = "fragments/trace.html" if is_fragment else "trace.html"
    return render(
        request,
        template,
        package=package,
        chain=chain,
        where=package_places.where(platform, package, chain.number),
        lines=package_files.by_line(chain.sample),
    )


def _package(visitor: Visitor, platform: PlatformDep, package_id: str) -> EvidencePackage:
    return queries.owned(platform.records, visitor, "package.read", EvidencePackage, package_id)
