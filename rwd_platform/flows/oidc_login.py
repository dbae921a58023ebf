"""Logging in through the organisation's identity provider (OpenID Connect), and binding one's identity there.

The provider takes the place of the password and of nothing else: the second factor, roles, the end of an account and
places are looked at here as ever. It makes no account, and no address or name it says matches anybody: a person who is
logged in binds the identity, having given the password once more.

An attempt belongs to the browser that began it: a cookie whose hash is the attempt's key, good for ten minutes and for
one answer. An answer without it is nothing that happened; what the provider did vouch for and was refused is an entry,
five at most in five minutes for one identity, so that nobody can flood the log.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session, col, select

from rwd_platform.access.accounts import is_in_use
from rwd_platform.access.attempts import FAILURES, LOCK, LOGIN_LOCKED, count_attempt, login_sha256
from rwd_platform.access.identity_provider import UNREACHABLE, UNUSABLE, IdentityProvider
from rwd_platform.access.oidc import TokenRefused, authorization_address, is_own_answer
from rwd_platform.access.sessions import HalfLogin, NewLogin, Whereabouts, end_sessions, log_in_proven
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.own_account import check_password
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.database import hold_log_lock
from rwd_platform.records.tables import OidcAttempt, OidcIdentity, User

BACK = "/login/provider/back"  # where the provider sends the browser
LIFE = timedelta(minutes=10)
LOGIN, BIND = "login", "bind"
_BYTES = 32
_MOST_REMOVED = 100  # attempts that are over, each time one begins: however many there are, nobody waits long
_PASSING = frozenset({"server_error", "temporarily_unavailable"})  # RFC 6749 4.1.2.1

NOT_SET_UP = Problem(
    code="oidc.not_set_up",
    zh="本平台没有接入机构统一身份认证。",
    en="This platform is not connected to an identity provider.",
    next_zh="请用登录名与密码登录。",
    next_en="Log in with your login name and password.",
    http=404,
)
ATTEMPT_OVER = Problem(
    code="oidc.attempt_over",
    zh="这次统一身份登录已过期、已完成，或不是在此浏览器中开始的。",
    en="This login at the identity provider has run out, is done already, or was not begun in this browser.",
    next_zh="请在同一个浏览器中重新开始；须在 10 分钟内完成。",
    next_en="Begin again in one and the same browser, and finish within ten minutes.",
    http=401,
    exit=Exit.REFUSED,
)
DECLINED = Problem(
    code="oidc.declined",
    zh="机构统一身份认证没有确认您的身份。",
    en="The organisation's identity provider did not confirm who you are.",
    next_zh="如是您取消的，可重新登录，或改用登录名与密码；否则请联系机构的身份认证管理员。",
    next_en="If you cancelled, log in again or use your password; if not, ask whoever runs the provider.",
    http=401,
    exit=Exit.REFUSED,
)
TOKEN_REFUSED = Problem(
    code="oidc.token_refused",
    zh="机构统一身份认证的身份令牌未通过核验。",
    en="The identity provider's token did not pass the check.",
    next_zh="请重新登录；仍然如此请联系平台管理员，原因在操作日志中。",
    next_en="Log in again; if it goes on, tell the platform's operator: the reason stands in the log.",
    http=401,
    exit=Exit.REFUSED,
)
NOT_BOUND = Problem(
    code="oidc.not_bound",
    zh="您的统一身份还没有绑定本平台的账号。",
    en="Your identity at the provider is not bound to an account here yet.",
    next_zh="请先用登录名与密码登录一次，在“我的账号”中绑定；没有账号的，请联系安全管理员开设。",
    next_en="Log in with your password once and bind it on the page of your account; without an account, ask the"
    " security administrator for one.",
    http=403,
    exit=Exit.REFUSED,
)
ACCOUNT_OVER = Problem(
    code="oidc.account_over",
    zh="您的平台账号已停用或已过有效期。",
    en="Your account here is disabled or has ended.",
    next_zh="如仍需使用，请联系安全管理员。",
    next_en="If you still need it, ask the security administrator.",
    http=403,
    exit=Exit.REFUSED,
)
IDENTITY_TAKEN = Problem(
    code="oidc.identity_taken",
    zh="这个统一身份已绑定另一个账号。",
    en="This identity is bound to another account.",
    next_zh="一个统一身份只能绑定一个账号；请先由该账号本人或安全管理员解除绑定。",
    next_en="One identity belongs to one account: have it unbound there first, by its owner or the security"
    " administrator.",
    http=409,
    exit=Exit.REFUSED,
)
ALREADY_BOUND = Problem(
    code="oidc.already_bound",
    zh="您的账号已绑定统一身份。",
    en="Your account has an identity bound to it already.",
    next_zh="如需更换，请先解除原有绑定。",
    next_en="To change it, unbind the old one first.",
    http=409,
)
NOTHING_BOUND = Problem(
    code="oidc.nothing_bound",
    zh="该账号没有绑定统一身份。",
    en="No identity is bound to this account.",
    next_zh="请刷新页面查看。",
    next_en="Reload the page.",
    http=409,
)
PASSWORD_WRONG = Problem(
    code="oidc.password_wrong",
    zh="密码不正确。",
    en="The password is wrong.",
    next_zh="请重试；连续 5 次失败后登录名将锁定 5 分钟。忘记密码请联系安全管理员。",
    next_en="Try again; five failures lock the login name for five minutes. If it is lost, ask the security"
    " administrator.",
    http=422,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Sent:
    """Where the browser goes, and what its cookie holds meanwhile; the token exists nowhere else."""

    address: str
    token: str


@dataclass(frozen=True)
class Answer:
    """What the provider's redirect says. `iss`: None where it names nobody (RFC 9207)."""

    code: str
    error: str
    iss: str | None


def begin_login(platform: Platform, target: str) -> Sent:
    """target -- a path of this site to go to afterwards"""
    return _begin(platform, LOGIN, "", target)


def begin_binding(platform: Platform, actor: Actor, password: str) -> Sent:
    """Raises PASSWORD_WRONG, ALREADY_BOUND, and `access.login_locked` for guessing."""
    provider = _provider(platform)
    check_password(platform, actor, password, PASSWORD_WRONG)
    if any(one.issuer == provider.issuer for one in identities_of(platform, actor.id)):
        raise ALREADY_BOUND.error()
    return _begin(platform, BIND, actor.id, "/account?done=bound")


def take(platform: Platform, token: str, state: str) -> OidcAttempt:
    """The attempt of this browser that an answer belongs to, which is over with this. Raises ATTEMPT_OVER.

    token -- what the cookie holds; state -- what the answer brought back. Another's state leaves the attempt as it was.
    """
    records, key = platform.records, _sha256(token)
    if not token or records.find(OidcAttempt, key) is None:
        raise ATTEMPT_OVER.error()
    with records.touching() as session:
        hold_log_lock(session.connection())  # of two answers at once one finds it taken
        row = session.get(OidcAttempt, key)
        if row is None or row.expires_at <= as_text(records.clock()):
            raise ATTEMPT_OVER.error()
        if not hmac.compare_digest(row.state_sha256, _sha256(state)):
            raise ATTEMPT_OVER.error()
        session.delete(row)
    return row


def finish_login(
    platform: Platform, attempt: OidcAttempt, answer: Answer, abroad: Whereabouts
) -> NewLogin | HalfLogin:
    """A session, or half a login where a code is awaited. Raises what `_subject` does, NOT_BOUND, ACCOUNT_OVER."""
    issuer, subject = _proven(platform, attempt, answer)
    identity = platform.records.find(OidcIdentity, (issuer, subject))
    user = platform.records.find(User, identity.user_id) if identity else None
    if user is None:
        _note(platform, "not_bound", f"{issuer} {subject}", None)
        raise NOT_BOUND.error()
    if not is_in_use(user, platform.clock()):
        why = "account_disabled" if user.disabled_at is not None else "account_expired"
        _note(platform, why, f"{issuer} {subject}", user)
        raise ACCOUNT_OVER.error()

    def still(session: Session) -> None:
        bound, now = session.get(OidcIdentity, (issuer, subject)), session.get(User, user.id)
        if bound is None or bound.user_id != user.id:
            raise NOT_BOUND.error()
        if now is None or not is_in_use(now, platform.clock()):
            raise ACCOUNT_OVER.error()

    return log_in_proven(platform.records, user, "oidc", still=still, abroad=abroad)


def finish_binding(
    platform: Platform, attempt: OidcAttempt, answer: Answer, actor: Actor, token: str
) -> None:
    """The identity is bound, and the person's other logins end. token: of the session that stays.

    Raises ATTEMPT_OVER for somebody else than who began, what `_proven` does, IDENTITY_TAKEN and ALREADY_BOUND.
    """
    if attempt.user_id != actor.id:
        raise ATTEMPT_OVER.error()
    issuer, subject = _proven(platform, attempt, answer)
    try:
        with platform.records.transaction(audit=_act(actor, "identity.bound", issuer)) as session:
            _make_room(session, issuer, subject, actor.id)
            session.add(
                OidcIdentity(
                    issuer=issuer,
                    subject=subject,
                    user_id=actor.id,
                    organisation_id=actor.organisation,
                    bound_at=as_text(platform.clock()),
                )
            )
            end_sessions(session, actor.id, except_for=token)
    except PlatformError as error:
        if error.problem is IDENTITY_TAKEN:
            _note(platform, "identity_taken", f"{issuer} {subject}", platform.records.get(User, actor.id))
        raise


def unbind(platform: Platform, actor: Actor, password: str, token: str) -> None:
    """The password alone logs in again; other logins end. Raises PASSWORD_WRONG and NOTHING_BOUND."""
    check_password(platform, actor, password, PASSWORD_WRONG)
    with platform.records.transaction(audit=_act(actor, "identity.unbound")) as session:
        if not forget_identities(session, actor.id):
            raise NOTHING_BOUND.error()
        end_sessions(session, actor.id, except_for=token)


def forget_identities(session: Session, user_id: str) -> bool:
    """Within somebody's transaction: no provider logs the person in. False where nothing was bound."""
    rows = session.exec(select(OidcIdentity).where(OidcIdentity.user_id == user_id)).all()
    for row in rows:
        session.delete(row)
    return bool(rows)


def identities_of(platform: Platform, user_id: str) -> list[OidcIdentity]:
    return list(platform.records.all(select(OidcIdentity).where(OidcIdentity.user_id == user_id)))


# -- the steps ----------------------------------------------------------------------------------------------


def _begin(platform: Platform, purpose: str, user_id: str, target: str) -> Sent:
    provider = _provider(platform)
    metadata = provider.metadata()
    token, state, nonce, verifier = (secrets.token_urlsafe(_BYTES) for _ in range(4))
    now = platform.clock()
    row = OidcAttempt(
        token_sha256=_sha256(token),
        state_sha256=_sha256(state),
        nonce=nonce,
        verifier=verifier,
        purpose=purpose,
        user_id=user_id,
        next=target,
        expires_at=as_text(now + LIFE),
    )
    with platform.records.touching() as session:
        over = select(OidcAttempt).where(col(OidcAttempt.expires_at) <= as_text(now)).limit(_MOST_REMOVED)
        for old in session.exec(over).all():
            session.delete(old)
        session.add(row)
    address = authorization_address(
        metadata,
        client_id=provider.client_id,
        redirect=_redirect(platform),
        state=state,
        nonce=nonce,
        verifier=verifier,
    )
    return Sent(address, token)


def _proven(platform: Platform, attempt: OidcAttempt, answer: Answer) -> tuple[str, str]:
    """Whom the provider vouches for: issuer and subject.

    Raises UNREACHABLE, UNUSABLE, DECLINED, `oidc.code_refused` and TOKEN_REFUSED. Only the last is an entry: the others
    anybody can bring about who was never known to the provider.
    """
    provider = _provider(platform)
    if not is_own_answer(provider.metadata(), answer.iss):
        raise UNUSABLE.error(why="wrong_issuer")
    if answer.error:
        raise (UNREACHABLE if answer.error in _PASSING else DECLINED).error()
    if not answer.code:
        raise UNUSABLE.error(why="no_code")
    token = provider.redeem(answer.code, verifier=attempt.verifier, redirect=_redirect(platform))
    try:
        return provider.issuer, provider.subject(token, nonce=attempt.nonce)
    except TokenRefused as refused:
        user = platform.records.find(User, attempt.user_id) if attempt.user_id else None
        _note(platform, str(refused), provider.issuer, user)
        raise TOKEN_REFUSED.error() from None


def _make_room(session: Session, issuer: str, subject: str, user_id: str) -> None:
    """An identity that a disabled account held is free: such an account is never used again, the person's next one is.

    Raises IDENTITY_TAKEN and ALREADY_BOUND.
    """
    own = select(OidcIdentity).where(OidcIdentity.issuer == issuer, OidcIdentity.user_id == user_id)
    if session.exec(own).first() is not None:
        raise ALREADY_BOUND.error()
    held = session.get(OidcIdentity, (issuer, subject))
    if held is None:
        return
    if session.get_one(User, held.user_id).disabled_at is None:
        raise IDENTITY_TAKEN.error()
    session.delete(held)
    session.flush()


def _note(platform: Platform, reason: str, whose: str, user: User | None) -> None:
    """The entry of a login that failed. The fifth says for how long there are no more of them.

    whose -- what is counted: an identity, or the issuer where the token says nothing to be believed. Counted under a
    name that only the platform can make, so that nobody types it as a login.
    """
    records = platform.records
    try:
        failures = count_attempt(records, records.keys.derive("oidc-failures", whose).hex())
    except PlatformError as error:
        if error.problem is LOGIN_LOCKED:
            return
        raise
    locked_seconds = int(LOCK.total_seconds()) if failures >= FAILURES else 0
    records.record(
        Act(
            Actor("anonymous", "", user.organisation_id if user else ""),
            "login.failed",
            Object("user_account", user.id) if user else Object("login", login_sha256(whose)),
            reason=f"oidc_{reason}",
            outcome="refused",
            decision={"failures": failures, "locked_seconds": locked_seconds},
        )
    )


def _provider(platform: Platform) -> IdentityProvider:
    if platform.provider is None:
        raise NOT_SET_UP.error()
    return platform.provider


def _redirect(platform: Platform) -> str:
    return platform.settings.public_url.rstrip("/") + BACK


def _act(actor: Actor, action: str, issuer: str = "") -> Act:
    decision = {"issuer": issuer} if issuer else {}
    return Act(actor, action, Object("user_account", actor.id), decision=decision)


def _sha256(text: str) -> str:
    return sha256_hex(text.encode("utf-8", "replace"))
