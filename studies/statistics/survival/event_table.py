"""Who is at risk and who has an event at each distinct time: the table under every curve and test.

A row is at risk on (entry, time]. Times that differ only by rounding are one time (`risk_sets.tied_times`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.statistics import Floats, Ints
from studies.statistics.inputs import FollowUp
from studies.statistics.survival.risk_sets import tied_times


@dataclass(frozen=True)
class EventTable:
    """k distinct times (ascending) and n rows.

    time     -- (k,)
    n_risk   -- (k,) weight of the rows under observation just before each time
    counted  -- (k,) their number; exact, so that "the last of them dies" is never a matter of rounding
    exits    -- (n,) the position of each row's own time
    entries  -- (n,) how many of the distinct times lie at or before the row's entry; 0 without entry
    weights  -- (n,) case weights, 1 where none were given
    """

    time: Floats
    n_risk: Floats
    counted: Floats
    exits: Ints
    entries: Ints
    weights: Floats

    def leaving(self, rows: Floats) -> Floats:
        """(k,) the sum of a row quantity (n,) over the rows that leave at each time."""
        return sums(self.exits, rows, len(self.time))

    @property
    def n_entered(self) -> Floats:
        """(k,) weight of the rows that came under observation between the time before and this one."""
        return sums(self.entries, self.weights, len(self.time) + 1)[: len(self.time)]


def sums(place: Ints, values: npt.ArrayLike, places: int) -> Floats:
    """(places,) the sum of the values at each place."""
    return np.asarray(np.bincount(place, values, minlength=places), dtype=np.float64)


def event_table(rows: FollowUp) -> EventTable:
    """The table of n rows of follow-up. Cost: one sort."""
    until, came = tied_times(rows.time, rows.entry)
    time, exits = np.unique(until, return_inverse=True)
    entries = np.zeros(len(until), dtype=np.intp)
    if came is not None:
        entries = np.searchsorted(time, came, side="right").astype(np.intp)
    ones = np.ones(len(until))
    counted = np.rint(_at_risk(len(time), exits, entries, ones))
    weights = ones if rows.weights is None else rows.weights
    at_risk = counted if rows.weights is None else _at_risk(len(time), exits, entries, weights)
    return EventTable(time, at_risk, counted, exits.astype(np.intp), entries, weights)


def _at_risk(times: int, exits: Ints, entries: Ints, weights: Floats) -> Floats:
    """(k,) the weight of rows that have not left yet, without those that enter later."""
    leaving = sums(exits, weights, times)
    at_risk: Floats = np.cumsum(leaving[::-1])[::-1]
    if entries.any():
        late = sums(entries, weights, times + 1)[1:]
        at_risk = at_risk - np.cumsum(late[::-1])[::-1]
        # Those who leave now are at risk: so much is left of a difference of very unequal weights.
        at_risk = np.maximum(at_risk, leaving)
    return at_risk


def runs_empty(table: EventTable) -> bool:
    """Nobody is left after some time, and others enter later: or all at risk die before the last time."""
    after = table.counted - table.leaving(np.ones(len(table.exits)))
    return bool((after[:-1] <= 0).any())
