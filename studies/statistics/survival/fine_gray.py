"""Fine & Gray's regression for the incidence of one cause, in the two forms that R's packages give.

"crr" is cmprsk::crr: people who had a competing event stay at risk with the weight G(t-)/G(X-), G the
Kaplan-Meier curve of censoring, and the sandwich variance counts that G was estimated. "finegray" is
survival::finegray followed by coxph: the same people become rows whose weight steps down at each censoring
time, fitted as a weighted Cox model with its robust variance; it takes delayed entry, case weights and Efron's
ties, and treats G as known. The coefficients differ slightly where times are tied.

Sources: Fine & Gray (1999), JASA 94, 496-509; Geskus (2011) for delayed entry; the manual pages crr, predict.crr
and finegray.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Floats
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import causes, cluster_labels, follow_up, labels, matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.cox import column_names, fit_cox
from studies.statistics.survival.curve_limits import check_choice
from studies.statistics.survival.risk_sets import tied_times
from studies.statistics.survival.subdistribution import CrrFit, Expanded, expand, fit_crr

Variant = Literal["crr", "finegray"]


@dataclass(frozen=True)
class FineGrayFit:
    """A fitted model of p covariates; `coef` (p,) are log subdistribution hazard ratios of `cause`.

    covariance -- (p, p): of crr, or robust by subject; naive_se (p,) from the information alone
    loglik, loglik_null -- log pseudo-likelihood at `coef` and at 0
    n, events -- subjects, and those with the cause
    event_times, baseline -- (k,) times of the cause and the steps of the baseline cumulative subhazard
        (crr; None for finegray)
    """

    variant: Variant
    cause: int
    names: tuple[str, ...]
    coef: Floats
    covariance: Floats
    naive_se: Floats
    loglik: float
    loglik_null: float
    n: int
    events: int
    method: str
    event_times: Floats | None = field(repr=False)
    baseline: Floats | None = field(repr=False)

    @property
    def se(self) -> Floats:
        """(p,) standard errors: of `covariance`."""
        return np.sqrt(np.diag(self.covariance))

    @checked
    def hazard_ratio(self, column: int, conf_level: float = CI_LEVEL) -> Estimate:
        """The subdistribution hazard ratio of a covariate with Wald limits and p."""
        if not -len(self.coef) <= column < len(self.coef):
            raise CannotEstimate(BAD_ARGUMENT, argument="column", allowed=", ".join(self.names))
        return wald(float(self.coef[column]), float(self.se[column]), conf_level, scale="log")

    def predict(self, x: npt.ArrayLike, times: npt.ArrayLike) -> Floats:
        """(m, r): the incidence of the cause at m times for r rows of covariates (r, p), as predict.crr.

        1 - exp(-exp(x beta) * baseline up to the time). Raises `CannotEstimate` for variant "finegray", for
        another number of covariates, and for times that are no numbers.
        """
        if self.event_times is None or self.baseline is None:
            raise CannotEstimate(BAD_ARGUMENT, argument="variant", allowed="crr")
        rows = matrix(np.atleast_2d(np.asarray(x, dtype=float)))
        if rows.shape[1] != len(self.coef):
            raise CannotEstimate(BAD_ARGUMENT, argument="x", allowed=f"(r, {len(self.coef)})")
        asked = numbers(np.atleast_1d(np.asarray(times, dtype=float)), "times")
        steps = np.concatenate([[0.0], np.cumsum(self.baseline)])
        reached = steps[np.searchsorted(self.event_times, asked, side="right")]
        return np.asarray(-np.expm1(-np.outer(reached, np.exp(rows @ self.coef))))


@checked
def fit_fine_gray(
    x: npt.ArrayLike,
    time: npt.ArrayLike,
    status: npt.ArrayLike,
    *,
    cause: int = 1,
    variant: Variant = "crr",
    cengroup: Sequence[Hashable] | npt.ArrayLike | None = None,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    robust_by: Literal["subject", "row"] = "subject",
    ties: Literal["efron", "breslow"] = "efron",
    names: Sequence[str] | None = None,
    gtol: float = 1e-6,
    max_iterations: int = 10,
) -> FineGrayFit:
    """Fit to n subjects, one row each: x (n, p), time, status, cengroup, entry, weights, cluster (n,).

    status -- 0 censored, 1, 2, ... kinds of event; `cause` is modelled, all others compete
    cengroup -- groups with a censoring curve of their own (crr's cengroup; strata() in finegray's formula). With
        several groups crr lets only the events of a group count in its correction for estimating G; that is
        kept, because it is what crr reports.
    entry, weights, cluster, ties -- for "finegray" only; "crr" has no such options
    robust_by -- "row": each expanded row on its own, which is what coxph reports for finegray's rows when it is not
        told the subject; the rows of one subject are not independent, so the default is "subject"
    gtol, max_iterations -- crr's rule to stop: its default leaves errors of up to 1e-5 in the coefficients, which
        we repeat by default to agree with it; gtol=1e-12 gives the maximum itself. "finegray" follows coxph.

    Raises `CannotEstimate`: bad input, no event of the cause, constant or dependent columns, as many columns as
    events, a coefficient that runs to infinity, no convergence, options the variant does not have.
    """
    check_choice("variant", variant, get_args(Variant))
    check_choice("robust_by", robust_by, ("subject", "row"))
    kinds = causes(status, "status")
    rows = follow_up(time, (kinds > 0).astype(float), entry=entry, weights=weights)
    table = matrix(x, len(rows))
    titles = column_names(names, table.shape[1])
    if cause < 1 or not (kinds == cause).any():
        raise CannotEstimate(NO_EVENTS)
    if table.shape[1] >= int((kinds == cause).sum()):
        raise CannotEstimate(TOO_MANY_TERMS)
    outcome = np.where(kinds == cause, 1, np.where(kinds > 0, 2, 0)).astype(np.intp)
    group = np.zeros(len(rows), dtype=np.intp)
    if cengroup is not None:
        group = labels(np.asarray(cengroup), "cengroup", len(rows)).codes
    until, came = tied_times(rows.time, rows.entry)
    if variant == "finegray":
        subject = np.arange(len(rows))
        if cluster is not None:
            subject = cluster_labels(np.asarray(cluster), len(rows)).codes
        expanded = expand(until, outcome, came, group)
        owner = np.arange(len(expanded.row)) if robust_by == "row" else subject[expanded.row]
        starts_at_0 = came is None and float(until.min()) == 0
        return _by_finegray(table, expanded, owner, rows.weights, ties, titles, cause, starts_at_0)
    if entry is not None or weights is not None or cluster is not None:
        raise CannotEstimate(BAD_ARGUMENT, argument="variant", allowed="finegray (entry, weights, cluster)")
    if not 0 < gtol < 1 or max_iterations < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="gtol, max_iterations", allowed="0 < gtol < 1, >= 1")
    return _by_crr(
        fit_crr(table, until, outcome, group, titles, gtol, max_iterations), titles, cause, outcome
    )


def _by_crr(fit: CrrFit, titles: tuple[str, ...], cause: int, outcome: npt.NDArray[np.intp]) -> FineGrayFit:
    return FineGrayFit(
        variant="crr",
        cause=cause,
        names=titles,
        coef=fit.coef,
        covariance=fit.covariance,
        naive_se=np.sqrt(np.diag(fit.inverse_information)),
        loglik=fit.loglik,
        loglik_null=fit.loglik_null,
        n=len(outcome),
        events=int((outcome == 1).sum()),
        method=f"Fine-Gray model of cause {cause} (crr), sandwich variance with estimated censoring weights",
        event_times=fit.event_times,
        baseline=fit.baseline,
    )


def _by_finegray(
    table: Floats,
    rows: Expanded,
    owner: npt.NDArray[np.intp],
    weights: Floats | None,
    ties: str,
    titles: tuple[str, ...],
    cause: int,
    starts_at_0: bool,
) -> FineGrayFit:
    # Cox's model knows only the order of times: moved where somebody leaves at 0 and rows therefore start at -1.
    shift = 1.0 if starts_at_0 else 0.0
    fit = fit_cox(
        table[rows.row],
        rows.stop + shift,
        rows.event.astype(float),
        entry=rows.start + shift,
        weights=rows.weight if weights is None else rows.weight * weights[rows.row],
        cluster=owner,
        ties=ties,
        names=titles,
    )
    return FineGrayFit(
        variant="finegray",
        cause=cause,
        names=titles,
        coef=fit.coef,
        covariance=fit.covariance,
        naive_se=fit.naive_se,
        loglik=fit.loglik,
        loglik_null=fit.loglik0,
        n=len(table),
        events=int(rows.event.sum()),
        method=f"Fine-Gray model of cause {cause} (finegray and a weighted Cox model), {ties} ties, robust variance",
        event_times=None,
        baseline=None,
    )
