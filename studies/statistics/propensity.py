"""The propensity score by logistic regression, and overlap weights.

Overlap weights (Li, Morgan & Zaslavsky 2018): an exposed subject weighs 1 - e, a comparator e. They aim
at the people who could have had either treatment, are bounded, need no trimming, and balance the mean
of every covariate of the score exactly when the score is logistic.
"""

from __future__ import annotations

import numpy as np

from studies.reasons import NO_OVERLAP, ONE_ARM, SEPARATION, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.cox import check_columns

_STEPS = 30
_CONVERGED = 1e-10  # the largest change of a coefficient, in units of 1/sd of its covariate


def propensity_score(x: Floats, exposed: Bools, names: tuple[str, ...]) -> Floats:
    """P(exposed | x) of each subject, by maximum likelihood (Newton's method, which is IRLS here).

    Raises `CannotEstimate` for a single arm, a constant or dependent column, and separation: there the
    likelihood has no maximum, the coefficients grow with every step and never settle.
    """
    if exposed.all() or not exposed.any():
        raise CannotEstimate(ONE_ARM)
    check_columns(x, names)
    if x.shape[1] + 1 >= min(int(exposed.sum()), int((~exposed).sum())):
        raise CannotEstimate(TOO_MANY_TERMS)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    design = np.column_stack([np.ones(len(x)), scaled])
    score = _fitted(design, exposed.astype(float))
    if score[exposed].max() < score[~exposed].min() or score[~exposed].max() < score[exposed].min():
        raise CannotEstimate(NO_OVERLAP)
    return score


def overlap_weights(score: Floats, exposed: Bools) -> Floats:
    """1 - e for the exposed, e for the comparators."""
    return np.where(exposed, 1.0 - score, score)


def effective_sample_size(weights: Floats) -> float:
    """Kish: (sum w)^2 / sum w^2. How many equally weighted subjects would carry as much information."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _fitted(design: Floats, exposed: Floats) -> Floats:
    share = exposed.mean()
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(share / (1.0 - share))
    for _ in range(_STEPS):
        score = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -500, 500)))
        information = (design * (score * (1.0 - score))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (exposed - score))
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(SEPARATION) from singular
        beta = beta + step
        if not np.all(np.isfinite(beta)):
            raise CannotEstimate(SEPARATION)
        if np.abs(step).max() < _CONVERGED:
            return 1.0 / (1.0 + np.exp(-(design @ beta)))
    raise CannotEstimate(SEPARATION)
