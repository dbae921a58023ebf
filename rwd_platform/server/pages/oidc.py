"""Logging in through the organisation's identity provider: to it, back from it, and binding one's identity there.

The browser is sent by a page of ours, not by an answer to the form: a form may lead to this host alone, and the content
policy holds for where it is sent on to as well.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.sessions import HALF, HalfLogin
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import oidc_login, people
from rwd_platform.flows.oidc_login import ATTEMPT_OVER, BIND, LIFE, Answer, Sent
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import OidcAttempt
from rwd_platform.server.api.people import ManagesPeople
from rwd_platform.server.deps import (
    Anybody,
    LoggedIn,
    PlatformDep,
    Visitor,
    provider_token,
    request_is_secure,
    session_token,
    whereabouts,
)
from rwd_platform.server.pages.account import account_page
from rwd_platform.server.pages.login import Target, inside
from rwd_platform.server.pages.people import Reason, change_person
from rwd_platform.server.security import (
    forget_provider_login,
    keep_half_login,
    keep_provider_login,
    keep_session,
)
from rwd_platform.server.templating import render

router = APIRouter()

_Secret = Annotated[str, Form(max_length=1000)]
_Said = Annotated[str, Query(max_length=4000)]


@router.post("/login/provider")
def post_provider(visitor: Anybody, request: Request, platform: PlatformDep, next: Target = "/") -> Response:
    """To the provider, with a cookie that brings the answer back to this browser alone."""
    if visitor is not None:
        return RedirectResponse("/", status_code=303)
    try:
        sent = oidc_login.begin_login(platform, inside(next))
    except PlatformError as error:
        return _login(request, error, inside(next))
    return _to_provider(request, sent)


@router.get("/login/provider/back")
def get_back(
    visitor: Anybody,
    request: Request,
    platform: PlatformDep,
    code: _Said = "",
    state: _Said = "",
    error: _Said = "",
    iss: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """Back from the provider. Only the browser that was sent there is listened to, and once."""
    answer = Answer(code, error, iss)
    try:
        attempt = oidc_login.take(platform, provider_token(request), state)
    except PlatformError as refused:
        if visitor is None or visitor.must_enrol:
            return _login(request, refused)
        # Whoever is logged in stays so: the answer may be one that a stranger made them open.
        return account_page(request, platform, visitor, error=refused)
    finish = _bound if attempt.purpose == BIND else _logged_in
    response = finish(request, platform, visitor, attempt, answer)
    forget_provider_login(response, secure=request_is_secure(request))
    return response


@router.get("/login/code")
def get_code(_: Anybody, request: Request, next: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """The form for the second step, at an address that holds nothing of the first."""
    return render(request, "login_code.html", next=inside(next), error=None)


@router.post("/account/identity")
def post_bind(visitor: LoggedIn, request: Request, platform: PlatformDep, password: _Secret = "") -> Response:
    """Binding takes the password once more, and then the provider's word."""
    try:
        sent = oidc_login.begin_binding(platform, visitor.actor, password)
    except PlatformError as error:
        return account_page(request, platform, visitor, error=error)
    return _to_provider(request, sent)


@router.post("/account/identity/unbind")
def post_unbind(
    visitor: LoggedIn, request: Request, platform: PlatformDep, password: _Secret = ""
) -> Response:
    try:
        oidc_login.unbind(platform, visitor.actor, password, session_token(request))
    except PlatformError as error:
        return account_page(request, platform, visitor, error=error)
    return RedirectResponse("/account?done=unbound", status_code=303)


@router.post("/people/{user_id}/identity/unbind")
def post_unbind_other(
    visitor: ManagesPeople, request: Request, platform: PlatformDep, user_id: str, reason: Reason = ""
) -> Response:
    def unbind() -> None:
        people.unbind_identity(platform, visitor.actor, user_id, reason)

    return change_person(request, platform, visitor, user_id, unbind)


def _logged_in(
    request: Request, platform: Platform, _: Visitor | None, attempt: OidcAttempt, answer: Answer
) -> Response:
    """A session's token is made here, whatever cookie came along. Without a second factor that is all."""
    target, secure = inside(attempt.next), request_is_secure(request)
    try:
        made = oidc_login.finish_login(platform, attempt, answer, whereabouts(request))
    except PlatformError as error:
        return _login(request, error, target)
    if isinstance(made, HalfLogin):
        # Not shown here: the address holds the provider's code, and stays in the browser's history.
        response: Response = RedirectResponse(f"/login/code?next={quote(target, safe='')}", status_code=303)
        keep_half_login(response, made.token, seconds=int(HALF.total_seconds()), secure=secure)
        return response
    response = RedirectResponse(target, status_code=303)
    keep_session(response, made.token, secure=secure)
    return response


def _bound(
    request: Request, platform: Platform, visitor: Visitor | None, attempt: OidcAttempt, answer: Answer
) -> Response:
    if visitor is None or visitor.must_enrol:
        return _login(request, ATTEMPT_OVER.error())
    try:
        oidc_login.finish_binding(platform, attempt, answer, visitor.actor, session_token(request))
    except PlatformError as error:
        return account_page(request, platform, visitor, error=error)
    return RedirectResponse(attempt.next, status_code=303)


def _to_provider(request: Request, sent: Sent) -> Response:
    response = render(request, "to_provider.html", address=sent.address)
    seconds = int(LIFE.total_seconds())
    keep_provider_login(response, sent.token, seconds=seconds, secure=request_is_secure(request))
    return response


def _login(request: Request, error: PlatformError, target: str = "/") -> Response:
    """The page to log in at, with what was wrong; who has to bind first is taken to where that is done."""
    wanted = "/account" if error.problem is oidc_login.NOT_BOUND else target
    return render(request, "login.html", status=error.http, next=wanted, login="", error=error)
