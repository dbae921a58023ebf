"""The page in plain language: it says no more than the report, in words that a child of twelve can read."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from lifelines import KaplanMeierFitter

from studies.claims import LEVELS, claim_rules
from studies.dataset import build as build_dataset
from studies.evidence.numbers import Number, NumberBook
from studies.evidence.report import docx, html, pdf
from studies.evidence.report.blocks import Heading, Points, Report
from studies.evidence.report.plain_part import plain_report
from studies.evidence.templates.verify import number_text
from tests.evidence.fixtures import rotterdam_inputs, with_changes
from tests.evidence.report_forms.made import (
    AUDIENCES,
    STUDIES,
    Made,
    make,
    running,
    valve_inputs,
    with_rows,
)
from tests.evidence.report_forms.made import made as with_figures
from tests.studies.rotterdam_lock import rotterdam_lock, rotterdam_protocol

TEXTS = yaml.safe_load(
    (Path(__file__).parents[3] / "studies/evidence/templates/plain.yaml").read_text(encoding="utf-8")
)["texts"]
EVERY = [(study, audience) for study in STUDIES for audience in AUDIENCES]
SURVIVAL = "restricted__kaplan_meier__{arm}__survival__day_2557"
RATIO = "restricted__adjusted__hormon__hazard_ratio"
# What compares one group with the other: no descriptive result may have it.
COMPARING_ZH = (
    "比",
    "更",
    "较",
    "多于",
    "少于",
    "高于",
    "低于",
    "优于",
    "不如",
    "的人少",
    "的人多",
    "差别",
    "更好",
)
COMPARING_EN = (
    "than",
    "less often",
    "more often",
    "better",
    "worse",
    "fewer",
    "compared",
    "against",
    "differ",
)
JARGON = ("风险比", "混杂", "置信", "P 值", "显著", "协变量", "加权", "删失", "估计目标", "去标识", "假名")
JARGON_EN = (
    "hazard",
    "confound",
    "confidence",
    "p-value",
    "significan",
    "covariate",
    "censor",
    "pseudonym",
    "cohort",
)


def made(study: str, audience: str = "authority") -> Made:
    return with_figures(study, audience, drawn=False)


@cache
def page(study: str, audience: str = "authority") -> tuple[Report, NumberBook]:
    return of(made(study, audience))


def of(one: Made) -> tuple[Report, NumberBook]:
    return plain_report(one.inputs, one.documents, one.report)


def texts(report: Report) -> list[Any]:
    found: list[Any] = []
    for block in report.summary:
        found += block.items if isinstance(block, Points) else [block.text]
    return found


def said(report: Report, language: str) -> str:
    return "\n".join(text.plain(language) for text in texts(report))


def found_part(report: Report, language: str) -> str:
    """What stands under "what was seen"."""
    headings = [place for place, block in enumerate(report.summary) if isinstance(block, Heading)]
    start = next(place for place in headings if report.summary[place].text.plain("en") == "What was seen")
    taken = []
    for block in report.summary[start + 1 :]:
        if getattr(block, "tone", "") == "caution":
            break
        taken += block.items if isinstance(block, Points) else [block.text]
    return "\n".join(text.plain(language) for text in taken)


def spans(report: Report) -> list[Number]:
    return [span for text in texts(report) for span in text.zh if isinstance(span, Number)]


def at_level(level: str, **more: Any) -> Made:
    """Rotterdam with its main analysis at this level."""
    return with_rows("rotterdam", restricted__adjusted__claim_level={"value": level}, **more)


# -- the words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_every_text_exists_in_both_languages_with_the_same_numbers_and_facts(key):
    pair = TEXTS[key]
    assert set(pair) == {"zh", "en"} and pair["zh"].strip() and pair["en"].strip()
    for pattern in (r"\[\[(\w+)\]\]", r"\{(\w+)\}"):
        assert sorted(re.findall(pattern, pair["zh"])) == sorted(re.findall(pattern, pair["en"]))
    assert not re.search(r"[\u4e00-\u9fff，。；：“”]", pair["en"])


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_the_words_are_everyday_words_in_short_sentences(key):
    zh, en = TEXTS[key]["zh"], TEXTS[key]["en"]
    assert not [word for word in JARGON if word in zh] and not [
        word for word in JARGON_EN if word in en.lower()
    ]
    for sentence in re.split(r"[。！？；：]", re.sub(r"\{\w+\}|\[\[\w+\]\]", "一", zh)):
        assert len(sentence) <= 45, sentence
    for sentence in re.split(r"[.!?;:]\s", re.sub(r"\{\w+\}|\[\[\w+\]\]", "one", en)):
        assert len(sentence.split()) <= 27, sentence


def test_a_child_of_twelve_can_read_the_english():
    """Flesch-Kincaid grade level (Kincaid et al. 1975): a child of twelve is in grade 6 to 7. Names are left out."""
    plain = [
        re.sub(r"\{\w+\}|\[\[\w+\]\]", "one", pair["en"])
        for key, pair in TEXTS.items()
        if ".title" not in key
    ]
    text = " ".join(one if one.endswith((".", "!")) else f"{one}." for one in plain)
    sentences = len(re.findall(r"[.!?:;](?:\s|$)", text))
    words = re.findall(r"[A-Za-z']+", text)
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e\b", "", one.lower())))) for one in words)
    assert 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59 < 7


@pytest.mark.parametrize("key", [key for key in TEXTS if not key.startswith("compared.")])
def test_no_text_compares_but_those_that_are_kept_for_it(key):
    kept = TEXTS[key]["zh"].replace("少于 {cell} 人", "").replace("“{exposed}”和“{comparator}”", "")
    words = [word for word in COMPARING_ZH if word in kept]
    english = [word for word in COMPARING_EN if re.search(rf"\b{word}\b", TEXTS[key]["en"])]
    assert (not words and not english) or key == "not.time"  # said of a comparison alone


# -- rotterdam: two arms -------------------------------------------------------------------------------------------


def test_the_page_asks_says_who_what_was_seen_what_not_and_what_happens_with_the_data():
    report, _ = page("rotterdam")
    headings = [one.text.plain("zh") for one in report.summary if isinstance(one, Heading)]
    assert headings == ["想弄清楚什么", "看了哪些人", "看到了什么", "这些数据怎么用"]
    assert [one.title.plain("zh") for one in report.summary if isinstance(one, Points) and one.title] == [
        "它不能说明什么"
    ]
    assert report.body == () and report.dated == made("rotterdam").report.dated


def test_the_people_in_a_hundred_are_what_an_independent_curve_gives():
    """lifelines on the same patients: 7 years without recurrence, node-positive, by arm, with its log-log limits."""
    frame = build_dataset(rotterdam_lock(), rotterdam_protocol()).frame
    frame = frame[frame["nodes"].astype(float) > 0]
    wanted = []
    for arm in (1, 0):
        part: pd.DataFrame = frame[frame["hormon"] == arm]
        fitted = KaplanMeierFitter().fit(part["time_days"].astype(float), part["event"].astype(int))
        limits = fitted.confidence_interval_survival_function_
        at = limits.index[limits.index <= 2557][-1]
        share = float(fitted.predict(2557))
        wanted.append([f"{100 * one:.0f}" for one in (share, *limits.loc[at])])
    text = found_part(page("rotterdam")[0], "en")
    told = re.findall(r"about (\d+) went 7 years without it\D+(\d+) to (\d+)\.", text)
    assert [list(one) for one in told] == wanted


def test_a_supportive_result_compares_in_words_and_names_its_level():
    report, _ = page("rotterdam")
    zh, en = found_part(report, "zh"), found_part(report, "en")
    assert "“使用演示药 A”的人发生这样的事比“未使用演示药 A”的人少" in zh and "“支持性”" in zh
    assert "it happened less often with 'demo product A' than with 'no demo product A'" in en
    assert "By itself it proves nothing." in en and "recurrence; death without recurrence" in en


def test_a_descriptive_result_tells_of_one_arm_and_compares_nothing():
    report, _ = of(at_level("descriptive"))
    zh, en = found_part(report, "zh"), found_part(report, "en")
    assert "每 100 人里，大约有 40 人" in zh and "36" not in zh and "未使用演示药 A" not in zh
    assert not [word for word in COMPARING_ZH if word in zh]
    assert not [word for word in COMPARING_EN if re.search(rf"\b{word}\b", en)]
    assert "“描述性”" in zh and "does not say whether the treatment works" in en


def test_a_confirmatory_result_says_what_makes_it_one():
    report, _ = of(at_level("confirmatory"))
    assert "在看结果之前就写好了" in found_part(report, "zh") and "“确证性”" in found_part(report, "zh")


def test_a_result_that_was_not_judged_counts_as_descriptive():
    inputs = rotterdam_inputs()
    rows = tuple(row for row in inputs.results.rows if row.id != "restricted.adjusted.claim_level")
    report, _ = of(make(with_changes(inputs, results=dataclasses.replace(inputs.results, rows=rows))))
    assert "“描述性”" in found_part(report, "zh") and "比" not in found_part(report, "zh")


def test_outcomes_seen_before_unsealing_lower_the_level_here_too():
    from studies.evidence.inputs import SignedBy, Unsealing

    seen = Unsealing("seen", "一张图", "", SignedBy("researcher", "a", "t"), SignedBy("privacy", "b", "t"))
    inputs = with_changes(at_level("confirmatory").inputs, unsealing=seen)
    assert "“支持性”" in found_part(of(make(inputs))[0], "zh")


@pytest.mark.parametrize(("change", "zh", "en"), [
    ({"value": 0.9, "ci_low": 0.7, "ci_high": 1.1}, "还看不出哪一组发生得多", "it cannot be told in which group"),
    ({"value": 0.9, "ci_low": 0.7, "ci_high": 1.0}, "还看不出哪一组发生得多", "it cannot be told in which group"),
    ({"value": 1.5, "ci_low": 1.2, "ci_high": 1.9}, "的人多", "more often with"),
    ({"value": 0.7, "ci_low": None, "ci_high": None}, "还看不出哪一组发生得多", "it cannot be told in which group"),
])  # fmt: skip
def test_the_direction_follows_the_interval_of_the_answer(change, zh, en):
    if change["ci_low"] is None:
        change = {**change, "ci_low": 0.001, "ci_high": 999.0}  # the widest that can be printed
    report, _ = of(with_rows("rotterdam", **{RATIO: change}))
    assert zh in found_part(report, "zh") and en in found_part(report, "en")


def test_simple_shares_that_point_the_other_way_are_not_shown_beside_the_comparison():
    """40 and 36 of 100 without the event, but more events after control: the counts alone would mislead."""
    report, _ = of(with_rows("rotterdam", **{RATIO: {"value": 1.5, "ci_low": 1.2, "ci_high": 1.9}}))
    text = found_part(report, "zh")
    assert "直接数人数会让人误会" in text and "每 100 人里" not in text


def test_shares_that_would_look_alike_keep_the_reports_decimal():
    rows = {
        SURVIVAL.format(arm="exposed"): {"value": 0.3639, "ci_low": 0.31, "ci_high": 0.42},
        SURVIVAL.format(arm="comparator"): {"value": 0.3561, "ci_low": 0.33, "ci_high": 0.39},
    }
    text = found_part(of(with_rows("rotterdam", **rows))[0], "en")
    assert "about 36.4 went" in text and "about 35.6 went" in text


def test_nearly_all_is_not_rounded_to_all():
    rows = {SURVIVAL.format(arm="exposed"): {"value": 0.997, "ci_low": 0.981, "ci_high": 0.9996}}
    text = found_part(of(with_rows("rotterdam", **rows))[0], "en")
    assert "about 99.7 went" in text and "from 98 to 100.0" in text


def test_a_share_without_limits_is_told_without_them():
    rows = {SURVIVAL.format(arm="exposed"): {"ci_low": None, "ci_high": None}}
    text = found_part(of(with_rows("rotterdam", **rows))[0], "en")
    assert "'demo product A', about 40 went 7 years without it.\n" in text


def test_the_end_of_a_curve_is_not_told_when_few_are_still_followed():
    """At 10 years fewer than a tenth of the exposed are left; with as few at 7 years it is 5 years."""
    left = {"restricted__kaplan_meier__exposed__at_risk__day_2557": {"value": 33}}
    assert "7 years" in found_part(page("rotterdam")[0], "en")
    assert "5 years" in found_part(of(with_rows("rotterdam", **left))[0], "en")


def test_an_effect_that_changes_over_time_is_named_as_an_average():
    rejected = {"restricted__adjusted__ph__hormon__p_value": {"value": 0.001}}
    assert "只是整段时间的平均" in said(of(with_rows("rotterdam", **rejected))[0], "zh")
    assert "只是整段时间的平均" not in said(page("rotterdam")[0], "zh")
    assert "只是整段时间的平均" not in said(of(at_level("descriptive", **rejected))[0], "zh")


def test_a_curve_that_censors_a_competing_event_is_not_told_as_shares():
    inputs = rotterdam_inputs()
    outcome = inputs.protocol.outcome
    rules = tuple(
        dataclasses.replace(rule, event=rule.event and not outcome.competes(rule)) for rule in outcome.rules
    )
    protocol = dataclasses.replace(inputs.protocol, outcome=dataclasses.replace(outcome, rules=rules))
    text = found_part(of(make(with_changes(inputs, protocol=protocol)))[0], "en")
    assert "Of every 100" not in text and "happened less often" in text


# -- valve: a single arm -------------------------------------------------------------------------------------------


def test_a_single_arm_is_told_in_the_reports_counts_with_what_success_means():
    text = found_part(page("valve")[0], "en")
    assert "Of 60 people with 'demo valve V (Lecheng)', 47 were a success by day 365." in text
    assert "Success means: no valve failure within 365 days" in text
    assert "For 6 of the 60 nobody knows how it ended; they were counted as failures." in text
    assert "at least 80 of every 100 people. The result does not show that this goal was met." in text
    assert "“描述性”" in found_part(page("valve")[0], "zh")


def test_a_single_arm_that_describes_shows_no_second_comparison():
    text = found_part(page("valve")[0], "en")
    assert "than" not in text and "external control" not in text


@pytest.mark.parametrize(
    ("level", "told"), [("descriptive", False), ("supportive", True), ("confirmatory", True)]
)
def test_that_the_goal_was_met_is_a_claim(level, told):
    one = with_rows(
        "valve", all__criterion__verdict={"value": "met"}, all__criterion__claim_level={"value": level}
    )
    assert ("The result met this goal." in found_part(of(one)[0], "en")) is told


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("verdict", "words"), [("not met", "did not meet"), ("not shown", "does not show")])
def test_that_the_goal_was_missed_is_never_left_out(level, verdict, words):
    one = with_rows(
        "valve", all__criterion__verdict={"value": verdict}, all__criterion__claim_level={"value": level}
    )
    assert f"The result {words}" in found_part(of(one)[0], "en")


def test_each_result_has_a_level_of_its_own():
    """A comparison that may claim more lends nothing to the single arm that may not."""
    one = with_rows("valve", all__adjusted__claim_level={"value": "supportive"})
    report, _ = of(one)
    points = [block for block in report.summary if isinstance(block, Points) and block.title is None]
    assert [
        "descriptive" in points[0].items[-1].plain("en"),
        "supportive" in points[1].items[-1].plain("en"),
    ] == [True] * 2
    assert "Of 60 people" in points[0].items[0].plain("en")


def test_failures_are_counted_where_the_goal_is_a_most():
    inputs = valve_inputs()
    of_valve = inputs.protocol
    plan = of_valve.analysis("all.criterion")
    criterion = dataclasses.replace(plan.criterion, direction="at_most", value=0.125)
    analyses = tuple(
        dataclasses.replace(one, criterion=criterion) if one.id == plan.id else one
        for one in of_valve.analyses
    )
    results = with_rows("valve", all__criterion__criterion={"value": 0.125}).inputs.results
    one = make(
        with_changes(inputs, protocol=dataclasses.replace(of_valve, analyses=analyses), results=results)
    )
    text = found_part(of(one)[0], "en")
    assert "47 were a failure by day 365" in text
    assert "failure in at most 12.5 of every 100 people" in text  # no rounding of a goal


def test_adverse_events_are_told_of_the_treated_alone():
    zh, en = found_part(page("valve")[0], "zh"), found_part(page("valve")[0], "en")
    assert (
        "Of 60 people with 'demo valve V (Lecheng)', 22 had something bad for their health on record." in en
    )
    assert "For 20 of them it was serious." in en and "140" not in en and "不一定是治疗引起的" in zh


def test_silence_about_adverse_events_is_not_safety():
    silent = {"all__safety__exposed__silent_subjects": {"value": 20}}
    text = found_part(of(with_rows("valve", **silent))[0], "zh")
    assert "有的医院没有报来这类事情。没有记录，不等于没有发生。" in text


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("study", "audience"), EVERY)
def test_every_number_is_the_reports_own_or_a_share_that_the_report_prints(study, audience):
    one = made(study, audience)
    report, book = page(study, audience)
    registered = {number.id: number for number in one.book.numbers}
    printed = {(number.ard_id, number.field) for number in registered.values()}
    own = {number.id: number for number in book.numbers}
    for number in spans(report):
        if number.id.startswith("n"):
            assert registered[number.id] == number
        else:
            assert own[number.id] == number and (number.ard_id, number.field) in printed
            value = getattr(one.book.row(number.ard_id), number.field)
            assert number.en == number_text(value, number.format, "en")
    assert {number.id for number in spans(report)} >= set(own)  # nothing is registered that is not printed


@pytest.mark.parametrize(("study", "audience"), EVERY)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_digit_stands_on_the_page_but_numbers_days_and_the_authors_words(study, audience, language):
    one = made(study, audience)
    protocol = one.inputs.protocol
    told = "\n".join(
        span if isinstance(span, str) else ""
        for text in texts(page(study, audience)[0])
        for span in text.spans(language)
    )
    for words in (
        protocol.question,
        *protocol.limits,
        protocol.estimand.variable,
        protocol.estimand.population,
    ):
        told = told.replace(words.in_language(language), "")
    told = re.sub(r"No valve failure within 365 days[^.]*|no valve failure within 365 days[^.]*", "", told)
    assert set(re.findall(r"\d+", told)) <= {"100", "365", "7", "10", "5"}


def test_a_share_that_the_report_does_not_print_is_not_told_either():
    one = made("rotterdam")
    body = tuple(block for block in one.report.body if not getattr(block, "key", "").startswith("median_"))
    report, book = of(dataclasses.replace(one, report=dataclasses.replace(one.report, body=body)))
    assert "Of every 100" not in found_part(report, "en") and not book.numbers
    assert "happened less often" in found_part(report, "en")  # in words


def test_the_reports_register_is_left_as_it_was():
    """verify.py asks that each number of numbers.json stands in the report: the page registers its own elsewhere."""
    one = made("rotterdam")
    before = one.book.as_dict()
    _, book = of(one)
    assert one.book.as_dict() == before
    assert [number.id for number in book.numbers] == [
        f"p{place:04d}" for place in range(1, len(book.numbers) + 1)
    ]
    assert {number.place.partition(":")[0] for number in book.numbers} == {"plain"}


# -- aggregate, empty, demo ----------------------------------------------------------------------------------------


def test_what_an_aggregate_package_withholds_is_not_on_its_page():
    """The criterion and adverse events of the valve are closed to a reader abroad; the page says so in words."""
    report, book = page("valve", "aggregate")
    text = said(report, "zh")
    assert "研究的主要结果已经算出来了，但这一版不写" in text and not book.numbers
    assert "报告里没有可以写在这里的主要数字" not in text
    assert "47" not in text and "22 个人" not in text and "少于 10 人的数也不写" in text
    assert "可以按编号查到记录" not in text


def test_an_aggregate_page_made_from_the_same_study_tells_no_more_than_the_authoritys():
    full, coarse = (set(said(page("rotterdam", one)[0], "en").split("\n")) for one in AUDIENCES)
    differ = [line for line in coarse - full if "Before records reach" not in line]
    assert differ == []


def test_a_study_that_found_nobody_has_a_page_without_numbers_of_results():
    report, book = page("nothing")
    assert (
        not book.numbers and "没有算成" in said(report, "zh") and "这样的结果叫作" not in said(report, "zh")
    )
    assert "研究看的人是：接受原发乳腺癌手术" in said(report, "zh")


def test_a_demonstration_says_first_that_it_is_one_and_a_real_study_does_not():
    assert page("rotterdam")[0].summary[0].tone == "caution"
    assert "只是演示" in page("rotterdam")[0].summary[0].text.plain("zh")
    real = make(with_changes(rotterdam_inputs(), demo=False))
    assert isinstance(of(real)[0].summary[0], Heading) and "演示：" not in said(of(real)[0], "zh")


def test_the_authors_first_limit_and_the_advice_to_ask_a_doctor_are_on_every_page():
    for study, audience in EVERY:
        one = made(study, audience)
        for language in ("zh", "en"):
            text = said(page(study, audience)[0], language)
            assert one.inputs.protocol.limits[0].in_language(language) in text
            assert {"zh": "请和你的医生商量", "en": "Talk to your doctor."}[language] in text
            assert {"zh": "不是抽签决定的", "en": "Nobody drew lots"}[language] in text


def test_every_level_has_its_sentence():
    assert {key.partition(".")[2] for key in TEXTS if key.startswith("level.")} == set(claim_rules().levels)


# -- as a document -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("study", "audience"), EVERY)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_is_one_page_of_a4(study, audience, language, tmp_path):
    report = page(study, audience)[0]
    file = tmp_path / "plain.pdf"
    file.write_bytes(pdf.render(report, language, {}, running(language)))
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", file.read_bytes()))
    assert pages == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_other_renderers_print_it(language):
    report = page("rotterdam")[0]
    shown = html.render(report, {}, {"numbers": []}, "EP-0").decode()
    made_docx = docx.render(report, language, {}, running(language))
    assert page("rotterdam")[0].summary[-1].text.plain(language)[:20] in shown.replace("&#x27;", "'")
    assert re.search(r'data-n="p0001"', shown) and made_docx[:2] == b"PK"


def test_the_same_inputs_give_the_same_page():
    one = made("rotterdam")
    assert of(one)[0] == of(one)[0] and of(one)[1].as_dict() == of(one)[1].as_dict()
