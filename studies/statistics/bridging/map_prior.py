"""The meta-analytic predictive prior: what earlier studies foretell for a new one, heterogeneity included.

Studies are exchangeable around a mean with between-study standard deviation tau; the prior for the new study is its
predictive distribution. Everything is integrated on a fixed grid: no sampling, the same answer every time.

Sources: Neuenschwander et al. (2010), Clin Trials 7:5-18; Schmidli et al. (2014), Biometrics 70:1023-1032 (mixtures,
robust priors). Choose the scale of tau on the additive scale of the outcome: on the logit or log hazard scale a
half-normal scale of 1 allows very large, 0.5 substantial and 0.25 moderate heterogeneity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.bridging.arguments import number, positive, whole
from studies.statistics.bridging.mixtures import Mixture, combine, mixture
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

_TAU_NODES, _MU_PIECES, _EFFECT_NODES, _QUANTILES = 160, 8, 40, 499
_EM_ROUNDS = 1000

NO_STUDY = Reason("no_study", "没有可用于先验的既往研究。", "There is no earlier study to make a prior of.")
NOTHING_VAGUE = Reason(
    "nothing_vague",
    "只有一项或两项既往研究时，均值需要一个合适的（正态）先验。",
    "With one or two earlier studies the mean needs a proper (normal) prior.",
)


@dataclass(frozen=True)
class MapPrior:
    """`prior`: the predictive distribution for a new study, as a fine mixture (normal family).

    scale -- "identity", or "logit" where the studies were counts; `prior` is on that scale, see `approximate`.
    tau_mean, tau_sd, mu_mean, mu_sd -- posterior of the between-study sd and of the mean.
    """

    prior: Mixture
    scale: str
    tau_mean: float
    tau_sd: float
    mu_mean: float
    mu_sd: float
    studies: int
    method: str


@checked
def map_prior_normal(
    value: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    tau_scale: float,
    mu_prior: tuple[float, float] | None = None,
) -> MapPrior:
    """From estimates with known standard errors: value, se (k,) on an additive scale; tau ~ half-normal(tau_scale).

    mu_prior -- mean and sd of a normal prior of the mean; None is flat, and needs 3 studies.
    Given tau everything is normal; tau is integrated by Gauss-Legendre on (0, 1) of its prior's probability.
    """
    y = numbers(value, "value")
    errors = numbers(se, "se", len(y))
    if (errors <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="se", allowed="> 0")
    if mu_prior is None and len(y) < 3:
        raise CannotEstimate(NOTHING_VAGUE)
    tau, tau_weights = _half_normal_nodes(positive(tau_scale, "tau_scale"))
    precision, shift = 0.0, 0.0
    if mu_prior is not None:
        precision = positive(mu_prior[1], "mu_prior") ** -2
        shift = number(mu_prior[0], "mu_prior") * precision
    spread = errors[None, :] ** 2 + tau[:, None] ** 2
    information = precision + (1.0 / spread).sum(axis=1)
    mean = (shift + (y / spread).sum(axis=1)) / information
    # The likelihood of tau with the mean integrated out; constants that do not depend on tau are left out.
    square = (y**2 / spread).sum(axis=1) - mean**2 * information + shift * shift / max(precision, 1e-300)
    log_likelihood = -0.5 * (np.log(spread).sum(axis=1) + np.log(information) + square)
    weights = tau_weights * np.exp(log_likelihood - log_likelihood.max())
    weights = weights / weights.sum()
    predictive = mixture("normal", weights, mean, np.sqrt(1.0 / information + tau**2))
    about_mean = mixture("normal", weights, mean, np.sqrt(1.0 / information))
    tau_mean = float(weights @ tau)
    return MapPrior(
        predictive, "identity", tau_mean, math.sqrt(max(float(weights @ tau**2) - tau_mean**2, 0.0)),
        about_mean.mean, about_mean.sd, len(y),
        f"meta-analytic predictive prior, normal-normal, tau half-normal({tau_scale:g}), {len(y)} studies",
    )  # fmt: skip


@checked
def map_prior_binomial(
    events: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    tau_scale: float,
    mu_prior: tuple[float, float] = (0.0, 2.0),
) -> MapPrior:
    """From counts: events, n (k,) with exact binomial likelihoods and effects on the logit scale.

    mu_prior -- mean and sd of the mean logit (RBesT's usual choice is (0, 2)). Integrated over tau and mean by Gauss
    rules and over each study's own effect by Gauss-Hermite nodes; studies without events need no correction.
    """
    y, size = numbers(events, "events"), numbers(n, "n")
    if len(y) != len(size):
        raise CannotEstimate(LENGTHS_DIFFER, variable="n")
    if (y < 0).any() or (y > size).any() or (y != np.floor(y)).any() or (size != np.floor(size)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="events, n", allowed="0 <= events <= n")
    if (size < 1).any():
        raise CannotEstimate(NO_STUDY)
    tau, tau_weights = _half_normal_nodes(positive(tau_scale, "tau_scale"), nodes=80)
    centre, wide = number(mu_prior[0], "mu_prior"), positive(mu_prior[1], "mu_prior")
    pooled = math.log((float(y.sum()) + 0.5) / (float((size - y).sum()) + 0.5))
    reach = abs(pooled - centre) + 6.0 * wide
    low, high = min(pooled, centre) - reach, max(pooled, centre) + reach
    # Twice: a wide look to see where the mean can be, then all nodes there.
    for _ in range(2):
        mu, mu_weights = _mu_nodes(low, high, centre, wide)
        log_joint = np.log(mu_weights)[None, :] + np.log(tau_weights)[:, None]
        for one, total in zip(y.tolist(), size.tolist(), strict=True):
            log_joint = log_joint + _log_study(one, total, mu, tau)
        joint = np.exp(log_joint - log_joint.max())
        joint = joint / joint.sum()
        seen = np.flatnonzero(joint.sum(axis=0) > 1e-12)
        step = (high - low) / len(mu)
        low, high = float(mu[seen[0]]) - 2 * step, float(mu[seen[-1]]) + 2 * step
    by_tau, by_mu = joint.sum(axis=1), joint.sum(axis=0)
    tau_mean, mu_mean = float(by_tau @ tau), float(by_mu @ mu)
    at_tau, at_mu = np.meshgrid(tau, mu, indexing="ij")
    kept = joint.ravel() > 1e-10  # what is left out adds up to less than 1e-6
    prior = mixture("normal", joint.ravel()[kept], at_mu.ravel()[kept], at_tau.ravel()[kept])
    return MapPrior(
        prior, "logit", tau_mean, math.sqrt(max(float(by_tau @ tau**2) - tau_mean**2, 0.0)), mu_mean,
        math.sqrt(max(float(by_mu @ mu**2) - mu_mean**2, 0.0)), len(y),
        f"meta-analytic predictive prior, binomial-logit-normal, tau half-normal({tau_scale:g}), {len(y)} studies",
    )  # fmt: skip


def map_quantiles(prior: MapPrior, probabilities: npt.ArrayLike) -> Floats:
    """Quantiles (m,) of the prior, back-transformed to proportions for scale "logit"."""
    p = numbers(probabilities, "probabilities")
    values = prior.prior.quantiles(p)
    return _expit(values) if prior.scale == "logit" else values


def map_mean_sd(prior: MapPrior) -> tuple[float, float]:
    """Mean and sd of the prior, on the proportion scale for "logit" (Gauss-Hermite over each component)."""
    if prior.scale != "logit":
        return prior.prior.mean, prior.prior.sd
    x, w = np.polynomial.hermite_e.hermegauss(60)
    p = _expit(prior.prior.a[:, None] + prior.prior.b[:, None] * x)
    w = w / w.sum()
    mean = float(prior.prior.weights @ (p @ w))
    square = float(prior.prior.weights @ (p**2 @ w))
    return mean, math.sqrt(square - mean**2)


@checked
def approximate(prior: MapPrior, *, components: int = 3) -> Mixture:
    """A short conjugate mixture close to the prior: beta for "logit" priors, normal otherwise.

    Fitted by the EM algorithm to 499 equally spaced quantiles, so it is deterministic; as many components as asked
    for, fewer where two would be the same. Check it with `largest_distance`.
    """
    k = whole(components, "components", 1, 8)
    points = map_quantiles(prior, np.arange(1, _QUANTILES + 1) / (_QUANTILES + 1.0))
    return _em(points, k, "beta" if prior.scale == "logit" else "normal")


def largest_distance(prior: MapPrior, other: Mixture) -> float:
    """The largest difference of the two distribution functions, over 499 quantiles of the prior."""
    levels = np.arange(1, _QUANTILES + 1) / (_QUANTILES + 1.0)
    return float(np.abs(other.cdf(map_quantiles(prior, levels)) - levels).max())


@checked
def robustify(prior: Mixture, *, weight: float, vague: Mixture) -> Mixture:
    """A robust prior: `weight` on a vague component of the same family, the rest on the prior (Schmidli 2014).

    weight is the probability in [0, 1] that the new study is not like the old ones; state it before the data are seen.
    """
    w = number(weight, "weight", 0.0, 1.0)
    return combine([(1.0 - w, prior), (w, vague)])


def _half_normal_nodes(scale: float, nodes: int = _TAU_NODES) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes of tau on eight pieces up to 8 scales, with the half-normal prior in their weights."""
    x, w = np.polynomial.legendre.leggauss(nodes // 8)
    pieces = scale * np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0])
    half, mid = np.diff(pieces) / 2.0, (pieces[1:] + pieces[:-1]) / 2.0
    tau = (mid[:, None] + half[:, None] * x).ravel()
    weights = (half[:, None] * w).ravel() * np.exp(-0.5 * (tau / scale) ** 2)
    return tau, weights / weights.sum()


def _mu_nodes(low: float, high: float, centre: float, wide: float) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes between low and high, with the normal prior of the mean in their weights."""
    pieces = np.linspace(low, high, _MU_PIECES + 1)
    x, w = np.polynomial.legendre.leggauss(16)
    half, mid = np.diff(pieces) / 2.0, (pieces[1:] + pieces[:-1]) / 2.0
    mu = (mid[:, None] + half[:, None] * x).ravel()
    weights = (half[:, None] * w).ravel() * np.exp(-0.5 * ((mu - centre) / wide) ** 2)
    return mu, np.maximum(weights, 1e-300)


def _log_study(y: float, n: float, mu: Floats, tau: Floats) -> Floats:
    """log of the integral of Binomial(y | n, expit(theta)) N(theta; mu, tau^2), (tau, mu) nodes.

    Gauss-Hermite centred at the mode of the integrand and scaled by its curvature: exact to about 1e-8 with 40 nodes
    even where the likelihood is much narrower than the normal.
    """
    m, s = np.meshgrid(mu, tau)
    theta = m.copy()
    for _ in range(60):
        p = _expit(theta)
        step = (y - n * p - (theta - m) / s**2) / (n * p * (1 - p) + s**-2)
        theta = theta + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    p = _expit(theta)
    width = 1.0 / np.sqrt(n * p * (1 - p) + s**-2)
    x, w = np.polynomial.hermite_e.hermegauss(_EFFECT_NODES)
    at = theta[..., None] + width[..., None] * x
    log_f = y * at - n * np.logaddexp(0.0, at) - 0.5 * ((at - m[..., None]) / s[..., None]) ** 2
    log_f = log_f + 0.5 * x**2 + np.log(w)
    top = log_f.max(axis=-1)
    value = top + np.log(np.exp(log_f - top[..., None]).sum(axis=-1)) + np.log(width / s)
    return np.asarray(value, dtype=np.float64)


def _em(points: Floats, k: int, family: Literal["beta", "normal"]) -> Mixture:
    ordered = np.array_split(np.sort(points), k)
    weights = np.full(k, 1.0 / k)
    mean, sd = (np.array([float(make(part)) for part in ordered]) for make in (np.mean, np.std))
    a, b = _start(mean, np.maximum(sd, 1e-9), family)
    last = -math.inf
    for _ in range(_EM_ROUNDS):
        parts = Mixture(family, weights, a, b).by_component(points, "pdf") * weights
        total = parts.sum(axis=1)
        now = float(np.log(total).mean())
        if now - last < 1e-9:
            break
        last = now
        belongs = parts / total[:, None]
        size = np.maximum(belongs.sum(axis=0), 1e-12)
        weights = size / size.sum()
        if family == "normal":
            a = (belongs * points[:, None]).sum(axis=0) / size
            b = np.maximum(np.sqrt((belongs * (points[:, None] - a) ** 2).sum(axis=0) / size), 1e-9)
        else:
            logs = (belongs * np.log(points)[:, None]).sum(axis=0) / size
            logs_of_rest = (belongs * np.log1p(-points)[:, None]).sum(axis=0) / size
            a, b = _beta_from_logs(logs, logs_of_rest, a, b)
    return mixture(family, weights, a, b)


def _start(mean: Floats, sd: Floats, family: str) -> tuple[Floats, Floats]:
    if family == "normal":
        return mean, sd
    size = np.maximum(mean * (1.0 - mean) / sd**2 - 1.0, 0.1)
    return mean * size, (1.0 - mean) * size


def _beta_from_logs(logs: Floats, logs_of_rest: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Maximum likelihood of Beta(a, b) from the means of log x and log(1 - x), two Newton steps from (a, b)."""
    from scipy.special import polygamma, psi

    for _ in range(2):
        both = psi(a + b)
        off_a, off_b = psi(a) - both - logs, psi(b) - both - logs_of_rest
        shared = polygamma(1, a + b)
        one, two = polygamma(1, a) - shared, polygamma(1, b) - shared
        determinant = one * two - shared**2
        step_a = (two * off_a + shared * off_b) / determinant
        step_b = (shared * off_a + one * off_b) / determinant
        # Halving, not crossing 0: the likelihood of a beta is concave, Newton's step only ever overshoots.
        a, b = np.maximum(a - step_a, a / 2.0), np.maximum(b - step_b, b / 2.0)
    return a, b


def _expit(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))
