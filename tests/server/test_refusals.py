"""What somebody asks for that is not theirs stands in the log, whichever page or address they tried."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.flows.platform import Platform
from tests.server import seed
from tests.server.conftest import LogIn


def refusals(platform: Platform) -> list[dict[str, Any]]:
    entries = platform.records.log_entries(limit=1000)
    return [json.loads(entry.body) for entry in entries if entry.action == "access.refused"]


@pytest.mark.parametrize(
    ("login", "path", "status", "thing"),
    [
        ("researcher", f"/studies/{seed.STUDY}", 404, ("study", seed.STUDY)),
        ("researcher", f"/api/v1/studies/{seed.STUDY}", 404, ("study", seed.STUDY)),
        ("researcher", "/studies/study-none", 404, ("study", "study-none")),
        ("hospital-a", f"/studies/{seed.STUDY}", 403, ("study", seed.STUDY)),
    ],
)
def test_a_refused_read_leaves_one_entry(
    platform: Platform, as_user: LogIn, login: str, path: str, status: int, thing: tuple[str, str]
) -> None:
    """Hidden, absent and not allowed: the person sees what they saw before, and the log says who asked for what."""
    seed.seed_study(platform, organisation="hospital-b", state="registered")
    assert as_user(login).get(path).status_code == status
    (entry,) = refusals(platform)
    assert (entry["object"]["type"], entry["object"]["id"]) == thing
    assert entry["actor"]["id"] == f"user-{login}" and entry["outcome"] == "refused"


def test_a_list_that_a_role_has_not_got_leaves_none(platform: Platform, as_user: LogIn) -> None:
    """Somebody who typed the address of a page they have no menu for asked for nobody's thing."""
    assert as_user("hospital-a").get("/studies").status_code == 403
    assert refusals(platform) == []


def test_a_visitor_who_is_not_logged_in_leaves_none(platform: Platform, client: Any) -> None:
    """Nobody is there to name."""
    seed.seed_study(platform, state="registered")
    assert client.get(f"/api/v1/studies/{seed.STUDY}").status_code == 401
    assert refusals(platform) == []
