"""Time to onset among cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.statistics.economics.quantiles import quantiles
from studies.statistics.safety.onset import time_to_onset, weibull_shape
from tests.studies.statistics.safety.test_rates import refused

DAYS = np.random.default_rng(4).weibull(0.7, 80) * 40 + 0.01


def test_the_quartiles_stand_between_the_extremes():
    onset = time_to_onset([4, 1, 9, 0, 30])
    assert (onset.n, onset.lowest, onset.highest) == (5, 0, 30)
    assert [one.value for one in onset.quantiles] == [1, 4, 9]
    assert onset.quantiles[1].lower is None  # five values have no 95 % limits for a median
    assert quantiles(range(6))[1].lower == 0 and quantiles(range(6))[1].upper == 5


def test_an_early_a_constant_and_a_late_pattern_are_told_apart():
    rng = np.random.default_rng(1)
    assert weibull_shape(rng.weibull(0.5, 200)).pattern == "early"
    assert weibull_shape(rng.exponential(9, 200)).pattern == "constant"
    assert weibull_shape(rng.weibull(2.0, 200)).pattern == "late"


def test_the_unit_of_time_changes_the_scale_and_not_the_shape():
    days, years = weibull_shape(DAYS), weibull_shape(DAYS / 365.25)
    assert years.shape.value == pytest.approx(days.shape.value, rel=1e-9)
    assert years.scale.value * 365.25 == pytest.approx(days.scale.value, rel=1e-9)


def test_the_score_equations_of_the_maximum_hold():
    fit = weibull_shape(DAYS)
    k, scale = fit.shape.value, fit.scale.value
    assert np.mean((DAYS / scale) ** k) == pytest.approx(1, rel=1e-10)
    weighted = (DAYS**k * np.log(DAYS)).sum() / (DAYS**k).sum()
    assert weighted - 1 / k == pytest.approx(np.log(DAYS).mean(), rel=1e-10)


def test_truncation_far_away_changes_nothing():
    far = weibull_shape(DAYS, truncation=np.full(len(DAYS), 1e7))
    assert far.shape.value == pytest.approx(weibull_shape(DAYS).shape.value, rel=1e-8)
    assert far.truncated


def test_ignoring_truncation_makes_onset_look_earlier_than_it_is():
    """Reports end 30 days after each start; the truth is a constant hazard with a mean of 60 days."""
    days = np.random.default_rng(2).exponential(60, 6000)
    seen = days[days < 30]
    naive, right = weibull_shape(seen), weibull_shape(seen, truncation=np.full(len(seen), 30.0))
    assert naive.scale.value < 20
    assert right.shape.lower < 1 < right.shape.upper


def test_day_zero_needs_a_decision():
    refused("bad_argument", weibull_shape, [0, 1, 2, 5])
    assert weibull_shape([0, 1, 2, 5], zero="half").n == 4


def test_times_without_a_shape_are_refused():
    refused("no_subjects", weibull_shape, [])
    refused("too_many_terms", weibull_shape, [3.0, 4.0])
    refused("constant", weibull_shape, [3.0, 3.0, 3.0])
    refused("not_a_number", weibull_shape, [3.0, math.nan, 1.0])
    refused("bad_argument", weibull_shape, [3.0, -1.0, 1.0])
    refused("bad_argument", weibull_shape, [3.0, 4.0, 1.0], truncation=[3.0, 3.0, 3.0])
    refused("lengths_differ", weibull_shape, [3.0, 4.0, 1.0], truncation=[3.0])
    refused("bad_argument", weibull_shape, [3.0, 4.0, 1.0], zero="drop")
    evenly = 10 * np.random.default_rng(0).random(30)  # spread evenly up to the truncation
    refused("no_weibull", weibull_shape, evenly, truncation=[10.0] * 30)
    refused("bad_argument", time_to_onset, [-1.0])
    refused("bad_argument", quantiles, [1.0, 2.0], (1.5,))
