"""The signed heads of a log for reading: each held to its key, to the witnesses, and to the head before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sqlmodel import Session, col, func, select

from rwd_platform.audit.checkpoints import Head, checkpoint_of, stored_nodes
from rwd_platform.audit.proof_file import claim_of
from rwd_platform.core.clock import as_text
from rwd_platform.log.checkpoint import Checkpoint
from rwd_platform.log.cosignature import good_cosignature, signed_text
from rwd_platform.log.hashes import SHA256_TREE, TreeHash
from rwd_platform.log.merkle import consistency_proof, root_of, verify_consistency
from rwd_platform.records.records import Records
from rwd_platform.records.tables import (
    AuditCheckpoint,
    AuditCheckpointSm3,
    AuditCosignature,
    AuditWitness,
)
from rwd_platform.signing import ed25519


@dataclass(frozen=True)
class Cosigned:
    """A witness's word on a head. `holds`: its signature is good, by the key that is registered here."""

    witness: str
    at: str
    holds: bool
    line: str = ""


@dataclass(frozen=True)
class HeadSeen:
    """A stored head and what was found of it.

    root     -- what it claims, in hex; "" where its signature does not hold
    before   -- the size of the head before it; None for the first
    extends  -- that the log of today shows this head to extend the one before; for the first, to have this root
    """

    size: int
    at: str
    why: str
    note: str
    root: str
    signed: bool
    before: int | None
    extends: bool
    witnesses: tuple[Cosigned, ...]


@dataclass(frozen=True)
class HeadsPage:
    heads: tuple[HeadSeen, ...]
    total: int


def read_heads(
    records: Records, public_key: bytes, tree: TreeHash, *, first: int = 0, limit: int = 20
) -> HeadsPage:
    """A page, the largest first. Consistency is computed from the stored tree, head by head."""
    table: Any = AuditCheckpoint if tree == SHA256_TREE else AuditCheckpointSm3
    with records.reading() as session:
        total = session.exec(select(func.count()).select_from(table)).one()
    rows: Sequence[Head] = records.all(
        select(table).order_by(col(table.size).desc()).offset(first).limit(limit + 1)
    )
    claims = [claim_of(row, tree, records.log, public_key) for row in rows]
    more = (
        [*zip(rows, claims, strict=True), (None, None)]
        if len(rows) <= limit
        else zip(rows, claims, strict=True)
    )
    with records.reading() as session:
        found = [
            _seen(session, records, tree, (row, claim), (older, before))
            for (row, claim), (older, before) in pairwise(more)
            if row is not None
        ]
    return HeadsPage(tuple(found), total)


def one_head(records: Records, tree: TreeHash, size: int) -> str | None:
    """The note that was signed at this size, with the witnesses' lines that hold."""
    row = checkpoint_of(records, tree, size)
    return None if row is None else with_witnesses(records, tree, row.size, row.note)


def with_witnesses(records: Records, tree: TreeHash, size: int, note: str) -> str:
    """A note with the cosignature lines under it that hold: what C2SP calls a cosigned checkpoint."""
    lines = [one.line for one in witnesses_of(records, tree, size, note) if one.holds]
    return note + "".join(line for line in lines if line not in note)


def witnesses_of(records: Records, tree: TreeHash, size: int, note: str) -> tuple[Cosigned, ...]:
    """Who cosigned the head of this size, each checked with the key that is registered for it."""
    query = select(AuditCosignature).where(
        AuditCosignature.origin == tree.origin(records.log), AuditCosignature.size == size
    )
    found = []
    for row in records.all(query.order_by(AuditCosignature.witness)):
        known = records.find(AuditWitness, row.witness)
        line = None
        # The same text as the head's: a cosignature of something else says nothing about this one.
        if known is not None and signed_text(row.note) == signed_text(note):
            line = good_cosignature(row.note, bytes.fromhex(known.public_key), ed25519.verify)
        holds = line is not None and line.name == row.witness
        at = _instant(line.time) if line is not None else row.cosigned_at
        found.append(Cosigned(row.witness, at, holds, line.line if line is not None else ""))
    return tuple(found)


def _seen(
    session: Session,
    records: Records,
    tree: TreeHash,
    head: tuple[Head, Checkpoint | None],
    before: tuple[Head | None, Checkpoint | None],
) -> HeadSeen:
    (row, claim), (older, claimed) = head, before
    extends = claim is not None and (older is None or claimed is not None)
    if claim is not None and extends:
        extends = _extends(session, tree, claim, claimed)
    return HeadSeen(
        size=row.size,
        at=row.at,
        why=row.why,
        note=str(row.note),
        root=claim.root.hex() if claim else "",
        signed=claim is not None,
        before=older.size if older is not None else None,
        extends=extends,
        witnesses=witnesses_of(records, tree, row.size, str(row.note)),
    )


def _extends(session: Session, tree: TreeHash, claim: Checkpoint, before: Checkpoint | None) -> bool:
    read = stored_nodes(session, tree)
    try:
        if before is None or before.size == 0:
            return root_of(claim.size, read, tree.digest) == claim.root
        proof = consistency_proof(before.size, claim.size, read, tree.digest)
    except (LookupError, ValueError, TypeError):  # a node that is gone, or is none any more
        return False
    return verify_consistency(before.size, claim.size, before.root, claim.root, proof, tree.digest)


def _instant(seconds: int) -> str:
    try:
        return as_text(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return ""
