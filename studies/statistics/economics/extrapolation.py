"""Which parametric curve may speak for the time after the data end, and by what criteria it was chosen.

Information criteria judge only the observed part; two curves of equal AIC can differ threefold in mean
survival (Latimer 2013, Med Decis Making 33:743; NICE DSU 14 and 21). So a choice by AIC or BIC alone is
refused: at least one criterion about the unobserved part (shape of the hazard, clinical bounds, general
mortality) has to be stated, and every family left out says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from rwd_platform.core.text import Bilingual
from studies.reasons import BAD_ARGUMENT, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.estimate import Estimate
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.safety.checks import amounts, between, one_of
from studies.statistics.survival.aft import AFT_NOT_CONVERGED
from studies.statistics.survival.parametric import DISTRIBUTIONS, ParametricFit, fit_distribution

INFORMATION_ONLY = Reason(
    "information_only",
    "不能只按信息准则选择外推曲线：请至少给出一项针对未观察时段的标准（风险形状、临床界限或一般人群死亡率）。",
    "A curve is not chosen by an information criterion alone: state at least one criterion about the time "
    "after the data (shape of the hazard, clinical bounds, general mortality).",
)
NO_CURVE_LEFT = Reason(
    "no_curve_left", "没有曲线满足所列的全部标准。", "No curve meets all the criteria that were stated."
)
WRONG_SHAPE = Reason(
    "wrong_shape",
    "风险形状为“{shape}”，不在预期之列",
    "its hazard is {shape}, which is not among those expected",
)
OUT_OF_BOUNDS = Reason(
    "out_of_bounds",
    "在时间 {time} 的生存率为 {value}，超出临床界限 {low}–{high}",
    "survival at {time} is {value}, outside the clinical bounds {low} to {high}",
)
ABOVE_POPULATION = Reason(
    "above_population",
    "自时间 {time} 起的生存率高于一般人群",
    "from time {time} on it survives longer than the general population",
)
NOT_FITTED = Reason("not_fitted", "未能拟合：{why}", "could not be fitted: {why}")
FAMILIES = ("exponential", "weibull", "gompertz", "lognormal", "loglogistic", "gengamma")
Shape = Literal["constant", "rising", "falling", "rising then falling", "falling then rising"]
SHAPES: tuple[Shape, ...] = (
    "constant",
    "rising",
    "falling",
    "rising then falling",
    "falling then rising",
)


_IN_CHINESE = {
    "constant": "恒定",
    "rising": "单调上升",
    "falling": "单调下降",
    "rising then falling": "先升后降",
    "falling then rising": "先降后升",
}


@dataclass(frozen=True)
class Bound:
    """What clinicians hold possible: low <= S(time) <= high."""

    time: float
    low: float
    high: float


@dataclass(frozen=True)
class LifeTable:
    """Survival of the general population of the same age and sex: survival (k,) at times (k,), from (0, 1)."""

    times: tuple[float, ...]
    survival: tuple[float, ...]
    source: str

    def at(self, time: npt.ArrayLike) -> Floats:
        """S at times (m,), by a constant hazard between the times of the table.

        Raises `CannotEstimate` beyond the table: it is not extrapolated.
        """
        t, s, at = np.asarray(self.times), np.asarray(self.survival), amounts(time, "time")
        falling = len(t) == len(s) >= 2 and t[0] == 0 and s[0] == 1
        if not falling or (np.diff(t) <= 0).any() or (np.diff(s) > 0).any() or s[-1] <= 0:
            raise CannotEstimate(BAD_ARGUMENT, argument="survival", allowed="1 >= ... > 0, from time 0")
        if at.max() > t[-1]:
            raise CannotEstimate(BAD_ARGUMENT, argument="time", allowed=f"<= {t[-1]:g}")
        return np.asarray(np.exp(np.interp(at, t, np.log(s))))


@dataclass(frozen=True)
class Criteria:
    """What a curve has to satisfy, and the information criterion that decides among those that do."""

    shapes: tuple[Shape, ...] | None = None
    bounds: tuple[Bound, ...] = ()
    population: LifeTable | None = None
    information: str = "aic"


@dataclass(frozen=True)
class Candidate:
    """One distribution: its curve (None where it could not be fitted), its hazard's shape, why it was left out."""

    distribution: str
    curve: ParametricFit | None
    shape: Shape | None
    difference: float | None
    excluded: tuple[Bilingual, ...] = field(default=())


@dataclass(frozen=True)
class Choice:
    """`chosen` is the family with the lowest criterion among those not excluded; candidates as tried."""

    chosen: ParametricFit
    candidates: tuple[Candidate, ...]
    horizon: float
    method: str


@checked
def choose_curve(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    horizon: float,
    criteria: Criteria,
    distributions: Sequence[str] = FAMILIES,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> Choice:
    """Fit families to time, event (n,), exclude those that break a stated criterion, take the best of the rest.

    A population curve excludes a family whose S exceeds it by more than 0.01 anywhere up to the horizon (the
    report may still cap a curve: `capped_survival`). Raises `CannotEstimate` where no criterion about the
    unobserved part is stated, where no family is left, and for data that no family can be fitted to.
    """
    horizon = between(horizon, "horizon")
    one_of(criteria.information, "information", ("aic", "bic"))
    if criteria.shapes is None and not criteria.bounds and criteria.population is None:
        raise CannotEstimate(INFORMATION_ONLY)
    for shape in criteria.shapes or ():
        one_of(shape, "shapes", SHAPES)
    tried: list[tuple[str, ParametricFit | None, tuple[Bilingual, ...]]] = []
    for family in distributions:
        one_of(family, "distributions", tuple(DISTRIBUTIONS))
        try:
            curve = fit_distribution(time, event, distribution=family, entry=entry, weights=weights)
            tried.append((family, curve, _objections(curve, criteria, horizon)))
        except CannotEstimate as why:
            if why.reason not in (AFT_NOT_CONVERGED, TOO_MANY_TERMS):
                raise
            tried.append((family, None, (NOT_FITTED.about(why=why.text),)))
    left = [curve for _, curve, objections in tried if curve is not None and not objections]
    if not left:
        raise CannotEstimate(NO_CURVE_LEFT)
    fitted = [_criterion(curve, criteria) for _, curve, _ in tried if curve is not None]
    candidates = tuple(
        Candidate(
            family,
            curve,
            hazard_shape(curve, horizon) if curve else None,
            _criterion(curve, criteria) - min(fitted) if curve else None,
            objections,
        )
        for family, curve, objections in tried
    )
    best = min(left, key=lambda curve: _criterion(curve, criteria))
    stated = [
        *(["shape of the hazard"] if criteria.shapes is not None else []),
        *(["clinical bounds"] if criteria.bounds else []),
        *([f"general mortality ({criteria.population.source})"] if criteria.population else []),
    ]
    how = f"lowest {criteria.information.upper()} among the families that meet: {', '.join(stated)}"
    return Choice(best, candidates, horizon, how)


@checked
def hazard_shape(curve: ParametricFit, horizon: float) -> Shape:
    """The shape of the fitted hazard on (horizon/1000, horizon], read from 400 points of it.

    Changes of less than one part in 10^9 count as constant. Raises `CannotEstimate` for a horizon <= 0.
    """
    grid = np.geomspace(between(horizon, "horizon") / 1000.0, horizon, 400)
    steps = np.diff(np.log(curve.hazard(grid)))
    signs = np.sign(np.where(np.abs(steps) < 1e-9, 0.0, steps))
    signs = signs[signs != 0]
    if len(signs) == 0:
        return "constant"
    turns = int((np.diff(signs) != 0).sum())
    if turns == 0:
        return "rising" if signs[0] > 0 else "falling"
    return "rising then falling" if signs[0] > 0 else "falling then rising"


@checked
def mean_survival(curve: ParametricFit, horizon: float, *, conf_level: float = CI_LEVEL) -> Estimate:
    """The mean time without event up to `horizon` under the curve: the area under S.

    Standard error by the delta method, with central differences along each estimated parameter. It holds the
    uncertainty of the parameters, not that of the choice of the distribution. Raises for a horizon <= 0.
    """
    value = curve.mean(between(horizon, "horizon"))
    steps = np.diag(1e-3 * curve.se)
    slope = np.array(
        [
            (
                replace(curve, theta=curve.theta + step).mean(horizon)
                - replace(curve, theta=curve.theta - step).mean(horizon)
            )
            / (2.0 * step.sum())
            for step in steps
        ]
    )
    se = math.sqrt(float(slope @ curve.covariance @ slope))
    half = normal_quantile(between(conf_level, "conf_level", 0, 1)) * se
    return Estimate(value, se, value - half, value + half, None, conf_level)


def capped_survival(
    curve: ParametricFit, times: npt.ArrayLike, population: LifeTable
) -> tuple[Floats, float | None]:
    """S at times (k,) with the hazard never below the general population's, and when that first mattered.

    Between neighbouring times the curve falls by its own factor or the population's, whichever is smaller.
    times start at 0 and increase; the result's second part is None where the cap never acted. Raises
    `CannotEstimate` for times beyond the life table.
    """
    grid = amounts(times, "times")
    if grid[0] != 0 or (np.diff(grid) <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="times", allowed="0 < ...")
    own, general = curve.log_survival(grid), np.log(population.at(grid))
    fall_own, fall_general = np.diff(own), np.diff(general)
    acts = fall_general < fall_own
    capped = np.concatenate([[0.0], np.cumsum(np.minimum(fall_own, fall_general))])
    first = float(grid[int(np.argmax(acts))]) if acts.any() else None
    return np.exp(capped), first


def _criterion(curve: ParametricFit, criteria: Criteria) -> float:
    return curve.aic if criteria.information == "aic" else curve.bic


def _objections(curve: ParametricFit, criteria: Criteria, horizon: float) -> tuple[Bilingual, ...]:
    found = []
    shape = hazard_shape(curve, horizon)
    if criteria.shapes is not None and shape not in criteria.shapes:
        found.append(WRONG_SHAPE.about(shape=Bilingual(_IN_CHINESE[shape], shape)))
    for bound in criteria.bounds:
        value = float(curve.survival([bound.time])[0])
        if not bound.low <= value <= bound.high:
            numbers = {"low": f"{bound.low:g}", "high": f"{bound.high:g}"}
            found.append(OUT_OF_BOUNDS.about(time=f"{bound.time:g}", value=f"{value:.4g}", **numbers))
    if criteria.population is not None:
        grid = np.linspace(0.0, horizon, 401)
        above = curve.survival(grid) > criteria.population.at(grid) + 0.01
        if above.any():
            found.append(ABOVE_POPULATION.about(time=f"{grid[int(np.argmax(above))]:g}"))
    return tuple(found)
