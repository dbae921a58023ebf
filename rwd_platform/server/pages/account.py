"""One's own account: password, second factor, and where one is logged in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.policy import needs_second_factor
from rwd_platform.access.second_factor import has_factor, recovery_codes_left
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import own_account
from rwd_platform.flows.oidc_login import identities_of
from rwd_platform.flows.platform import Platform
from rwd_platform.server.deps import (
    LoggedIn,
    LoggedInOrEnrolling,
    PlatformDep,
    Visitor,
    request_is_secure,
    session_token,
)
from rwd_platform.server.security import keep_session
from rwd_platform.server.templating import render

router = APIRouter()

_Secret = Annotated[str, Form(max_length=1000)]
_Code = Annotated[str, Form(max_length=100)]


@router.get("/account")
def get_account(visitor: LoggedIn, request: Request, platform: PlatformDep, done: str = "") -> Response:
    return account_page(request, platform, visitor, done=done)


@router.post("/account/password")
def post_password(
    visitor: LoggedIn, request: Request, platform: PlatformDep, old: _Secret = "", new: _Secret = ""
) -> Response:
    try:
        own_account.change_password(platform, visitor.actor, session_token(request), old, new)
    except PlatformError as error:
        return account_page(request, platform, visitor, error=error)
    return RedirectResponse("/account?done=password", status_code=303)


@router.post("/account/sessions/end")
def post_end_session(
    visitor: LoggedIn, platform: PlatformDep, handle: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    own_account.end_session(platform, visitor.actor, handle)
    return RedirectResponse("/account", status_code=303)


@router.post("/account/sessions/end-others")
def post_end_others(visitor: LoggedIn, request: Request, platform: PlatformDep) -> Response:
    own_account.end_other_sessions(platform, visitor.actor, session_token(request))
    return RedirectResponse("/account?done=sessions", status_code=303)


@router.get("/account/second-factor")
def get_factor(visitor: LoggedInOrEnrolling, request: Request, platform: PlatformDep) -> Response:
    """What an authenticator needs, while it is being set up; a button to begin before."""
    if has_factor(platform.records, visitor.user.id):
        return RedirectResponse("/account", status_code=303)
    return _enrolment(request, platform, visitor)


@router.post("/account/second-factor")
def post_begin_factor(visitor: LoggedInOrEnrolling, platform: PlatformDep) -> Response:
    own_account.begin_factor(platform, visitor.actor)
    return RedirectResponse("/account/second-factor", status_code=303)


@router.post("/account/second-factor/confirm")
def post_confirm_factor(
    visitor: LoggedInOrEnrolling, request: Request, platform: PlatformDep, code: _Code = ""
) -> Response:
    """The answer shows the recovery codes, once, and carries a new session: the one before knew no second factor."""
    try:
        made, codes = own_account.confirm_factor(platform, visitor.actor, code)
    except PlatformError as error:
        return _enrolment(request, platform, visitor, error)
    request.state.visitor = Visitor(made, visitor.organisation, inspection=visitor.inspection)
    response = render(request, "recovery_codes.html", codes=codes)
    keep_session(response, made.token, secure=request_is_secure(request))
    return response


@router.post("/account/second-factor/codes")
def post_new_codes(visitor: LoggedIn, request: Request, platform: PlatformDep, code: _Code = "") -> Response:
    try:
        codes = own_account.renew_recovery_codes(platform, visitor.actor, code)
    except PlatformError as error:
        return account_page(request, platform, visitor, error=error)
    return render(request, "recovery_codes.html", codes=codes)


@router.post("/account/second-factor/remove")
def post_remove_factor(
    visitor: LoggedIn, request: Request, platform: PlatformDep, code: _Code = ""
) -> Response:
    try:
        own_account.remove_factor(platform, visitor.actor, code)
    except PlatformError as error:
        return account_page(request, platform, visitor, error=error)
    return RedirectResponse("/account?done=removed", status_code=303)


def account_page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    *,
    error: PlatformError | None = None,
    done: str = "",
) -> Response:
    guarded = has_factor(platform.records, visitor.user.id)
    return render(
        request,
        "account.html",
        status=_status(error),
        error=error,
        done=done,
        guarded=guarded,
        needed=needs_second_factor(visitor.user.role),
        codes_left=recovery_codes_left(platform.records, visitor.user.id) if guarded else 0,
        sessions=own_account.sessions_of(platform, visitor.actor, session_token(request)),
        identities=identities_of(platform, visitor.user.id),
        issuer=platform.provider.issuer if platform.provider else "",
    )


def _enrolment(
    request: Request, platform: Platform, visitor: Visitor, error: PlatformError | None = None
) -> Response:
    try:
        address = own_account.factor_address(platform, visitor.actor)
    except PlatformError:
        address = ""
    shown: dict[str, Any] = {"address": address, "drawing": _drawing(address) if address else Markup()}
    return render(
        request,
        "second_factor.html",
        status=_status(error),
        error=error,
        needed=visitor.must_enrol,
        **shown,
    )


def _drawing(address: str) -> Markup:
    """The address as a QR code, drawn into the page: no other host, no file, no script."""
    import segno

    svg = segno.make(address, error="m").svg_inline(
        scale=5, svgclass="qr", dark="#1b2427", light="#fff", border=4
    )
    return Markup(svg)  # noqa: S704 - squares alone; the address itself is not in it as text


def _status(error: PlatformError | None) -> int:
    """A wrong code of somebody who is logged in is a field to correct, not a login that is missing."""
    if error is None:
        return 200
    return 422 if error.http == 401 else error.http
