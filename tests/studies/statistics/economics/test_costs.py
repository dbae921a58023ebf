"""Mean costs, cost regressions and costs that were seen in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.statistics.economics.censored_costs import (
    bang_tsiatis,
    bang_tsiatis_partitioned,
    censored_cost_difference,
    lin,
)
from studies.statistics.economics.costs import bca_limits, cost_difference, cost_summary, mean_cost
from studies.statistics.economics.regression import gamma_log, gamma_marginal, logistic, two_part_marginal
from tests.studies.statistics.safety.test_rates import refused

RNG = np.random.default_rng(1)
COST = RNG.lognormal(9, 1, 60)
GROUP = np.where(np.arange(60) % 2 == 0, "new", "old")


def test_the_bootstrap_repeats_itself_with_its_seed_and_not_with_another():
    one, two, other = mean_cost(COST, seed=1), mean_cost(COST, seed=1), mean_cost(COST, seed=2)
    assert one == two and one.lower != other.lower
    assert one.value == pytest.approx(COST.mean())


def test_bca_limits_lean_to_the_side_of_the_skewness():
    found, student = mean_cost(COST), mean_cost(COST, method="t")
    assert found.upper - found.value > found.value - found.lower
    assert found.upper > student.upper and found.lower > student.lower


def test_currency_scales_the_limits():
    yuan, thousand = mean_cost(COST), mean_cost(COST / 1000)
    assert (thousand.lower * 1000, thousand.upper * 1000) == pytest.approx((yuan.lower, yuan.upper))


def test_turning_the_groups_turns_the_difference():
    for method in ("welch", "bca"):
        there = cost_difference(COST, GROUP, reference="old", method=method)
        back = cost_difference(COST, GROUP, reference="new", method=method)
        assert there.value == pytest.approx(-back.value)
        close = 1e-9 if method == "welch" else 0.2
        assert there.lower == pytest.approx(-back.upper, rel=close)


def test_the_summary_has_all_and_each_hospital():
    whole, *parts = cost_summary(COST, group=GROUP, method="t")
    assert [one.group for one in (whole, *parts)] == ["all", "new", "old"]
    assert sum(one.total for one in parts) == pytest.approx(whole.total)
    assert whole.quantiles[1].value == pytest.approx(np.median(COST))
    assert cost_summary([0.0, 5.0, 0.0, 9.0], method="t")[0].without_cost == 2


def test_costs_without_a_mean_or_limits_are_refused():
    refused("no_subjects", mean_cost, [])
    refused("too_many_terms", mean_cost, [5.0])
    refused("constant", mean_cost, [5.0, 5.0])
    refused("bad_argument", mean_cost, [5.0, -1.0])
    refused("not_a_number", mean_cost, [5.0, np.inf])
    refused("bad_argument", mean_cost, [5.0, 6.0], method="normal")
    refused("bad_argument", mean_cost, [5.0, 6.0], conf_level=0)
    refused("too_few_replicates", mean_cost, COST, replicates=19)
    refused("one_arm", cost_difference, COST, ["a"] * 60, reference="a")
    refused("bad_argument", cost_difference, COST, GROUP, reference="b")
    refused("too_many_terms", cost_difference, [1.0, 2.0, 3.0], ["a", "b", "b"], reference="a")
    refused("constant", cost_difference, [1.0, 1.0, 3.0, 3.0], list("aabb"), reference="a")
    refused("too_few_replicates", bca_limits, 9.0, [1.0, 2.0], [1.0, -1.0])


ARM = (np.arange(200) % 2).astype(float)
AGE = np.random.default_rng(3).normal(60, 10, 200)
MONEY = np.random.default_rng(4).gamma(2, 1, 200) * np.exp(8 + 0.3 * ARM + 0.01 * AGE)


def test_with_the_arm_alone_the_gamma_model_gives_the_ratio_of_means():
    fit = gamma_log(MONEY, ARM)
    means = MONEY[ARM == 1].mean(), MONEY[ARM == 0].mean()
    assert fit.ratio(1).value == pytest.approx(means[0] / means[1], rel=1e-10)
    marginal = gamma_marginal(MONEY, ARM)
    assert marginal.difference.value == pytest.approx(means[0] - means[1], rel=1e-9)


def test_with_the_arm_alone_the_two_parts_multiply_to_the_means():
    """And their robust error of a mean is that of a sample mean (divisor n)."""
    money = MONEY * (np.random.default_rng(5).random(200) < 0.7)
    found = two_part_marginal(money, ARM, robust=True)
    for arm, one in ((1, found.exposed), (0, found.comparator)):
        mine = money[arm == ARM]
        assert one.value == pytest.approx(mine.mean(), rel=1e-9)
        assert one.se == pytest.approx(mine.std() / np.sqrt(len(mine)), rel=1e-7)


def test_the_score_of_the_gamma_model_is_zero_at_its_fit():
    x = np.column_stack([ARM, AGE])
    fit = gamma_log(MONEY, x)
    design = np.column_stack([np.ones(200), x])
    residual = MONEY / np.exp(design @ fit.coef) - 1
    assert np.abs(design.T @ residual / (np.abs(design).sum(axis=0))).max() < 1e-12


def test_far_outliers_do_not_stop_the_gamma_model():
    money = MONEY.copy()
    money[0] = 1e9
    assert gamma_log(money, np.column_stack([ARM, AGE])).dispersion > 10


def test_regressions_that_cannot_be_fitted_are_refused():
    refused("bad_argument", gamma_log, [0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1])
    refused("constant", gamma_log, MONEY, np.ones(200))
    refused("dependent", gamma_log, MONEY, np.column_stack([ARM, 2 * ARM]))
    refused("too_many_terms", gamma_log, [1.0, 2.0], [0, 1])
    refused("lengths_differ", gamma_log, MONEY, ARM[:5])
    refused("bad_argument", gamma_log, MONEY, ARM, names=["a", "b"])
    refused("parts_separated", logistic, ARM, ARM)
    refused("parts_separated", logistic, np.ones(200), AGE)
    refused("parts_separated", two_part_marginal, MONEY * ARM, ARM)
    refused("parts_separated", two_part_marginal, np.zeros(200), ARM)
    refused("lengths_differ", two_part_marginal, MONEY[:9], ARM)
    refused("not_a_number", gamma_marginal, MONEY, ARM, np.full(200, np.nan))


def followed(seed: int, n: int = 300, loss: float = 0.2) -> tuple[Any, Any, Any, Any]:
    """Yearly costs over five years of people who die and are lost at constant rates."""
    rng = np.random.default_rng(seed)
    death, lost = rng.exponential(6, n), rng.exponential(1 / loss, n)
    time, event = np.minimum(death, lost), death <= lost
    rate = rng.gamma(4, 250, n)
    edges = np.arange(6.0)
    parts = rate[:, None] * np.clip(np.minimum(time[:, None], edges[1:]) - edges[:-1], 0, None)
    parts[:, 0] += 3000
    return time, event, parts, edges


def test_without_loss_every_estimator_is_the_mean_with_its_usual_error():
    time, _, parts, edges = followed(1)
    event, cost = np.ones(len(time)), parts.sum(axis=1)
    usual = cost.std() / np.sqrt(len(cost))
    found = bang_tsiatis(cost, time, event, horizon=5)
    assert found.mean.value == pytest.approx(cost.mean()) and found.mean.se == pytest.approx(usual)
    for one in (
        bang_tsiatis_partitioned(parts, time, event, edges=edges),
        lin(parts, time, event, edges=edges),
    ):
        assert one.mean.value == pytest.approx(cost.mean(), rel=1e-10)
        assert one.mean.se == pytest.approx(usual, rel=1e-9)


def test_one_interval_is_the_simple_estimator_and_its_influences_sum_to_nothing():
    time, event, parts, _ = followed(2)
    cost = parts.sum(axis=1)
    simple = bang_tsiatis(cost, time, event, horizon=5)
    one = bang_tsiatis_partitioned(cost[:, None], time, event, edges=[0, 5])
    assert one.mean.value == pytest.approx(simple.mean.value, rel=1e-12)
    assert one.influence == pytest.approx(simple.influence, abs=1e-8)
    assert abs(simple.influence.sum()) < 1e-6 * simple.mean.value
    # The published variance and that of the influences are two estimates of one number.
    assert one.mean.se == pytest.approx(simple.mean.se, rel=0.03)


def test_knowing_intervals_makes_the_mean_more_precise():
    time, event, parts, edges = followed(3, 800, loss=0.4)
    simple = bang_tsiatis(parts.sum(axis=1), time, event, horizon=5)
    parted = bang_tsiatis_partitioned(parts, time, event, edges=edges)
    assert parted.mean.se < simple.mean.se
    assert lin(parts, time, event, edges=edges).mean.value == pytest.approx(parted.mean.value, rel=0.1)


def test_each_subject_as_its_own_cluster_gives_the_variance_of_the_influences():
    time, event, parts, edges = followed(4)
    plain = bang_tsiatis_partitioned(parts, time, event, edges=edges)
    alone = bang_tsiatis_partitioned(parts, time, event, edges=edges, cluster=np.arange(len(time)))
    assert alone.mean.se == pytest.approx(plain.mean.se, rel=1e-12)
    hospitals = bang_tsiatis(parts.sum(axis=1), time, event, horizon=5, cluster=np.arange(len(time)) % 9)
    assert hospitals.mean.value == bang_tsiatis(parts.sum(axis=1), time, event, horizon=5).mean.value


def test_the_order_of_rows_and_the_unit_of_time_do_not_matter():
    time, event, parts, edges = followed(5)
    turn = np.random.default_rng(0).permutation(len(time))
    for estimate in (bang_tsiatis_partitioned, lin):
        first = estimate(parts, time, event, edges=edges).mean
        second = estimate(parts[turn], time[turn] * 365, event[turn], edges=edges * 365).mean
        assert (second.value, second.se) == pytest.approx((first.value, first.se), rel=1e-10)


def test_a_difference_of_groups_adds_variances_and_needs_one_horizon():
    one, two = followed(6), followed(7)
    first, second = (lin(p, t, e, edges=x) for t, e, p, x in (one, two))
    apart = censored_cost_difference(first, second)
    assert apart.se == pytest.approx(np.hypot(first.mean.se, second.mean.se))
    shorter = lin(one[2][:, :3], one[0], one[1], edges=one[3][:4])
    refused("bad_argument", censored_cost_difference, first, shorter)


def test_a_horizon_that_nobody_reached_is_refused():
    time, event, parts, _ = followed(8)
    cost = parts.sum(axis=1)
    refused("horizon_too_far", bang_tsiatis, cost, np.minimum(time, 2), event & (time < 2), horizon=5)
    refused("too_many_terms", bang_tsiatis, cost[:2], [3.0, 6.0], [0, 0], horizon=5)
    refused("lengths_differ", bang_tsiatis, cost[:4], time, event, horizon=5)
    refused("bad_argument", bang_tsiatis, cost, time, event, horizon=0)
    refused("bad_argument", lin, parts, time, event, edges=[0, 1, 2])
    refused("bad_argument", lin, -parts, time, event, edges=np.arange(6))
    refused("negative_time", lin, parts, -time, event, edges=np.arange(6))
    refused("no_subjects", bang_tsiatis, [], [], [], horizon=1)


def test_a_million_patients_take_seconds():
    rng = np.random.default_rng(1)
    n = 1_000_000
    time = np.ceil(rng.exponential(900, n))
    found = bang_tsiatis(rng.gamma(2, 500, n), time, rng.random(n) < 0.6, horizon=1000)
    assert found.n == n and np.isfinite(found.mean.se)
