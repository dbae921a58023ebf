"""Bootstrap and jackknife as re-weighting: a resample is a row of counts, so nothing is copied or sorted.

Sandwich and influence-function errors are too small in small samples (at 60 people with three terms by
5 %); the jackknife, a little too large, is the safer of the two below a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.causal.designs import check_level
from studies.statistics.inputs import labels
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile

TOO_MANY_FAILED = Reason(
    "too_many_failed",
    "{groups} 次重抽样中有 {failed} 次无法估计（最多允许 5%），重抽样标准误不可信。",
    "{failed} of {groups} resamples could not be estimated (5 % are allowed): no honest error can be given.",
)
LEAVE_ONE_OUT_FAILED = Reason(
    "leave_one_out_failed",
    "刀切法：逐一剔除的 {groups} 次拟合中有 {failed} 次无法估计（例如剔除某个离群受试者后模型出现分离）。",
    "Jackknife: {failed} of the {groups} fits that leave one out could not be done (without an outlier the model "
    "separates, say).",
)
_MOST_FAILURES = 0.05  # of the resamples; beyond, those that succeed are no sample of all


@dataclass(frozen=True)
class Bootstrapped:
    """k statistics: the estimate (k,), the bootstrap standard error, normal and percentile limits (k,).

    `draws` (replications - failed, k) are the resampled values; `failed` counts resamples in which the
    statistic could not be estimated.
    """

    value: Floats
    se: Floats
    lower: Floats
    upper: Floats
    percentile_lower: Floats
    percentile_upper: Floats
    draws: Floats
    replications: int
    failed: int
    seed: int
    conf_level: float
    method: str


@checked
def bootstrap(
    statistics: Callable[[Floats], Floats],
    rows: int,
    *,
    replications: int = 1000,
    seed: int,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> Bootstrapped:
    """Efron (1979): resample rows, or whole clusters, with replacement; `statistics(counts)` gives (k,).

    `counts` (rows,) says how often each row was drawn; the estimate itself is `statistics` of all ones.
    Percentile limits are type-7 quantiles of the draws. Raises `CannotEstimate` for fewer than 2
    replications and when more than 5 % of the resamples cannot be estimated.
    """
    if replications < 2:
        raise CannotEstimate(BAD_ARGUMENT, argument="replications", allowed=">= 2")
    check_level(conf_level)
    codes = np.arange(rows) if cluster is None else labels(cluster, "cluster", rows).codes
    groups = int(codes.max()) + 1
    value = _finite(statistics(np.ones(rows)))
    random = np.random.default_rng(seed)
    draws, failed = [], 0
    for _ in range(replications):
        counts = random.multinomial(groups, np.full(groups, 1.0 / groups)).astype(float)
        try:
            draws.append(_finite(statistics(counts[codes])))
        except CannotEstimate:
            failed += 1
    if failed > _MOST_FAILURES * replications:
        raise CannotEstimate(TOO_MANY_FAILED, groups=str(replications), failed=str(failed))
    table = np.array(draws)
    se = table.std(axis=0, ddof=1)
    tail = (1.0 - conf_level) / 2.0
    low, high = np.quantile(table, (tail, 1.0 - tail), axis=0)
    z = normal_quantile(conf_level)
    return Bootstrapped(
        value=value,
        se=se,
        lower=value - z * se,
        upper=value + z * se,
        percentile_lower=low,
        percentile_upper=high,
        draws=table,
        replications=replications,
        failed=failed,
        seed=seed,
        conf_level=conf_level,
        method=f"bootstrap, {replications} resamples of {'rows' if cluster is None else 'clusters'}, seed {seed}",
    )


@dataclass(frozen=True)
class Jackknifed:
    """k statistics: the estimate (k,), the jackknife standard error, limits by t on groups - 1 degrees (k,)."""

    value: Floats
    se: Floats
    lower: Floats
    upper: Floats
    groups: int
    conf_level: float
    method: str


@checked
def jackknife(
    statistics: Callable[[Floats], Floats],
    rows: int,
    *,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> Jackknifed:
    """Quenouille and Tukey's jackknife: leave out each row (or cluster) in turn; `statistics(counts)` gives (k,).

    se^2 = (G - 1)/G sum (theta_(g) - their mean)^2 over G groups (Efron & Stein 1981: biased upwards).
    Raises `CannotEstimate` for fewer than 3 groups, and LEAVE_ONE_OUT_FAILED, which counts them, where a group
    is left out and nothing can be estimated: the deviations of the others are no variance of all.
    """
    check_level(conf_level)
    codes = np.arange(rows) if cluster is None else labels(cluster, "cluster", rows).codes
    groups = int(codes.max()) + 1
    if groups < 3:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="jackknife standard error")
    from scipy.special import stdtrit

    value = _finite(statistics(np.ones(rows)))
    found, failed = [], 0
    for group in range(groups):
        try:
            found.append(_finite(statistics((codes != group).astype(float))))
        except CannotEstimate:
            failed += 1
    if failed:
        raise CannotEstimate(LEAVE_ONE_OUT_FAILED, groups=str(groups), failed=str(failed))
    table = np.array(found)
    se = np.sqrt((groups - 1.0) / groups * ((table - table.mean(axis=0)) ** 2).sum(axis=0))
    reach = float(stdtrit(groups - 1, 0.5 + conf_level / 2.0)) * se
    return Jackknifed(
        value=value,
        se=se,
        lower=value - reach,
        upper=value + reach,
        groups=groups,
        conf_level=conf_level,
        method=f"jackknife over {groups} {'rows' if cluster is None else 'clusters'}, t distribution",
    )


def _finite(values: Floats) -> Floats:
    """(k,) as they are; a number that is none counts as not estimated."""
    if not np.isfinite(values).all():
        raise CannotEstimate(NOT_ESTIMABLE, statistic="resampled statistic")
    return values
