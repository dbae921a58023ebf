"""The marginal hazard ratio by a propensity-weighted Cox model, with both kinds of error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import NO_EVENTS_IN_ARM, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.bootstrap import Bootstrapped, Jackknifed, bootstrap, jackknife
from studies.statistics.causal.designs import check_level, check_option, design
from studies.statistics.causal.logistic import expit, irls
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.weighted_means import ESTIMATED, KNOWN, score_correction
from studies.statistics.causal.weights import ESTIMANDS, Estimand, Weights, tilted
from studies.statistics.causal.weights import weights as score_weights
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import follow_up
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.cox import CoxFit, fit_cox


@dataclass(frozen=True)
class IptwCox:
    """The weighted hazard ratio, treated against comparator.

    `hr_known_weights` has the robust error of `coxph(weights=, robust=TRUE)`; `hr_estimated_score` the one
    that knows the score was estimated. Both have the same value; `coef` is its logarithm. `influence`
    (n,) sums to 0 and its squares to the second variance.
    """

    coef: float
    hr_known_weights: Estimate
    hr_estimated_score: Estimate
    influence: Floats
    weights: Weights
    fit: CoxFit
    method_known_weights: str
    method_estimated_score: str


@checked
def iptw_cox(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    stabilised: bool = False,
    truncate: tuple[float, float] | None = None,
    ties: str = "efron",
    names: Sequence[str] | None = None,
    conf_level: float = CI_LEVEL,
) -> IptwCox:
    """Cox on treatment alone, weighted by a logistic score on x (n, p); time, event, treated (n,).

    Known weights: Lin & Wei (1989), Binder (1992). Estimated score: a row's score residual is the
    derivative of the weighted score with respect to its weight, so the coefficients of the propensity
    model enter as in `weighted_means.score_correction` (Hajage et al. 2018; Shu et al. 2021); with
    `stabilised` the share treated enters too. Raises as `propensity_score`, `weights`, `fit_cox`, and when
    an arm has no events.
    """
    check_level(conf_level)
    ps = propensity_score(treated, x, names=names)
    rows = follow_up(time, event)
    _events_in_both(rows.event, ps.treated)
    made = score_weights(ps.score, treated, estimand=estimand, stabilised=stabilised, truncate=truncate)
    arm = ps.treated.astype(float)
    fit = fit_cox(arm, time, event, weights=made.weights, robust=True, ties=ties, names=("treated",))
    unit = (fit.naive_covariance @ fit.likelihood.score_residuals(fit.state))[0]
    influence = unit * made.weights + score_correction(unit[:, None], made.derivative, ps.treated, x)[:, 0]
    if stabilised:
        influence = influence + _share_correction(unit, ps.score, ps.treated, estimand)
    coef = float(fit.coef[0])
    return IptwCox(
        coef=coef,
        hr_known_weights=wald(coef, float(fit.se[0]), conf_level, "log"),
        hr_estimated_score=wald(coef, float(np.sqrt((influence**2).sum())), conf_level, "log"),
        influence=influence,
        weights=made,
        fit=fit,
        method_known_weights=f"Cox on treatment, {ties} ties; {made.method}; {KNOWN}",
        method_estimated_score=f"Cox on treatment, {ties} ties; {made.method}; {ESTIMATED}",
    )


@checked
def bootstrap_iptw_cox(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    ties: str = "efron",
    replications: int = 1000,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> Bootstrapped:
    """The log hazard ratio (1,) on resamples, score and weights fitted anew in each (Austin 2016).

    Raises as `iptw_cox` and `bootstrap`.
    """
    statistics, rows = _resampled(time, event, treated, x, estimand, ties)
    return bootstrap(statistics, rows, replications=replications, seed=seed, conf_level=conf_level)


@checked
def jackknife_iptw_cox(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    ties: str = "efron",
    conf_level: float = CI_LEVEL,
) -> Jackknifed:
    """The log hazard ratio (1,) with each subject left out in turn, for small samples.

    Raises as `iptw_cox` and `jackknife`.
    """
    statistics, rows = _resampled(time, event, treated, x, estimand, ties)
    return jackknife(statistics, rows, conf_level=conf_level)


def _resampled(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    estimand: Estimand,
    ties: str,
) -> tuple[Callable[[Floats], Floats], int]:
    ps = propensity_score(treated, x)
    check_option(estimand, ESTIMANDS, "estimand")
    rows = follow_up(time, event)
    _events_in_both(rows.event, ps.treated)
    plan = design(x, len(rows))
    arm = ps.treated.astype(float)

    def statistics(counts: Floats) -> Floats:
        at = irls(plan.matrix, arm, counts, np.zeros(len(counts)))
        share = float(counts @ arm / counts.sum())
        # The scale of the weights between the arms matters to Cox: the same stabilised ones every time.
        w, _ = tilted(expit(plan.matrix @ at.beta), ps.treated, estimand)
        w = w * counts * (np.where(ps.treated, share, 1.0 - share) if estimand == "ATE" else 1.0)
        drawn = counts > 0
        fit = fit_cox(
            arm[drawn], rows.time[drawn], rows.event[drawn], weights=w[drawn], robust=False, ties=ties
        )
        return fit.coef

    return statistics, len(rows)


def _events_in_both(event: Bools, treated: Bools) -> None:
    for arm, name in ((treated, "treated"), (~treated, "comparator")):
        if not event[arm].any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=name)


def _share_correction(unit: Floats, score: Floats, treated: Bools, estimand: str) -> Floats:
    """The share treated, which stabilises the weights, is estimated too: its influence is (A - p)/n."""
    share = float(treated.mean())
    w, _ = tilted(score, treated, estimand)
    if estimand == "ATE":
        moves = np.where(treated, w, -w)
    elif estimand == "ATT":
        moves = np.where(treated, 0.0, -w / share**2)
    else:
        moves = np.where(treated, w / (1.0 - share) ** 2, 0.0)
    return np.asarray(float(unit @ moves) * (treated - share) / len(treated))
