"""Linear mixed model: y_i = X_i beta + Z_i b_i + e_i, b_i ~ N(0, G), e ~ N(0, sigma^2), one grouping factor.

Laird & Ware (1982); restricted likelihood as R's `nlme::lme` and `lme4::lmer`. Each subject enters only by
Z'Z, Z'[X y] and [X y]'[X y], and V_i is inverted through (q, q) matrices (Woodbury): the cost grows with the
number of subjects, not with the square of their rows. G is searched through its Cholesky factor, so a
variance of zero is reached as a maximum like any other (`singular`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.inputs import labels, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.repeated.contrasts import Contrast, DfMethod, FixedEffects, FTest, fixed_effects
from studies.statistics.repeated.design import design, refuse_dependent
from studies.statistics.repeated.likelihood import (
    Derivatives,
    Estimation,
    Moments,
    Point,
    basis,
    cholesky_point,
    maximise,
    symmetric,
)

NO_REPEATS = Reason(
    "no_repeats",
    "没有受试者有足够的重复测量，无法区分受试者间与受试者内的变异。",
    "No subject has enough repeated measurements to tell variation between subjects from that within.",
)
PERFECT_FIT = Reason(
    "perfect_fit",
    "模型与数据完全吻合，没有残差变异可供估计误差。",
    "The model fits the data without any residual: there is nothing to estimate an error from.",
)
NO_RESIDUAL = 1e-26  # the residual sum of squares relative to that of the outcome, below which it is rounding
_SINGULAR = 1e-6  # the smallest relative eigenvalue of G's factor that counts as above zero


@dataclass(frozen=True)
class MixedFit:
    """A fitted model; fixed effects follow `names` (p,).

    random_covariance (q, q) is G, in the order intercept, then the columns of z; residual_variance sigma^2;
    `icc` = G_11/(G_11 + sigma^2) for a random intercept alone, else None; `singular`: G has no full rank (a
    variance at zero or a correlation of one); modes (groups, q) are the predicted random effects (BLUP) in
    the order of `groups`. aic counts all parameters, p included, as R does. df None means normal.
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    df: tuple[float | None, ...]
    statistic: Floats
    lower: Floats
    upper: Floats
    p: Floats
    covariance: Floats
    random_covariance: Floats
    residual_variance: float
    icc: float | None
    singular: bool
    loglik: float
    aic: float
    n: int
    groups: tuple[Hashable, ...]
    modes: Floats
    conf_level: float
    estimation: Estimation
    method: str
    effects: FixedEffects

    def contrast(self, weights: npt.ArrayLike) -> Contrast:
        """A linear combination of the fixed effects, weights (p,)."""
        return self.effects.contrast(weights, self.conf_level)

    def f_test(self, weights: npt.ArrayLike) -> FTest:
        """Several combinations tested at once, weights (rows, p)."""
        return self.effects.f_test(weights)


@checked
def fit_mixed(
    y: npt.ArrayLike,
    x: npt.ArrayLike | None,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    z: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    intercept: bool = True,
    random_intercept: bool = True,
    estimation: Estimation = "reml",
    df_method: DfMethod = "satterthwaite",
    conf_level: float = 0.95,
) -> MixedFit:
    """Fit by (restricted) maximum likelihood.

    y (n,); x (n, p) fixed effects without the intercept, which is added; group (n,) the subject of each row;
    z (n,) or (n, q - 1) columns with random slopes, correlated with each other and the random intercept.
    Raises `CannotEstimate` for bad columns, no repeated measurements, as many random effects as rows, a
    perfect fit and no convergence.
    """
    if estimation not in ("reml", "ml"):
        raise CannotEstimate(BAD_ARGUMENT, argument="estimation", allowed="reml, ml")
    if not 0.0 < conf_level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")
    outcome = numbers(y, "y")
    n = len(outcome)
    fixed = design(x, n, names, intercept)
    members = labels(group, "group", n)
    turned = basis(fixed.matrix, outcome)
    model = RandomEffects(turned.rest, turned.q, _random_columns(z, n, random_intercept), members.codes)
    model.check(float(outcome @ outcome))
    top = maximise(model, model.start(), estimation)
    effects = fixed_effects(model, top, df_method, turned)
    loglik = top.loglik - (0.5 * turned.log_det() if estimation == "reml" else 0.0)
    g, sigma2 = symmetric(top.theta[:-1], model.q), float(top.theta[-1])
    tests = [effects.contrast(unit, conf_level) for unit in np.eye(len(fixed.names))]
    return MixedFit(
        names=fixed.names, coef=effects.coef, se=np.array([one.se for one in tests]),
        df=tuple(one.df for one in tests), statistic=np.array([one.statistic for one in tests]),
        lower=np.array([one.lower for one in tests]), upper=np.array([one.upper for one in tests]),
        p=np.array([one.p for one in tests]), covariance=effects.adjusted, random_covariance=g,
        residual_variance=sigma2,
        icc=float(g[0, 0] / (g[0, 0] + sigma2)) if model.q == 1 and random_intercept else None,
        singular=_is_singular(g, sigma2), loglik=loglik,
        aic=2.0 * (len(top.coef) + len(top.theta) - loglik), n=n, groups=members.levels,
        modes=model.modes(top.coef, g, sigma2), conf_level=conf_level, estimation=estimation,
        method=f"Linear mixed model, {model.q} random effect(s), {estimation.upper()}, {df_method} inference",
        effects=effects,
    )  # fmt: skip


class RandomEffects:
    """The covariance V_i = Z_i G Z_i' + sigma^2 I and its sums over subjects (a `CovarianceModel`).

    theta is the lower triangle of G by rows, then sigma^2; V is linear in it. x (n, p) has orthonormal columns
    and y (n,) is orthogonal to them (`basis`). With K = Z'Z, L = Z'[X y] and
    M = G (sigma^2 I + K G)^-1: V^-1 = (I - Z M Z')/sigma^2, and Z'V^-r = (I - K M)^r Z'/sigma^2r.
    """

    linear = True

    def __init__(self, y: Floats, x: Floats, z: Floats, group: Ints) -> None:
        self.y, self.x, self.z, self.group = y, x, z, group
        self.rows, self.columns = x.shape
        self.q = z.shape[1]
        self.subjects = int(group.max()) + 1
        both = np.column_stack([x, y])
        self.k = _sums_of_products(z, z, group, self.subjects)
        self.l = _sums_of_products(z, both, group, self.subjects)
        self.s = both.T @ both
        lower = np.tril_indices(self.q)
        self.units = np.zeros((len(lower[0]), self.q, self.q))
        for one, a, b in zip(self.units, *lower, strict=True):
            one[a, b] = one[b, a] = 1.0

    def check(self, total: float) -> None:
        """Raise where the variances cannot be told apart; `total` is the sum of squares of the outcome."""
        size = np.bincount(self.group)
        if self.subjects < 2 or self.subjects == self.rows or self.rows <= self.columns:
            raise CannotEstimate(NO_REPEATS)
        if (size - self.q).clip(min=0).sum() == 0:
            raise CannotEstimate(NO_REPEATS)
        if float(self.y @ self.y) <= NO_RESIDUAL * total:
            raise CannotEstimate(PERFECT_FIT)

    def start(self) -> Floats:
        """Half of the residual variance between subjects, evenly over the random effects, and half within."""
        variance = float(self.y @ self.y) / (self.rows - self.columns)
        size = (self.z**2).mean(axis=0)
        factor = np.diag(np.sqrt(0.5 * variance / (self.q * size)))
        return np.append(factor[np.tril_indices(self.q)], np.log(0.5 * variance))

    def point(self, phi: Floats) -> Point:
        """The Cholesky factor of G, and the logarithm of sigma^2."""
        inner = cholesky_point(phi[:-1], self.q)
        size = len(phi)
        slope, bend = np.zeros((size, size)), np.zeros((size, size, size))
        slope[:-1, :-1], bend[:-1, :-1, :-1] = inner.slope, inner.bend
        sigma2 = float(np.exp(np.clip(phi[-1], -700, 700)))
        slope[-1, -1] = bend[-1, -1, -1] = sigma2
        return Point(np.append(inner.theta, sigma2), slope, bend)

    def moments(self, theta: Floats) -> Moments | None:
        """See `CovarianceModel`."""
        g, sigma2 = symmetric(theta[:-1], self.q), float(theta[-1])
        inner = sigma2 * np.eye(self.q) + self.k @ g
        signs, log_dets = np.linalg.slogdet(inner)
        if sigma2 <= 0 or (signs <= 0).any():
            return None
        m = g @ np.linalg.inv(inner)
        log_det = float(log_dets.sum()) + (self.rows - self.q * self.subjects) * float(np.log(sigma2))
        gram = (self.s - np.einsum("iqa,iqr,irb->ab", self.l, m, self.l, optimize=True)) / sigma2
        return Moments(log_det, np.asarray(0.5 * (gram + gram.T)))

    def derivatives(self, theta: Floats, c: Floats, v: Floats) -> Derivatives:
        """See `CovarianceModel`."""
        w = self._within(theta)
        e, s2 = self.units, w.sigma2
        p = self.columns
        j = len(theta)
        mk = np.einsum("iqr,irq->i", w.m, self.k)
        mkmk = np.einsum("iqr,irs,ist,itq->i", w.m, self.k, w.m, self.k, optimize=True)
        trace = np.append(np.einsum("jqr,irq->j", e, w.zz1), (self.rows - mk.sum()) / s2)
        trace2 = np.zeros((j, j))
        turned = np.einsum("iqr,jrs->ijqs", w.zz1, e, optimize=True)
        trace2[:-1, :-1] = np.einsum("ijqs,iksq->jk", turned, turned, optimize=True)
        trace2[:-1, -1] = trace2[-1, :-1] = np.einsum("jqr,irq->j", e, w.zz2)
        trace2[-1, -1] = (self.rows - 2.0 * mk.sum() + mkmk.sum()) / s2**2
        first = np.concatenate([np.einsum("iqa,jqr,irb->jab", w.zx1, e, w.zx1, optimize=True), w.xx2[None]])
        q_all = self._all_products(w)
        zeros = np.zeros((j, j))
        return Derivatives(
            trace=trace,
            trace2=trace2,
            first=first,
            second_c=np.einsum("jkab,ba->jk", q_all[:, :, :p, :p], c),
            second_v=np.einsum("jkab,a,b->jk", q_all, v, v),
            curved_trace=zeros,
            curved_c=zeros,
            curved_v=zeros,
        )

    def products(self, theta: Floats) -> Floats:
        """See `CovarianceModel`."""
        p = self.columns
        return self._all_products(self._within(theta))[:, :, :p, :p]

    def modes(self, beta: Floats, g: Floats, sigma2: float) -> Floats:
        """The predicted random effects G Z'V^-1 (y - X beta), (subjects, q)."""
        w = self._within(np.append(g[np.tril_indices(self.q)], sigma2))
        return np.asarray((w.zx1 @ np.append(-beta, 1.0)) @ g)

    def _within(self, theta: Floats) -> _Within:
        g, s2 = symmetric(theta[:-1], self.q), float(theta[-1])
        m = g @ np.linalg.inv(s2 * np.eye(self.q) + self.k @ g)
        rest = np.eye(self.q) - self.k @ m
        zx1, zz1 = rest @ self.l / s2, rest @ self.k / s2
        lml = np.einsum("iqa,iqr,irb->ab", self.l, m, self.l, optimize=True)
        mkm = m @ self.k @ m
        lmkml = np.einsum("iqa,iqr,irb->ab", self.l, mkm, self.l, optimize=True)
        cubed = np.einsum("iqa,iqr,irb->ab", self.l, mkm @ self.k @ m, self.l, optimize=True)
        return _Within(
            sigma2=s2, m=m, zx1=zx1, zz1=zz1, zx2=rest @ zx1 / s2, zz2=rest @ zz1 / s2,
            xx2=(self.s - 2.0 * lml + lmkml) / s2**2, xx3=(self.s - 3.0 * lml + 3.0 * lmkml - cubed) / s2**3,
        )  # fmt: skip

    def _all_products(self, w: _Within) -> Floats:
        e = self.units
        j, size = len(e) + 1, w.zx1.shape[2]
        q = np.empty((j, j, size, size))
        left = np.einsum("iqa,jqr->ijar", w.zx1, e, optimize=True)
        q[:-1, :-1] = np.einsum("ijar,irs,iksb->jkab", left, w.zz1, np.swapaxes(left, 2, 3), optimize=True)
        q[:-1, -1] = np.einsum("ijar,irb->jab", left, w.zx2, optimize=True)
        q[-1, :-1] = np.swapaxes(q[:-1, -1], 1, 2)
        q[-1, -1] = w.xx3
        return q


@dataclass(frozen=True)
class _Within:
    """Per subject: M, Z'V^-r [X y] (zx_r) and Z'V^-r Z (zz_r); summed: [X y]'V^-r [X y] (xx_r)."""

    sigma2: float
    m: Floats
    zx1: Floats
    zz1: Floats
    zx2: Floats
    zz2: Floats
    xx2: Floats
    xx3: Floats


def _sums_of_products(left: Floats, right: Floats, group: Ints, groups: int) -> Floats:
    """left'right of each group, (groups, columns of left, columns of right)."""
    found = np.empty((groups, left.shape[1], right.shape[1]))
    for a in range(left.shape[1]):
        for b in range(right.shape[1]):
            found[:, a, b] = np.bincount(group, left[:, a] * right[:, b], groups)
    return found


def _random_columns(z: npt.ArrayLike | None, n: int, random_intercept: bool) -> Floats:
    slopes = np.empty((n, 0)) if z is None else matrix(z, n, "z")
    whole = np.column_stack([np.ones(n), slopes]) if random_intercept else slopes
    if whole.shape[1] == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="z", allowed="at least one random effect")
    refuse_dependent(whole, [f"z{k}" for k in range(whole.shape[1])])
    return whole


def _is_singular(g: Floats, sigma2: float) -> bool:
    scale = np.sqrt(np.maximum(np.diag(g), 0.0))
    if (scale <= _SINGULAR * np.sqrt(sigma2)).any():
        return True
    return bool(np.linalg.eigvalsh(g / np.outer(scale, scale))[0] < _SINGULAR)
