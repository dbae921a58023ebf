"""Limits for few subjects: each of them left out in turn, and Student's t.

The robust errors of weighted models, of restricted means and of matched indirect comparisons rest on influence
functions and are too short in small samples: at 30 subjects their 95 % limits hold the truth 90 to 93 times in a
hundred. The jackknife (Efron & Stein 1981, Annals of Statistics 9:586) makes everything anew without each subject - the
score too - and covers (docs/reference/statistics, "Few subjects"). With fewer than `FEW` in an arm the limits are its.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Bools
from studies.statistics.causal.bootstrap import jackknife
from studies.statistics.estimate import Estimate
from studies.statistics.probability import CI_LEVEL

FEW = 50
MOST = 2000  # subjects who can be left out in turn: each is a fit
METHOD = "jackknife SE, each {unit} left out in turn, limits {level:.0%} by t on {degrees} degrees of freedom"

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
    """An estimate with its jackknife error, and how that is said. `se` is on the scale on which limits were made."""

    estimate: Estimate
    method: str


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
    from scipy.special import stdtr, stdtrit

    try:
        found = jackknife(lambda counts: np.array([statistic(counts > 0)]), n, cluster=cluster)
    except CannotEstimate as reason:
        raise CannotEstimate(NOT_WITHOUT_ONE, why=reason.text) from reason
    value, degrees = float(found.value[0]), found.groups - 1
    se = math.sqrt(float(found.se[0]) ** 2 + added_variance)
    reach = float(stdtrit(degrees, 0.5 + CI_LEVEL / 2.0)) * se
    p = 2.0 * float(stdtr(degrees, -abs(value) / se)) if se > 0 else None
    back = math.exp if scale == "log" else float
    estimate = Estimate(back(value), se, back(value - reach), back(value + reach), p, CI_LEVEL, scale)
    unit = "subject" if cluster is None else "matched pair"
    return LeftOut(estimate, METHOD.format(unit=unit, level=CI_LEVEL, degrees=degrees))
