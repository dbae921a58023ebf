"""Time stamps of an authority (RFC 3161, RFC 5816): the request, and what an answer has to show before it counts.

Pure: bytes, a nonce, roots and the time come in; a stamp or a refusal goes out. A stamp says that its authority saw a
SHA-256 at a time. What is kept is the authority's whole answer, which `openssl ts -verify` reads as it is.

Stricter than the standard where it leaves a choice: SHA-256 alone is stamped, a digest below SHA-256 vouches for
nothing, an RSA key has 2048 bits, the authority's certificate is for time stamps alone (RFC 3161 2.3), and a fresh
answer tells the time that it is. Whether a certificate was revoked is not asked: it would take one more machine's word.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asn1crypto import cms, tsp, x509

MOST_BYTES = 1 << 16  # of an answer; with the whole chain in it one has some five thousand
SKEW = timedelta(minutes=10)  # between the authority's clock and ours, the way there and back included
_MOST_CERTIFICATES = 20
_MOST_ROOTS = 50
_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_SMALLEST_RSA = 2048
_LONGEST_NAME = 200


class StampRefused(Exception):
    """Why a stamp does not count, as a code: `wrong_nonce`, `untrusted`."""


@dataclass(frozen=True)
class Stamp:
    """What an authority vouches for.

    at        -- when it saw the hash, UTC
    authority -- the name on its certificate
    policy    -- under which of its policies, an object identifier in figures
    serial    -- its own number of the stamp
    """

    at: datetime
    authority: str
    policy: str
    serial: str


def timestamp_request(sha256: str, nonce: int, policy: str = "") -> bytes:
    """A TimeStampReq for a hash (64 hex digits), asking for the authority's certificate to come along."""
    from asn1crypto import tsp

    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes.fromhex(sha256)}
    asked: dict[str, Any] = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    request: bytes = tsp.TimeStampReq({**asked, **({"req_policy": policy} if policy else {})}).dump()
    return request


def read_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, at least one. Raises StampRefused (`no_roots`)."""
    from asn1crypto import pem as armor
    from asn1crypto import x509

    try:
        found = [content for kind, _, content in armor.unarmor(pem, multiple=True) if kind == "CERTIFICATE"]
        roots = tuple(x509.Certificate.load(one, strict=True) for one in found[:_MOST_ROOTS])
        for one in roots:
            _ = one.native  # parses lazily otherwise, and fails later
    except (ValueError, TypeError, KeyError):
        raise StampRefused("no_roots") from None
    if not roots:
        raise StampRefused("no_roots")
    return roots


def checked_answer(
    answer: bytes,
    *,
    sha256: str,
    nonce: int,
    roots: Sequence[x509.Certificate],
    now: datetime,
    policy: str = "",
) -> Stamp:
    """The stamp in an authority's fresh answer. Raises StampRefused.

    An answer that is `grantedWithMods` counts where nothing that was asked for is other than asked.
    """
    info, stamp = _checked(answer, sha256, roots)
    if info["nonce"].native != nonce:
        raise StampRefused("wrong_nonce")
    if policy and stamp.policy != policy:
        raise StampRefused("wrong_policy")
    if abs(stamp.at - now) > SKEW:
        raise StampRefused("wrong_time")
    return stamp


def checked_stamp(stored: bytes, *, sha256: str, roots: Sequence[x509.Certificate] | None) -> Stamp:
    """The stamp in an answer that was kept. Its certificates had to be valid when it was made. Raises StampRefused.

    roots -- None: the certificate inside is believed, which shows that nothing changed since, not whose stamp it is
    """
    return _checked(stored, sha256, roots)[1]


def _checked(
    answer: bytes, sha256: str, roots: Sequence[x509.Certificate] | None
) -> tuple[tsp.TSTInfo, Stamp]:
    if len(answer) > MOST_BYTES:
        raise StampRefused("malformed")
    try:
        return _read(answer, sha256, roots)
    except StampRefused:
        raise
    except Exception:  # another machine's bytes: their parser fails in more ways than it declares
        raise StampRefused("malformed") from None


def _read(answer: bytes, sha256: str, roots: Sequence[x509.Certificate] | None) -> tuple[tsp.TSTInfo, Stamp]:
    from asn1crypto import cms, core, tsp

    # TimeStampResp, whose token is optional (RFC 3161 2.4.2); asn1crypto's own class cannot do without one.
    parts = core.SequenceOf.load(answer, spec=core.Any, strict=True)
    if parts[0].parse(tsp.PKIStatusInfo)["status"].native not in ("granted", "granted_with_mods"):
        raise StampRefused("not_granted")
    if len(parts) != 2:
        raise StampRefused("malformed")
    token = parts[1].parse(cms.ContentInfo)
    if token["content_type"].native != "signed_data":
        raise StampRefused("malformed")
    signed = token["content"]
    info: tsp.TSTInfo = signed["encap_content_info"]["content"].parsed
    _check_imprint(signed, info, sha256)
    at = info["gen_time"].native.astimezone(UTC)
    [signer] = signed["signer_infos"]
    certificates = _certificates(signed)
    own = _own_certificate(signer, certificates)
    _check_purpose(own, info, at)
    _check_signature(signed, signer, own)
    if roots is not None:
        _check_chain(own, certificates, roots, at)
    return info, Stamp(at, _name_on(own), info["policy"].native, str(info["serial_number"].native))


def _check_imprint(signed: cms.SignedData, info: tsp.TSTInfo, sha256: str) -> None:
    if signed["encap_content_info"]["content_type"].native != "tst_info" or info["version"].native != "v1":
        raise StampRefused("malformed")
    imprint = info["message_imprint"]
    if imprint["hash_algorithm"]["algorithm"].native != "sha256":
        raise StampRefused("wrong_imprint")
    if imprint["hashed_message"].native != bytes.fromhex(sha256):
        raise StampRefused("wrong_imprint")
    if any(
        one["critical"].native for one in info["extensions"]
    ):  # something has to be understood, and nothing is
        raise StampRefused("malformed")


def _certificates(signed: cms.SignedData) -> list[x509.Certificate]:
    found = [one.chosen for one in signed["certificates"] if one.name == "certificate"]
    if not found or len(found) > _MOST_CERTIFICATES:
        raise StampRefused("no_certificate")
    return found


def _own_certificate(signer: cms.SignerInfo, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The one that the signature names, by issuer and number or by its key's identifier."""
    sid = signer["sid"]
    for one in certificates:
        if sid.name == "issuer_and_serial_number":
            named = sid.chosen
            if (one.issuer, one.serial_number) == (named["issuer"], named["serial_number"].native):
                return one
        elif one.key_identifier is not None and one.key_identifier == sid.chosen.native:
            return one
    raise StampRefused("no_certificate")


def _check_purpose(own: x509.Certificate, info: tsp.TSTInfo, at: datetime) -> None:
    """RFC 3161 2.3: for time stamps alone, said critically; valid then; and of the name that the stamp gives."""
    usage = own.extended_key_usage_value
    if (
        usage is None
        or usage.native != ["time_stamping"]
        or "extended_key_usage" not in own.critical_extensions
    ):
        raise StampRefused("wrong_usage")
    if own.public_key.algorithm == "rsa" and own.public_key.bit_size < _SMALLEST_RSA:
        raise StampRefused("weak")
    if not own.not_valid_before <= at <= own.not_valid_after:
        raise StampRefused("expired")
    named = info["tsa"]
    if named.native is not None and named.name == "directory_name" and named.chosen != own.subject:
        raise StampRefused("wrong_authority")


def _check_signature(signed: cms.SignedData, signer: cms.SignerInfo, own: x509.Certificate) -> None:
    """CMS (RFC 5652): the attributes that are signed name content and certificate, and the key signed them."""
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity
    from pyhanko_certvalidator.errors import AlgorithmNotSupported

    digest = signer["digest_algorithm"]["algorithm"].native
    if digest not in _DIGESTS or _digest_of(signer) not in _DIGESTS:
        raise StampRefused("weak")
    attributes = {one["type"].native for one in signer["signed_attrs"]}
    if not attributes & {
        "signing_certificate",
        "signing_certificate_v2",
    }:  # RFC 5816: which certificate is meant
        raise StampRefused("no_certificate")
    content = bytes(signed["encap_content_info"]["content"])
    try:
        holds = validate_sig_integrity(signer, own, "tst_info", hashlib.new(digest, content).digest())
    except SignatureValidationError:
        raise StampRefused("wrong_signature") from None
    except AlgorithmNotSupported:
        raise StampRefused("unsupported") from None
    if not all(holds):
        raise StampRefused("wrong_signature")


def _digest_of(signer: cms.SignerInfo) -> str:
    """The digest inside the signature's own algorithm; where it names none, the signer's."""
    try:
        return str(signer["signature_algorithm"].hash_algo)
    except ValueError:
        return str(signer["digest_algorithm"]["algorithm"].native)


def _check_chain(
    own: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> None:
    """A path (RFC 5280) to one of the roots at the time of the stamp. Nothing is fetched."""
    from pyhanko_certvalidator import CertificateValidator, ValidationContext
    from pyhanko_certvalidator.errors import AlgorithmNotSupported, PathError, ValidationError

    context = ValidationContext(trust_roots=list(roots), moment=at, allow_fetching=False)
    others = [one for one in certificates if one is not own]
    validator = CertificateValidator(own, others, context)
    try:
        _to_its_end(validator.async_validate_usage(set(), {"time_stamping"}))  # type: ignore[no-untyped-call]  # its library leaves it untyped
    except (PathError, ValidationError):  # none found, or one that does not hold
        raise StampRefused("untrusted") from None
    except AlgorithmNotSupported:
        raise StampRefused("unsupported") from None


def _to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: whoever calls may be inside a running event loop, which takes no second one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


def _name_on(certificate: x509.Certificate) -> str:
    names = certificate.subject.native
    name = names.get("common_name") or names.get("organization_name") or ""
    shown = str(name[0] if isinstance(name, list) else name)[:_LONGEST_NAME]
    return "".join(one if one.isprintable() else "?" for one in shown)
