"""Pseudonyms: the same identifier always gives the same token, and only the key's holder can make one.

A token is the suite's HMAC (SHA-256 or SM3) over scope, kind and value, cut to 128 bits. It says which
scheme (`p1`), which suite and which key version made it, and it is a valid FHIR id:

    p1.intl.1.qkq3vgyb7uhzl5zvysr5hbwlia

Resident ids and inpatient numbers are guessable, so a plain hash would be no protection: all of it
lies in the key. Scope (a hospital, a project) and kind (`Patient`, `Encounter`, `subject`) are part
of what is hashed, so that two projects' tokens, or two kinds' tokens, cannot be joined.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.signing import suites

SCHEME = "p1"
KEY_BYTES = 32
_TOKEN_BYTES = 16
_REMEMBERED = 1 << 16
# RFC 4648 base32 in lower case, without padding: 128 bits are 26 letters, read here two at a time.
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)
_SHIFTS = tuple(range(120, -1, -10))
# The last letter carries 3 bits of the 128: the two below them are always zero.
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_TOKEN = re.compile(r"([a-z][0-9])\.([a-z]{2,16})\.([1-9][0-9]{0,8})\.[a-z2-7]{25}[aeimquy4]")

KEY_UNFIT = Problem(
    code="pseudonym.key_unfit",
    zh="假名密钥不能使用：至少需要 {needed} 字节，实际为 {found} 字节。",
    en="The pseudonym key cannot be used: it needs at least {needed} bytes and has {found}.",
    next_zh="请提供 {needed} 字节的随机密钥文件，例如 `head -c {needed} /dev/urandom > key`。",
    next_en="Give a key file of {needed} random bytes, for instance `head -c {needed} /dev/urandom > key`.",
    exit=Exit.MALFORMED,
)
TOKEN_MALFORMED = Problem(
    code="pseudonym.token_malformed",
    zh="此处应为假名，但其写法不是“方案.套件.密钥版本.26 个字符”。",
    en="A token should stand here, but it is not of the form scheme.suite.version.26-letters.",
    next_zh="请核对来源：假名只由平台生成，不能手工填写或截断。",
    next_en="Check where it comes from: tokens are made by the platform, never typed or cut.",
    exit=Exit.MALFORMED,
)
VERSION_UNKNOWN = Problem(
    code="pseudonym.version_unknown",
    zh="假名由密钥第 {version} 版生成，而本部署只有第 {known} 版。",
    en="A token was made with version {version} of its key; this deployment knows only {known}.",
    next_zh="请核对根密钥与密钥版本记录（`rwd keys status`）；数据可能来自另一部署或较新的备份。",
    next_en="Check the root key and `rwd keys status`; it may come from another deployment or a newer backup.",
    exit=Exit.MALFORMED,
)


class Token(NamedTuple):
    """What a token says of itself. It says nothing of whom it stands for."""

    scheme: str
    suite: str
    version: int


class Pseudonymiser:
    """Makes the tokens of one scope under one version of its key. The key never shows in a text."""

    def __init__(self, key: bytes, scope: str, version: int = 1, suite: str = suites.INTL) -> None:
        if len(key) < KEY_BYTES:
            raise KEY_UNFIT.error(needed=KEY_BYTES, found=len(key))
        if not scope or version < 1:
            raise ValueError("a pseudonymiser needs a scope, and a key version from 1")
        self.scope = scope
        self.version = version
        self._key = key
        self._mac = suites.suite(suite).mac
        self._beginning = framed(scope)
        self._prefix = f"{SCHEME}.{suite}.{version}."
        # A patient's id stands in every one of the patient's resources.
        self.token = lru_cache(maxsize=_REMEMBERED)(self._token)

    def __repr__(self) -> str:
        return f"Pseudonymiser(scope={self.scope!r}, version={self.version})"

    def _token(self, kind: str, value: str) -> str:
        """The pseudonym of a value. Full-width and half-width forms of one text get one token, as a UUID's cases do."""
        normal = value if value.isascii() else unicodedata.normalize("NFKC", value)
        normal = normal.strip()
        if _UUID.fullmatch(normal):
            normal = normal.lower()  # RFC 9562: read in either case; `urn:uuid:` and `Patient/` must meet
        message = self._beginning + framed(kind) + framed(normal)
        return self._prefix + letters_of(self._mac(self._key, message))


class Pseudonymisers:
    """One scope under several versions of its key: the current one writes, the older are recognised."""

    def __init__(self, keys: Mapping[int, bytes], scope: str, current: int, suite: str = suites.INTL) -> None:
        if current not in keys:
            raise VERSION_UNKNOWN.error(version=current, known=_listed(keys))
        self._by_version = {
            version: Pseudonymiser(key, scope, version, suite) for version, key in keys.items()
        }
        self._suite = suite
        self.version = current
        self.token = self._by_version[current].token

    def __repr__(self) -> str:
        return f"Pseudonymisers({self._by_version[self.version]!r}, known={_listed(self._by_version)})"

    def is_token_of(self, token: str, kind: str, value: str) -> bool:
        """Whether this token, of whichever version, stands for the value.

        Raises `pseudonym.version_unknown` for a version that no key is known of, `pseudonym.token_malformed`
        for what is no token: neither is a plain "no". A token of another suite is none of this scope's.
        """
        said = parse_token(token, self._by_version)
        if (said.scheme, said.suite) != (SCHEME, self._suite):
            return False
        return hmac.compare_digest(self._by_version[said.version].token(kind, value), token)


def parse_token(text: str, versions: Collection[int] | None = None) -> Token:
    """Scheme (`p1` pseudonym, `l1` linkage), suite and key version of a token.

    Raises `pseudonym.token_malformed`, `suite.unknown`, and with `versions` `pseudonym.version_unknown`.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise TOKEN_MALFORMED.error()
    found = Token(match[1], suites.suite(match[2]).name, int(match[3]))
    if versions is not None and found.version not in versions:
        raise VERSION_UNKNOWN.error(version=found.version, known=_listed(versions))
    return found


def is_token(text: str) -> bool:
    """Whether a text has the form of a token of this platform, whoever made it."""
    return bool(_TOKEN.fullmatch(text))


def framed(text: str) -> bytes:
    """A text with its length before it, so that no two triples of texts give the same message."""
    content = text.encode("utf-8", "surrogatepass")
    return len(content).to_bytes(4, "big") + content


def letters_of(mac: bytes) -> str:
    """The first 128 bits of a MAC as 26 base32 letters."""
    bits = int.from_bytes(mac[:_TOKEN_BYTES], "big") << 2
    return "".join([_PAIRS[bits >> shift & 0x3FF] for shift in _SHIFTS])


def _listed(versions: Collection[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
