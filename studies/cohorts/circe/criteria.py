"""One criterion of a Circe expression, as an event query. What each may say is in `criteria.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from studies.cohorts.circe.attributes import Attributes
from studies.cohorts.circe.json_node import Node
from studies.cohorts.definition import CodeTest, DateShift, Events, Group, Side, Test

_SIDES: dict[str, Side] = {"START_DATE": "start", "END_DATE": "end"}
_DATES = {"START_DATE": "start_date", "END_DATE": "end_date"}  # of every criterion
_PERIODS = ("ObservationPeriod", "PayerPlanPeriod")
_COUNTED = (
    "DAYS_SUPPLY", "DOMAIN_CONCEPT", "DOMAIN_SOURCE_CONCEPT", "DURATION", "END_DATE", "ERA_OCCURRENCES", "GAP_DAYS",
    "QUANTITY", "RANGE_HIGH", "RANGE_LOW", "REFILLS", "START_DATE", "UNIT", "VALUE_AS_NUMBER", "VISIT_ID",
    "VISIT_DETAIL_ID",
)  # fmt: skip
NOTHING = Events("observation_period")


@dataclass(frozen=True)
class Kind:
    """
    codes    -- element with the id of a concept set -> code column
    tests    -- element -> (kind of test, column)
    distinct -- CountColumn -> column
    """

    name: str
    table: str
    first: bool
    codes: Mapping[str, str]
    tests: Mapping[str, tuple[str, str]]
    distinct: Mapping[str, str]


@cache
def kinds() -> dict[str, Kind]:
    """The criteria that Circe knows; the file is ours and read once."""
    facts = tomllib.loads((Path(__file__).parent / "criteria.toml").read_text(encoding="utf-8"))
    return {name: _kind(name, one) for name, one in facts.items()}


def _kind(name: str, facts: Mapping[str, Any]) -> Kind:
    tests = {
        element: (kind, column) for element, text in facts["tests"].items() for kind, column in [text.split()]
    }
    first = facts.get("first", True)
    return Kind(name, facts["table"], first, facts.get("codes", {}), tests, {**_DATES, **facts["distinct"]})


@dataclass(frozen=True)
class Criteria:
    """Reads criteria; `group` reads the group of conditions that one may carry."""

    attributes: Attributes
    group: Callable[[Node], Group]

    def read(self, node: Node) -> tuple[Kind | None, Events]:
        """`{"ConditionOccurrence": {...}}`: what kind it is, and the query."""
        found = node.fields(*kinds(), "LocationRegion")
        if len(found) != 1:
            if not node.refusals.found:
                node.refuse("one_of")
            return None, NOTHING
        [(name, body)] = found.items()
        if name == "LocationRegion":
            body.refuse("location")
            return None, NOTHING
        return kinds()[name], self._events(kinds()[name], body)

    def _events(self, kind: Kind, body: Node) -> Events:
        own = ("CorrelatedCriteria", "DateAdjustment", *(["First"] if kind.first else []))
        own += ("UserDefinedPeriod",) if kind.name in _PERIODS else ()
        facts = body.fields(*own, *kind.codes, *kind.tests)
        codes = tuple(
            CodeTest(self.attributes.sets.codes(facts[element]), column)
            for element, column in kind.codes.items()
            if element in facts
        )
        shift = None
        if "DateAdjustment" in facts and "DateAdjustment" not in kind.tests:
            shift = _shift(facts["DateAdjustment"], fixed_sides=kind.name == "Death")
        dates, period = (
            _period(facts["UserDefinedPeriod"]) if "UserDefinedPeriod" in facts else (("", ""), ())
        )
        in_order = (Test("days", "ge", (0,)),) if shift else ()
        return Events(
            table=kind.table,
            codes=codes,
            first="First" in facts and facts["First"].flag(),
            shift=shift,
            tests=(*in_order, *period, *self._tests(kind, facts)),
            dates=dates,
            within=self.group(facts["CorrelatedCriteria"]) if "CorrelatedCriteria" in facts else None,
        )

    def _tests(self, kind: Kind, facts: Mapping[str, Node]) -> tuple[Test, ...]:
        turned = {
            column
            for element, (what, column) in kind.tests.items()
            if what == "exclude" and element in facts and facts[element].flag()
        }
        found: list[Test] = []
        for element, (what, column) in kind.tests.items():
            if element not in facts or what == "exclude":
                continue
            if what == "refused":
                facts[element].refuse(column)
                continue
            found += self.attributes.tests(what, column, facts[element], excluded=element in turned)
        return tuple(found)


def counted_column(kind: Kind, column: Node | None) -> str:
    """What `CountColumn` counts the values of; without one it is the concept."""
    name = "DOMAIN_CONCEPT" if column is None else column.choice({one: one for one in _COUNTED}, "START_DATE")
    if name in kind.distinct:
        return kind.distinct[name]
    if column is not None:
        column.refuse("count_column", name)
    return "start_date"


def _shift(node: Node, *, fixed_sides: bool) -> DateShift:
    """Of a death Circe moves start and end each from itself, whatever the adjustment says."""
    facts = node.fields("StartWith", "StartOffset", "EndWith", "EndOffset")
    start = facts["StartWith"].choice(_SIDES, "start") if "StartWith" in facts else "start"
    end = facts["EndWith"].choice(_SIDES, "end") if "EndWith" in facts else "end"
    days = [facts[name].days() if name in facts else 0 for name in ("StartOffset", "EndOffset")]
    if fixed_sides:
        start, end = "start", "end"
    return DateShift(start, days[0], end, days[1])


def _period(node: Node) -> tuple[tuple[str, str], tuple[Test, ...]]:
    """The days that stand for a period's own, and the tests that the period holds each of them."""
    facts = node.fields("StartDate", "EndDate")
    days = [facts[name].day() if name in facts else "" for name in ("StartDate", "EndDate")]
    tests = [
        test
        for day in days
        if day
        for test in (Test("start_date", "le", (day,)), Test("end_date", "ge", (day,)))
    ]
    return (days[0], days[1]), tuple(tests)
