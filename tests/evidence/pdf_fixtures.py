"""PDFs and keys to sign with: a two-page report set by typst, invented people, an authority of our own."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from functools import cache

from asn1crypto import keys, pem, tsp, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from rwd_platform.core.text import Bilingual
from studies.evidence.report import pdf
from studies.evidence.report.blocks import Heading, PageBreak, Paragraph, Report, words
from studies.evidence.report.pdf_signature import PdfSigner, platform_signer

DATED = "2026-01-31"
MOMENT = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
NAME = "rwd-platform.example/package"
REASON = Bilingual("同意报告内容", "Agrees with the report")
PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)


@cache
def report_pdf() -> bytes:
    """What the platform's own renderer makes of a small report."""
    body = (
        Heading(words(("方法", "Methods"))),
        Paragraph(words(("随访十二个月。", "Twelve months."))),
        PageBreak(),
    )
    last = (Heading(words(("结论", "Conclusion"))), Paragraph(words(("样本不足。", "Too few."))))
    title = words(("演示报告", "A report to show"))
    report = Report(title, words(("演示", "demo")), body[1:2], (*body, *last), "demo", "1", DATED)
    labels = {"table": "表", "figure": "图", "contents": "目录"}
    return pdf.render(report, "zh", {}, pdf.Running("演示", "演示", "EP-0", "平台", labels))


@cache
def platform() -> PdfSigner:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(b"published demo key: not a secret")
    return platform_signer(NAME, key.public_key().public_bytes_raw(), key.sign, DATED)


@cache
def curve_platform() -> PdfSigner:
    """The same seal with a P-256 key that signs deterministically."""
    key = ec.derive_private_key(0x5EED, ec.SECP256R1())
    return platform_signer(NAME, spki(key), lambda message: _sign(key, message), DATED)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def organisation() -> PdfSigner:
    """A hospital with an RSA key and a certificate that it issued to itself."""
    return signer_of(rsa_key(), "滨海医院（虚构）")


def signer_of(key: PrivateKey, name: str, **dates: dt.datetime) -> PdfSigner:
    certificate = certificate_of(key, name, **dates)
    return PdfSigner(
        name, certificate.public_bytes(serialization.Encoding.PEM), lambda m: _sign(key, m), REASON
    )


def certificate_of(
    key: PrivateKey,
    name: str,
    first: dt.datetime = dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
    last: dt.datetime = dt.datetime(2035, 1, 1, tzinfo=dt.UTC),
    stamps_time: bool = False,
) -> pyca.Certificate:
    subject = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        pyca.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(pyca.KeyUsage(True, True, *([False] * 7)), critical=True)
    )
    if stamps_time:
        built = built.add_extension(pyca.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return built.sign(key, None if edwards else hashes.SHA256())


def spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _sign(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return key.sign(message)


def asn1(signer: PdfSigner) -> x509.Certificate:
    return x509.Certificate.load(pem.unarmor(signer.certificates)[2])


def authority(at: dt.datetime) -> Callable[[bytes], bytes]:
    """A timestamp authority whose clock stands still, as a function from query to answer."""
    return lambda query: stamper(at).request_tsa_response(tsp.TimeStampReq.load(query)).dump()


def stamper(at: dt.datetime) -> DummyTimeStamper:
    certificate = certificate_of(rsa_key(), "时间戳机构（虚构）", stamps_time=True)
    return DummyTimeStamper(
        x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER)),
        private_info(),
        fixed_dt=at,
    )


def private_info() -> keys.PrivateKeyInfo:
    """The RSA key in the form pyHanko takes."""
    encoded = rsa_key().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return keys.PrivateKeyInfo.load(encoded)


def byte_range(content: bytes, which: int = 0) -> tuple[int, int, int, int]:
    found = re.findall(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\]", content)[which]
    start, length, after, rest = map(int, found)
    return start, length, after, rest


def covered(content: bytes, which: int = 0) -> bytes:
    start, length, after, rest = byte_range(content, which)
    return content[start : start + length] + content[after : after + rest]


def signature_bytes(content: bytes, which: int = 0) -> bytes:
    """What stands between the two signed ranges, with its padding."""
    _, length, after, _ = byte_range(content, which)
    return bytes.fromhex(content[length + 1 : after - 1].decode())


def small_pdf(objects: Mapping[int, str], trailer: str = "/Root 1 0 R", size: int | None = None) -> bytes:
    """A PDF with a classic table, of objects written out."""
    content, places = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        places[number] = len(content)
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{number} 1\n{place:010} 00000 n \n" for number, place in places.items())
    end = (
        f"xref\n0 1\n0000000000 65535 f \n{table}trailer\n<< /Size {size or max(objects) + 1} {trailer} >>\n"
    )
    return content + end.encode() + f"startxref\n{len(content)}\n%%EOF\n".encode()
