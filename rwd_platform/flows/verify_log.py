"""Verify the log of a deployment, of any database, or an extract in a file; and write the log out as files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from rwd_platform.audit.against_records import verify_deployment
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.export import Exported, export_log
from rwd_platform.audit.findings import Findings
from rwd_platform.audit.verify import LogVerification, verify_log
from rwd_platform.audit.verify_extract import ExtractVerification, verify_extract
from rwd_platform.core.clock import system_clock
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.database import DATABASE_UNREACHABLE, is_at_head, open_database
from rwd_platform.records.records import Records
from rwd_platform.settings import load_settings
from rwd_platform.signing.ed25519 import signer

_LOG_TABLES = {"audit_entry", "audit_node", "audit_checkpoint"}

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
    records: Records,
    public_key: bytes,
    checkpoint_note: str | None = None,
    witnesses: Sequence[bytes] = (),
    notes: Sequence[str] = (),
) -> LogVerification:
    return verify_deployment(
        records, public_key=public_key, checkpoint_note=checkpoint_note, witnesses=witnesses, notes=notes
    )


def verify_log_of(
    database: str | None,
    extract: Path | None,
    notes: Sequence[str],
    key: bytes | None,
    witnesses: Sequence[bytes] = (),
) -> LogVerification | ExtractVerification:
    """This deployment's log with its own key, unless another database, an extract or another key is named.

    Of a database of an older schema - an old backup - the log alone is verified, and the answer says so. One that
    says it has today's schema has all its tables, or somebody dropped them.
    """
    if extract is not None:
        if key is None:
            raise KEY_NEEDED.error()
        return verify_extract(extract, public_key=key, checkpoint_note=next(iter(notes), None))
    settings = load_settings()
    engine, tables = existing_database(database or settings.database, ours=database is None)
    if database is not None and key is None:
        raise KEY_NEEDED.error()
    keys = settings.key_ring() if key is None else None
    public_key = key or deployment_key()
    # Reading needs no key ring: nothing is appended and no detail is opened.
    from rwd_platform.signing.keys import demo_key_ring

    records = Records(engine, log=settings.log_origin, keys=keys or demo_key_ring(), clock=system_clock)
    missing = set(SQLModel.metadata.tables) - tables
    check = verify_records if not missing else _verify_log_alone
    try:
        found = check(records, public_key, witnesses=witnesses, notes=notes)
        return _without_tables(found, missing) if missing and is_at_head(engine) else found
    finally:
        engine.dispose()


def deployment_key() -> bytes:
    """The public key of this deployment's log."""
    settings = load_settings()
    return signer(settings.key_ring(), "log", settings.log_origin).public_key


def _verify_log_alone(
    records: Records, public_key: bytes, *, witnesses: Sequence[bytes], notes: Sequence[str]
) -> LogVerification:
    return verify_log(records, public_key=public_key, witnesses=witnesses, notes=notes)


def _without_tables(found: LogVerification, missing: set[str]) -> LogVerification:
    findings = Findings()
    findings.add("tables_missing", tables=", ".join(sorted(missing)))
    return replace(found, ok=False, findings=(*findings.kept, *found.findings))


def export_log_of(platform: Platform, actor: Actor, folder: Path) -> Exported:
    """The log as files. Reading all of it is an act, and the last entry of what is exported; a head covers it."""
    platform.records.record(Act(actor, "log.exported", Object("log", platform.records.log)))
    make_checkpoint(platform.records, platform.log_signer, "export")
    return export_log(platform.records, folder)


def existing_database(url: str, *, ours: bool = True) -> tuple[Engine, set[str]]:
    """The database at the address that holds a log, and its tables. Never makes one, nor changes another's.

    ours -- the deployment's own, which has all the tables of today and is opened as it always is
    """
    try:
        path = make_url(url).database or ""
        is_file = url.startswith("sqlite")
        tables = _tables_in_file(path) if is_file else _tables_at(url)
        if not (set(SQLModel.metadata.tables) if ours else _LOG_TABLES) <= tables:
            raise NO_LOG_THERE.error()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, sqlite3.Error):
        raise NO_LOG_THERE.error() from None  # no address, of a kind we do not speak, or no database
    except DBAPIError as error:
        raise DATABASE_UNREACHABLE.error() from error
    return (open_database(url) if ours or not is_file else _read_only(Path(path))), tables


def _read_only(path: Path) -> Engine:
    """A SQLite file that is evidence: not a byte of it changes, and what is no text in it stops nothing."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _tables_in_file(path: str) -> set[str]:
    """Read-only: opened as ours, it would be given our journal mode."""
    if not Path(path).is_file():
        return set()
    with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _tables_at(url: str) -> set[str]:
    return set(inspect(open_database(url)).get_table_names())
