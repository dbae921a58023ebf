"""What takes two people takes two accounts: whoever votes is on record, in use, and who they say they are."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from rwd_platform.core.clock import Clock, shanghai_date
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import User

NO_ACCOUNT = Problem(
    code="access.no_account",
    zh="此事只能由平台在用账号本人办理：该账号不存在、已停用或角色已变更。",
    en="Only people with an account in use take part: this one does not exist, is disabled, or has another role now.",
    next_zh="请用本人账号重新登录；如账号已停用，请联系平台管理员。",
    next_en="Log in again with your own account; if it was disabled, ask the platform's administrator.",
    http=403,
    exit=Exit.REFUSED,
)


def is_in_use(user: User, now: datetime) -> bool:
    """Neither disabled nor past its last day. The day ends in Asia/Shanghai: until 16:00Z of `valid_until`."""
    if user.disabled_at is not None:
        return False
    return not user.valid_until or shanghai_date(now).isoformat() <= user.valid_until


def check_account(session: Session, actor: Actor, clock: Clock | None = None) -> None:
    """An account on record, in use, in the role and organisation that it acts in: no program, no disabled user.

    clock -- where given, an account past its last day does not count either
    """
    user = session.get(User, actor.id)
    if user is None or user.disabled_at is not None:
        raise NO_ACCOUNT.error()
    if clock is not None and not is_in_use(user, clock()):
        raise NO_ACCOUNT.error()
    if (user.role, user.organisation_id) != (actor.role, actor.organisation):
        raise NO_ACCOUNT.error()
