"""The methods of studies.statistics.safety against R (`safety.json`, made by `safety.R`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from studies.statistics.economics.quantiles import quantiles
from studies.statistics.safety import maxsprt
from studies.statistics.safety.case_intervals import CaseIntervals, case_intervals
from studies.statistics.safety.device_deficiency import funnel_limit
from studies.statistics.safety.disproportionality import (
    information_component,
    proportional_reporting_ratio,
    reporting_odds_ratio,
)
from studies.statistics.safety.event_table import adverse_event_table
from studies.statistics.safety.gamma_poisson import fit_gamma_poisson_prior, shrink
from studies.statistics.safety.onset import weibull_shape
from studies.statistics.safety.rates import event_rate, exact_rate, rate_difference
from studies.statistics.safety.sccs import sccs, upper_bound

R: dict[str, Any] = json.loads((Path(__file__).parent / "safety.json").read_text("utf-8"))["results"]
ESTIMATE, LIMIT, P = 1e-7, 1e-6, 1e-5  # relative
# `prop.test` and `poisson.test` find limits to about 1e-9, `nlm` a maximum to about 1e-6.
BY_NLM = 3e-6


def given(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return R[name]["data"], R[name]["values"]


def rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    return pd.DataFrame(data).to_dict("records")


def test_a_rate_agrees_with_poisson_test():
    """`exact_rate`: the rate and Garwood's limits."""
    _, r = given("rate_exact")
    rate = exact_rate(15, 1200, per=1)
    assert (rate.rate, rate.lower, rate.upper) == pytest.approx(
        (r["rate"], r["lower"], r["upper"]), rel=LIMIT
    )


def test_rates_of_few_and_many_events_agree_with_poisson_test():
    data, r = given("rate_grid")
    for number, one in enumerate(rows(data)):
        rate = exact_rate(int(one["x"]), one["T"], per=1, conf_level=one["level"])
        assert rate.lower == pytest.approx(r["lower"][number], rel=LIMIT, abs=1e-15)
        assert rate.upper == pytest.approx(r["upper"][number], rel=LIMIT)


def test_the_one_sided_upper_limit_agrees_with_poisson_test():
    data, r = given("rate_upper_one_sided")
    for number, one in enumerate(rows(data)):
        rate = exact_rate(int(one["x"]), one["T"], per=1, conf_level=one["level"])
        assert rate.upper_one_sided == pytest.approx(r["upper"][number], rel=LIMIT)


def test_an_event_rate_with_robust_limits_agrees_with_a_poisson_model_and_its_sandwich():
    """`event_rate`: bladder1's recurrences per month."""
    r = R["event_rate_robust"]["values"]
    rate = event_rate(r["data"]["events"], r["data"]["time"], per=1)
    assert rate.rate == pytest.approx(r["rate"], rel=ESTIMATE)
    assert (rate.robust_lower, rate.robust_upper) == pytest.approx((r["lower"], r["upper"]), rel=LIMIT)


def test_rate_differences_agree_with_combined_exact_limits():
    data, r = given("rate_difference_mover")
    for number, one in enumerate(rows(data)):
        found = rate_difference(
            exact_rate(one["x1"], one["t1"], per=1), exact_rate(one["x0"], one["t0"], per=1)
        )
        assert found.value == pytest.approx(r["value"][number], rel=ESTIMATE, abs=1e-15)
        assert (found.lower, found.upper) == pytest.approx(
            (r["lower"][number], r["upper"][number]), rel=LIMIT
        )


def test_the_proportions_of_the_event_table_agree_with_binom_test_and_combined_score_limits():
    """`adverse_event_table`: Clopper-Pearson of each arm, Newcombe's difference."""
    data, r = given("newcombe")
    exact = R["clopper_pearson"]["values"]
    for number, one in enumerate(rows(data)):
        arms = np.repeat(["new", "old"], [one["n1"], one["n0"]])
        with_event = np.concatenate([np.arange(one["x1"]), one["n1"] + np.arange(one["x0"])])
        table = adverse_event_table(
            np.arange(len(arms)),
            np.full(len(arms), 2.0),
            event_subject=with_event,
            event_time=np.ones(len(with_event)),
            term=np.full(len(with_event), "any"),
            group=arms,
            reference="old",
        )
        new = table.rows[0].proportion
        assert new.lower == pytest.approx(exact["lower"][number], rel=LIMIT, abs=1e-15)
        assert new.upper == pytest.approx(exact["upper"][number], rel=LIMIT)
        found = table.differences[0].proportion
        assert found.estimate == pytest.approx(r["value"][number], rel=ESTIMATE)
        assert (found.lower, found.upper) == pytest.approx(
            (r["lower"][number], r["upper"][number]), rel=LIMIT
        )


@pytest.mark.parametrize("name", ["weibull_veteran", "weibull_lung"])
def test_the_shape_of_times_to_onset_agrees_with_survreg(name: str):
    """`weibull_shape` without truncation; survreg itself stops at about 1e-9 of the log-likelihood."""
    data, r = given(name)
    fit = weibull_shape(data["days"])
    assert fit.shape.value == pytest.approx(r["shape"], rel=LIMIT)
    assert (fit.shape.lower, fit.shape.upper) == pytest.approx(
        (r["shape_lower"], r["shape_upper"]), rel=LIMIT
    )
    assert fit.scale.value == pytest.approx(r["scale"], rel=LIMIT)
    assert (fit.scale.se, fit.shape.se) == pytest.approx((r["se_log_scale"], r["se_log_shape"]), rel=LIMIT)
    assert fit.loglik == pytest.approx(r["loglik"], rel=1e-9)


def test_the_shape_under_right_truncation_agrees_with_a_direct_maximum():
    data, r = given("weibull_truncated")
    fit = weibull_shape(data["days"], truncation=data["truncation"])
    assert fit.shape.value == pytest.approx(r["shape"], rel=BY_NLM)
    assert fit.scale.value == pytest.approx(r["scale"], rel=BY_NLM)
    assert (fit.scale.se, fit.shape.se) == pytest.approx((r["se_log_scale"], r["se_log_shape"]), rel=1e-5)
    assert fit.loglik == pytest.approx(r["loglik"], rel=1e-10)


def test_quartiles_and_their_order_statistics_agree():
    data, r = given("quantiles")
    found = quantiles(data["values"])
    assert [one.value for one in found] == pytest.approx(r["value"], rel=ESTIMATE)
    assert [one.lower for one in found] == r["lower"]
    assert [one.upper for one in found] == r["upper"]


def test_the_limits_of_the_funnel_agree_with_interpolated_poisson_quantiles():
    data, r = given("funnel")
    for name, level in (("p025", 0.025), ("p975", 0.975), ("p001", 0.001), ("p999", 0.999)):
        assert funnel_limit(data["expected"], level) == pytest.approx(r[name], rel=LIMIT, abs=1e-12)


def test_reporting_ratios_agree_with_epitools_and_chisq_test():
    """`proportional_reporting_ratio` = riskratio.wald, `reporting_odds_ratio` = oddsratio.wald."""
    data, r = given("disproportionality")
    for number, one in enumerate(rows(data)):
        prr, ror = proportional_reporting_ratio(**one), reporting_odds_ratio(**one, yates=False)
        expected = [r[key][number] for key in ("prr", "prr_lower", "prr_upper")]
        assert [prr.ratio.value, prr.ratio.lower, prr.ratio.upper] == pytest.approx(expected, rel=LIMIT)
        expected = [r[key][number] for key in ("ror", "ror_lower", "ror_upper")]
        assert [ror.ratio.value, ror.ratio.lower, ror.ratio.upper] == pytest.approx(expected, rel=LIMIT)
        assert prr.chisq == pytest.approx(r["chisq_yates"][number], rel=ESTIMATE)
        assert prr.p == pytest.approx(r["p_yates"][number], rel=P)
        assert ror.chisq == pytest.approx(r["chisq"][number], rel=ESTIMATE)


def test_the_information_component_agrees_with_gamma_quantiles():
    data, r = given("ic_gamma")
    found = information_component(data["observed"], data["expected"], interval="gamma")
    assert found.ic == pytest.approx(r["ic"], rel=ESTIMATE)
    assert found.lower == pytest.approx(r["lower"], rel=LIMIT)
    assert found.upper == pytest.approx(r["upper"], rel=LIMIT)


def test_the_gamma_poisson_shrinker_agrees_with_a_direct_maximum_in_r():
    """`fit_gamma_poisson_prior` and `shrink` on the cells of occupationalStatus."""
    data, r = given("gamma_poisson")
    prior = fit_gamma_poisson_prior(data["observed"], data["expected"])
    assert [prior.alpha1, prior.beta1, prior.alpha2, prior.beta2, prior.p] == pytest.approx(
        r["theta"], rel=1e-4
    )  # a flat maximum: the log-likelihood below agrees to 1e-10
    assert prior.loglik == pytest.approx(r["loglik"], rel=1e-10)
    found = shrink(data["observed"], data["expected"], prior)
    assert found.ebgm == pytest.approx(r["ebgm"], rel=1e-5)
    assert found.eb05 == pytest.approx(r["eb05"], rel=1e-5)
    assert found.eb95 == pytest.approx(r["eb95"], rel=1e-5)


def series(name: str) -> CaseIntervals:
    data = R[name]["data"]
    exposure = [
        (case, day)
        for column in ("exposure", "second")
        for case, day in enumerate(data[column])
        if day is not None
    ]
    return case_intervals(
        data["start"],
        data["end"],
        event_case=data["event_case"],
        event_day=data["event_day"],
        exposure_case=[case for case, _ in exposure],
        exposure_day=[day for _, day in exposure],
        risk_windows={"0-13": (0, 13), "14-41": (14, 41)},
        pre_exposure=14,
        age_cuts=[120, 200, 280],
    )


@pytest.mark.parametrize("name", ["sccs_one_event", "sccs_repeated_events"])
def test_a_case_series_agrees_with_poisson_regression_with_a_factor_for_every_case(name: str):
    """`sccs` on pieces that `case_intervals` cut, against one row for each day."""
    r = R[name]["values"]
    fit = sccs(series(name))
    assert fit.coef == pytest.approx(r["coef"], rel=ESTIMATE)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(r["se"], rel=LIMIT)
    assert [one.events for one in fit.risks] == r["events"]
    assert [one.days for one in fit.risks] == r["days"]


def test_a_case_series_agrees_with_clogit_and_its_robust_variance():
    r = R["sccs_one_event"]["values"]
    intervals = series("sccs_one_event")
    assert sccs(intervals).coef == pytest.approx(r["clogit_coef"], rel=ESTIMATE)
    assert np.sqrt(np.diag(sccs(intervals).covariance)) == pytest.approx(r["clogit_se"], rel=LIMIT)
    # clogit counts days one by one, pieces count them together: the likelihoods differ by a constant.
    days = intervals.days[intervals.events > 0]
    assert sccs(intervals).loglik - np.log(days).sum() == pytest.approx(r["loglik"], rel=1e-10)
    robust = sccs(intervals, robust=True)
    assert np.sqrt(np.diag(robust.covariance)) == pytest.approx(r["robust_se"], rel=LIMIT)


def test_profile_limits_agree_with_a_profiled_poisson_regression():
    r = R["sccs_profile"]["values"]
    found = sccs(series("sccs_profile"), conf_type="profile").risks[0].estimate
    assert (found.lower, found.upper) == pytest.approx((r["lower"], r["upper"]), rel=LIMIT)


def test_without_events_in_a_window_the_upper_bound_agrees_with_a_profiled_poisson_regression():
    r = R["sccs_upper_bound"]["values"]
    assert upper_bound(series("sccs_upper_bound"), "0-13") == pytest.approx(r["upper"], rel=LIMIT)


def test_critical_values_of_the_poisson_maxsprt_agree_with_sequential():
    """`poisson_critical_value`: 2.853937 is Kulldorff et al.'s (2011) table; the package stops at 1e-7."""
    r = R["maxsprt_poisson_cv"]["values"]
    for one in rows(r):
        found = maxsprt.poisson_critical_value(
            one["limit"],
            first_look=one["first_look"],
            minimum_events=int(one["minimum_events"]),
            alpha=one["alpha"],
        )
        assert found.cv == pytest.approx(one["cv"], rel=3e-7)
        assert found.alpha <= one["alpha"]


def test_power_and_time_to_signal_of_the_poisson_maxsprt_agree_with_sequential():
    for one in rows(R["maxsprt_poisson_performance"]["values"]):
        found = maxsprt.poisson_performance(
            one["limit"],
            cv=one["cv"],
            relative_risk=one["relative_risk"],
            first_look=one["first_look"],
            minimum_events=int(one["minimum_events"]),
        )
        assert found.power == pytest.approx(one["power"], rel=ESTIMATE)
        # With a late first look the package's mean time is 0.3 % above ours; simulation agrees with ours
        # (test_simulated_maxsprt.py). Without one they are equal.
        close = ESTIMATE if one["first_look"] == 0 else 0.004
        assert found.time_to_signal == pytest.approx(one["time"], rel=close)
        assert found.length == pytest.approx(one["length"], rel=close)


def test_a_group_sequential_design_agrees_with_sequential():
    r = R["maxsprt_group_performance"]["values"]
    found = maxsprt.poisson_performance(10, cv=2.02, relative_risk=2, looks=[2, 4, 6, 8, 10])
    assert (found.power, found.time_to_signal, found.length) == pytest.approx(
        (r["power"], r["time"], r["length"]), rel=ESTIMATE
    )


def test_the_binomial_maxsprt_agrees_with_sequential():
    """The package's critical value lies between two attainable ones; the chance of a false signal is the same."""
    for one in rows(R["maxsprt_binomial_cv"]["values"]):
        found = maxsprt.binomial_critical_value(
            int(one["limit"]),
            matching_ratio=one["matching_ratio"],
            alpha=one["alpha"],
            minimum_cases=int(one["minimum_cases"]),
        )
        assert found.alpha == pytest.approx(one["alpha_reached"], rel=ESTIMATE)
    r = R["maxsprt_binomial_performance"]["values"]
    found = maxsprt.binomial_performance(50, cv=3, matching_ratio=1, relative_risk=2)
    assert (found.power, found.time_to_signal, found.length) == pytest.approx(
        (r["power"], r["time"], r["length"]), rel=ESTIMATE
    )
