"""Codes made coarser: a coding of a system that the hierarchy does not know goes whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deidentify.actions import Rule
from deidentify.code_grammars import grammar_by_form, grammar_of
from deidentify.generalise import Hierarchy, hierarchy_named
from deidentify.labels import ABSTRACTED, masked
from deidentify.policy import Policy
from deidentify.transforms import NOTHING, Pass, Step

_Level = tuple[Hierarchy, int]


class _Levels(NamedTuple):
    """The rule at the code itself, and those of the policy's [systems], by address and by grammar."""

    own: _Level | None
    by_system: Mapping[str, _Level]
    by_form: Mapping[str, _Level]


def of_known_system(step: Step, tree: Mapping[str, Any], path: str, policy: Policy) -> Step:
    """The step of an element with a code, guarded where the policy makes that code coarser.

    The rule stands at the code itself, or in the policy's [systems] for every code of a system; there a code
    that names no system is one of the system whose form it has.
    """
    rule = tree.get("code")
    if not isinstance(rule, Rule):
        return step
    levels = _levels(rule, tree, policy)
    if levels.own is None and not (levels.by_system and rule.action == "keep" and "system" in tree):
        return step
    coarser = _coarser(levels, "system" in tree)

    def guarded(value: Any, run: Pass) -> Any:
        several = value if type(value) is list else [value]
        kept = [known for known in (coarser(one, run) for one in several) if known is not None]
        if len(kept) != len(several):
            run.dropped.add(path)
        if type(value) is list:
            return step(kept, run) if kept else NOTHING
        return step(kept[0], run) if kept else masked()

    return guarded


def _coarser(levels: _Levels, names_system: bool) -> Callable[[Any, Pass], Any]:
    own, by_system, by_form = levels

    def coarser(coding: Any, run: Pass) -> Any:
        if type(coding) is not dict:
            return None
        system = coding.get("system")
        listed = by_system.get(system) if type(system) is str else _by_form(coding.get("code"), by_form)
        if own is not None and ("system" in coding or names_system):
            listed = own if type(system) is str and system in own[0].systems else None
        elif own is not None or listed is None:
            return coding
        code = listed[0].at(coding.get("code"), listed[1]) if listed else None
        if code is None:
            return None
        run.labels.add(ABSTRACTED)
        return coding if own else {**coding, "code": code}

    return coarser


def _levels(rule: Rule, tree: Mapping[str, Any], policy: Policy) -> _Levels:
    by_system = {
        url: _level_of(text.removeprefix("generalise:"))
        for url, text in policy.systems.items()
        if text.startswith("generalise:")
    }
    by_form = {grammar.name: level for url, level in by_system.items() if (grammar := grammar_of(url))}
    if "value" in tree:
        by_form = {}  # a quantity's code is a unit
    return _Levels(_level_of(rule.argument) if rule.action == "generalise" else None, by_system, by_form)


def _by_form(code: object, by_form: Mapping[str, _Level]) -> _Level | None:
    grammar = grammar_by_form(code) if type(code) is str else None
    return by_form.get(grammar.name) if grammar else None


def _level_of(argument: str) -> _Level:
    name, _, level = argument.partition(":")
    hierarchy = hierarchy_named(name)
    return hierarchy, hierarchy.level(level)
