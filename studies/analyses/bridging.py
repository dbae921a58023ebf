"""The single arm, weighted to look like an overseas series, against what that series published.

Unanchored: neither side has a comparator in common, so every prognostic factor that was not matched is
counted as effect of the place. The factors that are missing stand in the protocol and in the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset, points
from studies.analyses.horizon import by_horizon
from studies.analyses.performance_criterion import write_follow_up
from studies.analyses.small_samples import LeftOut, by_leaving_out, few
from studies.design import design
from studies.outcome import EVENT, TIME
from studies.planned import Aggregate, PlannedAnalysis
from studies.protocol import EXPOSED
from studies.reasons import NO_SUBJECTS, CannotEstimate, Reason, joined
from studies.results import Series, Value
from studies.statistics import Bools, Floats
from studies.statistics.bridging.maic import MaicResult, arm_of_events, maic
from studies.statistics.estimate import Estimate


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
    problem = _problem(analysis, context, subset, series, kept)
    success = seen.followed[kept]
    if success.all() or not success.any():
        raise CannotEstimate(ALL_ALIKE)
    found = _compare(problem, success)
    made = _of_few(problem, success) if few(len(success)) else None
    method = f"{found.method}; {made[0].method}" if made else found.method
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, method, arm=EXPOSED)
    write_follow_up(pen, seen)
    effect, ours = (made[0].estimate, made[1].estimate) if made else (found.effect, found.ours)
    _write(pen, found, effect, ours, series, analysis, len(success), int(success.sum()))
    return Done(tuple(pen.rows), (_matched(analysis, subset, found),))


FEW_FAILURES = 5
ALL_ALIKE = Reason(
    "all_alike",
    "本研究的受试者全部成功或全部失败：其误差无法估计，不能与境外系列比较。",
    "All or none of our subjects succeeded: the error cannot be told, and nothing be compared with the series.",
)
FEW_OF_ONE_KIND = Reason(
    "few_of_one_kind",
    f"成功或失败不足 {FEW_FAILURES} 例：置信区间可能过窄（模拟覆盖率约 87%）",
    f"fewer than {FEW_FAILURES} succeeded or failed: the limits may be too narrow (about 87 % coverage in simulation)",
)


@dataclass(frozen=True)
class _Problem:
    """Our subjects' covariates `x` (n, p), and what the series published of the same."""

    x: Floats
    columns: tuple[str, ...]
    means: list[float]
    spreads: list[float | None]
    series: Aggregate
    missing: list[str]


def _problem(
    analysis: PlannedAnalysis, context: Context, subset: Subset, series: Aggregate, kept: Bools
) -> _Problem:
    people = subset.frame[subset.exposed][kept]
    model = design(people, context.protocol, analysis.covariates, exposure=False)
    published = {one.name: one for one in series.covariates}
    return _Problem(
        model.x,
        model.columns,
        [published[name].mean for name in model.columns],
        [published[name].sd for name in model.columns],
        series,
        [factor.en for factor in analysis.missing_factors],
    )


def _compare(problem: _Problem, success: Bools, kept: Bools | slice = slice(None)) -> MaicResult:
    """By risk difference, with errors that know that the weights were estimated."""
    return maic(
        success[kept].astype(float),
        problem.x[kept],
        anchored="unanchored",
        measure="risk_difference",
        comparator=arm_of_events(problem.series.successes, problem.series.subjects),
        names=problem.columns,
        target_mean=problem.means,
        target_sd=problem.spreads,
        prognostic_factors=[*problem.columns, *problem.missing],
        effect_modifiers=[],
    )


def _of_few(problem: _Problem, success: Bools) -> tuple[LeftOut, LeftOut]:
    """The difference and our weighted proportion, weights made anew without each subject."""
    theirs = arm_of_events(problem.series.successes, problem.series.subjects)

    def difference(kept: Bools) -> float:
        return _compare(problem, success, kept).effect.value

    def proportion(kept: Bools) -> float:
        return _compare(problem, success, kept).ours.value

    n = len(success)
    return by_leaving_out(difference, n, added_variance=theirs.se**2), by_leaving_out(proportion, n)


def _write(
    pen: Pen,
    found: MaicResult,
    effect: Estimate,
    ours: Estimate,
    series: Aggregate,
    analysis: PlannedAnalysis,
    n: int,
    successes: int,
) -> None:
    counts: Counts = {"n": n, "events": successes}
    plain = found.unadjusted
    short = min(successes, n - successes) < FEW_FAILURES
    warnings = [joined(FEW_OF_ONE_KIND.about())] if short else []
    pen.write("difference", effect.value, limits=(effect.lower, effect.upper), warnings=warnings, **counts)
    pen.write("standard_error", effect.se, **counts)
    pen.write("p_value", effect.p, **counts)
    pen.write("proportion", ours.value, section="matched", limits=_within_1(ours), **counts)
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


def _within_1(share: Estimate) -> tuple[float | None, float | None]:
    """Symmetric limits may pass 0 or 1, a share does not."""
    low, high = share.lower, share.upper
    return (None if low is None else max(low, 0.0)), (None if high is None else min(high, 1.0))


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
