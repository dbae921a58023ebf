"""What the log says for ever, and what is sealed beside it."""

from __future__ import annotations

import json
from typing import Any

from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.journal import open_detail
from rwd_platform.records.tables import AuditDetail, AuditEntry


def whole_log(platform: Platform) -> str:
    """Every hashed entry, one a line."""
    return "\n".join(row.body.decode() for row in platform.records.all(select(AuditEntry)))


def newest_detail(platform: Platform, action: str) -> dict[str, Any]:
    """What is sealed beside the newest entry of this action; nothing where nothing is."""
    rows = [row for row in platform.records.all(select(AuditEntry)) if row.action == action]
    newest = max(rows, key=lambda row: row.sequence)
    sealed = platform.records.find(AuditDetail, newest.sequence)
    if sealed is None:
        return {}
    plain, digest = open_detail(platform.records.book, newest.sequence, sealed.salt, sealed.sealed)
    assert json.loads(newest.body)["detail_digest"] == digest
    found: dict[str, Any] = json.loads(plain)
    return found
