"""The hashes of a log's trees: SM3 is the standard's, wherever it comes from, and the tree is the RFC's with it."""

from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash

from rwd_platform.log.hashes import (
    PROFILES,
    SHA256_TREE,
    SM3_TREE,
    sha256,
    sm3,
    sm3_by,
    tree_of,
)
from rwd_platform.log.merkle import (
    consistency_proof,
    inclusion_proof,
    nodes_completed_by,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.audit.test_offline_verifier import SM3_EXAMPLES

MOST = 33


def theirs(content: bytes) -> bytes:
    hashed = Hash(SM3())
    hashed.update(content)
    return hashed.finalize()


@pytest.mark.parametrize(("message", "digest"), SM3_EXAMPLES)
@pytest.mark.parametrize("available", [set(), {"sm3", "sha256"}], ids=["cryptography", "openssl"])
def test_sm3_is_that_of_the_standard_from_either_library(
    message: bytes, digest: str, available: set[str]
) -> None:
    """GB/T 32905-2016, annex A. Where OpenSSL lacks it the cryptography package has it."""
    if available and "sm3" not in hashlib.algorithms_available:
        pytest.skip("this machine's OpenSSL has no SM3")
    assert sm3_by(available)(message).hex() == digest


def test_sm3_is_the_same_from_both_for_any_length() -> None:
    drawn = random.Random(3)
    for length in range(0, 200, 7):
        message = drawn.randbytes(length)
        assert sm3(message) == sm3_by(set())(message) == theirs(message)


def test_a_profile_names_its_trees_and_a_head_says_which_it_is_of() -> None:
    """The tree with SHA-256 has the log's own name, so that a log of before is read as it was."""
    assert PROFILES["sha256"] == (SHA256_TREE,)
    assert PROFILES["sm3"] == (SM3_TREE,)
    assert PROFILES["dual"] == (SHA256_TREE, SM3_TREE)
    for tree in PROFILES["dual"]:
        assert tree_of(tree.origin("rwd.test/log"), "rwd.test/log") == tree
    assert SHA256_TREE.origin("rwd.test/log") == "rwd.test/log"
    assert tree_of("odd/sm3", "odd/sm3") == SHA256_TREE  # a log that is itself named so


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1 word for word, with the other library's SM3."""
    if not leaves:
        return theirs(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return theirs(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:]))


LEAVES = [theirs(b"\x00" + str(number).encode()) for number in range(MOST)]


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_the_tree_with_sm3_has_the_rfcs_roots_and_proofs(size: int) -> None:
    """Every proof verifies with SM3, and none with SHA-256, nor a forged one with SM3."""
    nodes: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(LEAVES[:size]):
        assert leaf == SM3_TREE.leaf(str(index).encode())
        for level, position, hashed in nodes_completed_by(index, leaf, lambda *node: nodes[node], sm3):
            nodes[level, position] = hashed
    root = root_of(size, lambda *node: nodes[node], sm3)
    assert root == tree_hash(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, lambda *node: nodes[node], sm3)
        assert verify_inclusion(LEAVES[index], index, size, proof, root, sm3)
        assert verify_inclusion(LEAVES[index], index, size, proof, root, sha256) is (size == 1)
        assert not verify_inclusion(LEAVES[index], index, size, [*proof, root], root, sm3)
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, lambda *node: nodes[node], sm3)
        was = tree_hash(LEAVES[:old])
        assert verify_consistency(old, size, was, root, proof, sm3)
        assert verify_consistency(old, size, was, root, proof, sha256) is (old == size)
        assert not verify_consistency(old, size, root, was, proof, sm3) or old == size


def test_every_tree_with_sm3_extends_its_own_empty_one() -> None:
    root = tree_hash(LEAVES[:5])
    assert root_of(0, lambda *_: b"", sm3) == theirs(b"")
    assert verify_consistency(0, 5, theirs(b""), root, [], sm3)
    assert not verify_consistency(0, 5, hashlib.sha256().digest(), root, [], sm3)
