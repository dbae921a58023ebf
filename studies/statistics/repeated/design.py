"""The design matrix of a regression: an intercept, named columns, none of them constant or dependent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import CONSTANT, DEPENDENT, LENGTHS_DIFFER, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Floats
from studies.statistics.inputs import matrix

INTERCEPT = "(Intercept)"
_DEPENDENT = 1e-9  # what a column of length 1 must add beyond the columns before it


@dataclass(frozen=True)
class Design:
    """`matrix` (n, p) with the intercept first where there is one; `names` has p entries."""

    matrix: Floats
    names: tuple[str, ...]


def design(
    x: npt.ArrayLike | None, rows: int, names: Sequence[str] | None = None, intercept: bool = True
) -> Design:
    """The checked design of `rows` rows: x is (rows, p), (rows,) or None for an intercept alone.

    Raises `CannotEstimate` for a missing value, another number of rows, a wrong number of names, a
    constant column beside the intercept, a column that follows from those before it, and more columns
    than rows.
    """
    table = np.empty((rows, 0)) if x is None else matrix(x, rows)
    given = tuple(names) if names is not None else tuple(f"x{k + 1}" for k in range(table.shape[1]))
    if len(given) != table.shape[1]:
        raise CannotEstimate(LENGTHS_DIFFER, variable="names")
    if intercept:
        _refuse_constants(table, given)
        table = np.column_stack([np.ones(rows), table])
        given = (INTERCEPT, *given)
    refuse_dependent(table, given)
    return Design(table, given)


def refuse_dependent(table: Floats, names: Sequence[str]) -> None:
    """Raise, naming the first column that is zero or a linear combination of those before it."""
    rows, columns = table.shape
    if columns == 0 or columns > rows:
        raise CannotEstimate(TOO_MANY_TERMS)
    # Constant columns apart, a column is centred first: a year such as 2024 would look like the intercept.
    centred = table - np.where(np.ptp(table, axis=0) > 0, table.mean(axis=0), 0.0) * _has_intercept(table)
    length = np.sqrt((centred**2).sum(axis=0))
    for column, name in enumerate(names):
        if length[column] == 0.0:
            raise CannotEstimate(CONSTANT, variable=name)
    added = np.abs(np.diag(np.linalg.qr(centred / length, mode="r")))
    for column, name in enumerate(names):
        if added[column] < _DEPENDENT:
            raise CannotEstimate(DEPENDENT, variable=name)


def _has_intercept(table: Floats) -> bool:
    return bool((np.ptp(table, axis=0) == 0).any())


def _refuse_constants(table: Floats, names: Sequence[str]) -> None:
    spread = np.ptp(table, axis=0)
    size = np.abs(table).max(axis=0, initial=0.0)
    for column, name in enumerate(names):
        if spread[column] <= 1e-12 * max(1.0, float(size[column])):
            raise CannotEstimate(CONSTANT, variable=name)
