"""Where free text stands in a resource (text_elements.csv), and who is named beside it.

A resource names people outside Patient, RelatedPerson and Practitioner as well: the display of a reference
to a doctor, the author of a note. What the structured record says there is looked for in the texts too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).with_name("text_elements.csv")
ANY_TYPE = "*"
_PERSON = re.compile(r"(?:^|/)(?:Patient|RelatedPerson|Practitioner|PractitionerRole|Person)/")
_PERSON_TYPES = frozenset({"Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Person"})


class FoundText(NamedTuple):
    """`element`: its place with positions from 0, such as `note[1].text`."""

    element: str
    text: str


@cache
def text_elements() -> Mapping[str, tuple[str, ...]]:
    """Resource type -> elements that hold free text; `*` for those of every type."""
    found: dict[str, tuple[str, ...]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            kind = row["resource_type"]
            found[kind] = (*found.get(kind, ()), row["element"])
    return found


def texts_in(resource: Mapping[str, Any]) -> Iterator[FoundText]:
    """The free texts of a resource, in the order of the table. What is blank or no text is passed over."""
    kind = resource.get("resourceType")
    own = text_elements().get(kind, ()) if isinstance(kind, str) else ()
    for element in (*text_elements()[ANY_TYPE], *own):
        yield from _at(resource, element.split("."), "")


def _at(value: Any, names: list[str], place: str) -> Iterator[FoundText]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _at(one, names, f"{place}[{number}]")
    elif names and isinstance(value, Mapping):
        if names[0] in value:
            yield from _at(value[names[0]], names[1:], f"{place}.{names[0]}" if place else names[0])
    elif not names and isinstance(value, str) and value.strip():
        yield FoundText(place, value)


def named_beside(resource: Mapping[str, Any]) -> Iterator[str]:
    """Names that stand in a resource beside a reference to a person, and the authors of its notes."""
    waiting: list[Any] = [resource]  # own stack: a hostile file may be nested deeper than Python's calls go
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
            author, display = value.get("authorString"), value.get("display")
            if isinstance(author, str) and author.strip():
                yield author
            if isinstance(display, str) and display.strip() and _is_to_a_person(value):
                yield display


def _is_to_a_person(link: Mapping[str, Any]) -> bool:
    reference = link.get("reference")
    return link.get("type") in _PERSON_TYPES or (
        isinstance(reference, str) and bool(_PERSON.search(reference))
    )
