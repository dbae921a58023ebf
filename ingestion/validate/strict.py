"""Our own check of a resource against its shape: every key, every value as it was written.

It is stricter than fhir.resources on purpose, because what that library coerces (5 into 1970, "yes"
into true) would be a change to what a hospital sent. Nothing is built for a resource that is good:
a path is put together only on the way back from something that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingestion.validate.messages import issue
from ingestion.validate.primitives import MAX_ID, MAX_STRING, Fault
from ingestion.validate.shapes import Element, FhirVersion, Shape, is_type, resource_shape
from rwd_platform.core.safe_names import is_safe_name, shown_name
from rwd_platform.core.units import Issue

# A hostile resource has a hundred thousand faults; a person reads the first few.
MAX_FINDINGS = 100


@dataclass(slots=True)
class Finding:
    """A rule that was violated. `path` grows from the inside out."""

    rule: str
    details: dict[str, str]
    path: list[str] = field(default_factory=list)

    def as_issue(self, root: str) -> Issue:
        expression = root
        for segment in reversed(self.path):
            expression += segment if segment.startswith("[") else f".{segment}"
        return issue(self.rule, expression, **self.details)


def findings_in_resource(resource: Any, version: FhirVersion) -> list[Finding]:
    """Everything that is wrong with a resource, with paths inside it."""
    if resource.__class__ is not dict:
        return [Finding("resource.not_object", {})]
    name = resource.get("resourceType")
    if name is None:
        return [Finding("resource.type_missing", {})]
    if name.__class__ is not str or not is_type(name, version):
        return [Finding("resource.type_unknown", {"version": version})]
    shape = resource_shape(name, version)
    if shape is None:
        return [Finding("resource.type_unsupported", {"version": version, "type": name})]
    return _in_object(resource, shape, version, is_resource=True)


def _in_object(
    value: dict[str, Any], shape: Shape, version: FhirVersion, is_resource: bool = False
) -> list[Finding]:
    found: list[Finding] = []
    elements = shape.elements
    chosen: dict[str, str] | None = None
    for position, (key, part) in enumerate(value.items(), start=1):
        element = elements.get(key)
        if element is None:
            if not (is_resource and key == "resourceType"):
                found.append(_unknown(key, position, shape))
            continue
        if element.group is not None:
            if chosen is None:
                chosen = {}
            if chosen.setdefault(element.group, element.base) != element.base:
                found.append(
                    Finding("fhir.choice", {"owner": shape.name, "element": element.group}, [element.group])
                )
        within = _in_element(part, element, value, version)
        if within:
            for finding in within:
                finding.path.append(element.segment.removeprefix("_"))
            found += within
        if len(found) >= MAX_FINDINGS:
            return found
    for element in shape.required:
        if element.name not in value and f"_{element.name}" not in value:
            found.append(_missing(element.name, shape))
    for group in shape.required_groups:
        if chosen is None or group not in chosen:
            found.append(_missing(group, shape))
    return found


def _unknown(key: str, position: int, shape: Shape) -> Finding:
    # A key that is no element's name may be anything, a patient's name included.
    shown = shown_name(key, position)
    details = {"owner": shape.name, "element_zh": shown.zh, "element_en": shown.en}
    return Finding("fhir.unknown_element", details, [key] if is_safe_name(key) else [])


def _missing(name: str, shape: Shape) -> Finding:
    return Finding("fhir.missing_element", {"owner": shape.name, "element": name}, [name])


def _in_element(
    part: Any, element: Element, owner: dict[str, Any], version: FhirVersion
) -> list[Finding] | None:
    if part.__class__ is list:
        if not element.repeats:
            return [_about(element, "fhir.repeats")]
        if not part:
            return [_about(element, "fhir.empty")]
        return _in_items(part, element, owner, version)
    if part is None:
        return [_about(element, "fhir.null")]
    if element.repeats:
        return [_about(element, "fhir.not_repeated")]
    return _in_value(part, element, version)


def _in_items(
    items: list[Any], element: Element, owner: dict[str, Any], version: FhirVersion
) -> list[Finding] | None:
    found: list[Finding] | None = None
    for index, item in enumerate(items):
        is_null = item is None
        within = _about_null_item(element, owner, index) if is_null else _in_value(item, element, version)
        if within:
            for finding in within:
                finding.path.append(f"[{index}]")
            if found is None:
                found = within
            else:
                found += within
            if len(found) >= MAX_FINDINGS:
                break
    return found


def _about_null_item(element: Element, owner: dict[str, Any], index: int) -> list[Finding] | None:
    """Among primitives a null keeps the place of a value that has only extensions, and the reverse."""
    if element.primitive is not None:
        counterpart = owner.get(f"_{element.name}")
    elif element.is_companion:
        counterpart = owner.get(element.base)
    else:
        return [_about(element, "fhir.null")]
    kept = counterpart.__class__ is list and index < len(counterpart) and counterpart[index] is not None
    return None if kept else [_about(element, "fhir.null")]


def _in_value(part: Any, element: Element, version: FhirVersion) -> list[Finding] | None:
    primitive = element.primitive
    if primitive is not None:
        fault = primitive.check(part)
        if fault is not None:
            return [_about_primitive(element, fault)]
        if element.codes is not None and part not in element.codes:
            return [_about(element, "fhir.code_unknown", codes=", ".join(sorted(element.codes)))]
        return None
    if part.__class__ is not dict:
        return [_about(element, "fhir.object")]
    if not part:
        return [_about(element, "fhir.empty")]
    if element.is_resource:
        return findings_in_resource(part, version)
    return _in_object(part, element.shape, version)


def _about(element: Element, rule: str, **details: str) -> Finding:
    return Finding(rule, {"element": element.name, **details})


def _about_primitive(element: Element, fault: Fault) -> Finding:
    primitive = element.primitive
    assert primitive is not None  # noqa: S101 - the caller has just asked it
    if fault is Fault.JSON_TYPE:
        json_words = {"json_zh": primitive.json_zh, "json_en": primitive.json_en}
        return _about(element, fault.value, type=primitive.name, **json_words)
    if fault is Fault.VALUE:
        expected = {"expected_zh": primitive.expected_zh, "expected_en": primitive.expected_en}
        return _about(element, fault.value, type=primitive.name, **expected)
    if fault is Fault.TOO_LONG:
        return _about(element, fault.value, limit=str(MAX_ID if primitive.name == "id" else MAX_STRING))
    return _about(element, fault.value)
