"""Coarsened exact matching: people are alike when they fall in the same bin of every covariate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CONSTANT, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.causal.designs import check_option
from studies.statistics.causal.propensity import both_arms
from studies.statistics.causal.strata_weights import strata_weights
from studies.statistics.causal.weights import effective_sample_size
from studies.statistics.inputs import labels, numbers
from studies.statistics.options import checked

Cut = str | int | Sequence[float]
_METHODS = ("sturges", "fd", "scott")
_FEWEST_TAIL = 1.0 / 512.0  # of Freedman-Diaconis' fallback for a covariate whose quartiles are equal


@dataclass(frozen=True)
class Stratified:
    """Subclass (n,) counted from 0, -1 for those left out; weights (n,); how many stayed in each arm."""

    subclass: Ints
    weights: Floats
    strata: int
    matched_treated: int
    matched_comparator: int
    ess_treated: float
    ess_comparator: float
    estimand: str
    method: str


@checked
def match_cem(
    treated: npt.ArrayLike,
    covariates: Mapping[str, npt.ArrayLike],
    *,
    cutpoints: Cut | Mapping[str, Cut] = "sturges",
    estimand: Literal["ATT", "ATC", "ATE"] = "ATT",
) -> Stratified:
    """Coarsened exact matching (Iacus, King & Porro 2012) on named columns (n,).

    Numeric columns are cut by `cutpoints`: "sturges" (MatchIt's default), "fd", "scott", "q4" for
    quartiles, a number of equal bins, or the inner cut points; 0 leaves a column as it is; a mapping gives
    one for each column, "sturges" for those it leaves out. Bins are [low, high), the ends open. Columns of
    text are matched as they are. Raises `CannotEstimate`: bad numbers, unknown methods, one arm, a
    constant numeric column, no stratum with both arms.
    """
    arms = both_arms(treated)
    check_option(estimand, ("ATT", "ATC", "ATE"), "estimand")
    if not covariates:
        raise CannotEstimate(BAD_ARGUMENT, argument="covariates", allowed="one or more")
    cell = np.zeros(len(arms), dtype=np.intp)
    for name, column in covariates.items():
        rule = cutpoints.get(name, "sturges") if isinstance(cutpoints, Mapping) else cutpoints
        code = labels(_coarsened(column, name, len(arms), rule), name, len(arms)).codes
        _, cell = np.unique(cell * (int(code.max()) + 1) + code, return_inverse=True)
    subclass = keep_shared(cell, arms)
    return stratified(subclass, arms, estimand, f"coarsened exact matching, {_described(cutpoints)}")


def keep_shared(cell: Ints, arms: npt.NDArray[np.bool_]) -> Ints:
    """Cells (n,) that hold both arms, counted anew from 0; -1 for the others."""
    groups = int(cell.max()) + 1
    both = (np.bincount(cell[arms], minlength=groups) > 0) & (np.bincount(cell[~arms], minlength=groups) > 0)
    number = np.where(both, np.cumsum(both) - 1, -1)
    return np.asarray(number[cell], dtype=np.intp)


def stratified(subclass: Ints, arms: npt.NDArray[np.bool_], estimand: str, method: str) -> Stratified:
    """The result for subclasses (n,), -1 for none."""
    weights = strata_weights(subclass, arms, estimand)
    used = weights > 0
    return Stratified(
        subclass=subclass,
        weights=weights,
        strata=int(subclass.max()) + 1,
        matched_treated=int((used & arms).sum()),
        matched_comparator=int((used & ~arms).sum()),
        ess_treated=effective_sample_size(weights[arms]),
        ess_comparator=effective_sample_size(weights[~arms]),
        estimand=estimand,
        method=f"{method}; {estimand} weights",
    )


def bin_count(x: Floats, rule: str) -> int:
    """R's nclass.Sturges, nclass.FD and nclass.scott (Sturges 1926; Freedman & Diaconis 1981; Scott 1979)."""
    n = len(x)
    if rule == "sturges":
        return int(np.ceil(np.log2(n) + 1.0))
    if rule == "scott":
        width = 3.5 * float(np.sqrt(x.var(ddof=1))) * n ** (-1.0 / 3.0)
        return int(np.ceil(np.ptp(x) / width)) if width > 0 else 1
    short = np.array([float(f"{one:.5g}") for one in x.tolist()])
    width = 2.0 * float(np.subtract(*np.quantile(short, (0.75, 0.25))))
    tail = 0.25
    while width == 0 and tail / 2.0 >= _FEWEST_TAIL:
        tail /= 2.0
        width = float(np.subtract(*np.quantile(short, (1.0 - tail, tail)))) / (1.0 - 2.0 * tail)
    width = width or 3.5 * float(np.sqrt(x.var(ddof=1)))
    return int(np.ceil(np.ptp(x) / width * n ** (1.0 / 3.0))) if width > 0 else 1


def _coarsened(column: npt.ArrayLike, name: str, rows: int, rule: Cut) -> npt.ArrayLike:
    if np.asarray(column).dtype.kind not in "biuf":
        return column
    x = numbers(column, name, rows)
    if isinstance(rule, str):
        if rule.startswith("q") and rule[1:].isdigit() and int(rule[1:]) > 1:
            parts = int(rule[1:])
            return _bin(x, np.quantile(x, np.arange(1, parts) / parts))
        check_option(rule, _METHODS, f"cutpoints ({name})")
        rule = bin_count(x, rule) if len(x) > 1 else 1
    if isinstance(rule, int):
        if rule < 0:
            raise CannotEstimate(BAD_ARGUMENT, argument=f"cutpoints ({name})", allowed="0, 1, 2, ...")
        if rule == 0:
            return x
        if np.ptp(x) == 0:
            raise CannotEstimate(CONSTANT, variable=name)
        return _bin(x, np.linspace(x.min(), x.max(), rule + 1)[1:-1])
    return _bin(x, numbers(rule, f"cutpoints ({name})"))


def _bin(x: Floats, cuts: Floats) -> Floats:
    return np.searchsorted(np.unique(cuts), x, side="right").astype(np.float64)


def _described(cutpoints: Cut | Mapping[str, Cut]) -> str:
    return f"cutpoints {dict(cutpoints) if isinstance(cutpoints, Mapping) else cutpoints!r}"
