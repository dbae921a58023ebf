"""How many patients a prior is worth.

Source: Neuenschwander, Weber, Schmidli & O'Hagan (2020), Predictively consistent prior effective sample sizes,
Biometrics 76:578-587: the expected local information ratio (ELIR). The moment match (the size of the single
conjugate prior with the same mean and variance) is given beside it, as it is what older reports print.
"""

from __future__ import annotations

import math

import numpy as np

from studies.reasons import NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats
from studies.statistics.bridging.arguments import positive
from studies.statistics.bridging.mixtures import Mixture
from studies.statistics.options import checked

_NODES = 64
_TAILS = (
    1e-12,
    1e-9,
    1e-6,
    1e-4,
    1e-3,
    0.01,
    0.05,
    0.2,
    0.5,
    0.8,
    0.95,
    0.99,
    0.999,
    1 - 1e-4,
    1 - 1e-6,
    1 - 1e-9,
)


@checked
def ess_elir(prior: Mixture, *, sigma: float | None = None) -> float:
    """E[i(theta) / i_F(theta)], the prior's information over that of one patient, averaged over the prior.

    beta: patients with a binary outcome; gamma: units of exposure; normal: patients whose outcome has standard
    deviation `sigma` (needed there). A single Beta(a, b) has a + b, Gamma(a, b) has b, N(m, s^2) sigma^2/s^2.
    Raises `CannotEstimate` for beta components with a or b below 1 and gamma components with shape below 1:
    their density has no bound and the average does not exist.
    """
    if prior.family == "normal":
        unit = positive(sigma, "sigma") ** 2
    elif (prior.a < 1).any() or (prior.family == "beta" and (prior.b < 1).any()):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="ELIR")
    else:
        unit = 1.0
    theta, steps = _nodes(prior)
    density, first, second = _density_and_slopes(prior, theta)
    if prior.family == "beta":
        information = theta * (1.0 - theta)
    elif prior.family == "gamma":
        information = theta
    else:
        information = np.full_like(theta, unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        curvature = np.where(density > 0, first**2 / density - second, 0.0)
    total = float(steps @ (curvature * information))
    if not math.isfinite(total):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="ELIR")
    return total


@checked
def ess_moment(prior: Mixture, *, sigma: float | None = None) -> float:
    """The size of the single conjugate prior with the same mean and variance.

    beta: m(1 - m)/v - 1; gamma: m/v (exposure); normal: sigma^2 / v.
    """
    mean, variance = prior.mean, prior.sd**2
    if prior.family == "beta":
        return mean * (1.0 - mean) / variance - 1.0
    if prior.family == "gamma":
        return mean / variance
    return positive(sigma, "sigma") ** 2 / variance


def _nodes(prior: Mixture) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights between the quantiles of all components."""
    low, high = {"beta": (0.0, 1.0), "gamma": (0.0, None), "normal": (None, None)}[prior.family]
    cuts = np.unique(prior.component_quantiles([*_TAILS, 1 - 1e-12]))
    ends = [] if low is None else [low]
    ends += [one for one in cuts.tolist() if (low is None or one > low) and (high is None or one < high)]
    if high is not None:
        ends.append(high)
    edges = np.array(ends)
    # Many components give many nearly equal cuts; a thousand pieces are enough.
    if len(edges) > 1000:
        edges = edges[np.unique(np.linspace(0, len(edges) - 1, 1000).astype(int))]
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges) / 2.0
    middle = (edges[1:] + edges[:-1]) / 2.0
    return (middle[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()


def _density_and_slopes(prior: Mixture, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Density and its first two derivatives at theta (m,)."""
    f = prior.by_component(theta, "pdf")
    at = theta[:, None]
    if prior.family == "beta":
        slope = (prior.a - 1) / at - (prior.b - 1) / (1 - at)
        bend = -(prior.a - 1) / at**2 - (prior.b - 1) / (1 - at) ** 2
    elif prior.family == "gamma":
        slope = (prior.a - 1) / at - prior.b
        bend = -(prior.a - 1) / at**2
    else:
        slope = -(at - prior.a) / prior.b**2
        bend = np.broadcast_to(-1.0 / prior.b**2, slope.shape)
    w = prior.weights
    return f @ w, (f * slope) @ w, (f * (slope**2 + bend)) @ w
