"""How often adverse events happen for the time at risk: by person (first event) and by event, exact.

The exposure-adjusted incidence rate counts a subject once and stops the clock at the first event; the
exposure-adjusted event rate counts every event and stops the clock at the end of exposure. Limits are
Garwood's (1936, Biometrika 28:437), so that no event still gives an upper limit: -ln(alpha)/T one-sided,
of which 3/T ("the rule of three") is the rounded form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import follow_up, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile, poisson_interval
from studies.statistics.safety.checks import amounts, between, counts, whole

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


@checked
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


@checked
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


@checked
def exact_rate(
    events: int, person_time: float, *, n: int = 0, per: float = PER, conf_level: float = CI_LEVEL
) -> ExposureAdjustedRate:
    """A rate from a count and its person-time (`poisson.test(events, person_time)` in R), Garwood's limits.

    Raises `CannotEstimate` for a person-time of 0 or less, a negative count and a level outside (0, 1).
    """
    events, n = whole(events, "events"), whole(n, "n")
    between(conf_level, "conf_level", 0, 1)
    between(per, "per")
    if not isinstance(person_time, Real) or not 0 < person_time < math.inf:
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


@checked
def rate_difference(
    rate: ExposureAdjustedRate, reference: ExposureAdjustedRate, *, conf_level: float = CI_LEVEL
) -> Estimate:
    """rate - reference, per the same person-time, with limits from the exact limits of the two rates (MOVER).

    Zou & Donner 2008 (Stat Med 27:1693, equations 3-4): conservative, and needs no event in either arm. For
    score and Wald limits see `counts.rate_comparison`. Raises `CannotEstimate` for different units.
    """
    if rate.per != reference.per:
        raise CannotEstimate(BAD_ARGUMENT, argument="per", allowed=f"{rate.per:g}")
    one, two = (
        exact_rate(each.events, each.person_time, per=each.per, conf_level=conf_level)
        for each in (rate, reference)
    )
    value = one.rate - two.rate
    lower = value - math.hypot(one.rate - one.lower, two.upper - two.rate)
    upper = value + math.hypot(one.upper - one.rate, two.rate - two.lower)
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
