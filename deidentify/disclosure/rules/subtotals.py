"""A row that may be the subtotal of its neighbours, under a word that nobody foresaw, beside a printed margin.

    stage,count          read as four stages, II and III share 96 and nobody can tell II.
    I,50                 But whoever knows that `early` means I and II reads II = 54 - 50 = 4.
    II,*
    early,54
    III,*
    total,200

Each label is tried as the sum of a run of labels right before or right after it, in the file's order. Such a reading
holds for every line across at once, which rules most of them out. What is left is solved as the linear system that it
makes with the printed margins (bounds.py). Where it gives a withheld count away a person has to look; where
the rows add up to more than their margin, so that one of them must be a subtotal, it fails.

Cost: runs of at most MOST_RUN labels, so labels x runs x lines across to rule out, and at most MOST_READINGS
systems; up to MOST_EXACT withheld cells each is solved by linear programming, above that by interval propagation,
whose bounds may be wider. Beyond MOST_READINGS or MOST_CHECKS the finding is that it is not proven. Not covered: a
subtotal that does not stand next to its parts; two unknown subtotals, of which one is only found with the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from deidentify.disclosure.bounds import intervals, is_exposed
from deidentify.disclosure.findings import Case, Finding, Outcome, Rule
from deidentify.disclosure.rules.secondary import NOT_PROVEN, first_place, shown_table
from deidentify.disclosure.tables import REST, Key, Table, tables_of
from rwd_platform.core.text import Bilingual

MOST_RUN = 40
MOST_READINGS = 200
MOST_CHECKS = 2_000_000
MOST_EXACT = 20
_NEAR = 1e-6

RULE = Rule(
    "maybe_subtotal",
    Bilingual("可能是小计", "Perhaps a subtotal"),
    Bilingual(
        "如果该行是其相邻各行的小计，隐藏的人数即可由它与合计算出或限定在 {minimum} 以内。",
        "If this line is the subtotal of its neighbours, a withheld count can be computed from it and the margins, or"
        " limited to less than {minimum}.",
    ),
    Bilingual(
        "如为小计，请用斜线写明层级（如 早期/I）后重新检查；否则由输出审核人员确认。",
        "If it is one, write the levels with a slash (early/I) and check again; else let an output checker confirm.",
    ),
)


@dataclass(frozen=True)
class _Reading:
    """One label read as the sum of others, along one dimension."""

    dimension: int
    whole: str
    parts: tuple[str, ...]


def find(case: Case) -> Iterator[Finding]:
    for table in tables_of(case.results, case.fields):
        if table.names and any(key[:1] != (REST,) for key in table.unknown()):
            yield from _one_table(case, table)


def _one_table(case: Case, table: Table) -> Iterator[Finding]:
    base = case.recipient.rounding_base
    checks = _Checks()
    readings = list(islice(_readings(table, base, checks), MOST_READINGS + 1))
    if len(readings) > MOST_READINGS or checks.are_over:
        yield NOT_PROVEN.finding(first_place(table), outcome="review", table=shown_table(table))
    must_be_read = intervals(table, base, exact=False) is None and not table.contradicts_itself
    for reading in readings[:MOST_READINGS]:
        as_read = _as_read(table, reading)
        found = intervals(as_read, base, exact=len(as_read.unknown()) <= MOST_EXACT)
        if found is not None and any(
            is_exposed(found[key], case.minimum) for key in found if key[:1] != (REST,)
        ):
            places = next(
                cell.places
                for key, cell in table.cells.items()
                if key[reading.dimension : reading.dimension + 1] == (reading.whole,) and cell.places
            )
            outcome: Outcome = "fail" if must_be_read else "review"
            yield RULE.finding(places[0], outcome=outcome, withhold=places, minimum=case.minimum)


class _Checks:
    """How much was looked at, so that a huge table ends."""

    done = 0

    @property
    def are_over(self) -> bool:
        return self.done > MOST_CHECKS


def _readings(table: Table, base: int, checks: _Checks) -> Iterator[_Reading]:
    """Those that no printed number contradicts, and that say something about a withheld cell."""
    start = int(len(table.statistics) > 1)
    for dimension in range(start, start + len(table.names)):
        lines = _lines_across(table, dimension)
        labels = list(dict.fromkeys(key[dimension] for key in table.cells if _is_plain(key, dimension)))
        for place, whole in enumerate(labels):
            for parts in _runs(labels, place):
                if checks.are_over:
                    return
                checks.done += len(lines) * len(parts)
                if _fits(table, dimension, lines, whole, parts, base):
                    yield _Reading(dimension, whole, tuple(parts))


def _is_plain(key: Key, dimension: int) -> bool:
    return key[:1] != (REST,) and bool(key[dimension]) and "/" not in key[dimension]


def _lines_across(table: Table, dimension: int) -> list[Key]:
    return sorted({key[:dimension] + key[dimension + 1 :] for key in table.cells if key[:1] != (REST,)})


def _runs(labels: Sequence[str], place: int) -> Iterator[Sequence[str]]:
    for length in range(2, MOST_RUN + 1):
        if place - length >= 0:
            yield labels[place - length : place]
        if place + length < len(labels):
            yield labels[place + 1 : place + 1 + length]


def _fits(
    table: Table, dimension: int, lines: Sequence[Key], whole: str, parts: Sequence[str], base: int
) -> bool:
    """Whether the sum can hold on every line, and a line has the whole printed and some part, but not all of them."""
    says_something = False
    slack = base * (len(parts) + 1) / 2 + _NEAR
    for other in lines:
        cells = [table.cells.get((*other[:dimension], name, *other[dimension:])) for name in (whole, *parts)]
        if cells[0] is None or cells[0].value is None:
            continue
        values = [cell.value for cell in cells[1:] if cell is not None and cell.value is not None]
        rest = cells[0].value - sum(values)
        if rest < -slack or (len(values) == len(parts) and rest > slack):
            return False
        says_something |= 0 < len(values) < len(parts)
    return says_something


def _as_read(table: Table, reading: _Reading) -> Table:
    """The same table where the whole is no part of a margin, and the sum of its parts instead."""
    at = reading.dimension
    sums = [
        (parent, tuple(key for key in children if not _is_the_whole(key, reading)))
        if len(parent) > at and parent[at] == ""
        else (parent, children)
        for parent, children in table.sums
    ]
    for key in table.cells:
        if _is_the_whole(key, reading):
            parts = tuple((*key[:at], name, *key[at + 1 :]) for name in reading.parts)
            if all(part in table.cells for part in parts):
                sums.append((key, parts))
    return replace(table, cells=dict(table.cells), sums=sums)


def _is_the_whole(key: Key, reading: _Reading) -> bool:
    return key[:1] != (REST,) and key[reading.dimension] == reading.whole
