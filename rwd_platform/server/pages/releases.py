"""Output checking: what is to leave, what the check found, who said what, and what happens next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from deidentify.disclosure.recipients import TRANSPORTS, load_recipients
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_circles import AUTHORITY, KINDS, register_circle
from rwd_platform.flows.release_votes import vote
from rwd_platform.records.tables import EvidencePackage, Study
from rwd_platform.server import queries, releases
from rwd_platform.server.api.releases import (
    AsksForReleases,
    CircleIn,
    ReadsReleases,
    ReleaseIn,
    VotesOnReleases,
)
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

_SHOWN_WITH_THE_RELEASE = (
    "release.approval_lapsed",
    "release.below_threshold",
    "release.content_changed",
    "release.findings_unseen",
)

_Line = Annotated[str, Form(max_length=200)]
_Text = Annotated[str, Form(max_length=2000)]


@router.get("/releases")
def get_releases(visitor: ReadsReleases, request: Request, platform: PlatformDep) -> Response:
    found = releases.visible(platform, visitor)
    packages = {one.package_id: platform.records.find(EvidencePackage, one.package_id) for one in found}
    titles = {
        package.id: platform.records.find(Study, package.study_id) for package in packages.values() if package
    }
    return render(
        request, "releases.html", releases=found, studies=titles, circles=releases.circles(platform)
    )


@router.get("/releases/new")
def get_new_release(
    visitor: AsksForReleases,
    request: Request,
    platform: PlatformDep,
    package: Annotated[str, Query(max_length=120)],
) -> Response:
    return _form(request, platform, visitor, ReleaseIn(package_id=package, recipient="competent_authority"))


@router.post("/releases")
def post_release(
    visitor: AsksForReleases,
    request: Request,
    platform: PlatformDep,
    package_id: Annotated[str, Form(max_length=120)],
    recipient: Annotated[str, Form(max_length=40)],
    circle: _Line = "",
    purpose: _Text = "",
    authorisation: _Text = "",
    encryption: _Line = "",
) -> Response:
    """What was filled in stays filled in when a condition is missing."""
    asked = ReleaseIn(
        package_id=package_id,
        recipient=recipient,
        circle=circle,
        purpose=purpose,
        authorisation=authorisation,
        encryption=encryption.strip(),
    )
    try:
        made = request_release(platform, visitor.actor, package_id, recipient, circle, asked.conditions())
    except PlatformError as error:
        if error.http == 404:
            raise
        return _form(request, platform, visitor, asked, error)
    return RedirectResponse(f"/releases/{made.id}", status_code=303)


@router.get("/releases/circles")
def get_circles(visitor: ReadsReleases, request: Request, platform: PlatformDep) -> Response:
    return _circles(request, platform, CircleIn(kind=KINDS[0], name_zh="", name_en="", legal_name=""))


@router.post("/releases/circles")
def post_circle(
    visitor: VotesOnReleases,
    request: Request,
    platform: PlatformDep,
    kind: Annotated[str, Form(max_length=40)],
    name_zh: _Line = "",
    name_en: _Line = "",
    legal_name: _Line = "",
    credit_code: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """What was filled in stays filled in when something is missing or taken."""
    asked = CircleIn(
        kind=kind, name_zh=name_zh, name_en=name_en, legal_name=legal_name, credit_code=credit_code
    )
    try:
        register_circle(platform, visitor.actor, asked.as_new())
    except PlatformError as error:
        return _circles(request, platform, asked, error)
    return RedirectResponse("/releases/circles", status_code=303)


@router.get("/releases/{release_id}")
def get_release(visitor: ReadsReleases, request: Request, platform: PlatformDep, release_id: str) -> Response:
    return render(request, "release.html", one=releases.view(platform, visitor, release_id), error=None)


@router.post("/releases/{release_id}/vote")
def post_vote(
    visitor: VotesOnReleases,
    platform: PlatformDep,
    release_id: str,
    approved: Annotated[bool, Form()],
    reason: Annotated[str, Form(min_length=1, max_length=2000)],
) -> Response:
    vote(platform, visitor.actor, release_id, approved, reason)
    return RedirectResponse(f"/releases/{release_id}", status_code=303)


@router.post("/releases/{release_id}/complete")
def post_complete(
    visitor: AsksForReleases, request: Request, platform: PlatformDep, release_id: str
) -> Response:
    """A release that no longer passes comes back as its page, with the findings of the second check."""
    try:
        release(platform, visitor.actor, release_id)
    except PlatformError as error:
        if error.code not in _SHOWN_WITH_THE_RELEASE:
            raise
        shown = releases.view(platform, visitor, release_id)
        return render(request, "release.html", status=error.http, one=shown, error=error)
    return RedirectResponse(f"/releases/{release_id}", status_code=303)


def _form(
    request: Request,
    platform: PlatformDep,
    visitor: Visitor,
    asked: ReleaseIn,
    error: PlatformError | None = None,
) -> Response:
    package = queries.owned(platform.records, visitor, "release.request", EvidencePackage, asked.package_id)
    return render(
        request,
        "release_new.html",
        status=error.http if error else 200,
        package=package,
        study=platform.records.find(Study, package.study_id),
        asked=asked,
        recipients={
            kind: policy
            for kind, policy in load_recipients().items()
            if package.audience == "aggregate" or kind == AUTHORITY
        },
        transports=TRANSPORTS,
        circles=releases.circles_by_kind(platform),
        error=error,
    )


def _circles(
    request: Request, platform: PlatformDep, asked: CircleIn, error: PlatformError | None = None
) -> Response:
    return render(
        request,
        "release_circles.html",
        status=error.http if error else 200,
        circles=releases.circles_by_kind(platform),
        kinds=KINDS,
        asked=asked,
        error=error,
    )
