"""What every method asks of its numbers before it computes: the same checks, the same reasons, once.

A method takes array-likes (lists, NumPy, pandas columns). These functions turn them into NumPy arrays of
the right shape and type, or raise `CannotEstimate` with a reason that names the argument and never a value.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_CODES,
    BAD_LABELS,
    BAD_WEIGHTS,
    ENTRY_AFTER_EXIT,
    LENGTHS_DIFFER,
    NEGATIVE_TIME,
    NO_SUBJECTS,
    NOT_A_NUMBER,
    ONE_CLUSTER,
    CannotEstimate,
    Reason,
)
from studies.statistics import Bools, Floats, Ints

WEIGHTS_OUT_OF_REACH = Reason(
    "weights_out_of_reach",
    "权重过大或过小（超出 {low} 至 {high}），其平方和无法可靠计算；请将所有权重乘以同一常数后重试。",
    "There are weights outside of {low} to {high}: sums of their squares cannot be relied on. Multiply all weights by "
    "one constant first.",
)
# Powers of weights up to the fourth, and sums of them over any number of rows, stay within what a float can hold.
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-50, 1e50


@dataclass(frozen=True)
class FollowUp:
    """n subjects (or rows of follow-up): time (n,), event (n,), entry (n,) or None, weights (n,) or None.

    A row is at risk on (entry, time]; without `entry` from the start on.
    """

    time: Floats
    event: Bools
    entry: Floats | None
    weights: Floats | None

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Labels:
    """A grouping of n rows: `codes` (n,) count from 0 in the order of `levels`, which is sorted."""

    codes: Ints
    levels: tuple[Hashable, ...]

    def __len__(self) -> int:
        return len(self.levels)


def numbers(values: npt.ArrayLike, name: str, rows: int | None = None) -> Floats:
    """A column of finite numbers, (rows,). Empty, NaN, infinite, text or another length is refused."""
    column = _as_floats(values, name)
    if column.ndim != 1:
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    if len(column) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    if rows is not None and len(column) != rows:
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    if not np.isfinite(column).all():
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    return column


def matrix(x: npt.ArrayLike, rows: int | None = None, name: str = "x") -> Floats:
    """Covariates (rows, p), p may be 0; a single column may be given as (rows,)."""
    table = _as_floats(x, name)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2:
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    if len(table) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    if rows is not None and len(table) != rows:
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    if not np.isfinite(table).all():
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    return table


def yes_no(values: npt.ArrayLike, name: str, rows: int | None = None) -> Bools:
    """A column of True/False or 1/0, (rows,). R's 1/2 coding is refused: nobody should have to guess."""
    column = numbers(values, name, rows)
    if not np.isin(column, (0.0, 1.0)).all():
        raise CannotEstimate(BAD_CODES, variable=name)
    return np.asarray(column == 1.0)


def causes(values: npt.ArrayLike, name: str, rows: int | None = None) -> Ints:
    """Competing events: 0 for none, 1, 2, ... for the kinds, (rows,)."""
    column = numbers(values, name, rows)
    if (column < 0).any() or (column != np.floor(column)).any():
        raise CannotEstimate(BAD_CODES, variable=name)
    return column.astype(np.intp)


def labels(values: Sequence[Hashable] | npt.ArrayLike, name: str, rows: int | None = None) -> Labels:
    """Groups, strata, clusters: any values that can be told apart and ordered; missing is refused."""
    column = np.asarray(values)
    if column.ndim != 1 or (rows is not None and len(column) != rows):
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    if len(column) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    if column.dtype == object:
        if any(one is None or one != one for one in column):
            raise CannotEstimate(BAD_LABELS, variable=name)
        if len({type(one) for one in column}) > 1:
            column = np.array([str(one) for one in column])
    elif column.dtype.kind == "f" and np.isnan(column).any():
        raise CannotEstimate(BAD_LABELS, variable=name)
    levels, codes = np.unique(column, return_inverse=True)
    return Labels(codes.astype(np.intp), tuple(levels.tolist()))


def cluster_labels(values: Sequence[Hashable] | npt.ArrayLike, rows: int, name: str = "cluster") -> Labels:
    """The clusters of a robust variance. One alone is refused: its scores sum to 0, and so would every error."""
    found = labels(values, name, rows)
    if len(found) < 2:
        raise CannotEstimate(ONE_CLUSTER, variable=name)
    return found


def case_weights(weights: npt.ArrayLike | None, rows: int) -> Floats | None:
    """Positive finite weights (rows,), or None. A weight of 0 is refused: leave the row out and say so."""
    if weights is None:
        return None
    column = weight_column(weights, rows)
    if (column == 0).any():
        raise CannotEstimate(BAD_WEIGHTS)
    return column


def weight_column(weights: npt.ArrayLike, rows: int | None = None) -> Floats:
    """Finite weights (rows,) that are not negative; 0 is for the method to judge.

    Raises BAD_WEIGHTS, and WEIGHTS_OUT_OF_REACH for one above 1e50 or, if not 0, below 1e-50.
    """
    column = numbers(weights, "weights", rows)
    if (column < 0).any():
        raise CannotEstimate(BAD_WEIGHTS)
    if (column > LARGEST_WEIGHT).any() or ((column < SMALLEST_WEIGHT) & (column > 0)).any():
        raise CannotEstimate(WEIGHTS_OUT_OF_REACH, low=f"{SMALLEST_WEIGHT:g}", high=f"{LARGEST_WEIGHT:g}")
    return column


def follow_up(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> FollowUp:
    """The checked columns of a survival method. Negative times and entry not before exit are refused."""
    until = numbers(time, "time")
    happened = yes_no(event, "event", len(until))
    came = None if entry is None else numbers(entry, "entry", len(until))
    if came is None and (until < 0).any():
        raise CannotEstimate(NEGATIVE_TIME, variable="time")
    if came is not None:
        if (came < 0).any():
            raise CannotEstimate(NEGATIVE_TIME, variable="entry")
        if (came >= until).any():
            raise CannotEstimate(ENTRY_AFTER_EXIT)
    return FollowUp(until, happened, came, case_weights(weights, len(until)))


def _as_floats(values: npt.ArrayLike, name: str) -> Floats:
    raw = np.asarray(values)
    # Dates and spans of time would become nanoseconds, complex numbers lose a part, and text may look like a number.
    if raw.dtype.kind in "mMcSU" or (
        raw.dtype == object and any(isinstance(one, str | bytes) for one in raw.flat)
    ):
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as not_numbers:
        raise CannotEstimate(NOT_A_NUMBER, variable=name) from not_numbers
