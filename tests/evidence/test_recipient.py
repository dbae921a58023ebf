"""A recipient's certificate: one, in date, and nothing beside it; a private key is never taken in."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from rwd_platform.core.errors import PlatformError
from studies.evidence.recipient import LARGEST_CERTIFICATE, holds_private_key, read_recipient
from tests.evidence.submission.keys import needs_openssl, openssl, recipient, recipient_of_a_curve

RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
PEM = recipient().certificate.decode()
KEY = recipient().key.decode()
BARE = "\n".join(KEY.splitlines()[1:-1])


def refused(given: str) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        read_recipient(given)
    told = str(caught.value.as_dict())
    assert "MII" not in told and RESIDENT_ID not in told
    return caught.value


# -- the certificate alone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [PEM, PEM.replace("\n", "\r\n"), f"\ufeff{PEM}", f"\n\n  {PEM}\n\n", PEM.replace("-----\n", "----- \n", 1),
     PEM.replace(" CERTIFICATE", " X509 CERTIFICATE")],
    ids=["as made", "of Windows", "with a mark", "with room around", "with a blank", "of the older label"],
)  # fmt: skip
def test_however_it_is_spelt_the_same_certificate_comes_out_byte_for_byte(given: str) -> None:
    assert read_recipient(given).pem == PEM


@needs_openssl
def test_it_is_named_as_openssl_names_it(tmp_path: Path) -> None:
    file = tmp_path / "c.pem"
    file.write_text(PEM)
    asked = ("x509", "-in", str(file), "-noout", "-nameopt", "RFC2253", "-subject", "-issuer", "-serial")
    shown = openssl(*asked, "-fingerprint", "-sha256", "-enddate").stdout.decode()
    told = dict(line.split("=", 1) for line in shown.splitlines())
    found = read_recipient(PEM)
    assert (found.subject, found.issuer, found.serial) == (told["subject"], told["issuer"], told["serial"])
    fingerprint = next(value for name, value in told.items() if "ingerprint" in name)
    assert found.sha256 == fingerprint.replace(":", "").lower()
    until = datetime.strptime(told["notAfter"], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    assert found.valid_until == until and found.as_dict()["valid_until"] == "2036-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "given",
    ["", "  ", "no certificate", "证书", "-----BEGIN CERTIFICATE-----", PEM + PEM,
     PEM + recipient(place=1).certificate.decode(), f"患者 {RESIDENT_ID}\n{PEM}", PEM + RESIDENT_ID,
     PEM.replace("\n", f"\n{RESIDENT_ID}: x\n", 1), PEM + "\x00", PEM[:-60], "x" * 2_000_000,
     PEM + "\n" * LARGEST_CERTIFICATE + PEM, PEM.replace("CERTIFICATE", "PUBLIC KEY"), "\ud800" + PEM],
    ids=range(16),
)  # fmt: skip
def test_anything_beside_exactly_one_certificate_is_refused(given: str) -> None:
    assert refused(given).code == "submission.certificate_unreadable"


def test_a_key_that_does_not_serve_is_refused() -> None:
    for made in (recipient(bits=1024), recipient(usage="sign"), recipient_of_a_curve("P-256")):
        assert refused(made.certificate.decode()).code == "submission.certificate_key_unfit"


def test_a_name_that_would_break_a_line_or_a_page_is_one_short_line() -> None:
    """RFC 4514 escapes what has a meaning in a name; what cannot be printed does not get further."""
    found = read_recipient(recipient(name="a\u202eb,\n|<b>" + "x" * 50).certificate.decode())
    assert found.subject.isprintable() and "\u202e" not in found.subject and len(found.subject) < 320


# -- private keys -------------------------------------------------------------------------------------------------


def key_in(encoding: str, form: str, password: bytes = b"") -> bytes:
    key = serialization.load_pem_private_key(recipient().key, None)
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    chosen = getattr(serialization.PrivateFormat, form)
    return key.private_bytes(getattr(serialization.Encoding, encoding), chosen, locked)


def pfx() -> str:
    from cryptography import x509

    key = serialization.load_pem_private_key(recipient().key, None)
    made = pkcs12.serialize_key_and_certificates(
        b"x", key, x509.load_pem_x509_certificate(PEM.encode()), None,  # type: ignore[arg-type]  # an RSA key
        serialization.BestAvailableEncryption(b"secret"),
    )  # fmt: skip
    return base64.b64encode(made).decode()


KEYS = {
    "PKCS 8": KEY,
    "PKCS 1": key_in("PEM", "TraditionalOpenSSL").decode(),
    "under a password": key_in("PEM", "PKCS8", b"secret").decode(),
    "OpenSSH": key_in("PEM", "OpenSSH").decode(),
    "of a curve": recipient_of_a_curve("P-256").key.decode(),
    "in lower case": KEY.lower(),
    "its label alone": "-----BEGIN RSA PRIVATE KEY-----",
    "OpenPGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc",
    "PuTTY": "PuTTY-User-Key-File-3: ssh-rsa\n",
    "bare": BARE,
    "bare on one line": BARE.replace("\n", ""),
    "bare with words": f"my key:\n{BARE}\nthanks",
    "bare under a password": base64.b64encode(key_in("DER", "PKCS8", b"secret")).decode(),
    "bare, an Edwards curve": "".join(recipient_of_a_curve("Ed25519").key.decode().splitlines()[1:-1]),
    "called a certificate": f"-----BEGIN CERTIFICATE-----\n{BARE}\n-----END CERTIFICATE-----",
    "PKCS 12": pfx(),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_private_key_alone_before_or_behind_a_certificate_is_refused_as_disclosed(name: str) -> None:
    for given in (KEYS[name], PEM + KEYS[name], KEYS[name] + "\n" + PEM):
        error = refused(given)
        assert error.code == "submission.private_key_given"
        assert "泄露" in error.zh and "disclosed" in error.en and "不要" in error.as_dict()["next_zh"]


def test_a_certificate_holds_no_private_key() -> None:
    for bits in (2048, 3072, 4096):
        for place in range(2):
            assert not holds_private_key(recipient(bits=bits, place=place).certificate.decode())


def test_no_text_takes_long() -> None:
    began = time.monotonic()
    for given in ("BEGIN " * 200_000, "A" * LARGEST_CERTIFICATE, ("A" * 16 + "\n") * 5_800, "ab " * 33_000,
                  "-----BEGIN CERTIFICATE----- " + "A " * 40_000, "MII" * 33_000):  # fmt: skip
        assert refused(given).code == "submission.certificate_unreadable"
    assert time.monotonic() - began < 10


# -- days ---------------------------------------------------------------------------------------------------------


def test_outside_its_days_it_is_refused_with_the_day_and_at_either_end_it_is_taken() -> None:
    """Days are those of Shanghai: what ends at midnight UTC ends there on the same day, at eight."""
    found = read_recipient(PEM)
    for at in (found.valid_from, datetime(2026, 11, 2, tzinfo=UTC), found.valid_until):
        found.check_in_date(at)
    late, early = found.valid_until + timedelta(seconds=1), found.valid_from - timedelta(hours=9)
    for at, code, days in ((late, "expired", ("2036-01-01", "2036-01-01")),
                           (early, "not_yet_valid", ("2026-01-01", "2025-12-31"))):  # fmt: skip
        with pytest.raises(PlatformError) as caught:
            found.check_in_date(at)
        assert caught.value.code == f"submission.certificate_{code}"
        assert all(day in text for day in days for text in (caught.value.zh, caught.value.en))
