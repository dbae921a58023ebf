"""After an upgrade: patients of before get their place in the vault, and their files are kept by patient."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.backfill import backfill
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.vault import open_entry
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import PatientKey, PersonLink, VaultEntry
from tests.conftest import StandingClock
from tests.flows.sending import CLERK, CLERK_B, actions, grade, ndjson, patient, received

OPERATOR = Actor("ops", "operator", "org-operator")
HOSPITAL = "org-hospital-a"
NUMBER = [{"system": "urn:id", "value": "11010519491231002X"}]
TABLES = (VaultEntry, PersonLink, PatientKey)


def counted(platform: Platform) -> list[int]:
    return [len(platform.records.all(select(table))) for table in TABLES]


@pytest.fixture
def old(platform: Platform, clock: StandingClock) -> tuple[Platform, list[str]]:
    """Three uploads as version 0.1 left them: admitted, whole files, nobody in the vault."""
    uploads = []
    for clerk, content in (
        (CLERK, ndjson(patient("p1", name=[{"text": "旧名"}], identifier=NUMBER), grade("g1", "p1"))),
        (CLERK, ndjson(patient("p1", name=[{"text": "新名"}], identifier=NUMBER), patient("p2"))),
        (CLERK_B, ndjson(patient("p1"), {"resourceType": "Patient", "id": "bad", "gender": "nonsense"})),
    ):
        uploads.append(received(platform, {"a.ndjson": content}, clerk))
        admit_upload(platform, clerk, uploads[-1])
        clock.advance(hours=1)
    with platform.records.transaction(audit=Act(OPERATOR, "test.prepared", Object("row", "1"))) as session:
        for table in TABLES:
            for row in session.exec(select(table)).all():
                session.delete(row)
            session.flush()
    return platform, uploads


def segmented(platform: Platform, uploads: list[str]) -> list[bool]:
    files = [file for upload in uploads for file in files_of(platform, upload)]
    return [platform.landing.is_segmented(file.organisation_id, file.sha256) for file in files]


def test_everybody_in_the_lake_gets_an_entry_a_link_and_a_key(old: tuple[Platform, list[str]]) -> None:
    """The newest Patient counts, one that was rejected does not; every file is kept by patient afterwards."""
    platform, uploads = old
    assert counted(platform) == [0, 0, 0] and segmented(platform, uploads) == [False] * 3
    done = backfill(platform, OPERATOR)
    assert (done.uploads, done.entries, done.files, done.left) == (3, 3, 3, {})
    assert counted(platform)[:2] == [3, 1] and segmented(platform, uploads) == [True] * 3
    link = platform.records.all(select(PersonLink))[0]
    with platform.records.reading() as session:
        assert open_entry(platform, session, HOSPITAL, link.patient_id).names == ("新名",)
    assert [one for one in actions(platform) if one.startswith("vault.")] == [
        "vault.backfilled", "vault.backfilled", "vault.backfill_finished"
    ]  # fmt: skip


def test_done_again_it_finds_nothing_to_do(old: tuple[Platform, list[str]]) -> None:
    platform, _ = old
    backfill(platform, OPERATOR)
    before = platform.records.all(select(VaultEntry))
    again = backfill(platform, OPERATOR)
    assert (again.entries, again.files, again.left) == (0, 0, {})
    assert [one.sealed for one in platform.records.all(select(VaultEntry))] == [one.sealed for one in before]


def test_whoever_was_destroyed_does_not_come_back(old: tuple[Platform, list[str]]) -> None:
    """A key that was destroyed stays so, and no entry is written for its patient."""
    platform, _ = old
    backfill(platform, OPERATOR)
    gone = platform.records.all(select(PersonLink))[0].patient_id
    with platform.records.transaction(audit=Act(OPERATOR, "test.prepared", Object("row", "1"))) as session:
        key = session.get_one(PatientKey, (HOSPITAL, gone))
        key.wrapped, key.destroyed_at = b"", as_text(platform.clock())
        session.delete(session.exec(select(VaultEntry).where(VaultEntry.patient_id == gone)).one())
    assert backfill(platform, OPERATOR).entries == 0
    assert gone not in {one.patient_id for one in platform.records.all(select(VaultEntry))}


def test_a_file_that_is_lost_stops_its_own_source_alone(old: tuple[Platform, list[str]]) -> None:
    """Nothing of that source is written: an older Patient would stand for a newer one that cannot be read."""
    platform, uploads = old
    [file] = files_of(platform, uploads[1])
    next(platform.layout.landing.glob(f"{HOSPITAL}/*/{file.sha256}.raw")).unlink()
    done = backfill(platform, OPERATOR)
    assert done.left == {uploads[1]: "landing.not_found"} and done.entries == 1
    assert {one.organisation_id for one in platform.records.all(select(VaultEntry))} == {"org-hospital-b"}


def test_only_the_operator_does_it_and_a_refusal_is_in_the_log(platform: Platform) -> None:
    with pytest.raises(PlatformError, match=r"access\.not_allowed"):
        backfill(platform, CLERK)
    assert actions(platform)[-1] == "access.refused"
    assert backfill(platform, OPERATOR).as_dict() == {"uploads": 0, "entries": 0, "files": 0, "left": {}}
