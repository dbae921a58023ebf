"""Entries read for what they say of rows, and findings about rows that say otherwise."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlmodel import Session, SQLModel, col, select

from rwd_platform.audit.findings import Findings
from rwd_platform.records.tables import AuditEntry

Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True)
class LoggedAct:
    """What an entry says: `id` and `version` are of its object, `at` its instant."""

    sequence: int
    at: str
    action: str
    actor: str
    type: str
    id: str
    version: str
    purpose: str
    reason: str
    new_hash: str
    decision: Mapping[str, Any]


def logged_acts(session: Session, actions: Collection[str]) -> Iterator[LoggedAct]:
    """The entries of these actions in the order of the log. A body that is no entry is `verify_log`'s to find."""
    query = select(AuditEntry).where(col(AuditEntry.action).in_(actions)).order_by(col(AuditEntry.sequence))
    for row in session.exec(query.execution_options(yield_per=500)):
        try:
            yield _act(row.sequence, json.loads(row.body))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _act(sequence: int, body: Mapping[str, Any]) -> LoggedAct:
    thing = body["object"]
    return LoggedAct(
        sequence=sequence,
        at=str(body["ts"]),
        action=str(body["action"]),
        actor=str(body["actor"]["id"]),
        type=str(thing["type"]),
        id=str(thing["id"]),
        version=str(thing["version"]),
        purpose=str(body["purpose"]),
        reason=str(body["reason"]),
        new_hash=str(body["new_hash"]),
        decision=dict(body.get("decision", {})),
    )


@dataclass(frozen=True)
class Against:
    """One row, and the entry that it is held to. `name` is table and id, as findings say it."""

    findings: Findings
    name: str
    sequence: int

    def holds(self, field: str, held: object, said: object) -> None:
        if held != said or type(held) is not type(said):
            self.findings.add("record_changed", sequence=self.sequence, record=self.name, field=field)

    def is_missing(self) -> None:
        self.findings.add("record_missing", sequence=self.sequence, record=self.name)


def unlogged(findings: Findings, name: str, action: str) -> None:
    findings.add("record_unlogged", record=name, action=action)


def load(session: Session, table: type[Row], key: Any, against: Against) -> Row | None:
    """The row; None, with a finding, where it is gone or holds what its table cannot."""
    try:
        row = session.get(table, key)
    except (ValueError, TypeError):  # a JSON column that holds no JSON any more, or a truth that is none
        against.holds("JSON", "unreadable", "")
        return None
    if row is None:
        against.is_missing()
    return row


def keys_of(session: Session, *columns: Any) -> list[Any]:
    """The keys of all rows, without the rows."""
    return list(session.exec(select(*columns).order_by(*columns)).all())
