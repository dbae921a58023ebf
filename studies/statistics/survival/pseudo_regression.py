"""Regression on pseudo-values: estimating equations with a robust variance, on the scale of a chosen link.

The working model is independent and of equal variance; the sandwich, summed within subjects, makes the errors
right for values of one subject at several times. The numbers are those of R's geepack::geese with
`corstr = "independence"`, `jack = FALSE` and `san.se`. Sources: Liang & Zeger (1986); Andersen & Klein (2007).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import NOT_CONVERGED, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Floats
from studies.statistics.estimate import Estimate, Scale, wald
from studies.statistics.inputs import labels, matrix
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.columns import check_columns
from studies.statistics.survival.cox import column_names
from studies.statistics.survival.curve_limits import check_choice
from studies.statistics.survival.pseudo_values import PseudoValues

Link = Literal["identity", "log", "logit", "cloglog"]
_STEPS, _SMALL = 100, 1e-12


@dataclass(frozen=True)
class PseudoFit:
    """coef (m + p,): one intercept for each of the m times (`names` "time t"), then the covariates.

    covariance -- the sandwich. On the identity link a coefficient is a difference of the quantity, on log a log
    ratio, on logit a log odds ratio, on cloglog a log (subdistribution) hazard ratio.
    """

    names: tuple[str, ...]
    coef: Floats
    covariance: Floats
    link: Link
    n: int
    method: str

    @property
    def se(self) -> Floats:
        """(m + p,) robust standard errors."""
        return np.sqrt(np.diag(self.covariance))

    @checked
    def effect(self, column: int, conf_level: float = CI_LEVEL) -> Estimate:
        """One coefficient with Wald limits and p, exponentiated for the links on a log scale."""
        scale: Scale = "identity" if self.link == "identity" else "log"
        return wald(float(self.coef[column]), float(self.se[column]), conf_level, scale)


@checked
def fit_pseudo_regression(
    pseudo: PseudoValues,
    x: npt.ArrayLike,
    *,
    link: Link = "identity",
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> PseudoFit:
    """Regress pseudo-values (n, m) on covariates x (n, p); the covariates act alike at all m times.

    link -- g(mean) = intercept of the time + x beta. "cloglog" is log(-log(1 - mean)): for an incidence, or for
        `pseudo_survival(...).complement()`, where beta is the log hazard ratio of Cox's model
    cluster -- (n,) where several subjects belong together; each subject is its own otherwise

    Raises `CannotEstimate`: bad input, as many columns as subjects, constant or dependent columns, no
    convergence (a mean outside the link's range).
    """
    check_choice("link", link, get_args(Link))
    n, m = pseudo.values.shape
    table = matrix(x, n)
    titles = column_names(names, table.shape[1])
    if m + table.shape[1] >= n:
        raise CannotEstimate(TOO_MANY_TERMS)
    check_columns(table, titles)
    subject = np.arange(n) if cluster is None else labels(np.asarray(cluster), "cluster", n).codes
    centre = table.mean(axis=0)
    # Rows: all subjects at the first time, then at the second, ...
    design = np.hstack([np.repeat(np.eye(m), n, axis=0), np.tile(table - centre, (m, 1))])
    values = pseudo.values.T.ravel()
    beta = _solve(design, values, link, m)
    mean, slope = _inverse_link(design @ beta, link)
    scaled = design * slope[:, None]
    bread = np.linalg.inv(scaled.T @ scaled)
    scores = scaled * (values - mean)[:, None]
    by_subject = np.zeros((int(subject.max()) + 1, design.shape[1]))
    np.add.at(by_subject, np.tile(subject, m), scores)
    # The intercepts belong to x = 0.
    back = np.eye(len(beta))
    back[:m, m:] = -centre
    covariance = back @ (bread @ (by_subject.T @ by_subject) @ bread) @ back.T
    return PseudoFit(
        names=tuple(f"time {time:g}" for time in pseudo.times) + titles,
        coef=back @ beta,
        covariance=covariance,
        link=link,
        n=n,
        method=f"regression on {pseudo.method} pseudo-values of {pseudo.quantity}, {link} link, robust standard errors",
    )


def _solve(design: Floats, values: Floats, link: Link, times: int) -> Floats:
    """Fisher scoring from the means at each time; steps are halved where the squared error would grow."""
    beta = np.zeros(design.shape[1])
    means = values.reshape(times, -1).mean(axis=1)
    if link != "identity":
        means = np.maximum(means, 1e-3) if link == "log" else np.clip(means, 1e-3, 1 - 1e-3)
    beta[:times] = _link(means, link)
    mean, slope = _inverse_link(design @ beta, link)
    error = float(np.sum((values - mean) ** 2))
    for _ in range(_STEPS):
        scaled = design * slope[:, None]
        try:
            step = np.linalg.solve(scaled.T @ scaled, scaled.T @ (values - mean))
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(NOT_CONVERGED) from singular
        for _ in range(30):
            mean, slope = _inverse_link(design @ (beta + step), link)
            found = float(np.sum((values - mean) ** 2))
            if np.isfinite(found) and found <= error * (1 + 1e-12):
                break
            step = step / 2.0
        else:
            raise CannotEstimate(NOT_CONVERGED)
        beta, error = beta + step, found
        if np.max(np.abs(step)) <= _SMALL * max(1.0, float(np.max(np.abs(beta)))):
            return beta
    raise CannotEstimate(NOT_CONVERGED)


def _link(mean: Floats, link: Link) -> Floats:
    if link == "identity":
        return mean
    if link == "log":
        return np.log(mean)
    if link == "logit":
        return np.log(mean / (1 - mean))
    return np.log(-np.log1p(-mean))


def _inverse_link(eta: Floats, link: Link) -> tuple[Floats, Floats]:
    """The mean and its derivative."""
    with np.errstate(over="ignore", invalid="ignore"):
        if link == "identity":
            return eta, np.ones_like(eta)
        if link == "log":
            return np.exp(eta), np.exp(eta)
        if link == "logit":
            mean = 1.0 / (1.0 + np.exp(-eta))
            return mean, mean * (1.0 - mean)
        rate = np.exp(eta)
        return -np.expm1(-rate), rate * np.exp(-rate)
