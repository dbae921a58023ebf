"""What could overturn a result stands on the study's page, after unsealing only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Study
from rwd_platform.server import charts
from rwd_platform.server.doubt_results import MOST_LINES, Doubts, doubts_of
from rwd_platform.server.protocols import outline
from rwd_platform.server.results import read
from studies.sealing import open_part, planned_methods
from tests.server.conftest import LogIn
from tests.server.test_conclusions import SEEN, page, results, study, unseal
from tests.studies.valve import TEXT, protocol

__all__ = ["study"]  # the fixture: a frozen study with a sealed run of the second demonstration
OUTLINE = outline(TEXT)


def stored(**changes: Any) -> Mapping[str, Any]:
    """The demonstration's results; `changes` by a row's id with _ for dots."""
    made = results().as_dict()
    for row in made["rows"]:
        row["value"] = changes.get(row["id"].replace(".", "_"), row["value"])
    return made


def doubts(**changes: Any) -> Doubts:
    return doubts_of(stored(**changes), OUTLINE)


def test_whether_effects_change_over_time_goes_by_the_exposures_own_test():
    """In the demonstration the model's test rejects and the exposure's does not."""
    (found,) = doubts().hazards
    assert (found.rejects, found.overall_rejects) == (False, True)
    assert round(found.p, found.decimals) > 0.05 and found.overall == pytest.approx(0.0297972812)
    (turned,) = doubts(all_adjusted_ph_valve_v_p_value=0.01, all_adjusted_ph_global_p_value=0.2).hazards
    assert (turned.rejects, turned.overall_rejects) == (True, False)


def test_of_a_ratio_is_said_whose_hazards_are_not_proportional():
    """The model's test rejects (P 0.030), the exposure's own does not (0.050002): it is no average over time."""
    (adjusted,) = (one for one in read(stored()).ratios if one.id == "all.adjusted.valve_v.hazard_ratio")
    few, model = (one.en for one in adjusted.warnings)
    assert "10 events" in few
    assert "for the model as a whole (p=0.030), not for the exposure" in model and "average" not in model


def test_an_e_value_names_the_analysis_that_it_looks_into():
    (found,) = doubts().e_values
    assert (found.of, found.limit) == ("all.weighted", 1.0) and found.value == pytest.approx(1.08445026652)


def test_a_single_arm_has_a_line_for_each_number_of_failures():
    (found,) = doubts().arms
    assert (found.n, found.lost, found.overturn, found.misses) == (60, 6, 0, None)
    assert [line[0] for line in found.lines] == list(range(7))
    assert [found.lines[0][1:], found.lines[-1][1:]] == [*found.ends]
    (met,) = doubts(all_tipping_exposed_failures_to_overturn=4).arms
    assert met.overturn == 4


def test_more_bounds_than_a_table_holds_leave_the_two_ends():
    made = stored()
    for one in made["series"]:
        if one["id"] == "all.tipping.bounds":
            one["points"] = [[k, 0.7, "not shown"] for k in range(MOST_LINES + 1)]
    (found,) = doubts_of(made, OUTLINE).arms
    assert found.lines == () and len(found.ends) == 2


def test_bounds_near_the_criterion_get_decimals_enough():
    (found,) = doubts(all_tipping_none_failed_bound=0.79996).arms
    assert found.decimals == 3


def test_two_arms_show_the_extremes_in_points():
    (found,) = doubts().contrasts
    assert (found.day, found.lost) == (365, (("exposed", 60, 6), ("comparator", 140, 7)))
    assert (found.combinations, found.changed, len(found.cases)) == (56, 1, 5)
    words, difference, low, high, verdict = found.cases[-1]
    assert verdict.en.startswith("fewer failures") and low < difference < high < 0
    assert words.zh.startswith("暴露组无失败")


def test_the_planned_ways_stand_in_the_protocols_order_with_the_main_one_first():
    (found,) = doubts().specifications
    assert [way.analysis for way in found.ways] == ["all.weighted", "all.crude", "all.adjusted", "all.rmst"]
    assert [way.main for way in found.ways] == [True, False, False, False]
    assert found.counts == (4, 4, 4, 0, 0, 0) and len(found.intervals("zh", OUTLINE.names)) == 3
    assert found.hazard_ratios == pytest.approx((0.574568995699, 0.796137759381, 0.991262771842))


def test_a_way_without_a_number_says_why_and_is_not_drawn():
    made = stored()
    for one in made["series"]:
        if one["id"] == "all.specification.specifications":
            one["points"][1] = ["", "all.crude", "", "hazard_ratio", 1.0, *[None] * 5, "无事件", "no event"]
    (found,) = doubts_of(made, OUTLINE).specifications
    assert found.ways[1].value is None and found.ways[1].reason.en == "no event"
    assert len(found.intervals("en", OUTLINE.names)) == 2


def test_nothing_of_it_is_in_the_open_part():
    """Tipping points keep their subjects open: a number of people is no doubt about anything."""
    opened = open_part(results(), planned_methods(protocol())).as_dict()
    assert any(row["analysis"] == "all.tipping" for row in opened["rows"])
    assert not doubts_of(opened, OUTLINE)


@pytest.mark.parametrize("made", [{"rows": []}, {"rows": [], "series": []}])
def test_a_run_without_it_shows_none(made: dict[str, list[object]]):
    assert not doubts_of(made, OUTLINE) and not doubts_of(made, outline("not: a protocol"))


def test_the_page_shows_them_after_unsealing_and_not_before(platform: Platform, study: Study, as_user: LogIn):
    spoken = {
        "zh": ("（E 值）", "（临界点）", "各种分析方案是否一致", "显示暴露组失败较少", "暴露项的检验未拒绝"),
        "en": ("(E-value)", "(tipping point)", "planned ways to answer agree", "fewer failures", "own test does not"),
    }  # fmt: skip
    for language, words in spoken.items():
        said = page(as_user, study, language)
        assert [one for one in words if one in said] == []
    unseal(platform, study, SEEN)
    for language, words in spoken.items():
        said = page(as_user, study, language)
        assert [one for one in words if one not in said] == []
        assert "风险比是随访期内的平均" not in said and "hazard ratio is an average" not in said


def test_on_a_chinese_page_a_planned_method_has_its_chinese_name(
    platform: Platform, study: Study, as_user: LogIn
):
    unseal(platform, study, SEEN)
    said = page(as_user, study, "zh")
    for name in ("对数秩检验", "限制平均生存时间", "目标值（OPC）", "倾向评分重叠", "桥接", "借用"):
        assert name in said, name


def test_the_limit_of_balance_is_that_of_the_run_on_page_and_plot():
    """The demonstration's arms are small and its protocol widens the limit: the gate judges by 0.25, not by 0.1."""
    (found,) = read(stored()).balances
    row = results().row("all.balance.smd_limit")
    assert found.limit == row.value == 0.25
    wide = charts.love(found.points, "t", found.limit)
    assert str(wide).count('class="rule"') == 1
    assert str(charts.love(found.points, "t", 0.1)) != str(wide)
    assert 'class="rule"' not in str(charts.love(found.points, "t", None))


def test_a_run_from_before_limits_were_results_has_the_protocols():
    made = stored()
    made = {**made, "rows": [row for row in made["rows"] if row["id"] != "all.balance.smd_limit"]}
    (found,) = read(made, largest_smd=OUTLINE.largest_smd).balances
    assert found.limit == OUTLINE.largest_smd == 0.1
    (unknown,) = read(made).balances
    assert unknown.limit is None
