"""Agreement of charts and platform: what is counted as what, checked by hand and against statsmodels."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa, to_table
from statsmodels.stats.proportion import proportion_confint

from rwd_platform.core.errors import PlatformError
from studies.evidence.sample.agreement import (
    NOTHING_COMPARED,
    ONE_CATEGORY,
    Agreement,
    VariableAgreement,
    agreement,
)
from studies.evidence.sample.sheet import WHY, SheetLine
from studies.evidence.sample.trace import sample_of
from tests.evidence.sample.made import (
    SIZES,
    Fill,
    FilledBy,
    as_platform,
    platform_value,
    policy_with,
    returned,
    stent_inputs,
    stent_results,
    stent_sample,
    stent_table,
)
from tests.studies.small import small_protocol

SAMPLE = stent_sample()


def of(variable: str, **fills: Fill) -> FilledBy:
    """Charts that say what the platform has, save for `variable`: by hospital's place, `p3=("1", "否", "编码")`."""

    def fill(line: SheetLine) -> Fill:
        if line.variable.name != variable:
            return as_platform(line)
        return fills.get(f"p{line.row.drawn.place}", as_platform(line))

    return fill


def found(by: FilledBy, variable: str, hospital: str = "org-a") -> VariableAgreement:
    """What one hospital's sheet comes to."""
    made = agreement(SAMPLE, [returned(SAMPLE, hospital, by)])
    return next(one for one in made.lines if one.variable == variable and one.hospital == hospital)


def other(line: SheetLine) -> str:
    """Another answer of a category than the platform's."""
    return next(code for code, _ in line.variable.answers if code != line.row.values[line.variable.name])


@cache
def all_alike() -> Agreement:
    return agreement(SAMPLE, [returned(SAMPLE, hospital) for hospital in SIZES])


def test_charts_that_say_the_same_agree_in_everything() -> None:
    for one in all_alike().lines:
        assert one.asked == one.compared == one.agreed > 0
        assert (one.share, one.upper, one.weighted_share) == (1, 1, 1)
        assert (one.unanswered, one.chart_not_found, one.not_recorded) == (0, 0, 0)
        assert (one.says_agree, one.says_differ, one.made_differ, one.same_though) == (one.asked, 0, 0, 0)


def test_every_variable_is_told_for_all_and_for_each_hospital() -> None:
    names = [one.name for one in SAMPLE.variables]
    made = all_alike()
    assert [one.variable for one in made.overall] == names
    assert [(one.hospital, one.variable) for one in made.lines] == [
        (hospital, name) for hospital in ("", *SIZES) for name in names
    ]
    assert made.rows == len(SAMPLE.rows)
    assert made.outstanding == ()


def test_the_whole_is_the_sum_of_the_hospitals() -> None:
    made = all_alike()
    for one in made.overall:
        parts = [line for line in made.lines if line.hospital and line.variable == one.variable]
        for name in ("asked", "compared", "agreed"):
            assert getattr(one, name) == sum(getattr(part, name) for part in parts)


def test_a_hospital_that_has_not_answered_is_outstanding() -> None:
    made = agreement(SAMPLE, [returned(SAMPLE, "org-b")])
    assert made.outstanding == ("org-a", "org-c")
    assert made.rows == len(SAMPLE.of("org-b"))
    assert [one.hospital for one in made.sheets] == ["org-b"]


def test_a_chart_that_was_not_found_is_no_agreement_and_no_difference() -> None:
    missing = ("", "否", "未找到病历")
    one = found(of("frailty", p1=missing, p4=missing), "frailty")
    assert (one.asked, one.chart_not_found, one.compared, one.agreed) == (12, 2, 10, 10)
    assert one.share == 1
    assert dict(one.reasons)["chart_not_found"] == 2


def test_what_a_chart_does_not_record_is_a_difference() -> None:
    one = found(of("weight_kg", p1=("", "否", "病历未记载")), "weight_kg")
    assert (one.asked, one.not_recorded, one.compared, one.agreed, one.within) == (12, 1, 12, 11, 11)
    assert one.limits is not None
    assert one.limits.n == 11, "no difference can be computed of it"


def test_what_a_chart_does_not_record_is_a_category_of_kappa() -> None:
    one = found(of("frailty", p1=("", "否", "not recorded")), "frailty")
    assert one.kappa is not None
    assert one.kappa.n == 12
    assert "not_recorded" in {chart for _, chart, _ in one.table}


def test_items_that_nobody_looked_up_are_counted_apart() -> None:
    one = found(of("surgery", p2=("", "", ""), p3=("", "", "")), "surgery")
    assert (one.asked, one.unanswered, one.compared, one.agreed) == (12, 2, 10, 10)


def test_the_counts_of_every_line_add_up() -> None:
    fill = of("stent", p1=("", "", ""), p2=("", "否", "未找到病历"), p3=("", "否", "病历未记载"))
    made = agreement(SAMPLE, [returned(SAMPLE, "org-a", fill)])
    for one in made.lines:
        assert one.asked == one.unanswered + one.chart_not_found + one.compared
        assert one.compared == one.says_agree + one.says_differ
        assert one.agreed <= one.compared
        assert [reason for reason, _ in one.reasons] == list(WHY)
        if one.kind == "category":
            assert sum(count for *_, count in one.table) == one.compared
            assert sum(count for platform, chart, count in one.table if platform == chart) == one.agreed


def test_a_platform_that_made_something_else_of_a_right_record_is_seen() -> None:
    """The hospital finds chart and record alike, and the platform's value differs: look at what was derived."""

    def fill(line: SheetLine) -> Fill:
        if line.variable.name == "stent" and line.row.drawn.place == 5:
            return other(line), "是", ""
        if line.variable.name == "stent" and line.row.drawn.place == 6:
            return platform_value(line), "否", "编码"
        return as_platform(line)

    one = found(fill, "stent")
    assert (one.made_differ, one.same_though, one.agreed, one.compared) == (1, 1, 11, 12)


def test_numbers_are_the_same_however_they_are_written() -> None:
    def fill(line: SheetLine) -> Fill:
        if line.variable.kind == "number":
            return f"{line.row.values[line.variable.name]:.3f}", "是", ""
        return as_platform(line)

    assert found(fill, "weight_kg").agreed == 12


@pytest.mark.parametrize(("more", "within"), [(0.0, 12), (0.049, 12), (0.05, 12), (0.051, 11), (-0.06, 11)])
def test_numbers_within_the_policys_share_are_counted_as_such(more: float, within: int) -> None:
    def fill(line: SheetLine) -> Fill:
        if line.variable.name == "weight_kg" and line.row.drawn.place == 3:
            weight = float(line.row.values["weight_kg"])
            return f"{weight * (1 + more):.9f}", "是", ""
        return as_platform(line)

    one = found(fill, "weight_kg")
    assert one.within == within
    assert one.agreed == (11 if more else 12)


@pytest.mark.parametrize(("days", "within"), [(7, 12), (8, 11), (-7, 12), (-8, 11)])
def test_days_within_the_policys_days_are_counted_as_such(days: int, within: int) -> None:
    place = next(row.drawn.place for row in SAMPLE.of("org-a") if int(row.values["time_days"]) > 10)

    def fill(line: SheetLine) -> Fill:
        if line.variable.name == "time_days" and line.row.drawn.place == place:
            return str(int(line.row.values["time_days"]) + days), "否", "转录错误"
        return as_platform(line)

    one = found(fill, "time_days")
    assert (one.within, one.agreed) == (within, 11)
    assert one.limits is not None and one.limits.mean == pytest.approx(days / 12)


def test_numbers_have_limits_and_no_kappa_categories_the_other_way_round() -> None:
    for one in all_alike().overall:
        assert (one.kappa is None) == (one.limits is not None) == (one.kind != "category")
        assert (one.within is None) == (one.kind == "category")
        assert one.kappa_undefined is None or one.kind == "category"


def test_kappa_and_wilson_are_those_of_statsmodels() -> None:
    """Every fifth chart of the largest hospital says something else."""

    def fill(line: SheetLine) -> Fill:
        if line.variable.answers and line.row.drawn.place % 5 == 0:
            return other(line), "否", "编码"
        return as_platform(line)

    for variable in ("stent", "event", "frailty", "surgery"):
        one = found(fill, variable, "org-c")
        pairs = [(platform, chart) for platform, chart, count in one.table for _ in range(count)]
        codes = sorted({code for pair in pairs for code in pair})
        table, _ = to_table([[codes.index(a), codes.index(b)] for a, b in pairs], bins=len(codes))
        expected = cohens_kappa(table)
        assert one.kappa is not None
        assert one.kappa.kappa == pytest.approx(expected.kappa)
        assert one.kappa.se == pytest.approx(expected.std_kappa)
        low, high = proportion_confint(one.agreed, one.compared, method="wilson")
        assert one.lower == pytest.approx(low)
        assert one.upper == pytest.approx(high)


def test_an_undefined_kappa_is_said_and_is_neither_0_nor_1() -> None:
    """Nobody at this hospital is frail, by platform and chart."""
    rows = tuple(
        dataclasses.replace(row, values={**row.values, "frailty": "fit"})
        if row.drawn.hospital == "org-a"
        else row
        for row in SAMPLE.rows
    )
    same = dataclasses.replace(SAMPLE, rows=rows)
    made = agreement(same, [returned(same, "org-a")])
    one = next(line for line in made.lines if (line.hospital, line.variable) == ("org-a", "frailty"))
    assert one.share == 1
    assert one.kappa is not None and one.kappa.kappa is None
    assert one.kappa_undefined == ONE_CATEGORY


def test_a_sheet_that_came_back_empty_says_that_nothing_was_compared() -> None:
    one = found(lambda _: ("", "", ""), "stent")
    assert (one.share, one.lower, one.weighted_share) == (None, None, None)
    assert one.kappa_undefined == NOTHING_COMPARED


def test_no_sheet_at_all_gives_lines_without_anything() -> None:
    made = agreement(SAMPLE, [])
    assert made.outstanding == tuple(SIZES)
    assert all(one.asked == 0 and one.share is None for one in made.lines)


def test_the_weighted_share_undoes_the_draw() -> None:
    """All differ at the small hospital, of which every row is drawn: 12 of 200 subjects, but 12 of 100 rows."""

    def wrong(line: SheetLine) -> Fill:
        return (other(line), "否", "编码") if line.variable.name == "stent" else as_platform(line)

    sheets = [returned(SAMPLE, one, wrong if one == "org-a" else as_platform) for one in SIZES]
    one = next(line for line in agreement(SAMPLE, sheets).overall if line.variable == "stent")
    assert one.share == pytest.approx(1 - 12 / one.compared)
    assert one.weighted_share == pytest.approx(188 / 200, abs=0.005)


# --- what is not taken --------------------------------------------------------------------------------------


def test_a_sheet_with_a_problem_is_not_used() -> None:
    wrong = returned(SAMPLE, "org-a", of("weight_kg", p1=("70 kg", "是", "")))
    with pytest.raises(PlatformError) as refused:
        agreement(SAMPLE, [wrong])
    assert refused.value.code == "verification.sheet_has_problems"
    assert refused.value.details["count"] == 1


def test_a_sheet_read_against_another_sample_is_not_used() -> None:
    results = stent_results(stent_table(), small_protocol(), lock="lock-later")
    later = sample_of(stent_inputs(results=results), stent_table())
    with pytest.raises(PlatformError, match=r"verification\.sheet_of_another_sample"):
        agreement(later, [returned(SAMPLE, "org-a")])


def test_two_sheets_of_one_hospital_are_not_used() -> None:
    sheet = returned(SAMPLE, "org-a")
    with pytest.raises(PlatformError, match=r"verification\.returned_twice"):
        agreement(SAMPLE, [sheet, sheet])


def test_the_order_in_which_sheets_came_back_does_not_matter() -> None:
    sheets = [returned(SAMPLE, hospital) for hospital in SIZES]
    assert agreement(SAMPLE, sheets) == agreement(SAMPLE, sheets[::-1])


answers = st.sampled_from(
    [
        ("", "", ""),
        ("", "否", "未找到病历"),
        ("", "否", "病历未记载"),
        ("fit", "是", ""),
        ("frail", "否", "其他"),
    ]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(answers, min_size=12, max_size=12))
def test_whatever_is_answered_every_item_is_counted_once(given_answers: list[Fill]) -> None:
    fills = {f"p{place}": fill for place, fill in enumerate(given_answers, start=1)}
    one = found(of("frailty", **fills), "frailty")
    assert one.unanswered == given_answers.count(("", "", ""))
    assert one.chart_not_found == given_answers.count(("", "否", "未找到病历"))
    assert one.not_recorded == given_answers.count(("", "否", "病历未记载"))
    assert one.asked == 12 == one.unanswered + one.chart_not_found + one.compared


def test_a_sample_by_another_policy_uses_its_own_tolerances() -> None:
    strict = sample_of(
        stent_inputs(), stent_table(), chosen=policy_with(within_days=0), known_until="2025-12-31"
    )

    def fill(line: SheetLine) -> Fill:
        if line.variable.name == "time_days":
            return str(int(line.row.values["time_days"]) + 1), "否", "转录错误"
        return as_platform(line)

    made = agreement(strict, [returned(strict, "org-a", fill)])
    one = next(line for line in made.lines if line.variable == "time_days")
    assert one.within == 0
