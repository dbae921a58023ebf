"""Rows for one recipient alone: a CMS EnvelopedData (RFC 5652) around one deterministic archive.

The archive follows from the files; the envelope does not, by its nature: content key and padding are drawn anew each
time, so a package holds it among the files that a second build may change. It hides and does not authenticate: what it
holds is vouched for by the hash of the envelope in the package's signed manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.evidence.submission.facts import FOLDER
from studies.evidence.submission.problems import (
    CERTIFICATE_KEY_UNFIT,
    CERTIFICATE_UNREADABLE,
    NOTHING_TO_SEAL,
)
from studies.evidence.templates.verify import zip_bytes

RSA_BITS = 2048


def row_archive(files: Mapping[str, bytes]) -> bytes:
    """The files as one zip: stored, sorted, no times; paths from `data/03_data/` on."""
    if not files:
        raise NOTHING_TO_SEAL.error()
    return zip_bytes({name.removeprefix(FOLDER): content for name, content in files.items()})


def sealed_for(files: Mapping[str, bytes], certificate_pem: bytes) -> bytes:
    """DER. AES-256-CBC; its key is encrypted to the certificate's RSA key (PKCS #1 v1.5 key transport).

    Nobody's clock is asked here: whether the certificate is in date is for whoever registers the recipient.
    """
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    archive = row_archive(files)
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(archive).add_recipient(_recipient(certificate_pem))
    builder = builder.set_content_encryption_algorithm(AES256)
    return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def check_certificate(certificate_pem: bytes) -> None:
    """Raises `submission.certificate_unreadable`, `submission.certificate_key_unfit`."""
    _recipient(certificate_pem)


def _recipient(certificate_pem: bytes) -> Any:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        found = x509.load_pem_x509_certificates(certificate_pem)
        key = found[0].public_key()
    except (ValueError, TypeError, IndexError) as error:
        raise CERTIFICATE_UNREADABLE.error() from error
    except UnsupportedAlgorithm as error:  # a good certificate of a key that is not taken, SM2 among them
        raise CERTIFICATE_KEY_UNFIT.error(bits=RSA_BITS) from error
    if len(found) != 1:
        raise CERTIFICATE_UNREADABLE.error()
    if not isinstance(key, RSAPublicKey) or key.key_size < RSA_BITS or not _may_encrypt_keys(found[0]):
        raise CERTIFICATE_KEY_UNFIT.error(bits=RSA_BITS)
    return found[0]


def _may_encrypt_keys(certificate: Any) -> bool:
    """RFC 5280 4.2.1.3: a certificate that says what its key is for has to say keyEncipherment."""
    from cryptography import x509

    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError as error:
        raise CERTIFICATE_UNREADABLE.error() from error
    return bool(usage.key_encipherment)
