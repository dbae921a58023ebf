"""One's own account: password, second factor, sessions. Nobody needs anybody's leave for these, and all are in the log.

What changes how somebody logs in ends their other sessions, and asks once more for what only they know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import Session, col, select

from rwd_platform.access import second_factor
from rwd_platform.access.attempts import count_attempt, pardon, take_back
from rwd_platform.access.passwords import hash_password, verify_password
from rwd_platform.access.policy import needs_second_factor
from rwd_platform.access.second_factor import CODE_WRONG, CodeRefused
from rwd_platform.access.sessions import NewLogin, end_sessions, is_this_session, new_session
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import User, WebSession

_HANDLE = 16  # hex digits of a session's hash that name it in a form: they open nothing

OLD_PASSWORD_WRONG = Problem(
    code="account.old_password_wrong",
    zh="原密码不正确。",
    en="The old password is wrong.",
    next_zh="请重试；连续 5 次失败后登录名将锁定 5 分钟。忘记密码请联系安全管理员。",
    next_en="Try again; five failures lock the login name for five minutes. If it is lost, ask the security"
    " administrator.",
    http=422,
    exit=Exit.REFUSED,
)
PASSWORD_SAME = Problem(
    code="account.password_same",
    zh="新密码与原密码相同。",
    en="The new password is the old one.",
    next_zh="请换一个新密码。",
    next_en="Choose another.",
    http=422,
)
FACTOR_NEEDED = Problem(
    code="account.factor_needed",
    zh="您的角色必须使用动态验证码，不能关闭。",
    en="Your role has to use a second factor; it cannot be turned off.",
    next_zh="如需更换手机或验证器，请由安全管理员重置，然后重新设置。",
    next_en="For another phone or authenticator, have a security administrator reset it and set it up anew.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class OwnSession:
    """A login of one's own, for the list; `handle` names it in a form."""

    handle: str
    created_at: str
    last_seen_at: str
    is_this: bool


def sessions_of(platform: Platform, actor: Actor, token: str) -> list[OwnSession]:
    """The newest first. token: the cookie's value of the session that asks."""
    rows: Sequence[WebSession] = platform.records.all(
        select(WebSession)
        .where(WebSession.user_id == actor.id)
        .order_by(col(WebSession.created_at).desc(), col(WebSession.token_sha256))
    )
    return [
        OwnSession(row.token_sha256[:_HANDLE], row.created_at, row.last_seen_at, is_this_session(row, token))
        for row in rows
    ]


def end_session(platform: Platform, actor: Actor, handle: str) -> None:
    """End one of one's own logins. Somebody else's looks like one that is not there."""
    act = _act(actor, "session.ended")
    with platform.records.transaction(audit=act) as session:
        rows = session.exec(select(WebSession).where(WebSession.user_id == actor.id)).all()
        found = [row for row in rows if len(handle) == _HANDLE and row.token_sha256.startswith(handle)]
        if not found:
            raise NOT_FOUND.error(kind="web_session", id="?")
        session.delete(found[0])


def end_other_sessions(platform: Platform, actor: Actor, token: str) -> None:
    with platform.records.transaction(audit=_act(actor, "session.others_ended")) as session:
        end_sessions(session, actor.id, except_for=token)


def change_password(platform: Platform, actor: Actor, token: str, old: str, new: str) -> None:
    """Raises OLD_PASSWORD_WRONG, PASSWORD_SAME, `access.password_length`, and `access.login_locked` for guessing."""
    user = check_password(platform, actor, old)
    if verify_password(new, user.password_hash):
        raise PASSWORD_SAME.error()
    hashed = hash_password(new)
    with platform.records.transaction(audit=_act(actor, "user.password_changed")) as session:
        row = session.get_one(User, actor.id)
        row.password_hash = hashed
        session.add(row)
        pardon(session, user.login)
        end_sessions(session, actor.id, except_for=token)


def check_password(platform: Platform, actor: Actor, typed: str, wrong: Problem = OLD_PASSWORD_WRONG) -> User:
    """Asked once more before what changes how somebody logs in. A wrong one counts as a failed login.

    Raises `wrong`, and `access.login_locked` for guessing.
    """
    user = platform.records.get(User, actor.id)
    failures = count_attempt(platform.records, user.login)
    if not verify_password(typed, user.password_hash):
        _refuse(platform, actor, "wrong_password", failures)
        raise wrong.error()
    take_back(platform.records, user.login)
    return user


def begin_factor(platform: Platform, actor: Actor) -> None:
    """A new secret to set an authenticator up with; it guards nothing until `confirm_factor`."""
    user = platform.records.get(User, actor.id)
    with platform.records.transaction(audit=_act(actor, "second_factor.begun")) as session:
        second_factor.begin(session, platform.keys, user, platform.clock())


def factor_address(platform: Platform, actor: Actor) -> str:
    """The `otpauth://` address of a factor that is being set up."""
    return second_factor.address(platform.records, platform.records.get(User, actor.id))


def confirm_factor(platform: Platform, actor: Actor, code: str) -> tuple[NewLogin, list[str]]:
    """The first code was right. Gives a new session in place of every old one, and the recovery codes."""
    user = platform.records.get(User, actor.id)
    made, row = new_session(user, platform.clock())
    with _code_taken(platform, user, actor, "second_factor.confirmed") as session:
        codes = second_factor.confirm(session, platform.keys, user.id, code, platform.clock())
        end_sessions(session, user.id)
        session.add(row)
    return made, codes


def remove_factor(platform: Platform, actor: Actor, code: str) -> None:
    """Turn the second factor off, with one of its codes. Raises FACTOR_NEEDED for a role that has to have it."""
    if needs_second_factor(actor.role):
        raise FACTOR_NEEDED.error()
    user = platform.records.get(User, actor.id)
    with _code_taken(platform, user, actor, "second_factor.removed") as session:
        second_factor.spend(session, platform.keys, user.id, code, platform.clock())
        second_factor.remove(session, user.id)


def renew_recovery_codes(platform: Platform, actor: Actor, code: str) -> list[str]:
    """Ten new ones, with a code of the authenticator; the old ones are worth nothing."""
    user = platform.records.get(User, actor.id)
    with _code_taken(platform, user, actor, "second_factor.codes_renewed") as session:
        second_factor.spend(session, platform.keys, user.id, code, platform.clock())
        return second_factor.new_recovery_codes(session, user.id, user.organisation_id, platform.clock())


@contextmanager
def _code_taken(platform: Platform, user: User, actor: Actor, act: str) -> Iterator[Session]:
    """A transaction in which a code is looked at. A wrong one counts as a failed login, and nothing is written."""
    failures = count_attempt(platform.records, user.login)
    try:
        with platform.records.transaction(audit=_act(actor, act)) as session:
            yield session
            pardon(session, user.login)
    except CodeRefused as refused:
        _refuse(platform, actor, str(refused), failures)
        raise CODE_WRONG.error() from None


def _refuse(platform: Platform, actor: Actor, reason: str, failures: int) -> None:
    act = Act(
        actor,
        "login.failed",
        Object("user_account", actor.id),
        reason=reason,
        outcome="refused",
        decision={"failures": failures},
    )
    platform.records.record(act)


def _act(actor: Actor, action: str) -> Act:
    return Act(actor, action, Object("user_account", actor.id))
