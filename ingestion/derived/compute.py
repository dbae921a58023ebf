"""SQL over the lake's tables, run in memory by DuckDB: tables in, one table out."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.views import load_views, tables_of
from rwd_platform.core import columns as core
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path(__file__).parent
DERIVED = ("device_use", "observation_period")
# What every table of the lake has, and these tables are joined by.
_KEYS = {
    core.ORGANISATION_ID: "text",
    core.SOURCE_SYSTEM: "text",
    core.RESOURCE_TYPE: "text",
    core.RESOURCE_ID: "text",
    core.ROW_INDEX: "integer",
    core.PATIENT_ID: "text",
}
_NEEDED = (core.ORGANISATION_ID, core.PATIENT_ID)

UNKNOWN = Problem(
    code="derived.unknown",
    zh="没有名为 {name} 的派生表。",
    en="There is no derived table {name}.",
    next_zh="请使用 {known} 之一。",
    next_en="Use one of {known}.",
    http=404,
)
COLUMN_MISSING = Problem(
    code="derived.column_missing",
    zh="表 {table} 缺少列 {column}，无法推算派生表。",
    en="Table {table} has no column {column}, so nothing can be derived from it.",
    next_zh="请传入数据湖中的整张表，而不是其中几列。",
    next_en="Hand over the lake's whole table, not some of its columns.",
)
COLUMN_UNFIT = Problem(
    code="derived.column_unfit",
    zh="表 {table} 的列 {column} 与其定义的类型不符，无法推算派生表。",
    en="Column {column} of table {table} is not of the type its definition says, so nothing can be derived.",
    next_zh="请核对视图定义（ingestion/definitions）与该表是否为同一版本。",
    next_en="Check that the view (ingestion/definitions) and the table are of the same version.",
)


@dataclass(frozen=True)
class DerivedColumn:
    """A column of a derived table. `type` is its FHIR type."""

    table: str
    name: str
    type: str
    zh: str
    en: str


@cache
def columns_of(name: str) -> tuple[DerivedColumn, ...]:
    """The columns of a derived table in their order. Raises `derived.unknown`."""
    if name not in DERIVED:
        raise UNKNOWN.error(name=name[:80], known=", ".join(DERIVED))
    return tuple(
        DerivedColumn(row["table"], row["column"], row["type"], row["zh"], row["en"])
        for row in _rows("columns.csv")
        if row["table"] == name
    )


def derive(name: str, tables: Mapping[str, Any]) -> pd.DataFrame:
    """`derive_table` as a frame. Absent values are None; whole numbers are Int64."""
    import pandas as pd
    import pyarrow as pa

    frame: pd.DataFrame = derive_table(name, tables).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def derive_table(name: str, tables: Mapping[str, Any]) -> Any:
    """A derived table (Arrow) of lake tables by name, rows in a fixed order.

    tables -- frames, Arrow tables, or Arrow datasets over the lake's files, of which only the columns that are asked
              for are read. A table that is not handed over counts as empty, a column that an older table does not
              have yet as unknown.
    Raises `derived.unknown`, `derived.column_missing`, `derived.column_unfit`.
    """
    import duckdb
    import pyarrow as pa

    wanted = columns_of(name)
    with duckdb.connect(
        ":memory:", config={"enable_external_access": "false", "temp_directory": tempfile.gettempdir()}
    ) as connection:
        for table, columns in _stored().items():
            connection.register(table, _as_arrow(table, columns, tables.get(table)))
        connection.register("death", pa.Table.from_pylist(_rows("deaths.csv")))
        connection.execute((_FOLDER / "dates.sql").read_text(encoding="utf-8"))
        connection.execute(f"create view contact as {_contacts()}")
        found = connection.sql((_FOLDER / f"{name}.sql").read_text(encoding="utf-8")).to_arrow_table()
    return found.select([column.name for column in wanted])


@dataclass(frozen=True)
class Contact:
    """A date column of the lake: whether it is a contact, which rows are left out, and why."""

    table: str
    column: str
    is_contact: bool
    left_out: tuple[tuple[str, tuple[str, ...]], ...]  # column -> values
    reason: Bilingual


@cache
def contacts() -> tuple[Contact, ...]:
    """contacts.csv, one line a date column."""
    return tuple(
        Contact(
            row["table"],
            row["column"],
            row["contact"] == "yes",
            tuple(
                (row[column], tuple(row[values].split("|")))
                for column, values in (("status_column", "leave_out"), ("also_column", "also_leave_out"))
                if row[column]
            ),
            Bilingual(row["zh"], row["en"]),
        )
        for row in _rows("contacts.csv")
    )


def _contacts() -> str:
    """Every contact as one row: whose, from where, and the date as written. Names and values are this folder's own."""
    return "\nunion all\n".join(_one_contact(one) for one in contacts() if one.is_contact)


def _one_contact(one: Contact) -> str:
    criteria = [f"{one.column} is not null", "patient_id <> ''"]
    for column, values in one.left_out:
        listed = ", ".join(f"'{value}'" for value in values)
        criteria.append(f"coalesce({column}, '') not in ({listed})")
    dead = " anti join death using (code_system, code, value_code)" if one.table == "outcome_event" else ""
    return (
        f"select organisation_id, patient_id, '{one.table}.{one.column}' as source, {one.column} as written "  # noqa: S608 - every part is from contacts.csv
        f"from {one.table}{dead} where {' and '.join(criteria)}"
    )


@cache
def _stored() -> Mapping[str, Mapping[str, str]]:
    """The lake's tables: the kind of each column, as text, boolean, integer, decimal or double."""
    return {
        name: {**_KEYS, **{column.name: column.storage for column in view.columns}}
        for name, view in tables_of(load_views()).items()
    }


def _as_arrow(table: str, columns: Mapping[str, str], given: Any) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as ds

    kinds = {
        "text": pa.string(),
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "decimal": pa.float64(),
        "double": pa.float64(),
    }
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    if given is None:
        return schema.empty_table()
    names = _names(given)
    for column in _NEEDED:
        if column not in names:
            raise COLUMN_MISSING.error(table=table, column=column)
    if isinstance(given, ds.Dataset):
        return given.replace_schema(schema)
    arrays = []
    for field in schema:
        if field.name not in names:
            arrays.append(pa.nulls(len(given), field.type))
            continue
        try:
            arrays.append(_array(given[field.name], field.type))
        except (pa.ArrowException, TypeError, ValueError):
            # Arrow's own message repeats the value.
            raise COLUMN_UNFIT.error(table=table, column=field.name) from None
    return pa.Table.from_arrays(arrays, schema=schema)


def _names(given: Any) -> set[str]:
    import pyarrow as pa
    import pyarrow.dataset as ds

    if isinstance(given, ds.Dataset):
        return set(given.schema.names)
    return set(given.column_names if isinstance(given, pa.Table) else map(str, given.columns))


def _array(values: Any, kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        return values.cast(kind)
    return pa.Array.from_pandas(values, type=kind)


def _rows(file: str) -> list[dict[str, str]]:
    return list(_lines(_FOLDER / file))


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader((line for line in stream if not line.startswith("#")), strict=True)
