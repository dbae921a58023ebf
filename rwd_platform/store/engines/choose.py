"""Which engine a deployment computes with: DuckDB inside this process, or Spark by its address."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.engines import duckdb, spark
from rwd_platform.store.engines.table_files import Files, Schemas

DUCKDB = "duckdb"
SPARK_LOCAL = "spark-local"

UNKNOWN = Problem(
    code="engine.unknown",
    zh="RWD_ENGINE 的值 {engine} 不是可用的计算引擎。",
    en="RWD_ENGINE says {engine}, which is no engine.",
    next_zh="请写 duckdb、spark-local，或 Spark 集群的地址 spark://主机:7077。",
    next_en="Write duckdb, spark-local, or the address of a Spark cluster, spark://host:7077.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def open_tables(
    files: Files,
    schemas: Schemas | None = None,
    *,
    engine: str = DUCKDB,
    temporary: Path | None = None,
) -> AbstractContextManager[dict[str, Any]]:
    """The tables as Ibis tables of the engine named: "duckdb", "spark-local" or "spark://host:7077".

    Raises `engine.unknown`, and on entering what the engine raises.
    """
    if engine == DUCKDB:
        return duckdb.open_tables(files, schemas, temporary=temporary)
    if engine == SPARK_LOCAL:
        return spark.open_tables(files, schemas, master="local[*]")
    if spark.is_address(engine):
        return spark.open_tables(files, schemas, master=engine)
    raise UNKNOWN.error(engine=engine)
