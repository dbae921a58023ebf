"""Table 1: who the arms are, and how alike, before and after weighting."""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Done, Pen, Subset, points
from studies.analyses.cox import write_effective_sample
from studies.balance import standardised_difference, weighted_mean, weighted_standard_deviation
from studies.claims import claim_rules
from studies.design import indicator_columns
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, Covariate
from studies.reasons import IMBALANCE, NOT_ESTIMABLE, CannotEstimate, joined
from studies.results import Series, Value
from studies.statistics import Floats
from studies.statistics.causal.smd_limit import smd_limit

METHOD = "descriptive; standardised mean difference by the pooled SD of the unweighted arms"
LIMIT_METHOD = (
    "the protocol's limit, or what the largest difference of randomised arms stays below with 95 %, "
    "at most {widest}"
)
_LARGEST_DECIMALS = 12  # after overlap weighting a difference is 0 up to rounding: show it as 0


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    weights, not_done = _weights(analysis, subset, context)
    pen = Pen(context, analysis.id, subset.population, context.variables(analysis), METHOD)
    for arm in ARMS:
        count = int(subset.arm(arm).sum())
        pen.write("subjects", count, group=arm, n=count)
    columns_of = {
        name: indicator_columns(subset.frame, context.protocol.covariate(name))
        for name in analysis.covariates
    }
    limit = _limit(subset, sum(len(columns) for columns in columns_of.values()), context)
    pen.write(
        "smd_limit", limit, n=len(subset.days), method=LIMIT_METHOD.format(widest=claim_rules().widest_smd)
    )
    lines: list[tuple[Value, ...]] = []
    for name in analysis.covariates:
        covariate = context.protocol.covariate(name)
        for column, x in columns_of[name]:
            _describe(pen, subset, covariate, column, x, weights)
            lines.append(_differences(pen, subset, column, x, weights, limit))
    if weights is not None:
        write_effective_sample(pen, subset, weights, context)
    columns = ("variable", "level", "smd_unweighted", "smd_weighted")
    love = Series(f"{analysis.id}.love", analysis.id, columns, points(lines), subset.population)
    return Done(tuple(pen.rows), (love,), not_done)


def _weights(
    analysis: PlannedAnalysis, subset: Subset, context: Context
) -> tuple[Floats | None, tuple[tuple[str, str], ...]]:
    """The weights, or why there are none: who the arms are can be told without them."""
    try:
        return context.weights(subset, analysis), ()
    except CannotEstimate as reason:
        return None, ((f"{analysis.id}.weights", joined(reason.text)),)


def _limit(subset: Subset, covariates: int, context: Context) -> float:
    """The protocol's limit; where it says so, not below what randomised arms of this size would exceed by chance.

    By the people in the arms, not by the effective size: else a worse weighting would earn a wider limit. Tiny arms
    would excuse any difference: claims.toml says how wide the limit gets at most.
    """
    diagnostics = context.protocol.diagnostics
    arms = [int(subset.arm(arm).sum()) for arm in ARMS]
    if not diagnostics.smd_by_size or min(arms) < 2:
        return diagnostics.largest_smd
    by_chance = smd_limit(arms[0], arms[1], covariates).limit
    return max(diagnostics.largest_smd, min(by_chance, claim_rules().widest_smd))


def _describe(
    pen: Pen, subset: Subset, covariate: Covariate, column: str, x: Floats, weights: Floats | None
) -> None:
    for arm in ARMS:
        chosen = subset.arm(arm)
        values, n = x[chosen], int(chosen.sum())
        arm_weights = None if weights is None else weights[chosen]
        if covariate.type == "number":
            _describe_number(pen, column, arm, values, arm_weights, covariate.unit)
            continue
        count = int(values.sum())
        pen.write("subjects", count, variable=column, group=arm, n=n)
        pen.write("percent", 100.0 * count / n, variable=column, group=arm, unit="%", n=n)
        if arm_weights is not None:
            share = 100.0 * weighted_mean(values, arm_weights)
            pen.write("weighted_percent", share, variable=column, group=arm, unit="%", n=n)


def _describe_number(
    pen: Pen, column: str, arm: str, values: Floats, weights: Floats | None, unit: str
) -> None:
    n = len(values)
    lower, median, upper = (float(one) for one in np.percentile(values, [25, 50, 75]))
    numbers: dict[str, float | None] = {
        "mean": float(values.mean()),
        "standard_deviation": float(values.std(ddof=1)) if n > 1 else None,
        "lower_quartile": lower,
        "median": median,
        "upper_quartile": upper,
    }
    if weights is not None:
        numbers["weighted_mean"] = weighted_mean(values, weights)
        numbers["weighted_standard_deviation"] = weighted_standard_deviation(values, weights)
    for statistic, value in numbers.items():
        missing = [joined(NOT_ESTIMABLE.about(statistic=statistic))] if value is None else []
        pen.write(statistic, value, variable=column, group=arm, unit=unit, n=n, warnings=missing)


def _differences(
    pen: Pen, subset: Subset, column: str, x: Floats, weights: Floats | None, limit: float
) -> tuple[Value, ...]:
    """Both differences as rows, and the point of the love plot."""
    found: dict[str, float | None] = {"smd_unweighted": standardised_difference(x, subset.exposed)}
    if weights is not None:
        found["smd_weighted"] = standardised_difference(x, subset.exposed, weights)
    written: dict[str, Value] = {}
    for statistic, value in found.items():
        warnings = [joined(IMBALANCE.about())] if value is not None and abs(value) > limit else []
        if value is None:
            warnings = [joined(NOT_ESTIMABLE.about(statistic=statistic))]
        row = pen.write(
            statistic,
            value,
            variable=column,
            n=len(x),
            warnings=warnings,
            decimals=_LARGEST_DECIMALS,
        )
        written[statistic] = row.value
    variable, _, level = column.partition(".")
    return variable, level, written["smd_unweighted"], written.get("smd_weighted")
