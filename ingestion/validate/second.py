"""fhir.resources as the second validator: its models are asked about what our own check lets through.

Its verdict is taken, its words are not: a message of pydantic repeats the value that it refused.
What it is known to refuse wrongly is listed here, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ingestion.validate.messages import issue
from ingestion.validate.shapes import Element, Shape
from rwd_platform.core.safe_names import is_safe_name
from rwd_platform.core.units import Issue, Resource

_KIND = re.compile(r"[a-z0-9_.\-]{1,64}\Z")
_COMPANION_OF_VALUE = re.compile(r"_value[A-Z]")
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
# One valid value of each primitive type that a required choice can have.
_STAND_INS: Mapping[str, Any] = {
    **dict.fromkeys(("code", "id", "markdown", "string"), "x"),
    **dict.fromkeys(("canonical", "uri", "url"), "urn:x"),
    **dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), 1),
    **dict.fromkeys(("date", "dateTime"), "2000"),
    "base64Binary": "AAAA",
    "boolean": True,
    "instant": "2000-01-01T00:00:00Z",
    "integer64": "1",
    "oid": "urn:oid:1.2",
    "time": "00:00:00",
    "uuid": "urn:uuid:6c8a2f0e-3b1d-4c5e-8f7a-9b0c1d2e3f40",
}


def issues_of_models(resource: Resource, shape: Shape) -> tuple[Issue, ...]:
    """Empty when the model of fhir.resources accepts the resource, or refuses it wrongly."""
    from pydantic import ValidationError

    try:
        shape.model.model_validate(resource)
    except ValidationError as refused:
        readable = with_stand_ins(resource, shape)
        if readable is not resource:
            return issues_of_models(readable, shape)
        errors = refused.errors(include_url=False, include_context=False, include_input=False)
        return tuple(_issue(shape.name, error) for error in errors if not _is_over_strict(error))
    except Exception as failure:
        # A validator that breaks down on a resource cannot vouch for it; the name of the failure is
        # no value of the record, its text may be.
        kind = type(failure).__name__
        return (issue("fhir.second_validator", shape.name, element=shape.name, kind=kind),)
    return ()


def with_stand_ins(resource: Resource, shape: Shape) -> Resource:
    """The resource as the models can read it; itself, if nothing has to stand in.

    The models want a value in a choice that must be there, such as occurrence[x]. FHIR is content with an
    element that has only extensions (element-1: a value or children), so `_occurrenceDateTime` with a
    data-absent-reason is present. Such a choice gets a value for as long as the models look at it.
    """
    filled: Resource = _filled(resource, shape)
    return filled


def _filled(value: Any, shape: Shape) -> Any:
    if value.__class__ is not dict:
        return value
    below = {
        key: _filled_part(part, shape.elements[key]) for key, part in value.items() if key in shape.elements
    }
    stand_ins = dict(_stand_ins(value, shape))
    changed = {key: part for key, part in below.items() if part is not value[key]}
    return {**value, **changed, **stand_ins} if changed or stand_ins else value


def _filled_part(part: Any, element: Element) -> Any:
    if element.primitive is not None or element.is_companion:
        return part
    if part.__class__ is list:
        items = [_filled_part(item, element) for item in part]
        return items if any(new is not old for new, old in zip(items, part, strict=True)) else part
    if not element.is_resource:
        return _filled(part, element.shape)
    return part


def _stand_ins(value: Mapping[str, Any], shape: Shape) -> Iterator[tuple[str, Any]]:
    """A value for each required choice that is there by a data-absent-reason alone."""
    for group in shape.required_groups:
        options = [one for one in shape.elements.values() if one.group == group and not one.is_companion]
        if any(one.name in value for one in options):
            continue
        for one in options:
            if one.primitive is not None and _says_why_absent(value.get(f"_{one.name}")):
                yield one.name, _STAND_INS[one.primitive.name]
                break


def _says_why_absent(companion: Any) -> bool:
    extensions = companion.get("extension") if companion.__class__ is dict else None
    return extensions.__class__ is list and any(
        one.__class__ is dict and one.get("url") == _ABSENT and "valueCode" in one for one in extensions
    )


def _is_over_strict(error: Mapping[str, Any]) -> bool:
    """Refusals that contradict FHIR R4.

    - `_valueString` and its like inside an extension: the models of Extension lack them
    - valueUuid must be a UUID of version 4: FHIR asks for no version
    - a required choice that is there by its data-absent-reason alone counts as missing: `with_stand_ins`
    """
    where = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return _COMPANION_OF_VALUE.match(where) is not None
    return bool(error["type"] == "uuid_version")


def _issue(root: str, error: Mapping[str, Any]) -> Issue:
    expression = root
    element = root
    for part in error["loc"]:
        if isinstance(part, int):
            expression += f"[{part}]"
        elif is_safe_name(part):
            expression += f".{part}"
            element = part
    kind = error["type"] if _KIND.match(error["type"]) else "invalid"
    return issue("fhir.second_validator", expression, element=element, kind=kind)
