"""The normal likelihood y ~ N(X beta, V(theta)) of independent subjects, ML and REML, and its maximum.

MMRM and random-effects models differ only in V. Each gives the sums over subjects that value, gradient and
second derivatives of -2 log L are made of (`CovarianceModel`); here they are put together and minimised.

With C = (X'V^-1 X)^-1, e = y - X beta, V_j = dV/dtheta_j and P = V^-1 - V^-1 X C X'V^-1 (Harville 1977;
Lindstrom & Bates 1988):

    -2 log L_REML = (N - p) log 2 pi + log|V| + log|X'V^-1 X| + e'V^-1 e
    d/d_j         = tr(P V_j) - y'P V_j P y
    d2/d_j d_k    = -tr(P V_j P V_k) + tr(P V_jk) + 2 y'P V_j P V_k P y - y'P V_jk P y

The data enter with y as a last column of X: then v = (-beta, 1) turns a product [X y]'A[X y] into e'A e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats

Estimation = Literal["reml", "ml"]

COVARIANCE_NOT_CONVERGED = Reason(
    "covariance_not_converged",
    "协方差参数的（限制性）极大似然迭代未收敛；请换用更简单的协方差结构。",
    "The (restricted) likelihood found no maximum over the covariance parameters: use a simpler structure.",
)

_STEPS = 200
_CONVERGED = 1e-14  # the Newton decrement (twice the gain still to be had), relative to 1 + |-2 log L|


@dataclass(frozen=True)
class Moments:
    """log|V| summed over subjects, and [X y]'V^-1 [X y] (p + 1, p + 1)."""

    log_det: float
    gram: Floats


@dataclass(frozen=True)
class Derivatives:
    """Sums over subjects for k parameters; the last three are zero where V is linear in theta.

    trace (k,) tr(V^-1 V_j); trace2 (k, k) tr(V^-1 V_j V^-1 V_k); first (k, p+1, p+1) [X y]'V^-1 V_j V^-1 [X y];
    with Q_jk = [X y]'V^-1 V_j V^-1 V_k V^-1 [X y]: second_c tr(C Q_jk), second_v v'Q_jk v;
    curved_* the same three with V_jk: tr(V^-1 V_jk), tr(C X'V^-1 V_jk V^-1 X), e'V^-1 V_jk V^-1 e.
    """

    trace: Floats
    trace2: Floats
    first: Floats
    second_c: Floats
    second_v: Floats
    curved_trace: Floats
    curved_c: Floats
    curved_v: Floats


@dataclass(frozen=True)
class Point:
    """theta (k,) at the free coordinates phi (f,); slope (k, f) and bend (k, f, f) are its derivatives."""

    theta: Floats
    slope: Floats
    bend: Floats


class CovarianceModel(Protocol):
    """What a covariance has to know about itself and the data. `rows` is N, `columns` p."""

    rows: int
    columns: int
    linear: bool

    def point(self, phi: Floats) -> Point:
        """theta of the free coordinates."""

    def moments(self, theta: Floats) -> Moments | None:
        """The value's parts, or None where some V is not positive definite."""

    def derivatives(self, theta: Floats, c: Floats, v: Floats) -> Derivatives:
        """The parts of gradient and Hessian."""

    def products(self, theta: Floats) -> Floats:
        """X'V^-1 V_j V^-1 V_k V^-1 X (k, k, p, p), for Kenward and Roger."""


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is largest.

    coef (p,), covariance (p, p) = C; theta (k,); theta_covariance (k, k) = 2 times the inverse of the
    Hessian of -2 log L; slopes (k, p, p) = X'V^-1 V_j V^-1 X, so that dC/dtheta_j = C slopes_j C;
    expected (k, k) is tr(P V_j P V_k), twice the expected information.
    """

    coef: Floats
    covariance: Floats
    theta: Floats
    theta_covariance: Floats
    slopes: Floats
    expected: Floats
    loglik: float
    estimation: Estimation
    iterations: int


def maximise(model: CovarianceModel, phi: Floats, estimation: Estimation) -> Maximum:
    """The maximum of the likelihood by Newton's method from `phi` (f,), with analytic second derivatives.

    Where the Hessian is not positive definite its eigenvalues are taken by size (a descent direction), and
    a step is halved until -2 log L falls. Raises `CannotEstimate` where that ends nowhere.
    """
    value = _value(model, model.point(phi).theta, estimation)
    if value is None:
        raise CannotEstimate(COVARIANCE_NOT_CONVERGED)
    for iteration in range(1, _STEPS + 1):
        point = model.point(phi)
        state = _state(model, point, estimation)
        step, decrement = _newton_step(state.gradient, state.hessian)
        if decrement <= _CONVERGED * (1.0 + abs(value)):
            return _polished(model, phi + step, point, state, value, estimation, iteration)
        phi, lower = _line_search(model, phi, step, value, decrement, estimation)
        if lower is None:  # rounding is all that is left, or a wall
            if decrement <= 1e-9 * (1.0 + abs(value)):
                return _maximum(model, point, state, value, estimation, iteration)
            break
        value = lower
    raise CannotEstimate(COVARIANCE_NOT_CONVERGED)


def _polished(
    model: CovarianceModel,
    phi: Floats,
    point: Point,
    state: _State,
    value: float,
    estimation: Estimation,
    rounds: int,
) -> Maximum:
    """One full step more: its gain is below rounding, but the digits of theta double."""
    last = model.point(phi)
    lower = _value(model, last.theta, estimation)
    if lower is not None:
        point, state, value = last, _state(model, last, estimation), lower
    return _maximum(model, point, state, value, estimation, rounds)


@dataclass(frozen=True)
class _State:
    coef: Floats
    c: Floats
    gradient: Floats
    hessian: Floats
    derivatives: Derivatives


def _solve_beta(gram: Floats) -> tuple[Floats, Floats, float]:
    p = len(gram) - 1
    c = np.linalg.inv(gram[:p, :p])
    beta = c @ gram[:p, p]
    return np.asarray(beta), np.asarray(0.5 * (c + c.T)), float(gram[p, p] - gram[:p, p] @ beta)


def _value(model: CovarianceModel, theta: Floats, estimation: Estimation) -> float | None:
    moments = model.moments(theta)
    if moments is None or not np.isfinite(moments.gram).all():
        return None
    p = model.columns
    sign, log_det_x = np.linalg.slogdet(moments.gram[:p, :p])
    if sign <= 0:
        return None
    _, _, quadratic = _solve_beta(moments.gram)
    value = moments.log_det + quadratic
    if estimation == "reml":
        value += float(log_det_x)
    value += (model.rows - (p if estimation == "reml" else 0)) * float(np.log(2.0 * np.pi))
    return value if np.isfinite(value) and quadratic >= 0 else None


def _state(model: CovarianceModel, point: Point, estimation: Estimation) -> _State:
    moments = model.moments(point.theta)
    if moments is None:
        raise CannotEstimate(COVARIANCE_NOT_CONVERGED)
    beta, c, _ = _solve_beta(moments.gram)
    v = np.append(-beta, 1.0)
    p = model.columns
    d = model.derivatives(point.theta, c, v)
    gradient = d.trace - np.einsum("jab,a,b->j", d.first, v, v)
    across = (d.first @ v)[:, :p]
    hessian = -d.trace2 + d.curved_trace + 2.0 * (d.second_v - across @ c @ across.T) - d.curved_v
    if estimation == "reml":
        ca = c @ d.first[:, :p, :p]
        gradient = gradient - np.einsum("jaa->j", ca)
        hessian = hessian + 2.0 * d.second_c - np.einsum("jab,kba->jk", ca, ca) - d.curved_c
    along = point.slope.T @ gradient
    bent = point.slope.T @ hessian @ point.slope + np.einsum("j,jab->ab", gradient, point.bend)
    return _State(beta, c, along, 0.5 * (bent + bent.T), d)


def _newton_step(gradient: Floats, hessian: Floats) -> tuple[Floats, float]:
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    sizes, axes = np.linalg.eigh(hessian * np.outer(scale, scale))
    sizes = np.maximum(np.abs(sizes), 1e-10)
    along = axes.T @ (scale * gradient)
    return -scale * (axes @ (along / sizes)), float((along**2 / sizes).sum())


def _line_search(
    model: CovarianceModel, phi: Floats, step: Floats, value: float, decrement: float, estimation: Estimation
) -> tuple[Floats, float | None]:
    length = 1.0
    for _ in range(50):
        tried = phi + length * step
        new = _value(model, model.point(tried).theta, estimation)
        if new is not None and new < value and new <= value - 1e-4 * length * decrement:
            return tried, new
        length *= 0.5
    return phi, None


def _maximum(
    model: CovarianceModel, point: Point, state: _State, value: float, estimation: Estimation, iterations: int
) -> Maximum:
    p = model.columns
    slopes = state.derivatives.first[:, :p, :p]
    ca = state.c @ slopes
    expected = state.derivatives.trace2
    if estimation == "reml":
        expected = expected - 2.0 * state.derivatives.second_c + np.einsum("jab,kba->jk", ca, ca)
    inverse = _positive_inverse(state.hessian)
    return Maximum(
        coef=state.coef,
        covariance=state.c,
        theta=point.theta,
        theta_covariance=2.0 * point.slope @ inverse @ point.slope.T,
        slopes=slopes,
        expected=expected,
        loglik=-0.5 * value,
        estimation=estimation,
        iterations=iterations,
    )


def _positive_inverse(hessian: Floats) -> Floats:
    """The inverse; a direction in which the likelihood is flat (a variance at zero) is left out."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    sizes, axes = np.linalg.eigh(hessian * np.outer(scale, scale))
    if sizes.min() < -1e-6:
        raise CannotEstimate(COVARIANCE_NOT_CONVERGED)  # a saddle, not a maximum
    kept = sizes > 1e-9
    scaled = scale[:, None] * axes[:, kept]
    return np.asarray((scaled / sizes[kept]) @ scaled.T)


@dataclass(frozen=True)
class Basis:
    """X = Q R with orthonormal columns, y less its projection on them: no digits are lost to large means.

    q (n, p) and rest (n,) take the place of X and y; root (p, p) is R, start (p,) the projection R^-1 Q'y.
    """

    q: Floats
    rest: Floats
    root: Floats
    start: Floats

    def log_det(self) -> float:
        """log|X'A X| = log|Q'A Q| + this."""
        return 2.0 * float(np.log(np.abs(np.diag(self.root))).sum())


def basis(x: Floats, y: Floats) -> Basis:
    """The basis of a design of full rank, x (n, p), y (n,)."""
    q, root = np.linalg.qr(x)
    along = q.T @ y
    rest = y - q @ along
    more = q.T @ rest  # once again, for what rounding left
    along, rest = along + more, rest - q @ more
    return Basis(q, rest, root, np.asarray(np.linalg.solve(root, along)))


def cholesky_point(phi: Floats, size: int) -> Point:
    """A symmetric matrix L L' as its lower triangle theta, row by row, of L's lower triangle phi.

    Any phi gives a covariance, also a singular one, so the search meets no wall.
    """
    rows, columns = np.tril_indices(size)
    factor = np.zeros((size, size))
    factor[rows, columns] = phi
    k = len(rows)
    slope = np.zeros((k, k))
    bend = np.zeros((k, k, k))
    for j, (a, b) in enumerate(zip(rows, columns, strict=True)):
        # theta_ab = sum over c of L_ac L_bc
        for c in range(b + 1):
            at, bt = a * (a + 1) // 2 + c, b * (b + 1) // 2 + c
            slope[j, at] += factor[b, c]
            slope[j, bt] += factor[a, c]
            bend[j, at, bt] += 1.0
            bend[j, bt, at] += 1.0
    return Point((factor @ factor.T)[rows, columns], slope, bend)


def symmetric(theta: Floats, size: int) -> Floats:
    """The symmetric matrix whose lower triangle, row by row, is theta."""
    whole = np.zeros((size, size))
    whole[np.tril_indices(size)] = theta
    return np.asarray(whole + np.tril(whole, -1).T)
