"""G-estimation of a structural nested accelerated failure time model: by what factor does treatment stretch life?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS_IN_ARM, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.designs import check_level
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.inputs import follow_up, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile


@dataclass(frozen=True)
class AftGEstimate:
    """psi, with T^0 = T exp(psi A): psi < 0 means that the treated live longer than they would have.

    The test is a step function of psi, so it is smallest on a whole interval, `flat`: `psi` is its middle.
    `lower`, `upper` bound the psi that the test does not reject; at the end of the grid they are no limits
    and `closed` is False. `statistic` (m,) is the chi-square at `grid` (m,).
    """

    psi: float
    flat: tuple[float, float]
    lower: float
    upper: float
    closed: bool
    grid: Floats
    statistic: Floats
    conf_level: float
    method: str


@checked
def g_estimation_aft(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    end: float,
    grid: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> AftGEstimate:
    """psi by search over `grid` (default -1 to 1 by 0.001), after Hernán & Robins, What If, section 17.6.

    time, event, treated (n,), score covariates x (n, p); `end` is the administrative end of follow-up, the
    only censoring allowed. For each psi those whose T^0 is not seen for some values of A are censored:
    D = 1 when T exp(psi A) <= end exp(min(psi, 0)); D must not depend on A given x. The statistic is
    (sum s)^2/sum (s - mean)^2, s = D (A - e), over those with the event, against chi-square(1).
    Raises `CannotEstimate`: bad numbers, censoring before `end`, no events in an arm, separation.
    """
    rows = follow_up(time, event)
    ps = propensity_score(treated, x)
    check_level(conf_level)
    if (rows.time > end).any() or (~rows.event & (rows.time < end)).any():
        raise CannotEstimate(
            BAD_ARGUMENT, argument="end", allowed="the end of follow-up of all without event"
        )
    for arm, name in ((ps.treated, "treated"), (~ps.treated, "comparator")):
        if not rows.event[arm].any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=name)
    tried = np.round(np.arange(-1000, 1001) / 1000.0, 3) if grid is None else np.sort(numbers(grid, "grid"))
    died = rows.event
    statistic = _statistics(rows.time[died], ps.treated[died], ps.score[died], end, tried)
    least = np.flatnonzero(statistic <= statistic.min() * (1.0 + 1e-9) + 1e-12)
    inside = tried[statistic < normal_quantile(conf_level) ** 2]
    if len(inside) == 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="structural nested accelerated failure time model")
    flat = float(tried[least[0]]), float(tried[least[-1]])
    return AftGEstimate(
        psi=(flat[0] + flat[1]) / 2.0,
        flat=flat,
        lower=float(inside[0]),
        upper=float(inside[-1]),
        closed=bool(inside[0] > tried[0] and inside[-1] < tried[-1]),
        grid=tried,
        statistic=statistic,
        conf_level=conf_level,
        method=f"g-estimation of a structural nested AFT model on {len(tried)} values, artificial censoring",
    )


def _statistics(time: Floats, arm: Bools, score: Floats, end: float, tried: Floats) -> Floats:
    away = np.where(arm, 1.0 - score, -score)
    found = np.empty(len(tried))
    for place, psi in enumerate(tried.tolist()):
        seen = np.log(time / end) + psi * arm <= min(psi, 0.0)
        s = seen * away
        spread = float(((s - s.mean()) ** 2).sum())
        found[place] = float(s.sum()) ** 2 / spread if spread > 0 else np.inf
    return found
