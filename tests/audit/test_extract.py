"""An extract proves its entries to somebody who has nothing but the public key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.extract import AuditExtract, extract
from rwd_platform.audit.verify import verify_extract
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.log.merkle import verify_inclusion
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint
from rwd_platform.signing.ed25519 import Signer


@pytest.fixture
def records(records_sqlite: Records) -> Records:
    return records_sqlite


@pytest.fixture
def checkpoint(records: Records, log_signer: Signer) -> AuditCheckpoint:
    """Twelve entries about three studies, then a head, then one entry more."""
    for turn in range(12):
        act = Act(
            Actor("u", "researcher", "org"), "study.read", Object("study", f"s-{turn % 3}"), reason="a\u2028b"
        )
        records.record(act)
    head = make_checkpoint(records, log_signer, "release")
    records.record(Act(Actor("u", "researcher", "org"), "study.read", Object("study", "s-1")))
    return head


@pytest.fixture
def of_study(records: Records, checkpoint: AuditCheckpoint) -> AuditExtract:
    return extract(records, object_ids=["s-1"], checkpoint=checkpoint)


def test_an_extract_holds_the_exact_bytes_and_a_proof_for_each(
    records: Records, of_study: AuditExtract, log_signer: Signer
) -> None:
    """Four entries about the study, in order; what came after the checkpoint is not covered and not there."""
    lines = of_study.entries_jsonl.split(b"\n")[:-1]
    bodies = {row.sequence: row.body for row in records.log_entries()}
    assert [proof["sequence"] for proof in of_study.proofs] == [1, 4, 7, 10]
    assert lines == [bodies[sequence] for sequence in (1, 4, 7, 10)]
    assert all(set(proof) == {"sequence", "leaf_hash", "path"} for proof in of_study.proofs)
    verified = verify_extract(of_study.as_file(), public_key=log_signer.public_key)
    assert (verified.ok, verified.entries, verified.size) == (True, 4, 12)


@pytest.mark.postgres
def test_an_extract_is_the_same_on_postgresql(
    records_postgres: Records, of_study: AuditExtract, log_signer: Signer
) -> None:
    """The same acts at the same times give the same bytes, whichever database held them."""
    for turn in range(12):
        act = Act(
            Actor("u", "researcher", "org"), "study.read", Object("study", f"s-{turn % 3}"), reason="a\u2028b"
        )
        records_postgres.record(act)
    head = make_checkpoint(records_postgres, log_signer, "release")
    assert extract(records_postgres, object_ids=["s-1"], checkpoint=head) == of_study


def test_a_predicate_chooses_and_no_filter_takes_all(records: Records, checkpoint: AuditCheckpoint) -> None:
    """By any field of the entry; both filters together mean both."""
    late = extract(records, predicate=lambda fields: fields["seq"] > 8, checkpoint=checkpoint)
    both = extract(
        records, object_ids=["s-1"], predicate=lambda fields: fields["seq"] > 8, checkpoint=checkpoint
    )
    everything = extract(records, checkpoint=checkpoint)
    assert [proof["sequence"] for proof in late.proofs] == [9, 10, 11]
    assert [proof["sequence"] for proof in both.proofs] == [10]
    assert len(everything.proofs) == 12


@pytest.mark.parametrize("ids", [[], ["none"], [f"none-{turn}" for turn in range(1500)]])
def test_an_extract_about_nothing_is_empty_and_valid(
    records: Records, checkpoint: AuditCheckpoint, ids: list[str], log_signer: Signer
) -> None:
    """No entries, a signed head: that is an answer too."""
    empty = extract(records, object_ids=ids, checkpoint=checkpoint)
    assert (empty.entries_jsonl, empty.proofs) == (b"", [])
    assert verify_extract(empty.as_file(), public_key=log_signer.public_key).ok


def test_an_older_checkpoint_gives_proofs_for_its_own_size(
    records: Records, checkpoint: AuditCheckpoint, of_study: AuditExtract, log_signer: Signer
) -> None:
    """The log grows; the extract of the same checkpoint stays the same bytes."""
    for _ in range(20):
        records.record(Act(Actor("u", "researcher", "org"), "study.read", Object("study", "s-1")))
    make_checkpoint(records, log_signer, "later")
    assert extract(records, object_ids=["s-1"], checkpoint=checkpoint) == of_study


def test_proofs_hold_for_another_implementation(of_study: AuditExtract) -> None:
    """The path alone leads from the leaf to the signed root."""
    import base64

    _, size, root = of_study.checkpoint.split("\n")[:3]
    for proof in of_study.proofs:
        path = [bytes.fromhex(step) for step in proof["path"]]
        leaf = bytes.fromhex(proof["leaf_hash"])
        assert verify_inclusion(leaf, proof["sequence"], int(size), path, base64.b64decode(root))


def spoil_entry(document: dict[str, Any]) -> None:
    document["entries"][1] = document["entries"][1].replace("researcher", "operator__")


def spoil_order(document: dict[str, Any]) -> None:
    document["entries"].reverse()
    document["proofs"].reverse()


def spoil_pairing(document: dict[str, Any]) -> None:
    document["entries"][0], document["entries"][1] = document["entries"][1], document["entries"][0]


def repeat_entry(document: dict[str, Any]) -> None:
    document["entries"].append(document["entries"][-1])
    document["proofs"].append(document["proofs"][-1])


def spoil_leaf(document: dict[str, Any]) -> None:
    document["proofs"][0]["leaf_hash"] = "00" * 32


def spoil_path(document: dict[str, Any]) -> None:
    document["proofs"][0]["path"][0] = "00" * 32


def shorten_path(document: dict[str, Any]) -> None:
    document["proofs"][0]["path"].pop()


def move_entry(document: dict[str, Any]) -> None:
    document["proofs"][0]["sequence"] = 2


def spoil_size(document: dict[str, Any]) -> None:
    document["checkpoint"] = document["checkpoint"].replace("\n12\n", "\n13\n", 1)


def unsign(document: dict[str, Any]) -> None:
    document["checkpoint"] = document["checkpoint"].split("\n\n")[0] + "\n\n"


def pad_entry(document: dict[str, Any]) -> None:
    document["entries"][0] = document["entries"][0] + " "


CHANGES = {
    spoil_entry: "proof", spoil_order: "order", spoil_pairing: "order", repeat_entry: "order", spoil_leaf: "order",
    spoil_path: "proof", shorten_path: "proof", move_entry: "order", spoil_size: "checkpoint_signature",
    unsign: "checkpoint_signature", pad_entry: "body",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_any_change_is_found(
    of_study: AuditExtract, log_signer: Signer, change: Callable[[dict[str, Any]], None]
) -> None:
    """Entry, order, proof, head, signature: each change has its finding."""
    document = json.loads(of_study.as_file())
    change(document)
    found = verify_extract(json.dumps(document).encode(), public_key=log_signer.public_key)
    assert not found.ok
    assert CHANGES[change] in {finding.rule for finding in found.findings}


def test_a_wrong_key_is_found(of_study: AuditExtract) -> None:
    """Anybody can build a tree; only our key signs its head."""
    other = Signer("x", Ed25519PrivateKey.from_private_bytes(b"o" * 32))
    found = verify_extract(of_study.as_file(), public_key=other.public_key)
    assert [finding.rule for finding in found.findings] == ["checkpoint_signature"]


def test_a_kept_checkpoint_is_compared(
    records: Records, of_study: AuditExtract, checkpoint: AuditCheckpoint, log_signer: Signer
) -> None:
    """Of the same size it must be the same head; of another size an extract cannot tell, and says so."""
    key = log_signer.public_key
    assert verify_extract(of_study.as_file(), public_key=key, checkpoint_note=checkpoint.note).ok
    later = make_checkpoint(records, log_signer, "later").note
    found = verify_extract(of_study.as_file(), public_key=key, checkpoint_note=later)
    assert [finding.rule for finding in found.findings] == ["not_comparable"]


def test_a_file_is_read_from_its_path(of_study: AuditExtract, tmp_path: Path, log_signer: Signer) -> None:
    """`rwd audit verify --extract FILE`; an absent file is an error with a next step."""
    path = tmp_path / "extract.json"
    path.write_bytes(of_study.as_file())
    assert verify_extract(path, public_key=log_signer.public_key).ok
    with pytest.raises(PlatformError, match=r"audit\.extract_not_found"):
        verify_extract(tmp_path / "none.json", public_key=log_signer.public_key)


def spoilt(document: dict[str, Any], path: str, value: Any) -> bytes:
    *sections, key = path.split(".")
    inner: Any = document
    for section in sections:
        inner = inner[int(section) if section.isdigit() else section]
    inner[key] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [("format", "zip"), ("format_version", 2), ("checkpoint", None), ("checkpoint", ""), ("entries", {}),
     ("entries", [1]),
     ("entries", []), ("proofs", None), ("proofs", [[]]), ("proofs.0.sequence", "1"), ("proofs.0.sequence", True),
     ("proofs.0.path", "00"), ("proofs.0.path", ["zz" * 32]), ("proofs.0.path", [None]), ("proofs.0.leaf_hash", "0"),
     ("proofs.0.more", 1), ("entries", ["\ud800"] * 4)],
)  # fmt: skip
def test_a_malformed_extract_is_an_error_and_no_crash(
    of_study: AuditExtract, log_signer: Signer, path: str, value: Any
) -> None:
    """Whatever is in the file: exit 2 with the place, in both languages."""
    raw = spoilt(json.loads(of_study.as_file()), path, value)
    with pytest.raises(PlatformError) as caught:
        verify_extract(raw, public_key=log_signer.public_key)
    assert caught.value.exit == 2


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{"])
def test_what_is_no_extract_is_an_error(raw: bytes, log_signer: Signer) -> None:
    """An empty, cut or absurd file."""
    with pytest.raises(PlatformError, match=r"audit\.extract_malformed"):
        verify_extract(raw, public_key=log_signer.public_key)
