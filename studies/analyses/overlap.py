"""The propensity score: how well the covariates tell the arms apart, and whether the arms overlap."""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Done, Pen, points
from studies.analyses.cox import write_effective_sample
from studies.analyses.weighting import ABOUT
from studies.balance import area_under_curve, merged_histogram
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS
from studies.results import Series
from studies.statistics import Bools, Floats
from studies.statistics.causal.weights import tilted

METHOD = "logistic regression by maximum likelihood; {weights}"
EQUIPOISE = (0.3, 0.7)  # of the preference score (Walker et al. 2013)
BINS = 20


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    score = context.score(subset, analysis.covariates)
    # A plan that names no weights looks at overlap weights.
    weights = context.weights(subset, analysis)
    if weights is None:
        weights, _ = tilted(score, subset.exposed, "ATO")
    kind = "overlap" if analysis.weights == "none" else analysis.weights
    method = METHOD.format(weights=ABOUT[kind])
    pen = Pen(context, analysis.id, subset.population, context.variables(analysis), method)
    pen.write("area_under_curve", area_under_curve(score, subset.exposed), n=len(score))
    for arm in ARMS:
        of_arm, n = score[subset.arm(arm)], int(subset.arm(arm).sum())
        pen.write("propensity_minimum", float(of_arm.min()), group=arm, n=n)
        pen.write("propensity_median", float(np.median(of_arm)), group=arm, n=n)
        pen.write("propensity_maximum", float(of_arm.max()), group=arm, n=n)
        pen.write("weight_mean", float(weights[subset.arm(arm)].mean()), group=arm, n=n)
        pen.write("weight_maximum", float(weights[subset.arm(arm)].max()), group=arm, n=n)
    pen.write("equipoise_share", equipoise_share(score, subset.exposed), n=len(score))
    write_effective_sample(pen, subset, weights, context)
    histogram = merged_histogram(
        score, subset.exposed, bins=BINS, smallest_cell=context.protocol.diagnostics.smallest_cell
    )
    columns = ("score_from", "score_to", "exposed", "comparator")
    series = Series(f"{analysis.id}.histogram", analysis.id, columns, points(histogram), subset.population)
    return Done(tuple(pen.rows), (series,))


def equipoise_share(score: Floats, exposed: Bools) -> float:
    """The share of subjects whose preference score lies in 0.3-0.7.

    The preference score is the propensity score with the share of the exposed taken out:
    logit(preference) = logit(score) - logit(P(exposed)) (Walker et al. 2013, Comparative Effectiveness Research 3:11).
    """
    share = float(exposed.mean())
    odds = score / (1.0 - score) * (1.0 - share) / share
    preference = odds / (1.0 + odds)
    return float(((preference >= EQUIPOISE[0]) & (preference <= EQUIPOISE[1])).mean())
