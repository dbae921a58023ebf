"""Apache Spark, by address: the engine for what one machine cannot hold. The only place that knows pyspark.

A session takes many seconds to start, and on a cluster of its own holds the cluster's cores as long as it lives.
So there is one a process, made by whoever asks first and stopped when the last one is done; who asks between has
the same one, from whichever thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.engines.table_files import Files, Schemas, check_files

JAVA = 17  # what Spark 4 needs
LOCAL = "local[2]"
_CONNECT_SECONDS = 5.0
_EXECUTOR_SECONDS = 60.0
_ADDRESS = re.compile(r"spark://(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")

# pyspark is not installed everywhere, and Ibis comes without types: sessions and tables are Any here.
Expr = Any
Session = Any

PYSPARK_MISSING = Problem(
    code="engine.pyspark_missing",
    zh="未安装 PySpark，无法使用 Spark 计算引擎。",
    en="PySpark is not installed, so Spark cannot be the engine.",
    next_zh="请运行 `pip install --require-hashes -r requirements/spark.lock`（约 430 MB），或设 RWD_ENGINE=duckdb。",
    next_en="Run `pip install --require-hashes -r requirements/spark.lock` (about 430 MB), or set RWD_ENGINE=duckdb.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
JAVA_MISSING = Problem(
    code="engine.java_missing",
    zh="未找到 Java {wanted} 或更新的版本，Spark 无法启动。",
    en="No Java {wanted} or newer was found, so Spark cannot start.",
    next_zh="请安装 Java 运行环境（如 openjdk-17-jre-headless），或用 JAVA_HOME 指明其位置。",
    next_en="Install a Java runtime (openjdk-17-jre-headless for one), or say with JAVA_HOME where it is.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
MASTER_UNREACHABLE = Problem(
    code="engine.master_unreachable",
    zh="{seconds} 秒内无法连接 Spark 主节点 {master}。",
    en="The Spark master {master} could not be reached within {seconds} seconds.",
    next_zh="请核对 RWD_ENGINE 中的主机与端口、网络与防火墙，以及主节点是否在运行。",
    next_en="Check host and port in RWD_ENGINE, the network and its firewalls, and that the master is running.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
NO_EXECUTOR = Problem(
    code="engine.no_executor",
    zh="Spark 主节点 {master} 在 {seconds} 秒内没有分配任何执行器。",
    en="The Spark master {master} gave no executor within {seconds} seconds.",
    next_zh="请检查工作节点是否已注册、是否还有空闲的核与内存，以及工作节点能否连回本机（SPARK_LOCAL_IP）。",
    next_en="Check that workers are registered, have cores and memory free, and reach this machine (SPARK_LOCAL_IP).",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
SESSION_FAILED = Problem(
    code="engine.session_failed",
    zh="Spark 会话未能启动（{kind}）。",
    en="The Spark session did not start ({kind}).",
    next_zh="请查看标准错误中 Spark 自己的说明；常见原因是版本不同的主节点，或内存不足。",
    next_en="Spark's own words are on standard error; often the master has another version, or memory is short.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
OTHER_MASTER = Problem(
    code="engine.other_master",
    zh="本进程的 Spark 会话连着 {present}，不能同时连接 {master}。",
    en="This process has a Spark session on {present}; it cannot have one on {master} as well.",
    next_zh="请等前一项计算结束，或在另一个进程中运行。",
    next_en="Wait until that computation is done, or run this one in another process.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)

_SETTINGS = {
    "spark.app.name": "rwd-platform",
    "spark.ui.enabled": "false",  # pages without a login would show queries
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a number that overflows fails, as on DuckDB, and does not wrap round
    "spark.sql.analyzer.maxIterations": "1000",  # a definition can nest deeper than the 100 that Spark allows
    "spark.sql.optimizer.maxIterations": "1000",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.parquet.enableVectorizedReader": "true",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


def is_address(text: str) -> bool:
    """Whether a text is the address of a standalone master, spark://host:port."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and 0 < int(match["port"]) < 65536


@contextlib.contextmanager
def open_tables(
    files: Files,
    schemas: Schemas | None = None,
    *,
    master: str = LOCAL,
    settings: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Expr]]:
    """The tables as Ibis tables on Spark, as long as the `with` block lasts.

    Every worker must see the files at the same paths (a shared file system).
    Raises `engine.no_files`, `engine.file_missing`, and what `session` raises.
    """
    schemas = schemas or {}
    check_files(files, schemas)
    with session(master, settings) as spark:
        import ibis

        connection = ibis.pyspark.connect(spark)
        own = uuid.uuid4().hex[:12]  # two openings of one session do not meet
        views = {table: f"{table}_{own}" for table in files}
        try:
            for table, view in views.items():
                _rows(spark, files[table], schemas.get(table)).createOrReplaceTempView(view)
            yield {table: connection.table(view) for table, view in views.items()}
        finally:
            for view in views.values():
                spark.catalog.dropTempView(view)


def _rows(spark: Session, paths: Sequence[str], schema: Any) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    if schema is None:
        return spark.read.option("mergeSchema", "true").parquet(*paths)
    wanted = from_arrow_schema(schema)
    return spark.read.schema(wanted).parquet(*paths) if paths else spark.createDataFrame([], wanted)


# -- sessions --------------------------------------------------------------------------------------


@dataclass
class _Opened:
    """This process's session, its master, and how many use it now."""

    master: str
    session: Session
    users: int = 0


_opened: list[_Opened] = []  # at most one
_guard = threading.Lock()


@contextlib.contextmanager
def session(master: str = LOCAL, settings: Mapping[str, str] | None = None) -> Iterator[Session]:
    """This process's Spark session; while one is open, that one.

    settings -- Spark's own, beside ours
    Raises `engine.pyspark_missing`, `engine.java_missing`, `engine.master_unreachable`, `engine.no_executor`,
    `engine.session_failed`, `engine.other_master`.
    """
    with _guard:  # who comes while it starts waits for it
        if not _opened:
            _opened.append(_Opened(master, _start(master, settings or {})))
        ours = _opened[0]
        if ours.master != master:
            raise OTHER_MASTER.error(present=ours.master, master=master)
        ours.users += 1
    try:
        yield ours.session
    finally:
        with _guard:
            ours.users -= 1
            if not ours.users:
                _opened.clear()
                ours.session.stop()


def _start(master: str, settings: Mapping[str, str]) -> Session:
    check_installed()
    if is_address(master):
        check_reachable(master, _CONNECT_SECONDS)
    from pyspark.sql import SparkSession

    # The workers run the Python of the same path: versions that differ would not understand each other.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master)
    for name, value in {**_SETTINGS, **_addresses(master), **settings}.items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except Exception as error:  # py4j and pyspark raise many kinds; each says what it is by its name
        raise SESSION_FAILED.error(kind=type(error).__name__) from error
    try:
        if is_address(master):
            _wait_for_executor(spark, master, _EXECUTOR_SECONDS)
    except BaseException:
        spark.stop()
        raise
    return spark


def _addresses(master: str) -> dict[str, str]:
    """Where the driver listens: on this machine alone, unless the master is elsewhere."""
    match = _ADDRESS.fullmatch(master)
    if match is None or match["host"] in ("127.0.0.1", "localhost"):
        return {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    return {}


def check_installed() -> None:
    """Raises `engine.pyspark_missing` or `engine.java_missing`. A start without Java would say nothing useful."""
    try:
        import pyspark  # noqa: F401 - whether it is there is the question
    except ImportError:
        raise PYSPARK_MISSING.error() from None
    if (java_version() or 0) < JAVA:
        raise JAVA_MISSING.error(wanted=JAVA)


def java_version() -> int | None:
    """The major version of the Java that Spark would start, or None where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        return None
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 - Java by its own path
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', said.stderr)
    return int(match[1]) if match else None


def check_reachable(master: str, seconds: float) -> None:
    """Raises `engine.master_unreachable`: Spark itself would try for minutes."""
    match = _ADDRESS.fullmatch(master)
    if match is None:
        raise MASTER_UNREACHABLE.error(master=master, seconds=f"{seconds:g}")
    try:
        with socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=seconds):
            return
    except OSError:
        raise MASTER_UNREACHABLE.error(master=master, seconds=f"{seconds:g}") from None


def _wait_for_executor(spark: Session, master: str, seconds: float) -> None:
    """A cluster without free workers takes an application and lets it wait for ever."""
    until = time.monotonic() + seconds
    # The driver is in the list as well.
    while spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() < 2:
        if time.monotonic() > until:
            raise NO_EXECUTOR.error(master=master, seconds=f"{seconds:g}")
        time.sleep(0.2)


# -- work that is not a query ------------------------------------------------------------------------


def map_batches(rows: Any, function: Callable[[Iterator[Any]], Iterator[Any]], schema: Any) -> Any:
    """A Spark frame made by a pure function over Arrow batches, on the workers; `schema` is a pyarrow schema."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return rows.mapInArrow(function, from_arrow_schema(schema))
