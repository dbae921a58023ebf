"""A label that counts a few more than all others of its column together: perhaps their sum, and a small line left out.

    A,40        Whoever reads `ITT` as everybody knows of two persons in a line that is not there.
    B,28
    ITT,70      whatever it is called: Both, any, the name of a province

Where a printed margin has room for all labels, this one included, it is no sum of the others. Two labels alone that are
each other's complement (margins.toml: male and female, A and B) are near each other by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deidentify.disclosure.file_tables import tables_of_file
from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.labels import are_complements
from deidentify.disclosure.tables import REST, Cell, Key, Table
from rwd_platform.core.text import Bilingual

_NEAR = 1e-6
RULE = Rule(
    "maybe_total",
    Bilingual("可能是合计", "Perhaps a total"),
    Bilingual(
        "该行比同列其余各行之和多不足 {minimum}：如为合计，差数即为未列出的人数。",
        "This line counts more than all others of its column together, by less than {minimum}: if it is their total,"
        " the difference is persons who are not listed.",
    ),
    Bilingual(
        "如为合计，请列出或合并缺少的类别并将该行写为“合计”；否则由输出审核人员确认。",
        "If it is a total, list or merge what is missing and call the line total; else let an output checker confirm.",
    ),
)


def find(case: Case) -> Iterator[Finding]:
    for table in tables_of_file(case.results, case.fields):
        is_part = all(case.fields.statistics[name].part for name in table.statistics)
        if len(table.statistics) == 1 and is_part:
            for dimension in range(len(table.names)):
                yield from _along(case, table, dimension)


def _along(case: Case, table: Table, dimension: int) -> Iterator[Finding]:
    """One finding a label: it is no less than the others' sum on any line, and a few more on some."""
    lines: dict[Key, dict[str, Cell]] = {}
    for key, cell in table.cells.items():
        if key[:1] != (REST,):
            lines.setdefault(key[:dimension] + key[dimension + 1 :], {})[key[dimension]] = cell
    found: dict[str, Cell] = {}
    refuted: set[str] = set()
    for line in lines.values():
        for label, excess in _excesses(line).items():
            if case.is_small(excess):
                found.setdefault(label, line[label])
            elif excess < -_NEAR - case.recipient.rounding_base:
                refuted.add(label)
    for label, cell in found.items():
        if label not in refuted and cell.places:
            yield RULE.finding(cell.places[0], outcome="review", withhold=cell.places, minimum=case.minimum)


def _excesses(line: Mapping[str, Cell]) -> dict[str, float]:
    """For each printed label of a line what it has more than all others; none where it cannot be their sum."""
    top = [label for label in line if label and not any(label.startswith(f"{one}/") for one in line if one)]
    printed = {label: value for label in top if (value := line[label].value) is not None}
    if len(printed) < 2 or are_complements(top) or _has_margin_room(line, printed.values()):
        return {}
    total = sum(printed.values())
    return {label: 2 * value - total for label, value in printed.items()}


def _has_margin_room(line: Mapping[str, Cell], values: Iterable[float]) -> bool:
    margin = line.get("")
    return margin is not None and margin.value is not None and margin.value >= sum(values) - _NEAR
