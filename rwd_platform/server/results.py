"""A run's results as a page shows them: the hazard ratios, the curves, the balance, the tests, what was not done.

Everything is read from the run's rows and series; nothing is computed here but the order of things.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from rwd_platform.server.charts import Interval
from rwd_platform.server.safety_results import SafetyShown, safety_of
from studies.rounding import fixed

_FOREST = ("result", "title_zh", "title_en", "n", "events", "hazard_ratio", "ci_low", "ci_high")
_LOVE = ("variable", "level", "smd_unweighted", "smd_weighted")
_OVERLAP = ("score_from", "score_to", "exposed", "comparator")
_CURVE = ("time_days", "survival", "ci_low", "ci_high")
_INCIDENCE = (
    "time_days", "cumulative_incidence", "ci_low", "ci_high",
    "competing_incidence", "competing_ci_low", "competing_ci_high",
)  # fmt: skip
_OVERSEAS = "overseas."


@dataclass(frozen=True)
class Step:
    """Who left for which reason, and who stayed."""

    reason: Bilingual
    left: int
    remaining: int


@dataclass(frozen=True)
class HazardRatio:
    id: str
    title: Bilingual
    n: int | None
    events: int | None
    value: float
    low: float
    high: float
    overseas: bool
    method: str
    warnings: tuple[Bilingual, ...]

    def interval(self, language: Language) -> Interval:
        note = f"{fixed(self.value, 2)} ({fixed(self.low, 2)}–{fixed(self.high, 2)})"
        kind = "reference" if self.overseas else "ours"
        return Interval(self.title.in_language(language), self.value, self.low, self.high, note, kind)


@dataclass(frozen=True)
class Curves:
    """The Kaplan-Meier curves of one analysis: (arm, points) and the numbers at risk by day."""

    analysis: str
    curves: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]
    at_risk: tuple[tuple[Any, ...], ...]
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Incidences:
    """Competing events of one analysis: by kind (`event`, `competing`) what `Curves` has of its curves."""

    analysis: str
    kinds: tuple[tuple[str, tuple[tuple[str, tuple[tuple[float, float], ...]], ...]], ...]


@dataclass(frozen=True)
class RatioRow:
    """A ratio of hazards with competing events: a row of the run."""

    analysis: str
    kind: str
    statistic: str
    n: int | None
    events: int | None
    value: float
    low: float | None
    high: float | None
    warnings: tuple[Bilingual, ...]


@dataclass(frozen=True)
class Balance:
    """One balance table: (variable, difference before, after weighting or None).

    limit -- the one that the run judged by, as the report draws it; None where neither run nor protocol gives one
    """

    analysis: str
    points: tuple[tuple[str, float, float | None], ...]
    limit: float | None


@dataclass(frozen=True)
class Overlap:
    """The propensity score of both arms: (from, to, exposed, comparator) by bin."""

    analysis: str
    bins: tuple[tuple[float, float, int, int], ...]


@dataclass(frozen=True)
class Shown:
    ratios: tuple[HazardRatio, ...]
    curves: tuple[Curves, ...]
    incidences: tuple[Incidences, ...]
    competing: tuple[RatioRow, ...]
    balances: tuple[Balance, ...]
    overlaps: tuple[Overlap, ...]
    rows: tuple[Mapping[str, Any], ...]  # tests, medians, sample sizes: for the table beneath
    not_done: Mapping[str, Bilingual]
    count: int
    safety: tuple[SafetyShown, ...] = ()

    def intervals(self, language: Language) -> list[Interval]:
        return [one.interval(language) for one in self.ratios]


def attrition(manifest: Mapping[str, Any]) -> tuple[Step, ...]:
    """The flow of a lock's cohort."""
    steps = manifest["content"]["facts"].get("attrition", ())
    return tuple(Step(_reason(step), int(step["left"]), int(step["remaining"])) for step in steps)


def _reason(step: Mapping[str, Any]) -> Bilingual:
    found = step.get("reason", step)
    return Bilingual(str(found["zh"]), str(found["en"]))


def read(results: Mapping[str, Any], *, largest_smd: float | None = None) -> Shown:
    """`largest_smd`: the protocol's limit, for a run from before limits were results."""
    rows = {row["id"]: row for row in results["rows"]}
    series = results.get("series", ())
    return Shown(
        ratios=tuple(_ratios(series, rows)),
        curves=tuple(_curves(series)),
        incidences=tuple(_incidences(series)),
        competing=tuple(_competing(results["rows"], series)),
        balances=tuple(_balances(series, rows, largest_smd)),
        overlaps=tuple(
            Overlap(one["analysis"], tuple(tuple(point) for point in one["points"]))
            for one in _with_columns(series, _OVERLAP)
        ),
        rows=tuple(row for row in results["rows"] if _is_headline(row)),
        not_done={id: in_both(why) for id, why in results.get("not_done", {}).items()},
        count=len(rows),
        safety=safety_of(results),
    )


def in_both(text: str) -> Bilingual:
    """A reason as results carry it: "zh / en" in one text (studies.reasons.joined)."""
    zh, slash, en = text.partition(" / ")
    return Bilingual(zh, en) if slash else Bilingual(text, text)


def _with_columns(series: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> list[Mapping[str, Any]]:
    return [one for one in series if tuple(one["columns"]) == columns]


def _ratios(series: Sequence[Mapping[str, Any]], rows: Mapping[str, Any]) -> list[HazardRatio]:
    """The lines of the planned forest plots, in their order."""
    found = []
    for one in _with_columns(series, _FOREST):
        for point in one["points"]:
            id, zh, en, n, events, value, low, high = point
            if value is None or low is None or high is None:
                continue  # not estimable: `not_done` or the row's warning says why
            row = rows.get(id, {})
            found.append(
                HazardRatio(
                    id=id,
                    title=Bilingual(zh, en),
                    n=n,
                    events=events,
                    value=value,
                    low=low,
                    high=high,
                    overseas=id.startswith(_OVERSEAS),
                    method=row.get("method", ""),
                    warnings=tuple(in_both(one) for one in row.get("warnings", ())),
                )
            )
    return found


def _curves(series: Sequence[Mapping[str, Any]]) -> list[Curves]:
    by_analysis: dict[str, list[tuple[str, tuple[tuple[float, float], ...]]]] = {}
    for one in _with_columns(series, _CURVE):
        arm = one["id"].rsplit(".", 1)[-1]
        points = tuple((float(point[0]), float(point[1])) for point in one["points"])
        by_analysis.setdefault(one["analysis"], []).append((arm, points))
    tables = {one["analysis"]: one for one in series if one["id"].endswith(".at_risk")}
    found = []
    for analysis, curves in by_analysis.items():
        # The comparator first: it is drawn in grey, the product over it.
        curves.sort(key=lambda curve: curve[0] != "comparator")
        table = tables.get(analysis)
        found.append(
            Curves(
                analysis=analysis,
                curves=tuple(curves),
                at_risk=tuple(tuple(point) for point in table["points"]) if table else (),
                arms=tuple(table["columns"][1:]) if table else (),
            )
        )
    return found


def _incidences(series: Sequence[Mapping[str, Any]]) -> list[Incidences]:
    by_analysis: dict[str, list[Mapping[str, Any]]] = {}
    for one in _with_columns(series, _INCIDENCE):
        by_analysis.setdefault(one["analysis"], []).append(one)
    found = []
    for analysis, arms in by_analysis.items():
        arms.sort(key=lambda one: not one["id"].endswith(".comparator"))
        kinds = []
        for kind, column in (("event", 1), ("competing", 4)):
            curves = []
            for one in arms:
                points = tuple(
                    (float(point[0]), float(point[column]))
                    for point in one["points"]
                    if point[column] is not None
                )
                curves.append((one["id"].rsplit(".", 1)[-1], points))
            kinds.append((kind, tuple(curves)))
        found.append(Incidences(analysis, tuple(kinds)))
    return found


def _competing(rows: Sequence[Mapping[str, Any]], series: Sequence[Mapping[str, Any]]) -> Sequence[RatioRow]:
    """The exposure's two ratios for both kinds of event: the first variable of each model."""
    analyses = {one["analysis"] for one in _with_columns(series, _INCIDENCE)}
    found: dict[tuple[str, str], RatioRow] = {}
    for row in rows:
        if row["analysis"] not in analyses or not row["statistic"].endswith("hazard_ratio"):
            continue
        section, kind = row["id"].removeprefix(f"{row['analysis']}.").split(".")[:2]
        warnings = tuple(in_both(one) for one in row.get("warnings", ()))
        found.setdefault(
            (f"{row['analysis']}.{section}", kind),
            RatioRow(
                row["analysis"], kind, row["statistic"], row["n"], row["events"], row["value"], row["ci_low"],
                row["ci_high"], warnings,
            ),
        )  # fmt: skip
    return tuple(found.values())


def _balances(
    series: Sequence[Mapping[str, Any]], rows: Mapping[str, Any], largest_smd: float | None
) -> list[Balance]:
    found = []
    for one in _with_columns(series, _LOVE):
        points = tuple(
            (f"{variable} {level}".strip(), float(before), None if after is None else float(after))
            for variable, level, before, after in one["points"]
            if before is not None
        )
        row = rows.get(f"{one['analysis']}.smd_limit")
        found.append(Balance(one["analysis"], points, largest_smd if row is None else row["value"]))
    return found


_DIAGNOSTIC = frozenset(
    {"area_under_curve", "equipoise_share", "largest_weight_share", "median_follow_up", "lost", "lost_share"}
)


def _is_headline(row: Mapping[str, Any]) -> bool:
    """What a reader looks for beside the ratios: medians, tests, what the weights are worth, how long the follow-up."""
    if row["statistic"] in _DIAGNOSTIC:
        return True
    if row["statistic"] in ("median", "effective_sample_size"):
        return bool(row["unit"] == "days" or row["statistic"] == "effective_sample_size")
    is_global = row["variable"] in ("", "ph.global")
    return row["statistic"] in ("chi_square", "p_value") and is_global
