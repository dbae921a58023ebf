"""The tables of a file: one a count statistic, and one for statistics that add up to another.

A margin is the sum of its labels, a label the sum of its slash levels. Where the printed parts fall short of
the margin, the missing persons are a cell of their own, which is never printed and always computable. Where
a part is withheld no such cell is assumed: a reader will take it that the parts are all there are, and the
interval that follows from that is the narrower one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from deidentify.disclosure.fields import Fields
from deidentify.disclosure.names import folded
from deidentify.disclosure.read import PERSONS, Results, Row
from deidentify.disclosure.tables import REST, Key, Table, counted

# whole = the sum of its parts, line by line
IDENTITIES = (("events", "censored"), ("observed", "missing"))
_NEAR = 1e-6


def key_of(row: Row) -> Key:
    """The labels of a row in the order of the dimensions' names, spelt alike."""
    return tuple(folded(label) for _, label in sorted((folded(name), label) for name, label in row.dims))


def names_of(row: Row) -> tuple[str, ...]:
    return tuple(sorted(folded(name) for name, _ in row.dims))


def tables_of_file(results: Results, fields: Fields) -> Iterator[Table]:
    """Every table of the rows with the same dimensions, in a fixed order."""
    groups: dict[tuple[str, ...], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in results.rows:
        declared = fields.statistics.get(row.statistic)
        if not (row.dims or results.is_table) or declared is None:
            continue
        if declared.type == "count" or row.statistic == "percent":
            name = "count" if row.statistic == "percent" else row.statistic
            groups[names_of(row)][name].append(row)
    for names, by_statistic in sorted(groups.items()):
        for statistics in _together(by_statistic):
            yield _table(names, statistics, by_statistic)


def _together(by_statistic: Mapping[str, list[Row]]) -> Iterator[tuple[str, ...]]:
    """Each statistic alone, and each whole with the parts that add up to it."""
    for name in sorted(by_statistic):
        yield (name,)
    for parts in IDENTITIES:
        for whole in PERSONS:
            if whole in by_statistic and all(part in by_statistic for part in parts):
                yield (whole, *parts)


def _table(names: tuple[str, ...], statistics: tuple[str, ...], rows: Mapping[str, list[Row]]) -> Table:
    several = len(statistics) > 1
    table = Table(
        "+".join(statistics), dimensions=len(names) + several, names=names, statistics=statistics
    )  # fmt: skip
    for statistic in statistics:
        for row in rows[statistic]:
            key = key_of(row)
            table.put((statistic, *key) if several else key, counted(row), row.id)
    add_sums(table)
    return table


def add_sums(table: Table) -> None:
    """The sums that hold among the cells, anew. A combination that is not listed may hold somebody."""
    several = len(table.statistics) > 1
    table.cells = {key: cell for key, cell in table.cells.items() if REST not in key}
    start = int(several)
    while True:
        before = len(table.cells)
        table.sums = []
        for dimension in range(start, start + len(table.names)):
            table.sums += _margins(table, dimension)
        if several:
            table.sums += _identities(table)
        if len(table.cells) == before:
            break
    table.sums = [_with_rest(table, parent, parts) for parent, parts in table.sums]


def _margins(table: Table, dimension: int) -> Iterator[tuple[Key, tuple[Key, ...]]]:
    """Along one dimension: a margin is the sum of its labels, a label the sum of its slash levels."""
    children = _children(key[dimension] for key in table.cells)
    others = sorted({key[:dimension] + key[dimension + 1 :] for key in table.cells})
    for parent, labels in sorted(children.items()):
        for other in others:
            whole = (*other[:dimension], parent, *other[dimension:])
            if whole not in table.cells:
                continue
            parts = tuple((*other[:dimension], label, *other[dimension:]) for label in labels)
            for key in parts:
                table.put(key, None)
            if not _is_denominator(table, whole, parts):
                yield whole, parts


def _is_denominator(table: Table, whole: Key, parts: tuple[Key, ...]) -> bool:
    """A column `n` that stays the same along a dimension is what percentages are taken of: no sum of parts."""
    statistic = whole[0] if len(table.statistics) > 1 else table.statistics[0]
    values = {table.cells[key].value for key in (whole, *parts)} - {None}
    return statistic == "n" and table.cells[whole].value is not None and len(values) == 1 and len(parts) > 1


def _identities(table: Table) -> Iterator[tuple[Key, tuple[Key, ...]]]:
    whole, *parts = table.statistics
    for labels in sorted({key[1:] for key in table.cells}):
        members = [(name, *labels) for name in (whole, *parts)]
        if sum(key in table.cells for key in members) > 1:
            for key in members:
                table.put(key, None)
            yield members[0], tuple(members[1:])


def _with_rest(table: Table, parent: Key, parts: tuple[Key, ...]) -> tuple[Key, tuple[Key, ...]]:
    values = [table.cells[key].value for key in parts]
    known = [one for one in values if one is not None]
    whole = table.cells[parent].value
    if whole is None or len(known) < len(values) or abs(whole - sum(known)) <= _NEAR:
        return parent, parts
    rest = (REST, *parent, str(len(table.cells)))
    table.put(rest, None)
    return parent, (*parts, rest)


def _children(labels: Iterable[str]) -> Mapping[str, list[str]]:
    present = set(labels)
    children: dict[str, list[str]] = defaultdict(list)
    for label in sorted(present - {""}):
        parent = label.rpartition("/")[0]
        while parent and parent not in present:
            parent = parent.rpartition("/")[0]
        if parent in present:
            children[parent].append(label)
    return children
