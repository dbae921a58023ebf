"""Simulations with known truth for the methods of economics: coverage and type I error, seeds fixed.

The short form always runs; the long one (`-m long`) has 2000 replications: 95 % +- 1.5 percentage points.
"""

from __future__ import annotations

import numpy as np
import pytest

from studies.statistics.economics.censored_costs import bang_tsiatis, bang_tsiatis_partitioned, lin
from studies.statistics.economics.costs import cost_difference, mean_cost
from studies.statistics.economics.extrapolation import mean_survival
from studies.statistics.economics.regression import gamma_marginal, two_part_marginal
from studies.statistics.estimate import Estimate
from studies.statistics.survival.parametric import fit_distribution

MARGIN = {40: 0.1, 100: 0.066, 200: 0.047, 400: 0.033, 2000: 0.015}
LONG = pytest.param(2000, marks=pytest.mark.long)
EDGES = np.linspace(0, 4, 9)


def covers(one: Estimate, truth: float) -> bool:
    assert one.lower is not None and one.upper is not None
    return one.lower <= truth <= one.upper


def yearly_costs(
    rng: np.random.Generator, n: int, loss: float, *, at_edges: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, event, costs by half-year up to 4 years: a yearly rate, a start and a cost of dying; whole days."""
    death = np.ceil(rng.exponential(5.0, n) * 365) / 365
    lost = rng.exponential(1 / loss, n) if loss else np.full(n, 99.0)
    lost = np.ceil(lost * 2) / 2 if at_edges else np.ceil(lost * 365) / 365
    time, event = np.minimum(death, lost), death <= lost
    rate = rng.gamma(3.0, 1000.0, n)
    parts = rate[:, None] * np.clip(np.minimum(time[:, None], EDGES[1:]) - EDGES[:-1], 0, None)
    parts[:, 0] += rng.gamma(2.0, 1500.0, n)
    last = np.searchsorted(EDGES[1:], time, side="left")
    dying = event & (time <= EDGES[-1])
    parts[np.flatnonzero(dying), last[dying]] += 5000.0
    return time, event, parts


def truth() -> float:
    _, _, parts = yearly_costs(np.random.default_rng(99), 1_000_000, 0.0)
    return float(parts.sum(axis=1).mean())


@pytest.mark.parametrize("replications", [200, LONG])
def test_means_of_censored_costs_cover_with_thirty_percent_lost(replications: int):
    """n = 100, 30 % lost before four years, ties by day. Lin's estimator takes losses as happening at the edges of
    its intervals: there it covers; with losses inside half-years it is 3 % too low, as stated in its description."""
    rng, mean = np.random.default_rng(1), truth()
    covered, missing, bias = [], [], []
    for _ in range(replications):
        time, event, parts = yearly_costs(rng, 100, 0.138)
        missing.append(np.mean(~event & (time < 4)))
        found = [
            bang_tsiatis(parts.sum(axis=1), time, event, horizon=4).mean,
            bang_tsiatis_partitioned(parts, time, event, edges=EDGES).mean,
        ]
        found += [lin(parts, time, event, edges=EDGES).mean]
        time, event, parts = yearly_costs(rng, 100, 0.138, at_edges=True)
        found += [lin(parts, time, event, edges=EDGES).mean]
        covered.append([covers(one, mean) for one in found])
        bias.append([one.value / mean - 1 for one in found])
    assert np.mean(missing) == pytest.approx(0.30, abs=0.015)
    shares, off = np.mean(covered, axis=0)[[0, 1, 3]], np.mean(bias, axis=0)
    assert (np.abs(shares - 0.945) <= MARGIN[replications]).all(), shares
    assert (np.abs(off[[0, 1, 3]]) < 0.012).all() and -0.05 < off[2] < -0.015, off


@pytest.mark.parametrize("replications", [400, LONG])
def test_leaving_out_the_lost_is_biased_and_weighting_them_is_not(replications: int):
    rng, mean = np.random.default_rng(2), truth()
    naive, weighted = [], []
    for _ in range(replications // 4):
        time, event, parts = yearly_costs(rng, 100, 0.25)
        complete = event | (time >= 4)
        naive.append(parts.sum(axis=1)[complete].mean() / mean - 1)
        weighted.append(bang_tsiatis(parts.sum(axis=1), time, event, horizon=4).mean.value / mean - 1)
    assert np.mean(naive) < -0.04
    assert abs(np.mean(weighted)) < 0.025


@pytest.mark.parametrize("replications", [200, LONG])
def test_bootstrap_and_student_limits_of_a_skewed_mean(replications: int):
    """Log-normal costs (sd of logs 1), n = 30: both miss on the right, Student (about 89 %) and BCa (about 91 %),
    as is known of this distribution (Zhou & Gao 1997, Biometrics 53:1129); at n = 200 both are at 93 to 95 %."""
    rng, mean = np.random.default_rng(3), float(np.exp(0.5))
    small, large = [], []
    for number in range(replications):
        cost = rng.lognormal(0, 1, 30)
        small.append(
            [
                covers(mean_cost(cost, method="t"), mean),
                covers(mean_cost(cost, seed=number), mean),
            ]
        )
        cost = rng.lognormal(0, 1, 200)
        large.append(covers(mean_cost(cost, seed=number, replicates=3999), mean))
    margin = MARGIN[replications]
    student, bca = np.mean(small, axis=0)
    assert 0.885 - margin <= student <= 0.91 + margin
    assert 0.895 - margin <= bca <= 0.925 + margin
    assert 0.925 - margin <= np.mean(large) <= 0.95 + margin


@pytest.mark.parametrize("replications", [400, LONG])
def test_differences_of_mean_costs_keep_their_level(replications: int):
    """Gamma costs of shape 2, 40 an arm: Welch's test, and BCa limits that should contain 0."""
    rng, group = np.random.default_rng(4), np.repeat(["new", "old"], 40)
    welch, bca = [], []
    for number in range(replications):
        cost = rng.gamma(2.0, 1000.0, 80)
        welch.append(cost_difference(cost, group, reference="old", method="welch").p)
        bca.append(covers(cost_difference(cost, group, reference="old", seed=number, replicates=1999), 0.0))
    margin = MARGIN[replications]
    assert abs(np.mean(np.array(welch, dtype=float) < 0.05) - 0.05) <= margin
    assert 0.935 - margin <= np.mean(bca) <= 0.95 + margin


@pytest.mark.parametrize("replications", [200, LONG])
def test_marginal_costs_of_the_gamma_and_the_two_part_model_cover(replications: int):
    """n = 200, a third without cost. Differences cover 93.5 to 95 %; without a difference p keeps its level."""
    rng = np.random.default_rng(5)
    gamma, parts, level = [], [], []
    for _ in range(replications):
        arm = (np.arange(200) % 2).astype(float)
        age = rng.normal(0, 1, 200)
        mean = np.exp(7 + 0.4 * arm + 0.2 * age)
        cost = mean * rng.gamma(1.5, 1 / 1.5, 200)
        other = np.exp(7 + 0.2 * age)
        real = float((np.exp(7.4 + 0.2 * age) - other).mean())
        gamma.append(covers(gamma_marginal(cost, arm, age).difference, real))
        some = rng.random(200) < 1 / (1 + np.exp(-(0.7 + 0.3 * age)))
        share = 1 / (1 + np.exp(-(0.7 + 0.3 * age)))
        expected = float((share * (np.exp(7.4 + 0.2 * age) - other)).mean())
        parts.append(covers(two_part_marginal(cost * some, arm, age).difference, expected))
        level.append(gamma_marginal(other * rng.gamma(1.5, 1 / 1.5, 200), arm, age, robust=True).difference.p)
    margin = MARGIN[replications]
    assert abs(np.mean(gamma) - 0.945) <= margin and abs(np.mean(parts) - 0.945) <= margin
    assert abs(np.mean(np.array(level, dtype=float) < 0.05) - 0.055) <= margin


@pytest.mark.parametrize("replications", [40, pytest.param(400, marks=pytest.mark.long)])
def test_mean_survival_of_the_right_family_covers(replications: int):
    """Weibull, n = 80, half censored at two years, mean up to ten years: Wald limits cover 91 to 95 %."""
    rng = np.random.default_rng(6)
    real = mean_survival(
        fit_distribution(weibull_quantiles(), np.ones(4000), distribution="weibull"), 10
    ).value
    covered = []
    for _ in range(replications):
        death = 2.2 * rng.weibull(1.2, 80)
        fit = fit_distribution(np.minimum(death, 2), death <= 2, distribution="weibull")
        covered.append(covers(mean_survival(fit, 10), real))
    assert 0.92 - MARGIN[replications] <= np.mean(covered) <= 0.95 + MARGIN[replications]


def weibull_quantiles() -> np.ndarray:
    """4000 evenly spread quantiles of the true distribution: the fit to them is the truth to four digits."""
    share = (np.arange(4000) + 0.5) / 4000
    return np.asarray(2.2 * (-np.log1p(-share)) ** (1 / 1.2))
