"""The single arm, weighted to look like an overseas series, against what that series published.

Unanchored: neither side has a comparator in common, so every prognostic factor that was not matched is
counted as effect of the place. The factors that are missing stand in the protocol and in the result.
"""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset, points
from studies.analyses.horizon import by_horizon
from studies.analyses.performance_criterion import write_follow_up
from studies.design import design
from studies.outcome import EVENT, TIME
from studies.planned import Aggregate, PlannedAnalysis
from studies.protocol import EXPOSED
from studies.reasons import NO_SUBJECTS, CannotEstimate
from studies.results import Series, Value
from studies.statistics import Bools
from studies.statistics.bridging.maic import MaicResult, arm_of_events, maic


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Raises `CannotEstimate` where no weights of our subjects give the published means."""
    subset = context.subset(analysis.population)
    if not subset.exposed.any():
        raise CannotEstimate(NO_SUBJECTS)
    assert analysis.horizon is not None  # noqa: S101 - a required field of the method
    series = context.protocol.aggregate(analysis.aggregate)
    seen = by_horizon(subset.days[subset.exposed], subset.event[subset.exposed], analysis.horizon)
    kept = ~seen.lost if analysis.lost == "complete_cases" else np.ones(len(seen.lost), dtype=bool)
    if not kept.any():
        raise CannotEstimate(NO_SUBJECTS)
    found = _compare(analysis, context, subset, series, seen.followed, kept)
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, found.method)
    write_follow_up(pen, seen)
    _write(pen, found, series, analysis, int(kept.sum()), int(seen.followed[kept].sum()))
    return Done(tuple(pen.rows), (_matched(analysis, subset, found),))


def _compare(
    analysis: PlannedAnalysis,
    context: Context,
    subset: Subset,
    series: Aggregate,
    success: Bools,
    kept: Bools,
) -> MaicResult:
    """By risk difference, with errors that know that the weights were estimated."""
    people = subset.frame[subset.exposed][kept]
    model = design(people, context.protocol, analysis.covariates, exposure=False)
    published = {one.name: one for one in series.covariates}
    means = [published[name].mean for name in model.columns]
    spreads = [published[name].sd for name in model.columns]
    missing = [factor.en for factor in analysis.missing_factors]
    return maic(
        success[kept].astype(float),
        model.x,
        anchored="unanchored",
        measure="risk_difference",
        comparator=arm_of_events(series.successes, series.subjects),
        names=model.columns,
        target_mean=means,
        target_sd=spreads,
        prognostic_factors=[*model.columns, *missing],
        effect_modifiers=[],
    )


def _write(
    pen: Pen, found: MaicResult, series: Aggregate, analysis: PlannedAnalysis, n: int, successes: int
) -> None:
    counts: Counts = {"n": n, "events": successes}
    effect, ours, plain = found.effect, found.ours, found.unadjusted
    pen.write("difference", effect.value, limits=(effect.lower, effect.upper), **counts)
    pen.write("standard_error", effect.se, **counts)
    pen.write("p_value", effect.p, **counts)
    pen.write("proportion", ours.value, section="matched", limits=(ours.lower, ours.upper), **counts)
    pen.write("difference", plain.value, section="unadjusted", limits=(plain.lower, plain.upper), **counts)
    published = series.successes / series.subjects
    source = f"aggregate result stated in the protocol: {series.source.en}"
    pen.write(
        "proportion", published, section="overseas", n=series.subjects, events=series.successes, method=source
    )
    pen.write("effective_sample_size", found.weights.ess, n=n)
    pen.write("largest_weight_share", found.weights.largest / found.weights.n, n=n)
    pen.write("missing_factors", len(analysis.missing_factors), n=n, method="count of the protocol's list")
    pen.write("bias_to_null", found.bias.to_null, n=n)


def _matched(analysis: PlannedAnalysis, subset: Subset, found: MaicResult) -> Series:
    """Each covariate: ours, ours weighted, theirs."""
    columns = ("variable", "ours", "matched", "overseas")
    made = found.weights
    lines: list[tuple[Value, ...]] = [
        (name, float(ours), float(matched), float(theirs))
        for name, ours, matched, theirs in zip(made.names, made.before, made.after, made.target, strict=True)
    ]
    row_set = f"{subset.population}.{EXPOSED}"
    return Series(f"{analysis.id}.matched", analysis.id, columns, points(lines), row_set)
