"""What somebody would try who wants another's login: every changing route, every cookie, every answer to a guess."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.access import passwords
from rwd_platform.core.clock import as_text
from rwd_platform.flows import own_account
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import User, WebSession
from rwd_platform.server import app as application
from rwd_platform.server.deps import Door
from rwd_platform.server.security import SAFE_METHODS
from tests.access.people import code_at, secret_of
from tests.conftest import StandingClock
from tests.house.test_routes_by_role import doors_of, routes
from tests.server.conftest import PASSWORD, LogIn, open_session

FORM = {"login": "researcher", "password": PASSWORD}
CHANGING = [(name, route) for name, route in routes() if name.partition(" ")[0] not in SAFE_METHODS]
ALLOWED_BY_ALL = [name for name, route in CHANGING if isinstance(doors_of(route)[0], Door)]


def place(name: str) -> tuple[str, str]:
    method, path = name.split(" ", 1)
    return method, "/".join("x" if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture
def secured(platform: Platform) -> Iterator[TestClient]:
    """A real deployment behind https."""
    platform.settings.demo, platform.settings.second_factor = False, "offered"
    with TestClient(
        application.create_app(platform), follow_redirects=False, base_url="https://rwd.example"
    ) as made:
        yield made


# -- forged requests --------------------------------------------------------------------------------------


def test_every_change_needs_the_sessions_own_token(as_user: LogIn) -> None:
    """Whoever is logged in, whatever their role: without the token, or with another's, nothing is done.

    The token is looked at before the role, so that any role's session shows it.
    """
    client, other = as_user("researcher"), as_user("hospital-a").headers["X-CSRF-Token"]
    for name in ALLOWED_BY_ALL:
        method, path = place(name)
        for token in (None, "", "guessed", other):
            request = client.build_request(method, path, params={"name": "x"})
            del request.headers["X-CSRF-Token"]
            if token is not None:
                request.headers["X-CSRF-Token"] = token
            answer = client.send(request)
            assert answer.status_code == 403 and "access.csrf" in answer.text, (
                name,
                token,
                answer.text[:200],
            )


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
     {"sec-fetch-site": "same-site"}, {"origin": "http://testserver.evil.example"}],
    ids=lambda headers: ",".join(headers.values()),
)  # fmt: skip
def test_every_change_that_another_site_asks_for_is_refused(as_user: LogIn, headers: dict[str, str]) -> None:
    """Logging in too, with the right token or without: a browser says where a request comes from."""
    client = as_user("researcher")
    for name, _ in CHANGING:
        method, path = place(name)
        answer = client.request(method, path, params={"name": "x"}, headers=headers)
        assert answer.status_code == 403 and "server.foreign_request" in answer.text, name


def test_there_are_doors_enough_for_the_two_tests_above() -> None:
    assert len(ALLOWED_BY_ALL) > 80 and "POST /people" in ALLOWED_BY_ALL and "POST /logout" in ALLOWED_BY_ALL


def test_nothing_changes_by_a_safe_method() -> None:
    """No route answers a GET by doing what a POST does: the acts of the log come from changing routes alone.

    The language switch sets a cookie of no account.
    """
    safe = {name.split(" ", 1)[1] for name, _ in routes() if name.startswith("GET ")}
    verbs = (
        "/end",
        "/disable",
        "/revoke",
        "/remove",
        "/vote",
        "/freeze",
        "/lock",
        "/run",
        "/logout",
        "/confirm",
    )
    assert not [path for path in safe if path.endswith(verbs)]


# -- cookies ----------------------------------------------------------------------------------------------


def test_the_cookie_of_a_real_deployment_is_this_hosts_alone(secured: TestClient) -> None:
    cookie = secured.post("/login", data=FORM).headers.get_list("set-cookie")[0]
    name, _, rest = cookie.partition("=")
    flags = {part.strip().lower() for part in rest.split(";")[1:]}
    assert name == "__Host-rwd_session"
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags
    assert not [flag for flag in flags if flag.startswith(("domain", "max-age", "expires"))], (
        "gone with the browser"
    )
    assert secured.get("/").status_code == 200


def test_a_cookie_without_the_prefix_opens_nothing_in_a_real_deployment(
    secured: TestClient, platform: Platform
) -> None:
    """Another host of the same domain can plant a cookie of any plain name, and none with the prefix."""
    token, _ = open_session(platform, "researcher")
    secured.cookies.set("rwd_session", token)
    assert secured.get("/").headers["location"] == "/login"
    secured.cookies.set("__Host-rwd_session", token)
    assert secured.get("/").status_code == 200


def test_logging_out_takes_the_cookie_away_in_the_form_in_which_it_was_set(secured: TestClient) -> None:
    """A browser keeps a `__Host-` cookie that is deleted without Secure."""
    secured.post("/login", data=FORM)
    token = secured.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
    cookies = secured.post("/logout", data={"csrf_token": token}).headers.get_list("set-cookie")
    [gone] = [one for one in cookies if one.startswith("__Host-rwd_session=")]
    assert "Max-Age=0" in gone and "Secure" in gone and "Path=/" in gone


def test_the_cookie_between_password_and_code_is_stricter_still(
    secured: TestClient, platform: Platform, clock: StandingClock
) -> None:
    actor = Actor("user-researcher", "researcher", "org-operator")
    own_account.begin_factor(platform, actor)
    own_account.confirm_factor(platform, actor, code_at(secret_of(platform.records, actor.id), clock.now))
    [cookie] = secured.post("/login", data=FORM).headers.get_list("set-cookie")
    assert cookie.startswith("__Host-rwd_half_login=")
    assert {"SameSite=strict", "Secure", "HttpOnly", "Max-Age=300"} <= {
        one.strip() for one in cookie.split(";")
    }


def test_a_token_that_was_planted_before_the_login_is_not_the_sessions(client: TestClient) -> None:
    """Session fixation: whoever put a cookie into the browser beforehand knows nothing of the session."""
    client.cookies.set("rwd_session", "planted-by-somebody-else")
    answer = client.post("/login", data=FORM)
    token = answer.headers["set-cookie"].split("=", 1)[1].split(";")[0]
    assert token != "planted-by-somebody-else" and len(token) >= 43
    client.cookies.clear()
    client.cookies.set("rwd_session", "planted-by-somebody-else")
    assert client.get("/").headers["location"] == "/login"


def test_logging_in_again_makes_another_token(client: TestClient) -> None:
    tokens = [client.post("/login", data=FORM).headers["set-cookie"].split(";")[0] for _ in range(3)]
    assert len(set(tokens)) == 3


@pytest.mark.parametrize("name", ["rwd_session", "__Host-rwd_session", "token", "session"])
def test_a_token_in_an_address_or_a_header_opens_nothing(
    client: TestClient, platform: Platform, name: str
) -> None:
    """Addresses are kept by browsers, proxies and logs: a token is never looked for there, and never put there."""
    token, _ = open_session(platform, "researcher")
    assert client.get("/", params={name: token}).headers["location"] == "/login"
    assert client.get("/", headers={name: token}).headers["location"] == "/login"
    assert client.get("/", headers={"authorization": f"Bearer {token}"}).headers["location"] == "/login"


def test_no_page_holds_the_sessions_token(platform: Platform, as_user: LogIn) -> None:
    client = as_user("researcher")
    token = client.cookies["rwd_session"]
    for path in ("/", "/account", "/studies", "/log", "/account/second-factor", "/api/v1/session"):
        answer = client.get(path)
        assert token not in answer.text and token not in str(answer.headers), path


# -- the end of a session ---------------------------------------------------------------------------------


def test_a_busy_session_ends_after_twelve_hours(as_user: LogIn, clock: StandingClock) -> None:
    client = as_user("researcher")
    for _ in range(35):
        clock.advance(minutes=20)
        assert client.get("/account").status_code == 200
    clock.advance(minutes=20)
    assert client.get("/account").headers["location"] == "/login?next=/account"


def test_logging_out_everywhere_is_everywhere(platform: Platform, as_user: LogIn) -> None:
    clients = [as_user("researcher") for _ in range(3)]
    admin, why = as_user("security"), "怀疑账号被他人使用，全部退出登录"
    assert admin.post("/people/user-researcher/log-out", data={"reason": why}).status_code == 303
    assert {client.get("/").headers.get("location") for client in clients} == {"/login"}
    assert [row.user_id for row in platform.records.all(select(WebSession))] == ["user-security"]


def test_an_account_that_ends_takes_its_open_pages_with_it(
    platform: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    client = as_user("researcher")
    row = platform.records.get(User, "user-researcher")
    row.valid_until = "2026-11-02"
    platform.records.write(
        row, audit=Act(Actor("s", "security", "o"), "user.end_set", Object("user", row.id))
    )
    clock.now = clock.now.replace(hour=15, minute=59)
    token, _ = open_session(platform, "researcher")
    client.cookies.set("rwd_session", token)
    assert client.get("/").status_code == 200
    clock.advance(minutes=1)
    assert client.get("/").headers["location"] == "/login"


# -- guessing ----------------------------------------------------------------------------------------------


def end(platform: Platform, login: str, **changed: str) -> None:
    row = platform.records.get(User, f"user-{login}")
    for name, value in changed.items():
        setattr(row, name, value)
    platform.records.write(
        row, audit=Act(Actor("s", "security", "o"), "user.disabled", Object("user", row.id))
    )


def test_names_that_are_nobodys_disabled_or_ended_are_answered_and_locked_like_any_other(
    client: TestClient, platform: Platform
) -> None:
    """Seven guesses each: the same status, the same words, the same lock after the same number."""
    end(platform, "hospital-a", disabled_at=as_text(platform.clock()))
    end(platform, "hospital-b", valid_until="2026-11-01")
    told = {}
    for login in ("researcher", "hospital-a", "hospital-b", "nobody-at-all"):
        answers = [client.post("/login", data={"login": login, "password": "a guess"}) for _ in range(7)]
        told[login] = [(one.status_code, one.text.replace(login, "LOGIN")) for one in answers]
    assert len({str(one) for one in told.values()}) == 1
    assert [status for status, _ in told["researcher"]] == [401] * 5 + [429] * 2


def test_every_guess_costs_one_hash_whoever_it_is_about(
    client: TestClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class of time: counted, because a stopwatch lies on a busy machine."""
    end(platform, "hospital-a", disabled_at=as_text(platform.clock()))
    costs: list[str] = []
    verify = passwords._HASHER.verify

    def counted(password: str, stored: str) -> bool:
        costs.append(stored.split("$")[3])
        return verify(password, stored)

    monkeypatch.setattr(passwords._HASHER, "verify", counted)
    for login in ("researcher", "hospital-a", "nobody-at-all", ""):
        before = len(costs)
        client.post("/login", data={"login": login, "password": "a guess"})
        assert len(costs) == before + 1, login
    assert len(set(costs)) == 1, "the same parameters"


def test_whether_somebody_has_a_second_factor_is_told_to_nobody_without_the_password(
    client: TestClient, platform: Platform, clock: StandingClock
) -> None:
    actor = Actor("user-researcher", "researcher", "org-operator")
    own_account.begin_factor(platform, actor)
    own_account.confirm_factor(platform, actor, code_at(secret_of(platform.records, actor.id), clock.now))
    answers = [
        client.post("/login", data={"login": login, "password": "a guess"})
        for login in ("researcher", "regulator")
    ]
    first, second = (answer.text.replace("researcher", "L").replace("regulator", "L") for answer in answers)
    assert first == second and not any("set-cookie" in answer.headers for answer in answers)
