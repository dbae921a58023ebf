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


@pytest.mark.parametrize(
    "typed",
    [
        "469023197207209988",
        "11010119900307001X",
        "110101900307001",
        "13912345678",
        "upload-13912345678",
        "张三",
        "x" * 81,
    ],
)
def test_what_may_be_a_persons_number_is_not_repeated_in_the_log(
    platform: Platform, as_user: LogIn, typed: str
) -> None:
    """An entry cannot be erased; that somebody asked for something that is not there is enough."""
    assert as_user("researcher").get(f"/studies/{typed}").status_code == 404
    (entry,) = refusals(platform)
    assert entry["object"]["id"] == "?"
    assert typed not in json.dumps(entry, ensure_ascii=False)


@pytest.mark.parametrize(
    "typed", ["upload-01a20719-1772-7e85-8443-139123456789", "EP-20261102-1", "1" * 64, "hospital-a"]
)
def test_ids_as_ours_are_kept_whole(platform: Platform, as_user: LogIn, typed: str) -> None:
    as_user("researcher").get(f"/studies/{typed}")
    (entry,) = refusals(platform)
    assert entry["object"]["id"] == typed
