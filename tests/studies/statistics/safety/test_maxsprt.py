"""Sequential surveillance: ratios, exact boundaries, looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, poisson

from studies.statistics.safety.maxsprt import (
    binomial_critical_value,
    binomial_llr,
    binomial_performance,
    poisson_critical_value,
    poisson_llr,
    poisson_looks,
    poisson_performance,
)
from tests.studies.statistics.safety.test_rates import refused


def test_the_ratio_is_zero_where_no_more_than_expected_happened():
    assert list(poisson_llr([0, 2, 3], [1.0, 2.0, 5.0])) == [0, 0, 0]
    assert list(binomial_llr([0, 1], [4, 4], matching_ratio=3)) == [0, 0]


def test_the_ratios_are_likelihood_ratios():
    poisson_ratio = poisson.logpmf(9, 9) - poisson.logpmf(9, 4.2)
    assert poisson_llr([9], [4.2])[0] == pytest.approx(poisson_ratio, rel=1e-12)
    binomial_ratio = binom.logpmf(7, 9, 7 / 9) - binom.logpmf(7, 9, 1 / 3)
    assert binomial_llr([7], [9], matching_ratio=2)[0] == pytest.approx(binomial_ratio, rel=1e-12)
    assert binomial_llr([5], [5], matching_ratio=1)[0] == pytest.approx(5 * math.log(2))


def test_a_single_look_is_a_fixed_poisson_test():
    """One look at 5 expected events: the chance that the count reaches the critical count."""
    found = poisson_critical_value(5, looks=[5])
    critical = next(n for n in range(6, 30) if poisson.sf(n - 1, 5) <= 0.05)
    assert found.cv == pytest.approx(poisson_llr([critical], [5.0])[0])
    assert found.alpha == pytest.approx(poisson.sf(critical - 1, 5), rel=1e-12)
    power = poisson_performance(5, cv=found.cv, relative_risk=2, looks=[5])
    assert power.power == pytest.approx(poisson.sf(critical - 1, 10), rel=1e-12)
    assert power.time_to_signal == 5 and power.length == 5


def test_two_looks_agree_with_adding_up_all_pairs_of_counts():
    cv, looks = 2.3, [2.0, 5.0]
    missed = 0.0
    for first in range(40):
        if poisson_llr([first], [2.0])[0] >= cv:
            continue
        for second in range(60):
            if poisson_llr([first + second], [5.0])[0] < cv:
                missed += poisson.pmf(first, 2 * 1.5) * poisson.pmf(second, 3 * 1.5)
    found = poisson_performance(5, cv=cv, relative_risk=1.5, looks=looks)
    assert found.power == pytest.approx(1 - missed, rel=1e-10)


def test_many_looks_come_close_to_looking_all_the_time():
    continuous = poisson_performance(4, cv=3.0, relative_risk=2)
    often = poisson_performance(4, cv=3.0, relative_risk=2, looks=np.linspace(0, 4, 2001)[1:])
    assert often.power < continuous.power
    assert often.power == pytest.approx(continuous.power, abs=2e-3)


def test_the_exact_chance_reaches_alpha_when_looking_all_the_time():
    for limit, minimum in ((1, 1), (20, 4), (150, 1)):
        found = poisson_critical_value(limit, minimum_events=minimum)
        assert found.alpha == pytest.approx(0.05, abs=1e-9)
        again = poisson_performance(limit, cv=found.cv, minimum_events=minimum)
        assert again.power == pytest.approx(found.alpha, rel=1e-12)


def test_a_minimum_number_of_events_and_a_late_first_look_lower_the_critical_value():
    plain = poisson_critical_value(10).cv
    assert poisson_critical_value(10, minimum_events=4).cv < plain
    assert poisson_critical_value(10, first_look=2).cv < plain


def test_the_binomial_test_agrees_with_following_every_path():
    """All 2^8 orders of events in risk and control time."""
    cv, ratio, share = 1.8, 2.0, 2.5 / 4.5
    power = 0.0
    for path in range(256):
        steps = [(path >> k) & 1 for k in range(8)]
        hit = any(
            binomial_llr([sum(steps[:k])], [k], matching_ratio=ratio)[0] >= cv and sum(steps[:k]) >= 3
            for k in range(1, 9)
        )
        power += hit * share ** sum(steps) * (1 - share) ** (8 - sum(steps))
    found = binomial_performance(8, cv=cv, matching_ratio=ratio, relative_risk=2.5, minimum_cases=3)
    assert found.power == pytest.approx(power, rel=1e-12)


def test_the_next_smaller_critical_value_would_exceed_alpha():
    found = binomial_critical_value(30, matching_ratio=1)
    assert found.alpha <= 0.05
    assert binomial_performance(30, cv=found.cv * (1 - 1e-6), matching_ratio=1).power == pytest.approx(
        found.alpha
    )
    table = np.unique(
        np.concatenate(
            [binomial_llr(np.arange(k + 1), [k] * (k + 1), matching_ratio=1) for k in range(1, 31)]
        )
    )
    below = table[table < found.cv * (1 - 1e-9)].max()
    assert binomial_performance(30, cv=below, matching_ratio=1).power > 0.05


def test_a_boundary_is_applied_to_the_looks_made_so_far():
    boundary = poisson_critical_value(10, minimum_events=3)
    looks = poisson_looks([1, 2, 9], [0.05, 1.0, 2.0], boundary)
    assert [one.signal for one in looks] == [False, False, True]
    assert looks[2].relative_risk == 4.5
    refused("bad_argument", poisson_looks, [3, 2], [1.0, 2.0], boundary)
    refused("bad_argument", poisson_looks, [3], [11.0], boundary)


def test_designs_that_cannot_be_are_refused():
    refused("bad_argument", poisson_critical_value, 0)
    refused("bad_argument", poisson_critical_value, 1e5)
    refused("bad_argument", poisson_critical_value, 5, alpha=0.7)
    refused("bad_argument", poisson_critical_value, 5, alpha=0)
    refused("bad_argument", poisson_critical_value, 5, first_look=6)
    refused("bad_argument", poisson_critical_value, 5, minimum_events=0)
    refused("bad_argument", poisson_critical_value, 5, looks=[5, 4])
    refused("bad_argument", poisson_critical_value, 5, looks=[1, 4])
    refused("no_boundary", binomial_critical_value, 3, matching_ratio=1)  # 3 heads of 3: 1/8
    refused("no_boundary", poisson_critical_value, 0.01, minimum_events=3)
    refused("bad_argument", binomial_critical_value, 10, matching_ratio=0)
    refused("bad_argument", binomial_performance, 10, cv=-1, matching_ratio=1)
    refused("bad_argument", binomial_llr, [3], [2], matching_ratio=1)
    refused("bad_argument", poisson_llr, [3], [0.0])
    refused("lengths_differ", poisson_llr, [3, 4], [1.0])
    refused("bad_argument", poisson_performance, 5, cv=2, relative_risk=0)
