"""The door: what a file is, is found by looking into it; every line becomes one unit, good or bad."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator

import pytest

from ingestion.containers import Limits
from ingestion.intake import read_units
from rwd_platform.core.errors import PlatformError
from tests.ingestion.sending import line, opener, opener_of, patient, read, zip_of

PRETTY = b'{\n  "resourceType": "Patient",\n  "id": "p1",\n  "active": true\n}\n'
THREE = b"".join(line(patient(n)) + b"\n" for n in (1, 2, 3))


def rules(content: bytes, name: str = "a.ndjson") -> list[str]:
    return [unit.issues[0].rule if unit.issues else "" for unit in read(content, name)]


def test_each_line_of_ndjson_is_one_unit_with_its_own_bytes() -> None:
    units = read(THREE)
    assert [unit.raw for unit in units] == THREE.splitlines()
    assert [unit.place.line for unit in units] == [1, 2, 3]
    assert [unit.resource and unit.resource["id"] for unit in units] == ["p1", "p2", "p3"]
    assert all(unit.issues == () and unit.group is None for unit in units)


def test_blank_lines_are_no_units_but_are_counted() -> None:
    """The line number is the one that a person's editor shows."""
    units = read(b"\n  \n" + line(patient(1)) + b"\r\n\r\n" + line(patient(2)))
    assert [(unit.place.line, unit.raw) for unit in units] == [(3, line(patient(1))), (5, line(patient(2)))]


def test_a_bad_line_is_rejected_and_the_rest_goes_on() -> None:
    content = line(patient(1)) + b"\n{bad}\n[1]\n7\n" + line(patient(2)) + b"\n"
    assert rules(content) == ["", "json.syntax", "resource.not_object", "resource.not_object", ""]
    bad = read(content)[1]
    assert bad.resource is None and bad.raw == b"{bad}" and bad.place.line == 2


def test_a_file_that_breaks_off_has_one_bad_line_at_its_end() -> None:
    """Plain NDJSON carries no checksum: what was whole is whole, the cut line is named."""
    assert rules(THREE[:-20]) == ["", "", "json.truncated"]


FORMS = [
    ("NDJSON by its name", THREE, "a.ndjson", 3),
    ("NDJSON by another name", THREE, "a.jsonl", 3),
    ("NDJSON called .json", THREE, "a.json", 3),
    ("NDJSON without a name", THREE, "export", 3),
    ("NDJSON called .csv", THREE, "a.csv", 3),
    ("NDJSON called .gz but plain", THREE, "a.ndjson.gz", 3),
    ("gzip called .json", gzip.compress(THREE), "a.json", 3),
    ("zip called .gz", zip_of({"x.ndjson": THREE}), "a.gz", 3),
    ("a document", PRETTY, "a.json", 1),
    ("a document called .ndjson", PRETTY, "a.ndjson", 1),
    ("a document without margins", PRETTY.replace(b"  ", b""), "a.json", 1),
    ("a document with CRLF", PRETTY.replace(b"\n", b"\r\n"), "a.json", 1),
    ("a document behind a mark", b"\xef\xbb\xbf" + PRETTY, "a.json", 1),
    ("NDJSON behind a mark", b"\xef\xbb\xbf" + THREE, "a.json", 3),
    ("a document behind blank lines", b"\n\n " + PRETTY, "a.json", 1),
    ("one line", THREE.splitlines()[0], "a.json", 1),
    (
        "a Bundle over many lines",
        b'{"resourceType":"Bundle","type":"batch",\n"entry":[\n{"resource":\n' + PRETTY + b"}]}",
        "a.json",
        1,
    ),
    ("a compressed document", gzip.compress(PRETTY), "a.json.gz", 1),
]


@pytest.mark.parametrize(("what", "content", "name", "count"), FORMS, ids=[case[0] for case in FORMS])
def test_a_form_is_found_by_content_before_name(what: str, content: bytes, name: str, count: int) -> None:
    units = read(content, name)
    assert [unit.issues for unit in units] == [()] * count, what
    assert {unit.resource and unit.resource["resourceType"] for unit in units} == {"Patient"}


def test_a_document_is_one_unit_with_the_bytes_of_the_whole_file() -> None:
    (unit,) = read(PRETTY, "a.json")
    assert (unit.place.line, unit.raw) == (1, PRETTY)
    (unit,) = read(b"\xef\xbb\xbf" + PRETTY, "a.json")
    assert unit.raw == PRETTY


def test_a_document_that_breaks_off_is_one_bad_unit() -> None:
    assert rules(PRETTY[:-10], "a.json") == ["json.truncated"]


def test_a_first_line_that_breaks_off_does_not_make_a_document_of_ndjson() -> None:
    """A line break inside a text cuts a line in two; the lines behind it are good and must be read."""
    broken = line(patient(1, name=[{"text": "a"}])).replace(b'"a"', b'"a\nb"')
    assert rules(broken + b"\n" + THREE) == ["json.truncated", "json.syntax", "", "", ""]
    assert rules(line(patient(1))[:-5] + b"\n" + THREE) == ["json.truncated", "", "", ""]


def test_an_array_of_resources_is_one_bad_unit_that_says_what_to_do() -> None:
    for content in (
        b"[" + line(patient(1)) + b"]",
        b"[\n" + line(patient(1)) + b",\n" + line(patient(2)) + b"\n]\n",
    ):
        (unit,) = read(content, "a.json")
        assert unit.issues[0].rule == "resource.not_object"
        assert "Bundle" in unit.issues[0].next_en


REFUSED = [
    ("nothing", b"", "a.ndjson", "intake.empty"),
    ("blanks", b" \n\r\n\t", "a.ndjson", "intake.empty"),
    ("a mark and nothing", b"\xef\xbb\xbf\n", "a.ndjson", "intake.empty"),
    ("a table without a mapping", b"a,b\n1,2\n", "visits.csv", "intake.mapping_missing"),
    ("a PDF", b"%PDF-1.7 ...", "a.pdf", "intake.unknown_format"),
    ("XML", b"<?xml version='1.0'?><Bundle/>", "a.xml", "intake.unknown_format"),
    ("an old Excel file", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "a.xls", "intake.spreadsheet"),
    ("bzip2", b"BZh91AY&SY", "a.ndjson.bz2", "intake.unknown_format"),
]


@pytest.mark.parametrize(("what", "content", "name", "code"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_file_that_is_nothing_of_ours_is_refused_as_a_whole(
    what: str, content: bytes, name: str, code: str
) -> None:
    with pytest.raises(PlatformError) as refused:
        read_units(name, opener(content))
    assert refused.value.code == code, what
    assert name in refused.value.zh and name in refused.value.en


def test_one_unreadable_member_keeps_the_whole_archive_out() -> None:
    """Better to send the archive again than to wonder which half of it was stored."""
    for member, code in ((b"a,b\n1,2\n", "intake.mapping_missing"), (b"%PDF", "intake.unknown_format")):
        name = "z.csv" if code == "intake.mapping_missing" else "z.pdf"
        with pytest.raises(PlatformError) as refused:
            read_units("all.zip", opener(zip_of({"a.ndjson": THREE, name: member})))
        assert refused.value.code == code
        assert "all.zip!member 2" in refused.value.en and name not in refused.value.en


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("王小明13800138000/检验.csv", b"a,b\n1,2\n", "intake.mapping_missing"),
        ("王小明13800138000.pdf", b"%PDF", "intake.unknown_format"),
        ("王小明13800138000.json", b"", "intake.empty"),
        ("WangXiaoming.json.gz", b"\x1f\x8b\x08", "intake.nested"),
    ],
)
def test_no_refusal_repeats_what_a_file_in_an_archive_is_called(name: str, content: bytes, code: str) -> None:
    """A folder for each patient is how many exports are built; the archive's own list tells which one it was."""
    with pytest.raises(PlatformError) as refused:
        read_units("in.zip", opener(zip_of({"Patient.ndjson": THREE, name: content})))
    assert refused.value.code == code
    said = " ".join(refused.value.as_dict().values())
    assert not any(part in said for part in ("王", "小明", "138", "Xiaoming", "检验"))


def test_a_file_in_an_archive_is_named_only_in_words_of_fhir() -> None:
    names = [
        "Patient.ndjson",
        "out/Observation.ndjson",
        "王小明13800138000.ndjson",
        "Patient-13800138000.ndjson",
    ]
    units = list(read_units("in.zip", opener(zip_of(dict.fromkeys(names, THREE)))))
    assert {unit.place.file for unit in units} == {
        "in.zip!member 1 (Patient.ndjson)",
        "in.zip!member 2",
        "in.zip!member 3",
        "in.zip!member 4",
    }


ENCODINGS = [
    ("GB18030", line(patient(1, name=[{"text": "王小明"}])).decode().encode("gb18030"), "encoding.gb18030"),
    ("Latin-1", line(patient(1, name=[{"text": "Müller"}])).decode().encode("latin-1"), "encoding.utf8"),
]


@pytest.mark.parametrize(("what", "bad", "rule"), ENCODINGS, ids=[case[0] for case in ENCODINGS])
def test_a_line_in_another_encoding_is_rejected_by_itself(what: str, bad: bytes, rule: str) -> None:
    assert rules(line(patient(1)) + b"\n" + bad + b"\n" + line(patient(2))) == ["", rule, ""], what


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_utf_16_is_one_rejected_unit_that_says_so(encoding: str) -> None:
    """Its line ends are not those of UTF-8, so its lines cannot be told apart."""
    (unit,) = read(THREE.decode().encode(encoding))
    assert unit.issues[0].rule == "encoding.utf16" and unit.place.line == 1
    assert "UTF-16" in unit.issues[0].zh


def test_a_byte_order_mark_in_the_middle_is_rejected_and_at_the_start_is_not() -> None:
    assert rules(b"\xef\xbb\xbf" + line(patient(1)) + b"\n\xef\xbb\xbf" + line(patient(2))) == [
        "",
        "encoding.byte_order_mark",
    ]


def test_a_line_of_100_mb_is_rejected_without_being_held() -> None:
    """It is read past, piece by piece; the lines before and behind it are good."""

    def parts() -> Iterator[bytes]:
        yield line(patient(1)) + b"\n"
        yield b'{"resourceType":"Patient","id":"'
        for _ in range(100):
            yield b"x" * (1 << 20)
        yield b'"}\n' + line(patient(2)) + b"\n"

    tracemalloc.start()
    units = list(read_units("a.ndjson", opener_of(parts)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [unit.issues[0].rule if unit.issues else "" for unit in units] == ["", "line.too_long", ""]
    assert (units[1].place.line, len(units[1].raw), units[2].place.line) == (2, 1024, 3)
    assert peak < 64 << 20


def test_a_document_that_is_too_large_is_refused() -> None:
    small = Limits(line_bytes=1_000, document_bytes=10_000)
    large = b'{\n"resourceType": "Patient",\n' + b" " * 10_000 + b"\n}"
    for content in (large, b'{"a":"' + b"x" * 10_000 + b'"}'):
        with pytest.raises(PlatformError) as refused:
            read_units("a.json", opener(content), limits=small)
        assert refused.value.code == "intake.document_too_large"


def test_a_single_long_line_is_a_document_if_its_name_allows_it() -> None:
    """A Bundle without line breaks may be larger than a line of NDJSON may be."""
    small = Limits(line_bytes=1_000, document_bytes=10_000)
    content = line(patient(1, name=[{"text": "x" * 5_000}]))
    assert [unit.issues for unit in read(content, "a.json", limits=small)] == [()]
    assert [unit.issues[0].rule for unit in read(content, "a.ndjson", limits=small)] == ["line.too_long"]


def test_reading_twice_gives_the_same() -> None:
    content = zip_of({"b.json": PRETTY, "a.ndjson": THREE + b"{bad\n"})
    assert read(content, "a.zip") == read(content, "a.zip")


def test_a_stream_is_opened_afresh_and_closed_each_time() -> None:
    """The door reads a file several times; an open file is a leak in a process that runs for months."""
    opened = []

    def open_stream() -> object:
        opened.append(opener(THREE)())
        return opened[-1]

    assert len(list(read_units("a.ndjson", open_stream))) == 3  # type: ignore[arg-type]
    assert len(opened) > 1 and all(stream.closed for stream in opened)
    opened.clear()
    packed = gzip.compress(THREE)

    def open_packed() -> object:
        opened.append(opener(packed)())
        return opened[-1]

    assert len(list(read_units("a.ndjson.gz", open_packed))) == 3  # type: ignore[arg-type]
    assert len(opened) > 1 and all(stream.closed for stream in opened)
