"""Cox regression: crude, adjusted, stratified, or weighted with a robust variance."""

from __future__ import annotations

from functools import partial

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset, points
from studies.analyses.models import Model, effect_of, fit_model, warnings_of
from studies.analyses.small_samples import LeftOut
from studies.analyses.weighting import ABOUT
from studies.design import Design
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, EXPOSED
from studies.reasons import (
    ENGINES_DIFFER,
    LOW_ESS,
    PH_NOT_TESTED,
    PH_OF_COVARIATES,
    PH_REJECTED,
    SOME_UNMATCHED,
    CannotEstimate,
    joined,
)
from studies.results import Series
from studies.rounding import decimals_apart
from studies.statistics import Floats
from studies.statistics.causal.weights import effective_sample_size
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.cox import CoxFit
from studies.statistics.survival.lifelines_front import lifelines_difference
from studies.statistics.survival.ph_test import GLOBAL, PhLine, Smooth, ph_test, smooth

ROBUST = "robust (sandwich) SE"
PH_METHOD = "Grambsch-Therneau score test, exact (R cox.zph from 3.0), time transformed by Kaplan-Meier"
ESS_METHOD = "Kish: (sum of weights)^2 / sum of squared weights"
_AGREES = 1e-4  # a larger difference of two programs on the same data is a fault in one of them
_DELTA_DECIMALS = 6  # what is smaller is rounding, and not the same on every machine


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Who is compared, and with weights what they are worth, stands also where the model has no estimate: it rests on
    baseline alone, so that a missing row never tells that an arm had no event.
    """
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    variables = context.variables(analysis, TIME, EVENT, *analysis.strata)
    pen = Pen(context, analysis.id, subset.population, variables, _method(analysis))
    _write_arms(pen, subset)
    made = context.weighting(subset, analysis)
    if made is not None:
        write_effective_sample(pen, subset, made.values, context)
        if made.pair is not None:
            _write_matched(pen, subset, made.values)
    try:
        model = fit_model(analysis, context, subset)
        effect = effect_of(analysis, context, subset, model)
    except CannotEstimate as reason:
        return Done(tuple(pen.rows), not_done=((analysis.id, joined(reason.text)),))
    parts = _model_rows(analysis, context, subset, model, effect)
    return Done((*pen.rows, *parts.rows), parts.series, parts.not_done)


def _model_rows(
    analysis: PlannedAnalysis, context: Context, subset: Subset, made: Model, effect: LeftOut
) -> Done:
    fit, model = made.fit, made.design
    warnings = [*warnings_of(made, context), *effect.warnings]
    tests, curve, not_done = _test_hazards(analysis, model, fit)
    limit = context.protocol.diagnostics.ph_alpha
    if not_done:
        warnings.append(joined(PH_NOT_TESTED.about()))
    warnings += _of_hazards(tests, model.columns[0], limit)
    variables = context.variables(analysis, TIME, EVENT, *analysis.strata)
    pen = Pen(context, analysis.id, subset.population, variables, _method(analysis, effect.method))
    if effect.method:
        _write_left_out(pen, model.columns[0], fit, effect, warnings)
    else:
        _write_terms(pen, model, fit, warnings)
    _write_tests(pen, tests, fit, model.columns[0], limit)
    _write_cross_check(pen, fit)
    return Done(tuple(pen.rows), _over_time(analysis, subset, curve), not_done)


def write_effective_sample(pen: Pen, subset: Subset, weights: Floats, context: Context) -> None:
    """Of each arm: its effective sample size with the protocol's warning, and the share of its heaviest subject."""
    for arm in ARMS:
        of_arm = weights[subset.arm(arm)]
        size, n = effective_sample_size(of_arm), len(of_arm)
        low = size < context.protocol.diagnostics.smallest_effective_sample
        title = context.protocol.exposure.arm_title(arm)
        warnings = [joined(LOW_ESS.about(arm=title))] if low else []
        pen.write("effective_sample_size", size, group=arm, n=n, method=ESS_METHOD, warnings=warnings)
        share = float(of_arm.max() / of_arm.sum())
        pen.write("largest_weight_share", share, group=arm, n=n, method="largest weight / sum of weights")


def _write_arms(pen: Pen, subset: Subset) -> None:
    for arm in ARMS:
        n = int(subset.arm(arm).sum())
        pen.write("subjects", n, group=arm, n=n, method="count")


def _write_matched(pen: Pen, subset: Subset, weights: Floats) -> None:
    """How many of each arm found a match. With some of the exposed left out the effect is that in those matched."""
    for arm in ARMS:
        of_arm = weights[subset.arm(arm)]
        count, n = int((of_arm > 0).sum()), len(of_arm)
        left_out = arm == EXPOSED and count < n
        warnings = [joined(SOME_UNMATCHED.about())] if left_out else []
        pen.write("matched", count, group=arm, n=n, method="count", warnings=warnings)


def _method(analysis: PlannedAnalysis, left_out: str = "") -> str:
    """`left_out` is how the limits of few subjects were made."""
    ties = f"Efron ties{', stratified' if analysis.strata else ''}"
    if analysis.weights == "matched":
        error = left_out or f"{ROBUST} by matched pair; Wald limits {CI_LEVEL:.0%}"
        return f"Cox, {ties}, after {ABOUT['matched']}; {error}"
    if analysis.weights != "none":
        error = left_out or f"{ROBUST}, weights taken as known; Wald limits {CI_LEVEL:.0%}"
        return f"Cox, {ties}, {ABOUT[analysis.weights]}; {error}"
    kind = "adjusted" if analysis.covariates else "crude"
    return f"Cox, {kind}, {ties}; model-based SE; Wald limits {CI_LEVEL:.0%}"


def _test_hazards(
    analysis: PlannedAnalysis, model: Design, fit: CoxFit
) -> tuple[tuple[PhLine, ...], Smooth | None, tuple[tuple[str, str], ...]]:
    """The tests and the exposure's effect over time, or why there are none: the ratio stands, with a warning."""
    if not analysis.proportional_hazards:
        return (), None, ()
    try:
        test = ph_test(fit, terms=model.terms)
    except CannotEstimate as reason:
        return (), None, ((f"{analysis.id}.ph", joined(reason.text)),)
    try:
        return test.lines, smooth(test), ()
    except CannotEstimate as reason:
        return test.lines, None, ((f"{analysis.id}.over_time", joined(reason.text)),)


def _of_hazards(tests: tuple[PhLine, ...], exposure: str, limit: float) -> list[str]:
    """What the ratio of the exposure means is decided by its own test; that of all terms may reject for a covariate."""
    p = {test.term: test.p for test in tests}
    if p.get(exposure, 1.0) < limit:
        return [joined(PH_REJECTED.about(p=_p_text(p[exposure], limit)))]
    if p.get(GLOBAL, 1.0) < limit:
        return [joined(PH_OF_COVARIATES.about(p=_p_text(p[GLOBAL], limit)))]
    return []


def _over_time(analysis: PlannedAnalysis, subset: Subset, curve: Smooth | None) -> tuple[Series, ...]:
    """The hazard ratio of the exposure, the design's first column, as time goes on. `place` is 1 - Kaplan-Meier."""
    if curve is None:
        return ()
    columns = ("place", "time_days", "hazard_ratio", "ci_low", "ci_high")
    ratios = (np.exp(one) for one in (curve.estimate, curve.lower, curve.upper))
    lines = zip(curve.x, curve.time, *ratios, strict=True)
    return (Series(f"{analysis.id}.over_time", analysis.id, columns, points(lines), subset.population),)


def _write_terms(pen: Pen, model: Design, fit: CoxFit, warnings: list[str]) -> None:
    counts: Counts = {"n": fit.n, "events": fit.events}
    for name in model.columns:
        ratio = fit.hazard_ratio(name, CI_LEVEL)
        limits = (ratio.lower, ratio.upper)
        pen.write("hazard_ratio", ratio.value, variable=name, limits=limits, warnings=warnings, **counts)
        pen.write("coefficient", float(fit.coef[fit.column(name)]), variable=name, **counts)
        pen.write("standard_error", ratio.se, variable=name, **counts)
        pen.write("p_value", ratio.p, variable=name, **counts)
    pen.write("log_likelihood", fit.loglik, **counts)


def _write_left_out(pen: Pen, exposure: str, fit: CoxFit, effect: LeftOut, warnings: list[str]) -> None:
    """The limits of few subjects; the robust error stands beside, for whoever recomputes the model."""
    counts: Counts = {"n": fit.n, "events": fit.events}
    found = effect.estimate
    limits = (found.lower, found.upper)
    pen.write("hazard_ratio", found.value, variable=exposure, limits=limits, warnings=warnings, **counts)
    pen.write("coefficient", float(fit.coef[0]), variable=exposure, **counts)
    pen.write("standard_error", found.se, variable=exposure, **counts)
    pen.write("p_value", found.p, variable=exposure, **counts)
    pen.write("robust_standard_error", float(fit.se[0]), variable=exposure, method=ROBUST, **counts)
    pen.write("log_likelihood", fit.loglik, **counts)


def _write_tests(pen: Pen, tests: tuple[PhLine, ...], fit: CoxFit, exposure: str, limit: float) -> None:
    for test in tests:
        warnings: list[str] = []
        if test.p < limit:
            own = [joined(PH_REJECTED.about(p=_p_text(test.p, limit)))]
            warnings = _of_hazards(tests, exposure, limit) if test.term == GLOBAL else own
        write = partial(
            pen.write, section="ph", variable=_term(test), method=PH_METHOD, n=fit.n, events=fit.events
        )
        write("chi_square", test.chisq, warnings=warnings)
        write("degrees", test.df)
        write("p_value", test.p)


def _write_cross_check(pen: Pen, fit: CoxFit) -> None:
    """The same model by another program: the largest relative difference of the coefficients ("lifelines delta")."""
    found = lifelines_difference(fit)
    differs = found.delta is not None and found.delta > _AGREES
    warnings = [joined(ENGINES_DIFFER.about())] if differs else []
    if found.why is not None:
        warnings = [joined(found.why)]
    pen.write(
        "lifelines_delta",
        found.delta,
        method=f"largest relative difference of the coefficients from those of {found.engine}",
        n=fit.n,
        events=fit.events,
        warnings=warnings,
        decimals=_DELTA_DECIMALS,
    )


def _term(test: PhLine) -> str:
    return "global" if test.term == GLOBAL else test.term


def _p_text(p: float, limit: float) -> str:
    """With decimals enough that it does not look as if it reached the limit."""
    return "<0.001" if p < 0.001 else f"={p:.{decimals_apart(p, limit)}f}"
