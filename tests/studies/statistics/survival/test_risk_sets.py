"""Who is at risk, against the definition written with loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.survival.risk_sets import risk_sets, tied_times
from tests.studies.statistics.survival.cohorts import people


@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(1, 12), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_three_sums_follow_from_the_definition(seed, n, strata, late, whole_days):
    """At risk at t: entry < t <= time, in the stratum; the dying at t; and for each row the times it is at risk at."""
    p = people(seed, n, strata=strata)
    time, entry = (p.time, p.entry) if whole_days else (p.time / 7.0, p.entry / 7.0)
    event = p.event.astype(bool)
    event[0] = True
    sets = risk_sets(
        time,
        event,
        entry=entry if late else None,
        stratum=p.strata.astype(np.intp),
        levels=tuple(range(strata)),
    )
    came = entry if late else np.full(n, -np.inf)
    by_time = np.arange(1.0, len(sets.times) + 1)
    met = np.zeros(n)
    for k, (t, s) in enumerate(zip(sets.times, sets.stratum_of_time, strict=True)):
        at_risk = (came < t) & (time >= t) & (p.strata == s)
        dying = event & (time == t) & (p.strata == s)
        assert sets.at_risk(p.weights)[k] == pytest.approx(p.weights[at_risk].sum())
        assert sets.of_dead(p.weights[sets.dead])[k] == pytest.approx(p.weights[dying].sum())
        assert sets.deaths[k] == dying.sum()
        met += by_time[k] * at_risk
    assert sets.while_at_risk(by_time) == pytest.approx(met)
    both = np.stack([by_time, -by_time])
    assert sets.while_at_risk(both) == pytest.approx(np.stack([met, -met]))


def test_many_small_strata_do_not_take_rounding_errors_from_each_other():
    """A stratum with risks of 1e16 stands between two with risks of 1; difference of running totals would be lost."""
    time = np.array([1.0, 2, 1, 2, 1, 2])
    risk = np.array([1.0, 1, 1e16, 1e16, 1, 1])
    sets = risk_sets(time, np.ones(6, bool), stratum=np.array([0, 0, 1, 1, 2, 2]), levels=(0, 1, 2))
    assert list(sets.at_risk(risk)) == [2, 1, 2e16, 1e16, 2, 1]


def test_times_that_differ_by_rounding_are_one_time():
    """As R's timefix: 0.1 + 0.2 and 0.3 are the same; days are left alone; a real difference stays."""
    fixed, came = tied_times(np.array([0.1 + 0.2, 0.3, 0.30001]))
    assert came is None and fixed[0] == fixed[1] != fixed[2]
    days = np.array([1.0, 2, 3])
    assert tied_times(days)[0] is days
    with pytest.raises(CannotEstimate, match="entry_after_exit"):
        tied_times(np.array([0.3, 2.5]), np.array([0.1 + 0.2 - 1e-12, 0.0]))


def test_without_an_event_there_are_no_risk_sets():
    with pytest.raises(CannotEstimate, match="no_events"):
        risk_sets(np.array([1.0, 2.0]), np.zeros(2, bool))
