"""Reading checkpoint notes that somebody gave us."""

from __future__ import annotations

from rwd_platform.audit.findings import Findings
from rwd_platform.core.errors import Problem
from rwd_platform.log.checkpoint import Checkpoint, checkpoint_is_signed_by, parse_checkpoint
from rwd_platform.signing import ed25519

CHECKPOINT_MALFORMED = Problem(
    code="audit.checkpoint_malformed",
    zh="给定的检查点不是有效的签名文本。",
    en="The given checkpoint is not a signed note.",
    next_zh="请提供由平台导出的检查点文件（C2SP signed note），勿改动其换行。",
    next_en="Give the checkpoint file as the platform exported it (a C2SP signed note), line ends untouched.",
)


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

    def verify(message: bytes, signature: bytes) -> bool:
        return ed25519.verify(public_key, message, signature)

    try:
        good = checkpoint_is_signed_by(note, public_key, verify)
    except ValueError:  # a signature line that is not even ASCII
        good = False
    if not good:
        findings.add("checkpoint_signature", size=claim.size)
    return good
