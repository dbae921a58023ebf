"""The few distribution functions that the tests and intervals need, in one place so that all use the same."""

from __future__ import annotations

from math import erfc, sqrt
from statistics import NormalDist

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics.options import finite

CI_LEVEL = 0.95


def normal_quantile(level: float = CI_LEVEL) -> float:
    """The z that leaves (1 - level)/2 on either side: 1.959963985 for 0.95.

    Raises `CannotEstimate(BAD_ARGUMENT)` naming conf_level for a level that is not between 0 and 1.
    """
    if not 0.0 < finite(level, "conf_level") < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")
    return NormalDist().inv_cdf(0.5 + level / 2)


def two_sided_p(z: float) -> float:
    """P(|Z| >= |z|). By erfc, so that a tiny p stays a number and does not round to 0."""
    return erfc(abs(z) / sqrt(2.0))


def chi_square_p(chi_square: float, degrees: int) -> float:
    """The upper tail of the chi-square distribution."""
    from scipy.special import gammaincc

    return float(gammaincc(degrees / 2.0, chi_square / 2.0))


def poisson_interval(events: int, level: float = CI_LEVEL) -> tuple[float, float]:
    """Garwood's exact limits for a count: 10 events -> (4.795, 18.39)."""
    from scipy.special import gammaincinv

    tail = (1.0 - level) / 2.0
    low = float(gammaincinv(events, tail)) if events else 0.0
    return low, float(gammaincinv(events + 1, 1.0 - tail))
