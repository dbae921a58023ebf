"""How long, how regularly and at what dose a treatment was really taken, from dispensings.

Persistence is the time until supply has been missing for longer than a permitted gap; its curve is a
Kaplan-Meier curve of (time, event) given here. Adherence is the share of days covered (PDC, at most 1) or
supplied (MPR, may exceed 1) in an observation window (Cramer et al. 2008, Value Health 11:44; Hess et al.
2006, Ann Pharmacother 40:1280). Relative dose intensity is dose per time over planned dose per time (Hryniuk
& Bush 1984, J Clin Oncol 2:1281).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.inputs import labels, numbers
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between

UNOBSERVED_DISPENSING = Reason(
    "unobserved_dispensing",
    "有发药记录晚于该受试者的观察终点。",
    "Some dispensings are dated after the end of their subject's observation.",
)


@dataclass(frozen=True)
class Persistence:
    """One row a subject, in the order of `subjects` (sorted). time (n,) days from the first dispensing until
    supply ended (event) or observation did; event (n,); the units of a Kaplan-Meier curve of persistence.
    """

    subjects: tuple[Hashable, ...]
    time: Floats
    event: Bools
    dispensings: Ints
    method: str


@dataclass(frozen=True)
class Adherence:
    """One row a subject: days of the window, days covered, days supplied, and their shares (n,)."""

    subjects: tuple[Hashable, ...]
    window: Floats
    covered: Floats
    supplied: Floats
    pdc: Floats
    mpr: Floats
    method: str


@dataclass(frozen=True)
class DoseIntensity:
    """One row a subject: actual and planned dose per unit of time, and their ratio (n,); and of all together."""

    actual: Floats
    planned: Floats
    relative: Floats
    overall: float
    method: str


@dataclass(frozen=True)
class _Supply:
    """Dispensings sorted by subject and day; covered from `begin` until `until` (exclusive)."""

    levels: tuple[Hashable, ...]
    subject: Ints
    begin: Floats
    until: Floats
    days: Floats
    first: Ints  # the row of each subject's first dispensing
    end: Floats  # (n,) end of observation, exclusive


@checked
def persistence(
    subject: Sequence[Hashable] | npt.ArrayLike,
    day: npt.ArrayLike,
    days_supply: npt.ArrayLike,
    *,
    observed_until: npt.ArrayLike,
    gap: float,
    carry_over: bool = True,
) -> Persistence:
    """Time to discontinuation: supply ran out and no dispensing followed within `gap` days.

    subject, day, days_supply, observed_until (r,), one row a dispensing; observed_until is the subject's last
    observed day (the same in its rows). carry_over: days left when the next supply comes are added to it.
    Discontinuation is dated when supply ran out; it counts only if `gap` more days were observed, otherwise
    the subject is censored at the end of observation.
    Raises `CannotEstimate` for bad columns, a supply of 0 days, and dispensings after observation.
    """
    supply = _supply(subject, day, days_supply, observed_until, carry_over)
    allowed = between(gap, "gap", closed=True)
    last = np.append(supply.subject[1:] != supply.subject[:-1], True)
    furthest = _running_maximum(supply)
    next_begin = np.append(supply.begin[1:], np.inf)
    next_begin = np.where(last, np.inf, next_begin)
    stops = (next_begin - furthest > allowed) & (furthest + allowed < supply.end[supply.subject])
    stop_at = np.full(len(supply.levels), np.inf)
    np.minimum.at(stop_at, supply.subject[stops], furthest[stops])
    event = np.isfinite(stop_at)
    start = supply.begin[supply.first]
    return Persistence(
        subjects=supply.levels,
        time=np.where(event, stop_at, supply.end) - start,
        event=event,
        dispensings=np.bincount(supply.subject, minlength=len(supply.levels)),
        method=f"discontinuation: no supply for more than {allowed:g} days"
        + (", left-over days carried forward" if carry_over else ", left-over days dropped"),
    )


@checked
def adherence(
    subject: Sequence[Hashable] | npt.ArrayLike,
    day: npt.ArrayLike,
    days_supply: npt.ArrayLike,
    *,
    observed_until: npt.ArrayLike,
    window: float | None = None,
    carry_over: bool = True,
) -> Adherence:
    """PDC and MPR from the first dispensing to the end of observation, or over `window` days if that is less.

    Columns as in `persistence`. PDC counts a day once; MPR counts the days supplied by dispensings inside the
    window, whole. Raises `CannotEstimate` as `persistence` does.
    """
    supply = _supply(subject, day, days_supply, observed_until, carry_over)
    start = supply.begin[supply.first]
    end = supply.end if window is None else np.minimum(supply.end, start + between(window, "window"))
    stop = end[supply.subject]
    before = np.append([-np.inf], _running_maximum(supply)[:-1])
    before[supply.first] = -np.inf
    counted_from = np.minimum(np.maximum(supply.begin, before), stop)
    covered = np.maximum(0.0, np.minimum(supply.until, stop) - counted_from)
    n = len(supply.levels)
    days_covered = np.bincount(supply.subject, covered, n).astype(np.float64)
    inside = np.where(supply.begin < stop, supply.days, 0.0)
    supplied = np.bincount(supply.subject, inside, n).astype(np.float64)
    length = end - start
    return Adherence(
        subjects=supply.levels,
        window=length,
        covered=days_covered,
        supplied=supplied,
        pdc=days_covered / length,
        mpr=supplied / length,
        method="from the first dispensing to the end of observation"
        + ("" if window is None else f", at most {window:g} days")
        + (", left-over days carried forward" if carry_over else ", left-over days dropped"),
    )


def relative_dose_intensity(
    dose: npt.ArrayLike,
    time: npt.ArrayLike,
    *,
    planned_dose: npt.ArrayLike,
    planned_time: npt.ArrayLike,
) -> DoseIntensity:
    """(dose/time) / (planned dose/planned time) of each subject, all (n,); doses in one unit, times in one.

    Delays lengthen the time and lower the intensity as much as reduced doses do. `overall` is the ratio of
    the sums of actual intensity and planned intensity. Raises `CannotEstimate` for times or plans of 0.
    """
    given = amounts(dose, "dose")
    took = amounts(time, "time", len(given), above_zero=True)
    plan = amounts(planned_dose, "planned_dose", len(given), above_zero=True)
    plan_time = amounts(planned_time, "planned_time", len(given), above_zero=True)
    actual, planned = given / took, plan / plan_time
    return DoseIntensity(
        actual, planned, actual / planned, float(actual.sum() / planned.sum()), "relative dose intensity"
    )


def _supply(
    subject: Sequence[Hashable] | npt.ArrayLike,
    day: npt.ArrayLike,
    days_supply: npt.ArrayLike,
    observed_until: npt.ArrayLike,
    carry_over: bool,
) -> _Supply:
    when = numbers(day, "day")
    who = labels(subject, "subject", len(when))
    length = amounts(days_supply, "days_supply", len(when), above_zero=True)
    seen = numbers(observed_until, "observed_until", len(when)) + 1.0
    end = np.full(len(who), -np.inf)
    np.maximum.at(end, who.codes, seen)
    if (end[who.codes] != seen).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="observed_until", allowed="1 / subject")
    if (when >= seen).any():
        raise CannotEstimate(UNOBSERVED_DISPENSING)
    order = np.lexsort((when, who.codes))
    codes, begin, length = who.codes[order], when[order], length[order]
    first = np.searchsorted(codes, np.arange(len(who))).astype(np.intp)
    until = begin + length
    if carry_over:
        # until = max(begin, until before) + length, for all rows at once: shift by the supply given so far
        # within the subject, take the running maximum of the starts, and shift back.
        so_far = np.cumsum(length) - length
        so_far = so_far - so_far[first][codes]
        until = _maximum_within(begin - so_far, codes, first) + so_far + length
    if not np.isfinite(until).all():
        raise CannotEstimate(LENGTHS_DIFFER, variable="days_supply")
    return _Supply(who.levels, codes, begin, until, length, first, end)


def _running_maximum(supply: _Supply) -> Floats:
    return _maximum_within(supply.until, supply.subject, supply.first)


def _maximum_within(values: Floats, codes: Ints, first: Ints) -> Floats:
    """The running maximum, begun anew for each subject, without a loop: subjects are lifted above each other."""
    lowest = float(values.min())
    lift = codes * (float(values.max()) - lowest + 1.0)
    return np.asarray(np.maximum.accumulate(values - lowest + lift) - lift + lowest)
