"""MaxCombo: the largest of several Fleming-Harrington statistics, with the joint law of all of them.

It keeps its power when hazards cross or separate late, at a small price under proportional hazards. The
statistics share their risk sets, so their covariance is the hypergeometric one with the products of their
weights (Karrison 2016; Lin et al. 2020). Under no difference they are jointly normal.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats
from studies.statistics.inputs import follow_up, labels
from studies.statistics.options import checked
from studies.statistics.survival.curve_limits import check_choice
from studies.statistics.survival.log_rank import contributions, event_weights, pooled_risk_sets
from studies.statistics.survival.rmst import TWO_GROUPS

Alternative = Literal["two-sided", "greater", "less"]
FOUR = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
_REPEATS, _POINTS = 16, 2**13


@dataclass(frozen=True)
class MaxCombo:
    """m statistics of two groups.

    rho_gamma -- the weights, in the order given; z -- (m,) standardised, positive where the second group
    (sorted order) has more events than expected; correlation -- (m, m)
    statistic -- the largest |z| (two-sided), z (greater) or -z (less); best -- which one it is
    p, p_error -- the tail probability and the standard error of its numerical integration
    """

    levels: tuple[Hashable, ...]
    rho_gamma: tuple[tuple[float, float], ...]
    z: Floats
    correlation: Floats
    statistic: float
    best: int
    p: float
    p_error: float
    alternative: Alternative
    method: str


@checked
def max_combo(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    rho_gamma: Sequence[tuple[float, float]] = FOUR,
    alternative: Alternative = "two-sided",
    seed: int = 20240101,
) -> MaxCombo:
    """Two groups of n rows compared; options as in `log_rank`.

    alternative -- "greater": the second group's hazard is the greater one; "less": the smaller one
    seed -- of the quasi-random points; the same seed gives the same p. Its relative error is 2e-4 or
        less at any size of p (`p_error` says).

    Raises `CannotEstimate`: bad input, other than two groups, no events, no weights or a statistic without
    variance (all weight where only one group is at risk).
    """
    check_choice("alternative", alternative, get_args(Alternative))
    if len(rho_gamma) == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="rho_gamma", allowed="(rho, gamma), ...")
    rows = follow_up(time, event, entry=entry)
    groups = labels(np.asarray(group), "group", len(rows))
    if len(groups) > 2:
        raise CannotEstimate(TWO_GROUPS)
    sets = pooled_risk_sets(rows, groups, strata)
    weights = np.stack([event_weights(sets, rho, gamma, "fleming-harrington") for rho, gamma in rho_gamma])
    parts = contributions(sets, groups)
    scores = weights @ (parts.deaths - parts.expected)[1]
    spread = parts.drawn * parts.share[1] * (1.0 - parts.share[1])
    covariance: Floats = (weights * spread) @ weights.T
    sd = np.sqrt(np.diag(covariance))
    if not (sd > 0).all():
        raise CannotEstimate(NOT_ESTIMABLE, statistic="MaxCombo")
    z = scores / sd
    directed = {"two-sided": np.abs(z), "greater": z, "less": -z}[alternative]
    correlation = covariance / np.outer(sd, sd)
    best = int(np.argmax(directed))
    p, p_error = largest_exceeds(
        float(directed[best]), correlation, two_sided=alternative == "two-sided", seed=seed
    )
    shown = ", ".join(f"({rho:g}, {gamma:g})" for rho, gamma in rho_gamma)
    return MaxCombo(
        levels=groups.levels,
        rho_gamma=tuple((float(rho), float(gamma)) for rho, gamma in rho_gamma),
        z=z,
        correlation=correlation,
        statistic=float(directed[best]),
        best=best,
        p=p,
        p_error=p_error,
        alternative=alternative,
        method=f"MaxCombo of Fleming-Harrington (rho, gamma) = {shown}, {alternative}"
        + (", stratified" if strata is not None else ""),
    )


def largest_exceeds(
    threshold: float, correlation: Floats, *, two_sided: bool, seed: int
) -> tuple[float, float]:
    """P(some Z_i > threshold) (or |Z_i|) for Z normal with this correlation (m, m), and its standard error.

    A union of m half-spaces is the sum over i of P(A_i) E[1 / number of half-spaces entered | A_i] (Owen,
    Maximov & Chertkov 2019): the expectation lies in [1/m, 1], so that the relative error stays small for
    any p, and a singular correlation (these weights are linearly dependent) does no harm. The conditional
    draws are scrambled Sobol' points.
    """
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    m = len(correlation)
    tail = float(ndtr(-threshold))
    if two_sided and threshold <= 0:
        return 1.0, 0.0
    rng = np.random.default_rng(seed)
    estimates = np.empty(_REPEATS)
    roots = [_conditional_root(correlation, i) for i in range(m)]
    for repeat in range(_REPEATS):
        points = qmc.Sobol(m + 1, rng=rng).random(_POINTS)
        points = np.clip(points, 1e-16, 1.0 - 1e-16)
        own = -ndtri(points[:, 0] * tail)
        rest = ndtri(points[:, 1:])
        total = 0.0
        for i in range(m):
            drawn = np.outer(own, correlation[i]) + rest @ roots[i].T
            drawn[:, i] = own
            entered = (np.abs(drawn) if two_sided else drawn) >= threshold
            entered[:, i] = True
            total += float((1.0 / entered.sum(axis=1)).mean())
        estimates[repeat] = total
    scale = tail * (2.0 if two_sided else 1.0)
    error = float(estimates.std(ddof=1)) / math.sqrt(_REPEATS)
    return min(1.0, scale * float(estimates.mean())), scale * error


def _conditional_root(correlation: Floats, given: int) -> Floats:
    """(m, m) a square root of the covariance of the others when Z_given is known."""
    row = correlation[given]
    values, vectors = np.linalg.eigh(correlation - np.outer(row, row))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
