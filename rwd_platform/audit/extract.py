"""A part of the log that proves itself: entries, the path of each to a signed root, and that root.

Whoever holds an extract needs no database and no trust in us beyond the public key: every entry's
hash leads up to the root that the checkpoint signs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlmodel import col, select

from rwd_platform.audit.checkpoints import Head, stored_nodes
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.entry import Entry
from rwd_platform.log.hashes import SHA256_TREE
from rwd_platform.log.merkle import inclusion_proof
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditEntry

FORMAT = "rwd-audit-extract"
FORMAT_VERSION = 1
_AT_ONCE = 500  # ids in one IN (...): SQLite and PostgreSQL both bound the parameters of a statement


class Proof(TypedDict):
    """Where an entry stands in the tree: hashes in hex, the path from the leaf's sibling up (RFC 9162)."""

    sequence: int
    leaf_hash: str
    path: list[str]


EXTRACT_NEEDS_SHA256 = Problem(
    code="audit.extract_needs_sha256",
    zh="本部署的日志只有 SM3 哈希树；日志摘录与证据包中的证明使用 SHA-256，无法生成。",
    en="The log of this deployment has a tree with SM3 alone; the proofs of extracts and evidence packages are with "
    "SHA-256 and cannot be made.",
    next_zh="需要证据包的部署，请在启用日志前设置 RWD_LOG_HASH=dual（同时生成两棵哈希树）。",
    next_en="A deployment that makes evidence packages sets RWD_LOG_HASH=dual (both trees) before its log begins.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class AuditExtract:
    """`entries_jsonl` holds the entries' exact bytes, one a line; `proofs` are in the same order."""

    entries_jsonl: bytes
    proofs: list[Proof]
    checkpoint: str

    def as_file(self) -> bytes:
        """One JSON file for `rwd audit verify --extract FILE`; `verify_extract` reads it."""
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "checkpoint": self.checkpoint,
            "entries": self.entries_jsonl.decode().split("\n")[
                :-1
            ],  # not splitlines: U+2028 may stand in a text
            "proofs": self.proofs,
        }
        return canonical_json(document) + b"\n"


def extract(
    records: Records,
    *,
    object_ids: Collection[str] | None = None,
    predicate: Callable[[dict[str, Any]], bool] | None = None,
    checkpoint: Head,
) -> AuditExtract:
    """The entries about some objects, or those that a predicate on the entry's fields chooses.

    Only entries that the checkpoint covers are taken. With both filters an entry must pass both;
    with neither the extract is the whole log up to the checkpoint. Raises `audit.extract_needs_sha256` for a log
    that has no tree with SHA-256: an extract's proofs, and the verifier inside packages, are by that hash.
    """
    if SHA256_TREE not in records.book.trees:
        raise EXTRACT_NEEDS_SHA256.error()
    size = parse_checkpoint(checkpoint.note).size
    lines: list[bytes] = []
    proofs: list[Proof] = []
    with records.reading() as session:
        read = stored_nodes(session)
        for row in _chosen(records, object_ids, size):
            if predicate is not None and not predicate(json.loads(row.body)):
                continue
            entry = Entry(row.sequence, row.body)
            path = inclusion_proof(entry.sequence, size, read)
            lines.append(entry.body + b"\n")
            proofs.append(
                Proof(
                    sequence=entry.sequence,
                    leaf_hash=entry.leaf_hash.hex(),
                    path=[step.hex() for step in path],
                )
            )
    return AuditExtract(b"".join(lines), proofs, checkpoint.note)


def _chosen(records: Records, object_ids: Collection[str] | None, size: int) -> Iterable[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.sequence < size)
    if object_ids is None:
        return records.all(query.order_by(col(AuditEntry.sequence)))
    wanted = sorted(set(object_ids))
    found: list[AuditEntry] = []
    for start in range(0, len(wanted), _AT_ONCE):
        ids = wanted[start : start + _AT_ONCE]
        found.extend(records.all(query.where(col(AuditEntry.object_id).in_(ids))))
    return sorted(found, key=lambda row: row.sequence)
