"""The last look before anything leaves: does a text column still hold something that looks like an identifier?

Counts by column and kind; never a value, and never where in a value it stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deidentify.identifiers_cn import scan
from deidentify.identifiers_cn.found import URL
from deidentify.risk.persons import DIGESTS
from deidentify.risk.table import Table, frame_table

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 10_000
_SYSTEM = "system"  # code_system, product_system


@dataclass(frozen=True)
class Residual:
    """Records in which a kind of identifier was found, by column; columns without a find are not listed."""

    records: int
    columns: int  # how many were looked at: all of the table's
    found: Mapping[str, Mapping[str, int]]

    @property
    def total(self) -> int:
        return sum(sum(kinds.values()) for kinds in self.found.values())

    def as_dict(self) -> dict[str, Any]:
        found = {column: dict(kinds) for column, kinds in self.found.items()}
        return {"records": self.records, "columns": self.columns, "found": found, "total": self.total}


def scan_table(table: Table) -> Residual:
    """Every value of every column, a distinct text once. A find counts the records that hold the text."""
    found: dict[str, dict[str, int]] = {}
    for place, column in enumerate(table.columns):
        kinds: Counter[str] = Counter()
        with table.reading() as connection:
            rows = connection.execute(
                f"SELECT c{place}, count(*) FROM ({table.select}) WHERE c{place} IS NOT NULL GROUP BY c{place}"  # noqa: S608
            )
            while batch := rows.fetchmany(_ROWS):
                for text, times in batch:
                    for kind in {one.kind for one in scan(text)}:
                        kinds[kind] += times
        if kinds:
            found[column] = dict(sorted(kinds.items()))
    with table.reading() as connection:
        row = connection.execute(f"SELECT count(*) FROM ({table.select})").fetchone()  # noqa: S608
    return Residual(int(row[0]) if row else 0, len(table.columns), found)


def scan_frames(tables: Mapping[str, pd.DataFrame]) -> Residual:
    """The same over several tables; columns are called `table.column`.

    Digests of files and lines are left out. In a column of code systems an address is no find: which systems
    may stay is the policy's own list ([systems]).
    """
    records = columns = 0
    found: dict[str, Mapping[str, int]] = {}
    for name in sorted(tables):
        frame = tables[name].drop(columns=[one for one in DIGESTS if one in tables[name]])
        if len(frame) and len(frame.columns):
            with frame_table(frame, name) as table:
                seen = scan_table(table)
            records, columns = records + seen.records, columns + seen.columns
            for column, kinds in seen.found.items():
                left = {
                    kind: n for kind, n in kinds.items() if not (kind == URL and column.endswith(_SYSTEM))
                }
                if left:
                    found[f"{name}.{column}"] = left
    return Residual(records, columns, found)
