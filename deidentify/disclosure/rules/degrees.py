"""Residual degrees of freedom: a model with almost as many terms as events repeats single persons.

A Cox model learns from events, so that events minus coefficients are counted, which is never more than
persons minus coefficients. A test counts its persons, or events where it has them, minus its own degrees.
In a table of a file every line is a term; lines with the same persons and events are taken for one model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.read import Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "degrees_of_freedom",
    Bilingual("残差自由度", "Residual degrees of freedom"),
    Bilingual(
        "该模型或检验的残差自由度少于 {dof}。",
        "The model or test has fewer than {dof} residual degrees of freedom.",
    ),
    Bilingual("减少模型的项，或不发布该模型。", "Fit fewer terms, or leave the model out."),
)

_EVENTS = "events of lines"


def find(case: Case) -> Iterator[Finding]:
    terms: dict[tuple[object, ...], set[str]] = defaultdict(set)
    degrees: dict[str, float] = {}
    for row in case.results.rows:
        if row.statistic in ("coefficient", "hazard_ratio") and (row.variable or _is_line(case, row)):
            terms[_model(case, row)].add(row.variable or row.id)
        elif row.statistic == "degrees" and row.number is not None:
            degrees[row.id.removesuffix(".degrees")] = row.number
    for row, field in case.declared():
        learned_from = _learned_from(case, row)
        if field.minimum != "dof" or row.value is None or learned_from is None:
            continue
        own = degrees.get(row.id.removesuffix(f".{row.statistic}"), 0.0)
        if learned_from - max(len(terms[_model(case, row)]), own) < case.recipient.dof:
            yield RULE.finding(row.id, dof=case.recipient.dof)


def _learned_from(case: Case, row: Row) -> float | None:
    """Its events, or those of its line in a file; its persons where nobody tells events."""
    if row.events is None and _is_line(case, row):
        events = _events_of_lines(case)
        found: float | None = events.get(row.id.rpartition(".")[0])
        return found if found is not None else row.n
    return row.events if row.events is not None else row.n


def _is_line(case: Case, row: Row) -> bool:
    return bool(row.dims) or case.results.is_table


def _model(case: Case, row: Row) -> tuple[object, ...]:
    """What the terms of one model have in common."""
    if not _is_line(case, row) or row.variable:
        return (row.analysis,)
    events = _events_of_lines(case)
    return (row.analysis, row.n, row.events, events.get(row.id.rpartition(".")[0]))


def _events_of_lines(case: Case) -> dict[str, float | None]:
    """Computed once: a large table asks for it line by line."""
    if _EVENTS not in case.memo:
        rows = (row for row in case.results.rows if row.statistic == "events")
        case.memo[_EVENTS] = {row.id.rpartition(".")[0]: row.number for row in rows}
    found: dict[str, float | None] = case.memo[_EVENTS]
    return found
