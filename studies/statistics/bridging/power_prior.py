"""Power priors: the overseas trial's likelihood raised to a power a0 between 0 (ignored) and 1 (pooled).

a0 is fixed in the protocol; or has a prior of its own and is integrated out with the normalising constant that
this needs ("normalised"); or is the value under which the new data are most likely ("empirical_bayes").

Sources: Ibrahim & Chen (2000), Stat Sci 15:46-60; Duan, Ye & Smith (2006), Environmetrics 17:95-106 and Neuenschwander,
Branson & Spiegelhalter (2009), Stat Med 28:3562 (normalised); Gravestock & Held (2017), Pharm Stat 16:349 (empirical
Bayes; their closed form for normal data).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.bridging.arguments import number, positive, share, whole
from studies.statistics.bridging.mixtures import (
    Mixture,
    PosteriorSummary,
    beta,
    gamma,
    mixture,
    normal,
    summarise,
    update_binomial,
    update_normal,
    update_poisson,
)
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

A0 = float | Literal["normalised", "empirical_bayes"]
_NODES = 200


@dataclass(frozen=True)
class PowerPrior:
    """The posterior and how it came about.

    a0 -- the power used: fixed, the posterior mean (normalised), or the maximiser (empirical Bayes).
    prior_ess -- a0 x the size of the historical study, in patients (beta), in person-time (gamma), and for normal
        data in multiples of the new estimate's information. probability_above -- P(theta > threshold), or None.
    log_marginal -- log likelihood of the new data at a0, integrated over it for "normalised".
    """

    posterior: Mixture
    summary: PosteriorSummary
    a0: float
    a0_kind: str
    prior_ess: float
    threshold: float | None
    probability_above: float | None
    log_marginal: float
    method: str


@checked
def power_prior_beta(
    events: int,
    n: int,
    historical_events: int,
    historical_n: int,
    *,
    a0: A0,
    prior: tuple[float, float] = (1.0, 1.0),
    a0_prior: tuple[float, float] = (1.0, 1.0),
    threshold: float | None = None,
    conf_level: float = CI_LEVEL,
) -> PowerPrior:
    """A proportion: Beta(a + a0 y0 + y, b + a0 (n0 - y0) + n - y).

    prior -- the initial Beta(a, b), both above 0; a0_prior -- Beta(c, d) of a0 for "normalised", each at most 50.
    Raises `CannotEstimate` for counts that are no counts and an a0 outside [0, 1].
    """
    size, size0 = whole(n, "n", 0), whole(historical_n, "historical_n", 0)
    y, y0 = whole(events, "events", 0, size), whole(historical_events, "historical_events", 0, size0)
    a, b = positive(prior[0], "prior"), positive(prior[1], "prior")

    def powered(power: float) -> Mixture:
        return beta(a + power * y0, b + power * (size0 - y0))

    def log_marginal(power: Floats) -> Floats:
        from scipy.special import betaln

        one, two = a + power * y0, b + power * (size0 - y0)
        return np.asarray(betaln(one + y, two + size - y) - betaln(one, two), dtype=np.float64)

    return _finished(
        powered, log_marginal, lambda m: update_binomial(m, y, size), a0, a0_prior, float(size0), threshold,
        conf_level, "beta-binomial",
    )  # fmt: skip


@checked
def power_prior_normal(
    value: float,
    se: float,
    historical_value: float,
    historical_se: float,
    *,
    a0: A0,
    prior: tuple[float, float] | None = None,
    a0_prior: tuple[float, float] = (1.0, 1.0),
    threshold: float | None = None,
    conf_level: float = CI_LEVEL,
) -> PowerPrior:
    """An effect with known standard errors (a log hazard ratio, a mean): the historical variance becomes se0^2 / a0.

    prior -- mean and sd of the initial normal; None is flat (then a0 must be above 0; "normalised" works
    because a0 = 0 has probability 0). Flat and "empirical_bayes": a0 = se0^2 / ((y - y0)^2 - se^2), at most 1.
    """
    y, error = number(value, "value"), positive(se, "se")
    y0, error0 = number(historical_value, "historical_value"), positive(historical_se, "historical_se")
    precision, shift = 0.0, 0.0
    if prior is not None:
        precision = positive(prior[1], "prior") ** -2
        shift = number(prior[0], "prior") * precision
    elif not isinstance(a0, str) and a0 == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="a0", allowed="> 0, prior")

    def parts(power: Floats) -> tuple[Floats, Floats]:
        information = precision + power / error0**2
        return (shift + power * y0 / error0**2) / information, 1.0 / information

    def powered(power: float) -> Mixture:
        mean, variance = parts(np.array([power]))
        return normal(float(mean[0]), math.sqrt(float(variance[0])))

    def log_marginal(power: Floats) -> Floats:
        mean, variance = parts(power)
        spread = variance + error**2
        return -0.5 * (np.log(2 * np.pi * spread) + (y - mean) ** 2 / spread)

    return _finished(
        powered, log_marginal, lambda m: update_normal(m, y, error), a0, a0_prior, error**2 / error0**2, threshold,
        conf_level, "normal",
    )  # fmt: skip


@checked
def power_prior_gamma(
    events: int,
    exposure: float,
    historical_events: int,
    historical_exposure: float,
    *,
    a0: A0,
    prior: tuple[float, float] = (0.5, 0.001),
    a0_prior: tuple[float, float] = (1.0, 1.0),
    threshold: float | None = None,
    conf_level: float = CI_LEVEL,
) -> PowerPrior:
    """A rate: Gamma(shape a + a0 y0 + y, rate b + a0 T0 + T); events in exposure (person-time, one unit)."""
    y, y0 = whole(events, "events"), whole(historical_events, "historical_events")
    time, time0 = positive(exposure, "exposure"), positive(historical_exposure, "historical_exposure")
    a, b = positive(prior[0], "prior"), positive(prior[1], "prior")

    def powered(power: float) -> Mixture:
        return gamma(a + power * y0, b + power * time0)

    def log_marginal(power: Floats) -> Floats:
        from scipy.special import gammaln

        one, two = a + power * y0, b + power * time0
        known = gammaln(one + y) - gammaln(one) + one * np.log(two) - (one + y) * np.log(two + time)
        return np.asarray(known + y * math.log(time) - gammaln(y + 1), dtype=np.float64)

    return _finished(
        powered, log_marginal, lambda m: update_poisson(m, y, time), a0, a0_prior, time0, threshold, conf_level,
        "gamma-Poisson",
    )  # fmt: skip


def _finished(
    powered: Callable[[float], Mixture],
    log_marginal: Callable[[Floats], Floats],
    update: Callable[[Mixture], Mixture],
    a0: A0,
    a0_prior: tuple[float, float],
    size: float,
    threshold: float | None,
    conf_level: float,
    model: str,
) -> PowerPrior:
    level = share(conf_level, "conf_level")
    if a0 == "normalised":
        posterior, power, log_likelihood = _normalised(powered, log_marginal, update, a0_prior)
    else:
        power = _empirical_bayes(log_marginal) if a0 == "empirical_bayes" else _fixed(a0)
        posterior = update(powered(power))
        log_likelihood = float(log_marginal(np.array([power]))[0])
    kind = a0 if isinstance(a0, str) else "fixed"
    edge = None if threshold is None else number(threshold, "threshold")
    return PowerPrior(
        posterior=posterior,
        summary=summarise(posterior, conf_level=level),
        a0=power,
        a0_kind=kind,
        prior_ess=power * size,
        threshold=edge,
        probability_above=None if edge is None else posterior.above(edge),
        log_marginal=log_likelihood,
        method=f"power prior, {model}, a0 {kind.replace('_', ' ')} = {power:.4g}",
    )


def _fixed(a0: A0) -> float:
    if isinstance(a0, str):
        raise CannotEstimate(BAD_ARGUMENT, argument="a0", allowed="[0, 1], normalised, empirical_bayes")
    return number(a0, "a0", 0.0, 1.0)


def _normalised(
    powered: Callable[[float], Mixture],
    log_marginal: Callable[[Floats], Floats],
    update: Callable[[Mixture], Mixture],
    a0_prior: tuple[float, float],
) -> tuple[Mixture, float, float]:
    """The posterior averaged over a0, whose own posterior is prior x marginal likelihood of the new data.

    Gauss-Jacobi nodes take the Beta prior of a0, even one that is infinite at an end, into the weights.
    """
    from scipy.special import roots_jacobi

    # Beyond 50 the rule's weights lose their digits; such a prior is a fixed a0 in all but name.
    c, d = (number(one, "a0_prior", 0.0, 50.0, open_low=True) for one in a0_prior)
    roots, weights = roots_jacobi(_NODES, d - 1.0, c - 1.0)
    powers = (np.asarray(roots) + 1.0) / 2.0
    prior_weights = np.asarray(weights) / float(np.sum(weights))
    log_likelihood = log_marginal(powers)
    top = float(log_likelihood.max())
    joint = prior_weights * np.exp(log_likelihood - top)
    total = float(joint.sum())
    kept = joint / total
    updated = [update(powered(float(one))) for one in powers]
    posterior = mixture(
        updated[0].family,
        kept,
        np.concatenate([one.a for one in updated]),
        np.concatenate([one.b for one in updated]),
    )
    return posterior, float(kept @ powers), top + math.log(total)


def _empirical_bayes(log_marginal: Callable[[Floats], Floats]) -> float:
    """The a0 in [0, 1] with the largest marginal likelihood: a grid, then golden section around its best point."""
    from scipy.optimize import minimize_scalar

    grid = np.concatenate([np.geomspace(1e-8, 1e-3, 60), np.linspace(1e-3, 1.0, 400)])
    values = log_marginal(grid)
    best = int(np.argmax(values))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda power: -float(log_marginal(np.array([power]))[0]),
        bounds=(float(low), float(high)),
        method="bounded",
        options={"xatol": 1e-12},
    )
    if -float(found.fun) < float(values[best]) or best in (0, len(grid) - 1):
        inside = float(grid[best])
        return 1.0 if best == len(grid) - 1 and -float(found.fun) <= float(values[best]) else inside
    return float(found.x)
