"""A withheld count must not be computable: not from a margin, not from what is printed beside it.

The check is exact for tables of one and two dimensions (deidentify/disclosure/bounds.py). Which cell is
withheld in addition is decided by size: the smallest printed one that stands in a sum with the exposed cell,
ties by its id, so that two runs over the same results give the same table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from deidentify.disclosure.bounds import intervals, is_exposed
from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.names import shown
from deidentify.disclosure.places import shown_place
from deidentify.disclosure.tables import REST, Cell, Key, Table, tables_of
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "secondary",
    Bilingual("可由合计推算", "Computable from a margin"),
    Bilingual(
        "表 {table} 中已隐藏（或未印出）的人数，可由合计与其余各项算出或限定在 {minimum} 以内。",
        "A count of table {table} that is withheld or not printed can be computed from the margins, or limited"
        " to less than {minimum}.",
    ),
    Bilingual("再隐藏 {also}，或不发布合计。", "Withhold {also} as well, or leave the margin out."),
)
NOT_PROVEN = Rule(
    "secondary_not_proven",
    Bilingual("无法证明不可推算", "Not proven to be safe"),
    Bilingual(
        "表 {table} 隐藏的单元过多、维度超过两个，或印出的数相互矛盾，无法证明隐藏的数不能推算。",
        "Table {table} has too many withheld cells, more than two dimensions, or numbers that contradict each"
        " other: that the withheld ones cannot be computed is not proven.",
    ),
    Bilingual(
        "拆成二维以内的小表，或由输出审核人员逐格核对。",
        "Split it into tables of at most two dimensions, or let an output checker go through its cells.",
    ),
)

MAYBE_MARGIN = Rule(
    "maybe_margin",
    Bilingual("可能是合计", "Perhaps a total"),
    Bilingual(
        "表中有隐藏的数，而该数不小于其余各数之和，可能是未识别的合计。",
        "Counts are withheld, and this one is no less than all others together: it may be a total in other words.",
    ),
    Bilingual(
        "如为合计，请写作“合计”后重新检查；否则由输出审核人员确认。",
        "If it is a total, call it Total and check again; else let an output checker confirm that it is none.",
    ),
)


def find(case: Case) -> Iterator[Finding]:
    known = {table.name: table for table in tables_of(case.support, case.fields)} if case.support else {}
    for printed in tables_of(case.results, case.fields):
        true: Mapping[Key, Cell] = {}
        table = printed
        if printed.name in known:
            true, table = known[printed.name].cells, printed.within(known[printed.name])
        withheld = [key for key in table.unknown() if key[:1] != (REST,)]
        yield from _maybe_margins(case, table)
        found = intervals(table, case.recipient.rounding_base)
        if found is None or (withheld and table.dimensions > 2):
            yield NOT_PROVEN.finding(first_place(table), outcome="review", table=shown_table(table))
        if found is not None:
            exposed = [
                key
                for key in sorted(found)
                if is_exposed(
                    found[key], case.minimum, is_small=key in true and case.is_small(true[key].value)
                )
            ]
            if exposed:
                yield _finding(case, table, exposed[0])


def _maybe_margins(case: Case, table: Table) -> Iterator[Finding]:
    """A label may be a total in a word that nobody foresaw: then it gives the withheld cells away."""
    start = int(len(table.statistics) > 1)
    for dimension in range(start, start + len(table.names)):
        slices: dict[Key, list[Key]] = defaultdict(list)
        for key in table.cells:
            if key[:1] != (REST,) and key[dimension]:
                slices[key[:dimension] + key[dimension + 1 :]].append(key)
        for other, keys in sorted(slices.items()):
            margin = table.cells.get((*other[:dimension], "", *other[dimension:]))
            if margin is not None and margin.value is not None:
                continue  # the sum with the printed margin is asked instead
            printed = [
                (key, table.cells[key].value or 0) for key in keys if table.cells[key].value is not None
            ]
            if len(printed) < 2 or len(printed) == len(keys):
                continue
            total = sum(value for _, value in printed)
            for key, value in printed:
                if value and value >= total - value and table.cells[key].places:
                    place = table.cells[key].places[0]
                    yield MAYBE_MARGIN.finding(place, outcome="review", withhold=table.cells[key].places)


def _finding(case: Case, table: Table, exposed: Key) -> Finding:
    also = complement(table, exposed)
    places = table.cells[also].places if also is not None else ()
    where = next(iter(table.cells[exposed].places), "") or next(iter(places), table.name)
    return RULE.finding(
        where,
        withhold=places or (where,),
        table=shown_table(table),
        minimum=case.minimum,
        also=shown_place(case.results, next(iter(places), where)),
    )


def complement(table: Table, exposed: Key) -> Key | None:
    """The printed cell to withhold next; None where nothing is left to withhold.

    Looked at are the sums that hang together with the exposed cell through withheld ones, and first those of
    them with a single withheld cell: such a sum gives it away. Of their cells the one is taken that leaves
    the fewest sums with a single withheld cell, then the smallest; a margin only where nothing inside is left.
    """
    sums = _hanging_together(table, exposed)
    tight = [members for members in sums if _withheld(table, members) == 1]
    for group, inside_only in ((tight, True), (sums, True), (sums, False)):
        printed = [
            key
            for key in set().union(*group)
            if table.cells[key].places
            and table.cells[key].value is not None
            # A printed 0 protects nothing: the cell must be able to take up what is withheld.
            and not (inside_only and (not table.cells[key].value or _is_margin(table, key)))
        ]
        if printed:
            return min(printed, key=lambda key: (_lonely(table, key), table.cells[key].value or 0, key))
    return None


def _hanging_together(table: Table, exposed: Key) -> list[set[Key]]:
    """The sums that are reached from the cell, going on through every withheld cell that they contain."""
    members = [{parent, *children} for parent, children in table.sums]
    reached: list[set[Key]] = []
    frontier = {exposed}
    while True:
        found = [one for one in members if one & frontier and one not in reached]
        if not found:
            return reached
        reached += found
        frontier = {key for one in found for key in one if table.cells[key].value is None}


def _withheld(table: Table, members: set[Key]) -> int:
    return sum(table.cells[key].value is None for key in members)


def _lonely(table: Table, key: Key) -> int:
    """By how many sums with a single withheld cell there would be more, if this one went too."""
    now = [
        _withheld(table, {parent, *children})
        for parent, children in table.sums
        if key == parent or key in children
    ]
    return now.count(0) - now.count(1)


def _is_margin(table: Table, key: Key) -> bool:
    return any(parent == key for parent, _ in table.sums) and key[:1] not in (("remaining",), ("left",))


def first_place(table: Table) -> str:
    return next((place for cell in table.cells.values() for place in cell.places), table.name)


def shown_table(table: Table) -> str:
    return shown(table.name, "…")[:80]
