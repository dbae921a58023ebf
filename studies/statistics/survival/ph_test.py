"""The score test of proportional hazards, as R's `cox.zph` computes it since survival 3.0, and the curve to plot.

The test asks whether adding x g(t) to the fitted model improves it, by the exact score test: the information of
the enlarged model at the fit, not the older approximation by its average. g is centred at its mean over the events.

Sources: Grambsch & Therneau (1994); Therneau & Grambsch, Modeling Survival Data (2000), 6.2-6.4; the manual pages
`cox.zph` and `plot.cox.zph` of R's survival 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, PH_NOT_TESTED, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.options import checked
from studies.statistics.probability import chi_square_p
from studies.statistics.survival.cox import CoxFit
from studies.statistics.survival.residuals import schoenfeld

GLOBAL = "GLOBAL"
TRANSFORMS = ("km", "rank", "identity", "log")
Transform = str | Callable[[Floats], Floats]


@dataclass(frozen=True)
class PhLine:
    """One line of the test: a term, all its columns together, or `GLOBAL`."""

    term: str
    chisq: float
    df: int
    p: float


@dataclass(frozen=True)
class PhTest:
    """Lines of the test, and what a plot needs, one row for each of m events, ordered by stratum
    and time, then as in the data (with delayed entry in the reverse order of the data, as R has it).

    x (m,) is g(time), not centred; time (m,); stratum (m,) its number; y (m, terms) estimates of the coefficient as
    a function of time, NaN where a term does not vary in the stratum of the event; for a term of several columns
    y varies about 1, the multiple of its own linear combination. var (terms, terms) is the covariance that a
    band of the smooth needs (`smooth`).
    """

    lines: tuple[PhLine, ...]
    transform: str
    x: Floats
    time: Floats
    stratum: Ints
    y: Floats
    var: Floats
    method: str

    @checked
    def line(self, term: str) -> PhLine:
        """The line of a term or of GLOBAL. Raises `CannotEstimate(BAD_ARGUMENT)` for another name."""
        for one in self.lines:
            if one.term == term:
                return one
        raise CannotEstimate(BAD_ARGUMENT, argument="term", allowed=", ".join(one.term for one in self.lines))


@dataclass(frozen=True)
class Smooth:
    """A curve through the scaled residuals: x (points,) on the transformed scale, its time (by interpolation
    between event times), estimate, and limits two standard errors away, as R draws them."""

    x: Floats
    time: Floats
    estimate: Floats
    lower: Floats
    upper: Floats
    method: str


@checked
def ph_test(
    fit: CoxFit,
    transform: Transform = "km",
    *,
    terms: Mapping[str, Sequence[int | str]] | None = None,
    global_test: bool = True,
) -> PhTest:
    """Test each term of a fit and all together.

    transform -- g: "km" (1 - Kaplan-Meier just before t, all rows, unweighted), "rank" (of the times of all rows),
    "identity", "log", or a function of the times (rows,) -> (rows,). terms -- name: columns that belong together
    (a covariate with levels); None tests each column. Strata, weights, delayed entry and ties are those of the
    fit; a robust variance plays no part, as in R.
    Raises `CannotEstimate`: BAD_ARGUMENT for another transform, NOT_A_NUMBER where g is not finite, PH_NOT_TESTED where
    the enlarged information is singular (a single event time).
    """
    like, sets = fit.likelihood, fit.likelihood.sets
    chosen = _columns(fit, terms)
    g_rows, name = _transformed(fit, transform)
    first_dead = np.zeros(len(sets.times), dtype=np.intp)
    first_dead[sets.time_of_dead] = sets.dead
    g = g_rows[first_dead]
    centred = g - np.average(g, weights=sets.deaths)
    plain = like.information(fit.state, np.ones_like(centred))
    crossed = like.information(fit.state, centred)
    squared = like.information(fit.state, centred * centred)
    gradient = like.score(fit.state, centred)

    def one(term: str, columns: list[int]) -> PhLine:
        enlarged = np.block(
            [[plain, crossed[:, columns]], [crossed[columns, :], squared[np.ix_(columns, columns)]]]
        )
        u = np.concatenate([np.zeros(len(plain)), gradient[columns]])
        chisq = float(u @ _solved(enlarged, u))
        return PhLine(term, chisq, len(columns), chi_square_p(chisq, len(columns)))

    lines = [one(term, columns) for term, columns in chosen.items()]
    if global_test:
        lines.append(one(GLOBAL, list(range(len(fit.coef)))))
    residual = schoenfeld(fit)
    # With delayed entry R walks backwards: events at the same time stand in the reverse order of the data.
    order = np.lexsort(
        (residual.row if fit.entry is None else -residual.row, residual.time, residual.stratum)
    )
    stratum = residual.stratum[order]
    y, var = _for_the_plot(fit, residual.values[order], stratum, chosen, plain)
    return PhTest(
        lines=tuple(lines),
        transform=name,
        x=g_rows[residual.row[order]],
        time=residual.time[order],
        stratum=stratum,
        y=y,
        var=var,
        method=f"score test of proportional hazards (Grambsch and Therneau), g(t) = {name}",
    )


@checked
def smooth(test: PhTest, term: int = 0, *, df: int = 4, points: int = 40) -> Smooth:
    """A natural cubic spline with `df` coefficients through one term's y by least squares, knots at quantiles of the
    grid and x together.

    What R's `plot.cox.zph` draws: the line and a band of two standard errors. Raises `CannotEstimate`:
    BAD_ARGUMENT for a term that is not there, a df below 2, or more than the distinct values of x.
    """
    if not 0 <= term < test.y.shape[1]:
        raise CannotEstimate(BAD_ARGUMENT, argument="term", allowed=f"0-{test.y.shape[1] - 1}")
    if df < 2 or points < 2 or len(np.unique(test.x)) < df:
        raise CannotEstimate(BAD_ARGUMENT, argument="df", allowed="2, 3, ...")
    there = ~np.isnan(test.y[:, term])
    x, y = test.x[there], test.y[there, term]
    grid = np.linspace(test.x.min(), test.x.max(), points)
    knots = np.quantile(np.concatenate([grid, test.x]), np.linspace(0.0, 1.0, df))
    basis, at_grid = _natural_cubic(x, knots), _natural_cubic(grid, knots)
    square = basis.T @ basis
    if len(np.unique(knots)) < df or np.linalg.cond(square) > 1e14:
        raise CannotEstimate(BAD_ARGUMENT, argument="df", allowed=f"< {df}")
    inverse = np.linalg.inv(square)
    estimate = at_grid @ (inverse @ (basis.T @ y))
    error = np.sqrt(test.var[term, term] * np.einsum("ij,jk,ik->i", at_grid, inverse, at_grid))
    order = np.argsort(test.x, kind="stable")
    time = np.interp(grid, test.x[order], test.time[order])
    method = f"natural cubic spline, {df} degrees of freedom, least squares"
    return Smooth(grid, time, estimate, estimate - 2.0 * error, estimate + 2.0 * error, method)


def _columns(fit: CoxFit, terms: Mapping[str, Sequence[int | str]] | None) -> dict[str, list[int]]:
    if terms is None:
        return {name: [at] for at, name in enumerate(fit.names)}
    chosen = {term: [fit.column(one) for one in columns] for term, columns in terms.items()}
    named = [column for columns in chosen.values() for column in columns]
    if not named or len(set(named)) != len(named) or not all(chosen.values()):
        raise CannotEstimate(BAD_ARGUMENT, argument="terms", allowed=", ".join(fit.names))
    return chosen


def _transformed(fit: CoxFit, transform: Transform) -> tuple[Floats, str]:
    times = fit.time
    if callable(transform):
        name, g = getattr(transform, "__name__", "user"), np.asarray(transform(times), dtype=float)
    elif transform == "identity":
        name, g = transform, times
    elif transform == "log":
        with np.errstate(divide="ignore"):
            name, g = transform, np.log(times)
    elif transform == "rank":
        ordered = np.sort(times)
        below = np.searchsorted(ordered, times, side="left")
        name, g = transform, (below + 1 + np.searchsorted(ordered, times, side="right")) / 2.0
    elif transform == "km":
        name, g = transform, _one_minus_km(fit)
    else:
        raise CannotEstimate(BAD_ARGUMENT, argument="transform", allowed=", ".join(TRANSFORMS))
    if g.shape != times.shape or not np.isfinite(g).all():
        raise CannotEstimate(NOT_A_NUMBER, variable="transform")
    return g, name


def _one_minus_km(fit: CoxFit) -> Floats:
    """1 - S(t-) at each row's time; Kaplan-Meier of all rows, without strata and weights, as R does it."""
    times, entry = fit.time, fit.entry
    dead = times[fit.likelihood.sets.dead]
    distinct, deaths = np.unique(dead, return_counts=True)
    at_risk = len(times) - np.searchsorted(np.sort(times), distinct, side="left")
    if entry is not None:
        at_risk = at_risk - (len(entry) - np.searchsorted(np.sort(entry), distinct, side="left"))
    survival = np.concatenate([[1.0], np.cumprod(1.0 - deaths / at_risk)])
    one_minus: Floats = 1.0 - survival[np.searchsorted(distinct, times, side="left")]
    return one_minus


def _for_the_plot(
    fit: CoxFit, residual: Floats, stratum: Ints, terms: Mapping[str, list[int]], information: Floats
) -> tuple[Floats, Floats]:
    """Schoenfeld residuals over the average information of an event, plus the coefficient.

    Where a column is constant within a stratum its events tell nothing of it: the average leaves them out.
    """
    used = _events_that_tell(fit)
    for columns in terms.values():
        used[:, columns] = used[:, columns].max(axis=1, keepdims=True)
    shared = np.minimum(used[:, :, None], used[:, None, :]).sum(axis=0)
    mean = information / np.where(shared == 0, 1, shared)
    to_terms = np.zeros((len(fit.coef), len(terms)))
    for at, columns in enumerate(terms.values()):
        to_terms[columns, at] = 1.0 if len(columns) == 1 else fit.coef[columns]
    mean = to_terms.T @ mean @ to_terms
    told = used[:, [columns[0] for columns in terms.values()]] > 0
    centre = np.array([fit.coef[c[0]] if len(c) == 1 else 1.0 for c in terms.values()])
    y = np.full((len(residual), len(terms)), np.nan)
    values = residual @ to_terms
    for pattern in np.unique(told, axis=0):
        if not pattern.any():
            continue
        rows = np.flatnonzero((told == pattern).all(axis=1)[stratum])
        block = np.ix_(rows, pattern)
        y[block] = np.linalg.solve(mean[np.ix_(pattern, pattern)], values[block].T).T + centre[pattern]
    return y, np.asarray(np.linalg.pinv(mean))


def _events_that_tell(fit: CoxFit) -> Ints:
    """(strata, p): the events of a stratum, or 0 where the column is constant there."""
    like, sets = fit.likelihood, fit.likelihood.sets
    strata = len(sets.levels)
    events = np.bincount(sets.stratum[sets.dead], minlength=strata)
    low, high = np.full((strata, len(fit.coef)), np.inf), np.full((strata, len(fit.coef)), -np.inf)
    for at, column in enumerate(like.xt):
        np.minimum.at(low[:, at], sets.stratum, column)
        np.maximum.at(high[:, at], sets.stratum, column)
    return np.where(high > low, events[:, None], 0)


def _solved(matrix: Floats, right: Floats) -> Floats:
    diagonal = np.diag(matrix)
    if not np.isfinite(diagonal).all() or (diagonal <= 0).any():
        raise CannotEstimate(PH_NOT_TESTED)
    scale = 1.0 / np.sqrt(diagonal)
    scaled = matrix * np.outer(scale, scale)
    if np.linalg.cond(scaled) > 1e12:
        raise CannotEstimate(PH_NOT_TESTED)
    return np.asarray(np.linalg.solve(scaled, right * scale) * scale)


def _natural_cubic(x: Floats, knots: Floats) -> Floats:
    """A basis (len(x), len(knots)) of the natural cubic splines: Hastie, Tibshirani & Friedman (2009), 5.2.1."""
    low, wide = knots[0], knots[-1] - knots[0]
    u, k = (x - low) / wide, (knots - low) / wide

    def tail(at: int) -> Floats:
        cubes = np.maximum(u - k[at], 0.0) ** 3 - np.maximum(u - k[-1], 0.0) ** 3
        return np.asarray(cubes / (k[-1] - k[at]))

    columns = [np.ones_like(u), u, *(tail(at) - tail(len(k) - 2) for at in range(len(k) - 2))]
    return np.column_stack(columns)
