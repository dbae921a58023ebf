"""Two releases read together: what one withholds the other may print, and the sums of both hold at once.

The printed counts of earlier releases are put into the new tables before the intervals are computed. That is
right only where both are about the same persons: where they print one count with two values they are not, or
not exactly, and if either prints what the other does not, a person has to look.

Rows of the platform are known by their ids, so that a withheld one is found through the enclave's own results
(`support`); cells of a table by their labels. Tables of other dimensions than the new one are read in pooled.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from deidentify.disclosure import pooled
from deidentify.disclosure.bounds import intervals, is_exposed
from deidentify.disclosure.differencing import (
    NOT_COMPARED,
    ReleasedTable,
    by_class,
    parsed,
    shown_name,
    statistic_class,
    table_label,
)
from deidentify.disclosure.file_tables import add_sums
from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.names import folded_label
from deidentify.disclosure.tables import REST, Key, Table, tables_of
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "differencing_merged",
    Bilingual("与已发布结果合并推算", "Computable together with what was released"),
    Bilingual(
        "与 {others} 合并后，隐藏的人数可被算出或限定在 {minimum} 以内。",
        "Together with {others}, a withheld count can be computed, or limited to less than {minimum}.",
    ),
    Bilingual(
        "隐藏与已发布结果相同的各项，或不发布该表。",
        "Withhold the same cells as the released results do, or leave the table out.",
    ),
)


def find(case: Case, released: Sequence[ReleasedTable]) -> Iterator[Finding]:
    """The findings of every table of the new results with the released ones put into it, one after another."""
    if not released:
        return
    known = {table.name: table for table in tables_of(case.support, case.fields)} if case.support else {}
    for printed in tables_of(case.results, case.fields):
        table = printed.within(known[printed.name]) if printed.name in known else printed
        yield from _one_table(case, table, released)
    yield from _pooled(case, released)


def _pooled(case: Case, released: Sequence[ReleasedTable]) -> Iterator[Finding]:
    """All tables of files in their own shapes at once."""
    found = pooled.read_together(case.results, released)
    others = ", ".join(shown_name(name) for name in found.names)
    where = next((row.id for row in case.results.rows), "row_sets")
    if found.contradict:
        yield NOT_COMPARED.finding(where, outcome="review", others=others)
    if not found.cells:
        return
    base = case.recipient.rounding_base
    bounds = intervals(found.as_table(), base)
    if bounds is None:  # labels that overlap, such as adverse events, add up to no total: without it, then
        bounds = intervals(pooled.read_together(case.results, released, totals=False).as_table(), base)
    if bounds is None:
        yield NOT_COMPARED.finding(where, outcome="review", others=others)
    elif any(is_exposed(bounds[key], case.minimum) for key in bounds):
        yield RULE.finding(where, others=others, minimum=case.minimum)


def _one_table(case: Case, table: Table, released: Sequence[ReleasedTable]) -> Iterator[Finding]:
    where = next((place for cell in table.cells.values() for place in cell.places), "row_sets")
    merged = replace(table, cells=dict(table.cells), sums=list(table.sums))
    names = []
    for one in released:
        held = _held(merged, one)
        differ = [
            key
            for key, value in held.items()
            if (cell := merged.cells.get(key)) and cell.value is not None and cell.value not in value
        ]
        new = {key for key in held if key not in merged.cells or merged.cells[key].value is None}
        lacking = any(
            cell.value is not None and cell.places and key not in held for key, cell in merged.cells.items()
        )
        if any(len(values) > 1 for key, values in held.items() if key in new) or (
            differ and held and (new or lacking)
        ):
            yield NOT_COMPARED.finding(where, outcome="review", others=shown_name(one.name))
        elif new:
            for key in new:
                merged.put(key, min(held[key]))
            names.append(shown_name(one.name))
    if not names:
        return
    if merged.names:
        add_sums(merged)
    found = intervals(merged, case.recipient.rounding_base)
    if found is None:
        yield NOT_COMPARED.finding(where, outcome="review", others=", ".join(names))
    elif any(is_exposed(found[key], case.minimum) for key in found):
        yield RULE.finding(where, others=", ".join(names), minimum=case.minimum)


def _held(table: Table, released: ReleasedTable) -> Mapping[Key, set[float]]:
    """The released counts that are cells of this table."""
    if not table.statistics:
        return {
            key: {released.figures[place]}
            for key, cell in table.cells.items()
            for place in cell.places
            if place in released.figures
        }
    several = len(table.statistics) > 1
    start = int(several)
    own = [{folded_label(key[at]): key[at] for key in table.cells if key[:1] != (REST,)} for at in
           range(start, start + len(table.names))]  # fmt: skip
    names = [folded_label(name) for name in table.names]
    found: dict[Key, set[float]] = {}
    for label, values in by_class(released.figures).items():
        places = parsed(label)
        if places is None or not set(places) <= set(names):
            continue
        said = [places.get(name, "") for name in names]
        labels = tuple(known.get(one, one) for known, one in zip(own, said, strict=True))
        for statistic in table.statistics:
            exact = table_label(statistic, table.names, labels)
            if statistic_class(exact) == label:
                printed = released.figures.get(exact)
                found[(statistic, *labels) if several else labels] = (
                    {printed} if printed is not None else values
                )
    return found
