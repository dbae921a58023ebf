"""A table that was released before and comes again under other words.

By label, `grade` is not `stage`, and one row fewer is another table. Here labels are set aside: the counts of a
new table are laid beside those of each released one in the order of their size, which is the matching that leaves
the smallest differences. A person looks where
- the counts are the same, or those of one table are all among the other's;
- each count has a partner that is less than the minimum away: a few persons were moved or left out;
- at least half of the counts are equal, and one of the others is less than the minimum from its neighbour;
- the totals of two tables of a file differ by less than the minimum, whether they are printed or only add up.
Tables that share most of their labels are compared by these and not here. It is `review`, never `fail`: equal
counts can be chance.

Two tables of one file are compared by their totals alone: what a cohort's variables add up to is the same for all.
A released file that shares neither a label nor a kind of count with the new one, and whose persons nobody compared, is
`review` too: nothing was compared with nothing.

Cost: each new table with each released one, in the order of their cells after one sort. Above MOST_WORK cells that
is not done, and the finding says so. Not covered: cells of tables of fewer than two counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from deidentify.disclosure.differencing import (
    NOT_COMPARED,
    ReleasedTable,
    by_class,
    figures_of,
    shown_name,
)
from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.read import PERSONS, Results
from deidentify.disclosure.tables import ATTRITION, REST, Table, tables_of
from rwd_platform.core.text import Bilingual

MOST_WORK = 4_000_000
_FEWEST = 2

RULE = Rule(
    "differencing_relabelled",
    Bilingual("疑为换名后的同一张表", "Perhaps the same table under other names"),
    Bilingual(
        "该表与 {others} 中的一张表名称不同，但各格人数（或合计）相同，或只差不足 {minimum}。",
        "Other names than a table of {others}, and the same counts or totals, or fewer than {minimum} apart.",
    ),
    Bilingual(
        "请由输出审核人员核对两表是否为同一人群的同一内容；如是，请沿用已发布的名称并重新检查。",
        "Let an output checker see whether both count the same people by the same thing; if so, use the released"
        " names and check again.",
    ),
)


WITHIN = Rule(
    "totals_apart",
    Bilingual("同一文件的两个合计", "Two totals of one file"),
    Bilingual(
        "同一文件中两张表的合计只差 1 至 {most}，相减可得这几个人的结果。",
        "The totals of two tables of this file differ by 1 to {most}: by subtraction these few are told.",
    ),
    Bilingual(
        "两张表使用相同的人群，或由输出审核人员确认两者并非同一批人。",
        "Use the same people for both, or let an output checker confirm that they count different people.",
    ),
)
NOTHING = Rule(
    "nothing_compared",
    Bilingual("与已发布结果没有可比之处", "Nothing to compare with what was released"),
    Bilingual(
        "该结果与 {others} 没有可比较的人群、名称或计数，无法判断合并后能推算什么。",
        "These results share no set of persons, label or kind of count with {others}: what both tell together is not"
        " known.",
    ),
    Bilingual(
        "补上人数（n）后重新检查，或由输出审核人员对照两次结果。",
        "Add the persons (n) and check again, or let an output checker lay both side by side.",
    ),
)


@dataclass(frozen=True)
class _Counts:
    """The cells of one table without its margins. `total` only where it is printed or follows."""

    kind: str  # what is counted: persons, or another statistic
    labels: frozenset[str]
    counts: tuple[float, ...]  # ascending, without zeros
    total: float | None
    where: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "labels": sorted(self.labels),
            "counts": list(self.counts),
            "total": self.total,
        }


def cells_of(results: Results) -> dict[str, dict[str, Any]]:
    """Every table's counts as JSON, for the ledger: what `find` reads of a released table."""
    return {str(place): one.as_dict() for place, one in enumerate(_tables(results))}


def released_of(name: str, results: Results) -> ReleasedTable:
    """A results file as a released table: totals, the hashes of its row sets, and its cells."""
    hashes = {one: digest for one, (_, digest) in results.row_sets.items() if digest}
    return ReleasedTable(name, figures_of(results), hashes=hashes, tables=cells_of(results))


def find_nothing_compared(
    results: Results, released: Sequence[ReleasedTable], minimum: int
) -> Iterator[Finding]:
    """The released files that the new results have nothing in common with, where persons are not compared."""
    if not minimum or not released:
        return
    own = set(by_class(figures_of(results)))
    kinds = {one.kind for one in _tables(results)}
    for one in released:
        if own & set(by_class(one.figures)):
            continue
        if not kinds & {table["kind"] for table in one.tables.values()}:
            where = next((row.id for row in results.rows), "row_sets")
            yield NOTHING.finding(where, outcome="review", others=shown_name(one.name))


def find_within(case: Case) -> Iterator[Finding]:
    """Tables of one file whose totals are a few apart."""
    tables = [one for one in _tables(case.results) if one.total is not None]
    for place, one in enumerate(tables):
        for other in tables[:place]:
            are_others = one.kind == other.kind and one.labels != other.labels
            if are_others and case.is_small(abs((one.total or 0) - (other.total or 0))):
                yield WITHIN.finding(one.where, outcome="review", most=case.minimum - 1)
                break


def find(results: Results, released: Sequence[ReleasedTable], minimum: int) -> Iterator[Finding]:
    """The findings of the new tables against the released ones. `minimum` 0 asks nothing."""
    if not minimum or not released:
        return
    new = list(_tables(results))
    for one in released:
        old = [_read(table) for table in one.tables.values()]
        if sum(len(mine.counts) + len(theirs.counts) for mine in new for theirs in old) > MOST_WORK:
            yield NOT_COMPARED.finding("row_sets", outcome="review", others=shown_name(one.name))
            continue
        known = [theirs for theirs in old if not any(_same_labels(theirs, mine) for mine in new)]
        for mine in new:
            if any(_same_labels(mine, theirs) for theirs in old):
                continue
            if any(_is_near(mine, theirs, minimum) for theirs in known):
                yield RULE.finding(mine.where, outcome="review", others=shown_name(one.name), minimum=minimum)


def _tables(results: Results) -> Iterator[_Counts]:
    for table in tables_of(results, load_fields()):
        if table.name == ATTRITION or len(table.statistics) > 1:
            continue
        found = _counts(table)
        if found.counts:
            yield found


def _counts(table: Table) -> _Counts:
    parents = {parent for parent, _ in table.sums}
    inside = {
        key: cell for key, cell in table.cells.items() if key not in parents and REST not in key and any(key)
    }
    printed = {key: cell for key, cell in inside.items() if cell.value is not None and cell.places}
    margin = table.cells.get(("",) * len(table.names)) if table.names else None
    total = margin.value if margin is not None else None
    if total is None and table.names and len(printed) == len(inside):
        total = sum(cell.value or 0 for cell in printed.values())
    is_of_persons = not table.statistics or table.statistics[0] in PERSONS
    names = list(table.names) or [table.name]
    return _Counts(
        kind="persons" if is_of_persons else table.statistics[0],
        labels=frozenset(json.dumps([names, list(key)], ensure_ascii=False) for key in printed),
        counts=tuple(sorted(cell.value for cell in printed.values() if cell.value)),
        total=total,
        where=next((place for cell in printed.values() for place in cell.places), table.name),
    )


def _read(kept: Mapping[str, Any]) -> _Counts:
    return _Counts(kept["kind"], frozenset(kept["labels"]), tuple(kept["counts"]), kept["total"])


def _same_labels(one: _Counts, other: _Counts) -> bool:
    shared = len(one.labels & other.labels)
    return one.kind == other.kind and 2 * shared > min(len(one.labels), len(other.labels))


def _is_near(one: _Counts, other: _Counts, minimum: int) -> bool:
    if one.kind != other.kind:
        return False
    if one.total is not None and other.total is not None and 0 < abs(one.total - other.total) < minimum:
        return True
    if min(len(one.counts), len(other.counts)) < _FEWEST:
        return False
    mine, theirs = Counter(one.counts), Counter(other.counts)
    equal = (mine & theirs).total()
    longest = max(len(one.counts), len(other.counts))
    if equal == min(len(one.counts), len(other.counts)):
        return True
    if len(one.counts) == len(other.counts) and all(
        abs(left - right) < minimum for left, right in zip(one.counts, other.counts, strict=True)
    ):
        return True
    rest = sorted([(count, 0) for count in (mine - theirs).elements()] + [
        (count, 1) for count in (theirs - mine).elements()
    ])  # fmt: skip
    return 2 * equal >= longest and any(
        left[1] != right[1] and right[0] - left[0] < minimum for left, right in pairwise(rest)
    )
