"""Results as the platform writes them, small enough to check by eye."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

PURPOSE = {"purpose": "上市后研究"}


def row(id: str, statistic: str, value: Any, **more: Any) -> dict[str, Any]:
    analysis = id.partition(".")[0]
    return {"id": id, "analysis": analysis, "group": "", "variable": "", "statistic": statistic, "value": value,
            "unit": "", "n": None, "events": None, "row_set": "all", **more}  # fmt: skip


def held(
    rows: Iterable[dict[str, Any]], series: Sequence[dict[str, Any]] = (), **sets: int
) -> dict[str, Any]:
    row_sets = {name.replace("_", "."): {"subjects": count, "sha256": ""} for name, count in sets.items()}
    return {"rows": list(rows), "series": list(series), "row_sets": row_sets}


def levels(**counts: int) -> dict[str, Any]:
    """Levels of a variable in one arm, the arm's size as their margin."""
    n = sum(counts.values())
    rows = [row("b.exposed.subjects", "subjects", n, group="exposed", n=n, row_set="all.exposed")]
    for level, count in counts.items():
        at = {"group": "exposed", "variable": f"size.{level}", "n": n, "row_set": "all.exposed"}
        rows.append(row(f"b.size.{level}.exposed.subjects", "subjects", count, **at))
        rows.append(row(f"b.size.{level}.exposed.percent", "percent", 100 * count / n, **at))
    return held(rows, all_exposed=n)


def full_table(cells: Sequence[Sequence[int]], withheld: Collection[tuple[int, int]] = ()) -> dict[str, Any]:
    """A two-way table with all its margins; the places in `withheld` are blank, and counted in the margins."""
    lines = [[*line, sum(line)] for line in cells]
    lines.append([sum(line[j] for line in lines) for j in range(len(lines[0]))])
    rows = []
    for i, line in enumerate(lines):
        for j, count in enumerate(line):
            labels = {"a": f"a{i}" if i < len(cells) else "", "b": f"b{j}" if j < len(cells[0]) else ""}
            value = None if (i, j) in withheld else count
            rows.append(row(f"c{i}.{j}", "count", value, dims=labels))
    return {"table": True, "rows": rows, "series": [], "row_sets": {}}


def curve(times: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """A curve of one arm, without the steps behind it."""
    points = [[day, survival, None, None] for day, survival in times]
    return {"id": "km.curve.exposed", "analysis": "km", "columns": ["time_days", "survival", "ci_low", "ci_high"],
            "points": points, "row_set": "all.exposed"}  # fmt: skip


def steps(points: Sequence[tuple[float, int, int]]) -> dict[str, Any]:
    return {"id": "km.steps.exposed", "analysis": "km", "columns": ["time_days", "at_risk", "events"],
            "points": [list(point) for point in points], "row_set": "all.exposed"}  # fmt: skip
