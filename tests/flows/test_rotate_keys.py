"""Rotation of a hospital's pseudonym key: new names everywhere, nothing lost, nothing half done."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlmodel import select

from deidentify.pseudonym import Pseudonymiser, parse_token
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import break_glass, rotate_keys
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.first_names import current_name, first_names, read_list
from rwd_platform.flows.key_status import key_status
from rwd_platform.flows.key_versions import PSEUDONYM, RotationName, current_version
from rwd_platform.flows.ledger_map import Person
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.rotate_keys import Rotation, rotate_hospital_key
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.vault import open_entry
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import (
    AuditEntry,
    PatientKey,
    PersonLink,
    Upload,
    UploadFile,
    User,
    VaultEntry,
)
from rwd_platform.settings import Settings
from rwd_platform.signing.keys import KeyRing
from rwd_platform.store.admission_guard import steady_lake
from rwd_platform.store.lake import Lake
from tests.conftest import StandingClock
from tests.flows.homes import copied, made
from tests.flows.sending import (
    CLERK,
    CLERK_B,
    RESEARCHER,
    accounts,
    actions,
    grade,
    ndjson,
    patient,
    received,
    sent,
)

HOSPITAL = "org-hospital-a"
OPERATOR = Actor("ops", "operator", "org-operator")
NUMBER = "11010519491231002X"
OLD_TOKEN = re.compile(r"p1\.intl\.1\.[a-z2-7]{26}")
FILES = {
    "a.ndjson": ndjson(
        patient("p1", identifier=[{"system": "urn:id", "value": NUMBER}], name=[{"text": "张三"}]),
        grade("g1", "p1"),
        patient("p2"),
        grade("g2", "p2", 3),
        {"resourceType": "Observation", "id": "broken", "subject": {"reference": "Patient/p3"}},
    )
}


def two_hospitals(platform: Platform) -> None:
    """Of the one that is rotated two source systems, files kept by patient."""
    sent(platform, FILES)
    sent(platform, {"l.ndjson": ndjson(patient("p1"))}, source_system="lis")
    sent(platform, {"b.ndjson": ndjson(patient("p1"), grade("g1"))}, CLERK_B)


@pytest.fixture(scope="module")
def home(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("two") / "home", sqlite_template, two_hospitals)


@pytest.fixture
def filled(home: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    with copied(home, tmp_path / "home", clock) as platform:
        yield platform


def cells(platform: Platform, organisation: str = HOSPITAL) -> dict[str, list[str]]:
    """Every text of a hospital's rows, by table."""
    lake = Lake(platform.layout)
    found = {}
    for table in lake.tables():
        frame = lake.read(table)
        own = frame[frame["organisation_id"] == organisation]
        found[table] = sorted(str(cell) for cell in own.to_numpy().ravel() if isinstance(cell, str))
    return found


def by_version(platform: Platform, table: Any, organisation: str = HOSPITAL) -> set[int]:
    rows = platform.records.all(select(table).where(table.organisation_id == organisation))
    return {parse_token(row.patient_id).version for row in rows if row.patient_id}


def names_on_disk(platform: Platform, organisation: str = HOSPITAL) -> set[str]:
    """Whose the files of the identified zone are, as their own indexes say."""
    from rwd_platform.store.segments import Segments

    found: set[str] = set()
    for path in (platform.layout.landing / organisation).glob("*/*.seg"):
        with path.open("rb") as source:
            find = platform.patient_keys.find
            found.update(Segments(source, platform.keys, organisation, path.name, find).patients)
    return found - {""}


def content(platform: Platform) -> list[bytes]:
    """Every file of the hospital as it was received."""
    files = platform.records.all(select(UploadFile).where(UploadFile.organisation_id == HOSPITAL))
    return [
        platform.landing.open(HOSPITAL, file.sha256).read() for file in sorted(files, key=lambda one: one.id)
    ]


def rotated(platform: Platform, **more: bool) -> Rotation:
    return rotate_hospital_key(platform, OPERATOR, HOSPITAL, **more)


# -- the whole of it -----------------------------------------------------------------------------------


def test_every_name_of_the_hospital_is_new_and_everything_else_is_as_it_was(filled: Platform) -> None:
    """Lake, links, keys, vault and the files as received; the other hospital keeps its names."""
    before, there = cells(filled), cells(filled, "org-hospital-b")
    plain, raw = content(filled), names_on_disk(filled)
    done = rotated(filled)
    assert (done.old_version, done.new_version, done.contents_kept) == (1, 2, 0)
    assert done.rows["patient"] == 3 and done.rows["measurement"] == 2 and done.rows["resource"] == 5

    after = cells(filled)
    text = json.dumps(after)
    assert OLD_TOKEN.search(json.dumps(before)) and not OLD_TOKEN.search(text) and "p1.intl.2." in text
    # But for names and content hashes the rows are the same.
    plain_text = {
        table: sorted(OLD_TOKEN.sub("@", cell) for cell in texts if len(cell) != 64)
        for table, texts in before.items()
    }
    new_token = re.compile(OLD_TOKEN.pattern.replace("1", "2", 2).replace("p2", "p1"))
    new_text = {
        table: sorted(new_token.sub("@", cell) for cell in texts if len(cell) != 64)
        for table, texts in after.items()
    }
    assert new_text == plain_text
    assert cells(filled, "org-hospital-b") == there

    for table in (PatientKey, PersonLink, VaultEntry):
        assert by_version(filled, table) == {2}
        assert by_version(filled, table, "org-hospital-b") <= {1}
    assert {parse_token(name).version for name in names_on_disk(filled)} == {2}
    assert len(names_on_disk(filled)) == len(raw)
    assert content(filled) == plain
    assert actions(filled)[-2:] == ["key.rotated", "key.rotation_finished"]


def test_new_names_are_those_that_the_next_version_of_the_key_makes(filled: Platform) -> None:
    """The same patient sent tomorrow has the name that rotation gave."""
    rotated(filled)
    key = filled.keys.derive(PSEUDONYM, HOSPITAL, version=2)
    expected = Pseudonymiser(key, "his", 2).token("Patient", "p1")
    assert expected in cells(filled)["patient"] and expected in cells(filled)["measurement"]
    with filled.records.reading() as session:
        identity = open_entry(filled, session, HOSPITAL, expected)
    assert identity.names == ("张三",) and identity.resource_id == "p1"


def test_what_is_sent_again_after_a_rotation_is_a_duplicate_as_before(filled: Platform) -> None:
    """Content hashes were made anew too: otherwise every resource would come in as changed."""
    rotated(filled)
    again = sent(filled, {"again.ndjson": b"\n" + FILES["a.ndjson"]})
    assert accounts(filled, again) == {"again.ndjson": (0, 1, 0, 4)}
    more = sent(filled, {"more.ndjson": ndjson(grade("g9", "p1"))})
    assert accounts(filled, more) == {"more.ndjson": (1, 0, 0, 0)}, "its patient is known under the new name"
    assert not OLD_TOKEN.search(json.dumps(cells(filled)))


def test_it_can_be_rotated_again_and_again(filled: Platform) -> None:
    for version in (2, 3):
        assert rotated(filled).new_version == version
    assert by_version(filled, VaultEntry) == {3}
    assert {parse_token(name).version for name in names_on_disk(filled)} == {3}


def test_a_hospital_that_sent_nothing_has_nothing_to_rename(platform: Platform) -> None:
    done = rotated(platform)
    assert (done.names, done.rows, done.files, done.new_version) == (0, {}, 0, 2)
    sent(platform, FILES)
    assert not OLD_TOKEN.search(json.dumps(cells(platform)))


def test_the_lakes_old_files_go(filled: Platform) -> None:
    """A backup of yesterday has them still; in this home no file of the lake's rows holds an old name."""
    rotated(filled)
    files = sorted(filled.layout.lake.glob("*/v1/*.parquet"))
    assert files
    for path in files:
        frame = pd.read_parquet(path)
        own = frame[frame["organisation_id"] == HOSPITAL].to_numpy().ravel()
        assert not [cell for cell in own if isinstance(cell, str) and OLD_TOKEN.search(cell)]


def test_no_old_name_is_left_anywhere_in_the_lakes_folder(filled: Platform) -> None:
    """Delta's log would keep the smallest and largest values of every file: names, in clear text.

    The tables are made as version 0.1 made them, with these statistics; a search finds them before, and none after.
    """
    from deltalake import DeltaTable

    for table in Lake(filled.layout).tables():
        folder = Lake(filled.layout).folder_of(table)
        DeltaTable(folder).alter.set_table_properties({"delta.dataSkippingNumIndexedCols": "32"})
    sent(filled, {"more.ndjson": ndjson(patient("p7"), grade("g7", "p7"))})
    # The other hospital keeps its names, of the same version: only those of this one are searched for.
    old = {name for texts in cells(filled).values() for cell in texts for name in OLD_TOKEN.findall(cell)}
    assert names_found(filled, old)
    rotated(filled)
    assert names_found(filled, old) == {}
    sent(filled, {"after.ndjson": ndjson(patient("p8"))})
    assert not any(
        b"p1.intl" in path.read_bytes() for path in filled.layout.lake.glob("*/v1/_delta_log/*.json")
    )


def names_found(platform: Platform, names: set[str]) -> dict[str, int]:
    """Files of the lake's folder, with how many of the names are in them; Parquet is read, not only its bytes."""
    found = {}
    for path in sorted(path for path in platform.layout.lake.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += str(pd.read_parquet(path).to_dict("records"))
        if there := sum(name in text for name in names):
            found[str(path.relative_to(platform.layout.lake))] = there
    return found


# -- names through rotations ---------------------------------------------------------------------------


def test_names_are_traced_through_every_rotation(filled: Platform) -> None:
    """To the first one a patient had here, and to the present one; who came later began later."""
    [link] = filled.records.all(select(PersonLink).where(PersonLink.organisation_id == HOSPITAL))
    old = link.patient_id
    assert first_names(filled, HOSPITAL) == {} and current_name(filled, HOSPITAL, old) == old
    rotated(filled)
    sent(filled, {"new.ndjson": ndjson(patient("p8"))})
    key = filled.keys.derive(PSEUDONYM, HOSPITAL, version=2)
    later = Pseudonymiser(key, "his", 2).token("Patient", "p8")
    assert later not in first_names(filled, HOSPITAL)
    rotated(filled)
    [link] = filled.records.all(select(PersonLink).where(PersonLink.organisation_id == HOSPITAL))
    first = first_names(filled, HOSPITAL)
    assert first[link.patient_id] == old and current_name(filled, HOSPITAL, old) == link.patient_id
    assert first[current_name(filled, HOSPITAL, later)] == later
    assert current_name(filled, HOSPITAL, link.patient_id) == link.patient_id
    present = set(Lake(filled.layout).read("patient").query("organisation_id == @HOSPITAL")["patient_id"])
    assert present <= first.keys() and len({first[name] for name in present}) == len(present)
    assert first_names(filled, "org-hospital-b") == {}


def test_a_lost_list_is_said_and_not_taken_for_an_unknown_name(filled: Platform) -> None:
    [link] = filled.records.all(select(PersonLink).where(PersonLink.organisation_id == HOSPITAL))
    rotated(filled)
    (filled.layout.home / "rotations" / f"{HOSPITAL}-v2.sealed").unlink()
    for look in (
        lambda: first_names(filled, HOSPITAL),
        lambda: current_name(filled, HOSPITAL, link.patient_id),
    ):
        with pytest.raises(PlatformError, match=r"keys\.map_lost"):
            look()


def test_break_glass_finds_the_subject_of_a_lock_of_before(filled: Platform) -> None:
    """An old package names its subjects for good; who they are is found under the present name."""
    from tests.flows import test_break_glass as asking

    for actor in asking.EVERYBODY:
        account = User(
            id=actor.id, organisation_id=actor.organisation, login=actor.id, role=actor.role, name=actor.id,
            password_hash="", created_at="",
        )  # fmt: skip
        filled.records.write(account, audit=Act(OPERATOR, "user.registered", Object("user", actor.id)))
    [link] = filled.records.all(select(PersonLink).where(PersonLink.organisation_id == HOSPITAL))
    asking.locked(filled, {asking.SUBJECT: Person("l", ((HOSPITAL, link.patient_id),))})
    rotated(filled)
    row = break_glass.request(filled, asking.INSPECTOR, asking.SUBJECT, asking.REASON, 30)
    assert parse_token(row.patient_id).version == 2
    for approver in (asking.FIRST, asking.SECOND):
        break_glass.vote(filled, approver, row.id, True, asking.WHY)
    assert break_glass.open_identity(filled, asking.INSPECTOR, row.id).names == ("张三",)


# -- looking first -------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(filled: Platform) -> None:
    """Not a byte of the home folder, not a row, and the version stays."""
    before, logged = cells(filled), actions(filled)
    versions = Lake(filled.layout).versions()
    would = rotated(filled, dry_run=True)
    assert would.dry_run and would.names >= 6 and would.rows["patient"] == 3
    assert (cells(filled), actions(filled), Lake(filled.layout).versions()) == (before, logged, versions)
    assert current_version(filled.records, PSEUDONYM, HOSPITAL) == 1
    assert not (filled.layout.home / "rotations").exists()


def test_the_list_of_old_and_new_names_is_sealed_and_named_in_the_log(filled: Platform) -> None:
    """It opens with the root key; its bytes hold no name, and a list moved to another hospital stays closed."""
    rotated(filled)
    name = RotationName(HOSPITAL, 2)
    names = read_list(filled, name)
    assert names and {parse_token(old).version for old in names} == {1}
    assert {parse_token(new).version for new in names.values()} == {2}
    path = filled.layout.home / "rotations" / f"{HOSPITAL}-v2.sealed"
    sealed = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert b"p1.intl" not in sealed and next(iter(names)).rpartition(".")[2].encode() not in sealed
    entry = filled.records.all(select(AuditEntry).where(AuditEntry.action == "key.rotated"))[0]
    assert hashlib.sha256(sealed).hexdigest() == json.loads(entry.body)["decision"]["list_sha256"]
    path.with_name("org-hospital-b-v2.sealed").write_bytes(sealed)
    with pytest.raises(PlatformError, match=r"keys\.map_lost"):
        read_list(filled, RotationName("org-hospital-b", 2))


# -- refusals and crashes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "actor", [CLERK, RESEARCHER, Actor("po", "privacy", "org-operator")], ids=lambda one: one.id
)
def test_only_the_operator_rotates_and_a_refusal_is_in_the_log(platform: Platform, actor: Actor) -> None:
    for act in (lambda: rotate_hospital_key(platform, actor, HOSPITAL), lambda: key_status(platform, actor)):
        with pytest.raises(PlatformError, match=r"access\.not_allowed"):
            act()
        assert actions(platform)[-1] == "access.refused"
    assert current_version(platform.records, PSEUDONYM, HOSPITAL) == 1


def test_a_hospital_that_nobody_knows_is_refused(platform: Platform) -> None:
    with pytest.raises(PlatformError, match=r"records\.not_found"):
        rotate_hospital_key(platform, OPERATOR, "org-nowhere")


def test_while_an_upload_is_being_admitted_nothing_is_rotated(filled: Platform) -> None:
    """What is on its way carries names of the old version."""
    upload_id = received(filled, {"c.ndjson": ndjson(patient("p9"))})
    act = Act(CLERK, "upload.admission_started", Object("upload", upload_id))
    with filled.records.transaction(audit=act) as session:
        session.get_one(Upload, upload_id).state = UploadState.ADMITTING
    before = cells(filled)
    with pytest.raises(PlatformError, match=r"keys\.rotation_busy"):
        rotated(filled)
    assert cells(filled) == before
    admit_upload(filled, CLERK, upload_id)
    assert rotated(filled).new_version == 2


def test_a_token_that_no_file_accounts_for_stops_everything(filled: Platform) -> None:
    """Part of the tables was rewritten already: they are put back, and nothing says version 2."""
    before = cells(filled)
    act = Act(CLERK, "upload.admission_failed", Object("upload", "x"))
    with filled.records.transaction(
        audit=act
    ) as session:  # an upload whose rows are there, and which no list covers
        session.exec(select(Upload).where(Upload.source_system == "lis")).one().state = UploadState.FAILED
    with pytest.raises(PlatformError, match=r"keys\.tokens_left"):
        rotated(filled)
    assert cells(filled) == before
    assert current_version(filled.records, PSEUDONYM, HOSPITAL) == 1
    assert by_version(filled, VaultEntry) == {1} and by_version(filled, PatientKey) == {1}


def test_a_missing_raw_file_stops_everything(filled: Platform) -> None:
    next((filled.layout.landing / HOSPITAL).glob("*/*.seg")).unlink()
    before = cells(filled)
    with pytest.raises(PlatformError, match=r"landing\.not_found"):
        rotated(filled)
    assert cells(filled) == before and actions(filled)[-1] != "key.rotated"


class Killed(BaseException):
    """The process ends here."""


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, platform: Platform) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(rotate_keys, name, die)
        with pytest.raises(Killed):
            rotated(platform)


@pytest.mark.parametrize("at", ["new_names", "keep_list", "rename_tokens", "count_tokens", "rename_rows"])
def test_a_crash_before_the_commit_leaves_everything_as_it_was(
    filled: Platform, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """And it can be done again."""
    before = cells(filled)
    killed_at(monkeypatch, at, filled)
    assert cells(filled) == before and by_version(filled, PatientKey) == {1}
    assert rotated(filled).new_version == 2
    assert not OLD_TOKEN.search(json.dumps(cells(filled)))


@pytest.mark.parametrize("at", ["rename_patients", "quiet_lake", "drop_old_keys"])
def test_a_crash_after_the_commit_leaves_a_whole_store_and_the_rest_is_done_next_time(
    filled: Platform, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The files open by either name; `rwd keys status` says that steps are left."""
    plain = content(filled)
    killed_at(monkeypatch, at, filled)
    assert current_version(filled.records, PSEUDONYM, HOSPITAL) == 2
    assert not OLD_TOKEN.search(json.dumps(cells(filled)))
    assert by_version(filled, PatientKey) == {1, 2} and content(filled) == plain
    assert key_status(filled, OPERATOR).unfinished == (HOSPITAL,)
    assert rotated(filled).finished_earlier
    assert by_version(filled, PatientKey) == {3} and content(filled) == plain
    assert key_status(filled, OPERATOR).unfinished == ()


def test_a_rotation_that_got_on_record_is_not_undone_by_the_next_admission(
    filled: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of unfinished work is asked about like an upload's: only a rotation on record stays."""
    name = RotationName(HOSPITAL, 2)
    assert not is_admitted(filled, str(name))
    rotated(filled)
    assert is_admitted(filled, str(name)) and not is_admitted(filled, str(RotationName(HOSPITAL, 3)))
    note = {"upload_id": str(name), "versions": dict.fromkeys(Lake(filled.layout).versions(), 0)}
    (filled.layout.lake / "unfinished.json").write_text(json.dumps(note))
    with steady_lake(filled.layout, lambda id: is_admitted(filled, id)):
        assert not OLD_TOKEN.search(json.dumps(cells(filled)))


def test_the_lost_list_of_an_unfinished_rotation_is_said_plainly(
    filled: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(monkeypatch, "rename_patients", filled)
    (filled.layout.home / "rotations" / f"{HOSPITAL}-v2.sealed").write_bytes(
        b"not it, and long enough to be one"
    )
    with pytest.raises(PlatformError, match=r"keys\.map_lost"):
        rotated(filled)


def test_a_root_key_of_another_deployment_rotates_nothing(
    filled: Platform, tmp_path: Path, clock: StandingClock
) -> None:
    """The raw files do not open, so no list can be made; the lake stays as it is."""
    before = cells(filled)
    root = tmp_path / "other.key"
    root.write_bytes(b"z" * 32)
    root.chmod(0o600)
    other = open_platform(Settings(home=filled.layout.home, root_key_file=root), clock)
    try:
        with pytest.raises(PlatformError, match=r"raw\.wrong_key"):
            rotated(other)
    finally:
        other.records.engine.dispose()
    assert cells(filled) == before
    assert other.keys != filled.keys and isinstance(other.keys, KeyRing)


def test_status_names_every_hospitals_version_and_no_key(filled: Platform) -> None:
    """What the operator sees: purpose, scope, version, suite."""
    rotated(filled)
    found = key_status(filled, OPERATOR)
    assert {(one.scope, one.version) for one in found.versions if one.purpose == PSEUDONYM} >= {
        (HOSPITAL, 2), ("org-hospital-b", 1)
    }  # fmt: skip
    text = json.dumps(found.as_dict())
    key = filled.keys.derive(PSEUDONYM, HOSPITAL, version=2)
    assert key.hex() not in text and found.suite == "intl"
