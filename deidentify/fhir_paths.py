"""Where a policy's paths lead: the elements of FHIR, read from the models of fhir.resources (R4B).

The models are imported when a path is first asked for: the policies of the house were checked by a test
and need none of this when they are used.
"""

from __future__ import annotations

import csv
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_MODIFIERS = Path(__file__).parent / "modifier_elements.csv"
_ABSTRACT = frozenset({"Resource", "DomainResource"})
# Markers of the models that are not FHIR's own names of types.
_NAMES = {"bool": "boolean", "int": "integer", "encodedBytes": "base64Binary", "uuidVersion": "uuid"}
_NO_ELEMENTS = frozenset({"resourceType", "fhir_comments"})


@dataclass(frozen=True)
class Element:
    """One element of a type.

    `type` is FHIR's name of its type (`string`, `CodeableConcept`, `PatientLink` for a part of Patient).
    `group` is the x of x[x], where one of several elements may stand; `required` with a group: one must.
    """

    name: str
    type: str
    repeats: bool
    required: bool
    group: str
    targets: tuple[str, ...]
    model: Any

    @property
    def is_primitive(self) -> bool:
        return self.model is None


def is_resource_type(name: str) -> bool:
    return _model(name) is not None and bool(_model(name).has_resource_base()) and name not in _ABSTRACT


def element_at(resource_type: str, path: str) -> Element | None:
    """The element at a path such as `code.coding.system`; None where FHIR has none."""
    return next(reversed(elements_along(resource_type, path)))


def elements_along(resource_type: str, path: str) -> tuple[Element | None, ...]:
    """The elements that a path goes through, from the first on; the last is None where FHIR has none."""
    model = _model(resource_type)
    found: list[Element | None] = []
    for name in path.split("."):
        element = elements_of(model).get(name) if model is not None else None
        found.append(element)
        if element is None:
            break
        model = element.model
    return tuple(found)


def required_elements(model: Any) -> tuple[Element, ...]:
    return tuple(element for element in elements_of(model).values() if element.required)


def model_of(resource_type: str) -> Any:
    """The model of a resource type; None for what is none."""
    return _model(resource_type)


@cache
def modifiers_of(type_name: str) -> tuple[str, ...]:
    """Paths below a type that the FHIR R4 specification marks isModifier; `deceased[x]` as it stands there.

    Source of the table: StructureDefinitions of FHIR 4.0.1 (HL7, CC0), `isModifier` of the snapshot.
    """
    rows = csv.DictReader(_MODIFIERS.read_text("utf-8").splitlines())
    return tuple(
        path for owner, _, path in (row["element"].partition(".") for row in rows) if owner == type_name
    )


@cache
def _model(name: str) -> Any:
    from fhir.resources.R4B import fhirtypes

    fhir_type: Any = getattr(fhirtypes, f"{name}Type", None) if name.isidentifier() else None
    return fhir_type.get_model_klass() if hasattr(fhir_type, "get_model_klass") else None


@cache
def elements_of(model: Any) -> Mapping[str, Element]:
    """The elements of a model by name, those with an underscore left out; nothing for a primitive."""
    if model is None:
        return {}
    hints = typing.get_type_hints(model, include_extras=True)
    elements: dict[str, Element] = {}
    for field_name, declared in model.model_fields.items():
        name = declared.alias or field_name
        if name.startswith("_") or name in _NO_ELEMENTS:
            continue
        extra: Mapping[str, Any] = declared.json_schema_extra or {}
        repeats, leaf = _unwrapped(hints[field_name])
        below = leaf.get_model_klass() if hasattr(leaf, "get_model_klass") else None
        required = declared.is_required() or bool(
            extra.get("element_required") or extra.get("one_of_many_required")
        )
        elements[name] = Element(
            name=name,
            type=below.__name__ if below is not None else _primitive(leaf),
            repeats=repeats,
            required=required,
            group=extra.get("one_of_many") or "",
            targets=tuple(extra.get("enum_reference_types") or ()),
            model=below,
        )
    return elements


def _unwrapped(hint: Any) -> tuple[bool, Any]:
    """Whether it is a list, and the innermost type with its marker: Optional[List[Annotated[str, Id()]]]."""
    repeats = False
    while (origin := typing.get_origin(hint)) is not None and origin is not typing.Annotated:
        repeats = repeats or origin is list
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return repeats, hint


def _primitive(leaf: Any) -> str:
    if typing.get_origin(leaf) is typing.Annotated:
        marker = next(type(marker).__name__ for marker in leaf.__metadata__)
        name = marker[:1].lower() + marker[1:]
    else:
        name = leaf.__name__
    return _NAMES.get(name, name)
