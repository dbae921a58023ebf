"""Whatever is done to a log behind its back is found. Each test is one thing that somebody might try."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session, col, delete, select

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.sources import BATCH, LogRows
from rwd_platform.audit.verify import LogVerification, verify_log
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Entry, Object
from rwd_platform.log.merkle import nodes_completed_by
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry, AuditNode
from rwd_platform.signing.ed25519 import Signer
from tests.conftest import LOG
from tests.log.reference import tree_hash

SIZE = 11


@pytest.fixture
def log(records_sqlite: Records, log_signer: Signer) -> Records:
    return eleven_entries(records_sqlite, log_signer)


def eleven_entries(records: Records, log_signer: Signer) -> Records:
    """With checkpoints at 7 and 11."""
    fill(records, 7)
    make_checkpoint(records, log_signer, "freeze")
    fill(records, SIZE - 7)
    make_checkpoint(records, log_signer, "release")
    return records


def fill(records: Records, times: int) -> None:
    for turn in range(times):
        records.record(
            Act(
                Actor("u", "researcher", "org"),
                "study.frozen",
                Object("study", f"s-{turn}"),
                reason="because",
            )
        )


def rules(verification: LogVerification) -> set[str]:
    assert verification.ok is (not verification.findings)
    for finding in verification.findings:
        assert finding.zh and finding.en and "{" not in finding.zh + finding.en
    return {finding.rule for finding in verification.findings}


def tamper(records: Records, change: Callable[[Session], None]) -> None:
    with Session(records.engine) as session:
        change(session)
        session.commit()


def edited(body: bytes, **changes: Any) -> bytes:
    return canonical_json(json.loads(body) | changes)


def rebuild_tree(session: Session) -> None:
    """What a careful forger does last: make the stored tree fit the entries."""
    session.flush()
    session.exec(delete(AuditNode))
    nodes: dict[tuple[int, int], bytes] = {}
    for row in session.exec(select(AuditEntry).order_by(col(AuditEntry.sequence))).all():
        leaf = Entry(row.sequence, row.body).leaf_hash
        for level, position, hashed in nodes_completed_by(row.sequence, leaf, lambda *node: nodes[node]):
            nodes[level, position] = hashed
            session.add(AuditNode(level=level, position=position, hash=hashed))
    session.flush()


def test_an_honest_log_is_whole(records: Records, log_signer: Signer) -> None:
    """The root is that of the entries, and the signatures reach to the last checkpoint; on both databases."""
    log = eleven_entries(records, log_signer)
    found = verify_log(log, public_key=log_signer.public_key)
    leaves = [Entry(row.sequence, row.body).leaf_hash for row in log.log_entries()]
    assert (found.ok, found.size, found.signed_size, found.root) == (True, SIZE, SIZE, tree_hash(leaves))
    assert found.as_dict()["findings"] == []


def test_an_empty_log_is_whole(records: Records, log_signer: Signer) -> None:
    """Nothing happened yet, and nothing is claimed."""
    found = verify_log(records, public_key=log_signer.public_key)
    assert (found.ok, found.size) == (True, 0)


def test_a_log_that_nobody_signed_proves_nothing(records: Records, log_signer: Signer) -> None:
    """Entries without any checkpoint could have been written yesterday."""
    fill(records, 3)
    assert rules(verify_log(records, public_key=log_signer.public_key)) == {"unsigned"}


def test_entries_after_the_last_checkpoint_are_said_to_be_unsigned(log: Records, log_signer: Signer) -> None:
    """The log is whole, and the answer says how far the signatures reach."""
    fill(log, 2)
    found = verify_log(log, public_key=log_signer.public_key)
    assert (found.ok, found.size, found.signed_size) == (True, SIZE + 2, SIZE)


def test_an_edited_entry_is_found(records: Records, log_signer: Signer) -> None:
    """Another reason than the one that was given: the entry no longer has its hash; on both databases."""
    log = eleven_entries(records, log_signer)

    def change(session: Session) -> None:
        row = session.get_one(AuditEntry, 4)
        row.body = edited(row.body, reason="something else")

    tamper(log, change)
    found = verify_log(log, public_key=log_signer.public_key)
    assert rules(found) == {"node", "checkpoint_root"}
    assert found.findings[0].sequence == 4


def test_an_edited_entry_is_found_although_the_tree_was_rebuilt(log: Records, log_signer: Signer) -> None:
    """Recomputing every node does not help: the signed roots stay what they were."""

    def change(session: Session) -> None:
        row = session.get_one(AuditEntry, 4)
        row.body = edited(row.body, reason="something else")
        rebuild_tree(session)

    tamper(log, change)
    found = verify_log(log, public_key=log_signer.public_key)
    assert rules(found) == {"checkpoint_root"}
    assert found.signed_size == 0


@pytest.mark.parametrize(
    "column", ["at", "organisation_id", "actor_id", "action", "object_type", "object_id", "outcome"]
)
def test_an_edited_column_is_found(log: Records, log_signer: Signer, column: str) -> None:
    """Hiding an entry from a search by changing its columns shows, though its body is untouched."""
    tamper(log, lambda session: setattr(session.get_one(AuditEntry, 4), column, "elsewhere"))
    assert rules(verify_log(log, public_key=log_signer.public_key)) == {"column"}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff", b'{"a":1,"a":2}', b'{ "a":1}', b"[" * 100_000, b"1e999"]
)
def test_a_body_that_is_no_entry_is_found(log: Records, log_signer: Signer, body: bytes) -> None:
    """Whatever stands in the column: a finding, never a crash."""
    tamper(log, lambda session: setattr(session.get_one(AuditEntry, 4), "body", body))
    assert {"node", "checkpoint_root"} <= rules(verify_log(log, public_key=log_signer.public_key))


def test_a_missing_entry_is_found(log: Records, log_signer: Signer) -> None:
    """A number is missing; the answer names it and goes on checking the rest."""
    tamper(log, lambda session: session.delete(session.get_one(AuditEntry, 4)))
    found = verify_log(log, public_key=log_signer.public_key)
    assert "gap" in rules(found)
    assert "4" in found.findings[0].en and found.root == b""


def test_closing_the_gap_is_found(log: Records, log_signer: Signer) -> None:
    """Renumbering what follows makes every later entry say another number than its row."""

    def change(session: Session) -> None:
        session.delete(session.get_one(AuditEntry, 4))
        session.flush()
        for sequence in range(5, SIZE):
            row = session.get_one(AuditEntry, sequence)
            session.add(AuditEntry(**(row.model_dump() | {"sequence": sequence - 1})))
            session.delete(row)
            session.flush()
        rebuild_tree(session)

    tamper(log, change)
    assert {"column", "checkpoint_root", "shorter"} <= rules(
        verify_log(log, public_key=log_signer.public_key)
    )


def test_reordered_entries_are_found(log: Records, log_signer: Signer) -> None:
    """Two entries that changed places say the wrong number, even if the tree was rebuilt."""

    def change(session: Session) -> None:
        one, two = session.get_one(AuditEntry, 4), session.get_one(AuditEntry, 5)
        first = edited(one.body, seq=5)
        one.body, one.object_id = edited(two.body, seq=4), two.object_id
        two.body, two.object_id = first, json.loads(first)["object"]["id"]
        rebuild_tree(session)

    tamper(log, change)
    assert "checkpoint_root" in rules(verify_log(log, public_key=log_signer.public_key))


def cut(session: Session, size: int) -> None:
    session.exec(delete(AuditEntry).where(col(AuditEntry.sequence) >= size))
    rebuild_tree(session)


def test_a_cut_tail_is_found(log: Records, log_signer: Signer) -> None:
    """The checkpoint remembers how many there were."""
    tamper(log, lambda session: cut(session, 9))
    assert rules(verify_log(log, public_key=log_signer.public_key)) == {"shorter"}


def test_a_cut_tail_leaves_nodes_behind(log: Records, log_signer: Signer) -> None:
    """Entries and their checkpoint deleted, nodes forgotten: the tree is larger than the entries."""

    def change(session: Session) -> None:
        session.exec(delete(AuditEntry).where(col(AuditEntry.sequence) >= 9))
        session.exec(delete(AuditCheckpoint).where(col(AuditCheckpoint.size) == SIZE))

    tamper(log, change)
    assert rules(verify_log(log, public_key=log_signer.public_key)) == {"extra_nodes"}


def test_a_log_cut_and_signed_again_is_found_by_whoever_kept_a_checkpoint(
    log: Records, log_signer: Signer
) -> None:
    """The holder of the key can cut and sign again - but not take back the note that somebody kept."""
    kept = log.get(AuditCheckpoint, SIZE).note

    def change(session: Session) -> None:
        cut(session, 8)
        session.exec(delete(AuditCheckpoint))

    tamper(log, change)
    make_checkpoint(log, log_signer, "again")
    assert verify_log(log, public_key=log_signer.public_key).ok
    assert rules(verify_log(log, public_key=log_signer.public_key, checkpoint_note=kept)) == {"shorter"}


def test_a_fork_is_found_by_whoever_kept_a_checkpoint(log: Records, log_signer: Signer) -> None:
    """The same length, another history, properly signed: the kept root says no."""
    kept = log.get(AuditCheckpoint, SIZE).note

    def change(session: Session) -> None:
        row = session.get_one(AuditEntry, 10)
        row.body = edited(row.body, reason="another branch")
        rebuild_tree(session)
        session.exec(delete(AuditCheckpoint))

    tamper(log, change)
    make_checkpoint(log, log_signer, "again")
    assert verify_log(log, public_key=log_signer.public_key).ok
    found = verify_log(log, public_key=log_signer.public_key, checkpoint_note=kept)
    assert rules(found) == {"checkpoint_root"}


def test_a_log_extends_the_checkpoint_that_was_kept(log: Records, log_signer: Signer) -> None:
    """Any earlier checkpoint still fits, also when the database no longer has it."""
    kept = log.get(AuditCheckpoint, 7).note
    fill(log, 3)
    tamper(log, lambda session: session.exec(delete(AuditCheckpoint)) and None)
    found = verify_log(log, public_key=log_signer.public_key, checkpoint_note=kept)
    assert (found.ok, found.signed_size) == (True, 7)


def test_a_wrong_key_is_found(log: Records) -> None:
    """With another public key no checkpoint counts, stored or given."""
    other = Signer("rwd.test/log", Ed25519PrivateKey.from_private_bytes(b"o" * 32))
    found = verify_log(log, public_key=other.public_key, checkpoint_note=log.get(AuditCheckpoint, 7).note)
    assert rules(found) == {"checkpoint_signature"}
    assert found.signed_size == 0


def test_a_checkpoint_of_another_log_is_found(log: Records, log_signer: Signer, keys: object) -> None:
    """The same key may sign several logs; their heads are not each other's."""
    note = log.get(AuditCheckpoint, 7).note.replace(LOG, "rwd.other/log", 1)
    found = verify_log(log, public_key=log_signer.public_key, checkpoint_note=note)
    assert rules(found) == {"checkpoint_origin"}


@pytest.mark.parametrize("note", ["", "nonsense", "a\n1\nb\n"])
def test_a_given_note_that_is_none_is_an_error(log: Records, log_signer: Signer, note: str) -> None:
    """Wrong use, not a verdict about the log: exit 2."""
    with pytest.raises(PlatformError) as caught:
        verify_log(log, public_key=log_signer.public_key, checkpoint_note=note)
    assert (caught.value.code, caught.value.exit) == ("audit.checkpoint_malformed", 2)


@pytest.mark.parametrize(
    ("note", "rule"), [("nonsense", "checkpoint_text"), ("", "checkpoint_text"), (None, "checkpoint_text")]
)
def test_a_spoilt_stored_checkpoint_is_found(
    log: Records, log_signer: Signer, note: str | None, rule: str
) -> None:
    """Malformed, or the note of another size filed under this one."""
    other = log.get(AuditCheckpoint, 7).note
    tamper(
        log,
        lambda session: setattr(
            session.get_one(AuditCheckpoint, SIZE), "note", other if note is None else note
        ),
    )
    assert rules(verify_log(log, public_key=log_signer.public_key)) == {rule}


@pytest.mark.parametrize("node", [(0, 4), (1, 2), (3, 0)])
@pytest.mark.parametrize("deleted", [True, False])
def test_a_spoilt_node_is_found(
    log: Records, log_signer: Signer, node: tuple[int, int], deleted: bool
) -> None:
    """A changed or missing node breaks proofs, though the entries themselves are right."""

    def change(session: Session) -> None:
        row = session.get_one(AuditNode, node)
        if deleted:
            session.delete(row)
        else:
            row.hash = b"\x00" * 32

    tamper(log, change)
    assert rules(verify_log(log, public_key=log_signer.public_key)) == {"node"}


def rows_of(count: int) -> LogRows:
    """A log in memory, as read from a copy."""
    nodes: dict[tuple[int, int], bytes] = {}
    entries = []
    for sequence in range(count):
        fields = {"v": 1, "log": LOG, "seq": sequence, "ts": "t", "tenant": "o", "actor": {"id": "u"},
                  "action": "a.b", "object": {"type": "t", "id": "i"}, "outcome": "done"}  # fmt: skip
        entry = Entry(sequence, canonical_json(fields))
        for level, position, hashed in nodes_completed_by(
            sequence, entry.leaf_hash, lambda *node: nodes[node]
        ):
            nodes[level, position] = hashed
        entries.append(
            AuditEntry(sequence=sequence, body=entry.body, at="t", organisation_id="o", actor_id="u",
                       action="a.b", object_type="t", object_id="i", outcome="done")
        )  # fmt: skip
    return LogRows(LOG, entries, nodes)


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_a_log_longer_than_a_batch_is_one_tree(count: int, log_signer: Signer) -> None:
    """Entries are read in pieces; the tree across the pieces is the same."""
    found = verify_log(rows_of(count), public_key=log_signer.public_key)
    assert rules(found) == {"unsigned"}
    assert found.root == tree_hash(
        [Entry(row.sequence, row.body).leaf_hash for row in rows_of(count).entries]
    )


@pytest.mark.parametrize("order", [[0, 2, 1], [0, 0, 1], [1, 2], [2, 1, 0]])
def test_rows_out_of_order_are_found(order: list[int], log_signer: Signer) -> None:
    """Rows handed over in another order, twice, or without the first."""
    rows = rows_of(3)
    shuffled = LogRows(LOG, [rows.entries[place] for place in order], rows.stored_nodes)
    assert "gap" in rules(verify_log(shuffled, public_key=log_signer.public_key))


def test_thousands_of_findings_stay_a_page(log_signer: Signer) -> None:
    """A log that is wrong everywhere is told in a hundred findings, and is still not whole."""
    rows = rows_of(300)
    found = verify_log(
        LogRows("rwd.other/log", rows.entries, rows.stored_nodes), public_key=log_signer.public_key
    )
    assert not found.ok and len(found.findings) == 100
