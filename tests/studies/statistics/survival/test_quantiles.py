"""quantiles: the midpoint rule, "not reached", and follow-up."""

from __future__ import annotations

import numpy as np

from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.quantiles import median, median_follow_up, quantiles


def test_a_curve_that_rests_at_one_half_has_its_median_in_the_middle() -> None:
    """S is 0.5 from 2 to 5."""
    assert median(kaplan_meier([1, 2, 5, 6], [1, 1, 1, 1])).value == 3.5


def test_a_rest_that_never_ends_lasts_to_the_end_of_follow_up() -> None:
    """S stays 0.5 from 2 to 8: (2 + 8) / 2, as quantile.survfit has it."""
    assert median(kaplan_meier([1, 2, 7, 8], [1, 1, 0, 0])).value == 5.0


def test_a_median_that_is_not_reached_is_none() -> None:
    """And so are its limits."""
    found = median(kaplan_meier([1, 2, 3, 4, 5], [1, 0, 0, 0, 0]))
    assert (found.value, found.upper) == (None, None)


def test_rounding_does_not_hide_a_rest() -> None:
    """0.7 x 0.5/0.7 is not 0.5 in floating point."""
    time, event = np.arange(1, 11), [1, 1, 1, 0, 0, 1, 1, 0, 0, 1]
    curve = kaplan_meier(time, event)
    at = float(curve.surv[5])
    found = quantiles(curve, 1 - at)[0].value
    assert found == (6 + 7) / 2


def test_the_share_zero_is_the_start() -> None:
    """And the share 1 is where S comes to 0."""
    curve = kaplan_meier([2, 3, 4], [1, 1, 1])
    assert [one.value for one in quantiles(curve, [0.0, 1.0])] == [0.0, 4.0]


def test_limits_of_the_median_come_from_the_limits_of_the_curve() -> None:
    """The first time the lower (upper) limit is at one half or below."""
    rng = np.random.default_rng(0)
    curve = kaplan_meier(rng.exponential(10, 80), rng.random(80) < 0.8)
    found = median(curve)
    assert found.lower == curve.time[np.flatnonzero(curve.lower <= 0.5)[0]]
    assert found.upper == curve.time[np.flatnonzero(curve.upper <= 0.5)[0]]
    assert found.lower < found.value < found.upper


def test_follow_up_is_the_median_of_censoring() -> None:
    """Deaths cut follow-up short; they do not shorten its median."""
    time = [5, 6, 7, 8, 9, 10]
    assert median_follow_up(time, [0] * 6).value == 7.5
    assert median_follow_up([1, 1, 1, *time], [1] * 3 + [0] * 6).value == 7.5
    assert median_follow_up(time, [1] * 6).value is None
