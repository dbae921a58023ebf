"""Entropy balancing: the weights closest to equal that make the moments of the arms exactly alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.causal.contrasts import TwoMeans, two_means
from studies.statistics.causal.designs import check_option, covariate_names
from studies.statistics.causal.propensity import both_arms
from studies.statistics.causal.weights import effective_sample_size
from studies.statistics.inputs import case_weights, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

_STEPS = 200
_BALANCED = 1e-10  # of a constraint's standard deviation in everybody
_STILL_APART = 1e-6

CANNOT_BALANCE = Reason(
    "cannot_balance",
    "无法用正的权重使“{variable}”达到平衡：目标值不在该组数据的范围之内。",
    "No positive weights balance '{variable}': the target lies outside what this arm's subjects span.",
)


@dataclass(frozen=True)
class EntropyBalance:
    """`weights` (n,): 1 for subjects who are the target; in a weighted arm they average 1.

    `constraints` names the moments that were made equal; `dual` (k, 2) the multipliers of the treated and
    the comparators (0 where an arm was not weighted); `largest_gap` the largest standardised difference
    left in a constraint.
    """

    weights: Floats
    estimand: str
    constraints: tuple[str, ...]
    dual: Floats
    largest_gap: float
    ess_treated: float
    ess_comparator: float
    method: str


@checked
def entropy_balance(
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Literal["ATT", "ATC", "ATE"] = "ATT",
    moments: Literal[1, 2] = 1,
    base_weights: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> EntropyBalance:
    """Hainmueller (2012): minimise sum w log(w/q) subject to equal means of x (n, p) and, with

    `moments=2`, of the squares of those that are not 0/1. ATT weights the comparators to the treated, ATC
    the treated to the comparators, ATE both to everybody. `base_weights` (n,) > 0 are q. Solved by
    Newton's method on the dual, log sum q exp(g'b), which is convex. Raises `CannotEstimate`: bad
    numbers, one arm, and targets that no positive weights reach, naming the constraint.
    """
    arms = both_arms(treated)
    check_option(estimand, ("ATT", "ATC", "ATE"), "estimand")
    check_option(moments, (1, 2), "moments")
    g, called = _constraints(matrix(x, len(arms)), moments, names)
    base = case_weights(base_weights, len(arms))
    q = np.ones(len(arms)) if base is None else base
    weights, dual, gap = q.copy(), np.zeros((g.shape[1], 2)), 0.0
    target = _target(arms, estimand)
    goal = (g[target] * q[target, None]).sum(axis=0) / q[target].sum()
    for side, arm in enumerate((arms, ~arms)):
        if estimand == "ATE" or not (arm == target).all():
            p, dual[:, side], left = _tilt(g[arm], q[arm], goal, called)
            weights[arm] = p * arm.sum()
            gap = max(gap, left)
    return EntropyBalance(
        weights=weights,
        estimand=estimand,
        constraints=called,
        dual=dual,
        largest_gap=gap,
        ess_treated=effective_sample_size(weights[arms]),
        ess_comparator=effective_sample_size(weights[~arms]),
        method=f"entropy balancing, {estimand}, {moments} moment(s)",
    )


@checked
def entropy_balanced_means(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Literal["ATT", "ATC", "ATE"] = "ATT",
    moments: Literal[1, 2] = 1,
    conf_level: float = CI_LEVEL,
) -> TwoMeans:
    """The arms' means of y (n,) after entropy balancing, with errors that know the weights were estimated.

    A balanced mean is a calibration estimator: the influence of a row of the weighted arm is
    p (y - m - b'(g - goal)), with b the weighted regression of y on the constraints, and a row of the
    target adds b'(g - goal)/n (Deville & Särndal 1992; Zhao & Percival 2017, theorem 3).
    Raises as `entropy_balance`.
    """
    made = entropy_balance(treated, x, estimand=estimand, moments=moments)
    arms = both_arms(treated)
    outcome = numbers(y, "y", len(arms))
    g, _ = _constraints(matrix(x, len(arms)), moments, None)
    target = _target(arms, estimand)
    away = g - g[target].mean(axis=0)
    means, columns = [], []
    for arm in (arms, ~arms):
        p = np.where(arm, made.weights, 0.0)
        p = p / p.sum()
        mean = float(p @ outcome)
        influence = p * (outcome - mean)
        if estimand == "ATE" or not (arm == target).all():
            moment = (away * p[:, None]).T @ away
            slope = np.linalg.lstsq(moment, away.T @ (p * (outcome - mean)), rcond=1e-12)[0]
            fitted = away @ slope
            influence = influence - p * fitted + target * fitted / target.sum()
        means.append(mean)
        columns.append(influence)
    return two_means(
        means[0],
        means[1],
        np.column_stack(columns),
        ess=(made.ess_treated, made.ess_comparator),
        estimand=estimand,
        method=f"{made.method}; standard errors that account for the estimated weights",
        conf_level=conf_level,
    )


def _target(arms: Bools, estimand: str) -> Bools:
    if estimand == "ATE":
        return np.ones(len(arms), dtype=bool)
    return arms if estimand == "ATT" else ~arms


def _constraints(x: Floats, moments: int, names: Sequence[str] | None) -> tuple[Floats, tuple[str, ...]]:
    """Constraints (n, k), centred and scaled over everybody; a square is taken of the centred covariate."""
    called = list(covariate_names(names, x.shape[1]))
    spread = x.std(axis=0)
    g = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if moments == 2:
        many = [column for column in range(x.shape[1]) if len(np.unique(x[:, column])) > 2]
        squares = g[:, many] ** 2
        squares = squares - squares.mean(axis=0)
        g = np.column_stack([g, squares / squares.std(axis=0)])
        called += [f"{called[column]}^2" for column in many]
    return g, tuple(called)


def _tilt(g: Floats, q: Floats, goal: Floats, names: tuple[str, ...]) -> tuple[Floats, Floats, float]:
    """Probabilities p ~ q exp(g'b) with mean g of `goal`: p, b and the largest gap left."""
    away = g - goal
    outside = (away.min(axis=0) > _BALANCED) | (away.max(axis=0) < -_BALANCED)
    if outside.any():
        raise CannotEstimate(CANNOT_BALANCE, variable=names[int(np.argmax(outside))])
    b = np.zeros(g.shape[1])
    value, p = _dual(away, q, b)
    for _ in range(_STEPS):
        gap = p @ away
        if np.abs(gap).max(initial=0.0) < _BALANCED:
            break
        hessian = (away * p[:, None]).T @ away - np.outer(gap, gap)
        step = np.linalg.lstsq(hessian, gap, rcond=1e-13)[0]
        size = 1.0
        while size > 1e-10:
            lower, new = _dual(away, q, b - size * step)
            # Near the end the dual's own digits run out: then a smaller gap decides.
            nearer = np.abs(new @ away).max() < 0.5 * np.abs(gap).max()
            if nearer or lower < value - 1e-4 * size * float(gap @ step):
                break
            size /= 2.0
        if size <= 1e-10:
            break
        b, value, p = b - size * step, lower, new
    gap = p @ away
    if not np.isfinite(gap).all() or np.abs(gap).max(initial=0.0) > _STILL_APART:
        raise CannotEstimate(CANNOT_BALANCE, variable=names[int(np.nanargmax(np.abs(gap)))])
    return p, b, float(np.abs(gap).max(initial=0.0))


def _dual(away: Floats, q: Floats, b: Floats) -> tuple[float, Floats]:
    eta = away @ b
    top = float(eta.max())
    w = q * np.exp(eta - top)
    return top + float(np.log(w.sum())), w / w.sum()
