"""The rules, one a file. Each has `find(case)`, which yields its findings; the order is the order of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.rules import (
    curve_steps,
    degrees,
    dominance,
    limits,
    linked,
    means,
    outweighing,
    rates,
    rounding,
    row_sets,
    secondary,
    single_values,
    small_cells,
    subtotals,
    support,
    texts,
    undeclared,
    zeros,
)

FIND: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    texts.find,
    undeclared.find,
    single_values.find,
    support.find,
    row_sets.find,
    small_cells.find,
    zeros.find,
    dominance.find,
    degrees.find,
    curve_steps.find,
    limits.find,
    linked.find,
    rates.find,
    means.find,
    secondary.find,
    subtotals.find,
    outweighing.find,
    rounding.find,
)
RULES: dict[str, Rule] = {
    rule.id: rule
    for module in (
        texts,
        undeclared,
        single_values,
        support,
        row_sets,
        small_cells,
        zeros,
        dominance,
        degrees,
        curve_steps,
        limits,
        linked,
        rates,
        means,
        secondary,
        subtotals,
        outweighing,
        rounding,
    )
    for rule in vars(module).values()
    if isinstance(rule, Rule)
}
