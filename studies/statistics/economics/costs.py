"""Mean cost per patient. A payer pays the mean; the median tells what is usual; costs are skewed.

With a few dozen skewed costs Student's interval is short on the right; the bias-corrected and accelerated
bootstrap (Efron 1987, JASA 82:171) moves with the skewness. It resamples with a stated seed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CONSTANT, ONE_ARM, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.economics.quantiles import Quantile, quantiles
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import amounts, between, one_of, whole

TOO_FEW_REPLICATES = Reason(
    "too_few_replicates",
    "自助法重复次数太少，无法给出该水平的区间端点；请增加重复次数。",
    "There are too few bootstrap replicates for limits at this level: ask for more.",
)
REPLICATES = 9999  # skewed samples of 30 ask for limits beyond the 99.95th percentile
_AT_ONCE = 4_000_000  # resampled values held in memory at one time


@dataclass(frozen=True)
class CostSummary:
    """One group: mean with limits, standard deviation, share without any cost, extremes and quartiles."""

    group: Hashable
    n: int
    mean: Estimate
    sd: float
    without_cost: int
    lowest: float
    quantiles: tuple[Quantile, ...]
    highest: float
    total: float
    method: str


@checked
def mean_cost(
    cost: npt.ArrayLike,
    *,
    method: str = "bca",
    replicates: int = REPLICATES,
    seed: int = 0,
    conf_level: float = CI_LEVEL,
) -> Estimate:
    """The mean of cost (n,) >= 0. method: "t" (Student), "bca" or "percentile" bootstrap.

    The standard error is sd/sqrt(n) for "t" and that of the replicates otherwise.
    Raises `CannotEstimate` for fewer than two, negative, or (for the bootstrap) constant costs.
    """
    y = amounts(cost, "cost")
    one_of(method, "method", ("bca", "percentile", "t"))
    between(conf_level, "conf_level", 0, 1)
    if len(y) < 2:
        raise CannotEstimate(TOO_MANY_TERMS)
    if method == "t":
        from scipy.special import stdtrit

        se = float(y.std(ddof=1)) / math.sqrt(len(y))
        half = float(stdtrit(len(y) - 1, 0.5 + conf_level / 2)) * se
        return Estimate(float(y.mean()), se, float(y.mean()) - half, float(y.mean()) + half, None, conf_level)
    if np.ptp(y) == 0:
        raise CannotEstimate(CONSTANT, variable="cost")
    drawn = _resampled_means(y, whole(replicates, "replicates", 1), np.random.default_rng(seed))
    return _interval(float(y.mean()), drawn, y - y.mean(), method, conf_level)


@checked
def cost_difference(
    cost: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    reference: Hashable,
    method: str = "bca",
    replicates: int = REPLICATES,
    seed: int = 0,
    conf_level: float = CI_LEVEL,
) -> Estimate:
    """Mean cost of the other group minus that of `reference`. cost (n,), group (n,) with two levels.

    method: "welch" (`t.test` in R, with p), "bca" or "percentile" (each group resampled by itself; no p).
    Raises `CannotEstimate` for one group, more than two, fewer than two subjects in one, constant costs.
    """
    y = amounts(cost, "cost")
    arms = labels(group, "group", len(y))
    one_of(method, "method", ("bca", "percentile", "welch"))
    between(conf_level, "conf_level", 0, 1)
    if len(arms) != 2:
        raise CannotEstimate(ONE_ARM)
    if reference not in arms.levels:
        allowed = ", ".join(str(level) for level in arms.levels)
        raise CannotEstimate(BAD_ARGUMENT, argument="reference", allowed=allowed)
    base = arms.codes == arms.levels.index(reference)
    one, two = y[~base], y[base]
    if min(len(one), len(two)) < 2:
        raise CannotEstimate(TOO_MANY_TERMS)
    if np.ptp(one) == 0 and np.ptp(two) == 0:
        raise CannotEstimate(CONSTANT, variable="cost")
    value = float(one.mean() - two.mean())
    if method == "welch":
        return _welch(value, one, two, conf_level)
    rng = np.random.default_rng(seed)
    times = whole(replicates, "replicates", 1)
    drawn = _resampled_means(one, times, rng) - _resampled_means(two, times, rng)
    # Each subject's influence on the difference, scaled to its own group's size.
    influence = np.concatenate([(one - one.mean()) / len(one), -(two - two.mean()) / len(two)])
    return _interval(value, drawn, influence, method, conf_level)


@checked
def cost_summary(
    cost: npt.ArrayLike,
    *,
    group: Sequence[Hashable] | npt.ArrayLike | None = None,
    method: str = "bca",
    replicates: int = REPLICATES,
    seed: int = 0,
    conf_level: float = CI_LEVEL,
) -> tuple[CostSummary, ...]:
    """Mean, spread, quartiles and total, for all ("all") and for each group: arm, hospital, year.

    cost (n,) >= 0, group (n,). Options as in `mean_cost`. Raises `CannotEstimate` as `mean_cost` does: a group
    of one subject, or of equal costs by the bootstrap, has no interval.
    """
    y = amounts(cost, "cost")
    parts: list[tuple[Hashable, Floats]] = [("all", y)]
    if group is not None:
        groups = labels(group, "group", len(y))
        parts += [(level, y[groups.codes == code]) for code, level in enumerate(groups.levels)]
    return tuple(
        CostSummary(
            group=level,
            n=len(part),
            mean=mean_cost(part, method=method, replicates=replicates, seed=seed, conf_level=conf_level),
            sd=float(part.std(ddof=1)),
            without_cost=int((part == 0).sum()),
            lowest=float(part.min()),
            quantiles=quantiles(part, conf_level=conf_level),
            highest=float(part.max()),
            total=float(part.sum()),
            method=f"mean with {method} limits" + ("" if method == "t" else f", seed {seed}"),
        )
        for level, part in parts
    )


@checked
def bca_limits(
    value: float, replicates: npt.ArrayLike, influence: npt.ArrayLike, *, conf_level: float = CI_LEVEL
) -> tuple[float, float]:
    """Bias-corrected and accelerated limits from replicates (B,) and empirical influence values (n,).

    As `boot::boot.ci(type = "bca", L = influence)`: acceleration sum L^3 / (6 (sum L^2)^1.5), order statistics
    interpolated on the normal scale (Davison & Hinkley 1997, 5.3.2 and equation 5.8).
    Raises `CannotEstimate` where all replicates lie on one side of the value, or a limit lies beyond them.
    """
    from scipy.special import ndtr, ndtri

    drawn = np.sort(numbers(replicates, "replicates"))
    pull = numbers(influence, "influence")
    tail = (1.0 - between(conf_level, "conf_level", 0, 1)) / 2.0
    below = float((drawn < value).mean())
    if not 0.0 < below < 1.0 or not (pull != 0).any():
        raise CannotEstimate(TOO_FEW_REPLICATES)
    shift = float(ndtri(below))
    pull = pull / np.abs(pull).max()
    acceleration = float((pull**3).sum() / (6.0 * (pull**2).sum() ** 1.5))
    ends = []
    for level in (tail, 1.0 - tail):
        moved = shift + float(ndtri(level))
        ends.append(_order_statistic(drawn, float(ndtr(shift + moved / (1.0 - acceleration * moved)))))
    return ends[0], ends[1]


def _interval(value: float, drawn: Floats, influence: Floats, method: str, conf_level: float) -> Estimate:
    if method == "bca":
        lower, upper = bca_limits(value, drawn, influence, conf_level=conf_level)
    else:
        tail = (1.0 - conf_level) / 2.0
        ordered = np.sort(drawn)
        lower, upper = _order_statistic(ordered, tail), _order_statistic(ordered, 1.0 - tail)
    return Estimate(value, float(drawn.std(ddof=1)), lower, upper, None, conf_level)


def _order_statistic(drawn: Floats, level: float) -> float:
    """The replicate of rank (B + 1) level, interpolated on the scale of normal quantiles."""
    from scipy.special import ndtri

    rank = (len(drawn) + 1) * level
    k = int(rank + 1e-9)
    if k < 1 or k >= len(drawn) + (abs(rank - k) < 1e-9):
        raise CannotEstimate(TOO_FEW_REPLICATES)
    if abs(rank - k) < 1e-9:
        return float(drawn[k - 1])
    at, low, high = (float(ndtri(one / (len(drawn) + 1))) for one in (rank, k, k + 1))
    return float(drawn[k - 1] + (at - low) / (high - low) * (drawn[k] - drawn[k - 1]))


def _resampled_means(y: Floats, replicates: int, rng: np.random.Generator) -> Floats:
    """Means of resamples with replacement, in blocks so that memory stays bounded."""
    block = max(1, _AT_ONCE // len(y))
    parts = [
        y[rng.integers(0, len(y), (min(block, replicates - start), len(y)))].mean(axis=1)
        for start in range(0, replicates, block)
    ]
    return np.concatenate(parts)


def _welch(value: float, one: Floats, two: Floats, conf_level: float) -> Estimate:
    from scipy.special import stdtr, stdtrit

    first, second = one.var(ddof=1) / len(one), two.var(ddof=1) / len(two)
    se = math.sqrt(first + second)
    df = (first + second) ** 2 / (first**2 / (len(one) - 1) + second**2 / (len(two) - 1))
    half = float(stdtrit(df, 0.5 + conf_level / 2)) * se
    p = 2.0 * float(stdtr(df, -abs(value) / se))
    return Estimate(value, se, value - half, value + half, p, conf_level)
