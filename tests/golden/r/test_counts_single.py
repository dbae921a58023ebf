"""`studies.statistics.counts` against R for one group: proportions, criteria, rates (`counts.R` made `counts.json`).

Tolerances, relative: 1e-7 on estimates, 1e-6 on limits and standard errors, 1e-5 on p. Most agree to 1e-9.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.counts.criterion_power import criterion_power, criterion_sample_size
from studies.statistics.counts.performance_criterion import (
    Criterion,
    against_criterion,
    survival_against_criterion,
)
from studies.statistics.counts.proportions import binomial_test, proportion
from studies.statistics.counts.rate_comparison import rate_difference, rate_ratio
from studies.statistics.counts.rates import person_years, poisson_test, rate, rate_heterogeneity
from studies.statistics.counts.standardised_rates import standardised_rate, standardised_ratio

R: dict[str, Any] = json.loads((Path(__file__).parent / "counts.json").read_text("utf-8"))["results"]
ESTIMATE, LIMIT, P = 1e-7, 1e-6, 1e-5

# Facts of the reference set that belong here (binom_opc, rate_exact, irr_exact, pyears_lung).
BINOM_OPC = {"p_one": 0.04802721937, "lower_one": 0.8011669975, "p_two": 0.07883064215}
BINOM_OPC_LIMITS = (0.7818646336, 0.9667249064)
RATE_EXACT = {"rate": 0.0125, "lower": 0.006996155111, "upper": 0.02061684906}
IRR_EXACT = {"irr": 0.5, "lower": 0.2450840765, "upper": 0.9861131567, "p": 0.03804457134}


def named(prefix: str) -> list[Any]:
    found = [pytest.param(R[name], id=name) for name in R if name.startswith(prefix)]
    assert found, prefix
    return found


def same(value: float | None, expected: float | None, tolerance: float) -> None:
    """Equal, or both open (R's Inf is None here)."""
    assert (value is None) == (expected is None)
    if value is not None:
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-14)


@pytest.mark.parametrize("r", named("binom_"))
def test_binomial_test_agrees_with_binom_test(r):
    result = binomial_test(**r["arguments"])
    expected = r["values"]
    assert result.estimate == pytest.approx(expected["estimate"], rel=ESTIMATE)
    assert result.p == pytest.approx(expected["p"], rel=P)
    assert result.lower == pytest.approx(expected["lower"], rel=LIMIT)
    assert result.upper == pytest.approx(expected["upper"], rel=LIMIT)


def test_binomial_test_agrees_with_the_reference_set_binom_opc():
    one = binomial_test(45, 50, 0.8, alternative="greater")
    two = binomial_test(45, 50, 0.8)
    assert one.p == pytest.approx(BINOM_OPC["p_one"], rel=ESTIMATE)
    assert one.lower == pytest.approx(BINOM_OPC["lower_one"], rel=ESTIMATE)
    assert two.p == pytest.approx(BINOM_OPC["p_two"], rel=ESTIMATE)
    assert (two.lower, two.upper) == pytest.approx(BINOM_OPC_LIMITS, rel=ESTIMATE)
    arm = against_criterion(45, 50, Criterion(0.8, "literature"), alpha=0.05)
    assert (arm.p, arm.bound) == pytest.approx((one.p, one.lower), rel=1e-12)


@pytest.mark.parametrize("method", ["wilson", "wilson-cc", "wald", "jeffreys", "mid-p"])
def test_proportion_agrees_with_epitools_prop_test_and_r_quantiles(method):
    for name in R:
        if name.split("_")[0] == method.replace("-", ""):
            result = proportion(**R[name]["arguments"], method=method)
            assert (result.lower, result.upper) == pytest.approx(
                (R[name]["values"]["lower"], R[name]["values"]["upper"]), rel=LIMIT, abs=1e-12
            ), name


@pytest.mark.parametrize("r", named("criterion_power_"))
def test_criterion_power_agrees_with_a_sum_of_dbinom(r):
    a = r["arguments"]
    result = criterion_power(a["n"], a["p1"], Criterion(a["criterion"], "x"), alpha=a["alpha"])
    assert result.critical == r["values"]["critical"]
    assert (result.power, result.size) == pytest.approx(
        (r["values"]["power"], r["values"]["size"]), rel=ESTIMATE
    )


@pytest.mark.parametrize("r", named("criterion_n_"))
def test_criterion_sample_size_agrees_with_a_search_over_pbinom(r):
    a = r["arguments"]
    result = criterion_sample_size(
        a["p1"], Criterion(a["criterion"], "x"), power=a["power"], alpha=a["alpha"]
    )
    assert (result.first_n, result.n) == (r["values"]["first_n"], r["values"]["n"])


@pytest.mark.parametrize("r", named("km_criterion_"))
def test_survival_against_criterion_agrees_with_survfit_log_log(r):
    arguments, values = r["arguments"], r["values"]
    given = (arguments["time"], arguments["survival"], arguments["se"])
    for direction, end in (("at least", "lower"), ("at most", "upper")):
        result = survival_against_criterion(*given, Criterion(0.6, "x", direction), alpha=arguments["alpha"])
        assert result.bound == pytest.approx(values[end], rel=LIMIT)


@pytest.mark.parametrize("r", [one for one in named("poisson_") if "rate0" in one.values[0]["arguments"]])
def test_poisson_test_agrees_with_r(r):
    result, expected = poisson_test(**r["arguments"]), r["values"]
    same(result.estimate, expected["estimate"], ESTIMATE)
    same(result.p, expected["p"], P)
    same(result.lower, expected["lower"], LIMIT)
    same(result.upper, expected["upper"], LIMIT)


@pytest.mark.parametrize(
    ("prefix", "method", "tolerance"),
    # pois.exact() stops its root search up to 2e-5 from the limits; poisson.test() is exact.
    [
        ("pois_exact_", "garwood", 1e-4),
        ("pois_midp_", "mid-p", LIMIT),
        ("pois_byar_", "byar", LIMIT),
        ("pois_half_", "byar-mid", LIMIT),
    ],
)
def test_rate_agrees_with_epitools_and_r_quantiles(prefix, method, tolerance):
    for param in named(prefix):
        r = param.values[0]
        result = rate(**r["arguments"], method=method)
        expected = (r["values"]["lower"], r["values"]["upper"])
        assert (result.lower, result.upper) == pytest.approx(expected, rel=tolerance)


def test_rate_and_rate_ratio_agree_with_the_reference_set():
    one = rate(15, 1200)
    assert (one.estimate, one.lower, one.upper) == pytest.approx(tuple(RATE_EXACT.values()), rel=ESTIMATE)
    two = rate_ratio((15, 25), (1200, 1000))
    assert (two.estimate, two.lower, two.upper, two.p) == pytest.approx(
        tuple(IRR_EXACT.values()), rel=ESTIMATE
    )


@pytest.mark.parametrize("r", named("ratetest_"))
def test_rate_ratio_agrees_with_poisson_test_of_two_counts(r):
    result, expected = rate_ratio(**r["arguments"]), r["values"]
    same(result.estimate, expected["estimate"], ESTIMATE)
    same(result.p, expected["p"], P)
    same(result.lower, expected["lower"], LIMIT)
    same(result.upper, expected["upper"], LIMIT)


@pytest.mark.parametrize("r", named("rateratio_wald_"))
def test_rate_ratio_by_wald_and_by_score_agree_with_epitools(r):
    result = rate_ratio(**r["arguments"], method="wald")
    assert result.estimate == pytest.approx(r["values"]["estimate"], rel=ESTIMATE)
    assert (result.lower, result.upper) == pytest.approx(
        (r["values"]["lower"], r["values"]["upper"]), rel=LIMIT
    )
    assert rate_ratio(**r["arguments"], method="score").p == pytest.approx(r["values"]["p_score"], rel=P)


@pytest.mark.parametrize("r", named("rateratio_midp_"))
def test_rate_ratio_by_mid_p_agrees_with_epitools(r):
    """epitools' uniroot() stops 1.2e-4 from the root of the share; its p is exact."""
    result = rate_ratio(**r["arguments"], method="mid-p")
    assert result.p == pytest.approx(r["values"]["p"], rel=P)
    for end in ("estimate", "lower", "upper"):
        assert getattr(result, end) == pytest.approx(r["values"][end], rel=2e-3)


@pytest.mark.parametrize("r", named("ratediff_score_"))
def test_rate_difference_by_score_agrees_with_a_numerical_search_in_r(r):
    """R's brute force finds the null rates to about 1e-9 only, which its p shows."""
    result = rate_difference(**r["arguments"])
    assert result.estimate == pytest.approx(r["values"]["estimate"], rel=ESTIMATE)
    assert (result.lower, result.upper) == pytest.approx(
        (r["values"]["lower"], r["values"]["upper"]), rel=LIMIT
    )
    assert result.p == pytest.approx(r["values"]["p"], rel=P)


def test_person_years_agree_with_pyears():
    """lung by sex in years (also the reference set's pyears_lung), and heart with late entry."""
    import pandas as pd
    from survival.datasets import load_heart, load_lung

    lung = pd.DataFrame(load_lung())
    result = person_years(lung["time"], lung["status"] == 2, group=lung["sex"], scale=365.25)
    values = R["pyears_lung"]["values"]
    assert [one.person_time for one in result.rates] == pytest.approx(values["pyears"], rel=ESTIMATE)
    assert [one.person_time for one in result.rates] == pytest.approx(
        [107.0116359, 83.52361396], rel=ESTIMATE
    )
    assert [one.events for one in result.rates] == values["event"] == [112, 53]
    assert list(result.n) == values["n"]
    heart = pd.DataFrame(load_heart())
    late = person_years(heart["stop"], heart["event"], entry=heart["start"], group=heart["surgery"])
    values = R["pyears_heart"]["values"]
    assert [one.person_time for one in late.rates] == pytest.approx(values["pyears"], rel=ESTIMATE)
    assert [one.events for one in late.rates] == values["event"]


def test_rate_heterogeneity_agrees_with_the_deviance_of_glm():
    r = R["rates_heterogeneity"]
    result = rate_heterogeneity(**r["arguments"])
    assert (result.chisq, result.df) == pytest.approx((r["values"]["chisq"], r["values"]["df"]), rel=ESTIMATE)
    assert result.p == pytest.approx(r["values"]["p"], rel=P)


def test_standardised_rates_agree_with_epitools():
    direct = R["direct"]
    result = standardised_rate(**direct["arguments"])
    for name, expected in direct["values"].items():
        assert getattr(result, name) == pytest.approx(expected, rel=ESTIMATE)
    indirect = R["indirect"]
    ratio = standardised_ratio(**indirect["arguments"], method="log-wald")
    values = indirect["values"]
    assert (ratio.observed, ratio.expected) == pytest.approx(
        (values["observed"], values["expected"]), rel=ESTIMATE
    )
    seen = (ratio.ratio.estimate, ratio.ratio.lower, ratio.ratio.upper)
    assert seen == pytest.approx((values["estimate"], values["lower"], values["upper"]), rel=ESTIMATE)
    assert np.isfinite(standardised_ratio(**indirect["arguments"]).ratio.p)
