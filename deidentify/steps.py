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
from deidentify.ages import NUMBERS, is_age, pooled_age, pooled_values
from deidentify.code_grammars import grammar_by_form, grammar_of
from deidentify.codings import codings_step, kind_of_code, quantities_copy
from deidentify.extensions import listed_extensions
from deidentify.generalise import OLDEST_AGE, Hierarchy, hierarchy_named
from deidentify.kept_texts import LONG_NUMBER, NO_SYSTEM, SYSTEM_ELEMENTS, UNIT, KeptTexts
from deidentify.labels import ABSTRACTED, MASKED, masked
from deidentify.policy import Policy
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
    values = frozenset(f"_{name}" for name, below in tree.items() if not isinstance(below, dict))
    unnamed = _unnamed(path, values, policy)
    # Most elements are values that stay as they are, or go without a mark: neither costs a call. For the
    # first the answers to texts seen before are at hand; a code's depend on the system beside it.
    says, has_code = kind_of_code(path, tree), tree.get("code") == Rule("keep")
    texts_kept = {
        name: texts.answers(name, is_reference="reference" in tree)
        for name, below in tree.items()
        if below == Rule("keep")
    }
    left = {
        name: f"{path}.{name}"
        for name, below in tree.items()
        if isinstance(below, Rule) and below.action in LEFT_OUT and below.action != "mask"
    }
    is_quantity = has_code and says == UNIT and _leaves_words(tree.get("unit"))
    if is_quantity:
        left.pop("unit", None)
        steps["unit"] = _left_to_the_quantity
    answers_of = texts.answers_of_coded(says)
    judge = _judge(path, texts, says, is_reference="reference" in tree)

    def copy(element: dict[str, Any], run: Pass) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in element.items():
            if name in texts_kept:
                kind = type(value)
                if kind is str:
                    answers = texts_kept[name]
                    if answers is None:
                        answers = answers_of(element.get("system"))
                    if answers.get(value) != "" and not judge(name, value, element, run):
                        continue
                    kept[name] = value
                    continue
                if kind in PRIMITIVES:
                    if kind in NUMBERS and not -LONG_NUMBER < value < LONG_NUMBER and run.fault is None:
                        fault = texts.fault_of_number(value)
                        run.fault = (fault, f"{path}.{name}") if fault else None
                    kept[name] = value
                    continue
            elif name in left:
                run.dropped.add(left[name])
                continue
            step = steps.get(name)
            result = unnamed(name, value, run) if step is None else step(value, run)
            if result is MASK:
                kept[f"_{name}"] = masked()
            elif result is not NOTHING:
                kept[name] = result
        return kept or masked()

    copy_one = quantities_copy(copy, path) if is_quantity else copy

    def step(value: Any, run: Pass) -> Any:
        if type(value) is dict:
            return copy_one(value, run)
        if type(value) is not list:
            run.dropped.add(path)
            return NOTHING
        kept = [copy_one(one, run) for one in value if type(one) is dict]
        if len(kept) != len(value):
            run.dropped.add(path)
        return kept or NOTHING

    whole: Step = codings_step(copy, path) if has_code and says != UNIT else step
    width = _width_of_ages(resource_type, policy)
    if width and "value" in tree and "code" in tree:
        return _of_pooled_age(whole, path, width)
    if width and "code" in tree and any(name.startswith("value") for name in tree):
        return _of_measured_age(whole, path, width)
    return _of_known_system(whole, tree, path, policy)


def _width_of_ages(resource_type: str, policy: Policy) -> int:
    """The band's years for the values of an Observation under a policy that pools ages; else 0."""
    born = policy.rules.get("Patient", {}).get("birthDate")
    if resource_type != "Observation" or born is None or born.action != "age-band":
        return 0
    return int(born.argument)


def _of_measured_age(step: Step, path: str, width: int) -> Step:
    """An Observation, or a component, whose code says that it is an age: a number without a unit is years."""

    def pooled(one: Any, run: Pass) -> Any:
        if type(one) is not dict or not is_age(one.get("code")):
            return one
        values, gone = pooled_values(one, width)
        run.dropped.update(f"{path}.{name}" for name in gone)
        if gone:
            run.labels.add(MASKED)
        if any(values[name] != one[name] for name in values):
            run.labels.add(ABSTRACTED)
        return values

    def measured(value: Any, run: Pass) -> Any:
        return step([pooled(one, run) for one in value] if type(value) is list else pooled(value, run), run)

    return measured


def _of_pooled_age(step: Step, path: str, width: int) -> Step:
    """An age that a hospital records as an observation, such as LOINC 30525-0, is pooled as others are."""
    in_range = path.endswith((".low", ".high"))

    def pooled(value: Any, run: Pass) -> Any:
        if type(value) is not dict:
            return step(value, run)
        age = pooled_age(value, width, in_range=in_range)
        if age is None or (age != value and path.endswith(".high") and age["value"] == OLDEST_AGE):
            run.dropped.add(path)  # 90 and above has no upper end
            run.labels.add(MASKED)
            return NOTHING if in_range else masked()
        if age != value:
            run.labels.add(ABSTRACTED)
        return step(age, run)

    return pooled


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


def _of_known_system(step: Step, tree: Mapping[str, Any], path: str, policy: Policy) -> Step:
    """Codings whose code is made coarser: one of a system that the hierarchy does not know goes whole.

    The rule stands at the code itself, or in the policy's [systems] for every code of a system; there a code
    that names no system is one of the system whose form it has.
    """
    rule = tree.get("code")
    if not isinstance(rule, Rule):
        return step
    own = _level_of(rule.argument) if rule.action == "generalise" else None
    by_system = {
        url: _level_of(text.removeprefix("generalise:"))
        for url, text in policy.systems.items()
        if text.startswith("generalise:")
    }
    by_form = {grammar.name: level for url, level in by_system.items() if (grammar := grammar_of(url))}
    if "value" in tree:
        by_form = {}  # a quantity's code is a unit
    if own is None and not (by_system and rule.action == "keep" and "system" in tree):
        return step

    def coarser(coding: Any, run: Pass) -> Any:
        if type(coding) is not dict:
            return None
        system = coding.get("system")
        listed = by_system.get(system) if type(system) is str else _by_form(coding.get("code"), by_form)
        if own is not None and ("system" in coding or "system" in tree):
            listed = own if type(system) is str and system in own[0].systems else None
        elif own is not None or listed is None:
            return coding
        code = listed[0].at(coding.get("code"), listed[1]) if listed else None
        if code is None:
            return None
        run.labels.add(ABSTRACTED)
        return coding if own else {**coding, "code": code}

    def guarded(value: Any, run: Pass) -> Any:
        several = value if type(value) is list else [value]
        kept = [known for known in (coarser(one, run) for one in several) if known is not None]
        if len(kept) != len(several):
            run.dropped.add(path)
        if type(value) is list:
            return step(kept, run) if kept else NOTHING
        return step(kept[0], run) if kept else masked()

    return guarded


def _by_form(code: object, by_form: Mapping[str, tuple[Hierarchy, int]]) -> tuple[Hierarchy, int] | None:
    grammar = grammar_by_form(code) if type(code) is str else None
    return by_form.get(grammar.name) if grammar else None


def _level_of(argument: str) -> tuple[Hierarchy, int]:
    name, _, level = argument.partition(":")
    hierarchy = hierarchy_named(name)
    return hierarchy, hierarchy.level(level)


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
