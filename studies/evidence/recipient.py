"""The recipient of rows, as one X.509 certificate says who it is.

What somebody hands in as a certificate may hold more, a private key above all. It is read once, before anything of it
is stored: from here on there is the certificate alone, encoded anew. Nothing heavy is imported: a page reads it too.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

LARGEST_CERTIFICATE = 100_000  # characters of PEM
RSA_BITS = 2048

CERTIFICATE_UNREADABLE = Problem(
    code="submission.certificate_unreadable",
    zh="接收方的证书无法读取：应为且仅为一份 PEM 格式的 X.509 证书。",
    en="The recipient's certificate cannot be read: one X.509 certificate in PEM is expected, and nothing beside it.",
    next_zh="请向接收方索取证书文件（不是私钥），只给出一份证书，从 -----BEGIN CERTIFICATE----- 到 -----END "
    "CERTIFICATE-----，前后不留其他文字。",
    next_en="Ask the recipient for the file (never the private key) and give one certificate, from "
    "-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, with no other text around it.",
)
CERTIFICATE_KEY_UNFIT = Problem(
    code="submission.certificate_key_unfit",
    zh="接收方证书的密钥不适用：需要不少于 {bits} 位、且允许用于密钥加密的 RSA 密钥。",
    en="The certificate's key does not serve: RSA of at least {bits} bits that may encrypt keys is needed.",
    next_zh="请接收方提供符合要求的 RSA 证书。",
    next_en="Ask the recipient for an RSA certificate that meets this.",
)
PRIVATE_KEY_GIVEN = Problem(
    code="submission.private_key_given",
    zh="给出的内容中含有私钥。这把私钥应视为已经泄露。平台没有保存，也没有使用它。",
    en="What was given holds a private key. That key must be treated as disclosed. The platform has neither kept nor "
    "used it.",
    next_zh="请通知接收方停用这把密钥并换发证书；私钥永远不要发送给任何人。随后只给出新的证书，从 -----BEGIN "
    "CERTIFICATE----- 到 -----END CERTIFICATE-----。",
    next_en="Tell the recipient to retire that key and have a new certificate made; a private key is never sent to "
    "anybody. Then give the new certificate alone, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
    http=422,
)
CERTIFICATE_EXPIRED = Problem(
    code="submission.certificate_expired",
    zh="接收方的证书已于 {day} 到期，今天是 {today}；不再加密给它。",
    en="The recipient's certificate expired on {day}, and today is {today}: nothing is sealed to it any more.",
    next_zh="请接收方提供仍在有效期内的证书；如果今天的日期不对，请平台运维人员校准时间。",
    next_en="Ask the recipient for one that is in date; if today's date is wrong, let the operator set the clock.",
    http=422,
)
CERTIFICATE_NOT_YET_VALID = Problem(
    code="submission.certificate_not_yet_valid",
    zh="接收方的证书自 {day} 起才有效，今天是 {today}。",
    en="The recipient's certificate is valid from {day} on, and today is {today}.",
    next_zh="请接收方提供现在有效的证书，或到那一天再申请；如果今天的日期不对，请平台运维人员校准时间。",
    next_en="Ask the recipient for one that is valid now, or come back on that day; if today's date is wrong, let the "
    "operator set the clock.",
    http=422,
)

_ONE = re.compile(
    r"-----BEGIN (X509 )?CERTIFICATE-----\s[A-Za-z0-9+/=\s]*-----END (X509 )?CERTIFICATE-----", re.ASCII
)
# PEM of every maker, OpenPGP, and the two of PuTTY. Bounded, so that no text takes long.
_SAYS_KEY = re.compile(
    r"BEGIN[A-Z0-9 ]{0,40}PRIVATE[\s_-]{0,4}KEY|PRIVATE[\s_-]{0,4}KEY( BLOCK)?-{3}"
    r"|PuTTY-User-Key-File|Private-Lines:",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"(?:[A-Za-z0-9+/]{16,}\s{1,4}){0,4000}[A-Za-z0-9+/]+={0,2}", re.ASCII)
_SHORTEST_KEY = 60  # characters in base64; an Ed25519 key has 64
_LONGEST_NAME = 300
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RowsRecipient:
    """
    pem     -- the certificate alone
    subject -- and `issuer`: distinguished names (RFC 4514)
    serial  -- hexadecimal, as `openssl x509 -serial` prints it
    sha256  -- of the certificate in DER: the fingerprint that the recipient sees
    """

    pem: str
    subject: str
    issuer: str
    serial: str
    sha256: str
    valid_from: datetime
    valid_until: datetime

    def as_dict(self) -> dict[str, str]:
        """As package.json names it; instants in UTC."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "sha256": self.sha256,
            "valid_from": _instant(self.valid_from),
            "valid_until": _instant(self.valid_until),
        }

    def check_in_date(self, at: datetime) -> None:
        """Raises `submission.certificate_expired`, `submission.certificate_not_yet_valid`; days are Shanghai's."""
        today = shanghai_date(at).isoformat()
        if at > self.valid_until:
            raise CERTIFICATE_EXPIRED.error(day=shanghai_date(self.valid_until).isoformat(), today=today)
        if at < self.valid_from:
            raise CERTIFICATE_NOT_YET_VALID.error(day=shanghai_date(self.valid_from).isoformat(), today=today)


def recipient_told(described: Mapping[str, Any]) -> dict[str, str] | None:
    """Whom the rows of a package are sealed to, as its package.json says; None where it names nobody.

    Raises ValueError where what stands there is not what `as_dict` gives.
    """
    told = described.get("sealed_to")
    if told is None:
        return None
    names = ("subject", "issuer", "serial", "sha256", "valid_from", "valid_until")
    if not isinstance(told, Mapping) or any(not isinstance(told.get(name), str) for name in names):
        raise ValueError("sealed_to")
    for name in ("valid_from", "valid_until"):
        datetime.strptime(told[name], _INSTANT)
    return {name: "".join(one if one.isprintable() else "?" for one in told[name]) for name in names}


def last_day(told: Mapping[str, str]) -> str:
    """The day, in Shanghai, on which the certificate of `recipient_told` ends."""
    return shanghai_date(datetime.strptime(told["valid_until"], _INSTANT).replace(tzinfo=UTC)).isoformat()


def recipient_words(told: Mapping[str, str]) -> Bilingual:
    """One line with all that a package says of the certificate."""
    found = {**told, "day": last_day(told)}
    zh = "{subject}（颁发者 {issuer}；序列号 {serial}；SHA-256 {sha256}；有效期至 {day}）"
    en = "{subject} (issuer {issuer}; serial {serial}; SHA-256 {sha256}; valid until {day})"
    return Bilingual(zh.format(**found), en.format(**found))


def read_recipient(given: str) -> RowsRecipient:
    """The one certificate in `given`, whose clock nobody asks here.

    Raises `submission.private_key_given`, `submission.certificate_unreadable`, `submission.certificate_key_unfit`.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    text = given.removeprefix("\ufeff").strip()  # the mark that an editor puts before UTF-8
    if holds_private_key(text):
        raise PRIVATE_KEY_GIVEN.error()
    if len(given) > LARGEST_CERTIFICATE or not _ONE.fullmatch(text):
        raise CERTIFICATE_UNREADABLE.error()
    certificate = usable_certificate(text.encode())
    try:
        subject, issuer = (_name(one) for one in (certificate.subject, certificate.issuer))
        serial = f"{certificate.serial_number:X}"
        return RowsRecipient(
            pem=certificate.public_bytes(Encoding.PEM).decode(),
            subject=subject,
            issuer=issuer,
            serial=serial.zfill(len(serial) + len(serial) % 2),
            sha256=certificate.fingerprint(hashes.SHA256()).hex(),
            valid_from=certificate.not_valid_before_utc,
            valid_until=certificate.not_valid_after_utc,
        )
    except ValueError as error:
        raise CERTIFICATE_UNREADABLE.error() from error


def holds_private_key(text: str) -> bool:
    """By what it calls itself, or bare in base64: PKCS #8, PKCS #1, SEC 1 and PKCS #12."""
    if _SAYS_KEY.search(text):
        return True
    if len(text) > LARGEST_CERTIFICATE:
        return False
    return any(_is_key(one[0]) for one in _ENCODED.finditer(text) if len(one[0]) >= _SHORTEST_KEY)


def usable_certificate(pem: bytes) -> Any:
    """An x509.Certificate whose key a content key may be encrypted to."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        found = x509.load_pem_x509_certificates(pem)
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


def _is_key(encoded: str) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    bare = re.sub(r"[\s=]", "", encoded)
    content = _first_sequence(
        base64.b64decode(bare[: len(bare) - (len(bare) % 4 == 1)] + "=" * (-len(bare) % 4 % 3))
    )
    if b"\x02\x01\x03\x30" in content[:12]:  # RFC 7292 4: version 3, then what is inside
        return True
    try:
        load_der_private_key(content, None, unsafe_skip_rsa_key_validation=True)  # looked at, never used
    except ValueError:
        return False
    except (TypeError, UnsupportedAlgorithm):  # one under a password, or of a sort that is not taken
        return True
    return True


def _first_sequence(content: bytes) -> bytes:
    """Without what follows it: words may stand right behind a key. X.690 8.1.3."""
    if len(content) < 4 or content[0] != 0x30:
        return b""
    size = content[1]
    if size < 0x80:
        return content[: 2 + size]
    many = size & 0x7F
    return content[: 2 + many + int.from_bytes(content[2 : 2 + many], "big")]


def _name(name: Any) -> str:
    """On one line and of printable signs: it is shown on pages and in documents."""
    text = "".join(one if one.isprintable() else "?" for one in name.rfc4514_string())
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime(_INSTANT)
