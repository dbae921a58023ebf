"""Tables of files of different dimensions as one system of sums: a margin that comes after its interior.

    sex,drug,subjects      sex,subjects         male,A = 20 - 15 = 5: the second table is the margin of the first,
    male,A,*               male,20              and by its own dimensions alone nothing of it is withheld
    male,B,15              female,42

Every released table and the new one keep their own shape: its cells, printed or withheld, and the sums over each
of its dimensions. A cell is the same in all of them where it names the same labels, a margin by leaving a
dimension out, so that a count which two tables share ties them together. For two tables that share margins the bounds
are those of all tables over all dimensions; where three or more overlap in a ring they may be wider than those.

Columns that add up to another (events and censored to the persons) are tied together too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deidentify.disclosure.differencing import ReleasedTable, by_class, figures_of, parsed
from deidentify.disclosure.file_tables import IDENTITIES, add_sums, key_of, names_of
from deidentify.disclosure.names import folded_label
from deidentify.disclosure.read import PERSONS, Results
from deidentify.disclosure.tables import REST, Cell, Key, Table

Shape = tuple[str, ...]
Counts = Mapping[Key, float]
PERSONS_CLASS = "persons"


@dataclass
class Together:
    """What several tables say at once; no cells where the new one adds nothing to a released shape of another kind."""

    names: tuple[str, ...] = ()  # of the released tables that are read with the new one
    contradict: bool = False
    cells: dict[Key, Cell] = field(default_factory=dict)
    sums: list[tuple[Key, tuple[Key, ...]]] = field(default_factory=list)

    def as_table(self) -> Table:
        return Table("pooled", cells=self.cells, sums=self.sums)


@dataclass(frozen=True)
class _Source:
    """One file's counts: statistic class -> shape -> cell -> count, the cells' labels in the order of the shape."""

    name: str
    counts: Mapping[str, Mapping[Shape, Mapping[Key, float]]]

    def pooled(self) -> dict[Key, float]:
        return {
            _key(statistic, shape, labels): value
            for statistic, shapes in self.counts.items()
            for shape, cells in shapes.items()
            for labels, value in cells.items()
        }


def read_together(results: Results, released: Sequence[ReleasedTable], *, totals: bool = True) -> Together:
    """The new table of a file with all released ones that do not contradict it.

    `totals`: whether tables without a common dimension are tied by their total where nobody printed it.
    """
    new = _source("", figures_of(results))
    old = [_source(one.name, one.figures) for one in released]
    own_shapes = set(_shapes_of(results))
    if not new.counts or not any(_is_of_other_shape(one, own_shapes) for one in old):
        return Together()
    known, used, contradict = new.pooled(), list[_Source](), False
    before: dict[Key, float] = {}
    for one in old:
        theirs = one.pooled()
        if not theirs:
            continue
        if any(abs(known[key] - theirs[key]) > 0.5 for key in known.keys() & theirs.keys()):
            contradict = True  # other persons, or not exactly these
            continue
        known |= theirs
        before |= theirs
        used.append(one)
    names = tuple(one.name for one in old)
    if not used or not new.pooled().keys() - before.keys():
        return Together(names, contradict)
    together = Together(names, contradict)
    _add_all_shapes(together, results, [new, *used], known, totals)
    _add_identities(together)
    return together


def _add_all_shapes(
    together: Together, results: Results, sources: Sequence[_Source], known: Counts, totals: bool
) -> None:
    """Every shape of every statistic; the new table is the first source."""
    statistics = {statistic for one in sources for statistic in one.counts}
    for statistic in sorted(statistics):
        shapes = {shape for one in sources[1:] for shape in one.counts.get(statistic, {})}
        shapes |= {shape for shape in set(_shapes_of(results)) if statistic in sources[0].counts}
        for number, shape in enumerate(sorted(shapes)):
            margins = {_shared(shape, other) for other in shapes - {shape}}
            shared = {margin for margin in margins if margin or totals}
            mark, withheld = f"{statistic}{number}", _withheld(results, statistic, shape)
            _add_shape(together, statistic, shape, known, mark, withheld, shared)


def _source(name: str, figures: Mapping[str, float]) -> _Source:
    counts: dict[str, dict[Shape, dict[Key, float]]] = defaultdict(lambda: defaultdict(dict))
    values = by_class(figures)
    shape_of: dict[str, Shape] = {}
    for label in values:
        statistic, places = label.partition(" of ")[0], parsed(label)
        if places is not None:
            names = tuple(sorted(places))
            # A margin has fewer names than the table that it is of: one table of a file has one shape.
            if set(names) >= set(shape_of.get(statistic, ())):
                shape_of[statistic] = names
    for label, found in values.items():
        statistic, places = label.partition(" of ")[0], parsed(label)
        if places is None or len(found) > 1:
            continue
        whole = shape_of[statistic]
        shape = whole if set(places) <= set(whole) else tuple(sorted(places))
        counts[statistic][shape][tuple(places.get(one, "") for one in shape)] = next(iter(found))
    return _Source(name, counts)


def _shapes_of(results: Results) -> Iterator[Shape]:
    for row in results.rows:
        if row.dims or results.is_table:
            yield tuple(sorted(folded_label(name) for name in names_of(row)))


def _is_of_other_shape(one: _Source, own: set[Shape]) -> bool:
    return any(
        not any(set(shape) <= set(mine) for mine in own) for shapes in one.counts.values() for shape in shapes
    )


def _withheld(results: Results, statistic: str, shape: Shape) -> Iterator[Key]:
    """The cells of the new table that are there and not printed."""
    for row in results.rows:
        if row.value is not None or not (row.dims or results.is_table):
            continue
        kind = PERSONS_CLASS if row.statistic in PERSONS else row.statistic
        places = dict(zip(map(folded_label, names_of(row)), map(folded_label, key_of(row)), strict=True))
        if kind == statistic and tuple(sorted(places)) == shape:
            yield tuple(places[name] for name in shape)


def _shared(one: Shape, other: Shape) -> Shape:
    return tuple(name for name in one if name in other)


def _key(statistic: str, shape: Shape, labels: Key) -> Key:
    """The same for one cell in every shape: the labels that it names."""
    named = [part for name, label in zip(shape, labels, strict=True) if label for part in (name, label)]
    return (statistic, *named)


def _add_shape(
    together: Together,
    statistic: str,
    shape: Shape,
    known: Counts,
    mark: str,
    withheld: Iterator[Key],
    shared: Iterable[Shape],
) -> None:
    """One shape's cells and the sums over its own dimensions. `shared`: the margins that others have too."""
    table = Table(statistic, dimensions=len(shape), names=shape, statistics=(statistic,))
    for key, value in known.items():
        places = dict(zip(key[1::2], key[2::2], strict=True))
        if key[0] == statistic and set(places) <= set(shape):
            table.put(tuple(places.get(name, "") for name in shape), value)
    for labels in withheld:
        table.put(labels, None)
    for margin in shared:
        for key in list(table.cells):
            if all(label for name, label in zip(shape, key, strict=True) if name in margin):
                table.put(
                    tuple(one if name in margin else "" for name, one in zip(shape, key, strict=True)), None
                )
    if shape:
        add_sums(table)

    def named(key: Key) -> Key:
        return (REST, mark, *key[1:]) if key[:1] == (REST,) else _key(statistic, shape, key)

    for key, cell in table.cells.items():
        known_cell = together.cells.get(named(key), Cell())
        together.cells[named(key)] = known_cell if known_cell.value is not None else cell
    together.sums += [(named(parent), tuple(map(named, parts))) for parent, parts in table.sums]


def _add_identities(together: Together) -> None:
    """The persons of a place are those with the event and those without, where two of the three are named."""
    for parts in IDENTITIES:
        for place in sorted({key[1:] for key in together.cells if key[0] in parts}):
            members = [(name, *place) for name in (PERSONS_CLASS, *parts)]
            if sum(key in together.cells for key in members) > 1:
                for key in members:
                    together.cells.setdefault(key, Cell())
                together.sums.append((members[0], tuple(members[1:])))
