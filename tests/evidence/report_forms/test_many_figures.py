"""A report of two hundred figures: every form has each of them, numbered, with its caption."""

from __future__ import annotations

import io

import docx
import pypdf
import pytest

from studies.evidence.report import docx as editable
from studies.evidence.report import html, pdf
from studies.evidence.report.blocks import Figure, Report, same
from tests.evidence.report_forms.made import made, pictures, running

MANY = 200


@pytest.fixture(scope="module")
def report() -> Report:
    """One figure of the small study, again and again; each by a caption of its own."""
    key = next(one.key for one in made("rotterdam", "authority").report.blocks if isinstance(one, Figure))
    figures = tuple(Figure(key, same(f"caption no. {n}"), same("alt")) for n in range(1, MANY + 1))
    return Report(same("T"), same("s"), (), figures, "study", "1", "2026-01-05")


def drawn() -> tuple[dict[str, bytes], dict[str, bytes]]:
    of = made("rotterdam", "authority")
    return {name: one.svg for name, one in of.drawings.items()}, pictures(of)


def test_the_page_has_them_all(report: Report) -> None:
    page = html.render(report, drawn()[0], {"numbers": [], "rows": {}, "row_sets": {}}, "EP-1").decode()
    assert page.count("<figure") == 2 * MANY
    assert all(f"caption no. {n}<" in page for n in (1, 100, MANY))


def test_the_editable_document_has_them_all(report: Report) -> None:
    made_ = editable.render(report, "en", drawn()[1], running("en"))
    document = docx.Document(io.BytesIO(made_))
    captions = [one.text for one in document.paragraphs if "caption no. " in one.text]
    assert len(document.inline_shapes) == len(captions) == MANY
    assert captions[-1].startswith(f"Figure {MANY}") and len(made_) < 20e6, "one picture, kept once"


def test_the_pdf_has_them_all(report: Report) -> None:
    pages = pypdf.PdfReader(io.BytesIO(pdf.render(report, "zh", drawn()[0], running("zh")))).pages
    text = "".join(page.extract_text() for page in pages)
    assert text.count("caption no. ") == MANY and f"caption no. {MANY}" in text
