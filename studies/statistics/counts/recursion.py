"""The joint distribution of a test statistic over the looks at a study, by recursive numerical integration.

At look k the statistic Z_k is normal with mean theta sqrt(I_k), and the scores Z_k sqrt(I_k) have independent
increments. The density of Z_k among the studies that go on is carried from look to look on Gauss-Legendre
points; panels are short beside the width of the transition, so that the error is that of the last digits.

Source: Armitage, McPherson & Rowe (1969); Jennison & Turnbull, Group Sequential Methods (2000), chapter 19.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.inputs import numbers

BAD_INFORMATION = Reason(
    "bad_information",
    "信息量（或信息时间）必须为正且逐次严格增加。",
    "Information (or information time) has to be positive and to increase from look to look.",
)
LOOKS_TOO_CLOSE = Reason(
    "looks_too_close",
    "两次期中分析的信息量几乎相同，数值积分无法进行；请合并这两次分析。",
    "Two looks have almost the same information: the integration is not reliable. Make them one look.",
)
REACH = 8.5  # standard deviations beyond which a normal density is taken as 0 (1e-17 of probability)
_POINTS = 12  # of Gauss-Legendre on each panel
_MOST_PANELS = 400


@dataclass(frozen=True)
class Going:
    """The studies that have not stopped: points z (m,) of the statistic with their probability (m,)."""

    information: float
    z: Floats
    mass: Floats


def information_of(information: object) -> Floats:
    """Information at the looks (k,), positive and increasing. Raises BAD_INFORMATION, NO_SUBJECTS."""
    at = numbers(information, "information")  # type: ignore[arg-type]  # numbers() checks whatever comes
    if (at <= 0).any() or (np.diff(at) <= 0).any():
        raise CannotEstimate(BAD_INFORMATION)
    return at


def beyond(before: Going | None, information: float, theta: float, z: float, *, upper: bool) -> float:
    """P(not stopped before, Z >= z) at the next look, or Z <= z; `before` None at the first look."""
    from scipy.special import ndtr

    sign = 1.0 if upper else -1.0
    if not math.isfinite(z):
        everything = 1.0 if before is None else float(before.mass.sum())
        return 0.0 if (z > 0) == upper else everything
    if before is None:
        return float(ndtr(sign * (theta * math.sqrt(information) - z)))
    gained = information - before.information
    mean = before.z * math.sqrt(before.information) + gained * theta
    return float(before.mass @ ndtr(sign * (mean - z * math.sqrt(information)) / math.sqrt(gained)))


def go_on(before: Going | None, information: float, theta: float, lower: float, upper: float) -> Going:
    """The studies with lower < Z < upper at this look."""
    middle = theta * math.sqrt(information)
    low, high = max(lower, middle - REACH), min(upper, middle + REACH)
    if high <= low:
        return Going(information, np.zeros(1), np.zeros(1))
    root_now = math.sqrt(information)
    if before is None:
        z, weights = _points(low, high, 1.0)
        return Going(information, z, weights * _normal(z - middle))
    gained = information - before.information
    width = math.sqrt(gained / information)
    z, weights = _points(low, high, width)
    mean = (before.z * math.sqrt(before.information) + gained * theta) / root_now
    density = _normal((z[:, None] - mean) / width) @ before.mass / width
    return Going(information, z, weights * density)


def _points(low: float, high: float, width: float) -> tuple[Floats, Floats]:
    """Gauss-Legendre points and weights on panels of at most `width`, on which the next integrand is smooth."""
    panels = max(2, math.ceil((high - low) / width))
    if panels > _MOST_PANELS:
        raise CannotEstimate(LOOKS_TOO_CLOSE)
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    edges = np.linspace(low, high, panels + 1)
    half = np.diff(edges)[:, None] / 2.0
    z = (edges[:-1, None] + half * (1.0 + nodes)).ravel()
    return z, (half * weights).ravel()


def _normal(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi))
