"""Multiple imputation by chained equations: every incomplete variable in turn, given all the others.

van Buuren & Groothuis-Oudshoorn (2011), J Stat Softw 45(3). For a covariate of a survival model the event
indicator and the cumulative hazard at the subject's own time belong among the predictors (White & Royston
2009, Stat Med 28:1982): `survival_predictors` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    BAD_CODES,
    CONSTANT,
    LENGTHS_DIFFER,
    NO_SUBJECTS,
    NOT_A_NUMBER,
    CannotEstimate,
    Reason,
)
from studies.statistics import Bools, Floats
from studies.statistics.inputs import follow_up
from studies.statistics.missing.draws import draw_category, draw_normal, draw_pmm
from studies.statistics.options import checked

Method = Literal["pmm", "normal", "logistic", "multinomial"]
_METHODS = ("pmm", "normal", "logistic", "multinomial")

NEVER_OBSERVED = Reason(
    "never_observed",
    "变量“{variable}”在所有受试者中均缺失，无法填补。",
    "The variable '{variable}' is missing in every subject and cannot be imputed.",
)
NO_METHOD = Reason(
    "no_method",
    "变量“{variable}”有缺失值，但未指定填补方法。",
    "The variable '{variable}' has missing values and no method of imputation.",
)
UNKNOWN_VARIABLE = Reason(
    "unknown_variable", "没有名为“{variable}”的变量。", "There is no variable named '{variable}'."
)
_DEPENDENT = 1e-7  # what a standardised column must add beyond the ones before it, to stay in a model


@dataclass(frozen=True)
class Imputations:
    """m completed data sets of n rows.

    observed[name] (n,) holds NaN where a value was missing; drawn[name] (m, missing) the values for those
    rows, in the order of rows. chain_mean and chain_sd [name] (m, iterations) are mean and deviation of the
    values drawn in each round: flat, mixed lines mean convergence; r_hat[name] is Gelman & Rubin's (1992)
    measure over the second half of the rounds (near 1 is good; None for a single round or chain). dropped[name]
    are predictors left out of its model because they followed from others among the rows observed.
    """

    observed: dict[str, Floats]
    drawn: dict[str, Floats]
    chain_mean: dict[str, Floats]
    chain_sd: dict[str, Floats]
    r_hat: dict[str, float | None]
    dropped: dict[str, tuple[str, ...]]
    methods: dict[str, Method]
    m: int
    iterations: int
    seed: int
    method: str

    @checked
    def completed(self, number: int) -> dict[str, Floats]:
        """The columns of data set `number`, counted from 0. Raises `CannotEstimate` beyond m - 1."""
        if not 0 <= number < self.m:
            raise CannotEstimate(BAD_ARGUMENT, argument="number", allowed=f"0 ... {self.m - 1}")
        whole = {}
        for name, column in self.observed.items():
            whole[name] = column.copy()
            if name in self.drawn:
                whole[name][np.isnan(column)] = self.drawn[name][number]
        return whole


@checked
def impute(
    columns: Mapping[str, npt.ArrayLike],
    methods: Mapping[str, Method],
    *,
    seed: int,
    m: int = 20,
    iterations: int = 10,
    donors: int = 5,
    predictors: Mapping[str, Sequence[str]] | None = None,
    measured: Mapping[str, float] | None = None,
    visit_order: Sequence[str] | None = None,
) -> Imputations:
    """Impute every incomplete column, m times.

    columns: name -> (n,) numbers, NaN where missing; logistic takes 0/1 and multinomial codes 0, 1, 2, ...,
    which enter other models as indicators. `predictors` limits the predictors of a variable; `measured` gives
    the time of a variable, which then is predicted only by what was measured no later (a column without a time
    predicts all). Variables are visited from the least to the most missing unless `visit_order` says otherwise.
    Each chain has its own stream of random numbers, so the first chains do not depend on m.

    Raises `CannotEstimate` for an incomplete column without a method, one that was never observed or has a
    single value (logistic, multinomial), wrong codes, unequal lengths, and too many predictors.
    """
    table = _columns(columns)
    order = _visit_order(table, methods, visit_order)
    _check(m, iterations, donors)
    for name in order:
        _check_codes(name, methods[name], table[name])
    chosen = {name: _predictors(name, table, predictors, measured) for name in order}
    missing = {name: np.isnan(table[name]) for name in order}
    levels = {
        name: int(np.nanmax(column)) + 1
        for name, column in table.items()
        if methods.get(name) == "multinomial"
    }
    drawn = {name: np.empty((m, int(missing[name].sum()))) for name in order}
    means = {name: np.empty((m, iterations)) for name in order}
    spreads = {name: np.empty((m, iterations)) for name in order}
    dropped: dict[str, set[str]] = {name: set() for name in order}
    for chain in range(m):
        rng = np.random.default_rng([seed, chain])
        filled = _first_guess(table, missing, rng)
        for round_ in range(iterations):
            for name in order:
                x, left_out = _design(filled, chosen[name], levels, ~missing[name])
                dropped[name].update(left_out)
                new = _one(name, methods[name], x, filled[name], ~missing[name], rng, donors, levels)
                filled[name][missing[name]] = new
                means[name][chain, round_], spreads[name][chain, round_] = new.mean(), new.std()
        for name in order:
            drawn[name][chain] = filled[name][missing[name]]
    return Imputations(
        observed=table, drawn=drawn, chain_mean=means, chain_sd=spreads,
        r_hat={name: _r_hat(means[name]) for name in order},
        dropped={name: tuple(sorted(dropped[name])) for name in order},
        methods={name: methods[name] for name in order}, m=m, iterations=iterations, seed=seed,
        method=f"Multiple imputation by chained equations, {m} data sets, {iterations} rounds, seed {seed}: "
        + (", ".join(f"{name} by {methods[name]}" for name in order) or "nothing was missing"),
    )  # fmt: skip


def survival_predictors(
    time: npt.ArrayLike, event: npt.ArrayLike, *, entry: npt.ArrayLike | None = None
) -> dict[str, Floats]:
    """What of a survival outcome predicts a covariate: `event` (n,) and `cumulative_hazard` (n,).

    The hazard is Nelson and Aalen's at each subject's own time (White & Royston 2009): it uses nothing that
    happened to the subject later. time, event, entry as everywhere.
    """
    rows = follow_up(time, event, entry=entry)
    times = np.unique(rows.time[rows.event])
    deaths = np.bincount(np.searchsorted(times, rows.time[rows.event]), minlength=len(times))
    at_risk = len(rows) - np.searchsorted(np.sort(rows.time), times, "left")
    if rows.entry is not None:
        at_risk = at_risk - (len(rows) - np.searchsorted(np.sort(rows.entry), times, "left"))
    hazard = np.concatenate([[0.0], np.cumsum(deaths / np.maximum(at_risk, 1))])
    until = hazard[np.searchsorted(times, rows.time, "right")]
    if rows.entry is not None:
        until = until - hazard[np.searchsorted(times, rows.entry, "right")]
    return {"event": rows.event.astype(np.float64), "cumulative_hazard": until}


def _columns(columns: Mapping[str, npt.ArrayLike]) -> dict[str, Floats]:
    table: dict[str, Floats] = {}
    for name, values in columns.items():
        try:
            column = np.array(values, dtype=np.float64)
        except (TypeError, ValueError) as not_numbers:
            raise CannotEstimate(NOT_A_NUMBER, variable=name) from not_numbers
        if column.ndim != 1 or np.isinf(column).any():
            raise CannotEstimate(NOT_A_NUMBER, variable=name)
        if table and len(column) != len(next(iter(table.values()))):
            raise CannotEstimate(LENGTHS_DIFFER, variable=name)
        table[name] = column
    if not table or len(next(iter(table.values()))) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    return table


def _visit_order(
    table: dict[str, Floats], methods: Mapping[str, Method], visit_order: Sequence[str] | None
) -> list[str]:
    missing = {name: int(np.isnan(column).sum()) for name, column in table.items()}
    for name in [*methods, *(visit_order or ())]:
        if name not in table:
            raise CannotEstimate(UNKNOWN_VARIABLE, variable=name)
    incomplete = [name for name, count in missing.items() if count]
    for name in incomplete:
        if name not in methods:
            raise CannotEstimate(NO_METHOD, variable=name)
        if methods[name] not in _METHODS:
            raise CannotEstimate(BAD_ARGUMENT, argument="methods", allowed=", ".join(_METHODS))
        if missing[name] == len(table[name]):
            raise CannotEstimate(NEVER_OBSERVED, variable=name)
    if visit_order is None:
        return sorted(incomplete, key=lambda name: missing[name])
    if set(visit_order) < set(incomplete):
        raise CannotEstimate(BAD_ARGUMENT, argument="visit_order", allowed=", ".join(incomplete))
    return [name for name in visit_order if missing[name]]


def _check(m: int, iterations: int, donors: int) -> None:
    for name, value in (("m", m), ("iterations", iterations), ("donors", donors)):
        if value < 1:
            raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="1, 2, ...")


def _check_codes(name: str, method: Method, column: Floats) -> None:
    if method in ("pmm", "normal"):
        return
    seen = np.unique(column[~np.isnan(column)])
    if len(seen) < 2:
        raise CannotEstimate(CONSTANT, variable=name)
    allowed = (0.0, 1.0) if method == "logistic" else tuple(range(len(seen)))
    if not np.isin(seen, allowed).all():
        raise CannotEstimate(BAD_CODES, variable=name)


def _predictors(
    name: str,
    table: dict[str, Floats],
    predictors: Mapping[str, Sequence[str]] | None,
    measured: Mapping[str, float] | None,
) -> list[str]:
    chosen = list((predictors or {}).get(name, [one for one in table if one != name]))
    for one in chosen:
        if one not in table or one == name:
            raise CannotEstimate(UNKNOWN_VARIABLE, variable=one)
    when = measured or {}
    if name not in when:
        return chosen
    return [one for one in chosen if one not in when or when[one] <= when[name]]


def _first_guess(
    table: dict[str, Floats], missing: dict[str, Bools], rng: np.random.Generator
) -> dict[str, Floats]:
    filled = {name: column.copy() for name, column in table.items()}
    for name, holes in missing.items():
        filled[name][holes] = rng.choice(table[name][~holes], int(holes.sum()))
    return filled


def _design(
    filled: dict[str, Floats], chosen: list[str], levels: dict[str, int], seen: Bools
) -> tuple[Floats, list[str]]:
    """An intercept and the standardised predictors, without those that the rows observed cannot tell apart."""
    columns, names = [np.ones(len(seen))], [""]
    for name in chosen:
        if name in levels:
            columns += [(filled[name] == k) * 1.0 for k in range(1, levels[name])]
            names += [name] * (levels[name] - 1)
        else:
            columns.append(filled[name])
            names.append(name)
    x = np.column_stack(columns)
    mean, spread = x[seen, 1:].mean(axis=0), x[seen, 1:].std(axis=0)
    varies = spread > 1e-12 * np.maximum(1.0, np.abs(mean))
    x[:, 1:] = (x[:, 1:] - mean) / np.where(varies, spread, 1.0)
    kept = np.append(True, varies)
    inside = np.flatnonzero(kept)
    added = np.zeros(len(inside))
    diagonal = np.abs(np.diag(np.linalg.qr(x[np.ix_(seen, inside)] / np.sqrt(seen.sum()), mode="r")))
    added[: len(diagonal)] = diagonal
    kept[inside[added < _DEPENDENT]] = False
    return x[:, kept], [name for name, stays in zip(names, kept, strict=True) if not stays]


def _one(
    name: str, method: Method, x: Floats, y: Floats, seen: Bools, rng: np.random.Generator, donors: int,
    levels: dict[str, int],
) -> Floats:  # fmt: skip
    if method == "pmm":
        return draw_pmm(x, y, seen, rng, donors)
    if method == "normal":
        return draw_normal(x, y, seen, rng)
    return draw_category(x, y, seen, rng, levels.get(name, 2), name)


def _r_hat(means: Floats) -> float | None:
    """Between and within chains over the second half of the rounds (Gelman & Rubin 1992, eq. 3 and 4)."""
    chains, rounds = means.shape
    half = means[:, rounds // 2 :]
    n = half.shape[1]
    if chains < 2 or n < 2:
        return None
    within = float(half.var(axis=1, ddof=1).mean())
    between = float(half.mean(axis=1).var(ddof=1))
    if within <= 0:
        return None
    return float(np.sqrt((n - 1) / n + between / within))
