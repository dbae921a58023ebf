"""Result rows, put together again from ars.json and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studies.results import ArdRow, Value

Json = dict[str, Any]
# What the event's own words say stays in ard.json.
LEFT_OUT: Json = {"variables": (), "data_hash": "", "engine": "", "engine_version": ""}


def as_in_the_event(row: ArdRow) -> ArdRow:
    """The row without what ars.json does not claim to hold."""
    return replace(row, **LEFT_OUT)


def rebuilt(event: Json) -> list[ArdRow]:
    """Rows in the event's order. A row is the value and the parts whose results carry the same row id."""
    operations = {one["id"]: one for method in event["methods"] for one in method["operations"]}
    rows: dict[str, Json] = {}
    for analysis in event["analyses"]:
        for result in analysis.get("results", ()):
            groups = {one["groupingId"]: _group(one) for one in result["resultGroups"]}
            id, operation = groups["Grp.row"], operations[result["operationId"]]
            parts = operation["id"].split(".")
            if len(parts) == 4 or parts[4:] == ["text"]:
                assert id not in rows, f"{id} has two values"
                rows[id] = {
                    "id": id,
                    "analysis": analysis["id"].removeprefix("An."),
                    "method": operation["description"],
                    "statistic": parts[2],
                    "value": _value(result, operation),
                    "group": groups.get("Grp.arm", groups.get("Grp.group", "")),
                    "variable": groups.get("Grp.variable", ""),
                    "unit": groups.get("Grp.unit", ""),
                    "row_set": groups.get("Grp.row_set", ""),
                    "warnings": (),
                }
            elif parts[-1] == "note":
                rows[id]["warnings"] += (result["rawValue"],)
            else:
                assert parts[-1] not in rows[id], f"{id} has two of {parts[-1]}"
                rows[id][parts[-1]] = _value(result, operation)
    return [ArdRow(**one) for one in rows.values()]


def _group(group: Json) -> str:
    if "groupValue" in group:
        return str(group["groupValue"])
    return str(group["groupId"]).removeprefix(f"{group['groupingId']}.")


def _value(result: Json, operation: Json) -> Value:
    """Words have no pattern; a whole number is written without a point, another with one or an exponent."""
    if "rawValue" not in result:
        return None
    raw: str = result["rawValue"]
    if operation["id"].endswith(".text"):
        return raw
    try:
        return int(raw)
    except ValueError:
        return float(raw)
