"""Output checking: what is to leave, what the check found, who said what, and what happens next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from deidentify.disclosure.recipients import TRANSPORTS, load_recipients
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_circles import AUTHORITY, KINDS, register_circle
from rwd_platform.flows.release_ends import confirm_deletion, recall_release, withdraw_release
from rwd_platform.flows.release_links import end_link, make_link
from rwd_platform.flows.release_votes import vote
from rwd_platform.records.tables import EvidencePackage, Study
from rwd_platform.server import queries, releases
from rwd_platform.server.api.releases import (
    AsksForReleases,
    CircleIn,
    ReadsReleases,
    Recalls,
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
    "release.provision_held",
    "release.reason_missing",
    "release.reason_identifies",
    "release.objections_stand",
    "release.objection_malformed",
    "release.link_malformed",
    "release.link_not_released",
    "provision.confirmation_malformed",
)
_OBJECTION = "objection:"

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
    foreign_judicial_request: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """What was filled in stays filled in when a condition is missing."""
    asked = ReleaseIn(
        package_id=package_id,
        recipient=recipient,
        circle=circle,
        purpose=purpose,
        authorisation=authorisation,
        encryption=encryption.strip(),
        foreign_judicial_request=foreign_judicial_request,
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
    return _page(visitor, request, platform, release_id)


@router.post("/releases/{release_id}/vote")
async def post_vote(
    visitor: VotesOnReleases,
    request: Request,
    platform: PlatformDep,
    release_id: str,
    word: Annotated[str, Form(max_length=20)],
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """One field a file, named after it: whatever is written there is what is wrong with that file."""
    objections = {
        key.removeprefix(_OBJECTION): text.strip()
        for key, text in (await request.form()).items()
        if key.startswith(_OBJECTION) and isinstance(text, str) and text.strip()
    }
    return await run_in_threadpool(
        _done,
        visitor,
        request,
        platform,
        release_id,
        lambda: vote(platform, visitor.actor, release_id, word, reason, objections),
        _Typed(reason, objections),
    )


@router.post("/releases/{release_id}/complete")
def post_complete(
    visitor: AsksForReleases, request: Request, platform: PlatformDep, release_id: str
) -> Response:
    """A release that no longer passes, or that is held, comes back as its page and says why."""
    return _done(visitor, request, platform, release_id, lambda: release(platform, visitor.actor, release_id))


@router.post("/releases/{release_id}/withdraw")
def post_withdraw(
    visitor: AsksForReleases, request: Request, platform: PlatformDep, release_id: str, reason: _Text = ""
) -> Response:
    return _done(
        visitor,
        request,
        platform,
        release_id,
        lambda: withdraw_release(platform, visitor.actor, release_id, reason),
        _Typed(reason),
    )


@router.post("/releases/{release_id}/recall")
def post_recall(
    visitor: Recalls, request: Request, platform: PlatformDep, release_id: str, reason: _Text = ""
) -> Response:
    return _done(
        visitor,
        request,
        platform,
        release_id,
        lambda: recall_release(platform, visitor.actor, release_id, reason),
        _Typed(reason),
    )


@router.post("/releases/{release_id}/provisions/{provision_id}/deletion")
def post_deletion(
    visitor: Recalls,
    request: Request,
    platform: PlatformDep,
    release_id: str,
    provision_id: str,
    letter_sha256: Annotated[str, Form(max_length=80)] = "",
    confirmed_on: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    releases.provision_of(platform, visitor, release_id, provision_id)
    return _done(
        visitor,
        request,
        platform,
        release_id,
        lambda: confirm_deletion(
            platform, visitor.actor, provision_id, letter_sha256.strip().lower(), confirmed_on.strip()
        ),
    )


@router.post("/releases/{release_id}/links")
def post_link(
    visitor: AsksForReleases,
    request: Request,
    platform: PlatformDep,
    release_id: str,
    made_for: Annotated[str, Form(max_length=400)] = "",
    days: Annotated[int, Form()] = 7,
    downloads: Annotated[int, Form()] = 1,
) -> Response:
    """The page with the link on it, this once: it is stored nowhere and cannot be shown again."""
    try:
        made = make_link(platform, visitor.actor, release_id, made_for, days, downloads)
    except PlatformError as error:
        return _page(visitor, request, platform, release_id, error)
    return _page(visitor, request, platform, release_id, link=f"{request.base_url}r/{made.token}", status=201)


@router.post("/releases/{release_id}/links/{link_id}/end")
def post_link_end(visitor: AsksForReleases, platform: PlatformDep, release_id: str, link_id: str) -> Response:
    releases.link_of(platform, visitor, release_id, link_id)
    end_link(platform, visitor.actor, link_id)
    return RedirectResponse(f"/releases/{release_id}", status_code=303)


@dataclass(frozen=True)
class _Typed:
    """What somebody wrote, shown again where it was refused."""

    reason: str = ""
    objections: Mapping[str, str] = field(default_factory=dict)


def _done(
    visitor: Visitor,
    request: Request,
    platform: PlatformDep,
    release_id: str,
    act: Callable[[], object],
    typed: _Typed = _Typed(),
) -> Response:
    """Do it and come back to the release; what was refused comes back as its page, with what was written."""
    try:
        act()
    except PlatformError as error:
        if error.code not in _SHOWN_WITH_THE_RELEASE:
            raise
        return _page(visitor, request, platform, release_id, error, typed)
    return RedirectResponse(f"/releases/{release_id}", status_code=303)


def _page(
    visitor: Visitor,
    request: Request,
    platform: PlatformDep,
    release_id: str,
    error: PlatformError | None = None,
    typed: _Typed = _Typed(),
    *,
    link: str = "",
    status: int = 200,
) -> Response:
    return render(
        request,
        "release.html",
        status=error.http if error else status,
        one=releases.view(platform, visitor, release_id),
        error=error,
        typed=typed,
        link=link,
        today=shanghai_date(platform.clock()).isoformat(),
    )


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
