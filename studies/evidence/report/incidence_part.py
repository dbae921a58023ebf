"""Competing events: the curves of both kinds (figure F7), their incidences, and tests and ratios (table T9)."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.analyses.competing import Kind, kinds_of
from studies.evidence.figures import GREY, SHORT_DAYS, TEAL
from studies.evidence.incidence_plot import IncidenceCurve, IncidenceLabels, Point, incidence
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Block, Figure, Points, Table, Text
from studies.evidence.report.context import Context, inside
from studies.evidence.report.estimates import share
from studies.evidence.report.withheld_part import curve_withheld, why_no_curve, without_curve
from studies.evidence.tables import Result, interval
from studies.outcome import DAYS_A_YEAR
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, EXPOSED
from studies.reasons import in_language
from studies.results import Series, Value

_PARTS = ("gray", "cause_specific", "fine_gray")


def competing(context: Context) -> list[Block]:
    """A heading and the parts of each planned cumulative incidence; nothing where none was planned or done."""
    kinds = kinds_of(context.protocol)
    made = [
        block for plan in context.planned("cumulative_incidence") for block in _part(context, plan, kinds)
    ]
    return [context.heading("incidence.title", 2), *made] if made else []


def _part(context: Context, plan: PlannedAnalysis, kinds: tuple[Kind, ...]) -> list[Block]:
    arms = [arm for arm in ARMS if context.series(f"{plan.id}.incidence.{arm}")]
    if not arms:
        return []
    return [
        context.paragraph("incidence.about", event=inside(kinds[0].title), competing=inside(kinds[1].title)),
        _figure(context, plan, arms, kinds),
        _incidences(context, plan, arms, kinds),
        _comparison(context, plan, kinds),
        *_missing(context, plan, kinds),
    ]


def _key(kind: str, plan: PlannedAnalysis) -> str:
    return f"{kind}_{plan.id.replace('.', '_')}"


def _days(plan: PlannedAnalysis) -> tuple[int, ...]:
    return tuple(sorted(day for day in plan.days if day > 0))


def _observed(plan: PlannedAnalysis, kind: Kind, arm: str) -> str:
    return f"{plan.id}.{kind.name}.{arm}.observed"


# -- the figure ----------------------------------------------------------------------------------------------------


def _figure(context: Context, plan: PlannedAnalysis, arms: list[str], kinds: tuple[Kind, ...]) -> Figure:
    key = _key("incidence", plan)
    time = "km.time" if max(_days(plan)) > SHORT_DAYS else "km.time_days"
    labels = IncidenceLabels(
        kinds=tuple(kind.title for kind in kinds),
        time=context.label(time),
        share=context.label("incidence.share"),
        at_risk=context.label("km.at_risk"),
        untold=curve_withheld(context, _untold(context, plan)),
    )
    curves = [_curve(context, plan, key, arm, kinds) for arm in arms]
    event, other = (inside(kind.title) for kind in kinds)
    names = ("note_points", "note_aggregate") if context.inputs.is_aggregate else ("note",)
    notes = [*_why_untold(context, plan), *(context.text(f"incidence.{name}") for name in names)]
    return context.figure(
        key,
        incidence(curves, (0, *_days(plan)), labels),
        context.text("incidence.figure", population=context.population(plan), event=event, competing=other),
        context.text("incidence.alt", event=event, competing=other),
        *notes,
    )


def _untold(context: Context, plan: PlannedAnalysis) -> list[str]:
    return without_curve(context, {arm: context.series(f"{plan.id}.incidence.{arm}") for arm in ARMS})


def _why_untold(context: Context, plan: PlannedAnalysis) -> list[Text]:
    return why_no_curve(context, _untold(context, plan), "incidence.no_curve")


def _curve(
    context: Context, plan: PlannedAnalysis, key: str, arm: str, kinds: tuple[Kind, ...]
) -> IncidenceCurve:
    series = context.series(f"{plan.id}.incidence.{arm}")
    at_risk: list[Number | None] = [
        context.result(f"figure:{key}:{arm}:0", _observed(plan, kinds[0], arm), "int", "n")
    ]
    for day in _days(plan):
        ard_id = f"{plan.id}.{arm}.at_risk.day_{day}"
        place = f"figure:{key}:{arm}:{day}"
        at_risk.append(context.result(place, ard_id, "int") if context.row(ard_id) else None)
    return IncidenceCurve(
        title=context.protocol.exposure.arm_title(arm),
        colour=TEAL if arm == EXPOSED else GREY,
        panels=tuple(_points(series, kind) for kind in kinds),
        is_sparse=context.inputs.is_aggregate,
        at_risk=tuple(at_risk),
    )


def _points(series: Series | None, kind: Kind) -> list[Point]:
    if series is None:
        return []
    first = series.columns.index(kind.statistic)
    found = []
    for point in series.points:
        day, share, low, high = (_float(point[place]) for place in (0, first, first + 1, first + 2))
        if day is not None and share is not None:
            found.append((day, share, low, high))
    return found


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


# -- the tables ----------------------------------------------------------------------------------------------------


def _incidences(context: Context, plan: PlannedAnalysis, arms: list[str], kinds: tuple[Kind, ...]) -> Table:
    """A column for each kind of event in each arm, a line for each day."""
    columns = [(kind, arm) for kind in kinds for arm in arms]
    heads = [_head(context, kind, arm) for kind, arm in columns]
    maker = context.maker(_key("incidences", plan), ("median.statistic", *heads), "l" + "r" * len(columns))
    for label, field in (("median.subjects", "n"), ("median.events", "value")):
        counts = (Result(_observed(plan, kind, arm), "int", field) for kind, arm in columns)
        maker.add(context.label(label), *counts)
    for day in _days(plan):
        shares = (share(context, f"{plan.id}.{arm}.{kind.statistic}.day_{day}", 0.0) for kind, arm in columns)
        maker.add(_at(context, day, short=max(plan.days) <= SHORT_DAYS), *shares)
    return maker.table(
        context.text("incidence.table", population=context.population(plan)),
        context.text("incidence.limits"),
        *_why_untold(context, plan),
    )


def _head(context: Context, kind: Kind, arm: str) -> Bilingual:
    title = context.protocol.exposure.arm_title(arm)
    return Bilingual(f"{kind.title.zh}：{title.zh}", f"{kind.title.en}: {inside(title).en}")


def _at(context: Context, day: int, *, short: bool) -> Text:
    if short:
        return context.text("incidence.at_day", day=Bilingual(str(day), str(day)))
    years = f"{day / DAYS_A_YEAR:.1f}".removesuffix(".0")
    return context.text("incidence.at", years=Bilingual(years, years))


def _comparison(context: Context, plan: PlannedAnalysis, kinds: tuple[Kind, ...]) -> Table:
    heads = (
        "incidence.kind", "incidence.gray", "cox.p", "incidence.cause_specific", "cox.p", "incidence.subdistribution",
        "cox.p",
    )  # fmt: skip
    maker = context.maker(_key("competing", plan), heads, "lrrrrrr")
    for kind in kinds:
        gray = f"{plan.id}.gray.{kind.name}"
        cox = f"{plan.id}.cause_specific.{kind.name}.{context.exposure}"
        fine_gray = f"{plan.id}.fine_gray.{kind.name}.{context.exposure}"
        maker.add(
            kind.title,
            Result(f"{gray}.chi_square", "fixed.2"),
            Result(f"{gray}.p_value", "p"),
            interval(f"{cox}.hazard_ratio", "fixed.2"),
            Result(f"{cox}.p_value", "p"),
            interval(f"{fine_gray}.subdistribution_hazard_ratio", "fixed.2"),
            Result(f"{fine_gray}.p_value", "p"),
        )
    caption = context.text("incidence.comparison", population=context.population(plan))
    return maker.table(caption, context.text("incidence.reading"), *_options(context, plan))


def _options(context: Context, plan: PlannedAnalysis) -> list[Text]:
    """What the models adjust for and are stratified by."""
    notes = []
    for key, names in (("incidence.adjusted", plan.covariates), ("incidence.stratified", plan.strata)):
        titles = [_title(context, name) for name in names]
        listed = Bilingual("、".join(one.zh for one in titles), ", ".join(one.en for one in titles))
        notes += [context.text(key, names=listed)] if titles else []
    return notes or [context.text("incidence.crude")]


def _title(context: Context, name: str) -> Bilingual:
    known = {one.name: one.title for one in context.protocol.covariates}
    return known[name] if name in known else context.label("incidence.site")


def _missing(context: Context, plan: PlannedAnalysis, kinds: tuple[Kind, ...]) -> list[Block]:
    """Why a cell of the table is empty."""
    not_done = context.inputs.results.not_done
    items = []
    for part in _PARTS:
        for kind in kinds:
            reason = not_done.get(f"{plan.id}.{part}.{kind.name}")
            if reason is not None:
                why = Bilingual(in_language(reason, "zh"), in_language(reason, "en"))
                items.append(
                    context.text(
                        "incidence.missing", part=context.label(f"incidence.{part}"), kind=kind.title, why=why
                    )
                )
    return [Points(tuple(items))] if items else []
