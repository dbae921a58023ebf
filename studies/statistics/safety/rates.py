"""How often adverse events happen for the time at risk: by person (first event) and by event, exact.

The exposure-adjusted incidence rate counts a subject once and stops the clock at the first event; the
exposure-adjusted event rate counts every event and stops the clock at the end of exposure. Limits are
Garwood's (1936, Biometrika 28:437), so that no event still gives an upper limit: -ln(alpha)/T one-sided,
of which 3/T ("the rule of three") is the rounded form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import follow_up, numbers
from studies.statistics.probability import CI_LEVEL, normal_quantile, poisson_interval, two_sided_p
from studies.statistics.safety.checks import amounts, between, counts, one_of, whole

NO_TIME_AT_RISK = Reason(
    "no_time_at_risk",
    "该组没有暴露时间，无法计算发生率。",
    "This group has no time at risk, so there is no rate.",
)
PER = 100.0


@dataclass(frozen=True)
class ExposureAdjustedRate:
    """Events per `per` units of person-time (100 by default: with years, per 100 person-years).

    `lower`, `upper` are exact two-sided limits; `upper_one_sided` leaves 1 - conf_level above it and is the
    number to quote when there was no event. `robust_lower`, `robust_upper` allow for events that come in
    clusters within a subject; None where they do not apply (first events, or no event).
    """

    n: int
    events: int
    person_time: float
    rate: float
    lower: float
    upper: float
    upper_one_sided: float
    robust_lower: float | None
    robust_upper: float | None
    per: float
    conf_level: float
    method: str


def incidence_rate(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    per: float = PER,
    conf_level: float = CI_LEVEL,
) -> ExposureAdjustedRate:
    """Exposure-adjusted incidence rate: subjects with a first event over person-time up to it.

    time (n,) until the first event or the end of time at risk, event (n,) 0/1, entry (n,) start of time at
    risk (0 where absent). Limits: Garwood. Raises `CannotEstimate` for bad columns and for no time at risk.
    """
    rows = follow_up(time, event, entry=entry)
    at_risk = rows.time if rows.entry is None else rows.time - rows.entry
    return exact_rate(
        int(rows.event.sum()), float(at_risk.sum()), n=len(rows), per=per, conf_level=conf_level
    )


def event_rate(
    events: npt.ArrayLike, time: npt.ArrayLike, *, per: float = PER, conf_level: float = CI_LEVEL
) -> ExposureAdjustedRate:
    """Exposure-adjusted event rate: all events over all person-time.

    events (n,) the number of each subject, time (n,) time at risk. Exact limits take events as independent;
    the robust ones do not: log rate +- z sqrt(sum (y - rate t)^2) / sum y, the sandwich of a Poisson model
    with an intercept and log time as offset (White 1982; `sandwich::vcovHC(type="HC0")`).
    Raises `CannotEstimate` for bad columns and for no time at risk.
    """
    happened = counts(events, "events")
    at_risk = amounts(time, "time", len(happened))
    exact = exact_rate(
        int(happened.sum()), float(at_risk.sum()), n=len(happened), per=per, conf_level=conf_level
    )
    if exact.events == 0:
        return exact
    residual = happened - exact.events / exact.person_time * at_risk
    half = normal_quantile(conf_level) * math.sqrt(float(residual @ residual)) / exact.events
    return ExposureAdjustedRate(
        **{
            **exact.__dict__,
            "robust_lower": exact.rate * math.exp(-half),
            "robust_upper": exact.rate * math.exp(half),
            "method": exact.method + "; robust limits by the sandwich over subjects",
        }
    )


def exact_rate(
    events: int, person_time: float, *, n: int = 0, per: float = PER, conf_level: float = CI_LEVEL
) -> ExposureAdjustedRate:
    """A rate from a count and its person-time (`poisson.test(events, person_time)` in R), Garwood's limits.

    Raises `CannotEstimate` for a person-time of 0 or less, a negative count and a level outside (0, 1).
    """
    events, n = whole(events, "events"), whole(n, "n")
    between(conf_level, "conf_level", 0, 1)
    between(per, "per")
    if not person_time > 0 or not math.isfinite(person_time):
        raise CannotEstimate(NO_TIME_AT_RISK)
    scale = per / person_time
    low, high = poisson_interval(events, conf_level)
    one_sided = poisson_interval(events, 2.0 * conf_level - 1.0)[1] if conf_level > 0.5 else high
    return ExposureAdjustedRate(
        n=n,
        events=events,
        person_time=float(person_time),
        rate=events * scale,
        lower=low * scale,
        upper=high * scale,
        upper_one_sided=one_sided * scale,
        robust_lower=None,
        robust_upper=None,
        per=float(per),
        conf_level=conf_level,
        method=f"events per {per:g} of person-time; exact Poisson limits (Garwood), {conf_level:.0%}",
    )


def rate_difference(
    rate: ExposureAdjustedRate,
    reference: ExposureAdjustedRate,
    *,
    method: str = "mover",
    conf_level: float = CI_LEVEL,
) -> Estimate:
    """rate - reference, per the same person-time.

    "mover" combines the exact limits of the two rates (Zou & Donner 2008, Stat Med 27:1693, equations 3-4):
    it needs no event in either arm. "wald" is +- z sqrt(x1/T1^2 + x0/T0^2) and refuses two empty arms.
    Raises `CannotEstimate` for rates per different person-times and for an unknown method.
    """
    one_of(method, "method", ("mover", "wald"))
    if rate.per != reference.per:
        raise CannotEstimate(BAD_ARGUMENT, argument="per", allowed=f"{rate.per:g}")
    one, two = (
        exact_rate(each.events, each.person_time, per=each.per, conf_level=conf_level)
        for each in (rate, reference)
    )
    value = one.rate - two.rate
    se = math.hypot(
        math.sqrt(one.events) * one.per / one.person_time, math.sqrt(two.events) * two.per / two.person_time
    )
    if method == "mover":
        lower = value - math.hypot(one.rate - one.lower, two.upper - two.rate)
        upper = value + math.hypot(one.upper - one.rate, two.rate - two.lower)
        return Estimate(value, None, lower, upper, None, conf_level)
    if se == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="method", allowed="mover")
    half = normal_quantile(conf_level) * se
    return Estimate(value, se, value - half, value + half, two_sided_p(value / se), conf_level)


def proportion_interval(x: int, n: int, *, method: str = "exact", conf_level: float = CI_LEVEL) -> Estimate:
    """x of n with limits: "exact" is Clopper & Pearson's (`binom.test`), "wilson" the score interval.

    Raises `CannotEstimate` unless 0 <= x <= n and n > 0.
    """
    one_of(method, "method", ("exact", "wilson"))
    between(conf_level, "conf_level", 0, 1)
    n = whole(n, "n", 1)
    x = whole(x, "x", 0, n)
    share = x / n
    if method == "wilson":
        z2 = normal_quantile(conf_level) ** 2
        middle, half = (x + z2 / 2) / (n + z2), math.sqrt(z2 * (x * (n - x) / n + z2 / 4)) / (n + z2)
        return Estimate(share, None, max(0.0, middle - half), min(1.0, middle + half), None, conf_level)
    from scipy.special import betaincinv

    tail = (1.0 - conf_level) / 2.0
    low = float(betaincinv(x, n - x + 1, tail)) if x else 0.0
    high = float(betaincinv(x + 1, n - x, 1.0 - tail)) if x < n else 1.0
    return Estimate(share, None, low, high, None, conf_level)


def proportion_difference(
    x: int, n: int, reference_x: int, reference_n: int, *, conf_level: float = CI_LEVEL
) -> Estimate:
    """x/n - reference_x/reference_n with Newcombe's hybrid score limits (1998, Stat Med 17:873, method 10).

    It needs no event in either arm. Raises `CannotEstimate` for an empty arm.
    """
    one = proportion_interval(x, n, method="wilson", conf_level=conf_level)
    two = proportion_interval(reference_x, reference_n, method="wilson", conf_level=conf_level)
    assert one.lower is not None and one.upper is not None  # noqa: S101 - an interval always has both
    assert two.lower is not None and two.upper is not None  # noqa: S101 - an interval always has both
    value = one.value - two.value
    lower = value - math.hypot(one.value - one.lower, two.upper - two.value)
    upper = value + math.hypot(one.upper - one.value, two.value - two.lower)
    return Estimate(value, None, lower, upper, None, conf_level)


def observed_days(start: npt.ArrayLike, stop: npt.ArrayLike) -> Floats:
    """Days on treatment, the first and the last day both counted: stop - start + 1, (n,).

    Raises `CannotEstimate` where a stop lies before its start.
    """
    begin = numbers(start, "start")
    end = numbers(stop, "stop", len(begin))
    if (end < begin).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="stop", allowed=">= start")
    return np.asarray(end - begin + 1.0)
