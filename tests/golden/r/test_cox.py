"""Cox models against R's survival (cox_*.json, made by cox.R): every model with everything that was asked of it.

94 models on sixteen data sets: both treatments of ties, strata, weights, delayed entry, clusters, offsets, recurrent
events (Andersen-Gill, PWP, WLW) and small made-up tables with ties between events and censoring.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.survival.cox import CoxFit, fit_cox
from studies.statistics.survival.ph_test import ph_test, smooth
from studies.statistics.survival.prediction import baseline_hazard, predict, predict_survival
from studies.statistics.survival.residuals import residuals, schoenfeld
from tests.golden.r.cox_frames import frame

ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative
FILES = ("cox_efron.json", "cox_breslow.json")
R: dict[str, dict[str, Any]] = {
    one["id"]: one
    for name in FILES
    for one in json.loads((Path(__file__).parent / name).read_text("utf-8"))["results"]
}
every_model = pytest.mark.parametrize("model", sorted(R))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def column(model: str, what: str) -> Any:
    spec = R[model]["spec"]
    return None if spec.get(what) is None else frame(spec["frame"])[spec[what]].to_numpy()


@cache
def fitted(model: str) -> CoxFit:
    spec = R[model]["spec"]
    table, names = frame(spec["frame"]), listed(spec["x"])
    options = {key: spec[key] for key in ("robust", "init") if spec.get(key) is not None}
    columns = {key: column(model, key) for key in ("entry", "weights", "strata", "cluster", "offset")}
    x, time, event = table[names], table[spec["time"]], table[spec["event"]]
    return fit_cox(x, time, event, ties=spec["ties"], names=names, **columns, **options)


def same(ours: Any, theirs: Any, relative: float, zero: float = 1e-9) -> None:
    """Equal to `relative`; what is below `zero` times the largest number is 0 by rounding."""
    wanted = np.array(
        [np.nan if v is None else v for v in np.asarray(theirs, dtype=object).ravel()], dtype=float
    )
    found = np.asarray(ours, dtype=float).ravel()
    assert found.shape == wanted.shape
    largest = float(np.nanmax(np.abs(wanted), initial=0.0))
    np.testing.assert_allclose(found, wanted, rtol=relative, atol=zero * max(largest, 1e-300))


@every_model
def test_fit_cox_gives_what_coxph_gives(model):
    """Coefficients, both covariances, the likelihood, the tests, p and limits, and the number of steps."""
    fit, r = fitted(model), R[model]["values"]
    assert (fit.n, fit.events, fit.iterations) == (r["n"], r["events"], r["iter"])
    same(fit.coef, r["coef"], ESTIMATE)
    same(fit.covariance, r["var"], ERROR, 1e-8)
    same(fit.naive_covariance, r["naive"], ERROR, 1e-8)
    same([fit.loglik0, fit.loglik], r["loglik"], ESTIMATE)
    same(fit.score.chisq, r["score"], ESTIMATE)
    assert fit.wald is not None
    same(fit.wald.chisq, r["wald"], ERROR)
    assert (fit.robust_score is not None) == fit.robust
    if fit.robust_score is not None:
        same(fit.robust_score.chisq, r["robust_score"], ERROR)
    ratios = [fit.hazard_ratio(name) for name in fit.names]
    same([one.p for one in ratios], r["p"], P, 0.0)
    same([[one.lower, one.upper] for one in ratios], r["limits"], ERROR)


@every_model
def test_concordance_gives_what_coxph_gives(model):
    """Harrell's C, its standard error, and the five counts of pairs."""
    found = fitted(model).concordance()
    counts = [found.concordant, found.discordant, found.tied_score, found.tied_time, found.tied_both]
    same([found.concordance, found.se, *counts], R[model]["values"]["concordance"], ERROR)


@every_model
def test_residuals_give_what_residuals_coxph_gives(model):
    """Five rows and the sum of squares of each type; weighted and not."""
    fit, r = fitted(model), R[model]["values"]
    rows = np.array(listed(r["rows"])) - 1
    for kind in ("martingale", "deviance", "score", "dfbeta", "dfbetas"):
        found = residuals(fit, kind).reshape(fit.n, -1)
        same(found[rows], r["residuals"][kind]["rows"], ERROR, 1e-8)
        same((found**2).sum(axis=0), r["residuals"][kind]["sums"], ERROR)
    for kind, name in (("dfbeta", "dfbeta_unweighted"), ("score", "score_weighted")):
        found = residuals(fit, kind, weighted=kind == "score")
        same(found[rows], r["residuals"][name]["rows"], ERROR, 1e-8)


@every_model
def test_schoenfeld_gives_what_residuals_coxph_gives(model):
    """Plain and scaled, in R's order."""
    fit, r = fitted(model), R[model]["values"]["residuals"]
    for kind in ("schoenfeld", "scaledsch"):
        found = schoenfeld(fit, scaled=kind == "scaledsch")
        some = list(dict.fromkeys([0, 1, len(found.time) - 1]))
        same(found.values[some], r[kind]["rows"], ERROR, 1e-8)
        same((found.values**2).sum(axis=0), r[kind]["sums"], ERROR)
        same(found.time[some], r[kind]["time"], ESTIMATE)
        assert residuals(fit, kind) == pytest.approx(found.values)


@pytest.mark.parametrize("model", sorted(name for name in R if R[name]["spec"].get("cluster")))
def test_residuals_collapse_by_cluster_as_in_r(model):
    """Deviance is left out where a cluster has several events: R's formula has no value there (residuals.py)."""
    fit, r = fitted(model), R[model]["values"]["residuals"]
    cluster = column(model, "cluster")
    for kind in ("martingale", "dfbeta", "score"):
        found = residuals(fit, kind, collapse=cluster)
        found = found.reshape(len(found), -1)
        same(found[:3], r[f"{kind}_collapsed"]["rows"], ERROR, 1e-8)
        same((found**2).sum(axis=0), r[f"{kind}_collapsed"]["sums"], ERROR, 1e-8)
    happened = np.isin(np.arange(fit.n), fit.likelihood.sets.dead)
    single = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=happened)[:3] <= 1
    found = residuals(fit, "deviance", collapse=cluster)
    for at in np.flatnonzero(single):
        same(found[at], r["deviance_collapsed"]["rows"][at][0], ERROR, 1e-8)


@every_model
@pytest.mark.parametrize("transform", ["km", "rank", "identity", "log"])
def test_ph_test_gives_what_cox_zph_gives(model, transform):
    """Each term, also of several columns, and GLOBAL; the points to plot and their covariance."""
    fit, spec, wanted = fitted(model), R[model]["spec"], R[model]["values"]["zph"].get(transform)
    if wanted is None:
        pytest.skip("R gives none: a time of 0 has no logarithm")
    found = ph_test(fit, transform, terms={"+".join(listed(one)): listed(one) for one in spec["terms"]})
    same([[one.chisq, one.df] for one in found.lines], [line[:2] for line in wanted["table"]], ERROR)
    same([one.p for one in found.lines], [line[2] for line in wanted["table"]], P, 0.0)
    assert found.lines[-1].term == "GLOBAL"
    some = list(dict.fromkeys([0, 1, 2, len(found.time) - 1]))
    same(found.x[some], wanted["x"], ESTIMATE)
    same(found.time[some], wanted["time"], ESTIMATE)
    same(found.y[some], wanted["y"], ERROR, 1e-8)
    same(found.var, wanted["var"], ERROR, 1e-8)


@pytest.mark.parametrize("transform", ["km", "log"])
@pytest.mark.parametrize("model", sorted(name for name in R if "smooth" in R[name]["values"]))
def test_smooth_gives_what_plot_cox_zph_draws(model, transform):
    """The spline through the scaled residuals and its band."""
    test = ph_test(
        fitted(model), transform, terms={str(at): listed(t) for at, t in enumerate(R[model]["spec"]["terms"])}
    )
    for term, wanted in enumerate(R[model]["values"]["smooth"][transform]):
        found = smooth(test, term)
        same(found.x, wanted["x"], ESTIMATE)
        same(found.estimate, wanted["estimate"], ERROR, 1e-8)
        same(found.upper - found.estimate, wanted["half"], ERROR, 1e-8)
        same(found.estimate - found.lower, wanted["half"], ERROR, 1e-8)


@pytest.mark.parametrize("model", sorted(name for name in R if "columns" in R[name]["values"]["zph"]))
def test_ph_test_of_single_columns_gives_what_cox_zph_gives(model):
    """terms = FALSE: the columns of a factor one by one."""
    wanted = R[model]["values"]["zph"]["columns"]["table"]
    same([[one.chisq, one.df] for one in ph_test(fitted(model)).lines], [line[:2] for line in wanted], ERROR)


def new_people(model: str) -> tuple[Any, dict[str, Any]]:
    spec, r = R[model]["spec"], R[model]["values"]
    chosen = frame(spec["frame"]).iloc[np.array(listed(r["pick"])) - 1]
    named = {key: chosen[spec[key]] for key in ("strata", "offset") if spec.get(key) is not None}
    return chosen[listed(spec["x"])], named


@every_model
def test_predict_survival_gives_what_survfit_coxph_gives(model):
    """Three people at six times from before the first event to after the last; five intervals, both ctypes."""
    fit, r = fitted(model), R[model]["values"]
    people, named = new_people(model)
    for kind, wanted in r["survfit"].items():
        conf_type, ctype = kind.rsplit("_", 1)
        found = predict_survival(fit, people, r["times"], ctype=int(ctype), conf_type=conf_type, **named)
        ours = {"surv": found.surv, "cumhaz": found.cumhaz, "se": found.se * found.surv}
        ours |= {"lower": found.lower, "upper": found.upper}
        for name, values in wanted.items():
            theirs = np.array(values, dtype=float)
            # Before the first event R gives NaN for log-log, logit and arcsin: there survival is 1, and so are we.
            at_one = found.surv.T == 1.0
            theirs = np.where(np.isnan(theirs) & at_one, 1.0, theirs)
            same(ours[name].T, theirs, ERROR)


@every_model
def test_the_product_limit_curve_gives_what_survfit_coxph_gives(model):
    """stype = 1. R's bisection ends at 2^-35, so curves that end at 0 are compared to 1e-9 of 1."""
    fit, r = fitted(model), R[model]["values"]
    if any(value is None for line in r["kp"] for value in line):
        pytest.skip("R gives NaN here: more people die than it finds at risk, by rounding")
    people, named = new_people(model)
    found = predict_survival(fit, people, r["times"], stype=1, conf_type="plain", **named)
    same(found.surv.T, r["kp"], ERROR)


@every_model
def test_predict_gives_what_predict_coxph_gives(model):
    """lp, risk, expected and survival of the rows with errors, and lp against both other references.

    With entry R's error of `expected` is another one, see prediction.py; it is not compared.
    """
    fit, r = fitted(model), R[model]["values"]
    rows = np.array(listed(r["rows"])) - 1
    for name, wanted in r["predict"].items():
        kind, _, reference = name.partition("_")
        found = predict(fit, kind, reference=reference or "strata")
        same(found.value[rows], wanted["fit"], ERROR, 1e-8)
        if fit.entry is None or kind in ("lp", "risk"):
            same(found.se[rows], wanted["se"], ERROR, 1e-7)


@pytest.mark.parametrize("model", sorted(name for name in R if not R[name]["spec"].get("strata")))
def test_baseline_hazard_gives_what_basehaz_gives(model):
    """The last value at covariates of 0."""
    same(baseline_hazard(fitted(model)).cumhaz[-1], R[model]["values"]["basehaz"], ERROR)
