"""An aggregate edition whose main result is withheld says so before anything else, and whose edition has it."""

from __future__ import annotations

import dataclasses
import re

import pytest

from studies.evidence.aggregate import coarsened
from studies.evidence.aggregate_curves import is_small
from studies.evidence.documents import json_documents
from studies.evidence.report.blocks import Heading, Paragraph, Points, Report
from studies.evidence.report.content import make_report
from studies.evidence.report.plain_part import plain_report
from studies.evidence.report.withheld_part import main_analyses, withheld_main
from tests.evidence.report_forms.made import Made, made, make, slides, valve_inputs
from tests.evidence.report_forms.test_slides import of_subject, shown

TITLE = "One-year success against the performance criterion"


@pytest.fixture(scope="module")
def abroad() -> Made:
    return made("valve", "aggregate")


def box(report: Report) -> list[Paragraph]:
    """What stands under "the answer" on page 1, up to the next heading."""
    found: list[Paragraph] = []
    under = False
    for block in report.summary:
        if isinstance(block, Heading):
            under = block.text.plain("en") == "The answer"
        elif under and isinstance(block, Paragraph):
            found.append(block)
    return found


def lists(report: Report) -> dict[str, list[str]]:
    """Titled lists of the report's body, in English."""
    return {
        one.title.plain("en"): [item.plain("en") for item in one.items]
        for one in report.body
        if isinstance(one, Points) and one.title is not None
    }


def told(report: Report, language: str) -> str:
    parts: list[str] = []
    for block in report.blocks:
        if isinstance(block, Points):
            parts += [item.plain(language) for item in block.items]
        elif isinstance(block, Heading | Paragraph):
            parts.append(block.text.plain(language))
    return "\n".join(parts)


def test_page_one_says_first_that_the_main_result_was_computed_and_is_not_told(abroad):
    first, *others = box(abroad.report)
    assert first.tone == "lead"
    assert "main result" in first.text.plain("en") and TITLE.lower() in first.text.plain("en").lower()
    assert "was computed and is not told" in first.text.plain("en")
    assert "fewer than 10 people" in first.text.plain("en")
    assert "edition for an authority has it" in first.text.plain("en")
    assert "已经算出" in first.text.plain("zh") and "少于 10 人" in first.text.plain("zh")
    assert "提交主管部门的版本" in first.text.plain("zh")
    assert not [span for span in first.text.en if not isinstance(span, str)], (
        "no number of a few stands in it"
    )
    assert [one.tone for one in others].count("lead") == 0


def test_a_secondary_result_stands_under_its_own_label_and_not_as_the_answer(abroad):
    _, label, second = box(abroad.report)[:3]
    assert "does not stand in for the main one" in label.text.plain("en")
    assert "secondary analysis" in label.text.plain("en") and "次要分析" in label.text.plain("zh")
    assert "hazard ratio" in second.text.plain("en")
    headings = [one.text.plain("en") for one in abroad.report.summary if isinstance(one, Heading)]
    assert "How the answer came about" not in headings and "What each of these comparisons gave" in headings


def test_an_authority_reads_the_answer_and_no_word_of_withholding():
    authority = made("valve")
    assert "performance criterion" not in box(authority.report)[0].text.plain("en").partition(":")[0]
    for language, words in (("en", "not told in this"), ("zh", "不告知")):
        assert words not in told(authority.report, language)
    assert authority.inputs.withheld == ()


def test_what_was_done_and_is_not_told_is_not_listed_as_not_done(abroad):
    found = lists(abroad.report)
    assert "Analyses planned and not done" not in found
    assert any(one.startswith(TITLE) for one in found["Done and not told in this edition"])
    titles = {abroad.inputs.protocol.analysis(id).title.en for id in abroad.inputs.withheld}
    assert {one.rsplit(": withheld", 1)[0] for one in found["Done and not told in this edition"]} == titles


def test_what_was_really_not_done_keeps_its_own_list_and_reason():
    """An analysis that the run could not do is not called done because another one is withheld."""
    inputs = dataclasses.replace(valve_inputs(), audience="aggregate")
    results = inputs.results
    rows = tuple(row for row in results.rows if row.analysis != "all.adjusted")
    why = "Cox 模型未收敛。 / The Cox model did not converge."
    results = dataclasses.replace(results, rows=rows, not_done={"all.adjusted": why})
    found = lists(make(dataclasses.replace(inputs, results=results)).report)
    (one,) = found["Analyses planned and not done"]
    assert one.endswith("The Cox model did not converge.")
    assert "Done and not told in this edition" in found


def test_an_analysis_closed_for_another_that_was_never_done_is_not_called_done():
    """Tipping points are closed with the criterion; where the run gave none the account knows, and so does the list."""
    inputs = dataclasses.replace(valve_inputs(), audience="aggregate")
    results = inputs.results
    rows = tuple(row for row in results.rows if row.analysis != "all.tipping")
    series = tuple(one for one in results.series if one.analysis != "all.tipping")
    results = dataclasses.replace(results, rows=rows, series=series, not_done={"all.tipping": "无 / none"})
    closed = coarsened(dataclasses.replace(inputs, results=results)).inputs
    assert "all.tipping" in closed.results.not_done and "all.tipping" not in closed.withheld


def test_limits_that_promise_a_withheld_result_say_that_it_is_withheld(abroad):
    limits = next(
        one
        for one in abroad.report.body
        if isinstance(one, Points)
        and one.title is None
        and "Patients leave Hainan" in one.items[3].plain("en")
    )
    assert "Done and not told in this edition" in limits.items[-1].plain("en")
    assert "it is withheld here" in limits.items[-1].plain("en")
    authority = told(made("valve").report, "en")
    assert "withheld here" not in authority


def test_a_section_of_a_withheld_analysis_does_not_say_that_there_is_no_result(abroad):
    text = told(abroad.report, "en")
    assert "change the verdict on the criterion: done, and not told in this edition" in text
    assert "no result" not in text


def test_the_plain_page_says_the_same_as_page_one_and_no_number(abroad):
    report, book = plain_report(abroad.inputs, abroad.documents, abroad.report)
    for language, first in (
        ("zh", "主要结果已经算出来了，但这一版不写"),
        ("en", "The main result was worked out."),
    ):
        text = told(report, language)
        assert first in text
        for gone in ("没有可以写在这里的主要数字", "no main number"):
            assert gone not in text
    assert not book.numbers


def test_the_slides_say_it_first_too(abroad):
    text = "\n".join(map(shown, of_subject(slides(abroad, "en"), "Effectiveness")))
    assert text.index("was computed and is not told") < text.index("hazard ratio")
    end = "\n".join(map(shown, of_subject(slides(abroad, "en"), "What this evidence does not show")))
    assert "Done and not told in this edition" in end and "planned and not done" not in end


def test_the_main_result_is_the_primary_then_the_criterion_then_the_controlled_comparison():
    of = valve_inputs().protocol
    assert [one.id for one in main_analyses(of)] == ["all.criterion"]
    as_secondary = [dataclasses.replace(one, role="secondary") for one in of.analyses]
    assert [one.id for one in main_analyses(dataclasses.replace(of, analyses=tuple(as_secondary)))] == [
        "all.criterion"
    ]
    arms = tuple(one for one in as_secondary if one.method != "performance_criterion")
    assert [one.id for one in main_analyses(dataclasses.replace(of, analyses=arms))] == ["all.adjusted"]
    assert main_analyses(dataclasses.replace(of, analyses=())) == []


def test_a_comparison_that_is_withheld_is_said_though_another_one_is_told():
    """Without a criterion the adjusted comparison answers; the weighted one does not step into its place unsaid."""
    of = made("rotterdam", "aggregate", drawn=False)
    assert withheld_main(of.inputs) == []
    inputs = dataclasses.replace(of.inputs, withheld=("restricted.adjusted",))
    rows = tuple(row for row in inputs.results.rows if row.analysis != "restricted.adjusted")
    results = dataclasses.replace(
        inputs.results, rows=rows, not_done={"restricted.adjusted": "隐去 / withheld"}
    )
    inputs = dataclasses.replace(inputs, results=results)
    report = make_report(inputs, json_documents(inputs))[0]
    first, label, second = box(report)[:3]
    assert first.tone == "lead" and "is not told in this aggregate edition" in first.text.plain("en")
    assert "does not stand in" in label.text.plain("en") and second.tone == "plain"


def test_nothing_new_tells_a_number_of_a_few(abroad):
    """Every number of the new words is the rule's own: ten."""
    for text in (one.text for one in box(abroad.report)[:2]):
        for language in ("zh", "en"):
            digits = {int(one) for one in re.findall(r"\d+", text.plain(language))}
            assert not any(is_small(one, 10) for one in digits) and digits <= {10}
