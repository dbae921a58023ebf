"""Do the new data agree with the prior that would lend them strength?

Sources: Box (1980), J R Stat Soc A 143:383-430 (prior predictive p); Evans & Moshonov (2006), Bayesian Analysis
1:893 (tail areas); Schmidli et al. (2014) for the weight of the robust component. None of these proves
agreement: with 30 patients only a gross conflict shows, which is why operating characteristics come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics.bridging.arguments import number, positive, whole
from studies.statistics.bridging.mixtures import Mixture, predict_binomial, predict_normal
from studies.statistics.options import checked


@dataclass(frozen=True)
class PriorConflict:
    """box_p -- probability, under the prior, of data no more likely than those seen; tail_p -- twice the smaller tail.

    expected, observed -- the prior's expectation of the data and what came.
    """

    box_p: float
    tail_p: float
    expected: float
    observed: float
    method: str


@checked
def conflict_binomial(prior: Mixture, events: int, n: int) -> PriorConflict:
    """The prior predictive p of `events` in `n` under a beta mixture, by enumerating all n + 1 outcomes."""
    size = whole(n, "n", 1)
    y = whole(events, "events", 0, size)
    probability = predict_binomial(prior, size)
    # Equal probabilities that differ by rounding must both count: outcomes mirrored around a symmetric prior.
    no_more_likely = probability <= probability[y] * (1.0 + 1e-9)
    below, above = float(probability[: y + 1].sum()), float(probability[y:].sum())
    return PriorConflict(
        box_p=min(1.0, float(probability[no_more_likely].sum())),
        tail_p=min(1.0, 2.0 * min(below, above)),
        expected=float(probability @ np.arange(size + 1)),
        observed=float(y),
        method=f"prior predictive check of {size} binary outcomes, exact",
    )


@checked
def conflict_normal(prior: Mixture, value: float, se: float) -> PriorConflict:
    """The prior predictive p of an estimate with standard error `se` under a normal mixture.

    Box's p integrates the predictive density where it is below its height at the estimate; the borders of that
    region are found on a fine grid and refined, so it is right for several peaks too.
    """
    y = number(value, "value")
    predictive = predict_normal(prior, positive(se, "se"))
    below = float(predictive.cdf([y])[0])
    return PriorConflict(
        box_p=_less_likely(predictive, y),
        tail_p=min(1.0, 2.0 * min(below, predictive.above(y))),
        expected=predictive.mean,
        observed=y,
        method="prior predictive check of an estimate with known standard error",
    )


def overlap(one: Mixture, other: Mixture) -> float:
    """The overlap of two posteriors, the integral of the lower density: 1 if equal, 0 if apart.

    For the historical and the current posterior, each from its own data with a vague prior.
    """
    if one.family != other.family:
        raise CannotEstimate(BAD_ARGUMENT, argument="other", allowed=one.family)
    levels = np.array([1e-10, 1e-6, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999, 1 - 1e-6, 1 - 1e-10])
    cuts = np.unique(np.concatenate([one.quantiles(levels), other.quantiles(levels)]))
    grid = np.unique(np.concatenate([np.linspace(a, b, 40) for a, b in pairwise(cuts.tolist())]))
    gap = one.density(grid) - other.density(grid)
    crossings = [
        _crossing(one, other, float(grid[at]), float(grid[at + 1]))
        for at in np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0).tolist()
    ]
    edges = np.concatenate([[cuts[0]], crossings, [cuts[-1]]])
    total = 0.0
    for low, high in pairwise(edges.tolist()):
        middle = (low + high) / 2.0
        lower = one if one.density([middle])[0] <= other.density([middle])[0] else other
        ends = lower.cdf([low, high])
        total += float(ends[1] - ends[0])
    return min(1.0, max(0.0, total))


def component_weights(prior: Mixture, posterior: Mixture) -> tuple[tuple[float, float], ...]:
    """Prior and posterior weight of each component: a robust component that grew says that the data conflict."""
    if len(prior.weights) != len(posterior.weights):
        raise CannotEstimate(BAD_ARGUMENT, argument="posterior", allowed=f"k = {len(prior.weights)}")
    return tuple(zip(prior.weights.tolist(), posterior.weights.tolist(), strict=True))


def _crossing(one: Mixture, other: Mixture, low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(lambda x: float(one.density([x])[0] - other.density([x])[0]), low, high, xtol=1e-14))


def _less_likely(predictive: Mixture, y: float) -> float:
    from scipy.optimize import brentq

    height = float(predictive.density([y])[0])
    spread = float(predictive.b.max())
    low = min(float(predictive.a.min()) - 12 * spread, y - spread)
    high = max(float(predictive.a.max()) + 12 * spread, y + spread)
    grid = np.unique(np.concatenate([np.linspace(low, high, 4001), [y], predictive.a]))

    def above(x: float) -> float:
        return float(predictive.density([x])[0]) - height

    gap = predictive.density(grid) - height
    gap[np.searchsorted(grid, y)] = 0.0
    borders = [-np.inf]
    for at in np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0).tolist():
        borders.append(float(brentq(above, grid[at], grid[at + 1], xtol=1e-14)))
    borders += [y, np.inf]
    edges = np.sort(np.array(borders))
    total = 0.0
    for left, right in pairwise(edges.tolist()):
        inside = _between(left, right, spread)
        if above(inside) < 0:
            total += float(predictive.cdf([right])[0] - predictive.cdf([left])[0])
    return min(1.0, total)


def _between(left: float, right: float, spread: float) -> float:
    if not np.isfinite(left):
        return right - spread if np.isfinite(right) else 0.0
    return left + spread if not np.isfinite(right) else (left + right) / 2.0
