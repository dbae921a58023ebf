"""`fit_mixed`, `fit_mmrm` and `analyse_visits` against nlme, lme4, lmerTest, pbkrtest and emmeans.

`mixed.json` is made by `mixed.R`. R's optimisers stop where the likelihood is flat, which leaves covariance parameters,
and with them standard errors, up to 1e-5 away from the maximum (set tight, as there, mostly 1e-6); ours is at the
maximum, so the likelihood is compared tightly and what hangs on the optimiser more loosely. lmerTest and the dense
reference differentiate numerically.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.repeated.mixed import MixedFit, fit_mixed
from studies.statistics.repeated.mmrm import MmrmFit, analyse_visits, fit_mmrm
from tests.golden.r import mixed_sets as sets

R: dict[str, Any] = json.loads((Path(__file__).parent / "mixed.json").read_text("utf-8"))
LIKELIHOOD, ESTIMATE, ERROR, FREEDOM = 1e-9, 1e-6, 2e-6, 1e-5  # relative

MODELS: dict[str, tuple[Any, str, list[str], str, str | None]] = {
    "orthodont_intercept": (sets.orthodont, "distance", ["age", "girl", "both"], "Subject", None),
    "gaps_intercept": (sets.orthodont_with_gaps, "distance", ["age", "girl", "both"], "Subject", None),
    "gaps_slope": (sets.orthodont_with_gaps, "distance", ["age", "girl", "both"], "Subject", "age"),
    "sleep_intercept": (sets.sleep, "Reaction", ["Days"], "Subject", None),
    "sleep_slope": (sets.sleep, "Reaction", ["Days"], "Subject", "Days"),
    "sleepgaps_intercept": (sets.sleep_with_gaps, "Reaction", ["Days"], "Subject", None),
    "sleepgaps_slope": (sets.sleep_with_gaps, "Reaction", ["Days"], "Subject", "Days"),
    "body_slope": (
        sets.body_weight,
        "weight",
        ["two", "three", "Time", "two_time", "three_time"],
        "Rat",
        "Time",
    ),
    "dietox_slope": (sets.dietox, "Weight", ["Time", "e100", "both"], "Pig", "Time"),
}


def mixed(name: str, **options: Any) -> MixedFit:
    make, y, x, group, slope = MODELS[name.rpartition("_")[0]]
    table = make()
    more = {"estimation": name.rpartition("_")[2], **options}
    return fit_mixed(table[y], table[x], table[group], z=None if slope is None else table[slope], **more)


def visits(data: str, structure: str, estimation: str, **options: Any) -> MmrmFit:
    table = sets.orthodont() if data == "orth" else sets.orthodont_with_gaps()
    late = (table["age"].to_numpy()[:, None] == np.array([10, 12, 14])) * 1.0
    girl = table["girl"].to_numpy()
    x = np.column_stack([late, girl, late * girl[:, None]])
    more = {"covariance": structure, "estimation": estimation, **options}
    return fit_mmrm(table["distance"], x, table["Subject"], table["age"], **more)


@pytest.mark.parametrize("name", sorted(R["lmm"]))
def test_fit_mixed_gives_the_numbers_of_lmer_and_lmertest(name: str) -> None:
    r = R["lmm"][name]
    fit = mixed(name)
    assert fit.loglik == pytest.approx(r["loglik"][0], rel=LIKELIHOOD)
    assert fit.loglik >= r["loglik"][0] - 1e-8
    assert fit.aic == pytest.approx(r["aic"][0], rel=LIKELIHOOD)
    scale = np.abs(r["coef"]).max()
    assert list(fit.coef) == pytest.approx(r["coef"], rel=ESTIMATE, abs=ESTIMATE * scale)
    assert list(fit.se) == pytest.approx(r["se"], rel=ERROR)
    assert list(fit.df) == pytest.approx(r["df"], rel=FREEDOM)
    assert list(fit.random_covariance.ravel()) == pytest.approx(r["G"], rel=1e-4)
    assert fit.residual_variance == pytest.approx(r["sigma2"][0], rel=ERROR)
    test = fit.f_test(np.eye(len(fit.coef))[1:])
    f, df, denominator, _ = r["f"]
    assert (test.statistic, test.df) == pytest.approx((f, df), rel=ERROR)
    assert test.df_denominator == pytest.approx(denominator, rel=FREEDOM)


@pytest.mark.parametrize("name", sorted(one for one in R["lmm"] if "kr" in R["lmm"][one]))
def test_fit_mixed_gives_the_kenward_roger_numbers_of_pbkrtest(name: str) -> None:
    r = R["lmm"][name]["kr"]
    fit = mixed(name, df_method="kenward_roger")
    assert list(fit.se) == pytest.approx(r["se"], rel=ERROR)
    assert list(fit.df) == pytest.approx(r["df"], rel=ERROR)
    test = fit.f_test(np.eye(len(fit.coef))[1:])
    f, df, denominator, p = r["f"]
    assert (test.statistic, test.df, test.df_denominator) == pytest.approx((f, df, denominator), rel=ERROR)
    assert test.p == pytest.approx(p, rel=1e-3, abs=1e-15)


@pytest.mark.parametrize("estimation", ["reml", "ml"])
def test_fit_mixed_gives_the_numbers_of_lme(estimation: str) -> None:
    r = R["lme"][f"orthodont_slope_{estimation}"]
    t = sets.orthodont()
    fit = fit_mixed(
        t["distance"], t[["age", "girl", "both"]], t["Subject"], z=t["age"], estimation=estimation
    )
    assert list(fit.coef) == pytest.approx(r["coef"], rel=1e-7)
    assert fit.loglik == pytest.approx(r["loglik"][0], rel=LIKELIHOOD)
    assert fit.aic == pytest.approx(r["aic"][0], rel=LIKELIHOOD)
    if estimation == "reml":
        assert list(fit.se) == pytest.approx(r["se"], rel=1e-6)


def test_the_published_fits_of_orthodont_are_met() -> None:
    """The random-slope REML fit by lme and the unstructured REML fit by gls."""
    t = sets.orthodont()
    slope = fit_mixed(t["distance"], t[["age", "girl", "both"]], t["Subject"], z=t["age"])
    r = R["anchors"]["lme_orthodont"]
    assert list(slope.coef) == pytest.approx(r["coef"], rel=1e-7)
    assert list(slope.se) == pytest.approx(r["se"], rel=1e-6)
    assert slope.loglik == pytest.approx(r["loglik"][0], rel=1e-8)
    general = visits("orth", "unstructured", "reml")
    r = R["anchors"]["mmrm_orthodont"]
    assert list(general.coef) == pytest.approx(r["coef"], rel=1e-7)
    assert list(general.se) == pytest.approx(r["se"], rel=1e-6)
    assert general.loglik == pytest.approx(r["loglik_reml"][0], rel=1e-8)


@pytest.mark.parametrize("name", sorted(R["gls"]))
def test_fit_mmrm_gives_the_numbers_of_gls(name: str) -> None:
    data, _, rest = name.partition("_")
    structure, _, estimation = rest.rpartition("_")
    r = R["gls"][name]
    fit = visits(data, structure, estimation)
    assert fit.loglik >= r["loglik"][0] - 1e-6
    assert fit.loglik == pytest.approx(r["loglik"][0], rel=1e-7)
    assert fit.aic == pytest.approx(r["aic"][0], rel=1e-7)
    assert list(fit.coef) == pytest.approx(r["coef"], rel=5e-5)
    # gls divides by N - p under ML as well.
    factor = 1.0 if estimation == "reml" else np.sqrt(fit.n / (fit.n - len(fit.coef)))
    assert list(fit.se * factor) == pytest.approx(r["se"], rel=1e-5)


@pytest.mark.parametrize("structure", sorted(R["pigs"]))
def test_fit_mmrm_gives_the_numbers_of_gls_for_three_arms_and_five_visits(structure: Any) -> None:
    r = R["pigs"][structure]
    t = sets.five_weights()
    late = (t["Time"].to_numpy()[:, None] == np.arange(2, 6)) * 1.0
    diet = np.column_stack([(t["Evit"] == one) * 1.0 for one in ("Evit100", "Evit200")])
    both = (diet[:, :, None] * late[:, None, :]).reshape(len(t), -1)
    x = np.column_stack([late, diet, t["Start"], both])
    fit = fit_mmrm(t["Weight"], x, t["Pig"], t["Time"], covariance=structure)
    assert fit.loglik == pytest.approx(r["loglik"][0], rel=1e-9)
    assert fit.aic == pytest.approx(r["aic"][0], rel=1e-9)
    assert list(fit.coef) == pytest.approx(r["coef"], rel=2e-5)
    assert list(fit.se) == pytest.approx(r["se"], rel=1e-5)


@pytest.mark.parametrize("data", ["orth", "gaps"])
def test_fit_mmrm_has_satterthwaite_s_degrees_of_freedom(data: str) -> None:
    """Against the definition, computed in R from dense matrices and numerical derivatives."""
    r = R["un"][data]
    fit = visits(data, "unstructured", "reml")
    lines = np.zeros((5, 8))
    for line, ones in zip(lines, ([0], [4], [4, 7], [0, 3, 4, 7], [5]), strict=True):
        line[ones] = 1.0
    tests = [fit.contrast(line) for line in lines]
    assert fit.loglik == pytest.approx(r["loglik"][0], rel=LIKELIHOOD)
    assert list(fit.theta) == pytest.approx(r["theta"], rel=1e-5)
    assert [one.estimate for one in tests] == pytest.approx(r["estimate"], rel=1e-5)
    assert [one.se for one in tests] == pytest.approx(r["se"], rel=1e-5)
    assert [one.df for one in tests] == pytest.approx(r["df"], rel=1e-3)


@pytest.mark.parametrize("call", sorted(R["means"]))
def test_analyse_visits_gives_the_means_and_differences_of_emmeans(call: str) -> None:
    """The compound-symmetry MMRM is the random-intercept model, for which R has both kinds of df."""
    r = R["means"][call]
    t = sets.after_baseline()
    where = {"covariates": t["base"]} if call.startswith("m ") else {"by_visit": t["base"]}
    result = analyse_visits(
        t["distance"], t["Subject"], t["age"], t["Sex"], reference="Male", covariance="compound_symmetry",
        df_method="satterthwaite" if "satterthwaite" in call else "kenward_roger", **where,
    )  # fmt: skip
    for field, key in (
        ("estimate", "mean"),
        ("se", "se"),
        ("df", "df"),
        ("lower", "lower"),
        ("upper", "upper"),
    ):
        means = sorted(result.means, key=lambda one: (one.visit, one.arm != "Male"))
        ours = [getattr(one.mean, field) for one in means]
        assert ours == pytest.approx(r[key], rel=FREEDOM if field == "df" else ERROR)
    for field, key in (
        ("estimate", "difference"),
        ("se", "difference_se"),
        ("df", "difference_df"),
        ("p", "difference_p"),
    ):
        ours = [getattr(one.difference, field) for one in result.differences]
        assert ours == pytest.approx(r[key], rel=ERROR if field in ("estimate", "se") else FREEDOM)
    assert result.interaction is not None
    f, df, denominator, p = r["interaction"]
    assert (result.interaction.statistic, result.interaction.df) == pytest.approx((f, df), rel=1e-4)
    assert result.interaction.df_denominator == pytest.approx(denominator, rel=FREEDOM)
    assert result.interaction.p == pytest.approx(p, rel=FREEDOM)
