"""Guessing is slow: an attempt counts as failed before what was typed is looked at, and five failures lock the name.

Passwords and codes count together, so that who knows the one cannot guess the other for ever. Names that do not
exist are counted and locked alike.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.records.database import hold_log_lock
from rwd_platform.records.records import Records
from rwd_platform.records.tables import LoginAttempt

FAILURES = 5
LOCK = timedelta(minutes=5)

LOGIN_LOCKED = Problem(
    code="access.login_locked",
    zh="失败次数过多，该登录名已暂时锁定。",
    en="Too many failures: this login name is locked for a while.",
    next_zh="请在 {minutes} 分钟后重试；忘记密码请联系安全管理员。",
    next_en="Try again in {minutes} minutes; if the password is lost, ask the security administrator.",
    http=429,
    exit=Exit.REFUSED,
)


def count_attempt(records: Records, login: str) -> int:
    """Count this attempt as failed until proven otherwise; the number of failures with it.

    Raises LOGIN_LOCKED while the name is locked. One at a time, so that parallel guesses cannot
    all read the same count.
    """
    now, name_sha256 = records.clock(), login_sha256(login)
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


def take_back(records: Records, login: str) -> None:
    """The attempt that was counted was right, and the login is not finished: neither a failure nor a pardon."""
    with records.touching() as session:
        hold_log_lock(session.connection())
        row = session.get(LoginAttempt, login_sha256(login))
        if row is None:
            return
        row.failures, row.locked_until = max(0, row.failures - 1), ""
        session.add(row)


def pardon(session: Session, login: str) -> bool:
    """Forget the failures of a name, within somebody's transaction. False where there were none."""
    row = session.get(LoginAttempt, login_sha256(login))
    if row is None:
        return False
    session.delete(row)
    return True


def is_locked(row: LoginAttempt, now: datetime) -> bool:
    return row.locked_until > as_text(now)


def login_sha256(login: str) -> str:
    return sha256_hex(login.encode("utf-8", "replace"))


def _minutes_left(locked_until: str, now: datetime) -> int:
    left = datetime.fromisoformat(locked_until) - now
    return max(1, -(-int(left.total_seconds()) // 60))
