"""An identity provider's ID token, spoilt one thing at a time."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st

from rwd_platform.access.oidc import (
    ALGORITHMS,
    LONGEST_TOKEN,
    Key,
    TokenRefused,
    check_id_token,
    checked_keys,
)
from tests.access import signing
from tests.access.signing import b64, ec_key, jwks, mac, rsa_key, signed, unsigned

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
T = int(NOW.timestamp())
ISSUER, CLIENT, NONCE = "https://idp.example/realms/hospital", "rwd", "n-0S6_WzA2Mj"
GOOD: dict[str, Any] = {
    "iss": ISSUER, "aud": CLIENT, "sub": "248289761001", "nonce": NONCE, "iat": T, "exp": T + 300,
}  # fmt: skip
RSA, EC256, EC384 = rsa_key(), ec_key("ec-256", "P-256"), ec_key("ec-384", "P-384")
KEYS = checked_keys(jwks(RSA, EC256, EC384).encode())
HEADER = {"alg": "RS256", "kid": "rsa-1", "typ": "JWT"}


def sign(claims: Any, header: Any = HEADER, key: signing.Key = RSA) -> str:
    return signed(key, header, claims, hashes.SHA256())


def sign_pss(claims: Any, header: Any) -> str:
    """RSASSA-PSS with SHA-256, a salt as long as the hash (RFC 7518, 3.5)."""
    message = unsigned(header, claims)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
    return f"{message}.{b64(RSA.private.sign(message.encode(), pss, hashes.SHA256()))}"


def subject(token: str, keys: tuple[Key, ...] = KEYS, now: datetime = NOW, **other: str) -> str:
    asked = {"issuer": ISSUER, "client_id": CLIENT, "nonce": NONCE, **other}
    return check_id_token(token, keys, now=now, **asked)


def refused(token: str, keys: tuple[Key, ...] = KEYS, **other: Any) -> str:
    with pytest.raises(TokenRefused) as caught:
        subject(token, keys, **other)
    return str(caught.value)


def claims(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changed}.items() if value is not ...}


# -- a right token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_right_token_names_its_subject(algorithm: str) -> None:
    """Signed by `cryptography`, not by the library that checks."""
    header = {"alg": algorithm, "typ": "JWT"}
    token = {
        "RS256": lambda: sign(GOOD, {**header, "kid": "rsa-1"}),
        "PS256": lambda: sign_pss(GOOD, {**header, "kid": "rsa-1"}),
        "ES256": lambda: signed(EC256, {**header, "kid": "ec-256"}, GOOD, hashes.SHA256()),
        "ES384": lambda: signed(EC384, {**header, "kid": "ec-384"}, GOOD, hashes.SHA384()),
    }[algorithm]()
    assert subject(token) == "248289761001"


@pytest.mark.parametrize(
    "changed",
    [{"aud": [CLIENT]}, {"aud": [CLIENT, "other"], "azp": CLIENT}, {"azp": CLIENT}, {"nbf": T}, {"nbf": T + 59},
     {"iat": T + 60}, {"iat": T - 660}, {"exp": T - 59}, {"sub": "x" * 255}, {"sub": " !~"},
     {"name": "张三", "email": "a@b.example", "extra": {"a": [1, 2]}}],
    ids=str,
)  # fmt: skip
def test_what_a_provider_may_say_too(changed: dict[str, Any]) -> None:
    assert subject(sign(claims(**changed))) == changed.get("sub", "248289761001")


def test_a_header_may_name_certificates_and_they_are_not_looked_at() -> None:
    """Several providers put a chain of certificates in, of more than half a kilobyte."""
    chain = base64.b64encode(b"c" * 1500).decode()
    assert subject(sign(GOOD, {**HEADER, "x5t": "abc", "x5c": [chain]})) == "248289761001"


# -- every claim, spoilt -------------------------------------------------------------------------------------

SPOILT: list[tuple[dict[str, Any], str]] = [
    *[({"iss": value}, "wrong_issuer") for value in (..., "", ISSUER + "/", ISSUER.upper(), None, [ISSUER])],
    *[({"aud": value}, "wrong_audience") for value in (..., "", "other", ["other"], [], None, 7, {"a": CLIENT})],
    *[({"aud": value}, "wrong_audience") for value in (f"{CLIENT} other", "RWD", [CLIENT, 7], [[CLIENT]])],
    *[({"aud": [CLIENT, "other"], "azp": value}, "wrong_audience") for value in (..., "other", "", None, [CLIENT])],
    ({"aud": ["other", "third"], "azp": CLIENT}, "wrong_audience"),
    ({"azp": "other"}, "wrong_audience"),
    *[({"exp": value}, "malformed") for value in (..., None, "", str(T + 300), -1, True, 1 << 40, 10**30, [T + 300])],
    *[({"exp": value}, "expired") for value in (0, T - 3600, T - 60)],
    *[({"iat": value}, "malformed") for value in (..., None, str(T), -1, False, 1 << 62)],
    *[({"iat": value}, "from_the_future") for value in (T + 61, T + 86400)],
    *[({"iat": value}, "expired") for value in (0, T - 661)],
    *[({"nbf": value}, "malformed") for value in (None, str(T), -1, True)],
    ({"nbf": T + 61}, "from_the_future"),
    *[({"nonce": value}, "wrong_nonce") for value in (..., "", NONCE + "x", NONCE.lower(), None, 7, [NONCE], "随机")],
    *[({"sub": value}, "wrong_subject") for value in (..., "", "x" * 256, None, 2482, ["a"], "张三", "a\nb")],
]  # fmt: skip


@pytest.mark.parametrize(("changed", "why"), SPOILT, ids=str)
def test_a_claim_that_is_spoilt_is_refused_by_its_name(changed: dict[str, Any], why: str) -> None:
    assert refused(sign(claims(**changed))) == why


def test_a_fraction_of_a_second_is_no_time() -> None:
    for written in (f"{T + 300}.5", f"{T + 300}.0", "1e12"):
        body = json.dumps(GOOD).replace(str(T + 300), written)
        assert refused(sign(body)) == "malformed"


def test_a_claim_that_stands_twice_is_refused() -> None:
    """Of two readers one would take the first and one the last."""
    body = json.dumps(GOOD)[:-1] + ', "sub": "admin"}'
    assert refused(sign(body)) == "malformed"


def test_what_we_asked_for_is_what_is_compared_with() -> None:
    token = sign(GOOD)
    assert refused(token, issuer="https://idp.example") == "wrong_issuer"
    assert refused(token, client_id="rwd-2") == "wrong_audience"
    assert refused(token, nonce="another") == "wrong_nonce"
    assert refused(token, nonce="") == "wrong_nonce"


# -- header and signature ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused(name: str, signature: str) -> None:
    token = f"{unsigned({'alg': name, 'kid': 'rsa-1'}, GOOD)}.{signature}"
    assert refused(token) == "wrong_algorithm"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "n"])
def test_the_public_key_is_no_secret_to_make_a_mac_with(algorithm: str, form: str) -> None:
    public = RSA.private.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": public.public_bytes(serialization.Encoding.PEM, spki),
        "der": public.public_bytes(serialization.Encoding.DER, spki),
        "jwk": json.dumps(RSA.jwk).encode(),
        "n": RSA.jwk["n"].encode(),
    }[form]
    assert (
        refused(mac(secret, {**HEADER, "alg": algorithm}, GOOD, f"sha{algorithm[2:]}")) == "wrong_algorithm"
    )
    assert refused(mac(secret, HEADER, GOOD)) == "wrong_signature"


@pytest.mark.parametrize(
    "algorithm",
    ["RS384", "RS512", "PS384", "PS512", "ES512", "ES256K", "EdDSA", "rs256", None, 256, ["RS256"], True, ...],
)  # fmt: skip
def test_four_algorithms_and_no_others(algorithm: Any) -> None:
    header = {name: value for name, value in {**HEADER, "alg": algorithm}.items() if value is not ...}
    assert refused(sign(GOOD, header)) == "wrong_algorithm"


@pytest.mark.parametrize(
    "changed",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"typ": "at+jwt"},
     {"typ": "logout+jwt"}, {"typ": ""}, {"typ": None}, {"typ": ["JWT"]}, {"typ": "secevent+jwt"}],
    ids=str,
)  # fmt: skip
def test_a_header_that_asks_for_more_or_is_of_another_token_is_refused(changed: dict[str, Any]) -> None:
    """An access token or a logout token is signed with the same keys and may name the same person."""
    assert refused(sign(GOOD, {**HEADER, **changed})) == "wrong_header"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "application/jwt", ...])
def test_the_type_may_be_left_out(kind: Any) -> None:
    header = {name: value for name, value in {**HEADER, "typ": kind}.items() if value is not ...}
    assert subject(sign(GOOD, header)) == "248289761001"


def test_the_key_is_the_published_one_of_that_id() -> None:
    stranger = rsa_key("rsa-1", 3072)
    assert refused(sign(GOOD, key=stranger)) == "wrong_signature"
    for kid in ("rsa-2", "", None, 1, ["rsa-1"], "RSA-1", "../rsa-1", "rsa-1 "):
        assert refused(sign(GOOD, {**HEADER, "kid": kid})) == "unknown_key", kid


def test_a_key_that_the_header_brings_along_is_none() -> None:
    """`jwk`, `jku`, `x5u`: whoever makes a token could sign it with a key of theirs and say so."""
    stranger = rsa_key("evil", 3072)
    for brought in (
        {"jwk": stranger.jwk},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/c"},
    ):
        assert refused(sign(GOOD, {**HEADER, **brought}, stranger)) == "wrong_signature"
        assert refused(sign(GOOD, {**HEADER, "kid": "evil", **brought}, stranger)) == "unknown_key"


def test_the_key_is_of_the_kind_and_curve_that_the_algorithm_signs_with() -> None:
    assert refused(sign(GOOD, {**HEADER, "kid": "ec-256"})) == "unknown_key"
    assert refused(signed(EC384, {"alg": "ES256", "kid": "ec-384"}, GOOD, hashes.SHA256())) == "unknown_key"
    assert refused(signed(EC256, {"alg": "ES384", "kid": "ec-256"}, GOOD, hashes.SHA384())) == "unknown_key"


def test_a_key_that_says_its_algorithm_signs_by_no_other() -> None:
    keys = checked_keys(json.dumps({"keys": [{**RSA.jwk, "alg": "PS256"}]}).encode())
    assert refused(sign(GOOD), keys) == "unknown_key"
    assert subject(sign_pss(GOOD, {**HEADER, "alg": "PS256"}), keys) == "248289761001"


def test_without_an_id_there_must_be_no_choice() -> None:
    """OpenID Connect Core 10.1: a token names its key where the provider has several."""
    header = {"alg": "RS256"}
    assert subject(sign(GOOD, header)) == "248289761001", "one RSA key beside two of curves"
    two = checked_keys(jwks(RSA, rsa_key("rsa-2", 3072)).encode())
    assert refused(sign(GOOD, header), two) == "unknown_key"
    same = checked_keys(jwks(RSA, rsa_key("rsa-1", 3072)).encode())
    assert refused(sign(GOOD), same) == "unknown_key", "two keys of one id"
    assert refused(sign(GOOD), ()) == "unknown_key"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_changed_character_spoils_the_token(part: int) -> None:
    token = sign(GOOD)
    parts = token.split(".")
    for at in range(0, len(parts[part]) - 1, 7):
        old = parts[part][at]
        changed = [*parts]
        changed[part] = parts[part][:at] + ("A" if old != "A" else "B") + parts[part][at + 1 :]
        assert refused(".".join(changed))


HOSTILE: list[Callable[[str], str]] = [
    lambda token: "", lambda token: ".", lambda token: "..", lambda token: "...", lambda token: token + ".x",
    lambda token: token.rpartition(".")[0], lambda token: token + "\n", lambda token: " " + token,
    lambda token: token.replace(".", "=.", 1), lambda token: "x" * (LONGEST_TOKEN + 1), lambda token: "令牌.令牌.令牌",
    lambda token: f"{b64(b'[]')}.{b64(b'{}')}.AAAA", lambda token: f"{b64(b'{}')}.{b64(b'7')}.AAAA",
    lambda token: f"{b64(b'{' * 9000)}.{b64(b'{}')}.AAAA", lambda token: f"{b64(bytes(range(256)))}.e30.AAAA",
    lambda token: "A.A.A",
]  # fmt: skip


@pytest.mark.parametrize("spoil", HOSTILE)
def test_what_is_no_token_is_refused(spoil: Callable[[str], str]) -> None:
    assert refused(spoil(sign(GOOD))) in ("malformed", "wrong_algorithm", "wrong_signature")


@given(st.text(max_size=300))
def test_no_text_is_more_than_refused(text: str) -> None:
    assert refused(text)


ANY = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "x"]), ANY))
def test_no_header_is_more_than_refused(header: dict[str, Any]) -> None:
    assert refused(f"{unsigned(header, GOOD)}.AAAA")
