"""The Cox, PH-test, IPTW, standardisation and AFT entries that were agreed as anchors (cox_anchors.json)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from studies.statistics.survival.aft import fit_aft
from studies.statistics.survival.cox import CoxFit, fit_cox
from studies.statistics.survival.ph_test import ph_test
from studies.statistics.survival.residuals import residuals, schoenfeld
from studies.statistics.survival.standardization import standardized_difference
from tests.golden.r.cox_frames import frame

R = json.loads((Path(__file__).parent / "cox_anchors.json").read_text("utf-8"))["results"]
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative
LUNG = ["age", "sex", "ecog"]


def values(name: str) -> dict[str, Any]:
    return R[name]["values"]


def lung(**options: Any) -> CoxFit:
    table = frame("lung")
    return fit_cox(table[LUNG], table["time"], table["event"], names=LUNG, **options)


@cache
def rotterdam() -> pd.DataFrame:
    from survival.datasets import load_rotterdam

    d = pd.DataFrame(load_rotterdam())
    d["time"] = np.minimum(d["rtime"], d["dtime"]).astype(float)
    d["event"] = np.maximum(d["recur"], d["death"]).astype(float)
    return d


def treatment_weights(stabilised: bool) -> np.ndarray[Any, Any]:
    """1/P(own treatment), from the coefficients that R's glm printed."""
    d, beta = rotterdam(), values("ps_rotterdam")["coef"]
    sizes = [d["size"] == "20-50", d["size"] == ">50"]
    x = np.column_stack(
        [
            np.ones(len(d)),
            d["age"],
            d["meno"],
            *sizes,
            *(d[c] for c in ("grade", "nodes", "pgr", "er", "chemo")),
        ]
    )
    score = 1.0 / (1.0 + np.exp(-(x.astype(float) @ np.array(beta))))
    treated = d["hormon"].to_numpy() == 1
    share = treated.mean() if stabilised else 1.0
    rest = 1.0 - treated.mean() if stabilised else 1.0
    return np.where(treated, share / score, rest / (1.0 - score))


def compare(fit: CoxFit, r: dict[str, Any], error: float = ERROR, estimate: float = ESTIMATE) -> None:
    at = np.atleast_1d
    assert (fit.n, fit.events) == (r["n"], r["nevent"])
    assert list(fit.coef) == pytest.approx(at(r["coef"]), rel=estimate)
    assert list(fit.se) == pytest.approx(at(r["se"]), rel=error)
    ratios = [fit.hazard_ratio(column) for column in range(len(fit.coef))]
    assert [one.value for one in ratios] == pytest.approx(at(r["hr"]), rel=estimate)
    assert [one.lower for one in ratios] == pytest.approx(at(r["lower"]), rel=error)
    assert [one.upper for one in ratios] == pytest.approx(at(r["upper"]), rel=error)
    assert [one.p for one in ratios] == pytest.approx(at(r["p"]), rel=P)
    assert (fit.loglik0, fit.loglik) == pytest.approx((r["loglik0"], r["loglik"]), rel=ESTIMATE)
    assert (fit.lrt.chisq, fit.score.chisq) == pytest.approx((r["lrt"], r["score"]), rel=error)
    assert fit.wald is not None and round(fit.wald.chisq, 2) == r["wald"]  # printed with two digits
    c = fit.concordance()
    assert (c.concordance, c.se) == pytest.approx((r["concordance"], r["concordance_se"]), rel=error)
    if "naive_se" in r:
        assert list(fit.naive_se) == pytest.approx(at(r["naive_se"]), rel=error)


def test_fit_cox_cox_lung_efron():
    compare(lung(), values("cox_lung_efron"))


def test_fit_cox_cox_lung_cluster():
    compare(lung(cluster=frame("lung")["inst"]), values("cox_lung_cluster"))


def test_fit_cox_cox_lung_robust():
    compare(lung(robust=True), values("cox_lung_robust"))


def test_fit_cox_cox_lung_weighted():
    """The weights of that entry: 0.5 + (7 i mod 11)/7 of the i-th row, to four digits."""
    row = np.arange(1, len(frame("lung")) + 1)
    compare(lung(weights=np.round(0.5 + (7 * row) % 11 / 7, 4)), values("cox_lung_weighted"))


def test_fit_cox_cox_veteran():
    d = frame("veteran")
    compare(
        fit_cox(d[["trt", "karno", "small", "adeno", "large"]], d["time"], d["event"]), values("cox_veteran")
    )


def test_fit_cox_cox_heart_tv():
    d = frame("heart")
    x = d[["age", "year", "surgery", "transplant"]]
    compare(fit_cox(x, d["time"], d["event"], entry=d["start"]), values("cox_heart_tv"))


def test_fit_cox_ag_bladder2():
    d = frame("bladder2")
    fit = fit_cox(d[["rx", "number", "size"]], d["time"], d["event"], entry=d["start"], cluster=d["id"])
    compare(fit, values("ag_bladder2"))


@pytest.mark.parametrize("kind", ["ate", "stab"])
def test_fit_cox_iptw_rotterdam(kind):
    """The weights come from ten printed digits of the score's coefficients, largest weight some hundreds."""
    d = rotterdam()
    weights = treatment_weights(stabilised=kind == "stab")
    fit = fit_cox(d["hormon"], d["time"], d["event"], weights=weights, robust=True)
    compare(fit, values(f"iptw_{kind}_rotterdam"))


def test_fit_cox_iptw_svycoxph_rotterdam():
    """svycoxph's variance is ours times n/(n - 1): a sample with replacement, centred."""
    d, r = rotterdam(), values("iptw_svycoxph_rotterdam")
    fit = fit_cox(d["hormon"], d["time"], d["event"], weights=treatment_weights(stabilised=True))
    assert fit.coef[0] == pytest.approx(r["coef"], rel=ESTIMATE)
    assert fit.se[0] * np.sqrt(fit.n / (fit.n - 1)) == pytest.approx(r["se"], rel=ERROR)


def test_residuals_cox_lung_resid():
    fit, r = lung(), values("cox_lung_resid")
    assert list(residuals(fit)[:5]) == pytest.approx(r["martingale_first5"], rel=ESTIMATE)
    assert list(residuals(fit, "deviance")[:5]) == pytest.approx(r["deviance_first5"], rel=ESTIMATE)
    assert list(schoenfeld(fit).values[0]) == pytest.approx(r["schoenfeld_row1"], rel=ESTIMATE)
    assert list(schoenfeld(fit, scaled=True).values[0]) == pytest.approx(r["scaledsch_row1"], rel=ESTIMATE)
    assert list(residuals(fit, "dfbeta")[0]) == pytest.approx(r["dfbeta_row1"], rel=ESTIMATE)
    assert list(residuals(fit, "score")[0]) == pytest.approx(r["score_row1"], rel=ESTIMATE)


@pytest.mark.parametrize("transform", ["km", "log"])
def test_ph_test_zph_lung(transform):
    found, r = ph_test(lung(), transform).lines, values(f"zph_lung_{transform}")
    assert [one.chisq for one in found] == pytest.approx(r["chisq"], rel=ESTIMATE)
    assert [one.df for one in found] == r["df"]
    assert [one.p for one in found] == pytest.approx(r["p"], rel=P)


def test_standardized_difference_gcomp_rotterdam_5y():
    """All given the hormone, all not: survival at five years averaged over the 2,982 women."""
    d, r = rotterdam(), values("gcomp_rotterdam_5y")
    x = d[["hormon", "age", "meno", "grade", "nodes", "chemo"]].astype(float)
    fit = fit_cox(x, d["time"], d["event"])
    found = standardized_difference(fit, x.assign(hormon=1.0), x.assign(hormon=0.0), 1826.25)
    assert found.first.surv[0] == pytest.approx(r["s1"], rel=ESTIMATE)
    assert found.second.surv[0] == pytest.approx(r["s0"], rel=ESTIMATE)
    assert found.difference[0].value == pytest.approx(r["diff"], rel=ERROR)


@pytest.mark.parametrize("distribution", ["weibull", "exponential"])
def test_fit_aft_aft_lung(distribution):
    d, r = frame("lung"), values(f"aft_lung_{distribution}")
    fit = fit_aft(d[LUNG], d["time"], d["event"], distribution=distribution)
    assert list(fit.coef) == pytest.approx(r["coef"], rel=ESTIMATE)
    assert fit.scale == pytest.approx(r["scale"], rel=ESTIMATE)
    assert list(fit.se) == pytest.approx(r["se"], rel=ERROR)
    assert fit.loglik == pytest.approx(r["loglik"], rel=ESTIMATE)
    median = fit.quantile([[60, 1, 1]])[0]
    assert median.value == pytest.approx(r["median_age60_sex1_ecog1"], rel=ESTIMATE)
