"""The Cox model of a planned analysis, on its population or on a part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from studies.analyses.context import Context, Subset
from studies.analyses.small_samples import (
    FEW,
    ONE_CARRIES,
    TOO_MANY_TO_LEAVE_OUT,
    LeftOut,
    by_leaving_out,
    few,
)
from studies.analyses.strata import strata_of
from studies.design import Design, design
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS
from studies.reasons import FEW_EVENTS, LOW_ESS, NO_EVENTS, NO_EVENTS_IN_ARM, CannotEstimate, joined
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.weights import effective_sample_size
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.cox import CoxFit, fit_cox

EVENTS_FOR_EACH_TERM = 10


@dataclass(frozen=True)
class Model:
    """A fit, the design it was made of, and the weights of its rows (None: unweighted).

    A fit of matched pairs has the rows of those who were matched, and no others. `rows` are the people of the fit,
    `pair` numbers them by matched pair (None: not matched).
    """

    fit: CoxFit
    design: Design
    weights: Floats | None
    rows: Subset
    pair: Ints | None = None


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

    With weights the covariates are in the propensity score, and the outcome model has the exposure alone. Matched
    pairs are the clusters of its robust variance (Austin & Small 2014, Statistics in Medicine 33:4306).
    """
    subset.require_both_arms()
    require_events(subset, context)
    covariates = tuple(one for one in analysis.covariates if one != without)
    made = context.weighting(subset, replace(analysis, covariates=covariates)) if covariates else None
    weights, pair = (made.values, made.pair) if made is not None else (None, None)
    if weights is not None and pair is not None:
        used = weights > 0
        subset = part_of(subset, used, f"{subset.population}/matched")
        require_events(subset, context)
        weights, pair = weights[used], pair[used]
        interaction = interaction if interaction is None else interaction[used]
    model = design(subset.frame, context.protocol, () if made is not None else covariates, exposure=True)
    x, names = model.x, model.columns
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
        cluster=pair,
        strata=strata_of(analysis, subset),
    )
    return Model(fit, model, weights, subset, pair)


def effect_of(
    analysis: PlannedAnalysis, context: Context, subset: Subset, model: Model, *, without: str = ""
) -> LeftOut:
    """The hazard ratio of the exposure, its error on the log scale, and how limits were made where not by the model.

    A weighted model of few subjects is fitted anew, weights and all, without each of them. Matched pairs stay as they
    are, and each is left out in turn.
    """
    exposure = context.dataset.exposure
    if model.weights is None or not few(*model.rows.sizes):
        return LeftOut(model.fit.hazard_ratio(exposure, CI_LEVEL), "")
    if model.pair is not None:
        rows, weights, x = model.rows, model.weights, model.design.x
        strata = strata_of(analysis, rows)

        def of_pairs(kept: Bools) -> float:
            labels = None if strata is None else [one for one, used in zip(strata, kept, strict=True) if used]
            fit = fit_cox(x[kept], rows.days[kept], rows.event[kept], weights=weights[kept], strata=labels)
            return float(fit.coef[0])

        return _or_robust(
            model, exposure, lambda: by_leaving_out(of_pairs, len(x), scale="log", cluster=model.pair)
        )

    def of_people(kept: Bools) -> float:
        fit = fit_model(analysis, context, without_some(subset, kept), without=without).fit
        return float(fit.coef[fit.column(exposure)])

    return _or_robust(model, exposure, lambda: by_leaving_out(of_people, len(subset.days), scale="log"))


def _or_robust(model: Model, exposure: str, leave_out: Callable[[], LeftOut]) -> LeftOut:
    """Where somebody cannot be left out the model's own limits stand, with a warning."""
    try:
        return leave_out()
    except CannotEstimate:
        return LeftOut(model.fit.hazard_ratio(exposure, CI_LEVEL), "", (joined(ONE_CARRIES.about()),))


def warnings_of(model: Model, context: Context) -> list[str]:
    """Few events for the terms; of weights also a small effective sample, and errors that are too short."""
    warnings = []
    if model.fit.events < EVENTS_FOR_EACH_TERM * len(model.fit.coef):
        warnings.append(joined(FEW_EVENTS.about()))
    if model.weights is None:
        return warnings
    if min(model.rows.sizes) < FEW and not few(*model.rows.sizes):
        warnings.append(joined(TOO_MANY_TO_LEAVE_OUT.about()))
    for arm in ARMS:
        size = effective_sample_size(model.weights[model.rows.arm(arm)])
        if size < context.protocol.diagnostics.smallest_effective_sample:
            warnings.append(joined(LOW_ESS.about(arm=context.protocol.exposure.arm_title(arm))))
    return warnings


def part_of(subset: Subset, chosen: Bools, name: str) -> Subset:
    """Some of the people of a subset. `name` stands for them where scores are kept."""
    return Subset(
        name, subset.frame[chosen], subset.exposed[chosen], subset.days[chosen], subset.event[chosen]
    )


def without_some(subset: Subset, kept: Bools) -> Subset:
    """Those kept, whose scores nobody asks for again."""
    return replace(part_of(subset, kept, f"{subset.population}/part"), is_kept=False)
