"""What a log sends to a witness: C2SP tlog-witness, the body of `add-checkpoint`.

    old <size that the witness last cosigned>
    <consistency proof, one base64 hash a line>

    <the checkpoint, a signed note>

The same bytes go over HTTP or in a file.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from rwd_platform.log.checkpoint import Checkpoint, parse_checkpoint
from rwd_platform.log.hashes import DIGEST_BYTES

MOST_HASHES = 63
MOST_BYTES = 1 << 18  # of a request: 63 hashes and a note with many signatures fit a hundred times
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class AddCheckpoint:
    """A request. `note` is the signed note as it came; `checkpoint` what it claims."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint

    @property
    def text(self) -> str:
        lines = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.proof)
        return f"old {self.old_size}\n{lines}\n{self.note}"


def read_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Raises ValueError for what is not a request word for word: a witness signs nothing that it had to guess at."""
    if len(body) > MOST_BYTES:
        raise ValueError("too long")
    text = body.decode()
    head, between, note = text.partition("\n\n")
    first, *hashes = head.split("\n")
    old = _OLD.fullmatch(first)
    if not between or old is None or len(hashes) > MOST_HASHES:
        raise ValueError("not a request")
    proof = tuple(base64.b64decode(line, validate=True) for line in hashes)
    if any(len(step) != DIGEST_BYTES for step in proof):
        raise ValueError("not hashes")
    check_note_form(note)
    return AddCheckpoint(int(old[1]), proof, note, parse_checkpoint(note))


def check_note_form(note: str) -> None:
    """C2SP signed-note: text, one empty line, signature lines, each ended by a line feed. Raises ValueError."""
    text, between, signatures = note.partition("\n\n")
    if _CONTROL.search(note) or not between or "\n\n" in signatures or not signatures.endswith("\n"):
        raise ValueError("not a signed note")
    if any(not line for line in text.split("\n")):
        raise ValueError("not a checkpoint: it has an empty line")
