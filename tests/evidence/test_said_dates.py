"""The one date of a document is the protocol's, and it says so wherever it stands; counts fit their words."""

from __future__ import annotations

import json

import pytest

from studies.evidence.dossier_files import INCOMPLETE
from studies.evidence.file_set import documents_of, make_file_set, without_results
from studies.evidence.package import BuiltPackage
from studies.evidence.report.content import TEXTS, facts_of
from studies.evidence.report.phrases import Phrases
from studies.evidence.report.plain_part import plain_report
from studies.evidence.sample.agreement_files import rounded
from studies.evidence.sample.problems import LINES_MISSING
from studies.evidence.templates import verify as standalone
from tests.evidence.fixtures import dossier_inputs
from tests.evidence.report_forms.made import made, slides
from tests.evidence.report_forms.test_slides import shown

LABELS = {"zh": "方案日期 {}", "en": "dated {}"}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_headings_and_footers_say_whose_date_it_is(language):
    of = made("rotterdam")
    dated = of.report.dated
    label = LABELS[language].format(dated)
    plain, _ = plain_report(of.inputs, of.documents, of.report)
    papers = without_results(dossier_inputs("award"))
    file_set, _ = make_file_set(papers, documents_of(papers))
    phrases = Phrases.load(TEXTS, of.book, facts_of(of.inputs))
    said = [of.report.subtitle, plain.subtitle, phrases.text("footer"), phrases.text("footer_demo")]
    for text in (one.plain(language) for one in said):
        assert text.count(dated) == 1 and label in text
    assert LABELS[language].format(file_set.dated) in file_set.subtitle.plain(language)
    assert label in shown(slides(of, language).slides[0]).replace("\n", " ")


def test_the_page_of_a_package_names_the_date_and_says_where_each_number_stands(package: BuiltPackage):
    page = (package.folder / standalone.INDEX_HTML).read_text("utf-8")
    head = page[page.index("<h1>") : page.index("</h1>") + 600]
    assert "方案日期 " in head
    trace = json.loads(page.split('id="trace">')[1].split("</script>")[0])
    assert all(set(one["where"]) == {"zh", "en"} for one in trace["numbers"])
    stored = json.loads((package.folder / standalone.NUMBERS_JSON).read_bytes())["numbers"]
    assert [{**one, "where": 0} for one in stored] == [{**one, "where": 0} for one in trace["numbers"]]


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_of_one_is_no_plural(count):
    lines = LINES_MISSING.error(count=count, place=1, variable="age").en
    missing = INCOMPLETE.error(
        profile="p", count=count, missing="x", who="甲", who_en="a", next="乙", next_en="b"
    ).en
    assert f"Lines missing: {count};" in lines and f"Missing ({count}): x" in missing


def test_a_rounded_nought_carries_no_minus():
    assert str(rounded(-1e-9)) == "0.0" and str(rounded([-0.0])) == "[0.0]" and rounded(-0.5) == -0.5
