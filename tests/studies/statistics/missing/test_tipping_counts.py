"""Every way in which those lost from two arms could have turned out."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics.counts.measure import MORE_EVENTS_THAN_SUBJECTS, NOT_A_COUNT, OUT_OF_RANGE
from studies.statistics.counts.two_by_two import risk_difference
from studies.statistics.missing.tipping_counts import NOBODY_LOST, VERDICTS, Turns, tipping_counts

ARM = st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(0, 9))


def interval(events, n) -> str:
    found = risk_difference(events, n, method="newcombe")
    return "better" if found.upper < 0 else "worse" if found.lower > 0 else "not shown"


@settings(max_examples=60, deadline=None)
@given(first=ARM, second=ARM)
def test_the_map_is_the_risk_difference_of_every_combination(first, second):
    """Counted one by one with the other module: every cell, how many differ, and where each edge turns."""
    n, events, lost = ((first[at], second[at]) for at in range(3))
    events = tuple(min(x, size) for x, size in zip(events, n, strict=True))
    if not any(lost):
        return
    found = tipping_counts(events, n, lost)
    everybody = (n[0] + lost[0], n[1] + lost[1])
    verdicts = {
        (a, b): interval((events[0] + a, events[1] + b), everybody)
        for a, b in itertools.product(range(lost[0] + 1), range(lost[1] + 1))
    }
    assert {
        (a, b): VERDICTS[found.verdict[a, b]]
        for a, b in itertools.product(range(len(found.first)), range(len(found.second)))
    } == verdicts
    assert found.observed.verdict == interval(events, n)
    assert found.changed == sum(one != found.observed.verdict for one in verdicts.values())
    assert found.combinations == len(verdicts)
    across = [verdicts[a, 0] for a in range(lost[0] + 1)]
    upwards = [verdicts[0, b] for b in range(lost[1] + 1)]
    assert found.turns == Turns(
        not_better=next((at for at, one in enumerate(across) if one != "better"), None),
        worse=next((at for at, one in enumerate(across) if one == "worse"), None),
        not_worse=next((at for at, one in enumerate(upwards) if one != "worse"), None),
        better=next((at for at, one in enumerate(upwards) if one == "better"), None),
    )


def test_limits_rise_with_the_first_arms_failures_and_fall_with_the_seconds():
    """So the verdict turns once along each line, and searching is as good as counting."""
    found = tipping_counts((5, 40), (60, 90), (30, 35))
    for name in ("difference", "lower", "upper"):
        assert (np.diff(getattr(found, name), axis=0) > 0).all()
        assert (np.diff(getattr(found, name), axis=1) < 0).all()
    assert (np.diff(found.verdict, axis=0) >= 0).all() and (np.diff(found.verdict, axis=1) <= 0).all()


def test_the_corners_are_the_extremes_and_those_followed_alone_are_the_reference():
    found = tipping_counts((7, 27), (54, 133), (6, 7))
    assert (found.observed.events, found.observed.n) == ((7, 27), (54, 133))
    assert (found.none.events, found.none.n) == ((7, 27), (60, 140))
    assert found.worst.difference == found.difference.max() and found.worst.events == (13, 27)
    assert found.best.difference == found.difference.min() and found.best.events == (7, 34)
    assert found.every.events == (13, 34)


def test_changing_the_arms_turns_the_map_over():
    one = tipping_counts((7, 27), (54, 133), (6, 7))
    other = tipping_counts((27, 7), (133, 54), (7, 6))
    assert np.allclose(one.lower, -other.upper.T, atol=1e-15)
    assert (one.verdict == 2 - other.verdict.T).all() and one.changed == other.changed
    assert (one.turns.better, one.turns.worse) == (other.turns.worse, other.turns.better)


def test_more_lost_than_can_be_drawn_are_thinned_and_counted_exactly():
    """12 000 and 30 000 lost: 3.6e8 combinations in well under a second, 41 lines at most, both ends among them."""
    began = time.perf_counter()
    found = tipping_counts((3000, 2500), (100_000, 100_000), (12_000, 30_000))
    assert time.perf_counter() - began < 5
    assert found.combinations == 12_001 * 30_001 and found.difference.shape == (41, 41)
    assert found.step == (300, 750) and (found.first[-1], found.second[-1]) == (12_000, 30_000)
    turn = found.turns.better
    assert turn is not None
    everybody = (112_000, 130_000)
    assert interval((3000, 2500 + turn), everybody) == "better"
    assert interval((3000, 2500 + turn - 1), everybody) != "better"


@pytest.mark.parametrize("lines", [2, 3, 5, 41])
def test_however_coarse_the_map_what_is_counted_stays_the_same(lines):
    fine, coarse = (tipping_counts((9, 30), (60, 70), (17, 23), lines=one) for one in (41, lines))
    assert (fine.changed, fine.turns, fine.worst) == (coarse.changed, coarse.turns, coarse.worst)
    assert len(coarse.first) <= lines and (coarse.first[0], coarse.first[-1]) == (0, 17)


def test_one_arm_that_lost_nobody_leaves_a_single_line():
    found = tipping_counts((4, 9), (40, 41), (0, 8))
    assert found.difference.shape == (1, 9) and found.turns.worse is None and found.combinations == 9


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        (((1, 1), (5, 5), (0, 0)), {}, NOBODY_LOST),
        (((6, 1), (5, 5), (1, 1)), {}, MORE_EVENTS_THAN_SUBJECTS),
        (((0, 1), (0, 5), (1, 1)), {}, NOT_A_COUNT),
        (((1, 1), (5, 5), (-1, 1)), {}, NOT_A_COUNT),
        (((1, 1), (5, 5), (0.5, 1)), {}, NOT_A_COUNT),
        (((1, 1), (5, 5), (1, 1)), {"conf_level": 1.0}, OUT_OF_RANGE),
        (((1, 1), (5, 5), (1, 1)), {"lines": 1}, BAD_ARGUMENT),
    ],
)
def test_what_is_no_map_is_refused_with_its_reason(arguments, options, reason):
    with pytest.raises(CannotEstimate) as refused:
        tipping_counts(*arguments, **options)
    assert refused.value.reason is reason
