"""The signatures in a PDF that somebody hands in: whose key, over which bytes, and what came after.

What is said here is arithmetic, not trust: `intact` means that the key in the signature's certificate signed these
bytes. Anyone can make a key and write any name on its certificate; a reader compares `public_key` with the one that
the platform publishes, or gives the certificate to a program that knows the authority it comes from.

The file is hostile until shown otherwise: its size, its revisions, its objects, its form and its page tree are
bounded before anything walks them, and whatever its parser trips over ends in a problem.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from rwd_platform.core.errors import PlatformError, Problem
from studies.evidence.report.pdf_signature import algorithm_of

if TYPE_CHECKING:
    from asn1crypto import x509
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

Later = Literal["nothing", "permitted", "not_permitted"]

# A report has about half a megabyte, 2000 objects and one revision for each signature. Each signature is compared
# with every revision after it, so the bounds multiply.
MOST_BYTES = 8 * 2**20
MOST_REVISIONS = 8
MOST_OBJECTS = 20_000
MOST_FIELDS = 100
MOST_SIGNATURES = 5
_MOST_PAGE_NODES = 5_000
_MOST_TOKENS = 3
_DECODED_BYTES = 64 * 2**20
_TAIL = re.compile(rb"startxref[\r\n ]+\d{1,10}[\r\n ]+%%EOF[\r\n ]{0,4}\Z")

PDF_UNREADABLE = Problem(
    code="pdf_signature.unreadable",
    zh="文件不是完整的 PDF，或其结构无法读取，因此无法查看签名。",
    en="The file is no whole PDF, or its structure cannot be read, so its signatures cannot be told.",
    next_zh="请重新获取该文件；若它来自证据包，请先核验证据包。",
    next_en="Get the file again; where it comes from an evidence package, verify the package first.",
)
PDF_TOO_LARGE = Problem(
    code="pdf_signature.too_large",
    zh="PDF 过大或过于复杂（{what_zh}），不予读取。",
    en="The PDF is too large or too involved to be read ({what}).",
    next_zh="请提交平台生成的报告文件；它远小于此限度。",
    next_en="Hand in the report as the platform made it: it is far below this limit.",
    http=413,
)


@dataclass(frozen=True)
class FoundSignature:
    """One signature.

    signer -- the name on the certificate, "" where none can be read
    algorithm -- `Ed25519`, `RSA`, `ECDSA`, or "" for any other or none: with `intact` false it could not be checked
    claimed_at -- the date the signer wrote down; timestamped_at -- the date an authority vouches for, if any
    intact -- the signature holds over the bytes it covers, and it covers all before its own end but itself
    covers_file -- that end is the end of the file
    later -- what was added after it: `permitted` is a form filled in or signed where the signature allows that
    public_key -- 32 raw bytes for Ed25519, else a DER SubjectPublicKeyInfo; b"" where none can be read
    """

    field: str
    signer: str = ""
    algorithm: str = ""
    claimed_at: datetime | None = None
    timestamped_at: datetime | None = None
    intact: bool = False
    covers_file: bool = False
    later: Later = "not_permitted"
    public_key: bytes = b""
    certificate_sha256: str = ""

    @property
    def holds(self) -> bool:
        """The signed bytes are as they were signed, and nothing was added that the signature does not allow."""
        return self.intact and self.later != "not_permitted"


@dataclass(frozen=True)
class PdfSignatures:
    """Those made, oldest first, and the names of the fields that still wait for one."""

    signed: tuple[FoundSignature, ...]
    empty_fields: tuple[str, ...]


def read_signatures(pdf: bytes) -> PdfSignatures:
    """What is signed in a PDF, and by which keys. A PDF without signatures has none: that is no problem.

    Raises `pdf_signature.unreadable`, `pdf_signature.too_large`.
    """
    if len(pdf) > MOST_BYTES:
        raise _too_large(f"超过 {MOST_BYTES >> 20} MB", f"more than {MOST_BYTES >> 20} MB")
    if not pdf.startswith(b"%PDF-") or not _ends_a_revision(pdf, len(pdf)):
        raise PDF_UNREADABLE.error()
    try:
        return _read(pdf)
    except PlatformError:
        raise
    except Exception as error:  # a parser of hostile bytes fails in more ways than it declares
        raise PDF_UNREADABLE.error() from error


def _ends_a_revision(pdf: bytes, end: int) -> bool:
    return _TAIL.search(pdf[max(0, end - 64) : end]) is not None


def _read(pdf: bytes) -> PdfSignatures:
    from pyhanko.sign.fields import enumerate_sig_fields

    reader = _reader(pdf)
    fields = list(enumerate_sig_fields(reader))
    empty = [str(name) for name, value, _ in fields if value is None]
    if len(fields) - len(empty) > MOST_SIGNATURES:
        raise _too_large("签名过多", "too many signatures")
    found = [_found(pdf, reader, field, str(name)) for name, value, field in fields if value is not None]
    found.sort(key=lambda one: one[0])
    return PdfSignatures(tuple(signature for _, signature in found), tuple(empty))


def _reader(pdf: bytes) -> PdfFileReader:
    """A reader of a file whose tables, form and page tree have been measured, in every revision."""
    from pyhanko.pdf_utils.decode_limits import DecodeLimits, DocumentDecodeBudget
    from pyhanko.pdf_utils.reader import PdfFileReader

    from studies.evidence.report.pdf_bounds import is_too_much

    if is_too_much(pdf, MOST_REVISIONS, MOST_OBJECTS):
        raise _too_large("修订或对象过多", "too many revisions or objects")
    limits = DecodeLimits(document_budget=DocumentDecodeBudget(base_allowance=_DECODED_BYTES, max_ratio=0))
    reader = PdfFileReader(BytesIO(pdf), decode_limits=limits)
    if reader.encrypted:
        raise PDF_UNREADABLE.error()
    for revision in range(reader.xrefs.total_revisions):
        root = reader.get_historical_root(revision)
        _measure(root, "/AcroForm", "/Fields", MOST_FIELDS)
        _measure(root, "/Pages", "/Kids", _MOST_PAGE_NODES)
    return reader


def _measure(root: Any, top: str, first: str, most: int) -> None:
    """Refuses a tree with more nodes than `most`; one that is met twice counts twice, so a loop is refused too."""
    seen, waiting = 0, [_at(_at(root, top), first)]
    while waiting:
        for one in waiting.pop():
            seen += 1
            if seen > most:
                raise _too_large("表单域或页面过多", "too many form fields or pages")
            waiting.append(_at(one.get_object(), "/Kids"))


def _at(node: Any, key: str) -> Any:
    return node[key] if hasattr(node, "keys") and key in node else ()


def _found(pdf: bytes, reader: PdfFileReader, field: Any, name: str) -> tuple[int, FoundSignature]:
    """The revision it was made in, and the signature. One that cannot be parsed is one that does not hold."""
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

    try:
        embedded = EmbeddedPdfSignature(reader, field.get_object(), name)
        return embedded.signed_revision, _told(pdf, embedded)
    except PlatformError:
        raise
    except Exception:  # as above: the signature itself is hostile too
        return reader.xrefs.total_revisions, FoundSignature(field=name)


def _told(pdf: bytes, embedded: EmbeddedPdfSignature) -> FoundSignature:
    certificate = embedded.signer_cert
    end = _covered_up_to(pdf, embedded)
    intact = end is not None and _holds(embedded)
    return FoundSignature(
        field=embedded.field_name,
        signer=_name_on(certificate),
        algorithm=algorithm_of(certificate) or "",
        claimed_at=_claimed(embedded),
        timestamped_at=_timestamped(embedded) if intact else None,
        intact=intact,
        covers_file=end == len(pdf),
        later=_later(pdf, embedded, end) if intact else "not_permitted",
        public_key=_key_of(certificate),
        certificate_sha256=hashlib.sha256(certificate.dump()).hexdigest(),
    )


def _covered_up_to(pdf: bytes, embedded: EmbeddedPdfSignature) -> int | None:
    """Where the signed bytes end; None unless they are all from the first on but this signature's own hex digits.

    Anything else can hide bytes from the signature (the published "incremental saving" and "wrapping" attacks).
    """
    byte_range = [int(one) for one in embedded.byte_range]
    if len(byte_range) != 4 or min(byte_range) < 0:
        return None
    start, length, after, rest = byte_range
    gap = pdf[length:after]
    if start != 0 or after + rest > len(pdf) or gap[:1] != b"<" or gap[-1:] != b">":
        return None
    if (
        not re.fullmatch(rb"[0-9A-Fa-f]+", gap[1:-1])
        or bytes.fromhex(gap[1:-1].decode()) != embedded.pkcs7_content
    ):
        return None
    from asn1crypto import parser

    unused = embedded.pkcs7_content[parser.peek(embedded.pkcs7_content) :]
    return after + rest if not unused.strip(b"\0") and _ends_a_revision(pdf, after + rest) else None


def _holds(embedded: EmbeddedPdfSignature) -> bool:
    """CMS (RFC 5652) and CAdES: the digest is that of the bytes, the key signed it, and the certificate is named."""
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    if _is_timestamp(embedded):
        return _token_time(embedded.signed_data, embedded.compute_digest) is not None
    digest = embedded.compute_digest()
    same, valid = validate_sig_integrity(embedded.signer_info, embedded.signer_cert, "data", digest)
    return same and valid


def _is_timestamp(embedded: EmbeddedPdfSignature) -> bool:
    """A signature that is nothing but an authority's timestamp of the file (PAdES B-LTA)."""
    return bool(embedded.sig_object_type == "/DocTimeStamp")


def _later(pdf: bytes, embedded: EmbeddedPdfSignature, end: int | None) -> Later:
    from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, DiffResult, ModificationLevel

    if end == len(pdf):
        return "nothing"
    try:
        embedded.compute_integrity_info(DEFAULT_DIFF_POLICY)  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
    except Exception:  # later revisions that cannot be compared are not what anyone allowed
        return "not_permitted"
    found, allowed = embedded.diff_result, embedded.docmdp_level
    if not isinstance(found, DiffResult) or found.modification_level == ModificationLevel.OTHER:
        return "not_permitted"
    if allowed is not None and found.modification_level.value > allowed.value:
        return "not_permitted"
    return "permitted"


def _claimed(embedded: EmbeddedPdfSignature) -> datetime | None:
    try:
        moment = embedded.self_reported_timestamp
    except Exception:  # the date is only a claim; one that is none does not undo the signature
        return None
    return moment if moment is None or moment.tzinfo is not None else None


def _timestamped(embedded: EmbeddedPdfSignature) -> datetime | None:
    """The earliest time of a token (RFC 3161) over this signature that its own authority's key signed."""
    from pyhanko.sign.validation.generic_cms import extract_tst_data_iter

    if _is_timestamp(embedded):
        return _token_time(embedded.signed_data, embedded.compute_digest)
    signature = embedded.signer_info["signature"].native
    try:
        tokens = list(extract_tst_data_iter(embedded.signer_info, signed=False))
    except Exception:  # no unsigned attributes, or none that can be read
        return None
    times = (
        _token_time(one, lambda algorithm: _digest(algorithm, signature)) for one in tokens[:_MOST_TOKENS]
    )
    return min((one for one in times if one is not None), default=None)


def _token_time(token: Any, digest_of: Callable[[str], bytes]) -> datetime | None:
    """The time in a token whose imprint is the digest given and which the key in its certificate signed."""
    from pyhanko.sign.general import extract_signer_info
    from pyhanko.sign.validation.generic_cms import extract_certs_for_validation, validate_sig_integrity

    try:
        content = token["encap_content_info"]["content"]
        imprint = content.parsed["message_imprint"]
        if digest_of(imprint["hash_algorithm"]["algorithm"].native) != imprint["hashed_message"].native:
            return None
        info = extract_signer_info(token)
        digest = _digest(info["digest_algorithm"]["algorithm"].native, bytes(content))
        certificate = extract_certs_for_validation(token).signer_cert
        moment: datetime = content.parsed["gen_time"].native
        return moment if all(validate_sig_integrity(info, certificate, "tst_info", digest)) else None
    except Exception:  # a token that cannot be checked proves no time
        return None


def _digest(algorithm: str, message: bytes) -> bytes:
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise ValueError("a digest that vouches for nothing")
    return hashlib.new(algorithm, message).digest()


def _name_on(certificate: x509.Certificate) -> str:
    names = certificate.subject.native
    name = names.get("common_name") or names.get("organization_name") or ""
    return str(name[0] if isinstance(name, list) else name)[:200]


def _key_of(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key
    found = key["public_key"].native if algorithm_of(certificate) == "Ed25519" else key.dump()
    return bytes(found)


def _too_large(what_zh: str, what: str) -> PlatformError:
    return PDF_TOO_LARGE.error(what_zh=what_zh, what=what)
