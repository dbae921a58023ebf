"""Who is at the door: every route says which permission it asks for, in its signature.

    SendsUpload = Annotated[Visitor, Depends(Door("upload.create"))]

A route for everybody says so too, with `Open`. A route that says neither fails
tests/house/test_routes_by_role.py. The permission here is the right to come in at all; whose upload or study
it is, the flow or the read model decides, and what is not yours looks like what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from rwd_platform.access.permissions import Action, check_may, scope_of
from rwd_platform.access.sessions import Login, check_csrf, find_login
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Language
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Organisation, User
from rwd_platform.server.security import (
    LANGUAGE_COOKIE,
    SAFE_METHODS,
    SESSION_COOKIE,
    check_origin,
    sent_csrf_token,
)
from rwd_platform.server.texts import as_language

LOGIN_NEEDED = Problem(
    code="server.login_needed",
    zh="请先登录；登录可能已过期。",
    en="Please log in; your login may have run out.",
    next_zh="登录后会回到您原来的页面。",
    next_en="After logging in you come back to the page you wanted.",
    http=401,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Visitor:
    """A person who is logged in, for the length of one request."""

    login: Login
    organisation: Organisation | None

    @property
    def user(self) -> User:
        return self.login.user

    @property
    def actor(self) -> Actor:
        return self.login.actor

    def may(self, action: Action | str) -> bool:
        """Whether to offer something to this person; flows check again when it is done."""
        return scope_of(self.actor, action) is not None


def platform_of(request: Request) -> Platform:
    platform: Platform = request.app.state.platform
    return platform


def language_of(request: Request) -> Language:
    """The language chosen with the switch (cookie), else the person's own, else Chinese."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    own = as_language(visitor.user.language) if visitor else "zh"
    return as_language(request.cookies.get(LANGUAGE_COOKIE), own)


def request_is_secure(request: Request) -> bool:
    """Cookies are marked Secure, unless this is the demo on plain http."""
    return request.url.scheme == "https" or not platform_of(request).settings.demo


def find_visitor(request: Request) -> Visitor | None:
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    records = platform_of(request).records
    login = find_login(records, token)
    if login is None:
        return None
    return Visitor(login, records.find(Organisation, login.user.organisation_id))


class Open:
    """A route for everybody, logged in or not; a visitor is recognised where there is one."""

    action = ""

    async def __call__(self, request: Request) -> Visitor | None:
        check_origin(request)
        visitor = await run_in_threadpool(find_visitor, request)
        request.state.visitor = visitor
        return visitor


class Door:
    """A route for people whose role permits the action. Changes also need the form's token."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self, request: Request) -> Visitor:
        check_origin(request)
        visitor = await run_in_threadpool(find_visitor, request)
        if visitor is None:
            raise LOGIN_NEEDED.error()
        request.state.visitor = visitor
        if request.method not in SAFE_METHODS:
            check_csrf(visitor.login, await sent_csrf_token(request))
        if self.action:
            check_may(visitor.actor, self.action)
        return visitor


class AnyRole(Door):
    """A route for everybody who is logged in."""

    def __init__(self) -> None:
        super().__init__("")


PlatformDep = Annotated[Platform, Depends(platform_of)]
LanguageDep = Annotated[Language, Depends(language_of)]
Anybody = Annotated[Visitor | None, Depends(Open())]
LoggedIn = Annotated[Visitor, Depends(AnyRole())]
