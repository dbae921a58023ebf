"""Agreement of two readings of the same things: Cohen's kappa for categories, limits of agreement for numbers.

Kappa: Cohen (1960). Its large-sample standard error for kappa other than zero: Fleiss, Cohen & Everitt (1969,
Psychological Bulletin 72:323), eq. 13 for unweighted kappa; the same as ASE of SAS PROC FREQ. Limits of agreement:
Bland & Altman (1986, Lancet i:307), with 1.96 standard deviations.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from studies.statistics.probability import normal_quantile


@dataclass(frozen=True)
class Kappa:
    """
    kappa -- None where it is undefined: n = 0, or both readings know one category alone, the same
    se    -- None where kappa is; 0 where nothing disagrees, and then there is no interval either
    lower, upper -- 95 %, by the normal distribution, cut at -1 and 1
    """

    n: int
    categories: int
    observed: float | None
    expected: float | None
    kappa: float | None
    se: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Limits:
    """Differences, the second reading less the first: their mean and SD, and mean -+ 1.96 SD. Needs two pairs."""

    n: int
    mean: float | None
    sd: float | None
    lower: float | None
    upper: float | None


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> Kappa:
    """Kappa of (first reading, second reading). Counts are whole, so "undefined" is decided exactly."""
    n, cells = len(pairs), Counter(pairs)
    rows, columns = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    names = set(rows) | set(columns)
    if not n:
        return Kappa(0, 0, None, None, None, None, None, None)
    same = sum(cells[name, name] for name in names)
    by_chance = sum(rows[name] * columns[name] for name in names)  # of n * n
    observed, expected = same / n, by_chance / (n * n)
    if by_chance == n * n:
        return Kappa(n, len(names), observed, expected, None, None, None, None)
    kappa = (observed - expected) / (1 - expected)
    if same == n:
        return Kappa(n, len(names), observed, expected, kappa, 0.0, None, None)
    se = _standard_error(cells, rows, columns, n, observed, expected)
    half = normal_quantile() * se
    return Kappa(
        n, len(names), observed, expected, kappa, se, max(-1.0, kappa - half), min(1.0, kappa + half)
    )


def _standard_error(
    cells: Counter[tuple[Hashable, Hashable]],
    rows: Counter[Hashable],
    columns: Counter[Hashable],
    n: int,
    observed: float,
    expected: float,
) -> float:
    terms = []
    for (one, other), count in cells.items():
        share = count / n
        if one == other:
            margins = (rows[one] + columns[one]) / n
            terms.append(share * ((1 - expected) - margins * (1 - observed)) ** 2)
        else:
            # Of the first reading's column margin and the second's row margin: p.i and pj.
            margins = (columns[one] + rows[other]) / n
            terms.append(share * (1 - observed) ** 2 * margins**2)
    rest = (observed * expected - 2 * expected + observed) ** 2
    # Sorted by size, so that no order of the pairs shows in the last digit.
    variance = max(0.0, math.fsum(terms) - rest) / (n * (1 - expected) ** 4)
    return math.sqrt(variance)


def limits_of_agreement(pairs: Sequence[tuple[float, float]]) -> Limits:
    """Bland-Altman limits of (first, second)."""
    n = len(pairs)
    differences = [second - first for first, second in pairs]
    if n < 2:
        return Limits(n, differences[0] if n else None, None, None, None)
    mean = math.fsum(differences) / n
    sd = math.sqrt(math.fsum((one - mean) ** 2 for one in differences) / (n - 1))
    half = normal_quantile() * sd
    return Limits(n, mean, sd, mean - half, mean + half)
