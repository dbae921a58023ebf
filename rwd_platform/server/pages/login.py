"""Logging in, by one step or two, and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.sessions import (
    HALF,
    HALF_LOGIN_OVER,
    HalfLogin,
    finish_log_in,
    log_in,
    log_out,
)
from rwd_platform.core.errors import PlatformError
from rwd_platform.server.deps import (
    Anybody,
    LoggedInOrEnrolling,
    PlatformDep,
    half_token,
    request_is_secure,
    session_token,
    whereabouts,
)
from rwd_platform.server.security import forget_session, keep_half_login, keep_session
from rwd_platform.server.templating import render

router = APIRouter()

Target = Annotated[str, Form(max_length=500)]


def inside(target: str) -> str:
    """Where to go after logging in: a path of this site, or home."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_path and target.isprintable() and "\\" not in target else "/"


@router.get("/login")
def get_login(
    visitor: Anybody, request: Request, next: Annotated[str, Query(max_length=500)] = "/"
) -> Response:
    if visitor is not None:
        return RedirectResponse("/", status_code=303)
    return render(request, "login.html", next=inside(next), login="", error=None)


@router.post("/login")
def post_login(
    _: Anybody,
    request: Request,
    platform: PlatformDep,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Target = "/",
) -> Response:
    """A wrong password shows the form again with the login kept, never the password."""
    try:
        made = log_in(platform.records, login=login, password=password, abroad=whereabouts(request))
    except PlatformError as error:
        return render(request, "login.html", status=error.http, next=inside(next), login=login, error=error)
    secure = request_is_secure(request)
    if isinstance(made, HalfLogin):
        response: Response = render(request, "login_code.html", next=inside(next), error=None)
        keep_half_login(response, made.token, seconds=int(HALF.total_seconds()), secure=secure)
        return response
    response = RedirectResponse(inside(next), status_code=303)
    keep_session(response, made.token, secure=secure)
    return response


@router.post("/login/code")
def post_code(
    _: Anybody,
    request: Request,
    platform: PlatformDep,
    code: Annotated[str, Form(max_length=100)] = "",
    next: Target = "/",
) -> Response:
    """The second step. A wrong code is asked for again; when the first step has run out, both are."""
    try:
        made = finish_log_in(platform.records, half_token(request), code, abroad=whereabouts(request))
    except PlatformError as error:
        again = error.problem is HALF_LOGIN_OVER
        template, kept = ("login.html", {"login": ""}) if again else ("login_code.html", {})
        return render(request, template, status=error.http, next=inside(next), error=error, **kept)
    response = RedirectResponse(inside(next), status_code=303)
    keep_session(response, made.token, secure=request_is_secure(request))
    return response


@router.post("/logout")
def post_logout(_: LoggedInOrEnrolling, request: Request, platform: PlatformDep) -> Response:
    log_out(platform.records, session_token(request))
    response = RedirectResponse("/login", status_code=303)
    forget_session(response, secure=request_is_secure(request))
    return response
