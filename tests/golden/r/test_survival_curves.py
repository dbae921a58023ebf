"""Curves, quantiles, restricted means and log-rank tests against R (`survival_curves.json`, made by the
script of that name). The functions: kaplan_meier, quantiles, rmst, log_rank, max_combo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.survival.kaplan_meier import Curve, kaplan_meier
from studies.statistics.survival.log_rank import log_rank
from studies.statistics.survival.max_combo import max_combo
from studies.statistics.survival.quantiles import quantiles
from studies.statistics.survival.rmst import rmst
from tests.golden.r.survival_frames import frame

R: dict[str, Any] = json.loads((Path(__file__).parent / "survival_curves.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-9, 1e-8, 1e-7  # relative; at most 1e-7, 1e-6, 1e-5


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    """Equal numbers; R's NA, NaN and Inf (null in the file) where we have no finite number, and only there."""
    expected = np.array([np.nan if one is None else one for one in np.atleast_1d(theirs)], dtype=float)
    found = np.array([np.nan if one is None else one for one in np.atleast_1d(ours)], dtype=float)
    found = np.where(np.isfinite(found), found, np.nan)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-14)


def columns(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    table = frame(case["frame"])
    if case["level"] is not None:
        table = table[table["group"].astype(str) == case["level"]]
    event = 1 - table["event"] if case["reverse"] else table["event"]
    rows = {"time": table[case["column"]], "event": event}
    options: dict[str, Any] = {"robust": case["robust"]}
    for name in ("weights", "cluster"):
        if case[name] is not None:
            options[name] = table[case[name]]
    if case["entry"]:
        options["entry"] = table["entry"]
    return rows, options


def curve_of(case: dict[str, Any]) -> Curve:
    rows, options = columns(case)
    return kaplan_meier(
        rows["time"],
        rows["event"],
        **options,
        conf_type=case["conf_type"],
        conf_level=case["conf_level"],
        conf_lower=case.get("conf_lower", "usual"),
        stype=case["stype"],
        ctype=case["ctype"],
    )


def mislabelled(case: dict[str, Any]) -> bool:
    """Where survfit 3.5-3 gives the error of the cumulative hazard as that of S (see kaplan_meier)."""
    robust = case["cluster"] is not None or case["weights"] == "weights"
    return robust and case["stype"] == 2 and case["ctype"] == 1


def name_of(case: dict[str, Any]) -> str:
    parts = [case["frame"]] + [str(value) for key, value in case.items() if key in _SHOWN and value]
    return "-".join(parts)


_SHOWN = (
    "level",
    "conf_type",
    "conf_lower",
    "entry",
    "weights",
    "cluster",
    "stype",
    "ctype",
    "strata",
    "rho",
    "gamma",
    "group",
)


@pytest.mark.parametrize("case", R["curves"], ids=name_of)
def test_kaplan_meier_is_that_of_survfit(case: dict[str, Any]) -> None:
    """kaplan_meier: S, errors, limits, cumulative hazard and counts at times within and beyond follow-up."""
    curve = curve_of(case)
    # The file rounds times that are no whole numbers to 13 digits: read just after them.
    read = curve.at(np.array(case["times"]) * (1 + 1e-11 * (case["column"] == "years")), extend=True)
    assert curve.n == case["n"]
    for ours, theirs in (
        ("surv", "surv"),
        ("cumhaz", "cumhaz"),
        ("n_risk", "n_risk"),
        ("n_event", "n_event"),
        ("n_censor", "n_censor"),
    ):
        if ours != "n_risk" or case["column"] == "time":
            same(getattr(read, ours), case[theirs], ESTIMATE)
    if mislabelled(case):
        return
    same(read.std_err, case["std_err"], ERROR)
    if case["conf_type"] != "none":
        same(read.lower, case["lower"], ERROR)
        same(read.upper, case["upper"], ERROR)


@pytest.mark.parametrize("case", R["curves"], ids=name_of)
def test_quantiles_are_those_of_quantile_survfit(case: dict[str, Any]) -> None:
    """quantiles: values and limits, midpoints of rests included."""
    found = quantiles(curve_of(case), case["probs"])
    same([one.value for one in found], case["quantile"], ESTIMATE)
    if case["conf_type"] != "none" and not mislabelled(case):
        same([one.lower for one in found], case["q_lower"], ESTIMATE)
        same([one.upper for one in found], case["q_upper"], ESTIMATE)


@pytest.mark.parametrize("case", [one for one in R["curves"] if "rmean" in one], ids=name_of)
def test_the_restricted_mean_is_that_of_survfit(case: dict[str, Any]) -> None:
    """rmst: area and its error, Greenwood's or the infinitesimal jackknife's."""
    rows, options = columns(case)
    if case["weights"] and case["robust"] is None:
        options["robust"] = True  # summary.survfit has no error for weights: R's number is residuals()'s
    for place, tau in enumerate(case["taus"]):
        found = rmst(rows["time"], rows["event"], tau=tau, **options)
        same(found.rmst.value, case["rmean"][place], ESTIMATE)
        if "se_rmean" in case and case["robust"] is not False:
            same(found.se, case["se_rmean"][place], ERROR)


@pytest.mark.parametrize("case", R["tests"], ids=name_of)
def test_the_log_rank_family_is_that_of_survdiff(case: dict[str, Any]) -> None:
    """log_rank: observed, expected, variance, chi-square, p and trend."""
    table = frame(case["frame"])
    found = log_rank(
        table["time"],
        table["event"],
        table[case["group"]],
        entry=table["entry"] if case["entry"] else None,
        strata=None if case["strata"] is None else table[case["strata"]],
        rho=case["rho"],
        gamma=case["gamma"],
        scores=np.arange(table[case["group"]].nunique()),
    )
    same(found.observed, case["observed"], ESTIMATE)
    same(found.expected, case["expected"], ESTIMATE)
    np.testing.assert_allclose(found.variance, case["variance"], rtol=ERROR, atol=1e-12)
    assert found.df == case["df"]
    same(found.chisq, case["chisq"], ESTIMATE)
    same(found.p, case["p"], P)
    assert found.trend is not None
    same(found.trend.z, case["trend_z"], ESTIMATE)


@pytest.mark.parametrize("case", R["combos"], ids=name_of)
def test_max_combo_has_the_joint_normal_tail(case: dict[str, Any]) -> None:
    """max_combo: statistics and correlation; p as far as both integrations reach (3e-6)."""
    table = frame(case["frame"])
    if case["level"] is not None:
        table = table[table[case["group"]].isin(case["level"])]
    for alternative, theirs in (("two-sided", "p"), ("greater", "p_greater"), ("less", "p_less")):
        found = max_combo(
            table["time"],
            table["event"],
            table[case["group"]],
            strata=None if case["strata"] is None else table[case["strata"]],
            alternative=alternative,
        )
        same(found.z, case["z"], ESTIMATE)
        np.testing.assert_allclose(found.correlation, case["correlation"], rtol=ERROR)
        assert found.p == pytest.approx(case[theirs], abs=3e-6 + 4 * found.p_error)
        assert found.p_error < 2e-4 * found.p
