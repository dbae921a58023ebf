"""How a signature gets into a PDF, with pyHanko. Imported only when something is signed.

pyHanko would take the clock for the time of change and chance for the file's id. Here both follow from the facts,
and the document's metadata is left alone: the PDF/A claim and the two records of its dates stay as typst wrote them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import tsp, x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import (
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    append_signature_field,
    enumerate_sig_fields,
)
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.timestamps.common_utils import handle_tsp_response
from pyhanko_certvalidator.registry import SimpleCertificateStore

from studies.evidence.report.pdf_signature import (
    CERTIFICATE_UNFIT,
    FIELD_TAKEN,
    FIELDS,
    NO_FIELD,
    NOT_SIGNABLE,
    TIMESTAMP_REFUSED,
    Sign,
    Timestamps,
    algorithm_of,
    check_signature,
)

# Hex digits kept free for the signature. PDF/A-2 allows a string 32767 bytes (6.1.13), which are 65534 digits.
_ROOM, _ROOM_WITH_TIMESTAMP = 16_384, 49_152
# RFC 8419: with signed attributes Ed25519 goes with SHA-512.
_DIGESTS = {"Ed25519": "sha512", "RSA": "sha256", "ECDSA": "sha256"}


# What pyHanko raises for a file that is no PDF, or a broken one.
_UNSIGNABLE = (
    PdfError, SigningError, OSError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """One signature to be made. `chain` starts with the signer's certificate; `moment` is claimed, not proven."""

    field: str
    name: str
    reason: str
    moment: datetime
    chain: Sequence[x509.Certificate]
    sign: Sign


class _Update(IncrementalPdfFileWriter):
    """An update whose bytes follow from what it adds."""

    @classmethod
    def _handle_id(cls, prev: Any) -> Any:
        """The first half names the document and stays; the second names this version of it (ISO 32000-1, 14.4)."""
        prev.stream.seek(0)
        version = hashlib.sha256(prev.stream.read()).digest()[:16]
        try:
            first, _ = prev.trailer["/ID"]
            document = getattr(first, "original_bytes", first)
        except (KeyError, ValueError):
            document = version
        return generic.ArrayObject([generic.ByteStringObject(document), generic.ByteStringObject(version)])

    def _update_meta(self) -> None:
        """Nothing: a new date or producer would have to agree in two places, and no content has changed."""


class _Cms(Signer):
    """Signs by a function; refuses what the certificate's key did not sign."""

    def __init__(self, chain: Sequence[x509.Certificate], sign: Sign) -> None:
        others = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
        others.register_multiple(chain[1:])
        super().__init__(signing_cert=chain[0], cert_registry=others)
        self._sign = sign

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        signature = self._sign(data)
        check_signature(self.signing_cert, data, signature)
        return signature


class _Authority(TimeStamper):
    """A timestamp authority behind a function.

    No nonce: it guards against an old answer being replayed, and the imprint here is of a signature that was
    never made before, or whose older time is as true.
    """

    def __init__(self, timestamps: Timestamps) -> None:
        super().__init__(include_nonce=False)  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
        self._ask = timestamps

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        try:
            response = tsp.TimeStampResp.load(self._ask(req.dump()), strict=True)
            stamped = handle_tsp_response(response, None)["content"]["encap_content_info"]["content"].parsed
            of_this = stamped["message_imprint"].native == req["message_imprint"].native
        except Exception as error:  # the network's, or whatever bytes the authority sent
            raise TIMESTAMP_REFUSED.error() from error
        if not of_this:
            raise TIMESTAMP_REFUSED.error()
        return response


def add_signature(pdf: bytes, statement: Statement, timestamps: Timestamps | None) -> bytes:
    """See `pdf_signature.signed`."""
    algorithm = _DIGESTS[algorithm_of(statement.chain[0]) or ""]
    room = _ROOM if timestamps is None else _ROOM_WITH_TIMESTAMP
    try:
        writing, digest, output = _unsigned(pdf, statement, algorithm, room)
    except _UNSIGNABLE as error:
        raise NOT_SIGNABLE.error() from error
    made = _cms(statement, digest, algorithm, timestamps)
    if 2 * len(made) > room:
        raise CERTIFICATE_UNFIT.error(why_zh="证书链过长", why="its chain is too long")
    writing.send(made)
    content: bytes = output.getvalue()
    return content


def _unsigned(pdf: bytes, statement: Statement, algorithm: str, room: int) -> tuple[Any, bytes, BytesIO]:
    """The update with a hole where the signature goes, and the digest of everything around it."""
    writer = _Update(BytesIO(pdf))
    certifies = _prepare_fields(writer, statement.field)
    writing = PdfCMSEmbedder().write_cms(statement.field, writer, existing_fields_only=True)
    next(writing)
    placeholder = SignatureObject(
        timestamp=statement.moment,
        subfilter=SigSeedSubFilter.PADES,
        name=statement.name,
        reason=statement.reason,
        bytes_reserved=room,
    )
    mdp = SigMDPSetup(algorithm, certify=certifies, docmdp_perms=MDPPerm.FILL_FORMS if certifies else None)
    writing.send(SigObjSetup(placeholder, mdp_setup=mdp))
    prepared, output = writing.send(SigIOSetup(md_algorithm=algorithm))
    return writing, prepared.document_digest, output


def _cms(statement: Statement, digest: bytes, algorithm: str, timestamps: Timestamps | None) -> bytes:
    signer = _Cms(statement.chain, statement.sign)
    authority = None if timestamps is None else _Authority(timestamps)
    made = _to_its_end(signer.async_sign(digest, algorithm, use_pades=True, timestamper=authority))
    content: bytes = made.dump()
    return content


def _to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: whoever calls may be inside a running event loop, which takes no second one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


def _prepare_fields(writer: _Update, field: str) -> bool:
    """Whether this is the first signature, for which both fields are made. Otherwise the field must be empty."""
    there = {name: value is not None for name, value, _ in enumerate_sig_fields(writer)}
    if not there:
        for one in FIELDS:
            append_signature_field(
                writer, SigFieldSpec(sig_field_name=one, on_page=-1, readable_field_name=one)
            )
        writer.register_extension(ESIC_EXTENSION_1)  # PAdES in a PDF 1.7
        return True
    if field not in there:
        raise NO_FIELD.error(field=field)
    if there[field]:
        raise FIELD_TAKEN.error(field=field)
    if "/Perms" not in writer.root:
        return False
    _check_may_be_filled(writer)
    return False


def _check_may_be_filled(writer: _Update) -> None:
    for reference in writer.root["/Perms"]["/DocMDP"]["/Reference"]:
        if reference["/TransformMethod"] == "/DocMDP" and reference["/TransformParams"].get("/P", 2) < 2:
            raise NOT_SIGNABLE.error()
