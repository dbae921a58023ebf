"""Checkpoints: made when due, the same for the same log, and never over a history that was rewritten."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, delete, select

from rwd_platform.audit.checkpoints import checkpoint_if_due, latest_checkpoint, make_checkpoint
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.checkpoint import checkpoint_is_signed_by, parse_checkpoint
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.log.merkle import EMPTY_ROOT
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry, AuditNode
from rwd_platform.signing import ed25519
from rwd_platform.signing.ed25519 import Signer
from tests.conftest import LOG, StandingClock
from tests.log.reference import leaf_hash, tree_hash


def record(records: Records, times: int = 1) -> None:
    for turn in range(times):
        records.record(Act(Actor("u", "operator", "org"), "package.read", Object("package", f"p-{turn}")))


def test_a_checkpoint_signs_the_root_of_the_whole_log(records: Records, log_signer: Signer) -> None:
    """Origin, size and root are those of the entries; storing it adds no entry."""
    record(records, 5)
    row = make_checkpoint(records, log_signer, "freeze")
    claim = parse_checkpoint(row.note)
    bodies = [entry.body for entry in records.log_entries()]
    assert (claim.origin, claim.size) == (LOG, 5)
    assert claim.root == tree_hash([leaf_hash(body) for body in bodies])
    assert checkpoint_is_signed_by(
        row.note, log_signer.public_key, lambda text, blob: ed25519.verify(log_signer.public_key, text, blob)
    )
    assert len(records.log_entries()) == 5
    assert records.get(AuditCheckpoint, 5).why == "freeze"


def test_the_same_log_has_one_note(records: Records, log_signer: Signer, clock: StandingClock) -> None:
    """Asked twice at the same size, the first note is given again, with its time and reason."""
    record(records, 3)
    first = make_checkpoint(records, log_signer, "freeze")
    clock.advance(hours=1)
    assert make_checkpoint(records, log_signer, "release") == first
    assert len(records.all(select(AuditCheckpoint))) == 1


def test_an_empty_log_has_a_head_too(records: Records, log_signer: Signer) -> None:
    """The head of nothing is the hash of nothing."""
    assert parse_checkpoint(make_checkpoint(records, log_signer, "start").note).root == EMPTY_ROOT


def test_a_checkpoint_is_due_after_a_minute_or_256_entries(
    records_sqlite: Records, log_signer: Signer, clock: StandingClock
) -> None:
    """Not before, not without a new entry, and the first entry of a log at once."""
    records = records_sqlite
    assert checkpoint_if_due(records, log_signer) is None
    record(records)
    first = checkpoint_if_due(records, log_signer)
    assert first is not None and first.size == 1
    record(records)
    clock.advance(seconds=59)
    assert checkpoint_if_due(records, log_signer) is None
    clock.advance(seconds=1)
    second = checkpoint_if_due(records, log_signer)
    assert second is not None and second.size == 2
    clock.advance(hours=1)
    assert checkpoint_if_due(records, log_signer) is None
    record(records, 255)
    clock.advance(hours=-1)
    assert checkpoint_if_due(records, log_signer) is None
    record(records)
    third = checkpoint_if_due(records, log_signer)
    assert third is not None and third.size == 258
    assert latest_checkpoint(records) == third


def test_a_rewritten_history_is_not_signed(records: Records, log_signer: Signer) -> None:
    """Two signed heads that disagree would be our own word against us, so nothing more is signed."""
    record(records, 4)
    make_checkpoint(records, log_signer, "freeze")
    with Session(records.engine) as session:
        node = session.get_one(AuditNode, (2, 0))
        node.hash = b"\x00" * 32
        session.add(node)
        session.commit()
    record(records)
    with pytest.raises(PlatformError) as caught:
        make_checkpoint(records, log_signer, "release")
    assert caught.value.code == "audit.forked"
    assert len(records.all(select(AuditCheckpoint))) == 1


def test_a_cut_log_is_not_signed(records: Records, log_signer: Signer) -> None:
    """A log that is shorter than its checkpoint lost its tail."""
    record(records, 4)
    make_checkpoint(records, log_signer, "freeze")
    with Session(records.engine) as session:
        session.exec(delete(AuditEntry).where(col(AuditEntry.sequence) >= 2))
        session.commit()
    with pytest.raises(PlatformError, match=r"audit\.forked"):
        make_checkpoint(records, log_signer, "release")
