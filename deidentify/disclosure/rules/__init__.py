"""The rules, one a file. Each has `find(case)`, which yields its findings; the order is the order of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.rules import (
    curve_steps,
    degrees,
    dominance,
    linked,
    rounding,
    row_sets,
    secondary,
    single_values,
    small_cells,
    support,
    undeclared,
    zeros,
)

FIND: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    undeclared.find,
    single_values.find,
    support.find,
    row_sets.find,
    small_cells.find,
    zeros.find,
    dominance.find,
    degrees.find,
    curve_steps.find,
    linked.find,
    secondary.find,
    rounding.find,
)
RULES: dict[str, Rule] = {
    rule.id: rule
    for module in (
        undeclared,
        single_values,
        support,
        row_sets,
        small_cells,
        zeros,
        dominance,
        degrees,
        curve_steps,
        linked,
        secondary,
        rounding,
    )
    for rule in vars(module).values()
    if isinstance(rule, Rule)
}
