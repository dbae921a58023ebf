"""Rounded counts: multiples of the base, percentages from the rounded parts, totals from the rounded parts.

Rounding only the counts would leave a percentage with its true numerator, and a true total beside rounded
parts tells how they were rounded.
"""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule, point
from deidentify.disclosure.tables import tables_of
from rwd_platform.core.text import Bilingual

COUNTS = Rule(
    "rounding",
    Bilingual("计数取整", "Rounded counts"),
    Bilingual("{what}未取整到 {base} 的倍数。", "{what} is not a multiple of {base}."),
    Bilingual("将人数与事件数取整到 {base} 的倍数。", "Round persons and events to multiples of {base}."),
)
PERCENT = Rule(
    "percent_of_rounded",
    Bilingual("百分比由取整后的数计算", "Percentages from rounded parts"),
    Bilingual(
        "百分比不是由取整后的人数算出的。", "The percentage was not computed from the rounded numbers."
    ),
    Bilingual(
        "用取整后的分子与分母重新计算。", "Compute it again from the rounded numerator and denominator."
    ),
)
TOTAL = Rule(
    "total_of_rounded",
    Bilingual("合计由取整后的各项相加", "Totals from rounded parts"),
    Bilingual("合计不等于取整后各项之和。", "The total is not the sum of its rounded parts."),
    Bilingual("用取整后的各项重新相加。", "Add the rounded parts again."),
)


def find(case: Case) -> Iterator[Finding]:
    base = case.recipient.rounding_base
    if not base:
        return
    for row, field in case.declared():
        counts: list[tuple[str, float | None]] = [("n", row.n), ("events", row.events)]
        if field.type == "count":
            counts.append(("value", row.number))
        for what, count in counts:
            if count is not None and count % base:
                yield COUNTS.finding(row.id, what=what, base=base)
                break
        if field.name == "percent" and row.n and row.number is not None:
            part = row.number * row.n / 100.0
            if abs(part - base * round(part / base)) > 1e-6 * row.n:
                yield PERCENT.finding(row.id)
    for one, field in case.curves():
        for place, values in enumerate(one.points):
            for name, value in zip(one.columns, values, strict=True):
                is_count = (field.columns or {})[name] in ("count", "at_risk")
                if is_count and isinstance(value, int | float) and value % base and field.minimum != "never":
                    yield COUNTS.finding(point(one.id, place, name), what=name, base=base)
    yield from _totals(case)


def _totals(case: Case) -> Iterator[Finding]:
    """In a table from a file: what is wholly printed must add up."""
    if not case.results.is_table:
        return
    for table in tables_of(case.results, case.fields):
        for parent, children in table.sums:
            members = [table.cells[key].value for key in (parent, *children)]
            known = [one for one in members if one is not None]
            if len(known) == len(members) and abs(known[0] - sum(known[1:])) > 1e-6:
                yield TOTAL.finding(table.cells[parent].places[0])
