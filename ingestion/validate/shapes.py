"""What elements a type of FHIR has, read from the models of fhir.resources and kept as plain tables.

The models carry the structure of R4B and R5. R4 is R4B less a few elements and types; the
differences and the codes of required bindings are data beside this file, because the models have
the latter as documentation only, cut short with a "+" in a dozen places.
"""

from __future__ import annotations

import importlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ingestion.validate.primitives import PRIMITIVES, Primitive

FhirVersion = Literal["R4", "R4B", "R5"]
VERSIONS: tuple[FhirVersion, ...] = typing.get_args(FhirVersion)

_MODELS: Mapping[FhirVersion, str] = {
    "R4": "fhir.resources.R4B",
    "R4B": "fhir.resources.R4B",
    "R5": "fhir.resources",
}
_HERE = Path(__file__).parent
# Names that the markers in fhir_core.types have, where they are not the FHIR name with a capital.
_PLAIN_TYPES: Mapping[str, str] = {"bool": "boolean", "UUID": "uuid"}


@dataclass(slots=True)
class Element:
    """One key that an object of a type may have.

    segment   -- its FHIRPath: `status`, or `value.ofType(Quantity)` for valueQuantity
    base      -- the element that a key with an underscore belongs to; its own name otherwise
    primitive -- None for a complex element, a resource, or a key with an underscore
    group     -- the x of x[x], where only one of several keys may stand
    """

    name: str
    segment: str
    repeats: bool
    base: str
    primitive: Primitive | None = None
    codes: frozenset[str] | None = None
    group: str | None = None
    is_resource: bool = False
    is_companion: bool = False
    _model: Any = None
    _version: FhirVersion = "R4"
    _shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """Of a complex element; made when it is first met, since a model takes long to import."""
        if self._shape is None:
            self._shape = shape_of(_class_of(self._model), self._version)
        return self._shape


@dataclass(slots=True)
class Shape:
    """A type: its keys, those that must stand, and the choices of which one must."""

    name: str
    elements: dict[str, Element]
    required: tuple[Element, ...]
    required_groups: tuple[str, ...]
    model: Any = field(repr=False)


@cache
def _required_codes() -> Mapping[str, list[str]]:
    found: Mapping[str, list[str]] = json.loads((_HERE / "required_codes.json").read_text("utf-8"))["codes"]
    return found


@cache
def _r4() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((_HERE / "r4.json").read_text("utf-8"))
    return found


@cache
def _types_module(version: FhirVersion) -> Any:
    return importlib.import_module(f"{_MODELS[version]}.fhirtypes")


def is_type(name: str, version: FhirVersion) -> bool:
    """Whether the version has such a resource, whether or not there is a model of it."""
    if version == "R4":
        return name in _r4()["types"]
    return name not in ("Resource", "DomainResource") and _resource_model(name, version) is not None


@cache
def resource_shape(name: str, version: FhirVersion) -> Shape | None:
    """None when the version has no such resource, or there is no model that fits it."""
    if not is_type(name, version) or (version == "R4" and name in _r4()["modelled_differently"]):
        return None
    model = _resource_model(name, version)
    return None if model is None else shape_of(model, version)


def _resource_model(name: str, version: FhirVersion) -> Any:
    fhir_type = getattr(_types_module(version), f"{name}Type", None) if name.isidentifier() else None
    if not hasattr(fhir_type, "get_model_klass"):
        return None
    model = _class_of(fhir_type)
    return model if model.has_resource_base() else None


def _class_of(fhir_type: Any) -> Any:
    return fhir_type.get_model_klass()


@cache
def shape_of(model: Any, version: FhirVersion) -> Shape:
    name = str(model.__name__)
    only_in_r4b = _r4()["elements_only_in_r4b"].get(name, ()) if version == "R4" else ()
    hints = typing.get_type_hints(model, include_extras=True)
    elements: dict[str, Element] = {}
    required: list[Element] = []
    required_groups: list[str] = []
    for field_name, field_info in model.model_fields.items():
        key = field_info.alias or field_name
        if key.removeprefix("_") in only_in_r4b or key in ("fhir_comments", "resourceType"):
            continue
        extra = field_info.json_schema_extra or {}
        element = _element(name, key, hints[field_name], extra, version)
        elements[key] = element
        if element.group is None and (field_info.is_required() or extra.get("element_required")):
            required.append(element)
        elif element.group and extra.get("one_of_many_required") and element.group not in required_groups:
            required_groups.append(element.group)
    if name == "Extension":
        _add_companions(elements, version)
    for key, element in elements.items():
        if key.startswith("_") and element.base in elements:
            of = elements[element.base]
            element.group, element.repeats, element.segment = of.group, of.repeats, of.segment
    return Shape(name, elements, tuple(required), tuple(required_groups), model)


def _element(owner: str, key: str, hint: Any, extra: Mapping[str, Any], version: FhirVersion) -> Element:
    repeats, leaf = _unwrap(hint)
    element = Element(key, key, repeats, key.removeprefix("_"))
    if hasattr(leaf, "get_model_klass"):
        element._model, element._version = leaf, version
        element.is_resource = leaf.__name__ == "ResourceType"
        element.is_companion = key.startswith("_")
    else:
        element.primitive = PRIMITIVES[_primitive_name(leaf)]
        codes = None if version == "R5" else _required_codes().get(f"{owner}.{key}")
        element.codes = None if codes is None else frozenset(codes)
    element.group = extra.get("one_of_many")
    if element.group:
        of_type = key.removeprefix(element.group)
        if element.primitive is not None:
            of_type = of_type[:1].lower() + of_type[1:]
        element.segment = f"{element.group}.ofType({of_type})"
    return element


def _add_companions(elements: dict[str, Element], version: FhirVersion) -> None:
    """The models of Extension forget that its primitive values can have extensions of their own."""
    companion = _types_module(version).FHIRPrimitiveExtensionType
    for key, element in list(elements.items()):
        if element.primitive is not None and element.group and f"_{key}" not in elements:
            elements[f"_{key}"] = Element(
                f"_{key}", key, False, key, is_companion=True, _model=companion, _version=version
            )


def _unwrap(hint: Any) -> tuple[bool, Any]:
    """Whether it is a list, and the innermost type with its marker: Optional[List[Annotated[str, Id()]]]."""
    repeats = False
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated or origin is None:
            return repeats, hint
        repeats = repeats or origin is list
        hint = next(part for part in typing.get_args(hint) if part is not type(None))


def _primitive_name(leaf: Any) -> str:
    if typing.get_origin(leaf) is typing.Annotated:
        for marker in leaf.__metadata__:
            name = type(marker).__name__
            name = name[:1].lower() + name[1:]
            if name in PRIMITIVES:
                return name
        leaf = typing.get_args(leaf)[0]
    return _PLAIN_TYPES[leaf.__name__]
