"""Counts as tables with margins: cells, and the sums that tie them together.

A table is what an attacker has on the desk: published cells, withheld cells, and every sum that holds among
them. From results come
- the levels of a variable by arm, with the arms' sizes as margins (a variable without levels, such as a
  yes/no record, has the others as a cell of its own, which is never printed and always computable);
- the attrition, where each step splits those who were there before;
- the bins of a histogram by arm;
and from a file, its dimensions with their margins and slash levels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from deidentify.disclosure.fields import Fields
from deidentify.disclosure.findings import point
from deidentify.disclosure.read import Curve, Results, Row

Key = tuple[str, ...]
_NEAR = 0.25
REST = "\x00rest"  # those of a variable who have none of its printed levels


@dataclass(frozen=True)
class Cell:
    """One count. `places` are all rows and points that print it, so that it is withheld everywhere."""

    places: tuple[str, ...] = ()
    value: float | None = None


@dataclass
class Table:
    """Cells by key, and sums: `parent` = the sum of its children."""

    name: str
    cells: dict[Key, Cell] = field(default_factory=dict)
    sums: list[tuple[Key, tuple[Key, ...]]] = field(default_factory=list)
    dimensions: int = 2

    def put(self, key: Key, value: float | None, place: str = "") -> None:
        """A count printed once more, or for the first time. A printed value wins over a withheld one."""
        old = self.cells.get(key, Cell())
        places = (*old.places, place) if place and place not in old.places else old.places
        self.cells[key] = replace(old, places=places, value=value if old.value is None else old.value)

    def within(self, whole: Table) -> Table:
        """The same table with the cells and sums that the enclave knows of, what is not printed withheld."""
        cells = {key: self.cells.get(key, Cell()) for key in whole.cells}
        sums = [*whole.sums, *(one for one in self.sums if one not in whole.sums)]
        return Table(self.name, {**self.cells, **cells}, sums, self.dimensions)

    def unknown(self) -> list[Key]:
        return [key for key, cell in self.cells.items() if cell.value is None]


def tables_of(results: Results, fields: Fields) -> Iterator[Table]:
    """Every table of the results, in a fixed order."""
    if results.is_table:
        yield from _from_file(results, fields)
        return
    yield from _levels(results, fields)
    attrition = _attrition(results)
    if attrition is not None:
        yield attrition
    for one in results.series:
        if one.kind == "histogram":
            yield _histogram(one, results)


# -- levels of a variable by arm -----------------------------------------------------------------------------


def _levels(results: Results, fields: Fields) -> Iterator[Table]:
    by_variable: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in results.rows:
        declared = fields.statistics.get(row.statistic)
        if row.variable and declared is not None and row.statistic in ("subjects", "percent"):
            by_variable[row.row_set.partition(".")[0], row.variable.partition(".")[0]].append(row)
    for (population, variable), rows in sorted(by_variable.items()):
        yield _one_variable(population, variable, rows, results)


def _one_variable(population: str, variable: str, rows: Iterable[Row], results: Results) -> Table:
    table = Table(f"{population}.{variable}")
    arms: dict[str, None] = {}
    levels: dict[str, None] = {}
    for row in rows:
        level = row.variable.partition(".")[2] or row.variable
        arms[row.group], levels[level] = None, None
        table.put((level, row.group), _counted(row), row.id)
        if row.n is not None:
            table.put(("", row.group), row.n)
    for arm in arms:
        known = (*((level, arm) for level in levels if (level, arm) in table.cells), (REST, arm))
        table.put((REST, arm), None)
        table.put(("", arm), _size(results, population, arm))
        table.sums.append((("", arm), known))
    if "" in arms and len(arms) > 1:
        for level in (*levels, REST, ""):
            parts = tuple((level, arm) for arm in arms if arm)
            for key in ((level, ""), *parts):
                table.put(key, None)
            table.sums.append(((level, ""), parts))
    return table


def _counted(row: Row) -> float | None:
    """The persons that the row tells: its value, or what a percentage of `n` stands for."""
    if row.number is None:
        return None
    if row.statistic != "percent":
        return row.number
    if row.n is None:
        return None
    count = row.number * row.n / 100.0
    # A percentage printed with few decimals of a large group does not say the count: the cell stays open.
    return float(round(count)) if abs(count - round(count)) < _NEAR else None


def _size(results: Results, population: str, arm: str) -> float | None:
    name = f"{population}.{arm}" if arm else population
    return float(results.row_sets[name][0]) if name in results.row_sets else None


# -- attrition -------------------------------------------------------------------------------------------------


def _attrition(results: Results) -> Table | None:
    """Each step: those before = those who left + those who stayed."""
    table = Table("attrition", dimensions=1)
    for row in results.rows:
        if row.analysis == "attrition" and row.statistic in ("left", "remaining"):
            step = row.id.removeprefix("attrition.").partition(".")[0].removeprefix("step_")
            table.put((row.statistic, step), row.number, row.id)
    for one in results.series:
        if one.kind == "attrition":
            _attrition_points(table, one)
    if not table.cells:
        return None
    steps = sorted({key[1] for key in table.cells if key[1].isdigit()}, key=int)
    for before, step in pairwise(steps):
        for key in (("remaining", before), ("left", step), ("remaining", step)):
            table.put(key, None)
        table.sums.append((("remaining", before), (("left", step), ("remaining", step))))
    analysed = _size(results, "analysed", "")
    if analysed is not None and steps:
        table.put(("analysed", ""), analysed)
        table.put(("remaining", steps[-1]), None)
        table.sums.append((("analysed", ""), (("remaining", steps[-1]),)))
    return table


def _attrition_points(table: Table, one: Curve) -> None:
    number = one.column("step")
    for place, values in enumerate(one.points):
        step = str(values[number]) if number is not None else str(place + 1)
        for name in ("left", "remaining"):
            column = one.column(name)
            if column is not None:
                value = values[column]
                table.put(
                    (name, step),
                    float(value) if isinstance(value, int | float) else None,
                    point(one.id, place, name),
                )


# -- histogram -------------------------------------------------------------------------------------------------


def _histogram(one: Curve, results: Results) -> Table:
    table = Table(one.id)
    for arm in ("exposed", "comparator"):
        column = one.column(arm)
        if column is None:
            continue
        keys = []
        for place, values in enumerate(one.points):
            value = values[column]
            keys.append((str(place), arm))
            table.put(
                keys[-1], float(value) if isinstance(value, int | float) else None, point(one.id, place, arm)
            )
        total = _size(results, one.row_set, arm)
        if total is not None:
            table.put(("", arm), total)
            table.sums.append((("", arm), tuple(keys)))
    return table


# -- a table in a file -----------------------------------------------------------------------------------------


def _from_file(results: Results, fields: Fields) -> Iterator[Table]:
    """One table a count statistic; the margins and slash levels of every dimension give its sums."""
    by_statistic: dict[str, list[Row]] = defaultdict(list)
    for row in results.rows:
        declared = fields.statistics.get(row.statistic)
        if declared is not None and (declared.type == "count" or row.statistic == "percent"):
            by_statistic["count" if row.statistic == "percent" else row.statistic].append(row)
    for statistic, rows in sorted(by_statistic.items()):
        dimensions = len(rows[0].dims)
        table = Table(statistic, dimensions=dimensions)
        for row in rows:
            table.put(tuple(label for _, label in row.dims), _counted(row), row.id)
        table.sums = list(_margins(table, dimensions))
        yield table


def _margins(table: Table, dimensions: int) -> Iterator[tuple[Key, tuple[Key, ...]]]:
    """Along each dimension: a margin is the sum of its labels, a label the sum of its slash levels.

    A combination that the file does not list is a withheld cell: it may hold somebody.
    """
    for dimension in range(dimensions):
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
                yield whole, parts


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
