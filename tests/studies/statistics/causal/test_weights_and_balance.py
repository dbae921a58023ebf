"""Weights, weighted means, balance, and how large a difference chance alone makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.causal.balance import balance, c_statistic, overlap_coefficient
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.smd_limit import smd_limit, smd_limit_simulated
from studies.statistics.causal.weighted_means import ipw_means, weighted_means
from studies.statistics.causal.weights import (
    CommonSupport,
    Crump,
    Percentile,
    effective_sample_size,
    optimal_cut,
    tilted,
    weights,
)
from tests.studies.statistics.causal.people import people

SEEDS = st.integers(0, 10_000)
ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM")


def score_of(seed: int, n: int = 200):
    p = people(seed, n)
    return p, propensity_score(p.treated, p.x).score


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_overlap_weights_balance_every_covariate_exactly(seed):
    """The score equations of logistic regression say so; R's stopping rule leaves 1e-4 at most."""
    p, e = score_of(seed)
    made = balance(p.x, p.treated, weights=weights(e, p.treated, estimand="ATO").weights)
    assert made.largest_smd < 1e-4


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_stabilised_weights_average_one_and_change_no_mean(seed):
    p, e = score_of(seed)
    for estimand in ("ATE", "ATT", "ATC"):
        plain = weights(e, p.treated, estimand=estimand)
        stable = weights(e, p.treated, estimand=estimand, stabilised=True)
        assert stable.weights.mean() == pytest.approx(1, abs=0.25)
        first = weighted_means(p.y, p.treated, plain.weights).difference
        again = weighted_means(p.y, p.treated, stable.weights).difference
        assert (first.value, first.se) == pytest.approx((again.value, again.se))


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_the_derivative_of_a_weight_is_its_slope_along_the_logit(estimand):
    logit, h = np.linspace(-3, 3, 41) + 0.001, 1e-6
    for treated in (np.ones(41, dtype=bool), np.zeros(41, dtype=bool)):
        _, slope = tilted(1 / (1 + np.exp(-logit)), treated, estimand)
        up, _ = tilted(1 / (1 + np.exp(-logit - h)), treated, estimand)
        down, _ = tilted(1 / (1 + np.exp(-logit + h)), treated, estimand)
        assert slope == pytest.approx((up - down) / (2 * h), abs=1e-6, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_swapping_the_arms_swaps_the_estimands_and_the_sign(seed):
    p = people(seed)
    for one, other in (("ATE", "ATE"), ("ATT", "ATC"), ("ATO", "ATO"), ("ATM", "ATM")):
        here = ipw_means(p.y, p.treated, p.x, estimand=one).difference
        there = ipw_means(p.y, ~p.treated, p.x, estimand=other).difference
        assert here.value == pytest.approx(-there.value, rel=1e-6)
        assert here.se == pytest.approx(there.se, rel=1e-5)


def test_trimming_reports_whom_it_left_out_and_the_rest_keep_their_weights():
    p, e = score_of(1)
    every = weights(e, p.treated).weights
    for trim in (Crump(0.2), Crump(None), Percentile(), CommonSupport()):
        made = weights(e, p.treated, trim=trim)
        assert made.trimmed_treated + made.trimmed_comparator == (~made.kept).sum()
        assert (made.weights[~made.kept] == 0).all()
        assert made.weights[made.kept] == pytest.approx(every[made.kept])
        assert (e[made.kept] >= made.lower_score).all() and (e[made.kept] <= made.upper_score).all()


def test_truncation_sets_weights_to_the_limit_and_says_how_many():
    p, e = score_of(2)
    plain, cut = weights(e, p.treated), weights(e, p.treated, truncate=(0.05, 0.95))
    low, high = np.quantile(plain.weights, (0.05, 0.95))
    assert cut.truncated == ((plain.weights < low) | (plain.weights > high)).sum() == 20
    assert cut.largest == pytest.approx(high) and (cut.derivative[plain.weights > high] == 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_the_optimal_cut_is_the_least_variance_per_share_kept(seed):
    """By brute force: no other alpha gives a bound, sum g over (number kept)^2, smaller by more than 1 in 1000.

    The theorem is about the population; in a sample the last one kept may be one too many.
    """
    random = np.random.default_rng(seed)
    e = np.clip(random.beta(0.5, 0.7, 300), 1e-4, 1 - 1e-4)

    def bound(alpha: float) -> float:
        kept = e[(e >= alpha) & (e <= 1 - alpha)]
        return float((1 / (kept * (1 - kept))).sum()) / len(kept) ** 2 if len(kept) else np.inf

    found = bound(optimal_cut(e))
    assert found <= min(bound(alpha) for alpha in np.linspace(0, 0.49, 400)) * (1 + 1e-3)


def test_effective_sample_size_of_equal_weights_is_their_number():
    assert effective_sample_size(np.full(17, 0.3)) == pytest.approx(17)
    assert effective_sample_size([1.0, 0.0, 0.0]) == 1


def test_a_weight_of_zero_leaves_the_row_out_of_the_means():
    p = people(3, 60)
    w = np.where(np.arange(60) % 3 == 0, 0.0, 1.0)
    some = weighted_means(p.y, p.treated, w).difference
    rest = weighted_means(p.y[w > 0], p.treated[w > 0], w[w > 0]).difference
    assert (some.value, some.se) == pytest.approx((rest.value, rest.se))


def test_risk_ratio_and_odds_ratio_come_from_the_same_two_means():
    p = people(4)
    found = ipw_means(p.died, p.treated, p.x)
    one, zero = found.mean_treated.value, found.mean_comparator.value
    assert found.ratio.value == pytest.approx(one / zero)
    assert found.odds_ratio.value == pytest.approx(one / (1 - one) / (zero / (1 - zero)))
    gradient = np.array([1 / one, -1 / zero])
    assert found.ratio.se == pytest.approx(np.sqrt(gradient @ found.covariance @ gradient))
    assert ipw_means(p.y - 100, p.treated, p.x).ratio is None


def test_known_weights_give_the_textbook_error_of_two_means():
    """Equal weights: sum of squares over n^2 in each arm."""
    p = people(5)
    found = weighted_means(p.y, p.treated, np.ones(len(p))).difference
    parts = [p.y[arm].var() / arm.sum() for arm in (p.treated, ~p.treated)]
    assert found.se == pytest.approx(np.sqrt(sum(parts)))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_balance_of_equal_arms_is_zero_and_changes_sign_with_the_arms(seed):
    p = people(seed, 60)
    twice, arms = np.tile(p.x, (2, 1)), np.repeat([True, False], 60)
    same = balance(twice, arms)
    assert same.largest_smd == 0
    assert all(one.ecdf_max < 1e-12 and one.variance_ratio == pytest.approx(1) for one in same.covariates)
    there, back = balance(p.x, p.treated), balance(p.x, ~p.treated)
    for one, other in zip(there.covariates, back.covariates, strict=True):
        assert one.smd == pytest.approx(-other.smd)
        assert one.ecdf_max == pytest.approx(other.ecdf_max)


def test_a_binary_covariate_can_be_read_three_ways():
    x, treated = [1, 1, 1, 0, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]
    raw, share, sample = (
        balance(x, treated, binary=one).covariates[0].smd for one in ("raw", "bernoulli", "sample")
    )
    assert raw == pytest.approx(0.5)
    assert share == pytest.approx(0.5 / np.sqrt(0.25 * 0.75))
    assert sample == pytest.approx(0.5 / np.sqrt(0.25))


def test_a_covariate_without_spread_in_either_arm_has_no_smd():
    found = balance([1.0, 1.0, 2.0, 2.0], [1, 1, 0, 0])
    assert found.covariates[0].smd is None and found.largest_smd is None
    assert balance([2.0, 2.0, 2.0, 2.0], [1, 1, 0, 0]).largest_smd == 0


def test_the_score_tells_the_arms_apart_before_weighting_and_less_after():
    p, e = score_of(6)
    w = weights(e, p.treated, estimand="ATO").weights
    assert c_statistic(e, p.treated) > 0.6
    assert abs(c_statistic(e, p.treated, weights=w) - 0.5) < 0.05
    assert overlap_coefficient(e, p.treated, weights=w) > overlap_coefficient(e, p.treated)
    assert overlap_coefficient(np.tile(e, 2), np.repeat([1, 0], len(e))) == pytest.approx(1, abs=1e-3)


def test_at_30_per_arm_perfect_randomisation_misses_the_rule_70_percent_of_the_time():
    assert smd_limit(30, 30).chance_one == pytest.approx(0.70, abs=0.005)
    assert smd_limit(30, 30, 10).chance_any > 0.999
    assert smd_limit(30, 30, 10).limit == pytest.approx(0.76, abs=0.02)


def test_at_5000_per_arm_the_rule_is_never_missed():
    found = smd_limit(5000, 5000, 20)
    assert found.chance_any < 1e-4 and found.limit < 0.1


def test_the_simulated_limit_is_the_formula_for_independent_normal_covariates():
    random = np.random.default_rng(8)
    x, treated = random.normal(size=(80, 6)), np.arange(80) < 40
    found, formula = smd_limit_simulated(x, treated, draws=4000, seed=1), smd_limit(40, 40, 6)
    assert found.limit == pytest.approx(formula.limit, rel=0.05)
    assert found.chance_one == pytest.approx(formula.chance_one, abs=0.02)
    assert smd_limit_simulated(x, treated, draws=4000, seed=1) == found


def test_copies_of_one_covariate_do_not_raise_the_simulated_limit():
    """The formula, which takes them for independent, is too generous there."""
    random = np.random.default_rng(9)
    x, treated = random.normal(size=(80, 1)), np.arange(80) < 40
    one = smd_limit_simulated(x, treated, draws=1000, seed=1).limit
    many = smd_limit_simulated(np.tile(x, 8), treated, draws=1000, seed=1).limit
    assert one == pytest.approx(many) and many < smd_limit(40, 40, 8).limit
