"""Deficiencies of implanted devices: for a device, for an implant-year, by UDI-DI (model) and by lot.

The funnel compares each lot with all lots together (Spiegelhalter 2005, Stat Med 24:1185): at the overall
rate a lot's count is Poisson, so a small lot has wide limits and a high rate in it means little.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import NO_EVENTS, ONE_ARM, CannotEstimate
from studies.statistics import Floats
from studies.statistics.counts.proportions import Proportion, proportion
from studies.statistics.inputs import Labels, labels
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import amounts, between, counts, whole
from studies.statistics.safety.rates import (
    NO_TIME_AT_RISK,
    ExposureAdjustedRate,
    exact_rate,
)

POOLED = "(pooled)"


@dataclass(frozen=True)
class DeficiencyRates:
    """One device model or lot. `devices_affected` had at least one deficiency; `per_device` is their share.

    `per_implant_year` counts all deficiencies over the years implanted. `pooled` levels stand for lots that
    were too small to be shown by themselves.
    """

    level: Hashable
    devices: int
    devices_affected: int
    deficiencies: int
    per_device: Proportion
    per_implant_year: ExposureAdjustedRate
    pooled: tuple[Hashable, ...] = ()


@dataclass(frozen=True)
class FunnelPoint:
    """One lot against all: counts, the ratio observed/expected and its funnel limits (95 % and 99.8 %).

    `p` is exact, two-sided (twice the smaller tail); `p_adjusted` is Holm's for the number of lots.
    """

    lot: Hashable
    devices: int
    observed: int
    expected: float
    ratio: float
    lower_95: float
    upper_95: float
    lower_998: float
    upper_998: float
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Funnel:
    """The points, in the order of the lots, and the rate of all lots together (per implant-year)."""

    points: tuple[FunnelPoint, ...]
    rate: float
    method: str


@checked
def deficiency_rates(
    deficiencies: npt.ArrayLike,
    years: npt.ArrayLike,
    *,
    level: Sequence[Hashable] | npt.ArrayLike | None = None,
    smallest: int = 1,
    per: float = 100.0,
    conf_level: float = CI_LEVEL,
) -> tuple[DeficiencyRates, ...]:
    """Listing numbers for all devices (level "all") and for each level: UDI-DI, model or lot.

    deficiencies (n,) the number of each implanted device, years (n,) implanted, level (n,). Levels of fewer
    than `smallest` devices are pooled into one line, because a lot of one device is one patient; the names
    of what was pooled are given. Limits: Clopper-Pearson per device, Garwood per `per` implant-years.
    Raises `CannotEstimate` for bad columns and for no implant-years in a line.
    """
    found = counts(deficiencies, "deficiencies")
    implanted = amounts(years, "years", len(found))
    smallest = whole(smallest, "smallest", 1)
    lines = [_rates("all", found, implanted, per, conf_level)]
    if level is None:
        return tuple(lines)
    groups = labels(level, "level", len(found))
    small = np.bincount(groups.codes, minlength=len(groups)) < smallest
    for code, name in enumerate(groups.levels):
        if not small[code]:
            mine = groups.codes == code
            lines.append(_rates(name, found[mine], implanted[mine], per, conf_level))
    if small.any():
        mine = small[groups.codes]
        names = tuple(name for name, too_small in zip(groups.levels, small, strict=True) if too_small)
        lines.append(_rates(POOLED, found[mine], implanted[mine], per, conf_level, names))
    return tuple(lines)


@checked
def lot_funnel(
    deficiencies: npt.ArrayLike,
    years: npt.ArrayLike,
    *,
    lot: Sequence[Hashable] | npt.ArrayLike,
    smallest: int = 1,
) -> Funnel:
    """Each lot's count against what the overall rate predicts for its implant-years.

    Columns as in `deficiency_rates`; lots of fewer than `smallest` devices are pooled. Limits are the exact
    Poisson quantiles, interpolated between counts so that the funnel is smooth (Spiegelhalter 2005, A.1.1).
    Raises `CannotEstimate` for a single lot, no deficiency at all, and a lot without implant-years.
    """
    from scipy.special import pdtr, pdtrc

    found = counts(deficiencies, "deficiencies")
    implanted = amounts(years, "years", len(found))
    lots = _pooled(labels(lot, "lot", len(found)), whole(smallest, "smallest", 1))
    if len(lots) < 2:
        raise CannotEstimate(ONE_ARM)
    if found.sum() == 0:
        raise CannotEstimate(NO_EVENTS)
    exposure = np.bincount(lots.codes, implanted, len(lots))
    if (exposure == 0).any():
        raise CannotEstimate(NO_TIME_AT_RISK)
    observed = np.bincount(lots.codes, found, len(lots))
    rate = float(found.sum() / implanted.sum())
    expected = rate * exposure
    at_most = pdtr(observed, expected)
    at_least = np.where(observed > 0, pdtrc(np.maximum(observed - 1, 0), expected), 1.0)
    p = np.minimum(1.0, 2.0 * np.minimum(at_most, at_least))
    limits = [funnel_limit(expected, tail) / expected for tail in (0.025, 0.975, 0.001, 0.999)]
    adjusted = _holm(p)
    devices = np.bincount(lots.codes, minlength=len(lots))
    points = tuple(
        FunnelPoint(
            lot=name,
            devices=int(devices[row]),
            observed=int(observed[row]),
            expected=float(expected[row]),
            ratio=float(observed[row] / expected[row]),
            lower_95=float(limits[0][row]),
            upper_95=float(limits[1][row]),
            lower_998=float(limits[2][row]),
            upper_998=float(limits[3][row]),
            p=float(p[row]),
            p_adjusted=float(adjusted[row]),
        )
        for row, name in enumerate(lots.levels)
    )
    return Funnel(points, rate, "observed / expected at the rate of all lots; exact Poisson funnel; Holm")


@checked
def funnel_limit(expected: npt.ArrayLike, probability: float) -> Floats:
    """The Poisson quantile at `probability` for means expected (k,) > 0, interpolated between whole counts.

    With r the smallest count of distribution function F(r) >= p, the limit is
    r - (F(r) - p)/(F(r) - F(r - 1)), not below 0 (Spiegelhalter 2005, A.1.1).
    Raises `CannotEstimate` for a mean of 0 and a probability outside (0, 1).
    """
    from scipy.special import pdtr
    from scipy.stats import poisson

    mean = amounts(expected, "expected", above_zero=True)
    between(probability, "probability", 0, 1)
    r = poisson.ppf(probability, mean)
    at, below = pdtr(r, mean), np.where(r > 0, pdtr(np.maximum(r - 1, 0), mean), 0.0)
    return np.asarray(np.maximum(0.0, r - (at - probability) / (at - below)), dtype=np.float64)


def _rates(
    level: Hashable,
    found: npt.NDArray[np.intp],
    implanted: Floats,
    per: float,
    conf_level: float,
    pooled: tuple[Hashable, ...] = (),
) -> DeficiencyRates:
    affected = int((found > 0).sum())
    return DeficiencyRates(
        level=level,
        devices=len(found),
        devices_affected=affected,
        deficiencies=int(found.sum()),
        per_device=proportion(affected, len(found), conf_level=conf_level),
        per_implant_year=exact_rate(
            int(found.sum()), float(implanted.sum()), n=len(found), per=per, conf_level=conf_level
        ),
        pooled=pooled,
    )


def _pooled(lots: Labels, smallest: int) -> Labels:
    small = np.bincount(lots.codes, minlength=len(lots)) < smallest
    if not small.any():
        return lots
    kept = tuple(name for name, too_small in zip(lots.levels, small, strict=True) if not too_small)
    code = np.where(small, len(kept), np.cumsum(~small) - 1)
    return Labels(code[lots.codes].astype(np.intp), (*kept, POOLED))


def _holm(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted
