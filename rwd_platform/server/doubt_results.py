"""What could overturn a result, as the study's page shows it: E-values, tipping points, specifications, hazards.

Everything is read from the run's rows and series. All of it is an estimate, so that a run's open part gives none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from rwd_platform.server.charts import Interval
from rwd_platform.server.conclusions import VERDICTS
from rwd_platform.server.protocols import Outline
from studies.rounding import fixed

MOST_LINES = 21  # of a table of bounds; the results file has all
CONTRASTS: Mapping[str, Bilingual] = {
    "better": Bilingual("显示暴露组失败较少", "fewer failures shown with the exposed"),
    "not shown": Bilingual("未显示差别", "no difference shown"),
    "worse": Bilingual("显示暴露组失败较多", "more failures shown with the exposed"),
}
CASES: Mapping[str, Bilingual] = {
    "observed": Bilingual("排除（只看随访者）", "left out (those followed alone)"),
    "none": Bilingual("两组均无失败", "none failed, in either arm"),
    "every": Bilingual("两组全部失败", "all failed, in both arms"),
    "worst": Bilingual("暴露组全部失败，对照组无失败", "all failed of the exposed, none of the comparators"),
    "best": Bilingual("暴露组无失败，对照组全部失败", "none failed of the exposed, all of the comparators"),
}
HANDLINGS: Mapping[str, Bilingual] = {
    "worst_case": Bilingual("失访计为失败", "those lost failed"),
    "complete_cases": Bilingual("排除失访", "those lost left out"),
    "best_case": Bilingual("失访计为成功", "those lost succeeded"),
}
_BOUNDS = ("failures_among_lost", "bound", "verdict")
_WAYS = (
    "result", "analysis", "section", "scale", "null", "n", "events", "value", "ci_low", "ci_high", "reason_zh",
    "reason_en",
)  # fmt: skip
_ARMS = ("exposed", "comparator")
_COUNTS = (
    "specifications", "specifications_done", "pointing_better", "pointing_worse", "shown_better", "shown_worse"
)  # fmt: skip


@dataclass(frozen=True)
class HazardsTest:
    """Whether one hazard ratio stands for all of follow-up: by the exposure's own test, the model's beside it.

    rejects -- of the exposure's test; `overall_rejects` of all terms together, None where there is no such row
    """

    analysis: str
    p: float
    decimals: int
    rejects: bool
    overall: float | None
    overall_decimals: int
    overall_rejects: bool | None


@dataclass(frozen=True)
class EValue:
    """`of`: the analysis that is looked into. Both values are risk ratios of 1 or more."""

    analysis: str
    of: str
    value: float
    limit: float | None


@dataclass(frozen=True)
class TippingArm:
    """A single arm's criterion by the failures among those lost. Shares are times 100.

    ends             -- bound and verdict if none of them failed, and if all did
    overturn, misses -- from how many failures on the criterion is no longer met, and is shown not to be; None: never
    lines            -- (failures, bound, verdict); () where there are too many for a table
    """

    analysis: str
    of: str
    n: int
    lost: int
    criterion: float
    decimals: int
    ends: tuple[tuple[float, Bilingual], tuple[float, Bilingual]]
    overturn: int | None
    misses: int | None
    lines: tuple[tuple[int, float, Bilingual], ...]


@dataclass(frozen=True)
class TippingArms:
    """Two arms: difference in risk (points, with limits) in the extremes of what became of those lost.

    lost  -- (arm, subjects, of whom lost)
    cases -- (what became of them, difference, lower, upper, verdict)
    """

    analysis: str
    day: int
    lost: tuple[tuple[str, int, int], ...]
    cases: tuple[tuple[Bilingual, float, float, float, Bilingual], ...]
    decimals: int
    combinations: int
    changed: int


@dataclass(frozen=True)
class Way:
    """One planned way to answer; `value` None where it gave no number, and then `reason` says why."""

    analysis: str
    handling: Bilingual | None
    scale: str
    n: int | None
    events: int | None
    value: float | None
    low: float | None
    high: float | None
    reason: Bilingual
    main: bool


@dataclass(frozen=True)
class SpecificationShown:
    """The planned ways side by side. `counts`: planned, done, for and against, the same of whole intervals."""

    analysis: str
    ways: tuple[Way, ...]
    counts: tuple[int, ...]
    hazard_ratios: tuple[float, float, float] | None  # smallest, middle, largest

    def intervals(self, language: Language, names: Mapping[str, Bilingual]) -> list[Interval]:
        """Of the hazard ratios, the lines of a forest plot."""
        found = []
        for way in self.ways:
            if way.scale != "hazard_ratio" or way.value is None or way.low is None or way.high is None:
                continue
            title = names[way.analysis].in_language(language) if way.analysis in names else way.analysis
            note = f"{fixed(way.value, 2)} ({fixed(way.low, 2)}–{fixed(way.high, 2)})"
            found.append(Interval(title, way.value, way.low, way.high, note))
        return found


@dataclass(frozen=True)
class Doubts:
    hazards: tuple[HazardsTest, ...]
    e_values: tuple[EValue, ...]
    arms: tuple[TippingArm, ...]
    contrasts: tuple[TippingArms, ...]
    specifications: tuple[SpecificationShown, ...]

    def __bool__(self) -> bool:
        return any((self.hazards, self.e_values, self.arms, self.contrasts, self.specifications))


def doubts_of(results: Mapping[str, Any], outline: Outline) -> Doubts:
    """In the protocol's order. What the run does not have, because it is sealed or was not done, is not there."""
    rows = {row["id"]: row for row in results["rows"]}
    series = {one["id"]: one for one in results.get("series", ())}
    planned = outline.planned
    tipping = [id for id, plan in planned.items() if plan.get("method") == "tipping_point"]
    return Doubts(
        hazards=tuple(one for id in planned for one in _hazards(rows, id, outline)),
        e_values=tuple(one for id, plan in planned.items() for one in _e_value(results, id, plan)),
        arms=tuple(one for id in tipping for one in _arm(rows, series, id, planned[id])),
        contrasts=tuple(one for id in tipping for one in _contrast(rows, id, planned[id])),
        specifications=tuple(
            one for id, plan in planned.items() for one in _specification(rows, series, id, plan)
        ),
    )


def _hazards(rows: Mapping[str, Any], id: str, outline: Outline) -> Iterator[HazardsTest]:
    from studies.rounding import decimals_apart

    alpha, own = outline.ph_alpha, _value(rows, f"{id}.ph.{outline.exposure}.p_value")
    if alpha is None or own is None:
        return
    overall = _value(rows, f"{id}.ph.global.p_value")
    yield HazardsTest(
        analysis=id,
        p=own,
        decimals=decimals_apart(own, alpha),
        rejects=own < alpha,
        overall=overall,
        overall_decimals=3 if overall is None else decimals_apart(overall, alpha),
        overall_rejects=None if overall is None else overall < alpha,
    )


def _e_value(results: Mapping[str, Any], id: str, plan: Mapping[str, Any]) -> Iterator[EValue]:
    mine = {row["statistic"]: row["value"] for row in results["rows"] if row["analysis"] == id}
    if plan.get("method") == "e_value" and mine.get("e_value") is not None:
        yield EValue(id, str(plan.get("of", "")), float(mine["e_value"]), _float(mine.get("e_value_limit")))


def _arm(
    rows: Mapping[str, Any], series: Mapping[str, Any], id: str, plan: Mapping[str, Any]
) -> Iterator[TippingArm]:
    bounds = [_value(rows, f"{id}.{end}_failed.bound") for end in ("none", "all")]
    criterion = _value(rows, f"{id}.criterion")
    if criterion is None or bounds[0] is None or bounds[1] is None:
        return
    points = series.get(f"{id}.bounds", {"points": ()})["points"]
    shown = [*(bound for bound in bounds if bound is not None), *(point[1] for point in points)]
    first, last = (VERDICTS[rows[f"{id}.{end}_failed.verdict"]["value"]] for end in ("none", "all"))
    yield TippingArm(
        analysis=id,
        of=str(plan.get("of", "")),
        n=int(rows[f"{id}.exposed.subjects"]["value"]),
        lost=int(rows[f"{id}.exposed.lost"]["value"]),
        criterion=100 * criterion,
        decimals=_decimals(shown, criterion),
        ends=((100 * bounds[0], first), (100 * bounds[1], last)),
        overturn=rows[f"{id}.exposed.failures_to_overturn"]["value"],
        misses=rows[f"{id}.exposed.failures_to_miss"]["value"],
        lines=tuple((int(k), 100 * bound, VERDICTS[verdict]) for k, bound, verdict in points)
        if len(points) <= MOST_LINES
        else (),
    )


def _contrast(rows: Mapping[str, Any], id: str, plan: Mapping[str, Any]) -> Iterator[TippingArms]:
    if f"{id}.combinations" not in rows:
        return
    found = [(words, rows[f"{id}.{case}.difference"], case) for case, words in CASES.items()]
    limits = [row[end] for _, row, _ in found for end in ("ci_low", "ci_high")]
    yield TippingArms(
        analysis=id,
        day=int(plan["horizon"]["day"]),
        lost=tuple(
            (arm, int(rows[f"{id}.{arm}.subjects"]["value"]), int(rows[f"{id}.{arm}.lost"]["value"]))
            for arm in _ARMS
        ),
        cases=tuple(
            (
                words, 100 * row["value"], 100 * row["ci_low"], 100 * row["ci_high"],
                CONTRASTS[rows[f"{id}.{case}.verdict"]["value"]],
            )
            for words, row, case in found
        ),
        decimals=_decimals(limits, 0.0),
        combinations=int(rows[f"{id}.combinations"]["value"]),
        changed=int(rows[f"{id}.combinations_changed"]["value"]),
    )  # fmt: skip


def _specification(
    rows: Mapping[str, Any], series: Mapping[str, Any], id: str, plan: Mapping[str, Any]
) -> Iterator[SpecificationShown]:
    one = series.get(f"{id}.specifications")
    if one is None or tuple(one["columns"]) != _WAYS:
        return
    stem = f"{id}.hazard_ratio"
    spread = [_value(rows, f"{stem}.{name}") for name in ("smallest", "median_result", "largest")]
    known = [value for value in spread if value is not None]
    yield SpecificationShown(
        analysis=id,
        ways=tuple(_ways(one["points"], str(plan.get("of", "")))),
        counts=tuple(int(rows[f"{id}.{name}"]["value"]) for name in _COUNTS),
        hazard_ratios=(known[0], known[1], known[2]) if len(known) == len(spread) else None,
    )


def _ways(points: Iterable[Sequence[Any]], main: str) -> Iterator[Way]:
    for _, analysis, section, scale, _, n, events, value, low, high, zh, en in points:
        times = 100.0 if scale == "proportion" else 1.0
        estimate, lower, upper = (None if one is None else times * float(one) for one in (value, low, high))
        yield Way(
            analysis, HANDLINGS.get(section), scale, n, events, estimate, lower, upper, Bilingual(zh, en),
            analysis == main,
        )  # fmt: skip


def _value(rows: Mapping[str, Any], id: str) -> float | None:
    row = rows.get(id)
    return None if row is None else _float(row["value"])


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _decimals(values: Iterable[float], limit: float) -> int:
    """Of percents: so many that none of them seems to lie on the other side of the limit."""
    from studies.rounding import decimals_apart

    return max((decimals_apart(value, limit) for value in values), default=3) - 2
