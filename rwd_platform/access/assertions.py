"""A system's signed assertion of who it is (RFC 7523, private_key_jwt), as SMART Backend Services asks for it.

Pure: the assertion's text, the keys that were pinned when the system was registered, and the time come in; claims come
out, or a refusal. The keys are the registered ones and no others: what an assertion's header says about keys
(`jwk`, `jku`, `x5u`, `x5c`) is never looked at, and the algorithm has to be one of two that only sign.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rwd_platform.core.json_text import JsonRefused, loads

ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}  # algorithm -> type of key
LONGEST = 8192  # characters of an assertion
LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=30)  # a client's clock may be this far ahead
_SMALLEST_RSA = 2048
_MOST_KEYS = 8
_LONGEST_ID = 200
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC = {
    "RSA": frozenset({"kty", "n", "e", "kid", "alg", "use"}),
    "EC": frozenset({"kty", "crv", "x", "y", "kid", "alg", "use"}),
}


class AssertionRefused(Exception):
    """Why, as a code for the log: `expired`, `wrong_audience`. Whoever sent it is not told which."""


class KeysRefused(Exception):
    """Why a key set cannot be registered, as a code: `private_key`, `weak_key`."""


@dataclass(frozen=True)
class Claims:
    """What a valid assertion says that is needed further: its own id, and when it ends."""

    jti: str
    expires: datetime


def client_of(assertion: str) -> str:
    """Whom an assertion claims to come from, before anything of it is believed. Raises AssertionRefused."""
    return _text(_parts(assertion)[1], "iss")


def check_assertion(
    assertion: str, jwks: Mapping[str, Any], *, client_id: str, audience: str, now: datetime
) -> Claims:
    """Signature first, then every claim. Raises AssertionRefused; that it is sent once is the caller's to see to."""
    header, claims = _parts(assertion)
    _check_signature(assertion, header, jwks)
    if _text(claims, "iss") != client_id or _text(claims, "sub") != client_id:
        raise AssertionRefused("wrong_issuer")
    if claims.get("aud") not in (audience, [audience]):
        raise AssertionRefused("wrong_audience")
    expires = _instant(claims, "exp")
    if expires <= now:
        raise AssertionRefused("expired")
    if expires > now + LIFE + LEEWAY:
        raise AssertionRefused("lives_too_long")
    for name in ("iat", "nbf"):
        if name in claims and _instant(claims, name) > now + LEEWAY:
            raise AssertionRefused("from_the_future")
    if "iat" in claims and _instant(claims, "iat") < now - LIFE - LEEWAY:
        raise AssertionRefused("expired")
    return Claims(_text(claims, "jti"), expires)


def checked_keys(document: str) -> dict[str, Any]:
    """A public JWK set as it is pinned: one to eight keys, each with an id of its own. Raises KeysRefused."""
    try:
        found = loads(document)
    except JsonRefused:
        raise KeysRefused("no_json") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise KeysRefused("no_keys")
    checked = [_checked_key(one) for one in keys]
    if len({one["kid"] for one in checked}) != len(checked):
        raise KeysRefused("kid_twice")
    return {"keys": checked}


def _checked_key(key: Any) -> dict[str, str]:
    """The members that a public key has, and nothing else: a private one is refused, not cut down."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    if not isinstance(key, dict) or not all(isinstance(value, str) for value in key.values()):
        raise KeysRefused("no_key")
    if _PRIVATE & set(key):
        raise KeysRefused("private_key")
    kind = key.get("kty", "")
    if kind not in _PUBLIC or not 1 <= len(key.get("kid", "")) <= _LONGEST_ID:
        raise KeysRefused("no_key")
    kept: dict[str, str] = {name: key[name] for name in sorted(_PUBLIC[kind] & set(key))}
    if kept.get("alg", _algorithm_of(kind)) != _algorithm_of(kind) or kept.get("use", "sig") != "sig":
        raise KeysRefused("wrong_use")
    if kind == "EC" and kept.get("crv") != "P-384":
        raise KeysRefused("weak_key")
    try:
        # Reads the numbers: a point that is not on the curve is no key.
        size = int(getattr(import_key({**kept}).raw_value, "key_size", 0))
    except (JoseError, ValueError, TypeError, KeyError, binascii.Error):
        raise KeysRefused("no_key") from None
    if kind == "RSA" and size < _SMALLEST_RSA:
        raise KeysRefused("weak_key")
    return kept


def _check_signature(assertion: str, header: Mapping[str, Any], jwks: Mapping[str, Any]) -> None:
    """With the pinned key of that id, by the algorithm of its type."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise AssertionRefused("wrong_algorithm")
    if "crit" in header:
        raise AssertionRefused("wrong_header")
    key = next((one for one in jwks["keys"] if one["kid"] == kid), None)
    if key is None:
        raise AssertionRefused("unknown_key")
    if key["kty"] != ALGORITHMS[algorithm]:
        raise AssertionRefused("wrong_algorithm")
    try:  # a key in hand: the library looks at none that a header names
        jws.deserialize_compact(assertion, import_key({**key}), algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        raise AssertionRefused("wrong_signature") from None


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWS, each read strictly: no key twice, no depth, no odd number."""
    if len(assertion) > LONGEST:
        raise AssertionRefused("too_long")
    parts = assertion.split(".")
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts[:2]):
        raise AssertionRefused("malformed")
    try:
        header, claims = (loads(_decoded(part)) for part in parts[:2])
    except JsonRefused:
        raise AssertionRefused("malformed") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise AssertionRefused("malformed")
    return header, claims


def _decoded(part: str) -> bytes:
    if not _BASE64URL.fullmatch(part):
        raise AssertionRefused("malformed")
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise AssertionRefused("malformed") from None


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_ID:
        raise AssertionRefused("malformed")
    return value


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    """Whole seconds since 1970; a fraction, a text or a year that there is not is refused."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise AssertionRefused("malformed")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise AssertionRefused("malformed") from None


def _algorithm_of(kind: str) -> str:
    return next(algorithm for algorithm, of in ALGORITHMS.items() if of == kind)
