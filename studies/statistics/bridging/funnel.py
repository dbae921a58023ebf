"""The funnel plot: which operators or centres lie outside what chance explains, given how many cases they did.

Source: Spiegelhalter (2005), Stat Med 24:1185-1202, appendix A.1.1: exact binomial limits, interpolated between counts.
No ranking is made, and one in twenty of perfectly equal operators lies outside the 95 % limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.bridging.arguments import share
from studies.statistics.inputs import numbers
from studies.statistics.options import checked


@dataclass(frozen=True)
class Funnel:
    """Arrays (k,): proportion and exact two-sided p of each unit against `target`; limits (levels, k).

    p -- twice the smaller binomial tail, at most 1. n_grid (m,), lower_curve, upper_curve (levels, m): the funnel.
    """

    proportion: Floats
    p: Floats
    target: float
    levels: tuple[float, ...]
    lower: Floats
    upper: Floats
    n_grid: Floats
    lower_curve: Floats
    upper_curve: Floats
    method: str


@checked
def funnel(
    events: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    target: float | None = None,
    levels: Sequence[float] = (0.95, 0.998),
) -> Funnel:
    """Units with `events` (k,) in `n` (k,) against a target proportion, by default that of all units together.

    Raises `CannotEstimate` for counts that are no counts, and a pooled proportion of 0 or 1 without a target.
    """
    size, seen = numbers(n, "n"), numbers(events, "events")
    if len(seen) != len(size) or (size < 1).any() or (seen < 0).any() or (seen > size).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="events, n", allowed="0 <= events <= n, n >= 1")
    if (size != np.floor(size)).any() or (seen != np.floor(seen)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="events, n", allowed="0, 1, 2, ...")
    aim = share(float(seen.sum() / size.sum()) if target is None else target, "target")
    from scipy.special import bdtr

    below = np.asarray(bdtr(seen, size.astype(int), aim))
    above = 1.0 - np.where(seen > 0, np.asarray(bdtr(np.maximum(seen - 1, 0), size.astype(int), aim)), 0.0)
    grid: Floats = np.unique(np.round(np.geomspace(1, size.max(), 200))).astype(np.float64)
    wide = [share(one, "levels") for one in levels]
    return Funnel(
        proportion=seen / size,
        p=np.minimum(1.0, 2.0 * np.minimum(below, above)),
        target=aim,
        levels=tuple(wide),
        lower=np.stack([funnel_limit(size, aim, (1 - one) / 2) for one in wide]),
        upper=np.stack([funnel_limit(size, aim, (1 + one) / 2) for one in wide]),
        n_grid=grid,
        lower_curve=np.stack([funnel_limit(grid, aim, (1 - one) / 2) for one in wide]),
        upper_curve=np.stack([funnel_limit(grid, aim, (1 + one) / 2) for one in wide]),
        method=f"funnel with exact binomial limits (Spiegelhalter 2005), target {aim:.4g}",
    )


@checked
def funnel_limit(n: npt.ArrayLike, target: float, probability: float) -> Floats:
    """The proportion (k,) that a unit of size n (k,) falls below with `probability`, interpolated.

    r is the smallest count with P(R <= r) >= probability; the limit is (r - a) / n with
    a = (P(R <= r) - probability) / P(R = r), cut to [0, 1].
    """
    size = numbers(n, "n")
    aim, level = share(target, "target"), share(probability, "probability")
    from scipy.special import bdtr
    from scipy.stats import binom

    r = np.asarray(binom.ppf(level, size, aim), dtype=np.float64)
    upto = np.asarray(bdtr(r, size.astype(int), aim))
    before = np.where(r > 0, np.asarray(bdtr(np.maximum(r - 1, 0), size.astype(int), aim)), 0.0)
    share_of_step = (upto - level) / (upto - before)
    return np.asarray(np.clip((r - share_of_step) / size, 0.0, 1.0), dtype=np.float64)
