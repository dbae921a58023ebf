"""The ranges, texts and concepts of a criterion, as tests of the cohort language.

In Circe's SQL the patient, the visit and the site of an event are joined, so an event without them is gone even
where a test is for their absence; the provider is joined only where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from studies.cohorts.circe.concepts import ConceptSets, concept_id
from studies.cohorts.circe.json_node import Node
from studies.cohorts.definition import Operator, Test, Value

_JOINED = ("patient", "visit", "site")
_ORDER: dict[str, Operator] = {"lt": "lt", "lte": "le", "eq": "eq", "!eq": "ne", "gt": "gt", "gte": "ge"}
_BETWEEN: dict[str, Operator] = {"bt": "between", "!bt": "not_between"}
_TEXT: dict[str, Operator] = {
    "eq": "eq", "!eq": "ne", "startsWith": "starts", "!startsWith": "not_starts", "endsWith": "ends",
    "!endsWith": "not_ends", "contains": "contains", "!contains": "not_contains",
}  # fmt: skip


@dataclass(frozen=True)
class Attributes:
    """Reads what a criterion asks; `sets` are the definition's concept sets."""

    sets: ConceptSets

    def tests(self, kind: str, column: str, node: Node, *, excluded: bool = False) -> tuple[Test, ...]:
        """The tests for one element; `excluded` turns an array of concepts round."""
        match kind:
            case "date":
                tests = self.date_range(column, node)
            case "whole" | "decimal":
                tests = self.numeric_range(column, node, decimal=kind == "decimal")
            case "text":
                tests = self.text_filter(column, node)
            case "concepts":
                tests = self.concepts(column, node, excluded=excluded)
            case "set":
                tests = self.selection(column, node)
            case "codeset":
                tests = self._in_set(column, node, excluded=False)
            case _:  # a flag
                tests = (Test(column, "eq", (1,)),) if node.flag() else ()
        return (*tests, *_named(column, tests))

    def date_range(self, column: str, node: Node) -> tuple[Test, ...]:
        facts = node.fields("Value", "Op", "Extent")
        return _range(
            column, node, facts, [facts[name].day() for name in ("Value", "Extent") if name in facts]
        )

    def numeric_range(self, column: str, node: Node, *, decimal: bool) -> tuple[Test, ...]:
        """Whole numbers are cut off and decimals rounded to four places, as Circe writes them into its SQL."""
        facts = node.fields("Value", "Op", "Extent")
        read = [facts[name].number() for name in ("Value", "Extent") if name in facts]
        return _range(column, node, facts, [_four_places(one) if decimal else int(one) for one in read])

    def text_filter(self, column: str, node: Node) -> tuple[Test, ...]:
        facts = node.fields("Text", "Op")
        if len(facts) < 2:
            node.refuse("missing")
            return ()
        text = facts["Text"].text()
        if any(sign in text for sign in "%_\\"):
            facts["Text"].refuse("wildcard")
        return (Test(column, facts["Op"].choice(_TEXT, "eq"), (text,)),)

    def concepts(self, column: str, node: Node, *, excluded: bool) -> tuple[Test, ...]:
        ids = tuple(concept_id(one) for one in node.items())
        return (Test(column, "not_in" if excluded else "in", ids),) if ids else ()

    def selection(self, column: str, node: Node) -> tuple[Test, ...]:
        """A concept set, or, where it names none, whether there is any value at all."""
        facts = node.fields("CodesetId", "IsExclusion")
        excluded = "IsExclusion" in facts and facts["IsExclusion"].flag()
        if "CodesetId" in facts:
            return self._in_set(column, facts["CodesetId"], excluded=excluded)
        return (Test(column, "is_null" if excluded else "not_null"),)

    def _in_set(self, column: str, number: Node, *, excluded: bool) -> tuple[Test, ...]:
        ids = tuple(sorted(int(code) for _, code in self.sets.codes(number).pairs))
        if excluded and not ids:  # SQL: also a missing value is not in an empty list
            scope = column.rpartition(".")[0]
            return (Test(f"{scope}.id", "not_null"),) if scope in _JOINED else ()
        return (Test(column, "not_in" if excluded else "in", ids),)


def _range(column: str, node: Node, facts: dict[str, Node], values: Sequence[Value]) -> tuple[Test, ...]:
    if "Op" not in facts or "Value" not in facts:
        node.refuse("missing")
        return ()
    said = facts["Op"].value
    between = isinstance(said, str) and said in _BETWEEN
    if between and "Extent" not in facts:
        node.refuse("missing", "Extent")
        return ()
    operator = facts["Op"].choice(_BETWEEN if between else _ORDER, "eq")
    return (Test(column, operator, tuple(values[: 2 if between else 1])),)


def _named(column: str, tests: Sequence[Test]) -> tuple[Test, ...]:
    """A test for a missing value holds only where the row that would have it is there."""
    scope = column.rpartition(".")[0]
    missing = any(test.operator == "is_null" for test in tests)
    return (Test(f"{scope}.id", "not_null"),) if missing and scope in _JOINED else ()


def _four_places(number: float) -> float:
    return float(Decimal(repr(number)).quantize(Decimal("0.0001"), ROUND_HALF_UP))
