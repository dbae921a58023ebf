"""A witness's statement under a log's head: "at this time, this was the largest head that I had seen of this log".

C2SP tlog-cosignature, version 1 with Ed25519: a signature line of the note whose key id is
SHA-256(name, 0x0A, 0x04, public key), first four bytes, and whose signature is an 8-byte big-endian POSIX time
followed by Ed25519 over

    cosignature/v1
    time <POSIX seconds>
    <the note's text>
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COSIGNATURE_V1 = b"\x04"
_TIME_BYTES = 8
_BLOB_BYTES = 4 + _TIME_BYTES + 64
_LATEST = 2**63 - 1

Verify = Callable[[bytes, bytes, bytes], bool]  # public key, message, signature


@dataclass(frozen=True)
class Cosignature:
    """One witness's line. `time` is in POSIX seconds."""

    name: str
    key_id: bytes
    time: int
    signature: bytes

    @property
    def line(self) -> str:
        blob = self.key_id + self.time.to_bytes(_TIME_BYTES, "big") + self.signature
        return f"\u2014 {self.name} {base64.b64encode(blob).decode()}\n"


def cosignature_key_id(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(
        name.encode("utf-8", "surrogatepass") + b"\n" + COSIGNATURE_V1 + public_key
    ).digest()[:4]


def signed_text(note: str) -> str:
    """What the signatures of a note are over: everything before the empty line, with its last line end."""
    return note.partition("\n\n")[0] + "\n"


def cosigned_message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode("utf-8", "surrogatepass")


def cosign(
    text: str, *, name: str, public_key: bytes, sign: Callable[[bytes], bytes], time: int
) -> Cosignature:
    """Raises ValueError for a time that the format cannot hold, and for 0, which would say "no statement"."""
    if not 0 < time <= _LATEST:
        raise ValueError("a cosignature is made at a time")
    key_id = cosignature_key_id(name, public_key)
    return Cosignature(name, key_id, time, sign(cosigned_message(text, time)))


def signature_lines(note: str) -> Iterator[tuple[str, bytes]]:
    """Key name and blob of every signature line that can be read; the others say nothing."""
    for line in note.partition("\n\n")[2].splitlines():
        parts = line.split(" ")
        if len(parts) == 3 and parts[0] == "\u2014":
            try:
                yield parts[1], base64.b64decode(parts[2], validate=True)
            except ValueError:  # not base64, or not even ASCII
                continue


def cosignatures_of(note: str, public_key: bytes) -> Iterator[Cosignature]:
    """The lines of this key, good or not."""
    for name, blob in signature_lines(note):
        if len(blob) == _BLOB_BYTES and blob[:4] == cosignature_key_id(name, public_key):
            time = int.from_bytes(blob[4 : 4 + _TIME_BYTES], "big")
            yield Cosignature(name, blob[:4], time, blob[4 + _TIME_BYTES :])


def good_cosignature(note: str, public_key: bytes, verify: Verify) -> Cosignature | None:
    """The witness's line that holds, or None."""
    text = signed_text(note)
    for one in cosignatures_of(note, public_key):
        if verify(public_key, cosigned_message(text, one.time), one.signature):
            return one
    return None


def cosignature_holds(note: str, public_key: bytes, verify: Verify) -> bool | None:
    """True; False when the witness's line does not hold; None when it has no line at all."""
    if good_cosignature(note, public_key, verify) is not None:
        return True
    return False if next(cosignatures_of(note, public_key), None) is not None else None
