"""The last look before anything leaves: does a text column still hold something that looks like an identifier?

Counts by column and kind; never a value, and never where in a value it stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deidentify.identifiers_cn import scan
from deidentify.identifiers_cn.found import URL
from deidentify.pseudonym import is_token
from deidentify.risk.column_forms import is_typed_text, kinds_by_form
from deidentify.risk.headers import identifies
from deidentify.risk.persons import DIGESTS
from deidentify.risk.table import Table, frame_table

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 10_000  # distinct texts read at once; the first of them are what a column's form is judged by
_FEWEST = 20  # records; fewer say nothing about how many values a column would have
_NEARLY_ALL = 0.9
_SYSTEM = "system"  # code_system, product_system


@dataclass(frozen=True)
class Residual:
    """Records in which a kind of identifier was found, by column; columns without a find are not listed."""

    records: int
    columns: int  # how many were looked at: all of the table's
    found: Mapping[str, Mapping[str, int]]
    near_unique: tuple[
        str, ...
    ] = ()  # text columns that nobody declared and that nearly tell each record apart

    @property
    def total(self) -> int:
        return sum(sum(kinds.values()) for kinds in self.found.values())

    def as_dict(self) -> dict[str, Any]:
        found = {column: dict(kinds) for column, kinds in self.found.items()}
        return {
            "records": self.records,
            "columns": self.columns,
            "found": found,
            "total": self.total,
            "near_unique": list(self.near_unique),
        }


def scan_table(table: Table, declared: Sequence[str] | None = None) -> Residual:
    """Every value of every column, a distinct text once. A find counts the records that hold the text.

    Each value is scanned by itself; a column is judged as a whole too, by the share of its values that have the
    form of a name or a number of people, and by its name: what is headed 姓名 or `patient_id` is suspected in
    every record that has a value. `declared` are the quasi-identifiers and the sensitive column: of the
    others, texts that are nearly all different are named in `near_unique`. None: no column is asked for that.
    """
    found: dict[str, dict[str, int]] = {}
    near_unique = []
    records = _records(table)
    for place, column in enumerate(table.columns):
        kinds, sample, distinct = _kinds_in(table, place)
        if kinds:
            found[column] = dict(sorted(kinds.items()))
        is_undeclared = declared is not None and column not in declared
        if (
            is_undeclared
            and records >= _FEWEST
            and distinct >= _NEARLY_ALL * records
            and is_typed_text(sample)
        ):
            near_unique.append(column)
    return Residual(records, len(table.columns), found, tuple(near_unique))


def _kinds_in(table: Table, place: int) -> tuple[Counter[str], dict[str, int], int]:
    """Of one column: records by kind of identifier, the first texts with their counts, and how many are distinct."""
    kinds: Counter[str] = Counter()
    sample: dict[str, int] = {}
    distinct = filled = tokens = 0
    with table.reading() as connection:
        rows = connection.execute(
            f"SELECT c{place}, count(*) FROM ({table.select}) WHERE c{place} IS NOT NULL GROUP BY c{place}"  # noqa: S608 - names made here, no value
        )
        while batch := rows.fetchmany(_ROWS):
            sample = sample or dict(batch)
            distinct, filled = distinct + len(batch), filled + sum(times for _, times in batch)
            for text, times in batch:
                # A pseudonym's letters spell a record number now and then, and name nobody.
                if is_token(text):
                    tokens += 1
                    continue
                for kind in {one.kind for one in scan(text)}:
                    kinds[kind] += times
    column = table.columns[place]
    for kind, share in kinds_by_form(column, sample).items():
        kinds[kind] = max(kinds[kind], round(share * filled))
    # The header's word is taken for all of the column, unless every value is a pseudonym of the platform.
    if tokens < distinct and max(kinds.values(), default=0) < filled and (kind := identifies(column)):
        kinds[kind] = filled
    return kinds, sample, distinct


def _records(table: Table) -> int:
    with table.reading() as connection:
        row = connection.execute(f"SELECT count(*) FROM ({table.select})").fetchone()  # noqa: S608 - names made here, no value
    return int(row[0]) if row else 0


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
