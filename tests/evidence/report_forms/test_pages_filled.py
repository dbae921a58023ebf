"""A report of papers alone flows: no page of it is a heading on an empty sheet."""

from __future__ import annotations

import io
from functools import cache

import pypdf
import pytest

from studies.evidence.file_set import documents_of, make_file_set, without_results
from studies.evidence.report import pdf
from tests.evidence.fixtures import dossier_inputs
from tests.evidence.report_forms.made import made, running


@cache
def pages(language: str) -> list[str]:
    inputs = without_results(dossier_inputs("award"))
    report, _ = make_file_set(inputs, documents_of(inputs))
    content = pdf.render(report, language, {}, running(language))
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


@pytest.mark.parametrize(("language", "contents"), [("zh", "目录"), ("en", "Contents")])
def test_papers_alone_have_their_contents_and_the_first_of_them_on_page_one(language, contents):
    first, *others = pages(language)
    assert contents in first and not any(contents in page.splitlines()[:4] for page in others)
    stated = {"zh": "特许使用批件", "en": "Approval of the special use"}[language]
    assert first.count(stated) >= 2  # in the contents, and as the heading of what follows


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_but_the_last_is_more_than_half_full(language):
    lengths = [len(page.splitlines()) for page in pages(language)[:-1]]
    assert all(one > 20 for one in lengths), lengths


def test_a_report_with_figures_keeps_its_summary_apart():
    of = made("rotterdam")
    drawn = {name: one.svg for name, one in of.drawings.items()}
    read = pypdf.PdfReader(io.BytesIO(pdf.render(of.report, "en", drawn, running("en"))))
    texts = [page.extract_text() for page in read.pages]
    place = next(at for at, text in enumerate(texts) if "Contents" in text.splitlines()[:4])
    assert place == 2
