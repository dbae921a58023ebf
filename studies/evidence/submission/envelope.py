"""Rows for one recipient alone: a CMS EnvelopedData (RFC 5652) around one deterministic archive.

The archive follows from the files; the envelope does not, by its nature: content key and padding are drawn anew each
time, so a package holds it among the files that a second build may change. It hides and does not authenticate: what it
holds is vouched for by the hash of the envelope in the package's signed manifest.
"""

from __future__ import annotations

from collections.abc import Mapping

from studies.evidence.recipient import usable_certificate
from studies.evidence.submission.facts import FOLDER
from studies.evidence.submission.problems import NOTHING_TO_SEAL
from studies.evidence.templates.verify import zip_bytes


def row_archive(files: Mapping[str, bytes]) -> bytes:
    """The files as one zip: stored, sorted, no times; paths from `data/03_data/` on."""
    if not files:
        raise NOTHING_TO_SEAL.error()
    return zip_bytes({name.removeprefix(FOLDER): content for name, content in files.items()})


def sealed_for(files: Mapping[str, bytes], certificate_pem: bytes) -> bytes:
    """DER. AES-256-CBC; its key is encrypted to the certificate's RSA key (PKCS #1 v1.5 key transport).

    Nobody's clock is asked here: an order with a certificate out of date is refused (studies.evidence.recipient).
    """
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    archive = row_archive(files)
    builder = (
        pkcs7.PKCS7EnvelopeBuilder().set_data(archive).add_recipient(usable_certificate(certificate_pem))
    )
    builder = builder.set_content_encryption_algorithm(AES256)
    return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
