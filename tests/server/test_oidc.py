"""Logging in through the hospital's identity provider, the whole way: binding, logging in, and what stays as it was."""

# ruff: noqa: F811 - an argument of the name of a fixture is that fixture

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.access.sessions import remove_expired
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import own_account, people
from rwd_platform.flows.oidc_login import identities_of
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import OidcAttempt, OidcIdentity, User, WebSession
from rwd_platform.server.app import create_app
from rwd_platform.settings import Settings, load_settings
from tests.access.people import code_at, secret_of
from tests.conftest import StandingClock
from tests.server import idp
from tests.server.conftest import PASSWORD, LogIn, open_session
from tests.server.oidc_walk import (
    NAME,
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

ADMIN = Actor("user-security", "security", "org-operator")
WHY = "统一身份系统通知该人员账号有异常，先行解除绑定"

# -- the whole way -----------------------------------------------------------------------------------------


def test_a_person_binds_once_and_logs_in_without_the_password(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Bound on their own page, then in through the provider, to the page they wanted; every step is an entry."""
    bound(as_user, provider)
    [identity] = platform.records.all(select(OidcIdentity))
    assert (identity.issuer, identity.subject, identity.user_id) == (
        provider.issuer,
        "0-staff-1001",
        "user-hospital-a",
    )
    answer = log_in(client, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/uploads")
    assert client.get("/api/v1/session").json()["login"] == "hospital-a"
    [made] = entries(platform, "identity.bound")
    assert made["actor"]["id"] == "user-hospital-a" and made["decision"] == {"issuer": provider.issuer}
    [opened] = entries(platform, "session.opened")
    assert opened["decision"] == {"factor": "oidc"} and opened["object"]["id"] == "user-hospital-a"
    assert not platform.records.all(select(OidcAttempt)), "each is over with its answer"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_the_client_proves_itself_as_the_provider_wants_it(
    as_user: LogIn, provider: idp.Provider, platform: Platform, method: str
) -> None:
    """The provider of the tests refuses a secret that is missing, wrong or misplaced; PKCE is there in any case."""
    provider.metadata["token_endpoint_auth_methods_supported"] = [method]
    if method == "none":
        provider.secret = platform.provider.secret_file = None
    bound(as_user, provider)
    assert ("client_secret" in provider.forms[-1]) is (method == "client_secret_post")
    assert len(provider.forms[-1]["code_verifier"]) >= 43


def test_the_button_is_there_where_a_provider_is_set_up(client: TestClient, as_user: LogIn) -> None:
    assert f"用{NAME}登录" in client.get("/login").text and "/login/provider" in client.get("/login").text
    client.get("/language/en")
    assert f"Log in with {NAME}" in client.get("/login").text
    assert f"前往{NAME}绑定" in as_user("researcher").get("/account").text


def test_without_a_provider_nothing_of_it_is_there(
    tmp_path: Path, platform: Platform, as_user: LogIn
) -> None:
    object.__setattr__(platform, "provider", None)
    platform.settings.oidc_name = ""
    client = as_user("researcher")
    assert "统一身份" not in client.get("/account").text
    assert problem(client.post("/account/identity", data={"password": PASSWORD})) == (404, "oidc.not_set_up")
    with TestClient(create_app(platform), follow_redirects=False) as nobody:
        assert "/login/provider" not in nobody.get("/login").text
        assert problem(nobody.post("/login/provider")) == (404, "oidc.not_set_up")


# -- what the provider does not replace --------------------------------------------------------------------


def test_the_second_factor_is_asked_for_as_ever(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform, clock: StandingClock
) -> None:
    """The provider's word is half a login; the code's address holds nothing of the provider's answer."""
    bound(as_user, provider)
    actor = Actor("user-hospital-a", "hospital", "hospital-a")
    own_account.begin_factor(platform, actor)
    secret = secret_of(platform.records, actor.id)
    own_account.confirm_factor(platform, actor, code_at(secret, clock.now))
    answer = log_in(client, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login/code?next=%2Fuploads")
    assert no_session(client) and not entries(platform, "session.opened")
    assert 'value="/uploads"' in client.get(answer.headers["location"]).text
    assert client.post("/login/code", data={"code": "000000"}).status_code == 401
    clock.advance(seconds=30)
    done = client.post("/login/code", data={"code": code_at(secret, clock.now), "next": "/uploads"})
    assert (done.status_code, done.headers["location"]) == (303, "/uploads")
    [opened] = entries(platform, "session.opened")
    assert opened["decision"] == {"factor": "totp", "after": "oidc"}


def test_whoever_has_to_enrol_has_to_enrol(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    bound(as_user, provider, "privacy")
    platform.settings.second_factor = "required"
    log_in(client, provider)
    assert client.get("/releases").headers["location"] == "/account/second-factor"
    assert client.get("/account").headers["location"] == "/account/second-factor"


@pytest.mark.parametrize(
    ("change", "why"), [("disabled_at", "account_disabled"), ("valid_until", "account_expired")]
)
def test_an_account_that_is_over_stays_over(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform, change: str, why: str
) -> None:
    bound(as_user, provider)
    with platform.records.transaction(
        audit=Act(ADMIN, "user.disabled", Object("user_account", "x"))
    ) as session:
        setattr(session.get_one(User, "user-hospital-a"), change, "2026-11-01")
    assert problem(log_in(client, provider)) == (403, "oidc.account_over") and no_session(client)
    [failed] = entries(platform, "login.failed")
    assert (failed["reason"], failed["object"]["id"], failed["actor"]["id"]) == (
        f"oidc_{why}",
        "user-hospital-a",
        "anonymous",
    )


def test_a_login_from_abroad_is_one_from_abroad(
    as_user: LogIn, client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    bound(as_user, provider)
    platform.settings.domestic_networks = "10.0.0.0/8"
    log_in(client, provider)
    assert [one["decision"] for one in entries(platform, "session.opened_abroad")] == [{"factor": "oidc"}]
    assert client.get("/uploads").status_code == 403


def test_nobody_is_made_or_matched_by_a_provider(
    client: TestClient, provider: idp.Provider, platform: Platform
) -> None:
    """Login, name and e-mail of an account, all said by the provider, open nothing; the page says what to do."""
    count = len(platform.records.all(select(User)))
    provider.who = "hospital-a"
    provider.claims = {"preferred_username": "hospital-a", "email": "hospital-a", "name": "张 hospital-a"}
    answer = log_in(client, provider)
    assert problem(answer) == (403, "oidc.not_bound") and no_session(client)
    assert "我的账号" in answer.text and 'name="next" value="/account"' in answer.text
    assert len(platform.records.all(select(User))) == count and not platform.records.all(select(OidcIdentity))
    [failed] = entries(platform, "login.failed")
    assert failed["reason"] == "oidc_not_bound" and failed["object"]["type"] == "login"


# -- binding -----------------------------------------------------------------------------------------------


def test_binding_takes_the_password_and_guessing_it_locks(as_user: LogIn, platform: Platform) -> None:
    client = as_user("hospital-a")
    tried = [problem(client.post("/account/identity", data={"password": "a guess"})) for _ in range(6)]
    assert tried == [(422, "oidc.password_wrong")] * 5 + [(429, "access.login_locked")]
    assert len(entries(platform, "login.failed")) == 5 and not platform.records.all(select(OidcAttempt))


def test_binding_and_unbinding_end_the_other_logins(
    as_user: LogIn, provider: idp.Provider, platform: Platform, client: TestClient
) -> None:
    here, elsewhere = as_user("hospital-a"), as_user("hospital-a")
    bind(here, provider)
    assert here.get("/account?done=bound").status_code == 200 and no_session(elsewhere)
    token, _ = open_session(platform, "hospital-a")
    assert problem(here.post("/account/identity/unbind", data={"password": "wrong"})) == (
        422,
        "oidc.password_wrong",
    )
    assert identities_of(platform, "user-hospital-a")
    gone = here.post("/account/identity/unbind", data={"password": PASSWORD})
    assert gone.headers["location"] == "/account?done=unbound" and here.get("/account").status_code == 200
    elsewhere.cookies.set("rwd_session", token)
    assert no_session(elsewhere) and not identities_of(platform, "user-hospital-a")
    assert [one["actor"]["id"] for one in entries(platform, "identity.unbound")] == ["user-hospital-a"]
    assert problem(log_in(client, provider)) == (403, "oidc.not_bound")
    nothing = here.post("/account/identity/unbind", data={"password": PASSWORD})
    assert problem(nothing) == (409, "oidc.nothing_bound")


def test_one_identity_belongs_to_one_account(
    as_user: LogIn, provider: idp.Provider, platform: Platform
) -> None:
    bound(as_user, provider)
    assert problem(bind(as_user("researcher"), provider)) == (409, "oidc.identity_taken")
    assert [one["reason"] for one in entries(platform, "login.failed")] == ["oidc_identity_taken"]
    again = as_user("hospital-a").post("/account/identity", data={"password": PASSWORD})
    assert problem(again) == (409, "oidc.already_bound")
    assert [one.user_id for one in platform.records.all(select(OidcIdentity))] == ["user-hospital-a"]


def test_a_person_who_comes_back_under_a_new_account_binds_it(
    as_user: LogIn, provider: idp.Provider, platform: Platform
) -> None:
    """A disabled account is never used again, so it holds no identity either."""
    bound(as_user, provider, "researcher")
    people.disable(platform, ADMIN, "user-researcher", WHY)
    bound(as_user, provider, "researcher-2")
    assert [one.user_id for one in platform.records.all(select(OidcIdentity))] == ["user-researcher-2"]


def test_the_administrator_unbinds_with_a_reason(
    as_user: LogIn, provider: idp.Provider, platform: Platform, client: TestClient
) -> None:
    bound(as_user, provider)
    log_in(client, provider)
    admin, path = as_user("security"), "/people/user-hospital-a"
    assert f"{path}/identity/unbind" in admin.get(path).text
    assert problem(admin.post(f"{path}/identity/unbind", data={"reason": ""})) == (
        422,
        "people.reason_missing",
    )
    assert admin.post(f"{path}/identity/unbind", data={"reason": WHY}).headers["location"] == path
    assert no_session(client) and not platform.records.all(select(OidcIdentity))
    [entry] = entries(platform, "identity.unbound")
    assert (entry["reason"], entry["object"]["id"]) == (WHY, "user-hospital-a")
    assert problem(admin.post(f"{path}/identity/unbind", data={"reason": WHY})) == (409, "oidc.nothing_bound")


def test_a_new_password_from_the_administrator_unbinds(
    as_user: LogIn, provider: idp.Provider, platform: Platform
) -> None:
    """What was bound by means of a password that somebody else may have known is bound anew."""
    bound(as_user, provider)
    people.give_password(platform, ADMIN, "user-hospital-a", WHY)
    assert not platform.records.all(select(OidcIdentity))


def test_the_log_page_says_in_words_what_happened(as_user: LogIn, provider: idp.Provider) -> None:
    bound(as_user, provider)
    assert "绑定了自己的统一身份" in as_user("auditor").get("/log").text


# -- settings and leftovers --------------------------------------------------------------------------------

WHOLE = {
    "RWD_OIDC_ISSUER": "https://idp.example/realms/x", "RWD_OIDC_CLIENT_ID": "rwd", "RWD_OIDC_NAME": "统一身份",
    "RWD_PUBLIC_URL": "https://rwd.example",
}  # fmt: skip


def wrong(monkeypatch: pytest.MonkeyPatch, **changed: str) -> str:
    for name, value in {**WHOLE, **changed}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PlatformError) as caught:
        load_settings()
    assert caught.value.code == "settings.wrong"
    return str(caught.value.details["names"])


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_provider_is_set_up_as_a_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert wrong(monkeypatch, **{name: ""}) == name
    for one, value in WHOLE.items():
        monkeypatch.setenv(one, value)
    assert load_settings().oidc_issuer == WHOLE["RWD_OIDC_ISSUER"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("RWD_OIDC_ISSUER", "http://idp.example"), ("RWD_OIDC_ISSUER", "http://127.0.0.1/x"),
     ("RWD_OIDC_ISSUER", "https://idp.example/?a=b"), ("RWD_OIDC_ISSUER", "https://u:p@idp.example"),
     ("RWD_OIDC_CLIENT_ID", "a b"), ("RWD_OIDC_CLIENT_ID", "客户端"), ("RWD_OIDC_NAME", "a\nb"),
     ("RWD_OIDC_NAME", "x" * 41), ("RWD_PUBLIC_URL", "http://rwd.example")],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert wrong(monkeypatch, **{name: value}) == name


def test_a_secret_without_a_provider_is_a_mistake() -> None:
    with pytest.raises(PlatformError, match=r"settings\.wrong"):
        Settings(oidc_client_secret_file=Path("client.secret"))


def test_attempts_that_nobody_finished_go_away(
    client: TestClient, platform: Platform, clock: StandingClock, provider: idp.Provider
) -> None:
    """With the next ones that begin, and with the sessions that are over."""
    for _ in range(3):
        begin(client)
    clock.advance(minutes=11)
    begin(client)
    assert len(platform.records.all(select(OidcAttempt))) == 1
    clock.advance(minutes=11)
    remove_expired(platform.records)
    assert not platform.records.all(select(OidcAttempt)) and not platform.records.all(select(WebSession))
