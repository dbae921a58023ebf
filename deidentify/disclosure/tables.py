"""Counts as tables with margins: cells, and the sums that tie them together.

A table is what an attacker has on the desk: published cells, withheld cells, and every sum that holds among
them. From results come
- the levels of a variable by arm, with the arms' sizes as margins (a variable without levels, such as a
  yes/no record, has the others as a cell of its own, which is never printed and always computable);
- the attrition, where each step splits those who were there before;
- the bins of a histogram by arm;
and from a file, its dimensions with their margins and slash levels (file_tables.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from deidentify.disclosure.fields import Fields
from deidentify.disclosure.findings import point
from deidentify.disclosure.read import Curve, Results, Row

Key = tuple[str, ...]
_NEAR = 0.25
ATTRITION = "attrition"
_ANOTHER_SET = 25  # more than any minimum and any rounding
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
    contradicts_itself: bool = False  # one cell is printed twice, with two values
    names: tuple[str, ...] = ()  # of a file's table: the dimensions that the labels of a key belong to
    statistics: tuple[str, ...] = ()  # of a file's table; with several, a key begins with one of them
    lenient: bool = False  # results of the platform print a size in several places, rounded each for itself

    def put(self, key: Key, value: float | None, place: str = "") -> None:
        """A count printed once more, or for the first time. A printed value wins over a withheld one."""
        old = self.cells.get(key, Cell())
        places = (*old.places, place) if place and place not in old.places else old.places
        if (
            value is not None
            and old.value is not None
            and abs(value - old.value) > _NEAR
            and not self.lenient
        ):
            self.contradicts_itself = True
        self.cells[key] = replace(old, places=places, value=value if old.value is None else old.value)

    def within(self, whole: Table) -> Table:
        """The same table with the cells and sums that the enclave knows of, what is not printed withheld."""
        cells = {key: self.cells.get(key, Cell()) for key in whole.cells}
        own = self.sums if self.name != ATTRITION else []  # of withheld steps only the enclave knows
        sums = [*whole.sums, *(one for one in own if one not in whole.sums)]
        return replace(self, cells={**self.cells, **cells}, sums=sums)

    def unknown(self) -> list[Key]:
        return [key for key, cell in self.cells.items() if cell.value is None]


def tables_of(results: Results, fields: Fields) -> Iterator[Table]:
    """Every table of the results, in a fixed order."""
    if results.is_table or any(row.dims for row in results.rows):
        from deidentify.disclosure.file_tables import tables_of_file

        yield from tables_of_file(results, fields)
    if results.is_table:
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
    table = Table(f"{population}.{variable}", lenient=True)
    arms: dict[str, None] = {}
    levels: dict[str, None] = {}
    for row in rows:
        level = row.variable.partition(".")[2] or row.variable
        arms[row.group], levels[level] = None, None
        table.put((level, row.group), counted(row), row.id)
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


def counted(row: Row) -> float | None:
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
    table = Table(ATTRITION, dimensions=1, lenient=True)
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
    last = table.cells.get(("remaining", steps[-1]), Cell()).value if steps else None
    # A last step that is far from the analysed set is another set (the matched); a little apart contradicts it.
    if analysed is not None and steps and (last is None or abs(last - analysed) < _ANOTHER_SET):
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
    table = Table(one.id, lenient=True)
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
