"""The result rows as a typed table that R, Python, SAS and DuckDB read: the rows of ard.json, nothing besides.

A row's value is a number, a whole number, a word or nothing, and a Parquet column has one type: so there are
three columns, of which one at most is filled. docs/reference/ard.md explains every column.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from studies.results import FORMAT_VERSION, ArdRow, ResultSet, Value

ARD_PARQUET = "data/05_results/ard.parquet"
# Column -> its type; lists hold texts. In the order of `ArdRow`, `value` as three.
COLUMNS: Mapping[str, str] = {
    "id": "string",
    "analysis": "string",
    "method": "string",
    "group": "string",
    "variable": "string",
    "statistic": "string",
    "value_number": "double",
    "value_integer": "int64",
    "value_text": "string",
    "unit": "string",
    "ci_low": "double",
    "ci_high": "double",
    "ci_level": "double",
    "n": "int64",
    "events": "int64",
    "variables": "list<string>",
    "row_set": "string",
    "data_hash": "string",
    "engine": "string",
    "engine_version": "string",
    "warnings": "list<string>",
}
_VALUES = ("value_number", "value_integer", "value_text")
# A result that need not be there; every other column is never null.
_OPTIONAL = frozenset({*_VALUES, "ci_low", "ci_high", "ci_level", "n", "events"})

UNREADABLE = Problem(
    code="evidence.ard_parquet_unreadable",
    zh="{name} 不是本平台写出的结果行文件：无法读取，或列与类型不符。",
    en="{name} is not a file of result rows as the platform writes them: it cannot be read, or columns differ.",
    next_zh="请核验证据包（`rwd verify`），并以其中的 ard.json 为准。",
    next_en="Verify the package (`rwd verify`) and go by its ard.json.",
    exit=Exit.MALFORMED,
)


def ard_parquet(results: ResultSet) -> bytes:
    """The rows as Parquet. The same rows give the same bytes under one version of the library."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [_cell(row, name) for row in results.rows] for name in COLUMNS}
    said = {
        "format_version": str(FORMAT_VERSION),
        "study": results.study,
        "protocol_sha256": results.protocol_sha256,
        "lock_id": results.lock_id,
    }
    table = pa.table(columns, schema=_schema().with_metadata(said))
    made = io.BytesIO()
    pq.write_table(table, made, compression="zstd", version="2.6", write_statistics=False)
    return made.getvalue()


def read_ard_parquet(content: bytes, name: str = ARD_PARQUET) -> tuple[ArdRow, ...]:
    """The rows as they were written. Raises `evidence.ard_parquet_unreadable` for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        if not file.schema_arrow.equals(_schema(), check_metadata=False):
            raise ValueError("columns differ")
        read = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        raise UNREADABLE.error(name=name) from None
    return tuple(_row(one) for one in read)


def _schema() -> Any:
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "double": pa.float64(),
        "int64": pa.int64(),
        "list<string>": pa.list_(pa.field("element", pa.string(), nullable=False)),
    }
    return pa.schema(
        [pa.field(name, types[kind], nullable=name in _OPTIONAL) for name, kind in COLUMNS.items()]
    )


def _cell(row: ArdRow, name: str) -> Any:
    if name not in _VALUES:
        found = getattr(row, name)
        return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else found
    return row.value if name == _column_of(row.value) else None


def _column_of(value: Value) -> str:
    if isinstance(value, str):
        return "value_text"
    return "value_integer" if isinstance(value, int) else "value_number"


def _row(read: Mapping[str, Any]) -> ArdRow:
    value = next((read[name] for name in _VALUES if read[name] is not None), None)
    kept = {name: read[name] for name in COLUMNS if name not in _VALUES}
    lists = {name: tuple(kept[name]) for name in ("variables", "warnings")}
    return ArdRow(**{**kept, **lists, "value": value})
