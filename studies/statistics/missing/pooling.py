"""Rubin's rules: one estimate, error and interval from the analyses of m completed data sets.

Rubin (1987), Multiple Imputation for Nonresponse in Surveys, section 3.3; degrees of freedom for small
samples by Barnard & Rubin (1999), Biometrika 86:948, as `mice::pool`. Several parameters at once by
Li, Raghunathan & Rubin (1991) with the degrees of freedom of Reiter (2007), as `mice::D1`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, NOT_A_NUMBER, NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics.inputs import matrix, numbers
from studies.statistics.options import checked

TOO_FEW_IMPUTATIONS = Reason(
    "too_few_imputations",
    "合并结果至少需要两个填补数据集。",
    "At least two completed data sets are needed to pool results.",
)
BAD_ERRORS = Reason(
    "bad_errors",
    "各填补数据集的标准误必须大于 0（协方差矩阵必须正定）。",
    "The standard errors of the completed data sets have to be above 0 (covariances positive definite).",
)
PROBABILITY_AT_EDGE = Reason(
    "probability_at_edge",
    "有的填补数据集的概率恰为 0 或 1，无法在变换尺度上合并。",
    "In some completed data set the probability is exactly 0 or 1: it cannot be pooled on this scale.",
)

_LEAST_SHARE = 1e-4
Scale = Literal["identity", "log", "logit", "cloglog"]


@dataclass(frozen=True)
class Pooled:
    """A pooled parameter. `estimate`, `lower` and `upper` are on the reported scale, `se` on `scale`.

    within is the mean of the variances, between the variance of the estimates, total = within + (1 + 1/m)
    between; riv = (1 + 1/m) between/within, the relative increase in variance; lambda_ = (1 + 1/m)
    between/total, the share of the variance that is due to what is missing; fmi the fraction of missing
    information (with the degrees of freedom). `p` tests `null`.
    """

    estimate: float
    se: float
    df: float
    statistic: float
    p: float
    lower: float
    upper: float
    within: float
    between: float
    total: float
    riv: float
    lambda_: float
    fmi: float
    m: int
    conf_level: float
    scale: Scale
    method: str


@dataclass(frozen=True)
class PooledTest:
    """D1: all k parameters equal to their null values at once, F with k and `df_denominator`."""

    statistic: float
    df: int
    df_denominator: float
    p: float
    riv: float
    m: int
    method: str


@checked
def pool(
    estimates: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    df_complete: float | None = None,
    scale: Scale = "identity",
    null: float = 0.0,
    conf_level: float = 0.95,
) -> Pooled:
    """Pool m estimates (m,) of one parameter with their standard errors (m,), both on `scale`.

    df_complete: the degrees of freedom the analysis would have without missing data (n - p of a linear
    model); None means a large sample (normal inference, as for Cox or logistic models in most software;
    `mice::pool` takes n - p for `glm` too). scale "log": give log odds or hazard ratios, the ratio is
    reported.
    Raises `CannotEstimate` for m < 2, other lengths, and an error that is not above 0.
    """
    from scipy.special import stdtr, stdtrit

    q = numbers(estimates, "estimates")
    u = numbers(se, "se", len(q)) ** 2
    _check(len(q), conf_level, df_complete)
    if (u <= 0).any():
        raise CannotEstimate(BAD_ERRORS)
    if scale not in ("identity", "log", "logit", "cloglog"):
        raise CannotEstimate(BAD_ARGUMENT, argument="scale", allowed="identity, log, logit, cloglog")
    m = len(q)
    mean, within, between = float(q.mean()), float(u.mean()), float(q.var(ddof=1))
    extra = (1.0 + 1.0 / m) * between
    total = within + extra
    share = extra / total
    df = barnard_rubin(m, share, df_complete)
    riv = extra / within
    fmi = (riv + 2.0 / (df + 3.0)) / (1.0 + riv)
    root = math.sqrt(total)
    t = (mean - null) / root
    p, quantile = 2.0 * float(stdtr(df, -abs(t))), float(stdtrit(df, 0.5 + conf_level / 2))
    ends = sorted(_back(one, scale) for one in (mean - quantile * root, mean + quantile * root))
    return Pooled(
        estimate=_back(mean, scale), se=root, df=df, statistic=t, p=p, lower=ends[0], upper=ends[1],
        within=within, between=between, total=total, riv=riv, lambda_=share, fmi=fmi, m=m,
        conf_level=conf_level, scale=scale,
        method=f"Rubin's rules over {m} completed data sets, Barnard-Rubin degrees of freedom, {scale} scale",
    )  # fmt: skip


@checked
def barnard_rubin(m: int, lambda_: float, df_complete: float | None = None) -> float:
    """Degrees of freedom of a pooled estimate (Barnard & Rubin 1999, eq. 3).

    lambda_ is the share of the variance due to what is missing, taken as 0.0001 where it is less (as
    `mice` does), so that the result stays finite.
    """
    share = max(lambda_, _LEAST_SHARE)
    old = (m - 1) / share**2
    if df_complete is None or math.isinf(df_complete):
        return old
    observed = (df_complete + 1.0) / (df_complete + 3.0) * df_complete * (1.0 - share)
    return old * observed / (old + observed)


@checked
def pool_test(
    estimates: npt.ArrayLike,
    covariances: npt.ArrayLike,
    *,
    null: npt.ArrayLike | None = None,
    df_complete: float | None = None,
) -> PooledTest:
    """The Wald test that k parameters equal `null` (k,), 0 by default: D1 of Li, Raghunathan & Rubin (1991).

    estimates (m, k), covariances (m, k, k). With df_complete the denominator's degrees of freedom are
    Reiter's (2007), Biometrika 94:502, as in `mice::D1`. Raises `CannotEstimate` for m < 2, other shapes, and
    a covariance that is not positive definite.
    """
    q = matrix(estimates, name="estimates")
    m, k = q.shape
    _check(m, 0.95, df_complete)
    u = np.asarray(covariances, dtype=np.float64)
    if u.shape != (m, k, k):
        raise CannotEstimate(LENGTHS_DIFFER, variable="covariances")
    if not np.isfinite(u).all():
        raise CannotEstimate(NOT_A_NUMBER, variable="covariances")
    away = q.mean(axis=0) - (np.zeros(k) if null is None else numbers(null, "null", k))
    within = u.mean(axis=0)
    try:
        np.linalg.cholesky(within)
    except np.linalg.LinAlgError as indefinite:
        raise CannotEstimate(BAD_ERRORS) from indefinite
    centred = q - q.mean(axis=0)
    between = centred.T @ centred / (m - 1)
    riv = (1.0 + 1.0 / m) * float(np.trace(np.linalg.solve(within, between))) / k
    statistic = float(away @ np.linalg.solve(within, away)) / (k * (1.0 + riv))
    df = _d1_df(k, m, riv, df_complete)
    from scipy.special import chdtrc, fdtrc

    p = float(chdtrc(k, statistic * k)) if math.isinf(df) else float(fdtrc(k, df, statistic))
    return PooledTest(statistic, k, df, p, riv, m, f"D1 Wald test over {m} completed data sets")


@checked
def pool_survival(
    survival: npt.ArrayLike, se: npt.ArrayLike, *, conf_level: float = 0.95, scale: Scale = "cloglog"
) -> Pooled:
    """Pool m survival probabilities at one time, survival (m,) with standard errors (m,) of S itself.

    They are averaged as log(-log S), where they are closest to normal (Marshall et al. 2009, BMC Med Res
    Methodol 9:57), errors by the delta method, and reported as S. scale "logit" and "identity" are there for
    comparison. Raises `CannotEstimate` where a probability is 0 or 1.
    """
    s = numbers(survival, "survival")
    errors = numbers(se, "se", len(s))
    if ((s <= 0) | (s >= 1)).any():
        raise CannotEstimate(PROBABILITY_AT_EDGE)
    if scale == "cloglog":
        return pool(np.log(-np.log(s)), errors / (s * -np.log(s)), scale=scale, conf_level=conf_level)
    if scale == "logit":
        return pool(np.log(s / (1 - s)), errors / (s * (1 - s)), scale=scale, conf_level=conf_level)
    if scale == "identity":
        return pool(s, errors, conf_level=conf_level)
    raise CannotEstimate(BAD_ARGUMENT, argument="scale", allowed="cloglog, logit, identity")


def _check(m: int, conf_level: float, df_complete: float | None) -> None:
    if m < 2:
        raise CannotEstimate(TOO_FEW_IMPUTATIONS)
    if not 0.0 < conf_level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")
    if df_complete is not None and not df_complete > 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="df_complete", allowed="above 0, or None")


def _d1_df(k: int, m: int, riv: float, df_complete: float | None) -> float:
    t = k * (m - 1)
    if df_complete is None or math.isinf(df_complete):
        if riv <= 0:
            return math.inf
        if t > 4:
            return 4.0 + (t - 4) * (1.0 + (1.0 - 2.0 / t) / riv) ** 2
        return t * (1.0 + 1.0 / k) * (1.0 + 1.0 / riv) ** 2 / 2.0
    if riv <= 0:
        return df_complete * (df_complete + 1.0) / (df_complete + 3.0)
    if t <= 4:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="degrees of freedom of D1: k (m - 1) has to be above 4")
    observed = df_complete * (df_complete + 1.0) / (df_complete + 3.0)
    # Reiter (2007), eq. 6; a, c1 and c2 are its building stones.
    a = riv * t / (t - 2.0)
    c1, c2 = observed - 2.0 * (1.0 + a), observed - 4.0 * (1.0 + a)
    if c2 <= 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="degrees of freedom of D1")
    terms = (
        c1 / ((1.0 + a) ** 2 * c2)
        + 8.0 * c1 / ((1.0 + a) * c2**2)
        + 4.0 / ((1.0 + a) * c2)
        + 4.0 / (c2 * c1)
        + 16.0 * c1 / c2**3
        + 8.0 / c2**2
    )
    return 4.0 + 1.0 / (1.0 / c2 + a**2 * terms / (t - 4.0))


def _back(value: float, scale: Scale) -> float:
    if scale == "identity":
        return value
    if scale == "log":
        return math.exp(min(value, 700.0))
    if scale == "logit":
        return 1.0 / (1.0 + math.exp(-max(value, -700.0)))
    return math.exp(-math.exp(min(value, 700.0)))
