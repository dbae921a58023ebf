"""What can be concluded about a withheld count: the exact interval that the printed numbers leave for it.

First every sum is used to narrow its members until nothing moves (interval propagation: quick, and exact
where one member is missing). What that leaves open is asked of a linear programme, the smallest and the
largest value with every sum held (HiGHS through scipy). For tables of one and two dimensions, also with one
dimension of nested levels, the programme's corners are whole numbers, so that the interval is the one that a
search over all tables of whole numbers finds; from three dimensions on it may be wider than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from deidentify.disclosure.tables import Cell, Key, Table

Interval = tuple[float, float]
MOST_CELLS = 600  # withheld cells of one table that sums alone do not settle: above, it would take minutes
MOST_VARIABLES = 20_000
_MOST_ROUNDS = 200
_EPS = 1e-6
_SOLVED, _UNBOUNDED = 0, 3  # scipy's words for how a programme ended


class _Contradiction(Exception):
    """No table has the printed numbers: nothing that follows from them is proven."""


def intervals(table: Table, base: int = 0, *, exact: bool = True) -> dict[Key, Interval] | None:
    """For each withheld cell: the least and the greatest count. None: it cannot be
    told, because too many cells are withheld or the printed numbers contradict each other.

    `base` is the rounding base: a printed number then stands for anything within half of it. Without `exact` the sums
    are only propagated: never too narrow, and at most a few hundred passes over the table.
    """
    if table.contradicts_itself:
        return None
    unknown = table.unknown()
    box = {key: _printed(cell, base) for key, cell in table.cells.items()}
    try:
        _propagate(table, box)
    except _Contradiction:
        return None
    open_keys = [key for key in unknown if box[key][1] - box[key][0] > _EPS]
    if open_keys and exact:
        solved = _programme(table, box, open_keys) if len(open_keys) <= MOST_CELLS else None
        if solved is None:
            return None
        box.update(solved)
    return {key: box[key] for key in unknown}


def is_exposed(interval: Interval, minimum: int, *, is_small: bool = False) -> bool:
    """Whether a withheld count is told after all.

    It is not where it can only be 0, or is `minimum` or more whatever it is. Else it must be possible that
    it is `minimum`, and it must be open over a range of at least `minimum`. A cell that the enclave knows to
    be small is held to more: every count from 1 to `minimum` must be possible, so that a reader who knows
    these rules, too, learns no more than that something was withheld.
    """
    low, high = interval
    if high < 0.5 or low >= minimum - _EPS:
        return False
    if high < minimum - _EPS:
        return True
    return low > 1 + _EPS if is_small else high - low < minimum - _EPS


def _printed(cell: Cell, base: int) -> Interval:
    if cell.value is None:
        return (0.0, math.inf)
    return (max(0.0, cell.value - base / 2), cell.value + base / 2)


def _propagate(table: Table, box: dict[Key, Interval]) -> None:
    for _ in range(_MOST_ROUNDS):
        moved = False
        for parent, children in table.sums:
            lows = [box[key][0] for key in children]
            highs = [box[key][1] for key in children]
            low, unlimited = sum(lows), sum(map(math.isinf, highs))
            high = sum(one for one in highs if not math.isinf(one))
            moved |= _narrow(box, parent, low, math.inf if unlimited else high)
            for key, own_low, own_high in zip(children, lows, highs, strict=True):
                is_open = math.isinf(own_high)
                others_high = math.inf if unlimited > is_open else high - (0.0 if is_open else own_high)
                moved |= _narrow(box, key, box[parent][0] - others_high, box[parent][1] - (low - own_low))
        if not moved:
            return


def _narrow(box: dict[Key, Interval], key: Key, low: float, high: float) -> bool:
    old_low, old_high = box[key]
    new = (max(old_low, low), min(old_high, high))
    if new[0] > new[1] + _EPS:
        raise _Contradiction
    if new[0] > new[1]:  # a rounding error of the sums
        return False
    if new[0] > old_low + _EPS or new[1] < old_high - _EPS:
        box[key] = new
        return True
    return False


def _programme(table: Table, box: Mapping[Key, Interval], asked: list[Key]) -> dict[Key, Interval] | None:
    """The exact interval of each cell in `asked`; None where no table has these sums."""
    import numpy as np
    from scipy.optimize import linprog

    variables = [key for key, (low, high) in box.items() if high - low > _EPS]
    if len(variables) > MOST_VARIABLES:
        return None
    place = {key: number for number, key in enumerate(variables)}
    matrix, right = _equations(table, box, place)
    limits = [(low, None if math.isinf(high) else high) for low, high in (box[key] for key in variables)]
    found: dict[Key, Interval] = {}
    for key in asked:
        ends = []
        for sign in (1.0, -1.0):
            goal = np.zeros(len(variables))
            goal[place[key]] = sign
            answer = linprog(goal, A_eq=matrix, b_eq=right, bounds=limits, method="highs")
            if answer.status not in (_SOLVED, _UNBOUNDED):
                return None
            ends.append(sign * answer.fun if answer.status == _SOLVED else sign * -math.inf)
        found[key] = (float(ends[0]), float(ends[1]))
    return found


def _equations(table: Table, box: Mapping[Key, Interval], place: Mapping[Key, int]) -> tuple[Any, Any]:
    """The sums as a sparse matrix over the cells that are not settled, and their right-hand sides."""
    import numpy as np
    from scipy.sparse import csr_matrix

    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    right: list[float] = []
    for parent, children in table.sums:
        members = ((-1.0, parent), *((1.0, key) for key in children))
        if not any(key in place for _, key in members):
            continue
        fixed = 0.0
        for sign, key in members:
            if key in place:
                rows.append(len(right))
                columns.append(place[key])
                values.append(sign)
            else:
                fixed += sign * box[key][0]
        right.append(-fixed)
    return csr_matrix((values, (rows, columns)), shape=(len(right), len(place))), np.array(right)
