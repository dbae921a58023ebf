"""The log-rank test of two groups, with the hypergeometric variance (as R's survdiff with rho = 0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.reasons import NO_EVENTS, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.probability import chi_square_p


@dataclass(frozen=True)
class LogRank:
    """`observed` and `expected` are events of the first and the second group."""

    chi_square: float
    p_value: float
    observed: tuple[int, int]
    expected: tuple[float, float]


def log_rank(days: Floats, event: Bools, second: Bools) -> LogRank:
    """Compare the groups that `second` divides. Raises `CannotEstimate` without events or variance."""
    if not event.any():
        raise CannotEstimate(NO_EVENTS)
    times = np.unique(days[event])
    at_risk, at_risk_second = _at_risk(days, times), _at_risk(days[second], times)
    deaths = _deaths(days[event], times)
    observed_second = int((event & second).sum())
    share = at_risk_second / at_risk
    expected_second = float((deaths * share).sum())
    drawn = np.where(at_risk > 1, (at_risk - deaths) / np.maximum(at_risk - 1, 1), 0.0)
    variance = float((deaths * share * (1.0 - share) * drawn).sum())
    if variance <= 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="log-rank")
    chi_square = (observed_second - expected_second) ** 2 / variance
    events = int(event.sum())
    return LogRank(
        chi_square=chi_square,
        p_value=chi_square_p(chi_square, 1),
        observed=(events - observed_second, observed_second),
        expected=(events - expected_second, expected_second),
    )


def _at_risk(days: Floats, times: Floats) -> Floats:
    return (len(days) - np.searchsorted(np.sort(days), times, side="left")).astype(float)


def _deaths(days: Floats, times: Floats) -> Floats:
    return np.bincount(np.searchsorted(times, days), minlength=len(times)).astype(float)
