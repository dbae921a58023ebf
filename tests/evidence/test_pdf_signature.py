"""PAdES signatures in the report: the platform's certifies, an organisation's comes beside it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import io
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest
from asn1crypto import cms, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko.sign.validation import PdfSignatureStatus, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from rwd_platform.core.errors import PlatformError
from studies.evidence.report.pdf_signature import (
    ORGANISATION,
    PLATFORM,
    PLATFORM_REASON,
    PdfSigner,
    platform_certificate,
    signed,
)
from studies.evidence.report.pdf_signatures_read import read_signatures
from tests.evidence.pdf_fixtures import (
    DATED,
    MOMENT,
    NAME,
    asn1,
    authority,
    byte_range,
    certificate_of,
    covered,
    curve_platform,
    organisation,
    platform,
    private_info,
    report_pdf,
    rsa_key,
    signature_bytes,
    signer_of,
    small_pdf,
    spki,
)

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
# GB/T 32918: a key that is well-formed, on a curve that nothing here computes.
SM2_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004") + bytes(range(64))
needs_poppler = pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler's tools are not installed")


def by_the_platform() -> bytes:
    return signed(report_pdf(), platform(), dated=DATED)


def by_both() -> bytes:
    return signed(by_the_platform(), organisation(), dated="2026-02-20", field=ORGANISATION)


def judged(pdf: bytes, *roots: PdfSigner) -> list[PdfSignatureStatus]:
    """pyHanko's own judgement, of one signature after the other."""
    context = ValidationContext(
        trust_roots=[asn1(one) for one in roots], moment=MOMENT + dt.timedelta(30), allow_fetching=False
    )
    reader = PdfFileReader(io.BytesIO(pdf))
    return [validate_pdf_signature(one, context) for one in reader.embedded_signatures]


def problem(pdf: bytes = b"", signer: PdfSigner | None = None, **how: object) -> str:
    with pytest.raises(PlatformError) as told:
        signed(pdf or report_pdf(), signer or platform(), **{"dated": DATED, **how})  # type: ignore[arg-type]  # wrong kinds are given on purpose
    assert all(told.value.as_dict().values())
    return told.value.code.removeprefix("pdf_signature.")


# The platform's certificate


def test_the_certificate_follows_from_its_facts():
    """The same key, name and day give the same bytes; another of any gives another serial number."""
    made = platform_certificate(NAME, PUBLIC, KEY.sign, DATED)
    assert made == platform_certificate(NAME, PUBLIC, KEY.sign, DATED)
    other = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    others = [
        platform_certificate(NAME + "2", PUBLIC, KEY.sign, DATED),
        platform_certificate(NAME, PUBLIC, KEY.sign, "2026-02-01"),
        platform_certificate(NAME, other.public_key().public_bytes_raw(), other.sign, DATED),
    ]
    serials = {pyca.load_pem_x509_certificate(one).serial_number for one in (made, *others)}
    assert len(serials) == 4
    assert all(0 < one < 2**159 for one in serials)  # 20 bytes and positive: RFC 5280, 4.1.2.2


def test_the_certificate_is_one_to_another_library():
    """Read and checked with `cryptography`, which had no part in making it."""
    certificate = pyca.load_pem_x509_certificate(platform_certificate(NAME, PUBLIC, KEY.sign, DATED))
    certificate.verify_directly_issued_by(certificate)
    assert certificate.version is pyca.Version.v3
    assert certificate.subject.rfc4514_string() == certificate.issuer.rfc4514_string() == f"CN={NAME}"
    assert certificate.not_valid_before_utc == MOMENT
    assert certificate.not_valid_after_utc == dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    key = certificate.public_key()
    assert isinstance(key, ed25519.Ed25519PublicKey) and key.public_bytes_raw() == PUBLIC
    usage = certificate.extensions.get_extension_for_class(pyca.KeyUsage)
    assert usage.critical and usage.value.content_commitment and usage.value.digital_signature
    assert not usage.value.key_cert_sign
    basic = certificate.extensions.get_extension_for_class(pyca.BasicConstraints)
    assert basic.critical and not basic.value.ca
    identifier = certificate.extensions.get_extension_for_class(pyca.SubjectKeyIdentifier)
    assert identifier.value.digest == hashlib.sha256(PUBLIC).digest()[:20]


def test_a_curve_key_gets_a_certificate_too():
    certificate = pyca.load_pem_x509_certificate(curve_platform().certificates)
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_chinese_name_stays_one():
    made = platform_certificate("乐城真实世界数据研究平台", PUBLIC, KEY.sign, DATED)
    assert pyca.load_pem_x509_certificate(made).subject.rfc4514_string() == "CN=乐城真实世界数据研究平台"


def test_days_after_2049_are_written_as_the_rule_wants():
    """UTCTime has two digits for the year; from 2050 on it would say 1950 (RFC 5280, 4.1.2.5)."""
    certificate = pyca.load_pem_x509_certificate(platform_certificate(NAME, PUBLIC, KEY.sign, "2050-01-01"))
    assert certificate.not_valid_before_utc.year == 2050


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("", PUBLIC),
        ("n" * 65, PUBLIC),
        ("two\nlines", PUBLIC),
        (NAME, b""),
        (NAME, PUBLIC[:31]),
        (NAME, PUBLIC + b"\0"),
        (NAME, b"\x30\x05hello"),
        (NAME, spki(rsa_key())),
        (NAME, SM2_KEY),
    ],
    ids=["no name", "long name", "lines", "no key", "short key", "long key", "rubbish", "rsa", "sm2"],
)
def test_a_certificate_of_nothing_is_refused(name: str, key: bytes):
    with pytest.raises(PlatformError, match="certificate_unfit"):
        platform_certificate(name, key, KEY.sign, DATED)


def test_a_certificate_signed_by_another_key_is_refused():
    other = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    with pytest.raises(PlatformError, match="key_mismatch"):
        platform_certificate(NAME, PUBLIC, other.sign, DATED)


# The first signature


def test_signing_adds_to_the_file_and_changes_nothing_in_it():
    made = by_the_platform()
    assert made.startswith(report_pdf()) and len(made) > len(report_pdf())


@pytest.mark.parametrize("who", [platform, curve_platform])
def test_the_same_facts_give_the_same_bytes(who):
    assert signed(report_pdf(), who(), dated=DATED) == signed(report_pdf(), who(), dated=DATED)


def test_the_same_facts_give_the_same_bytes_in_another_process(tmp_path: Path):
    """Another process has another order of sets, another clock and other random numbers."""
    program = (
        "import hashlib; from tests.evidence.test_pdf_signature import *; from pathlib import Path;"
        f"pdf = Path({str(tmp_path / 'a.pdf')!r}).read_bytes();"
        "print(hashlib.sha256(signed(pdf, platform(), dated=DATED)).hexdigest())"
    )
    (tmp_path / "a.pdf").write_bytes(report_pdf())
    run = [sys.executable, "-c", program]
    said = subprocess.run(
        run, env={"PYTHONHASHSEED": "11", "TZ": "Asia/Shanghai"}, capture_output=True, check=True
    )
    assert said.stdout.decode().strip() == hashlib.sha256(by_the_platform()).hexdigest()


def test_the_only_date_in_it_is_the_one_given():
    added = covered(signed(report_pdf(), platform(), dated="2031-05-06"))[len(report_pdf()) :]
    assert re.findall(rb"20\d{12}", added) == [b"20310506000000"]
    assert b"pyHanko" not in added  # nor who else had a hand in it


def test_the_signature_holds_by_hand():
    """RFC 5652, 5.4, by a hash and `cryptography` alone: the digest is of the covered bytes, the key signed it."""
    made = by_the_platform()
    info = cms.ContentInfo.load(signature_bytes(made))["content"]["signer_infos"][0]
    attributes = {one["type"].native: one["values"][0].native for one in info["signed_attrs"]}
    assert attributes["message_digest"] == hashlib.sha512(covered(made)).digest()
    key = pyca.load_pem_x509_certificate(platform().certificates).public_key()
    assert isinstance(key, ed25519.Ed25519PublicKey)
    key.verify(info["signature"].native, b"\x31" + info["signed_attrs"].dump()[1:])  # as a SET, not as [0]


def test_every_byte_but_the_signature_itself_is_covered():
    made = by_the_platform()
    start, length, after, rest = byte_range(made)
    assert start == 0 and after + rest == len(made)
    assert made[length : length + 1] == b"<" and made[after - 1 : after] == b">"
    assert set(made[length + 1 : after - 1]) <= set(b"0123456789ABCDEFabcdef")


def test_it_is_pades_baseline_b():
    """ETSI EN 319 142-1: the sub-filter, the certificate named by hash, no CMS signing time, a date in /M, a reason."""
    made = by_the_platform()
    reader = pypdf.PdfReader(io.BytesIO(made))
    value = reader.get_fields()[PLATFORM]["/V"]
    assert value["/SubFilter"] == "/ETSI.CAdES.detached" and value["/Filter"] == "/Adobe.PPKLite"
    assert value["/M"] == "D:20260131000000Z" and value["/Name"] == NAME
    assert value["/Reason"] == f"{PLATFORM_REASON.zh} / {PLATFORM_REASON.en}"
    assert "/Cert" not in value
    data = cms.ContentInfo.load(signature_bytes(made))["content"]
    (info,) = data["signer_infos"]
    attributes = {one["type"].native: one["values"][0] for one in info["signed_attrs"]}
    assert set(attributes) == {"content_type", "message_digest", "signing_certificate_v2"}
    named = attributes["signing_certificate_v2"]["certs"][0]
    used = named["hash_algorithm"]["algorithm"].native
    assert named["cert_hash"].native == hashlib.new(used, asn1(platform()).dump()).digest()
    assert data["encap_content_info"]["content"].native is None  # detached
    assert [one.chosen.dump() for one in data["certificates"]] == [asn1(platform()).dump()]


def test_it_certifies_and_leaves_forms_to_be_filled():
    """DocMDP, level 2, and none of the digests that PDF/A-2 forbids there (ISO 19005-2, 6.1.12)."""
    root = pypdf.PdfReader(io.BytesIO(by_the_platform())).trailer["/Root"]
    assert set(root["/Perms"]) == {"/DocMDP"}
    (reference,) = root["/Perms"]["/DocMDP"]["/Reference"]
    assert reference["/TransformMethod"] == "/DocMDP" and reference["/TransformParams"]["/P"] == 2
    assert not {"/DigestLocation", "/DigestMethod", "/DigestValue"} & set(reference)


def test_a_field_waits_for_the_organisation():
    found = pypdf.PdfReader(io.BytesIO(by_the_platform())).get_fields()
    assert set(found) == {PLATFORM, ORGANISATION}
    assert "/V" in found[PLATFORM] and "/V" not in found[ORGANISATION]
    assert found[ORGANISATION]["/TU"] == ORGANISATION  # what a screen reader says


def test_who_trusts_the_certificate_gets_a_yes_and_who_does_not_gets_no():
    (status,) = judged(by_the_platform(), platform())
    assert status.bottom_line and status.trusted and status.valid and status.intact
    assert status.modification_level == ModificationLevel.NONE
    (stranger,) = judged(by_the_platform(), organisation())
    assert stranger.valid and stranger.intact and not stranger.trusted and not stranger.bottom_line


# The second signature


def test_an_organisation_signs_later_and_both_hold():
    made = by_both()
    assert made.startswith(by_the_platform())
    first, second = judged(made, platform(), organisation())
    assert first.bottom_line and second.bottom_line
    assert first.modification_level == ModificationLevel.FORM_FILLING
    assert second.modification_level == ModificationLevel.NONE
    told = read_signatures(made)
    assert [(one.field, one.algorithm, one.later) for one in told.signed] == [
        (PLATFORM, "Ed25519", "permitted"),
        (ORGANISATION, "RSA", "nothing"),
    ]
    assert all(one.holds for one in told.signed) and told.empty_fields == ()


def test_another_program_can_fill_the_field():
    """pyHanko's own signing, as an organisation would use it, with its clock and its habits; the file stays valid."""
    hospital = SimpleSigner(
        asn1(organisation()), private_info(), SimpleCertificateStore(), embed_roots=False
    )  # fmt: skip
    meta = PdfSignatureMetadata(field_name=ORGANISATION, subfilter=fields.SigSeedSubFilter.PADES)
    made = sign_pdf(IncrementalPdfFileWriter(io.BytesIO(by_the_platform())), meta, hospital).getvalue()
    assert [one.bottom_line for one in judged(made, platform(), organisation())] == [True, True]
    assert [one.holds for one in read_signatures(made).signed] == [True, True]


def test_a_changed_byte_anywhere_breaks_it():
    """Every covered byte counts: what is not refused as a broken file no longer holds."""
    made, random_place = by_both(), random.Random(20260131)
    own = {place for which in (0, 1) for place in range(*byte_range(made, which)[1:3])}
    places = random_place.sample(sorted(set(range(len(made))) - own), 50)
    for place in places:
        spoilt = made[:place] + bytes([made[place] ^ 1 << random_place.randrange(8)]) + made[place + 1 :]
        try:
            told = read_signatures(spoilt)
        except PlatformError:
            continue
        assert not all(one.holds for one in told.signed) or len(told.signed) < 2, place


def test_a_changed_byte_in_the_report_breaks_both_by_another_judge():
    made = by_both()
    place = made.index(b"/MediaBox") + 11
    spoilt = made[:place] + b"1" + made[place + 1 :]
    assert [one.intact for one in judged(spoilt, platform(), organisation())] == [False, False]


def test_a_page_changed_afterwards_is_told():
    """The bytes under the signature are still whole; what was added is not what it allows."""
    writer = IncrementalPdfFileWriter(io.BytesIO(by_the_platform()))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.root["/Pages"]["/Kids"][1].raw_get("/Contents")
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    (told,) = read_signatures(out.getvalue()).signed
    assert told.intact and not told.covers_file and told.later == "not_permitted" and not told.holds
    (status,) = judged(out.getvalue(), platform())
    assert not status.bottom_line


def test_nobody_signs_twice_or_where_there_is_no_field():
    assert problem(by_the_platform(), field=PLATFORM) == "field_taken"
    assert problem(by_both(), organisation(), field=ORGANISATION) == "field_taken"
    assert problem(by_the_platform(), field="Third") == "no_field"
    other = small_pdf(
        {
            1: "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [4 0 R] >> >>",
            2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
            4: "<< /FT /Sig /T (Elsewhere) >>",
        }
    )
    assert problem(other) == "no_field"


def test_what_forbids_any_change_is_not_signed_again():
    locked = by_the_platform().replace(b"/P 2\n", b"/P 1\n")
    assert problem(locked, organisation(), field=ORGANISATION) == "not_signable"


def test_the_name_of_a_field_that_is_none_is_not_repeated():
    with pytest.raises(PlatformError) as told:
        signed(report_pdf(), platform(), dated=DATED, field="<script>alert(1)</script>")
    assert "script" not in told.value.zh + told.value.en


# Who may sign


@pytest.mark.parametrize("certificates", [b"", b"no PEM", b"\0" * 99], ids=["none", "words", "zeros"])
def test_without_a_certificate_nothing_is_signed(certificates: bytes):
    assert problem(signer=dataclasses.replace(platform(), certificates=certificates)) == "certificate_unfit"


def test_a_broken_certificate_is_refused():
    whole = platform().certificates
    for cut in range(30, len(whole) - 30, 40):
        assert problem(
            signer=dataclasses.replace(platform(), certificates=whole[:cut] + whole[cut + 3 :])
        ) in {
            "certificate_unfit",
            "key_mismatch",
        }


def test_a_private_key_in_place_of_the_certificate_is_refused():
    pem = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert problem(signer=dataclasses.replace(platform(), certificates=pem)) == "certificate_unfit"


@pytest.mark.parametrize(
    ("first", "last"),
    [("2026-02-01", "2027-01-01"), ("2024-01-01", "2026-01-30")],
    ids=["too early", "too late"],
)
def test_a_certificate_signs_only_while_it_is_valid(first: str, last: str):
    dates = {
        "first": dt.datetime.fromisoformat(first + "T00:00Z"),
        "last": dt.datetime.fromisoformat(last + "T00:00Z"),
    }
    assert problem(signer=signer_of(rsa_key(), "Expired", **dates)) == "certificate_unfit"


def test_a_key_of_a_kind_nobody_reads_is_refused():
    assert problem(signer=signer_of(ed448.Ed448PrivateKey.generate(), "Rare")) == "certificate_unfit"


@pytest.mark.parametrize("who", [platform, curve_platform, organisation])
def test_the_wrong_key_signs_nothing(who):
    wrong = dataclasses.replace(who(), sign=ed25519.Ed25519PrivateKey.from_private_bytes(b"\x09" * 32).sign)
    assert problem(signer=wrong) == "key_mismatch"
    assert problem(signer=dataclasses.replace(who(), sign=lambda message: b"")) == "key_mismatch"


def test_what_the_key_itself_raises_is_not_called_a_broken_pdf():
    def locked(message: bytes) -> bytes:
        raise ValueError("the token is locked")

    with pytest.raises(ValueError, match="locked"):
        signed(report_pdf(), dataclasses.replace(platform(), sign=locked), dated=DATED)


def test_a_chain_travels_with_the_signature():
    """The signer's certificate first, then the one above it."""
    above = certificate_of(KEY, "Root")
    chain = organisation().certificates + above.public_bytes(Encoding.PEM)
    made = signed(report_pdf(), dataclasses.replace(organisation(), certificates=chain), dated=DATED)
    carried = cms.ContentInfo.load(signature_bytes(made))["content"]["certificates"]
    names = {one.chosen.subject.native["common_name"] for one in carried}
    assert names == {"滨海医院（虚构）", "Root"}
    (told,) = read_signatures(made).signed
    assert told.signer == "滨海医院（虚构）" and told.holds


@pytest.mark.parametrize(
    "pdf",
    [
        b"x",
        b"%PDF-1.7\n%%EOF",
        b"\0" * 5000,
        b"[" * 5000,
        small_pdf({1: "<< /Type /Catalog >>"}),
        small_pdf({1: "<< /Type /Catalog /Pages 2 0 R >>", 2: "<< /Type /Pages /Kids [] /Count 0 >>"}),
        small_pdf({1: "null"}),
    ],
    ids=["a letter", "a head", "zeros", "brackets", "no pages", "an empty book", "no root"],
)
def test_what_is_no_pdf_is_not_signed(pdf: bytes):
    assert problem(pdf) == "not_signable"


def test_a_file_cut_short_is_not_signed():
    whole = report_pdf()
    assert {problem(whole[:cut]) for cut in range(1, len(whole) - 10, len(whole) // 12)} == {"not_signable"}


# PDF/A and other programs


def test_it_still_is_the_pdf_a_that_typst_made():
    """The claim, both records of its dates, the output intent and the first half of the id are what they were.

    What the standard says of the things added is checked one by one below; a validator is not part of the tests.
    """
    before, after = (pypdf.PdfReader(io.BytesIO(one)) for one in (report_pdf(), by_both()))
    metadata = after.trailer["/Root"]["/Metadata"].get_data()
    assert metadata == before.trailer["/Root"]["/Metadata"].get_data()
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata and b"<pdfaid:conformance>B<" in metadata
    assert after.metadata == before.metadata and after.pdf_header == before.pdf_header == "%PDF-1.7"
    root = after.trailer["/Root"]
    assert "/Version" not in root
    intents = [reader.trailer["/Root"].raw_get("/OutputIntents").idnum for reader in (before, after)]
    assert intents[0] == intents[1]
    identity = [[one.original_bytes for one in reader.trailer["/ID"]] for reader in (before, after)]
    assert identity[0][0] == identity[1][0] and identity[0][1] != identity[1][1]


def test_the_fields_keep_to_pdf_a():
    """ISO 19005-2, 6.3.2, 6.3.3 and 6.4.1: printed, not hidden, no actions; without an area no appearance is due."""
    reader = pypdf.PdfReader(io.BytesIO(by_both()))
    form = reader.trailer["/Root"]["/AcroForm"]
    assert "/NeedAppearances" not in form and "/XFA" not in form and form["/SigFlags"] == 3
    widgets = [one.get_object() for one in form["/Fields"]]
    assert len(widgets) == 2
    for widget in widgets:
        assert widget["/F"] & 4 and not widget["/F"] & (1 | 2 | 32)
        assert list(widget["/Rect"]) == [0, 0, 0, 0]
        assert not {"/A", "/AA"} & set(widget)
        assert widget["/P"] == reader.pages[-1].indirect_reference.get_object()
    assert reader.pages[-1]["/Annots"] == [one.indirect_reference for one in widgets]


def test_what_is_declared_fits_a_pdf_1_7():
    """An extension is one dictionary there (ISO 32000-1, 7.12); those of PDF 2.0 are arrays, and stay away."""
    extensions = pypdf.PdfReader(io.BytesIO(by_the_platform())).trailer["/Root"]["/Extensions"]
    assert {name: one["/BaseVersion"] for name, one in extensions.items()} == {"/ESIC": "/1.7"}


def test_no_string_is_longer_than_pdf_a_allows():
    """ISO 19005-2, 6.1.13: 32767 bytes. The timestamped one is the longest."""
    stamped = signed(report_pdf(), platform(), dated=DATED, timestamps=authority(MOMENT))
    assert max(len(signature_bytes(one)) for one in (by_both(), stamped)) <= 32_767


@needs_poppler
def test_poppler_reads_it_as_before(tmp_path: Path):
    """Other people's program: the same pages, drawn alike to the last pixel."""
    drawn = []
    for name, content in (("before", report_pdf()), ("after", by_both())):
        (tmp_path / f"{name}.pdf").write_bytes(content)
        run = ["pdftoppm", "-r", "50", "-png", f"{name}.pdf", name]
        subprocess.run(run, cwd=tmp_path, check=True, capture_output=True)
        drawn.append([one.read_bytes() for one in sorted(tmp_path.glob(f"{name}-*.png"))])
    assert len(drawn[0]) >= 2 and drawn[0] == drawn[1]
    said = subprocess.run(["pdfinfo", "after.pdf"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert b"AcroForm" in said and b"PDF version:     1.7" in said


@needs_poppler
def test_poppler_finds_the_classic_algorithms_valid(tmp_path: Path):
    """ECDSA and RSA in one file, judged by NSS. Of Ed25519 it has not heard, which is why that is not asked here."""
    made = signed(report_pdf(), curve_platform(), dated=DATED)
    made = signed(made, organisation(), dated="2026-02-20", field=ORGANISATION)
    said = pdfsig(tmp_path, made)
    assert said.count("Signature is Valid.") == 2 and NAME in said and "滨海医院（虚构）" in said
    place = made.index(b"/MediaBox") + 11
    assert "Signature is Valid." not in pdfsig(tmp_path, made[:place] + b"1" + made[place + 1 :])


def pdfsig(folder: Path, pdf: bytes) -> str:
    (folder / "a.pdf").write_bytes(pdf)
    return subprocess.run(
        ["pdfsig", "-nocert", "a.pdf"], cwd=folder, capture_output=True, check=False
    ).stdout.decode()


# Timestamps (RFC 3161)


def test_an_authority_vouches_for_the_time():
    at = dt.datetime(2026, 2, 1, 9, 30, tzinfo=dt.UTC)
    made = signed(report_pdf(), platform(), dated=DATED, timestamps=authority(at))
    (told,) = read_signatures(made).signed
    assert told.holds and told.timestamped_at == at and told.claimed_at == MOMENT
    certificate = certificate_of(rsa_key(), "时间戳机构（虚构）", stamps_time=True)
    root = x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    context = ValidationContext(trust_roots=[asn1(platform()), root], moment=at, allow_fetching=False)
    (embedded,) = PdfFileReader(io.BytesIO(made)).embedded_signatures
    status = validate_pdf_signature(embedded, context, context)
    assert (
        status.bottom_line and status.timestamp_validity.trusted and status.timestamp_validity.timestamp == at
    )


def test_without_an_authority_no_time_is_proven():
    (told,) = read_signatures(by_the_platform()).signed
    assert told.timestamped_at is None


def test_the_authority_is_asked_once_and_sees_no_more_than_a_hash():
    asked = []

    def listening(query: bytes) -> bytes:
        asked.append(query)
        return authority(MOMENT)(query)

    made = signed(report_pdf(), platform(), dated=DATED, timestamps=listening)
    (query,) = asked
    signature = cms.ContentInfo.load(signature_bytes(made))["content"]["signer_infos"][0]["signature"].native
    assert hashlib.sha512(signature).digest() in query and len(query) < 120


def _of_something_else(query: bytes) -> bytes:
    digest = query[query.index(b"\x04\x40") + 2 :][:64]
    return authority(MOMENT)(query.replace(digest, bytes(64)))


def _refusing(query: bytes) -> bytes:
    return bytes.fromhex("30053003020102")  # TimeStampResp, PKIStatus 2: rejection


def _unreachable(query: bytes) -> bytes:
    raise OSError("no route to host")


@pytest.mark.parametrize(
    "authority_", [_of_something_else, _refusing, _unreachable, lambda query: b"", lambda query: b"<html>"]
)
def test_without_a_usable_timestamp_nothing_is_signed(authority_):
    assert problem(timestamps=authority_) == "timestamp_refused"


# The web process


def test_asking_for_the_module_loads_no_pdf_library():
    program = (
        "import sys, studies.evidence.report.pdf_signature, studies.evidence.report.pdf_signatures_read;"
        "sys.exit(any(one.split('.')[0] in ('pyhanko', 'asn1crypto', 'typst') for one in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_it_signs_also_for_whoever_is_inside_a_running_event_loop():
    async def caller() -> bytes:
        return signed(report_pdf(), platform(), dated=DATED)

    assert asyncio.run(caller()) == by_the_platform()
