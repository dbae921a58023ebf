"""What somebody would try who wants another's login through the identity provider."""

# ruff: noqa: F811 - an argument of the name of a fixture is that fixture

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import oidc_login
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import Records
from rwd_platform.records.tables import OidcAttempt, OidcIdentity, WebSession
from rwd_platform.server.app import create_app
from tests.conftest import StandingClock
from tests.server import idp
from tests.server.conftest import PASSWORD, LogIn, open_session
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

OVER = (401, "oidc.attempt_over")
OVER_HERE = (422, "oidc.attempt_over")  # on the page of whoever is logged in


@pytest.fixture
def victim(platform: Platform) -> Iterator[TestClient]:
    """Another browser."""
    with TestClient(create_app(platform), follow_redirects=False) as made:
        yield made


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
    assert problem(at_work.get(provider.visit(begin(client)))) == OVER_HERE
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
    ("says", "names_itself"),
    [("https://evil.example", False), ("https://evil.example", True), (None, True), ("", False)],
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


# -- binding somebody else's -------------------------------------------------------------------------------


def test_nobody_finishes_a_binding_that_another_began(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Not after logging out, not under another login in the same browser, not in another browser."""
    here = as_user("hospital-a")
    answer = provider.visit(address_of(here.post("/account/identity", data={"password": PASSWORD})))
    token, csrf = open_session(platform, "researcher")
    here.cookies.set("rwd_session", token)
    here.headers["X-CSRF-Token"] = csrf
    assert problem(here.get(answer)) == OVER_HERE
    again = as_user("hospital-a")
    answer = provider.visit(address_of(again.post("/account/identity", data={"password": PASSWORD})))
    assert problem(as_user("hospital-a").get(answer)) == OVER_HERE, "another browser of the same person"
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
