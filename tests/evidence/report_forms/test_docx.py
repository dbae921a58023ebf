"""The editable report: tables as statisticians print them, nothing out of the order that Word insists on."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn

from studies.evidence.report.blocks import Paragraph, Points, Report, Table, same
from studies.evidence.report.docx import render
from tests.evidence.report_forms.made import AUDIENCES, STUDIES, made, pictures, running

EVERY = [(study, audience) for study in STUDIES for audience in AUDIENCES]
# ECMA-376, Part 1: the children that are written here, in the order of CT_PPrBase, CT_TblPr and CT_TcPr.
ORDERS = {
    "pPr": ("pStyle", "keepNext", "keepLines", "pageBreakBefore", "numPr", "pBdr", "shd", "tabs", "spacing", "ind",
            "contextualSpacing", "jc", "rPr", "sectPr"),
    "tblPr": ("tblStyle", "tblW", "jc", "tblInd", "tblBorders", "shd", "tblLayout", "tblCellMar", "tblLook"),
    "tcPr": ("tcW", "gridSpan", "vMerge", "tcBorders", "shd", "noWrap", "tcMar", "vAlign"),
}  # fmt: skip


def written(report: Report, language: Any = "zh", drawn: Any = None) -> Any:
    return docx.Document(io.BytesIO(render(report, language, drawn or {}, running(language))))


@pytest.fixture(scope="module", params=EVERY, ids="-".join)
def both(request: pytest.FixtureRequest) -> tuple[Report, Any]:
    of = made(*request.param)
    return of.report, written(of.report, "zh", pictures(of))


def of_words(*blocks: Any) -> Report:
    return Report(same("T"), same("s"), (), tuple(blocks), "study", "1", "2026-01-05")


def ruled(document: Any) -> list[Any]:
    """Tables with rules; lists of facts have none."""
    return [one for one in document.tables if one._tbl.tblPr.find(qn("w:tblBorders")) is not None]


def test_every_table_of_the_report_is_there_with_all_that_it_says(both):
    report, document = both
    found = [[[cell.text for cell in row.cells] for row in table.rows] for table in ruled(document)]
    wanted = [
        [[cell.plain("zh") for cell in row] for row in (table.head, *table.rows)] for table in report.tables
    ]
    assert found == wanted


def test_a_table_has_three_rules_and_none_upright(both):
    for table in ruled(both[1]):
        sides = {side.tag for side in table._tbl.tblPr.find(qn("w:tblBorders"))}
        assert sides == {qn("w:top"), qn("w:bottom")}
        for cell in table.rows[0].cells:
            (line,) = cell._tc.tcPr.find(qn("w:tcBorders"))
            assert line.tag == qn("w:bottom")
        assert not [
            cell
            for row in table.rows[1:]
            for cell in row.cells
            if cell._tc.tcPr.find(qn("w:tcBorders")) is not None
        ]


def test_columns_fill_the_line_and_the_head_comes_again(both):
    for table in ruled(both[1]):
        assert sum(cell.width.cm for cell in table.rows[0].cells) == pytest.approx(16.2, abs=0.05)
        assert min(cell.width.cm for cell in table.rows[0].cells) > 0.6
        heads = [row._tr.trPr.find(qn("w:tblHeader")) is not None for row in table.rows]
        assert heads == [True] + [False] * (len(heads) - 1)
        assert all(row._tr.trPr.find(qn("w:cantSplit")) is not None for row in table.rows)


def test_elements_stand_in_the_order_of_the_standard(both):
    """A program that checks it offers to repair the file otherwise."""
    for kind, order in ORDERS.items():
        for element in both[1].element.body.iter(qn(f"w:{kind}")):
            names = [child.tag.split("}")[1] for child in element]
            assert set(names) <= set(order), (kind, names)
            assert names == sorted(names, key=order.index), (kind, names)


def test_what_must_not_be_overlooked_stands_apart():
    report = of_words(
        Points((same("one"), same("two")), same("Careful"), "caution"), Paragraph(same("mind"), "caution"),
        Points((same("three"),), same("Plain")), Paragraph(same("four")),
    )  # fmt: skip
    shaded = {
        one.text
        for one in written(report).paragraphs
        if one._p.pPr is not None and one._p.pPr.find(qn("w:shd")) is not None
    }
    assert shaded == {"Careful", "one", "two", "mind"}


def test_a_small_table_stays_on_its_page_and_a_long_one_goes_on():
    def made_of(rows: int) -> Any:
        table = Table(
            "k", same("c"), (same("a"), same("b")), ((same("1"), same("2")),) * rows, ("left", "right")
        )
        return ruled(written(of_words(table)))[0]

    def kept(table: Any) -> list[bool]:
        return [bool(row.cells[0].paragraphs[0].paragraph_format.keep_with_next) for row in table.rows]

    assert kept(made_of(3)) == [True, True, True, False]
    assert kept(made_of(40)) == [True] + [False] * 40
    assert kept(made_of(0)) == [True]


def test_the_foot_counts_pages(both):
    instructions = [
        field.get(qn("w:instr")) for field in both[1].sections[0].footer._element.iter(qn("w:fldSimple"))
    ]
    assert instructions == ["PAGE", "NUMPAGES"]


def test_the_same_report_gives_the_same_bytes_and_no_hour():
    of = made("valve")
    twice = [render(of.report, "en", pictures(of), running("en")) for _ in range(2)]
    assert twice[0] == twice[1]
    with zipfile.ZipFile(io.BytesIO(twice[0])) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.skipif(not shutil.which("soffice"), reason="no LibreOffice on this machine")
@pytest.mark.parametrize("study", STUDIES)
def test_libreoffice_opens_it_and_prints_every_table(study: str, tmp_path: Path):
    of = made(study)
    path = tmp_path / "report.docx"
    path.write_bytes(render(of.report, "en", pictures(of), running("en")))
    home = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        ["soffice", home, "--headless", "--convert-to", "txt:Text", "--outdir", str(tmp_path), str(path)],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    printed = re.sub(r"\s+", " ", (tmp_path / "report.txt").read_text("utf-8-sig"))
    for table in of.report.tables:
        for cell in (*table.head, *(cell for row in table.rows for cell in row)):
            assert re.sub(r"\s+", " ", cell.plain("en")).strip() in printed
