"""Logging in and out over the API. The cookie carries the session, the token guards every change."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from rwd_platform.access.sessions import Login, log_in, log_out
from rwd_platform.server.api.models import REFUSALS, LoginIn, SessionOut
from rwd_platform.server.deps import Anybody, LoggedIn, PlatformDep, request_is_secure
from rwd_platform.server.security import SESSION_COOKIE, keep_session

router = APIRouter(prefix="/api/v1", tags=["session"], responses=REFUSALS)


@router.post("/session", response_model=SessionOut, status_code=201)
def post_session(
    _: Anybody, wanted: LoginIn, request: Request, response: Response, platform: PlatformDep
) -> SessionOut:
    """Log in. Wrong passwords are counted, and after a few the account rests for a while."""
    made = log_in(platform.records, login=wanted.login, password=wanted.password)
    keep_session(response, made.token, secure=request_is_secure(request))
    return _session_out(made)


@router.get("/session", response_model=SessionOut)
def get_session(visitor: LoggedIn) -> SessionOut:
    """Who is logged in."""
    return _session_out(visitor.login)


@router.delete("/session", status_code=204)
def delete_session(_: LoggedIn, request: Request, response: Response, platform: PlatformDep) -> None:
    """Log out: the session is gone on the server too."""
    log_out(platform.records, request.cookies[SESSION_COOKIE])
    response.delete_cookie(SESSION_COOKIE, path="/")


def _session_out(login: Login) -> SessionOut:
    return SessionOut(
        login=login.user.login,
        name=login.user.name,
        role=login.user.role,
        organisation_id=login.user.organisation_id,
        csrf_token=login.csrf_token,
    )
