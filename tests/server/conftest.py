"""A deployment in a temporary folder, people of every role, and rows as the flows leave them."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rwd_platform.access.passwords import hash_password
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation, User, WebSession
from rwd_platform.server.app import create_app
from tests.conftest import StandingClock
from tests.flows.homes import copied, opened
from tests.server import seed
from tests.studies.rotterdam_lock import rotterdam_protocol

PASSWORD = "a password for tests"
SETTER = Actor("setter", "operator", "org-operator")
ORGANISATIONS = (
    Organisation(id="org-operator", kind="operator", name_zh="演示研究院", name_en="Demo Institute"),
    Organisation(id="hospital-a", kind="hospital", name_zh="演示医院甲", name_en="Demo Hospital A"),
    Organisation(id="hospital-b", kind="hospital", name_zh="演示医院乙", name_en="Demo Hospital B"),
    Organisation(id="org-authority", kind="authority", name_zh="演示监管部门", name_en="Demo Authority"),
    Organisation(id="org-ethics", kind="ethics", name_zh="演示伦理委员会", name_en="Demo Ethics Committee"),
)
PEOPLE = {  # login -> role, organisation
    "hospital-a": ("hospital", "hospital-a"),
    "hospital-b": ("hospital", "hospital-b"),
    "researcher": ("researcher", "org-operator"),
    "researcher-2": ("researcher", "org-operator"),
    "regulator": ("regulator", "org-authority"),
    "privacy": ("privacy", "org-operator"),
    "privacy-2": ("privacy", "org-operator"),
    "operator": ("operator", "org-operator"),
    "security": ("security", "org-operator"),
    "security-2": ("security", "org-operator"),
    "auditor": ("auditor", "org-operator"),
    "ethics": ("ethics", "org-ethics"),
    "inspector": ("inspector", "org-authority"),
}
LogIn = Callable[..., TestClient]


@lru_cache(maxsize=1)
def password_hash() -> str:
    """Argon2 is slow on purpose: once is enough for all tests."""
    return hash_password(PASSWORD)


def settle_people(platform: Platform) -> None:
    for organisation in ORGANISATIONS:
        row = Organisation(**organisation.model_dump())
        platform.records.write(
            row, audit=Act(SETTER, "organisation.registered", Object("organisation", row.id))
        )
    for login, (role, organisation_id) in PEOPLE.items():
        user = User(
            id=f"user-{login}",
            organisation_id=organisation_id,
            login=login,
            role=role,
            name=f"张 {login}",
            password_hash=password_hash(),
            created_at=as_text(platform.clock()),
        )
        platform.records.write(user, audit=Act(SETTER, "user.registered", Object("user", user.id)))


def open_session(platform: Platform, login: str, user_id: str = "") -> tuple[str, str]:
    """A session as a login leaves it, without the slow password: (cookie, CSRF token)."""
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    now = platform.clock()
    platform.records.touch(
        WebSession(
            token_sha256=sha256_hex(token.encode()),
            user_id=user_id or f"user-{login}",
            organisation_id=PEOPLE[login][1],
            csrf_token=csrf_token,
            created_at=as_text(now),
            last_seen_at=as_text(now),
            expires_at=as_text(now + timedelta(hours=12)),
        )
    )
    return token, csrf_token


@pytest.fixture(scope="session")
def settled_home(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the people are on record: each test works on a copy."""
    home = tmp_path_factory.mktemp("settled") / "home"
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    with opened(home, StandingClock()) as platform:
        settle_people(platform)
    return home


@pytest.fixture
def platform(settled_home: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    with copied(settled_home, tmp_path / "home", clock) as platform:
        yield platform


@pytest.fixture
def analysed(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """With the seeded study. Its protocol is a text to look at: for what it amends a whole one stands in."""
    monkeypatch.setattr("rwd_platform.flows.dossier_inputs.frozen_protocol", lambda *_: rotterdam_protocol())
    seed.seed_study(platform)
    return platform


_applications: list[FastAPI] = []


def application_of(platform: Platform) -> FastAPI:
    """One for all tests, of the platform that came last: a first request builds every route, a quarter of a second."""
    if not _applications:
        _applications.append(create_app(platform))
    _applications[0].state.platform = platform
    return _applications[0]


@pytest.fixture
def client(platform: Platform) -> Iterator[TestClient]:
    """Nobody is logged in; redirects are shown, not followed."""
    with TestClient(application_of(platform), follow_redirects=False) as made:
        yield made


@pytest.fixture
def as_user(platform: Platform) -> Iterator[LogIn]:
    """A client of a person: `as_user("researcher")`. Changes carry the session's token unless told otherwise."""
    made: list[TestClient] = []

    def log_in(login: str, *, language: str = "zh") -> TestClient:
        client = TestClient(application_of(platform), follow_redirects=False)
        made.append(client)
        token, csrf_token = open_session(platform, login)
        client.cookies.set("rwd_session", token)
        client.cookies.set("rwd_language", language)
        client.headers["X-CSRF-Token"] = csrf_token
        return client

    yield log_in
    for client in made:
        client.close()
