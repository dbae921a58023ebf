"""Columns that a Cox model cannot have: constant, dependent, or the same for all who are at risk together."""

from __future__ import annotations

import numpy as np

from studies.reasons import CONSTANT, DEPENDENT, NOT_CONVERGED, CannotEstimate, Reason
from studies.statistics.survival.partial_likelihood import Evaluated, PartialLikelihood

SAME_AT_RISK = Reason(
    "same_at_risk",
    "在每个事件时间，处于风险中的受试者“{variable}”取值都相同（例如在分层内恒定），无法估计其系数。",
    "At every event time all people at risk have the same '{variable}' (it is constant within strata, for "
    "example): its coefficient cannot be estimated.",
)
_SINGULAR = 1e-11  # of a pivot of the information on the correlation scale


def check_constant(likelihood: PartialLikelihood, names: tuple[str, ...]) -> None:
    """Raise `CannotEstimate(CONSTANT)` naming the first column that has one value."""
    for name, width, center in zip(names, likelihood.ranges, likelihood.center, strict=True):
        if width <= 1e-12 * abs(center):
            raise CannotEstimate(CONSTANT, variable=name)


def check_information(null: Evaluated, likelihood: PartialLikelihood, names: tuple[str, ...]) -> None:
    """Raise `CannotEstimate`, naming the column, for SAME_AT_RISK and DEPENDENT.

    Gauss elimination on the information at the start, scaled to correlations: a pivot is what a column adds.
    """
    if not np.isfinite(null.information).all():
        raise CannotEstimate(NOT_CONVERGED)
    spread = likelihood.spread
    total = likelihood.weight_of_deaths.sum()
    diagonal = np.diag(null.information)
    for name, own, variance in zip(names, diagonal, spread, strict=True):
        if own <= _SINGULAR * variance * total:
            raise CannotEstimate(SAME_AT_RISK, variable=name)
    scale = 1.0 / np.sqrt(diagonal)
    left = null.information * np.outer(scale, scale)
    for at, name in enumerate(names):
        pivot = left[at, at]
        if pivot <= _SINGULAR:
            raise CannotEstimate(DEPENDENT, variable=name)
        left = left - np.outer(left[:, at], left[at]) / pivot
