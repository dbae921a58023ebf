"""Rules as expressions of the query engine: does a rule speak about a row, and does the row fail it.

A row without the value in question is one that the rule does not speak about; that it is missing is the
business of `not_null`. Dates are FHIR text and may be partial: two dates are compared as far as both go.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from quality.suite import Other, Rule, Suite
from rwd_platform.core import columns as core
from rwd_platform.core.errors import Exit, Problem

# ibis and pyarrow come without types: their tables and expressions are Any here.
Expr = Any
KEYS = (*core.MERGE_KEY, core.PATIENT_ID)
_ARROW = {"integer": "int64", "decimal": "double", "boolean": "bool"}
_PATIENT = (core.ORGANISATION_ID, core.PATIENT_ID)
_DATE = r"^\d{4}(-\d{2}(-\d{2}(T.*)?)?)?$"

TABLE_MALFORMED = Problem(
    code="quality.table_malformed",
    zh="表 {table} 的列 {column} 缺失或类型不符，无法检查其质量。",
    en="Column {column} of table {table} is missing or of another type, so its quality cannot be checked.",
    next_zh="请核对该表的 ViewDefinition 与 quality/suites 中的列。",
    next_en="Compare the table's ViewDefinition with the columns in quality/suites.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Judged:
    """A table of the engine with two boolean columns a rule: `applies_<n>` and `fails_<n>`."""

    suite: Suite
    rows: Expr

    @staticmethod
    def applies(number: int) -> str:
        return f"applies_{number}"

    @staticmethod
    def fails(number: int) -> str:
        return f"fails_{number}"


@contextmanager
def judged_tables(
    tables: Mapping[str, pd.DataFrame], suites: Mapping[str, Suite]
) -> Iterator[dict[str, Judged]]:
    """Every suite's table, judged lazily: what is asked of it decides what the engine computes.

    A table that is not there counts as empty. The engine lives as long as the `with` block, in memory.
    """
    import ibis

    # Nothing is ever fetched: these two settings keep the engine off the network.
    engine = ibis.duckdb.connect(autoinstall_known_extensions=False, autoload_known_extensions=False)
    try:
        found = {}
        for name in sorted(suites):
            # Registered as it is: ibis 12's own create_table fails on DuckDB 2.0.
            engine.con.register(name, _arrow(tables.get(name), suites[name]))
            found[name] = engine.table(name)
        yield {name: _judge(suites[name], found) for name in sorted(suites)}
    finally:
        engine.disconnect()


def _arrow(frame: pd.DataFrame | None, suite: Suite) -> Any:
    """The columns that rules speak of, typed by the suite: an empty column has no type of its own."""
    import pyarrow as pa

    kinds = {**dict.fromkeys(KEYS, "string"), core.ROW_INDEX: "integer", **suite.columns}
    schema = pa.schema(
        [(name, pa.type_for_alias(_ARROW.get(kind, "string"))) for name, kind in kinds.items()]
    )
    if frame is None:
        return schema.empty_table()
    arrays = []
    for field in schema:
        try:
            arrays.append(pa.array(frame[field.name], type=field.type, from_pandas=True))
        except (KeyError, pa.ArrowException, TypeError, ValueError):
            # Arrow's own message repeats the value.
            raise TABLE_MALFORMED.error(table=suite.table, column=field.name) from None
    return pa.table(arrays, schema=schema)


def _judge(suite: Suite, tables: Mapping[str, Expr]) -> Judged:
    rows = tables[suite.table]
    others = {rule.other for rule in suite.rules if rule.other and rule.other.table}
    numbers = {other: number for number, other in enumerate(sorted(others, key=repr))}
    for other, number in numbers.items():
        rows = _joined(rows, tables[other.table or ""], other, number)
    flags = {}
    for number, rule in enumerate(suite.rules):
        seen = _Seen(rows, rule, numbers)
        applies, fails = _KINDS[rule.kind](seen)
        applies = functools.reduce(
            operator.and_, (rows[name] == value for name, value in rule.where), applies
        )
        applies = applies.fill_null(False)
        flags[Judged.applies(number)] = applies
        flags[Judged.fails(number)] = (applies & fails).fill_null(False)
    return Judged(suite, rows.mutate(**flags))


def _joined(rows: Expr, there: Expr, other: Other, number: int) -> Expr:
    """`rows` with what the same patient has in another table: the picked value, and how many rows."""
    for name, value in other.where:
        there = there.filter(there[name] == value)
    picked = there[other.column].max() if other.pick == "max" else there[other.column].min()
    organisation, patient = (f"other_{number}_{name}" for name in _PATIENT)
    found = there.group_by(
        **{organisation: there[core.ORGANISATION_ID], patient: there[core.PATIENT_ID]}
    ).aggregate(**{_value(number): picked, _count(number): there.count()})
    same_patient = [
        rows[core.ORGANISATION_ID] == found[organisation],
        rows[core.PATIENT_ID] == found[patient],
    ]
    return rows.left_join(found, same_patient).drop(organisation, patient)


def _value(number: int) -> str:
    return f"other_{number}_value"


def _count(number: int) -> str:
    return f"other_{number}_rows"


@dataclass(frozen=True)
class _Seen:
    """What one rule sees of a row."""

    rows: Expr
    rule: Rule
    numbers: Mapping[Other, int]

    @property
    def value(self) -> Expr:
        return self.rows[self.rule.column]

    @property
    def other(self) -> Expr:
        other = self.rule.other
        if other is None or other.table is None:
            return self.rows[other.column if other else self.rule.column]
        return self.rows[_value(self.numbers[other])]

    @property
    def other_rows(self) -> Expr:
        assert self.rule.other is not None  # noqa: S101 - the suite's reader has checked the kind's keys
        return self.rows[_count(self.numbers[self.rule.other])].fill_null(0)


Verdict = tuple[Expr, Expr]
"""Whether the rule applies to the row, and whether the row fails it."""


def _not_null(seen: _Seen) -> Verdict:
    import ibis

    return ibis.literal(True), seen.value.isnull()


def _unique(seen: _Seen) -> Verdict:
    import ibis

    columns = [seen.rows[name] for name in seen.rule.columns]
    named = functools.reduce(operator.and_, (column.notnull() for column in columns))
    return named, seen.rows.count().over(ibis.window(group_by=columns)) > 1


def _in_set(seen: _Seen) -> Verdict:
    return seen.value.notnull(), ~seen.value.isin(seen.rule.values)


def _other_in_set(seen: _Seen) -> Verdict:
    return seen.value.notnull() & seen.other.notnull(), ~seen.other.isin(seen.rule.values)


def _regex(seen: _Seen) -> Verdict:
    return seen.value.notnull(), ~seen.value.re_search(seen.rule.pattern)


def _range(seen: _Seen) -> Verdict:
    return seen.value.notnull(), (seen.value < seen.rule.min) | (seen.value > seen.rule.max)


def _date(seen: _Seen) -> Verdict:
    text = seen.value
    whole = (text.substr(0, 10) + "-01-01").substr(0, 10)
    exists = text.re_search(_DATE) & whole.try_cast("date").notnull() & (text.substr(0, 4) != "0000")
    return text.notnull(), ~exists


def _both_dates(seen: _Seen) -> Expr:
    return seen.value.re_search(_DATE) & seen.other.re_search(_DATE)


def _shared(seen: _Seen) -> tuple[Expr, Expr]:
    """Both dates, cut to the precision that both have: 1987-03 is neither before nor after 1987."""
    import ibis

    length = ibis.least(seen.value.length(), seen.other.length(), 10)
    return seen.value.substr(0, length), seen.other.substr(0, length)


def _not_before(seen: _Seen) -> Verdict:
    value, other = _shared(seen)
    return _both_dates(seen), value < other


def _not_after(seen: _Seen) -> Verdict:
    value, other = _shared(seen)
    return _both_dates(seen), value > other


def _age(seen: _Seen) -> Verdict:
    """Fails only if no completed age that the two dates allow lies within the bounds."""
    birth_year, year = seen.other.substr(0, 4).try_cast("int64"), seen.value.substr(0, 4).try_cast("int64")
    full = (seen.value.length() >= 10) & (seen.other.length() >= 10)
    before_birthday = seen.value.substr(5, 5) < seen.other.substr(5, 5)
    years = year - birth_year
    highest = years - (full & before_birthday).cast("int64")
    lowest = years - (~full | before_birthday).cast("int64")
    return _both_dates(seen), (highest < seen.rule.min) | (lowest > seen.rule.max)


def _reference(seen: _Seen) -> Verdict:
    return seen.value.notnull(), seen.other_rows == 0


def _has_row(seen: _Seen) -> Verdict:
    return seen.rows[core.PATIENT_ID].notnull(), seen.other_rows == 0


_KINDS: Mapping[str, Callable[[_Seen], Verdict]] = {
    "not_null": _not_null,
    "unique": _unique,
    "in_set": _in_set,
    "regex": _regex,
    "date": _date,
    "range": _range,
    "age": _age,
    "reference": _reference,
    "has_row": _has_row,
    "not_before": _not_before,
    "not_after": _not_after,
    "other_in_set": _other_in_set,
}
