"""What a design with borrowing does in the long run: to be shown before the data are frozen.

Type I error, power, bias, mean squared error and coverage at each true value. Binary outcomes are enumerated (every
possible count and its probability), estimates with known error are integrated: no simulation, so the numbers are
exact and the same on every run. Borrowing always raises the type I error for some true values; the table says how far.

Source for what to show: FDA (2010), Guidance for the use of Bayesian statistics in medical device clinical trials,
section 4; Viele et al. (2014), Pharm Stat 13:41-54.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.bridging.arguments import choice, number, positive, share, whole
from studies.statistics.bridging.mixtures import Mixture
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

Alternative = Literal["greater", "less"]
MOST_PATIENTS = 2000
_POINTS = 2000


@dataclass(frozen=True)
class OperatingCharacteristics:
    """Arrays (k,), one for each true value.

    success -- probability that the study succeeds: the type I error where the true value is in the null hypothesis
    (`in_null`), the power elsewhere. bias, mse -- of the posterior mean. coverage -- of the interval.
    max_type_1 -- the largest `success` among `in_null`, None if no true value lies there.
    """

    true_value: Floats
    success: Floats
    bias: Floats
    mse: Floats
    coverage: Floats
    in_null: Bools
    max_type_1: float | None
    method: str


@checked
def binary_characteristics(
    posterior_of: Callable[[int], Mixture],
    n: int,
    *,
    true_values: npt.ArrayLike,
    null: float,
    success_probability: float = 0.975,
    alternative: Alternative = "greater",
    conf_level: float = CI_LEVEL,
) -> OperatingCharacteristics:
    """A single arm with a binary outcome, by enumerating 0, ..., n events.

    posterior_of -- the posterior (a beta mixture) after so many events in `n`, whatever the borrowing.
    Success: P(p > null | data) >= success_probability ("greater"), or P(p < null | data) for "less".
    true_values -- (k,) proportions in [0, 1]. n at most 2000.
    """
    size = whole(n, "n", 1, MOST_PATIENTS)
    truth = _proportions(true_values)
    edge = share(null, "null")
    wanted = share(success_probability, "success_probability")
    upward = choice(alternative, "alternative", ("greater", "less")) == "greater"
    tail = (1.0 - share(conf_level, "conf_level")) / 2.0
    mean, low, high, succeeds = np.empty(size + 1), np.empty(size + 1), np.empty(size + 1), np.empty(size + 1)
    for y in range(size + 1):
        posterior = posterior_of(y)
        belief = posterior.above(edge) if upward else float(posterior.cdf([edge])[0])
        succeeds[y] = belief >= wanted
        mean[y] = posterior.mean
        low[y], high[y] = posterior.quantiles([tail, 1.0 - tail])
    chance = _binomial(size, truth)
    off = mean[None, :] - truth[:, None]
    inside = (low[None, :] <= truth[:, None]) & (truth[:, None] <= high[None, :])
    return _table(
        truth, chance @ succeeds, (chance * off).sum(axis=1), (chance * off**2).sum(axis=1),
        (chance * inside).sum(axis=1), truth <= edge if upward else truth >= edge,
        f"exact enumeration of {size + 1} outcomes, success if P(p {'>' if upward else '<'} {edge:g}) >= {wanted:g}",
    )  # fmt: skip


@checked
def two_arm_characteristics(
    treatment_posterior_of: Callable[[int], Mixture],
    n_treatment: int,
    control_posterior_of: Callable[[int], Mixture],
    n_control: int,
    *,
    true_treatment: npt.ArrayLike,
    true_control: npt.ArrayLike,
    success_probability: float = 0.975,
    conf_level: float = CI_LEVEL,
) -> OperatingCharacteristics:
    """Two arms, the control borrowing from history, by enumerating all pairs of counts.

    Success: P(p_treatment > p_control | data) >= success_probability. true_treatment, true_control -- (k,), paired;
    `true_value` of the result is their difference, null where it is at or below 0.
    P(p_treatment > p_control) of all pairs is one matrix product over 2000 points (trapezoid; error below 1e-6);
    the interval of the difference is not made, so `coverage` is that of the control's interval.
    """
    n1, n0 = (
        whole(n_treatment, "n_treatment", 1, MOST_PATIENTS),
        whole(n_control, "n_control", 1, MOST_PATIENTS),
    )
    one, zero = _proportions(true_treatment), _proportions(true_control)
    if len(one) != len(zero):
        raise CannotEstimate(BAD_ARGUMENT, argument="true_control", allowed=f"k = {len(one)}")
    wanted = share(success_probability, "success_probability")
    tail = (1.0 - share(conf_level, "conf_level")) / 2.0
    treated = [treatment_posterior_of(y) for y in range(n1 + 1)]
    controls = [control_posterior_of(y) for y in range(n0 + 1)]
    # P(p1 > p0) = sum over small steps of [F1 step] x F0 at the middle of the step.
    grid = (1.0 - np.cos(np.linspace(0.0, np.pi, _POINTS + 1))) / 2.0
    steps = np.diff(np.stack([m.cdf(grid) for m in treated]), axis=1)
    at = np.stack([m.cdf(grid) for m in controls])
    better = steps @ ((at[:, 1:] + at[:, :-1]) / 2.0).T
    succeeds = (better >= wanted).astype(float)
    gap = np.array([m.mean for m in treated])[:, None] - np.array([m.mean for m in controls])[None, :]
    limits = np.stack([m.quantiles([tail, 1.0 - tail]) for m in controls])
    chance1, chance0 = _binomial(n1, one), _binomial(n0, zero)
    truth = one - zero
    success = np.einsum("ki,ij,kj->k", chance1, succeeds, chance0)
    bias = np.einsum("ki,ij,kj->k", chance1, gap, chance0) - truth
    square = np.einsum("ki,ij,kj->k", chance1, gap**2, chance0)
    mse = square - 2.0 * truth * (bias + truth) + truth**2
    inside = (limits[:, 0] <= zero[:, None]) & (zero[:, None] <= limits[:, 1])
    return _table(
        truth, success, bias, mse, (chance0 * inside).sum(axis=1), truth <= 0,
        f"exact enumeration of {n1 + 1} x {n0 + 1} outcomes, success if P(p1 > p0) >= {wanted:g}",
    )  # fmt: skip


@checked
def normal_characteristics(
    posterior_of: Callable[[float], Mixture],
    se: float,
    *,
    true_values: npt.ArrayLike,
    null: float,
    success_probability: float = 0.975,
    alternative: Alternative = "less",
    conf_level: float = CI_LEVEL,
) -> OperatingCharacteristics:
    """One estimate with known standard error, by integration over what it may be.

    posterior_of -- the posterior (a normal mixture) after an estimate. Success: P(theta < null | data) >=
    success_probability ("less", for a log hazard ratio) or P(theta > null | data). The borders of success and of
    coverage are found by root finding, so their probabilities are exact normal ones.
    """
    error, edge = positive(se, "se"), number(null, "null")
    truth = numbers(true_values, "true_values")
    wanted = share(success_probability, "success_probability")
    upward = choice(alternative, "alternative", ("greater", "less")) == "greater"
    tail = (1.0 - share(conf_level, "conf_level")) / 2.0
    low, high = float(truth.min()) - 9 * error, float(truth.max()) + 9 * error
    grid = np.linspace(low, high, max(400, min(4000, math.ceil((high - low) / error * 20))))
    posteriors = [posterior_of(float(y)) for y in grid]

    def belief(m: Mixture) -> float:
        return (m.above(edge) if upward else float(m.cdf([edge])[0])) - wanted

    beliefs = np.array([belief(m) for m in posteriors])
    success = _chance_where(lambda y: belief(posterior_of(y)), beliefs, grid, truth, error)
    mean = np.array([m.mean for m in posteriors])
    density = np.exp(-0.5 * ((grid[None, :] - truth[:, None]) / error) ** 2) / (
        error * math.sqrt(2 * math.pi)
    )
    step = np.gradient(grid)
    off = mean[None, :] - truth[:, None]
    coverage = np.empty(len(truth))
    for at, value in enumerate(truth.tolist()):
        coverage[at] = _coverage(posterior_of, posteriors, grid, value, error, tail)
    return _table(
        truth, success, (density * off * step).sum(axis=1), (density * off**2 * step).sum(axis=1), coverage,
        truth <= edge if upward else truth >= edge,
        f"numerical integration, success if P(theta {'>' if upward else '<'} {edge:g}) >= {wanted:g}",
    )  # fmt: skip


def _coverage(
    posterior_of: Callable[[float], Mixture], posteriors: list[Mixture], grid: Floats, value: float, error: float,
    tail: float,
) -> float:  # fmt: skip
    """The value is inside the equal-tailed interval where its posterior probability lies in [tail, 1 - tail]."""

    def depth(m: Mixture) -> float:
        below = float(m.cdf([value])[0])
        return min(below, 1.0 - below) - tail

    depths = np.array([depth(m) for m in posteriors])
    return float(_chance_where(lambda y: depth(posterior_of(y)), depths, grid, np.array([value]), error)[0])


def _chance_where(
    test: Callable[[float], float], values: Floats, grid: Floats, truth: Floats, error: float
) -> Floats:
    """P(test(y) >= 0) for y ~ N(truth, error^2): the borders refined, the normal areas between them added."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    passed = values >= 0
    borders = [-math.inf]
    for at in np.flatnonzero(passed[:-1] != passed[1:]).tolist():
        borders.append(float(brentq(test, grid[at], grid[at + 1], xtol=1e-13)))
    borders.append(math.inf)
    chance, on = np.zeros(len(truth)), bool(passed[0])
    for left, right in pairwise(borders):
        if on:
            chance += np.asarray(ndtr((right - truth) / error)) - np.asarray(ndtr((left - truth) / error))
        on = not on
    return chance


def _binomial(n: int, p: Floats) -> Floats:
    """P(Y = y) for y = 0, ..., n at each p (k,): (k, n + 1)."""
    from scipy.special import gammaln, xlog1py, xlogy

    y = np.arange(n + 1, dtype=np.float64)
    ways = gammaln(n + 1.0) - gammaln(y + 1.0) - gammaln(n - y + 1.0)
    return np.asarray(np.exp(ways + xlogy(y, p[:, None]) + xlog1py(n - y, -p[:, None])), dtype=np.float64)


def _proportions(values: npt.ArrayLike) -> Floats:
    truth = numbers(values, "true_values")
    if ((truth < 0) | (truth > 1)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="true_values", allowed="[0, 1]")
    return truth


def _table(
    truth: Floats, success: Floats, bias: Floats, mse: Floats, coverage: Floats, in_null: Bools, method: str
) -> OperatingCharacteristics:
    worst = float(success[in_null].max()) if in_null.any() else None
    return OperatingCharacteristics(truth, success, bias, mse, coverage, in_null, worst, method)
