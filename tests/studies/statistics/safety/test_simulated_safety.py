"""Simulations with known truth for the methods of safety: coverage and type I error, seeds fixed.

Each has a short form that always runs and a long one (`-m long`) whose limits are those of 2000 or more
replications (95 % +- 1.5 percentage points). Where a method is known to miss, the value found is stated.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.safety.case_intervals import case_intervals
from studies.statistics.safety.gamma_poisson import GammaPoissonPrior, shrink
from studies.statistics.safety.maxsprt import (
    binomial_critical_value,
    binomial_llr,
    poisson_critical_value,
    poisson_llr,
    poisson_performance,
)
from studies.statistics.safety.onset import weibull_shape
from studies.statistics.safety.rates import event_rate, exact_rate, rate_difference
from studies.statistics.safety.sccs import sccs

LONG = pytest.param(2000, marks=pytest.mark.long)
# What 95 % coverage may look like in so many replications: three standard errors, or 1.5 points in the long form.
MARGIN = {300: 0.038, 400: 0.033, 2000: 0.015, 1000: 0.021}


@pytest.mark.parametrize("replications", [400, LONG])
def test_exact_rates_cover_at_least_as_often_as_they_say(replications: int):
    """Garwood's limits are conservative for small counts: 96 to 99 % at a mean of 4."""
    rng = np.random.default_rng(1)
    found = [exact_rate(int(x), 40, per=1) for x in rng.poisson(4, replications)]
    covered = np.mean([one.lower <= 0.1 <= one.upper for one in found])
    assert 0.95 - MARGIN[replications] / 3 <= covered <= 0.995


@pytest.mark.parametrize("replications", [400, LONG])
def test_robust_event_rates_cover_when_events_come_in_clusters(replications: int):
    """60 subjects, events of a subject gamma-Poisson (variance 4 x mean). Robust limits cover 91 to 95 % (the
    sandwich is short in small samples); the exact ones, which take events as independent, below 75 %."""
    rng = np.random.default_rng(2)
    robust, exact = [], []
    for _ in range(replications):
        time = rng.uniform(0.5, 2, 60)
        events = rng.poisson(rng.gamma(0.5, 1 / 0.5, 60) * 1.5 * time)
        one = event_rate(events, time, per=1)
        assert one.robust_lower is not None and one.robust_upper is not None
        robust.append(one.robust_lower <= 1.5 <= one.robust_upper)
        exact.append(one.lower <= 1.5 <= one.upper)
    assert 0.93 - MARGIN[replications] <= np.mean(robust) <= 0.965
    assert np.mean(exact) < 0.78


@pytest.mark.parametrize("replications", [400, LONG])
def test_differences_of_rates_cover(replications: int):
    """MOVER with exact limits is conservative (about 97 %)."""
    rng = np.random.default_rng(3)
    rates = []
    for _ in range(replications):
        one, two = exact_rate(int(rng.poisson(6)), 60, per=1), exact_rate(int(rng.poisson(9)), 60, per=1)
        difference = rate_difference(one, two)
        assert difference.lower is not None and difference.upper is not None
        rates.append(difference.lower <= -0.05 <= difference.upper)
    assert 0.95 - MARGIN[replications] / 3 <= np.mean(rates) <= 0.995


@pytest.mark.parametrize("replications", [300, LONG])
def test_weibull_shapes_cover_with_and_without_truncation(replications: int):
    """n = 100. At n = 30 the Wald limits of the shape cover about 93 % (its estimate is biased upwards)."""
    rng = np.random.default_rng(4)
    plain, cut, small, refused = [], [], [], []
    for _ in range(replications):
        fit = weibull_shape(20 * rng.weibull(0.8, 100)).shape
        plain.append(fit.lower <= 0.8 <= fit.upper)
        fit = weibull_shape(20 * rng.weibull(0.8, 30)).shape
        small.append(fit.lower <= 0.8 <= fit.upper)
        days, until = 20 * rng.weibull(0.8, 130), rng.uniform(40, 160, 130)
        seen = days <= until
        try:
            fit = weibull_shape(days[seen], truncation=until[seen]).shape
        except CannotEstimate as refusal:  # now and then the times seen leave the scale open
            refused.append(refusal.reason.code)
            continue
        cut.append(fit.lower <= 0.8 <= fit.upper)
    margin = MARGIN[replications]
    assert abs(np.mean(plain) - 0.95) <= margin
    assert abs(np.mean(cut) - 0.95) <= margin
    assert set(refused) <= {"no_weibull"} and len(refused) <= 0.02 * replications
    assert 0.93 - margin <= np.mean(small) <= 0.95 + margin


@pytest.mark.parametrize("replications", [300, LONG])
def test_the_test_of_a_constant_hazard_keeps_its_level(replications: int):
    rng = np.random.default_rng(5)
    p = [weibull_shape(rng.exponential(30, 80)).shape.p for _ in range(replications)]
    assert abs(np.mean(np.array(p, dtype=float) < 0.05) - 0.05) <= MARGIN[replications]


def series(rng: np.random.Generator, m: int, effect: float) -> tuple[list[tuple[float, float]], list[float]]:
    """m cases with one or two events over a year; age effects; relative incidence exp(effect) for 28 days."""
    day = np.arange(365)
    exposure = rng.integers(20, 330, m)
    inside = (day >= exposure[:, None]) & (day < exposure[:, None] + 28)
    weight = np.exp(effect * inside + 0.4 * (day >= 180))
    cumulated = weight.cumsum(axis=1)
    events = 1 + (np.arange(m) % 3 == 0)
    case = np.repeat(np.arange(m), events)
    drawn = (cumulated[case] < rng.random((len(case), 1)) * cumulated[case, -1:]).sum(axis=1)
    pieces = case_intervals(
        np.zeros(m), np.full(m, 364), event_case=case, event_day=drawn, exposure_case=np.arange(m),
        exposure_day=exposure, risk_windows={"risk": (0, 27)}, age_cuts=[180],
    )  # fmt: skip
    found = [sccs(pieces).risks[0].estimate, sccs(pieces, robust=True).risks[0].estimate]
    found.append(sccs(pieces, conf_type="profile").risks[0].estimate)
    limits = [(one.lower or 0.0, one.upper or math.inf) for one in found]
    return limits, [one.p if one.p is not None else math.nan for one in found]


@pytest.mark.parametrize("replications", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_case_series_cover_the_relative_incidence(replications: int):
    """80 cases, RI 2.5: model-based, robust and profile limits."""
    rng = np.random.default_rng(6)
    covered = np.mean(
        [
            [low <= 2.5 <= high for low, high in series(rng, 80, math.log(2.5))[0]]
            for _ in range(replications)
        ],
        axis=0,
    )
    assert np.abs(covered - 0.95).max() <= {40: 0.1, 1000: 0.021}[replications]


@pytest.mark.parametrize("replications", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_case_series_reject_no_effect_at_their_level(replications: int):
    rng = np.random.default_rng(7)
    rejected = np.mean([np.array(series(rng, 120, 0.0)[1]) < 0.05 for _ in range(replications)], axis=0)
    assert rejected.max() <= {40: 0.16, 1000: 0.071}[replications]
    if replications > 100:
        assert rejected.min() >= 0.029


def poisson_paths(rng: np.random.Generator, paths: int, risk: float, limit: float) -> np.ndarray:
    most = int(limit * risk + 12 * math.sqrt(limit * risk) + 40)
    return np.cumsum(rng.exponential(1 / risk, (paths, most)), axis=1)


@pytest.mark.parametrize("paths", [40_000, pytest.param(400_000, marks=pytest.mark.long)])
def test_the_poisson_maxsprt_gives_false_signals_as_often_as_it_says(paths: int):
    boundary = poisson_critical_value(10, minimum_events=3)
    time = poisson_paths(np.random.default_rng(8), paths, 1.0, 10)
    n = np.arange(1, time.shape[1] + 1)
    signal = (time <= 10) & (n >= 3) & (poisson_ratio(n, time) >= boundary.cv)
    assert signal.any(axis=1).mean() == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / paths))


def poisson_ratio(n: np.ndarray, time: np.ndarray) -> np.ndarray:
    flat = np.broadcast_to(n, time.shape)
    return poisson_llr(flat.ravel(), time.ravel()).reshape(time.shape)


@pytest.mark.parametrize("paths", [40_000, pytest.param(400_000, marks=pytest.mark.long)])
def test_power_and_time_to_signal_after_a_late_first_look_are_those_of_simulated_paths(paths: int):
    """D = 1, M = 4, RR = 1.5: exactly 0.53397 and 8.7409."""
    exact = poisson_performance(20, cv=3, relative_risk=1.5, first_look=1, minimum_events=4)
    time = poisson_paths(np.random.default_rng(9), paths, 1.5, 20)
    n = np.arange(1, time.shape[1] + 1)
    at_first = (time <= 1).sum(axis=1)
    early = (at_first >= 4) & (poisson_llr(at_first, np.ones(paths)) >= 3)
    later = (time > 1) & (time <= 20) & (n >= 4) & (poisson_ratio(n, time) >= 3)
    signal = np.where(
        early, 1.0, np.where(later.any(axis=1), time[np.arange(paths), later.argmax(axis=1)], np.inf)
    )
    happened = np.isfinite(signal)
    assert happened.mean() == pytest.approx(exact.power, abs=4 * 0.5 / math.sqrt(paths))
    assert exact.time_to_signal is not None
    assert signal[happened].mean() == pytest.approx(
        exact.time_to_signal, abs=4 * 5.8 / math.sqrt(happened.sum())
    )


@pytest.mark.parametrize("paths", [20_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_the_binomial_maxsprt_gives_false_signals_as_often_as_it_says(paths: int):
    boundary = binomial_critical_value(40, matching_ratio=2, minimum_cases=2)
    cases = (np.random.default_rng(10).random((paths, 40)) < 1 / 3).cumsum(axis=1)
    n = np.broadcast_to(np.arange(1, 41), cases.shape)
    ratio = binomial_llr(cases.ravel(), n.ravel(), matching_ratio=2).reshape(cases.shape)
    signal = ((ratio >= boundary.cv * (1 - 1e-12)) & (cases >= 2)).any(axis=1).mean()
    assert signal == pytest.approx(boundary.alpha, abs=4 * math.sqrt(0.05 * 0.95 / paths))


@pytest.mark.parametrize("pairs", [4000, pytest.param(200_000, marks=pytest.mark.long)])
def test_one_in_twenty_true_ratios_lies_below_eb05(pairs: int):
    """Under the prior that made them, the percentiles are exact."""
    rng = np.random.default_rng(11)
    prior = GammaPoissonPrior(0.5, 0.4, 5.0, 6.0, 0.2, 0.0, 0, "true")
    first = rng.random(pairs) < prior.p
    ratio = np.where(first, rng.gamma(0.5, 1 / 0.4, pairs), rng.gamma(5.0, 1 / 6.0, pairs))
    expected = np.exp(rng.uniform(-1, 3, pairs))
    found = shrink(rng.poisson(ratio * expected), expected, prior)
    close = 4 * math.sqrt(0.05 * 0.95 / pairs)
    assert np.mean(ratio < found.eb05) == pytest.approx(0.05, abs=close)
    assert np.mean(ratio > found.eb95) == pytest.approx(0.05, abs=close)
