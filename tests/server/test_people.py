"""The security administrator's pages and API: accounts, and not one thing else; and one's own account."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Organisation, SecondFactor, User, WebSession
from tests.access.people import code_at, secret_of
from tests.conftest import StandingClock
from tests.server import seed
from tests.server.conftest import PASSWORD, PEOPLE, LogIn, open_session

WHY = "按人员任命通知办理账号，已核对任命文件"
NEW = {
    "login": "zhou.ming",
    "role": "researcher",
    "organisation_id": "org-operator",
    "name": "周明",
    "reason": WHY,
}


def person(platform: Platform, login: str) -> User:
    return platform.records.all(select(User).where(User.login == login))[0]


# -- roles at home -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["security", "auditor", "ethics", "inspector"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_new_role_has_a_home_with_its_own_menu(as_user: LogIn, login: str, language: str) -> None:
    page = as_user(login, language=language).get("/")
    menu = set(re.findall(r'<li><a href="(/[a-z]*)"', page.text))
    assert page.status_code == 200
    assert (
        menu
        == {
            "security": {"/", "/people"},
            "auditor": {"/", "/log"},
            "ethics": {"/", "/studies", "/withdrawals"},
            "inspector": {"/", "/studies", "/packages"},
        }[login]
    )


def test_a_security_administrator_sees_no_data_anywhere(platform: Platform, as_user: LogIn) -> None:
    """Every page of data is closed, and no title, hospital's batch or result is on any page that is open."""
    seed.seed_everything(platform)
    client = as_user("security")
    for path in ("/uploads", "/studies", "/packages", "/log", "/quality", "/risk", "/transfers", "/policies"):
        assert client.get(path).status_code == 403, path
    for path in ("/", "/people", "/people/user-researcher", "/account"):
        page = client.get(path).text
        assert "演示研究</a>" not in page and seed.STUDY not in page and "Demo study" not in page, path


def test_an_auditor_reads_the_whole_log_and_the_home_names_what_was_refused(
    platform: Platform, as_user: LogIn
) -> None:
    seed.seed_study(platform, state="registered")
    as_user("hospital-a").get(f"/studies/{seed.STUDY}")
    client = as_user("auditor")
    assert "提出的请求被拒绝" in client.get("/").text and "查看研究" in client.get("/").text
    assert "study.registered" in client.get("/log").text or client.get("/log").status_code == 200
    for path in ("/people", "/studies", "/uploads", "/quality"):
        assert client.get(path).status_code == 403, path


def test_an_ethics_committee_reads_studies_without_results(platform: Platform, as_user: LogIn) -> None:
    seed.seed_study(platform)
    client = as_user("ethics")
    assert "演示研究" in client.get("/").text
    page = client.get(f"/studies/{seed.STUDY}")
    assert page.status_code == 200 and "演示研究" in page.text
    assert "0.84" not in page.text and client.get("/packages").status_code == 403


def test_the_administrators_home_names_what_waits(
    platform: Platform, as_user: LogIn, client: TestClient
) -> None:
    """Locked logins, accounts without the second factor that they need, and those that end within a month."""
    for _ in range(5):
        client.post("/login", data={"login": "hospital-a", "password": "guess"})
    ends = person(platform, "ethics")
    ends.valid_until = "2026-11-30"
    seed._write(platform, ends)
    home = as_user("security").get("/").text
    assert "张 hospital-a的登录名因连续输错被锁定" in home and "张 ethics的账号将于 2026-11-30 到期" in home
    assert "还没有设置动态验证码" not in home, "the demo offers it"
    platform.settings.second_factor = "required"
    token, _ = open_session(platform, "security")
    with TestClient(client.app, cookies={"rwd_session": token}, follow_redirects=False) as waiting:
        assert waiting.get("/").headers["location"] == "/account/second-factor"


# -- accounts ----------------------------------------------------------------------------------------------


def test_a_new_account_is_made_and_its_password_shown_once(as_user: LogIn, client: TestClient) -> None:
    admin = as_user("security")
    made = admin.post("/people", data=NEW)
    password = re.search(r'<dd class="mono">([a-z0-9]{5}(?:-[a-z0-9]{5}){3})</dd>', made.text)
    assert made.status_code == 200 and password is not None
    answer = client.post("/login", data={"login": "zhou.ming", "password": password[1]})
    assert answer.status_code == 303
    assert password[1] not in admin.get("/people").text
    assert made.headers["cache-control"] == "no-store"


def test_a_mistake_keeps_what_was_filled_in(as_user: LogIn) -> None:
    page = as_user("security").post("/people", data={**NEW, "role": "regulator"})
    assert page.status_code == 422 and "people.role_not_there" in page.text
    assert 'value="zhou.ming"' in page.text and 'value="周明"' in page.text and WHY in page.text


def test_hostile_names_stay_text(as_user: LogIn) -> None:
    admin = as_user("security")
    admin.post("/people", data={**NEW, "name": '<script>alert(1)</script>"'})
    page = admin.get("/people").text
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    "path", ["disable", "role", "end", "password", "log-out", "unlock", "second-factor/reset"]
)
def test_every_change_asks_for_a_reason_and_shows_what_is_missing(as_user: LogIn, path: str) -> None:
    page = as_user("security").post(f"/people/user-researcher/{path}", data={})
    assert page.status_code == 422 and "people.reason_missing" in page.text


def test_a_change_leads_back_to_the_person_and_ends_their_logins(platform: Platform, as_user: LogIn) -> None:
    visitor = as_user("researcher")
    assert visitor.get("/").status_code == 200
    changed = as_user("security").post(
        "/people/user-researcher/role",
        data={"role": "ethics", "organisation_id": "org-operator", "reason": WHY},
    )
    assert changed.headers["location"] == "/people/user-researcher"
    assert visitor.get("/").headers["location"] == "/login"
    assert person(platform, "researcher").role == "ethics"


def test_a_person_that_is_not_there_looks_like_any_other_that_is_not(as_user: LogIn) -> None:
    admin = as_user("security")
    assert admin.get("/people/user-none").status_code == 404
    assert admin.post("/people/user-none/disable", data={"reason": WHY}).status_code == 404
    assert "110101199003070000王" not in admin.get("/people/110101199003070000王").text


def test_ones_own_account_offers_nothing_that_would_be_refused(as_user: LogIn) -> None:
    page = as_user("security").get("/people/user-security").text
    assert "/people/user-security/disable" not in page and 'href="/account"' in page


def test_an_organisation_is_registered_and_can_be_chosen(platform: Platform, as_user: LogIn) -> None:
    admin = as_user("security")
    fields = {
        "id": "org-insurer",
        "kind": "insurer",
        "name_zh": "演示医保局",
        "name_en": "Demo",
        "reason": WHY,
    }
    assert admin.post("/people/organisations", data=fields).status_code == 303
    assert platform.records.get(Organisation, "org-insurer").kind == "insurer"
    assert "演示医保局" in admin.get("/people/new").text
    again = admin.post("/people/organisations", data=fields)
    assert again.status_code == 409 and "people.organisation_taken" in again.text


def test_the_api_does_what_the_pages_do(platform: Platform, as_user: LogIn) -> None:
    admin = as_user("security")
    made = admin.post("/api/v1/people", json=NEW).json()
    one = admin.get(f"/api/v1/people/{made['id']}").json()
    assert (one["login"], one["standing"], one["second_factor"], one["sessions"]) == (
        "zhou.ming", "in_use", False, 0,
    )  # fmt: skip
    ended = admin.post(
        f"/api/v1/people/{made['id']}/end", json={"valid_until": "2027-01-31", "reason": WHY}
    ).json()
    assert ended["valid_until"] == "2027-01-31"
    again = admin.post(f"/api/v1/people/{made['id']}/password", json={"reason": WHY}).json()
    assert again["password"] != made["password"]
    for act in ("log-out", "unlock", "second-factor/reset", "disable"):
        answer = admin.post(f"/api/v1/people/{made['id']}/{act}", json={"reason": WHY})
        assert answer.status_code == 200, act
    assert answer.json()["standing"] == "disabled"
    everybody = {one["login"] for one in admin.get("/api/v1/people").json()}
    assert everybody == {*PEOPLE, "zhou.ming"}
    assert "password_hash" not in admin.get("/api/v1/people").text
    wrong = admin.post("/api/v1/people", json={**NEW, "admin": True})
    assert wrong.status_code == 422


# -- one's own account -------------------------------------------------------------------------------------


def enrol(client: TestClient, platform: Platform, clock: StandingClock, login: str) -> tuple[str, list[str]]:
    """Set a second factor up as a person does: (secret, recovery codes). The client goes on with its new session."""
    assert client.post("/account/second-factor").headers["location"] == "/account/second-factor"
    secret = secret_of(platform.records, f"user-{login}")
    shown = client.get("/account/second-factor").text
    assert f"secret={secret}" in shown and "<svg" in shown and 'class="qr"' in shown
    done = client.post("/account/second-factor/confirm", data={"code": code_at(secret, clock.now)})
    assert done.status_code == 200
    codes = re.findall(r"<li>([a-z0-9]{4}(?:-[a-z0-9]{4}){3})</li>", done.text)
    client.headers["X-CSRF-Token"] = re.findall(r'name="csrf_token" value="([^"]+)"', done.text)[0]
    return secret, codes


def test_setting_up_a_second_factor_and_logging_in_with_it(
    platform: Platform, as_user: LogIn, client: TestClient, clock: StandingClock
) -> None:
    me = as_user("researcher")
    secret, codes = enrol(me, platform, clock, "researcher")
    assert len(codes) == 10 and me.get("/").status_code == 200
    assert secret not in me.get("/account").text and secret not in me.get("/account/second-factor").text
    clock.advance(seconds=30)
    step = client.post("/login", data={"login": "researcher", "password": PASSWORD, "next": "/studies"})
    assert step.status_code == 200 and 'name="code"' in step.text and 'value="/studies"' in step.text
    assert client.get("/studies").headers["location"].startswith("/login")
    done = client.post("/login/code", data={"code": code_at(secret, clock.now), "next": "/studies"})
    assert (done.status_code, done.headers["location"]) == (303, "/studies")
    assert client.get("/studies").status_code == 200


def test_a_wrong_code_is_asked_for_again_and_not_repeated(
    platform: Platform, as_user: LogIn, client: TestClient, clock: StandingClock
) -> None:
    enrol(as_user("researcher"), platform, clock, "researcher")
    client.post("/login", data={"login": "researcher", "password": PASSWORD})
    again = client.post("/login/code", data={"code": "314159"})
    assert again.status_code == 401 and 'name="code"' in again.text and "314159" not in again.text
    client.cookies.clear()
    over = client.post("/login/code", data={"code": "314159"})
    assert over.status_code == 401 and 'name="password"' in over.text, "the first step is asked for again"


def test_the_api_logs_in_by_two_steps(
    platform: Platform, as_user: LogIn, client: TestClient, clock: StandingClock
) -> None:
    _, codes = enrol(as_user("researcher"), platform, clock, "researcher")
    half = client.post("/api/v1/session", json={"login": "researcher", "password": PASSWORD})
    assert half.status_code == 202 and half.json() == {"second_factor": True, "seconds": 300}
    assert client.get("/api/v1/session").status_code == 401
    done = client.post("/api/v1/session/code", json={"code": codes[0]})
    assert done.status_code == 201 and client.get("/api/v1/session").json()["login"] == "researcher"


def test_who_must_have_a_second_factor_can_do_nothing_before_it_is_set_up(
    platform: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    """Pages lead there, the API says so, no menu is shown; setting it up and logging out are all there is."""
    me = as_user("privacy")
    platform.settings.second_factor = "required"
    for path in ("/", "/log", "/releases", "/account", "/no-such-page"):
        answer = me.get(path)
        assert answer.headers.get("location", "") == "/account/second-factor" or answer.status_code == 404
    assert me.get("/api/v1/log").json()["code"] == "server.enrol_first"
    assert me.post("/releases/x/votes", data={"approved": "true"}).status_code in (303, 404)
    page = me.get("/account/second-factor")
    assert page.status_code == 200 and '<nav class="side"' not in page.text
    enrol(me, platform, clock, "privacy")
    assert me.get("/log").status_code == 200
    assert as_user("hospital-a").get("/").status_code == 200, "other roles may go without"


def test_a_deployment_demands_it_unless_it_says_otherwise(platform: Platform) -> None:
    settings = platform.settings
    assert settings.demo and not settings.second_factor_required
    settings.demo = False
    assert settings.second_factor_required
    settings.second_factor = "offered"
    assert not settings.second_factor_required


def test_the_page_of_ones_account_lists_and_ends_ones_logins(platform: Platform, as_user: LogIn) -> None:
    here, there = as_user("researcher"), as_user("researcher")
    handles = re.findall(r'name="handle" value="([0-9a-f]+)"', here.get("/account").text)
    assert len(handles) == 1, "this login is not offered"
    assert here.post("/account/sessions/end", data={"handle": handles[0]}).status_code == 303
    assert there.get("/").headers["location"] == "/login" and here.get("/").status_code == 200
    as_user("researcher")
    here.post("/account/sessions/end-others")
    assert len(platform.records.all(select(WebSession))) == 1


def test_changing_the_password_on_the_page(as_user: LogIn, client: TestClient) -> None:
    me = as_user("researcher")
    wrong = me.post("/account/password", data={"old": "no such password", "new": "a new long phrase"})
    assert wrong.status_code == 422 and "no such password" not in wrong.text
    done = me.post("/account/password", data={"old": PASSWORD, "new": "a new long phrase"})
    assert done.headers["location"] == "/account?done=password"
    assert client.post("/login", data={"login": "researcher", "password": PASSWORD}).status_code == 401
    assert (
        client.post("/login", data={"login": "researcher", "password": "a new long phrase"}).status_code
        == 303
    )


def test_an_administrator_resets_a_second_factor_and_it_is_set_up_anew(
    platform: Platform, as_user: LogIn, client: TestClient, clock: StandingClock
) -> None:
    me = as_user("researcher")
    enrol(me, platform, clock, "researcher")
    reset = as_user("security").post("/people/user-researcher/second-factor/reset", data={"reason": WHY})
    assert reset.status_code == 303 and me.get("/").headers["location"] == "/login"
    assert platform.records.find(SecondFactor, "user-researcher") is None
    assert client.post("/login", data={"login": "researcher", "password": PASSWORD}).status_code == 303
