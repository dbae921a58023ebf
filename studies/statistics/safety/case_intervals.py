"""The observation of each case cut into pieces of constant age group and risk window, for `sccs`.

Days are whole and inclusive: a person observed from day 1 to day 10 is observed for 10 days, and a risk
window (0, 14) is the day of exposure and the 14 days after it (Whitaker et al. 2006, Stat Med 25:1768).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.safety.checks import counts

OUTSIDE_OBSERVATION = Reason(
    "outside_observation",
    "有事件发生在该病例的观察期之外。",
    "Some events lie outside the observation of their case.",
)
PRE_EXPOSURE = "pre-exposure"
BASELINE = "baseline"


@dataclass(frozen=True)
class CaseIntervals:
    """Pieces (r,), sorted by case and day: case, first day, length in days, number of events, risk and age.

    `risk` is a position in `risk_names` (0 is the baseline), `age` one in `age_names` (0 is the first group).
    observation_end (m,) and last_event (m,) belong to the m cases; last_event is -inf for a case without one.
    """

    case: Ints
    first_day: Floats
    days: Floats
    events: Ints
    risk: Ints
    age: Ints
    risk_names: tuple[str, ...]
    age_names: tuple[str, ...]
    observation_start: Floats
    observation_end: Floats
    event_case: Ints
    event_day: Floats


@dataclass(frozen=True)
class _Windows:
    """One row for each exposure and window, ordered so that a later row overrules an earlier one."""

    case: Ints
    start: Floats
    stop: Floats  # exclusive
    level: Ints
    turn: Ints  # rows of one turn never share a case


@checked
def case_intervals(
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    *,
    event_case: npt.ArrayLike,
    event_day: npt.ArrayLike,
    exposure_case: npt.ArrayLike,
    exposure_day: npt.ArrayLike,
    risk_windows: Mapping[str, tuple[int, int]],
    pre_exposure: int = 0,
    age_cuts: Sequence[float] = (),
) -> CaseIntervals:
    """Cut the observation [start, end] of m cases at their risk windows and at the ages age_cuts.

    start, end (m,) whole days of age (or of any clock that age effects follow), both observed. event_case,
    event_day (e,) and exposure_case, exposure_day (x,): a case is its position 0..m-1 in start. risk_windows:
    name -> (first, last) day after exposure, inclusive, not overlapping. pre_exposure: that many days before
    each exposure form a window of their own (0: none). age_cuts: first days of the second, third ... group.
    Where windows of two exposures overlap, the later exposure counts; a risk window overrules a pre-exposure
    window.
    Raises `CannotEstimate` for an end before the start, days that are not whole, overlapping windows,
    unknown cases, no events and events outside the observation.
    """
    begin, stop = _whole_days(start, "start"), _whole_days(end, "end")
    if len(begin) != len(stop) or (stop < begin).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="end", allowed=">= start")
    m = len(begin)
    names = _checked_windows(risk_windows, pre_exposure)
    if np.size(event_case) == 0:
        raise CannotEstimate(NO_EVENTS)
    of, day = _case_of(event_case, "event_case", m), _whole_days(event_day, "event_day")
    if len(day) != len(of) or (day < begin[of]).any() or (day > stop[of]).any():
        raise CannotEstimate(OUTSIDE_OBSERVATION)
    if np.size(exposure_case) == 0:
        who, when = np.zeros(0, dtype=np.intp), np.zeros(0)
    else:
        who, when = _case_of(exposure_case, "exposure_case", m), _whole_days(exposure_day, "exposure_day")
    if len(who) != len(when):
        raise CannotEstimate(BAD_ARGUMENT, argument="exposure_day", allowed="exposure_case")
    cuts = np.unique(numbers(age_cuts, "age_cuts")) if len(age_cuts) else np.zeros(0)
    windows = _windows(who, when, risk_windows, pre_exposure, begin, stop + 1.0)
    case, first, last = _pieces(begin, stop + 1.0, windows, cuts)
    groups = ("all ages",) if not len(cuts) else (f"<{cuts[0]:g}", *(f"{a:g}-" for a in cuts))
    return CaseIntervals(
        case=case,
        first_day=first,
        days=last - first,
        events=_events_in(case, first, of, day, begin),
        risk=_level_of(windows, case, first, m),
        age=np.searchsorted(cuts, first, side="right").astype(np.intp),
        risk_names=names,
        age_names=groups,
        observation_start=begin,
        observation_end=stop,
        event_case=of,
        event_day=day,
    )


def _level_of(windows: _Windows, case: Ints, first: Floats, m: int) -> Ints:
    """(k,) the window in which each piece begins, 0 for none; windows of a later turn overrule earlier ones."""
    risk = np.zeros(len(case), dtype=np.intp)
    for turn in np.unique(windows.turn):
        mine = windows.turn == turn
        low, high, level = np.full(m, np.inf), np.full(m, -np.inf), np.zeros(m, dtype=np.intp)
        low[windows.case[mine]], high[windows.case[mine]] = windows.start[mine], windows.stop[mine]
        level[windows.case[mine]] = windows.level[mine]
        inside = (first >= low[case]) & (first < high[case])
        risk[inside] = level[case[inside]]
    return risk


def _checked_windows(risk_windows: Mapping[str, tuple[int, int]], pre_exposure: int) -> tuple[str, ...]:
    if not isinstance(risk_windows, Mapping) or not risk_windows:
        raise CannotEstimate(BAD_ARGUMENT, argument="risk_windows", allowed="{name: (first, last)}")
    before = -1
    for first, last in sorted(risk_windows.values()):
        if first <= before or last < first:
            raise CannotEstimate(
                BAD_ARGUMENT, argument="risk_windows", allowed="0 <= first <= last, no overlap"
            )
        before = last
    if pre_exposure < 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="pre_exposure", allowed=">= 0")
    return (BASELINE, *risk_windows, *((PRE_EXPOSURE,) if pre_exposure else ()))


def _windows(
    who: Ints,
    when: Floats,
    risk_windows: Mapping[str, tuple[int, int]],
    pre_exposure: int,
    begin: Floats,
    stop: Floats,
) -> _Windows:
    """Turns: the pre-exposure windows first, then the risk windows, each in the order of exposures."""
    order = np.lexsort((when, who))
    who, when = who[order], when[order]
    if len(who) == 0:
        empty = np.zeros(0, dtype=np.intp)
        return _Windows(empty, np.zeros(0), np.zeros(0), empty, empty)
    new = np.concatenate([[True], who[1:] != who[:-1]])
    rank = np.arange(len(who)) - np.maximum.accumulate(np.where(new, np.arange(len(who)), 0))
    most = int(rank.max()) + 1
    spans = []
    if pre_exposure:
        spans.append((-pre_exposure, 0, len(risk_windows) + 1, 0))
    spans += [(a, b + 1, number, 1) for number, (a, b) in enumerate(risk_windows.values(), start=1)]
    k = len(who)
    turns = [
        np.full(k, pass_ * most * len(spans)) + rank * len(spans) + number
        for number, (_, _, _, pass_) in enumerate(spans)
    ]
    low = np.concatenate([when + a for a, _, _, _ in spans])
    high = np.concatenate([when + b for _, b, _, _ in spans])
    case = np.tile(who, len(spans))
    level = np.repeat([number for _, _, number, _ in spans], k)
    low, high = np.maximum(low, begin[case]), np.minimum(high, stop[case])
    kept = low < high
    return _Windows(
        case[kept],
        low[kept],
        high[kept],
        level[kept].astype(np.intp),
        np.concatenate(turns)[kept].astype(np.intp),
    )


def _pieces(begin: Floats, stop: Floats, windows: _Windows, cuts: Floats) -> tuple[Ints, Floats, Floats]:
    """(case, first day, day after the last) of the pieces between neighbouring cut points of a case."""
    m = len(begin)
    own = np.arange(m)
    inside = (cuts[None, :] > begin[:, None]) & (cuts[None, :] < stop[:, None])
    row, column = np.nonzero(inside)
    case = np.concatenate([own, own, windows.case, windows.case, row])
    point = np.concatenate([begin, stop, windows.start, windows.stop, cuts[column]])
    order = np.lexsort((point, case))
    case, point = case[order], point[order]
    next_is_piece = (case[1:] == case[:-1]) & (point[1:] > point[:-1])
    at = np.flatnonzero(next_is_piece)
    return case[at], point[at], point[at + 1]


def _events_in(case: Ints, first: Floats, of: Ints, day: Floats, begin: Floats) -> Ints:
    """The number of events in each piece: the last piece of the case that begins at or before the day."""
    span = float(max((first - begin[case]).max(), (day - begin[of]).max()) + 2.0)
    piece = np.searchsorted(case * span + first - begin[case], of * span + day - begin[of], side="right") - 1
    return np.bincount(piece, minlength=len(case)).astype(np.intp)


def _whole_days(values: npt.ArrayLike, name: str) -> Floats:
    column = numbers(values, name)
    if (column != np.floor(column)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="..., -1, 0, 1, ...")
    return column


def _case_of(values: npt.ArrayLike, name: str, cases: int) -> Ints:
    column = counts(values, name)
    if (column >= cases).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed=f"0 ... {cases - 1}")
    return column
