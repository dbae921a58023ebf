"""Verify the log of a deployment, of any database, or an extract in a file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlmodel import SQLModel

from rwd_platform.audit.against_records import verify_deployment
from rwd_platform.audit.verify import LogVerification
from rwd_platform.audit.verify_extract import ExtractVerification, verify_extract
from rwd_platform.core.clock import system_clock
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.records.database import DATABASE_UNREACHABLE, open_database
from rwd_platform.records.records import Records
from rwd_platform.settings import load_settings
from rwd_platform.signing.ed25519 import signer

KEY_NEEDED = Problem(
    code="audit.key_needed",
    zh="核验另一个数据库或摘录时，需要日志的公钥。",
    en="To verify another database or an extract, the log's public key is needed.",
    next_zh="请用 --key 给出公钥（向平台运营方另行索取，不要取自待核验的文件）。",
    next_en="Give it with --key; get it from the operator, not from what is being verified.",
)
NO_LOG_THERE = Problem(
    code="audit.no_log_there",
    zh="这个数据库地址下没有本平台的记录与日志。",
    en="At this database address there are no records and no log of this platform.",
    next_zh="请核对 --database 或 RWD_HOME、RWD_DATABASE_URL；核验从不新建数据库。",
    next_en="Check --database, or RWD_HOME and RWD_DATABASE_URL; verifying never makes a database.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def verify_records(
    records: Records, public_key: bytes, checkpoint_note: str | None = None
) -> LogVerification:
    return verify_deployment(records, public_key=public_key, checkpoint_note=checkpoint_note)


def verify_log_of(
    database: str | None, extract: Path | None, note: str | None, key: bytes | None
) -> LogVerification | ExtractVerification:
    """This deployment's log with its own key, unless another database, an extract or another key is named."""
    if extract is not None:
        if key is None:
            raise KEY_NEEDED.error()
        return verify_extract(extract, public_key=key, checkpoint_note=note)
    settings = load_settings()
    url = database or settings.database
    engine = existing_database(url)
    if database is not None and key is None:
        raise KEY_NEEDED.error()
    keys = settings.key_ring() if key is None else None
    public_key = key or signer(settings.key_ring(), "log", settings.log_origin).public_key
    # Reading needs no key ring: nothing is appended and no detail is opened.
    from rwd_platform.signing.keys import demo_key_ring

    records = Records(engine, log=settings.log_origin, keys=keys or demo_key_ring(), clock=system_clock)
    return verify_records(records, public_key, note)


def existing_database(url: str) -> Engine:
    """The database at the address, with all our tables in it. Never makes one, nor changes another's."""
    try:
        path = make_url(url).database or ""
        is_file = url.startswith("sqlite")
        if not set(SQLModel.metadata.tables) <= (_tables_in_file(path) if is_file else _tables_at(url)):
            raise NO_LOG_THERE.error()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, sqlite3.Error):
        raise NO_LOG_THERE.error() from None  # no address, of a kind we do not speak, or no database
    except DBAPIError as error:
        raise DATABASE_UNREACHABLE.error() from error
    return open_database(url)


def _tables_in_file(path: str) -> set[str]:
    """Read-only: opened as ours, it would be given our journal mode."""
    if not Path(path).is_file():
        return set()
    with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _tables_at(url: str) -> set[str]:
    return set(inspect(open_database(url)).get_table_names())
