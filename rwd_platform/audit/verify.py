"""Is the log whole? Every entry, node, checkpoint and signature is recomputed; nothing stored is believed.

Found are: an edited entry or column, a missing, repeated or reordered entry, a cut tail, a rewritten
or forked history, a wrong key. A log that was cut and signed again by whoever holds the key is found
when a checkpoint that somebody else kept is given. Not found, because nobody vouched for it yet: a
change to entries after the last checkpoint that also rewrites their nodes; `signed_size` says how
far the signatures reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.audit.findings import Finding, Findings
from rwd_platform.audit.notes import check_note, read_checkpoint
from rwd_platform.audit.sources import LogRows, LogSource, RecordsSource
from rwd_platform.audit.verify_extract import ExtractVerification, verify_extract
from rwd_platform.core.canonical import canonical_json
from rwd_platform.log.checkpoint import Checkpoint, parse_checkpoint
from rwd_platform.log.entry import FORMAT_VERSION, Entry
from rwd_platform.log.merkle import EMPTY_ROOT, node_hash
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry

__all__ = ["ExtractVerification", "LogVerification", "verify_extract", "verify_log"]

# The searchable columns, and where the entry itself says the same.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sequence": ("seq",),
    "at": ("ts",),
    "organisation_id": ("tenant",),
    "actor_id": ("actor", "id"),
    "action": ("action",),
    "object_type": ("object", "type"),
    "object_id": ("object", "id"),
    "outcome": ("outcome",),
}


@dataclass(frozen=True)
class LogVerification:
    """The answer. `root` is of all entries, empty when a gap left no tree.

    `signed_size` is how many entries a good checkpoint vouches for.
    """

    ok: bool
    findings: tuple[Finding, ...]
    size: int
    root: bytes
    signed_size: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "size": self.size,
            "signed_size": self.signed_size,
            "root": self.root.hex(),
            "findings": [
                {"rule": one.rule, "sequence": one.sequence, "zh": one.zh, "en": one.en}
                for one in self.findings
            ],
        }


class _Tree:
    """The tree as it grows: the perfect subtrees of what was appended, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The nodes (level, position, hash) that this leaf completes."""
        level, hashed = 0, leaf
        position = self.size
        self.size += 1
        yield level, position, hashed
        while self._subtrees and self._subtrees[-1][0] == level:
            hashed = node_hash(self._subtrees.pop()[1], hashed)
            level, position = level + 1, position >> 1
            yield level, position, hashed
        self._subtrees.append((level, hashed))

    @property
    def root(self) -> bytes:
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1][1]
        for _, left in reversed(self._subtrees[:-1]):
            root = node_hash(left, root)
        return root


def verify_log(
    log: Records | LogRows, *, public_key: bytes, checkpoint_note: str | None = None
) -> LogVerification:
    """Verify the whole log of a deployment, or rows read from a copy of it.

    `checkpoint_note` is one that somebody kept elsewhere; the log must extend it. Raises PlatformError
    (exit 2) when that note is not a checkpoint at all.
    """
    given = read_checkpoint(checkpoint_note) if checkpoint_note is not None else None
    if isinstance(log, LogRows):
        return _verify(log, public_key, given, checkpoint_note or "")
    with RecordsSource.open(log) as source:
        return _verify(source, public_key, given, checkpoint_note or "")


def _verify(source: LogSource, public_key: bytes, given: Checkpoint | None, note: str) -> LogVerification:
    findings = Findings()
    claims = _stored_claims(source.checkpoints(), source.origin, public_key, findings)
    if given is not None and check_note(given, note, source.origin, public_key, findings):
        claims.append(given)
    tree, whole, count = _walk(source, {claim.size for claim in claims}, findings)
    for claim in claims:
        if claim.size > count:
            findings.add("shorter", size=claim.size, count=count)
        elif claim.size in tree and tree[claim.size] != claim.root:
            findings.add("checkpoint_root", size=claim.size)
    if count and not claims and not findings.count:
        findings.add("unsigned")
    signed = max((claim.size for claim in claims if tree.get(claim.size) == claim.root), default=0)
    root = tree[count] if whole else b""
    return LogVerification(not findings.count, tuple(findings.kept), count, root, signed)


def _stored_claims(
    checkpoints: Sequence[AuditCheckpoint], origin: str, public_key: bytes, findings: Findings
) -> list[Checkpoint]:
    """What the stored checkpoints claim; only those with our signature count."""
    claims = []
    for row in checkpoints:
        try:
            claim = parse_checkpoint(row.note)
        except ValueError:
            findings.add("checkpoint_text", size=row.size)
            continue
        if claim.size != row.size:
            findings.add("checkpoint_text", size=row.size)
        elif check_note(claim, row.note, origin, public_key, findings):
            claims.append(claim)
    return claims


def _walk(source: LogSource, sizes: set[int], findings: Findings) -> tuple[dict[int, bytes], bool, int]:
    """The roots at the wanted sizes and at the end, whether there is a tree, and the number of entries.

    After a gap there is no tree to speak of; the entries that remain are still checked one by one.
    """
    tree, whole, count, expected = _Tree(), True, 0, 0
    roots = {0: EMPTY_ROOT}
    for batch in source.batches():
        completed: dict[int, dict[int, bytes]] = {}
        for row in batch:
            if row.sequence != expected:
                findings.add("gap", sequence=row.sequence, expected=expected)
                whole = False
            expected, count = row.sequence + 1, count + 1
            check_body(row, source.origin, findings)
            if not whole:
                continue
            for level, position, hashed in tree.append(Entry(row.sequence, row.body).leaf_hash):
                completed.setdefault(level, {})[position] = hashed
            if tree.size in sizes:
                roots[tree.size] = tree.root
        _check_nodes(source, completed, findings)
    if whole:
        roots[tree.size] = tree.root
        extra = source.node_count() - (2 * count - count.bit_count())
        if extra > 0:
            findings.add("extra_nodes", count=extra)
    return roots, whole, count


def _check_nodes(source: LogSource, completed: Mapping[int, Mapping[int, bytes]], findings: Findings) -> None:
    """The stored nodes of a batch must be those that follow from its entries."""
    for level, nodes in sorted(completed.items()):
        stored = source.nodes(level, min(nodes), max(nodes))
        for position, hashed in nodes.items():
            if stored.get(position) != hashed:
                findings.add("node", sequence=position << level, level=level, position=position)


def check_body(row: AuditEntry, origin: str | None, findings: Findings) -> None:
    """The body is a canonical entry of this log, and the searchable columns say what it says."""
    try:
        body = json.loads(row.body)
        canonical = canonical_json(body) == row.body
    except (ValueError, RecursionError):  # rfc8785's errors are ValueErrors too
        findings.add("body", sequence=row.sequence, where="JSON")
        return
    if not isinstance(body, dict) or not canonical:
        findings.add("body", sequence=row.sequence, where="canonical JSON")
        return
    if body.get("v") != FORMAT_VERSION:
        findings.add("body", sequence=row.sequence, where="v")
    if origin is not None and body.get("log") != origin:
        findings.add("body", sequence=row.sequence, where="log")
    for column, path in COLUMNS.items():
        if _at(body, path) != getattr(row, column):
            findings.add("column", sequence=row.sequence, where=column)


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    return body
