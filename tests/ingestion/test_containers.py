"""Compressed files: read in whole before anything of them is used, and never held in memory."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.containers import LIMITS, Limits, open_zip
from ingestion.intake import read_units
from rwd_platform.core.errors import PlatformError
from tests.ingestion.sending import line, opener, opener_of, patient, read, zip_of

SMALL = Limits(inflated_bytes=300_000, ratio_floor_bytes=50_000, entries=5)
LINES = b"".join(line(patient(n)) + b"\n" for n in range(500))


def refusal(content: bytes, name: str, limits: Limits = SMALL) -> PlatformError:
    """The refusal must come from the call itself: no unit may have been seen before it."""
    with pytest.raises(PlatformError) as refused:
        read_units(name, opener(content), limits=limits)
    assert name in refused.value.zh and name in refused.value.en
    return refused.value


def encrypted_zip() -> bytes:
    content = bytearray(zip_of({"a.ndjson": LINES}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1
    return bytes(content)


def with_broken_content(archive: bytes) -> bytes:
    """One byte of the compressed content is another; the directory stays whole."""
    middle = archive.find(b"PK\x01\x02") // 2
    return archive[:middle] + bytes([archive[middle] ^ 0x55]) + archive[middle + 1 :]


def with_name(name: str) -> bytes:
    return zip_of({name: LINES})


def same_name_twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.ndjson", LINES)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.ndjson", LINES)
    return stream.getvalue()


def stored_zip_with_wrong_checksum() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.ndjson", LINES)
    return stream.getvalue().replace(b'"id": "p7"', b'"id": "p8"')


def gzip_with(position: int, value: int) -> bytes:
    content = bytearray(gzip.compress(LINES, mtime=0))
    content[position] ^= value
    return bytes(content)


WHOLE = gzip.compress(LINES, mtime=0)
REFUSED = [
    ("an empty file", b"", "a.ndjson.gz", "intake.empty"),
    ("a gzip of nothing", gzip.compress(b"", mtime=0), "a.ndjson.gz", "intake.empty"),
    ("a gzip cut in the middle", WHOLE[: len(WHOLE) // 2], "a.ndjson.gz", "intake.truncated"),
    ("a gzip without its last byte", WHOLE[:-1], "a.ndjson.gz", "intake.truncated"),
    ("a gzip cut in its header", WHOLE[:5], "a.ndjson.gz", "intake.truncated"),
    ("a gzip with a wrong checksum", gzip_with(-7, 1), "a.ndjson.gz", "intake.broken"),
    ("a gzip with a wrong length", gzip_with(-1, 1), "a.ndjson.gz", "intake.broken"),
    ("a gzip with something behind it", WHOLE + b"more", "a.ndjson.gz", "intake.broken"),
    ("a gzip in a gzip", gzip.compress(WHOLE, mtime=0), "a.ndjson.gz", "intake.nested"),
    (
        "a gzip bomb by size",
        gzip.compress(os.urandom(1000) * 301, mtime=0),
        "a.ndjson.gz",
        "intake.too_large_inflated",
    ),
    (
        "a gzip bomb by ratio",
        gzip.compress(b" " * 200_000, mtime=0),
        "a.ndjson.gz",
        "intake.too_large_inflated",
    ),
    ("a zip bomb by size", zip_of({"a.json": os.urandom(1000) * 301}), "a.zip", "intake.too_large_inflated"),
    ("a zip bomb by ratio", zip_of({"a.json": b" " * 200_000}), "a.zip", "intake.too_large_inflated"),
    (
        "a zip bomb of many members",
        zip_of({f"{n}.json": os.urandom(1000) * 70 for n in range(5)}),
        "a.zip",
        "intake.too_large_inflated",
    ),
    ("too many members", zip_of({f"{n}.json": LINES for n in range(6)}), "a.zip", "intake.too_many_members"),
    ("a zip of nothing", zip_of({}), "a.zip", "intake.empty"),
    ("a zip of folders only", zip_of({"a/": b""}), "a.zip", "intake.empty"),
    ("an empty member", zip_of({"a.ndjson": LINES, "b.ndjson": b""}), "a.zip", "intake.empty"),
    ("a zip in a zip", zip_of({"a.zip": zip_of({"a.json": LINES})}), "a.zip", "intake.nested"),
    ("a gzip in a zip", zip_of({"a.json.gz": WHOLE}), "a.zip", "intake.nested"),
    ("a zip in a gzip", gzip.compress(zip_of({"a.json": LINES})), "a.zip.gz", "intake.nested"),
    ("a 7z in a zip", zip_of({"a.7z": b"7z\xbc\xaf\x27\x1c" + LINES}), "a.zip", "intake.nested"),
    ("a password", encrypted_zip(), "a.zip", "intake.encrypted"),
    ("an absolute name", with_name("/etc/a.ndjson"), "a.zip", "intake.unsafe_name"),
    ("a name that climbs", with_name("../../a.ndjson"), "a.zip", "intake.unsafe_name"),
    ("a name that climbs with backslashes", with_name("x\\..\\..\\a.ndjson"), "a.zip", "intake.unsafe_name"),
    ("a name with a drive", with_name("C:/a.ndjson"), "a.zip", "intake.unsafe_name"),
    ("a name with a line break", with_name("a\n.ndjson"), "a.zip", "intake.unsafe_name"),
    ("one name twice", same_name_twice(), "a.zip", "intake.same_name"),
    ("a zip cut in the middle", zip_of({"a.json": LINES})[:-30], "a.zip", "intake.truncated"),
    ("a zip of its first bytes only", b"PK\x03\x04", "a.zip", "intake.truncated"),
    ("a zip with broken content", with_broken_content(zip_of({"a.json": LINES})), "a.zip", "intake.broken"),
    ("a zip with a wrong checksum", stored_zip_with_wrong_checksum(), "a.zip", "intake.broken"),
    (
        "an Excel file",
        zip_of({"[Content_Types].xml": b"<x/>", "xl/a.xml": b"<x/>"}),
        "a.xlsx",
        "intake.spreadsheet",
    ),
    (
        "something else in a zip",
        zip_of({"a.ndjson": LINES, "b.pdf": b"%PDF-1.7"}),
        "a.zip",
        "intake.unknown_format",
    ),
]


@pytest.mark.parametrize(("what", "content", "name", "code"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_broken_or_hostile_container_is_refused_before_its_first_resource(
    what: str, content: bytes, name: str, code: str
) -> None:
    """Nothing is half-stored: a transfer that was cut shows only at the end, so the end is read first."""
    assert refusal(content, name).code == code, what


def test_a_whole_gzip_gives_the_lines_that_were_compressed() -> None:
    units = read(WHOLE, "patients.ndjson.gz")
    assert [unit.raw for unit in units] == LINES.splitlines()
    assert units[-1].place.file == "patients.ndjson.gz" and units[-1].place.line == 500


def test_a_gzip_of_several_parts_is_one_file() -> None:
    """Tools that compress in parallel, and `cat a.gz b.gz`, give such files (RFC 1952, 2.2)."""
    half = len(LINES) // 2
    content = gzip.compress(LINES[:half], mtime=0) + gzip.compress(LINES[half:], mtime=0)
    assert [unit.raw for unit in read(content, "a.ndjson.gz")] == LINES.splitlines()


def test_the_members_of_a_zip_come_in_the_order_of_their_names() -> None:
    content = zip_of(
        {"b.ndjson": line(patient(2)), "a/c.json": line(patient(3)), "a.ndjson": line(patient(1))}
    )
    places = [(unit.place.file, unit.place.line) for unit in read(content, "all.zip")]
    assert places == [("all.zip!member 3", 1), ("all.zip!member 2", 1), ("all.zip!member 1", 1)]


def test_what_a_file_manager_adds_to_a_zip_is_passed_over() -> None:
    content = zip_of({"a.ndjson": LINES, "__MACOSX/._a.ndjson": b"\0\5\26\7", "x/.DS_Store": b"\0\0\0\1Bud1"})
    assert len(read(content, "a.zip")) == 500


def test_chinese_member_names_are_read_as_chinese_tools_write_them() -> None:
    """Compressed folders of Windows in China have names in GB18030 without saying so."""
    plain = "病案首页.ndjson".encode("gb18030")
    content = zip_of({"x" * len(plain): LINES}).replace(b"x" * len(plain), plain)
    with open_zip("a.zip", opener(content), LIMITS) as members:
        assert [member.name for member in members] == ["病案首页.ndjson"]
    assert read(content, "a.zip")[0].place.file == "a.zip!member 1"


def test_a_directory_that_declares_too_much_is_refused_by_its_last_bytes() -> None:
    """The directory of a zip is read as one piece, so what it claims is judged first."""
    content = zip_of({"a.ndjson": LINES})
    end = content.rfind(b"PK\x05\x06")
    claims = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, 10, 10, 0)
    assert refusal(content[:end] + claims, "a.zip").code == "intake.too_many_members"


def test_a_zip64_is_judged_by_its_own_record() -> None:
    content = zip_of({"a.ndjson": LINES})
    end = content.rfind(b"PK\x05\x06")
    directory = struct.unpack("<4s4H2LH", content[end : end + 22])
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, directory[5], directory[6]
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    assert (
        refusal(content[:end] + record + locator + content[end:], "a.zip").code == "intake.too_many_members"
    )


def zeros_compressed(megabytes: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    megabyte = b"\0" * (1 << 20)
    return b"".join(compressor.compress(megabyte) for _ in range(megabytes)) + compressor.flush()


def test_a_bomb_is_stopped_by_the_ratio_of_what_really_came_out() -> None:
    """200 MB of zeros in 200 kB: with the limits in force, and without holding what comes out."""
    content = zeros_compressed(200)
    tracemalloc.start()
    with pytest.raises(PlatformError) as refused:
        read_units("a.ndjson.gz", opener(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code == "intake.too_large_inflated"
    assert peak < 16 << 20


@pytest.mark.parametrize("form", ["gz", "zip"])
def test_a_large_compressed_file_is_never_in_memory(form: str, tmp_path: Path) -> None:
    """40 MB of resources, compressed; the largest thing ever held is a piece of it."""
    resource = (
        line(patient(1, text={"status": "generated", "div": "<div>" + "x" * 20_000 + "</div>"})) + b"\n"
    )

    def parts() -> Iterator[bytes]:
        for number in range(2_000):
            yield resource.replace(b'"p1"', f'"p{number}-{os.urandom(200).hex()[:40]}"'.encode())

    stream = io.BytesIO()
    if form == "gz":
        with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed:
            for part in parts():
                packed.write(part)
    else:
        with (
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("a.ndjson", "w") as member,
        ):
            for part in parts():
                member.write(part)
    content = stream.getvalue()
    tracemalloc.start()
    count = sum(
        1 for _ in read_units(f"a.{form}", opener(content), limits=Limits(ratio=100_000), temp_dir=tmp_path)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2_000
    assert peak < 8 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_zip_that_is_given_piece_by_piece_is_read_too() -> None:
    content = zip_of({"a.ndjson": LINES})
    pieces = [content[start : start + 11] for start in range(0, len(content), 11)]
    assert len(list(read_units("a.zip", opener_of(lambda: pieces)))) == 500
