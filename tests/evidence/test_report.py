"""The report's content: both languages say the same, and it says what the results allow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from rwd_platform.core.errors import PlatformError
from studies.claims import claim_rows
from studies.evidence.bag import PackageSigner
from studies.evidence.documents import json_documents
from studies.evidence.numbers import NumberBook
from studies.evidence.package import build
from studies.evidence.report.blocks import Heading, Paragraph, Points, Table
from studies.evidence.report.content import make_report
from studies.evidence.report.phrases import Phrases
from studies.evidence.verify import verify_package
from studies.results import ArdRow, ResultSet
from tests.evidence.fixtures import (
    nothing_found,
    package_signer,
    rotterdam_inputs,
    small_inputs,
    with_changes,
)

TEXTS = yaml.safe_load(
    (Path(__file__).parents[2] / "studies/evidence/templates/texts.yaml").read_text("utf-8")
)


@pytest.fixture(scope="module")
def rotterdam():
    inputs = rotterdam_inputs()
    return make_report(inputs, json_documents(inputs))


def spoken(report, language: str) -> str:
    return "\n".join(
        text.plain(language)
        for block in report.blocks
        for text in (
            [block.text]
            if isinstance(block, Paragraph | Heading)
            else [*block.items, block.title]
            if isinstance(block, Points)
            else []
        )
        if text is not None
    )


@pytest.mark.parametrize("key", sorted(TEXTS["texts"]))
def test_every_text_exists_in_both_languages_with_the_same_numbers_and_facts(key):
    """A translation that lost a number or a name would make two different reports."""
    import re

    pair = TEXTS["texts"][key]
    assert set(pair) == {"zh", "en"} and pair["zh"].strip() and pair["en"].strip()
    numbers = [sorted(re.findall(r"\[\[(\w+)\]\]", pair[one])) for one in ("zh", "en")]
    assert numbers[0] == numbers[1]
    assert not re.search(r"[\u4e00-\u9fff，。；：“”]", pair["en"])


def test_a_text_that_loses_a_number_in_one_language_is_refused():
    """Found when the report is made, not by its reader."""
    book = NumberBook(ResultSet("s", "0", "l", (ArdRow("a", "a", "", "", "", "n", 1),)), {})
    phrases = Phrases({"x": {"zh": "共 [[n]]", "en": "some"}}, {"n": {"ard": "a", "format": "int"}}, book, {})
    with pytest.raises(PlatformError, match="translation_loses_number"):
        phrases.text("x")


def test_the_summary_tells_how_confounding_made_the_hazard_look_raised(rotterdam):
    """Crude 1.30, restricted 0.84, adjusted 0.67, weighted 0.66, the trial 0.69: in that order, in words."""
    report, _, _ = rotterdam
    lead, beside, *_ = [block for block in report.summary if isinstance(block, Paragraph)][1:]
    assert "0.67 (95% CI 0.57–0.79)" in lead.text.plain("en")
    assert "1,546" in lead.text.plain("zh") and "支持性" in lead.text.plain("zh")
    assert "0.69 (95% CI 0.54–0.89)" in beside.text.plain("en")
    story = next(block for block in report.summary if isinstance(block, Points))
    told = [item.plain("en") for item in story.items]
    assert [next(one for one in ("1.30", "0.84", "0.67", "0.66") if one in text) for text in told[:4]] == [
        "1.30", "0.84", "0.67", "0.66",
    ]  # fmt: skip
    assert "the hazard looks raised" in told[0] and "the hazard looks lowered" in told[2]
    assert "does not reject for demo product A (hormonal therapy) (P = 0.105)" in told[4]
    assert "does for the model as a whole (P < 0.001)" in told[4]


def test_what_the_evidence_does_not_show_is_on_the_summary(rotterdam):
    """The protocol's first limit, a demonstration, a demo key; no cause, no equivalence."""
    report, _, _ = rotterdam
    caution = next(block for block in report.summary if isinstance(block, Points) and block.tone == "caution")
    text = "".join(item.plain("zh") for item in caution.items)
    for words in (
        "1978–1993",
        "不是乐城的证据",
        "产品名称均为虚构",
        "演示密钥",
        "不能证明因果",
        "不等于等效",
    ):
        assert words in text


def test_the_failed_test_of_hazards_is_shown_with_what_it_means(rotterdam):
    """A diagnostic that fails is a result: table, verdict, consequence. Here it fails for covariates alone."""
    report, _, _ = rotterdam
    text = spoken(report, "en")
    assert (
        "Proportional hazards are not rejected for demo product A (hormonal therapy) (χ² = 2.64, 1 df" in text
    )
    assert "for the model as a whole they are (χ² = 65.63, 10 df, P < 0.001)" in text
    assert "adjusting for it may be incomplete" in text
    table = next(block for block in report.tables if block.key == "ph_restricted_adjusted")
    assert [cell.plain("en") for cell in table.rows[-1]] == ["Global", "65.63", "10", "<0.001"]
    assert [cell.plain("en") for cell in table.rows[0]][1:] == ["2.64", "1", "0.105"]


def test_tables_print_the_published_reference_values(rotterdam):
    """The comparison beside R's figures (survival 3.5-3), at three decimals."""
    report, _, _ = rotterdam
    table = next(block for block in report.tables if block.key == "sensitivity")
    ratios = [row[3].plain("zh") for row in table.rows]
    assert ratios == [
        "1.299 (1.121–1.507)",
        "0.842 (0.722–0.982)",
        "0.670 (0.569–0.787)",
        "0.663 (0.564–0.780)",
        "0.695 (0.544–0.888)",
    ]
    medians = next(block for block in report.tables if block.key.startswith("median_"))
    row = next(row for row in medians.rows if "Median" in row[0].plain("en"))
    assert [cell.plain("en") for cell in row][1:] == ["1,779 (1,441–2,120)", "1,344 (1,219–1,539)"]


def test_no_number_of_a_result_is_typed_by_hand(rotterdam):
    """Digits in sentences come from the register: a text of the template holds none but names and levels."""
    allowed = {
        "95%",
        "09_audit",
        "07_code",
        "00_index",
        "01_protocol",
        "02_governance",
        "04_quality",
        "10_signoff",
        "8.",
        "256",
    }
    import re

    for key, pair in TEXTS["texts"].items():
        if key.startswith("not_shown.demo"):
            continue
        bare = re.sub(r"\[\[\w+\]\]|\{\w+\}", "", pair["en"])
        for one in allowed:
            bare = bare.replace(one, "")
        bare = bare.replace("E9(R1)", "").replace("RFC 9162", "").replace("Ed25519", "").replace("0.05", "")
        bare = bare.replace("exclude 1", "").replace("per 100 person-years", "")
        assert not re.search(r"\d", bare), (key, bare)


def test_every_figure_is_drawn_in_both_languages_and_its_numbers_are_in_it(rotterdam):
    """Forest, flow, love, overlap, survival, incidence, effect over time: SVG text, to be searched and checked."""
    _, book, drawings = rotterdam
    kinds = {name.split("_")[0] for name in drawings}
    assert kinds == {"forest", "flow", "love", "overlap", "km", "incidence", "over"}
    drawn = [number for number in book.numbers if number.place.startswith("figure:")]
    assert len(drawn) > 30
    for number in drawn:
        key = number.place.split(":")[1]
        for language in ("zh", "en"):
            assert number.in_language(language) in drawings[f"{key}_{language}"].svg.decode()


def test_figures_show_nobody_left_steps_only_in_the_table(rotterdam):
    """The flow diagram draws who left - here those outside the main analysis - and the table every step."""
    report, book, _ = rotterdam
    drawn = {number.place for number in book.numbers if number.place.startswith("figure:flow")}
    table = next(block for block in report.tables if block.key == "attrition")
    assert len(drawn) == 4 and len(table.rows) > 10


def test_a_study_without_anybody_still_makes_a_package_that_says_so(tmp_path):
    """Nothing could be done: no invented answer, each planned analysis listed with its reason."""
    inputs = nothing_found()
    built = build(inputs, tmp_path)
    assert verify_package(built.path, package_signer().public_key).failures == ()
    report, _, _ = make_report(inputs, json_documents(inputs))
    assert not any(isinstance(block, Paragraph) and block.tone == "lead" for block in report.summary)
    not_done = [block for block in report.body if isinstance(block, Points) and block.tone == "caution"]
    assert len(not_done[-1].items) == len(inputs.results.not_done) > 5


def test_without_agreement_of_two_methods_the_claim_is_descriptive():
    """'Supportive' needs an adjusted and a weighted estimate on the same side, both intervals without 1."""
    inputs = rotterdam_inputs()
    wide = tuple(
        dataclasses.replace(row, ci_high=1.2) if row.id == "restricted.weighted.hormon.hazard_ratio" else row
        for row in inputs.results.rows
        if ".gate." not in row.id and row.statistic != "claim_level"
    )
    judged = (*wide, *claim_rows(inputs.protocol, wide, {}))
    changed = with_changes(inputs, results=dataclasses.replace(inputs.results, rows=judged))
    report, _, _ = make_report(changed, json_documents(changed))
    lead = next(block for block in report.summary if isinstance(block, Paragraph) and block.tone == "lead")
    assert "描述性" in lead.text.plain("zh")


def test_markup_in_a_hospitals_file_name_stays_text(tmp_path):
    """A name is printed, never interpreted: neither by the page nor by the typesetter."""
    hostile = '</script><script>alert(1)</script>"#eval("1")$_*[x]'
    inputs = small_inputs()
    first = inputs.sources[0]
    source = dataclasses.replace(first, files=(dataclasses.replace(first.files[0], name=hostile),))
    built = build(with_changes(inputs, sources=(source,)), tmp_path)
    assert verify_package(built.path).failures == ()
    page = (built.folder / "data/00_index/index.html").read_text("utf-8")
    assert "<script>alert" not in page


def test_tables_give_each_column_its_head(rotterdam):
    """Head, alignment and rows of every table have the same width."""
    report, _, _ = rotterdam
    for table in report.tables:
        assert isinstance(table, Table)
        assert {len(row) for row in table.rows} == {len(table.head)} == {len(table.align)}, table.key


def test_the_signer_may_be_anything_that_signs():
    """A key store or a hardware module offers one function; the package needs no more."""
    demo = package_signer()
    signer = PackageSigner("hsm", demo.public_key, demo.sign)
    assert len(signer.sign(b"x")) == 64
