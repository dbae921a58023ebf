"""What is in a package, and that the same inputs give the same one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import docx
import pypdf
import pytest

from studies.evidence.documents import SEALED, VOLATILE
from studies.evidence.package import build
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from tests.evidence.fixtures import log_extract, numbers, package_signer, small_inputs, with_changes


def test_a_package_is_a_bag_with_its_eleven_drawers(package):
    """The folder follows RFC 8493 and the layout a reviewer knows: index, protocol, governance, ... sign-off."""
    drawers = {path.name for path in (package.folder / "data").iterdir()}
    assert drawers == {
        "00_index", "01_protocol", "02_governance", "04_quality", "05_results", "06_report",
        "07_code", "08_trace", "09_audit", "10_signoff",
    }  # fmt: skip
    assert (package.folder / "bagit.txt").read_bytes() == standalone.BAGIT_TXT
    assert package.path.name == "EP-rotterdam-hormon-REG-DRUG-v1.zip"
    with zipfile.ZipFile(package.path) as archive:  # any tool opens it, not only ours
        assert archive.testzip() is None
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert names == set(package.file_names)


def test_the_same_inputs_give_the_same_bytes_save_the_volatile_files(package, tmp_path):
    """A later run has another log and so another checkpoint; nothing else in the package may change."""
    again = build(with_changes(small_inputs(), log=log_extract(small_inputs().results, day=2)), tmp_path)
    differing = {
        name
        for name in package.file_names
        if (package.folder / name).read_bytes() != (again.folder / name).read_bytes()
    }
    assert differing <= set(VOLATILE)
    assert {standalone.AUDIT_EXTRACT, standalone.CHECKPOINT, standalone.SIGNATURE} <= differing
    assert again.package_id == package.package_id
    assert again.file_names == package.file_names
    described = json.loads((package.folder / standalone.PACKAGE_JSON).read_text())
    assert described["files"]["volatile"] == sorted(set(VOLATILE) - {SEALED}), (
        "no rows are sealed in this one"
    )


def test_an_aggregate_package_says_nothing_about_a_single_patient(tmp_path):
    """For a sponsor abroad the trace of a number ends at its row set's hash and count."""
    inputs = small_inputs()
    built = build(with_changes(inputs, audience="aggregate", purpose="SPONSOR"), tmp_path)
    assert verify_package(built.path, package_signer().public_key).failures == ()
    names = set(built.file_names)
    assert not any("lineage" in name or "row_sets" in name for name in names)
    page = (built.folder / standalone.INDEX_HTML).read_text()
    trace = json.loads(page.split('id="trace">')[1].split("</script>")[0])
    assert "variables" not in trace
    assert all(set(one) == {"subjects", "sha256"} for one in trace["row_sets"].values())
    digests = set(inputs.lineage["line_digest"].head(500))
    subjects = set(inputs.lineage["subject_id"].head(500))
    for path in sorted(built.folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes().decode("utf-8", "ignore")
            assert not any(one in content for one in (*list(digests)[:50], *list(subjects)[:50])), path.name


def test_no_subject_id_leaves_in_a_package_for_an_authority(package):
    """Rows are named by their place among the lock's sorted ids; the ids themselves stay in the lock."""
    subjects = sorted(set(small_inputs().lineage["subject_id"]))[:40]
    for path in sorted(package.folder.rglob("*")):
        if path.is_file():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert not any(subject.encode() in content for subject in subjects), path.name


def test_the_lineage_leads_from_each_row_and_variable_to_a_source_line(package):
    """A row of the analysis and a variable give the file, the line and the line's digest, as in the lock."""
    content = gzip.decompress((package.folder / "data/08_trace/lineage.csv.gz").read_bytes()).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    lineage = small_inputs().lineage
    assert len(rows) == len(lineage)
    assert {row["line_digest"] for row in rows} == set(lineage["line_digest"])
    first = sorted(set(lineage["subject_id"]))[0]
    mine = lineage[lineage["subject_id"] == first]
    found = {(row["variable"], row["source_line"]) for row in rows if row["row"] == "0"}
    assert found == {
        (one, str(line)) for one, line in zip(mine["variable"], mine["source_line"], strict=True)
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pdf_and_docx_print_every_number_of_their_texts_and_tables(package, language):
    """One content, three renderings: what `numbers.json` lists stands in the PDF and in the DOCX too."""
    report = package.folder / "data/06_report"
    pages = pypdf.PdfReader(report / f"report_{language}.pdf").pages
    printed = "".join("".join(page.extract_text() for page in pages).split())
    document = docx.Document(str(report / f"report_{language}.docx"))
    typed = "\n".join(
        [
            *(paragraph.text for paragraph in document.paragraphs),
            *(cell.text for table in document.tables for cell in table._cells),
        ]
    )
    for number in numbers(package.folder):
        text = number[language]
        assert "".join(text.split()) in printed, number
        if not number["place"].startswith("figure:"):
            assert text in typed, number


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_pdf_is_an_archive_file_with_its_fonts_inside(package, language):
    """PDF/A-2b with both Chinese fonts embedded: it looks the same in twenty years."""
    reader = pypdf.PdfReader(package.folder / f"data/06_report/report_{language}.pdf")
    metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    fonts = {
        str(font.get_object()["/BaseFont"]).partition("+")[2]
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert {one.removesuffix("-Identity-H") for one in fonts} == {"NotoSansSC-Regular", "NotoSerifSC-Regular"}
    assert reader.metadata.creation_date.date().isoformat() == small_inputs().dated


def test_the_page_opens_alone_and_reads_the_same_everywhere(package):
    """No server, no network, no font of the machine: the page asks nobody for anything."""
    page = (package.folder / standalone.INDEX_HTML).read_text()
    head = page.split("</head>")[0]
    assert "default-src 'none'" in head
    assert "src: url(data:font/otf;base64," in head
    for outside in ("http://", "https://", " src=", "<link", "@import"):
        assert outside not in head.replace("src: url(data", ""), outside
    assert "fetch(" not in page and "XMLHttpRequest" not in page


def test_the_package_id_follows_from_the_content(package, tmp_path):
    """Another purpose leaves the content alone; another word in the protocol's file makes another package."""
    described = json.loads((package.folder / standalone.PACKAGE_JSON).read_text())
    members = {name: (package.folder / name).read_bytes() for name in described["files"]["identifying"]}
    before = standalone.content_sha256(members, members)
    assert described["package_id"] == f"EP-{before[:32]}"
    members["data/01_protocol/protocol.yaml"] += b"\n"
    assert standalone.content_sha256(members, members) != before


def test_the_code_in_the_package_recomputes_the_results(tmp_path: Path):
    """`rerun.py` names exactly the rows that differ; the tolerance is for floats only."""
    import runpy

    rerun = runpy.run_path(str(Path(standalone.__file__).parent / "rerun.py"))
    row = {"id": "a", "value": 0.5, "ci_low": None, "ci_high": None, "n": 10, "events": None}

    def results(*rows: dict) -> dict:
        parts = {"series": [], "row_sets": {}, "not_done": {}, "study": "s", "protocol_sha256": "p"}
        return {"rows": list(rows), **parts}

    def apart(*found: dict) -> list[str]:
        return rerun["compare"](results(row), results(*found)).rows

    assert apart({**row, "value": 0.5 + 1e-14}) == []
    assert apart({**row, "n": 11}, {**row, "id": "b"}) == ["a", "b"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_docx_names_chinese_fonts_for_every_style_it_uses(package, language):
    """An editor without our fonts substitutes; one with them shows the report as the PDF does."""
    with zipfile.ZipFile(package.folder / f"data/06_report/report_{language}.docx") as archive:
        styles = archive.read("word/styles.xml").decode()
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert 'w:eastAsia="Noto Serif SC"' in styles and 'w:eastAsia="Noto Sans SC"' in styles
