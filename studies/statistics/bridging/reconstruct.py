"""Patients read back from a published Kaplan-Meier curve and its numbers at risk.

Source: Guyot, Ades, Ouwens & Welton (2012), BMC Med Res Methodol 12:9. Between two printed numbers at risk the
censorings are unknown; they are spread evenly and their number is changed until the events that the curve's
steps then imply lead to the next printed number. What comes back is good for a curve, a median and a hazard
ratio; it has no covariates and no dates, and it is nobody's record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, NEGATIVE_TIME, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.bridging.arguments import number, whole
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

_ROUNDS = 200

CURVE_RISES = Reason(
    "curve_rises",
    "数字化的生存曲线在某处上升超过允许的读数误差。",
    "The digitised survival curve rises by more than the reading error that was allowed.",
)
RISK_TABLE_RISES = Reason(
    "risk_table_rises",
    "风险人数表不是递减的，或其时间不是递增的。",
    "The numbers at risk do not fall, or their times do not rise.",
)


@dataclass(frozen=True)
class ReconstructedPatients:
    """time (n,), event (n,): as many patients as were at risk at the start, in order of time.

    largest_gap -- the largest distance between the digitised curve and that of these patients;
    at_risk, at_risk_given (r,) -- numbers at risk at the printed times, theirs and the printed ones.
    """

    time: Floats
    event: Bools
    events: int
    largest_gap: float
    risk_time: Floats
    at_risk: Ints
    at_risk_given: Ints
    method: str


@checked
def reconstruct_ipd(
    time: npt.ArrayLike,
    survival: npt.ArrayLike,
    *,
    risk_time: npt.ArrayLike,
    n_at_risk: npt.ArrayLike,
    events: int | None = None,
    reading_error: float = 0.01,
) -> ReconstructedPatients:
    """Times and events that give the published curve.

    time, survival -- (k,) points read off the curve in order of time, one at each step down if possible; a
        point (0, 1) is added. risk_time, n_at_risk -- (r,) the printed table, the first at time 0.
    events -- the printed total of events, if there is one. It settles the censoring after the last printed
        number at risk, which otherwise follows the average rate before it. Events that the curve implies
        before that number stay, so the total may be off by a few where the curve was read roughly.
    reading_error -- how much a digitised curve may rise by mistake before it is refused.

    Raises `CannotEstimate` for NaN, unequal lengths, negative times, survival outside [0, 1], a curve that
    rises, numbers at risk that do not fall, fewer patients than events.
    """
    t, s = _curve(time, survival, reading_error)
    printed_at, printed = _risk_table(risk_time, n_at_risk)
    total = None if events is None else whole(events, "events", 0, float(printed[0]))
    drops, leaves, left = _walk(t, s, printed_at, printed, total)
    event_times = np.repeat(t, drops)
    return _patients(t, s, event_times, leaves, left, printed_at, printed)


def _walk(
    t: Floats, s: Floats, printed_at: Floats, printed: Ints, total: int | None
) -> tuple[Ints, list[Floats], int]:
    """Deaths at each point (k,), censoring times of each interval, patients left after the last point."""
    starts = np.searchsorted(t, printed_at, side="left")
    ends = np.append(starts[1:], len(t))
    drops = np.zeros(len(t), dtype=np.intp)
    leaves: list[Floats] = []
    n, reached = int(printed[0]), 1.0
    for number_of, (first, beyond) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        last = number_of == len(printed) - 1
        end = float(t[-1]) if last else float(printed_at[number_of + 1])
        window = _Window(t[first:beyond], s[first:beyond], float(printed_at[number_of]), end, n, reached)
        if not last:
            gone = _censored_to_match(window, int(printed[number_of + 1]))
        elif total is not None:
            gone = _censored_for_events(window, total - int(drops.sum()))
        else:
            gone = _censored_by_rate(window, leaves, float(printed_at[number_of]))
        deaths, times, n, reached = window.run(gone)
        drops[first:beyond] = deaths
        leaves.append(times)
    return drops, leaves, n


@dataclass(frozen=True)
class _Window:
    """The curve between two printed numbers at risk, and the state in which it is entered."""

    t: Floats
    s: Floats
    start: float
    end: float
    n: int
    reached: float  # the rebuilt curve after the last event so far

    def run(self, censored: int) -> tuple[Ints, Floats, int, float]:
        """Deaths at each point, times of the censored, patients at the end, and the curve there."""
        steps = np.arange(1, censored + 1, dtype=np.float64) / (censored + 1.0)
        times: Floats = self.start + (self.end - self.start) * steps
        gone_before = np.searchsorted(times, self.t, side="left")
        deaths: Ints = np.zeros(len(self.t), dtype=np.intp)
        n, reached, gone, left = self.n, self.reached, 0, 0
        for point, survival in enumerate(self.s.tolist()):
            now = min(int(gone_before[point]) - gone, n)
            n, gone, left = n - now, int(gone_before[point]), left + now
            if n <= 0:
                break
            died = min(n, max(0, round(n * (1.0 - survival / reached)))) if reached > 0 else 0
            deaths[point] = died
            reached, n = reached * (1.0 - died / n), n - died
        last = min(censored - gone, n)
        placed: Floats = times[: left + last]
        return deaths, placed, n - last, reached


def _censored_to_match(window: _Window, wanted: int) -> int:
    """The number of censorings after which `wanted` patients are left, or the nearest that can be reached."""
    guess = max(0, round(window.n * float(window.s[-1]) / window.reached) - wanted) if len(window.s) else 0
    guess = min(guess or max(0, window.n - wanted if not len(window.s) else 0), window.n)
    best, least, tried = guess, abs(window.run(guess)[2] - wanted), {guess}
    for _ in range(_ROUNDS):
        surplus = window.run(guess)[2] - wanted
        if abs(surplus) < least:
            best, least = guess, abs(surplus)
        following = min(max(guess + surplus, 0), window.n)
        if surplus == 0 or following in tried:
            break
        guess = following
        tried.add(guess)
    # Where the search went in a circle, look at the neighbours one by one.
    around = range(max(0, best - 10), min(window.n, best + 10) + 1)
    return min(around, key=lambda one: (abs(window.run(one)[2] - wanted), abs(one - best)))


def _censored_for_events(window: _Window, wanted: int) -> int:
    """The fewest censorings with which no more than `wanted` events happen: more censoring, fewer events."""
    low, high = 0, window.n
    if int(window.run(0)[0].sum()) <= wanted:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if int(window.run(middle)[0].sum()) <= wanted else (middle, high)
    return high


def _censored_by_rate(window: _Window, before: list[Floats], start: float) -> int:
    gone = sum(len(one) for one in before)
    if not gone or start <= 0.0:
        return 0
    return min(window.n, round(gone / start * (window.end - window.start)))


def _curve(time: npt.ArrayLike, survival: npt.ArrayLike, reading_error: float) -> tuple[Floats, Floats]:
    t = numbers(time, "time")
    s = numbers(survival, "survival", len(t))
    slack = number(reading_error, "reading_error", 0.0, 0.2)
    if (t < 0).any():
        raise CannotEstimate(NEGATIVE_TIME, variable="time")
    if (s < 0).any() or (s > 1).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="survival", allowed="[0, 1]")
    if (np.diff(t) < 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="time", allowed="t1 <= t2 <= ...")
    falling = np.minimum.accumulate(s)
    if float((s - falling).max()) > slack:
        raise CannotEstimate(CURVE_RISES)
    # Of several points at one time the lowest counts: the foot of the step.
    keep = np.append(np.diff(t) > 0, True)
    t, falling = t[keep], falling[keep]
    if t[0] > 0:
        t, falling = np.concatenate([[0.0], t]), np.concatenate([[1.0], falling])
    return t, falling


def _risk_table(risk_time: npt.ArrayLike, n_at_risk: npt.ArrayLike) -> tuple[Floats, Ints]:
    at = numbers(risk_time, "risk_time")
    counts = numbers(n_at_risk, "n_at_risk")
    if len(at) != len(counts):
        raise CannotEstimate(LENGTHS_DIFFER, variable="n_at_risk")
    if at[0] != 0.0 or (np.diff(at) <= 0).any() or (np.diff(counts) > 0).any():
        raise CannotEstimate(RISK_TABLE_RISES)
    if (counts != np.floor(counts)).any() or counts[0] < 1 or counts[-1] < 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="n_at_risk", allowed="0, 1, 2, ...")
    return at, counts.astype(np.intp)


def _patients(
    t: Floats,
    s: Floats,
    event_times: Floats,
    leaves: list[Floats],
    left: int,
    printed_at: Floats,
    printed: Ints,
) -> ReconstructedPatients:
    censored = np.concatenate([*leaves, np.full(left, max(float(t[-1]), float(printed_at[-1])))])
    times = np.concatenate([event_times, censored])
    event = np.concatenate([np.ones(len(event_times), bool), np.zeros(len(censored), bool)])
    # Events before censorings at the same time, as a Kaplan-Meier curve takes them.
    order = np.lexsort((~event, times))
    times, event = times[order], event[order]
    at_risk_at = len(times) - np.searchsorted(times, t, side="left")
    died = np.searchsorted(times[event], t, side="right") - np.searchsorted(times[event], t, side="left")
    rebuilt = np.cumprod(1.0 - died / np.maximum(at_risk_at, 1))
    return ReconstructedPatients(
        time=times,
        event=event,
        events=int(event.sum()),
        largest_gap=float(np.abs(rebuilt - s).max()),
        risk_time=printed_at,
        at_risk=(len(times) - np.searchsorted(times, printed_at, side="left")).astype(np.intp),
        at_risk_given=printed,
        method="patients read back from a published curve (Guyot 2012)",
    )
