"""What the log says of an exporter's provisions in a year, and the signed head under which it says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.core.clock import SHANGHAI, as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditCheckpoint, AuditCheckpointSm3, AuditEntry

DECIDED = "transfer.decided"


@dataclass(frozen=True)
class ProvisionEntry:
    """An entry about a provision: its place in the log, what was done, and the decision that it carries."""

    sequence: int
    action: str
    provision_id: str
    decision: dict[str, Any]


def entries_about(platform: Platform, provision_ids: Collection[str], year: int) -> list[ProvisionEntry]:
    """The entries whose object is one of the provisions, of the year in Asia/Shanghai, in the order of the log."""
    since, until = (as_text(datetime(one, 1, 1, tzinfo=SHANGHAI)) for one in (year, year + 1))
    query = select(AuditEntry).where(
        col(AuditEntry.object_type) == "provision",
        col(AuditEntry.at) >= since,
        col(AuditEntry.at) < until,
    )
    wanted = set(provision_ids)
    return [
        ProvisionEntry(row.sequence, row.action, row.object_id, json.loads(row.body).get("decision") or {})
        for row in platform.records.all(query.order_by(col(AuditEntry.sequence)))
        if row.object_id in wanted
    ]


def refused_answers(entries: Sequence[ProvisionEntry]) -> list[dict[str, Any]]:
    """How often the rules answered HOLD or BLOCK, by what was missing, unknown, or the rule that forbade it."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        said = entry.decision
        if entry.action == DECIDED and said.get("verdict") in ("HOLD", "BLOCK"):
            reasons = (*said.get("missing", ()), *said.get("unknown", ())) or tuple(said.get("rules", ()))
            found.update((said["verdict"], reason) for reason in reasons)
    return [
        {"verdict": verdict, "reason": reason, "answers": count}
        for (verdict, reason), count in sorted(found.items())
    ]


def covering_checkpoint(platform: Platform, entries: Sequence[ProvisionEntry]) -> dict[str, Any]:
    """First and last of the entries, and the earliest signed head of the log that covers them.

    The earliest, so that the answer stays the same while the log grows. Where none covers them yet, one is signed.
    """
    if not entries:
        return {"entries": 0, "first": None, "last": None, "checkpoint": ""}
    last = entries[-1].sequence
    note = _first_over(platform, AuditCheckpoint, last) or _first_over(platform, AuditCheckpointSm3, last)
    if note is None:
        note = make_checkpoint(platform.records, platform.log_signer, "report").note
    return {"entries": len(entries), "first": entries[0].sequence, "last": last, "checkpoint": note}


def _first_over(
    platform: Platform, table: type[AuditCheckpoint] | type[AuditCheckpointSm3], last: int
) -> str | None:
    """The smallest signed head of one of the log's trees that has the entry in it."""
    query = select(table.note).where(col(table.size) > last).order_by(col(table.size)).limit(1)
    with platform.records.reading() as session:
        return session.exec(query).first()
