"""Two groups within strata: the Cochran-Mantel-Haenszel test, common measures, and whether they are common.

Sources: Mantel & Haenszel (1959); Cochran (1954); Robins, Breslow & Greenland (1986, variance of the log odds
ratio); Greenland & Robins (1985, risk ratio and risk difference); Sato (1989, risk difference); Birch (1965)
for larger tables; Breslow & Day (1980, volume I, 4.4) with Tarone's correction (1985); Gart (1970, exact);
R's manual of mantelhaen.test.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.counts.conditional import Conditional
from studies.statistics.counts.measure import (
    Alternative,
    Measure,
    Roots,
    chosen,
    finite_or_none,
    kept,
    normal_p,
    positive,
    sentence,
    side,
    tail_of,
    whole,
    z_of,
)
from studies.statistics.inputs import labels, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import chi_square_p

BAD_STRATA = Reason(
    "bad_strata",
    "分层表的形状必须为（层, 行, 列），至少两行两列，且每层至少两名受试者。",
    "Stratified tables have the shape (strata, rows, columns), two or more of each, and two subjects a stratum.",
)
NO_INFORMATIVE_STRATUM = Reason(
    "no_informative_stratum",
    "没有任何一层同时含有两个组以及有、无事件的受试者，无法估计。",
    "No stratum has both groups and both outcomes: nothing can be estimated.",
)
OPEN_COMMON_RATIO = Reason(
    "open_common_ratio",
    "合并比值为 0 或无穷大：仅一侧界限有限，或无标准误。",
    "The common ratio is 0 or infinite: it has no standard error, or one finite limit only.",
)
NEEDS_TWO_STRATA = Reason(
    "needs_two_strata", "齐性检验至少需要两个有信息的层。", "Homogeneity needs two informative strata."
)


@dataclass(frozen=True)
class StratifiedTest:
    """A chi-square test over strata; z (2 x 2 only) is positive where group 1 has more events."""

    chisq: float
    df: int
    p: float
    alternative: Alternative
    method: str
    z: float | None = None


@dataclass(frozen=True)
class CommonMeasure:
    """A common measure over `strata` of which `informative` contribute."""

    measure: Measure
    strata: int
    informative: int


def stratified_tables(
    outcome: npt.ArrayLike, group: npt.ArrayLike, strata: Sequence[Hashable] | npt.ArrayLike
) -> Floats:
    """Tables (k, 2, 2) from subjects: outcome (n,) 0/1, group (n,) 0/1, strata (n,) labels.

    Row 0 is group 1, column 0 the event, so that the first cell counts exposed events. Raises
    `CannotEstimate`: NO_SUBJECTS, BAD_CODES, BAD_LABELS, LENGTHS_DIFFER.
    """
    happened = yes_no(outcome, "outcome")
    first = yes_no(group, "group", len(happened))
    levels = labels(strata, "strata", len(happened))
    cell = levels.codes * 4 + np.where(first, 0, 2) + np.where(happened, 0, 1)
    return np.bincount(cell, minlength=4 * len(levels)).astype(float).reshape(len(levels), 2, 2)


@checked
def cmh_test(
    tables: npt.ArrayLike, *, correct: bool = True, alternative: str = "two-sided"
) -> StratifiedTest:
    """The Cochran-Mantel-Haenszel test: mantelhaen.test(x, correct=).

    tables -- (k, r, c) counts; R holds the strata in the last dimension, here they come first. For 2 x 2 the
    continuity correction of 1/2 is taken off unless |deviation| < 1/2, as R does; larger tables have the
    generalised test of association with (r - 1)(c - 1) degrees and no correction.
    Raises `CannotEstimate`: BAD_STRATA, NOT_A_COUNT, NO_INFORMATIVE_STRATUM, BAD_ARGUMENT.
    """
    counts, way = _checked(tables), side(alternative)
    if counts.shape[1:] != (2, 2):
        if way != "two-sided":
            chosen(way, ("two-sided",), "alternative")
        return _general(counts)
    n = counts.sum(axis=(1, 2))
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    variance = float((rows.prod(axis=1) * columns.prod(axis=1) / (n**2 * (n - 1))).sum())
    if variance == 0.0:
        raise CannotEstimate(NO_INFORMATIVE_STRATUM)
    deviation = float((counts[:, 0, 0] - rows[:, 0] * columns[:, 0] / n).sum())
    yates = 0.5 if correct and abs(deviation) >= 0.5 else 0.0
    z = math.copysign((abs(deviation) - yates) / math.sqrt(variance), deviation)
    name = f"Cochran-Mantel-Haenszel test {'with' if yates else 'without'} continuity correction, {way}"
    return StratifiedTest(z * z, 1, normal_p(z, way), way, name, z)


@checked
def common_odds_ratio(
    tables: npt.ArrayLike,
    *,
    method: Literal["mantel-haenszel", "conditional"] = "mantel-haenszel",
    roots: Roots = "r",
    null: float = 1.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> CommonMeasure:
    """The odds ratio common to the strata, with its interval.

    method: "mantel-haenszel" with the Robins-Breslow-Greenland variance (p by Wald of `null`; the test of
    mantelhaen.test is `cmh_test`), "conditional": exact given all margins, maximum likelihood estimate, exact
    limits and p (mantelhaen.test(exact=TRUE)); roots as in `odds_ratio`. tables (k, 2, 2).
    Raises `CannotEstimate`: BAD_STRATA, NOT_A_COUNT, NO_INFORMATIVE_STRATUM, BAD_ARGUMENT, OUT_OF_RANGE;
    OPEN_COMMON_RATIO where the Mantel-Haenszel estimate is 0 or infinite.
    """
    counts, way = _checked(tables, two_by_two=True), side(alternative)
    by = chosen(method, ("mantel-haenszel", "conditional"), "method")
    precision = cast(Roots, chosen(roots, ("r", "exact"), "roots"))
    odds0, tail = positive(null, "null"), tail_of(conf_level, way)
    useful = _informative(counts)
    if by == "mantel-haenszel":
        middle, se = _log_odds(counts)
        shown = _on_log_scale(
            middle, se, math.log(odds0), tail, way, conf_level, "common odds ratio, RBG variance"
        )
        return CommonMeasure(shown, len(counts), useful)
    whole_counts = counts.astype(np.intp)
    rows, events = whole_counts.sum(axis=2), whole_counts.sum(axis=1)[:, 0]
    given = Conditional(rows[:, 0], rows[:, 1], events, int(whole_counts[:, 0, 0].sum()))
    value = given.estimate(precision)
    low, high = kept(*given.limits(tail, precision), way, 0.0, math.inf)
    name = "common odds ratio, exact conditional" + (" as R's mantelhaen.test" if precision == "r" else "")
    shown = Measure(
        estimate=finite_or_none(value),
        lower=low,
        upper=finite_or_none(high),
        p=given.p(odds0, way),
        method=sentence(name, way, conf_level),
        conf_level=conf_level,
        alternative=way,
        statement=None if 0.0 < value < math.inf else OPEN_COMMON_RATIO.about(),
    )
    return CommonMeasure(shown, len(counts), useful)


@checked
def common_risk_ratio(
    tables: npt.ArrayLike, *, null: float = 1.0, conf_level: float = 0.95, alternative: str = "two-sided"
) -> CommonMeasure:
    """The Mantel-Haenszel risk ratio with the Greenland-Robins variance of its logarithm. tables (k, 2, 2).

    Strata of nobody or one subject say nothing and are passed over (metafor's rma.mh: the same numbers). Else it
    raises `CannotEstimate` as `common_odds_ratio`.
    """
    counts, way = _checked(tables, two_by_two=True, smallest=0), side(alternative)
    given, counts = len(counts), _of_two(counts)
    ratio0, tail = positive(null, "null"), tail_of(conf_level, way)
    useful = _informative(counts)
    (a, _), (c, _) = counts.transpose(1, 2, 0)
    n1, n2 = counts.sum(axis=2).T
    n = n1 + n2
    over, under = float((a * n2 / n).sum()), float((c * n1 / n).sum())
    if over == 0.0 or under == 0.0:
        raise CannotEstimate(OPEN_COMMON_RATIO)
    spread = float(((n1 * n2 * (a + c) - a * c * n) / n**2).sum()) / (over * under)
    name = "common risk ratio, Mantel-Haenszel, Greenland-Robins variance"
    shown = _on_log_scale(
        math.log(over / under), math.sqrt(spread), math.log(ratio0), tail, way, conf_level, name
    )
    return CommonMeasure(shown, given, useful)


@checked
def common_risk_difference(
    tables: npt.ArrayLike,
    *,
    variance: Literal["sato", "greenland-robins"] = "sato",
    null: float = 0.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> CommonMeasure:
    """The Mantel-Haenszel risk difference. tables (k, 2, 2).

    variance: "sato" (consistent for few large and for many small strata) or "greenland-robins". A stratum
    with one group only, or with fewer than two subjects, carries no weight. Raises `CannotEstimate` as
    `common_odds_ratio`.
    """
    counts, way = _checked(tables, two_by_two=True, smallest=0), side(alternative)
    given, counts = len(counts), _of_two(counts)
    by = chosen(variance, ("sato", "greenland-robins"), "variance")
    (a, b), (c, d) = counts.transpose(1, 2, 0)
    n1, n2 = counts.sum(axis=2).T
    n = n1 + n2
    both = (n1 > 0) & (n2 > 0)
    a, b, c, d, n1, n2, n = (one[both] for one in (a, b, c, d, n1, n2, n))
    weight = float((n1 * n2 / n).sum()) if both.any() else 0.0
    if weight == 0.0:
        raise CannotEstimate(NO_INFORMATIVE_STRATUM)
    difference = float(((a * n2 - c * n1) / n).sum()) / weight
    if by == "sato":
        p = ((n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / n**2).sum()
        q = ((a * (n2 - c) + c * (n1 - a)) / (2 * n)).sum()
        spread = float(difference * p + q) / weight**2
    else:
        spread = float(((a * b * n2**3 + c * d * n1**3) / (n1 * n2 * n**2)).sum()) / weight**2
    if spread <= 0.0:
        raise CannotEstimate(NO_INFORMATIVE_STRATUM)
    se, z = math.sqrt(spread), z_of(tail_of(conf_level, way))
    low, high = kept(max(difference - z * se, -1.0), min(difference + z * se, 1.0), way, -1.0, 1.0)
    name = sentence(f"common risk difference, Mantel-Haenszel, {by} variance", way, conf_level)
    p_value = normal_p((difference - null) / se, way)
    return CommonMeasure(
        Measure(difference, low, high, p_value, name, se, conf_level, way), given, int(both.sum())
    )


@checked
def breslow_day(tables: npt.ArrayLike, *, tarone: bool = True) -> StratifiedTest:
    """Is the odds ratio the same in all strata? Breslow-Day, with Tarone's correction unless told otherwise.

    tables (k, 2, 2). Strata without both groups and both outcomes do not count; df is the number of the
    others less one; strata of fewer than two subjects are passed over. Raises `CannotEstimate`: BAD_STRATA,
    NOT_A_COUNT, NO_INFORMATIVE_STRATUM, NEEDS_TWO_STRATA, OPEN_COMMON_RATIO.
    """
    counts = _of_two(_checked(tables, two_by_two=True, smallest=0))
    _informative(counts)
    middle, _ = _log_odds(counts)
    odds = math.exp(middle)
    n1, n2 = counts.sum(axis=2).T
    m = counts[:, :, 0].sum(axis=1)
    useful = (n1 > 0) & (n2 > 0) & (m > 0) & (m < n1 + n2)
    if useful.sum() < 2:
        raise CannotEstimate(NEEDS_TWO_STRATA)
    seen, n1, n2, m = counts[useful, 0, 0], n1[useful], n2[useful], m[useful]
    fitted = _expected_cell(n1, n2, m, odds)
    variance = 1.0 / (1 / fitted + 1 / (n1 - fitted) + 1 / (m - fitted) + 1 / (n2 - m + fitted))
    chisq = float(((seen - fitted) ** 2 / variance).sum())
    if tarone:
        chisq -= float((seen - fitted).sum()) ** 2 / float(variance.sum())
    df = int(useful.sum()) - 1
    name = "Breslow-Day test of a common odds ratio" + (", Tarone's correction" if tarone else "")
    return StratifiedTest(chisq, df, chi_square_p(max(chisq, 0.0), df), "two-sided", name)


def _expected_cell(n1: Floats, n2: Floats, m: Floats, odds: float) -> Floats:
    """The first cell that gives the odds ratio with these margins: the root of a quadratic, in stable form."""
    a, b = odds - 1.0, n2 - m + odds * (n1 + m)
    inside = np.sqrt(np.maximum(b * b - 4.0 * a * odds * n1 * m, 0.0))
    return np.asarray(2.0 * odds * n1 * m / (b + inside))


def _log_odds(counts: Floats) -> tuple[float, float]:
    """The log of the Mantel-Haenszel odds ratio and its standard error (Robins, Breslow & Greenland 1986)."""
    n = counts.sum(axis=(1, 2))
    (a, b), (c, d) = counts.transpose(1, 2, 0)
    p, q, r, s = (a + d) / n, (b + c) / n, a * d / n, b * c / n
    over, under = float(r.sum()), float(s.sum())
    if over == 0.0 or under == 0.0:
        raise CannotEstimate(OPEN_COMMON_RATIO)
    spread = (
        (p * r).sum() / (2 * over**2)
        + (p * s + q * r).sum() / (2 * over * under)
        + (q * s).sum() / (2 * under**2)
    )
    return math.log(over / under), math.sqrt(float(spread))


def _informative(counts: Floats) -> int:
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    useful = int(((rows > 0).all(axis=1) & (columns > 0).all(axis=1)).sum())
    if useful == 0:
        raise CannotEstimate(NO_INFORMATIVE_STRATUM)
    return useful


def _of_two(counts: Floats) -> Floats:
    """The strata with two subjects or more; none of them is no informative stratum."""
    kept = counts[counts.sum(axis=(1, 2)) >= 2]
    if len(kept) == 0:
        raise CannotEstimate(NO_INFORMATIVE_STRATUM)
    return np.asarray(kept)


def _checked(tables: npt.ArrayLike, *, two_by_two: bool = False, smallest: int = 2) -> Floats:
    """Counts (k, r, c). The tests and the exact odds ratio refuse strata of fewer than two, as mantelhaen.test."""
    try:
        counts = np.asarray(tables, dtype=np.float64)
    except (TypeError, ValueError) as ragged:
        raise CannotEstimate(BAD_STRATA) from ragged
    if counts.ndim != 3 or len(counts) == 0 or min(counts.shape[1:]) < 2:
        raise CannotEstimate(BAD_STRATA)
    if two_by_two and counts.shape[1:] != (2, 2):
        raise CannotEstimate(BAD_STRATA)
    for cell in (counts.min(), *counts[counts != np.floor(counts)][:1]):
        whole(float(cell), "tables")
    if not np.isfinite(counts).all() or (counts.sum(axis=(1, 2)) < smallest).any():
        raise CannotEstimate(BAD_STRATA)
    return counts


def _on_log_scale(
    middle: float, se: float, null: float, tail: float, way: Alternative, conf_level: float, name: str
) -> Measure:
    z = z_of(tail)
    low, high = kept(math.exp(middle - z * se), math.exp(middle + z * se), way, 0.0, math.inf)
    text = sentence(name, way, conf_level)
    return Measure(
        math.exp(middle),
        low,
        finite_or_none(high),
        normal_p((middle - null) / se, way),
        text,
        se,
        conf_level,
        way,
    )


def _general(counts: Floats) -> StratifiedTest:
    """Birch's generalised test: the deviations of all cells but the last row and column, over strata."""
    n = counts.sum(axis=(1, 2))
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    r, c = counts.shape[1] - 1, counts.shape[2] - 1
    expected = rows[:, :r, None] * columns[:, None, :c] / n[:, None, None]
    deviation = (counts[:, :r, :c] - expected).sum(axis=0).ravel()
    by_row = _spread(rows[:, :r], n)
    by_column = _spread(columns[:, :c], n)
    scale = 1.0 / (n**2 * (n - 1))
    covariance = np.einsum("k,kij,klm->iljm", scale, by_row, by_column).reshape(r * c, r * c)
    if np.linalg.matrix_rank(covariance) < r * c:
        raise CannotEstimate(NO_INFORMATIVE_STRATUM)
    chisq = float(deviation @ np.linalg.solve(covariance, deviation))
    name = "generalised Cochran-Mantel-Haenszel test of association"
    return StratifiedTest(chisq, r * c, chi_square_p(chisq, r * c), "two-sided", name)


def _spread(margins: Floats, n: Floats) -> Floats:
    """n diag(m) - m m' of each stratum."""
    diagonal = np.einsum("ki,ij->kij", margins * n[:, None], np.eye(margins.shape[1]))
    return np.asarray(diagonal - margins[:, :, None] * margins[:, None, :])
