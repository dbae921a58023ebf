"""Who is at risk when: the geometry of follow-up, worked out once and free of weights and covariates.

Every sum of survival analysis is one of three: over the people at risk at an event time, over the people
who have their event then, and, for one person, over the event times at which that person is at risk. All
three come from group sums over the distinct event times and one cumulative sum; nothing loops over rows or
times. Strata lie side by side in one structure, so that ten thousand strata of two cost no more than one
of twenty thousand, and each has its own cumulative sum: no rounding error crosses from one to the next.

A row is at risk at t where entry < t <= time. Source: Therneau & Grambsch, Modeling Survival Data (2000), 3.7.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.reasons import ENTRY_AFTER_EXIT, NO_EVENTS, CannotEstimate
from studies.statistics import Bools, Floats, Ints

TIME_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True)
class RiskSets:
    """n rows, k event times (distinct within their stratum), m events.

    times, stratum_of_time, deaths -- (k,) stratum by stratum, ascending in time
    stratum       -- (n,) the number of each row's stratum
    first, last   -- (n,) a row is at risk at the event times first, ..., last - 1
    dead          -- (m,) the rows with an event; time_of_dead (m,) at which event time
    levels        -- the labels of the strata, sorted; (None,) without strata
    """

    rows: int
    times: Floats
    stratum_of_time: Ints
    deaths: Ints
    stratum: Ints
    first: Ints
    last: Ints
    dead: Ints
    time_of_dead: Ints
    levels: tuple[Hashable, ...]
    _layout: _Layout
    _exit_cell: Ints
    _entry_cell: Ints | None

    def at_risk(self, values: Floats) -> Floats:
        """Sums over the people at risk at each event time. values (..., n) -> (..., k)."""
        if values.ndim == 1:
            sums = self._layout.backwards(self._grouped(self._exit_cell, values))
            if self._entry_cell is not None:
                sums = sums - self._layout.backwards(self._grouped(self._entry_cell, values))
            return sums
        return (
            np.stack([self.at_risk(row) for row in values]) if len(values) else np.empty((0, len(self.times)))
        )

    def of_dead(self, values: Floats) -> Floats:
        """Sums over the people with an event at each event time. values (..., m) -> (..., k)."""
        if values.ndim == 1:
            return sums_by(self.time_of_dead, values, len(self.times))
        return (
            np.stack([self.of_dead(row) for row in values]) if len(values) else np.empty((0, len(self.times)))
        )

    def while_at_risk(self, by_time: Floats) -> Floats:
        """For each row the sum over the event times at which it is at risk. by_time (..., k) -> (..., n)."""
        cumulated = self._layout.forwards(by_time)
        sums: Floats = np.take(cumulated, self._exit_cell, axis=-1)
        if self._entry_cell is not None:
            sums -= np.take(cumulated, self._entry_cell, axis=-1)
        return sums

    def grouped_by_entry(self, values: Floats) -> Floats:
        """Sums by the event time at which a late row is not yet at risk. values (..., n) -> (..., cells)."""
        cell = self._entry_cell
        if cell is None:
            return np.zeros((*values.shape[:-1], self._layout.cells))
        return sums_by(cell, values, self._layout.cells + 1)[..., :-1]

    def _grouped(self, cell: Ints, values: Floats) -> Floats:
        # The last cell holds the rows that are at risk at no event time, and is dropped.
        return sums_by(cell, values, self._layout.cells + 1)[:-1]


@dataclass(frozen=True)
class SortedRows:
    """Rows put in the order of their last event time at risk, those with an event then first: `order` (n,).

    Rows that belong together lie together, so that the sums by event time of those at risk and of those with an event
    are one pass through memory. `sets` are the risk sets of the rows in that order.
    """

    order: Ints
    sets: RiskSets
    # Runs of rows with one last event time and one kind: where each starts, which one holds the events of each
    # event time, which ones hold the other rows, and in which cell those belong.
    _starts: Ints
    _dead_runs: Ints
    _other_runs: Ints
    _other_cells: Ints

    def sums(self, values: Floats) -> tuple[Floats, Floats]:
        """values (..., n) in sorted order -> sums over those at risk, and over those with an event, each (..., k)."""
        layout = self.sets._layout
        by_run = _run_sums(values, self._starts)
        dead = np.take(by_run, self._dead_runs, axis=-1)
        by_cell = np.zeros((*values.shape[:-1], layout.cells + 1))
        by_cell[..., self._other_cells] = np.take(by_run, self._other_runs, axis=-1)
        by_cell[..., layout.cell_of_time] += dead
        at_risk = layout.backwards(by_cell[..., :-1])
        if self.sets._entry_cell is not None:
            at_risk = at_risk - layout.backwards(self.sets.grouped_by_entry(values))
        return at_risk, dead

    def back(self, values: Floats) -> Floats:
        """values (..., n) in sorted order -> in the order of the data."""
        out = np.empty_like(values)
        out[..., self.order] = values
        return out


def sorted_rows(sets: RiskSets) -> SortedRows:
    """The rows of `sets` in an order in which sums are quick."""
    cells = sets._layout.cells
    key = 2 * sets._exit_cell + 1
    key[sets.dead] -= 1
    # Sixteen bits are sorted by counting, in a tenth of the time.
    few = 2 * cells + 2 < 2**16
    order = np.argsort(key.astype(np.uint16), kind="stable") if few else np.argsort(key)
    key = key[order]
    dead = np.flatnonzero((key % 2 == 0) & (key < 2 * cells))
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    of_run = key[starts]
    run_of_key = np.zeros(2 * cells + 2, dtype=np.intp)
    run_of_key[of_run] = np.arange(len(starts))
    other = np.flatnonzero(of_run % 2 == 1)
    last = sets.last[order]
    moved = replace(
        sets,
        stratum=sets.stratum[order],
        first=sets.first[order],
        last=last,
        dead=dead,
        time_of_dead=last[dead] - 1,
        _exit_cell=sets._exit_cell[order],
        _entry_cell=None if sets._entry_cell is None else sets._entry_cell[order],
    )
    dead_runs = run_of_key[2 * sets._layout.cell_of_time]
    return SortedRows(order, moved, starts, dead_runs, other, of_run[other] // 2)


def _run_sums(values: Floats, starts: Ints) -> Floats:
    """Sums over runs, (..., n) -> (..., runs); short runs are quicker counted one by one."""
    n = values.shape[-1]
    if 8 * len(starts) < n:
        return np.asarray(np.add.reduceat(values, starts, axis=-1))
    run = np.zeros(n, dtype=np.intp)
    run[starts[1:]] = 1
    return sums_by(np.cumsum(run), values, len(starts))


@dataclass(frozen=True)
class _Layout:
    """The event times of each stratum as a line of a rectangle, so that a cumulative sum is one call.

    Strata of like size (up to the next power of two) share a rectangle: `blocks` are (start, stop, width).
    """

    cells: int
    cell_of_time: Ints
    blocks: tuple[tuple[int, int, int], ...]

    @property
    def plain(self) -> bool:
        """One stratum: a cell is an event time."""
        return len(self.blocks) == 1 and self.blocks[0][2] == len(self.cell_of_time)

    def backwards(self, by_cell: Floats) -> Floats:
        """Sums over a time and all later ones of its stratum. (..., cells) -> (..., k)."""
        lead = by_cell.shape[:-1]
        parts = [
            by_cell[..., start:stop]
            .reshape(*lead, -1, width)[..., ::-1]
            .cumsum(axis=-1)[..., ::-1]
            .reshape(*lead, -1)
            for start, stop, width in self.blocks
        ]
        together: Floats = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        return together if self.plain else np.take(together, self.cell_of_time, axis=-1)

    def forwards(self, by_time: Floats) -> Floats:
        """Sums over a time and all earlier ones of its stratum. (..., k) -> (..., cells + 1); the last is 0."""
        spread = np.zeros((*by_time.shape[:-1], self.cells + 1))
        spread[..., self.cell_of_time] = by_time
        for start, stop, width in self.blocks:
            block = spread[..., start:stop].reshape(*by_time.shape[:-1], -1, width)
            spread[..., start:stop] = block.cumsum(axis=-1).reshape(*by_time.shape[:-1], -1)
        return spread


def sums_by(codes: Ints, values: Floats, groups: int) -> Floats:
    """Sums over groups: codes (n,) from 0, values (..., n) -> (..., groups)."""
    if values.ndim == 1:
        return np.asarray(np.bincount(codes, weights=values, minlength=groups), dtype=np.float64)
    return np.stack([sums_by(codes, row, groups) for row in values])


def risk_sets(
    time: Floats,
    event: Bools,
    *,
    entry: Floats | None = None,
    stratum: Ints | None = None,
    levels: tuple[Hashable, ...] = (None,),
) -> RiskSets:
    """The risk sets of checked columns (n,) (studies.statistics.inputs); `stratum` counts from 0.

    Raises `CannotEstimate(NO_EVENTS)` where nobody has an event.
    """
    if not event.any():
        raise CannotEstimate(NO_EVENTS)
    code = np.zeros(len(time), dtype=np.intp) if stratum is None else stratum
    dead = np.flatnonzero(event)
    distinct = np.unique(time[dead])
    # A stratum and a number of event times passed, in one integer: pairs are compared exactly, without
    # adding an offset to times.
    step = len(distinct) + 1
    base = code * step
    passed = base + _passed(distinct, time)
    keys = np.unique(passed[dead])
    last = _passed(keys, passed)
    start_of_row = _passed(keys, base) if stratum is not None else np.zeros_like(last)
    first = start_of_row if entry is None else _passed(keys, base + _passed(distinct, entry))
    stratum_of_time = keys // step
    time_of_dead = last[dead] - 1
    layout = _layout(stratum_of_time)
    never = last <= first
    cell_after = np.append(layout.cell_of_time, layout.cells)
    exit_cell = np.where(never, layout.cells, cell_after[last - 1])
    entry_cell = None
    if entry is not None:
        late = ~never & (first > start_of_row)
        entry_cell = np.where(late, cell_after[first - 1], layout.cells) if late.any() else None
    return RiskSets(
        rows=len(time),
        times=distinct[keys % step - 1],
        stratum_of_time=stratum_of_time,
        deaths=np.bincount(time_of_dead, minlength=len(keys)),
        stratum=code,
        first=first,
        last=last,
        dead=dead,
        time_of_dead=time_of_dead,
        levels=levels,
        _layout=layout,
        _exit_cell=exit_cell,
        _entry_cell=entry_cell,
    )


def tied_times(time: Floats, entry: Floats | None = None) -> tuple[Floats, Floats | None]:
    """Times that differ by rounding alone are made equal, as R's `timefix=TRUE` does (`aeqSurv`).

    Two neighbours among all distinct times are one where their gap is at most 1.5e-8, or 1.5e-8 of the mean
    time: 3/10 - 2/10 and 1/10 are the same day. Each run takes its earliest value. Raises
    `CannotEstimate(ENTRY_AFTER_EXIT)` where a row of follow-up vanishes by that.
    """
    every = time if entry is None else np.concatenate([time, entry])
    if (every == np.rint(every)).all():
        return time, entry
    distinct = np.unique(every)
    gap = np.diff(distinct)
    close = (gap <= TIME_TOLERANCE) | (gap <= TIME_TOLERANCE * np.abs(distinct).mean())
    if not close.any():
        return time, entry
    kept = distinct[np.concatenate([[True], ~close])]
    fixed: Floats = kept[np.searchsorted(kept, time, side="right") - 1]
    if entry is None:
        return fixed, None
    came: Floats = kept[np.searchsorted(kept, entry, side="right") - 1]
    if (came >= fixed).any():
        raise CannotEstimate(ENTRY_AFTER_EXIT)
    return fixed, came


def _passed(ordered: npt.NDArray[Any], values: npt.NDArray[Any]) -> Ints:
    """How many of `ordered` (ascending, distinct) are at or before each value."""
    span = int(ordered[-1] - ordered[0]) + 1 if abs(ordered[-1]) < 1e15 and abs(ordered[0]) < 1e15 else 0
    # Whole numbers (days) in a range not much longer than the column: look up instead of searching.
    if (
        0 < span <= 2 * len(values)
        and (values == np.rint(values)).all()
        and (ordered == np.rint(ordered)).all()
    ):
        places = np.clip(values - (ordered[0] - 1), 0, span).astype(np.intp)
        table = np.zeros(span + 1, dtype=np.intp)
        table[(ordered - (ordered[0] - 1)).astype(np.intp)] = 1
        return np.asarray(np.cumsum(table)[places], dtype=np.intp)
    return np.asarray(np.searchsorted(ordered, values, side="right"), dtype=np.intp)


def _layout(stratum_of_time: Ints) -> _Layout:
    present, start, size = np.unique(stratum_of_time, return_index=True, return_counts=True)
    k = len(stratum_of_time)
    if len(present) == 1:
        return _Layout(k, np.arange(k), ((0, k, k),))
    power = np.ceil(np.log2(size)).astype(int)
    cell_of_stratum = np.empty(len(present), dtype=np.intp)
    blocks, cells = [], 0
    for exponent in np.unique(power).tolist():
        chosen = np.flatnonzero(power == exponent)
        width = int(size[chosen].max())
        cell_of_stratum[chosen] = cells + width * np.arange(len(chosen))
        blocks.append((cells, cells + width * len(chosen), width))
        cells += width * len(chosen)
    line = np.repeat(np.arange(len(present)), size)
    cell = cell_of_stratum[line] + np.arange(k) - start[line]
    return _Layout(cells, cell, tuple(blocks))
