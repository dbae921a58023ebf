"""Times by which a share of the subjects has had the event: median survival, quartiles, follow-up.

R's rule (survival::quantile.survfit): where the curve rests exactly at 1 - p, the quantile is the middle of
that rest. The limits are where the limits of the curve cross 1 - p (Brookmeyer & Crowley 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.inputs import follow_up, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.curve_limits import ConfType
from studies.statistics.survival.kaplan_meier import Curve, kaplan_meier

TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class Quantile:
    """The time by which a share `prob` has had the event. None is "not reached", which is a result."""

    prob: float
    value: float | None
    lower: float | None
    upper: float | None
    conf_level: float


@checked
def quantiles(
    curve: Curve, probs: npt.ArrayLike = (0.25, 0.5, 0.75), *, tolerance: float = TOLERANCE
) -> tuple[Quantile, ...]:
    """The quantiles of one curve, as quantile.survfit(fit, probs, tolerance=) gives them.

    `prob` is the share that had the event: 0.25 is where S falls to 0.75. S within `tolerance` of 1 - p
    counts as resting there; a rest that lasts to the end of follow-up ends there. Raises `CannotEstimate`
    for a probability outside [0, 1] or a negative tolerance.
    """
    asked = numbers(np.atleast_1d(np.asarray(probs, dtype=object)), "probs")
    if (asked < 0).any() or (asked > 1).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="probs", allowed="0 <= probs <= 1")
    if not 0.0 <= tolerance < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="tolerance", allowed="0 <= tolerance < 1")
    values = _crossings(curve.time, curve.surv, asked, tolerance)
    lower = _crossings(curve.time, curve.lower, asked, tolerance)
    upper = _crossings(curve.time, curve.upper, asked, tolerance)
    return tuple(
        Quantile(float(prob), _reached(value), _reached(low), _reached(high), curve.conf_level)
        for prob, value, low, high in zip(asked, values, lower, upper, strict=True)
    )


def median(curve: Curve) -> Quantile:
    """The median by the rule of `quantiles`.

    print.survfit of R takes the first time instead of the middle where a curve rests at one half up to the
    end of follow-up; elsewhere the two agree.
    """
    return quantiles(curve, 0.5)[0]


@checked
def median_follow_up(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = CI_LEVEL,
) -> Quantile:
    """Median follow-up by the reverse Kaplan-Meier method (Schemper & Smith 1996): censoring is the event.

    time, event, entry, weights (n,). Raises what `kaplan_meier` raises.
    """
    rows = follow_up(time, event, entry=entry, weights=weights)
    return median(
        kaplan_meier(
            rows.time,
            ~rows.event,
            entry=rows.entry,
            weights=rows.weights,
            conf_type=conf_type,
            conf_level=conf_level,
        )
    )


def _crossings(time: Floats, curve: Floats, probs: Floats, tolerance: float) -> Floats:
    """(m,) where 1 - curve first reaches each probability, midpoints where it rests there; NaN: never."""
    start = min(0.0, float(time[0]))
    x = np.concatenate([[start], time])
    gone = np.concatenate([[0.0], 1.0 - curve])
    end_known = bool(np.isfinite(gone[-1]))
    here = np.isfinite(gone)
    x, gone = x[here], gone[here]
    # One place for each height; limits may fall and rise again, the lowest time at a height counts.
    gone, first = np.unique(gone, return_index=True)
    x = x[first]
    reach = np.searchsorted(gone + tolerance, probs, side="left")
    leave = np.searchsorted(gone - tolerance, probs, side="left")
    x = np.append(x, np.nan)
    found = (x[np.minimum(reach, len(gone))] + x[np.minimum(leave, len(gone))]) / 2.0
    found = np.where(probs < gone[0] + tolerance, np.nan, found)
    found = np.where(probs == 0.0, start, found)
    if end_known:
        final = 1.0 - curve[-1]
        at_end = np.abs(probs - final) < tolerance
        resting = (x[np.minimum(reach, len(gone))] + time[-1]) / 2.0
        found = np.where(at_end, resting, found)
    return np.asarray(found, dtype=np.float64)


def _reached(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
