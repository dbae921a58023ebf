"""One entry under the newest head: proved, not covered, or changed; and the file that others verify without us."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from rwd_platform.audit.checkpoints import latest_checkpoint, make_checkpoint
from rwd_platform.audit.proof_file import Inclusion, Standing, inclusion_of, tlog_proof
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.hashes import SM3_TREE
from rwd_platform.records.records import Records
from rwd_platform.signing.ed25519 import Signer
from tests.audit.test_two_trees import with_profile
from tests.audit.test_verify import SIZE, eleven_entries, fill
from tests.conftest import LOG
from tests.log import reference

SEVENTH = 7


@pytest.fixture
def log(records_sqlite: Records, log_signer: Signer) -> Records:
    return eleven_entries(records_sqlite, log_signer)


def bodies(log: Records) -> list[bytes]:
    return [entry.body for entry in log.log_entries()]


def found(log: Records, signer: Signer, sequence: int, body: bytes | None = None) -> Inclusion:
    return inclusion_of(log, signer.public_key, sequence, body or bodies(log)[sequence])


def behind(log: Records, statement: str, **values: object) -> None:
    with log.engine.begin() as connection:
        connection.execute(text(statement), values)


def read_by_hand(content: str) -> tuple[int, list[bytes], str]:
    """The format as C2SP has it, word for word."""
    head, _, note = content.partition("\n\n")
    first, index, *hashes = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1" and index.startswith("index ")
    return int(index.removeprefix("index ")), [base64.b64decode(one, validate=True) for one in hashes], note


@pytest.mark.parametrize("sequence", range(SIZE))
def test_every_entry_is_proved_by_the_path_of_the_standard(
    log: Records, log_signer: Signer, sequence: int
) -> None:
    """Leaf, path and root are those of RFC 9162 written down a second time, recursively."""
    leaves = [reference.leaf_hash(body) for body in bodies(log)]
    proved = found(log, log_signer, sequence)
    assert (proved.standing, proved.size, proved.tree) == (Standing.PROVED, SIZE, "sha256")
    assert proved.leaf == leaves[sequence] and proved.root == reference.tree_hash(leaves)
    assert list(proved.path) == reference.path(sequence, leaves)


@pytest.mark.parametrize("sequence", range(SIZE))
def test_the_file_is_byte_for_byte_what_another_implementation_writes(
    log: Records,
    log_signer: Signer,
    sequence: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """tlog-scales computes its own proof from tiles of the leaves, with the same head."""
    cli = pytest.importorskip("tlog_scales.cli", reason="the other implementation is not installed")
    leaves = [reference.leaf_hash(body) for body in bodies(log)]
    head = latest_checkpoint(log)
    assert head is not None
    held = {("checkpoint",): head.note.encode(), ("tile", "0", f"000.p/{SIZE}"): b"".join(leaves)}

    class Tiles:
        def get(self, *path: str) -> bytes | None:
            place = "/".join(path)
            return next((content for names, content in held.items() if "/".join(names) == place), None)

    monkeypatch.setattr(cli.backend, "make_backend", lambda _: Tiles())
    cli.cmd_gen_proof(SimpleNamespace(location="memory", leaf_index=sequence))
    ours = tlog_proof(found(log, log_signer, sequence), head.note)
    assert capsys.readouterr().out == ours


def test_another_implementation_verifies_the_file_from_the_entry_and_the_key_alone(
    log: Records, log_signer: Signer
) -> None:
    tlog = pytest.importorskip("tlog_scales.tlog", reason="the other implementation is not installed")
    signing = pytest.importorskip("tlog_scales.signing", reason="the other implementation is not installed")
    index, path, note = read_by_hand(tlog_proof(one := found(log, log_signer, 4), one.note))
    head = tlog.Checkpoint.from_text(note)
    typed = b"\x01" + log_signer.public_key  # 0x01: a plain Ed25519 signature of a note
    shown = hashlib.sha256(LOG.encode() + b"\n" + typed).digest()[:4].hex()
    head.verify(signing.Vkey.from_string(f"{LOG}+{shown}+{base64.b64encode(typed).decode()}"))
    leaf = hashlib.sha256(b"\x00" + bodies(log)[4]).digest()
    tlog.InclusionProof(index, head.size, path).check(leaf, head.root_hash)
    with pytest.raises(tlog.InclusionProofInvalid):
        tlog.InclusionProof(index, head.size, path).check(reference.leaf_hash(b"another"), head.root_hash)


def test_a_log_of_one_entry_has_a_file_without_hashes(records_sqlite: Records, log_signer: Signer) -> None:
    fill(records_sqlite, 1)
    make_checkpoint(records_sqlite, log_signer, "freeze")
    one = found(records_sqlite, log_signer, 0)
    index, path, note = read_by_hand(tlog_proof(one, one.note))
    assert (index, path, parse_checkpoint(note).root) == (
        0,
        [],
        reference.leaf_hash(bodies(records_sqlite)[0]),
    )


def test_an_entry_newer_than_the_newest_head_is_not_covered(log: Records, log_signer: Signer) -> None:
    fill(log, 1)
    late = found(log, log_signer, SIZE)
    assert (late.standing, late.size, late.path) == (Standing.NOT_COVERED, SIZE, ())
    with pytest.raises(PlatformError) as caught:
        tlog_proof(late, late.note)
    assert caught.value.code == "audit.entry_not_proved"
    make_checkpoint(log, log_signer, "due")
    assert found(log, log_signer, SIZE).is_proved


def test_without_a_head_nothing_is_proved(records_sqlite: Records, log_signer: Signer) -> None:
    fill(records_sqlite, 2)
    assert found(records_sqlite, log_signer, 0).standing is Standing.NO_HEAD


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_node SET hash = zeroblob(32) WHERE level = 0 AND position = 6",
        "UPDATE audit_node SET hash = x'00' WHERE level = 0 AND position = 6",
        "UPDATE audit_node SET hash = 'text' WHERE level = 0 AND position = 6",
        "DELETE FROM audit_node WHERE level = 0 AND position = 6",
        "DELETE FROM audit_node",
    ],
)
def test_a_changed_or_missing_node_above_it_is_not_proved(
    log: Records, log_signer: Signer, statement: str
) -> None:
    behind(log, statement)
    assert found(log, log_signer, SEVENTH).standing is Standing.CHANGED


def test_a_changed_entry_is_not_proved(log: Records, log_signer: Signer) -> None:
    body = bodies(log)[3]
    assert found(log, log_signer, 3).is_proved
    assert found(log, log_signer, 3, body.replace(b"because", b"becausE")).standing is Standing.CHANGED
    assert found(log, log_signer, 3, bodies(log)[4]).standing is Standing.CHANGED


@pytest.mark.parametrize("note", ["", "no note", f"{LOG}\n11\nAAAA\n\n", "\x00"])
def test_a_head_that_is_none_any_more_is_unsigned(log: Records, log_signer: Signer, note: str) -> None:
    behind(log, "UPDATE audit_checkpoint SET note = :note WHERE size = 11", note=note)
    assert found(log, log_signer, 3).standing is Standing.UNSIGNED


def test_a_head_of_another_key_size_or_log_is_unsigned(
    log: Records, log_signer: Signer, tmp_path: Path
) -> None:
    """A good note of this log, filed under another size; and a key that did not sign."""
    assert inclusion_of(log, bytes(32), 3, bodies(log)[3]).standing is Standing.UNSIGNED
    behind(
        log,
        "UPDATE audit_checkpoint SET note = (SELECT note FROM audit_checkpoint WHERE size = 7) WHERE size = 11",
    )
    assert found(log, log_signer, 3).standing is Standing.UNSIGNED


def test_a_tree_with_sm3_is_proved_and_has_no_file(records_sqlite: Records, log_signer: Signer) -> None:
    """The file's format knows SHA-256 alone."""
    log = eleven_entries(with_profile(records_sqlite, "sm3"), log_signer)
    one = found(log, log_signer, 5)
    assert (one.standing, one.tree) == (Standing.PROVED, "sm3")
    assert one.leaf == SM3_TREE.leaf(bodies(log)[5])
    with pytest.raises(PlatformError) as caught:
        tlog_proof(one, one.note)
    assert caught.value.code == "audit.proof_needs_sha256"
