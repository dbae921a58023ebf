"""Two groups, one yes-or-no outcome: risk difference, risk ratio, odds ratio and the number needed to treat.

Groups come as `events=(a, c), n=(n1, n2)`; every measure is the first group against the second. A method that
a zero cell makes impossible refuses by name: no 0.5 is added unless "haldane-anscombe" is asked for.

Sources: Newcombe (1998, Stat Med 17:873, method 10); Agresti & Caffo (2000); Miettinen & Nurminen (1985);
Koopman (1984); Katz et al. (1978, log risk ratio); Woolf (1955); Altman (1998, BMJ 317:1309, NNT).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from rwd_platform.core.text import Bilingual
from studies.reasons import CannotEstimate, Reason
from studies.statistics.counts.conditional import Conditional
from studies.statistics.counts.measure import (
    Alternative,
    Measure,
    Roots,
    chosen,
    events_of,
    finite_or_none,
    kept,
    normal_p,
    positive,
    sentence,
    share,
    side,
    tail_of,
    z_of,
)
from studies.statistics.counts.proportions import limits
from studies.statistics.counts.score import difference_limits, difference_z, log_limits, odds_ratio_z, ratio_z
from studies.statistics.options import checked

Pair = tuple[int, int]
DifferenceMethod = Literal["miettinen-nurminen", "mee", "newcombe", "newcombe-cc", "agresti-caffo", "wald"]
RatioMethod = Literal["miettinen-nurminen", "koopman", "wald"]
OddsMethod = Literal["conditional", "mid-p", "woolf", "haldane-anscombe", "miettinen-nurminen"]

ZERO_CELL = Reason(
    "zero_cell",
    "四格表中有为 0 的单元格，该方法没有有限的估计值；未自动加 0.5。请改用得分法或条件精确法。",
    "A cell of the table is 0, so this method has no finite estimate; 0.5 is not added unasked. Use a score or "
    "the conditional exact method.",
)
NO_CONTRAST = Reason(
    "no_contrast",
    "两组都没有事件（或全部为事件），比值没有信息。",
    "Neither group has an event (or nobody is without one): the data say nothing about the ratio.",
)
OPEN_RATIO = Reason(
    "open_ratio",
    "有单元格为 0：估计值为 0 或无穷大，只有一侧的界限是有限的。",
    "A cell is 0: the estimate is 0 or infinite, and only the limit on the other side is finite.",
)
NNT_CROSSES = Reason(
    "nnt_crosses",
    "风险差的置信区间包含 0：NNT 的区间由“获益 {benefit} 至无穷大”和“损害 {harm} 至无穷大”两段组成。",
    "The interval of the risk difference holds 0: that of the NNT has two parts, {benefit} to infinity for "
    "benefit and {harm} to infinity for harm.",
)
NNT_INFINITE = Reason(
    "nnt_infinite", "两组风险相同，NNT 为无穷大。", "The risks are the same: the NNT is infinite."
)


@dataclass(frozen=True)
class NumberNeeded:
    """1 / |risk difference|, for `direction` benefit or harm; None where the risks are equal.

    benefit and harm are the parts of its interval, (from, to), `to` None for infinity; a part that the
    interval does not reach is None. Both are there when the difference's interval holds 0 (`statement`).
    """

    estimate: float | None
    direction: Literal["benefit", "harm"] | None
    benefit: tuple[float, float | None] | None
    harm: tuple[float, float | None] | None
    difference: Measure
    statement: Bilingual | None = None


@checked
def risk_difference(
    events: Pair,
    n: Pair,
    *,
    method: DifferenceMethod = "miettinen-nurminen",
    null: float = 0.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Measure:
    """p1 - p2 with its interval, and the p of difference = `null` where the method is a test turned round.

    method: "miettinen-nurminen" (score, N/(N-1)), "mee" (score without it), "newcombe" (hybrid of Wilson
    limits, method 10) and "newcombe-cc" (method 11; R's prop.test is another one), "agresti-caffo" (one
    success and one failure added to each group, that is its definition), "wald" (se = sqrt(sum pq/n)).
    p is None for Newcombe's and Agresti & Caffo's. "wald" raises ZERO_CELL where its standard error is 0.
    Raises `CannotEstimate` also: NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, OUT_OF_RANGE, BAD_ARGUMENT.
    """
    (x1, n1), (x2, n2) = _groups(events, n)
    way = side(alternative)
    options = ("miettinen-nurminen", "mee", "newcombe", "newcombe-cc", "agresti-caffo", "wald")
    by, zero = chosen(method, options, "method"), _difference_null(null)
    tail = tail_of(conf_level, way)
    z, seen = z_of(tail), x1 / n1 - x2 / n2
    p, se = None, None
    if by in ("miettinen-nurminen", "mee"):
        corrected = by == "miettinen-nurminen"
        low, high = difference_limits(x1, n1, x2, n2, z, small_sample=corrected)
        statistic = difference_z(x1, n1, x2, n2, zero, small_sample=corrected)
        p = normal_p(float(statistic), way)
    elif by in ("newcombe", "newcombe-cc"):
        low, high = _newcombe(x1, n1, x2, n2, tail, "wilson" if by == "newcombe" else "wilson-cc")
    else:
        more = 1 if by == "agresti-caffo" else 0
        p1, p2 = (x1 + more) / (n1 + 2 * more), (x2 + more) / (n2 + 2 * more)
        se = math.sqrt(p1 * (1 - p1) / (n1 + 2 * more) + p2 * (1 - p2) / (n2 + 2 * more))
        if se == 0.0:
            raise CannotEstimate(ZERO_CELL)
        low, high = max(p1 - p2 - z * se, -1.0), min(p1 - p2 + z * se, 1.0)
        p = normal_p((seen - zero) / se, way) if by == "wald" else None
    low, high = kept(low, high, way, -1.0, 1.0)
    name = sentence(f"risk difference, {by} interval", way, conf_level)
    return Measure(seen, low, high, p, name, se, conf_level, way)


@checked
def risk_ratio(
    events: Pair,
    n: Pair,
    *,
    method: RatioMethod = "miettinen-nurminen",
    null: float = 1.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Measure:
    """p1 / p2 with its interval and the p of ratio = `null`.

    method: "miettinen-nurminen" and "koopman" (score limits with and without N/(N-1)), "wald" (log scale,
    se = sqrt(1/a - 1/n1 + 1/c - 1/n2); ZERO_CELL when a group has no event). With no event in one group the
    score methods give 0 or None as estimate, the finite limit, and a `statement`; without any, NO_CONTRAST.
    Raises `CannotEstimate` also: NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, OUT_OF_RANGE, BAD_ARGUMENT.
    """
    (x1, n1), (x2, n2) = _groups(events, n)
    way, ratio0 = side(alternative), positive(null, "null")
    by = chosen(method, ("miettinen-nurminen", "koopman", "wald"), "method")
    z = z_of(tail_of(conf_level, way))
    if x1 + x2 == 0:
        raise CannotEstimate(NO_CONTRAST)
    name = f"risk ratio, {by} interval"
    if by == "wald":
        if x1 == 0 or x2 == 0 or (x1 == n1 and x2 == n2):
            raise CannotEstimate(ZERO_CELL)
        middle = math.log(x1 / n1) - math.log(x2 / n2)
        se = math.sqrt(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2)
        return _on_log_scale(middle, se, z, math.log(ratio0), way, name, conf_level)
    corrected = by == "miettinen-nurminen"

    def statistic(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        return float(ratio_z(x1, n1, x2, n2, ratio, small_sample=corrected))

    seen = _log(x1 / n1) - _log(x2 / n2)
    return _by_score(statistic, seen, z, math.log(ratio0), way, name, conf_level)


@checked
def odds_ratio(
    events: Pair,
    n: Pair,
    *,
    method: OddsMethod = "conditional",
    roots: Roots = "r",
    null: float = 1.0,
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Measure:
    """The odds ratio with its interval and the p of odds ratio = `null`.

    method: "conditional" (maximum likelihood given the margins, Fisher's exact limits and p: fisher.test),
    "mid-p" (median-unbiased, mid-P), "woolf" (ad/bc, log scale), "haldane-anscombe" (woolf after adding 0.5
    to each cell), "miettinen-nurminen" (ad/bc, score limits).
    roots: fisher.test stops its root search 1.2e-4 (absolute, in the odds ratio or its inverse) from the
    solution. "r" stops where R stops, so that a reader who runs fisher.test sees the same digits; "exact"
    goes on to the solution, and is the right choice for very small or large limits. It concerns the
    conditional method only.

    With a zero cell "conditional", "mid-p" and "miettinen-nurminen" give 0 or None, the finite limit and a
    `statement`; "woolf" raises ZERO_CELL; without events, or with nothing else, NO_CONTRAST.
    Raises `CannotEstimate` also: NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, OUT_OF_RANGE, BAD_ARGUMENT.
    """
    (x1, n1), (x2, n2) = _groups(events, n)
    way, odds0 = side(alternative), positive(null, "null")
    options = ("conditional", "mid-p", "woolf", "haldane-anscombe", "miettinen-nurminen")
    by = chosen(method, options, "method")
    precision = cast(Roots, chosen(roots, ("r", "exact"), "roots"))
    tail = tail_of(conf_level, way)
    if x1 + x2 in (0, n1 + n2):
        raise CannotEstimate(NO_CONTRAST)
    name = f"odds ratio, {by} interval"
    cells = np.array([x1, n1 - x1, x2, n2 - x2], dtype=float)
    if by == "haldane-anscombe":
        cells = cells + 0.5
    if by in ("woolf", "haldane-anscombe"):
        if not cells.all():
            raise CannotEstimate(ZERO_CELL)
        middle = math.log(cells[0] / cells[1]) - math.log(cells[2] / cells[3])
        se = math.sqrt(float((1 / cells).sum()))
        return _on_log_scale(middle, se, z_of(tail), math.log(odds0), way, name, conf_level)
    if by == "miettinen-nurminen":
        seen = _log(cells[0]) - _log(cells[1]) - _log(cells[2]) + _log(cells[3])
        return _by_score(
            lambda log_odds: float(odds_ratio_z(x1, n1, x2, n2, math.exp(log_odds))),
            seen, z_of(tail), math.log(odds0), way, name, conf_level,
        )  # fmt: skip
    given = Conditional(np.array([n1]), np.array([n2]), np.array([x1 + x2]), x1)
    if by == "mid-p":
        value, p, ends = given.median_unbiased(), given.mid_p(odds0, way), given.mid_limits(tail)
    else:
        value, p, ends = given.estimate(precision), given.p(odds0, way), given.limits(tail, precision)
        name += " as R's fisher.test" if precision == "r" else " solved exactly"
    return _open(value, *kept(*ends, way, 0.0, math.inf), p, name, way, conf_level)


@checked
def number_needed(
    events: Pair,
    n: Pair,
    *,
    outcome: Literal["harmful", "beneficial"] = "harmful",
    method: DifferenceMethod = "miettinen-nurminen",
    conf_level: float = 0.95,
) -> NumberNeeded:
    """The number needed to treat in the first group for one outcome less (harmful) or more (beneficial).

    Its limits are the inverses of those of the risk difference. Where that interval holds 0 the interval of
    the NNT runs through infinity and is given as two parts (Altman 1998). Raises as `risk_difference`.
    """
    good = chosen(outcome, ("harmful", "beneficial"), "outcome") == "beneficial"
    difference = risk_difference(events, n, method=method, conf_level=conf_level)
    sign = 1.0 if good else -1.0
    gained = sign * cast(float, difference.estimate)
    low, high = sorted((sign * cast(float, difference.lower), sign * cast(float, difference.upper)))
    benefit = (1.0 / high, 1.0 / low if low > 0 else None) if high > 0 else None
    harm = (-1.0 / low, -1.0 / high if high < 0 else None) if low < 0 else None
    said = None
    if gained == 0.0:
        said = NNT_INFINITE.about()
    elif benefit and harm:
        said = NNT_CROSSES.about(benefit=f"{benefit[0]:.1f}", harm=f"{harm[0]:.1f}")
    return NumberNeeded(
        estimate=1.0 / abs(gained) if gained else None,
        direction=None if gained == 0.0 else "benefit" if gained > 0 else "harm",
        benefit=benefit,
        harm=harm,
        difference=difference,
        statement=said,
    )


def _groups(events: Pair, n: Pair) -> tuple[Pair, Pair]:
    if len(events) != 2 or len(n) != 2:
        raise CannotEstimate(NO_CONTRAST)
    return events_of(events[0], n[0]), events_of(events[1], n[1])


def _difference_null(null: float) -> float:
    return 2.0 * share((null + 1.0) / 2.0, "null") - 1.0 if null else 0.0


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _newcombe(x1: int, n1: int, x2: int, n2: int, tail: float, method: str) -> tuple[float, float]:
    (l1,), (u1,) = limits(np.array([float(x1)]), n1, method, tail)
    (l2,), (u2,) = limits(np.array([float(x2)]), n2, method, tail)
    p1, p2 = x1 / n1, x2 / n2
    return (
        max(float(p1 - p2 - math.hypot(p1 - l1, u2 - p2)), -1.0),
        min(float(p1 - p2 + math.hypot(u1 - p1, p2 - l2)), 1.0),
    )


def _on_log_scale(
    middle: float, se: float, z: float, null: float, way: Alternative, name: str, conf_level: float
) -> Measure:
    low, high = kept(math.exp(middle - z * se), math.exp(middle + z * se), way, 0.0, math.inf)
    p = normal_p((middle - null) / se, way)
    text = sentence(name, way, conf_level)
    return Measure(math.exp(middle), low, finite_or_none(high), p, text, se, conf_level, way)


def _by_score(
    statistic: Callable[[float], float],
    seen: float,
    z: float,
    null: float,
    way: Alternative,
    name: str,
    conf_level: float,
) -> Measure:
    low, high = kept(*log_limits(statistic, z, seen), way, -math.inf, math.inf)
    value, lower, upper = (math.exp(end) if end < math.inf else math.inf for end in (seen, low, high))
    return _open(value, lower, upper, normal_p(statistic(null), way), name, way, conf_level)


def _open(
    value: float, low: float, high: float, p: float, name: str, way: Alternative, conf_level: float
) -> Measure:
    """A measure whose estimate may be 0 or infinite: that is said, and no infinity leaves."""
    return Measure(
        estimate=finite_or_none(value),
        lower=low,
        upper=finite_or_none(high),
        p=p,
        method=sentence(name, way, conf_level),
        conf_level=conf_level,
        alternative=way,
        statement=None if 0.0 < value < math.inf else OPEN_RATIO.about(),
    )
