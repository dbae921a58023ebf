"""OMOP CDM tables as plain rows, from a folder of files or from one JSON text.

Only what the cohort language can ask of OMOP CDM 5.4 is kept: the tables and columns of `omop.toml` and the three
vocabulary tables. A column that the input does not have is null everywhere. A table that it does not have is not
the same as an empty one, and a column that it does not have is not one without values: `needed` refuses a
definition that asks for it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rwd_platform.core.errors import Problem
from studies.cohorts.definition import Cohort
from studies.cohorts.tables import EventTable, Model, load_model

Row = dict[str, Any]


class Tables(dict[str, list[Row]]):
    """
    given -- table -> the columns that the input has of it; of a table that is not here nothing is known
    """

    def __init__(self, rows: Mapping[str, list[Row]] = MappingProxyType({})) -> None:
        super().__init__(rows)
        self.given: dict[str, frozenset[str]] = {}


UNREADABLE = Problem(
    code="omop.unreadable",
    zh="无法读取 OMOP 数据：{what}。",
    en="The OMOP data cannot be read: {what}.",
    next_zh='请提供 CSV、Parquet 或 JSON 文件，或形如 {{"cdm.person": [...]}} 的 JSON。',
    next_en='Give CSV, Parquet or JSON files, or one JSON of the form {{"cdm.person": [...]}}.',
)
TABLE_TWICE = Problem(
    code="omop.table_twice",
    zh="数据中有两处都是表 {table}。",
    en="Two parts of the data are the table {table}.",
    next_zh="请只保留其中一处。",
    next_en="Keep one of them.",
)
TABLE_ABSENT = Problem(
    code="omop.table_absent",
    zh="队列定义用到数据中没有的表：{tables}。",
    en="The cohort definition asks for tables that the data does not have: {tables}.",
    next_zh="如该表确实没有记录，请提供一个空表；否则请补充数据。",
    next_en="If there are no records, give the table empty; otherwise add it.",
)
COLUMN_ABSENT = Problem(
    code="omop.column_absent",
    zh="队列定义用到的列，数据中没有：{columns}。",
    en="The data does not have columns that the cohort definition reads: {columns}.",
    next_zh="请核对列名；如确实没有任何记录值，请保留该列并留空。",
    next_en="Check the names of the columns; if nothing is recorded, keep the column and leave it empty.",
)
BAD_VALUE = Problem(
    code="omop.bad_value",
    zh="表 {table} 第 {row} 行的列 {column} 不是{kind_zh}。",
    en="Row {row} of the table {table}: the column {column} is not {kind_en}.",
    next_zh="请更正该值后重新提供数据。",
    next_en="Correct the value and give the data again.",
)

VOCABULARY = {
    "concept": ("concept_id", "invalid_reason"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
    "concept_relationship": ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason"),
}
_TEXT = ("unique_device_id", "specimen_source_id", "relationship_id")
_WHOLE = (
    "year_of_birth", "month_of_birth", "day_of_birth", "refills", "days_supply", "gap_days",
    "drug_exposure_count", "condition_occurrence_count", "concept_id_1", "concept_id_2",
)  # fmt: skip
_DECIMAL = ("quantity", "value_as_number", "range_low", "range_high", "effective_drug_dose", "dose_value")


def read_omop(source: Path) -> Tables:
    """The tables of a folder (one `.csv`, `.parquet` or `.json` file a table) or of one JSON file.

    Raises `omop.unreadable`, `omop.table_twice`, `omop.bad_value`.
    """
    try:
        if source.is_file():
            return omop_from_json(source.read_text(encoding="utf-8-sig"))
        named = [
            (path.stem, _file_rows(path)) for path in sorted(source.iterdir()) if path.suffix in _READERS
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UNREADABLE.error(what=type(error).__name__) from error
    if not named:
        raise UNREADABLE.error(what=source.name)
    return typed(named)


def omop_from_json(text: str) -> Tables:
    """The tables of `{"cdm.person": [{"person_id": 1, ...}], ...}`; the schema may be left out."""
    found = _json(text, "JSON")
    if not isinstance(found, dict):
        raise UNREADABLE.error(what="JSON")
    return typed((name, _objects(rows, name)) for name, rows in found.items())


def typed(named: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> Tables:
    """The tables that are known, by their name without a schema, with every column that can be asked for."""
    columns = known_columns()
    tables = Tables()
    for said, found in named:
        rows = list(found)
        name = said.lower().rpartition(".")[2]
        if name not in columns:
            continue
        if name in tables:
            raise TABLE_TWICE.error(table=name)
        tables[name] = [_typed_row(name, columns[name], number, row) for number, row in enumerate(rows, 1)]
        tables.given[name] = frozenset(str(column).lower() for row in rows for column in row)
    return tables


def needed(cohort: Cohort, tables: Mapping[str, list[Row]], model: Model) -> Tables:
    """The tables that a definition asks for.

    Raises `omop.table_absent` or `omop.column_absent`, naming those that are not there.
    """
    wanted = _read_by(cohort, model)
    absent = sorted(wanted.keys() - tables.keys())
    if absent:
        raise TABLE_ABSENT.error(tables=", ".join(absent))
    given = tables.given if isinstance(tables, Tables) else {}
    missing = [
        f"{name}.{column}"
        for name, columns in sorted(wanted.items())
        if tables[name] and name in given
        for column in sorted(columns - given[name])
    ]
    if missing:
        raise COLUMN_ABSENT.error(columns=", ".join(missing))
    lookups = {lookup.source for lookup in model.lookups.values()}
    return Tables({name: tables.get(name, []) for name in wanted.keys() | lookups})


def _read_by(cohort: Cohort, model: Model) -> dict[str, set[str]]:
    """{table: columns} without which a definition has no meaning.

    Not among them: where an event ends, and at which visit, unless that is asked. OMOP lets these be left out.
    """
    source, *of_period = model.observation
    found: dict[str, set[str]] = {source: set(of_period)}

    def read(columns: Iterable[str]) -> None:
        for name, column in _looked_up(columns, model):
            found.setdefault(name, set()).add(column)

    for events in cohort.all_events():
        table = model.table(events.table)
        tests = [test.column for test in events.tests]
        own = found.setdefault(table.source, set())
        own |= {table.patient, table.start, *table.id}
        for named in (*tests, *(test.column for test in events.codes)):
            own.update(table.stored(named))
        read(tests)
        if events.within:
            read(test.column for test in events.within.all_tests())
    for group in (cohort.qualify, *(rule.group for rule in cohort.rules)):
        read(test.column for test in group.all_tests())
    return found


def ibis_tables(tables: Mapping[str, list[Row]]) -> dict[str, Any]:
    """The rows as Ibis tables in memory, for any engine; also an empty or an all-null column has its type."""
    import ibis

    return {name: ibis.memtable(table) for name, table in arrow(tables).items()}


def arrow(tables: Mapping[str, list[Row]]) -> dict[str, Any]:
    """The rows as Arrow tables."""
    import pyarrow as pa

    types = {"whole": pa.int64(), "day": pa.date32(), "decimal": pa.float64(), "text": pa.string()}
    columns = known_columns()
    return {
        name: pa.Table.from_pylist(
            rows, pa.schema([(column, types[_kind(column)]) for column in columns[name]])
        )
        for name, rows in tables.items()
    }


def with_empty(tables: Mapping[str, list[Row]]) -> Tables:
    """The tables, and every other known one declared to be empty: for an input known to be a whole database."""
    return Tables({name: tables.get(name, []) for name in known_columns()})


def known_columns() -> dict[str, tuple[str, ...]]:
    """What can be asked for: {table: columns}."""
    model = load_model("omop")
    columns: dict[str, set[str]] = {name: set(of_table) for name, of_table in VOCABULARY.items()}
    for table in model.events.values():
        columns.setdefault(table.source, set()).update(_columns(table))
    for lookup in model.lookups.values():
        own = {lookup.key, *lookup.columns.values(), *([lookup.patient] if lookup.patient else [])}
        columns.setdefault(lookup.source, set()).update(own)
    columns[model.lookups["patient"].source].update(model.birth)
    source, *of_period = model.observation
    columns[source].update(of_period)
    return {name: tuple(sorted(of_table)) for name, of_table in columns.items()}


def _columns(table: EventTable) -> Iterator[str]:
    yield from table.always_read()
    for name in (*table.codes, *table.columns, *table.derived):
        yield from table.stored(name)
    yield from (column for column in (table.provider, table.site) if column)


def _looked_up(columns: Iterable[str], model: Model) -> Iterator[tuple[str, str]]:
    """(table, column) of what tests ask of a row's patient, visit, provider or site."""
    for column in columns:
        of_birth = "age" in column
        scope, _, name = ("patient", "", "") if of_birth else column.rpartition(".")
        if scope:
            lookup = model.lookups[scope]
            yield lookup.source, lookup.key
            yield lookup.source, model.birth[0] if of_birth else lookup.columns[name]


def _typed_row(table: str, columns: Sequence[str], number: int, row: Mapping[str, Any]) -> Row:
    said = {str(column).lower(): value for column, value in row.items()}
    found = {}
    for column in columns:
        kind = _kind(column)
        try:
            found[column] = _KINDS[kind](said.get(column))
        except (ValueError, TypeError) as error:
            zh, en = _NAMES[kind]
            raise BAD_VALUE.error(table=table, row=number, column=column, kind_zh=zh, kind_en=en) from error
    return found


def _kind(column: str) -> str:
    if column in _TEXT:
        return "text"
    if column in _WHOLE or column.endswith("_id"):
        return "whole"
    if column in _DECIMAL:
        return "decimal"
    return "day" if column.endswith("_date") else "text"


def _whole(value: Any) -> int | None:
    if value is None or value == "" or value != value:
        return None
    number = int(value)
    if number != float(value):
        raise ValueError("not a whole number")
    return number


def _decimal(value: Any) -> float | None:
    return None if value is None or value == "" or value != value else float(value)


def _day(value: Any) -> date | None:
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value[:10])


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "whole": _whole,
    "decimal": _decimal,
    "day": _day,
    "text": _text,
}
_NAMES = {
    "whole": ("整数", "a whole number"),
    "decimal": ("数字", "a number"),
    "day": ("日期", "a date"),
    "text": ("文字", "a text"),
}


def _csv_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        rows = csv.DictReader(file, delimiter="\t" if "\t" in header else ",")
        return [{column: value or None for column, value in row.items()} for row in rows]


def _parquet_rows(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(path).to_pylist()
    except pa.ArrowException as error:
        raise UNREADABLE.error(what=path.name) from error
    return rows


def _json_rows(path: Path) -> list[Row]:
    return _objects(_json(path.read_text(encoding="utf-8-sig"), path.name), path.name)


_READERS: Mapping[str, Callable[[Path], list[Row]]] = {
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
    ".json": _json_rows,
}


def _file_rows(path: Path) -> list[Row]:
    return _READERS[path.suffix](path)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UNREADABLE.error(what=what) from error


def _objects(rows: Any, what: str) -> list[Row]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UNREADABLE.error(what=what)
    return rows
