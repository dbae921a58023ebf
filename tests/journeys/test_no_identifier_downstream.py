"""No planted identifier anywhere after admission: lake, locks, results, packages, records, error texts."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader
from sqlalchemy import text

from rwd_platform.demo.journey import Journey

HAN = re.compile(r"[\u4e00-\u9fff]+")
DIGITS = re.compile(r"[0-9]{6,}[0-9Xx]?")


class Wanted:
    """All planted identifiers, for a fast search: names by three-character windows, numbers by runs of digits."""

    def __init__(self, journey: Journey) -> None:
        planted = journey.files.planted_identifiers()
        self.names = set(planted.names)
        self.numbers = {*planted.resident_ids, *planted.mobiles}
        self.rest = {*planted.addresses, *planted.inpatient_numbers}
        assert len(self.names) >= 2982
        assert len(self.numbers) >= 2 * 2982

    def found_in(self, content: str) -> set[str]:
        found = set()
        for run in HAN.findall(content):
            found |= {run[i : i + 3] for i in range(len(run) - 2)} & self.names
            found |= {one for one in self._addresses if one in run}
        found |= {number for number in DIGITS.findall(content) if number.upper() in self.numbers}
        found |= set(re.findall(r"ZY[0-9]+", content)) & self.rest
        return found

    @property
    def _addresses(self) -> set[str]:
        if not hasattr(self, "_heads"):
            self._heads = {"".join(HAN.findall(one)[:1]) for one in self.rest if HAN.search(one)}
        return self._heads


@pytest.fixture(scope="module")
def wanted(sqlite_journey: Journey) -> Wanted:
    return Wanted(sqlite_journey)


def texts_of(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """The readable text in a file: unpacked when it is packed, page streams of a PDF inflated."""
    if content[:2] == b"\x1f\x8b":
        yield from texts_of(f"{name} (gzip)", gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from texts_of(f"{name}!{member}", archive.read(member))
    elif content[:4] == b"PAR1":
        yield name, pd.read_parquet(io.BytesIO(content)).to_csv()
    elif content[:5] == b"%PDF-":
        yield name, "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    else:
        yield name, content.decode("utf-8", "replace")


def files_after_admission(home: Path) -> list[Path]:
    return [path for path in sorted(home.rglob("*")) if path.is_file() and "landing" not in path.parts]


def test_the_search_itself_finds_a_planted_identifier(sqlite_journey: Journey, wanted: Wanted) -> None:
    """A check that cannot fail checks nothing: in the hospitals' own files it finds thousands."""
    hospital = sqlite_journey.files.hospitals[0]
    patients = next(path for path in hospital.files if path.name.startswith("Patient"))
    ((_, content),) = texts_of(patients.name, patients.read_bytes())
    assert len(wanted.found_in(content)) > 2000


def test_the_search_reads_what_a_person_reads_in_packages(sqlite_journey: Journey) -> None:
    """PDFs show glyphs, DOCX are archives: the words of the report must be found in all of them."""
    read = {
        name.rsplit("!", 1)[-1]: content
        for name, content in texts_of("EP", sqlite_journey.package_path.read_bytes())
    }
    pdf = next(content for name, content in read.items() if name.endswith("report_zh.pdf"))
    assert "鹿特丹" in pdf.replace("\n", "")
    assert any("鹿特丹" in content for name, content in read.items() if name == "word/document.xml")


def test_no_file_of_the_platform_holds_one(sqlite_journey: Journey, wanted: Wanted) -> None:
    """Everything in home but the encrypted landing zone: lake, locks, results, packages, receipts, database."""
    files = files_after_admission(sqlite_journey.platform.layout.home)
    zones = {path.relative_to(sqlite_journey.platform.layout.home).parts[0] for path in files}
    assert {"lake", "locks", "results", "packages", "receipts"} <= zones
    for path in files:
        for name, content in texts_of(path.name, path.read_bytes()):
            assert wanted.found_in(content) == set(), f"{path.name}: {name}"


def test_the_landing_zone_is_encrypted(sqlite_journey: Journey, wanted: Wanted) -> None:
    blobs = [path for path in sqlite_journey.platform.layout.landing.rglob("*") if path.is_file()]
    assert blobs
    for path in blobs:
        content = path.read_bytes()
        assert b"resourceType" not in content
        assert wanted.found_in(content.decode("utf-8", "ignore")) == set()


def test_no_record_and_no_error_text_holds_one(sqlite_journey: Journey, wanted: Wanted) -> None:
    with sqlite_journey.platform.records.engine.connect() as connection:
        tables = [
            row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type='table'"))
        ]
        assert "unit_issue" in tables
        for table in tables:
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                content = " ".join(
                    value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                    for value in row
                )
                assert wanted.found_in(content) == set(), table
