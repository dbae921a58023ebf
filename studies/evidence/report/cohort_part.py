"""Who entered, who left and why; who the arms are, and how alike before and after weighting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.claims import claim_rules
from studies.evidence.documents import ATTRITION_JSON, PROTOCOL_JSON
from studies.evidence.figures import LoveLine, love, overlap
from studies.evidence.flow_diagram import FlowStep, flow
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Align, Block, Table, Text
from studies.evidence.report.context import Context
from studies.evidence.tables import Fact, Part, Result, TableMaker
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, COMPARATOR, EXPOSED, Covariate
from studies.reasons import in_language


def cohort(context: Context, documents: Mapping[str, Any]) -> list[Block]:
    steps = documents[ATTRITION_JSON]["steps"]
    if not steps:
        return []
    # Where nobody left there is nothing to draw; the table has every step.
    shown = [place for place, step in enumerate(steps) if not place or step["left"]]
    drawn = [_flow_step(context, place, steps[place]) for place in shown]
    figure = context.figure(
        "flow",
        flow(drawn, context.phrases.pair("flow.stayed"), context.phrases.pair("flow.went")),
        context.text("flow.caption"),
        context.text("flow.alt"),
        context.text("flow.note"),
    )
    return [
        context.heading("cohort.title"),
        context.paragraph("cohort.text"),
        figure,
        _attrition(context, steps),
    ]


def _flow_step(context: Context, place: int, step: Mapping[str, Any]) -> FlowStep:
    at = f"figure:flow:{place}"
    return FlowStep(
        _pair(step["reason"]),
        context.book.fact(at, ATTRITION_JSON, f"/steps/{place}/remaining"),
        context.book.fact(at, ATTRITION_JSON, f"/steps/{place}/left") if place else None,
    )


def _pair(text: Mapping[str, str]) -> Bilingual:
    return Bilingual(text["zh"], text["en"])


def _attrition(context: Context, steps: list[Mapping[str, Any]]) -> Table:
    heads = tuple(f"attrition.{name}" for name in ("step", "reason", "left", "remaining"))
    maker = context.maker("attrition", heads, "llrr")
    for place, step in enumerate(steps):
        counts = [Fact(ATTRITION_JSON, f"/steps/{place}/{name}") for name in ("left", "remaining")]
        maker.add(str(place), _pair(step["reason"]), *counts)
    return maker.table(context.text("attrition.caption"), context.text("attrition.note"))


def baseline(context: Context) -> list[Block]:
    blocks: list[Block] = []
    for plan in context.planned("balance"):
        blocks.append(_table_one(context, plan))
        blocks += _love(context, plan)
    for plan in context.planned("overlap"):
        blocks += _overlap(context, plan)
    return [context.heading("baseline.title"), *blocks] if blocks else []


def _is_weighted(context: Context, plan: PlannedAnalysis) -> bool:
    """Planned weights may not exist, of separated arms for instance: who the arms are is told without them."""
    return plan.weights != "none" and context.row(f"{plan.id}.{EXPOSED}.effective_sample_size") is not None


def _why_no_weights(context: Context, plan: PlannedAnalysis) -> list[Text]:
    why = context.inputs.results.not_done.get(f"{plan.id}.weights")
    if why is None:
        return []
    reason = Bilingual(in_language(why, "zh"), in_language(why, "en"))
    kind = context.label(f"weights.{plan.weights}")
    return [context.text("baseline.no_weights", kind=kind, reason=reason)]


def _table_one(context: Context, plan: PlannedAnalysis) -> Table:
    weighted = _is_weighted(context, plan)
    maker = _table_one_head(context, plan, weighted=weighted)
    for name in plan.covariates:
        covariate = context.protocol.covariate(name)
        if covariate.type == "number":
            maker.add(_title(context, covariate), *_cells(plan, name, covariate, weighted=weighted))
            continue
        if covariate.levels:
            maker.add(covariate.title, *[""] * (len(maker.head) - 1))
        for column, title in _columns(covariate):
            maker.add(title, *_cells(plan, column, covariate, weighted=weighted))
    limit = _smd_limit(context, plan, "text:baseline.note")
    notes = [context.text("baseline.note", {"limit": limit})]
    if weighted:
        sizes = {
            arm: context.result("text:baseline.ess", f"{plan.id}.{arm}.effective_sample_size", "fixed.1")
            for arm in ARMS
        }
        notes.append(context.text("baseline.ess", sizes))
    population = context.population(plan)
    if not weighted:
        notes += _why_no_weights(context, plan)
        return maker.table(context.text("baseline.caption", population=population), *notes)
    kind = context.label(f"weights.{plan.weights}")
    return maker.table(context.text("baseline.caption_weighted", population=population, kind=kind), *notes)


def _table_one_head(context: Context, plan: PlannedAnalysis, *, weighted: bool) -> TableMaker:
    """The head names each arm with its n; a number in a head stands in row 0."""
    key = f"baseline_{plan.id.replace('.', '_')}"
    heads: list[Text] = [context.text("baseline.characteristic")]
    for arm in ARMS:
        title = context.protocol.exposure.arm_title(arm)
        count = context.result(f"table:{key}:0:{len(heads)}", f"{plan.id}.{arm}.subjects", "int")
        heads.append(context.text("baseline.unweighted", {"n": count}, arm=title))
    heads.append(context.text("baseline.smd"))
    if weighted:
        for arm in ARMS:
            heads.append(context.text("baseline.weighted", arm=context.protocol.exposure.arm_title(arm)))
        heads.append(context.text("baseline.smd_after"))
    align: list[Align] = ["right"] * len(heads)
    align[0] = "left"
    return TableMaker(key, context.book, tuple(heads), tuple(align))


def _title(context: Context, covariate: Covariate) -> Bilingual:
    if not covariate.unit:
        return covariate.title
    key = f"unit.{covariate.unit.strip('{}')}"
    unit = context.label(key) if context.phrases.keys(key) else Bilingual(covariate.unit, covariate.unit)
    return Bilingual(f"{covariate.title.zh}（{unit.zh}）", f"{covariate.title.en} ({unit.en})")


def _columns(covariate: Covariate) -> list[tuple[str, Bilingual]]:
    """Column names as in the results, and their titles; levels are set in a little."""
    if not covariate.levels:
        return [(covariate.name, covariate.title)]
    indent = "\u2003"
    return [
        (f"{covariate.name}.{level.id}", Bilingual(indent + level.title.zh, indent + level.title.en))
        for level in covariate.levels
    ]


def _cells(plan: PlannedAnalysis, column: str, covariate: Covariate, *, weighted: bool) -> list[list[Part]]:
    is_number = covariate.type == "number"
    cells: list[list[Part]] = []
    for arm in ARMS:
        row = f"{plan.id}.{column}.{arm}"
        if is_number:
            cells.append(
                [Result(f"{row}.mean", "fixed.1"), " (", Result(f"{row}.standard_deviation", "fixed.1"), ")"]
            )
        else:
            cells.append([Result(f"{row}.subjects", "int"), " (", Result(f"{row}.percent", "fixed.1"), "%)"])
    cells.append([Result(f"{plan.id}.{column}.smd_unweighted", "fixed.3")])
    if weighted:
        for arm in ARMS:
            row = f"{plan.id}.{column}.{arm}"
            shown: list[Part] = [Result(f"{row}.weighted_mean", "fixed.1")]
            cells.append(shown if is_number else [Result(f"{row}.weighted_percent", "fixed.1"), "%"])
        cells.append([Result(f"{plan.id}.{column}.smd_weighted", "fixed.3")])
    return cells


def _love(context: Context, plan: PlannedAnalysis) -> list[Block]:
    series = context.series(f"{plan.id}.love")
    if series is None or not _is_weighted(context, plan):
        return []
    lines = []
    for variable, level, before, after in series.points:
        if isinstance(before, int | float) and not _says_it_twice(context, str(variable), str(level)):
            lines.append(LoveLine(_level_title(context, str(variable), str(level)), before, _number(after)))
    if not lines:
        return []
    limit = _smd_limit(context, plan, f"text:love.{plan.id}")
    notes = [context.text("love.note", {"limit": limit}, widest=_widest())]
    if plan.weights in ("overlap", "entropy"):
        notes.append(context.text(f"love.exact.{plan.weights}"))
    row = context.row(f"{plan.id}.smd_limit")
    line = context.protocol.diagnostics.largest_smd if row is None else row.value
    labels = [context.label(f"love.{name}") for name in ("before", "after", "axis")]
    figure = context.figure(
        f"love_{plan.id.replace('.', '_')}",
        love(lines, _number(line) or 0.0, labels[0], labels[1], labels[2]),
        context.text("love.caption", population=context.population(plan)),
        context.text("love.alt"),
        *notes,
    )
    return [figure]


def _widest() -> Bilingual:
    """A limit that grows as arms get small stops here (claims.toml)."""
    widest = f"{claim_rules().widest_smd:g}"
    return Bilingual(widest, widest)


def _smd_limit(context: Context, plan: PlannedAnalysis, place: str) -> Number:
    """Of a run from before limits were results: the protocol's."""
    if context.row(f"{plan.id}.smd_limit") is None:
        return context.book.fact(place, PROTOCOL_JSON, "/diagnostics/largest_smd", "fixed.2")
    return context.result(place, f"{plan.id}.smd_limit", "fixed.2")


def _says_it_twice(context: Context, variable: str, level: str) -> bool:
    """Of two levels the first mirrors the second."""
    levels = context.protocol.covariate(variable).levels
    return len(levels) == 2 and level == levels[0].id


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _level_title(context: Context, variable: str, level: str) -> Bilingual:
    covariate = context.protocol.covariate(variable)
    for one in covariate.levels:
        if one.id == level:
            return Bilingual(f"{covariate.title.zh}：{one.title.zh}", f"{covariate.title.en}: {one.title.en}")
    return covariate.title


def _overlap(context: Context, plan: PlannedAnalysis) -> list[Block]:
    series = context.series(f"{plan.id}.histogram")
    if series is None:
        return []
    bins = [tuple(float(value or 0) for value in point) for point in series.points]
    exposure = context.protocol.exposure
    figure = context.figure(
        f"overlap_{plan.id.replace('.', '_')}",
        overlap(
            [(one[0], one[1], one[2], one[3]) for one in bins],
            exposure.arm_title(EXPOSED),
            exposure.arm_title(COMPARATOR),
            context.label("overlap.axis"),
            context.label("overlap.counts"),
        ),
        context.text("overlap.caption", population=context.population(plan)),
        context.text("overlap.alt"),
        context.text("overlap.note"),
    )
    return [figure]
