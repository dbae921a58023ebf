"""Is the log whole? Every entry, node, checkpoint and signature is recomputed; nothing stored is believed.

Found are: an edited entry or column, a missing, repeated or reordered entry, a cut tail, a rewritten
or forked history, a wrong key. A log that was cut and signed again by whoever holds the key is found
when a checkpoint that somebody else kept is given. Not found, because nobody vouched for it yet: a
change to entries after the last checkpoint that also rewrites their nodes; `signed_size` says how
far the signatures reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from rwd_platform.audit.findings import Finding, Findings
from rwd_platform.audit.notes import Claim, check_claim, read_checkpoint
from rwd_platform.audit.sources import COLUMNS, LogRows, LogSource, RecordsSource, Unreadable, profile_of
from rwd_platform.audit.verify_extract import ExtractVerification, verify_extract
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.cosignature import cosignature_holds
from rwd_platform.log.entry import FORMAT_VERSION, read_entry
from rwd_platform.log.hashes import PROFILES, TreeHash
from rwd_platform.records.records import Records
from rwd_platform.signing import ed25519

__all__ = ["ExtractVerification", "LogVerification", "Trust", "verify_extract", "verify_log"]

Told = Callable[[int], None]


@dataclass(frozen=True)
class Trust:
    """What a verification goes by, none of it from beside the log: its key, witnesses' keys, notes that were kept."""

    public_key: bytes
    witnesses: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogVerification:
    """The answer. `root` is of all entries, empty when a gap left no tree; `roots` has it for each tree by name.

    `signed_size` is how many entries a good checkpoint vouches for, in every tree; `witnessed_size` how many a
    witness does. `records_compared`: whether the rows of the records were held to the log too.
    """

    ok: bool
    findings: tuple[Finding, ...]
    size: int
    root: bytes
    signed_size: int
    witnessed_size: int = 0
    roots: Mapping[str, bytes] = field(default_factory=dict)
    records_compared: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "size": self.size,
            "records_compared": self.records_compared,
            "signed_size": self.signed_size,
            "witnessed_size": self.witnessed_size,
            "root": self.root.hex(),
            "roots": {name: root.hex() for name, root in self.roots.items()},
            "findings": [
                {"rule": one.rule, "sequence": one.sequence, "zh": one.zh, "en": one.en}
                for one in self.findings
            ],
        }


class _Tree:
    """The tree as it grows: the perfect subtrees of what was appended, largest first.

    `completed` holds the nodes (level -> position -> hash) that have not been compared with the stored ones.
    """

    def __init__(self, tree: TreeHash) -> None:
        self.name, self._digest = tree.name, tree.digest
        self.size = 0
        self.roots: dict[int, bytes] = {0: tree.digest(b"")}
        self.completed: dict[int, dict[int, bytes]] = {}
        self._subtrees: list[tuple[int, bytes]] = []

    def append(self, body: bytes) -> None:
        digest, subtrees, completed = self._digest, self._subtrees, self.completed
        level, hashed, position = 0, digest(b"\x00" + body), self.size
        self.size += 1
        completed.setdefault(0, {})[position] = hashed
        while subtrees and subtrees[-1][0] == level:
            hashed = digest(b"\x01" + subtrees.pop()[1] + hashed)
            level, position = level + 1, position >> 1
            completed.setdefault(level, {})[position] = hashed
        subtrees.append((level, hashed))

    def note_root(self) -> None:
        if self._subtrees:
            root = self._subtrees[-1][1]
            for _, left in reversed(self._subtrees[:-1]):
                root = self._digest(b"\x01" + left + root)
            self.roots[self.size] = root


def verify_log(
    log: Records | LogRows,
    *,
    public_key: bytes,
    checkpoint_note: str | None = None,
    witnesses: Sequence[bytes] = (),
    notes: Sequence[str] = (),
    told: Told | None = None,
) -> LogVerification:
    """Verify the whole log of a deployment, or rows read from a copy of it.

    `checkpoint_note` and `notes` are what somebody kept elsewhere; the log must extend them. `told` hears how many
    entries have been gone through. Raises PlatformError (exit 2) when one of the notes is not a checkpoint at all.
    """
    kept = (*notes, *([] if checkpoint_note is None else [checkpoint_note]))
    for note in kept:
        read_checkpoint(note)
    trust = Trust(public_key, tuple(witnesses), kept)
    if isinstance(log, LogRows):
        return _verify(log, trust, told)
    with RecordsSource.open(log) as source:
        return _verify(source, trust, told)


def _verify(source: LogSource, trust: Trust, told: Told | None) -> LogVerification:
    findings = Findings()
    profile = profile_of(source)
    trees = PROFILES[profile]
    try:
        claims = _stored_claims(source, trees, trust, findings)
    except Unreadable:
        findings.add("unreadable", sequence=0)
        return LogVerification(False, tuple(findings.kept), 0, b"", 0)
    for note in trust.notes:
        claim = check_claim(note, source.origin, trees, trust.public_key, trust.witnesses, findings)
        if claim is not None and claim not in claims:
            claims.append(claim)
    walk = _Walk(source, profile, frozenset(claim.size for claim in claims), findings)
    walk.go(told or (lambda _: None))
    reach = _judge(claims, walk, findings)
    roots = {tree.name: tree.roots[walk.count] for tree in walk.trees} if walk.whole else {}
    return LogVerification(
        not findings.count,
        tuple(findings.kept),
        walk.count,
        next(iter(roots.values()), b""),
        min(signed for signed, _ in reach),
        min(witnessed for _, witnessed in reach),
        roots,
    )


def _stored_claims(
    source: LogSource, trees: Sequence[TreeHash], trust: Trust, findings: Findings
) -> list[Claim]:
    """What the stored checkpoints claim; only those with our signature or a trusted witness's count."""
    claims: list[Claim | None] = []

    def check(note: str) -> Claim | None:
        return check_claim(note, source.origin, trees, trust.public_key, trust.witnesses, findings)

    for tree in trees:
        for row in source.checkpoints(tree.name):
            try:
                if parse_checkpoint(row.note).size != row.size:
                    raise ValueError("filed under another size")
                claims.append(check(row.note))
            except ValueError:
                findings.add("checkpoint_text", size=row.size)
    for note in source.cosigned_notes() if trust.witnesses else ():
        try:
            if any(cosignature_holds(note, key, ed25519.verify) is not None for key in trust.witnesses):
                claims.append(check(note))
        except ValueError:
            findings.add("checkpoint_text", size=None)
    return [claim for claim in claims if claim is not None]


def _judge(claims: Sequence[Claim], walk: _Walk, findings: Findings) -> list[tuple[int, int]]:
    """What the claims say of the trees; for each, how far good checkpoints and witnesses vouch for it."""
    roots = {tree.name: tree.roots for tree in walk.trees}
    good = [claim for claim in claims if roots[claim.tree].get(claim.size) == claim.root]
    agreed = {name: sorted(claim.size for claim in good if claim.tree == name) for name in roots}
    for claim in claims:
        held = roots[claim.tree].get(claim.size)
        if claim.size > walk.count:
            findings.add("shorter", sequence=walk.count, size=claim.size, count=walk.count)
        elif held is not None and held != claim.root:
            since = max((size for size in agreed[claim.tree] if size < claim.size), default=0)
            findings.add("checkpoint_root", sequence=since, size=claim.size, last=claim.size - 1)
    clean = not findings.count
    for name in roots:
        if walk.count and clean and not any(claim.tree == name for claim in claims):
            findings.add("unsigned", tree=name)
    return [
        (
            max(agreed[name], default=0),
            max((claim.size for claim in good if claim.tree == name and claim.witnessed), default=0),
        )
        for name in roots
    ]


class _Walk:
    """One pass over the entries, growing the trees and comparing them with what is stored.

    After a gap there is no tree to speak of; the entries that remain are still checked one by one.
    """

    def __init__(self, source: LogSource, profile: str, sizes: frozenset[int], findings: Findings) -> None:
        self._source, self._profile, self._sizes, self._findings = source, profile, sizes, findings
        self.trees = [_Tree(tree) for tree in PROFILES[profile]]
        self.whole, self.count, self._expected = True, 0, 0

    def go(self, told: Told) -> None:
        try:
            for batch in self._source.batches():
                for row in batch:
                    self._take(row)
                self._compare()
                told(self.count)
            if self.whole:
                self._finish()
        except Unreadable:
            self._findings.add("unreadable", sequence=self._expected)
            self.whole = False

    def _take(self, row: Any) -> None:
        sequence = row.sequence if isinstance(row.sequence, int) else -1
        if sequence != self._expected:
            self._findings.add("gap", sequence=sequence, expected=self._expected)
            self.whole = False
        self._expected, self.count = sequence + 1, self.count + 1
        body = row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "surrogateescape")
        _check_body(row, sequence, body, self._source.origin, self._profile, self._findings)
        if self.whole:
            for tree in self.trees:
                tree.append(body)
                if tree.size in self._sizes:
                    tree.note_root()

    def _compare(self) -> None:
        """The stored nodes of a batch must be those that follow from its entries."""
        for tree in self.trees:
            completed, tree.completed = tree.completed, {}
            for level, nodes in sorted(completed.items()):
                stored = self._source.nodes(level, min(nodes), max(nodes), tree.name)
                if stored == nodes:
                    continue
                for position, hashed in nodes.items():
                    if stored.get(position) != hashed:
                        self._findings.add(
                            "node", sequence=position << level, level=level, position=position, tree=tree.name
                        )

    def _finish(self) -> None:
        for tree in self.trees:
            tree.note_root()
            extra = self._source.node_count(tree.name) - (2 * self.count - self.count.bit_count())
            if extra > 0:
                self._findings.add("extra_nodes", sequence=self.count, count=extra, tree=tree.name)


_HELD = attrgetter(*COLUMNS)


def _says(body: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """What the columns should hold, in the order of COLUMNS; None for an entry that lacks a part of it."""
    try:
        actor, thing = body["actor"], body["object"]
        columns = body["seq"], body["ts"], body["tenant"], actor["id"], body["action"]
        return (*columns, thing["type"], thing["id"], body["outcome"])
    except (KeyError, TypeError):
        return None


def _check_body(row: Any, sequence: int, raw: bytes, origin: str, profile: str, findings: Findings) -> None:
    """The body is a canonical entry of this log, and the searchable columns say what it says."""
    try:
        body = read_entry(raw)
    except (ValueError, RecursionError):  # rfc8785's errors are ValueErrors too
        findings.add("body", sequence=sequence, where="canonical JSON")
        return
    if body.get("v") != FORMAT_VERSION:
        findings.add("body", sequence=sequence, where="v")
    if body.get("log") != origin:
        findings.add("body", sequence=sequence, where="log")
    if body.get("hash", "sha256") != profile:
        findings.add("body", sequence=sequence, where="hash")
    if _says(body) == _HELD(row):
        return
    for column, path in COLUMNS.items():
        said: Any = body
        for key in path:
            said = said.get(key) if isinstance(said, dict) else None
        if said != getattr(row, column):
            findings.add("column", sequence=sequence, where=column)
