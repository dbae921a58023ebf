"""The effect in each level of a covariate, and whether the levels differ: the test of interaction decides.

An effect that is "significant" in one subgroup and not in another is no sign of a difference. The test is
the likelihood ratio of the model with the exposure times the levels (by Wald where weights make the variance
robust). Levels without events in an arm are reported with the reason.
"""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.models import fit_model, part_of
from studies.design import indicator_columns
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import Covariate
from studies.reasons import CannotEstimate, joined
from studies.statistics import Floats
from studies.statistics.probability import CI_LEVEL, chi_square_p

METHOD = "the model of {of} in each level"
TEST = "likelihood ratio test of exposure x {name} in the model of {of}"
WALD = "robust Wald test of exposure x {name} in the model of {of}"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    model = context.protocol.analysis(analysis.of)
    subset = context.subset(model.population)
    variables = context.variables(model, TIME, EVENT, *analysis.by)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD.format(of=model.id))
    not_done: list[tuple[str, str]] = []
    for name in analysis.by:
        covariate = context.protocol.covariate(name)
        for column, x in _levels(subset, covariate):
            try:
                _write_level(pen, model, context, subset, covariate, column, x)
            except CannotEstimate as reason:
                not_done.append((f"{analysis.id}.{column}", joined(reason.text)))
        try:
            _write_test(pen, model, context, subset, covariate)
        except CannotEstimate as reason:
            not_done.append((f"{analysis.id}.{name}.interaction", joined(reason.text)))
    return Done(tuple(pen.rows), not_done=tuple(not_done))


def _levels(subset: Subset, covariate: Covariate) -> list[tuple[str, Floats]]:
    """Every level as 0 and 1; a record has two: there (`diabetes.yes`) and not (`diabetes.no`)."""
    columns = indicator_columns(subset.frame, covariate)
    if covariate.levels:
        return columns
    (name, x) = columns[0]
    return [(f"{name}.yes", x), (f"{name}.no", 1.0 - x)]


def _write_level(
    pen: Pen,
    model: PlannedAnalysis,
    context: Context,
    subset: Subset,
    covariate: Covariate,
    column: str,
    x: Floats,
) -> None:
    chosen = x == 1.0
    n, events = int(chosen.sum()), int(subset.event[chosen].sum())
    pen.write("subjects", n, variable=column, n=n, events=events)
    # The score is fitted again within the level, so it is kept under the level's own name.
    part = part_of(subset, chosen, f"{subset.population}/{column}")
    fit = fit_model(model, context, part, without=covariate.name).fit
    ratio = fit.hazard_ratio(context.dataset.exposure, CI_LEVEL)
    counts: Counts = {"n": n, "events": events}
    pen.write("hazard_ratio", ratio.value, variable=column, limits=(ratio.lower, ratio.upper), **counts)
    pen.write("standard_error", ratio.se, variable=column, **counts)


def _write_test(
    pen: Pen, model: PlannedAnalysis, context: Context, subset: Subset, covariate: Covariate
) -> None:
    """Of the difference between levels: q = number of levels less one degrees of freedom."""
    further = np.column_stack([x for _, x in _levels(subset, covariate)][1:])
    exposed = subset.exposed.astype(float)[:, None]
    # The levels themselves have to be in the model: where it does not adjust for the covariate they come along.
    main = () if covariate.name in model.covariates and model.weights == "none" else (further,)
    products = exposed * further
    whole = fit_model(model, context, subset, interaction=np.column_stack([*main, products]))
    q = products.shape[1]
    counts: Counts = {"n": whole.fit.n, "events": whole.fit.events}
    if whole.weights is None:
        plain = fit_model(model, context, subset, interaction=main[0] if main else None)
        chi_square = 2.0 * (whole.fit.loglik - plain.fit.loglik)
        method = TEST.format(name=covariate.name, of=model.id)
    else:
        last = np.eye(len(whole.fit.coef))[-q:]
        chi_square = whole.fit.contrast(last).test.chisq
        method = WALD.format(name=covariate.name, of=model.id)
    at = {"section": "interaction", "variable": covariate.name, "method": method}
    pen.write("chi_square", chi_square, **at, **counts)  # type: ignore[arg-type]  # the same words for each
    pen.write("degrees", q, **at, **counts)  # type: ignore[arg-type]  # as above
    pen.write("p_value", chi_square_p(chi_square, q), **at, **counts)  # type: ignore[arg-type]  # as above
