"""Logins: an opaque token in the cookie, its hash in the database, and every login in the log.

A session ends after 30 minutes without a request and after 12 hours in any case. Guessing is slow:
an attempt is counted before the password is looked at, so that parallel guesses count too, and five
failures lock the login name for five minutes. Login names that do not exist lock alike, so that the
answer tells nobody which names exist. An attempt on a locked name is refused unread and is not an
entry of its own - the entry that set the lock says until when - so that nobody can flood the log.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select

from rwd_platform.access.passwords import verify_password
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.database import hold_log_lock
from rwd_platform.records.records import Records
from rwd_platform.records.tables import LoginAttempt, User, WebSession

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)  # a page's many requests are one sighting
FAILURES = 5
LOCK = timedelta(minutes=5)
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
LOGIN_LOCKED = Problem(
    code="access.login_locked",
    zh="失败次数过多，该登录名已暂时锁定。",
    en="Too many failures: this login name is locked for a while.",
    next_zh="请在 {minutes} 分钟后重试；忘记密码请联系平台管理员。",
    next_en="Try again in {minutes} minutes; if the password is lost, ask the platform's administrator.",
    http=429,
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


def log_in(records: Records, *, login: str, password: str, request_id: str = "") -> NewLogin:
    """A new session, or LOGIN_FAILED (401), or LOGIN_LOCKED (429). The log has an entry either way."""
    name_sha256 = _login_sha256(login)
    failures = _count_attempt(records, name_sha256)
    user = _user(records, login)
    usable = user if user is not None and user.disabled_at is None else None
    if not verify_password(password, usable.password_hash if usable else None) or usable is None:
        reason = "unknown_login" if user is None else "wrong_password" if usable else "account_disabled"
        _refuse(records, user, name_sha256, reason, failures, request_id)
        raise LOGIN_FAILED.error()
    return _open(records, usable, name_sha256, request_id)


def find_login(records: Records, token: str) -> Login | None:
    """Whose session this is; None when the token is unknown, idle, over, or its user was disabled."""
    session = records.find(WebSession, _token_sha256(token))
    if session is None:
        return None
    now = records.clock()
    user = records.find(User, session.user_id)
    idle = session.last_seen_at <= as_text(now - IDLE)
    if user is None or user.disabled_at is not None or idle or session.expires_at <= as_text(now):
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


def remove_expired(records: Records) -> None:
    """Delete the sessions that are over. For the worker, now and then."""
    now = records.clock()
    is_over = col(WebSession.expires_at) <= as_text(now)
    is_idle = col(WebSession.last_seen_at) <= as_text(now - IDLE)
    with records.touching() as session:
        for row in session.exec(select(WebSession).where(is_over | is_idle)).all():
            session.delete(row)


# -- the steps of a login ---------------------------------------------------------------------------------


def _count_attempt(records: Records, name_sha256: str) -> int:
    """Count this attempt as failed until proven otherwise; the number of failures with it.

    Raises LOGIN_LOCKED while the name is locked. One at a time, so that parallel guesses cannot
    all read the same count.
    """
    now = records.clock()
    with records.touching() as session:
        hold_log_lock(session.connection())
        row = session.get(LoginAttempt, name_sha256) or LoginAttempt(login_sha256=name_sha256)
        if row.locked_until > as_text(now):
            raise LOGIN_LOCKED.error(minutes=_minutes_left(row.locked_until, now))
        failures = 1 if row.locked_until else row.failures + 1  # a lock that ran out is forgiven
        row.failures = failures
        row.locked_until = as_text(now + LOCK) if failures >= FAILURES else ""
        session.add(row)
    return failures


def _refuse(
    records: Records, user: User | None, name_sha256: str, reason: str, failures: int, request_id: str
) -> None:
    """The entry of a failed login. A name that is nobody's is kept as a hash: people type passwords there."""
    locked_seconds = int(LOCK.total_seconds()) if failures >= FAILURES else 0
    act = Act(
        Actor("anonymous", "", user.organisation_id if user else ""),
        "login.failed",
        Object("user_account", user.id) if user else Object("login", name_sha256),
        reason=reason,
        outcome="refused",
        request_id=request_id,
        decision={"failures": failures, "locked_seconds": locked_seconds},
    )
    records.record(act)


def _open(records: Records, user: User, name_sha256: str, request_id: str) -> NewLogin:
    token, csrf_token = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    actor, now = _actor(user), records.clock()
    act = Act(actor, "session.opened", Object("user_account", user.id), request_id=request_id)
    with records.transaction(audit=act) as session:
        attempt = session.get(LoginAttempt, name_sha256)
        if attempt is not None:
            session.delete(attempt)
        session.add(
            WebSession(
                token_sha256=_token_sha256(token),
                user_id=user.id,
                organisation_id=user.organisation_id,
                csrf_token=csrf_token,
                created_at=as_text(now),
                last_seen_at=as_text(now),
                expires_at=as_text(now + ABSOLUTE),
            )
        )
    return NewLogin(user, actor, csrf_token, token)


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


def _login_sha256(login: str) -> str:
    return sha256_hex(login.encode("utf-8", "replace"))


def _minutes_left(locked_until: str, now: datetime) -> int:
    left = datetime.fromisoformat(locked_until) - now
    return max(1, -(-int(left.total_seconds()) // 60))
