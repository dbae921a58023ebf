"""lifelines as a front: coefficients only, and a reason for everything else."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.aft import fit_aft
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.lifelines_front import (
    INFERENCES,
    check_inference,
    fit_by_lifelines,
    lifelines_difference,
)
from tests.studies.statistics.survival.cohorts import people


def test_its_coefficients_are_ours_with_strata_weights_and_entry():
    p = people(51)
    options = {"entry": p.entry, "weights": p.weights, "strata": p.strata}
    found = fit_by_lifelines(p.x, p.time, p.event, names=["a", "b"], **options)
    fit = fit_cox(p.x, p.time, p.event, names=["a", "b"], **options)
    assert found.coef == pytest.approx(fit.coef, rel=1e-6) and found.names == ("a", "b")
    assert found.engine.startswith("lifelines 0.")
    delta = lifelines_difference(fit)
    assert delta.delta is not None and delta.delta < 1e-6 and delta.why is None


def test_a_wrong_coefficient_would_be_seen():
    """The difference is large where one of the two is off: here ours, on purpose."""
    p = people(52)
    fit = fit_cox(p.x, p.time, p.event)
    off = fit.__class__(**{**fit.__dict__, "coef": fit.coef + np.array([0.0, 0.01])})
    found = lifelines_difference(off).delta
    assert found is not None and found > 1e-3


@pytest.mark.parametrize(
    "inference, circumstances, code",
    [
        ("robust_variance", {"entry": True}, "lifelines_robust"),
        ("robust_variance", {"tied": True}, "lifelines_robust"),
        ("robust_variance", {"clustered": True}, "lifelines_robust"),
        ("aalen_johansen", {"tied": True}, "lifelines_aalen_johansen"),
        ("score_residuals", {}, "lifelines_residuals"),
        ("delta_beta_residuals", {}, "lifelines_residuals"),
        ("kaplan_meier_interval", {"weighted": True}, "lifelines_weighted_curve"),
        ("restricted_mean_variance", {}, "lifelines_restricted_mean"),
        ("proportional_hazards_test", {}, "lifelines_proportional_hazards"),
        ("breslow_ties", {}, "lifelines_breslow"),
        ("log_rank", {"stratified": True}, "lifelines_stratified_log_rank"),
        ("coffee", {}, "bad_argument"),
    ],
)
def test_what_it_gets_wrong_is_refused_with_a_reason_in_both_languages(inference, circumstances, code):
    with pytest.raises(CannotEstimate, match=code) as refused:
        check_inference(inference, **circumstances)
    assert refused.value.text.zh and refused.value.text.en


@pytest.mark.parametrize(
    "inference", ["robust_variance", "aalen_johansen", "kaplan_meier_interval", "log_rank"]
)
def test_what_it_gets_right_is_allowed(inference):
    check_inference(inference)
    assert inference in INFERENCES


def test_models_it_does_not_have_are_refused_and_give_no_difference():
    p = people(53)
    with pytest.raises(CannotEstimate, match="lifelines_breslow"):
        fit_by_lifelines(p.x, p.time, p.event, ties="breslow")
    with pytest.raises(CannotEstimate, match="lifelines_offset"):
        fit_by_lifelines(p.x, p.time, p.event, offset=p.weights)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        fit_by_lifelines(p.x, p.time, p.event, ties="exact")
    with pytest.raises(CannotEstimate, match="no_events"):
        fit_by_lifelines(p.x, p.time, np.zeros(80))
    breslow = lifelines_difference(fit_cox(p.x, p.time, p.event, ties="breslow"))
    assert breslow.delta is None and breslow.why is not None and "Breslow" in breslow.why.en
    many = lifelines_difference(fit_cox(p.x, p.time, p.event), max_rows=10)
    assert many.delta is None and many.why is not None


def test_it_does_not_converge_where_there_is_no_maximum():
    p = people(54)
    arm = (np.arange(80) % 4 == 0).astype(float)
    with pytest.raises(CannotEstimate, match="not_converged"):
        fit_by_lifelines(np.column_stack([arm, arm]), p.time, p.event)


@pytest.mark.parametrize(
    "distribution, close", [("weibull", 1e-4), ("lognormal", 1e-4), ("loglogistic", 0.05)]
)
def test_its_parametric_models_are_near_ours(distribution, close):
    """lifelines stops early: the reported numbers are ours."""
    p = people(55, 200)
    fit = fit_aft(p.x, p.time, p.event, distribution=distribution)
    found = lifelines_difference(fit, aft_rows=(p.x, p.time, p.event))
    assert found.delta is not None and found.delta < close
    missing = lifelines_difference(fit)
    assert missing.delta is None and missing.why is not None
