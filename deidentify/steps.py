"""A policy's rules compiled to nested closures, one step per element.

A step takes an element's value and returns what may stay of it, or NOTHING. Rules act on primitive
values only (and on ages): a structure that stands where the policy expects a value is dropped whole, so
that `keep` can never let a structure's unknown content through. A text that stays is judged by
kept_texts.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from deidentify.actions import LEFT_OUT, SHIFT, Rule
from deidentify.ages import NUMBERS
from deidentify.coarser_codes import of_known_system
from deidentify.codings import Copy, codings_step, kind_of_code, quantities_copy
from deidentify.extensions import listed_extensions
from deidentify.kept_texts import LONG_NUMBER, NO_SYSTEM, SYSTEM_ELEMENTS, UNIT, KeptTexts
from deidentify.labels import MASKED, masked
from deidentify.policy import Policy
from deidentify.told_of_people import of_person
from deidentify.transforms import MASK, NOTHING, PRIMITIVES, Pass, Step, compile_rule

__all__ = ["NOTHING", "Pass", "Step", "compile_type", "safe_name"]

_ELEMENT_NAME = re.compile(r"_?[A-Za-z][A-Za-z]{0,63}(?:64Binary|[0-9]{0,2})")


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
        else _leaf(below, f"{path}.{name}", resource_type, texts, policy.as_of)
        for name, below in tree.items()
    }
    says, has_code = kind_of_code(path, tree), tree.get("code") == Rule("keep")
    left = _left_without_a_mark(tree, path)
    is_quantity = has_code and says == UNIT and _leaves_words(tree.get("unit"))
    if is_quantity:
        left.pop("unit", None)
        steps["unit"] = _left_to_the_quantity
    values = frozenset(f"_{name}" for name, below in tree.items() if not isinstance(below, dict))
    copy = _copier(tree, path, steps, left, _unnamed(path, values, policy), texts)
    if has_code and says != UNIT:
        whole = codings_step(copy, path)
    else:
        whole = _each(quantities_copy(copy, path) if is_quantity else copy, path)
    told = of_person(whole, tree, path, resource_type, policy, texts)
    return told if told is not whole else of_known_system(whole, tree, path, policy)


def _left_without_a_mark(tree: Mapping[str, Any], path: str) -> dict[str, str]:
    """The paths of elements that go, by name."""
    return {
        name: f"{path}.{name}"
        for name, below in tree.items()
        if isinstance(below, Rule) and below.action in LEFT_OUT and below.action != "mask"
    }


def _copier(
    tree: Mapping[str, Any],
    path: str,
    steps: Mapping[str, Step],
    left: Mapping[str, str],
    unnamed: Callable[[str, Any, Pass], Any],
    texts: KeptTexts,
) -> Copy:
    """What copies one structure. Values that stay as they are and elements that go without a mark cost no call."""
    says, is_reference = kind_of_code(path, tree), "reference" in tree
    texts_kept = _answers(tree, texts, is_reference)
    answers_of = texts.answers_of_coded(says)
    judge = _judge(path, texts, says, is_reference)

    def copy(element: dict[str, Any], run: Pass) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in element.items():
            if name in texts_kept:
                kind = type(value)
                if kind is str:
                    answers = texts_kept[name]
                    if answers is None:
                        answers = answers_of(element.get("system"))
                    if answers.get(value) == "" or judge(name, value, element, run):
                        kept[name] = value
                    continue
                if kind in PRIMITIVES:
                    if kind in NUMBERS and not -LONG_NUMBER < value < LONG_NUMBER:
                        _judge_number(value, f"{path}.{name}", texts, run)
                    kept[name] = value
                    continue
            elif name in left:
                run.dropped.add(left[name])
                continue
            step = steps.get(name)
            _put(kept, name, unnamed(name, value, run) if step is None else step(value, run))
        return kept or masked()

    return copy


def _put(kept: dict[str, Any], name: str, result: Any) -> None:
    if result is MASK:
        kept[f"_{name}"] = masked()
    elif result is not NOTHING:
        kept[name] = result


def _answers(
    tree: Mapping[str, Any], texts: KeptTexts, is_reference: bool
) -> dict[str, Mapping[str, str] | None]:
    """For each element that is kept as it is, the answers to the texts seen in it."""
    return {
        name: texts.answers(name, is_reference=is_reference)
        for name, below in tree.items()
        if below == Rule("keep")
    }


def _judge_number(value: Any, path: str, texts: KeptTexts, run: Pass) -> None:
    if run.fault is None and (fault := texts.fault_of_number(value)):
        run.fault = (fault, path)


def _each(copy: Copy, path: str) -> Step:
    """The step of a structure that may stand alone or in a list."""

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


def _leaves_words(rule: object) -> bool:
    """Whether the policy leaves a unit in words out, or does not name it: then the room judges it."""
    return rule is None or (isinstance(rule, Rule) and rule.action in LEFT_OUT and rule.action != "mask")


def _left_to_the_quantity(_unit: Any, _run: Pass) -> Any:
    """A unit in words stays or goes, and is counted, with the whole quantity: codings.py."""
    return NOTHING


def _judge(
    path: str, texts: KeptTexts, kind: str, is_reference: bool
) -> Callable[[str, str, Mapping[str, Any], Pass], bool]:
    """What looks at a text that would stay as it is: whether it does, remembering the first fault of all."""
    fault_of_code, fault_of_system = texts.fault_of_code, texts.fault_of_system

    def judge(name: str, text: str, element: Mapping[str, Any], run: Pass) -> bool:
        if name in SYSTEM_ELEMENTS:
            fault = fault_of_system(text)
        elif is_reference and name == "type":
            fault = texts.fault_of_type(text)
        elif name == "code":
            fault = texts.fault_of_coded(text, element.get("system"), kind)
        else:
            fault = fault_of_code(text)
        if fault == NO_SYSTEM:
            run.dropped.add(f"{path}.{name}")
            return False
        if fault and run.fault is None:
            run.fault = (fault, f"{path}.{name}")
        return True

    return judge


def _leaf(rule: Rule, path: str, resource_type: str, texts: KeptTexts, as_of: str) -> Step:
    if rule.action in LEFT_OUT:
        label, result = (MASKED, MASK) if rule.action == "mask" else ("", NOTHING)

        def leave(_value: Any, run: Pass) -> Any:
            run.dropped.add(path)
            if label:
                run.labels.add(label)
            return result

        return leave
    transform = compile_rule(rule, path, resource_type, texts, as_of)
    # What depends on the value, not on its form, may fail for a required element too: it leaves a mark.
    marks = rule.action in ("age-band", "generalise") or rule.argument == SHIFT

    def step(value: Any, run: Pass) -> Any:
        if type(value) is not list:
            kept = transform(value, run)
            if kept is NOTHING:
                run.dropped.add(path)
                if marks and type(value) in PRIMITIVES:
                    run.labels.add(MASKED)
                    return MASK
            return kept
        several = [one for one in (transform(one, run) for one in value) if one is not NOTHING]
        if len(several) != len(value):
            run.dropped.add(path)
        return several or NOTHING

    return step


def _unnamed(path: str, values: frozenset[str], policy: Policy) -> Callable[[str, Any, Pass], Any]:
    """What happens to an element that the policy does not name: it is dropped and listed.

    Three kinds are looked into first: extensions, whose URL the policy may know; `_birthDate`, which
    carries the extensions of a value; and what modifies the meaning of the whole resource.
    """

    def unnamed(name: str, value: Any, run: Pass) -> Any:
        if name == "extension":
            return listed_extensions(value, policy.extensions, f"{path}.extension", run)
        if name == "modifierExtension":
            before = len(run.dropped)
            kept = listed_extensions(value, policy.modifier_extensions, f"{path}.modifierExtension", run)
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
    kept = listed_extensions(value["extension"], policy.extensions, f"{path}.{name}.extension", run)
    return NOTHING if kept is NOTHING else {"extension": kept}
