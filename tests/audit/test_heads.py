"""Signed heads as they are read: each is held to its key, its witnesses, and the head before it, every time."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from rwd_platform.audit.checkpoints import latest_checkpoint, make_checkpoint
from rwd_platform.audit.heads import HeadSeen, one_head, read_heads, with_witnesses
from rwd_platform.core.clock import as_text
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.cosignature import cosign, signed_text
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.log.hashes import SHA256_TREE, SM3_TREE
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCosignature, AuditWitness
from rwd_platform.signing.ed25519 import Signer
from tests.audit.test_two_trees import with_profile
from tests.audit.test_verify import SIZE, eleven_entries, fill
from tests.conftest import LOG

NAME, TIME = "witness.test/hainan", 1_790_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


@pytest.fixture
def log(records_sqlite: Records, log_signer: Signer) -> Records:
    """Eleven entries; heads at 7 and 11."""
    return eleven_entries(records_sqlite, log_signer)


def heads(log: Records, signer: Signer) -> tuple[HeadSeen, ...]:
    return read_heads(log, signer.public_key, log.book.trees[0]).heads


def behind(log: Records, statement: str, **values: object) -> None:
    with log.engine.begin() as connection:
        connection.execute(text(statement), values)


def witnessed(log: Records, note: str, *, size: int = SIZE, key: Ed25519PrivateKey = KEY) -> None:
    """As somebody stores it who does not check what they store."""
    act = Act(Actor("u", "operator", "org"), "checkpoint.cosigned", Object("checkpoint", "x"))
    if log.find(AuditWitness, NAME) is None:
        row = AuditWitness(name=NAME, public_key=PUBLIC.hex(), added_by="u", added_at="t")
        log.write(row, audit=act)
    line = cosign(signed_text(note), name=NAME, public_key=PUBLIC, sign=key.sign, time=TIME).line
    kept = AuditCosignature(
        origin=LOG, size=size, witness=NAME, note=note + line, cosigned_at="t", stored_at=as_text(log.clock())
    )
    log.write(kept, audit=act)


def test_the_newest_stands_first_and_each_extends_the_one_before(log: Records, log_signer: Signer) -> None:
    newest, first = heads(log, log_signer)
    assert (newest.size, newest.before, first.size, first.before) == (SIZE, 7, 7, None)
    assert (newest.why, first.why) == ("release", "freeze")
    assert all(one.signed and one.extends and not one.witnesses for one in (newest, first))
    assert newest.root == parse_checkpoint(newest.note).root.hex()


def test_a_page_knows_the_head_before_its_last(log: Records, log_signer: Signer) -> None:
    for _ in range(3):
        fill(log, 2)
        make_checkpoint(log, log_signer, "due")
    tree = log.book.trees[0]
    found = read_heads(log, log_signer.public_key, tree, limit=2)
    assert ([one.size for one in found.heads], found.total) == ([17, 15], 5)
    assert found.heads[1].before == 13 and found.heads[1].extends
    rest = read_heads(log, log_signer.public_key, tree, first=2, limit=3).heads
    assert [(one.size, one.before) for one in rest] == [(13, 11), (11, 7), (7, None)]
    assert read_heads(log, log_signer.public_key, tree, first=50).heads == ()


def test_a_rewritten_history_shows_at_the_head_that_it_breaks(log: Records, log_signer: Signer) -> None:
    """The second head is over another past than the first: the tree of today fits neither of them together."""
    behind(log, "UPDATE audit_node SET hash = zeroblob(32) WHERE level = 2 AND position = 0")
    newest, first = heads(log, log_signer)
    assert newest.signed and first.signed, "the notes themselves are as they were"
    assert not newest.extends and not first.extends


def test_a_cut_log_does_not_extend_its_last_head(log: Records, log_signer: Signer) -> None:
    behind(log, "DELETE FROM audit_entry WHERE sequence >= 8")
    behind(log, "DELETE FROM audit_node WHERE level = 0 AND position >= 8")
    behind(log, "DELETE FROM audit_node WHERE level = 1 AND position >= 4")
    newest, first = heads(log, log_signer)
    assert not newest.extends and first.extends


@pytest.mark.parametrize("note", ["", "no note at all", f"{LOG}\nmany\n\n"])
def test_a_head_that_is_no_note_any_more_says_so(log: Records, log_signer: Signer, note: str) -> None:
    behind(log, "UPDATE audit_checkpoint SET note = :note WHERE size = 11", note=note)
    newest, first = heads(log, log_signer)
    assert not newest.signed and not newest.extends and newest.root == ""
    assert first.signed and first.extends


def test_a_head_after_one_that_is_none_is_not_shown_to_extend_it(log: Records, log_signer: Signer) -> None:
    behind(log, "UPDATE audit_checkpoint SET note = '' WHERE size = 7")
    newest, first = heads(log, log_signer)
    assert newest.signed and not newest.extends and not first.signed


def test_another_key_signs_nothing_here(log: Records, log_signer: Signer) -> None:
    found = read_heads(log, bytes(32), SHA256_TREE).heads
    assert [one.signed for one in found] == [False, False]


def test_a_witness_stands_under_the_head_that_it_cosigned(log: Records, log_signer: Signer) -> None:
    """With the time that it signed; and the note that is given away carries its line."""
    head = latest_checkpoint(log)
    assert head is not None
    witnessed(log, head.note)
    newest, first = heads(log, log_signer)
    (one,) = newest.witnesses
    assert (one.witness, one.holds, one.at[:10]) == (NAME, True, "2026-09-21") and not first.witnesses
    given = one_head(log, SHA256_TREE, SIZE)
    assert given == head.note + one.line and with_witnesses(log, SHA256_TREE, SIZE, given) == given
    assert one_head(log, SHA256_TREE, 999) is None


def test_a_cosignature_by_another_key_or_of_another_text_does_not_hold(
    log: Records, log_signer: Signer
) -> None:
    head, earlier = latest_checkpoint(log), one_head(log, SHA256_TREE, 7)
    assert head is not None and earlier is not None
    witnessed(log, earlier)  # filed under 11, and says 7
    forged = Ed25519PrivateKey.from_private_bytes(bytes(32))
    witnessed(log, earlier, size=7, key=forged)
    newest, first = heads(log, log_signer)
    assert [one.holds for one in (*newest.witnesses, *first.witnesses)] == [False, False]
    assert one_head(log, SHA256_TREE, SIZE) == head.note, "a line that does not hold is not given away"


def test_the_tree_with_sm3_has_heads_of_its_own(records_sqlite: Records, log_signer: Signer) -> None:
    log = eleven_entries(with_profile(records_sqlite, "dual"), log_signer)
    for tree in (SHA256_TREE, SM3_TREE):
        found = read_heads(log, log_signer.public_key, tree)
        assert [(one.size, one.signed, one.extends) for one in found.heads] == [
            (SIZE, True, True),
            (7, True, True),
        ]
    assert one_head(log, SM3_TREE, SIZE) != one_head(log, SHA256_TREE, SIZE)
