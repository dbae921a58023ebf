"""The working correlation of a cluster's rows, and its inverse applied to many clusters at once.

Clusters with the same waves (the numbers of their visits) share one correlation matrix, so they are kept
together as one block: no loop over clusters, only over the distinct patterns of waves. Independence and
exchangeable need no matrix at all and are grouped by size only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats, Ints

Correlation = Literal["independence", "exchangeable", "ar1", "unstructured"]
CORRELATIONS = ("independence", "exchangeable", "ar1", "unstructured")

NOT_A_CORRELATION = Reason(
    "not_a_correlation",
    "估计的工作相关矩阵不是正定的，广义估计方程无法求解；请换用更简单的相关结构。",
    "The estimated working correlation is not positive definite: choose a simpler structure.",
)
_SINGULAR = 1e-12  # the smallest eigenvalue of a correlation matrix that counts as above 0
PAIR_NEVER_SEEN = Reason(
    "pair_never_seen",
    "有的两次访视从未在同一受试者身上同时观察到，无法估计它们的相关。",
    "Two of the visits were never both observed in one subject: their correlation cannot be estimated.",
)


@dataclass(frozen=True)
class Block:
    """m clusters of s rows each: `rows` (m, s) are positions in the data, `waves` (s,) count from 0."""

    rows: Ints
    waves: Ints


def blocks(cluster: Ints, wave: Ints, correlation: Correlation) -> list[Block]:
    """Clusters gathered by what their correlation matrix depends on. cluster, wave (n,)."""
    order = np.argsort(cluster, kind="stable")
    size = np.bincount(cluster)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    found = []
    for s in np.unique(size):
        members = np.flatnonzero(size == s)
        rows = order[first[members][:, None] + np.arange(s)]
        if correlation in ("independence", "exchangeable"):
            found.append(Block(rows, np.arange(s)))
            continue
        patterns, which = np.unique(wave[rows], axis=0, return_inverse=True)
        which = which.ravel()
        by_pattern = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which))
        starts = np.concatenate([[0], ends[:-1]])
        for waves, begin, end in zip(patterns, starts, ends, strict=True):
            found.append(Block(rows[by_pattern[begin:end]], waves))
    return found


def parameters(correlation: Correlation, waves: int) -> int:
    """How many correlations are estimated."""
    return {"independence": 0, "exchangeable": 1, "ar1": 1, "unstructured": waves * (waves - 1) // 2}[
        correlation
    ]


def apply_inverse(block: Block, correlation: Correlation, alpha: Floats, values: Floats) -> Floats:
    """R^-1 times each cluster's (s, k) of `values` (m, s, k)."""
    s = len(block.waves)
    if s == 1 or correlation == "independence":
        return values
    if correlation == "exchangeable":
        a = float(alpha[0])
        if a == 1.0 or 1.0 + (s - 1) * a == 0.0:
            raise CannotEstimate(NOT_A_CORRELATION)
        total = values.sum(axis=1, keepdims=True)
        return np.asarray((values - a / (1.0 + (s - 1) * a) * total) / (1.0 - a))
    return np.asarray(inverse_matrix(block, correlation, alpha) @ values)


def inverse_matrix(block: Block, correlation: Correlation, alpha: Floats) -> Floats:
    """R^-1 (s, s) of one pattern. On the way R may be no correlation matrix yet: see `check_matrix`."""
    try:
        return np.asarray(np.linalg.inv(matrix_of(block, correlation, alpha)))
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(NOT_A_CORRELATION) from singular


def check_matrix(block: Block, correlation: Correlation, alpha: Floats) -> None:
    """Raise `CannotEstimate` where the correlations of this pattern are no correlation matrix."""
    s = len(block.waves)
    if s == 1 or correlation == "independence":
        return
    if correlation == "exchangeable":
        if not -1.0 / (s - 1) < alpha[0] < 1.0:
            raise CannotEstimate(NOT_A_CORRELATION)
        return
    # Correlations of 1 up to rounding: what a factorisation would still accept is no information.
    if np.linalg.eigvalsh(matrix_of(block, correlation, alpha))[0] <= _SINGULAR:
        raise CannotEstimate(NOT_A_CORRELATION)


def matrix_of(block: Block, correlation: Correlation, alpha: Floats) -> Floats:
    """R (s, s) of one pattern."""
    s = len(block.waves)
    if s == 1 or correlation == "independence":
        return np.eye(s)
    if correlation == "exchangeable":
        return np.asarray(np.full((s, s), alpha[0]) + (1.0 - alpha[0]) * np.eye(s))
    r = np.eye(s)
    upper = np.triu_indices(s, 1)
    if correlation == "ar1":
        gaps = np.abs(block.waves[upper[1]] - block.waves[upper[0]])
        r[upper] = alpha[0] ** gaps
    else:
        r[upper] = alpha[_pairs(block.waves, _waves_of(len(alpha)))]
    return np.asarray(r + np.triu(r, 1).T)


def correlation_equations(
    block: Block, correlation: Correlation, alpha: Floats, z: Floats, w: Floats
) -> tuple[Floats, Floats]:
    """What this block adds to the estimating equations of alpha: the sum of E'WE and of E'W(zz' - rho).

    Every pair of rows of a cluster counts once with weight w_j w_k (Yan & Fine 2004, eq. 3, with an
    independent working structure). z (m, s) are residuals over the root of the scale, w (m, s).
    """
    q = len(alpha)
    s = len(block.waves)
    if s == 1 or q == 0:
        return np.zeros((q, q)), np.zeros(q)
    if correlation == "exchangeable":
        # Sums over pairs without forming them: (sum)^2 - sum of squares, halved.
        weight = float((w.sum(axis=1) ** 2 - (w**2).sum(axis=1)).sum()) / 2.0
        products = float(((w * z).sum(axis=1) ** 2 - ((w * z) ** 2).sum(axis=1)).sum()) / 2.0
        return np.array([[weight]]), np.array([products - weight * alpha[0]])
    first, second = np.triu_indices(s, 1)
    weights = np.einsum("ms,mt->st", w, w)[first, second]
    products = np.einsum("ms,mt->st", w * z, w * z)[first, second]
    if correlation == "ar1":
        gap = np.abs(block.waves[second] - block.waves[first]).astype(float)
        slope = np.where(gap == 1.0, 1.0, gap * alpha[0] ** (gap - 1.0))
        left = products - weights * alpha[0] ** gap
        return np.array([[float((weights * slope**2).sum())]]), np.array([float((slope * left).sum())])
    pair = _pairs(block.waves, _waves_of(q))
    left = products - weights * alpha[pair]
    counted = [np.bincount(pair, one, q).astype(np.float64) for one in (weights, left)]
    return np.diag(counted[0]), counted[1]


def _waves_of(alphas: int) -> int:
    waves = 1
    while waves * (waves - 1) // 2 < alphas:
        waves += 1
    return waves


def _pairs(waves: Ints, total: int) -> Ints:
    """The place of each pair of this pattern's waves in alpha: (0,1), (0,2), ..., (1,2), ... as in R."""
    first, second = np.triu_indices(len(waves), 1)
    low, high = np.minimum(waves[first], waves[second]), np.maximum(waves[first], waves[second])
    return np.asarray(low * total - low * (low + 1) // 2 + (high - low - 1))
