"""The effect in a matched sample, with the error of pairs or the error of Abadie and Imbens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.designs import check_level
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.causal.matching import Matched, rounded, whitened
from studies.statistics.causal.nearest import Search, nearest_by_score, nearest_by_vector
from studies.statistics.causal.propensity import both_arms
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL


@dataclass(frozen=True)
class MatchedEffect:
    """Treated minus comparator among those matched: the effect, both arms' means, how many pairs."""

    difference: Estimate
    mean_treated: float
    mean_comparator: float
    pairs: int
    n: int
    estimand: str
    method: str


@checked
def matched_difference(
    y: npt.ArrayLike, treated: npt.ArrayLike, matched: Matched, *, conf_level: float = CI_LEVEL
) -> MatchedEffect:
    """Weighted difference of means of y (n,), errors clustered by matched set (Austin & Small 2014).

    What MatchIt's manual does: lm(y ~ treat, weights) with sandwich::vcovCL(cluster = ~subclass), that is
    HC1 by cluster. Raises `CannotEstimate` for matching with replacement, whose sets overlap: use
    `abadie_imbens`; and for fewer than 2 sets.
    """
    arms = both_arms(treated)
    outcome = numbers(y, "y", len(arms))
    if matched.subclass is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="matched", allowed="matched without replacement")
    used = matched.weights > 0
    fit = fit_least_squares(
        outcome[used],
        arms[used].astype(float),
        weights=matched.weights[used],
        cluster=matched.subclass[used],
        covariance="HC1",
        conf_level=conf_level,
    )
    return MatchedEffect(
        difference=wald(float(fit.coef[1]), float(fit.se[1]), conf_level),
        mean_treated=float(fit.coef.sum()),
        mean_comparator=float(fit.coef[0]),
        pairs=len(matched.pairs),
        n=int(used.sum()),
        estimand=matched.estimand,
        method=f"{matched.method}; difference of means, standard errors clustered by matched set (HC1)",
    )


@checked
def abadie_imbens(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    matched: Matched,
    *,
    distance: npt.ArrayLike | None = None,
    x: npt.ArrayLike | None = None,
    neighbours: int = 1,
    conf_level: float = CI_LEVEL,
) -> MatchedEffect:
    """The effect after matching with replacement, with the error of Abadie & Imbens (2006, theorem 7).

    V = sum over focal subjects of (y_i - mean of its matches - effect)^2 plus sum over matches of
    (K_i^2 - K'_i) s_i^2, over N1^2: K_i is the sum, K'_i the sum of squares, of the shares 1/M in which
    row i was used. s_i^2 is the variance of y among row i and its J = `neighbours` nearest in the same arm
    (for J = 1 their equation 14), nearest by `distance` (n,) or Mahalanobis on `x` (n, p). The score is
    taken as known; for an estimated one see Abadie & Imbens (2016). Matching::Match
    with `Var.calc = J` gives the same where no distances tie. Raises `CannotEstimate` for bad numbers,
    an arm with J subjects or fewer, and when neither or both of `distance` and `x` are given.
    """
    arms = both_arms(treated)
    outcome = numbers(y, "y", len(arms))
    check_level(conf_level)
    if (distance is None) == (x is None) or neighbours < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="distance, x, neighbours", allowed="one of the two; >= 1")
    score = None if distance is None else rounded(numbers(distance, "distance", len(arms)))
    table = None if x is None else whitened(matrix(x, len(arms)), arms)
    focal = arms if matched.estimand == "ATT" else ~arms
    seekers, partners = matched.pairs[:, 0], matched.pairs[:, 1]
    each = np.bincount(seekers, minlength=len(arms))
    share = 1.0 / each[seekers]
    counterpart = np.bincount(seekers, share * outcome[partners], len(arms))
    own = np.flatnonzero(each > 0)
    gaps = outcome[own] - counterpart[own]
    effect = float(gaps.mean())
    used = np.bincount(partners, share, len(arms))
    squares = np.bincount(partners, share**2, len(arms))
    again = np.flatnonzero(used > 0)
    noise = _residual_variance(outcome, again, ~focal, score, table, neighbours)
    variance = ((gaps - effect) ** 2).sum() + ((used[again] ** 2 - squares[again]) * noise).sum()
    sign = 1.0 if matched.estimand == "ATT" else -1.0
    means = float(outcome[own].mean()), float(counterpart[own].mean())
    return MatchedEffect(
        difference=wald(sign * effect, float(np.sqrt(variance)) / len(own), conf_level),
        mean_treated=means[0] if sign > 0 else means[1],
        mean_comparator=means[1] if sign > 0 else means[0],
        pairs=len(matched.pairs),
        n=len(own) + len(again),
        estimand=matched.estimand,
        method=f"{matched.method}; Abadie-Imbens standard error, {neighbours} neighbour(s) in the same arm",
    )


def _residual_variance(
    y: Floats, rows: Ints, arm: Bools, score: Floats | None, table: Floats | None, neighbours: int
) -> Floats:
    there = np.flatnonzero(arm)
    if len(there) <= neighbours:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="Abadie-Imbens standard error")
    # One more than asked for: the nearest of all is the row itself, or one exactly like it.
    search = Search(rows, there, neighbours + 1, True, None)
    if table is not None:
        pairs = nearest_by_vector(search, table, None)
    else:
        pairs = nearest_by_score(search, score if score is not None else np.zeros(len(y)))
    near = pairs[:, 1].reshape(len(rows), neighbours + 1)
    itself = near == rows[:, None]
    itself[~itself.any(axis=1), -1] = True
    others = near[~itself].reshape(len(rows), neighbours)
    return np.asarray(np.column_stack([y[rows], y[others]]).var(axis=1, ddof=1))
