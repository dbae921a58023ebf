"""Logistic regression with a random intercept: operators or centres that differ by more than chance.

Maximum likelihood; the random intercepts are integrated out by adaptive Gauss-Hermite quadrature, with one node by
Laplace's approximation. Sources: Pinheiro & Bates (1995), J Comput Graph Stat 4:12-35; Bates et al. (2015), J Stat
Softw 67(1) for lme4::glmer(nAGQ =), which gives the same numbers.
One grouping only: for operators within centres enter the centre as a covariate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.bridging.arguments import NO_OPTIMUM, share, whole
from studies.statistics.bridging.regression import Regression, fit_regression
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import labels, matrix, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, chi_square_p

_NEWTON, _SETTLED, _SMALLEST_SD, _ROUNDS = 100, 1e-12, 1e-3, 10

ONE_GROUP = Reason(
    "one_group",
    "随机截距至少需要两个分组，且至少一个分组多于一例。",
    "A random intercept needs at least two groups, one of them with more than one case.",
)


@dataclass(frozen=True)
class RandomIntercept:
    """coef (p + 1,), intercept first; covariance (p + 1, p + 1); sigma, the sd of the random intercepts.

    modes, mode_se (k,): each group's conditional mode (shrunken effect) and its conditional sd, by `groups` (k,).
    sigma_p -- likelihood-ratio test of sigma = 0 with the half-half mixture of chi-square 0 and 1 (Self & Liang
    1987). at_boundary -- sigma was estimated as 0: then the fit is the ordinary logistic regression.
    """

    names: tuple[str, ...]
    coef: Floats
    covariance: Floats
    sigma: float
    loglik: float
    loglik_fixed: float
    sigma_p: float
    groups: tuple[Hashable, ...]
    modes: Floats
    mode_se: Floats
    at_boundary: bool
    nodes: int
    n: int
    method: str

    @property
    def se(self) -> Floats:
        """Standard errors of `coef` (p + 1,), from the joint information with sigma."""
        return np.sqrt(np.diag(self.covariance))

    @checked
    def odds_ratio(self, column: int, *, conf_level: float = CI_LEVEL) -> Estimate:
        """exp(coef) of one term with Wald limits: conditional on the group, not averaged over groups."""
        level = share(conf_level, "conf_level")
        return wald(float(self.coef[column]), float(self.se[column]), level, "log")


@checked
def fit_random_intercept(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    names: tuple[str, ...],
    nodes: int = 15,
) -> RandomIntercept:
    """logit P(y = 1) = intercept + x beta + sigma u_group, u ~ N(0, 1).

    x (n, p), p at least 1; y (n,) 0/1; group (n,) labels; nodes -- 1 for Laplace, an odd number up to 51 else.
    R: glmer(y ~ x + (1 | group), family = binomial, nAGQ = nodes).
    Raises `CannotEstimate` as `fit_regression`, for a single group or groups of one, and where the maximum is
    not found.
    """
    k = whole(nodes, "nodes", 1, 51)
    if k % 2 == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="nodes", allowed="1, 3, 5, ...")
    outcome = yes_no(y, "y").astype(np.float64)
    table = matrix(x, len(outcome))
    groups = labels(group, "group", len(outcome))
    if len(groups) < 2 or len(groups) == len(outcome):
        raise CannotEstimate(ONE_GROUP)
    fixed = fit_regression(table, outcome, family="binomial", names=names)
    assert fixed.loglik is not None  # noqa: S101  # only gaussian fits have none
    centre, scale = table.mean(axis=0), table.std(axis=0)
    design = np.column_stack([np.ones(len(outcome)), (table - centre) / scale])
    back = np.diag(np.concatenate([[1.0], 1.0 / scale]))
    back[0, 1:] = -centre / scale
    likelihood = _Likelihood(design, outcome, groups.codes, len(groups), k)
    theta = _maximise(likelihood, np.asarray(np.linalg.solve(back, fixed.coef), dtype=np.float64))
    sigma = abs(float(theta[-1]))
    if sigma < _SMALLEST_SD or -likelihood(theta) <= fixed.loglik + 1e-9:
        return _without_groups(fixed, groups.levels, k)
    hessian = _hessian(likelihood, theta)
    try:
        covariance = np.linalg.inv(hessian)[:-1, :-1]
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(NO_OPTIMUM) from singular
    modes, width = likelihood.modes(design @ theta[:-1], sigma)
    how = "Laplace" if k == 1 else f"{k}-point adaptive Gauss-Hermite quadrature"
    gain = max(0.0, 2.0 * (-likelihood(theta) - fixed.loglik))
    return RandomIntercept(
        names=fixed.names,
        coef=back @ theta[:-1],
        covariance=back @ covariance @ back.T,
        sigma=sigma,
        loglik=-likelihood(theta),
        loglik_fixed=fixed.loglik,
        sigma_p=chi_square_p(gain, 1) / 2.0,
        groups=groups.levels,
        modes=sigma * modes,
        mode_se=sigma * width,
        at_boundary=False,
        nodes=k,
        n=len(outcome),
        method=f"logistic regression with a random intercept, {how}",
    )


class _Likelihood:
    """Minus the log likelihood at (beta, sigma); it is even in sigma, so sigma may wander below 0."""

    def __init__(self, design: Floats, y: Floats, codes: Ints, groups: int, nodes: int) -> None:
        self.design, self.y, self.codes, self.groups = design, y, codes, groups
        self.sums = np.bincount(codes, y, groups)
        self.sizes = np.bincount(codes, minlength=groups).astype(np.float64)
        x, w = np.polynomial.hermite_e.hermegauss(nodes)
        self.x, self.log_w = x, np.log(w) - 0.5 * math.log(2.0 * math.pi)

    def __call__(self, theta: Floats) -> float:
        eta, sigma = self.design @ theta[:-1], abs(float(theta[-1]))
        mode, width = self.modes(eta, sigma)
        # One column a node: the groups' log densities at mode + width x, relative to the normal weight.
        u = mode[:, None] + width[:, None] * self.x
        at = eta[:, None] + sigma * u[self.codes]
        each = self.y[:, None] * at - np.logaddexp(0.0, at)
        total = np.stack([np.bincount(self.codes, column, self.groups) for column in each.T], axis=1)
        log_f = total - 0.5 * u**2 + 0.5 * self.x**2 + self.log_w
        top = log_f.max(axis=1)
        by_group = top + np.log(np.exp(log_f - top[:, None]).sum(axis=1)) + np.log(width)
        return -float(by_group.sum())

    def modes(self, eta: Floats, sigma: float) -> tuple[Floats, Floats]:
        """Where each group's integrand peaks, in units of sigma, and the width of the peak."""
        # The slope falls with u and has its root between these two, where no Newton step may leave.
        low, high = sigma * (self.sums - self.sizes), sigma * self.sums
        u, last = np.zeros(self.groups), np.full(self.groups, np.inf)
        for _ in range(_NEWTON):
            p = 1.0 / (1.0 + np.exp(-np.clip(eta + sigma * u[self.codes], -500, 500)))
            slope = sigma * (self.sums - np.bincount(self.codes, p, self.groups)) - u
            bend = 1.0 + sigma**2 * np.bincount(self.codes, p * (1.0 - p), self.groups)
            low, high = np.where(slope > 0, u, low), np.where(slope <= 0, u, high)
            # Newton's steps may go to and fro between two points: a step that is not half the last one is bisection.
            following = u + slope / bend
            good = (following >= low) & (following <= high) & (np.abs(slope / bend) <= 0.5 * last)
            following = np.where(good, following, (low + high) / 2.0)
            last, u = np.abs(following - u), following
            if float(last.max()) < _SETTLED:
                break
        p = 1.0 / (1.0 + np.exp(-np.clip(eta + sigma * u[self.codes], -500, 500)))
        bend = 1.0 + sigma**2 * np.bincount(self.codes, p * (1.0 - p), self.groups)
        return u, 1.0 / np.sqrt(bend)


def _gradient(f: _Likelihood, theta: Floats, step: float = 1e-4) -> Floats:
    """Five-point differences: their error is of order step^4."""
    slopes = np.empty(len(theta))
    for at in range(len(theta)):
        move = np.zeros(len(theta))
        move[at] = step
        slopes[at] = (
            f(theta - 2 * move) - 8 * f(theta - move) + 8 * f(theta + move) - f(theta + 2 * move)
        ) / (12 * step)
    return slopes


def _hessian(f: _Likelihood, theta: Floats, step: float = 1e-3) -> Floats:
    columns = []
    for at in range(len(theta)):
        move = np.zeros(len(theta))
        move[at] = step
        near = _gradient(f, theta + move) - _gradient(f, theta - move)
        far = _gradient(f, theta + 2 * move) - _gradient(f, theta - 2 * move)
        columns.append((8 * near - far) / (12 * step))
    hessian = np.stack(columns)
    return (hessian + hessian.T) / 2.0


def _maximise(f: _Likelihood, fixed: Floats) -> Floats:
    from scipy.optimize import minimize

    # sigma starts away from 0, where its slope vanishes whatever the data.
    theta = np.append(fixed, 0.5)
    for _ in range(_ROUNDS):
        found = minimize(f, theta, jac=lambda at: _gradient(f, at), method="BFGS", options={"gtol": 1e-6})
        theta = np.asarray(found.x, dtype=np.float64)
        slope = _gradient(f, theta)
        if not np.isfinite(slope).all():
            break
        if float(np.abs(slope).max()) < 1e-4 or abs(float(theta[-1])) < _SMALLEST_SD:
            return theta
        # Its line search can give up early: one Newton step, or one down the slope, and it starts afresh.
        theta = _step_down(f, theta, slope)
    raise CannotEstimate(NO_OPTIMUM)


def _step_down(f: _Likelihood, theta: Floats, slope: Floats) -> Floats:
    value, hessian = f(theta), _hessian(f, theta)
    proper = bool((np.linalg.eigvalsh(hessian) > 0).all())
    step = np.linalg.solve(hessian, slope) if proper else slope / float(np.abs(slope).max())
    for length in 0.5 ** np.arange(12):
        if f(theta - length * step) < value:
            return np.asarray(theta - length * step, dtype=np.float64)
    return theta


def _without_groups(fixed: Regression, levels: tuple[Hashable, ...], nodes: int) -> RandomIntercept:
    assert fixed.loglik is not None  # noqa: S101  # only gaussian fits have none
    return RandomIntercept(
        fixed.names, fixed.coef, fixed.covariance, 0.0, fixed.loglik, fixed.loglik, 1.0, levels,
        np.zeros(len(levels)), np.zeros(len(levels)), True, nodes, fixed.n,
        "logistic regression; the standard deviation of the random intercepts was estimated as 0",
    )  # fmt: skip
