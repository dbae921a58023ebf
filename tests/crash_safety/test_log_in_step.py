"""SIGKILL while the control plane is written: log and rows are in step, whatever the moment; on both databases.

Every row has its entry and every entry its row, a group of acts is there whole or not at all, what had been promised
is there, both trees verify, and writing goes on. The short form kills a few times; the long form, marked `long`, two
hundred times on each database.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from rwd_platform.audit.changes import changes_of
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.verify import verify_log
from rwd_platform.records.database import migrate
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditEntry, Organisation
from rwd_platform.signing.ed25519 import signer
from tests.conftest import LOG
from tests.crash_safety.writing import GROUP, KEYS, records_at

SEED = 20261123
LONGEST_SECONDS = 0.25


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty control plane at an address that another process can open."""
    address = f"sqlite:///{tmp_path / 'records.db'}"
    if request.param == "postgres":
        address = request.getfixturevalue("empty_postgres_url")
    records = records_at(address)
    migrate(records.engine)
    records.engine.dispose()
    yield address


def killed_once(url: str, seed: str, after: float, *, first: bool = False) -> list[tuple[str, str]]:
    """What the child had promised when it was killed, so long after it began to write.

    first -- after its first promise
    """
    call = [sys.executable, "-u", "-m", "tests.crash_safety.writing", url, seed]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        told = child.stdout.readline() if first else ""
        time.sleep(after)
        child.kill()
        told += child.stdout.read()
    lines = told.split("\n")[:-1]  # a line that was cut off promised nothing
    return [(kind, name) for kind, name in (line.split(" ") for line in lines)]


def entries_of(records: Records) -> list[dict[str, object]]:
    return [json.loads(row.body) for row in records.all(select(AuditEntry).order_by(AuditEntry.sequence))]  # type: ignore[arg-type]  # SQLModel types columns as values


def settle(records: Records) -> None:
    """A PostgreSQL server ends what a killed client had begun in its own time: nothing is read before that is over."""
    if records.engine.dialect.name != "postgresql":
        return
    busy = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state <> 'idle'"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with records.engine.connect() as connection:
            if connection.execute(busy).scalar_one() == 0:
                return
        time.sleep(0.05)
    raise AssertionError("a client that was killed half a minute ago is still at work")


def check_in_step(records: Records, promised: list[tuple[str, str]], since: int = 0) -> int:
    """Rows and entries say the same, and of the entries since the last check the sealed details too. How many."""
    settle(records)
    entries = entries_of(records)
    rows = {row.id: row for row in records.all(select(Organisation))}
    wanted: dict[str, str] = {}
    groups: Counter[str] = Counter()
    for entry in entries:
        thing: dict[str, str] = entry["object"]  # type: ignore[assignment]  # an entry of JSON
        if entry["action"] == "organisation.registered":
            parts = [f"{thing['id']}/{part}" for part in range(int(thing["version"]))]
            wanted.update(dict.fromkeys(parts, "first"))
            sequence = int(str(entry["seq"]))
            if sequence >= since:
                assert {one.id for one in changes_of(records, sequence).changes} == set(parts)
        elif entry["action"] == "organisation.changed":
            wanted[thing["id"]] = thing["version"]
        else:
            groups[thing["id"]] += 1
    assert {id: row.name_en for id, row in rows.items()} == wanted
    assert set(groups.values()) <= {GROUP}
    for kind, name in promised:
        if kind in ("row", "two"):
            assert f"{name}/0" in rows
        elif kind == "group":
            assert name in groups
    make_checkpoint(records, signer(KEYS, "log", LOG), "test")
    found = verify_log(records, public_key=signer(KEYS, "log", LOG).public_key)
    assert found.ok, found.findings
    assert (found.size, found.signed_size) == (len(entries), len(entries))
    return len(entries)


def kill_again_and_again(url: str, times: int, seed: int) -> None:
    """One database all the while: each child goes on where the one before was killed."""
    drawn, sizes, promises = random.Random(seed), [0], 0
    records = records_at(url)
    for turn in range(times):
        after = drawn.uniform(0, LONGEST_SECONDS)
        promised = killed_once(
            url, f"{seed}-{turn}", after, first=turn == 0
        )  # a busy machine writes nothing so soon
        promises += len(promised)
        size = check_in_step(records, promised, sizes[-1])
        assert size >= sizes[-1]
        sizes.append(size)
    records.engine.dispose()
    assert promises and sizes[-1] > 0, "nothing was written before any kill"


def test_killed_while_writing_log_and_rows_are_in_step(url: str) -> None:
    kill_again_and_again(url, 5, SEED)


def test_a_row_without_its_entry_would_be_noticed(url: str) -> None:
    """What the check looks for, it finds: a row behind the log, and an entry whose row is gone."""
    records = records_at(url)
    promised = killed_once(url, "x", 1.0)
    assert {"row", "two"} & {kind for kind, _ in promised}
    check_in_step(records, promised)
    with records.engine.begin() as connection:
        connection.execute(text("INSERT INTO organisation VALUES ('behind', 'hospital', 'x', 'x')"))
    with pytest.raises(AssertionError):
        check_in_step(records, [])
    with records.engine.begin() as connection:
        connection.execute(text("DELETE FROM organisation"))
    with pytest.raises(AssertionError):
        check_in_step(records, [])
    records.engine.dispose()


@pytest.mark.long
def test_killed_two_hundred_times_log_and_rows_are_in_step(url: str) -> None:
    kill_again_and_again(url, 200, SEED + 1)
