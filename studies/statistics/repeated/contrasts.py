"""Contrasts of fixed effects with degrees of freedom by Satterthwaite or Kenward and Roger.

Satterthwaite: df = 2 (L C L')^2 / (g' A g), g the derivatives of L C L' by the covariance parameters and A
their covariance (Giesbrecht & Burns 1985); for several rows the F test of Fai & Cornelius (1996), as
`lmerTest` does. Kenward & Roger (1997), Biometrics 53:983, as `pbkrtest` does (Halekoh & Hojsgaard 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CONSTANT, DEPENDENT, LENGTHS_DIFFER, CannotEstimate
from studies.statistics import Floats
from studies.statistics.inputs import matrix
from studies.statistics.options import checked
from studies.statistics.repeated.likelihood import Basis, CovarianceModel, Maximum

DfMethod = Literal["satterthwaite", "kenward_roger", "normal"]
DF_METHODS = ("satterthwaite", "kenward_roger", "normal")


@dataclass(frozen=True)
class Contrast:
    """L beta with its error, t statistic, degrees of freedom (None: normal), limits and two-sided p."""

    estimate: float
    se: float
    df: float | None
    statistic: float
    lower: float
    upper: float
    p: float
    conf_level: float


@dataclass(frozen=True)
class FTest:
    """All rows of L beta zero at once: F with `df` numerator and `df_denominator` degrees of freedom."""

    statistic: float
    df: int
    df_denominator: float
    p: float
    method: str


@dataclass(frozen=True)
class FixedEffects:
    """What inference on beta needs. `adjusted` is Kenward and Roger's covariance, else that of the fit."""

    coef: Floats
    covariance: Floats
    adjusted: Floats
    slopes: Floats
    theta_covariance: Floats
    df_method: DfMethod

    @checked
    def contrast(self, weights: npt.ArrayLike, conf_level: float = 0.95) -> Contrast:
        """One linear combination: weights (p,). Raises `CannotEstimate` for all zero or another length."""
        from scipy.special import stdtr, stdtrit

        line = self._rows(weights)[0]
        if not line.any():
            raise CannotEstimate(CONSTANT, variable="weights")
        estimate = float(line @ self.coef)
        se = float(np.sqrt(line @ self.adjusted @ line))
        df = self._df(line)
        t = estimate / se
        if df is None:
            from studies.statistics.probability import normal_quantile, two_sided_p

            half, p = normal_quantile(conf_level) * se, two_sided_p(t)
        else:
            half, p = float(stdtrit(df, 0.5 + conf_level / 2)) * se, 2.0 * float(stdtr(df, -abs(t)))
        return Contrast(estimate, se, df, t, estimate - half, estimate + half, p, conf_level)

    def f_test(self, weights: npt.ArrayLike) -> FTest:
        """Several combinations at once: weights (q, p) of full rank q. Not for `normal`."""
        from scipy.special import fdtrc

        lines = self._rows(weights)
        q = len(lines)
        if np.linalg.matrix_rank(lines) < q:
            raise CannotEstimate(DEPENDENT, variable="weights")
        if self.df_method == "normal":
            raise CannotEstimate(BAD_ARGUMENT, argument="df_method", allowed=", ".join(DF_METHODS[:2]))
        estimate = lines @ self.coef
        f = float(estimate @ np.linalg.solve(lines @ self.adjusted @ lines.T, estimate)) / q
        if self.df_method == "kenward_roger":
            scale, df = self._kenward_roger(lines)
            f, name = f * scale, "Kenward-Roger"
        else:
            df, name = self._fai_cornelius(lines), "Satterthwaite (Fai-Cornelius)"
        return FTest(f, q, df, float(fdtrc(q, df, f)), f"F test, {name} degrees of freedom")

    def _rows(self, weights: npt.ArrayLike) -> Floats:
        given = np.asarray(weights, dtype=np.float64)
        lines = matrix(given[None, :] if given.ndim == 1 else given, name="weights")
        if lines.shape[1] != len(self.coef):
            raise CannotEstimate(LENGTHS_DIFFER, variable="weights")
        return lines

    def _df(self, line: Floats) -> float | None:
        if self.df_method == "normal":
            return None
        if self.df_method == "kenward_roger":
            return self._kenward_roger(line[None, :])[1]
        return self._satterthwaite(line)

    def _satterthwaite(self, line: Floats) -> float:
        turned = self.covariance @ line
        gradient = np.einsum("jab,a,b->j", self.slopes, turned, turned)
        variance = float(line @ turned)
        spread = float(gradient @ self.theta_covariance @ gradient)
        return 2.0 * variance**2 / spread if spread > 0 else np.inf

    def _fai_cornelius(self, lines: Floats) -> float:
        q = len(lines)
        if q == 1:
            return self._satterthwaite(lines[0])
        _, axes = np.linalg.eigh(lines @ self.covariance @ lines.T)
        df = np.array([self._satterthwaite(line) for line in axes.T @ lines])
        if np.ptp(df) < 1e-8:  # all equal, where the formula would only add rounding
            return float(df.mean())
        if (df <= 2).any():
            return 2.0  # the mean of F does not exist
        expected = float((df / (df - 2.0)).sum())
        return 2.0 * expected / (expected - q)

    def _kenward_roger(self, lines: Floats) -> tuple[float, float]:
        """The factor of F and the denominator's degrees of freedom (Kenward & Roger 1997, section 3)."""
        q = len(lines)
        phi = self.covariance
        theta = lines.T @ np.linalg.solve(lines @ phi @ lines.T, lines)
        turned = theta @ (phi @ self.slopes @ phi)
        traces = np.einsum("jaa->j", turned)
        a1 = float(traces @ self.theta_covariance @ traces)
        a2 = float(np.einsum("jk,jab,kba->", self.theta_covariance, turned, turned))
        b = (a1 + 6.0 * a2) / (2.0 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        below = 3.0 * q + 2.0 * (1.0 - g)
        c1, c2, c3 = g / below, (q - g) / below, (q + 2 - g) / below
        mean = 1.0 / (1.0 - a2 / q)
        spread = (2.0 / q) * (1.0 + c1 * b) / ((1.0 - c2 * b) ** 2 * (1.0 - c3 * b))
        rho = spread / (2.0 * mean**2)
        df = 4.0 + (q + 2) / (q * rho - 1.0)
        return df / (mean * (df - 2.0)), df


def fixed_effects(model: CovarianceModel, top: Maximum, df_method: DfMethod, turned: Basis) -> FixedEffects:
    """Inference at the maximum, for the columns of X from those of its basis."""
    found = _effects(model, top, df_method)
    back = np.linalg.inv(turned.root)
    return FixedEffects(
        coef=turned.start + back @ found.coef,
        covariance=back @ found.covariance @ back.T,
        adjusted=back @ found.adjusted @ back.T,
        slopes=turned.root.T @ found.slopes @ turned.root,
        theta_covariance=found.theta_covariance,
        df_method=df_method,
    )


def _effects(model: CovarianceModel, top: Maximum, df_method: DfMethod) -> FixedEffects:
    """Kenward-Roger needs REML and a covariance that is linear in its parameters
    (otherwise its R_jk terms, which depend on the parametrisation, are missing): else it is refused.
    """
    if df_method not in DF_METHODS:
        raise CannotEstimate(BAD_ARGUMENT, argument="df_method", allowed=", ".join(DF_METHODS))
    if df_method != "kenward_roger":
        return FixedEffects(
            top.coef, top.covariance, top.covariance, top.slopes, top.theta_covariance, df_method
        )
    if not model.linear or top.estimation != "reml":
        raise CannotEstimate(
            BAD_ARGUMENT, argument="df_method", allowed="satterthwaite, normal (kenward_roger: linear, REML)"
        )
    w = np.asarray(2.0 * np.linalg.pinv(top.expected))
    phi = top.covariance
    between = model.products(top.theta) - np.einsum("jab,bc,kcd->jkad", top.slopes, phi, top.slopes)
    middle = np.einsum("jk,jkab->ab", w, between)
    adjusted = phi + 2.0 * phi @ (0.5 * (middle + middle.T)) @ phi
    return FixedEffects(top.coef, phi, adjusted, top.slopes, w, df_method)
