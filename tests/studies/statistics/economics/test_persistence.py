"""Persistence, adherence and dose intensity, against counting days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.statistics.economics.persistence import adherence, persistence, relative_dose_intensity
from tests.studies.statistics.safety.test_rates import refused

A: dict[str, Any] = {"subject": ["a"] * 3, "day": [0, 30, 100], "days_supply": [30, 30, 30]}


def test_supply_that_is_missing_for_longer_than_the_gap_ends_persistence():
    found = persistence(**A, observed_until=[200] * 3, gap=30)
    assert (found.time[0], found.event[0], found.dispensings[0]) == (60, True, 3)
    allowed = persistence(**A, observed_until=[200] * 3, gap=45)
    assert (allowed.time[0], allowed.event[0]) == (130, True)


def test_a_gap_that_was_not_observed_to_its_end_is_censored():
    found = persistence(**A, observed_until=[150] * 3, gap=45)
    assert (found.time[0], found.event[0]) == (151, False)


def test_left_over_days_are_carried_forward_or_dropped():
    early: dict[str, Any] = {"subject": ["a", "a"], "day": [0, 20], "days_supply": [30, 30]}
    carried = persistence(**early, observed_until=[300, 300], gap=10)
    dropped = persistence(**early, observed_until=[300, 300], gap=10, carry_over=False)
    assert (carried.time[0], dropped.time[0]) == (60, 50)


def by_days(days: Any, supply: Any, end: int, carry: bool) -> tuple[int, int]:
    """Covered days and window, one day after another."""
    order = np.argsort(days, kind="stable")
    covered, until = np.zeros(end + 1, bool), -1
    for day, length in zip(np.asarray(days)[order], np.asarray(supply)[order], strict=True):
        begin = max(day, until) if carry else day
        until = begin + length
        covered[min(begin, end + 1) : min(until, end + 1)] = True
    return int(covered[min(days) :].sum()), end + 1 - min(days)


@pytest.mark.parametrize("carry", [True, False])
def test_covered_days_are_those_that_counting_gives(carry: bool):
    rng = np.random.default_rng(1)
    rows, expected = [], []
    for subject in range(60):
        m = rng.integers(1, 8)
        days, supply, end = rng.integers(0, 200, m), rng.integers(1, 60, m), int(rng.integers(200, 300))
        rows += [(subject, d, s, end) for d, s in zip(days, supply, strict=True)]
        expected.append(by_days(days, supply, end, carry))
    table = np.array(rows)[rng.permutation(len(rows))]
    found = adherence(table[:, 0], table[:, 1], table[:, 2], observed_until=table[:, 3], carry_over=carry)
    assert list(zip(found.covered, found.window, strict=True)) == expected
    assert found.pdc == pytest.approx(found.covered / found.window)
    assert (found.pdc <= 1).all() and (found.mpr >= found.pdc - 1e-12).all()


def test_the_possession_ratio_may_exceed_one_and_the_share_of_days_may_not():
    found = adherence(["a", "a"], [0, 1], [90, 90], observed_until=[99, 99])
    assert found.pdc[0] == 1 and found.mpr[0] == 1.8
    short = adherence(["a", "a"], [0, 50], [30, 30], observed_until=[99, 99], window=60)
    assert (short.window[0], short.covered[0], short.supplied[0]) == (60, 40, 60)


def test_delay_lowers_the_dose_intensity_as_a_lower_dose_does():
    found = relative_dose_intensity([600, 300], [126, 63], planned_dose=[600, 600], planned_time=[63, 63])
    assert list(found.relative) == [0.5, 0.5]
    assert found.overall == 0.5


def test_impossible_dispensings_are_refused():
    refused("no_subjects", persistence, [], [], [], observed_until=[], gap=30)
    refused("lengths_differ", persistence, ["a"], [0, 1], [1, 1], observed_until=[9, 9], gap=30)
    refused("bad_argument", persistence, ["a"], [0], [0], observed_until=[9], gap=30)
    refused("bad_argument", persistence, ["a"], [0], [1], observed_until=[9], gap=-1)
    refused("bad_argument", persistence, ["a", "a"], [0, 1], [1, 1], observed_until=[9, 8], gap=1)
    refused("unobserved_dispensing", persistence, ["a"], [10], [1], observed_until=[9], gap=30)
    refused("bad_labels", persistence, ["a", None], [0, 1], [1, 1], observed_until=[9, 9], gap=30)
    refused("bad_argument", adherence, ["a"], [0], [1], observed_until=[9], window=0)
    refused("bad_argument", relative_dose_intensity, [1], [0], planned_dose=[1], planned_time=[1])


def test_a_million_dispensings_take_seconds():
    n = 1_000_000
    rng = np.random.default_rng(2)
    found = persistence(
        rng.integers(0, 100_000, n),
        rng.integers(0, 700, n),
        np.full(n, 30),
        observed_until=np.full(n, 730),
        gap=60,
    )
    assert len(found.time) == len(found.subjects)
