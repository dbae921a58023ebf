"""Draws of uncertain parameters for a probabilistic analysis: distributions are data, the seed is stated.

Each distribution is given by what a paper reports (mean and standard error) and turned into its parameters by
the method of moments (Briggs, Claxton & Sculpher 2006, ch. 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.inputs import matrix, numbers
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between, one_of, whole

DISTRIBUTIONS = ("beta", "gamma", "lognormal", "normal", "uniform", "fixed")
NO_SUCH_DISTRIBUTION = Reason(
    "no_such_distribution",
    "参数“{parameter}”的均值和标准误不能由“{distribution}”分布给出。",
    "No {distribution} distribution has the mean and standard error given for '{parameter}'.",
)


@dataclass(frozen=True)
class Uncertain:
    """One parameter. beta, gamma, lognormal, normal: mean and se (of the parameter itself, also for the
    log-normal); uniform: low and high; fixed: mean. `source` is where the numbers were read.
    """

    distribution: str
    mean: float = 0.0
    se: float = 0.0
    low: float = 0.0
    high: float = 0.0
    source: str = ""


@checked
def draws(
    parameters: Mapping[str, Uncertain],
    *,
    n: int,
    seed: int,
) -> dict[str, Floats]:
    """n independent draws of each parameter, (n,) each.

    Each parameter has its own stream, made of the seed and its name, so that adding a parameter changes none
    of the others' draws. Raises `CannotEstimate` for an unknown distribution and for moments that it cannot have
    (a beta needs 0 < mean < 1 and se^2 < mean (1 - mean); gamma and log-normal need mean > 0; all need se > 0).
    """
    n = whole(n, "n", 1)
    return {
        name: _drawn(name, one, n, np.random.default_rng([seed, *name.encode()]))
        for name, one in parameters.items()
    }


@checked
def correlated_draws(mean: npt.ArrayLike, covariance: npt.ArrayLike, *, n: int, seed: int) -> Floats:
    """n draws (n, q) from a multivariate normal: the estimated parameters of a curve or of a regression.

    mean (q,), covariance (q, q), symmetric and positive semi-definite; by its eigenvectors. Raises
    `CannotEstimate` otherwise.
    """
    centre = numbers(mean, "mean")
    spread = matrix(covariance, len(centre), "covariance")
    if spread.shape != (len(centre), len(centre)) or not np.allclose(spread, spread.T, rtol=1e-9, atol=0):
        raise CannotEstimate(BAD_ARGUMENT, argument="covariance", allowed="symmetric")
    values, vectors = np.linalg.eigh(spread)
    if values[0] < -1e-10 * max(float(values[-1]), 0.0):
        raise CannotEstimate(BAD_ARGUMENT, argument="covariance", allowed="positive semi-definite")
    standard = np.random.default_rng(seed).standard_normal((whole(n, "n", 1), len(centre)))
    return np.asarray(centre + (standard * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


@checked
def share_draws(counts: Sequence[float] | npt.ArrayLike, *, n: int, seed: int) -> Floats:
    """n draws (n, k) of shares that sum to 1, from a Dirichlet of counts (k,) > 0 (patients seen in each).

    Raises `CannotEstimate` for fewer than two shares and counts that are not positive.
    """
    seen = amounts(counts, "counts", above_zero=True)
    if len(seen) < 2:
        raise CannotEstimate(BAD_ARGUMENT, argument="counts", allowed="k >= 2")
    return np.asarray(np.random.default_rng(seed).dirichlet(seen, whole(n, "n", 1)))


def _drawn(name: str, one: Uncertain, n: int, rng: np.random.Generator) -> Floats:
    one_of(one.distribution, name, DISTRIBUTIONS)
    refuse = CannotEstimate(NO_SUCH_DISTRIBUTION, parameter=name, distribution=one.distribution)
    if one.distribution == "fixed":
        return np.full(n, between(one.mean, name, -math.inf))
    if one.distribution == "uniform":
        if not one.low < one.high or not math.isfinite(one.high - one.low):
            raise refuse
        return rng.uniform(one.low, one.high, n)
    mean, variance = one.mean, one.se**2
    if not (math.isfinite(mean) and math.isfinite(variance)) or one.se <= 0:
        raise refuse
    if one.distribution == "normal":
        return rng.normal(mean, one.se, n)
    if mean <= 0:
        raise refuse
    if one.distribution == "gamma":
        return rng.gamma(mean**2 / variance, variance / mean, n)
    if one.distribution == "lognormal":
        on_log = math.log1p(variance / mean**2)
        return rng.lognormal(math.log(mean) - on_log / 2.0, math.sqrt(on_log), n)
    if mean >= 1 or variance >= mean * (1.0 - mean):
        raise refuse
    strength = mean * (1.0 - mean) / variance - 1.0
    return rng.beta(mean * strength, (1.0 - mean) * strength, n)
