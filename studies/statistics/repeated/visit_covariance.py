"""The covariance of one subject's visits: its structures, their derivatives, and the sums a likelihood needs.

Subjects with the same visits observed share one V. Their rows enter only through one table of cross-products,
so an iteration costs the same for a hundred subjects and for a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from studies.reasons import CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.repeated.likelihood import Derivatives, Moments, Point, cholesky_point, symmetric
from studies.statistics.repeated.working_correlation import PAIR_NEVER_SEEN

Structure = Literal[
    "unstructured",
    "compound_symmetry",
    "heterogeneous_compound_symmetry",
    "ar1",
    "heterogeneous_ar1",
    "toeplitz",
    "heterogeneous_toeplitz",
]
STRUCTURES = (
    "unstructured",
    "compound_symmetry",
    "heterogeneous_compound_symmetry",
    "ar1",
    "heterogeneous_ar1",
    "toeplitz",
    "heterogeneous_toeplitz",
)
_LINEAR = ("unstructured", "compound_symmetry", "toeplitz")


@dataclass(frozen=True)
class _Pattern:
    """m subjects observed at `visits` (t,); cross[t, a, s, b] = sum of [X y]_ta [X y]_sb."""

    visits: Ints
    subjects: int
    cross: Floats


@dataclass(frozen=True)
class _Sigma:
    """Sigma (T, T), its first (k, T, T) and second (k, k, T, T) derivatives (None: zero)."""

    value: Floats
    first: Floats
    second: Floats | None


class VisitCovariance:
    """The same structured Sigma for every subject, cut to the visits observed (a `CovarianceModel`).

    theta: unstructured, the lower triangle by rows; compound symmetry and Toeplitz, the variance and the
    covariances by lag; AR(1), variance and correlation; heterogeneous ones, the standard deviations of the
    visits and then the correlations. x (n, p) has orthonormal columns, y (n,) is orthogonal to them (`basis`).
    """

    def __init__(
        self, y: Floats, x: Floats, subject: Ints, visit: Ints, visits: int, structure: Structure
    ) -> None:
        self.structure, self.visits = structure, visits
        self.rows, self.columns = x.shape
        self.linear = structure in _LINEAR
        self.patterns = _patterns(np.column_stack([x, y]), subject, visit)
        self._residual = y
        self._subject, self._visit = subject, visit
        self._check_identified()

    def start(self) -> Floats:
        """Free coordinates from the covariances of ordinary residuals, drawn in until positive definite."""
        observed = self._residual_covariance()
        sd = np.sqrt(np.diag(observed))
        t = self.visits
        lags = [float(np.mean(np.diag(observed / np.outer(sd, sd), lag))) for lag in range(1, t)]
        first = float(np.clip(np.mean(lags), 0.0, 0.9)) if lags else 0.0
        decay = float(np.clip(lags[0], 0.0, 0.9)) if lags else 0.0
        variance = float(np.mean(sd**2))
        if self.structure == "unstructured":
            return np.asarray(np.linalg.cholesky(observed)[np.tril_indices(t)])
        if self.structure == "compound_symmetry":
            return np.array([variance, first * variance])
        if self.structure == "ar1":
            return np.array([variance, decay])
        if self.structure == "toeplitz":
            return variance * np.append(1.0, decay ** np.arange(1, t))
        if self.structure == "heterogeneous_toeplitz":
            return np.append(sd, decay ** np.arange(1, t))
        return np.append(sd, first if self.structure == "heterogeneous_compound_symmetry" else decay)

    def point(self, phi: Floats) -> Point:
        """Unstructured through its Cholesky factor; the others are searched as they are."""
        if self.structure == "unstructured":
            return cholesky_point(phi, self.visits)
        k = len(phi)
        return Point(phi, np.eye(k), np.zeros((k, k, k)))

    def matrix(self, theta: Floats) -> Floats:
        """Sigma (T, T)."""
        return self._sigma(theta).value

    def moments(self, theta: Floats) -> Moments | None:
        """See `CovarianceModel`."""
        sigma = self._sigma(theta).value
        if (np.diag(sigma) <= 0).any():
            return None
        log_det, size = 0.0, self.columns + 1
        gram = np.zeros((size, size))
        for one in self.patterns:
            try:
                root = np.linalg.cholesky(sigma[np.ix_(one.visits, one.visits)])
            except np.linalg.LinAlgError:
                return None
            inverse = np.linalg.inv(root)
            log_det += 2.0 * one.subjects * float(np.log(np.diag(root)).sum())
            gram += np.einsum("ts,tasb->ab", inverse.T @ inverse, one.cross)
        return Moments(log_det, 0.5 * (gram + gram.T))

    def derivatives(self, theta: Floats, c: Floats, v: Floats) -> Derivatives:
        """See `CovarianceModel`."""
        sigma, k, p = self._sigma(theta), len(theta), self.columns
        trace, first = np.zeros(k), np.zeros((k, p + 1, p + 1))
        trace2, second_c, second_v = (np.zeros((k, k)) for _ in range(3))
        curved = np.zeros((3, k, k))
        for one in self.patterns:
            cut = np.ix_(one.visits, one.visits)
            inverse = np.asarray(np.linalg.inv(sigma.value[cut]))
            d = sigma.first[:, cut[0], cut[1]]
            across = _turned(inverse, one.cross)
            by_c = np.einsum("tasb,ba->ts", across[:, :p, :, :p], c)
            by_v = np.einsum("tasb,a,b->ts", across, v, v)
            bd = inverse @ d
            trace += one.subjects * np.einsum("jtt->j", bd)
            flat = bd.reshape(k, -1)
            trace2 += one.subjects * flat @ np.swapaxes(bd, 1, 2).reshape(k, -1).T
            first += np.einsum("jts,tasb->jab", d, across)
            # tr(C Q_jk) = sum over t, s of (V_j V^-1 V_k)_ts by_c_ts
            left = np.swapaxes(d, 1, 2).reshape(k, -1)  # V_j is symmetric; kept for the order of indices
            second_c += left @ np.swapaxes(by_c @ np.swapaxes(bd, 1, 2), 1, 2).reshape(k, -1).T
            second_v += left @ np.swapaxes(by_v @ np.swapaxes(bd, 1, 2), 1, 2).reshape(k, -1).T
            if sigma.second is not None:
                bent = sigma.second[:, :, cut[0], cut[1]]
                for place, weight in enumerate((one.subjects * inverse, by_c, by_v)):
                    curved[place] += np.einsum("jkts,ts->jk", bent, weight)
        return Derivatives(
            trace, trace2, first, 0.5 * (second_c + second_c.T), 0.5 * (second_v + second_v.T), *curved
        )

    def products(self, theta: Floats) -> Floats:
        """See `CovarianceModel`."""
        sigma, k, p = self._sigma(theta), len(theta), self.columns
        found = np.zeros((k, k, p, p))
        for one in self.patterns:
            cut = np.ix_(one.visits, one.visits)
            inverse = np.asarray(np.linalg.inv(sigma.value[cut]))
            d = sigma.first[:, cut[0], cut[1]]
            across = _turned(inverse, one.cross)[:, :p, :, :p]
            for j in range(k):
                found[j] += np.einsum("kts,tasb->kab", d[j] @ inverse @ d, across)
        return found

    def _sigma(self, theta: Floats) -> _Sigma:
        t = self.visits
        lag = np.abs(np.subtract.outer(np.arange(t), np.arange(t)))
        if self.structure == "unstructured":
            rows, columns = np.tril_indices(t)
            first = np.zeros((len(theta), t, t))
            place = np.arange(len(theta))
            first[place, rows, columns] = first[place, columns, rows] = 1.0
            return _Sigma(symmetric(theta, t), first, None)
        if self.structure in ("compound_symmetry", "toeplitz"):
            kinds = np.minimum(lag, 1) if self.structure == "compound_symmetry" else lag
            first = (kinds[None] == np.arange(len(theta))[:, None, None]).astype(float)
            return _Sigma(np.einsum("j,jts->ts", theta, first), first, None)
        if self.structure == "ar1":
            return _homogeneous(float(theta[0]), *_powers(float(theta[1]), lag))
        sd, rho = theta[:t], theta[t:]
        if self.structure == "heterogeneous_ar1":
            return _heterogeneous(sd, *_powers(float(rho[0]), lag))
        kinds = np.minimum(lag, 1) if self.structure == "heterogeneous_compound_symmetry" else lag
        first = (kinds[None] == np.arange(1, len(rho) + 1)[:, None, None]).astype(float)
        correlation = np.eye(t) + np.einsum("j,jts->ts", rho, first)
        return _heterogeneous(sd, correlation, first, np.zeros((len(rho), len(rho), t, t)))

    def _residual_covariance(self) -> Floats:
        """Pairwise covariances of the residuals (T, T), with smaller correlations until positive definite."""
        t = self.visits
        subjects = int(self._subject.max()) + 1
        table = np.zeros((subjects, t))
        seen = np.zeros((subjects, t))
        table[self._subject, self._visit] = self._residual
        seen[self._subject, self._visit] = 1.0
        pairs = seen.T @ seen
        covariance = table.T @ table / np.maximum(pairs, 1.0)
        variance = np.diag(covariance).copy()
        variance = np.maximum(variance, 1e-4 * variance.mean())
        root = np.sqrt(variance)
        correlation = np.clip(covariance / np.outer(root, root), -0.98, 0.98)
        np.fill_diagonal(correlation, 1.0)
        while np.linalg.eigvalsh(correlation)[0] < 0.02:
            correlation = 0.8 * correlation + 0.2 * np.eye(t)
        return np.asarray(correlation * np.outer(root, root))

    def _check_identified(self) -> None:
        """Raise where a covariance has no pair of observations to be estimated from."""
        t = self.visits
        pairs = np.zeros((t, t))
        for one in self.patterns:
            pairs[np.ix_(one.visits, one.visits)] += one.subjects
        if self.structure == "unstructured":
            seen = bool((pairs > 0).all())
        elif "toeplitz" in self.structure:
            seen = all((np.diag(pairs, lag) > 0).any() for lag in range(1, t))
        else:
            seen = bool((np.triu(pairs, 1) > 0).any())
        if not seen:
            raise CannotEstimate(PAIR_NEVER_SEEN)


def _patterns(both: Floats, subject: Ints, visit: Ints) -> list[_Pattern]:
    order = np.lexsort((visit, subject))
    both, subject, visit = both[order], subject[order], visit[order]
    size = np.bincount(subject)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    found = []
    for t in np.unique(size):
        members = first[np.flatnonzero(size == t)]
        rows = members[:, None] + np.arange(t)
        kinds, which = np.unique(visit[rows], axis=0, return_inverse=True)
        for number, visits in enumerate(kinds):
            mine = both[rows[which.ravel() == number]]
            flat = mine.reshape(len(mine), -1)
            cross = (flat.T @ flat).reshape(t, both.shape[1], t, both.shape[1])
            found.append(_Pattern(visits, len(mine), cross))
    return found


def _turned(inverse: Floats, cross: Floats) -> Floats:
    """Cross-products of V^-1 [X y] instead of [X y]."""
    half = np.tensordot(inverse, cross, axes=(1, 0))
    return np.asarray(np.moveaxis(np.tensordot(half, inverse, axes=(2, 0)), 3, 2))


def _powers(rho: float, lag: Ints) -> tuple[Floats, Floats, Floats]:
    """rho^lag with its first (1, T, T) and second (1, 1, T, T) derivative."""
    one = np.where(lag > 0, lag * rho ** np.maximum(lag - 1, 0), 0.0)
    two = np.where(lag > 1, lag * (lag - 1) * rho ** np.maximum(lag - 2, 0), 0.0)
    return np.asarray(rho**lag, dtype=float), one[None], two[None, None]


def _homogeneous(variance: float, r: Floats, first: Floats, second: Floats) -> _Sigma:
    """Sigma = variance times R(rho)."""
    k, t = len(first) + 1, len(r)
    d, bent = np.empty((k, t, t)), np.zeros((k, k, t, t))
    d[0], d[1:] = r, variance * first
    bent[0, 1:] = bent[1:, 0] = first
    bent[1:, 1:] = variance * second
    return _Sigma(variance * r, d, bent)


def _heterogeneous(sd: Floats, r: Floats, first: Floats, second: Floats) -> _Sigma:
    """Sigma_ab = sd_a sd_b R_ab(rho)."""
    t, m = len(sd), len(first)
    d, bent = np.zeros((t + m, t, t)), np.zeros((t + m, t + m, t, t))
    scale = np.outer(sd, sd)
    # By sd_a: row and column a of R times the other's sd, the diagonal twice.
    by_sd = np.zeros((t, t, t))
    for a in range(t):
        by_sd[a, a, :] += sd
        by_sd[a, :, a] += sd
    d[:t], d[t:] = by_sd * r, scale * first
    for a in range(t):
        for b in range(t):
            bent[a, b, a, b] += r[a, b]
            bent[a, b, b, a] += r[a, b]
        bent[a, t:] = bent[t:, a] = by_sd[a] * first
    bent[t:, t:] = scale * second
    return _Sigma(scale * r, d, bent)
