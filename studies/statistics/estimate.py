"""A number with its uncertainty, and the ways to come from one to the other that many methods share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from studies.reasons import NOT_ESTIMABLE, CannotEstimate
from studies.statistics.probability import CI_LEVEL, normal_quantile, two_sided_p

Scale = Literal["identity", "log", "logit"]


@dataclass(frozen=True)
class Estimate:
    """`value` on the scale that is reported; `se` on the scale on which the interval was made (`scale`).

    None means that the method gives no such number (an exact interval has no standard error).
    """

    value: float
    se: float | None
    lower: float | None
    upper: float | None
    p: float | None = None
    conf_level: float = CI_LEVEL
    scale: Scale = "identity"


def wald(
    value: float, se: float, conf_level: float = CI_LEVEL, scale: Scale = "identity", null: float = 0.0
) -> Estimate:
    """value +- z se on `scale` (given there), reported back-transformed; p of value = null, two-sided.

    `wald(log_hr, se, scale="log")` gives a hazard ratio. Raises `CannotEstimate` for a value or an error
    that is not finite or a negative error.
    """
    if not (math.isfinite(value) and math.isfinite(se)) or se < 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="standard error")
    z = normal_quantile(conf_level)
    p = two_sided_p((value - null) / se) if se > 0 else None
    ends = [_back(one, scale) for one in (value, value - z * se, value + z * se)]
    return Estimate(ends[0], se, ends[1], ends[2], p, conf_level, scale)


def _back(value: float, scale: Scale) -> float:
    if scale == "identity":
        return value
    if scale == "log":
        return math.exp(value) if value < 700 else math.inf
    return 1.0 / (1.0 + math.exp(-value)) if value > -700 else 0.0
