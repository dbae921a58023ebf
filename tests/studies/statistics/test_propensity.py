"""The propensity score and overlap weights: what they promise, and when there is no score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.balance import standardised_difference
from studies.reasons import CannotEstimate
from studies.statistics.propensity import effective_sample_size, overlap_weights, propensity_score


def people(seed: int, subjects: int = 300):
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(60, 9, subjects), random.integers(0, 2, subjects)]).astype(float)
    exposed = random.uniform(size=subjects) < 1 / (1 + np.exp(-(x[:, 0] - 60) / 9 - x[:, 1]))
    return x, exposed


def test_with_one_binary_covariate_the_score_is_the_share_in_each_group():
    """Saturated models are shares: 1 of 4 exposed without, 3 of 5 with the characteristic."""
    x = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=float)[:, None]
    exposed = np.array([1, 0, 0, 0, 1, 1, 1, 0, 0], dtype=bool)
    score = propensity_score(x, exposed, ("x",))
    assert score[:4] == pytest.approx([0.25] * 4) and score[4:] == pytest.approx([0.6] * 5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_overlap_weights_balance_every_covariate_exactly(seed):
    """Not approximately: with a logistic score the weighted means of both arms are equal."""
    x, exposed = people(seed)
    weights = overlap_weights(propensity_score(x, exposed, ("a", "b")), exposed)
    assert weights.min() > 0 and weights.max() < 1
    for column in range(2):
        assert standardised_difference(x[:, column], exposed, weights) == pytest.approx(0, abs=1e-8)


def test_the_effective_sample_is_the_sample_when_all_weigh_alike():
    """And one person's worth when one person has all the weight."""
    assert effective_sample_size(np.full(40, 0.2)) == pytest.approx(40)
    assert effective_sample_size(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)


def separated(kind: str):
    x, exposed = people(1)
    if kind == "complete":
        x[:, 0] = np.where(exposed, 80.0, 40.0) + np.arange(len(x)) % 5
    if kind == "quasi":  # a group in which everybody is exposed
        x[:, 1] = 0.0
        x[np.flatnonzero(exposed)[:20], 1] = 1.0
    return x, exposed


@pytest.mark.parametrize("kind", ["complete", "quasi"])
def test_separation_has_no_score(kind):
    """The likelihood grows without end: software that stops anyway prints a score that means nothing."""
    x, exposed = separated(kind)
    with pytest.raises(CannotEstimate) as refused:
        propensity_score(x, exposed, ("a", "b"))
    assert refused.value.reason.code == "separation"


@pytest.mark.parametrize(
    ("change", "code"),
    [("one_arm", "one_arm"), ("constant", "constant"), ("dependent", "dependent"), ("few", "too_many_terms")],
)
def test_why_there_is_no_score(change, code):
    """One arm, a column that tells nothing, or an arm with fewer people than terms."""
    x, exposed = people(2)
    if change == "one_arm":
        exposed = np.ones(len(x), dtype=bool)
    if change == "constant":
        x[:, 1] = 1.0
    if change == "dependent":
        x[:, 1] = 2 * x[:, 0]
    if change == "few":
        exposed = np.arange(len(x)) < 3
    with pytest.raises(CannotEstimate) as refused:
        propensity_score(x, exposed, ("a", "b"))
    assert refused.value.reason.code == code and refused.value.text.zh
