"""Risk ratios and rate ratios by regression with a log link.

A risk ratio of a frequent outcome is not an odds ratio. Modified Poisson regression (Zou 2004) takes the
Poisson likelihood for the 0/1 outcome - its estimates are consistent - and a robust covariance, because its
own would be too large. The log-binomial model is the likelihood itself, and often has its maximum on the
border where a fitted risk is 1: then it is refused, not forced. Counts have Poisson and negative binomial
models with the logarithm of the time at risk as offset.

Sources: Zou (2004, Am J Epidemiol 159:702); Zou & Donner (2013, clusters); Wacholder (1986, log-binomial); Lawless
(1987) and Venables & Ripley (2002, 7.4), as MASS::glm.nb, for the negative binomial; R's glm.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.counts.log_link import (
    Covariance,
    Design,
    Found,
    LogLinkFit,
    design,
    first_guess,
    newton,
    summary,
)
from studies.statistics.counts.measure import NOT_A_COUNT, positive, root
from studies.statistics.inputs import numbers, yes_no
from studies.statistics.options import checked

LOG_BINOMIAL_BORDER = Reason(
    "log_binomial_border",
    "对数二项模型未收敛：极大似然位于拟合风险等于 1 的边界。请改用修正 Poisson 回归。",
    "The log-binomial model did not converge: its maximum lies where a fitted risk is 1. Use modified Poisson.",
)
NOT_OVERDISPERSED = Reason(
    "not_overdispersed",
    "数据不存在过度离散，负二项模型的离散参数没有有限的估计值；请改用 Poisson 回归。",
    "The counts are not overdispersed: the negative binomial's theta has no finite estimate. Use Poisson.",
)
_LARGEST_THETA = 1e5
_ROUNDS = 200


@checked
def modified_poisson(
    outcome: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    covariance: Covariance = "HC0",
    cadjust: bool = False,
    conf_level: float = 0.95,
) -> LogLinkFit:
    """Risk ratios by Poisson regression of a 0/1 outcome with robust errors.

    outcome (n,), x (n, p) without intercept, weights (n,) positive (of a propensity score, say), cluster (n,)
    labels. Equal to sandwich(glm(outcome ~ x, poisson)) and, with clusters, to
    vcovCL(fit, cluster, type = "HC0", cadjust = FALSE) or geeglm(..., corstr = "independence").
    Where everybody of the reference group has the event its risk is 1 and the intercept's error 0, as in R.
    Raises `CannotEstimate`: BAD_CODES, NO_EVENTS_TO_MODEL, CONSTANT, DEPENDENT, TOO_MANY_TERMS (also: no more
    clusters than terms), NO_FINITE_FIT, LENGTHS_DIFFER, NOT_A_NUMBER, BAD_WEIGHTS, BAD_ARGUMENT; NO_ROBUST_ERROR
    where everybody has the event (R gives log ratios of 0 with errors of 0).
    """
    y = yes_no(outcome, "outcome").astype(float)
    rows = design(y, x, names, None, weights)
    return _poisson(rows, covariance, cluster, cadjust, conf_level, "modified Poisson regression, log link")


@checked
def poisson_regression(
    events: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    person_time: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    covariance: Covariance = "model",
    cadjust: bool = False,
    conf_level: float = 0.95,
) -> LogLinkFit:
    """Rate ratios: glm(events ~ x + offset(log(person_time)), poisson).

    events (n,) whole numbers from 0, person_time (n,) above 0. Raises as `modified_poisson`, and NOT_A_COUNT,
    OUT_OF_RANGE for times.
    """
    y, offset = _counts(events, person_time)
    rows = design(y, x, names, offset, weights)
    return _poisson(rows, covariance, cluster, cadjust, conf_level, "Poisson regression, log link")


@checked
def log_binomial(
    outcome: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    covariance: Covariance = "model",
    cadjust: bool = False,
    conf_level: float = 0.95,
) -> LogLinkFit:
    """Risk ratios by maximum likelihood: glm(outcome ~ x, binomial("log")).

    Arguments as `modified_poisson`. Raises LOG_BINOMIAL_BORDER where the maximum lies on the border (R says
    "step size truncated" or gives up), and else as `modified_poisson`.
    """
    y = yes_no(outcome, "outcome").astype(float)
    rows = design(y, x, names, None, weights)
    if y.all():
        raise CannotEstimate(LOG_BINOMIAL_BORDER)

    def loglik(mean: Floats) -> float:
        if (mean >= 1.0).any():
            return -math.inf
        return float(rows.weights @ (y * np.log(mean) + (1.0 - y) * np.log1p(-mean)))

    found = newton(rows, first_guess(rows), lambda mean: mean * (1.0 - mean), loglik, LOG_BINOMIAL_BORDER)
    best = loglik(found.mean)
    return summary(
        rows,
        found,
        rows.weights * (y - found.mean) / (1.0 - found.mean),
        covariance=covariance,
        cluster=cluster,
        cadjust=cadjust,
        loglik=best,
        deviance=-2.0 * best,
        conf_level=conf_level,
        method="log-binomial regression",
    )


@checked
def negative_binomial(
    events: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    person_time: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    covariance: Covariance = "model",
    cadjust: bool = False,
    conf_level: float = 0.95,
) -> LogLinkFit:
    """Rate ratios of overdispersed counts, variance mean + mean^2/theta: MASS::glm.nb.

    Coefficients and theta by maximum likelihood in turns, until both stand still; the model-based errors take
    theta as known, as summary.negbin does (beta and theta are orthogonal). Arguments as `poisson_regression`.
    Raises NOT_OVERDISPERSED where theta has no finite maximum, and else as `poisson_regression`.
    """
    y, offset = _counts(events, person_time)
    rows = design(y, x, names, offset, weights)
    found = newton(rows, first_guess(rows), lambda mean: mean, lambda mean: _poisson_loglik(rows, mean))
    theta = _theta(rows, found.mean, None)
    for _ in range(_ROUNDS):
        found = _given_theta(rows, found, theta)
        before, theta = theta, _theta(rows, found.mean, theta)
        if abs(theta - before) <= 1e-11 * theta:
            break
    best = _negative_binomial_loglik(rows, found.mean, theta)
    return summary(
        rows,
        found,
        rows.weights * (y - found.mean) / (1.0 + found.mean / theta),
        covariance=covariance,
        cluster=cluster,
        cadjust=cadjust,
        loglik=best,
        deviance=_negative_binomial_deviance(rows, found.mean, theta),
        conf_level=conf_level,
        method="negative binomial regression, log link",
        theta=(theta, 1.0 / math.sqrt(_theta_information(rows, found.mean, theta))),
    )


def _counts(events: npt.ArrayLike, person_time: npt.ArrayLike | None) -> tuple[Floats, Floats | None]:
    y = numbers(events, "events")
    if (y < 0).any() or (y != np.floor(y)).any():
        raise CannotEstimate(NOT_A_COUNT, variable="events", least="0")
    if person_time is None:
        return y, None
    times = numbers(person_time, "person_time", len(y))
    positive(float(times.min()), "person_time")
    return y, np.log(times)


def _poisson(
    rows: Design,
    covariance: Covariance,
    cluster: Sequence[Hashable] | npt.ArrayLike | None,
    cadjust: bool,
    conf_level: float,
    method: str,
) -> LogLinkFit:
    found = newton(rows, first_guess(rows), lambda mean: mean, lambda mean: _poisson_loglik(rows, mean))
    mean, y = found.mean, rows.y
    with np.errstate(all="ignore"):
        of_count = np.where(y > 0, y * np.log(y / mean), 0.0)
    return summary(
        rows,
        found,
        rows.weights * (y - mean),
        covariance=covariance,
        cluster=cluster,
        cadjust=cadjust,
        loglik=_poisson_loglik(rows, mean),
        deviance=2.0 * float(rows.weights @ (of_count - (y - mean))),
        conf_level=conf_level,
        method=method,
    )


def _poisson_loglik(rows: Design, mean: Floats) -> float:
    from scipy.special import gammaln, xlogy

    value = float(rows.weights @ (xlogy(rows.y, mean) - mean - gammaln(rows.y + 1.0)))
    return value if math.isfinite(value) else -math.inf


def _given_theta(rows: Design, start: Found, theta: float) -> Found:
    return newton(
        rows,
        start.beta,
        lambda mean: mean + mean**2 / theta,
        lambda mean: _negative_binomial_loglik(rows, mean, theta),
    )


def _negative_binomial_loglik(rows: Design, mean: Floats, theta: float) -> float:
    from scipy.special import gammaln, xlogy

    y = rows.y
    terms = gammaln(theta + y) - gammaln(theta) - gammaln(y + 1.0) - theta * np.log1p(mean / theta)
    value = float(rows.weights @ (terms + xlogy(y, mean / (mean + theta))))
    return value if math.isfinite(value) else -math.inf


def _negative_binomial_deviance(rows: Design, mean: Floats, theta: float) -> float:
    y = rows.y
    with np.errstate(all="ignore"):
        of_count = np.where(y > 0, y * np.log(y / mean), 0.0)
    return 2.0 * float(rows.weights @ (of_count - (y + theta) * np.log((y + theta) / (mean + theta))))


def _theta(rows: Design, mean: Floats, start: float | None) -> float:
    """The theta of largest likelihood given the means: where its score changes sign, on a logarithmic scale."""

    def score(log_theta: float) -> float:
        return _theta_score(rows, mean, math.exp(log_theta))

    low, high = math.log(1e-6), math.log(_LARGEST_THETA)
    if start is not None:  # close by, from the round before
        near = (math.log(start) - 0.5, math.log(start) + 0.5)
        if score(near[0]) > 0.0 > score(near[1]):
            low, high = near
    if not score(low) > 0.0 > score(high):
        raise CannotEstimate(NOT_OVERDISPERSED)
    return math.exp(root(score, low, high))


def _theta_score(rows: Design, mean: Floats, theta: float) -> float:
    from scipy.special import digamma

    y = rows.y
    terms = digamma(theta + y) - digamma(theta) + np.log(theta / (mean + theta)) + (mean - y) / (mean + theta)
    return float(rows.weights @ terms)


def _theta_information(rows: Design, mean: Floats, theta: float) -> float:
    from scipy.special import polygamma

    y = rows.y
    terms = (
        polygamma(1, theta) - polygamma(1, theta + y)
        - 1.0 / theta + 2.0 / (mean + theta) - (y + theta) / (mean + theta) ** 2
    )  # fmt: skip
    information = float(rows.weights @ terms)
    if information <= 0.0:
        raise CannotEstimate(NOT_OVERDISPERSED)
    return information
