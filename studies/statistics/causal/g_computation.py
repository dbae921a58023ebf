"""Standardisation: predict everybody's outcome with and without the treatment and average (the g-formula)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import ONE_ARM, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.bootstrap import Bootstrapped, Jackknifed, bootstrap, jackknife
from studies.statistics.causal.contrasts import TwoMeans, two_means
from studies.statistics.causal.designs import check_option
from studies.statistics.causal.outcome_models import Family, OutcomeModel, fit_outcome
from studies.statistics.causal.propensity import both_arms
from studies.statistics.inputs import numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

Population = Literal["ATE", "ATT", "ATC"]


@checked
def g_computation(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    modifiers: npt.ArrayLike | None = None,
    family: Family = "linear",
    estimand: Population = "ATE",
    observed: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> TwoMeans:
    """Standardised means of y (n,) over everybody (ATE), the treated (ATT) or the comparators (ATC).

    The outcome model holds treatment, x (n, p) and treatment times `modifiers` (n, k). `observed` (n,)
    marks the rows whose y is known: the model is fitted on them, the average is over all rows (y of the
    others is ignored). A row's influence is its own deviation from the average plus the average's gradient
    times its influence on the coefficients (delta method with robust coefficients; Robins 1986, Snowden
    et al. 2011). Raises `CannotEstimate`: bad numbers, one arm, and as `fit_outcome`.
    """
    arms = both_arms(treated)
    known = np.ones(len(arms), dtype=bool) if observed is None else yes_no(observed, "observed", len(arms))
    outcome = numbers(y, "y", len(arms))
    both_arms(arms[known]) if known.any() else _refuse()
    share = _share(arms, estimand, np.ones(len(arms)))
    model = fit_outcome(outcome, arms, x, modifiers, family, known.astype(float))
    means = share @ model.predicted
    influence = share[:, None] * (model.predicted - means) + model.influence @ model.mean_gradient(share).T
    return two_means(
        float(means[0]),
        float(means[1]),
        influence,
        ess=(float((arms & known).sum()), float((~arms & known).sum())),
        estimand=estimand,
        method=f"g-computation, {family} outcome model, averaged over {_over(estimand)}; delta-method errors",
        conf_level=conf_level,
    )


@checked
def g_computation_model(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    modifiers: npt.ArrayLike | None = None,
    family: Family = "linear",
) -> OutcomeModel:
    """The outcome model itself, for its coefficients. Arguments and errors as `g_computation`."""
    arms = both_arms(treated)
    return fit_outcome(numbers(y, "y", len(arms)), arms, x, modifiers, family, np.ones(len(arms)))


@checked
def bootstrap_g_computation(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    modifiers: npt.ArrayLike | None = None,
    family: Family = "linear",
    estimand: Population = "ATE",
    observed: npt.ArrayLike | None = None,
    replications: int = 1000,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> Bootstrapped:
    """`g_computation` on resamples: mean treated, mean comparator, difference. Raises as both."""
    statistics, rows = _resampled(y, treated, x, modifiers, family, estimand, observed)
    return bootstrap(statistics, rows, replications=replications, seed=seed, conf_level=conf_level)


@checked
def jackknife_g_computation(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    modifiers: npt.ArrayLike | None = None,
    family: Family = "linear",
    estimand: Population = "ATE",
    observed: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> Jackknifed:
    """`g_computation` with each subject left out in turn, for small samples. Raises as both."""
    statistics, rows = _resampled(y, treated, x, modifiers, family, estimand, observed)
    return jackknife(statistics, rows, conf_level=conf_level)


def _resampled(
    y: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    modifiers: npt.ArrayLike | None,
    family: Family,
    estimand: Population,
    observed: npt.ArrayLike | None,
) -> tuple[Callable[[Floats], Floats], int]:
    arms = both_arms(treated)
    known = np.ones(len(arms), dtype=bool) if observed is None else yes_no(observed, "observed", len(arms))
    outcome = numbers(y, "y", len(arms))

    def statistics(counts: Floats) -> Floats:
        model = fit_outcome(outcome, arms, x, modifiers, family, counts * known)
        one, zero = _share(arms, estimand, counts) @ model.predicted
        return np.array([one, zero, one - zero])

    return statistics, len(arms)


def _share(arms: Bools, estimand: str, counts: Floats) -> Floats:
    check_option(estimand, ("ATE", "ATT", "ATC"), "estimand")
    inside = {"ATE": counts, "ATT": counts * arms, "ATC": counts * ~arms}[estimand]
    if inside.sum() <= 0:
        raise CannotEstimate(ONE_ARM)
    return np.asarray(inside / inside.sum())


def _over(estimand: str) -> str:
    return {"ATE": "everybody", "ATT": "the treated", "ATC": "the comparators"}[estimand]


def _refuse() -> None:
    raise CannotEstimate(ONE_ARM)
