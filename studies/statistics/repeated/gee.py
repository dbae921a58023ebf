"""Generalised estimating equations (Liang & Zeger 1986) for outcomes measured repeatedly in clusters.

The three sets of equations and their order of solution are those of R's `geepack::geeglm` (Halekoh,
Hojsgaard & Yan 2006; Yan & Fine 2004): each round takes one step for beta, then the scale as the mean
squared Pearson residual (divided by n, not n - p), then the correlation from all pairs. Rounds end when no
parameter moves by more than `tolerance`; geepack's default of 1e-4 is ours, so that the digits agree.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.inputs import case_weights, labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import normal_quantile, two_sided_p
from studies.statistics.repeated.design import design
from studies.statistics.repeated.families import Family, FamilyName, Link, check_outcome, family_of, glm
from studies.statistics.repeated.mixed import PERFECT_FIT
from studies.statistics.repeated.working_correlation import (
    CORRELATIONS,
    PAIR_NEVER_SEEN,
    Block,
    Correlation,
    apply_inverse,
    blocks,
    check_matrix,
    correlation_equations,
    parameters,
)

Variance = Literal["robust", "model", "mancl_derouen", "kauermann_carroll"]
_VARIANCES = ("robust", "model", "mancl_derouen", "kauermann_carroll")
_VARIANCE_NAMES = {
    "robust": "robust (sandwich) variance",
    "model": "model-based variance",
    "mancl_derouen": "sandwich variance with the correction of Mancl and DeRouen (2001)",
    "kauermann_carroll": "sandwich variance with the correction of Kauermann and Carroll (2001)",
}

GEE_NOT_CONVERGED = Reason(
    "gee_not_converged",
    "广义估计方程未在规定的迭代次数内收敛。",
    "The generalised estimating equations did not converge within the allowed number of rounds.",
)
FEW_CLUSTERS = Reason(
    "few_clusters",
    "独立的受试者（群）数不多于模型参数个数，稳健方差不可用。",
    "There are no more clusters than terms in the model: a robust variance cannot be had.",
)
ONE_CLUSTER_DECIDES = Reason(
    "one_cluster_decides",
    "有的参数仅由一个群决定，小样本校正的方差不存在。",
    "One cluster alone decides a term of the model: the small-sample variance does not exist.",
)
REPEATED_VISIT = Reason(
    "repeated_visit",
    "同一受试者在同一次访视有多于一条记录。",
    "A subject has more than one row at the same visit.",
)


@dataclass(frozen=True)
class Qic:
    """Pan's (2001) criterion as `geepack::QIC`: smaller is better. `cic` is the trace term alone."""

    qic: float
    qic_u: float
    qic_c: float
    quasi_likelihood: float
    cic: float


@dataclass(frozen=True)
class GeeFit:
    """A fitted model; arrays follow `names` (p,). `statistic` is z, or t with `df` degrees of freedom.

    `se` belongs to `variance`; the robust and the model-based errors are always there as well. `scale` is
    phi; `alpha` (q,) the working correlations: one, or for unstructured the pairs (1,2), (1,3), ..., (2,3).
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    lower: Floats
    upper: Floats
    statistic: Floats
    p: Floats
    df: float | None
    covariance: Floats
    se_robust: Floats
    se_model: Floats
    scale: float
    alpha: Floats
    n: int
    clusters: int
    largest_cluster: int
    iterations: int
    family: FamilyName
    link: Link
    correlation: Correlation
    variance: Variance
    conf_level: float
    qic: Qic | None
    method: str


@checked
def fit_gee(
    y: npt.ArrayLike,
    x: npt.ArrayLike | None,
    cluster: Sequence[Hashable] | npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    family: FamilyName = "gaussian",
    link: Link | None = None,
    correlation: Correlation = "independence",
    wave: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    offset: npt.ArrayLike | None = None,
    intercept: bool = True,
    variance: Variance = "robust",
    test: Literal["z", "t"] = "z",
    conf_level: float = 0.95,
    tolerance: float = 1e-4,
    max_iterations: int = 25,
    qic: bool = False,
) -> GeeFit:
    """Fit E(y) = g^-1(offset + x beta) with rows of one `cluster` correlated.

    y (n,); x (n, p) without the intercept, which is added; cluster (n,) labels, in any order of rows;
    wave (n,) whole numbers, the visit of each row (without it: 1, 2, ... in the order of the rows, so a
    gap of a missed visit is not seen); weights and offset (n,). `variance` chooses the errors that `se`,
    limits and p are made of; `test="t"` uses clusters - p degrees of freedom.

    Robust covariance: Liang & Zeger (1986), theorem 2. Mancl & DeRouen (2001), Biometrics 57:126, eq. 3;
    Kauermann & Carroll (2001), JASA 96:1387. QIC: Pan (2001), Biometrics 57:120, not with weights.
    Raises `CannotEstimate` for bad columns, separation, as many terms as clusters, a correlation that is
    none, and no convergence.
    """
    _check_options(correlation, variance, test, conf_level)
    outcome = numbers(y, "y")
    n = len(outcome)
    chosen = family_of(family, link)
    check_outcome(chosen, outcome)
    x_design = design(x, n, names, intercept)
    groups = labels(cluster, "cluster", n)
    w = case_weights(weights, n)
    shift = np.zeros(n) if offset is None else numbers(offset, "offset", n)
    p = x_design.matrix.shape[1]
    if len(groups) <= p:
        raise CannotEstimate(FEW_CLUSTERS if n > p else TOO_MANY_TERMS)
    rows = _Rows(outcome, x_design.matrix, np.ones(n) if w is None else w, shift, chosen)
    visits = _waves(groups.codes, wave, n)
    state = _solve(rows, groups.codes, visits, correlation, tolerance, max_iterations)
    covariances = {"robust": state.sandwich(rows), "model": state.inverse}
    if variance not in covariances:
        covariances[variance] = state.corrected(rows, variance)
    criterion = None
    if qic:
        if w is not None:
            raise CannotEstimate(BAD_ARGUMENT, argument="qic", allowed="False (with weights)")
        criterion = _qic(rows, groups.codes, visits, state, covariances["robust"], tolerance, max_iterations)
    df = float(len(groups) - p) if test == "t" else None
    return _result(
        x_design.names, rows, groups.codes, state, covariances, variance, df, conf_level, criterion
    )


def _result(
    names: tuple[str, ...], rows: _Rows, cluster: Ints, state: _State, covariances: dict[str, Floats],
    variance: Variance, df: float | None, conf_level: float, criterion: Qic | None,
) -> GeeFit:  # fmt: skip
    size, family = np.bincount(cluster), rows.family
    covariance = covariances[variance]
    se = np.sqrt(np.diag(covariance))
    statistic, p_values, half = _wald(state.beta, se, df, conf_level)
    return GeeFit(
        names=names, coef=state.beta, se=se, lower=state.beta - half, upper=state.beta + half,
        statistic=statistic, p=p_values, df=df, covariance=covariance,
        se_robust=np.sqrt(np.diag(covariances["robust"])), se_model=np.sqrt(np.diag(state.inverse)),
        scale=state.scale, alpha=state.alpha, n=len(cluster), clusters=len(size), largest_cluster=int(size.max()),
        iterations=state.iterations, family=family.name, link=family.link, correlation=state.correlation,
        variance=variance, conf_level=conf_level, qic=criterion,
        method=f"Generalised estimating equations, {family.name} with {family.link} link, {state.correlation} "
        f"working correlation, {_VARIANCE_NAMES[variance]}, {'z' if df is None else 't'} test",
    )  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    y: Floats
    x: Floats
    weights: Floats
    offset: Floats
    family: Family

    def residuals(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        """Pearson residuals (n,), the scaled derivative matrix (n, p) and the mean (n,)."""
        eta = self.x @ beta + self.offset
        mu = self.family.mean(eta)
        root = np.sqrt(self.family.variance(mu))
        return (self.y - mu) / root, self.x * (self.family.slope(eta, mu) / root)[:, None], mu


@dataclass(frozen=True)
class _State:
    """Where the rounds ended. inverse is (sum of D'V^-1 D)^-1, the model-based covariance."""

    beta: Floats
    scale: float
    alpha: Floats
    iterations: int
    inverse: Floats
    correlation: Correlation
    parts: list[Block]

    def scores(self, rows: _Rows, block: Block) -> tuple[Floats, Floats, Floats]:
        """D, V^-1 D (m, s, p) and D'V^-1 e (m, p) of a block."""
        residual, slope, _ = rows.residuals(self.beta)
        return _block_scores(block, residual, slope, rows.weights, self.scale, self.alpha, self.correlation)

    def sandwich(self, rows: _Rows) -> Floats:
        """Liang and Zeger's covariance."""
        meat = np.zeros_like(self.inverse)
        for block in self.parts:
            score = self.scores(rows, block)[2]
            meat += score.T @ score
        return np.asarray(self.inverse @ meat @ self.inverse)

    def corrected(self, rows: _Rows, variance: Variance) -> Floats:
        """The sandwich with residuals inflated by (I - H)^-1 or its root.

        H = D M D'V^-1 is (s, s); because D'V^-1 f(I - H) = f(I - A M) D'V^-1 with A = D'V^-1 D, only
        (p, p) matrices are needed, however large a cluster is. M = L L' makes I - A M symmetric.
        """
        root = np.linalg.cholesky(self.inverse)
        power = -1.0 if variance == "mancl_derouen" else -0.5
        meat = np.zeros_like(root)
        for block in self.parts:
            d, vd, score = self.scores(rows, block)
            a = np.swapaxes(d, 1, 2) @ vd
            leverage, axes = np.linalg.eigh(root.T @ a @ root)
            if (leverage > 1.0 - 1e-9).any():
                raise CannotEstimate(ONE_CLUSTER_DECIDES)
            turned = np.einsum("mji,mj->mi", axes, score @ root)
            inflated = np.einsum("mij,mj->mi", axes, turned * (1.0 - leverage) ** power)
            meat += inflated.T @ inflated
        return np.asarray(root @ meat @ root.T)


def _block_scores(
    block: Block,
    residual: Floats,
    slope: Floats,
    weights: Floats,
    scale: float,
    alpha: Floats,
    kind: Correlation,
) -> tuple[Floats, Floats, Floats]:
    root = np.sqrt(weights[block.rows] / scale)
    d = slope[block.rows] * root[:, :, None]
    vd = apply_inverse(block, kind, alpha, d)
    return d, vd, np.einsum("msp,ms->mp", vd, residual[block.rows] * root)


def _solve(
    rows: _Rows, cluster: Ints, wave: Ints, correlation: Correlation, tolerance: float, max_iterations: int
) -> _State:
    parts = blocks(cluster, wave, correlation)
    q = parameters(correlation, int(wave.max()) + 1)
    start = glm(rows.y, rows.x, rows.family, weights=rows.weights, offset=rows.offset)
    beta, alpha = start.coef, np.zeros(q)
    residual, slope, _ = rows.residuals(beta)
    scale = float(np.mean(residual**2))
    _positive(scale)
    for iteration in range(1, max_iterations + 1):
        information, score = _information(parts, rows, residual, slope, scale, alpha, correlation)
        step = _step(information, score)
        while not rows.family.allows(rows.family.mean(rows.x @ (beta + step) + rows.offset)):
            step = 0.5 * step
        beta = beta + step
        residual, slope, _ = rows.residuals(beta)
        new_scale = float(np.average(residual**2, weights=rows.weights))
        _positive(new_scale)
        move = _alpha_step(parts, rows, residual, new_scale, alpha, correlation)
        moved = max(np.abs(step).max(), abs(new_scale - scale), np.abs(move).max(initial=0.0))
        alpha, scale = alpha + move, new_scale
        if not np.isfinite(moved):
            raise CannotEstimate(GEE_NOT_CONVERGED)
        if moved <= tolerance:
            for block in parts:
                check_matrix(block, correlation, alpha)
            information, _ = _information(parts, rows, residual, slope, scale, alpha, correlation)
            inverse = np.asarray(np.linalg.inv(information))
            return _State(beta, scale, alpha, iteration, inverse, correlation, parts)
    raise CannotEstimate(GEE_NOT_CONVERGED)


def _information(
    parts: list[Block], rows: _Rows, residual: Floats, slope: Floats, scale: float, alpha: Floats,
    correlation: Correlation,
) -> tuple[Floats, Floats]:  # fmt: skip
    p = slope.shape[1]
    information, score = np.zeros((p, p)), np.zeros(p)
    for block in parts:
        d, vd, one = _block_scores(block, residual, slope, rows.weights, scale, alpha, correlation)
        information += d.reshape(-1, p).T @ vd.reshape(-1, p)
        score += one.sum(axis=0)
    return information, score


def _alpha_step(
    parts: list[Block], rows: _Rows, residual: Floats, scale: float, alpha: Floats, correlation: Correlation
) -> Floats:
    q = len(alpha)
    if q == 0:
        return alpha
    information, score = np.zeros((q, q)), np.zeros(q)
    z = residual / np.sqrt(scale)
    for block in parts:
        h, g = correlation_equations(block, correlation, alpha, z[block.rows], rows.weights[block.rows])
        information, score = information + h, score + g
    if (np.diag(information) <= 0).any():
        raise CannotEstimate(PAIR_NEVER_SEEN)
    return _step(information, score)


def _step(information: Floats, score: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(information, score))
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(GEE_NOT_CONVERGED) from singular


def _positive(scale: float) -> None:
    if not scale > 1e-20:  # a perfect fit leaves nothing to estimate the scale from
        raise CannotEstimate(PERFECT_FIT)


def _waves(cluster: Ints, wave: npt.ArrayLike | None, n: int) -> Ints:
    """Visits counted from 0, by rank of the whole numbers given (as R's factor does) or in order of rows."""
    order = np.argsort(cluster, kind="stable")
    if wave is None:
        first = np.concatenate([[0], np.cumsum(np.bincount(cluster))[:-1]])
        counted = np.empty(n, dtype=np.intp)
        counted[order] = np.arange(n) - first[cluster[order]]
        return counted
    given = numbers(wave, "wave", n)
    if (given != np.floor(given)).any():
        raise CannotEstimate(NOT_A_NUMBER, variable="wave")
    ranks = np.unique(given, return_inverse=True)[1].astype(np.intp)
    if len(np.unique(cluster * (ranks.max() + 1) + ranks)) < n:
        raise CannotEstimate(REPEATED_VISIT)
    return ranks


def _wald(beta: Floats, se: Floats, df: float | None, level: float) -> tuple[Floats, Floats, Floats]:
    from scipy.special import stdtr, stdtrit

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, beta / se, 0.0)
    if df is None:
        p = np.array([two_sided_p(float(one)) for one in statistic])
        return statistic, p, normal_quantile(level) * se
    return statistic, 2.0 * stdtr(df, -np.abs(statistic)), float(stdtrit(df, 0.5 + level / 2)) * se


def _qic(
    rows: _Rows, cluster: Ints, wave: Ints, state: _State, robust: Floats, tolerance: float, rounds: int
) -> Qic:
    alone = _solve(rows, cluster, wave, "independence", tolerance, rounds)
    quasi = rows.family.quasi_likelihood(rows.y, rows.residuals(state.beta)[2])
    cic = float(np.trace(np.linalg.solve(alone.inverse, robust)))
    p = len(state.beta)
    k = p + len(state.alpha)
    qic = -2.0 * (quasi - cic)
    clusters = int(cluster.max()) + 1
    left = clusters - k - 1
    qic_c = qic + 2.0 * k * (k + 1) / left if left > 0 else np.inf
    return Qic(qic, -2.0 * (quasi - p), qic_c, quasi, cic)


def _check_options(correlation: str, variance: str, test: str, level: float) -> None:
    if correlation not in CORRELATIONS:
        raise CannotEstimate(BAD_ARGUMENT, argument="correlation", allowed=", ".join(CORRELATIONS))
    if variance not in _VARIANCES:
        raise CannotEstimate(BAD_ARGUMENT, argument="variance", allowed=", ".join(_VARIANCES))
    if test not in ("z", "t"):
        raise CannotEstimate(BAD_ARGUMENT, argument="test", allowed="z, t")
    if not 0.0 < level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")
