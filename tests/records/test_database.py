"""One schema on two databases: migrations lead to the tables in code, up and down, and may be run at any time."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect
from sqlmodel import SQLModel

import rwd_platform.records.tables  # noqa: F401 - fills SQLModel.metadata
from rwd_platform.core.errors import Exit, PlatformError
from rwd_platform.records import database
from rwd_platform.records.database import is_at_head, migrate, open_database, writing

MIGRATIONS = Path(database.__file__).parent / "migrations"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without tables, once of each kind."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("empty_postgres_url")
    engine = open_database(url)
    yield engine
    engine.dispose()


# Each process first imports, then waits for the file, so that both reach the database together.
MIGRATE_AT_A_SIGN = """
import sys, pathlib
from rwd_platform.records.database import migrate, open_database
import rwd_platform.records.tables
while not pathlib.Path(sys.argv[2]).exists():
    pass
migrate(open_database(sys.argv[1]))
"""


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))


def downgrade_to_base(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def test_the_migrations_make_exactly_the_tables_in_code(empty: Engine) -> None:
    """After `migrate` nothing is left that alembic would still change: no drift."""
    migrate(empty)
    assert differences(empty) == []


def test_up_and_down_and_up_again(empty: Engine) -> None:
    """Every migration has a way back that leaves nothing behind, and the way up works again."""
    migrate(empty)
    downgrade_to_base(empty)
    assert set(inspect(empty).get_table_names()) <= {"alembic_version"}
    assert not is_at_head(empty)
    migrate(empty)
    assert differences(empty) == []
    assert is_at_head(empty)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("patient_key", {"organisation_id": "o", "patient_id": "p", "suite": "intl", "key_version": 1,
                         "wrapped": b"w", "made_at": "", "destroyed_at": ""}),
        ("vault_entry", {"organisation_id": "o", "source_system": "his", "patient_id": "p", "format_version": 1,
                         "sealed": b"s", "written_at": "", "upload_id": "u"}),
    ],
)  # fmt: skip
def test_a_way_back_that_would_destroy_what_is_irreplaceable_is_refused(
    tmp_path: Path, table: str, row: dict[str, object]
) -> None:
    """With a patient's key goes everything of that patient in the files as received; no question is asked later."""
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    marks = ", ".join("?" * len(row))
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:  # which asks for no foreign key
        beside.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    with pytest.raises(PlatformError, match=r"database\.downgrade_destroys") as caught:
        downgrade_to_base(engine)
    assert table in caught.value.en and is_at_head(engine) and differences(engine) == []
    with engine.connect() as connection:
        assert connection.execute(SQLModel.metadata.tables[table].select()).all()
    engine.dispose()


def test_a_way_back_that_would_forget_who_holds_results_is_refused(tmp_path: Path) -> None:
    """The ledger names its circles by id: without the register nobody could say who they are."""
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        beside.execute("INSERT INTO release_circle VALUES ('c', 'o', 'sponsor', '甲', 'A', 'A', '', 'u', '')")
    with pytest.raises(PlatformError, match=r"database\.downgrade_forgets_circles"):
        downgrade_to_base(engine)
    assert is_at_head(engine) and differences(engine) == []
    engine.dispose()


def test_a_way_back_that_would_mix_imports_with_transfers_abroad_is_refused(tmp_path: Path) -> None:
    """Without its direction a decision about data that come in would be counted among those about data that leave."""
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    row = {"id": "t", "organisation_id": "o", "project_id": "", "package_id": "", "direction": "inbound",
           "title_zh": "甲", "title_en": "A", "recipient": "A", "asked_at": "", "asked_by": "u", "verdict": "HOLD",
           "facts": "{}", "decision": "{}"}  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        marks = ", ".join("?" * len(row))
        beside.execute(f"INSERT INTO transfer ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    with pytest.raises(PlatformError, match=r"database\.downgrade_forgets_imports"):
        downgrade_to_base(engine)
    assert is_at_head(engine) and differences(engine) == []
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        beside.execute("UPDATE transfer SET direction = 'outbound'")
    downgrade_to_base(engine)
    engine.dispose()


def test_a_way_back_that_would_forget_whose_identity_is_whose_is_refused(tmp_path: Path) -> None:
    """Attempts are over in ten minutes anyway; a binding was made by somebody who was logged in."""
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        beside.execute("INSERT INTO oidc_attempt VALUES ('t', 's', 'n', 'v', 'login', '', '/', '')")
        beside.execute("INSERT INTO oidc_identity VALUES ('https://idp.example', 'sub', 'user-1', 'o', '')")
    with pytest.raises(PlatformError, match=r"database\.downgrade_forgets_identities"):
        downgrade_to_base(engine)
    assert is_at_head(engine) and differences(engine) == []
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        beside.execute("DELETE FROM oidc_identity")
    downgrade_to_base(engine)
    engine.dispose()


def test_half_a_login_from_before_began_with_the_password(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0012")
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        beside.execute("INSERT INTO half_login VALUES ('t', 'user-1', 'o', '', '')")
    migrate(engine)
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside:
        assert beside.execute("SELECT first_step FROM half_login").fetchall() == [("password",)]
    engine.dispose()


def test_what_was_decided_before_there_were_imports_is_about_data_that_leave(tmp_path: Path) -> None:
    """The schema before knows transfers abroad alone; every row of it is one afterwards."""
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
    row = {"id": "t", "organisation_id": "o", "project_id": "", "package_id": "", "title_zh": "甲", "title_en": "A",
           "recipient": "A", "asked_at": "", "asked_by": "u", "verdict": "HOLD", "facts": "{}",
           "decision": "{}"}  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside, beside:
        marks = ", ".join("?" * len(row))
        beside.execute(f"INSERT INTO transfer ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    migrate(engine)
    with closing(sqlite3.connect(tmp_path / "a.db")) as beside:
        assert beside.execute("SELECT direction FROM transfer").fetchall() == [("outbound",)]
    engine.dispose()


def test_migrating_twice_is_harmless(empty: Engine) -> None:
    """`migrate` runs at every start, so the second time does nothing."""
    migrate(empty)
    migrate(empty)
    assert is_at_head(empty)


def test_two_processes_may_start_at_once_on_an_empty_database(empty: Engine, tmp_path: Path) -> None:
    """Web and worker start together: one migrates, the other waits and finds the work done."""
    url, start = empty.url.render_as_string(hide_password=False), tmp_path / "start"
    processes = [
        subprocess.Popen([sys.executable, "-c", MIGRATE_AT_A_SIGN, url, str(start)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    start.touch()
    try:
        errors = [process.communicate(timeout=60)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], errors
    assert is_at_head(empty)


def test_sqlite_keeps_its_promises(tmp_path: Path) -> None:
    """WAL, full sync and foreign keys are on for every connection: a crash loses no committed entry."""
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_database_that_is_not_there_is_said_in_words() -> None:
    """A wrong URL gives a message with the next step, and neither a traceback nor the URL's password."""
    engine = open_database("postgresql+psycopg://rwd:planted-password@127.0.0.1:1/rwd")
    with pytest.raises(PlatformError) as caught:
        migrate(engine)
    engine.dispose()
    assert (caught.value.code, caught.value.exit) == ("database.unreachable", Exit.BROKEN_ENVIRONMENT)
    assert "planted-password" not in str(caught.value.as_dict())
