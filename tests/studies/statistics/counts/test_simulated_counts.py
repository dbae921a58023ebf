"""Regressions and common measures on invented data with known truth, seeds fixed.

Intervals of one and two proportions and of rates need no simulation: their coverage is enumerated in
test_proportions, test_rates and test_two_by_two. 400 studies (short form) leave a Monte-Carlo error of 1.1
percentage points, 4000 (long) one of 0.35; the tolerance is about two and a half of them. The sandwich is too
small with few clusters (Mancl & DeRouen 2001): with 40 of them about one point is lost.
"""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.counts.interim import group_sequential
from studies.statistics.counts.modified_poisson import modified_poisson, negative_binomial, poisson_regression
from studies.statistics.counts.performance_criterion import Criterion, survival_against_criterion
from studies.statistics.counts.stratified import (
    breslow_day,
    cmh_test,
    common_odds_ratio,
    common_risk_difference,
    common_risk_ratio,
)

SIZES = [pytest.param(400, 0.028, id="short"), pytest.param(4000, 0.010, id="long", marks=pytest.mark.long)]


def held(lower: list[float], upper: list[float], truth: float) -> float:
    return float(np.mean((np.array(lower) <= truth) & (truth <= np.array(upper))))


@pytest.mark.parametrize(("studies", "error"), SIZES)
def test_modified_poisson_with_robust_errors_covers_a_risk_ratio(studies, error):
    """n = 120, risks 0.35 and 0.525: a Poisson model's own errors would cover 98 % and more."""
    rng, robust, model = np.random.default_rng(21), [], []
    for _ in range(studies):
        x = np.column_stack([np.repeat([0.0, 1.0], 60), rng.integers(0, 2, 120)])
        y = rng.random(120) < 0.35 * 1.5 ** x[:, 0] * 1.2 ** x[:, 1]
        fit, plain = modified_poisson(y, x), poisson_regression(y.astype(int), x)
        robust.append((fit.lower[1], fit.upper[1]))
        model.append((plain.lower[1], plain.upper[1]))
    assert held(*zip(*robust, strict=True), 1.5) == pytest.approx(0.95, abs=error)
    assert held(*zip(*model, strict=True), 1.5) > 0.97


@pytest.mark.parametrize(("studies", "error"), SIZES)
def test_cluster_robust_errors_cover_where_patients_of_a_site_are_alike(studies, error):
    """40 sites of 15, treated or not as a whole: plain robust errors miss, clustered ones lose about one point."""
    rng, clustered, plain = np.random.default_rng(22), [], []
    site = np.repeat(np.arange(40), 15)
    for _ in range(studies):
        x = (site % 2).astype(float)
        y = rng.random(600) < np.clip(0.3 * 1.4**x * rng.gamma(12.0, 1 / 12.0, 40)[site], 0, 1)
        fit = modified_poisson(y, x, cluster=site, cadjust=True)
        clustered.append((fit.lower[1], fit.upper[1]))
        alone = modified_poisson(y, x)
        plain.append((alone.lower[1], alone.upper[1]))
    assert held(*zip(*clustered, strict=True), 1.4) == pytest.approx(0.94, abs=error)
    assert held(*zip(*plain, strict=True), 1.4) < 0.90


@pytest.mark.parametrize(("studies", "error"), [pytest.param(150, 0.045, id="short"), SIZES[1]])
def test_a_negative_binomial_covers_a_rate_ratio_where_poisson_does_not(studies, error):
    rng, fitted, poisson = np.random.default_rng(23), [], []
    x = np.repeat([0.0, 1.0], 100)
    for _ in range(studies):
        time = rng.uniform(0.5, 2.0, 200)
        y = rng.poisson(time * np.exp(0.5 + 0.4 * x) * rng.gamma(1.2, 1 / 1.2, 200))
        fit, plain = (one(y, x, person_time=time) for one in (negative_binomial, poisson_regression))
        fitted.append((fit.lower[1], fit.upper[1]))
        poisson.append((plain.lower[1], plain.upper[1]))
    assert held(*zip(*fitted, strict=True), np.exp(0.4)) == pytest.approx(0.945, abs=error)
    assert held(*zip(*poisson, strict=True), np.exp(0.4)) < 0.85


def sites(rng: np.random.Generator, ratio: float, strata: int = 6, size: int = 20) -> np.ndarray:
    """Tables of `strata` sites with 2 x size subjects each and a common odds ratio."""
    base = np.linspace(0.15, 0.5, strata)
    treated = ratio * base / (1 - base + ratio * base)
    a, c = rng.binomial(size, treated), rng.binomial(size, base)
    return np.array([[a, size - a], [c, size - c]]).transpose(2, 0, 1)


@pytest.mark.parametrize(("studies", "error"), SIZES)
def test_mantel_haenszel_intervals_cover_and_the_tests_hold_their_level(studies, error):
    rng = np.random.default_rng(24)
    odds, p_cmh, p_corrected, p_homogeneous = [], [], [], []
    for _ in range(studies):
        shown = common_odds_ratio(sites(rng, 2.0)).measure
        odds.append((shown.lower, shown.upper))
        null = sites(rng, 1.0)
        p_cmh.append(cmh_test(null, correct=False).p)
        p_corrected.append(cmh_test(null).p)
        p_homogeneous.append(breslow_day(null).p)
    assert held(*zip(*odds, strict=True), 2.0) == pytest.approx(0.95, abs=error)
    assert np.mean(np.array(p_cmh) <= 0.05) == pytest.approx(0.05, abs=error)
    assert np.mean(np.array(p_corrected) <= 0.05) <= 0.05 + error / 2
    assert np.mean(np.array(p_homogeneous) <= 0.05) == pytest.approx(0.05, abs=error)


@pytest.mark.parametrize(("studies", "error"), SIZES)
def test_common_risk_ratio_and_difference_cover_with_five_subjects_an_arm_and_site(studies, error):
    """30 sites of 2 x 5: the sparse case for which Greenland & Robins' and Sato's variances were made."""
    rng, ratios, differences = np.random.default_rng(25), [], []
    base = np.linspace(0.2, 0.45, 30)
    for _ in range(studies):
        a, b, c = rng.binomial(5, 1.6 * base), rng.binomial(5, base + 0.2), rng.binomial(5, base)
        shown = common_risk_ratio(np.array([[a, 5 - a], [c, 5 - c]]).transpose(2, 0, 1)).measure
        ratios.append((shown.lower, shown.upper))
        shown = common_risk_difference(np.array([[b, 5 - b], [c, 5 - c]]).transpose(2, 0, 1)).measure
        differences.append((shown.lower, shown.upper))
    assert held(*zip(*ratios, strict=True), 1.6) == pytest.approx(0.95, abs=error)
    assert held(*zip(*differences, strict=True), 0.2) == pytest.approx(0.95, abs=error)


def test_looking_without_a_boundary_inflates_the_level_and_with_one_does_not():
    """Five looks at a true null: 1.96 rejects in 14 % (Armitage, McPherson & Rowe 1969), the bounds in 5 %."""
    rng, studies = np.random.default_rng(26), 40000
    scores = np.cumsum(rng.normal(size=(studies, 5)), axis=1)
    z = np.abs(scores / np.sqrt(np.arange(1, 6)))
    assert np.mean((z > 1.96).any(axis=1)) == pytest.approx(0.142, abs=0.006)
    for spending in ("obrien-fleming", "pocock"):
        bounds = group_sequential(np.arange(1, 6) / 5, alpha=0.05, sided=2, spending=spending).critical
        assert np.mean((z > bounds).any(axis=1)) == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize(("studies", "error"), SIZES)
@pytest.mark.parametrize(("n", "covers"), [(30, 1.0), (60, 0.985), (200, 0.978)])
def test_the_log_log_bound_of_survival_covers_one_sided(n, covers, studies, error):
    """Lower bound at 97.5 %, survival 0.8 at one year, 20 % lost before: on the safe side where events are few.

    With 1 event among 30 the bound is 0.79, so that at n = 30 it can never exclude 0.8; the log-log interval is
    lop-sided for few events (Borgan & Liestoel 1990), and comes to its level as they grow.
    """
    rng, held_by = np.random.default_rng(27), []
    criterion = Criterion(0.5, "x")
    for _ in range(studies):
        event_at, lost_at = rng.exponential(1 / -np.log(0.8), n), rng.exponential(1 / 0.223, n)
        time = np.minimum(event_at, lost_at)
        order = np.argsort(time)
        died = (event_at <= lost_at)[order] & (time[order] <= 1.0)
        at_risk = n - np.arange(n)
        survival = float(np.prod(1 - died / at_risk))
        greenwood = float(np.sqrt((died / (at_risk * np.maximum(at_risk - 1, 1))).sum()))
        if died.any():
            shown = survival_against_criterion(1.0, survival, survival * greenwood, criterion)
            held_by.append(shown.bound <= 0.8)
    assert len(held_by) > 0.99 * studies
    assert np.mean(held_by) == pytest.approx(covers, abs=error)


def test_a_study_of_one_subject_or_none_is_refused_everywhere():
    for call in (
        lambda: modified_poisson([1], [[1.0]]),
        lambda: modified_poisson([], []),
        lambda: cmh_test(np.zeros((1, 2, 2))),
        lambda: cmh_test([[[1, 0], [0, 0]]]),
    ):
        with pytest.raises(CannotEstimate):
            call()
