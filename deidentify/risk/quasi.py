"""Which columns tell people apart: quasi-identifiers ranked by distinction and separation.

Motwani and Xu (2007): the distinction of a set of columns is the share of distinct combinations among the
records; its separation the share of pairs of records that differ in it. 1 means a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deidentify.risk.table import Table

LARGEST_SET = 3


@dataclass(frozen=True)
class QuasiRank:
    """A set of columns; both figures are fractions."""

    columns: tuple[str, ...]
    distinction: float
    separation: float


@dataclass(frozen=True)
class WithoutColumn:
    """What the table would be if one quasi-identifier were left out: class sizes (size -> classes)."""

    column: str
    class_sizes: dict[int, int]

    def records_below(self, size: int) -> int:
        return sum(of * count for of, count in self.class_sizes.items() if of < size)


def rank_quasi_identifiers(
    table: Table, quasi: Sequence[str], *, largest: int = LARGEST_SET
) -> tuple[QuasiRank, ...]:
    """Every set of up to `largest` columns; smaller sets first, within a size the most telling first.

    Reads the classes that `measure` left in the table's connection for the same `quasi`.
    """
    records = _one(table, "SELECT sum(n) FROM classes")
    ranks = []
    for length in range(1, min(largest, len(quasi)) + 1):
        of_length = [
            _rank(table, quasi, places, records) for places in combinations(range(len(quasi)), length)
        ]
        ranks += sorted(of_length, key=lambda one: (-one.distinction, -one.separation, one.columns))
    return tuple(ranks)


def without_each(table: Table, quasi: Sequence[str]) -> tuple[WithoutColumn, ...]:
    """The class sizes without each column in turn; nothing for a single column."""
    found = []
    for left_out, column in enumerate(quasi):
        keys = ", ".join(f"q{place}" for place in range(len(quasi)) if place != left_out)
        if keys:
            sizes = table.connection.execute(
                f"SELECT n, count(*) FROM (SELECT CAST(sum(n) AS BIGINT) AS n FROM classes GROUP BY {keys}) "  # noqa: S608 - names made here, no value
                "GROUP BY n ORDER BY n"
            ).fetchall()
            found.append(WithoutColumn(column, dict(sizes)))
    return tuple(found)


def _rank(table: Table, quasi: Sequence[str], places: Sequence[int], records: int) -> QuasiRank:
    keys = ", ".join(f"q{place}" for place in places)
    row: Any = table.connection.execute(
        "SELECT count(*), sum(CAST(n AS HUGEINT) * n) "  # noqa: S608 - names made here
        f"FROM (SELECT CAST(sum(n) AS BIGINT) AS n FROM classes GROUP BY {keys})"
    ).fetchone()
    classes, squares = int(row[0]), int(row[1])
    pairs = records * (records - 1)
    separation = (records * records - squares) / pairs if pairs else 0.0
    return QuasiRank(tuple(quasi[place] for place in places), classes / records, separation)


def _one(table: Table, query: str) -> int:
    row = table.connection.execute(query).fetchone()
    return int(row[0]) if row else 0
