"""Mixtures of conjugate distributions: priors made from earlier studies, and the posteriors they lead to.

beta(a, b) for a proportion, normal(mean a, sd b) for an effect with known standard error, gamma(shape a,
rate b) for a rate. Updating a conjugate mixture is exact: each component is updated, and its weight is
multiplied by how well it had predicted the observation (Bernardo & Smith 1994, 5.2; Schmidli et al. 2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats
from studies.statistics.bridging.arguments import choice, number, positive, share, whole
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

Family = Literal["beta", "normal", "gamma"]
_FAMILIES = ("beta", "normal", "gamma")
_STEPS, _GUESSES = 100, 65


@dataclass(frozen=True)
class Mixture:
    """k components: weights (k,) that add up to 1, and parameters a (k,), b (k,).

    beta: Beta(a, b); normal: mean a, standard deviation b; gamma: shape a, rate b. Use `mixture` to make one:
    it checks the parameters.
    """

    family: Family
    weights: Floats
    a: Floats
    b: Floats

    def density(self, x: npt.ArrayLike) -> Floats:
        """The density at `x` (m,)."""
        return np.asarray(self.by_component(x, "pdf") @ self.weights, dtype=np.float64)

    def cdf(self, x: npt.ArrayLike) -> Floats:
        """P(theta <= x) at `x` (m,)."""
        return np.asarray(self.by_component(x, "cdf") @ self.weights, dtype=np.float64)

    @checked
    def above(self, x: float) -> float:
        """P(theta > x), from the upper tails, so that a tiny probability stays a number."""
        return float(self.by_component([x], "sf")[0] @ self.weights)

    @checked
    def quantile(self, probability: float) -> float:
        """The value below which lies `probability`, in (0, 1)."""
        return float(self.quantiles([share(probability, "probability")])[0])

    def quantiles(self, probabilities: npt.ArrayLike) -> Floats:
        """Quantiles (m,) at probabilities (m,): Newton's method, kept between the components' quantiles."""
        p = numbers(probabilities, "probabilities")
        for one in p.tolist():
            share(one, "probabilities")
        ends = self.component_quantiles(p)[:, self.weights > 0]
        low, high = ends.min(axis=1), ends.max(axis=1)
        # A first guess from a coarse look at the distribution function saves most of the steps.
        grid = np.linspace(float(low.min()), float(high.max()), _GUESSES)
        x: Floats = np.clip(np.interp(p, self.cdf(grid), grid), low, high)
        open_ones, width = np.arange(len(p)), self.sd if self.family == "normal" else 0.0
        for _ in range(_STEPS):
            at = x[open_ones]
            off, slope = self.cdf(at) - p[open_ones], self.density(at)
            low[open_ones] = np.where(off < 0, at, low[open_ones])
            high[open_ones] = np.where(off >= 0, at, high[open_ones])
            left, right = low[open_ones], high[open_ones]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = at - off / slope
            # Where Newton's method leaves the bracket or the density is 0, halve the bracket.
            x[open_ones] = np.where((step > left) & (step < right), step, (left + right) / 2.0)
            moved = np.abs(x[open_ones] - at) > 1e-13 * (np.abs(at) + width)
            open_ones = open_ones[moved]
            if not len(open_ones):
                break
        return x

    @property
    def mean(self) -> float:
        """The expectation."""
        return float(self.weights @ self._component_means())

    @property
    def sd(self) -> float:
        """The standard deviation."""
        means = self._component_means()
        centre = self.weights @ means
        return math.sqrt(float(self.weights @ (self._component_variances() + (means - centre) ** 2)))

    def _component_means(self) -> Floats:
        if self.family == "beta":
            return np.asarray(self.a / (self.a + self.b), dtype=np.float64)
        return self.a if self.family == "normal" else self.a / self.b

    def _component_variances(self) -> Floats:
        if self.family == "beta":
            total = self.a + self.b
            return self.a * self.b / (total**2 * (total + 1))
        return self.b**2 if self.family == "normal" else self.a / self.b**2

    def by_component(self, x: npt.ArrayLike, what: Literal["pdf", "cdf", "sf"]) -> Floats:
        """Density, distribution function or upper tail of each component at `x` (m,): (m, k)."""
        from scipy import special

        at = np.asarray(x, dtype=np.float64)[:, None]
        if self.family == "normal":
            z = (at - self.a) / self.b
            if what == "pdf":
                return np.asarray(np.exp(-0.5 * z**2) / (self.b * math.sqrt(2.0 * math.pi)), dtype=np.float64)
            return np.asarray(special.ndtr(z if what == "cdf" else -z), dtype=np.float64)
        if self.family == "gamma":
            at = np.maximum(at, 0.0)
            if what == "pdf":
                log_f = special.xlogy(self.a - 1.0, at) + self.a * np.log(self.b) - self.b * at
                return np.asarray(np.exp(log_f - special.gammaln(self.a)), dtype=np.float64)
            tail = special.gammainc if what == "cdf" else special.gammaincc
            return np.asarray(tail(self.a, self.b * at), dtype=np.float64)
        inside = np.clip(at, 0.0, 1.0)
        if what == "pdf":
            log_f = special.xlogy(self.a - 1.0, inside) + special.xlog1py(self.b - 1.0, -inside)
            return np.asarray(np.exp(log_f - special.betaln(self.a, self.b)), dtype=np.float64)
        tail = special.betainc if what == "cdf" else special.betaincc
        return np.asarray(tail(self.a, self.b, inside), dtype=np.float64)

    def component_quantiles(self, p: npt.ArrayLike) -> Floats:
        """The quantile of each component at `p` (m,): (m, k)."""
        from scipy import special

        at = np.asarray(p, dtype=np.float64)[:, None]
        if self.family == "normal":
            return np.asarray(self.a + self.b * special.ndtri(at), dtype=np.float64)
        if self.family == "gamma":
            return np.asarray(special.gammaincinv(self.a, at) / self.b, dtype=np.float64)
        return np.asarray(special.betaincinv(self.a, self.b, at), dtype=np.float64)


@dataclass(frozen=True)
class PosteriorSummary:
    """What a table shows: mean, sd, median and the equal-tailed interval of probability `conf_level`."""

    mean: float
    sd: float
    median: float
    lower: float
    upper: float
    conf_level: float


@checked
def mixture(family: Family, weights: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike) -> Mixture:
    """A checked mixture; weights (k,) are scaled to add up to 1.

    Raises `CannotEstimate` for an unknown family, weights that are negative or all 0, parameters out of range.
    """
    choice(family, "family", _FAMILIES)
    w = numbers(weights, "weights")
    one, two = numbers(a, "a", len(w)), numbers(b, "b", len(w))
    if (w < 0).any() or w.max() <= 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="weights", allowed=">= 0")
    w = w / w.max()  # first, so that the sum stays finite
    if (two <= 0).any() or (family != "normal" and (one <= 0).any()):
        raise CannotEstimate(BAD_ARGUMENT, argument="a, b", allowed="> 0")
    return Mixture(family, w / w.sum(), one, two)


@checked
def beta(a: float, b: float) -> Mixture:
    """One beta distribution as a mixture."""
    return mixture("beta", [1.0], [a], [b])


@checked
def normal(mean: float, sd: float) -> Mixture:
    """One normal distribution as a mixture."""
    return mixture("normal", [1.0], [mean], [sd])


@checked
def gamma(shape: float, rate: float) -> Mixture:
    """One gamma distribution as a mixture."""
    return mixture("gamma", [1.0], [shape], [rate])


@checked
def summarise(posterior: Mixture, *, conf_level: float = CI_LEVEL) -> PosteriorSummary:
    """Mean, sd, median and equal-tailed limits of a mixture."""
    tail = (1.0 - share(conf_level, "conf_level")) / 2.0
    return PosteriorSummary(
        posterior.mean,
        posterior.sd,
        posterior.quantile(0.5),
        posterior.quantile(tail),
        posterior.quantile(1.0 - tail),
        conf_level,
    )


@checked
def update_binomial(prior: Mixture, events: int, n: int) -> Mixture:
    """The posterior of a proportion after `events` in `n`, under a beta mixture."""
    _family(prior, "beta")
    trials = whole(n, "n", 0)
    seen = whole(events, "events", 0, trials)
    a, b = prior.a + seen, prior.b + (trials - seen)
    return Mixture("beta", _reweighted(prior.weights, _log_beta(a, b) - _log_beta(prior.a, prior.b)), a, b)


@checked
def update_normal(prior: Mixture, value: float, se: float) -> Mixture:
    """The posterior of an effect after an estimate with known standard error, under a normal mixture."""
    _family(prior, "normal")
    y, error = number(value, "value"), positive(se, "se")
    spread = prior.b**2 + error**2
    log_predictive = -0.5 * (np.log(spread) + (y - prior.a) ** 2 / spread)
    mean = (prior.a * error**2 + y * prior.b**2) / spread
    return Mixture(
        "normal", _reweighted(prior.weights, log_predictive), mean, prior.b * error / np.sqrt(spread)
    )


@checked
def update_poisson(prior: Mixture, events: int, exposure: float) -> Mixture:
    """The posterior of a rate after `events` in `exposure` person-time, under a gamma mixture."""
    _family(prior, "gamma")
    seen, time = whole(events, "events"), positive(exposure, "exposure")
    from scipy.special import gammaln

    a, b = prior.a + seen, prior.b + time
    log_predictive = gammaln(a) - gammaln(prior.a) + prior.a * np.log(prior.b) - a * np.log(b)
    return Mixture("gamma", _reweighted(prior.weights, log_predictive), a, b)


@checked
def predict_binomial(prior: Mixture, n: int) -> Floats:
    """P(Y = 0), ..., P(Y = n) of the next `n` patients, (n + 1,): a mixture of beta-binomials."""
    _family(prior, "beta")
    trials = whole(n, "n", 0)
    from scipy.special import gammaln

    y = np.arange(trials + 1, dtype=np.float64)[:, None]
    ways = gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1)
    log_p = ways + _log_beta(prior.a + y, prior.b + trials - y) - _log_beta(prior.a, prior.b)
    return np.asarray(np.exp(log_p) @ prior.weights, dtype=np.float64)


@checked
def predict_normal(prior: Mixture, se: float) -> Mixture:
    """The predictive distribution of an estimate with standard error `se`."""
    _family(prior, "normal")
    return Mixture("normal", prior.weights, prior.a, np.hypot(prior.b, positive(se, "se")))


@checked
def predict_poisson(prior: Mixture, events: npt.ArrayLike, exposure: float) -> Floats:
    """P(Y = events) in `exposure` person-time at `events` (m,): a mixture of negative binomials."""
    _family(prior, "gamma")
    time = positive(exposure, "exposure")
    from scipy.special import gammaln

    y = numbers(events, "events")[:, None]
    log_p = gammaln(prior.a + y) - gammaln(prior.a) - gammaln(y + 1)
    log_p = log_p + prior.a * np.log(prior.b / (prior.b + time)) + y * np.log(time / (prior.b + time))
    return np.asarray(np.exp(log_p) @ prior.weights, dtype=np.float64)


def combine(parts: list[tuple[float, Mixture]]) -> Mixture:
    """One mixture of several of the same family, each with its weight."""
    if not parts:
        raise CannotEstimate(LENGTHS_DIFFER, variable="parts")
    family = parts[0][1].family
    for _, one in parts:
        _family(one, family)
    return mixture(
        family,
        np.concatenate([number(w, "weights", 0.0) * one.weights for w, one in parts]),
        np.concatenate([one.a for _, one in parts]),
        np.concatenate([one.b for _, one in parts]),
    )


def _family(prior: Mixture, family: str) -> None:
    if prior.family != family:
        raise CannotEstimate(BAD_ARGUMENT, argument="prior", allowed=family)


def _reweighted(weights: Floats, log_predictive: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        log_w = np.log(weights) + log_predictive
    top = float(log_w.max())
    if not math.isfinite(top):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="posterior weights")
    new = np.exp(log_w - top)
    return np.asarray(new / new.sum(), dtype=np.float64)


def _log_beta(a: Floats, b: Floats) -> Floats:
    from scipy.special import betaln

    return np.asarray(betaln(a, b), dtype=np.float64)
