"""What an identity provider says beside its tokens: metadata, keys and answers, spoilt one thing at a time."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rwd_platform.access.oidc import (
    LONGEST_TOKEN,
    DocumentRefused,
    authorization_address,
    challenge_of,
    checked_keys,
    checked_metadata,
    id_token_of,
    is_own_answer,
)
from rwd_platform.core.web_address import is_web_address
from tests.access.signing import ec_key, rsa_key

ISSUER = "https://idp.example/realms/hospital"
RSA, EC256 = rsa_key(), ec_key("ec-256", "P-256")


# -- metadata ------------------------------------------------------------------------------------------------

METADATA: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example/authorize?tenant=7",
    "token_endpoint": "https://api.example/token",
    "jwks_uri": "https://keys.example/jwks",
}


def metadata(**changed: Any) -> bytes:
    said = {name: value for name, value in {**METADATA, **changed}.items() if value is not ...}
    return json.dumps(said).encode()


def why_not(document: bytes, **other: Any) -> str:
    with pytest.raises(DocumentRefused) as caught:
        checked_metadata(document, **{"issuer": ISSUER, **other})
    return str(caught.value)


def test_metadata_say_where_to_go() -> None:
    found = checked_metadata(metadata(), issuer=ISSUER)
    assert (found.token_endpoint, found.token_auth, found.names_itself) == (
        "https://api.example/token",
        "client_secret_basic",
        False,
    )
    named = checked_metadata(metadata(authorization_response_iss_parameter_supported=True), issuer=ISSUER)
    assert named.names_itself


@pytest.mark.parametrize(
    ("methods", "chosen"),
    [(["client_secret_basic", "client_secret_post"], "client_secret_basic"),
     (["client_secret_post"], "client_secret_post"), (["private_key_jwt"], ""), ([], ""),
     ("client_secret_basic", ""), (None, "")],
)  # fmt: skip
def test_how_a_client_proves_itself_is_what_the_provider_takes(methods: Any, chosen: str) -> None:
    document = metadata(token_endpoint_auth_methods_supported=methods)
    assert checked_metadata(document, issuer=ISSUER).token_auth == chosen


@pytest.mark.parametrize(
    "issuer", [..., "", ISSUER + "/", ISSUER.upper(), "https://evil.example", None, [ISSUER]]
)
def test_metadata_of_another_issuer_are_refused(issuer: Any) -> None:
    """Discovery 4.3: else a provider could speak in another's name."""
    assert why_not(metadata(issuer=issuer)) == "wrong_issuer"


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "address",
    [..., None, "", 7, "http://api.example/x", "http://127.0.0.1/x", "//api.example/x", "/x", "javascript:alert(1)",
     "file:///etc/passwd", "ftp://api.example/x", "https://", "https://user@api.example/x", "https://api.example/x#y",
     "https://api.example/ x", "https://api.example/\n", "https://api.example\\@evil.example/", "https://api.example:x/",
     "https://[::1/", "https://例子.example/", "data:text/html,x", "https://api.example/" + "x" * 2000],
    ids=lambda address: str(address)[:30],
)  # fmt: skip
def test_an_endpoint_is_an_https_address(name: str, address: Any) -> None:
    assert why_not(metadata(**{name: address})) == "wrong_endpoint"


def test_the_demo_alone_asks_this_machine_without_https() -> None:
    local = metadata(**{name: "http://127.0.0.1:9/x" for name in METADATA if name != "issuer"})
    assert checked_metadata(local, issuer=ISSUER, loopback=True).jwks_uri == "http://127.0.0.1:9/x"
    assert why_not(local) == "wrong_endpoint"
    for address in (
        "http://localhost/x",
        "http://127.0.0.1.evil.example/x",
        "http://10.0.0.1/x",
        "http://[::2]/x",
    ):
        assert not is_web_address(address, loopback=True), address
    assert is_web_address("http://[::1]:8/x", loopback=True)


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"null", b"<html>", b"{", b'{"issuer": "a", "issuer": "b"}', b"\xff", b"{" * 100_000, b'{"a": NaN}'],
)  # fmt: skip
def test_a_document_that_is_no_object_is_refused(document: bytes) -> None:
    assert why_not(document) == "no_json"
    for read in (checked_keys, id_token_of):
        with pytest.raises(DocumentRefused):
            read(document)


# -- keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoilt",
    [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": ["RSA"]},
     {"n": ""}, {"n": 7}, {"n": "!!"}, {"e": None}, {"kid": 7}, {"kid": "x" * 5000}],
    ids=lambda spoilt: str(spoilt)[:40],
)  # fmt: skip
def test_a_key_that_cannot_check_a_signature_is_passed_over(spoilt: dict[str, Any]) -> None:
    """A set holds keys for other ends as well: these are no reason to refuse the others, and never used."""
    keys = checked_keys(json.dumps({"keys": [{**RSA.jwk, **spoilt}, EC256.jwk]}).encode())
    assert [key["kty"] for key in keys] == ["EC"]


def test_weak_keys_and_points_beside_the_curve_are_passed_over() -> None:
    off = {**EC256.jwk, "x": EC256.jwk["y"], "y": EC256.jwk["x"]}
    found = [rsa_key("weak", 1024).jwk, off, {**EC256.jwk, "crv": "P-999"}, "key", None, 7]
    with pytest.raises(DocumentRefused):
        checked_keys(json.dumps({"keys": found}).encode())


def test_of_a_key_only_public_members_are_kept() -> None:
    [key] = checked_keys(
        json.dumps({"keys": [{**RSA.jwk, "d": "AQAB", "x5c": ["a"], "use": "sig"}]}).encode()
    )
    assert set(key) == {"kty", "n", "e", "kid"}


@pytest.mark.parametrize("keys", [..., None, {}, [], "keys", [{}] * 51, [None]])
def test_a_set_without_keys_is_refused(keys: Any) -> None:
    document = {} if keys is ... else {"keys": keys}
    with pytest.raises(DocumentRefused, match="no_keys"):
        checked_keys(json.dumps(document).encode())


# -- question and answer -------------------------------------------------------------------------------------


def test_the_challenge_is_the_one_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_browser_is_sent_with_everything_and_without_the_verifier() -> None:
    said = checked_metadata(metadata(), issuer=ISSUER)
    address = authorization_address(
        said, client_id="r&w=d", redirect="https://rwd.example/back", state="s", nonce="n", verifier="v" * 43
    )
    asked = parse_qs(urlsplit(address).query, strict_parsing=True)
    assert address.startswith("https://login.example/authorize?tenant=7&")
    assert asked["tenant"] == ["7"], "the endpoint's own query stays (RFC 6749, 3.1)"
    assert asked["client_id"] == ["r&w=d"] and asked["redirect_uri"] == ["https://rwd.example/back"]
    assert (asked["response_type"], asked["response_mode"], asked["scope"]) == (
        ["code"],
        ["query"],
        ["openid"],
    )
    assert (asked["state"], asked["nonce"], asked["code_challenge_method"]) == (["s"], ["n"], ["S256"])
    digest = hashlib.sha256(b"v" * 43).digest()
    assert asked["code_challenge"] == [base64.urlsafe_b64encode(digest).decode().rstrip("=")]
    assert "v" * 43 not in address


@pytest.mark.parametrize(
    ("names_itself", "iss", "own"),
    [(False, None, True), (True, None, False), (True, ISSUER, True), (False, ISSUER, True), (False, "", False),
     (False, "https://evil.example", False), (True, ISSUER + "/", False)],
)  # fmt: skip
def test_an_answer_is_the_providers_own(names_itself: bool, iss: str | None, own: bool) -> None:
    """RFC 9207: with two providers, one of them hostile, an answer of the one is never taken for the other's."""
    said = metadata(authorization_response_iss_parameter_supported=names_itself)
    assert is_own_answer(checked_metadata(said, issuer=ISSUER), iss) is own


@pytest.mark.parametrize("token", [..., None, "", 7, ["a"], "x" * (LONGEST_TOKEN + 1)])
def test_the_token_endpoint_gives_an_id_token(token: Any) -> None:
    said = {"access_token": "a", "token_type": "Bearer", **({} if token is ... else {"id_token": token})}
    with pytest.raises(DocumentRefused, match="no_id_token"):
        id_token_of(json.dumps(said).encode())
    assert id_token_of(json.dumps({**said, "id_token": "a.b.c"}).encode()) == "a.b.c"
