"""Simulated treatment comparison: a regression on our patients, averaged over the published trial's patients.

The model's predictions are averaged over the covariate distribution of the target (its means, spreads
and a correlation), not taken at its mean covariates. For a link that is not linear the outcome of the average
person is not the average outcome: plugging in means gives a conditional effect, which cannot be set against the
marginal one that a trial publishes (Phillippo et al. 2016, NICE DSU TSD 18, 4.1.4; Remiro-Azocar et al. 2022).

`anchored` must be said, and means what it means for `maic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.bridging.arguments import Anchored, anchoring, choice, number, positive, share, whole
from studies.statistics.bridging.factors import BiasBound, Factors, bias_bound, declared_factors
from studies.statistics.bridging.indirect import UNANCHORED_REFUSED, Contrast, check_contrast
from studies.statistics.bridging.maic import NEEDS_A_TREATMENT, ArmSummary, transformed
from studies.statistics.bridging.regression import Family, Regression, fit_regression, mean_and_slope
from studies.statistics.doubt.e_value import Measure as EMeasure
from studies.statistics.estimate import Estimate, Scale, wald
from studies.statistics.inputs import matrix, numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

Measure = Literal["mean_difference", "risk_difference", "risk_ratio", "odds_ratio", "rate_ratio"]
Shape = Literal["normal", "log_normal", "binary"]
_FAMILY: dict[str, Family] = {
    "mean_difference": "gaussian", "risk_difference": "binomial", "risk_ratio": "binomial",
    "odds_ratio": "binomial", "rate_ratio": "poisson",
}  # fmt: skip
_E_MEASURE: dict[str, EMeasure] = {"risk_ratio": "rr", "odds_ratio": "or_common", "rate_ratio": "rr"}


@dataclass(frozen=True)
class TargetCovariate:
    """One covariate as the published trial describes it: mean, and sd unless `shape` is "binary".

    mean and sd of "log_normal" are those of the covariate itself, as published, not of its logarithm.
    """

    name: str
    mean: float
    sd: float | None = None
    shape: Shape = "normal"


@dataclass(frozen=True)
class StcResult:
    """The comparison `effect` (ratios back-transformed, se on the log scale) and all that must stand beside it.

    predicted -- the model's average outcome in the target, ours (unanchored: one; anchored: under A and C);
    outside -- covariates whose target mean lies outside our patients' range: the model extrapolates there.
    """

    anchored: str
    measure: str
    effect: Estimate
    predicted: tuple[float, ...]
    model: Regression
    outside: tuple[str, ...]
    factors: Factors
    bias: BiasBound
    points: int
    seed: int
    method: str


@checked
def stc(
    outcome: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    anchored: Anchored,
    measure: Measure,
    comparator: ArmSummary | Contrast,
    target: Sequence[TargetCovariate],
    correlation: npt.ArrayLike | None = None,
    treatment: npt.ArrayLike | None = None,
    interactions: Sequence[str] = (),
    exposure: npt.ArrayLike | None = None,
    prognostic_factors: Sequence[str] | None = None,
    effect_modifiers: Sequence[str] | None = None,
    robust: bool = True,
    points: int = 4096,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> StcResult:
    """Our outcome, predicted for the published trial's patients, against what it found.

    outcome -- (n,); x -- (n, p) in the order of `target`, which describes the published trial's covariates.
    correlation -- (p, p) of the target's covariates (Gaussian copula); None takes our patients' rank correlations.
    comparator -- `ArmSummary` (unanchored; for "rate_ratio" a rate with its se) or `Contrast` of B with C.
    treatment, interactions -- anchored only: (n,) 1 for A and 0 for C, and the names of the effect modifiers
        that get a product term with it. exposure -- (n,) person-time for "rate_ratio".
    robust -- the sandwich, or the model's own covariance. points -- draws, a power of 2 (scrambled Sobol, seeded).

    Model: linear, logistic or Poisson by `measure`; variance by the delta method, target taken as fixed.
    Raises `CannotEstimate` as `fit_regression`, for a design that does not fit `anchored`, an undeclared list of
    factors, a correlation that is none, and a predicted proportion of 0 or 1.
    """
    kind, level = anchoring(anchored), share(conf_level, "conf_level")
    choice(measure, "measure", get_args(Measure))
    names = tuple(one.name for one in target)
    table = matrix(x)
    if table.shape[1] != len(names):
        raise CannotEstimate(LENGTHS_DIFFER, variable="target")
    _check_design(kind, treatment, comparator, interactions, names)
    factors = declared_factors(prognostic_factors, effect_modifiers, names, anchored=anchored)
    arm = None if treatment is None else yes_no(treatment, "treatment", len(table))
    offset = _log_exposure(exposure, measure, len(table))
    columns = [names.index(one) for one in interactions]
    design, terms = _design(table, arm, columns, names)
    family = _FAMILY[measure]
    fit = fit_regression(design, outcome, family=family, names=terms, offset=offset)
    people = target_population(target, _correlation(correlation, table), points=points, seed=seed)
    settings = [None] if arm is None else [np.ones(len(people), bool), np.zeros(len(people), bool)]
    means, gradients = [], []
    for setting in settings:
        rows = np.column_stack([np.ones(len(people)), _design(people, setting, columns, names)[0]])
        mean, slope = mean_and_slope(rows @ fit.coef, family)
        means.append(float(mean.mean()))
        gradients.append(slope @ rows / len(people))
    scale: Scale = "identity" if measure in ("mean_difference", "risk_difference") else "log"
    value, gradient = 0.0, np.zeros(len(fit.coef))
    for sign, mean_in_target, slope_in_target in zip((1.0, -1.0), means, gradients, strict=False):
        at, rate = _on_scale(mean_in_target, measure)
        value, gradient = value + sign * at, gradient + sign * rate * slope_in_target
    theirs, their_error = _theirs(comparator, measure, scale)
    error = math.sqrt(float(gradient @ (fit.robust if robust else fit.covariance) @ gradient))
    effect = wald(value - theirs, math.hypot(error, their_error), level, scale)
    low, high = table.min(axis=0), table.max(axis=0)
    return StcResult(
        anchored=kind,
        measure=measure,
        effect=effect,
        predicted=tuple(means),
        model=fit,
        outside=tuple(t.name for t, a, b in zip(target, low, high, strict=True) if not a <= t.mean <= b),
        factors=factors,
        bias=bias_bound(effect, measure=_E_MEASURE.get(measure)),
        points=len(people),
        seed=seed,
        method=f"{kind} STC, {family} regression averaged over the target's covariates, "
        f"{'sandwich' if robust else 'model-based'} variance",
    )


@checked
def target_population(
    target: Sequence[TargetCovariate], correlation: npt.ArrayLike, *, points: int = 4096, seed: int
) -> Floats:
    """(points, p) covariates of the published trial: a Gaussian copula with the published margins.

    Scrambled Sobol points with `seed`: averages over them are exact to about 1/points, not 1/sqrt(points).
    `points` is a power of 2, at least 256. Raises `CannotEstimate` for a matrix that is no correlation, a
    proportion outside (0, 1), a spread that is not above 0.
    """
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    size = whole(points, "points", 256, 2**20)
    if size & (size - 1):
        raise CannotEstimate(BAD_ARGUMENT, argument="points", allowed="256, 512, 1024, ...")
    root = _cholesky(correlation, len(target))
    sampler = qmc.Sobol(len(target), scramble=True, rng=np.random.default_rng(whole(seed, "seed")))
    u = np.clip(sampler.random(size), 1e-12, 1.0 - 1e-12)
    z = np.asarray(ndtri(u), dtype=np.float64) @ root.T
    columns = []
    for column, one in enumerate(target):
        choice(one.shape, "shape", get_args(Shape))
        if one.shape == "binary":
            columns.append((np.asarray(ndtr(z[:, column])) > 1.0 - share(one.mean, one.name)).astype(float))
            continue
        sd = positive(one.sd, one.name)
        if one.shape == "normal":
            columns.append(number(one.mean, one.name) + sd * z[:, column])
            continue
        log_variance = math.log1p((sd / positive(one.mean, one.name)) ** 2)
        columns.append(np.exp(math.log(one.mean) - log_variance / 2 + math.sqrt(log_variance) * z[:, column]))
    return np.column_stack(columns)


def _check_design(
    kind: str,
    treatment: npt.ArrayLike | None,
    comparator: ArmSummary | Contrast,
    interactions: Sequence[str],
    names: tuple[str, ...],
) -> None:
    if kind == "unanchored" and (treatment is not None or not isinstance(comparator, ArmSummary)):
        raise CannotEstimate(UNANCHORED_REFUSED)
    if kind == "anchored" and (treatment is None or not isinstance(comparator, Contrast)):
        raise CannotEstimate(NEEDS_A_TREATMENT)
    if not set(interactions) <= set(names) or (kind == "unanchored" and interactions):
        raise CannotEstimate(BAD_ARGUMENT, argument="interactions", allowed=", ".join(names))


def _log_exposure(exposure: npt.ArrayLike | None, measure: str, n: int) -> Floats | None:
    if exposure is None:
        return None
    time = numbers(exposure, "exposure", n)
    if measure != "rate_ratio" or (time <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="exposure", allowed="> 0, rate_ratio")
    return np.log(time)


def _design(
    table: Floats, arm: Bools | None, columns: list[int], names: tuple[str, ...]
) -> tuple[Floats, tuple[str, ...]]:
    if arm is None:
        return table, names
    treated = arm.astype(float)[:, None]
    products = table[:, columns] * treated
    terms = (*names, "treatment", *(f"treatment:{names[column]}" for column in columns))
    return np.hstack([table, treated, products]), terms


def _correlation(given: npt.ArrayLike | None, table: Floats) -> Floats:
    if given is not None:
        return np.asarray(given, dtype=np.float64)
    if table.shape[1] == 1:
        return np.ones((1, 1))
    from scipy.stats import rankdata

    ranks = np.column_stack([rankdata(column) for column in table.T])
    with np.errstate(invalid="ignore", divide="ignore"):
        spearman = np.corrcoef(ranks, rowvar=False)
    # The Pearson correlation of the normal scores that goes with a rank correlation (Kruskal 1958).
    pearson = 2.0 * np.sin(np.pi / 6.0 * np.nan_to_num(spearman))
    np.fill_diagonal(pearson, 1.0)
    return np.asarray(pearson, dtype=np.float64)


def _cholesky(correlation: npt.ArrayLike, size: int) -> Floats:
    r = np.asarray(correlation, dtype=np.float64)
    proper = r.shape == (size, size) and bool(np.isfinite(r).all()) and bool(np.allclose(r, r.T))
    if not proper or not np.allclose(np.diag(r), 1.0) or np.abs(r).max() > 1.0 + 1e-12:
        raise CannotEstimate(BAD_ARGUMENT, argument="correlation", allowed=f"{size} x {size}, diagonal 1")
    try:
        return np.asarray(np.linalg.cholesky(r), dtype=np.float64)
    except np.linalg.LinAlgError as not_positive:
        raise CannotEstimate(
            BAD_ARGUMENT, argument="correlation", allowed="positive definite"
        ) from not_positive


def _on_scale(mean: float, measure: str) -> tuple[float, float]:
    if measure == "rate_ratio":
        rate = positive(mean, "rate")
        return math.log(rate), 1.0 / rate
    return transformed(mean, measure)


def _theirs(comparator: ArmSummary | Contrast, measure: str, scale: Scale) -> tuple[float, float]:
    if isinstance(comparator, Contrast):
        contrast = check_contrast(comparator)
        if contrast.scale != scale:
            raise CannotEstimate(BAD_ARGUMENT, argument="comparator", allowed=scale)
        return contrast.value, contrast.se
    at, slope = _on_scale(number(comparator.value, "comparator"), measure)
    return at, slope * positive(comparator.se, "comparator")
