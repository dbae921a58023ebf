"""Pseudonyms: the same identifier always gives the same token, and only the key's holder can make one.

A token is HMAC-SHA256 over scope, kind and value, cut to 128 bits. It says which scheme (`p1`), which
suite and which key version made it, and it is a valid FHIR id:

    p1.intl.1.qkq3vgyb7uhzl5zvysr5hbwlia

Resident ids and inpatient numbers are guessable, so a plain hash would be no protection: all of it
lies in the key. Scope (a hospital, a project) and kind (`Patient`, `Encounter`, `subject`) are part
of what is hashed, so that two projects' tokens, or two kinds' tokens, cannot be joined.
"""

from __future__ import annotations

import hmac
import unicodedata
from functools import lru_cache

from rwd_platform.core.errors import Exit, Problem

SCHEME = "p1"
SUITE = "intl"  # HMAC-SHA256; a suite with HMAC-SM3 will carry its own name
KEY_BYTES = 32
_TOKEN_BYTES = 16
_REMEMBERED = 1 << 16
# RFC 4648 base32 in lower case, without padding: 128 bits are 26 letters, read here two at a time.
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)
_SHIFTS = tuple(range(120, -1, -10))

KEY_UNFIT = Problem(
    code="pseudonym.key_unfit",
    zh="假名密钥不能使用：至少需要 {needed} 字节，实际为 {found} 字节。",
    en="The pseudonym key cannot be used: it needs at least {needed} bytes and has {found}.",
    next_zh="请提供 {needed} 字节的随机密钥文件，例如 `head -c {needed} /dev/urandom > key`。",
    next_en="Give a key file of {needed} random bytes, for instance `head -c {needed} /dev/urandom > key`.",
    exit=Exit.MALFORMED,
)


class Pseudonymiser:
    """Makes the tokens of one scope under one version of its key. The key never shows in a text."""

    def __init__(self, key: bytes, scope: str, version: int = 1) -> None:
        if len(key) < KEY_BYTES:
            raise KEY_UNFIT.error(needed=KEY_BYTES, found=len(key))
        if not scope or version < 1:
            raise ValueError("a pseudonymiser needs a scope, and a key version from 1")
        self.scope = scope
        self.version = version
        self._key = key
        self._beginning = _framed(scope)
        self._prefix = f"{SCHEME}.{SUITE}.{version}."
        # A patient's id stands in every one of the patient's resources.
        self.token = lru_cache(maxsize=_REMEMBERED)(self._token)

    def __repr__(self) -> str:
        return f"Pseudonymiser(scope={self.scope!r}, version={self.version})"

    def _token(self, kind: str, value: str) -> str:
        """The pseudonym of a value. Full-width and half-width forms of one text get one token."""
        normal = value if value.isascii() else unicodedata.normalize("NFKC", value)
        message = self._beginning + _framed(kind) + _framed(normal.strip())
        mac = hmac.digest(self._key, message, "sha256")[:_TOKEN_BYTES]
        bits = int.from_bytes(mac, "big") << 2
        return self._prefix + "".join([_PAIRS[bits >> shift & 0x3FF] for shift in _SHIFTS])


def _framed(text: str) -> bytes:
    """A text with its length before it, so that no two triples of texts give the same message."""
    content = text.encode("utf-8", "surrogatepass")
    return len(content).to_bytes(4, "big") + content
