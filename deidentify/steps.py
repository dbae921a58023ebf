"""A policy's rules compiled to nested closures, one step per element.

A step takes an element's value and returns what may stay of it, or NOTHING. Rules act on primitive
values only: a structure that stands where the policy expects a value is dropped whole, so that `keep`
can never let a structure's unknown content through. A text that stays is judged by kept_texts.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from deidentify.dates import coarsen
from deidentify.kept_texts import SYSTEM_ELEMENTS, KeptTexts
from deidentify.labels import ABSTRACTED, MASKED, PSEUDONYMISED, masked
from deidentify.policy import Policy, Rule
from deidentify.pseudonym import Pseudonymiser
from deidentify.references import rewrite

NOTHING: Any = object()
MASK: Any = object()

_PRIMITIVES = frozenset({str, int, float, bool, Decimal})
_ELEMENT_NAME = re.compile(r"_?[A-Za-z][A-Za-z]{0,63}(?:64Binary|[0-9]{0,2})")
_CODE = re.compile(r"[A-Za-z][A-Za-z_\-]{0,63}")
# An address may be made of a name and a number. Shown are those that the policy lists, and HL7's own.
_HL7_EXTENSION = re.compile(
    r"http://hl7\.org/fhir/StructureDefinition/(?!(?:.*[0-9]){6})[A-Za-z][A-Za-z0-9\-]{0,63}"
)
# An extension that a policy knows may hold one of these: codes and numbers, never words.
_EXTENSION_VALUES = frozenset(
    {"valueCode", "valueBoolean", "valueInteger", "valuePositiveInt", "valueUnsignedInt", "valueDecimal"}
)


class Pass:
    """One resource on its way: whose key is used, and what was seen and left behind."""

    __slots__ = ("dropped", "fault", "labels", "modifier", "pseudonyms")

    def __init__(self, pseudonyms: Pseudonymiser) -> None:
        self.pseudonyms = pseudonyms
        self.dropped: set[str] = set()
        self.labels: set[str] = set()
        self.modifier = ""  # the path of something that changes the resource's meaning and is not understood
        self.fault: tuple[str, str] | None = None  # rule and path of the first text that may not stay


Step = Callable[[Any, Pass], Any]
Transform = Callable[[Any, Pass], Any]


def compile_type(resource_type: str, policy: Policy) -> Step:
    """The step that copies one resource of this type."""
    tree: dict[str, Any] = {"resourceType": Rule("keep")}
    for path, rule in policy.rules[resource_type].items():
        branch = tree
        *above, last = path.split(".")
        for name in above:
            branch = branch.setdefault(name, {})
        branch[last] = rule
    return _branch(tree, resource_type, resource_type, policy, KeptTexts(policy.systems))


def safe_name(name: object) -> str:
    """A name as it may be shown: what is no element's or type's name could be anything, even a person's."""
    return name if isinstance(name, str) and _ELEMENT_NAME.fullmatch(name) else "(unreadable name)"


def _branch(tree: Mapping[str, Any], path: str, resource_type: str, policy: Policy, texts: KeptTexts) -> Step:
    steps: dict[str, Step] = {
        name: _branch(below, f"{path}.{name}", resource_type, policy, texts)
        if isinstance(below, dict)
        else _leaf(below, f"{path}.{name}", resource_type, texts)
        for name, below in tree.items()
    }
    values = frozenset(f"_{name}" for name, below in tree.items() if not isinstance(below, dict))
    unnamed = _unnamed(path, values, policy)
    # Most elements are values that stay as they are: these are copied without a call.
    plain = frozenset(name for name, below in tree.items() if below == Rule("keep"))
    judge = _judge(path, texts)

    def copy(element: dict[str, Any], run: Pass) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in element.items():
            if name in plain and type(value) in _PRIMITIVES:
                if type(value) is str:
                    judge(name, value, element, run)
                kept[name] = value
                continue
            step = steps.get(name)
            result = unnamed(name, value, run) if step is None else step(value, run)
            if result is NOTHING:
                continue
            if result is MASK:
                kept[f"_{name}"] = masked()
            else:
                kept[name] = result
        return kept or masked()

    def step(value: Any, run: Pass) -> Any:
        if type(value) is dict:
            return copy(value, run)
        if type(value) is not list:
            run.dropped.add(path)
            return NOTHING
        kept = [copy(one, run) for one in value if type(one) is dict]
        if len(kept) != len(value):
            run.dropped.add(path)
        return kept or NOTHING

    return step


def _judge(path: str, texts: KeptTexts) -> Callable[[str, str, Mapping[str, Any], Pass], None]:
    """What looks at a text that stays as it is, and remembers the first that may not."""
    fault_of_code, fault_of_system, sctid_systems = (
        texts.fault_of_code,
        texts.fault_of_system,
        texts.sctid_systems,
    )

    def judge(name: str, text: str, element: Mapping[str, Any], run: Pass) -> None:
        if name in SYSTEM_ELEMENTS:
            fault = fault_of_system(text)
        else:
            system = element.get("system") if name == "code" else None
            fault = fault_of_code(text, type(system) is str and system in sctid_systems)
        if fault and run.fault is None:
            run.fault = (fault, f"{path}.{name}")

    return judge


def _leaf(rule: Rule, path: str, resource_type: str, texts: KeptTexts) -> Step:
    if rule.action in ("drop", "text", "mask"):
        label, result = (MASKED, MASK) if rule.action == "mask" else ("", NOTHING)

        def leave(_value: Any, run: Pass) -> Any:
            run.dropped.add(path)
            if label:
                run.labels.add(label)
            return result

        return leave
    transform = _transform(rule, path, resource_type, texts)

    def step(value: Any, run: Pass) -> Any:
        if type(value) is not list:
            kept = transform(value, run)
            if kept is NOTHING:
                run.dropped.add(path)
            return kept
        several = [one for one in (transform(one, run) for one in value) if one is not NOTHING]
        if len(several) != len(value):
            run.dropped.add(path)
        return several or NOTHING

    return step


def _transform(rule: Rule, path: str, resource_type: str, texts: KeptTexts) -> Transform:
    """What an action does with one primitive value; NOTHING for a value it cannot make safe."""

    is_system = path.rpartition(".")[2] in SYSTEM_ELEMENTS

    def keep(value: Any, run: Pass) -> Any:
        if type(value) is str and run.fault is None:
            fault = texts.fault_of_system(value) if is_system else texts.fault_of_code(value, False)
            run.fault = (fault, path) if fault else None
        return value if type(value) in _PRIMITIVES else NOTHING

    def pseudonym(value: Any, run: Pass) -> Any:
        if type(value) is not str or not value:
            return NOTHING
        run.labels.add(PSEUDONYMISED)
        return run.pseudonyms.token(resource_type, value)

    def reference(value: Any, run: Pass) -> Any:
        rewritten = rewrite(value, run.pseudonyms, rule.argument) if type(value) is str else None
        if rewritten is None:
            return NOTHING
        run.labels.add(PSEUDONYMISED)
        return rewritten

    def date(value: Any, run: Pass) -> Any:
        coarse = coarsen(value, rule.argument) if type(value) is str else None
        if coarse is None:
            return NOTHING
        run.labels.add(ABSTRACTED)
        return coarse

    return {"keep": keep, "pseudonym": pseudonym, "reference": reference, "date": date}[rule.action]


def _unnamed(path: str, values: frozenset[str], policy: Policy) -> Callable[[str, Any, Pass], Any]:
    """What happens to an element that the policy does not name: it is dropped and listed.

    Three kinds are looked into first: extensions, whose URL the policy may know; `_birthDate`, which
    carries the extensions of a value; and what modifies the meaning of the whole resource.
    """

    def unnamed(name: str, value: Any, run: Pass) -> Any:
        if name == "extension":
            return _extensions(value, policy.extensions, f"{path}.extension", run)
        if name == "modifierExtension":
            before = len(run.dropped)
            kept = _extensions(value, policy.modifier_extensions, f"{path}.modifierExtension", run)
            if len(run.dropped) > before:
                run.modifier = f"{path}.modifierExtension"
            return kept
        if name == "implicitRules":
            run.modifier = f"{path}.implicitRules"
            return NOTHING
        if name in values and type(value) is dict:
            return _value_extensions(name, value, path, policy, run)
        run.dropped.add(f"{path}.{safe_name(name)}")
        return NOTHING

    return unnamed


def _value_extensions(name: str, value: dict[str, Any], path: str, policy: Policy, run: Pass) -> Any:
    if value.keys() != {"extension"}:
        run.dropped.add(f"{path}.{name}")
    if "extension" not in value:
        return NOTHING
    kept = _extensions(value["extension"], policy.extensions, f"{path}.{name}.extension", run)
    return NOTHING if kept is NOTHING else {"extension": kept}


def _extensions(value: Any, known: frozenset[str], path: str, run: Pass) -> Any:
    """Of a list of extensions, those that the policy knows and whose value is a code or a number."""
    kept = []
    for one in value if type(value) is list else [value]:
        url = one.get("url") if type(one) is dict else None
        if isinstance(url, str) and url in known and _is_code_or_number(one):
            kept.append(dict(one))
            continue
        shown = isinstance(url, str) and (url in known or _HL7_EXTENSION.fullmatch(url))
        run.dropped.add(f"{path}('{url}')" if shown else f"{path}(unlisted extension)")
    return kept or NOTHING


def _is_code_or_number(extension: dict[str, Any]) -> bool:
    names = [name for name in extension if name != "url"]
    if len(names) != 1 or names[0] not in _EXTENSION_VALUES:
        return False
    value = extension[names[0]]
    return bool(_CODE.fullmatch(value)) if type(value) is str else type(value) in _PRIMITIVES
