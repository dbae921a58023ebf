"""The effect with each hospital left out in turn: does one of them make the result?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.models import effect_of, fit_model, part_of, warnings_of
from studies.analyses.small_samples import LeftOut
from studies.analyses.strata import strata_of
from studies.dataset import SITE
from studies.design import design
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.reasons import ONE_ARM, CannotEstimate, Reason, joined
from studies.statistics.counts.performance_criterion import ONE_SITE
from studies.statistics.estimate import Estimate
from studies.statistics.subgroups import CoxOutcome, leave_one_site_out

SITES_ARE_ARMS = Reason(
    "sites_are_arms",
    "两个组各在不同的医院：剔除任何一家医院后都只剩一个组，无法逐一剔除。",
    "The arms are at different hospitals: without any one of them a single arm is left, and none can be left out.",
)
NONE_WITHOUT = Reason(
    "none_without",
    "剔除任何一家医院后都无法估计：{why}",
    "Whichever hospital is left out, nothing can be estimated: {why}",
)
METHOD = "the model of {of} without the subjects of one hospital"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Rows by hospital in the lock's own names of them. Raises `CannotEstimate` where there is one alone, or where
    nothing can be estimated whichever is left out.
    """
    model = context.protocol.analysis(analysis.of)
    subset = context.subset(model.population)
    subset.require_both_arms()
    sites = sorted(set(subset.frame[SITE]))
    if len(sites) < 2:
        raise CannotEstimate(ONE_SITE)
    exposure = context.dataset.exposure
    variables = context.variables(model, TIME, EVENT, SITE)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD.format(of=model.id))
    effects = dict(_effects(model, context, subset, sites))
    reasons = [one for one in effects.values() if isinstance(one, CannotEstimate)]
    if len(reasons) == len(sites):
        raise _of_all(reasons)
    not_done: list[tuple[str, str]] = []
    for number, (site, effect) in enumerate(effects.items(), start=1):
        place = f"without_{number}"
        kept = subset.frame[SITE].to_numpy() != site
        counts: Counts = {"n": int(kept.sum()), "events": int(subset.event[kept].sum())}
        pen.write("site", str(site), section=place, **counts)
        if isinstance(effect, CannotEstimate):
            not_done.append((f"{analysis.id}.{place}", joined(effect.text)))
            continue
        ratio = effect.estimate
        pen.write(
            "hazard_ratio",
            ratio.value,
            section=place,
            variable=exposure,
            limits=(ratio.lower, ratio.upper),
            warnings=effect.warnings,
            method="; ".join(one for one in (METHOD.format(of=model.id), effect.method) if one),
            **counts,
        )
    found = [one.estimate.value for one in effects.values() if isinstance(one, LeftOut)]
    pen.write("smallest_hazard_ratio", min(found), variable=exposure, n=len(subset.days))
    pen.write("largest_hazard_ratio", max(found), variable=exposure, n=len(subset.days))
    return Done(tuple(pen.rows), not_done=tuple(not_done))


def _effects(
    model: PlannedAnalysis, context: Context, subset: Subset, sites: list[str]
) -> Iterator[tuple[str, LeftOut | CannotEstimate]]:
    """In the order of the sites. Weights are made anew without the hospital."""
    if model.weights == "none":
        x = design(subset.frame, context.protocol, model.covariates, exposure=False).x
        outcome = CoxOutcome(subset.days, subset.event, strata=strata_of(model, subset))
        by_site = subset.frame[SITE].astype(str).tolist()
        found = {
            str(one.site): one.effect or one.not_estimated
            for one in leave_one_site_out(outcome, subset.exposed, by_site, covariates=x)
        }
        for site in sites:
            effect = found[str(site)]
            assert effect is not None  # noqa: S101 - the kernel gives one of the two
            yield site, LeftOut(effect, "") if isinstance(effect, Estimate) else effect
        return
    for number, site in enumerate(sites, start=1):
        kept = subset.frame[SITE].to_numpy() != site
        part = part_of(subset, kept, f"{subset.population}/without_{number}")
        try:
            fitted = fit_model(model, context, part)
            made = effect_of(model, context, part, fitted)
            yield site, replace(made, warnings=(*warnings_of(fitted, context), *made.warnings))
        except CannotEstimate as reason:
            yield site, reason


def _of_all(reasons: list[CannotEstimate]) -> CannotEstimate:
    if all(one.reason is ONE_ARM for one in reasons):
        return CannotEstimate(SITES_ARE_ARMS)
    return CannotEstimate(NONE_WITHOUT, why=reasons[0].text)
