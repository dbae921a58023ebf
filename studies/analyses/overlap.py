"""The propensity score: how well the covariates tell the arms apart, and whether the arms overlap."""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Done, Pen, points
from studies.analyses.cox import write_effective_sample
from studies.balance import area_under_curve, merged_histogram
from studies.protocol import ARMS, PlannedAnalysis
from studies.results import Series
from studies.statistics.propensity import overlap_weights

METHOD = "logistic regression by maximum likelihood; overlap weights"
BINS = 20


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    score = context.score(subset, analysis.covariates)
    weights = overlap_weights(score, subset.exposed)
    pen = Pen(context, analysis.id, subset.population, context.variables(analysis), METHOD)
    pen.write("area_under_curve", area_under_curve(score, subset.exposed), n=len(score))
    for arm in ARMS:
        of_arm, n = score[subset.arm(arm)], int(subset.arm(arm).sum())
        pen.write("propensity_minimum", float(of_arm.min()), group=arm, n=n)
        pen.write("propensity_median", float(np.median(of_arm)), group=arm, n=n)
        pen.write("propensity_maximum", float(of_arm.max()), group=arm, n=n)
        pen.write("weight_mean", float(weights[subset.arm(arm)].mean()), group=arm, n=n)
        pen.write("weight_maximum", float(weights[subset.arm(arm)].max()), group=arm, n=n)
    write_effective_sample(pen, subset, weights, context)
    histogram = merged_histogram(
        score, subset.exposed, bins=BINS, smallest_cell=context.protocol.diagnostics.smallest_cell
    )
    columns = ("score_from", "score_to", "exposed", "comparator")
    series = Series(f"{analysis.id}.histogram", analysis.id, columns, points(histogram), subset.population)
    return Done(tuple(pen.rows), (series,))
