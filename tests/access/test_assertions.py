"""Assertions of systems: what a right one is, and every known way to forge one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given
from hypothesis import strategies as st

from rwd_platform.access.assertions import (
    AssertionRefused,
    KeysRefused,
    check_assertion,
    checked_keys,
    client_of,
)
from tests.access.signing import Key, b64, ec_key, jwks, mac, rsa_key, signed, unsigned

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
T = int(NOW.timestamp())
AUDIENCE, CLIENT = "https://rwd.example/api/v1/token", "client-1"
GOOD: dict[str, Any] = {
    "iss": CLIENT, "sub": CLIENT, "aud": AUDIENCE, "exp": T + 240, "iat": T, "jti": "once",
}  # fmt: skip
RSA, EC = rsa_key(), ec_key()
PINNED = checked_keys(jwks(RSA, EC))
RS = {"alg": "RS384", "kid": "rsa-1", "typ": "JWT"}
ES = {"alg": "ES384", "kid": "ec-1", "typ": "JWT"}


def refused(assertion: str, pinned: dict[str, Any] = PINNED) -> str:
    with pytest.raises(AssertionRefused) as caught:
        check_assertion(assertion, pinned, client_id=CLIENT, audience=AUDIENCE, now=NOW)
    return str(caught.value)


def claims(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changed}.items() if value is not ...}


@pytest.mark.parametrize(("key", "header"), [(RSA, RS), (EC, ES)], ids=["RS384", "ES384"])
def test_a_right_assertion_is_taken(key: Key, header: dict[str, str]) -> None:
    found = check_assertion(signed(key, header, GOOD), PINNED, client_id=CLIENT, audience=AUDIENCE, now=NOW)
    assert (found.jti, int(found.expires.timestamp())) == ("once", T + 240)
    assert client_of(signed(key, header, GOOD)) == CLIENT


# -- the algorithm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_assertion_is_refused(name: str, signature: str) -> None:
    assertion = f"{unsigned({'alg': name, 'kid': 'rsa-1'}, GOOD)}.{signature}"
    assert refused(assertion) == "wrong_algorithm"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "n"])
def test_the_public_key_is_no_secret_to_make_a_mac_with(algorithm: str, form: str) -> None:
    """The confusion of algorithms: everybody knows the public key, and a MAC with it proves nothing."""
    public = RSA.private.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": public.public_bytes(serialization.Encoding.PEM, spki),
        "der": public.public_bytes(serialization.Encoding.DER, spki),
        "jwk": json.dumps(RSA.jwk).encode(),
        "n": RSA.jwk["n"].encode(),
    }[form]
    for header in ({"alg": algorithm, "kid": "rsa-1"}, {"alg": "RS384", "kid": "rsa-1"}):
        assert refused(mac(secret, header, GOOD, f"sha{algorithm[2:]}")) in (
            "wrong_algorithm",
            "wrong_signature",
        )


@pytest.mark.parametrize(
    ("key", "algorithm", "hashed"),
    [(RSA, "RS256", hashes.SHA256()), (RSA, "RS512", hashes.SHA512()), (EC, "ES256", hashes.SHA256()),
     (EC, "ES512", hashes.SHA512()), (RSA, "PS384", hashes.SHA384()), (EC, "EdDSA", hashes.SHA384())],
)  # fmt: skip
def test_two_algorithms_and_no_others(key: Key, algorithm: str, hashed: hashes.HashAlgorithm) -> None:
    header = {"alg": algorithm, "kid": key.jwk["kid"]}
    assert refused(signed(key, header, GOOD, hashed)) == "wrong_algorithm"


@pytest.mark.parametrize("algorithm", [None, 384, ["RS384"], {"alg": "RS384"}, True])
def test_an_algorithm_is_a_name(algorithm: Any) -> None:
    assert refused(signed(RSA, {"alg": algorithm, "kid": "rsa-1"}, GOOD)) == "wrong_algorithm"


def test_the_hash_is_the_one_that_the_name_says() -> None:
    assert refused(signed(RSA, RS, GOOD, hashes.SHA256())) == "wrong_signature"


def test_the_key_is_of_the_kind_that_the_algorithm_signs_with() -> None:
    assert refused(signed(RSA, {**RS, "kid": "ec-1"}, GOOD)) == "wrong_algorithm"
    assert refused(signed(EC, {**ES, "kid": "rsa-1"}, GOOD)) == "wrong_algorithm"


# -- the key ---------------------------------------------------------------------------------------------


def test_the_key_is_the_pinned_one_of_that_id() -> None:
    """Another's key under our id, our key under another id, no id, an id of another kind of value."""
    stranger = rsa_key("rsa-1", 3072)
    assert refused(signed(stranger, RS, GOOD)) == "wrong_signature"
    for kid in ("rsa-2", "", None, 1, ["rsa-1"], "RSA-1", "../rsa-1", "rsa-1 "):
        assert refused(signed(RSA, {**RS, "kid": kid}, GOOD)) == "unknown_key"
    assert refused(signed(RSA, {"alg": "RS384"}, GOOD)) == "unknown_key"


def test_two_pinned_keys_are_not_taken_for_each_other() -> None:
    one, two = rsa_key("one", 2048), rsa_key("two", 3072)
    pinned = checked_keys(jwks(one, two))
    assert refused(signed(one, {**RS, "kid": "two"}, GOOD), pinned) == "wrong_signature"


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_header_brings_is_not_looked_at(member: str) -> None:
    """Signed with a stranger's key that the header hands over, or says where to fetch."""
    stranger = rsa_key("rsa-1", 3072)
    brought = {
        "jwk": stranger.jwk, "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert",
        "x5c": ["MIIB"],
    }[member]  # fmt: skip
    assert refused(signed(stranger, {**RS, member: brought}, GOOD)) == "wrong_signature"
    assert refused(signed(stranger, {**RS, "kid": "evil", member: brought}, GOOD)) == "unknown_key"


def test_a_critical_extension_is_refused_because_none_is_understood() -> None:
    assert refused(signed(RSA, {**RS, "crit": ["exp"]}, GOOD)) == "wrong_header"


def test_a_changed_claim_breaks_the_signature() -> None:
    protected, _, signature = signed(RSA, RS, GOOD).split(".")
    forged = b64(json.dumps(claims(jti="another")).encode())
    assert refused(f"{protected}.{forged}.{signature}") == "wrong_signature"


@pytest.mark.parametrize("signature", ["", "AA", "A" * 128, "!!!", "=" * 8])
def test_a_signature_of_the_wrong_form_is_refused(signature: str) -> None:
    assert refused(f"{unsigned(ES, GOOD)}.{signature}") in ("wrong_signature", "malformed")


def test_a_signature_of_zeros_signs_nothing() -> None:
    """r = s = 0, which a careless verifier of ECDSA takes for any message."""
    assert refused(f"{unsigned(ES, GOOD)}.{b64(bytes(96))}") == "wrong_signature"


# -- the claims ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"exp": T}, "expired"),
        ({"exp": T - 1}, "expired"),
        ({"exp": T + 331}, "lives_too_long"),
        ({"exp": T + 86400}, "lives_too_long"),
        ({"iat": T + 31}, "from_the_future"),
        ({"nbf": T + 31}, "from_the_future"),
        ({"iat": T - 331}, "expired"),
        ({"aud": "https://other.example/api/v1/token"}, "wrong_audience"),
        ({"aud": AUDIENCE + "/"}, "wrong_audience"),
        ({"aud": [AUDIENCE, "https://other.example"]}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": ...}, "wrong_audience"),
        ({"iss": "client-2"}, "wrong_issuer"),
        ({"sub": "client-2"}, "wrong_issuer"),
        ({"sub": ...}, "malformed"),
        ({"iss": ""}, "malformed"),
        ({"jti": ...}, "malformed"),
        ({"jti": ""}, "malformed"),
        ({"jti": 7}, "malformed"),
        ({"jti": "x" * 201}, "malformed"),
        ({"exp": ...}, "malformed"),
        ({"exp": str(T + 60)}, "malformed"),
        ({"exp": T + 60.5}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"exp": -1}, "malformed"),
        ({"exp": 10**30}, "malformed"),
        ({"iat": None}, "malformed"),
    ],
    ids=str,
)
def test_every_claim_is_checked(changed: dict[str, Any], why: str) -> None:
    assert refused(signed(RSA, RS, claims(**changed))) == why


@pytest.mark.parametrize("changed", [{"exp": T + 300}, {"exp": T + 330}, {"exp": T + 1}, {"iat": ...}, {"iat": T + 30},
                                     {"aud": [AUDIENCE]}, {"more": "is allowed"}], ids=str)  # fmt: skip
def test_within_the_limits_it_is_taken(changed: dict[str, Any]) -> None:
    assertion = signed(RSA, RS, claims(**changed))
    assert check_assertion(assertion, PINNED, client_id=CLIENT, audience=AUDIENCE, now=NOW)


# -- the form --------------------------------------------------------------------------------------------

TWICE = '{"iss":"client-2","iss":"client-1","sub":"client-1","aud":"a","exp":1,"jti":"x"}'


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (RS, TWICE),
        ('{"alg":"none","alg":"RS384","kid":"rsa-1"}', GOOD),
        (RS, "[]"), (RS, '"text"'), (RS, "{"), (RS, ""), ("[]", GOOD), ("null", GOOD),
        (RS, '{"a":NaN}'), (RS, '{"a":1e999}'), (RS, "[" * 1000 + "]" * 1000),
        (RS, '{"iss":"\\ud800"}'),
    ],
    ids=str,
)  # fmt: skip
def test_what_parsers_would_read_differently_is_refused(header: Any, body: Any) -> None:
    """A key twice is the first for one reader and the last for another."""
    assert refused(signed(RSA, header, body)) == "malformed"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b", "a.b.c.d", "a b.c.d", "é.é.é", "\x00.\x00.\x00", "e30.e30."]
)
def test_no_assertion_at_all(text: str) -> None:
    assert refused(text) in ("malformed", "wrong_algorithm")
    with pytest.raises(AssertionRefused):
        client_of(text)


def test_an_endless_assertion_is_refused_unread() -> None:
    assert refused(signed(RSA, RS, claims(pad="x" * 8000))) == "too_long"
    assert refused("a" * 50_000_000) == "too_long"


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(AssertionRefused):
        check_assertion(text, PINNED, client_id=CLIENT, audience=AUDIENCE, now=NOW)


# -- the keys that may be pinned -------------------------------------------------------------------------


def not_taken(document: str) -> str:
    with pytest.raises(KeysRefused) as caught:
        checked_keys(document)
    return str(caught.value)


def test_public_keys_are_pinned_without_what_does_not_belong_to_them() -> None:
    with_more = {**RSA.jwk, "x5c": ["MIIB"], "use": "sig"}
    assert not_taken(json.dumps({"keys": [with_more]})) == "no_key", "a list is no member of a pinned key"
    kept = checked_keys(json.dumps({"keys": [{**RSA.jwk, "use": "sig", "x5t": "abc"}]}))
    assert kept == {"keys": [{**RSA.jwk, "use": "sig"}]}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ([{**RSA.jwk, "d": "AQAB"}], "private_key"),
        ([{**EC.jwk, "d": "AQAB"}], "private_key"),
        ([{"kty": "oct", "kid": "a", "k": "AQAB"}], "private_key"),
        ([rsa_key("weak", 1024).jwk], "weak_key"),
        ([ec_key("weak", "P-256").jwk], "weak_key"),
        ([{**EC.jwk, "x": EC.jwk["y"]}], "no_key"),
        ([{**RSA.jwk, "n": "!!"}], "no_key"),
        ([{**RSA.jwk, "e": "AQ"}], "no_key"),
        ([{name: value for name, value in RSA.jwk.items() if name != "kid"}], "no_key"),
        ([{**RSA.jwk, "kid": ""}], "no_key"),
        ([{**RSA.jwk, "kid": 1}], "no_key"),
        ([{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AQAB"}], "no_key"),
        ([{**RSA.jwk, "alg": "RS256"}], "wrong_use"),
        ([{**RSA.jwk, "alg": "none"}], "wrong_use"),
        ([{**RSA.jwk, "use": "enc"}], "wrong_use"),
        ([RSA.jwk, {**EC.jwk, "kid": "rsa-1"}], "kid_twice"),
        ([], "no_keys"),
        ([RSA.jwk] * 9, "no_keys"),
        (["key"], "no_key"),
        ("keys", "no_keys"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_that_are_not_pinned(keys: Any, why: str) -> None:
    assert not_taken(json.dumps({"keys": keys})) == why


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"keys":[],"keys":[]}', "\ud800", "NaN", "{}"])
def test_what_is_no_key_set(text: str) -> None:
    assert not_taken(text) in ("no_json", "no_keys")
