"""Concordance against the count of all pairs."""

from __future__ import annotations

import time as clock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.survival.concordance import concordance
from studies.statistics.survival.risk_sets import risk_sets
from tests.studies.statistics.survival.cohorts import people


def all_pairs(p, score):
    """Each event against each row at risk at its time, in its stratum."""
    con = dis = tied = 0.0
    influence = np.zeros((len(score), 2))
    for i in np.flatnonzero(p.event == 1):
        for j in range(len(score)):
            at_risk = p.strata[i] == p.strata[j] and p.entry[j] < p.time[i] <= p.time[j]
            if j == i or not at_risk or (p.event[j] == 1 and p.time[j] == p.time[i]):
                continue
            w, sign = p.weights[i] * p.weights[j], np.sign(score[i] - score[j])
            con, dis, tied = con + w * (sign > 0), dis + w * (sign < 0), tied + w * (sign == 0)
            influence[i] += [p.weights[j] * sign, p.weights[j]]
            influence[j] += [p.weights[i] * sign, p.weights[i]]
    total = con + dis + tied
    somers = (con - dis) / total
    by_row = p.weights * (influence[:, 0] - somers * influence[:, 1]) / total
    return con, dis, tied, (somers + 1) / 2, by_row


@example(247, False, 2)  # a score above those of all events
@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_counts_and_error_are_those_of_all_pairs(seed, late, levels):
    """With ties in time and score, weights, strata, delayed entry and clusters."""
    p = people(seed, 30)
    p.entry[:] = p.entry if late else -1.0
    p.event[:2] = 1
    score = np.round(p.x[:, 0] * levels)
    sets = risk_sets(
        p.time,
        p.event == 1,
        entry=p.entry if late else None,
        stratum=p.strata.astype(np.intp),
        levels=(0, 1, 2),
    )
    con, dis, tied, c, by_row = all_pairs(p, score)
    found = concordance(score, sets, weights=p.weights)
    assert [found.concordant, found.discordant, found.tied_score] == pytest.approx([con, dis, tied], abs=1e-9)
    assert found.concordance == pytest.approx(c)
    assert found.se == pytest.approx(np.sqrt((by_row**2).sum()) / 2)
    clustered = concordance(score, sets, weights=p.weights, cluster=p.cluster.astype(np.intp))
    sums = np.bincount(p.cluster.astype(int), weights=by_row)
    assert clustered.se == pytest.approx(np.sqrt((sums**2).sum()) / 2)


def test_a_perfect_and_a_reversed_score():
    time = np.arange(1.0, 21)
    sets = risk_sets(time, np.ones(20, bool))
    assert concordance(-time, sets).concordance == 1.0
    assert concordance(time, sets).concordance == 0.0
    assert concordance(np.zeros(20), sets).concordance == 0.5


def test_without_a_pair_there_is_none():
    with pytest.raises(CannotEstimate, match="no_pairs"):
        concordance(np.array([1.0, 2.0]), risk_sets(np.array([3.0, 3.0]), np.ones(2, bool)))


def test_a_hundred_thousand_rows_take_seconds():
    random = np.random.default_rng(2)
    n = 100_000
    sets = risk_sets(random.exponential(size=n), random.uniform(size=n) < 0.5)
    began = clock.process_time()
    found = concordance(random.normal(size=n), sets)
    assert clock.process_time() - began < 10
    assert found.concordance == pytest.approx(0.5, abs=4 * found.se) and 0 < found.se < 0.01
