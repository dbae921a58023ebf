"""Logging in, staying logged in, and being told apart from another site."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import WebSession
from tests.conftest import StandingClock
from tests.server.conftest import PASSWORD, LogIn

FORM = {"login": "hospital-a", "password": PASSWORD}


def test_a_person_logs_in_and_lands_on_the_page_they_wanted(client: TestClient):
    """Somebody who opens a page without a login is asked for it, and comes back to that page afterwards."""
    asked = client.get("/uploads")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/uploads")
    answer = client.post("/login", data={**FORM, "next": "/uploads"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/uploads")
    assert client.get("/uploads").status_code == 200


def test_the_cookie_is_closed_to_scripts_and_to_other_sites(client: TestClient):
    """The session's cookie is HttpOnly and SameSite=Lax; the database knows only its hash."""
    cookie = client.post("/login", data=FORM).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    token = cookie.split("=", 1)[1].split(";")[0]
    assert len(token) >= 40


def test_the_cookie_is_secure_except_in_the_demo_over_http(client: TestClient, platform: Platform):
    """Only the demo on plain http gets a cookie without Secure; a real deployment never does."""
    assert "Secure" not in client.post("/login", data=FORM).headers["set-cookie"]
    platform.settings.demo = False
    assert "Secure" in client.post("/login", data=FORM).headers["set-cookie"]


def test_a_wrong_password_keeps_the_login_and_never_the_password(client: TestClient):
    """The form comes back with what happened and what to do; a password is not shown again."""
    answer = client.post("/login", data={"login": "hospital-a", "password": "wrong password here"})
    assert answer.status_code == 401
    assert 'value="hospital-a"' in answer.text and "access.login_failed" in answer.text
    assert "wrong password here" not in answer.text and "set-cookie" not in answer.headers


def test_guessing_is_stopped_after_five_failures(client: TestClient):
    """After five wrong passwords even the right one is refused for a while, and the answer says how long."""
    for _ in range(5):
        client.post("/login", data={"login": "hospital-a", "password": "guess"})
    locked = client.post("/login", data=FORM)
    assert locked.status_code == 429
    assert "access.login_locked" in locked.text


def test_logging_out_ends_the_session_on_the_server(as_user: LogIn, platform: Platform):
    """A cookie that somebody kept is worth nothing after its owner logged out."""
    client = as_user("hospital-a")
    token = client.cookies["rwd_session"]
    assert client.post("/logout").headers["location"] == "/login"
    client.cookies.set("rwd_session", token)
    assert client.get("/").headers["location"] == "/login"
    assert not platform.records.all(select(WebSession))


def test_a_session_that_nobody_used_for_half_an_hour_is_over(as_user: LogIn, clock: StandingClock):
    """Walking away from a screen logs out."""
    client = as_user("hospital-a")
    clock.advance(minutes=31)
    assert client.get("/").headers["location"] == "/login"
    assert client.get("/api/v1/session").json()["code"] == "server.login_needed"


def test_after_logging_in_nobody_is_sent_to_another_site(client: TestClient):
    """The page to come back to is a path of this site, whatever the address says."""
    for hostile in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
    ):
        answer = client.post("/login", data={**FORM, "next": hostile})
        assert answer.headers["location"] == "/", hostile
        client.cookies.clear()


def test_a_change_without_the_sessions_token_is_refused(as_user: LogIn):
    """A form of another tab's old session, or of another site, does nothing."""
    client = as_user("researcher")
    del client.headers["X-CSRF-Token"]
    answer = client.post("/api/v1/studies", json={"protocol": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "access.csrf")
    assert client.post("/logout", data={"csrf_token": "guessed"}).status_code == 403
    assert client.get("/").status_code == 200


def test_a_request_that_another_site_made_is_refused(as_user: LogIn, client: TestClient):
    """Browsers name the page that sent a form; one that is not ours is refused, at login too."""
    foreign = {"origin": "https://evil.example"}
    assert as_user("researcher").post("/logout", headers=foreign).status_code == 403
    assert client.post("/login", data=FORM, headers=foreign).status_code == 403
    assert client.post("/login", data=FORM, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/login", data=FORM, headers={"origin": "http://testserver"}).status_code == 303


def test_the_language_switch_is_kept_and_comes_back_to_the_page(client: TestClient):
    """Chinese unless somebody chose English; a language we do not have is Chinese."""
    assert 'lang="zh-CN"' in client.get("/login").text
    answer = client.get("/language/en?back=/login")
    assert answer.headers["location"] == "/login"
    assert '<html lang="en">' in client.get("/login").text
    client.get("/language/klingon")
    assert '<html lang="zh-CN">' in client.get("/login").text
