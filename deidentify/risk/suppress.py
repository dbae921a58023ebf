"""Local suppression: after a recoding, single cells are blanked until every class has k records.

A blank is a value of its own: two records share a class only when they are blank in the same columns. (Where a
blank may stand for anything, as in sdcMicro, fewer cells need blanking but a reader who knows what was blanked
gains.) Only records of classes below k are touched, so no class that is large enough ever shrinks.

The choice is greedy and has no randomness: sets of one column first, then of two, and so on; among sets of a
size the one that brings most records to k, of equals the first in the order of the columns. Records that even
blanks in all columns cannot bring to k (fewer than k are left) are removed, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from deidentify.risk.lattice import Codes
from deidentify.risk.uniques import combine
from rwd_platform.core.errors import Exit, Problem

MOST_STEPS = 500_000_000
BLANK = -1

TOO_MANY = Problem(
    code="suppress.too_many_sets",
    zh="局部抑制的工作量过大：{records} 条记录低于 k，{columns} 列的组合过多。",
    en="Local suppression would take too long: {records} records are below k, and {columns} columns have too many "
    "combinations.",
    next_zh="请先泛化更多（rwd recode），或减少准标识符。",
    next_en="Generalise more first (rwd recode), or name fewer quasi-identifiers.",
    exit=Exit.REFUSED,
)
BAD_K = Problem(
    code="suppress.bad_k",
    zh="k = {k} 不可用：应为 2 至记录数 {records} 之间的整数。",
    en="k = {k} cannot be used: a number from 2 to {records}, the number of records, is needed.",
    next_zh="请更正 k 后重试。",
    next_en="Correct k and try again.",
)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Suppression:
    """`blank` says per column and record which cells are blanked; `removed` which records are left out whole.

    `cells` counts the blanks by column, among records that stay; `k` is the smallest class as it is now,
    recounted from the codes; 0 when no record stays.
    """

    blank: Mapping[str, Flags]
    removed: Flags
    cells: Mapping[str, int]
    k: int


def suppress_cells(columns: Mapping[str, Codes], k: int) -> Suppression:
    """Blanks until k holds. `columns`: per quasi-identifier n codes ≥ 0, as recoded.

    Raises `suppress.bad_k`, `suppress.too_many_sets`.
    """
    names = tuple(columns)
    table: Codes = np.array([np.asarray(codes) for codes in columns.values()], np.int64, ndmin=2)
    records = table.shape[1]
    if not 2 <= k <= records:
        raise BAD_K.error(k=k, records=records)
    failing = class_sizes(table) < k
    below = int(failing.sum())
    if below << len(names) > MOST_STEPS:
        raise TOO_MANY.error(records=below, columns=len(names))
    for size in range(1, len(names) + 1):
        while failing.any():
            places, reached = _best_set(table, failing, size, k)
            if not len(reached):
                break
            for place in places:
                table[place, reached] = BLANK
            failing[reached] = False
    kept = table[:, ~failing]
    blank = {name: (row == BLANK) & ~failing for name, row in zip(names, table, strict=True)}
    return Suppression(
        blank=blank,
        removed=failing,
        cells={name: int(flags.sum()) for name, flags in blank.items()},
        k=int(class_sizes(kept).min(initial=records)) if kept.shape[1] else 0,
    )


def class_sizes(table: Codes) -> Codes:
    """Per record, how many records agree with it in every row of the table (columns × records)."""
    _, place, often = np.unique(combine([row + 1 for row in table]), return_inverse=True, return_counts=True)
    return np.asarray(often[place])


def _best_set(table: Codes, failing: Flags, size: int, k: int) -> tuple[list[int], Codes]:
    """The columns to blank, and the failing records that then reach k (with those blanked alike before)."""
    best: tuple[list[int], Codes] = ([], np.empty(0, np.int64))
    blanked = table == BLANK
    for places in combinations(range(len(table)), size):
        alike = np.zeros(len(table), bool)
        alike[list(places)] = True
        joined = np.flatnonzero(failing | (blanked == alike[:, None]).all(0))
        trial = table[:, joined].copy()
        trial[list(places)] = BLANK
        reached = joined[(class_sizes(trial) >= k) & failing[joined]]
        if len(reached) > len(best[1]):
            best = (list(places), reached)
    return best
