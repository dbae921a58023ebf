"""Signatures on P-256 that ordinary programs check: the same each time, and of a key that nothing else uses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rwd_platform.signing.ed25519 import signer
from rwd_platform.signing.keys import KeyRing, demo_key_ring
from rwd_platform.signing.p256 import ALGORITHM, ReportSigner, report_signer
from rwd_platform.signing.suites import GM, INTL

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)  # FIPS 186-5's curve
MESSAGES = (b"", b"report", "报告".encode(), bytes(range(256)) * 400)


def by_openssl(public_key: bytes, message: bytes, signature: bytes, folder: Path) -> bool:
    key, signed, text = folder / "key.der", folder / "signature", folder / "message"
    key.write_bytes(public_key)
    signed.write_bytes(signature)
    text.write_bytes(message)
    command = ["openssl", "dgst", "-sha256", "-verify", str(key), "-keyform", "DER"]
    command += ["-signature", str(signed), str(text)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@needs_openssl
@pytest.mark.parametrize("message", MESSAGES, ids=len)
def test_another_program_verifies_it_and_notices_a_change(
    keys: KeyRing, tmp_path: Path, message: bytes
) -> None:
    one = report_signer(keys, "reports")
    signature = one.sign(message)
    assert by_openssl(one.public_key, message, signature, tmp_path)
    assert not by_openssl(one.public_key, message + b".", signature, tmp_path)
    other = report_signer(KeyRing(b"another root key of tests only.."), "reports")
    assert not by_openssl(other.public_key, message, signature, tmp_path)


@needs_openssl
def test_another_program_reads_the_key_as_one_of_this_curve(keys: KeyRing, tmp_path: Path) -> None:
    (tmp_path / "key.der").write_bytes(report_signer(keys, "reports").public_key)
    told = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER", "-in", tmp_path / "key.der", "-noout", "-text"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "256 bit" in told and re.search("prime256v1|P-256", told)


@pytest.mark.parametrize("message", MESSAGES, ids=len)
def test_the_same_key_and_bytes_give_the_same_signature(keys: KeyRing, message: bytes) -> None:
    """So that a package built twice is the same; another name changes nothing, it is not part of the key."""
    first, second = (report_signer(keys, name) for name in ("reports", "another name"))
    assert first.sign(message) == first.sign(message) == second.sign(message)
    assert first.public_key == second.public_key and first.name != second.name


def test_two_messages_never_share_the_number_that_would_give_the_key_away(keys: KeyRing) -> None:
    """ECDSA is lost when two signatures have one nonce, and so one r."""
    one = report_signer(keys, "reports")
    found = [decode_dss_signature(one.sign(str(number).encode())) for number in range(200)]
    assert len({r for r, _ in found}) == 200
    assert all(0 < part < ORDER for pair in found for part in pair)


def test_the_published_vector_of_the_deterministic_way() -> None:
    """RFC 6979, A.2.5: P-256, SHA-256, message `sample`. The key is the RFC's."""
    secret = int("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", 16)
    one = ReportSigner("rfc", ec.derive_private_key(secret, ec.SECP256R1()))
    r, s = decode_dss_signature(one.sign(b"sample"))
    assert f"{r:064X}" == "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    assert f"{s:064X}" == "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"


def test_every_deployment_has_its_own_key_and_every_suite_too(keys: KeyRing) -> None:
    rings = [
        KeyRing(root, suite) for root in (keys.root, demo_key_ring().root, b"r" * 32) for suite in (INTL, GM)
    ]
    assert len({report_signer(ring, "reports").public_key for ring in rings}) == len(rings)


def test_the_key_is_no_other_key_of_the_deployment(keys: KeyRing) -> None:
    """Neither half of what it is made of is a secret that something else uses, nor is the key one of them."""
    others = {keys.derive("sign", purpose) for purpose in ("log", "package", "receipt", "report")}
    halves = {keys.derive("sign", "report", "p256", place) for place in ("1", "2")}
    assert len(others | halves) == 6
    assert signer(keys, "report", "a").public_key not in report_signer(keys, "a").public_key


def test_the_key_is_the_derived_number_within_the_group(keys: KeyRing) -> None:
    """FIPS 186-5, A.2.1, by hand: (c mod (n - 1)) + 1."""
    made = b"".join(keys.derive("sign", "report", "p256", place) for place in ("1", "2"))
    secret = int.from_bytes(made, "big") % (ORDER - 1) + 1
    expected = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    assert load_der_public_key(report_signer(keys, "a").public_key) == expected


def test_a_changed_signature_is_none(keys: KeyRing) -> None:
    one = report_signer(keys, "reports")
    key = load_der_public_key(one.public_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = one.sign(b"report")
    key.verify(signature, b"report", ec.ECDSA(SHA256()))
    for place in range(len(signature)):
        changed = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        with pytest.raises(InvalidSignature):
            key.verify(changed, b"report", ec.ECDSA(SHA256()))


def test_the_signer_does_not_show_its_key(keys: KeyRing) -> None:
    one = report_signer(keys, "reports")
    made = b"".join(keys.derive("sign", "report", "p256", place) for place in ("1", "2"))
    secret = int.from_bytes(made, "big") % (ORDER - 1) + 1
    assert f"{secret:x}" not in repr(one) and str(secret) not in repr(one)
    assert ALGORITHM == "ECDSA P-256 SHA-256"
