"""Mean and variance of an outcome (gaussian, binomial, poisson) and the independent-rows fit they start from.

McCullagh & Nelder (1989), Generalized Linear Models, chapter 2: mu = g^-1(x beta), var(y) = phi V(mu).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats

FamilyName = Literal["gaussian", "binomial", "poisson"]
Link = Literal["identity", "logit", "log"]

GLM_NOT_CONVERGED = Reason(
    "glm_not_converged",
    "广义线性模型未收敛：似然可能没有最大值（如出现完全分离）。",
    "The generalised linear model did not converge: the likelihood may have no maximum (separation).",
)
OUTCOME_OUT_OF_RANGE = Reason(
    "outcome_out_of_range",
    "结局取值超出“{family}”分布的范围。",
    "The outcome holds values that the family '{family}' does not allow.",
)

_STEPS = 50
_CONVERGED = 1e-12  # relative change of the deviance
_EDGE = 1e-10  # a fitted probability this near 0 or 1 means separation
_CANONICAL: dict[str, Link] = {"gaussian": "identity", "binomial": "logit", "poisson": "log"}


@dataclass(frozen=True)
class Family:
    """A distribution with its link. All functions work element by element."""

    name: FamilyName
    link: Link

    def mean(self, eta: Floats) -> Floats:
        """mu of the linear predictor."""
        if self.link == "identity":
            return eta
        if self.link == "log":
            return np.exp(np.minimum(eta, 700.0))
        return 1.0 / (1.0 + np.exp(-np.clip(eta, -700.0, 700.0)))

    def slope(self, eta: Floats, mu: Floats) -> Floats:
        """d mu / d eta."""
        if self.link == "identity":
            return np.ones_like(eta)
        return mu if self.link == "log" else mu * (1.0 - mu)

    def variance(self, mu: Floats) -> Floats:
        """V(mu)."""
        if self.name == "gaussian":
            return np.ones_like(mu)
        return mu if self.name == "poisson" else mu * (1.0 - mu)

    def allows(self, mu: Floats) -> bool:
        """Whether these means lie inside the family's range."""
        if not np.isfinite(mu).all():
            return False
        if self.name == "gaussian":
            return True
        return bool((mu > 0).all() and (self.name == "poisson" or (mu < 1).all()))

    def quasi_likelihood(self, y: Floats, mu: Floats) -> float:
        """The log quasi-likelihood with scale 1 (Pan 2001, table 1), without terms of y alone."""
        if self.name == "gaussian":
            return float(-0.5 * ((y - mu) ** 2).sum())
        if self.name == "poisson":
            return float((y * np.log(mu) - mu).sum())
        return float((y * np.log(mu / (1.0 - mu)) + np.log1p(-mu)).sum())

    def deviance(self, y: Floats, mu: Floats, weights: Floats) -> float:
        """Twice the distance to the saturated model."""
        if self.name == "gaussian":
            return float((weights * (y - mu) ** 2).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(y > 0, y * np.log(y / mu), 0.0)
            if self.name == "poisson":
                return float(2.0 * (weights * (part - (y - mu))).sum())
            rest = np.where(y < 1, (1 - y) * np.log((1 - y) / (1 - mu)), 0.0)
        return float(2.0 * (weights * (part + rest)).sum())


def family_of(name: str, link: str | None = None) -> Family:
    """The family with its canonical link, or with `link`. Raises `CannotEstimate` for an unknown name."""
    if name not in _CANONICAL:
        raise CannotEstimate(BAD_ARGUMENT, argument="family", allowed=", ".join(_CANONICAL))
    chosen = link or _CANONICAL[name]
    allowed = {"gaussian": ("identity",), "binomial": ("logit", "log", "identity"), "poisson": ("log",)}[name]
    if chosen not in allowed:
        raise CannotEstimate(BAD_ARGUMENT, argument="link", allowed=", ".join(allowed))
    return Family(name, chosen)  # type: ignore[arg-type] # checked against the tables above


def check_outcome(family: Family, y: Floats) -> None:
    """Raise where y cannot come from the family (a share outside [0, 1], a negative count)."""
    outside = family.name != "gaussian" and bool((y < 0).any())
    if outside or (family.name == "binomial" and bool((y > 1).any())):
        raise CannotEstimate(OUTCOME_OUT_OF_RANGE, family=family.name)


@dataclass(frozen=True)
class GlmFit:
    """coef (p,), covariance (p, p) = scale times the inverse information, loglik up to terms of y alone."""

    coef: Floats
    covariance: Floats
    mean: Floats
    deviance: float
    scale: float
    n: int


def glm(
    y: Floats, x: Floats, family: Family, *, weights: Floats | None = None, offset: Floats | None = None
) -> GlmFit:
    """Maximum likelihood by iteratively reweighted least squares, as R's `glm`.

    y (n,), x (n, p) of full rank, weights and offset (n,) or None. The scale is 1 for binomial and
    poisson, and Pearson's chi-square by n - p for gaussian. Raises `CannotEstimate` where the likelihood
    has no maximum.
    """
    prior = np.ones(len(y)) if weights is None else weights
    shift = np.zeros(len(y)) if offset is None else offset
    start = _START[family.name](y, prior)
    eta, mu = _LINK[family.link](start), start
    coef = np.zeros(x.shape[1])
    deviance = np.inf
    for _ in range(_STEPS):
        slope = family.slope(eta, mu)
        work = prior * slope**2 / family.variance(mu)
        target = eta - shift + (y - mu) / slope
        try:
            proposed = np.asarray(np.linalg.solve((x * work[:, None]).T @ x, x.T @ (work * target)))
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(GLM_NOT_CONVERGED) from singular
        coef, eta, mu, now = _accepted(family, y, x, prior, shift, coef, proposed, deviance)
        if abs(now - deviance) <= _CONVERGED * (abs(now) + 0.1):
            return _finished(family, y, x, prior, eta, mu, coef, now)
        deviance = now
    raise CannotEstimate(GLM_NOT_CONVERGED)


def _accepted(
    family: Family,
    y: Floats,
    x: Floats,
    prior: Floats,
    shift: Floats,
    old: Floats,
    new: Floats,
    deviance: float,
) -> tuple[Floats, Floats, Floats, float]:
    """The step, halved until the means are allowed and the deviance does not grow."""
    for _ in range(40):
        eta = x @ new + shift
        mu = family.mean(eta)
        if family.allows(mu):
            now = family.deviance(y, mu, prior)
            if np.isfinite(now) and now <= deviance + 1e-8 * (
                abs(deviance) + 0.1 if deviance < np.inf else 1
            ):
                return new, eta, mu, now
        new = 0.5 * (old + new)
    raise CannotEstimate(GLM_NOT_CONVERGED)


def _finished(
    family: Family,
    y: Floats,
    x: Floats,
    prior: Floats,
    eta: Floats,
    mu: Floats,
    coef: Floats,
    deviance: float,
) -> GlmFit:
    if family.name == "binomial" and bool((np.minimum(mu, 1 - mu) < _EDGE).any()):
        raise CannotEstimate(GLM_NOT_CONVERGED)
    if family.name == "poisson" and bool((mu < _EDGE).any()):
        raise CannotEstimate(GLM_NOT_CONVERGED)
    work = prior * family.slope(eta, mu) ** 2 / family.variance(mu)
    inverse = np.asarray(np.linalg.inv((x * work[:, None]).T @ x))
    scale = 1.0
    if family.name == "gaussian":
        scale = deviance / (len(y) - x.shape[1]) if len(y) > x.shape[1] else 0.0
    return GlmFit(coef, inverse * scale, mu, deviance, scale, len(y))


_START: dict[str, Callable[[Floats, Floats], Floats]] = {
    "gaussian": lambda y, w: y,
    "binomial": lambda y, w: (w * y + 0.5) / (w + 1.0),
    "poisson": lambda y, w: y + 0.1,
}
_LINK: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda mu: mu,
    "log": np.log,
    "logit": lambda mu: np.log(mu / (1.0 - mu)),
}
