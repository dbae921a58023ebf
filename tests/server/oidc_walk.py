"""A deployment beside the tests' identity provider, and the steps of a browser between the two."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.server import idp
from tests.server.conftest import PASSWORD, LogIn, settle_people

NAME = "演示医院统一身份认证"


@pytest.fixture
def provider(clock: StandingClock) -> Iterator[idp.Provider]:
    with idp.running(clock) as running:
        yield running


@pytest.fixture
def platform(
    sqlite_template: Path, tmp_path: Path, clock: StandingClock, provider: idp.Provider
) -> Iterator[Platform]:
    home, secret = tmp_path / "home", tmp_path / "client.secret"
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")  # already migrated
    secret.touch(0o600)
    secret.write_text(idp.SECRET + "\n")
    settings = Settings(
        home=home, demo=True, public_url="https://rwd.example/", oidc_issuer=provider.issuer,
        oidc_client_id=idp.CLIENT, oidc_client_secret_file=secret, oidc_name=NAME,
    )  # fmt: skip
    opened = open_platform(settings, clock)
    settle_people(opened)
    yield opened
    opened.records.engine.dispose()


def address_of(page: httpx.Response) -> str:
    """Where a page of ours sends the browser, as the browser reads it."""
    assert page.status_code == 200, page.text
    [found] = re.findall(r'<meta http-equiv="refresh" content="0;url=([^"]+)">', page.text)
    return html.unescape(found)


def begin(client: TestClient, next: str = "/uploads") -> str:
    return address_of(client.post("/login/provider", data={"next": next}))


def log_in(client: TestClient, provider: idp.Provider, next: str = "/uploads") -> httpx.Response:
    return client.get(provider.visit(begin(client, next)))


def bind(client: TestClient, provider: idp.Provider, who: str = "0-staff-1001") -> httpx.Response:
    """Of somebody who is logged in."""
    provider.who = who
    return client.get(
        provider.visit(address_of(client.post("/account/identity", data={"password": PASSWORD})))
    )


def bound(
    as_user: LogIn, provider: idp.Provider, login: str = "hospital-a", who: str = "0-staff-1001"
) -> None:
    answer = bind(as_user(login), provider, who)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=bound"), answer.text


def entries(platform: Platform, *actions: str) -> list[dict[str, Any]]:
    rows = platform.records.log_entries(limit=1000)
    return [json.loads(row.body) for row in rows if not actions or row.action in actions]


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of the problem that a page shows."""
    [code] = re.findall(r"<code>([a-z_.]+)</code>", answer.text)
    return answer.status_code, code


def no_session(client: TestClient) -> bool:
    return client.get("/").headers.get("location", "").startswith("/login")


def query(path: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(path).query).items()}


def back(**said: str) -> str:
    return f"/login/provider/back?{urlencode(said)}"


def platform_forgets(client: TestClient) -> None:
    """What the provider said ten minutes ago."""
    known: Any = client.app.state.platform.provider  # type: ignore[attr-defined]
    known._metadata = known._keys = None
