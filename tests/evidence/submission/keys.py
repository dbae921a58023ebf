"""A recipient's key and certificate, made for the tests; and openssl, which opens what we sealed."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(
    OPENSSL is None, reason="openssl, the second implementation, is not installed"
)


@dataclass(frozen=True)
class Recipient:
    certificate: bytes
    key: bytes


@cache
def recipient(
    bits: int = 2048,
    usage: str | None = None,
    place: int = 0,
    years: tuple[int, int] = (2026, 2036),
    name: str = "",
) -> Recipient:
    """An RSA recipient. `usage` is what the certificate allows: "seal", "sign", or None for not saying; `years`: from
    the first of January of one, UTC, to that of the other.
    """
    return _certified(rsa.generate_private_key(65537, bits), usage, name or f"recipient-{place}", years)


@cache
def recipient_of_a_curve(kind: str) -> Recipient:
    key: Any = (
        ec.generate_private_key(ec.SECP256R1()) if kind == "P-256" else ed25519.Ed25519PrivateKey.generate()
    )
    return _certified(key, None, kind)


def _certified(key: Any, usage: str | None, name: str, years: tuple[int, int] = (2026, 2036)) -> Recipient:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(years[0], 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(years[1], 1, 1, tzinfo=UTC))
    )
    if usage is not None:
        seal = usage == "seal"
        allowed = x509.KeyUsage(not seal, False, seal, False, False, False, False, False, False)
        builder = builder.add_extension(allowed, critical=True)
    signed = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Recipient(signed.public_bytes(serialization.Encoding.PEM), private)


def openssl(*arguments: str, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
    assert OPENSSL is not None
    return subprocess.run([OPENSSL, *arguments], capture_output=True, check=ok, timeout=60)


def decrypted(envelope: bytes, by: Recipient, folder: Path) -> bytes:
    """The command that the guide tells the recipient to use."""
    sealed, key, out = folder / "rows.p7m", folder / "private_key.pem", folder / "rows.zip"
    sealed.write_bytes(envelope)
    key.write_bytes(by.key)
    openssl("cms", "-decrypt", "-inform", "DER", "-in", str(sealed), "-inkey", str(key), "-out", str(out))
    return out.read_bytes()


def opened(envelope: bytes, by: Recipient, folder: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(decrypted(envelope, by, folder))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}
