"""Limits for few subjects: each of them left out in turn, and Student's t.

The robust errors of weighted models, of restricted means and of matched indirect comparisons rest on influence
functions and are too short in small samples: at 30 subjects their 95 % limits hold the truth 90 to 93 times in a
hundred. The jackknife (Efron & Stein 1981, Annals of Statistics 9:586) makes everything anew without each subject - the
score too - and covers better (docs/reference/statistics, "Few subjects"), though not with a handful of events. With
fewer than `FEW` in an arm the limits are its.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.causal.bootstrap import jackknife
from studies.statistics.estimate import Estimate
from studies.statistics.probability import CI_LEVEL

FEW = 50
MOST = 1000  # subjects who can be left out in turn: each is a fit
METHOD = (
    "jackknife SE, each {unit} left out in turn, limits {level:.0%} by t on {degrees:.4g} degrees of freedom"
)

ONE_CARRIES = Reason(
    "one_carries",
    "剔除某一名受试者后即无法估计：结果取决于个别人，区间由稳健标准误得出，可能过窄",
    "without one of the subjects nothing can be estimated: single people carry the result, and its limits, by the "
    "robust error, may be too narrow",
)
NOT_WITHOUT_ONE = Reason(
    "not_without_one",
    "剔除某一名受试者后无法估计，小样本误差因此无法得出：{why}",
    "Without one of the subjects nothing can be estimated, so that there is no error for few subjects: {why}",
)


TOO_MANY_TO_LEAVE_OUT = Reason(
    "too_many_to_leave_out",
    f"有一组不足 {FEW} 人，而受试者总数过多，无法逐一剔除：稳健标准误偏小，置信区间可能过窄",
    f"an arm has fewer than {FEW} subjects, and there are too many to leave out in turn: the robust error is short and "
    "the limits may be too narrow",
)


def few(*arms: int) -> bool:
    """Whether the limits are those of few subjects, by the sizes of the arms."""
    return min(arms) < FEW and sum(arms) <= MOST


@dataclass(frozen=True)
class LeftOut:
    """An estimate with its jackknife error, and how that is said. `se` is on the scale on which limits were made.

    `method` is empty where the error is the model's own.
    """

    estimate: Estimate
    method: str
    warnings: tuple[str, ...] = ()


def by_leaving_out(
    statistic: Callable[[Bools], float],
    n: int,
    *,
    scale: Literal["identity", "log"] = "identity",
    cluster: npt.ArrayLike | None = None,
    added_variance: float = 0.0,
) -> LeftOut:
    """`statistic(kept)` of n rows, `kept` (n,); on `scale` it is what has a symmetric error (a log ratio).

    cluster        -- (n,) labels: whole matched pairs are left out
    added_variance -- of an independent part that is not ours: a published result
    Raises `CannotEstimate` where leaving out one leaves no estimate.
    """
    try:
        found = jackknife(lambda counts: np.array([statistic(counts > 0)]), n, cluster=cluster)
    except CannotEstimate as reason:
        raise CannotEstimate(NOT_WITHOUT_ONE, why=reason.text) from reason
    se = math.sqrt(float(found.se[0]) ** 2 + added_variance)
    unit = "subject" if cluster is None else "matched pair"
    return _limits(float(found.value[0]), se, found.groups - 1, scale, unit)


def hotelling(statistic: Callable[[Bools], Floats], n: int) -> tuple[float, int, float]:
    """T^2, q and p of `statistic(kept)` (q,) against 0 with its jackknife covariance over n rows (Hotelling 1931).

    Raises `CannotEstimate` where leaving out one leaves no estimate, or the covariance has no inverse.
    """
    from scipy.special import fdtrc

    everybody = np.ones(n, dtype=bool)
    value = statistic(everybody)
    try:
        left = np.array([statistic(everybody & (np.arange(n) != at)) for at in range(n)])
    except CannotEstimate as reason:
        raise CannotEstimate(NOT_WITHOUT_ONE, why=reason.text) from reason
    q = len(value)
    away = left - left.mean(axis=0)
    covariance = (n - 1) / n * away.T @ away
    if n <= q or np.linalg.matrix_rank(covariance, hermitian=True) < q:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="Hotelling's T^2")
    square = float(value @ np.linalg.solve(covariance, value))
    return square, q, float(fdtrc(q, n - q, square * (n - q) / (q * (n - 1))))


def of_two(
    value: float,
    errors: tuple[float, float],
    sizes: tuple[int, int],
    *,
    scale: Literal["identity", "log"] = "identity",
) -> LeftOut:
    """What two independent arms differ by, on `scale`, from the jackknife error of each. Welch (1947): the smaller arm
    that makes the error gives the degrees of freedom. Without any error there are as many as both arms give.
    """
    parts = [error**2 for error in errors]
    spread = sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    degrees = sum(parts) ** 2 / spread if spread > 0 else float(sum(sizes) - 2)
    return _limits(value, math.sqrt(sum(parts)), degrees, scale, "subject")


def _limits(value: float, se: float, degrees: float, scale: Literal["identity", "log"], unit: str) -> LeftOut:
    from scipy.special import stdtr, stdtrit

    reach = float(stdtrit(degrees, 0.5 + CI_LEVEL / 2.0)) * se
    p = 2.0 * float(stdtr(degrees, -abs(value) / se)) if se > 0 else None
    back = math.exp if scale == "log" else float
    estimate = Estimate(back(value), se, back(value - reach), back(value + reach), p, CI_LEVEL, scale)
    return LeftOut(estimate, METHOD.format(unit=unit, level=CI_LEVEL, degrees=degrees))
