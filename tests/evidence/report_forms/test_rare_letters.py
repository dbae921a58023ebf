"""A letter that the fonts of the PDF lack is written out, and the report is made all the same."""

from __future__ import annotations

import io
import sys
import unicodedata

import docx
import pypdf
import pytest

from rwd_platform.core.text import Language
from studies.evidence.fonts import written_out
from studies.evidence.report import docx as editable
from studies.evidence.report import html, pdf
from studies.evidence.report.blocks import Figure, Paragraph, Report, Text, same
from tests.evidence.report_forms.made import running

NAME = "𠮷田医院 Ḱrāḿ 😀"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"><text y="12">𠮷 &amp; 1</text></svg>'


def report_of(*texts: Text, title: str = "T") -> Report:
    return Report(same(title), same("s"), (), tuple(map(Paragraph, texts)), "study", "1", "2026-01-05")


def text_of(content: bytes) -> str:
    return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_pdf_says_which_letter_it_is_and_what_the_sign_means(language: Language) -> None:
    text = text_of(pdf.render(report_of(same(NAME), title=NAME), language, {}, running(language)))
    assert text.count("〔U+20BB7〕田医院") == 2 and "〔U+1F600〕" in text
    assert {"zh": "本 PDF 的字体没有该字", "en": "a letter that the fonts of this PDF lack"}[language] in text


def test_a_report_without_such_a_letter_says_nothing_of_it() -> None:
    assert "U+" not in text_of(pdf.render(report_of(same("患者 é ά Ж ① ㎎ ≥")), "zh", {}, running("zh")))


def test_a_figure_may_hold_one_too() -> None:
    figure = Report(
        same("T"), same("s"), (), (Figure("f", same("c"), same("a")),), "study", "1", "2026-01-05"
    )
    assert "〔U+20BB7〕 & 1" in text_of(pdf.render(figure, "zh", {"f_zh": SVG.encode()}, running("zh")))


def test_the_page_and_the_document_have_the_letter_itself() -> None:
    report = report_of(same(NAME))
    assert NAME in html.render(report, {}, {"numbers": [], "rows": {}, "row_sets": {}}, "EP-1").decode()
    document = docx.Document(io.BytesIO(editable.render(report, "zh", {}, running("zh"))))
    assert any(NAME in one.text for one in document.paragraphs)


def test_no_letter_of_unicode_keeps_a_report_from_being_made() -> None:
    """Each that is assigned, in turn: those that are not written out are drawn by typst, or it would refuse."""
    letters = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(letter) not in ("Cn", "Cs", "Co")
    ]
    drawn = [letter for letter in letters if written_out(letter) == letter]
    assert len(drawn) > 30_000 and len(letters) > 140_000
    assert all(written_out(one) == f"〔U+{ord(one):04X}〕" for one in set(letters) - set(drawn))
    pdf.render(
        report_of(*(same(" ".join(drawn[at : at + 500])) for at in range(0, len(drawn), 500))),
        "zh",
        {},
        running("zh"),
    )


def test_the_characters_of_gb2312_are_all_drawn() -> None:
    rows = (
        bytes((row, cell)).decode("gb2312", "ignore")
        for row in range(0xB0, 0xF8)
        for cell in range(0xA1, 0xFF)
    )
    assert [one for one in rows if one and written_out(one) != one] == []
