"""What an Observation tells of a person that the policy has a rule for elsewhere: an age, or a birth date.

Where a policy pools ages, an age recorded as an observation is pooled as others are. A birth date recorded as one
goes the way of Patient.birthDate. Both hold for components too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deidentify.actions import LEFT_OUT, SHIFT, Rule
from deidentify.ages import is_age, pooled_age, pooled_values
from deidentify.births import is_birth
from deidentify.generalise import OLDEST_AGE
from deidentify.kept_texts import KeptTexts
from deidentify.labels import ABSTRACTED, MASKED, masked
from deidentify.policy import Policy
from deidentify.transforms import NOTHING, Pass, Step, compile_rule

_DATES = ("valueDateTime", "valueString")


def of_person(
    step: Step, tree: Mapping[str, Any], path: str, resource_type: str, policy: Policy, texts: KeptTexts
) -> Step:
    """The step of an element, with what an Observation tells of a person treated first."""
    if resource_type != "Observation" or "code" not in tree:
        return step
    width = _width_of_ages(policy)
    if "value" in tree:
        return _of_pooled_age(step, path, width) if width else step
    if any(name.startswith("value") for name in tree):
        return _of_birth(_of_measured_age(step, path, width) if width else step, tree, path, policy, texts)
    return step


def _width_of_ages(policy: Policy) -> int:
    """The band's years for the values of an Observation under a policy that pools ages; else 0."""
    born = policy.rules.get("Patient", {}).get("birthDate")
    return int(born.argument) if born is not None and born.action == "age-band" else 0


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


def _of_birth(step: Step, tree: Mapping[str, Any], path: str, policy: Policy, texts: KeptTexts) -> Step:
    """Of an Observation, or a component, that tells a birth date only what Patient.birthDate's rule leaves stays."""
    transforms = _transforms_of_births(tree, path, policy, texts)

    def told(one: Any, run: Pass) -> Any:
        if type(one) is not dict or not is_birth(one.get("code")):
            return step(one, run)
        rest = {name: value for name, value in one.items() if not name.startswith(("value", "_value"))}
        kept = step(rest, run)
        for name in one.keys() - rest.keys():
            value: Any = one[name]
            for transform in transforms.get(name, (_nothing,)):
                value = transform(value, run) if type(value) is str else NOTHING
            if value is NOTHING:
                run.dropped.add(f"{path}.{name}")
                run.labels.add(MASKED)
            elif type(kept) is dict:
                kept[name] = value
        return kept

    def births(value: Any, run: Pass) -> Any:
        if type(value) is not list:
            return told(value, run)
        if not any(type(one) is dict and is_birth(one.get("code")) for one in value):
            return step(value, run)
        return [kept for one in value if (kept := told(one, run)) is not NOTHING] or NOTHING

    return births


def _transforms_of_births(
    tree: Mapping[str, Any], path: str, policy: Policy, texts: KeptTexts
) -> dict[str, tuple[Step, ...]]:
    """By element what is done with a birth date in it: as Patient.birthDate, then as the policy says of the element.

    Nothing where either rule leaves it out. A shift is never one of them.
    """
    born = policy.rules.get("Patient", {}).get("birthDate")
    if born is None or born.action in LEFT_OUT or born.argument == SHIFT:
        return {}
    transforms: dict[str, tuple[Step, ...]] = {}
    for name in _DATES:
        own = tree.get(name)
        if isinstance(own, Rule) and own.action not in LEFT_OUT:
            rules = (born,) if own.argument == SHIFT else (born, own)
            transforms[name] = tuple(
                compile_rule(rule, f"{path}.{name}", "Observation", texts, policy.as_of) for rule in rules
            )
    return transforms


def _nothing(_value: Any, _run: Pass) -> Any:
    return NOTHING
