"""Residual degrees of freedom: a model with almost as many terms as events repeats single persons.

A Cox model learns from events, so that events minus coefficients are counted, which is never more than
persons minus coefficients. A test counts its persons, or events where it has them, minus its own degrees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
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


def find(case: Case) -> Iterator[Finding]:
    terms: dict[str, set[str]] = defaultdict(set)
    degrees: dict[str, float] = {}
    for row in case.results.rows:
        if row.statistic in ("coefficient", "hazard_ratio") and row.variable:
            terms[row.analysis].add(row.variable)
        elif row.statistic == "degrees" and row.number is not None:
            degrees[row.id.removesuffix(".degrees")] = row.number
    for row, field in case.declared():
        learned_from = row.events if row.events is not None else row.n
        if field.minimum != "dof" or row.value is None or learned_from is None:
            continue
        own = degrees.get(row.id.removesuffix(f".{row.statistic}"), 0.0)
        if learned_from - max(len(terms[row.analysis]), own) < case.recipient.dof:
            yield RULE.finding(row.id, dof=case.recipient.dof)
