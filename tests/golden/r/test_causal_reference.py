"""The R results this project is held to, the causal part (causal_reference.json); each test names the function."""

from __future__ import annotations

import numpy as np
import pytest

from studies.statistics.causal.adjusted_curves import weighted_curves
from studies.statistics.causal.aipw import aipw
from studies.statistics.causal.balance import balance
from studies.statistics.causal.cem import match_cem
from studies.statistics.causal.entropy_balancing import entropy_balanced_means
from studies.statistics.causal.g_computation import g_computation, g_computation_model
from studies.statistics.causal.g_estimation import g_estimation
from studies.statistics.causal.iptw_cox import iptw_cox
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.causal.logistic import auc
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.pooled_logistic import pooled_logistic_curves
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.weighted_means import weighted_means
from studies.statistics.causal.weights import weights
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.log_rank import log_rank
from tests.golden.r.causal_frames import (
    ERROR,
    ESTIMATE,
    P,
    expected,
    lalonde,
    lalonde_x,
    rotterdam,
    rotterdam_x,
)
from tests.golden.whatif import MONTHS, Nhefs

R = expected("causal_reference")


def values(name: str):
    return R[name]["values"]


@pytest.fixture(scope="module")
def nhefs():
    return Nhefs()


def test_propensity_score_on_rotterdam():
    d, wanted = rotterdam(), values("ps_rotterdam")
    found = propensity_score(d.hormon, rotterdam_x())
    assert found.model.coef == pytest.approx(wanted["coef"], rel=ESTIMATE)
    assert found.model.se == pytest.approx(wanted["se"], rel=ERROR)
    assert found.score[:5] == pytest.approx(wanted["ps_first5"], rel=ESTIMATE)
    assert found.c_statistic == pytest.approx(wanted["auc"], rel=ESTIMATE)
    assert auc(found.score, d.hormon) == found.c_statistic


def test_balance_before_weighting_on_rotterdam():
    found = balance(rotterdam_x(), rotterdam().hormon)
    assert [one.smd for one in found.covariates] == pytest.approx(
        values("smd_unadj_rotterdam")["smd"], rel=ESTIMATE
    )


@pytest.mark.parametrize(
    ("name", "stabilised"), [("iptw_ate_rotterdam", False), ("iptw_stab_rotterdam", True)]
)
def test_iptw_cox_balance_and_weighted_curves_on_rotterdam(name, stabilised):
    d, wanted = rotterdam(), values(name)
    found = iptw_cox(d.rfstime, d.rfs, d.hormon, rotterdam_x(), stabilised=stabilised)
    fit, ratio = found.fit, found.hr_known_weights
    assert found.coef == pytest.approx(wanted["coef"], rel=ESTIMATE)
    assert ratio.value == pytest.approx(wanted["hr"], rel=ESTIMATE)
    assert (ratio.se, ratio.lower, ratio.upper) == pytest.approx(
        (wanted["se"], wanted["lower"], wanted["upper"]), rel=ERROR
    )
    assert ratio.p == pytest.approx(wanted["p"], rel=P)
    assert fit.naive_se[0] == pytest.approx(wanted["naive_se"], rel=ERROR)
    assert (fit.loglik0, fit.loglik) == pytest.approx((wanted["loglik0"], wanted["loglik"]), rel=ESTIMATE)
    assert fit.lrt.chisq == pytest.approx(wanted["lrt"], rel=ESTIMATE)
    assert fit.score.chisq == pytest.approx(wanted["score"], rel=ESTIMATE)
    assert round(fit.wald.chisq, 2) == wanted["wald"]
    assert (fit.n, fit.events) == (wanted["n"], wanted["nevent"])
    index = fit.concordance()
    assert index.concordance == pytest.approx(wanted["concordance"], rel=ESTIMATE)
    assert index.se == pytest.approx(wanted["concordance_se"], rel=ERROR)
    w = found.weights
    assert (w.ess_comparator, w.ess_treated) == pytest.approx(wanted["ess_control_treated"], rel=ESTIMATE)
    smd = [one.smd for one in balance(rotterdam_x(), d.hormon, weights=w.weights).covariates]
    assert smd == pytest.approx(wanted["smd"], rel=ESTIMATE)
    curves = weighted_curves(d.rfstime, d.rfs, d.hormon, w.weights, times=wanted["wkm_times"][:2])
    arms = (curves.comparator, curves.treated)
    assert np.concatenate([arm.surv for arm in arms]) == pytest.approx(wanted["wkm_surv"], rel=ESTIMATE)
    assert np.concatenate([arm.std_err for arm in arms]) == pytest.approx(wanted["wkm_se"], rel=ERROR)


def test_fit_cox_gives_svycoxph_up_to_the_survey_correction():
    """svycoxph multiplies the robust variance by n/(n - 1) and nothing else."""
    d, wanted = rotterdam(), values("iptw_svycoxph_rotterdam")
    w = weights(propensity_score(d.hormon, rotterdam_x()).score, d.hormon, stabilised=True).weights
    fit = fit_cox(d.hormon.to_numpy(dtype=float), d.rfstime, d.rfs, weights=w, robust=True)
    assert fit.coef[0] == pytest.approx(wanted["coef"], rel=ESTIMATE)
    assert fit.se[0] * np.sqrt(fit.n / (fit.n - 1)) == pytest.approx(wanted["se"], rel=ERROR)


def test_match_nearest_pairs_everybody_on_lalonde():
    d = lalonde()
    found = match_nearest(d.treat, propensity_score(d.treat, lalonde_x()).score)
    assert found.matched_treated + found.matched_comparator == values("match_lalonde_nn")["n_matched"]


def test_match_nearest_with_ties_to_the_lowest_row_on_lalonde():
    d, wanted = lalonde(), values("match_lalonde_nn_bruteforce")
    found = match_nearest(d.treat, propensity_score(d.treat, lalonde_x()).score)
    effect = weighted_means(d.re78, d.treat, found.weights).difference
    assert found.matched_treated + found.matched_comparator == wanted["n_matched"]
    assert effect.value == pytest.approx(wanted["att_unadj"], rel=1e-5)
    assert found.mean_distance * len(found.pairs) == pytest.approx(wanted["total_abs_ps_distance"], rel=1e-5)


def test_match_nearest_with_replacement_as_matchit_searches_on_lalonde():
    d, wanted = lalonde(), values("match_lalonde_nn_repl")
    score = propensity_score(d.treat, lalonde_x()).score
    found = match_nearest(d.treat, score, replace=True, search="MatchIt 4.5.1")
    assert found.matched_treated + found.matched_comparator == wanted["n_matched"]
    assert weighted_means(d.re78, d.treat, found.weights).difference.value == pytest.approx(
        wanted["att"], rel=ESTIMATE
    )
    black = (d.race == "black").to_numpy(dtype=float)
    x = np.column_stack([score, lalonde_x()[:, :2], black, lalonde_x()[:, 2:]])
    after = balance(x, d.treat, weights=found.weights, denominator="treated", binary="bernoulli")
    assert [one.smd for one in after.covariates] == pytest.approx(
        wanted["smd_after"], rel=ESTIMATE, abs=1e-12
    )


def test_match_cem_on_lalonde():
    d, wanted = lalonde(), values("match_lalonde_cem")
    found = match_cem(d.treat, {one: d[one].to_numpy() for one in ("race", "married", "nodegree", "educ")})
    assert found.matched_treated + found.matched_comparator == wanted["n_matched"]
    assert found.weights[d.treat == 0].sum() == pytest.approx(wanted["weights_sum_control"], rel=ESTIMATE)


def test_entropy_balanced_means_on_lalonde():
    d, wanted = lalonde(), values("ebal_lalonde")
    found = entropy_balanced_means(d.re78, d.treat, lalonde_x())
    assert found.ess_comparator == pytest.approx(wanted["ess_control"], rel=R["ebal_lalonde"]["tolerance"])
    assert found.difference.value == pytest.approx(wanted["att"], rel=R["ebal_lalonde"]["tolerance"])


def test_weights_and_weighted_means_in_what_if_12(nhefs):
    wanted, kept = values("whatif_12_ipw"), nhefs.complete
    y, a, x = nhefs.gain[kept], nhefs.qsmk[kept], nhefs.x[kept]
    score = propensity_score(a, x)
    order = [0, 1, 2, 3, 4, *range(5, 19)]
    assert len(y) == wanted["n"]
    assert fit_least_squares(y, a).coef[1] == pytest.approx(wanted["crude"], rel=ESTIMATE)
    assert score.model.coef[order] == pytest.approx(wanted["ps_coef"], rel=ESTIMATE)
    plain, stable = weights(score.score, a).weights, weights(score.score, a, stabilised=True).weights
    for w, name in ((plain, "w"), (stable, "sw")):
        found = (w.mean(), w.min(), w.max())
        assert found == pytest.approx(
            [wanted[f"{name}_{one}"] for one in ("mean", "min", "max")], rel=ESTIMATE
        )
    effect = weighted_means(y, a, plain).difference
    assert effect.value == pytest.approx(wanted["ipw_est"], rel=ESTIMATE)
    assert (effect.se, effect.lower, effect.upper) == pytest.approx(
        (wanted["ipw_se"], wanted["ipw_lcl"], wanted["ipw_ucl"]), rel=ERROR
    )
    again = weighted_means(y, a, stable).difference
    assert again.value == pytest.approx(wanted["sipw_est"], rel=ESTIMATE)
    assert again.se == pytest.approx(wanted["sipw_se"], rel=ERROR)


def test_g_computation_in_what_if_13(nhefs):
    wanted, kept = values("whatif_13_gformula"), nhefs.complete
    given = nhefs.gain[kept], nhefs.qsmk[kept], nhefs.x[kept]
    intensity = nhefs.column("smokeintensity")[kept]
    model = g_computation_model(*given, modifiers=intensity)
    assert (model.coef[1], model.coef[-1]) == pytest.approx(
        (wanted["qsmk_coef"], wanted["inter"]), rel=ESTIMATE
    )
    means = g_computation(*given, modifiers=intensity)
    found = (means.mean_treated.value, means.mean_comparator.value, means.difference.value)
    assert found == pytest.approx((wanted["m1"], wanted["m0"], wanted["diff"]), rel=ESTIMATE)


def test_g_estimation_in_what_if_14(nhefs):
    kept = nhefs.complete
    found = g_estimation(nhefs.gain[kept], nhefs.qsmk[kept], nhefs.x[kept])
    assert found.effects[0].value == pytest.approx(values("whatif_14_gest_nocens")["psi"], rel=ESTIMATE)


def test_aipw_on_nhefs(nhefs):
    wanted, kept = values("nhefs_aipw"), nhefs.complete
    intensity = nhefs.column("smokeintensity")[kept]
    found = aipw(nhefs.gain[kept], nhefs.qsmk[kept], nhefs.x[kept], modifiers=intensity).difference
    assert found.value == pytest.approx(wanted["ate"], rel=ESTIMATE)
    assert found.se == pytest.approx(wanted["se"], rel=ERROR)


def test_kaplan_meier_and_log_rank_in_what_if_17(nhefs):
    wanted = values("whatif_17_km")
    for arm, place in ((0, 0), (1, 1)):
        mine = nhefs.qsmk == arm
        at = kaplan_meier(nhefs.month[mine], nhefs.death[mine]).at([MONTHS])
        assert at.surv[0] == pytest.approx(wanted["surv"][place], rel=ESTIMATE)
        assert at.std_err[0] == pytest.approx(wanted["se"][place], rel=ERROR)
    found = log_rank(nhefs.month, nhefs.death, nhefs.qsmk)
    assert found.chisq == pytest.approx(wanted["logrank_chisq"], rel=ESTIMATE)


def test_pooled_logistic_curves_in_what_if_17(nhefs):
    wanted = values("whatif_17_ipw")
    w = weights(propensity_score(nhefs.qsmk, nhefs.x).score, nhefs.qsmk, stabilised=True).weights
    found = pooled_logistic_curves(nhefs.month, nhefs.death, nhefs.qsmk, weights=w)
    assert found.person_periods == wanted["person_months"]
    one, zero, gap = found.at(MONTHS)
    assert (one, zero) == pytest.approx((wanted["s1"], wanted["s0"]), rel=ESTIMATE)
    # A difference of 0.002 keeps seven digits less two.
    assert gap == pytest.approx(wanted["diff"], rel=1e-5)
