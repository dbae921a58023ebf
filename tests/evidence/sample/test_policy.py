"""The policy of the sample is data that a statistician reads and changes; what it may not say is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from studies.evidence.sample import policy as room
from studies.evidence.sample.policy import policy, read_policy

TEXT = (Path(room.__file__).parent / "sample.toml").read_text(encoding="utf-8")


def test_the_policy_in_force_is_the_file_beside_the_room_and_names_its_hash() -> None:
    assert policy() == read_policy(TEXT)
    assert policy().sha256 == sha256_hex(TEXT.encode())
    assert policy().total >= policy().least >= policy().events > 0


@pytest.mark.parametrize(
    ("old", "new", "entry"),
    [
        ("total = 100 ", "total = 0 ", "draw.total"),
        ("total = 100 ", 'total = "100" ', "draw.total"),
        ("total = 100 ", "total = true ", "draw.total"),
        ("least = 20 ", "least = 2.5 ", "draw.least"),
        ("events = 5 ", "events = -1 ", "draw.events"),
        ("days = 7 ", "dayz = 7 ", "within.days"),
        ("relative = 0.05 ", "relative = nan ", "within.relative"),
        ("relative = 0.05 ", "relative = 1.0 ", "within.relative"),
        ("relative = 0.05 ", "relative = true ", "within.relative"),
        ("most_bytes = 5000000 ", "most_bytes = 0 ", "sheet.most_bytes"),
        ('version = "1"', "version = 1", "version"),
        ("[draw]", "[draw", "TOML"),
    ],
)
def test_an_entry_that_is_no_such_number_is_named(old: str, new: str, entry: str) -> None:
    assert old in TEXT
    with pytest.raises(PlatformError) as refused:
        read_policy(TEXT.replace(old, new))
    assert refused.value.code == "verification.policy_refused"
    assert entry in refused.value.en
    assert entry in refused.value.zh


def test_an_empty_policy_is_refused() -> None:
    with pytest.raises(PlatformError, match=r"verification\.policy_refused"):
        read_policy("")


def test_no_verification_of_events_may_be_asked_for() -> None:
    """A study whose outcome has no event of its own to look for sets 0."""
    assert read_policy(TEXT.replace("events = 5 ", "events = 0 ")).events == 0
