"""The Merkle tree of RFC 9162 (section 2.1), by stored perfect subtrees.

A node (level, index) covers the leaves [index * 2**level, (index + 1) * 2**level). A perfect
subtree never changes once complete, so appending, proving and checking touch O(log n) stored
nodes. The incomplete right edge is recomputed when asked for. The hash is a parameter of the log
(log/hashes.py); where none is named it is SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rwd_platform.log.hashes import Digest, sha256

Node = tuple[int, int]
ReadNode = Callable[[int, int], bytes]

EMPTY_ROOT = sha256(b"")


def node_hash(left: bytes, right: bytes, digest: Digest = sha256) -> bytes:
    """RFC 9162 2.1.1: HASH(0x01 || left || right)."""
    return digest(b"\x01" + left + right)


def nodes_completed_by(
    index: int, leaf: bytes, read: ReadNode, digest: Digest = sha256
) -> Iterator[tuple[int, int, bytes]]:
    """The nodes that become complete when leaf `index` is appended, the leaf itself first."""
    level, hashed = 0, leaf
    yield level, index, hashed
    while index & 1:
        hashed = digest(b"\x01" + read(level, index - 1) + hashed)
        level, index = level + 1, index >> 1
        yield level, index, hashed


def _perfect_subtrees(start: int, end: int) -> list[Node]:
    """The perfect subtrees whose leaves are exactly [start, end), left to right, largest first.

    `start` must be a multiple of the largest power of two not greater than end - start, which
    holds for every range that RFC 9162 splits.
    """
    subtrees: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        subtrees.append((level, start >> level))
        start += 1 << level
    return subtrees


def _range_root(start: int, end: int, read: ReadNode, digest: Digest) -> bytes:
    """MTH of the leaves [start, end): perfect subtrees folded from the right."""
    subtrees = _perfect_subtrees(start, end)
    root = read(*subtrees[-1])
    for level, index in reversed(subtrees[:-1]):
        root = digest(b"\x01" + read(level, index) + root)
    return root


def root_of(size: int, read: ReadNode, digest: Digest = sha256) -> bytes:
    """The tree head of the first `size` leaves; of none it is the hash of nothing."""
    return _range_root(0, size, read, digest) if size else digest(b"")


def _split(start: int, end: int) -> int:
    """RFC 9162: the largest power of two smaller than the number of leaves."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def inclusion_proof(index: int, size: int, read: ReadNode, digest: Digest = sha256) -> list[bytes]:
    """RFC 9162 2.1.3.1, from the leaf's sibling up. Raises ValueError unless 0 <= index < size."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not among the first {size}")
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            path.append(_range_root(middle, end, read, digest))
            end = middle
        else:
            path.append(_range_root(start, middle, read, digest))
            start = middle
    return path[::-1]


def consistency_proof(old_size: int, size: int, read: ReadNode, digest: Digest = sha256) -> list[bytes]:
    """RFC 9162 2.1.4.1. Raises ValueError unless 0 < old_size <= size."""
    if not 0 < old_size <= size:
        raise ValueError(f"a tree of {size} cannot be shown to extend one of {old_size}")
    start, end, whole = 0, size, True
    path: list[bytes] = []
    while old_size != end:
        middle = _split(start, end)
        if old_size <= middle:
            path.append(_range_root(middle, end, read, digest))
            end = middle
        else:
            path.append(_range_root(start, middle, read, digest))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(start, end, read, digest))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes, digest: Digest = sha256
) -> bool:
    """RFC 9162 2.1.3.2."""
    if not 0 <= index < size:
        return False
    first, second, computed = index, size - 1, leaf
    for sibling in proof:
        if second == 0:
            return False
        if first & 1 or first == second:
            computed = digest(b"\x01" + sibling + computed)
            while first and not first & 1:
                first, second = first >> 1, second >> 1
        else:
            computed = digest(b"\x01" + computed + sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and computed == root


def verify_consistency(
    old_size: int, size: int, old_root: bytes, root: bytes, proof: list[bytes], digest: Digest = sha256
) -> bool:
    """RFC 9162 2.1.4.2. A tree extends the empty one without a proof."""
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == digest(b"")
    if not 0 < old_size < size:
        return False
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    first, second = old_size - 1, size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    old_computed = computed = hashes[0]
    for sibling in hashes[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            old_computed = digest(b"\x01" + sibling + old_computed)
            computed = digest(b"\x01" + sibling + computed)
            while first and not first & 1:
                first, second = first >> 1, second >> 1
        else:
            computed = digest(b"\x01" + computed + sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and old_computed == old_root and computed == root
