"""Signed heads of the log: once made, history cannot be rewritten without showing it.

A checkpoint is a statement about the log and not an act in it, so storing one appends no entry;
otherwise each would make the next one due.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from rwd_platform.log.merkle import ReadNode, root_of
from rwd_platform.records.database import hold_log_lock, writing
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry, AuditNode
from rwd_platform.signing.ed25519 import Signer

EVERY_ENTRIES = 256
EVERY = timedelta(seconds=60)

LOG_FORKED = Problem(
    code="audit.forked",
    zh="日志与此前签名的检查点（{size} 条）不一致，已停止签发新的检查点。",
    en="The log no longer agrees with its signed checkpoint of {size} entries; no new one was signed.",
    next_zh="请停止写入，运行 `rwd audit verify` 并保全数据库，由审计人员调查。",
    next_en="Stop writing, run `rwd audit verify`, keep the database as it is and let an auditor look.",
    http=503,
    exit=Exit.REFUSED,
)


def make_checkpoint(records: Records, signer: Signer, why: str) -> AuditCheckpoint:
    """The signed head of the log as it is now, stored. The same size twice is the same note.

    Refuses (`audit.forked`) to sign a head that does not extend the last one: two signed heads that
    disagree are worse than none.
    """
    with Session(writing(records.engine), expire_on_commit=False) as session:
        hold_log_lock(session.connection())  # nobody appends between counting and signing
        size = _size(session)
        last = _last(session)
        if last is not None:
            _check_extends(session, last, size)
            if last.size == size:
                return last
        checkpoint = Checkpoint(records.log, size, root_of(size, stored_nodes(session)))
        note = sign_checkpoint(
            checkpoint, key_name=signer.name, public_key=signer.public_key, sign=signer.sign
        )
        row = AuditCheckpoint(size=size, note=note, at=as_text(records.clock()), why=why)
        session.add(row)
        session.commit()
        return row


def checkpoint_if_due(records: Records, signer: Signer) -> AuditCheckpoint | None:
    """A checkpoint when 256 entries or 60 seconds with an entry have passed since the last; else None."""
    with records.reading() as session:
        size, last = _size(session), _last(session)
    if size == (last.size if last else 0):
        return None
    if last is not None and size - last.size < EVERY_ENTRIES:
        due_at = as_text(records.clock() - EVERY)
        if last.at > due_at:  # instants as UTC text sort as instants
            return None
    return make_checkpoint(records, signer, "due")


def latest_checkpoint(records: Records) -> AuditCheckpoint | None:
    with records.reading() as session:
        return _last(session)


def _size(session: Session) -> int:
    last = session.exec(select(func.max(AuditEntry.sequence))).one()
    return 0 if last is None else last + 1


def _last(session: Session) -> AuditCheckpoint | None:
    return session.exec(select(AuditCheckpoint).order_by(col(AuditCheckpoint.size).desc()).limit(1)).first()


def stored_nodes(session: Session) -> ReadNode:
    """The tree as stored, for roots and proofs."""

    def read(level: int, position: int) -> bytes:
        return session.get_one(AuditNode, (level, position)).hash

    return read


def _check_extends(session: Session, last: AuditCheckpoint, size: int) -> None:
    claimed = parse_checkpoint(last.note)
    if claimed.size > size or root_of(claimed.size, stored_nodes(session)) != claimed.root:
        raise LOG_FORKED.error(size=claimed.size)
