"""Ed25519 signatures (RFC 8032)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.signer import ED25519


@dataclass(frozen=True)
class Signer:
    """Signs under a name. Deterministic: the same key and bytes give the same signature."""

    name: str
    _private: Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        return ED25519

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def signer(keys: KeyRing, purpose: str, name: str) -> Signer:
    """The deployment's signer for one purpose: `log`, `package`, `receipt`."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(keys.derive("sign", purpose)))


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
