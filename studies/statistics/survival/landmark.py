"""Landmark analysis: start the clock at a fixed time, with those still at risk and what is known of them then.

It answers "given that a patient has come this far": comparing responders with others from the landmark on does
not credit them for having lived until the response (immortal time). Sources: Anderson, Cain & Gelber (1983);
van Houwelingen & Putter (2012), ch. 7-8; for competing events Nicolaie et al. (2013).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.inputs import causes, follow_up, labels, numbers
from studies.statistics.options import checked

NOBODY_AT_LANDMARK = Reason(
    "nobody_at_landmark",
    "在界标时间 {landmark} 没有受试者仍处于风险之中。",
    "Nobody is at risk any more at the landmark {landmark}.",
)


@dataclass(frozen=True)
class Landmark:
    """The m of n subjects at risk just after the landmark.

    kept    -- (n,) who they are; rows (m,) their places
    time    -- (m,) follow-up from the landmark on; status (m,) as given (0, 1 or kinds of event)
    excluded_events -- how many had had each kind of event by then: (kind, number), ascending
    excluded_censored, not_yet_entered -- how many had left without, or come under observation only later
    """

    landmark: float
    horizon: float | None
    kept: Bools
    rows: Ints
    time: Floats
    status: Ints
    excluded_events: tuple[tuple[int, int], ...]
    excluded_censored: int
    not_yet_entered: int
    method: str


@checked
def landmark_subjects(
    time: npt.ArrayLike,
    status: npt.ArrayLike,
    landmark: float,
    *,
    entry: npt.ArrayLike | None = None,
    horizon: float | None = None,
) -> Landmark:
    """Select n subjects, one row each: time, status, entry (n,).

    At risk at the landmark L is who has entered by L and left after it (entry <= L < time): an event at L itself
    is past. status is 0/1, or 0, 1, 2, ... with competing events; all of them exclude, and are counted.
    horizon -- later follow-up is cut there (an absolute time): events after it become censored at it.

    Raises `CannotEstimate`: bad input, a negative landmark, a horizon not after it, nobody at risk.
    """
    kinds = causes(status, "status")
    rows = follow_up(time, (kinds > 0).astype(float), entry=entry)
    if not (math.isfinite(landmark) and landmark >= 0):
        raise CannotEstimate(BAD_ARGUMENT, argument="landmark", allowed=">= 0")
    if horizon is not None and not horizon > landmark:
        raise CannotEstimate(BAD_ARGUMENT, argument="horizon", allowed="> landmark")
    gone = rows.time <= landmark
    late = np.zeros(len(rows), dtype=bool) if rows.entry is None else rows.entry > landmark
    kept = ~gone & ~late
    if not kept.any():
        raise CannotEstimate(NOBODY_AT_LANDMARK, landmark=f"{landmark:g}")
    until, after = rows.time[kept], kinds[kept]
    if horizon is not None:
        after = np.where(until > horizon, 0, after)
        until = np.minimum(until, horizon)
    found = np.unique(kinds[kinds > 0]).tolist()
    return Landmark(
        landmark=float(landmark),
        horizon=horizon,
        kept=kept,
        rows=np.flatnonzero(kept),
        time=until - landmark,
        status=after,
        excluded_events=tuple((int(kind), int((gone & (kinds == kind)).sum())) for kind in found),
        excluded_censored=int((gone & (kinds == 0)).sum()),
        not_yet_entered=int(late.sum()),
        method=f"landmark at {landmark:g}" + ("" if horizon is None else f", follow-up cut at {horizon:g}"),
    )


@checked
def known_at(
    subjects: Sequence[Hashable] | npt.ArrayLike,
    id: Sequence[Hashable] | npt.ArrayLike,
    measured: npt.ArrayLike,
    values: npt.ArrayLike,
    landmark: float,
    *,
    max_age: float | None = None,
) -> tuple[Floats, Bools]:
    """The last measurement of each of m `subjects` at or before the landmark: values (m,), known (m,).

    id, measured, values -- (r,) measurements, in any order; two at one time: the later row counts
    max_age -- an older measurement than this does not count
    A subject without one has `known` False (its value is NaN, to be dropped or imputed, with a word on it).

    Raises `CannotEstimate`: bad input, a negative max_age.
    """
    at = numbers(measured, "measured")
    value = numbers(values, "values", len(at))
    if max_age is not None and not max_age >= 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="max_age", allowed=">= 0")
    whose = np.asarray(id)
    asked = np.asarray(subjects)
    if whose.shape != at.shape:
        raise CannotEstimate(LENGTHS_DIFFER, variable="id")
    both = labels(np.concatenate([whose, asked]), "id")
    owner, wanted = both.codes[: len(at)], both.codes[len(at) :]
    oldest = -math.inf if max_age is None else landmark - max_age
    usable = np.flatnonzero((at <= landmark) & (at >= oldest))
    order = usable[np.lexsort((usable, at[usable], owner[usable]))]
    latest = np.full(len(both), -1, dtype=np.intp)
    latest[owner[order]] = order  # the last assignment to a subject stands
    place = latest[wanted]
    known = place >= 0
    return np.where(known, value[place], np.nan), known
