"""`verify_log.py --proof`: one entry, its proof and the log's key, and every way to forge one of them.

Proofs are those that the entry's page gives (audit/proof_file.py); what is forged is held against RFC 9162 as the
platform has it, and against paths written down a second time (tests/log/reference.py).
"""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.audit.export import VERIFIER
from rwd_platform.audit.proof_file import inclusion_of, tlog_proof
from rwd_platform.audit.templates import verify_log as offline
from rwd_platform.core.canonical import canonical_json
from rwd_platform.log.cosignature import cosign, signed_text
from rwd_platform.log.merkle import verify_inclusion
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint
from rwd_platform.signing.ed25519 import Signer
from rwd_platform.signing.vkey import COSIGNATURE, VerifierKey
from tests.audit.test_two_trees import with_profile
from tests.audit.test_verify import SIZE, eleven_entries
from tests.conftest import LOG
from tests.log import reference

FIFTH = 5
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS_KEY = WITNESS.public_key().public_bytes_raw()


@pytest.fixture
def log(records_sqlite: Records, log_signer: Signer) -> Records:
    """Eleven entries, with heads at 7 and 11."""
    return eleven_entries(records_sqlite, log_signer)


def body_of(log: Records, sequence: int = FIFTH) -> bytes:
    return next(entry.body for entry in log.log_entries() if entry.sequence == sequence)


def proof_of(log: Records, signer: Signer, sequence: int = FIFTH, note: str = "") -> str:
    found = inclusion_of(log, signer.public_key, sequence, body_of(log, sequence))
    return tlog_proof(found, note or found.note)


def cosigned_by_witness(note: str, key: Ed25519PrivateKey = WITNESS) -> str:
    public = key.public_key().public_bytes_raw()
    said = cosign(
        signed_text(note), name="witness.test/hainan", public_key=public, sign=key.sign, time=1_790_000_000
    )
    return note + said.line


def answered(
    proof: str | bytes, body: bytes, signer: Signer, *witnesses: bytes, origin: str = ""
) -> offline.OneAnswer:
    raw = proof if isinstance(proof, bytes) else proof.encode()
    return offline.check_proof(raw, body, offline.Keys(signer.public_key, witnesses), origin)


def rules(answer: offline.OneAnswer) -> set[str]:
    assert answer.ok is not bool(answer.findings), "it fails if, and only if, it says why"
    return {one.rule for one in answer.findings}


# -- what holds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", range(SIZE))
def test_every_proof_that_the_platform_gives_holds(log: Records, log_signer: Signer, sequence: int) -> None:
    leaves = [reference.leaf_hash(entry.body) for entry in log.log_entries()]
    answer = answered(proof_of(log, log_signer, sequence), body_of(log, sequence), log_signer)
    assert rules(answer) == set()
    assert (answer.origin, answer.sequence, answer.size) == (LOG, sequence, SIZE)
    assert answer.root == reference.tree_hash(leaves).hex() and answer.leaf == leaves[sequence].hex()


def test_in_a_log_with_both_trees_the_one_with_sha256_is_proved(
    records_sqlite: Records, log_signer: Signer
) -> None:
    log = eleven_entries(with_profile(records_sqlite, "dual"), log_signer)
    assert rules(answered(proof_of(log, log_signer), body_of(log), log_signer)) == set()


def test_a_witness_that_was_asked_for_has_to_have_cosigned(log: Records, log_signer: Signer) -> None:
    note = log.get(AuditCheckpoint, SIZE).note
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    bare, kept = proof_of(log, log_signer), proof_of(log, log_signer, note=cosigned_by_witness(note))
    body = body_of(log)
    assert answered(kept, body, log_signer, WITNESS_KEY).witnesses == 1
    assert rules(answered(kept, body, log_signer, WITNESS_KEY)) == set()
    assert rules(answered(bare, body, log_signer, WITNESS_KEY)) == {"proof_unwitnessed"}
    both = (WITNESS_KEY, other.public_key().public_bytes_raw())
    assert rules(answered(kept, body, log_signer, *both)) == {"proof_unwitnessed"}


def test_a_cosignature_over_another_time_or_text_does_not_hold(log: Records, log_signer: Signer) -> None:
    note = cosigned_by_witness(log.get(AuditCheckpoint, SIZE).note)
    head, _, line = note.rstrip("\n").rpartition("\n")
    dash, name, encoded = line.split(" ")
    for place in (4, 11, 12, 75):  # the time's first and last byte, the signature's
        blob = bytearray(base64.b64decode(encoded))
        blob[place] ^= 1
        forged = f"{head}\n{dash} {name} {base64.b64encode(blob).decode()}\n"
        answer = answered(proof_of(log, log_signer, note=forged), body_of(log), log_signer, WITNESS_KEY)
        assert rules(answer) == {"cosignature"}


def test_what_a_witness_cosigned_does_not_stand_for_the_logs_own_signature(
    log: Records, log_signer: Signer
) -> None:
    """A note that the witness alone signed: of a whole log that counts as kept; one entry needs both."""
    text, _, _ = log.get(AuditCheckpoint, SIZE).note.partition("\n\n")
    alone = cosigned_by_witness(f"{text}\n\n")
    answer = answered(proof_of(log, log_signer, note=alone), body_of(log), log_signer, WITNESS_KEY)
    assert rules(answer) == {"checkpoint_signature"}


# -- forged entries --------------------------------------------------------------------------------------------------


def test_a_changed_entry_does_not_lead_to_the_root(log: Records, log_signer: Signer) -> None:
    fields, proof = json.loads(body_of(log)), proof_of(log, log_signer)
    for name, value in (("outcome", "refused"), ("reason", "x"), ("ts", "2020-01-01T00:00:00.000000Z")):
        assert rules(answered(proof, canonical_json({**fields, name: value}), log_signer)) == {"proof_root"}


def test_every_flipped_byte_of_the_entry_is_found(log: Records, log_signer: Signer) -> None:
    body, proof = body_of(log), proof_of(log, log_signer)
    for place in range(len(body)):
        spoilt = bytearray(body)
        spoilt[place] ^= 1
        assert "proof_root" in rules(answered(proof, bytes(spoilt), log_signer)), place


@pytest.mark.parametrize("change", ["newline", "spaces", "empty", "binary", "deep", "not an object"])
def test_bytes_that_are_not_the_entrys_own_are_found(log: Records, log_signer: Signer, change: str) -> None:
    body = body_of(log)
    forged = {
        "newline": body + b"\n",
        "spaces": json.dumps(json.loads(body), indent=1).encode(),
        "empty": b"",
        "binary": bytes(range(256)),
        "deep": b"[" * 100_000,
        "not an object": b"[]",
    }[change]
    assert {"body", "proof_root"} <= rules(answered(proof_of(log, log_signer), forged, log_signer))


def test_anothers_entry_is_not_proved_by_it(log: Records, log_signer: Signer) -> None:
    answer = answered(proof_of(log, log_signer), body_of(log, 6), log_signer)
    assert rules(answer) == {"proof_entry", "proof_root"}


# -- forged proofs ---------------------------------------------------------------------------------------------------


def test_an_entry_is_at_no_other_place(log: Records, log_signer: Signer) -> None:
    proof = proof_of(log, log_signer)
    for place in (*range(FIFTH), *range(FIFTH + 1, SIZE)):
        moved = proof.replace(f"index {FIFTH}\n", f"index {place}\n")
        assert {"proof_entry", "proof_root"} <= rules(answered(moved, body_of(log), log_signer))
    for place in (SIZE, SIZE + 1, 2**62):
        moved = proof.replace(f"index {FIFTH}\n", f"index {place}\n")
        assert "proof_beyond" in rules(answered(moved, body_of(log), log_signer))


def test_a_path_with_a_hash_changed_missing_repeated_or_swapped_is_refused(
    log: Records, log_signer: Signer
) -> None:
    head, _, note = proof_of(log, log_signer).partition("\n\n")
    first, index, *path = head.split("\n")
    other = base64.b64encode(bytes(32)).decode()
    forged = [path[:-1], path[1:], [*path, path[-1]], [*path, other], path[::-1], [], [other] * len(path)]
    forged += [[*path[:place], other, *path[place + 1 :]] for place in range(len(path))]
    assert len(path) > 2
    for one in forged:
        text = "\n".join([first, index, *one]) + f"\n\n{note}"
        assert rules(answered(text, body_of(log), log_signer)) == {"proof_root"}


def test_paths_hold_exactly_when_the_platform_says_so() -> None:
    """Random trees, leaves and paths, true ones and spoilt ones, against audit/proof_file.py's own check."""
    drawn = random.Random(20261123)
    agreed = {True: 0, False: 0}
    for _ in range(300):
        leaves = [reference.leaf_hash(drawn.randbytes(4)) for _ in range(drawn.randrange(1, 40))]
        index = drawn.randrange(len(leaves))
        root, path = reference.tree_hash(leaves), reference.path(index, leaves)
        size, place = len(leaves) + drawn.choice((0, 0, 0, 1, -1)), index + drawn.choice((0, 0, 0, 1))
        if drawn.random() < 0.3 and path:
            path = drawn.choice([path[1:], path[:-1], path[::-1], [*path, path[0]]])
        theirs = verify_inclusion(leaves[index], place, size, path, root)
        ours = 0 <= place < size and offline.root_above(leaves[index], place, size, path) == root
        assert ours is theirs
        agreed[ours] += 1
    assert min(agreed.values()) > 50


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("index 5\n", ""),
        ("index 5\n", "index 05\n"),
        ("index 5\n", "index -5\n"),
        ("index 5\n", "index ٥\n"),
        ("index 5\n", "index 99999999999999999999\n"),
        ("index 5\n", "index 5 \n"),
        ("index 5\n", "index 5\nAAAA\n"),
        ("index 5\n", "index 5\n<script>\n"),
        ("index 5\n", "index 5\n" + "A" * 42 + "B=\n"),  # 32 bytes, in base64 that is not its own form
        ("index 5\n", "index 5\n" + ("A" * 43 + "=\n") * 64),
        ("\n\n", "\n"),
        ("\n11\n", "\n011\n"),
        ("\n11\n", "\n"),
    ],
)
def test_a_malformed_proof_is_a_finding(log: Records, log_signer: Signer, said: str, instead: str) -> None:
    text = proof_of(log, log_signer)
    assert said in text
    answer = answered(text.replace(said, instead, 1), body_of(log), log_signer)
    assert rules(answer) == {"proof_text"} and "<script>" not in repr(answer)


@pytest.mark.parametrize(
    "tail", ["", "\n", "\n\n", "\nindex 5", "\nindex 5\n\n", "\n\udcff", "\nindex 5\n\n\x00"]
)
def test_a_proof_that_breaks_off_is_a_finding(log: Records, log_signer: Signer, tail: str) -> None:
    raw = ("c2sp.org/tlog-proof@v1" + tail).encode("utf-8", "surrogateescape")
    assert rules(answered(raw, body_of(log), log_signer)) == {"proof_text"}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"c2sp.org/tlog-proof@v2\nindex 5\n", b"c2sp.org/tlog-proof@v1\r\n", b"\x00" * 9]
)
def test_another_kind_of_file_is_wrong_use(log: Records, log_signer: Signer, content: bytes) -> None:
    with pytest.raises(offline.WrongUse):
        answered(content, body_of(log), log_signer)
    with pytest.raises(offline.WrongUse):
        answered(proof_of(log, log_signer) + "\n" * 2**20, body_of(log), log_signer)


# -- forged checkpoints ----------------------------------------------------------------------------------------------


def test_a_head_of_another_key_is_not_signed(log: Records, log_signer: Signer) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    raw, body = proof_of(log, log_signer).encode(), body_of(log)
    assert rules(offline.check_proof(raw, body, offline.Keys(other, ()))) == {"checkpoint_signature"}


def test_a_head_whose_size_or_root_was_changed_is_not_signed(log: Records, log_signer: Signer) -> None:
    proof, root = proof_of(log, log_signer), base64.b64encode(bytes(32)).decode()
    note = log.get(AuditCheckpoint, SIZE).note
    kept = note.split("\n")[2]
    for forged in (proof.replace("\n11\n", "\n12\n"), proof.replace(kept, root), proof.split("\u2014")[0]):
        assert "checkpoint_signature" in rules(answered(forged, body_of(log), log_signer))


def test_an_older_head_of_the_same_log_does_not_carry_the_path(log: Records, log_signer: Signer) -> None:
    """Signed, of this log, and of another size than the path was made for."""
    older = log.get(AuditCheckpoint, 7).note
    assert rules(answered(proof_of(log, log_signer, note=older), body_of(log), log_signer)) == {"proof_root"}


def test_a_head_or_an_entry_of_another_log_is_refused(log: Records, log_signer: Signer) -> None:
    """The name is signed with the head and hashed with the entry; whoever knows it gives it with --origin."""
    proof, body = proof_of(log, log_signer), body_of(log)
    moved = canonical_json({**json.loads(body), "log": "rwd.other/log"})
    assert rules(answered(proof, moved, log_signer)) == {"checkpoint_origin", "proof_root"}
    assert rules(answered(proof, body, log_signer, origin="rwd.other/log")) == {"body", "checkpoint_origin"}
    assert rules(answered(proof, body, log_signer, origin=LOG)) == set()
    renamed = proof.replace(f"\n\n{LOG}\n", "\n\nrwd.other/log\n")
    assert rules(answered(renamed, body, log_signer)) == {"checkpoint_origin", "checkpoint_signature"}


# -- as a person runs it ---------------------------------------------------------------------------------------------


def run(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """In an interpreter without our packages, our folder or the environment."""
    call = [sys.executable, "-I", "-S", str(VERIFIER), *map(str, arguments)]
    return subprocess.run(call, capture_output=True, check=False)


def test_it_answers_in_both_languages_and_as_json(log: Records, log_signer: Signer, tmp_path: Path) -> None:
    """The key as hex or in a file, the witness as a verifier key; exit 0, 1 and 2."""
    proof, entry, key = tmp_path / "p", tmp_path / "e", tmp_path / "k"
    note = cosigned_by_witness(log.get(AuditCheckpoint, SIZE).note)
    proof.write_bytes(proof_of(log, log_signer, note=note).encode())
    entry.write_bytes(body_of(log))
    key.write_text(log_signer.public_key.hex() + "\n", encoding="utf-8")
    witness = VerifierKey("witness.test/hainan", WITNESS_KEY, COSIGNATURE).text
    asked = ("--proof", proof, "--entry", entry, "--key", key)
    good = run(*asked, "--witness", witness)
    said = good.stdout.decode()
    assert good.returncode == 0 and "✓ 核验通过 verified" in said and "第 5 条 entry 5" in said
    assert run(*asked[:4], "--key", log_signer.public_key.hex()).returncode == 0
    told = json.loads(run(*asked, "--json").stdout)
    assert (told["ok"], told["sequence"], told["size"], told["findings"]) == (True, FIFTH, SIZE, [])
    entry.write_bytes(body_of(log).replace(b"because", b"becausE"))
    bad = run(*asked)
    assert bad.returncode == 1 and "✗ 核验不通过 NOT verified" in bad.stdout.decode()
    (finding,) = json.loads(run(*asked, "--json").stdout)["findings"]
    assert finding["rule"] == "proof_root" and "第 5 条" in finding["zh"] and "Entry 5" in finding["en"]


def test_wrong_use_is_told_without_a_traceback(log: Records, log_signer: Signer, tmp_path: Path) -> None:
    proof, entry, key = tmp_path / "p", tmp_path / "e", log_signer.public_key.hex()
    proof.write_bytes(proof_of(log, log_signer).encode())
    entry.write_bytes(body_of(log))
    for wrong in (
        ("--proof", proof, "--key", key),
        ("--entry", entry, "--key", key),
        ("--proof", proof, "--entry", entry),
        ("--proof", proof, "--entry", entry, "--key", "xyz"),
        ("--proof", entry, "--entry", proof, "--key", key),
        ("--proof", tmp_path / "none", "--entry", entry, "--key", key),
        ("--proof", proof, "--entry", tmp_path, "--key", key),
        (tmp_path, "--proof", proof, "--entry", entry, "--key", key),
        ("--proof", proof, "--entry", entry, "--key", key, "--checkpoint", proof),
        ("--proof", proof, "--entry", entry, "--key", key, "--witness", "x+y+z"),
        ("--key", key),
    ):
        answer = run(*wrong)
        assert (answer.returncode, answer.stdout) == (2, b"") and b"Traceback" not in answer.stderr, wrong
