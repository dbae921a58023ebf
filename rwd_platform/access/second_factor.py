"""The second factor: codes by the clock (TOTP, RFC 6238: SHA-1, 30 seconds, 6 digits), each good once; recovery codes.

The secret is sealed with a key of its own. A code is taken from the step before the present one to the step after it,
for clocks that differ, and only from a later step than the last one spent (RFC 6238, 5.2), so that a code that
somebody looked at over a shoulder is worth nothing.
"""

from __future__ import annotations

import hmac
import os
import secrets
import unicodedata
from datetime import datetime

from sqlmodel import Session, select

from rwd_platform.access.policy import needs_second_factor
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.records.records import Records
from rwd_platform.records.tables import RecoveryCode, SecondFactor, User
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import NONCE_BYTES

STEP_SECONDS = 30
WINDOW = 1  # steps before and after the present one
DIGITS = 6
ISSUER = "RWD platform"
RECOVERY_CODES = 10
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that reads like something else
_GROUPS, _GROUP = 4, 4  # 16 characters of 31: 79 bits
_LONGEST = 64

CODE_WRONG = Problem(
    code="access.code_wrong",
    zh="验证码不正确、已过期或已用过。",
    en="The code is wrong, has run out, or was used already.",
    next_zh="请等待验证器显示下一个验证码后再输入；每个验证码只能用一次。连续 5 次失败后该登录名将锁定 5 分钟。",
    next_en="Wait for the authenticator's next code; each works once. Five failures lock the login for five minutes.",
    http=401,
    exit=Exit.REFUSED,
)
NOT_BEGUN = Problem(
    code="access.second_factor_not_begun",
    zh="还没有开始设置动态验证码，或已经设置完成。",
    en="Setting up the second factor was not begun, or is done already.",
    next_zh="请打开“我的账号”页面查看。",
    next_en="Look at the page of your account.",
    http=409,
    exit=Exit.REFUSED,
)


class CodeRefused(Exception):
    """Why a code was not taken: `wrong_code` or `replayed_code`. For the log; whoever typed it is not told which."""


def has_factor(records: Records, user_id: str) -> bool:
    """Whether a login of this person takes a code: set up, and confirmed by a first one."""
    row = records.find(SecondFactor, user_id)
    return row is not None and bool(row.confirmed_at)


def must_enrol(records: Records, user: User, *, required: bool) -> bool:
    """Whether this person has to set up a second factor before anything else.

    required -- what the deployment says (RWD_SECOND_FACTOR)
    """
    return required and needs_second_factor(user.role) and not has_factor(records, user.id)


def begin(session: Session, keys: KeyRing, user: User, now: datetime) -> None:
    """A new secret, which guards nothing until its first code was right. Raises NOT_BEGUN over a confirmed one."""
    import pyotp

    row = session.get(SecondFactor, user.id)
    if row is not None and row.confirmed_at:
        raise NOT_BEGUN.error()
    sealed = _seal(keys, user.id, pyotp.random_base32())
    if row is None:
        row = SecondFactor(
            user_id=user.id, organisation_id=user.organisation_id, sealed=sealed, begun_at=as_text(now)
        )
    row.sealed, row.begun_at, row.last_step = sealed, as_text(now), 0
    session.add(row)


def address(records: Records, user: User) -> str:
    """What an authenticator reads: `otpauth://totp/...`, with the secret in it. Raises NOT_BEGUN.

    Shown while it is being set up and never afterwards.
    """
    import pyotp

    row = records.find(SecondFactor, user.id)
    if row is None or row.confirmed_at:
        raise NOT_BEGUN.error()
    secret = _open(records.keys, user.id, row.sealed)
    return str(pyotp.TOTP(secret).provisioning_uri(name=user.login, issuer_name=ISSUER))


def confirm(session: Session, keys: KeyRing, user_id: str, code: str, now: datetime) -> list[str]:
    """The first code was right: the factor guards from now on. Gives the recovery codes, to be shown once."""
    row = session.get(SecondFactor, user_id)
    if row is None or row.confirmed_at:
        raise NOT_BEGUN.error()
    row.last_step = _step_of(keys, row, code, now)
    row.confirmed_at = as_text(now)
    session.add(row)
    return new_recovery_codes(session, user_id, row.organisation_id, now)


def spend(session: Session, keys: KeyRing, user_id: str, code: str, now: datetime) -> str:
    """Take a code, once: `totp` or `recovery`. Raises CodeRefused, and then nothing is spent.

    The caller's transaction is the only writer while it lasts, so that of two at once one finds it spent.
    """
    row = session.get(SecondFactor, user_id)
    if row is None or not row.confirmed_at:
        raise CodeRefused("wrong_code")
    typed = _typed(code)
    if len(typed) == DIGITS and typed.isdecimal():
        row.last_step = _step_of(keys, row, typed, now)
        session.add(row)
        return "totp"
    found = session.get(RecoveryCode, _code_sha256(user_id, typed))
    if found is None:
        raise CodeRefused("wrong_code")
    if found.used_at:
        raise CodeRefused("replayed_code")
    found.used_at = as_text(now)
    session.add(found)
    return "recovery"


def remove(session: Session, user_id: str) -> bool:
    """Secret and recovery codes are gone. False where there was no factor."""
    row = session.get(SecondFactor, user_id)
    if row is None:
        return False
    _forget_codes(session, user_id)
    session.delete(row)
    return True


def new_recovery_codes(session: Session, user_id: str, organisation_id: str, now: datetime) -> list[str]:
    """Ten, in place of whatever there was; they exist in clear only in what this returns."""
    _forget_codes(session, user_id)
    codes = ["-".join(_group() for _ in range(_GROUPS)) for _ in range(RECOVERY_CODES)]
    for code in codes:
        session.add(
            RecoveryCode(
                code_sha256=_code_sha256(user_id, _typed(code)),
                user_id=user_id,
                organisation_id=organisation_id,
                made_at=as_text(now),
            )
        )
    return codes


def recovery_codes_left(records: Records, user_id: str) -> int:
    return len(
        records.all(select(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at == ""))
    )


def step_at(now: datetime) -> int:
    return int(now.timestamp()) // STEP_SECONDS


def _step_of(keys: KeyRing, row: SecondFactor, code: str, now: datetime) -> int:
    """The step that the code belongs to. Every step of the window is computed, whichever fits."""
    import pyotp

    typed, present = _typed(code), step_at(now)
    totp = pyotp.TOTP(_open(keys, row.user_id, row.sealed), digits=DIGITS, interval=STEP_SECONDS)
    fits = [
        step
        for step in range(present - WINDOW, present + WINDOW + 1)
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode("utf-8", "replace"))
    ]
    if not fits:
        raise CodeRefused("wrong_code")
    later = [step for step in fits if step > row.last_step]
    if not later:
        raise CodeRefused("replayed_code")
    return later[0]


def _typed(code: str) -> str:
    """A code as it is compared: full-width digits, blanks and hyphens are how people and keyboards write it."""
    plain = unicodedata.normalize("NFKC", code[:_LONGEST]).casefold()
    return "".join(char for char in plain if char not in " -\t\r\n")


def _seal(keys: KeyRing, user_id: str, secret: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + keys.ciphers.seal(keys.derive("second-factor"), nonce, secret.encode(), user_id.encode())


def _open(keys: KeyRing, user_id: str, sealed: bytes) -> str:
    """Bound to the person: a secret that was copied into another's row does not open."""
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    return keys.ciphers.open(keys.derive("second-factor"), nonce, body, user_id.encode()).decode()


def _forget_codes(session: Session, user_id: str) -> None:
    for row in session.exec(select(RecoveryCode).where(RecoveryCode.user_id == user_id)).all():
        session.delete(row)


def _code_sha256(user_id: str, typed: str) -> str:
    return sha256_hex(f"recovery/{user_id}/{typed}".encode("utf-8", "replace"))


def _group() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))
