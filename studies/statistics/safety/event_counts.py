"""Subjects, events and time at risk of many kinds of event at once, by group: one sort, no loop over kinds.

The same counts as `event_table.adverse_event_table` gives line by line, for a hundred thousand events and
thousands of codes. Limits are not made here: a line's counts go to `counts.proportions.proportion` and
`safety.rates.exact_rate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_CODES, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, counts, whole


@dataclass(frozen=True)
class EventCounts:
    """
    subjects    -- (lines, groups): who had the event, each once
    events      -- (lines, groups): all of them
    person_time -- (lines, groups): time at risk until the first event of the line, or its end, in the unit of `time`
    onset       -- the times of first events, sorted by line, group and time; those of one are `onset_of`
    """

    subjects: Ints
    events: Ints
    person_time: Floats
    onset: Floats

    def onset_of(self, line: int, group: int) -> Floats:
        """The times of first events of one line in one group, ascending: (subjects[line, group],)."""
        ends = np.cumsum(self.subjects.ravel())
        place = line * self.subjects.shape[1] + group
        return self.onset[ends[place] - self.subjects[line, group] : ends[place]]


@checked
def event_counts(
    time: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    groups: int,
    event_subject: npt.ArrayLike,
    event_time: npt.ArrayLike,
    line: npt.ArrayLike,
    lines: int,
) -> EventCounts:
    """Counts of every line in every group.

    time (n,) at risk, >= 0; group (n,) 0 ... groups - 1; event_subject (m,) the row of each event's subject,
    event_time (m,) 0 <= event_time <= the subject's time, line (m,) 0 ... lines - 1. An event that belongs to
    several lines has a row for each. m may be 0.
    Raises `CannotEstimate` for bad columns, and `bad_codes` for a row, group, line or time out of its range.
    """
    at_risk = amounts(time, "time")
    groups, lines = whole(groups, "groups", 1), whole(lines, "lines", 1)
    arm = _places(group, "group", len(at_risk), groups)
    size = len(np.atleast_1d(np.asarray(event_subject)))
    who = _places(event_subject, "event_subject", size, len(at_risk)) if size else np.zeros(0, np.intp)
    when = numbers(event_time, "event_time", size) if size else np.zeros(0)
    kind = _places(line, "line", size, lines) if size else np.zeros(0, np.intp)
    if ((when < 0) | (when > at_risk[who])).any():
        raise CannotEstimate(BAD_CODES, variable="event_time")
    order = np.lexsort((when, who, kind))
    who, when, kind = who[order], when[order], kind[order]
    first = np.ones(size, dtype=bool)
    first[1:] = (kind[1:] != kind[:-1]) | (who[1:] != who[:-1])
    cell, shape = kind * groups + arm[who], (lines, groups)
    # Only who had the event stops the clock early: everybody else stays to the end.
    saved = np.bincount(cell[first], (at_risk[who] - when)[first], lines * groups)
    whole_time = np.bincount(arm, at_risk, groups)
    by_time = np.lexsort((when[first], cell[first]))
    return EventCounts(
        subjects=np.bincount(cell[first], minlength=lines * groups).reshape(shape),
        events=np.bincount(cell, minlength=lines * groups).reshape(shape),
        person_time=np.maximum(whole_time[None, :] - saved.reshape(shape), 0.0),
        onset=when[first][by_time],
    )


def _places(values: npt.ArrayLike, name: str, rows: int, end: int) -> Ints:
    found = counts(values, name, rows)
    if (found >= end).any():
        raise CannotEstimate(BAD_CODES, variable=name)
    return found
