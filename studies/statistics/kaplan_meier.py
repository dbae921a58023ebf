"""Kaplan-Meier: the curve by lifelines, its variance (Greenwood) and log-log limits by us.

lifelines' own limits are the same for unweighted data; for weighted data they are wrong (too narrow
by up to half), so this module takes no weights at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.statistics import Bools, Floats, Ints
from studies.statistics.probability import CI_LEVEL, normal_quantile

METHOD = "Kaplan-Meier, Greenwood variance, log-log confidence limits"


@dataclass(frozen=True)
class Curve:
    """The curve at each distinct time of follow-up, events and censorings alike; time 0 is implied at 1.

    Where everybody left has the event the limits do not exist (NaN), as in R.
    """

    days: Floats
    survival: Floats
    ci_low: Floats
    ci_high: Floats
    at_risk: Ints
    events: Ints
    subjects: int

    def at(self, day: float) -> tuple[float, float | None, float | None]:
        """Survival and limits at a day; the last known value does not reach beyond follow-up of the arm."""
        place = int(np.searchsorted(self.days, day, side="right")) - 1
        if place < 0:
            return 1.0, 1.0, 1.0
        return float(self.survival[place]), _number(self.ci_low[place]), _number(self.ci_high[place])

    def at_risk_at(self, day: float) -> int:
        """How many are under observation just before `day`."""
        place = int(np.searchsorted(self.days, day, side="left"))
        return int(self.at_risk[place]) if place < len(self.days) else 0

    def median(self) -> tuple[float | None, float | None, float | None]:
        """The median; its limits are where the limits of S cross one half. None is "not reached"."""
        return (
            _crossing(self.days, self.survival),
            _crossing(self.days, self.ci_low),
            _crossing(self.days, self.ci_high),
        )


def kaplan_meier(days: Floats, event: Bools, level: float = CI_LEVEL) -> Curve:
    """The curve of one group of at least one subject."""
    from lifelines import KaplanMeierFitter

    fitted = KaplanMeierFitter(alpha=1.0 - level).fit(days, event)
    table = fitted.event_table
    # lifelines puts a row at time 0 in front, where everybody enters: keep it only if somebody left then.
    table = table[table["removed"] > 0]
    times = table.index.to_numpy(dtype=float)
    survival: Floats = fitted.survival_function_.iloc[:, 0].loc[table.index].to_numpy(dtype=float)
    deaths, at_risk = table["observed"].to_numpy(dtype=int), table["at_risk"].to_numpy(dtype=int)
    low, high = _log_log_limits(survival, deaths, at_risk, level)
    return Curve(times, survival, low, high, at_risk, deaths, len(days))


def _log_log_limits(survival: Floats, deaths: Ints, at_risk: Ints, level: float) -> tuple[Floats, Floats]:
    """S ** exp(-+ z * se(log(-log S))), by Greenwood's formula."""
    z = normal_quantile(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths).astype(float)))
        error = np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(z * error), survival ** np.exp(-z * error)
    before_first_event = survival == 1.0
    no_limits = survival == 0.0
    low = np.where(before_first_event, 1.0, np.where(no_limits, np.nan, low))
    high = np.where(before_first_event, 1.0, np.where(no_limits, np.nan, high))
    return low, high


def _crossing(days: Floats, curve: Floats) -> float | None:
    """The first day where the curve is at most one half; the midpoint where it rests at exactly one half."""
    half = 0.5 + 1e-12
    below = np.flatnonzero(curve <= half)
    if not len(below):
        return None
    first = int(below[0])
    if abs(float(curve[first]) - 0.5) > 1e-12:
        return float(days[first])
    later = np.flatnonzero(curve < 0.5 - 1e-12)
    # A curve that ends at one half has no later step: R, too, takes the first day then.
    return float(days[first]) if not len(later) else float((days[first] + days[later[0]]) / 2.0)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
