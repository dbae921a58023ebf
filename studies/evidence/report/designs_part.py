"""Single arm, bridging, restricted means, doubt, and the gates: the parts of designs without a randomised control."""

from __future__ import annotations

from collections.abc import Callable

from rwd_platform.core.text import Bilingual
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Block, Paragraph, Table
from studies.evidence.report.claims_part import claim_of
from studies.evidence.report.context import Context, inside
from studies.evidence.report.specification_part import reasons, specification
from studies.evidence.report.subgroups_part import left_out, subgroups
from studies.evidence.report.tipping_part import tipping
from studies.evidence.tables import Fact, Result, interval
from studies.evidence.templates.verify import ARD_JSON
from studies.planned import PlannedAnalysis
from studies.protocol import COMPARATOR, EXPOSED
from studies.reasons import in_language
from studies.rounding import decimals_apart

_AROUND = 0.2  # of the criterion: the true shares that a reader asks about
_HANDLINGS = (("worst_case", "worst"), ("complete_cases", "observed"), ("best_case", "best"))


def designs(context: Context) -> list[Block]:
    """Each part stands only where the protocol planned its method and the run gave it."""
    blocks: list[Block] = []
    for method, title, part in _PARTS:
        made = [block for plan in context.planned(method) for block in part(context, plan)]
        made += reasons(context, method) if method in _SAID_WHERE_MISSING else []
        blocks += [context.heading(title, 2), *made] if made else []
    return blocks


def criterion_answer(context: Context, plan: PlannedAnalysis) -> Paragraph | None:
    """The answer of a single-arm study in one sentence."""
    row, claim = context.row(f"{plan.id}.verdict"), claim_of(context, plan)
    if row is None or claim is None or plan.horizon is None:
        return None
    place = f"text:answer.{plan.id}"
    proportion = f"{plan.id}.proportion"
    numbers = {
        **context.counts(place, proportion),
        "value": context.result(place, proportion, "percent.1"),
        **_bound_and_criterion(context, plan, place),
    }
    key = "criterion.answer.at_most" if _counts_failures(plan) else "criterion.answer"
    text = context.text(
        f"{key}.{_word(row.value)}",
        numbers,
        population=context.population(plan),
        day=_day(plan),
        claim=claim,
        followed=_followed(context, plan),
    )
    return Paragraph(text, "lead")


def _bound_and_criterion(context: Context, plan: PlannedAnalysis, place: str) -> dict[str, Number]:
    """With decimals enough that none of them looks as if the verdict were another."""
    bound, criterion, p = (f"{plan.id}.{name}" for name in ("bound", "criterion", "p_value"))
    low, goal = (context.book.row(one).value for one in (bound, criterion))
    apart = decimals_apart(low, goal) if isinstance(low, float) and isinstance(goal, float) else 3
    alpha = plan.criterion.alpha if plan.criterion else 0.025
    return {
        "bound": context.result(place, bound, f"percent.{apart - 2}"),
        "criterion": context.result(place, criterion, f"percent.{apart - 2}"),
        "p": context.result(place, p, context.p_form(p, alpha, "p_is")),
    }


def _followed(context: Context, plan: PlannedAnalysis) -> Bilingual:
    """From which day on somebody without the event counts as followed to the horizon."""
    horizon = plan.horizon
    first = str(horizon.day - horizon.window) if horizon else ""
    text = context.text("criterion.followed", first=Bilingual(first, first), day=_day(plan))
    return Bilingual(text.plain("zh"), text.plain("en"))


def _counts_failures(plan: PlannedAnalysis) -> bool:
    return plan.criterion is not None and plan.criterion.direction == "at_most"


def _word(verdict: object) -> str:
    return str(verdict).replace(" ", "_")


def _day(plan: PlannedAnalysis) -> Bilingual:
    day = str(plan.horizon.day) if plan.horizon else ""
    return Bilingual(day, day)


def _criterion(context: Context, plan: PlannedAnalysis) -> list[Block]:
    if plan.criterion is None:
        return []
    answer = criterion_answer(context, plan)
    return [
        *([answer] if answer else []),
        _handling_table(context, plan),
        _loss(context, plan),
        *_overturned(context, plan),
        *_curve(context, plan),
        *_power(context, plan),
        context.paragraph("criterion.source", source=inside(plan.criterion.source)),
    ]


def _handling_table(context: Context, plan: PlannedAnalysis) -> Table:
    failures = _counts_failures(plan)
    counted, share = ("failures", "failure_share") if failures else ("success", "share")
    heads = (
        "criterion.handling", f"criterion.{counted}", "median.subjects", f"criterion.{share}", "criterion.bound",
        "cox.p", "criterion.verdict",
    )  # fmt: skip
    maker = context.maker(f"criterion_{plan.id.replace('.', '_')}", heads, "lrrrrrl")
    for section, name in _HANDLINGS:
        row = f"{plan.id}.{section}"
        verdict = context.book.row(f"{row}.verdict").value
        maker.add(
            context.label(f"criterion.{name}"),
            Result(f"{row}.proportion", "int", "events"),
            Result(f"{row}.proportion", "int", "n"),
            interval(f"{row}.proportion", "percent.1"),
            Result(f"{row}.bound", "percent.1"),
            Result(f"{row}.p_value", "p"),
            context.label(f"verdict.{_word(verdict)}"),
        )
    caption = context.text(
        "criterion.caption_failures" if failures else "criterion.caption",
        population=context.population(plan),
        day=_day(plan),
    )
    return maker.table(caption, context.text("criterion.note"))


def _loss(context: Context, plan: PlannedAnalysis) -> Paragraph:
    place = f"text:{plan.id}.lost"
    lost = f"{plan.id}.{EXPOSED}.lost"
    if not context.book.row(lost).value:
        return context.paragraph("criterion.lost_none")
    numbers = {
        "n": context.result(place, f"{plan.id}.{EXPOSED}.subjects", "int"),
        "lost": context.result(place, lost, "int"),
        "share": context.result(place, f"{plan.id}.lost_share", "percent.1"),
    }
    return context.paragraph(
        "criterion.lost", "plain", numbers, handling=context.label(f"criterion.{plan.lost}")
    )


def _overturned(context: Context, plan: PlannedAnalysis) -> list[Block]:
    """What the subjects who were lost could do to the verdict."""
    if not context.book.row(f"{plan.id}.{EXPOSED}.lost").value:
        return []
    row = context.book.row(f"{plan.id}.{EXPOSED}.failures_to_overturn")
    if row.value is None:
        return [context.paragraph("criterion.never_overturned")]
    if row.value == 0:
        return [context.paragraph("criterion.never_met")]
    numbers = {"failures": context.result(f"text:{plan.id}.overturned", row.id, "int")}
    return [context.paragraph("criterion.overturned_by", "plain", numbers)]


def _curve(context: Context, plan: PlannedAnalysis) -> list[Block]:
    stem = f"{plan.id}.curve"
    if context.row(f"{stem}.bound") is None or plan.horizon is None:
        return []
    place = f"text:{stem}"
    numbers = {
        "value": context.result(place, f"{stem}.survival.day_{plan.horizon.day}", "percent.1"),
        "bound": context.result(place, f"{stem}.bound", "percent.1"),
        "p": context.result(place, f"{stem}.p_value", "p_is"),
    }
    if not _counts_failures(plan):
        return [context.paragraph("criterion.curve", "plain", numbers, day=_day(plan))]
    least = f"{100 * (1 - plan.criterion.value):g}%" if plan.criterion else ""
    goal = Bilingual(least, least)
    return [context.paragraph("criterion.curve.at_most", "plain", numbers, day=_day(plan), goal=goal)]


def _power(context: Context, plan: PlannedAnalysis) -> list[Block]:
    row = context.row(f"{plan.id}.power")
    if row is None or plan.criterion is None or plan.criterion.assumed is None:
        return []
    place = f"text:{plan.id}.power"
    assumed = f"{100 * plan.criterion.assumed:g} %"
    numbers = {
        "n": context.result(place, row.id, "int", "n"),
        "power": context.result(place, row.id, "percent.1"),
        "needed": context.result(place, f"{plan.id}.subjects_needed", "int"),
    }
    return [context.paragraph("criterion.power", "plain", numbers, assumed=Bilingual(assumed, assumed))]


def _bridging(context: Context, plan: PlannedAnalysis) -> list[Block]:
    series = inside(context.protocol.aggregate(plan.aggregate).title)
    place = f"text:{plan.id}"
    numbers = {
        "matched": context.result(place, f"{plan.id}.matched.proportion", "percent.1"),
        "overseas": context.result(place, f"{plan.id}.overseas.proportion", "percent.1"),
        "plain": context.result(place, f"{plan.id}.unadjusted.difference", "points.1"),
        "ess": context.result(place, f"{plan.id}.effective_sample_size", "fixed.1"),
        "n": context.result(place, f"{plan.id}.effective_sample_size", "int", "n"),
        **_difference(context, place, f"{plan.id}.difference", "points.1"),
    }
    names = plan.missing_factors
    factors = Bilingual("、".join(one.zh for one in names), ", ".join(inside(one).en for one in names))
    warning = (
        context.paragraph("bridging.missing", "caution", factors=factors)
        if names
        else context.paragraph("bridging.complete", "caution")
    )
    return [
        context.paragraph(
            "bridging.result",
            "plain",
            numbers,
            series=series,
            day=_day(plan),
            followed=_followed(context, plan),
        ),
        warning,
        *_matched(context, plan, series),
    ]


def _difference(context: Context, place: str, ard_id: str, form: str) -> dict[str, Number]:
    return {
        "difference": context.result(place, ard_id, form),
        "low": context.result(place, ard_id, form, "ci_low"),
        "high": context.result(place, ard_id, form, "ci_high"),
    }


def _matched(context: Context, plan: PlannedAnalysis, series: Bilingual) -> list[Block]:
    """The covariates from the run's series: each number points into it."""
    found = [at for at, one in enumerate(context.inputs.results.series) if one.id == f"{plan.id}.matched"]
    if not found:
        return []
    heads = ("bridging.variable", "bridging.ours", "bridging.matched", "bridging.overseas")
    maker = context.maker(f"matched_{plan.id.replace('.', '_')}", heads, "lrrr")
    for at, point in enumerate(context.inputs.results.series[found[0]].points):
        stem = f"/series/{found[0]}/points/{at}"
        maker.add(
            _variable(context, str(point[0])),
            *(Fact(ARD_JSON, f"{stem}/{column}", "fixed.2") for column in (1, 2, 3)),
        )
    return [maker.table(context.text("bridging.caption", series=series), context.text("bridging.note"))]


def _variable(context: Context, name: str) -> Bilingual:
    """`age`, `age^2`, `size.over50` in words."""
    plain, _, power = name.partition("^")
    variable, _, level = plain.partition(".")
    covariate = context.protocol.covariate(variable)
    title = covariate.title
    if level:
        of = next(one.title for one in covariate.levels if one.id == level)
        title = Bilingual(f"{title.zh}：{of.zh}", f"{title.en}: {of.en}")
    return Bilingual(f"{title.zh}^{power}", f"{title.en}^{power}") if power else title


def _borrowing(context: Context, plan: PlannedAnalysis) -> list[Block]:
    if plan.borrowing is None or plan.criterion is None:
        return []
    place = f"text:{plan.id}"
    alone = f"{plan.id}.alone.proportion"
    numbers = {
        "with": context.result(place, f"{plan.id}.proportion", "percent.1"),
        "low": context.result(place, f"{plan.id}.proportion", "percent.1", "ci_low"),
        "high": context.result(place, f"{plan.id}.proportion", "percent.1", "ci_high"),
        "alone": context.result(place, alone, "percent.1"),
        "alone_low": context.result(place, alone, "percent.1", "ci_low"),
        "alone_high": context.result(place, alone, "percent.1", "ci_high"),
        "criterion": context.result(place, f"{plan.id}.criterion", "percent.1"),
        "beaten": context.result(place, f"{plan.id}.probability_beaten", "fixed.3"),
    }
    met = "met" if context.book.row(f"{plan.id}.met").value else "not_met"
    conflict = {
        "ess": context.result(place, f"{plan.id}.prior_effective_size", "fixed.1"),
        "p": context.result(place, f"{plan.id}.prior_predictive_p", "fixed.3"),
    }
    error = {
        "error": context.result(place, f"{plan.id}.type_one_error", "fixed.3"),
        "n": context.result(place, f"{plan.id}.type_one_error", "int", "n"),
    }
    series = inside(context.protocol.aggregate(plan.borrowing.aggregate).title)
    alpha = f"{plan.criterion.alpha:g}"
    return [
        context.paragraph(
            "borrowing.result",
            "plain",
            numbers,
            series=series,
            day=_day(plan),
            followed=_followed(context, plan),
        ),
        context.paragraph(f"borrowing.decision.{met}"),
        context.paragraph("borrowing.conflict", "plain", conflict),
        context.paragraph("borrowing.inflated", "caution", error, alpha=Bilingual(alpha, alpha)),
        *_characteristics(context, plan, plan.criterion.value),
    ]


def _characteristics(context: Context, plan: PlannedAnalysis, criterion: float) -> list[Block]:
    """The lines around the criterion; the run's series has all of them."""
    found = [
        at for at, one in enumerate(context.inputs.results.series) if one.id == f"{plan.id}.characteristics"
    ]
    if not found:
        return []
    heads = ("borrowing.truth", "borrowing.claims", "borrowing.bias", "borrowing.coverage")
    maker = context.maker(f"characteristics_{plan.id.replace('.', '_')}", heads, "rrrr")
    for at, point in enumerate(context.inputs.results.series[found[0]].points):
        if isinstance(point[0], float) and abs(point[0] - criterion) <= _AROUND:
            stem = f"/series/{found[0]}/points/{at}"
            forms = ((0, "percent.0"), (1, "fixed.3"), (2, "fixed.3"), (4, "percent.1"))
            maker.add(*(Fact(ARD_JSON, f"{stem}/{column}", form) for column, form in forms))
    return [maker.table(context.text("borrowing.caption"))]


def _rmst(context: Context, plan: PlannedAnalysis) -> list[Block]:
    reason = context.inputs.results.not_done.get(f"{plan.id}.difference")
    if reason is not None:
        return [context.spoken(Bilingual(in_language(reason, "zh"), in_language(reason, "en")), "caution")]
    place = f"text:{plan.id}"
    numbers = {
        "tau": context.result(place, f"{plan.id}.tau", "int"),
        "exposed": context.result(place, f"{plan.id}.{EXPOSED}.mean", "fixed.1"),
        "comparator": context.result(place, f"{plan.id}.{COMPARATOR}.mean", "fixed.1"),
        "p": context.result(place, f"{plan.id}.p_value", "p_is"),
        **_difference(context, place, f"{plan.id}.difference", "fixed.1"),
    }
    return [context.paragraph("rmst.result", "plain", numbers)]


def _e_value(context: Context, plan: PlannedAnalysis) -> list[Block]:
    place = f"text:{plan.id}"
    stem = f"{plan.id}.{context.exposure}"
    numbers = {
        "estimate": context.result(place, f"{stem}.e_value", "fixed.2"),
        "limit": context.result(place, f"{stem}.e_value_limit", "fixed.2"),
    }
    of = inside(context.protocol.analysis(plan.of).title)
    return [context.paragraph("e_value.result", "plain", numbers, of=of)]


_PARTS: tuple[tuple[str, str, Callable[[Context, PlannedAnalysis], list[Block]]], ...] = (
    ("performance_criterion", "criterion.title", _criterion),
    ("bridging", "bridging.title", _bridging),
    ("borrowing", "borrowing.title", _borrowing),
    ("rmst", "rmst.title", _rmst),
    ("subgroups", "subgroups.title", subgroups),
    ("leave_one_out", "left_out.title", left_out),
    ("e_value", "e_value.title", _e_value),
    ("specification", "specification.title", specification),
    ("tipping_point", "tipping.title", tipping),
)
# A map that is not there could be taken for one that was not planned: the reason stands in its place.
_SAID_WHERE_MISSING = frozenset({"specification", "tipping_point"})
