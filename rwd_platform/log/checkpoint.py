"""Checkpoints: the log's head as a C2SP signed note, so that anyone can hold us to it.

The note's text is three lines - origin, size, base64 root (C2SP tlog-checkpoint) - and each
signature line names its key: an em dash, the key's name, and base64 of a 4-byte key id and the
signature (C2SP signed-note; the id is SHA-256(name, 0x0A, 0x01, public key), first four bytes).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

ED25519 = b"\x01"


@dataclass(frozen=True)
class Checkpoint:
    """What a log claims: that its first `size` entries have this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def sign_checkpoint(
    checkpoint: Checkpoint, *, key_name: str, public_key: bytes, sign: Callable[[bytes], bytes]
) -> str:
    """The signed note."""
    blob = key_id(key_name, public_key) + sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n\u2014 {key_name} {base64.b64encode(blob).decode()}\n"


def parse_checkpoint(note: str) -> Checkpoint:
    """The claim in a note, whoever signed it. Raises ValueError when the note is malformed."""
    lines = note.split("\n\n", 1)[0].split("\n")
    if len(lines) < 3 or not lines[0] or not lines[1].isdecimal():
        raise ValueError("not a checkpoint: its text is origin, size and root")
    if lines[1] != str(int(lines[1])):
        raise ValueError("not a checkpoint: the size has leading zeros")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error as error:
        raise ValueError("not a checkpoint: the root is not base64") from error
    if len(root) != hashlib.sha256().digest_size:
        raise ValueError("not a checkpoint: the root is not a SHA-256")
    return Checkpoint(lines[0], int(lines[1]), root)


def checkpoint_is_signed_by(note: str, public_key: bytes, verify: Callable[[bytes, bytes], bool]) -> bool:
    """True when the note carries a good signature of this key; signatures of other keys are ignored."""
    text, _, signatures = note.partition("\n\n")
    for line in signatures.splitlines():
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            continue
        try:
            blob = base64.b64decode(parts[2], validate=True)
        except ValueError:  # not base64, or not even ASCII
            continue  # another party's line that we cannot read says nothing about ours
        if blob[:4] == key_id(parts[1], public_key) and verify(f"{text}\n".encode(), blob[4:]):
            return True
    return False
