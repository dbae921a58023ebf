"""The effect with each hospital left out in turn: does one of them make the result?"""

from __future__ import annotations

from studies.analyses.context import Context, Counts, Done, Pen
from studies.analyses.models import fit_model, part_of
from studies.dataset import SITE
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.reasons import CannotEstimate, joined
from studies.statistics.counts.performance_criterion import ONE_SITE
from studies.statistics.probability import CI_LEVEL

METHOD = "the model of {of} without the subjects of one hospital"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Rows by hospital in the lock's own names of them. Raises `CannotEstimate` where there is one alone."""
    model = context.protocol.analysis(analysis.of)
    subset = context.subset(model.population)
    sites = sorted(set(subset.frame[SITE]))
    if len(sites) < 2:
        raise CannotEstimate(ONE_SITE)
    exposure = context.dataset.exposure
    variables = context.variables(model, TIME, EVENT, SITE)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD.format(of=model.id))
    not_done: list[tuple[str, str]] = []
    found: list[float] = []
    for number, site in enumerate(sites, start=1):
        place = f"without_{number}"
        kept = subset.frame[SITE].to_numpy() != site
        part = part_of(subset, kept, f"{subset.population}/{place}")
        try:
            fit = fit_model(model, context, part).fit
        except CannotEstimate as reason:
            not_done.append((f"{analysis.id}.{place}", joined(reason.text)))
            continue
        ratio = fit.hazard_ratio(exposure, CI_LEVEL)
        counts: Counts = {"n": fit.n, "events": fit.events}
        limits = (ratio.lower, ratio.upper)
        pen.write("site", str(site), section=place, **counts)
        pen.write("hazard_ratio", ratio.value, section=place, variable=exposure, limits=limits, **counts)
        found.append(ratio.value)
    if found:
        pen.write("smallest_hazard_ratio", min(found), variable=exposure, n=len(subset.days))
        pen.write("largest_hazard_ratio", max(found), variable=exposure, n=len(subset.days))
    return Done(tuple(pen.rows), not_done=tuple(not_done))
