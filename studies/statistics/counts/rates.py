"""Events per person-time: a rate with its interval, person-years by group, and whether rates differ.

With few events Garwood's exact limits come first; the approximations beside them are named. Two rates are
compared in `rate_comparison`, standardised ones are in `standardised_rates`.

Sources: Garwood (1936); Byar's limits as in Rothman & Boice (1979); mid-P as in Cohen & Yang (1994, Stat Med
13:2189); R's manuals of poisson.test and survival::pyears; Breslow & Day (1987, volume II, 3.3-3.5).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.counts.measure import (
    Alternative,
    Measure,
    chosen,
    first_true,
    kept,
    positive,
    root,
    sentence,
    side,
    tail_of,
    whole,
    z_of,
)
from studies.statistics.counts.proportions import R_RELATIVE_ERROR
from studies.statistics.inputs import labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import chi_square_p

RateMethod = Literal["garwood", "byar", "byar-mid", "mid-p", "wald", "log-wald"]

NO_EVENTS_AT_ALL = Reason(
    "no_events_at_all",
    "两组都没有事件，率比没有信息。",
    "Neither group has an event: the data say nothing about the ratio of the rates.",
)
NO_EVENTS_BY_WALD = Reason(
    "no_events_by_wald",
    "事件数为 0，该近似法不适用，请改用精确法。",
    "Without events this approximation does not exist; use an exact method.",
)
ONE_GROUP = Reason(
    "one_group", "只有一个组，无法比较。", "There is only one group: there is nothing to compare."
)


@dataclass(frozen=True)
class Rate:
    """`events` in `person_time`; rate and limits are per `per` units of it. upper None: open (one-sided)."""

    events: int
    person_time: float
    estimate: float
    lower: float
    upper: float | None
    per: float
    conf_level: float
    alternative: Alternative
    method: str


@dataclass(frozen=True)
class PersonYears:
    """Per group, in the order of `groups`: subjects (or rows), events, person-time and the rate with limits."""

    groups: tuple[Hashable, ...]
    n: tuple[int, ...]
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class Heterogeneity:
    """Are k rates the same? chisq on df = k - 1, and the method."""

    chisq: float
    df: int
    p: float
    method: str


@checked
def rate(
    events: int,
    person_time: float,
    *,
    method: RateMethod = "garwood",
    conf_level: float = 0.95,
    alternative: str = "two-sided",
    per: float = 1.0,
) -> Rate:
    """A rate with its interval, per `per` units of person-time (per=100 for "per 100 person-years").

    events >= 0, person_time > 0. method: "garwood" (exact, gamma quantiles; R's poisson.test), "byar" (the
    cube-root approximation to Garwood, lower 0 for no events), "byar-mid" (the same from events + 1/2 on both
    sides, close to mid-P: epitools' pois.byar), "mid-p", "wald" (rate +- z sqrt(events)/time,
    cut at 0), "log-wald". alternative as in `proportion`: "greater" leaves the upper side open (None).

    Raises `CannotEstimate`: NOT_A_COUNT, OUT_OF_RANGE, BAD_ARGUMENT; NO_EVENTS_BY_WALD for the two Wald
    methods without events.
    """
    x, time, unit = whole(events, "events"), positive(person_time, "person_time"), positive(per, "per")
    way = side(alternative)
    by = chosen(method, ("garwood", "byar", "byar-mid", "mid-p", "wald", "log-wald"), "method")
    low, high = kept(*_count_limits(x, by, tail_of(conf_level, way)), way, 0.0, math.inf)
    return Rate(
        events=x,
        person_time=time,
        estimate=unit * x / time,
        lower=unit * low / time,
        upper=unit * high / time if math.isfinite(high) else None,
        per=unit,
        conf_level=conf_level,
        alternative=way,
        method=sentence(f"rate, {by} interval", way, conf_level),
    )


@checked
def poisson_test(
    events: int, person_time: float, rate0: float, *, alternative: str = "two-sided", conf_level: float = 0.95
) -> Measure:
    """The exact Poisson test of the rate `rate0` with Garwood's limits: R's poisson.test(x, T, r).

    Two-sided, all outcomes no more likely than the one seen count (within a relative 1e-7). rate0 >= 0;
    the cost grows with the logarithm of the counts. Raises `CannotEstimate`: NOT_A_COUNT, OUT_OF_RANGE.
    """
    shown = rate(events, person_time, conf_level=conf_level, alternative=alternative)
    mean = 0.0 if rate0 == 0 else positive(rate0, "rate0") * shown.person_time
    return Measure(
        estimate=shown.estimate,
        lower=shown.lower,
        upper=shown.upper,
        p=_poisson_p(shown.events, mean, shown.alternative),
        method=sentence("exact Poisson test, Garwood limits", shown.alternative, conf_level),
        conf_level=conf_level,
        alternative=shown.alternative,
    )


@checked
def rate_heterogeneity(
    events: npt.ArrayLike,
    person_time: npt.ArrayLike,
    *,
    method: Literal["likelihood-ratio", "pearson"] = "likelihood-ratio",
) -> Heterogeneity:
    """Do k groups share one rate? Likelihood ratio (R: anova of the Poisson glm) or Pearson chi-square.

    events (k,) whole numbers, person_time (k,) above 0. Raises `CannotEstimate`: ONE_GROUP, NO_EVENTS_AT_ALL,
    NOT_A_COUNT, OUT_OF_RANGE, LENGTHS_DIFFER, BAD_ARGUMENT.
    """
    by = chosen(method, ("likelihood-ratio", "pearson"), "method")
    counts, times = counts_and_times(events, person_time)
    if len(counts) < 2:
        raise CannotEstimate(ONE_GROUP)
    if counts.sum() == 0:
        raise CannotEstimate(NO_EVENTS_AT_ALL)
    expected = counts.sum() * times / times.sum()
    if by == "pearson":
        chisq = float(((counts - expected) ** 2 / expected).sum())
    else:
        happened = counts > 0
        chisq = 2.0 * float((counts[happened] * np.log(counts[happened] / expected[happened])).sum())
    chisq, df = max(chisq, 0.0), len(counts) - 1
    return Heterogeneity(chisq, df, chi_square_p(chisq, df), f"homogeneity of rates, {by} chi-square")


@checked
def person_years(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    group: Sequence[Hashable] | npt.ArrayLike | None = None,
    entry: npt.ArrayLike | None = None,
    scale: float = 1.0,
    per: float = 1.0,
    method: RateMethod = "garwood",
    conf_level: float = 0.95,
) -> PersonYears:
    """Events, person-time and rate by group: R's pyears(Surv(time, event) ~ group, scale=).

    time, event (n,); entry (n,) for rows that come in late. scale=365.25 turns days into years (R's default),
    per=100 gives rates per 100 years. Time 0 adds nothing and is allowed. Raises `CannotEstimate`: as
    `studies.statistics.inputs.follow_up`, and OUT_OF_RANGE for a group without any time.
    """
    from studies.statistics.inputs import follow_up

    rows = follow_up(time, event, entry=entry)
    at_risk = rows.time if rows.entry is None else rows.time - rows.entry
    groups = labels(["all"] * len(rows) if group is None else group, "group", len(rows))
    k, unit = len(groups), positive(scale, "scale")
    n = np.bincount(groups.codes, minlength=k)
    counts = np.bincount(groups.codes, weights=rows.event, minlength=k)
    years = np.bincount(groups.codes, weights=at_risk, minlength=k) / unit
    rates = tuple(
        rate(int(x), float(t), method=method, conf_level=conf_level, per=per)
        for x, t in zip(counts, years, strict=True)
    )
    return PersonYears(groups.levels, tuple(int(one) for one in n), rates)


def counts_and_times(events: npt.ArrayLike, person_time: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Columns of counts and positive times (k,). Raises NOT_A_COUNT, OUT_OF_RANGE, LENGTHS_DIFFER."""
    counts = numbers(events, "events")
    times = numbers(person_time, "person_time", len(counts))
    for one in (counts.min(), *counts[counts != np.floor(counts)][:1]):
        whole(float(one), "events")
    positive(float(times.min()), "person_time")
    return counts, times


def _count_limits(x: int, method: str, tail: float) -> tuple[float, float]:
    """Limits of the expected count."""
    from scipy.special import gammainccinv, gammaincinv

    z = z_of(tail)
    if method == "garwood":
        return (float(gammaincinv(x, tail)) if x else 0.0), float(gammainccinv(x + 1, tail))
    if method == "byar":
        low = x * (1 - 1 / (9 * x) - z / (3 * math.sqrt(x))) ** 3 if x else 0.0
        more = x + 1
        return max(low, 0.0), more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3
    if method == "byar-mid":
        half, width = x + 0.5, z / (3 * math.sqrt(x + 0.5))
        low = half * (1 - 1 / (9 * half) - width) ** 3
        high = half * (1 - 1 / (9 * half) + width) ** 3
        return max(low, 0.0), high
    if method == "mid-p":
        top = float(gammainccinv(x + 1, min(tail, 1.0 - tail) / 2)) + 1.0
        high = root(lambda mean: _poisson_mid(x, mean) - tail, 0.0, top)
        low = root(lambda mean: 1.0 - _poisson_mid(x, mean) - tail, 0.0, top) if x else 0.0
        return low, high
    if x == 0:
        raise CannotEstimate(NO_EVENTS_BY_WALD)
    if method == "wald":
        return max(x - z * math.sqrt(x), 0.0), x + z * math.sqrt(x)
    return x * math.exp(-z / math.sqrt(x)), x * math.exp(z / math.sqrt(x))


def _poisson_mid(x: int, mean: float) -> float:
    """P(X < x) + P(X = x)/2."""
    from scipy.special import pdtr

    below = float(pdtr(x - 1, mean)) if x else 0.0
    return (below + float(pdtr(x, mean))) / 2.0


def _poisson_p(x: int, mean: float, alternative: Alternative) -> float:
    from scipy.special import pdtr, pdtrc
    from scipy.stats import poisson

    def up_to(k: int) -> float:
        return float(pdtr(k, mean)) if k >= 0 else 0.0

    def above(k: int) -> float:
        return float(pdtrc(k, mean)) if k >= 0 else 1.0

    if alternative != "two-sided":
        return up_to(x) if alternative == "less" else above(x - 1)
    if mean == 0.0 or x == mean:
        return float(x == mean)
    seen = float(poisson.pmf(x, mean)) * R_RELATIVE_ERROR
    if x > mean:
        # The counts below the mean that are no more likely than x are 0 ... k.
        return up_to(first_true(0, math.floor(mean) + 1, lambda k: poisson.pmf(k, mean) > seen) - 1) + above(
            x - 1
        )
    far = max(2 * math.ceil(mean), 1)
    while poisson.pmf(far, mean) > seen:
        far *= 2
    return up_to(x) + above(first_true(math.ceil(mean), far, lambda k: poisson.pmf(k, mean) <= seen) - 1)
