"""A time stamp authority of the tests' own (RFC 3161): keys and certificates by `cryptography`, messages by asn1crypto.

Whatever it says can be spoilt, one thing at a time; `serving` puts it on this machine's loopback.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)  # where the standing clock stands
POLICY = "1.3.6.1.4.1.99999.1"
YEARS = timedelta(days=3650)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@lru_cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One a name: making them is the slow part."""
    return rsa.generate_private_key(65537, bits)


def name_of(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def issued(
    common: str,
    key: Key,
    by: Issued | None = None,
    *,
    ca: bool = False,
    usage: tuple[x509.ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    first: datetime = NOW - YEARS,
    last: datetime = NOW + YEARS,
) -> Issued:
    """Signed `by` another, or by itself."""
    made = (
        x509.CertificateBuilder()
        .subject_name(name_of(common))
        .issuer_name(by.certificate.subject if by else name_of(common))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(common.encode()).digest()[:8], "big") >> 1 or 1)
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if ca:
        signs = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False)  # fmt: skip
        made = made.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **signs), critical=True
        )
    elif usage is not None:
        made = made.add_extension(x509.ExtendedKeyUsage(usage), critical=critical)
    return Issued(key, made.sign((by.key if by else key), hashes.SHA256()))


@lru_cache
def root() -> Issued:
    return issued("Test Root", rsa_key("root"), ca=True)


@lru_cache
def middle() -> Issued:
    return issued("Test Middle", rsa_key("middle"), root(), ca=True)


@lru_cache
def unit() -> Issued:
    return issued("时间戳测试机构", rsa_key("unit"), middle())


@dataclass
class Authority:
    """What it is asked becomes what it answers. Each field but the first three spoils one thing.

    unit    -- the certificate that signs; `others` come along with it
    info    -- fields of TSTInfo put in place of the right ones; None takes one out
    signed  -- spoils the finished SignedData
    """

    unit: Issued = field(default_factory=unit)
    others: tuple[Issued, ...] = field(default_factory=lambda: (middle(),))
    at: datetime = NOW
    status: str = "granted"
    info: Mapping[str, Any] = field(default_factory=dict)
    digest: str = "sha256"
    names_certificate: bool = True
    spoil: Callable[[cms.SignedData], None] | None = None
    asked: list[tsp.TimeStampReq] = field(default_factory=list)

    def but(self, **changes: Any) -> Authority:
        return dataclasses.replace(self, asked=[], **changes)

    def answer(self, request: bytes) -> bytes:
        asked = tsp.TimeStampReq.load(request, strict=True)
        self.asked.append(asked)
        status = {"status": self.status}
        if self.status not in ("granted", "granted_with_mods"):
            return without_token(status)
        signed = self._signed(asked)
        if self.spoil is not None:
            self.spoil(signed)
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        return bytes(tsp.TimeStampResp({"status": status, "time_stamp_token": token}).dump())

    def _signed(self, asked: tsp.TimeStampReq) -> cms.SignedData:
        said: dict[str, Any] = {
            "version": "v1",
            "policy": asked["req_policy"].native or POLICY,
            "message_imprint": asked["message_imprint"],
            "serial_number": 4711,
            "gen_time": self.at,
            "nonce": asked["nonce"].native,
            **self.info,
        }
        content = tsp.TSTInfo({name: value for name, value in said.items() if value is not None}).dump()
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.new(self.digest, content).digest()]},
                *([self._naming()] if self.names_certificate else []),
            ]
        )
        own = asn1_x509.Certificate.load(self.unit.der)
        signer = {
            "version": "v1",
            "sid": {"issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}},
            "digest_algorithm": {"algorithm": self.digest},
            "signed_attrs": attributes,
            "signature_algorithm": self._algorithm(),
            "signature": self._sign(attributes.dump()),
        }
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": self.digest}],
                "encap_content_info": {
                    "content_type": "tst_info",
                    "content": core.ParsableOctetString(content),
                },
                "certificates": [asn1_x509.Certificate.load(one.der) for one in (self.unit, *self.others)],
                "signer_infos": [signer],
            }
        )

    def _naming(self) -> dict[str, Any]:
        hashed = {
            "hash_algorithm": {"algorithm": "sha256"},
            "cert_hash": hashlib.sha256(self.unit.der).digest(),
        }
        return {
            "type": "signing_certificate_v2",
            "values": [tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2(hashed)]})],
        }

    def _algorithm(self) -> algos.SignedDigestAlgorithm:
        kind = "rsa" if isinstance(self.unit.key, rsa.RSAPrivateKey) else "ecdsa"
        return algos.SignedDigestAlgorithm({"algorithm": f"{self.digest}_{kind}"})

    def _sign(self, message: bytes) -> bytes:
        made = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}[self.digest]
        key = self.unit.key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, PKCS1v15(), made)
        return key.sign(message, ec.ECDSA(made))


def without_token(status: Mapping[str, str]) -> bytes:
    """TimeStampResp as RFC 3161 has it; asn1crypto's own cannot be written without a token."""

    class Answer(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
        _fields: ClassVar = [("status", tsp.PKIStatusInfo)]

    return bytes(Answer({"status": status}).dump())


# -- on the loopback -----------------------------------------------------------------------------------------

Instead = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Served:
    """An authority at an address. `instead` answers in its place."""

    authority: Authority
    address: str = ""
    instead: Instead | None = None
    requests: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(authority: Authority | None = None) -> Iterator[Served]:
    served = Served(authority or Authority())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            served.requests += 1
            try:
                if served.instead is not None:
                    served.instead(self, body)
                    return
                assert self.headers["content-type"] == "application/timestamp-query"
                send(self, 200, served.authority.answer(body))
            except (BrokenPipeError, ConnectionResetError):  # whoever asked has had enough
                return

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_port}/tsa"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    content: bytes,
    kind: str = "application/timestamp-reply",
    **more: str,
) -> None:
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(content)))
    for name, value in more.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)
