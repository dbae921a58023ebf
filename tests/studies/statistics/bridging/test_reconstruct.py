"""Reading patients back from a curve: a known curve comes back with its median and its hazard ratio."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.reconstruct import reconstruct_ipd
from studies.statistics.survival.cox import fit_cox


def curve(time: Any, event: Any) -> tuple[Any, Any]:
    at = np.unique(time[event])
    steps = [1 - ((time == one) & event).sum() / (time >= one).sum() for one in at]
    return np.append(at, time.max()), np.append(np.cumprod(steps), np.prod(steps))


def trial(rate: float, n: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    dies, leaves = rng.exponential(1 / rate, n), rng.uniform(5, 30, n)
    return np.minimum(dies, leaves).round(2), dies <= leaves


def median(time: Any, survival: Any) -> float:
    return float(time[np.flatnonzero(survival <= 0.5)[0]])


@pytest.mark.parametrize("seed", range(6))
def test_a_known_trial_comes_back(seed: int):
    """120 per arm, at risk every 5 months: medians to 0.3 months, log hazard ratio to 0.05, its variance to 10 %.

    The curve itself comes back to 0.02 up to month 15; after that a handful at risk makes steps of 0.1 and more.
    """
    arms, back = [trial(0.1, 120, seed), trial(0.06, 120, seed + 100)], []
    for time, event in arms:
        t, s = curve(time, event)
        at = np.arange(0, 30, 5.0)
        made = reconstruct_ipd(t, s, risk_time=at, n_at_risk=[(time >= one).sum() for one in at])
        assert len(made.time) == 120
        early = t <= 15
        rebuilt = [
            np.prod([1 - 1 / (made.time >= u).sum() for u in made.time[made.event & (made.time <= v)]])
            for v in t
        ]
        assert np.abs(rebuilt - s)[early].max() < 0.02
        assert abs(made.events - event.sum()) <= 4
        assert made.at_risk == pytest.approx(made.at_risk_given)
        assert median(*curve(made.time, made.event)) == pytest.approx(median(t, s), abs=0.3)
        back.append((made.time, made.event))
    fits = [
        fit_cox(
            np.repeat([0.0, 1.0], 120), np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]]).astype(int)
        )
        for a, b in (arms, back)
    ]
    assert fits[1].coef[0] == pytest.approx(fits[0].coef[0], abs=0.05)
    assert fits[1].covariance[0, 0] == pytest.approx(fits[0].covariance[0, 0], rel=0.1)


def test_without_censoring_every_death_comes_back_exactly():
    time = np.arange(1.0, 41.0)
    t, s = curve(time, np.ones(40, bool))
    made = reconstruct_ipd(t, s, risk_time=[0, 20], n_at_risk=[40, 21])
    assert made.time == pytest.approx(time)
    assert made.event.all()


def test_a_total_of_events_settles_the_tail():
    time, event = trial(0.05, 200, 9)
    t, s = curve(time, event)
    made = reconstruct_ipd(t, s, risk_time=[0.0], n_at_risk=[200], events=int(event.sum()))
    assert abs(made.events - event.sum()) <= 2


def test_a_flat_curve_has_no_events():
    made = reconstruct_ipd([10.0], [1.0], risk_time=[0, 5], n_at_risk=[20, 12])
    assert made.events == 0 and len(made.time) == 20
    assert made.at_risk.tolist() == [20, 12]


@pytest.mark.parametrize(
    ("t", "s", "at", "n"),
    [
        ([], [], [0], [10]),
        ([1, 2], [0.9], [0], [10]),
        ([1, 2], [0.9, math.nan], [0], [10]),
        ([-1, 2], [0.9, 0.8], [0], [10]),
        ([2, 1], [0.9, 0.8], [0], [10]),
        ([1, 2], [0.9, 1.2], [0], [10]),
        ([1, 2], [0.8, 0.9], [0], [10]),
        ([1, 2], [0.9, 0.8], [1], [10]),
        ([1, 2], [0.9, 0.8], [0, 1], [10, 11]),
        ([1, 2], [0.9, 0.8], [0, 0], [10, 9]),
        ([1, 2], [0.9, 0.8], [0, 1], [10]),
        ([1, 2], [0.9, 0.8], [0], [0]),
        ([1, 2], [0.9, 0.8], [0], [9.5]),
    ],
)
def test_curves_and_tables_that_make_no_sense_are_refused(t: Any, s: Any, at: Any, n: Any):
    with pytest.raises(CannotEstimate):
        reconstruct_ipd(t, s, risk_time=at, n_at_risk=n)


def test_more_events_than_patients_are_refused():
    with pytest.raises(CannotEstimate):
        reconstruct_ipd([1, 2], [0.9, 0.8], risk_time=[0], n_at_risk=[10], events=11)
