"""Restricted mean survival time: the area under a survival curve up to tau, and what two arms differ by.

Sources: Royston & Parmar (2013); Uno et al. (2014) and the survRM2 package (difference, ratio, time lost);
the robust error integrates each subject's influence on the curve (Therneau & Grambsch 2000, 7.2).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import FollowUp, cluster_labels, follow_up, labels
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.curve_limits import check_conf
from studies.statistics.survival.event_table import event_table, sums
from studies.statistics.survival.influence import row_influence, sum_of_squares
from studies.statistics.survival.kaplan_meier import Curve, is_robust, kaplan_meier

TAU_BEYOND = Reason(
    "tau_beyond",
    "限制时间 tau 超出随访范围：最长随访最短的一组只到 {last}。",
    "The restriction time tau lies beyond follow-up: the arm followed shortest reaches {last} only.",
)
TWO_GROUPS = Reason("two_groups", "该比较需要恰好两个组。", "This comparison needs exactly two groups.")


@dataclass(frozen=True)
class RestrictedMean:
    """`rmst` is the mean time lived of the first `tau`; `rmtl` = tau - rmst, the mean time lost, same `se`."""

    tau: float
    rmst: Estimate
    rmtl: Estimate
    se: float
    n: int
    events: int
    method: str


@dataclass(frozen=True)
class RmstComparison:
    """Second group against first (sorted order, `levels`): difference, ratio, and ratio of time lost.

    The ratios' intervals are made on the log scale. `rmtl_ratio` is None where no time is lost in an arm.
    """

    tau: float
    levels: tuple[Hashable, Hashable]
    arms: tuple[RestrictedMean, RestrictedMean]
    difference: Estimate
    ratio: Estimate
    rmtl_ratio: Estimate | None
    method: str


@checked
def rmst(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    tau: float | None = None,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    robust: bool | None = None,
    conf_level: float = CI_LEVEL,
) -> RestrictedMean:
    """The restricted mean of one group, n rows; as survRM2 and survfit's rmean.

    tau -- in the unit of time; None is the largest follow-up. Beyond it the area is not known and tau is
        refused, unless the curve has reached 0.
    robust -- as in `kaplan_meier`: infinitesimal jackknife; else Greenwood's
        sum of d A^2 / (n (n - d)), A the area from each event time to tau (0 where all at risk die).

    Raises `CannotEstimate`: bad input, tau not positive or too large (TAU_BEYOND).
    """
    rows, codes = _rows(time, event, entry, weights, cluster)
    check_conf("plain", conf_level)
    limit = _tau(tau, [rows])
    arm = _area(rows, codes, is_robust(rows, codes, robust), limit)
    return _restricted(arm, limit, conf_level)


@checked
def rmst_difference(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    tau: float | None = None,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    robust: bool | None = None,
    conf_level: float = CI_LEVEL,
) -> RmstComparison:
    """Two groups compared at a common tau: by default the smaller of their largest follow-up times.

    All columns (n,). A cluster with rows in both groups contributes its covariance. Raises
    `CannotEstimate`: bad input, other than two groups, tau beyond the shorter arm, no variance.
    """
    check_conf("plain", conf_level)
    rows, codes = _rows(time, event, entry, weights, cluster)
    of = labels(np.asarray(group), "group", len(rows))
    if len(of) != 2:
        raise CannotEstimate(TWO_GROUPS)
    chosen = [of.codes == arm for arm in (0, 1)]
    parts = [_part(rows, mine) for mine in chosen]
    limit = _tau(tau, parts)
    by_infinitesimal = is_robust(rows, codes, robust)
    pieces = [
        _area(part, None if codes is None else codes[mine], by_infinitesimal, limit)
        for part, mine in zip(parts, chosen, strict=True)
    ]
    first, second = pieces
    covariance = _covariance(pieces, codes, chosen) if by_infinitesimal else 0.0
    variances = first.variance, second.variance
    se = math.sqrt(max(variances[0] + variances[1] - 2 * covariance, 0.0))
    lost = (limit - first.area, limit - second.area)
    return RmstComparison(
        tau=limit,
        levels=(of.levels[0], of.levels[1]),
        arms=(_restricted(first, limit, conf_level), _restricted(second, limit, conf_level)),
        difference=wald(second.area - first.area, se, conf_level),
        ratio=_ratio((first.area, second.area), variances, covariance, conf_level),
        rmtl_ratio=None if min(lost) <= 0 else _ratio(lost, variances, covariance, conf_level),
        method=_method(by_infinitesimal, limit, conf_level),
    )


@dataclass(frozen=True)
class _Area:
    area: float
    variance: float
    influence: Floats  # (n,) weighted; empty unless robust
    curve: Curve


def _rows(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    entry: npt.ArrayLike | None,
    weights: npt.ArrayLike | None,
    cluster: npt.ArrayLike | None,
) -> tuple[FollowUp, Ints | None]:
    rows = follow_up(time, event, entry=entry, weights=weights)
    return rows, None if cluster is None else cluster_labels(np.asarray(cluster), len(rows)).codes


def _part(rows: FollowUp, mine: Bools) -> FollowUp:
    return FollowUp(
        rows.time[mine],
        rows.event[mine],
        None if rows.entry is None else rows.entry[mine],
        None if rows.weights is None else rows.weights[mine],
    )


def _tau(asked: float | None, parts: list[FollowUp]) -> float:
    """The restriction time, checked against the follow-up of every arm."""
    reach = min(float(part.time.max()) for part in parts)
    limit = reach if asked is None else float(asked)
    if not math.isfinite(limit) or limit <= 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="tau", allowed="0 < tau")
    for part in parts:
        last = float(part.time.max())
        # A curve that ended at 0 stays there: nothing is unknown after it.
        died_out = bool(part.event[part.time == last].all())
        if limit > last and not died_out:
            raise CannotEstimate(TAU_BEYOND, last=f"{reach:g}")
    return limit


def _area(rows: FollowUp, cluster: Ints | None, robust: bool, tau: float) -> _Area:
    curve = kaplan_meier(
        rows.time, rows.event, entry=rows.entry, weights=rows.weights, robust=False, conf_type="none"
    )
    table = event_table(rows)
    edges = np.concatenate([[0.0], np.minimum(curve.time, tau), [max(tau, float(curve.time[-1]))]])
    edges = np.minimum(edges, tau)
    pieces = np.diff(edges) * np.concatenate([[1.0], curve.surv])
    # after[j] is the area from the j-th time to tau: 0 at the times beyond.
    after = np.cumsum(pieces[::-1])[::-1][1:]
    area = float(pieces.sum())
    left = np.where(curve.surv > 0, curve.n_risk - curve.n_event, 1.0)
    dying = np.where(curve.surv > 0, curve.n_event, 0.0)
    at_risk = np.where(curve.n_risk > 0, curve.n_risk, 1.0)
    if not robust:
        return _Area(area, float(np.sum(after**2 * dying / (at_risk * left))), np.empty(0), curve)
    jumps = (np.where(curve.surv > 0, after / left, 0.0))[table.exits] * rows.event
    influence = -row_influence(table, np.cumsum(after * dying / (at_risk * left)), jumps)
    return _Area(area, sum_of_squares(influence, table.weights, cluster), influence * table.weights, curve)


def _covariance(pieces: list[_Area], cluster: Ints | None, chosen: list[Bools]) -> float:
    """Of the two areas: not 0 only where a cluster has rows in both groups."""
    if cluster is None:
        return 0.0
    size = int(cluster.max()) + 1
    first, second = (
        sums(cluster[mine], piece.influence, size) for piece, mine in zip(pieces, chosen, strict=True)
    )
    return float(first @ second)


def _restricted(arm: _Area, tau: float, conf_level: float) -> RestrictedMean:
    se = math.sqrt(arm.variance)
    mean, loss = wald(arm.area, se, conf_level), wald(tau - arm.area, se, conf_level)
    robust = arm.influence.size > 0
    return RestrictedMean(
        tau, mean, loss, se, arm.curve.n, arm.curve.events, _method(robust, tau, conf_level)
    )


def _ratio(
    values: tuple[float, float], variances: tuple[float, float], covariance: float, conf_level: float
) -> Estimate:
    """Second over first by the delta method on the log scale."""
    first, second = values
    if first <= 0 or second <= 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="RMST ratio")
    variance = variances[0] / first**2 + variances[1] / second**2 - 2 * covariance / (first * second)
    return wald(math.log(second / first), math.sqrt(max(variance, 0.0)), conf_level, scale="log")


def _method(robust: bool, tau: float, conf_level: float) -> str:
    error = "infinitesimal-jackknife" if robust else "Greenwood"
    return f"area under the Kaplan-Meier curve up to {tau:g}, {error} standard errors, {100 * conf_level:g} % limits"
