"""Logins: an opaque token in the cookie, its hash in the database, and every login in the log.

A session ends after 30 minutes without a request and after 12 hours in any case. Guessing is slow:
an attempt is counted before the password is looked at, so that parallel guesses count too, and five
failures lock the login name for five minutes. Login names that do not exist lock alike, so that the
answer tells nobody which names exist. An attempt on a locked name is refused unread and is not an
entry of its own - the entry that set the lock says until when - so that nobody can flood the log.

Whoever has a second factor comes in by two steps. The first gives half a login: a token of another kind, in
another table, good for five minutes and for the second step alone. The session's token is made when both are done.
The first may be an identity provider's instead of the password (rwd_platform/flows/oidc_login.py); the second stays.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from rwd_platform.access.accounts import is_in_use
from rwd_platform.access.attempts import FAILURES, LOCK, count_attempt, login_sha256, pardon, take_back
from rwd_platform.access.passwords import verify_password
from rwd_platform.access.second_factor import CODE_WRONG, CodeRefused, has_factor, spend
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import HalfLogin as HalfLoginRow
from rwd_platform.records.tables import OidcAttempt, User, WebSession

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
HALF = timedelta(minutes=5)
SEEN_EVERY = timedelta(minutes=1)  # a page's many requests are one sighting
_TOKEN_BYTES = 32

LOGIN_FAILED = Problem(
    code="access.login_failed",
    zh="登录名或密码不正确。",
    en="The login name or the password is wrong.",
    next_zh="请重试；连续 5 次失败后该登录名将锁定 5 分钟。",
    next_en="Try again; five failures lock the login name for five minutes.",
    http=401,
    exit=Exit.REFUSED,
)
HALF_LOGIN_OVER = Problem(
    code="access.half_login_over",
    zh="登录的第一步已过期。",
    en="The first step of the login has run out.",
    next_zh="请重新登录。",
    next_en="Log in again.",
    http=401,
    exit=Exit.REFUSED,
)
CSRF_FAILED = Problem(
    code="access.csrf",
    zh="此页面已过期，操作未执行。",
    en="This page is out of date; nothing was done.",
    next_zh="请刷新页面后重试。",
    next_en="Reload the page and try again.",
    http=403,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Login:
    """Who is logged in. `actor` is what acts; `csrf_token` goes into every form of the session."""

    user: User
    actor: Actor
    csrf_token: str


@dataclass(frozen=True)
class NewLogin(Login):
    """A login just made. `token` is the cookie's value and exists nowhere else."""

    token: str


@dataclass(frozen=True)
class HalfLogin:
    """The first step was right and the code is awaited. It names nobody and may do nothing but `finish_log_in`."""

    token: str


def _at_home(_user: User) -> str:
    return ""


# Why a person counts as abroad, "" where they do not: rwd_platform/flows/whereabouts.py.
Whereabouts = Callable[[User], str]


def log_in(
    records: Records, *, login: str, password: str, request_id: str = "", abroad: Whereabouts = _at_home
) -> NewLogin | HalfLogin:
    """A new session, or half a login, or LOGIN_FAILED (401), or LOGIN_LOCKED (429). A failure is in the log."""
    failures = count_attempt(records, login)
    user = _user(records, login)
    usable = user if user is not None and is_in_use(user, records.clock()) else None
    if not verify_password(password, usable.password_hash if usable else None) or usable is None:
        _refuse(records, user, login, _why_not(user, usable), failures, request_id)
        raise LOGIN_FAILED.error()
    if has_factor(records, usable.id):
        take_back(records, login)
        return _open_half(records, usable)
    made, row = new_session(usable, records.clock(), abroad(usable))
    act = _opened(made.actor, "password", request_id)
    with records.transaction(audit=act) as session:
        pardon(session, login)
        session.add(row)
    return made


def log_in_proven(
    records: Records,
    user: User,
    first_step: str,
    *,
    still: Callable[[Session], None],
    request_id: str = "",
    abroad: Whereabouts = _at_home,
) -> NewLogin | HalfLogin:
    """A session, or half a login, for somebody whom another step than the password proved.

    user -- in use; the caller has seen to that, and counts and records what fails
    first_step -- its name for the log
    still -- looks, in the transaction of the session, whether the proof holds, and raises if it does not
    """
    if has_factor(records, user.id):
        return _open_half(records, user, first_step)
    made, row = new_session(user, records.clock(), abroad(user))
    with records.transaction(audit=_opened(made.actor, first_step, request_id)) as session:
        still(session)
        session.add(row)
    return made


def finish_log_in(
    records: Records, half_token: str, code: str, *, request_id: str = "", abroad: Whereabouts = _at_home
) -> NewLogin:
    """The second step: a code of the authenticator, or a recovery code. A code that was right works never again.

    Raises HALF_LOGIN_OVER, CODE_WRONG (both 401) and LOGIN_LOCKED: wrong codes count with wrong passwords.
    """
    half = records.find(HalfLoginRow, _token_sha256(half_token))
    user = records.find(User, half.user_id) if half else None
    now = records.clock()
    if half is None or user is None or half.expires_at <= as_text(now) or not is_in_use(user, now):
        raise HALF_LOGIN_OVER.error()
    failures = count_attempt(records, user.login)
    made, row = new_session(user, now, abroad(user))
    spent = ""
    try:
        with records.transaction(
            audit=lambda: _opened(made.actor, spent, request_id, half.first_step)
        ) as session:
            current = session.get(HalfLoginRow, half.token_sha256)
            if current is None:  # somebody finished with it meanwhile
                raise HALF_LOGIN_OVER.error()
            spent = spend(session, records.keys, user.id, code, now)
            session.delete(current)
            pardon(session, user.login)
            session.add(row)
    except CodeRefused as refused:
        _refuse(records, user, user.login, str(refused), failures, request_id)
        raise CODE_WRONG.error() from None
    return made


def find_login(records: Records, token: str) -> Login | None:
    """Whose session this is; None when the token is unknown, idle, over, or its user's account is."""
    session = records.find(WebSession, _token_sha256(token))
    if session is None:
        return None
    now = records.clock()
    user = records.find(User, session.user_id)
    idle = session.last_seen_at <= as_text(now - IDLE)
    if user is None or not is_in_use(user, now) or idle or session.expires_at <= as_text(now):
        _forget(records, session.token_sha256)
        return None
    if session.last_seen_at <= as_text(now - SEEN_EVERY):
        _see(records, session.token_sha256, now)
    return Login(user, _actor(user), session.csrf_token)


def log_out(records: Records, token: str, *, request_id: str = "") -> None:
    """End the session. A token that is no session ends nothing and is no error."""
    token_sha256 = _token_sha256(token)
    session = records.find(WebSession, token_sha256)
    user = records.find(User, session.user_id) if session else None
    if user is None:
        return
    act = Act(_actor(user), "session.closed", Object("user_account", user.id), request_id=request_id)
    with records.transaction(audit=act) as transaction:
        row = transaction.get(WebSession, token_sha256)
        if row is not None:
            transaction.delete(row)


def check_csrf(login: Login, token: str) -> None:
    """Raises CSRF_FAILED unless the form carries the session's own token."""
    if not hmac.compare_digest(login.csrf_token.encode(), token.encode("utf-8", "replace")):
        raise CSRF_FAILED.error()


def end_sessions(session: Session, user_id: str, *, except_for: str = "") -> int:
    """Within somebody's transaction: the person is out everywhere, half logins included. How many sessions ended.

    except_for -- the token of the one session that stays
    """
    kept = _token_sha256(except_for) if except_for else ""
    for half in session.exec(select(HalfLoginRow).where(HalfLoginRow.user_id == user_id)).all():
        session.delete(half)
    rows = session.exec(select(WebSession).where(WebSession.user_id == user_id)).all()
    ending = [row for row in rows if row.token_sha256 != kept]
    for row in ending:
        session.delete(row)
    return len(ending)


def is_this_session(row: WebSession, token: str) -> bool:
    return row.token_sha256 == _token_sha256(token)


def remove_expired(records: Records) -> None:
    """Delete the sessions and what was begun and not finished in time. For the worker, now and then."""
    now = records.clock()
    is_over = col(WebSession.expires_at) <= as_text(now)
    is_idle = col(WebSession.last_seen_at) <= as_text(now - IDLE)
    with records.touching() as session:
        for row in session.exec(select(WebSession).where(is_over | is_idle)).all():
            session.delete(row)
        ended = col(HalfLoginRow.expires_at) <= as_text(now)
        for half in session.exec(select(HalfLoginRow).where(ended)).all():
            session.delete(half)
        gone = col(OidcAttempt.expires_at) <= as_text(now)
        for attempt in session.exec(select(OidcAttempt).where(gone)).all():
            session.delete(attempt)


# -- the steps of a login ---------------------------------------------------------------------------------


def _why_not(user: User | None, usable: User | None) -> str:
    if user is None:
        return "unknown_login"
    if usable is not None:
        return "wrong_password"
    return "account_disabled" if user.disabled_at is not None else "account_expired"


def _refuse(
    records: Records, user: User | None, login: str, reason: str, failures: int, request_id: str
) -> None:
    """The entry of a failed login. A name that is nobody's is kept as a hash: people type passwords there."""
    locked_seconds = int(LOCK.total_seconds()) if failures >= FAILURES else 0
    act = Act(
        Actor("anonymous", "", user.organisation_id if user else ""),
        "login.failed",
        Object("user_account", user.id) if user else Object("login", login_sha256(login)),
        reason=reason,
        outcome="refused",
        request_id=request_id,
        decision={"failures": failures, "locked_seconds": locked_seconds},
    )
    records.record(act)


def _opened(actor: Actor, factor: str, request_id: str, first_step: str = "password") -> Act:
    """factor -- `password` or `oidc` alone, or `totp` or `recovery` after it

    From abroad it is an act of another name, so that it is found among the many.
    """
    return Act(
        actor,
        "session.opened_abroad" if actor.abroad else "session.opened",
        Object("user_account", actor.id),
        request_id=request_id,
        decision={"factor": factor} if first_step == "password" else {"factor": factor, "after": first_step},
    )


def _open_half(records: Records, user: User, first_step: str = "password") -> HalfLogin:
    token, now = secrets.token_urlsafe(_TOKEN_BYTES), records.clock()
    records.touch(
        HalfLoginRow(
            token_sha256=_token_sha256(token),
            user_id=user.id,
            organisation_id=user.organisation_id,
            created_at=as_text(now),
            expires_at=as_text(now + HALF),
            first_step=first_step,
        )
    )
    return HalfLogin(token)


def new_session(user: User, now: datetime, abroad: str = "") -> tuple[NewLogin, WebSession]:
    """A login and its row, which the caller's transaction writes."""
    token, csrf_token = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    row = WebSession(
        token_sha256=_token_sha256(token),
        user_id=user.id,
        organisation_id=user.organisation_id,
        csrf_token=csrf_token,
        created_at=as_text(now),
        last_seen_at=as_text(now),
        expires_at=as_text(now + ABSOLUTE),
    )
    return NewLogin(user, replace(_actor(user), abroad=abroad), csrf_token, token), row


def _see(records: Records, token_sha256: str, now: datetime) -> None:
    with records.touching() as session:
        row = session.get(WebSession, token_sha256)
        if row is not None:  # logged out meanwhile: a late request must not bring the session back
            row.last_seen_at = as_text(now)
            session.add(row)


def _forget(records: Records, token_sha256: str) -> None:
    with records.touching() as session:
        row = session.get(WebSession, token_sha256)
        if row is not None:
            session.delete(row)


def _user(records: Records, login: str) -> User | None:
    if "\x00" in login or login.encode("utf-8", "replace").decode() != login:
        return None  # no database stores such a name, and PostgreSQL would not even compare it
    with records.reading() as session:
        return session.exec(select(User).where(User.login == login)).first()


def _actor(user: User) -> Actor:
    return Actor(user.id, user.role, user.organisation_id)


def _token_sha256(token: str) -> str:
    return sha256_hex(token.encode("utf-8", "replace"))
