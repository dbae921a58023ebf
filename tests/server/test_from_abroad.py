"""Whoever is abroad reaches what a release let go there, and nothing else: every door, the gate, links, the log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.access.permissions import scope_of
from rwd_platform.access.policy import access_policy
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.verify import verify_log
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.release_links import download_by_link, make_link
from rwd_platform.flows.remote_access import remote_access
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, EvidencePackage
from rwd_platform.server.app import create_app
from rwd_platform.server.deps import AnyRole, Door
from rwd_platform.settings import Settings
from tests.audit.tampering import by_file, copied
from tests.conftest import StandingClock
from tests.flows.papers import party
from tests.flows.providing import keys, part, put, put_everything
from tests.house.test_routes_by_role import doors_of, routes
from tests.server import seed
from tests.server.conftest import PASSWORD, PEOPLE, open_session, settle_people
from tests.server.provision_seed import posted

HOME, ABROAD = "10.1.2.3", "203.0.113.9"
CLOSED_DOORS = [
    (name, doors_of(route)[0])
    for name, route in routes()
    if isinstance(doors_of(route)[0], Door) and not isinstance(doors_of(route)[0], AnyRole)
]
From = Callable[..., TestClient]


@pytest.fixture
def platform(tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    settings = Settings(home=tmp_path / "home", demo=True, domestic_networks="10.0.0.0/8")
    opened = open_platform(settings, clock)
    settle_people(opened)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def come_from(platform: Platform) -> Iterator[From]:
    """A client of a person whose connection comes from an address."""
    made: list[TestClient] = []

    def visit(login: str, address: str) -> TestClient:
        client = TestClient(create_app(platform), follow_redirects=False, client=(address, 40000))
        made.append(client)
        token, csrf_token = open_session(platform, login)
        client.cookies.set("rwd_session", token)
        client.headers["X-CSRF-Token"] = csrf_token
        return client

    yield visit
    for client in made:
        client.close()


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return [json.loads(one.body) for one in found]


# -- doors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", sorted({role: login for login, (role, _) in PEOPLE.items()}.values()))
def test_every_door_but_those_the_policy_opens_is_closed_from_abroad(
    platform: Platform, come_from: From, login: str
) -> None:
    """Every route of the app, as somebody of each role: what they could open at home answers 403, and says why."""
    client, closed = come_from(login, ABROAD), 0
    for name, door in CLOSED_DOORS:
        actor = Actor(f"user-{login}", *PEOPLE[login])
        if door.action in access_policy().open_from_abroad or scope_of(actor, door.action) is None:
            continue
        method, path = re.sub(r"\{[^}]*\}", "1", name).split(" ", 1)
        answer = client.request(method, path, headers={"accept": "application/json"})
        assert (name, answer.status_code) == (name, 403)
        if path.startswith("/api/"):
            assert answer.json()["code"] == "access.from_abroad", name
        closed += 1
    refused = entries(platform, "access.refused_abroad")
    assert closed > 3 and len(refused) == closed
    assert {one["abroad"] for one in refused} == {"address"}


@pytest.mark.parametrize("login", ["hospital-a", "researcher", "regulator", "privacy", "operator", "auditor"])
def test_the_home_of_somebody_abroad_shows_no_data_and_is_no_error(
    platform: Platform, come_from: From, login: str
) -> None:
    seed.seed_everything(platform)
    home = come_from(login, HOME).get("/")
    away = come_from(login, ABROAD).get("/")
    assert (home.status_code, away.status_code) == (200, 200)
    assert seed.STUDY not in away.text and "境外" in away.text and "境外访问平台" not in home.text


def test_ones_own_account_stays_open(come_from: From) -> None:
    """A lost password is changed from wherever somebody is."""
    assert come_from("researcher", ABROAD).get("/account").status_code == 200


def test_an_organisation_abroad_is_abroad_at_home_too(platform: Platform, come_from: From) -> None:
    put(platform, party("org-operator", country="HK"))
    answer = come_from("researcher", HOME).get("/api/v1/studies")
    assert (answer.status_code, answer.json()["code"]) == (403, "access.from_abroad")
    (entry,) = entries(platform, "access.refused_abroad")
    assert (entry["abroad"], entry["purpose"]) == ("organisation", "study.read")


# -- logging in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "action"), [(HOME, "session.opened"), (ABROAD, "session.opened_abroad")])
@pytest.mark.parametrize("door", ["/login", "/api/v1/session"])
def test_a_login_from_abroad_is_an_entry_of_its_own_kind(
    platform: Platform, address: str, action: str, door: str
) -> None:
    form = {"login": "researcher", "password": PASSWORD}
    with TestClient(create_app(platform), follow_redirects=False, client=(address, 40000)) as client:
        answer = client.post(door, json=form) if door.startswith("/api") else client.post(door, data=form)
    assert answer.status_code in (201, 303)
    (entry,) = entries(platform, action)
    assert entry.get("abroad", "") == ("" if address == HOME else "address")


def test_a_session_that_travels_is_closed_where_it_arrives(platform: Platform, come_from: From) -> None:
    """The cookie was made at home: what counts is where it is used."""
    at_home = come_from("researcher", HOME)
    assert at_home.get("/api/v1/studies").status_code == 200
    with TestClient(
        create_app(platform), client=(ABROAD, 40000), cookies=dict(at_home.cookies)
    ) as travelling:
        assert travelling.get("/api/v1/studies").status_code == 403
    assert at_home.get("/api/v1/studies").status_code == 200


def test_a_header_that_a_client_makes_up_moves_nobody(come_from: From) -> None:
    """Where somebody is, the connection says, or the proxy that the deployment trusts; never the request itself."""
    client = come_from("researcher", ABROAD)
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip"):
        assert client.get("/api/v1/studies", headers={name: HOME}).status_code == 403


# -- what was released ------------------------------------------------------------------------------------------------


def put_release(platform: Platform, circle: str, country: str) -> str:
    """The seeded package, released to a circle: posted as the rules decide. The package's id."""
    seed.seed_study(platform, state="analysed")
    seed.seed_package(platform)
    put_everything(platform)
    put(platform, party(circle, country=country))
    leaving = part(platform, 1, keys(1, 10), recipient=circle)
    package = platform.records.get(EvidencePackage, seed.PACKAGE)
    asked = leaving.asked
    asked.package_id, asked.content_sha256, asked.state = package.id, package.sha256, "released"
    asked.recipient_kind = "competent_authority"
    put(platform, asked)
    posted(leaving)
    return package.id


@pytest.mark.parametrize(
    ("country", "address", "status"),
    [("CN", HOME, 200), ("CN", ABROAD, 403), ("US", HOME, 200), ("US", ABROAD, 200)],
)
def test_a_package_is_had_abroad_only_where_its_release_was_decided_as_one_abroad(
    platform: Platform, come_from: From, country: str, address: str, status: int
) -> None:
    package = put_release(platform, "org-authority", country)
    answer = come_from("regulator", address).get(f"/api/v1/packages/{package}/file")
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "release.within_the_country"
        (entry,) = entries(platform, "access.refused_abroad")
        assert entry["reason"] == "release.within_the_country"
    else:
        (entry,) = entries(platform, "package.downloaded")
        away = "organisation" if country == "US" else ""
        assert entry.get("abroad", "") == away


def test_the_studys_own_team_has_nothing_without_a_release_from_abroad(
    platform: Platform, come_from: From
) -> None:
    """At home they take it from the enclave; an enclave has no door abroad."""
    seed.seed_everything(platform)
    address = f"/api/v1/packages/{seed.PACKAGE}/file"
    assert come_from("researcher", HOME).get(address).status_code == 200
    answer = come_from("researcher", ABROAD).get(address)
    assert (answer.status_code, answer.json()["code"]) == (403, "release.needed")


def test_a_package_that_was_not_released_there_is_not_even_listed_abroad(
    platform: Platform, come_from: From
) -> None:
    """Its study, size and files are nobody's business there; it looks like one that does not exist."""
    package = put_release(platform, "org-authority", "CN")
    for login in ("regulator", "researcher"):
        away = come_from(login, ABROAD)
        assert come_from(login, HOME).get("/api/v1/packages").json() != []
        assert away.get("/api/v1/packages").json() == [] and package not in away.get("/packages").text
        for prefix in ("/packages/", "/api/v1/packages/"):
            hidden, absent = away.get(prefix + package), away.get(prefix + "EP-none-1")
            assert (hidden.status_code, absent.status_code) == (404, 404)
            assert hidden.text.replace(package, "") == absent.text.replace("EP-none-1", "")


def test_the_page_of_a_package_shows_its_numbers_only_where_they_may_be(
    platform: Platform, come_from: From
) -> None:
    """A number on a page has left as much as one in a file has."""
    package = put_release(platform, "org-authority", "US")
    for login, shown in (("regulator", True), ("researcher", False)):
        answers = [
            come_from(login, ABROAD).get(path)
            for path in (f"/packages/{package}", f"/api/v1/packages/{package}/numbers")
        ]
        assert [one.status_code == 200 for one in answers] == [shown, shown]
        assert ["2,990" in one.text for one in answers] == [shown, shown]


def test_a_link_made_for_somebody_in_the_country_downloads_nothing_abroad(platform: Platform) -> None:
    put_release(platform, "org-authority", "CN")
    made = make_link(
        platform, Actor("user-researcher", "researcher", "org-operator"), "release-1", "处长", 7, 3
    )
    with TestClient(create_app(platform), client=(ABROAD, 1)) as other:
        looked = other.get(f"/r/{made.token}")
    assert (
        looked.status_code == 403
        and platform.records.get(EvidencePackage, seed.PACKAGE).sha256 not in looked.text
    )
    with pytest.raises(PlatformError) as refused:
        download_by_link(platform, made.token, ABROAD)
    assert refused.value.code == "release.within_the_country"
    (entry,) = entries(platform, "release.link_refused")
    assert (entry["abroad"], entry["reason"]) == ("address", "release.within_the_country")
    assert download_by_link(platform, made.token, HOME)[1].id == seed.PACKAGE


# -- what is seen of it ------------------------------------------------------------------------------------------------


def test_the_year_from_abroad_is_counted_out_of_the_log(platform: Platform, come_from: From) -> None:
    package = put_release(platform, "org-authority", "US")
    client = come_from("regulator", ABROAD)
    client.get(f"/api/v1/packages/{package}/file")
    client.get("/api/v1/studies")
    with TestClient(create_app(platform), client=(ABROAD, 1)) as other:
        other.post("/api/v1/session", json={"login": "researcher", "password": PASSWORD})
    officer = Actor("user-privacy", "privacy", "org-operator")
    found = remote_access(platform, officer, 2026)
    assert (found.logins, found.refused, found.downloads) == (1, 1, 1)
    before = remote_access(platform, officer, 2025)
    assert (before.logins, before.refused, before.downloads) == (0, 0, 0)
    own = remote_access(platform, Actor("user-hospital-a", "hospital", "hospital-a"), 2026)
    assert (own.logins, own.refused, own.downloads) == (0, 0, 0)
    shown = come_from("privacy", HOME).get("/provisions").text
    assert "境外访问" in shown and "access.from_abroad" not in shown


def test_the_log_with_acts_from_abroad_verifies(platform: Platform, come_from: From, tmp_path: Path) -> None:
    come_from("regulator", ABROAD).get("/api/v1/studies")
    make_checkpoint(platform.records, platform.log_signer, "release")
    assert verify_log(platform.records, public_key=platform.log_signer.public_key).ok
    path = copied(platform.records, tmp_path)
    found, _ = by_file(path, platform.log_signer.public_key, origin=platform.settings.log_origin)
    assert found == []
