"""How alike two arms are before and after weighting.

The standardised mean difference divides by sqrt((s1^2 + s0^2)/2) of the *unweighted* arms, with
sample variances (n - 1), before and after weighting alike: else weighting could make a difference
look small by making the spread look large. A level of a covariate is a variable of 0 and 1 of its
own, with the same formula, so there is one difference for each level (not one for all of them).
"""

from __future__ import annotations

import numpy as np

from studies.statistics import Bools, Floats


def standardised_difference(x: Floats, exposed: Bools, weights: Floats | None = None) -> float | None:
    """(mean exposed - mean comparator) / pooled SD. None where nobody differs from anybody within the arms.

    Needs two subjects in each arm; with `weights` the means are weighted and the SD is not.
    """
    first, second = x[exposed], x[~exposed]
    if len(first) < 2 or len(second) < 2:
        return None
    pooled = float(np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2.0))
    if pooled <= 1e-12 * max(1.0, float(np.abs(x).max())):
        return None
    if weights is None:
        return float(first.mean() - second.mean()) / pooled
    difference = weighted_mean(first, weights[exposed]) - weighted_mean(second, weights[~exposed])
    return difference / pooled


def weighted_mean(x: Floats, weights: Floats) -> float:
    return float(np.average(x, weights=weights))


def weighted_standard_deviation(x: Floats, weights: Floats) -> float | None:
    """With the weights as reliabilities; for equal weights it is the sample SD (n - 1).

    The variance is sum w (x - m)^2 * sum w / ((sum w)^2 - sum w^2). None for a single subject.
    """
    total = float(weights.sum())
    free = total**2 - float((weights**2).sum())
    if free <= 0:
        return None
    spread = float((weights * (x - weighted_mean(x, weights)) ** 2).sum())
    return float(np.sqrt(spread * total / free))


def area_under_curve(score: Floats, exposed: Bools) -> float:
    """P(score of an exposed > score of a comparator), ties counted one half."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2.0
    ranks = middle_rank[place]
    first, second = int(exposed.sum()), int((~exposed).sum())
    return float((ranks[exposed].sum() - first * (first + 1) / 2.0) / (first * second))


def merged_histogram(
    score: Floats, exposed: Bools, *, bins: int, smallest_cell: int
) -> tuple[tuple[float, float, int, int], ...]:
    """(from, to, exposed, comparator) on [0, 1]; neighbours merge until no count is small (or 0).

    A bin of three people says something about three people; merging loses less than hiding. The last
    bins may merge backwards. Together the bins always hold everybody.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    first = np.histogram(score[exposed], edges)[0]
    second = np.histogram(score[~exposed], edges)[0]
    merged: list[tuple[float, float, int, int]] = []
    start, a, b = 0, 0, 0
    for number in range(bins):
        a, b = a + int(first[number]), b + int(second[number])
        if all(count == 0 or count >= smallest_cell for count in (a, b)):
            merged.append((float(edges[start]), float(edges[number + 1]), a, b))
            start, a, b = number + 1, 0, 0
    while a or b:
        # What is left over is small: take it into the bin before, which then starts where that one did.
        if not merged:
            return ((float(edges[0]), 1.0, a, b),)
        before = merged.pop()
        a, b = a + before[2], b + before[3]
        if all(count == 0 or count >= smallest_cell for count in (a, b)) or not merged:
            merged.append((before[0], 1.0, a, b))
            break
    return tuple((round(low, 6), round(high, 6), a, b) for low, high, a, b in merged)
