"""Exact tests of tables: Fisher's for any r x c table, the unconditional ones for two groups, McNemar's for pairs.

Sources: Fisher (1935); Freeman & Halton (1951, r x c); Mehta & Patel (1983, JASA 78:427: paths are dropped
when even their most or least probable completion is decided); Barnard (1947); Boschloo (1970); Suissa & Shuster
(1985); McNemar (1947) with Clopper-Pearson limits; R's manuals of fisher.test and mcnemar.test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.counts.conditional import Conditional
from studies.statistics.counts.freeman_halton import TABLE_TOO_LARGE, freeman_halton_p
from studies.statistics.counts.measure import (
    Alternative,
    Measure,
    chosen,
    events_of,
    finite_or_none,
    kept,
    positive,
    sentence,
    side,
    tail_of,
    whole,
)
from studies.statistics.counts.proportions import binomial_p, limits
from studies.statistics.inputs import matrix
from studies.statistics.options import checked

NOT_A_TABLE = Reason(
    "not_a_table",
    "列联表至少需要两行、两列和一名受试者。",
    "A table needs at least two rows, two columns and one subject.",
)
NO_DISCORDANT = Reason(
    "no_discordant",
    "没有不一致的配对，配对比较没有信息。",
    "No pair is discordant: the pairs say nothing about the difference.",
)
_MOST_TABLES = 10_000_000  # 2 x 2 tables of the same margins: one number each
_LARGEST_CELL = 2.0**53
_NUISANCE = 1000  # points of (0, 1) at which the unconditional tests look for their largest p
_REFINED = 5  # times that the search narrows around the best of them


@dataclass(frozen=True)
class ExactTest:
    """The p-value of an exact test. `nuisance` is the common proportion at which an unconditional p is largest."""

    p: float
    alternative: Alternative
    method: str
    nuisance: float | None = None


@checked
def fisher_test(table: npt.ArrayLike, *, null: float = 1.0, alternative: str = "two-sided") -> ExactTest:
    """Fisher's exact test of an r x c table of counts: fisher.test's p.

    table (r, c). For 2 x 2, `null` is the odds ratio tested and `alternative` its side; a larger table is
    tested two-sided for independence. All tables with the same margins that are no more probable (within a
    relative 1e-7) count. Empty rows and columns are left out; where one row or column is left there is no other
    table, and p is 1, as in R. Refused as TABLE_TOO_LARGE: 2 x 2 with more than 10 million tables of the same
    margins; r x c of more than 30 x 100, of more than a million subjects, or with more paths than can be enumerated in
    some ten seconds. Raises `CannotEstimate` also: NOT_A_COUNT, OUT_OF_RANGE, NOT_A_TABLE (fewer than two rows
    or columns, or nobody), NOT_A_NUMBER, BAD_ARGUMENT.
    """
    way, counts = side(alternative), _table(table)
    tested = positive(null, "null")
    by_two = counts.shape == (2, 2)
    if not by_two and way != "two-sided":
        chosen(way, ("two-sided",), "alternative")
    if not by_two and tested != 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="null", allowed="1")
    name = (
        f"Fisher's exact test, {way}" if by_two else "Fisher's exact test of an r x c table (Freeman-Halton)"
    )
    filled = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(filled.shape) < 2:
        return ExactTest(1.0, way, name)
    if filled.shape != (2, 2):
        return ExactTest(freeman_halton_p(filled), way, name)
    (a, b), (c, d) = filled.tolist()
    if min(a + b, c + d, a + c, b + d) > _MOST_TABLES:
        raise CannotEstimate(TABLE_TOO_LARGE)
    given = Conditional(np.array([a + b]), np.array([c + d]), np.array([a + c]), a)
    return ExactTest(given.p(tested, way), way, name)


@checked
def unconditional_test(
    events: tuple[int, int],
    n: tuple[int, int],
    *,
    method: Literal["boschloo", "barnard"] = "boschloo",
    alternative: str = "two-sided",
) -> ExactTest:
    """An exact test of two proportions that fixes the group sizes only: more powerful than Fisher's.

    "barnard" orders tables by the pooled z (two-sided: by |z|); "boschloo" by Fisher's one-sided p, two-sided
    as twice the smaller p. The p-value is the largest over the common proportion, found on 1000 points and
    narrowed around the best. Memory grows with n1 n2 (1000 x 1000 is the limit: TABLE_TOO_LARGE).
    "greater" asks whether the first proportion is larger. Raises `CannotEstimate` also: NOT_A_COUNT,
    MORE_EVENTS_THAN_SUBJECTS, BAD_ARGUMENT.
    """
    (x1, n1), (x2, n2) = events_of(events[0], n[0]), events_of(events[1], n[1])
    way, by = side(alternative), chosen(method, ("boschloo", "barnard"), "method")
    if n1 * n2 > 1_000_000:
        raise CannotEstimate(TABLE_TOO_LARGE)
    name = f"{by.title()}'s unconditional exact test, {way}"
    if by == "boschloo" and way == "two-sided":
        both = [
            unconditional_test(events, n, method="boschloo", alternative=one) for one in ("less", "greater")
        ]
        least = min(both, key=lambda one: one.p)
        return ExactTest(min(1.0, 2 * least.p), way, name + ", twice the smaller p", least.nuisance)
    order = _pooled_z(n1, n2) if by == "barnard" else -_fisher_of_all(n1, n2, greater=way == "greater")
    if by == "barnard":
        order = np.abs(order) if way == "two-sided" else order if way == "greater" else -order
    # Ties in the order differ by rounding only: they belong to the observed table.
    extreme = order >= order[x1, x2] - 1e-9 * abs(order[x1, x2])
    p, nuisance = _largest(extreme, n1, n2)
    return ExactTest(p, way, name, nuisance)


@checked
def mcnemar(
    only_first: int,
    only_second: int,
    *,
    method: Literal["exact", "mid-p"] = "exact",
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Measure:
    """Paired yes-or-no outcomes: the odds ratio of the discordant pairs, its exact interval, and the exact p.

    only_first, only_second -- the pairs in which only the first (second) member has the outcome. p is that of
    binom.test(b, b + c, 0.5), or its mid-P; limits are the odds of the Clopper-Pearson (mid-P) limits.
    Raises `CannotEstimate`: NOT_A_COUNT, NO_DISCORDANT, BAD_ARGUMENT, OUT_OF_RANGE.
    """
    b, c = whole(only_first, "only_first"), whole(only_second, "only_second")
    way, by = side(alternative), chosen(method, ("exact", "mid-p"), "method")
    if b + c == 0:
        raise CannotEstimate(NO_DISCORDANT)
    family = "clopper-pearson" if by == "exact" else "mid-p"
    (low,), (high,) = limits(np.array([float(b)]), b + c, family, tail_of(conf_level, way))
    lower, upper = kept(_odds(float(low)), _odds(float(high)), way, 0.0, math.inf)
    p = binomial_p(b, b + c, 0.5, way)
    if by == "mid-p":
        itself = math.exp(
            math.lgamma(b + c + 1) - math.lgamma(b + 1) - math.lgamma(c + 1) - (b + c) * math.log(2)
        )
        # Two-sided twice half of the count's own probability is taken off; at b = c the p of 1 counts it once.
        p -= itself if way == "two-sided" and b != c else itself / 2.0
    return Measure(
        estimate=b / c if c else None,
        lower=lower,
        upper=finite_or_none(upper),
        p=p,
        method=sentence(f"McNemar's test, {by}, odds ratio of discordant pairs", way, conf_level),
        conf_level=conf_level,
        alternative=way,
        statement=None if b and c else _OPEN_PAIRS.about(),
    )


_OPEN_PAIRS = Reason(
    "open_pairs",
    "不一致的配对只出现在一个方向：比值为 0 或无穷大，只有一侧的界限是有限的。",
    "All discordant pairs point the same way: the ratio is 0 or infinite, and one limit only is finite.",
)


def _odds(of: float) -> float:
    return of / (1.0 - of) if of < 1.0 else math.inf


def _table(table: npt.ArrayLike) -> Ints:
    counts = matrix(table, name="table")
    for cell in (counts.min(), *counts[counts != np.floor(counts)][:1]):
        whole(float(cell), "table")
    if min(counts.shape) < 2 or not counts.any():
        raise CannotEstimate(NOT_A_TABLE)
    if counts.max() > _LARGEST_CELL / counts.size:
        raise CannotEstimate(TABLE_TOO_LARGE)
    return np.asarray(counts, dtype=np.intp)


def _pooled_z(n1: int, n2: int) -> Floats:
    x1, x2 = np.arange(n1 + 1.0)[:, None], np.arange(n2 + 1.0)
    pooled = (x1 + x2) / (n1 + n2)
    with np.errstate(all="ignore"):
        z = (x1 / n1 - x2 / n2) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return np.where(np.isfinite(z), z, 0.0)


def _fisher_of_all(n1: int, n2: int, *, greater: bool) -> Floats:
    """Fisher's one-sided p of every table of n1 and n2 subjects, (n1 + 1, n2 + 1)."""
    from scipy.stats import hypergeom

    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    if greater:
        return np.asarray(hypergeom.sf(x1 - 1, n1 + n2, x1 + x2, n1))
    return np.asarray(hypergeom.cdf(x1, n1 + n2, x1 + x2, n1))


def _largest(extreme: npt.NDArray[np.bool_], n1: int, n2: int) -> tuple[float, float]:
    """The largest probability of the tables `extreme` over the common proportion, and where it is."""
    from scipy.stats import binom

    low, high, best, at = 0.0, 1.0, 0.0, 0.5
    for _ in range(_REFINED):
        points = np.linspace(low, high, _NUISANCE + 1)
        first = binom.pmf(np.arange(n1 + 1)[:, None], n1, points)
        second = binom.pmf(np.arange(n2 + 1)[:, None], n2, points)
        chances = (first * (extreme.astype(np.float64) @ second)).sum(axis=0)
        if chances.max() > best:
            best, at = float(chances.max()), float(points[np.argmax(chances)])
        step = (high - low) / _NUISANCE
        low, high = max(at - 2 * step, 0.0), min(at + 2 * step, 1.0)
    return min(best, 1.0), at
