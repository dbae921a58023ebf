"""Groups of conditions: what else must have happened around an index event, and who the patient is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from studies.cohorts.circe.attributes import Attributes
from studies.cohorts.circe.criteria import NOTHING, Criteria, Kind, counted_column
from studies.cohorts.circe.json_node import Node
from studies.cohorts.definition import Bound, Count, Group, Related, Test, Window

_OPERATORS: dict[str, Literal["all", "any", "at_least", "at_most"]] = {
    "ALL": "all", "ANY": "any", "AT_LEAST": "at_least", "AT_MOST": "at_most",
}  # fmt: skip
_COUNTS: dict[int, Literal["at_least", "at_most", "exactly"]] = {0: "exactly", 1: "at_most", 2: "at_least"}
_DEMOGRAPHIC = {
    "Age": ("whole", "calendar_age"),
    "Gender": ("concepts", "patient.gender"),
    "GenderCS": ("set", "patient.gender"),
    "Race": ("concepts", "patient.race"),
    "RaceCS": ("refused", "gender_column"),
    "Ethnicity": ("concepts", "patient.ethnicity"),
    "EthnicityCS": ("refused", "gender_column"),
    "OccurrenceStartDate": ("date", "start_date"),
    "OccurrenceEndDate": ("date", "end_date"),
}


class Groups:
    """Reads groups, and criteria inside them, and groups inside those."""

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.criteria = Criteria(attributes, self.read)

    def read(self, node: Node) -> Group:
        facts = node.fields("Type", "Count", "CriteriaList", "DemographicCriteriaList", "Groups")
        related = tuple(self._related(one) for one in _items(facts, "CriteriaList"))
        about = tuple(self._about_patient(one) for one in _items(facts, "DemographicCriteriaList"))
        groups = tuple(self.read(one) for one in _items(facts, "Groups"))
        if not (related or about or groups):
            return Group()  # Circe does not look at the type of an empty group
        if "Type" not in facts:
            node.refuse("missing", "Type")
            return Group()
        operator = facts["Type"].choice(_OPERATORS, "all", upper=True)
        number = _not_negative(node, facts, "Count") if operator in ("at_least", "at_most") else 0
        return Group(operator, number, related, about, groups)

    def _related(self, node: Node) -> Related:
        facts = node.fields(
            "Criteria", "StartWindow", "EndWindow", "Occurrence", "RestrictVisit", "IgnoreObservationPeriod"
        )
        for name in ("Criteria", "StartWindow", "Occurrence"):
            if name not in facts:
                node.refuse("missing", name)
        kind, events = self.criteria.read(facts["Criteria"]) if "Criteria" in facts else (None, NOTHING)
        return Related(
            events=events,
            windows=tuple(_window(facts[name]) for name in ("StartWindow", "EndWindow") if name in facts),
            count=_count(facts["Occurrence"], kind) if "Occurrence" in facts else Count("at_least", 1),
            observed=not ("IgnoreObservationPeriod" in facts and facts["IgnoreObservationPeriod"].flag()),
            same_visit="RestrictVisit" in facts and facts["RestrictVisit"].flag(),
        )

    def _about_patient(self, node: Node) -> tuple[Test, ...]:
        facts = node.fields(*_DEMOGRAPHIC)
        found: list[Test] = []
        for element, (kind, column) in _DEMOGRAPHIC.items():
            if element in facts and kind == "refused":
                facts[element].refuse(column)
            elif element in facts:
                found += self.attributes.tests(kind, column, facts[element])
        if not any(test.column.startswith(("patient.", "calendar_age")) for test in found):
            found.append(Test("patient.id", "not_null"))  # Circe joins PERSON in any case
        return tuple(found)


def _items(facts: Mapping[str, Node], name: str) -> Iterator[Node]:
    return facts[name].items() if name in facts else iter(())


def _not_negative(node: Node, facts: Mapping[str, Node], name: str) -> int:
    if name not in facts:
        node.refuse("missing", name)
        return 0
    number = facts[name].whole()
    if number < 0:
        facts[name].refuse("negative")
    return number


def _count(node: Node, kind: Kind | None) -> Count:
    """Without `IsDistinct` Circe counts events, whatever `CountColumn` says."""
    facts = node.fields("Type", "Count", "IsDistinct", "CountColumn")
    number = _not_negative(node, facts, "Count")
    which = facts["Type"].whole() if "Type" in facts else None
    if which is None:
        node.refuse("missing", "Type")
    elif which not in _COUNTS:
        facts["Type"].refuse("unknown_value")
    distinct = "IsDistinct" in facts and facts["IsDistinct"].flag() and kind is not None
    column = counted_column(kind, facts.get("CountColumn")) if distinct and kind else ""
    return Count(_COUNTS.get(which or 0, "exactly"), number, column)


def _window(node: Node) -> Window:
    """Of a start window the event's start counts unless it says otherwise, of an end window the event's end."""
    facts = node.fields("Start", "End", "UseIndexEnd", "UseEventEnd")
    index_end = "UseIndexEnd" in facts and facts["UseIndexEnd"].flag()
    event_end = facts["UseEventEnd"].flag() if "UseEventEnd" in facts else node.element == "EndWindow"
    bounds = []
    for name in ("Start", "End"):
        if name not in facts:
            node.refuse("missing", name)
        bounds.append(_bound(facts[name]) if name in facts else Bound(0, -1))
    return Window(bounds[0], bounds[1], "end" if event_end else "start", "end" if index_end else "start")


def _bound(node: Node) -> Bound:
    facts = node.fields("Days", "Coeff")
    if "Coeff" not in facts:
        node.refuse("missing", "Coeff")
        return Bound(0, -1)
    sign = facts["Coeff"].whole()
    if sign not in (-1, 1):
        facts["Coeff"].refuse("unknown_value")
    return Bound(sign * facts["Days"].days() if "Days" in facts else None, -1 if sign == -1 else 1)
