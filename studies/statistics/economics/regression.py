"""Two regressions of costs by maximum likelihood: gamma with a log link, and logistic.

Sources: McCullagh & Nelder, Generalized Linear Models (1989), 4.4 (logistic), 8.3 (gamma,
dispersion by Pearson's chi-square); R's `glm(family = Gamma(link = "log"))` and `glm(family = binomial)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CONSTANT, DEPENDENT, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import matrix, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import LARGEST, amounts, between, one_of

MODEL_NOT_CONVERGED = Reason(
    "model_not_converged",
    "“{model}”模型未收敛。",
    "The {model} model did not converge.",
)
PARTS_SEPARATED = Reason(
    "parts_separated",
    "是否发生费用被协变量完全决定，两部分模型的第一部分没有有限的估计值。",
    "The covariates decide completely who has any cost: the first part has no finite estimate.",
)
_STEPS = 100
_CONVERGED = 1e-11  # the largest change of a fitted log mean


@dataclass(frozen=True)
class CostModel:
    """`coef` (q,): the intercept, then the columns of x; on the log scale (gamma) or logit scale (logistic).

    `covariance` is model-based, or the sandwich (HC0) where `robust`. p-values and limits use Student's t
    with `df` for the gamma model, the normal distribution for the logistic one (df None), as R's summary.
    """

    coef: Floats
    covariance: Floats
    se: Floats
    p: Floats
    dispersion: float
    deviance: float
    df: int | None
    n: int
    robust: bool
    method: str

    @checked
    def ratio(self, column: int, conf_level: float = CI_LEVEL) -> Estimate:
        """exp(coefficient) with limits: a ratio of mean costs, or an odds ratio. 0 is the intercept."""
        from scipy.special import ndtri, stdtrit

        upper = 0.5 + between(conf_level, "conf_level", 0, 1) / 2
        q = float(ndtri(upper) if self.df is None else stdtrit(self.df, upper))
        b, se = float(self.coef[column]), float(self.se[column])
        ends = (math.exp(b - q * se), math.exp(b + q * se))
        return Estimate(math.exp(b), se, ends[0], ends[1], float(self.p[column]), conf_level, "log")


@dataclass(frozen=True)
class MarginalCosts:
    """Mean cost if everybody were in the arm, and if nobody were, with delta-method errors."""

    exposed: Estimate
    comparator: Estimate
    difference: Estimate
    ratio: Estimate
    method: str


@checked
def gamma_log(
    cost: npt.ArrayLike, x: npt.ArrayLike, *, names: Sequence[str] | None = None, robust: bool = False
) -> CostModel:
    """Mean cost = exp(b0 + x b), variance proportional to its square. cost (n,) > 0, x (n, p), p may be 0.

    Raises `CannotEstimate` for costs of 0 (use `two_part_marginal`), constant or dependent columns, as many
    terms as subjects, and no convergence.
    """
    y = amounts(cost, "cost", above_zero=True)
    design = _design(x, len(y), names)
    if np.ptp(y) == 0:
        raise CannotEstimate(CONSTANT, variable="cost")
    beta: Floats = np.asarray(np.linalg.lstsq(design, np.log(y), rcond=None)[0], dtype=np.float64)
    for _ in range(_STEPS):
        # Newton's method: the log-likelihood -(eta + y exp(-eta)) is concave, also with far outliers.
        relative = y / np.exp(design @ beta)
        step = _solved((design * relative[:, None]).T @ design, design.T @ (relative - 1.0), "gamma")
        size = float(np.abs(design @ step).max())
        if not math.isfinite(size):
            raise CannotEstimate(MODEL_NOT_CONVERGED, model="gamma")
        beta = beta + step * min(1.0, 2.0 / max(size, 1e-300))
        if size < _CONVERGED:
            break
    else:
        raise CannotEstimate(MODEL_NOT_CONVERGED, model="gamma")
    mean = np.exp(design @ beta)
    if not np.isfinite(mean).all() or (mean <= 0).any():
        raise CannotEstimate(MODEL_NOT_CONVERGED, model="gamma")
    relative = y / mean - 1.0
    df = len(y) - design.shape[1]
    dispersion = float(relative @ relative) / df
    bread = _inverse(design.T @ design, "gamma")
    score = design * relative[:, None]
    covariance = bread @ (score.T @ score) @ bread if robust else bread * dispersion
    deviance = 2.0 * float((relative - np.log(y / mean)).sum())
    return _model(beta, covariance, dispersion, deviance, df, len(y), robust, "gamma regression, log link")


@checked
def logistic(
    event: npt.ArrayLike, x: npt.ArrayLike, *, names: Sequence[str] | None = None, robust: bool = False
) -> CostModel:
    """Logit P(any cost) = b0 + x b. event (n,) 0/1, x (n, p).

    Raises `CannotEstimate` for separation, constant or dependent columns and as many terms as subjects.
    """
    y = yes_no(event, "event").astype(np.float64)
    design = _design(x, len(y), names)
    if y.min() == y.max():
        raise CannotEstimate(PARTS_SEPARATED)
    beta = np.zeros(design.shape[1])
    beta[0] = math.log(y.mean() / (1.0 - y.mean()))
    for _ in range(30):
        share = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -500, 500)))
        information = (design * (share * (1.0 - share))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (y - share))
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(PARTS_SEPARATED) from singular
        beta = beta + step
        if np.abs(design @ step).max() < 1e-10:
            break
    else:
        raise CannotEstimate(PARTS_SEPARATED)
    share = 1.0 / (1.0 + np.exp(-(design @ beta)))
    bread = _inverse((design * (share * (1.0 - share))[:, None]).T @ design, "logistic")
    score = design * (y - share)[:, None]
    covariance = bread @ (score.T @ score) @ bread if robust else bread
    with np.errstate(divide="ignore"):
        deviance = -2.0 * float(np.log(np.where(y == 1, share, 1.0 - share)).sum())
    return _model(beta, covariance, 1.0, deviance, None, len(y), robust, "logistic regression")


@checked
def gamma_marginal(
    cost: npt.ArrayLike,
    exposed: npt.ArrayLike,
    x: npt.ArrayLike | None = None,
    *,
    robust: bool = False,
    conf_level: float = CI_LEVEL,
) -> MarginalCosts:
    """Mean costs with everybody, and nobody, exposed, averaged over the sample, from a gamma model.

    cost (n,) > 0, exposed (n,) 0/1, x (n, p) other covariates. Errors by the delta method with the covariates
    held fixed. Raises `CannotEstimate` as `gamma_log` does.
    """
    arm, covariates = _arm_and_covariates(exposed, x)
    model = gamma_log(cost, covariates, robust=robust)
    means, slopes = [], []
    for value in (1.0, 0.0):
        design = _set_arm(covariates, value, len(arm))
        mean = np.exp(design @ model.coef)
        means.append(float(mean.mean()))
        slopes.append(mean @ design / len(mean))
    return _marginal(means, slopes, model.covariance, conf_level, model.method)


@checked
def two_part_marginal(
    cost: npt.ArrayLike,
    exposed: npt.ArrayLike,
    x: npt.ArrayLike | None = None,
    *,
    robust: bool = False,
    conf_level: float = CI_LEVEL,
) -> MarginalCosts:
    """Mean costs where some people cost nothing: P(any cost) by `logistic` times the mean of those who cost
    something by `gamma_log`, averaged over the sample (Duan et al. 1983, J Bus Econ Stat 1:115).

    cost (n,) >= 0, exposed (n,) 0/1, x (n, p). The two parts' likelihoods factorise, so their covariances stand
    side by side in the delta method. Raises `CannotEstimate` as the two parts do.
    """
    y = amounts(cost, "cost")
    arm, covariates = _arm_and_covariates(exposed, x)
    if len(arm) != len(y):
        yes_no(exposed, "exposed", len(y))
    some = y > 0
    any_cost = logistic(some, covariates, robust=robust)
    if not some.any():
        raise CannotEstimate(PARTS_SEPARATED)
    how_much = gamma_log(y[some], covariates[some], robust=robust)
    q = len(any_cost.coef)
    covariance = np.zeros((2 * q, 2 * q))
    covariance[:q, :q], covariance[q:, q:] = any_cost.covariance, how_much.covariance
    means, slopes = [], []
    for value in (1.0, 0.0):
        design = _set_arm(covariates, value, len(arm))
        share = 1.0 / (1.0 + np.exp(-(design @ any_cost.coef)))
        mean = share * np.exp(design @ how_much.coef)
        means.append(float(mean.mean()))
        slopes.append(np.concatenate([(mean * (1.0 - share)) @ design, mean @ design]) / len(mean))
    return _marginal(means, slopes, covariance, conf_level, "two-part model: logistic, gamma with log link")


def _design(x: npt.ArrayLike, rows: int, names: Sequence[str] | None) -> Floats:
    table = matrix(x, rows) if np.size(x) else np.zeros((rows, 0))
    if names is not None and len(names) != table.shape[1]:
        raise CannotEstimate(BAD_ARGUMENT, argument="names", allowed=f"{table.shape[1]}")
    called = tuple(names) if names is not None else tuple(f"x{k}" for k in range(table.shape[1]))
    if table.shape[1] + 1 >= rows:
        raise CannotEstimate(TOO_MANY_TERMS)
    if (np.abs(table) > LARGEST).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="x", allowed=f"<= {LARGEST:g}")
    spread = table.std(axis=0)
    for column, name in enumerate(called):
        if spread[column] <= 1e-12 * max(1.0, float(np.abs(table[:, column]).max())):
            raise CannotEstimate(CONSTANT, variable=name)
    if called:
        scaled = (table - table.mean(axis=0)) / spread
        diagonal = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
        for column, name in enumerate(called):
            if diagonal[column] < 1e-9 * math.sqrt(rows):
                raise CannotEstimate(DEPENDENT, variable=name)
    return np.column_stack([np.ones(rows), table])


def _arm_and_covariates(exposed: npt.ArrayLike, x: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    arm = yes_no(exposed, "exposed").astype(np.float64)
    rest = np.zeros((len(arm), 0)) if x is None else matrix(x, len(arm))
    return arm, np.column_stack([arm, rest])


def _set_arm(covariates: Floats, value: float, rows: int) -> Floats:
    return np.column_stack([np.ones(rows), np.full(rows, value), covariates[:, 1:]])


def _marginal(
    means: list[float], slopes: list[Floats], covariance: Floats, conf_level: float, method: str
) -> MarginalCosts:
    from scipy.special import ndtr, ndtri

    q = float(ndtri(0.5 + between(conf_level, "conf_level", 0, 1) / 2))

    def estimate(value: float, slope: Floats, scale: str) -> Estimate:
        one_of(scale, "scale", ("identity", "log"))
        se = math.sqrt(float(slope @ covariance @ slope))
        if scale == "log":
            at = math.log(value)
            p = 2.0 * float(ndtr(-abs(at / se)))
            return Estimate(value, se, math.exp(at - q * se), math.exp(at + q * se), p, conf_level, "log")
        return Estimate(
            value, se, value - q * se, value + q * se, 2.0 * float(ndtr(-abs(value / se))), conf_level
        )

    return MarginalCosts(
        exposed=estimate(means[0], slopes[0], "identity"),
        comparator=estimate(means[1], slopes[1], "identity"),
        difference=estimate(means[0] - means[1], slopes[0] - slopes[1], "identity"),
        ratio=estimate(means[0] / means[1], slopes[0] / means[0] - slopes[1] / means[1], "log"),
        method=method + "; averaged over the sample; delta method",
    )


def _solved(information: Floats, score: Floats, model: str) -> Floats:
    try:
        return np.asarray(np.linalg.solve(information, score), dtype=np.float64)
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(MODEL_NOT_CONVERGED, model=model) from singular


def _inverse(information: Floats, model: str) -> Floats:
    try:
        return np.asarray(np.linalg.inv(information), dtype=np.float64)
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(MODEL_NOT_CONVERGED, model=model) from singular


def _model(
    beta: Floats,
    covariance: Floats,
    dispersion: float,
    deviance: float,
    df: int | None,
    n: int,
    robust: bool,
    method: str,
) -> CostModel:
    from scipy.special import ndtr, stdtr

    se = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore"):
        t = np.abs(beta / se)
    p = 2.0 * (ndtr(-t) if df is None else stdtr(df, -t))
    how = "sandwich variance (HC0)" if robust else "model-based variance"
    return CostModel(
        beta, np.asarray(covariance), se, p, dispersion, deviance, df, n, robust, f"{method}; {how}"
    )
