"""What the expectations' prepared columns hold, worked out in plain Python row by row: no engine, no expression.

Written from the meaning of each column (quality.expectations), with the calendar of the standard library.
"""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from datetime import date
from typing import Any

import pandas as pd

from quality.expectations import AGE, DAYS, GIVEN, OTHER, ROWS_THERE, VALUE, prepared
from quality.lookups import Surroundings, load_ranges
from quality.rules import Other, Rule, Suite

Row = dict[str, Any]
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T.*)?)?)?", re.ASCII)


class Oracle:
    """The rows of every table as dictionaries, and by the keys that rules look up: read once, asked often."""

    def __init__(self, tables: dict[str, pd.DataFrame], around: Surroundings) -> None:
        self._tables = tables
        self._rows = {name: _rows(frame) for name, frame in tables.items()} | _references(around)
        self._rows["death"] = _deaths(self._rows["outcome_event"])
        self._indexed: dict[Other, dict[tuple[Any, ...], list[Row]]] = {}

    def prepare(self, suite: Suite) -> pd.DataFrame:
        """The suite's table with the prepared columns of all its rules."""
        columns: dict[str, list[Any]] = {}
        for rule in suite.rules:
            made = [self._prepared(rule, row) for row in self._rows[suite.table]]
            for part in {part for row in made for part in row}:
                columns[prepared(rule, part)] = [row.get(part) for row in made]
        frame = self._tables[suite.table]
        return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)

    def _there(self, other: Other, row: Row) -> list[Row]:
        """The rows of the other table with this row's key."""
        if other not in self._indexed:
            found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
            for one in self._rows[other.table or ""]:
                if all(one[name] == value for name, value in other.where):
                    found[tuple(one[name] for name in other.key)].append(one)
            self._indexed[other] = found
        key = tuple(row[name] for name in other.key)
        return [] if None in key else self._indexed[other].get(key, [])

    def _picked(self, other: Other, row: Row) -> Any:
        if other.table is None:
            return row[other.column]
        values = [one[other.column] for one in self._there(other, row) if one[other.column] is not None]
        return (max if other.pick == "max" else min)(values) if values else None

    def _prepared(self, rule: Rule, row: Row) -> Row:
        if rule.other is None:
            return {}
        if rule.kind in ("reference", "has_row"):
            given = {GIVEN: len(self._there(rule.given, row))} if rule.given else {}
            return {ROWS_THERE: len(self._there(rule.other, row)), **given}
        value, other = row.get(rule.column), self._picked(rule.other, row)
        if rule.kind in ("other_in_set", "other_range", "at_least", "at_most"):
            return {OTHER: other}
        if rule.kind == "timely":
            return {DAYS: _days(value, other, self._picked(rule.given, row))} if rule.given else {}
        if rule.kind == "not_after_if_any" and other is None:
            other = value
        if not (_is_date(value) and _is_date(other)):
            return {AGE: None} if rule.kind == "age" else {VALUE: None, OTHER: None}
        if rule.kind == "age":
            return {AGE: _age(rule, value, other)}
        length = min(len(value), len(other), 10)
        return {VALUE: value[:length], OTHER: other[:length]}


def _rows(frame: pd.DataFrame) -> list[Row]:
    clean = frame.astype(object).where(frame.notna(), None)
    found: list[Row] = clean.to_dict("records")
    return found


def _references(around: Surroundings) -> dict[str, list[Row]]:
    assert around.uploads is not None and around.links is not None
    links = _rows(around.links)
    hospitals, names = defaultdict(set), defaultdict(set)
    for link in links:
        hospitals[link["link_token"]].add(link["organisation_id"])
        names[link["link_token"], link["organisation_id"]].add(link["patient_id"])
    persons = [
        {
            **link,
            "hospitals": len(hospitals[link["link_token"]]),
            "patients_here": len(names[link["link_token"], link["organisation_id"]]),
        }
        for link in links
    ]
    limits = [
        {"code": one.loinc, "unit_code": one.unit, "low": one.low, "high": one.high} for one in load_ranges()
    ]
    return {"upload": _rows(around.uploads), "person": persons, "loinc_unit": limits}


def _deaths(outcomes: list[Row]) -> list[Row]:
    """The first day by which each of the dead had died, whichever record says so."""
    days: dict[tuple[str, str], str] = {}
    for row in outcomes:
        said = (row["code_system"] or "").rsplit("/", 1)[-1], row["code"], row["value_code"]
        told = said in (("outcome", "death", "dead"), ("demo-outcome", "vital-status", "dead"))
        if not told or row["status"] == "entered-in-error" or not _is_date(row["effective_date"]):
            continue
        key = row["organisation_id"], row["patient_id"]
        days[key] = min(days.get(key, "9999"), _whole(row["effective_date"], last=True).isoformat())
    return [
        {"organisation_id": one, "patient_id": two, "death_date": day} for (one, two), day in days.items()
    ]


def _is_date(text: Any) -> bool:
    return isinstance(text, str) and _DATE.fullmatch(text) is not None


def _whole(text: str, *, last: bool) -> date:
    """The first or last day that a date can mean; one that the calendar lacks counts on from the month's first."""
    year, month, day = (*(int(part) for part in text[:10].split("-")), None, None)[:3]
    month = month or (12 if last else 1)
    if day is None:
        day = calendar.monthrange(year, month)[1] if last else 1
    return date.fromordinal(date(year, month, 1).toordinal() + day - 1)


def _age(rule: Rule, value: str, birth: str) -> int:
    def years(born: date, day: date) -> int:
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    lowest = years(_whole(birth, last=True), _whole(value, last=False))
    highest = years(_whole(birth, last=False), _whole(value, last=True))
    return int(min(max(lowest, rule.min), highest))


def _days(value: Any, received: Any, since: Any) -> int | None:
    if not (_is_date(value) and len(value) >= 10 and received and since):
        return None
    event = _whole(value, last=False)
    if event < date.fromisoformat(since):
        return None
    return (date.fromisoformat(received) - event).days
