"""What the methods of safety and economics ask of an option, a count or an amount before they compute."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.inputs import numbers

LARGEST = 1e100
MOST = 1e15  # above this, whole numbers are no longer exact


def one_of(value: str, argument: str, allowed: Sequence[str]) -> str:
    """`value` itself, if it is one of the named options; otherwise a reason that lists them."""
    if not isinstance(value, str) or value not in allowed:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=", ".join(allowed))
    return value


def between(
    value: float, argument: str, low: float = 0.0, high: float = math.inf, *, closed: bool = False
) -> float:
    """A single finite number with low < value < high; with `closed`, low <= value <= high."""
    sign = "<=" if closed else "<"
    allowed = f"{low:g} {sign} {argument}" + (f" {sign} {high:g}" if math.isfinite(high) else "")
    try:
        number = float(value)
    except (TypeError, ValueError) as not_a_number:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=allowed) from not_a_number
    inside = low <= number <= high if closed else low < number < high
    if not inside or not math.isfinite(number):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=allowed)
    return number


def whole(value: int, argument: str, low: int = 0, high: int | None = None) -> int:
    """A single whole number, at least `low` and at most `high`."""
    number = between(value, argument, low, math.inf if high is None else high, closed=True)
    if number != math.floor(number):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed="0, 1, 2, ...")
    return int(number)


def counts(values: npt.ArrayLike, name: str, rows: int | None = None) -> Ints:
    """A column of whole numbers from 0 on, (rows,)."""
    column = amounts(values, name, rows)
    if (column != np.floor(column)).any() or (column > MOST).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="0, 1, 2, ...")
    return column.astype(np.intp)


def figures(values: npt.ArrayLike, name: str, rows: int | None = None) -> Floats:
    """A column of numbers whose sums and squares stay finite: |value| <= 1e100, (rows,)."""
    column = numbers(values, name, rows)
    if (np.abs(column) > LARGEST).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed=f"<= {LARGEST:g}")
    return column


def amounts(values: npt.ArrayLike, name: str, rows: int | None = None, *, above_zero: bool = False) -> Floats:
    """A column of finite numbers that are not negative, (rows,); with `above_zero`, also not 0."""
    column = figures(values, name, rows)
    if (column < 0).any() or (above_zero and (column == 0).any()):
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="> 0" if above_zero else ">= 0")
    return column
