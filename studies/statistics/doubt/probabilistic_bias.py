"""Probabilistic bias analysis: bias parameters drawn from distributions, with random error added.

Source: Lash, Fox & Fink (2009), Applying Quantitative Bias Analysis to Epidemiologic Data, chapter 8; Fox,
MacLehose & Lash (2021), Int J Epidemiol 50:1708, for reclassification by predictive values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.bridging.arguments import choice, number, positive, share, whole
from studies.statistics.doubt.bias_analysis import TwoByTwo, check_table, confounding_bias_factor
from studies.statistics.doubt.parameters import Parameter, draw, draw_pair
from studies.statistics.estimate import Estimate, wald
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile

Effect = Literal["or", "rr"]
_EFFECTS = ("or", "rr")
LEAST_DRAWS = 1000

NO_DRAW_POSSIBLE = Reason(
    "no_draw_possible",
    "没有一次抽样得到可能的校正结果：偏倚参数的分布与数据不相容。",
    "Not one draw gave a possible corrected table: the distributions do not go with the data.",
)


@dataclass(frozen=True)
class BiasInterval:
    """The middle and the percentiles of the draws on the ratio scale."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ProbabilisticBias:
    """Three rows of a table: random error alone, systematic error alone, both together.

    impossible -- draws set aside because a corrected cell was not above 0: they are reported, because many
        of them mean that the distributions were badly chosen. `draws` is what was drawn in all.
    """

    conventional: Estimate
    systematic: BiasInterval
    total: BiasInterval
    draws: int
    impossible: int
    conf_level: float
    seed: int
    method: str


@checked
def probabilistic_confounder(
    estimate: float,
    lower: float,
    upper: float,
    *,
    prevalence_exposed: Parameter | float,
    prevalence_unexposed: Parameter | float,
    confounder_effect: Parameter | float,
    correlation: float = 0.0,
    draws: int = 50_000,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> ProbabilisticBias:
    """A risk ratio without an unmeasured binary confounder whose strength is known as distributions only.

    estimate, lower, upper -- the observed ratio and its limits at `conf_level`.
    correlation -- of the two prevalences (Gaussian copula). Draws outside [0, 1] or an effect not above 0
    are counted as impossible. Random error: the observed log standard error (Lash et al. 2009, ch. 8).
    """
    seen, error = _observed(estimate, lower, upper, conf_level)
    rng, n = np.random.default_rng(seed), whole(draws, "draws", LEAST_DRAWS)
    p1, p0 = draw_pair(prevalence_exposed, prevalence_unexposed, correlation, n, rng)
    effect = draw(confounder_effect, n, rng)
    possible = (p1 >= 0) & (p1 <= 1) & (p0 >= 0) & (p0 <= 1) & (effect > 0)
    factor = confounding_bias_factor(p1[possible], p0[possible], effect[possible])
    return _summary(
        seen, math.log(seen.value) - np.log(factor), error, rng, n, seed,
        "probabilistic bias analysis of an unmeasured binary confounder",
    )  # fmt: skip


@checked
def probabilistic_selection(
    estimate: float,
    lower: float,
    upper: float,
    *,
    selection_factor: Parameter,
    draws: int = 50_000,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> ProbabilisticBias:
    """An odds ratio without selection bias: divided by a factor drawn from its distribution.

    selection_factor -- (S exposed cases x S unexposed non-cases) / (S unexposed cases x S exposed
    non-cases), the ratio that selection alone would show. Not above 0 counts as impossible.
    """
    seen, error = _observed(estimate, lower, upper, conf_level)
    rng, n = np.random.default_rng(seed), whole(draws, "draws", LEAST_DRAWS)
    factor = draw(selection_factor, n, rng)
    factor = factor[factor > 0]
    return _summary(
        seen, math.log(seen.value) - np.log(factor), error, rng, n, seed,
        "probabilistic bias analysis of selection",
    )  # fmt: skip


@checked
def probabilistic_misclassification(
    table: TwoByTwo,
    *,
    of: Literal["exposure", "outcome"],
    sensitivity: Sequence[Parameter | float],
    specificity: Sequence[Parameter | float],
    correlation: float = 0.0,
    effect: Effect = "or",
    draws: int = 50_000,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> ProbabilisticBias:
    """A ratio without misclassification whose size is known as distributions only.

    sensitivity, specificity -- a pair each: among cases and non-cases (of="exposure"), or among exposed and
        unexposed (of="outcome"). A single entry means the same number in both: non-differential.
    correlation -- between the two members of a pair (Gaussian copula; the book uses 0.8).
    effect -- "or" or "rr" (the latter for cohorts only).

    Each draw gives a corrected table (systematic error alone), then people are reclassified at random by the
    predictive values that follow, and conventional random error of that table is added (total error;
    Lash et al. 2009, ch. 8; Fox et al. 2021). Draws with Se + Sp <= 1 or a cell not above 0 are counted as
    impossible. Raises `CannotEstimate` where none is possible.
    """
    choice(of, "of", ("exposure", "outcome"))
    choice(effect, "effect", _EFFECTS)
    level, n = share(conf_level, "conf_level"), whole(draws, "draws", LEAST_DRAWS)
    seen = check_table(table)
    cells = np.array([seen.a, seen.b, seen.c, seen.d])
    # Of each group of people with one accuracy: how many were called positive, how many negative.
    pairs = cells.reshape(2, 2) if of == "exposure" else cells.reshape(2, 2).T
    rng = np.random.default_rng(seed)
    se = _pair(sensitivity, "sensitivity", correlation, n, rng)
    sp = _pair(specificity, "specificity", correlation, n, rng)
    positives, total = pairs[:, :1], pairs.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        true = (positives - (1 - sp) * total) / (se + sp - 1)
    proper = (se <= 1) & (sp <= 1) & (se >= 0) & (sp >= 0) & (se + sp > 1)
    possible = (proper & (true > 0) & (true < total)).all(axis=0)
    if not possible.any():
        raise CannotEstimate(NO_DRAW_POSSIBLE)
    se, sp, true = se[:, possible], sp[:, possible], true[:, possible]
    systematic, _ = _log_effect(_cells(true, total, of), effect)
    ppv = se * true / (se * true + (1 - sp) * (total - true))
    npv = sp * (total - true) / (sp * (total - true) + (1 - se) * true)
    whole_pairs = pairs.astype(np.int64)
    drawn = rng.binomial(whole_pairs[:, :1], ppv) + rng.binomial(whole_pairs[:, 1:], 1 - npv)
    filled = ((drawn > 0) & (drawn < total)).all(axis=0)
    if not filled.any():
        raise CannotEstimate(NO_DRAW_POSSIBLE)
    value, error = _log_effect(_cells(drawn[:, filled].astype(np.float64), total, of), effect)
    both = value + error * rng.standard_normal(len(value))
    plain, plain_error = _log_effect(cells[:, None], effect)
    return ProbabilisticBias(
        conventional=wald(float(plain[0]), float(plain_error[0]), level, "log"),
        systematic=_percentiles(systematic[filled], level),
        total=_percentiles(both, level),
        draws=n,
        impossible=n - int(filled.sum()),
        conf_level=level,
        seed=seed,
        method=f"probabilistic bias analysis of {of} misclassification, {effect.upper()}",
    )


def _cells(positive_true: Floats, total: Floats, of: str) -> Floats:
    """(4, m) cells a, b, c, d from the true positives (2, m) of the two groups."""
    negative = total - positive_true
    if of == "exposure":
        return np.stack([positive_true[0], negative[0], positive_true[1], negative[1]])
    return np.stack([positive_true[0], positive_true[1], negative[0], negative[1]])


def _log_effect(cells: Floats, effect: str) -> tuple[Floats, Floats]:
    a, b, c, d = cells
    if effect == "or":
        return np.log(a * d / (b * c)), np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    value = np.log((a / (a + c)) / (b / (b + d)))
    return value, np.sqrt(1 / a - 1 / (a + c) + 1 / b - 1 / (b + d))


def _pair(
    given: Sequence[Parameter | float], name: str, correlation: float, n: int, rng: np.random.Generator
) -> Floats:
    if len(given) == 1:
        return np.tile(draw(given[0], n, rng), (2, 1))
    if len(given) != 2:
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="1, 2")
    return np.stack(draw_pair(given[0], given[1], correlation, n, rng))


def _observed(estimate: float, lower: float, upper: float, conf_level: float) -> tuple[Estimate, float]:
    level, value = share(conf_level, "conf_level"), positive(estimate, "estimate")
    low = number(lower, "lower", 0.0, value, open_low=True)
    high = number(upper, "upper", value)
    error = (math.log(high) - math.log(low)) / (2 * normal_quantile(level))
    return Estimate(value, error, low, high, None, level, "log"), error


def _summary(
    seen: Estimate,
    log_corrected: Floats,
    error: float,
    rng: np.random.Generator,
    n: int,
    seed: int,
    method: str,
) -> ProbabilisticBias:
    if len(log_corrected) == 0:
        raise CannotEstimate(NO_DRAW_POSSIBLE)
    both = log_corrected + error * rng.standard_normal(len(log_corrected))
    return ProbabilisticBias(
        conventional=seen,
        systematic=_percentiles(log_corrected, seen.conf_level),
        total=_percentiles(both, seen.conf_level),
        draws=n,
        impossible=n - len(log_corrected),
        conf_level=seen.conf_level,
        seed=seed,
        method=method,
    )


def _percentiles(log_values: Floats, level: float) -> BiasInterval:
    tail = (1 - level) / 2
    low, middle, high = np.exp(np.quantile(log_values, [tail, 0.5, 1 - tail]))
    return BiasInterval(float(middle), float(low), float(high))
