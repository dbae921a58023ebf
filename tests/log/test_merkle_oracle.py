"""Our tree beside tlog-scales, an implementation of C2SP tlog-tiles by other people: neither knows the other's code.

Theirs computes its nodes from tiles, ours stores perfect subtrees; both are fed the same entries and asked for every
proof of every tree up to 65 leaves. What one makes the other accepts, and what is forged both refuse.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import pytest

from rwd_platform.log.checkpoint import Checkpoint, sign_checkpoint
from rwd_platform.log.merkle import (
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from rwd_platform.signing.ed25519 import Signer
from tests.log.test_merkle import FORGED, LEAVES, MOST, READ

tlog = pytest.importorskip("tlog_scales.tlog", reason="the other implementation is a test's requirement")
reader = pytest.importorskip("tlog_scales.reader", reason="the other implementation is not installed")
signing = pytest.importorskip("tlog_scales.signing", reason="the other implementation is not installed")

SIZES = range(1, MOST + 1)


class Tiles:
    """One tile of leaf hashes: all that a tree of 65 leaves needs (a tile holds 256)."""

    def get(self, *path: str) -> bytes | None:
        if path[:2] != ("tile", "0"):
            return None
        size = int(path[-1]) if path[2].endswith(".p") else 256
        return b"".join(LEAVES[:size]) if size <= MOST else None


def theirs(size: int) -> object:
    found = reader.TilesReader(Tiles())
    found.set_size(size)
    return found


def they_accept_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    try:
        tlog.InclusionProof(index, size, list(proof)).check(leaf, root)
    except tlog.InclusionProofInvalid:
        return False
    return True


def they_accept_consistency(old: int, size: int, was: bytes, root: bytes, proof: list[bytes]) -> bool:
    try:
        tlog.ConsistencyProof(old, size, list(proof)).check(was, root)
    except tlog.ConsistencyProofInvalid:
        return False
    return True


def flipped(one: bytes) -> bytes:
    return bytes([one[0] ^ 1, *one[1:]])


def forged_paths(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Each hash flipped, removed, doubled, followed by another, swapped with each later one; and all in reverse."""
    for place, step in enumerate(proof):
        yield [*proof[:place], flipped(step), *proof[place + 1 :]]
        yield [*proof[:place], *proof[place + 1 :]]
        yield [*proof[:place], step, *proof[place:]]
        for other in range(place + 1, len(proof)):
            swapped = list(proof)
            swapped[place], swapped[other] = swapped[other], swapped[place]
            yield swapped
    for place in range(len(proof) + 1):
        yield [*proof[:place], FORGED, *proof[place:]]


def sides(index: int, size: int) -> list[bool]:
    """From the root down: whether the leaf lies in the left part of each split (RFC 9162 2.1.3.1, literally).

    A path does not say how large the tree is beyond this shape; the size is what the checkpoint signs.
    """
    if size == 1:
        return []
    split = 1
    while split * 2 < size:
        split *= 2
    return [True, *sides(index, split)] if index < split else [False, *sides(index - split, size - split)]


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_are_byte_for_byte_those_of_the_other_implementation(size: int) -> None:
    """And each accepts what the other made."""
    other, root = theirs(size), root_of(size, READ)
    assert root == other.calculate_root_hash()
    for index in range(size):
        ours, made = inclusion_proof(index, size, READ), other.get_inclusion_proof(index, size)
        assert ours == made.node_hashes
        assert they_accept_inclusion(LEAVES[index], index, size, ours, root)
        assert verify_inclusion(LEAVES[index], index, size, made.node_hashes, root)
    for old in range(1, size + 1):
        ours, was = consistency_proof(old, size, READ), root_of(old, READ)
        made = other.get_consistency_proof(old, size).node_hashes
        assert ours == made
        assert they_accept_consistency(old, size, was, root, ours)
        assert verify_consistency(old, size, was, root, made)


@pytest.mark.parametrize("size", SIZES)
def test_every_forged_inclusion_proof_is_refused_by_both(size: int) -> None:
    """Each hash flipped, removed, added or swapped; another leaf, root, index or size."""
    root = root_of(size, READ)
    for index in range(size):
        leaf, proof = LEAVES[index], inclusion_proof(index, size, READ)
        for path in forged_paths(proof):
            assert not verify_inclusion(leaf, index, size, path, root)
            assert not they_accept_inclusion(leaf, index, size, path, root)
        for wrong_leaf, wrong_root in ((flipped(leaf), root), (leaf, flipped(root)), (root, leaf)):
            if (wrong_leaf, wrong_root) != (leaf, root):
                assert not verify_inclusion(wrong_leaf, index, size, proof, wrong_root)
                assert not they_accept_inclusion(wrong_leaf, index, size, proof, wrong_root)
        for place, count in [
            (place, size) for place in {index - 1, index + 1, size - 1, 0, size} - {index, -1}
        ] + [(index, count) for count in {size - 1, size + 1, 2 * size, 1} - {size, 0}]:
            same_shape = place < count and sides(place, count) == sides(index, size)
            assert verify_inclusion(leaf, place, count, proof, root) is same_shape
            assert they_accept_inclusion(leaf, place, count, proof, root) is same_shape


@pytest.mark.parametrize("size", SIZES)
def test_every_forged_consistency_proof_is_refused_by_both(size: int) -> None:
    """Each hash flipped, removed, added or swapped; another root on either side; the sizes the wrong way round."""
    root = root_of(size, READ)
    for old in range(1, size + 1):
        was, proof = root_of(old, READ), consistency_proof(old, size, READ)
        for path in forged_paths(proof):
            assert not verify_consistency(old, size, was, root, path)
            assert not they_accept_consistency(old, size, was, root, path)
        for wrong_was, wrong_root in ((flipped(was), root), (was, flipped(root)), (root, was)):
            if (wrong_was, wrong_root) != (was, root):
                assert not verify_consistency(old, size, wrong_was, wrong_root, proof)
                assert not they_accept_consistency(old, size, wrong_was, wrong_root, proof)
        if old < size:
            assert not verify_consistency(size, old, root, was, proof)
            assert not they_accept_consistency(size, old, root, was, proof)


@pytest.mark.parametrize("size", SIZES)
def test_with_other_sizes_both_say_the_same_of_a_consistency_proof(size: int) -> None:
    """A path that fits another pair of sizes is accepted by both or by neither (the sizes are signed beside it)."""
    root = root_of(size, READ)
    for old in range(1, size + 1):
        was, proof = root_of(old, READ), consistency_proof(old, size, READ)
        for first, second in (
            (old - 1, size),
            (old + 1, size),
            (old, size + 1),
            (old, size - 1),
            (old, 2 * size),
        ):
            said = verify_consistency(first, second, was, root, proof)
            assert said is they_accept_consistency(first, second, was, root, proof)
            if first != old:  # which tree is extended is bound by its root
                assert not said


def test_the_other_implementation_reads_and_verifies_our_checkpoint(log_signer: Signer) -> None:
    """A signed note of ours: their parser finds origin, size and root, and their verifier accepts the signature."""
    head = Checkpoint("rwd.test/log", MOST, root_of(MOST, READ))
    note = sign_checkpoint(
        head, key_name=log_signer.name, public_key=log_signer.public_key, sign=log_signer.sign
    )
    read = tlog.Checkpoint.from_text(note)
    assert (read.origin, read.size, read.root_hash) == (head.origin, head.size, head.root)
    read.verify(signing.Vkey(log_signer.name, None, 1, log_signer.public_key))
    assert read.serialize() == note


def test_we_read_and_verify_a_checkpoint_of_the_other_implementation() -> None:
    """And the other way round, signed by their signer under a key of its own."""
    from rwd_platform.log.checkpoint import checkpoint_is_signed_by, parse_checkpoint
    from rwd_platform.signing import ed25519

    theirs_signer = signing.PlainEd25519Signer("elsewhere.test/log", b"k" * 32)
    root = hashlib.sha256(b"root").digest()
    note = tlog.Checkpoint.make_signed("elsewhere.test/log", 5, root, [theirs_signer]).serialize()
    assert parse_checkpoint(note) == Checkpoint("elsewhere.test/log", 5, root)
    key = theirs_signer.vkey.pubkey
    assert checkpoint_is_signed_by(note, key, lambda text, blob: ed25519.verify(key, text, blob))
    assert base64.b64encode(root).decode() in note
