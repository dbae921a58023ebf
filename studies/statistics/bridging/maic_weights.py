"""Weights that make the patients at hand look, on average, like those of a published trial.

Sources: Signorovitch et al. (2010), Pharmacoeconomics 28:935-945 (method of moments); Phillippo et al. (2016), NICE
DSU Technical Support Document 18, appendix D. The weights exp(alpha'x) are those of entropy balancing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    LENGTHS_DIFFER,
    TOO_MANY_TERMS,
    CannotEstimate,
    Reason,
)
from studies.statistics import Floats
from studies.statistics.bridging.arguments import NO_OPTIMUM
from studies.statistics.bridging.regression import check_design
from studies.statistics.inputs import matrix, numbers

_STEPS = 200
_BALANCED = 1e-12  # moments missed, in standard deviations

TARGET_OUT_OF_RANGE = Reason(
    "target_out_of_range",
    "目标人群“{variable}”的均值不在现有患者的取值范围之内：无法加权得到。",
    "The target's '{variable}' lies outside what the patients at hand cover: no weights can reach it.",
)
TARGET_OUT_OF_REACH = Reason(
    "target_out_of_reach",
    "目标人群的各项均值单独可达，但其组合不在现有患者的凸包之内：不存在满足要求的权重。",
    "Each target can be reached alone, but not all at once: they lie outside the convex hull of the patients.",
)


@dataclass(frozen=True)
class MaicWeights:
    """weights (n,) above or at 0, scaled to add up to n; moments (m, n-free) and what they did.

    names (m,) of the moments ("age", "age^2"), target, before, after (m,): the moments asked for, and those
    without and with weights. ess -- (sum w)^2 / sum w^2; ess_share -- ess / n; largest -- the largest
    weight; quantiles (5,) of the weights at 0, 25, 50, 75, 100 %. alpha (m,) on the scale of the columns.
    """

    weights: Floats
    names: tuple[str, ...]
    alpha: Floats
    target: Floats
    before: Floats
    after: Floats
    n: int
    ess: float
    ess_share: float
    largest: float
    quantiles: Floats
    centred: Floats  # (n, m) moments minus target: what the variance of an outcome needs
    method: str


def maic_weights(
    x: npt.ArrayLike,
    *,
    names: Sequence[str],
    target_mean: npt.ArrayLike,
    target_sd: Sequence[float | None] | None = None,
) -> MaicWeights:
    """Method-of-moments weights: sum w (x - target) = 0 with w = exp(alpha'x).

    x -- (n, p) covariates of the patients at hand; names (p,); target_mean (p,) as published.
    target_sd -- (p,) standard deviations to match too, None where a mean is enough (a binary covariate). The
        second moment asked for is mean^2 + sd^2, as in TSD 18.

    Raises `CannotEstimate` for constant or dependent columns, as many moments as patients, a target outside
    the range of one covariate (named) or outside the convex hull of all (found by a linear programme).
    """
    table = matrix(x)
    terms = tuple(names)
    mean = numbers(target_mean, "target_mean")
    if len(terms) != table.shape[1] or len(mean) != table.shape[1]:
        raise CannotEstimate(LENGTHS_DIFFER, variable="target_mean")
    moments, goal, labels = _moments(table, mean, target_sd, terms)
    if moments.shape[1] >= len(moments):
        raise CannotEstimate(TOO_MANY_TERMS)
    check_design(moments, labels)
    for column, name in enumerate(labels):
        if not moments[:, column].min() < goal[column] < moments[:, column].max():
            raise CannotEstimate(TARGET_OUT_OF_RANGE, variable=name)
    spread = moments.std(axis=0)
    centred = moments - goal
    alpha = solve_moments(centred / spread)
    if alpha is None:
        raise CannotEstimate(TARGET_OUT_OF_REACH if _outside_hull(centred / spread) else NO_OPTIMUM)
    weights = weights_at(alpha, centred / spread)
    ess = float(weights.sum() ** 2 / (weights**2).sum())
    return MaicWeights(
        weights=weights,
        names=labels,
        alpha=alpha / spread,
        target=goal,
        before=moments.mean(axis=0),
        after=weights @ moments / weights.sum(),
        n=len(weights),
        ess=ess,
        ess_share=ess / len(weights),
        largest=float(weights.max()),
        quantiles=np.quantile(weights, [0.0, 0.25, 0.5, 0.75, 1.0]),
        centred=centred,
        method=f"method-of-moments weights (Signorovitch 2010) on {', '.join(labels)}",
    )


def solve_moments(z: Floats, counts: Floats | None = None) -> Floats | None:
    """alpha (m,) with sum c exp(z alpha) z = 0, or None where there is none. z (n, m) is centred on the target.

    Newton's method with halving on log sum c exp(z alpha), which is convex and cannot overflow; `counts` are
    the multiplicities of a bootstrap sample.
    """
    c = np.ones(len(z)) if counts is None else counts
    alpha = np.zeros(z.shape[1])
    value, gradient, hessian = _objective(alpha, z, c)
    for _ in range(_STEPS):
        if float(np.abs(gradient).max()) < _BALANCED:
            return alpha
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return None
        length = 1.0
        while length > 1e-8:
            tried = _objective(alpha - length * step, z, c)
            if tried[0] <= value - 1e-4 * length * float(gradient @ step) + 1e-15 * abs(value):
                break
            length /= 2.0
        else:
            # No step goes down any more: balanced as well as rounding allows, or not at all.
            return alpha if float(np.abs(gradient).max()) < 1e-9 else None
        alpha = alpha - length * step
        value, gradient, hessian = tried
    return alpha if float(np.abs(gradient).max()) < 1e-9 else None


def weights_at(alpha: Floats, z: Floats, counts: Floats | None = None) -> Floats:
    """exp(z alpha), scaled to add up to the number of patients (n,)."""
    eta = z @ alpha
    raw = np.exp(eta - eta.max())
    if counts is not None:
        raw = raw * counts
    return np.asarray(raw * (len(z) / raw.sum()), dtype=np.float64)


def _objective(alpha: Floats, z: Floats, c: Floats) -> tuple[float, Floats, Floats]:
    eta = z @ alpha
    top = float(eta.max())
    raw = c * np.exp(eta - top)
    total = float(raw.sum())
    share = raw / total
    gradient = share @ z
    hessian = (z * share[:, None]).T @ z - np.outer(gradient, gradient)
    return top + float(np.log(total)), gradient, hessian


def _moments(
    table: Floats, mean: Floats, sd: Sequence[float | None] | None, names: tuple[str, ...]
) -> tuple[Floats, Floats, tuple[str, ...]]:
    columns, goal, labels = [table], list(mean.tolist()), list(names)
    if sd is not None:
        if len(sd) != len(names):
            raise CannotEstimate(LENGTHS_DIFFER, variable="target_sd")
        for column, spread in enumerate(sd):
            if spread is None:
                continue
            if not (np.isfinite(spread) and spread > 0):
                raise CannotEstimate(BAD_ARGUMENT, argument="target_sd", allowed="> 0, None")
            columns.append(table[:, column : column + 1] ** 2)
            goal.append(float(mean[column] ** 2 + spread**2))
            labels.append(f"{names[column]}^2")
    return np.hstack(columns), np.array(goal), tuple(labels)


def _outside_hull(z: Floats) -> bool:
    """No non-negative weights, all above some t > 0, bring the mean of z to 0: not inside the convex hull."""
    from scipy.optimize import linprog

    n, m = z.shape
    # Variables w_1..w_n and t: maximise t with w_i >= t, sum w = 1, sum w z = 0.
    equal = np.zeros((m + 1, n + 1))
    equal[:m, :n], equal[m, :n] = z.T, 1.0
    # w = v + t with v >= 0 turns w_i >= t into a bound.
    equal[:m, n], equal[m, n] = z.sum(axis=0), n
    right = np.zeros(m + 1)
    right[m] = 1.0
    cost = np.zeros(n + 1)
    cost[n] = -1.0
    found = linprog(cost, A_eq=equal, b_eq=right, bounds=[(0, None)] * (n + 1), method="highs")
    return bool(found.status == 2 or (found.status == 0 and float(found.x[n]) <= 1e-12 / n))
