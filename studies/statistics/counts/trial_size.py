"""Power and size of two-arm comparisons against a margin (a margin of 0, or a ratio of 1, is superiority).

Sources: Farrington & Manning (1990, Stat Med 9:1447, their method 3: the variance of largest likelihood under the
margin); Schoenfeld (1981, 1983, events); Julious (2004, Stat Med 23:1921, means by the noncentral t); exact power
of the score test by summing over all tables. Everything is one-sided at alpha; allocation is treatment : control.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics.counts.measure import finite, positive, share, whole, z_of
from studies.statistics.counts.score import difference_z, under_difference
from studies.statistics.options import checked

NO_POWER = Reason(
    "no_power",
    "假定的真实效应不优于界值，任何样本量都达不到所要求的把握度。",
    "The assumed truth is not better than the margin: no size gives the power.",
)
TABLES_TOO_MANY = Reason(
    "tables_too_many",
    "样本量过大，无法枚举全部四格表；请使用正态近似。",
    "Too many subjects to sum over all tables; use the normal approximation.",
)
_MOST_TABLES = 4_000_000
_LARGEST = 10_000_000


@dataclass(frozen=True)
class TwoArmSize:
    """Subjects of treatment and control, whole and rounded up, the power they give, and the exact solution.

    exact_n1 is the real number that the formula gave for the treatment arm.
    """

    n1: int
    n2: int
    exact_n1: float
    power: float
    alpha: float
    method: str


@checked
def proportions_power(
    p1: float,
    p2: float,
    n: tuple[int, int],
    *,
    margin: float = 0.0,
    alpha: float = 0.025,
    exact: bool = False,
) -> float:
    """The power to show p1 - p2 > -margin with n subjects when the truth is p1, p2.

    Approximate by Farrington & Manning's formula, or `exact`: the probability, summed over all tables, that
    their score test rejects (with p1 = p2 - margin it is the test's true size). Raises `CannotEstimate`:
    OUT_OF_RANGE, NOT_A_COUNT, TABLES_TOO_MANY.
    """
    truth1, truth2 = share(p1, "p1", ends=exact), share(p2, "p2", ends=exact)
    n1, n2 = whole(n[0], "n", least=1), whole(n[1], "n", least=1)
    delta, z = -_margin(margin), z_of(share(alpha, "alpha"))
    if exact:
        return _exact_power(truth1, truth2, n1, n2, delta, z)
    null, spread = _deviations(truth1, truth2, n1 / n2, delta)
    return _normal_below(((truth1 - truth2 - delta) * math.sqrt(n1) - z * null) / spread)


@checked
def proportions_size(
    p1: float,
    p2: float,
    *,
    margin: float = 0.0,
    alpha: float = 0.025,
    power: float = 0.8,
    allocation: float = 1.0,
) -> TwoArmSize:
    """Subjects to show p1 - p2 > -margin (Farrington & Manning). allocation = n1/n2.

    For a harmful outcome turn the proportions round (1 - p). Raises `CannotEstimate`: OUT_OF_RANGE, NO_POWER.
    """
    truth1, truth2, ratio = share(p1, "p1"), share(p2, "p2"), positive(allocation, "allocation")
    delta, z, beta = -_margin(margin), z_of(share(alpha, "alpha")), z_of(1.0 - share(power, "power"))
    gap = truth1 - truth2 - delta
    if gap <= 0:
        raise CannotEstimate(NO_POWER)
    null, spread = _deviations(truth1, truth2, ratio, delta)
    needed = ((z * null + beta * spread) / gap) ** 2
    n1, n2 = math.ceil(needed - 1e-9), math.ceil(needed / ratio - 1e-9)
    reached = proportions_power(truth1, truth2, (n1, n2), margin=margin, alpha=alpha)
    return TwoArmSize(n1, n2, needed, reached, alpha, "Farrington-Manning, variance under the margin")


@checked
def schoenfeld_events(
    hazard_ratio: float,
    *,
    margin: float = 1.0,
    alpha: float = 0.025,
    power: float = 0.8,
    allocation: float = 1.0,
) -> float:
    """Events to show a hazard ratio below `margin` when the truth is `hazard_ratio`; round up yourself.

    (z_alpha + z_beta)^2 (1 + r)^2 / (r log(hazard_ratio/margin)^2), r = allocation (Schoenfeld 1983). alpha is
    one-sided. Raises `CannotEstimate`: OUT_OF_RANGE, NO_POWER where the truth equals the margin.
    """
    effect = math.log(positive(hazard_ratio, "hazard_ratio") / positive(margin, "margin"))
    ratio = positive(allocation, "allocation")
    if effect == 0.0:
        raise CannotEstimate(NO_POWER)
    z = z_of(share(alpha, "alpha")) + z_of(1.0 - share(power, "power"))
    return z * z * (1.0 + ratio) ** 2 / (ratio * effect**2)


@checked
def schoenfeld_power(
    hazard_ratio: float, events: float, *, margin: float = 1.0, alpha: float = 0.025, allocation: float = 1.0
) -> float:
    """The power of that many events to show a hazard ratio below `margin`. Raises as `schoenfeld_events`."""
    effect = math.log(positive(margin, "margin") / positive(hazard_ratio, "hazard_ratio"))
    ratio, seen = positive(allocation, "allocation"), positive(events, "events")
    weight = math.sqrt(ratio) / (1.0 + ratio)
    return _normal_below(effect * weight * math.sqrt(seen) - z_of(share(alpha, "alpha")))


@checked
def means_power(
    difference: float, sd: float, n: tuple[int, int], *, margin: float = 0.0, alpha: float = 0.025
) -> float:
    """The power of Student's t to show a difference above -margin, by the noncentral t.

    Raises `CannotEstimate`: OUT_OF_RANGE, NOT_A_COUNT (at least 2 an arm).
    """
    from scipy.stats import nct, t

    n1, n2 = whole(n[0], "n", least=2), whole(n[1], "n", least=2)
    df = n1 + n2 - 2
    gap = finite(difference, "difference") + _margin(margin)
    noncentral = gap / (positive(sd, "sd") * math.sqrt(1 / n1 + 1 / n2))
    return float(nct.sf(t.isf(share(alpha, "alpha"), df), df, noncentral))


@checked
def means_size(
    difference: float,
    sd: float,
    *,
    margin: float = 0.0,
    alpha: float = 0.025,
    power: float = 0.8,
    allocation: float = 1.0,
) -> TwoArmSize:
    """The smallest arms, n2 rounded up from n1/allocation, with the power of `means_power`.

    exact_n1 is the normal approximation. Raises `CannotEstimate`: OUT_OF_RANGE, NO_POWER.
    """
    gap, ratio = finite(difference, "difference") + _margin(margin), positive(allocation, "allocation")
    if gap <= 0:
        raise CannotEstimate(NO_POWER)
    target = share(power, "power")
    z = z_of(share(alpha, "alpha")) + z_of(1.0 - target)
    start = (z * positive(sd, "sd") / gap) ** 2 * (1.0 + ratio)
    if start > _LARGEST:
        raise CannotEstimate(NO_POWER)

    def arms(n1: int) -> tuple[int, int]:
        return n1, max(2, math.ceil(n1 / ratio - 1e-9))

    def enough(n1: int) -> bool:
        return means_power(difference, sd, arms(n1), margin=margin, alpha=alpha) >= target

    n1 = _smallest(enough, max(2, math.floor(start)))
    reached = means_power(difference, sd, arms(n1), margin=margin, alpha=alpha)
    return TwoArmSize(*arms(n1), start, reached, alpha, "Student's t, noncentral t")


def _smallest(enough: Callable[[int], bool], start: int) -> int:
    """The smallest n >= 2 that is enough; the power rises with n, and `start` is close to the answer."""
    n = start
    while n > 2 and enough(n - 1):
        n -= 1
    while not enough(n):
        n += 1
    return n


def _margin(margin: float) -> float:
    value = finite(margin, "margin")
    return 0.0 if value == 0.0 else positive(value, "margin")


def _deviations(p1: float, p2: float, ratio: float, delta: float) -> tuple[float, float]:
    """sqrt(n1) times the standard deviation of the difference: under the margin, and under the truth."""
    null1, null2 = under_difference(ratio * p1, ratio, p2, 1.0, delta)
    under = float(null1 * (1 - null1) + ratio * null2 * (1 - null2))
    return math.sqrt(under), math.sqrt(p1 * (1 - p1) + ratio * p2 * (1 - p2))


def _exact_power(p1: float, p2: float, n1: int, n2: int, delta: float, z: float) -> float:
    from scipy.stats import binom

    if (n1 + 1) * (n2 + 1) > _MOST_TABLES:
        raise CannotEstimate(TABLES_TOO_MANY)
    x1, x2 = np.arange(n1 + 1.0)[:, None], np.arange(n2 + 1.0)
    rejects = difference_z(x1, n1, x2, n2, delta, small_sample=False) >= z
    return float(binom.pmf(x1[:, 0], n1, p1) @ rejects.astype(np.float64) @ binom.pmf(x2, n2, p2))


def _normal_below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
