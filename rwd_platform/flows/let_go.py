"""Whether a release that says it left did: a row alone opens no door, the log has to say so too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import ReleaseState
from rwd_platform.records.tables import AuditEntry, OutputRelease

_LET_GO, _RECALLED = "release.released", "release.recalled"


def was_let_go(platform: Platform, asked: OutputRelease) -> bool:
    """Whether the row is released and the newest entry that released or recalled it released this content, in this
    package, to this recipient. The entry is looked up by the release's id; `rwd audit verify` is who proves it.
    """
    if asked.state != ReleaseState.RELEASED:
        return False
    with platform.records.reading() as session:
        return let_go_in(session, asked)


def let_go_in(session: Session, asked: OutputRelease) -> bool:
    """The same in a session that is open already."""
    if asked.state != ReleaseState.RELEASED:
        return False
    query = (
        select(AuditEntry.body)
        .where(col(AuditEntry.object_id) == asked.id, col(AuditEntry.action).in_([_LET_GO, _RECALLED]))
        .order_by(col(AuditEntry.sequence).desc())
        .limit(1)
    )
    body = session.exec(query).first()
    try:
        return body is not None and _says(json.loads(body), asked)
    except (ValueError, TypeError, KeyError, RecursionError):  # no entry any more
        return False


def _says(entry: Mapping[str, Any], asked: OutputRelease) -> bool:
    return (
        entry["action"] == _LET_GO
        and (entry["object"]["type"], entry["object"]["id"]) == ("release", asked.id)
        and entry["object"]["version"] == asked.content_sha256
        and entry["purpose"] == f"{asked.recipient_kind}, {asked.circle}"
        and entry["decision"]["package"] == asked.package_id
    )
