"""Are the arms alike? Differences of means, of spread and of whole distributions, before and after weighting.

Conventions differ between programs, so each choice is an argument. MatchIt's summary: `denominator`
"treated" for ATT, "comparator" for ATC, "pooled" for ATE, `binary="bernoulli"`, variances of the
unweighted sample. cobalt: the same denominators, binary covariates as raw differences. Austin (2009)
and `smd` of most trial reports: "pooled", `binary="sample"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.designs import check_option, covariate_names
from studies.statistics.causal.logistic import weighted_auc
from studies.statistics.causal.propensity import both_arms
from studies.statistics.causal.weighted_means import checked_weights
from studies.statistics.causal.weights import effective_sample_size
from studies.statistics.inputs import matrix, numbers
from studies.statistics.options import checked

Denominator = Literal["pooled", "treated", "comparator", "all", "weighted"]
_DENOMINATORS = ("pooled", "treated", "comparator", "all", "weighted")
Binary = Literal["bernoulli", "sample", "raw"]
_ALIKE = 1e-12  # of the covariate's size: a difference that is rounding


@dataclass(frozen=True)
class CovariateBalance:
    """One covariate. `smd` is the standardised difference treated minus comparator (a raw difference where

    `binary="raw"` and the covariate is 0/1). `variance_ratio` is treated over comparator, None for 0/1
    covariates and where the comparators do not vary. `ecdf_max` is the Kolmogorov-Smirnov distance of
    the weighted distributions, `ecdf_mean` the mean distance over the distinct values.
    `smd` is None where the arms differ and the denominator is 0.
    """

    name: str
    mean_treated: float
    mean_comparator: float
    smd: float | None
    variance_ratio: float | None
    ecdf_mean: float
    ecdf_max: float
    binary: bool


@dataclass(frozen=True)
class Balance:
    """All covariates, the largest |SMD| and who has it, and the effective sample sizes of the arms."""

    covariates: tuple[CovariateBalance, ...]
    largest_smd: float | None
    largest_name: str | None
    ess_treated: float
    ess_comparator: float
    denominator: Denominator
    method: str


@checked
def balance(
    x: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    denominator: Denominator = "pooled",
    binary: Binary = "sample",
) -> Balance:
    """Balance of covariates x (n, p) between the arms, with weights (n,) >= 0 or as they are.

    `denominator`: sd of the unweighted arms pooled as sqrt((v1 + v0)/2) (Rosenbaum & Rubin 1985), of the
    treated, the comparators, all; or "weighted", sqrt((v1 + v0)/2) of the weighted arms. `binary` says how
    a 0/1 covariate is standardised: by p(1 - p), by the sample variance as any number, or not at all.
    Weighted variances are sum w(x - m)^2/(1 - sum w^2) with w summing to 1 (MatchIt, cobalt).
    Raises `CannotEstimate` for bad numbers, one arm, an arm without weight and unknown options.
    """
    exposed = both_arms(treated)
    table = matrix(x, len(exposed))
    w = np.ones(len(exposed)) if weights is None else checked_weights(weights, exposed)
    check_option(denominator, _DENOMINATORS, "denominator")
    check_option(binary, ("bernoulli", "sample", "raw"), "binary")
    called = covariate_names(names, table.shape[1])
    rows = tuple(
        _one(table[:, column], exposed, w, name, denominator, binary) for column, name in enumerate(called)
    )
    known = [(abs(row.smd), row.name) for row in rows if row.smd is not None]
    largest = max(known, default=(None, None), key=lambda pair: pair[0])
    return Balance(
        covariates=rows,
        largest_smd=largest[0],
        largest_name=largest[1],
        ess_treated=effective_sample_size(w[exposed]),
        ess_comparator=effective_sample_size(w[~exposed]),
        denominator=denominator,
        method=f"standardised mean differences, {denominator} standard deviation, 0/1 covariates {binary}",
    )


def weighted_variance(x: Floats, w: Floats, *, bernoulli: bool = False) -> float:
    """p(1 - p), or sum w(x - m)^2/(1 - sum w^2) with w scaled to 1; 0 where one row has all the weight."""
    share = w / w.sum()
    mean = float(share @ x)
    if bernoulli:
        return mean * (1.0 - mean)
    free = 1.0 - float((share**2).sum())
    return float(share @ (x - mean) ** 2) / free if free > 1e-12 else 0.0


def ecdf_distance(x: Floats, exposed: Bools, w: Floats) -> tuple[float, float]:
    """Mean and largest distance of the arms' weighted distribution functions, over the distinct values of x."""
    _, place = np.unique(x, return_inverse=True)
    one = np.bincount(place, w * exposed) / w[exposed].sum()
    zero = np.bincount(place, w * ~exposed) / w[~exposed].sum()
    apart = np.abs(np.cumsum(one - zero))
    return float(apart.mean()), float(apart.max())


def c_statistic(
    score: npt.ArrayLike, treated: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> float:
    """How well a score (n,) still tells the arms apart, 0.5 for not at all; with weights after weighting."""
    exposed = both_arms(treated)
    w = np.ones(len(exposed)) if weights is None else checked_weights(weights, exposed)
    return weighted_auc(numbers(score, "score", len(exposed)), exposed, w)


@checked
def overlap_coefficient(
    score: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    grid: int = 4096,
) -> float:
    """The area under the lower of the two densities of the score, 0 (apart) to 1 (the same).

    Gaussian kernels with Silverman's bandwidth (R bw.nrd0) of each arm, linear binning on `grid` points
    over the scores' range plus 4 bandwidths (Weitzman 1970; Silverman 1986, section 3.5).
    Raises `CannotEstimate` for bad numbers, one arm, and an arm whose scores do not vary.
    """
    exposed = both_arms(treated)
    column = numbers(score, "score", len(exposed))
    w = np.ones(len(exposed)) if weights is None else checked_weights(weights, exposed)
    if grid < 2:
        raise CannotEstimate(BAD_ARGUMENT, argument="grid", allowed="2, 3, ...")
    widths = [_bandwidth(column[arm]) for arm in (exposed, ~exposed)]
    reach = 4.0 * max(widths)
    points = np.linspace(column.min() - reach, column.max() + reach, grid)
    densities = [
        _density(column[arm], w[arm], width, points)
        for arm, width in zip((exposed, ~exposed), widths, strict=True)
    ]
    return float(np.minimum(*densities).sum() * (points[1] - points[0]))


def _one(x: Floats, exposed: Bools, w: Floats, name: str, denominator: str, binary: str) -> CovariateBalance:
    zero_one = bool(np.isin(x, (0.0, 1.0)).all())
    one, zero = (
        float(np.average(x[exposed], weights=w[exposed])),
        float(np.average(x[~exposed], weights=w[~exposed])),
    )
    difference = one - zero
    if abs(difference) <= _ALIKE * max(1.0, float(np.abs(x).max())):
        difference = 0.0
    if zero_one and binary == "raw":
        smd: float | None = difference
    else:
        by = _spread(x, exposed, w, denominator, zero_one and binary == "bernoulli")
        smd = 0.0 if difference == 0.0 else (difference / by if by > 0 else None)
    mean, largest = ecdf_distance(x, exposed, w)
    ratio = None
    if not zero_one:
        below = weighted_variance(x[~exposed], w[~exposed])
        ratio = weighted_variance(x[exposed], w[exposed]) / below if below > 0 else None
    else:
        mean = largest = abs(difference)
    return CovariateBalance(name, one, zero, smd, ratio, mean, largest, zero_one)


def _spread(x: Floats, exposed: Bools, w: Floats, denominator: str, bernoulli: bool) -> float:
    flat = w if denominator == "weighted" else np.ones(len(x))
    if denominator == "all":
        return float(np.sqrt(weighted_variance(x, flat, bernoulli=bernoulli)))
    one = weighted_variance(x[exposed], flat[exposed], bernoulli=bernoulli)
    zero = weighted_variance(x[~exposed], flat[~exposed], bernoulli=bernoulli)
    if denominator == "treated":
        return float(np.sqrt(one))
    if denominator == "comparator":
        return float(np.sqrt(zero))
    return float(np.sqrt((one + zero) / 2.0))


def _bandwidth(column: Floats) -> float:
    if len(column) < 2 or column.std() <= 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="overlap coefficient")
    quarter, three = np.quantile(column, (0.25, 0.75))
    low = min(float(column.std(ddof=1)), float(three - quarter) / 1.34) or float(column.std(ddof=1))
    return float(0.9 * low * len(column) ** -0.2)


def _density(column: Floats, w: Floats, width: float, points: Floats) -> Floats:
    step = points[1] - points[0]
    where = (column - points[0]) / step
    left = np.minimum(where.astype(int), len(points) - 2)
    part = where - left
    mass = np.bincount(left, w * (1.0 - part), len(points)) + np.bincount(left + 1, w * part, len(points))
    reach = int(np.ceil(8.0 * width / step))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    from scipy.signal import fftconvolve

    spread = fftconvolve(mass, kernel / (kernel.sum() * step), mode="same") if reach else mass / step
    return np.asarray(spread[: len(points)] / w.sum())
