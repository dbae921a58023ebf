"""Against everything that the same circle already holds about the same product.

Two tables of the same patients, one of them without a single patient, tell that patient's values by
subtraction. Whoever stands behind the new numbers is therefore compared with whoever stood behind the ones
released before.

With sets of person tokens (in the enclave): a new set with up to three others, released or new, each added
or taken away. The persons whom the combination does not cancel are counted; where they are 1 to minimum - 1
the combination isolates them, and the release is refused. That covers equal tables but for one patient,
nested cohorts, and a cohort that grew by a few. A set in any number of disjoint pieces is looked for by itself
(partitions.py).

Counts are compared too, also of the same people: the same label with another count that differs by less than
the minimum. Only the sizes of sets, which persons were compared by, and the counts of nobody in common are left out.

Not covered: combinations of five sets and more that are no partition, or with other factors than one; what a
reader knows from elsewhere; means and other statistics that are no counts, whoever they are of; sets sealed under
another kind of token (they are named in a `review` finding, and only totals are compared).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.file_tables import key_of, names_of
from deidentify.disclosure.findings import Finding, Rule
from deidentify.disclosure.names import folded_label, shown
from deidentify.disclosure.partitions import pieces_that_isolate
from deidentify.disclosure.places import shown_place
from deidentify.disclosure.read import PERSONS, Results, Row
from deidentify.disclosure.tables import counted
from rwd_platform.core.text import Bilingual

MOST_SETS = 60  # of different sets: above, triples would take too long, and a finding says so
MOST_OTHERS = 3
_TABLE = " of "

SETS = Rule(
    "differencing",
    Bilingual("与已发布结果相减", "Differencing against what was released"),
    Bilingual(
        "“{name}”与已给同一范围的 {others} 相比，只差 1 至 {most} 人。",
        "“{name}” differs from {others}, which this circle already holds, by 1 to {most} persons.",
    ),
    Bilingual(
        "使用与已发布结果相同的人群，或等到至少相差 {minimum} 人后再发布。",
        "Use the same people as the released results, or wait until at least {minimum} persons differ.",
    ),
)
TOTALS = Rule(
    "differencing_totals",
    Bilingual("与已发布合计相减", "Differencing of totals"),
    Bilingual(
        "“{name}”与 {others} 中同名的数只差 1 至 {most}。",
        "“{name}” differs from the number of the same name in {others} by 1 to {most}.",
    ),
    Bilingual(
        "使用与已发布结果相同的人群，或等到至少相差 {minimum} 后再发布。",
        "Use the same people as the released results, or wait until they differ by at least {minimum}.",
    ),
)
NOT_COMPARED = Rule(
    "differencing_not_proven",
    Bilingual("无法与已发布结果逐人比较", "Not compared person by person"),
    Bilingual(
        "无法与 {others} 逐人比较（人群标记不同、数量过多，或人数相同而名单不同）。",
        "{others}: not compared person by person (other tokens, too many sets, or the same size and other people).",
    ),
    Bilingual(
        "请由输出审核人员核对两次发布的人群是否相差过少。",
        "Let an output checker see whether the two releases differ by too few people.",
    ),
)


@dataclass(frozen=True)
class ReleasedTable:
    """What one release left in the circle.

    figures -- label -> number, as `figures_of` gives them
    sets    -- name -> person tokens; None where nobody knows them
    tokens  -- the kind of token: two releases are compared person by person only where it is the same
    """

    name: str
    figures: Mapping[str, float] = field(default_factory=dict)
    sets: Mapping[str, frozenset[str]] | None = None
    tokens: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)  # row set -> hash of its ids
    tables: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # as `relabelled.cells_of` gives them


def figures_of(results: Results) -> dict[str, float]:
    """The counts that a reader could subtract, by a label that is the same for the same thing in two releases.

    In a table the label is the statistic and, as JSON, its dimensions and labels: spelt alike, in the order of
    their names, and without margins, so that the total of one table is the total of another. A percentage of `n` is
    the count that it stands for. A row of the platform is known by its id, and by what it counts of whom.
    """
    found: dict[str, float] = {}
    for row in results.rows:
        label, count = figure_of(row, results)
        if count is None:
            continue
        found.setdefault(label, count)
        if not (row.dims or results.is_table) and row.variable:
            found.setdefault(_what_is_counted(row), count)
    for name, (subjects, _) in results.row_sets.items():
        found[f"people[{name}]"] = float(subjects)
    return found


def figure_of(row: Row, results: Results) -> tuple[str, float | None]:
    """The label of a row and the count that it tells; None for what tells none, such as a mean."""
    declared = load_fields().statistics.get(row.statistic)
    if declared is None or (declared.type != "count" and row.statistic != "percent"):
        return "", None
    if row.dims or results.is_table:
        statistic = "count" if row.statistic == "percent" else row.statistic
        return table_label(statistic, names_of(row), key_of(row)), counted(row)
    return row.id, row.number if declared.type == "count" else None


def _what_is_counted(row: Row) -> str:
    what = [row.analysis, row.statistic, row.group, row.variable, row.row_set]
    return f"row{_TABLE}{json.dumps(what, ensure_ascii=False)}"


def table_label(statistic: str, names: Sequence[str], labels: Sequence[str]) -> str:
    places = sorted([name, label] for name, label in zip(names, labels, strict=True) if label)
    return f"{statistic}{_TABLE}{json.dumps(places, ensure_ascii=False)}"


def statistic_class(label: str) -> str:
    """What two labels must share to be compared: all counts of persons are alike, and every spelling of a place."""
    places = parsed(label)
    if places is None:
        return label
    statistic = label.partition(_TABLE)[0]
    folded_places = sorted([folded_label(name), folded_label(place)] for name, place in places.items())
    kind = "persons" if statistic in PERSONS else statistic
    return f"{kind}{_TABLE}{json.dumps(folded_places, ensure_ascii=False)}"


def parsed(label: str) -> dict[str, str] | None:
    """Dimension -> label of a table's figure; None for any other."""
    _, is_table, places = label.partition(_TABLE)
    try:
        return {str(name): str(place) for name, place in json.loads(places)} if is_table else None
    except (TypeError, ValueError):
        return None  # a row of the platform, whose id only looks like one


def by_class(figures: Mapping[str, float]) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for label, value in figures.items():
        found.setdefault(statistic_class(label), set()).add(value)
    return found


def shown_name(name: str) -> str:
    return shown(name, "…")


def compare(
    results: Results,
    released: Sequence[ReleasedTable],
    minimum: int,
    *,
    sets: Mapping[str, frozenset[str]] | None = None,
    tokens: str = "",
) -> Iterator[Finding]:
    """The findings of the new results against what was released. `minimum` 0 asks nothing."""
    if not minimum:
        return
    comparable = [
        one for one in released if sets is not None and one.sets is not None and one.tokens == tokens
    ]
    if sets is not None:
        yield from _by_persons(sets, comparable, minimum)
    by_name = {one.name for one in comparable}
    everybody = frozenset().union(*(sets or {}).values())
    for one in released:
        if one.name not in by_name:
            yield from _by_totals(results, one, minimum, told_apart=sets is not None)
        elif everybody & frozenset().union(*(one.sets or {}).values()):
            yield from _by_totals(results, one, minimum, sizes=False)


# -- persons ---------------------------------------------------------------------------------------------------


def _by_persons(
    sets: Mapping[str, frozenset[str]], released: Sequence[ReleasedTable], minimum: int
) -> Iterator[Finding]:
    """Every new set with up to three others. Equal sets count once: the same table twice tells nothing new."""
    import numpy as np

    names: dict[frozenset[str], tuple[str, bool]] = {}
    for table in released:
        for name, people in sorted((table.sets or {}).items()):
            if people:
                names.setdefault(people, (f"{shown_name(table.name)}: {shown_name(name)}", False))
    for name, people in sorted(sets.items()):
        if people:
            # A set that this circle holds already is no news, whatever it is called now.
            names.setdefault(people, (shown_name(name), True))
    if not any(is_new for _, is_new in names.values()):
        return
    members = _members(list(names))
    labels = list(names.values())
    new = [place for place, (_, is_new) in enumerate(labels) if is_new]
    most = MOST_OTHERS if len(labels) <= MOST_SETS else 1
    if most == 1:
        yield NOT_COMPARED.finding("row_sets", outcome="review", others=f"{len(labels)} sets, in pairs only")
    yield from _in_pieces(names, minimum)
    vectors, weights = members
    for place in new:
        others = [other for other in range(len(labels)) if other != place]
        culprits = _isolating(np.asarray(vectors), np.asarray(weights), place, others, most, minimum)
        if culprits is not None:
            shown = ", ".join(labels[other][0] for other in culprits)
            yield SETS.finding(
                labels[place][0], name=labels[place][0], others=shown, most=minimum - 1, minimum=minimum
            )


def _in_pieces(names: Mapping[frozenset[str], tuple[str, bool]], minimum: int) -> Iterator[Finding]:
    """A set and disjoint others that leave a few of it, however many they are."""
    sets = list(names)
    isolated = pieces_that_isolate(sets, [names[one][1] for one in sets], minimum)
    if isolated.is_over:
        yield NOT_COMPARED.finding("row_sets", outcome="review", others=f"{len(sets)} sets, in pieces")
    for whole, pieces in isolated.found:
        shown = ", ".join(names[sets[place]][0] for place in pieces)
        name = names[sets[whole]][0]
        yield SETS.finding(name, name=name, others=shown, most=minimum - 1, minimum=minimum)


def _members(sets: list[frozenset[str]]) -> tuple[list[list[int]], list[int]]:
    """Persons in the same sets are one column: for each set 0 or 1 a column, and the persons of each column."""
    places: dict[str, list[int]] = {}
    for place, people in enumerate(sets):
        for person in people:
            places.setdefault(person, []).append(place)
    groups: dict[tuple[int, ...], int] = {}
    for found in places.values():
        groups[tuple(found)] = groups.get(tuple(found), 0) + 1
    keys = sorted(groups)
    vectors = [[int(place in key) for key in keys] for place in range(len(sets))]
    return vectors, [groups[key] for key in keys]


def _isolating(
    vectors: Any, weights: Any, place: int, others: Sequence[int], most: int, minimum: int
) -> tuple[int, ...] | None:
    """The fewest others that, added or taken away, leave 1 to minimum - 1 persons of the set; None if none do."""
    own = vectors[place].astype("int8")
    for size in range(1, most + 1):
        for chosen in combinations(others, size):
            for signs in range(2**size):
                rest = own.copy()
                for bit, other in enumerate(chosen):
                    rest = rest - vectors[other] if signs >> bit & 1 else rest + vectors[other]
                left = int(weights[rest != 0].sum())
                if 0 < left < minimum:
                    return chosen
    return None


# -- totals ----------------------------------------------------------------------------------------------------


def _by_totals(
    results: Results, released: ReleasedTable, minimum: int, *, told_apart: bool = False, sizes: bool = True
) -> Iterator[Finding]:
    """`sizes`: also the sizes of sets, where nobody could compare their members."""
    before = by_class(released.figures)
    places = {figure_of(row, results)[0]: row.id for row in results.rows}
    places |= {_what_is_counted(row): row.id for row in results.rows if row.variable}
    left_out = frozenset[str]() if sizes else _sizes(results)
    told = set[str]()
    for label, value in sorted(figures_of(results).items()):
        if label in left_out or places.get(label, label) in told:
            continue
        held = before.get(statistic_class(label), set())
        # A number that the circle holds already is no news.
        if value not in held and any(0 < abs(value - one) < minimum for one in held):
            where = places.get(label, label)
            told.add(where)
            shown = shown_place(results, where)
            other = shown_name(released.name)
            yield TOTALS.finding(where, name=shown, others=other, most=minimum - 1, minimum=minimum)
    changed = [
        name
        for name, (_, digest) in results.row_sets.items()
        if sizes and digest and released.hashes.get(name, digest) != digest
    ]
    if changed or told_apart:
        yield NOT_COMPARED.finding("row_sets", outcome="review", others=shown_name(released.name))


def _sizes(results: Results) -> frozenset[str]:
    """The figures that are the size of a row set, and no more."""
    sizes = {name: subjects for name, (subjects, _) in results.row_sets.items()}
    rows = {
        row.id
        for row in results.rows
        if row.statistic in PERSONS
        and not row.variable
        and not row.dims
        and row.number == sizes.get(row.row_set)
    }
    return frozenset(rows | {f"people[{name}]" for name in sizes})
