"""Holds a reporting event against model.toml and against what the standard says in words of its classes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_BASIC = {"string": str, "integer": int, "boolean": bool}


@dataclass(frozen=True)
class Slot:
    types: tuple[str, ...]
    required: bool
    many: bool


@cache
def _read() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("model.toml").read_text(encoding="utf-8"))


def enumerations() -> Mapping[str, list[str]]:
    return dict(_read()["enumerations"])


@cache
def classes() -> Mapping[str, Mapping[str, Slot]]:
    return {
        name: {slot: _slot(text) for slot, text in slots.items()}
        for name, slots in _read()["classes"].items()
    }


def _slot(text: str) -> Slot:
    types = tuple(one.strip(" !*") for one in text.split("|"))
    return Slot(types, "!" in text, "*" in text)


def faults(value: Any, name: str = "ReportingEvent", place: str = "") -> Iterator[str]:
    """Where `value` is not an instance of the class `name`: one line a fault."""
    if not isinstance(value, dict):
        yield f"{place}: no {name}"
        return
    slots = classes()[name]
    for slot in value.keys() - slots.keys():
        yield f"{place}/{slot}: {name} has no such slot"
    for slot, of in slots.items():
        here = f"{place}/{slot}"
        if slot not in value:
            if of.required:
                yield f"{here}: missing"
            continue
        if of.many != isinstance(value[slot], list):
            yield f"{here}: one in place of many, or many of one"
            continue
        if of.many and not value[slot]:
            yield f"{here}: an empty list"
        for at, one in enumerate(value[slot] if of.many else [value[slot]]):
            yield from _type_faults(one, of, f"{here}/{at}" if of.many else here)


def _type_faults(value: Any, of: Slot, place: str) -> list[str]:
    """No fault where one of the types fits, else those of the last."""
    found: list[str] = []
    for name in of.types:
        if name in _BASIC:
            fits = type(value) is _BASIC[name]
            found = [] if fits else [f"{place}: no {name}"]
        elif name in enumerations():
            found = [] if value in enumerations()[name] else [f"{place}: {value!r} is not of {name}"]
        else:
            found = list(faults(value, name, place))
        if not found:
            return []
    return found


def instances(value: Any, name: str = "ReportingEvent") -> Iterator[tuple[str, Json]]:
    """Every object in the event with its class."""
    yield name, value
    for slot, of in classes()[name].items():
        held = value.get(slot, [])
        for one in held if of.many else [held]:
            if isinstance(one, dict):
                kind = next(kind for kind in of.types if kind in classes() and not list(faults(one, kind)))
                yield from instances(one, kind)


def of_class(event: Json, *names: str) -> list[Json]:
    return [one for name, one in instances(event) if name in names]


# slot -> the classes whose ids it holds
REFERENCES: Mapping[str, tuple[str, ...]] = {
    "analysisId": ("Analysis",),
    "outputId": ("Output",),
    "methodId": ("AnalysisMethod",),
    "analysisSetId": ("AnalysisSet",),
    "subClauseId": ("AnalysisSet",),
    "operationId": ("Operation",),
    "referencedOperationRelationshipId": ("ReferencedOperationRelationship",),
    "groupingId": ("GroupingFactor",),
    "groupId": ("Group",),
    "referenceDocumentId": ("ReferenceDocument",),
    "sponsorTermId": ("SponsorTerm",),
}


def dangling(event: Json) -> list[str]:
    """Every id referred to that no object of the right class has."""
    known: dict[str, set[str]] = {}
    for name, one in instances(event):
        if "id" in one:
            known.setdefault(name, set()).add(one["id"])
    return [
        f"{name}.{slot} = {one[slot]}"
        for name, one in instances(event)
        for slot, kinds in REFERENCES.items()
        if slot in one and not any(one[slot] in known.get(kind, ()) for kind in kinds)
    ]


def ids(event: Json) -> list[str]:
    return [one["id"] for _, one in instances(event) if "id" in one]
