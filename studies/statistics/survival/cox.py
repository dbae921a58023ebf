"""Cox regression: Efron or Breslow ties, strata, case weights, delayed entry, offsets, cluster-robust variance.

The fit walks the path of R's `coxph`: Newton's method from `init`, halved where the likelihood falls, stopped
where its relative change is at most `tolerance` (R's `eps` = 1e-9). So coefficients agree with R's to rounding,
not only to the last step's size. What R reports with a warning (a coefficient that runs to infinity) or as NA (a
column that adds nothing) is refused here, by name.

Sources: Cox (1972); Therneau & Grambsch, Modeling Survival Data (2000), chapters 3 and 7; Lin & Wei (1989) for the
robust variance; the manual pages `coxph`, `coxph.control` and `coxph.object` of R's survival 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    DEPENDENT,
    LENGTHS_DIFFER,
    NOT_CONVERGED,
    TOO_MANY_TERMS,
    CannotEstimate,
    Reason,
)
from studies.statistics import Floats
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import Labels, cluster_labels, follow_up, labels, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.chi_squares import ChiSquare, chi_square, wald_test
from studies.statistics.survival.column_checks import check_constant, check_information
from studies.statistics.survival.concordance import Concordance, concordance
from studies.statistics.survival.curve_limits import check_conf
from studies.statistics.survival.partial_likelihood import Evaluated, PartialLikelihood, Totals
from studies.statistics.survival.risk_sets import risk_sets, sums_by, tied_times

MONOTONE = Reason(
    "monotone_likelihood",
    "“{variable}”的系数趋于无穷（单调似然，例如某一类别没有结局事件），没有有限的估计值。",
    "The coefficient of '{variable}' runs to infinity (monotone likelihood: a level without events, for "
    "example): it has no finite estimate.",
)
CLUSTER_NEEDED = Reason(
    "cluster_needed",
    "有进入时间时，同一受试者可有多行记录；稳健方差须用 cluster 指明受试者。",
    "With entry times one person may have several rows: a robust variance needs `cluster` to say which.",
)
T = TypeVar("T", bound=Totals)
TIES = ("efron", "breslow")
TOLERANCE = 1e-9
_SHRINKS = 0.1  # a further Newton step below this share of the last one: the maximum is finite


@dataclass(frozen=True)
class Contrast:
    """Linear combinations L beta: estimate and se (q,), covariance (q, q), and the Wald test that all are 0."""

    estimate: Floats
    se: Floats
    covariance: Floats
    test: ChiSquare


@dataclass(frozen=True)
class CoxFit:
    """A fitted model of p covariates. Arrays follow the order of `names`.

    coef (p,) are log hazard ratios. covariance (p, p) is the reported one: the sandwich where `robust`, else the
    inverse information, which is always in naive_covariance. lrt, wald and score are R's three tests against
    `init`; wald uses the reported covariance, lrt and score the model; robust_score is R's robust score test,
    None unless `robust`. wald and robust_score are None where there are too few clusters for the matrix to have an
    inverse. n counts rows, events rows with an event (unweighted). method is a sentence for the results.
    """

    names: tuple[str, ...]
    coef: Floats
    covariance: Floats
    naive_covariance: Floats
    robust: bool
    loglik: float
    loglik0: float
    lrt: ChiSquare
    wald: ChiSquare | None
    score: ChiSquare
    robust_score: ChiSquare | None
    iterations: int
    n: int
    events: int
    ties: str
    method: str
    time: Floats = field(repr=False, compare=False)
    entry: Floats | None = field(repr=False, compare=False)
    likelihood: PartialLikelihood = field(repr=False, compare=False)
    state: Evaluated = field(repr=False, compare=False)
    cluster: Labels | None = field(repr=False, compare=False)

    @property
    def se(self) -> Floats:
        """(p,) standard errors: of `covariance`."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def naive_se(self) -> Floats:
        """(p,) standard errors from the information alone."""
        return np.sqrt(np.diag(self.naive_covariance))

    @property
    def linear_predictor(self) -> Floats:
        """(n,) x beta + offset, both centred at their means over the rows."""
        # Term by term, not as a product of matrices: equal rows must come out equal to the last bit, for ties.
        eta = np.zeros(self.n)
        for coefficient, column in zip(self.coef, self.likelihood.xt, strict=True):
            eta += coefficient * column
        return eta if self.likelihood.offset is None else eta + self.likelihood.offset

    def column(self, name: str | int) -> int:
        """The place of a covariate given by name or place. Raises `CannotEstimate`."""
        if isinstance(name, str) and name in self.names:
            return self.names.index(name)
        if not isinstance(name, str) and -len(self.names) <= name < len(self.names):
            return name % len(self.names)
        raise CannotEstimate(BAD_ARGUMENT, argument="column", allowed=", ".join(self.names))

    @checked
    def hazard_ratio(self, column: str | int, conf_level: float = CI_LEVEL) -> Estimate:
        """exp(coef) with Wald limits and p; `se` is that of the log hazard ratio."""
        check_conf("log", conf_level)
        at = self.column(column)
        return wald(float(self.coef[at]), float(self.se[at]), conf_level, scale="log")

    def contrast(self, combinations: npt.ArrayLike) -> Contrast:
        """L beta for L (p,) or (q, p), and the joint Wald test. Raises `CannotEstimate(DEPENDENT)` where the
        combinations are not independent."""
        rows = np.atleast_2d(np.asarray(combinations, dtype=float))
        if rows.ndim != 2 or rows.shape[1] != len(self.names) or not np.isfinite(rows).all():
            raise CannotEstimate(LENGTHS_DIFFER, variable="combinations")
        estimate = rows @ self.coef
        covariance = rows @ self.covariance @ rows.T
        test = wald_test(covariance, estimate)
        if test is None:
            raise CannotEstimate(DEPENDENT, variable="combinations")
        return Contrast(estimate, np.sqrt(np.diag(covariance)), covariance, test)

    def concordance(self) -> Concordance:
        """Harrell's C of the linear predictor, with R's standard error (by cluster where there is one)."""
        like = self.likelihood
        return concordance(
            self.linear_predictor,
            like.sets,
            weights=like.weights,
            cluster=None if self.cluster is None else self.cluster.codes,
        )


@checked
def fit_cox(
    x: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    robust: bool | None = None,
    ties: str = "efron",
    names: Sequence[str] | None = None,
    offset: npt.ArrayLike | None = None,
    init: npt.ArrayLike | None = None,
    timefix: bool = True,
    tolerance: float = TOLERANCE,
    max_iterations: int = 20,
) -> CoxFit:
    """Fit Cox's model to n rows.

    x (n, p); time (n,) in any unit, the end of a row's follow-up; event (n,) 0/1; entry (n,) the start, for delayed
    entry and for (start, stop] rows of one person; weights (n,) positive case weights; strata, cluster (n,) labels;
    offset (n,) added to the linear predictor; init (p,) the start of the iteration and the null of the tests.

    robust -- None follows R: the sandwich (Lin & Wei 1989) where there is a cluster or a weight that is no whole
    number. With entry, `robust=True` needs `cluster`, as in R. timefix makes times that differ by rounding equal
    (`tied_times`). Raises `CannotEstimate` for bad columns (studies.statistics.inputs), no events, as many columns
    as events, a constant or dependent column, one that never varies among those at risk, a coefficient that runs to
    infinity, and no convergence.
    """
    if ties not in TIES:
        raise CannotEstimate(BAD_ARGUMENT, argument="ties", allowed=", ".join(TIES))
    rows = follow_up(time, event, entry=entry, weights=weights)
    table = matrix(x, len(rows))
    columns = column_names(names, table.shape[1])
    start = np.zeros(len(columns)) if init is None else numbers(init, "init", len(columns))
    shift = None if offset is None else numbers(offset, "offset", len(rows))
    groups = None if strata is None else labels(strata, "strata", len(rows))
    clusters = None if cluster is None else cluster_labels(cluster, len(rows))
    robust = _robust(robust, rows.weights, clusters, rows.entry)
    until, came = tied_times(rows.time, rows.entry) if timefix else (rows.time, rows.entry)
    sets = risk_sets(
        until,
        rows.event,
        entry=came,
        stratum=None if groups is None else groups.codes,
        levels=(None,) if groups is None else groups.levels,
    )
    if len(columns) >= len(sets.dead):
        raise CannotEstimate(TOO_MANY_TERMS)
    likelihood = PartialLikelihood(table, sets, rows.weights, ties, shift)
    check_constant(likelihood, columns)
    null = likelihood.at(start)
    check_information(null, likelihood, columns)
    state, iterations = maximise(likelihood.at, null, columns, tolerance, max_iterations)
    naive = inverse(state.information)
    covariance = naive if not robust else sandwich(likelihood, state, naive, clusters)
    return CoxFit(
        names=columns,
        coef=state.beta,
        covariance=covariance,
        naive_covariance=naive,
        robust=robust,
        loglik=state.loglik,
        loglik0=null.loglik,
        lrt=chi_square(2.0 * (state.loglik - null.loglik), len(columns)),
        wald=wald_test(covariance, state.beta - start),
        score=chi_square(float(null.score @ inverse(null.information) @ null.score), len(columns)),
        robust_score=_robust_score(likelihood, null, clusters) if robust else None,
        iterations=iterations,
        n=len(rows),
        events=len(sets.dead),
        ties=ties,
        method=_sentence(ties, rows.entry is not None, rows.weights is not None, groups, clusters, robust),
        time=until,
        entry=came,
        likelihood=likelihood,
        state=state,
        cluster=clusters if robust else None,
    )


def maximise(
    at: Callable[[Floats], T], null: T, names: tuple[str, ...], tolerance: float, max_iterations: int
) -> tuple[T, int]:
    """R's iteration (`coxfit6`): the state where the log-likelihood settled, and the number of steps.

    `at` evaluates the likelihood at a beta, `null` is that of the start. Raises `CannotEstimate(MONOTONE)` naming
    the columns whose next step is not small, where a further step does not shrink; `NOT_CONVERGED` where the steps
    ran out for another reason; `BAD_ARGUMENT` for a tolerance that is not above 0, or no step at all.
    """
    if tolerance <= 0.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="tolerance", allowed="> 0")
    if max_iterations < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="max_iterations", allowed="1, 2, ...")
    if not null.finite:
        raise CannotEstimate(NOT_CONVERGED)
    best, halved = null, 0
    beta = null.beta + _step(null, null, names)
    for iteration in range(1, max_iterations + 1):
        state = at(beta)
        if state.finite and abs(state.loglik - best.loglik) <= tolerance * abs(state.loglik):
            _check_finite(at, state, null, names, tolerance)
            return state, iteration
        if not state.finite or state.loglik < best.loglik:
            halved += 1
            beta = (beta + halved * best.beta) / (halved + 1.0)
            continue
        halved, best = 0, state
        beta = state.beta + _step(state, null, names)
    _check_finite(at, best, null, names, tolerance)
    raise CannotEstimate(NOT_CONVERGED)


def sandwich(
    likelihood: PartialLikelihood, state: Evaluated, naive: Floats, clusters: Labels | None
) -> Floats:
    """The robust covariance (p, p): the sum of outer products of the clusters' influence on beta."""
    influence = naive @ score_sums(likelihood, state, clusters)
    product: Floats = influence @ influence.T
    return product


def inverse(information: Floats) -> Floats:
    """The inverse of an information matrix, scaled first so that units do not matter.

    Raises `CannotEstimate(NOT_CONVERGED)` where there is none.
    """
    with np.errstate(all="ignore"):
        scale = 1.0 / np.sqrt(np.diag(information))
    if not np.isfinite(scale).all():
        raise CannotEstimate(NOT_CONVERGED)
    try:
        scaled = np.linalg.inv(information * np.outer(scale, scale))
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(NOT_CONVERGED) from singular
    result: Floats = scaled * np.outer(scale, scale)
    return (result + result.T) / 2.0


def column_names(names: Sequence[str] | None, columns: int) -> tuple[str, ...]:
    """`names`, or x1, x2, ... Raises `CannotEstimate` for another number of them, for none, and for doubles."""
    if columns == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="x", allowed="(n, p), p > 0")
    given = tuple(f"x{number + 1}" for number in range(columns)) if names is None else tuple(names)
    if len(given) != columns or len(set(given)) != columns:
        raise CannotEstimate(LENGTHS_DIFFER, variable="names")
    return given


def _robust(
    asked: bool | None, weights: Floats | None, clusters: Labels | None, entry: Floats | None
) -> bool:
    if asked is None:
        return clusters is not None or (weights is not None and bool((weights != np.floor(weights)).any()))
    if asked and entry is not None and clusters is None:
        raise CannotEstimate(CLUSTER_NEEDED)
    if not asked and clusters is not None:
        raise CannotEstimate(BAD_ARGUMENT, argument="robust", allowed="True, None (cluster)")
    return asked


def _step(state: Totals, null: Totals, names: tuple[str, ...]) -> Floats:
    try:
        step: Floats = inverse(state.information) @ state.score
    except CannotEstimate:
        # The information vanishes only where the coefficients have run far out.
        farthest = int(np.argmax(np.abs(state.beta) * _spread(null)))
        raise CannotEstimate(MONOTONE, variable=names[farthest]) from None
    return step


def _spread(null: Totals) -> Floats:
    """(p,) the covariates' spread, up to a common factor: it puts the coefficients on one scale."""
    return np.asarray(np.sqrt(np.diag(null.information) / max(1.0, -null.loglik)))


def _check_finite(
    at: Callable[[Floats], T], state: T, null: T, names: tuple[str, ...], tolerance: float
) -> None:
    """R's warning "Loglik converged before variable ...", made sure by one more step: where the maximum is
    finite Newton's step shrinks at once, where it is not the coefficient walks on by about as much."""
    step = _step(state, null, names)
    late = (np.abs(step) > np.sqrt(tolerance) * np.abs(state.beta)) & (np.abs(step) > tolerance)
    late &= np.abs(step) * _spread(null) > np.sqrt(tolerance)
    if not late.any():
        return
    further = at(state.beta + step)
    if further.finite:
        again = _step(further, null, names)
        late &= np.abs(again) > _SHRINKS * np.abs(step)
    if late.any():
        named = ", ".join(name for name, is_late in zip(names, late, strict=True) if is_late)
        raise CannotEstimate(MONOTONE, variable=named)


def score_sums(likelihood: PartialLikelihood, state: Evaluated, clusters: Labels | None) -> Floats:
    """(p, clusters) or (p, n): each cluster's or row's part of the score, with its weights."""
    residuals = likelihood.score_residuals(state)
    if likelihood.weights is not None:
        residuals *= likelihood.weights
    return residuals if clusters is None else sums_by(clusters.codes, residuals, len(clusters))


def _robust_score(
    likelihood: PartialLikelihood, null: Evaluated, clusters: Labels | None
) -> ChiSquare | None:
    sums = score_sums(likelihood, null, clusters)
    return wald_test(sums @ sums.T, sums.sum(axis=1))


def _sentence(
    ties: str, entry: bool, weighted: bool, strata: Labels | None, cluster: Labels | None, robust: bool
) -> str:
    parts = [f"Cox proportional hazards model, {ties.capitalize()} ties"]
    if entry:
        parts.append("delayed entry")
    if weighted:
        parts.append("case weights")
    if strata is not None:
        parts.append(f"stratified ({len(strata)} strata)")
    if cluster is not None and robust:
        parts.append(f"robust variance by cluster ({len(cluster)} clusters)")
    elif robust:
        parts.append("robust variance")
    return "; ".join(parts)
