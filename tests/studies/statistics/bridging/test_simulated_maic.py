"""MAIC with known truth: coverage of the interval where its assumptions hold.

The published covariate means are random too. Where both trials react alike to the covariates their chance moves both
outcomes, which the interval does not count: it is then wider than needed and covers a little more than 95 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.indirect import Contrast
from studies.statistics.bridging.maic import ArmSummary, maic


def unanchored(n: int, rng: Any) -> bool | None:
    """Mean outcome 1 + x1 + 0.5 x2 in both studies, ours better by 0.5."""
    x, theirs = rng.normal(0.0, 1.0, (n, 2)), rng.normal([0.4, -0.3], 1.0, (150, 2))
    y, other = (1 + one @ [1.0, 0.5] + rng.normal(size=len(one)) for one in (x, theirs))
    try:
        made = maic(
            y + 0.5, x, anchored="unanchored", measure="mean_difference",
            comparator=ArmSummary(float(other.mean()), float(other.std(ddof=1) / np.sqrt(150)), 150),
            names=["x1", "x2"], target_mean=theirs.mean(axis=0), prognostic_factors=["x1", "x2"], effect_modifiers=[],
        ).effect  # fmt: skip
    except CannotEstimate:
        return None
    assert made.lower is not None and made.upper is not None
    return made.lower <= 0.5 <= made.upper


def anchored(n: int, rng: Any) -> bool | None:
    """A against C gains 0.5 + 0.8 x1, B against C 0.3 + 0.8 x1: A against B is 0.2 in any population."""
    x, theirs = rng.normal(0.0, 1.0, (n, 1)), rng.normal(0.4, 1.0, (300, 1))
    arm, other = np.arange(n) % 2, np.arange(300) % 2
    y = x[:, 0] + arm * (0.5 + 0.8 * x[:, 0]) + rng.normal(size=n)
    z = theirs[:, 0] + other * (0.3 + 0.8 * theirs[:, 0]) + rng.normal(size=300)
    one, zero = z[other == 1], z[other == 0]
    se = float(np.sqrt(one.var(ddof=1) / 150 + zero.var(ddof=1) / 150))
    try:
        made = maic(
            y, x, anchored="anchored", measure="mean_difference", treatment=arm, names=["x1"],
            comparator=Contrast("B", "C", float(one.mean() - zero.mean()), se, "identity"),
            target_mean=theirs.mean(axis=0), effect_modifiers=["x1"],
        ).effect  # fmt: skip
    except CannotEstimate:
        return None
    assert made.lower is not None and made.upper is not None
    return made.lower <= 0.2 <= made.upper


def coverage(study: Any, n: int, replications: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    held = [study(n, rng) for _ in range(replications)]
    return float(np.mean([one for one in held if one is not None]))


@pytest.mark.parametrize(("study", "n"), [(unanchored, 200), (anchored, 300)])
def test_intervals_hold_the_truth(study: Any, n: int):
    assert coverage(study, n, 300, 1) > 0.92


@pytest.mark.long
@pytest.mark.parametrize(("study", "n", "least", "most"), [
    (unanchored, 200, 0.94, 0.995), (unanchored, 60, 0.95, 0.985), (unanchored, 30, 0.915, 0.955),
    (anchored, 300, 0.935, 0.97), (anchored, 60, 0.905, 0.945),
])  # fmt: skip
def test_coverage_over_two_thousand_replications(study: Any, n: int, least: float, most: float):
    """Found: unanchored 98.7 % (n = 200), 96.8 % (60), 93.3 % (30); anchored 95.5 % (300), 92.4 % (60).

    With few patients the sandwich HC0, which has no small-sample factor, is too short.
    """
    assert least < coverage(study, n, 2000, 2) < most
