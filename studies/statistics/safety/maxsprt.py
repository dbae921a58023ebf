"""Watching a product from its first patient on: maximised sequential probability ratio tests, exact.

Kulldorff et al. 2011 (Sequential Analysis 30:58): the log-likelihood ratio of the best-fitting relative risk
above 1 is looked at again and again, and a signal is given when it reaches a critical value that keeps the
chance of a false signal, over the whole surveillance, at alpha. Chances are computed by following the
distribution of the count from look to look; there is no simulation and no normal approximation.

Poisson: the count is compared with the number expected (time runs in expected events, up to `limit`).
Binomial: each event fell into the risk or the control time; `matching_ratio` is control over risk time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between, counts, whole

NO_BOUNDARY = Reason(
    "no_boundary",
    "在该监测长度和最少事件数下，任何临界值的误报概率都不可能为正且不超过 alpha。",
    "With this length and minimum number of events no critical value can be reached at this alpha.",
)
LONGEST = 1000.0  # expected events, or events: longer surveillance is another design


@dataclass(frozen=True)
class CriticalValue:
    """Signal when the log-likelihood ratio is >= `cv`. `alpha` is the exact chance of a false signal."""

    cv: float
    alpha: float
    limit: float
    minimum_events: int
    method: str


@dataclass(frozen=True)
class Performance:
    """At a true relative risk: the exact chance of a signal, and when.

    `time_to_signal` is the mean, among surveillances with a signal, and `length` the mean over all, both in
    expected events (Poisson) or events (binomial).
    """

    relative_risk: float
    power: float
    time_to_signal: float | None
    length: float


@dataclass(frozen=True)
class Look:
    """One look at accumulated counts. `relative_risk` is its maximum-likelihood estimate."""

    events: int
    expected: float
    llr: float
    relative_risk: float
    signal: bool


def poisson_llr(events: npt.ArrayLike, expected: npt.ArrayLike) -> Floats:
    """LLR = mu - n + n ln(n/mu) where n > mu, otherwise 0; events, expected (k,).

    Source: Kulldorff et al. 2011, equation 3. Raises `CannotEstimate` for negative counts and mu <= 0.
    """
    n = amounts(events, "events")
    mu = amounts(expected, "expected", len(n), above_zero=True)
    above = n > mu
    return np.where(above, mu - n + n * np.log(np.where(above, n, 1.0) / mu), 0.0)


@checked
def binomial_llr(cases: npt.ArrayLike, events: npt.ArrayLike, *, matching_ratio: float) -> Floats:
    """LLR of `cases` (k,) in the risk time among `events` (k,), against the share 1/(1 + matching_ratio).

    Source: Kulldorff et al. 2011, equation 6. Raises `CannotEstimate` for cases above events.
    """
    c = amounts(cases, "cases")
    n = amounts(events, "events", len(c), above_zero=True)
    if (c > n).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="cases", allowed="<= events")
    share = 1.0 / (1.0 + between(matching_ratio, "matching_ratio"))
    observed = c / n
    rest = np.where(c < n, (n - c) * np.log(np.where(c < n, 1.0 - observed, 1.0) / (1.0 - share)), 0.0)
    gain = c * np.log(np.where(c > 0, observed, share) / share)
    return np.where(observed > share, gain + rest, 0.0)


@checked
def poisson_critical_value(
    limit: float,
    *,
    alpha: float = 0.05,
    minimum_events: int = 1,
    first_look: float = 0.0,
    looks: Sequence[float] | npt.ArrayLike | None = None,
) -> CriticalValue:
    """The smallest critical value whose chance of a false signal is at most alpha.

    limit: expected events at the end; minimum_events: fewer give no signal (M); first_look: expected events
    before the first look (D). looks (g,): the expected events at each of g planned looks (cumulative, the
    last being `limit`) for a group sequential design; None looks continuously. Where looks are discrete, or
    after a late first look, alpha may not be reached exactly: the result tells what is.
    Raises `CannotEstimate` for arguments outside their range and where no signal is possible.
    """
    limit = between(limit, "limit", 0, LONGEST + 1)
    between(alpha, "alpha", 0, 0.5)
    between(first_look, "first_look", 0, limit, closed=True)
    minimum = whole(minimum_events, "minimum_events", 1)
    if looks is not None:
        return _poisson_group_cv(_looks(looks, limit), alpha, minimum)

    def chance(cv: float) -> float:
        return _poisson_continuous(cv, limit, minimum, first_look, 1.0).power

    low, high = 0.0, 1.0
    while chance(high) > alpha:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if chance(middle) > alpha else (low, middle)
        if high - low < 1e-12 * high:
            break
    reached = chance(high)
    if reached <= 0.0 or low == 0.0:
        raise CannotEstimate(NO_BOUNDARY)
    how = f"Poisson MaxSPRT, continuous, up to {limit:g} expected events, at least {minimum} events"
    return CriticalValue(high, reached, limit, minimum, how)


@checked
def poisson_performance(
    limit: float,
    *,
    cv: float,
    relative_risk: float = 1.0,
    minimum_events: int = 1,
    first_look: float = 0.0,
    looks: Sequence[float] | npt.ArrayLike | None = None,
) -> Performance:
    """Power and expected time to a signal at a constant relative risk, exactly; arguments as above.

    relative_risk 1 gives the chance of a false signal. Raises `CannotEstimate` as above.
    """
    limit = between(limit, "limit", 0, LONGEST + 1)
    between(cv, "cv")
    between(relative_risk, "relative_risk")
    between(first_look, "first_look", 0, limit, closed=True)
    minimum = whole(minimum_events, "minimum_events", 1)
    if looks is not None:
        return _poisson_group(cv, _looks(looks, limit), minimum, relative_risk)
    return _poisson_continuous(cv, limit, minimum, first_look, relative_risk)


@checked
def binomial_critical_value(
    limit: int, *, matching_ratio: float, alpha: float = 0.05, minimum_cases: int = 1
) -> CriticalValue:
    """The smallest attainable critical value of the binomial test, looked at after each of `limit` events.

    matching_ratio: control time over risk time; minimum_cases: fewer events in the risk time give no signal.
    Raises `CannotEstimate` for arguments outside their range and where no signal is possible.
    """
    n, minimum = whole(limit, "limit", 1, int(LONGEST)), whole(minimum_cases, "minimum_cases", 1)
    between(alpha, "alpha", 0, 0.5)
    ratio = between(matching_ratio, "matching_ratio")
    table = _binomial_table(n, ratio)
    steps = np.unique(table[table > 0])
    cv = _smallest(steps, lambda one: _binomial(one, table, minimum, ratio, 1.0).power, alpha)
    chance = _binomial(cv, table, minimum, ratio, 1.0).power
    if chance <= 0.0:
        raise CannotEstimate(NO_BOUNDARY)
    how = f"binomial MaxSPRT, up to {n} events, at least {minimum} in the risk time, ratio {ratio:g}"
    return CriticalValue(cv, chance, float(n), minimum, how)


@checked
def binomial_performance(
    limit: int, *, cv: float, matching_ratio: float, relative_risk: float = 1.0, minimum_cases: int = 1
) -> Performance:
    """Power and expected number of events to a signal at a constant relative risk, exactly.

    Raises `CannotEstimate` for arguments outside their range.
    """
    n, minimum = whole(limit, "limit", 1, int(LONGEST)), whole(minimum_cases, "minimum_cases", 1)
    ratio = between(matching_ratio, "matching_ratio")
    between(relative_risk, "relative_risk")
    table = _binomial_table(n, ratio)
    return _binomial(between(cv, "cv"), table, minimum, ratio, relative_risk)


def poisson_looks(
    events: npt.ArrayLike, expected: npt.ArrayLike, boundary: CriticalValue
) -> tuple[Look, ...]:
    """The surveillance so far: cumulative events and expected (g,) at each look, against a critical value.

    Looks after the expected events exceed the boundary's limit are outside the design and refused.
    Raises `CannotEstimate` for counts that fall, and looks beyond the limit.
    """
    n = counts(events, "events").astype(np.float64)
    mu = amounts(expected, "expected", len(n), above_zero=True)
    if (np.diff(n) < 0).any() or (np.diff(mu) < 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="events", allowed="cumulative")
    if mu[-1] > boundary.limit * (1 + 1e-12):
        raise CannotEstimate(BAD_ARGUMENT, argument="expected", allowed=f"<= {boundary.limit:g}")
    return tuple(
        Look(int(one), float(two), float(three), float(one / two), bool(hit))
        for one, two, three, hit in zip(
            n,
            mu,
            poisson_llr(n, mu),
            (poisson_llr(n, mu) >= boundary.cv) & (n >= boundary.minimum_events),
            strict=True,
        )
    )


def _looks(looks: Sequence[float] | npt.ArrayLike, limit: float) -> Floats:
    times = amounts(looks, "looks", above_zero=True)
    if (np.diff(times) <= 0).any() or abs(times[-1] - limit) > 1e-9 * limit:
        raise CannotEstimate(BAD_ARGUMENT, argument="looks", allowed=f"cumulative, up to {limit:g}")
    return times


def _latest_times(cv: float, limit: float) -> Floats:
    """For n = 1, 2, ...: the latest expected number at which n events still are a signal, up to `limit`.

    The ratio falls with mu, so n events signal at any earlier time as well. Solves
    mu - n + n ln(n/mu) = cv, that is x - 1 - ln x = cv/n with x = mu/n < 1, by Lambert's W.
    """
    from scipy.special import lambertw

    n = np.arange(1, int(limit + 5.0 * math.sqrt(2.0 * cv * (limit + 1.0)) + 4.0 * cv) + 10)
    times = -n * lambertw(-np.exp(-1.0 - cv / n)).real
    reached = int(np.searchsorted(times, limit))
    return np.asarray(np.minimum(times[: reached + 1], limit))


def _poisson_weights(mean: float) -> Floats:
    """P(0), P(1), ... of a Poisson distribution, as far as they matter to 1e-17."""
    from scipy.special import gammaln

    if mean <= 0.0:
        return np.ones(1)
    k = np.arange(int(mean + 12.0 * math.sqrt(mean) + 30.0))
    return np.asarray(np.exp(k * math.log(mean) - mean - gammaln(k + 1.0)))


def _poisson_continuous(
    cv: float, limit: float, minimum: int, first_look: float, relative_risk: float
) -> Performance:
    """Between the latest times of n - 1 and of n events, the n-th event is the signal when it comes."""
    from scipy.special import gammainc

    times = _latest_times(cv, limit)
    at_first = len(times) if first_look == 0.0 else int(np.searchsorted(times, first_look)) + 1
    state = np.ones(1)
    now, power, moment = 0.0, 0.0, 0.0
    next_signal = minimum
    if first_look > 0.0:
        state = _poisson_weights(relative_risk * first_look)
        next_signal = max(minimum, at_first)
        power = 1.0 - float(state[:next_signal].sum())
        moment, now, state = power * first_look, first_look, state[:next_signal]
    for n in range(next_signal, len(times) + 1):
        span = times[n - 1] - now
        if span > 0.0:
            wait = n - np.arange(min(n, len(state)))  # events still missing, from each count
            x = relative_risk * span
            alive = state[: len(wait)]
            power += float(alive @ gammainc(wait, x))
            moment += float(alive @ (now * gammainc(wait, x) + wait / relative_risk * gammainc(wait + 1, x)))
            state = np.convolve(state, _poisson_weights(x))[:n]
            now = float(times[n - 1])
    if now < limit and minimum > len(times):  # nothing below the minimum can ever signal
        n = minimum
        wait = n - np.arange(len(state))
        x = relative_risk * (limit - now)
        power += float(state @ gammainc(wait, x))
        moment += float(state @ (now * gammainc(wait, x) + wait / relative_risk * gammainc(wait + 1, x)))
    time = moment / power if power > 0.0 else None
    return Performance(relative_risk, power, time, moment + (1.0 - power) * limit)


def _poisson_group(cv: float, looks: Floats, minimum: int, relative_risk: float) -> Performance:
    state = np.ones(1)
    now, power, moment = 0.0, 0.0, 0.0
    for look in looks:
        state = np.convolve(state, _poisson_weights(relative_risk * (look - now)))
        signals = _signal_from(cv, float(look), minimum)
        stopped = float(state[signals:].sum())
        power, moment = power + stopped, moment + stopped * float(look)
        state, now = state[:signals], float(look)
    time = moment / power if power > 0.0 else None
    return Performance(relative_risk, power, time, moment + (1.0 - power) * float(looks[-1]))


def _signal_from(cv: float, expected: float, minimum: int) -> int:
    """The smallest count that signals at `expected`."""
    n = int(np.floor(expected)) + 1
    tried = np.arange(n, n + int(5.0 * math.sqrt(2.0 * cv * (expected + 1.0)) + 4.0 * cv) + 20)
    ratio = poisson_llr(tried, np.full(len(tried), expected))
    return max(minimum, n + int(np.searchsorted(ratio, cv * (1.0 - 1e-12))))


def _poisson_group_cv(looks: Floats, alpha: float, minimum: int) -> CriticalValue:
    most = looks[-1] + 12.0 * math.sqrt(looks[-1]) + 40.0
    reachable: Ints = np.arange(minimum, int(most) + minimum)
    tried = [poisson_llr(reachable, np.full(len(reachable), look)) for look in looks]
    steps = np.unique(np.concatenate(tried))
    cv = _smallest(steps[steps > 0], lambda one: _poisson_group(one, looks, minimum, 1.0).power, alpha)
    chance = _poisson_group(cv, looks, minimum, 1.0).power
    if chance <= 0.0:
        raise CannotEstimate(NO_BOUNDARY)
    how = (
        f"Poisson MaxSPRT, {len(looks)} looks up to {looks[-1]:g} expected events, at least {minimum} events"
    )
    return CriticalValue(cv, chance, float(looks[-1]), minimum, how)


def _binomial_table(n: int, ratio: float) -> Floats:
    """LLR of c cases among k events, (n + 1, n + 1), 0 where c > k."""
    table = np.zeros((n + 1, n + 1))
    for k in range(1, n + 1):
        table[k, : k + 1] = binomial_llr(np.arange(k + 1), np.full(k + 1, k), matching_ratio=ratio)
    return table


def _binomial(cv: float, table: Floats, minimum: int, ratio: float, relative_risk: float) -> Performance:
    n = len(table) - 1
    share = relative_risk / (relative_risk + ratio)
    state = np.zeros(n + 2)
    state[0] = 1.0
    power, moment = 0.0, 0.0
    for k in range(1, n + 1):
        state[1:] = state[1:] * (1.0 - share) + state[:-1] * share
        state[0] *= 1.0 - share
        hit = table[k] >= cv * (1.0 - 1e-12)
        hit[:minimum] = False
        stopped = float(state[:-1][hit].sum())
        power, moment = power + stopped, moment + k * stopped
        state[:-1][hit] = 0.0
    time = moment / power if power > 0.0 else None
    return Performance(relative_risk, power, time, moment + (1.0 - power) * n)


def _smallest(steps: Floats, chance: Callable[[float], float], alpha: float) -> float:
    """The smallest attainable value whose chance is at most alpha; chances fall along the steps."""
    low, high = 0, len(steps) - 1
    if high < 0:
        raise CannotEstimate(NO_BOUNDARY)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(float(steps[middle])) <= alpha else (middle + 1, high)
    if chance(float(steps[low])) > alpha:
        raise CannotEstimate(NO_BOUNDARY)
    return float(steps[low])
