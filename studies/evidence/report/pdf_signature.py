"""Signatures inside the report's PDF: PAdES B-B (ETSI EN 319 142-1), B-T where an authority gives timestamps.

The platform's signature comes first. It certifies the file (DocMDP, level 2: only forms may still be filled in)
and leaves one empty field, so that an organisation can sign later, with its own certificate and its own program,
without breaking it. Both fields are invisible: how much of the last page is free differs from report to report.

The platform signs with the Ed25519 key that also signs the package, under a certificate that the key signed
itself. That certificate proves nothing about who holds the key: a reader compares the key with the published one.

PDF/A-2 stands on PDF 1.7, whose extensions dictionary has no room for ISO/TS 32002 (Ed25519 in PDF 2.0). So the
file does not declare that extension; a program that knows only the algorithms of PDF 1.7 says that it cannot check.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from asn1crypto import x509

PLATFORM, ORGANISATION = "Platform / 平台签章", "Organisation / 机构签章"
FIELDS = (PLATFORM, ORGANISATION)
PLATFORM_REASON = Bilingual(
    "平台出具并随证据包签名；所载时间为报告日期，不是签名时刻。",
    "Made and signed by the platform as part of an evidence package; the time given is the report's date.",
)
Sign = Callable[[bytes], bytes]
Timestamps = Callable[[bytes], bytes]

_NEVER_EXPIRES = datetime(
    9999, 12, 31, 23, 59, 59, tzinfo=UTC
)  # RFC 5280, 4.1.2.5: no end that anyone could name
_LONGEST_NAME = 64  # ub-common-name, RFC 5280
_MOST_CERTIFICATES = 10
_UNKNOWN_KIND = ("密钥算法不受支持", "its key is of a kind that is not supported")

CERTIFICATE_UNFIT = Problem(
    code="pdf_signature.certificate_unfit",
    zh="签名证书不能使用：{why_zh}。",
    en="The signing certificate cannot be used: {why}.",
    next_zh="请提供 PEM 格式的证书链，签名者证书在前，密钥为 Ed25519、RSA 或 ECDSA，且在签名日期有效。",
    next_en="Give the chain as PEM, the signer's certificate first, with an Ed25519, RSA or ECDSA key and valid on "
    "the date of signing.",
    exit=Exit.REFUSED,
)
KEY_MISMATCH = Problem(
    code="pdf_signature.key_mismatch",
    zh="签名密钥与签名证书不配对，PDF 未签名。",
    en="The signing key is not the one its certificate names; the PDF was not signed.",
    next_zh="请核对证书与密钥是否为同一对。",
    next_en="Check that certificate and key belong together.",
    exit=Exit.REFUSED,
)
NO_FIELD = Problem(
    code="pdf_signature.no_field",
    zh="这份 PDF 没有名为“{field}”的签名域。",
    en='This PDF has no signature field named "{field}".',
    next_zh="平台签名时会留出机构签名域；请使用证据包中的原文件。",
    next_en="The platform leaves a field for the organisation when it signs; use the file as it lies in the package.",
)
FIELD_TAKEN = Problem(
    code="pdf_signature.field_taken",
    zh="签名域“{field}”已经签过名。",
    en='The signature field "{field}" is already signed.',
    next_zh="请勿重复签名；如需更换，请从证据包中的原文件重新开始。",
    next_en="Do not sign it again; to replace the signature start from the file as it lies in the package.",
    http=409,
    exit=Exit.REFUSED,
)
NOT_SIGNABLE = Problem(
    code="pdf_signature.not_signable",
    zh="文件不是可以签名的 PDF，或其中已有的签名不允许再签。",
    en="The file is no PDF that can be signed, or a signature in it forbids another.",
    next_zh="请使用平台生成、未经改动的报告文件。",
    next_en="Use the report as the platform made it, unchanged.",
)
TIMESTAMP_REFUSED = Problem(
    code="pdf_signature.timestamp_refused",
    zh="时间戳机构没有给出可用的时间戳，PDF 未签名。",
    en="The timestamp authority gave no usable timestamp; the PDF was not signed.",
    next_zh="请检查时间戳服务的地址与证书后重试；也可不带时间戳签名。",
    next_en="Check the address and the certificate of the timestamp service and try again, or sign without one.",
    http=502,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class PdfSigner:
    """Who signs, and why.

    certificates -- PEM, the signer's own first, then those up to its root
    sign -- the signature of a message by the certificate's key: 64 bytes for Ed25519 (RFC 8032), PKCS #1 v1.5 with
            SHA-256 for RSA, DER with SHA-256 for ECDSA. The key itself may lie in a hardware module.
    """

    name: str
    certificates: bytes
    sign: Sign
    reason: Bilingual


def platform_signer(name: str, public_key: bytes, sign: Sign, dated: str) -> PdfSigner:
    """The platform's own seal: its key under a certificate that follows from the arguments alone."""
    certificate = platform_certificate(name, public_key, sign, dated)
    return PdfSigner(name, certificate, sign, PLATFORM_REASON)


def platform_certificate(name: str, public_key: bytes, sign: Sign, dated: str) -> bytes:
    """A self-signed X.509 certificate (RFC 5280) as PEM.

    public_key -- 32 bytes of Ed25519 (RFC 8410), or a DER SubjectPublicKeyInfo of an elliptic curve. With the second,
    `sign` gives ECDSA with SHA-256 in DER, and the bytes repeat only where it is deterministic (RFC 6979).
    dated -- the first day it is valid, `2026-01-31`. It names no last day: whether the key still counts is said where
    it is published. The serial number is a hash of name, key and day, so no two certificates share one.
    Raises `pdf_signature.certificate_unfit`, `pdf_signature.key_mismatch`.
    """
    from asn1crypto import pem, x509

    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise _unfit(
            "名称为空、过长或含不可见字符", "its name is empty, too long or has unprintable characters"
        )
    key = _key_info(public_key)
    to_sign = _to_be_signed(name, key, moment_of(dated))
    content = to_sign.dump()
    signature = sign(content)
    algorithm = to_sign["signature"]
    certificate = x509.Certificate(
        {"tbs_certificate": to_sign, "signature_algorithm": algorithm, "signature_value": signature}
    )
    check_signature(certificate, content, signature)
    made: bytes = pem.armor("CERTIFICATE", certificate.dump())
    return made


def _key_info(public_key: bytes) -> Any:
    from asn1crypto import keys

    if len(public_key) == 32:
        return keys.PublicKeyInfo({"algorithm": {"algorithm": "ed25519"}, "public_key": public_key})
    try:
        key = keys.PublicKeyInfo.load(public_key, strict=True)
        fits = key.algorithm == "ec" and key.curve[0] == "named"
    except (ValueError, TypeError) as error:
        raise _unfit("公钥无法读取", "its key cannot be read") from error
    if not fits:
        raise _unfit(*_UNKNOWN_KIND)
    return key


def _to_be_signed(name: str, key: Any, first: datetime) -> x509.TbsCertificate:
    from asn1crypto import core, x509

    subject = x509.Name.build({"common_name": name})
    public_key = key.dump()
    hashed = hashlib.sha256(b"\0".join((name.encode(), public_key, first.isoformat().encode()))).digest()
    serial = int.from_bytes(b"\x01" + hashed[:19], "big")  # positive, and the 20 bytes that RFC 5280 allows
    usage = {"digital_signature", "non_repudiation"}
    return x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": serial,
            "signature": {"algorithm": "ed25519" if key.algorithm == "ed25519" else "sha256_ecdsa"},
            "issuer": subject,
            "validity": {"not_before": _time(first), "not_after": _time(_NEVER_EXPIRES)},
            "subject": subject,
            "subject_public_key_info": key,
            "extensions": [
                _extension("basic_constraints", x509.BasicConstraints({"ca": False}), critical=True),
                _extension("key_usage", x509.KeyUsage(usage), critical=True),
                _extension("key_identifier", core.OctetString(_identifier(key)), critical=False),
            ],
        }
    )


def _identifier(key: Any) -> bytes:
    """RFC 7093, method 1: the first 160 bits of SHA-256 over the key's own bits."""
    return hashlib.sha256(bytes(key["public_key"])).digest()[:20]


def _extension(name: str, content: Any, *, critical: bool) -> dict[str, Any]:
    return {"extn_id": name, "critical": critical, "extn_value": content}


def _time(moment: datetime) -> Any:
    from asn1crypto import x509

    return x509.Time({"utc_time" if moment.year < 2050 else "general_time": moment})  # RFC 5280, 4.1.2.5


def signed(
    pdf: bytes, signer: PdfSigner, *, dated: str, field: str = PLATFORM, timestamps: Timestamps | None = None
) -> bytes:
    """The PDF with one signature more, as an incremental update: the bytes that were there stay as they are.

    dated -- the signature's date, a fact (`2026-01-31`, midnight UTC): it is claimed, and only a timestamp proves one.
    field -- in a PDF without fields both are prepared and this one certifies; otherwise it must be there and empty.
    timestamps -- sends a DER TimeStampReq (RFC 3161) to an authority and gives its DER TimeStampResp.
    With Ed25519 and no timestamps the same arguments give the same bytes. The PDF is one that the platform made: what
    comes from outside goes through `read_signatures` first, which bounds it.
    Raises the problems `pdf_signature.*` of this file.
    """
    moment = moment_of(dated)
    chain = chain_of(signer.certificates)
    check_valid_on(chain[0], moment)
    if field not in FIELDS:
        raise NO_FIELD.error(field=_shown(field))
    from studies.evidence.report.pdf_pades import Statement, add_signature

    reason = f"{signer.reason.zh} / {signer.reason.en}"
    statement = Statement(field, signer.name, reason, moment, chain, signer.sign)
    return add_signature(pdf, statement, timestamps)


def moment_of(dated: str) -> datetime:
    """Midnight UTC of an ISO date. Raises ValueError: dates are the program's own facts."""
    day = date.fromisoformat(dated)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def chain_of(certificates: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text, at least one. Raises `pdf_signature.certificate_unfit`."""
    from asn1crypto import pem, x509

    try:
        found = [
            content for kind, _, content in pem.unarmor(certificates, multiple=True) if kind == "CERTIFICATE"
        ]
        chain = tuple(x509.Certificate.load(one, strict=True) for one in found[:_MOST_CERTIFICATES])
        for one in chain:
            _ = one.native  # parses lazily otherwise, and fails later
    except (ValueError, TypeError, KeyError) as error:
        raise _unfit("无法读取", "it cannot be read") from error
    if not chain:
        raise _unfit("文件中没有证书", "the file holds none")
    if algorithm_of(chain[0]) is None:
        raise _unfit(*_UNKNOWN_KIND)
    return chain


def algorithm_of(certificate: x509.Certificate) -> str | None:
    """`Ed25519`, `RSA`, `ECDSA`, or None for any other."""
    return {"ed25519": "Ed25519", "rsa": "RSA", "ec": "ECDSA"}.get(certificate.public_key.algorithm)


def check_valid_on(certificate: x509.Certificate, moment: datetime) -> None:
    if not certificate.not_valid_before <= moment <= certificate.not_valid_after:
        raise _unfit("在签名日期不在有效期内", "it is not valid on the date of signing")


def check_signature(certificate: x509.Certificate, message: bytes, signature: bytes) -> None:
    """Raises `pdf_signature.key_mismatch` unless the certificate's key made the signature.

    For a curve that cannot be computed here, as SM2, `pdf_signature.certificate_unfit`.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(certificate.public_key.dump())
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, RSAPublicKey):
            key.verify(signature, message, PKCS1v15(), SHA256())
        elif isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, message, ECDSA(SHA256()))
        else:
            raise ValueError("no key of a kind that signs here")
    except UnsupportedAlgorithm as error:
        raise _unfit(*_UNKNOWN_KIND) from error
    except (InvalidSignature, ValueError) as error:
        raise KEY_MISMATCH.error() from error


def _unfit(why_zh: str, why: str) -> Exception:
    return CERTIFICATE_UNFIT.error(why_zh=why_zh, why=why)


def _shown(field: str) -> str:
    """A field's name comes from outside: only what looks like a name is repeated."""
    return field if re.fullmatch(r"[\w ./-]{1,40}", field) else "?"
