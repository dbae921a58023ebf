"""The effect with each hospital left out in turn: does one of them make the result?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

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
    found = list(_effects(model, context, subset, sites))
    reasons = [one.effect for one in found if isinstance(one.effect, CannotEstimate)]
    if len(reasons) == len(sites):
        raise _of_all(reasons)
    not_done: list[tuple[str, str]] = []
    for number, (site, people, effect) in enumerate(found, start=1):
        place = f"without_{number}"
        counts: Counts = {"n": len(people.days), "events": int(people.event.sum())}
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
    ratios = [one.effect.estimate.value for one in found if isinstance(one.effect, LeftOut)]
    # Of several models, each of other people: how many stand behind which is told in its own line.
    pen.write("smallest_hazard_ratio", min(ratios), variable=exposure)
    pen.write("largest_hazard_ratio", max(ratios), variable=exposure)
    return Done(tuple(pen.rows), not_done=tuple(not_done))


class _Without(NamedTuple):
    """A hospital left out. `people` are those of the model, or everybody left where there is none."""

    site: str
    people: Subset
    effect: LeftOut | CannotEstimate


def _effects(
    model: PlannedAnalysis, context: Context, subset: Subset, sites: list[str]
) -> Iterator[_Without]:
    """In the order of the sites. Weights are made anew without the hospital."""
    parts = [
        part_of(subset, subset.frame[SITE].to_numpy() != site, f"{subset.population}/without_{number}")
        for number, site in enumerate(sites, start=1)
    ]
    if model.weights == "none":
        x = design(subset.frame, context.protocol, model.covariates, exposure=False).x
        outcome = CoxOutcome(subset.days, subset.event, strata=strata_of(model, subset))
        by_site = subset.frame[SITE].astype(str).tolist()
        found = {
            str(one.site): one.effect or one.not_estimated
            for one in leave_one_site_out(outcome, subset.exposed, by_site, covariates=x)
        }
        for site, part in zip(sites, parts, strict=True):
            effect = found[str(site)]
            assert effect is not None  # noqa: S101 - the kernel gives one of the two
            yield _Without(site, part, LeftOut(effect, "") if isinstance(effect, Estimate) else effect)
        return
    for site, part in zip(sites, parts, strict=True):
        try:
            fitted = fit_model(model, context, part)
            made = effect_of(model, context, part, fitted)
        except CannotEstimate as reason:
            yield _Without(site, part, reason)
            continue
        warned = replace(made, warnings=(*warnings_of(fitted, context), *made.warnings))
        yield _Without(site, fitted.rows, warned)


def _of_all(reasons: list[CannotEstimate]) -> CannotEstimate:
    if all(one.reason is ONE_ARM for one in reasons):
        return CannotEstimate(SITES_ARE_ARMS)
    return CannotEstimate(NONE_WITHOUT, why=reasons[0].text)
