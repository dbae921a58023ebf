"""Concept sets, expanded with the OMOP vocabulary as Circe expands them.

A set is a list of concepts, each in or out, with or without its descendants and what maps to it:

    in  = concepts that CONCEPT has ∪ their valid descendants ∪ what `Maps to` any of those
    set = in(included) − in(excluded)

A descendant counts only while its own `invalid_reason` is null, a relationship only while its is; a concept
named itself counts whether valid or not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from studies.cohorts.circe.json_node import Node
from studies.cohorts.definition import Codes

Ids = frozenset[int]
_CONCEPT_KEYS = (
    "CONCEPT_ID", "CONCEPT_NAME", "STANDARD_CONCEPT", "STANDARD_CONCEPT_CAPTION", "INVALID_REASON",
    "INVALID_REASON_CAPTION", "CONCEPT_CODE", "DOMAIN_ID", "VOCABULARY_ID", "CONCEPT_CLASS_ID",
    "VALID_START_DATE", "VALID_END_DATE",
)  # fmt: skip


class ConceptSource(Protocol):
    """What CONCEPT, CONCEPT_ANCESTOR and CONCEPT_RELATIONSHIP say."""

    def known(self, ids: Collection[int]) -> Ids:
        """Those that CONCEPT has."""

    def descendants(self, ids: Collection[int]) -> Ids:
        """Valid concepts below any of them, themselves included where CONCEPT_ANCESTOR says so."""

    def mapped(self, ids: Collection[int]) -> Ids:
        """Concepts with a valid `Maps to` relationship to any of them."""


class OmopVocabulary:
    """The vocabulary from tables: {"concept": ..., "concept_ancestor": ..., "concept_relationship": ...}.

    A table is a sequence of rows as dicts, or an Ibis table; one that is absent is empty.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables

    def known(self, ids: Collection[int]) -> Ids:
        return frozenset(int(row["concept_id"]) for row in self._rows("concept", "concept_id", ids))

    def descendants(self, ids: Collection[int]) -> Ids:
        below = {
            int(row["descendant_concept_id"])
            for row in self._rows("concept_ancestor", "ancestor_concept_id", ids)
        }
        valid = self._rows("concept", "concept_id", below)
        return frozenset(int(row["concept_id"]) for row in valid if not _given(row.get("invalid_reason")))

    def mapped(self, ids: Collection[int]) -> Ids:
        rows = self._rows("concept_relationship", "concept_id_2", ids)
        return frozenset(
            int(row["concept_id_1"])
            for row in rows
            if row.get("relationship_id") == "Maps to" and not _given(row.get("invalid_reason"))
        )

    def _rows(self, name: str, column: str, ids: Collection[int]) -> Sequence[Mapping[str, Any]]:
        table = self.tables.get(name, ())
        if not ids:
            return ()
        if isinstance(table, Sequence):
            wanted = frozenset(ids)
            return [row for row in table if row.get(column) in wanted]
        found: Sequence[Mapping[str, Any]] = (
            table.filter(table[column].isin(sorted(ids))).to_pyarrow().to_pylist()
        )
        return found


class EveryConcept:
    """Stands in for a vocabulary where only the shape of a definition matters: each concept is its own descendant."""

    def known(self, ids: Collection[int]) -> Ids:
        return frozenset(ids)

    def descendants(self, ids: Collection[int]) -> Ids:
        return frozenset(ids)

    def mapped(self, ids: Collection[int]) -> Ids:
        return frozenset()


@dataclass
class _Side:
    """The included or the excluded concepts of a set."""

    named: set[int] = field(default_factory=set)
    with_descendants: set[int] = field(default_factory=set)
    with_mapped: set[int] = field(default_factory=set)
    with_mapped_descendants: set[int] = field(default_factory=set)

    def expanded(self, source: ConceptSource) -> Ids:
        found = source.known(self.named) | source.descendants(self.with_descendants)
        if not self.with_mapped:
            return found
        below = source.descendants(self.with_mapped_descendants)
        return found | source.mapped(source.known(self.with_mapped) | below)


class ConceptSets:
    """The concept sets of one definition, each expanded when a criterion first names it."""

    def __init__(self, sets: Node | None, source: ConceptSource | None) -> None:
        self.source = source
        self.sets: dict[int, tuple[str, Node, _Side, _Side]] = {}
        self.expanded: dict[int, Codes] = {}
        for one in sets.items() if sets else ():
            self._read(one)

    def codes(self, number: Node) -> Codes:
        """The set of that number; one that is absent or cannot be expanded is refused."""
        key = number.whole()
        if key in self.expanded:
            return self.expanded[key]
        if key not in self.sets:
            number.refuse("no_set")
            return Codes("", frozenset())
        name, node, included, excluded = self.sets[key]
        source = self.source
        if source is None:
            if (
                included.with_descendants
                or included.with_mapped
                or excluded.with_descendants
                or excluded.with_mapped
            ):
                node.refuse("needs_vocabulary", name)
            source = EveryConcept()
        ids = included.expanded(source)
        if excluded.named:
            ids -= excluded.expanded(source)
        self.expanded[key] = Codes(name, frozenset(("", str(one)) for one in ids))
        return self.expanded[key]

    def _read(self, one: Node) -> None:
        facts = one.fields("id", "name", "expression")
        if "id" not in facts or "expression" not in facts:
            one.refuse("missing")
            return
        key = facts["id"].whole()
        if key in self.sets:
            facts["id"].refuse("two_sets")
        name = facts["name"].text() if "name" in facts else ""
        sides = _Side(), _Side()
        expression = facts["expression"].fields("items")
        if "items" not in expression:
            facts["expression"].refuse("missing", "items")
        else:
            for item in expression["items"].items():
                _read_item(item, *sides)
        self.sets[key] = (name or str(key), one, *sides)


def concept_id(concept: Node) -> int:
    """The id of a concept that is written out."""
    facts = concept.fields(*_CONCEPT_KEYS)
    if "CONCEPT_ID" not in facts:
        concept.refuse("missing", "CONCEPT_ID")
        return 0
    return facts["CONCEPT_ID"].whole()


def _read_item(item: Node, included: _Side, excluded: _Side) -> None:
    facts = item.fields("concept", "isExcluded", "includeDescendants", "includeMapped")
    if "concept" not in facts:
        item.refuse("missing", "concept")
        return
    one = concept_id(facts["concept"])
    out, descendants, mapped = (
        name in facts and facts[name].flag() for name in ("isExcluded", "includeDescendants", "includeMapped")
    )
    side = excluded if out else included
    side.named.add(one)
    side.with_descendants |= {one} if descendants else set()
    side.with_mapped |= {one} if mapped else set()
    side.with_mapped_descendants |= {one} if mapped and descendants else set()


def _given(value: Any) -> bool:
    """Whether a column that is null or NaN where nothing is wrong says that something is."""
    return value is not None and value == value and value != ""
