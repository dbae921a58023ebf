"""What those lost could do: the turn of a single arm's verdict, and the map of two arms. From result rows alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Block, Figure, Paragraph, Table, Text
from studies.evidence.report.context import Context, inside
from studies.evidence.tables import Fact, Part, Result
from studies.evidence.templates.verify import ARD_JSON
from studies.evidence.tipping_figures import (
    BoundLabels,
    MapCell,
    MapLabels,
    bounds,
    prints_numbers,
    tipping_map,
)
from studies.planned import Horizon, PlannedAnalysis
from studies.protocol import COMPARATOR, EXPOSED
from studies.results import Series
from studies.rounding import decimals_apart

_MOST_LINES = 21  # of a table of bounds; more are told by the figure
_CASES = ("observed", "none", "every", "worst", "best")


def tipping(context: Context, plan: PlannedAnalysis) -> list[Block]:
    return _single_arm(context, plan) if plan.of else _two_arms(context, plan)


def _key(kind: str, plan: PlannedAnalysis) -> str:
    return f"{kind}_{plan.id.replace('.', '_')}"


def _window(context: Context, horizon: Horizon | None) -> list[Paragraph]:
    """Who counts as lost is said wherever losses are counted."""
    if horizon is None or not horizon.window:
        return []
    first, day = str(horizon.day - horizon.window), str(horizon.day)
    facts = {"first": Bilingual(first, first), "day": Bilingual(day, day)}
    return [context.paragraph("criterion.followed", "small", None, **facts)]


def _verdict(context: Context, ard_id: str, prefix: str) -> Bilingual:
    return context.label(f"{prefix}.{str(context.book.row(ard_id).value).replace(' ', '_')}")


def _at(context: Context, id: str) -> int | None:
    """The place of a series among the run's, by which its points are pointed at; None where it is withheld."""
    return next((at for at, one in enumerate(context.inputs.results.series) if one.id == id), None)


# --- one arm ----------------------------------------------------------------------------------------


def _single_arm(context: Context, plan: PlannedAnalysis) -> list[Block]:
    place, arm = f"text:{plan.id}", f"{plan.id}.{EXPOSED}"
    form = _bound_form(context, plan)
    numbers = {
        "n": context.result(place, f"{arm}.subjects", "int"),
        "lost": context.result(place, f"{arm}.lost", "int"),
        "none": context.result(place, f"{plan.id}.none_failed.bound", form),
        "all": context.result(place, f"{plan.id}.all_failed.bound", form),
        "criterion": context.result(place, f"{plan.id}.criterion", form),
    }
    verdicts = {
        f"{one}_verdict": _verdict(context, f"{plan.id}.{one}_failed.verdict", "tipping.verdict_is")
        for one in ("none", "all")
    }
    blocks: list[Block] = [
        context.paragraph("tipping.arm.ends", "plain", numbers, **verdicts),
        *_turns(context, plan),
        *_window(context, context.protocol.analysis(plan.of).horizon),
    ]
    at = _at(context, f"{plan.id}.bounds")
    if at is None:
        return blocks
    series = context.inputs.results.series[at]
    table = [_bound_table(context, plan, series, at)] if len(series.points) <= _MOST_LINES else []
    return [*blocks, _bound_figure(context, plan, series), *table]


def _apart(values: Iterable[object], limit: float, kind: Literal["percent", "points"]) -> str:
    """As many decimals as it takes for none of the values to look as if it lay on the other side of the limit."""
    numbers = [float(one) for one in values if isinstance(one, int | float)]
    return f"{kind}.{max((decimals_apart(one, limit) for one in numbers), default=3) - 2}"


def _bound_form(context: Context, plan: PlannedAnalysis) -> str:
    criterion = context.protocol.analysis(plan.of).criterion
    assert criterion is not None  # noqa: S101 - `of` is a performance criterion: planned_checks
    series = context.series(f"{plan.id}.bounds")
    ends = [context.book.row(f"{plan.id}.{one}_failed.bound").value for one in ("none", "all")]
    drawn = [point[1] for point in series.points] if series else []
    return _apart([*ends, *drawn], criterion.value, "percent")


def _difference_form(context: Context, plan: PlannedAnalysis) -> str:
    rows = [context.book.row(f"{plan.id}.{case}.difference") for case in _CASES]
    return _apart([end for row in rows for end in (row.ci_low, row.ci_high)], 0.0, "points")


def _turns(context: Context, plan: PlannedAnalysis) -> list[Paragraph]:
    found = []
    for statistic, key in (("failures_to_overturn", "turns"), ("failures_to_miss", "misses")):
        row = context.book.row(f"{plan.id}.{EXPOSED}.{statistic}")
        if isinstance(row.value, int) and row.value > 0:
            numbers = {"failures": context.result(f"text:{plan.id}.{key}", row.id, "int")}
            found.append(context.paragraph(f"tipping.arm.{key}", "plain", numbers))
    return found or [context.paragraph("tipping.arm.same")]


def _of(context: Context, plan: PlannedAnalysis) -> Bilingual:
    return inside(context.protocol.analysis(plan.of).title)


def _bound_figure(context: Context, plan: PlannedAnalysis, series: Series) -> Figure:
    key = _key("tipping", plan)
    criterion = context.protocol.analysis(plan.of).criterion
    assert criterion is not None  # noqa: S101 - `of` is a performance criterion: planned_checks
    drawn = [
        (int(k), float(bound), str(verdict))
        for k, bound, verdict in series.points
        if isinstance(k, int) and isinstance(bound, int | float)
    ]
    words = ("met", "not met", "not shown")
    labels = BoundLabels(
        context.label("tipping.failures"),
        context.label("tipping.bound"),
        context.label("tipping.criterion"),
        {one: context.label(f"verdict.{one.replace(' ', '_')}") for one in words},
    )
    printed = context.result(f"figure:{key}:criterion", f"{plan.id}.criterion", _bound_form(context, plan))
    notes = [context.text("tipping.arm.note")]
    step = context.book.row(f"{plan.id}.{EXPOSED}.grid_step")
    if step.value != 1:
        numbers = {"step": context.result(f"text:{key}.step", step.id, "int")}
        notes.append(context.text("tipping.arm.coarse", numbers))
    return context.figure(
        key,
        bounds(drawn, criterion.value, printed, labels, at_least=criterion.direction == "at_least"),
        context.text("tipping.arm.caption", of=_of(context, plan)),
        context.text("tipping.arm.alt"),
        *notes,
    )


def _bound_table(context: Context, plan: PlannedAnalysis, series: Series, at: int) -> Table:
    heads = ("tipping.failures", "tipping.bound", "criterion.verdict")
    maker, form = context.maker(_key("tipping", plan), heads, "lrl"), _bound_form(context, plan)
    for number, point in enumerate(series.points):
        stem = f"/series/{at}/points/{number}"
        maker.add(
            Fact(ARD_JSON, f"{stem}/0"),
            Fact(ARD_JSON, f"{stem}/1", form),
            context.label(f"verdict.{str(point[2]).replace(' ', '_')}"),
        )
    return maker.table(context.text("tipping.arm.table", of=_of(context, plan)))


# --- two arms ---------------------------------------------------------------------------------------


def _two_arms(context: Context, plan: PlannedAnalysis) -> list[Block]:
    blocks: list[Block] = [
        _who_was_lost(context, plan),
        *_how_it_turns(context, plan),
        *_window(context, plan.horizon),
    ]
    at = _at(context, f"{plan.id}.map")
    if at is not None:
        blocks.append(_map(context, plan, at))
    return [*blocks, _cases(context, plan)]


def _day(plan: PlannedAnalysis) -> Bilingual:
    day = str(plan.horizon.day) if plan.horizon else ""
    return Bilingual(day, day)


def _who_was_lost(context: Context, plan: PlannedAnalysis) -> Paragraph:
    place = f"text:{plan.id}"
    observed, form = f"{plan.id}.observed.difference", _difference_form(context, plan)
    numbers = {
        "n1": context.result(place, f"{plan.id}.{EXPOSED}.subjects", "int"),
        "lost1": context.result(place, f"{plan.id}.{EXPOSED}.lost", "int"),
        "n2": context.result(place, f"{plan.id}.{COMPARATOR}.subjects", "int"),
        "lost2": context.result(place, f"{plan.id}.{COMPARATOR}.lost", "int"),
        "difference": context.result(place, observed, form),
        "low": context.result(place, observed, form, "ci_low"),
        "high": context.result(place, observed, form, "ci_high"),
    }
    verdict = _verdict(context, f"{plan.id}.observed.verdict", "tipping.verdict")
    return context.paragraph("tipping.arms.lost", "plain", numbers, day=_day(plan), verdict=verdict)


def _how_it_turns(context: Context, plan: PlannedAnalysis) -> list[Paragraph]:
    """In how many ways the verdict is another one, and from which numbers on: along the two edges of the map."""
    place = f"text:{plan.id}.turns"
    numbers = {"combinations": context.result(place, f"{plan.id}.combinations", "int")}
    if not context.book.row(f"{plan.id}.combinations_changed").value:
        return [context.paragraph("tipping.arms.same", "plain", numbers)]
    numbers["changed"] = context.result(place, f"{plan.id}.combinations_changed", "int")
    seen = str(context.book.row(f"{plan.id}.observed.verdict").value)
    found = [context.paragraph("tipping.arms.changed", "plain", numbers)]
    for key, arm in _edges(seen):
        row = context.book.row(f"{plan.id}.{arm}.turns_at.{key}")
        if isinstance(row.value, int):
            turn = {
                "failures": context.result(f"{place}.{key}", row.id, "int"),
                "lost": context.result(f"{place}.{key}", f"{plan.id}.{arm}.lost", "int"),
            }
            found.append(context.paragraph(f"tipping.arms.{key}", "plain", turn))
    return found


def _edges(verdict: str) -> list[tuple[str, str]]:
    """Which turns can follow from the verdict of those followed."""
    lost = {"better": [("not_better", EXPOSED)], "worse": [("not_worse", COMPARATOR)]}.get(verdict, [])
    shown = {"better": ("better", COMPARATOR), "worse": ("worse", EXPOSED)}
    return [*lost, *(edge for name, edge in shown.items() if name != verdict)]


def _map(context: Context, plan: PlannedAnalysis, at: int) -> Figure:
    key = _key("tipping", plan)
    points = context.inputs.results.series[at].points
    printed = prints_numbers(len({one[0] for one in points}), len({one[1] for one in points}))
    cells = [
        MapCell(
            int(float(str(point[0]))),
            int(float(str(point[1]))),
            str(point[5]),
            _difference(context, key, at, number) if printed else None,
        )
        for number, point in enumerate(points)
    ]
    labels = MapLabels(
        context.label("tipping.arms.columns"),
        context.label("tipping.arms.rows"),
        {
            one: context.label(f"tipping.verdict.{one.replace(' ', '_')}")
            for one in ("better", "not shown", "worse")
        },
        context.label("tipping.arms.expected"),
    )
    note = context.text("tipping.arms.note" if printed else "tipping.arms.note_large", day=_day(plan))
    return context.figure(
        key,
        tipping_map(cells, labels, _expected(context, plan)),
        context.text("tipping.arms.caption", day=_day(plan), population=context.population(plan)),
        context.text("tipping.arms.alt"),
        note,
        *_coarse(context, plan, key),
    )


def _difference(context: Context, key: str, at: int, number: int) -> Number:
    pointer = f"/series/{at}/points/{number}/2"
    return context.book.fact(f"figure:{key}:{number}", ARD_JSON, pointer, "points.0")


def _expected(context: Context, plan: PlannedAnalysis) -> tuple[float, float]:
    """Where the map's cross stands: those lost fail as often as those followed in their own arm."""
    found = []
    for arm in (EXPOSED, COMPARATOR):
        names = ("subjects", "failed", "lost")
        n, failed, lost = (float(str(context.book.row(f"{plan.id}.{arm}.{one}").value)) for one in names)
        found.append(lost * failed / (n - lost))
    return found[0], found[1]


def _coarse(context: Context, plan: PlannedAnalysis, key: str) -> list[Text]:
    rows = [context.book.row(f"{plan.id}.{arm}.grid_step") for arm in (EXPOSED, COMPARATOR)]
    if all(row.value == 1 for row in rows):
        return []
    numbers = {
        f"step{at}": context.result(f"text:{key}.step", row.id, "int") for at, row in enumerate(rows, start=1)
    }
    return [context.text("tipping.arms.coarse", numbers)]


def _cases(context: Context, plan: PlannedAnalysis) -> Table:
    maker = context.maker(
        _key("tipping_cases", plan), ("tipping.case", "tipping.difference", "criterion.verdict"), "lrl"
    )
    form = _difference_form(context, plan)
    for case in _CASES:
        row = f"{plan.id}.{case}.difference"
        verdict = _verdict(context, f"{plan.id}.{case}.verdict", "tipping.verdict")
        maker.add(context.label(f"tipping.case.{case}"), spread(context, row, form), verdict)
    caption = context.text("tipping.arms.table", population=context.population(plan))
    return maker.table(caption, context.text("tipping.table.note"))


def spread(context: Context, ard_id: str, form: str) -> list[Part]:
    """`−7.3 (−17.4 to 5.6)`: limits that may be negative are not joined by a dash."""
    low, high = Result(ard_id, form, "ci_low"), Result(ard_id, form, "ci_high")
    return [Result(ard_id, form), " (", low, between(context), high, ")"]


def between(context: Context) -> Bilingual:
    word = context.label("limits.between")
    return Bilingual(f" {word.zh} ", f" {word.en} ")
