"""What signs: a name, an algorithm, a public key. Whether the key is ours or a module's is its own matter."""

from __future__ import annotations

from typing import Protocol

ED25519 = "Ed25519"


class Signer(Protocol):
    """Signs under a name. An adapter to a signing service or a hardware module offers the same four.

    algorithm   -- what a verifier has to know; the log's notes are defined for `Ed25519` (C2SP signed-note, type 0x01)
    public_key  -- its raw bytes: 32 for Ed25519
    """

    @property
    def name(self) -> str: ...

    @property
    def algorithm(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...
