"""Negative controls: exposures and outcomes without a causal link show how far a design goes wrong.

The estimates of the controls scatter around no effect by more than their standard errors explain. That
surplus, a normal distribution of systematic error, is fitted and taken into account in the p-value and
the interval of the question itself.

Sources: Schuemie et al. (2014), Stat Med 33:209-218 (empirical null, calibrated p); Schuemie et al. (2018),
PNAS 115:2571-2577 (positive controls, systematic error model, calibrated intervals); Schuemie et al. (2020),
Drug Saf 43:1219 (expected absolute systematic error).

All estimates are on the log scale (log RR, log HR, log OR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CONSTANT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.bridging.arguments import NO_OPTIMUM, number, positive, share, whole
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile

LEAST_CONTROLS = 5  # two parameters from fewer estimates than this mean nothing
USUAL_CONTROLS = 10
_TAU_STEPS = 200

TOO_FEW_CONTROLS = Reason(
    "too_few_controls",
    "阴性对照数量不足：需要至少 {needed} 个，现有 {given} 个，不能估计系统误差分布。",
    "Too few negative controls: {needed} are needed and {given} were given, so the distribution of "
    "systematic error cannot be estimated.",
)
ERROR_MODEL_TOO_WIDE = Reason(
    "error_model_too_wide",
    "系统误差随真实效应增大得过快，校准后的置信限不存在。",
    "Systematic error grows so fast with the true effect that the calibrated limits do not exist.",
)


@dataclass(frozen=True)
class EmpiricalNull:
    """Systematic error ~ N(mean, sd^2), by maximum likelihood from n controls with known standard errors.

    mean_se -- the standard error of `mean` given `sd`; `ease` -- the expected absolute systematic error.
    """

    mean: float
    sd: float
    mean_se: float
    loglik: float
    ease: float
    n: int
    method: str


@dataclass(frozen=True)
class SystematicErrorModel:
    """Error at true log effect t ~ N(mean_intercept + (mean_slope - 1) t, (sd_intercept + sd_slope |t|)^2).

    The estimate itself has mean mean_intercept + mean_slope t. No error at all is (0, 1, 0, 0).
    """

    mean_intercept: float
    mean_slope: float
    sd_intercept: float
    sd_slope: float
    loglik: float | None
    n: int
    method: str


@dataclass(frozen=True)
class LeftOut:
    """Each negative control judged by the null of all others: arrays (n,) in the order given."""

    p: Floats
    calibrated_p: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Coverage:
    """The coverage plot: at each `level` (k,) the share of controls whose interval holds the true value."""

    level: Floats
    uncalibrated: Floats
    calibrated: Floats


@checked
def empirical_null(
    estimate: npt.ArrayLike, se: npt.ArrayLike, *, minimum_controls: int = USUAL_CONTROLS
) -> EmpiricalNull:
    """Fit N(mean, sd^2) to the true errors of negative controls: estimate_i ~ N(mean, sd^2 + se_i^2).

    estimate, se -- (n,) log estimates of the controls (true value 0) and their standard errors, se > 0.
    Maximum likelihood as in Schuemie (2014): `mean` is a weighted mean given `sd`, and the profile of
    `sd` is searched on a grid first because it may have two maxima.
    Raises `CannotEstimate` for fewer than `minimum_controls` (itself at least 5), NaN, unequal lengths.
    """
    y, variance = _checked(estimate, se, minimum_controls)
    sd = _profile_maximum(y, variance)
    weights = 1.0 / (variance + sd**2)
    mean = float(weights @ y / weights.sum())
    return EmpiricalNull(
        mean=mean,
        sd=sd,
        mean_se=float(1.0 / math.sqrt(weights.sum())),
        loglik=_log_likelihood(sd**2, y, variance),
        ease=expected_absolute_error(mean, sd),
        n=len(y),
        method=f"empirical null by maximum likelihood from {len(y)} negative controls (Schuemie 2014)",
    )


@checked
def expected_absolute_error(mean: float, sd: float) -> float:
    """E|N(mean, sd^2)|, the mean of a folded normal: 0 means no systematic error (Schuemie 2020)."""
    centre, spread = number(mean, "mean"), number(sd, "sd", 0.0)
    if spread == 0.0:
        return abs(centre)
    ratio = centre / spread
    peak = spread * math.sqrt(2.0 / math.pi) * math.exp(-0.5 * ratio**2)
    return peak + centre * (1.0 - 2.0 * NormalDist().cdf(-ratio))


@checked
def calibrated_p(estimate: float, se: float, null: EmpiricalNull) -> float:
    """The two-sided p-value of no effect under the empirical null: N(mean, sd^2 + se^2) (Schuemie 2014).

    The null is taken as known, as in the paper: with 20 controls a test at 5 % rejects in about 8 %.
    """
    z = _standardised(number(estimate, "estimate"), positive(se, "se"), null)
    return math.erfc(abs(z) / math.sqrt(2.0))


@checked
def calibrated_interval(
    estimate: float, se: float, null: EmpiricalNull, *, conf_level: float = CI_LEVEL
) -> Estimate:
    """The calibrated log effect under one and the same error at every effect size, with interval and p.

    estimate - mean +- z sqrt(sd^2 + se^2). Without positive controls it is an assumption that error does
    not depend on the size of the true effect; say so where it is reported.
    """
    level = share(conf_level, "conf_level")
    spread = math.hypot(null.sd, positive(se, "se"))
    value = number(estimate, "estimate") - null.mean
    half = normal_quantile(level) * spread
    p = calibrated_p(estimate, se, null)
    return Estimate(value, spread, value - half, value + half, p, level)


@checked
def systematic_error_model(
    estimate: npt.ArrayLike,
    se: npt.ArrayLike,
    true_effect: npt.ArrayLike,
    *,
    minimum_controls: int = USUAL_CONTROLS,
) -> SystematicErrorModel:
    """Fit the error as a function of the true log effect, from negative and positive controls together.

    estimate, se, true_effect -- (n,), log scale; true_effect is 0 for negative controls.
    estimate_i ~ N(a + b t_i, (c + d |t_i|)^2 + se_i^2) with c, d >= 0 (Schuemie 2018), by maximum
    likelihood from several starts. Raises `CannotEstimate` for too few controls, one and the same
    true effect everywhere (use `empirical_null`), and a likelihood whose maximum is not found.
    """
    y, variance = _checked(estimate, se, minimum_controls)
    t = numbers(true_effect, "true_effect", len(y))
    if np.ptp(t) == 0.0:
        raise CannotEstimate(CONSTANT, variable="true_effect")
    from scipy.optimize import minimize

    def minus_loglik(theta: Floats) -> float:
        spread = (theta[2] + theta[3] * np.abs(t)) ** 2 + variance
        residual = y - theta[0] - theta[1] * t
        return float(0.5 * (np.log(2 * np.pi * spread) + residual**2 / spread).sum())

    start = float(np.std(y - t))
    tries = [
        minimize(
            minus_loglik,
            x0=np.array([0.0, 1.0, c, d]),
            method="L-BFGS-B",
            bounds=[(None, None), (None, None), (0.0, None), (0.0, None)],
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000},
        )
        for c in (0.05, start)
        for d in (0.0, 0.1)
    ]
    best = min(tries, key=lambda one: float(one.fun))
    # The slopes of the likelihood are flat near the maximum: a simplex search settles the last digits.
    polished = minimize(
        lambda theta: minus_loglik(np.array([theta[0], theta[1], abs(theta[2]), abs(theta[3])])),
        x0=best.x,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 8000, "maxfev": 8000},
    )
    if not (polished.success and math.isfinite(float(polished.fun))):
        raise CannotEstimate(NO_OPTIMUM)
    a, b, c, d = (float(one) for one in polished.x)
    return SystematicErrorModel(
        a, b, abs(c), abs(d), -float(polished.fun), len(y),
        f"systematic error model by maximum likelihood from {len(y)} controls (Schuemie 2018)",
    )  # fmt: skip


@checked
def interval_by_error_model(
    estimate: float, se: float, model: SystematicErrorModel, *, conf_level: float = CI_LEVEL
) -> Estimate:
    """The calibrated log effect under a systematic error model.

    Limits are the true effects t at which the estimate lies z standard deviations from its mean:
    (estimate - a - b t) / sqrt((c + d|t|)^2 + se^2) = +-z (Schuemie 2018, methods). The value is t at z = 0.
    Raises `CannotEstimate` where b <= z d: then the equation has no or several solutions.
    """
    level = share(conf_level, "conf_level")
    y, error, z = number(estimate, "estimate"), positive(se, "se"), normal_quantile(level)
    if model.mean_slope <= z * model.sd_slope:
        raise CannotEstimate(ERROR_MODEL_TOO_WIDE)
    value = (y - model.mean_intercept) / model.mean_slope
    lower, upper = (_effect_at(y, error, sign * z, model) for sign in (1.0, -1.0))
    at_null = math.hypot(model.sd_intercept, error)
    p = math.erfc(abs(y - model.mean_intercept) / at_null / math.sqrt(2.0))
    # On the scale of the true effect, so that value, se and limits belong together near the value.
    spread = math.hypot(model.sd_intercept + model.sd_slope * abs(value), error) / model.mean_slope
    return Estimate(value, spread, lower, upper, p, level)


@checked
def leave_one_out(
    estimate: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    conf_level: float = CI_LEVEL,
    minimum_controls: int = USUAL_CONTROLS,
) -> LeftOut:
    """Each control's p and interval under the null fitted to the others, so that none judges itself.

    Well calibrated means that about 5 % of `calibrated_p` lie below 0.05. Raises as `empirical_null`.
    """
    y, variance = _checked(estimate, se, minimum_controls)
    nulls = _null_without_each(y, variance)
    errors = np.sqrt(variance)
    inside = [
        calibrated_interval(one, error, null, conf_level=conf_level)
        for one, error, null in zip(y.tolist(), errors.tolist(), nulls, strict=True)
    ]
    plain = [math.erfc(abs(one) / math.sqrt(2.0)) for one in (y / errors).tolist()]
    return LeftOut(
        p=np.array(plain),
        calibrated_p=np.array([one.p for one in inside], dtype=np.float64),
        lower=np.array([one.lower for one in inside], dtype=np.float64),
        upper=np.array([one.upper for one in inside], dtype=np.float64),
    )


@checked
def control_coverage(
    estimate: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    level: Sequence[float] | npt.ArrayLike = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99),
    minimum_controls: int = USUAL_CONTROLS,
) -> Coverage:
    """How often the controls' intervals hold their true value 0, before and after calibration.

    Calibration leaves out the control that is judged. `level` (k,) are confidence levels in (0, 1).
    """
    y, variance = _checked(estimate, se, minimum_controls)
    levels = numbers(level, "level")
    for one in levels.tolist():
        share(one, "level")
    z = np.array([normal_quantile(one) for one in levels.tolist()])
    nulls = _null_without_each(y, variance)
    centre = np.array([null.mean for null in nulls])
    spread = np.sqrt(variance + np.array([null.sd for null in nulls]) ** 2)
    plain, calibrated = np.abs(y) / np.sqrt(variance), np.abs(y - centre) / spread
    return Coverage(
        level=levels,
        uncalibrated=(plain[None, :] <= z[:, None]).mean(axis=1),
        calibrated=(calibrated[None, :] <= z[:, None]).mean(axis=1),
    )


def _checked(estimate: npt.ArrayLike, se: npt.ArrayLike, minimum: int) -> tuple[Floats, Floats]:
    y = numbers(estimate, "estimate")
    errors = numbers(se, "se", len(y))
    if (errors <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="se", allowed="> 0")
    needed = whole(minimum, "minimum_controls", LEAST_CONTROLS)
    if len(y) < needed:
        raise CannotEstimate(TOO_FEW_CONTROLS, needed=str(needed), given=str(len(y)))
    return y, errors**2


def _log_likelihood(tau2: float, y: Floats, variance: Floats) -> float:
    spread = variance + tau2
    weights = 1.0 / spread
    mean = (weights @ y) / weights.sum()
    return float(-0.5 * (np.log(2 * np.pi * spread) + (y - mean) ** 2 * weights).sum())


def _slope(tau2: float, y: Floats, variance: Floats) -> float:
    weights = 1.0 / (variance + tau2)
    mean = (weights @ y) / weights.sum()
    return float(0.5 * ((weights * (y - mean)) ** 2 - weights).sum())


def _profile_maximum(y: Floats, variance: Floats) -> float:
    """The sd at which the profile likelihood is largest; 0 where the errors alone explain the scatter."""
    from scipy.optimize import brentq

    highest = float(((y - y.mean()) ** 2).max()) + 1e-300
    grid = np.concatenate([[0.0], np.geomspace(1e-10, 1.0, _TAU_STEPS) * highest])
    slopes = np.array([_slope(one, y, variance) for one in grid])
    candidates = [0.0]
    # A maximum is where the slope goes from up to down; beyond the largest deviation it is always down.
    for left in np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0)).tolist():
        candidates.append(
            float(brentq(_slope, grid[left], grid[left + 1], args=(y, variance), xtol=1e-300, rtol=1e-14))
        )
    best = max(candidates, key=lambda tau2: _log_likelihood(tau2, y, variance))
    return math.sqrt(best)


def _null_without_each(y: Floats, variance: Floats) -> list[EmpiricalNull]:
    nulls = []
    for row in range(len(y)):
        kept = np.arange(len(y)) != row
        null = empirical_null(y[kept], np.sqrt(variance[kept]), minimum_controls=LEAST_CONTROLS)
        nulls.append(replace(null, method=f"{null.method}, one left out"))
    return nulls


def _standardised(estimate: float, se: float, null: EmpiricalNull) -> float:
    return (estimate - null.mean) / math.hypot(null.sd, se)


def _effect_at(estimate: float, se: float, z: float, model: SystematicErrorModel) -> float:
    from scipy.optimize import brentq

    def off(t: float) -> float:
        spread = math.hypot(model.sd_intercept + model.sd_slope * abs(t), se)
        return model.mean_intercept + model.mean_slope * t + z * spread - estimate

    reach = 1.0
    while not (off(-reach) < 0.0 < off(reach)):
        reach *= 2.0
        if reach > 1e12:
            raise CannotEstimate(ERROR_MODEL_TOO_WIDE)
    return float(brentq(off, -reach, reach, xtol=1e-14, rtol=1e-14))
