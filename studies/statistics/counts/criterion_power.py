"""Planning a single arm against a criterion: the critical count, exact power, and the sample size.

The power of an exact test does not rise steadily with n: each time the critical count goes up by one the
power falls ("sawtooth", Chernick & Liu 2002, The American Statistician 56:149). A sample size from the first
tooth that reaches the target can be lost by enrolling one subject more. So two numbers are given: the first n,
and the n from which on every larger study also has the power. That the second holds for ALL larger n is not
taken from a search that stops somewhere but from a bound: see `_surely_enough`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.counts.measure import share, whole
from studies.statistics.counts.performance_criterion import Criterion
from studies.statistics.options import checked

NO_DIFFERENCE = Reason(
    "no_difference",
    "假定的真实值没有优于目标值，任何样本量都达不到所要求的把握度。",
    "The assumed truth is not better than the criterion: no sample size gives the power.",
)
TOO_CLOSE = Reason(
    "too_close",
    "假定的真实值与目标值过于接近：所需样本量超过 {largest}。",
    "The assumed truth is too close to the criterion: more than {largest} subjects would be needed.",
)
_LARGEST = 2_000_000  # subjects that the search may have to look at, one by one


@dataclass(frozen=True)
class CriterionPower:
    """A study of n: `critical` is the count that meets the criterion (at least it, or at most it).

    None where no count could. power is the exact probability of meeting it when the truth is `p1`; size is
    the exact probability when the truth equals the criterion (never above alpha).
    """

    n: int
    p1: float
    alpha: float
    criterion: Criterion
    critical: int | None
    power: float
    size: float
    method: str


@dataclass(frozen=True)
class CriterionSampleSize:
    """`n`: it and all larger numbers have the power. `first_n`: the smallest with it; larger ones may not."""

    n: int
    first_n: int
    target: float
    at_n: CriterionPower
    at_first_n: CriterionPower


@checked
def criterion_power(n: int, p1: float, criterion: Criterion, *, alpha: float = 0.025) -> CriterionPower:
    """Exact power of `against_criterion` with n subjects if the true proportion is p1, by summation.

    p1 may lie on either side of the criterion. Raises `CannotEstimate`: NOT_A_COUNT, OUT_OF_RANGE.
    """
    size, truth = whole(n, "n", least=1), share(p1, "p1", ends=True)
    level = share(alpha, "alpha")
    critical, power = _powers(np.array([float(size)]), truth, criterion, level)
    _, at_criterion = _powers(np.array([float(size)]), criterion.value, criterion, level)
    possible = 0 <= critical[0] <= size
    return CriterionPower(
        n=size,
        p1=truth,
        alpha=level,
        criterion=criterion,
        critical=int(critical[0]) if possible else None,
        power=float(power[0]),
        size=float(at_criterion[0]),
        method="exact power of the one-sided binomial test, by summation over all counts",
    )


@checked
def criterion_sample_size(
    p1: float, criterion: Criterion, *, power: float = 0.8, alpha: float = 0.025
) -> CriterionSampleSize:
    """The number of subjects for `power` if the true proportion is p1, at one-sided level alpha.

    Raises `CannotEstimate`: OUT_OF_RANGE; NO_DIFFERENCE when p1 is not better than the criterion; TOO_CLOSE.
    """
    truth = share(p1, "p1", ends=True)
    target, level = share(power, "power"), share(alpha, "alpha")
    better = truth > criterion.value if criterion.direction == "at least" else truth < criterion.value
    if not better:
        raise CannotEstimate(NO_DIFFERENCE)
    largest = _surely_enough(truth, criterion.value, level, 1.0 - target)
    if largest > _LARGEST:
        raise CannotEstimate(TOO_CLOSE, largest=str(_LARGEST))
    _, powers = _powers(np.arange(1.0, largest + 1.0), truth, criterion, level)
    enough = powers >= target
    first = int(np.argmax(enough)) + 1
    # The last n that falls short, plus one; from `largest` on the bound vouches for every n.
    steady = int(np.flatnonzero(~enough)[-1]) + 2 if not enough.all() else 1
    return CriterionSampleSize(
        n=steady,
        first_n=first,
        target=target,
        at_n=criterion_power(steady, truth, criterion, alpha=level),
        at_first_n=criterion_power(first, truth, criterion, alpha=level),
    )


def _powers(n: Floats, truth: float, criterion: Criterion, alpha: float) -> tuple[Floats, Floats]:
    """Critical counts and powers for sizes n (m,). An impossible count is n + 1, or -1 for "at most"."""
    if criterion.direction == "at most":
        mirrored = Criterion(1.0 - criterion.value, criterion.source, "at least")
        critical, power = _powers(n, 1.0 - truth, mirrored, alpha)
        return n - critical, power
    critical = _critical(n, criterion.value, alpha)
    return critical, _at_least(critical, n, truth)


def _critical(n: Floats, p0: float, alpha: float) -> Floats:
    """The smallest c with P(X >= c | p0) <= alpha, for each n: bisection on whole numbers, all n at once."""
    low, high = np.zeros_like(n), n + 1.0  # P(X >= 0) = 1 > alpha >= 0 = P(X >= n + 1)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2.0)
        enough = _at_least(middle, n, p0) <= alpha
        high = np.where(enough & (high - low > 1), middle, high)
        low = np.where(~enough & (high - low > 1), middle, low)
    return high


def _at_least(count: Floats, n: Floats, p: float) -> Floats:
    """P(X >= count), for counts of 0 ... n + 1."""
    from scipy.special import betainc

    inside = betainc(np.maximum(count, 1.0), np.maximum(n - count + 1.0, 1.0), p)
    return np.where(count <= 0, 1.0, np.where(count > n, 0.0, inside))


def _surely_enough(p1: float, p0: float, alpha: float, beta: float) -> int:
    """An n from which on the power is at least 1 - beta for every n.

    For any t between p0 and p1, Chernoff's bound (1952) gives P(X >= nt | p0) <= exp(-n KL(t, p0)) and
    P(X < nt | p1) <= exp(-n KL(t, p1)). Where the first is at most alpha the critical count is at most nt,
    and where the second is at most beta it is reached often enough; both stay so for all larger n.
    """
    t = p0 + (p1 - p0) * np.linspace(0.0, 1.0, 2001)[1:-1]
    needed = np.maximum(math.log(1.0 / alpha) / _divergence(t, p0), math.log(1.0 / beta) / _divergence(t, p1))
    return math.ceil(min(float(needed.min()), 1e15)) + 1


def _divergence(t: Floats, p: float) -> Floats:
    """KL(t, p) of two coins, in nats. Infinite where p is 0 or 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(t * np.log(t / p) + (1.0 - t) * np.log((1.0 - t) / (1.0 - p)))
