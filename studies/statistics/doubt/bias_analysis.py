"""Quantitative bias analysis: the result as it would be had the bias not been there.

Simple analyses take one value for each bias parameter, the grid takes several. `probabilistic_bias` draws
them from distributions and adds random error.

Source: Lash, Fox & Fink (2009), Applying Quantitative Bias Analysis to Epidemiologic Data, chapters 4
(selection), 5 (unmeasured confounding) and 6 (misclassification).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.bridging.arguments import number, positive, whole
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

IMPOSSIBLE_CELLS = Reason(
    "impossible_cells",
    "校正后的四格表出现不为正的频数：这些偏倚参数与所观察到的数据不相容。",
    "The corrected table has a cell that is not above 0: these bias parameters do not go with the data.",
)
NO_BETTER_THAN_CHANCE = Reason(
    "no_better_than_chance",
    "灵敏度与特异度之和不大于 1，分类不优于随机，无法校正。",
    "Sensitivity and specificity add up to no more than 1: no better than chance, nothing can be corrected.",
)
EMPTY_CELL = Reason(
    "empty_cell",
    "四格表中有频数为 0 的格子，比值没有有限的估计值。",
    "A cell of the two-by-two table is 0: the ratio has no finite estimate.",
)


@dataclass(frozen=True)
class TwoByTwo:
    """Counts: exposed cases `a`, unexposed cases `b`, exposed non-cases `c`, unexposed non-cases `d`.

    Corrected tables hold expected counts, which are no whole numbers.
    """

    a: float
    b: float
    c: float
    d: float

    @property
    def odds_ratio(self) -> float:
        """ad / bc."""
        return self.a * self.d / (self.b * self.c)

    @property
    def risk_ratio(self) -> float:
        """a/(a + c) over b/(b + d): for cohorts."""
        return (self.a / (self.a + self.c)) / (self.b / (self.b + self.d))


@dataclass(frozen=True)
class Corrected:
    """A table without the bias, and the odds and risk ratio of the observed and of the corrected table."""

    observed: TwoByTwo
    corrected: TwoByTwo
    odds_ratio_observed: float
    risk_ratio_observed: float
    odds_ratio: float
    risk_ratio: float
    method: str


@dataclass(frozen=True)
class ConfounderGrid:
    """Arrays (k,), one row for each combination of the parameters; `estimate` is corrected, with limits.

    bias_factor -- the ratio that confounding alone would show; the observed estimate was divided by it.
    """

    prevalence_exposed: Floats
    prevalence_unexposed: Floats
    confounder_effect: Floats
    bias_factor: Floats
    estimate: Floats
    lower: Floats | None
    upper: Floats | None
    method: str


@checked
def correct_exposure(
    table: TwoByTwo,
    *,
    sensitivity_cases: float,
    specificity_cases: float,
    sensitivity_noncases: float,
    specificity_noncases: float,
) -> Corrected:
    """Undo misclassification of the exposure, among cases and non-cases each with their own accuracy.

    A = (a - (1 - Sp)(a + b)) / (Se + Sp - 1), and likewise among non-cases (Lash et al. 2009, ch. 6).
    Raises `CannotEstimate` for Se + Sp <= 1 and for a corrected cell that is not above 0.
    """
    seen = check_table(table)
    cases = _accuracy(sensitivity_cases, specificity_cases)
    noncases = _accuracy(sensitivity_noncases, specificity_noncases)
    true_a = _true_count(seen.a, seen.a + seen.b, *cases)
    true_c = _true_count(seen.c, seen.c + seen.d, *noncases)
    corrected = TwoByTwo(true_a, seen.a + seen.b - true_a, true_c, seen.c + seen.d - true_c)
    return _corrected(seen, corrected, "exposure misclassification corrected by sensitivity and specificity")


@checked
def correct_outcome(
    table: TwoByTwo,
    *,
    sensitivity_exposed: float,
    specificity_exposed: float,
    sensitivity_unexposed: float,
    specificity_unexposed: float,
) -> Corrected:
    """Undo misclassification of the outcome, among exposed and unexposed each with their own accuracy.

    A = (a - (1 - Sp)(a + c)) / (Se + Sp - 1) among the exposed (Lash et al. 2009, ch. 6). For cohorts: in
    a case-control study sampling depends on the outcome, and these probabilities are not the ones needed.
    Raises as `correct_exposure`.
    """
    seen = check_table(table)
    exposed = _accuracy(sensitivity_exposed, specificity_exposed)
    unexposed = _accuracy(sensitivity_unexposed, specificity_unexposed)
    true_a = _true_count(seen.a, seen.a + seen.c, *exposed)
    true_b = _true_count(seen.b, seen.b + seen.d, *unexposed)
    corrected = TwoByTwo(true_a, true_b, seen.a + seen.c - true_a, seen.b + seen.d - true_b)
    return _corrected(seen, corrected, "outcome misclassification corrected by sensitivity and specificity")


@checked
def correct_selection(
    table: TwoByTwo,
    *,
    exposed_cases: float,
    unexposed_cases: float,
    exposed_noncases: float,
    unexposed_noncases: float,
) -> Corrected:
    """Undo selection: each cell divided by the probability with which its people came in (ch. 4).

    Raises `CannotEstimate` for a probability outside (0, 1].
    """
    seen = check_table(table)
    given = {
        "exposed_cases": exposed_cases, "unexposed_cases": unexposed_cases,
        "exposed_noncases": exposed_noncases, "unexposed_noncases": unexposed_noncases,
    }  # fmt: skip
    p = [number(one, name, 0.0, 1.0, open_low=True) for name, one in given.items()]
    corrected = TwoByTwo(seen.a / p[0], seen.b / p[1], seen.c / p[2], seen.d / p[3])
    return _corrected(seen, corrected, "selection bias corrected by selection probabilities")


@checked
def confounder_grid(
    estimate: float,
    lower: float | None = None,
    upper: float | None = None,
    *,
    prevalence_exposed: npt.ArrayLike,
    prevalence_unexposed: npt.ArrayLike,
    confounder_effect: npt.ArrayLike,
) -> ConfounderGrid:
    """A risk ratio (and limits) without an unmeasured binary confounder, for every combination given.

    prevalence_exposed, prevalence_unexposed -- (i,), (j,) proportions with the confounder in [0, 1].
    confounder_effect -- (k,) risk ratios of confounder and outcome, the same in both arms, above 0.
    bias factor = (p1 (RR - 1) + 1) / (p0 (RR - 1) + 1) (Bross 1966; Lash et al. 2009, ch. 5). The limits move
    by the same factor: the confounder's strength is taken as known. Rows: the last argument varies fastest.
    """
    value = positive(estimate, "estimate")
    p1 = _proportions(prevalence_exposed, "prevalence_exposed")
    p0 = _proportions(prevalence_unexposed, "prevalence_unexposed")
    effect = numbers(confounder_effect, "confounder_effect")
    if (effect <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="confounder_effect", allowed="> 0")
    one, zero, ratio = (axis.ravel() for axis in np.meshgrid(p1, p0, effect, indexing="ij"))
    factor = confounding_bias_factor(one, zero, ratio)
    return ConfounderGrid(
        prevalence_exposed=one,
        prevalence_unexposed=zero,
        confounder_effect=ratio,
        bias_factor=factor,
        estimate=value / factor,
        lower=None if lower is None else number(lower, "lower", 0.0, value, open_low=True) / factor,
        upper=None if upper is None else number(upper, "upper", value) / factor,
        method="external adjustment for one unmeasured binary confounder, over a grid",
    )


def confounding_bias_factor(
    prevalence_exposed: Floats, prevalence_unexposed: Floats, effect: Floats
) -> Floats:
    """(p1 (RR - 1) + 1) / (p0 (RR - 1) + 1), elementwise: the risk ratio due to confounding alone."""
    return (prevalence_exposed * (effect - 1) + 1) / (prevalence_unexposed * (effect - 1) + 1)


def check_table(table: TwoByTwo) -> TwoByTwo:
    """The table, which must hold whole counts above 0. Raises `CannotEstimate` otherwise."""
    for name, cell in (("a", table.a), ("b", table.b), ("c", table.c), ("d", table.d)):
        whole(cell, name, 0)
        if cell == 0:
            raise CannotEstimate(EMPTY_CELL)
    return table


def _accuracy(sensitivity: float, specificity: float) -> tuple[float, float]:
    se = number(sensitivity, "sensitivity", 0.0, 1.0)
    sp = number(specificity, "specificity", 0.0, 1.0)
    if se + sp <= 1.0:
        raise CannotEstimate(NO_BETTER_THAN_CHANCE)
    return se, sp


def _true_count(positives: float, total: float, se: float, sp: float) -> float:
    return (positives - (1.0 - sp) * total) / (se + sp - 1.0)


def _corrected(seen: TwoByTwo, corrected: TwoByTwo, method: str) -> Corrected:
    if min(corrected.a, corrected.b, corrected.c, corrected.d) <= 0:
        raise CannotEstimate(IMPOSSIBLE_CELLS)
    return Corrected(
        seen, corrected, seen.odds_ratio, seen.risk_ratio, corrected.odds_ratio, corrected.risk_ratio, method
    )


def _proportions(values: npt.ArrayLike, name: str) -> Floats:
    column = numbers(values, name)
    if ((column < 0) | (column > 1)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="[0, 1]")
    return column
