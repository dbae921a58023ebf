"""The commensurate prior: how alike overseas and Lecheng results are is learned from both.

theta (here) ~ N(theta0 (there), sd^2): a small sd borrows much, a large one little. With estimates of known standard
error and a flat prior on theta0, theta given sd and the history is N(y0, se0^2 + sd^2); sd is integrated on a
fixed grid, no sampling.

Sources: Hobbs, Carlin, Mandrekar & Sargent (2011), Biometrics 67:1047-1056, the location commensurate prior, without
its additional power parameter; Hobbs, Sargent & Carlin (2012), Bayesian Analysis 7:639 (spike and slab).
Hazards by piecewise exponential commensurate models are not offered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from studies.statistics import Floats
from studies.statistics.bridging.arguments import choice, number, positive, share
from studies.statistics.bridging.conflict import PriorConflict, conflict_normal
from studies.statistics.bridging.mixtures import Mixture, PosteriorSummary, mixture, summarise, update_normal
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

SdPrior = Literal["half_normal", "half_cauchy", "uniform", "spike_and_slab"]
_NODES = 20


@dataclass(frozen=True)
class Commensurate:
    """The posterior here, and how much was borrowed.

    sd_mean -- posterior mean of the between-study sd; precision_gained -- se^2 / posterior variance - 1, so 0 means
    that nothing was borrowed and 1 that the new data count twice; conflict -- prior predictive p.
    """

    posterior: Mixture
    summary: PosteriorSummary
    prior: Mixture
    sd_mean: float
    precision_gained: float
    threshold: float | None
    probability_above: float | None
    conflict: PriorConflict
    method: str


@checked
def commensurate_normal(
    value: float,
    se: float,
    historical_value: float,
    historical_se: float,
    *,
    sd_prior: SdPrior,
    scale: float,
    spike_probability: float = 0.5,
    spike_sd: float = 0.0,
    threshold: float | None = None,
    conf_level: float = CI_LEVEL,
) -> Commensurate:
    """Borrow from one historical estimate as far as the two agree.

    value, se; historical_value, historical_se -- on one additive scale (log hazard ratio, logit, mean).
    sd_prior, scale -- of the between-study sd: half-normal or half-Cauchy with this scale, uniform on (0, scale), or
        "spike_and_slab": sd = spike_sd with `spike_probability`, else uniform on (0, scale).
    threshold -- gives P(theta > threshold).

    Raises `CannotEstimate` for numbers that are not finite, errors or a scale that are not above 0.
    """
    y, error = number(value, "value"), positive(se, "se")
    level = share(conf_level, "conf_level")
    prior = commensurate_prior(
        historical_value, historical_se, sd_prior=sd_prior, scale=scale, spike_probability=spike_probability,
        spike_sd=spike_sd,
    )  # fmt: skip
    sd = np.sqrt(np.maximum(prior.b**2 - positive(historical_se, "historical_se") ** 2, 0.0))
    posterior = update_normal(prior, y, error)
    edge = None if threshold is None else number(threshold, "threshold")
    return Commensurate(
        posterior=posterior,
        summary=summarise(posterior, conf_level=level),
        prior=prior,
        sd_mean=float(posterior.weights @ sd),
        precision_gained=error**2 / posterior.sd**2 - 1.0,
        threshold=edge,
        probability_above=None if edge is None else posterior.above(edge),
        conflict=conflict_normal(prior, y, error),
        method=f"normal commensurate prior, between-study sd {sd_prior.replace('_', ' ')} ({scale:g})",
    )


@checked
def commensurate_prior(
    historical_value: float,
    historical_se: float,
    *,
    sd_prior: SdPrior,
    scale: float,
    spike_probability: float = 0.5,
    spike_sd: float = 0.0,
) -> Mixture:
    """The prior alone, a normal mixture: what operating characteristics are computed from before there are data."""
    choice(sd_prior, "sd_prior", get_args(SdPrior))
    y0, error0 = number(historical_value, "historical_value"), positive(historical_se, "historical_se")
    sd, weights = _sd_nodes(sd_prior, positive(scale, "scale"), spike_probability, spike_sd)
    return mixture("normal", weights, np.full(len(sd), y0), np.hypot(error0, sd))


def _sd_nodes(kind: str, scale: float, spike_probability: float, spike_sd: float) -> tuple[Floats, Floats]:
    from scipy.special import ndtri

    # Pieces that shrink towards both ends: a wide prior has all that matters near 0, a heavy tail near 1.
    ends = 10.0 ** -np.arange(8, 0, -1)
    edges = np.concatenate([[0.0], ends, [0.3, 0.6], 1.0 - ends[::-1], [1.0]])
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half, middle = np.diff(edges) / 2.0, (edges[1:] + edges[:-1]) / 2.0
    u, weights = (middle[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()
    if kind == "half_normal":
        return scale * np.asarray(ndtri((1.0 + u) / 2.0), dtype=np.float64), weights
    if kind == "half_cauchy":
        return scale * np.tan(np.pi * u / 2.0), weights
    if kind == "uniform":
        return scale * u, weights
    spike = number(spike_probability, "spike_probability", 0.0, 1.0)
    at = number(spike_sd, "spike_sd", 0.0)
    return np.append(scale * u, at), np.append((1.0 - spike) * weights, spike)
