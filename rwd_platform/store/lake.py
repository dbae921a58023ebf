"""The lake: one Delta table per subject (patient, measurement, ...) at lake/<table>/v1.

An upload is one commit a table, and the same upload admitted again gives the same state. A resource that
comes with newer content replaces all its rows, whichever upload brought the older ones. No partition
columns and no deletion vectors, so that every engine can read the files as plain Parquet.

A table grows by columns: what its definition has and the table has not comes with the next upload that changes
the table, in the same commit, and is null in older rows. It never loses or re-types a column.

Older versions serve one purpose, to undo an admission that did not end; nothing else may rely on them. They hold
rows that were replaced since, so compaction, a rotation of keys and an undone admission forget them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from rwd_platform.core import columns as core
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.delta_files import (
    delta_version,
    forget_older_versions,
    one_writer,
    orphans,
    present_rows,
    rows_version,
    same_rows_note,
    while_files_last,
)
from rwd_platform.store.layout import Layout, safe_name
from rwd_platform.store.replacing import (
    CONTENT_SHA256,
    RESOURCE_KEY,
    UPLOAD_ID,
    ResourceKey,
    commit_note,
    compare,
    merge,
    resources_of,
    standing_rows,
)

FORMAT_VERSION = 1
# The table's log keeps no smallest and largest values: they are pseudonyms and dates of patients in clear text.
_NO_STATISTICS = {"delta.dataSkippingNumIndexedCols": "0"}
LEDGER = "resource"  # the table with one row for every accepted resource

_BATCH_ROWS = 20_000
_ARROW_TYPES = {
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt", "integer64"), "int64"),
    "decimal": "double",
    "boolean": "bool",
    # FHIR dates stay text: their precision is part of what they say.
    **dict.fromkeys(("date", "dateTime", "instant", "time", "string", "code", "id", "uri", "url"), "string"),
    **dict.fromkeys(("canonical", "oid", "uuid", "markdown", "base64Binary"), "string"),
}
_EVERY_TABLE = {
    core.ORGANISATION_ID: "string",
    core.SOURCE_SYSTEM: "string",
    core.RESOURCE_TYPE: "string",
    core.RESOURCE_ID: "string",
    core.PATIENT_ID: "string",
    core.ROW_INDEX: "integer",
    core.SOURCE_FILE: "string",
    core.SOURCE_LINE: "integer",
    core.LINE_DIGEST: "string",
    CONTENT_SHA256: "string",
    UPLOAD_ID: "string",
    "format_version": "integer",
}

TABLE_UNKNOWN = Problem(
    code="lake.table_unknown",
    zh="研究数据库中没有表 {table}。",
    en="The study store has no table {table}.",
    next_zh="请核对表名；表由 ViewDefinition 定义，见 `rwd views`。",
    next_en="Check the name; tables are defined by ViewDefinitions, see `rwd views`.",
    http=404,
)
SCHEMA_DIFFERS = Problem(
    code="lake.schema_differs",
    zh="表 {table} 已有的列在其定义中缺失或类型不同：{columns}。",
    en="Table {table} has columns that its definition lacks or gives another type: {columns}.",
    next_zh="表可以在末尾增加列，但不能删除列或更改类型：请恢复这些列的定义，或提高表的版本并重建。",
    next_en="A table may gain columns, but never lose or re-type one: define these columns as they were, or raise "
    "the table's version and rebuild it.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
ROW_MALFORMED = Problem(
    code="lake.row_malformed",
    zh="写入表 {table} 的行不符合其定义：列 {columns}。",
    en="Rows for table {table} do not fit its definition: column {columns}.",
    next_zh="请检查产生该列的 ViewDefinition 的类型与列名。",
    next_en="Check the type and names in the ViewDefinition that gives this column.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


class Lake:
    """The lake of one deployment. One writer a table at a time; readers never wait."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._defined: dict[str, dict[str, str]] = {}
        self.define(LEDGER, ())

    def define(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        """Say which columns a table has: (name, FHIR type). The columns of every table come by themselves."""
        unknown = [f"{name} ({kind})" for name, kind in columns if kind not in _ARROW_TYPES]
        if unknown:
            raise ROW_MALFORMED.error(table=table, columns=", ".join(unknown))
        own = {name: kind for name, kind in columns if name not in _EVERY_TABLE}
        self._defined[safe_name(table, "table")] = {**_EVERY_TABLE, **own}

    def schema(self, table: str) -> Any:
        """The columns of a table as stored (Arrow), and behind them those of its definition that it has not yet."""
        from deltalake import DeltaTable

        path = self._path(table)
        if not DeltaTable.is_deltatable(str(path)):
            return self._schema(table)
        return while_files_last(path, lambda delta: self._with_defined(table, delta))

    def replace_upload(
        self,
        table: str,
        upload_id: str,
        rows: Iterable[Mapping[str, Any]],
        accepted: Mapping[ResourceKey, str] | None = None,
    ) -> int | None:
        """Make `rows` the upload's rows in a table, in one commit; returns the table's version after it.

        Gone afterwards: the upload's earlier rows, and other uploads' rows of the same resources.
        `accepted` maps every resource of the upload to its content_sha256; it also removes older rows of
        a resource that gives none here any more. Without it the resources are those of `rows`, and of
        a resource that comes twice the last content stands.
        """
        from deltalake import DeltaTable, write_deltalake

        path = self._path(table)
        new = self._arrow_rows(table, upload_id, rows)
        new = new.filter(standing_rows(new, accepted))
        resources = set(accepted) if accepted is not None else resources_of(new)
        with one_writer(path):
            if not DeltaTable.is_deltatable(str(path)):
                if len(new) == 0:
                    return None
                note = commit_note(upload_id)
                write_deltalake(path, new, configuration=_NO_STATISTICS, commit_properties=note)
                return int(DeltaTable(path).version())
            delta = DeltaTable(path)
            self._check_columns(table, delta)
            with self._layout.scratch("spill") as scratch:
                stored = present_rows(delta, path, self._with_defined(table, delta))
                old, unchanged = compare(stored, upload_id, resources, new, scratch)
            if unchanged:
                return int(delta.version())
            if len(old):
                merge(delta, new, old, upload_id)
            else:
                write_deltalake(
                    delta, new, mode="append", schema_mode="merge", commit_properties=commit_note(upload_id)
                )
            return int(DeltaTable(path).version())

    def read(self, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table's rows in the order of the merge key. Integers are Int64, absent text is None.

        A column that is defined, and that the table has not gained yet, is null in every row.
        """
        import pyarrow as pa
        from deltalake import DeltaTable

        path = self._path(table)
        if DeltaTable.is_deltatable(str(path)):
            wanted = None if columns is None else list(dict.fromkeys((*core.MERGE_KEY, *columns)))

            def rows(delta: Any) -> Any:
                return present_rows(delta, path, self._with_defined(table, delta)).to_table(columns=wanted)

            arrow = while_files_last(path, rows)
        else:
            arrow = self._schema(table).empty_table()
        arrow = arrow.sort_by([(name, "ascending") for name in core.MERGE_KEY])
        nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = arrow.to_pandas(types_mapper=nullable.get)
        return frame if columns is None else frame[list(columns)]

    def tables(self) -> tuple[str, ...]:
        """The tables that hold anything, by name."""
        from deltalake import DeltaTable

        there = self._layout.lake.glob(f"*/v{FORMAT_VERSION}")
        return tuple(sorted(path.parent.name for path in there if DeltaTable.is_deltatable(str(path))))

    def versions(self) -> dict[str, int]:
        """Each table's version of its rows: together they name one state of the lake.

        Compaction and forgetting change files and no row, so they change no version here.
        """
        return {table: while_files_last(self._path(table), rows_version) for table in self.tables()}

    def delta_versions(self) -> dict[str, int]:
        """Each table's Delta version: it rises with every commit, those that change no row included."""
        return {table: while_files_last(self._path(table), delta_version) for table in self.tables()}

    def known_resources(
        self, organisation_id: str, source_system: str, *, except_upload: str | None = None
    ) -> dict[tuple[str, str], str]:
        """(type, id) -> content_sha256 of every accepted resource of one source.

        An upload that is admitted again passes its own id as `except_upload`: otherwise it would meet
        what its first attempt had stored, and call it a duplicate.
        """
        from deltalake import DeltaTable

        path = self._path(LEDGER)
        if not DeltaTable.is_deltatable(str(path)):
            return {}
        names = [*RESOURCE_KEY, CONTENT_SHA256, UPLOAD_ID]

        def read(delta: Any) -> dict[tuple[str, str], str]:
            known = {}
            # Batch by batch, and compared here: a merge writes text in a kind that Arrow cannot filter by.
            for batch in present_rows(delta, path).to_batches(columns=names):
                columns = (batch.column(name).to_pylist() for name in names)
                for organisation, source, kind, resource, content, upload in zip(*columns, strict=True):
                    if (organisation, source) == (organisation_id, source_system) and upload != except_upload:
                        known[kind, resource] = content
            return known

        return while_files_last(path, read)

    def sweep(self) -> int:
        """Remove files that no log entry names: what a killed writer left, patients' rows included.

        Delta's own vacuum leaves some of them (temporary names such as `part-...parquet#1`). Waits for a
        table's writer, so that nothing in the making is taken away. Returns how many files went.
        """
        removed = 0
        for path in sorted(self._layout.lake.glob("*/v*")):
            with one_writer(path):
                for orphan in sorted(orphans(path)):
                    orphan.unlink()
                    removed += 1
        return removed

    def rewrite(self, table: str, change: Callable[[Any], Any], note: str) -> None:
        """Put `change` of a table's rows (an Arrow table) in their place, in one commit. Same columns."""
        from deltalake import DeltaTable, write_deltalake

        path = self._path(table)
        with one_writer(path):
            delta = DeltaTable(path)
            rows = present_rows(delta, path).to_table()
            changed = change(rows).cast(rows.schema)
            if not _NO_STATISTICS.items() <= delta.metadata().configuration.items():  # made by version 0.1
                delta.alter.set_table_properties(dict(_NO_STATISTICS))
                delta = DeltaTable(path)
            write_deltalake(delta, changed, mode="overwrite", commit_properties=commit_note(note))

    def forget_history(self, table: str) -> int:
        """Remove the files that only earlier versions of a table name: how many. They can never be read again.

        The log of those versions goes too, behind a checkpoint: it says what the smallest and the largest
        values were.
        """
        path = self._path(table)
        with one_writer(path):
            return forget_older_versions(path)

    def restore(self, table: str, delta_version: int, rows: int) -> None:
        """Put a table's rows back to those of an earlier Delta version, whose rows have the version `rows`."""
        from deltalake import DeltaTable

        path = self._path(table)
        with one_writer(path):
            DeltaTable(path).restore(delta_version, commit_properties=same_rows_note(rows))

    def folder_of(self, table: str) -> Path:
        """Where a table's Delta folder lies."""
        return self._path(table)

    def _path(self, table: str) -> Path:
        return self._layout.lake / safe_name(table, "table") / f"v{FORMAT_VERSION}"

    def _is_defined(self, table: str) -> bool:
        """Whether somebody said which columns it has: here, or for every lake of this home."""
        if table not in self._defined:
            columns = self._layout.tables().get(table)
            if columns is not None:
                self.define(table, columns)
        return table in self._defined

    def _schema(self, table: str) -> Any:
        import pyarrow as pa

        if not self._is_defined(table):
            raise TABLE_UNKNOWN.error(table=table)
        columns = self._defined[table]
        return pa.schema([(name, pa.type_for_alias(_ARROW_TYPES[kind])) for name, kind in columns.items()])

    def _check_columns(self, table: str, delta: Any) -> None:
        """Raises `lake.schema_differs` where the definition lost or re-typed a column of the table."""
        import pyarrow as pa

        kinds = {field.name: str(field.type) for field in self._schema(table)}
        there = pa.schema(delta.schema().to_arrow())
        differing = sorted(field.name for field in there if kinds.get(field.name) != str(field.type))
        if differing:
            raise SCHEMA_DIFFERS.error(table=table, columns=", ".join(differing))

    def _with_defined(self, table: str, delta: Any) -> Any:
        """The table's columns, and behind them those of its definition that it has not gained yet."""
        import pyarrow as pa

        there = pa.schema(delta.schema().to_arrow())
        defined = self._schema(table) if self._is_defined(table) else ()
        return pa.schema([*there, *(field for field in defined if field.name not in there.names)])

    def _arrow_rows(self, table: str, upload_id: str, rows: Iterable[Mapping[str, Any]]) -> Any:
        """The rows as one Arrow table, converted batch by batch: a row as a dict is ten times as large."""
        import pyarrow as pa

        schema = self._schema(table)
        fixed = {UPLOAD_ID: upload_id, "format_version": FORMAT_VERSION}
        source = iter(rows)
        batches = []
        while batch := list(islice(source, _BATCH_ROWS)):
            strange = {name for row in batch for name in row if name not in schema.names}
            if strange:
                raise ROW_MALFORMED.error(table=table, columns=", ".join(sorted(strange)))
            arrays = [
                _array(table, field, [fixed.get(field.name, row.get(field.name)) for row in batch])
                for field in schema
            ]
            batches.append(pa.record_batch(arrays, schema=schema))
        return pa.Table.from_batches(batches, schema=schema)


def _array(table: str, field: Any, values: list[Any]) -> Any:
    import pyarrow as pa

    if pa.types.is_floating(field.type):
        values = [float(value) if isinstance(value, (Decimal, int)) else value for value in values]
    try:
        array = pa.array(values, type=field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        # Arrow's own message repeats the value.
        raise ROW_MALFORMED.error(table=table, columns=field.name) from None
    if array.null_count and field.name in (*core.MERGE_KEY, CONTENT_SHA256):
        raise ROW_MALFORMED.error(table=table, columns=field.name)
    return array
