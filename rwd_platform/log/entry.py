"""One line of the log: who did what, to what, why, and what it was before and after.

The schema is fixed: fields are added, never renamed or removed, and `v` says which set applies.
An entry is canonical JSON (RFC 8785); its numbers are integers, its instants text, so that every
language computes the same bytes. Personal detail is kept apart: the entry holds only
`detail_digest` = SHA-256(salt || canonical detail), so that erasing the detail leaves the tree whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text

FORMAT_VERSION = 1
GENESIS_NOTE = ""

_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


@dataclass(frozen=True)
class Actor:
    """A person or a program. `role` is the role in which it acted."""

    id: str
    role: str
    organisation: str


@dataclass(frozen=True)
class Object:
    """What was acted on. `version` is a content hash or a version name, where the thing has one."""

    type: str
    id: str
    version: str = ""


@dataclass(frozen=True)
class Act:
    """What somebody does: the part of an entry that the doer knows.

    action  -- `noun.verb_in_past`, e.g. `upload.received` (the list: rwd_platform.records.actions)
    outcome -- `done`, `refused` or `failed`
    detail  -- personal detail, stored encrypted beside the entry and never inside it
    """

    actor: Actor
    action: str
    object: Object
    reason: str = ""
    purpose: str = ""
    outcome: str = "done"
    request_id: str = ""
    decision: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action):
            raise ValueError(f"an action is noun.verb, not {self.action!r}")


@dataclass(frozen=True)
class Entry:
    """An act with its place in the log."""

    sequence: int
    body: bytes = field(repr=False)

    @property
    def leaf_hash(self) -> bytes:
        """RFC 9162 2.1.1: SHA-256(0x00 || entry)."""
        return hashlib.sha256(b"\x00" + self.body).digest()


def detail_digest(salt: bytes, detail: Mapping[str, Any]) -> str:
    return hashlib.sha256(salt + canonical_json(dict(detail))).hexdigest()


def make_entry(
    act: Act,
    *,
    log: str,
    sequence: int,
    at: datetime,
    old_hash: str,
    new_hash: str,
    detail_hash: str,
) -> Entry:
    """The entry of an act. `sequence` counts from 0 and is the leaf's index in the tree."""
    fields: dict[str, Any] = {
        "v": FORMAT_VERSION,
        "log": log,
        "seq": sequence,
        "ts": as_text(at),
        "tenant": act.actor.organisation,
        "actor": {"id": act.actor.id, "role": act.actor.role, "org": act.actor.organisation},
        "action": act.action,
        "object": {"type": act.object.type, "id": act.object.id, "version": act.object.version},
        "old_hash": old_hash,
        "new_hash": new_hash,
        "reason": act.reason,
        "purpose": act.purpose,
        "outcome": act.outcome,
        "request_id": act.request_id,
        "detail_digest": detail_hash,
    }
    if act.decision is not None:
        fields["decision"] = dict(act.decision)
    return Entry(sequence, canonical_json(fields))
