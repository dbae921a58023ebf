"""Minimal sample uniques: which few values already single a record out (special uniques, SUDA).

A set of columns is a *minimal sample unique* (MSU) of a record when no other record has the record's values in
these columns, and leaving out any one column makes it share them. What is found here, level by level, is what
the recursive search of Manning, Haglin & Keane (2008, Data Min Knowl Disc 16:165) finds: every MSU of up to
`most_columns` columns. The scores are those that sdcMicro's `suda2` reports.

    score       the sum over a record's MSUs of a weight that falls with their size s, of A columns in all:
                elliot  (A−s)·(A−s−1)·… down to A−M (Elliot, Manning & Ford 2002; M = min(most_columns, A−1))
                ihsn    (2^(A−s) − 1)·s!·(A−s)!/A!  (sdcMicro with original_scores = FALSE)
    dis         U·f / (U·f + D·(1−f)): the share of correct matches among unique ones (Skinner & Elliot 2002);
                U records that are unique, D records in pairs, f the sampling fraction
    dis_score   1 / (1 + (U/dis − U) / (score^q · Σ score^−q)), q = 1 + (8−A)/20: `dis` spread over the records

A missing value is a category of its own, as everywhere in this room; sdcMicro leaves it out of an MSU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from deidentify.risk.lattice import Codes
from rwd_platform.core.errors import Exit, Problem

MOST_STEPS = 1_000_000_000  # records × sets of columns: about half a minute and 1 GB

TOO_MANY = Problem(
    code="uniques.too_many_sets",
    zh="查找最小唯一组合的工作量过大：{records} 种记录、{columns} 列、每组至多 {most_columns} 列，共 {steps} 步，"
    "上限 {most} 步。",
    en="Finding minimal uniques would take {steps} steps ({records} distinct records, {columns} columns, sets of "
    "up to {most_columns}); {most} is the most.",
    next_zh="请减小每组的最多列数，减少准标识符，或先泛化最细的列。",
    next_en="Allow fewer columns per set, name fewer quasi-identifiers, or generalise the finest columns first.",
    exit=Exit.REFUSED,
)
BAD_SEARCH = Problem(
    code="uniques.bad_parameter",
    zh="{name} 不可用：{why_zh}。",
    en="{name} cannot be used: {why}.",
    next_zh="请更正该参数后重试。",
    next_en="Correct this parameter and try again.",
)

Flags = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]
Columns = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Uniques:
    """Per record: scores, and how much of its score each column brought (fractions that sum to the mean MSU size).

    `minimal` maps a set of columns to the records (from 0) of which it is an MSU.
    """

    score: Reals
    dis: float
    dis_score: Reals
    minimal: Mapping[Columns, Codes]
    contribution: Mapping[str, Reals]

    @property
    def special(self) -> int:
        """Records with at least one MSU."""
        return int((self.score > 0).sum())


def find_minimal_uniques(
    columns: Mapping[str, Codes],
    *,
    most_columns: int = 3,
    sampling_fraction: float = 0.01,
    scoring: str = "elliot",
) -> Uniques:
    """Every MSU of up to `most_columns` columns, and the scores.

    `columns`: per quasi-identifier n codes (equal code = equal value). Deterministic.
    Raises `uniques.bad_parameter`, and `uniques.too_many_sets` before any work is done.
    """
    _check(columns, most_columns, sampling_fraction, scoring)
    names = tuple(columns)
    most = min(most_columns, len(names))
    whole = combine(list(columns.values()))
    keys, first, place, often = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    steps = len(keys) * sum(math.comb(len(names), size) for size in range(1, most + 1))
    if steps > MOST_STEPS:
        raise TOO_MANY.error(
            records=len(keys), columns=len(names), most_columns=most, steps=steps, most=MOST_STEPS
        )
    found = _search({name: np.asarray(codes)[first] for name, codes in columns.items()}, often, most)
    brought = {name: np.zeros(len(keys)) for name in names}
    score = np.zeros(len(keys))
    for chosen, rows in found.items():
        weight = _weight(scoring, len(names), len(chosen), most)
        for one in (score, *(brought[name] for name in chosen)):
            one[rows] += weight
    alone, paired = int((often == 1).sum()), 2 * int((often == 2).sum())
    dis = _dis(alone, paired, sampling_fraction)
    dis_score = _spread(score, dis, alone, len(names))
    some = np.where(score > 0, score, 1.0)
    share = {name: (one / some)[place] for name, one in brought.items()}
    minimal = {chosen: np.sort(first[rows]) for chosen, rows in found.items()}
    return Uniques(score[place], dis, dis_score[place], minimal, share)


def combine(columns: list[Codes]) -> Codes:
    """One number per record; equal numbers are equal values in every column."""
    total, size = np.zeros(len(columns[0]), np.int64), 1
    for codes in columns:
        column = np.asarray(codes, np.int64)
        width = int(column.max(initial=0)) + 1
        if size * width >= 1 << 62:  # numbered anew, both are at most as many as records
            total, column = (np.unique(one, return_inverse=True)[1] for one in (total, column))
            size, width = int(total.max(initial=0)) + 1, int(column.max(initial=0)) + 1
        total, size = total * width + column, size * width
    return total


def _check(columns: Mapping[str, Codes], most_columns: int, sampling_fraction: float, scoring: str) -> None:
    for wrong, name, why, why_zh in (
        (not columns, "columns", "no quasi-identifier is named", "没有给出准标识符"),
        (most_columns < 1, "most_columns", "it must be at least 1", "至少为 1"),
        (
            not 0 < sampling_fraction <= 1,
            "sampling_fraction",
            "0 < f ≤ 1 is needed",
            "应满足 0 < f ≤ 1",
        ),
        (scoring not in ("elliot", "ihsn"), "scoring", "known: elliot, ihsn", "可用：elliot、ihsn"),
    ):
        if wrong:
            raise BAD_SEARCH.error(name=name, why=why, why_zh=why_zh)


def _search(columns: Mapping[str, Codes], often: Codes, most: int) -> dict[Columns, Codes]:
    """MSUs among distinct records, each of which occurs `often` times."""
    found: dict[Columns, Codes] = {}
    below: dict[Columns, Flags] = {(): np.zeros(len(often), bool)}
    for size in range(1, most + 1):
        unique: dict[Columns, Flags] = {}
        for chosen in combinations(columns, size):
            # Who is alone already on fewer of these columns is alone in its cell here too: leaving it out of
            # the count changes nobody else's, and it can have no MSU here.
            alone = np.logical_or.reduce([below[part] for part in combinations(chosen, size - 1)])
            left = np.flatnonzero(~alone)
            flags = alone.copy()
            if len(left):
                cells = np.unique(combine([columns[name][left] for name in chosen]), return_inverse=True)[1]
                lone = left[np.bincount(cells, weights=often[left])[cells] == 1]
                flags[lone] = True
                if len(lone):
                    found[chosen] = lone
            unique[chosen] = flags
        below = unique
    return found


def _weight(scoring: str, columns: int, size: int, most: int) -> float:
    if scoring == "elliot":
        return float(math.prod(columns - one for one in range(size, min(most, columns - 1) + 1)))
    return float(2 ** (columns - size) - 1) / math.comb(columns, size)


def _dis(alone: int, paired: int, fraction: float) -> float:
    matches = alone * fraction + paired * (1 - fraction)
    return alone * fraction / matches if matches else 0.0


def _spread(score: Reals, dis: float, alone: int, columns: int) -> Reals:
    """`dis` over the records, the more the higher their score."""
    found = np.zeros_like(score)
    some = score > 0
    if not some.any() or dis == 0:
        return found
    power = 1 + (8 - columns) / 20
    scaled = score[some] ** power
    found[some] = 1 / (1 + (alone / dis - alone) / (scaled * (1 / scaled).sum()))
    return found
