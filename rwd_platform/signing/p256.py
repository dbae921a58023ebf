"""ECDSA signatures on P-256 (FIPS 186-5), for what ordinary programs have to be able to check: a report's PDF."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rwd_platform.signing.keys import KeyRing

ALGORITHM = "ECDSA P-256 SHA-256"
# Order of the curve's group (SEC 2, 2.4.2): a private key lies from 1 to one less.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class ReportSigner:
    """Signs under a name. Deterministic (RFC 6979): the same key and bytes give the same signature."""

    name: str
    _private: ec.EllipticCurvePrivateKey

    @property
    def public_key(self) -> bytes:
        """DER, SubjectPublicKeyInfo."""
        return self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        """DER of (r, s)."""
        return self._private.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))


def report_signer(keys: KeyRing, name: str) -> ReportSigner:
    """The deployment's key for reports. 512 derived bits leave no part of the group likelier than another
    (FIPS 186-5, A.2.1).
    """
    bits = keys.derive("sign", "report", "p256", "1") + keys.derive("sign", "report", "p256", "2")
    secret = int.from_bytes(bits, "big") % (_ORDER - 1) + 1
    return ReportSigner(name, ec.derive_private_key(secret, ec.SECP256R1()))
