"""What a verify page may say about a PDF that anyone can hand in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import random
import zlib

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.asymmetric import ed25519
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfDecodeLimitError
from pyhanko.sign.signers import PdfTimeStamper

from rwd_platform.core.errors import PlatformError
from studies.evidence.report import pdf_signatures_read
from studies.evidence.report.pdf_pades import Statement, _cms
from studies.evidence.report.pdf_signature import ORGANISATION, PLATFORM, chain_of, platform_signer, signed
from studies.evidence.report.pdf_signatures_read import (
    MOST_BYTES,
    FoundSignature,
    PdfSignatures,
    read_signatures,
)
from tests.evidence.pdf_fixtures import (
    DATED,
    MOMENT,
    NAME,
    asn1,
    authority,
    byte_range,
    curve_platform,
    organisation,
    platform,
    report_pdf,
    signature_bytes,
    small_pdf,
    stamper,
)

CATALOG = "<< /Type /Catalog /Pages 2 0 R >>"
PAGES = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"


def by_the_platform() -> bytes:
    return signed(report_pdf(), platform(), dated=DATED)


def problem(pdf: bytes) -> str:
    with pytest.raises(PlatformError) as told:
        read_signatures(pdf)
    assert all(told.value.as_dict().values())
    return told.value.code.removeprefix("pdf_signature.")


def the_one(pdf: bytes) -> FoundSignature:
    (found,) = read_signatures(pdf).signed
    return found


def test_a_file_that_makes_no_sense_but_can_be_read_has_no_signatures():
    """One object that says it is the catalog, the form and its own child: nothing in it is a signature."""
    whole = "<< /Type /Catalog /Pages 1 0 R /AcroForm 1 0 R /Fields 1 0 R /Kids 1 0 R >>"
    assert read_signatures(small_pdf({1: whole})) == PdfSignatures((), ())


# What is told


def test_a_signature_is_told_with_its_key():
    """Everything a reader needs to compare with what the platform publishes."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(b"published demo key: not a secret")
    assert read_signatures(by_the_platform()) == PdfSignatures(
        signed=(
            FoundSignature(
                field=PLATFORM,
                signer=NAME,
                algorithm="Ed25519",
                claimed_at=MOMENT,
                timestamped_at=None,
                intact=True,
                covers_file=True,
                later="nothing",
                public_key=key.public_key().public_bytes_raw(),
                certificate_sha256=hashlib.sha256(asn1(platform()).dump()).hexdigest(),
            ),
        ),
        empty_fields=(ORGANISATION,),
    )


def test_a_pdf_without_signatures_has_none():
    assert read_signatures(report_pdf()) == PdfSignatures((), ())
    assert read_signatures(small_pdf({1: CATALOG, 2: PAGES, 3: PAGE})) == PdfSignatures((), ())


@pytest.mark.parametrize(("who", "algorithm"), [(curve_platform, "ECDSA"), (organisation, "RSA")])
def test_another_key_is_told_by_its_kind(who, algorithm: str):
    found = the_one(signed(report_pdf(), who(), dated=DATED))
    assert found.holds and found.algorithm == algorithm
    assert found.public_key == asn1(who()).public_key.dump()


def test_a_borrowed_name_has_another_key():
    """Whoever makes a certificate chooses the name on it: the signature holds, and the key tells them apart."""
    impostor = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x66" * 32)
    seal = platform_signer(NAME, impostor.public_key().public_bytes_raw(), impostor.sign, DATED)
    forged, real = the_one(signed(report_pdf(), seal, dated=DATED)), the_one(by_the_platform())
    assert forged.holds and forged.signer == real.signer
    assert forged.public_key == impostor.public_key().public_bytes_raw() != real.public_key
    assert forged.certificate_sha256 != real.certificate_sha256


def test_reading_twice_tells_the_same():
    made = signed(by_the_platform(), organisation(), dated=DATED, field=ORGANISATION)
    assert read_signatures(made) == read_signatures(made)
    assert [one.field for one in read_signatures(made).signed] == [PLATFORM, ORGANISATION]


def test_the_revision_before_the_signature_is_the_plain_report():
    assert read_signatures(by_the_platform()[: len(report_pdf())]) == PdfSignatures((), ())


# Signatures that do not hold


def with_signature(pdf: bytes, content: bytes) -> bytes:
    """The same file with other bytes in the hole, padded with zeros."""
    _, length, after, _ = byte_range(pdf)
    room = after - length - 2
    return pdf[: length + 1] + content.hex().encode().ljust(room, b"0") + pdf[after - 1 :]


def resigned(pdf: bytes) -> bytes:
    """An attacker with a key of their own signs whatever the byte range of the file now says."""
    start, length, after, rest = byte_range(pdf)
    digest = hashlib.sha512(pdf[start : start + length] + pdf[after : after + rest]).digest()
    chain = chain_of(platform().certificates)
    statement = Statement(PLATFORM, NAME, "", MOMENT, chain, platform().sign)
    return _cms(statement, digest, "sha512", None)


def test_the_attackers_tools_of_these_tests_work():
    """Signed again and unchanged, the file holds: what fails below fails for what was done to it."""
    made = by_the_platform()
    assert the_one(with_signature(made, resigned(made))).holds


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\x30\x80", b"\x30\x03\x02\x01\x05", b"\xff" * 500, b"\x30" * 4000]
)
def test_rubbish_in_place_of_a_signature_does_not_hold(content: bytes):
    assert the_one(with_signature(by_the_platform(), content)) == FoundSignature(field=PLATFORM)


def test_a_signature_of_another_file_does_not_hold():
    other = signed(report_pdf(), platform(), dated="2026-02-01")
    found = the_one(with_signature(by_the_platform(), signature_bytes(other).rstrip(b"\0")))
    assert not found.intact and not found.holds and found.signer == NAME


def test_a_changed_signature_value_does_not_hold():
    made = by_the_platform()
    content = bytearray(signature_bytes(made).rstrip(b"\0"))
    content[-5] ^= 1
    assert not the_one(with_signature(made, bytes(content))).holds


def test_bytes_hidden_behind_the_signature_are_seen():
    """The hole is longer than what is in it; nobody signed the rest."""
    made = by_the_platform()
    _, length, after, _ = byte_range(made)
    spoilt = made[: after - 9] + b"deadbeef" + made[after - 1 :]
    assert len(spoilt) == len(made) and length < after - 9
    assert not the_one(spoilt).intact


def in_byte_range(pdf: bytes, old: tuple[int, ...], new: tuple[int, ...]) -> bytes:
    before, after = (f"/ByteRange [{' '.join(map(str, one))}]".encode() for one in (old, new))
    assert before in pdf and len(after) <= len(before) + 20
    return pdf.replace(before.ljust(len(before) + 20), after.ljust(len(before) + 20))


@pytest.mark.parametrize(
    "shift", [(0, -40, 0, 0), (0, 0, 40, -40), (3, -3, 0, 0), (3, 0, 0, 0), (0, 0, 0, -5), (0, 0, 0, 7)]
)
def test_a_signature_that_leaves_bytes_out_is_not_whole(shift: tuple[int, ...]):
    """Signed with a proper key, but over less than the file: a hole too wide, a start too late, an end too early."""
    made = by_the_platform()
    new = tuple(a + b for a, b in zip(byte_range(made), shift, strict=True))
    holed = in_byte_range(made, byte_range(made), new)
    content = resigned(holed)
    start = byte_range(made)[1]
    forged = holed[: start + 1] + content.hex().encode().ljust(16_384, b"0") + holed[start + 1 + 16_384 :]
    found = the_one(forged)
    assert not found.intact and not found.holds


@pytest.mark.parametrize(
    "text", ["[0 1 2]", "[]", "[0 -1 5 9]", "[9999999 9 9999999 9]", "null", "(0)", "[0 (a) 1 2]"]
)
def test_a_byte_range_that_is_none_does_not_hold(text: str):
    made = by_the_platform()
    was = f"/ByteRange [{' '.join(map(str, byte_range(made)))}]".encode()
    assert not the_one(made.replace(was, f"/ByteRange {text}".encode().ljust(len(was)))).holds


def test_what_is_added_after_the_signature_is_told():
    """A comment appended is no harm, but the file is no longer what was signed."""
    writer = IncrementalPdfFileWriter(io.BytesIO(by_the_platform()))
    writer.root["/Lang"] = writer.root["/Lang"]
    writer.root["/OpenAction"] = writer.root.raw_get("/Pages")
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    found = the_one(out.getvalue())
    assert found.intact and not found.covers_file and found.later == "not_permitted"


def test_a_timestamp_of_another_signature_proves_no_time():
    """The token is carried outside what is signed; only its imprint binds it."""
    stamped = signed(report_pdf(), platform(), dated=DATED, timestamps=authority(MOMENT))
    other = signed(report_pdf(), platform(), dated="2026-02-01", timestamps=authority(MOMENT))
    assert the_one(stamped).timestamped_at == MOMENT
    own, foreign = (cms.ContentInfo.load(signature_bytes(one)) for one in (stamped, other))
    own["content"]["signer_infos"][0]["unsigned_attrs"] = foreign["content"]["signer_infos"][0][
        "unsigned_attrs"
    ]
    found = the_one(with_signature(stamped, own.dump(force=True)))
    assert found.holds and found.timestamped_at is None


def test_a_timestamp_of_the_whole_file_is_a_signature_of_its_own():
    """PAdES B-LTA, as an organisation's archive adds it: the platform's signature allows it."""
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    writer = IncrementalPdfFileWriter(io.BytesIO(by_the_platform()))
    made = PdfTimeStamper(stamper(at), field_name="Archive").timestamp_pdf(writer, "sha256").getvalue()
    first, second = read_signatures(made).signed
    assert first.holds and first.later == "permitted" and first.timestamped_at is None
    assert second.holds and second.timestamped_at == at and second.covers_file
    place = made.index(b"/MediaBox") + 11
    spoilt = made[:place] + b"1" + made[place + 1 :]
    assert [(one.intact, one.timestamped_at) for one in read_signatures(spoilt).signed] == [(False, None)] * 2


# Hostile files: each would cost a naive reader its memory, its stack or an hour


def test_a_file_that_is_too_large_is_not_opened():
    assert problem(b"%PDF-1.7\n" + b"0" * MOST_BYTES) == "too_large"


@pytest.mark.parametrize(
    "pdf",
    [
        b"",
        b"%",
        b"PK\x03\x04" + b"\0" * 400,
        b"<html>%PDF-1.7</html>",
        b"%PDF-1.7",
        b"%PDF-1.7\nstartxref\n0\n%%EOF\n",
        b"%PDF-1.7\nstartxref\n99999999\n%%EOF\n",
        b"%PDF-1.7\n" + b"a" * 10**6 + b"\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\n" + b"a" * 10**6,
        b"%PDF-1.7\nxref\n0 0\ntrailer\n" + b"[" * 10**5 + b"\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 0\ntrailer\n" + b"<<" * 10**5 + b"\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Size " + b"9" * 10**5 + b" >>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 999999999\ntrailer\n<< /Size 9 >>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 -1\ntrailer\n<< >>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Size 1 /Prev 9 >>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Size 1 /Root 1 0 R >>\nstartxref\n9\n%%EOF\n",
        small_pdf({1: "1 0 R"}),
        small_pdf({1: "2 0 R", 2: "1 0 R"}),
        small_pdf(
            {1: CATALOG, 2: PAGES, 3: PAGE}, trailer="/Root 1 0 R /Encrypt << /Filter /Standard /V 9 >>"
        ),
    ],
    ids=lambda pdf: pdf[:60].decode("latin1").encode("unicode_escape").decode() if pdf else "nothing",
)
def test_what_is_no_pdf_ends_in_a_problem(pdf: bytes):
    assert problem(pdf) == "unreadable"


def xref_stream_pdf(entries: str, widths: str, data: bytes) -> bytes:
    """A PDF whose only table is a compressed one."""
    packed = zlib.compress(data)
    head = f"<< /Type /XRef /Size 9 /Root 1 0 R /W [{widths}] {entries} /Filter /FlateDecode /Length {len(packed)} >>"
    body = b"%PDF-1.7\n"
    return (
        body
        + f"8 0 obj\n{head}\nstream\n".encode()
        + packed
        + f"\nendstream\nendobj\nstartxref\n{len(body)}\n%%EOF\n".encode()
    )


@pytest.mark.parametrize(
    ("entries", "widths", "data"),
    [
        ("/Index [0 999999999]", "0 0 0", b""),
        ("/Index [0 999999999]", "1 0 0", b"\x01" * 10**6),
        ("/Index [0 999999999]", "-1 1 1", b""),
        ("/Index [0 -5]", "1 2 1", b""),
        ("/Index [0 3000000]", "1 2 1", bytes(12 * 10**6)),
        ("/Index 5 0 R", "1 2 1", b""),
        ("", "1 99999999 1", b"\0" * 100),
        ("/Index [0 9000]", "1 20000 1", bytes(10**6)),
    ],
)
def test_a_short_file_cannot_claim_a_billion_objects(entries: str, widths: str, data: bytes):
    assert problem(xref_stream_pdf(entries, widths, data)) in {"unreadable", "too_large"}


def test_a_table_that_is_too_long_is_too_large():
    table = b"0000000009 00000 n \n" * 60_000
    pdf = (
        b"%PDF-1.7\nxref\n0 60000\n"
        + table
        + b"trailer\n<< /Size 60000 /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"
    )
    assert problem(pdf) == "too_large"


def test_a_thousand_revisions_are_too_many():
    pdf, last = small_pdf({1: CATALOG, 2: PAGES, 3: PAGE}), 0
    for _ in range(1000):
        last = int(pdf.rsplit(b"startxref\n", 1)[1].split()[0])
        here = len(pdf)
        pdf += f"xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 4 /Root 1 0 R /Prev {last} >>\n".encode()
        pdf += f"startxref\n{here}\n%%EOF\n".encode()
    assert problem(pdf) == "too_large"


def test_a_form_that_doubles_at_every_step_is_too_large():
    """Forty nodes, each named twice by the one above: 2 to the 40th fields for whoever walks them."""
    nodes = {number: f"<< /T (a) /Kids [{number + 1} 0 R {number + 1} 0 R] >>" for number in range(10, 50)}
    catalog = "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [10 0 R] >> >>"
    pdf = small_pdf({1: catalog, 2: PAGES, 3: PAGE, **nodes, 50: "<< /T (b) /FT /Sig >>"})
    assert problem(pdf) == "too_large"


def test_a_book_whose_pages_lead_back_is_too_large():
    looped = "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 1 >>"
    assert problem(small_pdf({1: CATALOG, 2: looped})) == "too_large"


def test_one_signature_in_a_hundred_fields_is_too_many():
    """Each would be compared with every later revision."""
    fields = {number: f"<< /T (f{number}) /FT /Sig /V 4 0 R >>" for number in range(10, 30)}
    kids = " ".join(f"{number} 0 R" for number in fields)
    catalog = f"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{kids}] >> >>"
    assert problem(small_pdf({1: catalog, 2: PAGES, 3: PAGE, 4: "<< /Type /Sig >>", **fields})) == "too_large"


def test_a_form_in_an_earlier_revision_is_measured_too():
    """The comparison of revisions walks all of them."""
    nodes = {number: f"<< /T (a) /Kids [{number + 1} 0 R {number + 1} 0 R] >>" for number in range(10, 50)}
    catalog = "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [10 0 R] >> >>"
    first = small_pdf({1: catalog, 2: PAGES, 3: PAGE, **nodes, 50: "<< /T (b) /FT /Sig >>"})
    before = int(first.rsplit(b"startxref\n", 1)[1].split()[0])
    place, body = len(first), f"1 0 obj\n{CATALOG}\nendobj\n".encode()
    table = f"xref\n1 1\n{place:010} 00000 n \ntrailer\n<< /Size 51 /Root 1 0 R /Prev {before} >>\n".encode()
    end = f"startxref\n{place + len(body)}\n%%EOF\n".encode()
    assert problem(first + body + table + end) == "too_large"


def test_a_stream_that_unpacks_to_gigabytes_is_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    """A table in an object stream of the classic kind: small on disk, endless in memory."""
    monkeypatch.setattr(pdf_signatures_read, "_DECODED_BYTES", 10**4)
    bomb = xref_stream_pdf("/Index [0 15000]", "1 2 1", bytes(60_000))
    with pytest.raises(PlatformError) as told:
        read_signatures(bomb)
    assert isinstance(told.value.__cause__, PdfDecodeLimitError)


def test_whatever_is_cut_off_no_other_error_comes_out():
    whole = by_the_platform()
    for cut in range(0, len(whole), len(whole) // 40):
        if cut != len(report_pdf()):
            assert problem(whole[:cut]) == "unreadable"


def test_whatever_is_stirred_in_no_other_error_comes_out():
    """Bytes changed, cut out and doubled where the structure is: read, or refused, and never a signature that holds."""
    chance, made = random.Random(7), by_the_platform()
    held = 0
    for _ in range(120):
        spoilt = bytearray(made)
        place = chance.choice([chance.randrange(len(made)), chance.randrange(len(report_pdf()), len(made))])
        stretch = chance.randrange(1, 30)
        spoilt[place : place + stretch] = chance.choice(
            [
                b"",
                bytes(chance.randrange(256) for _ in range(stretch)),
                bytes(spoilt[place : place + stretch]) * 2,
            ]
        )
        try:
            held += any(one.holds for one in read_signatures(bytes(spoilt)).signed)
        except PlatformError as told:
            assert told.code in {"pdf_signature.unreadable", "pdf_signature.too_large"}
    assert held == 0


def test_a_problem_repeats_nothing_of_the_file():
    pdf = "%PDF-1.7\n(张三 110101199003078515)\nstartxref\n9\n%%EOF\n".encode()
    with pytest.raises(PlatformError) as told:
        read_signatures(pdf)
    assert "110101" not in "".join(told.value.as_dict().values())


def test_a_found_signature_says_no_until_it_is_shown_to_hold():
    blank = FoundSignature(field="x")
    assert not blank.intact and not blank.holds and not blank.covers_file
    assert not dataclasses.replace(blank, intact=True).holds
    assert dataclasses.replace(blank, intact=True, later="permitted").holds
