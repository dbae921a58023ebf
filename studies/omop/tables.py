"""Events as tables of the model: the rows in a fixed order, numbered, with every field of OMOP CDM 5.4 typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from studies.omop.events import Judged
from studies.omop.rules import Field, load_fields

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_FIRST = ("person_id", "start", "end", "source_code")
_NOT_SORTED_BY = frozenset({"record", "event_key"})
_INTEGERS = 2**31


def events_of(judged: Sequence[Judged]) -> dict[str, pd.DataFrame]:
    """{table of OMOP: its events, with `id` from 1}.

    The order comes from the rows' own content, so that a lock is exported the same way each time. Nothing but the
    order of the project's pseudonyms decides about a person's number: the same patient has others elsewhere.
    """
    import pandas as pd

    by_table: dict[str, list[pd.DataFrame]] = {}
    for one in judged:
        for target, rows in one.frame.groupby("target", sort=True):
            by_table.setdefault(str(target), []).append(rows.dropna(axis="columns", how="all"))
    return {table: numbered(pd.concat(rows, ignore_index=True)) for table, rows in by_table.items()}


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    others = sorted(set(frame.columns) - {*_FIRST} - _NOT_SORTED_BY)
    columns = [name for name in (*_FIRST, *others) if name in frame.columns]
    ordered = frame.sort_values(columns, kind="stable", key=_sortable, ignore_index=True)
    return ordered.assign(id=range(1, len(ordered) + 1))


def _sortable(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype(str).where(column.notna(), "") if column.dtype == object else column


def project(table: str, frame: pd.DataFrame, unfit: Counter[str]) -> pa.Table:
    """The table with all its fields. Values that a field cannot hold are left empty and counted in `unfit`."""
    import pyarrow as pa

    fields = load_fields()[table]
    arrays = [pa.array(_values(field, frame, unfit), _arrow_type(field)) for field in fields]
    named = [pa.field(field.name, _arrow_type(field), nullable=not field.required) for field in fields]
    return pa.Table.from_arrays(arrays, schema=pa.schema(named))


def _arrow_type(field: Field) -> Any:
    import pyarrow as pa

    if field.type == "integer":
        return pa.int32()
    if field.type == "float":
        return pa.float64()
    return {"date": pa.date32(), "datetime": pa.timestamp("s")}.get(field.type, pa.string())


def _values(field: Field, frame: pd.DataFrame, unfit: Counter[str]) -> list[Any]:
    import pandas as pd

    if field.source == "not_collected":
        return [0] * len(frame)
    if field.source not in frame.columns:
        return [None] * len(frame)
    values: list[Any] = []
    for value in frame[field.source].astype(object):
        if pd.isna(value):
            values.append(None)
            continue
        fitted = _fitted(field, value)
        if fitted is None:
            unfit[f"{field.table}.{field.name}"] += 1
        values.append(fitted)
    return values


def _fitted(field: Field, value: Any) -> Any:
    if field.type == "integer":
        whole = float(value) == int(value) and -_INTEGERS <= int(value) < _INTEGERS
        return int(value) if whole else None
    if field.type == "float":
        return float(value)
    if field.type == "date":
        return date.fromisoformat(value)
    text = str(value)
    return text if field.length is None or len(text) <= field.length else None
