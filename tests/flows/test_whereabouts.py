"""Where somebody is: by their organisation's seat, and by the address that the connection comes from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rwd_platform.access.permissions import FROM_ABROAD, Action, check_may, scope_of
from rwd_platform.access.roles import Role
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.provide import cancel_provisions
from rwd_platform.flows.whereabouts import abroad, has_left_abroad, is_domestic
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation
from rwd_platform.settings import Settings, load_settings
from tests.conftest import StandingClock
from tests.flows.papers import party
from tests.flows.providing import RESEARCHER, decided, keys, part, put, put_everything
from tests.server.provision_seed import posted

NETWORKS = "10.0.0.0/8, 2001:db8:1::/48"
INSIDE = ["10.1.2.3", "2001:db8:1::7", "::ffff:10.1.2.3", "2001:db8:1::7%eth0"]
OUTSIDE = [
    "203.0.113.9",
    "2001:db8:2::7",
    "::ffff:203.0.113.9",
    "11.0.0.1",
    "",
    "testclient",
    "10.1.2",
    "10.1.2.3.4",
]
OPEN = {Action.PACKAGE_READ, Action.PACKAGE_DOWNLOAD}


@pytest.fixture
def platform(tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    settings = Settings(home=tmp_path / "home", demo=True, domestic_networks=NETWORKS)
    opened = open_platform(settings, clock)
    yield opened
    opened.records.engine.dispose()


def put_organisation(platform: Platform, kind: str) -> str:
    put(platform, Organisation(id=f"org-{kind}", kind=kind, name_zh="机构", name_en="Organisation"))
    return f"org-{kind}"


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_of_a_domestic_network_is_at_home(platform: Platform, address: str) -> None:
    assert abroad(platform, put_organisation(platform, "hospital"), address) == ""


@pytest.mark.parametrize("address", OUTSIDE)
def test_any_other_address_is_abroad_and_so_is_what_is_none(platform: Platform, address: str) -> None:
    assert abroad(platform, put_organisation(platform, "hospital"), address) == "address"


def test_a_terminal_of_the_machine_itself_is_at_home(platform: Platform) -> None:
    assert abroad(platform, put_organisation(platform, "hospital"), None) == ""


@pytest.mark.parametrize("address", [*INSIDE, *OUTSIDE])
def test_without_networks_addresses_say_nothing(tmp_path: Path, clock: StandingClock, address: str) -> None:
    opened = open_platform(Settings(home=tmp_path / "home", demo=True), clock)
    assert is_domestic(opened, address)
    opened.records.engine.dispose()


@pytest.mark.parametrize("country", ["US", "HK", "MO", "TW", "JP"])
@pytest.mark.parametrize("kind", ["hospital", "sponsor", "operator"])
def test_an_organisation_with_its_seat_abroad_is_abroad_from_wherever_it_comes(
    platform: Platform, kind: str, country: str
) -> None:
    organisation = put_organisation(platform, kind)
    put(platform, party(organisation, country=country))
    assert {abroad(platform, organisation, one) for one in ("10.1.2.3", None, "203.0.113.9")} == {
        "organisation"
    }


@pytest.mark.parametrize("kind", ["sponsor", "institute"])
def test_whoever_may_be_foreign_is_abroad_until_somebody_recorded_where_it_is(
    platform: Platform, kind: str
) -> None:
    organisation = put_organisation(platform, kind)
    assert abroad(platform, organisation, "10.1.2.3") == "unknown"
    put(platform, party(organisation, country="CN"))
    assert abroad(platform, organisation, "10.1.2.3") == ""
    assert abroad(platform, organisation, "203.0.113.9") == "address"


@pytest.mark.parametrize("kind", ["hospital", "operator", "authority", "insurer", "cyberspace", "ethics"])
def test_kinds_that_exist_only_in_the_country_need_no_record(platform: Platform, kind: str) -> None:
    assert abroad(platform, put_organisation(platform, kind), "10.1.2.3") == ""


def test_an_organisation_that_is_not_there_is_not_known_to_be_at_home(platform: Platform) -> None:
    assert abroad(platform, "org-none", "10.1.2.3") == "unknown"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("why", ["organisation", "unknown", "address"])
def test_from_abroad_nobody_may_do_more_than_the_policy_opens(role: Role, why: str) -> None:
    """And never more than at home: being abroad adds nothing."""
    for action in Action:
        here, there = (
            scope_of(Actor("x", role, "org"), action),
            scope_of(Actor("x", role, "org", why), action),
        )
        assert there == (here if action in OPEN else None), action


def test_the_refusal_says_that_it_is_for_being_abroad_only_where_that_is_the_reason() -> None:
    with pytest.raises(PlatformError) as closed:
        check_may(Actor("x", "hospital", "org", "address"), "upload.create")
    with pytest.raises(PlatformError) as never:
        check_may(Actor("x", "hospital", "org", "address"), "study.freeze")
    assert (closed.value.problem, never.value.code) == (FROM_ABROAD, "access.not_allowed")


@pytest.mark.parametrize(
    "written", ["10.0.0.1/8", "everywhere", "10.0.0.0/33", "10.0.0.0/8;11.0.0.0/8", "10.0.0.0/8 11.0.0.0/8"]
)
def test_networks_that_are_none_stop_the_deployment(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """Rather than leave a door open, or shut everybody out, over a slip."""
    monkeypatch.setenv("RWD_DOMESTIC_NETWORKS", written)
    with pytest.raises(PlatformError) as wrong:
        load_settings()
    assert wrong.value.code == "settings.wrong" and "RWD_DOMESTIC_NETWORKS" in wrong.value.en
    assert written not in wrong.value.en


@pytest.mark.parametrize("written", ["", " ", ",", "10.0.0.0/8,", " 10.0.0.0/8 , ::1/128 "])
def test_an_empty_list_is_no_list(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("RWD_DOMESTIC_NETWORKS", written)
    assert len(load_settings().networks) == len([one for one in written.split(",") if one.strip()])


# -- what has left abroad ------------------------------------------------------------------------------------------


def test_a_release_has_left_abroad_once_it_is_posted_to_a_recipient_there(platform: Platform) -> None:
    put_everything(platform)
    leaving = part(platform, 1, keys(1, 10))
    decided(leaving)
    assert not has_left_abroad(platform, "release-1")  # reserved is not provided
    posted(leaving)
    assert has_left_abroad(platform, "release-1")


def test_a_release_within_the_country_has_not(platform: Platform) -> None:
    put_everything(platform)
    put(platform, party("circle-home"))
    posted(part(platform, 1, keys(1, 10), recipient="circle-home"))
    assert not has_left_abroad(platform, "release-1")


def test_a_release_that_nobody_decided_about_has_not(platform: Platform) -> None:
    assert not has_left_abroad(platform, "release-none")


@pytest.mark.parametrize(
    ("recipient", "change"),
    [
        ("circle-home", "UPDATE person_posting SET crosses_border = 1"),
        ("circle-home", "UPDATE provision SET facts = replace(facts, 'false', 'true')"),
        ("circle-abroad", "UPDATE provision SET state = 'reserved'"),
        ("circle-abroad", "UPDATE person_posting SET posted_at = ''"),
        ("circle-abroad", "DELETE FROM person_posting"),
    ],
)
def test_what_posting_provision_and_facts_do_not_all_say_has_not_left(
    platform: Platform, recipient: str, change: str
) -> None:
    """Edited behind the log, in one place."""
    put_everything(platform)
    put(platform, party("circle-home"))
    posted(part(platform, 1, keys(1, 5), recipient=recipient))
    assert has_left_abroad(platform, "release-1") is (recipient == "circle-abroad")
    with sqlite3.connect(str(platform.records.engine.url.database)) as connection:
        assert connection.execute(change).rowcount == 1
    connection.close()
    assert not has_left_abroad(platform, "release-1")


def test_a_release_whose_provisions_were_cancelled_has_not(platform: Platform) -> None:
    put_everything(platform)
    decided(part(platform, 1, keys(1, 10)))
    act = Act(RESEARCHER, "seed.written", Object("release", "release-1"))
    with platform.records.transaction(audit=act) as session:
        cancel_provisions(session, platform, "release-1", "returned")
    assert not has_left_abroad(platform, "release-1")
