"""Tests with a chi-square statistic, as the models of this package report them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.statistics import Floats
from studies.statistics.probability import chi_square_p


@dataclass(frozen=True)
class ChiSquare:
    """A test: `chisq` on `df` degrees of freedom, upper tail `p`."""

    chisq: float
    df: int
    p: float


def wald_test(covariance: Floats, values: Floats) -> ChiSquare | None:
    """values' covariance^-1 values, or None where the covariance has no inverse."""
    with np.errstate(all="ignore"):
        scale = 1.0 / np.sqrt(np.diag(covariance))
    if not np.isfinite(scale).all():
        return None
    scaled = covariance * np.outer(scale, scale)
    if np.linalg.cond(scaled) > 1e12:
        return None
    z = values * scale
    return chi_square(float(z @ np.linalg.solve(scaled, z)), len(values))


def chi_square(chisq: float, df: int) -> ChiSquare:
    """A test with its p; a statistic below 0 by rounding is 0."""
    chisq = max(chisq, 0.0)
    return ChiSquare(chisq, df, chi_square_p(chisq, df))
