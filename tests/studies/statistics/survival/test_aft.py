"""Accelerated failure time models: identities, invariances, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.aft import INTERCEPT, fit_aft
from tests.studies.statistics.survival.cohorts import people

KINDS = ["weibull", "exponential", "lognormal", "loglogistic"]


def test_the_exponential_without_covariates_is_events_over_time():
    p = people(61)
    fit = fit_aft(None, p.time, p.event, distribution="exponential")
    rate = p.event.sum() / p.time.sum()
    assert np.exp(-fit.coef[0]) == pytest.approx(rate, rel=1e-10)
    assert fit.se[0] == pytest.approx(1 / np.sqrt(p.event.sum()), rel=1e-8)
    assert fit.loglik == pytest.approx(p.event.sum() * np.log(rate) - rate * p.time.sum(), rel=1e-12)
    late = fit_aft(None, p.time, p.event, distribution="exponential", entry=p.entry)
    assert np.exp(-late.coef[0]) == pytest.approx(p.event.sum() / (p.time - p.entry).sum(), rel=1e-10)


def test_without_censoring_the_log_normal_is_least_squares():
    p = people(62)
    fit = fit_aft(p.x, p.time, np.ones(80), distribution="lognormal")
    design = np.column_stack([np.ones(80), p.x])
    beta, left, *_ = np.linalg.lstsq(design, np.log(p.time), rcond=None)
    assert fit.coef == pytest.approx(beta, rel=1e-8)
    assert fit.scale**2 == pytest.approx(left[0] / 80, rel=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_and_the_information_are_slope_and_curvature(kind):
    """At a point off the maximum, with weights and delayed entry."""
    from studies.statistics.inputs import follow_up
    from studies.statistics.survival.aft import _AftLikelihood

    p = people(63)
    rows = follow_up(p.time, p.event, entry=p.entry, weights=p.weights)
    like = _AftLikelihood(np.column_stack([np.ones(80), p.x]), rows, kind)
    theta = np.array([2.0, 0.1, -0.3] + ([] if kind == "exponential" else [-0.2]))
    h, (_, score, information) = 1e-5, like.at(theta)
    for j, e in enumerate(h * np.eye(len(theta))):
        up, down = like.at(theta + e), like.at(theta - e)
        assert score.sum(axis=0)[j] == pytest.approx((up[0] - down[0]) / (2 * h), rel=1e-5, abs=1e-5)
        curve = (down[1].sum(axis=0) - up[1].sum(axis=0)) / (2 * h)
        assert information[j] == pytest.approx(curve, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_splitting_follow_up_and_changing_the_unit_change_what_they_must(kind):
    """(0, 5] and (5, 12] is (0, 12]; days into years moves the intercept by log 365.25 and nothing else."""
    p = people(64)
    one = fit_aft(p.x, p.time, p.event, distribution=kind)
    cut = np.floor(p.time / 2)
    two = fit_aft(
        np.vstack([p.x, p.x]),
        np.concatenate([cut, p.time]),
        np.concatenate([np.zeros(80), p.event]),
        entry=np.concatenate([np.zeros(80), cut]),
        distribution=kind,
    )
    assert two.coef == pytest.approx(one.coef, rel=1e-8) and two.covariance == pytest.approx(
        one.covariance, rel=1e-6
    )
    years = fit_aft(p.x, p.time / 365.25, p.event, distribution=kind)
    assert years.coef + np.array([np.log(365.25), 0, 0]) == pytest.approx(one.coef, rel=1e-8)
    assert years.covariance == pytest.approx(one.covariance, rel=1e-6)


def test_quantiles_and_survival_are_inverse_and_limits_enclose():
    p = people(65)
    for kind in KINDS:
        fit = fit_aft(p.x, p.time, p.event, distribution=kind)
        median = fit.quantile([[0.5, 1.0]], 0.5)[0]
        value, lower, upper = fit.survival([[0.5, 1.0]], [median.value])
        assert value[0, 0] == pytest.approx(0.5, rel=1e-10)
        assert 0 < lower[0, 0] < 0.5 < upper[0, 0] < 1
        assert fit.time_ratio(1).value == pytest.approx(np.exp(fit.coef[1]))
        assert fit.names == (INTERCEPT, "x1", "x2")


@pytest.mark.parametrize(
    "change, code",
    [
        ({"x": [], "time": [], "event": []}, "no_subjects"),
        ({"event": np.zeros(80)}, "no_events"),
        ({"time": np.zeros(80)}, "no_time"),
        ({"time": np.full(80, np.nan)}, "not_a_number"),
        ({"x": np.ones(80)}, "constant"),
        ({"x": np.outer(np.arange(80), [1, 2])}, "dependent"),
        ({"weights": np.zeros(80)}, "bad_weights"),
        ({"entry": np.full(80, 99.0)}, "entry_after_exit"),
        ({"distribution": "gaussian"}, "bad_argument"),
        ({"names": ["a"]}, "bad_argument"),
        ({"cluster": [1, 2]}, "lengths_differ"),
    ],
)
def test_bad_input_is_refused_with_a_reason(change, code):
    p = people(66)
    given = {"x": p.x, "time": p.time, "event": p.event} | change
    with pytest.raises(CannotEstimate, match=code):
        fit_aft(given.pop("x"), given.pop("time"), given.pop("event"), **given)


def test_what_cannot_be_asked_is_refused():
    p = people(67)
    fit = fit_aft(p.x, p.time, p.event)
    for ask in (
        lambda: fit.quantile([[0.0, 1.0]], 1.0),
        lambda: fit.quantile([[0.0, 1.0, 2.0]]),
        lambda: fit.survival([[0.0, 1.0]], [0.0]),
    ):
        with pytest.raises(CannotEstimate, match=r"bad_argument|no_time"):
            ask()


def test_one_subject_and_separation_are_refused():
    with pytest.raises(CannotEstimate, match=r"constant|too_many_terms"):
        fit_aft([[1.0]], [3.0], [1])
    p = people(68)
    arm = (np.arange(80) % 4 == 0).astype(float)
    with pytest.raises(CannotEstimate, match="aft_not_converged"):
        fit_aft(arm, p.time, np.where(arm == 1, 0.0, p.event))
