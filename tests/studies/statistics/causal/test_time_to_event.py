"""Weighted Cox and curves, censoring weights, hazards in discrete time: identities with simpler methods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.causal.adjusted_curves import iptw_curves, simultaneous_band, weighted_curves
from studies.statistics.causal.censoring_weights import censoring_weights, ipcw_at
from studies.statistics.causal.iptw_cox import bootstrap_iptw_cox, iptw_cox, jackknife_iptw_cox
from studies.statistics.causal.logistic import fit_logistic
from studies.statistics.causal.pooled_logistic import person_periods, pooled_logistic_curves
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.weighted_hazards import bootstrap_weighted_curves
from studies.statistics.causal.weights import weights
from studies.statistics.survival.kaplan_meier import kaplan_meier
from tests.studies.statistics.causal.people import people

SEEDS = st.integers(0, 10_000)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_equal_weights_give_kaplan_meier_of_each_arm(seed):
    p = people(seed, 120)
    found = weighted_curves(p.time, p.event, p.treated, np.ones(len(p)))
    for arm, curve in ((p.treated, found.treated), (~p.treated, found.comparator)):
        alone = kaplan_meier(p.time[arm], p.event[arm], robust=True).at(found.time, extend=True)
        assert curve.surv == pytest.approx(alone.surv)
        assert curve.std_err == pytest.approx(alone.std_err)
    assert found.se_difference == pytest.approx(np.hypot(found.treated.std_err, found.comparator.std_err))


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_a_weight_is_worth_as_much_as_its_derivative_says(seed):
    """Influence by finite differences: nudge one weight and see both curves move."""
    p = people(seed, 60)
    w = np.random.default_rng(seed).uniform(0.5, 2, 60)
    at = [3.0, 8.0, 15.0]
    found = weighted_curves(p.time, p.event, p.treated, w, times=at)
    for row in (0, 7, 31):
        up, down = w.copy(), w.copy()
        up[row] += 1e-5
        down[row] -= 1e-5
        high, low = (weighted_curves(p.time, p.event, p.treated, one, times=at) for one in (up, down))
        for side, name in enumerate(("treated", "comparator")):
            moved = (getattr(high, name).surv - getattr(low, name).surv) / 2e-5
            assert found.influence[row, :, side] == pytest.approx(w[row] * moved, abs=1e-7)


def test_the_estimated_score_error_of_a_curve_is_near_its_bootstrap():
    p = people(1, 300)
    at = [5.0, 10.0, 20.0]
    found = iptw_curves(p.time, p.event, p.treated, p.x, times=at)
    random = np.random.default_rng(1)
    draws = []
    for _ in range(300):
        rows = random.integers(0, 300, 300)
        again = iptw_curves(p.time[rows], p.event[rows], p.treated[rows], p.x[rows], times=at)
        draws.append(again.difference)
    assert found.se_difference == pytest.approx(np.std(draws, axis=0), rel=0.15)


def test_a_band_is_wider_than_the_pointwise_limits_and_repeats_with_its_seed():
    p = people(2)
    curves = iptw_curves(p.time, p.event, p.treated, p.x)
    for kind in ("equal-precision", "hall-wellner"):
        for of in ("treated", "comparator"):
            band = simultaneous_band(curves, of, kind=kind, seed=1)
            again = simultaneous_band(curves, of, kind=kind, seed=1)
            assert band.critical == again.critical and (band.lower == again.lower).all()
            assert (band.lower < band.upper).all() and band.lower.min() >= 0 and band.upper.max() <= 1
    band = simultaneous_band(curves, "difference", seed=1)
    inside = np.isin(curves.time, band.time)
    assert band.critical > 1.96
    assert (band.lower < curves.lower_difference[inside]).all() and (
        band.upper > curves.upper_difference[inside]
    ).all()


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_swapping_the_arms_turns_the_hazard_ratio_over(seed):
    p = people(seed, 150)
    here, there = (iptw_cox(p.time, p.event, arms, p.x) for arms in (p.treated, ~p.treated))
    assert here.coef == pytest.approx(-there.coef, rel=1e-5, abs=1e-7)
    assert here.hr_known_weights.se == pytest.approx(there.hr_known_weights.se, rel=1e-5)
    assert here.hr_estimated_score.se == pytest.approx(there.hr_estimated_score.se, rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stabilised": True},
        {"estimand": "ATT"},
        {"estimand": "ATT", "stabilised": True},
        {"estimand": "ATC", "stabilised": True},
        {"estimand": "ATO"},
    ],
)
def test_the_estimated_score_error_of_the_hazard_ratio_is_near_its_jackknife(options):
    """The plain jackknife of `iptw_cox` itself, with the same weights."""
    p = people(3, 250)
    found = iptw_cox(p.time, p.event, p.treated, p.x, **options)
    kept = ~np.eye(250, dtype=bool)
    left = np.array(
        [iptw_cox(p.time[k], p.event[k], p.treated[k], p.x[k], **options).coef for k in kept[::2]]
    )
    jack = np.sqrt(2 * ((left - left.mean()) ** 2).sum())
    assert found.hr_estimated_score.se == pytest.approx(jack, rel=0.15)
    assert np.abs(found.influence.sum()) < 1e-4


def test_bootstrap_and_jackknife_of_the_hazard_ratio_are_near_the_analytic_error():
    p = people(4, 250)
    found = iptw_cox(p.time, p.event, p.treated, p.x, stabilised=True)
    jack = jackknife_iptw_cox(p.time, p.event, p.treated, p.x)
    assert jack.value[0] == pytest.approx(found.coef, rel=1e-5)
    assert jack.se[0] == pytest.approx(found.hr_estimated_score.se, rel=0.12)
    again = bootstrap_iptw_cox(p.time, p.event, p.treated, p.x, replications=200, seed=1)
    assert again.se[0] == pytest.approx(found.hr_estimated_score.se, rel=0.2)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, tau=st.sampled_from([4.0, 10.0, 18.5]))
def test_the_weighted_share_of_events_is_one_minus_kaplan_meier(seed, tau):
    p = people(seed, 100)
    w = ipcw_at(p.time, p.event, tau)
    share = (w * (p.event & (p.time <= tau))).sum() / len(p)
    curve = kaplan_meier(p.time, p.event).at([tau], extend=True)
    assert share == pytest.approx(1 - curve.surv[0])
    assert w.sum() == pytest.approx(len(p))


def test_censoring_weights_by_strata_are_those_of_each_stratum():
    p = people(5)
    group = p.x[:, 0] > 0
    found = ipcw_at(p.time, p.event, 10.0, strata=group)
    assert found[group] == pytest.approx(ipcw_at(p.time[group], p.event[group], 10.0))


def test_with_one_binary_covariate_censoring_weights_are_one_over_the_share_that_stayed():
    lost = np.array([0, 0, 0, 1, 0, 1, 1, 0])
    x = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = censoring_weights(lost, x, stabilised=False)
    assert found.weights == pytest.approx([4 / 3, 4 / 3, 4 / 3, 0, 2, 0, 0, 2], rel=1e-6)
    stable = censoring_weights(lost, x)
    assert stable.weights == pytest.approx(found.weights * 5 / 8, rel=1e-6)
    assert stable.mean == pytest.approx(1, rel=1e-6)


def test_over_periods_censoring_weights_multiply():
    """Whatever the order of the rows."""
    random = np.random.default_rng(6)
    subject, period = np.repeat(np.arange(60), 3), np.tile([1, 2, 3], 60)
    x = random.normal(size=180)
    lost = random.uniform(size=180) < 0.2
    found = censoring_weights(
        lost, np.column_stack([x, period]), stabilised=False, subject=subject, period=period
    )
    stay = fit_logistic(~lost, np.column_stack([x, period])).fitted.reshape(60, 3)
    wanted = np.cumprod(1 / stay, axis=1).ravel()
    assert found.weights == pytest.approx(np.where(lost, 0, wanted))
    order = random.permutation(180)
    again = censoring_weights(
        lost[order],
        np.column_stack([x, period])[order],
        stabilised=False,
        subject=subject[order],
        period=period[order],
    )
    assert again.weights == pytest.approx(found.weights[order], rel=1e-6)


def test_nobody_lost_means_weights_of_one():
    assert (censoring_weights(np.zeros(9), np.arange(9.0)).weights == 1).all()


def test_person_periods_count_every_interval_once():
    rows = person_periods([2, 1, 3], [1, 0, 1])
    assert rows.subject.tolist() == [0, 0, 1, 2, 2, 2]
    assert rows.period.tolist() == [0, 1, 0, 0, 1, 2]
    assert rows.event.tolist() == [False, True, False, False, False, True]


def test_with_a_parameter_for_each_interval_the_curve_is_kaplan_meier():
    """Three intervals and a polynomial of degree 2 with products: saturated."""
    random = np.random.default_rng(7)
    last, event, treated = random.integers(1, 4, 300), random.uniform(size=300) < 0.6, np.arange(300) < 140
    found = pooled_logistic_curves(last, event, treated)
    for arm, curve in ((treated, found.treated), (~treated, found.comparator)):
        alone = kaplan_meier(last[arm], event[arm]).at([1, 2, 3])
        assert curve == pytest.approx(alone.surv, rel=1e-6)
    robust = [kaplan_meier(last[a], event[a], robust=True).at([1, 2, 3]).std_err for a in (treated, ~treated)]
    assert found.se_difference == pytest.approx(np.hypot(*robust), rel=1e-5)


def test_a_weight_of_2_is_the_subject_twice_in_the_hazards_model():
    p = people(8, 120)
    for x in (None, p.x):
        once = pooled_logistic_curves(p.time, p.event, p.treated, x=x, weights=np.full(120, 2.0), periods=10)
        double = None if x is None else np.tile(x, (2, 1))
        twice = pooled_logistic_curves(
            np.tile(p.time, 2), np.tile(p.event, 2), np.tile(p.treated, 2), x=double, periods=10
        )
        assert once.treated == pytest.approx(twice.treated, rel=1e-6)
        assert once.se_difference == pytest.approx(twice.se_difference * np.sqrt(2), rel=1e-5)


def test_the_bootstrap_of_weighted_hazards_starts_from_the_same_estimate():
    p = people(9, 300)
    w = weights(propensity_score(p.treated, p.x).score, p.treated).weights
    found = pooled_logistic_curves(p.time, p.event, p.treated, weights=w, periods=12)
    again = bootstrap_weighted_curves(p.time, p.event, p.treated, p.x, at=12, replications=200, seed=1)
    assert again.value == pytest.approx(found.at(12), rel=1e-5)
    assert again.se[2] == pytest.approx(found.se_difference[11], rel=0.25)
