"""A signed head right after each release, recall and decided provision: nobody waits for the next minute."""

# ruff: noqa: F811 - an argument of the name of a fixture is that fixture

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry
from tests.audit.test_against_releases import home, ids, platform  # noqa: F401 - fixtures


def heads(platform: Platform) -> dict[int, str]:
    return {one.size: one.why for one in platform.records.all(select(AuditCheckpoint))}


def ends_of(platform: Platform, action: str) -> list[int]:
    """How many entries the log has with each entry of the action, the entry included."""
    entries = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return sorted(one.sequence + 1 for one in entries)


@pytest.mark.parametrize(
    ("action", "why"),
    [("release.released", "release"), ("release.recalled", "release"), ("transfer.decided", "transfer")],
)
def test_what_leaves_and_what_is_asked_back_is_under_a_head_at_once(
    platform: Platform, action: str, why: str
) -> None:
    """Provisions of one question are decided one after the other, and one head covers them."""
    signed, ends = heads(platform), ends_of(platform, action)
    assert ends
    for end in ends:
        nearest = min(size for size in signed if size >= end)
        others = [one for one in ends if end < one <= nearest]
        assert nearest == end + len(others) and signed[nearest] == why, (action, end, nearest)
