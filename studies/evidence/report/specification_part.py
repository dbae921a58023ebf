"""How far the planned ways to answer agree: a sentence, the matrix estimator x assumption, and the forest of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rwd_platform.core.text import Bilingual
from studies.evidence.forest_plot import ForestLabels, ForestLine, Panel, panels
from studies.evidence.report.blocks import Block, Figure, Paragraph, Table, words
from studies.evidence.report.context import Context, inside
from studies.evidence.report.tipping_part import between, spread
from studies.evidence.tables import NONE, Part, interval
from studies.planned import PlannedAnalysis
from studies.reasons import in_language
from studies.results import Value

_FORMS = {"hazard_ratio": "fixed.2", "difference": "fixed.1", "proportion": "percent.1"}
_SCALES = tuple(_FORMS)


@dataclass(frozen=True)
class _Way:
    """A line of the run's series. `result` is "" where there is none."""

    result: str
    plan: PlannedAnalysis
    section: str
    scale: str
    null: float
    n: Value
    value: float | None
    ci_low: float | None
    ci_high: float | None
    reason: Bilingual
    main: bool


def specification(context: Context, plan: PlannedAnalysis) -> list[Block]:
    ways = _ways(context, plan)
    if not ways:
        return []
    return [
        *_agreement(context, plan, ways),
        _figure(context, plan, ways),
        _matrix(context, plan, ways),
    ]


def _ways(context: Context, plan: PlannedAnalysis) -> list[_Way]:
    series = context.series(f"{plan.id}.specifications")
    found = []
    for point in series.points if series else ():
        result, analysis, section, scale, null, n, _, value, low, high, zh, en = point
        found.append(
            _Way(
                result=str(result),
                plan=context.protocol.analysis(str(analysis)),
                section=str(section),
                scale=str(scale),
                null=float(str(null)),
                n=n,
                value=_float(value),
                ci_low=_float(low),
                ci_high=_float(high),
                reason=Bilingual(str(zh), str(en)),
                main=analysis == plan.of,
            )
        )
    return found


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _agreement(context: Context, plan: PlannedAnalysis, ways: Sequence[_Way]) -> list[Paragraph]:
    place = f"text:{plan.id}"
    names = {
        "planned": "specifications",
        "done": "specifications_done",
        "better": "pointing_better",
        "worse": "pointing_worse",
        "shown_better": "shown_better",
        "shown_worse": "shown_worse",
    }
    numbers = {name: context.result(place, f"{plan.id}.{row}", "int") for name, row in names.items()}
    counts = {name: int(str(context.book.row(f"{plan.id}.{row}").value)) for name, row in names.items()}
    same = _same_handlings(ways)
    said = context.label(f"specification.said.{_said(counts, same)}")
    key = "specification.criterion" if ways[0].scale == "proportion" else "specification.arms"
    found = [context.paragraph(key, "plain", numbers, said=said)]
    if same:
        found.append(context.paragraph("specification.nobody_lost"))
    stem = f"{plan.id}.hazard_ratio"
    if context.row(f"{stem}.smallest") is not None:
        spread_over = {
            "smallest": context.result(place, f"{stem}.smallest", "fixed.2"),
            "middle": context.result(place, f"{stem}.median_result", "fixed.2"),
            "largest": context.result(place, f"{stem}.largest", "fixed.2"),
        }
        found.append(context.paragraph("specification.range", "plain", spread_over))
    return found


def _same_handlings(ways: Sequence[_Way]) -> int:
    """How many ways say again what another handling of those lost says: nobody of that analysis was lost."""
    handled = [way for way in ways if way.section and way.result]
    numbers: dict[str, set[tuple[Value, ...]]] = {}
    for way in handled:
        numbers.setdefault(way.plan.id, set()).add((way.n, way.value, way.ci_low, way.ci_high))
    once = [id for id, found in numbers.items() if len(found) == 1]
    return sum(way.plan.id in once for way in handled) - len(once)


def _said(counts: dict[str, int], same: int = 0) -> str:
    """`same`: of those done, handlings that say what another one says."""
    if counts["done"] < 2:
        return "too_few"
    if counts["done"] - same < 2:
        return "one_number"
    if counts["shown_better"] and counts["shown_worse"]:
        return "contradict"
    if counts["better"] and counts["worse"]:
        return "mixed"
    pointing = counts["better"] + counts["worse"]
    if pointing < counts["done"]:
        return "partly" if pointing else "unclear"
    shown = counts["shown_better"] + counts["shown_worse"]
    word = ("some" if shown else "none") if shown < counts["done"] else "agree"
    return word if counts["done"] == counts["planned"] else f"{word}_of_done"


def _title(context: Context, way: _Way) -> Bilingual:
    if not way.section:
        return way.plan.title
    handling = context.label(f"specification.{way.section}")
    text = context.text("specification.handling", title=way.plan.title, handling=handling)
    return Bilingual(text.plain("zh"), text.plain("en"))


# --- the figure -------------------------------------------------------------------------------------


def _figure(context: Context, plan: PlannedAnalysis, ways: Sequence[_Way]) -> Figure:
    key = f"specification_{plan.id.replace('.', '_')}"
    drawn = []
    for scale in _SCALES:
        lines = [
            _line(context, f"figure:{key}:{at}", way) for at, way in enumerate(ways) if way.scale == scale
        ]
        if lines:
            null = next(way.null for way in ways if way.scale == scale)
            drawn.append(_panel(context, plan, scale, null, lines))
    return context.figure(
        key,
        panels(drawn),
        context.text("specification.caption", of=inside(context.protocol.analysis(plan.of).title)),
        context.text("specification.alt"),
        context.text("specification.note"),
    )


def _line(context: Context, place: str, way: _Way) -> ForestLine:
    title = _title(context, way)
    if not way.result:
        no_result = context.label("specification.not_done")
        return ForestLine(title, None, None, None, reason=no_result, main=way.main)
    form = _FORMS[way.scale]
    fields = ("value", "ci_low", "ci_high") if way.ci_low is not None else ("value",)
    numbers = tuple(context.result(place, way.result, form, field) for field in fields)
    counts = context.counts(place, way.result)
    return ForestLine(
        title, way.value, way.ci_low, way.ci_high, numbers, counts["n"], counts["events"], main=way.main
    )


def _low_is_better(context: Context, plan: PlannedAnalysis, scale: str) -> bool:
    """A ratio of hazards, and unless the event is wanted; of a criterion as it says itself."""
    criterion = context.protocol.analysis(plan.of).criterion
    if criterion is not None:
        return criterion.direction == "at_most"
    return (scale == "hazard_ratio") != context.protocol.outcome.wanted


def _panel(
    context: Context, plan: PlannedAnalysis, scale: str, null: float, lines: Sequence[ForestLine]
) -> Panel:
    keys = {name: f"forest.{name}" for name in ("analysis", "counts", "estimate", "better", "worse", "axis")}
    if scale != "hazard_ratio":
        keys |= {name: f"specification.{name}.{scale}" for name in ("estimate", "axis")}
    if scale == "proportion":
        keys |= {name: f"specification.{name}.{scale}" for name in ("better", "worse")}
    return Panel(
        lines,
        ForestLabels(**{name: context.label(key) for name, key in keys.items()}),
        null=null,
        ratio=scale == "hazard_ratio",
        low_is_better=_low_is_better(context, plan, scale),
        between=between(context) if scale == "difference" else Bilingual("–", "–"),
        percent=scale == "proportion",
        marks_main=True,
    )


# --- the matrix -------------------------------------------------------------------------------------


def _matrix(context: Context, plan: PlannedAnalysis, ways: Sequence[_Way]) -> Table:
    """A row an estimator (and population, where there are several), a column an assumption, both as planned."""
    several = len({way.plan.population for way in ways}) > 1
    cells: dict[tuple[Bilingual, Bilingual], list[_Way]] = {}
    for way in ways:
        at = _estimator(context, way, several=several), _assumption(context, way)
        cells.setdefault(at, []).append(way)
    rows, columns = (list(dict.fromkeys(at[side] for at in cells)) for side in (0, 1))
    key = f"specification_{plan.id.replace('.', '_')}"
    heads: tuple[str | Bilingual, ...] = ("specification.estimator", *columns)
    maker = context.maker(key, heads, "l" + "r" * len(columns))
    for row in rows:
        maker.add(row, *(_cell(context, cells.get((row, column), [])) for column in columns))
    reasons = [
        context.text("specification.reason", title=_title(context, way), reason=way.reason)
        for way in ways
        if not way.result
    ]
    caption = context.text("specification.matrix", of=inside(context.protocol.analysis(plan.of).title))
    return maker.table(caption, context.text("specification.matrix.note"), *reasons)


def _estimator(context: Context, way: _Way, *, several: bool) -> Bilingual:
    tau = str(way.plan.tau)
    made = context.text(f"specification.estimator.{way.scale}", tau=Bilingual(tau, tau))
    if several:
        population = context.protocol.population(way.plan.population).title
        name = Bilingual(made.plain("zh"), made.plain("en"))
        made = context.text("specification.in_population", estimator=name, population=population)
    return Bilingual(made.plain("zh"), made.plain("en"))


def _assumption(context: Context, way: _Way) -> Bilingual:
    plan = way.plan
    if way.section:
        return context.label(f"specification.{way.section}")
    if plan.weights != "none":
        control = context.label(f"weights.{plan.weights}")
    else:
        control = context.label("specification.adjusted" if plan.covariates else "specification.crude")
    if not plan.strata:
        return control
    text = context.text("specification.stratified", control=control)
    return Bilingual(text.plain("zh"), text.plain("en"))


def _cell(context: Context, ways: Sequence[_Way]) -> list[Part]:
    parts: list[Part] = []
    for way in ways:
        parts += [Bilingual("；", "; ")] if parts else []
        if not way.result:
            parts.append(context.label("specification.not_done"))
        elif way.scale == "difference":
            parts += spread(context, way.result, _FORMS[way.scale])
        else:
            parts += interval(way.result, _FORMS[way.scale])
    return parts or [words((NONE, NONE))]


def reasons(context: Context, method: str) -> list[Block]:
    """The planned analyses of the method without a result, where their table or figure would have stood."""
    found: list[Block] = []
    for plan in context.protocol.analyses:
        why = context.inputs.results.not_done.get(plan.id)
        if plan.method == method and why is not None:
            reason = Bilingual(in_language(why, "zh"), in_language(why, "en"))
            key = "doubt.withheld" if plan.id in context.inputs.withheld else "doubt.not_done"
            found.append(context.paragraph(key, "plain", title=plan.title, reason=reason))
    return found
