"""What somebody would try who wants another's login through the identity provider, and what a bad provider may do."""

# ruff: noqa: F811 - an argument of the name of a fixture is that fixture

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.access import identity_provider
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import oidc_login
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import Records
from rwd_platform.records.tables import OidcAttempt, OidcIdentity, WebSession
from rwd_platform.server.app import create_app
from tests.access.signing import b64, mac, rsa_key, unsigned
from tests.conftest import StandingClock
from tests.server import idp
from tests.server.conftest import PASSWORD, LogIn, open_session
from tests.server.oidc_walk import (
    address_of,
    begin,
    bind,
    bound,
    entries,
    log_in,
    no_session,
    platform,  # noqa: F401 - a fixture
    problem,
    provider,  # noqa: F401 - a fixture
)

OVER = (401, "oidc.attempt_over")


@pytest.fixture
def victim(platform: Platform) -> Iterator[TestClient]:
    """Another browser."""
    with TestClient(create_app(platform), follow_redirects=False) as made:
        yield made


def query(path: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(path).query).items()}


def back(**said: str) -> str:
    return f"/login/provider/back?{urlencode(said)}"


# -- whose answer it is ------------------------------------------------------------------------------------


def test_an_answer_in_another_browser_logs_nobody_in(
    as_user: LogIn, client: TestClient, victim: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Login CSRF: a victim who opens the attacker's address would work under the attacker's account."""
    bound(as_user, provider)
    before, answer = len(entries(platform)), provider.visit(begin(client))
    assert problem(victim.get(answer)) == OVER and no_session(victim)
    begin(victim)  # an attempt of their own, and still not this one
    assert problem(victim.get(answer)) == OVER and no_session(victim)
    assert len(entries(platform)) == before, "what an outsider can send is no entry"
    assert client.get(answer).status_code == 303, "and it has cost the right browser nothing"


def test_somebody_who_is_logged_in_stays_who_they_are(
    as_user: LogIn, client: TestClient, provider: idp.Provider
) -> None:
    bound(as_user, provider)
    at_work = as_user("researcher")
    assert problem(at_work.get(provider.visit(begin(client)))) == OVER
    assert at_work.get("/api/v1/session").json()["login"] == "researcher"
    assert at_work.post("/login/provider").headers["location"] == "/"


@pytest.mark.parametrize("state", ["", "guessed", "状态", "x" * 4000])
def test_a_state_that_is_not_ours_is_no_answer(client: TestClient, platform: Platform, state: str) -> None:
    begin(client)
    assert problem(client.get(back(code="c", state=state))) == OVER
    assert len(platform.records.all(select(OidcAttempt))) == 1 and "oidc" not in json.dumps(entries(platform))


def test_an_answer_is_good_once_and_for_ten_minutes(
    as_user: LogIn, client: TestClient, provider: idp.Provider, clock: StandingClock, platform: Platform
) -> None:
    bound(as_user, provider)
    answer, kept = provider.visit(begin(client)), dict(client.cookies)
    assert client.get(answer).status_code == 303
    client.cookies.clear()
    client.cookies.update(kept)
    assert problem(client.get(answer)) == OVER, "cookie, state and code all right, and spent"
    late = provider.visit(begin(client))
    clock.advance(minutes=10)
    assert problem(client.get(late)) == OVER and no_session(client)


def test_of_many_answers_at_once_one_is_taken(records: Records, platform: Platform) -> None:
    """On both databases: an attempt is deleted in the transaction that finds it."""
    here = replace(platform, records=records)
    sent = oidc_login.begin_login(here, "/")
    state = query(sent.address)["state"]

    def take(_: int) -> str:
        try:
            return oidc_login.take(here, sent.token, state).purpose
        except PlatformError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(take, range(8)))
    assert found == ["login"] + ["oidc.attempt_over"] * 7


def test_a_code_of_another_attempt_is_worth_nothing(
    as_user: LogIn, client: TestClient, victim: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """A stolen code, put into an attempt of the thief's own: the verifier is another (RFC 7636), then it is spent."""
    bound(as_user, provider)
    stolen = query(provider.visit(begin(victim)))["code"]
    mine = query(provider.visit(begin(client)))
    before = len(entries(platform))
    assert problem(client.get(back(code=stolen, state=mine["state"]))) == (401, "oidc.code_refused")
    assert no_session(client) and len(entries(platform)) == before


def test_a_token_of_another_attempt_is_worth_nothing(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """A provider that gives an old token out again is caught by the nonce."""
    bound(as_user, provider)
    old = provider.tokens[-1]
    provider.token = lambda _claims: old
    assert problem(log_in(client, provider)) == (401, "oidc.token_refused") and no_session(client)
    assert [one["reason"] for one in entries(platform, "login.failed")] == ["oidc_wrong_nonce"]


@pytest.mark.parametrize(
    ("says", "names_itself"), [("https://evil.example", False), ("https://evil.example", True), (None, True), ("", False)]
)  # fmt: skip
def test_an_answer_of_another_provider_is_not_taken(
    as_user: LogIn, client: TestClient, provider: idp.Provider, says: str | None, names_itself: bool
) -> None:
    """The mix-up attack (RFC 9207): the code would be handed to the wrong one of two. It is handed to nobody."""
    bound(as_user, provider)
    provider.metadata["authorization_response_iss_parameter_supported"] = names_itself
    platform_forgets(client)
    answer = provider.visit(begin(client)) + ("" if says is None else f"&{urlencode({'iss': says})}")
    asked = len(provider.forms)
    assert problem(client.get(answer)) == (502, "oidc.unusable") and len(provider.forms) == asked


def test_an_answer_that_names_the_right_provider_is_taken(
    as_user: LogIn, client: TestClient, provider: idp.Provider
) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    provider.says_iss = provider.issuer
    bound(as_user, provider)
    assert log_in(client, provider).status_code == 303


def platform_forgets(client: TestClient) -> None:
    """What the provider said ten minutes ago."""
    known: Any = client.app.state.platform.provider  # type: ignore[attr-defined]
    known._metadata = known._keys = None


# -- binding somebody else's -------------------------------------------------------------------------------


def test_nobody_finishes_a_binding_that_another_began(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Not after logging out, not under another login in the same browser, not in another browser."""
    here = as_user("hospital-a")
    answers = [
        provider.visit(address_of(here.post("/account/identity", data={"password": PASSWORD})))
        for _ in range(1)
    ]
    token, csrf = open_session(platform, "researcher")
    here.cookies.set("rwd_session", token)
    here.headers["X-CSRF-Token"] = csrf
    assert problem(here.get(answers[0])) == OVER
    again = as_user("hospital-a")
    answer = provider.visit(address_of(again.post("/account/identity", data={"password": PASSWORD})))
    assert problem(as_user("hospital-a").get(answer)) == OVER, "another browser of the same person"
    del again.cookies["rwd_session"]
    assert problem(again.get(answer)) == OVER
    assert not platform.records.all(select(OidcIdentity)) and not entries(platform, "identity.bound")


def test_a_login_is_no_binding_and_a_binding_no_login(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    bound(as_user, provider)
    answer = bind(as_user("researcher"), provider, "0-staff-2002")
    assert answer.status_code == 303 and not answer.headers.get("set-cookie", "").startswith("rwd_session")
    log_in(client, provider, "/")
    assert client.get("/api/v1/session").json()["login"] == "researcher"
    assert len(platform.records.all(select(OidcIdentity))) == 2


# -- cookies, addresses, traces ----------------------------------------------------------------------------


def test_nobody_is_sent_to_another_site_afterwards(
    as_user: LogIn, client: TestClient, provider: idp.Provider
) -> None:
    bound(as_user, provider)
    for hostile in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
    ):
        assert log_in(client, provider, hostile).headers["location"] == "/", hostile
        client.cookies.clear()
        assert 'name="next" value="/"' in client.get("/login/code", params={"next": hostile}).text


def test_a_session_that_was_there_before_is_not_the_one_afterwards(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Session fixation: a planted cookie, of no session or of the attempt, is worth nothing after the login."""
    bound(as_user, provider)
    client.cookies.set("rwd_session", "planted")
    log_in(client, provider)
    rows = {row.token_sha256 for row in platform.records.all(select(WebSession))}
    made = client.cookies.get("rwd_session", domain="testserver.local")
    assert made != "planted" and len(rows) == 2
    for planted in ("planted", made[::-1]):
        other = TestClient(create_app(platform), follow_redirects=False)
        other.cookies.set("rwd_session", planted)
        assert no_session(other)


def test_the_cookie_at_the_provider_is_closed_to_scripts_and_comes_back_with_a_link(
    as_user: LogIn, client: TestClient, platform: Platform, provider: idp.Provider
) -> None:
    """Lax: the provider's redirect is another site's. In a real deployment it is this host's alone, over https."""
    [cookie] = client.post("/login/provider").headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/"} <= {
        part.strip() for part in cookie.split(";")
    }
    [gone] = client.get(provider.visit(begin(client))).headers.get_list("set-cookie")
    assert gone.startswith("rwd_provider_login=") and "Max-Age=0" in gone
    platform.settings.demo = False
    with TestClient(create_app(platform), base_url="https://rwd.example", follow_redirects=False) as secured:
        [cookie] = secured.post("/login/provider").headers.get_list("set-cookie")
        assert cookie.startswith("__Host-rwd_provider_login=") and "Secure" in cookie
        secured.cookies.clear()
        secured.cookies.set("rwd_provider_login", cookie.split("=", 1)[1].split(";")[0])
        assert problem(secured.get(back(code="c", state="s"))) == OVER


def test_another_site_begins_no_login(client: TestClient) -> None:
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert problem(client.post("/login/provider", headers=headers)) == (403, "server.foreign_request")
    assert client.get("/login/provider").status_code == 405


def test_no_secret_of_a_login_stays_anywhere(
    as_user: LogIn,
    client: TestClient,
    provider: idp.Provider,
    platform: Platform,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Code, state, nonce, verifier, tokens and the client's secret: not in the log, the database or an address."""
    bound(as_user, provider)
    sent = query(begin(client))
    answer = provider.visit(address_of(client.post("/login/provider")))
    landed = client.get(answer)
    secrets = [
        *query(answer).values(), sent["state"], sent["nonce"], provider.forms[-1]["code_verifier"],
        provider.tokens[-1], idp.SECRET, client.cookies["rwd_session"],
    ]  # fmt: skip
    traces = [json.dumps(entries(platform)), caplog.text, landed.headers["location"], landed.text]
    with platform.records.touching() as session:
        for row in session.exec(select(OidcAttempt)).all():
            session.delete(row)
    with platform.records.engine.connect() as connection:
        traces += list(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    assert not [secret for secret in secrets for trace in traces if secret in trace]
    assert (
        landed.headers["referrer-policy"] == "same-origin" and landed.headers["cache-control"] == "no-store"
    )


def test_the_log_cannot_be_flooded(
    client: TestClient, provider: idp.Provider, platform: Platform, clock: StandingClock
) -> None:
    """Of an identity that nobody bound, five entries in five minutes; of what needs no identity, none."""
    before = len(entries(platform))
    for _ in range(7):
        assert problem(log_in(client, provider)) == (403, "oidc.not_bound")
        begin(client)
        client.get(back(code="c", state="s"))
        answer = query(provider.visit(begin(client)))
        client.get(back(error="access_denied", state=answer["state"]))
        answer = query(provider.visit(begin(client)))
        client.get(back(code="made up", state=answer["state"]))
    failed = entries(platform)[before:]
    assert [one["decision"] for one in failed] == [
        {"failures": n, "locked_seconds": 300 if n == 5 else 0} for n in range(1, 6)
    ]
    clock.advance(minutes=6)
    log_in(client, provider)
    assert len(entries(platform)) == before + 6


# -- what a provider may say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "why"),
    [({"claims": {"aud": "another-client"}}, "wrong_audience"), ({"claims": {"iss": "https://evil.example"}}, "wrong_issuer"),
     ({"claims": {"exp": 1}}, "expired"), ({"claims": {"sub": ""}}, "wrong_subject"), ({"claims": {"nonce": ...}}, "wrong_nonce"),
     ({"header": {"alg": "none"}}, "wrong_algorithm"), ({"header": {"crit": ["x"]}}, "wrong_header"),
     ({"header": {"typ": "at+jwt"}}, "wrong_header"), ({"header": {"kid": "unknown"}}, "unknown_key"),
     ({"key": rsa_key("rsa-1", 3072)}, "wrong_signature"),
     ({"token": lambda claims: f"{unsigned({'alg': 'none'}, claims)}."}, "wrong_algorithm"),
     ({"token": lambda claims: mac(rsa_key().jwk["n"].encode(), {"alg": "HS256", "kid": "rsa-1"}, claims)}, "wrong_algorithm"),
     ({"token": lambda claims: b64(json.dumps(claims).encode())}, "malformed")],
    ids=lambda value: str(value)[:40],
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
    for error, shown in (("access_denied", (401, "oidc.declined")), ("<b>x</b>", (401, "oidc.declined")),
                         ("temporarily_unavailable", (503, "oidc.unreachable")), ("", (502, "oidc.unusable"))):  # fmt: skip
        state = query(provider.visit(begin(client)))["state"]
        answer = client.get(back(error=error, state=state, error_description="call 400-evil"))
        assert problem(answer) == shown and "<b>x" not in answer.text and "evil" not in answer.text
    assert len(entries(platform)) == before


def test_keys_are_kept_and_a_new_one_is_found(
    as_user: LogIn, client: TestClient, provider: idp.Provider, clock: StandingClock
) -> None:
    """Ten minutes; after a change of keys at once, and for keys that nobody knows not more than once a minute."""
    bound(as_user, provider)
    for _ in range(3):
        log_in(client, provider)
    assert (provider.asked.count("/jwks"), provider.asked.count("/.well-known/openid-configuration")) == (
        1,
        1,
    )
    provider.rotate(rsa_key("rsa-new", 3072))
    assert log_in(client, provider).status_code == 303 and provider.asked.count("/jwks") == 2
    provider.header = {"kid": "nobody's"}
    for _ in range(3):
        assert problem(log_in(client, provider)) == (401, "oidc.token_refused")
    assert provider.asked.count("/jwks") == 2, "the minute is not over"
    clock.advance(seconds=61)
    log_in(client, provider)
    assert provider.asked.count("/jwks") == 3
    provider.header = {}
    clock.advance(minutes=11)
    assert log_in(client, provider).status_code == 303
    assert (provider.asked.count("/jwks"), provider.asked.count("/.well-known/openid-configuration")) == (
        4,
        2,
    )


# -- a provider that is down, slow or mad ------------------------------------------------------------------


def garbage(handler: BaseHTTPRequestHandler) -> None:
    idp.send(handler, b"\x00\xff not json")


def page(handler: BaseHTTPRequestHandler) -> None:
    idp.send(handler, b"{}", "text/html")


def huge(handler: BaseHTTPRequestHandler) -> None:
    try:
        idp.send(handler, b'{"x": "' + b"x" * (10 << 20) + b'"}')
    except OSError:
        pass  # nobody reads that much


def endless(handler: BaseHTTPRequestHandler) -> None:
    """One byte now and then, for as long as somebody listens."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:
        pass


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


def broken(handler: BaseHTTPRequestHandler) -> None:
    idp.send(handler, b"{}", status=500)


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "http://127.0.0.1:1/latest/meta-data/")
    handler.end_headers()


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


DOWN, MAD = (503, "oidc.unreachable"), (502, "oidc.unusable")


@pytest.mark.parametrize("place", ["/.well-known/openid-configuration", "/jwks", "/token"])
@pytest.mark.parametrize(
    ("instead", "shown"),
    [(garbage, MAD), (page, MAD), (huge, MAD), (endless, DOWN), (silent, DOWN), (broken, DOWN), (elsewhere, MAD),
     (hangs_up, DOWN)],
)  # fmt: skip
def test_a_provider_that_fails_is_said_to_and_the_password_still_works(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform,
    monkeypatch: pytest.MonkeyPatch, place: str, instead: idp.Instead, shown: tuple[int, str],
) -> None:  # fmt: skip
    monkeypatch.setattr(identity_provider, "SECONDS", 0.5)
    bound(as_user, provider)
    platform_forgets(client)
    provider.instead[place] = instead
    before, started = len(entries(platform)), time.monotonic()
    first = client.post("/login/provider", data={"next": "/uploads"})
    answer = first if place.startswith("/.well") else client.get(provider.visit(address_of(first)))
    assert problem(answer) == shown and no_session(client)
    assert time.monotonic() - started < 3 and len(entries(platform)) == before
    assert client.post("/login", data={"login": "hospital-a", "password": PASSWORD}).status_code == 303


def test_a_provider_that_is_not_there_is_said_to_be_so(platform: Platform, client: TestClient) -> None:
    platform.provider.issuer = "http://127.0.0.1:1/idp"
    assert problem(client.post("/login/provider")) == DOWN


def test_a_slow_provider_holds_four_requests_up_and_not_the_platform(
    provider: idp.Provider, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes while four wait is told so at once; afterwards there is room again."""
    monkeypatch.setattr(identity_provider, "SECONDS", 2.0)
    monkeypatch.setattr(identity_provider, "_WAIT_SECONDS", 0.1)
    provider.instead["/.well-known/openid-configuration"] = silent

    def ask(_: int) -> float:
        started = time.monotonic()
        with pytest.raises(PlatformError, match=r"oidc\.unreachable"):
            platform.provider.metadata()
        return time.monotonic() - started

    with ThreadPoolExecutor(12) as pool:
        waited = sorted(pool.map(ask, range(12)))
    assert len([one for one in waited if one > 1.5]) == 4 and waited[7] < 1.5
    del provider.instead["/.well-known/openid-configuration"]
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
