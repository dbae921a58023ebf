"""Passwords: argon2id hashes, and a check that takes as long for a login that does not exist."""

from __future__ import annotations

import secrets
import unicodedata
from functools import lru_cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from rwd_platform.core.errors import Problem

SHORTEST, LONGEST = 12, 256  # characters; the upper limit keeps a request from buying a long hash

PASSWORD_LENGTH = Problem(
    code="access.password_length",
    zh="密码长度应为 {shortest} 至 {longest} 个字符。",
    en="A password has {shortest} to {longest} characters.",
    next_zh="请使用更长的短语；不要求特殊字符。",
    next_en="Use a longer phrase; special characters are not asked for.",
)

_HASHER = PasswordHash((Argon2Hasher(),))  # argon2id, 64 MiB, 3 passes
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that reads like something else
_GROUPS, _GROUP = 4, 5  # 20 characters of 31: 99 bits


def _normalised(password: str) -> str:
    """Keyboards disagree about full-width and composed characters; NFKC makes them agree."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    """The string to store. Raises PlatformError for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise PASSWORD_LENGTH.error(shortest=SHORTEST, longest=LONGEST)
    return _HASHER.hash(_normalised(password))


def verify_password(password: str, stored: str | None) -> bool:
    """Is this the password? `stored` is None for an unknown login, and the answer takes just as long."""
    if len(password) > LONGEST:
        password, stored = "", None
    try:
        matches = _HASHER.verify(_normalised(password), stored if stored is not None else _hash_of_nobody())
    except (UnknownHashError, UnicodeEncodeError):  # a damaged column, a lone surrogate: neither is a match
        return False
    return matches and stored is not None


@lru_cache(maxsize=1)
def _hash_of_nobody() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))


def generate_password() -> str:
    """A password for a demo user, to be shown once: `k7mqx-2hb9d-...`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
