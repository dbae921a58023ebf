"""What an identity provider says, judged: its metadata, its keys, its answer and its ID token.

Pure: documents, keys and the time come in; a subject comes out, or a refusal. Sources: OpenID Connect Core 1.0
(2 and 3.1.3.7), OpenID Connect Discovery 1.0 (3 and 4.3), RFC 7515, 7517, 7518, 7636 (PKCE) and 9207 (`iss`).
Stricter than these: four algorithms, each of a public key; a key is one that the provider publishes, never one that a
token's header brings along; every number is a whole one, and no key of an object stands in it twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from rwd_platform.core.json_text import JsonRefused, loads
from rwd_platform.core.web_address import is_web_address

# Algorithm -> type of key, and curve.
ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "PS256": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
}
SKEW = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)  # a token is made for the answer that was just asked for
LONGEST_TOKEN = 16_384  # characters of an ID token
LONGEST_SUBJECT = 255  # OpenID Connect Core 2
_LONGEST_HEADER = 4_096  # bytes: some providers put their certificates in
_LONGEST_ID = 500
_MOST_KEYS = 50
_SMALLEST_RSA = 2048
_LARGEST_RSA = 8192
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_PUBLIC = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}

Key = Mapping[str, str]


class DocumentRefused(Exception):
    """Why metadata, keys or the answer of the token endpoint cannot be used, as a code."""


class TokenRefused(Exception):
    """Why an ID token is not taken, as a code for the log: `wrong_nonce`, `expired`. Whoever logs in is not told."""


@dataclass(frozen=True)
class Metadata:
    """What of a provider's discovery document is used.

    token_auth -- how a client with a secret proves itself: `client_secret_basic` or `client_secret_post`
    names_itself -- the provider puts `iss` into its answers (RFC 9207), so that one without it is not its own
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_auth: str
    names_itself: bool


def checked_metadata(document: bytes, *, issuer: str, loopback: bool = False) -> Metadata:
    """The document of {issuer}/.well-known/openid-configuration. Raises DocumentRefused.

    loopback -- whether endpoints may be http at a loopback address
    """
    found = _object(document)
    if found.get("issuer") != issuer:
        raise DocumentRefused("wrong_issuer")
    ends: dict[str, str] = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        address = found.get(name)
        if not isinstance(address, str) or not is_web_address(address, loopback=loopback):
            raise DocumentRefused("wrong_endpoint")
        ends[name] = address
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    known = [one for one in ("client_secret_basic", "client_secret_post") if _holds(methods, one)]
    return Metadata(
        issuer,
        **ends,
        token_auth=known[0] if known else "",
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def checked_keys(document: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set that can check a signature here; what is something else in it is passed over.

    Raises DocumentRefused for what is no set, or where nothing in it can be used.
    """
    keys = _object(document).get("keys")
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise DocumentRefused("no_keys")
    usable = tuple(one for one in map(_public_part, keys) if one is not None)
    if not usable:
        raise DocumentRefused("no_keys")
    return usable


def id_token_of(document: bytes) -> str:
    """The ID token in the token endpoint's answer; of the access token nothing is kept. Raises DocumentRefused."""
    token = _object(document).get("id_token")
    if not isinstance(token, str) or not 1 <= len(token) <= LONGEST_TOKEN:
        raise DocumentRefused("no_id_token")
    return token


def authorization_address(
    metadata: Metadata, *, client_id: str, redirect: str, state: str, nonce: str, verifier: str
) -> str:
    """Where the browser is sent (OpenID Connect Core 3.1.2.1), asking for a code and nothing about the person."""
    asked = {
        "response_type": "code",
        "response_mode": "query",
        "scope": "openid",
        "client_id": client_id,
        "redirect_uri": redirect,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"


def challenge_of(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)), RFC 7636 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_own_answer(metadata: Metadata, iss: str | None) -> bool:
    """Whether an answer is this provider's, as far as it says (RFC 9207 2.4): None where it names nobody."""
    return not metadata.names_itself if iss is None else iss == metadata.issuer


def check_id_token(
    token: str, keys: Sequence[Key], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> str:
    """Signature first, then every claim; gives the subject. Raises TokenRefused, `unknown_key` for a key to fetch."""
    header, claims = _parts(token)
    _check_signature(token, header, keys)
    if claims.get("iss") != issuer:
        raise TokenRefused("wrong_issuer")
    _check_audience(claims, client_id)
    _check_times(claims, now)
    found = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), nonce.encode()):
        raise TokenRefused("wrong_nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT:
        raise TokenRefused("wrong_subject")
    if not subject.isascii() or not subject.isprintable():
        raise TokenRefused("wrong_subject")
    return subject


# -- the ID token -------------------------------------------------------------------------------------------


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """For us: alone, or among others where `azp` says that it was made for us."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(one, str) for one in named) or client_id not in named:
        raise TokenRefused("wrong_audience")
    if claims.get("azp", client_id) != client_id or (len(named) > 1 and "azp" not in claims):
        raise TokenRefused("wrong_audience")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    if _instant(claims, "exp") + SKEW <= now:
        raise TokenRefused("expired")
    made = _instant(claims, "iat")
    if made > now + SKEW:
        raise TokenRefused("from_the_future")
    if made < now - OLDEST - SKEW:
        raise TokenRefused("expired")
    if "nbf" in claims and _instant(claims, "nbf") > now + SKEW:
        raise TokenRefused("from_the_future")


def _check_signature(token: str, header: Mapping[str, Any], keys: Sequence[Key]) -> None:
    """With the published key that the header names, by the algorithm of that key's type."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused("wrong_algorithm")
    if {"crit", "b64"} & set(header):  # an extension that has to be understood, and none is
        raise TokenRefused("wrong_header")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in ("jwt", "application/jwt"):
        raise TokenRefused("wrong_header")  # an access token or a logout token, signed with the same keys
    key = _key_for(header, algorithm, keys)
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = _LONGEST_HEADER
    try:  # a key in hand: the library looks at none that a header names
        jws.deserialize_compact(token, import_key({**key}), registry=registry)
    except (JoseError, ValueError, TypeError):
        raise TokenRefused("wrong_signature") from None


def _key_for(header: Mapping[str, Any], algorithm: str, keys: Sequence[Key]) -> Key:
    """The one key that fits. A token without `kid` is taken only where there is no choice (Core 10.1)."""
    kind, curve = ALGORITHMS[algorithm]
    fitting = [
        one
        for one in keys
        if (one["kty"], one.get("crv", "")) == (kind, curve) and one.get("alg", algorithm) == algorithm
    ]
    if "kid" in header:
        fitting = [one for one in fitting if one.get("kid") == header["kid"]]
    if len(fitting) != 1:
        raise TokenRefused("unknown_key")
    return {name: fitting[0][name] for name in _PUBLIC[kind]}


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWS."""
    parts = token.split(".")
    if len(token) > LONGEST_TOKEN or len(parts) != 3:
        raise TokenRefused("malformed")
    try:
        header, claims = (loads(_decoded(part)) for part in parts[:2])
    except (JsonRefused, binascii.Error):
        raise TokenRefused("malformed") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("malformed")
    return header, claims


def _decoded(part: str) -> bytes:
    if not _BASE64URL.fullmatch(part):
        raise TokenRefused("malformed")
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    """Whole seconds since 1970; a fraction, a text or a year that there is not is refused."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 36:
        raise TokenRefused("malformed")
    return datetime.fromtimestamp(value, UTC)


# -- documents ----------------------------------------------------------------------------------------------


def _object(document: bytes) -> dict[str, Any]:
    try:
        found = loads(document)
    except JsonRefused:
        raise DocumentRefused("no_json") from None
    if not isinstance(found, dict):
        raise DocumentRefused("no_json")
    return found


def _holds(found: Any, wanted: str) -> bool:
    return isinstance(found, list) and wanted in found


def _public_part(key: Any) -> Key | None:
    """The members of a public key that are used; None for a key of another kind, for another use, or too weak."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    if not isinstance(key, dict) or key.get("use", "sig") != "sig":
        return None
    if "key_ops" in key and not _holds(key["key_ops"], "verify"):
        return None
    names = _PUBLIC.get(key["kty"]) if isinstance(key.get("kty"), str) else None
    if names is None or not all(isinstance(key.get(name), str) for name in names):
        return None
    kept = {name: key[name] for name in (*names, "kid", "alg") if name in key}
    if not all(isinstance(value, str) and len(value) <= _LONGEST_ID * 4 for value in kept.values()):
        return None
    try:  # reads the numbers: a point that is not on the curve is no key
        read = import_key({name: kept[name] for name in names})
        size = int(getattr(read.raw_value, "key_size", 0))
    except (JoseError, ValueError, TypeError, KeyError, binascii.Error):
        return None
    if names == _PUBLIC["RSA"] and not _SMALLEST_RSA <= size <= _LARGEST_RSA:
        return None
    return kept
