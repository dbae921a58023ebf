"""How alike the arms are: checked by hand, by formula and by what weighting must do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.balance import (
    area_under_curve,
    merged_histogram,
    standardised_difference,
    weighted_mean,
    weighted_standard_deviation,
)


def test_a_difference_computed_by_hand():
    """Means 3 and 2, variances 1 and 3: 1 / sqrt(2)."""
    x = np.array([2.0, 3.0, 4.0, 0.0, 3.0, 3.0])
    exposed = np.array([True, True, True, False, False, False])
    assert standardised_difference(x, exposed) == pytest.approx(1 / np.sqrt(2))


def test_the_spread_is_that_of_the_unweighted_arms():
    """Weights move the means; if they moved the SD as well, balance could be made by making spread."""
    x = np.array([2.0, 3.0, 4.0, 0.0, 3.0, 3.0])
    exposed = np.array([True, True, True, False, False, False])
    weights = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    assert standardised_difference(x, exposed, weights) == 0.0


@pytest.mark.parametrize(
    ("x", "exposed"),
    [([1.0, 1.0, 1.0, 1.0], [1, 1, 0, 0]), ([1.0, 2.0, 3.0], [1, 0, 0]), ([1e9] * 4, [1, 1, 0, 0])],
)
def test_without_spread_there_is_no_standardised_difference(x, exposed):
    """A constant, or an arm of one: None, which the table shows as absent, not as 0."""
    assert standardised_difference(np.array(x), np.array(exposed, dtype=bool)) is None


def test_weighted_moments_with_equal_weights_are_the_usual_ones():
    """The weighted SD is the sample SD when nobody weighs more, at any scale of the weights."""
    x = np.array([1.0, 4.0, 7.0, 9.0])
    for scale in (0.01, 1.0, 50.0):
        assert weighted_mean(x, np.full(4, scale)) == pytest.approx(x.mean())
        assert weighted_standard_deviation(x, np.full(4, scale)) == pytest.approx(x.std(ddof=1))
    assert weighted_standard_deviation(np.array([5.0]), np.array([2.0])) is None


def test_the_area_under_the_curve_counts_pairs():
    """3 of 4 pairs in the right order, one tie counted half."""
    score = np.array([0.2, 0.9, 0.2, 0.1])
    exposed = np.array([True, True, False, False])
    assert area_under_curve(score, exposed) == pytest.approx(3.5 / 4)


scores = st.lists(st.tuples(st.floats(0, 1, allow_nan=False), st.booleans()), min_size=2, max_size=300)


@settings(max_examples=150, deadline=None)
@given(people=scores, smallest=st.integers(0, 12))
def test_no_bin_of_the_histogram_shows_a_small_group(people, smallest):
    """Bins hold everybody, cover 0 to 1 without gaps, and none shows 1 to (smallest - 1) people of an arm,

    unless everybody together are fewer.
    """
    score = np.array([one for one, _ in people])
    exposed = np.array([one for _, one in people])
    bins = merged_histogram(score, exposed, bins=20, smallest_cell=smallest)
    assert sum(one[2] for one in bins) == exposed.sum() and sum(one[3] for one in bins) == (~exposed).sum()
    assert bins[0][0] == 0.0 and bins[-1][1] == 1.0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bins))
    for _, _, first, second in bins:
        enough = all(count == 0 or count >= smallest for count in (first, second))
        assert enough or len(bins) == 1


def test_the_histogram_keeps_its_bins_where_counts_allow():
    """With many people nothing needs merging."""
    random = np.random.default_rng(3)
    score, exposed = random.uniform(size=4000), random.uniform(size=4000) < 0.5
    assert len(merged_histogram(score, exposed, bins=20, smallest_cell=10)) == 20
