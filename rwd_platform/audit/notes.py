"""Reading checkpoint notes: those that are stored, those that somebody gave us, those that a witness cosigned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rwd_platform.audit.findings import Findings
from rwd_platform.core.errors import Problem
from rwd_platform.log.checkpoint import Checkpoint, checkpoint_is_signed_by, parse_checkpoint
from rwd_platform.log.cosignature import cosignature_holds
from rwd_platform.log.hashes import TreeHash
from rwd_platform.signing import ed25519

CHECKPOINT_MALFORMED = Problem(
    code="audit.checkpoint_malformed",
    zh="给定的检查点不是有效的签名文本。",
    en="The given checkpoint is not a signed note.",
    next_zh="请提供由平台导出的检查点文件（C2SP signed note），勿改动其换行。",
    next_en="Give the checkpoint file as the platform exported it (a C2SP signed note), line ends untouched.",
)


@dataclass(frozen=True)
class Claim:
    """That the first `size` entries have this root in this tree. `witnessed`: a witness said so too."""

    tree: str
    size: int
    root: bytes
    witnessed: bool = False


def notes_in(text: str) -> list[str]:
    """The notes of a file that was kept: one signed note, or those of an export's `checkpoints.jsonl`.

    Raises `audit.checkpoint_malformed` when one of them is none.
    """
    notes = [text]
    if text.startswith("{"):
        try:
            notes = [str(json.loads(line)["note"]) for line in text.split("\n") if line]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CHECKPOINT_MALFORMED.error() from error
    for note in notes:
        read_checkpoint(note)
    return notes


def read_checkpoint(note: str) -> Checkpoint:
    try:
        return parse_checkpoint(note)
    except ValueError as error:
        raise CHECKPOINT_MALFORMED.error() from error


def check_note(
    claim: Checkpoint, note: str, origin: str | None, public_key: bytes, findings: Findings
) -> bool:
    """True when the note is of this log and carries a good signature; says why not otherwise."""
    if origin is not None and claim.origin != origin:
        findings.add("checkpoint_origin", size=claim.size, origin=claim.origin)
        return False
    good = is_signed(note, public_key)
    if not good:
        findings.add("checkpoint_signature", size=claim.size)
    return good


def check_claim(
    note: str,
    log: str,
    trees: Sequence[TreeHash],
    public_key: bytes,
    witnesses: Sequence[bytes],
    findings: Findings,
) -> Claim | None:
    """What a note claims that is of this log and signed by its key or by a witness; otherwise says why not.

    Raises ValueError for a note that is malformed.
    """
    claim = parse_checkpoint(note)
    tree = next((one for one in trees if one.origin(log) == claim.origin), None)
    if tree is None:
        findings.add("checkpoint_origin", size=claim.size, origin=claim.origin)
        return None
    said = [cosignature_holds(note, witness, ed25519.verify) for witness in witnesses]
    if False in said:
        findings.add("cosignature", size=claim.size)
    if not is_signed(note, public_key) and True not in said:
        findings.add("checkpoint_signature", size=claim.size)
        return None
    return Claim(tree.name, claim.size, claim.root, True in said)


def is_signed(note: str, public_key: bytes) -> bool:
    try:
        return checkpoint_is_signed_by(
            note, public_key, lambda message, signature: ed25519.verify(public_key, message, signature)
        )
    except ValueError:  # a note that is not even text
        return False
