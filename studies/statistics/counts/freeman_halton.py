"""Fisher's exact test of an r x c table: the sum over all tables that are no more probable than the one seen.

A table's probability is a product over its columns. So after some columns all that matters is what is left of
the row totals, in any order, and the product so far: paths that share both are one path. A path all of whose
completions are rare enough, or none of which is, is settled at once with their known total.

Sources: Freeman & Halton (1951, Biometrika 38:141); Mehta & Patel (1983, JASA 78:427, the network algorithm).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Ints
from studies.statistics.counts.proportions import R_RELATIVE_ERROR

TABLE_TOO_LARGE = Reason(
    "table_too_large",
    "该列联表过大，无法精确枚举；请改用卡方检验。",
    "The table is too large to be enumerated exactly; use the chi-square test.",
)
# Some ten seconds; R's fisher.test also gives up on such tables ("LDSTP is too small", "LDKEY is too small").
_MOST_STEPS = 1_600_000
_MOST_ROWS, _MOST_COLUMNS, _MOST_SUBJECTS = 30, 100, 1_000_000
Rows = tuple[int, ...]


def freeman_halton_p(table: Ints) -> float:
    """The two-sided p of independence. table (r, c), no empty row or column. Raises TABLE_TOO_LARGE."""
    wide = table if table.shape[0] <= table.shape[1] else table.T
    if wide.shape[0] > _MOST_ROWS or wide.shape[1] > _MOST_COLUMNS or int(wide.sum()) > _MOST_SUBJECTS:
        raise CannotEstimate(TABLE_TOO_LARGE)
    columns = tuple(sorted((int(one) for one in wide.sum(axis=0)), reverse=True))
    start = tuple(sorted(int(one) for one in wide.sum(axis=1)))
    network = _Network(sum(start))
    lg = network.log_factorial
    seen = -sum(lg[int(cell)] for cell in wide.ravel()) + math.log(R_RELATIVE_ERROR)
    total = network.log_mass(start, columns)
    paths: dict[Rows, dict[float, float]] = {start: {0.0: 1.0}}
    rare = 0.0
    for at, size in enumerate(columns):
        following: dict[Rows, dict[float, float]] = defaultdict(dict)
        for rows, products in paths.items():
            least, most = network.extremes(rows, columns[at:])
            mass = network.log_mass(rows, columns[at:]) - total
            rare += sum(n * math.exp(one + mass) for one, n in products.items() if one + most <= seen)
            unsettled = [(one, n) for one, n in products.items() if one + least <= seen < one + most]
            for term, left in network.columns_of(rows, size) if unsettled else ():
                onward = following[left]
                network.step(len(unsettled))
                for one, n in unsettled:
                    key = round(one + term, 10)
                    onward[key] = onward.get(key, 0.0) + n
        paths = following
    return min(rare, 1.0)


class _Network:
    """The ways to fill columns from what is left of the rows; log terms are -log of the factorials of cells."""

    def __init__(self, n: int) -> None:
        self.log_factorial = [math.lgamma(k + 1.0) for k in range(n + 1)]
        self._extremes: dict[tuple[Rows, Rows], tuple[float, float]] = {}
        self._steps = 0

    def step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > _MOST_STEPS:
            raise CannotEstimate(TABLE_TOO_LARGE)

    def log_mass(self, rows: Rows, columns: Rows) -> float:
        """The log of the sum over all completions of prod 1/cell!: n! / (prod rows! prod columns!)."""
        lg = self.log_factorial
        return lg[sum(rows)] - sum(lg[one] for one in rows) - sum(lg[one] for one in columns)

    def extremes(self, rows: Rows, columns: Rows) -> tuple[float, float]:
        """The least and the most probable completion (logs)."""
        if len(columns) == 1:
            only = -sum(self.log_factorial[one] for one in rows)
            return only, only
        known = self._extremes.get((rows, columns))
        if known is None:
            least, most = math.inf, -math.inf
            for term, left in self.columns_of(rows, columns[0]):
                low, high = self.extremes(left, columns[1:])
                least, most = min(least, term + low), max(most, term + high)
            known = self._extremes[rows, columns] = (least, most)
        return known

    def columns_of(self, rows: Rows, size: int) -> Iterator[tuple[float, Rows]]:
        """Every column with total `size`: its log term and what it leaves of the rows, sorted."""
        cells = [0] * len(rows)
        room = [sum(rows[at:]) for at in range(len(rows) + 1)]

        def fill(at: int, left: int, term: float) -> Iterator[tuple[float, Rows]]:
            if at == len(rows):
                self.step()
                yield term, tuple(sorted(row - cell for row, cell in zip(rows, cells, strict=True)))
                return
            for cell in range(max(0, left - room[at + 1]), min(rows[at], left) + 1):
                cells[at] = cell
                yield from fill(at + 1, left - cell, term - self.log_factorial[cell])

        yield from fill(0, size, 0.0)
