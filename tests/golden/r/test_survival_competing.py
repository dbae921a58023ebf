"""Competing events against R's survival and cmprsk (`survival_competing.json`, made by the script of that name).

The functions: aalen_johansen, gray_test, fit_fine_gray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.survival.aalen_johansen import aalen_johansen
from studies.statistics.survival.fine_gray import fit_fine_gray
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.subdistribution import expand
from tests.golden.r.survival_frames import frame

R: dict[str, Any] = json.loads((Path(__file__).parent / "survival_competing.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-9, 1e-8, 1e-7  # relative; at most 1e-7, 1e-6, 1e-5
_SHOWN = ("level", "conf_type", "entry", "weights", "cluster", "strata", "rho", "group", "cause", "cengroup")


def same(ours: Any, theirs: Any, tolerance: float, absolute: float = 1e-14) -> None:
    """Equal numbers; null in the file (R's NA, NaN) where we have no finite number, and only there."""
    expected = np.array(theirs, dtype=float)
    found = np.array(ours, dtype=float)
    np.testing.assert_allclose(
        np.where(np.isfinite(found), found, np.nan), expected, rtol=tolerance, atol=absolute
    )


def name_of(case: dict[str, Any]) -> str:
    return "-".join([case["frame"]] + [str(case[key]) for key in _SHOWN if case.get(key)])


def incidence_of(case: dict[str, Any], **options: Any) -> Any:
    table = frame(case["frame"])
    if case["level"] is not None:
        table = table[table["group"].astype(str) == case["level"]]
    for name in ("weights", "cluster"):
        if case[name] is not None:
            options[name] = table[case[name]]
    if case["entry"]:
        options["entry"] = table["entry"]
    return aalen_johansen(
        table["time"], table["status"], conf_type=case["conf_type"], conf_level=case["conf_level"], **options
    )


@pytest.mark.parametrize("case", R["curves"], ids=name_of)
def test_incidence_is_that_of_multi_state_survfit(case: dict[str, Any]) -> None:
    """aalen_johansen: all causes, infinitesimal-jackknife errors, limits."""
    found = incidence_of(case)
    read = found.at(case["times"])
    assert read.known.all()
    same(read.cif, case["cif"], ESTIMATE)
    same(read.surv, case["surv"], ESTIMATE)
    if case["weights"] is None:  # R counts heads here, also with weights
        same(read.n_risk, case["n_risk"], ESTIMATE)
    same(read.std_err, case["std_err"], ERROR, 1e-10)
    if "lower" in case:
        same(read.lower, case["lower"], ERROR)
        same(read.upper, case["upper"], ERROR)


@pytest.mark.parametrize("case", [one for one in R["curves"] if "aalen_se" in one], ids=name_of)
def test_the_named_variance_is_that_of_cuminc(case: dict[str, Any]) -> None:
    """aalen_johansen(variance="aalen"): estimate and variance as cmprsk::timepoints reads them."""
    read = incidence_of(case, variance="aalen").at(case["times"])
    same(read.cif, case["aalen_est"], ESTIMATE)
    same(read.std_err, case["aalen_se"], ERROR)


@pytest.mark.parametrize("case", R["grays"], ids=name_of)
def test_grays_test_is_that_of_cuminc(case: dict[str, Any]) -> None:
    """gray_test: chi-square, p and degrees of freedom for every cause."""
    table = frame(case["frame"])
    for place, cause in enumerate(np.atleast_1d(case["causes"])):
        found = gray_test(
            table["time"],
            table["status"],
            table[case["group"]],
            cause=int(cause),
            strata=None if case["strata"] is None else table[case["strata"]],
            rho=case["rho"],
        )
        same(found.chisq, np.atleast_1d(case["chisq"])[place], ESTIMATE)
        # cuminc takes 1 - P, which leaves it 1e-16 of absolute accuracy.
        same(found.p, np.atleast_1d(case["p"])[place], P, 1e-14)
        assert found.df == np.atleast_1d(case["df"])[place]


@pytest.mark.parametrize("case", R["models"], ids=name_of)
def test_fine_gray_is_that_of_crr(case: dict[str, Any]) -> None:
    """fit_fine_gray(variant="crr"): coefficients, sandwich, likelihood, predicted incidence."""
    table = frame(case["frame"])
    x = table[case["covariates"]].to_numpy(float)
    cengroup = None if case["cengroup"] is None else table[case["cengroup"]]
    options = {"cause": case["cause"], "cengroup": cengroup}
    fit = fit_fine_gray(x, table["time"], table["status"], gtol=1e-14, max_iterations=40, **options)
    # crr cannot get nearer to the maximum than the rounding of its likelihood.
    same(fit.coef, np.atleast_1d(case["coef"]), 1e-7)
    same(fit.se, np.atleast_1d(case["se"]), 1e-7)
    same(fit.naive_se, np.atleast_1d(case["naive_se"]), 1e-7)
    same(fit.loglik, case["loglik"], ESTIMATE)
    same(fit.loglik_null, case["loglik_null"], ESTIMATE)
    same(fit.predict(case["x"], case["at"]), case["cif"], 1e-7)
    loose = fit_fine_gray(x, table["time"], table["status"], **options)
    same(loose.coef, np.atleast_1d(case["coef_default_gtol"]), ESTIMATE)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("case", [one for one in R["models"] if "fg_efron" in one], ids=name_of)
def test_fine_gray_is_that_of_finegray_and_coxph(case: dict[str, Any], ties: str) -> None:
    """fit_fine_gray(variant="finegray"): coefficients, robust errors and likelihood."""
    table, expected = frame(case["frame"]), case[f"fg_{ties}"]
    x = table[case["covariates"]].to_numpy(float)
    fit = fit_fine_gray(x, table["time"], table["status"], cause=case["cause"], variant="finegray", ties=ties)
    same(fit.coef, np.atleast_1d(expected["coef"]), 1e-7)
    same(fit.se, np.atleast_1d(expected["se"]), 1e-7)
    same(fit.naive_se, np.atleast_1d(expected["naive_se"]), 1e-7)
    by_row = fit_fine_gray(
        x, table["time"], table["status"], cause=case["cause"], variant="finegray", ties=ties, robust_by="row"
    )
    same(by_row.se, np.atleast_1d(expected["row_se"]), 1e-7)
    same(fit.loglik, expected["loglik"], ESTIMATE)


@pytest.mark.parametrize("case", R["lates"], ids=name_of)
def test_finegray_takes_delayed_entry_and_strata(case: dict[str, Any]) -> None:
    """fit_fine_gray(variant="finegray") with entry (weights G H) and with a censoring curve by group."""
    table = frame(case["frame"])
    late = case["strata"] is None
    fit = fit_fine_gray(
        table[case["covariates"]].to_numpy(float),
        table["time"],
        table["status"],
        cause=case["cause"],
        variant="finegray",
        entry=table["entry"] if late else None,
        cengroup=None if late else table[case["strata"]],
    )
    same(fit.coef, np.atleast_1d(case["coef"]), 1e-7)
    same(fit.se, np.atleast_1d(case["se"]), 1e-7)
    same(fit.loglik, case["loglik"], ESTIMATE)


@pytest.mark.parametrize("case", [one for one in R["models"] if "fg_efron" in one], ids=name_of)
def test_the_expanded_rows_are_those_of_finegray(case: dict[str, Any]) -> None:
    """subdistribution.expand: number of rows, total weight, weighted follow-up."""
    table = frame(case["frame"])
    status = table["status"].to_numpy()
    outcome = np.where(status == case["cause"], 1, np.where(status > 0, 2, 0))
    time = table["time"].to_numpy(float)
    rows = expand(time, outcome, None, np.zeros(len(table), dtype=int))
    expected = case["fg_efron"]
    assert len(rows.row) == expected["rows"]
    same(rows.weight.sum(), expected["weight_sum"], ESTIMATE)
    same((rows.weight * (rows.stop - rows.start)).sum(), expected["summed"], ESTIMATE)
