"""What is wrong with a policy that could be obeyed: read against FHIR's own structure, before data are.

    error     the result would leak, would not be valid FHIR, or would say something else than the hospital did
    warning   the policy lets through more than its purpose seems to need
    note      nothing wrong; something to tidy up

`lint` computes; it decides nothing. A policy of the house has no errors, which a test checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deidentify.actions import SHIFT, Rule
from deidentify.date_mixing import unsafe_dates
from deidentify.fhir_paths import (
    Element,
    elements_along,
    elements_of,
    is_resource_type,
    model_of,
    modifiers_of,
    required_elements,
)
from deidentify.hl7_names import FAMILIES
from deidentify.kept_texts import SYSTEM_ELEMENTS
from deidentify.layers import has_host
from deidentify.lint_texts import Finding, finding
from deidentify.policy import GEOGRAPHY, Policy, parse_policy
from rwd_platform.core.errors import PlatformError

__all__ = ["Finding", "has_errors", "lint"]

_GONE = frozenset({"drop", "text"})
_DATES = frozenset({"date", "dateTime", "instant"})
_WORDS = frozenset({"string", "markdown", "xhtml"})
# An address, a file or an id can name a person as well as words can.
_IDENTIFYING = frozenset({"base64Binary", "canonical", "id", "oid", "uri", "url", "uuid"})
_STRUCTURES = frozenset(
    {
        "Address",
        "Annotation",
        "Attachment",
        "ContactDetail",
        "ContactPoint",
        "HumanName",
        "Identifier",
        "Narrative",
    }
    | {"Extension", "Signature", "Resource"}
)
# Where a UDI's product part may be cut out: UDI-DI names a product (GB/T 39725 does not list it; 45 CFR 164.514
# speaks of device identifiers, which is why the stricter policies drop it). As a text it is never kept.
_DEVICE_IDENTIFIER = ("DeviceUdiCarrier", "deviceIdentifier")
# How fine an element's own value is; what is missing here is no geography.
_PLACES = {
    "Address.country": "country",
    "Address.state": "province",
    "Address.city": "prefecture",
    "Address.district": "county",
}
_FINER_THAN_ANY = frozenset({"Address.line", "Address.text", "Address.postalCode"})

Tree = Mapping[str, Any]  # element name -> what is below it, or its rule


def lint(
    policy: Policy | bytes, file_name: str = "policy.toml", folder: Path | None = None
) -> tuple[Finding, ...]:
    """Every finding, errors first, then by place. Bytes that are no policy give one error, `lint.unreadable`."""
    if isinstance(policy, bytes):
        try:
            policy = parse_policy(policy, file_name, folder, check_paths=False)
        except PlatformError as error:
            return (Finding("error", file_name, "lint.unreadable", error.zh, error.en),)
    found = [finding("unused_shape", f"[shape.{name}]") for name in policy.unused_shapes]
    found.extend(unsafe_dates(policy))
    found.extend(_of_systems(policy))
    for resource_type in sorted(policy.known_types):
        if not is_resource_type(resource_type):
            found.append(finding("unknown_type", f"[{resource_type}]", name=resource_type))
        elif resource_type in policy.rules:
            found.extend(_of_type(resource_type, policy))
    order = ("error", "warning", "note")
    return tuple(sorted(found, key=lambda one: (order.index(one.severity), one.where, one.rule)))


def has_errors(findings: tuple[Finding, ...]) -> bool:
    return any(one.severity == "error" for one in findings)


def _of_systems(policy: Policy) -> Iterator[Finding]:
    for url in policy.systems:
        if url.endswith("/") and not has_host(url):
            yield finding("system_without_host", f"[systems] {url}")
        elif url.endswith("/") and url not in FAMILIES:
            yield finding("open_systems", f"[systems] {url}")


def _of_type(resource_type: str, policy: Policy) -> Iterator[Finding]:
    dated: list[str] = []
    tree: dict[str, Any] = {}
    for path, rule in policy.rules[resource_type].items():
        where = f"[{resource_type}] {path}"
        along = elements_along(resource_type, path)
        element = along[-1]
        if element is None:
            yield finding("unknown_path", where, path=f"{resource_type}.{path}")
            continue
        _plant(tree, path, rule)
        owner = _owner(along, resource_type)
        yield from _of_rule(rule, element, owner, resource_type, path)
        if _is_finer(rule, element, owner, policy.geography):
            yield finding("fine_geography", where, geography=policy.geography)
        if rule.action == "keep" and element.type in _DATES:
            dated.append(path)
    if dated and not policy.internal:
        yield finding("true_date", f"[{resource_type}] {', '.join(dated)}", number=len(dated))
    model = model_of(resource_type)
    yield from _left_out(model, tree, resource_type, "")
    yield from _modifiers_left_out(resource_type, model, tree, resource_type, "")


def _plant(tree: dict[str, Any], path: str, rule: Rule) -> None:
    *above, last = path.split(".")
    branch = tree
    for name in above:
        branch = branch.setdefault(name, {})
    branch[last] = rule


def _owner(along: tuple[Element | None, ...], resource_type: str) -> str:
    """The type that the last element belongs to."""
    above = along[-2] if len(along) > 1 else None
    return resource_type if above is None else above.type


# -- does the action fit the element -----------------------------------------------------------------


def _of_rule(rule: Rule, element: Element, owner: str, resource_type: str, path: str) -> Iterator[Finding]:
    where = f"[{resource_type}] {path}"
    if rule.action == "keep":
        if _names_people(element, owner):
            yield finding("kept_identifying", where, type=element.type)
        elif not element.is_primitive:
            yield finding("unfit_action", where, action=str(rule), type=element.type)
    elif not _fits(rule, element, owner, path):
        yield finding("unfit_action", where, action=str(rule), type=element.type)


def _names_people(element: Element, owner: str) -> bool:
    if element.name in SYSTEM_ELEMENTS and element.type == "uri":
        return False  # must be one of the policy's [systems]
    if owner == "Reference" and element.name == "type":
        return False  # the name of a resource type
    return element.type in _WORDS or element.type in _IDENTIFYING or element.type in _STRUCTURES


def _fits(rule: Rule, element: Element, owner: str, path: str) -> bool:
    if rule.action in _GONE:
        return True
    if rule.action == "mask":  # a mark stands beside one primitive value
        return element.is_primitive and not element.repeats
    if rule.action == "pseudonym":
        return path == "id"
    if rule.action == "reference":
        return owner == "Reference" and element.name == "reference"
    if rule.action == "date":
        # FHIR has no instant of less than a second.
        return element.type in _DATES and (rule.argument == SHIFT or element.type != "instant")
    if rule.action == "device-identifier":
        return (owner, element.name) == _DEVICE_IDENTIFIER
    if rule.action == "age-band":
        return element.type in ("date", "Age") and not element.repeats
    return rule.action == "generalise" and element.type in ("code", "string")


def _is_finer(rule: Rule, element: Element, owner: str, allowed: str) -> bool:
    """Whether a rule lets through a finer place than the policy says it is for."""
    if rule.action == "generalise" and rule.argument.startswith("region:"):
        place = rule.argument.partition(":")[2]  # the levels of the hierarchy are called as GEOGRAPHY is
    elif rule.action != "keep":
        return False
    elif owner == "LocationPosition" or f"{owner}.{element.name}" in _FINER_THAN_ANY:
        return True
    else:
        place = _PLACES.get(f"{owner}.{element.name}", GEOGRAPHY[0])
    return GEOGRAPHY.index(place) > GEOGRAPHY.index(allowed)


# -- would the result be valid, and mean the same ----------------------------------------------------


def _left_out(model: Any, tree: Tree, resource_type: str, above: str) -> Iterator[Finding]:
    """Elements that FHIR requires and the policy leaves out, where what they belong to stays."""
    for element in required_elements(model):
        below = tree.get(element.name)
        if below is None or (isinstance(below, Rule) and below.action in _GONE):
            yield finding("required_left_out", f"[{resource_type}] {above}{element.name}")
    for name, below in tree.items():
        child = elements_of(model).get(name)
        if isinstance(below, dict) and child is not None and _stays(below):
            yield from _left_out(child.model, below, resource_type, f"{above}{name}.")


def _modifiers_left_out(
    type_name: str, model: Any, tree: Tree, resource_type: str, above: str
) -> Iterator[Finding]:
    for path in modifiers_of(type_name):
        *parents, last = path.split(".")
        branch: Any = tree
        owner = model
        for name in parents:
            branch = branch.get(name) if isinstance(branch, dict) else None
            owner = elements_of(owner)[name].model
        if not isinstance(branch, dict) or not _stays(branch):
            continue
        for name in _options(owner, last):
            if not _stays(branch.get(name)):
                place = ".".join([*parents, name])
                yield finding("modifier_left_out", f"[{resource_type}] {above}{place}")
    for name, below in tree.items():
        child = elements_of(model).get(name)
        if isinstance(below, dict) and child is not None:
            yield from _modifiers_left_out(child.type, child.model, below, resource_type, f"{above}{name}.")


def _options(model: Any, name: str) -> tuple[str, ...]:
    """`deceased[x]` is `deceasedBoolean` and `deceasedDateTime`."""
    group = name.removesuffix("[x]")
    if group == name:
        return (name,)
    return tuple(element.name for element in elements_of(model).values() if element.group == group)


def _stays(below: object) -> bool:
    """Whether anything of an element may stay."""
    if isinstance(below, Rule):
        return below.action not in _GONE and below.action != "mask"
    return isinstance(below, dict) and any(map(_stays, below.values()))
