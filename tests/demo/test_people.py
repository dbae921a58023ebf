"""The demo's people: accounts before passwords, and the same person in every run of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.access.passwords import verify_password
from rwd_platform.demo.journey import RESEARCHER
from rwd_platform.demo.people import PEOPLE, actor_of, give_new_passwords, register_people
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.settings import Settings


@pytest.fixture
def platform(tmp_path: Path):
    opened = open_platform(Settings(home=tmp_path / "home", demo=True))
    yield opened
    opened.records.engine.dispose()


def test_a_person_who_acts_in_the_demo_cannot_be_logged_in_as(platform: Platform):
    """The journey needs accounts to vote and to ask; nobody holds a password until pages are served."""
    staff = register_people(platform)
    assert list(staff) == [login for login, *_ in PEOPLE]
    for password in ("", "password", "a password for tests"):
        assert not any(verify_password(password, user.password_hash) for user in staff.values())
    assert actor_of(staff["researcher"]) == RESEARCHER, "who asks for the demo's release has an account"
    privacy = actor_of(staff["privacy"])
    assert (privacy.role, privacy.organisation) == ("privacy", "org-operator")


def test_serving_the_pages_gives_passwords_to_the_same_people(platform: Platform):
    """A request that waits for a vote stays that person's request when the pages come up, twice even."""
    before = {login: user.id for login, user in register_people(platform).items()}
    given = {login: password for login, _, password in give_new_passwords(platform)}
    after = register_people(platform)
    assert {login: user.id for login, user in after.items()} == before
    assert verify_password(given["privacy"], after["privacy"].password_hash)
    assert not verify_password(given["privacy"], after["privacy-2"].password_hash)
