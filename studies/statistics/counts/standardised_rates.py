"""Rates compared with, or averaged over, a standard population.

Indirect: observed over expected events (SMR, SIR) with exact limits of the observed count. Direct: the
strata's rates averaged with the standard's weights, with the gamma interval of Fay & Feuer, which holds its
level where strata have few events.

Sources: Breslow & Day (1987, volume II, 2.2-2.3); Fay & Feuer (1997, Stat Med 16:791, equations 4-6); epitools
ageadjust.direct and ageadjust.indirect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt

from studies.reasons import CannotEstimate
from studies.statistics.counts.measure import (
    Measure,
    chosen,
    positive,
    sentence,
    share,
    side,
    z_of,
)
from studies.statistics.counts.rates import NO_EVENTS_BY_WALD, counts_and_times, poisson_test, rate
from studies.statistics.inputs import numbers
from studies.statistics.options import checked


@dataclass(frozen=True)
class StandardisedRatio:
    """Observed over expected events, with limits and the p of a ratio of 1."""

    observed: int
    expected: float
    ratio: Measure


@dataclass(frozen=True)
class StandardisedRate:
    """The directly standardised rate and its variance; crude is the rate without standardisation."""

    events: int
    crude: float
    estimate: float
    variance: float
    lower: float
    upper: float
    per: float
    conf_level: float
    method: str


@checked
def standardised_ratio(
    events: npt.ArrayLike,
    person_time: npt.ArrayLike,
    standard_rates: npt.ArrayLike,
    *,
    method: Literal["garwood", "byar", "mid-p", "log-wald"] = "garwood",
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> StandardisedRatio:
    """The standardised mortality (or incidence) ratio of k strata.

    events, person_time, standard_rates -- (k,), the rates per unit of person_time. Limits are those of the
    observed count over the expected one; "log-wald" is what epitools prints. p is the exact Poisson one.
    Raises `CannotEstimate`: NOT_A_COUNT, OUT_OF_RANGE, LENGTHS_DIFFER, NOT_A_NUMBER, BAD_ARGUMENT, and
    NO_EVENTS_BY_WALD for "log-wald" without events.
    """
    counts, times = counts_and_times(events, person_time)
    standard = numbers(standard_rates, "standard_rates", len(counts))
    if (standard < 0).any():
        positive(float(standard.min()), "standard_rates")
    expected = positive(float(standard @ times), "expected")
    by = chosen(method, ("garwood", "byar", "mid-p", "log-wald"), "method")
    observed, way = int(counts.sum()), side(alternative)
    shown = rate(observed, expected, method=method, conf_level=conf_level, alternative=way)
    ratio = Measure(
        estimate=shown.estimate,
        lower=shown.lower,
        upper=shown.upper,
        p=poisson_test(observed, expected, 1.0, alternative=way).p,
        method=sentence(f"observed over expected events, {by} interval, exact Poisson p", way, conf_level),
        conf_level=conf_level,
        alternative=way,
    )
    return StandardisedRatio(observed, expected, ratio)


@checked
def standardised_rate(
    events: npt.ArrayLike,
    person_time: npt.ArrayLike,
    standard: npt.ArrayLike,
    *,
    method: Literal["gamma", "wald"] = "gamma",
    conf_level: float = 0.95,
    per: float = 1.0,
) -> StandardisedRate:
    """The rate that the standard population would have with these strata's rates, two-sided limits.

    events, person_time, standard -- (k,); `standard` is the size of the standard population in each stratum
    (only its proportions matter). "gamma" is Fay & Feuer's interval; "wald" is rate +- z sd, cut at 0.
    Without events the gamma interval runs from 0; the Wald one raises NO_EVENTS_BY_WALD. Raises
    `CannotEstimate` also: NOT_A_COUNT, OUT_OF_RANGE, LENGTHS_DIFFER, NOT_A_NUMBER, BAD_ARGUMENT.
    """
    counts, times = counts_and_times(events, person_time)
    sizes = numbers(standard, "standard", len(counts))
    if (sizes < 0).any():
        positive(float(sizes.min()), "standard")
    weights = sizes / positive(float(sizes.sum()), "standard") / times
    by, unit = chosen(method, ("gamma", "wald"), "method"), positive(per, "per")
    estimate, variance = float(weights @ counts), float(weights**2 @ counts)
    tail = (1.0 - share(conf_level, "conf_level")) / 2.0
    if by == "wald":
        if estimate == 0.0:
            raise CannotEstimate(NO_EVENTS_BY_WALD)
        half = z_of(tail) * math.sqrt(variance)
        low, high = max(estimate - half, 0.0), estimate + half
    else:
        low, high = _gamma_limits(estimate, variance, float(weights.max()), tail)
    return StandardisedRate(
        events=int(counts.sum()),
        crude=unit * float(counts.sum() / times.sum()),
        estimate=unit * estimate,
        variance=unit**2 * variance,
        lower=unit * low,
        upper=unit * high,
        per=unit,
        conf_level=conf_level,
        method=sentence(f"directly standardised rate, {by} interval", "two-sided", conf_level),
    )


def _gamma_limits(estimate: float, variance: float, largest: float, tail: float) -> tuple[float, float]:
    """Fay & Feuer (1997): gammas with the mean and variance of the rate; above, one event more of the
    heaviest stratum."""
    from scipy.special import gammainccinv, gammaincinv

    low = 0.0
    if estimate > 0.0:
        low = variance / estimate * float(gammaincinv(estimate**2 / variance, tail))
    more, spread = estimate + largest, variance + largest**2
    return low, spread / more * float(gammainccinv(more**2 / spread, tail))
