"""The envelope around the rows: opened by openssl with the right key alone, never made for a key that does not fit."""

from __future__ import annotations

import io
import zipfile

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.submission.envelope import row_archive, sealed_for
from studies.evidence.submission.facts import FOLDER
from studies.evidence.submission.guide import _words
from tests.evidence.submission.keys import (
    Recipient,
    decrypted,
    needs_openssl,
    opened,
    openssl,
    recipient,
    recipient_of_a_curve,
)
from tests.evidence.submission.made import rotterdam_files

FILES = {
    f"{FOLDER}datasets/xpt/adsl.xpt": bytes(range(256)) * 9,
    f"{FOLDER}datasets/json/adsl.json": "行".encode() * 1000,
    f"{FOLDER}empty.txt": b"",
    f"{FOLDER}lines.txt": b"a\nb\r\nc\n\n",
}
INSIDE = {name.removeprefix(FOLDER): content for name, content in FILES.items()}


# --- the archive -----------------------------------------------------------------------------------------------------


def test_the_archive_has_the_files_at_their_paths_within_the_folder():
    with zipfile.ZipFile(io.BytesIO(row_archive(FILES))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(INSIDE)
        assert {name: archive.read(name) for name in archive.namelist()} == INSIDE


def test_the_archive_follows_from_the_files_whatever_their_order():
    assert row_archive(FILES) == row_archive(dict(reversed(list(FILES.items()))))
    with zipfile.ZipFile(io.BytesIO(row_archive(FILES))) as archive:
        assert len({one.date_time for one in archive.infolist()}) == 1


def test_an_archive_of_nothing_is_refused():
    for call in (lambda: row_archive({}), lambda: sealed_for({}, recipient().certificate)):
        with pytest.raises(PlatformError) as error:
            call()
        assert error.value.code == "submission.nothing_to_seal"


# --- the envelope ----------------------------------------------------------------------------------------------------


@needs_openssl
def test_openssl_opens_it_with_the_recipients_key_and_finds_the_archive_byte_by_byte(tmp_path):
    envelope = sealed_for(FILES, recipient().certificate)
    assert decrypted(envelope, recipient(), tmp_path) == row_archive(FILES)
    assert opened(envelope, recipient(), tmp_path) == INSIDE


@needs_openssl
def test_a_whole_submission_comes_out_as_it_went_in(tmp_path):
    files = rotterdam_files().files
    found = opened(sealed_for(files, recipient().certificate), recipient(), tmp_path)
    assert found == {name.removeprefix(FOLDER): content for name, content in files.items()}


@needs_openssl
def test_it_is_enveloped_data_under_aes_256(tmp_path):
    sealed = tmp_path / "rows.p7m"
    sealed.write_bytes(sealed_for(FILES, recipient().certificate))
    shown = openssl(
        "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", str(sealed)
    ).stdout.decode()
    assert "contentType: pkcs7-envelopedData" in shown
    assert "algorithm: aes-256-cbc" in shown
    assert shown.count("d.ktri") == 1  # one recipient


@needs_openssl
def test_somebody_elses_key_does_not_open_it(tmp_path):
    """CMS with PKCS #1 v1.5 answers a wrong key with noise or an error: never with the rows."""
    envelope = sealed_for(FILES, recipient().certificate)
    sealed, key, out = tmp_path / "rows.p7m", tmp_path / "key.pem", tmp_path / "out"
    sealed.write_bytes(envelope)
    key.write_bytes(recipient(place=1).key)
    openssl(
        "cms",
        "-decrypt",
        "-inform",
        "DER",
        "-in",
        str(sealed),
        "-inkey",
        str(key),
        "-out",
        str(out),
        ok=False,
    )
    found = out.read_bytes() if out.exists() else b""
    assert found != row_archive(FILES) and "行".encode() not in found


def test_nothing_of_the_rows_shows_through():
    envelope = sealed_for(FILES, recipient().certificate)
    assert "行".encode() not in envelope and b"adsl" not in envelope and b"PK\x03\x04" not in envelope


def test_no_two_envelopes_are_the_same():
    """That is the nature of an envelope, and why a package lists it among what a second build may change."""
    first, second = (sealed_for(FILES, recipient().certificate) for _ in range(2))
    assert first != second and len(first) == len(second)


def test_the_guide_tells_the_command_that_opens_it():
    for language in ("zh", "en"):
        assert "openssl cms -decrypt -inform DER -in rows.p7m -inkey" in _words()["sealed_form"][language]


# --- recipients ------------------------------------------------------------------------------------------------------


def refused(certificate: bytes) -> str:
    with pytest.raises(PlatformError) as error:
        sealed_for(FILES, certificate)
    assert certificate == b"" or certificate.decode("latin-1") not in str(error.value.details)
    return error.value.code


@pytest.mark.parametrize(
    "made", [recipient(usage="seal"), recipient(bits=3072)], ids=["may seal", "3072 bits"]
)
def test_a_certificate_that_may_encrypt_keys_or_does_not_say_is_taken(made: Recipient):
    assert sealed_for(FILES, made.certificate)


def test_a_certificate_for_signatures_alone_is_refused():
    assert refused(recipient(usage="sign").certificate) == "submission.certificate_key_unfit"


def test_a_short_key_is_refused():
    assert refused(recipient(bits=1024).certificate) == "submission.certificate_key_unfit"


@pytest.mark.parametrize("kind", ["P-256", "Ed25519"])
def test_a_key_that_is_no_rsa_is_refused(kind):
    assert refused(recipient_of_a_curve(kind).certificate) == "submission.certificate_key_unfit"


@needs_openssl
def test_a_certificate_of_the_chinese_curve_is_refused_as_such(tmp_path):
    """SM2 is what a Chinese authority may well hand in: it is told what is needed, not shown a fault of ours."""
    key, certificate = tmp_path / "sm2.key", tmp_path / "sm2.pem"
    made = openssl("genpkey", "-algorithm", "SM2", "-out", str(key), ok=False)
    if made.returncode:
        pytest.skip("this openssl has no SM2")
    openssl(
        "req",
        "-x509",
        "-new",
        "-key",
        str(key),
        "-sm3",
        "-subj",
        "/CN=x",
        "-days",
        "9",
        "-out",
        str(certificate),
    )
    assert refused(certificate.read_bytes()) == "submission.certificate_key_unfit"


@pytest.mark.parametrize(
    "certificate",
    [
        b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x00" * 5000,
        b"-----BEGIN CERTIFICATE-----", "证书".encode(),
    ],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(certificate):
    assert refused(certificate) == "submission.certificate_unreadable"


def test_a_private_key_in_its_place_is_refused_and_not_repeated():
    assert refused(recipient().key) == "submission.certificate_unreadable"


def test_two_certificates_are_refused_because_nobody_knows_whose_rows_they_are():
    both = recipient().certificate + recipient(place=1).certificate
    assert refused(both) == "submission.certificate_unreadable"


def test_a_certificate_whose_body_was_damaged_is_refused():
    lines = recipient().certificate.splitlines()
    damaged = b"\n".join([lines[0], lines[1][::-1], *lines[2:]])
    assert refused(damaged) == "submission.certificate_unreadable"
