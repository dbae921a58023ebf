"""The effect in each level of a covariate, and whether the levels differ: the test of interaction decides.

An effect that is "significant" in one subgroup and not in another is no sign of a difference. Effects and test are
those of `studies.statistics.subgroups`: one model with an effect at each level, and its likelihood ratio against the
model with one effect for all. Where weights make the variance robust each level is weighted and fitted by itself,
and the test is Wald's. A level without an estimate is reported with the reason. Of a matched model those are counted
who found a match; a level without a model counts everybody in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, Subset
from studies.analyses.models import (
    effect_of,
    fit_model,
    part_of,
    require_events,
    warnings_of,
    without_some,
)
from studies.analyses.small_samples import LeftOut, few, hotelling
from studies.analyses.strata import strata_of
from studies.design import design, indicator_columns
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, Covariate
from studies.reasons import NOT_ESTIMABLE, CannotEstimate, Reason, joined
from studies.statistics import Bools, Floats
from studies.statistics.probability import chi_square_p
from studies.statistics.subgroups import CoxOutcome, subgroup_effects

TOO_FEW_LEVELS = Reason(
    "too_few_levels",
    "“{variable}”只有不足两个水平可以估计，无法检验交互作用。",
    "Fewer than two levels of '{variable}' have an estimate: no interaction can be tested.",
)
ONLY_COVARIATE = Reason(
    "only_covariate",
    "“{variable}”是该模型权重所用的唯一协变量，在其水平之内无从加权或匹配。",
    "'{variable}' is all that the model's weights are made of: within one of its levels there is nothing to weight by.",
)
METHOD = "the model of {of} with an effect at each level of {name}"
ALONE = "the model of {of} in the level alone"
COUNT = "count"
COUNT_MATCHED = "count of those matched"
TEST = "likelihood ratio test of exposure x {name} in the model of {of}"
WALD = "robust Wald test of exposure x {name} in the model of {of}, weights of all levels together"
HOTELLING = (
    "T^2 of exposure x {name} in the model of {of}, weights of all levels together; jackknife covariance, each subject "
    "left out in turn; p by Hotelling's distribution"
)


@dataclass(frozen=True)
class _Test:
    """`p` is None where the statistic is held against chi-square. `people` are those of the model."""

    chi_square: float
    degrees: int
    method: str
    people: Subset
    p: float | None = None


@dataclass(frozen=True)
class _Found:
    """By level: its effect, or why it has none, and whose it is; and the test, or why there is none."""

    effects: dict[str, LeftOut | CannotEstimate]
    people: dict[str, Subset]
    method: str
    test: _Test | CannotEstimate


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Raises `CannotEstimate` where the population has one arm alone or no events at all."""
    model = context.protocol.analysis(analysis.of)
    subset = context.subset(model.population)
    subset.require_both_arms()
    variables = context.variables(model, TIME, EVENT, *analysis.by)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD.format(of=model.id, name="subgroup"))
    _write_arms(pen, *_analysed(model, context, subset), "")
    not_done: list[tuple[str, str]] = []
    for name in analysis.by:
        covariate = context.protocol.covariate(name)
        levels = _levels(subset, covariate)
        plain = model.weights == "none"
        found = (_joint if plain else _weighted)(model, context, subset, covariate, levels)
        for column, effect in found.effects.items():
            estimated = isinstance(effect, LeftOut)
            counted = COUNT_MATCHED if model.weights == "matched" and estimated else COUNT
            _write_level(pen, found.people[column], counted, column, effect, found.method)
            if isinstance(effect, CannotEstimate):
                not_done.append((f"{analysis.id}.{column}", joined(effect.text)))
        if isinstance(found.test, CannotEstimate):
            not_done.append((f"{analysis.id}.{name}.interaction", joined(found.test.text)))
        else:
            _write_test(pen, name, found.test)
    return Done(tuple(pen.rows), not_done=tuple(not_done))


def _analysed(model: PlannedAnalysis, context: Context, subset: Subset) -> tuple[Subset, str]:
    """The people of the model, and how they are counted: with matching they are those who found a match."""
    if model.weights != "matched":
        return subset, COUNT
    try:
        return fit_model(model, context, subset).rows, COUNT_MATCHED
    except CannotEstimate:
        return subset, COUNT


def _levels(subset: Subset, covariate: Covariate) -> dict[str, Bools]:
    """Who is in each level; a record has two: there (`diabetes.yes`) and not (`diabetes.no`)."""
    columns = indicator_columns(subset.frame, covariate)
    if covariate.levels:
        return {column: x == 1.0 for column, x in columns}
    (name, x) = columns[0]
    return {f"{name}.yes": x == 1.0, f"{name}.no": x != 1.0}


def _joint(
    model: PlannedAnalysis, context: Context, subset: Subset, covariate: Covariate, levels: dict[str, Bools]
) -> _Found:
    """Unweighted: one model. Its covariates are the plan's without the subgroups', which the levels stand for."""
    others = tuple(one for one in model.covariates if one != covariate.name)
    x = design(subset.frame, context.protocol, others, exposure=False).x
    label = np.empty(len(subset.days), dtype=object)
    for column, chosen in levels.items():
        label[chosen] = column
    outcome = CoxOutcome(subset.days, subset.event, strata=strata_of(model, subset))
    (found,) = subgroup_effects(outcome, subset.exposed, {covariate.name: label}, covariates=x)
    effects: dict[str, LeftOut | CannotEstimate] = {}
    people = {column: part_of(subset, chosen, subset.population) for column, chosen in levels.items()}
    for column, chosen in levels.items():
        one = next((level for level in found.levels if level.level == column), None)
        effect = one.effect if one is not None else None
        why = one.not_estimated if one is not None else None
        known = None if effect is None else LeftOut(effect, "")
        effects[column] = known or _why(context, subset, column, chosen, why)
    if found.interaction is None:
        why_not = _no_test(covariate, effects, found.no_interaction)
        return _Found(effects, people, ALONE.format(of=model.id), why_not)
    test = TEST.format(name=covariate.name, of=model.id)
    return _Found(
        effects,
        people,
        METHOD.format(of=model.id, name=covariate.name),
        _Test(found.interaction.statistic, found.interaction.df, test, subset),
    )


def _why(
    context: Context, subset: Subset, column: str, chosen: Bools, given: CannotEstimate | None
) -> CannotEstimate:
    """Why a level has no effect, with the arms' own names."""
    part = part_of(subset, chosen, f"{subset.population}/{column}")
    try:
        part.require_both_arms()
        require_events(part, context)
    except CannotEstimate as reason:
        return reason
    return given if given is not None else CannotEstimate(NOT_ESTIMABLE, statistic="hazard_ratio")


def _no_test(
    covariate: Covariate, effects: dict[str, LeftOut | CannotEstimate], given: CannotEstimate | None
) -> CannotEstimate:
    estimated = sum(isinstance(one, LeftOut) for one in effects.values())
    if estimated < 2 or given is None:
        return CannotEstimate(TOO_FEW_LEVELS, variable=covariate.title)
    return given


def _weighted(
    model: PlannedAnalysis, context: Context, subset: Subset, covariate: Covariate, levels: dict[str, Bools]
) -> _Found:
    """Weights are made anew within each level, without the covariate that is constant there."""
    effects: dict[str, LeftOut | CannotEstimate] = {}
    people: dict[str, Subset] = {}
    for column, chosen in levels.items():
        # The score is fitted again within the level, so it is kept under the level's own name.
        people[column] = part = part_of(subset, chosen, f"{subset.population}/{column}")
        if set(model.covariates) == {covariate.name}:
            effects[column] = CannotEstimate(ONLY_COVARIATE, variable=covariate.title)
            continue
        try:
            fitted = fit_model(model, context, part, without=covariate.name)
            effect = effect_of(model, context, part, fitted, without=covariate.name)
            effects[column] = replace(effect, warnings=(*warnings_of(fitted, context), *effect.warnings))
            people[column] = fitted.rows
        except CannotEstimate as reason:
            effects[column] = reason
    try:
        test: _Test | CannotEstimate = _robust_test(model, context, subset, covariate, levels)
    except CannotEstimate as reason:
        test = _no_test(covariate, effects, reason)
    return _Found(effects, people, ALONE.format(of=model.id), test)


def _robust_test(
    model: PlannedAnalysis, context: Context, subset: Subset, covariate: Covariate, levels: dict[str, Bools]
) -> _Test:
    """Wald's, of the difference between levels: q = number of levels less one degrees of freedom.

    The weights are those of all levels together. With few subjects, whose robust covariance is too small, the
    covariance comes from leaving each out, and p from Hotelling's T^2. Matched pairs keep the robust one.
    """
    further: Floats = np.column_stack([one.astype(float) for one in list(levels.values())[1:]])
    products = subset.exposed.astype(float)[:, None] * further
    by_strata = covariate.name in model.strata  # which tell the levels apart already
    columns = products if by_strata else np.column_stack([further, products])
    whole = fit_model(model, context, subset, interaction=columns)
    fit, q = whole.fit, products.shape[1]
    if few(*whole.rows.sizes) and whole.pair is None:

        def of_products(kept: Bools) -> Floats:
            return fit_model(model, context, without_some(subset, kept), interaction=columns[kept]).fit.coef[
                -q:
            ]

        square, q, p = hotelling(of_products, len(subset.days))
        return _Test(square, q, HOTELLING.format(name=covariate.name, of=model.id), whole.rows, p)
    last = np.eye(len(fit.coef))[-q:]
    method = WALD.format(name=covariate.name, of=model.id)
    return _Test(fit.contrast(last).test.chisq, q, method, whole.rows)


def _write_arms(pen: Pen, people: Subset, counted: str, column: str) -> None:
    """Subjects and events of each arm, in a level or (without a column) of all."""
    for arm in ARMS:
        mine = people.arm(arm)
        n, events = int(mine.sum()), int(people.event[mine].sum())
        for statistic, value in (("subjects", n), ("events", events)):
            pen.write(statistic, value, variable=column, group=arm, n=n, events=events, method=counted)


def _write_level(
    pen: Pen, people: Subset, counted: str, column: str, effect: LeftOut | CannotEstimate, method: str
) -> None:
    counts = _counts(people)
    pen.write("subjects", counts["n"], variable=column, method=counted, **counts)
    _write_arms(pen, people, counted, column)
    if isinstance(effect, CannotEstimate):
        return
    ratio, how = effect.estimate, "; ".join(one for one in (method, effect.method) if one)
    limits = (ratio.lower, ratio.upper)
    said = effect.warnings
    pen.write(
        "hazard_ratio", ratio.value, variable=column, limits=limits, method=how, warnings=said, **counts
    )
    pen.write("standard_error", ratio.se, variable=column, method=how, **counts)


def _write_test(pen: Pen, name: str, test: _Test) -> None:
    counts = _counts(test.people)
    p = chi_square_p(test.chi_square, test.degrees) if test.p is None else test.p
    for statistic, value in (("chi_square", test.chi_square), ("degrees", test.degrees), ("p_value", p)):
        pen.write(statistic, value, section="interaction", variable=name, method=test.method, **counts)


def _counts(people: Subset) -> Counts:
    return {"n": len(people.days), "events": int(people.event.sum())}
