"""The propensity score of a comparison: a logistic model of treatment, and what it says about overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import NO_OVERLAP, ONE_ARM, SEPARATION, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.logistic import (
    GLM_EPSILON,
    OUTCOME_SEPARATED,
    LogisticFit,
    fit_logistic,
    weighted_auc,
)
from studies.statistics.inputs import matrix, yes_no
from studies.statistics.options import checked


@dataclass(frozen=True)
class PropensityScore:
    """`score` (n,) = P(treated | x), `logit` (n,) its logit, the model, and the C-statistic of the score."""

    score: Floats
    logit: Floats
    treated: Bools
    model: LogisticFit
    c_statistic: float
    method: str = "propensity score by logistic regression, maximum likelihood"


@checked
def both_arms(treated: npt.ArrayLike, rows: int | None = None) -> Bools:
    """The checked treatment column (n,); raises `CannotEstimate` when one arm is empty."""
    exposed = yes_no(treated, "treated", rows)
    if exposed.all() or not exposed.any():
        raise CannotEstimate(ONE_ARM)
    return exposed


@checked
def propensity_score(
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    weights: npt.ArrayLike | None = None,
    epsilon: float = GLM_EPSILON,
) -> PropensityScore:
    """P(treated = 1 | x) of n subjects with covariates x (n, p), Rosenbaum & Rubin (1983).

    `weights` (n,) are sampling or case weights. `epsilon` as in `fit_logistic`: overlap weights balance means only
    as exactly as the score is fitted. Raises `CannotEstimate`: one arm, constant or dependent
    columns, as many terms as subjects in the smaller arm, separation, and scores of the two arms that do
    not overlap at all.
    """
    exposed = both_arms(treated)
    table = matrix(x, len(exposed))
    if table.shape[1] + 1 >= min(int(exposed.sum()), int((~exposed).sum())):
        raise CannotEstimate(TOO_MANY_TERMS)
    try:
        model = fit_logistic(exposed.astype(float), table, names=names, weights=weights, epsilon=epsilon)
    except CannotEstimate as refused:
        if refused.reason is OUTCOME_SEPARATED:
            raise CannotEstimate(SEPARATION) from refused
        raise
    score = model.fitted
    if score[exposed].max() < score[~exposed].min() or score[~exposed].max() < score[exposed].min():
        raise CannotEstimate(NO_OVERLAP)
    once = np.ones(len(score))
    return PropensityScore(score, model.linear_predictor, exposed, model, weighted_auc(score, exposed, once))
