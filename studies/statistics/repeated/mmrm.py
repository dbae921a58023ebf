"""Mixed model for repeated measures (MMRM): a free mean at every visit and arm, a covariance between visits.

Visits that were missed need no imputation: subjects contribute what was observed, and the likelihood is
right where missingness depends on what was observed (MAR). The restricted likelihood is that of
`nlme::gls` with `corSymm` and `varIdent` (unstructured) and of SAS `PROC MIXED` with `REPEATED`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    LENGTHS_DIFFER,
    NO_SUBJECTS,
    NOT_A_NUMBER,
    ONE_ARM,
    TOO_MANY_TERMS,
    CannotEstimate,
    Reason,
)
from studies.statistics import Bools, Floats
from studies.statistics.inputs import Labels, labels, matrix
from studies.statistics.options import checked
from studies.statistics.repeated.contrasts import Contrast, DfMethod, FixedEffects, FTest, fixed_effects
from studies.statistics.repeated.design import Design, design, refuse_dependent
from studies.statistics.repeated.gee import REPEATED_VISIT
from studies.statistics.repeated.likelihood import Estimation, basis, maximise
from studies.statistics.repeated.mixed import NO_REPEATS, NO_RESIDUAL, PERFECT_FIT
from studies.statistics.repeated.visit_covariance import STRUCTURES, Structure, VisitCovariance

EMPTY_CELL = Reason(
    "empty_cell",
    "有的访视在某组中没有任何观测，该处的均数无法估计。",
    "At some visit an arm has no observation: its mean there cannot be estimated.",
)
_STRUCTURE_NAMES = {one: one.replace("_", " ") for one in STRUCTURES} | {
    "ar1": "AR(1)",
    "heterogeneous_ar1": "heterogeneous AR(1)",
    "toeplitz": "Toeplitz",
    "heterogeneous_toeplitz": "heterogeneous Toeplitz",
}


@dataclass(frozen=True)
class MmrmFit:
    """A fitted model; fixed effects follow `names` (p,), sigma (T, T) follows `visits` (T,).

    theta (k,) are the covariance parameters as `VisitCovariance` lists them; aic counts p + k parameters, as
    R's `AIC`; rows with a missing y are left out, and `n` counts those analysed. df None means normal.
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    df: tuple[float | None, ...]
    statistic: Floats
    lower: Floats
    upper: Floats
    p: Floats
    covariance: Floats
    sigma: Floats
    theta: Floats
    visits: tuple[Hashable, ...]
    loglik: float
    aic: float
    n: int
    subjects: int
    iterations: int
    conf_level: float
    estimation: Estimation
    structure: Structure
    method: str
    effects: FixedEffects

    def contrast(self, weights: npt.ArrayLike) -> Contrast:
        """A linear combination of the fixed effects, weights (p,)."""
        return self.effects.contrast(weights, self.conf_level)

    def f_test(self, weights: npt.ArrayLike) -> FTest:
        """Several combinations tested at once, weights (rows, p)."""
        return self.effects.f_test(weights)


@checked
def fit_mmrm(
    y: npt.ArrayLike,
    x: npt.ArrayLike | None,
    subject: Sequence[Hashable] | npt.ArrayLike,
    visit: Sequence[Hashable] | npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
    intercept: bool = True,
    covariance: Structure = "unstructured",
    estimation: Estimation = "reml",
    df_method: DfMethod = "satterthwaite",
    conf_level: float = 0.95,
) -> MmrmFit:
    """Fit y = x beta + e with one covariance between the visits of a subject.

    y (n,), NaN for a visit that was missed; x (n, p) without the intercept, which is added; subject and visit
    (n,) labels, visits in their sorted order (equally spaced for AR(1) and Toeplitz). `analyse_visits` makes
    x for the usual model. Raises `CannotEstimate` for bad columns, a visit given twice, visits that were never
    observed together, a perfect fit, and a covariance that does not converge (by name).
    """
    _check_options(covariance, estimation, conf_level)
    outcome, seen = _outcome(y)
    n = len(outcome)
    who = labels(
        np.asarray(subject)[seen] if len(np.asarray(subject)) == n else subject, "subject", int(seen.sum())
    )
    when = labels(np.asarray(visit)[seen] if len(np.asarray(visit)) == n else visit, "visit", int(seen.sum()))
    table = None if x is None else matrix(x, n)[seen]
    fixed = design(table, int(seen.sum()), names, intercept)
    return _fit(outcome[seen], fixed, who, when, covariance, estimation, df_method, conf_level)


@dataclass(frozen=True)
class VisitMean:
    """The least-squares mean of an arm at a visit, covariates at their means over the rows analysed.

    `observed` subjects have a value there.
    """

    visit: Hashable
    arm: Hashable
    observed: int
    mean: Contrast


@dataclass(frozen=True)
class VisitDifference:
    """The difference `arm` minus `reference` of least-squares means at a visit."""

    visit: Hashable
    arm: Hashable
    reference: Hashable
    difference: Contrast


@dataclass(frozen=True)
class VisitAnalysis:
    """The usual analysis of a trial with visits: means, differences, and the test that arms change alike.

    interaction: the F test of arm by visit (differences equal at all visits); overall: of all differences
    zero; average: the mean of the differences over the visits, one for each arm but the reference.
    """

    fit: MmrmFit
    means: tuple[VisitMean, ...]
    differences: tuple[VisitDifference, ...]
    average: tuple[Contrast, ...]
    interaction: FTest | None
    overall: FTest | None


@checked
def analyse_visits(
    y: npt.ArrayLike,
    subject: Sequence[Hashable] | npt.ArrayLike,
    visit: Sequence[Hashable] | npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    *,
    reference: Hashable | None = None,
    covariates: npt.ArrayLike | None = None,
    by_visit: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    covariance: Structure = "unstructured",
    estimation: Estimation = "reml",
    df_method: DfMethod = "satterthwaite",
    conf_level: float = 0.95,
) -> VisitAnalysis:
    """MMRM with a mean for each visit and arm, `covariates` (n, c) with one slope each, and `by_visit` (n, d)
    with a slope at every visit (the usual place of the baseline value).

    y (n,), NaN for a missed visit; `reference` is an arm (the first in sorted order by default); names for the
    c + d covariates. Raises as `fit_mmrm`, and for one arm alone or a visit at which an arm was never seen.
    """
    _check_options(covariance, estimation, conf_level)
    outcome, seen = _outcome(y)
    n, rows = len(outcome), int(seen.sum())
    columns = [
        _cut(column, seen, n, name) for column, name in ((subject, "subject"), (visit, "visit"), (arm, "arm"))
    ]
    who, when, group = (
        labels(c, name, rows) for c, name in zip(columns, ("subject", "visit", "arm"), strict=True)
    )
    if len(group) < 2:
        raise CannotEstimate(ONE_ARM)
    if reference is not None and reference not in group.levels:
        raise CannotEstimate(BAD_ARGUMENT, argument="reference", allowed=", ".join(map(str, group.levels)))
    base = 0 if reference is None else group.levels.index(reference)
    cells = _cells(when, group)
    fixed_slopes = np.empty((rows, 0)) if covariates is None else matrix(covariates, n, "covariates")[seen]
    free_slopes = np.empty((rows, 0)) if by_visit is None else matrix(by_visit, n, "by_visit")[seen]
    fixed = _visit_design(cells, when, group, fixed_slopes, free_slopes, names)
    fit = _fit(outcome[seen], fixed, who, when, covariance, estimation, df_method, conf_level)
    lines = _mean_lines(when, group, fixed_slopes.mean(axis=0), free_slopes.mean(axis=0))
    return _summary(fit, lines, cells, when, group, base)


def _fit(
    y: Floats, fixed: Design, who: Labels, when: Labels, structure: Structure, estimation: Estimation,
    df_method: DfMethod, conf_level: float,
) -> MmrmFit:  # fmt: skip
    n, p = fixed.matrix.shape
    if len(np.unique(who.codes * len(when) + when.codes)) < n:
        raise CannotEstimate(REPEATED_VISIT)
    if len(when) < 2 or len(who) == n:
        raise CannotEstimate(NO_REPEATS)
    if len(who) <= len(when) or n <= p:
        raise CannotEstimate(TOO_MANY_TERMS)
    turned = basis(fixed.matrix, y)
    if float(turned.rest @ turned.rest) <= NO_RESIDUAL * float(y @ y):
        raise CannotEstimate(PERFECT_FIT)
    model = VisitCovariance(turned.rest, turned.q, who.codes, when.codes, len(when), structure)
    top = maximise(model, model.start(), estimation)
    effects = fixed_effects(model, top, df_method, turned)
    loglik = top.loglik - (0.5 * turned.log_det() if estimation == "reml" else 0.0)
    tests = [effects.contrast(unit, conf_level) for unit in np.eye(p)]
    return MmrmFit(
        names=fixed.names, coef=effects.coef, se=np.array([one.se for one in tests]),
        df=tuple(one.df for one in tests), statistic=np.array([one.statistic for one in tests]),
        lower=np.array([one.lower for one in tests]), upper=np.array([one.upper for one in tests]),
        p=np.array([one.p for one in tests]), covariance=effects.adjusted, sigma=model.matrix(top.theta),
        theta=top.theta, visits=when.levels, loglik=loglik,
        aic=2.0 * (p + len(top.theta) - loglik), n=n, subjects=len(who), iterations=top.iterations,
        conf_level=conf_level, estimation=estimation, structure=structure,
        method=f"Mixed model for repeated measures, {_STRUCTURE_NAMES[structure]} covariance, "
        f"{estimation.upper()}, {df_method.replace('_', '-')} degrees of freedom",
        effects=effects,
    )  # fmt: skip


def _outcome(y: npt.ArrayLike) -> tuple[Floats, Bools]:
    """y and which of it was observed; NaN is a missed visit, infinity is refused."""
    try:
        outcome = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as not_numbers:
        raise CannotEstimate(NOT_A_NUMBER, variable="y") from not_numbers
    if outcome.ndim != 1 or np.isinf(outcome).any():
        raise CannotEstimate(NOT_A_NUMBER, variable="y")
    seen = ~np.isnan(outcome)
    if not seen.any():
        raise CannotEstimate(NO_SUBJECTS)
    return outcome, seen


def _cut(column: Sequence[Hashable] | npt.ArrayLike, seen: Bools, n: int, name: str) -> npt.ArrayLike:
    given = np.asarray(column)
    if given.shape != (n,):
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    return given[seen]


def _cells(when: Labels, group: Labels) -> npt.NDArray[np.intp]:
    """How many are observed at each visit in each arm, (visits, arms); none may be empty."""
    count = np.bincount(when.codes * len(group) + group.codes, minlength=len(when) * len(group))
    if (count == 0).any():
        raise CannotEstimate(EMPTY_CELL)
    return count.reshape(len(when), len(group))


def _visit_design(
    cells: npt.NDArray[np.intp],
    when: Labels,
    group: Labels,
    fixed: Floats,
    free: Floats,
    names: Sequence[str] | None,
) -> Design:
    """One column for each visit and arm, then the covariates, then each of `free` at each visit."""
    rows, (visits, arms) = len(when.codes), cells.shape
    cell = np.zeros((rows, visits * arms))
    cell[np.arange(rows), when.codes * arms + group.codes] = 1.0
    at_visit = np.eye(visits)[when.codes]
    spread = (free[:, :, None] * at_visit[:, None, :]).reshape(rows, -1)
    given = names or [f"x{k + 1}" for k in range(fixed.shape[1] + free.shape[1])]
    if len(given) != fixed.shape[1] + free.shape[1]:
        raise CannotEstimate(LENGTHS_DIFFER, variable="names")
    titles = [f"{v}:{a}" for v in when.levels for a in group.levels]
    titles += list(given[: fixed.shape[1]])
    titles += [f"{name}:{v}" for name in given[fixed.shape[1] :] for v in when.levels]
    whole = np.column_stack([cell, fixed, spread])
    refuse_dependent(whole, titles)
    return Design(whole, tuple(titles))


def _mean_lines(when: Labels, group: Labels, fixed: Floats, free: Floats) -> Floats:
    """The contrasts of the least-squares means, (visits, arms, p)."""
    visits, arms = len(when), len(group)
    lines = np.zeros((visits, arms, visits * arms + len(fixed) + len(free) * visits))
    for v in range(visits):
        for a in range(arms):
            lines[v, a, v * arms + a] = 1.0
        lines[v, :, visits * arms : visits * arms + len(fixed)] = fixed
        lines[v, :, visits * arms + len(fixed) + np.arange(len(free)) * visits + v] = free[:, None]
    return lines


def _summary(
    fit: MmrmFit, lines: Floats, cells: npt.NDArray[np.intp], when: Labels, group: Labels, base: int
) -> VisitAnalysis:
    others = [a for a in range(len(group)) if a != base]
    apart = lines[:, others] - lines[:, [base]]
    means = tuple(
        VisitMean(visit, arm, int(cells[v, a]), fit.contrast(lines[v, a]))
        for v, visit in enumerate(when.levels)
        for a, arm in enumerate(group.levels)
    )
    differences = tuple(
        VisitDifference(visit, group.levels[a], group.levels[base], fit.contrast(apart[v, k]))
        for v, visit in enumerate(when.levels)
        for k, a in enumerate(others)
    )
    average = tuple(fit.contrast(apart[:, k].mean(axis=0)) for k in range(len(others)))
    testable = fit.effects.df_method != "normal"
    p = lines.shape[2]
    return VisitAnalysis(
        fit=fit,
        means=means,
        differences=differences,
        average=average,
        interaction=fit.f_test((apart[1:] - apart[:1]).reshape(-1, p)) if testable else None,
        overall=fit.f_test(apart.reshape(-1, p)) if testable else None,
    )


def _check_options(structure: str, estimation: str, conf_level: float) -> None:
    if structure not in STRUCTURES:
        raise CannotEstimate(BAD_ARGUMENT, argument="covariance", allowed=", ".join(STRUCTURES))
    if estimation not in ("reml", "ml"):
        raise CannotEstimate(BAD_ARGUMENT, argument="estimation", allowed="reml, ml")
    if not 0.0 < conf_level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")
