"""The tree of RFC 9162: published roots, every proof up to 65 leaves, and no forged one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.log.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    node_hash,
    nodes_completed_by,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.log import reference

MOST = 65
LEAVES = [reference.leaf_hash(str(number).encode()) for number in range(MOST)]
FORGED = reference.leaf_hash(b"forged")

# The certificate-transparency test tree: its eight entries and the root after each.
CT_ENTRIES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def stored(leaves: list[bytes]) -> Callable[[int, int], bytes]:
    """The nodes as the product stores them, appended one leaf at a time."""
    nodes: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(leaves):
        for level, position, hashed in nodes_completed_by(index, leaf, lambda *node: nodes[node]):
            assert (level, position) not in nodes  # a complete node never changes
            nodes[level, position] = hashed
    assert len(nodes) == 2 * len(leaves) - len(leaves).bit_count()
    return lambda *node: nodes[node]


READ = stored(LEAVES)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_tree_has_its_published_roots(size: int) -> None:
    """Eight entries that every certificate log is tested with."""
    leaves = [reference.leaf_hash(bytes.fromhex(entry)) for entry in CT_ENTRIES[:size]]
    assert root_of(size, stored(leaves)).hex() == CT_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """RFC 9162 2.1.1: MTH({}) = SHA-256()."""
    assert root_of(0, READ) == EMPTY_ROOT == reference.tree_hash([])
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_inclusion_proof_is_the_one_of_the_rfc(size: int) -> None:
    """For every leaf of every tree: the root and the path equal the recursive definition, and verify."""
    root = root_of(size, READ)
    assert root == reference.tree_hash(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, READ)
        assert proof == reference.path(index, LEAVES[:size])
        assert verify_inclusion(LEAVES[index], index, size, proof, root)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_no_forged_inclusion_proof_is_accepted(size: int) -> None:
    """Another leaf, another place, another size, a longer, shorter or altered path: all are refused."""
    root = root_of(size, READ)
    for index in range(size):
        leaf, proof = LEAVES[index], inclusion_proof(index, size, READ)
        assert not verify_inclusion(FORGED, index, size, proof, root)
        assert not verify_inclusion(leaf, index, size, proof, FORGED)
        assert not verify_inclusion(leaf, index, size, [*proof, FORGED], root)
        assert not verify_inclusion(leaf, index, size, [FORGED, *proof], root)
        for place in {(index + 1) % size, size - 1, 0} - {index}:
            assert not verify_inclusion(leaf, place, size, proof, root)
        for place in (-1, size, size + 1):
            assert not verify_inclusion(leaf, place, size, proof, root)
        if proof:
            assert not verify_inclusion(leaf, index, size, proof[:-1], root)
            assert not verify_inclusion(leaf, index, size, [FORGED, *proof[1:]], root)
            assert not verify_inclusion(leaf, index, size, [*proof[:-1], FORGED], root)


def test_an_inner_node_is_no_leaf() -> None:
    """Leaves and nodes are hashed with different first bytes, so a node cannot pass for an entry."""
    left, right = LEAVES[:2]
    assert node_hash(left, right) != reference.leaf_hash(left + right)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_consistency_proof_is_the_one_of_the_rfc(size: int) -> None:
    """Each tree is shown to extend each smaller one; the proofs equal the recursive definition."""
    root = root_of(size, READ)
    for old in range(1, size + 1):
        proof, old_root = consistency_proof(old, size, READ), root_of(old, READ)
        assert proof == reference.proof(old, LEAVES[:size])
        assert verify_consistency(old, size, old_root, root, proof)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_no_forged_consistency_proof_is_accepted(size: int) -> None:
    """A rewritten past, a wrong root, a longer, shorter or altered proof: all are refused."""
    root = root_of(size, READ)
    rewritten = [FORGED, *LEAVES[1:size]]
    for old in range(1, size + 1):
        proof, old_root = consistency_proof(old, size, READ), root_of(old, READ)
        assert not verify_consistency(old, size, FORGED, root, proof)
        assert not verify_consistency(old, size, old_root, FORGED, proof)
        assert not verify_consistency(old, size, old_root, root, [*proof, FORGED])
        assert not verify_consistency(size, old, root, old_root, proof) or old == size
        forged = reference.proof(old, rewritten)
        assert not verify_consistency(old, size, old_root, reference.tree_hash(rewritten), forged)
        if proof:
            assert not verify_consistency(old, size, old_root, root, proof[:-1])
            assert not verify_consistency(old, size, old_root, root, [*proof[:-1], FORGED])
            assert not verify_consistency(old, size, old_root, root, [])


def test_every_tree_extends_the_empty_one_without_a_proof() -> None:
    """And only the true empty root stands for nothing."""
    assert verify_consistency(0, 5, EMPTY_ROOT, root_of(5, READ), [])
    assert not verify_consistency(0, 5, FORGED, root_of(5, READ), [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, root_of(5, READ), [FORGED])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_proof_of_what_is_not_there_cannot_be_asked_for(index: int, size: int) -> None:
    """A wrong question is a programming error and says so."""
    with pytest.raises(ValueError, match="is not among"):
        inclusion_proof(index, size, READ)


@pytest.mark.parametrize(("old", "size"), [(0, 3), (4, 3), (-1, 3)])
def test_only_a_smaller_tree_can_be_extended(old: int, size: int) -> None:
    """Consistency is asked of an older, non-empty head."""
    with pytest.raises(ValueError, match="cannot be shown"):
        consistency_proof(old, size, READ)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_large_trees_prove_what_small_ones_do(data: st.DataObject) -> None:
    """Any tree up to 600 leaves: proofs verify and have at most log2(n) + 1 steps."""
    size = data.draw(st.integers(66, 600))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    leaves = [reference.leaf_hash(f"{size}/{number}".encode()) for number in range(size)]
    read = stored(leaves)
    root = root_of(size, read)
    inclusion, consistency = inclusion_proof(index, size, read), consistency_proof(old, size, read)
    assert root == reference.tree_hash(leaves)
    assert verify_inclusion(leaves[index], index, size, inclusion, root)
    assert verify_consistency(old, size, reference.tree_hash(leaves[:old]), root, consistency)
    assert max(len(inclusion), len(consistency) - 1) <= size.bit_length()
