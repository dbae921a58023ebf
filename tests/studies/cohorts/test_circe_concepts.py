"""Concept sets as Circe expands them, from plain rows and from Ibis tables alike."""

from __future__ import annotations

from typing import Any

import pytest

from studies.cohorts.circe import OmopVocabulary
from studies.cohorts.circe.omop_rows import Tables, ibis_tables, typed
from tests.studies.cohorts.circe_cases import Json, expression, read, rows

# 2 and 3 are below 1, 3 is no longer valid; 7 maps to 2 and 8 to 1; the mapping of 9 is no longer valid.
CONCEPT = """
    concept_id | invalid_reason
    1          | -
    2          | -
    3          | D
    7          | -
    8          | U
"""
ANCESTOR = """
    ancestor_concept_id | descendant_concept_id
    1                   | 1
    1                   | 2
    1                   | 3
    2                   | 2
"""
RELATIONSHIP = """
    concept_id_1 | concept_id_2 | relationship_id | invalid_reason
    7            | 2            | Maps to         | -
    8            | 1            | Maps to         | -
    9            | 1            | Maps to         | D
    2            | 1            | Is a            | -
"""


def vocabulary() -> Tables:
    drawn = {"concept": CONCEPT, "concept_ancestor": ANCESTOR, "concept_relationship": RELATIONSHIP}
    return typed((name, rows(text)) for name, text in drawn.items())


def item(concept: int, flags: str = "") -> Json:
    names = {"d": "includeDescendants", "m": "includeMapped", "x": "isExcluded"}
    return {"concept": {"CONCEPT_ID": concept}, **{names[flag]: True for flag in flags}}


def expanded(tables: Any, *items: Json) -> set[int]:
    sets = [{"id": 0, "name": "", "expression": {"items": list(items)}}]
    definition = {**expression({"ConditionOccurrence": {"CodesetId": 0}}), "ConceptSets": sets}
    [wanted] = read(definition, OmopVocabulary(tables)).entry.events
    return {int(code) for _, code in wanted.codes[0].codes.pairs}


CASES: list[tuple[list[Json], set[int]]] = [
    ([], set()),
    ([item(1)], {1}),
    ([item(3)], {3}),  # named itself it counts though it is no longer valid
    ([item(99)], set()),  # CONCEPT does not have it
    ([item(1, "d")], {1, 2}),
    ([item(1, "m")], {1, 8}),
    ([item(1, "dm")], {1, 2, 7, 8}),
    ([item(1, "d"), item(1, "m")], {1, 2, 8}),  # the flags of two items are not joined
    ([item(1, "d"), item(2, "x")], {1}),
    ([item(1, "dm"), item(2, "mx")], {1, 8}),
    ([item(1, "d"), item(1, "dx")], set()),
    ([item(2, "x")], set()),
]


@pytest.mark.parametrize(("items", "expected"), CASES)
@pytest.mark.parametrize("as_tables", [lambda rows: rows, ibis_tables], ids=["rows", "ibis"])
def test_a_concept_set_is(items: list[Json], expected: set[int], as_tables: Any):
    assert expanded(as_tables(vocabulary()), *items) == expected


def test_an_empty_vocabulary_has_no_concepts():
    assert expanded({}, item(1, "dm")) == set()
