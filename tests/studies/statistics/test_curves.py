"""Kaplan-Meier, log-rank and exact limits, against hand computation and lifelines."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.kaplan_meier import kaplan_meier
from studies.statistics.log_rank import log_rank
from studies.statistics.probability import (
    chi_square_p,
    normal_quantile,
    poisson_interval,
    two_sided_p,
)

DAYS = np.array([6.0, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35])
EVENT = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=bool)


def test_the_textbook_curve():
    """Gehan's 21 patients on 6-MP (1965): 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448; median 23."""
    curve = kaplan_meier(DAYS, EVENT)
    survival = [round(curve.at(day)[0], 3) for day in (6, 7, 10, 13, 16, 22, 23)]
    assert survival == [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert curve.median()[0] == 23
    assert [curve.at_risk_at(day) for day in (0, 6, 7, 23, 35, 36)] == [21, 21, 17, 6, 1, 0]
    assert curve.at(5.9) == (1.0, 1.0, 1.0)


def test_log_log_limits_are_those_of_lifelines():
    """For unweighted data lifelines' limits are right, so they are a second opinion on ours."""
    from lifelines import KaplanMeierFitter

    fitted = KaplanMeierFitter().fit(DAYS, EVENT)
    curve = kaplan_meier(DAYS, EVENT)
    theirs = fitted.confidence_interval_.loc[curve.days].to_numpy()
    assert np.column_stack([curve.ci_low, curve.ci_high]) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("days", "event", "median"),
    [
        ([1, 2, 3, 4], [1, 1, 1, 1], 2.5),  # rests at one half from 2 to 3: the midpoint
        ([1, 2, 3], [1, 1, 1], 2.0),
        ([1, 2], [1, 0], 1.0),  # ends at one half
        ([1, 2, 3], [0, 0, 0], None),
        ([5], [1], 5.0),
        ([0, 0, 4], [1, 1, 0], 0.0),
    ],
)
def test_medians(days, event, median):
    """Not reached is None; where the curve rests at exactly one half, the midpoint, as in R."""
    curve = kaplan_meier(np.array(days, dtype=float), np.array(event, dtype=bool))
    assert curve.median()[0] == median


def test_limits_do_not_exist_where_nobody_is_left():
    """All died: the curve is 0 there, and no limit can be computed."""
    curve = kaplan_meier(np.array([1.0, 2.0]), np.array([True, True]))
    assert curve.at(2.0) == (0.0, None, None)


def test_the_log_rank_test_by_hand():
    """Four people, two deaths: expected 1/2 + 1/3 in the second group, variance 1/4 + 2/9."""
    days, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False])
    second = np.array([True, False, False, True])
    test = log_rank(days, event, second)
    assert test.expected[1] == pytest.approx(1 / 2 + 1 / 3)
    assert test.chi_square == pytest.approx((1 - 5 / 6) ** 2 / (1 / 4 + 2 / 9))
    assert test.observed == (1, 1)


def test_the_log_rank_test_agrees_with_lifelines():
    """A second opinion, with ties."""
    from lifelines.statistics import logrank_test

    random = np.random.default_rng(8)
    days = random.integers(1, 30, 120).astype(float)
    event, second = random.uniform(size=120) < 0.6, random.uniform(size=120) < 0.4
    theirs = logrank_test(days[second], days[~second], event[second], event[~second])
    assert log_rank(days, event, second).chi_square == pytest.approx(theirs.test_statistic, rel=1e-9)


@pytest.mark.parametrize("event", [[False, False], [True, True]])
def test_without_events_or_variance_there_is_no_log_rank_test(event):
    """Two people who die on one day leave nothing to chance."""
    with pytest.raises(CannotEstimate):
        log_rank(np.array([3.0, 3.0]), np.array(event), np.array([True, False]))


def test_distribution_functions_at_known_values():
    """Tables of any statistics book; Garwood's limits for 0 and 10 events."""
    assert normal_quantile(0.95) == pytest.approx(1.959963985, rel=1e-9)
    assert two_sided_p(1.959963985) == pytest.approx(0.05, rel=1e-8)
    assert 0 < two_sided_p(30.0) < 1e-190
    assert chi_square_p(3.841458821, 1) == pytest.approx(0.05, rel=1e-8)
    assert chi_square_p(18.30703805, 10) == pytest.approx(0.05, rel=1e-8)
    assert poisson_interval(10) == pytest.approx((4.795389, 18.390356), rel=1e-6)
    assert poisson_interval(0) == pytest.approx((0.0, 3.688879), rel=1e-6)
