"""Appending to the log inside the transaction of the change it records: no entry, no act."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.log.entry import Act, Entry, detail_digest, make_entry
from rwd_platform.log.merkle import nodes_completed_by
from rwd_platform.records.database import hold_log_lock
from rwd_platform.records.tables import AuditDetail, AuditEntry, AuditNode
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import NONCE_BYTES

_SALT_BYTES = 32


def log_size(session: Session) -> int:
    last = session.exec(select(func.max(AuditEntry.sequence))).one()
    return 0 if last is None else last + 1


def append(
    session: Session,
    act: Act,
    *,
    log: str,
    at: datetime,
    keys: KeyRing,
    old_hash: str = "",
    new_hash: str = "",
) -> Entry:
    """Write the entry, its tree nodes and its sealed detail. The caller commits, or nothing happened."""
    hold_log_lock(session.connection())
    sequence = log_size(session)
    detail_hash = _seal_detail(session, sequence, act.detail, keys) if act.detail else ""
    entry = make_entry(
        act,
        log=log,
        sequence=sequence,
        at=at,
        old_hash=old_hash,
        new_hash=new_hash,
        detail_hash=detail_hash,
    )
    session.add(
        AuditEntry(
            sequence=sequence,
            body=entry.body,
            at=as_text(at),
            organisation_id=act.actor.organisation,
            actor_id=act.actor.id,
            action=act.action,
            object_type=act.object.type,
            object_id=act.object.id,
            outcome=act.outcome,
        )
    )

    def read(level: int, position: int) -> bytes:
        return session.get_one(AuditNode, (level, position)).hash

    for level, position, hashed in nodes_completed_by(sequence, entry.leaf_hash, read):
        session.add(AuditNode(level=level, position=position, hash=hashed))
    return entry


def _seal_detail(session: Session, sequence: int, detail: Mapping[str, Any], keys: KeyRing) -> str:
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(NONCE_BYTES)
    sealed = nonce + keys.ciphers.seal(
        keys.derive("audit-detail"), nonce, canonical_json(dict(detail)), str(sequence).encode()
    )
    session.add(AuditDetail(sequence=sequence, salt=salt, sealed=sealed))
    return detail_digest(salt, detail)
