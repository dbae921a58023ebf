"""Parametric survival models against R (aft.json, made by aft.R): survreg, and distributions maximised directly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.survival.aft import fit_aft
from studies.statistics.survival.parametric import fit_distribution
from tests.golden.r.cox_frames import frame

JSON = json.loads((Path(__file__).parent / "aft.json").read_text("utf-8"))
ESTIMATE, ERROR = 1e-7, 1e-6  # relative


def named(results: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("r", results, ids=[one["id"] for one in results])


@named(JSON["results"])
def test_fit_aft_gives_what_survreg_gives(r):
    """Coefficients, scale, covariance (robust where there is a cluster), likelihood, three quantiles with errors."""
    d, wanted, names = frame(r["frame"]), r["values"], r["x"]
    given = {key: None if r.get(key) is None else d[r[key]] for key in ("weights", "cluster")}
    x = d[names] if names else None
    fit = fit_aft(x, d["time"], d["event"], distribution=r["distribution"], names=names, **given)
    assert list(fit.coef) == pytest.approx(np.atleast_1d(wanted["coef"]), rel=ESTIMATE)
    assert fit.scale == pytest.approx(wanted["scale"], rel=ESTIMATE)
    assert fit.covariance.ravel() == pytest.approx(np.ravel(wanted["var"]), rel=ERROR)
    assert (fit.loglik0, fit.loglik) == pytest.approx((wanted["loglik0"], wanted["loglik"]), rel=ESTIMATE)
    people = d[names].iloc[[0, -1]] if names else np.empty((2, 0))
    for one in wanted["quantiles"]:
        found = fit.quantile(people, one["p"])
        assert [each.value for each in found] == pytest.approx(one["value"], rel=ESTIMATE)
        assert [each.se for each in found] == pytest.approx(one["se"], rel=ERROR)


@named(JSON["distributions"])
def test_fit_distribution_is_the_maximum_that_r_finds(r):
    """Gamma, Gompertz and generalised gamma; our theta is in units of the mean time, R's in the data's."""
    d, wanted = frame(r["frame"]), r["values"]
    fit = fit_distribution(
        d["time"] / (365.25 if r["years"] else 1.0), d["event"], distribution=r["distribution"]
    )
    unit, p, theta, se = fit.time_unit, fit.parameters, wanted["theta"], np.array(wanted["se"])
    ours = {
        "gamma": lambda: [np.log(p["shape"]), np.log(p["rate"])],
        "gompertz": lambda: [p["shape"], np.log(p["rate"])],
        "gengamma": lambda: [p["mu"], np.log(p["sigma"]), p["q"]],
    }[r["distribution"]]()
    assert ours == pytest.approx(theta, rel=ESTIMATE)
    scale = np.array([unit, 1.0]) if r["distribution"] == "gompertz" else np.ones(len(se))
    assert list(fit.se / scale) == pytest.approx(se, rel=ERROR)
    assert fit.loglik == pytest.approx(wanted["loglik"], rel=ESTIMATE)
    assert list(fit.survival(wanted["times"])) == pytest.approx(wanted["surv"], rel=ESTIMATE)
