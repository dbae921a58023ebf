"""One database behind one URL: SQLite (WAL) by default, PostgreSQL when the URL says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError

from rwd_platform.core.errors import Exit, Problem

DATABASE_UNREACHABLE = Problem(
    code="database.unreachable",
    zh="无法连接数据库。",
    en="The database cannot be reached.",
    next_zh="请检查 RWD_DATABASE_URL 与数据库服务是否运行，然后重试。",
    next_en="Check RWD_DATABASE_URL and that the database server is running, then try again.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)

# Any fixed number: it names the one lock that makes appending to the log single file.
_LOG_LOCK = 7_266_1917


def open_database(url: str) -> Engine:
    """An engine. On SQLite: WAL, full sync, foreign keys on, and transactions that we begin ourselves."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 30})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions behind our back
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("rwd_writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def writing(engine: Engine) -> Engine:
    """The same database, with transactions that take the write lock at once (SQLite)."""
    return engine.execution_options(rwd_writing=True)


def hold_log_lock(connection: Connection) -> None:
    """Until the transaction ends nobody else appends to the log."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOG_LOCK})
    # On SQLite, BEGIN IMMEDIATE already holds the only write lock.


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> None:
    """Bring the schema to head. Safe to call at every start."""
    try:
        with writing(engine).begin() as connection:
            hold_log_lock(connection)  # web and worker may start at once on an empty database
            command.upgrade(_config(connection), "head")
    except OperationalError as error:
        raise DATABASE_UNREACHABLE.error() from error


def is_at_head(engine: Engine) -> bool:
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(_config(connection))
        return MigrationContext.configure(connection).get_current_revision() == script.get_current_head()
