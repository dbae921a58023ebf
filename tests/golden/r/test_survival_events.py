"""Pseudo-values, recurrent events and landmarks against R (`survival_events.json`, made by the script of that
name). The functions: pseudo_survival, pseudo_rmst, pseudo_incidence, fit_pseudo_regression,
mean_cumulative_function, recurrent_rows, fit_recurrent, landmark_subjects, known_at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.landmark import known_at, landmark_subjects
from studies.statistics.survival.pseudo_regression import fit_pseudo_regression
from studies.statistics.survival.pseudo_values import (
    PseudoValues,
    pseudo_incidence,
    pseudo_rmst,
    pseudo_survival,
)
from studies.statistics.survival.recurrent import fit_recurrent, mean_cumulative_function, recurrent_rows
from tests.golden.r.survival_frames import frame

R: dict[str, Any] = json.loads((Path(__file__).parent / "survival_events.json").read_text("utf-8"))
ESTIMATE, ERROR = 1e-9, 1e-8  # relative; at most 1e-7, 1e-6
COX = 1e-7


def same(ours: Any, theirs: Any, tolerance: float, absolute: float = 1e-12) -> None:
    np.testing.assert_allclose(ours, np.array(theirs, dtype=float), rtol=tolerance, atol=absolute)


def name_of(case: dict[str, Any]) -> str:
    keys = ("what", "at", "cause", "level", "weights", "model", "max_events", "ties", "landmark")
    return "-".join([case.get("frame", "pbcseq")] + [str(case[key]) for key in keys if case.get(key)])


def pseudo_of(case: dict[str, Any], method: Any = "jackknife") -> PseudoValues:
    table = frame(case["frame"])
    if case["what"] == "incidence":
        return pseudo_incidence(
            table["time"], table["status"], case["at"], cause=case["cause"], method=method
        )
    of = {"survival": pseudo_survival, "rmst": pseudo_rmst}[case["what"]]
    return of(table["time"], table["event"], case["at"], method=method)


@pytest.mark.parametrize("case", R["pseudos"], ids=name_of)
def test_pseudo_values_are_those_of_leaving_each_subject_out(case: dict[str, Any]) -> None:
    """Twelve subjects one by one, and sums and sums of squares over all."""
    found, rows = pseudo_of(case), np.array(case["rows"]) - 1
    same(found.values[rows], case["jackknife"], ESTIMATE, 1e-9)
    same(found.values.sum(axis=0), np.atleast_1d(case["total"]), ESTIMATE)
    same((found.values**2).sum(axis=0), np.atleast_1d(case["square"]), ESTIMATE)


@pytest.mark.parametrize("case", R["pseudos"], ids=name_of)
def test_infinitesimal_pseudo_values_are_those_of_survival_pseudo(case: dict[str, Any]) -> None:
    """survival::pseudo, which differentiates instead of leaving out."""
    rows = np.array(case["rows"]) - 1
    same(pseudo_of(case, "infinitesimal").values[rows], case["infinitesimal"], ESTIMATE, 1e-9)


@pytest.mark.parametrize("case", R["pseudos"], ids=name_of)
def test_regression_on_pseudo_values_is_that_of_geese(case: dict[str, Any]) -> None:
    """Coefficients and sandwich errors for each link, several times stacked."""
    for expected in case["fits"]:
        x = frame(case["frame"])[expected["covariates"]].to_numpy(float)
        fit = fit_pseudo_regression(pseudo_of(case), x, link=expected["link"])
        same(fit.coef, expected["coef"], 1e-7)
        same(fit.se, expected["se"], 1e-6)


@pytest.mark.parametrize("case", R["mcfs"], ids=name_of)
def test_the_mean_cumulative_function_is_that_of_survfit(case: dict[str, Any]) -> None:
    """The cumulative hazard of recurrent events with errors robust by subject."""
    table = frame(case["frame"])
    if case["level"] is not None:
        table = table[table["group"].astype(str) == case["level"]]
    weights = 0.5 + (table["cluster"] % 4) / 3 if case["weights"] else None
    found = mean_cumulative_function(
        table["cluster"], table["time"], table["event"], start=table["entry"], weights=weights
    )
    place = np.searchsorted(found.time, case["times"])
    same(found.mcf[place], case["mcf"], ESTIMATE)
    same(found.std_err[place], case["std_err"], ERROR)
    same(found.n_risk[place], case["n_risk"], ESTIMATE)


@pytest.mark.parametrize("case", R["coxes"], ids=name_of)
def test_recurrent_event_models_are_those_of_coxph(case: dict[str, Any]) -> None:
    """Andersen-Gill, PWP in total and gap time, WLW, from one table of follow-up."""
    wlw_of_bladder = case["frame"] == "bladder"
    table = frame(case["frame"])
    x = table[case["covariates"]].to_numpy(float)
    if wlw_of_bladder:
        # This set is shaped already: a row for each of four recurrences.
        fit = fit_cox(
            x,
            table["time"],
            table["event"],
            strata=table["enum"],
            cluster=table["cluster"],
            ties=case["ties"],
        )
    else:
        fit = fit_recurrent(
            x,
            table["cluster"],
            table["time"],
            table["event"],
            start=table["entry"],
            model=case["model"],
            max_events=case["max_events"],
            ties=case["ties"],
        )
    assert fit.n == case["n"] and fit.events == case["nevent"]
    same(fit.coef, case["coef"], COX)
    same(fit.se, case["se"], COX)
    same(fit.naive_se, case["naive_se"], COX)
    same(fit.loglik, case["loglik"], ESTIMATE)
    assert fit.robust_score is not None
    same(fit.robust_score.chisq, case["robust_score"], COX)


def test_wlw_rows_of_bladder_come_from_its_follow_up() -> None:
    """recurrent_rows(model="wlw") makes `bladder` (four rows a patient) out of `bladder2` ((start, stop] rows)."""
    table, shaped = frame("bladder2"), frame("bladder")
    rows = recurrent_rows(
        table["cluster"], table["time"], table["event"], start=table["entry"], model="wlw", max_events=4
    )
    people = table["cluster"].to_numpy()[rows.row]
    ours = sorted(zip(people, rows.stratum, rows.time, rows.event, strict=True))
    known = shaped[shaped["cluster"].isin(people)]
    theirs = sorted(zip(known["cluster"], known["enum"], known["time"], known["event"] == 1, strict=True))
    assert ours == theirs


@pytest.mark.parametrize("case", R["landmarks"], ids=name_of)
def test_a_landmark_analysis_is_that_done_by_hand_in_r(case: dict[str, Any]) -> None:
    """Who is left, who left how, the last bilirubin known, and Cox's model from there."""
    seen, at = frame("pbcseq"), case["landmark"]
    one = seen.drop_duplicates("id")
    found = landmark_subjects(one["futime"], one["status"], at)
    assert found.kept.sum() == case["n"]
    assert found.excluded_events == ((1, case["transplanted"]), (2, case["died"]))
    assert found.excluded_censored == case["censored"]
    kept = one[found.kept]
    bilirubin, known = known_at(kept["id"], seen["id"], seen["day"], seen["bili"], at)
    assert known.all()
    same(bilirubin.sum(), case["sum_bili"], ESTIMATE)
    fit = fit_cox(np.column_stack([np.log(bilirubin), kept["age"]]), found.time, found.status == 2)
    same(fit.coef, case["coef"], COX)
    same(fit.se, case["se"], COX)


def test_a_landmark_with_a_horizon_is_that_done_by_hand_in_r() -> None:
    """Follow-up cut at five years: later deaths are censored there."""
    table, case = frame("pbc"), R["horizon"]
    found = landmark_subjects(table["time"], table["event"], 365, horizon=1825)
    assert found.kept.sum() == case["n"]
    x = table[["group", "age"]].to_numpy(float)[found.kept]
    fit = fit_cox(x, found.time, found.status)
    same(fit.coef, case["coef"], COX)
    same(fit.se, case["se"], COX)
