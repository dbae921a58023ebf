"""Logging in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.sessions import log_in, log_out
from rwd_platform.core.errors import PlatformError
from rwd_platform.server.deps import Anybody, LoggedIn, PlatformDep, request_is_secure
from rwd_platform.server.security import SESSION_COOKIE, keep_session
from rwd_platform.server.templating import render

router = APIRouter()


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
    next: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """A wrong password shows the form again with the login kept, never the password."""
    try:
        made = log_in(platform.records, login=login, password=password)
    except PlatformError as error:
        return render(request, "login.html", status=error.http, next=inside(next), login=login, error=error)
    response = RedirectResponse(inside(next), status_code=303)
    keep_session(response, made.token, secure=request_is_secure(request))
    return response


@router.post("/logout")
def post_logout(_: LoggedIn, request: Request, platform: PlatformDep) -> Response:
    log_out(platform.records, request.cookies[SESSION_COOKIE])
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response
