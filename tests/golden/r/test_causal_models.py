"""Regression, weights, weighted estimators and matching errors against R (causal_models.json, by causal_models.R)."""

from __future__ import annotations

import numpy as np
import pytest

from studies.statistics.causal.adjusted_curves import iptw_curves, weighted_curves
from studies.statistics.causal.aipw import aipw
from studies.statistics.causal.balance import balance, overlap_coefficient
from studies.statistics.causal.entropy_balancing import entropy_balance, entropy_balanced_means
from studies.statistics.causal.g_computation import g_computation
from studies.statistics.causal.iptw_cox import iptw_cox
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.causal.logistic import fit_logistic
from studies.statistics.causal.matched_effect import abadie_imbens, matched_difference
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.weighted_means import ipw_means, weighted_means
from studies.statistics.causal.weights import CommonSupport, Crump, Percentile, weights
from studies.statistics.survival.cox import fit_cox
from tests.golden.r.causal_frames import (
    ERROR,
    ESTIMATE,
    P,
    columns,
    expected,
    lalonde,
    lalonde_x,
    lung,
    rotterdam,
    rotterdam_x,
)

R = expected("causal_models")
ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM", "ATE_stabilised")


def values(name: str):
    return R[name]["values"]


def regressions():
    rot, sick, men = rotterdam(), lung(), lalonde()
    x = columns(sick, "age", "sex", "ph.ecog", "wt.loss")
    return {
        "glm_rotterdam": (fit_logistic, rot.hormon, rotterdam_x(size=False), {}, rot.year),
        "glm_lung_weighted": (fit_logistic, sick.dead, x, {"weights": sick.w}, sick.inst),
        "glm_lung_offset": (fit_logistic, sick.dead, x[:, :2], {"offset": np.log(sick.time) / 3}, sick.inst),
        "glm_lung_no_intercept": (fit_logistic, sick.dead, x[:, :2], {"intercept": False}, sick.inst),
        "lm_lalonde": (
            fit_least_squares,
            men.re78,
            columns(men, "treat", "age", "educ", "re74", "married"),
            {},
            men.educ,
        ),
        "lm_lung_weighted": (
            fit_least_squares,
            sick["wt.loss"],
            columns(sick, "age", "sex", "ph.karno"),
            {"weights": sick.w},
            sick.inst,
        ),
    }


@pytest.mark.parametrize("name", list(regressions()))
def test_fit_logistic_and_fit_least_squares_give_glm_lm_and_sandwich(name):
    """Coefficients, model errors, HC0 to HC3, and clusters with and without their corrections."""
    fit, y, x, options, cluster = regressions()[name]
    wanted = values(name)
    for kind in ("model", "HC0", "HC1", "HC2", "HC3"):
        found = fit(y, x, covariance=kind, **options)
        assert found.coef == pytest.approx(wanted["coef"], rel=ESTIMATE)
        assert found.se == pytest.approx(wanted[kind], rel=ERROR)
    for kind in ("HC0", "HC1"):
        assert fit(y, x, covariance=kind, cluster=cluster, **options).se == pytest.approx(
            wanted[f"CL_{kind}"], rel=ERROR
        )
    plain = fit(y, x, cluster=cluster, cluster_adjust=False, **options)
    assert plain.se == pytest.approx(wanted["CL_HC0_noadj"], rel=ERROR)


@pytest.mark.parametrize(
    "name", ["glm_rotterdam", "glm_lung_weighted", "glm_lung_offset", "glm_lung_no_intercept"]
)
def test_fit_logistic_gives_the_deviances_of_glm(name):
    _, y, x, options, _ = regressions()[name]
    found = fit_logistic(y, x, **options)
    assert found.deviance == pytest.approx(values(name)["deviance"], rel=ESTIMATE)
    assert found.null_deviance == pytest.approx(values(name)["null_deviance"], rel=ESTIMATE)


def test_fit_logistic_gives_the_likelihood_p_values_and_wald_limits_of_glm():
    wanted = values("glm_rotterdam")
    found = fit_logistic(rotterdam().hormon, rotterdam_x(size=False))
    assert found.loglik == pytest.approx(wanted["loglik"], rel=ESTIMATE)
    assert found.p == pytest.approx(wanted["p"], rel=P)
    assert np.column_stack([found.lower, found.upper]) == pytest.approx(
        np.array(wanted["confint"]), rel=ERROR
    )


@pytest.mark.parametrize("name", ["lm_lalonde", "lm_lung_weighted"])
def test_fit_least_squares_gives_sigma_r_squared_p_values_and_t_limits_of_lm(name):
    _, y, x, options, _ = regressions()[name]
    found, wanted = fit_least_squares(y, x, **options), values(name)
    assert found.sigma == pytest.approx(wanted["sigma"], rel=ESTIMATE)
    assert found.r_squared == pytest.approx(wanted["r_squared"], rel=ESTIMATE)
    assert found.p == pytest.approx(wanted["p"], rel=P)
    assert np.column_stack([found.lower, found.upper]) == pytest.approx(
        np.array(wanted["confint"]), rel=ERROR
    )


@pytest.mark.parametrize("name", ["svyglm_lung", "svyglm_lung_cluster"])
def test_fit_logistic_and_fit_least_squares_give_svyglm(name):
    """The linearised variance of a survey is HC0 by cluster, each row its own cluster where there is none."""
    d, wanted = lung(), values(name)
    cluster = np.arange(len(d)) if name == "svyglm_lung" else d.inst
    x = columns(d, "age", "sex")
    found = fit_logistic(d.dead, x, weights=d.w, covariance="HC0", cluster=cluster)
    assert found.coef == pytest.approx(wanted["coef"], rel=ESTIMATE)
    assert found.se == pytest.approx(wanted["se"], rel=ERROR)
    linear = fit_least_squares(d["wt.loss"], x, weights=d.w, covariance="HC0", cluster=cluster)
    assert linear.coef == pytest.approx(wanted["linear_coef"], rel=ESTIMATE)
    assert linear.se == pytest.approx(wanted["linear_se"], rel=ERROR)


def test_fit_logistic_and_fit_least_squares_give_geeglm_with_independence():
    d, wanted = lung(), values("geeglm_lung")
    x = columns(d, "age", "sex")
    found = fit_logistic(d.dead, x, weights=d.w, cluster=d.inst, cluster_adjust=False)
    assert found.coef == pytest.approx(wanted["coef"], rel=ESTIMATE)
    assert found.se == pytest.approx(wanted["se"], rel=ERROR)
    assert found.p == pytest.approx(wanted["p"], rel=P)
    linear = fit_least_squares(d["wt.loss"], x, weights=d.w, cluster=d.inst, cluster_adjust=False)
    assert linear.coef == pytest.approx(wanted["linear_coef"], rel=ESTIMATE)
    assert linear.se == pytest.approx(wanted["linear_se"], rel=ERROR)


@pytest.fixture(scope="module")
def score():
    return propensity_score(rotterdam().hormon, rotterdam_x()).score


def weighted(name: str, score):
    stabilised = name.endswith("_stabilised")
    return weights(
        score, rotterdam().hormon, estimand=name.removesuffix("_stabilised"), stabilised=stabilised
    )


@pytest.mark.parametrize("name", ESTIMANDS)
def test_weights_of_every_estimand(name, score):
    made, wanted = weighted(name, score), values(f"weights_{name}")
    assert made.weights.sum() == pytest.approx(wanted["sum"], rel=ESTIMATE)
    assert made.largest == pytest.approx(wanted["max"], rel=ESTIMATE)
    assert (made.ess_treated, made.ess_comparator) == pytest.approx(wanted["ess"], rel=ESTIMATE)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_iptw_cox_gives_coxph_with_weights_and_robust_errors(name, score):
    d, wanted = rotterdam(), values(f"weights_{name}")
    for ties, prefix in (("efron", ""), ("breslow", "breslow_")):
        found = iptw_cox(
            d.rfstime, d.rfs, d.hormon, rotterdam_x(), ties=ties,
            estimand=name.removesuffix("_stabilised"), stabilised=name.endswith("_stabilised"),
        )  # fmt: skip
        assert found.coef == pytest.approx(wanted[f"{prefix}coef"], rel=ESTIMATE)
        assert found.hr_known_weights.se == pytest.approx(wanted[f"{prefix}se"], rel=ERROR)
    again = fit_cox(
        columns(d, "hormon"), d.rfstime, d.rfs, weights=weighted(name, score).weights, robust=True
    )
    assert again.se[0] == pytest.approx(wanted["se"], rel=ERROR)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_weighted_curves_give_survfit_with_weights(name, score):
    """Survival, robust errors and log-log limits at 1, 5 and 10 years; R lists the comparators first."""
    d, wanted = rotterdam(), values(f"weights_{name}")
    found = weighted_curves(
        d.rfstime, d.rfs, d.hormon, weighted(name, score).weights, times=[365, 1826.25, 3652.5]
    )
    arms = (found.comparator, found.treated)
    assert np.concatenate([arm.surv for arm in arms]) == pytest.approx(wanted["surv"], rel=ESTIMATE)
    assert np.concatenate([arm.std_err for arm in arms]) == pytest.approx(wanted["std_err"], rel=ERROR)
    assert np.concatenate([arm.lower for arm in arms]) == pytest.approx(wanted["lower"], rel=ERROR)
    assert np.concatenate([arm.upper for arm in arms]) == pytest.approx(wanted["upper"], rel=ERROR)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_weighted_means_give_geeglm_with_weights(name, score):
    d, wanted = rotterdam(), values(f"weights_{name}")
    found = weighted_means(d.rfs, d.hormon, weighted(name, score).weights).difference
    assert found.value == pytest.approx(wanted["mean_difference"], rel=ESTIMATE)
    assert found.se == pytest.approx(wanted["mean_se"], rel=ERROR)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_balance_by_every_denominator(name, score):
    d, wanted = rotterdam(), values(f"weights_{name}")["nodes"]
    w = weighted(name, score).weights
    for denominator in ("weighted", "treated", "comparator", "all", "pooled"):
        found = balance(d.nodes, d.hormon, weights=w, denominator=denominator).covariates[0]
        assert found.smd == pytest.approx(wanted[f"smd_{denominator}"], rel=ESTIMATE, abs=1e-9)
    assert found.variance_ratio == pytest.approx(wanted["variance_ratio"], rel=ESTIMATE)
    assert found.ecdf_max == pytest.approx(wanted["ks"], rel=ESTIMATE)


def test_weights_report_whom_a_trimming_rule_left_out(score):
    a, wanted = rotterdam().hormon, values("trimming")
    crump = weights(score, a, trim=Crump(0.1))
    assert [crump.trimmed_treated, crump.trimmed_comparator] == wanted["crump"]
    percentile = weights(score, a, trim=Percentile(0.05, 0.95))
    assert [percentile.lower_score, percentile.upper_score] == pytest.approx(
        wanted["percentile"], rel=ESTIMATE
    )
    support = weights(score, a, trim=CommonSupport())
    assert [support.lower_score, support.upper_score] == pytest.approx(wanted["support"], rel=ESTIMATE)
    truncated = weights(score, a, truncate=(0.01, 0.99))
    assert truncated.weights.sum() == pytest.approx(wanted["truncated_sum"], rel=ESTIMATE)


def test_overlap_coefficient_equals_the_area_under_exact_kernels(score):
    """Binning costs digits: 1e-5."""
    found = overlap_coefficient(score, rotterdam().hormon)
    assert found == pytest.approx(values("overlap")["overlap"], rel=1e-5)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_ipw_means_give_the_stacked_error_by_numeric_derivatives(estimand):
    d, wanted = rotterdam(), values(f"stacked_{estimand}")
    found = ipw_means(d.rfs, d.hormon, rotterdam_x(), estimand=estimand)
    assert found.difference.value == pytest.approx(wanted["difference"], rel=ESTIMATE)
    assert found.difference.se == pytest.approx(wanted["se"], rel=ERROR)
    assert [found.mean_treated.se, found.mean_comparator.se] == pytest.approx(wanted["se_means"], rel=ERROR)


def test_aipw_by_arm_for_everybody_and_for_the_treated():
    d, wanted = rotterdam(), values("aipw_rotterdam")
    for estimand in ("ATE", "ATT"):
        found = aipw(d.rfs, d.hormon, rotterdam_x(), by_arm=True, estimand=estimand).difference
        assert found.value == pytest.approx(wanted[estimand.lower()], rel=ESTIMATE)
        assert found.se == pytest.approx(wanted["se" if estimand == "ATE" else "att_se"], rel=ERROR)


def test_g_computation_with_a_logistic_model():
    d, wanted = rotterdam(), values("gcomp_logistic_rotterdam")
    found = g_computation(d.rfs, d.hormon, rotterdam_x(), family="logistic")
    assert found.mean_treated.value == pytest.approx(wanted["one"], rel=ESTIMATE)
    assert found.mean_comparator.value == pytest.approx(wanted["zero"], rel=ESTIMATE)
    assert found.difference.value == pytest.approx(wanted["difference"], rel=ESTIMATE)
    assert found.difference.se == pytest.approx(wanted["se"], rel=ERROR)
    treated = g_computation(d.rfs, d.hormon, rotterdam_x(), family="logistic", estimand="ATT")
    assert treated.difference.value == pytest.approx(wanted["att"], rel=ESTIMATE)


@pytest.mark.parametrize("moments", [1, 2])
def test_entropy_balance_for_the_treated(moments):
    """R's BFGS stops at 1e-8 of the gradient: tolerance 1e-5."""
    d, wanted = lalonde(), values(f"ebal_lalonde_moments_{moments}")
    found = entropy_balanced_means(d.re78, d.treat, lalonde_x(), moments=moments)
    assert found.difference.value == pytest.approx(wanted["att"], rel=1e-5)
    assert found.ess_comparator == pytest.approx(wanted["ess"], rel=1e-5)


def test_entropy_balance_for_everybody():
    d, wanted = lalonde(), values("ebal_lalonde_ate")
    found = entropy_balanced_means(d.re78, d.treat, lalonde_x(), estimand="ATE")
    assert found.difference.value == pytest.approx(wanted["ate"], rel=1e-5)
    made = entropy_balance(d.treat, lalonde_x(), estimand="ATE")
    assert [made.ess_treated, made.ess_comparator] == pytest.approx(wanted["ess"], rel=1e-5)


@pytest.mark.parametrize("ratio", [1, 3])
@pytest.mark.parametrize("neighbours", [1, 2])
def test_abadie_imbens_gives_matching_match(ratio, neighbours):
    given, wanted = R["abadie_imbens_data"], values(f"abadie_imbens_{ratio}_{neighbours}")
    for estimand, prefix in (("ATT", ""), ("ATC", "atc_")):
        matched = match_nearest(given["treated"], given["x"], ratio=ratio, replace=True, estimand=estimand)
        found = abadie_imbens(
            given["y"], given["treated"], matched, distance=given["x"], neighbours=neighbours
        ).difference
        assert found.value == pytest.approx(wanted[estimand.lower()], rel=ESTIMATE)
        assert found.se == pytest.approx(wanted[f"{prefix}se"], rel=ERROR)


def test_matched_difference_clusters_by_matched_pair():
    d, wanted = lalonde(), values("matched_cluster")
    logit = propensity_score(d.treat, lalonde_x()).logit
    found = matched_difference(
        d.re78, d.treat, match_nearest(d.treat, logit, search="MatchIt 4.5.1")
    ).difference
    assert found.value == pytest.approx(wanted["att"], rel=ESTIMATE)
    assert found.se == pytest.approx(wanted["se"], rel=ERROR)


def test_curves_with_the_estimated_score_have_the_same_values_as_with_known_weights(score):
    """And other errors: only the point estimates are R's."""
    d, wanted = rotterdam(), values("weights_ATE")
    found = iptw_curves(d.rfstime, d.rfs, d.hormon, rotterdam_x(), times=[365, 1826.25, 3652.5])
    assert np.concatenate([found.comparator.surv, found.treated.surv]) == pytest.approx(
        wanted["surv"], rel=ESTIMATE
    )
