"""One question, the reasonable ways to answer it, and how far they agree: from the rows of the run alone.

`of` is the main way, `compares` the others, in the protocol's order. Ways that compare the arms (hazard
ratio, difference of restricted means) stand together, or ways to hold one arm against a criterion (each
handling of those lost). A planned way that gave no number stays in the list with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from studies.analyses.context import Context, Done, Pen, points
from studies.planned import PlannedAnalysis
from studies.reasons import CannotEstimate, Reason, in_language, joined
from studies.results import ArdRow, Series, Value
from studies.statistics.doubt.specification import Specification, specification_set

Scale = Literal["hazard_ratio", "difference", "proportion"]
EVERYBODY = "analysed"  # the populations of the ways may differ: all of them are parts of this row set
# What says "no difference" on each scale; of a proportion it is the criterion.
NULLS: Mapping[Scale, float] = {"hazard_ratio": 1.0, "difference": 0.0}
HANDLINGS = ("worst_case", "complete_cases", "best_case")
COLUMNS = (
    "result", "analysis", "section", "scale", "null", "n", "events", "value", "ci_low", "ci_high", "reason_zh",
    "reason_en",
)  # fmt: skip
METHOD = "the planned analyses of one outcome, each as its own rows give it; no joint test"

NONE_DONE = Reason(
    "no_specification_done",
    "所列的分析均未得出结果，无法比较其一致性。",
    "None of the analyses listed gave a result: there is no agreement to tell.",
)
GAVE_NO_NUMBER = Reason(
    "gave_no_number", "该项分析没有给出此结果。", "That analysis did not give this result."
)


@dataclass(frozen=True)
class Way:
    """One way to answer. `row` is its result; None where it has none, and then `reason` says why ("zh / en").

    better -- the side of `null` that speaks for the exposed: 1 above, -1 below
    """

    analysis: str
    section: str
    scale: Scale
    null: float
    better: int
    row: ArdRow | None
    reason: str = ""

    @property
    def side(self) -> int:
        """1 for the exposed, -1 against it, 0 neither or no result."""
        if self.row is None or not isinstance(self.row.value, int | float):
            return 0
        gap = self.better * (self.row.value - self.null)
        return (gap > 0) - (gap < 0)

    @property
    def shown(self) -> int:
        """The same of the whole interval: 0 where it holds the null value."""
        row = self.row
        if row is None or row.ci_low is None or row.ci_high is None:
            return 0
        return self.better * ((row.ci_low > self.null) - (row.ci_high < self.null))


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    ways = [way for name in (analysis.of, *analysis.compares) for way in _ways(name, context)]
    done = [way for way in ways if way.row is not None]
    if not done:
        raise CannotEstimate(NONE_DONE)
    n, events = (min(_known(way, name) for way in done) for name in ("n", "events"))
    variables = dict.fromkeys(one for way in done if way.row is not None for one in way.row.variables)
    pen = Pen(context, analysis.id, EVERYBODY, tuple(variables), METHOD)
    pen.write("specifications", len(ways), n=n)
    pen.write("specifications_done", len(done), n=n)
    pen.write("pointing_better", sum(way.side > 0 for way in done), n=n)
    pen.write("pointing_worse", sum(way.side < 0 for way in done), n=n)
    pen.write("shown_better", sum(way.shown > 0 for way in done), n=n)
    pen.write("shown_worse", sum(way.shown < 0 for way in done), n=n)
    for scale in dict.fromkeys(way.scale for way in done):
        _write_range(pen, scale, [way for way in ways if way.scale == scale], n, events)
    lines = points(_point(way) for way in ways)
    return Done(tuple(pen.rows), (Series(f"{analysis.id}.specifications", analysis.id, COLUMNS, lines),))


def _known(way: Way, name: str) -> int:
    found = getattr(way.row, name)
    return int(found) if found is not None else 0


def _ways(name: str, context: Context) -> Iterator[Way]:
    """The ways that one planned analysis gives: one, or one for each handling of those lost."""
    plan = context.protocol.analysis(name)
    # Whether it is better to be free of the event for longer.
    longer = -1 if context.protocol.outcome.wanted else 1
    if plan.method == "cox":
        yield _way(context, plan, "", "hazard_ratio", NULLS["hazard_ratio"], -longer)
    elif plan.method == "rmst":
        yield _way(context, plan, "", "difference", NULLS["difference"], longer)
    elif plan.criterion is not None:
        better = 1 if plan.criterion.direction == "at_least" else -1
        for section in HANDLINGS:
            yield _way(context, plan, section, "proportion", plan.criterion.value, better)


def _way(
    context: Context, plan: PlannedAnalysis, section: str, scale: Scale, null: float, better: int
) -> Way:
    variable = context.dataset.exposure if scale == "hazard_ratio" else ""
    wanted = ".".join(part for part in (plan.id, section, variable, scale) if part)
    done = context.finished.get(plan.id)
    row = next((one for one in done.rows if one.id == wanted), None) if done else None
    if row is not None and row.value is not None:
        return Way(plan.id, section, scale, null, better, row)
    why = context.not_done.get(plan.id) or joined(GAVE_NO_NUMBER.about())
    return Way(plan.id, section, scale, null, better, None, why)


def _write_range(pen: Pen, scale: Scale, ways: Sequence[Way], n: int, events: int) -> None:
    """Smallest, middle and largest of one scale; of one result alone there is nothing to range over."""
    listed = [_specification(way) for way in ways]
    if sum(one.value is not None for one in listed) < 2:
        return
    found = specification_set(listed, primary=listed[0].choices, null=ways[0].null)
    for statistic, value in (
        ("smallest", found.smallest),
        ("median_result", found.median),
        ("largest", found.largest),
    ):
        unit = "days" if scale == "difference" else ""
        pen.write(statistic, value, section=scale, unit=unit, n=n, events=events, method=found.method)


def _specification(way: Way) -> Specification:
    choices = {"analysis": way.analysis, "handling": way.section}
    row = way.row
    if row is None or not isinstance(row.value, int | float):
        return Specification(choices, reason=way.reason)
    return Specification(choices, float(row.value), row.ci_low, row.ci_high)


def _point(way: Way) -> tuple[Value, ...]:
    row = way.row
    head = ("" if row is None else row.id, way.analysis, way.section, way.scale, way.null)
    if row is None:
        why = in_language(way.reason, "zh"), in_language(way.reason, "en")
        return (*head, None, None, None, None, None, *why)
    return (*head, row.n, row.events, row.value, row.ci_low, row.ci_high, "", "")
