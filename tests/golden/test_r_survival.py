"""The numerical methods against R on R's own data sets (`r_survival.json` holds what R gave)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from studies.balance import area_under_curve, standardised_difference
from studies.statistics.cox import fit_cox
from studies.statistics.kaplan_meier import kaplan_meier
from studies.statistics.log_rank import log_rank
from studies.statistics.ph_test import ph_test
from studies.statistics.probability import poisson_interval
from studies.statistics.propensity import effective_sample_size, propensity_score
from tests.studies.rotterdam_lock import rotterdam

R: dict[str, Any] = json.loads((Path(__file__).parent / "r_survival.json").read_text("utf-8"))["results"]
ESTIMATE, ERROR = 1e-7, 1e-6  # relative

LUNG_TERMS = ("age", "sex", "ph.ecog")


def expected(name: str) -> dict[str, Any]:
    return R[name]["values"]


def lung(complete: bool) -> pd.DataFrame:
    from survival.datasets import load_lung

    table = pd.DataFrame(load_lung())
    return table.dropna(subset=["ph.ecog", "inst"]) if complete else table


def lung_fit(**weights: Any) -> tuple[Any, ...]:
    table = lung(complete=True)
    x = table[list(LUNG_TERMS)].to_numpy(dtype=float)
    days, event = table["time"].to_numpy(dtype=float), table["status"].to_numpy() == 2
    return x, days, event, fit_cox(x, days, event, LUNG_TERMS, **weights)


def test_cox_with_ties_agrees_with_coxph():
    """Coefficients, model-based errors, limits and likelihood, with Efron's ties."""
    _, _, _, fit = lung_fit()
    r = expected("cox_lung_efron")
    assert fit.subjects == r["n"] and fit.events == r["nevent"]
    assert list(fit.coefficients) == pytest.approx(r["coef"], rel=ESTIMATE)
    assert list(fit.standard_errors) == pytest.approx(r["se"], rel=ERROR)
    assert [fit.p_value(column) for column in range(3)] == pytest.approx(r["p"], rel=1e-5)
    limits = [fit.hazard_ratio(column, 0.95) for column in range(3)]
    assert [one[1] for one in limits] == pytest.approx(r["lower"], rel=ERROR)
    assert [one[2] for one in limits] == pytest.approx(r["upper"], rel=ERROR)
    assert fit.log_likelihood == pytest.approx(r["loglik"], rel=1e-8)
    assert fit.log_likelihood_null == pytest.approx(r["loglik0"], rel=1e-8)


def test_cox_with_a_factor_agrees_with_coxph():
    """A covariate of four levels, as three columns against the first."""
    from survival.datasets import load_veteran

    table = pd.DataFrame(load_veteran())
    levels = [(table["celltype"] == level).astype(float) for level in ("smallcell", "adeno", "large")]
    x = np.column_stack([table["trt"], table["karno"], *levels]).astype(float)
    fit = fit_cox(x, table["time"].to_numpy(float), table["status"].to_numpy() == 1, tuple("abcde"))
    r = expected("cox_veteran")
    assert list(fit.coefficients) == pytest.approx(r["coef"], rel=ESTIMATE)
    assert list(fit.standard_errors) == pytest.approx(r["se"], rel=ERROR)


def test_the_robust_variance_agrees_with_coxph():
    """The sandwich of score residuals, with ties: what lifelines gives only approximately."""
    table = lung(complete=True)
    *_, fit = lung_fit(weights=np.ones(len(table)))
    assert list(fit.standard_errors) == pytest.approx(expected("cox_lung_robust")["se"], rel=ERROR)


def test_the_exact_test_of_proportional_hazards_agrees_with_cox_zph():
    """lifelines' test is an older approximation and gives other numbers on the same data."""
    x, days, event, fit = lung_fit()
    tests = ph_test(x, days, event, fit.coefficients, {name: (at,) for at, name in enumerate(LUNG_TERMS)})
    r = expected("zph_lung_km")
    assert [one.term for one in tests] == [*LUNG_TERMS, "global"]
    assert [one.chi_square for one in tests] == pytest.approx(r["chisq"], rel=ERROR)
    assert [one.degrees for one in tests] == r["df"]
    assert [one.p_value for one in tests] == pytest.approx(r["p"], rel=ERROR)


def test_kaplan_meier_and_the_log_rank_test_agree_with_survfit_and_survdiff():
    """Survival, log-log limits, numbers at risk and medians with their limits."""
    table, r = lung(complete=False), expected("km_lung_sex_loglog")
    days, event = table["time"].to_numpy(dtype=float), table["status"].to_numpy() == 2
    for number, sex in enumerate((1, 2)):
        chosen = table["sex"].to_numpy() == sex
        curve = kaplan_meier(days[chosen], event[chosen])
        assert curve.median() == (r["median"][number], r["median_lcl"][number], r["median_ucl"][number])
        for place in range(3 * number, 3 * number + 3):
            wanted = (r["surv"][place], r["lower"][place], r["upper"][place])
            assert curve.at(r["times"][place]) == pytest.approx(wanted, rel=ESTIMATE)
            assert curve.at_risk_at(r["times"][place]) == r["n_risk"][place]
    test, wanted = log_rank(days, event, table["sex"].to_numpy() == 2), expected("logrank_lung")
    assert test.chi_square == pytest.approx(wanted["chisq"], rel=ESTIMATE)
    assert test.p_value == pytest.approx(wanted["p"], rel=ERROR)
    assert list(test.observed) == wanted["obs"]
    assert list(test.expected) == pytest.approx(wanted["exp"], rel=ESTIMATE)


def rotterdam_covariates() -> tuple[Any, Any, pd.DataFrame]:
    source = rotterdam()
    sizes = [(source["size"] == level).astype(float) for level in ("20-50", ">50")]
    numbers = [source[name].astype(float) for name in ("grade", "nodes", "pgr", "er", "chemo")]
    x = np.column_stack([source["age"], source["meno"], *sizes, *numbers]).astype(float)
    return x, source["hormon"].to_numpy() == 1, source


def test_the_propensity_score_agrees_with_glm():
    """Maximum likelihood of the logistic model on all 2,982 patients."""
    x, exposed, _ = rotterdam_covariates()
    score = propensity_score(x, exposed, tuple(f"x{at}" for at in range(9)))
    r = expected("ps_rotterdam")
    assert list(score[:5]) == pytest.approx(r["ps_first5"], rel=ESTIMATE)
    assert area_under_curve(score, exposed) == pytest.approx(r["auc"], rel=ESTIMATE)


def test_standardised_differences_agree_with_r():
    """The pooled SD is that of the unweighted arms, with sample variances, for levels too."""
    x, exposed, _ = rotterdam_covariates()
    ours = [standardised_difference(x[:, column], exposed) for column in range(9)]
    assert ours == pytest.approx(expected("smd_unadj_rotterdam")["smd"], rel=ESTIMATE)


def test_weighted_cox_with_ties_agrees_with_coxph():
    """Weights far from equal (inverse probability, up to hundreds) are where approximations fail first."""
    x, exposed, source = rotterdam_covariates()
    score = propensity_score(x, exposed, tuple(f"x{at}" for at in range(9)))
    weights = np.where(exposed, 1.0 / score, 1.0 / (1.0 - score))
    # The coding of this reference is the plain one: first of both times, either event.
    days = np.minimum(source["rtime"], source["dtime"]).to_numpy(dtype=float)
    event = np.maximum(source["recur"], source["death"]).to_numpy() == 1
    fit = fit_cox(exposed.astype(float)[:, None], days, event, ("hormon",), weights)
    r = expected("iptw_ate_rotterdam")
    assert fit.events == r["nevent"]
    assert fit.coefficients[0] == pytest.approx(r["coef"], rel=ESTIMATE)
    assert fit.standard_errors[0] == pytest.approx(r["se"], rel=ERROR)
    assert [
        effective_sample_size(weights[~exposed]),
        effective_sample_size(weights[exposed]),
    ] == pytest.approx(r["ess_control_treated"], rel=ESTIMATE)
    balanced = [standardised_difference(x[:, column], exposed, weights) for column in range(9)]
    assert balanced == pytest.approx(r["smd"], rel=ERROR)


def test_exact_poisson_limits_agree_with_poisson_test():
    """15 events in 1,200 units of time."""
    r = expected("rate_exact")
    low, high = poisson_interval(15)
    assert (low / 1200, high / 1200) == pytest.approx((r["lower"], r["upper"]), rel=ERROR)
