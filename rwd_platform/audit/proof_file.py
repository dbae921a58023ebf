"""Where one entry stands under a signed head of the log, looked at again every time; and that as a file to take away.

The file is a C2SP tlog-proof (c2sp.org/tlog-proof@v1): the entry's number, the hashes from its leaf up to the root
(RFC 9162, 2.1.3), and the signed head with every cosignature of a witness that holds. With the entry's bytes and the
log's public key it needs nothing of ours.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum

from rwd_platform.audit.checkpoints import Head, latest_checkpoint, stored_nodes
from rwd_platform.audit.notes import is_signed
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.checkpoint import Checkpoint, parse_checkpoint
from rwd_platform.log.hashes import SHA256_TREE, TreeHash
from rwd_platform.log.merkle import inclusion_proof, verify_inclusion
from rwd_platform.records.records import Records

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"

NOT_PROVED = Problem(
    code="audit.entry_not_proved",
    zh="第 {sequence} 条现在没有可下载的包含证明：{why_zh}。",
    en="There is no proof of entry {sequence} to download now: {why}.",
    next_zh="尚未签名的条目请一分钟后再试；其他情况请运行 `rwd audit verify`。",
    next_en="For an entry that no head covers yet, try again in a minute; otherwise run `rwd audit verify`.",
    http=409,
    exit=Exit.REFUSED,
)
NEEDS_SHA256 = Problem(
    code="audit.proof_needs_sha256",
    zh="本部署的日志只有 SM3 哈希树，而这种证明文件使用 SHA-256。",
    en="The log of this deployment has a tree with SM3 alone, and proof files of this kind are with SHA-256.",
    next_zh="请在条目页面查看 SM3 证明，或用 `rwd audit export` 导出整个日志核验。",
    next_en="The entry's page shows its proof with SM3; `rwd audit export` writes the whole log out to be verified.",
    http=409,
    exit=Exit.REFUSED,
)


class Standing(StrEnum):
    """What was found of one entry."""

    PROVED = "proved"
    NOT_COVERED = "not_covered"  # no head covers it yet: it is newer than the newest
    NO_HEAD = "no_head"  # nothing has been signed yet
    UNSIGNED = "unsigned"  # the newest head is no note, or not signed by this log's key
    CHANGED = "changed"  # the entry, or a hash above it, is not what the head was signed over


@dataclass(frozen=True)
class Inclusion:
    """An entry under the newest head of a tree. `path` goes from the leaf's sibling up; empty where nothing is proved.

    root -- what the head claims
    """

    standing: Standing
    sequence: int
    tree: str
    leaf: bytes
    size: int = 0
    root: bytes = b""
    path: tuple[bytes, ...] = ()
    note: str = ""
    at: str = ""

    @property
    def is_proved(self) -> bool:
        return self.standing is Standing.PROVED


def inclusion_of(
    records: Records, public_key: bytes, sequence: int, body: bytes, tree: TreeHash | None = None
) -> Inclusion:
    """The entry's leaf is made of `body`, its path of the stored nodes; both are held to the newest signed head."""
    chosen = tree or records.book.trees[0]
    leaf = chosen.leaf(body)
    head = latest_checkpoint(records, chosen)
    if head is None:
        return Inclusion(Standing.NO_HEAD, sequence, chosen.name, leaf)
    claim = claim_of(head, chosen, records.log, public_key)
    if claim is None:
        return Inclusion(Standing.UNSIGNED, sequence, chosen.name, leaf, head.size, at=head.at)
    found = Inclusion(
        Standing.NOT_COVERED, sequence, chosen.name, leaf, claim.size, claim.root, (), head.note, head.at
    )
    if sequence >= claim.size:
        return found
    path = _path(records, chosen, sequence, claim.size)
    proved = path is not None and verify_inclusion(
        leaf, sequence, claim.size, path, claim.root, chosen.digest
    )
    return Inclusion(
        Standing.PROVED if proved else Standing.CHANGED,
        sequence,
        chosen.name,
        leaf,
        claim.size,
        claim.root,
        tuple(path or ()),
        head.note,
        head.at,
    )


def claim_of(head: Head, tree: TreeHash, log: str, public_key: bytes) -> Checkpoint | None:
    """What a stored head claims; None unless it is a note of this tree, filed under its size, and signed by the key."""
    try:
        claim = parse_checkpoint(head.note)
    except (ValueError, TypeError, AttributeError):  # whatever somebody wrote in its place
        return None
    fits = claim.origin == tree.origin(log) and claim.size == head.size
    return claim if fits and is_signed(head.note, public_key) else None


def tlog_proof(inclusion: Inclusion, note: str) -> str:
    """The file's text; `note` is the signed head, with cosignatures or without.

    Raises `audit.entry_not_proved`, and `audit.proof_needs_sha256` for a tree with SM3.
    """
    if inclusion.tree != SHA256_TREE.name:
        raise NEEDS_SHA256.error()
    if not inclusion.is_proved:
        why = _WHY_NOT[inclusion.standing]
        raise NOT_PROVED.error(sequence=inclusion.sequence, why_zh=why[0], why=why[1])
    hashes = "".join(f"{base64.b64encode(step).decode()}\n" for step in inclusion.path)
    return f"{HEADER}\nindex {inclusion.sequence}\n{hashes}\n{note}"


def _path(records: Records, tree: TreeHash, sequence: int, size: int) -> list[bytes] | None:
    """None where a node is missing."""
    with records.reading() as session:
        try:
            return inclusion_proof(sequence, size, stored_nodes(session, tree), tree.digest)
        except (LookupError, TypeError):  # gone, or not even bytes any more
            return None


_WHY_NOT = {
    Standing.NOT_COVERED: ("还没有签名的检查点包含它", "no signed head covers it yet"),
    Standing.NO_HEAD: ("还没有签名的检查点", "no head has been signed yet"),
    Standing.UNSIGNED: ("最新检查点的签名不成立", "the newest head's signature does not hold"),
    Standing.CHANGED: (
        "条目或哈希树已被改动，证明不成立",
        "the entry or the tree was changed, and it does not hold",
    ),
}
