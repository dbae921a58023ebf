"""Cox regression: crude, adjusted, or overlap-weighted with a robust variance."""

from __future__ import annotations

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.design import Design, design
from studies.outcome import EVENT, TIME
from studies.protocol import ARMS, PlannedAnalysis
from studies.reasons import (
    FEW_EVENTS,
    LOW_ESS,
    NO_EVENTS,
    NO_EVENTS_IN_ARM,
    PH_NOT_TESTED,
    PH_REJECTED,
    CannotEstimate,
    joined,
)
from studies.statistics import ENGINE, ENGINE_VERSION, Floats
from studies.statistics.cox import ENGINES, CoxFit, engine_version, fit_cox
from studies.statistics.ph_test import GLOBAL, PhTest, ph_test
from studies.statistics.probability import CI_LEVEL
from studies.statistics.propensity import effective_sample_size

_EVENTS_FOR_EACH_TERM = 10
PH_METHOD = "Grambsch-Therneau score test, exact (R cox.zph from 3.0), time transformed by Kaplan-Meier"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    _require_events(subset, context)
    weights = context.weights(subset, analysis)
    # With weights the covariates are in the propensity score; the outcome model has the exposure alone.
    adjusted_for = () if analysis.weights != "none" else analysis.covariates
    model = design(subset.frame, context.protocol, adjusted_for, exposure=True)
    fit = fit_cox(model.x, subset.days, subset.event, model.columns, weights)
    warnings = _warnings(fit, subset, weights, context)
    tests, not_done = _test_hazards(analysis, subset, model, fit)
    limit = context.protocol.diagnostics.ph_alpha
    if not_done:
        warnings.append(joined(PH_NOT_TESTED.about()))
    rejected = [test for test in tests if test.term == GLOBAL and test.p_value < limit]
    warnings += [joined(PH_REJECTED.about(p=_p_text(test.p_value))) for test in rejected]
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(
        context, analysis.id, subset.population, variables, _method(analysis), ENGINES, engine_version()
    )
    _write_terms(pen, model, fit, warnings)
    own = Pen(context, analysis.id, subset.population, variables, PH_METHOD, ENGINE, ENGINE_VERSION)
    _write_tests(own, tests, fit, limit)
    if weights is not None:
        write_effective_sample(own, subset, weights, context)
    return Done((*pen.rows, *own.rows), not_done=not_done)


def write_effective_sample(pen: Pen, subset: Subset, weights: Floats, context: Context) -> None:
    """The effective sample size of each arm, with the protocol's warning."""
    for arm in ARMS:
        size = effective_sample_size(weights[subset.arm(arm)])
        low = size < context.protocol.diagnostics.smallest_effective_sample
        title = context.protocol.exposure.arm_title(arm)
        pen.write(
            "effective_sample_size",
            size,
            group=arm,
            n=int(subset.arm(arm).sum()),
            method="Kish: (sum of weights)^2 / sum of squared weights",
            warnings=[joined(LOW_ESS.about(arm=title))] if low else [],
        )


def _require_events(subset: Subset, context: Context) -> None:
    if not subset.event.any():
        raise CannotEstimate(NO_EVENTS)
    for arm in ARMS:
        if not subset.event[subset.arm(arm)].any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=context.protocol.exposure.arm_title(arm))


def _method(analysis: PlannedAnalysis) -> str:
    if analysis.weights == "overlap":
        return (
            "Cox, Efron ties, overlap weights from a logistic propensity score; robust (sandwich) SE, "
            f"weights taken as known; Wald limits {CI_LEVEL:.0%}"
        )
    kind = "adjusted" if analysis.covariates else "crude"
    return f"Cox, {kind}, Efron ties; model-based SE; Wald limits {CI_LEVEL:.0%}"


def _warnings(fit: CoxFit, subset: Subset, weights: Floats | None, context: Context) -> list[str]:
    warnings = []
    if fit.events < _EVENTS_FOR_EACH_TERM * len(fit.coefficients):
        warnings.append(joined(FEW_EVENTS.about()))
    if weights is None:
        return warnings
    for arm in ARMS:
        size = effective_sample_size(weights[subset.arm(arm)])
        if size < context.protocol.diagnostics.smallest_effective_sample:
            title = context.protocol.exposure.arm_title(arm)
            warnings.append(joined(LOW_ESS.about(arm=title)))
    return warnings


def _test_hazards(
    analysis: PlannedAnalysis, subset: Subset, model: Design, fit: CoxFit
) -> tuple[tuple[PhTest, ...], tuple[tuple[str, str], ...]]:
    """The tests, or why there are none; the hazard ratio stands without them, with a warning."""
    if not analysis.proportional_hazards:
        return (), ()
    try:
        return ph_test(model.x, subset.days, subset.event, fit.coefficients, model.terms), ()
    except CannotEstimate as reason:
        return (), ((f"{analysis.id}.ph", joined(reason.text)),)


def _write_terms(pen: Pen, model: Design, fit: CoxFit, warnings: list[str]) -> None:
    counts: Counts = {"n": fit.subjects, "events": fit.events}
    for column, name in enumerate(model.columns):
        ratio, low, high = fit.hazard_ratio(column, CI_LEVEL)
        pen.write("hazard_ratio", ratio, variable=name, limits=(low, high), warnings=warnings, **counts)
        pen.write("coefficient", float(fit.coefficients[column]), variable=name, **counts)
        pen.write("standard_error", float(fit.standard_errors[column]), variable=name, **counts)
        pen.write("p_value", fit.p_value(column), variable=name, **counts)
    pen.write("log_likelihood", fit.log_likelihood, **counts)


def _write_tests(pen: Pen, tests: tuple[PhTest, ...], fit: CoxFit, limit: float) -> None:
    for test in tests:
        rejected = test.p_value < limit
        warnings = [joined(PH_REJECTED.about(p=_p_text(test.p_value)))] if rejected else []
        counts: Counts = {"n": fit.subjects, "events": fit.events}
        pen.write(
            "chi_square", test.chi_square, section="ph", variable=test.term, warnings=warnings, **counts
        )
        pen.write("degrees", test.degrees, section="ph", variable=test.term, **counts)
        pen.write("p_value", test.p_value, section="ph", variable=test.term, **counts)


def _p_text(p: float) -> str:
    return "<0.001" if p < 0.001 else f"={p:.3f}"
