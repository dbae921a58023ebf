"""The control plane on PostgreSQL: what an erasure deletes leaves the server's data files too.

A row that was deleted lies in its page until it is written over, so the tables are written anew. The server's
write-ahead log is the operator's, as its archive is; everything else in the data directory is searched by bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.records.tables import PatientKey, VaultEntry
from rwd_platform.settings import Settings
from tests.flows.erasing import NAME, OFFICERS, VICTIM, approved, pseudonym, settle_people
from tests.flows.sending import CLERK, ndjson, patient, sent


@pytest.fixture
def platform(empty_postgres_url: str, tmp_path: Path) -> Iterator[Platform]:
    found = open_platform(Settings(home=tmp_path / "home", demo=True, database_url=empty_postgres_url))
    register_organisations(found)
    settle_people(found)
    yield found
    found.records.engine.dispose()


def files_with(platform: Platform, needles: dict[str, bytes]) -> dict[str, set[str]]:
    """needle -> the server's files that hold it, without its write-ahead log. What it still holds is written first."""
    with platform.records.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file() and "pg_wal" not in path.parts:
            content = path.read_bytes()
            for name, needle in needles.items():
                if needle in content:
                    found.setdefault(name, set()).add(str(path.relative_to(folder)))
    return found


@pytest.mark.postgres
def test_no_file_of_the_database_keeps_what_was_deleted(platform: Platform) -> None:
    """The wrapped key, the sealed identity and the reason why a line was kept out; another patient's stay."""
    person = {**patient(VICTIM), "name": [{"text": NAME}]}
    unfit = {**patient(VICTIM), "birthDate": "19871123"}
    sent(
        platform, {"two.ndjson": ndjson(person, {**patient("another"), "name": [{"text": "王小明"}]}, unfit)}
    )
    own = pseudonym(platform)
    keys = {row.patient_id: row.wrapped for row in platform.records.all(select(PatientKey))}
    vault = {row.patient_id: row.sealed for row in platform.records.all(select(VaultEntry))}
    needles = {"key": keys.pop(own), "identity": vault.pop(own)}
    others = {f"key {name}": wrapped for name, wrapped in keys.items()}
    others |= {f"identity {name}": sealed for name, sealed in vault.items()}
    before = files_with(platform, {**needles, **others})
    assert before.keys() == needles.keys() | others.keys(), "the search would find them"

    done = erase(platform, OFFICERS[1], approved(platform).id)

    assert done.state == "erased" and json.loads(json.dumps(done.counts))["lines"] == 2
    assert files_with(platform, {**needles, **others}).keys() == others.keys()
    assert platform.records.get(PatientKey, (CLERK.organisation, own)).wrapped == b""
