"""What a provider may say and fail to say: bad tokens, keys that change, silence, garbage and ten megabytes."""

# ruff: noqa: F811 - an argument of the name of a fixture is that fixture

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from itertools import islice
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from rwd_platform.access import identity_provider
from rwd_platform.access.identity_provider import AT_ONCE
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from tests.access.signing import b64, mac, rsa_key, unsigned
from tests.conftest import StandingClock
from tests.server import idp
from tests.server.conftest import PASSWORD, LogIn
from tests.server.oidc_walk import (
    address_of,
    back,
    begin,
    bind,
    bound,
    entries,
    log_in,
    no_session,
    platform,  # noqa: F401 - a fixture
    platform_forgets,
    problem,
    provider,  # noqa: F401 - a fixture
    query,
)

DOWN, MAD = (503, "oidc.unreachable"), (502, "oidc.unusable")
HS256 = {"alg": "HS256", "kid": "rsa-1"}

# -- what a provider may say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "why"),
    [({"claims": {"aud": "another-client"}}, "wrong_audience"), ({"claims": {"iss": "https://evil"}}, "wrong_issuer"),
     ({"claims": {"exp": 1}}, "expired"), ({"claims": {"sub": ""}}, "wrong_subject"),
     ({"claims": {"nonce": ...}}, "wrong_nonce"),
     ({"header": {"alg": "none"}}, "wrong_algorithm"), ({"header": {"crit": ["x"]}}, "wrong_header"),
     ({"header": {"typ": "at+jwt"}}, "wrong_header"), ({"header": {"kid": "unknown"}}, "unknown_key"),
     ({"key": rsa_key("rsa-1", 3072)}, "wrong_signature"),
     ({"token": lambda claims: f"{unsigned({'alg': 'none'}, claims)}."}, "wrong_algorithm"),
     ({"token": lambda claims: mac(rsa_key().jwk["n"].encode(), HS256, claims)}, "wrong_algorithm"),
     ({"token": lambda claims: b64(json.dumps(claims).encode())}, "malformed")],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)  # fmt: skip
def test_a_token_that_does_not_pass_opens_nothing(
    as_user: LogIn,
    client: TestClient,
    provider: idp.Provider,
    platform: Platform,
    spoil: dict[str, Any],
    why: str,
) -> None:
    """Refused with one text whatever was wrong; the log knows what. Nothing of the token is shown or kept."""
    bound(as_user, provider)
    for name, value in spoil.items():
        setattr(provider, name, value)
    answer = log_in(client, provider)
    assert problem(answer) == (401, "oidc.token_refused") and no_session(client)
    [failed] = entries(platform, "login.failed")
    assert failed["reason"] == f"oidc_{why}" and failed["outcome"] == "refused"
    assert provider.tokens[-1] not in json.dumps(entries(platform)) + answer.text


@pytest.mark.parametrize(("seconds", "taken"), [(-60, True), (59, True), (61, False), (-661, False)])
def test_clocks_may_differ_by_a_minute(
    as_user: LogIn,
    client: TestClient,
    provider: idp.Provider,
    clock: StandingClock,
    seconds: int,
    taken: bool,
) -> None:
    bound(as_user, provider)
    now = int(clock.now.timestamp()) + seconds
    provider.claims = {"iat": now, "exp": now + 900}
    assert (log_in(client, provider).status_code == 303) is taken


def test_what_the_provider_declines_is_said_and_is_no_entry(
    client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Its own words are not shown: they may be anything."""
    before = len(entries(platform))
    declined = (401, "oidc.declined")
    for error, shown in (
        ("access_denied", declined),
        ("<b>x</b>", declined),
        ("temporarily_unavailable", DOWN),
        ("", MAD),
    ):
        state = query(provider.visit(begin(client)))["state"]
        answer = client.get(back(error=error, state=state, error_description="call 400-evil"))
        assert problem(answer) == shown and "<b>x" not in answer.text and "evil" not in answer.text
    assert len(entries(platform)) == before


def again(client: TestClient, provider: idp.Provider) -> httpx.Response:
    """A login of somebody who comes without any cookie."""
    client.cookies.clear()
    return log_in(client, provider)


def test_keys_are_kept_and_a_new_one_is_found(
    as_user: LogIn, client: TestClient, provider: idp.Provider, clock: StandingClock
) -> None:
    """Ten minutes; after a change of keys at once, and for keys that nobody knows not more than once a minute."""
    bound(as_user, provider)
    for _ in range(3):
        again(client, provider)
    assert (provider.asked.count("/jwks"), provider.asked.count("/.well-known/openid-configuration")) == (
        1,
        1,
    )
    provider.rotate(rsa_key("rsa-new", 3072))
    assert again(client, provider).status_code == 303 and provider.asked.count("/jwks") == 2
    provider.header = {"kid": "nobody's"}
    for _ in range(3):
        assert problem(again(client, provider)) == (401, "oidc.token_refused")
    assert provider.asked.count("/jwks") == 2, "the minute is not over"
    clock.advance(seconds=61)
    again(client, provider)
    assert provider.asked.count("/jwks") == 3
    provider.header = {}
    clock.advance(minutes=11)
    assert again(client, provider).status_code == 303
    assert (provider.asked.count("/jwks"), provider.asked.count("/.well-known/openid-configuration")) == (
        4,
        2,
    )


def test_keys_that_are_known_stay_when_others_cannot_be_fetched(
    as_user: LogIn, client: TestClient, provider: idp.Provider
) -> None:
    """Somebody brings a token of an unknown key while the provider's keys are not to be had: the others go on."""
    bound(as_user, provider)
    provider.instead["/jwks"] = broken
    provider.header = {"kid": "nobody's"}
    assert problem(again(client, provider)) == DOWN
    provider.header = {}
    assert again(client, provider).status_code == 303


# -- a provider that is down, slow or mad ------------------------------------------------------------------


def garbage(handler: BaseHTTPRequestHandler) -> None:
    idp.send(handler, b"\x00\xff not json")


def page(handler: BaseHTTPRequestHandler) -> None:
    idp.send(handler, b"{}", "text/html")


def huge(handler: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):  # nobody reads that much
        idp.send(handler, b'{"x": "' + b"x" * (10 << 20) + b'"}')


def endless(handler: BaseHTTPRequestHandler) -> None:
    """One byte now and then, for as long as somebody listens, a minute at most."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(1200):
            handler.wfile.write(b" ")
            time.sleep(0.05)


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Nothing, until the other side hangs up, a minute at most."""
    handler.connection.settimeout(60)
    with suppress(OSError):
        while handler.connection.recv(1 << 16):
            pass


def broken(handler: BaseHTTPRequestHandler) -> None:
    idp.send(handler, b"{}", status=500)


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "http://127.0.0.1:1/latest/meta-data/")
    handler.end_headers()


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


@pytest.mark.parametrize("place", ["/.well-known/openid-configuration", "/jwks", "/token"])
@pytest.mark.parametrize(
    ("instead", "shown", "why"),
    [(garbage, MAD, "no_json"), (page, MAD, "wrong_type"), (huge, MAD, "too_large"), (elsewhere, MAD, "wrong_status"),
     (endless, DOWN, ""), (silent, DOWN, ""), (broken, DOWN, ""), (hangs_up, DOWN, "")],
)  # fmt: skip
def test_a_provider_that_fails_is_said_to_and_the_password_still_works(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform,
    monkeypatch: pytest.MonkeyPatch, place: str, instead: idp.Instead, shown: tuple[int, str], why: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(identity_provider, "SECONDS", 0.5)
    bound(as_user, provider)
    platform_forgets(client)
    provider.instead[place] = instead
    before, started = len(entries(platform)), time.monotonic()
    first = client.post("/login/provider", data={"next": "/uploads"})
    answer = first if place.startswith("/.well") else client.get(provider.visit(address_of(first)))
    assert problem(answer) == shown and why in answer.text and no_session(client)
    assert time.monotonic() - started < 30, "nobody listens to the end: the provider goes on for a minute"
    assert len(entries(platform)) == before
    assert client.post("/login", data={"login": "hospital-a", "password": PASSWORD}).status_code == 303


def test_a_provider_that_is_not_there_is_said_to_be_so(platform: Platform, client: TestClient) -> None:
    platform.provider.issuer = "http://127.0.0.1:1/idp"
    assert problem(client.post("/login/provider")) == DOWN


def test_a_slow_provider_holds_four_requests_up_and_not_the_platform(
    provider: idp.Provider, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes while four wait is told so at once; afterwards there is room again."""
    monkeypatch.setattr(identity_provider, "SECONDS", 60.0)
    monkeypatch.setattr(identity_provider, "_WAIT_SECONDS", 0.1)
    place, let_go = "/.well-known/openid-configuration", threading.Event()
    provider.instead[place] = lambda _: let_go.wait(60) and None

    def ask() -> None:
        with pytest.raises(PlatformError, match=r"oidc\.unreachable"):
            platform.provider.metadata()

    with ThreadPoolExecutor(12) as pool:
        all_twelve = [pool.submit(ask) for _ in range(12)]
        for told in islice(as_completed(all_twelve), 8):
            told.result()
        asked = provider.asked.count(place)
        let_go.set()
        for told in all_twelve:
            told.result()
    assert asked == AT_ONCE and provider.asked.count(place) == AT_ONCE
    del provider.instead[place]
    assert platform.provider.metadata().issuer == provider.issuer


@pytest.mark.parametrize("issuer", [..., "https://evil.example", "", 7])
def test_metadata_of_another_issuer_send_nobody_anywhere(
    client: TestClient, provider: idp.Provider, issuer: Any
) -> None:
    provider.metadata = {"issuer": issuer, "authorization_endpoint": "https://evil.example/phish"}
    answer = client.post("/login/provider")
    assert problem(answer) == MAD and "evil.example" not in answer.text


def test_a_real_deployment_sends_nobody_without_https(
    client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    platform.provider.loopback = False
    assert problem(client.post("/login/provider")) == MAD


@pytest.mark.parametrize("spoil", ["missing", "empty", "open"])
def test_a_secret_that_cannot_be_used_is_said_without_showing_it(
    as_user: LogIn, provider: idp.Provider, platform: Platform, spoil: str
) -> None:
    path = platform.provider.secret_file
    if spoil == "missing":
        path.unlink()
    elif spoil == "empty":
        path.write_text(" \n")
    else:
        path.chmod(0o644)
    answer = bind(as_user("hospital-a"), provider)
    assert problem(answer) == (503, "oidc.secret_unreadable") and idp.SECRET not in answer.text
    assert str(path) not in answer.text
