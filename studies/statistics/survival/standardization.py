"""Survival averaged over people (direct standardisation, g-computation) from a Cox model, and its difference.

The standard error is by the delta method from the coefficients and the baseline, for these people: it leaves out that
other people might have been drawn, which matters little where all of a study's people are averaged.

Sources: Makuch (1982); Gail & Byar (1986) for the variance; Hernan & Robins, What If (2020), chapter 13.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import weight_column
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.survival.cox import CoxFit
from studies.statistics.survival.curve_limits import check_conf
from studies.statistics.survival.prediction import Increments, baseline_ties, checked_times, new_people


@dataclass(frozen=True)
class Standardized:
    """Survival averaged over people, at t times (t,), and its standard error (t,), given these people."""

    time: Floats
    surv: Floats
    se: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class StandardizedDifference:
    """Averaged survival had all had the first and had all had the second covariates, and the difference."""

    first: Standardized
    second: Standardized
    difference: tuple[Estimate, ...]


@checked
def standardized_survival(
    fit: CoxFit,
    x: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    ctype: int | None = None,
    conf_level: float = CI_LEVEL,
) -> Standardized:
    """Predicted survival averaged over people x (m, p) (direct standardisation), at times (t,).

    weights (m,) of the average. The standard error is by the delta method from the coefficients and the baseline,
    for these people: it leaves out that other people might have been drawn. Limits are plain, cut at 0 and 1.
    Source: Makuch (1982); Hernan & Robins, What If (2020), 13; Gail & Byar (1986) for the variance.
    """
    return _standardized(fit, _gradients(fit, x, times, weights, strata, ctype), conf_level)


@checked
def standardized_difference(
    fit: CoxFit,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    ctype: int | None = None,
    conf_level: float = CI_LEVEL,
) -> StandardizedDifference:
    """Averaged survival with covariates `first` less that with `second` (both (m, p), the same people): g-computation.

    The two averages share baseline and coefficients; the standard error knows it. As `standardized_survival`.
    """
    one = _gradients(fit, first, times, weights, strata, ctype)
    two = _gradients(fit, second, times, weights, strata, ctype)
    pairs = zip(one.surv - two.surv, _error(fit, one.minus(two)), strict=True)
    difference = tuple(wald(float(value), float(se), conf_level) for value, se in pairs)
    return StandardizedDifference(
        _standardized(fit, one, conf_level), _standardized(fit, two, conf_level), difference
    )


@dataclass(frozen=True)
class _Gradients:
    """Averaged survival (t,) and its slopes: by beta (t, p), and by the baseline of each stratum (s, t).

    own (s, t, t) is the covariance of the strata's cumulated baseline, mean (s, t, p) its slope by beta.
    """

    time: Floats
    surv: Floats
    by_beta: Floats
    by_baseline: Floats
    own: Floats

    def minus(self, other: _Gradients) -> _Gradients:
        return _Gradients(
            self.time,
            self.surv - other.surv,
            self.by_beta - other.by_beta,
            self.by_baseline - other.by_baseline,
            self.own,
        )


def _gradients(
    fit: CoxFit,
    x: npt.ArrayLike,
    times: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    strata: Sequence[Hashable] | npt.ArrayLike | None,
    ctype: int | None,
) -> _Gradients:
    at = checked_times(times)
    rows, risk, stratum = new_people(fit, x, strata, None)
    share = np.ones(len(rows)) if weights is None else weight_column(weights, len(rows))
    if (share < 0).any() or share.sum() <= 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="weights", allowed=">= 0")
    share = share / share.sum()
    parts = Increments(fit, baseline_ties(fit, ctype))
    groups = len(fit.likelihood.sets.levels)
    surv, by_beta = np.zeros(len(at)), np.zeros((len(at), len(fit.coef)))
    by_baseline, own = np.zeros((groups, len(at))), np.zeros((groups, len(at)))
    for group in np.unique(stratum).tolist():
        chosen = np.flatnonzero(stratum == group)
        hazard, variance, mean = parts.until(group, at)
        curves = np.exp(-hazard[:, None] * risk[chosen]) * share[chosen]
        slope = -curves * risk[chosen]
        surv += curves.sum(axis=1)
        by_baseline[group] = slope.sum(axis=1)
        by_beta += (slope @ rows[chosen]) * hazard[:, None] - by_baseline[group][:, None] * mean
        own[group] = variance
    return _Gradients(at, surv, by_beta, by_baseline, own)


def _error(fit: CoxFit, slopes: _Gradients) -> Floats:
    from_beta = np.einsum("ti,ij,tj->t", slopes.by_beta, fit.covariance, slopes.by_beta)
    return np.asarray(np.sqrt(from_beta + (slopes.by_baseline**2 * slopes.own).sum(axis=0)))


def _standardized(fit: CoxFit, slopes: _Gradients, conf_level: float) -> Standardized:
    check_conf("plain", conf_level)
    se = _error(fit, slopes)
    z = normal_quantile(conf_level)
    lower, upper = np.clip(slopes.surv - z * se, 0.0, 1.0), np.clip(slopes.surv + z * se, 0.0, 1.0)
    return Standardized(slopes.time, slopes.surv, se, lower, upper)
