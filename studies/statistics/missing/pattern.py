"""What is missing, in whom, together with what, and from when on: the numbers of a missingness table and map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, NO_SUBJECTS, CannotEstimate
from studies.statistics import Bools
from studies.statistics.inputs import Labels, follow_up, labels, numbers, yes_no


@dataclass(frozen=True)
class VariableMissing:
    """One variable: how many of `n` subjects lack it, and of each arm's (`by_arm`: missing, n)."""

    variable: str
    n: int
    missing: int
    share: float
    by_arm: dict[Hashable, tuple[int, int]]


@dataclass(frozen=True)
class Pattern:
    """A set of variables observed together. `observed` follows the order of the variables."""

    observed: tuple[bool, ...]
    subjects: int
    by_arm: dict[Hashable, int]


@dataclass(frozen=True)
class MissingMap:
    """Patterns from the most to the least frequent. `monotone`: in some order of the variables, whoever
    lacks one lacks all after it; `monotone_order` is that order (from least to most missing), else None.
    """

    variables: tuple[VariableMissing, ...]
    patterns: tuple[Pattern, ...]
    n: int
    complete: int
    monotone: bool
    monotone_order: tuple[str, ...] | None


def missing_map(
    columns: Mapping[str, Sequence[object] | npt.ArrayLike],
    *,
    arm: Sequence[Hashable] | npt.ArrayLike | None = None,
) -> MissingMap:
    """Count what is missing: None, NaN and NaT are; everything else is observed.

    columns: name -> (n,) values of any type; arm (n,) labels. Raises `CannotEstimate` for no columns or rows
    and for unequal lengths.
    """
    names = tuple(columns)
    if not names:
        raise CannotEstimate(NO_SUBJECTS)
    holes = np.column_stack([_missing(columns[name], name, columns[names[0]]) for name in names])
    n = len(holes)
    groups = None if arm is None else labels(arm, "arm", n)
    kinds, which = np.unique(~holes, axis=0, return_inverse=True)
    which = which.ravel()
    counts = np.bincount(which, minlength=len(kinds))
    # Most frequent first; of equals the one with more observed, then by place, so that the order is fixed.
    order = sorted(range(len(kinds)), key=lambda k: (-counts[k], -kinds[k].sum(), kinds[k].tolist()))
    patterns = tuple(
        Pattern(tuple(bool(one) for one in kinds[k]), int(counts[k]), _by_arm(which == k, groups))
        for k in order
    )
    least = np.argsort(holes.sum(axis=0), kind="stable")
    monotone = bool((np.diff(holes[:, least].astype(np.int8), axis=1) >= 0).all())
    return MissingMap(
        variables=tuple(_variable(name, holes[:, k], groups) for k, name in enumerate(names)),
        patterns=patterns,
        n=n,
        complete=int((~holes.any(axis=1)).sum()),
        monotone=monotone,
        monotone_order=tuple(names[k] for k in least) if monotone else None,
    )


@dataclass(frozen=True)
class VisitLoss:
    """One visit of one arm: `observed`; `dropped`, lost for good just before it (nothing observed from here
    on); `gone`, lost for good by now; `intermittent`, missed but seen again later.
    """

    visit: Hashable
    arm: Hashable | None
    n: int
    observed: int
    dropped: int
    gone: int
    intermittent: int


def loss_by_visit(
    outcome: npt.ArrayLike,
    visits: Sequence[Hashable],
    *,
    arm: Sequence[Hashable] | npt.ArrayLike | None = None,
) -> tuple[VisitLoss, ...]:
    """When subjects are lost: outcome (n, T) with NaN where missed, columns in the order of `visits` (T,).

    Without `arm` one row for each visit, else one for each visit and arm. Raises `CannotEstimate` for other
    shapes and no subjects.
    """
    table = np.asarray(outcome, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(visits):
        raise CannotEstimate(LENGTHS_DIFFER, variable="visits")
    if len(table) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    seen = ~np.isnan(table)
    groups = None if arm is None else labels(arm, "arm", len(table))
    later = np.flip(np.maximum.accumulate(np.flip(seen, axis=1), axis=1), axis=1)  # seen here or afterwards
    before = np.column_stack([np.ones(len(table), dtype=bool), later[:, :-1]])
    rows = []
    for k, visit in enumerate(visits):
        for level, mine in _arms(groups, len(table)):
            rows.append(
                VisitLoss(
                    visit=visit,
                    arm=level,
                    n=int(mine.sum()),
                    observed=int((seen[:, k] & mine).sum()),
                    dropped=int((before[:, k] & ~later[:, k] & mine).sum()),
                    gone=int((~later[:, k] & mine).sum()),
                    intermittent=int((~seen[:, k] & later[:, k] & mine).sum()),
                )
            )
    return tuple(rows)


@dataclass(frozen=True)
class IntervalLoss:
    """Follow-up in (start, end]: under observation at the start, events, lost to follow-up, and other ends."""

    start: float
    end: float
    arm: Hashable | None
    at_risk: int
    events: int
    lost: int
    ended: int


def loss_by_time(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    lost: npt.ArrayLike,
    breaks: npt.ArrayLike,
    *,
    arm: Sequence[Hashable] | npt.ArrayLike | None = None,
) -> tuple[IntervalLoss, ...]:
    """When follow-up ends, and why: time (n,) until event or end; event (n,) 0/1; lost (n,) 0/1, lost to
    follow-up (an end that is neither is administrative); breaks (k,) increasing, from 0.

    Raises `CannotEstimate` for bad columns, somebody lost with an event, and breaks that do not increase.
    """
    rows = follow_up(time, event)
    gone = yes_no(lost, "lost", len(rows))
    if (gone & rows.event).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="lost", allowed="0 where event is 1")
    edges = numbers(breaks, "breaks")
    if len(edges) < 2 or (np.diff(edges) <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="breaks", allowed="increasing, two or more")
    groups = None if arm is None else labels(arm, "arm", len(rows))
    found = []
    for start, end in pairwise(edges):
        ends_here = (rows.time > start) & (rows.time <= end)
        for level, mine in _arms(groups, len(rows)):
            found.append(
                IntervalLoss(
                    start=float(start),
                    end=float(end),
                    arm=level,
                    at_risk=int(((rows.time > start) & mine).sum()),
                    events=int((ends_here & rows.event & mine).sum()),
                    lost=int((ends_here & gone & mine).sum()),
                    ended=int((ends_here & ~rows.event & ~gone & mine).sum()),
                )
            )
    return tuple(found)


def _missing(values: Sequence[object] | npt.ArrayLike, name: str, first: object) -> Bools:
    column = np.asarray(values)
    if column.ndim != 1 or len(column) != len(np.asarray(first)):
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    if len(column) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    if column.dtype.kind in "mM":
        return np.asarray(np.isnat(column))
    if column.dtype.kind == "f":
        return np.asarray(np.isnan(column))
    if column.dtype == object:
        # NaN and NaT are the values that differ from themselves; pandas' NA answers neither way.
        return np.array(
            [one is None or type(one).__name__ == "NAType" or one != one for one in column], dtype=bool
        )
    return np.zeros(len(column), dtype=bool)


def _variable(name: str, holes: Bools, groups: Labels | None) -> VariableMissing:
    by_arm: dict[Hashable, tuple[int, int]] = {}
    for level, mine in _arms(groups, len(holes)):
        if groups is not None:
            by_arm[level] = (int((holes & mine).sum()), int(mine.sum()))
    return VariableMissing(name, len(holes), int(holes.sum()), float(holes.mean()), by_arm)


def _by_arm(mine: Bools, groups: Labels | None) -> dict[Hashable, int]:
    if groups is None:
        return {}
    return {level: int((mine & (groups.codes == k)).sum()) for k, level in enumerate(groups.levels)}


def _arms(groups: Labels | None, n: int) -> list[tuple[Hashable | None, Bools]]:
    if groups is None:
        return [(None, np.ones(n, dtype=bool))]
    return [(level, groups.codes == k) for k, level in enumerate(groups.levels)]
