"""Imputation of a repeated continuous outcome after dropout, at random or as in the reference arm.

Carpenter, Roger & Kenward (2013), J Biopharm Stat 23:1352. One multivariate normal model, Y_i ~ N(W_i B, Sigma),
with means free by visit and arm and one Sigma for both arms; B and Sigma are drawn from their posterior by data
augmentation (Schafer 1997, Analysis of Incomplete Multivariate Data, section 5.4; Jeffreys' prior). A subject who
left after visit k is then imputed from the normal distribution given what was observed, with the mean of

* missing at random: the own arm at every visit;
* jump to reference: the own arm up to k, the reference arm afterwards;
* copy reference: the reference arm at every visit;
* copy increments: the own arm up to k, then its mean at k plus the reference arm's changes from k on.

Rubin's variance is known to be conservative under the last three (Seaman, White & Leacy 2014); it is kept,
because it answers how much information the dropouts leave (Cro, Carpenter & Kenward 2019, JRSS A 182:623).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    LENGTHS_DIFFER,
    NO_SUBJECTS,
    NOT_A_NUMBER,
    TOO_MANY_TERMS,
    CannotEstimate,
    Reason,
)
from studies.statistics import Bools, Floats, Ints
from studies.statistics.inputs import labels, matrix, numbers
from studies.statistics.missing.pooling import Pooled, pool
from studies.statistics.missing.tipping_point import ARM_NEVER_OBSERVED, NOTHING_MISSING, two_arms
from studies.statistics.options import checked
from studies.statistics.repeated.design import refuse_dependent

Rule = Literal["missing_at_random", "jump_to_reference", "copy_reference", "copy_increments"]
RULES = ("missing_at_random", "jump_to_reference", "copy_reference", "copy_increments")
VISIT_WITHOUT_SPREAD = Reason(
    "visit_without_spread",
    "第 {visit} 次访视的结局在组别、协变量和之前的访视之外没有变异（恒定、重复，或观察到的人太少），无法填补。",
    "At visit {visit} the outcomes do not vary beyond arm, covariates and earlier visits (constant, repeated, or seen "
    "in too few people): nothing can be imputed from them.",
)
COVARIANCE_SINGULAR = Reason(
    "covariance_singular",
    "各次访视的协方差矩阵奇异：某次访视几乎完全由其他访视决定，无法填补。",
    "The covariance of the visits is singular: one of them follows almost exactly from the others.",
)
_FLAT = 1e-9  # of a visit's root mean square: below it what is left is rounding


@dataclass(frozen=True)
class ReferenceBased:
    """completed (m, n, T) data sets; `difference` is treated minus reference at the last visit, by analysis of
    covariance with the covariates, pooled; `dropouts` counts subjects of each arm (reference, treated) without
    a value at the last visit.
    """

    completed: Floats
    difference: Pooled
    arms: tuple[Hashable, Hashable]
    dropouts: tuple[int, int]
    rule: Rule
    m: int
    seed: int
    method: str


@checked
def reference_based(
    outcome: npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    *,
    seed: int,
    rule: Rule = "jump_to_reference",
    reference: Hashable | None = None,
    covariates: npt.ArrayLike | None = None,
    delta: npt.ArrayLike = 0.0,
    m: int = 20,
    burn_in: int = 200,
    thin: int = 20,
    conf_level: float = 0.95,
) -> ReferenceBased:
    """Impute and analyse. outcome (n, T), NaN where missing, columns in the order of time; arm (n,) of two
    levels, `reference` the first by default; covariates (n, c) complete (such as the baseline value).

    The rule holds for subjects of the treated arm after their last observation; visits missed before it, and
    the reference arm, are imputed at random. `delta`, a number or (T,), is added in the treated arm after the
    last observation. burn_in draws are thrown away, then every `thin`-th is used. Raises `CannotEstimate` for
    nothing missing, an arm without values at some visit, too few subjects for the model, bad columns, and
    VISIT_WITHOUT_SPREAD for a visit that is constant or follows from the others.
    """
    y = _table(outcome)
    n, visits = y.shape
    groups = labels(arm, "arm", n)
    base = two_arms(groups, reference)
    _check(rule, m, burn_in, thin)
    shift = numbers(np.full(visits, delta) if np.ndim(delta) == 0 else delta, "delta", visits)
    x = np.empty((n, 0)) if covariates is None else matrix(covariates, n, "covariates")
    seen = ~np.isnan(y)
    if seen.all():
        raise CannotEstimate(NOTHING_MISSING)
    treated = groups.codes != base
    for mine, level in ((~treated, base), (treated, 1 - base)):
        if not seen[mine].any(axis=0).all():
            raise CannotEstimate(ARM_NEVER_OBSERVED, arm=str(groups.levels[level]))
    w = np.column_stack([~treated, treated, x]).astype(np.float64)
    refuse_dependent(w, ["reference arm", "treated arm", *(f"x{k}" for k in range(x.shape[1]))])
    if n - w.shape[1] < visits + 1:
        raise CannotEstimate(TOO_MANY_TERMS)
    _check_spread(y, seen, w)
    last = np.where(seen.any(axis=1), visits - 1 - np.argmax(seen[:, ::-1], axis=1), -1)
    patterns = _patterns(seen)
    rng = np.random.default_rng(seed)
    state = _first_guess(y, seen, w, rng)
    completed = np.empty((m, n, visits))
    for number in range(m):
        for _ in range(burn_in if number == 0 else thin):
            b, sigma = _posterior(state, w, rng)
            state = _impute(y, w @ b, sigma, patterns, rng)
        mean = _means(rule, w, b, treated, last)
        completed[number] = _impute(y, mean, sigma, patterns, rng)
        completed[number] += shift * (treated[:, None] & (np.arange(visits) > last[:, None]))
    return ReferenceBased(
        completed=completed, difference=_last_visit(completed[:, :, -1], w, conf_level),
        arms=(groups.levels[base], groups.levels[1 - base]),
        dropouts=(int((~seen[~treated, -1]).sum()), int((~seen[treated, -1]).sum())), rule=rule, m=m, seed=seed,
        method=f"Multiple imputation of repeated measures, {rule.replace('_', ' ')}, {m} data sets, seed {seed}; "
        "analysis of covariance at the last visit, Rubin's rules",
    )  # fmt: skip


def _table(outcome: npt.ArrayLike) -> Floats:
    try:
        y = np.array(outcome, dtype=np.float64)
    except (TypeError, ValueError) as not_numbers:
        raise CannotEstimate(NOT_A_NUMBER, variable="outcome") from not_numbers
    if y.ndim != 2 or y.shape[1] < 1:
        raise CannotEstimate(LENGTHS_DIFFER, variable="outcome")
    if len(y) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    if np.isinf(y).any():
        raise CannotEstimate(NOT_A_NUMBER, variable="outcome")
    return y


def _check(rule: str, m: int, burn_in: int, thin: int) -> None:
    if rule not in RULES:
        raise CannotEstimate(BAD_ARGUMENT, argument="rule", allowed=", ".join(RULES))
    for name, value in (("m", m), ("burn_in", burn_in), ("thin", thin)):
        if value < 1:
            raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="1, 2, ...")


def _check_spread(y: Floats, seen: Bools, w: Floats) -> None:
    """Raise VISIT_WITHOUT_SPREAD for the first visit without variation given w and the visits before it.

    Among those seen at the visit; given earlier visits only where enough people were seen at all of them.
    """
    for visit in range(y.shape[1]):
        own: Bools = seen[:, visit]
        whole: Bools = np.asarray(seen[:, : visit + 1].all(axis=1))
        tests: list[tuple[Bools, Floats]] = [(own, w[own])]
        if whole.sum() > w.shape[1] + visit:
            before = y[whole, :visit]
            tests.append(
                (whole, np.column_stack([w[whole], before / np.abs(before).max(axis=0, initial=1e-300)]))
            )
        for rows, given in tests:
            value = y[rows, visit] / max(float(np.abs(y[rows, visit]).max()), 1e-300)
            left = value - given @ np.linalg.lstsq(given, value, rcond=None)[0]
            if np.sqrt(left @ left) <= _FLAT * np.sqrt(len(value)):
                raise CannotEstimate(VISIT_WITHOUT_SPREAD, visit=str(visit + 1))


def _patterns(seen: Bools) -> list[tuple[Bools, Ints]]:
    """The visits observed and the rows that have just these, for the patterns with something missing."""
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    return [(kind, np.flatnonzero(which.ravel() == k)) for k, kind in enumerate(kinds) if not kind.all()]


def _first_guess(y: Floats, seen: Bools, w: Floats, rng: np.random.Generator) -> Floats:
    """Each visit by its own regression, for a start from which the chain forgets."""
    filled = y.copy()
    for visit in range(y.shape[1]):
        have = seen[:, visit]
        fit = np.linalg.lstsq(w[have], y[have, visit], rcond=None)[0]
        spread = np.std(y[have, visit] - w[have] @ fit)
        filled[~have, visit] = w[~have] @ fit + spread * rng.standard_normal(int((~have).sum()))
    return filled


def _posterior(y: Floats, w: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """B (p, T) and Sigma (T, T) given complete data: inverse Wishart, then matrix normal."""
    n, t = y.shape
    p = w.shape[1]
    inverse = np.linalg.inv(w.T @ w)
    fit = inverse @ (w.T @ y)
    residual = y - w @ fit
    try:
        root = np.linalg.cholesky(residual.T @ residual)
    except np.linalg.LinAlgError as singular:  # a chain that ran into a plane
        raise CannotEstimate(COVARIANCE_SINGULAR) from singular
    # Bartlett: A A' is Wishart(n - p, I), so S^(1/2) (A A')^-1 S^(1/2)' is inverse Wishart with scale S.
    a = np.tril(rng.standard_normal((t, t)), -1)
    a[np.diag_indices(t)] = np.sqrt(rng.chisquare(n - p - np.arange(t)))
    factor = root @ np.linalg.inv(a).T
    noise = np.linalg.cholesky(inverse) @ rng.standard_normal((p, t)) @ factor.T
    return np.asarray(fit + noise), np.asarray(factor @ factor.T)


def _impute(
    y: Floats, mean: Floats, sigma: Floats, patterns: list[tuple[Bools, Ints]], rng: np.random.Generator
) -> Floats:
    """What is missing from the normal distribution given what is observed, pattern by pattern."""
    filled = y.copy()
    for kind, rows in patterns:
        gone = ~kind
        centre = mean[np.ix_(rows, gone)]
        spread = sigma[np.ix_(gone, gone)]
        if kind.any():
            slope = np.linalg.solve(sigma[np.ix_(kind, kind)], sigma[np.ix_(kind, gone)])
            centre = centre + (y[np.ix_(rows, kind)] - mean[np.ix_(rows, kind)]) @ slope
            spread = spread - sigma[np.ix_(gone, kind)] @ slope
        try:
            factor = np.linalg.cholesky(0.5 * (spread + spread.T))
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(COVARIANCE_SINGULAR) from singular
        noise = rng.standard_normal(centre.shape) @ factor.T
        filled[np.ix_(rows, gone)] = centre + noise
    return filled


def _means(rule: Rule, w: Floats, b: Floats, treated: Bools, last: Ints) -> Floats:
    """The mean of each subject at each visit (n, T) under the rule."""
    own = w @ b
    if rule == "missing_at_random":
        return np.asarray(own)
    as_reference = w.copy()
    as_reference[:, 0], as_reference[:, 1] = 1.0, 0.0
    other = as_reference @ b
    if rule == "copy_reference":
        changed = other
    else:
        after = np.arange(b.shape[1]) > last[:, None]
        step = np.zeros((len(w), 1))
        if rule == "copy_increments":
            at = np.maximum(last, 0)[:, None]
            step = np.take_along_axis(own - other, at, axis=1) * (last >= 0)[:, None]
        changed = np.where(after, other + step, own)
    return np.asarray(np.where(treated[:, None], changed, own))


def _last_visit(values: Floats, w: Floats, conf_level: float) -> Pooled:
    """Analysis of covariance of (m, n) values: the second column of w less the first."""
    inverse = np.linalg.inv(w.T @ w)
    beta = values @ w @ inverse
    df = w.shape[0] - w.shape[1]
    squares = ((values - beta @ w.T) ** 2).sum(axis=1)
    line = np.zeros(w.shape[1])
    line[:2] = -1.0, 1.0
    errors = np.sqrt(squares / df * float(line @ inverse @ line))
    return pool(beta @ line, errors, df_complete=float(df), conf_level=conf_level)
