"""Two rates: their ratio and their difference.

The exact methods condition on the total: the events of the first group are then binomial with the share
ratio * t1 / (ratio * t1 + t2). The approximations beside them are named.

Sources: R's manual of poisson.test; Rothman, Greenland & Lash, Modern Epidemiology (3rd ed., chapter 14, mid-P
and median-unbiased estimates); Miettinen & Nurminen (1985, Stat Med 4:213, score limits for rates); Graham,
Mengersen & Morton (2003, Stat Med 22:2071).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics.counts.measure import (
    Alternative,
    Measure,
    chosen,
    finite,
    finite_or_none,
    kept,
    normal_p,
    positive,
    root,
    sentence,
    side,
    tail_of,
    z_of,
)
from studies.statistics.counts.proportions import binomial_p, limits
from studies.statistics.counts.rates import NO_EVENTS_AT_ALL, NO_EVENTS_BY_WALD, ONE_GROUP, counts_and_times
from studies.statistics.options import checked

RatioMethod = Literal["conditional", "mid-p", "wald", "score"]
DifferenceMethod = Literal["wald", "score"]
_OF_THE_SHARE = {"conditional": "clopper-pearson", "mid-p": "mid-p", "score": "wilson"}

NO_EVENTS_IN_ONE = Reason(
    "no_events_in_one",
    "第 {group} 组没有事件，率比没有有限的正估计值；精确法给出另一侧的界限。",
    "Group {group} has no event, so the ratio has no finite positive estimate; the exact limit stands on one side.",
)


@checked
def rate_ratio(
    events: tuple[int, int],
    person_time: tuple[float, float],
    *,
    method: RatioMethod = "conditional",
    null: float = 1.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Measure:
    """The first rate over the second, with its interval and the p of ratio = `null`.

    method: "conditional" (exact; estimate the quotient of the rates, limits and p from the binomial
    distribution of the first count given the total: R's poisson.test), "mid-p" (its median-unbiased estimate,
    mid-P limits and p), "wald" (log scale, se = sqrt(1/a + 1/b)), "score" (limits by inverting the score test
    with the rates estimated under the ratio in question; Miettinen & Nurminen 1985, Graham et al. 2003).

    With no event in one group the estimate is 0 or None ("conditional", "mid-p", "score"), the limit on that
    side is 0 or None, and `statement` says so; "wald" raises NO_EVENTS_BY_WALD. Raises `CannotEstimate` also:
    NO_EVENTS_AT_ALL, NOT_A_COUNT, OUT_OF_RANGE, BAD_ARGUMENT.
    """
    (a, b), (t1, t2) = _two(events, person_time)
    way, by = side(alternative), chosen(method, ("conditional", "mid-p", "wald", "score"), "method")
    ratio0, tail = positive(null, "null"), tail_of(conf_level, way)
    if a + b == 0:
        raise CannotEstimate(NO_EVENTS_AT_ALL)
    se = None
    if by == "wald":
        if a == 0 or b == 0:
            raise CannotEstimate(NO_EVENTS_BY_WALD)
        se = math.sqrt(1 / a + 1 / b)
        middle = math.log(a / t1) - math.log(b / t2)
        low, high = math.exp(middle - z_of(tail) * se), math.exp(middle + z_of(tail) * se)
        p = normal_p((middle - math.log(ratio0)) / se, way)
        estimate = math.exp(middle)
    else:
        # Given the total, the first count is binomial; all three invert a test of its share.
        share0 = ratio0 * t1 / (ratio0 * t1 + t2)
        ends = limits(np.array([float(a)]), a + b, _OF_THE_SHARE[by], tail)
        low, high = (_odds(float(end[0])) * t2 / t1 for end in ends)
        estimate, p = _odds(_share_estimate(a, a + b, by)) * t2 / t1, _share_p(a, a + b, share0, by, way)
    low, high = kept(low, high, way, 0.0, math.inf)
    said = None if a and b else NO_EVENTS_IN_ONE.about(group="1" if a == 0 else "2")
    return Measure(
        estimate=finite_or_none(estimate),
        lower=low,
        upper=finite_or_none(high),
        p=p,
        method=sentence(f"rate ratio, {by} interval", way, conf_level),
        se=se,
        conf_level=conf_level,
        alternative=way,
        statement=said,
    )


@checked
def rate_difference(
    events: tuple[int, int],
    person_time: tuple[float, float],
    *,
    method: DifferenceMethod = "score",
    null: float = 0.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Measure:
    """The first rate minus the second, with its interval and the p of difference = `null`.

    method: "score" inverts the score test; the variance is taken at the maximum of the likelihood under the
    difference in question (Miettinen & Nurminen 1985, equations 15-17: a quadratic), so zero counts are
    allowed. "wald": se = sqrt(a/t1^2 + b/t2^2), and NO_EVENTS_BY_WALD when both counts are 0.
    Raises `CannotEstimate` also: NOT_A_COUNT, OUT_OF_RANGE, BAD_ARGUMENT.
    """
    (a, b), (t1, t2) = _two(events, person_time)
    way, by = side(alternative), chosen(method, ("score", "wald"), "method")
    tail, observed, zero = tail_of(conf_level, way), a / t1 - b / t2, finite(null, "null")
    se = None
    if by == "wald":
        if a + b == 0:
            raise CannotEstimate(NO_EVENTS_BY_WALD)
        se = math.sqrt(a / t1**2 + b / t2**2)
        low, high = observed - z_of(tail) * se, observed + z_of(tail) * se
        p = normal_p((observed - zero) / se, way)
    else:
        z = z_of(tail)
        scale = (a + b + z * z + 4.0) * (1 / t1 + 1 / t2)
        low = root(lambda d: _difference_z(a, b, t1, t2, d) - z, observed - scale, observed + scale)
        high = root(lambda d: _difference_z(a, b, t1, t2, d) + z, observed - scale, observed + scale)
        p = normal_p(_difference_z(a, b, t1, t2, zero), way)
    low_, high_ = kept(low, high, way, -math.inf, math.inf)
    return Measure(
        estimate=observed,
        lower=finite_or_none(low_),
        upper=finite_or_none(high_),
        p=p,
        method=sentence(f"rate difference, {by} interval", way, conf_level),
        se=se,
        conf_level=conf_level,
        alternative=way,
    )


def _two(
    events: tuple[int, int], person_time: tuple[float, float]
) -> tuple[tuple[int, int], tuple[float, float]]:
    counts, times = counts_and_times(events, person_time)
    if len(counts) != 2:
        raise CannotEstimate(ONE_GROUP)
    return (int(counts[0]), int(counts[1])), (float(times[0]), float(times[1]))


def _share_estimate(a: int, total: int, method: str) -> float:
    """The share a/total; for mid-P the median-unbiased one, where both mid-P tails are one half."""
    if method != "mid-p":
        return a / total
    low, high = limits(np.array([float(a)]), total, "mid-p", 0.5)
    return float(low[0]) if a else float(high[0])


def _share_p(a: int, total: int, share0: float, method: str, alternative: Alternative) -> float:
    if method == "conditional":
        return binomial_p(a, total, share0, alternative)
    if method == "score":
        expected = total * share0
        return normal_p((a - expected) / math.sqrt(expected * (1.0 - share0)), alternative)
    least = binomial_p(a, total, share0, "less")
    most = binomial_p(a, total, share0, "greater")
    # Each tail with half of the probability of the count itself: P(X = a) = least + most - 1.
    itself = (least + most - 1.0) / 2.0
    if alternative != "two-sided":
        return (least if alternative == "less" else most) - itself
    return min(1.0, 2.0 * min(least - itself, most - itself))


def _difference_z(a: int, b: int, t1: float, t2: float, difference: float) -> float:
    """The score statistic of a difference of rates, with the rates of largest likelihood under it."""
    time = t1 + t2
    slope = time * difference - a - b
    # The second rate solves time * r^2 + slope * r - b * difference = 0; neither rate may be negative.
    r2 = (-slope + math.sqrt(max(slope * slope + 4.0 * time * b * difference, 0.0))) / (2.0 * time)
    r2 = max(r2, 0.0, -difference)
    variance = max(r2 + difference, 0.0) / t1 + r2 / t2
    gap = a / t1 - b / t2 - difference
    if variance == 0.0:
        return 0.0 if gap == 0.0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def _odds(of: float) -> float:
    return of / (1.0 - of) if of < 1.0 else math.inf
