"""Which version each key of a deployment has. Never a key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import col, select

from rwd_platform.access.permissions import check_may
from rwd_platform.access.refusals import record_refusal
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.key_versions import FIRST, PSEUDONYM
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.rotated_rows import old_keys
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import KeyVersion, Organisation


@dataclass(frozen=True)
class KeyState:
    purpose: str
    scope: str
    version: int
    suite: str
    changed_at: str  # "": never changed


@dataclass(frozen=True)
class KeyStatus:
    suite: str
    versions: tuple[KeyState, ...]
    unfinished: tuple[str, ...]  # hospitals whose rotation has steps left: rotating again does them

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def key_status(platform: Platform, actor: Actor) -> KeyStatus:
    """Every hospital's pseudonym key, and every key that was ever rotated."""
    try:
        check_may(actor, "key.rotate")
    except PlatformError as error:
        record_refusal(platform.records, actor, "key.rotate", "key", "status", error)
        raise
    platform.records.record(Act(actor, "key.status_read", Object("key", "status")))
    hospitals = platform.records.all(select(Organisation).where(Organisation.kind == "hospital"))
    rows = {
        (row.purpose, row.scope): row
        for row in platform.records.all(
            select(KeyVersion).order_by(col(KeyVersion.purpose), col(KeyVersion.scope))
        )
    }
    suite = platform.keys.suite
    states = {(PSEUDONYM, one.id): KeyState(PSEUDONYM, one.id, FIRST, suite, "") for one in hospitals}
    for place, row in rows.items():
        states[place] = KeyState(row.purpose, row.scope, row.version, row.suite, row.changed_at)
    unfinished = [
        one.id for one in hospitals if old_keys(platform, one.id, states[PSEUDONYM, one.id].version)
    ]
    return KeyStatus(suite, tuple(states[place] for place in sorted(states)), tuple(sorted(unfinished)))
