"""Partitioned survival, cost-effectiveness, budget impact, DRG sheet and the parameters they use."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.economics.budget_impact import (
    CostItem,
    Market,
    Treatment,
    budget_impact,
    eligible_population,
    fund_share,
)
from studies.statistics.economics.cost_effectiveness import (
    incremental_analysis,
    incremental_ratio,
    net_benefit,
    plane,
    tornado,
    uncertainty,
)
from studies.statistics.economics.drg import PaymentRule, dip_standard, drg_standard, outlier_sheet
from studies.statistics.economics.parameter_draws import Uncertain, correlated_draws, draws, share_draws
from studies.statistics.economics.parameters import guideline_parameters
from studies.statistics.economics.partitioned_survival import StateValues, occupancy, outcome
from tests.studies.statistics.safety.test_rates import refused

FINE = np.linspace(0, 40, 40_001)
VALUES = StateValues(0.8, 0.6, 10_000, 20_000, treatment_cost=50_000, start_cost=3_000, death_cost=8_000)


def exponential(free: float = 0.5, alive: float = 0.2, times: Any = FINE) -> Any:
    return occupancy(times, np.exp(-free * times), np.exp(-alive * times))


def test_exponential_curves_have_closed_forms():
    """Discounted integral of exp(-rate t): (1 - exp(-(rate + r) H))/(rate + r), r = log(1 + discount)."""
    found = outcome(exponential(), VALUES, discount_cost=0.05, discount_effect=0.03)

    def integral(rate: float, discount: float) -> float:
        total = rate + math.log(1 + discount)
        return -math.expm1(-total * 40) / total

    free, alive = integral(0.5, 0.03), integral(0.2, 0.03)
    assert found.life_years == pytest.approx(-math.expm1(-8) / 0.2, rel=1e-6)
    assert found.qalys == pytest.approx(0.8 * free + 0.6 * (alive - free), rel=1e-6)
    free, alive = integral(0.5, 0.05), integral(0.2, 0.05)
    money = 3_000 + 60_000 * free + 20_000 * (alive - free) + 8_000 * 0.2 * alive
    assert found.cost == pytest.approx(money, rel=1e-6)


def test_without_discounting_present_and_plain_values_are_one():
    found = outcome(exponential(), VALUES, discount_cost=0, discount_effect=0)
    assert found.cost == pytest.approx(found.cost_undiscounted, rel=1e-12)
    assert found.qalys == pytest.approx(found.qalys_undiscounted, rel=1e-12)
    assert found.life_years == pytest.approx(found.years_free + found.years_progressed)


def test_half_cycle_correction_lies_between_counting_at_the_start_and_at_the_end():
    monthly = exponential(times=np.arange(0, 121) / 12)
    options = {"discount_cost": 0.05, "discount_effect": 0.05}
    half = outcome(monthly, VALUES, **options).life_years
    start = outcome(monthly, VALUES, half_cycle=False, **options).life_years
    assert half < start and half == pytest.approx(-math.expm1(-2) / 0.2, rel=1e-4)


def test_states_share_out_everybody():
    states = exponential()
    assert states.progression_free + states.progressed + states.dead == pytest.approx(np.ones(len(FINE)))


def test_crossing_curves_need_a_rule_and_say_where_it_acted():
    times, pfs, os = [0.0, 1.0, 2.0], [1.0, 0.6, 0.5], [1.0, 0.7, 0.4]
    refused("curves_cross", occupancy, times, pfs, os)
    lowered = occupancy(times, pfs, os, crossing="pfs_at_most_os")
    lifted = occupancy(times, pfs, os, crossing="os_at_least_pfs")
    assert list(lowered.crossed) == [False, False, True]
    assert (lowered.progression_free[2], lifted.dead[2]) == (0.4, 0.5)
    assert "pfs_at_most_os" in lowered.method


def test_impossible_curves_are_refused():
    refused("bad_argument", occupancy, [1.0, 2.0], [1, 1], [1, 1])
    refused("bad_argument", occupancy, [0.0, 0.0], [1, 1], [1, 1])
    refused("bad_argument", occupancy, [0.0, 1.0], [0.5, 0.6], [1, 1])
    refused("bad_argument", occupancy, [0.0, 1.0], [1.2, 0.6], [1, 1])
    refused("lengths_differ", occupancy, [0.0, 1.0], [1], [1, 1])
    refused("bad_argument", occupancy, [0.0, 1.0], [1, 1], [1, 1], crossing="ignore")
    states = occupancy([0.0, 1.0], [1, 0.5], [1, 0.8])
    refused("bad_argument", outcome, states, VALUES, discount_cost=-0.1, discount_effect=0)
    refused(
        "bad_argument", outcome, states, VALUES, discount_cost=0, discount_effect=0, on_treatment=[1, 0.9]
    )


@pytest.mark.parametrize(
    ("cost", "effect", "quadrant", "icer"),
    [
        (5e4, 0.5, "north-east", 1e5),
        (-5e4, -0.5, "south-west", 1e5),
        (-1.0, 0.5, "south-east", None),
        (1.0, -0.5, "north-west", None),
        (1.0, 0.0, "north-west", None),
        (-1.0, 0.0, "south-east", None),
        (0.0, 0.5, "south-east", None),
        (0.0, 0.0, "none", None),
    ],
)
def test_a_ratio_stands_only_where_something_is_bought_or_given_up(
    cost: float, effect: float, quadrant: str, icer: float | None
):
    found = incremental_ratio(100 + cost, 2 + effect, 100, 2)
    assert (found.quadrant, found.icer) == (quadrant, pytest.approx(icer) if icer else None)
    assert found.dominant == (quadrant == "south-east") and found.dominated == (quadrant == "north-west")


def test_dominated_and_extendedly_dominated_options_leave_the_frontier():
    found = incremental_analysis(
        ["none", "A", "B", "C", "D"], [0, 10_000, 22_000, 25_000, 40_000], [1.0, 1.2, 1.25, 2.0, 1.9]
    )
    status = {one.name: (one.status, one.icer) for one in found}
    assert status["none"] == ("reference", None)
    assert status["A"][0] == "extendedly dominated" and status["B"][0] == "extendedly dominated"
    assert status["C"] == ("on the frontier", pytest.approx(25_000))
    assert status["D"] == ("dominated", None)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=7))
@settings(max_examples=80, deadline=None)
def test_some_threshold_makes_each_option_on_the_frontier_the_best(points: list[tuple[int, int]]):
    cost, effect = (np.array([point[k] for point in points], dtype=float) for k in (0, 1))
    found = incremental_analysis([str(k) for k in range(len(points))], cost, effect)
    icers = [one.icer for one in found if one.icer is not None]
    assert icers == sorted(icers)
    for one in found:
        if one.status in ("reference", "on the frontier"):
            at = one.icer or 0.0
            benefit = net_benefit(cost, effect, threshold=at)
            assert at * one.effect - one.cost == pytest.approx(benefit.max(), abs=1e-9 * (1 + abs(at)))


def test_acceptability_sums_to_one_and_information_is_worth_nothing_when_all_is_known():
    rng = np.random.default_rng(1)
    cost, effect = rng.normal([[1e5, 1.5e5]], 2e4, (4000, 2)), rng.normal([[2.0, 2.6]], 0.4, (4000, 2))
    found = uncertainty(["old", "new"], cost, effect, thresholds=[0, 5e4, 1e5, 3e5])
    assert found.acceptability.sum(axis=1) == pytest.approx(np.ones(4))
    assert list(found.best) == [0, 0, 1, 1] and (found.evpi >= 0).all()
    known = uncertainty(
        ["old", "new"], np.tile([[1.0, 2.0]], (5, 1)), np.tile([[1.0, 2.0]], (5, 1)), thresholds=[9]
    )
    assert known.evpi[0] == 0 and known.frontier[0] == 1


def test_the_value_of_perfect_information_has_its_normal_closed_form():
    """Two options, incremental net benefit N(m, s): EVPI = s phi(m/s) - |m| Phi(-|m|/s)."""
    from scipy.stats import norm

    rng = np.random.default_rng(2)
    effect = np.column_stack([np.zeros(400_000), rng.normal(0.1, 0.5, 400_000)])
    found = uncertainty(["old", "new"], np.zeros_like(effect), effect, thresholds=[1.0])
    exact = 0.5 * norm.pdf(0.2) - 0.1 * norm.cdf(-0.2)
    assert found.evpi[0] == pytest.approx(exact, rel=0.01)
    assert found.acceptability[0, 1] == pytest.approx(norm.cdf(0.2), abs=0.003)


def test_the_plane_shares_out_the_draws():
    rng = np.random.default_rng(3)
    found = plane(rng.normal(1, 1, 1000), rng.normal(1, 1, 1000))
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.ratio.icer == pytest.approx(found.mean_cost / found.mean_effect)


def test_the_widest_bar_of_the_tornado_comes_first():
    bars = tornado(lambda p: p["a"] * 10 + p["b"], {"a": 1.0, "b": 2.0}, {"b": (1.0, 3.0), "a": (0.5, 2.0)})
    assert [one.parameter for one in bars] == ["a", "b"]
    assert (bars[0].result_low, bars[0].result_high, bars[0].width) == (7, 22, 15)


def test_draws_have_their_moments_and_keep_their_streams():
    given_ = {
        "utility": Uncertain("beta", 0.7, 0.1),
        "cost": Uncertain("gamma", 9000, 3000),
        "ratio": Uncertain("lognormal", 0.8, 0.1),
        "shift": Uncertain("normal", -1, 2),
        "share": Uncertain("uniform", low=0.2, high=0.6),
        "fixed": Uncertain("fixed", 5),
    }
    found = draws(given_, n=200_000, seed=1)
    for name in ("utility", "cost", "ratio", "shift"):
        assert found[name].mean() == pytest.approx(given_[name].mean, rel=0.02)
        assert found[name].std() == pytest.approx(given_[name].se, rel=0.02)
    assert found["share"].min() >= 0.2 and (found["fixed"] == 5).all()
    alone = draws({"cost": given_["cost"]}, n=200_000, seed=1)
    assert (alone["cost"] == found["cost"]).all()
    assert (draws(given_, n=10, seed=2)["cost"] != found["cost"][:10]).all()


def test_correlated_draws_have_their_covariance_and_shares_sum_to_one():
    spread = np.array([[1.0, 0.6], [0.6, 2.0]])
    found = correlated_draws([1, 2], spread, n=300_000, seed=4)
    assert np.cov(found.T) == pytest.approx(spread, abs=0.03)
    shares = share_draws([30, 10], n=1000, seed=5)
    assert shares.sum(axis=1) == pytest.approx(np.ones(1000)) and shares[:, 0].mean() == pytest.approx(
        0.75, abs=0.01
    )


def test_impossible_economics_are_refused():
    refused("not_a_number", incremental_ratio, math.nan, 1, 1, 1)
    refused("one_arm", incremental_analysis, ["a"], [1], [1])
    refused("lengths_differ", incremental_analysis, ["a", "b"], [1, 2], [1])
    refused("one_arm", uncertainty, ["a"], [[1], [2]], [[1], [2]], thresholds=[1])
    refused("bad_argument", uncertainty, ["a", "b"], [[1, 2]], [[1, 2]], thresholds=[1])
    refused("lengths_differ", uncertainty, ["a", "b"], [[1, 2, 3]] * 2, [[1, 2]] * 2, thresholds=[1])
    refused("bad_argument", uncertainty, ["a", "b"], [[1, 2]] * 2, [[1, 2]] * 2, thresholds=[-1])
    refused("bad_argument", net_benefit, [1], [1], threshold=-1)
    refused("lengths_differ", plane, [1.0, 2.0], [1.0])
    refused("bad_argument", tornado, lambda p: 1.0, {"a": 1.0}, {"b": (0, 1)})
    refused("bad_argument", tornado, lambda p: 1.0, {"a": 1.0}, {"a": (2, 1)})
    refused("not_a_number", tornado, lambda p: math.nan, {"a": 1.0}, {"a": (0, 1)})
    for one in (
        Uncertain("beta", 0.5, 0.6),
        Uncertain("gamma", -1, 1),
        Uncertain("normal", 1, 0),
        Uncertain("uniform"),
    ):
        refused("no_such_distribution", draws, {"x": one}, n=5, seed=1)
    refused("bad_argument", draws, {"x": Uncertain("weibull", 1, 1)}, n=5, seed=1)
    refused("bad_argument", draws, {}, n=0, seed=1)
    refused("bad_argument", correlated_draws, [0, 0], [[1, 2], [2, 1]], n=5, seed=1)
    refused("bad_argument", correlated_draws, [0, 0], [[1, 2], [0, 1]], n=5, seed=1)
    refused("bad_argument", share_draws, [1.0], n=5, seed=1)


NEW = Treatment(
    "new",
    (
        CostItem("drug", 100_000, "B", 0.3),
        CostItem("visits", 5_000, "A"),
        CostItem("genetic test", 4_000, "C"),
    ),
    (0.0, 0.0, 0.0),
    (0.1, 0.2, 0.4),
)
OLD = Treatment("old", (CostItem("drug", 20_000, "A"),), (1.0, 1.0, 1.0), (0.9, 0.8, 0.6))
MARKET = Market((1000.0, 1100.0, 1200.0), 0.7, (NEW, OLD))


def test_the_fund_pays_by_the_class_of_the_item():
    assert [fund_share(item, 0.7) for item in NEW.items] == pytest.approx([100_000 * 0.7 * 0.7, 3_500, 0])


def test_the_impact_is_what_the_fund_pays_with_it_minus_without():
    found = budget_impact(MARKET)
    change = 100_000 * 0.49 + 3_500 - 14_000
    assert found.fund_impact == pytest.approx([100 * change, 220 * change, 480 * change])
    assert found.fund_with - found.fund_without == pytest.approx(found.fund_impact)
    whole = 109_000 - 20_000
    assert found.fund_impact + found.patient_impact == pytest.approx([100 * whole, 220 * whole, 480 * whole])
    assert found.total == pytest.approx(800 * change) and found.lowest is None


def test_without_uptake_there_is_no_impact():
    nothing = replace(
        MARKET, treatments=(replace(NEW, share_with=(0.0, 0.0, 0.0)), replace(OLD, share_with=(1.0,) * 3))
    )
    assert budget_impact(nothing).total == 0


def test_ranges_span_the_base_and_the_widest_comes_first():
    ranges = {
        "eligible": (0.8, 1.2),
        "uptake": (0.5, 1.5),
        "cost:new": (0.9, 1.0),
        "reimbursement_ratio": (1.0, 1.1),
    }
    found = budget_impact(MARKET, ranges=ranges)
    assert found.ranges[0].varied == "uptake"
    assert found.lowest is not None and (found.lowest <= found.fund_impact).all()
    assert found.highest is not None and found.highest == pytest.approx(found.fund_impact * 1.5)
    assert next(one for one in found.ranges if one.varied == "eligible").total_low == pytest.approx(
        0.8 * found.total
    )


def test_the_eligible_grow_by_the_newly_ill():
    found = eligible_population(1e6, prevalence=0.001, incidence=0.0002, years=3, eligible_share=0.5)
    assert found == pytest.approx((500, 600, 700))


def test_impossible_markets_are_refused():
    refused("bad_argument", budget_impact, replace(MARKET, eligible=(1.0, 2.0)))
    refused("bad_argument", budget_impact, replace(MARKET, eligible=(1.0,) * 6))
    refused("bad_argument", budget_impact, replace(MARKET, reimbursement_ratio=1.2))
    refused(
        "shares_exceed", budget_impact, replace(MARKET, treatments=(NEW, replace(OLD, share_with=(1.0,) * 3)))
    )
    refused("lengths_differ", budget_impact, replace(MARKET, treatments=(replace(NEW, share_with=(0.1,)),)))
    refused(
        "bad_argument", budget_impact, replace(MARKET, treatments=(replace(NEW, share_with=(-0.1, 0, 0)),))
    )
    refused("bad_argument", budget_impact, MARKET, ranges={"price": (0.9, 1.1)})
    refused("bad_argument", budget_impact, MARKET, ranges={"eligible": (1.1, 0.9)})
    refused("bad_argument", fund_share, CostItem("x", 1, "A", 0.1), 0.7)
    refused("bad_argument", fund_share, CostItem("x", 1, "D"), 0.7)  # type: ignore[arg-type]  # wrong on purpose
    refused("bad_argument", eligible_population, 1e6, prevalence=2, incidence=0, years=3, eligible_share=1)


RULE = PaymentRule(3.0, 0.4, "actual", "excess", "an invented rule", excess_share=0.5)


def test_outliers_are_paid_by_the_rule_of_the_region():
    """Standard 10 000: 4 000 or less is low and paid as it cost; 30 000 or more is high and gets half the excess."""
    sheet = outlier_sheet(
        [4_000, 9_000, 50_000, 12_000], ["G1", "G1", "G1", "G2"], standards={"G1": 10_000, "G2": 9_000}, rule=RULE,
        product=[0, 0, 1, 1],
    )  # fmt: skip
    assert sheet.kind == ("low", "inlier", "high", "inlier")
    assert list(sheet.paid) == [4_000, 10_000, 10_000 + 0.5 * 20_000, 9_000]
    first = sheet.groups[0]
    assert (first.group, first.cases, first.low, first.high) == ("G1", 3, 1, 1)
    assert first.gain == 1_000 - 30_000 and first.with_product == (1, 50_000, -30_000)
    assert sheet.groups[1].without_product is None and sheet.groups[1].se_gain is None
    assert sheet.total_gain == pytest.approx(sheet.gain.sum()) == sum(one.gain for one in sheet.groups)


def test_standards_come_from_weights_or_points():
    assert drg_standard(1.8, 9_000) == 16_200
    assert dip_standard(1_200, 11.5, hospital_coefficient=1.05) == pytest.approx(14_490)


def test_impossible_sheets_are_refused():
    refused("no_standard", outlier_sheet, [1.0], ["G1"], standards={}, rule=RULE)
    refused("no_subjects", outlier_sheet, [], [], standards={}, rule=RULE)
    refused("bad_argument", outlier_sheet, [1.0], ["G1"], standards={"G1": 0.0}, rule=RULE)
    refused("bad_argument", outlier_sheet, [-1.0], ["G1"], standards={"G1": 1.0}, rule=RULE)
    for wrong in (
        replace(RULE, high_multiple=1.0), replace(RULE, low_multiple=1.0),
        replace(RULE, low_payment="none"), replace(RULE, high_payment="all"), replace(RULE, excess_share=2),
    ):  # fmt: skip
        refused("bad_argument", outlier_sheet, [1.0], ["G1"], standards={"G1": 1.0}, rule=wrong)


def test_the_parameters_of_the_guideline_have_sources():
    found = guideline_parameters()
    assert found.discount_rate == 0.05 and found.discount_range == (0.0, 0.08)
    assert found.thresholds == pytest.approx((found.gdp_per_capita, 3 * found.gdp_per_capita))
    assert all(found.sources.values())
    own = guideline_parameters(gdp_year=2030, gdp_per_capita=120_000)
    assert own.thresholds == (120_000, 360_000) and own.sources["gdp_per_capita"] == "stated by the caller"
    refused("bad_argument", guideline_parameters, gdp_year=1900)
    refused("bad_argument", guideline_parameters, gdp_year=2030, gdp_per_capita=0)
