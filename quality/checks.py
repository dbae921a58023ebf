"""Suites on tables of any engine: what every rule says of each row, lazily; a rule that cannot be asked is named.

The engine is whatever the Ibis tables belong to. `judged_tables` brings data frames to an embedded one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from quality.kinds import TABLE_MALFORMED, Asked, Expr, Lookup, Seen, asked, bins_of, equals
from quality.lookups import Surroundings
from quality.rules import DRIFT, Other, Suite
from rwd_platform.core import columns as core
from rwd_platform.core.errors import PlatformError

__all__ = ["KEYS", "TABLE_MALFORMED", "UPLOAD_ID", "Judged", "Surroundings", "judge", "judged_tables"]

KEYS = (*core.MERGE_KEY, core.PATIENT_ID)
UPLOAD_ID = "upload_id"
OUTCOMES = "outcome_event"
_ARROW = {"integer": "int64", "decimal": "double", "boolean": "bool"}


@dataclass(frozen=True)
class Judged:
    """A table of the engine, with what each rule asks of its rows; no table if nobody sent it.

    asked  -- what a rule asks, by its number in the suite
    bins   -- of a rule about drift, whether a row lies in each of its bins, by the bin's name
    broken -- why a rule could not be asked; it stands in neither of the others
    """

    suite: Suite
    rows: Expr
    asked: Mapping[int, Asked] = field(default_factory=dict)
    bins: Mapping[int, Mapping[str, Expr]] = field(default_factory=dict)
    broken: Mapping[int, PlatformError] = field(default_factory=dict)

    @staticmethod
    def applies(number: int) -> str:
        return f"applies_{number}"

    @staticmethod
    def fails(number: int) -> str:
        return f"fails_{number}"

    @staticmethod
    def bin(number: int, position: int) -> str:
        return f"bin_{number}_{position}"

    def shared(self, numbers: Iterable[int], *keep: str) -> tuple[Expr, dict[str, Expr]]:
        """What these rules say of each row, by name, as expressions of a table that is returned with them.

        The names are `applies`, `fails` and `bin`. The table has the columns to `keep`, and one for each part
        that rules ask about, however many of them do: engines do not see by themselves that forty rules
        read one date.
        """
        numbers = list(numbers)
        parts = {part.op(): part for number in numbers for part in self.asked[number].parts}
        parts |= {part.op(): part for number in numbers for part in self.bins.get(number, {}).values()}
        names = {part: f"part_{place}" for place, part in enumerate(parts)}
        rows = self.rows.select(*keep, **{names[part]: parts[part] for part in parts})
        flags: dict[str, Expr] = {}
        for number in numbers:
            asked = self.asked[number]
            applies, fails = asked.verdict([rows[names[part.op()]] for part in asked.parts])
            flags |= {self.applies(number): applies, self.fails(number): fails}
            for place, part in enumerate(self.bins.get(number, {}).values()):
                flags[self.bin(number, place)] = rows[names[part.op()]]
        return rows, flags

    def flagged(self, numbers: Iterable[int], *keep: str) -> Expr:
        """A table of the columns to `keep` and of `applies` and `fails` of these rules."""
        rows, flags = self.shared(numbers, *keep)
        return rows.select(*keep, **flags)


@contextmanager
def judged_tables(
    tables: Mapping[str, pd.DataFrame], suites: Mapping[str, Suite], around: Surroundings | None = None
) -> Iterator[dict[str, Judged]]:
    """Every suite's table on an embedded engine, judged lazily: what is asked of it decides what is computed.

    A table that is not there, or has no row, has nothing to judge. The engine lives as long as
    the `with` block, in memory.
    """
    import ibis

    # Nothing is ever fetched: the first two settings keep the engine off the network. What does not fit into
    # memory goes where temporary files go, and not into the folder in which the process happens to stand.
    engine = ibis.duckdb.connect(
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
        temp_directory=tempfile.gettempdir(),
    )
    try:
        found = {}
        for name in sorted(suites):
            # Registered as it is: ibis 12's own create_table fails on DuckDB 2.0.
            engine.con.register(name, _arrow(tables.get(name), suites[name]))
            found[name] = engine.table(name)
        empty = {name for name in suites if name not in tables or tables[name].empty}
        yield judge(found, suites, around, empty)
    finally:
        engine.disconnect()


def judge(
    tables: Mapping[str, Expr],
    suites: Mapping[str, Suite],
    around: Surroundings | None = None,
    empty: Collection[str] = (),
) -> dict[str, Judged]:
    """Every suite's table, an Ibis table of any one engine, with what its rules say of each row.

    Tables that are not there, and those said to be `empty`, have nothing to judge.
    """
    around = around or Surroundings()
    there = {name: tables[name] if name in tables else _nothing(suites[name]) for name in sorted(suites)}
    every = {**there, **around.tables(there.get(OUTCOMES))}
    asked = {name for name in there if name in tables and name not in empty}
    return {
        name: _judge(suites[name], every) if name in asked else Judged(suites[name], None) for name in there
    }


def _nothing(suite: Suite) -> Expr:
    import ibis

    return ibis.memtable(_arrow(None, suite))


def _kinds(suite: Suite) -> dict[str, str]:
    return {**dict.fromkeys((*KEYS, UPLOAD_ID), "string"), core.ROW_INDEX: "integer", **suite.columns}


def _arrow(frame: pd.DataFrame | None, suite: Suite) -> Any:
    """The columns that rules speak of, typed by the suite: an empty column has no type of its own.

    A column that is not there or of another type is left out: the rules that need it will say so.
    """
    import pyarrow as pa

    kinds = _kinds(suite)
    fields = [pa.field(name, pa.type_for_alias(_ARROW.get(kind, "string"))) for name, kind in kinds.items()]
    if frame is None:
        return pa.schema(fields).empty_table()
    arrays = {}
    for one in fields:
        try:
            arrays[one.name] = pa.array(frame[one.name], type=one.type, from_pandas=True)
        except (KeyError, pa.ArrowException, TypeError, ValueError):
            continue
    return pa.table(arrays or {"nothing": pa.nulls(len(frame))})


def _judge(suite: Suite, tables: Mapping[str, Expr]) -> Judged:
    import ibis

    rows = tables[suite.table]
    if core.ORGANISATION_ID not in rows.columns:
        why = TABLE_MALFORMED.error(table=suite.table, column=core.ORGANISATION_ID)
        return Judged(suite, rows, broken=dict.fromkeys(range(len(suite.rules)), why))
    if UPLOAD_ID not in rows.columns:
        rows = rows.mutate(**{UPLOAD_ID: ibis.literal("")})
    rows, lookups = _with_lookups(rows, suite, tables)
    rules: dict[int, Asked] = {}
    bins: dict[int, Mapping[str, Expr]] = {}
    broken: dict[int, PlatformError] = {}
    for number, rule in enumerate(suite.rules):
        seen = Seen(rows, rule, _kinds(suite), lookups)
        try:
            found = bins_of(seen) if rule.kind in DRIFT else {}
            rules[number] = asked(seen)
        except PlatformError as error:
            broken[number] = error
            continue
        bins |= {number: found} if found else {}
    return Judged(suite, rows, rules, bins, broken)


def _with_lookups(rows: Expr, suite: Suite, tables: Mapping[str, Expr]) -> tuple[Expr, dict[Other, Lookup]]:
    """`rows` with what their keys have in other tables: the picked value, and how many rows."""
    wanted = sorted({other for rule in suite.rules for other in rule.others}, key=repr)
    lookups: dict[Other, Lookup] = {}
    for number, other in enumerate(wanted):
        there = tables[other.table or suite.table]
        needed = {other.column, *other.key, *(name for name, _ in other.where)}
        if not needed <= set(there.columns) or not set(other.key) <= set(rows.columns):
            continue
        found = Lookup(number, _looked_up(there, other, number))
        keys = [rows[name] == found.rows[_key(number, name)] for name in other.key]
        rows = rows.left_join(found.rows, keys).drop(*(_key(number, name) for name in other.key))
        lookups[other] = found
    return rows, lookups


def _looked_up(there: Expr, other: Other, number: int) -> Expr:
    for name, value in other.where:
        there = there.filter(equals(there[name], value))
    picked = there[other.column].max() if other.pick == "max" else there[other.column].min()
    lookup = Lookup(number, None)
    return there.group_by(**{_key(number, name): there[name] for name in other.key}).aggregate(
        **{lookup.value: picked, lookup.count: there.count()}
    )


def _key(number: int, name: str) -> str:
    return f"other_{number}_{name}"
