"""Logging in and out over the API. The cookie carries the session, the token guards every change."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from rwd_platform.access.sessions import HALF, HalfLogin, Login, NewLogin, finish_log_in, log_in, log_out
from rwd_platform.server.api.models import REFUSALS, LoginIn, Out, SessionOut
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

router = APIRouter(prefix="/api/v1", tags=["session"], responses=REFUSALS)


class CodeIn(BaseModel):
    code: str = Field(max_length=100)


class HalfLoginOut(Out):
    """The password was right: send the code to `POST /api/v1/session/code`, with the cookie, within `seconds`."""

    second_factor: bool
    seconds: int


@router.post("/session", response_model=SessionOut, status_code=201, responses={202: {"model": HalfLoginOut}})
def post_session(
    _: Anybody, wanted: LoginIn, request: Request, response: Response, platform: PlatformDep
) -> SessionOut | Response:
    """Log in. 202 when a code is needed as well. Wrong passwords are counted, and after a few the account rests."""
    made = log_in(platform.records, login=wanted.login, password=wanted.password, abroad=whereabouts(request))
    if isinstance(made, HalfLogin):
        seconds = int(HALF.total_seconds())
        half = Response(
            HalfLoginOut(second_factor=True, seconds=seconds).model_dump_json(),
            status_code=202,
            media_type="application/json",
        )
        keep_half_login(half, made.token, seconds=seconds, secure=request_is_secure(request))
        return half
    return _logged_in(made, request, response)


@router.post("/session/code", response_model=SessionOut, status_code=201)
def post_session_code(
    _: Anybody, wanted: CodeIn, request: Request, response: Response, platform: PlatformDep
) -> SessionOut:
    """The second step: a code of the authenticator, or a recovery code. Each works once."""
    made = finish_log_in(platform.records, half_token(request), wanted.code, abroad=whereabouts(request))
    return _logged_in(made, request, response)


@router.get("/session", response_model=SessionOut)
def get_session(visitor: LoggedInOrEnrolling) -> SessionOut:
    """Who is logged in."""
    return _session_out(visitor.login)


@router.delete("/session", status_code=204)
def delete_session(
    _: LoggedInOrEnrolling, request: Request, response: Response, platform: PlatformDep
) -> None:
    """Log out: the session is gone on the server too."""
    log_out(platform.records, session_token(request))
    forget_session(response, secure=request_is_secure(request))


def _logged_in(made: NewLogin, request: Request, response: Response) -> SessionOut:
    keep_session(response, made.token, secure=request_is_secure(request))
    return _session_out(made)


def _session_out(login: Login) -> SessionOut:
    return SessionOut(
        login=login.user.login,
        name=login.user.name,
        role=login.user.role,
        organisation_id=login.user.organisation_id,
        csrf_token=login.csrf_token,
    )
