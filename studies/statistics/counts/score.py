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

from studies.statistics import Floats
from studies.statistics.counts.measure import root

_EDGE = 1e-12
_LARGEST_LOG = 80.0  # a ratio beyond e^80 is no number that a table of people could give


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
    total = x1 + x2
    a, b = n2 * (odds - 1.0), n1 * odds + n2 - total * (odds - 1.0)
    p2 = 2.0 * total / (b + np.sqrt(b * b + 4.0 * a * total))
    p1 = p2 * odds / (1.0 + p2 * (odds - 1.0))
    information = 1.0 / _inverse(n1 * p1 * (1 - p1), n2 * p2 * (1 - p2))
    return _ratio_of((x1 - n1 * p1) / information, 1.0 / information, n1 + n2, small_sample)


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

    seen = x1 / n1 - x2 / n2
    return _crossing(statistic, z, -1.0 + _EDGE, seen, -1.0), _crossing(statistic, -z, 1.0 - _EDGE, seen, 1.0)


def log_limits(statistic: Callable[[float], float], z: float, seen: float) -> tuple[float, float]:
    """The logarithms of the ratios at which `statistic` (falling) is +z and -z; infinite where it never is.

    seen is the logarithm of the observed ratio, -inf or inf where a count is zero.
    """
    middle = min(max(seen, -_LARGEST_LOG), _LARGEST_LOG)
    low = -math.inf if seen == -math.inf else _crossing(statistic, z, -_LARGEST_LOG, middle, -math.inf)
    high = math.inf if seen == math.inf else _crossing(statistic, -z, _LARGEST_LOG, middle, math.inf)
    return low, high


def _crossing(
    statistic: Callable[[float], float], z: float, far: float, near: float, otherwise: float
) -> float:
    """Where the statistic is z between `near` (where it is about 0) and `far`; `otherwise` if it is not."""
    if far == near or (statistic(far) - z) * math.copysign(1.0, z) <= 0.0:
        return otherwise
    low, high = (far, near) if far < near else (near, far)

    def gap(value: float) -> float:
        return min(max(statistic(value) - z, -1e300), 1e300)

    return root(gap, low, high) if gap(low) * gap(high) < 0 else near


def _ratio_of(gap: Floats | float, variance: Floats | float, n: float, small_sample: bool) -> Floats:
    factor = n / (n - 1.0) if small_sample else 1.0
    with np.errstate(all="ignore"):
        z = gap / np.sqrt(np.maximum(variance, 0.0) * factor)
    return np.where(variance > 0, z, np.where(np.abs(gap) < 1e-15, 0.0, np.copysign(np.inf, gap)))


def _inverse(first: Floats | float, second: Floats | float) -> Floats:
    """1/first + 1/second, infinite where one is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.asarray(first) + 1.0 / np.asarray(second))
