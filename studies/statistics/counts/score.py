"""Score statistics of two proportions: the difference, the ratio and the odds ratio under any null value.

The variance is taken at the proportions of largest likelihood under the null value, in closed form, so zero
cells need no correction. With `small_sample` it carries Miettinen and Nurminen's factor N/(N - 1); without it
the statistic is that of Mee (difference), Koopman (ratio) and Farrington & Manning.

Sources: Miettinen & Nurminen (1985, Stat Med 4:213, appendix 1); Farrington & Manning (1990, Stat Med 9:1447);
Koopman (1984, Biometrics 40:513). Everything is vectorised over tables: counts may be arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from studies.reasons import NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats
from studies.statistics.counts.measure import root

_EDGE = 1e-12
# A ratio beyond e^36 (4e15) is no number that a table of people could give; further out the statistics lose
# their digits, because the null proportions come too close to 0 and 1.
_LARGEST_LOG = 36.0


def difference_z(
    x1: Floats | float, n1: float, x2: Floats | float, n2: float, delta: float, *, small_sample: bool = True
) -> Floats:
    """z of p1 - p2 = delta for tables (m,); infinite where the null variance is 0 and the data differ."""
    p1, p2 = under_difference(x1, n1, x2, n2, delta)
    return _ratio_of(
        x1 / n1 - x2 / n2 - delta, p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2, n1 + n2, small_sample
    )


def ratio_z(
    x1: Floats | float, n1: float, x2: Floats | float, n2: float, ratio: float, *, small_sample: bool = True
) -> Floats:
    """z of p1 / p2 = ratio."""
    p1, p2 = under_ratio(x1, n1, x2, n2, ratio)
    variance = p1 * (1 - p1) / n1 + ratio**2 * p2 * (1 - p2) / n2
    return _ratio_of(x1 / n1 - ratio * (x2 / n2), variance, n1 + n2, small_sample)


def odds_ratio_z(
    x1: Floats | float, n1: float, x2: Floats | float, n2: float, odds: float, *, small_sample: bool = True
) -> Floats:
    """z of [p1/(1-p1)] / [p2/(1-p2)] = odds."""
    # Each proportion and its complement by its own formula: near 0 or 1 the other would lose all digits.
    total = x1 + x2
    p2 = _second_of_odds(total, n1, n2, odds)
    q2 = _second_of_odds(n1 + n2 - total, n1, n2, 1.0 / odds)
    p1, q1 = p2 * odds / (q2 + p2 * odds), q2 / (q2 + p2 * odds)
    with np.errstate(all="ignore"):
        z = (x1 - n1 * p1) * np.sqrt(1.0 / (n1 * p1 * q1) + 1.0 / (n2 * p2 * q2))
    # Without events (or nothing but events) there is no gap and no variance.
    z = np.where(np.isnan(z), 0.0, z)
    return np.asarray(z / math.sqrt((n1 + n2) / (n1 + n2 - 1.0)) if small_sample else z)


def _second_of_odds(total: Floats | float, n1: float, n2: float, odds: float) -> Floats:
    """p2 of largest likelihood under the odds ratio: the root of a quadratic between 0 and 1, in stable form."""
    a, b = n2 * (odds - 1.0), n1 * odds + n2 - total * (odds - 1.0)
    inside = np.sqrt(np.maximum(b * b + 4.0 * a * total, 0.0))
    with np.errstate(all="ignore"):
        return np.where(b >= 0, 2.0 * total / (b + inside), (inside - b) / (2.0 * a))


def under_difference(
    x1: Floats | float, n1: float, x2: Floats | float, n2: float, delta: float
) -> tuple[Floats, Floats]:
    """The two proportions of largest likelihood with p1 - p2 = delta: the middle root of a cubic.

    With 0 <= x <= n counts need not be whole: expected counts give the planning variance of Farrington &
    Manning. delta lies between -1 and 1.
    """
    n, total = n1 + n2, x1 + x2
    c2 = ((n1 + 2.0 * n2) * delta - n - total) / n
    c1 = ((n2 * delta - n - 2.0 * x2) * delta + total) / n
    c0 = x2 * delta * (1.0 - delta) / n
    q = (c2 / 3.0) ** 3 - c1 * c2 / 6.0 + c0 / 2.0
    size = np.sqrt(np.maximum((c2 / 3.0) ** 2 - c1 / 3.0, 0.0))
    p = np.where(q < 0, -size, size)
    cube = np.where(p == 0, 1.0, p**3)
    angle = (math.pi + np.arccos(np.clip(np.where(p == 0, 0.0, q / cube), -1.0, 1.0))) / 3.0
    p2 = np.clip(2.0 * p * np.cos(angle) - c2 / 3.0, max(0.0, -delta), min(1.0, 1.0 - delta))
    return np.clip(p2 + delta, 0.0, 1.0), p2


def under_ratio(
    x1: Floats | float, n1: float, x2: Floats | float, n2: float, ratio: float
) -> tuple[Floats, Floats]:
    """The two proportions of largest likelihood with p1 / p2 = ratio: the smaller root of a quadratic."""
    b = n1 * ratio + x1 + n2 + x2 * ratio
    inside = np.maximum(b * b - 4.0 * (n1 + n2) * ratio * (x1 + x2), 0.0)
    p2 = np.minimum(2.0 * (x1 + x2) / (b + np.sqrt(inside)), min(1.0, 1.0 / ratio))
    return np.minimum(ratio * p2, 1.0), p2


def difference_limits(
    x1: int, n1: int, x2: int, n2: int, z: float, *, small_sample: bool
) -> tuple[float, float]:
    """The differences at which the score statistic is +z and -z; -1 or 1 where it does not get there."""

    def statistic(delta: float) -> float:
        return float(difference_z(x1, n1, x2, n2, delta, small_sample=small_sample))

    seen, edge = x1 / n1 - x2 / n2, 1.0 - _EDGE
    low, high = (_crossing(statistic, one, (-edge, seen, edge)) for one in (z, -z))
    return max(low, -1.0), min(high, 1.0)


def log_limits(statistic: Callable[[float], float], z: float, seen: float) -> tuple[float, float]:
    """The logarithms of the ratios at which `statistic` (falling) is +z and -z; infinite where it never is.

    seen is the logarithm of the observed ratio, -inf or inf where a count is zero.
    """
    middle = min(max(seen, -_LARGEST_LOG), _LARGEST_LOG)
    ends = (-_LARGEST_LOG, middle, _LARGEST_LOG)
    low = -math.inf if seen == -math.inf else _crossing(statistic, z, ends)
    high = math.inf if seen == math.inf else _crossing(statistic, -z, ends)
    return low, high


def _crossing(statistic: Callable[[float], float], z: float, ends: tuple[float, float, float]) -> float:
    """Where the falling statistic is z; ends are the lowest value, the observed one (z = 0) and the highest.

    Infinite where it does not get there. Raises NOT_ESTIMABLE should it not fall between the ends.
    """

    def gap(value: float) -> float:
        return min(max(statistic(value) - z, -1e300), 1e300)

    lowest, seen, highest = ends
    low, high = (lowest, seen) if z >= 0 else (seen, highest)
    if low == lowest and gap(lowest) <= 0:
        return -math.inf
    if high == highest and gap(highest) >= 0:
        return math.inf
    if abs(gap(seen)) < 1e-12:
        return seen
    if not gap(low) > 0 > gap(high):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="score limit")
    return root(gap, low, high)


def _ratio_of(gap: Floats | float, variance: Floats | float, n: float, small_sample: bool) -> Floats:
    factor = n / (n - 1.0) if small_sample else 1.0
    with np.errstate(all="ignore"):
        z = gap / np.sqrt(np.maximum(variance, 0.0) * factor)
    return np.where(variance > 0, z, np.where(np.abs(gap) < 1e-15, 0.0, np.copysign(np.inf, gap)))
