"""Signed heads of the log: once made, history cannot be rewritten without showing it.

A checkpoint is a statement about the log and not an act in it, so storing one appends no entry;
otherwise each would make the next one due.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from rwd_platform.log.hashes import SHA256_TREE, TreeHash
from rwd_platform.log.merkle import ReadNode, root_of
from rwd_platform.records.database import hold_log_lock, writing
from rwd_platform.records.journal import node_reader
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint, AuditCheckpointSm3, AuditEntry
from rwd_platform.signing.signer import Signer

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


Head = AuditCheckpoint | AuditCheckpointSm3
_TABLES: Mapping[str, type[AuditCheckpoint] | type[AuditCheckpointSm3]] = {
    "sha256": AuditCheckpoint,
    "sm3": AuditCheckpointSm3,
}


def make_checkpoint(records: Records, signer: Signer, why: str) -> Head:
    """The signed head of the log as it is now, stored. The same size twice is the same note.

    Of a log with two trees both heads are signed, each under its tree's origin, and that with SHA-256 is returned.
    Refuses (`audit.forked`) to sign a head that does not extend the last one: two signed heads that
    disagree are worse than none.
    """
    with Session(writing(records.engine), expire_on_commit=False) as session:
        hold_log_lock(session.connection())  # nobody appends between counting and signing
        size = _size(session)
        heads = [_signed_head(session, records, tree, signer, size, why) for tree in records.book.trees]
        session.commit()
        return heads[0]


def _signed_head(
    session: Session, records: Records, tree: TreeHash, signer: Signer, size: int, why: str
) -> Head:
    last = _last(session, tree)
    read = node_reader(session.connection(), tree)
    try:
        if last is not None:
            _check_extends(last, tree, size, read)
            if last.size == size:
                return last
        root = root_of(size, read, tree.digest)
    except LookupError as error:  # a node that is not there any more
        raise LOG_FORKED.error(size=last.size if last else 0) from error
    checkpoint = Checkpoint(tree.origin(records.log), size, root)
    note = sign_checkpoint(checkpoint, key_name=signer.name, public_key=signer.public_key, sign=signer.sign)
    row = _TABLES[tree.name](size=size, note=note, at=as_text(records.clock()), why=why)
    session.add(row)
    return row


def checkpoint_if_due(records: Records, signer: Signer) -> Head | None:
    """A checkpoint when 256 entries or 60 seconds with an entry have passed since the last; else None."""
    with records.reading() as session:
        size, last = _size(session), _last(session, records.book.trees[0])
    if size == (last.size if last else 0):
        return None
    if last is not None and size - last.size < EVERY_ENTRIES:
        due_at = as_text(records.clock() - EVERY)
        if last.at > due_at:  # instants as UTC text sort as instants
            return None
    return make_checkpoint(records, signer, "due")


def latest_checkpoint(records: Records, tree: TreeHash | None = None) -> Head | None:
    """The newest head of a tree; where none is named, of the log's first."""
    with records.reading() as session:
        return _last(session, tree or records.book.trees[0])


def checkpoint_of(records: Records, tree: TreeHash, size: int) -> Head | None:
    """The head that was signed at this size."""
    if tree == SHA256_TREE:
        return records.find(AuditCheckpoint, size)
    return records.find(AuditCheckpointSm3, size)


def _size(session: Session) -> int:
    last = session.exec(select(func.max(AuditEntry.sequence))).one()
    return 0 if last is None else last + 1


def _last(session: Session, tree: TreeHash) -> Head | None:
    if tree == SHA256_TREE:
        return session.exec(
            select(AuditCheckpoint).order_by(col(AuditCheckpoint.size).desc()).limit(1)
        ).first()
    return session.exec(
        select(AuditCheckpointSm3).order_by(col(AuditCheckpointSm3.size).desc()).limit(1)
    ).first()


def stored_nodes(session: Session, tree: TreeHash = SHA256_TREE) -> ReadNode:
    """A tree as stored, for roots and proofs. Reading a node that is not there raises LookupError."""
    return node_reader(session.connection(), tree)


def _check_extends(last: Head, tree: TreeHash, size: int, read: ReadNode) -> None:
    claimed = parse_checkpoint(last.note)
    if claimed.size > size or root_of(claimed.size, read, tree.digest) != claimed.root:
        raise LOG_FORKED.error(size=claimed.size)
