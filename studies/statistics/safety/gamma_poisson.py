"""The multi-item gamma-Poisson shrinker: EBGM and its percentiles.

Observed counts are Poisson with mean lambda times expected; lambda has a prior of two gammas, whose five
parameters are estimated from all pairs together (DuMouchel 1999, Am Stat 53:177). A pair with few reports
is pulled to what is common among all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between, counts, one_of, whole

NO_PRIOR = Reason(
    "no_prior",
    "伽马-泊松模型的先验参数未收敛：各配对之间的差异不足以估计两个成分。",
    "The prior of the gamma-Poisson model did not converge: the pairs do not tell two components apart.",
)
# DuMouchel's start and four others, so that a local maximum is seen: alpha1, beta1, alpha2, beta2, p.
_STARTS = (
    (0.2, 0.1, 2.0, 4.0, 1 / 3),
    (0.1, 0.1, 10.0, 10.0, 0.2),
    (0.3, 0.5, 6.0, 6.0, 0.5),
    (0.5, 0.3, 12.0, 12.0, 0.8),
    (2.0, 0.5, 3.0, 3.0, 0.1),
)
_FAR = 12.0  # a log parameter beyond this is at the edge: the component has no variance or no mass


@dataclass(frozen=True)
class GammaPoissonPrior:
    """p Gamma(alpha1, rate beta1) + (1 - p) Gamma(alpha2, rate beta2)."""

    alpha1: float
    beta1: float
    alpha2: float
    beta2: float
    p: float
    loglik: float
    pairs: int
    method: str


@dataclass(frozen=True)
class Shrunk:
    """(k,) each: EBGM = 2^E[log2 lambda], the 5th and 95th percentiles of lambda, and the posterior weight
    of the first component.
    """

    ebgm: Floats
    eb05: Floats
    eb95: Floats
    first_component: Floats
    prior: GammaPoissonPrior


@checked
def fit_gamma_poisson_prior(
    observed: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    smallest_count: int = 0,
    truncation: str = "mixture",
) -> GammaPoissonPrior:
    """The maximum likelihood estimate of the five parameters (DuMouchel 1999, equation 4).

    observed (k,) counts, expected (k,) > 0. smallest_count: the counts that could be in the columns; 0 where
    pairs without reports are included, 1 where they are not (then the likelihood is conditional on at least
    one). truncation says of what: "mixture", the pair as a whole, or "components", each component by itself
    (DuMouchel & Pregibon 2001, as in `openEBGM`): p then refers to the reported pairs.
    The best of five starts; ten pairs at least. Raises `CannotEstimate` for bad columns, counts below the
    smallest, fewer pairs, and parameters that run to an edge.
    """
    from scipy.optimize import minimize

    one_of(truncation, "truncation", ("mixture", "components"))
    smallest = whole(smallest_count, "smallest_count", 0, 1)
    seen = counts(observed, "observed")
    awaited = amounts(expected, "expected", len(seen), above_zero=True)
    if (seen < smallest).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="observed", allowed=f">= {smallest}")
    if len(seen) < 10:
        raise CannotEstimate(TOO_MANY_TERMS)
    # Pairs with the same count and expectation are one term of the likelihood.
    distinct, times = np.unique(np.stack([seen.astype(float), awaited]), axis=1, return_counts=True)
    if distinct.shape[1] < 5:
        raise CannotEstimate(NO_PRIOR)
    terms = (distinct[0], distinct[1], times.astype(float), smallest == 1, truncation == "mixture")
    best: tuple[float, Floats] | None = None
    for start in _STARTS:
        place = np.append(np.log(start[:4]), np.log(start[4] / (1 - start[4])))
        with np.errstate(all="ignore"):
            found = minimize(
                _negative, place, args=terms, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500}
            )
        inside = np.isfinite(found.x).all() and np.abs(found.x).max() < _FAR
        if inside and np.abs(found.jac).max() < 1e-6 and (best is None or found.fun < best[0]):
            best = (float(found.fun), found.x)
    if best is None:
        raise CannotEstimate(NO_PRIOR)
    a1, b1, a2, b2 = np.exp(best[1][:4])
    share = 1.0 / (1.0 + np.exp(-best[1][4]))
    if a1 / b1 > a2 / b2:
        (a1, b1, a2, b2), share = (a2, b2, a1, b1), 1.0 - share
    among = "" if smallest == 0 else f"; pairs with at least one report, conditional by {truncation}"
    return GammaPoissonPrior(
        alpha1=float(a1),
        beta1=float(b1),
        alpha2=float(a2),
        beta2=float(b2),
        p=float(share),
        loglik=-best[0] * float(times.sum()),
        pairs=len(seen),
        method="two gammas by maximum likelihood, the best of five starts" + among,
    )


def shrink(
    observed: npt.ArrayLike,
    expected: npt.ArrayLike,
    prior: GammaPoissonPrior,
    *,
    percentiles: tuple[float, float] = (0.05, 0.95),
) -> Shrunk:
    """EBGM, EB05 and EB95 of k pairs under a prior (DuMouchel 1999, equations 5 to 12).

    observed (k,) counts, expected (k,) > 0. Percentiles of the mixture posterior by bisection to 1e-13.
    Raises `CannotEstimate` for bad columns, and a prior whose parameters are not positive.
    """
    from scipy.special import digamma, gammainc, gammaincinv

    seen = counts(observed, "observed").astype(np.float64)
    awaited = amounts(expected, "expected", len(seen), above_zero=True)
    for name in ("alpha1", "beta1", "alpha2", "beta2"):
        between(getattr(prior, name), name)
    between(prior.p, "p", 0, 1, closed=True)
    with np.errstate(divide="ignore"):
        one = np.log(prior.p) + _log_count(seen, awaited, prior.alpha1, prior.beta1)
        two = np.log1p(-prior.p) + _log_count(seen, awaited, prior.alpha2, prior.beta2)
    weight = np.exp(one - np.logaddexp(one, two))
    shapes = (prior.alpha1 + seen, prior.alpha2 + seen)
    rates = (prior.beta1 + awaited, prior.beta2 + awaited)
    means = [digamma(shape) - np.log(rate) for shape, rate in zip(shapes, rates, strict=True)]
    ends = []
    for percentile in percentiles:
        between(percentile, "percentiles", 0, 1)
        each = [gammaincinv(shape, percentile) / rate for shape, rate in zip(shapes, rates, strict=True)]
        low, high = np.minimum(*each), np.maximum(*each)
        for _ in range(200):  # the quantile of a mixture lies between those of its components
            middle = (low + high) / 2.0
            below = weight * gammainc(shapes[0], middle * rates[0])
            below += (1.0 - weight) * gammainc(shapes[1], middle * rates[1])
            low, high = np.where(below < percentile, middle, low), np.where(below < percentile, high, middle)
            if ((high - low) <= 1e-13 * high).all():
                break
        ends.append((low + high) / 2.0)
    return Shrunk(np.exp(weight * means[0] + (1.0 - weight) * means[1]), ends[0], ends[1], weight, prior)


def _log_count(seen: Floats, awaited: Floats, shape: float, rate: float) -> Floats:
    """log P(count) where lambda is gamma: negative binomial (DuMouchel 1999, equation 3)."""
    from scipy.special import gammaln

    whole_sum = np.log(rate + awaited)
    return np.asarray(
        gammaln(shape + seen)
        - gammaln(shape)
        - gammaln(seen + 1.0)
        + shape * (np.log(rate) - whole_sum)
        + seen * (np.log(awaited) - whole_sum)
    )


def _slopes(seen: Floats, awaited: Floats, shape: float, rate: float) -> tuple[Floats, Floats]:
    """d log P / d log shape and d log rate."""
    from scipy.special import digamma

    by_shape = digamma(shape + seen) - digamma(shape) + np.log(rate) - np.log(rate + awaited)
    by_rate = shape / rate - (shape + seen) / (rate + awaited)
    return shape * by_shape, rate * by_rate


def _negative(
    place: Floats, seen: Floats, awaited: Floats, times: Floats, truncated: bool, as_mixture: bool
) -> tuple[float, Floats]:
    """Minus the mean log-likelihood and its gradient, in (log a1, log b1, log a2, log b2, logit p)."""
    if np.abs(place).max() > 50:
        return np.inf, np.zeros(5)
    share = 1.0 / (1.0 + np.exp(-place[4]))
    value, slope = np.zeros((2, len(seen))), np.zeros((2, 2, len(seen)))
    above, above_slope = np.zeros((2, len(seen))), np.zeros((2, 2, len(seen)))
    for part in (0, 1):
        shape, rate = np.exp(place[2 * part]), np.exp(place[2 * part + 1])
        value[part] = _log_count(seen, awaited, shape, rate)
        slope[part] = _slopes(seen, awaited, shape, rate)
        if truncated:
            none = np.zeros_like(seen)
            log_none = _log_count(none, awaited, shape, rate)
            above[part] = np.log(-np.expm1(log_none))
            above_slope[part] = -np.exp(log_none - above[part]) * np.array(
                _slopes(none, awaited, shape, rate)
            )
    if truncated and not as_mixture:
        value, slope = value - above, slope - above_slope
    total, gradient = _mixture(value, slope, share)
    if truncated and as_mixture:
        whole_above, gradient_above = _mixture(above, above_slope, share)
        total, gradient = total - whole_above, gradient - gradient_above
    return -float(times @ total) / times.sum(), -(gradient @ times) / times.sum()


def _mixture(value: Floats, slope: Floats, share: float) -> tuple[Floats, Floats]:
    """log of the mixture of two log densities, and its gradient (5, k)."""
    one, two = np.log(share) + value[0], np.log1p(-share) + value[1]
    total = np.logaddexp(one, two)
    weight = np.exp(one - total)
    return total, np.concatenate(
        [weight * slope[0], (1.0 - weight) * slope[1], (weight - share)[None, :]], axis=0
    )
