"""Subgroups with the test that they differ, and the effect with each hospital left out."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Block, Figure, Table
from studies.evidence.report.context import Context, inside
from studies.evidence.subgroup_plot import SubgroupLabels, SubgroupLine, subgroup_forest
from studies.evidence.tables import NONE, Part, Result, interval
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, COMPARATOR, EXPOSED, Covariate

_INDENT = "\u2003"


def subgroups(context: Context, plan: PlannedAnalysis) -> list[Block]:
    """Figure, table, and how to read them."""
    return [
        context.paragraph("subgroups.read", of=inside(context.protocol.analysis(plan.of).title)),
        _figure(context, plan),
        _table(context, plan),
    ]


def _key(kind: str, plan: PlannedAnalysis) -> str:
    return f"{kind}_{plan.id.replace('.', '_')}"


def _levels(context: Context, covariate: Covariate) -> list[tuple[str, Bilingual]]:
    """Columns as the results name them, with titles. A record is there or not."""
    if covariate.levels:
        return [(f"{covariate.name}.{level.id}", level.title) for level in covariate.levels]
    return [(f"{covariate.name}.{word}", context.label(f"subgroups.{word}")) for word in ("yes", "no")]


def _overall(context: Context, plan: PlannedAnalysis) -> str:
    return f"{plan.of}.{context.exposure}.hazard_ratio"


def _figure(context: Context, plan: PlannedAnalysis) -> Figure:
    key = _key("subgroups", plan)
    lines = [_line(context, key, "all", _everybody(context, plan), plan.id, _overall(context, plan))]
    for name in plan.by:
        covariate = context.protocol.covariate(name)
        p = f"{plan.id}.interaction.{name}.p_value"
        shown = context.result(f"figure:{key}:{name}:p", p, "p") if context.row(p) is not None else None
        lines.append(SubgroupLine(covariate.title, "factor", p=shown))
        for column, title in _levels(context, covariate):
            stem = f"{plan.id}.{column}"
            lines.append(_line(context, key, "level", title, stem, f"{stem}.hazard_ratio"))
    counts = context.label("subgroups.counts")
    exposed, comparator = (context.protocol.exposure.arm_title(arm) for arm in ARMS)
    sides = ("worse", "better") if context.protocol.outcome.wanted else ("better", "worse")
    labels = SubgroupLabels(
        context.label("subgroups.subgroup"),
        _headed(exposed, counts),
        _headed(comparator, counts),
        context.label("forest.estimate"),
        context.label("subgroups.p"),
        *(context.label(f"forest.{name}") for name in (*sides, "axis")),
    )
    return context.figure(
        key,
        subgroup_forest(lines, labels),
        context.text("subgroups.caption", of=plan.title),
        context.text("subgroups.alt"),
        context.text("subgroups.note"),
    )


def _headed(arm: Bilingual, counts: Bilingual) -> Bilingual:
    return Bilingual(f"{arm.zh}\n{counts.zh}", f"{arm.en}\n{counts.en}")


def _line(context: Context, key: str, kind: str, title: Bilingual, stem: str, ratio: str) -> SubgroupLine:
    at = f"figure:{key}:{stem}"
    row = context.row(ratio)
    point, estimate = None, None
    if row is not None and isinstance(row.value, float) and row.ci_low and row.ci_high:
        point = (row.value, row.ci_low, row.ci_high)
        numbers = context.ratio(at, ratio)
        estimate = (numbers["hr"], numbers["low"], numbers["high"])
    return SubgroupLine(
        title,
        kind,
        _counts(context, at, stem, EXPOSED),
        _counts(context, at, stem, COMPARATOR),
        point,
        estimate,
    )


def _counts(context: Context, at: str, stem: str, arm: str) -> tuple[Number, Number]:
    return (
        context.result(f"{at}:{arm}", f"{stem}.{arm}.events", "int"),
        context.result(f"{at}:{arm}", f"{stem}.{arm}.subjects", "int"),
    )


def _table(context: Context, plan: PlannedAnalysis) -> Table:
    exposed, comparator = (context.protocol.exposure.arm_title(arm) for arm in ARMS)
    counts = context.label("subgroups.counts")
    heads = (
        "subgroups.subgroup", _beside(exposed, counts), _beside(comparator, counts), "forest.estimate",
        "subgroups.test", "subgroups.p",
    )  # fmt: skip
    maker = context.maker(_key("subgroups", plan), heads, "lrrrrr")
    maker.add(
        _everybody(context, plan), *_cells(plan.id), interval(_overall(context, plan), "fixed.2"), "", ""
    )
    for name in plan.by:
        covariate = context.protocol.covariate(name)
        test = f"{plan.id}.interaction.{name}"
        chi: list[Part] = [
            Result(f"{test}.chi_square", "fixed.2"), " (", Result(f"{test}.degrees", "int"), ")",
        ]  # fmt: skip
        maker.add(covariate.title, "", "", "", chi, Result(f"{test}.p_value", "p"))
        for column, title in _levels(context, covariate):
            stem = f"{plan.id}.{column}"
            indented = Bilingual(_INDENT + title.zh, _INDENT + title.en)
            maker.add(indented, *_cells(stem), interval(f"{stem}.hazard_ratio", "fixed.2"), "", "")
    notes = [context.text("subgroups.matched_note")] if _is_matched(context, plan) else []
    caption = context.text("subgroups.table", of=plan.title)
    return maker.table(caption, context.text("subgroups.table_note"), *notes)


def _is_matched(context: Context, plan: PlannedAnalysis) -> bool:
    return context.protocol.analysis(plan.of).weights == "matched"


def _everybody(context: Context, plan: PlannedAnalysis) -> Bilingual:
    return context.label("subgroups.all_matched" if _is_matched(context, plan) else "subgroups.all")


def _beside(arm: Bilingual, counts: Bilingual) -> Bilingual:
    return Bilingual(f"{arm.zh}：{counts.zh}", f"{arm.en}: {counts.en}")


def _cells(stem: str) -> list[list[Part]]:
    return [
        [Result(f"{stem}.{arm}.events", "int"), "/", Result(f"{stem}.{arm}.subjects", "int")] for arm in ARMS
    ]


def left_out(context: Context, plan: PlannedAnalysis) -> list[Block]:
    """One line for each hospital without which the effect was estimated again."""
    maker = context.maker(
        _key("left_out", plan),
        ("left_out.without", "median.subjects", "median.events", "forest.estimate"),
        "lrrr",
    )
    of = context.protocol.analysis(plan.of)
    maker.add(context.label("left_out.nobody"), *_row(_overall(context, plan)))
    number = 1
    while (row := context.row(f"{plan.id}.without_{number}.site")) is not None:
        ratio = f"{plan.id}.without_{number}.{context.exposure}.hazard_ratio"
        # Those who are left are told also where they could give no estimate.
        counts = (Result(row.id, "int", "n"), Result(row.id, "int", "events"))
        estimate = interval(ratio, "fixed.2") if context.row(ratio) is not None else NONE
        maker.add(_hospital(context, str(row.value)), *counts, estimate)
        number += 1
    place = f"text:{plan.id}.range"
    stem = f"{plan.id}.{context.exposure}"
    numbers = {
        "smallest": context.result(place, f"{stem}.smallest_hazard_ratio", "fixed.2"),
        "largest": context.result(place, f"{stem}.largest_hazard_ratio", "fixed.2"),
    }
    caption = context.text("left_out.caption", of=inside(of.title))
    return [
        context.paragraph("left_out.range", "plain", numbers),
        maker.table(caption, context.text("left_out.note")),
    ]


def _row(ard_id: str) -> list[list[Part] | Part]:
    return [Result(ard_id, "int", "n"), Result(ard_id, "int", "events"), interval(ard_id, "fixed.2")]


def _hospital(context: Context, site: str) -> Bilingual:
    """By its name where the package tells of it as a source; else as the lock calls it."""
    found = next((one.name for one in context.inputs.sources if one.organisation_id == site), None)
    return found if found is not None else Bilingual(site, site)
