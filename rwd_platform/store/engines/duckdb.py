"""DuckDB inside this process: the engine that every deployment has.

It never touches the network: what it would fetch by itself is turned off. What does not fit into its memory
goes to its folder for temporary files, and away with the connection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rwd_platform.store.engines.table_files import Files, Schemas, check_files
from rwd_platform.store.engines.wording import worded_as_built

MEMORY = "640MB"  # with Python, Ibis and Arrow the process stays below 1 GiB

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any


@contextlib.contextmanager
def open_tables(
    files: Files,
    schemas: Schemas | None = None,
    *,
    memory: str = MEMORY,
    temporary: Path | None = None,
    threads: int | None = None,
) -> Iterator[dict[str, Expr]]:
    """The tables as Ibis tables, as long as the `with` block lasts.

    memory    -- DuckDB's own limit, such as "640MB"; the process needs about 250 MB beside it
    temporary -- where it may spill to; None: nowhere, and what does not fit fails
    Raises `engine.no_files`, `engine.file_missing`.
    """
    import ibis

    schemas = schemas or {}
    check_files(files, schemas)
    given = {} if threads is None else {"threads": threads}
    connection = ibis.duckdb.connect(
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
        memory_limit=memory,
        temp_directory="" if temporary is None else str(temporary),
        preserve_insertion_order=False,  # rows have no order but the one that is asked for
        **given,
    )
    try:
        with worded_as_built():
            yield {table: _table(connection, table, files[table], schemas.get(table)) for table in files}
    finally:
        connection.disconnect()


def write_parquet(rows: Expr, path: Path, row_group: int) -> Expr:
    """Write rows to a file, so many in a group, and give the file back as a table of the same connection."""
    import ibis

    connection = ibis.get_backend(rows)
    connection.to_parquet(rows, path, row_group_size=row_group)
    return connection.read_parquet(path)


def _table(connection: Any, table: str, paths: Any, schema: Any) -> Expr:
    """A table's files as one; with a schema also what no file has yet, and in the schema's order."""
    import ibis
    import pyarrow as pa

    if not paths:
        connection.con.register(table, schema.empty_table())
        return connection.table(table)
    rows = connection.read_parquet(list(paths), table_name=table, union_by_name=len(paths) > 1)
    if schema is None:
        return rows
    wanted = ibis.Schema.from_pyarrow(pa.schema(schema))
    return rows.select(
        **{name: rows[name] if name in rows.columns else ibis.null(kind) for name, kind in wanted.items()}
    )
