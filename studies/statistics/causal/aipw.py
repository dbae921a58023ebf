"""Augmented inverse probability weighting: right when the score or the outcome model is right."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.contrasts import TwoMeans, two_means
from studies.statistics.causal.designs import check_option, design
from studies.statistics.causal.logistic import expit, irls
from studies.statistics.causal.outcome_models import Family, fit_outcome
from studies.statistics.causal.propensity import both_arms, propensity_score
from studies.statistics.causal.weights import SCORE_OUTSIDE, effective_sample_size, tilted
from studies.statistics.inputs import matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL


@checked
def aipw(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    x_outcome: npt.ArrayLike | None = None,
    modifiers: npt.ArrayLike | None = None,
    family: Family = "linear",
    by_arm: bool = False,
    estimand: Literal["ATE", "ATT"] = "ATE",
    folds: int = 1,
    seed: int | None = None,
    conf_level: float = CI_LEVEL,
) -> TwoMeans:
    """AIPW of y (n,), with a logistic score on x (n, p) and an outcome model on `x_outcome` (default x).

    The outcome model has treatment and treatment times `modifiers` (n, k), or is fitted in each arm apart
    (`by_arm`). `folds` > 1 fits both models on the other folds (cross-fitting; needs `seed`; folds are
    dealt out within arms). Errors by the efficient influence function (Robins, Rotnitzky & Zhao 1994;
    Chernozhukov et al. 2018), its sample sd over sqrt(n): valid when both models are right. Raises as
    `propensity_score` and `fit_outcome`.
    """
    arms = both_arms(treated)
    outcome = numbers(y, "y", len(arms))
    table = matrix(x, len(arms))
    of_outcome = table if x_outcome is None else matrix(x_outcome, len(arms), "x_outcome")
    if by_arm:
        modifiers = of_outcome
    if folds <= 1:
        score = propensity_score(arms, table).score
        predicted = fit_outcome(outcome, arms, of_outcome, modifiers, family, np.ones(len(arms))).predicted
    else:
        if seed is None or folds > min(int(arms.sum()), int((~arms).sum())):
            raise CannotEstimate(
                BAD_ARGUMENT, argument="folds, seed", allowed="a seed, and folds <= arm size"
            )
        score, predicted = _cross_fitted(
            outcome, arms, table, of_outcome, modifiers, family, _dealt(arms, folds, seed)
        )
    how = f"{family} outcome model" + (f", {folds} folds, seed {seed}" if folds > 1 else "")
    return aipw_from(outcome, arms, score, predicted, estimand=estimand, conf_level=conf_level, how=how)


@checked
def aipw_from(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    score: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    estimand: Literal["ATE", "ATT"] = "ATE",
    conf_level: float = CI_LEVEL,
    how: str = "given models",
) -> TwoMeans:
    """AIPW from a score (n,) and predictions (n, 2) when treated and when not, however they were made.

    ATE: the mean of m_a + 1(A = a)(y - m_a)/P(A = a). ATT: the treated's mean, and over the number treated
    the sum of A m_0 + (1 - A) e/(1 - e)(y - m_0). Raises `CannotEstimate` for scores of 0 or 1.
    """
    arms = both_arms(treated)
    outcome, e = numbers(y, "y", len(arms)), numbers(score, "score", len(arms))
    m = matrix(predicted, len(arms), "predicted")
    check_option(estimand, ("ATE", "ATT"), "estimand")
    if (e <= 0).any() or (e >= 1).any():
        raise CannotEstimate(SCORE_OUTSIDE)
    rows = float(len(arms))
    w, _ = tilted(e, arms, estimand)
    if estimand == "ATE":
        parts = np.column_stack(
            [m[:, 0] + arms * w * (outcome - m[:, 0]), m[:, 1] + ~arms * w * (outcome - m[:, 1])]
        )
        means = parts.mean(axis=0)
        influence = (parts - means) / rows
    else:
        parts = np.column_stack([arms * outcome, arms * m[:, 1] + ~arms * w * (outcome - m[:, 1])])
        means = parts.sum(axis=0) / arms.sum()
        influence = (parts - arms[:, None] * means) / arms.sum()
    return two_means(
        float(means[0]),
        float(means[1]),
        influence * np.sqrt(rows / (rows - 1.0)),
        ess=(effective_sample_size(w[arms]), effective_sample_size(w[~arms])),
        estimand=estimand,
        method=f"AIPW, {estimand}, {how}; influence-function standard errors",
        conf_level=conf_level,
    )


def _dealt(arms: Bools, folds: int, seed: int) -> Ints:
    random = np.random.default_rng(seed)
    fold = np.empty(len(arms), dtype=np.intp)
    for arm in (arms, ~arms):
        rows = random.permutation(np.flatnonzero(arm))
        fold[rows] = np.arange(len(rows)) % folds
    return fold


def _cross_fitted(
    y: Floats,
    arms: Bools,
    x: Floats,
    of_outcome: Floats,
    modifiers: npt.ArrayLike | None,
    family: str,
    fold: Ints,
) -> tuple[Floats, Floats]:
    score, predicted = np.empty(len(y)), np.empty((len(y), 2))
    plan = design(x, len(y))
    for one in range(int(fold.max()) + 1):
        out = fold == one
        counts = (~out).astype(float)
        fitted = irls(plan.matrix, arms.astype(float), counts, np.zeros(len(y)), names=plan.names)
        score[out] = expit(plan.matrix[out] @ fitted.beta)
        predicted[out] = fit_outcome(y, arms, of_outcome, modifiers, family, counts).predicted[out]
    return score, predicted
