"""Who is at the door: every route says which permission it asks for, in its signature.

    SendsUpload = Annotated[Visitor, Depends(Door("upload.create"))]

A route for everybody says so too, with `Open`. A route that says neither fails
tests/house/test_routes_by_role.py. The permission here is the right to come in at all; whose upload or study
it is, the flow or the read model decides, and what is not yours looks like what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from rwd_platform.access.clients import find_machine
from rwd_platform.access.permissions import FROM_ABROAD, Action, check_may, scope_of
from rwd_platform.access.projects import running_inspection
from rwd_platform.access.refusals import record_refusal
from rwd_platform.access.second_factor import must_enrol
from rwd_platform.access.sessions import Login, check_csrf, find_login
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.text import Language
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.whereabouts import abroad
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Inspection, Organisation, User
from rwd_platform.server.security import (
    HALF_COOKIE,
    LANGUAGE_COOKIE,
    PROVIDER_COOKIE,
    SAFE_METHODS,
    SESSION_COOKIE,
    check_origin,
    cookie_name,
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

ENROL_FIRST = Problem(
    code="server.enrol_first",
    zh="您的角色必须使用动态验证码，请先设置。",
    en="Your role has to use a second factor; set it up first.",
    next_zh="请在“设置动态验证码”页面完成设置，之后即可使用平台。",
    next_en="Do so on the page of your second factor; after that the platform is open to you.",
    http=403,
    exit=Exit.REFUSED,
)
TOKEN_WRONG = Problem(
    code="server.token_wrong",
    zh="令牌无效、已过期，或不能用于此操作。",
    en="The token is not valid, has run out, or is not for this.",
    next_zh="请用新的断言在 /api/v1/token 重新取得令牌。",
    next_en="Get a new one at /api/v1/token, with a new assertion.",
    http=401,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Visitor:
    """A person who is logged in, for the length of one request.

    must_enrol -- nothing is open to this person before a second factor is set up
    inspection -- by which an inspector reads now
    """

    login: Login
    organisation: Organisation | None
    must_enrol: bool = False
    inspection: Inspection | None = None

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


def session_token(request: Request) -> str:
    """What the session's cookie holds; "" without one. No token is looked for in an address."""
    return request.cookies.get(cookie_name(SESSION_COOKIE, secure=request_is_secure(request)), "")


def half_token(request: Request) -> str:
    """What the cookie between password and code holds; "" without one."""
    return request.cookies.get(cookie_name(HALF_COOKIE, secure=request_is_secure(request)), "")


def provider_token(request: Request) -> str:
    """What the cookie of a login at the identity provider holds; "" without one."""
    return request.cookies.get(cookie_name(PROVIDER_COOKIE, secure=request_is_secure(request)), "")


def find_visitor(request: Request) -> Visitor | None:
    token = session_token(request)
    if not token:
        return None
    platform = platform_of(request)
    login = find_login(platform.records, token)
    if login is None:
        return None
    why = abroad(platform, login.user.organisation_id, address_of(request))
    login = replace(login, actor=replace(login.actor, abroad=why))
    return Visitor(
        login,
        platform.records.find(Organisation, login.user.organisation_id),
        must_enrol(platform.records, login.user, required=platform.settings.second_factor_required),
        running_inspection(platform.records, login.actor),
    )


def address_of(request: Request) -> str:
    """Where the connection comes from; behind a proxy, what the proxy says (deploy/, FORWARDED_ALLOW_IPS)."""
    return request.client.host if request.client else ""


def whereabouts(request: Request) -> Callable[[User], str]:
    """For a login: why that person would count as abroad."""
    platform, address = platform_of(request), address_of(request)
    return lambda user: abroad(platform, user.organisation_id, address)


def _check_door(request: Request, actor: Actor, action: str) -> None:
    """Raises 403. What is closed to somebody because they are abroad is an entry, whichever door it was."""
    try:
        check_may(actor, action)
    except PlatformError as error:
        if error.problem is FROM_ABROAD:
            path = getattr(request.scope.get("route"), "path", "?")
            record_refusal(platform_of(request).records, actor, action, "door", path, error)
        raise


def bearer_token(request: Request) -> str | None:
    """What follows `Bearer` in the header; None where somebody else's header, a proxy's for instance, stands there."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def find_machine_visitor(request: Request, action: str) -> Visitor:
    """A hospital's system, by its token; no cookie is looked at, so that no other site can make it act.

    Raises TOKEN_WRONG for a token that is none, has ended, or is not for this.
    """
    records = platform_of(request).records
    machine = find_machine(records, bearer_token(request) or "")
    if machine is None or action not in machine.scopes:
        raise TOKEN_WRONG.error()
    why = abroad(platform_of(request), machine.client.organisation_id, address_of(request))
    actor = replace(machine.actor, abroad=why)
    _check_door(request, actor, action)
    # A system has no account; what is shown of whoever acts is its name.
    shown = User(
        id=machine.client.id,
        organisation_id=machine.client.organisation_id,
        login="",
        role=actor.role,
        name=machine.client.name,
        password_hash="",
        created_at=machine.client.registered_at,
    )
    organisation = records.find(Organisation, machine.client.organisation_id)
    visitor = Visitor(Login(shown, actor, ""), organisation)
    request.state.visitor = visitor
    return visitor


class Open:
    """A route for everybody, logged in or not; a visitor is recognised where there is one."""

    action = ""

    async def __call__(self, request: Request) -> Visitor | None:
        check_origin(request)
        visitor = await run_in_threadpool(find_visitor, request)
        request.state.visitor = visitor
        return visitor


class Door:
    """A route for people whose role permits the action. Changes also need the form's token.

    machines -- whether hospitals' own systems come in too, over the API and with a token of theirs
    """

    while_enrolling = False  # whether it is open to somebody who has to set up a second factor first

    def __init__(self, action: str, *, machines: bool = False) -> None:
        self.action, self.machines = action, machines

    async def __call__(self, request: Request) -> Visitor:
        check_origin(request)
        if self.machines and request.url.path.startswith("/api/") and bearer_token(request) is not None:
            return await run_in_threadpool(find_machine_visitor, request, self.action)
        visitor = await run_in_threadpool(find_visitor, request)
        if visitor is None:
            raise LOGIN_NEEDED.error()
        request.state.visitor = visitor
        if request.method not in SAFE_METHODS:
            check_csrf(visitor.login, await sent_csrf_token(request))
        if visitor.must_enrol and not self.while_enrolling:
            raise ENROL_FIRST.error()
        if self.action:
            await run_in_threadpool(_check_door, request, visitor.actor, self.action)
            request.state.shows_data = True
        return visitor


class AnyRole(Door):
    """A route for everybody who is logged in."""

    def __init__(self) -> None:
        super().__init__("")


class Enrolling(AnyRole):
    """What somebody may do who has to set up a second factor first: that, and log out."""

    while_enrolling = True


PlatformDep = Annotated[Platform, Depends(platform_of)]
LanguageDep = Annotated[Language, Depends(language_of)]
Anybody = Annotated[Visitor | None, Depends(Open())]
LoggedIn = Annotated[Visitor, Depends(AnyRole())]
LoggedInOrEnrolling = Annotated[Visitor, Depends(Enrolling())]
