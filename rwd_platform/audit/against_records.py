"""Do the records still say what the log says of them? A log that is whole proves nothing about rows
that were changed behind it.

Compared is what an entry pins down exactly - the hash of a protocol, of results, of a package, the content
of a data lock - and that no such row stands without its entry. A log without an entry, beside records, was
emptied: every record began with an act.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from rwd_platform.audit.findings import MOST, Findings
from rwd_platform.audit.sources import snapshot
from rwd_platform.audit.verify import LogVerification, verify_log
from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.records.lifecycles import StudyState
from rwd_platform.records.records import EXEMPT, Records
from rwd_platform.records.tables import (
    AnalysisRun,
    AuditCheckpoint,
    AuditDetail,
    AuditEntry,
    AuditNode,
    DataLockRecord,
    EvidencePackage,
    Study,
)

_WITHOUT_ACTS: tuple[type[SQLModel], ...] = (
    *EXEMPT,
    AuditEntry,
    AuditNode,
    AuditDetail,
    AuditCheckpoint,
)

Says = Callable[[Any], object]


@dataclass(frozen=True)
class Pinned:
    """What the newest entry of an action says about a row.

    says     -- field -> what the row holds there, to be compared with the entry's version
    by_id    -- compare with the object's id instead, for what is named by its content
    expected -- rows for which there must be an entry
    """

    table: type[SQLModel]
    says: Mapping[str, Says]
    by_id: bool = False
    expected: Callable[[Any], bool] = lambda row: True


def _hash_of_text(text: object) -> str:
    return sha256_hex(str(text).encode("utf-8", "surrogatepass"))


PINNED: Mapping[str, Pinned] = {
    "study.registered": Pinned(
        Study,
        {
            "protocol_sha256": lambda row: row.protocol_sha256,
            "protocol": lambda row: _hash_of_text(row.protocol),
        },
    ),
    "study.frozen": Pinned(
        Study,
        {
            "protocol_sha256": lambda row: row.protocol_sha256,
            "protocol": lambda row: _hash_of_text(row.protocol),
        },
        expected=lambda row: row.state != StudyState.REGISTERED,
    ),
    "study.locked": Pinned(
        DataLockRecord,
        {
            "manifest.id": lambda row: row.manifest["id"],
            "manifest.content": lambda row: f"L-{sha256_of(row.manifest['content'])}",
        },
        by_id=True,
    ),
    "study.analysed": Pinned(
        AnalysisRun,
        {"results_sha256": lambda row: row.results_sha256, "results": lambda row: sha256_of(row.results)},
    ),
    "package.assembled": Pinned(EvidencePackage, {"sha256": lambda row: row.sha256}),
}


@dataclass(frozen=True)
class _Last:
    """The newest entry of one action about one thing."""

    sequence: int
    id: str
    version: str


def verify_deployment(
    records: Records, *, public_key: bytes, checkpoint_note: str | None = None
) -> LogVerification:
    """The whole log, as `verify_log` does it, and the records against it."""
    log = verify_log(records, public_key=public_key, checkpoint_note=checkpoint_note)
    findings = compare(records, log.size)
    found = (*log.findings, *findings.kept)[:MOST]
    return replace(log, ok=log.ok and not findings.count, findings=found)


def compare(records: Records, log_size: int) -> Findings:
    """In one snapshot of entries and rows: an act that happens meanwhile is in both or in neither."""
    findings = Findings()
    with snapshot(records) as session:
        if log_size == 0:
            _check_emptied(session, findings)
            return findings
        for action, pinned in PINNED.items():
            newest = _newest(session, action)
            for last in newest.values():
                _check(session, pinned, last, findings)
            _check_unlogged(session, action, pinned, newest, findings)
    return findings


def _check_emptied(session: Session, findings: Findings) -> None:
    without_acts = {str(table.__tablename__) for table in _WITHOUT_ACTS}
    for name, table in sorted(SQLModel.metadata.tables.items()):
        if name not in without_acts and session.connection().execute(table.select().limit(1)).first():
            findings.add("emptied", table=name)


def _newest(session: Session, action: str) -> dict[str, _Last]:
    """By the thing's id. A body that is no entry is `verify_log`'s to find."""
    newest: dict[str, _Last] = {}
    query = select(AuditEntry).where(AuditEntry.action == action).order_by(col(AuditEntry.sequence))
    for row in session.exec(query.execution_options(yield_per=500)):
        try:
            thing = json.loads(row.body)["object"]
            last = _Last(row.sequence, str(thing["id"]), str(thing["version"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        newest[last.id] = last
    return newest


def _check(session: Session, pinned: Pinned, last: _Last, findings: Findings) -> None:
    name = f"{pinned.table.__tablename__} {last.id}"
    try:
        row = session.get(pinned.table, last.id)
    except ValueError:  # a JSON column that holds no JSON any more
        findings.add("record_changed", sequence=last.sequence, record=name, field="JSON")
        return
    if row is None:
        findings.add("record_missing", sequence=last.sequence, record=name)
        return
    wanted = last.id if pinned.by_id else last.version
    for field in _differing(row, pinned.says, wanted):
        findings.add("record_changed", sequence=last.sequence, record=name, field=field)


def _differing(row: SQLModel, says: Mapping[str, Says], wanted: str) -> Iterator[str]:
    for field, of in says.items():
        try:
            same = of(row) == wanted
        except (ValueError, TypeError, KeyError, RecursionError):  # it has not even the form any more
            same = False
        if not same:
            yield field


def _check_unlogged(
    session: Session, action: str, pinned: Pinned, newest: Mapping[str, _Last], findings: Findings
) -> None:
    """Rows that no act made."""
    table: Any = pinned.table
    for id in session.exec(select(table.id).order_by(table.id)).all():
        if id not in newest and _is_expected(session, pinned, id):
            findings.add("record_unlogged", record=f"{table.__tablename__} {id}", action=action)


def _is_expected(session: Session, pinned: Pinned, id: str) -> bool:
    try:
        return pinned.expected(session.get(pinned.table, id))
    except ValueError:
        return True
