"""Weighted means of two arms, with two errors that must not be confused.

`weighted_means` takes the weights as known constants (the robust error of GEE and of most software);
`ipw_means` knows that the score was estimated from the same people. For the ATE the first is too wide
(Lunceford & Davidian 2004), for ATT and overlap weights it may err either way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_WEIGHTS, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.bootstrap import Bootstrapped, Jackknifed, bootstrap, jackknife
from studies.statistics.causal.contrasts import TwoMeans, two_means
from studies.statistics.causal.designs import check_option, design
from studies.statistics.causal.logistic import expit, irls
from studies.statistics.causal.propensity import both_arms, propensity_score
from studies.statistics.causal.weights import ESTIMANDS, Estimand, effective_sample_size, tilted
from studies.statistics.causal.weights import weights as score_weights
from studies.statistics.inputs import numbers, weight_column
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

KNOWN = "robust standard errors that take the weights as known"
ESTIMATED = "standard errors that account for the estimated propensity score (stacked estimating equations)"


@checked
def weighted_means(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    estimand: str = "of the weights",
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> TwoMeans:
    """The arms' weighted means of y (n,), weights (n,) >= 0 taken as known; a weight of 0 leaves a row out.

    The variance is sum w^2 (y - m)^2/(sum w)^2, by cluster where given: HC0 of the weighted regression of
    y on treatment, as geepack::geeglm(corstr = "independence") gives it. An arm whose outcomes are all alike (no
    event, or nothing but events) has that mean with an error of 0 and no p, as survey::svymean; the difference
    has the other arm's error, and ratios that need a mean inside (0, 1) are None. Raises `CannotEstimate` for
    bad numbers, negative weights, an arm that is empty or has no weight.
    """
    exposed = both_arms(treated)
    outcome = numbers(y, "y", len(exposed))
    w = checked_weights(weights, exposed)
    means, influence = _hajek(outcome, exposed, w)
    return two_means(
        *means,
        influence,
        ess=_ess(w, exposed),
        estimand=estimand,
        method=f"weighted means; {KNOWN}",
        cluster=cluster,
        conf_level=conf_level,
    )


@checked
def ipw_means(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    truncate: tuple[float, float] | None = None,
    names: Sequence[str] | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> TwoMeans:
    """Means weighted by a logistic propensity score that is fitted here, on x (n, p).

    The influence of a row is its influence on the weighted mean plus D I^-1 s, with s its score in the
    logistic model, I the information and D the mean's derivative with respect to the coefficients
    (Lunceford & Davidian 2004, eq. 19-20; Li, Morgan & Zaslavsky 2018). Stabilising changes nothing here.
    Limits that truncate the weights are taken as fixed. Raises as `propensity_score` and `weights`.
    """
    ps = propensity_score(treated, x, names=names)
    outcome = numbers(y, "y", len(ps.score))
    made = score_weights(ps.score, treated, estimand=estimand, truncate=truncate)
    means, influence = _hajek(outcome, ps.treated, made.weights)
    influence = influence + score_correction(
        _unit_influence(outcome, ps.treated, made.weights, means), made.derivative, ps.treated, x
    )
    return two_means(
        *means,
        influence,
        ess=_ess(made.weights, ps.treated),
        estimand=estimand,
        method=f"{made.method}; {ESTIMATED}",
        cluster=cluster,
        conf_level=conf_level,
    )


@checked
def bootstrap_ipw_means(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    replications: int = 1000,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> Bootstrapped:
    """`ipw_means` on resamples: the score is fitted anew in each. Statistics: mean 1, mean 0, difference.

    Raises as `ipw_means` and `bootstrap`.
    """
    statistics, rows = _resampled(y, treated, x, estimand)
    return bootstrap(statistics, rows, replications=replications, seed=seed, conf_level=conf_level)


@checked
def jackknife_ipw_means(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    conf_level: float = CI_LEVEL,
) -> Jackknifed:
    """`ipw_means` with each subject left out in turn, for small samples: mean 1, mean 0, difference.

    Raises as `ipw_means` and `jackknife`.
    """
    statistics, rows = _resampled(y, treated, x, estimand)
    return jackknife(statistics, rows, conf_level=conf_level)


def _resampled(
    y: npt.ArrayLike, treated: npt.ArrayLike, x: npt.ArrayLike, estimand: Estimand
) -> tuple[Callable[[Floats], Floats], int]:
    ps = propensity_score(treated, x)
    check_option(estimand, ESTIMANDS, "estimand")
    outcome = numbers(y, "y", len(ps.score))
    plan = design(x, len(outcome))
    exposed = ps.treated.astype(float)

    def statistics(counts: Floats) -> Floats:
        beta = irls(plan.matrix, exposed, counts, np.zeros(len(counts))).beta
        w, _ = tilted(expit(plan.matrix @ beta), ps.treated, estimand)
        (one, zero), _ = _hajek(outcome, ps.treated, w * counts)
        return np.array([one, zero, one - zero])

    return statistics, len(outcome)


def score_correction(unit: Floats, slope: Floats, treated: Bools, x: npt.ArrayLike) -> Floats:
    """What estimating a logistic score adds to the influence (n, k) of a weighted estimator.

    `unit` (n, k) is the derivative of the estimator with respect to each row's weight, `slope` (n,) the
    weight's derivative with respect to the logit of the score. The estimator moves with the coefficients
    by D = sum unit x slope x design; a row moves the coefficients by I^-1 times its score.
    """
    plan = design(x, len(treated))
    fitted = irls(plan.matrix, treated.astype(float), np.ones(len(treated)), np.zeros(len(treated)))
    scores = plan.matrix * (treated - expit(plan.matrix @ fitted.beta))[:, None]
    derivative = (unit * slope[:, None]).T @ plan.matrix
    return np.asarray(scores @ fitted.bread @ derivative.T)


def checked_weights(weights: npt.ArrayLike, exposed: Bools) -> Floats:
    """Weights (n,) that are finite and not negative, with some weight in each arm."""
    w = weight_column(weights, len(exposed))
    if not (w[exposed] > 0).any() or not (w[~exposed] > 0).any():
        raise CannotEstimate(BAD_WEIGHTS)
    return w


def _hajek(y: Floats, exposed: Bools, w: Floats) -> tuple[tuple[float, float], Floats]:
    one, zero = w * exposed, w * ~exposed
    if one.sum() <= 0 or zero.sum() <= 0:
        raise CannotEstimate(BAD_WEIGHTS)
    # Around a value of the arm: where all are alike the mean is theirs and the influence 0, without rounding.
    means = _mean_of(y, one), _mean_of(y, zero)
    return means, _unit_influence(y, exposed, w, means) * w[:, None]


def _mean_of(y: Floats, w: Floats) -> float:
    base = float(y[np.argmax(w > 0)])
    with np.errstate(over="ignore", invalid="ignore"):
        mean = base + float((w * (y - base)).sum() / w.sum())
    if not np.isfinite(mean):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="weighted mean")
    return mean


def _unit_influence(y: Floats, exposed: Bools, w: Floats, means: tuple[float, float]) -> Floats:
    return np.column_stack(
        [
            exposed * (y - means[0]) / (w * exposed).sum(),
            ~exposed * (y - means[1]) / (w * ~exposed).sum(),
        ]
    )


def _ess(w: Floats, exposed: Bools) -> tuple[float, float]:
    return effective_sample_size(w[exposed]), effective_sample_size(w[~exposed])
