"""Every route says who may use it, and the committed matrix says the same.

The matrix is tests/house/routes_by_role.csv: one line a route, one column a role. A new route
fails here until its line is written by hand; a permission that changes fails until the line does.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from rwd_platform.access.permissions import scope_of
from rwd_platform.access.roles import Role
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.server import app as application
from rwd_platform.server.deps import Door, Open
from rwd_platform.server.security import SAFE_METHODS
from tests.server.conftest import LogIn, as_user, platform, settled_home  # noqa: F401 - fixtures

MATRIX = Path(__file__).parent / "routes_by_role.csv"
ROLES = tuple(role.value for role in Role)
LOGINS = {
    "hospital": "hospital-a",
    "researcher": "researcher",
    "regulator": "regulator",
    "privacy": "privacy",
    "operator": "operator",
    "security": "security",
    "auditor": "auditor",
    "ethics": "ethics",
    "inspector": "inspector",
}


def routes() -> Iterator[tuple[str, APIRoute]]:
    for module in (*application.API, *application.PAGES):
        for route in module.router.routes:
            assert isinstance(route, APIRoute), route
            for method in sorted(route.methods - {"HEAD"}):
                yield f"{method} {route.path}", route


def doors_of(route: APIRoute) -> list[Open | Door]:
    return [one.call for one in route.dependant.dependencies if isinstance(one.call, Open | Door)]


def allowed(door: Open | Door, role: str) -> str:
    """open: without a login; any: every role; own | any_organisation: whose things; no."""
    if isinstance(door, Open):
        return "open"
    if not door.action:
        return "any"
    scope = scope_of(Actor("a", role, "o"), door.action)
    return scope.value if scope else "no"


def committed() -> dict[str, dict[str, str]]:
    with MATRIX.open(encoding="utf-8", newline="") as stream:
        return {row["route"]: row for row in csv.DictReader(stream)}


def present() -> dict[str, dict[str, str]]:
    found = {}
    for name, route in routes():
        doors = doors_of(route)
        assert len(doors) == 1, f"{name} must declare one permission, and declares {len(doors)}"
        action = getattr(doors[0], "action", "")
        found[name] = {"route": name, "action": action, **{role: allowed(doors[0], role) for role in ROLES}}
    return found


def test_every_route_declares_a_permission_and_the_matrix_agrees():
    """Nobody gets a door by forgetting one."""
    assert present() == committed()


def test_no_route_hides_beside_the_routers(platform: Platform):  # noqa: F811
    """What the application serves is its routers, the description of the API, and static files."""
    app: FastAPI = application.create_app(platform)
    beside = [route for route in app.routes if type(route).__name__ != "_IncludedRouter"]
    assert sorted(getattr(route, "path", "?") for route in beside) == ["/api/v1/openapi.json", "/static"]
    assert isinstance(beside[-1], Mount)


@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_a_closed_door_is_closed_when_somebody_knocks(as_user: LogIn, role: str, platform: Platform):  # noqa: F811
    """Not only in the table: each role asks each route, and is refused exactly where the matrix says no."""
    from fastapi.testclient import TestClient

    client = (
        TestClient(application.create_app(platform), follow_redirects=False)
        if role == "nobody"
        else as_user(LOGINS[role])
    )
    for name, row in committed().items():
        method, path = name.split(" ", 1)
        if path in ("/logout", "/api/v1/session") and role != "nobody":
            continue  # would end the session that asks
        place = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
        body = (
            {"content": b"{}", "headers": {"content-type": "application/json"}}
            if method not in SAFE_METHODS
            else {}
        )
        answer = client.request(method, place, params={"name": "x"} if method == "PUT" else None, **body)
        said = f"{role} {name}: {answer.status_code} {answer.text[:200]}"
        if role == "nobody":
            asks_to_log_in = answer.status_code == 401 or answer.headers.get("location", "").startswith(
                "/login"
            )
            may_come_in = all(row[one] == "open" for one in ROLES)
            assert may_come_in or asks_to_log_in, said
        elif row[role] == "no":
            assert answer.status_code == 403 and "access.not_allowed" in answer.text, said
        elif row[role] != "open":  # an open door may still refuse a wrong password
            assert answer.status_code not in (401, 403, 500), said
