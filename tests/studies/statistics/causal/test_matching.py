"""Matching, strata and entropy balancing: rules, invariances, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.causal.balance import balance
from studies.statistics.causal.cem import bin_count, match_cem
from studies.statistics.causal.entropy_balancing import entropy_balance, entropy_balanced_means
from studies.statistics.causal.matched_effect import abadie_imbens, matched_difference
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.subclassification import subclassify
from tests.studies.statistics.causal.people import people

SEEDS = st.integers(0, 10_000)


def by_hand(treated, score, ratio=1, replace=False, limit=np.inf, order="largest"):
    """The published rule, written as plainly as possible."""
    seekers = np.flatnonzero(treated)
    if order != "data":
        seekers = seekers[
            np.argsort(-score[seekers] if order == "largest" else score[seekers], kind="stable")
        ]
    free = list(np.flatnonzero(~treated))
    pairs = []
    for _ in range(1 if replace else ratio):
        for one in seekers:
            pool = list(free)
            for _ in range(ratio if replace else 1):
                if not pool:
                    break
                best = min(pool, key=lambda row: (abs(score[row] - score[one]), row))
                if abs(score[best] - score[one]) > limit:
                    break
                pairs.append((one, best))
                pool.remove(best)
                if not replace:
                    free.remove(best)
    return sorted(pairs)


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    ratio=st.integers(1, 3),
    replace=st.booleans(),
    order=st.sampled_from(["largest", "smallest", "data"]),
    caliper=st.sampled_from([None, 1.0, 2.0]),
)
def test_the_pairs_are_those_of_the_rule_with_many_ties(seed, ratio, replace, order, caliper):
    random = np.random.default_rng(seed)
    treated = random.uniform(size=50) < 0.4
    treated[:2] = [True, False]
    score = random.integers(0, 12, 50).astype(float)
    wanted = by_hand(treated, score, ratio, replace, caliper or np.inf, order)
    if wanted:
        found = match_nearest(
            treated, score, ratio=ratio, replace=replace, order=order, caliper=caliper, std_caliper=False
        )
        assert sorted(map(tuple, found.pairs.tolist())) == wanted


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_without_replacement_nobody_serves_twice_and_weights_add_up(seed):
    p = people(seed, 90)
    found = match_nearest(p.treated, p.x[:, 0], ratio=2, caliper=0.5)
    assert len(np.unique(found.pairs[:, 1])) == len(found.pairs)
    assert found.weights[p.treated].sum() == found.matched_treated
    assert found.weights[~p.treated].sum() == pytest.approx(found.matched_comparator)
    assert found.matched_treated + found.unmatched_treated == p.treated.sum()
    assert (np.abs(np.diff(p.x[:, 0][found.pairs], axis=1)) <= found.caliper).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_exact_constraints_hold_in_every_pair(seed):
    p = people(seed, 90)
    sex = np.where(p.x[:, 1] > 0, "f", "m")
    for options in ({"distance": p.x[:, 0]}, {"x": p.x}):
        found = match_nearest(p.treated, exact=sex, **options)
        assert (sex[found.pairs[:, 0]] == sex[found.pairs[:, 1]]).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_the_unit_of_a_covariate_does_not_matter_to_mahalanobis(seed):
    p = people(seed, 60)
    first = match_nearest(p.treated, x=p.x)
    again = match_nearest(p.treated, x=p.x @ np.array([[1000.0, 3.0], [0.0, 2.0]]) + 7)
    assert (first.pairs == again.pairs).all()


def test_a_random_order_is_that_of_its_seed():
    p = people(1)
    first, again, other = (
        match_nearest(p.treated, p.x[:, 0], order="random", seed=seed) for seed in (1, 1, 2)
    )
    assert (first.pairs == again.pairs).all() and (
        first.pairs.shape != other.pairs.shape or (first.pairs != other.pairs).any()
    )


def test_atc_is_att_with_the_arms_exchanged():
    p = people(2)
    one = match_nearest(p.treated, p.x[:, 0], estimand="ATC", replace=True, order="data")
    other = match_nearest(~p.treated, p.x[:, 0], estimand="ATT", replace=True, order="data")
    assert (one.pairs == other.pairs).all() and one.weights == pytest.approx(other.weights)
    effect, swapped = (
        abadie_imbens(p.y, arms, made, distance=p.x[:, 0]).difference
        for arms, made in ((p.treated, one), (~p.treated, other))
    )
    assert (effect.value, effect.se) == pytest.approx((-swapped.value, swapped.se))


def test_a_caliper_of_mahalanobis_is_on_the_score():
    p = people(3)
    found = match_nearest(p.treated, p.x[:, 0], x=p.x, caliper=0.2)
    assert np.abs(np.diff(p.x[:, 0][found.pairs], axis=1)).max() <= 0.2 * p.x[:, 0].std(ddof=1)


def test_a_hundred_thousand_are_matched_in_seconds():
    random = np.random.default_rng(4)
    treated = random.uniform(size=200_000) < 0.3
    found = match_nearest(treated, random.normal(size=200_000) + 0.3 * treated, caliper=0.2)
    assert found.matched_treated > 55_000


def test_the_paired_error_is_that_of_the_differences():
    """With 1:1 pairs, HC1 by pair is the standard error of the mean difference up to its degrees of freedom."""
    p = people(5)
    made = match_nearest(p.treated, p.x[:, 0])
    gaps = np.diff(p.y[made.pairs], axis=1)
    found = matched_difference(p.y, p.treated, made)
    pairs = len(gaps)
    factor = (2 * pairs - 1) / (2 * pairs - 2)
    assert found.difference.value == pytest.approx(-gaps.mean())
    assert found.difference.se == pytest.approx(gaps.std(ddof=1) / np.sqrt(pairs) * np.sqrt(factor))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_strata_weights_give_the_comparators_the_distribution_of_the_treated(seed):
    """ATT: the weighted share of comparators in each subclass is that of the treated."""
    p = people(seed, 120)
    made = subclassify(p.treated, p.x[:, 0], subclass=4)
    for stratum in range(made.strata):
        inside = made.subclass == stratum
        shares = [
            made.weights[inside & arm].sum() / made.weights[arm].sum() for arm in (p.treated, ~p.treated)
        ]
        assert shares[0] == pytest.approx(shares[1])


def test_subclasses_are_filled_until_each_has_both_arms():
    treated = np.array([0] * 20 + [1] * 20)
    score = np.concatenate([np.linspace(0.1, 0.5, 20), np.linspace(0.4, 0.9, 20)])
    for least in (1, 2, 3):
        made = subclassify(treated, score, subclass=5, min_n=least)
        for arm in (0, 1):
            assert np.bincount(made.subclass[treated == arm], minlength=5).min() >= least
    dropped = subclassify(treated, score, subclass=5, min_n=0)
    assert dropped.strata < 5 and (dropped.subclass == -1).any()


def test_cem_on_categories_is_exact_matching():
    p = people(6, 120)
    sex, stage = np.where(p.x[:, 0] > 0, "f", "m"), np.digitize(p.x[:, 1], [-0.5, 0.5]).astype(str)
    made = match_cem(p.treated, {"sex": sex, "stage": stage})
    after = balance(
        np.column_stack([sex == "f", stage == "0", stage == "1"]), p.treated, weights=made.weights
    )
    assert after.largest_smd == pytest.approx(0, abs=1e-12)


def test_bins_are_counted_as_in_r():
    """nclass.Sturges(1:100) = 8, nclass.scott = 5, nclass.FD = 5."""
    x = np.arange(1.0, 101.0)
    assert [bin_count(x, rule) for rule in ("sturges", "scott", "fd")] == [8, 5, 5]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, estimand=st.sampled_from(["ATT", "ATC", "ATE"]))
def test_entropy_balancing_makes_the_moments_equal(seed, estimand):
    p = people(seed)
    made = entropy_balance(p.treated, p.x, estimand=estimand, moments=2)
    target = {"ATT": p.treated, "ATC": ~p.treated, "ATE": np.ones(len(p), dtype=bool)}[estimand]
    for arm in (p.treated, ~p.treated):
        w = made.weights[arm]
        for power in (1, 2):
            assert w @ p.x[arm] ** power / w.sum() == pytest.approx(
                (p.x[target] ** power).mean(axis=0), abs=1e-8
            )
    assert (made.weights > 0).all() and made.largest_gap < 1e-9


def test_entropy_balancing_of_a_sample_that_is_balanced_already_changes_nothing():
    p = people(7, 60)
    made = entropy_balance(np.repeat([1, 0], 60), np.tile(p.x, (2, 1)))
    assert made.weights == pytest.approx(np.ones(120))


def test_entropy_balancing_of_one_binary_covariate_is_post_stratification():
    x, treated = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0]), np.array([1, 1, 1, 1, 0, 0, 0, 0, 0])
    made = entropy_balance(treated, x)
    assert made.weights[4:] == pytest.approx(np.array([0.75, *[0.25 / 4] * 4]) * 5)


def test_entropy_balanced_means_remove_any_linear_trend_exactly():
    """Where y is linear in x without noise the effect is exact and its error 0."""
    p = people(8)
    found = entropy_balanced_means(3 + p.x @ [1.0, -2.0] + 1.5 * p.treated, p.treated, p.x).difference
    assert found.value == pytest.approx(1.5, abs=1e-6) and found.se == pytest.approx(0, abs=1e-6)


def test_base_weights_are_kept_where_balance_asks_for_no_change():
    p = people(9, 60)
    base = np.tile(np.random.default_rng(9).uniform(1, 2, 60), 2)
    made = entropy_balance(np.repeat([1, 0], 60), np.tile(p.x, (2, 1)), base_weights=base)
    assert made.weights[60:] / made.weights[60:].mean() == pytest.approx(
        base[60:] / base[60:].mean(), rel=1e-6
    )
