"""The Cox model of a planned analysis, on its population or on a part of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studies.analyses.context import Context, Subset
from studies.analyses.strata import strata_of
from studies.design import Design, design
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS
from studies.reasons import NO_EVENTS, NO_EVENTS_IN_ARM, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.survival.cox import CoxFit, fit_cox


@dataclass(frozen=True)
class Model:
    """A fit, the design it was made of, and the weights of its rows (None: unweighted)."""

    fit: CoxFit
    design: Design
    weights: Floats | None


def require_events(subset: Subset, context: Context) -> None:
    """Raises `CannotEstimate` without events, or where an arm has none."""
    if not subset.event.any():
        raise CannotEstimate(NO_EVENTS)
    for arm in ARMS:
        if not subset.event[subset.arm(arm)].any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=context.protocol.exposure.arm_title(arm))


def fit_model(
    analysis: PlannedAnalysis,
    context: Context,
    subset: Subset,
    *,
    without: str = "",
    interaction: Floats | None = None,
) -> Model:
    """The model of `analysis` on `subset`.

    without     -- a covariate that is left out: constant in a subgroup of its own
    interaction -- (n, q) columns put behind the design's: the exposure times the further levels of a covariate

    With weights the covariates are in the propensity score, and the outcome model has the exposure alone.
    """
    subset.require_both_arms()
    require_events(subset, context)
    covariates = tuple(one for one in analysis.covariates if one != without)
    weights = context.weights(subset, replace(analysis, covariates=covariates)) if covariates else None
    adjusted_for = () if weights is not None else covariates
    made = design(subset.frame, context.protocol, adjusted_for, exposure=True)
    x, names = made.x, made.columns
    if interaction is not None:
        x = np.column_stack([x, interaction])
        names = (*names, *(f"interaction_{place}" for place in range(interaction.shape[1])))
    fit = fit_cox(
        x,
        subset.days,
        subset.event,
        names=names,
        weights=weights,
        robust=weights is not None,
        strata=strata_of(analysis, subset),
    )
    return Model(fit, made, weights)


def part_of(subset: Subset, chosen: Bools, name: str) -> Subset:
    """Some of the people of a subset. `name` stands for them where scores are kept."""
    return Subset(
        name, subset.frame[chosen], subset.exposed[chosen], subset.days[chosen], subset.event[chosen]
    )
