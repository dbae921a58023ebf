"""Do the records still say what the log says of them? A log that is whole proves nothing about rows
that were changed behind it.

Compared is what an entry pins down exactly - the hash of a protocol, of results, of a package, the content
of a data lock - and that no such row stands without its entry; and the rows that decide what leaves: releases and
votes, provisions and their postings, parties and papers (the modules against_*). A log without an entry, beside
records, was emptied: every record began with an act.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel, col, select

from rwd_platform.audit.against_papers import compare_papers
from rwd_platform.audit.against_provisions import compare_provisions
from rwd_platform.audit.against_releases import compare_releases
from rwd_platform.audit.against_rows import compare_rows
from rwd_platform.audit.findings import MOST, Findings
from rwd_platform.audit.sources import snapshot
from rwd_platform.audit.verify import LogVerification, Told, verify_log
from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.records.lifecycles import StudyState
from rwd_platform.records.records import EXEMPT, Records
from rwd_platform.records.tables import (
    AnalysisRun,
    AuditCheckpoint,
    AuditCheckpointSm3,
    AuditCosignature,
    AuditDetail,
    AuditEntry,
    AuditNode,
    AuditNodeSm3,
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
    AuditNodeSm3,
    AuditCheckpointSm3,
    AuditCosignature,
)

Says = Callable[[Any], object]


@dataclass(frozen=True)
class Pinned:
    """What the newest entry of an action says about a row.

    says     -- field -> what the row holds there, to be compared with the entry's version
    by_id    -- compare with the object's id instead, for what is named by its content
    expected -- rows for which there must be an entry
    decided  -- as `says`, compared with what the entry's decision says under that name; a row that says None there
                holds nothing to compare
    """

    table: type[SQLModel]
    says: Mapping[str, Says]
    by_id: bool = False
    expected: Callable[[Any], bool] = lambda row: True
    decided: Mapping[str, Says] = field(default_factory=dict)


def _hash_of_whole(run: AnalysisRun) -> str:
    """Of a sealed run the whole cannot be read here: what is in its place is compared with the entry's decision."""
    return sha256_of(run.results) if run.sealed_part is None else run.results_sha256


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
        {"results_sha256": lambda row: row.results_sha256, "results": _hash_of_whole},
        decided={
            "open_sha256": lambda row: None if row.sealed_part is None else sha256_of(row.results),
            "sealed_sha256": lambda row: None if row.sealed_part is None else sha256_hex(row.sealed_part),
        },
    ),
    "results.unsealed": Pinned(
        AnalysisRun,
        {"results_sha256": lambda row: row.results_sha256},
        # Results that were sealed and are not any more: somebody was asked, and said so.
        expected=lambda row: bool(row.unsealed_at) or (bool(row.sealed_analyses) and row.sealed_part is None),
    ),
    "package.assembled": Pinned(EvidencePackage, {"sha256": lambda row: row.sha256}),
}


@dataclass(frozen=True)
class _Last:
    """The newest entry of one action about one thing."""

    sequence: int
    id: str
    version: str
    decision: Mapping[str, Any]


def verify_deployment(
    records: Records,
    *,
    public_key: bytes,
    checkpoint_note: str | None = None,
    witnesses: Sequence[bytes] = (),
    notes: Sequence[str] = (),
    told: Told | None = None,
) -> LogVerification:
    """The whole log, as `verify_log` does it, and the records against it."""
    log = verify_log(
        records,
        public_key=public_key,
        checkpoint_note=checkpoint_note,
        witnesses=witnesses,
        notes=notes,
        told=told,
    )
    try:
        findings = compare(records, log.size)
    except DBAPIError:
        findings = Findings()
        findings.add("record_unreadable")
    found = (*log.findings, *findings.kept)[:MOST]
    return replace(log, ok=log.ok and not findings.count, findings=found, records_compared=True)


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
        compare_releases(session, findings)
        compare_provisions(session, findings)
        compare_papers(session, findings)
        compare_rows(session, findings)
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
            body = json.loads(row.body)
            thing = body["object"]
            decision = body.get("decision", {})
            last = _Last(row.sequence, str(thing["id"]), str(thing["version"]), dict(decision))
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
    for place in _differing(row, pinned, wanted, last.decision):
        findings.add("record_changed", sequence=last.sequence, record=name, field=place)


def _differing(row: SQLModel, pinned: Pinned, wanted: str, decision: Mapping[str, object]) -> Iterator[str]:
    says: list[tuple[str, Says, object]] = [(place, of, wanted) for place, of in pinned.says.items()]
    says += [(place, of, decision.get(place, "")) for place, of in pinned.decided.items()]
    for place, of, said in says:
        try:
            held = of(row)
            same = held == said or (held is None and place in pinned.decided)
        except (ValueError, TypeError, KeyError, RecursionError):  # it has not even the form any more
            same = False
        if not same:
            yield place


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
