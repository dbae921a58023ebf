"""At the edges R's numbers hold too: an arm with events only, empty rows of a table, strata of one subject.

Tolerances: 1e-7 relative for estimates, 1e-6 for standard errors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.causal.weighted_means import weighted_means
from studies.statistics.counts.exact_tests import fisher_test
from studies.statistics.counts.modified_poisson import modified_poisson
from studies.statistics.counts.stratified import (
    breslow_day,
    cmh_test,
    common_odds_ratio,
    common_risk_difference,
    common_risk_ratio,
)

R: dict[str, Any] = {
    name: one["values"]
    for name, one in json.loads(Path(__file__).with_name("degenerate.json").read_text(encoding="utf-8"))[
        "results"
    ].items()
}
ARM = np.repeat([0, 1], 12)
ROW = np.arange(24)
WEIGHTS = 0.5 + ROW % 4 / 2
EVENT = np.where(ARM == 0, 1, ROW % 3 > 0).astype(int)


@pytest.mark.parametrize("certain", [0, 1])
def test_modified_poisson_with_one_arm_of_events_only_agrees_with_sandwich(certain: int) -> None:
    """In R the intercept's error is rounding (2e-17) where the reference arm is certain; ours is 0."""
    expected = R[f"poisson_certain_arm_{certain}"]
    fit = modified_poisson(EVENT, ARM if certain == 0 else 1 - ARM, weights=WEIGHTS)
    np.testing.assert_allclose(fit.coef, expected["coef"], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(fit.se, expected["se"], rtol=1e-6, atol=1e-12)
    assert np.isfinite(fit.z).all() and np.isfinite(fit.p).all()
    if certain == 0:
        assert fit.se[0] == 0.0 and fit.lower[0] == fit.upper[0] == pytest.approx(1.0)


def test_modified_poisson_refuses_what_r_answers_with_errors_of_0() -> None:
    assert R["poisson_everybody"]["se"] == [0, 0]
    with pytest.raises(CannotEstimate) as refused:
        modified_poisson(np.ones(24), 40 + (ROW * 7) % 31)
    assert refused.value.reason.code == "no_robust_error"


@pytest.mark.parametrize("which", ["none", "all"])
def test_weighted_means_of_an_arm_without_variation_agree_with_survey(which: str) -> None:
    """svymean's error is the robust one times n/(n - 1)."""
    expected = R[f"svymean_{which}"]
    two = weighted_means(EVENT if which == "all" else 1 - EVENT, ARM, WEIGHTS)
    wider = np.sqrt(24 / 23)
    assert (two.mean_comparator.value, two.mean_comparator.se) == (expected["mean"][0], expected["se"][0])
    assert two.mean_treated.value == pytest.approx(expected["mean"][1], rel=1e-7)
    assert two.mean_treated.se * wider == pytest.approx(expected["se"][1], rel=1e-6)
    assert two.difference.value == pytest.approx(expected["difference"], rel=1e-7)
    assert two.difference.se * wider == pytest.approx(expected["difference_se"], rel=1e-6)
    assert two.mean_comparator.p is None and two.odds_ratio is None
    assert (two.ratio is None) == (which == "none")


@pytest.mark.parametrize("name", [one for one in R if one.startswith("fisher_")])
def test_fisher_test_with_empty_rows_and_columns_agrees_with_r(name: str) -> None:
    assert fisher_test(R[name]["table"]).p == pytest.approx(R[name]["p"], rel=1e-7)


def _tables(name: str) -> np.ndarray[Any, Any]:
    return np.array(R[name]["tables"], dtype=float).reshape(-1, 2, 2)


def test_strata_of_one_subject_are_refused_where_mantelhaen_test_refuses_them() -> None:
    assert "must be > 1" in R["mantelhaen_refuses"]["message"]
    tables = _tables("strata_of_one_OR")
    for function in (cmh_test, common_odds_ratio):
        with pytest.raises(CannotEstimate) as refused:
            function(tables)
        assert refused.value.reason.code == "bad_strata"


def test_common_measures_pass_over_strata_of_one_subject_as_metafor_does() -> None:
    ratio, difference = R["strata_of_one_RR"], R["strata_of_one_RD"]
    found = common_risk_ratio(_tables("strata_of_one_RR"))
    assert np.log(found.measure.estimate or 0.0) == pytest.approx(ratio["estimate"], rel=1e-7)
    assert found.measure.se == pytest.approx(ratio["se"], rel=1e-6)
    assert (found.strata, found.informative) == (5, 3)
    other = common_risk_difference(_tables("strata_of_one_RD"))
    assert other.measure.estimate == pytest.approx(difference["estimate"], rel=1e-7)
    assert other.measure.se == pytest.approx(difference["se"], rel=1e-6)
    assert (other.strata, other.informative) == (5, 3)


def test_breslow_day_passes_over_strata_of_one_subject_as_metafor_does() -> None:
    expected = R["strata_of_one_OR"]
    plain, tarone = (breslow_day(_tables("strata_of_one_OR"), tarone=one) for one in (False, True))
    assert plain.chisq == pytest.approx(expected["breslow_day"], rel=1e-7)
    assert tarone.chisq == pytest.approx(expected["tarone"], rel=1e-7)
    assert plain.df == expected["df"]


def test_strata_of_nobody_change_nothing() -> None:
    """metafor gives NaN here."""
    tables = _tables("strata_of_one_RR")
    more = np.concatenate([np.zeros((1, 2, 2)), tables])
    for function in (common_risk_ratio, common_risk_difference):
        assert function(more).measure == function(tables).measure
    assert breslow_day(more) == breslow_day(tables)
    with pytest.raises(CannotEstimate) as refused:
        common_risk_ratio(np.zeros((3, 2, 2)))
    assert refused.value.reason.code == "no_informative_stratum"
