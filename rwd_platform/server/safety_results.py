"""Adverse events of a run as the study's page shows them: the overview and the terms by arm. Only rates are sealed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual

MOST_TERMS = 20  # of a page; the report has more, the results file all
_ARMS = ("exposed", "comparator")
_TERMS = ("variable", "code_system", "code", "title_zh", "title_en")
_LINES: Mapping[str, Bilingual] = {
    "any": Bilingual("任何不良事件", "Any adverse event"),
    "serious": Bilingual("严重", "Serious"),
    "related": Bilingual("与治疗相关（可能及以上）", "Related (possible or more)"),
    "fatal": Bilingual("导致死亡", "Leading to death"),
    "deficiency": Bilingual("器械缺陷", "Device deficiency"),
}
_SEALED: Mapping[str, Any] = {"value": None}
_UNCODED = Bilingual("未编码", "Not coded")


@dataclass(frozen=True)
class SafetyCell:
    """One arm's numbers of one event, percent and rate with limits. A rate of None: no time at risk, or sealed."""

    subjects: int
    percent: tuple[float, float, float]
    events: int
    rate: tuple[float, float, float] | None


@dataclass(frozen=True)
class SafetyShown:
    """
    arms   -- those with anybody, with their number of subjects
    silent -- (arm, subjects whose hospital sent no adverse event at all), where there are any
    lines  -- the event's name and a cell for each arm; `terms`: how many of the last lines are terms, of `codes`
    """

    analysis: str
    arms: tuple[tuple[str, int], ...]
    silent: tuple[tuple[str, int], ...]
    lines: tuple[tuple[Bilingual, tuple[SafetyCell, ...]], ...]
    terms: int
    codes: int


def safety_of(results: Mapping[str, Any]) -> tuple[SafetyShown, ...]:
    """One for each planned safety analysis that was done: the series of its terms is there even if it is empty."""
    rows = {row["id"]: row for row in results["rows"]}
    return tuple(
        _shown(one["analysis"], one["points"], rows)
        for one in results.get("series", ())
        if tuple(one["columns"]) == _TERMS
    )


def _shown(analysis: str, points: Sequence[Sequence[Any]], rows: Mapping[str, Any]) -> SafetyShown:
    people = {arm: rows.get(f"{analysis}.{arm}.subjects") for arm in _ARMS}
    arms = tuple((arm, int(row["value"])) for arm, row in people.items() if row is not None)
    silent = ((arm, rows[f"{analysis}.{arm}.silent_subjects"]["value"]) for arm, _ in arms)
    named = [(line, title) for line, title in _LINES.items()]
    named += [(f"term.{point[0]}", _term(point)) for point in points[:MOST_TERMS]]
    lines = tuple(
        (title, tuple(_cell(f"{analysis}.{line}.{arm}", rows) for arm, _ in arms)) for line, title in named
    )
    shown = min(len(points), MOST_TERMS)
    return SafetyShown(
        analysis, arms, tuple((arm, int(n)) for arm, n in silent if n), lines, shown, len(points)
    )


def _term(point: Sequence[Any]) -> Bilingual:
    _, _, code, zh, en = point
    if not code:
        return _UNCODED
    return Bilingual(f"{zh}（{code}）", f"{en} ({code})") if zh else Bilingual(code, code)


def _cell(stem: str, rows: Mapping[str, Any]) -> SafetyCell:
    return SafetyCell(
        subjects=int(rows[f"{stem}.affected"]["value"]),
        percent=next(_with_limits(rows[f"{stem}.affected_percent"])),
        events=int(rows[f"{stem}.adverse_events"]["value"]),
        rate=next(_with_limits(rows.get(f"{stem}.rate_per_100_person_years", _SEALED)), None),
    )


def _with_limits(row: Mapping[str, Any]) -> Iterator[tuple[float, float, float]]:
    if row["value"] is not None:
        yield float(row["value"]), float(row["ci_low"]), float(row["ci_high"])
